package recordtest

import (
	"time"

	"waybill"
	"waybill/record"
)

var runCases = []testCase{
	{"a run is found again whole", func(k *kit) {
		r := k.run(k.event(), "")
		r.State, r.Repeats, r.Mode, r.Reason, r.FailedParts, r.Problem = waybill.RunWaiting, "run_0", waybill.ModeReplay, "for an answer", 2, "prb_1"
		r.DueBy, r.DueAt = k.now.Add(time.Minute), k.now.Add(time.Second)
		k.putRun(r)
		k.read(func(tx *record.Tx) error {
			same(k, "run", *must[*waybill.Run](k)(tx.Run(r.ID)), *r)
			return nil
		})
	}},
	{"an event has one live run of a flow, ever", func(k *kit) {
		id := k.event()
		first := k.run(id, "")
		k.putRun(first)
		k.refused(waybill.Conflict, func(tx *record.Tx) error { _, err := tx.PutRun(k.run(id, "")); return err })
		k.moveRun(first.ID, waybill.RunRunning)
		k.moveRun(first.ID, waybill.RunDone)
		k.refused(waybill.Conflict, func(tx *record.Tx) error { _, err := tx.PutRun(k.run(id, "")); return err })
		other := k.run(id, "")
		other.Flow = "tell-the-team"
		k.putRun(other)
	}},
	{"an event has as many replays and trials as wanted", func(k *kit) {
		id := k.event()
		k.putRun(k.run(id, ""))
		for _, mode := range []waybill.Mode{waybill.ModeReplay, waybill.ModeReplay, waybill.ModeTrial} {
			r := k.run(id, "")
			r.Mode = mode
			k.putRun(r)
		}
		k.read(func(tx *record.Tx) error {
			same(k, "runs", len(must[[]waybill.Run](k)(tx.RunsOf(id))), 4)
			return nil
		})
	}},
	{"a run moves as it may, and staying is written too", func(k *kit) {
		r := k.run(k.event(), "")
		k.putRun(r)
		k.moveRun(r.ID, waybill.RunRunning)
		k.moveRun(r.ID, waybill.RunRunning, func(r *waybill.Run) { r.Progress = []byte(`{"step":2}`) })
		k.moveRun(r.ID, waybill.RunBlocked, func(r *waybill.Run) { r.Reason, r.Problem = "no such deal", "prb_1" })
		k.moveRun(r.ID, waybill.RunQueued)
		k.moveRun(r.ID, waybill.RunDone)
		k.read(func(tx *record.Tx) error {
			got := must[*waybill.Run](k)(tx.Run(r.ID))
			same(k, "progress", string(got.Progress), `{"step":2}`)
			same(k, "ended", got.EndedAt.IsZero(), false)
			same(k, "owner stays", got.Owner, "finance-ops")
			return nil
		})
	}},
	{"an illegal move of a run is refused, and one from another state", func(k *kit) {
		r := k.run(k.event(), "")
		k.putRun(r)
		r.State = waybill.RunDone
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveRun(r, waybill.RunRunning) })
		k.moveRun(r.ID, waybill.RunStopped)
		r.State = waybill.RunRunning
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveRun(r, waybill.RunStopped) })
		r.ID = "run_none"
		k.refused(waybill.NotFound, func(tx *record.Tx) error { return tx.MoveRun(r, waybill.RunQueued) })
	}},
}

// accepted writes an event accepted at a time, and a run for it in a lane. It returns the run and whom it queues behind.
func (k *kit) accepted(after time.Duration, lane string) (waybill.RunID, waybill.RunID) {
	k.Helper()
	e := k.fact(k.ids.New("fact"))
	e.AcceptedAt = k.now.Add(after)
	r := k.run(k.put(e), lane)
	return r.ID, k.putRun(r)
}

// leave takes a run out of its lane and returns who is next.
func (k *kit) leave(id waybill.RunID) waybill.RunID {
	k.Helper()
	var next waybill.RunID
	k.do(func(tx *record.Tx) (err error) {
		next, err = tx.LeaveLane(id)
		return err
	})
	return next
}

// behind returns whom a run queues behind now.
func (k *kit) behind(id waybill.RunID) waybill.RunID {
	k.Helper()
	var r *waybill.Run
	k.read(func(tx *record.Tx) (err error) {
		r, err = tx.Run(id)
		return err
	})
	return r.Behind
}

// dueRuns are the runs that are work now.
func (k *kit) dueRuns() []waybill.RunID {
	k.Helper()
	var ids []waybill.RunID
	k.read(func(tx *record.Tx) error {
		list, err := tx.DueRuns(k.now.Add(time.Hour), 100)
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		return err
	})
	return ids
}

const none = waybill.RunID("")

var laneCases = []testCase{
	{"the first in a lane goes on, the others queue behind each other", func(k *kit) {
		a, behindA := k.accepted(0, "order 1")
		b, behindB := k.accepted(time.Second, "order 1")
		c, behindC := k.accepted(2*time.Second, "order 1")
		same(k, "behind", []waybill.RunID{behindA, behindB, behindC}, []waybill.RunID{none, a, b})
		same(k, "due", k.dueRuns(), []waybill.RunID{a})
		same(k, "read", []waybill.RunID{k.behind(a), k.behind(b), k.behind(c)}, []waybill.RunID{none, a, b})
	}},
	{"leaving a lane hands it on to exactly one, in order of acceptance", func(k *kit) {
		a, _ := k.accepted(0, "order 1")
		c, _ := k.accepted(2*time.Second, "order 1")
		b, _ := k.accepted(time.Second, "order 1")
		same(k, "c is behind b now", k.behind(c), b)
		same(k, "after a", k.leave(a), b)
		same(k, "due", k.dueRuns()[1:], []waybill.RunID{b})
		same(k, "a has left", k.leave(a), none)
		same(k, "b leads", k.behind(b), none)
		same(k, "after b", k.leave(b), c)
		same(k, "after c", k.leave(c), none)
	}},
	{"an older event that is understood later does not displace the one that holds the lane", func(k *kit) {
		a, _ := k.accepted(0, "order 1")
		older, behind := k.accepted(-time.Hour, "order 1")
		same(k, "behind", behind, a)
		same(k, "a leads", k.behind(a), none)
		same(k, "next", k.leave(a), older)
	}},
	{"a run that leaves from the middle disturbs nobody", func(k *kit) {
		a, _ := k.accepted(0, "order 1")
		b, _ := k.accepted(time.Second, "order 1")
		c, _ := k.accepted(2*time.Second, "order 1")
		same(k, "nobody goes on", k.leave(b), none)
		same(k, "c is behind a", k.behind(c), a)
		same(k, "after a", k.leave(a), c)
	}},
	{"lanes do not touch each other, and a run without one is alone", func(k *kit) {
		_, x := k.accepted(0, "order 1")
		_, y := k.accepted(0, "order 2")
		one, z := k.accepted(0, "")
		_, w := k.accepted(0, "")
		same(k, "all first", []waybill.RunID{x, y, z, w}, []waybill.RunID{none, none, none, none})
		same(k, "nothing to leave", k.leave(one), none)
	}},
	{"a run that starts behind another is queued, whatever it was to be", func(k *kit) {
		k.accepted(0, "order 1")
		e := k.fact("late")
		e.AcceptedAt = k.now.Add(time.Second)
		r := k.run(k.put(e), "order 1")
		r.State = waybill.RunRunning
		k.putRun(r)
		same(k, "as told", r.State, waybill.RunQueued)
		k.read(func(tx *record.Tx) error {
			same(k, "as written", must[*waybill.Run](k)(tx.Run(r.ID)).State, waybill.RunQueued)
			return nil
		})
	}},
	{"a run that comes back goes before all that wait", func(k *kit) {
		a, _ := k.accepted(0, "order 1")
		b, _ := k.accepted(time.Second, "order 1")
		c, _ := k.accepted(2*time.Second, "order 1")
		k.moveRun(a, waybill.RunWaiting)
		same(k, "b goes on", k.leave(a), b)
		var behind waybill.RunID
		k.do(func(tx *record.Tx) (err error) {
			behind, err = tx.EnterLane(a)
			return err
		})
		same(k, "behind b", behind, b)
		same(k, "before c", k.behind(c), a)
		same(k, "after b", k.leave(b), a)
		same(k, "after a", k.leave(a), c)
		k.do(func(tx *record.Tx) (err error) {
			behind, err = tx.EnterLane(c)
			return err
		})
		same(k, "c stays where it is", behind, none)
	}},
	{"a run refused for its event leaves no place in the lane", func(k *kit) {
		id := k.event()
		k.putRun(k.run(id, "order 1"))
		k.refused(waybill.Conflict, func(tx *record.Tx) error { _, err := tx.PutRun(k.run(id, "order 2")); return err })
		_, behind := k.accepted(0, "order 2")
		same(k, "first", behind, none)
	}},
}
