package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/record"
)

// Choices says what a person may do with an object (an item, run, effect, problem or connection), and how safe each is.
func (e *Engine) Choices(ctx context.Context, object string) ([]waybill.Choice, error) {
	var list []waybill.Choice
	err := e.book.View(ctx, func(tx *record.Tx) (err error) {
		list, err = e.choices(tx, object)
		return err
	})
	return list, err
}

func (e *Engine) choices(tx *record.Tx, object string) ([]waybill.Choice, error) {
	switch kind, _, _ := strings.Cut(object, "_"); kind {
	case "eff":
		eff, err := tx.Effect(waybill.EffectID(object))
		if err != nil {
			return nil, err
		}
		return e.effectChoices(eff), nil
	case "run":
		run, err := tx.Run(waybill.RunID(object))
		if err != nil {
			return nil, err
		}
		return e.runChoices(tx, run)
	case "itm":
		it, err := tx.Item(waybill.ItemID(object))
		if err != nil {
			return nil, err
		}
		return itemChoices(it), nil
	case "prb":
		p, err := tx.Problem(waybill.ProblemID(object))
		if err != nil {
			return nil, err
		}
		return problemChoices(p), nil
	}
	if _, ok := e.today().ws.Connections[object]; ok {
		return connectionChoices(e.stateOf(object)), nil
	}
	return nil, &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("nothing is named %q", object)}
}

// repeatWords says why sending an effect again is harmless, or is not.
func (e *Engine) repeatWords(eff *waybill.Effect) (string, bool) {
	title := eff.Connection
	if c := e.today().ws.Connections[eff.Connection]; c != nil {
		title = c.Manifest.Title
	}
	switch eff.Repeat {
	case waybill.RepeatKey:
		return fmt.Sprintf("Safe: %s knows our key, so a repeat changes nothing", title), true
	case waybill.RepeatNatural:
		return fmt.Sprintf("Safe: writing the same to %s twice leaves it once", title), true
	default:
		return fmt.Sprintf("May repeat: %s cannot tell a second one from the first", title), false
	}
}

func (e *Engine) effectChoices(eff *waybill.Effect) []waybill.Choice {
	held := eff.State == waybill.EffectPlanned && !eff.DueAt.Before(waybill.Held())
	switch {
	case held || eff.State == waybill.EffectDeclined:
		const safe = "Safe: it is known not to have happened"
		return []waybill.Choice{
			{Verb: waybill.VerbRetry, Label: "Retry this step", Safety: safe, Safe: true, Primary: true},
			{Verb: waybill.VerbEdit, Label: "Edit and retry", Safety: safe, Safe: true, Inputs: eff.Inputs},
			{Verb: waybill.VerbSkip, Label: "Leave this step out", Safety: "The run goes on without it", NeedsReason: true},
		}
	case eff.State == waybill.EffectUnknown:
		again, safe := e.repeatWords(eff)
		return []waybill.Choice{
			{Verb: waybill.VerbHappened, Label: "It happened", Safety: "You saw it there: the run goes on", Safe: true, NeedsReason: true, Primary: !safe},
			{Verb: waybill.VerbDidNot, Label: "It did not happen: send it", Safety: "You looked and it is not there", NeedsReason: true},
			{Verb: waybill.VerbSendAgain, Label: "Send again", Safety: again, Safe: safe, NeedsReason: true, Primary: safe},
			{Verb: waybill.VerbSkip, Label: "Leave it as it is", Safety: "Nothing more is sent; the run goes on without knowing", NeedsReason: true},
		}
	}
	return nil
}

func (e *Engine) runChoices(tx *record.Tx, run *waybill.Run) ([]waybill.Choice, error) {
	if run.State.Ended() {
		return nil, nil
	}
	stop := waybill.Choice{Verb: waybill.VerbStop, Label: "Stop this run", Safety: "What was done stays done; nothing more is sent", NeedsReason: true}
	if run.State != waybill.RunBlocked {
		return []waybill.Choice{stop}, nil
	}
	b, err := e.load(tx, run)
	if err != nil {
		return []waybill.Choice{stop}, nil //nolint:nilerr // a run that cannot be loaded can still be stopped
	}
	if eff, err := tx.EffectAt(run.Event, run.Flow, b.progress.Address); err == nil && !eff.State.Settled() {
		return append(e.effectChoices(eff), stop), nil
	}
	return []waybill.Choice{
		{Verb: waybill.VerbRetry, Label: "Try this step again", Safety: "Safe: nothing was sent", Safe: true, Primary: true},
		{Verb: waybill.VerbSkip, Label: "Leave this step out", Safety: "The run goes on without it", NeedsReason: true},
		stop,
	}, nil
}

func itemChoices(it *waybill.Item) []waybill.Choice {
	switch it.State {
	case waybill.ItemBlocked:
		return []waybill.Choice{
			{Verb: waybill.VerbRetry, Label: "Read it again", Safety: "Safe: a fact already known starts nothing", Safe: true, Primary: true},
			{Verb: waybill.VerbNotUsed, Label: "Not needed", Safety: "It is set aside; its bytes are kept", NeedsReason: true},
		}
	case waybill.ItemNotUsed:
		if it.DuplicateOf == "" {
			return []waybill.Choice{{Verb: waybill.VerbRetry, Label: "Read it again", Safety: "Safe: a fact already known starts nothing", Safe: true}}
		}
	}
	return nil
}

func problemChoices(p *waybill.ProblemView) []waybill.Choice {
	if !p.Problem.State.Open() {
		return nil
	}
	var list []waybill.Choice
	if p.Problem.Cause != waybill.AnswerLost {
		label := "Retry it"
		if p.Problem.Count > 1 {
			label = fmt.Sprintf("Retry all %d", p.Problem.Count)
		}
		list = append(list, waybill.Choice{Verb: waybill.VerbRetry, Label: label,
			Safety: "Safe: only what is known not to have happened is sent", Safe: true, Primary: true})
	}
	if p.Problem.State != waybill.ProblemWorking {
		list = append(list, waybill.Choice{Verb: waybill.VerbTake, Label: "I am on it", Safety: "Others see that you have it", Safe: true})
	}
	return list
}

func connectionChoices(s waybill.ConnectionState) []waybill.Choice {
	if s.Health == waybill.HealthPaused {
		return []waybill.Choice{{Verb: waybill.VerbResume, Label: "Go on", Safety: "What waits is sent, in order", Safe: true, Primary: true}}
	}
	list := []waybill.Choice{{Verb: waybill.VerbPause, Label: "Pause", Safety: "Nothing is sent there; what comes in is kept", NeedsReason: true}}
	if s.Health != waybill.HealthWorking && s.Health != "" {
		list = append([]waybill.Choice{{Verb: waybill.VerbResume, Label: "Try now", Safety: "One call is made to see whether it works again", Safe: true, Primary: true}}, list...)
	}
	return list
}

// Act does what a person chose, writes it to the audit, and says in a sentence what happened. A choice that is not
// offered (any more) is a Conflict.
func (e *Engine) Act(ctx context.Context, a waybill.Act) (string, error) {
	offered, err := e.Choices(ctx, a.Object)
	if err != nil {
		return "", err
	}
	var choice *waybill.Choice
	for i := range offered {
		if offered[i].Verb == a.Verb {
			choice = &offered[i]
		}
	}
	if choice == nil {
		return "", &waybill.Error{Kind: waybill.Conflict, Message: fmt.Sprintf("%q is not possible here any more", a.Verb),
			Hint: "load the page again to see where it stands now"}
	}
	if choice.NeedsReason && strings.TrimSpace(a.Reason) == "" {
		return "", &waybill.Error{Kind: waybill.Invalid, Message: "this needs a reason", Hint: "say in a few words why; it is kept with your name"}
	}
	switch kind, _, _ := strings.Cut(a.Object, "_"); kind {
	case "eff", "run":
		return e.actOnRun(ctx, a)
	case "itm":
		return e.actOnItem(ctx, a)
	case "prb":
		return e.actOnProblem(ctx, a)
	default:
		if err := e.audit(ctx, a, "", ""); err != nil {
			return "", err
		}
		e.setPaused(a.Object, a.Verb == waybill.VerbPause)
		if a.Verb == waybill.VerbPause {
			return a.Object + " is paused: nothing is sent there until somebody lets it go on.", nil
		}
		return a.Object + " goes on.", nil
	}
}

func (e *Engine) auditRow(a waybill.Act, before, after string) *waybill.Audited {
	return &waybill.Audited{ID: e.ids.New("aud"), At: e.d.Now(), Who: a.Who, Action: string(a.Verb), Object: a.Object, Reason: a.Reason, Before: before, After: after}
}

func (e *Engine) audit(ctx context.Context, a waybill.Act, before, after string) error {
	row := e.auditRow(a, before, after)
	return e.book.Do(ctx, func(tx *record.Tx) error { return tx.Audit(row) })
}

// deskWork is what an act on a run leads to, once it is on stable storage.
type deskWork struct {
	say     string
	follow  *advance
	send    *job
	advance waybill.RunID
}

func (e *Engine) actOnRun(ctx context.Context, a waybill.Act) (string, error) {
	var w deskWork
	err := e.book.Do(ctx, func(tx *record.Tx) (err error) {
		w = deskWork{}
		var run *waybill.Run
		var eff *waybill.Effect
		if strings.HasPrefix(a.Object, "eff_") {
			if eff, err = tx.Effect(waybill.EffectID(a.Object)); err != nil {
				return err
			}
			if run, err = tx.Run(eff.Run); err != nil {
				return err
			}
		} else {
			if run, err = tx.Run(waybill.RunID(a.Object)); err != nil {
				return err
			}
			if b, err := e.load(tx, run); err == nil {
				if at, err := tx.EffectAt(run.Event, run.Flow, b.progress.Address); err == nil && at.State != waybill.EffectConfirmed {
					eff = at
				}
			}
		}
		before := string(run.State)
		if a.Verb == waybill.VerbStop {
			err = e.stopRun(tx, &w, run, a)
		} else if eff != nil {
			err = e.actOnEffect(tx, &w, run, eff, a)
		} else {
			err = e.actOnStep(tx, &w, run, a)
		}
		if err != nil {
			return err
		}
		return tx.Audit(e.auditRow(a, before, w.say))
	})
	if err != nil {
		return "", err
	}
	if w.follow != nil {
		e.follow(w.follow)
	}
	if w.send != nil {
		e.queue(w.send)
	}
	if w.advance != "" {
		e.runs.push(w.advance)
	}
	return w.say, nil
}

// stopRun ends a run; what it planned and did not send is skipped.
func (e *Engine) stopRun(tx *record.Tx, w *deskWork, run *waybill.Run, a waybill.Act) error {
	from := run.State
	list, err := tx.EffectsOf(run.ID)
	if err != nil {
		return err
	}
	for i := range list {
		eff := &list[i]
		if eff.State != waybill.EffectPlanned {
			continue
		}
		eff.State, eff.Reason, eff.SettledAt = waybill.EffectSkipped, "stopped by "+a.Who+": "+a.Reason, e.d.Now()
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return err
		}
	}
	run.State, run.Reason, run.EndedAt, run.Problem = waybill.RunStopped, "stopped by "+a.Who+": "+a.Reason, e.d.Now(), ""
	if err := tx.MoveRun(run, from); err != nil {
		return err
	}
	if err := tx.Clear(waybill.Member{Run: run.ID}); err != nil {
		return err
	}
	w.say = "The run is stopped. What was done stays done."
	if run.Lane == "" {
		return nil
	}
	w.advance, err = e.passLane(tx, run.ID)
	return err
}

// actOnEffect settles, skips, edits or sends again the effect a run waits for.
func (e *Engine) actOnEffect(tx *record.Tx, w *deskWork, run *waybill.Run, eff *waybill.Effect, a waybill.Act) error {
	from, now := eff.State, e.d.Now()
	switch a.Verb {
	case waybill.VerbRetry, waybill.VerbDidNot:
		w.say = "It is being sent now."
		if from == waybill.EffectDeclined {
			if err := e.anew(tx, eff, eff.Inputs, a); err != nil {
				return err
			}
			break
		}
		eff.State, eff.DueAt, eff.Tries, eff.Doubted = waybill.EffectPlanned, time.Time{}, 0, false
		eff.Reason = a.Who + " lets it be sent"
		if a.Verb == waybill.VerbDidNot {
			eff.Proof = a.Who + " says it did not happen: " + a.Reason
		}
		if err := tx.MoveEffect(eff, from); err != nil {
			return err
		}
	case waybill.VerbEdit:
		if err := e.anew(tx, eff, a.Inputs, a); err != nil {
			return err
		}
		w.say = "It is being sent with your values."
	case waybill.VerbSendAgain:
		if err := e.anew(tx, eff, eff.Inputs, a); err != nil {
			return err
		}
		w.say = "It is being sent again, as a new try on record."
	case waybill.VerbHappened:
		eff.State, eff.Proof, eff.SettledAt, eff.DueAt = waybill.EffectConfirmed, a.Who+" says it happened: "+a.Reason, now, time.Time{}
		w.say = "Noted: it happened. The run goes on."
	case waybill.VerbSkip:
		eff.State, eff.Reason, eff.SettledAt = waybill.EffectSkipped, "left out by "+a.Who+": "+a.Reason, now
		w.say = "The step is left out. The run goes on."
	}
	if eff.State == waybill.EffectPlanned {
		w.send = &job{effect: eff}
		return e.unblock(tx, run, waybill.RunWaiting, "waiting for "+eff.Action)
	}
	if from == waybill.EffectDeclined && eff.State == waybill.EffectSkipped {
		// A declined effect stays declined on record; the run goes on as if the step were left out.
		eff.State = waybill.EffectDeclined
		return e.skipStep(tx, w, run, eff.Address)
	}
	if err := tx.MoveEffect(eff, from); err != nil {
		return err
	}
	if err := e.noteEffect(tx, eff); err != nil {
		return err
	}
	var err error
	w.follow, err = e.goOn(tx, run, eff, answerOf(eff))
	return err
}

// unblock takes a run off the person's list.
func (e *Engine) unblock(tx *record.Tx, run *waybill.Run, to waybill.RunState, reason string) error {
	from := run.State
	run.State, run.Reason, run.Problem = to, reason, ""
	if err := tx.MoveRun(run, from); err != nil {
		return err
	}
	return tx.Clear(waybill.Member{Run: run.ID})
}

// anew plans a new generation of an effect because a person wants it sent (again): with its own key, so that a provider
// that remembers the last answer does not repeat that. The generation before it is closed first.
func (e *Engine) anew(tx *record.Tx, eff *waybill.Effect, inputs []byte, a waybill.Act) error {
	if eff.State == waybill.EffectPlanned || eff.State == waybill.EffectUnknown {
		old, from := *eff, eff.State
		old.State, old.Reason, old.SettledAt = waybill.EffectSkipped, a.Who+" had it sent anew: "+a.Reason, e.d.Now()
		if from == waybill.EffectUnknown {
			old.Reason = "never known; " + old.Reason
		}
		if err := tx.MoveEffect(&old, from); err != nil {
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
		ID: waybill.EffectID(e.ids.New("eff")), Event: eff.Event, Flow: eff.Flow, Address: eff.Address, Generation: eff.Generation + 1,
		Run: eff.Run, Connection: eff.Connection, Account: t.Account, Action: eff.Action, Kind: action.Kind, Repeat: action.Repeat,
		State: waybill.EffectPlanned, Reason: a.Who + " sends it: " + a.Reason, Inputs: encode(in), Undo: eff.Undo, Order: eff.Order,
		GoodUntil: eff.GoodUntil, PlannedAt: e.d.Now(),
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
	w.say = "The step is tried again."
	adv := e.machine(b, nil, reads{tx, b.version.ws})
	w.follow = adv
	return e.apply(tx, adv, run.State)
}

func (e *Engine) skipStep(tx *record.Tx, w *deskWork, run *waybill.Run, address string) error {
	b, err := e.load(tx, run)
	if err != nil {
		return err
	}
	b.progress = b.flow.Skip(b.progress, address)
	adv := e.machine(b, nil, reads{tx, b.version.ws})
	w.follow = adv
	return e.apply(tx, adv, run.State)
}

func (e *Engine) actOnItem(ctx context.Context, a waybill.Act) (string, error) {
	var again *piece
	var say string
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		again = nil
		it, err := tx.Item(waybill.ItemID(a.Object))
		if err != nil {
			return err
		}
		from := it.State
		if err := tx.Clear(waybill.Member{Item: it.ID}); err != nil {
			return err
		}
		it.Problem = ""
		if a.Verb == waybill.VerbNotUsed {
			it.State, it.Reason = waybill.ItemNotUsed, "set aside by "+a.Who+": "+a.Reason
			say = "It is set aside. Its bytes are kept."
		} else {
			it.State, it.Reason, it.DueAt = waybill.ItemKept, "", time.Time{}
			kept := *it
			again = &piece{item: kept}
			say = "It is being read again."
		}
		if err := tx.MoveItem(it, from); err != nil {
			return err
		}
		return tx.Audit(e.auditRow(a, string(from), say))
	})
	if err != nil {
		return "", err
	}
	if again != nil {
		e.hand(again)
	}
	return say, nil
}

// actOnProblem takes a problem, or retries every member that is known not to have happened.
func (e *Engine) actOnProblem(ctx context.Context, a waybill.Act) (string, error) {
	var view *waybill.ProblemView
	err := e.book.Do(ctx, func(tx *record.Tx) (err error) {
		if view, err = tx.Problem(waybill.ProblemID(a.Object)); err != nil {
			return err
		}
		if a.Verb == waybill.VerbTake {
			p := view.Problem
			p.Owner, p.State = a.Who, waybill.ProblemWorking
			if err := tx.SetProblem(&p); err != nil {
				return err
			}
		}
		return tx.Audit(e.auditRow(a, string(view.Problem.State), ""))
	})
	if err != nil {
		return "", err
	}
	if a.Verb == waybill.VerbTake {
		return "You have it.", nil
	}
	done, left := 0, 0
	for _, m := range view.Members {
		object := string(m.Run)
		switch {
		case m.Item != "":
			object = string(m.Item)
		case m.Effect != "":
			object = string(m.Effect)
		case m.Connection != "":
			e.setPaused(m.Connection, false)
			done++
			continue
		}
		if _, err := e.Act(ctx, waybill.Act{Who: a.Who, Verb: waybill.VerbRetry, Object: object, Reason: a.Reason}); err != nil {
			left++
			continue
		}
		done++
	}
	say := fmt.Sprintf("%d tried again.", done)
	if left > 0 {
		say += fmt.Sprintf(" %d need a look of their own: it is not certain that a repeat is safe.", left)
	}
	return say, nil
}
