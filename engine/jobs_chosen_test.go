package engine_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
)

// What a person chose of a job is what happens: not more when it was planned anew, nor when something moved meanwhile.

func TestATrialOfWhatWasPlannedAnewIsATrialAndNothingMore(t *testing.T) {
	r, refusing := outage(t, 20)
	*refusing = false
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}, Choices: waybill.JobChoices{AtOnce: 1}})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	for r.job(j.ID).Counts[waybill.MemberDone] < 3 {
		r.run(20 * time.Millisecond)
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobPause})
	r.run(time.Minute)
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobPlan})
	done := r.job(j.ID).Counts[waybill.MemberDone]
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobTrial, Trial: 1})
	r.run(time.Hour)
	if j = r.job(j.ID); j.State != waybill.JobPlanned || j.Counts[waybill.MemberDone] != done+1 {
		t.Errorf("after a trial of 1 the job is %s with %v; %d were done before", j.State, j.Counts, done)
	}
}

// TestACountedWordLetsNothingRepeatThatItDidNotCount plans while one run is still under way, so that its message is not
// among those counted, and goes when it has been sent.
func TestACountedWordLetsNothingRepeatThatItDidNotCount(t *testing.T) {
	held := "  - id: rest\n    wait: 1h\n"
	r := newRig(t, oneStep(t, messageStep+held))
	pay(r)
	r.run(2 * time.Hour)
	pay(r) // its run still waits when the plan is made
	if err := r.engine.Reload(t.Context(), oneStep(t, strings.Replace(messageStep, "name: Asha", "name: Ravi", 1)+held)); err != nil {
		t.Fatal(err)
	}
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassBlocked: 2})
	if j.Plan.Repeats != 1 {
		t.Fatalf("plan %+v", j.Plan)
	}
	r.run(2 * time.Hour)
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Repeats: 1})
	r.run(4 * time.Hour)
	if n := r.happened("wa", "message"); n != 3 {
		t.Errorf("%d messages: 2 and the 1 that was counted are 3; %v", n, r.job(j.ID).Counts)
	}
}

// TestWhatAJobHasNotBegunWaitsForAnOutage has a connection take nothing in the middle of a job, and go on later.
func TestWhatAJobHasNotBegunWaitsForAnOutage(t *testing.T) {
	const n = 30
	for name, closes := range map[string]func(r *rig) (opens func()){
		"a limit is reached": func(r *rig) func() {
			until := r.v.Now().Add(8 * time.Minute)
			r.answer = func(_, action string) *http.Response {
				if action == "template.send" && r.v.Now().Before(until) {
					return says(429, "slow down", "Retry-After", "600")
				}
				return nil
			}
			return func() {}
		},
		"a person pauses it": func(r *rig) func() {
			r.act("wa", waybill.VerbPause, "lunch")
			return func() { r.act("wa", waybill.VerbResume, "") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, oneStep(t, messageStep))
			declining(r, "wa.template.send", n)
			for range n {
				r.send("pay", "payment_intent.succeeded", nil)
			}
			r.run(10 * time.Minute)
			if held := r.onlyProblem().Count; held != n {
				t.Fatalf("%d blocked", held)
			}
			j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
			r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
			for r.job(j.ID).Counts[waybill.MemberDone] < 3 {
				r.run(20 * time.Millisecond)
			}
			opens := closes(r)
			r.run(5 * time.Minute)
			if j = r.job(j.ID); j.State != waybill.JobRunning || !strings.HasPrefix(j.Reason, "it waits: wa") {
				t.Errorf("meanwhile it is %s: %q, %v", j.State, j.Reason, j.Counts)
			}
			opens()
			if j = r.until(j.ID, waybill.JobDone, 3*time.Hour); j.Counts[waybill.MemberDone] != n || r.happened("wa", "message") != n {
				t.Errorf("in the end %v: %s", j.Counts, j.Reason)
			}
			r.wantNoProblem()
		})
	}
}

// TestAJobThatBeganIsHeldWhenTheWorkspaceChanges: what its flow does from now on is not what the plan said.
func TestAJobThatBeganIsHeldWhenTheWorkspaceChanges(t *testing.T) {
	for name, restart := range map[string]bool{"while it runs": false, "while it is paused": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, stages(t, "Wrong", ""))
			for range 20 {
				r.send("pay", "payment_intent.succeeded", nil)
			}
			r.run(time.Minute)
			if err := r.engine.Reload(t.Context(), stages(t, "Right", "")); err != nil {
				t.Fatal(err)
			}
			j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}, Choices: waybill.JobChoices{AtOnce: 1}})
			wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassChanged: 20})
			r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Changed: true})
			for r.job(j.ID).Counts[waybill.MemberDone] < 2 {
				r.run(20 * time.Millisecond)
			}
			if restart {
				r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobPause})
				r.run(time.Minute)
			}
			if err := r.engine.Reload(t.Context(), stages(t, "Right", messageStep)); err != nil {
				t.Fatal(err)
			}
			if restart {
				if said := r.refusedJob(j.ID, waybill.JobAct{Verb: waybill.VerbJobResume}, waybill.Conflict); !strings.Contains(said, "has changed since this plan") {
					t.Errorf("said %q", said)
				}
			}
			r.run(10 * time.Minute)
			if n := r.happened("wa", "message"); n != 0 {
				t.Errorf("%d messages that no plan spoke of", n)
			}
			if j = r.job(j.ID); j.State != waybill.JobPaused {
				t.Errorf("it is %s: %s", j.State, j.Reason)
			}
			j = r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobPlan})
			if j.Plan.Messages == 0 || j.Plan.Messages != j.Plan.Members {
				t.Errorf("planned anew %+v", j.Plan)
			}
		})
	}
}

// TestWhatIsSetInAFilterIsAskedTogether: a job never is about more than all that was named.
func TestWhatIsSetInAFilterIsAskedTogether(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{
		"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + sendStep,
		"flows/two.yaml": "flow: two\ntitle: Two\nowner: ops\non: payment.succeeded\nsteps:\n" + sendStep,
	})))
	r.answer = func(connection, _ string) *http.Response {
		if connection == "out" {
			return says(422, `{"message":"closed for the day"}`)
		}
		return nil
	}
	pay(r)
	early := r.v.Now()
	r.run(time.Hour)
	pay(r)
	p := r.onlyProblem()
	if p.Count != 4 {
		t.Fatalf("%d blocked", p.Count)
	}
	event := string(r.runs()[0].Event)
	for name, c := range map[string]struct {
		f    waybill.JobFilter
		want int
	}{
		"a problem":              {waybill.JobFilter{Problem: p.ID}, 4},
		"a problem and a flow":   {waybill.JobFilter{Problem: p.ID, Flow: "one"}, 2},
		"a problem and a time":   {waybill.JobFilter{Problem: p.ID, Until: early.Add(time.Minute)}, 2},
		"a problem and a type":   {waybill.JobFilter{Problem: p.ID, Type: "payment.failed"}, 0},
		"a problem and a place":  {waybill.JobFilter{Problem: p.ID, Connection: "web"}, 0},
		"an event and a flow":    {waybill.JobFilter{IDs: []string{event}, Flow: "two"}, 1},
		"an event and a time":    {waybill.JobFilter{IDs: []string{event}, Since: early.Add(time.Minute)}, 0},
		"a run and another flow": {waybill.JobFilter{IDs: []string{string(r.runs()[0].ID)}, Flow: otherThan(r.runs()[0].Flow)}, 0},
		"an event and a place":   {waybill.JobFilter{IDs: []string{event}, Connection: "web"}, 0},
		"a flow and a place":     {waybill.JobFilter{Flow: "one", Connection: "web"}, 0},
		"a search and a flow":    {waybill.JobFilter{Query: event, Flow: "two"}, 1},
	} {
		if j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: c.f}); j.Plan.Members != c.want {
			t.Errorf("%s: %d members, want %d", name, j.Plan.Members, c.want)
		}
	}
	for name, j := range map[string]waybill.Job{
		"items of a flow":        {Kind: waybill.JobRemap, Filter: waybill.JobFilter{Flow: "one"}},
		"ids and a problem":      {Kind: waybill.JobRetry, Filter: waybill.JobFilter{IDs: []string{event}, Problem: p.ID}},
		"a problem and a search": {Kind: waybill.JobRetry, Filter: waybill.JobFilter{Query: event, Problem: p.ID}},
		"ids and a search":       {Kind: waybill.JobRetry, Filter: waybill.JobFilter{Query: event, IDs: []string{event}}},
	} {
		j.Who, j.Why = "asha", "x"
		if out, err := r.engine.PlanJob(t.Context(), &j); waybill.KindOf(err) != waybill.Invalid {
			t.Errorf("%s: %v, %+v", name, err, out)
		}
	}
}

func otherThan(flow string) string {
	if flow == "one" {
		return "two"
	}
	return "one"
}

// TestAPlanHidesNoPayment: one that names no amount, for their system pays what is left, and one that would be repeated.
func TestAPlanHidesNoPayment(t *testing.T) {
	whole := "  - id: back\n    do: pay.refund.create\n    with: {payment_id: \"${payment.id}\"}\n"
	r := newRig(t, oneStep(t, whole))
	declining(r, "pay.refund.create", 2)
	for range 2 {
		r.send("pay", "payment_intent.succeeded", map[string]string{"amount": "129900"})
	}
	r.run(time.Minute)
	for _, kind := range []waybill.JobKind{waybill.JobRetry, waybill.JobReplay} {
		if j := r.plan(waybill.Job{Kind: kind, Filter: waybill.JobFilter{Flow: "one"}}); j.Plan.Unpriced != 2 || len(j.Plan.Amounts) != 0 {
			t.Errorf("%s: plan %+v", kind, j.Plan)
		}
	}
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	r.until(j.ID, waybill.JobDone, time.Minute)
	part := strings.Replace(whole, `"${payment.id}"}`, `"${payment.id}", amount: "${payment.amount}"}`, 1)
	if err := r.engine.Reload(t.Context(), oneStep(t, part)); err != nil {
		t.Fatal(err)
	}
	j = r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	if j.Plan.Repeats != 2 || len(j.Plan.Amounts) != 0 || j.Plan.RepeatAmounts["INR"] != 2*129900 {
		t.Errorf("plan of what would be paid twice %+v", j.Plan)
	}
}
