package engine

import (
	"context"
	"time"

	"waybill/record"
	"waybill/workspace"
)

// Housekeeping: what is past its time is forgotten, in acts so small that they keep nobody waiting, each followed by a
// pause. It runs through every kind of thing once in an hour, from the oldest on. In the end it erases what was left of
// people who were erased.

const (
	keepEvery  = time.Hour
	keepMost   = 64                   // things forgotten in one act
	keepBrief  = 2 * time.Millisecond // an act that took longer is followed by smaller ones
	keepPause  = 10 * time.Millisecond
	keepMinute = 48 * time.Hour // figures of single minutes
)

// aged is one kind of thing with the time it is kept.
type aged struct {
	kind record.Aged
	keep time.Duration // zero: for good
}

// agedBy is what a workspace lets the book forget: what is told of a thing before the thing.
func agedBy(r workspace.Retention) []aged {
	return []aged{
		{record.AgedBodies, r.Bodies},
		{record.AgedExchanges, r.Exchanges},
		{record.AgedReads, r.Exchanges},
		{record.AgedTold, r.Journeys},
		{record.AgedEvents, r.Journeys},
		{record.AgedItems, r.Journeys},
		{record.AgedNewest, r.Journeys},
		{record.AgedJobs, r.Journeys},
		{record.AgedProblems, r.Journeys},
		{record.AgedRejections, r.Rejections},
		{record.AgedMinutes, keepMinute},
		{record.AgedHours, r.Figures},
		{record.AgedAudit, r.Audit},
	}
}

// keeping is where housekeeping stands. Only one turn is under way at a time; mu guards it.
type keeping struct {
	next  time.Time // of the next round
	busy  bool      // a round is under way
	nth   int       // the kind it is at
	after int64     // the place it is at
	limit int
}

// housekeep begins a round when it is time.
func (e *Engine) housekeep() {
	now := e.d.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	k := &e.keeping
	if k.busy || now.Before(k.next) || e.stopping || e.current == nil {
		return
	}
	*k = keeping{next: now.Add(keepEvery), busy: true, limit: keepMost}
	e.d.Go(e.forgetSome)
}

// forgetSome is one turn: a look and one act. It hands out the next one.
func (e *Engine) forgetSome() {
	e.mu.Lock()
	k := e.keeping
	list := agedBy(e.current.ws.Retention)
	if e.stopping || k.nth >= len(list) {
		stopping := e.stopping
		e.mu.Unlock()
		if !stopping {
			e.eraseWhatEnded()
		}
		e.mu.Lock()
		e.keeping.busy = false
		e.mu.Unlock()
		return
	}
	e.mu.Unlock()
	a, began := list[k.nth], e.d.Now()
	found, took := 0, time.Duration(0)
	done := a.keep == 0
	if !done {
		var old *record.Old
		err := e.view(func(tx *record.Tx) (err error) {
			old, err = tx.Old(a.kind, began.Add(-a.keep), k.after, k.limit)
			return err
		})
		if err != nil {
			e.log.Error("what is past retention could not be found", "kind", a.kind, "err", err)
			done = true // the next round looks again
		} else {
			found, done, k.after = old.Len(), old.Done, old.Next
			if took, err = e.forget(old); err != nil {
				e.log.Error("what is past retention could not be forgotten", "kind", a.kind, "err", err)
				done = true
			}
		}
	}
	switch {
	case took > keepBrief:
		k.limit = max(k.limit/2, 1)
	case found == k.limit:
		k.limit = min(k.limit*2, keepMost)
	}
	if done {
		k.nth, k.after = k.nth+1, 0
	}
	e.mu.Lock()
	e.keeping = k
	stopping := e.stopping
	e.mu.Unlock()
	switch {
	case stopping:
	case found == 0:
		e.d.Go(e.forgetSome)
	default:
		e.d.At(e.d.Now().Add(max(keepPause, 3*took)), func() { e.d.Go(e.forgetSome) })
	}
}

// eraseWhatEnded erases of people who were erased what had not ended then, and has now.
func (e *Engine) eraseWhatEnded() {
	done, err := e.book.EraseAgain(context.Background(), nil, "Waybill")
	switch {
	case err != nil:
		e.log.Error("what was left of people who were erased could not be erased; it is tried again in an hour", "err", err)
	case done.People > 0:
		e.log.Info("what was left of people who were erased has ended, and is erased", "people", done.People)
	}
}

// forget takes away what was found, and says how long the act kept the writer.
func (e *Engine) forget(old *record.Old) (took time.Duration, err error) {
	if old.Len() == 0 {
		return 0, nil
	}
	err = e.book.Do(context.Background(), func(tx *record.Tx) error {
		began := e.d.Now()
		_, err := tx.Forget(old)
		took = e.d.Now().Sub(began)
		return err
	})
	return took, err
}
