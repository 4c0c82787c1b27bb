package recordtest

import (
	"time"

	"waybill"
	"waybill/record"
)

// long is a year and a day ago: what was kept then is old.
func (k *kit) long() time.Time { return k.now.Add(-366 * 24 * time.Hour) }

// lived is one event with all that belongs to it, everything as old as its arrival.
type lived struct {
	arrival waybill.ArrivalID
	item    waybill.ItemID
	event   waybill.EventID
	run     waybill.RunID
	effect  waybill.EffectID
}

// live writes an event of time at, whose effect and run end as they are told.
func (k *kit) live(at time.Time, key string, effect waybill.EffectState, run waybill.RunState) lived {
	k.Helper()
	a := k.arrival("body of "+key, "delivery "+key)
	a.ReceivedAt = at
	it := k.takeIn(a).Fresh[0]
	ev := k.fact(key)
	ev.Item, ev.Arrival, ev.AcceptedAt = it.ID, a.ID, at
	ev.Search = []waybill.SearchKey{{Kind: "email", Value: key + "@example.test"}}
	k.put(ev)
	r := k.run(ev.ID, "")
	r.CreatedAt = at
	k.putRun(r)
	x := k.effect(ev.ID, "won", "fp "+key)
	x.Run, x.PlannedAt = r.ID, at
	k.plan(x, false)
	f := &waybill.Fetch{ID: waybill.FetchID(k.ids.New("fet")), Run: r.ID, Address: "deal", Connection: "crm", Action: "deal.find", PlannedAt: at}
	k.do(func(tx *record.Tx) error {
		if err := tx.PlanFetch(f); err != nil {
			return err
		}
		f.State = waybill.FetchDone
		if err := tx.MoveFetch(f, waybill.FetchPlanned); err != nil {
			return err
		}
		for _, att := range []*waybill.Attempt{{Effect: x.ID}, {Fetch: f.ID}} {
			att.ID, att.StartedAt, att.Certainty = waybill.AttemptID(k.ids.New("att")), at, waybill.Happened
			if err := tx.AddAttempt(att); err != nil {
				return err
			}
		}
		it.State, it.Events = waybill.ItemTranslated, []waybill.EventID{ev.ID}
		return tx.MoveItem(&it, waybill.ItemKept)
	})
	switch effect {
	case waybill.EffectPlanned:
	case waybill.EffectSent:
		k.moveEffect(x.ID, effect)
	default:
		k.moveEffect(x.ID, waybill.EffectSent, effect)
	}
	k.moveRun(r.ID, run)
	return lived{a.ID, it.ID, ev.ID, r.ID, x.ID}
}

// newest is something of today, so that what is old is not the newest of its table.
func (k *kit) newest() lived { return k.live(k.now, "today", waybill.EffectConfirmed, waybill.RunDone) }

// forget forgets everything of a kind that is older than before, and says how much that was.
func (k *kit) forget(kind record.Aged, before time.Time, limit int) int {
	k.Helper()
	n, after := 0, int64(0)
	for range 1000 {
		var old *record.Old
		k.read(func(tx *record.Tx) (err error) {
			old, err = tx.Old(kind, before, after, limit)
			return err
		})
		k.do(func(tx *record.Tx) error {
			gone, err := tx.Forget(old)
			n += gone
			return err
		})
		if old.Done {
			return n
		}
		after = old.Next
	}
	k.Fatal("there is no end to what is old")
	return 0
}

var everyKind = []record.Aged{record.AgedBodies, record.AgedExchanges, record.AgedReads, record.AgedEvents, record.AgedItems}

// forgetAll forgets whole journeys. Their runs were written by a clock of today, so the time given is tomorrow.
func (k *kit) forgetAll(before time.Time) map[record.Aged]int {
	k.Helper()
	out := map[record.Aged]int{}
	for _, kind := range everyKind {
		if n := k.forget(kind, before, 7); n > 0 {
			out[kind] = n
		}
	}
	return out
}

func (k *kit) gone(id string) bool {
	k.Helper()
	_, err := k.book.Journey(k.Context(), id)
	if err != nil && waybill.KindOf(err) != waybill.NotFound {
		k.Fatal(err)
	}
	return err != nil
}

var retentionCases = []testCase{
	{"bodies and exchanges past their time go, and the journey stays", func(k *kit) {
		old := k.live(k.long(), "old", waybill.EffectConfirmed, waybill.RunDone)
		fresh := k.newest()
		year := k.now.Add(-365 * 24 * time.Hour)
		same(k, "bodies", k.forget(record.AgedBodies, year, 3), 1)
		same(k, "exchanges", k.forget(record.AgedExchanges, year, 3), 2)
		same(k, "reads", k.forget(record.AgedReads, year, 3), 1)
		j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(old.event)))
		same(k, "what is left", []any{j.Arrival == nil, j.Item.ID, len(j.Runs), len(j.Runs[0].Effects), len(j.Runs[0].Effects[0].Attempts)},
			[]any{true, old.item, 1, 1, 0})
		j = must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(fresh.event)))
		same(k, "what is young", []any{string(j.Arrival.Body), len(j.Runs[0].Effects[0].Attempts)}, []any{"body of today", 1})
	}},
	{"whole journeys past their time go, with what they were found by", func(k *kit) {
		old := k.live(k.long(), "old", waybill.EffectConfirmed, waybill.RunDone)
		k.newest()
		same(k, "forgotten", k.forgetAll(k.now.Add(time.Hour)), map[record.Aged]int{
			record.AgedBodies: 1, record.AgedExchanges: 3, record.AgedReads: 1, record.AgedEvents: 1, record.AgedItems: 1,
		})
		for _, id := range []string{string(old.event), string(old.item), string(old.run), string(old.effect), string(old.arrival)} {
			same(k, id+" is gone", k.gone(id), true)
		}
		rows, _, err := k.book.Events(k.Context(), waybill.EventFilter{Query: "old@example.test"})
		same(k, "found by its e-mail", len(must[[]waybill.EventRow](k)(rows, err)), 0)
		k.read(func(tx *record.Tx) error {
			_, err := tx.EffectByKey("crm", "ref fp old")
			same(k, "found by our reference", waybill.KindOf(err), waybill.NotFound)
			return nil
		})
	}},
	{"what something open needs is never forgotten", func(k *kit) {
		waiting := k.live(k.long(), "waiting", waybill.EffectConfirmed, waybill.RunWaiting)
		blocked := k.live(k.long(), "blocked", waybill.EffectDeclined, waybill.RunBlocked)
		unknown := k.live(k.long(), "unknown", waybill.EffectUnknown, waybill.RunStopped)
		held := k.live(k.long(), "held", waybill.EffectPlanned, waybill.RunDone)
		lesser := k.live(k.long(), "lesser", waybill.EffectDeclined, waybill.RunDone)
		k.raise("a part failed", waybill.Member{Effect: lesser.effect, Event: lesser.event})
		planned := k.live(k.long(), "planned", waybill.EffectConfirmed, waybill.RunDone)
		job := &waybill.Job{ID: "job_1", Kind: waybill.JobReplay, State: waybill.JobPlanned, Filter: waybill.JobFilter{Flow: "payment-to-crm"}}
		k.do(func(tx *record.Tx) error {
			if err := tx.PutJob(job); err != nil {
				return err
			}
			_, err := tx.AddJobMember(&waybill.JobMember{
				Job: job.ID, Object: string(planned.event) + "/payment-to-crm", Event: planned.event, State: waybill.MemberPlanned,
			})
			return err
		})
		unread := k.arrival("unreadable", "delivery unreadable")
		unread.ReceivedAt = k.long()
		unread.Items[0].State = waybill.ItemBlocked
		k.takeIn(unread)
		k.newest()
		k.forgetAll(k.now.Add(time.Hour))
		for _, l := range []lived{waiting, blocked, unknown, held, lesser} {
			j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(l.event)))
			same(k, "the exchanges of what is open", len(j.Runs[0].Effects[0].Attempts), 1)
			same(k, "its item", j.Item != nil, true)
		}
		k.read(func(tx *record.Tx) error {
			body, err := tx.Body(unread.ID)
			same(k, "the bytes that a person is to look at", string(body), "unreadable")
			return err
		})
		k.read(func(tx *record.Tx) error {
			_, err := tx.Event(planned.event)
			return err
		})
		k.do(func(tx *record.Tx) error {
			job.State = waybill.JobStopped
			return tx.MoveJob(job, waybill.JobPlanned)
		})
		same(k, "a job that ended, and its member", k.forget(record.AgedJobs, k.now.Add(time.Hour), 1), 2)
		k.forgetAll(k.now.Add(time.Hour))
		same(k, "what it was about", k.gone(string(planned.event)), true)
	}},
	{"by what events were found by runs that wait goes, unless an open run may look back to it", func(k *kit) {
		key := record.WaitKey{Type: "payment.succeeded", Shape: "order_id", Value: "SO-1"}
		k.tell(k.later(-time.Hour), key)
		open := k.waiting()
		month, before := k.now.Add(30*24*time.Hour), k.later(-26*time.Hour)
		k.do(func(tx *record.Tx) error {
			_, err := tx.Renew(before, key)
			return err
		})
		k.tell(before, key)
		same(k, "only what no open run looks back to", k.forget(record.AgedTold, month, 7), 1)
		k.moveRun(open.ID, waybill.RunDone)
		same(k, "what is young", k.forget(record.AgedTold, k.now.Add(-48*time.Hour), 7), 0)
		same(k, "the rest", k.forget(record.AgedTold, month, 1), 1)
		same(k, "the newest of an event that is gone", k.forget(record.AgedNewest, month, 7), 1)
		kept := k.fact("kept")
		k.put(kept)
		k.do(func(tx *record.Tx) error {
			_, err := tx.Renew(kept, key)
			return err
		})
		same(k, "the newest of one that is kept", k.forget(record.AgedNewest, month, 7), 0)
	}},
	{"an event that an open run may come upon stays until it has ended", func(k *kit) {
		key := record.WaitKey{Type: "payment.succeeded", Shape: "order_id", Value: "SO-1"}
		waits := k.waiting()
		found := k.live(k.now.Add(time.Minute), "found", waybill.EffectConfirmed, waybill.RunDone)
		newest := k.live(k.now.Add(2*time.Minute), "newest", waybill.EffectConfirmed, waybill.RunDone)
		other := k.live(k.now.Add(3*time.Minute), "other", waybill.EffectConfirmed, waybill.RunDone)
		k.live(k.now.Add(40*24*time.Hour), "of today", waybill.EffectConfirmed, waybill.RunDone)
		k.do(func(tx *record.Tx) error {
			of := func(l lived) *waybill.Event {
				ev, err := tx.Event(l.event)
				if err != nil {
					k.Fatal(err)
				}
				return ev
			}
			if _, err := tx.Tell(of(found), key); err != nil {
				return err
			}
			_, err := tx.Renew(of(newest), key)
			return err
		})
		old := func() []bool {
			k.forget(record.AgedTold, k.now.Add(30*24*time.Hour), 7)
			k.forget(record.AgedEvents, k.now.Add(30*24*time.Hour), 7)
			return []bool{k.gone(string(found.event)), k.gone(string(newest.event)), k.gone(string(other.event))}
		}
		same(k, "while it waits", old(), []bool{false, false, true})
		k.moveRun(waits.ID, waybill.RunDone)
		same(k, "when it has ended", old(), []bool{true, true, true})
	}},
	{"questions and approvals go with their journey", func(k *kit) {
		old := k.live(k.long(), "old", waybill.EffectConfirmed, waybill.RunDone)
		k.newest()
		ask := &waybill.Question{ID: "ask_1", Run: old.run, Event: old.event, Flow: "payment-to-crm", Question: "Refund?"}
		var eff *waybill.Effect
		k.do(func(tx *record.Tx) (err error) {
			if err := tx.PutAsk(ask); err != nil {
				return err
			}
			ask.State = waybill.AskApproved
			if err := tx.CloseAsk(ask); err != nil {
				return err
			}
			if eff, err = tx.Effect(old.effect); err != nil {
				return err
			}
			return tx.Approve(eff, "asha")
		})
		k.forgetAll(k.now.Add(time.Hour))
		asks := must[[]waybill.Question](k)(page1(k.book.Asks(k.Context(), waybill.ListFilter{})))
		same(k, "questions", len(asks), 0)
		k.read(func(tx *record.Tx) error {
			who, _, err := tx.ApprovedBy(eff)
			same(k, "approved by", who, "")
			return err
		})
	}},
	{"what was opened between looking and forgetting stays", func(k *kit) {
		old := k.live(k.long(), "old", waybill.EffectConfirmed, waybill.RunDone)
		k.newest()
		var bodies, events *record.Old
		k.read(func(tx *record.Tx) (err error) {
			if bodies, err = tx.Old(record.AgedBodies, k.now, 0, 10); err != nil {
				return err
			}
			events, err = tx.Old(record.AgedEvents, k.now.Add(time.Hour), 0, 10)
			return err
		})
		same(k, "found", []int{bodies.Len(), events.Len()}, []int{1, 1})
		again := k.run(old.event, "")
		again.Mode = waybill.ModeReplay
		k.putRun(again)
		k.do(func(tx *record.Tx) error {
			it, err := tx.Item(old.item)
			if err != nil {
				return err
			}
			it.State = waybill.ItemKept
			return tx.MoveItem(it, waybill.ItemTranslated)
		})
		k.do(func(tx *record.Tx) error {
			for _, o := range []*record.Old{bodies, events} {
				n, err := tx.Forget(o)
				same(k, string(o.Kind), n, 0)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"a delivery and a fact are known after all of them is forgotten", func(k *kit) {
		k.live(k.long(), "old", waybill.EffectConfirmed, waybill.RunDone)
		k.newest()
		k.forgetAll(k.now.Add(time.Hour))
		r := k.takeIn(k.arrival("body of old", "delivery old"))
		same(k, "a duplicate", []any{r.Duplicate, len(r.Fresh)}, []any{true, 0})
		a := k.takeIn(k.arrival("told by another way", "another delivery"))
		ev := k.fact("old")
		ev.Item = a.Fresh[0].ID
		k.do(func(tx *record.Tx) error {
			id, fresh, err := tx.PutEvent(ev)
			same(k, "the fact", []any{id, fresh}, []any{waybill.EventID(""), false})
			return err
		})
		dup := must[[]waybill.Item](k)(page1(k.book.Items(k.Context(), waybill.ListFilter{})))
		for _, it := range dup {
			if it.DuplicateOf == waybill.PastRetention {
				same(k, "its page is there", k.gone(string(it.ID)), false)
				return
			}
		}
		k.Error("no item says that the first is past retention")
	}},
	{"the newest of a table stays, so that its place is given to nobody else", func(k *kit) {
		only := k.live(k.long(), "only", waybill.EffectConfirmed, waybill.RunDone)
		k.forgetAll(k.now.Add(time.Hour))
		same(k, "the only event", k.gone(string(only.event)), false)
		same(k, "the only item", k.gone(string(only.item)), false)
	}},
	{"figures, rejections, samples and fixed problems go after their time", func(k *kit) {
		k.event()
		k.do(func(tx *record.Tx) error {
			return tx.CountRejections([]waybill.Rejection{{
				Connection: "payments", Reason: "signature", Count: 3, FirstAt: k.long(), LastAt: k.long(),
				Sample: &waybill.RejectionSample{At: k.long()},
			}})
		})
		k.raise("soon fixed", waybill.Member{Run: "run_1"})
		k.raise("open", waybill.Member{Run: "run_2"})
		k.clear(waybill.Member{Run: "run_1"})
		tomorrow := k.now.Add(24 * time.Hour)
		same(k, "rejections", k.forget(record.AgedRejections, k.now, 1), 2)
		same(k, "problems", k.forget(record.AgedProblems, tomorrow, 1), 1)
		same(k, "figures of minutes", k.forget(record.AgedMinutes, tomorrow, 2) > 0, true)
		same(k, "no more of them", k.forget(record.AgedMinutes, tomorrow, 2), 0)
		same(k, "figures of hours", k.forget(record.AgedHours, k.now.Add(-2*time.Hour), 2), 0)
		same(k, "figures of hours, later", k.forget(record.AgedHours, tomorrow, 2) > 0, true)
		list := must[[]waybill.Problem](k)(page1(k.book.Problems(k.Context(), waybill.ListFilter{})))
		same(k, "problems left", len(list), 1)
	}},
}

// page1 is a list without its cursor.
func page1[T any](list []T, _ string, err error) ([]T, error) { return list, err }
