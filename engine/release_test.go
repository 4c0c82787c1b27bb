package engine_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/workspace"
)

// released is a workspace whose one step is released as said.
func released(t *testing.T, how string) *workspace.Workspace {
	t.Helper()
	return oneStep(t, strings.Replace(sendStep, "    with", "    release: "+how+"\n    with", 1)+afterStep)
}

func TestAStepThatIsHeldSendsNothingUntilSomebodyReleasesIt(t *testing.T) {
	r := newRig(t, released(t, "hold"))
	pay(r)
	r.run(time.Hour)
	eff := r.newest("write")
	if eff.State != waybill.EffectPlanned || !strings.Contains(eff.Reason, "release is off for this step") {
		t.Fatalf("the effect is %s: %s", eff.State, eff.Reason)
	}
	if eff.Request.Method != http.MethodPost || len(eff.Request.Body) == 0 {
		t.Errorf("it is not on record as it would be sent: %+v", eff.Request)
	}
	r.wantRun(r.onlyRun(), waybill.RunBlocked, "release is off")
	if p := r.onlyProblem(); p.Cause != waybill.WaitingForPerson || p.Owner != "ops" {
		t.Errorf("the problem is %+v", p)
	}
	if got := r.offers(string(eff.ID)); !slices.Equal(got, []string{"release", "edit and retry", "skip"}) {
		t.Errorf("the effect offers %v", got)
	}
	if len(r.calls) != 0 {
		t.Fatalf("calls %v", r.calls)
	}
	r.restart()
	r.run(time.Hour)
	if len(r.calls) != 0 {
		t.Fatalf("calls after a restart: %v", r.calls)
	}
	r.act(string(eff.ID), waybill.VerbRelease, "")
	if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "ravi", Verb: waybill.VerbRelease, Object: string(eff.ID)}); waybill.KindOf(err) != waybill.Conflict {
		t.Errorf("a second press: %v", err)
	}
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
	r.audited(waybill.VerbRelease)
	if r.called("out.request.send") != 1 || r.called("out.request.post") != 1 {
		t.Errorf("calls %v", r.calls)
	}
}

func TestTheFirstOnesAreReleasedByHandAndThenTheStepOpens(t *testing.T) {
	const n, all = 3, 8
	for name, between := range map[string]func(r *rig, old, changed *workspace.Workspace){
		"without a break":   func(*rig, *workspace.Workspace, *workspace.Workspace) {},
		"over restarts":     func(r *rig, _, _ *workspace.Workspace) { r.restart() },
		"over new versions": func(r *rig, _, changed *workspace.Workspace) { r.kill(); r.start(changed) },
	} {
		t.Run(name, func(t *testing.T) {
			old := released(t, fmt.Sprintf("{by_hand: %d}", n))
			changed := oneStep(t, strings.Replace(strings.Replace(sendStep, "    with", "    release: {by_hand: 3}\n    with", 1), "/orders", "/payments", 1)+afterStep)
			r := newRig(t, old)
			for i := range all {
				r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": fmt.Sprint("SO-", i)})
			}
			r.run(time.Minute)
			if p := r.onlyProblem(); p.Count != all {
				t.Fatalf("%d are held", p.Count)
			}
			for i, run := range r.runs()[:n] {
				if sent := r.called("out.request.send"); sent != i {
					t.Fatalf("%d were sent after %d presses", sent, i)
				}
				r.act(string(run.ID), waybill.VerbRelease, "")
				if i < n-1 {
					r.run(time.Minute)
				}
				between(r, old, changed)
			}
			r.run(10 * time.Minute)
			if sent := r.called("out.request.send"); sent != all {
				t.Errorf("%d were sent, want %d once it opened", sent, all)
			}
			r.wantNoProblem()
			pay(r)
			r.run(time.Minute)
			if sent := r.called("out.request.send"); sent != all+1 {
				t.Errorf("the next one is held")
			}
			for _, run := range r.runs() {
				r.wantRun(run, waybill.RunDone, "")
			}
		})
	}
}

func TestOneButtonReleasesAllThatAStepHolds(t *testing.T) {
	r := newRig(t, released(t, "hold"))
	const all = 250
	for range all {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(10 * time.Minute)
	p := r.onlyProblem()
	if got := r.offers(string(p.ID)); !slices.Equal(got, []string{"release", "take"}) {
		t.Errorf("the problem offers %v", got)
	}
	if said := r.act(string(p.ID), waybill.VerbRelease, ""); !strings.Contains(said, "250 released") {
		t.Errorf("said %q", said)
	}
	r.run(10 * time.Minute)
	if n := r.called("out.request.send"); n != all {
		t.Errorf("%d were sent", n)
	}
	r.wantNoProblem()
	pay(r)
	r.run(time.Minute)
	if n := r.called("out.request.send"); n != all {
		t.Error("the step opened though it says hold")
	}
}

func TestAKillWhileAStepOpensLeavesNothingHeld(t *testing.T) {
	for steps := 1; ; steps++ {
		r := newRig(t, released(t, "{by_hand: 1}"))
		for range 4 {
			r.send("pay", "payment_intent.succeeded", nil)
		}
		r.run(time.Minute)
		r.act(string(r.runs()[0].ID), waybill.VerbRelease, "")
		end := r.v.Now().Add(time.Second)
		ended := false
		for range steps {
			ended = !r.v.Step(end)
		}
		r.restart()
		r.run(time.Hour)
		held, unknown := 0, 0
		for _, eff := range r.effects() {
			if eff.State == waybill.EffectPlanned {
				held++
			}
			if eff.State == waybill.EffectUnknown { // a write that nothing makes harmless to repeat was under way
				unknown++
			}
		}
		if held > 0 || unknown > 4 {
			t.Errorf("killed after %d pieces of work: %d are still held", steps, held)
		}
		if n := r.happened("out", "document"); n+unknown < 4 {
			t.Errorf("killed after %d pieces of work: %d sent, %d unknown", steps, n, unknown)
		}
		if ended || t.Failed() {
			break
		}
	}
}

// TestOneThatIsEditedAndReleasedIsCounted: by_hand: 2, both are edited and released.
func TestOneThatIsEditedAndReleasedIsCounted(t *testing.T) {
	r := newRig(t, released(t, "{by_hand: 2}"))
	for range 4 {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(time.Minute)
	for _, run := range r.runs()[:2] {
		eff := waybill.Effect{}
		for _, x := range r.effects() {
			if x.Run == run.ID {
				eff = x
			}
		}
		if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbEdit, Object: string(eff.ID), Reason: "x", Inputs: eff.Inputs}); err != nil {
			t.Fatal(err)
		}
		r.run(time.Minute)
	}
	r.run(time.Hour)
	if n := r.called("out.request.send"); n != 4 {
		t.Errorf("%d were sent after two presses", n)
	}
}
