package source

import (
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// style is how a scalar is written.
type style int

const (
	plain style = iota
	single
	double
	literal
	folded
)

// origin is the text of a file and where its lines begin, shared by the nodes read from it.
type origin struct {
	file   string
	text   string
	lines  []int    // byte offset of each line
	covers [][2]int // byte ranges of scalars that go over several lines

	// The place asked for last while parsing: nodes come in order, so a long line is walked once.
	lastLine, lastCol, lastAt int
}

func newOrigin(file, text string) *origin {
	o := &origin{file: file, text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			o.lines = append(o.lines, i+1)
		}
	}
	return o
}

// line returns line n without its end.
func (o *origin) line(n int) string {
	if n < 1 || n > len(o.lines) {
		return ""
	}
	end := len(o.text)
	if n < len(o.lines) {
		end = o.lines[n] - 1
	}
	return strings.TrimSuffix(o.text[o.lines[n-1]:end], "\r")
}

// offset returns the byte offset of a place; columns count characters. Only the parser may call it.
func (o *origin) offset(line, col int) int {
	if line < 1 || line > len(o.lines) {
		return len(o.text)
	}
	at, from := o.lines[line-1], 1
	if line == o.lastLine && col >= o.lastCol {
		at, from = o.lastAt, o.lastCol
	}
	for ; from < col && at < len(o.text); from++ {
		_, size := utf8.DecodeRuneInString(o.text[at:])
		at += size
	}
	o.lastLine, o.lastCol, o.lastAt = line, col, at
	return at
}

// span returns the place of a byte offset.
func (o *origin) span(at int) Span {
	at = max(0, min(at, len(o.text)))
	line := sort.Search(len(o.lines), func(i int) bool { return o.lines[i] > at })
	return Span{Pos: Pos{File: o.file, Line: line, Col: runes(o.text[o.lines[line-1]:at]) + 1}, Len: 1}
}

// inside reports whether the offset lies within a scalar of several lines.
func (o *origin) inside(at int) bool {
	i := sort.Search(len(o.covers), func(i int) bool { return o.covers[i][1] > at })
	return i < len(o.covers) && o.covers[i][0] < at
}

// locate maps an offset within the scalar's text to its place in the file.
func (n *Node) locate(off int) Span {
	if n.origin == nil || n.Kind != Scalar {
		return walk(n.Span, n.Text, off)
	}
	offsets, _ := n.trace()
	if offsets == nil {
		return n.Span
	}
	return n.origin.span(offsets[max(0, min(off, len(offsets)-1))])
}

// walk finds a place in text that was not read from a file, as if it began at span.
func walk(span Span, text string, off int) Span {
	before := text[:max(0, min(off, len(text)))]
	out := Span{Pos: span.Pos, Len: 1}
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		out.Line += strings.Count(before, "\n")
		out.Col = 1
		before = before[i+1:]
	}
	out.Col += runes(before)
	return out
}

// firstLine gives the characters of the scalar on its first line, and notes scalars of several lines.
func (n *Node) firstLine() int {
	_, end := n.trace()
	if strings.IndexByte(n.origin.text[n.at:max(n.at, end)], '\n') >= 0 {
		n.origin.covers = append(n.origin.covers, [2]int{n.at, end})
		return max(1, runes(n.origin.line(n.Span.Line))-n.Span.Col+1)
	}
	return max(1, runes(n.origin.text[n.at:max(n.at, end)]))
}

// comment returns the comment behind a plain scalar on its last line.
func (n *Node) comment() (string, Span) {
	if n.origin == nil || n.style != plain {
		return "", n.Span
	}
	_, end := n.trace()
	rest := n.origin.text[end:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	trimmed := strings.TrimLeft(rest, " \t")
	if trimmed == rest || trimmed == "" || trimmed[0] != '#' {
		return "", n.Span
	}
	span := n.origin.span(end + len(rest) - len(trimmed))
	trimmed = strings.TrimRight(trimmed, " \t\r")
	span.Len = max(1, runes(trimmed))
	return trimmed, span
}

// trace reads the scalar again from its source and returns for each byte of its text where it stands, one more for the
// end, and the end of the scalar. offsets is nil when the reading differs from YAML's.
func (n *Node) trace() (offsets []int, end int) {
	t := tracer{src: n.origin.text, at: min(n.at, len(n.origin.text)), want: n.Text}
	switch n.style {
	case single, double:
		t.quoted(n.style == double)
	case literal, folded:
		t.block(n.style == folded)
	default:
		t.plain()
	}
	if string(t.out) != n.Text {
		return nil, t.at
	}
	return append(t.offsets, t.last), t.at
}

// tracer mirrors how YAML reads one scalar.
type tracer struct {
	src     string
	at      int
	want    string
	out     []byte
	offsets []int
	last    int // where the text ends
}

func (t *tracer) emit(s string, from, step int) {
	for i := range len(s) {
		t.out = append(t.out, s[i])
		t.offsets = append(t.offsets, from+i*step)
	}
	t.last = from + max(1, len(s)*step)
}

// fold reads a line end, blank lines and indentation, which give one space or the blank lines' number of line ends.
func (t *tracer) fold() {
	from, ends := t.at, 0
	for t.at < len(t.src) && strings.IndexByte(" \t\r\n", t.src[t.at]) >= 0 {
		if t.src[t.at] == '\n' {
			ends++
		}
		t.at++
	}
	if ends <= 1 {
		t.emit(" ", from, 0)
		return
	}
	t.emit(strings.Repeat("\n", ends-1), from, 0)
}

// spaces returns the run of blanks at t.at, and whether a line end follows it.
func (t *tracer) spaces() (run string, lineEnd bool) {
	i := t.at
	for i < len(t.src) && (t.src[i] == ' ' || t.src[i] == '\t' || t.src[i] == '\r') {
		i++
	}
	return t.src[t.at:i], i < len(t.src) && t.src[i] == '\n'
}

func (t *tracer) plain() {
	t.last = t.at
	for t.at < len(t.src) && len(t.out) < len(t.want) {
		if run, lineEnd := t.spaces(); lineEnd {
			t.fold()
			continue
		} else if run != "" {
			t.emit(run, t.at, 1)
			t.at += len(run)
			continue
		}
		t.emit(t.src[t.at:t.at+1], t.at, 1)
		t.at++
	}
}

func (t *tracer) quoted(escapes bool) {
	quote := byte('\'')
	if escapes {
		quote = '"'
	}
	t.at++
	t.last = t.at
	for t.at < len(t.src) {
		run, lineEnd := t.spaces()
		c := t.src[t.at]
		switch {
		case lineEnd:
			t.fold()
		case run != "":
			t.emit(run, t.at, 1)
			t.at += len(run)
		case c == quote && !escapes && strings.HasPrefix(t.src[t.at:], "''"):
			t.emit("'", t.at, 1)
			t.at += 2
		case c == quote:
			t.last = t.at
			t.at++
			return
		case c == '\\' && escapes:
			t.escape()
		default:
			t.emit(t.src[t.at:t.at+1], t.at, 1)
			t.at++
		}
	}
}

var escapes = map[byte]string{ // a table that nothing changes
	'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r", 'e': "\x1b",
	' ': " ", '"': `"`, '/': "/", '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
}

func (t *tracer) escape() {
	from := t.at
	if t.at+1 >= len(t.src) {
		t.at++
		return
	}
	c := t.src[t.at+1]
	t.at += 2
	if digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]; digits > 0 {
		end := min(t.at+digits, len(t.src))
		code, err := strconv.ParseUint(t.src[t.at:end], 16, 32)
		if err == nil {
			t.emit(string(rune(code)), from, 0) // four hex bytes at most, made valid by string
		}
		t.at = end
		return
	}
	if c == '\n' || c == '\r' {
		for t.at < len(t.src) && strings.IndexByte(" \t\r\n", t.src[t.at]) >= 0 {
			t.at++
		}
		return
	}
	t.emit(escapes[c], from, 0)
}

// block reads | and >: every line less its indentation, which is that of the first line that holds anything.
func (t *tracer) block(folds bool) {
	at := t.lineEnd(t.at) + 1
	t.last = min(at, len(t.src))
	indent := -1
	want := t.want
	for at < len(t.src) && want != "" {
		end := t.lineEnd(at)
		line := strings.TrimSuffix(t.src[at:end], "\r")
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		if indent < 0 && strings.TrimSpace(line) != "" {
			indent = blanks
		}
		skip := min(blanks, max(indent, 0))
		if line = line[skip:]; line != "" {
			if !strings.HasPrefix(want, line) {
				break
			}
			t.emit(line, at+skip, 1)
			want = want[len(line):]
		}
		t.at = end
		// A line end gives a line end, or when folded a space or nothing.
		if len(want) > 0 && (want[0] == '\n' || (folds && want[0] == ' ')) {
			t.emit(want[:1], end, 0)
			want = want[1:]
		} else if !folds {
			break
		}
		at = end + 1
	}
}

func (t *tracer) lineEnd(at int) int {
	if i := strings.IndexByte(t.src[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(t.src)
}
