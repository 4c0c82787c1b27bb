package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/record"
)

// TakeIn is the first transaction: arrival, items and delivery keys are written together; only then is there a receipt,
// and only then may the sender get its 2xx. What is fresh is handed on to be understood.
func (e *Engine) TakeIn(ctx context.Context, a waybill.Arrival) (waybill.Receipt, error) {
	if a.ID == "" {
		a.ID = waybill.ArrivalID(e.ids.New("arr"))
	}
	if a.ReceivedAt.IsZero() {
		a.ReceivedAt = e.d.Now()
	}
	for i := range a.Items {
		it := &a.Items[i]
		if it.ID == "" {
			it.ID = waybill.ItemID(e.ids.New("itm"))
		}
		it.Arrival, it.Index, it.ReceivedAt = a.ID, i, a.ReceivedAt
		if it.Connection == "" { // a callback of several accounts names each item's own
			it.Connection, it.Account = a.Connection, a.Account
		}
		if it.State == "" {
			it.State = waybill.ItemKept
		}
	}
	e.taking.Add(1)
	defer e.taking.Add(-1)
	var receipt waybill.Receipt
	e.o.Passing(stepArriving)
	epoch := e.epoch()
	if e.items.room() <= 0 {
		epoch = 0 // the others may have it
	}
	err := e.book.Do(ctx, func(tx *record.Tx) (err error) {
		tx.By(epoch)
		receipt, err = tx.TakeIn(&a)
		if err != nil {
			return err
		}
		return e.listBlocked(tx, &a, receipt)
	}, record.Ahead{Arrivals: []*waybill.Arrival{&a}})
	if err != nil {
		return waybill.Receipt{}, fmt.Errorf("keep the arrival: %w", err)
	}
	e.o.Passing(stepKept)
	e.pin(&a)
	e.heard(a.Connection)
	held := &opened{arrival: &a}
	if e.items.long() {
		a.Decoded = nil // what waits long is better small
	}
	for i := range receipt.Fresh {
		if it := receipt.Fresh[i]; it.State == waybill.ItemKept {
			e.hand(&piece{item: it, arrival: held})
		}
	}
	return receipt, nil
}

// listBlocked puts items that arrived unreadable, though genuine, on a person's list at once.
func (e *Engine) listBlocked(tx *record.Tx, a *waybill.Arrival, r waybill.Receipt) error {
	for i := range r.Fresh {
		it := r.Fresh[i]
		if it.State != waybill.ItemBlocked {
			continue
		}
		cause := waybill.FormatChanged
		if named, _, ok := strings.Cut(it.Reason, ": "); ok && slices.Contains(waybill.Causes, waybill.Cause(named)) {
			cause = waybill.Cause(named) // receive begins the reason with its cause
		}
		if it.Type == "" {
			it.Type = "unreadable"
		}
		why := blame{cause: cause, connection: a.Connection, code: it.Type, words: it.Reason, owner: e.owner()}
		if cause == waybill.WaitingForPerson { // genuine, readable or not: nothing reads it
			why = e.sentByRemoved(a.Connection, it.Type, it.Reason)
		}
		id, err := tx.Raise(e.problem(why, ""), waybill.Member{Item: it.ID, At: a.ReceivedAt})
		if err != nil {
			return fmt.Errorf("list the unreadable item: %w", err)
		}
		it.Problem = id
		if err := tx.MoveItem(&it, waybill.ItemBlocked); err != nil {
			return err
		}
	}
	return nil
}

// Reject adds what was turned away at the door to the counts.
func (e *Engine) Reject(list []waybill.Rejection) {
	if len(list) == 0 {
		return
	}
	e.commit(intent{apply: func(tx *record.Tx) error { return tx.CountRejections(list) }})
}

// pin remembers an account's own id at its first genuine arrival, where the workspace does not state it: from then on
// another account's arrivals do not count as this connection's.
func (e *Engine) pin(a *waybill.Arrival) {
	for i := range a.Items {
		name, account := a.Items[i].Connection, a.Items[i].Account
		if account == "" || a.Items[i].State == waybill.ItemBlocked {
			continue
		}
		c := e.today().ws.Connections[name]
		if c == nil || c.Account != "" {
			continue
		}
		e.mu.Lock()
		_, known := e.pinned[name]
		if !known {
			e.pinned[name] = account
		}
		e.mu.Unlock()
		if known {
			continue
		}
		e.commit(intent{apply: func(tx *record.Tx) error {
			s, err := tx.ConnectionState(name)
			if err != nil || s.Account != "" {
				return err
			}
			s.Connection, s.Account = name, account
			return tx.SetConnectionState(s)
		}})
	}
}

// account is a connection's own id: as the workspace states it, else as it was pinned, else not known yet.
func (e *Engine) account(name string) string {
	if c := e.today().ws.Connections[name]; c != nil && c.Account != "" {
		return c.Account
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pinned[name]
}

// crowded is how many arrivals wait for the book before understanding steps aside.
const crowded = 96

// enough is how many jobs of one working connection are held before understanding steps aside, as long as the last exchange
// there took, and ended, no longer ago than brisk: more would only lie in the table. For a connection that hangs nobody waits, nor
// when one of its calls ends at last.
const (
	enough = 128
	brisk  = 20 * time.Millisecond
	silent = 10 * brisk // a connection that has answered nothing for so long may hang
)

// stepAside reports whether understanding is to wait a little: because so many senders wait for their answer (one that
// times out sends again, a kept item only waits), or because a connection has as much to send as it can take and works it
// off briskly.
func (e *Engine) stepAside() bool {
	if e.taking.Load() >= crowded {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.d.Now()
	for _, s := range e.senders {
		if s.held >= enough && s.took < brisk && now.Sub(s.last) < brisk {
			return true
		}
	}
	return false
}
