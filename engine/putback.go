package engine

import (
	"waybill"
	"waybill/record"
)

// A job that puts back undoes confirmed effects, the newest first, each by the effect that a person's undo of it would plan.

// undoInBulk plans what undoes the effect of a member.
func (e *Engine) undoInBulk(tx *record.Tx, j *waybill.Job, m *waybill.JobMember) (func(), error) {
	eff, err := tx.Effect(waybill.EffectID(m.Object))
	if err != nil {
		return nil, err
	}
	if not, err := e.whyNotPutBack(tx, eff); err != nil || not != "" {
		return nil, orRefusal(err, not)
	}
	newer, err := e.writtenSince(tx, eff)
	if err != nil || newer != nil {
		return nil, orRefusal(err, newerWords(newer))
	}
	undo, err := e.planUndo(tx, eff, waybill.Act{Who: j.Who, Verb: waybill.VerbUndo, Reason: orElse(j.Why, j.Name)}, "")
	if err != nil {
		return nil, err
	}
	return func() { e.queue(&job{effect: undo}) }, nil
}

func orRefusal(err error, words string) error {
	if err != nil {
		return err
	}
	return cannot("", "%s", words)
}

func newerWords(newer *waybill.Effect) string {
	if newer == nil {
		return ""
	}
	return "a newer fact was written there since, by " + string(newer.ID)
}

// whyNotPutBack says why an effect is not put back in bulk; empty when it is.
func (e *Engine) whyNotPutBack(tx *record.Tx, eff *waybill.Effect) (string, error) {
	run, err := tx.Run(eff.Run)
	if err != nil {
		return "", err
	}
	if !run.State.Ended() {
		return "its run has not ended", nil
	}
	u, not, err := e.howUndone(tx, eff)
	switch {
	case err != nil:
		return "", err
	case u == nil:
		return "it cannot be put back: " + not, nil
	case !u.back:
		return "it is undone by another action, one by one, on its page", nil
	}
	open, err := undoOpen(tx, eff)
	if open {
		return "it is being undone already", err
	}
	return "", err
}

// judgePutBack says what putting back one effect would do.
func (e *Engine) judgePutBack(tx *record.Tx, job *waybill.Job, m *judged) error {
	eff, err := tx.Effect(waybill.EffectID(m.Object))
	if err != nil {
		return err
	}
	m.Event, m.Run = eff.Event, eff.Run
	if eff.State != waybill.EffectConfirmed || eff.Undoes != "" {
		m.comesTo(waybill.ClassNothing, "there is nothing to put back: it is "+string(eff.State))
		return nil
	}
	w := waybill.JobWrite{
		Address: eff.Address, Connection: eff.Connection, Action: eff.Action, Kind: eff.Kind, Effect: eff.ID, Class: waybill.ClassNew,
		Words: "what was there before is written back, if nobody changed it since", Old: eff.Inputs, New: eff.Before,
	}
	not, err := e.whyNotPutBack(tx, eff)
	if err != nil {
		return err
	}
	newer, err := e.writtenSince(tx, eff)
	if err != nil {
		return err
	}
	switch closed := e.closed(eff.Connection, eff.Action); {
	case not != "":
		w.Class, w.Words = waybill.ClassBlocked, not
	case newer != nil && !chooses(job, newer):
		w.Class, w.Words = waybill.ClassBlocked, newerWords(newer)
	case closed != "":
		w.Class, w.Words, m.closed = waybill.ClassFails, closed, closed
	}
	m.add(w, nil)
	m.comesTo(w.Class, w.Address+": "+w.Words)
	return nil
}

// writtenSince is the effect that wrote to the same object after this one and was not put back; nil when none did.
func (e *Engine) writtenSince(tx *record.Tx, eff *waybill.Effect) (*waybill.Effect, error) {
	if _, ordered := eff.Writes(); !ordered {
		return nil, nil
	}
	_, by, err := e.newestWritten(tx, eff)
	if err != nil || by == "" || by == eff.ID {
		return nil, err
	}
	newer, err := tx.Effect(by)
	if err != nil || newer.State != waybill.EffectConfirmed || newer.Undoes != "" {
		return nil, err
	}
	return newer, nil
}

// chooses reports whether a job that puts back is sure to put an effect back, too, and before the older ones.
func chooses(j *waybill.Job, eff *waybill.Effect) bool {
	f := j.Filter
	return (f.Flow == "" || f.Flow == eff.Flow) && (f.Connection == "" || f.Connection == eff.Connection) && f.Type == "" && f.Query == "" &&
		len(f.IDs) == 0 && f.Problem == "" && !eff.PlannedAt.Before(f.Since) && (f.Until.IsZero() || eff.PlannedAt.Before(f.Until))
}
