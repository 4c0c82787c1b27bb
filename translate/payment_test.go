package translate_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
	"waybill/connectors"
	"waybill/expr"
	"waybill/translate"
)

func manifest(tb testing.TB, name string) *connector.Manifest {
	tb.Helper()
	env, err := expr.NewEnv(expr.Config{Zone: "Asia/Kolkata", Region: "IN", Currency: "INR"})
	if err != nil {
		tb.Fatal(err)
	}
	file := name + "/manifest.yaml"
	text, err := fs.ReadFile(connectors.All(), file)
	if err != nil {
		tb.Fatal(err)
	}
	m, faults := connector.Parse(file, text, env)
	if faults.Bad() {
		tb.Fatal(faults)
	}
	return m
}

func translator(tb testing.TB, m *connector.Manifest, o translate.Options) *translate.Translator {
	tb.Helper()
	c, err := catalogue.Load()
	if err != nil {
		tb.Fatal(err)
	}
	tr, faults := translate.New(m, c.In("IN"), o)
	if faults.Bad() {
		tb.Fatal(faults)
	}
	return tr
}

// telling is one way the same payment is told: a webhook, or a read of it later.
type telling struct {
	name    string
	body    string
	headers []waybill.Header
	fetched map[string]any // what its mapping's reads give, if they are made
}

// tell takes a telling in as receive does and translates its items, making the reads that are asked for.
func tell(tb testing.TB, m *connector.Manifest, tr *translate.Translator, w telling) []waybill.Event {
	tb.Helper()
	body, err := connector.DecodeJSON([]byte(w.body))
	if err != nil {
		tb.Fatalf("%s: %v", w.name, err)
	}
	headers := map[string]string{}
	for _, h := range w.headers {
		headers[strings.ToLower(h.Name)] = h.Value
	}
	var out []waybill.Event
	for _, found := range m.ItemsOf(connector.Incoming{Body: body, Headers: headers, Settings: m.Defaults(nil)}) {
		item := waybill.Item{Connection: m.Name, Account: "acc", Type: found.Type, Pointer: found.Pointer, OccurredAt: found.Time}
		in, err := translate.InputOf(m, &waybill.Arrival{Body: []byte(w.body), Headers: w.headers}, item, nil)
		if err != nil {
			tb.Fatal(err)
		}
		r := tr.Translate(in)
		if r.NeedFetch != nil {
			in.Fetched = map[string]any{r.NeedFetch.As: w.fetched[r.NeedFetch.As]}
			r = tr.Translate(in)
		}
		if r.Blocked != nil || r.NeedFetch != nil {
			tb.Fatalf("%s: %+v %+v", w.name, r.Blocked, r.NeedFetch)
		}
		out = append(out, r.Events...)
	}
	return out
}

// book keeps events as the book does: the first telling of a fact makes the event, the others join it.
type book struct {
	events map[string]waybill.Event
	joined int
}

func (b *book) put(events []waybill.Event) {
	for _, e := range events {
		key := e.Account + "|" + e.Type + "|" + e.FactKey
		if _, known := b.events[key]; known {
			b.joined++
			continue
		}
		b.events[key] = e
	}
}

func (b *book) facts() []string {
	var out []string
	for key := range b.events {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

const stripeEvent = `{"id":%q,"object":"event","created":1790000001,"livemode":false,"type":%q,"data":{"object":%s}}`

var stripeTellings = []telling{
	{name: "payment_intent.succeeded", body: fmt.Sprintf(stripeEvent, "evt_1", "payment_intent.succeeded", `{"id":"pi_1",
		"object":"payment_intent","amount":129900,"amount_received":129900,"currency":"inr","latest_charge":"ch_1",
		"receipt_email":"asha@example.com","metadata":{"order_id":"SO-1001"},"created":1789999990}`)},
	{name: "charge.succeeded", body: fmt.Sprintf(stripeEvent, "evt_2", "charge.succeeded", `{"id":"ch_1","object":"charge",
		"amount":129900,"amount_captured":129900,"captured":true,"currency":"inr","payment_intent":"pi_1",
		"billing_details":{"email":"asha@example.com"},"metadata":{"order_id":"SO-1001"},"created":1789999991}`)},
	{name: "checkout.session.completed", body: fmt.Sprintf(stripeEvent, "evt_3", "checkout.session.completed", `{"id":"cs_1",
		"object":"checkout.session","amount_total":129900,"currency":"inr","payment_status":"paid","payment_intent":"pi_1",
		"client_reference_id":"SO-1001","customer_details":{"email":"asha@example.com"},"metadata":{}}`)},
	{
		name: "a checkout without an order, its payment fetched",
		body: fmt.Sprintf(stripeEvent, "evt_4", "checkout.session.async_payment_succeeded", `{"id":"cs_1",
		"object":"checkout.session","amount_total":129900,"currency":"inr","payment_status":"paid","payment_intent":"pi_1",
		"client_reference_id":null,"customer_details":{"email":"asha@example.com"},"metadata":{}}`),
		fetched: map[string]any{"payment": map[string]any{"id": "pi_1", "order_id": "SO-1001"}},
	},
	{name: "the same event from a back-fill of /v1/events", body: fmt.Sprintf(stripeEvent, "evt_1", "payment_intent.succeeded",
		`{"id":"pi_1","object":"payment_intent","amount":129900,"amount_received":129900,"currency":"inr",
		"metadata":{"order_id":"SO-1001"},"created":1789999990}`)},
}

const razorpayPayment = `{"id":"pay_A1","entity":"payment","amount":129900,"currency":"INR","status":"captured",
	"order_id":"order_A1","method":"upi","email":"asha@example.com","contact":"+919876543210","notes":%s,"created_at":1790000000}`

const razorpayOrder = `{"id":"order_A1","entity":"order","amount":129900,"amount_paid":129900,"amount_due":0,"currency":"INR",
	"receipt":"SO-1001","status":"paid","notes":[]}`

func razorpayEvent(id, event, payload string) telling {
	return telling{
		name:    event,
		body:    fmt.Sprintf(`{"entity":"event","account_id":"acc_T1","event":%q,"created_at":1790000007,"payload":%s}`, event, payload),
		headers: []waybill.Header{{Name: "x-razorpay-event-id", Value: id}},
		fetched: map[string]any{"read": map[string]any{
			"id": "order_A1", "receipt": "SO-1001", "status": "paid", "amount": money(129900), "paid": money(129900), "due": money(0),
		}},
	}
}

func money(minor int64) map[string]any { return map[string]any{"minor": minor, "currency": "INR"} }

var razorpayTellings = []telling{
	razorpayEvent("rev_1", "payment.captured", fmt.Sprintf(`{"payment":{"entity":%s}}`, fmt.Sprintf(razorpayPayment, `[]`))),
	razorpayEvent("rev_2", "order.paid", fmt.Sprintf(`{"payment":{"entity":%s},"order":{"entity":%s}}`,
		fmt.Sprintf(razorpayPayment, `[]`), razorpayOrder)),
	razorpayEvent("rev_3", "payment.captured", fmt.Sprintf(`{"payment":{"entity":%s},"order":{"entity":%s}}`,
		fmt.Sprintf(razorpayPayment, `[]`), razorpayOrder)),
}

func TestAllTellingsOfOnePaymentAreOneFactOfEachKind(t *testing.T) {
	for name, test := range map[string]struct {
		tellings []telling
		want     []string
	}{
		"stripe":   {stripeTellings, []string{"acc|order.paid_in_full|SO-1001:pi_1", "acc|payment.succeeded|pi_1"}},
		"razorpay": {razorpayTellings, []string{"acc|order.paid_in_full|order_A1:129900", "acc|payment.succeeded|pay_A1"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := manifest(t, name)
			first, mapped := translator(t, m, translate.Options{}), translator(t, manifest(t, name), translate.Options{})
			told := make([][]waybill.Event, len(test.tellings))
			again := make([][]waybill.Event, len(test.tellings))
			for i, w := range test.tellings {
				told[i] = tell(t, m, first, w)
				again[i] = tell(t, m, mapped, w) // a re-mapping: the same item translated once more
			}
			orders := permutations(len(test.tellings))
			for _, order := range orders {
				b := &book{events: map[string]waybill.Event{}}
				for round := range 2 {
					for _, i := range order {
						b.put(told[i])
						if round == 1 {
							b.put(again[i])
						}
					}
				}
				if diff := cmp.Diff(test.want, b.facts()); diff != "" {
					t.Fatalf("in the order %v:\n%s", order, diff)
				}
				if b.joined == 0 {
					t.Fatal("nothing joined")
				}
			}
			for _, events := range told {
				for _, e := range events {
					if e.Noun == "order" && !strings.Contains(string(e.Data), `"id":"SO-1001"`) {
						t.Errorf("the order is not the shop's own: %s", e.Data)
					}
					if e.Subject != "Order SO-1001" {
						t.Errorf("%s is about %q", e.Type, e.Subject)
					}
				}
			}
		})
	}
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for i := 0; i <= len(p); i++ {
			out = append(out, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return out
}

func TestTwoPartsOfOneOrderAreTwoFacts(t *testing.T) {
	m := manifest(t, "stripe")
	tr := translator(t, m, translate.Options{})
	b := &book{events: map[string]waybill.Event{}}
	for i, id := range []string{"pi_1", "pi_2"} {
		b.put(tell(t, m, tr, telling{name: id, body: fmt.Sprintf(stripeEvent, fmt.Sprint("evt_", i), "payment_intent.succeeded",
			`{"id":"`+id+`","amount":50000,"amount_received":50000,"currency":"inr","metadata":{"order_id":"SO-1","order_due":"100000"},"created":1}`)}))
	}
	want := []string{"acc|order.part_paid|SO-1:pi_1", "acc|order.part_paid|SO-1:pi_2", "acc|payment.succeeded|pi_1", "acc|payment.succeeded|pi_2"}
	if diff := cmp.Diff(want, b.facts()); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkTranslateAStripePayment(b *testing.B) {
	m := manifest(b, "stripe")
	tr := translator(b, m, translate.Options{})
	arrival := &waybill.Arrival{Body: []byte(stripeTellings[0].body)}
	item := waybill.Item{Connection: "stripe", Account: "acc", Type: "payment_intent.succeeded", OccurredAt: time.Unix(1790000001, 0)}
	b.ReportAllocs()
	for b.Loop() {
		in, err := translate.InputOf(m, arrival, item, nil)
		if err != nil {
			b.Fatal(err)
		}
		if r := tr.Translate(in); len(r.Events) != 2 {
			b.Fatalf("%+v", r)
		}
	}
}
