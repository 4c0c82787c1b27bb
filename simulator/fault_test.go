package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"

	"waybill/simulator"
)

func jsonOf(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

func TestEveryFaultLeavesTheLedgerWithTheTruth(t *testing.T) {
	for _, c := range []struct {
		kind     simulator.FaultKind
		happened bool
		status   int   // of the answer; 0 for none
		err      error // instead of an answer
		cut      bool
	}{
		{kind: simulator.RateLimited, status: 429},
		{kind: simulator.ErrorBefore, status: 500},
		{kind: simulator.ErrorAfter, status: 500, happened: true},
		{kind: simulator.Slow, err: context.DeadlineExceeded, happened: true},
		{kind: simulator.Refused, err: syscall.ECONNREFUSED},
		{kind: simulator.ResetBefore, err: syscall.ECONNRESET},
		{kind: simulator.LostAfter, err: io.ErrUnexpectedEOF, happened: true},
		{kind: simulator.TokenExpired, status: 401},
		{kind: simulator.Lag, status: 200, happened: true},
		{kind: simulator.Truncated, status: 200, happened: true, cut: true},
		{kind: simulator.HTML200, status: 200},
		{kind: simulator.BusinessNo, status: 400},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			s := newStage(t, "whatsapp")
			s.Script(simulator.Fault{Connection: "whatsapp", Match: "template.send", Kind: c.kind})
			send := call{do: "POST /v23.0/1065001000001/messages", body: template}
			response, err := s.RoundTripper().RoundTrip(s.request("whatsapp", send))
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err == nil {
				if response.StatusCode != c.status {
					t.Errorf("status %d, want %d", response.StatusCode, c.status)
				}
				if _, err := io.ReadAll(response.Body); errors.Is(err, io.ErrUnexpectedEOF) != c.cut {
					t.Errorf("reading the body: %v", err)
				}
			}
			if happened := len(s.ledger) == 1; happened != c.happened {
				t.Errorf("the ledger says %v", s.ledger)
			}
			// It is used up: the next call is well.
			s.call("whatsapp", call{do: send.do, body: template, status: 200})
		})
	}
}

func TestALagHidesAWriteFromSearchesOnly(t *testing.T) {
	s := newStage(t, "hubspot")
	s.Script(simulator.Fault{Kind: simulator.Lag, Delay: time.Minute})
	_, _, made := s.call("hubspot", call{
		do: "POST /crm/objects/2026-03/deals", body: `{"properties":{"dealname":"Order SO-1","order_no":"SO-1"}}`, status: 201,
	})
	s.call("hubspot", call{do: "GET /crm/objects/2026-03/deals/" + str(t, made, "id"), pause: 30 * time.Second, status: 200})
	search := call{
		do:     "POST /crm/objects/2026-03/deals/search",
		body:   `{"filterGroups":[{"filters":[{"propertyName":"order_no","operator":"EQ","value":"SO-1"}]}]}`,
		status: 200, want: map[string]any{"total": 0.0},
	}
	s.call("hubspot", search)
	search.pause, search.want = time.Minute, map[string]any{"total": 1.0}
	s.call("hubspot", search)
}

func TestOnARealListenerALostAnswerIsAClosedConnection(t *testing.T) {
	for _, kind := range []simulator.FaultKind{simulator.LostAfter, simulator.ResetBefore, simulator.Truncated} {
		t.Run(string(kind), func(t *testing.T) {
			s := newStage(t, "whatsapp")
			server := httptest.NewServer(s.Handler("whatsapp"))
			defer server.Close()
			s.Script(simulator.Fault{Kind: kind})
			do := func() error {
				r := s.request("whatsapp", call{do: "POST /v23.0/1065001000001/messages", body: template})
				r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
				response, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					return err
				}
				defer func() { _ = response.Body.Close() }()
				_, err = io.ReadAll(response.Body)
				return err
			}
			if err := do(); err == nil {
				t.Error("the connection was not broken")
			}
			want := 1
			if kind == simulator.ResetBefore {
				want = 0
			}
			s.mu.Lock()
			if len(s.ledger) != want {
				t.Errorf("ledger: %v", s.ledger)
			}
			s.mu.Unlock()
			if err := do(); err != nil {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}

func TestAWebhookIsSentAgainUntilItIsTaken(t *testing.T) {
	s := newStage(t, "razorpay")
	payment := str(t, s.trigger("razorpay", "payment.captured", nil), "payload.payment.entity.id")
	s.statuses = []int{503, 0, 200, 200}
	s.call("razorpay", call{do: "POST /v1/payments/" + payment + "/refund", body: `{"amount":5000}`, status: 200})
	s.clock.pass(24 * time.Hour)
	if len(s.hooks) != 4 {
		t.Fatalf("%d webhooks, want refund.created and refund.processed, each twice", len(s.hooks))
	}
	ids := map[string]int{}
	for _, h := range s.hooks {
		ids[h.Header.Get("X-Razorpay-Event-Id")]++
	}
	for id, n := range ids {
		if n != 2 {
			t.Errorf("event %s came %d times", id, n)
		}
	}
}

func TestFaultsOfWebhooksStrikeThemOnTheirWay(t *testing.T) {
	for _, c := range []struct {
		kind   simulator.FaultKind
		hooks  int // refund.created and refund.processed, and what the fault adds
		second string
	}{
		{simulator.Duplicate, 3, "refund.created"},
		{simulator.Late, 2, "refund.created"},
		{simulator.Reordered, 2, "refund.created"},
		{simulator.Forged, 3, "refund.created"},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			s := newStage(t, "razorpay")
			payment := str(t, s.trigger("razorpay", "payment.captured", nil), "payload.payment.entity.id")
			s.Script(simulator.Fault{Match: "refund.created", Kind: c.kind})
			s.call("razorpay", call{do: "POST /v1/payments/" + payment + "/refund", body: `{"amount":5000}`, status: 200})
			s.clock.pass(time.Hour)
			if len(s.hooks) != c.hooks || s.hooks[1].Event != c.second {
				t.Fatalf("%d webhooks: %+v", len(s.hooks), s.hooks)
			}
			forged := 0
			for _, h := range s.hooks {
				m := manifest(t, "razorpay")
				if prove(t, m, s.secrets["razorpay"]["webhook_secret"], h, s.clock.now) != nil {
					forged++
				}
			}
			if want := map[bool]int{true: 1}[c.kind == simulator.Forged]; forged != want {
				t.Errorf("%d forged", forged)
			}
		})
	}
}

func TestATriggerCanBeVaried(t *testing.T) {
	s := newStage(t, "razorpay")
	hooks, err := s.Trigger(t.Context(), "razorpay", "payment.captured", simulator.TriggerOptions{
		Set: map[string]string{
			"amount": "5000", "order_id": "SO-7", "notes": "order", "payload.payment.entity.method": "card", "payload.payment.entity.contact": "12345",
		},
		Times: 2, Dup: 1, Late: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(hooks) != 4 || hooks[0].Header.Get("X-Razorpay-Event-Id") != hooks[1].Header.Get("X-Razorpay-Event-Id") ||
		hooks[1].Header.Get("X-Razorpay-Event-Id") == hooks[2].Header.Get("X-Razorpay-Event-Id") {
		t.Fatalf("%+v", hooks)
	}
	told := body(t, hooks[0])
	for path, want := range map[string]any{
		"payload.payment.entity.amount": 5000.0, "payload.payment.entity.method": "card",
		"payload.payment.entity.contact": "12345", "payload.payment.entity.notes.order_id": "SO-7",
		"created_at": float64(start.Add(-time.Hour).Unix()),
	} {
		if got := dig(told, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if _, err := s.Trigger(t.Context(), "razorpay", "payment.vanished", simulator.TriggerOptions{}); err == nil {
		t.Error("an unknown sample is taken")
	}
	if _, err := s.Trigger(t.Context(), "paypal", "payment.captured", simulator.TriggerOptions{}); err == nil {
		t.Error("an unknown connection is taken")
	}
}

func TestCallsFindTheirAccountByAddressAndCredentials(t *testing.T) {
	s := newStage(t, "stripe")
	second := manifest(t, "stripe")
	secrets := simulator.Secrets("stripe-2", second)
	if err := s.Add("stripe-2", second, secrets, simulator.ConnectionOptions{Account: "acct_second"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ address, key, want string }{
		{"https://api.stripe.com/v1/account", s.secrets["stripe"]["api_key"], "acct_1simulated00001"},
		{"https://api.stripe.com/v1/account", secrets["api_key"], "acct_second"},
		{"http://stripe-2.simulator/v1/account", secrets["api_key"], "acct_second"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.key)
		response, err := s.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(response.Body)
		if !strings.Contains(string(got), c.want) {
			t.Errorf("%s: %s", c.address, got)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://elsewhere.example/", nil)
	if _, err := s.RoundTripper().RoundTrip(r); err == nil {
		t.Error("an unknown host answered")
	}
}

func TestTheDemoShowsABusinessAndItsTroubles(t *testing.T) {
	s := newStage(t)
	plan := simulator.DemoPlan()
	plan.Forms, plan.FormsURL = []string{"contact"}, "https://waybill.example"
	plan.Rate = 4
	stop := s.Traffic(plan)
	s.clock.pass(2 * time.Minute)
	stop()
	sent := len(s.hooks)
	s.clock.pass(10 * time.Second)
	events := map[string]int{}
	phones, bare, withoutPhone, seen := 0, 0, 0, map[string]int{}
	deals := map[string]bool{}
	for _, d := range s.Objects("hubspot", "deals") {
		deals[str(t, d, "properties.order_no")] = true
	}
	missing := 0
	for _, h := range s.hooks {
		events[h.Event]++
		seen[string(h.Body)]++
		if h.Event != "order.paid" {
			continue
		}
		told := body(t, h)
		payment := dig(told, "payload.payment.entity")
		if _, filled := dig(payment, "notes").(map[string]any); !filled {
			bare++
		}
		if !deals[str(t, told, "payload.order.entity.receipt")] {
			missing++
		}
		contact, ok := dig(payment, "contact").(string)
		if !ok {
			withoutPhone++
			continue
		}
		phones++
		number, err := phonenumbers.Parse(contact, "IN")
		if err != nil || !phonenumbers.IsValidNumber(number) {
			t.Errorf("%s is no valid number", contact)
		}
	}
	for _, event := range []string{
		"payment.captured", "order.paid", "payment_intent.succeeded", "charge.succeeded", "payment.failed", "message.received",
		"contact.creation", "deal.propertyChange", "form.contact", "refund.created",
	} {
		if events[event] == 0 {
			t.Errorf("there was no %s in %v", event, events)
		}
	}
	if phones == 0 || bare == 0 || withoutPhone == 0 || missing == 0 {
		t.Errorf("phones %d, without notes %d, without phone %d, without deal %d", phones, bare, withoutPhone, missing)
	}
	duplicates := 0
	for _, n := range seen {
		if n > 1 {
			duplicates++
		}
	}
	if duplicates == 0 {
		t.Error("nothing was sent twice")
	}
	if sent < 200 {
		t.Errorf("only %d webhooks", sent)
	}
}

func TestAKeyWhoseCallIsStillBeingAnsweredIsBusy(t *testing.T) {
	s := newStage(t, "stripe")
	intent := str(t, s.trigger("stripe", "payment_intent.succeeded", nil), "data.object.id")
	refund := call{
		do: "POST /v1/refunds", header: map[string]string{"Idempotency-Key": "wb-1"}, body: "payment_intent=" + intent,
	}
	s.Script(simulator.Fault{Kind: simulator.Slow, Delay: time.Minute})
	if _, err := s.RoundTripper().RoundTrip(s.request("stripe", refund)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	refund.pause, refund.status = 32*time.Second, 409
	s.call("stripe", refund)
	refund.status = 200
	s.call("stripe", refund)
	if len(s.Objects("stripe", "refund")) != 1 {
		t.Error("the money went back twice")
	}
}

func TestTheOtherSystemsKnowAnOrderThatASampleTellsOf(t *testing.T) {
	s := newStage(t)
	search := call{
		do:   "POST /crm/objects/2026-03/deals/search",
		body: `{"filterGroups":[{"filters":[{"propertyName":"order_no","operator":"EQ","value":"SO-1001"}]}]}`,
	}
	first := s.trigger("razorpay", "order.paid", nil)
	if order := str(t, first, "payload.order.entity.receipt"); order != "SO-1001" {
		t.Errorf("the first order is %s", order)
	}
	search.want = map[string]any{"total": 1.0, "results.0.properties.amount": "1299.00"}
	s.call("hubspot", search)
	s.trigger("razorpay", "refund.processed", map[string]string{"order_id": "SO-1001"})
	s.call("hubspot", search)
	if order := str(t, s.trigger("razorpay", "order.paid", nil), "payload.order.entity.receipt"); order != "SO-1002" {
		t.Errorf("the second order is %s", order)
	}
	s.trigger("razorpay", "order.paid", map[string]string{"order_id": "SO-7", "known": "false"})
	search.body = strings.Replace(search.body, "SO-1001", "SO-7", 1)
	search.want = map[string]any{"total": 0.0}
	s.call("hubspot", search)
	if len(s.ledger) != 0 {
		t.Errorf("what was there before is no effect: %v", s.ledger)
	}
}
