package show_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/record"
	"waybill/show"
	"waybill/show/showtest"
)

// TestThePagesReadTheRealBook writes one event's way into a book and opens every page over it.
func TestThePagesReadTheRealBook(t *testing.T) {
	clock := func() time.Time { return now }
	ids := waybill.NewIDs(clock, nil)
	book, err := record.Open(t.Context(), "sqlite::memory:", record.Options{Now: clock, IDs: ids, Inline: true, Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })

	arrival, item, event := waybill.ArrivalID(ids.New("arr")), waybill.ItemID(ids.New("itm")), waybill.EventID(ids.New("evt"))
	run, eff := waybill.RunID(ids.New("run")), waybill.EffectID(ids.New("eff"))
	problem := waybill.ProblemID("")
	err = book.Do(t.Context(), func(tx *record.Tx) error {
		first := waybill.Item{ID: item, Arrival: arrival, Connection: "razorpay", Account: "acc_1", Type: "order.paid", DeliveryKey: "k1", ReceivedAt: now, State: waybill.ItemKept}
		if _, err := tx.TakeIn(&waybill.Arrival{ID: arrival, Connection: "razorpay", Account: "acc_1", Via: waybill.ViaWebhook, Method: "POST", URL: "/in/razorpay", Body: []byte(orderBody), ReceivedAt: now, Items: []waybill.Item{first}}); err != nil {
			return err
		}
		if _, _, err := tx.PutEvent(&waybill.Event{
			ID: event, Type: "order.paid_in_full", Noun: "order", Account: "acc_1", Connection: "razorpay", FactKey: "f1", Subject: "Order SO-1001",
			Data: []byte(orderBody), OccurredAt: now, AcceptedAt: now, Item: item, Arrival: arrival, Search: []waybill.SearchKey{{Kind: "order", Value: "so-1001"}},
		}); err != nil {
			return err
		}
		first.State, first.Events = waybill.ItemTranslated, []waybill.EventID{event}
		if err := tx.MoveItem(&first, waybill.ItemKept); err != nil {
			return err
		}
		r := waybill.Run{ID: run, Event: event, Flow: "payment-to-crm", Bundle: "b", Mode: waybill.ModeLive, State: waybill.RunQueued, Progress: []byte("{}"), CreatedAt: now}
		if _, err := tx.PutRun(&r); err != nil {
			return err
		}
		e := waybill.Effect{
			ID: eff, Event: event, Flow: r.Flow, Address: "thanks", Generation: 1, Run: run, Connection: "whatsapp", Account: "wa", Action: "template.send",
			Kind: waybill.KindMessage, Repeat: waybill.RepeatNever, State: waybill.EffectPlanned, Inputs: []byte(`{"n":9007199254740993}`), Fingerprint: "fp", Key: "key", PlannedAt: now,
		}
		if _, _, err := tx.PlanEffect(&e, false); err != nil {
			return err
		}
		for _, move := range [][2]waybill.EffectState{{waybill.EffectPlanned, waybill.EffectSent}, {waybill.EffectSent, waybill.EffectUnknown}} {
			e.State, e.SentAt, e.Cause, e.Reason = move[1], now, waybill.AnswerLost, "the answer was lost"
			if err := tx.MoveEffect(&e, move[0]); err != nil {
				return err
			}
		}
		problem, err = tx.Raise(&waybill.Problem{Key: "v1:answer lost|whatsapp", Cause: waybill.AnswerLost, Connection: "whatsapp", Action: "template.send", Owner: "finance-ops"},
			waybill.Member{Effect: eff, Event: event, At: now})
		if err != nil {
			return err
		}
		r.State, r.Problem, r.Reason = waybill.RunBlocked, problem, "It is not known if the customer was thanked"
		return tx.MoveRun(&r, waybill.RunQueued)
	})
	if err != nil {
		t.Fatal(err)
	}

	p := open(t, showtest.Rich(now), func(o *show.Options) { o.Reader, o.Lists, o.Changes = book, book, book })
	asha := p.signIn(t, "asha", show.Operator)
	for path, want := range map[string]string{
		"/":                            "1 thing needs a person.",
		"/events":                      "Order SO-1001: paid in full",
		"/events?q=SO-1001":            "Order SO-1001: paid in full",
		"/events?unknown=yes":          "Order SO-1001: paid in full",
		"/events?state=blocked":        "It is not known if the customer was thanked",
		"/events/" + string(eff):       "Sent, answer lost",
		"/events/" + string(event):     "9007199254740993",
		"/items/" + string(item):       "The event's data",
		"/items?state=blocked":         "Everything that came in was understood.",
		"/items":                       "Everything that came in was used.",
		"/problems":                    "the answer from WhatsApp was lost",
		"/problems?state=fixed":        "Nothing was fixed yet.",
		"/problems/" + string(problem): "Order SO-1001: paid in full",
		"/connections":                 "HubSpot",
		"/connections/whatsapp":        "the answer from WhatsApp was lost",
		"/rejections":                  "Nobody was turned away.",
		"/audit":                       "Nobody has done anything yet.",
		"/events?before=" + string(event) + "&since=7d": "Nothing fits.",
		"/api/v1/events/" + string(run):                 `"state":"unknown"`,
		"/api/v1/runs?state=blocked":                    string(run),
		"/api/v1/effects?state=unknown":                 string(eff),
	} {
		res := p.ask(t, http.MethodGet, path, "", asha)
		if body := text(t, res); res.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s answers %d without %q", path, res.StatusCode, want)
			if res.StatusCode != http.StatusOK {
				t.Logf("%.600s", body)
			}
		}
	}
	if res := p.ask(t, http.MethodGet, "/events/"+showtest.ID("evt", 1), "", asha); res.StatusCode != http.StatusNotFound {
		t.Errorf("an id that was never there answers %d", res.StatusCode)
	}
}

const orderBody = `{"id":"SO-1001","paid_total":{"minor":12990000,"currency":"INR"},"big":9007199254740993}`
