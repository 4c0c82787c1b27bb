package engine

import (
	"fmt"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
	"waybill/watch"
)

// A run that stands at an ask waits for a person: it leaves its lane, its question stands on the list, and needs nothing but
// a row until somebody answers or the time is over. What is approved is what was shown, known by its fingerprint: the gate
// lets nothing else go.

// approvalMark begins the codes of the problems that hold effects whose values are other than those that were approved.
const approvalMark = "approval of "

// resolveAsk puts a question: what it is about is rendered once, so that what cannot be sent is found before anybody is asked.
func (e *Engine) resolveAsk(a *advance, m *flow.Question, now time.Time) {
	b := a.b
	q := &waybill.Question{
		ID: waybill.AskID(e.ids.New("ask")), Event: b.event.ID, Run: b.run.ID, Flow: b.flow.Name, Address: m.Address, Round: m.Round,
		State: waybill.AskOpen, Question: m.Question, Show: encodeSome(m.Show), Change: encodeSome(m.Change), Who: m.Who, Role: m.Role,
		NoAnswer: m.NoAnswer, AskedAt: now,
	}
	if m.Within > 0 {
		q.DueAt = now.Add(m.Within)
	}
	for i := range m.For {
		f, err := e.askedFor(b, &m.For[i], now)
		if err != nil {
			e.blockRun(a, blame{cause: waybill.MappingWrong, connection: m.For[i].Connection, action: m.For[i].Action.Name, words: err.Error()})
			return
		}
		q.For = append(q.For, f)
	}
	a.ask = q
	owner := b.flow.Owner
	if len(m.Who) > 0 {
		owner = m.Who[0]
	}
	e.blockRun(a, blame{
		cause: waybill.WaitingForPerson, code: watch.AskMark + b.flow.Name + "." + keysOf.ReplaceAllString(m.Address, "[]"), owner: owner,
	})
	b.run.State, b.run.Reason, b.run.DueAt = waybill.RunWaiting, "waiting for "+e.askedWords(q)+": "+m.Question, q.DueAt
}

func encodeSome(m map[string]any) []byte {
	if len(m) == 0 {
		return nil
	}
	return encode(m)
}

// askedFor freezes one effect that is asked about.
func (e *Engine) askedFor(b *begun, p *flow.PlannedEffect, now time.Time) (waybill.AskFor, error) {
	t, ok := e.target(p.Connection)
	if !ok {
		return waybill.AskFor{}, gone(p.Connection)
	}
	eff := waybill.Effect{Event: b.event.ID, Flow: b.flow.Name, Address: p.Address, Generation: 1, Account: t.Account, PlannedAt: now}
	if err := e.render(t, p.Action, p.Inputs, &eff); err != nil {
		return waybill.AskFor{}, err
	}
	return waybill.AskFor{
		Address: p.Address, Connection: p.Connection, Account: t.Account, Action: p.Action.Name, Inputs: encode(p.Inputs),
		Fingerprint: eff.Fingerprint, Undo: p.Undoing(), GoodUntil: goodUntil(b.event, p),
	}, nil
}

// askedWords names who is asked.
func (e *Engine) askedWords(q *waybill.Question) string {
	if q.Role != "" {
		return "somebody with the role " + q.Role
	}
	names := make([]string, len(q.Who))
	for i, name := range q.Who {
		names[i] = e.words().Owner(name)
	}
	return strings.Join(names, " or ")
}

// applyApproved notes what a person approved with other values than were asked about.
func (e *Engine) applyApproved(tx *record.Tx, a *advance) error {
	for i := range a.approved {
		if err := tx.Approve(&a.approved[i], a.approver); err != nil {
			return fmt.Errorf("note what was approved: %w", err)
		}
	}
	return nil
}

// resolveApproved finds the fingerprints of what was approved with other values: in the accounts that were asked about.
func (e *Engine) resolveApproved(a *advance, m *flow.Approved) {
	for _, p := range m.For {
		t, ok := e.target(p.Connection)
		if !ok {
			continue // it cannot be sent either
		}
		mark, err := deliver.Fingerprint(t.Account, p.Action.Name, p.Inputs)
		if err != nil {
			continue
		}
		a.approved = append(a.approved, waybill.Effect{
			Event: a.b.event.ID, Flow: a.b.flow.Name, Address: p.Address, Approval: m.Address, Fingerprint: mark,
		})
	}
}

// askedAbout says what comes of what is asked about when it is approved now, and whether all of it could be undone.
func (e *Engine) askedAbout(q *waybill.Question) (words string, safe bool) {
	var sent, late []string
	safe = true
	for _, f := range q.For {
		what := e.words().Action(f.Connection, f.Action)
		if !f.GoodUntil.IsZero() && !e.d.Now().Before(f.GoodUntil) {
			late = append(late, what+" is left out, too late: it was good until "+f.GoodUntil.UTC().Format(time.RFC3339))
			continue
		}
		in, err := decodeMap(f.Inputs)
		if err != nil {
			in = nil
		}
		sent = append(sent, fmt.Sprintf("%s (%s), which %s", what, inputWords(in), strings.TrimSuffix(f.Undo, ".")))
		safe = safe && strings.HasPrefix(f.Undo, "can be")
	}
	words = "the run goes on"
	if len(sent) > 0 {
		words = "this is sent as it is shown: " + strings.Join(sent, "; ")
	}
	return strings.Join(append([]string{words}, late...), ". "), safe
}

// askChoices are the buttons of an open question.
func (e *Engine) askChoices(q *waybill.Question) []waybill.Choice {
	who := "For " + e.askedWords(q)
	about, safe := e.askedAbout(q)
	safety := who + ": " + about
	list := []waybill.Choice{{Verb: waybill.VerbApprove, Label: "Approve", Safety: safety, Safe: safe, Primary: true}}
	if len(q.Change) > 0 {
		list = append(list, waybill.Choice{
			Verb: waybill.VerbChange, Label: "Change and approve", Safety: who + ": it is sent with your values", Inputs: q.Change,
		})
	}
	return append(list, waybill.Choice{
		Verb: waybill.VerbReject, Label: "Reject", Safety: who + ": nothing of it is sent", Safe: true, NeedsReason: true,
	})
}

// approvalChoices are for an effect whose values are other than those that were approved.
func approvalChoices() []waybill.Choice {
	return []waybill.Choice{
		{Verb: waybill.VerbApprove, Label: "Approve these values", Safety: "It is sent as it is shown now", Primary: true},
		{Verb: waybill.VerbReject, Label: "Reject", Safety: "It is not sent, and the run ends", Safe: true, NeedsReason: true},
	}
}

// mayAnswer refuses whoever was not asked.
func (e *Engine) mayAnswer(who []string, role string, a waybill.Act) error {
	owners := func(name string) []string { return e.today().ws.Owners[name].People }
	if waybill.MayAnswer(who, role, a.Who, a.Role, owners) {
		return nil
	}
	if role != "" {
		return &waybill.Error{Kind: waybill.Forbidden, Message: "only somebody with the role " + role + " may answer this", Hint: "ask one of them"}
	}
	var people []string
	for _, name := range who {
		people = append(people, owners(name)...)
	}
	hint := "ask them"
	if len(people) > 0 {
		hint = "ask " + strings.Join(people, " or ")
	}
	return &waybill.Error{Kind: waybill.Forbidden, Message: "only " + strings.Join(who, " or ") + " may answer this, and " + a.Who + " is not of them", Hint: hint}
}

// answerAsk takes a person's answer: the run goes on, when its turn in its lane has come.
func (e *Engine) answerAsk(tx *record.Tx, w *deskWork, run *waybill.Run, a waybill.Act) error {
	q, err := tx.OpenAsk(run.ID)
	if err != nil {
		return err
	}
	if q == nil {
		return &waybill.Error{Kind: waybill.Conflict, Message: "nothing is asked here any more"}
	}
	if err := e.mayAnswer(q.Who, q.Role, a); err != nil {
		return err
	}
	if now := e.d.Now(); !q.DueAt.IsZero() && !now.Before(q.DueAt) {
		return &waybill.Error{
			Kind: waybill.Conflict, Message: "the time to answer was over at " + q.DueAt.UTC().Format(time.RFC3339),
			Hint: "load the page again to see what came of it",
		}
	}
	q.State, q.By, q.Reason, q.Answered = waybill.AskApproved, a.Who, a.Reason, e.d.Now()
	w.say = "Approved. The run goes on."
	switch a.Verb {
	case waybill.VerbReject:
		q.State, w.say = waybill.AskRejected, "Rejected. Nothing of it is sent."
	case waybill.VerbChange:
		b, err := e.load(tx, run)
		if err != nil {
			return err
		}
		if q.Values, err = changed(b, a.Inputs); err != nil {
			return err
		}
		w.say = "Approved with your values. The run goes on."
	default: // as it was asked
	}
	w.follow, err = e.closeAsk(tx, run, q)
	return err
}

// changed checks the values a person gives.
func changed(b *begun, inputs []byte) ([]byte, error) {
	schema := b.flow.Changeable(b.progress)
	in, err := decodeMap(inputs)
	if err != nil || schema == nil {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: "the values cannot be read", Hint: "write them as JSON, as they were shown", Err: err}
	}
	out, misfits := schema.Conform(in)
	if len(misfits) > 0 {
		words := make([]string, len(misfits))
		for i, m := range misfits {
			words[i] = m.Path + " " + m.Words
		}
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: "these values do not fit: " + strings.Join(words, "; ")}
	}
	return encode(out), nil
}

// closeAsk writes an answer and takes the run on with it.
func (e *Engine) closeAsk(tx *record.Tx, run *waybill.Run, q *waybill.Question) (*advance, error) {
	if err := tx.CloseAsk(q); err != nil {
		return nil, err
	}
	if err := tx.Clear(waybill.Member{Run: run.ID}); err != nil {
		return nil, err
	}
	if q.State == waybill.AskApproved && q.Values == nil {
		for _, f := range q.For {
			approved := waybill.Effect{Event: q.Event, Flow: q.Flow, Address: f.Address, Approval: q.Address, Fingerprint: f.Fingerprint}
			if err := tx.Approve(&approved, approver(q)); err != nil {
				return nil, fmt.Errorf("note what was approved: %w", err)
			}
		}
	}
	answer, err := answerTo(q)
	if err != nil {
		return nil, err
	}
	return e.goOn(tx, run, nil, answer)
}

func approver(q *waybill.Question) string {
	if q.By == "" {
		return "nobody: no answer in time"
	}
	return q.By
}

// answerTo is what an answered question means for its run; nil while it is open.
func answerTo(q *waybill.Question) (*flow.Answer, error) {
	a := &flow.Answer{Address: q.Address, By: q.By, Words: q.Reason}
	switch q.State {
	case waybill.AskApproved:
		a.Result = flow.Consent
		if q.Values != nil {
			var err error
			if a.Values, err = decodeMap(q.Values); err != nil {
				return nil, err
			}
		}
	case waybill.AskRejected:
		a.Result = flow.Dissent
	case waybill.AskPassedOn:
		a.Result = flow.NextRound
	case waybill.AskOver:
		a.Result = flow.Over
	default:
		return nil, nil
	}
	return a, nil
}

// askAnswer is the answer to the question at which a run stands. One that nobody answered in time is answered as its flow
// says.
func (e *Engine) askAnswer(tx *record.Tx, b *begun) (*flow.Answer, error) {
	all, err := tx.AsksOf(b.run.ID)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	q := &all[len(all)-1]
	if q.Address != b.progress.Address || q.Round != b.progress.Round {
		return nil, nil // the one that it stands at could not be put
	}
	if q.State != waybill.AskOpen {
		return answerTo(q)
	}
	if q.DueAt.IsZero() || e.d.Now().Before(q.DueAt) {
		return nil, nil
	}
	q.Reason = "nobody answered within " + spanWords(q.DueAt.Sub(q.AskedAt))
	q.State = map[string]waybill.AskState{
		"approve": waybill.AskApproved, "ask": waybill.AskPassedOn, "end": waybill.AskOver,
	}[q.NoAnswer]
	if q.State == "" {
		q.State = waybill.AskRejected
	}
	q.Answered = e.d.Now()
	if err := tx.CloseAsk(q); err != nil {
		return nil, err
	}
	if q.State == waybill.AskApproved {
		for _, f := range q.For {
			approved := waybill.Effect{Event: q.Event, Flow: q.Flow, Address: f.Address, Approval: q.Address, Fingerprint: f.Fingerprint}
			if err := tx.Approve(&approved, approver(q)); err != nil {
				return nil, err
			}
		}
	}
	return answerTo(q)
}

func spanWords(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}

// withdrawAsk takes back the question of a run that was stopped.
func (e *Engine) withdrawAsk(tx *record.Tx, run *waybill.Run, why string) error {
	q, err := tx.OpenAsk(run.ID)
	if err != nil || q == nil {
		return err
	}
	q.State, q.Reason, q.Answered = waybill.AskWithdrawn, why, e.d.Now()
	return tx.CloseAsk(q)
}

// answerApproval approves or rejects an effect that stands before the gate with other values than those that were approved.
func (e *Engine) answerApproval(tx *record.Tx, w *deskWork, run *waybill.Run, eff *waybill.Effect, a waybill.Act) error {
	b, err := e.load(tx, run)
	if err != nil {
		return err
	}
	address, _, _ := strings.Cut(eff.Approval, againMark)
	who, role, ok := b.flow.Asked(keysOf.ReplaceAllString(address, "[]"))
	if !ok {
		who = []string{run.Owner}
	}
	if err := e.mayAnswer(who, role, a); err != nil {
		return err
	}
	if a.Verb == waybill.VerbApprove {
		if err := tx.Approve(eff, a.Who); err != nil {
			return err
		}
		w.say, eff.Reason = "Approved. It is being sent now.", "approved by "+a.Who
		return e.letGo(tx, w, run, eff)
	}
	w.say = "Rejected. It is not sent, and the run ends."
	eff.State, eff.Reason, eff.SettledAt, eff.DueAt = waybill.EffectSkipped, "rejected by "+a.Who+": "+a.Reason, e.d.Now(), time.Time{}
	if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
		return err
	}
	if err := e.noteEffect(tx, eff); err != nil {
		return err
	}
	if b.progress.Address != eff.Address {
		return tx.Clear(waybill.Member{Effect: eff.ID})
	}
	w.follow = e.machine(b, &flow.Answer{Address: eff.Address, Result: flow.Over, Words: eff.Reason}, readsOf(tx, b))
	return e.apply(tx, w.follow, run.State) // it ends, so it needs no turn in its lane
}

// againMark parts an ask's address from the generation that a person sends again though the last one may have happened: an
// approval is for one time.
const againMark = "#"
