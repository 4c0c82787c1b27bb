package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/flow"
	"waybill/record"
)

// How a job that was let go is worked off. Its turn comes by hints and, after a restart, by the sweep. A member is
// claimed in the transaction that begins it, so none begins twice; what has begun is an ordinary run, which this only
// watches. Members stand behind the live work: few at once, at half the declared pace, and not while others queue.

// turnJobs gives every job that has something to do its turn.
func (e *Engine) turnJobs() {
	var due []waybill.Job
	err := e.view(func(tx *record.Tx) (err error) { due, err = tx.DueJobs(jobsAtOnce); return err })
	if err != nil {
		e.log.Error("the jobs could not be read", "err", err)
		return
	}
	for i := range due {
		e.turnJob(due[i].ID)
	}
}

// turnJob gives a job its turns, one after the other, unless it has them already.
func (e *Engine) turnJob(id waybill.JobID) {
	if e.carriesJob(id) && e.claims.take(string(id)) {
		e.d.Go(func() { e.jobTurn(id) })
	}
}

func (e *Engine) carriesJob(id waybill.JobID) bool {
	return e.member == nil || e.member.carries(string(id))
}

func (e *Engine) jobTurn(id waybill.JobID) {
	if !e.carriesJob(id) { // another node does from now on
		e.claims.drop(string(id))
		return
	}
	again, err := e.workJob(id)
	if err != nil && waybill.KindOf(err) != waybill.Conflict {
		e.log.Error("a job could not be carried on", "job", id, "err", err)
	}
	if err != nil {
		again = later
	}
	if again == 0 {
		e.claims.drop(string(id))
		return
	}
	e.d.At(e.d.Now().Add(again), func() { e.jobTurn(id) })
}

// workJob does one turn of a job and says when the next is to be; zero for none.
func (e *Engine) workJob(id waybill.JobID) (time.Duration, error) {
	var job *waybill.Job
	err := e.view(func(tx *record.Tx) (err error) { job, err = tx.Job(id); return err })
	switch {
	case err != nil:
		return 0, err
	case job.State == waybill.JobPlanning:
		again := soon
		if e.liveWaits() {
			again = later // a page in a while: what came in by itself has the machine
		}
		_, err := e.planPage(id)
		return again, err
	case job.DueAt.IsZero():
		return 0, nil
	case job.State == waybill.JobRunning && e.outdated(job):
		return soon, e.holdOutdated(job)
	}
	moved, err := e.settleMembers(job)
	if err != nil {
		return 0, err
	}
	begun, wait := 0, time.Duration(0)
	if job.State == waybill.JobRunning {
		var closed string
		if begun, wait, closed, err = e.beginMembers(job); err == nil {
			err = e.sayWaits(job, closed)
		}
		if err != nil {
			return 0, err
		}
	}
	switch {
	case wait > 0: // the pace, not the end, holds it up
		return max(wait, soon), nil
	case moved+begun > 0:
		return soon, nil
	}
	ended, err := e.endJob(id)
	if err != nil || ended {
		return soon, err // one more look, which finds nothing to do
	}
	return later, nil
}

// holdOutdated holds a job whose plan was made on another version: nobody has seen what it would do now.
func (e *Engine) holdOutdated(job *waybill.Job) error {
	return e.book.Do(context.Background(), func(tx *record.Tx) error {
		j, err := tx.Job(job.ID)
		if err != nil || j.State != waybill.JobRunning {
			return err
		}
		if leaves, err := e.leaves(tx); err != nil || leaves {
			return err // the workspace that changed is this node's, and not the one that is served
		}
		j.State, j.Reason = waybill.JobPaused, "held by itself: the workspace has changed since its plan was made; plan it anew"
		return tx.MoveJob(j, waybill.JobRunning)
	})
}

const waitsFor = "it waits: "

// sayWaits notes on a job which connection holds it up, and that none does any more.
func (e *Engine) sayWaits(job *waybill.Job, closed string) error {
	if closed != "" {
		closed = waitsFor + closed
	}
	if closed == job.Reason || closed == "" && !strings.HasPrefix(job.Reason, waitsFor) {
		return nil
	}
	return e.book.Do(context.Background(), func(tx *record.Tx) error {
		j, err := tx.Job(job.ID)
		if err != nil || j.State != waybill.JobRunning {
			return err
		}
		j.Reason = closed
		return tx.MoveJob(j, waybill.JobRunning)
	})
}

// endJob notes that a job has nothing under way and nothing more to begin.
func (e *Engine) endJob(id waybill.JobID) (ended bool, err error) {
	err = e.book.Do(context.Background(), func(tx *record.Tx) error {
		ended = false
		j, err := tx.Job(id)
		if err != nil || j.DueAt.IsZero() {
			return err
		}
		if left, err := membersLeft(tx, j); err != nil || left {
			return err
		}
		n, err := tx.JobCounts(id)
		if err != nil {
			return err
		}
		from := j.State
		j.DueAt, ended = time.Time{}, true
		if from == waybill.JobRunning {
			j.State, j.Reason = waybill.JobDone, sayCounts(n)
			if !j.Whole {
				j.State, j.Reason = waybill.JobPlanned, "the trial has ended: "+sayCounts(n)
			}
		}
		return tx.MoveJob(j, from)
	})
	return ended, err
}

// membersLeft reports whether a job has something under way or to begin. It counts nothing, for this is asked each second.
func membersLeft(tx *record.Tx, j *waybill.Job) (bool, error) {
	states := []waybill.JobMemberState{waybill.MemberBegun, waybill.MemberWaiting}
	if j.State == waybill.JobRunning {
		states = append(states, waybill.MemberChosen)
		if j.Whole {
			states = append(states, waybill.MemberPlanned)
		}
	}
	for _, state := range states {
		if one, err := tx.NextJobMembers(j, state, 1); err != nil || len(one) > 0 {
			return true, err
		}
	}
	return false, nil
}

// sayCounts says where the members stand.
func sayCounts(n waybill.JobCounts) string {
	var parts []string
	for _, s := range []waybill.JobMemberState{
		waybill.MemberDone, waybill.MemberBegun, waybill.MemberWaiting, waybill.MemberFailed, waybill.MemberBlocked, waybill.MemberSkipped, waybill.MemberPlanned,
	} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, ", ")
}

// settleMembers looks at what a job has under way and notes what has ended.
func (e *Engine) settleMembers(job *waybill.Job) (moved int, err error) {
	var all []waybill.JobMember
	var ended []waybill.JobMember
	err = e.view(func(tx *record.Tx) error {
		ended = nil
		if all, err = tx.NextJobMembers(job, waybill.MemberBegun, mostAtOnce); err != nil {
			return err
		}
		waiting, err := tx.WaitingJobMembers(job.ID, mostAtOnce)
		if err != nil {
			return err
		}
		all = append(all, waiting...)
		for i := range all {
			m := all[i]
			if err := e.lookAt(tx, job, &m); err != nil {
				return err
			}
			if m.State != all[i].State || m.State == waybill.MemberWaiting && len(waiting) == mostAtOnce { // in turn
				ended = append(ended, m)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	e.watchMembers(all, ended)
	if len(ended) == 0 {
		return 0, nil
	}
	err = e.book.Do(context.Background(), func(tx *record.Tx) error {
		moved = 0
		j, err := tx.Job(job.ID)
		if err != nil {
			return err
		}
		for i := range ended {
			m := ended[i]
			now, err := tx.JobMember(m.Job, m.Object)
			if err != nil {
				return err
			}
			from := now.State
			if from.Ended() {
				continue // another node was first
			}
			if err := tx.MoveJobMember(&m, from); err != nil {
				return err
			}
			if m.State.Ended() || m.State != from {
				moved++
			}
			tally(&j.Failures, &m)
		}
		if moved == 0 {
			return nil
		}
		from := j.State
		if why := tooMany(j); why != "" && from == waybill.JobRunning {
			j.State, j.Reason = waybill.JobPaused, "held by itself: "+why
		}
		return tx.MoveJob(j, from)
	})
	return moved, err
}

// watchMembers keeps in mind which runs are a job's, so that live work goes before them.
func (e *Engine) watchMembers(all, ended []waybill.JobMember) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range all {
		if all[i].State == waybill.MemberBegun && all[i].Run != "" {
			e.behind[all[i].Run] = struct{}{}
		}
	}
	for i := range ended {
		delete(e.behind, ended[i].Run)
	}
}

// tally counts how a member ended.
func tally(f *waybill.JobFailures, m *waybill.JobMember) {
	switch m.State {
	case waybill.MemberDone, waybill.MemberSkipped:
		f.Ended++
		f.Row, f.Cause = 0, ""
	case waybill.MemberFailed:
		f.Ended++
		f.Bad++
		if m.Cause != f.Cause {
			f.Row, f.Cause = 0, m.Cause
		}
		f.Row++
	default:
	}
}

// tooMany says why a job holds itself; empty when it goes on.
func tooMany(j *waybill.Job) string {
	f, c := j.Failures, j.Choices
	switch {
	case f.Row >= c.InARow && c.InARow > 0:
		return fmt.Sprintf("%d in a row failed for one cause: %s", f.Row, f.Cause)
	case c.AfterSome > 0 && f.Ended >= c.AfterSome && f.Bad*100 > f.Ended*c.Share:
		return fmt.Sprintf("%d of %d failed, more than %d %%", f.Bad, f.Ended, c.Share)
	default:
		return ""
	}
}

// lookAt notes on a member what has become of it.
func (e *Engine) lookAt(tx *record.Tx, job *waybill.Job, m *waybill.JobMember) error {
	m.SeenAt = e.d.Now()
	if strings.HasPrefix(m.Object, "itm_") {
		return e.lookAtItem(tx, m)
	}
	run, err := tx.Run(m.Run)
	if err != nil {
		return err
	}
	if done, err := e.lookAtPart(tx, job, run, m); err != nil || done {
		return err
	}
	switch run.State {
	case waybill.RunDone:
		m.State, m.Reason = waybill.MemberDone, orElse(run.Reason, "done")
	case waybill.RunStopped:
		m.State, m.Reason = waybill.MemberSkipped, run.Reason
	case waybill.RunBlocked:
		m.State, m.Reason, m.Cause = waybill.MemberFailed, run.Reason, e.causeOf(tx, run.Problem, run.Reason)
	default:
		if e.d.Now().Sub(m.BegunAt) >= waitingAfter {
			m.State, m.Reason = waybill.MemberWaiting, orElse(run.Reason, string(run.State))
		}
	}
	return nil
}

// causeOf is one name for what has one cause: its problem's title.
func (e *Engine) causeOf(tx *record.Tx, id waybill.ProblemID, words string) string {
	if p, err := tx.ProblemHead(id); err == nil {
		return p.Title
	}
	return words
}

// lookAtPart notes what has become of a write that is tried again by itself: a part its run went on without, or one that
// puts another back. False when the run says it.
func (e *Engine) lookAtPart(tx *record.Tx, job *waybill.Job, run *waybill.Run, m *waybill.JobMember) (bool, error) {
	if !strings.HasPrefix(m.Object, "eff_") {
		return false, nil
	}
	first, err := tx.Effect(waybill.EffectID(m.Object))
	if err != nil {
		return false, err
	}
	address := first.Address
	if job.Kind == waybill.JobPutBack {
		address = undoAddress(first)
	}
	eff, err := tx.EffectAt(first.Event, first.Flow, address)
	if err != nil {
		return false, err
	}
	if !run.State.Ended() {
		return false, nil
	}
	switch {
	case eff.State == waybill.EffectConfirmed || eff.State == waybill.EffectUndone:
		m.State, m.Reason = waybill.MemberDone, orElse(eff.Proof, "done")
	case eff.State == waybill.EffectSkipped:
		m.State, m.Reason = waybill.MemberSkipped, eff.Reason
	case eff.State == waybill.EffectDeclined, !eff.DueAt.Before(waybill.Held()):
		m.State, m.Reason, m.Cause = waybill.MemberFailed, eff.Reason, orElse(string(eff.Cause), eff.Reason)
	case e.d.Now().Sub(m.BegunAt) >= waitingAfter:
		m.State, m.Reason = waybill.MemberWaiting, orElse(eff.Reason, string(eff.State))
	}
	return true, nil
}

func (e *Engine) lookAtItem(tx *record.Tx, m *waybill.JobMember) error {
	it, err := tx.Item(waybill.ItemID(m.Object))
	if err != nil {
		return err
	}
	switch it.State {
	case waybill.ItemTranslated, waybill.ItemNotUsed:
		m.State, m.Reason = waybill.MemberDone, orElse(it.Reason, "understood")
		if len(it.Events) > 0 {
			m.Event = it.Events[0]
		}
	case waybill.ItemBlocked:
		m.State, m.Reason, m.Cause = waybill.MemberFailed, it.Reason, e.causeOf(tx, it.Problem, it.Reason)
	default:
		if e.d.Now().Sub(m.BegunAt) >= waitingAfter {
			m.State, m.Reason = waybill.MemberWaiting, orElse(it.Reason, string(it.State))
		}
	}
	return nil
}

// beginMembers begins as many members as there is room for behind the live work. It says how many it has dealt with,
// when the pace of a connection allows the next, if that is what holds it up, and why a connection is closed, if that is.
func (e *Engine) beginMembers(job *waybill.Job) (dealt int, wait time.Duration, closed string, err error) {
	var list []waybill.JobMember
	room := 0
	err = e.view(func(tx *record.Tx) error {
		under, err := tx.NextJobMembers(job, waybill.MemberBegun, mostAtOnce)
		if err != nil {
			return err
		}
		if room = e.atOnce(job) - len(under); room <= 0 {
			return nil
		}
		if list, err = tx.NextJobMembers(job, waybill.MemberChosen, mostTrial); err != nil || len(list) > 0 || !job.Whole {
			return err
		}
		list, err = tx.NextJobMembers(job, waybill.MemberPlanned, 4*room) // some of them may not need it
		return err
	})
	if err != nil {
		return 0, 0, "", err
	}
	for i := range list {
		if room <= 0 || e.liveWaits() {
			break
		}
		now, err := e.judge(job, list[i].Object)
		if err != nil {
			return dealt, 0, "", err
		}
		if now.closed != "" && now.Class == waybill.ClassFails && list[i].Class != waybill.ClassFails {
			return dealt, 0, now.closed, nil // an outage leaves out nothing that the plan would do
		}
		state, words := verdict(job, &list[i], &now)
		if state == waybill.MemberBegun {
			ok, again := e.roomFor(&now)
			if !ok {
				if !again.IsZero() {
					wait = again.Sub(e.d.Now())
				}
				break
			}
			room--
		}
		m := list[i]
		m.State, m.Reason, m.Class, m.Event, m.Run, m.Repeats = state, words, now.Class, now.Event, now.Run, now.Repeats
		if state == waybill.MemberBegun && job.Kind == waybill.JobReplay {
			m.Run = waybill.RunID(e.ids.New("run"))
		}
		e.beginMember(job, &m, list[i].State)
		dealt++
	}
	return dealt, wait, "", nil
}

// atOnce is how many members of a job are under way together: never more than half of what a connection takes.
func (e *Engine) atOnce(job *waybill.Job) int {
	n := job.Choices.AtOnce
	if job.Kind == waybill.JobPutBack {
		n = 1 // an older one is put back when the newer one is, and not before
	}
	for name := range job.Plan.Connections {
		most := e.limits(name).Concurrency
		if most <= 0 {
			most = 8
		}
		n = min(n, max(1, most/2))
	}
	return n
}

// liveWaits reports whether what came in by itself waits for its turn.
func (e *Engine) liveWaits() bool {
	return e.taking.Load() >= crowded || e.items.long() || e.runs.long()
}

// roomFor reports whether a member's writes would stand behind nobody, at half the pace a connection declares; if it is the
// pace that is in the way, until when.
func (e *Engine) roomFor(m *judged) (ok bool, again time.Time) {
	now := e.d.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range m.Writes {
		w := &m.Writes[i]
		if !sends(w) {
			continue
		}
		s := e.sender(w.Connection)
		if s.behind() || e.governor.State(w.Connection).Health != waybill.HealthWorking {
			return false, time.Time{}
		}
		if next := e.paced[w.Connection]; now.Before(next) && next.After(again) {
			again = next
		}
	}
	if !again.IsZero() {
		return false, again
	}
	for i := range m.Writes {
		name := m.Writes[i].Connection
		if !sends(&m.Writes[i]) {
			continue
		}
		if c := e.current.ws.Connections[name]; c != nil && c.Limits.PerSecond > 0 {
			from := e.paced[name]
			if from.Before(now) {
				from = now
			}
			e.paced[name] = from.Add(time.Duration(2 / c.Limits.PerSecond * float64(time.Second)))
		}
	}
	return true, time.Time{}
}

// sends reports whether a write of a plan would be made if it is let go.
func sends(w *waybill.JobWrite) bool {
	return w.Class != waybill.ClassSame && w.Class != waybill.ClassNothing
}

// verdict decides whether a member begins, by what it comes to now and what it came to in the plan.
func verdict(job *waybill.Job, was *waybill.JobMember, now *judged) (waybill.JobMemberState, string) {
	worse := now.Class != was.Class && now.Class.Graver(was.Class) == now.Class
	switch now.Class {
	case waybill.ClassFails:
		return waybill.MemberSkipped, "would fail again: " + now.Reason
	case waybill.ClassNothing:
		if !now.open {
			return waybill.MemberSkipped, now.Reason
		}
		return waybill.MemberBegun, ""
	case waybill.ClassBlocked, waybill.ClassChanged:
		if worse {
			return waybill.MemberBlocked, "since the plan it has changed: " + now.Reason
		}
		for i := range now.Writes {
			w := &now.Writes[i]
			if sends(w) && !flow.Goes(w.Class, w.Repeats, job.Choices) {
				return waybill.MemberBlocked, now.Reason
			}
			if w.Repeats && !slices.Contains(was.Again, w.Address) {
				return waybill.MemberBlocked, "the plan did not count it among what would be repeated: " + now.Reason
			}
		}
		if len(now.Writes) == 0 {
			return waybill.MemberBlocked, now.Reason
		}
		return waybill.MemberBegun, ""
	default:
		return waybill.MemberBegun, ""
	}
}

// beginMember claims a member and begins it, in one transaction; or notes why it is not begun.
func (e *Engine) beginMember(job *waybill.Job, m *waybill.JobMember, from waybill.JobMemberState) {
	var after func()
	e.commit(intent{
		apply: func(tx *record.Tx) (err error) {
			after = nil
			c := *m
			if err := tx.MoveJobMember(&c, from); err != nil || c.State != waybill.MemberBegun {
				return err
			}
			after, err = e.beginWork(tx, job, &c)
			return err
		},
		after: func() {
			if m.State == waybill.MemberBegun && m.Run != "" {
				e.mu.Lock()
				e.behind[m.Run] = struct{}{}
				e.mu.Unlock()
			}
			if after != nil {
				after()
			}
		},
		fail: func(err error) {
			if m.State != waybill.MemberBegun || waybill.KindOf(err) == waybill.Unavailable {
				return // another was first, or the book will be back
			}
			c := *m
			c.State, c.Reason, c.Run = waybill.MemberBlocked, err.Error(), ""
			e.commit(intent{
				apply: func(tx *record.Tx) error { return tx.MoveJobMember(&c, from) },
				fail: func(err error) {
					if !errors.Is(err, errNothing) && waybill.KindOf(err) != waybill.Conflict {
						e.log.Error("a member of a job could not be noted", "job", job.ID, "member", c.Object, "err", err)
					}
				},
			})
		},
	})
}

// beginWork does to one member what its job is for. What it returns is done once that is on stable storage.
func (e *Engine) beginWork(tx *record.Tx, job *waybill.Job, m *waybill.JobMember) (func(), error) {
	act := waybill.Act{Who: job.Who, Verb: waybill.VerbRetry, Object: m.Object, Reason: orElse(job.Why, "job") + " (" + job.Name + ")"}
	switch {
	case job.Kind == waybill.JobReplay:
		return e.runAgain(tx, job, m)
	case job.Kind == waybill.JobPutBack:
		return e.undoInBulk(tx, job, m)
	case job.Kind == waybill.JobRemap:
		return e.readAgain(tx, act)
	case strings.HasPrefix(m.Object, "itm_"):
		p, _, err := e.itemAct(tx, act)
		if err != nil {
			return nil, err
		}
		return func() { e.hand(p) }, nil
	default:
		if m.Class == waybill.ClassChanged || m.Class == waybill.ClassBlocked {
			act.Verb = waybill.VerbSendAgain // what was done before with other values, as was chosen with its count
		}
		w, err := e.runAct(tx, act)
		if err != nil {
			return nil, err
		}
		return func() { e.followDesk(w) }, nil
	}
}
