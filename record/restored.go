package record

import (
	"waybill"
)

// Restored returns what the book remembers of having been restored; nil when it never was.
func (tx *Tx) Restored() (*waybill.Restored, error) {
	text, found, err := one(tx, "SELECT value FROM book WHERE name = 'restored'", text0)
	if err != nil || !found {
		return nil, err
	}
	var r waybill.Restored
	return &r, undoc(text, &r)
}

// SetRestored writes what the book remembers of having been restored.
func (tx *Tx) SetRestored(r *waybill.Restored) error {
	text, err := doc(r)
	if err != nil {
		return err
	}
	return tx.setBook("restored", text)
}

func (tx *Tx) setBook(name, value string) error {
	_, err := tx.exec(`INSERT INTO book (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// PlannedEffects lists every effect that stands planned, in the order of planning, after one of them (empty: from the
// start): for the first start after a restore.
func (tx *Tx) PlannedEffects(after waybill.EffectID, limit int) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE "+openEffect+` AND state = 'planned'
		AND seq > coalesce((SELECT seq FROM effects WHERE id = $1), 0) ORDER BY seq LIMIT $2`, scanEffect, after, limit)
}

// UnknownEffects counts the effects whose outcome is not known.
func (tx *Tx) UnknownEffects() (int, error) {
	n, _, err := one(tx, "SELECT count(*) FROM effects WHERE "+openEffect+" AND state = 'unknown'", num0)
	return int(n), err
}
