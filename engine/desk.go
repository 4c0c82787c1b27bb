package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/record"
)

// Act does what a person chose, writes it to the audit, and says in a sentence what happened. A choice that is not
// offered (any more) is a Conflict.
func (e *Engine) Act(ctx context.Context, a waybill.Act) (string, error) {
	if err := e.lookFirst(); err != nil {
		return "", err
	}
	switch kind, _, _ := strings.Cut(a.Object, "_"); kind {
	case "eff", "run":
		if a.Verb == waybill.VerbAnew {
			return e.runAnew(ctx, a, waybill.JobFilter{IDs: []string{a.Object}}, "Run again: "+a.Object)
		}
		return e.actOnRun(ctx, a)
	case "ask":
		return e.actOnAsk(ctx, a)
	case "itm":
		return e.actOnItem(ctx, a)
	case "prb":
		return e.actOnProblem(ctx, a)
	case "rst":
		return e.actOnRestored(ctx, a)
	default:
		return e.actOnConnection(ctx, a)
	}
}

// allowed refuses an act that is not offered now. It is asked in the transaction that acts, so that of two people who
// press at the same instant the second is told.
func (e *Engine) allowed(tx *record.Tx, a waybill.Act) error {
	offered, err := e.choices(tx, a.Object)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(offered, func(c waybill.Choice) bool { return c.Verb == a.Verb })
	if i < 0 {
		return &waybill.Error{Kind: waybill.Conflict, Message: fmt.Sprintf("%q is not possible here now", a.Verb), Hint: offers(offered)}
	}
	if a.About != "" && a.Verb != waybill.VerbStop {
		now, err := e.standing(tx, a.Object)
		if err != nil {
			return err
		}
		if now != a.About {
			return &waybill.Error{
				Kind: waybill.Conflict, Message: "something else stands here by now than what you saw, so nothing was done",
				Hint: "look at it again, and press what you want then",
			}
		}
	}
	if offered[i].NeedsReason && strings.TrimSpace(a.Reason) == "" {
		return &waybill.Error{Kind: waybill.Invalid, Message: "this needs a reason", Hint: "say in a few words why; it is kept with your name"}
	}
	return nil
}

// offers says what can be pressed in place of what cannot.
func offers(list []waybill.Choice) string {
	if len(list) == 0 {
		return "nothing can be pressed here as it stands now"
	}
	verbs := make([]string, len(list))
	for i, c := range list {
		verbs[i] = string(c.Verb)
	}
	return "what is possible as it stands now: " + strings.Join(verbs, ", ")
}

func (e *Engine) auditRow(a waybill.Act, before, after string) *waybill.Audited {
	return &waybill.Audited{ID: e.ids.New("aud"), At: e.d.Now(), Who: a.Who, Action: string(a.Verb), Object: a.Object, Reason: a.Reason, Before: before, After: after}
}

func (e *Engine) actOnConnection(ctx context.Context, a waybill.Act) (string, error) {
	if a.Verb == waybill.VerbRetire {
		return e.retireConnection(ctx, a)
	}
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		if err := e.allowed(tx, a); err != nil {
			return err
		}
		return tx.Audit(e.auditRow(a, string(e.stateOf(a.Object).Health), ""))
	})
	if err != nil {
		return "", err
	}
	if a.Verb == waybill.VerbPause {
		e.pause(a.Object, "paused by "+a.Who+because(a.Reason))
		return a.Object + " is paused: nothing is sent there until somebody lets it go on.", nil
	}
	e.resume(a.Object)
	return a.Object + " goes on.", nil
}

// deskWork is what an act on a run leads to, once it is on stable storage.
type deskWork struct {
	say     string
	follow  *advance
	send    *job
	advance waybill.RunID
	permit  *waybill.Effect // the permission it lacked is said to be there
	opened  string          // a step sends by itself from now on: what it holds back goes
}

func (e *Engine) actOnRun(ctx context.Context, a waybill.Act) (string, error) {
	var w *deskWork
	err := e.book.Do(ctx, func(tx *record.Tx) (err error) {
		w, err = e.runAct(tx, a)
		return err
	})
	if err != nil {
		return "", err
	}
	e.followDesk(w)
	return w.say, nil
}

// actOnAsk answers a question by its id: that very one, whatever its run asks by now.
func (e *Engine) actOnAsk(ctx context.Context, a waybill.Act) (string, error) {
	var q *waybill.Question
	err := e.book.View(ctx, func(tx *record.Tx) (err error) { q, err = tx.Ask(waybill.AskID(a.Object)); return err })
	if err != nil {
		return "", err
	}
	a.Object, a.About = string(q.Run), a.Object
	return e.actOnRun(ctx, a)
}

// runAct does to a run or an effect what was chosen, if it is offered; followDesk what it leads to, once that is on stable
// storage.
func (e *Engine) runAct(tx *record.Tx, a waybill.Act) (*deskWork, error) {
	w := &deskWork{}
	if err := e.allowed(tx, a); err != nil {
		return nil, err
	}
	var run *waybill.Run
	var eff *waybill.Effect
	var err error
	if strings.HasPrefix(a.Object, "eff_") {
		if eff, err = tx.Effect(waybill.EffectID(a.Object)); err != nil {
			return nil, err
		}
		run, err = tx.Run(eff.Run)
	} else if run, err = tx.Run(waybill.RunID(a.Object)); err == nil {
		eff, err = e.effectOfStep(tx, run)
	}
	if err != nil {
		return nil, err
	}
	before := string(run.State)
	switch {
	case a.Verb == waybill.VerbStop:
		err = e.stopRun(tx, w, run, a)
	case a.Verb == waybill.VerbGoOn:
		err = e.goOnNow(tx, w, run)
	case (a.Verb == waybill.VerbApprove || a.Verb == waybill.VerbReject) && eff != nil:
		err = e.answerApproval(tx, w, run, eff, a)
	case a.Verb == waybill.VerbApprove || a.Verb == waybill.VerbReject || a.Verb == waybill.VerbChange:
		err = e.answerAsk(tx, w, run, a)
	case a.Verb == waybill.VerbRelease:
		err = e.releaseEffect(tx, w, run, eff, a)
	case a.Verb == waybill.VerbUndo && strings.HasPrefix(a.Object, "run_"):
		err = e.undoRun(tx, w, run, a)
	case a.Verb == waybill.VerbUndo:
		err = e.undoEffect(tx, w, eff, a)
	case eff != nil:
		err = e.actOnEffect(tx, w, run, eff, a)
	default:
		err = e.actOnStep(tx, w, run, a)
	}
	if err != nil {
		return nil, err
	}
	return w, tx.Audit(e.auditRow(a, before, w.say))
}

// followDesk does what an act makes possible, once it is on stable storage.
func (e *Engine) followDesk(w *deskWork) {
	if w.permit != nil {
		e.permit(w.permit.Connection, w.permit.Action)
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
	if w.opened != "" {
		e.d.Go(func() { e.openSteps(w.opened) })
	}
}

// stopRun ends a run and hands its lane on.
func (e *Engine) stopRun(tx *record.Tx, w *deskWork, run *waybill.Run, a waybill.Act) error {
	if err := e.endRun(tx, run, a); err != nil {
		return err
	}
	w.say = "The run is stopped. What was done stays done."
	if run.Lane == "" {
		return nil
	}
	var err error
	w.advance, err = e.passLane(tx, run.ID)
	return err
}

// endRun ends a run; what it planned and did not send is skipped. What may have happened stays unknown.
func (e *Engine) endRun(tx *record.Tx, run *waybill.Run, a waybill.Act) error {
	from, why := run.State, "stopped by "+a.Who+": "+a.Reason
	list, err := tx.EffectsOf(run.ID)
	if err != nil {
		return err
	}
	for i := range list {
		eff := &list[i]
		if eff.Undoes != "" {
			continue // a person wants it all the same
		}
		if eff.Run == run.ID {
			if err := tx.Clear(waybill.Member{Effect: eff.ID}); err != nil {
				return err
			}
		}
		if eff.State != waybill.EffectPlanned || eff.Run != run.ID {
			continue
		}
		eff.State, eff.Reason, eff.SettledAt = waybill.EffectSkipped, why, e.d.Now()
		if eff.Doubted {
			eff.State, eff.DueAt, eff.SettledAt = waybill.EffectUnknown, waybill.Held(), time.Time{}
			eff.Reason = "an earlier attempt may have happened; " + why
		}
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return err
		}
		if err := e.noteEffect(tx, eff); err != nil {
			return err
		}
	}
	if err := e.withdrawAsk(tx, run, why); err != nil {
		return err
	}
	if err := tx.EndWaits(run.ID); err != nil {
		return err
	}
	run.State, run.Reason, run.EndedAt, run.Problem = waybill.RunStopped, why, e.d.Now(), ""
	if err := tx.MoveRun(run, from); err != nil {
		return err
	}
	return tx.Clear(waybill.Member{Run: run.ID})
}

// actOnEffect settles, skips, edits or sends again an effect: the one its run waits for, or a part that the run went on
// without.
func (e *Engine) actOnEffect(tx *record.Tx, w *deskWork, run *waybill.Run, eff *waybill.Effect, a waybill.Act) error {
	stands := standsAt(run, eff.Address)
	if !stands {
		if err := tx.Clear(waybill.Member{Effect: eff.ID}); err != nil {
			return err
		}
	}
	if a.Verb == waybill.VerbHappened || a.Verb == waybill.VerbSkip {
		return e.settleByHand(tx, w, run, eff, a)
	}
	if eff.Cause == waybill.PermissionMissing {
		w.permit = eff
	}
	held := *eff
	if err := e.sendByHand(tx, w, eff, a); err != nil {
		return err
	}
	if a.Verb == waybill.VerbEdit && held.State == waybill.EffectPlanned && held.HeldBy() == deliver.RuleRelease {
		if err := e.countRelease(tx, w, &held); err != nil {
			return err
		}
	}
	if !stands {
		w.send = &job{effect: eff}
		return nil
	}
	return e.sendInTurn(tx, w, run, eff)
}

// sendByHand makes an effect one that is sent now. What stands declined, is edited, or is sent again though it may have
// happened, becomes a new generation.
func (e *Engine) sendByHand(tx *record.Tx, w *deskWork, eff *waybill.Effect, a waybill.Act) error {
	from := eff.State
	switch {
	case a.Verb == waybill.VerbEdit:
		w.say = "It is being sent with your values."
		return e.anew(tx, eff, a.Inputs, a)
	case a.Verb == waybill.VerbSendAgain:
		w.say = "It is being sent again, as a new try on record."
		return e.anew(tx, eff, eff.Inputs, a)
	case from == waybill.EffectDeclined:
		w.say = "It is being sent now."
		return e.anew(tx, eff, eff.Inputs, a)
	}
	w.say = "It is being sent now."
	eff.State, eff.DueAt, eff.Tries, eff.Looks, eff.Doubted = waybill.EffectPlanned, time.Time{}, 0, 0, false
	eff.KeyUntil = time.Time{} // known not to have happened: they meet its key for the first time
	forgetBefore(eff)
	eff.Reason = a.Who + " lets it be sent"
	if a.Verb == waybill.VerbDidNot {
		eff.Proof = a.Who + " says it did not happen: " + a.Reason
	}
	if err := tx.MoveEffect(eff, from); err != nil {
		return err
	}
	return e.noteEffect(tx, eff)
}

// settleByHand ends an effect by a person's word, and the run goes on.
func (e *Engine) settleByHand(tx *record.Tx, w *deskWork, run *waybill.Run, eff *waybill.Effect, a waybill.Act) error {
	from, now := eff.State, e.d.Now()
	if a.Verb == waybill.VerbHappened {
		eff.State, eff.Proof, eff.SettledAt, eff.DueAt = waybill.EffectConfirmed, a.Who+" says it happened: "+a.Reason, now, time.Time{}
		w.say = "Noted: it happened. The run goes on."
	} else {
		w.say = "The step is left out. The run goes on."
		if from == waybill.EffectDeclined { // it stays declined on record
			if !standsAt(run, eff.Address) {
				w.say = "It is left as it is."
				return e.undoNext(tx, eff)
			}
			return e.skipStep(tx, w, run, eff.Address)
		}
		eff.State, eff.Reason, eff.SettledAt, eff.DueAt = waybill.EffectSkipped, "left out by "+a.Who+": "+a.Reason, now, time.Time{}
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

func (e *Engine) actOnItem(ctx context.Context, a waybill.Act) (string, error) {
	var again *piece
	var say string
	err := e.book.Do(ctx, func(tx *record.Tx) (err error) {
		again, say, err = e.itemAct(tx, a)
		return err
	})
	if err != nil {
		return "", err
	}
	if again != nil {
		e.hand(again)
	}
	return say, nil
}

// itemAct does to an item what was chosen, if it is offered. It returns the item when it is to be read again.
func (e *Engine) itemAct(tx *record.Tx, a waybill.Act) (*piece, string, error) {
	if err := e.allowed(tx, a); err != nil {
		return nil, "", err
	}
	it, err := tx.Item(waybill.ItemID(a.Object))
	if err != nil {
		return nil, "", err
	}
	if a.Verb != waybill.VerbNotUsed {
		return e.keepItem(tx, it, a)
	}
	from := it.State
	if err := tx.Clear(waybill.Member{Item: it.ID}); err != nil {
		return nil, "", err
	}
	it.Problem, it.State, it.Reason = "", waybill.ItemNotUsed, "set aside by "+a.Who+": "+a.Reason
	if err := tx.MoveItem(it, from); err != nil {
		return nil, "", err
	}
	const say = "It is set aside. Its bytes are kept."
	return nil, say, tx.Audit(e.auditRow(a, string(from), say))
}

// keepItem makes an item one that is to be read again.
func (e *Engine) keepItem(tx *record.Tx, it *waybill.Item, a waybill.Act) (*piece, string, error) {
	from := it.State
	if err := tx.Clear(waybill.Member{Item: it.ID}); err != nil {
		return nil, "", err
	}
	it.Problem, it.State, it.Reason, it.DueAt = "", waybill.ItemKept, "", time.Time{}
	again := &piece{item: *it}
	if err := tx.MoveItem(it, from); err != nil {
		return nil, "", err
	}
	const say = "It is being read again."
	return again, say, tx.Audit(e.auditRow(a, string(from), say))
}

// actOnProblem takes a problem, leaves what it holds as it is, or retries every member that is known not to have
// happened: many of them as a job.
func (e *Engine) actOnProblem(ctx context.Context, a waybill.Act) (string, error) {
	var view *waybill.ProblemView
	err := e.book.Do(ctx, func(tx *record.Tx) (err error) {
		if err := e.allowed(tx, a); err != nil {
			return err
		}
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
	if a.Verb == waybill.VerbRetry {
		return e.retryProblem(ctx, a, view)
	}
	if a.Verb == waybill.VerbAnew {
		return e.planAnew(ctx, a, waybill.JobFilter{Problem: view.Problem.ID}, "Run again: "+view.Problem.Title)
	}
	done, left, seen := 0, 0, map[waybill.Member]bool{}
	for more := true; more; { // a problem shows so many members at a time; those that were dealt with leave it
		more = false
		for _, m := range view.Members {
			m.At = time.Time{}
			if seen[m] {
				continue
			}
			seen[m], more = true, true
			if e.actOnMember(ctx, a, m) {
				done++
			} else {
				left++
			}
		}
		err := e.book.View(ctx, func(tx *record.Tx) (err error) { view, err = tx.Problem(waybill.ProblemID(a.Object)); return err })
		if err != nil {
			return "", err
		}
	}
	if a.Verb == waybill.VerbSkip {
		return fmt.Sprintf("%d left as they are.", done), nil
	}
	if a.Verb == waybill.VerbNotUsed {
		return fmt.Sprintf("%d set aside. Their bytes are kept.", done), nil
	}
	say := fmt.Sprintf("%d released.", done)
	if a.Verb == waybill.VerbSendAgain {
		say = fmt.Sprintf("%d are being sent with the new values.", done)
	}
	if left > 0 {
		say += fmt.Sprintf(" %d need a look of their own: it is not certain that a repeat is safe.", left)
	}
	return say, nil
}

// actOnMember does to one member what was chosen for all of its problem; false when that is not offered for it.
func (e *Engine) actOnMember(ctx context.Context, a waybill.Act, m waybill.Member) bool {
	if a.Verb == waybill.VerbSkip {
		return e.book.Do(ctx, func(tx *record.Tx) error { return tx.Clear(m) }) == nil
	}
	if a.Verb == waybill.VerbSendAgain { // for all of them only what makes no second one
		over := false
		err := e.book.View(ctx, func(tx *record.Tx) (err error) { over, err = e.overwrites(tx, m.Run); return err })
		if err != nil || !over {
			return false
		}
	}
	switch {
	case m.Item != "":
		a.Object = string(m.Item)
	case m.Effect != "":
		a.Object = string(m.Effect)
	default:
		a.Object = string(m.Run)
	}
	_, err := e.Act(ctx, a)
	return err == nil
}

// retryProblem lets a connection go on, tries one thing again at once, and many as a job.
func (e *Engine) retryProblem(ctx context.Context, a waybill.Act, view *waybill.ProblemView) (string, error) {
	p := &view.Problem
	others, one := p.Count, waybill.Member{}
	for _, m := range view.Members {
		if m.Connection == "" {
			one = m
			continue
		}
		others--
		if p.Cause == waybill.PermissionMissing {
			e.permit(m.Connection, p.Action)
		} else {
			e.resume(m.Connection)
		}
	}
	switch others {
	case 0:
		return fmt.Sprintf("%d tried again.", p.Count), nil
	case 1:
		if !e.actOnMember(ctx, a, one) {
			return "It needs a look of its own: it is not certain that a repeat is safe.", nil
		}
		return "1 tried again.", nil
	}
	job, err := e.PlanJob(ctx, &waybill.Job{
		Name: "Retry all: " + p.Title, Kind: waybill.JobRetry, Who: a.Who, Why: orElse(a.Reason, "retry all"), Go: true,
		Filter: waybill.JobFilter{Problem: p.ID},
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d are tried again, a few at a time: job %s.", others, job.ID) + leftAlone(job), nil
}

// runAnew runs one run again on the version of today.
func (e *Engine) runAnew(ctx context.Context, a waybill.Act, which waybill.JobFilter, name string) (string, error) {
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		if err := e.allowed(tx, a); err != nil {
			return err
		}
		return tx.Audit(e.auditRow(a, string(waybill.RunBlocked), ""))
	})
	if err != nil {
		return "", err
	}
	return e.planAnew(ctx, a, which, name)
}

// planAnew runs again as a job what a filter chooses, on the version of today.
func (e *Engine) planAnew(ctx context.Context, a waybill.Act, which waybill.JobFilter, name string) (string, error) {
	job, err := e.PlanJob(ctx, &waybill.Job{Name: name, Kind: waybill.JobReplay, Who: a.Who, Why: a.Reason, Go: true, Filter: which})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Run again on the version of today: job %s.", job.ID) + leftAlone(job), nil
}

// leftAlone says what a job that was let go at once does not do.
func leftAlone(job *waybill.Job) (say string) {
	if n := job.Plan.Classes[waybill.ClassBlocked]; n > 0 {
		say += fmt.Sprintf(" %d of them need a look of their own: it is not certain that a repeat is safe.", n)
	}
	if n := job.Plan.Classes[waybill.ClassFails]; n > 0 {
		say += fmt.Sprintf(" %d are left as they are: their cause is still there.", n)
	}
	return say
}
