package recordtest

import (
	"time"

	"waybill"
	"waybill/record"
)

// events lists the fact keys of the events that a filter chooses.
func (k *kit) events(f waybill.EventFilter) []waybill.EventRow {
	k.Helper()
	rows, _, err := k.book.Events(k.Context(), f)
	if err != nil {
		k.Fatal(err)
	}
	return rows
}

func (k *kit) chosen(f waybill.EventFilter) []waybill.EventID {
	k.Helper()
	ids := []waybill.EventID{}
	for _, r := range k.events(f) {
		ids = append(ids, r.ID)
	}
	return ids
}

// searchable writes an event with search keys among others.
func (k *kit) searchable(keys ...waybill.SearchKey) waybill.EventID {
	k.Helper()
	k.event()
	e := k.fact(k.ids.New("fact"))
	e.Subject, e.Search = "Order SO-1001", keys
	id := k.put(e)
	k.event()
	return id
}

var browseCases = []testCase{
	{"one box finds an event by whatever somebody knows of it", func(k *kit) {
		id := k.searchable(
			waybill.SearchKey{Kind: "email", Value: "asha@example.com"}, waybill.SearchKey{Kind: "phone", Value: "+919876543210"},
			waybill.SearchKey{Kind: "order", Value: "SO-1001"}, waybill.SearchKey{Kind: "amount", Value: "129900"},
			waybill.SearchKey{Kind: "id", Value: "pay_29QQoUBi66xm2f"},
		)
		for _, q := range []string{
			"asha@example.com", " Asha@Example.COM ", "+919876543210", "98765 43210", "+91 98765-43210", "09876543210", "SO-1001", "so-1001",
			"1299", "1,299.00", "₹1,299.00", "₹ 1,299", "INR 1299", "Rs. 1,299/-", "1299.0", "pay_29QQoUBi66xm2f", "Order SO-1001", string(id),
		} {
			same(k, q, k.chosen(waybill.EventFilter{Query: q}), []waybill.EventID{id})
		}
		for _, q := range []string{"ravi@example.com", "+919876543211", "SO-100", "12990", "129900", "1299.01", "pay_", "evt_none", "%", "'"} {
			same(k, q, k.chosen(waybill.EventFilter{Query: q}), []waybill.EventID{})
		}
	}},
	{"one box finds an event by the id of anything on its way", func(k *kit) {
		w := k.way()
		for _, id := range []string{
			string(w.event), string(w.item.ID), string(w.item.Arrival), string(w.run.ID), string(w.effect.ID), string(w.fetch.ID),
		} {
			same(k, id, k.chosen(waybill.EventFilter{Query: id}), []waybill.EventID{w.event})
		}
	}},
	{"a value many events share finds them all, newest first, page by page", func(k *kit) {
		var want []waybill.EventID
		for range 7 {
			want = append([]waybill.EventID{k.searchable(waybill.SearchKey{Kind: "email", Value: "asha@example.com"})}, want...)
		}
		same(k, "paged", k.pages(waybill.EventFilter{Query: "asha@example.com", Limit: 3}), want)
	}},
	{"paging neither skips nor repeats, though new events come in meanwhile", func(k *kit) {
		var want []waybill.EventID
		for range 10 {
			want = append([]waybill.EventID{k.event()}, want...)
		}
		same(k, "paged", k.pages(waybill.EventFilter{Limit: 3}), want)
		same(k, "a full last page ends", k.pages(waybill.EventFilter{Limit: 5, Until: k.now.Add(time.Hour)})[3:], append([]waybill.EventID{}, want...))
	}},
	{"a filter and a value are asked together", func(k *kit) {
		id := k.searchable(waybill.SearchKey{Kind: "order", Value: "SO-1"})
		same(k, "type", k.chosen(waybill.EventFilter{Query: "SO-1", Type: "payment.succeeded"}), []waybill.EventID{id})
		same(k, "other type", k.chosen(waybill.EventFilter{Query: "SO-1", Type: "refund.created"}), []waybill.EventID{})
	}},
	{"events are chosen by type, connection and flow", func(k *kit) {
		a, b := k.fact("a"), k.fact("b")
		a.Type, b.Connection = "refund.created", "shop"
		k.put(a)
		k.put(b)
		r := k.run(k.event(), "")
		r.Flow = "tell-the-team"
		k.putRun(r)
		same(k, "type", k.chosen(waybill.EventFilter{Type: "refund.created"}), []waybill.EventID{a.ID})
		same(k, "connection", k.chosen(waybill.EventFilter{Connection: "shop"}), []waybill.EventID{b.ID})
		same(k, "flow", k.chosen(waybill.EventFilter{Flow: "tell-the-team"}), []waybill.EventID{r.Event})
	}},
	{"events are chosen by when they were accepted", func(k *kit) {
		var ids []waybill.EventID
		for _, ago := range []time.Duration{50 * time.Hour, 3 * time.Hour, 30 * time.Hour, time.Hour} { // one is understood late
			e := k.fact(k.ids.New("fact"))
			e.AcceptedAt = k.now.Add(-ago)
			ids = append(ids, k.put(e))
		}
		same(k, "since", k.chosen(waybill.EventFilter{Since: k.now.Add(-31 * time.Hour)}), []waybill.EventID{ids[3], ids[2], ids[1]})
		same(k, "until", k.chosen(waybill.EventFilter{Until: k.now.Add(-3 * time.Hour)}), []waybill.EventID{ids[2], ids[0]})
		same(k, "between", k.chosen(waybill.EventFilter{Since: k.now.Add(-3 * time.Hour), Until: k.now.Add(-time.Hour)}), []waybill.EventID{ids[1]})
		same(k, "in the future", k.chosen(waybill.EventFilter{Since: k.now.Add(5 * time.Hour)}), []waybill.EventID{})
		same(k, "before all", k.chosen(waybill.EventFilter{Until: k.now.Add(-99 * time.Hour)}), []waybill.EventID{})
	}},
	{"an event stands as the worst of its runs, and is chosen by that", func(k *kit) {
		ids := map[waybill.RunState]waybill.EventID{}
		states := []waybill.RunState{waybill.RunDone, waybill.RunStopped, waybill.RunQueued, waybill.RunRunning, waybill.RunWaiting, waybill.RunBlocked}
		for n, state := range states {
			id := k.event()
			ids[state] = id
			for i, s := range states[:n+1] { // all better ones beside it
				r := k.run(id, "")
				r.Flow, r.State, r.Reason = nth("flow", i), s, "because "+string(s)
				k.putRun(r)
			}
		}
		unused := k.event()
		for _, state := range states[1:] {
			rows := k.events(waybill.EventFilter{State: state})
			if len(rows) != 1 {
				k.Fatalf("%d events are %s, want 1", len(rows), state)
			}
			same(k, string(state), []any{rows[0].ID, rows[0].State, rows[0].Reason}, []any{ids[state], state, "because " + string(state)})
		}
		same(k, "done", k.chosen(waybill.EventFilter{State: waybill.RunDone}), []waybill.EventID{unused, ids[waybill.RunDone]})
		row := k.events(waybill.EventFilter{Query: string(unused)})[0]
		same(k, "unused", []any{row.State, row.Reason, row.Runs}, []any{waybill.RunDone, "no flow used it", 0})
		_, _, err := k.book.Events(k.Context(), waybill.EventFilter{State: "lost"})
		same(k, "no such state", waybill.KindOf(err), waybill.Invalid)
	}},
	{"an event whose stopped run runs again is chosen by how it stands, not by the run that was stopped", func(k *kit) {
		id := k.event()
		first, again := k.run(id, ""), k.run(id, "")
		first.State, again.State, again.Repeats, again.Mode = waybill.RunStopped, waybill.RunDone, first.ID, waybill.ModeReplay
		k.putRun(first)
		same(k, "stopped", k.chosen(waybill.EventFilter{State: waybill.RunStopped}), []waybill.EventID{id})
		k.putRun(again)
		same(k, "it stands as", k.events(waybill.EventFilter{Query: string(id)})[0].State, waybill.RunDone)
		same(k, "stopped, then done", k.chosen(waybill.EventFilter{State: waybill.RunStopped}), []waybill.EventID{})
		same(k, "done", k.chosen(waybill.EventFilter{State: waybill.RunDone}), []waybill.EventID{id})
	}},
	{"events with an outcome that is not known are found and counted", func(k *kit) {
		e, _ := k.plan(k.effect(k.event(), "won", "f1"), false)
		k.event()
		same(k, "none", k.chosen(waybill.EventFilter{Unknown: true}), []waybill.EventID{})
		k.moveEffect(e.ID, waybill.EffectSent, waybill.EffectUnknown)
		rows := k.events(waybill.EventFilter{Unknown: true})
		if len(rows) != 1 || rows[0].ID != e.Event || rows[0].Unknown != 1 {
			k.Errorf("found %+v", rows)
		}
		k.moveEffect(e.ID, waybill.EffectConfirmed)
		same(k, "settled", k.chosen(waybill.EventFilter{Unknown: true}), []waybill.EventID{})
	}},
	{"lists stay right when very many stand alike", func(k *kit) {
		const many = 2100
		k.do(func(tx *record.Tx) error {
			for range many {
				e := k.fact(k.ids.New("fact"))
				if _, _, err := tx.PutEvent(e); err != nil {
					return err
				}
				if _, err := tx.PutRun(k.run(e.ID, "")); err != nil {
					return err
				}
				if _, _, err := tx.PlanEffect(k.effect(e.ID, "won", "f1"), false); err != nil {
					return err
				}
			}
			return nil
		})
		last := k.run(k.event(), "")
		k.putRun(last)
		k.event()
		for name, f := range map[string]waybill.EventFilter{
			"flow": {Flow: last.Flow, Limit: 3}, "state": {State: waybill.RunQueued, Limit: 3},
		} {
			rows, next, err := k.book.Events(k.Context(), f)
			if err != nil || len(rows) != 3 || rows[0].ID != last.Event || next != string(rows[2].ID) {
				k.Errorf("%s: %+v, next %q: %v", name, rows, next, err)
			}
		}
		runs, _, err := k.book.Runs(k.Context(), waybill.ListFilter{State: string(waybill.RunQueued), Limit: 2})
		if err != nil || len(runs) != 2 || runs[0].ID != last.ID {
			k.Errorf("runs %+v: %v", runs, err)
		}
		effects, next, err := k.book.Effects(k.Context(), waybill.ListFilter{State: string(waybill.EffectPlanned), Limit: 200})
		if err != nil || len(effects) != 200 || next == "" {
			k.Errorf("%d effects, next %q: %v", len(effects), next, err)
		}
		o := must[*waybill.Overview](k)(k.book.Overview(k.Context(), k.now.Add(-time.Hour)))
		same(k, "working, events", []int{o.Working, o.Events}, []int{many + 1, many + 2})
	}},
	{"a cursor that names nothing is refused", func(k *kit) {
		_, _, err := k.book.Events(k.Context(), waybill.EventFilter{Before: "evt_none"})
		same(k, "events: kind", waybill.KindOf(err), waybill.Invalid)
		for _, before := range []string{"garbage", "zzz_0", "run_0'x", "5", "5|99|x"} {
			f := waybill.ListFilter{Before: before}
			for list, read := range map[string]func() error{
				"items":      func() error { _, _, err := k.book.Items(k.Context(), f); return err },
				"runs":       func() error { _, _, err := k.book.Runs(k.Context(), f); return err },
				"effects":    func() error { _, _, err := k.book.Effects(k.Context(), f); return err },
				"problems":   func() error { _, _, err := k.book.Problems(k.Context(), f); return err },
				"asks":       func() error { _, _, err := k.book.Asks(k.Context(), f); return err },
				"jobs":       func() error { _, _, err := k.book.Jobs(k.Context(), f); return err },
				"rejections": func() error { _, _, err := k.book.Rejections(k.Context(), f); return err },
				"audit":      func() error { _, _, err := k.book.AuditLog(k.Context(), f); return err },
			} {
				if err := read(); waybill.KindOf(err) != waybill.Invalid || waybill.HintOf(err) == "" {
					k.Errorf("%s before %q: %v", list, before, err)
				}
			}
		}
	}},
	{"the other lists are chosen and paged alike", func(k *kit) {
		blocked := map[string]bool{}
		for n := range 5 {
			a := k.arrival("{}", nth("key", n))
			a.Items[0].State = waybill.ItemBlocked
			k.takeIn(a)
			blocked[string(a.Items[0].ID)] = true
			k.item()
		}
		found := map[string]bool{}
		for cursor := ""; ; {
			list, next, err := k.book.Items(k.Context(), waybill.ListFilter{State: string(waybill.ItemBlocked), Before: cursor, Limit: 2})
			if err != nil {
				k.Fatal(err)
			}
			for _, it := range list {
				same(k, "repeated", found[string(it.ID)], false)
				found[string(it.ID)] = true
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		same(k, "items", found, blocked)
		w := k.way()
		runs, _, err := k.book.Runs(k.Context(), waybill.ListFilter{Flow: w.run.Flow, Event: w.event, Connection: "payments", State: "done"})
		if err != nil || len(runs) != 1 || runs[0].ID != w.run.ID {
			k.Errorf("runs %v: %v", runs, err)
		}
		effects, _, err := k.book.Effects(k.Context(), waybill.ListFilter{Flow: w.run.Flow, Event: w.event, Connection: "crm", State: "confirmed"})
		if err != nil || len(effects) != 1 || effects[0].ID != w.effect.ID {
			k.Errorf("effects %v: %v", effects, err)
		}
		k.raise("k1", waybill.Member{Run: w.run.ID})
		gone := k.raise("k2", waybill.Member{Run: "run_9"})
		k.clear(waybill.Member{Run: "run_9"})
		problems, _, err := k.book.Problems(k.Context(), waybill.ListFilter{State: "open", Connection: "crm"})
		if err != nil || len(problems) != 1 || problems[0].Key != "k1" {
			k.Errorf("problems %v: %v", problems, err)
		}
		problems, _, err = k.book.Problems(k.Context(), waybill.ListFilter{State: "fixed"})
		if err != nil || len(problems) != 1 || problems[0].ID != gone {
			k.Errorf("fixed problems %v: %v", problems, err)
		}
	}},
}

// pages reads all pages of a list of events; a new event comes in before each.
func (k *kit) pages(f waybill.EventFilter) []waybill.EventID {
	k.Helper()
	var ids []waybill.EventID
	for range 100 {
		rows, next, err := k.book.Events(k.Context(), f)
		if err != nil {
			k.Fatal(err)
		}
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		if next == "" {
			return ids
		}
		f.Before = next
		k.event()
	}
	k.Fatal("the pages have no end")
	return nil
}

// way is one event's whole way.
type way struct {
	item   waybill.Item
	event  waybill.EventID
	run    *waybill.Run
	effect *waybill.Effect
	fetch  *waybill.Fetch
	other  waybill.Item // told the same fact
}

// way writes the whole way of one event, done.
func (k *kit) way() *way {
	k.Helper()
	w := &way{item: k.item(), other: k.item(), fetch: k.fetch()}
	e := k.fact(k.ids.New("fact"))
	e.Item, e.Arrival = w.item.ID, w.item.Arrival
	e.Search = []waybill.SearchKey{{Kind: "email", Value: "asha@example.com"}}
	w.fetch.Item = w.item.ID
	k.do(func(tx *record.Tx) error { return tx.PlanFetch(w.fetch) })
	w.event = k.put(e)
	k.do(func(tx *record.Tx) error {
		it := w.item
		it.State, it.Events = waybill.ItemTranslated, []waybill.EventID{w.event}
		if err := tx.MoveItem(&it, waybill.ItemKept); err != nil {
			return err
		}
		again := *e
		again.ID, again.Item = waybill.EventID(k.ids.New("evt")), w.other.ID
		_, _, err := tx.PutEvent(&again)
		return err
	})
	w.run = k.run(w.event, "order "+k.ids.New("o"))
	k.putRun(w.run)
	w.effect = k.effect(w.event, "won", "f1")
	w.effect.Run = w.run.ID
	k.plan(w.effect, false)
	k.moveEffect(w.effect.ID, waybill.EffectSent)
	k.do(func(tx *record.Tx) error {
		return tx.AddAttempt(&waybill.Attempt{ID: "att_1", Effect: w.effect.ID, Number: 1, StartedAt: k.now, Status: 200, Certainty: waybill.Happened})
	})
	k.moveEffect(w.effect.ID, waybill.EffectConfirmed)
	k.moveRun(w.run.ID, waybill.RunRunning)
	k.moveRun(w.run.ID, waybill.RunDone)
	return w
}

var journeyCases = []testCase{
	{"the journey is found by the id of anything on it, and is whole", func(k *kit) {
		w := k.way()
		for _, id := range []string{
			string(w.event), string(w.item.ID), string(w.item.Arrival), string(w.run.ID), string(w.effect.ID), string(w.fetch.ID),
		} {
			j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), id))
			if j.Event == nil || j.Arrival == nil || j.Item == nil || len(j.Runs) != 1 || len(j.Runs[0].Effects) != 1 ||
				len(j.Fetches) != 1 || len(j.Evidence) != 1 {
				k.Fatalf("by %s the journey has holes: %+v", id, j)
			}
			same(k, "event", j.Event.ID, w.event)
			same(k, "body", string(j.Arrival.Body), "{}")
			same(k, "run", j.Runs[0].Run.State, waybill.RunDone)
			same(k, "exchange", j.Runs[0].Effects[0].Attempts[0].Status, 200)
			same(k, "fetch", j.Fetches[0].Fetch.ID, w.fetch.ID)
			same(k, "evidence", j.Evidence[0].Item, w.other.ID)
		}
	}},
	{"a duplicate leads to the journey of the first", func(k *kit) {
		w := k.way()
		a := k.arrival("{}", w.item.DeliveryKey)
		k.takeIn(a)
		for _, id := range []string{string(a.ID), string(a.Items[0].ID)} {
			same(k, id, must[*waybill.Journey](k)(k.book.Journey(k.Context(), id)).Event.ID, w.event)
		}
	}},
	{"an item that became no event has a journey too", func(k *kit) {
		it := k.item()
		k.raise("k1", waybill.Member{Item: it.ID})
		j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(it.Arrival)))
		same(k, "no event", j.Event == nil, true)
		same(k, "item", j.Item.ID, it.ID)
		same(k, "problem", j.Problems[0].Key, "k1")
	}},
	{"the journey tells of problems, people, messages, look-ups and family", func(k *kit) {
		w := k.way()
		k.raise("k1", waybill.Member{Effect: w.effect.ID})
		look := k.fetch()
		look.Item, look.Effect = "", w.effect.ID
		child := k.fact("child")
		child.Parent, child.Subject = w.event, ""
		k.do(func(tx *record.Tx) error {
			if err := tx.PlanFetch(look); err != nil {
				return err
			}
			if err := tx.Audit(&waybill.Audited{Who: "asha", Action: "retry", Object: string(w.run.ID)}); err != nil {
				return err
			}
			return tx.PutMessage(&waybill.Message{Effect: w.effect.ID, State: waybill.MessageRead})
		})
		k.put(child)
		sibling := k.fact("sibling")
		told := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(w.event)))
		sibling.Subject = told.Event.Subject
		k.put(sibling)
		j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(w.event)))
		same(k, "problem", j.Problems[0].Key, "k1")
		same(k, "person", j.Audit[0].Who, "asha")
		same(k, "message", j.Runs[0].Effects[0].Message.State, waybill.MessageRead)
		same(k, "look-up", j.Runs[0].Effects[0].Lookups[0].Fetch.ID, look.ID)
		same(k, "child", j.Children[0].ID, child.ID)
		same(k, "related", j.Related[0].ID, sibling.ID)
		same(k, "parent", must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(child.ID))).Parent.ID, w.event)
	}},
	{"nothing of that id is said so", func(k *kit) {
		_, err := k.book.Journey(k.Context(), "evt_none")
		same(k, "kind", waybill.KindOf(err), waybill.NotFound)
	}},
}

var overviewCases = []testCase{
	{"the overview counts what happened and how things stand", func(k *kit) {
		w := k.way() // two arrivals, one event, one run done, one effect confirmed
		k.takeIn(k.arrival("{}", w.item.DeliveryKey))
		it := k.item()
		it.State = waybill.ItemNotUsed
		k.do(func(tx *record.Tx) error { return tx.MoveItem(&it, waybill.ItemKept) })
		bad := k.arrival("{", "bad")
		bad.Items[0].State = waybill.ItemBlocked
		k.takeIn(bad)
		for n, state := range []waybill.RunState{waybill.RunQueued, waybill.RunRunning, waybill.RunWaiting, waybill.RunBlocked, waybill.RunStopped} {
			r := k.run(k.event(), "")
			r.State = state
			if n == 0 {
				r.DueBy = time.Now().Add(-time.Hour)
			}
			k.putRun(r)
		}
		e, _ := k.plan(k.effect(k.event(), "won", "f1"), false)
		k.moveEffect(e.ID, waybill.EffectSent, waybill.EffectUnknown)
		k.do(func(tx *record.Tx) error {
			return tx.CountRejections([]waybill.Rejection{{Connection: "payments", Reason: "forged", Count: 4}})
		})
		k.raise("k1", waybill.Member{Effect: e.ID})
		k.do(func(tx *record.Tx) error {
			if err := tx.PutAsk(&waybill.Question{ID: "ask_1", Run: "run_1", Event: "evt_1", Flow: "payment-to-crm"}); err != nil {
				return err
			}
			answered := &waybill.Question{ID: "ask_2", Run: "run_2", Event: "evt_1", Flow: "payment-to-crm"}
			if err := tx.PutAsk(answered); err != nil {
				return err
			}
			answered.State = waybill.AskApproved
			return tx.CloseAsk(answered)
		})
		o := must[*waybill.Overview](k)(k.book.Overview(k.Context(), k.now.Add(-time.Hour)))
		same(k, "received, duplicate, not used, rejected, events", []int{o.Received, o.Duplicate, o.NotUsed, o.Rejected, o.Events}, []int{5, 1, 1, 4, 7})
		same(k, "working, waiting, done, stopped, blocked, unknown, late",
			[]int{o.Working, o.Waiting, o.Done, o.Stopped, o.Blocked, o.Unknown, o.Late}, []int{2, 1, 1, 1, 2, 1, 1})
		same(k, "questions", o.Asks, 1)
		same(k, "problem", o.Problems[0].Key, "k1")
		same(k, "flow", []any{len(o.Flows), o.Flows[0].Flow, o.Flows[0].Done, o.Flows[0].Open, o.Flows[0].Blocked, o.Flows[0].Asks, o.Flows[0].Last.IsZero()},
			[]any{1, "payment-to-crm", 1, 3, 1, 1, false})
		same(k, "hours", len(o.Hours), 24)
		received := 0
		for _, h := range o.Hours {
			received += h.Received
		}
		same(k, "in the hours", received, 5)
		future := must[*waybill.Overview](k)(k.book.Overview(k.Context(), time.Now().Add(2*time.Minute)))
		same(k, "since later", []int{future.Received, future.Events, future.Done, future.Waiting}, []int{0, 0, 0, 1})
	}},
	{"a run that ends takes its part of what stands with it", func(k *kit) {
		r := k.run(k.event(), "")
		k.putRun(r)
		k.moveRun(r.ID, waybill.RunRunning)
		k.moveRun(r.ID, waybill.RunDone)
		o := must[*waybill.Overview](k)(k.book.Overview(k.Context(), k.now.Add(-time.Hour)))
		same(k, "working, done", []int{o.Working, o.Done}, []int{0, 1})
	}},
	{"connections show what went in and out, failed, waits and is not known", func(k *kit) {
		k.way()
		k.plan(k.effect(k.event(), "won", "f1"), false)
		f := k.fetch()
		k.do(func(tx *record.Tx) error { return tx.PlanFetch(f) })
		k.do(func(tx *record.Tx) error {
			return tx.AddAttempt(&waybill.Attempt{ID: "att_2", Fetch: f.ID, StartedAt: k.now, Certainty: waybill.NotHappened})
		})
		k.do(func(tx *record.Tx) error {
			return tx.SetConnectionState(&waybill.ConnectionState{Connection: "shop", Health: waybill.HealthPaused})
		})
		all := must[[]waybill.ConnectionFigures](k)(k.book.Connections(k.Context()))
		if len(all) != 3 {
			k.Fatalf("%d connections, want 3: %+v", len(all), all)
		}
		same(k, "crm", []int{all[0].In, all[0].Out, all[0].Failed, all[0].Queued, all[0].Unknown}, []int{0, 2, 1, 3, 0})
		same(k, "payments", []any{all[1].State.Connection, all[1].In, all[1].Out}, []any{"payments", 2, 0})
		same(k, "shop", all[2].State.Health, waybill.HealthPaused)
	}},
}
