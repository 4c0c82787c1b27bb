package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Statements in line that differ in their values alone go to the server as one, with a row for each: what a statement costs there
// is mostly the statement, not its row.

// shape is a statement as far as it can share one with others of its text.
type shape struct {
	one   string // its text for one row
	many  string // the same for any number of rows, which come as an array for each place; empty when there is no such text
	width int    // places of one row
	table string
	key   []int // of one that changes rows: the places that tell which; empty for one that only adds rows
	spare []any // of rows that have gone, for the next ones
}

var (
	insertText = regexp.MustCompile(`(?s)^INSERT INTO (\w+)\s*\(([^)]*)\)\s*VALUES (\([^)]*\))((?:, \([^)]*\))*)(.*)$`)
	upsertTail = regexp.MustCompile(`(?s)^\s*ON CONFLICT \(([^)]*)\) DO UPDATE SET [^$]*$`)
	addTail    = regexp.MustCompile(`(?s)^(?:\s*ON CONFLICT DO NOTHING)?$`)
	updateText = regexp.MustCompile(`(?s)^UPDATE (\w+) SET (.*?)\s+WHERE id = \$1 AND state = \$2$`)
	placeText  = regexp.MustCompile(`\$(\d+)`)
)

// shapeOf reads a statement with so many arguments. One that must do something to each of its rows is refused by the server when
// it does not: so its answer need not be read before the commit is asked for.
func shapeOf(text string, args int, must bool) *shape {
	if m := updateText.FindStringSubmatch(text); m != nil {
		s := &shape{
			one: text, width: args, table: m[1], key: []int{0},
			many: "UPDATE " + m[1] + " SET " + fromRows(m[2]) + " FROM %s WHERE id = u.c1 AND state = u.c2",
		}
		if must {
			s.one, s.many = counted(s.one, "1"), counted(s.many, "cardinality($1)")
		}
		return s
	}
	alone := &shape{one: text, width: args}
	if must {
		alone.one = counted(text, "1")
	}
	m := insertText.FindStringSubmatch(text)
	if m == nil {
		return alone
	}
	table, columns, first, tail := m[1], m[2], m[3], m[5]
	s := &shape{table: table, width: args / (1 + strings.Count(m[4], "("))}
	if u := upsertTail.FindStringSubmatch(tail); u != nil {
		names, values := split(columns), split(strings.Trim(first, "()"))
		for _, name := range split(u[1]) {
			i := slices.Index(names, name)
			place := 0
			if i >= 0 && i < len(values) {
				place, _ = strconv.Atoi(strings.TrimPrefix(values[i], "$"))
			}
			if place == 0 {
				return alone
			}
			s.key = append(s.key, place-1)
		}
	} else if !addTail.MatchString(tail) {
		return alone
	} else if must {
		tail = "" // a key that is there is refused, which costs less than looking for it first
	}
	head := "INSERT INTO " + table + " (" + columns + ") "
	s.one = head + "VALUES " + first + tail
	s.many = head + "SELECT " + strings.Trim(fromRows(first), "()") + " FROM %s" + tail
	return s
}

// counted is a statement that divides by zero when it has changed fewer rows than n.
func counted(text, n string) string {
	return "WITH changed AS (" + text + " RETURNING 1) SELECT 1 / (count(*) / " + n + ") FROM changed"
}

func split(list string) []string {
	parts := strings.Split(list, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func fromRows(text string) string { return placeText.ReplaceAllString(text, "u.c$1") }

// arrayOf are the types of arrays, by those of what they hold.
var arrayOf = map[uint32]struct {
	oid  uint32
	name string
}{
	oidBytea: {1001, "bytea"}, oidInt2: {1005, "int2"}, oidInt4: {1007, "int4"}, oidInt8: {1016, "int8"}, oidText: {1009, "text"},
}

// manyOf is the text for many rows whose places have these types.
func (s *shape) manyOf(types []uint32) string {
	var arrays, names strings.Builder
	for i, oid := range types {
		sep := ", "
		if i == 0 {
			sep = ""
		}
		fmt.Fprintf(&arrays, "%s$%d::%s[]", sep, i+1, arrayOf[oid].name)
		fmt.Fprintf(&names, "%sc%d", sep, i+1)
	}
	return fmt.Sprintf(s.many, "unnest("+arrays.String()+") AS u("+names.String()+")")
}

// pgGroup are rows of one shape that stand in line together.
type pgGroup struct {
	*shape
	args []any // of all rows
	rows int
	seen map[string]struct{}
}

// join puts rows into a group that is in line already; false when their order among the others would matter.
func (c *pgConn) join(s *shape, args []any) bool {
	for _, g := range slices.Backward(c.groups) {
		switch {
		case g.many == "": // nobody knows what it is about
			return false
		case g.shape == s:
			if !g.fresh(args) {
				return false
			}
			g.args = append(g.args, args...)
			g.rows += len(args) / s.width
			return true
		case len(s.key) > 0 && g.table == s.table:
			return false // what it changes may have been added or changed there
		}
	}
	return false
}

// fresh reports whether a group changes none of the rows that args do, and takes note of them.
func (g *pgGroup) fresh(args []any) bool {
	if len(g.key) == 0 {
		return true
	}
	if g.seen == nil {
		g.seen = map[string]struct{}{}
		g.note(g.args)
	}
	before := len(g.seen)
	g.note(args)
	return len(g.seen) == before+len(args)/g.width
}

func (g *pgGroup) note(args []any) {
	var room [128]byte
	for row := range slices.Chunk(args, g.width) {
		key := room[:0]
		for _, i := range g.key {
			switch v := value(row[i]).(type) {
			case string:
				key = append(key, v...)
			case int64:
				key = strconv.AppendInt(key, v, 10)
			case []byte:
				key = append(key, v...)
			}
			key = append(key, 0)
		}
		g.seen[string(key)] = struct{}{}
	}
}

// pour puts what waits in groups into the line of statements. What is refused here was handed over by an act that has gone on.
func (c *pgConn) pour() error {
	groups := c.groups
	c.groups, c.waiting = nil, 0
	for _, g := range groups {
		err := c.putGroup(g)
		var broken *storageError
		switch {
		case errors.As(err, &broken):
			return err
		case err != nil:
			return &lateError{err}
		}
	}
	return nil
}

func (c *pgConn) putGroup(g *pgGroup) error {
	entry := pgEntry{late: true}
	defer g.give()
	one, err := c.statement(g.one, g.args[:g.width])
	if err != nil {
		return err
	}
	if g.rows == 1 {
		return c.put(one, g.args, entry)
	}
	if g.many == "" {
		return fmt.Errorf("%s: %d arguments for %d places", firstWords(g.one), len(g.args), g.width)
	}
	g.order()
	columns := make([]any, g.width)
	for i := range columns {
		columns[i] = pgColumn{g.args, i, g.width, one.params[i]}
	}
	text := c.manyTexts[g.shape]
	if text == "" {
		text = g.manyOf(one.params)
		c.manyTexts[g.shape] = text
	}
	many, err := c.statement(text, columns)
	if err != nil {
		return err
	}
	return c.put(many, columns, entry)
}

// give leaves the room of a group's rows to the next one of its shape.
func (g *pgGroup) give() {
	clear(g.args)
	g.spare = g.args[:0]
}

// order puts rows whose key is a hash in the order of those: two that write the same keys must not wait for each other.
func (g *pgGroup) order() {
	if _, hashed := g.args[0].([]byte); !hashed {
		return
	}
	rows := slices.Collect(slices.Chunk(g.args, g.width))
	slices.SortFunc(rows, func(a, b []any) int { return bytes.Compare(a[0].([]byte), b[0].([]byte)) }) //nolint:forcetypeassert // one type a place
	g.args = slices.Concat(rows...)
}

// pgColumn is one place of many rows, bound as an array.
type pgColumn struct {
	args  []any
	at    int
	width int
	of    uint32
}

// appendArray writes the binary form of an array (array_recv): dimensions, whether there are nulls, type, length, lower bound, and each
// value behind its length.
func (c *pgConn) appendArray(v pgColumn) error {
	rows := len(v.args) / v.width
	for _, n := range []uint32{1, 1, v.of, uint32(rows), 1} { //nolint:gosec // bounded by maxWaiting
		c.out = binary.BigEndian.AppendUint32(c.out, n)
	}
	for i := v.at; i < len(v.args); i += v.width {
		if err := c.appendSized(v.args[i], v.of); err != nil {
			return err
		}
	}
	return nil
}
