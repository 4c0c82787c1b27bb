package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"zombiezen.com/go/sqlite"

	"waybill"
)

// Sizes of a backup's steps. Between two of them it rests, so that others have the disk.
const (
	backupPages = 512
	backupRest  = 2 * time.Millisecond
)

// copier is a store that copies itself, whole, as it stood at one moment.
type copier interface {
	copyTo(ctx context.Context, path string) error
}

// Backup writes the book as it stands now into a file of its own at path, which must not exist, while everybody goes on
// reading and writing. It is checked, on stable storage and its owner's alone when Backup returns; what was cut off leaves
// nothing at path. What is written meanwhile is not in it; the write-ahead log grows by that until the copy is done, so
// bound the time with ctx. program is this Waybill's version. Errors: Conflict when there is something at path, Invalid for
// a database that has its own tools.
func (b *Book) Backup(ctx context.Context, path, program string) (*waybill.Backup, error) {
	st, ok := b.store.(copier)
	if !ok {
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: "this book is in a database that makes its own backups",
			Hint: "use pg_dump or pg_basebackup with log archiving; after restoring one, run waybill restore --mark before anything serves it",
		}
	}
	if err := mustBeFree(path); err != nil {
		return nil, err
	}
	part := path + ".part"
	if err := makeFile(part); err != nil {
		return nil, err
	}
	m := waybill.Backup{At: b.now(), Program: program} // before the copy's moment: what is committed later is not known to be in it
	err := b.copyInto(ctx, st, part, &m)
	if err == nil {
		err = settle(part, path)
	}
	if err != nil {
		return nil, errors.Join(err, removeBook(part))
	}
	return &m, b.Do(ctx, func(tx *Tx) error {
		text, err := doc(m)
		if err != nil {
			return err
		}
		return tx.setBook("backed up", text)
	})
}

// LastBackup returns what was backed up last from this book; nil when nothing was.
func (tx *Tx) LastBackup() (*waybill.Backup, error) {
	text, found, err := one(tx, "SELECT value FROM book WHERE name = 'backed up'", text0)
	if err != nil || !found {
		return nil, err
	}
	var m waybill.Backup
	return &m, undoc(text, &m)
}

func (b *Book) copyInto(ctx context.Context, st copier, part string, m *waybill.Backup) error {
	if b.readers == nil { // a book in memory is one connection
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.closed || b.w == nil {
			return errClosed()
		}
		st = memoryCopy{b.w}
	} else {
		b.closing.RLock()
		closed := b.closed
		b.closing.RUnlock()
		if closed {
			return errClosed()
		}
	}
	if err := st.copyTo(ctx, part); err != nil {
		return unavailable("copying the book", err)
	}
	return withFile(part, false, func(c *sqliteConn) error { return finishBackup(c, m) })
}

// finishBackup checks a copy and writes into it what it is.
func finishBackup(c *sqliteConn, m *waybill.Backup) error {
	if err := sound(c); err != nil {
		return err
	}
	tx := &Tx{s: c}
	var err error
	if m.Environment, err = tx.Environment(); err != nil {
		return err
	}
	schema, _, err := one(tx, "SELECT max(version) FROM migrations", num0)
	if err != nil {
		return err
	}
	m.Schema = int(schema)
	if m.Events, _, err = one(tx, "SELECT coalesce(max(seq), 0) FROM events", num0); err != nil {
		return err
	}
	if m.Bytes, _, err = one(tx, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", num0); err != nil {
		return err
	}
	text, err := doc(m)
	if err != nil {
		return err
	}
	return tx.setBook("backup", text)
}

// sound asks whether every page and index of a file is as it should be.
func sound(c *sqliteConn) error {
	said := ""
	err := c.query("PRAGMA quick_check(1)", nil, func(r row) error {
		said = r.text(0)
		return nil
	})
	if err == nil && said != "ok" {
		err = errors.New(said)
	}
	if err != nil {
		return &waybill.Error{Kind: waybill.Unavailable, Message: "the copy is damaged", Hint: "look at the disk; run it again", Err: err}
	}
	return nil
}

// copyTo copies the file step by step over one snapshot. The copier's own read transaction holds the snapshot, so that
// what others write neither gets into the copy nor makes it begin again.
func (s *sqliteStore) copyTo(ctx context.Context, path string) error {
	src, err := s.open(ctx, readerCache)
	if err != nil {
		return err
	}
	defer func() { _ = src.close() }() // it only read
	if err := src.begin(ctx, false); err != nil {
		return err
	}
	defer func() { _ = src.rollback() }() // as above
	if err := src.query("SELECT count(*) FROM book", nil, func(row) error { return nil }); err != nil {
		return err // the snapshot is taken by the first read
	}
	return copyPages(ctx, src, path)
}

// Compact builds a book's file anew, so that no unused part of it holds what was erased. It keeps the writer for as long as
// that takes, about a second for 100 MiB, and needs as much room again: it is for a book that nobody serves. A database server
// does it by itself (VACUUM).
func (b *Book) Compact(ctx context.Context) error {
	st, ok := b.store.(*sqliteStore)
	if !ok || st.path == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed()
	}
	c, err := st.open(ctx, readerCache)
	if err != nil {
		return err
	}
	err = c.pragma("temp_store=FILE") // a copy of the whole book has no room in memory
	if err == nil {
		_, err = c.exec("VACUUM")
	}
	if err == nil {
		err = c.emptyLog()
	}
	if err = errors.Join(err, c.close()); err != nil {
		return unavailable("building the book's file anew", err)
	}
	return nil
}

// memoryCopy copies a book in memory, with its writer in hand.
type memoryCopy struct{ w session }

func (m memoryCopy) copyTo(ctx context.Context, path string) error {
	src, ok := m.w.(*sqliteConn)
	if !ok {
		return errors.New("no SQLite")
	}
	return copyPages(ctx, src, path)
}

func copyPages(ctx context.Context, src *sqliteConn, path string) error {
	dst, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	pages, err := sqlite.NewBackup(dst, "main", src.conn, "main")
	if err != nil {
		return errors.Join(err, dst.Close())
	}
	for more := true; more && err == nil; {
		if more, err = pages.Step(backupPages); err == nil && more {
			err = rest(ctx, backupRest)
		}
	}
	return errors.Join(err, pages.Close(), dst.Close())
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the copy took too long: %w", ctx.Err())
	}
}

// withFile opens a file that is nobody else's, as one file without a log beside it.
func withFile(path string, readonly bool, do func(*sqliteConn) error) error {
	flags := sqlite.OpenReadWrite
	if readonly {
		flags = sqlite.OpenReadOnly
	}
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return unavailable("opening "+path, err)
	}
	c := &sqliteConn{conn: conn, prepared: map[string]*sqlite.Stmt{}}
	if !readonly {
		for _, pragma := range []string{"journal_mode=DELETE", "synchronous=FULL"} {
			if err == nil {
				err = c.pragma(pragma)
			}
		}
	}
	if err == nil {
		err = do(c)
	}
	return errors.Join(err, c.close())
}

func mustBeFree(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-journal"} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return &waybill.Error{
				Kind: waybill.Conflict, Message: "there is something at " + name + " already",
				Hint: "name another file; nothing is ever overwritten", Err: err,
			}
		}
	}
	return nil
}

// makeFile makes an empty file that is its owner's alone; one that a backup or restore left unfinished is taken away first.
func makeFile(path string) error {
	if err := removeBook(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // the operator names the file
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return &waybill.Error{
			Kind: waybill.Unavailable, Message: "the file " + path + " cannot be made; nothing was copied", Err: err,
			Hint: "is its folder there, may Waybill write in it, and is there room on the disk?",
		}
	}
	return nil
}

func removeBook(path string) error {
	var errs []error
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// settle brings a finished file to stable storage and gives it its name, which nobody else may have taken meanwhile.
func settle(part, path string) error {
	if err := syncFile(part); err != nil {
		return unavailable("bringing the file to stable storage", err)
	}
	err := os.Link(part, path)
	if errors.Is(err, fs.ErrExist) {
		return mustBeFree(path)
	}
	if err == nil {
		err = os.Remove(part)
	} else { // a file system without links
		err = os.Rename(part, path)
	}
	if err == nil {
		err = syncFile(filepath.Dir(path))
	}
	if err != nil {
		return unavailable("giving the file its name", err)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path) // ours
	if err != nil {
		return err
	}
	err = f.Sync()
	if info, e := f.Stat(); e == nil && info.IsDir() && err != nil {
		err = nil // not every system syncs folders
	}
	return errors.Join(err, f.Close())
}

// copyFile copies a file that nobody writes.
func copyFile(ctx context.Context, from, to string) (err error) {
	src, err := os.Open(from) // the operator names the file
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read
	dst, err := os.OpenFile(to, os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, reading{ctx, src})
	return errors.Join(err, dst.Close())
}

// reading ends with its context.
type reading struct {
	ctx context.Context //nolint:containedctx // it lives as long as the copy
	r   io.Reader
}

// Read makes it an io.Reader.
func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
