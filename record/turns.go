package record

import "time"

// TakeTurn lets one node at a time do something with a name, until a time at the latest; mine says whether this epoch may.
// Whoever may is told what the last one left there, nil for nothing.
func (tx *Tx) TakeTurn(name string, epoch int64, until time.Time) (left []byte, mine bool, err error) {
	now, err := tx.Clock()
	if err != nil {
		return nil, false, err
	}
	taken, err := tx.exec(`INSERT INTO turns (name, epoch, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE
		SET epoch = excluded.epoch, until = excluded.until WHERE turns.until < $4`, name, epoch, until, now)
	if err != nil || taken == 0 {
		return nil, false, err
	}
	left, _, err = one(tx, "SELECT value FROM turns WHERE name = $1", bytes0, name)
	return left, true, err
}

// EndTurn gives a turn up and leaves a value for the next one; nil leaves what was there. It does nothing when the turn has
// gone to another epoch.
func (tx *Tx) EndTurn(name string, epoch int64, leave []byte) error {
	_, err := tx.exec("UPDATE turns SET until = 0, value = coalesce($3, value) WHERE name = $1 AND epoch = $2 AND until > 0", name, epoch, leave)
	return err
}
