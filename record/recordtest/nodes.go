package recordtest

import (
	"time"

	"waybill"
	"waybill/record"
)

// join makes a node of the book with a lease of that length.
func (k *kit) join(name string, lease time.Duration) waybill.Node {
	k.Helper()
	n := waybill.Node{Name: name, Address: "http://" + name, Version: "v1", Bundle: "b1"}
	k.do(func(tx *record.Tx) error {
		_, err := tx.Join(&n, lease)
		return err
	})
	return n
}

// holds reports whether an epoch's decisions still count.
func (k *kit) holds(epoch int64) bool {
	k.Helper()
	var s record.Standing
	k.do(func(tx *record.Tx) (err error) {
		s, err = tx.As(epoch)
		return err
	})
	return s.Holds
}

// dueTo lists the items that are due as a node gets them.
func (k *kit) dueTo(n waybill.Node, limit int) []waybill.ItemID {
	k.Helper()
	var ids []waybill.ItemID
	k.do(func(tx *record.Tx) error {
		if _, err := tx.As(n.Epoch); err != nil {
			return err
		}
		list, err := tx.DueItems(k.now.Add(time.Minute), limit)
		ids = nil
		for i := range list {
			ids = append(ids, list[i].ID)
		}
		return err
	})
	return ids
}

// over is a lease that has ended.
const over = -time.Second

var nodeCases = []testCase{
	{"a node that joins has an epoch of its own and is listed", func(k *kit) {
		a, b := k.join("a", time.Minute), k.join("b", time.Minute)
		same(k, "another epoch", a.Epoch < b.Epoch, true)
		k.read(func(tx *record.Tx) error {
			list := must[[]waybill.Node](k)(tx.Nodes())
			same(k, "nodes", []any{len(list), list[0], list[1].State()}, []any{2, a, "working"})
			return nil
		})
		same(k, "both hold", []bool{k.holds(a.Epoch), k.holds(b.Epoch), k.holds(99)}, []bool{true, true, false})
	}},
	{"a node that joins anew ends its life before", func(k *kit) {
		first := k.join("a", time.Minute)
		var took bool
		again := waybill.Node{Name: "a"}
		k.do(func(tx *record.Tx) (err error) {
			took, err = tx.Join(&again, time.Minute)
			return err
		})
		same(k, "took over, first holds, second holds", []bool{took, k.holds(first.Epoch), k.holds(again.Epoch)}, []bool{true, false, true})
	}},
	{"a lease that is renewed does not expire, one that is not does", func(k *kit) {
		a, b := k.join("a", over), k.join("b", over)
		k.do(func(tx *record.Tx) error { return tx.RenewLease(&b, time.Minute) })
		var lost []waybill.Node
		k.do(func(tx *record.Tx) (err error) {
			lost, err = tx.Expire(time.Hour, "c")
			return err
		})
		same(k, "lost", []any{len(lost), lost[0].Name, lost[0].State()}, []any{1, "a", "lost"})
		same(k, "hold", []bool{k.holds(a.Epoch), k.holds(b.Epoch)}, []bool{false, true})
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.RenewLease(&a, time.Minute) })
	}},
	{"a node that is not heard of is lost before its calls must have ended, and who noticed is on record", func(k *kit) {
		a, b := k.join("a", time.Hour), k.join("b", time.Hour)
		var lost []waybill.Node
		k.do(func(tx *record.Tx) (err error) {
			lost, err = tx.Expire(time.Hour, "b")
			return err
		})
		same(k, "within the time", len(lost), 0)
		const silence = 25 * time.Millisecond
		time.Sleep(2 * silence)
		slow := true // a busy machine stood still between the two: then nothing is known, and nothing was done
		for try := 0; slow && try < 200; try++ {
			err := k.book.Do(k.Context(), func(tx *record.Tx) error {
				if err := tx.RenewLease(&b, time.Hour); err != nil {
					return err
				}
				var err error
				if lost, err = tx.Expire(silence, "b"); err != nil {
					return err
				}
				now, err := tx.Clock()
				if slow = now.Sub(b.HeardAt) >= silence; slow {
					return errRefused
				}
				return err
			})
			if err != nil && !slow {
				k.Fatal(err)
			}
		}
		same(k, "after it", []any{len(lost), lost[0].Name, lost[0].Noticed, lost[0].Until.Equal(a.Until), lost[0].HeardAt.Equal(a.HeardAt)},
			[]any{1, "a", "b", true, true})
		same(k, "hold", []bool{k.holds(a.Epoch), k.holds(b.Epoch)}, []bool{false, true})
	}},
	{"a turn is one node's until it ends, and what it left is the next one's to read", func(k *kit) {
		a, b := k.join("a", time.Minute), k.join("b", time.Minute)
		take := func(n waybill.Node, life time.Duration) (left string, mine bool) {
			k.do(func(tx *record.Tx) error {
				now, err := tx.Clock()
				if err != nil {
					return err
				}
				var v []byte
				v, mine, err = tx.TakeTurn("token", n.Epoch, now.Add(life))
				left = string(v)
				return err
			})
			return left, mine
		}
		end := func(n waybill.Node, leave []byte) {
			k.do(func(tx *record.Tx) error { return tx.EndTurn("token", n.Epoch, leave) })
		}
		_, first := take(a, time.Minute)
		_, second := take(b, time.Minute)
		_, same1 := take(a, time.Minute)
		same(k, "the first, another, the first again", []bool{first, second, same1}, []bool{true, false, false})
		end(b, []byte("not b's"))
		end(a, []byte("x"))
		left, mine := take(b, over)
		same(k, "left", []any{left, mine}, []any{"x", true})
		left, mine = take(a, time.Minute) // b's was over
		same(k, "after one that nobody ended", []any{left, mine}, []any{"x", true})
		end(b, []byte("late"))
		end(a, nil)
		left, _ = take(b, time.Minute)
		same(k, "what a late one leaves does not count", left, "x")
	}},
	{"what a node writes and leaves due is its own, and no other gets it", func(k *kit) {
		a, b := k.join("a", time.Minute), k.join("b", time.Minute)
		arr := k.arrival("{}", "k1")
		k.do(func(tx *record.Tx) error {
			tx.By(a.Epoch)
			_, err := tx.TakeIn(arr)
			return err
		})
		same(k, "to b", len(k.dueTo(b, 10)), 0)
		same(k, "to a", k.dueTo(a, 10), []waybill.ItemID{arr.Items[0].ID})
	}},
	{"what nobody has in hand is claimed by the first that asks", func(k *kit) {
		a, b := k.join("a", time.Minute), k.join("b", time.Minute)
		first, second := k.item(), k.item()
		same(k, "to a", k.dueTo(a, 1), []waybill.ItemID{first.ID})
		same(k, "to b", k.dueTo(b, 10), []waybill.ItemID{second.ID})
		same(k, "to a again", k.dueTo(a, 10), []waybill.ItemID{first.ID})
	}},
	{"a node claims no run of a version that it leaves to others, and finds those that it has in hand", func(k *kit) {
		a, b := k.join("a", time.Minute), k.join("b", time.Minute)
		put := func() waybill.RunID {
			run := k.run(k.event(), "")
			run.DueAt = k.now.Add(time.Second)
			k.do(func(tx *record.Tx) error {
				_, err := tx.PutRun(run)
				return err
			})
			return run.ID
		}
		dueTo := func(n waybill.Node, without ...waybill.BundleID) (ids []waybill.RunID) {
			k.do(func(tx *record.Tx) error {
				if _, err := tx.As(n.Epoch); err != nil {
					return err
				}
				ids = nil
				for _, run := range must[[]waybill.Run](k)(tx.DueRuns(k.now.Add(time.Minute), 10, without...)) {
					ids = append(ids, run.ID)
				}
				return nil
			})
			return ids
		}
		first := put()
		same(k, "of other versions", dueTo(a, "b0", "b2"), []waybill.RunID{first})
		second := put()
		same(k, "to a", dueTo(a, "b1"), []waybill.RunID{first})
		same(k, "to b", dueTo(b), []waybill.RunID{second})
	}},
	{"a view claims nothing", func(k *kit) {
		a := k.join("a", time.Minute)
		it := k.item()
		k.read(func(tx *record.Tx) error {
			same(k, "seen", len(must[[]waybill.Item](k)(tx.DueItems(k.now.Add(time.Minute), 10))), 1)
			return nil
		})
		same(k, "to a", k.dueTo(a, 10), []waybill.ItemID{it.ID})
	}},
	{"what a lost node claimed is free, and so is what one that retires claimed", func(k *kit) {
		lost, leaving, c := k.join("lost", over), k.join("leaving", time.Minute), k.join("c", time.Minute)
		x, y := k.item(), k.item()
		same(k, "to lost", k.dueTo(lost, 1), []waybill.ItemID{x.ID})
		same(k, "to leaving", k.dueTo(leaving, 1), []waybill.ItemID{y.ID})
		same(k, "to c before", len(k.dueTo(c, 10)), 0)
		k.do(func(tx *record.Tx) error {
			if _, err := tx.Expire(time.Hour, "c"); err != nil {
				return err
			}
			return tx.Retire(leaving.Epoch)
		})
		same(k, "to c", k.dueTo(c, 10), []waybill.ItemID{x.ID, y.ID})
		same(k, "one that retires still writes what came of what it sent", k.holds(leaving.Epoch), true)
		k.do(func(tx *record.Tx) error { return tx.Leave(leaving.Epoch) })
		same(k, "one that left does not", k.holds(leaving.Epoch), false)
	}},
	{"what is put off is whoever's finds it when it is due", func(k *kit) {
		a, b := k.join("a", time.Minute), k.join("b", time.Minute)
		it := k.item()
		k.do(func(tx *record.Tx) error {
			if _, err := tx.As(a.Epoch); err != nil {
				return err
			}
			it.DueAt = k.now.Add(30 * time.Second)
			return tx.MoveItem(&it, waybill.ItemKept)
		})
		same(k, "to b", k.dueTo(b, 10), []waybill.ItemID{it.ID})
	}},
	{"what a lost node sent is stranded, with the end of its lease", func(k *kit) {
		a, b := k.join("a", over), k.join("b", time.Minute)
		eff, _ := k.plan(k.effect(k.event(), "won", "f1"), false)
		k.do(func(tx *record.Tx) error {
			if _, err := tx.As(a.Epoch); err != nil {
				return err
			}
			e := *eff
			e.State = waybill.EffectSent
			return tx.MoveEffect(&e, waybill.EffectPlanned)
		})
		stranded := func() (list []record.Stranded) {
			k.read(func(tx *record.Tx) (err error) {
				list, err = tx.StrandedEffects("", 10)
				return err
			})
			return list
		}
		same(k, "while it holds", len(stranded()), 0)
		k.do(func(tx *record.Tx) error {
			_, err := tx.Expire(time.Hour, "c")
			return err
		})
		list := stranded()
		same(k, "stranded", []any{len(list), list[0].Effect.ID, list[0].By, list[0].Until.Equal(a.Until)}, []any{1, eff.ID, a.Epoch, true})
		k.do(func(tx *record.Tx) error {
			if _, err := tx.As(b.Epoch); err != nil {
				return err
			}
			same(k, "sent by", must[int64](k)(tx.SentBy(eff.ID)), a.Epoch)
			e := *eff
			e.State = waybill.EffectUnknown
			return tx.MoveEffect(&e, waybill.EffectSent)
		})
		same(k, "settled", len(stranded()), 0)
	}},
	{"the mark of health changes with each writing", func(k *kit) {
		a := k.join("a", time.Minute)
		mark := func() (s record.Standing) {
			k.do(func(tx *record.Tx) (err error) {
				s, err = tx.As(a.Epoch)
				return err
			})
			return s
		}
		before := mark().Health
		same(k, "unchanged", mark().Health, before)
		k.do(func(tx *record.Tx) error { return tx.MarkHealth() })
		same(k, "changed", mark().Health != before, true)
		k.do(func(tx *record.Tx) error { return tx.PublishBundle("b2", []byte("x")) })
		same(k, "bundle", mark().Bundle, waybill.BundleID("b2"))
	}},
	{"parts of a connection's limits are those of nodes whose lease holds", func(k *kit) {
		a, b := k.join("a", over), k.join("b", time.Minute)
		mine := record.Part{Connection: "crm", Epoch: b.Epoch, Slots: 3, Wants: 8, Since: k.now}
		k.do(func(tx *record.Tx) error {
			same(k, "none yet", len(must[[]record.Part](k)(tx.PartsOf("crm"))), 0)
			if err := tx.SetPart(record.Part{Connection: "crm", Epoch: a.Epoch, Slots: 5}); err != nil {
				return err
			}
			return tx.SetPart(mine)
		})
		k.read(func(tx *record.Tx) error {
			same(k, "both", len(must[[]record.Part](k)(tx.Parts())), 2)
			return nil
		})
		k.do(func(tx *record.Tx) error {
			_, err := tx.Expire(time.Hour, "c")
			return err
		})
		k.do(func(tx *record.Tx) error {
			same(k, "once one is lost", must[[]record.Part](k)(tx.PartsOf("crm")), []record.Part{mine})
			return nil
		})
	}},
}
