package record_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill"
	"waybill/internal/pgtest"
	"waybill/record"
	"waybill/record/recordtest"
)

// TestTheBookKeepsItsPromisesThroughAPooler runs the shared suite on one database behind a pgBouncer in transaction mode.
func TestTheBookKeepsItsPromisesThroughAPooler(t *testing.T) {
	if os.Getenv("WAYBILL_PROOF") == "" { // a schema for each case takes half a minute
		t.Skip("in make proof")
	}
	pooled, _ := pgtest.Pooled(t)
	database := pooled[len("postgres:///"):strings.Index(pooled, "?")]
	recordtest.Run(t, func(t *testing.T) *record.Book {
		t.Helper()
		if _, err := pgtest.Shared(t).Query(t.Context(), database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
			t.Fatal(err)
		}
		return open(t, pooled, record.Options{Now: time.Now, Environment: "test"})
	})
}

// TestNodesBehindAPoolerWorkOnOneBook has two books behind a pgBouncer in transaction mode write at once. They hear of each
// other at once when they know the server's own address, and otherwise when they look.
func TestNodesBehindAPoolerWorkOnOneBook(t *testing.T) {
	pooled, direct := pgtest.Pooled(t)
	if s, _, err := record.Inspect(t.Context(), pooled); err != nil || !s.Pooled {
		t.Fatalf("the pooler is not seen: %+v, %v", s, err)
	}
	for _, listen := range []string{direct, ""} {
		ids := waybill.NewIDs(time.Now, nil)
		here := open(t, pooled, record.Options{Environment: "test", Listen: listen})
		there := open(t, pooled, record.Options{Environment: "test", Listen: listen})
		awake := here.Awake()
		var all sync.WaitGroup
		for i, book := range []*record.Book{here, there} {
			all.Go(func() {
				for n := range int64(50) {
					if _, err := keep(book, ids, n+1000*int64(i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		err := here.Do(context.Background(), func(tx *record.Tx) error {
			if got := record.Setting(tx, "synchronous_commit"); !slices.Equal(got, []string{"on"}) {
				t.Errorf("synchronous_commit is %v", got)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		for n := range int64(50) { // each finds what the other kept
			for i, book := range []*record.Book{there, here} {
				if r, err := keep(book, ids, n+1000*int64(i)); err != nil || !r.Duplicate {
					t.Errorf("delivery %d of the other: %+v, %v", n, r, err)
				}
			}
		}
		told := time.After(20 * time.Second)
		for heard, n := false, int64(5000); !heard; n++ {
			select {
			case <-awake:
				heard = true
			case <-told:
				t.Fatalf("listening at %q: nothing was heard", listen)
			case <-time.After(300 * time.Millisecond):
				if _, err := keep(there, ids, n); err != nil {
					t.Error(err)
				}
			}
		}
		if err := here.Close(); err != nil {
			t.Error(err)
		}
		if err := there.Close(); err != nil {
			t.Error(err)
		}
	}
}
