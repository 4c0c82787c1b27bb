package showtest

import (
	"fmt"
	"strings"
	"time"

	"waybill"
)

// cannotGoBack is what the engine says of a refund before it is sent.
const cannotGoBack = "cannot be undone: Money that was sent back stays with the customer."

// told files an event with its one run. The event came in at the run's start.
func (b *Book) told(n int, r waybill.Run, row waybill.EventRow, v waybill.RunView) *waybill.Journey {
	r.DueBy = time.Time{}
	row.AcceptedAt, row.State, row.Runs, row.Reason = r.CreatedAt, r.State, 1, r.Reason
	id := b.row(n, row)
	a, item := arrival(n, row.Connection, row.Type, string(row.Data), r.CreatedAt)
	r.Event, v.Run = id, r
	j := &waybill.Journey{
		Arrival: a, Item: item, Runs: []waybill.RunView{v},
		Event: &waybill.Event{
			ID: id, Type: row.Type, Connection: row.Connection, Subject: row.Subject, FactKey: fmt.Sprintf("fact-%d", n), Data: row.Data,
			AcceptedAt: r.CreatedAt, OccurredAt: r.CreatedAt,
		},
	}
	b.file(j, string(id), string(r.ID), string(item.ID))
	return j
}

func refundRequest(n int, amount string) waybill.EventRow {
	return waybill.EventRow{
		Type: "refund.requested", Connection: "website", Subject: fmt.Sprintf("Order SO-%d", n),
		Data: fmt.Appendf(nil, `{"order":"SO-%d","amount":{"minor":%s,"currency":"INR"},"reason":"It does not fit","customer":{"email":"ravi@example.com"}}`, n, amount),
	}
}

func question(n int, r waybill.Run, event waybill.EventID, order, amount string) waybill.Question {
	return waybill.Question{
		ID: waybill.AskID(ID("ask", n)), Event: event, Run: r.ID, Flow: r.Flow, Address: "approve", State: waybill.AskOpen,
		Question: "Refund order " + order + "?", Who: []string{"finance-ops"}, NoAnswer: "reject", AskedAt: r.CreatedAt.Add(time.Second),
		DueAt:  r.CreatedAt.Add(27 * time.Hour),
		Show:   []byte(`{"order":"` + order + `","amount":{"minor":` + amount + `,"currency":"INR"},"paid on":"2026-11-02","customer":"Ravi Nair, ravi@example.com","their words":"It does not fit. I sent it back on Friday with India Post; the tracking number is EE123456789IN."}`),
		Change: []byte(`{"amount":{"minor":` + amount + `,"currency":"INR"}}`),
		For: []waybill.AskFor{{
			Address: "approve.refund", Connection: "razorpay", Account: "acc_K9xYw2", Action: "payment.refund", Fingerprint: "9c1be04d55aa", Undo: cannotGoBack,
			Inputs: []byte(`{"payment":"pay_29QQoUBi66xm2f","amount":{"minor":` + amount + `,"currency":"INR"},"note":"` + order + `"}`),
		}},
	}
}

// asked is a refund that stands at a question to finance.
func (b *Book) asked(now time.Time) {
	r := run(8960, "", "refund-request", waybill.RunWaiting, now.Add(-3*time.Hour))
	r.Owner, r.Reason, r.DueAt = "finance-ops", "waiting for Finance: Refund order SO-1024?", r.CreatedAt.Add(27*time.Hour)
	q := question(8960, r, waybill.EventID(ID("evt", 8960)), "SO-1024", "450000")
	b.told(8960, r, refundRequest(1024, "450000"), waybill.RunView{Asks: []waybill.Question{q}})
	b.Question = append(b.Question, q)
	b.Buttons[string(r.ID)] = []waybill.Choice{
		{
			Verb: waybill.VerbApprove, Label: "Approve", Primary: true, About: string(q.ID),
			Safety: "For Finance: this is sent as it is shown: Refund a payment (amount ₹4,500.00, note SO-1024, payment pay_29QQoUBi66xm2f), which " + strings.TrimSuffix(cannotGoBack, "."),
		},
		{Verb: waybill.VerbChange, Label: "Change and approve", Safety: "For Finance: it is sent with your values", Inputs: q.Change, About: string(q.ID)},
		{Verb: waybill.VerbReject, Label: "Reject", Safety: "For Finance: nothing of it is sent", Safe: true, NeedsReason: true, About: string(q.ID)},
		{Verb: waybill.VerbStop, Label: "Stop this run", Safety: "What is done stays done; the rest is left out", Safe: true, NeedsReason: true},
	}
}

// answered is a refund that nobody of finance approved in time; an admin did, with another amount.
func (b *Book) answered(now time.Time) {
	r := run(8961, "", "refund-request", waybill.RunDone, now.Add(-30*time.Hour))
	r.Owner, r.Reason, r.EndedAt = "finance-ops", "The money is on its way back", now.Add(-2*time.Hour)
	event := waybill.EventID(ID("evt", 8961))
	first := question(8961, r, event, "SO-1019", "990000")
	first.State, first.NoAnswer, first.Reason, first.Answered = waybill.AskPassedOn, "ask", "nobody answered within 27 hours", first.DueAt
	second := question(8962, r, event, "SO-1019", "990000")
	second.Round, second.Who, second.Role, second.AskedAt, second.DueAt = 1, nil, "admin", first.DueAt, time.Time{}
	second.State, second.By, second.Reason, second.Answered = waybill.AskApproved, "asha", "Shipping is not refunded", now.Add(-2*time.Hour)
	second.Values = []byte(`{"amount":{"minor":940000,"currency":"INR"}}`)
	e := effect(8961, now.Add(-2*time.Hour).Add(time.Second), "razorpay", "payment.refund", "approve.refund")
	e.Flow, e.Kind, e.Repeat, e.Proof, e.Approval = "refund-request", waybill.KindMoney, waybill.RepeatLookup, "answer 200", "approve"
	e.Object = waybill.Object{Type: "refund", ID: "rfnd_FP8QHiV938haTz"}
	j := b.told(8961, r, refundRequest(1019, "990000"), waybill.RunView{Asks: []waybill.Question{first, second}, Effects: []waybill.EffectView{{Effect: e}}})
	j.Audit = []waybill.Audited{{At: second.Answered, Who: "asha", Action: string(waybill.VerbChange), Object: string(r.ID), Reason: second.Reason}}
	b.Question = append(b.Question, first, second)
}

// held is a lead whose greeting is held back: its step is being introduced.
func (b *Book) held(now time.Time) {
	r := run(8963, "", "new-lead", waybill.RunBlocked, now.Add(-21*time.Minute))
	r.Reason = "held: the first 10 of this step are released by hand, 3 were so far"
	contact := effect(8963, r.CreatedAt.Add(time.Second), "crm", "contact.upsert", "contact")
	contact.Flow, contact.Proof = "new-lead", "answer 200"
	greet := effect(8964, r.CreatedAt.Add(2*time.Second), "whatsapp", "template.send", "greet")
	greet.Flow, greet.Kind, greet.Repeat, greet.State, greet.Cause = "new-lead", waybill.KindMessage, waybill.RepeatNever, waybill.EffectPlanned, waybill.WaitingForPerson
	greet.Reason, greet.DueAt, greet.Release, greet.Tries, greet.SentAt, greet.SettledAt = r.Reason, waybill.Held(), waybill.ReleaseByHand(10), 0, time.Time{}, time.Time{}
	greet.Inputs = []byte(`{"to":"+919812345678","template":"welcome","language":"en","name":"Meera"}`)
	greet.Request = waybill.Request{
		Method: "POST", URL: "https://graph.facebook.com/v24.0/106540352242922/messages", Headers: []waybill.Header{{Name: "Content-Type", Value: "application/json"}},
		Body: []byte(`{"messaging_product":"whatsapp","to":"919812345678","type":"template","template":{"name":"welcome","language":{"code":"en"}}}`),
	}
	greet.Gate = append(gate(greet.PlannedAt), waybill.GateAnswer{Rule: "release", Verdict: waybill.Ask, Reason: r.Reason, At: greet.PlannedAt})
	row := waybill.EventRow{Type: "lead.created", Connection: "website", Subject: "Lead L-2047", Data: []byte(`{"id":"L-2047","name":"Meera","email":"meera@example.com","source":"website","phone":"+919812345678"}`)}
	j := b.told(8963, r, row, waybill.RunView{Effects: []waybill.EffectView{{Effect: contact}, {Effect: greet}}})
	b.file(j, string(greet.ID))
	b.Buttons[string(greet.ID)] = []waybill.Choice{
		{Verb: waybill.VerbRelease, Label: "Release", Safety: "It is sent as it is shown", Safe: true, Primary: true},
		{Verb: waybill.VerbSkip, Label: "Leave it out", Safety: "Safe: nothing is sent. The run goes on without it.", Safe: true, NeedsReason: true},
	}
}

// undone is a deal that was won by mistake: one effect is undone, the undoing of the other met what somebody else wrote.
func (b *Book) undone(now time.Time) {
	r := run(8965, "", "payment-to-crm", waybill.RunDone, now.Add(-5*time.Hour))
	r.Reason = "The deal is won and the customer is thanked"
	won := effect(8965, r.CreatedAt.Add(time.Second), "crm", "deal.update", "won")
	won.Before, won.Undo, won.State = []byte(`{"stage":"contractsent","amount":"0.00"}`), "restore", waybill.EffectUndone
	won.Object = waybill.Object{Type: "deal", ID: "9182736455"}
	back := effect(8966, now.Add(-4*time.Hour), "crm", "deal.update", "won!undo1")
	back.Undoes, back.Undo, back.Object, back.Proof = won.ID, "restore", won.Object, "answer 200"
	back.Inputs = []byte(`{"id":"9182736455","stage":"contractsent","amount":"0.00"}`)
	won.Reason = "undone by " + string(back.ID) + " (won!undo1)"
	note := effect(8967, r.CreatedAt.Add(2*time.Second), "crm", "deal.update", "owner")
	note.Before, note.Undo, note.Proof, note.Object = []byte(`{"owner":"ravi"}`), "restore", "answer 200", won.Object
	halted := effect(8968, now.Add(-4*time.Hour).Add(time.Second), "crm", "deal.update", "owner!undo1")
	halted.Undoes, halted.Undo, halted.State, halted.DueAt, halted.Tries = note.ID, "restore", waybill.EffectPlanned, waybill.Held(), 0
	halted.SentAt, halted.SettledAt, halted.Object, halted.Inputs = time.Time{}, time.Time{}, won.Object, []byte(`{"id":"9182736455","owner":"ravi"}`)
	halted.Reason = "what is there is no longer what we wrote: owner is meera and not asha"
	row := waybill.EventRow{Type: "order.paid_in_full", Connection: "razorpay", Subject: "Order SO-1003", Data: []byte(`{"id":"SO-1003","paid_total":{"minor":125000,"currency":"INR"},"customer":{"email":"meera@example.com"}}`)}
	j := b.told(8965, r, row, waybill.RunView{Effects: []waybill.EffectView{{Effect: won}, {Effect: note}, {Effect: back}, {Effect: halted}}})
	j.Audit = []waybill.Audited{{At: now.Add(-4 * time.Hour), Who: "asha", Action: "undo", Object: string(r.ID), Reason: "The payment was for another order"}}
	b.file(j, string(won.ID), string(back.ID), string(note.ID), string(halted.ID))
	b.Buttons[string(halted.ID)] = []waybill.Choice{
		{Verb: waybill.VerbRetry, Label: "Look again", Safety: "Safe: it is read again first", Safe: true, Primary: true},
		{Verb: waybill.VerbRelease, Label: "Put it back all the same", Safety: "What others wrote there since is lost", NeedsReason: true},
		{Verb: waybill.VerbSkip, Label: "Leave it so", Safety: "What is there stays", NeedsReason: true},
	}
}

// until is a part payment with two flows that wait: one for a time, one for another event.
func (b *Book) until(now time.Time) {
	r := run(8968, "", "part-paid", waybill.RunWaiting, now.Add(-40*time.Minute))
	r.Owner, r.DueAt = "finance-ops", time.Date(2026, 11, 24, 9, 0, 0, 0, zone)
	r.Reason = "waits until Tue 24 Nov 09:00"
	row := waybill.EventRow{Type: "order.part_paid", Connection: "razorpay", Subject: "Order SO-1030", Data: []byte(`{"id":"SO-1030","paid_total":{"minor":300000,"currency":"INR"},"balance":{"minor":250000,"currency":"INR"}}`)}
	j := b.told(8968, r, row, waybill.RunView{})
	other := run(8969, j.Event.ID, "message-status", waybill.RunWaiting, r.CreatedAt)
	other.Owner, other.DueBy, other.DueAt = "support", time.Time{}, now.Add(6*24*time.Hour)
	other.Reason = "waits for order.paid_in_full about SO-1030"
	j.Runs = append(j.Runs, waybill.RunView{Run: other})
}

// late is an order whose note came when a newer one was written, and whose message would have come too late.
func (b *Book) late(now time.Time) {
	r := run(8972, "", "payment-to-crm", waybill.RunDone, now.Add(-6*time.Hour))
	r.Reason = ""
	won := effect(8972, r.CreatedAt.Add(time.Second), "crm", "deal.update", "won")
	won.State, won.Reason, won.SentAt, won.Object = waybill.EffectSkipped, "late, no effect: a newer fact was already written", time.Time{}, waybill.Object{Type: "deal", ID: "9182736455"}
	won.Gate = append(won.Gate[:1:1], waybill.GateAnswer{Rule: "order", Verdict: waybill.Skip, Reason: won.Reason, At: won.PlannedAt})
	thanks := effect(8973, r.CreatedAt.Add(2*time.Second), "whatsapp", "template.send", "thanks")
	thanks.Kind, thanks.Repeat, thanks.State = waybill.KindMessage, waybill.RepeatNever, waybill.EffectSkipped
	thanks.Reason, thanks.SentAt = "too late: it was good until "+r.CreatedAt.Add(2*time.Hour).UTC().Format(time.RFC3339), time.Time{}
	thanks.Gate = append(thanks.Gate[:3:3], waybill.GateAnswer{Rule: "good for", Verdict: waybill.Skip, Reason: thanks.Reason, At: thanks.PlannedAt})
	thanks.Inputs = []byte(`{"to":"+919812345678","template":"payment_received","language":"en"}`)
	row := waybill.EventRow{Type: "order.paid_in_full", Connection: "razorpay", Subject: "Order SO-0998", Data: []byte(`{"id":"SO-0998","paid_total":{"minor":99000,"currency":"INR"},"customer":{"email":"ravi@example.com"}}`)}
	b.told(8972, r, row, waybill.RunView{Effects: []waybill.EffectView{{Effect: won}, {Effect: thanks}}})
}
