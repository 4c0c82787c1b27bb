package engine

import (
	"fmt"

	"waybill"
	"waybill/flow"
	"waybill/record"
)

// A step or a flow that was renamed has another address, under which the book knows nothing of what it did before. So that a
// replay does not do it again, what the same event had done by steps that are gone is looked at, too.

// formerly finds what a write of a flow of today did for its event under a former name: the one that `was` names, or, where nothing
// was said, one with the same values; its flow or step is gone from the workspace. It returns the newest, nil when there is none.
func (e *Engine) formerly(tx *record.Tx, next *waybill.Effect) (*waybill.Effect, error) {
	ws := e.today().ws
	f := ws.Flow(next.Flow)
	if f == nil {
		return nil, nil
	}
	runs, err := tx.RunsOf(next.Event)
	if err != nil {
		return nil, err
	}
	var found *waybill.Effect
	seen := map[string]bool{}
	for i := range runs {
		name := runs[i].Flow
		ours := name == f.Name
		if seen[name] || !ours && ws.Flow(name) != nil {
			continue
		}
		seen[name] = true
		effects, err := tx.EffectsOf(runs[i].ID)
		if err != nil {
			return nil, err
		}
		for j := range effects {
			eff := &effects[j]
			if eff.Connection != next.Connection || eff.Action != next.Action || eff.Undoes != "" || ours && f.Has(eff.Address) {
				continue
			}
			said := (ours || name == f.Was) && eff.Address == f.Former(next.Address)
			if said || eff.Fingerprint == fingerprintLike(eff, next) {
				found = eff
			}
		}
	}
	return found, nil
}

// firstOf is flow.Again for a write at whose address there is none. What was done under a name that is gone is never done by itself.
func (e *Engine) firstOf(tx *record.Tx, next *waybill.Effect) (class waybill.JobClass, repeats bool, words string, err error) {
	former, err := e.formerly(tx, next)
	if err != nil {
		return "", false, "", err
	}
	if former == nil {
		class, repeats, words = flow.Again(nil, next.Kind, next.Fingerprint, false)
		return class, repeats, words, nil
	}
	class, repeats, words = flow.Again(former, next.Kind, fingerprintLike(former, next), false)
	if class != waybill.ClassNew {
		class, repeats = waybill.ClassBlocked, former.State.Settled()
	}
	return class, repeats, fmt.Sprintf("%s of %s, which is there no more, was this before: %s", former.Address, former.Flow, words), nil
}
