package engine

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"waybill"
	"waybill/flow"
	"waybill/record"
)

// A run comes to a step that was done before, for the same event, with other values: it neither reuses nor sends, and a
// person decides. What stands in its way, and what they let go, is here.

// codeChanged is the code of the problem that holds such runs.
const codeChanged = "changed"

// redo is a write that a person may have made though its address was written before.
type redo struct {
	last    *waybill.Effect // the one before
	next    *waybill.Effect // as it would be planned
	repeats bool            // it would be a second one that nothing takes back
	words   string
}

// redoOf is what a blocked run would write over what was done before; nil when it is not that which blocks it.
func (e *Engine) redoOf(tx *record.Tx, run *waybill.Run) (*redo, error) {
	p, err := flow.Decode(run.Progress)
	if err != nil || p.Awaits() == "" {
		return nil, nil //nolint:nilerr // a run that cannot be read can still be stopped
	}
	b, err := e.load(tx, run)
	if err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	last, err := stepDone(tx, b, p.Awaits())
	if waybill.KindOf(err) == waybill.NotFound {
		return nil, nil
	}
	if err != nil || !last.State.Settled() {
		return nil, err // what is open comes first
	}
	b.progress = b.flow.Edit(p, p.Awaits(), p.Inputs)
	a := e.machine(b, nil, readsOf(tx, b))
	if a.effect == nil || a.effect.Address != p.Awaits() {
		return nil, nil
	}
	r := &redo{last: last, next: a.effect}
	var class waybill.JobClass
	class, r.repeats, r.words = flow.Again(last, a.effect.Kind, fingerprintLike(last, a.effect), false)
	if class != waybill.ClassChanged && (class != waybill.ClassBlocked || !r.repeats) {
		return nil, nil
	}
	if last.State == waybill.EffectSkipped && run.Mode != waybill.ModeReplay {
		return nil, nil // the run goes on without what was left out
	}
	return r, nil
}

// choice is the button that lets it go.
func (r *redo) choice() waybill.Choice {
	c := waybill.Choice{Verb: waybill.VerbSendAgain, Label: "Send it with these values", NeedsReason: true, Safety: "Overwrites: " + r.words}
	if r.repeats {
		c.Label, c.Safety = "Send it once more", "May repeat: "+r.words
	}
	if said := differing(r.last.Inputs, r.next.Inputs); said != "" {
		c.Safety += " (" + said + ")"
	}
	return c
}

// redoAllChoice lets all that such a problem holds go, where it writes over what was written and makes no second one of
// anything: that hangs on the action, which is the same for all of them. nil where it would.
func (e *Engine) redoAllChoice(tx *record.Tx, p *waybill.ProblemView) (*waybill.Choice, error) {
	for _, m := range p.Members {
		over, err := e.overwrites(tx, m.Run)
		if err != nil {
			return nil, err
		}
		if over {
			label := "Send it with these values"
			if p.Problem.Count > 1 {
				label = "Send all " + strconv.Itoa(p.Problem.Count) + " with these values"
			}
			return &waybill.Choice{
				Verb: waybill.VerbSendAgain, Label: label, NeedsReason: true,
				Safety: "Overwrites: it was done before with other values. What would be a second one is left for a look of its own",
			}, nil
		}
	}
	return nil, nil
}

// overwrites reports whether a blocked run would write over what was done before, without making a second one of it.
func (e *Engine) overwrites(tx *record.Tx, id waybill.RunID) (bool, error) {
	if id == "" {
		return false, nil
	}
	run, err := tx.Run(id)
	if err != nil || run.State != waybill.RunBlocked {
		return false, err
	}
	r, err := e.redoOf(tx, run)
	return r != nil && !r.repeats, err
}

// mostDiffering is how many values a button shows.
const mostDiffering = 3

// differing says which values changed, by their paths in order; empty when none did.
func differing(before, after []byte) string {
	was, is := map[string]string{}, map[string]string{}
	flatten(before, was)
	flatten(after, is)
	paths := maps.Clone(was)
	maps.Copy(paths, is)
	var said []string
	more := 0
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		switch {
		case was[path] == is[path]:
		case len(said) == mostDiffering:
			more++
		default:
			said = append(said, path+": "+orElse(was[path], "nothing")+" → "+orElse(is[path], "nothing"))
		}
	}
	if more > 0 {
		said = append(said, strconv.Itoa(more)+" more")
	}
	return strings.Join(said, ", ")
}

// flatten writes the values of an effect's inputs under their paths.
func flatten(inputs []byte, into map[string]string) {
	in, err := decodeMap(inputs)
	if err != nil {
		return
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if m, ok := v.(map[string]any); ok && len(m) > 0 {
			for name, inner := range m {
				walk(strings.TrimPrefix(path+"."+name, "."), inner)
			}
			return
		}
		text, err := json.Marshal(v)
		if err == nil {
			into[path] = shorter(string(text))
		}
	}
	walk("", in)
}

// shorter cuts a value down to what a button has room for.
func shorter(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// sendRedo has a blocked run's step made again, as a new generation beside what was done before, by a person's word.
func (e *Engine) sendRedo(tx *record.Tx, w *deskWork, run *waybill.Run, act waybill.Act) error {
	b, err := e.load(tx, run)
	if err != nil {
		return err
	}
	before := *b
	w.say = "It is being sent, as a new try on record."
	b.progress = b.flow.Edit(b.progress, b.progress.Awaits(), b.progress.Inputs)
	a := e.machine(b, nil, readsOf(tx, b))
	if a.effect == nil {
		return cannot("look at its page again", "the workspace was changed just now: it can no longer be sent like this")
	}
	a.from, a.redo = &before, &act
	eff := *a.effect
	restoring, err := e.doubtFor(tx, b.event, a.action, &eff)
	if err != nil {
		return err
	}
	now := restoring.Unknown // then nothing is sent that would need a turn
	if !now {
		if now, err = e.takeTurn(tx, run, a.b.progress); err != nil {
			return err
		}
	}
	if now {
		w.follow = a
		return e.apply(tx, a, run.State)
	}
	eff.DueAt = waybill.Held() // the word is on record; it goes when its run's turn in the lane has come
	_, _, err = e.redoing(tx, &eff, a.b, &act)
	return err
}

// redoing marks an effect as one that a person has made again: a repeat with the same values is asked about anew where the
// flow asks.
func (e *Engine) redoing(tx *record.Tx, eff *waybill.Effect, b *begun, act *waybill.Act) (*waybill.Effect, bool, error) {
	last, err := stepDone(tx, b, eff.Address)
	if err != nil {
		return nil, false, err
	}
	if !last.State.Settled() {
		return nil, false, &waybill.Error{Kind: waybill.Conflict, Message: "the one before has not ended: that comes first"}
	}
	eff.Reason = act.Who + " sends it: " + act.Reason
	if eff.Approval != "" && last.Fingerprint == eff.Fingerprint {
		eff.Approval += againMark + strconv.Itoa(last.Generation+1)
	}
	return tx.PlanEffect(eff, true)
}
