package record_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/internal/pgtest"
	"waybill/record"
)

func keep(book *record.Book, ids *waybill.IDs, n int64) (waybill.Receipt, error) {
	var r waybill.Receipt
	err := book.Do(context.Background(), func(tx *record.Tx) (err error) {
		r, err = tx.TakeIn(arrival(ids, n))
		return err
	})
	return r, err
}

func TestNodesHearOfEachOthersCommits(t *testing.T) {
	dsn, ids := pgtest.Database(t), waybill.NewIDs(time.Now, nil)
	here, there := open(t, dsn, record.Options{Environment: "test"}), open(t, dsn, record.Options{Environment: "test"})
	heard, stop := here.Watch()
	defer stop()
	awake := here.Awake()
	end := time.After(30 * time.Second)
	for n, said := int64(0), false; ; n++ { // the first may come before it listens
		if _, err := keep(there, ids, n); err != nil {
			t.Fatal(err)
		}
		select {
		case words := <-heard:
			said = said || slices.Contains(words, "item") && len(words) == 1
		case <-time.After(200 * time.Millisecond):
		case <-end:
			t.Fatal("nothing was heard")
		}
		if said {
			break
		}
	}
	select {
	case <-awake:
	case <-end:
		t.Fatal("nobody was woken")
	}
}

func TestABackendThatIsKilledCostsNoEventAndTheBookGoesOn(t *testing.T) {
	dsn, ids := pgtest.Database(t), waybill.NewIDs(time.Now, nil)
	book := open(t, dsn, record.Options{Environment: "test"})
	name := dsn[strings.LastIndex(dsn, "=")+1:]
	for n := range int64(6) {
		if _, err := keep(book, ids, n); err != nil {
			t.Fatal(err)
		}
		pgtest.Shared(t).Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '"+name+"'")
		r := insist(t, book, ids, n)
		if !r.Duplicate {
			t.Errorf("delivery %d was acknowledged and is not known", n)
		}
		if _, _, err := book.Events(t.Context(), waybill.EventFilter{}); err != nil && waybill.KindOf(err) != waybill.Unavailable {
			t.Error(err)
		}
	}
}

// insist sends a delivery again while the book refuses, as a sender does that gets a 503.
func insist(t *testing.T, book *record.Book, ids *waybill.IDs, n int64) waybill.Receipt {
	t.Helper()
	for range 300 {
		r, err := keep(book, ids, n)
		if err == nil {
			return r
		}
		if waybill.KindOf(err) != waybill.Unavailable || waybill.HintOf(err) == "" {
			t.Fatalf("refused as %q: %v", waybill.KindOf(err), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the book does not come back")
	return waybill.Receipt{}
}

func TestAServerThatCrashesKeepsWhatWasAcknowledgedAndTheBookComesBack(t *testing.T) {
	dsn, ids := pgtest.Database(t), waybill.NewIDs(time.Now, nil)
	book := open(t, dsn, record.Options{Environment: "test"})
	server := pgtest.Shared(t)
	for n := range int64(20) {
		if _, err := keep(book, ids, n); err != nil {
			t.Fatal(err)
		}
	}
	server.Stop(t)
	if _, err := keep(book, ids, 20); waybill.KindOf(err) != waybill.Unavailable {
		t.Errorf("acknowledged without a server: %v", err)
	}
	server.Start(t)
	for n := range int64(20) {
		if r := insist(t, book, ids, n); !r.Duplicate {
			t.Errorf("delivery %d was acknowledged and is lost", n)
		}
	}
	if r := insist(t, book, ids, 20); r.Duplicate {
		t.Error("what was refused is in the book")
	}
}

func TestAServerThatCouldLoseWhatItAcknowledgedIsRefused(t *testing.T) {
	dsn := pgtest.Fresh(t)
	server := pgtest.Shared(t)
	for setting, words := range map[string]string{"fsync": "fsync off", "full_page_writes": "full_page_writes off"} {
		server.Exec(t, "ALTER SYSTEM SET "+setting+" = off")
		server.Exec(t, "SELECT pg_reload_conf()")
		var err error
		for range 100 {
			if _, err = record.Open(t.Context(), dsn, record.Options{Inline: true}); err != nil {
				break
			}
			time.Sleep(50 * time.Millisecond) // the server takes its settings in a moment
		}
		if waybill.KindOf(err) != waybill.Invalid || !strings.Contains(err.Error(), words) || waybill.HintOf(err) == "" {
			t.Errorf("%s: %v", setting, err)
		}
		server.Exec(t, "ALTER SYSTEM RESET "+setting)
		server.Exec(t, "SELECT pg_reload_conf()")
	}
	for range 100 {
		book, err := record.Open(t.Context(), dsn, record.Options{Inline: true})
		if err == nil {
			if err := book.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("it is still refused")
}

func TestNodesThatStartTogetherMakeOneBook(t *testing.T) {
	dsn := pgtest.Fresh(t)
	failed := make(chan error, 6)
	for range cap(failed) {
		go func() {
			book, err := record.Open(context.Background(), dsn, record.Options{Environment: "test"})
			if err == nil {
				err = book.Close()
			}
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func TestAWriteWaitsForStableStorageWhateverTheRoleHasSet(t *testing.T) {
	dsn := pgtest.Database(t)
	book := open(t, dsn+"&synchronous_commit=off", record.Options{Environment: "test"})
	name := dsn[strings.LastIndex(dsn, "=")+1:]
	said := make(chan []string, 1)
	err := book.Do(t.Context(), func(tx *record.Tx) error {
		said <- record.Setting(tx, "synchronous_commit")
		return nil
	})
	if got := <-said; err != nil || !slices.Equal(got, []string{"on"}) {
		t.Errorf("synchronous_commit of %s is %v: %v", name, got, err)
	}
}
