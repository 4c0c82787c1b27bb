package record

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"waybill"
)

// Tx is one transaction. It is valid only inside the function it was given to, and used by one goroutine.
type Tx struct {
	s        session
	book     *Book
	readonly bool
	now      time.Time // the act's
	broken   error     // the storage failed: nothing of this transaction may be relied on
	late     bool      // a statement in line was refused after its act had gone on: nobody knows whose
	line     liner     // nil where each answer is waited for
	foretold foretold  // what the acts of the batch have asked ahead
	aborted  bool      // a statement of this act was refused, and what it did can only be rolled back
	wrote    int       // statements of this act that may have changed something

	deltas  []delta // figures to add when the batch commits
	hours   []hourOf
	changed change

	// of the act under way
	epoch    int64                     // the node it is by; 0 where the book has only one
	asked    Standing                  // how that stood when it was asked last
	attempts []attempted               // to be counted once their connection is known
	conns    map[string]string         // connection by effect and fetch seen in this act
	accepted map[waybill.EventID]int64 // when events written in this act were accepted
	// stateless are the connections of which this act has read that nothing is remembered: nobody else may have written since
	stateless map[string]bool
}

// reset forgets what the batch noted so far: it is run again.
func (tx *Tx) reset() {
	tx.late, tx.foretold = false, foretold{}
	tx.deltas, tx.hours, tx.changed, tx.wrote, tx.broken = tx.deltas[:0], tx.hours[:0], 0, 0, nil
	tx.asked = Standing{}
	tx.forgetAct()
}

func (tx *Tx) forgetAct() {
	tx.epoch = 0
	tx.attempts = tx.attempts[:0]
	clear(tx.conns)
	clear(tx.accepted)
	clear(tx.stateless)
}

func (tx *Tx) writable() error {
	if tx.readonly {
		return &waybill.Error{Kind: waybill.Invalid, Message: "a View only reads the book", Hint: "write through Do"}
	}
	tx.wrote++
	return nil
}

// note remembers that the storage failed, whatever the act makes of the error.
func (tx *Tx) note(err error) error {
	if err == nil {
		return nil
	}
	var s *storageError
	if tx.broken == nil && errors.As(err, &s) {
		tx.broken = err
	}
	var l *lateError
	tx.late = tx.late || err != nil && errors.As(err, &l)
	var a *abortedError
	tx.aborted = tx.aborted || errors.As(err, &a)
	return err
}

// exec writes and returns how many rows changed.
func (tx *Tx) exec(text string, args ...any) (int, error) {
	if err := tx.writable(); err != nil {
		return 0, err
	}
	if tx.line != nil {
		tx.foretold.forget(text)
	}
	n, err := tx.s.exec(text, args...)
	return n, tx.note(err)
}

// later writes what need not be known to have changed anything.
func (tx *Tx) later(text string, args ...any) error {
	if tx.line == nil {
		_, err := tx.exec(text, args...)
		return err
	}
	if err := tx.writable(); err != nil {
		return err
	}
	return tx.note(tx.line.later(false, text, args...))
}

// expect writes what has to change something; miss says what it means when it does not. Where statements stand in line that
// is found out later, and the batch is run again without a line.
func (tx *Tx) expect(miss func() error, text string, args ...any) error {
	return tx.expectRows(1, miss, text, args...)
}

// expectRows is expect for a statement of so many rows, each of which has to be written.
func (tx *Tx) expectRows(n int, miss func() error, text string, args ...any) error {
	if tx.line == nil {
		changed, err := tx.exec(text, args...)
		if err == nil && changed < n {
			err = miss()
		}
		return err
	}
	if err := tx.writable(); err != nil {
		return err
	}
	return tx.note(tx.line.later(true, text, args...))
}

// expectNew writes a new row of a table with a serial, which it returns; miss says what it means when the row is there.
func (tx *Tx) expectNew(miss func() error, text string, args ...any) (serial int64, err error) {
	if tx.line == nil {
		serial, changed, err := tx.insert(text, args...)
		if err == nil && changed == 0 {
			err = miss()
		}
		return serial, err
	}
	if err := tx.writable(); err != nil {
		return 0, err
	}
	serial, err = tx.line.laterNew(text, args...)
	return serial, tx.note(err)
}

// places are n times as many places for values as a row has: ($1, $2), ($3, $4).
func (tx *Tx) places(n, width int) string {
	key := [2]int{n, width}
	if text, ok := tx.book.places.Load(key); ok {
		return text.(string) //nolint:forcetypeassert // only texts are stored
	}
	var b strings.Builder
	for i := range n * width {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%width == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	b.WriteString(")")
	tx.book.places.Store(key, b.String())
	return b.String()
}

// insert writes a row of a table with a serial.
func (tx *Tx) insert(text string, args ...any) (serial int64, changed int, err error) {
	if err := tx.writable(); err != nil {
		return 0, 0, err
	}
	if tx.line != nil {
		tx.foretold.forget(text)
	}
	serial, changed, err = tx.s.insert(text, args...)
	return serial, changed, tx.note(err)
}

// one reads the first row; false when there is none.
func one[T any](tx *Tx, text string, scan func(row) (T, error), args ...any) (out T, found bool, err error) {
	err = tx.s.query(text, args, func(r row) error {
		if found {
			return nil
		}
		var err error
		out, err = scan(r)
		found = true
		return err
	})
	return out, found, tx.note(err)
}

// list reads all rows.
func list[T any](tx *Tx, text string, scan func(row) (T, error), args ...any) ([]T, error) {
	var out []T
	err := tx.s.query(text, args, func(r row) error {
		v, err := scan(r)
		out = append(out, v)
		return err
	})
	return out, tx.note(err)
}

// locking is a query that keeps the rows it reads for this transaction, where others write beside it. In a View nothing is
// kept.
func (tx *Tx) locking(text string) string { return text + tx.lock(" FOR UPDATE") }

// lock is a clause that keeps rows, where others write beside this transaction; else empty.
func (tx *Tx) lock(clause string) string {
	if tx.readonly || !tx.book.store.shared() {
		return ""
	}
	return clause
}

// beaten ends an act that read what another writer has changed meanwhile: its batch is run once more, and sees that.
func (tx *Tx) beaten(what string) error {
	return tx.note(&storageError{err: fmt.Errorf("another writer was first: %s", what), again: true})
}

func text0(r row) (string, error)  { return r.text(0), nil }
func num0(r row) (int64, error)    { return r.num(0), nil }
func bytes0(r row) ([]byte, error) { return r.bytes(0), nil }

// hash12 is a key of 12 bytes for what must be unique: SHA-256 over the parts, each with its length before it. Among a
// milliard of keys two would be the same once in a hundred milliard books.
func hash12(parts ...string) []byte {
	sum := sumOf(parts)
	return sum[:12]
}

// hash8 is a key of 8 bytes for what is looked up and then compared.
func hash8(parts ...string) int64 {
	sum := sumOf(parts)
	return int64(binary.BigEndian.Uint64(sum[:8])) // any 64 bits will do
}

func sumOf(parts []string) [32]byte {
	buf := make([]byte, 0, 256)
	for _, p := range parts {
		buf = binary.AppendUvarint(buf, uint64(len(p)))
		buf = append(buf, p...)
	}
	return sha256.Sum256(buf)
}

// doc renders what is only shown into its column, undoc reads it back.
func doc[T any](v T) (string, error) {
	var b strings.Builder
	if err := json.MarshalWrite(&b, &v); err != nil { // of a pointer: the library copies what it cannot address
		return "", fmt.Errorf("write into the book: %w", err)
	}
	return b.String(), nil
}

func undoc(text string, v any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("read from the book: %w", err)
	}
	return nil
}

func notFound(what string, id any) error {
	return &waybill.Error{
		Kind: waybill.NotFound, Message: fmt.Sprintf("%s %v is not in the book", what, id),
		Hint: "look it up by another id, or by a value of it",
	}
}

func conflict(format string, args ...any) error {
	return &waybill.Error{
		Kind: waybill.Conflict, Message: fmt.Sprintf(format, args...),
		Hint: "read it again: somebody or something else has moved it",
	}
}

func invalid(format string, args ...any) error {
	return &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf(format, args...)}
}
