package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/record"
	"waybill/simulator"
)

// reminder is a flow that notes an order, waits a day and reminds, unless the payment comes.
const reminder = `flow: reminder
title: A payment is looked for after a day
owner: ops
on: payment.pending
steps:
  - {id: pause, wait: 1d}
  - id: remind
    do: crm.note.create
    with: {body: "remind ${payment.id}"}
`

// pay makes a payment event of a type, as an item would tell it.
func (r *rig) pay(typ, id string, change func(map[string]any)) {
	r.t.Helper()
	data := map[string]any{
		"id": id, "status": strings.TrimPrefix(typ, "payment."), "amount": map[string]any{"minor": int64(129900), "currency": "INR"},
		"customer": map[string]any{"email": "asha@example.com"},
	}
	if change != nil {
		change(data)
	}
	if err := r.engine.Tell("pay", typ, data); err != nil {
		r.t.Fatal(err)
	}
}

func order(id string) func(map[string]any) {
	return func(d map[string]any) { d["order_id"] = id }
}

func TestAWaitEndsWhenItsTimeHasCome(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": reminder})))
	r.pay("payment.pending", "pay_1", nil)
	r.run(24*time.Hour - time.Millisecond)
	run := r.onlyRun()
	r.wantRun(run, waybill.RunWaiting, "waits until Fri 2 Jan 2026 14:30")
	if want := rigStart.Add(24 * time.Hour); !run.DueAt.Equal(want) {
		t.Errorf("due at %s, want %s", run.DueAt, want)
	}
	if r.called("crm.note.create") != 0 {
		t.Error("it was reminded too early")
	}
	r.run(2 * time.Millisecond) // not only at the next sweep
	if r.called("crm.note.create") != 1 {
		t.Error("it was not reminded on time")
	}
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
}

// unless is the same with an event that ends it.
var unless = strings.Replace(reminder, "steps:", `cancel_on: {event: payment.succeeded, match: {payment.order_id: payment.order_id}, reason: the customer paid}
when: has(payment.order_id)
steps:`, 1)

func TestAnEventOfCancelOnEndsTheWait(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration
		order string
		state waybill.RunState
		notes int
	}{
		{"at once", 0, "SO-1", waybill.RunDone, 0},
		{"just before the time", 24*time.Hour - time.Millisecond, "SO-1", waybill.RunDone, 0},
		{"at the very time", 24 * time.Hour, "SO-1", waybill.RunDone, 0},
		{"just after it", 24*time.Hour + time.Millisecond, "SO-1", waybill.RunDone, 1},
		{"of another order", time.Hour, "SO-2", waybill.RunDone, 1},
	} {
		r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": unless})))
		r.pay("payment.pending", "pay_1", order("SO-1"))
		r.v.At(rigStart.Add(c.after), func() { r.pay("payment.succeeded", "pay_2", order(c.order)) })
		r.run(25 * time.Hour)
		run := r.onlyRun()
		reason := ""
		if c.notes == 0 {
			reason = "the customer paid"
		}
		if got := r.called("crm.note.create"); got != c.notes {
			t.Errorf("%s: reminded %d times, want %d", c.name, got, c.notes)
		}
		if run.State != c.state || run.Reason != reason {
			t.Errorf("%s: the run is %s (%s), want %s (%s)", c.name, run.State, run.Reason, c.state, reason)
		}
	}
}

// TestACancelNeverCutsAWriteThatIsUnderWay: the event comes while a write is out; the run goes on and ends at its next
// wait.
func TestACancelNeverCutsAWriteThatIsUnderWay(t *testing.T) {
	text := strings.Replace(unless, "  - {id: pause, wait: 1d}\n", `  - id: early
    do: crm.note.create
    with: {body: early}
  - {id: pause, wait: 1d}
`, 1)
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": text})))
	r.before = func(int) {
		r.before = nil
		r.pay("payment.succeeded", "pay_2", order("SO-1"))
	}
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "the customer paid")
	if got := r.newest("early").State; got != waybill.EffectConfirmed {
		t.Errorf("the first write is %s", got)
	}
	r.wantNoProblem()
}

const waitingFor = `flow: wait-for-payment
title: An order waits for its payment
owner: ops
on: payment.pending
when: has(payment.order_id)
lane: payment.customer.?email.orValue("none")
steps:
  - id: paid
    wait_for: payment.succeeded
    match: {payment.order_id: payment.order_id}
    where: new.amount.minor >= payment.amount.minor
    timeout: 3d
    on_timeout:
      - {id: chase, do: crm.note.create, with: {body: "no payment for ${payment.id}"}}
      - {end: nobody paid}
  - id: thank
    do: crm.note.create
    with: {body: "paid by ${paid.id}"}
`

func TestAnEventThatIsWaitedForGivesTheStepItsOutput(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": waitingFor})))
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.run(time.Hour)
	r.wantRun(r.onlyRun(), waybill.RunWaiting, "waits for payment.succeeded with payment.order_id SO-1, at most until Sun 4 Jan 2026 14:30")
	r.pay("payment.succeeded", "pay_2", func(d map[string]any) {
		d["order_id"], d["amount"] = "SO-1", map[string]any{"minor": int64(100), "currency": "INR"}
	})
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunWaiting, "waits for") // it is too little
	r.pay("payment.succeeded", "pay_3", order("SO-1"))
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	if got := string(r.newest("thank").Inputs); !strings.Contains(got, "paid by pay_3") {
		t.Errorf("thanked with %s", got)
	}
}

func TestWhatCameBeforeTheStepButAfterTheTriggerCounts(t *testing.T) {
	text := strings.Replace(waitingFor, "steps:\n  - id: paid", `steps:
  - id: early
    do: crm.note.create
    with: {body: early}
  - id: paid`, 1)
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": text})))
	r.pay("payment.succeeded", "pay_0", order("SO-1")) // before the trigger: it does not count
	r.run(time.Second)
	r.before = func(int) {
		r.before = nil
		r.pay("payment.succeeded", "pay_2", order("SO-1"))
	}
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	if got := string(r.newest("thank").Inputs); !strings.Contains(got, "paid by pay_2") {
		t.Errorf("thanked with %s", got)
	}
}

func TestWhatDoesNotComeInTimeTakesTheOtherBranch(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": waitingFor})))
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.run(73 * time.Hour)
	r.wantRun(r.onlyRun(), waybill.RunDone, "nobody paid")
	if got := r.newest("paid.chase").State; got != waybill.EffectConfirmed {
		t.Errorf("chased: %s", got)
	}
}

// TestAWaitingRunLeavesItsLaneAndComesBackFirst: the second run passes while the first waits; when both want the lane, the
// one that came back goes before those that never held it.
func TestAWaitingRunLeavesItsLaneAndComesBackFirst(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": waitingFor})))
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.pay("payment.pending", "pay_2", order("SO-2"))
	r.run(time.Second)
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunWaiting, "waits for payment.succeeded")
	}
	r.world.Script(simulator.Fault{Connection: "crm", Kind: simulator.Slow, Delay: 10 * time.Second})
	r.pay("payment.succeeded", "pay_3", order("SO-2"))
	r.run(time.Second)
	r.pay("payment.pending", "pay_4", order("SO-4"))   // queues behind
	r.pay("payment.succeeded", "pay_5", order("SO-1")) // comes back, before it
	r.run(time.Second)
	list := r.runs()
	r.wantRun(list[0], waybill.RunQueued, "")
	r.wantRun(list[1], waybill.RunWaiting, "waiting for crm.note.create")
	r.wantRun(list[2], waybill.RunQueued, "")
	behind := map[int]string{}
	if err := r.book.View(t.Context(), func(tx *record.Tx) error {
		for i, run := range list {
			got, err := tx.Run(run.ID)
			if err != nil {
				return err
			}
			behind[i] = string(got.Behind)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if behind[0] != string(list[1].ID) || behind[2] != string(list[0].ID) {
		t.Errorf("queued behind %v of %v", behind, []waybill.RunID{list[0].ID, list[1].ID, list[2].ID})
	}
	r.run(time.Minute)
	list = r.runs()
	r.wantRun(list[0], waybill.RunDone, "")
	r.wantRun(list[1], waybill.RunDone, "")
	r.wantRun(list[2], waybill.RunWaiting, "waits for payment.succeeded")
}

func TestAPersonLetsARunGoOnThatWaits(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": reminder})))
	r.pay("payment.pending", "pay_1", nil)
	r.run(time.Hour)
	run := r.onlyRun()
	if got := r.offers(string(run.ID)); !slices.Equal(got, []string{"go on", "stop"}) {
		t.Fatalf("the run offers %v", got)
	}
	press := waybill.Act{Who: "ravi", Verb: waybill.VerbGoOn, Object: string(run.ID)}
	if _, err := r.engine.Act(t.Context(), press); waybill.KindOf(err) != waybill.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	r.act(string(run.ID), waybill.VerbGoOn, "the customer is here")
	press.Reason = "me too"
	if _, err := r.engine.Act(t.Context(), press); waybill.KindOf(err) != waybill.Conflict || !strings.Contains(waybill.HintOf(err), "stop") {
		t.Errorf("a second press: %v, %q", err, waybill.HintOf(err))
	}
	r.restart() // the press is on record
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	if r.called("crm.note.create") != 1 {
		t.Errorf("calls %v", r.calls)
	}
	if _, err := r.engine.Act(t.Context(), press); waybill.KindOf(err) != waybill.Conflict {
		t.Errorf("a press after it went on: %v", err)
	}
	r.audited(waybill.VerbGoOn)
	r.run(48 * time.Hour)
	if r.called("crm.note.create") != 1 {
		t.Errorf("calls %v", r.calls)
	}
}

func TestAPersonEndsTheWaitForAnEvent(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": waitingFor})))
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.run(time.Hour)
	list, err := r.engine.Choices(t.Context(), string(r.onlyRun().ID))
	if err != nil || list[0].Label != "Stop waiting" || !strings.Contains(list[0].Safety, "no payment.succeeded had come: what on_timeout says") {
		t.Fatalf("the run offers %+v, %v", list, err)
	}
	r.act(string(r.onlyRun().ID), waybill.VerbGoOn, "they will not pay")
	r.run(time.Second)
	r.pay("payment.succeeded", "pay_3", order("SO-1")) // too late
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "nobody paid")
	if got := r.newest("paid.chase").State; got != waybill.EffectConfirmed {
		t.Errorf("chased: %s", got)
	}
}

// TestWhatCameBeforeThePressWins: nobody is reminded who is known to have paid when the button is pressed.
func TestWhatCameBeforeThePressWins(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": unless})))
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.run(time.Hour)
	hook := r.hooks("pay", "payment_intent.succeeded", simulator.TriggerOptions{Set: map[string]string{"order_id": "SO-1"}})[0]
	r.insist(hook) // it is kept, and not understood yet
	r.act(string(r.onlyRun().ID), waybill.VerbGoOn, "remind them")
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "the customer paid")
	if len(r.calls) != 0 {
		t.Errorf("calls %v", r.calls)
	}
}

// TestAPressWaitsForItsTurnInTheLane: a run that goes on early goes on when the lane is free.
func TestAPressWaitsForItsTurnInTheLane(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": waitingFor})))
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.pay("payment.pending", "pay_2", order("SO-2"))
	r.run(time.Second)
	r.world.Script(simulator.Fault{Connection: "crm", Kind: simulator.Slow, Delay: 10 * time.Second})
	r.pay("payment.succeeded", "pay_3", order("SO-2"))
	r.run(time.Second)
	r.act(string(r.runs()[0].ID), waybill.VerbGoOn, "they will not pay")
	r.run(time.Second)
	r.wantRun(r.runs()[0], waybill.RunQueued, "")
	r.run(time.Minute)
	r.wantRun(r.runs()[0], waybill.RunDone, "nobody paid")
	r.wantRun(r.runs()[1], waybill.RunDone, "")
}

// forgetful is a rig of one flow that keeps journeys for 90 days.
func forgetful(t *testing.T, flow string) *rig {
	t.Helper()
	fs := files(map[string]string{"flows/a.yaml": flow})
	fs["waybill.yaml"].Data = append(fs["waybill.yaml"].Data, "retention: {bodies: 30d, exchanges: 30d, journeys: 90d}\n"...)
	r := newRig(t, load(t, fs))
	r.kill()
	r.sweep = 12 * time.Hour
	r.start(r.ws)
	return r
}

// TestAnEventThatAnOpenRunMayLookBackToIsNotForgotten has a run wait longer than journeys are kept for what came on its second day.
func TestAnEventThatAnOpenRunMayLookBackToIsNotForgotten(t *testing.T) {
	flow := `flow: a
title: A
owner: ops
on: payment.pending
when: has(payment.order_id)
steps:
  - {id: pause, wait: 200d}
  - id: paid
    wait_for: payment.succeeded
    match: {payment.order_id: payment.order_id}
    timeout: 1d
    on_timeout:
      - {end: nobody paid}
`
	r := forgetful(t, flow)
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.run(24 * time.Hour)
	r.pay("payment.succeeded", "pay_2", order("SO-1"))
	for range 5 {
		r.run(24 * time.Hour)
		r.pay("payment.succeeded", "pay_x"+r.v.Now().Format("0102"), order("SO-X"))
	}
	r.run(210 * 24 * time.Hour)
	run := r.runs()[0]
	if !run.State.Ended() && len(r.problems("open")) == 0 {
		t.Errorf("the run is %s (%s) for ever, and nobody was told", run.State, run.Reason)
	}
}

// TestTheNewestFactOfAnObjectIsNotForgottenWhileARunMayAskForIt has that fact be older than journeys are kept.
func TestTheNewestFactOfAnObjectIsNotForgottenWhileARunMayAskForIt(t *testing.T) {
	flow := `flow: a
title: A
owner: ops
on: payment.pending
steps:
  - {id: pause, wait: 200d, still: payment.status == "pending"}
  - id: remind
    do: crm.note.create
    with: {body: "remind ${payment.id}"}
`
	r := forgetful(t, flow)
	r.pay("payment.pending", "pay_1", nil)
	r.run(24 * time.Hour)
	r.pay("payment.succeeded", "pay_1", nil)
	r.run(24 * time.Hour)
	r.pay("payment.succeeded", "pay_other", nil) // the newest row of a table always stays
	r.run(210 * 24 * time.Hour)
	if n := r.called("crm.note.create"); n != 0 {
		t.Errorf("it was reminded of a payment that succeeded the day after")
	}
}

// TestAClockSetBackHidesNothingThatWasWaitedFor sets it back by a minute between the trigger and what the run waits for later.
func TestAClockSetBackHidesNothingThatWasWaitedFor(t *testing.T) {
	flow := `flow: a
title: A
owner: ops
on: payment.pending
when: has(payment.order_id)
steps:
  - {id: pause, wait: 1h}
  - id: paid
    wait_for: payment.succeeded
    match: {payment.order_id: payment.order_id}
    timeout: 1d
    on_timeout:
      - {id: chase, do: crm.note.create, with: {body: "no payment for ${payment.id}"}}
`
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": flow})))
	r.pay("payment.pending", "pay_1", order("SO-1"))
	r.run(10 * time.Second)
	r.life.skew = -time.Minute
	r.pay("payment.succeeded", "pay_2", order("SO-1"))
	r.run(48 * time.Hour)
	if r.called("crm.note.create") != 0 {
		t.Errorf("the customer is chased for what was paid ten seconds after")
	}
}
