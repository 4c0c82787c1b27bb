package source

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"waybill"
)

// Severity is how bad a fault is.
type Severity string

// An Error refuses the workspace; a Warning does not.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Fault is one thing wrong in a file a person wrote.
type Fault struct {
	Code     string   `json:"code"` // E104
	Severity Severity `json:"severity"`
	Span     Span     `json:"span"`
	Title    string   `json:"title"`          // unknown field
	Message  string   `json:"message"`        // plain words, one or two sentences
	Hint     string   `json:"hint,omitempty"` // what to write instead: Did you mean "email"?
	Hidden   bool     `json:"-"`              // what stands at Span is never shown: it may be a secret
}

// String is the fault in one line: flows/lead.yaml:27:34 E104 unknown field: The message.
func (f Fault) String() string {
	line := fmt.Sprintf("%s:%d:%d %s %s: %s", f.Span.File, f.Span.Line, f.Span.Col, f.Code, f.Title, f.Message)
	if f.Hint != "" {
		line += " " + f.Hint
	}
	return line
}

// Faults is everything wrong at once.
type Faults []Fault //nolint:recvcheck // it grows by its address and is read by its value

// Add appends an error of code at span; its title is taken from codes, the table that declares the code.
func (fs *Faults) Add(codes map[string]Explanation, code string, span Span, message, hint string) {
	*fs = append(*fs, Fault{
		Code: code, Severity: Error, Span: span, Title: codes[code].Title, Message: message, Hint: hint,
	})
}

// Warn appends a warning as Add does an error.
func (fs *Faults) Warn(codes map[string]Explanation, code string, span Span, message, hint string) {
	*fs = append(*fs, Fault{
		Code: code, Severity: Warning, Span: span, Title: codes[code].Title, Message: message, Hint: hint,
	})
}

// Conceal appends an error as Add does, of what must never be shown.
func (fs *Faults) Conceal(codes map[string]Explanation, code string, span Span, message, hint string) {
	*fs = append(*fs, Fault{
		Code: code, Severity: Error, Span: span, Title: codes[code].Title, Message: message, Hint: hint, Hidden: true,
	})
}

// Bad reports whether any of them is an error.
func (fs Faults) Bad() bool {
	return slices.ContainsFunc(fs, func(f Fault) bool { return f.Severity != Warning })
}

// Err returns nil when there are only warnings, else a waybill.Error of kind Invalid that tells the first and counts
// the others.
func (fs Faults) Err() error {
	count := 0
	var first Fault
	for _, f := range fs.Sorted() {
		if f.Severity == Warning {
			continue
		}
		if count == 0 {
			first = f
		}
		count++
	}
	if count == 0 {
		return nil
	}
	message := first.String()
	if count > 1 {
		message += fmt.Sprintf(" (and %d more)", count-1)
	}
	return &waybill.Error{Kind: waybill.Invalid, Message: message}
}

// Sorted returns them by file, line and column, each once.
func (fs Faults) Sorted() Faults {
	out := slices.Clone(fs)
	slices.SortStableFunc(out, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(a.Span.File, b.Span.File),
			cmp.Compare(a.Span.Line, b.Span.Line),
			cmp.Compare(a.Span.Col, b.Span.Col),
			cmp.Compare(a.Code, b.Code),
		)
	})
	seen := make(map[Fault]bool, len(out))
	return slices.DeleteFunc(out, func(f Fault) bool {
		if seen[f] {
			return true
		}
		seen[f] = true
		return false
	})
}

// covering gives the texts of files with stars in place of what is never shown.
func (fs Faults) covering(texts func(file string) []byte) func(file string) []byte {
	if texts == nil {
		return nil
	}
	return func(file string) []byte {
		lines := strings.Split(string(texts(file)), "\n")
		for _, f := range fs {
			if !f.Hidden || f.Span.File != file || f.Span.Line < 1 || f.Span.Line > len(lines) {
				continue
			}
			line := []rune(lines[f.Span.Line-1])
			for i := max(0, f.Span.Col-1); i < min(len(line), f.Span.Col-1+f.Span.Len); i++ {
				line[i] = '*'
			}
			lines[f.Span.Line-1] = string(line)
		}
		return []byte(strings.Join(lines, "\n"))
	}
}

// contextLines is how many lines are drawn above the faulty one.
const contextLines = 2

// maxDrawn cuts a very long line so that a frame stays readable.
const maxDrawn = 200

// Render draws each fault with its lines, the stretch underlined, words and hint. texts gives the content of a file, nil
// when it is not at hand.
func Render(w io.Writer, faults Faults, texts func(file string) []byte) error {
	var out strings.Builder
	for i, f := range faults.Sorted() {
		if i > 0 {
			out.WriteByte('\n')
		}
		f.draw(&out, faults.covering(texts))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (f Fault) draw(out *strings.Builder, texts func(string) []byte) {
	fmt.Fprintf(out, "%s:%d:%d  %s %s  %s\n", f.Span.File, f.Span.Line, f.Span.Col, f.Severity, f.Code, f.Title)
	if texts != nil {
		f.frame(out, texts(f.Span.File))
	}
	fmt.Fprintf(out, "  %s\n", f.Message)
	if f.Hint != "" {
		fmt.Fprintf(out, "  %s\n", f.Hint)
	}
	fmt.Fprintf(out, "  help: waybill explain %s\n", f.Code)
}

func (f Fault) frame(out *strings.Builder, text []byte) {
	lines := strings.Split(string(text), "\n")
	if len(text) == 0 || f.Span.Line < 1 || f.Span.Line > len(lines) {
		return
	}
	width := max(5, len(fmt.Sprint(f.Span.Line))+1)
	for n := max(1, f.Span.Line-contextLines); n <= f.Span.Line; n++ {
		fmt.Fprintf(out, "%*d | %s\n", width, n, drawn(lines[n-1]))
	}
	before := max(0, f.Span.Col-1)
	if before >= maxDrawn {
		return
	}
	length := max(1, min(f.Span.Len, utf8.RuneCountInString(drawn(lines[f.Span.Line-1]))-before))
	fmt.Fprintf(out, "%*s | %s%s\n", width, "", strings.Repeat(" ", before), strings.Repeat("^", length))
}

// drawn makes a line safe for a terminal: tabs are one space wide, control characters are shown, long lines are cut.
func drawn(line string) string {
	line = strings.TrimSuffix(line, "\r")
	var out strings.Builder
	count := 0
	for _, r := range line {
		if count++; count > maxDrawn {
			out.WriteString("…")
			break
		}
		switch {
		case r == '\t':
			r = ' '
		case r < ' ' || (r >= 0x7f && r < 0xa0) || r == 0x202e || r == 0x2066 || r == 0x2067 || r == 0x2068:
			r = '\uFFFD'
		}
		out.WriteRune(r)
	}
	return out.String()
}
