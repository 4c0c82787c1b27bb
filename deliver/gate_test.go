package deliver_test

import (
	"testing"
	"time"

	"waybill"
	"waybill/deliver"
)

func TestTheGate(t *testing.T) {
	at := func(d time.Duration) waybill.Stamp { return waybill.Stamp{At: t0.Add(d), Event: "evt_5"} }
	rows := []struct {
		name string
		view func(*deliver.GateView)
		rule string // that decides; empty: go
		want waybill.Verdict
	}{
		{"an effect in order goes", func(*deliver.GateView) {}, "", waybill.Go},
		{"an effect of a stopped run is skipped", func(v *deliver.GateView) { v.Run.State = "stopped" }, "run still wanted", waybill.Skip},
		{"an effect that may have happened is not skipped with its run", func(v *deliver.GateView) {
			v.Run.State, v.Effect.Doubted = "stopped", true
		}, "run still wanted", waybill.Ask},
		{"a shadow run sends nothing", func(v *deliver.GateView) { v.Run.Mode = waybill.ModeShadow }, "run still wanted", waybill.Skip},
		{"a trial sends nothing", func(v *deliver.GateView) { v.Run.Mode = waybill.ModeTrial }, "run still wanted", waybill.Skip},
		{"a replay sends", func(v *deliver.GateView) { v.Run.Mode = waybill.ModeReplay }, "", waybill.Go},
		{"a blocked run's effect still goes", func(v *deliver.GateView) { v.Run.State = "blocked" }, "", waybill.Go},
		{"what is confirmed is never sent again", func(v *deliver.GateView) { v.Effect.State = "confirmed" }, "run still wanted", waybill.Refuse},
		{"what is unknown is never sent again", func(v *deliver.GateView) { v.Effect.State = "unknown" }, "run still wanted", waybill.Refuse},
		{"before its end it is good", func(v *deliver.GateView) { v.Effect.GoodUntil = t0.Add(1) }, "", waybill.Go},
		{"at its end it is too late", func(v *deliver.GateView) { v.Effect.GoodUntil = t0 }, "good for", waybill.Skip},
		{"too late, but it may have happened", func(v *deliver.GateView) {
			v.Effect.GoodUntil, v.Effect.Doubted = t0, true
		}, "good for", waybill.Ask},
		{"a repeat within the key's life goes", func(v *deliver.GateView) { v.Effect.Doubted = true }, "", waybill.Go},
		{"a repeat that waited past the key's life asks", func(v *deliver.GateView) {
			v.Effect.Doubted, v.Effect.KeyUntil = true, t0.Add(29*time.Second)
		}, "repeat", waybill.Ask},
		{"a repeat without a key asks", func(v *deliver.GateView) { v.Effect.Doubted, v.Effect.Repeat = true, "never" }, "repeat", waybill.Ask},
		{"what never began needs no key", func(v *deliver.GateView) { v.Effect.Repeat = "never" }, "", waybill.Go},
		{"a natural repeat goes whenever", func(v *deliver.GateView) {
			v.Effect.Doubted, v.Effect.Repeat, v.Effect.KeyUntil = true, "natural", t0.Add(-time.Hour)
		}, "", waybill.Go},
		{"an older fact does not overwrite a newer one", func(v *deliver.GateView) {
			v.Effect.Order, v.Newest, v.NewestBy = at(0), at(time.Second), "eff_9"
		}, "order", waybill.Skip},
		{"a newer fact overwrites", func(v *deliver.GateView) {
			v.Effect.Order, v.Newest, v.NewestBy = at(time.Second), at(0), "eff_9"
		}, "", waybill.Go},
		{"order does not hold what is added", func(v *deliver.GateView) {
			v.Effect.Kind, v.Effect.Order, v.Newest = waybill.KindAdd, at(0), at(time.Second)
		}, "", waybill.Go},
		{"an effect is not held by its own fact", func(v *deliver.GateView) {
			v.Effect.Order, v.Newest, v.NewestBy = at(0), at(time.Second), v.Effect.ID
		}, "", waybill.Go},
		{"a late fact that may have happened is a person's", func(v *deliver.GateView) {
			v.Effect.Order, v.Newest, v.NewestBy, v.Effect.Doubted = at(0), at(time.Second), "eff_9", true
		}, "order", waybill.Ask},
		{"nothing overtakes a write that is under way", func(v *deliver.GateView) {
			v.Effect.Order, v.Writing = at(time.Second), &waybill.Effect{ID: "eff_9", State: "sent", Order: at(0)}
		}, "order", waybill.WaitUntil},
		{"nothing overtakes a write that will be repeated", func(v *deliver.GateView) {
			v.Effect.Order, v.Writing = at(time.Second), &waybill.Effect{ID: "eff_9", State: "planned", Doubted: true, Order: at(0)}
		}, "order", waybill.WaitUntil},
		{"an older fact waits until it is known whether the newer was written", func(v *deliver.GateView) {
			v.Effect.Order, v.Writing = at(0), &waybill.Effect{ID: "eff_9", State: "unknown", Order: at(time.Second)}
		}, "order", waybill.WaitUntil},
		{"a newer fact overwrites whatever the older came to", func(v *deliver.GateView) {
			v.Effect.Order, v.Writing = at(time.Second), &waybill.Effect{ID: "eff_9", State: "unknown", Order: at(0)}
		}, "", waybill.Go},
		{"a write that is settled holds nobody up", func(v *deliver.GateView) {
			v.Effect.Order, v.Writing = at(0), &waybill.Effect{ID: "eff_9", State: "declined", Order: at(time.Second)}
		}, "", waybill.Go},
		{"an effect does not wait for itself", func(v *deliver.GateView) {
			v.Effect.Doubted, v.Writing = true, v.Effect
		}, "", waybill.Go},
		{"a held step waits for a press", func(v *deliver.GateView) { v.Effect.Release = "hold" }, "release", waybill.Ask},
		{"a press lets it go", func(v *deliver.GateView) {
			v.Effect.Release, v.Effect.Passed = "hold", map[string]string{"release": "asha"}
		}, "", waybill.Go},
		{"a press for another rule does not", func(v *deliver.GateView) {
			v.Effect.Release, v.Effect.Passed = "hold", map[string]string{"approval": "asha"}
		}, "release", waybill.Ask},
		{"one of the first few waits for a press", func(v *deliver.GateView) {
			v.Effect.Release, v.Released = waybill.ReleaseByHand(3), 2
		}, "release", waybill.Ask},
		{"after the first few it opens", func(v *deliver.GateView) {
			v.Effect.Release, v.Released = waybill.ReleaseByHand(3), 3
		}, "", waybill.Go},
		{"a repeat of what was sent is not held again", func(v *deliver.GateView) {
			v.Effect.Release, v.Effect.SentAt = "hold", t0
		}, "", waybill.Go},
		{"what must be approved and was not is asked about", func(v *deliver.GateView) { v.Effect.Approval = "ok" }, "approval", waybill.Ask},
		{"what was approved goes", func(v *deliver.GateView) { v.Effect.Approval, v.Approved = "ok", "asha" }, "", waybill.Go},
		{"nobody lets pass what nobody approved", func(v *deliver.GateView) {
			v.Effect.Approval, v.Effect.Passed = "ok", map[string]string{"approval": "asha"}
		}, "approval", waybill.Ask},
		{"an undoing goes whatever became of its run", func(v *deliver.GateView) {
			v.Run.State, v.Effect.Undoes, v.Undone = "stopped", "eff_9", &waybill.Effect{ID: "eff_9", State: "confirmed"}
		}, "", waybill.Go},
		{"what is undone already is not undone again", func(v *deliver.GateView) {
			v.Effect.Undoes, v.Undone = "eff_9", &waybill.Effect{ID: "eff_9", State: "undone"}
		}, "undo", waybill.Refuse},
		{"what others changed is not written over unasked", func(v *deliver.GateView) {
			v.Effect.Undoes, v.Undone, v.Changed = "eff_9", &waybill.Effect{ID: "eff_9", State: "confirmed"}, []string{"stage is lost"}
		}, "undo", waybill.Ask},
		{"a newer fact is not undone with an older one", func(v *deliver.GateView) {
			v.Effect.Undoes, v.Undone, v.Newest, v.NewestBy = "eff_9", &waybill.Effect{ID: "eff_9", State: "confirmed", Order: at(0)}, at(time.Second), "eff_8"
		}, "undo", waybill.Ask},
		{"a person may put it back all the same", func(v *deliver.GateView) {
			v.Effect.Undoes, v.Undone, v.Changed = "eff_9", &waybill.Effect{ID: "eff_9", State: "confirmed"}, []string{"stage is lost"}
			v.Effect.Passed = map[string]string{"undo": "asha"}
		}, "", waybill.Go},
		{"a test does not reach a stranger", func(v *deliver.GateView) {
			v.Environment, v.Allow, v.Recipient = "test", []string{"asha@example.com"}, "ravi@example.com"
		}, "environment", waybill.Skip},
		{"a test with an empty list reaches nobody", func(v *deliver.GateView) {
			v.Environment, v.Allow, v.Recipient = "test", []string{}, "ravi@example.com"
		}, "environment", waybill.Skip},
		{"a test reaches who is listed", func(v *deliver.GateView) {
			v.Environment, v.Allow, v.Recipient = "test", []string{"asha@example.com"}, "Asha@example.com"
		}, "", waybill.Go},
		{"a test reaches a listed domain", func(v *deliver.GateView) {
			v.Environment, v.Allow, v.Recipient = "test", []string{"@example.com"}, "ravi@example.com"
		}, "", waybill.Go},
		{"a domain is not its own recipient", func(v *deliver.GateView) {
			v.Environment, v.Allow, v.Recipient = "test", []string{"@example.com"}, "@example.com"
		}, "environment", waybill.Skip},
		{"production reaches everybody", func(v *deliver.GateView) { v.Allow, v.Recipient = []string{"x"}, "ravi@example.com" }, "", waybill.Go},
		{"a paused connection waits", func(v *deliver.GateView) { v.Connection.Health = waybill.HealthPaused }, "connection open", waybill.WaitUntil},
		{"a missing sign-in waits", func(v *deliver.GateView) { v.Connection.Health = waybill.HealthSignInNeeded }, "connection open", waybill.WaitUntil},
		{"an outage waits", func(v *deliver.GateView) {
			v.Connection.Health, v.Connection.Until = waybill.HealthDown, t0.Add(time.Second)
		}, "connection open", waybill.WaitUntil},
		{"an outage whose hold is over is probed", func(v *deliver.GateView) {
			v.Connection.Health, v.Connection.Until = waybill.HealthDown, t0
		}, "", waybill.Go},
		{"a parked action waits", func(v *deliver.GateView) { v.Connection.Parked = []string{"deal.update"} }, "connection open", waybill.WaitUntil},
		{"another action than the parked one goes", func(v *deliver.GateView) { v.Connection.Parked = []string{"note.add"} }, "", waybill.Go},
		{"a connection nothing is known of is open", func(v *deliver.GateView) { v.Connection = nil }, "", waybill.Go},
		{"an effect without a run goes", func(v *deliver.GateView) { v.Run = nil }, "", waybill.Go},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			v := deliver.GateView{
				Effect: &waybill.Effect{
					ID: "eff_1", State: waybill.EffectPlanned, Kind: waybill.KindState, Action: "deal.update", Repeat: waybill.RepeatKey,
					KeyUntil: t0.Add(time.Hour),
				},
				Run:         &waybill.Run{State: waybill.RunWaiting, Mode: waybill.ModeLive},
				Connection:  &waybill.ConnectionState{Connection: "crm", Health: waybill.HealthWorking},
				Environment: "production", Now: t0,
			}
			r.view(&v)
			answers, decided := deliver.AskGate(deliver.Rules(), v)
			if decided.Verdict != r.want || decided.Rule != r.rule {
				t.Errorf("%s says %s (%s)", decided.Rule, decided.Verdict, decided.Reason)
			}
			if len(answers) != len(deliver.Rules()) {
				t.Errorf("%d rules answered", len(answers))
			}
			for _, a := range answers {
				if a.Verdict != waybill.Go && a.Reason == "" || a.Rule == "" || !a.At.Equal(t0) {
					t.Errorf("no reason in words: %+v", a)
				}
				if a.Verdict == waybill.WaitUntil && !a.Until.After(t0) {
					t.Errorf("it would be asked again at once: %+v", a)
				}
			}
		})
	}
}

func TestWhichFactIsOlder(t *testing.T) {
	later := t0.Add(time.Second)
	for _, tt := range []struct {
		name string
		a, b waybill.Stamp
		want bool
	}{
		{"the lower revision, whatever the time", waybill.Stamp{Revision: "9", At: later}, waybill.Stamp{Revision: "10", At: t0}, true},
		{"numbers of any length", waybill.Stamp{Revision: "99999999999999999999"}, waybill.Stamp{Revision: "100000000000000000000"}, true},
		{"leading zeros count nothing", waybill.Stamp{Revision: "010", Event: "evt_2"}, waybill.Stamp{Revision: "10", Event: "evt_1"}, false},
		{"revisions that are times", waybill.Stamp{Revision: "2026-11-02T10:00:00Z"}, waybill.Stamp{Revision: "2026-11-02T15:30:01+05:30"}, true},
		{"revisions without an order leave it to the time", waybill.Stamp{Revision: "b", At: t0}, waybill.Stamp{Revision: "a", At: later}, true},
		{"a revision on one side leaves it to the time", waybill.Stamp{Revision: "5", At: t0}, waybill.Stamp{At: later}, true},
		{"the earlier time", waybill.Stamp{At: t0, Rank: 9}, waybill.Stamp{At: later, Rank: 1}, true},
		{"at one time the lower rank", waybill.Stamp{At: t0, Rank: 1, Event: "evt_2"}, waybill.Stamp{At: t0, Rank: 2, Event: "evt_1"}, true},
		{"a time on one side leaves it to the rank", waybill.Stamp{At: later, Rank: 1}, waybill.Stamp{Rank: 2}, true},
		{"else the one accepted first", waybill.Stamp{At: t0, Event: "evt_1"}, waybill.Stamp{At: t0, Event: "evt_2"}, true},
		{"a fact is not older than itself", waybill.Stamp{At: t0, Event: "evt_1"}, waybill.Stamp{At: t0, Event: "evt_1"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := deliver.Older(tt.a, tt.b); got != tt.want {
				t.Errorf("older: %v", got)
			}
			if tt.want && deliver.Older(tt.b, tt.a) {
				t.Error("each is older than the other")
			}
		})
	}
}
