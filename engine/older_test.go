package engine_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
)

// hasNewer makes the last node of a cluster publish a workspace that the other cannot load, as one does that runs a newer program.
func (c *cluster) hasNewer(flows map[string]string) (older, newer *node) {
	c.t.Helper()
	older, newer = c.nodes[0], c.nodes[1]
	older.unreadable = errors.New("flows/a.yaml:1: this version of Waybill does not know that")
	c.run(15 * time.Second)
	if err := newer.engine.Reload(c.t.Context(), load(c.t, files(flows))); err != nil {
		c.t.Fatal(err)
	}
	c.run(5 * time.Second)
	if n, _ := older.engine.Node(); n.Trouble == "" {
		c.t.Fatal("the older one can load it")
	}
	return older, newer
}

func TestANodeThatCannotLoadTheNewestVersionLeavesItsSchedulesToThoseThatCan(t *testing.T) {
	hourly := strings.Replace(morning, `"0 9 * * *"`, `"0 * * * *"`, 1)
	c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": hourly})), 2, 1)
	c.hasNewer(map[string]string{"flows/a.yaml": strings.Replace(hourly, `"0 * * * *"`, `"*/10 * * * *"`, 1)})
	c.run(time.Hour)
	if got := c.happened("crm", "notes"); got != 6 {
		t.Errorf("%d ticks in an hour, want 6", got)
	}
}

const restsAMinute = "flow: a\ntitle: A\nowner: ops\non: payment.succeeded\nsteps:\n  - {id: rest, wait: 1m}\n  - id: write\n    do: out.request.send\n    with: {path: /told, body: {id: \"${payment.id}\"}}\n"

func TestANodeThatCannotLoadTheVersionOfARunLeavesItToThoseThatCan(t *testing.T) {
	c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": oneWrite})), 2, 1)
	older, newer := c.hasNewer(map[string]string{"flows/a.yaml": restsAMinute})
	for i := range 8 {
		c.give(newer, string(rune('A'+i)))
		c.run(1300 * time.Millisecond)
	}
	c.rest(5 * time.Minute)
	for _, run := range c.runs() {
		c.wantRun(run, waybill.RunDone, "")
	}
	c.give(newer, "last")
	c.run(10 * time.Second)
	newer.dead = true // nobody is left who can
	c.run(2 * time.Minute)
	if runs := c.runs(); runs[0].State != waybill.RunBlocked && runs[len(runs)-1].State != waybill.RunBlocked {
		t.Errorf("what nobody can take on is on no list: %v", runs)
	}
	if n, _ := older.engine.Node(); n.Trouble == "" {
		t.Error("the older one does not say so")
	}
}

func TestAnEventThatComesToANodeThatIsBehindReachesTheRunThatWaitsForIt(t *testing.T) {
	for _, can := range []bool{true, false} {
		ws := load(t, files(map[string]string{"flows/a.yaml": oneWrite}))
		c := newCluster(t, ws, 2, 1)
		older, newer := c.nodes[0], c.nodes[1]
		next := map[string]string{"flows/a.yaml": waitingFor}
		if can {
			c.run(15 * time.Second)
			older.loads = 300 * time.Millisecond // it takes a moment until it has followed
			if err := newer.engine.Reload(t.Context(), load(t, files(next))); err != nil {
				t.Fatal(err)
			}
		} else {
			c.hasNewer(next)
		}
		err := newer.engine.Tell("pay", "payment.pending", map[string]any{
			"id": "pay_1", "status": "pending", "amount": map[string]any{"minor": int64(1), "currency": "USD"}, "order_id": "SO-1",
		})
		if err != nil {
			t.Fatal(err)
		}
		c.give(older, "SO-1")
		c.rest(time.Minute)
		for _, run := range c.runs() {
			if run.Flow == "wait-for-payment" {
				c.wantRun(run, waybill.RunDone, "")
			}
		}
		if got := c.happened("crm", "notes"); got != 1 {
			t.Errorf("can load it %v: %d were thanked", can, got)
		}
	}
}

func TestANodeThatIsBehindLeavesTheCallsOfAConnectionThatItDoesNotKnow(t *testing.T) {
	c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": oneWrite})), 2, 1)
	next := map[string]string{
		"flows/a.yaml":           strings.Replace(oneWrite, "do: out.", "do: other.", 1),
		"connections/other.yaml": "connection: other\ntitle: Another receiver\nconnector: http\n",
	}
	for _, sealed := range load(t, files(next)).Connections["other"].Secrets {
		c.secrets[sealed] = "a key"
	}
	_, newer := c.hasNewer(next)
	tries := 0
	c.answer = func(connection, _ string) *http.Response {
		if tries++; tries <= 3 { // it waits for its next try in the table
			return says(429, `{}`, "Retry-After", "7")
		}
		return says(200, `{}`)
	}
	for i := range 6 {
		tries = 0
		c.give(newer, fmt.Sprintf("SO-%d", i))
		c.run(time.Minute)
	}
	c.rest(5 * time.Minute)
	for _, run := range c.runs() {
		c.wantRun(run, waybill.RunDone, "")
	}
	if n := len(c.runs()); n != 6 {
		t.Errorf("%d runs", n)
	}
}

func TestANodeThatCannotLoadTheNewestVersionCarriesNoJobs(t *testing.T) {
	next := strings.Replace(oneWrite, "path: /told", "path: /again", 1)
	for seed := range uint64(12) { // another node would carry each of them
		c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": oneWrite})), 2, seed+1)
		for i := range 3 {
			c.give(c.nodes[0], fmt.Sprintf("SO-%d", i))
		}
		_, newer := c.hasNewer(map[string]string{"flows/a.yaml": next + "  - id: more\n    do: out.request.send\n    with: {path: /more, body: {id: \"${payment.id}\"}}\n"})
		c.engine = newer.engine
		j := c.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "a"}})
		c.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
		c.until(j.ID, waybill.JobDone, 5*time.Minute)
	}
}

func TestANodeThatIsBehindServesAgainOnceTheVersionThatItHasIsPublishedAnew(t *testing.T) {
	ws := load(t, files(map[string]string{"flows/a.yaml": oneWrite}))
	c := newCluster(t, ws, 2, 1)
	older, newer := c.hasNewer(map[string]string{"flows/a.yaml": restsAMinute})
	if err := newer.engine.Reload(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	c.run(5 * time.Second)
	if n, _ := older.engine.Node(); n.Trouble != "" {
		t.Errorf("it still says: %s", n.Trouble)
	}
	newer.still = true // it does not take anything on, and is not called lost yet
	c.give(older, "SO-1")
	c.run(2 * time.Second)
	if runs := c.runs(); len(runs) != 1 || runs[0].State != waybill.RunDone {
		t.Errorf("it does not serve: %v", runs)
	}
}
