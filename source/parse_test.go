package source_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/source"
)

// told is what a test compares of a fault.
func told(faults source.Faults) []string {
	var out []string
	for _, f := range faults {
		line := f.Code
		if f.Severity == source.Warning {
			line = "warning " + line
		}
		out = append(out, line+" "+place(f.Span))
	}
	return out
}

func place(s source.Span) string { return fmt.Sprintf("%d:%d:%d", s.Line, s.Col, s.Len) }

func TestEveryTrapOfYAMLIsNamedWithItsPlace(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"a colon and space inside an expression", "a: ${x ? 1 : 2}\n", []string{"E111 1:12:1"}},
		{"a colon and space inside a text of an expression", "k: 1\na: ${f(\"b: c\")}\n", []string{"E111 2:10:1"}},
		{"a colon and space in a bare expression", "when: x ? y : z\n", []string{"E111 1:13:1"}},
		{"an expression cut at a hash", "a: ${x #c}\n", []string{"E112 1:8:3"}},
		{"a hash in text with an expression behind it", "a: Hello ${x}, id #${y}\n", []string{"E113 1:19:5"}},
		{"a hash directly before text after an expression", "a: Hello ${x}, no #5\n", []string{"warning E113 1:19:2"}},
		{"a comment after a whole expression is no fault", "a: ${x}   # the id\n", nil},
		{"a comment after a bare expression is no fault", "when: x > 1   # the id\n", nil},
		{"an expression in braces", "a: {b: ${x}}\nc: 007\n", []string{"E114 1:8:4", "warning E117 2:4:3"}},
		{"two expressions in brackets", "a: [${x}, ${y}]\n", []string{"E114 1:5:4", "E114 1:11:4"}},
		{"a tag made by a negation", "when: !payment.test\n", []string{"E108 1:7:1"}},
		{"text that goes on after its quote", "when: \"paid\" in tags\n", []string{"E115 1:14:7"}},
		{"a list that goes on after its bracket", "when: [1,2].exists(x)\n", []string{"E115 1:12:10"}},
		{"a map that goes on after its brace", "when: {}.a\n", []string{"E115 1:9:2"}},
		{"a version that loses its zero", "a: 1.10\nb: 1.0\nc: \"1.10\"\n", []string{"warning E116 1:4:4"}},
		{"leading zeros", "a: 00919876\nb: 0\nc: 0.5\n", []string{"warning E117 1:4:8"}},
		{"a field given twice", "a: 1\nb: 2\na: 3\n", []string{"E103 3:1:1"}},
		{"an anchor and its alias", "a: &x 1\nb: *x\n", []string{"E107 1:4:1", "E107 2:4:1"}},
		{"an alias that is a misread expression", "when: *x\nb: 007\n", []string{"E107 1:7:2", "warning E117 2:4:3"}},
		{"a merge key", "<<: {a: 1}\n", []string{"E107 1:1:2"}},
		{"a tab as indentation", "a:\n\tb: 1\n", []string{"E110 2:1:1"}},
		{"a reserved character", "a: @home\n", []string{"E119 1:4:1"}},
		{"two documents", "a: 1\n---\nb: 2\n", []string{"E118 2:1:3"}},
		{"a list as a field name", "? [a]\n: 1\n", []string{"E120 1:3:1"}},
		{"a quote that is never closed", "a: 'b\nc: 1\n", []string{"E102 1:1:5"}},
		{"no UTF-8", "a: \xff\n", []string{"E101 1:4:1"}},
		{"a control character", "a: \x07\n", []string{"E101 1:4:1"}},
		{"an invisible line separator", "a: x\u2028y\n", []string{"E101 1:5:1"}},
		{"too deep", strings.Repeat("[", 40) + strings.Repeat("]", 40), []string{"E109 1:33:1"}},
		{
			"every trap of a file at once", "a: ${x ? 1 : 2}\nb: ${y ? 1 : 2}\nc: 1.10\n",
			[]string{"E111 1:12:1", "E111 2:12:1", "warning E116 3:4:4"},
		},
		{"a plain file", "a: b\n# c\nd:\n  - e\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, faults := source.Parse("f.yaml", []byte(tt.text))
			if diff := cmp.Diff(tt.want, told(faults)); diff != "" {
				t.Errorf("faults (-want +got):\n%s\n%v", diff, faults)
			}
			for _, f := range faults {
				if f.Title == "" || f.Message == "" || source.Codes[f.Code].Text == "" {
					t.Errorf("fault without words: %+v", f)
				}
			}
		})
	}
}

func TestAnEmptyFileIsAnEmptyMap(t *testing.T) {
	for _, text := range []string{"", "# only words\n", "\n\n", "---\n"} {
		n, faults := source.Parse("f.yaml", []byte(text))
		if len(faults) > 0 || n == nil || len(n.Entries) > 0 || n.Kind == source.List {
			t.Errorf("%q gave %+v %v", text, n, faults)
		}
	}
}

func TestAFileOverTheLimitIsRefused(t *testing.T) {
	_, faults := source.Parse("f.yaml", bytes.Repeat([]byte("# words\n"), source.MaxBytes/8+1))
	if got := told(faults); len(got) != 1 || got[0] != "E109 1:1:1" {
		t.Errorf("got %v", got)
	}
}

func TestScalarsKeepTheirTypesAfterYAML12(t *testing.T) {
	n, _ := source.Parse("f.yaml", []byte("- yes\n- on\n- 12\n- 1_000\n- 0x1f\n- 1.5\n- true\n- ~\n- 2026-01-02\n- '12'\n- .inf\n- 9223372036854775808\n"))
	want := []any{"yes", "on", int64(12), "1_000", int64(31), 1.5, true, nil, "2026-01-02", "12", ".inf", "9223372036854775808"}
	if diff := cmp.Diff(any(want), n.Value()); diff != "" {
		t.Error(diff)
	}
}

func TestAnOffsetInAValueIsFoundInTheFile(t *testing.T) {
	tests := []struct{ name, text string }{
		{"plain", "a: one X two\n"},
		{"plain after wide letters", "ä: öö X two\n"},
		{"plain over two lines", "a: one\n  two X three\n"},
		{"plain over a blank line", "a: one\n\n  two X three\n"},
		{"single quoted", "a: 'it''s X two'\n"},
		{"double quoted with escapes", "a: \"\\u00e4\\n\\\"\\x41 X two\"\n"},
		{"double quoted over lines", "a: \"one\n  two \\\n   X three\"\n"},
		{"literal", "a:\n  b: |\n    one\n\n      two X\n    three\n"},
		{"literal without end", "a: |-\n  one\n  two X"},
		{"folded", "a: >-\n  one\n  two\n\n  three X\n  four\n"},
		{"folded with deeper lines", "a: >\n  one\n    two\n  three X\n"},
		{"windows line ends", "a: |\r\n  one\r\n  two X\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, faults := source.Parse("f.yaml", []byte(tt.text))
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			value := n.Entries[0].Value
			if value.Kind == source.Map {
				value = value.Entries[0].Value
			}
			got := value.PosAt(strings.Index(value.Text, "X"))
			before, _, _ := strings.Cut(tt.text, "X")
			line := strings.Count(before, "\n") + 1
			col := len([]rune(before[strings.LastIndex(before, "\n")+1:])) + 1
			if got.Line != line || got.Col != col {
				t.Errorf("X of %q is at %d:%d, got %d:%d", value.Text, line, col, got.Line, got.Col)
			}
		})
	}
}

func TestAPartOfATextKnowsItsPlace(t *testing.T) {
	n, _ := source.Parse("f.yaml", []byte("a: 'it''s ${x} two'\n"))
	text, _ := n.Get("a").Scalar()
	part := text.Slice(5, 9).Slice(2, 3)
	if part.Value != "x" || part.Span.Col != 13 || part.PosAt(0).Col != 13 {
		t.Errorf("got %+v", part)
	}
	free := source.NewText("ab\ncd ef", source.Span{Pos: source.Pos{Line: 3, Col: 5}, Len: 2}).Slice(3, 8).Slice(3, 5)
	if free.Value != "ef" || free.Span.Line != 4 || free.Span.Col != 4 {
		t.Errorf("got %+v", free)
	}
}

type step struct {
	ID   string        `yaml:"id,required"`
	When source.Text   `yaml:"when"`
	With *source.Node  `yaml:"with"`
	For  time.Duration `yaml:"good_for"`
	Span source.Span   `yaml:",span"`
}

type file struct {
	Name   string            `yaml:"name,required"`
	On     []string          `yaml:"on,one_or_more"`
	Count  int               `yaml:"count"`
	Live   bool              `yaml:"live"`
	Steps  []step            `yaml:"steps"`
	Labels map[string]string `yaml:"labels"`
	Extra  any               `yaml:"extra"`
	hidden string            //nolint:unused // a field that a file cannot fill is passed by
}

func TestAFileFillsAStruct(t *testing.T) {
	n, faults := source.Parse("f.yaml", []byte(`name: 5
on: order.paid
count: 3
live: true
labels: {a: b}
extra: {x: [1, 2.5]}
steps:
  - id: one
    when: a > 1
    with: {b: c}
    good_for: 7d
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var got file
	if faults := source.Decode(n, &got); len(faults) > 0 {
		t.Fatal(faults)
	}
	if got.Steps[0].When.Value != "a > 1" || got.Steps[0].When.Span.Line != 9 || got.Steps[0].With.Get("b").Text != "c" ||
		got.Steps[0].Span.Line != 8 || got.Steps[0].For != 7*24*time.Hour {
		t.Errorf("step: %+v", got.Steps[0])
	}
	got.Steps = nil
	want := file{
		Name: "5", On: []string{"order.paid"}, Count: 3, Live: true, Labels: map[string]string{"a": "b"},
		Extra: map[string]any{"x": []any{int64(1), 2.5}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(file{})); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFaultOfAStructIsToldAtOnce(t *testing.T) {
	n, _ := source.Parse("f.yaml", []byte("nmae: x\ncount: many\nlive: yes\nsteps:\n  - when: [1]\n    good_for: soon\n  -\non: {a: b}\n")) //nolint:misspell // meant
	var got file
	want := []string{
		`f.yaml:1:1 E104 unknown field: "nmae" is no field here. ` + //nolint:misspell // meant
			`Fields here: count, extra, labels, live, name, on, steps. Did you mean "name"?`,
		`f.yaml:1:1 E105 missing field: "name" must be given here.`,
		`f.yaml:2:8 E106 wrong kind of value: "count" takes a whole number, but this is the text "many".`,
		`f.yaml:3:7 E106 wrong kind of value: "live" takes true or false, but this is the text "yes". Write true.`,
		`f.yaml:5:5 E105 missing field: "id" must be given here.`,
		`f.yaml:5:11 E106 wrong kind of value: "when" takes text or an expression, but this is a list. ` +
			`Put it in single quotes if it is an expression.`,
		`f.yaml:6:15 E106 wrong kind of value: "good_for" takes a time span such as 30s, 5m, 2h or 7d, but this is the text "soon".`,
		`f.yaml:7:4 E106 wrong kind of value: "steps" takes no empty items, but this is empty. Remove the dash or write its value.`,
		`f.yaml:8:5 E106 wrong kind of value: "on" takes text, but this is a group of fields.`,
	}
	var all []string
	for _, f := range source.Decode(n, &got).Sorted() {
		all = append(all, f.String())
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
}

func TestAFaultIsDrawnWithItsLines(t *testing.T) {
	text := "map:\n  Last_Name: ${event.contact.last_name}\n  Email:     ${event.contact.emial}\n"
	faults := source.Faults{{
		Code: "E104", Severity: source.Error, Title: "unknown field",
		Span:    source.Span{Pos: source.Pos{File: "flows/lead.yaml", Line: 3, Col: 30}, Len: 5},
		Message: `The event "meta.lead" has no field "emial" in "contact".`, Hint: `Did you mean "email"?`,
	}}
	var got strings.Builder
	if err := source.Render(&got, faults, func(string) []byte { return []byte(text) }); err != nil {
		t.Fatal(err)
	}
	want := `flows/lead.yaml:3:30  error E104  unknown field
    1 | map:
    2 |   Last_Name: ${event.contact.last_name}
    3 |   Email:     ${event.contact.emial}
      |                              ^^^^^
  The event "meta.lead" has no field "emial" in "contact".
  Did you mean "email"?
  help: waybill explain E104
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTheNearestWordIsSuggested(t *testing.T) {
	words := []string{"email", "phone", "full_name", "status"}
	for word, want := range map[string]string{"emial": "email", "Email": "email", "phoen": "phone", "xyzzy": "", "fullname": "full_name"} {
		if got := source.Suggest(word, words); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestLargeHostileFilesAreReadInBoundedTime(t *testing.T) {
	const size = source.MaxBytes / 4
	fill := func(head, unit, tail string) []byte {
		return []byte(head + strings.Repeat(unit, (size-len(head)-len(tail))/len(unit)) + tail)
	}
	for name, text := range map[string][]byte{
		"one long list on a line":    fill("[", "a,", "a]"),
		"many short texts":           fill("", "- |\n  x\n", ""),
		"many broken expressions":    fill("", "a: ${x ? 1 : 2}\n", ""),
		"many cut expressions":       fill("", "- ${x #c}\n", ""),
		"one folded text":            fill("a: >\n", "  x\n\n", ""),
		"one text in double quotes":  fill("a: \"", "\\n\n ", "\""),
		"brackets that never close":  fill("", "[", ""),
		"maps that never close":      fill("", "{a: ", ""),
		"many anchors":               fill("", "- &a x\n", ""),
		"many numbers with zeros":    fill("[", "007,", "1]"),
		"one line of colons":         fill("a", ": ", ""),
		"many fields":                fill("", "a: b\n", ""),
		"a key that never ends":      fill("", "? ", ""),
		"a quote that never ends":    fill("a: '", "x ", ""),
		"expressions in one bracket": fill("[", "${x},", "]"),
	} {
		t.Run(name, func(t *testing.T) {
			n, faults := source.Parse("f.yaml", text)
			if n == nil && !faults.Bad() {
				t.Error("neither a node nor a fault")
			}
			if len(faults) > 250 {
				t.Errorf("%d faults", len(faults))
			}
		})
	}
}

func FuzzAnyTextIsParsedOrRefused(f *testing.F) {
	for _, seed := range []string{"a: ${x}", "a: [${x}]", "- b: |\n   c\n", "? a\n: b", "when: \"a\" in b", "a: \"\\u00e4\n b\"", "a: >-\n  b\n\n  c\n"} {
		f.Add([]byte(seed))
	}
	if text, err := os.ReadFile("parse_test.go"); err == nil {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, faults := source.Parse("f.yaml", text)
		if n == nil && !faults.Bad() {
			t.Fatal("neither a node nor a fault")
		}
		var into file
		if n != nil {
			faults = append(faults, source.Decode(n, &into)...)
			_ = n.Value()
		}
		var out strings.Builder
		if err := source.Render(&out, faults, func(string) []byte { return text }); err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults {
			if fault.Span.Line < 1 || fault.Span.Col < 1 || fault.Span.Len < 1 {
				t.Fatalf("no place: %+v", fault)
			}
		}
	})
}
