package expr_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/expr"
	"waybill/source"
)

func TestEveryExampleOfTheLibraryGivesWhatItSays(t *testing.T) {
	env, err := expr.NewEnv(expr.Config{Region: "IN", Currency: "INR"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range expr.Functions() {
		if f.Description == "" || len(f.Forms) == 0 || f.Group == "" {
			t.Errorf("%s is not documented", f.Name)
		}
		if name := strings.TrimPrefix(f.Name, "."); name != "present" && !slices.Contains(env.Functions(), name) {
			t.Errorf("%s is documented, but is no function", f.Name)
		}
		for _, example := range f.Examples {
			t.Run(example.Expr, func(t *testing.T) {
				p, faults := env.Program(source.NewText(example.Expr, source.Span{}), expr.Target{})
				if len(faults) > 0 {
					t.Fatal(faults)
				}
				v, err := p.Eval(nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(decoded(t, example.Value), decoded(t, string(got))); diff != "" {
					t.Errorf("%s gives %s, not %s", example.Expr, got, example.Value)
				}
			})
		}
	}
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestFunctionsRefuseWhatTheyCannotUse(t *testing.T) {
	env, err := expr.NewEnv(expr.Config{Zone: "Asia/Kolkata"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`money_of("12.345", "INR")`:                           "more decimals than INR",
		`money_of("1,299.00", "INR")`:                         "is no amount like 1299.00",
		`money_of("99999999999999999999", "INR")`:             "too large",
		`money(1, "rupees")`:                                  "is no currency code",
		`money(1, "INR") + money(1, "USD")`:                   "different currencies",
		`money(1, "INR") < money(1, "USD")`:                   "different currencies",
		`money(9223372036854775807, "INR") + money(1, "INR")`: "too large",
		`money(1, "INR").format("xx-XX")`:                     "locale",
		`money(1, "INR").allocate([])`:                        "at least one weight",
		`phone("12345")`:                                      "no valid phone number",
		`email("asha at example.com")`:                        "is no e-mail address",
		`date(timestamp("2026-01-01T00:00:00Z"), "Mars")`:     "zone",
		`parse_date("1 May", "dd/MM/yyyy")`:                   "is not written as",
		`format_date(unix(0), "quarter")`:                     "means nothing",
		`unix(99999999999999)`:                                "no count since 1970",
		`sum([money(1, "INR"), money(1, "USD")])`:             "different currencies",
		`1 / 0`:  "divides by zero",
		`[1][3]`: "no such item",
	} {
		t.Run(text, func(t *testing.T) {
			p, faults := env.Program(source.NewText(text, source.Span{Pos: source.Pos{File: "f.yaml", Line: 3, Col: 7}}), expr.Target{})
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if _, err := p.Eval(nil, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "f.yaml:3:") {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestDatesAreOfTheWorkspacesZone(t *testing.T) {
	env, err := expr.NewEnv(expr.Config{Zone: "Asia/Kolkata"})
	if err != nil {
		t.Fatal(err)
	}
	env = env.With(expr.Var{Name: "at", Schema: &expr.Schema{Type: "string", Format: "date-time"}})
	p, faults := env.Program(source.NewText(`date(at)`, source.Span{}), expr.Target{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, at := range []any{"2026-01-31T20:00:00Z", time.Date(2026, 1, 31, 20, 0, 0, 0, time.UTC)} {
		if got, err := p.Str(map[string]any{"at": at}, nil); err != nil || got != "2026-02-01" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestAZoneThatDoesNotExistIsRefused(t *testing.T) {
	if _, err := expr.NewEnv(expr.Config{Zone: "Mars/Olympus"}); err == nil || !strings.Contains(err.Error(), "Mars/Olympus") {
		t.Errorf("got %v", err)
	}
}
