package record_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

// callers is how many work at once, as a server under load has them.
const callers = 64

var payload = bytes.Repeat([]byte(`{"id":"pi_123","amount":129900}`), 53) // 1.6 KB

func openBench(b *testing.B) (*record.Book, *waybill.IDs) {
	b.Helper()
	ids := waybill.NewIDs(time.Now, nil)
	book, err := record.Open(context.Background(), "sqlite:"+filepath.Join(b.TempDir(), "book.db"),
		record.Options{IDs: ids, Environment: "test"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := book.Close(); err != nil {
			b.Error(err)
		}
	})
	return book, ids
}

// together runs work b.N times in all, from many callers, and reports rate and processor time.
func together(b *testing.B, work func(n int64) error) {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	cpu := cpuTime(b)
	for range callers {
		group.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				if err := work(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "µs-cpu/event")
	b.ReportMetric(0, "ns/op")
}

func arrival(ids *waybill.IDs, n int64) *waybill.Arrival {
	return &waybill.Arrival{
		ID: waybill.ArrivalID(ids.New("arr")), Connection: "payments", Account: "acct_1", Via: waybill.ViaWebhook,
		Method: "POST", URL: "/in/payments", Remote: "203.0.113.7", Body: payload, BodyHash: fmt.Sprintf("%064d", n),
		Headers: []waybill.Header{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "User-Agent", Value: "Stripe/1.0"},
			{Name: "Stripe-Signature", Value: "fingerprint 12ab"},
			{Name: "Accept", Value: "*/*"},
		},
		ReceivedAt: time.Now(), Proof: "Stripe-Signature, secret 1 of 1, 0 s old",
		Items: []waybill.Item{{
			ID: waybill.ItemID(ids.New("itm")), Type: "payment_intent.succeeded",
			DeliveryKey: fmt.Sprintf("evt_%016x", uint64(n)*0x9E3779B97F4A7C15), OccurredAt: time.Now(),
		}},
	}
}

// BenchmarkTakeIn is intake alone: one arrival of 1.6 KB with one item, 64 callers.
func BenchmarkTakeIn(b *testing.B) {
	book, ids := openBench(b)
	together(b, func(n int64) error {
		a := arrival(ids, n)
		return book.Do(b.Context(), func(tx *record.Tx) error {
			_, err := tx.TakeIn(a)
			return err
		})
	})
}

// BenchmarkCycle is one event's whole way through the book: taken in, understood with a run and an effect, settled.
func BenchmarkCycle(b *testing.B) {
	book, ids := openBench(b)
	together(b, func(n int64) error { return cycle(b.Context(), book, ids, n) })
}

func cycle(ctx context.Context, book *record.Book, ids *waybill.IDs, n int64) error {
	return cycleTold(ctx, book, ids, n, func(string) {})
}

// cycleTold is cycle that says of each commit what it may rely on from then on.
func cycleTold(ctx context.Context, book *record.Book, ids *waybill.IDs, n int64, told func(what string)) error {
	a := arrival(ids, n)
	var item waybill.Item
	err := book.Do(ctx, func(tx *record.Tx) error {
		r, err := tx.TakeIn(a)
		if err == nil {
			item = r.Fresh[0]
		}
		return err
	})
	if err != nil {
		return err
	}
	told("item " + string(item.ID))
	run := &waybill.Run{ID: waybill.RunID(ids.New("run"))}
	effect := &waybill.Effect{ID: waybill.EffectID(ids.New("eff"))}
	event := waybill.EventID(ids.New("evt"))
	if err := book.Do(ctx, func(tx *record.Tx) error { return understand(tx, item, event, run, effect, n) }); err != nil {
		return err
	}
	told("run " + string(run.ID))
	attempt := &waybill.Attempt{
		ID: waybill.AttemptID(ids.New("att")), Effect: effect.ID, Number: 1, StartedAt: time.Now(), EndedAt: time.Now(),
		Request: effect.Request, Status: 200, Response: []byte(`{"ok":true}`), Certainty: waybill.Happened,
		Headers: []waybill.Header{{Name: "Content-Type", Value: "application/json"}},
	}
	err = book.Do(ctx, func(tx *record.Tx) error {
		if err := tx.AddAttempt(attempt); err != nil {
			return err
		}
		e := *effect
		e.State, e.Proof, e.Answer, e.SettledAt = waybill.EffectConfirmed, "answer 200", []byte(`{"ok":true}`), time.Now()
		if err := tx.MoveEffect(&e, waybill.EffectSent); err != nil {
			return err
		}
		r := *run
		r.State = waybill.RunDone
		return tx.MoveRun(&r, waybill.RunRunning)
	})
	if err == nil {
		told("settled " + string(effect.ID))
	}
	return err
}

func understand(
	tx *record.Tx, item waybill.Item, event waybill.EventID, run *waybill.Run, effect *waybill.Effect, n int64,
) error {
	item.State, item.Events = waybill.ItemTranslated, []waybill.EventID{event}
	if err := tx.MoveItem(&item, waybill.ItemKept); err != nil {
		return err
	}
	id, fresh, err := tx.PutEvent(&waybill.Event{
		ID: event, Type: "payment.succeeded", Noun: "payment", Account: "acct_1", Connection: "payments",
		FactKey: fmt.Sprintf("pi_%016x", uint64(n)*0xD6E8FEB86659FD93), Subject: fmt.Sprintf("Payment pi_%d", n),
		Data: payload[:500], OccurredAt: time.Now(), AcceptedAt: item.ReceivedAt, Item: item.ID, Arrival: item.Arrival,
		Mapped: waybill.MappedBy{File: "stripe/manifest.yaml", Line: 47}, Considered: []waybill.Consideration{{Flow: "payment-to-crm", Matched: true, Run: run.ID}},
		Search: []waybill.SearchKey{
			{Kind: "email", Value: fmt.Sprintf("customer%d@example.com", n)},
			{Kind: "id", Value: fmt.Sprintf("pi_%d", n)},
			{Kind: "amount", Value: fmt.Sprint(100 * (n % 5000))},
		},
	})
	if err != nil || !fresh {
		return fmt.Errorf("event %s, fresh %t: %w", id, fresh, err)
	}
	*run = waybill.Run{
		ID: run.ID, Event: id, Flow: "payment-to-crm", Bundle: "b1", State: waybill.RunRunning, Owner: "finance-ops",
		Progress: []byte(`{"steps":{"won":"sent"}}`),
	}
	if _, err := tx.PutRun(run); err != nil {
		return err
	}
	*effect = waybill.Effect{
		ID: effect.ID, Event: id, Flow: run.Flow, Address: "won", Run: run.ID, Connection: "crm", Account: "42",
		Action: "deal.update", Kind: waybill.KindState, Repeat: waybill.RepeatNatural, State: waybill.EffectSent,
		Inputs:      []byte(`{"id":"17","stage":"won","amount":"1299.00"}`),
		Fingerprint: fmt.Sprintf("%032x", n), Key: fmt.Sprintf("wb_%016x", uint64(n)*0xD6E8FEB86659FD93), SentAt: time.Now(),
		Request: waybill.Request{
			Method: "POST", URL: "https://api.example.com/deals/17", Body: payload[:300],
			Headers: []waybill.Header{{Name: "Content-Type", Value: "application/json"}},
		},
	}
	_, _, err = tx.PlanEffect(effect, false)
	return err
}

// BenchmarkBigBook fills a book with b.N events (run it with -benchtime 1000000x) and says how the cost of one event grows,
// and what the pages cost on it.
func BenchmarkBigBook(b *testing.B) {
	book, ids := openBench(b)
	tenth := max(b.N/10, 1)
	var costs []float64
	var done int64
	for part := range 10 {
		var next atomic.Int64
		var group sync.WaitGroup
		before := cpuTime(b)
		for range callers {
			group.Go(func() {
				for n := next.Add(1); n <= int64(tenth); n = next.Add(1) {
					if err := cycle(b.Context(), book, ids, done+n); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		done += int64(tenth)
		costs = append(costs, float64((cpuTime(b)-before).Microseconds())/float64(tenth))
		b.Logf("%d0 %%: %.0f µs-cpu/event", part+1, costs[part])
	}
	b.ReportMetric(costs[0], "µs-cpu/event-first-tenth")
	b.ReportMetric(costs[9], "µs-cpu/event-last-tenth")
	slowest := func(name string, ask func() error) {
		worst := time.Duration(0)
		for range 20 {
			began := time.Now()
			if err := ask(); err != nil {
				b.Fatal(name, err)
			}
			worst = max(worst, time.Since(began))
		}
		b.ReportMetric(float64(worst.Microseconds())/1000, "ms-"+name)
	}
	slowest("overview", func() error {
		_, err := book.Overview(b.Context(), time.Now().Add(-24*time.Hour))
		return err
	})
	for name, f := range map[string]waybill.EventFilter{
		"newest": {}, "blocked": {State: waybill.RunBlocked}, "oldest-by-email": {Query: "customer1@example.com"},
		"nothing": {Query: "nobody@example.com"}, "type": {Type: "refund.created"}, "unknown": {Unknown: true},
	} {
		slowest(name, func() error {
			_, _, err := book.Events(b.Context(), f)
			return err
		})
	}
	b.ReportMetric(0, "ns/op")
}
