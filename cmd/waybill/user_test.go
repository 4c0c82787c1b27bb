package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill"
	"waybill/internal/pgtest"
	"waybill/record"
	"waybill/show"
)

// twoBooks are the books of two nodes on one database, or one book twice where a database is one process's.
func twoBooks(t *testing.T, postgres bool) [2]*record.Book {
	t.Helper()
	open := func(dsn string) *record.Book {
		b, err := record.Open(t.Context(), dsn, record.Options{Environment: "test"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	if postgres {
		dsn := pgtest.Database(t)
		return [2]*record.Book{open(dsn), open(dsn)}
	}
	b := open("sqlite:" + filepath.Join(t.TempDir(), "book.db"))
	return [2]*record.Book{b, b}
}

func auditOf(t *testing.T, b *record.Book) map[string]int {
	t.Helper()
	list, _, err := b.AuditLog(t.Context(), waybill.ListFilter{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, a := range list {
		out[a.Action+" "+a.Object]++
	}
	return out
}

// TestActsOfSeveralAboutWhoMayComeInAreEachKeptWholeWithTheirAudit: nodes and commands that act at one moment lose nothing of each
// other, one name never becomes two, and each act that was done is in the audit once, and no other.
func TestActsOfSeveralAboutWhoMayComeInAreEachKeptWholeWithTheirAudit(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "SQLite", true: "PostgreSQL"}[postgres], func(t *testing.T) {
			books := twoBooks(t, postgres)
			act := func(i int, action, name string, do func(*show.Access) error) error {
				row := &waybill.Audited{Who: owner, Action: action, Object: name}
				return do(show.NewAccess(store{books[i%2], row}, time.Now, nil))
			}
			invite := func(name string) func(*show.Access) error {
				return func(a *show.Access) error { _, err := a.Invite(t.Context(), name, show.Viewer); return err }
			}
			token := func(name string) func(*show.Access) error {
				return func(a *show.Access) error { _, err := a.Token(t.Context(), name, show.Viewer); return err }
			}
			var all sync.WaitGroup
			var won, lost [4]int
			var mu sync.Mutex
			for i := range 4 {
				name, both := fmt.Sprintf("one-%d", i), fmt.Sprintf("both-%d", i)
				all.Go(func() {
					if err := act(i, "invite", name, invite(name)); err != nil {
						t.Error(err)
					}
				})
				for n, do := range []func(*show.Access) error{invite(both), token(both)} {
					all.Go(func() {
						err := act(i+n, "make", both, do)
						mu.Lock()
						defer mu.Unlock()
						switch {
						case err == nil:
							won[i]++
						case waybill.KindOf(err) == waybill.Conflict:
							lost[i]++
						default:
							t.Error(err)
						}
					})
				}
			}
			all.Wait()
			people, err := show.NewAccess(store{book: books[0]}, time.Now, nil).People(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			are := map[string]int{}
			for _, p := range people {
				are[p.Name]++
			}
			audit := auditOf(t, books[1])
			for i := range 4 {
				name, both := fmt.Sprintf("one-%d", i), fmt.Sprintf("both-%d", i)
				if are[name] != 1 || audit["invite "+name] != 1 {
					t.Errorf("%s is there %d times, and in the audit %d times", name, are[name], audit["invite "+name])
				}
				if won[i] != 1 || lost[i] != 1 || are[both] != 1 || audit["make "+both] != 1 {
					t.Errorf("%s: %d were done, %d refused; it is there %d times, and in the audit %d times", both, won[i], lost[i], are[both], audit["make "+both])
				}
			}
		})
	}
}

// lateStore lets another act be first between what an act looks at and what it writes, once.
type lateStore struct {
	store
	meanwhile func()
}

func (s *lateStore) Swap(ctx context.Context, list []show.Swap) (bool, error) {
	if do := s.meanwhile; do != nil {
		s.meanwhile = nil
		do()
	}
	return s.store.Swap(ctx, list)
}

func TestAnActThatWasBeatenIsDoneAnewAndAuditedOnce(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "SQLite", true: "PostgreSQL"}[postgres], func(t *testing.T) {
			books := twoBooks(t, postgres)
			late := &lateStore{store: store{books[0], &waybill.Audited{Who: owner, Action: "invite", Object: "asha"}}, meanwhile: func() {
				if _, err := show.NewAccess(store{books[1], &waybill.Audited{Who: owner, Action: "invite", Object: "meena"}}, time.Now, nil).Invite(t.Context(), "meena", show.Viewer); err != nil {
					t.Error(err)
				}
			}}
			if _, err := show.NewAccess(late, time.Now, nil).Invite(t.Context(), "asha", show.Admin); err != nil {
				t.Fatal(err)
			}
			people, err := show.NewAccess(store{book: books[1]}, time.Now, nil).People(t.Context())
			if err != nil || len(people) != 2 {
				t.Errorf("%+v, %v", people, err)
			}
			if a := auditOf(t, books[0]); len(a) != 2 || a["invite asha"] != 1 || a["invite meena"] != 1 {
				t.Errorf("the audit: %v", a)
			}
		})
	}
}

func TestAnActThatCannotBeAuditedIsNotDone(t *testing.T) {
	b := twoBooks(t, false)[0]
	row := &waybill.Audited{ID: "aud_1", Who: owner, Action: "invite", Object: "asha"}
	if err := b.Do(t.Context(), func(tx *record.Tx) error { return tx.Audit(row) }); err != nil {
		t.Fatal(err)
	}
	again := *row // an id that is taken: the row is refused
	access := show.NewAccess(store{b, &again}, time.Now, nil)
	if link, err := access.Invite(t.Context(), "asha", show.Admin); err == nil || strings.Contains(link, "/sign-in") {
		t.Errorf("a link was given out: %q, %v", link, err)
	}
	if token, err := access.Token(t.Context(), "bot", show.Admin); err == nil || token != "" {
		t.Errorf("a token was given out: %q, %v", token, err)
	}
	people, err := access.People(t.Context())
	if err != nil || len(people) != 0 {
		t.Errorf("they may come in all the same: %+v, %v", people, err)
	}
	if ok, err := (store{b, nil}).Swap(t.Context(), []show.Swap{{Name: "a", Now: []byte("1")}, {Name: "b", Was: []byte("x"), Now: []byte("2")}}); ok || errors.Is(err, errBeaten) || err != nil {
		t.Errorf("a swap that was beaten: %v, %v", ok, err)
	}
	if v, err := (store{b, nil}).Setting(t.Context(), "a"); err != nil || v != nil {
		t.Errorf("half of it was written: %q, %v", v, err)
	}
}
