package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill"
)

// chain is a workspace of n flows that start each other, the last with a write.
func chain(n int) map[string]string {
	var events strings.Builder
	events.WriteString("noun: ping\ntitle: Ping\nsubject: [\"Ping ${id}\"]\nschema:\n  type: object\n  required: [id]\n  properties:\n    id: {type: string}\nevents:\n")
	fs := map[string]string{}
	for i := range n + 1 {
		fmt.Fprintf(&events, "  e%d: {title: Ping %d, rank: 10, fact: the ping}\n", i, i)
		if i < n {
			fs[fmt.Sprintf("flows/f%d.yaml", i)] = fmt.Sprintf("flow: f%d\ntitle: F\nowner: ops\non: ping.e%d\nsteps:\n  - id: out\n    emit: ping.e%d\n    with: {id: \"${ping.id}\"}\n%s",
				i, i, i+1, strings.ReplaceAll(afterStep, "payment", "ping"))
		}
	}
	fs["events/ping.yaml"] = events.String()
	return fs
}

func TestAChainOfEmitsEndsAfterEightHopsOnAPersonsList(t *testing.T) {
	r := newRig(t, load(t, files(chain(10))))
	if err := r.engine.Tell("out", "ping.e0", map[string]any{"id": "p1"}); err != nil {
		t.Fatal(err)
	}
	r.run(time.Minute)
	if n := len(r.events()); n != 9 {
		t.Errorf("%d events, want the first and eight hops: %v", n, r.events())
	}
	blocked := 0
	for _, run := range r.runs() {
		if run.State == waybill.RunBlocked {
			blocked++
			r.wantRun(run, waybill.RunBlocked, "chain")
			r.act(string(run.ID), waybill.VerbRetry, "") // and stops there again
			r.run(time.Minute)
		} else {
			r.wantRun(run, waybill.RunDone, "")
		}
	}
	if blocked != 1 || len(r.events()) != 9 {
		t.Errorf("%d blocked; events %v", blocked, r.events())
	}
	p := r.onlyProblem()
	if p.Cause != waybill.BlockedByRule {
		t.Errorf("the problem is %+v", p)
	}
	for _, run := range r.runs() {
		if run.State == waybill.RunBlocked {
			r.act(string(run.ID), waybill.VerbStop, "enough")
		}
	}
	r.wantNoProblem()
}

func TestWhatAKillLeavesOfAChainIsEmittedOnce(t *testing.T) {
	ws := load(t, files(chain(5)))
	for k := range 30 {
		r := newRig(t, ws)
		if err := r.engine.Tell("out", "ping.e0", map[string]any{"id": "p1"}); err != nil {
			t.Fatal(err)
		}
		end := r.v.Now().Add(time.Minute)
		for range k {
			r.v.Step(end)
		}
		r.restart()
		r.run(time.Hour)
		if n := len(r.events()); n != 6 {
			t.Errorf("killed after %d steps: %d events", k, n)
		}
		for _, run := range r.runs() {
			r.wantRun(run, waybill.RunDone, "")
		}
		if n := r.happened("out", "document"); n != 5 {
			t.Errorf("killed after %d steps: %d writes, want 5", k, n)
		}
	}
}
