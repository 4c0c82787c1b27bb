package showtest

import (
	"fmt"
	"time"

	"waybill"
)

// row files an event in the list, and returns its id.
func (b *Book) row(n int, r waybill.EventRow) waybill.EventID {
	r.ID = waybill.EventID(ID("evt", n))
	b.Rows = append(b.Rows, r)
	return r.ID
}

func run(n int, event waybill.EventID, flow string, state waybill.RunState, at time.Time) waybill.Run {
	owner := map[string]string{"payment-to-crm": "finance-ops", "new-lead": "sales"}[flow]
	r := waybill.Run{
		ID: waybill.RunID(ID("run", n)), Event: event, Flow: flow, Bundle: workspace().Here.Bundle, Mode: waybill.ModeLive, State: state, Owner: owner,
		CreatedAt: at, UpdatedAt: at, DueBy: at.Add(time.Minute),
	}
	if state.Ended() {
		r.EndedAt = at.Add(1400 * time.Millisecond)
	}
	return r
}

// done is a payment for which everything went well, told three times.
func (b *Book) done(now time.Time) {
	at := now.Add(-4 * time.Minute)
	id := b.row(9000, waybill.EventRow{
		Type: "order.paid_in_full", Connection: "razorpay", Subject: "Order SO-1001", Data: []byte(orderData), OccurredAt: at, AcceptedAt: at,
		State: waybill.RunDone, Runs: 1, Evidence: 2, Reason: "The deal is won and the customer is thanked",
	})
	a, item := arrival(9000, "razorpay", "order.paid", orderBody, at)
	r := run(9000, id, "payment-to-crm", waybill.RunDone, at)
	r.Reason = "The deal is won and the customer is thanked"
	won := effect(9001, at.Add(300*time.Millisecond), "crm", "deal.update", "won")
	won.Object, won.Proof = waybill.Object{Type: "deal", ID: "9182736455"}, "answer 200"
	thanks := effect(9002, at.Add(600*time.Millisecond), "whatsapp", "template.send", "thanks")
	thanks.Kind, thanks.Repeat, thanks.Proof = waybill.KindMessage, waybill.RepeatNever, "webhook: delivered, 11:54:31"
	thanks.Object = waybill.Object{Type: "message", ID: "wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgS"}
	j := &waybill.Journey{
		Arrival: a, Item: item,
		Event: &waybill.Event{
			ID: id, Type: "order.paid_in_full", Noun: "order", Connection: "razorpay", FactKey: "order_9A33XWu170gUtm/paid", Subject: "Order SO-1001",
			Data: []byte(orderData), OccurredAt: at.Add(-time.Second), AcceptedAt: at, Mapping: orderMapping(),
			Considered: []waybill.Consideration{
				{Flow: "payment-to-crm", Matched: true, Run: r.ID},
				{
					Flow: "part-paid", Title: "A part of an order is paid; the rest is asked for", Reason: "The order is paid in full, so nothing is left to ask for.",
					Clause: "order.balance.minor > 0", Values: map[string]string{"order.balance.minor": "0"},
				},
				{
					Flow: "vip-call", Title: "A large order is called by the owner", Reason: "The amount is too small.",
					Clause: "order.paid_total.minor >= 50000000", Values: map[string]string{"order.paid_total.minor": "12990000"},
				},
			},
		},
		Subject: &waybill.Subject{Type: "order", Name: "SO-1001", Aliases: []waybill.Alias{{Kind: "razorpay", Value: "order_9A33XWu170gUtm"}, {Kind: "email", Value: "asha@example.com"}}},
		Evidence: []waybill.Evidence{
			{Event: id, Item: waybill.ItemID(ID("itm", 9003)), Type: "payment.captured", At: at.Add(2 * time.Second)},
			{Event: id, Item: waybill.ItemID(ID("itm", 9004)), Type: "order.paid", At: at.Add(5 * time.Minute)},
		},
		Runs: []waybill.RunView{{
			Run: r,
			Fetches: []waybill.FetchView{{
				Fetch: waybill.Fetch{
					ID: waybill.FetchID(ID("fet", 9000)), Run: r.ID, Address: "deal", Connection: "crm", Action: "deal.find", State: waybill.FetchDone,
					Answer: []byte(`{"id":"9182736455","name":"SO-1001 Asha Rao","stage":"contractsent"}`), PlannedAt: at.Add(100 * time.Millisecond),
				},
				Attempts: []waybill.Attempt{attempt(9000, "", at.Add(110*time.Millisecond), 200, waybill.Happened)},
			}},
			Effects: []waybill.EffectView{
				{Effect: won, Attempts: []waybill.Attempt{attempt(9001, won.ID, at.Add(310*time.Millisecond), 200, waybill.Happened)}},
				{
					Effect: thanks, Attempts: []waybill.Attempt{attempt(9002, thanks.ID, at.Add(610*time.Millisecond), 200, waybill.Happened)},
					Message: &waybill.Message{To: "+91 ••••• •3210", Template: "payment_received", State: waybill.MessageDelivered, Remote: "wamid.HBgM"},
				},
			},
		}},
		Related: []waybill.EventRow{{ID: waybill.EventID(ID("evt", 8100)), Type: "order.part_paid", Subject: "Order SO-1001", Connection: "razorpay", AcceptedAt: at.Add(-26 * time.Hour), State: waybill.RunDone, Runs: 1, Data: []byte(`{"paid_total":{"minor":3000000,"currency":"INR"}}`)}},
	}
	b.file(j, string(id), string(r.ID), string(won.ID), string(thanks.ID), string(item.ID))
}

// unknown is a payment whose message may or may not have been sent.
func (b *Book) unknown(now time.Time) {
	at := now.Add(-9 * time.Minute)
	id := b.row(8990, waybill.EventRow{
		Type: "order.paid_in_full", Connection: "stripe", Subject: "Order SO-1007", AcceptedAt: at, State: waybill.RunBlocked, Runs: 1, Unknown: 1,
		Data: []byte(`{"id":"SO-1007","paid_total":{"minor":450000,"currency":"INR"},"customer":{"email":"ravi@example.com"}}`), Reason: "It is not known if the customer was thanked",
	})
	a, item := arrival(8990, "stripe", "payment_intent.succeeded", `{"id":"evt_3Q","type":"payment_intent.succeeded","livemode":false}`, at)
	r := run(8990, id, "payment-to-crm", waybill.RunBlocked, at)
	r.Reason, r.Problem = "It is not known if the customer was thanked", waybill.ProblemID(ID("prb", 1))
	won := effect(8991, at.Add(200*time.Millisecond), "crm", "deal.update", "won")
	won.Object, won.Proof = waybill.Object{Type: "deal", ID: "9182736502"}, "answer 200"
	thanks := effect(8992, at.Add(500*time.Millisecond), "whatsapp", "template.send", "thanks")
	thanks.Kind, thanks.Repeat, thanks.State, thanks.Cause = waybill.KindMessage, waybill.RepeatNever, waybill.EffectUnknown, waybill.AnswerLost
	thanks.Reason = "The connection broke after the message was sent, and no status came within 5 minutes"
	lost := attempt(8992, thanks.ID, at.Add(520*time.Millisecond), 0, waybill.InDoubt)
	lost.Request.Method, lost.Request.URL = "POST", "https://graph.facebook.com/v24.0/106540352242922/messages"
	lost.Request.Body = []byte(`{"messaging_product":"whatsapp","to":"919812345678","type":"template","template":{"name":"payment_received","language":{"code":"en"}},"biz_opaque_callback_data":"wb-7f3a9c41"}`)
	lost.Error, lost.Cause, lost.EndedAt = "connection reset by peer", waybill.AnswerLost, lost.StartedAt.Add(4100*time.Millisecond)
	lost.Note = "It is not sent again: WhatsApp takes no reference number, so the customer could get it twice."
	j := &waybill.Journey{
		Arrival: a, Item: item,
		Event: &waybill.Event{
			ID: id, Type: "order.paid_in_full", Noun: "order", Connection: "stripe", FactKey: "pi_3Q/paid", Subject: "Order SO-1007",
			Data: []byte(`{"id":"SO-1007","paid_total":{"minor":450000,"currency":"INR"},"customer":{"email":"ravi@example.com","name":"Ravi"}}`), AcceptedAt: at, OccurredAt: at, Mapping: orderMapping()[:3],
			Considered: []waybill.Consideration{{Flow: "part-paid", Reason: "The order is paid in full.", Clause: "order.balance.minor > 0", Values: map[string]string{"order.balance.minor": "0"}}},
		},
		Runs: []waybill.RunView{{Run: r, Effects: []waybill.EffectView{
			{Effect: won, Attempts: []waybill.Attempt{attempt(8991, won.ID, at.Add(210*time.Millisecond), 200, waybill.Happened)}},
			{Effect: thanks, Attempts: []waybill.Attempt{lost}, Message: &waybill.Message{To: "+91 ••••• •5678", Template: "payment_received", State: waybill.MessageUnknown}},
		}}},
		Problems: []waybill.Problem{b.lost(now)},
		Audit:    []waybill.Audited{{At: at.Add(3 * time.Minute), Who: "asha", Action: "take", Object: ID("prb", 1), Reason: "I ask the customer"}},
	}
	b.file(j, string(id), string(r.ID), string(thanks.ID), string(won.ID), string(item.ID))
	b.Buttons[string(thanks.ID)] = []waybill.Choice{
		{Verb: waybill.VerbHappened, Label: "It happened", Safety: "Safe: nothing is sent. The run goes on.", Safe: true, NeedsReason: true, Primary: true},
		{Verb: waybill.VerbDidNot, Label: "It did not happen", Safety: "Sends it. Be sure: look in WhatsApp first.", NeedsReason: true},
		{Verb: waybill.VerbSkip, Label: "Leave it out", Safety: "Safe: nothing is sent. The run goes on without it.", Safe: true, NeedsReason: true},
		{Verb: waybill.VerbSendAgain, Label: "Send it again", Safety: "May repeat: the customer could get the message twice.", NeedsReason: true},
	}
}

func (b *Book) lost(now time.Time) waybill.Problem {
	return waybill.Problem{
		ID: waybill.ProblemID(ID("prb", 1)), Key: "v1:answer lost|whatsapp|template.send", Cause: waybill.AnswerLost, Connection: "whatsapp", Action: "template.send",
		Flows: []string{"payment-to-crm", "new-lead"}, Owner: "finance-ops", State: waybill.ProblemNew, Count: 2, Total: 3, FirstAt: now.Add(-3 * time.Hour), LastAt: now.Add(-9 * time.Minute),
		Detail: "connection reset by peer",
	}
}

// declined is a lead that HubSpot does not take.
func (b *Book) declined(now time.Time) {
	at := now.Add(-17 * time.Minute)
	data := []byte(`{"id":"L-2041","name":"Ravi","email":"ravi@example","source":"website","phone":"+919812345678"}`)
	id := b.row(8970, waybill.EventRow{
		Type: "lead.created", Connection: "website", Subject: "Lead L-2041", AcceptedAt: at, State: waybill.RunBlocked, Runs: 1, Data: data,
		Reason: "HubSpot does not take the e-mail address ravi@example",
	})
	a, item := arrival(8970, "website", "lead", `{"name":"Ravi","email":"ravi@example","phone":"98123 45678"}`, at)
	a.Via = waybill.ViaForm
	r := run(8970, id, "new-lead", waybill.RunBlocked, at)
	r.Reason, r.Problem = "HubSpot does not take the e-mail address ravi@example", waybill.ProblemID(ID("prb", 2))
	e := effect(8971, at.Add(200*time.Millisecond), "crm", "contact.upsert", "contact")
	e.Flow, e.State, e.Cause, e.Reason = "new-lead", waybill.EffectDeclined, waybill.DeclinedValue, "HubSpot does not take the e-mail address ravi@example"
	e.Inputs = []byte(`{"email":"ravi@example","firstname":"Ravi","phone":"+919812345678"}`)
	no := attempt(8971, e.ID, at.Add(230*time.Millisecond), 400, waybill.Declined)
	no.Cause, no.Note = waybill.DeclinedValue, "It is not sent again: the same value would be declined again."
	no.Response = []byte(`{"status":"error","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Email address ravi@example is invalid\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]","correlationId":"1b7f5a0c-5c3e-4d0e-9c1d-2f6f3c1c9a11","category":"VALIDATION_ERROR"}`)
	j := &waybill.Journey{
		Arrival: a, Item: item, Event: &waybill.Event{
			ID: id, Type: "lead.created", Noun: "lead", Connection: "website", Subject: "Lead L-2041", FactKey: "L-2041", Data: data, AcceptedAt: at, OccurredAt: at,
			Mapping: []waybill.MappedField{{Target: "lead.name", Source: "item.name", Value: "Ravi"}, {Target: "lead.phone", Source: "phone(item.phone)", From: "98123 45678", Value: "+919812345678", Note: "India, as the workspace says"}},
		},
		Runs: []waybill.RunView{{Run: r, Effects: []waybill.EffectView{{Effect: e, Attempts: []waybill.Attempt{no}}}}}, Problems: []waybill.Problem{b.invalid(now)},
	}
	b.file(j, string(id), string(r.ID), string(e.ID), string(item.ID))
	b.Buttons[string(e.ID)] = []waybill.Choice{
		{Verb: waybill.VerbEdit, Label: "Edit and retry", Safety: "Safe: HubSpot keeps one contact for each e-mail", Safe: true, Inputs: e.Inputs, NeedsReason: true, Primary: true},
		{Verb: waybill.VerbRetry, Label: "Retry", Safety: "Safe, but it will be declined again", Safe: true},
		{Verb: waybill.VerbSkip, Label: "Leave it out", Safety: "Safe: the run goes on without it", Safe: true, NeedsReason: true},
	}
	b.Buttons[string(r.ID)] = []waybill.Choice{{Verb: waybill.VerbStop, Label: "Stop this run", Safety: "What is done stays done; the rest is left out", Safe: true, NeedsReason: true}}
}

func (b *Book) invalid(now time.Time) waybill.Problem {
	return waybill.Problem{
		ID: waybill.ProblemID(ID("prb", 2)), Key: "v1:declined value|crm|contact.upsert|invalid_email", Cause: waybill.DeclinedValue, Connection: "crm", Action: "contact.upsert", Code: "INVALID_EMAIL",
		Title: "HubSpot does not take an e-mail address", Flows: []string{"new-lead"}, Owner: "sales", State: waybill.ProblemWorking, Count: 3, Total: 19, FirstAt: now.Add(-50 * time.Hour), LastAt: now.Add(-17 * time.Minute),
		Detail: "Email address ravi@example is invalid",
	}
}

// waiting is a lead whose contact waits for HubSpot's limit.
func (b *Book) waiting(now time.Time) {
	at := now.Add(-50 * time.Second)
	data := []byte(`{"id":"L-2050","name":"Asha","email":"asha@example.com","source":"website"}`)
	id := b.row(9010, waybill.EventRow{Type: "lead.created", Connection: "website", Subject: "Lead L-2050", AcceptedAt: at, State: waybill.RunWaiting, Runs: 1, Data: data, Reason: "Waits for HubSpot, which asks us to slow down"})
	a, item := arrival(9010, "website", "lead", `{"name":"Asha","email":"asha@example.com"}`, at)
	r := run(9010, id, "new-lead", waybill.RunWaiting, at)
	r.Reason = "Waits for HubSpot, which asks us to slow down"
	e := effect(9011, at.Add(200*time.Millisecond), "crm", "contact.upsert", "contact")
	e.Flow, e.State, e.Cause, e.Reason, e.DueAt = "new-lead", waybill.EffectPlanned, waybill.LimitReached, "HubSpot asked us to wait; it did not take the call", now.Add(7*time.Second)
	slow := attempt(9011, e.ID, at.Add(240*time.Millisecond), 429, waybill.NotHappened)
	slow.Cause, slow.RetryAfter, slow.Note = waybill.LimitReached, 10*time.Second, "It is sent again as soon as HubSpot allows it; this uses up no try."
	slow.Response = []byte(`{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}`)
	j := &waybill.Journey{
		Arrival: a, Item: item, Event: &waybill.Event{ID: id, Type: "lead.created", Noun: "lead", Connection: "website", Subject: "Lead L-2050", FactKey: "L-2050", Data: data, AcceptedAt: at, OccurredAt: at},
		Runs: []waybill.RunView{{Run: r, Effects: []waybill.EffectView{{Effect: e, Attempts: []waybill.Attempt{slow}}}}},
	}
	b.file(j, string(id), string(r.ID), string(e.ID), string(item.ID))
}

// others fill the lists: more events, one that no flow used, one item that was not understood.
func (b *Book) others(now time.Time) {
	kinds := []waybill.EventRow{
		{Type: "message.delivered", Connection: "whatsapp", Subject: "Message to Asha", State: waybill.RunDone, Runs: 1},
		{Type: "order.part_paid", Connection: "razorpay", State: waybill.RunDone, Runs: 1},
		{Type: "lead.created", Connection: "website", State: waybill.RunDone, Runs: 1},
		{Type: "payment.failed", Connection: "stripe"},
		{Type: "refund.succeeded", Connection: "razorpay", State: waybill.RunStopped, Runs: 1, Reason: "Stopped by asha: refunded by hand"},
		{Type: "order.paid_in_full", Connection: "razorpay", State: waybill.RunRunning, Runs: 1},
	}
	for i := range 39 {
		r := kinds[i%len(kinds)]
		n := 1100 + i
		r.AcceptedAt = now.Add(-time.Duration(20+i*13) * time.Minute)
		if r.Subject == "" {
			r.Subject = fmt.Sprintf("Order SO-%d", n)
		}
		r.Data = fmt.Appendf(nil, `{"id":"SO-%d","paid_total":{"minor":%d,"currency":"INR"},"balance":{"minor":250000,"currency":"INR"},"name":"Ravi","email":"ravi@example.com","source":"website","customer":{"email":"ravi@example.com"}}`, n, 99900+i*137000)
		if r.Runs == 0 {
			r.Reason = "No flow used it"
		}
		b.row(8900-i, r)
	}
	a, item := arrival(7000, "razorpay", "order.paid", `{"event":"order.paid","payload":{}}`, now.Add(-2*time.Hour))
	item.State, item.Reason, item.Problem = waybill.ItemBlocked, "The order has no receipt, and the mapping needs one (connectors/razorpay/manifest.yaml:88)", waybill.ProblemID(ID("prb", 4))
	b.Kept = append(b.Kept, *item)
	b.file(&waybill.Journey{Arrival: a, Item: item}, string(item.ID), string(a.ID))
	b.Buttons[string(item.ID)] = []waybill.Choice{
		{Verb: waybill.VerbRetry, Label: "Read it again", Safety: "Safe: reading changes nothing outside", Safe: true, Primary: true},
		{Verb: waybill.VerbNotUsed, Label: "Set it aside", Safety: "Safe: it is kept, but nothing is done for it", Safe: true, NeedsReason: true},
	}
	unused := b.Rows[len(b.Rows)-3]
	b.file(&waybill.Journey{Event: &waybill.Event{ID: unused.ID, Type: unused.Type, Subject: unused.Subject, Connection: unused.Connection, Data: unused.Data, AcceptedAt: unused.AcceptedAt}}, string(unused.ID))
}

func (b *Book) problems(now time.Time) {
	slack := waybill.Problem{
		ID: waybill.ProblemID(ID("prb", 3)), Key: "v1:sign-in expired|team", Cause: waybill.SignInExpired, Connection: "team", Owner: "finance-ops", State: waybill.ProblemRegressed,
		Count: 9, Total: 30, FirstAt: now.Add(-40 * 24 * time.Hour), LastAt: now.Add(-40 * time.Second), Detail: "token_revoked",
	}
	mapping := waybill.Problem{
		ID: waybill.ProblemID(ID("prb", 4)), Key: "v1:our mapping wrong|razorpay|order.paid|order.receipt", Cause: waybill.MappingWrong, Connection: "razorpay", Code: "order.receipt",
		State: waybill.ProblemNew, Count: 1, Total: 1, FirstAt: now.Add(-2 * time.Hour), LastAt: now.Add(-2 * time.Hour),
	}
	limit := waybill.Problem{ID: waybill.ProblemID(ID("prb", 5)), Key: "v1:limit reached|crm", Cause: waybill.LimitReached, Connection: "crm", State: waybill.ProblemNew, Count: 12, Total: 240, FirstAt: now.Add(-90 * time.Minute), LastAt: now.Add(-8 * time.Second)}
	fixed := waybill.Problem{ID: waybill.ProblemID(ID("prb", 6)), Key: "v1:their side down|stripe", Cause: waybill.TheirSideDown, Connection: "stripe", State: waybill.ProblemFixed, Total: 41, FirstAt: now.Add(-90 * time.Hour), LastAt: now.Add(-80 * time.Hour), FixedAt: now.Add(-79 * time.Hour)}
	for _, p := range []waybill.Problem{b.lost(now), slack, b.invalid(now), mapping, limit, fixed} {
		v := waybill.ProblemView{Problem: p, Members: []waybill.Member{{Connection: p.Connection, At: p.LastAt}}}
		for _, row := range b.Rows {
			if p.Cause == waybill.DeclinedValue && row.Subject == "Lead L-2041" || p.Cause == waybill.AnswerLost && row.Unknown > 0 {
				v.Events = append(v.Events, row)
				v.Members = append(v.Members, waybill.Member{Event: row.ID, Run: waybill.RunID(ID("run", 1)), At: row.AcceptedAt})
			}
		}
		b.Trouble = append(b.Trouble, v)
		if p.State.Open() && len(b.Over.Problems) < 5 {
			b.Over.Problems = append(b.Over.Problems, p)
		}
	}
	take := waybill.Choice{Verb: waybill.VerbTake, Label: "I am on it", Safety: "Safe: only says that you look after it", Safe: true}
	b.Buttons[ID("prb", 1)] = []waybill.Choice{take}
	b.Buttons[ID("prb", 2)] = []waybill.Choice{{Verb: waybill.VerbRetry, Label: "Retry all 3", Safety: "Safe: HubSpot keeps one contact for each e-mail", Safe: true, Primary: true}, take}
	b.Buttons["team"] = []waybill.Choice{
		{Verb: waybill.VerbResume, Label: "Try now", Safety: "One call is made to see whether it works again", Safe: true, Primary: true},
		{Verb: waybill.VerbPause, Label: "Pause", Safety: "Safe: work is kept and waits", Safe: true, NeedsReason: true},
	}
	b.Buttons["crm"] = b.Buttons["team"][1:]
	b.Buttons["old-shop"] = []waybill.Choice{{
		Verb: waybill.VerbRetire, Label: "Retire it", NeedsReason: true,
		Safety: "Whoever still sends there is told 404 from then on, and nothing more is kept. 2 things that it sent stay on the list until somebody sets that aside, or has it read once the connection is back",
	}}
}

func (b *Book) lists(now time.Time) {
	for i := range 12 {
		at := now.Add(-time.Duration(3+i*17) * time.Minute)
		_, item := arrival(6000-i, []string{"razorpay", "stripe", "whatsapp"}[i%3], []string{"payment.authorized", "charge.updated", "statuses.sent"}[i%3], "{}", at)
		item.State, item.Reason = waybill.ItemNotUsed, []string{"A payment is only used once it is captured", "No mapping uses this type", "Known already: the sender told it twice"}[i%3]
		b.Kept = append(b.Kept, *item)
	}
	b.Turned = []waybill.Rejection{
		{
			Connection: "razorpay", Reason: "the signature does not match", Status: 401, Count: 4, FirstAt: now.Add(-5 * time.Hour), LastAt: now.Add(-26 * time.Minute),
			Sample: &waybill.RejectionSample{At: now.Add(-26 * time.Minute), Remote: "203.0.113.9", Method: "POST", URL: "/in/razorpay", Headers: []waybill.Header{{Name: "X-Razorpay-Signature", Value: "[sha256:00112233]"}}, Body: []byte(`{"event":"payment.captured","payload":{"payment":{"entity":{"amount":100}}}}`)},
		},
		{Connection: "wp-admin", Reason: "there is no such connection", Status: 404, Count: 3, FirstAt: now.Add(-9 * time.Hour), LastAt: now.Add(-4 * time.Hour)},
	}
	b.Log = []waybill.Audited{
		{ID: "1", At: now.Add(-6 * time.Minute), Who: "asha", Action: "take", Object: ID("prb", 2), Reason: "I ask the customer"},
		{ID: "2", At: now.Add(-50 * time.Minute), Who: "ravi", Action: "pause", Object: "team", Reason: "The token is renewed this afternoon", Before: "working", After: "paused"},
		{ID: "3", At: now.Add(-26 * time.Hour), Who: "asha", Action: "edit and retry", Object: ID("eff", 8971), Reason: "A dot was missing in the address"},
	}
}
