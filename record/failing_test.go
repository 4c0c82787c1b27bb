package record

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"waybill"
)

var errDisk = errors.New("the disk is gone")

func openFile(t *testing.T) *Book {
	t.Helper()
	b, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "book.db"), Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func take(b *Book, key string) (waybill.Receipt, error) {
	var r waybill.Receipt
	err := b.Do(context.Background(), func(tx *Tx) (err error) {
		r, err = tx.TakeIn(&waybill.Arrival{
			ID: waybill.ArrivalID(b.o.IDs.New("arr")), Account: "a", Body: []byte("{}"),
			Items: []waybill.Item{{ID: waybill.ItemID(b.o.IDs.New("itm")), DeliveryKey: key}},
		})
		return err
	})
	return r, err
}

// oneCommit makes the next commit do something else.
func oneCommit(b *Book, other func(session) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit = func(s session) error {
		b.commit = session.commit
		return other(s)
	}
}

func TestACommitThatFailsAcknowledgesNobodyAndTheBookGoesOn(t *testing.T) {
	b := openFile(t)
	oneCommit(b, func(session) error { return &storageError{err: errDisk} })
	_, err := take(b, "key 1")
	if waybill.KindOf(err) != waybill.Unavailable || waybill.HintOf(err) == "" {
		t.Fatalf("acknowledged: %v", err)
	}
	r, err := take(b, "key 1")
	if err != nil || r.Duplicate {
		t.Fatalf("the next one, a duplicate %t: %v", r.Duplicate, err)
	}
}

func TestACommitThatHappenedButSaidItFailedIsRecognisedWhenTriedAgain(t *testing.T) {
	b := openFile(t)
	oneCommit(b, func(s session) error { return errors.Join(s.commit(), errDisk) })
	if _, err := take(b, "key 1"); waybill.KindOf(err) != waybill.Unavailable {
		t.Fatalf("acknowledged: %v", err)
	}
	r, err := take(b, "key 1")
	if err != nil || !r.Duplicate {
		t.Fatalf("known already %t: %v", r.Duplicate, err)
	}
}

// failingStore cannot open a writer for a while.
type failingStore struct {
	store
	times int
}

func (s *failingStore) writer(ctx context.Context) (session, error) {
	if s.times > 0 {
		s.times--
		return nil, errDisk
	}
	return s.store.writer(ctx)
}

func TestTheBookRefusesUntilItCouldBeOpenedAgain(t *testing.T) {
	b := openFile(t)
	b.mu.Lock()
	b.store = &failingStore{b.store, 3}
	b.mu.Unlock()
	oneCommit(b, func(session) error { return errDisk })
	for n := range 4 {
		if _, err := take(b, "key 1"); waybill.KindOf(err) != waybill.Unavailable {
			t.Fatalf("try %d: %v", n, err)
		}
	}
	if r, err := take(b, "key 1"); err != nil || r.Duplicate {
		t.Fatalf("open again, a duplicate %t: %v", r.Duplicate, err)
	}
}

func TestTheBookIsReadyOnlyWhileItKeepsWhatIsWritten(t *testing.T) {
	b := openFile(t)
	if err := b.Ready(t.Context()); err != nil {
		t.Fatalf("a new book: %v", err)
	}
	b.mu.Lock()
	b.store = &failingStore{b.store, 3}
	b.mu.Unlock()
	oneCommit(b, func(session) error { return errDisk })
	if _, err := take(b, "key 1"); waybill.KindOf(err) != waybill.Unavailable {
		t.Fatalf("kept: %v", err)
	}
	for n := range 3 { // nothing comes in meanwhile: whoever asks finds out
		if err := b.Ready(t.Context()); waybill.KindOf(err) != waybill.Unavailable {
			t.Fatalf("ask %d: %v", n, err)
		}
	}
	for range 2 {
		if err := b.Ready(t.Context()); err != nil {
			t.Fatalf("there is room again: %v", err)
		}
	}
}

func TestAFullDiskIsUnavailableAndNothingIsHalfWritten(t *testing.T) {
	b := openFile(t)
	b.mu.Lock()
	c, ok := b.w.(*sqliteConn)
	if !ok {
		t.Fatal("not SQLite")
	}
	if err := c.pragma("max_page_count=1"); err != nil { // SQLite takes the size it has as the least
		t.Fatal(err)
	}
	b.mu.Unlock()
	var err error
	n := 0
	for ; err == nil && n < 10_000; n++ {
		err = b.Do(t.Context(), func(tx *Tx) error { return tx.SetSetting(b.o.IDs.New("s"), make([]byte, 3000)) })
	}
	if waybill.KindOf(err) != waybill.Unavailable {
		t.Fatalf("after %d: %v", n, err)
	}
	if _, err := take(b, "key 1"); err != nil { // a new connection has no such limit: the disk has room again
		t.Fatal(err)
	}
}

func TestAnActThatEndsItsGoroutineLeavesTheOthersAWriter(t *testing.T) {
	b := openFile(t)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = b.Do(context.Background(), func(tx *Tx) error {
			if err := tx.SetSetting("a", []byte("1")); err != nil {
				return err
			}
			(&testing.T{}).SkipNow() // as a failing test does
			return nil
		})
	}()
	<-gone
	if _, err := take(b, "key 1"); err != nil {
		t.Fatal(err)
	}
	err := b.View(t.Context(), func(tx *Tx) error {
		v, err := tx.Setting("a")
		if v != nil {
			t.Error("half an act is in the book")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// listening is a session that keeps the texts of what it is asked.
type listening struct {
	session
	texts map[string]bool
}

func (l *listening) query(text string, args []any, each func(row) error) error {
	l.texts[text] = true
	return l.session.query(text, args, each)
}

func (l *listening) exec(text string, args ...any) (int, error) {
	l.texts[text] = true
	return l.session.exec(text, args...)
}

// hotQuestions are the statements that run for each event, or to find work.
func hotQuestions(tx *Tx) []func() error {
	return []func() error{
		func() error { _, err := tx.DueItems(tx.now, 10); return err },
		func() error { _, err := tx.DueRuns(tx.now, 10); return err },
		func() error { _, err := tx.DueEffects("crm", "won", tx.now, 10); return err },
		func() error { _, err := tx.DueLooks(tx.now, 10); return err },
		func() error { _, err := tx.DueFetches("crm", tx.now, 10); return err },
		func() error { _, err := tx.SentEffects("", 10); return err },
		func() error { _, err := tx.BusyConnections(); return err },
		func() error { _, err := tx.Pending(tx.now, tx.now); return err },
		func() error { _, err := tx.NextDue(tx.now); return err },
		func() error { _, err := tx.RunsOf("e"); return err },
		func() error { _, err := tx.EffectsOf("r"); return err },
		func() error { _, err := tx.Attempts("e"); return err },
		func() error { _, err := tx.FetchesOfItem("i"); return err },
		func() error { _, err := tx.FetchesOfRun("r"); return err },
		func() error { _, err := tx.LeaveLane("r"); return err },
		func() error { _, err := tx.enter("l", 1, "r"); return err },
		func() error { return tx.Clear(waybill.Member{Run: "r"}) },
		func() error { return tx.MoveItem(&waybill.Item{State: waybill.ItemBlocked}, waybill.ItemKept) },
		func() error { return tx.MoveRun(&waybill.Run{State: waybill.RunDone}, waybill.RunRunning) },
		func() error { return tx.MoveEffect(&waybill.Effect{State: waybill.EffectSent}, waybill.EffectPlanned) },
		func() error { _, _, err := tx.PutEvent(&waybill.Event{ID: "e", FactKey: "f"}); return err },
		func() error { _, err := tx.journey("evt_none"); return err },
		func() error { _, err := tx.Old(AgedBodies, tx.now, 0, 10); return err },
		func() error { _, err := tx.Old(AgedExchanges, tx.now, 0, 10); return err },
		func() error { _, err := tx.Old(AgedReads, tx.now, 0, 10); return err },
		func() error { _, err := tx.Old(AgedEvents, tx.now, 0, 10); return err },
		func() error { _, err := tx.Old(AgedItems, tx.now, 0, 10); return err },
		func() error { _, err := tx.Old(AgedHours, tx.now, 0, 10); return err },
		func() error { _, err := tx.eventNeeded("e", 1); return err },
		func() error { _, err := tx.ownerNeeded(agedRow{id: "e"}); return err },
		func() error { return tx.dropEvent(agedRow{seq: 1}) },
		func() error { return tx.dropEffect(agedRow{id: "e", key: []any{int64(1), []byte{1}}}) },
		func() error { return tx.dropItem(agedRow{id: "i"}) },
	}
}

// TestWorkIsFoundByAnIndexHoweverLongTheBook holds every statement that runs for each event, or to find work, to an index.
func TestWorkIsFoundByAnIndexHoweverLongTheBook(t *testing.T) {
	b := openFile(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &listening{b.w, map[string]bool{}}
	tx := &Tx{s: l, book: b, now: time.Now()}
	for _, ask := range hotQuestions(tx) {
		if err := ask(); err != nil && waybill.KindOf(err) != waybill.NotFound {
			t.Fatal(err)
		}
	}
	for text := range l.texts {
		if strings.HasPrefix(text, "INSERT") {
			continue
		}
		err := b.w.query("EXPLAIN QUERY PLAN "+text, nil, func(r row) error {
			step := r.text(3)
			if strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "CONSTANT") && !okScan(step) {
				t.Errorf("reads a whole table: %s\n\t%s", step, text)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestTheNextMembersOfAJobAreFoundByTheirState: a job of many is not read through from its beginning at every turn.
func TestTheNextMembersOfAJobAreFoundByTheirState(t *testing.T) {
	b := openFile(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &listening{b.w, map[string]bool{}}
	tx := &Tx{s: l, book: b, now: time.Now()}
	for _, kind := range []waybill.JobKind{waybill.JobReplay, waybill.JobPutBack} {
		job := &waybill.Job{ID: "job_1", Kind: kind}
		_, err := tx.NextJobMembers(job, waybill.MemberPlanned, 10)
		_, err2 := tx.WaitingJobMembers(job.ID, 10)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
	}
	for text := range l.texts {
		var steps []string
		err := b.w.query("EXPLAIN QUERY PLAN "+text, nil, func(r row) error {
			steps = append(steps, r.text(3))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(steps, "; ")
		if !strings.Contains(plan, "job_members_state (job=? AND state=?)") || strings.Contains(plan, "PRIMARY KEY (job=?)") {
			t.Errorf("%s\nis planned as %s", text, plan)
		}
	}
}

// TestAStatementIsPlannedOnce holds the same statements to the plan they were prepared with. SQLite plans one anew at every
// use when its plan depends on what is bound: where the state of a partial index is a parameter, or the limit.
func TestAStatementIsPlannedOnce(t *testing.T) {
	b := openFile(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.w.(*sqliteConn)
	if !ok {
		t.Fatal("not SQLite")
	}
	planned := 0
	err := c.conn.SetAuthorizer(sqlite.AuthorizeFunc(func(sqlite.Action) sqlite.AuthResult { // asked while planning
		planned++
		return sqlite.AuthResultOK
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, epoch := range []int64{0, 1} {
		tx := &Tx{s: c, book: b, now: time.Now(), epoch: epoch}
		for i, ask := range hotQuestions(tx) {
			var l *listening
			for range 2 {
				l = &listening{c, map[string]bool{}}
				tx.s, planned = l, 0
				err := errors.Join(c.begin(t.Context(), true), ask())
				if err := errors.Join(err, c.rollback()); err != nil && waybill.KindOf(err) != waybill.NotFound {
					t.Fatal(err)
				}
			}
			if planned > 0 {
				t.Errorf("epoch %d, question %d is planned anew, one of %q", epoch, i, slices.Collect(maps.Keys(l.texts)))
			}
		}
	}
}

// okScan are the steps over what a statement itself made.
func okScan(step string) bool {
	for _, made := range []string{"SCAN e", "SCAN f", "SCAN (", "SCAN SUBQUERY", "SCAN events USING COVERING INDEX", "SCAN fetches USING COVERING INDEX fetches_open", "SCAN jobs"} {
		if step == made || strings.HasPrefix(step, made+" ") {
			return true
		}
	}
	return false
}

// TestABookOfOneProcessAsksNothingForNodes holds what nodes cost a book in a file: no statement.
func TestABookOfOneProcessAsksNothingForNodes(t *testing.T) {
	b := openFile(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &listening{b.w, map[string]bool{}}
	tx := &Tx{s: l, book: b, now: time.Now()}
	s, err := tx.As(0)
	if err != nil || !s.Holds || len(l.texts) != 0 {
		t.Errorf("it asks %v: %v", l.texts, err)
	}
	if tx.By(0); tx.claim(ms(tx.now)) != 0 || len(l.texts) != 0 {
		t.Errorf("it claims for an epoch, or asks %v", l.texts)
	}
	if _, err := tx.DueEffects("crm", "won", tx.now, 10); err != nil || len(l.texts) != 1 {
		t.Errorf("what is due takes %d statements: %v", len(l.texts), err)
	}
}
