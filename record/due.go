package record

import (
	"cmp"
	"slices"
	"time"

	"waybill"
)

// Work that is due: the queue is the table. Lists are oldest first; what is asked for again while its work is under way
// comes again, so the caller remembers what it has in hand.

// These are the conditions of the partial indexes, in the same words: only so does SQLite see that an index will do. (In
// an index, IN would cost a little table for each row written.)
const (
	openItem   = "(state = 'kept' OR state = 'fetching' OR state = 'blocked')"
	openRun    = "state <> 'done'"
	openEffect = "(state = 'planned' OR state = 'sent' OR state = 'unknown')"
)

// queue is a table as a queue: its rows that are open, by the time they are due.
type queue[T any] struct {
	table, columns, open string
	scan                 func(row) (T, error)
}

// due merges lists that are each in order of due time into the first limit of all. One list for each state is read in the
// order of the index, so a backlog of any length costs no more than what is taken from it.
func (q queue[T]) due(tx *Tx, now time.Time, limit int, states ...string) ([]T, error) {
	type dated struct {
		due int64
		id  string
		it  T
	}
	text := "SELECT due, id, " + q.columns + " FROM " + q.table + " WHERE " + q.open + ` AND state = $1 AND due <= $2
		ORDER BY due, id LIMIT $3`
	var all []dated
	for _, state := range states {
		some, err := list(tx, text, func(r row) (dated, error) {
			it, err := q.scan(skipped{r, 2})
			return dated{r.num(0), r.text(1), it}, err
		}, state, now, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b dated) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id))
	})
	var out []T
	for _, d := range all[:min(len(all), limit)] {
		out = append(out, d.it)
	}
	return out, nil
}

// skipped is a row without its first columns.
type skipped struct {
	r row
	n int
}

func (s skipped) text(i int) string  { return s.r.text(i + s.n) }
func (s skipped) num(i int) int64    { return s.r.num(i + s.n) }
func (s skipped) bytes(i int) []byte { return s.r.bytes(i + s.n) }

// DueItems lists kept items whose time has come, and fetching ones that were given a time.
func (tx *Tx) DueItems(now time.Time, limit int) ([]waybill.Item, error) {
	return queue[waybill.Item]{"items", itemColumns, openItem, scanItem}.due(tx, now, limit, string(waybill.ItemKept), string(waybill.ItemFetching))
}

// DueRuns lists queued runs that are first in their lane, and running or waiting ones that were given a time.
func (tx *Tx) DueRuns(now time.Time, limit int) ([]waybill.Run, error) {
	return queue[waybill.Run]{"runs", runColumns, openRun, scanRun}.due(tx, now, limit,
		string(waybill.RunQueued), string(waybill.RunRunning), string(waybill.RunWaiting))
}

// DueEffects lists planned effects of a connection that are due, of one flow: so that what a flow with a long backlog has to
// send does not stand before what others have.
func (tx *Tx) DueEffects(connection, flow string, now time.Time, limit int) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE "+openEffect+` AND state = 'planned' AND connection = $1
		AND flow = $2 AND due <= $3 ORDER BY due, seq LIMIT $4`, scanEffect, connection, flow, now, limit)
}

// BusyFlows names the flows with planned effects of a connection, sorted. It steps from one name to the next, however long
// the queue of each is.
func (tx *Tx) BusyFlows(connection string) ([]string, error) {
	return list(tx, `WITH RECURSIVE f (n) AS (
			SELECT min(flow) FROM effects WHERE `+openEffect+` AND state = 'planned' AND connection = $1
			UNION ALL SELECT (SELECT min(flow) FROM effects WHERE `+openEffect+` AND state = 'planned' AND connection = $1
				AND flow > f.n)
			FROM f WHERE f.n IS NOT NULL)
		SELECT n FROM f WHERE n IS NOT NULL ORDER BY 1`, text0, connection)
}

// DueLooks lists effects that stand as sent or unknown and whose next look-up is due.
func (tx *Tx) DueLooks(now time.Time, limit int) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE "+openEffect+` AND state IN ('sent', 'unknown')
		AND due <= $1 ORDER BY due, seq LIMIT $2`, scanEffect, now, limit)
}

// SentEffects lists every effect that stands as sent, in the order of planning, after one of them (empty: from the start):
// for the start after a crash.
func (tx *Tx) SentEffects(after waybill.EffectID, limit int) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE "+openEffect+` AND state = 'sent'
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
			SELECT min(connection) FROM effects WHERE `+openEffect+` AND state = 'planned'
			UNION ALL SELECT (SELECT min(connection) FROM effects WHERE `+openEffect+` AND state = 'planned' AND connection > e.c)
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
		ask("SELECT min(due) FROM items WHERE "+openItem+" AND state = $2 AND due > $1", state)
	}
	for _, state := range []waybill.RunState{waybill.RunQueued, waybill.RunRunning, waybill.RunWaiting} {
		ask("SELECT min(due) FROM runs WHERE "+openRun+" AND state = $2 AND due > $1", state)
	}
	for _, state := range []waybill.EffectState{waybill.EffectSent, waybill.EffectUnknown} {
		ask("SELECT min(due) FROM effects WHERE "+openEffect+" AND state = $2 AND due > $1", state)
	}
	for _, c := range busy {
		flows, e := tx.BusyFlows(c)
		if e != nil {
			return time.Time{}, e
		}
		for _, f := range flows {
			ask("SELECT min(due) FROM effects WHERE "+openEffect+" AND state = 'planned' AND connection = $2 AND flow = $3 AND due > $1", c, f)
		}
		ask("SELECT min(due) FROM fetches WHERE state = 'planned' AND connection = $2 AND due > $1", c)
	}
	return at(next), err
}
