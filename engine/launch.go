package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// launch is the dispatcher of an engine that may not have been started: until then nothing is handed out, so that a
// command that opened the book for a look or an act never calls anybody. What an act leads to is in the tables, for whoever
// serves the book; what was held is handed out, in its order, when this engine is started after all.
type launch struct {
	Dispatcher
	gone   atomic.Bool
	looked atomic.Bool // it knows what the book remembers
	mu     sync.Mutex
	held   []*heldTurn
}

type heldTurn struct {
	at     time.Time // zero: soon
	fn     func()    // nil when it was cancelled
	cancel func()    // once it was handed out
}

// Go makes it a Dispatcher.
func (l *launch) Go(fn func()) {
	if l.gone.Load() || !l.hold(&heldTurn{fn: fn}) {
		l.Dispatcher.Go(fn)
	}
}

// At makes it a Dispatcher.
func (l *launch) At(t time.Time, fn func()) (cancel func()) {
	h := &heldTurn{at: t, fn: fn}
	if l.gone.Load() || !l.hold(h) {
		return l.Dispatcher.At(t, fn)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if h.fn = nil; h.cancel != nil {
			h.cancel()
		}
	}
}

// hold keeps a turn; false when the engine works.
func (l *launch) hold(h *heldTurn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone.Load() {
		return false
	}
	l.held = append(l.held, h)
	return true
}

// open hands out what was held, and from now on everything.
func (l *launch) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		switch {
		case h.fn == nil:
		case h.at.IsZero():
			l.Dispatcher.Go(h.fn)
		default:
			h.cancel = l.Dispatcher.At(h.at, h.fn)
		}
	}
	l.held = nil
	l.gone.Store(true)
}

// lookFirst is for an engine that was not started: before it judges or does anything it takes over what the book remembers
// of connections, and what runs wait for. It costs a started one nothing.
func (e *Engine) lookFirst() error {
	l := e.launch
	if l.gone.Load() || l.looked.Load() {
		return nil
	}
	if err := e.watchWaits(); err != nil {
		return fmt.Errorf("read what runs wait for: %w", err)
	}
	if err := e.restoreConnections(); err != nil {
		return fmt.Errorf("read how the connections are: %w", err)
	}
	l.looked.Store(true)
	return nil
}
