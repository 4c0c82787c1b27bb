package engine

import (
	"waybill"
	"waybill/deliver"
	"waybill/record"
)

// The order of facts about one object: the gate's rule needs the newest one that was written, and nobody may write there at
// the same time, on this node or another. So whoever sends claims the object in the transaction that writes `sent`.

// claimObject claims the object for the effect that is to be sent, and shows the gate who writes there else.
func (e *Engine) claimObject(tx *record.Tx, view *deliver.GateView, object waybill.ObjectRef) error {
	other, err := tx.ClaimObject(object, view.Effect.ID, "")
	if err != nil {
		return err
	}
	if also, ok := e.alsoKept(view.Effect); ok && other == "" {
		if other, err = tx.Writer(also); err != nil {
			return err
		}
	}
	if other != "" {
		writing, err := tx.Effect(other)
		if err != nil && waybill.KindOf(err) != waybill.NotFound {
			return err
		}
		if err == nil {
			view.Writing = writing
		}
	}
	view.Newest, view.NewestBy, err = e.newestWritten(tx, view.Effect)
	return err
}

// alsoKept is the other name that writes to an effect's object may be kept under; false when there is none. Until the account's
// own id is known, that is the connection's name.
func (e *Engine) alsoKept(eff *waybill.Effect) (object waybill.ObjectRef, ok bool) {
	object, _ = eff.Writes()
	if object.Account != eff.Connection {
		object.Account = eff.Connection
		return object, true
	}
	object.Account = e.account(eff.Connection)
	return object, object.Account != "" && object.Account != eff.Connection
}

// newestWritten returns the stamp of the newest fact written to an effect's object, and the effect that wrote it.
func (e *Engine) newestWritten(tx *record.Tx, eff *waybill.Effect) (waybill.Stamp, waybill.EffectID, error) {
	object, _ := eff.Writes()
	newest, by, err := tx.Stamp(object)
	also, ok := e.alsoKept(eff)
	if err != nil || !ok {
		return newest, by, err
	}
	older, before, err := tx.Stamp(also)
	if err == nil && before != "" && (by == "" || deliver.Older(newest, older)) {
		return older, before, nil
	}
	return newest, by, err
}

// claimed keeps the claim of an effect that goes, and gives back that of one that does not. One that may go though another
// wrote there before it, and nobody knows what came of that, takes its place.
func (e *Engine) claimed(tx *record.Tx, view *deliver.GateView, object waybill.ObjectRef, deciding waybill.GateAnswer) error {
	eff := view.Effect
	switch {
	case deciding.Verdict != waybill.Go && !eff.Doubted:
		return tx.FreeObject(object, eff.ID)
	case deciding.Verdict != waybill.Go || view.Writing == nil:
		return nil
	}
	_, err := tx.ClaimObject(object, eff.ID, view.Writing.ID)
	return err
}

// noteWritten notes the fact that an effect wrote to its object, unless a newer one was written meanwhile, and that it is
// done with it. While its outcome is not known it keeps the object. What undoes is no fact: the newest one stays.
func (e *Engine) noteWritten(tx *record.Tx, eff *waybill.Effect, object waybill.ObjectRef) error {
	switch {
	case eff.State == waybill.EffectConfirmed && eff.Undoes == "":
		mine, err := tx.SetStamp(object, eff.Order, eff.ID)
		if err != nil || mine {
			return err
		}
		newest, _, err := e.newestWritten(tx, eff)
		if err != nil || deliver.Older(eff.Order, newest) {
			return err
		}
		return tx.PutStamp(object, eff.Order, eff.ID)
	case eff.State == waybill.EffectSent || eff.State == waybill.EffectUnknown || eff.Doubted:
		return nil
	default:
		return tx.FreeObject(object, eff.ID)
	}
}
