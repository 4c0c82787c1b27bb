package engine

import (
	"bytes"
	"strconv"
	"strings"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
)

// What a person has made again: an effect as a new generation, a step as if the run had just come to it.

// anew plans a new generation of an effect because a person wants it sent (again): with its own key, so that a provider
// that remembers the last answer does not repeat that. The generation before it is closed first; what waits for that waits for the
// new one.
func (e *Engine) anew(tx *record.Tx, eff *waybill.Effect, inputs []byte, a waybill.Act) error {
	id := waybill.EffectID(e.ids.New("eff"))
	if err := e.waitFor(tx, eff, id); err != nil {
		return err
	}
	if eff.State == waybill.EffectPlanned || eff.State == waybill.EffectUnknown {
		old, from := *eff, eff.State
		old.State, old.Reason, old.SettledAt = waybill.EffectSkipped, a.Who+" had it sent anew: "+a.Reason, e.d.Now()
		if from == waybill.EffectUnknown {
			old.Reason = "never known; " + old.Reason
		}
		if err := tx.MoveEffect(&old, from); err != nil {
			return err
		}
		if err := e.noteEffect(tx, &old); err != nil {
			return err
		}
	}
	in, err := decodeMap(inputs)
	if err != nil {
		return &waybill.Error{Kind: waybill.Invalid, Message: "the values cannot be read", Hint: "write them as JSON, as they were shown", Err: err}
	}
	t, ok := e.target(eff.Connection)
	action := e.actionOf(eff.Connection, eff.Action)
	if !ok || action == nil {
		return &waybill.Error{Kind: waybill.Conflict, Message: "the connection or its action is no longer in the workspace"}
	}
	if in, err = conform(action, in); err != nil {
		return err
	}
	next := waybill.Effect{
		ID: id, Event: eff.Event, Flow: eff.Flow, Address: eff.Address, Generation: eff.Generation + 1,
		Run: eff.Run, Connection: eff.Connection, Account: t.Account, Action: eff.Action, Kind: action.Kind, Repeat: action.Repeat,
		State: waybill.EffectPlanned, Reason: a.Who + " sends it: " + a.Reason, Inputs: encode(in), Undo: eff.Undo, Order: eff.Order,
		GoodUntil: eff.GoodUntil, PlannedAt: e.d.Now(), Undoes: eff.Undoes, After: eff.After, Release: eff.Release, Passed: eff.Passed, Fresh: eff.Fresh,
	}
	next.Let(deliver.RuleRelease, a.Who) // to have it sent is to release it
	if next.Approval = eff.Approval; next.Approval != "" && a.Verb == waybill.VerbSendAgain {
		address, _, _ := strings.Cut(eff.Approval, againMark)
		next.Approval = address + againMark + strconv.Itoa(next.Generation)
	}
	if err := e.render(t, action, in, &next); err != nil {
		return &waybill.Error{Kind: waybill.Invalid, Message: "these values cannot be sent", Hint: err.Error()}
	}
	planned, _, err := tx.PlanEffect(&next, true)
	if err != nil {
		return err
	}
	*eff = *planned
	return nil
}

// conform checks a person's values against what the action takes.
func conform(action *connector.Action, in map[string]any) (map[string]any, error) {
	if action.Input == nil {
		return in, nil
	}
	out, misfits := action.Input.Conform(in)
	if len(misfits) == 0 {
		return out, nil
	}
	words := make([]string, len(misfits))
	for i, m := range misfits {
		words[i] = m.Path + " " + m.Words
	}
	return nil, &waybill.Error{Kind: waybill.Invalid, Message: "these values do not fit: " + strings.Join(words, "; ")}
}

// actOnStep tries again or leaves out a step that failed before anything was sent.
func (e *Engine) actOnStep(tx *record.Tx, w *deskWork, run *waybill.Run, a waybill.Act) error {
	b, err := e.load(tx, run)
	if err != nil {
		return err
	}
	if a.Verb == waybill.VerbSkip {
		w.say = "The step is left out. The run goes on."
		return e.skipStep(tx, w, run, b.progress.Address)
	}
	if a.Verb == waybill.VerbSendAgain {
		return e.sendRedo(tx, w, run, a)
	}
	w.say = "The step is tried again."
	if b.progress.Address == "" && len(b.progress.Frames) == 0 {
		return e.reconsider(tx, w, b)
	}
	before := *b
	var answer *flow.Answer
	if address := b.progress.Awaits(); address != "" {
		if answer, err = e.answerAgain(tx, b, address); err != nil {
			return err
		}
	}
	if answer == nil { // what it asks for could not be made: it is made anew, with the inputs it was given
		b.progress = b.flow.Retry(b.progress, b.progress.Address)
	}
	if turn, err := e.takeTurn(tx, run, b.progress); err != nil || !turn {
		return err
	}
	w.follow = e.machine(b, answer, readsOf(tx, b))
	w.follow.from = &before
	return e.apply(tx, w.follow, run.State)
}

// answerAgain is the answer a blocked run has heard already, when what it could not do came after it; else nil.
func (e *Engine) answerAgain(tx *record.Tx, b *begun, address string) (*flow.Answer, error) {
	eff, err := stepDone(tx, b, address)
	if err == nil && !bytes.Equal(eff.Inputs, encode(b.progress.Inputs)) {
		return nil, nil // it was done with other values
	}
	if err != nil && waybill.KindOf(err) != waybill.NotFound {
		return nil, err
	}
	answer, err := e.answerInBook(tx, b, address)
	if err != nil || answer == nil || answer.Result == flow.Failed {
		return nil, err
	}
	return answer, nil
}

// reconsider asks anew whether a flow is for its event, for a run that began blocked because that could not be said.
func (e *Engine) reconsider(tx *record.Tx, w *deskWork, b *begun) error {
	c, _, err := b.flow.Consider(b.event, b.data)
	from := b.run.State
	switch {
	case err != nil:
		w.follow = e.resolve(b, b.progress, []flow.Move{{Block: &flow.Blocked{Cause: waybill.MappingWrong, Words: err.Error()}}})
	case !c.Matched:
		w.follow = e.resolve(b, b.progress, []flow.Move{{Done: &flow.Ended{Reason: c.Reason}}})
	default:
		w.follow = e.machine(b, nil, readsOf(tx, b))
	}
	return e.apply(tx, w.follow, from)
}

func (e *Engine) skipStep(tx *record.Tx, w *deskWork, run *waybill.Run, address string) error {
	b, err := e.load(tx, run)
	if err != nil {
		return err
	}
	before := *b
	b.progress = b.flow.Skip(b.progress, address)
	if turn, err := e.takeTurn(tx, run, b.progress); err != nil || !turn {
		return err
	}
	w.follow = e.machine(b, nil, readsOf(tx, b))
	w.follow.from = &before // it stood at the step until now
	return e.apply(tx, w.follow, run.State)
}
