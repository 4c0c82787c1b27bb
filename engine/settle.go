package engine

import (
	"errors"
	"fmt"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/record"
)

// recover settles what the process before this one left as sent: its exchange may have happened.
func (e *Engine) recover() error {
	return e.eachSent(func(eff *waybill.Effect) { e.recoverOne(eff.ID, 0) })
}

// eachSent shows every effect that stands as sent, in the order of planning.
func (e *Engine) eachSent(show func(*waybill.Effect)) error {
	const page = 256
	after := waybill.EffectID("")
	for {
		var list []waybill.Effect
		err := e.view(func(tx *record.Tx) (err error) { list, err = tx.SentEffects(after, page); return err })
		if err != nil {
			return err
		}
		for i := range list {
			show(&list[i])
			after = list[i].ID
		}
		if len(list) < page {
			return nil
		}
	}
}

// recoverOne decides about an effect that stands as sent by an epoch without an exchange under way.
func (e *Engine) recoverOne(id waybill.EffectID, by int64) {
	var dec deliver.Decision
	var connection string
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			if e.member != nil {
				if now, err := tx.SentBy(id); err != nil || now != by {
					return errors.Join(err, errNothing) // somebody else has taken it on
				}
			}
			eff, err := tx.Effect(id)
			if err != nil {
				return err
			}
			if eff.State != waybill.EffectSent {
				return errNothing
			}
			connection = eff.Connection
			action := e.actionOf(eff.Connection, eff.Action)
			if action == nil {
				action = &connector.Action{Name: eff.Action, Kind: eff.Kind, Repeat: waybill.RepeatNever}
			}
			now := e.d.Now()
			dec = deliver.Recover(eff, action, e.o.Policy, now)
			attempt := waybill.Attempt{
				ID: waybill.AttemptID(e.ids.New("att")), Effect: eff.ID, Number: eff.Tries + 1, StartedAt: eff.SentAt, EndedAt: now,
				Request: eff.Request, Certainty: waybill.InDoubt, Cause: waybill.AnswerLost,
				Error: "Waybill stopped before the answer was on record", Note: dec.Reason,
			}
			if err := tx.AddAttempt(&attempt); err != nil {
				return err
			}
			x := deliver.Exchange{Attempt: attempt, Words: dec.Reason}
			moved := *eff
			applyDecision(&moved, dec, x, now)
			if err := tx.MoveEffect(&moved, waybill.EffectSent); err != nil {
				return err
			}
			if err := e.noteEffect(tx, &moved); err != nil {
				return err
			}
			run, err := tx.Run(eff.Run)
			if err != nil {
				return err
			}
			return e.listDoubt(tx, run, &moved, dec, x)
		},
		after: func() {
			e.o.Passing(stepRecovered)
			e.schedule(connection, dec)
		},
		fail: func(err error) {
			if !errors.Is(err, errNothing) && !errors.Is(err, errLost) {
				e.log.Error("an effect left as sent could not be recovered", "effect", id, "err", err)
			}
		},
	})
}

func (e *Engine) actionOf(connection, name string) *connector.Action {
	if c := e.today().ws.Connections[connection]; c != nil {
		return c.Manifest.Actions[name]
	}
	return nil
}

// lookForDoubts starts the look-ups that are due for effects in doubt.
func (e *Engine) lookForDoubts() {
	var due []waybill.Effect
	err := e.take(func(tx *record.Tx) (err error) { due, err = tx.DueLooks(e.d.Now(), 256); return err })
	if err != nil {
		e.log.Error("the effects in doubt could not be read", "err", err)
		return
	}
	for i := range due {
		if e.claims.take("look/" + string(due[i].ID)) {
			e.look(&due[i])
		}
	}
}

// look plans a look-up for an effect in doubt.
func (e *Engine) look(eff *waybill.Effect) {
	release := func() { e.claims.drop("look/" + string(eff.ID)) }
	action := e.actionOf(eff.Connection, eff.Action)
	if action == nil || action.Lookup == nil {
		e.overdue(eff, action)
		release()
		return
	}
	inputs, err := e.lookInputs(eff, action)
	var f *waybill.Fetch
	var read *connector.Action
	if err == nil {
		f, read, err = e.newFetch(eff.Connection, action.Lookup.Action, inputs)
	}
	if err != nil {
		e.askAbout(eff, err.Error())
		release()
		return
	}
	f.Effect, f.Run, f.Address = eff.ID, eff.Run, eff.Address+"?"
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			now, err := tx.Effect(eff.ID)
			if err != nil {
				return err
			}
			if now.State != waybill.EffectUnknown || now.DueAt.After(e.d.Now()) {
				return errNothing // somebody else is looking
			}
			now.Looks++
			now.DueAt = waybill.Held() // the look-up under way decides what is next
			if err := tx.MoveEffect(now, waybill.EffectUnknown); err != nil {
				return err
			}
			return tx.PlanFetch(f)
		},
		after: func() {
			e.o.Passing(stepLooking)
			release()
			e.queue(&job{fetch: f, action: read})
		},
		fail: func(err error) {
			release()
			if !errors.Is(err, errNothing) {
				e.log.Error("a look-up could not be planned", "effect", eff.ID, "err", err)
			}
		},
	})
}

func (e *Engine) lookInputs(eff *waybill.Effect, action *connector.Action) (map[string]any, error) {
	in, err := decodeMap(eff.Inputs)
	if err != nil {
		return nil, err
	}
	out, err := action.Lookup.LookInputs(e.callOf(eff, in))
	if err != nil {
		return nil, fmt.Errorf("render the look-up: %w", err)
	}
	return out, nil
}

// callOf is an effect's call as its connector's look-up sees it.
func (e *Engine) callOf(eff *waybill.Effect, in map[string]any) connector.Call {
	c := connector.Call{Input: in, Key: eff.Key, Planned: eff.PlannedAt}
	if t, ok := e.target(eff.Connection); ok {
		c.Base, c.Settings = t.BaseURL, t.Settings
	}
	return c
}

// overdue decides about an unknown effect that nothing settled in time and that cannot be looked for.
func (e *Engine) overdue(eff *waybill.Effect, action *connector.Action) {
	dec := deliver.Overdue(eff, action, e.o.Policy, e.d.Now())
	e.askAbout(eff, dec.Reason)
}

// looked judges a look-up: it may confirm, prove absence, ask for another look, or ask a person.
func (e *Engine) looked(tx *record.Tx, f *waybill.Fetch, x deliver.Exchange) (*advance, error) {
	eff, err := tx.Effect(f.Effect)
	if err != nil {
		return nil, err
	}
	if eff.State != waybill.EffectUnknown {
		return nil, nil
	}
	action := e.actionOf(eff.Connection, eff.Action)
	if action == nil || action.Lookup == nil {
		return nil, nil
	}
	if f.State == waybill.FetchDone && x.Found {
		in, err := decodeMap(eff.Inputs)
		if err != nil {
			return nil, err
		}
		if x.Matched, err = action.Lookup.Matches(e.callOf(eff, in), x.Answer); err != nil {
			e.log.Warn("a look-up's match could not be judged", "effect", eff.ID, "err", err)
		}
	}
	now := e.d.Now()
	dec := deliver.DecideLook(eff, action, x, e.o.Policy, now)
	moved := *eff
	moved.State, moved.Reason, moved.DueAt = dec.State, dec.Reason, dec.DueAt
	moved.Looks, moved.Doubted, moved.Cause = dec.Looks, dec.Doubted, dec.Cause
	if dec.Proof != "" {
		moved.Proof = dec.Proof
	}
	if dec.Ask {
		moved.DueAt = waybill.Held()
	}
	if dec.State == waybill.EffectConfirmed {
		moved.SettledAt = now
		if moved.Answer == nil {
			moved.Answer = encode(x.Answer)
		}
	}
	if err := tx.MoveEffect(&moved, waybill.EffectUnknown); err != nil {
		return nil, err
	}
	if err := e.noteEffect(tx, &moved); err != nil {
		return nil, err
	}
	run, err := tx.Run(eff.Run)
	if err != nil {
		return nil, err
	}
	if answer := answerOf(&moved); answer != nil {
		return e.goOn(tx, run, &moved, answer)
	}
	e.scheduleAfter(moved.Connection, dec)
	return nil, e.listDoubt(tx, run, &moved, dec, x)
}

// scheduleAfter sets the next look or send; a hint only, so it may be set before the commit.
func (e *Engine) scheduleAfter(connection string, dec deliver.Decision) {
	if !dec.DueAt.IsZero() && dec.DueAt.Before(waybill.Held()) {
		e.schedule(connection, dec)
	}
}

// askAbout gives an effect in doubt to a person.
func (e *Engine) askAbout(eff *waybill.Effect, why string) {
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			now, err := tx.Effect(eff.ID)
			if err != nil {
				return err
			}
			if now.State != waybill.EffectUnknown {
				return errNothing
			}
			now.DueAt, now.Reason = waybill.Held(), why
			if err := tx.MoveEffect(now, waybill.EffectUnknown); err != nil {
				return err
			}
			run, err := tx.Run(now.Run)
			if err != nil {
				return err
			}
			return e.listRun(tx, run, now, blame{
				cause: waybill.AnswerLost, connection: now.Connection, action: now.Action,
				words: now.Reason, owner: run.Owner,
			})
		},
	})
}
