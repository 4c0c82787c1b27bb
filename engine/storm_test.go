package engine_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
)

// stormy has a step of each grade, each in a flow of its own, one after another in another, and a webhook with an id only.
func stormy() map[string]string {
	fs := map[string]string{}
	all := ""
	for i, g := range grades {
		name := string(rune('a' + i))
		fs["flows/"+name+".yaml"] = "flow: " + name + "\ntitle: " + name + "\nowner: ops\non: payment.succeeded\nsteps:\n" + g.step
		all += fmt.Sprintf("  - {id: s%d, set: %d}\n", i, i)
	}
	fs["flows/lane.yaml"] = "flow: lane\ntitle: Lane\nowner: ops\non: order.paid_in_full\nlane: order.?customer.?email.orValue('none')\nsteps:\n" + all +
		"  - id: deal\n    get: crm.deal.find\n    if_none: {wait: 2m}\n    if_it_fails: carry_on\n    with: {order_no: \"${order.id}\"}\n" +
		"  - id: up\n    do: crm.contact.upsert\n    with: {email: \"${order.?customer.?email.orValue('none@example.com')}\", first_name: \"${order.id}\"}\n" +
		"  - id: note\n    do: crm.note.create\n    with: {body: \"paid ${order.id}\"}\n" +
		"  - id: post\n    do: out.request.post\n    with: {path: /paid, body: {order: \"${order.id}\"}}\n"
	fs["flows/lead.yaml"] = "flow: lead\ntitle: Lead\nowner: ops\non: contact.created\nsteps:\n  - id: post\n    do: out.request.post\n    with: {path: /leads, body: {contact: \"${contact.id}\"}}\n"
	return fs
}

// TestAfterAnyStormEverythingIsDoneOrOnAPersonsList lets faults strike at random while orders come in, kills the process
// now and then, and looks what is left when the faults have stopped.
func TestAfterAnyStormEverythingIsDoneOrOnAPersonsList(t *testing.T) {
	seeds := 50
	if testing.Short() {
		seeds = 5
	}
	if n, err := strconv.Atoi(os.Getenv("WAYBILL_SEEDS")); err == nil && n > 0 {
		seeds = n
	}
	t.Attr("size", fmt.Sprintf("%d storms", seeds))
	t.Attr("seed", fmt.Sprintf("1 to %d", seeds))
	ws := load(t, files(stormy()))
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed+1), func(t *testing.T) {
			r := newRigIn(t, ws, "offline", uint64(seed+1))
			storm := map[simulator.FaultKind]float64{}
			for _, kind := range simulator.CallFaults {
				storm[kind] = 0.04
			}
			delete(storm, simulator.TokenExpired) // parks a connection until a person comes: a test of its own
			for _, kind := range simulator.WebhookFaults {
				storm[kind] = 0.1
			}
			r.world.Storm(storm)
			for i := range 12 {
				r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": fmt.Sprint("SO-", i/2)})
				if i%3 == 0 {
					r.send("crm", "contact.creation", nil)
				}
				r.run(time.Duration(r.rnd.IntN(40)) * time.Second)
				if r.rnd.IntN(4) == 0 {
					r.restart()
				}
			}
			r.world.Calm()
			r.run(time.Hour)
			for _, p := range r.problems("open") {
				if p.Cause == waybill.PermissionMissing { // its action waits for a person, who gives the permission
					r.act(string(p.ID), waybill.VerbRetry, "")
				}
			}
			r.run(8 * time.Hour)
			r.wantRest()
		})
	}
}

// wantRest checks that nothing is under way or forgotten, and that nothing guarded happened twice.
func (r *rig) wantRest() {
	t := r.t
	t.Helper()
	held := waybill.Held()
	listed := map[waybill.RunID]bool{}
	for _, run := range r.runs() {
		switch run.State {
		case waybill.RunDone, waybill.RunStopped:
		case waybill.RunBlocked:
			listed[run.ID] = true
			if run.Problem == "" {
				t.Errorf("the run %s of %s is blocked and on nobody's list: %s", run.ID, run.Flow, run.Reason)
			} else if v, err := r.book.Problem(t.Context(), run.Problem); err != nil || !v.Problem.State.Open() {
				t.Errorf("the run %s of %s is blocked and its problem is closed: %v", run.ID, run.Flow, err)
			}
			if got := r.offers(string(run.ID)); len(got) < 2 {
				t.Errorf("the blocked run %s offers %v", run.ID, got)
			}
		default:
			t.Errorf("the run %s of %s is left %s: %s", run.ID, run.Flow, run.State, run.Reason)
		}
	}
	for _, eff := range r.effects() {
		switch eff.State {
		case waybill.EffectPlanned, waybill.EffectUnknown:
			if eff.DueAt.Before(held) || !listed[eff.Run] {
				t.Errorf("%s.%s is left %s until %v: %s", eff.Connection, eff.Action, eff.State, eff.DueAt, eff.Reason)
			}
		case waybill.EffectSent:
			t.Errorf("%s.%s is left sent", eff.Connection, eff.Action)
		default: // settled
		}
	}
	for _, it := range r.items() {
		if it.State == waybill.ItemKept || it.State == waybill.ItemFetching || it.State == waybill.ItemBlocked && it.Problem == "" {
			t.Errorf("an item of %s is left %s: %s", it.Type, it.State, it.Reason)
		}
	}
	seen := map[string]int{}
	for _, x := range r.ledger {
		if x.Key != "" && x.Did == "created" {
			seen[x.Connection+" "+x.Type+" "+x.Key]++
		}
	}
	if len(seen) == 0 {
		t.Error("nothing at all happened")
	}
	for what, n := range seen {
		if n > 1 {
			t.Errorf("it happened %d times: %s", n, what)
		}
	}
}
