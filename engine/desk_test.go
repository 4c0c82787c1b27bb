package engine_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
	"waybill/workspace"
)

// oneStep is a workspace whose flow for each payment is the given steps.
func oneStep(t *testing.T, steps string) *workspace.Workspace {
	t.Helper()
	return load(t, files(map[string]string{"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + steps}))
}

const (
	refundStep  = "  - id: write\n    do: pay.refund.create\n    with: {payment_id: \"${payment.id}\", amount: \"${payment.amount}\"}\n"
	messageStep = "  - id: write\n    do: wa.template.send\n    with: {to: \"+919876543210\", template: payment_received, language: en, params: {name: Asha, amount: \"1\"}}\n"
	sendStep    = "  - id: write\n    do: out.request.send\n    with: {path: /orders, body: {payment: \"${payment.id}\"}}\n"
	afterStep   = "  - id: then\n    do: out.request.post\n    with: {path: /after, body: {payment: \"${payment.id}\"}}\n"
)

// pay tells of one payment.
func pay(r *rig) {
	r.t.Helper()
	r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": "SO-1001"})
	r.run(5 * time.Second)
}

// declining answers the first n calls of an action with a refusal.
func declining(r *rig, does string, n int) {
	r.answer = func(connection, action string) *http.Response {
		if connection+"."+action == does && n > 0 {
			n--
			return says(422, `{"error":{"message":"no such thing"}}`)
		}
		return nil
	}
}

// refused is a run whose only write was declined.
func refused(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, oneStep(t, sendStep+afterStep))
	declining(r, "out.request.send", 1)
	pay(r)
	r.wantRun(r.onlyRun(), waybill.RunBlocked, "")
	if p := r.onlyProblem(); p.Count != 1 || p.Owner != "ops" {
		t.Fatalf("the problem is %+v", p)
	}
	return r
}

// audited checks that an act was written down.
func (r *rig) audited(verb waybill.Verb) {
	r.t.Helper()
	if !slices.ContainsFunc(r.audit(), func(a waybill.Audited) bool { return a.Action == string(verb) && a.Who == "asha" }) {
		r.t.Errorf("%q is not in the audit", verb)
	}
}

func TestADeclinedEffectIsSentAsANewGenerationWithItsOwnKey(t *testing.T) {
	for _, object := range []string{"effect", "run", "problem"} {
		t.Run("by the "+object, func(t *testing.T) {
			r := newRig(t, oneStep(t, refundStep+afterStep))
			declining(r, "pay.refund.create", 1)
			pay(r)
			first := r.newest("write")
			id := map[string]string{"effect": string(first.ID), "run": string(r.onlyRun().ID), "problem": string(r.onlyProblem().ID)}[object]
			r.act(id, waybill.VerbRetry, "")
			if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "ravi", Verb: waybill.VerbRetry, Object: id}); waybill.KindOf(err) != waybill.Conflict {
				t.Errorf("a second press: %v", err)
			}
			r.run(5 * time.Second)
			second := r.newest("write")
			if second.Generation != 2 || second.Key == first.Key || second.State != waybill.EffectConfirmed {
				t.Errorf("generation %d, same key %v, %s", second.Generation, second.Key == first.Key, second.State)
			}
			r.wantRun(r.onlyRun(), waybill.RunDone, "")
			r.wantNoProblem()
			r.audited(waybill.VerbRetry)
			if got := r.offers(string(first.ID)); len(got) != 0 {
				t.Errorf("the first generation still offers %v", got)
			}
		})
	}
}

func TestADeclinedEffectIsLeftOutAndTheRunGoesOn(t *testing.T) {
	r := refused(t)
	if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbSkip, Object: string(r.onlyRun().ID)}); waybill.KindOf(err) != waybill.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	r.act(string(r.onlyRun().ID), waybill.VerbSkip, "they have it already")
	r.run(5 * time.Second)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	if got := r.newest("write").State; got != waybill.EffectDeclined {
		t.Errorf("the effect is %s, want declined as on record", got)
	}
	if got := r.newest("then").State; got != waybill.EffectConfirmed {
		t.Errorf("the next step's effect is %s", got)
	}
	r.wantNoProblem()
	r.audited(waybill.VerbSkip)
}

func TestAnEditIsCheckedAndSent(t *testing.T) {
	r := refused(t)
	eff := r.newest("write")
	for _, inputs := range []string{`{"body": {}}`, `{"path": {}}`, `not json`, ``} {
		_, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbEdit, Object: string(eff.ID), Inputs: []byte(inputs)})
		if waybill.KindOf(err) != waybill.Invalid {
			t.Errorf("inputs %q: %v", inputs, err)
		}
	}
	if _, err := r.engine.Act(t.Context(), waybill.Act{
		Who: "asha", Verb: waybill.VerbEdit, Object: string(eff.ID),
		Inputs: []byte(`{"path": "/other", "body": {"a": 1}}`),
	}); err != nil {
		t.Fatal(err)
	}
	r.run(5 * time.Second)
	got := r.newest("write")
	if got.Generation != 2 || got.State != waybill.EffectConfirmed || !strings.Contains(string(got.Inputs), "/other") {
		t.Errorf("generation %d, %s, inputs %s", got.Generation, got.State, got.Inputs)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
}

func TestAStoppedRunSendsNothingMore(t *testing.T) {
	r := refused(t)
	run := r.onlyRun()
	r.act(string(run.ID), waybill.VerbStop, "cancelled")
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunStopped, "stopped by asha: cancelled")
	r.wantNoProblem()
	r.audited(waybill.VerbStop)
	for _, object := range []string{string(run.ID), string(r.newest("write").ID)} {
		if got := r.offers(object); len(got) != 0 {
			t.Errorf("%s still offers %v", object, got)
		}
		_, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbRetry, Object: object})
		if waybill.KindOf(err) != waybill.Conflict {
			t.Errorf("a retry of what was stopped: %v", err)
		}
	}
	if n := r.called("out.request.send"); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestAStopDuringACallKeepsTheOutcomeAndGoesNoFurther(t *testing.T) {
	r := newRig(t, oneStep(t, sendStep+afterStep))
	r.world.Script(simulator.Fault{Connection: "out", Kind: simulator.Slow, Delay: 10 * time.Second, Times: 1})
	pay(r)
	r.act(string(r.onlyRun().ID), waybill.VerbStop, "no")
	r.run(time.Hour)
	r.wantRun(r.onlyRun(), waybill.RunStopped, "")
	list := r.effects()
	if len(list) != 1 || list[0].State != waybill.EffectConfirmed {
		t.Errorf("effects: %+v", list)
	}
	if n := r.called("out.request.post"); n != 0 {
		t.Error("the next step was made after the stop")
	}
}

// inDoubt is a run whose write's answer was lost; it happened at the provider if happened.
func inDoubt(t *testing.T, happened bool) *rig {
	t.Helper()
	r := newRig(t, oneStep(t, sendStep+afterStep))
	kind := simulator.ResetBefore
	if happened {
		kind = simulator.LostAfter
	}
	r.world.Script(simulator.Fault{Connection: "out", Kind: kind})
	pay(r)
	eff := r.newest("write")
	if eff.State != waybill.EffectUnknown {
		t.Fatalf("the effect is %s", eff.State)
	}
	r.wantRun(r.onlyRun(), waybill.RunBlocked, "")
	if p := r.onlyProblem(); p.Cause != waybill.AnswerLost {
		t.Fatalf("the problem's cause is %s", p.Cause)
	}
	return r
}

func TestWhatAPersonSaysOfAnUnknownEffectHolds(t *testing.T) {
	for _, c := range []struct {
		verb       waybill.Verb
		generation int
		state      waybill.EffectState
		calls      int
		first      waybill.EffectState
	}{
		{waybill.VerbHappened, 1, waybill.EffectConfirmed, 1, waybill.EffectConfirmed},
		{waybill.VerbDidNot, 1, waybill.EffectConfirmed, 2, waybill.EffectConfirmed},
		{waybill.VerbSendAgain, 2, waybill.EffectConfirmed, 2, waybill.EffectSkipped},
		{waybill.VerbSkip, 1, waybill.EffectSkipped, 1, waybill.EffectSkipped},
	} {
		t.Run(string(c.verb), func(t *testing.T) {
			r := inDoubt(t, c.verb != waybill.VerbDidNot)
			first := r.newest("write")
			if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: c.verb, Object: string(first.ID), Reason: " "}); waybill.KindOf(err) != waybill.Invalid {
				t.Errorf("without a reason: %v", err)
			}
			if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbRetry, Object: string(first.ID), Reason: "x"}); waybill.KindOf(err) != waybill.Conflict {
				t.Errorf("a plain retry of what may have happened: %v", err)
			}
			r.act(string(first.ID), c.verb, "I looked")
			r.run(5 * time.Second)
			eff := r.newest("write")
			if eff.Generation != c.generation || eff.State != c.state {
				t.Errorf("generation %d, %s", eff.Generation, eff.State)
			}
			if r.effects()[0].State != c.first {
				t.Errorf("the first generation is %s", r.effects()[0].State)
			}
			if n := r.called("out.request.send"); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			r.wantRun(r.onlyRun(), waybill.RunDone, "")
			if r.newest("then").State != waybill.EffectConfirmed {
				t.Error("the next step was not made")
			}
			r.wantNoProblem()
			r.audited(c.verb)
		})
	}
}

func TestRetryingAProblemNeverSendsWhatMayHaveHappened(t *testing.T) {
	r := inDoubt(t, true)
	if got := r.offers(string(r.onlyProblem().ID)); slices.Contains(got, string(waybill.VerbRetry)) {
		t.Errorf("offers %v", got)
	}
	_, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbRetry, Object: string(r.onlyProblem().ID)})
	if waybill.KindOf(err) != waybill.Conflict {
		t.Errorf("retry: %v", err)
	}
	r.act(string(r.onlyProblem().ID), waybill.VerbTake, "")
	if p := r.onlyProblem(); p.Owner != "asha" || p.State != waybill.ProblemWorking {
		t.Errorf("taken: %+v", p)
	}
}

func TestOneButtonRetriesEverythingOfAProblem(t *testing.T) {
	r := newRig(t, oneStep(t, sendStep))
	refuse := true
	r.answer = func(connection, action string) *http.Response {
		if refuse && connection == "out" {
			return says(422, `{}`)
		}
		return nil
	}
	const n = 250 // more than a problem shows at a time
	for range n {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(10 * time.Minute)
	if p := r.onlyProblem(); p.Count != n {
		t.Fatalf("%d members, want %d", p.Count, n)
	}
	refuse = false
	said := r.act(string(r.onlyProblem().ID), waybill.VerbRetry, "")
	if !strings.Contains(said, "250 are tried again, a few at a time: job job_") {
		t.Errorf("said %q", said)
	}
	r.run(10 * time.Minute)
	r.wantNoProblem()
}

func TestAStepThatFailedBeforeAnythingWasSentIsTriedAgainOrLeftOut(t *testing.T) {
	for _, verb := range []waybill.Verb{waybill.VerbRetry, waybill.VerbSkip, waybill.VerbStop} {
		t.Run(string(verb), func(t *testing.T) {
			r := newRig(t, oneStep(t, "  - id: order\n    get: out.request.get\n    with: {path: /orders/1}\n"+afterStep))
			declining(r, "out.request.get", 1)
			r.world.Script()
			pay(r)
			run := r.onlyRun()
			r.wantRun(run, waybill.RunBlocked, "")
			r.onlyProblem()
			fine := r.answer
			r.answer = func(connection, action string) *http.Response {
				if action == "request.get" {
					return says(200, `{"order": 1}`)
				}
				return fine(connection, action)
			}
			r.act(string(run.ID), verb, "because")
			r.run(time.Minute)
			want := waybill.RunDone
			if verb == waybill.VerbStop {
				want = waybill.RunStopped
			}
			r.wantRun(r.onlyRun(), want, "")
			r.wantNoProblem()
		})
	}
}

func TestItemsAreReadAgainOrSetAside(t *testing.T) {
	r := newRig(t, oneStep(t, sendStep))
	r.send("crm", "contact.creation", nil)
	r.answer = func(connection, action string) *http.Response {
		if action == "contact.get" {
			return says(400, `{"message":"bad id","category":"VALIDATION_ERROR"}`)
		}
		return nil
	}
	r.run(time.Minute)
	it := r.items()[0]
	if it.State != waybill.ItemBlocked || it.Problem == "" {
		t.Fatalf("the item is %s: %s", it.State, it.Reason)
	}
	r.onlyProblem()
	r.act(string(it.ID), waybill.VerbRetry, "") // and it fails again
	r.run(time.Minute)
	if it = r.items()[0]; it.State != waybill.ItemBlocked {
		t.Fatalf("the item is %s", it.State)
	}
	r.onlyProblem()
	r.answer = nil
	r.act(string(it.ID), waybill.VerbRetry, "")
	r.run(time.Minute)
	if it = r.items()[0]; it.State != waybill.ItemTranslated {
		t.Errorf("the item is %s: %s", it.State, it.Reason)
	}
	if n := r.events()["contact.created"]; n != 1 {
		t.Errorf("%d events", n)
	}
	r.wantNoProblem()
	if got := r.offers(string(it.ID)); len(got) != 0 {
		t.Errorf("offers %v", got)
	}
}

func TestABlockedItemThatIsNotNeededIsSetAside(t *testing.T) {
	r := newRig(t, oneStep(t, sendStep))
	r.answer = func(string, string) *http.Response { return says(400, `{}`) }
	r.send("crm", "contact.creation", nil)
	r.run(time.Minute)
	it := r.items()[0]
	_, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbNotUsed, Object: string(it.ID)})
	if waybill.KindOf(err) != waybill.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	r.act(string(it.ID), waybill.VerbNotUsed, "a test contact")
	if it = r.items()[0]; it.State != waybill.ItemNotUsed || !strings.Contains(it.Reason, "a test contact") {
		t.Errorf("the item is %s: %s", it.State, it.Reason)
	}
	r.wantNoProblem()
	r.answer = nil
	r.act(string(it.ID), waybill.VerbRetry, "")
	r.run(time.Minute)
	if it = r.items()[0]; it.State != waybill.ItemTranslated {
		t.Errorf("the item is %s: %s", it.State, it.Reason)
	}
}

func TestReadingAnItemAgainStartsNothing(t *testing.T) {
	r := newRig(t, oneStep(t, sendStep))
	r.send("pay", "charge.dispute.created", nil) // an event no flow is for
	r.send("pay", "customer.created", nil)       // an item nothing uses
	pay(r)
	before := r.standing()
	for _, it := range r.items() {
		for _, verb := range r.offers(string(it.ID)) {
			r.act(string(it.ID), waybill.Verb(verb), "again")
		}
	}
	r.run(time.Minute)
	after := r.standing()
	for what, n := range before {
		if after[what] != n {
			t.Errorf("%s: %d before, %d after", what, n, after[what])
		}
	}
}

func TestWhatDoesNotExistIsNotFound(t *testing.T) {
	r := newRig(t, oneStep(t, sendStep))
	for _, object := range []string{"eff_none", "run_none", "itm_none", "prb_none", "nobody", ""} {
		if _, err := r.engine.Choices(t.Context(), object); waybill.KindOf(err) != waybill.NotFound {
			t.Errorf("choices of %q: %v", object, err)
		}
		var known *waybill.Error
		if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbRetry, Object: object}); !errors.As(err, &known) {
			t.Errorf("an act on %q: %v", object, err)
		}
	}
}

func TestAFailedPartIsALesserProblem(t *testing.T) {
	carry := strings.Replace(sendStep, "    with", "    if_it_fails: carry_on\n    with", 1)
	for _, verb := range []waybill.Verb{waybill.VerbRetry, waybill.VerbSkip} {
		for _, object := range []string{"effect", "problem"} {
			t.Run(string(verb)+" by the "+object, func(t *testing.T) {
				r := newRig(t, oneStep(t, carry+afterStep))
				declining(r, "out.request.send", 1)
				pay(r)
				r.wantRun(r.onlyRun(), waybill.RunDone, "1 part failed")
				p := r.onlyProblem()
				if !p.Lesser || p.Count != 1 {
					t.Fatalf("the problem is %+v", p)
				}
				id := string(p.ID)
				if object == "effect" {
					id = string(r.newest("write").ID)
				}
				r.act(id, verb, "seen")
				r.run(time.Minute)
				r.wantNoProblem()
				want := waybill.EffectDeclined
				if verb == waybill.VerbRetry {
					want = waybill.EffectConfirmed
				}
				if got := r.newest("write"); got.State != want {
					t.Errorf("the part is %s: %s", got.State, got.Reason)
				}
				r.wantRun(r.onlyRun(), waybill.RunDone, "")
			})
		}
	}
}
