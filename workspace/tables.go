package workspace

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"waybill/expr"
	"waybill/source"
)

// Table is a translation table.
type Table struct {
	Name      string
	Kept      string // git, desk
	Rows      map[string]string
	Keys      []string // in the order written
	Otherwise string   // refuse, ask, or = and the value to take
	File      string
}

// The answers of a table to a value it does not list.
const (
	OtherwiseRefuse = "refuse"
	OtherwiseAsk    = "ask"
)

// Lookup returns the value for key; ok is false when the table refuses or asks.
func (t *Table) Lookup(key string) (value string, ok bool) {
	if value, ok = t.Rows[key]; ok {
		return value, true
	}
	if value, ok = strings.CutPrefix(t.Otherwise, "="); ok {
		return value, true
	}
	return "", false
}

// declared is the table as the expression checker sees it. One that asks or refuses must list every known value.
func (t *Table) declared() expr.Table {
	return expr.Table{Name: t.Name, Keys: t.Keys, Otherwise: strings.HasPrefix(t.Otherwise, "=")}
}

// maxRows bounds a table; a longer list belongs into a system of its own.
const maxRows = 20000

// parseTable reads tables/NAME.csv.
func parseTable(name, file string, text []byte) (*Table, source.Faults) {
	t := &Table{Name: name, File: file, Kept: "git", Rows: map[string]string{}}
	var faults source.Faults
	place := func(line, col, length int) source.Span {
		return source.Span{Pos: source.Pos{File: file, Line: line, Col: col}, Len: max(1, length)}
	}
	if !utf8.Valid(text) {
		faults.Add(source.Codes, "E101", place(1, 1, 1), "The file is no UTF-8 text.", "Save it again as UTF-8.")
		return nil, faults
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	t.comment(string(text), place, &faults)
	r := csv.NewReader(bytes.NewReader(text))
	r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace = '#', -1, true
	lines := map[string]int{}
	for first := true; ; first = false {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			faults.Add(Codes, "E357", place(bad.Line, max(1, bad.Column), 1), "The row cannot be read: "+bad.Err.Error()+".",
				`Write a value that holds a comma or a quote in double quotes: "a, b".`)
			break
		}
		if err != nil {
			faults.Add(Codes, "E364", place(1, 1, 1), "The table cannot be read: "+err.Error()+".", "")
			break
		}
		line, col := r.FieldPos(0)
		if first {
			if !slices.Equal(trimmed(row), []string{"key", "value"}) {
				faults.Add(Codes, "E357", place(line, col, len(strings.Join(row, ","))), "The first row must be key,value.",
					"Add the row key,value above this one.")
				lines = t.row(row, line, place, lines, &faults)
			}
			continue
		}
		lines = t.row(row, line, place, lines, &faults)
		if len(t.Keys) > maxRows {
			faults.Add(Codes, "E357", place(line, 1, 1), fmt.Sprintf("The table has more than %d rows.", maxRows), "")
			break
		}
	}
	if faults.Bad() {
		return nil, faults
	}
	return t, faults
}

type placer = func(line, col, length int) source.Span

func (t *Table) row(row []string, line int, place placer, lines map[string]int, faults *source.Faults) map[string]int {
	row = trimmed(row)
	if len(row) != 2 {
		faults.Add(Codes, "E357", place(line, 1, len(strings.Join(row, ","))),
			fmt.Sprintf("This row has %d columns; it needs a key and a value.", len(row)), "Write: key,value")
		return lines
	}
	if first, twice := lines[row[0]]; twice {
		faults.Add(Codes, "E357", place(line, 1, len(row[0])), fmt.Sprintf("The key %q stands in line %d already.", row[0], first),
			"Remove one of the two rows.")
		return lines
	}
	lines[row[0]] = line
	t.Rows[row[0]] = row[1]
	t.Keys = append(t.Keys, row[0])
	return lines
}

func trimmed(row []string) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		out[i] = strings.TrimSpace(cell)
	}
	return out
}

// comment reads what the first line says: # otherwise: ask, kept: desk.
func (t *Table) comment(text string, place placer, faults *source.Faults) {
	line, _, _ := strings.Cut(text, "\n")
	line = strings.TrimRight(line, "\r")
	said, isComment := strings.CutPrefix(line, "#")
	if !isComment || !strings.Contains(said, "otherwise") {
		faults.Add(Codes, "E358", place(1, 1, len(line)), "The table does not say what happens to a value it does not list.",
			"Begin the file with: # otherwise: refuse")
		return
	}
	for part := range strings.SplitSeq(said, ",") {
		key, value, _ := strings.Cut(part, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		at := place(1, 1+utf8.RuneCountInString(line[:strings.Index(line, part)])+leading(part), len(strings.TrimSpace(part)))
		switch {
		case key == "otherwise" && (value == OtherwiseRefuse || value == OtherwiseAsk || strings.HasPrefix(value, "=")):
			t.Otherwise = value
			if v, ok := strings.CutPrefix(value, "="); ok {
				t.Otherwise = "=" + strings.TrimSpace(v)
			}
		case key == "otherwise":
			faults.Add(Codes, "E358", at, fmt.Sprintf("otherwise takes refuse, ask, or = and a value, not %q.", value),
				firstOf(source.DidYouMean(value, []string{OtherwiseRefuse, OtherwiseAsk}), "Write for a value: otherwise: ="+value))
		case key == "kept" && (value == "git" || value == "desk"):
			t.Kept = value
		case key == "kept":
			faults.Add(Codes, "E358", at, fmt.Sprintf("kept takes git or desk, not %q.", value),
				source.DidYouMean(value, []string{"git", "desk"}))
		default:
			faults.Add(Codes, "E358", at, fmt.Sprintf("The first line of a table has no %q; it says otherwise and kept.", key),
				source.DidYouMean(key, []string{"otherwise", "kept"}))
		}
	}
}

func leading(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
