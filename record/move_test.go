package record_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/internal/pgtest"
	"waybill/record"
)

func TestAMovedBookIsTheSameBookAndTheOldOneIsNotOpenedAgain(t *testing.T) {
	from, to, ids := fileBook(t), pgtest.Fresh(t), waybill.NewIDs(time.Now, nil)
	old := open(t, from, record.Options{Environment: "test"})
	for n := range int64(1200) {
		if err := cycle(t.Context(), old, ids, n); err != nil {
			t.Fatal(err)
		}
	}
	err := old.Do(t.Context(), func(tx *record.Tx) error {
		if err := tx.SetSetting("odd", []byte("a\x00b\xff")); err != nil {
			return err
		}
		return tx.SetDeskValue("table", "key", "what is \x00 no text", "asha")
	})
	if err != nil {
		t.Fatal(err)
	}
	before, next, err := old.Events(t.Context(), waybill.EventFilter{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	journey, err := old.Journey(t.Context(), string(before[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := record.Move(t.Context(), from, to, record.Options{}); waybill.KindOf(err) != waybill.Conflict {
		t.Fatalf("a book that is served was moved: %v", err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	moved, err := record.Move(t.Context(), from, to, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, table := range moved.Tables {
		counts[table.Name] = table.Rows
	}
	if counts["events"] != 1200 || counts["arrivals"] != 1200 || counts["attempts"] == 0 {
		t.Errorf("moved %v", counts)
	}
	fresh := open(t, to, record.Options{Environment: "test"})
	after, next2, err := fresh.Events(t.Context(), waybill.EventFilter{Limit: 200})
	if err != nil || cmp.Diff(before, after) != "" || next != next2 {
		t.Errorf("events: %v %s", err, cmp.Diff(before, after))
	}
	again, err := fresh.Journey(t.Context(), string(before[0].ID))
	if err != nil || cmp.Diff(journey, again) != "" {
		t.Errorf("journey: %v %s", err, cmp.Diff(journey, again))
	}
	if r, err := keep(fresh, ids, 7); err != nil || !r.Duplicate {
		t.Errorf("a delivery known before is new: %v", err)
	}
	for n := int64(1200); n < 1210; n++ { // serials go on after those that came over
		if err := cycle(t.Context(), fresh, ids, n); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := record.Open(t.Context(), from, record.Options{}); waybill.KindOf(err) != waybill.Conflict || !strings.Contains(err.Error(), "moved") {
		t.Errorf("the old book was opened: %v", err)
	}
}

func TestABookIsMovedIntoAnEmptyDatabaseOnly(t *testing.T) {
	to, ids := pgtest.Fresh(t), waybill.NewIDs(time.Now, nil)
	other := open(t, to, record.Options{Environment: "test"})
	if _, err := keep(other, ids, 1); err != nil {
		t.Fatal(err)
	}
	from := fileBook(t)
	if err := open(t, from, record.Options{Environment: "test"}).Close(); err != nil {
		t.Fatal(err)
	}
	_, err := record.Move(t.Context(), from, to, record.Options{})
	if waybill.KindOf(err) != waybill.Conflict || !strings.Contains(err.Error(), "not empty") {
		t.Fatalf("moved beside another book: %v", err)
	}
	open(t, from, record.Options{Environment: "test"}) // it is as it was
}

func TestAMoveThatWasCutOffAfterItsCommitIsFinishedByBeginningItAgain(t *testing.T) {
	from, to, ids := fileBook(t), pgtest.Fresh(t), waybill.NewIDs(time.Now, nil)
	old := open(t, from, record.Options{Environment: "test"})
	if err := cycle(t.Context(), old, ids, 1); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Move(t.Context(), from, to, record.Options{}); err != nil {
		t.Fatal(err)
	}
	sql(t, from, "DELETE FROM book WHERE name = 'moved'") // as if it had been killed before its last word
	moved, err := record.Move(t.Context(), from, to, record.Options{})
	if err != nil || moved.Tables != nil {
		t.Fatalf("moved twice %v: %v", moved.Tables, err)
	}
	if _, err := record.Open(t.Context(), from, record.Options{}); waybill.KindOf(err) != waybill.Conflict {
		t.Errorf("the old book was opened: %v", err)
	}
}

// TestAMovedBookKeepsTheKeyItWasSealedWith: somebody only looked into the new database before, with a key of that machine.
func TestAMovedBookKeepsTheKeyItWasSealedWith(t *testing.T) {
	from, to := fileBook(t), pgtest.Fresh(t)
	for dsn, key := range map[string]string{from: "the right one", to: "another"} {
		book := open(t, dsn, record.Options{Environment: "test"})
		if err := book.Do(t.Context(), func(tx *record.Tx) error { _, err := tx.PinKey(key); return err }); err != nil {
			t.Fatal(err)
		}
		if err := book.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := record.Move(t.Context(), from, to, record.Options{}); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, to, record.Options{Environment: "test"})
	err := fresh.Do(t.Context(), func(tx *record.Tx) error {
		key, err := tx.PinKey("a third")
		if key != "the right one" {
			t.Errorf("it is sealed with %q", key)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNobodyServesADatabaseIntoWhichAMoveWasCutOff: it looks like an empty book, and would take as new what the old one knows.
func TestNobodyServesADatabaseIntoWhichAMoveWasCutOff(t *testing.T) {
	from, to, ids := fileBook(t), pgtest.Fresh(t), waybill.NewIDs(time.Now, nil)
	old := open(t, from, record.Options{Environment: "test"})
	if err := cycle(t.Context(), old, ids, 1); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	sql(t, from, "ALTER TABLE settings ADD COLUMN extra INTEGER") // which is not there: the move breaks off in its middle
	if _, err := record.Move(t.Context(), from, to, record.Options{}); err == nil {
		t.Fatal("moved")
	}
	if b, err := record.Open(t.Context(), to, record.Options{Environment: "test"}); waybill.KindOf(err) != waybill.Conflict || !strings.Contains(err.Error(), "move") {
		t.Errorf("it was opened: %v", err)
		if err == nil {
			_ = b.Close()
		}
	}
	sql(t, from, "ALTER TABLE settings DROP COLUMN extra")
	if _, err := record.Move(t.Context(), from, to, record.Options{}); err != nil {
		t.Fatalf("begun again: %v", err)
	}
	book := open(t, to, record.Options{Environment: "test"})
	if r, err := keep(book, ids, 1); err != nil || !r.Duplicate {
		t.Errorf("what the old one knew is new: %v", err)
	}
}
