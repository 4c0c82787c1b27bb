package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
	"waybill/workspace"
)

// plan makes a job as asha.
func (r *rig) plan(j waybill.Job) *waybill.Job {
	r.t.Helper()
	j.Who = "asha"
	if j.Why == "" {
		j.Why = "mended"
	}
	out, err := r.engine.PlanJob(r.t.Context(), &j)
	if err != nil {
		r.t.Fatal(err)
	}
	for range 200 {
		if out = r.job(out.ID); out.State != waybill.JobPlanning {
			return out
		}
		r.run(time.Second)
	}
	r.t.Fatalf("the planning does not end: %+v", out)
	return nil
}

func (r *rig) job(id waybill.JobID) *waybill.Job {
	r.t.Helper()
	j, err := r.engine.Job(context.Background(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

// press presses a button of a job.
func (r *rig) press(id waybill.JobID, a waybill.JobAct) *waybill.Job {
	r.t.Helper()
	a.Who, a.Job = "asha", id
	j, err := r.engine.ActOnJob(r.t.Context(), a)
	if err != nil {
		r.t.Fatalf("%s: %v", a.Verb, err)
	}
	return j
}

func (r *rig) refusedJob(id waybill.JobID, a waybill.JobAct, kind waybill.Kind) string {
	r.t.Helper()
	a.Who, a.Job = "asha", id
	_, err := r.engine.ActOnJob(r.t.Context(), a)
	if waybill.KindOf(err) != kind || err == nil {
		r.t.Fatalf("%s: %v, want %s", a.Verb, err, kind)
	}
	return err.Error()
}

// until runs until a job stands in a state.
func (r *rig) until(id waybill.JobID, state waybill.JobState, most time.Duration) *waybill.Job {
	r.t.Helper()
	for end := r.v.Now().Add(most); r.v.Now().Before(end); r.run(time.Second) {
		if j := r.job(id); j.State == state {
			return j
		}
	}
	j := r.job(id)
	r.t.Fatalf("after %s the job is %s (%s), counts %v, want %s", most, j.State, j.Reason, j.Counts, state)
	return nil
}

func (r *rig) members(id waybill.JobID, f waybill.JobMemberFilter) []waybill.JobMember {
	r.t.Helper()
	f.Limit = 200
	list, _, err := r.engine.JobMembers(r.t.Context(), id, f)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func wantClasses(t *testing.T, j *waybill.Job, want map[waybill.JobClass]int) {
	t.Helper()
	for _, class := range waybill.JobClasses {
		if j.Plan.Classes[class] != want[class] {
			t.Errorf("%s: %d members, want %d (all: %v, causes %v)", class, j.Plan.Classes[class], want[class], j.Plan.Classes, j.Plan.Causes)
		}
	}
}

// stages is a workspace in which a payment names its contact in the CRM; stage is how.
func stages(t *testing.T, first string, more string) *workspace.Workspace {
	t.Helper()
	step := fmt.Sprintf("  - id: up\n    do: crm.contact.upsert\n    with: {email: \"${payment.id}@example.com\", first_name: %q}\n", first)
	return oneStep(t, step+more)
}

func TestAnEmptyFilterIsRefusedAndOneThatMatchesNothingSaysSo(t *testing.T) {
	r := newRig(t, stages(t, "Asha", ""))
	for _, j := range []waybill.Job{
		{Kind: waybill.JobReplay, Why: "x"},
		{Kind: "sing", Why: "x", Filter: waybill.JobFilter{Type: "payment.succeeded"}},
		{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Type: "payment.succeeded"}},
		{Kind: waybill.JobReplay, Why: "x", Filter: waybill.JobFilter{Flow: "none"}},
		{Kind: waybill.JobReplay, Why: "x", Filter: waybill.JobFilter{Flow: "one", State: "waiting"}},
		{Kind: waybill.JobReplay, Why: "x", Filter: waybill.JobFilter{Since: rigStart, Until: rigStart}},
		{Kind: waybill.JobReplay, Why: "x", Filter: waybill.JobFilter{Flow: "one"}, Choices: waybill.JobChoices{AtOnce: 1000}},
	} {
		if _, err := r.engine.PlanJob(t.Context(), &j); waybill.KindOf(err) != waybill.Invalid {
			t.Errorf("%+v: %v", j, err)
		}
	}
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	if j.State != waybill.JobDone || j.Reason != "nothing matches this filter" {
		t.Errorf("%s: %s", j.State, j.Reason)
	}
}

func TestAReplayNeverSendsAgainWhatWasConfirmedWithTheSameValues(t *testing.T) {
	r := newRig(t, stages(t, "Asha", messageStep+refundThen))
	for range 5 {
		pay(r)
	}
	calls := len(r.calls)
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassSame: 5})
	if j.Plan.Writes[waybill.ClassSame] != 15 || len(j.Plan.Connections) != 0 || j.Plan.Messages != 0 {
		t.Errorf("plan %+v", j.Plan)
	}
	if len(r.calls) != calls {
		t.Error("planning called somebody")
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberDone] != 5 {
		t.Errorf("counts %v", j.Counts)
	}
	if len(r.calls) != calls {
		t.Errorf("the replay called %v", r.calls[calls:])
	}
	replays := 0
	for _, run := range r.runs() {
		if run.Mode == waybill.ModeReplay {
			replays++
			r.wantRun(run, waybill.RunDone, "")
			if run.Repeats == "" {
				t.Error("it names no run that it repeats")
			}
		}
	}
	if replays != 5 {
		t.Errorf("%d replays", replays)
	}
}

const refundThen = "  - id: back\n    do: pay.refund.create\n    with: {payment_id: \"${payment.id}\", amount: \"${payment.amount}\"}\n"

func TestAWrongMappingIsReplayedAfterAPlanThatSaysWhatChanges(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 20
	}
	r := newRig(t, stages(t, "Wrong", messageStep))
	for range n {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(5 * time.Minute)
	sent, messages := r.called("crm.contact.upsert"), r.happened("wa", "message")
	if sent != n || messages != n {
		t.Fatalf("%d contacts, %d messages", sent, messages)
	}
	if err := r.engine.Reload(t.Context(), stages(t, "Right", messageStep)); err != nil {
		t.Fatal(err)
	}
	j := r.plan(waybill.Job{Name: "names", Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassChanged: n})
	if j.Plan.Connections["crm"] != n || j.Plan.Messages != 0 || j.Plan.Writes[waybill.ClassSame] != n {
		t.Errorf("plan %+v", j.Plan)
	}
	m := r.members(j.ID, waybill.JobMemberFilter{})[0]
	if len(m.Writes) != 2 || !strings.Contains(string(m.Writes[0].Old), "Wrong") || !strings.Contains(string(m.Writes[0].New), "Right") {
		t.Errorf("the member shows %+v", m)
	}
	// without the choice nothing of it can be tried
	r.refusedJob(j.ID, waybill.JobAct{Verb: waybill.VerbJobTrial, Trial: 1}, waybill.Conflict)
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobTrial, Trial: 10, Changed: true})
	j = r.until(j.ID, waybill.JobPlanned, time.Minute)
	if j.Counts[waybill.MemberDone] != 10 || r.called("crm.contact.upsert") != n+10 {
		t.Fatalf("after the trial %v, %d calls", j.Counts, r.called("crm.contact.upsert"))
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Changed: true})
	j = r.until(j.ID, waybill.JobDone, 10*time.Minute)
	if j.Counts[waybill.MemberDone] != n || r.called("crm.contact.upsert") != 2*n {
		t.Errorf("in the end %v, %d calls", j.Counts, r.called("crm.contact.upsert"))
	}
	if got := r.happened("wa", "message"); got != n {
		t.Errorf("%d messages, want %d", got, n)
	}
	r.wantNoProblem()
	// a second replay finds all of it done
	again := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, again, map[waybill.JobClass]int{waybill.ClassSame: n})
}

func TestAMessageWithOtherWordsIsSentAgainOnlyByACountedWord(t *testing.T) {
	r := newRig(t, oneStep(t, messageStep))
	for range 3 {
		pay(r)
	}
	if err := r.engine.Reload(t.Context(), oneStep(t, strings.Replace(messageStep, "name: Asha", "name: Ravi", 1))); err != nil {
		t.Fatal(err)
	}
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassBlocked: 3})
	if j.Plan.Repeats != 3 {
		t.Errorf("plan %+v", j.Plan)
	}
	r.refusedJob(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Repeats: 2}, waybill.Invalid)
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Changed: true})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberBlocked] != 3 || r.happened("wa", "message") != 3 {
		t.Fatalf("%v, %d messages", j.Counts, r.happened("wa", "message"))
	}
	j = r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Repeats: 3})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberDone] != 3 || r.happened("wa", "message") != 6 {
		t.Errorf("%v, %d messages", j.Counts, r.happened("wa", "message"))
	}
}

// outage is a rig whose n payments are blocked because a receiver refused them; *refusing says whether it still does.
func outage(t *testing.T, n int) (*rig, *bool) {
	t.Helper()
	r := newRig(t, oneStep(t, sendStep+afterStep))
	refusing := true
	r.answer = func(connection, action string) *http.Response {
		if refusing && connection+"."+action == "out.request.send" {
			return says(422, `{"message":"closed for the day"}`)
		}
		return nil
	}
	for range n {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(10 * time.Minute)
	if p := r.onlyProblem(); p.Count != n {
		t.Fatalf("%d blocked, want %d", p.Count, n)
	}
	return r, &refusing
}

func TestBlockedRunsAreRetriedInBulkAcrossKillsAndNothingIsLostOrDoubled(t *testing.T) {
	n := 500
	if testing.Short() {
		n = 60
	}
	r, refusing := outage(t, n)
	*refusing = false
	before := len(r.calls)
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Problem: r.onlyProblem().ID}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNew: n})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	for range 3 {
		r.run(time.Second)
		r.restart()
	}
	r.after = func(n int) { // a provider has done it, and the process dies before it hears so
		if n%41 == 0 {
			r.kill()
		}
	}
	for range 40 {
		r.run(time.Second)
		if r.life.dead {
			r.restart()
		}
	}
	r.after = nil
	if j = r.job(j.ID); j.State == waybill.JobPaused { // it holds itself when too many answers are lost
		r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobResume})
	}
	j = r.until(j.ID, waybill.JobDone, time.Hour)
	r.run(time.Hour) // what a kill left in doubt is settled, or asks
	sends := map[string]int{}
	for _, c := range r.calls[before:] {
		sends[c]++
	}
	unknown := 0
	for page := ""; ; {
		list, next, err := r.book.Effects(t.Context(), waybill.ListFilter{State: "unknown", Before: page, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		if unknown += len(list); next == "" {
			break
		}
		page = next
	}
	t.Logf("calls %v, unknown %d, counts %v", sends, unknown, j.Counts)
	if got := r.happened("out", "request"); got > n {
		t.Errorf("%d requests happened", got)
	}
	if sends["out.request.send"] != n {
		t.Errorf("%d sends, want %d", sends["out.request.send"], n)
	}
	if j.Counts.Of() != n || j.Counts[waybill.MemberDone]+j.Counts[waybill.MemberFailed] != n || j.Counts[waybill.MemberFailed] != unknown {
		t.Errorf("counts %v, %d unknown", j.Counts, unknown)
	}
}

// deals is a workspace in which every payment moves one deal to a stage.
func deals(t *testing.T, stage string) *workspace.Workspace {
	t.Helper()
	return oneStep(t, "  - id: deal\n    get: crm.deal.find\n    with: {order_no: SO-1001}\n"+
		"  - id: won\n    do: crm.deal.update\n    undo: restore\n    with: {id: \"${deal.id}\", stage: "+stage+", name: \"${payment.id}\"}\n")
}

func TestWhatAWrongMappingWroteIsPutBackTheNewestFirst(t *testing.T) {
	const n = 6
	r := newRig(t, deals(t, "closedlost"))
	for range n {
		pay(r)
	}
	first := string(r.effects()[0].Before)
	j := r.plan(waybill.Job{Kind: waybill.JobPutBack, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNew: n})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, 10*time.Minute)
	if j.Counts[waybill.MemberDone] != n {
		for _, m := range r.members(j.ID, waybill.JobMemberFilter{}) {
			t.Logf("%s %s %s", m.Object, m.State, m.Reason)
		}
		t.Fatalf("counts %v", j.Counts)
	}
	undone, undoing := 0, []waybill.Effect{}
	for _, eff := range r.effects() {
		switch {
		case eff.Undoes != "":
			undoing = append(undoing, eff)
			if eff.State != waybill.EffectConfirmed {
				t.Errorf("what puts back is %s: %s", eff.State, eff.Reason)
			}
		case eff.State == waybill.EffectUndone:
			undone++
		}
	}
	if undone != n || len(undoing) != n {
		t.Fatalf("%d undone by %d", undone, len(undoing))
	}
	for i := 1; i < n; i++ {
		if undoing[i-1].Undoes < undoing[i].Undoes {
			t.Errorf("%s was put back before %s", undoing[i-1].Undoes, undoing[i].Undoes)
		}
	}
	if last := string(undoing[n-1].Inputs); !strings.Contains(first, `"stage":"contractsent"`) || !strings.Contains(last, `"stage":"contractsent"`) {
		t.Errorf("before it was %s, put back is %s", first, last)
	}
	r.wantNoProblem()
	// mended, it runs again: what was put back is written anew
	if err := r.engine.Reload(t.Context(), deals(t, "closedwon")); err != nil {
		t.Fatal(err)
	}
	again := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, again, map[waybill.JobClass]int{waybill.ClassNew: 1, waybill.ClassNothing: n - 1}) // the older facts are late
	r.press(again.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	r.until(again.ID, waybill.JobDone, 10*time.Minute)
	if got := r.newest("won"); got.State != waybill.EffectConfirmed || !strings.Contains(string(got.Inputs), "closedwon") {
		t.Errorf("the deal is written as %s, %s", got.Inputs, got.State)
	}
}

func TestPuttingBackNeverOverwritesWhatIsNewer(t *testing.T) {
	r := newRig(t, deals(t, "closedlost"))
	pay(r)
	wrong := r.newest("won")
	if err := r.engine.Reload(t.Context(), deals(t, "closedwon")); err != nil {
		t.Fatal(err)
	}
	pay(r)
	j := r.plan(waybill.Job{Kind: waybill.JobPutBack, Filter: waybill.JobFilter{IDs: []string{string(wrong.ID)}}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassBlocked: 1})
	calls := len(r.calls)
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberBlocked] != 1 || len(r.calls) != calls {
		t.Errorf("counts %v, calls %v", j.Counts, r.calls[calls:])
	}
}

func TestAJobHoldsItselfAfterRepeatedProblemsAndGoesOnWhenTold(t *testing.T) {
	r, refusing := outage(t, 40)
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}, Choices: waybill.JobChoices{AtOnce: 1}})
	before := r.called("out.request.send")
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobPaused, 5*time.Minute)
	if !strings.Contains(j.Reason, "held by itself: 5 in a row failed for one cause") {
		t.Errorf("held because %q", j.Reason)
	}
	if n := r.called("out.request.send") - before; n > 7 {
		t.Errorf("%d calls before it held itself", n)
	}
	*refusing = false
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobResume})
	j = r.until(j.ID, waybill.JobDone, 10*time.Minute)
	if j.Counts[waybill.MemberDone]+j.Counts[waybill.MemberFailed] != 40 || j.Counts[waybill.MemberDone] < 33 {
		t.Errorf("counts %v", j.Counts)
	}
}

func TestAPausedJobBeginsNothingAndAStoppedOneNeverAgain(t *testing.T) {
	r, refusing := outage(t, 60)
	*refusing = false
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}, Choices: waybill.JobChoices{AtOnce: 2}})
	r.refusedJob(j.ID, waybill.JobAct{Verb: waybill.VerbJobPause}, waybill.Conflict)
	r.refusedJob(j.ID, waybill.JobAct{Verb: waybill.VerbJobResume}, waybill.Conflict)
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	for r.job(j.ID).Counts[waybill.MemberDone] < 5 {
		r.run(20 * time.Millisecond)
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobPause, Reason: "lunch"})
	r.run(time.Minute)
	calls, j := len(r.calls), r.job(j.ID)
	if j.State != waybill.JobPaused || j.Counts[waybill.MemberPlanned] == 0 || j.Counts[waybill.MemberBegun] != 0 {
		t.Fatalf("%s, counts %v", j.State, j.Counts)
	}
	r.run(time.Hour)
	r.restart()
	r.run(time.Hour)
	if len(r.calls) != calls {
		t.Error("a paused job went on")
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobResume})
	for r.job(j.ID).Counts[waybill.MemberDone] < 20 {
		r.run(20 * time.Millisecond)
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobStop, Reason: "enough"})
	r.run(time.Hour)
	j = r.job(j.ID)
	if j.State != waybill.JobStopped || !strings.Contains(j.Reason, "stopped by asha: enough") || j.Counts[waybill.MemberPlanned] == 0 {
		t.Errorf("%s: %s, counts %v", j.State, j.Reason, j.Counts)
	}
	for _, verb := range []waybill.JobVerb{waybill.VerbJobGo, waybill.VerbJobResume, waybill.VerbJobStop, waybill.VerbJobPlan} {
		r.refusedJob(j.ID, waybill.JobAct{Verb: verb}, waybill.Conflict)
	}
	for _, verb := range []string{"plan job", "go job", "pause job", "resume job", "stop job"} {
		found := false
		for _, a := range r.audit() {
			found = found || a.Action == verb && a.Who == "asha" && a.Object == string(j.ID) && a.Reason != ""
		}
		if !found {
			t.Errorf("%q is not in the audit", verb)
		}
	}
}

func TestABulkRetryDoesNotDelayLiveWork(t *testing.T) {
	r, refusing := outage(t, 60)
	*refusing = false
	r.world.Script(simulator.Fault{Connection: "out", Kind: simulator.Slow, Delay: 2 * time.Second, Times: 1000})
	slowest := func() time.Duration {
		worst := time.Duration(0)
		for range 5 {
			asked := r.v.Now()
			r.send("pay", "payment_intent.succeeded", nil)
			r.run(0)
			live := r.runs()[len(r.runs())-1].ID
			for done := false; !done; {
				r.run(100 * time.Millisecond)
				for _, run := range r.runs() {
					done = done || run.ID == live && run.State == waybill.RunDone
				}
				if r.v.Now().Sub(asked) > time.Minute {
					t.Fatal("a live event is not done after a minute")
				}
			}
			worst = max(worst, r.v.Now().Sub(asked))
		}
		return worst
	}
	alone := slowest()
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}, Choices: waybill.JobChoices{AtOnce: 64}})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	r.run(5 * time.Second)
	begun := r.job(j.ID).Counts[waybill.MemberBegun]
	beside := slowest()
	if left := r.job(j.ID).Counts.Of(waybill.MemberPlanned, waybill.MemberBegun); left == 0 || begun == 0 {
		t.Fatalf("the job was not under way meanwhile: %d left, %d begun", left, begun)
	}
	if begun > 4 { // half of the 8 that the connection takes at once
		t.Errorf("%d members under way together", begun)
	}
	if beside > alone+200*time.Millisecond {
		t.Errorf("a live event takes %s alone and %s beside the job", alone, beside)
	}
	r.until(j.ID, waybill.JobDone, time.Hour)
}

func TestTwoProcessesOfOneBookNeverRunAMemberTwice(t *testing.T) {
	r, refusing := outage(t, 40)
	*refusing = false
	before := r.called("out.request.send")
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
	r.start(r.ws) // a second engine over the same book; the first goes on
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, time.Hour)
	if n := r.called("out.request.send") - before; n != 40 || j.Counts[waybill.MemberDone] != 40 {
		t.Errorf("%d calls, counts %v", n, j.Counts)
	}
}

func TestARetryWhoseCauseIsOpenIsForetoldAndLeftAlone(t *testing.T) {
	r, _ := outage(t, 5)
	r.act("out", waybill.VerbPause, "closed")
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassFails: 5})
	if j.Plan.Causes["write: out is paused"] != 5 {
		t.Errorf("causes %v", j.Plan.Causes)
	}
	calls := len(r.calls)
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberSkipped] != 5 || len(r.calls) != calls {
		t.Errorf("counts %v", j.Counts)
	}
	if p := r.onlyProblem(); p.Count != 5 {
		t.Errorf("%d are on the list, want all 5 still", p.Count)
	}
}

func TestWhatIsNotKnownIsLeftOutOfABulkRetry(t *testing.T) {
	r := inDoubt(t, true)
	j := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassBlocked: 1})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Changed: true})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberBlocked] != 1 || r.called("out.request.send") != 1 {
		t.Errorf("counts %v, %d calls", j.Counts, r.called("out.request.send"))
	}
	again := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, again, map[waybill.JobClass]int{waybill.ClassBlocked: 1})
	r.press(again.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Changed: true})
	r.until(again.ID, waybill.JobDone, time.Minute)
	if r.called("out.request.send") != 1 {
		t.Error("what may have happened was sent again")
	}
}

func TestABlockedRunMakesWayForItsReplayOnTheMendedVersion(t *testing.T) {
	r, refusing := outage(t, 3)
	old := r.runs()[0]
	if err := r.engine.Reload(t.Context(), oneStep(t, strings.Replace(sendStep, "/orders", "/new-orders", 1)+afterStep)); err != nil {
		t.Fatal(err)
	}
	*refusing = false
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one", State: "blocked"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNew: 3})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberDone] != 3 {
		t.Errorf("counts %v", j.Counts)
	}
	states := map[string]int{}
	for _, run := range r.runs() {
		states[string(run.Mode)+" "+string(run.State)]++
		if run.Repeats == old.ID && run.Mode != waybill.ModeReplay {
			t.Errorf("%+v", run)
		}
	}
	if states["live stopped"] != 3 || states["replay done"] != 3 {
		t.Errorf("runs %v", states)
	}
	r.wantNoProblem()
}

func TestWhatMovedSinceThePlanIsNotDone(t *testing.T) {
	r, refusing := outage(t, 3)
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNew: 3})
	*refusing = false
	r.act(string(r.runs()[0].ID), waybill.VerbRetry, "") // somebody mends one by hand meanwhile, with other values
	r.run(time.Minute)
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberDone] != 3 || r.happened("out", "request") > 3 {
		t.Errorf("counts %v, %d requests", j.Counts, r.happened("out", "request"))
	}
	if n := r.called("out.request.send"); n != 3+3 { // 3 refused, then each once
		t.Errorf("%d calls", n)
	}
	again := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	if err := r.engine.Reload(t.Context(), oneStep(t, strings.Replace(sendStep, "/orders", "/other", 1)+afterStep)); err != nil {
		t.Fatal(err)
	}
	if said := r.refusedJob(again.ID, waybill.JobAct{Verb: waybill.VerbJobGo}, waybill.Conflict); !strings.Contains(said, "has changed since this plan") {
		t.Errorf("said %q", said)
	}
	again = r.press(again.ID, waybill.JobAct{Verb: waybill.VerbJobPlan})
	wantClasses(t, again, map[waybill.JobClass]int{waybill.ClassBlocked: 3}) // an addition with other values
}

func TestItemsAreReadAgainAfterAMappingWasMendedAndStartOnlyWhatIsNew(t *testing.T) {
	r := newRig(t, load(t, wired("body.full_name")))
	for i := range 6 {
		r.send("web", "form.submitted", map[string]string{"id": fmt.Sprint("lead-", i)})
	}
	pay(r)
	r.run(time.Minute)
	if err := r.engine.Reload(t.Context(), load(t, wired("body.name"))); err != nil {
		t.Fatal(err)
	}
	j := r.plan(waybill.Job{Kind: waybill.JobRemap, Filter: waybill.JobFilter{Since: rigStart}})
	if j.Plan.Classes[waybill.ClassNew] != 6 || j.Plan.Classes[waybill.ClassSame] == 0 {
		t.Errorf("plan %+v", j.Plan)
	}
	writes := len(r.effects())
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if n := r.events()["lead.created"]; n != 6 {
		t.Errorf("%d leads, want 6", n)
	}
	if j.Counts[waybill.MemberDone] != j.Counts.Of() || len(r.effects()) != writes {
		t.Errorf("counts %v, %d writes more", j.Counts, len(r.effects())-writes)
	}
	r.wantNoProblem()
}

func TestAPlanCountsMoneyAndPeople(t *testing.T) {
	r := newRig(t, oneStep(t, refundStep+strings.Replace(messageStep, "id: write", "id: tell", 1)))
	declining(r, "pay.refund.create", 4)
	for range 4 {
		r.send("pay", "payment_intent.succeeded", map[string]string{"amount": "129900"})
	}
	r.run(time.Minute)
	if n := r.onlyProblem().Count; n != 4 {
		t.Fatalf("%d blocked", n)
	}
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNew: 4})
	p := j.Plan
	if len(p.Amounts) != 1 || p.Messages != 4 || p.People != 1 || p.Connections["pay"] != 4 || p.Connections["wa"] != 4 || p.Seconds["pay"] == 0 {
		t.Errorf("plan %+v", p)
	}
	for currency, minor := range p.Amounts {
		if minor != 4*129900 {
			t.Errorf("%d %s", minor, currency)
		}
	}
	retry := r.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
	if len(retry.Plan.Amounts) != 1 || retry.Plan.Amounts["INR"] != p.Amounts["INR"] || retry.Plan.Messages != 0 {
		t.Errorf("plan of the retry %+v", retry.Plan)
	}
	if _, err := r.engine.PlanJob(t.Context(), &waybill.Job{Kind: waybill.JobRetry, Who: "asha", Filter: waybill.JobFilter{IDs: []string{"run_none"}}}); waybill.KindOf(err) != waybill.NotFound {
		t.Errorf("an id there is not: %v", err)
	}
}
