package expr

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common"

	"waybill/source"
)

// alien are ASCII characters that no expression has outside of texts.
const alien = "$\\#@;~^"

// hopeless refuses what the parser would take seconds to refuse: too long a text, characters that no expression has,
// quotes and brackets that do not match, long rows of ! and -.
func (t *translator) hopeless() bool {
	text := t.text.Value
	if len([]rune(text)) > MaxSize {
		t.add("E214", 0, "", fmt.Sprintf("This expression has more than %d characters.", MaxSize), "Split it into steps with `set`.")
		return true
	}
	if _, _, open := unclosed(text); open {
		t.syntax(nil)
		return true
	}
	signs := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\'' || c == '"' {
			i = quoteEnd(text, i) - 1
			continue
		}
		if signs++; c != '!' && c != '-' && c != ' ' {
			signs = 0
		}
		if signs > 64 {
			t.add("E214", i-signs+1, "", "So many signs in a row make no sense.", "")
			return true
		}
		if strings.IndexByte(alien, c) >= 0 || c == '=' && !comparing(text, i) {
			t.syntax(nil)
			return true
		}
	}
	return false
}

// comparing reports whether the = at i belongs to ==, !=, <= or >=.
func comparing(text string, i int) bool {
	return i > 0 && strings.IndexByte("=!<>", text[i-1]) >= 0 || i+1 < len(text) && text[i+1] == '='
}

// syntax explains why a text could not be parsed: by a known slip if there is one, else by CEL's first message.
func (t *translator) syntax(issues []*common.Error) source.Faults {
	text := t.text.Value
	if comment, span := t.text.Comment(); comment != "" {
		if _, _, open := unclosed(text); open {
			t.faults.Add(source.Codes, "E112", span, fmt.Sprintf("The value is cut at ` #`: YAML reads only %s.", cut(text, 60)),
				"Put the whole value in single quotes.")
			return t.faults
		}
	}
	if strings.TrimSpace(text) == "" {
		t.add("E201", 0, "", "An expression must stand here.", "")
		return t.faults
	}
	if t.slip() {
		return t.faults
	}
	if slices.ContainsFunc(issues, t.limits) {
		return t.faults
	}
	if len(issues) == 0 {
		at := max(0, strings.IndexAny(text, alien))
		t.add("E201", at, "", fmt.Sprintf("%q cannot stand in an expression.", text[at:at+1]), "")
		return t.faults
	}
	t.unread(issues[0])
	return t.faults
}

// unread explains CEL's first message.
func (t *translator) unread(first *common.Error) {
	message := strings.TrimPrefix(first.Message, "Syntax error: ")
	switch at := t.offset(first); {
	case strings.HasPrefix(message, "reserved identifier: "):
		word := strings.TrimPrefix(message, "reserved identifier: ")
		t.add("E201", at, word, fmt.Sprintf("%q is a reserved word and cannot be a name.", word), "")
	case strings.Contains(message, "invalid argument to has"):
		t.add("E201", at, "", "has() takes a field: has(order.customer.phone).", "Use present(x) for a whole value.")
	case strings.Contains(message, "not an identifier"):
		t.add("E201", at, "", "The first argument here must be a plain name for the item, as in list.map(i, i.name).", "")
	case strings.Contains(message, "invalid int literal"), strings.Contains(message, "invalid double literal"):
		t.add("E201", at, "", "This number is too large.", "")
	case strings.Contains(message, "'<EOF>'"):
		t.add("E201", len(strings.TrimRight(t.text.Value, " \n"))-1, "", "The expression ends too early: something is missing here.", "")
	case strings.HasPrefix(message, "token recognition error"):
		t.add("E201", at, "", fmt.Sprintf("%q cannot stand in an expression.", character(t.text.Value, at)), "")
	case strings.HasPrefix(message, "extraneous input"), strings.HasPrefix(message, "mismatched input"):
		t.add("E201", at, "", "This does not belong here: an operator such as && or + is missing before it, or it is one too many.", "")
	default:
		t.add("E201", at, "", "This cannot be read: "+cut(message, 200)+".", "")
	}
}

func character(text string, at int) string {
	for _, r := range text[min(at, len(text)):] {
		return string(r)
	}
	return ""
}

// slips are what people bring from other languages: what they write, what CEL writes.
var slips = []struct { // a table that nothing changes
	form *regexp.Regexp
	hint string
}{
	{regexp.MustCompile(`^===`), "Write == to compare."},
	{regexp.MustCompile(`^(=>|->)`), "Write list.map(i, i.name): the name of the item comes first."},
	{regexp.MustCompile(`^=[^=]|^=$`), "Write == to compare; an expression cannot set anything."},
	{regexp.MustCompile(`^<>`), "Write != for: is not equal."},
	{regexp.MustCompile(`^\?\?`), `Write a.?b.orValue("x") for a default.`},
	{regexp.MustCompile(`^\?\.[A-Za-z_]`), "Write .? in that order: a.?b."},
	{regexp.MustCompile(`^\$\{`), "Write the expression without ${ }: this field is one already."},
	{regexp.MustCompile(`^\|[^|]|^\|$`), "Write || for: or. Functions are called: upper(x) or x.upper()."},
	{regexp.MustCompile(`^&[^&]|^&$`), "Write && for: and."},
	{regexp.MustCompile(`^;`), "An expression is one value; remove the semicolon."},
	{regexp.MustCompile(`^(?i:and)\b`), "Write && for: and."},
	{regexp.MustCompile(`^(?i:or)\b`), "Write || for: or."},
	{regexp.MustCompile(`^(?i:not)\b`), "Write ! for: not."},
	{regexp.MustCompile(`^(?i:if|then|else)\b`), "Write condition ? one : other."},
	{regexp.MustCompile(`^(?i:is|equals|eq)\b`), "Write == to compare."},
	{regexp.MustCompile(`^(?i:matches|contains|startsWith|endsWith|like)\s`), `Write it as a method: name.contains("x").`},
	{regexp.MustCompile(`^(?i:between)\b`), "Write x >= 1 && x <= 5."},
	{regexp.MustCompile(`^(None|nil|NULL|undefined)\b`), "Write null, or has(x.y) to ask whether a field is there."},
	{regexp.MustCompile(`^(True|TRUE|False|FALSE)\b`), "Write true and false in small letters."},
	{regexp.MustCompile("^[“”‘’]"), `Write straight quotes: "text".`},
}

// slip looks for the first known slip outside of texts.
func (t *translator) slip() bool {
	text := t.text.Value
	if from, what, open := unclosed(text); open {
		t.add("E201", from, "", what, "")
		return true
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'' || c == '"':
			i = quoteEnd(text, i) - 1
			continue
		case wordByte(c) && i > 0 && (wordByte(text[i-1]) || text[i-1] == '.'):
			continue
		case c == '=' && i > 0 && strings.IndexByte("!<>", text[i-1]) >= 0:
			continue
		case strings.HasPrefix(text[i:], "==") && !strings.HasPrefix(text[i:], "==="),
			strings.HasPrefix(text[i:], "||"), strings.HasPrefix(text[i:], "&&"):
			i++
			continue
		}
		for _, s := range slips {
			found := s.form.FindString(text[i:])
			if found == "" {
				continue
			}
			word := strings.TrimSpace(found[:len(found)-lookedAhead(found)])
			t.add("E201", i, word, fmt.Sprintf("%q is not how CEL writes it.", word), s.hint)
			return true
		}
	}
	return false
}

// lookedAhead counts the bytes at the end that a form reads only to decide.
func lookedAhead(found string) int {
	switch {
	case strings.HasPrefix(found, "?."):
		return 1
	case len(found) == 1 || strings.IndexByte("=|&", found[0]) < 0 || found == "===" || found == "=>":
		return 0
	}
	return len(found) - 1
}

func wordByte(c byte) bool {
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
}

// quoteEnd returns the offset behind the text literal that begins at i, past the end when it is not closed.
func quoteEnd(text string, i int) int {
	raw := i > 0 && (text[i-1] == 'r' || text[i-1] == 'R') && (i < 2 || !wordByte(text[i-2]))
	quote := text[i : i+1]
	if strings.HasPrefix(text[i:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	for j := i + len(quote); j < len(text); j++ {
		switch {
		case text[j] == '\\' && !raw:
			j++
		case strings.HasPrefix(text[j:], quote):
			return j + len(quote)
		}
	}
	return len(text) + 1
}

// unclosed finds a text literal or bracket that is opened and never closed, or closed and never opened.
func unclosed(text string) (from int, what string, open bool) {
	var stack []int
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\'', '"':
			end := quoteEnd(text, i)
			if end > len(text) {
				return i, "The text that begins here is not closed: its second quote is missing.", true
			}
			i = end - 1
		case '(', '[', '{':
			stack = append(stack, i)
		case ')', ']', '}':
			if len(stack) == 0 || opener(c) != text[stack[len(stack)-1]] {
				return i, fmt.Sprintf("This %c closes nothing.", c), true
			}
			stack = stack[:len(stack)-1]
		}
	}
	if len(stack) > 0 {
		last := stack[len(stack)-1]
		return last, fmt.Sprintf("This %c is never closed.", text[last]), true
	}
	return 0, "", false
}

func opener(c byte) byte {
	switch c {
	case ')':
		return '('
	case ']':
		return '['
	}
	return '{'
}
