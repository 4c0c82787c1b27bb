package recordtest

import (
	"time"

	"waybill"
	"waybill/record"
)

var effectCases = []testCase{
	{"an effect is found again whole", func(k *kit) {
		e := k.effect(k.event(), "won", "f1")
		e.Reason, e.Cause, e.Proof, e.KeyUntil = "waits", waybill.LimitReached, "none yet", k.now.Add(24*time.Hour)
		e.Object = waybill.Object{Type: "deal", Key: "SO-1", ID: "17"}
		e.Order = waybill.Stamp{Revision: "7", At: k.now, Rank: 3, Event: "evt_1"}
		e.Before, e.Answer, e.Undo, e.Undoes = []byte(`{"a":1}`), []byte(`{"b":2}`), "restore", "eff_0"
		e.Tries, e.Looks, e.GoodUntil, e.DueAt = 3, 1, k.now.Add(2*time.Hour), k.now.Add(time.Minute)
		e.Doubted, e.Problem, e.Run = true, "prb_1", "run_1"
		e.Gate = []waybill.GateAnswer{{Rule: "good for", Verdict: waybill.Go, At: k.now}}
		e.SentAt, e.SettledAt = k.now, k.now.Add(time.Second)
		got, written := k.plan(e, false)
		same(k, "written", written, true)
		e.Generation = 1
		same(k, "as returned", *got, *e)
		k.read(func(tx *record.Tx) error {
			same(k, "effect", *must[*waybill.Effect](k)(tx.Effect(e.ID)), *e)
			same(k, "by its address", must[*waybill.Effect](k)(tx.EffectAt(e.Event, e.Flow, "won")).ID, e.ID)
			return nil
		})
	}},
	{"the same fingerprint joins the effect that is there", func(k *kit) {
		id := k.event()
		first, _ := k.plan(k.effect(id, "won", "f1"), false)
		for _, through := range [][]waybill.EffectState{nil, {waybill.EffectSent}, {waybill.EffectUnknown}, {waybill.EffectConfirmed}} {
			k.moveEffect(first.ID, through...)
			got, written := k.plan(k.effect(id, "won", "f1"), false)
			same(k, "joins", []any{got.ID, written}, []any{first.ID, false})
		}
	}},
	{"another fingerprint is a conflict while the effect is open or confirmed", func(k *kit) {
		id := k.event()
		first, _ := k.plan(k.effect(id, "won", "f1"), false)
		for _, through := range [][]waybill.EffectState{nil, {waybill.EffectSent}, {waybill.EffectUnknown}, {waybill.EffectConfirmed}} {
			k.moveEffect(first.ID, through...)
			k.refused(waybill.Conflict, func(tx *record.Tx) error {
				_, _, err := tx.PlanEffect(k.effect(id, "won", "f2"), false)
				return err
			})
		}
	}},
	{"a second open effect of an address is refused even deliberately", func(k *kit) {
		id := k.event()
		first, _ := k.plan(k.effect(id, "won", "f1"), false)
		for _, through := range [][]waybill.EffectState{nil, {waybill.EffectSent}, {waybill.EffectUnknown}} {
			k.moveEffect(first.ID, through...)
			for _, fingerprint := range []string{"f1", "f2"} {
				k.refused(waybill.Conflict, func(tx *record.Tx) error {
					_, _, err := tx.PlanEffect(k.effect(id, "won", fingerprint), true)
					return err
				})
			}
		}
	}},
	{"other inputs make a new generation once the last was declined", func(k *kit) {
		id := k.event()
		first, _ := k.plan(k.effect(id, "won", "f1"), false)
		k.moveEffect(first.ID, waybill.EffectSent, waybill.EffectDeclined)
		got, written := k.plan(k.effect(id, "won", "f2"), false)
		same(k, "new", []any{got.Generation, written}, []any{2, true})
	}},
	{"other inputs make a new generation once the last was skipped", func(k *kit) {
		id := k.event()
		first, _ := k.plan(k.effect(id, "won", "f1"), false)
		k.moveEffect(first.ID, waybill.EffectSkipped)
		got, written := k.plan(k.effect(id, "won", "f2"), false)
		same(k, "new", []any{got.Generation, written}, []any{2, true})
	}},
	{"what is confirmed is sent again only deliberately, as a new generation", func(k *kit) {
		id := k.event()
		first, _ := k.plan(k.effect(id, "won", "f1"), false)
		k.moveEffect(first.ID, waybill.EffectSent, waybill.EffectConfirmed)
		got, written := k.plan(k.effect(id, "won", "f1"), true)
		same(k, "new", []any{got.Generation, written, got.ID != first.ID}, []any{2, true, true})
		k.read(func(tx *record.Tx) error {
			same(k, "the first stays", must[*waybill.Effect](k)(tx.Effect(first.ID)).State, waybill.EffectConfirmed)
			same(k, "the newest of the address", must[*waybill.Effect](k)(tx.EffectAt(id, first.Flow, "won")).ID, got.ID)
			return nil
		})
	}},
	{"addresses, flows and events have effects of their own", func(k *kit) {
		id := k.event()
		other := k.effect(id, "won", "f1")
		other.Flow = "another"
		for _, e := range []*waybill.Effect{k.effect(id, "won", "f1"), k.effect(id, "note", "f1"), k.effect(k.event(), "won", "f1"), other} {
			_, written := k.plan(e, false)
			same(k, "written", written, true)
		}
	}},
	{"an effect is sent when planned only if repeating it is harmless", func(k *kit) {
		for _, grade := range []waybill.Repeat{waybill.RepeatKey, waybill.RepeatNatural} {
			e := k.effect(k.event(), "won", "f1")
			e.State, e.Repeat = waybill.EffectSent, grade
			_, written := k.plan(e, false)
			same(k, string(grade), written, true)
		}
		for _, grade := range []waybill.Repeat{waybill.RepeatLookup, waybill.RepeatNever, ""} {
			e := k.effect(k.event(), "won", "f1")
			e.State, e.Repeat = waybill.EffectSent, grade
			k.refused(waybill.Invalid, func(tx *record.Tx) error { _, _, err := tx.PlanEffect(e, false); return err })
		}
		e := k.effect(k.event(), "won", "f1")
		e.State = waybill.EffectConfirmed
		k.refused(waybill.Invalid, func(tx *record.Tx) error { _, _, err := tx.PlanEffect(e, false); return err })
	}},
	{"an illegal move of an effect is refused, and one from another state", func(k *kit) {
		e, _ := k.plan(k.effect(k.event(), "won", "f1"), false)
		e.State = waybill.EffectUndone
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveEffect(e, waybill.EffectPlanned) })
		e.State = waybill.EffectConfirmed
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveEffect(e, waybill.EffectSent) })
		k.moveEffect(e.ID, waybill.EffectSkipped)
		e.State = waybill.EffectPlanned
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveEffect(e, waybill.EffectSkipped) })
		e.ID = "eff_none"
		k.refused(waybill.NotFound, func(tx *record.Tx) error { return tx.MoveEffect(e, waybill.EffectSent) })
	}},
	{"a move leaves inputs, request and fingerprint as they were planned", func(k *kit) {
		e, _ := k.plan(k.effect(k.event(), "won", "f1"), false)
		changed := *e
		changed.State, changed.Fingerprint, changed.Inputs, changed.Request.Body = waybill.EffectSent, "f9", []byte("9"), []byte("9")
		k.do(func(tx *record.Tx) error { return tx.MoveEffect(&changed, waybill.EffectPlanned) })
		k.read(func(tx *record.Tx) error {
			got := must[*waybill.Effect](k)(tx.Effect(e.ID))
			same(k, "frozen", []any{got.Fingerprint, got.Inputs, got.Request.Body}, []any{e.Fingerprint, e.Inputs, e.Request.Body})
			return nil
		})
	}},
	{"a declined effect does not come back beside its successor", func(k *kit) {
		id := k.event()
		first, _ := k.plan(k.effect(id, "won", "f1"), false)
		k.moveEffect(first.ID, waybill.EffectSent, waybill.EffectDeclined)
		k.plan(k.effect(id, "won", "f2"), false)
		first.State = waybill.EffectPlanned
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveEffect(first, waybill.EffectDeclined) })
	}},
	{"a person's edit replaces what a planned or declined effect sends", func(k *kit) {
		e, _ := k.plan(k.effect(k.event(), "won", "f1"), false)
		edit := *e
		edit.Inputs, edit.Fingerprint, edit.Key, edit.Request.Body = []byte(`{"id":"18"}`), "f2", "ref f2", []byte("b")
		k.do(func(tx *record.Tx) error { return tx.EditEffect(&edit, waybill.EffectPlanned) })
		k.read(func(tx *record.Tx) error {
			got := must[*waybill.Effect](k)(tx.Effect(e.ID))
			same(k, "edited", []any{got.Fingerprint, string(got.Inputs), got.Key}, []any{"f2", `{"id":"18"}`, "ref f2"})
			same(k, "found by the new key", must[*waybill.Effect](k)(tx.EffectByKey("crm", "ref f2")).ID, e.ID)
			_, err := tx.EffectByKey("crm", "ref f1")
			same(k, "the old key", waybill.KindOf(err), waybill.NotFound)
			return nil
		})
		k.moveEffect(e.ID, waybill.EffectSent)
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.EditEffect(&edit, waybill.EffectSent) })
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.EditEffect(&edit, waybill.EffectPlanned) })
		k.moveEffect(e.ID, waybill.EffectDeclined)
		k.do(func(tx *record.Tx) error { return tx.EditEffect(&edit, waybill.EffectDeclined) })
	}},
	{"the newest effect is found by our reference", func(k *kit) {
		a, b, c := k.effect(k.event(), "won", "f1"), k.effect(k.event(), "won", "f1"), k.effect(k.event(), "won", "f1")
		c.Connection = "another"
		for _, e := range []*waybill.Effect{a, b, c} {
			k.plan(e, false)
		}
		k.read(func(tx *record.Tx) error {
			same(k, "newest", must[*waybill.Effect](k)(tx.EffectByKey("crm", "ref f1")).ID, b.ID)
			_, err := tx.EffectByKey("crm", "")
			same(k, "no reference", waybill.KindOf(err), waybill.NotFound)
			return nil
		})
	}},
	{"a replay finds what the run it repeats has done", func(k *kit) {
		id := k.event()
		live, replay := k.run(id, ""), k.run(id, "")
		replay.Mode, replay.Repeats = waybill.ModeReplay, live.ID
		k.putRun(live)
		k.putRun(replay)
		e := k.effect(id, "won", "f1")
		e.Run = live.ID
		k.plan(e, false)
		k.read(func(tx *record.Tx) error {
			for _, run := range []waybill.RunID{live.ID, replay.ID} {
				list := must[[]waybill.Effect](k)(tx.EffectsOf(run))
				same(k, "shared", len(list) == 1 && list[0].ID == e.ID, true)
			}
			return nil
		})
	}},
	{"a stamp is what was written last, for each object of an account", func(k *kit) {
		first, second := waybill.Stamp{At: k.now, Rank: 1, Event: "evt_1"}, waybill.Stamp{Revision: "8", At: k.now.Add(time.Second)}
		deal, other := waybill.ObjectRef{Account: "42", Type: "deal", Key: "17"}, waybill.ObjectRef{Account: "42", Type: "deal", Key: "18"}
		k.do(func(tx *record.Tx) error { return tx.PutStamp(deal, first, "eff_1") })
		k.do(func(tx *record.Tx) error { return tx.PutStamp(other, first, "eff_1") })
		k.do(func(tx *record.Tx) error { return tx.PutStamp(deal, second, "eff_2") })
		k.read(func(tx *record.Tx) error {
			s, by, err := tx.Stamp(deal)
			same(k, "newest", []any{s, by}, []any{second, waybill.EffectID("eff_2")})
			if err != nil {
				return err
			}
			s, by, err = tx.Stamp(waybill.ObjectRef{Account: "43", Type: "deal", Key: "17"})
			same(k, "of another account", []any{s, by}, []any{waybill.Stamp{}, waybill.EffectID("")})
			return err
		})
	}},
	{"an object is written to by one effect at a time", func(k *kit) {
		deal := waybill.ObjectRef{Account: "42", Type: "deal", Key: "17"}
		claim := func(by, instead waybill.EffectID) (other waybill.EffectID) {
			k.do(func(tx *record.Tx) (err error) { other, err = tx.ClaimObject(deal, by, instead); return err })
			return other
		}
		same(k, "the first", claim("eff_1", ""), waybill.EffectID(""))
		same(k, "again", claim("eff_1", ""), waybill.EffectID(""))
		same(k, "another", claim("eff_2", ""), waybill.EffectID("eff_1"))
		same(k, "instead of another", claim("eff_2", "eff_3"), waybill.EffectID("eff_1"))
		same(k, "in its place", claim("eff_2", "eff_1"), waybill.EffectID(""))
		k.do(func(tx *record.Tx) error { return tx.FreeObject(deal, "eff_1") }) // it is not the writer any more
		same(k, "still", claim("eff_1", ""), waybill.EffectID("eff_2"))
		var mine [2]bool
		k.do(func(tx *record.Tx) (err error) {
			mine[0], err = tx.SetStamp(deal, waybill.Stamp{At: k.now}, "eff_1")
			return err
		})
		k.do(func(tx *record.Tx) (err error) {
			mine[1], err = tx.SetStamp(deal, waybill.Stamp{At: k.now, Rank: 7}, "eff_2")
			return err
		})
		same(k, "whose stamp it is", mine, [2]bool{false, true})
		same(k, "once it is done", claim("eff_1", ""), waybill.EffectID(""))
		k.do(func(tx *record.Tx) error { return tx.FreeObject(deal, "eff_1") })
		same(k, "once it is free", claim("eff_3", ""), waybill.EffectID(""))
		k.read(func(tx *record.Tx) error {
			s, by, err := tx.Stamp(deal)
			same(k, "stamp", []any{s.Rank, by}, []any{7, waybill.EffectID("eff_2")})
			return err
		})
	}},
	{"a question has one answer", func(k *kit) {
		ask := func(id waybill.AskID) *waybill.Question {
			q := &waybill.Question{
				ID: id, Run: "run_1", Event: "evt_1", Flow: "a", Address: "ok", Question: "Shall we?", DueAt: k.now.Add(time.Hour),
				For: []waybill.AskFor{{Address: "write", Inputs: []byte("{}"), Fingerprint: "f"}}, Who: []string{"ops"},
			}
			k.do(func(tx *record.Tx) error { return tx.PutAsk(q) })
			return q
		}
		first := ask("ask_1")
		ask("ask_2") // the run stands at one step, so this is the same question
		k.do(func(tx *record.Tx) error {
			q := *first
			q.State, q.By = waybill.AskApproved, "asha"
			return tx.CloseAsk(&q)
		})
		k.refused(waybill.Conflict, func(tx *record.Tx) error {
			q := *first
			q.State, q.By = waybill.AskRejected, "ravi"
			return tx.CloseAsk(&q)
		})
		ask("ask_3")
		k.read(func(tx *record.Tx) error {
			list := must[[]waybill.Question](k)(tx.AsksOf("run_1"))
			open := must[*waybill.Question](k)(tx.OpenAsk("run_1"))
			same(k, "questions", []any{len(list), list[0].By, list[0].DueAt.Equal(first.DueAt), list[0].For, open.ID}, []any{2, "asha", true, first.For, waybill.AskID("ask_3")})
			return nil
		})
	}},
	{"an approval is of one fingerprint at one step for one ask", func(k *kit) {
		e := waybill.Effect{Event: "evt_1", Flow: "a", Address: "write", Approval: "ok", Fingerprint: "f"}
		k.do(func(tx *record.Tx) error { return tx.Approve(&e, "asha") })
		k.do(func(tx *record.Tx) error { return tx.Approve(&e, "ravi") })
		other := func(change func(e *waybill.Effect)) string {
			o, who := e, ""
			change(&o)
			k.read(func(tx *record.Tx) (err error) { who, _, err = tx.ApprovedBy(&o); return err })
			return who
		}
		same(k, "by", []string{
			other(func(*waybill.Effect) {}), other(func(e *waybill.Effect) { e.Fingerprint = "g" }), other(func(e *waybill.Effect) { e.Address = "x" }),
			other(func(e *waybill.Effect) { e.Approval = "ok#2" }), other(func(e *waybill.Effect) { e.Event = "evt_2" }),
		}, []string{"asha", "", "", "", ""})
	}},
	{"releases by hand are counted for each step", func(k *kit) {
		for _, address := range []string{"x", "x", "y", "x"} {
			k.do(func(tx *record.Tx) error { return tx.CountRelease("a", address) })
		}
		for flow, want := range map[string]map[string]int{"a": {"x": 3, "y": 1}, "b": {}} {
			k.read(func(tx *record.Tx) error {
				n, err := tx.Releases(flow)
				same(k, "of "+flow, n, want)
				return err
			})
		}
	}},
	{"a message only moves forward, except to failed", func(k *kit) {
		put := func(s waybill.MessageState, reason string) waybill.MessageState {
			var got *waybill.Message
			k.do(func(tx *record.Tx) error {
				return tx.PutMessage(&waybill.Message{Effect: "eff_1", Event: "evt_1", Connection: "whatsapp", To: "+91…10", State: s, Reason: reason})
			})
			k.read(func(tx *record.Tx) (err error) {
				got, err = tx.Message("eff_1")
				return err
			})
			return got.State
		}
		same(k, "planned", put(waybill.MessagePlanned, ""), waybill.MessagePlanned)
		same(k, "unknown", put(waybill.MessageUnknown, ""), waybill.MessageUnknown)
		same(k, "delivered before sent", put(waybill.MessageDelivered, ""), waybill.MessageDelivered)
		same(k, "sent comes late", put(waybill.MessageSent, ""), waybill.MessageDelivered)
		same(k, "accepted comes late", put(waybill.MessageAccepted, ""), waybill.MessageDelivered)
		same(k, "read", put(waybill.MessageRead, ""), waybill.MessageRead)
		same(k, "failed", put(waybill.MessageFailed, "131026"), waybill.MessageFailed)
		same(k, "failed is final", put(waybill.MessageRead, ""), waybill.MessageFailed)
		k.refused(waybill.Invalid, func(tx *record.Tx) error { return tx.PutMessage(&waybill.Message{Effect: "eff_2", State: "lost"}) })
	}},
	{"an exchange is found again whole", func(k *kit) {
		e, _ := k.plan(k.effect(k.event(), "won", "f1"), false)
		a := waybill.Attempt{
			ID: "att_1", Effect: e.ID, Number: 1, StartedAt: k.now, EndedAt: k.now.Add(time.Second), Request: e.Request, Status: 429,
			Headers: []waybill.Header{{Name: "Retry-After", Value: "3"}}, Response: []byte(`{"error":"slow down"}`),
			Certainty: waybill.NotHappened, Cause: waybill.LimitReached, RetryAfter: 3 * time.Second, Note: "again in 3 s",
		}
		k.do(func(tx *record.Tx) error { return tx.AddAttempt(&a) })
		k.refused(waybill.Invalid, func(tx *record.Tx) error { return tx.AddAttempt(&waybill.Attempt{ID: "att_2"}) })
		k.read(func(tx *record.Tx) error {
			same(k, "exchanges", must[[]waybill.Attempt](k)(tx.Attempts(string(e.ID))), []waybill.Attempt{a})
			return nil
		})
	}},
}

func (k *kit) fetch() *waybill.Fetch {
	return &waybill.Fetch{
		ID: waybill.FetchID(k.ids.New("fet")), Item: "itm_1", Address: "deal", Connection: "crm", Action: "deal.find",
		State: waybill.FetchPlanned, Inputs: []byte(`{"order_no":"SO-1"}`), Request: waybill.Request{Method: "GET", URL: "https://crm.example.com"},
		PlannedAt: k.now,
	}
}

var fetchCases = []testCase{
	{"a fetch is found again whole, by whatever it is for", func(k *kit) {
		forItem, forRun, forEffect := k.fetch(), k.fetch(), k.fetch()
		forRun.Item, forRun.Run = "", "run_1"
		forEffect.Item, forEffect.Effect = "", "eff_1"
		for _, f := range []*waybill.Fetch{forItem, forRun, forEffect} {
			k.do(func(tx *record.Tx) error { return tx.PlanFetch(f) })
		}
		k.read(func(tx *record.Tx) error {
			same(k, "of the item", must[[]waybill.Fetch](k)(tx.FetchesOfItem("itm_1")), []waybill.Fetch{*forItem})
			same(k, "of the run", must[[]waybill.Fetch](k)(tx.FetchesOfRun("run_1")), []waybill.Fetch{*forRun})
			same(k, "of the effect", must[[]waybill.Fetch](k)(tx.FetchesOfEffect("eff_1")), []waybill.Fetch{*forEffect})
			same(k, "by its address", must[*waybill.Fetch](k)(tx.FetchAt("run_1", "deal")).ID, forRun.ID)
			same(k, "by id", *must[*waybill.Fetch](k)(tx.Fetch(forItem.ID)), *forItem)
			return nil
		})
	}},
	{"a fetch is repeatable until it is done", func(k *kit) {
		f := k.fetch()
		k.do(func(tx *record.Tx) error { return tx.PlanFetch(f) })
		move := func(from, to waybill.FetchState) error {
			c := *f
			c.State, c.Reason, c.Answer, c.Tries = to, "so it is", []byte(`null`), 2
			return k.book.Do(k.Context(), func(tx *record.Tx) error { return tx.MoveFetch(&c, from) })
		}
		for _, step := range [][2]waybill.FetchState{
			{waybill.FetchPlanned, waybill.FetchPlanned},
			{waybill.FetchPlanned, waybill.FetchFailed},
			{waybill.FetchFailed, waybill.FetchPlanned},
			{waybill.FetchPlanned, waybill.FetchDone},
		} {
			if err := move(step[0], step[1]); err != nil {
				k.Fatal(err)
			}
		}
		same(k, "done is done", waybill.KindOf(move(waybill.FetchDone, waybill.FetchPlanned)), waybill.Conflict)
		same(k, "another state", waybill.KindOf(move(waybill.FetchPlanned, waybill.FetchDone)), waybill.Conflict)
		k.read(func(tx *record.Tx) error {
			got := must[*waybill.Fetch](k)(tx.Fetch(f.ID))
			same(k, "outcome", []any{got.State, got.Reason, string(got.Answer), got.Tries}, []any{waybill.FetchDone, "so it is", "null", 2})
			return nil
		})
	}},
}
