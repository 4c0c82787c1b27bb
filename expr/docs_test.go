package expr_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/expr"
)

// TestTheFunctionsPageIsWhatTheLibrarySays keeps docs/functions.md in step with the library, whose examples run as tests.
// WAYBILL_UPDATE=1 writes it anew.
func TestTheFunctionsPageIsWhatTheLibrarySays(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Functions of expressions\n\nWhat `${...}`, `when` and other expressions may call, beside the functions of [CEL](https://cel.dev) and its\nextensions for strings, lists, math, sets, encoders, regular expressions and `cel.bind`. All are pure: no clock, no\nchance, no I/O. Every example runs as a test. Try one with `waybill eval`.\n")
	group := ""
	for _, f := range expr.Functions() {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n## %s\n", strings.ToUpper(group[:1])+group[1:])
		}
		fmt.Fprintf(&b, "\n### `%s`\n\n", strings.Join(f.Forms, "`, `"))
		fmt.Fprintf(&b, "%s\n", f.Description)
		for i, x := range f.Examples {
			if i == 0 {
				b.WriteString("\n| expression | value |\n|---|---|\n")
			}
			fmt.Fprintf(&b, "| `%s` | `%s` |\n", strings.ReplaceAll(x.Expr, "|", "\\|"), strings.ReplaceAll(x.Value, "|", "\\|"))
		}
	}
	const page = "../docs/functions.md"
	if os.Getenv("WAYBILL_UPDATE") != "" {
		if err := os.WriteFile(page, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b.String(), string(got)); d != "" {
		t.Errorf("docs/functions.md is not what the library says; WAYBILL_UPDATE=1 go test ./expr -run FunctionsPage writes it\n%s", d)
	}
}
