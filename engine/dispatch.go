package engine

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Dispatcher hands out all work of the engine: what may run now, and what runs at a time. A test replaces it and
// so decides the order and the clock.
type Dispatcher interface {
	// Now is the time.
	Now() time.Time
	// Go runs fn soon, beside others.
	Go(fn func())
	// At runs fn once at t or soon after; cancel stops one that has not begun.
	At(t time.Time, fn func()) (cancel func())
}

// Live is the dispatcher of production: goroutines and timers. Stop refuses new work and waits for what is under way.
type Live struct {
	mu      sync.Mutex
	under   sync.WaitGroup
	stopped bool
	timers  map[*time.Timer]struct{}
}

// NewLive returns a dispatcher that is ready.
func NewLive() *Live { return &Live{timers: map[*time.Timer]struct{}{}} }

// Now is the wall clock.
func (l *Live) Now() time.Time { return time.Now() }

// Go starts a goroutine, unless the dispatcher has stopped: then the work stays in the book for the next start.
func (l *Live) Go(fn func()) {
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		return
	}
	l.under.Add(1)
	l.mu.Unlock()
	go func() {
		defer l.under.Done()
		fn()
	}()
}

// At sets a timer.
func (l *Live) At(t time.Time, fn func()) (cancel func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return func() {}
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Until(t), func() {
		l.mu.Lock()
		delete(l.timers, timer)
		l.mu.Unlock()
		l.Go(fn)
	})
	l.timers[timer] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		timer.Stop()
		delete(l.timers, timer)
	}
}

// Stop takes no more work and waits for what is under way until ctx ends; it reports whether all of it ended.
func (l *Live) Stop(ctx context.Context) bool {
	l.mu.Lock()
	l.stopped = true
	for t := range l.timers {
		t.Stop()
	}
	clear(l.timers)
	l.mu.Unlock()
	done := make(chan struct{})
	go func() {
		l.under.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Virtual is a dispatcher in virtual time: one piece of work runs at a time, in the order it was handed out, and time
// moves only when nothing can run. The same work gives the same order every time.
type Virtual struct {
	mu     sync.Mutex
	now    time.Time
	ready  []turn
	timers timerHeap
	seq    int
	yield  chan struct{} // a piece of work ended or sleeps
}

// NewVirtual returns one whose clock stands at start.
func NewVirtual(start time.Time) *Virtual {
	return &Virtual{now: start, yield: make(chan struct{})}
}

// Now is the virtual time.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// Go puts fn at the end of what may run.
func (v *Virtual) Go(fn func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ready = append(v.ready, turn{fn: fn})
}

// At puts fn on the virtual clock.
func (v *Virtual) At(t time.Time, fn func()) (cancel func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seq++
	e := &timerEntry{at: t, seq: v.seq, fn: fn}
	heap.Push(&v.timers, e)
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		e.fn = nil
	}
}

// After is At from now, for the simulator.
func (v *Virtual) After(d time.Duration, fn func()) { v.At(v.Now().Add(d), fn) }

// Sleep lets virtual time pass for the piece of work that calls it; others run meanwhile.
func (v *Virtual) Sleep(d time.Duration) {
	wake := make(chan struct{})
	v.mu.Lock()
	v.seq++
	heap.Push(&v.timers, &timerEntry{at: v.now.Add(d), seq: v.seq, wake: wake})
	v.mu.Unlock()
	v.yield <- struct{}{}
	<-wake
}

// RunUntil runs everything due up to t, then sets the clock to t.
func (v *Virtual) RunUntil(t time.Time) {
	for v.step(t) {
	}
	v.mu.Lock()
	if v.now.Before(t) {
		v.now = t
	}
	v.mu.Unlock()
}

// RunIdle runs until nothing can run and no timer is set within the horizon; it reports the time it stopped.
func (v *Virtual) RunIdle(horizon time.Duration) time.Time {
	end := v.Now().Add(horizon)
	for v.step(end) {
	}
	return v.Now()
}

// step runs one piece of work, moving the clock when nothing is ready; false when nothing is due by end.
func (v *Virtual) step(end time.Time) bool {
	v.mu.Lock()
	for len(v.ready) == 0 {
		if len(v.timers) == 0 || v.timers[0].at.After(end) {
			v.mu.Unlock()
			return false
		}
		e := heap.Pop(&v.timers).(*timerEntry)
		if e.fn == nil && e.wake == nil {
			continue
		}
		if e.at.After(v.now) {
			v.now = e.at
		}
		v.ready = append(v.ready, turn{e.fn, e.wake})
	}
	next := v.ready[0]
	v.ready = v.ready[1:]
	v.mu.Unlock()
	if next.wake != nil {
		close(next.wake) // the sleeper goes on, and yields when it ends or sleeps again
	} else {
		go func() {
			defer func() { v.yield <- struct{}{} }() // also when it is cut off in its middle
			next.fn()
		}()
	}
	<-v.yield
	return true
}

// turn is one piece of work: a function to start, or a sleeper to wake.
type turn struct {
	fn   func()
	wake chan struct{}
}

type timerEntry struct {
	at   time.Time
	seq  int
	fn   func()
	wake chan struct{}
}

type timerHeap []*timerEntry //nolint:recvcheck // as container/heap asks

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(*timerEntry)) }
func (h *timerHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
