// Package recordtest says what a book promises, one sentence for each case, and checks it on any database: a database's own
// test opens books and hands them to Run. What needs a certain database (files, kills, failing disks) is tested there.
package recordtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/record"
)

// Run checks every promise, each on a book of its own that open returns, empty, opened for the environment "test". The
// cases close nothing: open sees to that.
func Run(t *testing.T, open func(t *testing.T) *record.Book) {
	t.Helper()
	for _, area := range []struct {
		name  string
		cases []testCase
	}{
		{"take in", takeInCases},
		{"understand", understandCases},
		{"subjects", subjectCases},
		{"runs", runCases},
		{"lanes", laneCases},
		{"waits", waitCases},
		{"effects", effectCases},
		{"fetches", fetchCases},
		{"people", peopleCases},
		{"acts", actCases},
		{"due", dueCases},
		{"nodes", nodeCases},
		{"browse", browseCases},
		{"journey", journeyCases},
		{"overview", overviewCases},
		{"jobs", jobCases},
		{"retention", retentionCases},
		{"one person", personCases},
		{"long keys", longCases},
	} {
		t.Run(area.name, func(t *testing.T) {
			for _, c := range area.cases {
				t.Run(c.promise, func(t *testing.T) {
					c.check(&kit{T: t, book: open(t), ids: waybill.NewIDs(time.Now, nil), now: time.Now().UTC().Truncate(time.Millisecond)})
				})
			}
		})
	}
}

// testCase is one promise.
type testCase struct {
	promise string
	check   func(k *kit)
}

// kit is what a case works with: a book, and short ways to fill it.
type kit struct {
	*testing.T
	book *record.Book
	ids  *waybill.IDs
	now  time.Time
}

// do runs an act that must succeed.
func (k *kit) do(act func(tx *record.Tx) error) {
	k.Helper()
	if err := k.book.Do(k.Context(), act); err != nil {
		k.Fatal(err)
	}
}

// refused runs an act that must be refused in a certain way.
func (k *kit) refused(kind waybill.Kind, act func(tx *record.Tx) error) {
	k.Helper()
	err := k.book.Do(k.Context(), act)
	if err == nil {
		k.Fatalf("the act was done; it should be refused as %q", kind)
	}
	if got := waybill.KindOf(err); got != kind {
		k.Fatalf("refused as %q, want %q: %v", got, kind, err)
	}
}

// read runs a read that must succeed.
func (k *kit) read(read func(tx *record.Tx) error) {
	k.Helper()
	if err := k.book.View(k.Context(), read); err != nil {
		k.Fatal(err)
	}
}

// must returns what a read of the book gave.
func must[T any](k *kit) func(v T, err error) T {
	return func(v T, err error) T {
		k.Helper()
		if err != nil {
			k.Fatal(err)
		}
		return v
	}
}

// same compares.
func same(k *kit, what string, got, want any) {
	k.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		k.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// arrival makes an arrival with one item for each delivery key.
func (k *kit) arrival(body string, keys ...string) *waybill.Arrival {
	a := &waybill.Arrival{
		ID: waybill.ArrivalID(k.ids.New("arr")), Connection: "payments", Account: "acct_1", Via: waybill.ViaWebhook, Method: "POST",
		URL: "/in/payments", Headers: []waybill.Header{{Name: "Content-Type", Value: "application/json"}}, Remote: "203.0.113.7",
		Body: []byte(body), BodyHash: fmt.Sprintf("hash of %q", body), ReceivedAt: k.now, Proof: "signed",
	}
	for _, key := range keys {
		a.Items = append(a.Items, waybill.Item{
			ID: waybill.ItemID(k.ids.New("itm")), Type: "payment.captured", DeliveryKey: key, OccurredAt: k.now.Add(-time.Minute),
		})
	}
	return a
}

// takeIn keeps an arrival and returns its receipt.
func (k *kit) takeIn(a *waybill.Arrival) waybill.Receipt {
	k.Helper()
	var r waybill.Receipt
	k.do(func(tx *record.Tx) (err error) {
		r, err = tx.TakeIn(a)
		return err
	})
	return r
}

// item keeps an arrival with one new item.
func (k *kit) item() waybill.Item {
	k.Helper()
	return k.takeIn(k.arrival("{}", k.ids.New("key"))).Fresh[0]
}

// fact makes an event that is not written yet.
func (k *kit) fact(key string) *waybill.Event {
	return &waybill.Event{
		ID: waybill.EventID(k.ids.New("evt")), Type: "payment.succeeded", Noun: "payment", Account: "acct_1", Connection: "payments",
		FactKey: key, Subject: "Payment " + key, Data: []byte(`{"payment":{"id":"` + key + `"}}`), OccurredAt: k.now.Add(-time.Minute),
		AcceptedAt: k.now,
	}
}

// put writes an event that must be new.
func (k *kit) put(e *waybill.Event) waybill.EventID {
	k.Helper()
	var fresh bool
	k.do(func(tx *record.Tx) (err error) {
		_, fresh, err = tx.PutEvent(e)
		return err
	})
	if !fresh {
		k.Fatalf("event %s should be new", e.ID)
	}
	return e.ID
}

// event writes a new event.
func (k *kit) event() waybill.EventID {
	k.Helper()
	return k.put(k.fact(k.ids.New("fact")))
}

// run makes a run that is not written yet.
func (k *kit) run(event waybill.EventID, lane string) *waybill.Run {
	return &waybill.Run{
		ID: waybill.RunID(k.ids.New("run")), Event: event, Flow: "payment-to-crm", Bundle: "b1", State: waybill.RunQueued, Lane: lane,
		Owner: "finance-ops", CreatedAt: k.now, Progress: []byte(`{}`),
	}
}

// putRun writes a run and returns whom it queues behind.
func (k *kit) putRun(r *waybill.Run) waybill.RunID {
	k.Helper()
	var behind waybill.RunID
	k.do(func(tx *record.Tx) (err error) {
		behind, err = tx.PutRun(r)
		return err
	})
	return behind
}

// moveRun brings a run from the state it stands in to another.
func (k *kit) moveRun(id waybill.RunID, to waybill.RunState, change ...func(*waybill.Run)) {
	k.Helper()
	k.do(func(tx *record.Tx) error { return moveRun(tx, id, to, change...) })
}

func moveRun(tx *record.Tx, id waybill.RunID, to waybill.RunState, change ...func(*waybill.Run)) error {
	r, err := tx.Run(id)
	if err != nil {
		return err
	}
	from := r.State
	r.State = to
	for _, c := range change {
		c(r)
	}
	return tx.MoveRun(r, from)
}

// effect makes an effect of an address that is not written yet.
func (k *kit) effect(event waybill.EventID, address, fingerprint string) *waybill.Effect {
	return &waybill.Effect{
		ID: waybill.EffectID(k.ids.New("eff")), Event: event, Flow: "payment-to-crm", Address: address, Connection: "crm", Account: "42",
		Action: "deal.update", Kind: waybill.KindState, Repeat: waybill.RepeatLookup, State: waybill.EffectPlanned,
		Inputs: []byte(`{"id":"17"}`), Fingerprint: fingerprint, Key: "ref " + fingerprint, PlannedAt: k.now,
		Request: waybill.Request{Method: "POST", URL: "https://crm.example.com/deals/17", Body: []byte(`{"stage":"won"}`)},
	}
}

// plan plans an effect and returns the one in the book and whether it was written.
func (k *kit) plan(e *waybill.Effect, again bool) (*waybill.Effect, bool) {
	k.Helper()
	var got *waybill.Effect
	var written bool
	k.do(func(tx *record.Tx) (err error) {
		c := *e
		got, written, err = tx.PlanEffect(&c, again)
		return err
	})
	return got, written
}

// moveEffect brings an effect from the state it stands in through others.
func (k *kit) moveEffect(id waybill.EffectID, through ...waybill.EffectState) {
	k.Helper()
	for _, to := range through {
		k.do(func(tx *record.Tx) error {
			e, err := tx.Effect(id)
			if err != nil {
				return err
			}
			from := e.State
			e.State = to
			return tx.MoveEffect(e, from)
		})
	}
}

// background is for acts that outlive a case's own context.
func background() context.Context { return context.Background() }

func nth(prefix string, n int) string { return fmt.Sprintf("%s %03d", prefix, n) }
