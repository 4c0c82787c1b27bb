package engine_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"waybill"
	"waybill/record"
	"waybill/simulator"
)

// TestABookOfEveryEarlierVersionIsOpenedAndItsWorkFinished opens books that earlier versions of the schema left in the
// middle of their work, brings them up to date, and lets an engine finish what is open. Each is one file, made by the program
// of its time: five payments, of which the first is done, the second has an effect that is unknown, the third was declined,
// the fourth waits for a connection that is paused, and the fifth was sent and never answered. A new version of the
// schema adds the file of the one before: testdata/book-NNNN.db.gz.
func TestABookOfEveryEarlierVersionIsOpenedAndItsWorkFinished(t *testing.T) {
	books, err := filepath.Glob("testdata/book-*.db.gz")
	if err != nil || len(books) == 0 {
		t.Fatalf("no books of earlier versions: %v", err)
	}
	for _, file := range books {
		t.Run(filepath.Base(file), func(t *testing.T) { finishOldBook(t, file) })
	}
}

func finishOldBook(t *testing.T, file string) {
	t.Helper()
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": `flow: a
title: A payment is told to everybody
owner: ops
on: payment.succeeded
lane: payment.?order_id.orValue("none")
steps:
  - id: contact
    do: crm.contact.upsert
    with: {email: asha@example.com, first_name: Asha}
  - id: team
    do: team.message.post
    with: {channel: C0123456789, text: "paid ${payment.id}"}
  - id: customer
    do: wa.template.send
    with: {to: "+919876543210", template: payment_received, language: en, params: {name: Asha, amount: "1"}}
`})))
	r.kill()
	r.run(time.Hour)
	r.hold = func(h simulator.Webhook) bool { return h.Connection == "wa" }
	var err error
	r.book, err = record.Open(t.Context(), "sqlite:"+unpacked(t, file), record.Options{Now: r.v.Now, IDs: r.ids, Environment: "offline", Inline: true})
	if err != nil {
		t.Fatal(err)
	}
	book := r.book
	t.Cleanup(func() { _ = book.Close() })
	before := map[string]waybill.EffectState{}
	for _, eff := range r.effects() {
		before[string(eff.ID)] = eff.State
	}
	r.start(r.ws)
	r.act("wa", waybill.VerbResume, "")
	r.run(time.Hour)
	unknown := 0
	for _, eff := range r.effects() {
		switch eff.State {
		case waybill.EffectUnknown:
			unknown++
			r.act(string(eff.ID), waybill.VerbHappened, "it is in their console")
		case waybill.EffectPlanned, waybill.EffectSent:
			t.Errorf("%s %s is still %s: %s", eff.Address, eff.ID, eff.State, eff.Reason)
		case waybill.EffectDeclined:
			r.act(string(eff.ID), waybill.VerbRetry, "")
		default:
		}
		if was := before[string(eff.ID)]; was == waybill.EffectConfirmed && eff.State != was {
			t.Errorf("%s was confirmed and is %s", eff.ID, eff.State)
		}
	}
	if unknown == 0 {
		t.Error("what was unknown has been forgotten")
	}
	r.run(time.Hour)
	for _, run := range r.runs() {
		if run.State != waybill.RunDone {
			t.Errorf("the run of %s is %s: %s", run.Event, run.State, run.Reason)
		}
	}
	r.wantNoProblem()
}

func unpacked(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	in, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "book.db")
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}
