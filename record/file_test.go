package record_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"waybill"
	"waybill/record"
)

func fileBook(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "book.db")
}

func TestABookOpenedAgainHoldsEverything(t *testing.T) {
	dsn, ids := fileBook(t), waybill.NewIDs(time.Now, nil)
	book := open(t, dsn, record.Options{Environment: "test"})
	for n := range int64(20) {
		if err := cycle(t.Context(), book, ids, n); err != nil {
			t.Fatal(err)
		}
	}
	before, _, err := book.Events(t.Context(), waybill.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	book = open(t, dsn, record.Options{Environment: "test"})
	after, _, err := book.Events(t.Context(), waybill.EventFilter{})
	if err != nil || len(after) != 20 || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Fatalf("%d events after opening again, %d before: %v", len(after), len(before), err)
	}
	var r waybill.Receipt
	err = book.Do(t.Context(), func(tx *record.Tx) (err error) {
		r, err = tx.TakeIn(arrival(ids, 7))
		return err
	})
	if err != nil || !r.Duplicate {
		t.Errorf("a delivery known before is a duplicate %t: %v", r.Duplicate, err)
	}
}

func TestABookIsOfOneEnvironment(t *testing.T) {
	dsn := fileBook(t)
	if err := open(t, dsn, record.Options{Environment: "test"}).Close(); err != nil {
		t.Fatal(err)
	}
	_, err := record.Open(t.Context(), dsn, record.Options{Environment: "production"})
	if waybill.KindOf(err) != waybill.Invalid || !strings.Contains(err.Error(), `"test"`) {
		t.Errorf("opened for another environment: %v", err)
	}
	open(t, dsn, record.Options{Environment: "test"})
}

func TestABookIsOpenInOneProcessAtATime(t *testing.T) {
	dsn := fileBook(t)
	book := open(t, dsn, record.Options{Environment: "test"})
	_, err := record.Open(t.Context(), dsn, record.Options{Environment: "test"})
	if waybill.KindOf(err) != waybill.Conflict {
		t.Fatalf("opened twice: %v", err)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dsn, record.Options{Environment: "test"})
}

func TestABookOfANewerWaybillIsRefused(t *testing.T) {
	dsn := fileBook(t)
	if err := open(t, dsn, record.Options{Environment: "test"}).Close(); err != nil {
		t.Fatal(err)
	}
	sql(t, dsn, "INSERT INTO migrations VALUES (9999, 'of the future', 0)")
	_, err := record.Open(t.Context(), dsn, record.Options{Environment: "test"})
	if waybill.KindOf(err) != waybill.Invalid || !strings.Contains(waybill.HintOf(err), "newer") {
		t.Errorf("opened: %v", err)
	}
}

func TestABookIsItsOwnersAlone(t *testing.T) {
	dsn := fileBook(t)
	book := open(t, dsn, record.Options{Environment: "test"})
	if err := book.Do(t.Context(), func(tx *record.Tx) error { return tx.SetSetting("a", []byte("1")) }); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(dsn, "sqlite:")
	for _, name := range []string{path, path + "-wal", path + "-shm", path + ".lock"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v", filepath.Base(name), info.Mode())
		}
	}
}

func TestAnAddressThatIsNoBookIsRefusedWithoutItsPassword(t *testing.T) {
	for dsn, kind := range map[string]waybill.Kind{
		"": waybill.Invalid, "book.db": waybill.Invalid, "sqlite:": waybill.Invalid, "mysql://waybill:hunter2@db/waybill": waybill.Invalid,
		"postgres://waybill:hunter2@db:port/waybill":     waybill.Invalid,
		"postgres://waybill:hunter2@127.0.0.1:1/waybill": waybill.Unavailable,
	} {
		_, err := record.Open(t.Context(), dsn, record.Options{})
		if waybill.KindOf(err) != kind || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", dsn, err)
		}
	}
}

func TestAFileThatIsNoBookIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is a letter, not a book\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := record.Open(t.Context(), "sqlite:"+path, record.Options{})
	if waybill.KindOf(err) != waybill.Unavailable {
		t.Errorf("opened: %v", err)
	}
}

// sql runs one statement on the file of a closed book and returns the first column of its rows.
func sql(t *testing.T, dsn, text string) []string {
	t.Helper()
	conn, err := sqlite.OpenConn(strings.TrimPrefix(dsn, "sqlite:"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var rows []string
	err = sqlitex.ExecuteTransient(conn, text, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		rows = append(rows, stmt.ColumnText(0))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// killedEnv names the book that a child of the test works on until it is killed.
const killedEnv = "WAYBILL_TEST_KILLED_BOOK"

// TestWhatWasAcknowledgedSurvivesAKill kills a process in the middle of its work, again and again on one book, and looks for
// everything it had been told is kept.
func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	if dsn := os.Getenv(killedEnv); dsn != "" {
		work(t, dsn)
		return
	}
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	dsn := fileBook(t)
	acknowledged := map[string]bool{}
	for range rounds {
		killed(t, dsn, 20+rand.IntN(600), acknowledged)
	}
	if got := sql(t, dsn, "PRAGMA integrity_check"); len(got) != 1 || got[0] != "ok" {
		t.Fatalf("the book is damaged: %v", got)
	}
	kept := map[string]bool{}
	for _, key := range sql(t, dsn, "SELECT i.delivery_key FROM items i JOIN arrivals a ON a.id = i.arrival WHERE i.duplicate_of = ''") {
		if kept[key] {
			t.Errorf("%s is kept twice", key)
		}
		kept[key] = true
	}
	for key := range acknowledged {
		if !kept[key] {
			t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	t.Logf("%d acknowledged, %d kept", len(acknowledged), len(kept))
	halves := sql(t, dsn, `SELECT e.id FROM events e WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id)
		OR NOT EXISTS (SELECT 1 FROM effects f WHERE f.event = e.id)`)
	if len(halves) > 0 {
		t.Errorf("%d events without the run and the effect of the same act", len(halves))
	}
}

// killed runs a child until it has acknowledged so many, and kills it.
func killed(t *testing.T, dsn string, after int, acknowledged map[string]bool) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWhatWasAcknowledgedSurvivesAKill$")
	child.Env = append(os.Environ(), killedEnv+"="+dsn)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		key, ok := strings.CutPrefix(lines.Text(), "acknowledged ")
		if !ok {
			t.Log(lines.Text())
			continue
		}
		acknowledged[key] = true
		if seen++; seen == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

// work is what the child does until it is killed: whole cycles from many callers, each told of once it is acknowledged.
func work(t *testing.T, dsn string) {
	t.Helper()
	book := open(t, dsn, record.Options{Environment: "test"})
	ids := waybill.NewIDs(time.Now, nil)
	var next atomic.Int64
	next.Store(time.Now().UnixNano())
	var out sync.Mutex
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for {
				n := next.Add(1)
				if err := cycle(context.Background(), book, ids, n); err != nil {
					t.Error(err)
					return
				}
				out.Lock()
				fmt.Println("acknowledged " + arrival(ids, n).Items[0].DeliveryKey)
				out.Unlock()
			}
		})
	}
	group.Wait()
}

func TestABookMayLieAtAnyPath(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "what?.db", "50%25.db", "a#b&vfs=unix.db", "größe.db"} {
		path := filepath.Join(t.TempDir(), name)
		book, err := record.Open(t.Context(), "sqlite:"+path, record.Options{Environment: "test"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := book.Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: the book is not where it was asked for: %v", name, err)
		}
	}
}
