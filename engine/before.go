package engine

import (
	"errors"
	"fmt"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/record"
)

// An effect that can be undone by restoring is sent only after what it will overwrite has been read and kept: the
// before-image.

// beforeMark ends the address of the read that makes a before-image.
const beforeMark = "!before"

// needsBefore reports whether what was there must be read before the effect may be sent.
func needsBefore(eff *waybill.Effect, action *connector.Action) bool {
	return eff.Undo == "restore" && eff.Before == nil && action != nil && action.Undo.Restore != ""
}

// forgetBefore makes an effect read again what is there before it is sent after a wait: it may be something else by then. One
// that may have happened already does not: what it would find may be its own.
func forgetBefore(eff *waybill.Effect) {
	if !eff.Doubted {
		eff.Before = nil
	}
}

// readBefore plans the read of what an effect will overwrite; the effect waits for it.
func (e *Engine) readBefore(j *job) {
	eff := j.effect
	f, read, err := e.beforeFetch(eff, j.action)
	if err != nil {
		e.log.Error("a before-image cannot be read", "effect", eff.ID, "err", err)
		e.handBack(j)
		e.holdFor(eff, waybill.MappingWrong, "what is there now could not be read, so it could not be put back: "+err.Error())
		return
	}
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			now, err := tx.Effect(eff.ID)
			if err != nil {
				return err
			}
			if now.State != waybill.EffectPlanned || now.Before != nil {
				return errNothing
			}
			now.DueAt, now.Reason = waybill.Held(), "reading what is there now, to be able to put it back"
			if err := tx.MoveEffect(now, waybill.EffectPlanned); err != nil {
				return err
			}
			return tx.PlanFetch(f)
		},
		after: func() {
			e.handBack(j)
			e.queue(&job{fetch: f, action: read})
		},
		fail: func(err error) {
			e.handBack(j)
			if !errors.Is(err, errNothing) {
				e.log.Error("a before-image could not be planned", "effect", eff.ID, "err", err)
			}
		},
	})
}

func (e *Engine) beforeFetch(eff *waybill.Effect, action *connector.Action) (*waybill.Fetch, *connector.Action, error) {
	in, err := decodeMap(eff.Inputs)
	if err != nil {
		return nil, nil, err
	}
	inputs, err := action.Undo.ReadInputs(e.callOf(eff, in))
	if err != nil {
		return nil, nil, fmt.Errorf("render the read: %w", err)
	}
	f, read, err := e.newFetch(eff.Connection, action.Undo.Restore, inputs)
	if err != nil {
		return nil, nil, err
	}
	f.Effect, f.Run, f.Address = eff.ID, eff.Run, eff.Address+beforeMark
	return f, read, nil
}

// keepBefore keeps a before-image and lets the effect be sent; a read that failed for good holds it for a person.
func (e *Engine) keepBefore(tx *record.Tx, f *waybill.Fetch) (*waybill.Effect, error) {
	eff, err := tx.Effect(f.Effect)
	if err != nil || eff.State != waybill.EffectPlanned {
		return nil, err
	}
	if f.State == waybill.FetchFailed {
		run, err := tx.Run(eff.Run)
		if err != nil || run.State.Ended() && eff.Undoes == "" {
			return nil, err
		}
		words := "what is there now could not be read, so it could not be put back: " + f.Reason
		eff.DueAt, eff.Gate, eff.Reason = waybill.Held(), nil, words
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return nil, err
		}
		return nil, e.listRun(tx, run, eff, blame{
			cause: causeOr(f.Cause, waybill.OurSide), connection: eff.Connection, action: f.Action,
			words: words, owner: run.Owner,
		})
	}
	eff.Before, eff.DueAt, eff.Reason = f.Answer, time.Time{}, ""
	return eff, tx.MoveEffect(eff, waybill.EffectPlanned)
}

// holdFor gives a planned effect to a person.
func (e *Engine) holdFor(eff *waybill.Effect, cause waybill.Cause, words string) {
	e.commit(intent{apply: func(tx *record.Tx) error {
		now, err := tx.Effect(eff.ID)
		if err != nil || now.State != waybill.EffectPlanned {
			return err
		}
		now.DueAt, now.Reason = waybill.Held(), words
		if err := tx.MoveEffect(now, waybill.EffectPlanned); err != nil {
			return err
		}
		run, err := tx.Run(now.Run)
		if err != nil || run.State.Ended() && now.Undoes == "" {
			return err
		}
		return e.listRun(tx, run, now, blame{cause: cause, connection: now.Connection, action: now.Action, words: words, owner: run.Owner})
	}})
}
