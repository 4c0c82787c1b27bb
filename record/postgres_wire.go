package record

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// The types of PostgreSQL that a book binds and reads, by their numbers.
const (
	oidBytea = 17
	oidInt8  = 20
	oidInt2  = 21
	oidInt4  = 23
	oidText  = 25
)

// pgConn is a connection to PostgreSQL, as pgx opened it. It speaks the extended protocol itself, because what costs is not
// the statement but the round trip: statements are put in line, and what is in line goes out together with the first one
// whose answer is needed.
type pgConn struct {
	conn     net.Conn
	fe       *pgproto3.Frontend
	pid      uint32
	named    bool
	local    string
	prepared map[string]*pgStatement
	made     int // statements that have a name

	line   []pgEntry // sent or about to be, in order; their answers are not read yet
	owed   bool      // the end of a read transaction is still to be read
	inTx   byte      // I idle, T in a transaction, E in one that failed
	dead   error
	used   time.Time
	ctx    context.Context //nolint:containedctx // of the read transaction under way
	forget func() bool

	groups    []*pgGroup // rows that wait to go into line
	waiting   int        // how many statements they are of
	asked     []asked    // queries in line
	shapes    map[shapeKey]*shape
	manyTexts map[*shape]string
	numbered  map[string]numbered
	serials   map[string]*serials

	out    []byte // messages that wait to be sent
	row    []any  // a row that is being made up
	spares []*pgRows
}

// pgStatement is a statement as the server knows it.
type pgStatement struct {
	name     string // empty: it is parsed each time
	text     string
	declared []uint32
	params   []uint32
	fields   []uint32
	formats  []int16
}

// pgEntry is a place in line.
type pgEntry struct {
	st       *pgStatement
	describe bool
	rows     *pgRows // where rows go; nil when none are wanted
	changed  *int    // where the count of rows goes
	late     bool    // nobody waits for its answer
	tag      *string
}

func (c *pgConn) close() error {
	if c.forget != nil {
		c.forget()
	}
	if c.dead == nil {
		c.say(&pgproto3.Terminate{})
		_ = c.conn.SetDeadline(time.Now().Add(time.Second))
		_, _ = c.conn.Write(c.out) // the server notices the closed connection too
	}
	err := c.conn.Close()
	if errors.Is(err, net.ErrClosed) || c.dead != nil {
		return nil //nolint:nilerr // it is closed, which is all that was wanted
	}
	return err
}

// --- the line ---

// trip sends what is in line and reads every answer. The first error stands for all that came after it.
func (c *pgConn) trip() error {
	if c.dead != nil {
		return c.dead
	}
	c.say(&pgproto3.Sync{})
	if err := c.send(); err != nil {
		return err
	}
	return c.receive()
}

// say puts a message behind those that wait to be sent.
func (c *pgConn) say(m pgproto3.FrontendMessage) {
	out, err := m.Encode(c.out)
	if err != nil { // it is longer than a message may be
		_ = c.die(err)
		return
	}
	c.out = out
}

func (c *pgConn) send() error {
	if c.dead != nil {
		return c.dead
	}
	if c.ctx == nil {
		if err := c.conn.SetDeadline(time.Now().Add(answersWithin)); err != nil {
			return c.die(err)
		}
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	if cap(c.out) > maxKept {
		c.out = nil
	}
	if err != nil {
		return c.die(err)
	}
	return nil
}

// receive reads up to the end of what was sent last.
func (c *pgConn) receive() error {
	var failed error
	at := 0
	for {
		msg, err := c.fe.Receive()
		if err != nil {
			return c.die(errors.Join(failed, err))
		}
		var e *pgEntry
		if at < len(c.line) {
			e = &c.line[at]
		}
		switch m := msg.(type) {
		case *pgproto3.ReadyForQuery:
			c.inTx = m.TxStatus
			c.used = time.Now()
			clear(c.line)
			c.line = c.line[:0]
			return failed
		case *pgproto3.ErrorResponse:
			if failed == nil {
				failed = judgePostgres(e, m)
				if _, refused := failed.(*abortedError); refused && e != nil && e.late { //nolint:errorlint // made just now
					failed = &lateError{failed}
				}
			}
			if m.Severity == "FATAL" || m.Severity == "PANIC" {
				return c.die(failed)
			}
		case *pgproto3.ParameterDescription:
			e.st.params = append([]uint32{}, m.ParameterOIDs...)
		case *pgproto3.RowDescription:
			e.st.describe(m)
			at++ // asked for only when a statement is described
		case *pgproto3.NoData:
			at++
		case *pgproto3.DataRow:
			if e.rows != nil {
				e.rows.add(m.Values)
			}
		case *pgproto3.CommandComplete:
			if e.changed != nil {
				*e.changed = changedBy(m.CommandTag)
			}
			if e.tag != nil {
				*e.tag = string(m.CommandTag)
			}
			at++
		case *pgproto3.EmptyQueryResponse:
			at++
		}
	}
}

func (st *pgStatement) describe(m *pgproto3.RowDescription) {
	st.fields = make([]uint32, len(m.Fields))
	st.formats = make([]int16, len(m.Fields))
	for i, f := range m.Fields {
		st.fields[i] = f.DataTypeOID
		switch f.DataTypeOID {
		case oidBytea, oidInt2, oidInt4, oidInt8, oidText:
			st.formats[i] = 1 // binary
		}
	}
}

// die gives the connection up: what it would answer next is not known any more.
func (c *pgConn) die(err error) error {
	var s *storageError
	if !errors.As(err, &s) {
		s = &storageError{err: err}
	}
	c.dead = s
	_ = c.conn.Close()
	return s
}

// changedBy reads how many rows a command changed from its tag: INSERT 0 1, UPDATE 3.
func changedBy(tag []byte) int {
	n, unit := 0, 1
	for i := len(tag) - 1; i >= 0 && tag[i] >= '0' && tag[i] <= '9'; i-- {
		n += unit * int(tag[i]-'0')
		unit *= 10
	}
	return n
}

// judgePostgres tells a refused statement from storage that fails, and from work that has only to be done again.
func judgePostgres(e *pgEntry, m *pgproto3.ErrorResponse) error {
	text := "the connection"
	if e != nil {
		text = firstWords(e.st.text)
	}
	err := fmt.Errorf("%s: %w", text, pgconn.ErrorResponseToPgError(m))
	switch {
	case m.Code == "40001", m.Code == "40P01", // another transaction was first; this one left nothing behind
		strings.HasPrefix(m.ConstraintName, "pg_"): // a table that another node is making
		return &storageError{err: err, again: true}
	case len(m.Code) == 5:
		switch m.Code[:2] {
		case "08", "53", "55", "57", "58", "F0", "XX":
			return &storageError{err: err}
		}
	}
	if m.Code == "25006" { // read only: it has become a standby
		return &storageError{err: err}
	}
	return &abortedError{err}
}

// --- statements ---

// statement returns a text as the server knows it, asking for what it takes and gives the first time.
func (c *pgConn) statement(text string, args []any) (*pgStatement, error) {
	if st := c.prepared[text]; st != nil {
		return st, nil
	}
	if c.dead != nil {
		return nil, c.dead
	}
	st := &pgStatement{text: text, declared: make([]uint32, len(args))}
	for i, arg := range args {
		switch v := value(arg).(type) {
		case int64:
			st.declared[i] = oidInt8
		case string:
			st.declared[i] = oidText
		case []byte:
			st.declared[i] = oidBytea
		case pgColumn:
			st.declared[i] = arrayOf[v.of].oid
		}
	}
	if c.named {
		st.name = "w" + strconv.Itoa(c.made)
		c.made++
	}
	c.say(&pgproto3.Parse{Name: st.name, Query: text, ParameterOIDs: st.declared})
	c.say(&pgproto3.Describe{ObjectType: 'S', Name: st.name})
	c.line = append(c.line, pgEntry{st: st, describe: true})
	err := c.trip()
	if st.params == nil { // the server has not come to it
		return nil, errors.Join(err, fmt.Errorf("%s: the server did not say what it takes", firstWords(text)))
	}
	c.prepared[text] = st // also when what stood in line before it went wrong
	return st, err
}

// put puts a statement in line.
func (c *pgConn) put(st *pgStatement, args []any, e pgEntry) error {
	if len(args) != len(st.params) {
		return fmt.Errorf("%s: %d arguments for %d places", firstWords(st.text), len(args), len(st.params))
	}
	before := len(c.out)
	if st.name == "" {
		c.say(&pgproto3.Parse{Query: st.text, ParameterOIDs: st.declared})
	}
	if err := c.bind(st, args); err != nil {
		c.out = c.out[:before]
		return fmt.Errorf("%s: %w", firstWords(st.text), err)
	}
	c.say(&pgproto3.Execute{})
	e.st = st
	c.line = append(c.line, e)
	if len(c.line) >= maxLine {
		return c.trip()
	}
	return nil
}

// command puts a statement in line that takes nothing and gives nothing that is wanted.
func (c *pgConn) command(text string, tag *string) {
	st := &pgStatement{text: text}
	c.say(&pgproto3.Parse{Query: text})
	c.say(&pgproto3.Bind{})
	c.say(&pgproto3.Execute{})
	c.line = append(c.line, pgEntry{st: st, tag: tag})
}

// maxMessage is the longest message that a server takes.
const maxMessage = 1<<30 - 1

// bind writes the message Bind: no name of a portal, that of the statement, all values binary, and in which form each column
// of the answer is wanted. The values go straight into what is sent.
func (c *pgConn) bind(st *pgStatement, args []any) error {
	be := binary.BigEndian
	from := len(c.out)
	c.out = append(c.out, 'B', 0, 0, 0, 0, 0)
	c.out = append(append(c.out, st.name...), 0)
	c.out = be.AppendUint16(be.AppendUint16(c.out, 1), 1)
	c.out = be.AppendUint16(c.out, uint16(len(args))) //nolint:gosec // as many as the server said
	for i, arg := range args {
		if err := c.appendSized(arg, st.params[i]); err != nil {
			return fmt.Errorf("$%d: %w", i+1, err)
		}
	}
	c.out = be.AppendUint16(c.out, uint16(len(st.formats))) //nolint:gosec // as many as the server said
	for _, format := range st.formats {
		c.out = be.AppendUint16(c.out, uint16(format)) //nolint:gosec // 0 or 1
	}
	n := len(c.out) - from - 1
	if n > maxMessage {
		return fmt.Errorf("%d bytes are more than a statement can take", n)
	}
	be.PutUint32(c.out[from+1:], uint32(n)) //nolint:gosec // compared just now
	return nil
}

// appendSized writes a value in the binary form of a type, behind its length; of null, that is -1.
func (c *pgConn) appendSized(v any, oid uint32) error {
	from := len(c.out)
	c.out = binary.BigEndian.AppendUint32(c.out, 0)
	null, err := c.appendValue(v, oid)
	if err != nil {
		return err
	}
	n := len(c.out) - from - 4
	if null {
		n = -1
	}
	binary.BigEndian.PutUint32(c.out[from:], uint32(n)) //nolint:gosec // bind looks at the length of all
	return nil
}

func (c *pgConn) appendValue(v any, oid uint32) (null bool, err error) {
	switch v := v.(type) {
	case string:
		return false, c.appendText(v, oid)
	case int64:
		return false, c.appendNumber(v, oid)
	case []byte:
		if oid != oidBytea {
			return false, fmt.Errorf("bytes cannot be bound to type %d", oid)
		}
		c.out = append(c.out, v...)
		return v == nil, nil
	case pgColumn:
		return false, c.appendArray(v)
	case nil:
		return true, nil
	}
	switch v := value(v).(type) {
	case string:
		return false, c.appendText(v, oid)
	case int64:
		return false, c.appendNumber(v, oid)
	}
	return false, fmt.Errorf("%T cannot be bound", v)
}

func (c *pgConn) appendNumber(v int64, oid uint32) error {
	switch oid {
	case oidInt8:
		c.out = binary.BigEndian.AppendUint64(c.out, uint64(v)) //nolint:gosec // the same bits
	case oidInt4:
		if int64(int32(v)) != v { //nolint:gosec // compared
			return fmt.Errorf("%d is too large", v)
		}
		c.out = binary.BigEndian.AppendUint32(c.out, uint32(v)) //nolint:gosec // compared just now
	default:
		return fmt.Errorf("a number cannot be bound to type %d", oid)
	}
	return nil
}

// appendText writes a text. It cannot hold everything that strangers send.
func (c *pgConn) appendText(v string, oid uint32) error {
	if oid != oidText {
		return fmt.Errorf("a text cannot be bound to type %d", oid)
	}
	c.out = append(c.out, plainText(v)...)
	return nil
}

// plainText is a text as PostgreSQL can hold it: what is no text in it is replaced by the sign for that.
func plainText(v string) string {
	if strings.IndexByte(v, 0) < 0 && utf8.ValidString(v) {
		return v
	}
	return strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD")
}

func (c *pgConn) exec(text string, args ...any) (int, error) {
	if err := c.pour(); err != nil {
		return 0, err
	}
	if len(args) == 0 && !worthKeeping(text) {
		c.command(text, nil)
		return 0, c.trip()
	}
	st, err := c.statement(text, args)
	if err != nil {
		return 0, err
	}
	changed := 0
	if err := c.put(st, args, pgEntry{changed: &changed}); err != nil {
		return 0, err
	}
	return changed, c.trip()
}

// worthKeeping tells the statements of the book from those of migrations and transactions, which are said once.
func worthKeeping(text string) bool {
	for _, word := range []string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "FETCH"} {
		if strings.HasPrefix(text, word) {
			return true
		}
	}
	return false
}

func (c *pgConn) insert(text string, args ...any) (serial int64, changed int, err error) {
	err = c.query(text+" RETURNING seq", args, func(r row) error {
		serial, changed = r.num(0), 1
		return nil
	})
	return serial, changed, err
}

func (c *pgConn) query(text string, args []any, each func(row) error) error {
	if err := c.pour(); err != nil {
		return err
	}
	return c.queryNow(text, args, each)
}

// queryNow is query for what does not depend on the rows that wait to go into line.
func (c *pgConn) queryNow(text string, args []any, each func(row) error) error {
	st, err := c.statement(text, args)
	if err != nil {
		return err
	}
	rows := c.rowsFor(st)
	if err := c.put(st, args, pgEntry{rows: rows}); err != nil {
		return err
	}
	if err := c.trip(); err != nil {
		return err
	}
	if err := rows.each(each); err != nil {
		return err
	}
	c.spares = append(c.spares, rows)
	return nil
}

// rowsFor is where the rows of an answer go.
func (c *pgConn) rowsFor(st *pgStatement) *pgRows {
	rows := &pgRows{}
	if n := len(c.spares); n > 0 {
		rows, c.spares = c.spares[n-1], c.spares[:n-1]
	}
	rows.reset(st)
	return rows
}

// --- transactions ---

func (c *pgConn) begin(ctx context.Context, write bool) error {
	if c.dead != nil {
		return c.dead
	}
	if c.owed {
		c.owed = false
		if err := c.receive(); err != nil {
			return c.die(err)
		}
	}
	if time.Since(c.used) > pingAfter { // it may have been cut meanwhile: better found out now than by an act
		if err := c.trip(); err != nil {
			return err
		}
	}
	if write {
		c.command("BEGIN ISOLATION LEVEL READ COMMITTED", nil)
		c.command(c.local, nil)
		return nil
	}
	c.ctx = ctx
	until, bounded := ctx.Deadline()
	if !bounded {
		until = time.Now().Add(answersWithin)
	}
	if err := c.conn.SetDeadline(until); err != nil {
		return c.die(err)
	}
	c.forget = context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	c.command("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", nil)
	return nil
}

// commit ends a write transaction. A transaction that failed is rolled back by the server, whose answer says so.
func (c *pgConn) commit() error {
	if err := c.pour(); err != nil {
		return err
	}
	tag := ""
	c.command("COMMIT", &tag)
	if err := c.trip(); err != nil {
		return err
	}
	if tag != "COMMIT" {
		return &storageError{err: fmt.Errorf("the transaction was ended by %s", tag)}
	}
	return nil
}

// rollback ends a transaction. The end of one that only read is not waited for.
func (c *pgConn) rollback() error {
	read := c.ctx != nil
	if read {
		intact := c.forget()
		c.ctx, c.forget = nil, nil
		if !intact {
			return c.die(context.Canceled)
		}
	}
	c.groups, c.waiting, c.asked = c.groups[:0], 0, nil
	if c.dead != nil {
		return c.dead
	}
	if c.inTx != 'T' && c.inTx != 'E' && len(c.line) == 0 {
		return nil // nothing was begun
	}
	c.command("ROLLBACK", nil)
	if !read {
		return c.trip()
	}
	c.say(&pgproto3.Sync{})
	if err := c.send(); err != nil {
		return err
	}
	c.owed = true
	return nil
}

// --- rows ---

// maxKept is the largest buffer that is kept for the next use.
const maxKept = 4 << 20

// pgRows are the rows of one answer, copied out of the connection's buffer.
type pgRows struct {
	st    *pgStatement
	data  []byte
	cells []pgCell
	n     int
	at    int // the first cell of the row it stands at
}

type pgCell struct{ from, to int } // to < from for null

func (r *pgRows) reset(st *pgStatement) {
	r.st, r.n, r.at = st, 0, 0
	r.data, r.cells = r.data[:0], r.cells[:0]
	if cap(r.data) > maxKept {
		r.data = nil
	}
}

func (r *pgRows) add(values [][]byte) {
	for _, v := range values {
		if v == nil {
			r.cells = append(r.cells, pgCell{1, 0})
			continue
		}
		from := len(r.data)
		r.data = append(r.data, v...)
		r.cells = append(r.cells, pgCell{from, len(r.data)})
	}
	r.n++
}

func (r *pgRows) each(do func(row) error) error {
	for n := range r.n {
		r.at = n * len(r.st.fields)
		if err := do(r); err != nil {
			return err
		}
	}
	return nil
}

func (r *pgRows) cell(i int) []byte {
	c := r.cells[r.at+i]
	if c.to < c.from {
		return nil
	}
	return r.data[c.from:c.to:c.to]
}

func (r *pgRows) text(i int) string {
	switch r.st.fields[i] {
	case oidInt2, oidInt4, oidInt8:
		return strconv.FormatInt(r.num(i), 10)
	}
	return string(r.cell(i))
}

func (r *pgRows) num(i int) int64 {
	b := r.cell(i)
	switch {
	case b == nil:
		return 0
	case r.st.formats[i] == 0 || r.st.fields[i] == oidText:
		n, _ := strconv.ParseInt(string(b), 10, 64) // a sum is of any length; the book's are not
		return n
	case len(b) == 8:
		return int64(binary.BigEndian.Uint64(b))
	case len(b) == 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	case len(b) == 2:
		return int64(int16(binary.BigEndian.Uint16(b)))
	}
	return 0
}

func (r *pgRows) bytes(i int) []byte {
	b := r.cell(i)
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}
