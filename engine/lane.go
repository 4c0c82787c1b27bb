package engine

import (
	"time"

	"waybill"
	"waybill/flow"
	"waybill/record"
)

// A run that left its lane, because it was blocked or waited for a person, comes back as the first of those that wait there:
// behind the one that holds the lane now, before all others.

// takeTurn puts a run that goes on back into its lane. When another holds that, the run is written as queued behind it, with
// the progress given, and false is returned: it goes on from there when its turn comes.
func (e *Engine) takeTurn(tx *record.Tx, run *waybill.Run, p *flow.Progress) (bool, error) {
	if run.Lane == "" {
		return true, nil
	}
	behind, err := tx.EnterLane(run.ID)
	if err != nil || behind == "" {
		return behind == "", err
	}
	from := run.State
	if err := tx.Clear(waybill.Member{Run: run.ID}); err != nil { // the question is answered
		return false, err
	}
	if from == waybill.RunBlocked {
		old, err := flow.Decode(run.Progress)
		if err != nil {
			return false, err
		}
		if err := e.unlist(tx, run, old.Address); err != nil {
			return false, err
		}
	}
	run.State, run.Reason, run.Problem, run.DueAt = waybill.RunQueued, "waits for its turn in its lane", "", time.Time{}
	run.Progress = p.Encode()
	return false, tx.MoveRun(run, from)
}

// sendInTurn lets a run wait for an effect that a person has sent: at once, or when its turn in its lane has come.
func (e *Engine) sendInTurn(tx *record.Tx, w *deskWork, run *waybill.Run, eff *waybill.Effect) error {
	p, err := flow.Decode(run.Progress)
	if err != nil {
		return err
	}
	turn, err := e.takeTurn(tx, run, p)
	if err != nil {
		return err
	}
	if !turn {
		eff.DueAt, eff.Reason = waybill.Held(), "waits until its run's turn in the lane has come"
		eff.Gate = nil
		return tx.MoveEffect(eff, eff.State)
	}
	w.send = &job{effect: eff}
	from := run.State
	run.State, run.Reason, run.Problem = waybill.RunWaiting, "waiting for "+eff.Connection+"."+eff.Action, ""
	if err := e.unlist(tx, run, eff.Address); err != nil {
		return err
	}
	return tx.MoveRun(run, from)
}

// sendNow lets a run whose turn has come wait for its step's effect, which was kept back until then.
func (e *Engine) sendNow(tx *record.Tx, b *begun) (*advance, error) {
	run := b.run
	if run.State != waybill.RunQueued {
		return nil, nil
	}
	eff, err := tx.EffectAt(run.Event, run.Flow, b.progress.Address)
	if err != nil && waybill.KindOf(err) != waybill.NotFound {
		return nil, err
	}
	a := &advance{b: b, from: b}
	if err == nil && eff.State == waybill.EffectPlanned && eff.HeldBy() == "" {
		eff.DueAt, eff.Reason = time.Time{}, ""
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return nil, err
		}
		a.job = &job{effect: eff}
	}
	run.State, run.Reason = waybill.RunWaiting, "waiting for "+b.progress.Address
	if err := tx.MoveRun(&run, waybill.RunQueued); err != nil {
		return nil, err
	}
	b.run, a.run = run, run
	return a, nil
}
