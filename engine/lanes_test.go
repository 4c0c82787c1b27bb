package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
)

// laned is a flow whose runs for one order follow each other.
func laned(extra string) map[string]string {
	return map[string]string{"flows/laned.yaml": `flow: laned
title: One at a time
owner: ops
on: payment.succeeded
lane: payment.?customer.?email.orValue("none")
` + extra + `steps:
  - id: tell
    do: out.request.send
    with: {path: /orders, body: {payment: "${payment.id}"}}
`}
}

// inLane sends n payments of one customer.
func inLane(r *rig, n int) {
	r.t.Helper()
	for i := range n {
		for _, h := range r.hooks("pay", "payment_intent.succeeded", simulator.TriggerOptions{
			Set: map[string]string{"order_id": fmt.Sprintf("SO-%d", i), "data.object.receipt_email": "asha@example.com"},
		}) {
			r.deliver(r.t.Context(), h)
		}
	}
}

func TestRunsOfOneLaneFollowEachOtherInTheOrderOfAcceptance(t *testing.T) {
	r := newRig(t, load(t, files(laned(""))))
	var under, most int
	r.before = func(int) { under++; most = max(most, under) }
	r.after = func(int) { under-- }
	r.world.Script(simulator.Fault{Connection: "out", Kind: simulator.Slow, Delay: 5 * time.Second, Times: 3})
	inLane(r, 3)
	r.run(time.Second)
	if under != 1 {
		t.Fatalf("%d calls under way, want 1", under)
	}
	r.run(time.Minute)
	if most != 1 {
		t.Errorf("%d calls at once in one lane", most)
	}
	var last time.Time
	for _, eff := range r.effects() {
		if !eff.SentAt.After(last) {
			t.Errorf("%s was sent at %v, not after %v", eff.ID, eff.SentAt, last)
		}
		last = eff.SentAt
	}
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
}

// behind says whether a flow holds those behind a blocked run.
func behind(hold bool) string {
	if hold {
		return "behind_blocked: hold\n"
	}
	return ""
}

// blockedFirst is a lane whose first call is refused.
func blockedFirst(t *testing.T, hold bool) *rig {
	t.Helper()
	r := newRig(t, load(t, files(laned(behind(hold)))))
	refuse := true
	r.answer = func(connection, _ string) *http.Response {
		if refuse && connection == "out" {
			refuse = false
			return says(422, `{"error":"no"}`)
		}
		return nil
	}
	return r
}

func TestABlockedRunLetsTheNextPassUnlessTheFlowHolds(t *testing.T) {
	for _, hold := range []bool{false, true} {
		t.Run(fmt.Sprintf("hold %v", hold), func(t *testing.T) {
			r := blockedFirst(t, hold)
			inLane(r, 3)
			r.run(time.Minute)
			runs := r.runs()
			r.wantRun(runs[0], waybill.RunBlocked, "")
			next := waybill.RunDone
			if hold {
				next = waybill.RunQueued
			}
			r.wantRun(runs[1], next, "")
			r.wantRun(runs[2], next, "")
			r.act(string(runs[0].ID), waybill.VerbStop, "not needed")
			r.run(time.Minute)
			runs = r.runs()
			r.wantRun(runs[0], waybill.RunStopped, "stopped by asha")
			r.wantRun(runs[1], waybill.RunDone, "")
			r.wantRun(runs[2], waybill.RunDone, "")
			r.wantNoProblem()
		})
	}
}

// TestWhatRunsAgainKeepsItsPlaceInALaneThatHolds: those behind a blocked run do not pass it when it is run again on the version
// of today.
func TestWhatRunsAgainKeepsItsPlaceInALaneThatHolds(t *testing.T) {
	for _, hold := range []bool{true, false} {
		t.Run(fmt.Sprintf("hold %v", hold), func(t *testing.T) {
			r := blockedFirst(t, hold)
			for range 3 {
				inLane(r, 1)
				r.run(10 * time.Millisecond)
			}
			r.run(time.Minute)
			if err := r.engine.Reload(t.Context(), load(t, files(laned(behind(hold)+"columns: [payment.id]\n")))); err != nil {
				t.Fatal(err)
			}
			first := r.runs()[0]
			j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{IDs: []string{string(first.ID)}}})
			r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
			r.run(10 * time.Minute)
			var order []waybill.EventID
			for _, eff := range r.effects() {
				if eff.State == waybill.EffectConfirmed {
					order = append(order, eff.Event)
				}
			}
			place := 2 // the others have passed
			if hold {
				place = 0
			}
			if len(order) != 3 || order[place] != first.Event {
				t.Errorf("sent in the order %v; the one that ran again is of %s", order, first.Event)
			}
			r.wantRun(r.runs()[0], waybill.RunStopped, "")
			for _, run := range r.runs()[1:] {
				r.wantRun(run, waybill.RunDone, "")
			}
			r.wantNoProblem()
		})
	}
}

func TestAQueuedRunIsFoundAgainAfterARestart(t *testing.T) {
	r := newRig(t, load(t, files(laned(""))))
	r.world.Script(simulator.Fault{Connection: "out", Kind: simulator.Slow, Delay: 5 * time.Second, Times: 1})
	inLane(r, 3)
	r.run(time.Second)
	r.restart()
	r.run(10 * time.Minute)
	runs := r.runs()
	r.wantRun(runs[0], waybill.RunBlocked, "") // a write that nothing makes harmless to repeat, and whose answer is lost
	r.wantRun(runs[1], waybill.RunDone, "")
	r.wantRun(runs[2], waybill.RunDone, "")
}
