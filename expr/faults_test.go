package expr_test

import (
	"fmt"
	"strings"
	"testing"

	"waybill/expr"
	"waybill/source"
)

// told is what a test compares of a fault: code, place, length, message and hint.
func told(f source.Fault) string {
	return strings.TrimSpace(fmt.Sprintf("%s %d:%d:%d %s %s", f.Code, f.Span.Line, f.Span.Col, f.Span.Len, f.Message, f.Hint))
}

func TestFaultsNameThePlaceAndTheRemedy(t *testing.T) {
	env := environment(t)
	tests := []struct{ text, want string }{
		{`order.idd`, `E203 1:7:3 "order" has no field "idd".`},
		{`order.customer.emial`, `E203 1:16:5 "order.customer" has no field "emial". Fields here: email, name, phone. Did you mean "email"?`},
		{`has(order.customer.emial)`, `E203 1:20:5 "order.customer" has no field "emial". Fields here: email, name, phone. Did you mean "email"?`},
		{`order.?custmer.?email`, `E203 1:8:7 "order" has no field "custmer".`},
		{`order.items.map(i, i.skuu)`, `E203 1:22:4 There is no field "skuu". Did you mean "sku"?`},
		{`order.paid_total.amount`, `E203 1:18:6 "order.paid_total" has no field "amount". Fields here: currency, minor.`},
		{`oder.id`, `E202 1:1:4 There is no "oder" here. Names here: deal, order, payload, total. Did you mean "order"?`},
		{`phonee(order.id)`, `E208 1:1:6 There is no function "phonee". Did you mean "phone"?`},
		{`order.id.lower()`, `E208 1:10:5 There is no function "lower". Write x.lowerAscii().`},
		{`now()`, `E208 1:1:3 There is no function "now". Expressions have no clock; use the event's own times.`},
		{`order.customer.phone`, `E205 1:16:5 "phone" of "order.customer" may be absent: its schema does not require it. ` +
			`Read it as order.customer.?phone, or where has(order.customer.phone) is true.`},
		{`order.company.name`, `E205 1:7:7 "company" of "order" may be absent: its schema does not require it. ` +
			`Read it as order.?company, or where has(order.company) is true.`},
		{`has(order.customer.email) || order.customer.email != ""`, `E205 1:45:5 "email"`},
		{`order.customer.email != "" && has(order.customer.email)`, `E205 1:16:5 "email"`},
		{`deal.id`, `E205 1:6:2 "deal" may be absent: its step may not have run. Read it as deal.?id, or where has(deal.id) is true.`},
		{`[deal]`, `E205 1:2:4 "deal" may be absent: its step may not have run. Read its fields with deal.?field`},
		{`order.items.map(i, i.colour)`, `E205 1:22:6 "colour" of "order.items.item" may be absent`},
		{`order.count / 100.0`, `E204 1:13:1 / does not take a whole number and a decimal number. ` +
			`Write double(x) around the whole number, or use money for amounts.`},
		{`order.id + order.count`, `E204 1:10:1 + does not take text and a whole number. Text joins only with text: write string(x).`},
		{`order.paid_total + 5`, `E204 1:18:1 + does not take money and a whole number. ` +
			`Money goes with money of the same currency; compare .minor with a whole number.`},
		{`order.test ? 1 : "x"`, `E204 1:12:1 Both answers of ? : must be of one kind, but they are a whole number and text.`},
		{`order.count ? 1 : 2`, `E204 1:13:1 What stands before ? must be true or false, but it is a whole number.`},
		{`order.count && order.test`, `E204 1:6:1 True or false is needed here, but this is a whole number. Compare it`},
		{`order.id.name`, `E204 1:9:1 This has no fields: it is text.`},
		{`order.items.sku`, `E204 1:12:1 This has no fields: it is a list. Take one item, x[0], or all of them: x.map(i, i.name).`},
		{`phone(order.count)`, `E204 1:1:5 phone does not take (a whole number). It is written phone(x) or phone(x, "IN").`},
		{`phone(order.customer.?phone)`, `E204 1:1:5 phone does not take (text that may be absent). ` +
			`Give a default with .orValue(...), or convert what is there with .optMap(v, f(v)).`},
		{`order.paid_at > "2026-01-01"`, `E204 1:15:1 > does not take a time and text. Write timestamp("2026-01-31T00:00:00Z").`},
		{`order.count = 3`, `E201 1:13:1 "=" is not how CEL writes it. Write == to compare; an expression cannot set anything.`},
		{`order.count === 3`, `E201 1:13:3 "===" is not how CEL writes it. Write == to compare.`},
		{`order.items.map(i => i.sku)`, `E201 1:19:2 "=>" is not how CEL writes it. Write list.map(i, i.name)`},
		{`order.count <> 3`, `E201 1:13:2 "<>" is not how CEL writes it. Write != for: is not equal.`},
		{`order.test and order.test`, `E201 1:12:3 "and" is not how CEL writes it. Write && for: and.`},
		{`not order.test`, `E201 1:1:3 "not" is not how CEL writes it. Write ! for: not.`},
		{`order.test & order.test`, `E201 1:12:1 "&" is not how CEL writes it. Write && for: and.`},
		{`order.id | upper`, `E201 1:10:1 "|" is not how CEL writes it. Write || for: or. Functions are called: upper(x) or x.upper().`},
		{`order?.id`, `E201 1:6:2 "?." is not how CEL writes it. Write .? in that order: a.?b.`},
		{`order.id ?? "x"`, `E201 1:10:2 "??" is not how CEL writes it. Write a.?b.orValue("x") for a default.`},
		{`${order.id}`, `E201 1:1:2 "${" is not how CEL writes it. Write the expression without ${ }: this field is one already.`},
		{`order.id == 'SO`, `E201 1:13:1 The text that begins here is not closed: its second quote is missing.`},
		{`order.id == “SO”`, `E201 1:13:1 "“" is not how CEL writes it. Write straight quotes`},
		{`(order.id`, `E201 1:1:1 This ( is never closed.`},
		{`order.id)`, `E201 1:9:1 This ) closes nothing.`},
		{`order.count >`, `E201 1:13:1 The expression ends too early: something is missing here.`},
		{`order.id "x"`, `E201 1:10:3 This does not belong here: an operator such as && or + is missing before it, or it is one too many.`},
		{`order.id # x`, `E201 1:10:1 "#" cannot stand in an expression.`},
		{`order.id matches "x"`, `E201 1:10:7 "matches" is not how CEL writes it. Write it as a method: name.contains("x").`},
		{`if order.test`, `E201 1:1:2 "if" is not how CEL writes it. Write condition ? one : other.`},
		{`for`, `E201 1:1:3 "for" is a reserved word and cannot be a name.`},
		{``, `E201 1:1:1 An expression must stand here.`},
		{`has(order)`, `E201 1:5:5 has() takes a field: has(order.customer.phone). Use present(x) for a whole value.`},
		{`order.id.matches("(")`, `E218 1:18:3 Invalid matches argument.`},
		{`timestamp("yesterday") > order.paid_at`, `E218 1:11:11 Invalid timestamp argument.`},
		{`order.status == "piad"`, `E217 1:17:6 "order.status" is never "piad". It is one of: paid, part_paid, refunded. Did you mean "paid"?`},
		{`order.status in ["paid", "void"]`, `E217 1:26:6 "order.status" is never "void".`},
		{`table("deal-stge", order.status)`, `E212 1:7:11 There is no table "deal-stge". ` +
			`Tables here: deal-stage, open, short. Did you mean "deal-stage"?`},
		{`table(order.id, order.status)`, `E212 1:12:1 The table's name must be plain text, so that it can be checked.`},
		{`table("short", order.status)`, `E211 1:21:1 The table "short" has no row for: part_paid, refunded. Add the rows, or an otherwise.`},
		{`table("short", "void")`, `E211 1:16:6 The table "short" has no row for: void.`},
		{`pairing("deal", "strpe", order.id, "crm")`, `E213 1:17:7 There is no connection "strpe". Did you mean "stripe"?`},
		{"order.test &&\n  order.idd == \"\"", `E203 2:9:3 "order" has no field "idd".`},
		{`"ä" + order.idd`, `E203 1:13:3 "order" has no field "idd".`},
		{`[1].map(a, [1].map(b, [1].map(c, [1].map(d, d))))`, `E214`},
		{`"` + strings.Repeat("x", 9000) + `"`, `E214 1:1:`},
	}
	for _, tt := range tests {
		name := tt.text
		if len(name) > 60 {
			name = name[:60]
		}
		t.Run(name, func(t *testing.T) {
			_, faults := env.Program(bare(tt.text), expr.Target{})
			if len(faults) == 0 {
				t.Fatal("no fault")
			}
			if got := told(faults[0]); !strings.HasPrefix(got, tt.want) {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if faults[0].Title == "" || expr.Codes[faults[0].Code].Text == "" {
				t.Errorf("no title or explanation: %+v", faults[0])
			}
		})
	}
}

func TestEveryFaultOfAnExpressionIsToldAtOnce(t *testing.T) {
	_, faults := environment(t).Program(bare(`order.idd + oder.id + order.cunt`), expr.Target{})
	if len(faults) != 3 {
		t.Errorf("got %v", faults)
	}
}

func TestAResultMustFitItsTarget(t *testing.T) {
	env := environment(t)
	str := &expr.Schema{Type: "string"}
	to := func(s *expr.Schema) expr.Target { return expr.Target{Schema: s} }
	tests := []struct {
		name, text string
		to         expr.Target
		want       string // "" for none
	}{
		{"text for text", `order.id`, to(str), ""},
		{
			"a number for text", `order.count`, to(str),
			`E206 1:1:11 This place takes text, but the expression gives a whole number. Write string(x).`,
		},
		{
			"money for text", `order.paid_total`, to(str),
			`E206 1:1:16 This place takes text, but the expression gives money. Write x.format() for people, x.decimal() for systems.`,
		},
		{
			"a time for text", `order.paid_at`, to(str),
			`E206 1:1:13 This place takes text, but the expression gives a time. Write date(x)`,
		},
		{"a time for a time", `order.paid_at`, to(&expr.Schema{Type: "string", Format: "date-time"}), ""},
		{"a whole number for a number", `order.count`, to(&expr.Schema{Type: "number"}), ""},
		{"a decimal for a whole number", `order.rate`, to(&expr.Schema{Type: "integer"}), `E206`},
		{"text for true or false", `order.id`, to(&expr.Schema{Type: "boolean"}), `E206`},
		{"a condition that may be absent", `order.?company.optMap(c, c.name == "x")`, to(&expr.Schema{Type: "boolean"}), `E205 1:1:`},
		{"an enum that fits", `order.status`, to(&expr.Schema{Enum: []string{"paid", "part_paid", "refunded", "x"}}), ""},
		{
			"an enum that does not", `order.status`, to(&expr.Schema{Enum: []string{"paid"}}),
			`E206 1:1:12 The value may be part_paid, refunded, which the value does not take. Translate it with a table: table('name', x).`,
		},
		{
			"an unknown type", `payload.amount`, to(&expr.Schema{Type: "integer"}),
			`E207 1:1:14 The type of this value is not known, and the value takes a whole number. Convert it: int(x).`,
		},
		{"an unknown type for a lenient target", `payload.amount`, expr.Target{Schema: &expr.Schema{Type: "integer"}, Lenient: true}, ""},
		{"an unknown type made known", `int(payload.amount)`, to(&expr.Schema{Type: "integer"}), ""},
		{"an optional for an entry", `order.customer.?phone`, to(str), ""},
		{
			"an optional where a value is required", `order.customer.?phone`,
			expr.Target{Schema: str, Required: true},
			`E205 1:1:21 This may be absent, but a value is needed here.`,
		},
		{
			"an object for a smaller one", `order.customer`, to(&expr.Schema{Properties: map[string]*expr.Schema{"name": str}}),
			`E206 1:1:14 "email" of the object "order.customer" is no entry of the value. Write the entries one by one.`,
		},
		{"an object for an open one", `order.customer`, to(&expr.Schema{Type: "object", Open: true}), ""},
		{"a list of objects for a list of text", `order.items`, to(&expr.Schema{Type: "array", Items: str}), `E206`},
		{"a path that the flow has proven", `order.customer.phone`, expr.Target{Known: []string{"order.customer.phone"}}, ""},
		{"above a path that the flow has proven", `order.company.name`, expr.Target{Known: []string{"order.company.city"}}, ""},
		{"an output that the flow has proven", `deal.id`, expr.Target{Known: []string{"deal"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, faults := env.Program(bare(tt.text), tt.to)
			if tt.want == "" {
				if len(faults) > 0 {
					t.Error(faults)
				}
				return
			}
			if len(faults) != 1 || !strings.HasPrefix(told(faults[0]), tt.want) {
				t.Errorf("\n got %v\nwant %s", faults, tt.want)
			}
		})
	}
}
