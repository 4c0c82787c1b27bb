package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/record"
)

// job is an effect or a fetch to be exchanged with the outside.
type job struct {
	effect *waybill.Effect
	fetch  *waybill.Fetch
	action *connector.Action
	b      *begun    // the run it belongs to, when this process holds it
	sent   bool      // it is written as sent
	slot   bool      // its connection's slot is in hand
	epoch  int64     // the one it was sent under
	waits  time.Time // of one that is written as sent and has no slot: since when
	freed  bool      // its slot was given back when its exchange had ended

	earlier sending // the one before, should this one not go
}

// sending is what an effect keeps of when it was sent.
type sending struct{ sentAt, keyUntil time.Time }

func (j *job) id() string {
	if j.effect != nil {
		return string(j.effect.ID)
	}
	return string(j.fetch.ID)
}

func (j *job) connection() string {
	if j.effect != nil {
		return j.effect.Connection
	}
	return j.fetch.Connection
}

// flow is whose line the job stands in; the reads of all flows share one, as far as they come from the table.
func (j *job) flow() string {
	switch {
	case j.effect != nil:
		return j.effect.Flow
	case j.b != nil:
		return j.b.flow.Name
	default:
		return ""
	}
}

func (j *job) dueAt() time.Time {
	if j.effect != nil {
		return j.effect.DueAt
	}
	return j.fetch.DueAt
}

// objectKey names what an effect of kind state writes to; empty when it need not wait for others.
func objectKey(eff *waybill.Effect) string {
	if eff.Kind != waybill.KindState || eff.Object.Key == "" {
		return ""
	}
	return eff.Account + "\x00" + eff.Object.Type + "\x00" + eff.Object.Key
}

func (e *Engine) busyObject(eff *waybill.Effect, n int) { // called with mu held
	if key := objectKey(eff); key != "" {
		if e.busy[key] += n; e.busy[key] <= 0 {
			delete(e.busy, key)
		}
	}
}

func (e *Engine) unbusy(eff *waybill.Effect) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busyObject(eff, -1)
}

// reserve lets `sent` ride along with the plan of an effect, when its grade makes a repeat harmless: ahead of its slot, or with one in
// hand when nobody else waits for it.
func (e *Engine) reserve(a *advance) {
	eff := a.effect
	if eff == nil || !eff.Repeat.Harmless() || needsBefore(eff, a.action) {
		return
	}
	if !e.launch.gone.Load() || !e.mayBegin(0, e.today().longest) {
		return
	}
	limits := e.limits(eff.Connection)
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sender(eff.Connection)
	if e.stopping || e.restored.Paused() || e.busy[objectKey(eff)] > 0 {
		return
	}
	_, bulk := e.behind[a.b.run.ID]
	switch waiting := s.planned(); {
	case !bulk && !s.more() && waiting < deliver.Slots(limits) && e.mayRide(s, eff, limits):
		s.riders++
	case s.behind():
		return
	default:
		if a.slot, _ = e.acquire(eff.Connection, limits, e.d.Now()); !a.slot {
			return
		}
	}
	a.rides = true
	e.busyObject(eff, 1)
}

// atOnce is how many effects may be written as sent ahead of their slots, for each slot.
const atOnce = 4

// mayRide reports whether an effect may be written as sent before it has a slot: there is one, which others may use until then, or the
// connection works off so briskly what it is given that there will be one in a moment. So a slot is held for the exchange
// alone, and not while the book writes. Called with mu held.
func (e *Engine) mayRide(s *sender, eff *waybill.Effect, limits connector.Limits) bool {
	now, slots := e.d.Now(), deliver.Slots(limits)
	free := s.riders+e.governor.Busy(eff.Connection) < slots
	soon := s.took < brisk && now.Sub(s.last) < silent && s.riders < atOnce*slots
	return (free || soon) && e.unbounded(eff.Connection, limits, now)
}

// unreserve gives back what an effect has that was not written as sent.
func (e *Engine) unreserve(a *advance) {
	e.unbusy(a.effect)
	e.freeSeat(a.effect.Connection, a.slot)
	a.rides, a.slot = false, false
}

// freeSeat gives back the slot, or the place of one that has none yet, of what was not sent.
func (e *Engine) freeSeat(connection string, slot bool) {
	if slot {
		e.release(connection, nil)
		return
	}
	e.mu.Lock()
	e.sender(connection).riders--
	e.mu.Unlock()
	e.pump(connection)
}

// goOut lets an effect that is written as sent go: at once with its slot in hand, else when it has one, ahead of all that are not written so.
// When the engine has been stopped meanwhile it does not go.
func (e *Engine) goOut(j *job) {
	e.mu.Lock()
	s := e.sender(j.connection())
	switch {
	case e.stopping:
		if !j.slot {
			s.riders--
		}
		e.mu.Unlock()
		e.putBack(j)
	case j.slot:
		e.d.Go(func() { e.exchange(j) }) // under mu: the dispatcher is stopped after the engine
		e.mu.Unlock()
	default:
		j.waits = e.d.Now()
		s.board(j)
		e.mu.Unlock()
		e.pump(j.connection())
	}
}

// putBack writes as planned again what was written as sent and did not go: its connection, or the engine, has come to a
// stop meanwhile, or it has waited too long for the gate's answer to be as good as new.
func (e *Engine) putBack(j *job) {
	giveUp := func() {
		e.unbusy(j.effect)
		e.claims.drop(j.id())
	}
	e.commit(intent{
		epoch: j.epoch,
		ahead: record.Ahead{Effects: []waybill.EffectID{j.effect.ID}},
		apply: func(tx *record.Tx) error {
			eff, _, err := tx.EffectWithRun(j.effect.ID)
			if err != nil {
				return err
			}
			if eff.State != waybill.EffectSent || eff.SentAt.UnixMilli() != j.effect.SentAt.UnixMilli() {
				return errNothing
			}
			if object, ordered := eff.Writes(); ordered {
				if err := tx.FreeObject(object, eff.ID); err != nil {
					return err
				}
			}
			eff.State, eff.DueAt = waybill.EffectPlanned, e.d.Now()
			eff.SentAt, eff.KeyUntil = j.earlier.sentAt, j.earlier.keyUntil // they may know the key of an earlier sending, until then
			return tx.MoveEffect(eff, waybill.EffectSent)
		},
		after: func() {
			giveUp()
			e.wakeSender(j.connection(), e.d.Now())
		},
		fail: func(err error) {
			if !errors.Is(err, errNothing) && !errors.Is(err, errLost) {
				e.log.Error("an effect that did not go could not be put back; it is recovered", "effect", j.effect.ID, "err", err)
			}
			giveUp()
		},
	})
}

// reserveAll takes slots for what an advance plans, and for what begins with the events it emits.
func (e *Engine) reserveAll(a *advance) {
	e.reserve(a)
	for _, o := range a.emits {
		e.reserveOpening(o)
	}
}

// reserveOpening takes slots for what the runs of an event begin with.
func (e *Engine) reserveOpening(o *opening) {
	for _, a := range o.advances {
		e.reserveAll(a)
	}
}

// send is the third transaction: with the connection's slot in hand the gate is asked, and `sent` is on stable storage
// before the first byte leaves. Then one exchange is made.
func (e *Engine) send(j *job) {
	if err := e.complete(j); err != nil {
		e.strand(j, err)
		return
	}
	if j.effect == nil {
		if e.parked(j.fetch.Connection, j.fetch.Action) {
			e.putOffFetch(j)
			return
		}
		e.exchange(j)
		return
	}
	if needsBefore(j.effect, j.action) {
		e.readBefore(j)
		return
	}
	var deciding waybill.GateAnswer
	var after *advance
	sent := *j.effect
	e.o.Passing(stepSending)
	var epoch int64
	e.commit(intent{
		ahead: record.Ahead{Effects: []waybill.EffectID{j.effect.ID}},
		apply: func(tx *record.Tx) error {
			epoch = tx.Standing().Epoch
			eff, run, err := tx.EffectWithRun(j.effect.ID)
			if err != nil {
				return err
			}
			after, sent, j.earlier = nil, *eff, sending{eff.SentAt, eff.KeyUntil}
			if sent.State != waybill.EffectPlanned || sent.DueAt.After(e.d.Now()) {
				return errNothing
			}
			if deciding, err = e.askGate(tx, &sent, run); err != nil {
				return err
			}
			if deciding.Verdict == waybill.Go {
				sent.State, sent.SentAt, sent.Reason = waybill.EffectSent, e.d.Now(), ""
				sent.DueAt = time.Time{}
				if sent.KeyUntil.IsZero() {
					sent.KeyUntil = deliver.KeyUntil(j.action, sent.SentAt)
				}
				return tx.MoveEffect(&sent, waybill.EffectPlanned)
			}
			after, err = e.held(tx, &sent, run, deciding)
			return err
		},
		after: func() {
			if deciding.Verdict == waybill.Go {
				j.effect, j.epoch, j.sent = &sent, epoch, true
				if j.slot {
					e.exchange(j)
				} else {
					e.goOut(j)
				}
				return
			}
			e.handBack(j)
			if after != nil {
				e.follow(after)
			}
			if deciding.Verdict == waybill.WaitUntil {
				e.wakeSender(sent.Connection, sent.DueAt)
			}
		},
		fail: func(err error) {
			if !errors.Is(err, errNothing) && !errors.Is(err, errLost) {
				e.log.Error("an effect could not be sent", "effect", j.effect.ID, "err", err)
			}
			e.handBack(j)
		},
	})
}

// askGate asks every rule over what the book says now, and keeps the answers on the effect.
func (e *Engine) askGate(tx *record.Tx, eff *waybill.Effect, run *waybill.Run) (waybill.GateAnswer, error) {
	view := deliver.GateView{Effect: eff, Run: run, Environment: e.o.Environment, Now: e.d.Now(), Restored: e.wasRestored()}
	if c := e.today().ws.Connections[eff.Connection]; c != nil {
		view.Allow = c.Allow
	}
	if run.State == waybill.RunDone && eff.Generation > 1 || eff.Undoes != "" {
		view.Run = nil // a part that failed and that a person has sent after all, or put back: no run waits for it
	}
	view.Recipient = recipient(eff)
	state, err := e.healthInBook(tx, eff.Connection)
	if err != nil {
		return waybill.GateAnswer{}, fmt.Errorf("read the health of %s: %w", eff.Connection, err)
	}
	view.Connection = &state
	object, ordered := eff.Writes()
	if ordered {
		if err := e.claimObject(tx, &view, object); err != nil {
			return waybill.GateAnswer{}, fmt.Errorf("read what was written to %s %s: %w", eff.Object.Type, eff.Object.Key, err)
		}
	}
	if err := e.viewPeople(tx, &view); err != nil {
		return waybill.GateAnswer{}, err
	}
	answers, deciding := deliver.AskGate(e.rules, view)
	eff.Gate = answers
	if !ordered {
		return deciding, nil
	}
	return deciding, e.claimed(tx, &view, object, deciding)
}

// held writes what the gate decided for an effect it does not let go.
func (e *Engine) held(tx *record.Tx, eff *waybill.Effect, run *waybill.Run, g waybill.GateAnswer) (*advance, error) {
	eff.Reason = g.Reason
	switch g.Verdict {
	case waybill.WaitUntil:
		eff.DueAt = g.Until
		forgetBefore(eff)
		return nil, tx.MoveEffect(eff, waybill.EffectPlanned)
	case waybill.Skip:
		if g.Rule == deliver.RuleOrder && eff.Fresh {
			if after, err := e.readFresh(tx, eff); err != nil || after != nil {
				return after, err
			}
		}
		eff.State, eff.SettledAt = waybill.EffectSkipped, e.d.Now()
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return nil, err
		}
		if eff.Undoes != "" {
			return nil, e.noteUndone(tx, eff)
		}
		return e.goOn(tx, run, eff, answerOf(eff))
	default: // ask, refuse
		eff.DueAt = waybill.Held()
		if eff.Doubted {
			eff.State = waybill.EffectUnknown // it may have happened, and is not sent again by itself
		}
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return nil, err
		}
		return nil, e.listRun(tx, run, eff, e.heldBecause(eff, run, g))
	}
}

// complete fills in what a job read from the table lacks.
func (e *Engine) complete(j *job) error {
	if j.action != nil {
		return nil
	}
	var name string
	if j.effect != nil {
		name = j.effect.Action
	} else {
		name = j.fetch.Action
	}
	t, ok := e.target(j.connection())
	if !ok {
		return gone(j.connection())
	}
	if j.action = t.Manifest.Actions[name]; j.action == nil {
		return fmt.Errorf("%s no longer has the action %q", t.Manifest.Title, name)
	}
	return nil
}

// aMoment is how long what is written as sent may wait for its slot and is still as good as asked for just now.
const aMoment = 2 * time.Second

// waitedLong reports whether what is written as sent has waited for its slot so long that the gate must be asked anew.
func (e *Engine) waitedLong(j *job) bool {
	now := e.d.Now()
	return !j.waits.IsZero() && (now.Sub(j.waits) > aMoment || !j.effect.GoodUntil.IsZero() && !now.Before(j.effect.GoodUntil))
}

func gone(connection string) error {
	return fmt.Errorf("the connection %q is no longer in the workspace", connection)
}

// strand lists what cannot be exchanged because its connection or its action is gone: it waits for a person.
func (e *Engine) strand(j *job, why error) {
	if j.effect == nil {
		x := deliver.Exchange{Words: why.Error()}
		x.Attempt.Certainty, x.Attempt.Cause = waybill.NotHappened, waybill.MappingWrong
		e.fetched(j, x)
		return
	}
	e.commit(intent{
		ahead: record.Ahead{Effects: []waybill.EffectID{j.effect.ID}},
		apply: func(tx *record.Tx) error {
			eff, run, err := tx.EffectWithRun(j.effect.ID)
			if err != nil {
				return err
			}
			if eff.State != waybill.EffectPlanned || eff.DueAt.After(e.d.Now()) {
				return errNothing
			}
			eff.Reason, eff.Cause, eff.DueAt = why.Error(), waybill.MappingWrong, waybill.Held()
			if eff.Doubted {
				eff.State = waybill.EffectUnknown // it may have happened, and is not sent again by itself
			}
			if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
				return err
			}
			return e.listRun(tx, run, eff, blame{
				cause: waybill.MappingWrong, connection: eff.Connection, action: eff.Action, words: eff.Reason, owner: run.Owner,
			})
		},
		after: func() { e.handBack(j) },
		fail: func(err error) {
			if !errors.Is(err, errNothing) && !errors.Is(err, errLost) {
				e.log.Error("an effect whose connection is gone could not be listed", "effect", j.effect.ID, "err", err)
			}
			e.handBack(j)
		},
	})
}

// handBack gives slot, object and claim of a job back without an exchange.
func (e *Engine) handBack(j *job) {
	if j.effect != nil {
		e.unbusy(j.effect)
	}
	e.claims.drop(j.id())
	e.freeSeat(j.connection(), j.slot)
}

// release gives a slot back, lets the governor learn from the exchange, and starts what can go next.
func (e *Engine) release(name string, x *deliver.Exchange) {
	e.mu.Lock()
	changed, _ := e.governor.Release(name, x, e.d.Now())
	e.mu.Unlock()
	if changed {
		e.healthChanged(name)
	}
	e.pump(name)
}

// exchange makes one attempt and writes what it proves.
func (e *Engine) exchange(j *job) {
	t, ok := e.target(j.connection())
	switch {
	case j.sent && j.epoch != e.epoch(): // this node was called lost while it waited for its slot: others have taken it on
		e.handBack(j)
		return
	case j.sent && (!ok || e.waitedLong(j)):
		e.freeSeat(j.connection(), j.slot)
		e.putBack(j)
		return
	case !ok:
		e.strand(j, gone(j.connection()))
		return
	}
	var req waybill.Request
	if j.effect != nil {
		req = j.effect.Request
	} else {
		req = j.fetch.Request
	}
	t.Epoch = j.epoch
	e.called(t.Connection)
	began := e.d.Now()
	if j.effect != nil {
		e.o.Passing(stepSent)
	}
	x := e.o.Caller.Call(context.Background(), t, j.action, req)
	x.Attempt.ID = waybill.AttemptID(e.ids.New("att"))
	e.mu.Lock()
	e.sender(j.connection()).ended(began, e.d.Now())
	e.mu.Unlock()
	if j.effect != nil {
		e.o.Passing(stepAnswered)
		e.outcome(j, x)
	} else {
		e.o.Passing(stepRead)
		e.fetched(j, x)
	}
}
