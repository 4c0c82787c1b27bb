package record

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"waybill"
)

// The seam between the book and a database. Everything above it is one SQL text with $N parameters; everything that differs
// is behind these three interfaces: how a connection is opened, how parameters are bound, what the words SERIAL, BYTES
// and NARROW of the migrations mean, how a write transaction begins, and which errors mean that storage itself failed.

// store is one database, open.
type store interface {
	// writer opens a connection that may write. There is one at a time.
	writer(ctx context.Context) (session, error)
	// reader opens a connection for reading; nil when readers have to use the writer's (a book in memory).
	reader(ctx context.Context) (session, error)
	// ddl turns the migrations' own words into the database's.
	ddl(text string) string
	// hold lets one program at a time change the schema, until the transaction of s ends. The migrations table is there.
	hold(s session) error
	// shared reports whether others write beside this process, so that rows that are read to be changed are locked.
	shared() bool
	// tend is called after a commit, between transactions of s: housekeeping that must not keep the writer long.
	tend(s session)
	close() error
}

// session is one connection. It runs one transaction at a time and is used by one goroutine at a time.
type session interface {
	// exec runs a statement and returns how many rows it changed.
	exec(text string, args ...any) (changed int, err error)
	// insert is exec for a table with a serial; it also returns the serial of the new row.
	insert(text string, args ...any) (serial int64, changed int, err error)
	// query calls each for every row. It must not be used again, with the same text, from inside each.
	query(text string, args []any, each func(row) error) error
	// begin starts a transaction: one that may write, or one that reads a snapshot.
	begin(ctx context.Context, write bool) error
	commit() error
	rollback() error
	close() error
}

// row is the row a query stands at. Columns count from 0.
type row interface {
	text(i int) string
	num(i int) int64
	bytes(i int) []byte // a copy; nil for null
}

// from is a row without its first columns.
type from struct {
	row
	by int
}

func (f from) text(i int) string  { return f.row.text(f.by + i) }
func (f from) num(i int) int64    { return f.row.num(f.by + i) }
func (f from) bytes(i int) []byte { return f.row.bytes(f.by + i) }

// of names the table of each of some columns.
func of(table, columns string) string {
	names := strings.Split(columns, ",")
	for i, name := range names {
		names[i] = table + "." + strings.TrimSpace(name)
	}
	return strings.Join(names, ", ")
}

// storageError marks a failure of the storage itself (disk full, I/O, damage), after which nothing of the transaction is
// to be relied on, as against a statement that was refused.
type storageError struct {
	err   error
	again bool // another writer was first, and nothing was written: the same work may well succeed now
}

func (e *storageError) Error() string { return e.err.Error() }
func (e *storageError) Unwrap() error { return e.err }

// abortedError is a statement that was refused in such a way that the transaction, or the savepoint, can only be rolled
// back. SQLite undoes the statement alone.
type abortedError struct{ err error }

func (e *abortedError) Error() string { return e.err.Error() }
func (e *abortedError) Unwrap() error { return e.err }

// value brings an argument to one of the five forms a session binds: nil, int64, string, []byte, float64 is not used.
// Times become unix milliseconds, typed strings their text, booleans 0 or 1.
func value(arg any) any {
	switch v := arg.(type) {
	case nil, int64, string, pgColumn:
		return v
	case []byte:
		if v == nil {
			return nil
		}
		return v
	case time.Time:
		return ms(v)
	case int:
		return int64(v)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	}
	if r := reflect.ValueOf(arg); r.Kind() == reflect.String {
		return r.String()
	}
	panic(fmt.Sprintf("record: no way to bind %T", arg))
}

// ms is a time as the book keeps it; at is the way back.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func at(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// dueAt is what the due column holds for t: null when it is no time, unless or stands in for it.
func dueAt(t, or time.Time) any {
	switch {
	case !t.IsZero():
		return ms(t)
	case !or.IsZero():
		return ms(or)
	default:
		return nil
	}
}

func unavailable(message string, err error) error {
	return &waybill.Error{
		Kind: waybill.Unavailable, Message: message,
		Hint: "try again; whatever was kept already is recognised", Err: err,
	}
}
