package translate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
	"waybill/translate"
)

const shop = `connector: shop
title: Shop
summary: A shop.
version: 1
placeholders: [nobody@shop.example.test]
webhook:
  verify: {scheme: none}
  items:
    - {each: "", type: body.type, key: body.id}
actions:
  customer.get:
    title: Read a customer
    kind: read
    input: {required: [id], properties: {id: {type: string}}}
    request: {method: GET, path: "/customers/${input.id}"}
    output: {required: [id], properties: {id: {type: string}, name: {type: string}}}
    answer: {id: "${body.id}"}
mappings:
  - on: signup
    event: lead.created
    key: body.id
    data:
      id: ${body.id}
      status: new
      name: ${body.?name}
      email: ${body.?email}
      source: ${body.?utm.?source}
  - on: order
    event: order.paid
    key: body.id
    data:
      id: ${body.id}
      due: ${body.due}
      paid_total: ${body.paid}
      customer: {}
  - on: change
    event: contact.updated
    fetch: {action: customer.get, with: {id: "${body.customer}"}, as: customer}
    when: has(customer.id)
    otherwise: the customer is gone
    key: body.id
    revision: body.version
    settles: {reference: body.?ref, state: '"confirmed"'}
    data: {id: "${customer.id}", name: "${customer.?name}"}
  - on: ping
    event: lead.created
    when: body.n > 1
    otherwise: n is too small
    key: body.id
    data: {id: "${body.id}", status: new}
`

func shopManifest(tb testing.TB) *connector.Manifest {
	tb.Helper()
	env, err := expr.NewEnv(expr.Config{Zone: "Asia/Kolkata", Region: "IN", Currency: "INR"})
	if err != nil {
		tb.Fatal(err)
	}
	m, faults := connector.Parse("connectors/shop/manifest.yaml", []byte(shop), env)
	if faults.Bad() {
		tb.Fatal(faults)
	}
	return m
}

func do(tb testing.TB, tr *translate.Translator, m *connector.Manifest, typ, body string, fetched map[string]any) translate.Result {
	tb.Helper()
	item := waybill.Item{
		Connection: "shop", Account: "acc", Type: typ, ReceivedAt: time.Date(2026, 10, 1, 12, 0, 0, 0, time.FixedZone("", 19800)),
	}
	in, err := translate.InputOf(m, &waybill.Arrival{Body: []byte(body)}, item, fetched)
	if err != nil {
		tb.Fatal(err)
	}
	return tr.Translate(in)
}

func TestAnEmptyValueIsAnAbsentOne(t *testing.T) {
	m := shopManifest(t)
	tr := translator(t, m, translate.Options{})
	for name, body := range map[string]string{
		"null":        `{"id":"1","name":null,"email":null,"utm":null}`,
		"empty text":  `{"id":"1","name":"","email":"","utm":{"source":""}}`,
		"empty list":  `{"id":"1","name":[],"utm":[]}`,
		"placeholder": `{"id":"1","email":"nobody@shop.example.test"}`,
		"not there":   `{"id":"1"}`,
	} {
		r := do(t, tr, m, "signup", body, nil)
		if len(r.Events) != 1 || string(r.Events[0].Data) != `{"id":"1","status":"new"}` {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestAnEventExplainsHowEachFieldCameToBe(t *testing.T) {
	m := shopManifest(t)
	tr := translator(t, m, translate.Options{})
	r := do(t, tr, m, "signup", `{"id":"7","name":"Asha","email":"nobody@shop.example.test"}`, nil)
	if len(r.Events) != 1 {
		t.Fatalf("%+v", r)
	}
	var got []string
	for _, line := range tr.Lines(&r.Events[0], r.Data[0]) {
		got = append(got, fmt.Sprintf("%s = %s: %s%s", line.Target, line.Source, line.Value, line.Note))
		if line.File != "connectors/shop/manifest.yaml" || line.Line < 15 {
			t.Errorf("%s is said to be at %s:%d", line.Target, line.File, line.Line)
		}
	}
	want := []string{
		"lead.id = ${body.id}: 7", "lead.status = new: new", "lead.name = ${body.?name}: Asha",
		"lead.email = ${body.?email}: a placeholder of Shop: left out", "lead.source = ${body.?utm.?source}: absent: left out",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatBecomesOfAnItemHasItsReason(t *testing.T) {
	m := shopManifest(t)
	tr := translator(t, m, translate.Options{})
	for name, test := range map[string]struct{ typ, body, want string }{
		"a type nobody uses":          {"refund", `{}`, "Shop sends refund; no mapping uses it"},
		"a body nothing is known of":  {"", `{}`, "Shop sent a body in which nothing is known"},
		"a mapping that does not fit": {"ping", `{"id":"1","n":1}`, "Shop sends ping; n is too small"},
		"an order that is not paid":   {"order", `{"id":"1","due":{"minor":5,"currency":"INR"},"paid":{"minor":0,"currency":"INR"}}`, "Shop sends order; nothing is paid yet"},
	} {
		if r := do(t, tr, m, test.typ, test.body, nil); r.NotUsed != test.want || len(r.Events) > 0 || r.Blocked != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestAMappingThatCannotBeFollowedBlocksTheItemAndSaysWhere(t *testing.T) {
	m := shopManifest(t)
	tr := translator(t, m, translate.Options{})
	for name, test := range map[string]struct {
		typ, body string
		cause     waybill.Cause
		words     string
	}{
		"a field is missing":        {"signup", `{"name":"Asha"}`, waybill.MissingValue, "id"},
		"money is no money":         {"order", `{"id":"1","due":"12.00","paid":{"minor":1,"currency":"INR"}}`, waybill.FormatChanged, "money"},
		"two currencies":            {"order", `{"id":"1","due":{"minor":5,"currency":"USD"},"paid":{"minor":5,"currency":"INR"}}`, waybill.MappingWrong, "USD and INR"},
		"text where a number stood": {"ping", `{"id":"1","n":"two"}`, waybill.FormatChanged, ""},
		"a group where text stood":  {"signup", `{"id":"1","name":{"first":"Asha"}}`, waybill.FormatChanged, "name"},
	} {
		r := do(t, tr, m, test.typ, test.body, nil)
		if r.Blocked == nil || len(r.Events) > 0 {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		b := r.Blocked
		if b.Cause != test.cause || !strings.Contains(b.Words, test.words) || b.File != "connectors/shop/manifest.yaml" || b.Line < 15 ||
			!strings.Contains(b.Words, fmt.Sprintf("%s:%d", b.File, b.Line)) {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

func TestWhatIsMissingIsFetchedOnce(t *testing.T) {
	m := shopManifest(t)
	tr := translator(t, m, translate.Options{})
	body := `{"id":"9","customer":"c1","version":3,"ref":"key-1"}`
	r := do(t, tr, m, "change", body, nil)
	if r.NeedFetch == nil || len(r.Events) > 0 || len(r.Settles) > 0 {
		t.Fatalf("%+v", r)
	}
	want := &translate.FetchNeeded{Action: "customer.get", Inputs: map[string]any{"id": "c1"}, As: "customer"}
	if diff := cmp.Diff(want, r.NeedFetch); diff != "" {
		t.Error(diff)
	}
	r = do(t, tr, m, "change", body, map[string]any{"customer": map[string]any{"id": "c1", "name": "Asha"}})
	if len(r.Events) != 1 || r.Events[0].Revision != "3" || string(r.Events[0].Data) != `{"id":"c1","name":"Asha"}` {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]translate.SettlesFound{{Reference: "key-1", State: "confirmed"}}, r.Settles); diff != "" {
		t.Error(diff)
	}
	r = do(t, tr, m, "change", body, map[string]any{"customer": nil})
	if r.NotUsed != "Shop sends change; the customer is gone" {
		t.Errorf("%+v", r)
	}
}

func TestAnEventWithoutATimeOfItsOwnHappenedWhenItCame(t *testing.T) {
	m := shopManifest(t)
	r := do(t, translator(t, m, translate.Options{}), m, "signup", `{"id":"1"}`, nil)
	if at := r.Events[0].OccurredAt; !at.Equal(time.Date(2026, 10, 1, 6, 30, 0, 0, time.UTC)) || at.Location() != time.UTC {
		t.Errorf("it happened at %v", at)
	}
}

func TestAWorkspacesMappingTakesThePlaceOfOurs(t *testing.T) {
	m := shopManifest(t)
	node, faults := source.Parse("events/shop.yaml", []byte(`- on: signup
  event: contact.created
  key: body.id
  data: {id: "${body.id}", name: "${body.?name}"}
`))
	if faults.Bad() {
		t.Fatal(faults)
	}
	env, err := expr.NewEnv(expr.Config{Region: "IN"})
	if err != nil {
		t.Fatal(err)
	}
	own, faults := connector.ParseMappings(m, node, env)
	if faults.Bad() {
		t.Fatal(faults)
	}
	tr := translator(t, m, translate.Options{Overrides: own})
	if r := do(t, tr, m, "signup", `{"id":"1"}`, nil); len(r.Events) != 1 || r.Events[0].Type != "contact.created" {
		t.Errorf("%+v", r)
	}
	if r := do(t, tr, m, "ping", `{"id":"1","n":2}`, nil); len(r.Events) != 1 || r.Events[0].Type != "lead.created" {
		t.Errorf("ours is gone too: %+v", r)
	}
}

func TestTheFieldThatFailedIsNamedHoweverTheMappingIsWritten(t *testing.T) {
	m := shopManifest(t)
	env, err := expr.NewEnv(expr.Config{Region: "IN"})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ mapping, body, field, words string }{
		"on one line":      {`data: {id: "${string(body.id)}", name: "${string(body.who)}", email: "${body.?mail}"}`, `{"id":"1"}`, "name", "name: "},
		"the first of all": {`data: {id: "${string(body.id)}", name: "${string(body.who)}", email: "${body.?mail}"}`, `{"who":"Asha"}`, "id", "id: "},
		"on several lines": {"data:\n    id: ${string(body.id)}\n    name: >-\n      ${string(\n      body.who)}\n    email: ${body.?mail}", `{"id":"1"}`, "name", "name: "},
		"behind the data":  {"data: {id: \"${string(body.id)}\"}\n  revision: string(body.version)", `{"id":"1"}`, "", "version"},
	} {
		node, _ := source.Parse("events/shop.yaml", []byte("- on: signup\n  event: contact.created\n  key: string(body.id)\n  "+test.mapping+"\n"))
		own, faults := connector.ParseMappings(m, node, env)
		if faults.Bad() {
			t.Fatal(faults)
		}
		b := do(t, translator(t, m, translate.Options{Overrides: own}), m, "signup", test.body, nil).Blocked
		if b == nil || b.Cause != waybill.MissingValue || b.Code != test.field || !strings.Contains(b.Words, "but "+test.words) && test.field != "" || !strings.Contains(b.Words, test.words) {
			t.Errorf("%s: want the field %q, got %+v", name, test.field, b)
		}
	}
}

func TestABodyIsMadeToTellOfAnotherObject(t *testing.T) {
	m := shopManifest(t)
	tr := translator(t, m, translate.Options{})
	key := func(body []byte) string {
		r := do(t, tr, m, "signup", string(body), nil)
		if len(r.Events) != 1 {
			t.Fatalf("%s: %+v", body, r)
		}
		return r.Events[0].FactKey
	}
	body := []byte(`{"id":"7","name":"Asha"}`)
	others := tr.Others(body)
	if len(others) != 1 || key(others[0]) == key(body) || !strings.Contains(string(others[0]), `"name":"Asha"`) {
		t.Errorf("others: %s", others)
	}
	for _, body := range []string{"no JSON", `[]`, `{"id":null}`, `{"name":"Asha"}`} {
		if others := tr.Others([]byte(body)); len(others) > 0 {
			t.Errorf("%s: %s", body, others)
		}
	}
}

func TestAMappingToAnUnknownEventIsRefused(t *testing.T) {
	m := shopManifest(t)
	m.Mappings[0].Event = "lead.create"
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	tr, faults := translate.New(m, c, translate.Options{})
	if tr != nil || len(faults) != 1 || faults[0].Code != "E431" || faults[0].Hint != `Did you mean "lead.created"?` {
		t.Errorf("faults %v", faults)
	}
	if at := faults[0].Span; at.Line != 20 || at.Col != 12 || at.Len != len("lead.created") {
		t.Errorf("the fault is at %+v, not at the event", at)
	}
}

func TestReadableValues(t *testing.T) {
	for want, value := range map[string]any{
		"INR 1,299.00":     money(129900),
		"INR 0.05":         money(5),
		"INR -0.50":        money(-50),
		"INR 1,234,567.89": money(123456789),
		"JPY 1,299":        map[string]any{"minor": int64(1299), "currency": "JPY"},
		"KWD 1.299":        map[string]any{"minor": int64(1299), "currency": "KWD"},
		"2 entries":        []any{1, 2},
		"true":             true,
	} {
		if got := translate.Readable(value); got != want {
			t.Errorf("%v reads %q, want %q", value, got, want)
		}
	}
	if got := translate.Readable(strings.Repeat("é", 200)); got != strings.Repeat("é", 80)+"…" {
		t.Errorf("a long text reads %q", got)
	}
}

func FuzzTranslate(f *testing.F) {
	m := manifest(f, "stripe")
	tr := translator(f, m, translate.Options{})
	for _, w := range stripeTellings {
		f.Add([]byte(w.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		value, err := connector.DecodeJSON(body)
		if err != nil {
			return
		}
		for _, found := range m.ItemsOf(connector.Incoming{Body: value}) {
			item := waybill.Item{Connection: "stripe", Type: found.Type, Pointer: found.Pointer, OccurredAt: found.Time}
			in, err := translate.InputOf(m, &waybill.Arrival{Body: body}, item, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := tr.Translate(in)
			if len(r.Events) == 0 && r.NeedFetch == nil && r.NotUsed == "" && r.Blocked == nil && len(r.Settles) == 0 {
				t.Fatalf("nothing came of it, and nothing says why: %s", body)
			}
			for _, e := range r.Events {
				if e.FactKey == "" || len(e.Data) == 0 {
					t.Fatalf("an event without a fact key or data: %+v", e)
				}
			}
		}
	})
}
