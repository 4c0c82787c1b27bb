package engine

import (
	"fmt"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
)

// outcome is the fourth transaction: the attempt, what it proves of the effect, the next state of the run, the lane
// passed on, and the problem, if there is one.
func (e *Engine) outcome(j *job, t *deliver.Target, x deliver.Exchange) {
	now := e.d.Now()
	x.Alone = e.answering(j.effect.Connection)
	dec := deliver.Decide(j.effect, j.action, x, e.o.Policy, now)
	var after *advance
	var ready *advance // made outside the transaction when this process holds the run
	if j.b != nil {
		settled := *j.effect
		applyDecision(&settled, dec, x, now)
		if answer := answerOf(&settled); answer != nil {
			ready = e.ahead(j.b, answer)
		}
	}
	e.commit(intent{
		apply: func(tx *record.Tx) (err error) {
			after, err = e.applyOutcome(tx, j, ready, dec, x)
			return err
		},
		after: func() {
			e.settledJob(j, &x)
			if after != nil {
				e.follow(after)
			}
			if ready != nil && after != ready {
				e.dropReady(ready)
			}
			e.schedule(j.effect.Connection, dec)
		},
		fail: func(err error) {
			// The exchange was made and its outcome is not on record: the effect stands as sent, and is recovered.
			e.log.Error("an outcome could not be written", "effect", j.effect.ID, "err", err)
			if ready != nil {
				e.dropReady(ready)
			}
			e.settledJob(j, &x)
			e.d.At(now.Add(e.backoff(3)), func() { e.recoverOne(j.effect.ID) })
		},
	})
}

// settledJob gives back what an exchange held.
func (e *Engine) settledJob(j *job, x *deliver.Exchange) {
	if j.effect != nil {
		e.unbusy(j.effect)
	}
	e.claims.drop(j.id())
	e.release(j.connection(), x)
}

func (e *Engine) dropReady(a *advance) {
	if a.slot {
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
// evidence and nothing else changes.
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
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("write the outcome: %w", err)
	}
	if err := e.noteEffect(tx, &eff); err != nil {
		return nil, err
	}
	if ready != nil {
		err := e.apply(tx, ready, waybill.RunWaiting)
		if waybill.KindOf(err) != waybill.Conflict {
			return ready, err
		}
		// The run is no longer waiting: a person stopped it. The effect's outcome stands all the same.
		return nil, nil
	}
	run, err := tx.Run(eff.Run)
	if err != nil {
		return nil, err
	}
	if answer := answerOf(&eff); answer != nil {
		return e.goOn(tx, run, answer)
	}
	return nil, e.listDoubt(tx, run, &eff, j, dec, x)
}

// goOn takes a run on with the answer it waits for; a run that has ended or waits for another stays as it is.
func (e *Engine) goOn(tx *record.Tx, run *waybill.Run, answer *flow.Answer) (*advance, error) {
	if run.State.Ended() || answer == nil {
		return nil, nil
	}
	b, err := e.load(tx, run)
	if err != nil {
		return nil, err
	}
	if b.progress.Address != answer.Address {
		return nil, nil
	}
	a := e.machine(b, answer, reads{tx, b.version.ws})
	return a, e.apply(tx, a, run.State)
}

// listDoubt puts a run on a person's list when its effect does not go on by itself.
func (e *Engine) listDoubt(tx *record.Tx, run *waybill.Run, eff *waybill.Effect, j *job, dec deliver.Decision, x deliver.Exchange) error {
	if run.State.Ended() {
		return nil
	}
	if !dec.Ask {
		if run.State == waybill.RunWaiting && run.Reason != dec.Reason {
			run.Reason = dec.Reason
			return tx.MoveRun(run, waybill.RunWaiting)
		}
		return nil
	}
	words := x.Words
	if words == "" {
		words = dec.Reason
	}
	return e.listRun(tx, run, eff, blame{cause: doubtOr(eff, x.Attempt.Cause), connection: eff.Connection,
		action: eff.Action, code: x.Code, words: words, owner: run.Owner})
}

// doubtOr is the cause a person is asked about: what is not known is a lost answer, whatever lost it.
func doubtOr(eff *waybill.Effect, c waybill.Cause) waybill.Cause {
	if eff.State == waybill.EffectUnknown {
		return waybill.AnswerLost
	}
	return causeOr(c, waybill.AnswerLost)
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
	if eff.State == waybill.EffectConfirmed && eff.Kind == waybill.KindState && eff.Object.Key != "" {
		if err := tx.SetStamp(eff.Account, eff.Object.Type, eff.Object.Key, eff.Order, eff.ID); err != nil {
			return fmt.Errorf("note the newest fact of %s %s: %w", eff.Object.Type, eff.Object.Key, err)
		}
	}
	if eff.State == waybill.EffectConfirmed && eff.Object.ID != "" {
		if err := e.pair(tx, eff); err != nil {
			return fmt.Errorf("pair %s: %w", eff.Object.Type, err)
		}
	}
	if eff.Kind != waybill.KindMessage {
		return nil
	}
	m := waybill.Message{Effect: eff.ID, Event: eff.Event, Connection: eff.Connection, To: recipient(eff), Template: inputText(eff, "template"),
		Remote: eff.Object.ID, State: messageState(eff.State), Reason: eff.Reason, UpdatedAt: e.d.Now()}
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

// fetched writes what a read came to, and takes on what waited for it: an item, a run, or an effect in doubt.
func (e *Engine) fetched(j *job, x deliver.Exchange) {
	now := e.d.Now()
	x.Alone = e.answering(j.fetch.Connection)
	state, dec := deliver.DecideFetch(j.fetch, j.action, x, e.o.Policy, now)
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
	var after *advance
	var again *piece
	var before *waybill.Effect
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			after, again, before = nil, nil, nil
			attempt := x.Attempt
			attempt.Fetch, attempt.Number, attempt.Note = f.ID, j.fetch.Tries+1, dec.Reason
			if err := tx.AddAttempt(&attempt); err != nil {
				return err
			}
			if err := tx.MoveFetch(&f, waybill.FetchPlanned); err != nil {
				return err
			}
			var err error
			switch {
			case f.State == waybill.FetchPlanned && !dec.Ask:
			case f.Effect != "" && strings.HasSuffix(f.Address, beforeMark):
				before, err = e.keepBefore(tx, &f)
			case f.Effect != "":
				after, err = e.looked(tx, &f, j, x)
			case f.Item != "":
				again, err = e.itemFetched(tx, &f, x)
			default:
				var run *waybill.Run
				if run, err = tx.Run(f.Run); err == nil {
					var answer *flow.Answer
					if answer, err = fetchAnswer(&f); err == nil {
						if answer != nil {
							answer.Code = x.Code
						}
						after, err = e.goOn(tx, run, answer)
					}
				}
			}
			return err
		},
		after: func() {
			e.settledJob(j, &x)
			if after != nil {
				e.follow(after)
			}
			if again != nil {
				e.hand(again)
			}
			if before != nil {
				e.queue(&job{effect: before})
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
		why := blame{cause: causeOr(x.Attempt.Cause, waybill.OurSide), connection: f.Connection, action: f.Action, code: x.Code,
			words: f.Reason, owner: e.ownerOf("")}
		id, err := tx.Raise(e.problem(why, ""), waybill.Member{Item: it.ID, Fetch: f.ID, At: e.d.Now()})
		if err != nil {
			return nil, err
		}
		it.State, it.Reason, it.Problem = waybill.ItemBlocked, f.Reason, id
		return nil, tx.MoveItem(it, waybill.ItemFetching)
	}
	answer, err := fetchAnswer(f)
	if err != nil {
		return nil, err
	}
	return &piece{item: *it, fetched: map[string]any{f.Address: answer.Output}}, nil
}
