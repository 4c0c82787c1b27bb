package record

import (
	"time"

	"waybill"
)

// Work that is due: the queue is the table. Lists are oldest first; what is asked for again while its work is under way
// comes again, so the caller remembers what it has in hand.

// DueItems lists kept items whose time has come, and fetching ones that were given a time.
func (tx *Tx) DueItems(now time.Time, limit int) ([]waybill.Item, error) {
	return list(tx, "SELECT "+itemColumns+` FROM items WHERE state IN ('kept', 'fetching', 'blocked')
		AND state IN ('kept', 'fetching') AND due <= $1 ORDER BY due, id LIMIT $2`, scanItem, now, limit)
}

// DueRuns lists queued runs that are first in their lane, and running or waiting ones that were given a time.
func (tx *Tx) DueRuns(now time.Time, limit int) ([]waybill.Run, error) {
	return list(tx, "SELECT "+runColumns+` FROM runs WHERE state <> 'done'
		AND state IN ('queued', 'running', 'waiting') AND due <= $1 ORDER BY due, id LIMIT $2`, scanRun, now, limit)
}

// open is what makes SQLite use the index of open effects: the same words as in its definition.
const open = "state IN ('planned', 'sent', 'unknown')"

// DueEffects lists planned effects of a connection that are due.
func (tx *Tx) DueEffects(connection string, now time.Time, limit int) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE "+open+` AND state = 'planned' AND connection = $1
		AND due <= $2 ORDER BY due, seq LIMIT $3`, scanEffect, connection, now, limit)
}

// DueLooks lists effects that stand as sent or unknown and whose next look-up is due.
func (tx *Tx) DueLooks(now time.Time, limit int) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE "+open+` AND state IN ('sent', 'unknown')
		AND due <= $1 ORDER BY due, seq LIMIT $2`, scanEffect, now, limit)
}

// SentEffects lists every effect that stands as sent, in the order of planning, after one of them (empty: from the start):
// for the start after a crash.
func (tx *Tx) SentEffects(after waybill.EffectID, limit int) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE "+open+` AND state = 'sent'
		AND seq > coalesce((SELECT seq FROM effects WHERE id = $1), 0) ORDER BY seq LIMIT $2`, scanEffect, after, limit)
}

// DueFetches lists planned fetches of a connection that are due.
func (tx *Tx) DueFetches(connection string, now time.Time, limit int) ([]waybill.Fetch, error) {
	return list(tx, "SELECT "+fetchColumns+` FROM fetches WHERE state = 'planned' AND connection = $1 AND due <= $2
		ORDER BY due, seq LIMIT $3`, scanFetch, connection, now, limit)
}

// BusyConnections names the connections with planned effects or fetches, sorted. It steps from one name to the next, however
// long the queue of each is.
func (tx *Tx) BusyConnections() ([]string, error) {
	return list(tx, `WITH RECURSIVE
		e (c) AS (
			SELECT min(connection) FROM effects WHERE `+open+` AND state = 'planned'
			UNION ALL SELECT (SELECT min(connection) FROM effects WHERE `+open+` AND state = 'planned' AND connection > e.c)
			FROM e WHERE e.c IS NOT NULL),
		f (c) AS (
			SELECT min(connection) FROM fetches WHERE state = 'planned'
			UNION ALL SELECT (SELECT min(connection) FROM fetches WHERE state = 'planned' AND connection > f.c)
			FROM f WHERE f.c IS NOT NULL)
		SELECT c FROM e WHERE c IS NOT NULL UNION SELECT c FROM f WHERE c IS NOT NULL ORDER BY 1`, text0)
}

// NextDue returns the earliest time at which anything that is not due at after becomes due; zero when nothing waits for a
// time.
func (tx *Tx) NextDue(after time.Time) (time.Time, error) {
	busy, err := tx.BusyConnections()
	if err != nil {
		return time.Time{}, err
	}
	next := int64(0)
	ask := func(text string, args ...any) {
		if err != nil {
			return
		}
		var n int64
		if n, _, err = one(tx, text, num0, append([]any{after}, args...)...); err == nil && n != 0 && (next == 0 || n < next) {
			next = n
		}
	}
	for _, state := range []waybill.ItemState{waybill.ItemKept, waybill.ItemFetching} {
		ask("SELECT min(due) FROM items WHERE state IN ('kept', 'fetching', 'blocked') AND state = $2 AND due > $1", state)
	}
	for _, state := range []waybill.RunState{waybill.RunQueued, waybill.RunRunning, waybill.RunWaiting} {
		ask("SELECT min(due) FROM runs WHERE state <> 'done' AND state = $2 AND due > $1", state)
	}
	for _, state := range []waybill.EffectState{waybill.EffectSent, waybill.EffectUnknown} {
		ask("SELECT min(due) FROM effects WHERE "+open+" AND state = $2 AND due > $1", state)
	}
	for _, c := range busy {
		ask("SELECT min(due) FROM effects WHERE "+open+" AND state = 'planned' AND connection = $2 AND due > $1", c)
		ask("SELECT min(due) FROM fetches WHERE state = 'planned' AND connection = $2 AND due > $1", c)
	}
	return at(next), err
}
