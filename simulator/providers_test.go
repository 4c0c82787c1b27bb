package simulator_test

import (
	"strings"
	"testing"
	"time"

	"waybill/simulator"
)

func TestStripeBehavesAsDocumented(t *testing.T) {
	s := newStage(t, "stripe")
	paid := s.trigger("stripe", "payment_intent.succeeded", map[string]string{"order_id": "SO-1001", "amount": "129900"})
	intent := str(t, paid, "data.object.id")
	refund := func(amount string) string { return "payment_intent=" + intent + amount + "&metadata[waybill_key]=wb-1" }
	for _, c := range []call{
		{do: "GET /v1/payment_intents/" + intent, status: 200, want: map[string]any{
			"object": "payment_intent", "status": "succeeded", "amount": 129900.0, "metadata.order_id": "SO-1001", "currency": "inr",
		}},
		{do: "GET /v1/payment_intents/pi_none", status: 404, want: map[string]any{"error.code": "resource_missing"}},
		{do: "GET /v1/payment_intents/" + intent, bare: true, status: 401, text: "You did not provide an API key"},
		{
			do: "GET /v1/payment_intents/" + intent, header: map[string]string{"Authorization": "bearer sk_test_x"}, status: 401,
			text: "Invalid API Key",
		},
		{
			do: "GET /v1/account", header: map[string]string{"Stripe-Version": "yesterday"}, status: 400,
			text: "Invalid Stripe API version",
		},
		{do: "POST /v1/refunds", body: `{"payment_intent":"` + intent + `"}`, status: 400, text: "application/x-www-form-urlencoded"},
		{do: "POST /v1/refunds", body: "amount=100", status: 400, want: map[string]any{"error.code": "parameter_missing"}},
		{do: "POST /v1/refunds", body: refund("&colour=red"), status: 400, want: map[string]any{
			"error.code": "parameter_unknown", "error.param": "colour",
		}},
		{do: "POST /v1/refunds", body: refund("&reason=bored"), status: 400, want: map[string]any{"error.param": "reason"}},
		{do: "POST /v1/refunds", body: refund("&amount=ten"), status: 400, want: map[string]any{"error.param": "amount"}},
		{do: "POST /v1/refunds", body: refund("&amount=129901"), status: 400, text: "greater than unrefunded amount"},
		{do: "POST /v1/refunds", body: refund("&amount=29900"), status: 200, want: map[string]any{
			"object": "refund", "amount": 29900.0, "status": "succeeded", "payment_intent": intent, "metadata.waybill_key": "wb-1",
		}},
		{do: "POST /v1/refunds", body: refund(""), status: 200, want: map[string]any{"amount": 100000.0}},
		{do: "POST /v1/refunds", body: refund(""), status: 400, want: map[string]any{"error.code": "charge_already_refunded"}},
		{do: "GET /v1/refunds?payment_intent=" + intent, status: 200, want: map[string]any{
			"object": "list", "data.0.amount": 100000.0, "data.1.amount": 29900.0, "has_more": false,
		}},
		{do: "GET /v1/nowhere", status: 404, text: "Unrecognized request URL (GET: /v1/nowhere)"},
		{do: "GET /v1/account", status: 200, want: map[string]any{"object": "account", "id": "acct_1simulated00001"}},
	} {
		s.call("stripe", c)
	}
	if len(s.ledger) != 4 { // two refunds, each with its charge
		t.Errorf("ledger: %+v", s.ledger)
	}
}

func TestStripeAnswersTheSameKeyWithTheSameAnswer(t *testing.T) {
	s := newStage(t, "stripe")
	intent := str(t, s.trigger("stripe", "payment_intent.succeeded", nil), "data.object.id")
	key := map[string]string{"Idempotency-Key": "wb-7f"}
	one := call{do: "POST /v1/refunds", header: key, body: "payment_intent=" + intent + "&amount=500", status: 200}
	_, _, first := s.call("stripe", one)
	_, header, again := s.call("stripe", one)
	if str(t, first, "id") != str(t, again, "id") || header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repeat made another refund: %v %v", first, again)
	}
	s.call("stripe", call{
		do: "POST /v1/refunds", header: key, body: "payment_intent=" + intent + "&amount=600", status: 400,
		want: map[string]any{"error.type": "idempotency_error"},
	})
	// What is refused before it is begun is not kept.
	late := map[string]string{"Idempotency-Key": "wb-8"}
	s.call("stripe", call{do: "POST /v1/refunds", header: late, body: "payment_intent=" + intent + "&colour=1", status: 400})
	s.call("stripe", call{do: "POST /v1/refunds", header: late, body: "payment_intent=" + intent + "&amount=700", status: 200})
	// A 500 is kept.
	s.Script(simulator.Fault{Kind: simulator.ErrorAfter})
	broken := call{
		do: "POST /v1/refunds", header: map[string]string{"Idempotency-Key": "wb-9"},
		body: "payment_intent=" + intent + "&amount=800", status: 500,
	}
	s.call("stripe", broken)
	s.call("stripe", broken)
	// After a day the key is forgotten.
	one.pause = 25 * time.Hour
	_, _, fresh := s.call("stripe", one)
	if str(t, first, "id") == str(t, fresh, "id") {
		t.Error("the key lives longer than documented")
	}
	refunds := 0
	for _, e := range s.ledger {
		if e.Type == "refund" && e.Did == "created" {
			refunds++
		}
	}
	if refunds != 4 {
		t.Errorf("%d refunds happened, want 4", refunds)
	}
}

func TestRazorpayBehavesAsDocumented(t *testing.T) {
	s := newStage(t, "razorpay")
	paid := s.trigger("razorpay", "payment.captured", map[string]string{
		"order_id": "SO-1001", "amount": "129900", "notes": "order",
	})
	payment, order := str(t, paid, "payload.payment.entity.id"), str(t, paid, "payload.payment.entity.order_id")
	refunds := "POST /v1/payments/" + payment + "/refund"
	key := map[string]string{"X-Refund-Idempotency": "waybill-key-1"}
	for _, c := range []call{
		{do: "GET /v1/payments/" + payment, status: 200, want: map[string]any{
			"entity": "payment", "status": "captured", "amount": 129900.0, "currency": "INR", "notes.order_id": "SO-1001",
		}},
		{do: "GET /v1/orders/" + order, status: 200, want: map[string]any{"receipt": "SO-1001", "status": "paid"}},
		{do: "GET /v1/orders?receipt=SO-1001", status: 200, want: map[string]any{"count": 1.0, "items.0.id": order}},
		{do: "GET /v1/orders?receipt=SO-9", status: 200, want: map[string]any{"count": 0.0}},
		// Not found is a 400.
		{do: "GET /v1/payments/pay_none", status: 400, want: map[string]any{
			"error.code": "BAD_REQUEST_ERROR", "error.description": "The id provided does not exist",
		}},
		{do: "GET /v1/payments/" + payment, bare: true, status: 401, want: map[string]any{"error.description": "Authentication failed"}},
		{do: refunds, header: key, body: `{"amount":29900,"colour":"red"}`, status: 400, text: "should not be sent"},
		{do: refunds, header: key, body: `{"amount":"29900"}`, status: 400, want: map[string]any{"error.field": "amount"}},
		{do: refunds, header: map[string]string{"X-Refund-Idempotency": "short"}, body: `{}`, status: 400},
		{do: refunds, header: key, body: `{"amount":29900,"notes":{"order_id":"SO-1001"}}`, status: 200, want: map[string]any{
			"entity": "refund", "amount": 29900.0, "payment_id": payment, "status": "processed",
		}},
		{do: refunds, header: key, body: `{"amount":29900,"notes":{"order_id":"SO-1001"}}`, status: 200},
		{do: refunds, header: key, body: `{"amount":100}`, status: 400, text: "Different request body"},
		{do: refunds, body: `{"amount":129900}`, status: 400, text: "greater than the refund payment amount"},
		{do: refunds, body: `{}`, status: 200, want: map[string]any{"amount": 100000.0}},
		{do: refunds, body: `{}`, status: 400, text: "fully refunded already"},
		{do: "GET /v1/payments/" + payment, status: 200, want: map[string]any{"amount_refunded": 129900.0, "refund_status": "full"}},
		{do: "GET /v1/payments/" + payment + "/refunds", status: 200, want: map[string]any{"count": 2.0}},
		{do: "POST /v1/payment_links", body: `{"amount":5000,"currency":"INR","reference_id":"SO-7"}`, status: 200},
		{do: "POST /v1/payment_links", body: `{"amount":5000,"currency":"INR","reference_id":"SO-7"}`, status: 400, text: "already exists"},
		{do: "POST /v1/orders", body: `{"amount":5000}`, status: 400, want: map[string]any{"error.field": "currency"}},
	} {
		s.call("razorpay", c)
	}
}

func TestRazorpayTakesTheSchemeWordExactly(t *testing.T) {
	s := newStage(t, "razorpay")
	r := s.request("razorpay", call{do: "GET /v1/orders"})
	right := r.Header.Get("Authorization")
	for _, word := range []string{"basic ", "BASIC ", "Bearer "} {
		s.call("razorpay", call{
			do: "GET /v1/orders", header: map[string]string{"Authorization": strings.Replace(right, "Basic ", word, 1)}, status: 401,
		})
	}
	s.call("razorpay", call{do: "GET /v1/orders", status: 200})
}

func TestARefundIsToldByWebhooksOfTheSameRefund(t *testing.T) {
	s := newStage(t, "razorpay")
	payment := str(t, s.trigger("razorpay", "payment.captured", nil), "payload.payment.entity.id")
	_, _, refund := s.call("razorpay", call{do: "POST /v1/payments/" + payment + "/refund", body: `{"amount":5000}`, status: 200})
	s.clock.pass(10 * time.Second)
	if len(s.hooks) != 2 {
		t.Fatalf("%d webhooks", len(s.hooks))
	}
	for i, event := range []string{"refund.created", "refund.processed"} {
		told := body(t, s.hooks[i])
		if dig(told, "event") != event || dig(told, "payload.refund.entity.id") != dig(refund, "id") ||
			dig(told, "payload.payment.entity.id") != payment || dig(told, "payload.payment.entity.amount_refunded") != 5000.0 {
			t.Errorf("%s: %s", event, s.hooks[i].Body)
		}
		if s.hooks[i].Header.Get("X-Razorpay-Event-Id") == "" {
			t.Error("the event's id is not in its header")
		}
	}
}

func TestHubSpotBehavesAsDocumented(t *testing.T) {
	s := newStage(t, "hubspot")
	const at = "/crm/objects/2026-03/"
	upsert := `{"inputs":[{"id":"Asha@example.com","idProperty":"email","properties":{"email":"asha@example.com","firstname":"Asha"}}]}`
	_, _, first := s.call("hubspot", call{do: "POST " + at + "contacts/batch/upsert", body: upsert, status: 200, want: map[string]any{
		"status": "COMPLETE", "results.0.new": true, "results.0.properties.firstname": "Asha",
	}})
	id := str(t, first, "results.0.id")
	deal := `{"inputs":[{"id":"wb-1","idProperty":"waybill_key","properties":{"dealname":"Order SO-1","order_no":"SO-1"}}]}`
	search := `{"filterGroups":[{"filters":[{"propertyName":"order_no","operator":"EQ","value":"SO-1"}]}],"limit":2,"properties":["order_no","hs_is_closed_won"]}`
	for _, c := range []call{
		{do: "POST " + at + "contacts/batch/upsert", body: strings.Replace(upsert, `"Asha"`, `"Asha R"`, 1), status: 200, want: map[string]any{
			"results.0.new": false, "results.0.id": id, "results.0.properties.firstname": "Asha R",
		}},
		{do: "GET " + at + "contacts/asha@example.com?idProperty=email", status: 200, want: map[string]any{"id": id}},
		{do: "GET " + at + "contacts/" + id, status: 200, want: map[string]any{"properties.email": "asha@example.com", "archived": false}},
		{do: "GET " + at + "contacts/1", status: 404, want: map[string]any{"category": "OBJECT_NOT_FOUND", "status": "error"}},
		{do: "POST " + at + "contacts", body: `{"properties":{"email":"asha@example.com"}}`, status: 409, text: "Contact already exists. Existing ID: " + id},
		{do: "GET " + at + "contacts/" + id, bare: true, status: 401, want: map[string]any{"category": "INVALID_AUTHENTICATION"}},
		{do: "POST " + at + "contacts/batch/upsert", body: `{"inputs":[{"id":"nobody","idProperty":"email","properties":{}}]}`, status: 400, want: map[string]any{
			"category": "VALIDATION_ERROR",
		}},
		{do: "POST " + at + "contacts/batch/upsert", body: `{"input":[]}`, status: 400, text: "[inputs]"},
		{do: "POST " + at + "deals/batch/upsert", body: deal, status: 200, want: map[string]any{"results.0.new": true}},
		{do: "POST " + at + "deals/batch/upsert", body: deal, status: 200, want: map[string]any{"results.0.new": false}},
		// The search lags a few moments behind.
		{do: "POST " + at + "deals/search", body: search, status: 200, want: map[string]any{"total": 0.0}},
		{do: "POST " + at + "deals/search", body: search, pause: 5 * time.Second, status: 200, want: map[string]any{
			"total": 1.0, "results.0.properties.order_no": "SO-1", "results.0.properties.hs_is_closed_won": "false",
		}},
		{do: "POST " + at + "deals/search", body: strings.Replace(search, "SO-1", "SO-2", 1), status: 200, want: map[string]any{"total": 0.0}},
		{do: "POST " + at + "deals/search", body: strings.Replace(search, "EQ", "IS", 1), status: 400},
		{do: "POST " + at + "deals/search", body: `{"limit":500}`, status: 400},
		{do: "PATCH " + at + "deals/99", body: `{"properties":{"dealstage":"closedwon"}}`, status: 404},
		{do: "POST " + at + "notes", body: `{"properties":{"hs_note_body":"Paid"}}`, status: 400, text: "hs_timestamp"},
		{do: "POST " + at + "notes", body: `{"properties":{"hs_note_body":"Paid","hs_timestamp":"2026-10-01T10:00:00Z"},"associations":[]}`, status: 201},
		{do: "DELETE " + at + "contacts/" + id, status: 204},
		{do: "DELETE " + at + "contacts/" + id, status: 204},
		{do: "GET " + at + "contacts/" + id, status: 404},
		{do: "GET " + at + "contacts/asha@example.com?idProperty=email", status: 404},
		{do: "POST " + at + "contacts/batch/upsert", body: upsert, status: 200, want: map[string]any{"results.0.new": true}},
		{do: "POST " + at + "contacts", body: `{"properties":{"First Name":"A"}}`, status: 400, text: "PROPERTY_DOESNT_EXIST"},
		{do: "GET /account-info/v3/details", status: 200, want: map[string]any{"portalId": 891472211.0}},
	} {
		s.call("hubspot", c)
	}
}

func TestAHubSpotWebhookCarriesIdsAndTheRecordCanBeRead(t *testing.T) {
	s := newStage(t, "hubspot")
	told := s.trigger("hubspot", "deal.propertyChange", map[string]string{"order_id": "SO-1009", "stage": "closedwon"})
	id, ok := dig(told, "0.objectId").(float64)
	if !ok || dig(told, "0.subscriptionType") != "deal.propertyChange" || dig(told, "0.propertyValue") != "closedwon" {
		t.Fatalf("%v", told)
	}
	if strings.Contains(string(jsonOf(told)), "SO-1009") {
		t.Error("the webhook carries data of the record")
	}
	s.call("hubspot", call{do: "GET /crm/objects/2026-03/deals/" + string(jsonOf(id)), status: 200, want: map[string]any{
		"properties.order_no": nil, "properties.dealstage": "closedwon",
	}})
	// Only what is asked for is shown, and what is empty is null.
	asked := "?properties=order_no,dealstage,hs_is_closed_won,amount,hubspot_owner_id"
	s.call("hubspot", call{
		do: "GET /crm/objects/2026-03/deals/" + string(jsonOf(id)) + asked, status: 200, text: `"hubspot_owner_id":null`,
		want: map[string]any{
			"properties.order_no": "SO-1009", "properties.dealstage": "closedwon", "properties.hs_is_closed_won": "true",
			"properties.amount": "1299.00",
		},
	})
}

const template = `{"messaging_product":"whatsapp","to":"919876543210","type":"template","template":{"name":"payment_received",
"language":{"code":"en"},"components":[{"type":"body","parameters":[{"type":"text","parameter_name":"name","text":"Asha"}]}]},
"biz_opaque_callback_data":"wb-42"}`

func TestWhatsAppBehavesAsDocumented(t *testing.T) {
	s := newStage(t, "whatsapp")
	const send = "POST /v23.0/1065001000001/messages"
	for _, c := range []call{
		{do: send, body: template, status: 200, want: map[string]any{
			"messaging_product": "whatsapp", "contacts.0.wa_id": "919876543210", "messages.0.message_status": "accepted",
		}, text: `"wamid.`},
		{do: send, body: template, bare: true, status: 401, want: map[string]any{"error.code": 190.0}},
		{do: send, body: strings.Replace(template, `"whatsapp"`, `"sms"`, 1), status: 400, want: map[string]any{"error.code": 100.0}},
		{do: send, body: strings.Replace(template, `"to":"919876543210",`, "", 1), status: 400, text: "The parameter to is required"},
		{do: send, body: strings.Replace(template, `"919876543210"`, `"my friend"`, 1), status: 400, want: map[string]any{"error.code": 131009.0}},
		{do: send, body: strings.Replace(template, `"Asha"`, `""`, 1), status: 400, want: map[string]any{"error.code": 131008.0}},
		{do: send, body: strings.Replace(template, "payment_received", "missing_one", 1), status: 404, want: map[string]any{"error.code": 132001.0}},
		{do: send, body: strings.Replace(template, `"type":"template"`, `"kind":"template"`, 1), status: 400, text: "kind"},
		{do: "POST /v23.0/999/messages", body: template, status: 400, want: map[string]any{"error.error_subcode": 33.0}},
		{do: "GET /v23.0/1065001000001?fields=id", status: 200, want: map[string]any{"id": "1065001000001"}},
	} {
		s.call("whatsapp", c)
	}
	if len(s.ledger) != 1 || s.ledger[0].Key != "wb-42" || s.ledger[0].Action != "template.send" {
		t.Errorf("ledger: %+v", s.ledger)
	}
}

func TestAWhatsAppMessageIsFollowedByItsStatuses(t *testing.T) {
	for _, c := range []struct{ name, message, want string }{
		{"a template is sent, delivered, read", template, "sent delivered read"},
		{"a number that is not on WhatsApp fails", strings.Replace(template, "919876543210", "919800000000", 1), "failed"},
		{
			"a text outside of 24 hours fails",
			`{"messaging_product":"whatsapp","to":"919876543210","type":"text","text":{"body":"Hi"},"biz_opaque_callback_data":"wb-42"}`,
			"failed",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, "whatsapp")
			_, _, answer := s.call("whatsapp", call{do: "POST /v23.0/1065001000001/messages", body: c.message, status: 200})
			s.clock.pass(time.Minute)
			var got []string
			for _, h := range s.hooks {
				status := dig(body(t, h), "entry.0.changes.0.value.statuses.0")
				got = append(got, str(t, status, "status"))
				if dig(status, "id") != dig(answer, "messages.0.id") || dig(status, "biz_opaque_callback_data") != "wb-42" {
					t.Errorf("%v is not about %v", status, answer)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestATextMayBeSentAfterTheCustomerWrote(t *testing.T) {
	s := newStage(t, "whatsapp")
	s.trigger("whatsapp", "message.received", map[string]string{"phone": "+919876543210"})
	s.call("whatsapp", call{
		do:   "POST /v23.0/1065001000001/messages",
		body: `{"messaging_product":"whatsapp","to":"919876543210","type":"text","text":{"body":"Yes, today."}}`, status: 200,
	})
	s.clock.pass(5 * time.Second)
	if len(s.hooks) != 2 || s.hooks[1].Event != "message.delivered" {
		t.Errorf("%+v", s.hooks)
	}
}

func TestWhatsAppWebhooksAreWrittenInEscapedUnicode(t *testing.T) {
	s := newStage(t, "whatsapp")
	hooks, err := s.Trigger(t.Context(), "whatsapp", "message.received", simulator.TriggerOptions{
		Set: map[string]string{"text": "नमस्ते é/🙏"},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := string(hooks[0].Body)
	if !strings.Contains(raw, `\u0928`) || !strings.Contains(raw, `\u00e9\/\ud83d\ude4f`) {
		t.Errorf("%s", raw)
	}
	if got := dig(body(t, hooks[0]), "entry.0.changes.0.value.messages.0.text.body"); got != "नमस्ते é/🙏" {
		t.Errorf("reads as %v", got)
	}
}

func TestSlackBehavesAsDocumented(t *testing.T) {
	s := newStage(t, "slack")
	post := `{"channel":"C0123456789","text":"Paid","metadata":{"event_type":"waybill","event_payload":{"key":"wb-1"}}}`
	for _, c := range []call{
		// Failures are 200.
		{do: "POST /api/chat.postMessage", body: post, bare: true, status: 200, want: map[string]any{"ok": false, "error": "not_authed"}},
		{do: "POST /api/chat.postMessage", body: post, header: map[string]string{"Authorization": "Bearer x"}, status: 200, want: map[string]any{"error": "invalid_auth"}},
		{do: "POST /api/chat.postMessage", body: strings.Replace(post, "C0123", "CMISSING", 1), status: 200, want: map[string]any{"error": "channel_not_found"}},
		{do: "POST /api/chat.postMessage", body: strings.Replace(post, "Paid", "", 1), status: 200, want: map[string]any{"error": "no_text"}},
		{do: "POST /api/chat.postMessage", body: post, status: 200, want: map[string]any{"ok": true, "channel": "C0123456789", "message.text": "Paid"}},
		{do: "GET /api/conversations.history?channel=C0123456789&include_all_metadata=true", status: 200, want: map[string]any{
			"ok": true, "messages.0.text": "Paid", "messages.0.metadata.event_payload.key": "wb-1",
		}},
		{do: "GET /api/conversations.history?channel=C0123456789", status: 200, want: map[string]any{"messages.0.text": "Paid", "messages.0.metadata": nil}},
		{do: "GET /api/conversations.history?channel=C9999999999", status: 200, want: map[string]any{"ok": true, "messages.0": nil}},
		{do: "POST /api/auth.test", status: 200, want: map[string]any{"team_id": "T0SIMULATED"}},
		{do: "POST /api/chat.fly", status: 200, want: map[string]any{"error": "unknown_method"}},
	} {
		s.call("slack", c)
	}
	_, _, posted := s.call("slack", call{do: "POST /api/chat.postMessage", body: post, status: 200})
	gone := `{"channel":"C0123456789","ts":"` + str(t, posted, "ts") + `"}`
	theirs := `{"channel":"` + str(t, s.trigger("slack", "message", nil), "event.channel") + `","ts":"` + str(t, s.trigger("slack", "message", nil), "event.ts") + `"}`
	for _, c := range []call{
		{do: "POST /api/chat.delete", body: theirs, status: 200, want: map[string]any{"ok": false, "error": "cant_delete_message"}},
		{do: "POST /api/chat.delete", body: strings.Replace(gone, "C0123456789", "C9999999999", 1), status: 200, want: map[string]any{"error": "message_not_found"}},
		{do: "POST /api/chat.delete", body: gone, status: 200, want: map[string]any{"ok": true, "channel": "C0123456789"}},
		{do: "POST /api/chat.delete", body: gone, status: 200, want: map[string]any{"ok": false, "error": "message_not_found"}},
	} {
		s.call("slack", c)
	}
	s.Script(simulator.Fault{Kind: simulator.RateLimited, RetryAfter: 30 * time.Second})
	_, header, _ := s.call("slack", call{do: "POST /api/chat.postMessage", body: post, status: 429})
	if header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", header.Get("Retry-After"))
	}
}

func TestAnHTTPReceiverHonoursItsKey(t *testing.T) {
	s := newStage(t, "http")
	key := map[string]string{"Idempotency-Key": "wb-1"}
	_, _, first := s.call("http", call{do: "POST /orders", header: key, body: `{"order":"SO-1"}`, status: 201})
	_, _, again := s.call("http", call{do: "POST /orders", header: key, body: `{"order":"SO-1"}`, status: 201})
	if dig(first, "id") != dig(again, "id") {
		t.Error("the repeat made another one")
	}
	for _, c := range []call{
		{do: "POST /orders", header: key, body: `{"order":"SO-2"}`, status: 422},
		{do: "POST /orders", body: `{"order":"SO-2"}`, header: map[string]string{"Authorization": "Bearer x"}, status: 401},
		{do: "POST /orders", body: `order=SO-2`, status: 415},
		{do: "PUT /orders/SO-3", body: `{"order":"SO-3"}`, status: 200},
		{do: "PUT /orders/SO-3", body: `{"order":"SO-3","paid":true}`, status: 200},
		{do: "GET /orders/SO-3", status: 200, want: map[string]any{"paid": true}},
		{do: "GET /orders/SO-4", status: 404, want: map[string]any{"title": "Not Found"}},
	} {
		s.call("http", c)
	}
	if n := len(s.Objects("http", "document")); n != 2 {
		t.Errorf("%d documents", n)
	}
}
