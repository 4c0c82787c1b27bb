package engine

import (
	"fmt"
	"time"

	"waybill"
	"waybill/flow"
	"waybill/record"
)

// A person's list: what is put on it, with its problem, and taken off it.

// listRun blocks a run for an effect that waits for a person. Of a run that has ended only the effect is listed.
func (e *Engine) listRun(tx *record.Tx, run *waybill.Run, eff *waybill.Effect, why blame) error {
	id, err := tx.Raise(e.problem(why, run.Flow), waybill.Member{Run: run.ID, Effect: eff.ID, Event: run.Event, At: e.d.Now()})
	if err != nil {
		return fmt.Errorf("raise the problem: %w", err)
	}
	if run.State.Ended() || eff.Undoes != "" { // no run waits for what undoes
		return nil
	}
	from := run.State
	run.State, run.Reason, run.Problem = waybill.RunBlocked, why.words, id
	if err := tx.MoveRun(run, from); err != nil {
		return err
	}
	if run.Lane == "" {
		return nil
	}
	if v, err := e.version(tx, run.Bundle); err == nil && v.flows[run.Flow] != nil && v.flows[run.Flow].Hold {
		return nil
	}
	_, err = e.passLane(tx, run.ID) // the sweep takes the next one on
	return err
}

// settledAfterEnd takes an effect that outlived its run off the list; one that a person had sent again and that failed
// again goes back on it.
func (e *Engine) settledAfterEnd(tx *record.Tx, run *waybill.Run, eff *waybill.Effect, answer *flow.Answer) error {
	if eff == nil {
		return nil
	}
	if err := tx.Clear(waybill.Member{Effect: eff.ID}); err != nil || answer.Result != flow.Failed || run.State != waybill.RunDone && eff.Undoes == "" {
		return err
	}
	why := blame{
		cause: causeOr(answer.Cause, waybill.DeclinedValue), connection: eff.Connection, action: eff.Action,
		code: answer.Code, words: answer.Words, owner: run.Owner, lesser: eff.Undoes == "",
	}
	return e.listRun(tx, run, eff, why)
}

// listBroken blocks a run that this program cannot take on: the version it began with cannot be read any more. One that another
// node can take on is left to it.
func (e *Engine) listBroken(tx *record.Tx, run *waybill.Run, broken error) error {
	if waybill.KindOf(broken) == waybill.Unavailable {
		return broken
	}
	if run.State != waybill.RunBlocked {
		if leaves, err := e.leaves(tx); err != nil {
			return err
		} else if leaves {
			return e.leaveRun(tx, run)
		}
	}
	words := "the version of the workspace that it began with cannot be read: " + broken.Error()
	p := e.problem(blame{cause: waybill.OurSide, code: "version", words: words, owner: run.Owner}, run.Flow)
	id, err := tx.Raise(p, waybill.Member{Run: run.ID, Event: run.Event, At: e.d.Now()})
	if err != nil {
		return fmt.Errorf("raise the problem: %w", err)
	}
	from := run.State
	run.State, run.Reason, run.Problem, run.DueAt = waybill.RunBlocked, words, id, time.Time{}
	if err := tx.MoveRun(run, from); err != nil {
		return err
	}
	_, err = e.passLane(tx, run.ID)
	return err
}

// unlist takes a run off the list, with the effects of the step it was blocked at.
func (e *Engine) unlist(tx *record.Tx, run *waybill.Run, address string) error {
	if err := tx.Clear(waybill.Member{Run: run.ID}); err != nil {
		return err
	}
	list, err := tx.EffectsOf(run.ID)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Address != address {
			continue // a part that failed earlier, and that the run carried on without, stays a lesser problem
		}
		if err := tx.Clear(waybill.Member{Effect: list[i].ID}); err != nil {
			return err
		}
	}
	return nil
}

// listPart raises the lesser problem of a part that failed and that the flow carries on without.
func (e *Engine) listPart(tx *record.Tx, a *advance, run *waybill.Run) error {
	f := a.failed
	why := e.blameStep(a.b, &flow.Blocked{Address: f.Address, Cause: f.Cause, Code: f.Code, Words: f.Words})
	why.lesser, why.owner = true, a.b.flow.Owner
	if why.cause == "" {
		why.cause = waybill.DeclinedValue
		if f.Result == flow.NotFound {
			why.cause = waybill.NotFoundThere
		}
	}
	if why.words == "" {
		why.words = "it did not work: " + string(why.cause)
	}
	member := waybill.Member{Event: run.Event, At: e.d.Now()}
	eff, err := stepDone(tx, a.b, f.Address)
	switch {
	case err == nil:
		member.Effect = eff.ID
	case waybill.KindOf(err) != waybill.NotFound:
		return err
	default:
		fetch, err := tx.FetchAt(run.ID, f.Address)
		if waybill.KindOf(err) == waybill.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		member.Fetch = fetch.ID
	}
	if _, err := tx.Raise(e.problem(why, run.Flow), member); err != nil {
		return fmt.Errorf("raise the lesser problem: %w", err)
	}
	return nil
}
