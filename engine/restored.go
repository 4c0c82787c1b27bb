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

// A restored book knows nothing of what was done between its backup and its first start. What may have been sent then is
// not sent again by guess: what stands planned or sent at the first start, and what is planned later for facts of that time,
// starts as unknown unless a repeat is harmless. Nothing at all is sent until a person has looked.

// RestoredObject is what a person acts on to let a restored book send again.
const RestoredObject = "rst_book"

// wasRestored is what the book remembers of a restore; nil when it never was.
func (e *Engine) wasRestored() *waybill.Restored {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.restored
}

func (e *Engine) setRestored(r *waybill.Restored) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.restored = r
}

// afterRestore is for the start. At the first one over a restored book it looks at every effect that stands planned: the
// lost process may have sent it. It may be cut off anywhere and begun again: nothing is sent before it is through.
func (e *Engine) afterRestore() error {
	var r *waybill.Restored
	err := e.view(func(tx *record.Tx) (err error) { r, err = tx.Restored(); return err })
	if err != nil || r == nil {
		return err
	}
	if !r.StartedAt.IsZero() {
		e.setRestored(r)
		return nil
	}
	r.StartedAt = e.d.Now()
	e.setRestored(r)
	after := waybill.EffectID("")
	for {
		var list []waybill.Effect
		err := e.view(func(tx *record.Tx) (err error) { list, err = tx.PlannedEffects(after, 256); return err })
		if err != nil {
			return err
		}
		for i := range list {
			if err := e.doubtPlanned(list[i].ID, r); err != nil {
				return err
			}
			after = list[i].ID
		}
		if len(list) < 256 {
			return nil
		}
	}
}

// noteFirstStart writes when a restored book was first started, once everything it leaves open is on the list.
func (e *Engine) noteFirstStart() error {
	r := e.wasRestored()
	if r == nil {
		return nil
	}
	return e.book.Do(context.Background(), func(tx *record.Tx) error {
		have, err := tx.Restored()
		if err != nil || have == nil || !have.StartedAt.IsZero() {
			return err
		}
		started := *r
		if started.Unknown, err = tx.UnknownEffects(); err != nil {
			return err
		}
		return tx.SetRestored(&started)
	})
}

func doubtOf(r *waybill.Restored) deliver.Doubt {
	return deliver.Doubt{From: r.BackupAt, To: r.StartedAt}
}

// actionOrNever is an action, or one that nothing makes harmless to repeat when the workspace no longer has it.
func (e *Engine) actionOrNever(eff *waybill.Effect) *connector.Action {
	if action := e.actionOf(eff.Connection, eff.Action); action != nil {
		return action
	}
	return &connector.Action{Name: eff.Action, Kind: eff.Kind, Repeat: waybill.RepeatNever}
}

// doubtPlanned decides about an effect that stands planned in a backup.
func (e *Engine) doubtPlanned(id waybill.EffectID, r *waybill.Restored) error {
	err := e.book.Do(context.Background(), func(tx *record.Tx) error {
		eff, err := tx.Effect(id)
		if err != nil {
			return err
		}
		if eff.State != waybill.EffectPlanned {
			return nil
		}
		return e.doubt(tx, eff, r)
	})
	if waybill.KindOf(err) == waybill.Conflict {
		return nil // another node has decided
	}
	return err
}

// doubtUndoing decides about an effect just planned that undoes one which was done before the restore: whoever had it undone since
// the backup is forgotten.
func (e *Engine) doubtUndoing(tx *record.Tx, undo *waybill.Effect, done time.Time) error {
	r, err := e.restoredNow(tx)
	if err != nil || r == nil || !done.Before(r.StartedAt) {
		return err
	}
	return e.doubt(tx, undo, r)
}

// doubt makes a planned effect that the lost process may have sent one that goes out with the same key, or that is unknown.
func (e *Engine) doubt(tx *record.Tx, eff *waybill.Effect, r *waybill.Restored) error {
	out := doubtOf(r).Weigh(eff, e.actionOrNever(eff), true, e.o.Policy, e.d.Now())
	if !out.Doubted {
		return nil
	}
	if !out.Unknown {
		eff.Doubted = true
		if eff.KeyUntil.IsZero() || out.KeyUntil.Before(eff.KeyUntil) {
			eff.KeyUntil = out.KeyUntil
		}
		return tx.MoveEffect(eff, waybill.EffectPlanned)
	}
	if err := e.moveUnknown(tx, eff, out.Decision); err != nil {
		return err
	}
	run, err := tx.Run(eff.Run)
	if err != nil {
		return err
	}
	return e.listDoubt(tx, run, eff, out.Decision, deliver.Exchange{Words: out.Decision.Reason})
}

// moveUnknown writes that a planned effect is not known to have happened or not.
func (e *Engine) moveUnknown(tx *record.Tx, eff *waybill.Effect, dec deliver.Decision) error {
	applyDecision(eff, dec, deliver.Exchange{}, e.d.Now())
	if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
		return err
	}
	return e.noteEffect(tx, eff)
}

// doubtFor says how an effect about to be planned stands after a restore. It costs nothing where the book never was
// restored.
func (e *Engine) doubtFor(tx *record.Tx, ev *waybill.Event, action *connector.Action, eff *waybill.Effect) (deliver.Restoring, error) {
	r, err := e.restoredNow(tx)
	if err != nil || r == nil {
		return deliver.Restoring{}, err
	}
	d := doubtOf(r)
	occurred, err := e.occurred(tx, ev)
	if err != nil || !d.Covers(occurred, ev.AcceptedAt) {
		return deliver.Restoring{}, err
	}
	_, same := deliver.Fact(ev)
	known := same || waybill.MadeAt(string(ev.ID)).Before(d.To) // else the lost process knew it by another id
	out := d.Weigh(eff, action, known, e.o.Policy, e.d.Now())
	if out.Doubted && !out.Unknown {
		eff.Doubted, eff.KeyUntil = true, out.KeyUntil
	}
	return out, nil
}

// restoredNow is what the book remembers of a restore, as far as it says what to doubt: an engine that was not started asks
// the book, and leaves what is planned before the first start to that.
func (e *Engine) restoredNow(tx *record.Tx) (*waybill.Restored, error) {
	if e.launch.gone.Load() {
		return e.wasRestored(), nil
	}
	r, err := tx.Restored()
	if err != nil || r == nil || r.StartedAt.IsZero() {
		return nil, err
	}
	return r, nil
}

// occurred is when a fact happened by its provider's clock, zero when it gave no time. A form is sent once, by a person who
// saw it taken: it happened when it came.
func (e *Engine) occurred(tx *record.Tx, ev *waybill.Event) (time.Time, error) {
	if !ev.OccurredAt.Equal(ev.AcceptedAt) || ev.Arrival == "" {
		return ev.OccurredAt, nil
	}
	if it, err := tx.Item(ev.Item); err == nil && !it.OccurredAt.IsZero() {
		return it.OccurredAt, nil // by chance at that very instant
	}
	a, err := tx.Arrival(ev.Arrival)
	switch {
	case waybill.KindOf(err) == waybill.NotFound:
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("read by which way the event came: %w", err)
	case a.Via == waybill.ViaForm || a.Via == waybill.ViaTrigger:
		return ev.OccurredAt, nil
	default:
		return time.Time{}, nil
	}
}

// refusedBefore is the restore of a book in whose backup an effect stands declined, when a person may have had it sent after
// all since then and a second one would not be harmless; nil when it is known not to have happened.
func refusedBefore(tx *record.Tx, eff *waybill.Effect) (*waybill.Restored, error) {
	if eff.State != waybill.EffectDeclined || eff.Repeat == waybill.RepeatNatural {
		return nil, nil
	}
	r, err := tx.Restored()
	if err != nil || r == nil || !r.StartedAt.IsZero() && !eff.SettledAt.Before(r.StartedAt) {
		return nil, err
	}
	return r, nil
}

// startUnknown makes an effect just planned one that is looked for, or asked about: it returns the problem of the second.
func (e *Engine) startUnknown(tx *record.Tx, eff *waybill.Effect, dec deliver.Decision, run *waybill.Run) (*waybill.Problem, error) {
	if err := e.moveUnknown(tx, eff, dec); err != nil {
		return nil, err
	}
	run.Reason = dec.Reason
	if !dec.Ask {
		return nil, nil
	}
	run.State = waybill.RunBlocked
	return e.problem(blame{
		cause: waybill.AnswerLost, connection: eff.Connection, action: eff.Action, words: dec.Reason, owner: run.Owner,
	}, run.Flow), nil
}

// Paused says why nothing is sent at all; empty when it is.
func (e *Engine) Paused() string {
	if r := e.wasRestored(); r.Paused() {
		return r.Words()
	}
	return ""
}

// rereadRestored asks the book whether a person has looked, which another node may have been told.
func (e *Engine) rereadRestored() {
	if !e.wasRestored().Paused() {
		return
	}
	var r *waybill.Restored
	err := e.view(func(tx *record.Tx) (err error) { r, err = tx.Restored(); return err })
	if err != nil {
		e.log.Error("whether sending may go on could not be read", "err", err)
		return
	}
	if r != nil && !r.StartedAt.IsZero() {
		e.setRestored(r)
	}
}

// restoredChoices are what a person may do about a restored book.
func restoredChoices(r *waybill.Restored) []waybill.Choice {
	if !r.Paused() || r.StartedAt.IsZero() { // before the first start there is nothing to see
		return nil
	}
	return []waybill.Choice{{
		Verb: waybill.VerbResume, Label: "I have seen it: let Waybill send", Primary: true, NeedsReason: true,
		Safety: sendsAgain(r.Unknown),
	}}
}

// sendsAgain says what letting a restored book send does.
func sendsAgain(unknown int) string {
	switch unknown {
	case 0:
		return "What waits is sent: repeating it does no harm, or it was never sent"
	case 1:
		return "The effect that may have happened is not sent, but looked for or asked about. The rest is sent: repeating it does no harm"
	default:
		return fmt.Sprintf("The %d effects that may have happened are not sent, but looked for or asked about. The rest is sent: repeating it does no harm", unknown)
	}
}

// actOnRestored lets a restored book send again.
func (e *Engine) actOnRestored(ctx context.Context, a waybill.Act) (string, error) {
	var seen waybill.Restored
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		if err := e.allowed(tx, a); err != nil {
			return err
		}
		r, err := tx.Restored()
		if err != nil {
			return err
		}
		if r == nil {
			return errors.New("the book was never restored")
		}
		seen = *r
		seen.SeenAt, seen.SeenBy = e.d.Now(), a.Who
		if err := tx.SetRestored(&seen); err != nil {
			return err
		}
		return tx.Audit(e.auditRow(a, "paused", "sending"))
	})
	if err != nil {
		return "", err
	}
	if e.wasRestored() != nil { // this process sends
		e.setRestored(&seen)
		e.d.Go(e.refillSenders)
	}
	return "Waybill sends again. What is not known stays on the list.", nil
}
