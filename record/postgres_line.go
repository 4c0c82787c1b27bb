package record

import (
	"fmt"
	"strings"
	"time"
)

// Statements whose answer nobody waits for, and serials without asking.

// maxLine is how many statements stand in line before their answers are read: their answers must fit on the way back. maxWaiting is
// how many rows wait to share a statement.
const (
	maxLine    = 400
	maxWaiting = 4096
)

// lateError is a statement in line that was refused, or changed nothing where it had to: noticed only after the act had gone
// on. The batch is taken back and run again with each answer waited for.
type lateError struct{ err error }

func (e *lateError) Error() string { return e.err.Error() }
func (e *lateError) Unwrap() error { return e.err }

// liner is a session that can put statements in line.
type liner interface {
	// later runs a statement some time before settle returns; must says that it has to do something to each of its rows.
	later(must bool, text string, args ...any) error
	// laterNew is later for a new row of a table with a serial, which it returns.
	laterNew(text string, args ...any) (int64, error)
	// ask puts a query in line, whose rows settle gives to each.
	ask(text string, args []any, each func(row) error) error
	// settle reads every answer that stands out.
	settle() error
}

func (c *pgConn) later(must bool, text string, args ...any) error {
	if c.dead != nil {
		return c.dead
	}
	s := c.shape(text, len(args), must)
	if s.width == 0 || !c.join(s, args) {
		g := &pgGroup{shape: s, args: append(s.spare, args...), rows: 1}
		s.spare = nil
		if s.many != "" {
			g.rows = len(args) / s.width
		}
		c.groups = append(c.groups, g)
	}
	c.waiting++
	if c.waiting < maxWaiting {
		return nil
	}
	return c.settle()
}

// shape reads a statement, once.
func (c *pgConn) shape(text string, args int, must bool) *shape {
	s := c.shapes[shapeKey{text, must}]
	if s != nil {
		return s
	}
	s = shapeOf(text, args, must)
	for _, known := range c.shapes {
		if known.one == s.one {
			s = known // the same rows, given in another number
			break
		}
	}
	c.shapes[shapeKey{text, must}] = s
	return s
}

type shapeKey struct {
	text string
	must bool
}

// asked is a query in line.
type asked struct {
	rows *pgRows
	each func(row) error
}

func (c *pgConn) ask(text string, args []any, each func(row) error) error {
	if err := c.pour(); err != nil {
		return err
	}
	st, err := c.statement(text, args)
	if err != nil {
		return err
	}
	rows := c.rowsFor(st)
	c.asked = append(c.asked, asked{rows, each})
	return c.put(st, args, pgEntry{rows: rows})
}

func (c *pgConn) settle() error {
	if err := c.pour(); err != nil {
		return err
	}
	if len(c.line) > 0 {
		if err := c.trip(); err != nil {
			return err
		}
	}
	all := c.asked
	c.asked = nil
	for _, a := range all {
		if err := a.rows.each(a.each); err != nil {
			return err
		}
		c.spares = append(c.spares, a.rows)
	}
	return nil
}

// numbered is an INSERT that is told its serial.
type numbered struct{ table, text string }

func (c *pgConn) laterNew(text string, args ...any) (int64, error) {
	n, ok := c.numbered[text]
	if !ok {
		n.table = strings.Fields(text)[2]
		n.text = strings.Replace(text, "(", "(seq, ", 1)
		n.text = strings.Replace(n.text, "VALUES (", fmt.Sprintf("VALUES ($%d, ", len(args)+1), 1)
		c.numbered[text] = n
	}
	seq, err := c.serial(n.table)
	if err != nil {
		return 0, err
	}
	c.row = append(append(c.row[:0], args...), seq)
	return seq, c.later(true, n.text, c.row...)
}

// serials are numbers of a table that were taken in advance. They are used within a moment, so that rows of several nodes
// stand nearly in the order of writing; and as many are taken as are used in a moment, so that few are lost.
type serials struct {
	free []int64
	at   time.Time
	n    int
}

const (
	serialsFor  = 200 * time.Millisecond
	mostSerials = 1024
)

// takeSerials looks the sequence up once, not for every number.
const takeSerials = `SELECT nextval(s.name) FROM (SELECT CAST(pg_get_serial_sequence($1, 'seq') AS regclass) AS name OFFSET 0) AS s,
	generate_series(1, $2)`

func (c *pgConn) serial(table string) (int64, error) {
	s := c.serials[table]
	if s == nil {
		s = &serials{n: 1}
		c.serials[table] = s
	}
	if age := time.Since(s.at); len(s.free) == 0 || age > serialsFor {
		if len(s.free) == 0 && age < serialsFor {
			s.n = min(2*s.n, mostSerials)
		} else {
			s.n = max(1, s.n/4)
		}
		s.free, s.at = s.free[:0], time.Now()
		err := c.queryNow(takeSerials, []any{table, s.n}, func(r row) error {
			s.free = append(s.free, r.num(0))
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	seq := s.free[0]
	s.free = s.free[1:]
	return seq, nil
}
