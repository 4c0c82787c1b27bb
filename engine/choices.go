package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
	"waybill/watch"
)

// Choices says what a person may do with an object (an item, run, effect, problem or connection), and how safe each is.
func (e *Engine) Choices(ctx context.Context, object string) ([]waybill.Choice, error) {
	if err := e.lookFirst(); err != nil {
		return nil, err
	}
	var list []waybill.Choice
	err := e.book.View(ctx, func(tx *record.Tx) (err error) {
		if list, err = e.choices(tx, object); err != nil || len(list) == 0 {
			return err
		}
		about, err := e.standing(tx, object)
		for i := range list {
			if list[i].Verb != waybill.VerbStop { // who ends a run ends it wherever it stands
				list[i].About = about
			}
		}
		return err
	})
	return list, err
}

// standing names what a word on a run or effect would be said of as things stand: the question that is open, the effect with its
// values, or the step. So that a press on a page that is no longer so is not taken for what has come in its place.
func (e *Engine) standing(tx *record.Tx, object string) (string, error) {
	var eff *waybill.Effect
	var run *waybill.Run
	var err error
	switch kind, _, _ := strings.Cut(object, "_"); kind {
	case "eff":
		eff, err = tx.Effect(waybill.EffectID(object))
	case "run":
		if run, err = tx.Run(waybill.RunID(object)); err == nil {
			eff, err = e.effectOfStep(tx, run)
		}
	default:
		return "", nil
	}
	switch {
	case err != nil:
		return "", err
	case eff != nil:
		return string(eff.ID) + " " + eff.Fingerprint, nil
	}
	q, err := tx.OpenAsk(run.ID)
	if err != nil {
		return "", err
	}
	if q != nil {
		return string(q.ID), nil
	}
	p, err := flow.Decode(run.Progress)
	if err != nil {
		return "", nil //nolint:nilerr // a run that cannot be read can still be stopped
	}
	return string(run.ID) + " " + p.Address, nil
}

func (e *Engine) choices(tx *record.Tx, object string) ([]waybill.Choice, error) {
	switch kind, _, _ := strings.Cut(object, "_"); kind {
	case "eff":
		eff, err := tx.Effect(waybill.EffectID(object))
		if err != nil {
			return nil, err
		}
		run, err := tx.Run(eff.Run)
		if err != nil {
			return nil, err
		}
		return e.effectChoices(tx, run, eff)
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
		list := itemChoices(it)
		if readable, err := tx.Readable(it.Arrival); readable || err != nil {
			return list, err
		}
		return slices.DeleteFunc(list, func(c waybill.Choice) bool { return c.Verb == waybill.VerbRetry }), nil // past retention
	case "prb":
		p, err := tx.Problem(waybill.ProblemID(object))
		if err != nil {
			return nil, err
		}
		return e.problemChoices(tx, p)
	case "rst":
		r, err := tx.Restored()
		if err != nil || r == nil {
			return nil, err
		}
		return restoredChoices(r), nil
	}
	if _, ok := e.today().ws.Connections[object]; ok {
		return connectionChoices(e.stateOf(object)), nil
	}
	return e.removedChoices(tx, object)
}

// repeatWords says why sending an effect again is harmless, or is not.
func (e *Engine) repeatWords(eff *waybill.Effect) (string, bool) {
	title := eff.Connection
	if c := e.today().ws.Connections[eff.Connection]; c != nil {
		title = c.System()
	}
	switch eff.Repeat {
	case waybill.RepeatNatural:
		return fmt.Sprintf("Safe: writing the same to %s twice leaves it once", title), true
	default: // a new generation has a key of its own, so the provider's memory of the old one does not help
		return fmt.Sprintf("May repeat: %s cannot tell a second one from the first", title), false
	}
}

// standsAt reports whether a run waits at an address, for an answer or for a person.
func standsAt(run *waybill.Run, address string) bool {
	if run.State.Ended() {
		return false
	}
	p, err := flow.Decode(run.Progress)
	return err == nil && p.Address == address
}

// effectChoices are about the newest generation of a step's effect only: what came after an older one has settled it.
func (e *Engine) effectChoices(tx *record.Tx, run *waybill.Run, eff *waybill.Effect) ([]waybill.Choice, error) {
	if eff.State == waybill.EffectConfirmed {
		undo, err := e.undoChoice(tx, eff)
		if err != nil || undo == nil {
			return nil, err
		}
		return []waybill.Choice{*undo}, nil
	}
	newest, err := tx.EffectAt(eff.Event, eff.Flow, eff.Address)
	if err != nil || newest.ID != eff.ID {
		return nil, err
	}
	stands := standsAt(run, eff.Address)
	held := eff.State == waybill.EffectPlanned && !eff.DueAt.Before(waybill.Held())
	part := !stands && (run.State != waybill.RunStopped || eff.Undoes != "") // the run goes on, or went on, without it
	switch {
	case waitsToUndo(eff):
		return []waybill.Choice{{Verb: waybill.VerbSkip, Label: "Leave it so", Safety: "What was done stays done", NeedsReason: true}}, nil
	case eff.HeldBy() == deliver.RuleApproval:
		return approvalChoices(), nil
	case eff.HeldBy() == deliver.RuleUndo:
		return undoHeldChoices(), nil
	case eff.HeldBy() == deliver.RuleRelease && stands && run.State == waybill.RunBlocked:
		return e.releaseChoices(eff), nil
	case eff.State == waybill.EffectDeclined && part, held && part:
		return e.againChoices(tx, eff, "Leave it so", "It stays undone; the run went on without it")
	case eff.State == waybill.EffectDeclined && stands && run.State == waybill.RunBlocked, held && run.State == waybill.RunBlocked:
		return e.againChoices(tx, eff, "Leave this step out", "The run goes on without it")
	case eff.State == waybill.EffectUnknown:
		return e.unknownChoices(run, eff), nil
	}
	return nil, nil
}

// againChoices are for what is known not to have happened; or was so when a restored book was backed up.
func (e *Engine) againChoices(tx *record.Tx, eff *waybill.Effect, skip, after string) ([]waybill.Choice, error) {
	const safe = "Safe: it is known not to have happened"
	since, err := refusedBefore(tx, eff)
	if err != nil {
		return nil, err
	}
	list := []waybill.Choice{
		{Verb: waybill.VerbRetry, Label: "Retry this step", Safety: safe, Safe: true, Primary: true},
		{Verb: waybill.VerbEdit, Label: "Edit and retry", Safety: safe, Safe: true, Inputs: eff.Inputs},
	}
	if since != nil {
		doubt := fmt.Sprintf("It was refused before the backup of %s; whether it was sent since then is not known here: look there first",
			since.BackupAt.UTC().Format(time.RFC3339))
		list = []waybill.Choice{
			{Verb: waybill.VerbSendAgain, Label: "It is not there: send it", Safety: doubt, NeedsReason: true},
			{Verb: waybill.VerbEdit, Label: "Edit and send", Safety: doubt, Inputs: eff.Inputs, NeedsReason: true},
		}
	}
	return append(list, waybill.Choice{Verb: waybill.VerbSkip, Label: skip, Safety: after, NeedsReason: true}), nil
}

// unknownChoices are for what may or may not have happened. Nothing more is sent for a run that somebody stopped.
func (e *Engine) unknownChoices(run *waybill.Run, eff *waybill.Effect) []waybill.Choice {
	again, safe := e.repeatWords(eff)
	list := []waybill.Choice{{
		Verb: waybill.VerbHappened, Label: "It happened", Safety: "You saw it there: the run goes on", Safe: true,
		NeedsReason: true, Primary: !safe,
	}}
	if run.State != waybill.RunStopped || eff.Undoes != "" {
		list = append(list,
			waybill.Choice{Verb: waybill.VerbDidNot, Label: "It did not happen: send it", Safety: "You looked and it is not there", NeedsReason: true},
			waybill.Choice{Verb: waybill.VerbSendAgain, Label: "Send again", Safety: again, Safe: safe, NeedsReason: true, Primary: safe})
	}
	return append(list, waybill.Choice{
		Verb: waybill.VerbSkip, Label: "Leave it as it is",
		Safety: "Nothing more is sent; the run goes on without knowing", NeedsReason: true,
	})
}

func (e *Engine) runChoices(tx *record.Tx, run *waybill.Run) ([]waybill.Choice, error) {
	if run.State.Ended() {
		undo, err := e.undoRunChoice(tx, run)
		if err != nil || undo == nil {
			return nil, err
		}
		return []waybill.Choice{*undo}, nil
	}
	stop := waybill.Choice{Verb: waybill.VerbStop, Label: "Stop this run", Safety: "What was done stays done; nothing more is sent", NeedsReason: true}
	if run.State == waybill.RunWaiting && run.Problem != "" {
		q, err := tx.OpenAsk(run.ID)
		if err != nil {
			return nil, err
		}
		if q != nil {
			return append(e.askChoices(q), stop), nil
		}
	}
	if run.State == waybill.RunWaiting {
		rest, err := e.restChoice(tx, run)
		if err != nil {
			return nil, err
		}
		if rest != nil {
			return []waybill.Choice{*rest, stop}, nil
		}
	}
	if run.State != waybill.RunBlocked {
		return []waybill.Choice{stop}, nil
	}
	eff, err := e.effectOfStep(tx, run)
	if err != nil {
		return nil, err
	}
	if eff != nil {
		list, err := e.effectChoices(tx, run, eff)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			return append(list, stop), nil
		}
	}
	anew := e.runAnewChoices(run)
	if standsAt(run, "") { // not begun: there is no step to leave out
		first := waybill.Choice{Verb: waybill.VerbRetry, Label: "Try again", Safety: "Safe: nothing was sent", Safe: true, Primary: true}
		return append(append([]waybill.Choice{first}, anew...), stop), nil
	}
	first := waybill.Choice{Verb: waybill.VerbRetry, Label: "Try this step again", Safety: "Safe: nothing was sent", Safe: true, Primary: true}
	again, err := e.redoOf(tx, run)
	if err != nil {
		return nil, err
	}
	switch {
	case again != nil:
		first = again.choice()
	case len(anew) > 0:
		first.Primary, anew[0].Primary = false, true
	}
	skip := waybill.Choice{Verb: waybill.VerbSkip, Label: "Leave this step out", Safety: "The run goes on without it", NeedsReason: true}
	return append(append([]waybill.Choice{first}, anew...), skip, stop), nil
}

// effectOfStep is the effect that keeps a run where it stands; nil when none does.
func (e *Engine) effectOfStep(tx *record.Tx, run *waybill.Run) (*waybill.Effect, error) {
	p, err := flow.Decode(run.Progress)
	if err != nil {
		return nil, nil //nolint:nilerr // a run that cannot be read can still be stopped
	}
	eff, err := tx.EffectAt(run.Event, run.Flow, p.Address)
	if waybill.KindOf(err) == waybill.NotFound {
		return nil, nil
	}
	if err != nil || eff.State.Settled() {
		return nil, err
	}
	return eff, nil
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
	default: // it is being worked on, or was understood
	}
	return nil
}

func (e *Engine) problemChoices(tx *record.Tx, p *waybill.ProblemView) ([]waybill.Choice, error) {
	if !p.Problem.State.Open() {
		return nil, nil
	}
	var list []waybill.Choice
	if strings.HasPrefix(p.Problem.Code, watch.ReleaseMark) {
		label := "Release it"
		if p.Problem.Count > 1 {
			label = fmt.Sprintf("Release all %d", p.Problem.Count)
		}
		list = append(list, releaseChoice(label, "They are sent as they are shown; none of them was before"))
	}
	if strings.HasPrefix(p.Problem.Code, watch.RemovedMark) && p.Problem.Cause == waybill.WaitingForPerson {
		list = append(list, e.sentByRemovedChoices(&p.Problem)...)
	}
	if p.Problem.Code == codeChanged && p.Problem.Cause == waybill.WaitingForPerson {
		all, err := e.redoAllChoice(tx, p)
		if err != nil {
			return nil, err
		}
		if all != nil {
			list = append(list, *all)
		}
	}
	outage := slices.ContainsFunc(p.Members, func(m waybill.Member) bool { return m.Connection != "" })
	if p.Problem.Cause != waybill.WaitingForPerson && p.Problem.Cause != waybill.AnswerLost || outage {
		label := "Retry it"
		if p.Problem.Count > 1 {
			label = fmt.Sprintf("Retry all %d", p.Problem.Count)
		}
		list = append(list, waybill.Choice{
			Verb: waybill.VerbRetry, Label: label,
			Safety: "Safe: only what is known not to have happened is sent", Safe: true, Primary: true,
		})
		anew, err := e.anewChoice(tx, p)
		if err != nil {
			return nil, err
		}
		if c := p.Problem.Cause; len(anew) > 0 && (c == waybill.MappingWrong || c == waybill.MissingValue) {
			list[len(list)-1].Primary, anew[0].Primary = false, true // what failed is ours, and was mended or not in a newer version
		}
		list = append(list, anew...)
	}
	if p.Problem.Lesser {
		list = append(list, waybill.Choice{
			Verb: waybill.VerbSkip, Label: "Leave it so", Safety: "Nothing is sent; the runs went on without it",
			NeedsReason: true,
		})
	}
	if p.Problem.State != waybill.ProblemWorking {
		list = append(list, waybill.Choice{Verb: waybill.VerbTake, Label: "I am on it", Safety: "Others see that you have it", Safe: true})
	}
	return list, nil
}

// anewChoice runs all that a problem holds again on the version of today, where one of its runs began on an earlier one: a
// retry goes on with the files that the run began with.
func (e *Engine) anewChoice(tx *record.Tx, p *waybill.ProblemView) ([]waybill.Choice, error) {
	for _, m := range p.Members {
		if m.Run == "" || m.Effect != "" {
			continue
		}
		run, err := tx.Run(m.Run)
		if err != nil {
			return nil, err
		}
		if list := e.runAnewChoices(run); list != nil {
			if p.Problem.Count > 1 {
				list[0].Label = fmt.Sprintf("Run all %d again on today's version", p.Problem.Count)
			}
			return list, nil
		}
	}
	return nil, nil
}

// runAnewChoices has the choice to run a run again on the version of today, when it needs a person and began on another one.
func (e *Engine) runAnewChoices(run *waybill.Run) []waybill.Choice {
	if run.State != waybill.RunBlocked || run.Bundle == e.today().id {
		return nil
	}
	return []waybill.Choice{{
		Verb: waybill.VerbAnew, Label: "Run it again on today's version", NeedsReason: true,
		Safety: "The workspace was changed since it began. What was done is not done again; this run is stopped and makes way",
	}}
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
