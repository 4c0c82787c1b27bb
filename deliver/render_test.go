package deliver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/expr"
)

const manifest = `
connector: crm
title: CRM
summary: A system for tests.
version: 1
settings:
  region: {title: Region, default: eu}
secrets:
  api_key: {title: Key, required: true}
base_url: {all: "https://${settings.region}.example.com/v1"}
sign_in: {kind: bearer, secret: api_key}
headers: {X-Version: "2026-11", X-Region: "${settings.region}"}
actions:
  deal.get:
    title: Read a deal
    kind: read
    input: {properties: {id: {type: string}}, required: [id]}
    request: {method: GET, path: "/deals/${input.id}"}
    output: {properties: {id: {type: string}, amount: {type: integer}}, required: [id]}
    answer: {id: "${body.id}", amount: "${body.?amount}"}
    object: {type: deal, key: input.id, id: output.id}
  deal.find:
    title: Find a deal
    kind: read
    input: {properties: {order_no: {type: string}, tag: {type: string}}, required: [order_no]}
    request:
      method: GET
      path: /deals
      query: {order: "${input.order_no}", tag: "${input.?tag}", limit: "1"}
    output: {properties: {id: {type: string}}}
    answer: {id: "${body.?items[?0].?id}"}
    found: size(body.items) > 0
  deal.update:
    title: Update a deal
    kind: state
    repeat: key
    key: {header: Idempotency-Key, form: uuid, life: 24h, final: true}
    object: {type: deal, key: input.id, id: output.id}
    input:
      properties:
        id: {type: string}
        amount: {type: integer}
        note: {type: string}
        tags: {type: array, items: {type: string}}
      required: [id]
    request:
      method: PATCH
      path: /deals/${input.id}
      headers: {X-Note: "${input.?note}"}
      json: {note: "${input.?note}", amount: "${input.?amount}", tags: "${input.?tags}", key: "${key}"}
    output: {properties: {id: {type: string}}, required: [id]}
    answer: {id: "${body.id}"}
    undo: {cannot: By hand.}
    errors:
      - status: 409
        when: body.?code.orValue("") == "done_already"
        cause: duplicate there
        words: It is done already.
        certainty: happened
  note.add:
    title: Add a note
    kind: add
    repeat: never
    request: {method: POST, path: /notes, json: {at: "${planned_at}"}}
    undo: {cannot: By hand.}
  charge.create:
    title: Charge
    kind: money
    repeat: never
    settled_by: webhook
    input:
      properties:
        amount: {type: object, format: money}
        order: {type: string}
      required: [amount]
    request:
      method: POST
      path: /charges
      form:
        amount: ${input.amount.minor}
        currency: ${input.amount.currency}
        types: [card, upi]
        metadata: {order_id: "${input.?order}", waybill_key: "${key}"}
    output: {properties: {id: {type: string}}, required: [id]}
    answer: {id: "${body.id}"}
    undo: {cannot: By hand.}
error_at: {code: body.?code, message: body.?message, field: body.?field}
errors:
  - status: 200
    when: body.?ok.orValue(true) == false && body.?code.orValue("") == "slow_down"
    cause: limit reached
    words: It asks to slow down.
  - status: 200
    when: body.?ok.orValue(true) == false && body.?code.orValue("") == "internal"
    cause: their side down
    words: "It has a fault of its own: {code}"
  - status: 200
    when: body.?ok.orValue(true) == false
    cause: declined value
    words: "It does not accept {field}: {message} ({code})"
    fix: Correct it.
    who: builder
  - status: 404
    cause: not found there
    words: It knows no such thing.
  - status: 4xx
    cause: declined value
    words: "Refused: {message}"
`

func crm(tb testing.TB) *deliver.Target {
	tb.Helper()
	env, err := expr.NewEnv(expr.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	m, faults := connector.Parse("crm/manifest.yaml", []byte(manifest), env)
	if m == nil {
		tb.Fatalf("%+v", faults)
	}
	return &deliver.Target{
		Connection: "crm", Account: "acct_1", Manifest: m, BaseURL: "https://eu.example.com/v1", Planned: t0,
		Settings: map[string]string{"region": "eu"}, Secret: secretsOf(map[string]string{"api_key": "sk_secret"}),
	}
}

func TestACallIsRenderedWholeAndFrozen(t *testing.T) {
	target := crm(t)
	h := func(pairs ...string) (out []waybill.Header) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, waybill.Header{Name: pairs[i], Value: pairs[i+1]})
		}
		return out
	}
	for _, tt := range []struct {
		name, action string
		inputs       map[string]any
		key          string
		want         waybill.Request
		object       waybill.Object
	}{
		{
			"JSON with sorted names, exact integers and no escapes for HTML", "deal.update",
			map[string]any{"id": "d/1", "amount": int64(9007199254740993), "note": "a <b> & \"c\"", "tags": []any{"x"}},
			"k-1",
			waybill.Request{
				Method: "PATCH", URL: "https://eu.example.com/v1/deals/d%2F1",
				Headers: h("X-Version", "2026-11", "X-Region", "eu", "X-Note", "a <b> & \"c\"", "Idempotency-Key", "k-1", "Content-Type", "application/json"),
				Body:    []byte(`{"amount":9007199254740993,"key":"k-1","note":"a <b> & \"c\"","tags":["x"]}`),
			},
			waybill.Object{Type: "deal", Key: "d/1"},
		},
		{
			"what is absent is left out", "deal.update",
			map[string]any{"id": "d1"},
			"k-1",
			waybill.Request{
				Method: "PATCH", URL: "https://eu.example.com/v1/deals/d1",
				Headers: h("X-Version", "2026-11", "X-Region", "eu", "Idempotency-Key", "k-1", "Content-Type", "application/json"),
				Body:    []byte(`{"key":"k-1"}`),
			},
			waybill.Object{Type: "deal", Key: "d1"},
		},
		{
			"a query that cannot be broken out of", "deal.find",
			map[string]any{"order_no": "SO-1&limit=9#x"},
			"",
			waybill.Request{
				Method: "GET", URL: "https://eu.example.com/v1/deals?order=SO-1%26limit%3D9%23x&limit=1",
				Headers: h("X-Version", "2026-11", "X-Region", "eu"),
			},
			waybill.Object{},
		},
		{
			"a form with brackets", "charge.create",
			map[string]any{"amount": map[string]any{"minor": int64(129900), "currency": "INR"}, "order": "SO 1001"},
			"k-1",
			waybill.Request{
				Method: "POST", URL: "https://eu.example.com/v1/charges",
				Headers: h("X-Version", "2026-11", "X-Region", "eu", "Content-Type", "application/x-www-form-urlencoded"),
				Body:    []byte("amount=129900&currency=INR&metadata[order_id]=SO+1001&metadata[waybill_key]=k-1&types[0]=card&types[1]=upi"),
			},
			waybill.Object{},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := deliver.Render(target, target.Manifest.Actions[tt.action], tt.inputs, tt.key)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Request); diff != "" {
				t.Error(diff)
			}
			if got.Object != tt.object {
				t.Errorf("%+v", got.Object)
			}
			again, _ := deliver.Render(target, target.Manifest.Actions[tt.action], tt.inputs, tt.key)
			if !cmp.Equal(got, again) {
				t.Error("another time it is another request")
			}
			if strings.Contains(fmt.Sprintf("%+v", got), "sk_secret") {
				t.Error("it holds a credential")
			}
		})
	}
}

func TestWhatDataMustNotDoToACall(t *testing.T) {
	target := crm(t)
	for _, tt := range []struct {
		name, action string
		inputs       map[string]any
	}{
		{"break a header's line", "deal.update", map[string]any{"id": "d1", "note": "x\r\nX-Evil: 1"}},
		{"put a control character into a header", "deal.update", map[string]any{"id": "d1", "note": "x\x00"}},
		{"climb up the path", "deal.get", map[string]any{"id": ".."}},
		{"stay where it is in the path", "deal.get", map[string]any{"id": "."}},
		{"name all instead of one", "deal.get", map[string]any{"id": ""}},
		{"fetch a secret", "deal.get", map[string]any{"id": "${secret:api_key}"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := deliver.Render(target, target.Manifest.Actions[tt.action], tt.inputs, "")
			if err == nil && !strings.Contains(got.Request.URL, "%7B") {
				t.Errorf("rendered as %s %+v", got.Request.URL, got.Request.Headers)
			}
			if err != nil && waybill.KindOf(err) != waybill.Invalid {
				t.Logf("%v", err)
			}
		})
	}
}

func TestAFingerprintIsOfAccountActionAndInputs(t *testing.T) {
	in := map[string]any{"b": int64(1), "a": []any{"x", nil, true, 1.5}}
	same := map[string]any{"a": []any{"x", nil, true, 1.5}, "b": int64(1)}
	of := func(account, action string, in map[string]any) string {
		f, err := deliver.Fingerprint(account, action, in)
		if err != nil || len(f) != 64 {
			t.Fatalf("%q, %v", f, err)
		}
		return f
	}
	first := of("acct_1", "deal.update", in)
	if of("acct_1", "deal.update", same) != first {
		t.Error("the order of the inputs changes it")
	}
	for name, other := range map[string]string{
		"account": of("acct_2", "deal.update", in), "action": of("acct_1", "deal.get", in), "inputs": of("acct_1", "deal.update", nil),
		"boundary": of("acct_1d", "eal.update", in),
	} {
		if other == first {
			t.Errorf("another %s gives the same", name)
		}
	}
}

func TestAKeyIsTheEffectsOwnInTheFormTheProviderTakes(t *testing.T) {
	e := waybill.Effect{Account: "acct_1", Event: "evt_1", Flow: "f", Address: "won", Generation: 1}
	hash := &connector.Action{}
	first := deliver.Key(hash, &e, string(e.Event))
	if len(first) != 32 || strings.Trim(first, "0123456789abcdef") != "" {
		t.Errorf("%q", first)
	}
	again := e
	again.ID, again.Run, again.Inputs = "eff_2", "run_2", []byte("{}")
	if deliver.Key(hash, &again, string(again.Event)) != first {
		t.Error("it depends on more than the effect's place")
	}
	seen := map[string]bool{first: true}
	for _, change := range []func(*waybill.Effect){
		func(e *waybill.Effect) { e.Account = "acct_2" }, func(e *waybill.Effect) { e.Event = "evt_2" },
		func(e *waybill.Effect) { e.Flow = "g" }, func(e *waybill.Effect) { e.Address = "won2" },
		func(e *waybill.Effect) { e.Generation = 2 }, func(e *waybill.Effect) { e.Flow, e.Address = "fw", "on" },
	} {
		other := e
		change(&other)
		key := deliver.Key(hash, &other, string(other.Event))
		if seen[key] {
			t.Errorf("%+v has the key of another", other)
		}
		seen[key] = true
	}
	uuid := deliver.Key(&connector.Action{Key: connector.KeyRule{Form: "uuid"}}, &e, string(e.Event))
	if len(uuid) != 36 || uuid[14] != '5' || !strings.ContainsRune("89ab", rune(uuid[19])) {
		t.Errorf("%q", uuid)
	}
}

func TestWhatAMatcherSaysDecides(t *testing.T) {
	target := crm(t)
	rows := []struct {
		name, action string
		status       int
		body         string
		certainty    waybill.Certainty
		cause        waybill.Cause
		words        string
	}{
		{"a fine answer", "deal.update", 200, `{"id":"d1"}`, waybill.Happened, "", ""},
		{
			"a refusal that comes with 200", "deal.update", 200, `{"ok":false,"code":"bad","field":"amount","message":"too much"}`,
			waybill.Declined, waybill.DeclinedValue, "It does not accept amount: too much (bad)",
		},
		{
			"a limit that comes with 200 did not happen", "deal.update", 200, `{"ok":false,"code":"slow_down"}`,
			waybill.NotHappened, waybill.LimitReached, "It asks to slow down.",
		},
		{
			"a fault of theirs that comes with 200 is in doubt", "deal.update", 200, `{"ok":false,"code":"internal"}`,
			waybill.InDoubt, waybill.TheirSideDown, "It has a fault of its own: internal",
		},
		{"a refusal that means it is done", "deal.update", 409, `{"code":"done_already"}`, waybill.Happened, waybill.DuplicateThere, "It is done already."},
		{
			"an answer of another shape is in doubt", "deal.update", 200, `{"data":{"id":"d1"}}`, waybill.InDoubt, waybill.FormatChanged,
			"The answer came, but it could not be read.",
		},
		{"a write that misses its object is declined", "deal.update", 404, `{}`, waybill.Declined, waybill.NotFoundThere, "It knows no such thing."},
		{"a read that misses its object is answered", "deal.get", 404, `{}`, waybill.Happened, "", "It knows no such thing."},
		{
			"a read of another shape is read again", "deal.get", 200, `{}`, waybill.NotHappened, waybill.FormatChanged,
			"The answer came, but it could not be read.",
		},
		{"nothing found is an answer", "deal.find", 200, `{"items":[]}`, waybill.Happened, "", ""},
		{"a read meets a fault of theirs", "deal.get", 500, `oops`, waybill.NotHappened, waybill.TheirSideDown, "CRM has a fault of its own."},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(r.status)
				fmt.Fprint(w, r.body)
			}))
			defer server.Close()
			target.Private = []string{strings.TrimPrefix(server.URL, "http://")}
			x := callerOf(deliver.Transport()).Call(t.Context(), target, target.Manifest.Actions[r.action], requestOf("POST", server.URL, "{}"))
			if x.Attempt.Certainty != r.certainty || x.Attempt.Cause != r.cause || x.Words != r.words {
				t.Errorf("%s, %s, %q", x.Attempt.Certainty, x.Attempt.Cause, x.Words)
			}
			if missing := r.action == "deal.find" || r.status == 404; x.Found == missing && r.certainty == waybill.Happened && r.cause == "" {
				t.Errorf("found: %v", x.Found)
			}
		})
	}
}

func TestAnAnswerGivesOutputAndObject(t *testing.T) {
	target := crm(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id":"d1","amount":9007199254740993}`)
	}))
	defer server.Close()
	target.Private = []string{strings.TrimPrefix(server.URL, "http://")}
	x := callerOf(deliver.Transport()).Call(t.Context(), target, target.Manifest.Actions["deal.get"], requestOf("GET", server.URL, ""))
	if diff := cmp.Diff(map[string]any{"id": "d1", "amount": int64(9007199254740993)}, x.Answer); diff != "" || x.Object != "d1" || !x.Found {
		t.Errorf("%s %+v", diff, x)
	}
}

// FuzzRender: whatever an input holds, the call goes to the manifest's host, below its base, with whole headers, and with
// a body that is JSON.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"d1", "..", "../..", "a/b", "", "%2e%2e", "x\r\ny", "${secret:api_key}", "//evil", "@evil", "?a", "#a", "\xff"} {
		f.Add(s, s)
	}
	target := crm(f)
	action := target.Manifest.Actions["deal.update"]
	f.Fuzz(func(t *testing.T, id, note string) {
		got, err := deliver.Render(target, action, map[string]any{"id": id, "note": note}, "k")
		if err != nil {
			return
		}
		rest, ok := strings.CutPrefix(got.Request.URL, "https://eu.example.com/v1/deals/")
		if !ok || rest == "" || strings.ContainsAny(rest, "/?#\\ \r\n") || strings.Contains(rest, "${secret:") {
			t.Errorf("%q leads to %q", id, got.Request.URL)
		}
		for _, h := range got.Request.Headers {
			if strings.ContainsAny(h.Value, "\r\n\x00") {
				t.Errorf("%q", h)
			}
		}
		if !json.Valid(got.Request.Body) {
			t.Errorf("%q", got.Request.Body)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	target := crm(b)
	action := target.Manifest.Actions["deal.update"]
	inputs := map[string]any{"id": "d1", "amount": int64(129900), "note": "paid", "tags": []any{"a", "b"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := deliver.Render(target, action, inputs, "0123456789abcdef"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestATimeOfOursIsNeverMadeUp(t *testing.T) {
	target := crm(t)
	got, err := deliver.Render(target, target.Manifest.Actions["note.add"], nil, "k")
	if err != nil || string(got.Request.Body) != `{"at":"2026-11-02T10:00:00Z"}` {
		t.Errorf("%s, %v", got.Request.Body, err)
	}
	target.Planned = time.Time{}
	if got, err := deliver.Render(target, target.Manifest.Actions["note.add"], nil, "k"); err == nil {
		t.Errorf("rendered as %s", got.Request.Body)
	}
}
