package record

import (
	"time"

	"waybill"
)

// PutRun writes a new run, entering its lane if it names one. It returns the run it queues behind, empty when it is
// first. A run that queues behind another is written as queued, whatever its State (r.State is set so). One live run for
// an event and flow: a second one is a Conflict; replays, trials and shadows are as many as wanted.
func (tx *Tx) PutRun(r *waybill.Run) (behind waybill.RunID, err error) {
	if r.State == "" {
		r.State = waybill.RunQueued
	}
	if r.Mode == "" {
		r.Mode = waybill.ModeLive
	}
	if r.CreatedAt.IsZero() {
		r.CreatedAt = tx.now
	}
	r.UpdatedAt = tx.now
	only := string(r.ID)
	if r.Mode == waybill.ModeLive {
		only = ""
	}
	place := int64(0)
	if r.Lane != "" {
		if place, err = tx.acceptedAt(r.Event); err != nil {
			return "", err
		}
		if behind, err = tx.enter(indexed(r.Lane), place, r.ID); err != nil {
			return "", err
		}
		if behind != "" {
			r.State, r.Behind = waybill.RunQueued, behind
		}
	}
	miss := func() error {
		return conflict("flow %s has a live run for event %s already, or run %s is in the book", r.Flow, r.Event, r.ID)
	}
	err = tx.expect(miss, `INSERT INTO runs
		(id, event, flow, one, bundle, mode, repeats, owner, lane, lane_at, due_by, created_at, updated_at, ended_at,
		 state, due, due_at, reason, failed_parts, problem, progress, claim)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
		ON CONFLICT DO NOTHING`,
		r.ID, r.Event, r.Flow, only, r.Bundle, r.Mode, r.Repeats, r.Owner, r.Lane, place, r.DueBy, r.CreatedAt,
		r.UpdatedAt, r.EndedAt, r.State, runDue(r, behind == ""), r.DueAt, r.Reason, r.FailedParts, r.Problem, r.Progress,
		tx.claim(runDue(r, behind == "")))
	if err != nil {
		return "", err
	}
	tx.countRun(r.Flow, "", r.State)
	tx.changed |= runChanged
	return behind, nil
}

// runDue is when a run is work: a queued one that is first in its lane at once or at its time; a running or waiting one
// only at a time given, for what it waits for besides comes by itself.
func runDue(r *waybill.Run, first bool) any {
	switch r.State {
	case waybill.RunQueued:
		if first {
			return dueAt(r.DueAt, r.CreatedAt)
		}
		return nil
	case waybill.RunRunning, waybill.RunWaiting:
		return dueAt(r.DueAt, time.Time{})
	default:
		return nil
	}
}

const runColumns = `id, event, flow, bundle, mode, repeats, owner, lane, due_by, created_at, updated_at, ended_at,
	state, due_at, reason, failed_parts, problem, progress`

func scanRun(r row) (waybill.Run, error) {
	return waybill.Run{
		ID: waybill.RunID(r.text(0)), Event: waybill.EventID(r.text(1)), Flow: r.text(2), Bundle: waybill.BundleID(r.text(3)),
		Mode: waybill.Mode(r.text(4)), Repeats: waybill.RunID(r.text(5)), Owner: r.text(6), Lane: r.text(7),
		DueBy: at(r.num(8)), CreatedAt: at(r.num(9)), UpdatedAt: at(r.num(10)), EndedAt: at(r.num(11)),
		State: waybill.RunState(r.text(12)), DueAt: at(r.num(13)), Reason: r.text(14), FailedParts: int(r.num(15)),
		Problem: waybill.ProblemID(r.text(16)), Progress: r.bytes(17),
	}, nil
}

// Run returns a run; of a queued one also whom it queues behind.
func (tx *Tx) Run(id waybill.RunID) (*waybill.Run, error) {
	r, found := tx.foretold.runs[id]
	var err error
	if !found {
		r, found, err = one(tx, tx.locking("SELECT "+runColumns+" FROM runs WHERE id = $1"), scanRun, id)
	}
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("run", id)
	}
	if r.State == waybill.RunQueued && r.Lane != "" {
		if r.Behind, err = tx.behindNow(id); err != nil {
			return nil, err
		}
	}
	return &r, nil
}

// MoveRun writes State, Reason, Progress, FailedParts, Problem, DueAt, EndedAt of a run that stands in from. A run that
// stays in its state is written too. The time of an end is now when none is given.
func (tx *Tx) MoveRun(r *waybill.Run, from waybill.RunState) error {
	if r.State != from && !from.CanBecome(r.State) {
		return conflict("run %s cannot become %q from %q", r.ID, r.State, from)
	}
	if r.State.Ended() && r.EndedAt.IsZero() {
		r.EndedAt = tx.now
	}
	r.UpdatedAt = tx.now
	first := true
	if r.State == waybill.RunQueued && r.Lane != "" {
		ahead, err := tx.behindNow(r.ID)
		if err != nil {
			return err
		}
		first = ahead == ""
	}
	miss := func() error { return tx.elsewhere("run", "SELECT state FROM runs WHERE id = $1", r.ID, from) }
	err := tx.expect(miss, `UPDATE runs SET state = $3, due = $4, due_at = $5, reason = $6, failed_parts = $7, problem = $8,
		progress = $9, updated_at = $10, ended_at = $11, claim = $12 WHERE id = $1 AND state = $2`,
		r.ID, from, r.State, runDue(r, first), r.DueAt, r.Reason, r.FailedParts, r.Problem, r.Progress, r.UpdatedAt, r.EndedAt,
		tx.claim(runDue(r, first)))
	if err != nil {
		return err
	}
	tx.foretold.forgetRun(r.ID)
	tx.countRun(r.Flow, from, r.State)
	tx.changed |= runChanged
	return nil
}

// RunsOf returns the runs of an event, oldest first.
func (tx *Tx) RunsOf(id waybill.EventID) ([]waybill.Run, error) {
	return list(tx, "SELECT "+runColumns+" FROM runs WHERE event = $1 ORDER BY id", scanRun, id)
}

// --- lanes ---
//
// A lane's rows are in order: the holder first (at -1), then those that came back (at 0), then by when their event was
// accepted. The holder stays first even when an older event is understood later. Its row has an empty run and the run as
// holder, so that the primary key lets one run hold a lane, however many nodes write the book. Whoever comes in behind
// it, or asks where somebody stands, locks that row first: a lane is handed on only to those who are in it by then.

// inLane is the run of a lane's row.
const inLane = "CASE WHEN at = -1 THEN holder ELSE run END"

// enter puts a run into a lane at its place, and returns whom it queues behind; empty when it holds the lane.
func (tx *Tx) enter(lane string, place int64, id waybill.RunID) (waybill.RunID, error) {
	for {
		first, err := tx.exec("INSERT INTO lanes (lane, at, run, holder) VALUES ($1, -1, '', $2) ON CONFLICT DO NOTHING", lane, id)
		if err != nil || first == 1 {
			return "", err
		}
		held, err := tx.lockLane(lane)
		if err != nil {
			return "", err
		}
		if held {
			break
		}
	}
	behind, err := tx.ahead(lane, place, id)
	if err != nil {
		return "", err
	}
	_, err = tx.exec("INSERT INTO lanes (lane, at, run) VALUES ($1, $2, $3)", lane, place, id)
	return behind, err
}

// lockLane keeps the holder of a lane from leaving until this transaction has ended; false when nobody holds it.
func (tx *Tx) lockLane(lane string) (held bool, err error) {
	for {
		_, held, err = one(tx, tx.locking("SELECT holder FROM lanes WHERE lane = $1 AND at = -1"), text0, lane)
		if err != nil || held {
			return held, err
		}
		// It may have been handed on while its row was waited for.
		_, waiting, err := one(tx, "SELECT run FROM lanes WHERE lane = $1 LIMIT 1", text0, lane)
		if err != nil || !waiting {
			return false, err
		}
	}
}

// ahead returns the run just before a place in a lane. There is one unless the lane is empty.
func (tx *Tx) ahead(lane string, place int64, id waybill.RunID) (waybill.RunID, error) {
	run, _, err := one(tx, "SELECT "+inLane+` FROM lanes WHERE lane = $1 AND run <> $3 AND (at < $2 OR (at = $2 AND run < $3))
		ORDER BY at DESC, run DESC LIMIT 1`, text0, lane, place, id)
	return waybill.RunID(run), err
}

// laneOf returns a run's lane, as its rows name it, and its place there.
func (tx *Tx) laneOf(id waybill.RunID) (lane string, place int64, err error) {
	type where struct {
		lane  string
		place int64
	}
	w, found, err := one(tx, "SELECT lane, lane_at FROM runs WHERE id = $1", func(r row) (where, error) {
		return where{r.text(0), r.num(1)}, nil
	}, id)
	if err == nil && !found {
		err = notFound("run", id)
	}
	return indexed(w.lane), w.place, err
}

// behindNow returns whom a run queues behind, empty when it holds its lane or is not in it.
func (tx *Tx) behindNow(id waybill.RunID) (waybill.RunID, error) {
	lane, place, err := tx.laneOf(id)
	if err != nil || lane == "" {
		return "", err
	}
	if tx.locking("") != "" {
		if _, err := tx.lockLane(lane); err != nil {
			return "", err
		}
	}
	_, waits, err := one(tx, "SELECT run FROM lanes WHERE lane = $1 AND at = $2 AND run = $3", text0, lane, place, id)
	if err != nil || !waits {
		return "", err
	}
	return tx.ahead(lane, place, id)
}

// LeaveLane takes a run out of its lane and returns the run that is now first, empty when none is waiting there. A run
// that does not hold the lane leaves without handing it on. The next one, if queued, becomes due.
func (tx *Tx) LeaveLane(id waybill.RunID) (waybill.RunID, error) {
	lane, place, err := tx.laneOf(id)
	if err != nil || lane == "" {
		return "", err
	}
	held, err := tx.giveUp(lane, id)
	if err != nil {
		return "", err
	}
	if held == 0 {
		waited, err := tx.exec("DELETE FROM lanes WHERE lane = $1 AND at = $2 AND run = $3", lane, place, id)
		if err != nil || waited > 0 {
			return "", err
		}
		if held, err = tx.giveUp(lane, id); err != nil || held == 0 { // it was handed the lane just now
			return "", err
		}
	}
	return tx.handOn(lane)
}

// giveUp takes the holder out of a lane; 0 when another run holds it.
func (tx *Tx) giveUp(lane string, id waybill.RunID) (int, error) {
	return tx.exec("DELETE FROM lanes WHERE lane = $1 AND at = -1 AND run = '' AND holder = $2", lane, id)
}

// handOn gives a lane that nobody holds to the first that waits there.
func (tx *Tx) handOn(lane string) (waybill.RunID, error) {
	for {
		next, found, err := one(tx, "SELECT run FROM lanes WHERE lane = $1 ORDER BY at, run LIMIT 1", text0, lane)
		if err != nil || !found {
			return "", err
		}
		taken, err := tx.exec("UPDATE lanes SET at = -1, run = '', holder = $2 WHERE lane = $1 AND run = $2", lane, next)
		if err != nil {
			return "", err
		}
		if taken == 0 {
			continue // it has left meanwhile
		}
		_, err = tx.exec(`UPDATE runs SET due = CASE WHEN due_at > 0 THEN due_at ELSE created_at END, claim = $2
			WHERE id = $1 AND state = 'queued'`, next, tx.epoch)
		tx.changed |= runChanged
		return waybill.RunID(next), err
	}
}

// EnterLane puts a run that left its lane back: before all that wait there, behind the one that holds it. It returns whom
// it queues behind, empty when it holds the lane. A run that is in its lane stays where it is.
func (tx *Tx) EnterLane(id waybill.RunID) (waybill.RunID, error) {
	lane, place, err := tx.laneOf(id)
	if err != nil || lane == "" {
		return "", err
	}
	_, inside, err := one(tx, `SELECT run FROM lanes WHERE lane = $1 AND (at = -1 AND holder = $2 OR at = $3 AND run = $2)`,
		text0, lane, id, place)
	if err != nil {
		return "", err
	}
	if inside {
		return tx.behindNow(id)
	}
	if _, err := tx.exec("UPDATE runs SET lane_at = 0 WHERE id = $1", id); err != nil {
		return "", err
	}
	return tx.enter(lane, 0, id)
}
