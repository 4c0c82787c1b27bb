package source

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// traps recognises what YAML read differently than a person meant it, in a value that parsed.
func (p *parser) traps(n *Node) {
	if n.style != plain {
		return
	}
	if n.Tag == tagFloat {
		if mantissa, _, _ := strings.Cut(strings.ToLower(n.Text), "e"); strings.Contains(mantissa, ".") &&
			strings.HasSuffix(mantissa, "0") && !strings.HasSuffix(mantissa, ".0") {
			p.warn("E116", n.Span, fmt.Sprintf("%s is read as the number %v.", n.Text, n.Value()),
				fmt.Sprintf("Write %q in quotes if it is a version or a code.", n.Text))
		}
	}
	digits := strings.TrimLeft(n.Text, "+-")
	if (n.Tag == tagInt || n.Tag == tagFloat) && len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		p.warn("E117", n.Span, fmt.Sprintf("%s is read as the number %v.", n.Text, n.Value()),
			fmt.Sprintf("Write %q in quotes if it is a phone number or a code.", n.Text))
	}
	p.cut(n)
}

// cut finds values that a ` #` ended early.
func (p *parser) cut(n *Node) {
	open := strings.Contains(n.Text, "${")
	if !open {
		return
	}
	comment, span := n.comment()
	if comment == "" {
		return
	}
	const hint = "Put the whole value in single quotes."
	unclosed := strings.Count(n.Text, "{") > strings.Count(n.Text, "}")
	switch {
	case unclosed:
		p.fault("E112", span, fmt.Sprintf("The value is cut at ` #`: YAML reads only %s.", n.Text), hint)
	case strings.Contains(comment, "${") || strings.Contains(comment, "}"):
		p.fault("E113", span, fmt.Sprintf("YAML takes %s for a comment, so it is not part of the value.", short(comment)), hint)
	case !whole(n.Text) || !strings.HasPrefix(comment, "# "):
		p.warn("E113", span,
			fmt.Sprintf("YAML takes %s for a comment, so it is not part of the value.", short(comment)), hint)
	}
}

// whole reports whether text looks like exactly one ${...}.
func whole(text string) bool {
	return strings.HasPrefix(text, "${") && strings.HasSuffix(text, "}") && strings.Count(text, "${") == 1
}

func short(s string) string {
	if utf8.RuneCountInString(s) > 40 {
		return string([]rune(s)[:40]) + "…"
	}
	return s
}

// fieldLine splits a line into what stands before its value (indent, dash, key, colon, space) and the value.
var fieldLine = regexp.MustCompile(`^(\s*(?:- +)*(?:[A-Za-z0-9_.-]+|"[^"]*"|'[^']*'): +|\s*(?:- +)+)(\S.*?)\s*$`)

// explain says in words why YAML could not read content. For a trap it also returns the content with that value quoted,
// so that reading can go on and report what else is wrong.
func (p *parser) explain(content string, err error) (repaired string, ok bool) {
	message, context, line, col, contextLine := loadError(err)
	lines := strings.Split(content, "\n")
	get := func(n int) string {
		if n >= 1 && n <= len(lines) {
			return strings.TrimSuffix(lines[n-1], "\r")
		}
		return ""
	}
	at := func(line, col, length int) Span {
		return Span{Pos: Pos{File: p.path, Line: line, Col: col}, Len: max(1, length)}
	}
	text := get(line)
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	parts := fieldLine.FindStringSubmatch(text)
	switch {
	case strings.Contains(indent, "\t"):
		p.fault("E110", at(line, strings.Index(indent, "\t")+1, 1), "This line is indented with a tab; YAML takes spaces only.",
			"Replace the tab by two spaces.")
		lines[line-1] = strings.ReplaceAll(indent, "\t", "  ") + lines[line-1][len(indent):]
		return strings.Join(lines, "\n"), true
	case strings.Contains(message, "expected single document"):
		p.fault("E118", p.secondDocument(lines), "A second YAML document begins here.", "Put it in a file of its own.")
		return "", false
	case strings.Contains(message, "max depth"):
		p.fault("E109", at(line, col, 1), fmt.Sprintf("This is nested more than %d levels deep.", MaxDepth), "")
		return "", false
	case strings.Contains(message, "mapping values are not allowed") && parts != nil && strings.Contains(parts[2], ": "):
		p.fault("E111", at(line, col, 1), "The `: ` here starts a new field for YAML, so the value is broken in two.",
			singleQuotes(parts[2]))
		return quoted(lines, line, parts), true
	case strings.Contains(context, "flow") && strings.Contains(get(contextLine)+text, "${"):
		return p.flowExpression(lines, contextLine, line)
	case strings.Contains(message, "did not find expected key") && parts != nil && strings.ContainsAny(parts[2][:1], `"'[{`):
		p.fault("E115", at(line, col, runes(text)-col+1),
			fmt.Sprintf("The value ends at its closing %s; what follows is not part of it.", closing(parts[2])), singleQuotes(parts[2]))
		return quoted(lines, line, parts), true
	case strings.Contains(message, "cannot start any token") && parts != nil && strings.ContainsAny(parts[2][:1], "@`%"):
		p.fault("E119", at(line, col, 1), fmt.Sprintf("A value cannot begin with %s in YAML.", parts[2][:1]), singleQuotes(parts[2]))
		return quoted(lines, line, parts), true
	case parts != nil && strings.ContainsAny(parts[2][:1], "*&") && strings.Contains(message+context, "anchor"),
		parts != nil && strings.ContainsAny(parts[2][:1], "*&") && strings.Contains(message+context, "alias"):
		p.fault("E107", at(line, runes(parts[1])+1, runes(parts[2])), "A value that begins with * or & is an alias or anchor in YAML.", quoteHint)
		return quoted(lines, line, parts), true
	case parts != nil && parts[2][0] == '!' && strings.Contains(message+context, "tag"):
		p.fault("E108", at(line, runes(parts[1])+1, runes(parts[2])), "A value that begins with ! is a tag in YAML.", quoteHint)
		return quoted(lines, line, parts), true
	case strings.Contains(context, "quoted scalar"):
		p.fault("E102", at(contextLine, 1, runes(get(contextLine))), "A quote is opened here and never closed.", "Close the quote.")
		return "", false
	}
	p.fault("E102", at(line, col, 1), "YAML cannot read this: "+plainWords(message, context)+".",
		"Check colons, quotes and indentation of this line and the one before.")
	return "", false
}

// flowExpression faults every bare ${...} on the first line of a [ ] or { } that has one, and quotes them.
func (p *parser) flowExpression(lines []string, from, to int) (string, bool) {
	for n := from; n <= to && n <= len(lines); n++ {
		var out strings.Builder
		rest, col := lines[n-1], 1
		for {
			start := bareExpression(rest)
			if start < 0 {
				break
			}
			end := expressionEnd(rest, start)
			written := rest[start:end]
			span := Span{Pos: Pos{File: p.path, Line: n, Col: col + runes(rest[:start])}, Len: runes(written)}
			p.fault("E114", span, "Inside [ ] and { } an unquoted ${...} ends at its braces and commas.",
				fmt.Sprintf("Write \"%s\" in quotes, or one entry per line.", short(written)))
			out.WriteString(rest[:start] + "'" + strings.ReplaceAll(written, "'", "''") + "'")
			col += runes(rest[:end])
			rest = rest[end:]
		}
		if out.Len() > 0 {
			lines[n-1] = out.String() + rest
			return strings.Join(lines, "\n"), true
		}
	}
	span := Span{Pos: Pos{File: p.path, Line: from, Col: 1}, Len: 1}
	p.fault("E102", span, "YAML cannot read this [ ] or { }: a bracket, comma or quote is missing.", "Write one entry per line.")
	return "", false
}

// bareExpression returns where a ${ stands outside quotes, -1 for nowhere.
func bareExpression(line string) int {
	var quote byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0:
			if c == '\\' && quote == '"' {
				i++
			} else if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && strings.IndexByte(" [{,:", line[i-1]) >= 0:
			quote = c
		case c == '$' && strings.HasPrefix(line[i:], "${"):
			return i
		}
	}
	return -1
}

// expressionEnd returns the end of the ${...} that begins at start, by its braces.
func expressionEnd(line string, start int) int {
	depth := 0
	for i := start; i < len(line); i++ {
		switch line[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(line)
}

func (p *parser) secondDocument(lines []string) Span {
	seen := false
	for i, line := range lines {
		if strings.HasPrefix(line, "---") && seen {
			return Span{Pos: Pos{File: p.path, Line: i + 1, Col: 1}, Len: 3}
		}
		trimmed := strings.TrimSpace(line)
		seen = seen || (trimmed != "" && trimmed[0] != '#')
	}
	return Span{Pos: Pos{File: p.path, Line: 1, Col: 1}, Len: 1}
}

// tabs faults indentation by tabs that YAML happened to accept.
func (p *parser) tabs() {
	for i, start := range p.origin.lines {
		line := p.origin.line(i + 1)
		rest := strings.TrimLeft(line, " \t")
		indent := line[:len(line)-len(rest)]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && rest != "" && rest[0] != '#' && !p.origin.inside(start) {
			p.fault("E110", Span{Pos: Pos{File: p.path, Line: i + 1, Col: tab + 1}, Len: 1},
				"This line is indented with a tab; YAML takes spaces only.", "Replace the tab by two spaces.")
		}
	}
}

// quoted returns the content with the value of one line put in single quotes.
func quoted(lines []string, line int, parts []string) string {
	lines[line-1] = parts[1] + "'" + strings.ReplaceAll(parts[2], "'", "''") + "'"
	return strings.Join(lines, "\n")
}

func singleQuotes(value string) string {
	if runes(value) > 60 {
		return "Put the whole value in single quotes."
	}
	return "Put the whole value in single quotes: '" + strings.ReplaceAll(value, "'", "''") + "'"
}

func closing(value string) string {
	switch value[0] {
	case '[':
		return "]"
	case '{':
		return "}"
	default:
		return "quote"
	}
}

// plainWords shortens the library's message to what helps a person.
func plainWords(message, context string) string {
	if context != "" {
		return context + ", " + message
	}
	return message
}

func runes(s string) int { return utf8.RuneCountInString(s) }
