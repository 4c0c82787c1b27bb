package recordtest

import (
	"fmt"
	"time"

	"waybill"
	"waybill/record"
)

func (k *kit) raise(key string, m waybill.Member) waybill.ProblemID {
	k.Helper()
	var id waybill.ProblemID
	k.do(func(tx *record.Tx) (err error) {
		id, err = tx.Raise(&waybill.Problem{
			Key: key, Cause: waybill.MissingValue, Connection: "crm", Action: "contact.upsert", Code: "EMAIL", Title: "No e-mail",
			Detail: "their words", Owner: "sales-ops",
		}, m)
		return err
	})
	return id
}

func (k *kit) problem(id waybill.ProblemID) *waybill.ProblemView {
	k.Helper()
	return must[*waybill.ProblemView](k)(k.book.Problem(k.Context(), id))
}

func (k *kit) clear(m waybill.Member) {
	k.Helper()
	k.do(func(tx *record.Tx) error { return tx.Clear(m) })
}

var peopleCases = []testCase{
	{"a problem groups and counts what has one cause", func(k *kit) {
		id := k.raise("k1", waybill.Member{Run: "run_1", At: k.now})
		same(k, "joins", k.raise("k1", waybill.Member{Effect: "eff_1", At: k.now.Add(time.Second)}), id)
		same(k, "again", k.raise("k1", waybill.Member{Run: "run_1", At: k.now.Add(2 * time.Second)}), id)
		v := k.problem(id)
		same(k, "counts", []int{v.Problem.Count, v.Problem.Total}, []int{2, 2})
		same(k, "seen", []time.Time{v.Problem.FirstAt, v.Problem.LastAt}, []time.Time{k.now, k.now.Add(2 * time.Second)})
		same(k, "newest first", v.Members[0].Run, waybill.RunID("run_1"))
		same(k, "words", []any{v.Problem.Cause, v.Problem.Title, v.Problem.Owner}, []any{waybill.MissingValue, "No e-mail", "sales-ops"})
		same(k, "another cause", k.raise("k2", waybill.Member{Run: "run_2"}) != id, true)
	}},
	{"a problem fixes itself when its last member goes, and regresses when one comes back", func(k *kit) {
		id := k.raise("k1", waybill.Member{Run: "run_1"})
		k.raise("k1", waybill.Member{Run: "run_2"})
		k.clear(waybill.Member{Run: "run_1"})
		same(k, "still", k.problem(id).Problem.State, waybill.ProblemNew)
		k.clear(waybill.Member{Run: "run_2"})
		p := k.problem(id).Problem
		same(k, "fixed", []any{p.State, p.Count, p.Total, p.FixedAt.IsZero()}, []any{waybill.ProblemFixed, 0, 2, false})
		same(k, "the same problem", k.raise("k1", waybill.Member{Run: "run_3"}), id)
		p = k.problem(id).Problem
		same(k, "regressed", []any{p.State, p.Count, p.Total, p.FixedAt.IsZero()}, []any{waybill.ProblemRegressed, 1, 3, true})
	}},
	{"a problem names each flow it holds something of, in the order they came, and is found by each", func(k *kit) {
		raise := func(run waybill.RunID, flows ...string) (id waybill.ProblemID) {
			k.do(func(tx *record.Tx) (err error) {
				id, err = tx.Raise(&waybill.Problem{Key: "k1", Cause: waybill.DeclinedValue, Connection: "crm", Flows: flows}, waybill.Member{Run: run})
				return err
			})
			return id
		}
		id := raise("run_1", "pay_to-crm")
		raise("run_2", "lead")
		raise("run_3", "lead")
		raise("run_4", "pay_to-crm")
		raise("run_5")
		same(k, "flows", k.problem(id).Problem.Flows, []string{"pay_to-crm", "lead"})
		for flow, found := range map[string]int{"pay_to-crm": 1, "lead": 1, "lea": 0, "ead": 0, "payxto-crm": 0, "%": 0, "": 1} {
			list, _, err := k.book.Problems(k.Context(), waybill.ListFilter{State: "open", Flow: flow})
			if err != nil || len(list) != found {
				k.Errorf("by flow %q: %d problems, %v", flow, len(list), err)
			}
		}
		p := k.problem(id).Problem
		p.Owner = "asha"
		k.do(func(tx *record.Tx) error { return tx.SetProblem(&p) })
		same(k, "taken", k.problem(id).Problem.Flows, []string{"pay_to-crm", "lead"})
		for _, run := range []waybill.RunID{"run_1", "run_2", "run_3", "run_4", "run_5"} {
			k.clear(waybill.Member{Run: run})
		}
		same(k, "fixed", k.problem(id).Problem.Flows, []string{"pay_to-crm", "lead"})
		raise("run_6", "lead")
		same(k, "it comes back with what it holds now", k.problem(id).Problem.Flows, []string{"lead"})
	}},
	{"a problem that is in very many flows names the first hundred", func(k *kit) {
		var id waybill.ProblemID
		k.do(func(tx *record.Tx) (err error) {
			for i := range 120 {
				if id, err = tx.Raise(&waybill.Problem{Key: "k1", Cause: waybill.DeclinedValue, Flows: []string{fmt.Sprintf("flow-%03d", i)}}, waybill.Member{Run: waybill.RunID(nth("run", i))}); err != nil {
					return err
				}
			}
			return nil
		})
		flows := k.problem(id).Problem.Flows
		same(k, "flows", []any{len(flows), flows[0], flows[99]}, []any{100, "flow-000", "flow-099"})
	}},
	{"clearing what is in no problem is harmless", func(k *kit) {
		id := k.raise("k1", waybill.Member{Run: "run_1"})
		k.clear(waybill.Member{Run: "run_9"})
		k.clear(waybill.Member{Effect: "eff_9"})
		k.clear(waybill.Member{})
		same(k, "count", k.problem(id).Problem.Count, 1)
	}},
	{"a member is in one problem at a time, a connection may be in several", func(k *kit) {
		a := k.raise("k1", waybill.Member{Run: "run_1"})
		b := k.raise("k2", waybill.Member{Run: "run_1"})
		same(k, "left", k.problem(a).Problem.State, waybill.ProblemFixed)
		same(k, "joined", k.problem(b).Problem.Count, 1)
		c, d := k.raise("k3", waybill.Member{Connection: "crm"}), k.raise("k4", waybill.Member{Connection: "crm"})
		same(k, "both", []int{k.problem(c).Problem.Count, k.problem(d).Problem.Count}, []int{1, 1})
		k.clear(waybill.Member{Connection: "crm"})
		same(k, "both cleared", []int{k.problem(c).Problem.Count, k.problem(d).Problem.Count}, []int{0, 0})
	}},
	{"every kind of member comes back as it was", func(k *kit) {
		members := []waybill.Member{
			{Item: "itm_1", At: k.now},
			{Run: "run_1", Event: "evt_1", At: k.now},
			{Effect: "eff_1", At: k.now},
			{Fetch: "fet_1", At: k.now},
			{Connection: "crm", At: k.now},
		}
		for _, m := range members {
			id := k.raise("key of "+string(m.Item)+string(m.Run)+string(m.Effect)+string(m.Fetch)+m.Connection, m)
			same(k, "member", k.problem(id).Members, []waybill.Member{m})
		}
	}},
	{"somebody takes a problem, and their name stays when it is raised again", func(k *kit) {
		id := k.raise("k1", waybill.Member{Run: "run_1"})
		p := k.problem(id).Problem
		p.Owner, p.State = "asha", waybill.ProblemWorking
		k.do(func(tx *record.Tx) error { return tx.SetProblem(&p) })
		k.raise("k1", waybill.Member{Run: "run_2"})
		p = k.problem(id).Problem
		same(k, "taken", []any{p.Owner, p.State}, []any{"asha", waybill.ProblemWorking})
		k.refused(waybill.NotFound, func(tx *record.Tx) error { return tx.SetProblem(&waybill.Problem{ID: "prb_none"}) })
	}},
	{"a problem shows the events and effects it holds", func(k *kit) {
		e, _ := k.plan(k.effect(k.event(), "won", "f1"), false)
		id := k.raise("k1", waybill.Member{Effect: e.ID, Event: e.Event})
		v := k.problem(id)
		same(k, "event", v.Events[0].ID, e.Event)
		same(k, "effect", v.Effects[0].ID, e.ID)
	}},
	{"a connection nothing is known of is working, and what is set is found", func(k *kit) {
		k.read(func(tx *record.Tx) error {
			same(k, "new", must[*waybill.ConnectionState](k)(tx.ConnectionState("crm")).Health, waybill.HealthWorking)
			return nil
		})
		s := waybill.ConnectionState{
			Connection: "crm", Account: "42", Health: waybill.HealthSignInNeeded, Reason: "refused", Cause: waybill.SignInExpired,
			Since: k.now, Until: k.now.Add(time.Hour), Problem: "prb_1", Parked: []string{"deal.update"}, LastIn: k.now, LastOut: k.now,
			Failures: 3, Answers: 7,
		}
		k.do(func(tx *record.Tx) error { return tx.SetConnectionState(&s) })
		k.read(func(tx *record.Tx) error {
			same(k, "set", *must[*waybill.ConnectionState](k)(tx.ConnectionState("crm")), s)
			return nil
		})
	}},
	{"the bundle published last is current, and earlier ones are kept", func(k *kit) {
		for _, id := range []waybill.BundleID{"b1", "b2", "b1"} {
			k.do(func(tx *record.Tx) error { return tx.PublishBundle(id, []byte("content of "+id)) })
		}
		k.read(func(tx *record.Tx) error {
			same(k, "current", must[waybill.BundleID](k)(tx.CurrentBundle()), waybill.BundleID("b1"))
			same(k, "kept", string(must[[]byte](k)(tx.Bundle("b2"))), "content of b2")
			_, err := tx.Bundle("b3")
			same(k, "never", waybill.KindOf(err), waybill.NotFound)
			return nil
		})
	}},
	{"a connection is remembered with the workspace it was in last, until it is retired; and again when it is back", func(k *kit) {
		want := func(when string, last waybill.BundleID, known, retired bool) {
			k.Helper()
			k.read(func(tx *record.Tx) error {
				same(k, when+": last", must[waybill.BundleID](k)(tx.LastBundleWith("pay")), last)
				have, gone, err := tx.Remembers("pay")
				same(k, when, []any{have, gone, err}, []any{known, retired, nil})
				return nil
			})
		}
		listed := func() *waybill.ConnectionFigures {
			for _, f := range must[[]waybill.ConnectionFigures](k)(k.book.Connections(k.Context())) {
				if f.State.Connection == "pay" {
					return &f
				}
			}
			return nil
		}
		want("never", "", false, false)
		same(k, "never listed", listed() == nil, true)
		k.do(func(tx *record.Tx) error { return tx.NoteConnection("pay", "b1") })
		k.do(func(tx *record.Tx) error { return tx.NoteConnection("pay", "b2") })
		want("noted", "b2", true, false)
		same(k, "listed", listed() != nil && listed().Retired == nil, true)
		act := waybill.Audited{Who: "asha", Action: "retire", Object: "pay", Reason: "over"}
		k.do(func(tx *record.Tx) error {
			if err := tx.Audit(&act); err != nil {
				return err
			}
			return tx.RetireConnection("pay", &act)
		})
		want("retired", "", true, true)
		same(k, "told", *listed().Retired, waybill.Retirement{At: act.At.UTC().Truncate(time.Millisecond), Audit: act.ID, Who: "asha", Why: "over"})
		k.do(func(tx *record.Tx) error { return tx.NoteConnection("pay", "b3") })
		want("back", "b3", true, false)
		same(k, "listed again", listed().Retired == nil, true)
	}},
	{"of a connection that is only remembered by its state something is known, too", func(k *kit) {
		k.do(func(tx *record.Tx) error {
			return tx.SetConnectionState(&waybill.ConnectionState{Connection: "pay", Health: waybill.HealthWorking})
		})
		k.read(func(tx *record.Tx) error {
			known, retired, err := tx.Remembers("pay")
			same(k, "known", []any{known, retired, err}, []any{true, false, nil})
			return nil
		})
	}},
	{"the bundle that an act keeps is the one published last", func(k *kit) {
		k.do(func(tx *record.Tx) error {
			same(k, "none", must[waybill.BundleID](k)(tx.KeepCurrentBundle()), waybill.BundleID(""))
			return nil
		})
		k.do(func(tx *record.Tx) error { return tx.PublishBundle("b1", []byte("one")) })
		k.do(func(tx *record.Tx) error {
			same(k, "published", must[waybill.BundleID](k)(tx.KeepCurrentBundle()), waybill.BundleID("b1"))
			return nil
		})
	}},
	{"a setting is what was set last, nil takes it away, and one is swapped only for what stands", func(k *kit) {
		get := func() (v []byte) {
			k.read(func(tx *record.Tx) (err error) {
				v, err = tx.Setting("link")
				return err
			})
			return v
		}
		same(k, "never set", get() == nil, true)
		for _, v := range []string{"one", "two"} {
			k.do(func(tx *record.Tx) error { return tx.SetSetting("link", []byte(v)) })
		}
		same(k, "set", string(get()), "two")
		for _, c := range []struct{ was, now, stands string }{{"one", "three", "two"}, {"two", "three", "three"}, {"three", "", ""}, {"three", "four", ""}, {"", "four", "four"}, {"", "five", "four"}} {
			k.do(func(tx *record.Tx) error {
				ok, err := tx.SwapSetting("link", orNil(c.was), orNil(c.now))
				same(k, c.was+" for "+c.now, ok, c.stands == c.now)
				return err
			})
			same(k, c.now+" swapped", string(get()), c.stands)
		}
		k.do(func(tx *record.Tx) error { return tx.SetSetting("link", nil) })
		same(k, "taken away", get() == nil, true)
	}},
	{"a sealed value is kept, replaced, listed by name and taken away", func(k *kit) {
		for _, name := range []string{"stripe/key", "crm/token", "stripe/key"} {
			k.do(func(tx *record.Tx) error { return tx.SetSecret(name, []byte("sealed "+name)) })
		}
		k.read(func(tx *record.Tx) error {
			same(k, "names", must[[]string](k)(tx.SecretNames()), []string{"crm/token", "stripe/key"})
			same(k, "value", string(must[[]byte](k)(tx.Secret("crm/token"))), "sealed crm/token")
			return nil
		})
		k.do(func(tx *record.Tx) error { return tx.DeleteSecret("crm/token") })
		k.refused(waybill.NotFound, func(tx *record.Tx) error { return tx.DeleteSecret("crm/token") })
		k.refused(waybill.NotFound, func(tx *record.Tx) error { _, err := tx.Secret("crm/token"); return err })
	}},
	{"a desk value is what an operator wrote last", func(k *kit) {
		for _, v := range []string{"won", "lost"} {
			k.do(func(tx *record.Tx) error { return tx.SetDeskValue("deal-stage", "paid", v, "asha") })
		}
		k.read(func(tx *record.Tx) error {
			v, found, err := tx.DeskValue("deal-stage", "paid")
			same(k, "value", []any{v, found}, []any{"lost", true})
			if err != nil {
				return err
			}
			_, found, err = tx.DeskValue("deal-stage", "part_paid")
			same(k, "never written", found, false)
			same(k, "all", must[map[string]string](k)(tx.DeskValues("deal-stage")), map[string]string{"paid": "lost"})
			return err
		})
	}},
	{"what people do is kept with its reason, newest first", func(k *kit) {
		first := waybill.Audited{At: k.now, Who: "asha", Action: "skip", Object: "run_1", Reason: "paid by hand", Before: "blocked", After: "done"}
		second := waybill.Audited{At: k.now, Who: "ravi", Action: "retry", Object: "run_2"}
		for _, a := range []*waybill.Audited{&first, &second} {
			a.ID = k.ids.New("aud")
			k.do(func(tx *record.Tx) error { return tx.Audit(a) })
		}
		all, _, err := k.book.AuditLog(k.Context(), waybill.ListFilter{})
		if err != nil {
			k.Fatal(err)
		}
		same(k, "log", all, []waybill.Audited{second, first})
	}},
}

func orNil(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}
