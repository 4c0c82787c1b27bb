// Package record is the durable book: the only place that knows what has been accepted, decided, sent and settled, and
// the only SQL of it. Everything is written through acts inside one transaction; an act refuses what the rules refuse
// (a second open effect of an address, an illegal move, a second event of one fact), so that no caller can break them.
//
// It promises: after Do returns nil, what the act wrote survives a kill of the process and a power cut; an act that
// fails leaves nothing behind; one failing act never takes its neighbours in the same commit with it.
//
// It must not know connectors, expressions, flows or HTTP.
//
// docs/decisions/0001-data-model.md holds the tables and why they are shaped so. Times are kept to the millisecond and
// come back in UTC. Files: writer.go runs acts and commits; tx.go is what an act works with; one file for each kind of
// thing; browse.go, journey.go and overview.go are what people see; dialect.go is the seam to a database, sqlite.go
// the only file that knows SQLite, postgres.go and postgres_wire.go those that know PostgreSQL.
package record

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"waybill"
)

// Options tune a book.
type Options struct {
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// IDs makes the ids of what the book itself names (problems, subjects); made from Now when nil.
	IDs *waybill.IDs
	// Inline makes Do run and commit in the caller's goroutine, without the writer's own: for virtual time.
	Inline bool
	// Environment the book is opened for: offline, test or production. A new book takes it; another one is refused.
	// Empty opens any book, and makes a new one for offline.
	Environment string
	// Listen is the server's own address (host:port, or a whole postgres://…) for hearing of other nodes' commits, where the
	// book's address is a pooler's. Without it other nodes' work is noticed every two seconds.
	Listen string
	// VFS names the disk that SQLite is to use instead of the system's files: one that fails on purpose (faultdisk), in
	// simulation. Such a book is locked by nobody.
	VFS string

	moving bool // by the mover, which alone opens a book that is not whole yet
}

// Book is an open book. It is safe for concurrent use.
type Book struct {
	o     Options
	store store

	// commit is the session's commit; a test puts a failing one in its place.
	commit func(session) error

	mu            sync.Mutex // held while a batch runs, and by readers of a book in memory
	effectWithRun string
	places        sync.Map    // texts by how many places they have; readers make them as well
	reran         int         // batches that were taken back because an act failed in their middle
	asked         bool        // the commit of the batch was asked for: it may have been kept
	w             session     // nil after a failure, until it could be opened again
	closed        bool        // under mu and closing
	failed        atomic.Bool // what was to be written last was not kept

	closing sync.RWMutex // held for reading while an act is being queued
	queue   chan *act
	ended   chan struct{} // the writer has ended

	readers chan session // free connections for reading; nil places are opened when taken

	ahead    atomic.Int64 // how far the database's clock is ahead of this process's, in nanoseconds
	watchers watchers
	awake    chan struct{}
	deafen   func() // ends the hearing of others, and waits for its end; nil when there are none
}

// Open opens or creates the book at dsn: sqlite:PATH, sqlite::memory: for one that ends with the process, or postgres://…
// for a database of PostgreSQL 14 or newer. A book in a file is open in one process at a time, and a second one is refused
// with Conflict; a database serves several. Errors: Invalid for a dsn that is none, a server that could lose what it
// acknowledged, or a book of another environment; Conflict; Unavailable.
func Open(ctx context.Context, dsn string, o Options) (*Book, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.IDs == nil {
		o.IDs = waybill.NewIDs(o.Now, nil)
	}
	st, err := openStore(ctx, dsn, o)
	if err != nil {
		return nil, err
	}
	b := &Book{
		o: o, store: st, commit: session.commit, queue: make(chan *act, maxActs), ended: make(chan struct{}),
		effectWithRun: "SELECT " + of("e", effectColumns) + ", " + of("r", runColumns) +
			" FROM effects e JOIN runs r ON r.id = e.run WHERE e.id ",
	}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(err, b.closeSessions())
	}
	return b, nil
}

// Published returns the content of the bundle that the book at dsn follows; nil when there is no book or it follows none. It
// reads beside whoever has the book open, and changes nothing.
func Published(ctx context.Context, dsn string) (content []byte, err error) {
	known, err := Exists(ctx, dsn)
	if err != nil || !known {
		return nil, err
	}
	read := func(c session) error {
		return c.query("SELECT content FROM bundles WHERE id = (SELECT value FROM book WHERE name = 'bundle')", nil, func(r row) error {
			content = r.bytes(0)
			return nil
		})
	}
	if !isPostgres(dsn) {
		err = withFile(strings.TrimPrefix(dsn, "sqlite:"), true, func(c *sqliteConn) error { return read(c) })
		return content, err
	}
	s, err := openPostgres(ctx, dsn, "")
	if err != nil {
		return nil, err
	}
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	return content, errors.Join(read(c), c.close())
}

func openStore(ctx context.Context, dsn string, o Options) (store, error) {
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	switch {
	case isPostgres(dsn):
		return openPostgres(ctx, dsn, o.Listen)
	case !ok || path == "":
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: "no book can be opened at " + redactDSN(dsn),
			Hint: "name a file as sqlite:PATH, a database as postgres://…, or sqlite::memory: for one that ends with the process",
		}
	case path == ":memory:":
		path = ""
	}
	return openSQLite(ctx, path, o)
}

func (b *Book) start(ctx context.Context) error {
	var err error
	if b.w, err = b.store.writer(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, b.w, b.store, b.o); err != nil {
		return err
	}
	first, err := b.store.reader(ctx)
	if err != nil {
		return err
	}
	if first != nil {
		b.readers = make(chan session, readers)
		b.readers <- first
		for range readers - 1 {
			b.readers <- nil
		}
	}
	if b.o.Inline {
		close(b.ended)
		return nil
	}
	go b.write()
	if others, ok := b.store.(gossip); ok {
		b.listen(context.WithoutCancel(ctx), others)
	}
	return nil
}

// listen begins to hear what other nodes commit.
func (b *Book) listen(ctx context.Context, others gossip) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	b.awake = make(chan struct{}, 1)
	b.deafen = func() {
		cancel()
		<-ended
	}
	go func() {
		defer close(ended)
		others.hear(ctx, func(c change) {
			b.watchers.tell(c)
			select {
			case b.awake <- struct{}{}:
			default: // not taken yet: it stands for this one too
			}
		})
	}()
}

// Awake gets a value after other nodes have committed what may be work for this one; several are one when it is slow. It is
// nil where nobody else writes the book.
func (b *Book) Awake() <-chan struct{} { return b.awake }

// redactDSN leaves out what may be a password.
func redactDSN(dsn string) string {
	scheme, _, ok := strings.Cut(dsn, ":")
	if !ok {
		return "that address"
	}
	return scheme + ":…"
}

// Close waits for what is under way and closes the book. Acts that come later are refused with Unavailable.
func (b *Book) Close() error {
	b.closing.Lock()
	if b.closed {
		b.closing.Unlock()
		return nil
	}
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	close(b.queue)
	b.closing.Unlock()
	<-b.ended
	if b.deafen != nil {
		b.deafen()
	}
	b.watchers.close()
	return b.closeSessions()
}

func (b *Book) closeSessions() error {
	var errs []error
	for range cap(b.readers) {
		if s := <-b.readers; s != nil { // waits for reads under way
			errs = append(errs, s.close())
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.w != nil {
		b.store.tend(b.w)
		errs = append(errs, b.w.close())
		b.w = nil
	}
	return errors.Join(append(errs, b.store.close())...)
}

// View runs read over one snapshot. A View must not be opened from inside another View or an act.
func (b *Book) View(ctx context.Context, read func(*Tx) error) error {
	if b.readers == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.closed || b.w == nil {
			return errClosed()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.w.begin(ctx, false); err != nil {
			return err
		}
		return b.view(b.w, read)
	}
	b.closing.RLock()
	closed := b.closed
	b.closing.RUnlock()
	if closed {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var s session
	select {
	case s = <-b.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	healthy := false
	defer func() {
		if !healthy && s != nil {
			_ = s.close()
			s = nil
		}
		b.readers <- s
	}()
	if s != nil && s.begin(ctx, false) != nil { // cut while it stood idle
		_ = s.close()
		s = nil
	}
	if s == nil {
		var err error
		if s, err = b.store.reader(ctx); err != nil {
			return err
		}
		if err := s.begin(ctx, false); err != nil {
			return unavailable("reading the book", err)
		}
	}
	err := b.view(s, read)
	var broken *storageError
	healthy = !errors.As(err, &broken)
	if !healthy {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.distrust()
		return unavailable("reading the book", err)
	}
	return err
}

// distrust closes the connections that stand idle, after one was cut: whatever cut it may have cut them, too.
func (b *Book) distrust() {
	if !b.store.shared() {
		return
	}
	for range cap(b.readers) {
		select {
		case s := <-b.readers:
			if s != nil {
				_ = s.close()
			}
			b.readers <- nil
		default:
			return // the others are in use, and find out by themselves
		}
	}
}

// view reads over the snapshot that was begun, and ends it.
func (b *Book) view(s session, read func(*Tx) error) (err error) {
	defer func() {
		if e := s.rollback(); err == nil {
			err = e
		}
	}()
	tx := &Tx{s: s, book: b, readonly: true, now: b.now()}
	if err := read(tx); err != nil {
		return err
	}
	return tx.broken
}

// now is the time as the book keeps it.
func (b *Book) now() time.Time {
	return b.o.Now().Add(time.Duration(b.ahead.Load())).UTC().Truncate(time.Millisecond)
}

func errClosed() error {
	return &waybill.Error{Kind: waybill.Unavailable, Message: "the book is closed", Hint: "the process is ending"}
}
