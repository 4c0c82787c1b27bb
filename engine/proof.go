package engine

import (
	"fmt"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/record"
	"waybill/translate"
)

// Proof that comes another way than as the answer to the call: a webhook that carries our reference, before the answer,
// after it, or in its place.

// answerWait is how long a run waits for the answer to a call whose webhook was faster. A call takes less.
const answerWait = 2 * time.Minute

// applySettles lets a webhook that carries our reference prove an effect.
func (e *Engine) applySettles(tx *record.Tx, u *understood, s translate.SettlesFound) error {
	eff, err := tx.EffectByKey(u.item.Connection, s.Reference)
	if waybill.KindOf(err) == waybill.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	proof := fmt.Sprintf("webhook %s says %s", u.item.Type, s.State)
	if s.Message != "" {
		m := waybill.Message{
			Effect: eff.ID, Event: eff.Event, Connection: eff.Connection, To: recipient(eff),
			Template: inputText(eff, "template"), Remote: s.Remote, State: waybill.MessageState(s.Message), Reason: s.Reason, UpdatedAt: e.d.Now(),
		}
		if err := tx.PutMessage(&m); err != nil {
			return fmt.Errorf("note the message: %w", err)
		}
	}
	if eff.State != waybill.EffectSent && eff.State != waybill.EffectUnknown && (eff.State != waybill.EffectPlanned || !eff.Doubted) {
		return nil
	}
	from, underway := eff.State, e.claims.held(string(eff.ID))
	eff.Doubted = false
	eff.State, eff.Proof, eff.SettledAt, eff.DueAt = waybill.EffectConfirmed, proof, e.d.Now(), time.Time{}
	eff.Reason = s.Reason
	if s.State == "declined" {
		eff.State, eff.Cause = waybill.EffectDeclined, waybill.DeclinedValue
	}
	if s.Remote != "" {
		eff.Object.ID = s.Remote
		eff.Answer = remoteOutput(e.actionOf(eff.Connection, eff.Action), s.Remote)
	}
	if err := tx.MoveEffect(eff, from); err != nil {
		return fmt.Errorf("settle the effect: %w", err)
	}
	if err := e.noteEffect(tx, eff); err != nil {
		return err
	}
	run, err := tx.Run(eff.Run)
	if err != nil {
		return err
	}
	if from == waybill.EffectSent && underway && run.State == waybill.RunWaiting {
		run.DueAt = e.d.Now().Add(answerWait) // the answer may carry what later steps need; without it the run goes on then
		return tx.MoveRun(run, waybill.RunWaiting)
	}
	a, err := e.goOn(tx, run, eff, answerOf(eff))
	if a != nil {
		u.follows = append(u.follows, a)
	}
	return err
}

// remoteOutput is what is known of an action's output from the object's id alone. A later step that names more of it
// asks a person.
func remoteOutput(action *connector.Action, id string) []byte {
	if action == nil || action.Output == nil || action.Output.Properties["id"] == nil {
		return nil
	}
	return encode(map[string]any{"id": id})
}

// lateAnswer takes the answer to a call whose effect was settled meanwhile. What stands settled stays so; what the answer
// carries is kept, and a run that waits for it goes on.
func (e *Engine) lateAnswer(tx *record.Tx, id waybill.EffectID, x deliver.Exchange) (*advance, error) {
	eff, err := tx.Effect(id)
	if err != nil || eff.State != waybill.EffectConfirmed {
		return nil, err
	}
	if x.Attempt.Certainty == waybill.Happened && x.Answer != nil {
		eff.Answer = encode(x.Answer)
		if x.Object != "" {
			eff.Object.ID = x.Object
		}
		if err := tx.MoveEffect(eff, waybill.EffectConfirmed); err != nil {
			return nil, err
		}
	}
	run, err := tx.Run(eff.Run)
	if err != nil || !standsAt(run, eff.Address) {
		return nil, err
	}
	return e.goOn(tx, run, eff, answerOf(eff))
}

// testify writes what came of an exchange whose node was called lost meanwhile. The attempt is kept; that it happened
// proves the effect wherever the others have taken it, and settles an unknown. Anything else leaves it to them: they may
// have sent it again. Whoever comes first takes the run on.
func (e *Engine) testify(tx *record.Tx, j *job, x deliver.Exchange) error {
	attempt := x.Attempt
	attempt.Effect, attempt.Number, attempt.Note = j.effect.ID, j.effect.Tries+1, "the node that made it had lost its lease"
	if err := tx.AddAttempt(&attempt); err != nil {
		return fmt.Errorf("write the attempt: %w", err)
	}
	if x.Attempt.Certainty != waybill.Happened || j.action.Proves == "callback" {
		return nil
	}
	eff, err := tx.Effect(j.effect.ID)
	if err != nil {
		return err
	}
	from := eff.State
	switch {
	case from == waybill.EffectConfirmed:
		_, err := e.lateAnswer(tx, eff.ID, x)
		return err
	case from != waybill.EffectSent && from != waybill.EffectUnknown && (from != waybill.EffectPlanned || !eff.Doubted):
		return nil
	}
	now := e.d.Now()
	dec := deliver.Decide(eff, j.action, x, e.o.Policy, now)
	applyDecision(eff, dec, x, now)
	eff.Proof += ", told late"
	if err := tx.MoveEffect(eff, from); err != nil {
		return fmt.Errorf("settle the effect: %w", err)
	}
	if err := e.noteEffect(tx, eff); err != nil {
		return err
	}
	run, err := tx.Run(eff.Run)
	if err != nil {
		return err
	}
	_, err = e.goOn(tx, run, eff, answerOf(eff))
	return err
}
