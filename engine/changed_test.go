package engine_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
)

// overtaken is a rig with n runs that stand at a step which was done before with other values: a replay that waits first
// cannot foretell it.
func overtaken(t *testing.T, n int, step, from, to string) *rig {
	t.Helper()
	r := newRig(t, oneStep(t, step))
	for range n {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(time.Minute)
	if err := r.engine.Reload(t.Context(), oneStep(t, "  - {id: pause, wait: 1h}\n"+strings.Replace(step, from, to, 1)+afterStep)); err != nil {
		t.Fatal(err)
	}
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNothing: n})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	r.run(2 * time.Hour)
	if got := len(r.blocked()); got != n {
		t.Fatalf("%d runs are blocked, want %d", got, n)
	}
	return r
}

func (r *rig) blocked() []waybill.Run {
	return slices.DeleteFunc(r.runs(), func(run waybill.Run) bool { return run.State != waybill.RunBlocked })
}

// offered is the button of a verb.
func (r *rig) offered(object string, verb waybill.Verb) waybill.Choice {
	r.t.Helper()
	list, err := r.engine.Choices(r.t.Context(), object)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range list {
		if c.Verb == verb {
			return c
		}
	}
	r.t.Fatalf("%q is not offered: %+v", verb, list)
	return waybill.Choice{}
}

const contactStep = "  - id: up\n    do: crm.contact.upsert\n    with: {email: \"${payment.id}@example.com\", first_name: Wrong}\n"

func TestAStepThatWasDoneWithOtherValuesIsSentWhenAPersonSaysSo(t *testing.T) {
	for _, c := range []struct{ step, from, to, does, safety string }{
		{contactStep, "Wrong", "Right", "crm.contact.upsert", `Overwrites: it was done before with other values (first_name: "Wrong" → "Right")`},
		{messageStep, "name: Asha", "name: Ravi", "wa.template.send", `May repeat: it was done before with other values, and doing it again would be a second one (params.name: "Asha" → "Ravi")`},
	} {
		t.Run(c.does, func(t *testing.T) {
			r := overtaken(t, 1, c.step, c.from, c.to)
			run := r.blocked()[0]
			if got := r.offers(string(run.ID)); strings.Join(got, ", ") != "send again, skip, stop" {
				t.Fatalf("offered are %v", got)
			}
			button := r.offered(string(run.ID), waybill.VerbSendAgain)
			if button.Safety != c.safety || button.Safe || !button.NeedsReason {
				t.Errorf("the button says %+v", button)
			}
			_, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbSendAgain, Object: string(run.ID)})
			if waybill.KindOf(err) != waybill.Invalid {
				t.Errorf("without a reason: %v", err)
			}
			r.act(string(run.ID), waybill.VerbSendAgain, "the new ones are right")
			r.run(time.Minute)
			if n := r.called(c.does); n != 2 {
				t.Errorf("%d calls, want the one before and one more", n)
			}
			if got := r.blocked(); len(got) != 0 {
				t.Errorf("still blocked: %s", got[0].Reason)
			}
			eff := r.effects()[1]
			if eff.Generation != 2 || eff.State != waybill.EffectConfirmed {
				t.Errorf("it is generation %d, %s", eff.Generation, eff.State)
			}
			if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "ravi", Verb: waybill.VerbSendAgain, Object: string(run.ID), Reason: "me too"}); waybill.KindOf(err) != waybill.Conflict {
				t.Errorf("pressed twice: %v", err)
			}
			if !slices.ContainsFunc(r.audit(), func(a waybill.Audited) bool {
				return a.Action == "send again" && a.Who == "asha" && a.Object == string(run.ID) && a.Reason == "the new ones are right"
			}) {
				t.Errorf("the audit says %+v", r.audit())
			}
			r.wantNoProblem()
		})
	}
}

func TestAllThatWasDoneWithOtherValuesIsSentByOneButtonWhereNothingIsRepeated(t *testing.T) {
	const n = 3
	r := overtaken(t, n, contactStep, "Wrong", "Right")
	p := r.onlyProblem()
	if c := r.offered(string(p.ID), waybill.VerbSendAgain); c.Label != "Send all 3 with these values" || c.Safe || !c.NeedsReason || !strings.Contains(c.Safety, "Overwrites") {
		t.Errorf("the button says %+v", c)
	}
	if said := r.act(string(p.ID), waybill.VerbSendAgain, "the new ones are right"); said != "3 are being sent with the new values." {
		t.Errorf("it says %q", said)
	}
	r.run(time.Minute)
	if got := len(r.blocked()); got != 0 || r.called("crm.contact.upsert") != 2*n {
		t.Errorf("%d are blocked, calls %v", got, r.calls)
	}
	r.wantNoProblem()
	if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "ravi", Verb: waybill.VerbSendAgain, Object: string(p.ID), Reason: "me too"}); waybill.KindOf(err) != waybill.Conflict {
		t.Errorf("pressed twice: %v", err)
	}
	r = overtaken(t, n, messageStep, "name: Asha", "name: Ravi")
	if got := r.offers(string(r.onlyProblem().ID)); slices.Contains(got, "send again") {
		t.Errorf("messages would be sent a second time, and it offers %v", got)
	}
}

func TestABulkRetryOfStepsDoneWithOtherValuesNeedsTheChoice(t *testing.T) {
	const n = 5
	r := overtaken(t, n, contactStep, "Wrong", "Right")
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassChanged: n})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberBlocked] != n || r.called("crm.contact.upsert") != n {
		t.Fatalf("without the choice: %v, %d calls", j.Counts, r.called("crm.contact.upsert"))
	}
	j = r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Changed: true})
	j = r.until(j.ID, waybill.JobDone, 10*time.Minute)
	if j.Counts[waybill.MemberDone] != n || r.called("crm.contact.upsert") != 2*n {
		t.Errorf("%v, %d calls", j.Counts, r.called("crm.contact.upsert"))
	}
	r.wantNoProblem()
}

// TestWhatAPersonHasSentOnceMoreIsSentWhenItsTurnHasCome: another run holds the lane when they press.
func TestWhatAPersonHasSentOnceMoreIsSentWhenItsTurnHasCome(t *testing.T) {
	flow := func(step string) string {
		return "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nlane: '\"all\"'\nsteps:\n" + step
	}
	step := "  - id: write\n    do: out.request.put\n    with: {path: \"/p/${payment.id}\", body: {name: Wrong}}\n"
	r := newRig(t, load(t, files(map[string]string{"flows/one.yaml": flow(step)})))
	pay(r)
	r.run(time.Minute)
	if err := r.engine.Reload(t.Context(), load(t, files(map[string]string{"flows/one.yaml": flow("  - {id: pause, wait: 1h}\n  - id: write\n    do: out.request.put\n    with: {path: \"/p/${payment.id}\", body: {name: Right}}\n")}))); err != nil {
		t.Fatal(err)
	}
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	r.run(2 * time.Hour)
	blocked := r.blocked()
	if len(blocked) != 1 {
		t.Fatalf("%d are blocked", len(blocked))
	}
	r.answer = func(_, action string) *http.Response {
		if action == "request.put" {
			r.v.Sleep(20 * time.Second)
		}
		return nil
	}
	pay(r) // another run of the lane
	r.run(time.Hour)
	r.wantRun(r.runs()[2], waybill.RunWaiting, "waiting for out")
	said := r.act(string(blocked[0].ID), waybill.VerbSendAgain, "the new one is right")
	if said == "" {
		t.Error("nothing is said")
	}
	r.run(10 * time.Minute)
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
	if n := r.called("out.request.put"); n != 3 {
		t.Errorf("%d writes", n)
	}
	r.wantNoProblem()
}

// TestWhatWaitsForAConnectionThatIsTakenOutIsListed has a call and a read wait for their next try while the connection is taken out.
func TestWhatWaitsForAConnectionThatIsTakenOutIsListed(t *testing.T) {
	for _, what := range []string{"do: out.request.put", "get: out.request.get"} {
		t.Run(what, func(t *testing.T) {
			more := onePath("put", 1)
			if strings.HasPrefix(what, "get") {
				more["flows/a.yaml"] = strings.Replace(strings.Replace(more["flows/a.yaml"], "do: out.request.put", what, 1), ", body: {id: \"${ping.id}\"}", "", 1)
			}
			ws := load(t, files(more))
			without := load(t, files(map[string]string{"events/ping.yaml": more["events/ping.yaml"]}))
			delete(without.Connections, "out")
			r := newWorld(t, ws, "offline", 1)
			r.start(ws)
			r.answer = func(_, _ string) *http.Response { return says(503, `{}`, "Retry-After", "120") } // one failure: no outage yet
			r.pings(0, 1)
			r.run(time.Minute)
			r.answer = func(_, _ string) *http.Response { return says(200, `{}`) }
			if n := len(r.problems("open")); n != 0 {
				t.Fatalf("%d problems before the deploy", n)
			}
			r.kill()
			r.start(without)
			r.run(6 * time.Hour)
			run := r.onlyRun()
			if len(r.problems("open")) == 0 && !run.State.Ended() {
				t.Errorf("after six hours the run is %s (%s), and nobody was told", run.State, run.Reason)
			}
			r.kill()
			r.start(ws)
			if effects := r.effects(); len(effects) > 0 { // it may have happened
				r.act(string(effects[0].ID), waybill.VerbSendAgain, "it is back")
			} else {
				r.act(string(run.ID), waybill.VerbRetry, "it is back")
			}
			r.run(time.Minute)
			if run := r.onlyRun(); run.State != waybill.RunDone {
				t.Errorf("when it is back and a person has it sent, the run is %s (%s)", run.State, run.Reason)
			}
		})
	}
}
