package engine_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/workspace"
)

// members is how many members the jobs of this file have: WAYBILL_MEMBERS of them, 100,000 for a release.
func members() int {
	if n, err := strconv.Atoi(os.Getenv("WAYBILL_MEMBERS")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return 200
	}
	return 1000
}

// pings is a workspace in which each ping writes a contact named first.
func pings(t *testing.T, first string) *workspace.Workspace {
	t.Helper()
	return load(t, files(map[string]string{
		"events/ping.yaml": "noun: ping\ntitle: Ping\nsubject: [\"Ping ${id}\"]\nschema:\n  type: object\n  required: [id]\n  properties:\n    id: {type: string}\nevents:\n  e0: {title: Ping, rank: 10, fact: the ping}\n",
		"flows/one.yaml":   "flow: one\ntitle: One\nowner: ops\non: ping.e0\nsteps:\n  - id: up\n    do: crm.contact.upsert\n    with: {email: \"${ping.id}@example.com\", first_name: " + first + "}\n",
	}))
}

// crowd is a rig with n pings whose contacts the CRM took, or refused while *refusing; calls counts them.
type crowd struct {
	*rig
	calls    int
	refusing bool
	most     uint64 // of the heap, as it was looked at
}

func newCrowd(t *testing.T, n int, refusing bool) *crowd {
	t.Helper()
	c := &crowd{rig: newRig(t, pings(t, "Wrong")), refusing: refusing}
	c.answer = func(_, _ string) *http.Response {
		c.calls++
		c.rig.calls = nil
		if c.refusing {
			return says(400, `{"status":"error","message":"closed for the day","category":"VALIDATION_ERROR"}`)
		}
		return says(200, `{"results":[{"id":"1","properties":{}}]}`)
	}
	for i := range n {
		c.ping(fmt.Sprint("p", i))
		if i%100 == 99 {
			c.run(20 * time.Second) // the CRM takes ten a second
		}
	}
	c.run(time.Minute)
	if c.calls != n {
		t.Fatalf("%d calls for %d pings", c.calls, n)
	}
	return c
}

func (c *crowd) ping(id string) {
	c.t.Helper()
	if err := c.engine.Tell("out", "ping.e0", map[string]any{"id": id}); err != nil {
		c.t.Fatal(err)
	}
}

// heap looks at how much of Go's heap lives.
func (c *crowd) heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	c.most = max(c.most, m.HeapAlloc)
	return m.HeapAlloc
}

// follow lets a job go on until it is no longer in a state, looking at the heap, and calls turn after each span.
func (c *crowd) follow(id waybill.JobID, state waybill.JobState, span time.Duration, turn func(k int)) *waybill.Job {
	c.t.Helper()
	for k := range 100_000 {
		j := c.job(id)
		if j.State != state {
			return j
		}
		if turn != nil {
			turn(k)
		}
		if k%50 == 0 {
			c.heap()
		}
		c.run(span)
	}
	c.t.Fatalf("the job stays %s: %+v", state, c.job(id))
	return nil
}

// flat is how much the heap may grow over a job, however many members it has.
const flat = 12 << 20

func TestAJobOfManyIsPlannedAndDoneInBoundedMemoryAndAKillCostsNothingOfIt(t *testing.T) {
	n := members()
	c := newCrowd(t, n, false)
	if err := c.engine.Reload(t.Context(), pings(t, "Right")); err != nil {
		t.Fatal(err)
	}
	c.ws = pings(t, "Right")
	before, began := c.heap(), time.Now()
	j, err := c.engine.PlanJob(t.Context(), &waybill.Job{Kind: waybill.JobReplay, Who: "asha", Why: "the name was wrong", Filter: waybill.JobFilter{Flow: "one"}})
	if err != nil {
		t.Fatal(err)
	}
	if n > 2000 && j.State != waybill.JobPlanning {
		t.Errorf("it is %s already", j.State)
	}
	j = c.follow(j.ID, waybill.JobPlanning, 200*time.Millisecond, func(k int) {
		if k == 3 {
			c.restart() // in the middle of the plan
		}
	})
	took := time.Since(began)
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassChanged: n})
	if c.calls != n {
		t.Errorf("the plan called somebody: %d calls", c.calls-n)
	}
	c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobTrial, Trial: 10, Changed: true})
	j = c.until(j.ID, waybill.JobPlanned, time.Minute)
	if j.Counts[waybill.MemberDone] != 10 || c.calls != n+10 {
		t.Fatalf("after the trial: %v, %d calls", j.Counts, c.calls-n)
	}
	c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Changed: true})
	paused := false
	j = c.follow(j.ID, waybill.JobRunning, 10*time.Second, func(k int) {
		if k%7 == 3 && k < 70 {
			c.restart()
		}
		if counts := c.job(j.ID).Counts; !paused && counts[waybill.MemberDone] > n/2 {
			paused = true
			c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobPause})
			c.run(time.Minute)
			was := c.calls
			c.restart()
			c.run(time.Hour)
			if c.calls != was {
				t.Errorf("a paused job made %d calls", c.calls-was)
			}
			c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobResume})
		}
	})
	if j.State != waybill.JobDone || j.Counts[waybill.MemberDone] != n || j.Counts.Of() != n || !paused {
		t.Errorf("it is %s (%s), %v, paused %v", j.State, j.Reason, j.Counts, paused)
	}
	if c.calls < 2*n || c.calls > 2*n+20 { // an upsert that a kill met is made again: that is harmless
		t.Errorf("%d calls for %d members", c.calls-n, n)
	}
	t.Attr("size", fmt.Sprintf("%d members, 11 kills", n))
	t.Attr("result", fmt.Sprintf("planned in %v, heap grew by %.1f MiB at most", took.Round(time.Millisecond), float64(c.most-min(c.most, before))/(1<<20)))
	if c.most > before+flat {
		t.Errorf("the heap grew from %d to %d MiB", before>>20, c.most>>20)
	}
	c.wantNoProblem()
}

// TestWhatAWrongMappingWroteToManyObjectsIsPutBack has n deals of their own written wrongly, and puts back all of them and
// nothing else, across kills.
func TestWhatAWrongMappingWroteToManyObjectsIsPutBack(t *testing.T) {
	n := number(15, 200)
	r := newRig(t, oneStep(t, "  - id: made\n    do: crm.deal.create\n    with: {name: \"${payment.id}\", stage: contractsent}\n"+
		"  - id: won\n    do: crm.deal.update\n    undo: restore\n    with: {id: \"${made.id}\", stage: closedlost}\n"))
	for i := range n {
		r.send("pay", "payment_intent.succeeded", nil)
		if i%10 == 9 {
			r.run(20 * time.Second)
		}
	}
	r.run(time.Minute)
	if got := r.called("crm.deal.update"); got != n {
		t.Fatalf("%d deals were written, want %d", got, n)
	}
	j := r.plan(waybill.Job{Kind: waybill.JobPutBack, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNew: n, waybill.ClassBlocked: n}) // what was made is not unmade
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	for range 5 {
		r.run(2 * time.Second)
		r.restart()
	}
	j = r.until(j.ID, waybill.JobDone, time.Hour)
	if j.Counts[waybill.MemberDone] != n || j.Counts[waybill.MemberBlocked] != n {
		t.Errorf("counts %v", j.Counts)
	}
	back := 0
	for page := ""; ; {
		list, next, err := r.book.Effects(t.Context(), waybill.ListFilter{Limit: 200, Before: page})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			if eff := &list[i]; eff.Undoes != "" && eff.State == waybill.EffectConfirmed && strings.Contains(string(eff.Inputs), "contractsent") {
				back++
			}
		}
		if page = next; next == "" {
			break
		}
	}
	if back != n {
		t.Errorf("%d deals were put back, want %d", back, n)
	}
	t.Attr("size", fmt.Sprintf("%d objects, 5 kills", n))
	r.wantNoProblem()
}

// TestAJobOfManyHoldsItselfAndStopsForGood has a retry of many hold itself when it fails again, go on when told, and stop.
func TestAJobOfManyHoldsItselfAndStopsForGood(t *testing.T) {
	n := members()
	c := newCrowd(t, n, true)
	before := c.heap()
	j := c.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNew: n})
	c.calls = 0
	c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	j = c.until(j.ID, waybill.JobPaused, time.Hour)
	if !strings.Contains(j.Reason, "held by itself") || c.calls > 10 || j.Counts[waybill.MemberPlanned] < n-10 {
		t.Errorf("%s after %d calls, %v", j.Reason, c.calls, j.Counts)
	}
	c.restart()
	c.run(time.Hour)
	if c.calls > 10 {
		t.Errorf("it went on by itself: %d calls", c.calls)
	}
	c.refusing = false
	c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobResume})
	for c.job(j.ID).Counts[waybill.MemberDone] < n/3 {
		c.run(10 * time.Second)
	}
	c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobStop, Reason: "enough"})
	c.run(time.Minute)
	was := c.calls
	c.restart()
	c.run(time.Hour)
	c.heap()
	if j = c.job(j.ID); j.State != waybill.JobStopped || c.calls != was || j.Counts[waybill.MemberPlanned] == 0 {
		t.Errorf("%s, %d calls more, %v", j.State, c.calls-was, j.Counts)
	}
	if c.most > before+flat {
		t.Errorf("the heap grew from %d to %d MiB", before>>20, c.most>>20)
	}
	t.Attr("size", fmt.Sprintf("%d members", n))
}
