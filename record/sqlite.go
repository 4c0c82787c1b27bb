package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"waybill"
)

// Sizes of the SQLite book. The writer's cache holds the upper levels of the key tables and the pages being filled; what is
// not in it is read from the system's own cache.
const (
	pageSize     = 4096
	writerCache  = "-24000" // KiB, as SQLite wants it
	readerCache  = "-4000"
	readers      = 4
	busyFor      = 5 * time.Second
	checkEvery   = 1000  // acts between two looks at the write-ahead log, in the background
	walTooLong   = 12000 // frames after which the writer itself finishes the checkpoint
	walSizeLimit = 96 << 20
)

// sqliteStore is a book in one SQLite file, or in memory.
type sqliteStore struct {
	path   string // empty for memory
	lock   *os.File
	inline bool
	gather *gatherer

	commits  atomic.Int64  // since the last look at the log
	finish   atomic.Bool   // the writer is asked to finish the checkpoint
	wake     chan struct{} // tells the background checkpointer to look
	stopped  sync.WaitGroup
	stopOnce sync.Once
}

// openSQLite locks the file at path and makes it ready to be opened. An empty path is a book in memory.
func openSQLite(ctx context.Context, path string, o Options) (*sqliteStore, error) {
	s := &sqliteStore{path: path, inline: o.Inline}
	if path == "" {
		return s, nil
	}
	if o.VFS == "" {
		if err := s.claim(); err != nil {
			return nil, err
		}
	}
	var err error
	if s.gather, err = newGatherer(o.VFS); err != nil {
		return nil, errors.Join(unavailable("making the book at "+path, err), s.close())
	}
	if !s.inline {
		s.wake = make(chan struct{}, 1)
		s.stopped.Add(1)
		go s.checkpointer(context.WithoutCancel(ctx))
	}
	return s, nil
}

// claim makes the file and locks it for this process.
func (s *sqliteStore) claim() error {
	path := s.path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return unavailable("making the folder of the book", err)
	}
	var err error
	if s.lock, err = lockFile(path + ".lock"); err != nil {
		return &waybill.Error{
			Kind: waybill.Conflict, Message: "another waybill is using the book at " + path, Err: err,
			Hint: "stop it, or talk to it: the commands find a running server by its address",
		}
	}
	// The file holds customers' data and sealed secrets: it is its owner's alone, and so are the log files beside it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // the operator names the file
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return errors.Join(unavailable("making the book at "+path, err), s.lock.Close())
	}
	return nil
}

func (s *sqliteStore) close() error {
	s.stopOnce.Do(func() {
		if s.wake != nil {
			close(s.wake)
			s.stopped.Wait()
		}
		if s.gather != nil {
			s.gather.forget()
		}
	})
	if s.lock != nil {
		return s.lock.Close() // gives the lock back
	}
	return nil
}

func (s *sqliteStore) writer(ctx context.Context) (session, error) {
	c, err := s.open(ctx, writerCache)
	if err != nil {
		return nil, err
	}
	if s.path != "" {
		if err := c.emptyLog(); err != nil {
			return nil, errors.Join(unavailable("finishing the log of the book at "+s.path, err), c.close())
		}
	}
	return c, nil
}

func (s *sqliteStore) reader(ctx context.Context) (session, error) {
	if s.path == "" {
		return nil, nil // memory has one connection for all, as the interface says
	}
	c, err := s.open(ctx, readerCache)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (s *sqliteStore) open(_ context.Context, cache string) (*sqliteConn, error) {
	path, flags := ":memory:", sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenMemory
	if s.path != "" {
		var by sqlite.OpenFlags
		path, by = s.gather.by(s.path)
		flags = sqlite.OpenReadWrite | sqlite.OpenCreate | by
	}
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, unavailable("opening the book at "+s.path, err)
	}
	c := &sqliteConn{conn: conn, prepared: map[string]*sqlite.Stmt{}}
	conn.SetBusyTimeout(busyFor)
	for _, pragma := range []string{
		fmt.Sprintf("page_size=%d", pageSize), // only a new file takes it
		"journal_mode=WAL",
		"synchronous=FULL",
		"wal_autocheckpoint=0", // tend and the checkpointer do it, so that no commit stalls
		fmt.Sprintf("journal_size_limit=%d", walSizeLimit),
		"temp_store=MEMORY",
		"foreign_keys=OFF",
		"cache_size=" + cache,
	} {
		if err := c.pragma(pragma); err != nil {
			return nil, errors.Join(unavailable("preparing the book at "+s.path, err), conn.Close())
		}
	}
	return c, nil
}

func (s *sqliteStore) ddl(text string) string {
	return strings.NewReplacer(
		"SERIAL,", "INTEGER PRIMARY KEY,",
		"BIGINT", "INTEGER",
		"BYTES", "BLOB",
		") NARROW;", ") STRICT, WITHOUT ROWID;",
		"\n);", "\n) STRICT;",
	).Replace(text)
}

// hold has nothing to do: a book in a file is one process's.
func (s *sqliteStore) hold(session) error { return nil }

func (s *sqliteStore) shared() bool { return false }

// tend keeps the write-ahead log short. Most of the copying is done by the checkpointer on its own connection while the
// writer goes on; but under steady writing such a checkpoint never meets the end of the log, and the log starts anew
// only once everything in it has been copied. So when it has grown long, the writer copies the small rest itself.
func (s *sqliteStore) tend(w session) {
	if s.path == "" {
		return
	}
	n := s.commits.Add(1)
	if s.finish.CompareAndSwap(true, false) || (s.inline && n%checkEvery == 0) {
		c, ok := w.(*sqliteConn)
		if ok {
			_, _, _ = c.checkpoint() // what it could not copy is copied the next time
		}
		return
	}
	if !s.inline && n%64 == 0 {
		select {
		case s.wake <- struct{}{}:
		default: // it is at work
		}
	}
}

func (s *sqliteStore) checkpointer(ctx context.Context) {
	defer s.stopped.Done()
	var c *sqliteConn
	for range s.wake {
		if c == nil {
			var err error
			if c, err = s.open(ctx, "-200"); err != nil {
				continue // the writer meets the same trouble and says so
			}
		}
		frames, copied, err := c.checkpoint()
		if err != nil {
			_ = c.close()
			c = nil
			continue
		}
		if frames > walTooLong && copied > 0 {
			s.finish.Store(true)
		}
	}
	if c != nil {
		_, _, _ = c.checkpoint()
		_ = c.close()
	}
}

// sqliteConn is a connection with its prepared statements.
type sqliteConn struct {
	conn     *sqlite.Conn
	prepared map[string]*sqlite.Stmt
}

func (c *sqliteConn) close() error { return c.conn.Close() }

func (c *sqliteConn) pragma(text string) error {
	stmt, _, err := c.conn.PrepareTransient("PRAGMA " + text)
	if err != nil {
		return err
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return errors.Join(err, stmt.Finalize())
		}
	}
}

// checkpoint copies what it can without waiting for anybody, and returns how many frames the log has and how many of
// them are copied.
func (c *sqliteConn) checkpoint() (frames, copied int, err error) {
	err = c.query("PRAGMA wal_checkpoint(PASSIVE)", nil, func(r row) error {
		frames, copied = int(r.num(1)), int(r.num(2))
		return nil
	})
	return frames, copied, err
}

// emptyLog copies the whole log into the file and starts it anew. The log that is found may hold a commit whose sync failed:
// the system then reads it though it is not on the disk, and calls it clean. What is built upon it would be gone with
// it after a power cut; copied, it is written and synced once more.
func (c *sqliteConn) emptyLog() error {
	return c.query("PRAGMA wal_checkpoint(TRUNCATE)", nil, func(r row) error {
		if r.num(0) != 0 {
			return errors.New("the log is being read and could not be finished")
		}
		return nil
	})
}

func (c *sqliteConn) begin(ctx context.Context, write bool) error {
	if write {
		_, err := c.exec("BEGIN IMMEDIATE")
		return err
	}
	c.conn.SetInterrupt(ctx.Done())
	_, err := c.exec("BEGIN")
	return err
}

func (c *sqliteConn) commit() error {
	_, err := c.exec("COMMIT")
	return err
}

func (c *sqliteConn) rollback() error {
	c.conn.SetInterrupt(nil)
	if c.conn.AutocommitEnabled() {
		return nil // SQLite has rolled back by itself
	}
	_, err := c.exec("ROLLBACK")
	return err
}

// prepare returns the statement of text, whose $N stand as ?N here: SQLite counts $N by their first appearance.
func (c *sqliteConn) prepare(text string) (*sqlite.Stmt, error) {
	if stmt := c.prepared[text]; stmt != nil {
		return stmt, nil
	}
	var b strings.Builder
	for i := range len(text) {
		if text[i] == '$' && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9' {
			b.WriteByte('?')
		} else {
			b.WriteByte(text[i])
		}
	}
	stmt, err := c.conn.Prepare(b.String())
	if err != nil {
		return nil, err
	}
	c.prepared[text] = stmt
	return stmt, nil
}

func (c *sqliteConn) bind(text string, args []any) (*sqlite.Stmt, error) {
	stmt, err := c.prepare(text)
	if err != nil {
		return nil, judge(text, err)
	}
	for i, arg := range args {
		switch v := value(arg).(type) {
		case nil:
			stmt.BindNull(i + 1)
		case int64:
			stmt.BindInt64(i+1, v)
		case string:
			stmt.BindText(i+1, v)
		case []byte:
			stmt.BindBytes(i+1, v)
		}
	}
	return stmt, nil
}

func (c *sqliteConn) exec(text string, args ...any) (int, error) {
	stmt, err := c.bind(text, args)
	if err != nil {
		return 0, err
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			return 0, judge(text, err)
		}
		if !more {
			break
		}
	}
	if err := stmt.Reset(); err != nil {
		return 0, judge(text, err)
	}
	return c.conn.Changes(), nil
}

func (c *sqliteConn) insert(text string, args ...any) (int64, int, error) {
	changed, err := c.exec(text, args...)
	if err != nil || changed == 0 {
		return 0, changed, err
	}
	return c.conn.LastInsertRowID(), changed, nil
}

func (c *sqliteConn) query(text string, args []any, each func(row) error) error {
	stmt, err := c.bind(text, args)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Reset() }() // repeats the error of Step, which is returned below
	for {
		more, err := stmt.Step()
		if err != nil {
			return judge(text, err)
		}
		if !more {
			return nil
		}
		if err := each(sqliteRow{stmt}); err != nil {
			return err
		}
	}
}

type sqliteRow struct{ stmt *sqlite.Stmt }

func (r sqliteRow) text(i int) string { return r.stmt.ColumnText(i) }
func (r sqliteRow) num(i int) int64   { return r.stmt.ColumnInt64(i) }

func (r sqliteRow) bytes(i int) []byte {
	if r.stmt.ColumnIsNull(i) {
		return nil
	}
	b := make([]byte, r.stmt.ColumnLen(i))
	r.stmt.ColumnBytes(i, b)
	return b
}

// judge tells a refused statement from storage that fails.
func judge(text string, err error) error {
	err = fmt.Errorf("%s: %w", firstWords(text), err)
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultIOErr, sqlite.ResultFull, sqlite.ResultNoMem, sqlite.ResultBusy, sqlite.ResultCorrupt,
		sqlite.ResultNotADB, sqlite.ResultCantOpen, sqlite.ResultReadOnly, sqlite.ResultProtocol, sqlite.ResultInterrupt:
		return &storageError{err: err}
	default:
		return err
	}
}

func firstWords(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	return text
}
