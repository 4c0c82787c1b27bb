package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"waybill"
)

// Restoring says how a backup becomes a book.
type Restoring struct {
	// From is the backup, To the place of the new book: sqlite:PATH, where nothing is yet.
	From, To string
	// Environment the book is to serve: a backup of another one is refused. Empty takes the backup's.
	Environment string
	// At is the moment of a backup that does not say it itself: a copy of the file made by other means.
	At  time.Time
	Now func() time.Time
	// Erased is the list of who was erased, as it is kept apart from backups: whom the backup still holds is erased again
	// before there is a book. Nil: there is no list, and a backup of a book that erased people before is refused.
	Erased []waybill.Erasure
	// Forget names settings that are of the backup's moment only.
	Forget []string
}

// RestoredBook is what Restore made.
type RestoredBook struct {
	waybill.Restored
	Erased waybill.ErasedAgain
}

// Restore makes a book of a backup, marked so that its first start doubts what may have been sent after the backup and
// sends nothing until a person has looked. The file is whole and on stable storage at its place, or not there. It overwrites
// nothing. Who was erased after the backup is erased again, and no page of the new file has anything of them. Errors: Conflict
// when there is something, Invalid for a file that is no book, of another environment, written by a newer Waybill, or whose
// book erased people when no list says whom.
func Restore(ctx context.Context, r Restoring) (*RestoredBook, error) {
	path, ok := strings.CutPrefix(r.To, "sqlite:")
	if !ok || path == "" || path == ":memory:" {
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: "a backup is restored into a file: sqlite:PATH",
			Hint: "for PostgreSQL restore with its own tools, then run waybill restore --mark",
		}
	}
	if err := mustBeFree(path); err != nil {
		return nil, err
	}
	if _, err := os.Stat(r.From + "-wal"); err == nil {
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: r.From + " has a write-ahead log beside it: it is a book in use, or was, and no backup",
			Hint: "make a backup with waybill backup; a book whose process has ended is moved as it is, with its -wal file",
		}
	}
	m, err := inspect(r)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unavailable("making the folder of the book", err)
	}
	part := path + ".part"
	if err := makeFile(part); err != nil {
		return nil, err
	}
	done := &RestoredBook{Restored: waybill.Restored{BackupAt: m.At, RestoredAt: r.Now().UTC().Truncate(time.Millisecond)}}
	if r.At.IsZero() && m.At.After(done.RestoredAt) { // by the clock of another machine
		done.BackupAt = done.RestoredAt
	}
	if err := copyFile(ctx, r.From, part); err != nil {
		return nil, errors.Join(unavailable("copying the backup", err), removeBook(part))
	}
	err = withFile(part, false, func(c *sqliteConn) error {
		if err := sound(c); err != nil {
			return err
		}
		tx := &Tx{s: c}
		for _, name := range r.Forget {
			if err := tx.SetSetting(name, nil); err != nil {
				return err
			}
		}
		return markRestored(tx, &done.Restored)
	})
	if err == nil {
		err = eraseBeforeServing(ctx, part, r, &done.Erased)
	}
	if err == nil {
		err = settle(part, path)
	}
	if err != nil {
		return nil, errors.Join(err, removeBook(part))
	}
	return done, nil
}

// eraseBeforeServing erases in a file that nobody has yet whom a list names, and builds the file anew without what erased
// rows leave behind in its pages.
func eraseBeforeServing(ctx context.Context, part string, r Restoring, done *waybill.ErasedAgain) error {
	if len(r.Erased) == 0 {
		return nil
	}
	b, err := Open(ctx, "sqlite:"+part, Options{Now: r.Now, Inline: true})
	if err != nil {
		return err
	}
	again, err := b.EraseAgain(ctx, r.Erased, "Waybill, restoring")
	if err = errors.Join(err, b.Close()); err != nil {
		return fmt.Errorf("erase again who was erased after the backup: %w", err)
	}
	*done = *again
	err = withFile(part, false, func(c *sqliteConn) error {
		_, err := c.exec("VACUUM")
		return err
	})
	return errors.Join(err, os.Remove(part+".lock"))
}

// markRestored writes into a book that it was restored. Of two restores the earlier backup counts: what any lost process
// did since then is not known.
func markRestored(tx *Tx, mark *waybill.Restored) error {
	if mark.BackupAt.After(mark.RestoredAt) {
		return &waybill.Error{
			Kind: waybill.Invalid, Message: fmt.Sprintf("the moment of the backup, %s, is still to come", mark.BackupAt.UTC().Format(time.RFC3339)),
			Hint: "name the moment from which on it is not known what was sent, rather too early than too late; is the clock of this machine right?",
		}
	}
	before, err := tx.Restored()
	if err != nil {
		return err
	}
	if before != nil && before.BackupAt.Before(mark.BackupAt) && mark.BackupAt.Sub(before.BackupAt) < 30*24*time.Hour {
		mark.BackupAt = before.BackupAt
	}
	return tx.SetRestored(mark)
}

// MarkRestored says of a book that was restored by its database's own tools that it was, and from a backup of which
// moment.
func (tx *Tx) MarkRestored(at time.Time) (*waybill.Restored, error) {
	mark := &waybill.Restored{BackupAt: at.UTC().Truncate(time.Millisecond), RestoredAt: tx.now}
	return mark, markRestored(tx, mark)
}

// inspect reads what a backup is, and refuses what cannot be restored.
func inspect(r Restoring) (*waybill.Backup, error) {
	if _, err := os.Stat(r.From); errors.Is(err, fs.ErrNotExist) {
		return nil, &waybill.Error{Kind: waybill.NotFound, Message: "there is no backup at " + r.From, Hint: "name the file that waybill backup wrote"}
	}
	m, erased := &waybill.Backup{}, 0
	err := withFile(r.From, true, func(c *sqliteConn) error {
		tx := &Tx{s: c}
		text, _, err := one(tx, "SELECT value FROM book WHERE name = 'backup'", text0)
		if err != nil {
			return err
		}
		if err := undoc(text, m); err != nil {
			return err
		}
		if m.Environment, err = tx.Environment(); err != nil {
			return err
		}
		version, _, err := one(tx, "SELECT max(version) FROM migrations", num0)
		m.Schema = int(version)
		if err != nil || r.Erased != nil || m.Schema < 6 { // before there were erasures
			return err
		}
		list, err := tx.Erasures()
		erased = len(list)
		return err
	})
	if err != nil {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: r.From + " is no backup of a book", Hint: "name the file that waybill backup wrote", Err: err}
	}
	if at := r.At.UTC().Truncate(time.Millisecond); !r.At.IsZero() && (m.At.IsZero() || at.Before(m.At)) { // of two moments the earlier doubts more
		m.At = at
	}
	newest, err := newestSchema()
	switch {
	case err != nil:
		return nil, err
	case int64(m.Schema) > newest:
		return nil, newerBook(int64(m.Schema), newest)
	case r.Environment != "" && r.Environment != m.Environment:
		return nil, otherEnvironment(m.Environment, r.Environment)
	case erased > 0:
		return nil, &waybill.Error{
			Kind:    waybill.Invalid,
			Message: fmt.Sprintf("this book had erased people %d times when it was backed up, so others may have been erased since, and there is no list of them", erased),
			Hint:    "name the list that is kept beside the key file, or that waybill person erasures printed: --erasures FILE; or say that nobody was erased since: --erasures none",
		}
	case m.At.IsZero():
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: r.From + " does not say of which moment it is: it was not made by waybill backup",
			Hint: "name the moment from which on it is not known what was sent, rather too early than too late: --at 2026-03-01T10:00:00Z",
		}
	}
	return m, nil
}

func newerBook(version, newest int64) error {
	return &waybill.Error{
		Kind: waybill.Invalid, Message: fmt.Sprintf("the book has schema %d, this waybill knows up to %d", version, newest),
		Hint: "run the newer waybill that wrote it, or restore a backup from before the update",
	}
}

func otherEnvironment(have, want string) error {
	return &waybill.Error{
		Kind:    waybill.Invalid,
		Message: fmt.Sprintf("this book is for the environment %q and cannot be opened for %q", have, want),
		Hint:    "give each environment a database of its own; live and test data are never mixed",
	}
}

// newestSchema is the number of the newest migration this program knows.
func newestSchema() (int64, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	newest := int64(0)
	for _, file := range files {
		n, e := migrationNumber(file)
		if e != nil {
			return 0, e
		}
		newest = max(newest, n)
	}
	return newest, err
}
