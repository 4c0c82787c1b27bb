package record

import "waybill"

// What was written to the outside objects: the newest fact of each, and who may be writing to it now. It makes the order
// rule of the gate hold over restarts and on several nodes: whoever sends claims the object in the same transaction.

// ClaimObject makes an effect the one that writes to an object of an account. When another effect does, nothing changes
// and that one is returned; instead names the one whose place it takes all the same.
func (tx *Tx) ClaimObject(o waybill.ObjectRef, by, instead waybill.EffectID) (other waybill.EffectID, err error) {
	hash := hash12(o.Account, o.Type, o.Key)
	changed, err := tx.exec(`INSERT INTO stamps (hash, effect, stamp, writer) VALUES ($1, '', '', $2)
		ON CONFLICT (hash) DO UPDATE SET writer = excluded.writer
		WHERE stamps.writer = '' OR stamps.writer = excluded.writer OR stamps.writer = $3`, hash, by, instead)
	if err != nil || changed > 0 {
		return "", err
	}
	return tx.Writer(o)
}

// Writer returns the effect that writes to an object now; empty when none does.
func (tx *Tx) Writer(o waybill.ObjectRef) (waybill.EffectID, error) {
	writer, _, err := one(tx, "SELECT writer FROM stamps WHERE hash = $1", text0, hash12(o.Account, o.Type, o.Key))
	return waybill.EffectID(writer), err
}

// FreeObject says that an effect writes to an object no longer.
func (tx *Tx) FreeObject(o waybill.ObjectRef, by waybill.EffectID) error {
	_, err := tx.exec("UPDATE stamps SET writer = '' WHERE hash = $1 AND writer = $2", hash12(o.Account, o.Type, o.Key), by)
	return err
}

// Stamp returns the stamp of the newest fact written to an object, and the effect that wrote it; both are empty when
// nothing was.
func (tx *Tx) Stamp(o waybill.ObjectRef) (waybill.Stamp, waybill.EffectID, error) {
	var s waybill.Stamp
	by, _, err := one(tx, "SELECT stamp, effect FROM stamps WHERE hash = $1", func(r row) (string, error) {
		return r.text(1), undoc(r.text(0), &s)
	}, hash12(o.Account, o.Type, o.Key))
	return s, waybill.EffectID(by), err
}

// SetStamp notes that an effect wrote a fact to an object, and that it is done with it. Whether the fact is the newest is
// the order guard's to say, before; mine reports whether the effect was still the one that writes there, so that no other
// came between.
func (tx *Tx) SetStamp(o waybill.ObjectRef, s waybill.Stamp, by waybill.EffectID) (mine bool, err error) {
	text, err := doc(s)
	if err != nil {
		return false, err
	}
	changed, err := tx.exec("UPDATE stamps SET effect = $2, stamp = $3, writer = '' WHERE hash = $1 AND writer = $2",
		hash12(o.Account, o.Type, o.Key), by, text)
	return changed > 0, err
}

// PutStamp writes the newest fact of an object whoever writes there.
func (tx *Tx) PutStamp(o waybill.ObjectRef, s waybill.Stamp, by waybill.EffectID) error {
	text, err := doc(s)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO stamps (hash, effect, stamp) VALUES ($1, $2, $3)
		ON CONFLICT (hash) DO UPDATE SET effect = excluded.effect, stamp = excluded.stamp`, hash12(o.Account, o.Type, o.Key), by, text)
	return err
}
