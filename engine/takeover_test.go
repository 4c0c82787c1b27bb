package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
)

// give hands a payment to one node of a cluster.
func (c *cluster) give(n *node, order string) {
	c.t.Helper()
	for _, h := range c.hooks("pay", "payment_intent.succeeded", simulator.TriggerOptions{Set: map[string]string{"order_id": order}}) {
		if code := post(c.t.Context(), n.intake, h); code != http.StatusOK {
			c.t.Fatalf("the arrival was answered with %d", code)
		}
	}
}

const oneWrite = "flow: a\ntitle: A\nowner: ops\non: payment.succeeded\nsteps:\n  - id: write\n    do: out.request.send\n    with: {path: /told, body: {id: \"${payment.id}\"}}\n"

// TestWhatAKilledNodeHadNotSentIsTakenOnWithinSeconds: only what it had sent waits for the end of its longest call.
func TestWhatAKilledNodeHadNotSentIsTakenOnWithinSeconds(t *testing.T) {
	c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": oneWrite})), 2, 1)
	c.run(15 * time.Second)
	c.after = func(n int) {
		if n == 5 {
			c.nodes[0].dead = true
		}
	}
	for i := range 40 {
		c.give(c.nodes[0], fmt.Sprintf("SO-%d", i))
	}
	c.run(13 * time.Second)
	states := map[waybill.EffectState]int{}
	for _, eff := range c.effects() {
		states[eff.State]++
	}
	if states[waybill.EffectPlanned] > 0 || states[waybill.EffectConfirmed] < 40-16 || states[waybill.EffectSent] == 0 {
		t.Errorf("after 13 s: %v", states)
	}
	c.rest(5 * time.Minute)
	if got := c.happened("out", "request"); got > 40 {
		t.Errorf("%d were made", got)
	}
	for _, eff := range c.effects() {
		if eff.State == waybill.EffectPlanned || eff.State == waybill.EffectSent {
			t.Errorf("%s is left as %s", eff.ID, eff.State)
		}
	}
}

// TestNodesThatAllLoseSightOfTheBookAreNotCalledLostByTheFirstThatComesBack: it gives the others time to be heard of again.
func TestNodesThatAllLoseSightOfTheBookAreNotCalledLostByTheFirstThatComesBack(t *testing.T) {
	c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": oneWrite})), 3, 1)
	c.run(15 * time.Second)
	var before []int64
	for i, n := range c.nodes {
		now, _ := n.engine.Node()
		before = append(before, now.Epoch)
		n.cutOff = true
		c.v.After(20*time.Second+time.Duration(i)*4*time.Second, func() { n.cutOff = false })
	}
	c.run(time.Minute)
	for i, n := range c.nodes {
		if now, _ := n.engine.Node(); now.Epoch != before[i] {
			t.Errorf("%s has epoch %d now, %d before", n.name, now.Epoch, before[i])
		}
	}
}

// TestANodeThatIsToldOfWorkBeginsItAtOnce: it does not wait for its next look at the tables.
func TestANodeThatIsToldOfWorkBeginsItAtOnce(t *testing.T) {
	for _, told := range []bool{true, false} {
		c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": oneWrite})), 2, 1)
		c.run(10*time.Second + 100*time.Millisecond) // just after a look
		c.give(c.nodes[0], "SO-1")
		c.nodes[0].engine.Stop() // it hands back what it has begun with
		c.nodes[0].dead = true
		if told {
			for range 100 {
				c.nodes[1].engine.Wake()
			}
		}
		c.run(250 * time.Millisecond)
		if got := len(c.runs()) > 0; got != told {
			t.Errorf("told %v: begun within 250 ms: %v", told, got)
		}
		c.rest(time.Minute)
	}
}

// TestOneNodeAtATimeUsesARefreshTokenThatRotates plays a system that ends the whole sign-in when a refresh token comes
// twice, and whose tokens are good until the next one is given.
func TestOneNodeAtATimeUsesARefreshTokenThatRotates(t *testing.T) {
	ws := load(t, rotating())
	c := newCluster(t, ws, 2, 1)
	for name, sealed := range ws.Connections["own"].Secrets {
		c.secrets[sealed] = name + "-0"
	}
	good, given, ended := "", 0, false
	refused := 0
	c.own = func(action string, req *http.Request) *http.Response {
		if action != "" {
			if req.Header.Get("Authorization") != "Bearer "+good {
				refused++
				return says(401, `{"error":"expired"}`)
			}
			return says(200, `{"id":"n1"}`)
		}
		c.v.Sleep(400 * time.Millisecond) // the other node comes meanwhile
		want := fmt.Sprintf("r%d", given)
		if given == 0 {
			want = "refresh_token-0"
		}
		if ended = ended || req.FormValue("refresh_token") != want; ended {
			return says(400, `{"error":"invalid_grant"}`)
		}
		given++
		good = fmt.Sprintf("a%d", given)
		return says(200, fmt.Sprintf(`{"access_token":%q,"refresh_token":"r%d","expires_in":600}`, good, given))
	}
	for round := range 3 {
		for i, n := range c.nodes {
			c.give(n, fmt.Sprintf("SO-%d-%d", round, i))
		}
		c.run(20 * time.Minute) // the token ends meanwhile
	}
	if ended || given != 3 || refused > 0 {
		t.Errorf("ended %v, %d tokens given, %d calls refused", ended, given, refused)
	}
	for _, run := range c.runs() {
		c.wantRun(run, waybill.RunDone, "")
	}
	if n := len(c.runs()); n != 6 {
		t.Errorf("%d runs", n)
	}
}
