package engine

import (
	"fmt"

	"waybill"
	"waybill/flow"
	"waybill/record"
)

// A step or a flow that was renamed, or that stands elsewhere, has another address, under which the book knows nothing of what it
// did before. A replay looks under all of its names (see flow.Did), and at what the same event had done by steps that are gone.

// doneBefore returns the newest effect of a step of f for an event, under whatever names it had; NotFound when there is none.
func doneBefore(tx *record.Tx, event waybill.EventID, f *flow.Flow, address string) (*waybill.Effect, error) {
	eff, err := tx.EffectAt(event, f.Name, address)
	if err == nil && !f.Renamed() {
		return eff, nil
	}
	if err != nil && waybill.KindOf(err) != waybill.NotFound {
		return nil, err
	}
	all, allErr := tx.EffectsFor(event)
	if allErr != nil {
		return nil, allErr
	}
	for i := range all {
		if old := &all[i]; old.Undoes == "" && f.Did(address, old.Flow, old.Address) && (eff == nil || err != nil || !old.PlannedAt.Before(eff.PlannedAt)) {
			eff, err = old, nil
		}
	}
	return eff, err
}

// stepDone is doneBefore for the step of a run. Only a replay can come to what was done under a former name: of one event a flow
// has one other run.
func stepDone(tx *record.Tx, b *begun, address string) (*waybill.Effect, error) {
	if b.run.Mode != waybill.ModeReplay {
		return tx.EffectAt(b.run.Event, b.run.Flow, address)
	}
	return doneBefore(tx, b.run.Event, b.flow, address)
}

// toldBefore returns the event that a step of f emitted of another before, under whatever names it had; nil when there is none.
// next is as it would emit it now.
func toldBefore(tx *record.Tx, of *waybill.Event, f *flow.Flow, next *waybill.Event) (*waybill.Event, error) {
	told, err := tx.EventOfFact(next)
	if err != nil || told != nil {
		return told, err
	}
	all, err := tx.EventsFrom(of.ID)
	if err != nil {
		return nil, err
	}
	_, address := emittedBy(next)
	for i := range all {
		if name, then := emittedBy(&all[i]); all[i].Type == next.Type && f.Did(address, name, then) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// goneBefore finds what a step that is gone from the workspace did for the event of a write with the same values: it may be the
// same one under a name of which nothing was said. It returns the newest, nil when there is none.
func (e *Engine) goneBefore(tx *record.Tx, next *waybill.Effect) (found *waybill.Effect, err error) {
	all, err := tx.EffectsFor(next.Event)
	if err != nil {
		return nil, err
	}
	for i := range all {
		eff := &all[i]
		if eff.Connection != next.Connection || eff.Action != next.Action || eff.Undoes != "" {
			continue
		}
		f := e.today().flow(eff.Flow)
		if (f == nil || f.Continued(eff.Flow, eff.Address) == "") && eff.Fingerprint == fingerprintLike(eff, next) {
			found = eff
		}
	}
	return found, nil
}

// firstOf is flow.Again for a write whose step has made none under any of its names. What a step did that is gone is never done
// again by itself.
func (e *Engine) firstOf(tx *record.Tx, next *waybill.Effect) (class waybill.JobClass, repeats bool, words string, err error) {
	gone, err := e.goneBefore(tx, next)
	if err != nil {
		return "", false, "", err
	}
	if gone == nil {
		class, repeats, words = flow.Again(nil, next.Kind, next.Fingerprint, false)
		return class, repeats, words, nil
	}
	class, repeats, words = flow.Again(gone, next.Kind, fingerprintLike(gone, next), false)
	if class != waybill.ClassNew {
		class, repeats = waybill.ClassBlocked, gone.State.Settled()
	}
	return class, repeats, fmt.Sprintf("%s of %s, which is there no more, did this before: %s", gone.Address, gone.Flow, words), nil
}
