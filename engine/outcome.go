package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
)

// outcome is the fourth transaction: the attempt, what it proves of the effect, the next state of the run, the lane
// passed on, and the problem, if there is one.
func (e *Engine) outcome(j *job, x deliver.Exchange) {
	now := e.d.Now()
	x.Alone = e.answering(j.effect.Connection)
	dec := deliver.Decide(j.effect, j.action, x, e.o.Policy, now)
	if j.effect.Repeat.Harmless() {
		// Of other grades no more may be in doubt after a crash than there are slots.
		j.freed = true
		e.release(j.connection(), &x)
	}
	var ready *advance // made outside the transaction when this process holds the run
	if j.b != nil {
		settled := *j.effect
		applyDecision(&settled, dec, x, now)
		if answer := answerOf(&settled); answer != nil {
			answer.Code = x.Code
			if ready = e.ahead(j.b, answer); ready != nil {
				e.reserveAll(ready)
			}
		}
	}
	e.writeOutcome(j, ready, dec, x)
}

func (e *Engine) writeOutcome(j *job, ready *advance, dec deliver.Decision, x deliver.Exchange) {
	var after *advance
	var ahead record.Ahead
	if ready == nil {
		ahead.Runs = []waybill.RunID{j.effect.Run}
	}
	e.commit(intent{
		epoch: j.epoch,
		ahead: ahead,
		apply: func(tx *record.Tx) (err error) {
			after, err = e.applyOutcome(tx, j, ready, dec, x)
			return err
		},
		evidence: func(tx *record.Tx) error {
			after = nil
			return e.testify(tx, j, x)
		},
		after: func() {
			e.o.Passing(stepSettled)
			e.settledJob(j, &x)
			if after != nil {
				e.follow(after)
			}
			if ready != nil && after != ready {
				e.drop(ready)
			}
			e.schedule(j.effect.Connection, dec)
		},
		fail: func(err error) {
			if ready != nil {
				e.drop(ready)
				if waybill.KindOf(err) == waybill.Conflict {
					// The run is not where this process left it: a person stopped it. The outcome stands all the same.
					e.writeOutcome(j, nil, dec, x)
					return
				}
			}
			e.log.Error("an outcome could not be written", "effect", j.effect.ID, "err", err)
			e.settledJob(j, &x)
			e.keepOutcome(j, dec, x, 1)
		},
	})
}

// keepOutcome writes an outcome that could not be written, when the book can be again: it is the proof of what happened.
// One that the book refuses for another reason leaves the effect as sent, and it is recovered.
func (e *Engine) keepOutcome(j *job, dec deliver.Decision, x deliver.Exchange, try int) {
	var after *advance
	e.claims.take(j.id()) // it is in hand: nobody recovers it
	e.d.At(e.d.Now().Add(e.backoff(try)), func() {
		e.commit(intent{
			epoch: j.epoch,
			apply: func(tx *record.Tx) (err error) {
				if known, err := knownAttempt(tx, &x.Attempt, string(j.effect.ID)); err != nil || known {
					return err
				}
				after, err = e.applyOutcome(tx, j, nil, dec, x)
				return err
			},
			evidence: func(tx *record.Tx) error {
				after = nil
				if known, err := knownAttempt(tx, &x.Attempt, string(j.effect.ID)); err != nil || known {
					return err
				}
				return e.testify(tx, j, x)
			},
			after: func() {
				e.claims.drop(j.id())
				if after != nil {
					e.follow(after)
				}
				e.schedule(j.effect.Connection, dec)
			},
			fail: func(err error) {
				if waybill.KindOf(err) == waybill.Unavailable {
					e.keepOutcome(j, dec, x, try+1)
					return
				}
				e.claims.drop(j.id())
				e.log.Error("an outcome could not be written; the effect is recovered", "effect", j.effect.ID, "err", err)
				e.recoverOne(j.effect.ID, j.epoch)
			},
		})
	})
}

// knownAttempt reports whether an attempt is on record: the commit that seemed to fail had not.
func knownAttempt(tx *record.Tx, a *waybill.Attempt, owner string) (bool, error) {
	list, err := tx.Attempts(owner)
	return slices.ContainsFunc(list, func(b waybill.Attempt) bool { return b.ID == a.ID }), err
}

// settledJob gives back what an exchange held.
func (e *Engine) settledJob(j *job, x *deliver.Exchange) {
	if j.effect != nil {
		e.unbusy(j.effect)
	}
	e.claims.drop(j.id())
	if j.freed {
		e.pump(j.connection()) // what waits for its object
		return
	}
	e.release(j.connection(), x)
}

// drop gives back what an advance that was not written holds.
func (e *Engine) drop(a *advance) {
	if a.rides {
		e.unreserve(a)
	}
	e.releaseOpenings(a.emits)
}

// schedule makes sure that what comes by itself is looked at in time.
func (e *Engine) schedule(connection string, dec deliver.Decision) {
	if dec.DueAt.IsZero() {
		return
	}
	if dec.Look {
		e.d.At(dec.DueAt, e.lookForDoubts)
		return
	}
	e.wakeSender(connection, dec.DueAt)
}

// applyDecision writes a decision onto an effect. A repeat within the key's life is the same effect sent again.
func applyDecision(eff *waybill.Effect, dec deliver.Decision, x deliver.Exchange, now time.Time) {
	eff.State, eff.Reason, eff.Proof, eff.Cause = dec.State, dec.Reason, dec.Proof, dec.Cause
	eff.DueAt, eff.Looks, eff.Doubted = dec.DueAt, dec.Looks, dec.Doubted
	if dec.CountsTry {
		eff.Tries++
	}
	if dec.Ask && dec.State != waybill.EffectDeclined {
		eff.DueAt = waybill.Held()
	}
	switch dec.State {
	case waybill.EffectPlanned:
		forgetBefore(eff)
	case waybill.EffectConfirmed:
		eff.SettledAt = now
		eff.Answer = encode(x.Answer)
		if x.Object != "" {
			eff.Object.ID = x.Object
		}
	case waybill.EffectDeclined:
		eff.SettledAt = now
	default:
	}
}

// applyOutcome writes an exchange. When a webhook or a person settled the effect meanwhile, the attempt is kept as
// evidence; of the effect only what the answer carries is new.
func (e *Engine) applyOutcome(tx *record.Tx, j *job, ready *advance, dec deliver.Decision, x deliver.Exchange) (*advance, error) {
	attempt := x.Attempt
	attempt.Effect, attempt.Number, attempt.Note = j.effect.ID, j.effect.Tries+1, dec.Reason
	if err := tx.AddAttempt(&attempt); err != nil {
		return nil, fmt.Errorf("write the attempt: %w", err)
	}
	eff := *j.effect
	applyDecision(&eff, dec, x, e.d.Now())
	err := tx.MoveEffect(&eff, waybill.EffectSent)
	if waybill.KindOf(err) == waybill.Conflict {
		return e.lateAnswer(tx, eff.ID, x)
	}
	if err != nil {
		return nil, fmt.Errorf("write the outcome: %w", err)
	}
	if err := e.noteEffect(tx, &eff); err != nil {
		return nil, err
	}
	if ready != nil {
		return ready, e.apply(tx, ready, waybill.RunWaiting)
	}
	run, err := tx.Run(eff.Run)
	if err != nil {
		return nil, err
	}
	if answer := answerOf(&eff); answer != nil {
		answer.Code = x.Code
		return e.goOn(tx, run, &eff, answer)
	}
	return nil, e.listDoubt(tx, run, &eff, dec, x)
}

// goOn takes a run on with the answer it waits for; a run that has ended or waits for another stays as it is. eff is the
// effect that gives the answer, nil for a read.
func (e *Engine) goOn(tx *record.Tx, run *waybill.Run, eff *waybill.Effect, answer *flow.Answer) (*advance, error) {
	if answer == nil {
		return nil, nil
	}
	if run.State.Ended() || eff != nil && eff.Undoes != "" {
		return nil, e.settledAfterEnd(tx, run, eff, answer)
	}
	b, err := e.load(tx, run)
	if err != nil {
		return nil, e.listBroken(tx, run, err)
	}
	if b.progress.Address != answer.Address {
		return nil, nil
	}
	if turn, err := e.takeTurn(tx, run, b.progress); err != nil || !turn {
		return nil, err // the book has its answer when its turn comes
	}
	a := e.machine(b, answer, readsOf(tx, b))
	return a, e.apply(tx, a, run.State)
}

// listDoubt puts a run on a person's list when its effect does not go on by itself.
func (e *Engine) listDoubt(tx *record.Tx, run *waybill.Run, eff *waybill.Effect, dec deliver.Decision, x deliver.Exchange) error {
	if !dec.Ask {
		if run.State == waybill.RunWaiting && run.Reason != dec.Reason && eff.Undoes == "" {
			run.Reason = dec.Reason
			return tx.MoveRun(run, waybill.RunWaiting)
		}
		return nil
	}
	if run.State == waybill.RunStopped && eff.State == waybill.EffectPlanned && eff.Undoes == "" {
		eff.DueAt = time.Time{} // nobody wants it any more: the gate leaves it out
		return tx.MoveEffect(eff, waybill.EffectPlanned)
	}
	words := x.Words
	if words == "" {
		words = dec.Reason
	}
	why := blame{
		cause: causeOr(x.Attempt.Cause, waybill.AnswerLost), connection: eff.Connection, action: eff.Action, code: x.Code,
		words: words, owner: run.Owner,
	}
	if eff.State == waybill.EffectUnknown {
		why.cause, why.code = waybill.AnswerLost, "" // whatever lost the answers, a person looks for all of them together
	}
	return e.listRun(tx, run, eff, why)
}

func causeOr(c, other waybill.Cause) waybill.Cause {
	if c == "" {
		return other
	}
	return c
}

// passLane takes a run out of its lane and returns the one whose turn it is. The book has made that one due, so no crash
// forgets it.
func (e *Engine) passLane(tx *record.Tx, id waybill.RunID) (waybill.RunID, error) {
	next, err := tx.LeaveLane(id)
	if err != nil || next == "" {
		return "", err
	}
	run, err := tx.Run(next)
	if err != nil || run.State != waybill.RunQueued {
		return "", err
	}
	return next, nil
}

// noteEffect writes what follows from an effect's state beside it: the order stamp, the pairing, the message.
func (e *Engine) noteEffect(tx *record.Tx, eff *waybill.Effect) error {
	if object, ordered := eff.Writes(); ordered {
		if err := e.noteWritten(tx, eff, object); err != nil {
			return fmt.Errorf("note the newest fact of %s %s: %w", eff.Object.Type, eff.Object.Key, err)
		}
	}
	if eff.Undoes != "" {
		if err := e.noteUndone(tx, eff); err != nil {
			return fmt.Errorf("note what %s undid: %w", eff.ID, err)
		}
	}
	if eff.State == waybill.EffectConfirmed && eff.Object.ID != "" && eff.Undoes == "" {
		if err := e.pair(tx, eff); err != nil {
			return fmt.Errorf("pair %s: %w", eff.Object.Type, err)
		}
	}
	if eff.Kind != waybill.KindMessage {
		return nil
	}
	m := waybill.Message{
		Effect: eff.ID, Event: eff.Event, Connection: eff.Connection, To: recipient(eff), Template: inputText(eff, "template"),
		Remote: eff.Object.ID, State: messageState(eff.State), Reason: eff.Reason, UpdatedAt: e.d.Now(),
	}
	if err := tx.PutMessage(&m); err != nil {
		return fmt.Errorf("note the message: %w", err)
	}
	return nil
}

// pair notes that what the event is about and what was written are the same subject in two systems.
func (e *Engine) pair(tx *record.Tx, eff *waybill.Effect) error {
	ev, err := tx.Event(eff.Event)
	if err != nil {
		return err
	}
	_, name, ok := strings.Cut(ev.Subject, " ")
	if !ok {
		return nil
	}
	return tx.Pair(waybill.Pairing{Type: eff.Object.Type, ConnA: ev.Connection, IDA: name, ConnB: eff.Connection, IDB: eff.Object.ID})
}

func messageState(s waybill.EffectState) waybill.MessageState {
	switch s {
	case waybill.EffectConfirmed:
		return waybill.MessageAccepted
	case waybill.EffectDeclined:
		return waybill.MessageFailed
	case waybill.EffectUnknown:
		return waybill.MessageUnknown
	case waybill.EffectSkipped:
		return waybill.MessageSkipped
	default:
		return waybill.MessagePlanned
	}
}
