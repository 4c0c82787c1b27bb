package engine_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

// untilContact waits a day unless the customer becomes a contact; contacts are told by webhooks that carry ids only.
var untilContact = strings.Replace(reminder, "steps:", `when: has(payment.customer.email)
cancel_on: {event: contact.created, match: {contact.email: payment.customer.email}, reason: it is a contact now}
steps:`, 1)

// becomeContact sends the webhook of a new contact, whose data must be read.
func (r *rig) becomeContact(email string) {
	r.t.Helper()
	r.answer = func(_, action string) *http.Response {
		if action != "contact.get" {
			return nil
		}
		return says(200, `{"id":"1","properties":{"email":"`+email+`"},"createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-01T00:00:00Z"}`)
	}
	r.send("crm", "contact.creation", nil)
}

func TestATimerWaitsForWhatWasAcceptedBeforeIt(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": untilContact})))
	r.pay("payment.pending", "pay_1", nil)
	r.run(24*time.Hour - 2*time.Second)
	r.before = func(int) { r.v.Sleep(5 * time.Second) } // the read of the contact takes longer than the timer
	r.becomeContact("asha@example.com")
	r.run(4 * time.Second)
	r.before = nil
	if run := r.onlyRun(); run.State != waybill.RunWaiting || r.called("crm.note.create") != 0 {
		t.Fatalf("the timer fired at its time: %s (%s)", run.State, run.Reason)
	}
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "it is a contact now")
	if r.called("crm.note.create") != 0 {
		t.Error("it was reminded")
	}
}

func TestADeadConnectionHoldsATimerForAQuarterOfAnHourAtMost(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": untilContact, "flows/b.yaml": strings.Replace(reminder, "flow: reminder", "flow: unrelated", 1)})))
	r.pay("payment.pending", "pay_1", nil)
	r.run(23 * time.Hour)
	r.answer = func(_, action string) *http.Response {
		if action == "contact.get" {
			return says(503, "")
		}
		return nil
	}
	r.send("crm", "contact.creation", nil)
	r.run(time.Hour + 10*time.Minute)
	state := map[string]waybill.RunState{}
	for _, run := range r.runs() {
		state[run.Flow] = run.State
	}
	if state["reminder"] != waybill.RunWaiting {
		t.Errorf("the timer that the contact may matter to: %v", state)
	}
	var reminded bool
	for _, eff := range r.effects() {
		reminded = reminded || eff.Flow == "unrelated"
	}
	if !reminded {
		t.Errorf("a timer that it cannot matter to is held: %v", state)
	}
	r.run(6 * time.Minute)
	var late bool
	for _, eff := range r.effects() {
		late = late || eff.Flow == "reminder"
	}
	if !late {
		t.Error("the timer is held for longer than a quarter of an hour")
	}
}

const dueSoon = `flow: due
title: A payment is looked for when its time has come
owner: ops
on: payment.pending
when: has(payment.created_at)
steps:
  - {id: pause, wait: {until: "${payment.created_at}", plus: 1d}}
  - id: remind
    do: crm.note.create
    still: payment.status == "pending"
    with: {body: "remind ${payment.id}"}
`

func TestTheEndOfAWaitMovesWithItsField(t *testing.T) {
	for _, c := range []struct {
		name  string
		moved time.Duration // the new created_at, from the start
		at    time.Duration // when that is told
		due   time.Duration
	}{
		{"later", 48 * time.Hour, time.Hour, 72 * time.Hour},
		{"sooner", 2 * time.Hour, time.Hour, 26 * time.Hour},
		{"into the past", -48 * time.Hour, time.Hour, time.Hour},
	} {
		r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": dueSoon})))
		r.seldom()
		created := func(d time.Duration) func(map[string]any) {
			return func(data map[string]any) { data["created_at"] = rigStart.Add(d).Format(time.RFC3339) }
		}
		r.pay("payment.pending", "pay_1", created(12*time.Hour))
		r.run(c.at)
		r.pay("payment.authorized", "pay_1", func(d map[string]any) {
			created(c.moved)(d)
			d["status"] = "pending"
		})
		r.run(time.Second)
		if left := c.due - c.at; left > 0 {
			r.run(left - 2*time.Second)
			if r.called("crm.note.create") != 0 {
				t.Errorf("%s: reminded before %s", c.name, c.due)
			}
			r.run(2 * time.Second)
		}
		r.run(time.Second)
		if r.called("crm.note.create") != 1 {
			run := r.onlyRun()
			t.Errorf("%s: not reminded at %s: %s, %s", c.name, c.due, run.Reason, run.DueAt)
		}
	}
}

func TestStillIsAskedOnTheNewestFact(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": dueSoon})))
	created := func(d map[string]any) { d["created_at"] = rigStart.Format(time.RFC3339) }
	r.pay("payment.pending", "pay_1", created)
	r.run(time.Hour)
	r.pay("payment.authorized", "pay_1", created)
	r.pay("payment.authorized", "pay_2", created) // another one
	r.run(25 * time.Hour)
	r.wantRun(r.onlyRun(), waybill.RunDone, "is no longer so: payment.status is authorized")
	if r.called("crm.note.create") != 0 {
		t.Error("it was reminded")
	}
}

// waitingTravels are the flows of which a kill at any instant changes nothing.
var waitingTravels = map[string]struct {
	flow  string
	given func(r *rig)
	notes []string
}{
	"a timer": {reminder, func(r *rig) { r.pay("payment.pending", "pay_1", nil) }, []string{"remind pay_1"}},
	"an event that cancels": {unless, func(r *rig) {
		r.pay("payment.pending", "pay_1", order("SO-1"))
		r.v.After(20*time.Hour, func() { r.insistPay("payment.succeeded", "pay_2", order("SO-1")) })
	}, nil},
	"a cancel at the very time": {unless, func(r *rig) {
		r.pay("payment.pending", "pay_1", order("SO-1"))
		r.v.After(24*time.Hour-time.Millisecond, func() { r.insistPay("payment.succeeded", "pay_2", order("SO-1")) })
	}, nil},
	"an event that is waited for, in a lane": {waitingFor, func(r *rig) {
		r.pay("payment.pending", "pay_1", order("SO-1"))
		r.v.After(20*time.Hour, func() { r.insistPay("payment.succeeded", "pay_2", order("SO-1")) })
	}, []string{"paid by pay_2"}},
	"an event that does not come": {strings.Replace(waitingFor, "timeout: 3d", "timeout: 1d", 1), func(r *rig) {
		r.pay("payment.pending", "pay_1", order("SO-1"))
	}, []string{"no payment for pay_1"}},
}

// insistPay tells an event once a process lives.
func (r *rig) insistPay(typ, id string, change func(map[string]any)) {
	if r.life.dead {
		r.v.After(time.Second, func() { r.insistPay(typ, id, change) })
		return
	}
	r.pay(typ, id, change)
}

func TestAKillAtAnyInstantAcrossAWaitChangesNothing(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 5
	}
	kills := 0
	defer func() { t.Attr("size", fmt.Sprintf("%d journeys, %d kills", len(waitingTravels), kills)) }()
	for name, c := range waitingTravels {
		ws := load(t, files(map[string]string{"flows/a.yaml": c.flow}))
		for k := 1; ; k += step {
			kills++
			r := newRig(t, ws)
			r.sweep = 12 * time.Hour
			r.restart()
			c.given(r)
			ended := false
			end := r.v.Now().Add(25 * time.Hour)
			for range k {
				if !r.v.Step(end) {
					ended = true
					break
				}
			}
			r.restart()
			r.run(26 * time.Hour)
			run := r.onlyRun()
			r.wantNotes(c.notes...)
			if n := r.happened("crm", "notes"); run.State != waybill.RunDone || n != len(c.notes) || t.Failed() {
				t.Fatalf("%s, killed after %d pieces of work: %s (%s), %d notes", name, k, run.State, run.Reason, n)
			}
			if err := r.book.View(t.Context(), func(tx *record.Tx) error {
				hits, err := tx.Hits(run.ID)
				if len(hits) > 0 {
					t.Errorf("%s: hits are left", name)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := r.book.Close(); err != nil {
				t.Fatal(err)
			}
			if ended {
				t.Logf("%s: %d pieces of work", name, k)
				break
			}
		}
	}
}

// TestARunFinishesOnItsVersion: a workspace without the wait takes over while a run waits; the event still ends it.
func TestAWaitIsEndedByItsEventAfterTheFlowWasTakenAway(t *testing.T) {
	ws := load(t, files(map[string]string{"flows/a.yaml": unless}))
	none := load(t, files(map[string]string{"flows/b.yaml": strings.Replace(reminder, "payment.pending", "payment.failed", 1)}))
	for _, how := range []string{"reloaded", "restarted"} {
		r := newRig(t, ws)
		r.pay("payment.pending", "pay_1", order("SO-1"))
		r.run(time.Minute)
		if how == "reloaded" {
			if err := r.engine.Reload(t.Context(), none); err != nil {
				t.Fatal(err)
			}
		} else {
			r.kill()
			r.start(none)
		}
		r.pay("payment.succeeded", "pay_2", order("SO-1"))
		r.run(time.Minute)
		run := r.onlyRun()
		if run.State != waybill.RunDone || run.Reason != "the customer paid" {
			t.Errorf("%s: the run is %s (%s)", how, run.State, run.Reason)
		}
	}
}

func TestAnEventThatNobodyWaitsForCostsNothing(t *testing.T) {
	for flow, want := range map[string]int{reminder: 0, unless: 0, waitingFor: 0, dueSoon: 1} {
		r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": flow})))
		if got := r.engine.Awaited("payment.pending", "payment"); got != want {
			t.Errorf("an event that no flow waits for is looked for in %d ways, want %d:\n%s", got, want, flow)
		}
	}
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": unless})))
	if got := r.engine.Awaited("payment.succeeded", "payment"); got != 1 {
		t.Errorf("one that is waited for is looked for in %d ways, want 1", got)
	}
}

// TestAHundredThousandWaitingRunsCostNoGoroutineAndNoMemory counts what waiting runs hold in the process: nothing.
func TestAHundredThousandWaitingRunsCostNoGoroutineAndNoMemory(t *testing.T) {
	const most = 100_000
	n := most
	if testing.Short() {
		n = 2_000
	}
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": unless})))
	book := r.book
	r.sweep = 10 * time.Minute
	r.restart()
	tell := func(from, to int) {
		for i := from; i < to; i++ {
			r.pay("payment.pending", fmt.Sprintf("pay_%d", i), order(fmt.Sprintf("SO-%d", i)))
		}
	}
	tell(0, n/10)
	r.run(time.Second)
	before, held, timers, heap := runtime.NumGoroutine(), r.engine.Held(), r.v.Timers(), heapNow()
	tell(n/10, n)
	r.run(time.Second)
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines, %d before", after, before)
	}
	if now := r.engine.Held(); now != held {
		t.Errorf("the engine holds %d pieces of work, %d before", now, held)
	}
	if now := r.v.Timers(); now > timers+5 {
		t.Errorf("%d timers, %d before", now, timers)
	}
	if grown := heapNow() - heap; grown > 8<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
	waiting := 0
	if err := book.View(t.Context(), func(tx *record.Tx) error {
		list, err := tx.DueRuns(rigStart.Add(48*time.Hour), n+1)
		waiting = len(list)
		return err
	}); err != nil || waiting != n {
		t.Fatalf("%d runs wait, want %d: %v", waiting, n, err)
	}
	r.pay("payment.succeeded", "pay_x", order("SO-7"))
	r.run(time.Second)
	done := 0
	for _, run := range r.runsIn(waybill.RunDone) {
		r.wantRun(run, waybill.RunDone, "the customer paid")
		done++
	}
	if done != 1 {
		t.Errorf("%d runs ended by the event, want 1", done)
	}
}

// heapNow is what the heap holds; the book in memory is not on it.
func heapNow() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func (r *rig) runsIn(state waybill.RunState) []waybill.Run {
	r.t.Helper()
	list, _, err := r.book.Runs(r.t.Context(), waybill.ListFilter{Limit: 200, State: string(state)})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}
