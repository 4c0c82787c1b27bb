package record_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

// TestABackupUnderLoadHoldsWhatWasAcknowledgedBefore makes a backup while many write, restores it elsewhere, and looks for
// everything that was acknowledged before the backup began.
func TestABackupUnderLoadHoldsWhatWasAcknowledgedBefore(t *testing.T) {
	dsn, ids := fileBook(t), waybill.NewIDs(time.Now, nil)
	book := open(t, dsn, record.Options{Environment: "test"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var next atomic.Int64
	var mu sync.Mutex
	acknowledged := map[int64]bool{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1)
				if err := cycle(context.Background(), book, ids, n); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[n] = true
				mu.Unlock()
			}
		})
	}
	for next.Load() < 2000 {
		time.Sleep(5 * time.Millisecond)
	}
	mu.Lock()
	before := len(acknowledged)
	known := make(map[int64]bool, before)
	for n := range acknowledged {
		known[n] = true
	}
	mu.Unlock()
	file := filepath.Join(t.TempDir(), "backup.db")
	m, err := book.Backup(t.Context(), file, "v-test")
	during := next.Load()
	cancel()
	group.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d acknowledged before, %d begun while it was made, %d bytes", before, during-int64(before), m.Bytes)
	if m.Environment != "test" || m.Program != "v-test" || m.Schema == 0 || m.Events < int64(before) {
		t.Errorf("the backup says of itself: %+v", m)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the backup is not its owner's alone: %v %v", info.Mode(), err)
	}
	restored := "sqlite:" + filepath.Join(t.TempDir(), "other", "book.db")
	mark, err := record.Restore(t.Context(), record.Restoring{From: file, To: restored, Environment: "test", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if !mark.BackupAt.Equal(m.At) || !mark.Paused() {
		t.Errorf("restored as %+v", mark)
	}
	again := open(t, restored, record.Options{Environment: "test"})
	for n := range known {
		var r waybill.Receipt
		err := again.Do(t.Context(), func(tx *record.Tx) (err error) {
			r, err = tx.TakeIn(arrival(ids, n))
			return err
		})
		if err != nil || !r.Duplicate {
			t.Fatalf("%d was acknowledged before the backup and is not in it: %v", n, err)
		}
	}
	if err := again.View(t.Context(), func(tx *record.Tx) error {
		have, err := tx.Restored()
		if err == nil && !have.Paused() {
			t.Error("the book does not remember that it was restored")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestABackupOverwritesNothingAndLeavesNothingHalf(t *testing.T) {
	book := open(t, fileBook(t), record.Options{Environment: "test"})
	dir := t.TempDir()
	file := filepath.Join(dir, "backup.db")
	if err := os.WriteFile(file, []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := book.Backup(t.Context(), file, ""); waybill.KindOf(err) != waybill.Conflict {
		t.Errorf("overwritten: %v", err)
	}
	ids := waybill.NewIDs(time.Now, nil)
	for n := range int64(400) {
		if err := cycle(t.Context(), book, ids, n); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := book.Backup(ctx, filepath.Join(dir, "cut.db"), ""); err == nil {
		t.Error("a backup that was cut off says it is made")
	}
	if _, err := book.Backup(t.Context(), filepath.Join(dir, "no such folder", "b.db"), ""); err == nil {
		t.Error("made in a folder that is not there")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
	// What a kill left behind is in nobody's way.
	if err := os.WriteFile(filepath.Join(dir, "next.db.part"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := book.Backup(t.Context(), filepath.Join(dir, "next.db"), ""); err != nil {
		t.Error(err)
	}
}

// TestARestoreForgetsWhatIsOfItsMoment: a session that was ended since, or a link that was used, would be good again.
func TestARestoreForgetsWhatIsOfItsMoment(t *testing.T) {
	book := open(t, fileBook(t), record.Options{Environment: "test"})
	for _, name := range []string{"sessions", "tokens"} {
		if err := book.Do(t.Context(), func(tx *record.Tx) error { return tx.SetSetting(name, []byte("x")) }); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	r := record.Restoring{From: filepath.Join(dir, "backup.db"), To: "sqlite:" + filepath.Join(dir, "book.db"), Now: time.Now, Forget: []string{"sessions"}}
	if _, err := book.Backup(t.Context(), r.From, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Restore(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	err := open(t, r.To, record.Options{Environment: "test"}).View(t.Context(), func(tx *record.Tx) error {
		for name, want := range map[string]string{"sessions": "", "tokens": "x"} {
			if v, err := tx.Setting(name); err != nil || string(v) != want {
				t.Errorf("%s are %q: %v", name, v, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestARestoreRefusesWhatWouldMixOrLose(t *testing.T) {
	dsn := fileBook(t)
	book := open(t, dsn, record.Options{Environment: "test"})
	dir := t.TempDir()
	backup := filepath.Join(dir, "backup.db")
	if _, err := book.Backup(t.Context(), backup, ""); err != nil {
		t.Fatal(err)
	}
	letter := filepath.Join(dir, "letter")
	if err := os.WriteFile(letter, []byte(strings.Repeat("no book\n", 999)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	if _, err := book.Backup(t.Context(), newer, ""); err != nil {
		t.Fatal(err)
	}
	sql(t, "sqlite:"+newer, "INSERT INTO migrations VALUES (9999, 'of the future', 0)")
	if done, err := record.Restore(t.Context(), record.Restoring{
		From: backup, To: "sqlite:" + filepath.Join(dir, "later.db"), At: time.Now().Add(time.Second), Now: func() time.Time { return time.Now().Add(time.Hour) },
	}); err != nil || done.BackupAt.After(time.Now()) {
		t.Errorf("a backup that says its moment is taken to be of a later one: %+v, %v", done, err)
	}
	silent := filepath.Join(dir, "silent.db")
	if _, err := book.Backup(t.Context(), silent, ""); err != nil {
		t.Fatal(err)
	}
	sql(t, "sqlite:"+silent, "DELETE FROM book WHERE name = 'backup'")
	to := "sqlite:" + filepath.Join(dir, "restored.db")
	for name, c := range map[string]struct {
		r    record.Restoring
		kind waybill.Kind
		word string
	}{
		"a place that is taken":          {record.Restoring{From: backup, To: dsn}, waybill.Conflict, "already"},
		"another environment":            {record.Restoring{From: backup, To: to, Environment: "production"}, waybill.Invalid, `"test"`},
		"a newer book":                   {record.Restoring{From: newer, To: to}, waybill.Invalid, "schema 9999"},
		"no book":                        {record.Restoring{From: letter, To: to}, waybill.Invalid, "no backup"},
		"nothing":                        {record.Restoring{From: filepath.Join(dir, "none"), To: to}, waybill.NotFound, "no backup"},
		"a book in use":                  {record.Restoring{From: strings.TrimPrefix(dsn, "sqlite:"), To: to}, waybill.Invalid, "in use"},
		"a copy that tells no time":      {record.Restoring{From: silent, To: to}, waybill.Invalid, "which moment"},
		"a moment that is still to come": {record.Restoring{From: silent, To: to, At: time.Now().Add(time.Hour)}, waybill.Invalid, "still to come"},
		"memory, which keeps nothing":    {record.Restoring{From: backup, To: "sqlite::memory:"}, waybill.Invalid, "into a file"},
		"a database with its own tools":  {record.Restoring{From: backup, To: "postgres://db"}, waybill.Invalid, "into a file"},
	} {
		c.r.Now = time.Now
		if _, err := record.Restore(t.Context(), c.r); waybill.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.word) {
			t.Errorf("%s: %v", name, err)
		}
	}
	at := time.Now().Truncate(time.Millisecond).Add(999 * time.Microsecond) // finer than the book's clock
	if _, err := record.Restore(t.Context(), record.Restoring{From: silent, To: to, At: at, Now: func() time.Time { return at }}); err != nil {
		t.Errorf("a copy whose moment a person names: %v", err)
	}
	err := book.Do(t.Context(), func(tx *record.Tx) error { _, err := tx.MarkRestored(time.Now().Add(time.Hour)); return err })
	if waybill.KindOf(err) != waybill.Invalid {
		t.Errorf("marked as of a moment that is still to come: %v", err)
	}
}
