package record

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"waybill"
)

// maxTries is how often a batch is run that gave way to another writer. It waits a little longer each time, and not as long
// as the other does.
const maxTries = 20

// A batch ends when nothing is queued, or at one of these. It never waits for more to come: while it commits, the next
// one queues up by itself, which is all the batching a busy book needs.
const (
	maxActs = 1024
	maxWork = 25 * time.Millisecond
)

// act is one caller's work, waiting for its commit.
type act struct {
	do    func(*Tx) error
	ahead Ahead
	taken atomic.Bool // by the writer, or given up by its caller: whoever sets it
	err   error
	done  chan struct{}
}

// Do runs act in a transaction and returns once it is on stable storage. Acts of several callers share a commit. An act
// may be run more than once (after a neighbour failed), so it must depend on nothing but the Tx and its own inputs,
// and set its results anew each time. It must not call Do or View. After a failed commit the book refuses with
// Unavailable until it has reopened. When ctx ends while the act is still queued, it is not run. What the act is known to look
// up may be said ahead.
func (b *Book) Do(ctx context.Context, do func(*Tx) error, ahead ...Ahead) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.o.Inline {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.closed {
			return errClosed()
		}
		a := newAct(do, ahead)
		b.run(&[]*act{a}, nil)
		return a.err
	}
	a := newAct(do, ahead)
	a.done = make(chan struct{})
	b.closing.RLock()
	if b.closed {
		b.closing.RUnlock()
		return errClosed()
	}
	select {
	case b.queue <- a:
		b.closing.RUnlock()
	case <-ctx.Done():
		b.closing.RUnlock()
		return ctx.Err()
	}
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		if !a.taken.Swap(true) {
			return ctx.Err()
		}
		<-a.done // it is being run: its end is the truth
		return a.err
	}
}

func newAct(do func(*Tx) error, ahead []Ahead) *act {
	a := &act{do: do}
	if len(ahead) > 0 {
		a.ahead = ahead[0]
	}
	return a
}

// Ready reports whether the book can be read and written now: nil, or why not (Unavailable). It reads, and when what was to be
// written last failed, it tries whether a write is kept again; a book that works is not written to.
func (b *Book) Ready(ctx context.Context) error {
	err := b.View(ctx, func(tx *Tx) error {
		_, _, err := one(tx, "SELECT value FROM book WHERE name = $1", text0, "environment")
		return err
	})
	if err != nil || !b.failed.Load() {
		return err
	}
	return b.Do(ctx, func(tx *Tx) error {
		_, err := tx.exec("UPDATE book SET value = value WHERE name = $1", "environment")
		return err
	})
}

// write is the writer: it takes what is queued, runs it, commits, answers.
func (b *Book) write() {
	var batch []*act
	clean := false
	defer func() {
		if clean {
			close(b.ended)
			return
		}
		// An act has ended its goroutine (as a failing test does): the others still need a writer.
		answer(batch, fmt.Errorf("the act ended its goroutine"))
		go b.write()
	}()
	for first := range b.queue {
		if first.taken.Swap(true) {
			continue
		}
		batch = append(batch[:0], first)
		b.batch(&batch)
		answer(batch, nil)
		clear(batch)
	}
	clean = true
}

func answer(batch []*act, err error) {
	for _, a := range batch {
		if err != nil && a.err == nil {
			a.err = err
		}
		if a.done != nil {
			close(a.done)
		}
	}
}

func (b *Book) batch(batch *[]*act) {
	b.mu.Lock()
	defer b.mu.Unlock()
	began := time.Now()
	b.run(batch, func(n int) *act {
		for n < maxActs && time.Since(began) < maxWork {
			select {
			case a, ok := <-b.queue:
				if !ok {
					return nil
				}
				if !a.taken.Swap(true) {
					return a
				}
			default:
				return nil
			}
		}
		return nil
	})
}

// run runs a batch and what more hands over, in one transaction. Each act's err is set when it returns. mu is held. A connection
// that was cut before the commit was asked for has left nothing behind: the batch is run once more on another.
func (b *Book) run(batch *[]*act, more func(n int) *act) {
	changed, err := b.try(batch, more)
	if b.wasCut(err) {
		b.breakDown()
		b.distrust()
		for _, a := range *batch {
			a.err = nil
		}
		changed, err = b.try(batch, nil)
	}
	b.failed.Store(err != nil)
	if err != nil {
		if b.w != nil {
			b.breakDown()
		}
		fail(*batch, err)
		return
	}
	b.store.tend(b.w)
	b.watchers.tell(changed)
}

// try runs a batch as often as another writer is first, and returns what it changed.
func (b *Book) try(batch *[]*act, more func(n int) *act) (change, error) {
	ctx := context.Background()
	b.asked = false
	if err := b.beginWrite(ctx); err != nil {
		return 0, unavailable("the book cannot be written now", err)
	}
	tx := &Tx{s: b.w, book: b}
	tx.line, _ = b.w.(liner)
	done := false
	defer func() {
		if !done { // an act has ended the goroutine
			_ = b.w.rollback()
		}
	}()
	err := b.attempt(ctx, tx, batch, more)
	for try := 1; try < maxTries && worthAgain(err); try++ {
		time.Sleep(rand.N(time.Duration(try*try) * time.Millisecond)) // no secret hangs on it
		if err = b.startOver(ctx, tx, *batch); err == nil {
			err = b.attempt(ctx, tx, batch, nil)
		}
	}
	done = true
	return tx.changed, err
}

// wasCut reports whether a batch failed with its connection, before its commit was asked for. One that does not answer is waited for
// only once.
func (b *Book) wasCut(err error) bool {
	var s *storageError
	return errors.As(err, &s) && !s.again && b.w != nil && !b.asked && b.store.shared() && !errors.Is(err, os.ErrDeadlineExceeded)
}

// beginWrite starts a transaction, on a new connection when there is none or when it was cut while it stood idle.
func (b *Book) beginWrite(ctx context.Context) error {
	if b.w != nil {
		err := b.w.begin(ctx, true)
		if err == nil {
			return nil
		}
		b.breakDown()
		if b.w != nil { // a book in memory has no other connection
			return err
		}
	}
	w, err := b.store.writer(ctx)
	if err != nil {
		return err
	}
	b.w = w
	if err := b.w.begin(ctx, true); err != nil {
		b.breakDown()
		return err
	}
	return nil
}

// worthAgain reports whether an error says no more than that another writer was first.
func worthAgain(err error) bool {
	var s *storageError
	return errors.As(err, &s) && s.again
}

// startOver takes back what a batch did, so that it can be run once more.
func (b *Book) startOver(ctx context.Context, tx *Tx, batch []*act) error {
	if err := b.w.rollback(); err != nil {
		return err
	}
	if err := b.w.begin(ctx, true); err != nil {
		return err
	}
	b.asked = false
	tx.reset()
	for _, a := range batch {
		a.err = nil
	}
	return nil
}

// attempt runs the acts and commits. An error is the storage's own and stands for the whole batch.
func (b *Book) attempt(ctx context.Context, tx *Tx, batch *[]*act, more func(n int) *act) error {
	asked := 0
	for i := 0; ; i++ {
		if i >= asked {
			gather(tx, batch, i, more)
			if i == len(*batch) {
				break
			}
			asked = len(*batch)
			tx.aborted = tx.note(tx.lookAhead((*batch)[i:])) != nil
		}
		a := (*batch)[i]
		if !tx.aborted {
			a.err = tx.run(a.do)
		}
		if tx.broken != nil {
			a.err = nil // it did not refuse: it gets the batch's answer
			return unavailable("the book could not be written", tx.broken)
		}
		if a.err != nil && tx.wrote > 0 || tx.aborted || tx.late {
			if err := b.again(ctx, tx, *batch); err != nil {
				return unavailable("the book could not be written", err)
			}
			break
		}
	}
	err := b.end(tx)
	if tx.late { // the server refused something ahead of the commit, and so did not come to that
		if err = b.again(ctx, tx, *batch); err != nil {
			return unavailable("the book could not be written", err)
		}
		err = b.end(tx)
	}
	return err
}

// gather takes in those acts that queue, when all before the i-th are done: one at a time where each asks for itself.
func gather(tx *Tx, batch *[]*act, i int, more func(int) *act) {
	size := 1
	if tx.line != nil {
		size = maxAhead
	}
	for more != nil && len(*batch)-i < size {
		next := more(len(*batch))
		if next == nil {
			return
		}
		*batch = append(*batch, next)
	}
}

// end writes what was noted beside the acts and commits. What stands in line goes out with the commit.
func (b *Book) end(tx *Tx) error {
	err := tx.flush()
	if others, ok := b.store.(gossip); ok && err == nil && tx.changed != 0 {
		err = others.tell(b.w, tx.changed)
	}
	if tx.note(err) != nil {
		return unavailable("the book could not be written", err)
	}
	b.asked = true
	if err := tx.note(b.commit(b.w)); err != nil {
		return unavailable("the book could not finish a write, which may or may not have been kept", err)
	}
	return nil
}

// again rolls the transaction back and runs those acts of the batch that did not fail once more, each in a savepoint, so
// that one that fails now leaves the others alone.
func (b *Book) again(ctx context.Context, tx *Tx, batch []*act) error {
	failed := make([]error, len(batch))
	for i, a := range batch {
		if !tx.late {
			failed[i] = a.err
		}
	}
	b.reran++
	tx.line, tx.foretold = nil, foretold{}
	if err := b.startOver(ctx, tx, batch); err != nil {
		return err
	}
	for i, a := range batch {
		if a.err = failed[i]; a.err != nil {
			continue
		}
		if _, err := b.w.exec("SAVEPOINT act"); err != nil {
			return err
		}
		tx.asked = Standing{} // a lock goes with the savepoint it was taken in
		a.err = tx.run(a.do)
		if tx.broken != nil {
			a.err = nil
			return tx.broken
		}
		if a.err == nil && tx.aborted {
			a.err = &waybill.Error{Kind: waybill.Internal, Message: "an act went on after the book had refused a statement of it"}
		}
		if a.err != nil {
			if _, err := b.w.exec("ROLLBACK TO SAVEPOINT act"); err != nil {
				return err
			}
		}
		if _, err := b.w.exec("RELEASE SAVEPOINT act"); err != nil {
			return err
		}
	}
	return nil
}

// run runs one act and keeps or forgets what it noted beside its rows. A panic is an error of that act.
func (tx *Tx) run(do func(*Tx) error) (err error) {
	tx.now = tx.book.now()
	tx.wrote, tx.aborted = 0, false
	deltas, hours, changed := len(tx.deltas), len(tx.hours), tx.changed
	tx.forgetAct()
	defer func() {
		if p := recover(); p != nil {
			err = &waybill.Error{
				Kind: waybill.Internal, Message: fmt.Sprintf("an act on the book panicked: %v", p),
				Err: fmt.Errorf("%s", debug.Stack()),
			}
		}
		if err != nil {
			tx.deltas, tx.hours, tx.changed = tx.deltas[:deltas], tx.hours[:hours], changed
		}
	}()
	if err := do(tx); err != nil {
		return err
	}
	return tx.countAttempts()
}

// breakDown gives the connection up after a failure; the next batch opens it anew.
func (b *Book) breakDown() {
	_ = b.w.rollback()
	if b.readers == nil {
		return // a book in memory is its connection
	}
	_ = b.w.close()
	b.w = nil
}

func fail(batch []*act, err error) {
	for _, a := range batch {
		if a.err == nil {
			a.err = err
		}
	}
}

// change is a set of kinds of thing that changed.
type change uint

// The kinds of thing that Watch tells of.
const (
	itemChanged change = 1 << iota
	eventChanged
	runChanged
	effectChanged
	problemChanged
	connectionChanged
	rejectionChanged
	jobChanged
	everyChanged = 1<<iota - 1
)

var changeWords = []string{"item", "event", "run", "effect", "problem", "connection", "rejection", "job"}

func (c change) words() []string {
	var out []string
	for i, word := range changeWords {
		if c&(1<<i) != 0 {
			out = append(out, word)
		}
	}
	return out
}

// watchers are those who want to know what changed. Each has a channel of one; what is not taken in time is merged.
type watchers struct {
	mu   sync.Mutex
	all  []chan []string
	done bool
}

// Watch returns a channel that gets the kinds of thing that changed after commits ("event", "run", "effect", "problem",
// "connection", "item", "rejection", "job"), merged when the reader is slow, and a function to stop. The channel is closed when
// it is stopped and when the book is closed.
func (b *Book) Watch() (<-chan []string, func()) {
	w := &b.watchers
	ch := make(chan []string, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		close(ch)
		return ch, func() {}
	}
	w.all = append(w.all, ch)
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if i := slices.Index(w.all, ch); i >= 0 {
			w.all = slices.Delete(w.all, i, i+1)
			close(ch)
		}
	}
}

func (w *watchers) tell(c change) {
	if c == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.all {
		words := c.words()
		select {
		case before := <-ch:
			words = append(words, before...)
			slices.SortFunc(words, strings.Compare)
			words = slices.Compact(words)
		default:
		}
		ch <- words // there is room: only tell sends, under mu
	}
}

func (w *watchers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	for _, ch := range w.all {
		close(ch)
	}
	w.all = nil
}
