package engine_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
	"waybill/workspace"
)

// limited is a workspace whose receiver may be called so often.
func limited(t *testing.T, limits string) *workspace.Workspace {
	t.Helper()
	return load(t, files(map[string]string{
		"connections/out.yaml": "connection: out\ntitle: A receiver\nconnector: http\noffline:\n  limits: " + limits + "\n",
		"flows/a.yaml":         "flow: a\ntitle: A\nowner: ops\non: payment.succeeded\nsteps:\n" + sendStep,
	}))
}

// payments sends n payments, through the balancer.
func (c *cluster) payments(n int) {
	c.t.Helper()
	for i := range n {
		c.send("pay", "payment_intent.succeeded", map[string]string{"order_id": fmt.Sprintf("SO-%d", i)})
	}
}

func TestNodesTogetherCallAConnectionNoMoreThanItAllows(t *testing.T) {
	for _, slots := range []int{1, 2, 4} {
		c := newCluster(t, limited(t, fmt.Sprintf("{concurrency: %d}", slots)), 3, 1)
		under, most := 0, 0
		c.before = func(int) { under++; most = max(most, under) }
		c.after = func(int) { under-- }
		c.world.Script(simulator.Fault{Connection: "out", Kind: simulator.Slow, Delay: time.Second, Times: 1000})
		c.payments(60)
		c.rest(2 * time.Minute)
		if most > slots {
			t.Errorf("%d calls at once, %d are allowed", most, slots)
		}
		if n := c.called("out.request.send"); n != 60 {
			t.Errorf("%d calls for 60 payments with %d slots", n, slots)
		}
	}
}

func TestNodesShareARate(t *testing.T) {
	c := newCluster(t, limited(t, "{per_second: 2}"), 3, 1)
	began := c.v.Now()
	var last time.Time
	c.before = func(int) { last = c.v.Now() }
	c.payments(60)
	c.rest(2 * time.Minute)
	if n := c.called("out.request.send"); n != 60 {
		t.Fatalf("%d calls for 60 payments", n)
	}
	if took := last.Sub(began); took < 27*time.Second || took > 45*time.Second {
		t.Errorf("60 calls at 2 a second took %v", took)
	}
}

func TestAnIdleNodeLeavesTheLimitToTheBusyOne(t *testing.T) {
	c := newCluster(t, limited(t, "{concurrency: 4}"), 3, 1)
	c.world.Script(simulator.Fault{Connection: "out", Kind: simulator.Slow, Delay: time.Second, Times: 1000})
	c.payments(9) // each node has had its part
	c.run(30 * time.Second)
	c.balance = nil
	c.life, c.intake = c.nodes[0].life, c.nodes[0].intake
	began, last := c.v.Now(), c.v.Now()
	c.after = func(int) { last = c.v.Now() }
	c.payments(80)
	c.run(2 * time.Minute)
	if took := last.Sub(began); took > 26*time.Second {
		t.Errorf("80 calls of a second over 4 slots took %v", took)
	}
}

func TestAPauseHoldsForAllNodesAtOnce(t *testing.T) {
	c := newCluster(t, limited(t, "{concurrency: 8}"), 3, 1)
	c.payments(6)
	c.run(5 * time.Second)
	before := len(c.calls)
	if _, err := c.nodes[0].engine.Act(t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbPause, Object: "out", Reason: "stocktaking"}); err != nil {
		t.Fatal(err)
	}
	c.payments(12)
	c.run(time.Minute)
	if n := len(c.calls) - before; n != 0 {
		t.Errorf("%d calls after the pause", n)
	}
	if _, err := c.nodes[1].engine.Act(t.Context(), waybill.Act{Who: "ravi", Verb: waybill.VerbResume, Object: "out", Reason: "done"}); err != nil {
		t.Fatal(err)
	}
	c.rest(2 * time.Minute)
	if n := len(c.calls) - before; n != 12 {
		t.Errorf("%d calls after it was resumed, want 12", n)
	}
}

func TestAnOutageThatOneNodeFindsIsKnownToAll(t *testing.T) {
	c := newCluster(t, oneStep(t, "  - id: write\n    do: crm.contact.upsert\n    with: {email: \"${payment.id}@example.com\"}\n"), 3, 1)
	out := true
	down(c.rig, "crm", &out, func() *http.Response { return says(503, `{}`) })
	c.payments(30)
	c.run(3 * time.Minute)
	if n := len(c.calls); n > 60 {
		t.Errorf("%d calls by three nodes during the outage", n)
	}
	if p := c.onlyProblem(); p.Cause != waybill.TheirSideDown || p.Total != 1 {
		t.Errorf("the problem is %+v", p)
	}
	out = false
	c.rest(10 * time.Minute)
	for _, run := range c.runs() {
		c.wantRun(run, waybill.RunDone, "")
	}
	c.wantNoProblem()
}

func TestWhatOneNodePublishesTheOthersServe(t *testing.T) {
	c := newCluster(t, limited(t, "{concurrency: 2}"), 3, 1)
	next := limited(t, "{concurrency: 3}")
	if err := c.nodes[2].engine.Reload(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	c.run(3 * time.Second)
	for _, n := range c.nodes {
		if got := n.engine.Workspace().Bundle; got != next.Bundle {
			t.Errorf("%s serves %.12s, not %.12s", n.name, got, next.Bundle)
		}
	}
	late := c.join("late", 0) // it brings the old folder
	if got := late.engine.Workspace().Bundle; got != next.Bundle {
		t.Errorf("a node with an old folder serves %.12s and takes the others back", got)
	}
}

func TestANodeThatCannotLoadAVersionKeepsTheOldAndSaysSo(t *testing.T) {
	c := newCluster(t, limited(t, "{concurrency: 2}"), 2, 1)
	old := c.nodes[1].engine.Workspace().Bundle
	c.unreadable = errors.New("it is of a newer program")
	if err := c.nodes[0].engine.Reload(t.Context(), limited(t, "{concurrency: 3}")); err != nil {
		t.Fatal(err)
	}
	c.run(5 * time.Second)
	if got := c.nodes[1].engine.Workspace().Bundle; got != old {
		t.Errorf("it serves %.12s", got)
	}
	self, _ := c.nodes[1].engine.Node()
	if !strings.Contains(self.Trouble, "newer program") {
		t.Errorf("it says %q", self.Trouble)
	}
}

func TestANodeThatLeavesHandsItsWorkBackAtOnce(t *testing.T) {
	c := newCluster(t, limited(t, "{concurrency: 1}"), 2, 1)
	c.world.Script(simulator.Fault{Connection: "out", Kind: simulator.Slow, Delay: 2 * time.Second, Times: 1000})
	c.payments(20)
	c.run(3 * time.Second)
	n := c.nodes[0]
	n.engine.Stop()
	c.run(3 * time.Second) // what is under way ends
	if err := n.engine.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.dead = true
	c.run(50 * time.Second)
	if got := c.called("out.request.send"); got != 20 {
		t.Errorf("%d calls for 20 payments", got)
	}
	for _, run := range c.runs() {
		c.wantRun(run, waybill.RunDone, "")
	}
}

func TestTwoProcessesOfOneNameAreToldApart(t *testing.T) {
	c := newCluster(t, limited(t, "{concurrency: 2}"), 1, 1)
	c.join("node-1", 0)
	c.run(20 * time.Second)
	names := map[string]bool{}
	for _, n := range c.nodes {
		self, ok := n.engine.Node()
		if !ok {
			t.Fatal("it is no node")
		}
		names[self.Name] = true
	}
	if len(names) != 2 {
		t.Errorf("they are called %v", names)
	}
	c.payments(10)
	c.rest(time.Minute)
	if n := c.called("out.request.send"); n != 10 {
		t.Errorf("%d calls for 10 payments", n)
	}
}

// TestAJobKeepsItsPaceHoweverManyNodesThereAre has a bulk retry of 60 go at half of four calls a second, on three nodes of
// which any may be killed while it goes.
func TestAJobKeepsItsPaceHoweverManyNodesThereAre(t *testing.T) {
	for killed := range 4 { // the last of them: nobody
		if testing.Short() && killed != 0 {
			continue
		}
		c := newCluster(t, limited(t, "{per_second: 4, concurrency: 8}"), 3, 1)
		refusing := true
		c.answer = func(_, action string) *http.Response {
			if refusing && action == "request.send" {
				return says(422, `{"message":"closed for the day"}`)
			}
			return nil
		}
		c.payments(60)
		c.rest(2 * time.Minute)
		refusing = false
		keeps := (killed + 1) % 3
		c.engine, c.calls = c.nodes[keeps].engine, nil
		j := c.plan(waybill.Job{Kind: waybill.JobRetry, Filter: waybill.JobFilter{Flow: "a"}})
		wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassNew: 60})
		c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
		began, last := c.v.Now(), c.v.Now()
		c.before = func(int) { last = c.v.Now() }
		c.run(10 * time.Second)
		if killed < 3 {
			c.nodes[killed].dead = true
		}
		j = c.until(j.ID, waybill.JobDone, 10*time.Minute)
		if n := c.called("out.request.send"); n < 60 || n > 61 || j.Counts[waybill.MemberDone]+j.Counts[waybill.MemberFailed] != 60 {
			t.Errorf("node %d killed: %d calls for 60 members, %v", killed, n, j.Counts)
		}
		if took := last.Sub(began); took < 25*time.Second || killed == 3 && took > 50*time.Second {
			t.Errorf("node %d killed: 60 calls at 2 a second took %v", killed, took)
		}
	}
}
