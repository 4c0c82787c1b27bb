package record

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"waybill"
)

// Moved says what a move carried over.
type Moved struct {
	To     string // where the book is now, without a password
	Tables []MovedTable
}

// MovedTable is one table of a book that was moved.
type MovedTable struct {
	Name string
	Rows int
	Sum  string // over every value of every row, in whatever order; read back from where it went, it was the same
}

// Move carries the book in an SQLite file over into an empty PostgreSQL database: everything or nothing, in one transaction
// there, which is committed only after every table was read back and found the same in number and content. Then the old
// book is marked, and nobody opens it any more. A move that was cut off may be begun again: it finds out how far it came.
// Errors: Conflict when the old book is in use or was moved, or the new one is not empty; Unavailable.
func Move(ctx context.Context, from, to string, o Options) (Moved, error) {
	path, ok := strings.CutPrefix(from, "sqlite:")
	if !ok || !isPostgres(to) {
		return Moved{}, invalid("a book is moved from an SQLite file to a PostgreSQL database")
	}
	switch known, err := Exists(ctx, from); {
	case err != nil:
		return Moved{}, err
	case !known:
		return Moved{}, &waybill.Error{
			Kind: waybill.NotFound, Message: "there is no book at " + path + "; nothing was moved",
			Hint: "name the workspace that has one, or the book itself with --database sqlite:PATH",
		}
	}
	old, err := openSQLite(ctx, path, Options{Inline: true})
	if err != nil {
		return Moved{}, err
	}
	fresh, err := openPostgres(ctx, to, "")
	if err != nil {
		return Moved{}, errors.Join(err, old.close())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	m := mover{ctx: ctx, old: old, fresh: fresh, o: o}
	moved, err := m.move()
	return moved, errors.Join(err, m.close())
}

// mover is a move under way.
type mover struct {
	ctx   context.Context //nolint:containedctx // of the one move it is made for
	o     Options
	old   *sqliteStore
	fresh *postgresStore
	src   session
	dst   *pgConn
	token string // names this move in both books, however often it is begun
}

func (m *mover) close() error {
	var errs []error
	if m.dst != nil {
		errs = append(errs, m.dst.close())
	}
	if m.src != nil {
		errs = append(errs, m.src.close())
	}
	return errors.Join(append(errs, m.old.close())...)
}

func (m *mover) move() (Moved, error) {
	out := Moved{To: m.fresh.shown}
	if err := m.prepare(); err != nil {
		return out, err
	}
	tables, err := m.tables()
	if err != nil {
		return out, err
	}
	done := false
	err = m.within(func() error {
		if done, err = m.standing(tables); err != nil || done {
			return err
		}
		_, err := m.dst.exec("INSERT INTO book (name, value) VALUES ('moving in', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value", m.token)
		return err
	})
	if err == nil && !done {
		err = m.within(func() (err error) {
			if out.Tables, err = m.carry(tables); err != nil {
				out.Tables = nil
			}
			return err
		})
	}
	if err != nil {
		return out, err
	}
	return out, m.mark()
}

// within does something in one transaction of the new book.
func (m *mover) within(do func() error) error {
	if err := m.dst.begin(m.ctx, true); err != nil {
		return err
	}
	if err := do(); err != nil {
		_ = m.dst.rollback() // the first error says why
		return err
	}
	if err := m.dst.commit(); err != nil {
		return unavailable("the move could not be finished; begin it again, it finds out how far it came", err)
	}
	return nil
}

// carry copies every table into a book that is still empty, and makes it one that may be opened.
func (m *mover) carry(tables []movedTable) ([]MovedTable, error) {
	if _, err := m.standing(tables); err != nil {
		return nil, err
	}
	all, err := m.copyAll(tables)
	if err != nil {
		return nil, err
	}
	if _, err := m.dst.exec("DELETE FROM book WHERE name = 'moving in'"); err != nil {
		return nil, err
	}
	_, err = m.dst.exec("INSERT INTO book (name, value) VALUES ('moved from', $1)", m.token)
	return all, err
}

// prepare opens both books, brings both to this schema, and names the move in the old one.
func (m *mover) prepare() error {
	var err error
	if m.src, err = m.old.writer(m.ctx); err != nil {
		return err
	}
	if err := migrate(m.ctx, m.src, m.old, Options{Now: m.o.Now}); err != nil {
		return err
	}
	environment, token := "", newVoice()
	if _, err := m.src.exec("INSERT INTO book (name, value) VALUES ('moving', $1) ON CONFLICT DO NOTHING", token); err != nil {
		return err
	}
	err = m.src.query("SELECT name, value FROM book", nil, func(r row) error {
		switch r.text(0) {
		case "environment":
			environment = r.text(1)
		case "moving":
			m.token = r.text(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if m.dst, err = m.fresh.dial(m.ctx); err != nil {
		return err
	}
	return migrate(m.ctx, m.dst, m.fresh, Options{Now: m.o.Now, Environment: environment, moving: true})
}

// movedColumn is a column of the old book.
type movedColumn struct {
	name, kind string
	null       bool
}

type movedTable struct {
	name    string
	columns []movedColumn
}

func (m *mover) tables() ([]movedTable, error) {
	var all []movedTable
	err := m.src.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'migrations' ORDER BY name",
		nil, func(r row) error {
			all = append(all, movedTable{name: r.text(0)})
			return nil
		})
	for i := 0; err == nil && i < len(all); i++ {
		err = m.src.query("SELECT name, type, \"notnull\", pk FROM pragma_table_info('"+all[i].name+"')", nil, func(r row) error {
			all[i].columns = append(all[i].columns, movedColumn{r.text(0), r.text(1), r.num(2) == 0 && r.num(3) == 0})
			return nil
		})
	}
	return all, err
}

// standing reports whether this very move has been committed there; any other book there is refused.
func (m *mover) standing(tables []movedTable) (done bool, err error) {
	from := ""
	err = m.dst.query("SELECT value FROM book WHERE name = 'moved from'", nil, func(r row) error {
		from = r.text(0)
		return nil
	})
	if err != nil || from == m.token {
		return from == m.token, err
	}
	for _, t := range tables {
		if t.name == "book" {
			continue
		}
		some := false
		if err := m.dst.query("SELECT 1 FROM "+t.name+" LIMIT 1", nil, func(row) error { some = true; return nil }); err != nil {
			return false, err
		}
		if some {
			return false, &waybill.Error{
				Kind: waybill.Conflict, Message: fmt.Sprintf("the database %s is not empty: its table %s has rows", m.fresh.shown, t.name),
				Hint: "move into an empty database; a book is never mixed with another",
			}
		}
	}
	return false, nil
}

// atATime is how many rows go out, and come back, together.
const atATime = 500

func (m *mover) copyAll(tables []movedTable) ([]MovedTable, error) {
	var out []MovedTable
	for _, t := range tables {
		sent, err := m.copyTable(t)
		if err != nil {
			return nil, fmt.Errorf("move the table %s: %w", t.name, err)
		}
		if t.name == "book" {
			continue // its environment stands there already, and its marks are of this file
		}
		back, err := m.readBack(t)
		if err != nil {
			return nil, fmt.Errorf("read the table %s back: %w", t.name, err)
		}
		if back != sent {
			return nil, fmt.Errorf("the table %s came out different: %d rows with the sum %s went, %d with %s are there; nothing was moved",
				t.name, sent.Rows, sent.Sum, back.Rows, back.Sum)
		}
		out = append(out, sent)
	}
	return out, nil
}

// names lists a table's columns; to be read, each that may be null is followed by whether it is.
func (t movedTable) names(reading bool) string {
	var list []string
	for _, c := range t.columns {
		list = append(list, c.name)
		if reading && c.null {
			list = append(list, "CASE WHEN "+c.name+" IS NULL THEN 1 ELSE 0 END")
		}
	}
	return strings.Join(list, ", ")
}

func (m *mover) copyTable(t movedTable) (MovedTable, error) {
	places := make([]string, len(t.columns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	text := "INSERT INTO " + t.name + " (" + t.names(false) + ") VALUES (" + strings.Join(places, ", ") + ")"
	if t.name == "book" { // the key that seals the secrets, above all: one that another machine had put there sealed nothing
		text += " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
	}
	sum, args, waiting := tableSum{}, make([]any, len(t.columns)), 0
	skip := func(name string) bool { return t.name == "book" && name == "moving" }
	err := m.src.query("SELECT "+t.names(true)+" FROM "+t.name, nil, func(r row) error {
		size := t.read(r, args)
		if first, ok := args[0].(string); ok && skip(first) {
			return nil
		}
		sum.add(args)
		st, err := m.dst.statement(text, args)
		if err != nil {
			return err
		}
		if err := m.dst.put(st, args, pgEntry{}); err != nil {
			return err
		}
		if waiting += 1 + size/4096; waiting < atATime {
			return m.ctx.Err()
		}
		waiting = 0
		return m.dst.trip()
	})
	if err == nil {
		err = m.dst.trip()
	}
	if err == nil && t.columns[0].name == "seq" {
		err = m.dst.query("SELECT setval(pg_get_serial_sequence($1, 'seq'), (SELECT coalesce(max(seq), 0) + 1 FROM "+t.name+"), false)",
			[]any{t.name}, func(row) error { return nil })
	}
	return MovedTable{t.name, sum.rows, sum.text()}, err
}

// read brings a row into args, as both databases hold it.
func (t movedTable) read(r row, args []any) (size int) {
	at := 0
	for i, c := range t.columns {
		switch c.kind {
		case "INTEGER":
			args[i] = r.num(at)
		case "BLOB":
			b := r.bytes(at)
			args[i], size = b, size+len(b)
		default:
			args[i] = plainText(r.text(at))
		}
		if c.null {
			if at++; r.num(at) != 0 {
				args[i] = nil
			}
		}
		at++
	}
	return size
}

// readBack reads what stands in the new book, a part at a time.
func (m *mover) readBack(t movedTable) (MovedTable, error) {
	if _, err := m.dst.exec("DECLARE back_" + t.name + " CURSOR FOR SELECT " + t.names(true) + " FROM " + t.name); err != nil {
		return MovedTable{}, err
	}
	sum, args := tableSum{}, make([]any, len(t.columns))
	for n := atATime; n == atATime; {
		n = 0
		err := m.dst.query(fmt.Sprintf("FETCH %d FROM back_%s", atATime, t.name), nil, func(r row) error {
			n++
			t.read(r, args)
			sum.add(args)
			return m.ctx.Err()
		})
		if err != nil {
			return MovedTable{}, err
		}
	}
	_, err := m.dst.exec("CLOSE back_" + t.name)
	return MovedTable{t.name, sum.rows, sum.text()}, err
}

// mark keeps the old book from being opened again.
func (m *mover) mark() error {
	_, err := m.src.exec("INSERT INTO book (name, value) VALUES ('moved', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value", m.fresh.shown)
	if err != nil {
		return unavailable("the book was moved, but the old one could not be marked; begin the move again", err)
	}
	return nil
}

// tableSum adds up rows so that their order does not matter.
type tableSum struct {
	rows int
	sum  [2]uint64
	buf  []byte
}

func (s *tableSum) add(values []any) {
	s.buf = s.buf[:0]
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			s.buf = append(s.buf, 0)
		case int64:
			s.buf = binary.BigEndian.AppendUint64(append(s.buf, 1), uint64(v))
		case string:
			s.buf = append(binary.AppendUvarint(append(s.buf, 2), uint64(len(v))), v...)
		case []byte:
			if v == nil {
				s.buf = append(s.buf, 0)
				continue
			}
			s.buf = append(binary.AppendUvarint(append(s.buf, 3), uint64(len(v))), v...)
		}
	}
	h := sha256.Sum256(s.buf)
	s.rows++
	s.sum[0] += binary.BigEndian.Uint64(h[:8])
	s.sum[1] += binary.BigEndian.Uint64(h[8:16])
}

func (s *tableSum) text() string { return fmt.Sprintf("%016x%016x", s.sum[0], s.sum[1]) }

// MovedTo tells where the book in an SQLite file was moved to; empty when it was not. A book that is in use was not.
func MovedTo(ctx context.Context, path string) (string, error) {
	st, err := openSQLite(ctx, path, Options{Inline: true})
	if err != nil {
		if waybill.KindOf(err) == waybill.Conflict {
			err = nil
		}
		return "", err
	}
	s, err := st.writer(ctx)
	if err != nil {
		return "", errors.Join(err, st.close())
	}
	to, err := movedTo(s)
	return to, errors.Join(err, s.close(), st.close())
}

func movedTo(s session) (to string, err error) {
	err = s.query("SELECT value FROM book WHERE name = 'moved'", nil, func(r row) error {
		to = r.text(0)
		return nil
	})
	return to, err
}

// refuseMoved refuses a book that was moved elsewhere: what it would take in nobody would see there. And one that another is
// being moved into, but by the mover: it looks empty, and would take as new what the other one knows.
func refuseMoved(s session, mover bool) error {
	to, err := movedTo(s)
	if err == nil && to != "" {
		return &waybill.Error{
			Kind: waybill.Conflict, Message: "this book was moved to the database " + to,
			Hint: "serve it from there with --database postgres://…; this file is what it was before",
		}
	}
	half := false
	if err == nil && !mover {
		err = s.query("SELECT value FROM book WHERE name = 'moving in'", nil, func(row) error { half = true; return nil })
	}
	if half {
		return &waybill.Error{
			Kind: waybill.Conflict, Message: "a book is being moved into this database, or its move was cut off: it is not whole",
			Hint: "wait, or begin the move again: it finds out how far it came; until then the old book is served as before",
		}
	}
	return err
}
