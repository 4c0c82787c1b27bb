package recordtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

// RunBeside checks what must hold when several write one book at a time: open returns two books on one database, as two
// nodes have them, or one book twice where a database is one process's.
func RunBeside(t *testing.T, open func(t *testing.T) [2]*record.Book) {
	t.Helper()
	for _, c := range besideCases {
		t.Run(c.promise, func(t *testing.T) {
			books := open(t)
			k := &kit{T: t, book: books[0], ids: waybill.NewIDs(time.Now, nil), now: time.Now().UTC().Truncate(time.Millisecond)}
			c.check(&beside{kit: k, books: books})
		})
	}
}

type beside struct {
	*kit
	books [2]*record.Book
}

// race runs n acts at once, half of them on each book.
func (k *beside) race(n int, act func(i int, do func(func(tx *record.Tx) error) error) error) {
	k.Helper()
	var all sync.WaitGroup
	go1 := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-go1
			b := k.books[i%2]
			if err := act(i, func(a func(tx *record.Tx) error) error { return b.Do(background(), a) }); err != nil {
				k.Errorf("act %d: %v", i, err)
			}
		})
	}
	close(go1)
	all.Wait()
}

// losing is fine for all but one of a race.
func losing(err error) error {
	if waybill.KindOf(err) == waybill.Conflict {
		return nil
	}
	return err
}

var besideCases = []struct {
	promise string
	check   func(k *beside)
}{
	{"what two nodes write of a connection of which nothing was known is kept of both", func(k *beside) {
		for i := range 20 {
			name := fmt.Sprintf("pay%d", i)
			k.race(4, func(i int, do func(func(tx *record.Tx) error) error) error {
				return do(func(tx *record.Tx) error {
					s, err := tx.ConnectionState(name)
					if err != nil {
						return err
					}
					s.Connection = name
					if i == 0 { // a person's press
						s.Health, s.Reason = waybill.HealthPaused, "paused by asha"
					} else { // when it was called last
						s.LastOut = k.now
					}
					return tx.SetConnectionState(s)
				})
			})
			k.read(func(tx *record.Tx) error {
				s := must[*waybill.ConnectionState](k.kit)(tx.ConnectionState(name))
				same(k.kit, "health and last call", []any{s.Health, s.LastOut.Equal(k.now)}, []any{waybill.HealthPaused, true})
				return nil
			})
		}
	}},
	{"a connection that one node publishes anew is not retired by another at that moment", func(k *beside) {
		for i := range 20 {
			name, with, without := fmt.Sprintf("pay%d", i), waybill.BundleID(fmt.Sprintf("with%d", i)), waybill.BundleID(fmt.Sprintf("without%d", i))
			k.do(func(tx *record.Tx) error { return tx.PublishBundle(without, nil) })
			k.race(2, func(i int, do func(func(tx *record.Tx) error) error) error {
				if i == 0 {
					return do(func(tx *record.Tx) error {
						if err := tx.PublishBundle(with, nil); err != nil {
							return err
						}
						return tx.NoteConnection(name, with)
					})
				}
				return do(func(tx *record.Tx) error {
					current, err := tx.KeepCurrentBundle()
					if err != nil || current != without {
						return err
					}
					act := waybill.Audited{Who: "asha", Action: "retire", Object: name}
					if err := tx.Audit(&act); err != nil {
						return err
					}
					return tx.RetireConnection(name, &act)
				})
			})
			k.read(func(tx *record.Tx) error {
				_, retired, err := tx.Remembers(name)
				same(k.kit, name, []any{must[waybill.BundleID](k.kit)(tx.LastBundleWith(name)), retired, err}, []any{with, false, nil})
				return nil
			})
		}
	}},
	{"a delivery is kept once, whoever hears of it", func(k *beside) {
		for round := range 5 {
			var fresh atomic.Int32
			k.race(8, func(_ int, do func(func(tx *record.Tx) error) error) error {
				a := k.arrival("{}", nth("key", round))
				var r waybill.Receipt
				err := do(func(tx *record.Tx) (err error) { r, err = tx.TakeIn(a); return err })
				fresh.Add(int32(len(r.Fresh)))
				return err
			})
			same(k.kit, "kept", fresh.Load(), int32(1))
		}
	}},
	{"a delivery key past its end is taken over once", func(k *beside) {
		for round := range 5 {
			first := k.arrival("{}", nth("key", round))
			first.Items[0].KeyUntil = k.now.Add(-time.Second)
			first.ReceivedAt = k.now.Add(-time.Minute)
			k.takeIn(first)
			var fresh atomic.Int32
			k.race(6, func(_ int, do func(func(tx *record.Tx) error) error) error {
				a := k.arrival("{}", nth("key", round))
				a.Items[0].KeyUntil = k.now.Add(time.Hour)
				var r waybill.Receipt
				err := do(func(tx *record.Tx) (err error) { r, err = tx.TakeIn(a); return err })
				fresh.Add(int32(len(r.Fresh)))
				return err
			})
			same(k.kit, "kept", fresh.Load(), int32(1))
		}
	}},
	{"a fact makes one event, and everybody else is told which", func(k *beside) {
		for round := range 5 {
			var fresh atomic.Int32
			var told sync.Map
			k.race(8, func(_ int, do func(func(tx *record.Tx) error) error) error {
				e := k.fact(nth("fact", round))
				var id waybill.EventID
				var first bool
				err := do(func(tx *record.Tx) (err error) { id, first, err = tx.PutEvent(e); return err })
				if first {
					fresh.Add(1)
				}
				told.Store(id, true)
				return err
			})
			same(k.kit, "new", fresh.Load(), int32(1))
			ids := 0
			told.Range(func(any, any) bool { ids++; return true })
			same(k.kit, "ids", ids, 1)
		}
	}},
	{"an event has one live run of a flow", func(k *beside) {
		for range 5 {
			event := k.event()
			var won atomic.Int32
			k.race(6, func(_ int, do func(func(tx *record.Tx) error) error) error {
				r := k.run(event, "")
				err := do(func(tx *record.Tx) error { c := *r; _, err := tx.PutRun(&c); return err })
				if err == nil {
					won.Add(1)
				}
				return losing(err)
			})
			same(k.kit, "runs", won.Load(), int32(1))
		}
	}},
	{"a lane has one holder at a time, and everybody in it has a turn", oneHolder},
	{"an address has one open effect", oneOpenEffect},
	{"problems count what they hold, and are fixed when they hold nothing", func(k *beside) {
		const members = 24
		k.race(members, func(i int, do func(func(tx *record.Tx) error) error) error {
			return do(func(tx *record.Tx) error {
				_, err := tx.Raise(&waybill.Problem{Key: nth("key", i%2), Cause: waybill.TheirSideDown, Title: "down"}, waybill.Member{Run: waybill.RunID(nth("run", i))})
				return err
			})
		})
		for _, p := range must[[]waybill.Problem](k.kit)(k.openProblems()) {
			same(k.kit, "held", [2]int{p.Count, p.Total}, [2]int{members / 2, members / 2})
		}
		k.race(members, func(i int, do func(func(tx *record.Tx) error) error) error {
			return do(func(tx *record.Tx) error { return tx.Clear(waybill.Member{Run: waybill.RunID(nth("run", i))}) })
		})
		same(k.kit, "open problems", len(must[[]waybill.Problem](k.kit)(k.openProblems())), 0)
	}},
	{"figures are the sum of what everybody counted", func(k *beside) {
		const arrivals = 40
		k.race(arrivals, func(i int, do func(func(tx *record.Tx) error) error) error {
			a := k.arrival("{}", nth("key", i))
			return do(func(tx *record.Tx) error { _, err := tx.TakeIn(a); return err })
		})
		o, err := k.book.Overview(k.Context(), k.now.Add(-time.Hour))
		if err != nil {
			k.Fatal(err)
		}
		same(k.kit, "received", o.Received, arrivals)
	}},
	{"a business object is one, whoever names it first", func(k *beside) {
		for round := range 5 {
			var ids sync.Map
			k.race(8, func(i int, do func(func(tx *record.Tx) error) error) error {
				var id waybill.SubjectID
				err := do(func(tx *record.Tx) (err error) {
					id, err = tx.TouchSubject(&waybill.Subject{
						Type: "customer", Name: "Asha", FactTime: k.now.Add(time.Duration(i)), Fields: fmt.Appendf(nil, `{"n":%d}`, i),
						Aliases: []waybill.Alias{{Kind: "email", Value: nth("asha", round)}, {Kind: "phone", Value: fmt.Sprint(round, i%2)}},
					})
					return err
				})
				ids.Store(id, true)
				return err
			})
			n := 0
			ids.Range(func(any, any) bool { n++; return true })
			same(k.kit, "subjects", n, 1)
		}
	}},
	{"a message's life does not go back", func(k *beside) {
		states := []waybill.MessageState{waybill.MessageAccepted, waybill.MessageSent, waybill.MessageDelivered, waybill.MessageRead}
		for round := range 5 {
			id := waybill.EffectID(nth("eff", round))
			k.race(len(states), func(i int, do func(func(tx *record.Tx) error) error) error {
				return do(func(tx *record.Tx) error { return tx.PutMessage(&waybill.Message{Effect: id, State: states[i]}) })
			})
			k.read(func(tx *record.Tx) error {
				m, err := tx.Message(id)
				if err == nil {
					same(k.kit, "state", m.State, waybill.MessageRead)
				}
				return err
			})
		}
	}},
	{"a setting that several swap at the same moment loses nothing of what any of them put in", func(k *beside) {
		k.race(16, func(i int, do func(func(tx *record.Tx) error) error) error {
			for ok := false; !ok; {
				var was []byte
				k.read(func(tx *record.Tx) (err error) { was, err = tx.Setting("list"); return err })
				err := do(func(tx *record.Tx) (err error) {
					ok, err = tx.SwapSetting("list", was, append(slices.Clone(was), byte('a'+i)))
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		k.read(func(tx *record.Tx) error {
			v, err := tx.Setting("list")
			slices.Sort(v)
			same(k.kit, "all of them", string(v), "abcdefghijklmnop")
			return err
		})
	}},
	{"an act on several settings and the audit is written over what it found, or not at all", func(k *beside) {
		names := []string{"people", "tokens"}
		beaten := errors.New("beaten")
		k.race(16, func(i int, do func(func(tx *record.Tx) error) error) error {
			for {
				was := map[string][]byte{}
				k.read(func(tx *record.Tx) (err error) {
					for _, name := range names {
						if was[name], err = tx.Setting(name); err != nil {
							return err
						}
					}
					return nil
				})
				err := do(func(tx *record.Tx) error {
					for _, name := range names {
						ok, err := tx.SwapSetting(name, was[name], append(slices.Clone(was[name]), byte('a'+i)))
						if err != nil {
							return err
						}
						if !ok {
							return beaten
						}
					}
					return tx.Audit(&waybill.Audited{Who: "asha", Action: "add", Object: nth("person", i)})
				})
				if !errors.Is(err, beaten) {
					return err
				}
			}
		})
		var both [2]string
		k.read(func(tx *record.Tx) error {
			for i, name := range names {
				v, err := tx.Setting(name)
				if err != nil {
					return err
				}
				both[i] = string(v)
			}
			return nil
		})
		same(k.kit, "in the same order", both[1], both[0])
		all := []byte(both[0])
		slices.Sort(all)
		same(k.kit, "all of them", string(all), "abcdefghijklmnop")
		list, _, err := k.book.AuditLog(k.Context(), waybill.ListFilter{Limit: 100})
		same(k.kit, "the audit", []any{len(list), err}, []any{16, nil})
	}},
	{"acts that want the same things in another order all get them", func(k *beside) {
		k.race(16, func(i int, do func(func(tx *record.Tx) error) error) error {
			return do(func(tx *record.Tx) error {
				for n := range 6 {
					if i%2 == 1 {
						n = 5 - n
					}
					if err := tx.SetSetting(nth("setting", n), []byte(nth("by", i))); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}},
}

func (k *beside) openProblems() ([]waybill.Problem, error) {
	list, _, err := k.book.Problems(k.Context(), waybill.ListFilter{State: "open"})
	return list, err
}

// oneHolder lets runs come into a lane from both sides; whoever hands it on goes on with the next one.
func oneHolder(k *beside) {
	const runs = 32
	var inside, turns atomic.Int32
	list := make([]*waybill.Run, runs)
	for i := range list {
		list[i] = k.run(k.event(), "orders/SO-1001")
	}
	k.race(runs, func(i int, do func(func(tx *record.Tx) error) error) error {
		var behind waybill.RunID
		err := do(func(tx *record.Tx) (err error) { c := *list[i]; behind, err = tx.PutRun(&c); return err })
		if err != nil || behind != "" {
			return err
		}
		for id := list[i].ID; id != ""; {
			if n := inside.Add(1); n != 1 {
				k.Errorf("%d runs hold the lane", n)
			}
			turns.Add(1)
			inside.Add(-1)
			var next waybill.RunID
			if err := do(func(tx *record.Tx) (err error) { next, err = tx.LeaveLane(id); return err }); err != nil {
				return err
			}
			id = next
		}
		return nil
	})
	same(k.kit, "turns", turns.Load(), int32(runs))
}

// oneOpenEffect lets some plan an address anew while others take up the one that was declined.
func oneOpenEffect(k *beside) {
	for round := range 6 {
		event := k.event()
		first, _ := k.plan(k.effect(event, "won", nth("f", round)), false)
		k.moveEffect(first.ID, waybill.EffectSent, waybill.EffectDeclined)
		k.race(4, func(i int, do func(func(tx *record.Tx) error) error) error {
			if i >= 2 {
				e := k.effect(event, "won", nth("g", round))
				return losing(do(func(tx *record.Tx) error { c := *e; _, _, err := tx.PlanEffect(&c, false); return err }))
			}
			return losing(do(func(tx *record.Tx) error {
				e, err := tx.Effect(first.ID)
				if err != nil {
					return err
				}
				from := e.State
				e.State = waybill.EffectPlanned
				return tx.MoveEffect(e, from)
			}))
		})
		list, _, err := k.book.Effects(k.Context(), waybill.ListFilter{Event: event})
		if err != nil {
			k.Fatal(err)
		}
		open := 0
		for i := range list {
			if list[i].State.Open() {
				open++
			}
		}
		same(k.kit, "open effects", open, 1)
	}
}
