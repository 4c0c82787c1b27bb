package record

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
)

// Work that is due: the queue is the table. Lists are oldest first; what is asked for again while its work is under way
// comes again, so the caller remembers what it has in hand.

// These are the conditions of the partial indexes, in the same words: only so does SQLite see that an index will do. (In
// an index, IN would cost a little table for each row written.) Nor may the state asked for be a parameter: whether the index
// will do depends then on what is bound, and SQLite plans the statement anew at every use.
const (
	openItem   = "(state = 'kept' OR state = 'fetching' OR state = 'blocked')"
	openRun    = "state <> 'done'"
	openEffect = "(state = 'planned' OR state = 'sent' OR state = 'unknown')"
)

// queue is a table as a queue: its rows that are open, by the time they are due.
type queue[T any] struct {
	table, columns string
	open           string // the condition of its index
	order          string // after the time it is due
	scan           func(row) (T, error)
	without        []waybill.BundleID // a node claims nothing of these versions
}

// ClaimBatch is how much a node takes at a time of what nobody has in hand, so that the others find some, too.
const ClaimBatch = 256

// dated is a row with its place in the queue.
type dated[T any] struct {
	due int64
	id  string
	it  T
}

func (q queue[T]) read(tx *Tx, text string, args []any) ([]dated[T], error) {
	return list(tx, text, func(r row) (dated[T], error) {
		it, err := q.scan(skipped{r, 2})
		return dated[T]{r.num(0), r.text(1), it}, err
	}, args...)
}

// take lists rows that are due at now, the oldest first. Where several nodes work on the book, it gives those that nobody
// has in hand, a batch at a time, and claims them in the same statement, so that no two nodes get one; and those that
// this node claimed before that are older than these, for it may have dropped them. The condition is of $2 and on.
func (q queue[T]) take(tx *Tx, condition string, now time.Time, limit int, args ...any) ([]dated[T], error) {
	where := " FROM " + q.table + " WHERE " + q.open + " AND " + condition
	last := fmt.Sprintf(" AND due <= $1 ORDER BY due, %s LIMIT $%d", q.order, len(args)+2)
	bound := append(append([]any{now}, args...), limit)
	if tx.epoch == 0 || tx.readonly {
		return q.read(tx, "SELECT due, id, "+q.columns+where+last, bound)
	}
	if err := tx.writable(); err != nil {
		return nil, err
	}
	bound[len(bound)-1] = min(limit, ClaimBatch)
	free, claims := freeClaim, append(slices.Clip(bound), tx.epoch)
	for _, id := range q.without {
		claims = append(claims, id)
		free += fmt.Sprintf(" AND bundle <> $%d", len(claims))
	}
	taken, err := q.read(tx, fmt.Sprintf(`WITH mine AS MATERIALIZED (SELECT id%s AND %s%s%s)
		UPDATE %s SET claim = $%d WHERE id IN (SELECT id FROM mine) RETURNING due, id, %s`,
		where, free, last, tx.lock(" FOR UPDATE SKIP LOCKED"), q.table, len(bound)+1, q.columns), claims)
	if err != nil {
		return nil, err
	}
	oldest := ms(now)
	for _, d := range taken {
		oldest = min(oldest, d.due)
	}
	bound[0] = oldest
	bound[len(bound)-1] = limit
	own, err := q.read(tx, fmt.Sprintf("SELECT due, id, %s%s AND claim = $%d%s", q.columns, where, len(bound)+1, last),
		append(bound, tx.epoch))
	if err != nil {
		return nil, err
	}
	for _, d := range own {
		if !slices.ContainsFunc(taken, func(t dated[T]) bool { return t.id == d.id }) {
			taken = append(taken, d)
		}
	}
	return inOrder(taken), nil
}

func inOrder[T any](list []dated[T]) []dated[T] {
	slices.SortFunc(list, func(a, b dated[T]) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id)) })
	return list
}

func things[T any](list []dated[T], err error) ([]T, error) {
	var out []T
	for _, d := range list {
		out = append(out, d.it)
	}
	return out, err
}

// due merges what is due in several states into the first limit of all. One list for each state is read in the order of
// the index, so a backlog of any length costs no more than what is taken from it. A node that claims has what it
// claimed, all of it.
func (q queue[T]) due(tx *Tx, now time.Time, limit int, states ...string) ([]T, error) {
	var all []dated[T]
	for _, state := range states {
		some, err := q.take(tx, "state = '"+state+"'", now, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	all = inOrder(all)
	if tx.epoch == 0 || tx.readonly {
		all = all[:min(len(all), limit)]
	}
	return things(all, nil)
}

// skipped is a row without its first columns.
type skipped struct {
	r row
	n int
}

func (s skipped) text(i int) string  { return s.r.text(i + s.n) }
func (s skipped) num(i int) int64    { return s.r.num(i + s.n) }
func (s skipped) bytes(i int) []byte { return s.r.bytes(i + s.n) }

// DueItems lists kept items whose time has come, and fetching ones that were given a time. This and the others that list
// what is due claim it for the node that the act is by: see As.
func (tx *Tx) DueItems(now time.Time, limit int) ([]waybill.Item, error) {
	return queue[waybill.Item]{"items", itemColumns, openItem, "id", scanItem, nil}.due(tx, now, limit, string(waybill.ItemKept), string(waybill.ItemFetching))
}

// DueRuns lists queued runs that are first in their lane, and running or waiting ones that were given a time. A node that cannot
// take on those of some versions leaves them to others: without.
func (tx *Tx) DueRuns(now time.Time, limit int, without ...waybill.BundleID) ([]waybill.Run, error) {
	return queue[waybill.Run]{"runs", runColumns, openRun, "id", scanRun, without}.due(tx, now, limit,
		string(waybill.RunQueued), string(waybill.RunRunning), string(waybill.RunWaiting))
}

// DueEffects lists planned effects of a connection that are due, of one flow: so that what a flow with a long backlog has to
// send does not stand before what others have.
func (tx *Tx) DueEffects(connection, flow string, now time.Time, limit int) ([]waybill.Effect, error) {
	q := queue[waybill.Effect]{"effects", effectColumns, openEffect, "seq", scanEffect, nil}
	return things(q.take(tx, "state = 'planned' AND connection = $2 AND flow = $3", now, limit, connection, flow))
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

// DueLooks lists effects that stand as unknown, or as sent with a time given, and whose next look-up is due.
func (tx *Tx) DueLooks(now time.Time, limit int) ([]waybill.Effect, error) {
	q := queue[waybill.Effect]{"effects", effectColumns, openEffect, "seq", scanEffect, nil}
	if tx.epoch != 0 {
		return things(q.take(tx, "state = 'unknown'", now, limit)) // the claim of a sent one says who sent it
	}
	return things(q.take(tx, "state IN ('sent', 'unknown')", now, limit))
}

// SentEffects lists every effect that stands as sent, in the order of planning, after one of them (empty: from the start):
// for the start after a crash.
func (tx *Tx) SentEffects(after waybill.EffectID, limit int) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE "+openEffect+` AND state = 'sent'
		AND seq > coalesce((SELECT seq FROM effects WHERE id = $1), 0) ORDER BY seq LIMIT $2`, scanEffect, after, limit)
}

// DueFetches lists planned fetches of a connection that are due.
func (tx *Tx) DueFetches(connection string, now time.Time, limit int) ([]waybill.Fetch, error) {
	q := queue[waybill.Fetch]{"fetches", fetchColumns, "state = 'planned'", "seq", scanFetch, nil}
	return things(q.take(tx, "connection = $2", now, limit, connection))
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

// Pending says which queues may have something: what an engine asks before it looks into each, so that one with nothing to do
// asks one question.
type Pending struct {
	Items bool // DueItems
	Runs  bool // DueRuns
	Calls bool // BusyConnections
	Sent  bool // SentEffects, StrandedEffects
	Looks bool // DueLooks of what is unknown; what stands as sent counts as Sent
	Jobs  bool // DueJobs
}

// Pending asks what is due at now, and of runs at until, whoever has it in hand.
func (tx *Tx) Pending(now, until time.Time) (Pending, error) {
	n, _, err := one(tx, pending(), num0, now, until, tx.now)
	has := func(bit int) bool { return n&(1<<bit) != 0 }
	return Pending{Items: has(0), Runs: has(1), Calls: has(2), Sent: has(3), Looks: has(4), Jobs: has(5)}, err
}

// pending is a statement that gives a bit for each queue.
func pending() string {
	var sum []string
	for bit, tables := range [][]string{
		{
			"items WHERE " + openItem + " AND state = 'kept' AND due <= $1",
			"items WHERE " + openItem + " AND state = 'fetching' AND due <= $1",
		},
		{
			"runs WHERE " + openRun + " AND state = 'queued' AND due <= $2",
			"runs WHERE " + openRun + " AND state = 'running' AND due <= $2",
			"runs WHERE " + openRun + " AND state = 'waiting' AND due <= $2",
		},
		{"effects WHERE " + openEffect + " AND state = 'planned'", "fetches WHERE state = 'planned'"},
		{"effects WHERE " + openEffect + " AND state = 'sent'"},
		{"effects WHERE " + openEffect + " AND state = 'unknown' AND due <= $1"},
		{"jobs WHERE due IS NOT NULL AND due <= $3"},
	} {
		sum = append(sum, fmt.Sprintf("CASE WHEN EXISTS (SELECT 1 FROM %s) THEN %d ELSE 0 END",
			strings.Join(tables, ") OR EXISTS (SELECT 1 FROM "), 1<<bit))
	}
	return "SELECT " + strings.Join(sum, " + ")
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
		ask("SELECT min(due) FROM items WHERE " + openItem + " AND state = '" + string(state) + "' AND due > $1")
	}
	for _, state := range []waybill.RunState{waybill.RunQueued, waybill.RunRunning, waybill.RunWaiting} {
		ask("SELECT min(due) FROM runs WHERE " + openRun + " AND state = '" + string(state) + "' AND due > $1")
	}
	for _, state := range []waybill.EffectState{waybill.EffectSent, waybill.EffectUnknown} {
		ask("SELECT min(due) FROM effects WHERE " + openEffect + " AND state = '" + string(state) + "' AND due > $1")
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
