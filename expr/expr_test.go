package expr_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/expr"
	"waybill/source"
)

// orderSchema is what the tests speak about.
func orderSchema() *expr.Schema {
	text := &expr.Schema{Type: "string"}
	return &expr.Schema{
		Type:     "object",
		Required: []string{"id", "status", "paid_total", "customer", "items", "paid_at", "test", "count", "rate"},
		Properties: map[string]*expr.Schema{
			"id":         text,
			"status":     {Type: "string", Enum: []string{"paid", "part_paid", "refunded"}},
			"paid_total": {Type: "object", Format: "money"},
			"discount":   {Type: "object", Format: "money"},
			"paid_at":    {Type: "string", Format: "date-time"},
			"test":       {Type: "boolean"},
			"count":      {Type: "integer"},
			"rate":       {Type: "number"},
			"notes":      {Type: "object", Values: text},
			"raw":        {Type: "object", Open: true},
			"customer": {Type: "object", Required: []string{"name"}, Properties: map[string]*expr.Schema{
				"name": text, "email": {Type: "string", Format: "email"}, "phone": {Type: "string", Format: "phone"},
			}},
			"company": {Type: "object", Required: []string{"name"}, Properties: map[string]*expr.Schema{
				"name": text, "city": text,
			}},
			"items": {Type: "array", Items: &expr.Schema{
				Type: "object", Required: []string{"sku", "price"},
				Properties: map[string]*expr.Schema{"sku": text, "price": {Format: "money"}, "colour": text},
			}},
		},
	}
}

func order() map[string]any {
	return map[string]any{
		"id": "SO-1001", "status": "paid", "paid_total": map[string]any{"minor": int64(129900), "currency": "INR"},
		"paid_at": "2026-01-31T20:00:00Z", "test": false, "count": int64(2), "rate": int64(2),
		"customer": map[string]any{"name": "Asha Rao", "email": "asha@example.com", "phone": nil},
		"items": []any{
			map[string]any{"sku": "A", "price": map[string]any{"minor": int64(100000), "currency": "INR"}},
			map[string]any{"sku": "B", "price": map[string]any{"minor": int64(29900), "currency": "INR"}, "colour": "red"},
		},
	}
}

func environment(tb testing.TB) *expr.Env {
	tb.Helper()
	env, err := expr.NewEnv(expr.Config{
		Zone: "Asia/Kolkata", Region: "IN", Currency: "INR", Connections: []string{"crm", "stripe"},
		Tables: []expr.Table{
			{Name: "deal-stage", Keys: []string{"paid", "part_paid", "refunded"}},
			{Name: "short", Keys: []string{"paid"}},
			{Name: "open", Otherwise: true},
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return env.With(
		expr.Var{Name: "order", Schema: orderSchema()},
		expr.Var{Name: "payload"},
		expr.Var{Name: "deal", Optional: true, Schema: &expr.Schema{
			Type: "object", Required: []string{"id"}, Properties: map[string]*expr.Schema{"id": {Type: "string"}},
		}},
		expr.Var{Name: "total", Optional: true, Schema: &expr.Schema{Format: "money"}},
	)
}

func values() map[string]any {
	return map[string]any{
		"order": order(),
		"payload": map[string]any{
			"amount": int64(5), "email": nil, "customer": nil, "ratio": 1.5, "tags": []any{"a", "b"},
			"entity": map[string]any{"id": "x1", "note": "n"}, "big": int64(9007199254740993),
		},
	}
}

type book struct{}

func (book) Table(name, key string) (string, bool, error) {
	if key == "refunded" {
		return "", false, nil
	}
	return name + "/" + key, true, nil
}

func (book) Pairing(typ, from, id, to string) (string, bool, error) {
	return strings.Join([]string{typ, from, id, to}, ":"), id != "none", nil
}

func bare(value string) source.Text {
	return source.NewText(value, source.Span{Pos: source.Pos{File: "f.yaml", Line: 1, Col: 1}, Len: max(1, len([]rune(value)))})
}

func TestExpressionsGiveTheirValues(t *testing.T) {
	env := environment(t)
	tests := []struct {
		text string
		want any
	}{
		{`order.id`, "SO-1001"},
		{`order.paid_total`, map[string]any{"minor": int64(129900), "currency": "INR"}},
		{`order.paid_total.minor > 0 && !order.test`, true},
		{`order.paid_total > money(100, "INR")`, true},
		{`order.paid_total.decimal()`, "1299.00"},
		{`order.paid_total.format()`, "₹1,299.00"},
		{`sum(order.items.map(i, i.price)) == order.paid_total`, true},
		{`order.items.exists(i, i.sku == "B")`, true},
		{`order.items[1].?colour`, "red"},
		{`order.items[0].?colour`, expr.Absent},
		{`order.items.filter(i, has(i.colour) && i.colour == "red").map(i, i.sku)`, []any{"B"}},
		{`by(order.items, "sku")["B"].price.minor`, int64(29900)},
		{`order.customer.?phone`, expr.Absent},
		{`has(order.customer.phone)`, false},
		{`has(order.customer.email)`, true},
		{`has(order.company.city)`, false},
		{`order.?company.?city`, expr.Absent},
		{`order.?company.?city.orValue("nowhere")`, "nowhere"},
		{`has(order.company.city) ? order.company.city : "nowhere"`, "nowhere"},
		{`has(order.customer.email) ? order.customer.email : ""`, "asha@example.com"},
		{`!has(order.company) || order.company.name == "x"`, true},
		{`present(order.customer.phone).orValue("none")`, "none"},
		{`present(order.customer.email).hasValue() && order.customer.email.endsWith("example.com")`, true},
		{`order.?company.optMap(c, c.name).orValue("nobody")`, "nobody"},
		{`deal.?id`, expr.Absent},
		{`has(deal.id)`, false},
		{`has(deal.id) ? deal.id : "new"`, "new"},
		{`total`, expr.Absent},
		{`total.orValue(money(0, "INR")).decimal()`, "0.00"},
		{`order.paid_at`, time.Date(2026, 1, 31, 20, 0, 0, 0, time.UTC)},
		{`date(order.paid_at)`, "2026-02-01"},
		{`order.paid_at + duration("1h") > timestamp("2026-01-31T20:30:00Z")`, true},
		{`order.rate * 1.5`, 3.0},
		{`order.count + 1`, int64(3)},
		{`order.?notes.?gift`, expr.Absent},
		{`order.?raw.?x`, expr.Absent},
		{`payload.amount`, int64(5)},
		{`payload.big`, int64(9007199254740993)},
		{`payload.email == null`, true},
		{`payload.?email`, nil},
		{`payload.?missing.?deeper`, expr.Absent},
		{`has(payload.customer.email)`, false},
		{`present(payload.customer.email)`, expr.Absent},
		{`present(payload.email)`, expr.Absent},
		{`present(payload.entity.note)`, "n"},
		{`payload.tags.join("-")`, "a-b"},
		{`{"id": payload.entity.id, ?"email": payload.?missing}`, map[string]any{"id": "x1"}},
		{`coalesce(payload.?missing, payload.?amount)`, int64(5)},
		{`table("deal-stage", order.status)`, "deal-stage/paid"},
		{`pairing("deal", "stripe", order.id, "crm")`, "deal:stripe:SO-1001:crm"},
		{`pairing("deal", "stripe", "none", "crm").orValue("unknown")`, "unknown"},
		{`order.status in ["paid", "refunded"]`, true},
		{`"Order " + order.id`, "Order SO-1001"},
		{`order.customer.name.lowerAscii()`, "asha rao"},
		{`first_name(order.customer.name) + " " + string(order.count)`, "Asha 2"},
		{`order.paid_total.allocate([1, 2])[0].minor`, int64(43300)},
		{"payload.`entity`.id", "x1"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			p, faults := env.Program(bare(tt.text), expr.Target{})
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			got, err := p.Eval(values(), book{})
			if err != nil {
				t.Fatal(err)
			}
			if got == expr.Absent || tt.want == expr.Absent {
				if got != tt.want {
					t.Errorf("got %#v, want %#v", got, tt.want)
				}
			} else if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAProgramTellsWhatItReads(t *testing.T) {
	env := environment(t)
	p, faults := env.Program(bare(`order.customer.?email.orValue(order.id) + table("open", order.status) + order.items.map(i, i.sku)[0]`), expr.Target{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	want := []string{"order.customer.email", "order.id", "order.items", "order.status"}
	if diff := cmp.Diff(want, p.Uses()); diff != "" {
		t.Error(diff)
	}
	if !p.NeedsBook() || p.Schema().Type != "string" || p.Span().Line != 1 || p.MayBeAbsent() {
		t.Errorf("got %v %+v", p.NeedsBook(), p.Schema())
	}
}

func TestAConditionProvesWhatItAsks(t *testing.T) {
	env := environment(t)
	for text, want := range map[string][]string{
		`has(order.customer.phone) && order.count > 1`:                 {"order.customer.phone"},
		`has(order.company.city) || has(order.company.name)`:           {},
		`has(order.company.city) || has(order.company)`:                {"order.company"},
		`!(!has(order.company) || order.test)`:                         {"order.company"},
		`order.test`:                                                   {},
		`present(order.customer.email).hasValue() && has(deal.id)`:     {"deal.id", "order.customer.email"},
		`order.customer.?email.hasValue()`:                             {"order.customer.email"},
		`order.items.all(i, has(i.colour))`:                            {},
		`order.test ? has(order.company) : has(order.customer.phone)`:  {},
		`has(order.customer.phone) && order.customer.phone.size() > 0`: {"order.customer.phone"},
	} {
		p, faults := env.Program(bare(text), expr.Target{Schema: &expr.Schema{Type: "boolean"}})
		if len(faults) > 0 {
			t.Errorf("%s: %v", text, faults)
			continue
		}
		if diff := cmp.Diff(want, append([]string{}, p.Proves()...)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestAFalseConditionIsExplained(t *testing.T) {
	env := environment(t)
	for text, want := range map[string][2]string{
		`order.test == false && order.paid_total.minor > 500000 && order.count > 0`: {
			`order.paid_total.minor > 500000`, `map[order.paid_total.minor:129900]`,
		},
		`has(order.customer.phone)`:  {`has(order.customer.phone)`, `map[order.customer.phone:not there]`},
		`order.status == "refunded"`: {`order.status == "refunded"`, `map[order.status:paid]`},
	} {
		p, faults := env.Program(bare(text), expr.Target{Schema: &expr.Schema{Type: "boolean"}})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if ok, err := p.Bool(values(), nil); ok || err != nil {
			t.Errorf("%s: %v %v", text, ok, err)
		}
		clause, names := p.Explain(values(), nil)
		if clause != want[0] || fmt.Sprint(names) != want[1] {
			t.Errorf("got %s %v, want %v", clause, names, want)
		}
	}
}

func TestErrorsOfEvaluationSayWhere(t *testing.T) {
	env := environment(t)
	for text, want := range map[string]string{
		`payload.missing.x`:                            `f.yaml:1:9: "missing" is not there, in: payload.missing.x`,
		`payload.amount + "x"`:                         `a value is of a kind that this function or operator does not take`,
		`order.items[7].sku`:                           `the list has no such item`,
		`table("open", "refunded")`:                    `the table "open" has no value for "refunded"`,
		`order.customer.?phone.value()`:                `the value is absent`,
		`int(payload.entity.id)`:                       `f.yaml:1:4: `,
		`order.paid_at > timestamp(payload.entity.id)`: `f.yaml:1:`,
	} {
		p, faults := env.Program(bare(text), expr.Target{})
		if len(faults) > 0 {
			t.Errorf("%s: %v", text, faults)
			continue
		}
		if _, err := p.Eval(values(), book{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestLenientValuesAreCheckedWhenTheyAreThere(t *testing.T) {
	env := environment(t)
	str := &expr.Schema{Type: "string"}
	tests := []struct {
		text   string
		schema *expr.Schema
		want   any
		bad    string
	}{
		{`payload.amount`, &expr.Schema{Type: "integer"}, int64(5), ""},
		{`payload.ratio`, &expr.Schema{Type: "integer"}, nil, "takes a whole number, but this is the number 1.5"},
		{`payload.email`, str, expr.Absent, ""},
		{`payload.amount`, str, nil, "takes text, but this is the number 5"},
		{`payload.tags`, &expr.Schema{Type: "array", Items: str}, []any{"a", "b"}, ""},
		{`payload.tags`, &expr.Schema{Type: "array", Items: &expr.Schema{Type: "integer"}}, nil, `"[0]" takes a whole number`},
		{
			`payload.entity`, &expr.Schema{Type: "object", Required: []string{"id"}, Properties: map[string]*expr.Schema{"id": str}},
			map[string]any{"id": "x1"},
			"",
		},
		{
			`payload.entity`, &expr.Schema{Type: "object", Required: []string{"no"}, Properties: map[string]*expr.Schema{"no": str}},
			nil, `"no" must be given, but is absent`,
		},
		{`payload.entity.id`, &expr.Schema{Enum: []string{"a", "b"}}, nil, `takes one of a, b, but this is "x1"`},
	}
	for _, tt := range tests {
		p, faults := env.Program(bare(tt.text), expr.Target{Schema: tt.schema, Lenient: true})
		if len(faults) > 0 {
			t.Errorf("%s: %v", tt.text, faults)
			continue
		}
		got, err := p.Eval(values(), nil)
		if tt.bad != "" {
			if err == nil || !strings.Contains(err.Error(), tt.bad) {
				t.Errorf("%s: got %v, %v, want %s", tt.text, got, err, tt.bad)
			}
			continue
		}
		if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", tt.want) {
			t.Errorf("%s: got %#v, %v", tt.text, got, err)
		}
	}
}

func TestBombsAreStopped(t *testing.T) {
	env := environment(t)
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 200), ",") + "]"
	long := `"` + strings.Repeat("x", 1000) + `"`
	doubled := `cel.bind(a, ` + long + `, a.size())`
	for range 30 {
		doubled = strings.Replace(doubled, "a.size()", "cel.bind(a, a + a, a.size())", 1)
	}
	for name, text := range map[string]string{
		"three loops over 200 items": fmt.Sprintf("%s.map(a, %s.map(b, %s.map(c, a + b + c))).size()", list, list, list),
		"replaced again and again":   long + strings.Repeat(`.replace("x", "xxxxxxxxxxxxxxxxxxxx")`, 8) + ".size()",
		"a list of its own making":   `lists.range(100000).map(x, "xxxxxxxxxxxxxxxxxxxx").join("").size()`,
		"a text doubled 30 times":    doubled,
	} {
		t.Run(name, func(t *testing.T) {
			p, faults := env.Program(bare(text), expr.Target{})
			if len(faults) > 0 {
				return // refused already
			}
			if _, err := p.Eval(values(), nil); err == nil || !strings.Contains(err.Error(), "was stopped") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLargeExpressionsAreCompiledOrRefused(t *testing.T) {
	env := environment(t)
	for _, unit := range []string{
		`has(order.customer.phone)&&`, `(`, `!`, `[`, `{"a":`, `order.idd+`, `"`, `-`, `a.`, `=`, `and `, `cel.bind(a,1,`, `$`, `'\\`, "ä",
	} {
		text := strings.Repeat(unit, 1000/len(unit))
		if p, faults := env.Program(bare(text), expr.Target{}); p == nil && !faults.Bad() {
			t.Errorf("%s…: neither a program nor a fault", unit)
		}
	}
	text := strings.Repeat(`has(order.customer.phone)&&`, 150) + "true"
	if _, faults := env.Program(bare(text), expr.Target{}); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestProgramsAreEvaluatedByManyAtOnce(t *testing.T) {
	env := environment(t)
	p, faults := env.Program(bare(`order.items.filter(i, has(i.colour)).map(i, i.sku + table("open", order.status))[0]`), expr.Target{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	vars := values()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if v, err := p.Eval(vars, book{}); v != "Bopen/paid" || err != nil {
					t.Errorf("got %v, %v", v, err)
				}
				p.Explain(vars, book{})
			}
		})
	}
	wg.Wait()
}

func BenchmarkEvalPath(b *testing.B) { benchmark(b, `order.id`) }
func BenchmarkEvalCondition(b *testing.B) {
	benchmark(b, `order.paid_total.minor > 0 && has(order.customer.email)`)
}
func BenchmarkEvalMoney(b *testing.B) { benchmark(b, `order.paid_total.format()`) }
func BenchmarkEvalLoop(b *testing.B)  { benchmark(b, `order.items.exists(i, i.sku == "B")`) }
func BenchmarkEvalTable(b *testing.B) { benchmark(b, `table("deal-stage", order.status)`) }
func BenchmarkEvalPhone(b *testing.B) { benchmark(b, `phone("+919876543210")`) }

func benchmark(b *testing.B, text string) {
	b.Helper()
	p, faults := environment(b).Program(bare(text), expr.Target{})
	if len(faults) > 0 {
		b.Fatal(faults)
	}
	vars := values()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval(vars, book{}); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzAnyExpressionIsCompiledOrRefused(f *testing.F) {
	for _, seed := range []string{
		`order.id`, `order.items.map(i, i.sku)`, `has(order.company.city) ? 1 : 2`, `'it''s`, `${x}`, `a ?? b`,
		`[1,2].all(x, x > 1)`, `present(order.customer.phone)`,
	} {
		f.Add(seed)
	}
	env := environment(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, faults := env.Program(bare(text), expr.Target{})
		if p == nil && !faults.Bad() {
			t.Fatal("neither a program nor a fault")
		}
		if p != nil {
			_, _ = p.Eval(values(), book{}) // it may fail, but not panic
			_, _ = p.Explain(values(), book{})
		}
	})
}
