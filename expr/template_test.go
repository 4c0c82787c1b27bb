package expr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/expr"
	"waybill/source"
)

func parsed(tb testing.TB, text string) *source.Node {
	tb.Helper()
	n, faults := source.Parse("f.yaml", []byte(text))
	if faults.Bad() {
		tb.Fatal(faults)
	}
	return n
}

func TestTemplatesGiveTheirValues(t *testing.T) {
	env := environment(t)
	str := &expr.Schema{Type: "string"}
	tests := []struct {
		name, text string
		to         expr.Target
		want       any
	}{
		{"plain text is literal", `v: hello {x}`, expr.Target{}, "hello {x}"},
		{"one expression keeps its type", `v: ${order.count}`, expr.Target{Schema: &expr.Schema{Type: "integer"}}, int64(2)},
		{"a list stays a list", `v: ${order.items.map(i, i.sku)}`, expr.Target{}, []any{"A", "B"}},
		{"an absent value is absent", `v: ${order.customer.?phone}`, expr.Target{Schema: str}, expr.Absent},
		{
			"text joins with values", `v: Order ${order.id} x${order.count} at ${order.paid_at}`,
			expr.Target{Schema: str},
			"Order SO-1001 x2 at 2026-01-31T20:00:00Z",
		},
		{"a dollar brace can be written", `v: costs $${x} ${order.id}`, expr.Target{}, "costs ${x} SO-1001"},
		{"only a dollar brace", `v: $${order.id}`, expr.Target{}, "${order.id}"},
		{"braces inside texts do not count", `v: '${order.id + "}" + "{"} done'`, expr.Target{}, "SO-1001}{ done"},
		{"objects inside expressions", `v: '${ {"a": {"b": 1}}.a.b }'`, expr.Target{}, int64(1)},
		{"expressions side by side", `v: ${order.id}${order.id}`, expr.Target{}, "SO-1001SO-1001"},
		{"values are not evaluated twice", `v: "x ${payload.entity.note + '${order.id}'}"`, expr.Target{Lenient: true}, "x n${order.id}"},
		{"a path segment is encoded", `v: /orders/${"a/b ?c"}/x`, expr.Target{Encode: expr.PathSegment}, "/orders/a%2Fb%20%3Fc/x"},
		{"a path cannot climb", `v: /orders/${".."}/x`, expr.Target{Encode: expr.PathSegment}, "/orders/%2E%2E/x"},
		{"a whole path segment is encoded, too", `v: ${"a/b"}`, expr.Target{Encode: expr.PathSegment}, "a%2Fb"},
		{"a query value is encoded", `v: q=${"a&b=c"}`, expr.Target{Encode: expr.QueryValue}, "q=a%26b%3Dc"},
		{"a JSON string is encoded", `v: 'say ${"\"hi\"\n"}'`, expr.Target{Encode: expr.JSONString}, `say \"hi\"\n`},
		{"a number is a number", `v: 12`, expr.Target{Schema: &expr.Schema{Type: "integer"}}, int64(12)},
		{"a number for text is kept as written", `v: 007`, expr.Target{Schema: str}, "007"},
		{"a number without a schema is a number", `v: 12`, expr.Target{}, int64(12)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmpl, faults := env.Template(parsed(t, tt.text).Get("v"), tt.to)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			got, err := tmpl.Eval(values(), book{})
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", tt.want) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
}

func TestFaultsOfTemplatesAreInTheFile(t *testing.T) {
	env := environment(t)
	str := expr.Target{Schema: &expr.Schema{Type: "string"}}
	number := expr.Target{Schema: &expr.Schema{Type: "integer"}}
	tests := []struct {
		name, text string
		to         expr.Target
		want       string
	}{
		{"in the middle of text", "v: Hello ${order.customer.nmae}!", str, `E203 1:27:4 "order.customer" has no field "nmae".`}, //nolint:misspell // meant
		{"in double quotes with an escape", `v: "\u00e4 ${order.idd}"`, str, `E203 1:20:3`},
		{"in single quotes with a quote", `v: 'it''s ${order.idd}'`, str, `E203 1:19:3`},
		{"in a block", "v: |-\n  first\n  ${order.idd}", str, `E203 3:11:3`},
		{"in a folded block", "v: >-\n  first\n  second ${order.idd}\n", str, `E203 3:18:3`},
		{"an expression over lines", "v: |-\n  ${order.test &&\n    order.idd}", expr.Target{}, `E203 3:11:3`},
		{"not closed", "v: Hello ${order.id", str, `E209 1:10:2 This ${ has no } that closes it.`},
		{
			"an optional in text", "v: Hello ${order.customer.?phone}", str,
			`E205 1:12:21 This may be absent, and text cannot leave it out. Give a default: .orValue("").`,
		},
		{"money in text", "v: paid ${order.paid_total}", str, `E206 1:11:16 Money has no single form in text.`},
		{"a list in text", "v: paid ${order.items}", str, `E206 1:11:11 A list has no single form in text.`},
		{
			"an unknown type in text", "v: paid ${payload.amount}", str,
			`E207 1:11:14 The type of this value is not known, and it goes into text. Convert it: string(x).`,
		},
		{"text for a number", "v: no ${order.count}", number, `E206 1:4:17 The value takes a whole number, but this is text with expressions in it.`},
		{"a literal of the wrong kind", "v: many", number, `E210 1:4:4 This takes a whole number, but this is "many".`},
		{"a quoted number", "v: '5'", number, `E210 1:4:3 This takes a whole number, but this is "5". Remove the quotes.`},
		{
			"a literal that is not in the list", "v: piad",
			expr.Target{Schema: &expr.Schema{Enum: []string{"paid", "void"}}},
			`E210 1:4:4 This takes one of paid, void, but this is "piad". Did you mean "paid"?`,
		},
		{"a list", "v: [1]", str, `E210 1:4:1 A single value is needed here, but this is a list.`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, faults := env.Template(parsed(t, tt.text).Get("v"), tt.to)
			if len(faults) == 0 || !strings.HasPrefix(told(faults[0]), tt.want) {
				t.Errorf("\n got %v\nwant %s", faults, tt.want)
			}
		})
	}
}

func TestABareExpressionCutByACommentIsNamed(t *testing.T) {
	text, _ := parsed(t, "when: order.id == \"a #b\"\n").Get("when").Scalar()
	_, faults := environment(t).Program(text, expr.Target{})
	want := "E112 1:22:3 The value is cut at ` #`: YAML reads only order.id == \"a. Put the whole value in single quotes."
	if len(faults) != 1 || told(faults[0]) != want {
		t.Errorf("got %v", faults)
	}
}

func target() *expr.Schema {
	str := &expr.Schema{Type: "string"}
	return &expr.Schema{
		Type: "object", Required: []string{"to", "template"},
		Properties: map[string]*expr.Schema{
			"to": str, "template": str, "language": {Enum: []string{"en", "hi"}},
			"amount": {Format: "money"}, "params": {Type: "object", Values: str},
			"tags":  {Type: "array", Items: str},
			"owner": {Type: "object", Properties: map[string]*expr.Schema{"phone": str, "city": str}},
		},
	}
}

func TestAnObjectIsBuiltWithoutItsAbsentEntries(t *testing.T) {
	n := parsed(t, `
to: ${order.customer.?email.orValue("nobody")}
template: paid_${order.count}
language: en
amount: {minor: "${order.count}", currency: INR}
params: {name: "${order.customer.name}", city: "${order.?company.?city}"}
tags: [a, "${order.customer.?phone}", "${order.id}"]
owner: {phone: "${order.customer.?phone}"}
`)
	o, faults := environment(t).Object(n, expr.Target{Schema: target()})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := o.Eval(values(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"to": "asha@example.com", "template": "paid_2", "language": "en",
		"amount": map[string]any{"minor": int64(2), "currency": "INR"},
		"params": map[string]any{"name": "Asha Rao"}, "tags": []any{"a", "SO-1001"},
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
	lines := o.Lines(values(), nil)
	if len(lines) != 11 || lines[0].Path != "to" || lines[0].Value != "asha@example.com" || lines[0].Span.Line != 2 ||
		lines[6].Path != "params.city" || !lines[6].Absent || lines[9].Path != "tags[2]" {
		t.Errorf("lines: %+v", lines)
	}
	if o.NeedsBook() || !o.Has("owner") || o.Has("x") || !strings.Contains(strings.Join(o.Uses(), " "), "order.company.city") {
		t.Errorf("uses: %v", o.Uses())
	}
}

func TestEveryFaultOfAnObjectIsToldAtOnce(t *testing.T) {
	_, faults := environment(t).Object(parsed(t, `
to: ${order.customer.?phone}
templat: x
language: fr
amount: ${order.count}
params: [1]
tags: x
owner: {fone: "1", city:}
`), expr.Target{Schema: target()})
	want := []string{
		`E216 2:1:2 "template" must be given.`,
		`E205 2:7:21 "to" must be given, but this may be absent.`,
		`E215 3:1:7 "templat" is not taken here. Entries here: amount, language, owner, params, tags, template, to. Did you mean "template"?`,
		`E210 4:11:2 This takes one of en, hi, but this is "fr".`,
		`E206 5:11:11 "amount" takes money, but the expression gives a whole number.`,
		`E206 6:9:1 "params" takes an object, but this is a list.`,
		`E210 7:7:1 This takes a list, but this is "x".`,
		`E215 8:9:4 "fone" is not taken by "owner". Entries here: city, phone. Did you mean "phone"?`,
		`E210 8:25:1 A value is missing here.`,
	}
	sorted := faults.Sorted()
	if len(sorted) != len(want) {
		t.Fatalf("%d faults: %v", len(sorted), sorted)
	}
	for i, w := range want {
		if !strings.HasPrefix(told(sorted[i]), w) {
			t.Errorf("\n got %s\nwant %s", told(sorted[i]), w)
		}
	}
}

func TestAWholeObjectMayComeFromOneExpression(t *testing.T) {
	o, faults := environment(t).Object(parsed(t, `v: ${payload.entity}`).Get("v"), expr.Target{
		Lenient: true, Schema: &expr.Schema{Properties: map[string]*expr.Schema{"id": {Type: "string"}}},
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := o.Eval(values(), nil)
	if diff := cmp.Diff(any(map[string]any{"id": "x1"}), got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
