package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/simulator"
	"waybill/workspace"
)

// journeys are scenarios whose end must be the same wherever the process is killed on the way. Each is made of writes
// that are harmless to repeat or can be looked for, so nothing may be doubled and nothing may need a person.
var journeys = []struct {
	name  string
	flows map[string]string
	given func(r *rig)
	// typ is what each write that must not be doubled makes at its provider: connection and type, and how many in the end.
	made map[[2]string]int
}{
	{
		name: "a payment becomes a deal's new stage, a refund and a note",
		flows: map[string]string{"flows/a.yaml": `flow: a
title: A payment wins the deal
owner: ops
on: payment.succeeded
lane: payment.?order_id.orValue("none")
steps:
  - id: deal
    get: crm.deal.find
    with: {order_no: "${payment.?order_id.orValue('none')}"}
    if_none: {wait: 1m}
  - id: won
    do: crm.deal.update
    undo: restore
    with: {id: "${deal.id}", stage: closedwon}
  - id: back
    do: pay.refund.create
    with: {payment_id: "${payment.id}", amount: "${payment.amount}"}
  - id: say
    do: crm.note.create
    with: {deal_id: "${deal.id}", body: "refunded ${back.id}"}
`},
		given: func(r *rig) {
			r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": "SO-1001"})
			r.run(200 * time.Millisecond)
			r.send("pay", "charge.succeeded", map[string]string{"order_id": "SO-1002"})
		},
		made: map[[2]string]int{{"pay", "refund"}: 2, {"crm", "notes"}: 2},
	},
	{
		name: "a webhook with an id only is read, and its event starts two flows",
		flows: map[string]string{
			"flows/a.yaml": `flow: a
title: A contact is told of
owner: ops
on: contact.created
lane: contact.id
steps:
  - id: up
    do: crm.contact.upsert
    with: {email: "${contact.?email.orValue('none@example.com')}", lead_status: OPEN}
  - id: say
    do: crm.note.create
    with: {contact_id: "${contact.id}", body: "new"}
`,
			"flows/b.yaml": `flow: b
title: Another flow of the same event
owner: ops
on: contact.created
steps:
  - id: tell
    do: out.request.post
    with: {path: /contacts, body: {id: "${contact.id}"}}
`,
		},
		given: func(r *rig) { r.send("crm", "contact.creation", nil) },
		made:  map[[2]string]int{{"crm", "notes"}: 1, {"out", "document"}: 1},
	},
	{
		name: "answers are lost on the way",
		flows: map[string]string{"flows/a.yaml": `flow: a
title: A payment is given back and noted
owner: ops
on: payment.succeeded
lane: payment.?customer.?email.orValue("none")
steps:
  - id: back
    do: pay.refund.create
    with: {payment_id: "${payment.id}", amount: "${payment.amount}"}
  - id: say
    do: crm.note.create
    with: {body: "refunded ${back.id}"}
  - id: up
    do: crm.contact.upsert
    with: {email: asha@example.com, first_name: "${payment.id}"}
`},
		given: func(r *rig) {
			for _, c := range []string{"pay", "crm"} {
				r.world.Script(simulator.Fault{Connection: c, Kind: simulator.LostAfter}, simulator.Fault{Connection: c, Kind: simulator.ErrorAfter},
					simulator.Fault{Connection: c, Kind: simulator.Slow})
			}
			for _, order := range []string{"SO-1", "SO-2"} {
				r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": order, "data.object.receipt_email": "asha@example.com"})
			}
		},
		made: map[[2]string]int{{"pay", "refund"}: 2, {"crm", "notes"}: 2},
	},
}

// TestAKillAtAnyInstantChangesNothingOfTheEnd kills the process after each piece of work, before each call and after
// each call, and starts another over the same book: the end is the same, and nothing is lost or doubled.
func TestAKillAtAnyInstantChangesNothingOfTheEnd(t *testing.T) {
	kills := 0
	defer func() { t.Attr("size", fmt.Sprintf("%d journeys, %d kills", len(journeys), kills)) }()
	for _, j := range journeys {
		ws := load(t, files(j.flows))
		whole := travel(t, ws, j.given, nil)
		want := whole.standing()
		for what, n := range j.made {
			if got := whole.happened(what[0], what[1]); got != n {
				t.Fatalf("%s: uninterrupted, %d %v were made, want %d; %v", j.name, got, what, n, want)
			}
		}
		check := func(name string, r *rig) {
			t.Helper()
			kills++
			if diff := cmp.Diff(want, r.standing()); diff != "" {
				t.Errorf("%s, killed %s: another end (-whole +killed):\n%s%v", j.name, name, diff, r.problems("open"))
			}
			for what, n := range j.made {
				if got := r.happened(what[0], what[1]); got != n {
					t.Errorf("%s, killed %s: %d %v were made, want %d", j.name, name, got, what, n)
				}
			}
			_ = r.book.Close() // a server has not so many connections to give
		}
		calls := len(whole.calls)
		for n := 1; n <= calls; n++ {
			check(fmt.Sprintf("at every call from %d on, six times", n), travel(t, ws, j.given, func(r *rig) {
				r.after = func(i int) {
					if i >= n && i < n+6 {
						r.kill()
					}
				}
			}))
			check(fmt.Sprintf("before call %d", n), travel(t, ws, j.given, func(r *rig) {
				r.before = func(i int) {
					if i == n && !r.life.dead {
						r.kill()
					}
				}
			}))
			check(fmt.Sprintf("after call %d", n), travel(t, ws, j.given, func(r *rig) {
				r.after = func(i int) {
					if i == n {
						r.kill()
					}
				}
			}))
		}
		for k := 1; ; k++ {
			ended := false
			r := travelSteps(t, ws, j.given, k, &ended)
			check(fmt.Sprintf("after step %d", k), r)
			if ended || t.Failed() {
				t.Logf("%s: %d calls, %d pieces of work", j.name, calls, k)
				break
			}
		}
	}
}

func travel(t *testing.T, ws *workspace.Workspace, given func(*rig), set func(*rig)) *rig {
	t.Helper()
	r := newRig(t, ws)
	if set != nil {
		set(r)
	}
	given(r)
	for range 400 {
		r.run(10 * time.Second)
		if r.life.dead {
			r.start(ws)
		}
	}
	return r
}

// travelSteps kills after k pieces of work.
func travelSteps(t *testing.T, ws *workspace.Workspace, given func(*rig), k int, ended *bool) *rig {
	t.Helper()
	r := newRig(t, ws)
	given(r)
	end := r.v.Now().Add(20 * time.Second)
	for range k {
		if !r.v.Step(end) {
			*ended = true
			break
		}
	}
	r.restart()
	r.run(time.Hour)
	return r
}
