package simulator_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/simulator"
)

// act makes a call as the connector renders it, which must succeed.
func (s *stage) act(connection, action string, input map[string]any, key string) connector.Judged {
	s.t.Helper()
	j, said := s.judged(connection, action, input, key)
	if j.Certainty != waybill.Happened {
		s.t.Errorf("%s %s with %v: %s: %+v", connection, action, input, said, j)
	}
	return j
}

// judged makes a call as the connector renders it, and judges the answer as it does.
func (s *stage) judged(connection, action string, input map[string]any, key string) (connector.Judged, []byte) {
	s.t.Helper()
	m := manifest(s.t, connection)
	a := m.Actions[action]
	if a == nil {
		s.t.Fatalf("%s has no action %s", connection, action)
	}
	settings := m.Defaults(m.Simulate.Settings)
	req, err := m.Render(a, connector.Call{
		Base: m.Base("test", settings), Input: input, Settings: settings, Key: key, Planned: s.clock.now,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(
		simulator.WithConnection(s.t.Context(), connection), req.Method, req.URL, bytes.NewReader(req.Body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range req.Headers {
		r.Header.Set(h.Name, h.Value)
	}
	signed := s.request(connection, call{do: "GET /"})
	r.Header.Set("Authorization", signed.Header.Get("Authorization"))
	response, err := s.RoundTripper().RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	headers := map[string]string{}
	for name := range response.Header {
		headers[strings.ToLower(name)] = response.Header.Get(name)
	}
	if headers["x-simulator-fault"] != "" {
		s.t.Fatalf("%s %s: %s", connection, action, body)
	}
	return m.Judge(a, connector.Answer{Status: response.StatusCode, Headers: headers, Body: body}, settings), body
}

const ourKey = "0123456789abcdef0123456789abcdef"

func TestWhatEveryConnectorSendsIsTakenAndItsAnswersAreUnderstood(t *testing.T) {
	s := newStage(t)
	money := map[string]any{"minor": int64(29900), "currency": "INR"}
	intent := s.trigger("stripe", "payment_intent.succeeded", nil)
	payment := s.trigger("razorpay", "payment.captured", nil)
	s.trigger("whatsapp", "message.received", map[string]string{"phone": "+919876543210"})
	tried := map[string][]string{}
	do := func(connection, action string, input map[string]any) any {
		tried[connection] = append(tried[connection], action)
		return s.act(connection, action, input, ourKey).Output
	}
	do("stripe", "account.get", nil)
	do("stripe", "payment.get", map[string]any{"id": dig(intent, "data.object.id")})
	do("stripe", "customer.get", map[string]any{"id": dig(intent, "data.object.customer")})
	do("stripe", "refund.create", map[string]any{
		"payment_id": dig(intent, "data.object.id"), "amount": money, "reason": "requested_by_customer", "order_id": "SO-1001",
	})
	do("razorpay", "payment.get", map[string]any{"id": dig(payment, "payload.payment.entity.id")})
	do("razorpay", "order.get", map[string]any{"id": dig(payment, "payload.payment.entity.order_id")})
	do("razorpay", "refund.create", map[string]any{
		"payment_id": dig(payment, "payload.payment.entity.id"), "amount": money, "reason": "size", "order_id": "SO-1001",
	})
	do("hubspot", "account.get", nil)
	contact := do("hubspot", "contact.upsert", map[string]any{
		"email": "asha@example.com", "first_name": "Asha", "phone": "+919876543210", "properties": map[string]any{"city": "Pune"},
	})
	do("hubspot", "contact.get", map[string]any{"id": dig(contact, "id")})
	do("hubspot", "contact.find", map[string]any{"email": "asha@example.com"})
	do("hubspot", "contact.find", map[string]any{"email": "nobody@example.com"})
	deal := do("hubspot", "deal.create", map[string]any{"name": "Order SO-7", "order_no": "SO-7", "amount": "1299.00"})
	do("hubspot", "deal.get", map[string]any{"id": dig(deal, "id")})
	do("hubspot", "deal.update", map[string]any{"id": dig(deal, "id"), "stage": "closedwon", "amount": "1299.00"})
	s.clock.pass(10 * time.Second)
	found := do("hubspot", "deal.find", map[string]any{"order_no": "SO-7"})
	if dig(found, "id") != dig(deal, "id") || dig(found, "won") != true {
		t.Errorf("the deal found is %v", found)
	}
	do("hubspot", "deal.find_by", map[string]any{"property": "order_no", "value": "SO-1"})
	made := do("hubspot", "note.create", map[string]any{"body": "Paid", "deal_id": dig(deal, "id")})
	s.clock.pass(10 * time.Second)
	if note := do("hubspot", "note.find", map[string]any{"text": ourKey}); dig(note, "id") != dig(made, "id") {
		t.Errorf("the note is not found by our key: %v", note)
	}
	do("hubspot", "note.archive", map[string]any{"id": dig(made, "id")})
	do("hubspot", "deal.archive", map[string]any{"id": dig(deal, "id")})
	do("whatsapp", "account.get", nil)
	do("whatsapp", "template.send", map[string]any{
		"to": "+919876543210", "template": "payment_received", "language": "en", "params": map[string]any{"name": "Asha"},
	})
	do("whatsapp", "text.send", map[string]any{"to": "+919876543210", "text": "Yes, today."})
	do("slack", "account.get", nil)
	posted := do("slack", "message.post", map[string]any{"channel": "C0FINANCE01", "text": "Paid"})
	list := do("slack", "message.list", map[string]any{"channel": "C0FINANCE01"})
	if dig(list, "messages.0.key") != ourKey {
		t.Errorf("our key is not in the history: %v", list)
	}
	for range 2 { // what is gone stays gone
		do("slack", "message.delete", map[string]any{"channel": "C0FINANCE01", "id": dig(posted, "id")})
	}
	document := map[string]any{"path": "/orders/SO-1", "body": map[string]any{"paid": true}}
	do("http", "request.put", document)
	do("http", "request.get", map[string]any{"path": "/orders/SO-1"})
	do("http", "request.post", document)
	do("http", "request.send", document)
	for _, name := range names {
		for action := range manifest(t, name).Actions {
			if !slices.Contains(tried[name], action) {
				t.Errorf("%s %s is not tried", name, action)
			}
		}
	}
	if !bytes.Contains(jsonOf(s.ledger), []byte(ourKey)) {
		t.Error("the ledger does not know our key")
	}
}

func TestTheFaultsOfEverySystemAreUnderstoodByItsConnector(t *testing.T) {
	s := newStage(t)
	intent := dig(s.trigger("stripe", "payment_intent.succeeded", nil), "data.object.id")
	payment := dig(s.trigger("razorpay", "payment.captured", nil), "payload.payment.entity.id")
	calls := []struct {
		connection, action string
		input              map[string]any
	}{
		{"stripe", "refund.create", map[string]any{"payment_id": intent}},
		{"razorpay", "refund.create", map[string]any{"payment_id": payment}},
		{"hubspot", "contact.upsert", map[string]any{"email": "asha@example.com"}},
		{"hubspot", "deal.create", map[string]any{"name": "Order SO-7"}},
		{"whatsapp", "template.send", map[string]any{"to": "+919876543210", "template": "payment_received", "language": "en"}},
		{"hubspot", "deal.archive", map[string]any{"id": "55501"}},
		{"slack", "message.post", map[string]any{"channel": "C0FINANCE01", "text": "Paid"}},
		{"slack", "message.delete", map[string]any{"channel": "C0FINANCE01", "id": "1772356262.000200"}},
		{"http", "request.post", map[string]any{"path": "/orders", "body": map[string]any{"order": "SO-1"}}},
	}
	for _, c := range []struct {
		fault     simulator.FaultKind
		certainty waybill.Certainty
		cause     waybill.Cause // empty: any
	}{
		{simulator.RateLimited, waybill.NotHappened, waybill.LimitReached},
		{simulator.TokenExpired, waybill.NotHappened, waybill.SignInExpired},
		{simulator.ErrorBefore, waybill.InDoubt, ""},
		{simulator.BusinessNo, waybill.Declined, ""},
		{simulator.HTML200, waybill.InDoubt, ""},
	} {
		for _, call := range calls {
			if call.connection == "http" && c.fault == simulator.HTML200 {
				continue // of a receiver nobody knows any 2xx is a yes
			}
			s.Script(simulator.Fault{Connection: call.connection, Kind: c.fault})
			j, said := s.judged(call.connection, call.action, call.input, ourKey)
			if j.Certainty != c.certainty || (c.cause != "" && j.Cause != c.cause) {
				t.Errorf("%s %s, %s: judged %s, %s of %s", call.connection, call.action, c.fault, j.Certainty, j.Cause, said)
			}
		}
	}
	if len(s.ledger) != 0 {
		t.Errorf("nothing may have happened: %v", s.ledger)
	}
}
