package engine_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/pgtest"
	"waybill/record"
)

// TestABookThatMovesInMidCourseEndsAsIfItHadStayed does part of the work on SQLite, kills the process, moves the book to
// PostgreSQL, and lets another process finish there: nothing is lost, nothing is doubled.
func TestABookThatMovesInMidCourseEndsAsIfItHadStayed(t *testing.T) {
	if testing.Short() {
		t.Skip("moves six books")
	}
	for _, j := range journeys {
		ws := load(t, files(j.flows))
		want := travel(t, ws, j.given, nil).standing()
		for _, at := range []int{1, 3} {
			to := pgtest.Fresh(t)
			r := newRig(t, ws)
			from := "sqlite:" + filepath.Join(t.TempDir(), "book.db")
			r.kill()
			r.openBook(from)
			r.start(ws)
			r.after = func(n int) {
				if n == at {
					r.kill()
				}
			}
			j.given(r)
			r.run(20 * time.Second)
			r.kill()
			r.after = nil
			if err := r.book.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := record.Move(t.Context(), from, to, record.Options{Now: r.v.Now}); err != nil {
				t.Fatal(err)
			}
			r.openBook(to)
			r.start(ws)
			r.run(2 * time.Hour)
			if diff := cmp.Diff(want, r.standing()); diff != "" {
				t.Errorf("%s, moved after call %d: another end (-stayed +moved):\n%s", j.name, at, diff)
			}
			for what, n := range j.made {
				if got := r.happened(what[0], what[1]); got != n {
					t.Errorf("%s, moved after call %d: %d %v were made, want %d", j.name, at, got, what, n)
				}
			}
		}
	}
}
