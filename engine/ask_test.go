package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
	"waybill/workspace"
)

// asking is a refund that somebody has to approve.
func asking(t *testing.T, more string) *workspace.Workspace {
	t.Helper()
	return load(t, files(askFiles(more, "")))
}

func askFiles(more, flow string) map[string]string {
	return map[string]string{
		"waybill.yaml": "workspace: test\nowners:\n  ops: {title: Operations, email: ops@example.com, people: [asha, ravi]}\n  sales: {title: Sales, email: s@example.com, people: [meena]}\n",
		"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\n" + flow + `steps:
  - id: ok
    ask: "Refund ${payment.amount.format()}?"
    who: ops
    show: {payment: "${payment.id}"}
    change: {amount: "${payment.amount}"}
    for: write
` + more + strings.Replace(refundStep, "${payment.amount}", "${ok.amount}", 1) + afterStep,
	}
}

func TestNothingIsSentBeforeSomebodyApproves(t *testing.T) {
	r := newRig(t, asking(t, ""))
	pay(r)
	r.run(time.Hour)
	run := r.onlyRun()
	r.wantRun(run, waybill.RunWaiting, "waiting for Operations: Refund")
	p := r.onlyProblem()
	if p.Cause != waybill.WaitingForPerson || p.Owner != "ops" || p.Title != "Questions wait for an answer (one.ok)" || p.Detail != "" {
		t.Errorf("the problem is %+v", p)
	}
	if got := r.offers(string(run.ID)); !slices.Equal(got, []string{"approve", "change and approve", "reject", "stop"}) {
		t.Fatalf("the run offers %v", got)
	}
	list, err := r.engine.Choices(t.Context(), string(run.ID))
	if err != nil || !strings.Contains(list[0].Safety, "cannot be undone") || list[0].Safe {
		t.Errorf("that it cannot be undone is not said before: %+v, %v", list[0], err)
	}
	if got := r.offers(string(p.ID)); !slices.Equal(got, []string{"take"}) {
		t.Errorf("the problem offers %v", got)
	}
	r.restart()
	r.run(time.Hour)
	if len(r.calls) != 0 {
		t.Fatalf("calls %v", r.calls)
	}
	_, err = r.engine.Act(t.Context(), waybill.Act{Who: "meena", Verb: waybill.VerbApprove, Object: string(run.ID)})
	if waybill.KindOf(err) != waybill.Forbidden || !strings.Contains(waybill.HintOf(err), "asha") {
		t.Errorf("somebody who was not asked: %v", err)
	}
	r.act(string(run.ID), waybill.VerbApprove, "")
	_, err = r.engine.Act(t.Context(), waybill.Act{Who: "ravi", Verb: waybill.VerbReject, Object: string(run.ID), Reason: "no"})
	if waybill.KindOf(err) != waybill.Conflict || !strings.Contains(waybill.HintOf(err), "stop") {
		t.Errorf("a second answer: %v, %q", err, waybill.HintOf(err))
	}
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
	r.audited(waybill.VerbApprove)
	eff := r.newest("write")
	i := slices.IndexFunc(eff.Gate, func(a waybill.GateAnswer) bool { return a.Rule == "approval" })
	if eff.State != waybill.EffectConfirmed || i < 0 || eff.Gate[i].Reason != "approved by asha" {
		t.Errorf("%s, %+v", eff.State, eff.Gate)
	}
	j, err := r.book.Journey(t.Context(), string(run.ID))
	if err != nil || len(j.Runs[0].Asks) != 1 || j.Runs[0].Asks[0].By != "asha" || j.Runs[0].Asks[0].For[0].Fingerprint != eff.Fingerprint {
		t.Errorf("the journey: %+v, %v", j.Runs[0].Asks, err)
	}
}

func TestARejectionEndsTheRunOrGoesItsBranch(t *testing.T) {
	for name, c := range map[string]struct {
		more  string
		calls []string
		why   string
	}{
		"without a branch": {"", nil, "rejected by asha: too much"},
		"with a branch":    {"    rejected:\n" + indent(messageStep), []string{"wa.template.send"}, "rejected by asha: too much"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, asking(t, strings.Replace(c.more, "id: write", "id: sorry", 1)))
			pay(r)
			r.act(string(r.onlyRun().ID), waybill.VerbReject, "too much")
			r.run(time.Minute)
			r.wantRun(r.onlyRun(), waybill.RunDone, c.why)
			if !slices.Equal(r.calls, c.calls) {
				t.Errorf("calls %v", r.calls)
			}
			r.wantNoProblem()
		})
	}
}

func indent(steps string) string {
	var out strings.Builder
	for line := range strings.Lines(steps) {
		out.WriteString("    " + line)
	}
	return out.String()
}

func TestWhatAPersonChangesIsCheckedFrozenAndSent(t *testing.T) {
	r := newRig(t, asking(t, ""))
	pay(r)
	run := r.onlyRun()
	for _, inputs := range []string{`{"amount": "lots"}`, `{"amount": {"minor": 1.5, "currency": "INR"}}`, `{"other": 1}`, `no`, ``} {
		_, err := r.engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbChange, Object: string(run.ID), Inputs: []byte(inputs)})
		if waybill.KindOf(err) != waybill.Invalid {
			t.Errorf("inputs %q: %v", inputs, err)
		}
	}
	if _, err := r.engine.Act(t.Context(), waybill.Act{
		Who: "ravi", Verb: waybill.VerbChange, Object: string(run.ID), Inputs: []byte(`{"amount": {"minor": 7, "currency": "USD"}}`),
	}); err != nil {
		t.Fatal(err)
	}
	r.run(time.Minute)
	eff := r.newest("write")
	if eff.State != waybill.EffectConfirmed || !strings.Contains(string(eff.Inputs), `"minor":7`) {
		t.Errorf("%s (%s): %s", eff.State, eff.Reason, eff.Inputs)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
}

func TestNoAnswerInTimeIsAnsweredAsTheFlowSays(t *testing.T) {
	for how, c := range map[string]struct {
		state  waybill.RunState
		reason string
		sent   int
	}{
		"reject":  {waybill.RunDone, "nobody answered within 2 days", 0},
		"end":     {waybill.RunDone, "nobody answered within 2 days", 0},
		"approve": {waybill.RunDone, "", 1},
		"{ask: sales, within: 1d, no_answer: approve}": {waybill.RunDone, "", 1},
	} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, asking(t, "    within: 2d\n    no_answer: "+how+"\n"))
			pay(r)
			run := r.onlyRun()
			r.run(47 * time.Hour)
			r.restart()
			if len(r.calls) != 0 {
				t.Fatalf("calls %v", r.calls)
			}
			r.run(59*time.Minute + 54*time.Second) // the time is over, and the sweep has not been there yet
			r.kill()
			r.v.RunUntil(rigStart.Add(48*time.Hour + time.Minute))
			r.sweep = time.Hour
			r.start(r.ws)
			act := waybill.Act{Who: "asha", Verb: waybill.VerbApprove, Object: string(run.ID)}
			if _, err := r.engine.Act(t.Context(), act); waybill.KindOf(err) != waybill.Conflict && waybill.KindOf(err) != waybill.Forbidden {
				t.Errorf("a press after the deadline: %v", err)
			}
			r.sweep = time.Minute
			r.restart()
			r.run(time.Minute)
			if strings.Contains(how, "ask") {
				r.wantRun(r.onlyRun(), waybill.RunWaiting, "waiting for Sales")
				if p := r.onlyProblem(); p.Count != 1 {
					t.Errorf("%d wait", p.Count)
				}
				if _, err := r.engine.Act(t.Context(), act); waybill.KindOf(err) != waybill.Forbidden {
					t.Errorf("a press of those who let it pass: %v", err)
				}
				r.run(25 * time.Hour)
			}
			r.wantRun(r.onlyRun(), c.state, c.reason)
			if n := r.called("pay.refund.create"); n != c.sent {
				t.Errorf("%d sent", n)
			}
			r.wantNoProblem()
		})
	}
}

func TestOtherValuesThanThoseApprovedAreAskedAboutAgain(t *testing.T) {
	for _, verb := range []waybill.Verb{waybill.VerbApprove, waybill.VerbReject} {
		t.Run(string(verb), func(t *testing.T) {
			r := newRig(t, asking(t, ""))
			declining(r, "pay.refund.create", 1)
			pay(r)
			run := r.onlyRun()
			r.act(string(run.ID), waybill.VerbApprove, "")
			r.run(time.Minute)
			eff := r.newest("write")
			if eff.State != waybill.EffectDeclined {
				t.Fatalf("the effect is %s", eff.State)
			}
			other := strings.Replace(string(eff.Inputs), "129900", "1299", 1)
			if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "meena", Verb: waybill.VerbEdit, Object: string(eff.ID), Inputs: []byte(other)}); err != nil {
				t.Fatal(err)
			}
			r.run(time.Minute)
			eff = r.newest("write")
			if eff.State != waybill.EffectPlanned || eff.HeldBy() != "approval" || r.called("pay.refund.create") != 1 {
				t.Fatalf("an edit went past the approval: %s: %s", eff.State, eff.Reason)
			}
			if p := r.onlyProblem(); p.Cause != waybill.WaitingForPerson {
				t.Errorf("the problem is %+v", p)
			}
			if got := r.offers(string(eff.ID)); !slices.Equal(got, []string{"approve", "reject"}) {
				t.Errorf("offers %v", got)
			}
			if _, err := r.engine.Act(t.Context(), waybill.Act{Who: "meena", Verb: verb, Object: string(eff.ID), Reason: "x"}); waybill.KindOf(err) != waybill.Forbidden {
				t.Errorf("the one who edited approves it: %v", err)
			}
			r.act(string(eff.ID), verb, "seen")
			r.run(time.Minute)
			want, reason := waybill.EffectConfirmed, ""
			if verb == waybill.VerbReject {
				want, reason = waybill.EffectSkipped, "rejected by asha: seen"
			}
			if got := r.newest("write"); got.State != want {
				t.Errorf("the effect is %s: %s", got.State, got.Reason)
			}
			r.wantRun(r.onlyRun(), waybill.RunDone, reason)
			r.wantNoProblem()
		})
	}
}

func TestAnApprovalIsForOneTime(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{
		"waybill.yaml":   askFiles("", "")["waybill.yaml"],
		"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n  - {id: ok, ask: Send?, who: ops, for: write}\n" + sendStep,
	})))
	r.world.Script(simulator.Fault{Connection: "out", Kind: simulator.LostAfter})
	pay(r)
	r.act(string(r.onlyRun().ID), waybill.VerbApprove, "")
	r.run(time.Minute)
	eff := r.newest("write")
	if eff.State != waybill.EffectUnknown {
		t.Fatalf("the effect is %s", eff.State)
	}
	r.act(string(eff.ID), waybill.VerbSendAgain, "I want to be sure")
	r.run(time.Minute)
	if got := r.newest("write"); got.HeldBy() != "approval" || r.called("out.request.send") != 1 {
		t.Errorf("it was sent again without an approval: %s: %s", got.State, got.Reason)
	}
}

func TestARunThatAsksLeavesItsLaneAndComesBackFirst(t *testing.T) {
	fs := askFiles("", "lane: payment.?customer.?email.orValue('none')\n")
	r := newRig(t, load(t, files(fs)))
	inLane(r, 3)
	r.run(10 * time.Minute)
	for _, run := range r.runs() { // none holds the others up
		r.wantRun(run, waybill.RunWaiting, "waiting for Operations")
	}
	slow := true
	r.before = func(int) {
		if slow {
			slow = false
			r.v.Sleep(20 * time.Second)
		}
	}
	runs := r.runs()
	r.act(string(runs[2].ID), waybill.VerbApprove, "")
	r.run(time.Second)
	r.act(string(runs[1].ID), waybill.VerbApprove, "")
	r.run(time.Second)
	if got := r.runs()[1]; got.State != waybill.RunQueued || got.Behind != runs[2].ID {
		t.Errorf("the run is %s behind %q, want behind %s", got.State, got.Behind, runs[2].ID)
	}
	r.restartWhen(10 * time.Second)
	r.run(10 * time.Minute)
	r.wantRun(r.runs()[0], waybill.RunWaiting, "")
	r.wantRun(r.runs()[1], waybill.RunDone, "")
	r.wantRun(r.runs()[2], waybill.RunDone, "")
	if n := r.happened("pay", "refund"); n != 2 {
		t.Errorf("%d refunds", n)
	}
}

// restartWhen lets time pass and begins a new process.
func (r *rig) restartWhen(d time.Duration) {
	r.run(d)
	r.restart()
}

func TestAStoppedRunTakesItsQuestionBack(t *testing.T) {
	r := newRig(t, asking(t, "    within: 1h\n"))
	pay(r)
	r.act(string(r.onlyRun().ID), waybill.VerbStop, "not needed")
	r.wantNoProblem()
	r.run(3 * time.Hour)
	r.wantRun(r.onlyRun(), waybill.RunStopped, "not needed")
	list, _, err := r.book.Asks(t.Context(), waybill.ListFilter{})
	if err != nil || len(list) != 1 || list[0].State != waybill.AskWithdrawn {
		t.Errorf("%+v, %v", list, err)
	}
}

// insistOn presses until it is heard.
func (r *rig) insistOn(verb waybill.Verb, reason string) {
	open := false
	for _, run := range r.runs() {
		if open = open || !run.State.Ended(); r.life.dead || run.State.Ended() {
			continue
		}
		_, _ = r.engine.Act(r.t.Context(), waybill.Act{Who: "asha", Verb: verb, Object: string(run.ID), Reason: reason})
	}
	if open {
		r.v.After(20*time.Second, func() { r.insistOn(verb, reason) })
	}
}

func TestAKillAtAnyPieceOfWorkAcrossAnAskChangesNothing(t *testing.T) {
	ws := load(t, files(askFiles("    within: 1h\n    no_answer: {ask: sales, within: 1h, no_answer: approve}\n", "lane: payment.?customer.?email.orValue('none')\n")))
	for name, given := range map[string]func(r *rig){
		"approved":   func(r *rig) { inLane(r, 2); r.v.After(15*time.Second, func() { r.insistOn(waybill.VerbApprove, "") }) },
		"unanswered": func(r *rig) { inLane(r, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			for k := 1; ; k++ {
				r := newRig(t, ws)
				r.sweep = 20 * time.Minute
				r.restart()
				given(r)
				end, ended := r.v.Now().Add(3*time.Hour), false
				for range k {
					if ended = !r.v.Step(end); ended {
						break
					}
				}
				r.restart()
				r.run(4 * time.Hour)
				for _, run := range r.runs() {
					if run.State != waybill.RunDone {
						t.Errorf("killed after %d pieces of work: the run is %s: %s", k, run.State, run.Reason)
					}
				}
				if n := r.happened("pay", "refund"); n != 2 {
					t.Errorf("killed after %d pieces of work: %d refunds", k, n)
				}
				if n := len(r.problems("open")); n > 0 {
					t.Errorf("killed after %d pieces of work: %d problems", k, n)
				}
				_ = r.book.Close() // a server has not so many connections to give
				if ended || t.Failed() {
					t.Logf("killed after each of %d pieces of work", k)
					return
				}
			}
		})
	}
}

const askAfter = `flow: one
title: One
owner: ops
on: payment.succeeded
steps:
  - {id: pause, wait: 1h}
  - {id: ok, ask: Send?, who: ops, for: write}
` + sendStep

// TestAQuestionThatCouldNotBePutIsPutWhenAPersonTriesAgain: what it is about could not be rendered, as its connection had been
// taken out; it is back.
func TestAQuestionThatCouldNotBePutIsPutWhenAPersonTriesAgain(t *testing.T) {
	ws := load(t, files(map[string]string{"waybill.yaml": askFiles("", "")["waybill.yaml"], "flows/one.yaml": askAfter}))
	without := load(t, files(map[string]string{"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n  - {id: nothing, was: [], set: 1}\n"}))
	delete(without.Connections, "out")
	r := newRig(t, ws)
	pay(r)
	if err := r.engine.Reload(t.Context(), without); err != nil {
		t.Fatal(err)
	}
	r.run(2 * time.Hour)
	r.wantRun(r.onlyRun(), waybill.RunBlocked, "")
	if err := r.engine.Reload(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	r.act(string(r.onlyRun().ID), waybill.VerbRetry, "it is back")
	r.run(time.Hour)
	r.wantRun(r.onlyRun(), waybill.RunWaiting, "waiting for Operations: Send?")
	r.act(string(r.onlyRun().ID), waybill.VerbApprove, "")
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
}

// TestAWordIsSaidOfWhatThePersonSaw: while their page stood open somebody else answered, and the run stands at another question,
// or at another wait.
func TestAWordIsSaidOfWhatThePersonSaw(t *testing.T) {
	const twice = "  - {id: one_ok, ask: \"Send a little?\", who: ops}\n  - {id: two_ok, ask: \"Send a lot?\", who: ops, for: write}\n"
	const waits = "  - {id: one_ok, wait: 1d}\n  - {id: two_ok, wait: 1d}\n"
	for verb, steps := range map[waybill.Verb]string{waybill.VerbApprove: twice, waybill.VerbReject: twice, waybill.VerbGoOn: waits} {
		t.Run(string(verb), func(t *testing.T) {
			r := newRig(t, load(t, files(map[string]string{
				"waybill.yaml":   askFiles("", "")["waybill.yaml"],
				"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + steps + sendStep,
			})))
			pay(r)
			run := string(r.onlyRun().ID)
			saw := r.offered(run, verb)
			theirs := waybill.Act{Who: "ravi", Verb: verb, Object: run, Reason: "as I saw it", About: saw.About}
			if verb == waybill.VerbGoOn {
				r.act(run, verb, "now")
			} else {
				r.act(run, waybill.VerbApprove, "")
			}
			r.run(time.Minute)
			before := r.onlyRun()
			if _, err := r.engine.Act(t.Context(), theirs); waybill.KindOf(err) != waybill.Conflict {
				t.Errorf("a press on what is no longer there: %v", err)
			}
			if verb != waybill.VerbGoOn { // by its own id, too
				theirs.Object, theirs.About = saw.About, ""
				if _, err := r.engine.Act(t.Context(), theirs); waybill.KindOf(err) != waybill.Conflict {
					t.Errorf("an answer to a question that was answered: %v", err)
				}
			}
			r.run(time.Minute)
			if got := r.onlyRun(); got.State != before.State || got.Reason != before.Reason || len(r.calls) != 0 {
				t.Fatalf("the run is %s (%s), calls %v", got.State, got.Reason, r.calls)
			}
			if theirs.About = r.offered(run, verb).About; theirs.About == saw.About {
				t.Fatalf("both are said of %q", saw.About)
			}
			if verb != waybill.VerbGoOn {
				theirs.Object, theirs.About = theirs.About, ""
			}
			if _, err := r.engine.Act(t.Context(), theirs); err != nil {
				t.Errorf("a press on what is there: %v", err)
			}
			r.run(time.Minute)
			r.wantRun(r.onlyRun(), waybill.RunDone, "")
			if c := r.offers(run); len(c) > 0 && c[0] != "undo" {
				t.Errorf("offers %v", c)
			}
		})
	}
}

// TestAQuestionSaysWhatIsTooLateByNow: who approves it then must not believe that it is sent.
func TestAQuestionSaysWhatIsTooLateByNow(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{
		"waybill.yaml": askFiles("", "")["waybill.yaml"],
		"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n  - {id: ok, ask: Send?, who: ops, for: write}\n" +
			strings.Replace(sendStep, "    with", "    good_for: 2h\n    with", 1),
	})))
	pay(r)
	run := string(r.onlyRun().ID)
	r.run(time.Hour)
	if c := r.offered(run, waybill.VerbApprove); !strings.Contains(c.Safety, "this is sent as it is shown") {
		t.Errorf("in time the button says %q", c.Safety)
	}
	r.run(2 * time.Hour)
	if c := r.offered(run, waybill.VerbApprove); strings.Contains(c.Safety, "sent") || !strings.Contains(c.Safety, "too late: it was good until") {
		t.Errorf("too late the button says %q", c.Safety)
	}
}
