package engine_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"waybill"
	"waybill/engine"
	"waybill/record"
)

// pressable is a workspace with one thing of every kind that waits for a button: a question, a held effect, a run that is
// blocked, an effect that is not known to have happened.
var pressable = map[string]string{
	"waybill.yaml": askFiles("", "")["waybill.yaml"],
	"flows/asks.yaml": `flow: asks
title: Asks
owner: ops
on: payment.succeeded
steps:
  - {id: ok, ask: "Refund?", who: ops, for: back}
  - id: back
    do: pay.refund.create
    with: {payment_id: "${payment.id}", amount: "${payment.amount}"}
`,
	"flows/held.yaml": `flow: held
title: Held
owner: ops
on: payment.succeeded
steps:
  - id: note
    do: crm.note.create
    release: hold
    with: {body: "paid ${payment.id}"}
`,
	"flows/refused.yaml": `flow: refused
title: Refused
owner: ops
on: payment.succeeded
steps:
  - id: team
    do: team.message.post
    with: {channel: C0123456789, text: "paid ${payment.id}"}
`,
	"flows/lost.yaml": `flow: lost
title: Lost
owner: ops
on: payment.succeeded
steps:
  - id: customer
    do: wa.template.send
    with: {to: "+919876543210", template: payment_received, language: en, params: {name: Asha, amount: "1"}}
`,
}

// waitsForButtons brings a rig to where everything of pressable waits for a person.
func waitsForButtons(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, load(t, files(pressable)))
	r.answer = func(_, action string) *http.Response {
		switch action {
		case "message.post":
			return says(200, `{"ok":false,"error":"channel_not_found"}`)
		case "template.send":
			return says(500, "")
		default:
			return nil
		}
	}
	r.payment("SO-1")
	r.run(10 * time.Minute)
	for flow, state := range map[string]waybill.RunState{"asks": waybill.RunWaiting, "held": waybill.RunBlocked, "refused": waybill.RunBlocked, "lost": waybill.RunBlocked} {
		r.wantRun(r.runOf(flow), state, "")
	}
	r.answer = nil
	return r
}

func (r *rig) runOf(flow string) waybill.Run {
	r.t.Helper()
	for _, run := range r.runs() {
		if run.Flow == flow {
			return run
		}
	}
	r.t.Fatalf("no run of %s", flow)
	return waybill.Run{}
}

// TestAProcessThatDoesNotServeNeverCallsAnybody presses every button on a book that nobody serves: what they lead to is on
// record, and happens once somebody does.
func TestAProcessThatDoesNotServeNeverCallsAnybody(t *testing.T) {
	r := waitsForButtons(t)
	r.kill()
	calls := len(r.calls)
	r.open(r.ws)
	job, err := r.engine.PlanJob(t.Context(), &waybill.Job{Kind: waybill.JobReplay, Who: "asha", Why: "once more", Filter: waybill.JobFilter{Flow: "held"}})
	if err != nil {
		t.Fatal(err)
	}
	r.press(job.ID, waybill.JobAct{Verb: waybill.VerbJobStop})
	retry := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "refused"}})
	r.press(retry.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	r.act(string(r.runOf("asks").ID), waybill.VerbApprove, "")
	r.act(string(r.newest("note").ID), waybill.VerbRelease, "")
	r.act(string(r.newest("customer").ID), waybill.VerbDidNot, "their console has nothing")
	r.run(24 * time.Hour)
	if len(r.calls) != calls {
		t.Fatalf("a process that does not serve called %v", r.calls[calls:])
	}
	for _, eff := range r.effects() {
		if eff.State == waybill.EffectSent {
			t.Errorf("%s stands as sent, and nobody sends it", eff.Address)
		}
	}
	r.kill()
	r.run(time.Hour)
	if len(r.calls) != calls {
		t.Fatalf("a process that has ended called %v", r.calls[calls:])
	}

	r.start(r.ws)
	r.run(10 * time.Minute)
	for _, flow := range []string{"asks", "held", "refused", "lost"} {
		r.wantRun(r.runOf(flow), waybill.RunDone, "")
	}
	if got := r.job(retry.ID); got.State != waybill.JobDone || got.Counts[waybill.MemberDone] != 1 {
		t.Errorf("the job is %s: %v", got.State, got.Counts)
	}
	for what, n := range map[string]int{"pay refund": 1, "team message": 1, "wa message": 1} {
		if r.made()[what] != n {
			t.Errorf("%s: %d, want %d", what, r.made()[what], n)
		}
	}
	if n := r.called("crm.note.create"); n != 1 {
		t.Errorf("%d notes", n)
	}
}

// TestWhatIsHeldBackIsHandedOutAtTheStart: an engine that is started after all goes on with what was pressed before.
func TestWhatIsHeldBackIsHandedOutAtTheStart(t *testing.T) {
	r := waitsForButtons(t)
	r.kill()
	r.open(r.ws)
	r.act(string(r.newest("note").ID), waybill.VerbRelease, "")
	r.act(string(r.runOf("asks").ID), waybill.VerbApprove, "")
	r.run(time.Hour)
	if n := r.called("crm.note.create") + r.called("pay.refund.create"); n != 0 {
		t.Fatalf("%d calls before the start", n)
	}
	if err := r.engine.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.run(time.Second)
	if n := r.called("crm.note.create") + r.called("pay.refund.create"); n != 2 {
		t.Errorf("%d calls after the start, want 2", n)
	}
}

// TestARestoredBookThatNobodyServesSendsNothing: neither before its first start nor while its sending is paused, whatever is
// pressed from the command line; and what is planned by that is doubted all the same.
func TestARestoredBookThatNobodyServesSendsNothing(t *testing.T) {
	told := map[string]string{"waybill.yaml": pressable["waybill.yaml"], "flows/asks.yaml": `flow: asks
title: Asks
owner: ops
on: payment.succeeded
steps:
  - {id: ok, ask: "Tell them?", who: ops, for: customer}
  - id: customer
    do: wa.template.send
    with: {to: "+919876543210", template: payment_received, language: en, params: {name: Asha, amount: "1"}}
`}
	for name, first := range map[string]bool{"before its first start": true, "while its sending is paused": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, load(t, files(told)))
			r.payment("SO-1")
			r.run(time.Minute)
			r.restore(r.saved())
			if first {
				r.forgetStart()
			}
			r.run(time.Minute)
			r.kill()
			r.open(r.ws)
			r.act(string(r.onlyRun().ID), waybill.VerbApprove, "")
			r.run(time.Hour)
			r.restart()
			r.run(time.Hour)
			if len(r.calls) != 0 {
				t.Fatalf("called while sending is paused: %v", r.calls)
			}
			r.act(engine.RestoredObject, waybill.VerbResume, "looked")
			r.run(time.Hour)
			if eff := r.newest("customer"); eff.State != waybill.EffectUnknown {
				t.Errorf("the message, of grade %s, is %s: %s", eff.Repeat, eff.State, eff.Reason)
			}
			if len(r.calls) != 0 {
				t.Errorf("called %v", r.calls)
			}
		})
	}
}

// forgetStart makes a restored book one that was never started.
func (r *rig) forgetStart() {
	r.t.Helper()
	err := r.book.Do(r.t.Context(), func(tx *record.Tx) error {
		mark, err := tx.Restored()
		if err != nil {
			return err
		}
		mark.StartedAt, mark.Unknown = time.Time{}, 0
		return tx.SetRestored(mark)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
