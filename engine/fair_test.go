package engine_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

const postStep = "steps:\n  - id: write\n    do: out.request.post\n    with: {path: /orders, body: {payment: \"${payment.id}\"}}\n"

// hanging is a workspace whose every payment is written to the CRM by one flow and to another receiver by the other.
func hanging(t *testing.T) *rig {
	t.Helper()
	return newRig(t, load(t, files(map[string]string{
		"flows/crm.yaml": "flow: crm\ntitle: CRM\nowner: ops\non: payment.succeeded\nsteps:\n  - id: up\n    do: crm.contact.upsert\n    with: {email: \"${payment.id}@example.com\"}\n",
		"flows/out.yaml": "flow: out\ntitle: Out\nowner: ops\non: payment.succeeded\n" + postStep,
	})))
}

// latencies sends payments 10 ms apart, the receiver taking 5 ms for each call and the CRM crm, and returns how long each
// took from its acceptance to the receiver's answer, sorted.
func latencies(t *testing.T, crm time.Duration) []time.Duration {
	t.Helper()
	r := hanging(t)
	r.before = func(n int) {
		if strings.HasPrefix(r.calls[n-1], "crm.") {
			r.v.Sleep(crm)
			return
		}
		r.v.Sleep(5 * time.Millisecond)
	}
	pay := func(n int) {
		for range n {
			r.send("pay", "payment_intent.succeeded", nil)
			r.run(10 * time.Millisecond)
		}
	}
	pay(190)
	r.run(28 * time.Second)
	pay(60) // while the first calls of one that hangs end
	r.run(time.Second)
	var list []time.Duration
	runs := r.runs()
	err := r.book.View(t.Context(), func(tx *record.Tx) error {
		for _, run := range runs {
			if run.Flow != "out" {
				continue
			}
			r.wantRun(run, waybill.RunDone, "")
			ev, err := tx.Event(run.Event)
			if err != nil {
				return err
			}
			list = append(list, run.EndedAt.Sub(ev.AcceptedAt))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func TestAConnectionThatHangsDelaysNobodyElse(t *testing.T) {
	well, hangs := latencies(t, 5*time.Millisecond), latencies(t, 30*time.Second)
	p99 := func(list []time.Duration) time.Duration { return list[len(list)*99/100] }
	if len(hangs) < 90 || p99(well) == 0 {
		t.Fatalf("%d measured, p99 %v without", len(hangs), p99(well))
	}
	if p99(hangs) > p99(well)*110/100 {
		t.Errorf("p99 of the others is %v while one hangs, %v else: more than a tenth above", p99(hangs), p99(well))
	}
}

// TestAFlowWithALongBacklogDelaysNoOther lets one flow have 1,500 writes to make at 10 a second when another's comes.
func TestAFlowWithALongBacklogDelaysNoOther(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restarted ", restart), func(t *testing.T) {
			r := newRig(t, load(t, files(map[string]string{
				"connections/out.yaml": "connection: out\ntitle: A receiver\nconnector: http\nlimits: {per_second: 10, burst: 1}\n",
				"flows/bulk.yaml": "flow: bulk\ntitle: Bulk\nowner: ops\non: payment.succeeded\nsteps:\n  - id: many\n    each: \"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(n, {'n': n})\"\n    as: one\n    by: one.n\n" +
					"    steps:\n      - id: write\n        do: out.request.post\n        with: {path: /bulk, body: {n: \"${one.n}\"}}\n",
				"flows/few.yaml": "flow: few\ntitle: Few\nowner: ops\non: contact.created\nsteps:\n  - id: write\n    do: out.request.post\n    with: {path: /leads, body: {contact: \"${contact.id}\"}}\n",
			})))
			for range 150 {
				r.send("pay", "payment_intent.succeeded", nil)
			}
			r.run(3 * time.Second)
			r.send("crm", "contact.creation", nil)
			if restart {
				r.restart()
			}
			r.run(8 * time.Second)
			for _, run := range r.runs() {
				if run.Flow == "few" {
					r.wantRun(run, waybill.RunDone, "")
				}
			}
			if n := r.called("out.request.post"); n > 130 {
				t.Errorf("%d calls in 11 s at 10 a second", n)
			}
		})
	}
}

func TestAfterAnOutageTheBacklogIsWorkedOffSlowlyAtFirst(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{
		"connections/out.yaml": "connection: out\ntitle: A receiver\nconnector: http\nlimits: {per_second: 20, burst: 1, concurrency: 8, catch_up: 4}\n",
		"flows/out.yaml":       "flow: out\ntitle: Out\nowner: ops\non: payment.succeeded\n" + postStep,
	})))
	out := true
	down(r, "out", &out, func() *http.Response { return says(503, `{}`) })
	for range 100 {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(time.Minute)
	out = false
	for len(r.problems("open")) > 0 {
		r.run(time.Second)
	}
	before := len(r.calls)
	r.run(10 * time.Second)
	if n := len(r.calls) - before; n < 30 || n > 45 {
		t.Errorf("%d calls in the first 10 s after the outage, at a catch-up rate of 4 a second", n)
	}
	r.run(time.Minute)
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
	before = len(r.calls)
	for range 40 {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(3 * time.Second)
	if n := len(r.calls) - before; n != 40 {
		t.Errorf("%d of 40 calls in 3 s at 20 a second, once the backlog is worked off", n)
	}
}
