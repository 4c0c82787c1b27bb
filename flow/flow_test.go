package flow_test

import (
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
	"waybill/expr"
	"waybill/flow"
	"waybill/source"
)

// bench is what the flows of these tests may refer to: a CRM, a messenger and a table.
func bench(tb testing.TB) flow.Deps {
	tb.Helper()
	cat, err := catalogue.Load()
	if err != nil {
		tb.Fatal(err)
	}
	env, err := expr.NewEnv(expr.Config{
		Zone: "Asia/Kolkata", Region: "IN", Currency: "INR",
		Tables: []expr.Table{
			{Name: "deal-stage", Keys: []string{"open", "part_paid", "paid", "overpaid", "refunded", "cancelled"}},
			{Name: "partial", Keys: []string{"open", "paid"}},
		},
		Connections: []string{"crm", "whatsapp"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	text := func() *expr.Schema { return &expr.Schema{Type: "string"} }
	object := func(required []string, names ...string) *expr.Schema {
		s := &expr.Schema{Type: "object", Required: required, Properties: map[string]*expr.Schema{}}
		for _, n := range names {
			s.Properties[n] = text()
		}
		return s
	}
	crm := &connector.Manifest{Name: "hubspot", Title: "HubSpot", Actions: map[string]*connector.Action{
		"deal.find": {
			Name: "deal.find", Title: "Find a deal", Kind: waybill.KindRead,
			Input: object([]string{"order_no"}, "order_no"), Output: object([]string{"id"}, "id", "stage"),
		},
		"deal.update": {
			Name: "deal.update", Title: "Update a deal", Kind: waybill.KindState, Repeat: waybill.RepeatNatural,
			Input:  object([]string{"id"}, "id", "stage", "amount"),
			Output: object([]string{"id"}, "id", "stage"), Undo: connector.UndoRule{Restore: "deal.get"},
		},
		"deal.create": {
			Name: "deal.create", Title: "Create a deal", Kind: waybill.KindAdd, Repeat: waybill.RepeatKey,
			Input: object([]string{"name"}, "name", "stage"), Output: object([]string{"id"}, "id"),
		},
		"note.add": {
			Name: "note.add", Title: "Write a note", Kind: waybill.KindAdd, Repeat: waybill.RepeatLookup,
			Input: object([]string{"body"}, "body", "deal_id"), Undo: connector.UndoRule{Cannot: "Delete it there."},
		},
		"vague.write": {Name: "vague.write", Title: "A write of unknown grade", Kind: waybill.KindAdd},
	}}
	whatsapp := &connector.Manifest{Name: "whatsapp", Title: "WhatsApp", Actions: map[string]*connector.Action{
		"template.send": {
			Name: "template.send", Title: "Send a template", Kind: waybill.KindMessage, Repeat: waybill.RepeatNever,
			Input: &expr.Schema{Type: "object", Required: []string{"to", "template"}, Properties: map[string]*expr.Schema{
				"to": text(), "template": text(), "params": {Type: "object", Values: text()},
			}}, Output: object([]string{"id"}, "id"),
		},
	}}
	return flow.Deps{
		Catalogue: cat.In("IN"), Env: env, Owners: []string{"finance-ops", "sales"},
		Connections: map[string]*connector.Manifest{"crm": crm, "whatsapp": whatsapp},
		Calendar:    flow.Calendar{Zone: time.FixedZone("IST", 19800), Hours: flow.Weekdays()},
	}
}

func compile(tb testing.TB, text string) (*flow.Flow, source.Faults) {
	tb.Helper()
	n, faults := source.Parse("flows/test.yaml", []byte(text))
	if n == nil {
		tb.Fatalf("no YAML: %v", faults)
	}
	f, more := flow.Compile(n, bench(tb))
	return f, append(faults, more...)
}

// sound compiles a flow that must have no faults.
func sound(tb testing.TB, text string) *flow.Flow {
	tb.Helper()
	f, faults := compile(tb, text)
	if len(faults) > 0 || f == nil {
		tb.Fatalf("the flow is refused:\n%s", listed(faults))
	}
	return f
}

func listed(faults source.Faults) string {
	var out []string
	for _, f := range faults {
		out = append(out, f.String())
	}
	return strings.Join(out, "\n")
}

const paymentToCRM = `
flow: payment-to-crm
title: A customer has paid in full
owner: finance-ops
on: order.paid_in_full
lane: order.id
when: order.paid_total.minor > 0
due_within: 60s
columns: [order.id, order.customer.email, order.paid_total]
steps:
  - id: deal
    get: crm.deal.find
    with: {order_no: "${order.id}"}
    if_none: ask
  - id: won
    do: crm.deal.update
    with: {id: "${deal.id}", stage: "${table('deal-stage', order.status)}", amount: "${order.paid_total.decimal()}"}
    undo: restore
  - id: thanks
    do: whatsapp.template.send
    when: has(order.customer.phone)
    good_for: 2h
    if_it_fails: carry_on
    with:
      to: ${order.customer.phone}
      template: payment_received
      params: {name: "${order.customer.?name}", amount: "${order.paid_total.format()}"}
`

func TestTheFlowOfThePaymentCompiles(t *testing.T) {
	f := sound(t, paymentToCRM)
	if f.Name != "payment-to-crm" || f.Noun != "order" || f.Owner != "finance-ops" || f.DueWithin.Seconds() != 60 {
		t.Errorf("read wrongly: %+v", f)
	}
	var addresses []string
	for _, s := range f.Steps() {
		addresses = append(addresses, s.Address+" "+s.Kind+" "+s.Does)
	}
	want := "deal get crm.deal.find, won do crm.deal.update, thanks do whatsapp.template.send"
	if got := strings.Join(addresses, ", "); got != want {
		t.Errorf("steps: got %s, want %s", got, want)
	}
}

// steps wraps steps into an otherwise sound flow on order.paid_in_full; the first step is in line 6.
func steps(text string) string {
	return "flow: probe\ntitle: A probe\nowner: sales\non: order.paid_in_full\nsteps:\n" + text
}

func TestEveryFaultOfAFlowIsNamedAtItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		flow string
		code string
		line int
		says string // in the message or hint
	}{
		"an event the catalogue does not have is refused, the near one offered": {
			"flow: a\ntitle: A\non: order.payd_in_full\nsteps:\n  - end: x\n", "E301", 3, `"order.paid_in_full"`,
		},
		"events of different nouns are refused": {
			"flow: a\ntitle: A\non: [order.paid_in_full, lead.created]\nsteps:\n  - end: x\n", "E302", 3, "lead",
		},
		"no event at all is refused": {
			"flow: a\ntitle: A\nsteps:\n  - end: x\n", "E105", 1, "on: order.paid_in_full",
		},
		"an unknown connection is refused": {
			steps("  - {id: a, do: crn.deal.update, with: {id: x}}\n"), "E303", 6, `"crm"`,
		},
		"an unknown connection under from is refused": {
			"flow: a\ntitle: A\non: order.created\nfrom: watsapp\nsteps:\n  - end: x\n", "E303", 4, `"whatsapp"`,
		},
		"an unknown action is refused": {
			steps("  - {id: a, do: crm.deal.updat, with: {id: x}}\n"), "E304", 6, `"deal.update"`,
		},
		"an action without a dot is refused": {
			steps("  - {id: a, do: crm}\n"), "E304", 6, "connection.action",
		},
		"a write is no get": {
			steps("  - {id: a, get: crm.deal.update, with: {id: x}}\n"), "E305", 6, "do: crm.deal.update",
		},
		"a read is no do": {
			steps("  - {id: a, do: crm.deal.find, with: {order_no: x}}\n"), "E305", 6, "get: crm.deal.find",
		},
		"missing inputs are all named, at with": {
			steps("  - id: a\n    do: whatsapp.template.send\n    with: {}\n"), "E306", 8, `"to" and "template"`,
		},
		"missing inputs without with are named at the action": {
			steps("  - id: a\n    do: whatsapp.template.send\n"), "E306", 7, "Add under `with`",
		},
		"a write that does not say what a repeat does is refused": {
			steps("  - {id: a, do: crm.vague.write}\n"), "E307", 6, "repeat",
		},
		"a lane that may be absent is refused": {
			"flow: a\ntitle: A\non: payment.succeeded\nlane: payment.?order_id\nsteps:\n  - end: x\n", "E308", 4, "has(payment.order_id)",
		},
		"a question that nobody may answer is refused": {
			steps("  - {id: a, ask: Ok?, who: []}\n"), "E317", 6, "nobody could ever answer",
		},
		"a step id is given once": {
			steps("  - {id: a, end: x, when: 'false'}\n  - {id: a, end: y}\n"), "E309", 7, "taken",
		},
		"a step id is no name of the event": {
			steps("  - {id: order, end: x}\n"), "E309", 6, "event",
		},
		"a step id is no word of the language": {
			steps("  - {id: has, end: x}\n"), "E309", 6, "word of the expression language",
		},
		"a step id is no function": {
			steps("  - {id: money, end: x}\n"), "E309", 6, "word of the expression language",
		},
		"a step id has a form": {
			steps("  - {id: Tell-Team, end: x}\n"), "E309", 6, "tell_team",
		},
		"a step that was another one takes its place": {
			steps("  - {id: a, end: x, when: order.id == 'a'}\n  - {id: b, was: a, end: y}\n"), "E309", 7, "still there",
		},
		"a step has an id": {
			steps("  - {do: crm.deal.update, with: {id: x}}\n"), "E105", 6, "id",
		},
		"a step after the end is never reached": {
			steps("  - end: done\n  - {id: a, do: crm.deal.update, with: {id: x}}\n"), "E310", 7, "never reached",
		},
		"a step after a choice that always ends is never reached": {
			steps("  - id: a\n    choose:\n      x: {when: order.id == 'a', steps: [{end: x}]}\n      otherwise: {steps: [{end: y}]}\n  - {id: b, set: 1}\n"),
			"E310", 10, "never reached",
		},
		"a step without a verb is refused": {
			steps("  - {id: a}\n"), "E311", 6, "get",
		},
		"a step with two verbs is refused": {
			steps("  - {id: a, set: 1, end: x}\n"), "E311", 6, "two steps",
		},
		"an unknown owner is refused": {
			"flow: a\ntitle: A\nowner: sale\non: order.created\nsteps:\n  - end: x\n", "E312", 3, `"sales"`,
		},
		"a field of another kind of step is refused": {
			steps("  - {id: a, get: crm.deal.find, with: {order_no: x}, good_for: 2h}\n"), "E313", 6, "good_for",
		},
		"an unknown field is refused with the near one": {
			steps("  - {id: a, do: crm.deal.update, wiht: {id: x}}\n"), "E104", 6, `"with"`, //nolint:misspell // meant
		},
		"an ask says who may answer":        {steps("  - {id: a, ask: ok?}\n"), "E105", 6, "who: OWNER"},
		"an ask asks owners that there are": {steps("  - {id: a, ask: ok?, who: financ}\n"), "E312", 6, "finance-ops"},
		"an ask knows two roles":            {steps("  - {id: a, ask: ok?, who: {role: boss}}\n"), "E317", 6, "Roles that do: admin, operator"},
		"a viewer answers nothing":          {steps("  - {id: a, ask: ok?, who: {role: viewer}}\n"), "E317", 6, `No role "viewer" answers`},
		"no answer needs a time":            {steps("  - {id: a, ask: ok?, who: {role: admin}, no_answer: reject}\n"), "E327", 6, "within"},
		"no answer means one of a few things": {
			steps("  - {id: a, ask: ok?, who: {role: admin}, within: 1d, no_answer: rejct}\n"), "E317", 6, "reject",
		},
		"an ask is for steps after it": {
			steps("  - {id: a, ask: ok?, who: {role: admin}, for: nte}\n  - {id: note, do: crm.note.add, with: {body: x}}\n"), "E329", 6, "note",
		},
		"what is approved is known when it is asked": {
			steps("  - {id: a, ask: ok?, who: {role: admin}, for: note}\n  - {id: d, get: crm.deal.find, with: {order_no: x}}\n  - {id: note, do: crm.note.add, with: {body: \"${d.id}\"}}\n"), "E329", 8, "d",
		},
		"what may be changed has a type": {
			steps("  - {id: a, ask: ok?, who: {role: admin}, change: {x: \"${dyn(1)}\"}}\n"), "E326", 6, "type",
		},
		"what may be changed has a name of its own": {
			steps("  - {id: a, ask: ok?, who: {role: admin}, change: {by: \"${order.id}\"}}\n"), "E309", 6, "answer",
		},
		"late takes two words":                     {steps("  - {id: a, do: crm.deal.update, with: {id: x}, late: never}\n"), "E317", 6, "skip"},
		"late is about what overwrites":            {steps("  - {id: a, do: crm.note.add, with: {body: x}, late: skip}\n"), "E313", 6, "kind state"},
		"what is fetched afresh can be read again": {steps("  - {id: a, do: crm.deal.update, with: {id: x}, late: fetch}\n"), "E331", 6, "late: skip"},
		"an undo by an action gives its inputs": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x}, undo: {do: crm.note.add}}\n"), "E306", 6, "body",
		},
		"an undo by a read undoes nothing": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x}, undo: {do: crm.deal.find, with: {order_no: x}}}\n"), "E305", 6, "only reads",
		},
		"an undo knows the event and its own step only": {
			steps("  - {id: d, get: crm.deal.find, with: {order_no: x}}\n  - {id: a, do: crm.deal.update, with: {id: x}, undo: {do: crm.note.add, with: {body: \"${d.id}\"}}}\n"), "E202", 7, "input, order",
		},
		"an undo by an action that is not there": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x}, undo: {do: crm.note.ad, with: {body: x}}}\n"), "E304", 6, "note.add",
		},
		"an undo takes two forms": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x}, undo: [x]}\n"), "E317", 6, "undo: {do:",
		},
		"release takes three forms": {steps("  - {id: a, do: crm.note.add, with: {body: x}, release: {by: 3}}\n"), "E317", 6, "by_hand"},
		"a choice names otherwise": {
			steps("  - id: a\n    choose:\n      x: {when: order.id == 'a', steps: [{end: x}]}\n"), "E315", 7, "otherwise",
		},
		"nothing stands behind otherwise": {
			steps("  - id: a\n    choose:\n      otherwise: {steps: []}\n      x: {when: order.id == 'a', steps: [{end: x}]}\n"), "E310", 9, "last",
		},
		"a loop names its item": {
			steps("  - {id: a, each: order.items, by: order.id, steps: [{id: b, set: 1}]}\n"), "E316", 6, "as: item",
		},
		"a loop names its key": {
			steps("  - id: a\n    each: order.?items.orValue([])\n    as: item\n    steps: [{id: b, set: 1}]\n"), "E316", 7, "by: item",
		},
		"a loop takes a list": {
			steps("  - {id: a, each: order.id, as: item, by: order.id, steps: [{id: b, set: 1}]}\n"), "E316", 6, "list",
		},
		"if_it_fails takes few values": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x}, if_it_fails: carryon}\n"), "E317", 6, `"carry_on"`,
		},
		"if_none takes few values": {
			steps("  - {id: a, get: crm.deal.find, with: {order_no: x}, if_none: aks}\n"), "E317", 6, `"ask"`,
		},
		"behind_blocked takes few values": {
			"flow: a\ntitle: A\non: order.created\nbehind_blocked: holds\nsteps:\n  - end: x\n", "E317", 4, `"hold"`,
		},
		"a duration is one": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x}, good_for: soon}\n"), "E106", 6, "2h",
		},
		"undo needs an action that can be put back": {
			steps("  - {id: a, do: crm.note.add, with: {body: x}, undo: restore}\n"), "E318", 6, "Delete it there",
		},
		"a column is a field of the event": {
			"flow: a\ntitle: A\non: order.created\ncolumns: [order.custmer.email]\nsteps:\n  - end: x\n", "E320", 4, `"customer"`,
		},
		"a flow does something": {
			"flow: a\ntitle: A\non: order.created\n", "E321", 1, "steps",
		},
		"a flow's name has a form": {
			"flow: My Flow\ntitle: A\non: order.created\nsteps:\n  - end: x\n", "E322", 1, "lower-case",
		},
		"a title must be given": {
			"flow: a\non: order.created\nsteps:\n  - end: x\n", "E105", 1, "title",
		},
		"what is made in place of what was not found must have a result": {
			steps("  - id: a\n    get: crm.deal.find\n    with: {order_no: x}\n    if_none: {create: [{id: b, do: crm.note.add, with: {body: x}}]}\n"),
			"E324", 9, `"a"`,
		},
		"an emitted event must exist": {
			steps("  - {id: a, emit: deal.wonn, with: {id: x}}\n"), "E301", 6, `"deal.won"`,
		},
		"an emitted event has its required fields": {
			steps("  - {id: a, emit: deal.won, with: {id: x}}\n"), "E306", 6, `"status"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, faults := compile(t, c.flow)
			if f != nil {
				t.Errorf("the flow is taken though it has faults")
			}
			for _, got := range faults {
				if got.Code == c.code && got.Span.Line == c.line && strings.Contains(got.Message+" "+got.Hint, c.says) {
					return
				}
			}
			t.Errorf("want %s in line %d saying %q, got:\n%s", c.code, c.line, c.says, listed(faults))
		})
	}
}

func TestExpressionsOfAFlowAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		flow string
		line int
		says string
	}{
		"a misspelt field of the event is refused": {
			steps("  - {id: a, do: crm.deal.update, with: {id: '${order.idd}'}}\n"), 6, "id",
		},
		"a misspelt input is refused": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x, stge: y}}\n"), 6, "stage",
		},
		"a wrong type is refused": {
			steps("  - {id: a, do: crm.deal.update, with: {id: '${order.paid_total.minor}'}}\n"), 6, "",
		},
		"a misspelt output of a step is refused": {
			steps("  - {id: d, get: crm.deal.find, with: {order_no: x}}\n  - {id: a, do: crm.deal.update, with: {id: '${d.di}'}}\n"), 7, "id",
		},
		"an optional field is no required input": {
			steps("  - {id: a, do: whatsapp.template.send, with: {to: '${order.customer.phone}', template: x}}\n"), 6, "phone",
		},
		"the output of a step with when is optional": {
			steps("  - {id: d, get: crm.deal.find, when: order.id == 'a', with: {order_no: x}}\n  - {id: a, do: crm.deal.update, with: {id: '${d.id}'}}\n"), 7, "d",
		},
		"the output of a step that may carry on is optional": {
			steps("  - {id: d, get: crm.deal.find, if_it_fails: carry_on, with: {order_no: x}}\n  - {id: a, do: crm.deal.update, with: {id: '${d.id}'}}\n"), 7, "d",
		},
		"the output of a step inside a choice is optional outside": {
			steps("  - id: c\n    choose:\n      x: {when: order.id == 'a', steps: [{id: d, get: crm.deal.find, with: {order_no: x}}]}\n" +
				"      otherwise: {steps: []}\n  - {id: a, do: crm.deal.update, with: {id: '${d.id}'}}\n"), 10, "d",
		},
		"the output of a step inside a loop is not there outside": {
			steps("  - id: c\n    each: order.?items.orValue([])\n    as: item\n    by: item.name\n" +
				"    steps: [{id: d, get: crm.deal.find, with: {order_no: x}}]\n  - {id: a, do: crm.deal.update, with: {id: '${d.id}'}}\n"), 11, "d",
		},
		"a later step is not known to an earlier one": {
			steps("  - {id: a, do: crm.deal.update, with: {id: '${d.id}'}}\n  - {id: d, get: crm.deal.find, with: {order_no: x}}\n"), 6, "d",
		},
		"a table that misses a known status is refused": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x, stage: \"${table('partial', order.status)}\"}}\n"), 6, "overpaid",
		},
		"an unknown table is refused": {
			steps("  - {id: a, do: crm.deal.update, with: {id: x, stage: \"${table('deal-stag', order.status)}\"}}\n"), 6, "deal-stage",
		},
		"a when is true or false": {
			steps("  - {id: a, when: order.id, do: crm.deal.update, with: {id: x}}\n"), 6, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, faults := compile(t, c.flow)
			if f != nil {
				t.Errorf("the flow is taken though it has faults")
			}
			for _, got := range faults {
				if got.Span.Line == c.line && strings.Contains(got.Message+" "+got.Hint, c.says) {
					return
				}
			}
			t.Errorf("want a fault in line %d saying %q, got:\n%s", c.line, c.says, listed(faults))
		})
	}
}

func TestWhatAWhenProvesIsKnownWhereItHolds(t *testing.T) {
	for name, text := range map[string]string{
		"the flow's when for its lane": "flow: a\ntitle: A\non: payment.succeeded\nwhen: has(payment.order_id)\nlane: payment.order_id\n" +
			"steps:\n  - {id: a, do: crm.deal.update, with: {id: '${payment.order_id}'}}\n",
		"a step's when for its inputs": steps("  - {id: a, when: has(order.customer.phone), do: whatsapp.template.send, " +
			"with: {to: '${order.customer.phone}', template: x}}\n"),
		"a case's when for its steps": steps("  - id: c\n    choose:\n      x: {when: has(order.customer.phone), " +
			"steps: [{id: a, do: whatsapp.template.send, with: {to: '${order.customer.phone}', template: x}}]}\n      otherwise: {steps: []}\n"),
	} {
		t.Run(name, func(t *testing.T) { sound(t, text) })
	}
}

func TestAFlowOnOrderPaidStartsOnAllThatItIsToldAs(t *testing.T) {
	f := sound(t, "flow: a\ntitle: A\non: order.paid\nsteps:\n  - end: x\n")
	if got := strings.Join(f.On, " "); got != "order.part_paid order.paid_in_full order.overpaid" {
		t.Errorf("starts on %s", got)
	}
}

func TestConsiderSaysWhyNot(t *testing.T) {
	f := sound(t, paymentToCRM)
	paid := map[string]any{"minor": int64(0), "currency": "INR"}
	data := map[string]any{
		"id": "SO-1001", "status": "paid", "due": paid, "paid_total": paid, "refunded_total": paid,
		"balance": paid, "customer": map[string]any{},
	}
	e := &waybill.Event{Type: "order.paid_in_full", Noun: "order", Connection: "stripe"}
	c, lane, err := f.Consider(e, data)
	if err != nil || c.Matched || lane != "" {
		t.Fatalf("got %+v, %q, %v", c, lane, err)
	}
	if !strings.Contains(c.Clause, "order.paid_total.minor > 0") || !strings.Contains(c.Reason, "0") || len(c.Values) == 0 {
		t.Errorf("the reason does not tell clause and values: %+v", c)
	}
	data["paid_total"] = map[string]any{"minor": int64(129900), "currency": "INR"}
	if c, lane, err = f.Consider(e, data); err != nil || !c.Matched || lane != "payment-to-crm|SO-1001" {
		t.Errorf("got %+v, %q, %v", c, lane, err)
	}
	if c, _, _ = f.Consider(&waybill.Event{Type: "lead.created"}, data); c.Matched || c.Reason == "" {
		t.Errorf("another event is taken: %+v", c)
	}
}

func TestAFlowTakesEventsOnlyFromWhereItSays(t *testing.T) {
	f := sound(t, "flow: a\ntitle: A\non: lead.created\nfrom: crm\nlane: lead.id\nlane_name: customer\nsteps:\n  - end: x\n")
	data := map[string]any{"id": "l1", "status": "new"}
	c, _, _ := f.Consider(&waybill.Event{Type: "lead.created", Connection: "whatsapp"}, data)
	if c.Matched || !strings.Contains(c.Reason, "whatsapp") {
		t.Errorf("got %+v", c)
	}
	c, lane, err := f.Consider(&waybill.Event{Type: "lead.created", Connection: "crm"}, data)
	if err != nil || !c.Matched || lane != "customer|l1" {
		t.Errorf("got %+v, %q, %v", c, lane, err)
	}
}
