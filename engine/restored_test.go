package engine_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/engine"
	"waybill/record"
	"waybill/simulator"
)

// everyGrade is a flow with one write of each grade of repeat, the gravest last.
var everyGrade = map[string]string{"flows/a.yaml": `flow: a
title: A payment is refunded, noted, told to the team and to the customer
owner: ops
on: payment.succeeded
steps:
  - id: back
    do: pay.refund.create
    with: {payment_id: "${payment.id}", amount: "${payment.amount}"}
  - id: contact
    do: crm.contact.upsert
    with: {email: asha@example.com, first_name: Asha}
  - id: team
    do: team.message.post
    with: {channel: C0123456789, text: "paid ${payment.id}"}
  - id: customer
    do: wa.template.send
    with: {to: "+919876543210", template: payment_received, language: en, params: {name: Asha, amount: "1"}}
`}

// saved makes a backup of the rig's book.
func (r *rig) saved() string {
	r.t.Helper()
	onlySQLite(r.t, "a database makes its own backups")
	file := filepath.Join(r.t.TempDir(), "backup.db")
	if _, err := r.book.Backup(r.t.Context(), file, "test"); err != nil {
		r.t.Fatal(err)
	}
	return file
}

// restore ends the process and its book, and begins another over a book restored from a backup. The world goes on.
func (r *rig) restore(file string) {
	r.t.Helper()
	r.kill()
	to := "sqlite:" + filepath.Join(r.t.TempDir(), "book.db")
	if _, err := record.Restore(r.t.Context(), record.Restoring{From: file, To: to, Environment: r.env, Now: r.v.Now}); err != nil {
		r.t.Fatal(err)
	}
	var err error
	r.book, err = record.Open(r.t.Context(), to, record.Options{Now: r.v.Now, IDs: r.ids, Environment: r.env, Inline: true})
	if err != nil {
		r.t.Fatal(err)
	}
	book := r.book
	r.t.Cleanup(func() { _ = book.Close() })
	r.start(r.ws)
}

// made counts what the provider's own ledger says was made, by connection and type.
func (r *rig) made() map[string]int {
	out := map[string]int{}
	for _, x := range r.ledger {
		if x.Did == "created" && x.Connection != "crm" {
			out[x.Connection+" "+x.Type]++
		}
	}
	return out
}

// payment makes the webhooks of a payment and delivers them.
func (r *rig) payment(order string) []simulator.Webhook {
	r.t.Helper()
	hooks := r.hooks("pay", "charge.succeeded", simulator.TriggerOptions{Set: map[string]string{"order_id": order}})
	for _, h := range hooks {
		r.insist(h)
	}
	return hooks
}

// TestARestoredBookSendsNothingTwice loses a process after a backup: what it did since is known to the providers only. What
// comes again is not done again, what cannot be known is asked about, and what is new is done.
func TestARestoredBookSendsNothingTwice(t *testing.T) {
	r := newRig(t, load(t, files(everyGrade)))
	r.hold = func(h simulator.Webhook) bool { return strings.Contains(h.URL, "/in/wa") } // no later proof: the worst there is
	r.payment("SO-1")
	r.run(20 * time.Second)
	r.act("wa", waybill.VerbPause, "to have something planned in the backup")
	r.payment("SO-2")
	r.run(20 * time.Second)
	file := r.saved()
	r.act("wa", waybill.VerbResume, "")
	again := r.payment("SO-3") // nothing of it is in the backup
	r.run(20 * time.Second)
	before := r.made()
	if before["wa message"] != 3 || before["team message"] != 3 || before["pay refund"] != 3 {
		t.Fatalf("before the loss: %v", before)
	}

	r.restore(file)
	sent := len(r.calls)
	for _, h := range again {
		r.insist(h)
	}
	r.run(2 * time.Minute)
	for _, call := range r.calls[sent:] {
		if isWrite(r, call) {
			t.Errorf("%s was called before anybody looked", call)
		}
	}
	if got := r.offers(engine.RestoredObject); len(got) != 1 {
		t.Fatalf("offered: %v", got)
	}
	if eff := r.newest("customer"); eff.State != waybill.EffectUnknown || eff.Event == "" {
		t.Errorf("what stood planned in the backup is %s (%s), want unknown", eff.State, eff.Reason)
	}

	r.act(engine.RestoredObject, waybill.VerbResume, "compared with their consoles")
	r.act("wa", waybill.VerbResume, "")
	r.run(time.Hour)
	if got := r.made(); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("after the restore the providers made %v, before %v", got, before)
	}
	unknown := 0
	for _, eff := range r.effects() {
		if eff.State == waybill.EffectUnknown {
			unknown++
			if eff.Address != "customer" {
				t.Errorf("%s is unknown: %s", eff.Address, eff.Reason)
			}
		}
	}
	if unknown != 2 {
		t.Errorf("%d effects are unknown, want the message of the backup and that of the payment that came again", unknown)
	}
	if got := r.onlyProblem(); got.Cause != waybill.AnswerLost || got.Count != 2 {
		t.Errorf("the list has %+v", got)
	}

	r.payment("SO-4")
	r.run(time.Minute)
	after := r.made()
	for what, n := range before {
		if after[what] != n+1 {
			t.Errorf("%s: %d after a new payment, want %d", what, after[what], n+1)
		}
	}
	for _, eff := range r.effects() {
		if eff.State == waybill.EffectUnknown {
			r.act(string(eff.ID), waybill.VerbHappened, "it is in their console")
		}
	}
	r.run(time.Minute)
	r.wantNoProblem()
}

// isWrite reports whether an action changes something at its provider.
func isWrite(r *rig, call string) bool {
	for name, c := range r.ws.Connections {
		for action, a := range c.Manifest.Actions {
			if name+"."+action == call {
				return a.Kind != waybill.KindRead
			}
		}
	}
	return false
}

// TestARestoreIsCutOffAnywhereAndBegunAgain kills the first start over a restored book and starts it again: what is in doubt
// is so once, and sending is still paused.
func TestARestoreIsCutOffAnywhereAndBegunAgain(t *testing.T) {
	r := newRig(t, load(t, files(everyGrade)))
	r.act("wa", waybill.VerbPause, "to have something planned")
	for n := range 5 {
		r.payment(fmt.Sprintf("SO-%d", n))
	}
	r.run(20 * time.Second)
	r.restore(r.saved())
	for range 3 {
		r.run(time.Second)
		r.restart()
	}
	r.run(time.Minute)
	var mark *waybill.Restored
	err := r.book.View(t.Context(), func(tx *record.Tx) (err error) { mark, err = tx.Restored(); return err })
	if err != nil {
		t.Fatal(err)
	}
	if !mark.Paused() || mark.Unknown != 5 || mark.StartedAt.IsZero() {
		t.Errorf("the book remembers %+v", mark)
	}
	if got := r.onlyProblem().Count; got != 5 {
		t.Errorf("%d on the list, want 5", got)
	}
	if n := r.made()["wa message"]; n != 0 {
		t.Errorf("%d messages were sent", n)
	}
	for _, eff := range r.effects() {
		if eff.State == waybill.EffectUnknown {
			r.act(string(eff.ID), waybill.VerbDidNot, "not in their console")
		}
	}
	r.act("wa", waybill.VerbResume, "")
	r.run(time.Minute)
	if n := r.made()["wa message"]; n != 0 {
		t.Errorf("%d messages were sent while sending is paused", n)
	}
	r.act(engine.RestoredObject, waybill.VerbResume, "looked")
	r.run(5 * time.Minute)
	if n := r.made()["wa message"]; n != 5 {
		t.Errorf("%d messages were sent after a person said that none had been, want 5", n)
	}
}

// TestAWaitThatFellDueBeforeTheRestoreIsNotActedOnByGuess: a reminder was due after the backup and before its restore, and the
// process that was lost has sent it. A reminder that fell due after the loss was sent by nobody; of neither does the book know, so
// of both what nothing proves is asked about, and what can be looked for is.
func TestAWaitThatFellDueBeforeTheRestoreIsNotActedOnByGuess(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": `flow: remind
title: A payment is looked for after a day
owner: ops
on: payment.pending
steps:
  - {id: pause, wait: 1d}
  - id: team
    do: team.message.post
    with: {channel: C0123456789, text: "remind ${payment.id}"}
  - id: customer
    do: wa.template.send
    with: {to: "+919876543210", template: payment_received, language: en, params: {name: Asha, amount: "1"}}
`})))
	r.hold = func(h simulator.Webhook) bool { return strings.Contains(h.URL, "/in/wa") } // no later proof
	r.pay("payment.pending", "pay_sent", nil)
	r.run(2 * time.Hour)
	r.pay("payment.pending", "pay_lost", nil)
	r.run(time.Hour)
	file := r.saved()
	r.run(22 * time.Hour) // the first one fell due, and was sent
	if got := r.made(); got["team message"] != 1 || got["wa message"] != 1 {
		t.Fatalf("before the loss: %v", got)
	}
	r.kill()
	r.run(10 * time.Hour) // the second one falls due while nothing runs
	r.restore(file)
	sent := len(r.calls)
	r.run(time.Hour)
	for _, call := range r.calls[sent:] {
		if isWrite(r, call) {
			t.Errorf("%s was called before anybody looked", call)
		}
	}
	r.act(engine.RestoredObject, waybill.VerbResume, "looked")
	r.run(3 * time.Hour)
	if got := r.made(); got["wa message"] != 1 || got["team message"] > 2 {
		t.Errorf("after the restore the providers made %v", got)
	}
	for _, eff := range r.effects() {
		if eff.Address == "customer" && eff.State != waybill.EffectUnknown {
			t.Errorf("the message to the customer is %s: %s", eff.State, eff.Reason)
		}
	}
	first := r.runs()[0].Event // the one that was sent
	for range 4 {
		for _, eff := range r.effects() {
			switch {
			case eff.State != waybill.EffectUnknown:
			case eff.Event == first:
				r.act(string(eff.ID), waybill.VerbHappened, "it is there")
			default:
				r.act(string(eff.ID), waybill.VerbDidNot, "it is not there")
			}
		}
		r.run(3 * time.Hour)
	}
	if got := r.made(); got["wa message"] != 2 || got["team message"] != 2 {
		t.Errorf("in the end the providers made %v, of two reminders", got)
	}
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
	r.wantNoProblem()
}

// TestAWaitThatGoesOnAfterTheRestoreKeepsItsTime: neither too early nor twice.
func TestAWaitThatGoesOnAfterTheRestoreKeepsItsTime(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": strings.Replace(reminder, `do: crm.note.create
    with: {body: "remind ${payment.id}"}`, `do: pay.refund.create
    with: {payment_id: "${payment.id}", amount: "${payment.amount}"}`, 1)})))
	r.pay("payment.pending", "pay_1", nil)
	r.run(time.Hour)
	r.restore(r.saved())
	r.act(engine.RestoredObject, waybill.VerbResume, "looked")
	r.run(22*time.Hour + 59*time.Minute)
	if n := r.called("pay.refund.create"); n != 0 {
		t.Fatalf("%d calls before its time", n)
	}
	r.run(2 * time.Minute)
	if n := r.called("pay.refund.create"); n != 1 {
		t.Errorf("%d calls at its time, want 1: of grade key, which is harmless", n)
	}
}

// TestWhatWasRefusedBeforeABackupIsNotCalledSafeAfterIt: somebody had it sent after all in the time that the restored book
// knows nothing of.
func TestWhatWasRefusedBeforeABackupIsNotCalledSafeAfterIt(t *testing.T) {
	r := newRig(t, oneStep(t, messageStep))
	r.hold = func(h simulator.Webhook) bool { return strings.Contains(h.URL, "/in/wa") } // no later proof
	declining(r, "wa.template.send", 3)
	for range 3 {
		pay(r)
	}
	r.run(time.Minute)
	runs := r.runs()
	file := r.saved()
	for _, run := range runs {
		r.act(string(run.ID), waybill.VerbRetry, "")
	}
	r.run(time.Minute)
	if n := r.happened("wa", "message"); n != 3 {
		t.Fatalf("%d messages before the loss", n)
	}

	r.restore(file)
	r.run(time.Minute)
	r.act(engine.RestoredObject, waybill.VerbResume, "compared with their consoles")
	list, err := r.engine.Choices(t.Context(), string(runs[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Verb == waybill.VerbRetry || c.Safe && c.Verb != waybill.VerbSkip && c.Verb != waybill.VerbHappened {
			t.Errorf("offered: %s, %q", c.Label, c.Safety)
		}
	}
	said := r.act(string(r.onlyProblem().ID), waybill.VerbRetry, "")
	r.run(10 * time.Minute)
	if n := r.happened("wa", "message"); n != 3 {
		t.Errorf("%d messages after Retry all, which said %q", n, said)
	}
	r.act(string(runs[0].ID), waybill.VerbSendAgain, "it is not in their console")
	r.run(10 * time.Minute)
	if n := r.happened("wa", "message"); n != 4 {
		t.Errorf("%d messages after one was sent by a person's word", n)
	}
	pay(r) // what comes now is as ever
	r.run(time.Minute)
	if n := r.happened("wa", "message"); n != 5 {
		t.Errorf("%d messages", n)
	}
}

// TestWhatMayHaveBeenUndoneSinceTheBackupIsNotUndoneTwice: somebody had it undone, then the book was lost. Pressed again, it is not
// known whether that happened; what was done after the restore is undone as ever.
func TestWhatMayHaveBeenUndoneSinceTheBackupIsNotUndoneTwice(t *testing.T) {
	r := newRig(t, oneStep(t, messageStep+
		"    undo: {do: wa.template.send, with: {to: \"+919876543210\", template: sorry, language: en, params: {name: Asha, amount: \"1\"}}}\n"))
	r.hold = func(h simulator.Webhook) bool { return strings.Contains(h.URL, "/in/wa") } // no later proof
	pay(r)
	r.run(time.Minute)
	done := r.effects()[0]
	file := r.saved()
	r.act(string(done.ID), waybill.VerbUndo, "it was a mistake")
	r.run(time.Minute)
	if n := r.happened("wa", "message"); n != 2 {
		t.Fatalf("%d messages before the loss, want the first and what undoes it", n)
	}

	r.restore(file)
	r.run(time.Minute)
	r.act(engine.RestoredObject, waybill.VerbResume, "compared with their consoles")
	r.act(string(done.ID), waybill.VerbUndo, "it was a mistake")
	r.run(10 * time.Minute)
	if n := r.happened("wa", "message"); n != 2 {
		t.Errorf("%d messages: it was undone a second time", n)
	}
	undo := r.newest(done.Address + "!undo1")
	if undo.State != waybill.EffectUnknown {
		t.Fatalf("the undoing is %s: %s", undo.State, undo.Reason)
	}
	r.act(string(undo.ID), waybill.VerbHappened, "it is in their console")
	r.run(time.Minute)
	if eff := r.newest(done.Address); eff.State != waybill.EffectUndone {
		t.Errorf("what was undone is %s", eff.State)
	}
	r.wantNoProblem()

	pay(r) // what is done from now on is undone as ever
	r.run(time.Minute)
	last := r.effects()[len(r.effects())-1]
	r.act(string(last.ID), waybill.VerbUndo, "a mistake, too")
	r.run(time.Minute)
	if n := r.happened("wa", "message"); n != 4 {
		t.Errorf("%d messages", n)
	}
}

// TestAPlanInARestoredBookSaysWhatMayHaveHappened: somebody had a replay make writes that a new version of the flow added, then the
// book was lost. The same replay, planned over the restored book, foretells what then comes: what a repeat could double starts as
// unknown, and nothing is sent a second time.
func TestAPlanInARestoredBookSaysWhatMayHaveHappened(t *testing.T) {
	const upsert = "  - id: contact\n    do: crm.contact.upsert\n    with: {email: asha@example.com, first_name: Asha}\n"
	r := newRig(t, oneStep(t, upsert))
	r.hold = func(h simulator.Webhook) bool { return strings.Contains(h.URL, "/in/wa") } // no later proof
	pay(r)
	r.run(time.Minute)
	file := r.saved()
	more := oneStep(t, upsert+messageStep)
	r.reload(more)
	replay := waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Type: "payment.succeeded"}}
	j := r.plan(replay)
	if j.Plan.Doubts != 0 {
		t.Errorf("%d writes are in doubt in a book that was never restored", j.Plan.Doubts)
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	r.until(j.ID, waybill.JobDone, time.Minute)
	if n := r.happened("wa", "message"); n != 1 {
		t.Fatalf("%d messages before the loss", n)
	}

	r.restore(file)
	r.run(time.Minute)
	r.act(engine.RestoredObject, waybill.VerbResume, "compared with their consoles")
	r.reload(more)
	j = r.plan(replay)
	if j.Plan.Doubts != 1 {
		t.Errorf("%d writes are in doubt, want the message alone", j.Plan.Doubts)
	}
	words := ""
	for _, w := range r.members(j.ID, waybill.JobMemberFilter{})[0].Writes {
		if w.Doubt {
			words = w.Words
		}
	}
	if !strings.Contains(words, "before the book was restored") {
		t.Errorf("the plan says of it %q", words)
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
	r.run(10 * time.Minute)
	if n := r.happened("wa", "message"); n != 1 {
		t.Errorf("%d messages", n)
	}
	if eff := r.newest("write"); eff.State != waybill.EffectUnknown {
		t.Errorf("the message is %s: %s", eff.State, eff.Reason)
	}
}
