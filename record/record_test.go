package record_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waybill/internal/pgtest"
	"waybill/record"
	"waybill/record/recordtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dsn string, o record.Options) *record.Book {
	t.Helper()
	book, err := record.Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	})
	return book
}

// TestTheBookKeepsItsPromises runs the shared suite on SQLite as it is served, and in the two forms that tests use.
func TestTheBookKeepsItsPromises(t *testing.T) {
	for name, how := range map[string]struct {
		dsn    func(t *testing.T) string
		inline bool
	}{
		"in a file":          {func(t *testing.T) string { t.Helper(); return "sqlite:" + filepath.Join(t.TempDir(), "book.db") }, false},
		"in a file, inline":  {func(t *testing.T) string { t.Helper(); return "sqlite:" + filepath.Join(t.TempDir(), "book.db") }, true},
		"in memory":          {func(*testing.T) string { return "sqlite::memory:" }, false},
		"in memory, inline":  {func(*testing.T) string { return "sqlite::memory:" }, true},
		"PostgreSQL":         {func(t *testing.T) string { t.Helper(); return pgtest.Database(t) }, false},
		"PostgreSQL, inline": {func(t *testing.T) string { t.Helper(); return pgtest.Database(t) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name == "PostgreSQL, inline" {
				t.Skip("the same statements as not inline")
			}
			recordtest.Run(t, func(t *testing.T) *record.Book {
				t.Helper()
				return open(t, how.dsn(t), record.Options{Now: time.Now, Inline: how.inline, Environment: "test"})
			})
		})
	}
}

// TestNodesBesideEachOtherKeepThePromises runs what several do at a time, on two books of one database.
func TestNodesBesideEachOtherKeepThePromises(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		recordtest.RunBeside(t, func(t *testing.T) [2]*record.Book {
			t.Helper()
			b := open(t, "sqlite:"+filepath.Join(t.TempDir(), "book.db"), record.Options{Environment: "test"})
			return [2]*record.Book{b, b}
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		recordtest.RunBeside(t, func(t *testing.T) [2]*record.Book {
			t.Helper()
			dsn := pgtest.Database(t)
			return [2]*record.Book{open(t, dsn, record.Options{Environment: "test"}), open(t, dsn, record.Options{Environment: "test"})}
		})
	})
}
