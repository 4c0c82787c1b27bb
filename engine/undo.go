package engine

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
)

// What was done is undone by an effect of its own, which names the one it undoes and passes the same gate, grades and doubts:
// by writing back what was there before, or by the action that the flow or the connector names. The one it undoes is undone
// once the other is known to have happened, and not before.

// undoMark begins the last part of the address of an effect that undoes: won!undo1 undoes the first generation of won.
const undoMark = "!undo"

func undoAddress(eff *waybill.Effect) string {
	return eff.Address + undoMark + strconv.Itoa(eff.Generation)
}

// restore is how an effect says that it writes back, or can be undone so.
const restore = "restore"

// undoing is how an effect can be undone.
type undoing struct {
	planned *flow.PlannedEffect
	back    bool // it writes back what was there before
}

// howUndone finds how an effect can be undone; else why not, in words.
func (e *Engine) howUndone(tx *record.Tx, eff *waybill.Effect) (*undoing, string, error) {
	action := e.actionOf(eff.Connection, eff.Action)
	in, err := decodeMap(eff.Inputs)
	if err != nil {
		return nil, "", err
	}
	output, err := answerOutput(eff)
	if err != nil {
		return nil, "", err
	}
	switch {
	case eff.Undoes != "":
		return nil, "it undoes another", nil
	case action == nil:
		return nil, "its connection or action is no longer in the workspace", nil
	case eff.Undo == restore:
		return e.restoring(eff, action, in)
	case eff.Undo != "":
		return e.undoneByFlow(tx, eff, in, output)
	case action.Undo.Do != "":
		inputs, err := action.Undo.DoInputs(e.callOf(eff, in), output)
		if err != nil {
			return nil, "what undoes it cannot be told: " + err.Error(), nil //nolint:nilerr // said in words
		}
		does := e.actionOf(eff.Connection, action.Undo.Do)
		return &undoing{planned: &flow.PlannedEffect{Connection: eff.Connection, Action: does, Inputs: inputs}}, "", nil
	case action.Undo.Cannot != "":
		return nil, action.Undo.Cannot, nil
	default:
		return nil, "its step does not say how (undo), so what was there before was not kept", nil
	}
}

func (e *Engine) restoring(eff *waybill.Effect, action *connector.Action, in map[string]any) (*undoing, string, error) {
	before, err := connector.DecodeJSON(eff.Before)
	if len(eff.Before) == 0 || err != nil || before == nil {
		return nil, "nothing was there before", nil //nolint:nilerr // said in words
	}
	back, err := action.Undo.BackInputs(e.callOf(eff, in), before)
	if err != nil {
		return nil, "what was there before cannot be written again: " + err.Error(), nil //nolint:nilerr // said in words
	}
	return &undoing{planned: &flow.PlannedEffect{Connection: eff.Connection, Action: action, Inputs: back}, back: true}, "", nil
}

// undoneByFlow asks the version of the flow by which the effect was made.
func (e *Engine) undoneByFlow(tx *record.Tx, eff *waybill.Effect, in map[string]any, output any) (*undoing, string, error) {
	run, err := tx.Run(eff.Run)
	if err != nil {
		return nil, "", err
	}
	b, err := e.load(tx, run)
	if err != nil {
		return nil, "", err
	}
	planned, err := b.flow.Undo(stepOf(eff), b.data, in, output)
	if err != nil {
		return nil, err.Error(), nil //nolint:nilerr // said in words
	}
	return &undoing{planned: planned}, "", nil
}

func answerOutput(eff *waybill.Effect) (any, error) {
	if len(eff.Answer) == 0 {
		return nil, nil
	}
	return connector.DecodeJSON(eff.Answer)
}

// undoOpen returns the effect that undoes another, when it may still happen.
func undoOpen(tx *record.Tx, eff *waybill.Effect) (bool, error) {
	undo, err := tx.EffectAt(eff.Event, eff.Flow, undoAddress(eff))
	if waybill.KindOf(err) == waybill.NotFound {
		return false, nil
	}
	return err == nil && undo.State.Open(), err
}

// undoChoice is the button that undoes an effect that happened; nil when it cannot be undone.
func (e *Engine) undoChoice(tx *record.Tx, eff *waybill.Effect) (*waybill.Choice, error) {
	if eff.State != waybill.EffectConfirmed {
		return nil, nil
	}
	open, err := undoOpen(tx, eff)
	if err != nil || open {
		return nil, err
	}
	u, _, err := e.howUndone(tx, eff)
	if err != nil || u == nil {
		return nil, err
	}
	return &waybill.Choice{Verb: waybill.VerbUndo, Label: "Undo", Safety: e.undoWords(u), Safe: u.back, NeedsReason: true}, nil
}

// undoWords says what undoing does.
func (e *Engine) undoWords(u *undoing) string {
	if u.back {
		return "What was there before is written back, if nobody changed it since: " + inputWords(u.planned.Inputs)
	}
	return fmt.Sprintf("%s: %s", e.words().Action(u.planned.Connection, u.planned.Action.Name), inputWords(u.planned.Inputs))
}

func inputWords(in map[string]any) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(in)) {
		text := plainWords(in[name])
		if r := []rune(text); len(r) > 60 {
			text = string(r[:60]) + "…"
		}
		list = append(list, name+" "+text)
	}
	if len(list) == 0 {
		return "no values"
	}
	return strings.Join(list, ", ")
}

func plainWords(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(encode(v))
}

func orEmpty(s string) string {
	if s == "" {
		return "empty"
	}
	return s
}

// planUndo plans the effect that undoes another. With after it waits until that one is settled.
func (e *Engine) planUndo(tx *record.Tx, eff *waybill.Effect, a waybill.Act, after waybill.EffectID) (*waybill.Effect, error) {
	u, cannot, err := e.howUndone(tx, eff)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, &waybill.Error{Kind: waybill.Conflict, Message: "this cannot be undone: " + cannot}
	}
	t, ok := e.target(u.planned.Connection)
	if !ok || u.planned.Connection == eff.Connection && t.Account != eff.Account {
		return nil, &waybill.Error{
			Kind: waybill.Conflict, Message: fmt.Sprintf("the connection %q is no longer the account that this was done in", u.planned.Connection),
			Hint: "undo it at the other side",
		}
	}
	in, err := conform(u.planned.Action, u.planned.Inputs)
	if err != nil {
		return nil, err
	}
	next := waybill.Effect{
		ID: waybill.EffectID(e.ids.New("eff")), Event: eff.Event, Flow: eff.Flow, Address: undoAddress(eff), Generation: 1, Run: eff.Run,
		Connection: u.planned.Connection, Account: t.Account, Action: u.planned.Action.Name, Kind: u.planned.Action.Kind,
		Repeat: u.planned.Action.Repeat, State: waybill.EffectPlanned, Reason: a.Who + " undoes it: " + a.Reason, Inputs: encode(in),
		Order: eff.Order, PlannedAt: e.d.Now(), Undoes: eff.ID, After: after,
	}
	if u.back {
		next.Undo = restore // what is there now is read before it is written over, and compared with what we wrote
	}
	if after != "" {
		next.DueAt = waybill.Held()
	}
	if last, err := tx.EffectAt(next.Event, next.Flow, next.Address); err == nil {
		next.Generation = last.Generation + 1
	} else if waybill.KindOf(err) != waybill.NotFound {
		return nil, err
	}
	if err := e.render(t, u.planned.Action, in, &next); err != nil {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: "this cannot be undone", Hint: err.Error()}
	}
	planned, _, err := tx.PlanEffect(&next, true)
	if err != nil || u.back { // what was there before is compared with what is there now
		return planned, err
	}
	return planned, e.doubtUndoing(tx, planned, eff.SettledAt)
}

// undoEffect plans what undoes one effect.
func (e *Engine) undoEffect(tx *record.Tx, w *deskWork, eff *waybill.Effect, a waybill.Act) error {
	undo, err := e.planUndo(tx, eff, a, "")
	if err != nil {
		return err
	}
	if undo.State == waybill.EffectUnknown {
		w.say = "It may have been undone before the book was restored: that comes first."
		return nil
	}
	w.say, w.send = "It is being undone.", &job{effect: undo}
	return nil
}

// undoable are the effects of a run that can be undone, the last one first, and what cannot be, in words.
func (e *Engine) undoable(tx *record.Tx, run *waybill.Run) (list []waybill.Effect, said []string, err error) {
	all, err := tx.EffectsOf(run.ID)
	if err != nil {
		return nil, nil, err
	}
	slices.Reverse(all)
	for i := range all {
		eff := &all[i]
		if eff.Run != run.ID || eff.State != waybill.EffectConfirmed || eff.Undoes != "" {
			continue
		}
		u, cannot, err := e.howUndone(tx, eff)
		if err != nil {
			return nil, nil, err
		}
		open, err := undoOpen(tx, eff)
		switch {
		case err != nil:
			return nil, nil, err
		case u == nil:
			said = append(said, eff.Address+" stays: "+strings.TrimSuffix(cannot, "."))
		case open:
			said = append(said, eff.Address+" is being undone already")
		default:
			list = append(list, *eff)
			said = append(said, fmt.Sprintf("%d. %s: %s", len(list), eff.Address, e.undoWords(u)))
		}
	}
	return list, said, nil
}

// undoRunChoice is the button that undoes all that a run did, with its plan; nil when there is nothing to undo.
func (e *Engine) undoRunChoice(tx *record.Tx, run *waybill.Run) (*waybill.Choice, error) {
	list, said, err := e.undoable(tx, run)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &waybill.Choice{Verb: waybill.VerbUndo, Label: "Undo what this run did", Safety: strings.Join(said, ". "), NeedsReason: true}, nil
}

// undoRun plans what undoes all that a run did, the last thing first: each waits for the one before it.
func (e *Engine) undoRun(tx *record.Tx, w *deskWork, run *waybill.Run, a waybill.Act) error {
	list, _, err := e.undoable(tx, run)
	if err != nil {
		return err
	}
	after := waybill.EffectID("")
	for i := range list {
		undo, err := e.planUndo(tx, &list[i], a, after)
		if err != nil {
			return err
		}
		if after == "" && undo.State == waybill.EffectPlanned {
			w.send = &job{effect: undo}
		}
		after = undo.ID
	}
	w.say = fmt.Sprintf("%d parts are being undone, the last one first.", len(list))
	if len(list) == 1 {
		w.say = "1 part is being undone."
	}
	return nil
}

// noteUndone marks what an effect undoes as undone, once that is known to have happened, and lets the next one of the run go
// that waited for this.
func (e *Engine) noteUndone(tx *record.Tx, undo *waybill.Effect) error {
	if undo.State == waybill.EffectConfirmed {
		eff, err := tx.Effect(undo.Undoes)
		if err != nil {
			return err
		}
		if eff.State == waybill.EffectConfirmed {
			eff.State, eff.Reason = waybill.EffectUndone, fmt.Sprintf("undone by %s (%s)", undo.ID, undo.Address)
			if err := tx.MoveEffect(eff, waybill.EffectConfirmed); err != nil {
				return err
			}
		}
	}
	if undo.State.Settled() {
		return e.undoNext(tx, undo)
	}
	return nil
}

// undoNext lets the effect go that waits for one of its run to be settled.
func (e *Engine) undoNext(tx *record.Tx, undo *waybill.Effect) error {
	all, err := tx.EffectsOf(undo.Run)
	if err != nil {
		return err
	}
	for i := range all {
		next := &all[i]
		if next.After != undo.ID || next.State != waybill.EffectPlanned || next.HeldBy() != "" || !next.SentAt.IsZero() {
			continue
		}
		next.DueAt = time.Time{}
		if err := tx.MoveEffect(next, waybill.EffectPlanned); err != nil {
			return err
		}
		e.wakeSender(next.Connection, e.d.Now()) // a hint only, so it may come before the commit
	}
	return nil
}

// waitFor has what waits for one effect of an undoing wait for another that takes its place.
func (e *Engine) waitFor(tx *record.Tx, undo *waybill.Effect, instead waybill.EffectID) error {
	if undo.Undoes == "" {
		return nil
	}
	all, err := tx.EffectsOf(undo.Run)
	if err != nil {
		return err
	}
	for i := range all {
		if next := &all[i]; next.After == undo.ID && next.State == waybill.EffectPlanned {
			next.After = instead
			if err := tx.EditEffect(next, waybill.EffectPlanned); err != nil {
				return err
			}
		}
	}
	return nil
}

// waitsToUndo reports whether an effect waits for another one of its run to be undone first.
func waitsToUndo(eff *waybill.Effect) bool {
	return eff.After != "" && eff.State == waybill.EffectPlanned && eff.SentAt.IsZero() && eff.HeldBy() == "" && !eff.DueAt.Before(waybill.Held())
}

// viewUndone shows the gate what an effect undoes, and what of it is no longer as we wrote it.
func (e *Engine) viewUndone(tx *record.Tx, view *deliver.GateView) (err error) {
	eff := view.Effect
	if view.Undone, err = tx.Effect(eff.Undoes); err != nil {
		return fmt.Errorf("read what %s undoes: %w", eff.ID, err)
	}
	if view.NewestBy != "" && view.NewestBy != eff.Undoes {
		newest, err := tx.Effect(view.NewestBy)
		if err != nil && waybill.KindOf(err) != waybill.NotFound {
			return err
		}
		if err == nil && newest.State == waybill.EffectUndone {
			view.Newest, view.NewestBy = waybill.Stamp{}, "" // that one was put back: what is there now is compared below
		}
	}
	if eff.Undo != restore || eff.Before == nil || eff.Doubted {
		return nil
	}
	view.Changed, err = e.changedSince(view.Undone, eff.Before)
	return err
}

// changedSince names the values of an object that are no longer as an effect wrote them; there is what was read now.
func (e *Engine) changedSince(eff *waybill.Effect, there []byte) ([]string, error) {
	action := e.actionOf(eff.Connection, eff.Action)
	if action == nil {
		return nil, &waybill.Error{Kind: waybill.Conflict, Message: "the action is no longer in the workspace"}
	}
	wrote, err := decodeMap(eff.Inputs)
	if err != nil {
		return nil, err
	}
	now, err := connector.DecodeJSON(there)
	if err != nil {
		return nil, err
	}
	stands, err := action.Undo.BackInputs(e.callOf(eff, wrote), now)
	if err != nil {
		return nil, fmt.Errorf("compare what is there with what was written: %w", err)
	}
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(wrote)) {
		if got, ok := stands[name]; ok && !sameValue(got, wrote[name]) {
			changed = append(changed, fmt.Sprintf("%s is %s and not %s", name, orEmpty(plainWords(got)), orEmpty(plainWords(wrote[name]))))
		}
	}
	return changed, nil
}

// sameValue compares values as a provider gives them back: 4999 may come as "4999.00".
func sameValue(a, b any) bool {
	x, y := plainWords(a), plainWords(b)
	if x == y {
		return true
	}
	m, okM := new(big.Rat).SetString(x)
	n, okN := new(big.Rat).SetString(y)
	return okM && okN && m.Cmp(n) == 0
}

// undoHeldChoices are for an undoing that met something else than what we wrote.
func undoHeldChoices() []waybill.Choice {
	return []waybill.Choice{
		{Verb: waybill.VerbRetry, Label: "Look again", Safety: "Safe: it is read again first", Safe: true, Primary: true},
		{Verb: waybill.VerbRelease, Label: "Put it back all the same", Safety: "What others wrote there since is lost", NeedsReason: true},
		{Verb: waybill.VerbSkip, Label: "Leave it so", Safety: "What is there stays", NeedsReason: true},
	}
}
