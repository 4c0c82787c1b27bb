package contract_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"

	"waybill"
	"waybill/connector"
	"waybill/connectors"
	"waybill/expr"
)

// stripeMock is Stripe as its own published specification says it is: it refuses unknown paths and parameters.
func stripeMock(t *testing.T) *httptest.Server {
	t.Helper()
	published, err := server.LoadSpec(embedded.OpenAPISpec, "")
	if err != nil {
		t.Fatal(err)
	}
	fixtures, err := server.LoadFixtures(embedded.OpenAPIFixtures, "")
	if err != nil {
		t.Fatal(err)
	}
	stub, err := server.NewStubServer(fixtures, published, false, false)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(stub.HandleRequest))
	t.Cleanup(s.Close)
	return s
}

func exchange(t *testing.T, req waybill.Request) connector.Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), req.Method, req.URL, bytes.NewReader(req.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range req.Headers {
		r.Header.Set(h.Name, h.Value)
	}
	r.Header.Set("Authorization", "Bearer sk_test_123")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return connector.Answer{Status: resp.StatusCode, Body: body}
}

// stripeInputs are inputs for every action of the Stripe connector; one without is a failure of this test.
var stripeInputs = map[string][]map[string]any{
	"account.get":  {{}},
	"payment.get":  {{"id": "pi_1"}},
	"customer.get": {{"id": "cus_1"}},
	"refund.create": {
		{"payment_id": "pi_1"},
		{
			"payment_id": "pi_1", "amount": map[string]any{"minor": int64(129900), "currency": "INR"}, "reason": "requested_by_customer",
			"order_id": "SO-1001 & é",
		},
	},
}

func TestStripeAcceptsEveryCallOfItsConnector(t *testing.T) {
	mock := stripeMock(t)
	env, err := expr.NewEnv(expr.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, faults := connector.Load(connectors.All(), "stripe", env)
	if m == nil {
		t.Fatal(faults)
	}
	for name, action := range m.Actions {
		inputs := stripeInputs[name]
		if len(inputs) == 0 {
			t.Errorf("%s: there is no example to prove it with", name)
		}
		for _, input := range inputs {
			call := connector.Call{Base: mock.URL, Input: input, Settings: m.Defaults(nil), Planned: time.Now()}
			if action.Kind != waybill.KindRead {
				call.Key = "wb0123456789abcdef0123456789abcd"
			}
			req, err := m.Render(action, call)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			answer := exchange(t, req)
			judged := m.Judge(action, answer, call.Settings)
			if answer.Status != http.StatusOK || judged.Certainty != waybill.Happened {
				t.Errorf("%s %v: %d %s\n%+v", name, input, answer.Status, answer.Body, judged)
			}
		}
	}
}

func TestStripeMockRefusesWhatStripeDoesNotKnow(t *testing.T) {
	mock := stripeMock(t)
	form := waybill.Header{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}
	for what, req := range map[string]waybill.Request{
		"an unknown parameter": {Method: http.MethodPost, URL: mock.URL + "/v1/refunds", Headers: []waybill.Header{form}, Body: []byte("payment_intent=pi_1&amuont=1")},
		"an unknown path":      {Method: http.MethodGet, URL: mock.URL + "/v1/refundz"},
		"a wrong type":         {Method: http.MethodPost, URL: mock.URL + "/v1/refunds", Headers: []waybill.Header{form}, Body: []byte("payment_intent=pi_1&amount=much")},
	} {
		if answer := exchange(t, req); answer.Status < 400 || !strings.Contains(string(answer.Body), "error") {
			t.Errorf("%s: %d %s", what, answer.Status, answer.Body)
		}
	}
}
