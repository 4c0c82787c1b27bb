package showtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/show"
)

// zone is where the sample business is.
var zone = time.FixedZone("IST", 19800)

// ID makes an id of the right form with a number in it; a higher one is newer.
func ID(prefix string, n int) string { return fmt.Sprintf("%s_01kb3v%016d", prefix, n) }

// Empty is a place on its first day: a workspace, and nothing has come in.
func Empty() *Book {
	b := workspace()
	for _, c := range b.ConnList {
		b.Figures = append(b.Figures, waybill.ConnectionFigures{State: waybill.ConnectionState{Connection: c.Name, Health: waybill.HealthWorking}})
	}
	return b
}

// Rich is a place in the middle of a working day: most things are done, some wait, some need a person.
func Rich(now time.Time) *Book {
	b := workspace()
	b.Journeys = map[string]*waybill.Journey{}
	b.Buttons = map[string][]waybill.Choice{}
	b.overview(now)
	b.connections(now)
	b.done(now)
	b.unknown(now)
	b.declined(now)
	b.waiting(now)
	b.asked(now)
	b.answered(now)
	b.held(now)
	b.undone(now)
	b.until(now)
	b.late(now)
	b.others(now)
	b.problems(now)
	b.lists(now)
	slices.SortFunc(b.Rows, func(x, y waybill.EventRow) int { return strings.Compare(string(y.ID), string(x.ID)) })
	return b
}

// Restored is the rich place after its book was restored from a backup: nothing is sent until somebody has looked.
func Restored(now time.Time) *Book {
	b := Rich(now)
	b.Over.Restored = &waybill.Restored{BackupAt: now.Add(-6 * time.Hour), RestoredAt: now.Add(-25 * time.Minute), StartedAt: now.Add(-20 * time.Minute), Unknown: 2}
	b.Buttons["rst_book"] = []waybill.Choice{{
		Verb: waybill.VerbResume, Label: "I have seen it: let Waybill send", Primary: true, NeedsReason: true,
		Safety: "The 2 effects that may have happened are not sent, but looked for or asked about. The rest is sent: repeating it does no harm",
	}}
	return b
}

// Nodes is the rich place served by three processes, and one that was lost.
func Nodes(now time.Time) *Book {
	b := Rich(now)
	bundle := b.Here.Bundle
	b.NodeList = []waybill.Node{
		{Epoch: 11, Name: "blue", Address: "10.0.3.11:8443", Version: "0.1.0", Bundle: bundle, StartedAt: now.Add(-3 * time.Hour), HeardAt: now.Add(-time.Second)},
		{Epoch: 12, Name: "green", Address: "10.0.3.12:8443", Version: "0.1.0", StartedAt: now.Add(-2 * time.Hour), HeardAt: now.Add(-time.Second), Trouble: "it cannot serve the newest version of the workspace: the connection crm has no secret"},
		{Epoch: 9, Name: "red", Address: "10.0.3.13:8443", Version: "0.1.0", StartedAt: now.Add(-20 * time.Hour), HeardAt: now.Add(-9 * time.Minute), GoneAt: now.Add(-9*time.Minute + 10*time.Second), Lost: true, Noticed: "blue"},
	}
	return b
}

func step(address, title string) show.StepCard { return show.StepCard{Address: address, Title: title} }

func workspace() *Book {
	b := &Book{
		Here: show.Place{
			Name: "Indigo Lane", Environment: "test", Zone: zone, Version: "0.1.0", Builder: true,
			Bundle: waybill.BundleID(strings.Repeat("3f9a", 16)),
		},
		OwnerList: map[string]string{"finance-ops": "Finance", "sales": "Sales", "support": "Customer support"},
		PeopleOf:  map[string][]string{"finance-ops": {"asha"}},
	}
	b.FlowList = []show.FlowCard{
		{
			Name: "payment-to-crm", Title: "A customer has paid in full; the deal is won and the customer is thanked", Owner: "finance-ops",
			On: []string{"order.paid_in_full"}, Columns: []string{"order.id", "order.customer.email", "order.paid_total"}, DueWithin: time.Minute,
			Steps: []show.StepCard{step("deal", "Find the deal in HubSpot"), step("won", "Mark the deal as won"), step("thanks", "Thank the customer"), step("tell", "Tell the team")},
		},
		{
			Name: "new-lead", Title: "A new lead is checked, assigned and greeted", Owner: "sales", On: []string{"lead.created"},
			Columns: []string{"lead.name", "lead.email", "lead.source"}, DueWithin: 10 * time.Minute,
			Steps: []show.StepCard{step("contact", "Add the contact to HubSpot"), step("greet", "Greet on WhatsApp")},
		},
		{Name: "part-paid", Title: "A part of an order is paid; the rest is asked for", Owner: "finance-ops", On: []string{"order.part_paid"}, Columns: []string{"order.id", "order.balance"}},
		{Name: "refund-note", Title: "A refund is noted on the deal and told to the team", Owner: "support", On: []string{"refund.succeeded"}, Columns: []string{"refund.id", "refund.amount"}},
		{
			Name: "refund-request", Title: "A customer asks for their money back; finance approves it", Owner: "finance-ops", On: []string{"refund.requested"},
			Columns: []string{"refund.order", "refund.amount"}, Steps: []show.StepCard{step("approve", "Ask finance"), step("approve.refund", "Refund the payment"), step("tell", "Tell the customer")},
		},
		{Name: "dispute-alarm", Title: "A disputed payment calls the team", Owner: "finance-ops", On: []string{"dispute.opened"}},
		{Name: "message-status", Title: "What became of a message is kept on the contact", Owner: "support", On: []string{"message.delivered", "message.failed"}},
	}
	read := show.ActionCard{Name: "deal.find", Title: "Find a deal", Kind: waybill.KindRead, Repeat: waybill.RepeatNatural}
	b.ConnList = []show.ConnectionCard{
		{
			Name: "razorpay", Title: "Razorpay", System: "Razorpay", Connector: "razorpay v1", APIVersion: "v1", Intake: "https://waybill.example.com/in/razorpay",
			Summary: "Payments, orders and refunds come in, signed. Payments can be read and refunded.", Flows: []string{"payment-to-crm", "part-paid"},
			Actions: []show.ActionCard{{Name: "payment.refund", Title: "Refund a payment", Kind: waybill.KindMoney, Repeat: waybill.RepeatLookup, Cannot: "Money that was sent back stays with the customer.", Notes: []string{"looked up by our receipt number after 2 min"}}},
		},
		{
			Name: "stripe", Title: "Stripe", System: "Stripe", Connector: "stripe v1", APIVersion: "2026-06-30", RetiresOn: "2028-06-30", Intake: "https://waybill.example.com/in/stripe",
			Flows: []string{"payment-to-crm"}, Actions: []show.ActionCard{{Name: "payment.refund", Title: "Refund a payment", Kind: waybill.KindMoney, Repeat: waybill.RepeatKey}},
		},
		{
			Name: "crm", Title: "HubSpot, sales portal", System: "HubSpot", Connector: "hubspot v1", APIVersion: "v3", Account: "145678901", Limits: "at most 8 at once, 10 a second",
			Summary: "Contacts, deals and notes. Contacts are found by e-mail, so adding one twice is harmless.", Flows: []string{"payment-to-crm", "new-lead", "refund-note"},
			Actions: []show.ActionCard{
				read,
				{Name: "deal.update", Title: "Update a deal", Kind: waybill.KindState, Repeat: waybill.RepeatNatural, Undo: "what was there before is put back"},
				{Name: "contact.upsert", Title: "Add or update a contact", Kind: waybill.KindState, Repeat: waybill.RepeatNatural},
				{Name: "note.create", Title: "Add a note", Kind: waybill.KindAdd, Repeat: waybill.RepeatLookup},
			},
		},
		{
			Name: "whatsapp", Title: "WhatsApp", System: "WhatsApp", Connector: "whatsapp v1", APIVersion: "v24.0", Intake: "https://waybill.example.com/in/whatsapp",
			Flows: []string{"payment-to-crm", "new-lead"}, Actions: []show.ActionCard{{Name: "template.send", Title: "Send a template message", Kind: waybill.KindMessage, Repeat: waybill.RepeatNever, Proves: "handed_over", Cannot: "A message that was sent cannot be called back.", Notes: []string{"a status webhook proves it"}}},
		},
		{
			Name: "team", Title: "Slack", System: "Slack", Connector: "slack v1", Flows: []string{"payment-to-crm", "dispute-alarm"},
			Actions: []show.ActionCard{{Name: "message.post", Title: "Post a message", Kind: waybill.KindMessage, Repeat: waybill.RepeatLookup}},
		},
		{Name: "website", Title: "Website form", System: "Website", Connector: "http v1", Intake: "https://waybill.example.com/in/website", Flows: []string{"new-lead"}},
	}
	return b
}

func (b *Book) overview(now time.Time) {
	b.Over = waybill.Overview{
		Since: now.Add(-24 * time.Hour), Received: 1482, Duplicate: 61, NotUsed: 38, Rejected: 7, Events: 1391, Working: 3, Waiting: 12,
		Done: 1352, Stopped: 2, Blocked: 5, Unknown: 2, Late: 1,
		Flows: []waybill.FlowFigures{
			{Flow: "payment-to-crm", Done: 611, Open: 6, Blocked: 2, Last: now.Add(-12 * time.Second)},
			{Flow: "new-lead", Done: 389, Open: 9, Blocked: 3, Last: now.Add(-50 * time.Second)},
			{Flow: "part-paid", Done: 44, Last: now.Add(-31 * time.Minute)},
			{Flow: "refund-note", Done: 17, Last: now.Add(-2 * time.Hour)},
			{Flow: "message-status", Done: 291, Last: now.Add(-3 * time.Second)},
		},
	}
	shape := []int{12, 9, 5, 3, 2, 2, 4, 11, 26, 48, 77, 92, 88, 71, 66, 83, 95, 102, 97, 110, 121, 96, 84, 62}
	for i, n := range shape {
		h := waybill.HourFigures{Hour: now.Add(time.Duration(i-24) * time.Hour).Truncate(time.Hour), Received: n, Done: n - n/12}
		if i == 10 || i == 17 || i == 23 {
			h.Blocked = 1 + i%3
		}
		b.Over.Hours = append(b.Over.Hours, h)
	}
}

func (b *Book) connections(now time.Time) {
	state := func(name string, h waybill.Health) waybill.ConnectionState {
		return waybill.ConnectionState{Connection: name, Health: h, LastIn: now.Add(-40 * time.Second), LastOut: now.Add(-9 * time.Second), Since: now.Add(-50 * time.Minute), Answers: 40}
	}
	limited := state("crm", waybill.HealthLimited)
	limited.Learnt = 4.2
	limited.Reason, limited.Until, limited.Account = "HubSpot asks us to slow down: 110 calls in 10 seconds are allowed.", now.Add(7*time.Second), "145678901"
	signIn := state("team", waybill.HealthSignInNeeded)
	signIn.Reason, signIn.Cause, signIn.LastIn, signIn.Failures = "Slack said token_revoked.", waybill.SignInExpired, time.Time{}, 3
	b.Figures = []waybill.ConnectionFigures{
		{State: state("razorpay", waybill.HealthWorking), In: 902, Out: 14},
		{State: state("stripe", waybill.HealthWorking), In: 164, Out: 2},
		{State: limited, In: 122, Out: 1731, Failed: 23, Queued: 12},
		{State: state("whatsapp", waybill.HealthWorking), In: 688, Out: 640, Failed: 4, Unknown: 2},
		{State: signIn, Out: 402, Failed: 3, Queued: 9},
		{State: state("website", waybill.HealthWorking), In: 96},
	}
	removed := state("old-shop", waybill.HealthWorking)
	removed.LastIn, removed.LastOut = now.Add(-3*time.Hour), time.Time{}
	retired := state("old-crm", waybill.HealthDown)
	retired.LastIn, retired.LastOut = now.Add(-60*24*time.Hour), now.Add(-61*24*time.Hour)
	b.Figures = append(
		b.Figures, waybill.ConnectionFigures{State: retired, Retired: &waybill.Retirement{At: now.Add(-50 * 24 * time.Hour), Who: "meena", Why: "the old CRM was switched off"}},
		waybill.ConnectionFigures{State: removed, In: 2},
	)
}

func (b *Book) file(j *waybill.Journey, ids ...string) {
	for _, id := range ids {
		b.Journeys[id] = j
	}
}

// arrival is how an event came in.
func arrival(n int, connection, typ, body string, at time.Time) (*waybill.Arrival, *waybill.Item) {
	item := waybill.Item{
		ID: waybill.ItemID(ID("itm", n)), Arrival: waybill.ArrivalID(ID("arr", n)), Connection: connection, Account: "acc_K9xYw2", Type: typ,
		DeliveryKey: fmt.Sprintf("evt_Q7%08d", n), OccurredAt: at.Add(-time.Second), ReceivedAt: at, State: waybill.ItemTranslated,
	}
	return &waybill.Arrival{
		ID: item.Arrival, Connection: connection, Account: item.Account, Via: waybill.ViaWebhook, Method: "POST", URL: "/in/" + connection,
		Headers: []waybill.Header{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "User-Agent", Value: "Razorpay-Webhook/v1"},
			{Name: "X-Razorpay-Signature", Value: "[sha256:9c1be04d]"},
			{Name: "X-Razorpay-Event-Id", Value: item.DeliveryKey},
		},
		Remote: "52.66.75.174", Body: []byte(body), ReceivedAt: at, Proof: "X-Razorpay-Signature, secret 1 of 1", Items: []waybill.Item{item},
	}, &item
}

const orderBody = `{"entity":"event","account_id":"acc_K9xYw2","event":"order.paid","contains":["payment","order"],"payload":{"payment":{"entity":{"id":"pay_29QQoUBi66xm2f","amount":12990000,"currency":"INR","status":"captured","order_id":"order_9A33XWu170gUtm","method":"upi","email":"asha@example.com","contact":"+919876543210","notes":{"order_no":"SO-1001"},"fee":259800,"created_at":1795401124}},"order":{"entity":{"id":"order_9A33XWu170gUtm","amount":12990000,"amount_paid":12990000,"receipt":"SO-1001","status":"paid","big":9007199254740993}}},"created_at":1795401125}`

const orderData = `{"id":"SO-1001","status":"paid_in_full","paid_total":{"minor":12990000,"currency":"INR"},"due_total":{"minor":12990000,"currency":"INR"},"balance":{"minor":0,"currency":"INR"},"customer":{"name":"Asha Rao","email":"asha@example.com","phone":"+919876543210"},"provider_id":"order_9A33XWu170gUtm"}`

func orderMapping() []waybill.MappedField {
	file := "connectors/razorpay/manifest.yaml"
	return []waybill.MappedField{
		{Target: "order.id", Source: "order.receipt", Value: "SO-1001", File: file, Line: 88},
		{Target: "order.status", Source: "order.status", From: "paid", Value: "paid_in_full", File: file, Line: 89},
		{Target: "order.paid_total", Source: "money(order.amount_paid, order.currency)", From: "12990000 INR", Value: "₹1,29,900.00", File: file, Line: 90},
		{Target: "order.customer.email", Source: "payment.email", Value: "asha@example.com", File: file, Line: 94},
		{Target: "order.customer.phone", Source: "phone(payment.contact)", Value: "+919876543210", File: file, Line: 95},
		{Target: "order.method", Source: "payment.method", Value: "upi", File: file, Line: 97},
	}
}

func attempt(n int, effect waybill.EffectID, at time.Time, status int, c waybill.Certainty) waybill.Attempt {
	a := waybill.Attempt{
		ID: waybill.AttemptID(ID("att", n)), Effect: effect, Number: 1, StartedAt: at, EndedAt: at.Add(212 * time.Millisecond), Status: status, Certainty: c,
		Request: waybill.Request{
			Method: "PATCH", URL: "https://api.hubapi.com/crm/v3/objects/deals/9182736455",
			Headers: []waybill.Header{{Name: "Authorization", Value: "Bearer [sha256:5be1a77c]"}, {Name: "Content-Type", Value: "application/json"}},
			Body:    []byte(`{"properties":{"dealstage":"closedwon","amount":"129900.00"}}`),
		},
	}
	if status > 0 {
		a.Headers = []waybill.Header{{Name: "Content-Type", Value: "application/json;charset=utf-8"}, {Name: "X-HubSpot-RateLimit-Remaining", Value: "91"}}
		a.Response = []byte(`{"id":"9182736455","properties":{"amount":"129900.00","dealstage":"closedwon","hs_lastmodifieddate":"2026-11-23T08:12:06.412Z"},"archived":false}`)
	}
	return a
}

func gate(at time.Time) []waybill.GateAnswer {
	return []waybill.GateAnswer{
		{Rule: "run still wanted", Verdict: waybill.Go, At: at},
		{Rule: "order", Verdict: waybill.Go, Reason: "nothing newer was written to this deal", At: at},
		{Rule: "environment", Verdict: waybill.Go, Reason: "test account, recipient is on the allow-list", At: at},
		{Rule: "good for", Verdict: waybill.Go, Reason: "1 h 59 min are left", At: at},
	}
}

func effect(n int, at time.Time, connection, action, address string) waybill.Effect {
	return waybill.Effect{
		ID: waybill.EffectID(ID("eff", n)), Flow: "payment-to-crm", Address: address, Generation: 1, Connection: connection, Action: action,
		Kind: waybill.KindState, Repeat: waybill.RepeatNatural, State: waybill.EffectConfirmed, Key: "wb-7f3a9c41d2e8b05566aa10ff43c2d918",
		Inputs: []byte(`{"id":"9182736455","stage":"closedwon","amount":"129900.00"}`), PlannedAt: at, SentAt: at, SettledAt: at.Add(time.Second), Gate: gate(at), Tries: 1,
	}
}
