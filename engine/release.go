package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/record"
	"waybill/watch"
)

// A step that is being introduced holds its effects back until a person lets them go: each of them, or the first few, after
// which it opens by itself.

// stepOf names the step of an effect in all versions of its flow.
func stepOf(eff *waybill.Effect) string { return keysOf.ReplaceAllString(eff.Address, "[]") }

// stepNow names a step of then by the names that it has today; by those of then when it is gone.
func (e *Engine) stepNow(flowThen, then string) (flow, address string) {
	if f := e.today().flow(flowThen); f != nil {
		if address = f.Continued(flowThen, then); address != "" {
			return f.Name, address
		}
	}
	return flowThen, then
}

// released is how many effects of a step were released by hand, under whatever names it had.
func (e *Engine) released(tx *record.Tx, eff *waybill.Effect) (n int, err error) {
	flow, address := e.stepNow(eff.Flow, stepOf(eff))
	names := []string{flow}
	if f := e.today().flow(flow); f != nil {
		names = append(names, f.Former()...)
	}
	for _, name := range names {
		all, err := tx.Releases(name)
		if err != nil {
			return 0, fmt.Errorf("read how many were released of %s: %w", eff.Address, err)
		}
		for then, k := range all {
			if inFlow, at := e.stepNow(name, then); inFlow == flow && at == address {
				n += k
			}
		}
	}
	return n, nil
}

// viewPeople shows the gate what people have said so far.
func (e *Engine) viewPeople(tx *record.Tx, view *deliver.GateView) (err error) {
	eff := view.Effect
	if eff.Approval != "" {
		if view.Approved, _, err = tx.ApprovedBy(eff); err != nil {
			return fmt.Errorf("read who approved %s: %w", eff.Address, err)
		}
	}
	if eff.Undoes != "" {
		if err := e.viewUndone(tx, view); err != nil {
			return err
		}
	}
	if _, counted := eff.Release.ByHand(); counted {
		view.Released, err = e.released(tx, eff)
	}
	return err
}

// heldBecause says under which problem an effect is listed that a rule of the gate gave to a person.
func (e *Engine) heldBecause(eff *waybill.Effect, run *waybill.Run, g waybill.GateAnswer) blame {
	why := blame{
		cause: waybill.BlockedByRule, connection: eff.Connection, action: eff.Action, code: g.Rule, words: g.Reason, owner: run.Owner,
	}
	switch g.Rule {
	case deliver.RuleRelease:
		flow, address := e.stepNow(eff.Flow, stepOf(eff))
		why.cause, why.code = waybill.WaitingForPerson, releaseCode(flow, address)
	case deliver.RuleApproval:
		why.cause, why.code = waybill.WaitingForPerson, approvalMark+eff.Flow+"."+stepOf(eff)
	}
	return why
}

// releaseCode is the code of the problem that holds what a step holds back.
func releaseCode(flow, address string) string { return watch.ReleaseMark + flow + "." + address }

func releaseChoice(label, safety string) waybill.Choice {
	return waybill.Choice{Verb: waybill.VerbRelease, Label: label, Safety: safety, Safe: true, Primary: true}
}

// releaseEffect lets one effect go that a rule holds back: its step's release, which counts it, or what else changed since
// it is to be undone.
func (e *Engine) releaseEffect(tx *record.Tx, w *deskWork, run *waybill.Run, eff *waybill.Effect, a waybill.Act) error {
	w.say = "It is being sent now."
	if eff.HeldBy() == deliver.RuleUndo {
		eff.Let(deliver.RuleUndo, a.Who)
		return e.letGo(tx, w, run, eff)
	}
	if err := e.countRelease(tx, w, eff); err != nil {
		return err
	}
	eff.Let(deliver.RuleRelease, a.Who)
	eff.Reason = "released by " + a.Who
	return e.letGo(tx, w, run, eff)
}

// countRelease counts one that a person lets go, as it is or edited, where a step opens after so many.
func (e *Engine) countRelease(tx *record.Tx, w *deskWork, eff *waybill.Effect) error {
	n, counted := eff.Release.ByHand()
	if !counted {
		return nil
	}
	flow, address := e.stepNow(eff.Flow, stepOf(eff))
	if err := tx.CountRelease(flow, address); err != nil {
		return err
	}
	released, err := e.released(tx, eff)
	if err == nil && released >= n {
		w.say += " From here on the step sends by itself."
		w.opened = releaseCode(flow, address)
	}
	return err
}

// letGo makes an effect due that a rule of the gate held; the gate is asked again.
func (e *Engine) letGo(tx *record.Tx, w *deskWork, run *waybill.Run, eff *waybill.Effect) error {
	eff.DueAt = time.Time{}
	forgetBefore(eff)
	if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
		return err
	}
	if eff.Undoes != "" { // no run waits for it
		w.send = &job{effect: eff}
		return tx.Clear(waybill.Member{Effect: eff.ID})
	}
	return e.sendInTurn(tx, w, run, eff)
}

// openSteps lets go what a step still holds back, under whatever names, once enough of it was released by hand; of every step
// when code is empty. It goes on after a crash: every start looks at all of them.
func (e *Engine) openSteps(code string) {
	f := waybill.ListFilter{State: "open", Limit: 200}
	for {
		list, next, err := e.book.Problems(context.Background(), f)
		if err != nil {
			e.log.Error("what steps hold back could not be read", "err", err)
			return
		}
		for i := range list {
			place, ok := strings.CutPrefix(list[i].Code, watch.ReleaseMark)
			flow, address, _ := strings.Cut(place, ".")
			if ok && (code == "" || code == releaseCode(e.stepNow(flow, address))) {
				e.openHeld(list[i].ID)
			}
		}
		if next == "" {
			return
		}
		f.Before = next
	}
}

// openHeld lets go what a problem holds of a step that sends by itself now.
func (e *Engine) openHeld(id waybill.ProblemID) {
	tried := map[waybill.EffectID]bool{}
	for more := true; more; {
		more = false
		var view *waybill.ProblemView
		if err := e.view(func(tx *record.Tx) (err error) { view, err = tx.Problem(id); return err }); err != nil {
			e.log.Error("what a step holds back could not be read", "problem", id, "err", err)
			return
		}
		for _, m := range view.Members {
			if m.Effect != "" && !tried[m.Effect] {
				tried[m.Effect], more = true, true
				e.openEffect(m.Effect)
			}
		}
	}
}

func (e *Engine) openEffect(id waybill.EffectID) {
	var w deskWork
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			w = deskWork{}
			eff, err := tx.Effect(id)
			if err != nil {
				return err
			}
			n, counted := eff.Release.ByHand()
			if eff.HeldBy() != deliver.RuleRelease || !counted {
				return errNothing
			}
			released, err := e.released(tx, eff)
			if err != nil {
				return err
			}
			if released < n {
				return errNothing // it waits for more presses than others do: planned by another version
			}
			run, err := tx.Run(eff.Run)
			if err != nil {
				return err
			}
			eff.Reason = fmt.Sprintf("%d of this step were released by hand: it sends by itself now", released)
			return e.letGo(tx, &w, run, eff)
		},
		after: func() { e.followDesk(&w) },
		fail: func(err error) {
			if !errors.Is(err, errNothing) {
				e.log.Error("an effect of a step that opened could not be sent", "effect", id, "err", err)
			}
		},
	})
}

// releaseChoices are for an effect that its step holds back.
func (e *Engine) releaseChoices(eff *waybill.Effect) []waybill.Choice {
	const not = "It was not sent yet"
	return []waybill.Choice{
		releaseChoice("Release", "It is sent as it is shown"),
		{Verb: waybill.VerbEdit, Label: "Edit and release", Safety: not, Safe: true, Inputs: eff.Inputs},
		{Verb: waybill.VerbSkip, Label: "Leave this step out", Safety: "The run goes on without it", NeedsReason: true},
	}
}
