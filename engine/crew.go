package engine

import (
	"sync"
	"time"
)

// crew works off a bounded queue with a bounded number of hands. When it is full it forgets: the table still has the
// work, and the sweep finds it.
type crew[T any] struct {
	d      Dispatcher
	hands  int
	batch  int
	bound  int
	work   func([]T)
	yield  func() bool // others go first now; asked for each batch
	refill func()      // asks the table for what was not queued
	mu     sync.Mutex
	queue  []T
	busy   int
	missed bool // something was not queued: look at the table again
	yields int  // in a row
}

// A crew that yields comes again soon, and not more often in a row than this: what goes first never starves it.
const (
	yieldFor   = 2 * time.Millisecond
	mostYields = 50
	fewAtOnce  = 8 // of a batch that would not wait any longer
)

func newCrew[T any](d Dispatcher, hands, batch, bound int, work func([]T)) *crew[T] {
	return &crew[T]{d: d, hands: hands, batch: batch, bound: bound, work: work}
}

// push queues x; false when the queue is full and the table must be asked later.
func (c *crew[T]) push(x T) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= c.bound {
		c.missed = true
		return false
	}
	c.queue = append(c.queue, x)
	if c.busy < c.hands {
		c.busy++
		c.d.Go(c.turn)
	}
	return true
}

// turn works off one batch and hands itself out again while there is more.
func (c *crew[T]) turn() {
	c.mu.Lock()
	n := min(c.batch, len(c.queue))
	if n > 0 && c.yield != nil && c.yields < mostYields && c.yield() {
		c.yields++
		c.mu.Unlock()
		c.d.At(c.d.Now().Add(yieldFor), c.turn)
		return
	}
	if c.yields >= mostYields {
		n = min(n, fewAtOnce)
	}
	c.yields = 0
	if n == 0 {
		c.busy--
		c.mu.Unlock()
		return
	}
	list := make([]T, n)
	copy(list, c.queue)
	rest := copy(c.queue, c.queue[n:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	low := c.missed && rest < c.bound/4
	c.missed = c.missed && !low
	c.mu.Unlock()
	if low {
		c.d.Go(c.refill)
	}
	c.work(list)
	c.d.Go(c.turn)
}

// ask says for how many the table is asked; 0 while the queue is more than half full, as looking costs as well: then it is asked
// later.
func (c *crew[T]) ask() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	free := c.bound - len(c.queue)
	if free < c.bound/2 {
		c.missed = true
		return 0
	}
	return free
}

// more notes that the table has more than was asked for.
func (c *crew[T]) more() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missed = true
}

// long reports whether what is queued now waits a while.
func (c *crew[T]) long() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 4*c.batch
}

// drop takes out all that is queued.
func (c *crew[T]) drop() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.queue
	c.queue = nil
	return list
}

// room says how many more fit.
func (c *crew[T]) room() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bound - len(c.queue)
}
