package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
)

// TestAnUnblockedRunWaitsForItsTurn: a run that was blocked left its lane; when it can go on while another holds that, it
// goes on after that one and before all others.
func TestAnUnblockedRunWaitsForItsTurn(t *testing.T) {
	for _, verb := range []waybill.Verb{waybill.VerbRetry, waybill.VerbSkip} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", verb, restart), func(t *testing.T) {
				fs := laned("")
				fs["flows/laned.yaml"] += afterStep
				r := newRig(t, load(t, files(fs)))
				refuse, slow := true, true
				r.answer = func(_, action string) *http.Response {
					switch {
					case refuse && action == "request.send":
						refuse = false
						return says(422, `{"error":"no"}`)
					case slow && action == "request.post":
						slow = false
						r.v.Sleep(20 * time.Second)
					}
					return nil
				}
				inLane(r, 3)
				r.run(5 * time.Second) // the first is blocked, the second is in its last call, the third waits
				runs := r.runs()
				r.wantRun(runs[0], waybill.RunBlocked, "")
				r.wantRun(runs[1], waybill.RunWaiting, "")
				r.wantRun(runs[2], waybill.RunQueued, "")
				r.act(string(runs[0].ID), verb, "go on")
				r.run(time.Second)
				if got := r.runs()[0]; got.State != waybill.RunQueued || got.Behind != runs[1].ID {
					t.Errorf("the run is %s behind %s, want queued behind %s", got.State, got.Behind, runs[1].ID)
				}
				if got := r.runs()[2]; got.Behind != runs[0].ID {
					t.Errorf("the third is behind %s, want %s", got.Behind, runs[0].ID)
				}
				r.wantNoProblem()
				if restart {
					r.restart()
				}
				r.run(10 * time.Minute)
				var ended []waybill.RunID
				for _, run := range r.runs() {
					r.wantRun(run, waybill.RunDone, "")
				}
				for _, eff := range r.effects() {
					if eff.Address == "then" {
						ended = append(ended, eff.Run)
					}
				}
				if len(ended) != 3 || ended[1] != runs[0].ID {
					t.Errorf("the order of the last steps is %v, want %s in the middle", ended, runs[0].ID)
				}
			})
		}
	}
}

// TestAProofThatComesLateDoesNotOvertakeTheLane: the same when nobody presses and a look-up or webhook settles the doubt.
func TestAProofThatComesLateDoesNotOvertakeTheLane(t *testing.T) {
	fs := map[string]string{"flows/a.yaml": "flow: a\ntitle: A\nowner: ops\non: payment.succeeded\nlane: payment.?customer.?email.orValue('none')\nsteps:\n" + messageStep + afterStep}
	r := newRig(t, load(t, files(fs)))
	var held []simulator.Webhook
	r.hold = func(h simulator.Webhook) bool {
		if h.Connection == "wa" {
			held = append(held, h)
		}
		return h.Connection == "wa"
	}
	r.world.Script(simulator.Fault{Connection: "wa", Kind: simulator.LostAfter, Times: 1},
		simulator.Fault{Connection: "out", Kind: simulator.Slow, Delay: 25 * time.Second, Times: 1})
	inLane(r, 2)
	r.run(35 * time.Second)
	runs := r.runs()
	r.wantRun(runs[0], waybill.RunBlocked, "")
	r.wantRun(runs[1], waybill.RunWaiting, "")
	r.hold = nil
	for _, h := range held {
		r.insist(h)
	}
	r.run(time.Second)
	if eff := r.effects()[0]; eff.State != waybill.EffectConfirmed {
		t.Errorf("the proof is lost: %s", eff.State)
	}
	if got := r.runs()[0]; got.State != waybill.RunQueued || got.Behind != runs[1].ID {
		t.Errorf("the run is %s behind %s", got.State, got.Behind)
	}
	r.run(time.Minute)
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
	r.wantNoProblem()
}
