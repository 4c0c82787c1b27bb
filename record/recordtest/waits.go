package recordtest

import (
	"time"

	"waybill"
	"waybill/record"
)

var waitCases = []testCase{
	{"an event finds the run that waits for it", func(k *kit) {
		run, key := k.waiting(), record.WaitKey{Type: "payment.succeeded", Shape: "order_id", Value: "SO-1"}
		k.await(run.ID, "paid", key)
		other := key
		other.Value = "SO-2"
		same(k, "woken by another order", k.tell(k.later(time.Minute), other), []waybill.RunID(nil))
		ev := k.later(2 * time.Minute)
		same(k, "woken", k.tell(ev, key), []waybill.RunID{run.ID})
		k.read(func(tx *record.Tx) error {
			hits := must[[]record.Hit](k)(tx.Hits(run.ID))
			same(k, "hits", hits, []record.Hit{{Address: "paid", Event: ev.ID, AcceptedAt: ev.AcceptedAt}})
			due := must[[]waybill.Run](k)(tx.DueRuns(time.Now().Add(time.Minute), 10))
			same(k, "due", len(due), 1)
			return nil
		})
	}},
	{"a run that comes to a wait looks back, no further than it may", func(k *kit) {
		run, key := k.waiting(), record.WaitKey{Type: "payment.succeeded", Shape: "order_id", Value: "SO-1"}
		early, own, late := k.later(-time.Minute), k.later(0), k.later(time.Minute)
		for _, ev := range []*waybill.Event{late, own, early} {
			k.tell(ev, key)
		}
		k.do(func(tx *record.Tx) error {
			n, err := tx.Await(run.ID, "paid", key, k.now, own.ID)
			same(k, "hits", n, 1)
			return err
		})
		k.read(func(tx *record.Tx) error {
			same(k, "the hit", must[[]record.Hit](k)(tx.Hits(run.ID))[0].Event, late.ID)
			return nil
		})
	}},
	{"hits come in the order of acceptance, each once", func(k *kit) {
		run, key := k.waiting(), record.WaitKey{Type: "a", Shape: "b", Value: "c"}
		k.await(run.ID, "x", key)
		second, first := k.later(2*time.Second), k.later(time.Second)
		for range 2 {
			k.tell(second, key)
			k.tell(first, key)
		}
		k.do(func(tx *record.Tx) error {
			hits := must[[]record.Hit](k)(tx.Hits(run.ID))
			same(k, "hits", []waybill.EventID{hits[0].Event, hits[1].Event}, []waybill.EventID{first.ID, second.ID})
			if err := tx.DropHit(run.ID, hits[0]); err != nil {
				return err
			}
			same(k, "left", len(must[[]record.Hit](k)(tx.Hits(run.ID))), 1)
			return nil
		})
	}},
	{"a wait that has ended is woken by nothing", func(k *kit) {
		run, key := k.waiting(), record.WaitKey{Type: "a", Shape: "b", Value: "c"}
		k.await(run.ID, "x", key)
		k.tell(k.later(time.Second), key)
		k.do(func(tx *record.Tx) error { return tx.EndWaits(run.ID) })
		same(k, "woken", k.tell(k.later(2*time.Second), key), []waybill.RunID(nil))
		k.read(func(tx *record.Tx) error {
			same(k, "hits", len(must[[]record.Hit](k)(tx.Hits(run.ID))), 0)
			return nil
		})
	}},
	{"only a run that waits is made due", func(k *kit) {
		run, key := k.waiting(), record.WaitKey{Type: "a", Shape: "b", Value: "c"}
		k.await(run.ID, "x", key)
		k.moveRun(run.ID, waybill.RunBlocked)
		k.tell(k.later(time.Second), key)
		k.read(func(tx *record.Tx) error {
			same(k, "due", len(must[[]waybill.Run](k)(tx.DueRuns(time.Now().Add(time.Hour), 10))), 0)
			return nil
		})
	}},
	{"a press lets a run that waits go on, once, and goes with the wait", func(k *kit) {
		run := k.waiting()
		press := func() (let bool) {
			k.do(func(tx *record.Tx) (err error) { let, err = tx.PressOn(run.ID); return err })
			return let
		}
		due := func() (n int, hits []record.Hit) {
			k.read(func(tx *record.Tx) error {
				n, hits = len(must[[]waybill.Run](k)(tx.DueRuns(k.now.Add(time.Hour), 10))), must[[]record.Hit](k)(tx.Hits(run.ID))
				return nil
			})
			return n, hits
		}
		n, _ := due()
		same(k, "due before", n, 0)
		same(k, "the first press", press(), true)
		n, hits := due()
		if same(k, "due", n, 1); len(hits) != 1 || !hits[0].Pressed() || hits[0].AcceptedAt.IsZero() {
			k.Errorf("hits %+v", hits)
		}
		same(k, "a second press", press(), false)
		k.do(func(tx *record.Tx) error { return tx.EndWaits(run.ID) })
		_, hits = due()
		same(k, "hits of what has ended", len(hits), 0)
		k.moveRun(run.ID, waybill.RunDone)
		same(k, "a press on what has ended", press(), false)
	}},
	{"the newest fact of an object stands, in whatever order facts come", func(k *kit) {
		key := record.WaitKey{Type: "order", Shape: "~", Value: "SO-1"}
		newer, older := k.later(time.Hour), k.later(time.Minute)
		for _, ev := range []*waybill.Event{newer, older} {
			k.do(func(tx *record.Tx) error { _, err := tx.Renew(ev, key); return err })
		}
		higher := k.later(time.Hour)
		higher.Rank = 50
		k.read(func(tx *record.Tx) error {
			same(k, "newest", must[waybill.EventID](k)(tx.Newest(key)), newer.ID)
			return nil
		})
		k.do(func(tx *record.Tx) error { _, err := tx.Renew(higher, key); return err })
		k.read(func(tx *record.Tx) error {
			same(k, "of one time the higher rank", must[waybill.EventID](k)(tx.Newest(key)), higher.ID)
			none := must[waybill.EventID](k)(tx.Newest(record.WaitKey{Type: "order", Shape: "~", Value: "SO-2"}))
			same(k, "of another object", none, waybill.EventID(""))
			return nil
		})
	}},
	{"what is kept is untold, and what waits for a read at a connection that is asked about", func(k *kit) {
		it := k.item()
		untold := func(then time.Time, of ...string) [2]bool {
			var out [2]bool
			k.read(func(tx *record.Tx) (err error) {
				out[0], out[1], err = tx.Untold(then, of)
				return err
			})
			return out
		}
		same(k, "kept", untold(k.now.Add(time.Second), "payments"), [2]bool{true, false})
		same(k, "kept later", untold(k.now.Add(-time.Second), "payments"), [2]bool{false, false})
		moved := it
		moved.State = waybill.ItemFetching
		k.do(func(tx *record.Tx) error { return tx.MoveItem(&moved, waybill.ItemKept) })
		same(k, "fetching", untold(k.now.Add(time.Second), "crm", "payments"), [2]bool{false, true})
		same(k, "fetching elsewhere", untold(k.now.Add(time.Second), "crm"), [2]bool{false, false})
		same(k, "fetching since later", untold(k.now.Add(-time.Second), "payments"), [2]bool{false, false})
	}},
	{"versions with open runs are named", func(k *kit) {
		open, ended := k.run(k.event(), ""), k.run(k.event(), "")
		open.Bundle, ended.Bundle = "bundle-open", "bundle-ended"
		k.putRun(open)
		k.putRun(ended)
		k.moveRun(ended.ID, waybill.RunDone)
		k.read(func(tx *record.Tx) error {
			same(k, "bundles", must[[]waybill.BundleID](k)(tx.OpenBundles()), []waybill.BundleID{"bundle-open"})
			return nil
		})
	}},
}

// waiting puts a run that waits.
func (k *kit) waiting() *waybill.Run {
	k.Helper()
	r := k.run(k.event(), "")
	r.State = waybill.RunWaiting
	k.putRun(r)
	return r
}

// later is an event accepted d after now; it is not in the book.
func (k *kit) later(d time.Duration) *waybill.Event {
	at := k.now.Add(d)
	return &waybill.Event{ID: waybill.EventID(k.ids.New("evt")), AcceptedAt: at, OccurredAt: at, Rank: 40}
}

func (k *kit) await(run waybill.RunID, address string, key record.WaitKey) {
	k.Helper()
	k.do(func(tx *record.Tx) error {
		n, err := tx.Await(run, address, key, k.now, "")
		same(k, "hits", n, 0)
		return err
	})
}

func (k *kit) tell(ev *waybill.Event, key record.WaitKey) []waybill.RunID {
	k.Helper()
	var woken []waybill.RunID
	k.do(func(tx *record.Tx) (err error) {
		woken, err = tx.Tell(ev, key)
		return err
	})
	return woken
}
