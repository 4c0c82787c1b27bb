package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

const day = 24 * time.Hour

// TestAYearIsForgottenButForWhatIsOpen lives a year with retentions of weeks: what is done goes when its time has come,
// what waits for a person stays whole, and what was known is known.
func TestAYearIsForgottenButForWhatIsOpen(t *testing.T) {
	fs := files(map[string]string{"flows/a.yaml": `flow: a
title: Say it
owner: ops
on: payment.succeeded
steps:
  - id: say
    do: wa.template.send
    with: {to: "+919876543210", template: payment_received, language: en, params: {name: Asha, amount: "1"}}
`})
	fs["waybill.yaml"].Data = append(fs["waybill.yaml"].Data, "retention: {bodies: 30d, exchanges: 30d, journeys: 90d, rejections: 1d, figures: 60d}\n"...)
	r := newRig(t, load(t, fs))
	r.kill()
	r.sweep = day
	r.start(r.ws)

	lost := 0
	r.answer = func(connection, _ string) *http.Response {
		if connection == "wa" && lost == 0 {
			lost++
			return says(502, "")
		}
		return nil
	}
	r.send("pay", "charge.succeeded", map[string]string{"order_id": "SO-0"})
	r.run(day)
	open := r.newest("say")
	if open.State != waybill.EffectUnknown {
		t.Fatalf("the first message is %s, want unknown", open.State)
	}
	weeks := 52
	if testing.Short() {
		weeks = 16
	}
	for week := range weeks {
		r.send("pay", "charge.succeeded", map[string]string{"order_id": fmt.Sprintf("SO-%d", week+1)})
		r.run(7 * day)
	}
	rows, _, err := r.book.Events(t.Context(), waybill.EventFilter{Limit: 200, Type: "payment.succeeded"})
	if err != nil {
		t.Fatal(err)
	}
	// Of the last 90 days there are 12 or 13 weeks, and the one that waits for a person.
	if n := len(rows); n < 13 || n > 15 {
		t.Errorf("%d events after a year, want those of 90 days and the one that waits", n)
	}
	j, err := r.book.Journey(t.Context(), string(open.ID))
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Runs) != 1 || len(j.Runs[0].Effects[0].Attempts) == 0 {
		t.Error("the exchange that a person has to judge is forgotten")
	}
	r.act(string(open.ID), waybill.VerbHappened, "seen in their console")
	r.run(100 * day)
	if _, err := r.book.Journey(t.Context(), string(open.ID)); waybill.KindOf(err) != waybill.NotFound {
		t.Errorf("what was settled long ago is still there: %v", err)
	}
}

// TestAKillWhileForgettingLeavesWholeJourneys kills the process at each act of a round: every event is whole or gone.
func TestAKillWhileForgettingLeavesWholeJourneys(t *testing.T) {
	fs := files(map[string]string{"flows/a.yaml": `flow: a
title: Write it
owner: ops
on: payment.succeeded
steps:
  - id: write
    do: crm.contact.upsert
    with: {email: asha@example.com, first_name: Asha}
`})
	fs["waybill.yaml"].Data = append(fs["waybill.yaml"].Data, "retention: {bodies: 1d, journeys: 2d}\n"...)
	r := newRig(t, load(t, fs))
	for n := range 30 {
		r.send("pay", "charge.succeeded", map[string]string{"order_id": fmt.Sprintf("SO-%d", n)})
		r.run(time.Minute)
	}
	r.kill()
	r.run(5 * day)
	rounds := 40
	if testing.Short() {
		rounds = 12
	}
	for range rounds {
		r.start(r.ws)
		r.run(15 * time.Millisecond) // one or two acts
		r.kill()
		whole(t, r)
	}
	r.start(r.ws)
	r.run(time.Hour)
	rows, _, err := r.book.Events(t.Context(), waybill.EventFilter{Limit: 200})
	if err != nil || len(rows) > 1 {
		t.Errorf("%d events are left, want the newest: %v", len(rows), err)
	}
}

// whole checks that every event that is kept has its run and effect.
func whole(t *testing.T, r *rig) {
	t.Helper()
	rows, _, err := r.book.Events(t.Context(), waybill.EventFilter{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		j, err := r.book.Journey(t.Context(), string(row.ID))
		if err != nil {
			t.Fatal(err)
		}
		if j.Item == nil || row.Type == "payment.succeeded" && (len(j.Runs) != 1 || len(j.Runs[0].Effects) != 1) {
			t.Fatalf("half of event %s is gone: item %v, runs %+v", row.ID, j.Item != nil, j.Runs)
		}
	}
	effects := r.effects()
	err = r.book.View(t.Context(), func(tx *record.Tx) error {
		for _, eff := range effects {
			if _, err := tx.Event(eff.Event); err != nil {
				t.Errorf("effect %s has outlived its event", eff.ID)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
