package prove

import (
	"context"
	"encoding/json"
	"time"

	"waybill"
	"waybill/record"
)

// rulesOf are what a workspace of these tests promises beside what all do. reached counts what its worlds came to.
func rulesOf(name string, reached map[string]int) func(*world, *book, func(string, string, ...any)) {
	if name != "waits" {
		return nil
	}
	return func(w *world, b *book, say func(string, string, ...any)) {
		count(b, reached)
		waitsRules(w, b, say)
	}
}

// count counts to which ends of the steps that wait a world came.
func count(b *book, reached map[string]int) {
	for i := range b.effects {
		if eff := &b.effects[i]; !eff.SentAt.IsZero() {
			what := eff.Flow + " " + eff.Address
			if eff.Passed["release"] != "" {
				what += " by hand"
			}
			reached[what]++
		}
	}
	for i := range b.runs {
		if r := &b.runs[i]; r.Reason == "the customer paid" {
			reached["remind cancelled"]++
		}
	}
	for i := range b.asks {
		q := &b.asks[i]
		switch {
		case q.By == "":
			reached["ask "+string(q.State)+" by nobody"]++
		case len(q.Values) > 0:
			reached["ask changed"]++
		default:
			reached["ask "+string(q.State)]++
		}
	}
}

// everyEnd is what worlds enough come to.
var everyEnd = []string{
	"remind write", "remind cancelled", "await paid.gone", "await came", "ask write", "ask ok.rejected.sorry", "ask changed", "ask approved", "ask rejected",
	"by_hand write by hand", "by_hand write", "daily write",
}

// waitsRules hold that workspace to its times and orders: no wait ends before its time, nobody is reminded who is known
// to have paid, an answer that was awaited is of the same order, and of a step that is opened by hand one is released before
// another goes by itself.
func waitsRules(w *world, b *book, say func(kind, format string, args ...any)) {
	events := map[waybill.EventID]told{}
	err := w.life.book.View(context.Background(), func(tx *record.Tx) error {
		for i := range b.runs {
			ev, err := tx.Event(b.runs[i].Event)
			if err != nil {
				return err
			}
			t := told{typ: ev.Type, accepted: ev.AcceptedAt, made: waybill.MadeAt(string(ev.ID))}
			var data struct {
				Payment struct {
					OrderID string `json:"order_id"`
				}
				OrderID string `json:"order_id"`
			}
			if err := json.Unmarshal(ev.Data, &data); err != nil {
				return err
			}
			if t.order = data.Payment.OrderID; t.order == "" {
				t.order = data.OrderID
			}
			events[ev.ID] = t
		}
		return nil
	})
	if err != nil {
		say(Lost, "the events cannot be read: %v", err)
		return
	}
	byHand := 0
	for i := range b.effects {
		eff := &b.effects[i]
		if eff.Flow == "by_hand" && eff.Passed["release"] != "" {
			byHand++
		}
	}
	for i := range b.effects {
		eff := &b.effects[i]
		own := events[eff.Event]
		least := map[string]time.Duration{"remind write": time.Hour, "await paid.gone": 3 * time.Hour}[eff.Flow+" "+eff.Address]
		if least > 0 && eff.PlannedAt.Before(own.accepted.Add(least-mostSkew)) {
			say(Disorder, "%s of %s came %s after its event, and was to wait %s", eff.Address, eff.Flow, eff.PlannedAt.Sub(own.accepted), least)
		}
		if eff.Flow == "remind" && eff.Generation == 1 {
			for id, other := range events {
				if other.typ == "payment.succeeded" && other.order == own.order && own.order != "" &&
					other.accepted.After(own.accepted.Add(mostSkew)) && other.made.Before(eff.PlannedAt.Add(-mostSkew)) {
					say(Unasked, "%s was reminded of order %s, which %s had paid %s before", eff.ID, own.order, id, eff.PlannedAt.Sub(other.made))
				}
			}
		}
		if eff.Flow == "by_hand" && !eff.SentAt.IsZero() && eff.Passed["release"] == "" && byHand < 1 {
			say(Unasked, "%s went by itself after %d were let go by hand", eff.ID, byHand)
		}
	}
}

// told is what the rules need of an event.
type told struct {
	typ, order     string
	accepted, made time.Time
}
