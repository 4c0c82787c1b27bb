package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/record"
)

// askAgain is when something is looked at again that only a person can let go on: a parked action.
const askAgain = time.Minute

// fetched writes what a read came to, and takes on what waited for it: an item, a run, or an effect in doubt.
func (e *Engine) fetched(j *job, x deliver.Exchange) {
	now := e.d.Now()
	x.Alone = e.answering(j.fetch.Connection)
	state, dec := deliver.DecideFetch(j.fetch, j.action, x, e.o.Policy, now)
	if state == waybill.FetchPlanned && dec.DueAt.IsZero() {
		dec.DueAt = now.Add(askAgain) // the action is parked: the connection's problem asks a person
	}
	f := *j.fetch
	f.State, f.Reason, f.Cause, f.DueAt = state, dec.Reason, x.Attempt.Cause, dec.DueAt
	if dec.CountsTry {
		f.Tries++
	}
	if state != waybill.FetchPlanned {
		f.SettledAt = now
	}
	if state == waybill.FetchDone {
		f.Cause = ""
		f.Answer = []byte("null")
		if x.Found {
			f.Answer = encode(x.Answer)
		}
	}
	var w waited
	attempt := x.Attempt
	attempt.Fetch, attempt.Number, attempt.Note = f.ID, j.fetch.Tries+1, dec.Reason
	e.commit(intent{
		evidence: func(tx *record.Tx) error {
			w = waited{}
			return tx.AddAttempt(&attempt)
		},
		apply: func(tx *record.Tx) (err error) {
			if err := tx.AddAttempt(&attempt); err != nil {
				return err
			}
			if err := tx.MoveFetch(&f, waybill.FetchPlanned); err != nil {
				return err
			}
			w, err = e.tellWaiting(tx, &f, dec, x)
			return err
		},
		after: func() {
			e.settledJob(j, &x)
			if w.run != nil {
				e.follow(w.run)
			}
			if w.item != nil {
				e.hand(w.item)
			}
			if w.effect != nil {
				e.queue(&job{effect: w.effect})
			}
			if f.State == waybill.FetchPlanned {
				e.schedule(f.Connection, dec)
			}
		},
		fail: func(err error) {
			e.log.Error("a read could not be written", "fetch", f.ID, "err", err)
			e.settledJob(j, &x)
		},
	})
}

// parked reports whether an action waits for a permission.
func (e *Engine) parked(connection, action string) bool {
	return slices.Contains(e.stateOf(connection).Parked, action)
}

// putOffFetch leaves a read of a parked action for later.
func (e *Engine) putOffFetch(j *job) {
	f := *j.fetch
	f.DueAt = e.d.Now().Add(askAgain)
	e.commit(intent{
		apply: func(tx *record.Tx) error { return tx.MoveFetch(&f, waybill.FetchPlanned) },
		after: func() {
			e.handBack(j)
			e.wakeSender(f.Connection, f.DueAt)
		},
		fail: func(error) { e.handBack(j) },
	})
}

// waited is what goes on once a read is on record.
type waited struct {
	run    *advance
	item   *piece
	effect *waybill.Effect
}

// tellWaiting tells what waits for a read what came of it.
func (e *Engine) tellWaiting(tx *record.Tx, f *waybill.Fetch, dec deliver.Decision, x deliver.Exchange) (w waited, err error) {
	open := f.State == waybill.FetchPlanned
	switch {
	case f.Effect != "" && strings.HasSuffix(f.Address, beforeMark):
		if !open {
			w.effect, err = e.keepBefore(tx, f)
		}
	case f.Effect != "" && strings.Contains(f.Address, freshMark):
		if !open {
			return e.freshRead(tx, f)
		}
	case f.Effect != "":
		if !open || dec.Ask {
			w.run, err = e.looked(tx, f, x)
		}
	case f.Item != "":
		if !open {
			w.item, err = e.itemFetched(tx, f, x)
		}
	default:
		run, err := tx.Run(f.Run)
		if err != nil {
			return w, err
		}
		if open {
			if run.State != waybill.RunWaiting || run.Reason == dec.Reason {
				return w, nil
			}
			run.Reason = dec.Reason
			return w, tx.MoveRun(run, waybill.RunWaiting)
		}
		answer, err := fetchAnswer(f)
		if err != nil {
			return w, err
		}
		answer.Code = x.Code
		w.run, err = e.goOn(tx, run, nil, answer)
		return w, err
	}
	return w, err
}

// itemFetched hands an item back to be understood with what was read, or lists it when the read failed for good.
func (e *Engine) itemFetched(tx *record.Tx, f *waybill.Fetch, x deliver.Exchange) (*piece, error) {
	it, err := tx.Item(f.Item)
	if err != nil {
		return nil, err
	}
	if it.State != waybill.ItemFetching {
		return nil, nil
	}
	if f.State == waybill.FetchFailed {
		why := blame{
			cause: causeOr(x.Attempt.Cause, waybill.OurSide), connection: f.Connection, action: f.Action, code: x.Code,
			words: f.Reason, owner: e.owner(),
		}
		id, err := tx.Raise(e.problem(why, ""), waybill.Member{Item: it.ID, At: e.d.Now()})
		if err != nil {
			return nil, err
		}
		it.State, it.Reason, it.Problem = waybill.ItemBlocked, f.Reason, id
		return nil, tx.MoveItem(it, waybill.ItemFetching)
	}
	it.DueAt = e.d.Now() // a crash does not forget it
	return &piece{item: *it}, tx.MoveItem(it, waybill.ItemFetching)
}

// readFor gathers what was read for an item that waits for it, each under its name, the newest last.
func (e *Engine) readFor(it *waybill.Item) (map[string]any, error) {
	var list []waybill.Fetch
	err := e.view(func(tx *record.Tx) (err error) { list, err = tx.FetchesOfItem(it.ID); return err })
	if err != nil {
		return nil, fmt.Errorf("read what was fetched for %s: %w", it.ID, err)
	}
	list = slices.DeleteFunc(list, func(f waybill.Fetch) bool { return f.State != waybill.FetchDone })
	out := make(map[string]any, len(list))
	for i := range list {
		answer, err := fetchAnswer(&list[i])
		if err != nil {
			return nil, err
		}
		out[list[i].Address] = answer.Output
	}
	return out, nil
}
