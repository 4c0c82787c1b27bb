package record

import (
	"encoding/binary"
	"time"

	"waybill"
)

// Runs that wait for events. Both sides are indexed by one hash of what must be the same: an event that somebody may wait
// for leaves its hash in `told` and looks into `waits`; a run that comes to a wait leaves its hashes in `waits` and looks
// back into `told`. Each side writes first and looks then, holding the row of the hash's class in `wait_locks`: of two
// transactions on two nodes the second waits for the first and, as every statement at READ COMMITTED sees what was
// committed before it, finds what that one wrote. Neither can miss the other.

// WaitKey is what an event and a wait have in common: the event's type, the fields it is matched by, and their values.
type WaitKey struct{ Type, Shape, Value string }

func (k WaitKey) hash() []byte { return hash12(k.Type, k.Shape, k.Value) }

// Hit is an event that may end a run's wait, or the press of a person.
type Hit struct {
	Address    string // what waits, as it was registered
	Event      waybill.EventID
	AcceptedAt time.Time
}

// pressed is the address of the hit that is a person's press.
const pressed = "~press"

// Pressed reports whether the hit is the press of a person who lets the run go on.
func (h Hit) Pressed() bool { return h.Address == pressed }

// pressKey serialises a press with whoever looks at the run's wait.
func pressKey(run waybill.RunID) WaitKey { return WaitKey{Shape: pressed, Value: string(run)} }

// LockRest holds a run's wait against presses until the end of the transaction.
func (tx *Tx) LockRest(run waybill.RunID) error { return tx.LockWait(pressKey(run)) }

// PressOn makes a run that waits due, with the press as a hit; false when it does not wait or was pressed before.
func (tx *Tx) PressOn(run waybill.RunID) (bool, error) {
	if err := tx.LockRest(run); err != nil {
		return false, err
	}
	n, err := tx.exec(`INSERT INTO wait_hits (run, accepted_at, event, address)
		SELECT id, CAST($2 AS BIGINT), '', CAST($3 AS TEXT) FROM runs WHERE id = $1 AND state = 'waiting'
		AND NOT EXISTS (SELECT 1 FROM wait_hits WHERE run = $1 AND address = $3)`, run, tx.now, pressed)
	if err != nil || n == 0 {
		return false, err
	}
	n, err = tx.exec("UPDATE runs SET due = $2, due_at = $2 WHERE id = $1 AND state = 'waiting'", run, tx.now)
	tx.changed |= runChanged
	return n > 0, err
}

// classes is how many rows share the locks of all keys.
const classes = 1024

// LockWait holds a key until the end of the transaction: see above.
func (tx *Tx) LockWait(k WaitKey) error {
	return tx.lockClass(int64(binary.BigEndian.Uint32(k.hash()[:4]) % classes))
}

func (tx *Tx) lockClass(class int64) error {
	_, err := tx.exec(`INSERT INTO wait_locks (class, n) VALUES ($1, 1)
		ON CONFLICT (class) DO UPDATE SET n = wait_locks.n + 1`, class)
	return err
}

// backLook is how much further back than to the run's own event is looked, as clocks may be set back: what was written after that
// event came after it, whatever the clock said.
const backLook = 24 * hour

// Await registers that a run waits for events with a key, and looks back: events with it that were accepted at since or
// later, or were written after the run's own, become hits at once, but for that one. It returns how many there are.
func (tx *Tx) Await(run waybill.RunID, address string, k WaitKey, since time.Time, own waybill.EventID) (int, error) {
	address = indexed(address)
	if err := tx.LockWait(k); err != nil {
		return 0, err
	}
	_, err := tx.exec("INSERT INTO waits (hash, run, address) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", k.hash(), run, address)
	if err != nil {
		return 0, err
	}
	return tx.exec(`INSERT INTO wait_hits (run, accepted_at, event, address)
		SELECT CAST($2 AS TEXT), accepted_at, event, CAST($3 AS TEXT) FROM told
		WHERE hash = $1 AND accepted_at >= $4 AND event <> $5 AND (accepted_at >= $6
			OR (SELECT seq FROM events WHERE id = told.event) > (SELECT seq FROM events WHERE id = $5))
		ON CONFLICT DO NOTHING`, k.hash(), run, address, ms(since)-backLook, own, since)
}

// mostWoken bounds the runs that Tell names; the others are due all the same.
const mostWoken = 64

// Tell notes that an event has a key: runs that wait for it become due, with the event as a hit. It names the first of
// them.
func (tx *Tx) Tell(e *waybill.Event, k WaitKey) ([]waybill.RunID, error) {
	if err := tx.LockWait(k); err != nil {
		return nil, err
	}
	_, err := tx.exec("INSERT INTO told (hash, accepted_at, event) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", k.hash(), tx.acceptance(e), e.ID)
	if err != nil {
		return nil, err
	}
	return tx.wake(e, k)
}

// Renew is Tell for what is told of an object anew: it need not be found later by its key.
func (tx *Tx) Renew(e *waybill.Event, k WaitKey) ([]waybill.RunID, error) {
	if err := tx.LockWait(k); err != nil {
		return nil, err
	}
	_, err := tx.exec(`INSERT INTO newest (hash, event, occurred_at, rank) VALUES ($1, $2, $3, $4)
		ON CONFLICT (hash) DO UPDATE SET event = excluded.event, occurred_at = excluded.occurred_at, rank = excluded.rank
		WHERE newest.occurred_at < excluded.occurred_at
			OR (newest.occurred_at = excluded.occurred_at AND newest.rank <= excluded.rank)`, k.hash(), e.ID, e.OccurredAt, e.Rank)
	if err != nil {
		return nil, err
	}
	return tx.wake(e, k)
}

// Newest returns the event with the newest fact told under a key; empty when none was.
func (tx *Tx) Newest(k WaitKey) (waybill.EventID, error) {
	id, _, err := one(tx, "SELECT event FROM newest WHERE hash = $1", text0, k.hash())
	return waybill.EventID(id), err
}

func (tx *Tx) acceptance(e *waybill.Event) time.Time {
	if e.AcceptedAt.IsZero() {
		return tx.now
	}
	return e.AcceptedAt
}

// wake makes runs that wait for a key due.
func (tx *Tx) wake(e *waybill.Event, k WaitKey) ([]waybill.RunID, error) {
	woken, err := list(tx, "SELECT DISTINCT run FROM waits WHERE hash = $1 ORDER BY run LIMIT $2", text0, k.hash(), mostWoken)
	if err != nil || len(woken) == 0 {
		return nil, err
	}
	_, err = tx.exec(`INSERT INTO wait_hits (run, accepted_at, event, address)
		SELECT run, CAST($2 AS BIGINT), CAST($3 AS TEXT), address FROM waits WHERE hash = $1 ON CONFLICT DO NOTHING`,
		k.hash(), tx.acceptance(e), e.ID)
	if err != nil {
		return nil, err
	}
	_, err = tx.exec(`UPDATE runs SET due = $2, due_at = $2
		WHERE state = 'waiting' AND id IN (SELECT run FROM waits WHERE hash = $1)`, k.hash(), tx.now)
	if err != nil {
		return nil, err
	}
	tx.changed |= runChanged
	out := make([]waybill.RunID, len(woken))
	for i, id := range woken {
		out[i] = waybill.RunID(id)
	}
	return out, nil
}

// Hits lists the events that may end a run's wait, in the order they were accepted.
func (tx *Tx) Hits(run waybill.RunID) ([]Hit, error) {
	return list(tx, "SELECT address, event, accepted_at FROM wait_hits WHERE run = $1 ORDER BY accepted_at, event, address",
		func(r row) (Hit, error) { return Hit{r.text(0), waybill.EventID(r.text(1)), at(r.num(2))}, nil }, run)
}

// DropHit forgets a hit that does not end the wait.
func (tx *Tx) DropHit(run waybill.RunID, h Hit) error {
	_, err := tx.exec("DELETE FROM wait_hits WHERE run = $1 AND accepted_at = $2 AND event = $3 AND address = $4",
		run, h.AcceptedAt, h.Event, indexed(h.Address))
	return err
}

// EndWaits forgets what a run waited for.
func (tx *Tx) EndWaits(run waybill.RunID) error {
	if _, err := tx.exec("DELETE FROM waits WHERE run = $1", run); err != nil {
		return err
	}
	_, err := tx.exec("DELETE FROM wait_hits WHERE run = $1", run)
	return err
}

// Untold reports whether something received by then is still to be understood: any item that is kept, or one of the
// connections that waits for a read.
func (tx *Tx) Untold(then time.Time, connections []string) (kept, fetching bool, err error) {
	_, kept, err = one(tx, "SELECT id FROM items WHERE "+openItem+" AND state = 'kept' AND due <= $1 LIMIT 1", text0, then)
	for _, c := range connections {
		if err != nil || fetching {
			break
		}
		_, fetching, err = one(tx, "SELECT id FROM items WHERE state = 'fetching' AND connection = $1 AND received_at <= $2 LIMIT 1", text0, c, then)
	}
	return kept, fetching, err
}

// OpenBundles names the versions that runs which have not ended began with.
func (tx *Tx) OpenBundles() ([]waybill.BundleID, error) {
	names, err := list(tx, "SELECT bundle FROM runs WHERE "+openRun+
		" AND (state = 'queued' OR state = 'running' OR state = 'waiting' OR state = 'blocked') GROUP BY bundle ORDER BY bundle", text0)
	out := make([]waybill.BundleID, len(names))
	for i, name := range names {
		out[i] = waybill.BundleID(name)
	}
	return out, err
}
