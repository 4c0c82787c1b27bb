package engine_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/connectors"
	"waybill/simulator"
	"waybill/workspace"
)

const stateStep = "  - id: up\n    do: crm.contact.upsert\n    with: {email: \"${payment.?customer.?email.orValue('asha@example.com')}\", first_name: \"${payment.id}\"}\n"

func TestAnOlderFactThatArrivesLateDoesNotOverwriteANewerOne(t *testing.T) {
	r := newRig(t, oneStep(t, stateStep+afterStep))
	set := map[string]string{"order_id": "SO-1", "data.object.receipt_email": "asha@example.com"}
	for _, h := range r.hooks("pay", "payment_intent.succeeded", simulator.TriggerOptions{Set: set}) {
		r.insist(h)
	}
	r.run(5 * time.Second)
	set["order_id"] = "SO-2"
	for _, h := range r.hooks("pay", "payment_intent.succeeded", simulator.TriggerOptions{Set: set, Late: time.Hour}) {
		r.insist(h)
	}
	r.run(5 * time.Second)
	if n := r.called("crm.contact.upsert"); n != 1 {
		t.Errorf("%d writes, want 1", n)
	}
	late := r.newest("up")
	if late.State != waybill.EffectSkipped || !strings.HasPrefix(late.Reason, "late") {
		t.Errorf("the older fact is %s: %s", late.State, late.Reason)
	}
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
	if n := r.called("out.request.post"); n != 2 {
		t.Errorf("the steps after were made %d times, want 2", n)
	}
}

// TestWhatWasWrittenBeforeAnAccountWasKnownIsNotOverwrittenByAnOlderFact: until the first webhook of the CRM tells its account's
// own id, writes are kept under the connection's name.
func TestWhatWasWrittenBeforeAnAccountWasKnownIsNotOverwrittenByAnOlderFact(t *testing.T) {
	r := newRig(t, oneStep(t, stateStep))
	set := map[string]string{"order_id": "SO-1", "data.object.receipt_email": "asha@example.com"}
	r.send("pay", "payment_intent.succeeded", set)
	r.run(5 * time.Second)
	r.send("crm", "contact.creation", nil)
	r.run(5 * time.Second)
	set["order_id"] = "SO-2"
	for _, h := range r.hooks("pay", "payment_intent.succeeded", simulator.TriggerOptions{Set: set, Late: time.Hour}) {
		r.insist(h)
	}
	r.run(5 * time.Second)
	list := r.effects()
	if len(list) != 2 || list[0].Account == list[1].Account {
		t.Fatalf("%d effects, of one account: nothing is shown", len(list))
	}
	if late := r.newest("up"); late.State != waybill.EffectSkipped || !strings.HasPrefix(late.Reason, "late") {
		t.Errorf("the older fact is %s: %s", late.State, late.Reason)
	}
}

func TestTwoWritesToOneObjectAreNeverUnderWayTogether(t *testing.T) {
	r := newRig(t, oneStep(t, stateStep))
	r.world.Script(simulator.Fault{Connection: "crm", Kind: simulator.Slow, Delay: 5 * time.Second, Times: 4})
	under, most := 0, 0
	r.before = func(int) { under++; most = max(most, under) }
	r.after = func(int) { under-- }
	for i := range 4 {
		r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": fmt.Sprint("SO-", i), "data.object.receipt_email": "asha@example.com"})
	}
	r.run(21 * time.Second) // without a wait for the sweep
	if most != 1 {
		t.Errorf("%d at once", most)
	}
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
}

func TestWhatComesTooLateIsSkippedAndTheRunGoesOn(t *testing.T) {
	step := strings.Replace(sendStep, "    with", "    good_for: 10m\n    with", 1)
	r := newRig(t, oneStep(t, step+afterStep))
	r.act("out", waybill.VerbPause, "closed")
	pay(r)
	r.run(20 * time.Minute)
	r.act("out", waybill.VerbResume, "")
	r.run(2 * time.Minute)
	if eff := r.newest("write"); eff.State != waybill.EffectSkipped || !strings.Contains(eff.Reason, "too late") {
		t.Errorf("%s: %s", eff.State, eff.Reason)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	if r.called("out.request.send") != 0 || r.called("out.request.post") != 1 {
		t.Errorf("calls %v", r.calls)
	}
}

func TestALostAnswerIsSettledByTheWebhookAndTheRunGoesOnByItself(t *testing.T) {
	r := newRig(t, oneStep(t, messageStep+afterStep))
	var held []simulator.Webhook
	r.hold = func(h simulator.Webhook) bool {
		if h.Connection != "wa" {
			return false
		}
		held = append(held, h)
		return true
	}
	r.world.Script(simulator.Fault{Connection: "wa", Kind: simulator.LostAfter})
	pay(r)
	r.run(time.Minute)
	if eff := r.newest("write"); eff.State != waybill.EffectUnknown {
		t.Fatalf("the effect is %s", eff.State)
	}
	r.wantRun(r.onlyRun(), waybill.RunBlocked, "")
	r.onlyProblem()
	r.hold = nil
	for _, h := range held {
		r.insist(h)
	}
	r.run(time.Minute)
	eff := r.newest("write")
	if eff.State != waybill.EffectConfirmed || !strings.Contains(eff.Proof, "webhook") {
		t.Errorf("%s by %q", eff.State, eff.Proof)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
	if n := r.called("wa.template.send"); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestAWebhookThatComesBeforeTheAnswerSettlesTheEffectOnce(t *testing.T) {
	steps := messageStep + "  - id: then\n    do: out.request.post\n    with: {path: /after, body: {message: \"${write.id}\"}}\n"
	r := newRig(t, oneStep(t, steps))
	r.world.Script(simulator.Fault{Connection: "wa", Kind: simulator.Slow, Delay: 20 * time.Second}) // its webhook comes within 2 s
	pay(r)
	r.run(time.Minute)
	list := r.effects()
	if len(list) != 2 || list[0].State != waybill.EffectConfirmed || list[1].State != waybill.EffectConfirmed {
		t.Errorf("effects: %+v", list)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
	if n := r.happened("wa", "message"); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestAMessageThatFailsLaterIsDeclinedAndAsked(t *testing.T) {
	r := newRig(t, oneStep(t, strings.Replace(messageStep, "+919876543210", "+919876500000", 1)))
	r.world.Script(simulator.Fault{Connection: "wa", Kind: simulator.LostAfter})
	pay(r)
	r.run(time.Minute)
	if eff := r.newest("write"); eff.State != waybill.EffectDeclined {
		t.Errorf("the effect is %s: %s", eff.State, eff.Reason)
	}
	r.wantRun(r.onlyRun(), waybill.RunBlocked, "")
	r.onlyProblem()
	r.act(string(r.onlyRun().ID), waybill.VerbSkip, "no phone")
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
}

func TestWhatIsOverwrittenIsReadAndKeptBefore(t *testing.T) {
	steps := "  - id: deal\n    get: crm.deal.find\n    with: {order_no: SO-1001}\n" +
		"  - id: won\n    do: crm.deal.update\n    undo: restore\n    with: {id: \"${deal.id}\", stage: closedwon}\n"
	r := newRig(t, oneStep(t, steps))
	pay(r)
	r.run(time.Minute)
	eff := r.newest("won")
	if eff.State != waybill.EffectConfirmed || !strings.Contains(string(eff.Before), "stage") || strings.Contains(string(eff.Before), "closedwon") {
		t.Errorf("%s; before: %s", eff.State, eff.Before)
	}
	for i, c := range r.calls {
		if c == "crm.deal.update" && r.calls[i-1] != "crm.deal.get" {
			t.Errorf("calls %v", r.calls)
		}
	}
}

func TestABeforeImageThatCannotBeReadIsAskedAbout(t *testing.T) {
	for _, verb := range []waybill.Verb{waybill.VerbRetry, waybill.VerbSkip} {
		r := newRig(t, oneStep(t, "  - id: deal\n    get: crm.deal.find\n    with: {order_no: SO-1001}\n"+
			"  - id: won\n    do: crm.deal.update\n    undo: restore\n    with: {id: \"${deal.id}\", stage: closedwon}\n"))
		bad := true
		r.answer = func(_, action string) *http.Response {
			if bad && action == "deal.get" {
				return says(400, `{"message":"no","category":"VALIDATION_ERROR"}`)
			}
			return nil
		}
		pay(r)
		r.run(time.Hour)
		r.wantRun(r.onlyRun(), waybill.RunBlocked, "put back")
		r.onlyProblem()
		bad = false
		r.act(string(r.onlyRun().ID), verb, "go on")
		r.run(time.Minute)
		r.wantRun(r.onlyRun(), waybill.RunDone, "")
		r.wantNoProblem()
	}
}

func TestARunFinishesOnItsVersionAndARemovedConnectionKeepsWhatComes(t *testing.T) {
	old := load(t, files(map[string]string{"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + stateStep + sendStep}))
	fs := files(map[string]string{"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + stateStep + afterStep})
	delete(fs, "connections/wa.yaml")
	changed := load(t, fs)
	for _, restart := range []bool{false, true} {
		r := newRig(t, old)
		r.act("crm", waybill.VerbPause, "wait")
		pay(r)
		if restart {
			r.kill()
			r.start(changed)
		} else if err := r.engine.Reload(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		r.act("crm", waybill.VerbResume, "")
		r.run(2 * time.Minute)
		r.wantRun(r.onlyRun(), waybill.RunDone, "")
		if r.called("out.request.send") != 1 || r.called("out.request.post") != 0 {
			t.Errorf("the run went on with another version: %v", r.calls)
		}
		pay2(r, "SO-2")
		if r.called("out.request.post") != 1 {
			t.Errorf("the next run is not of the new version: %v", r.calls)
		}
		n := len(r.items())
		r.send("wa", "message.received", nil)
		r.run(time.Minute)
		items := r.items()
		if len(items) != n+1 || items[n].State != waybill.ItemBlocked || !strings.Contains(items[n].Reason, "no longer in the workspace") {
			t.Errorf("what a removed connection sent: %+v", items[n:])
		}
	}
}

func pay2(r *rig, order string) {
	r.t.Helper()
	r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": order})
	r.run(5 * time.Second)
}

// chain is n flows that start each other by events.
func TestAnEmittedEventStartsItsFlowsOnceAndAChainEnds(t *testing.T) {
	fs := map[string]string{
		"flows/a.yaml": "flow: a\ntitle: A\nowner: ops\non: payment.succeeded\nsteps:\n  - id: out\n    emit: message.received\n    with: {id: \"${payment.id}\", status: received, channel: own, customer: {id: x}}\n",
		"flows/b.yaml": "flow: b\ntitle: B\nowner: ops\non: message.received\nsteps:\n  - id: write\n    do: out.request.send\n    with: {path: /told, body: {id: \"${message.id}\"}}\n",
	}
	r := newRig(t, load(t, files(fs)))
	pay(r)
	r.run(time.Minute)
	if n := r.events()["message.received"]; n != 1 {
		t.Errorf("%d events: %v", n, r.events())
	}
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
	if r.called("out.request.send") != 1 {
		t.Errorf("calls %v", r.calls)
	}
}

func TestEachItemOfALoopHasAnEffectOfItsOwn(t *testing.T) {
	fs := map[string]string{"flows/a.yaml": `flow: a
title: A
owner: ops
on: order.created
steps:
  - id: lines
    each: order.?items.orValue([])
    as: item
    by: item.name
    steps:
      - id: write
        do: out.request.post
        with: {path: /lines, body: {name: "${item.name}"}}
`}
	r := newRig(t, load(t, files(fs)))
	money := map[string]any{"minor": int64(100), "currency": "INR"}
	err := r.engine.Tell("pay", "order.created", map[string]any{
		"id": "SO-1", "status": "open", "due": money,
		"paid_total": map[string]any{"minor": int64(0), "currency": "INR"}, "customer": map[string]any{"name": "Asha"},
		"refunded_total": map[string]any{"minor": int64(0), "currency": "INR"}, "balance": money,
		"items": []any{map[string]any{"name": "a b", "quantity": int64(1)}, map[string]any{"name": "c]x", "quantity": int64(2)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.run(time.Minute)
	seen := map[string]bool{}
	for _, eff := range r.effects() {
		if eff.State != waybill.EffectConfirmed || seen[eff.Address] || seen[eff.Key] {
			t.Errorf("%s with key %s is %s", eff.Address, eff.Key, eff.State)
		}
		seen[eff.Address], seen[eff.Key] = true, true
	}
	if len(seen) != 4 {
		t.Errorf("addresses and keys: %v", seen)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
}

func TestATestEnvironmentReachesOnlyThoseOnItsList(t *testing.T) {
	fs := files(map[string]string{
		"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + messageStep + afterStep,
	})
	for name, more := range map[string]string{"pay": "", "wa": "allow_only: [\"+919999999999\"]\n", "out": "base_url: https://out.example.com\n"} {
		f := fs["connections/"+name+".yaml"]
		f.Data = append(f.Data, "test: {account: acct_"+name+"}\n"+more...)
	}
	for _, name := range []string{"crm", "team", "rzp"} {
		delete(fs, "connections/"+name+".yaml")
	}
	ws, faults := workspace.Load(fs, workspace.Options{Environment: "test", Built: connectors.All(), Manifests: &manifests})
	if ws == nil {
		t.Fatal(faults)
	}
	r := newRigIn(t, ws, "test", 1)
	pay(r)
	r.run(time.Minute)
	if eff := r.newest("write"); eff.State != waybill.EffectSkipped || !strings.Contains(eff.Reason, "not on the list") {
		t.Errorf("%s: %s", eff.State, eff.Reason)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	if r.called("wa.template.send") != 0 {
		t.Error("it was sent")
	}
}

func TestAConditionThatCannotBeJudgedIsAskedAboutNotPassedOver(t *testing.T) {
	fs := map[string]string{"flows/a.yaml": "flow: a\ntitle: A\nowner: ops\non: payment.succeeded\nwhen: int(payment.?description.orValue('x')) > 0\nsteps:\n" + sendStep}
	r := newRig(t, load(t, files(fs)))
	pay(r)
	r.run(time.Minute)
	run := r.onlyRun()
	r.wantRun(run, waybill.RunBlocked, "type conversion")
	r.onlyProblem()
	r.act(string(run.ID), waybill.VerbRetry, "")
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunBlocked, "type conversion")
	if len(r.calls) != 0 {
		t.Errorf("calls %v", r.calls)
	}
	r.act(string(run.ID), waybill.VerbStop, "wrong")
	r.wantNoProblem()
}

func TestARunWhoseVersionCannotBeReadIsAPersonsAndGoesOnOnceItCan(t *testing.T) {
	old := load(t, files(map[string]string{"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nlane: payment.id\nsteps:\n" + sendStep + afterStep}))
	changed := load(t, files(map[string]string{"flows/two.yaml": "flow: two\ntitle: Two\nowner: ops\non: payment.succeeded\nsteps:\n" + afterStep}))
	r := newRig(t, old)
	r.act("out", waybill.VerbPause, "wait")
	pay(r)
	r.kill()
	r.unreadable = errors.New("its file is of another age")
	r.start(changed)
	r.act("out", waybill.VerbResume, "")
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunBlocked, "another age")
	r.onlyProblem()
	if eff := r.newest("write"); eff.State != waybill.EffectConfirmed {
		t.Errorf("the outcome is not on record: %s", eff.State)
	}
	if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbRetry, Object: string(r.onlyRun().ID)}); err == nil {
		t.Error("a retry that cannot work says nothing")
	}
	r.unreadable = nil
	r.act(string(r.onlyRun().ID), waybill.VerbRetry, "")
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
	if r.called("out.request.send") != 1 || r.called("out.request.post") != 1 {
		t.Errorf("calls %v", r.calls)
	}
}

// TestAWaitGoesOnOnceItsVersionCanBeRead: its time came, or what it waits for, while the version it began with could not be read.
func TestAWaitGoesOnOnceItsVersionCanBeRead(t *testing.T) {
	for name, c := range map[string]struct{ flow, done string }{
		"a time":   {reminder, ""},
		"an event": {waitingFor, ""},
		"an end":   {unless, "the customer paid"},
	} {
		t.Run(name, func(t *testing.T) {
			old := load(t, files(map[string]string{"flows/a.yaml": c.flow}))
			changed := load(t, files(map[string]string{"flows/a.yaml": strings.Replace(c.flow, "title: ", "title: Now ", 1)}))
			r := newRig(t, old)
			r.pay("payment.pending", "pay_1", order("SO-1"))
			r.run(time.Hour)
			r.kill()
			r.unreadable = errors.New("its file is of another age")
			r.start(changed)
			if name == "a time" {
				r.run(25 * time.Hour)
			} else {
				r.pay("payment.succeeded", "pay_2", order("SO-1"))
				r.run(time.Minute)
			}
			r.wantRun(r.onlyRun(), waybill.RunBlocked, "another age")
			r.unreadable = nil
			r.act(string(r.onlyRun().ID), waybill.VerbRetry, "")
			r.run(time.Minute)
			r.wantRun(r.onlyRun(), waybill.RunDone, c.done)
			r.wantNoProblem()
		})
	}
}
