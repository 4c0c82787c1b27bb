package record

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waybill"
)

// What people see as lists. A list is newest first; its cursor is the id of the last row, so that rows that come in the
// meantime neither repeat nor push any out.

func limitOf(n int) int {
	switch {
	case n <= 0:
		return 50
	case n > 200:
		return 200
	default:
		return n
	}
}

// where gathers the conditions of a list, each with its own parameters.
type where struct {
	terms []string
	args  []any
}

// and adds a condition; every %s in it becomes the parameter of the next argument.
func (w *where) and(term string, args ...any) {
	names := make([]any, len(args))
	for i, a := range args {
		w.args = append(w.args, a)
		names[i] = fmt.Sprintf("$%d", len(w.args))
	}
	w.terms = append(w.terms, fmt.Sprintf(term, names...))
}

// join adds the conditions of another table, between a beginning and an end.
func (w *where) join(begin string, inner *where, end string) {
	text := strings.Join(inner.terms, " AND ")
	for i := len(inner.args); i > 0; i-- {
		text = strings.ReplaceAll(text, fmt.Sprintf("$%d", i), fmt.Sprintf("$%d", len(w.args)+i))
	}
	w.args = append(w.args, inner.args...)
	w.terms = append(w.terms, begin+text+end)
}

func (w *where) text() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// limit is the end of a list's statement. It is a parameter too, so that there are few different statements to keep.
func (w *where) limit(n int) string {
	w.args = append(w.args, n)
	return fmt.Sprintf(" LIMIT $%d", len(w.args))
}

// page cuts a list that was read with one row too many, and returns the cursor to the next one.
func page[T any](all []T, limit int, id func(*T) string) ([]T, string) {
	if len(all) <= limit {
		return all, ""
	}
	return all[:limit], id(&all[limit-1])
}

// Events lists events, those understood last first. Query looks for one value in every form it may have been meant:
// an id of anything on the event's way, an order number, an e-mail address, a phone number, an amount.
func (b *Book) Events(ctx context.Context, f waybill.EventFilter) (rows []waybill.EventRow, next string, err error) {
	err = b.View(ctx, func(tx *Tx) error {
		rows, next, err = tx.events(f)
		return err
	})
	return rows, next, err
}

func (tx *Tx) events(f waybill.EventFilter) ([]waybill.EventRow, string, error) {
	limit := limitOf(f.Limit)
	var w where
	if err := tx.eventConditions(f, &w); err != nil {
		return nil, "", err
	}
	var found []waybill.EventRow
	var err error
	if q := strings.TrimSpace(f.Query); q == "" {
		found, err = list(tx, "SELECT "+eventRowColumns+" FROM events e"+w.text()+" ORDER BY e.seq DESC"+w.limit(limit+1),
			scanEventRow, w.args...)
	} else {
		found, err = tx.lookUp(q, &w, limit+1)
	}
	if err != nil {
		return nil, "", err
	}
	rows, next := page(found, limit, func(r *waybill.EventRow) string { return string(r.ID) })
	for i := range rows {
		if err := tx.standing1(&rows[i]); err != nil {
			return nil, "", err
		}
	}
	return rows, next, nil
}

// worse are the states that outrank one, when the worst of an event's runs is looked for.
var worse = []waybill.RunState{
	waybill.RunBlocked, waybill.RunWaiting, waybill.RunRunning, waybill.RunQueued, waybill.RunStopped, waybill.RunDone,
}

func (tx *Tx) eventConditions(f waybill.EventFilter, w *where) error {
	if f.Before != "" {
		seq, found, err := one(tx, "SELECT seq FROM events WHERE id = $1", num0, f.Before)
		if err != nil {
			return err
		}
		if !found {
			return noCursor(f.Before)
		}
		w.and("e.seq < %s", seq)
	}
	if f.Type != "" {
		w.and("e.type = %s", f.Type)
	}
	if f.Connection != "" {
		w.and("e.connection = %s", f.Connection)
	}
	if f.Flow != "" {
		if err := tx.among(w, "SELECT event FROM runs WHERE flow = %s", f.Flow); err != nil {
			return err
		}
	}
	if f.Unknown {
		if err := tx.among(w, "SELECT event FROM effects WHERE "+openEffect+" AND state = %s", waybill.EffectUnknown); err != nil {
			return err
		}
	}
	if err := tx.timeConditions(f.Since, f.Until, w); err != nil {
		return err
	}
	return tx.stateCondition(f.State, w)
}

// few is how many rows are gathered and sorted. More than that are met soon enough by going through the list itself.
const few = 2000

// among narrows a list of events to those that a query for one value names: by gathering them when they are few, else by
// asking for each event whether it is one.
func (tx *Tx) among(w *where, query string, value any) error {
	rare, err := tx.rare(query, value)
	if err != nil {
		return err
	}
	if rare {
		w.and("e.id IN ("+query+")", value)
	} else {
		w.and("EXISTS ("+query+" AND event = e.id)", value)
	}
	return nil
}

// rare reports whether a query for one value finds few rows.
func (tx *Tx) rare(query string, value any) (bool, error) {
	n, _, err := one(tx, fmt.Sprintf("SELECT count(*) FROM ("+query+" LIMIT %d) AS found", "$1", few+1), num0, value)
	return n <= few, err
}

// inState narrows a list to a state. The index of open ones is used when they are few: it would have to sort them all.
func (tx *Tx) inState(w *where, table, words string, state any) error {
	rare, err := tx.rare("SELECT state FROM "+table+" WHERE "+words+" AND state = %s", state)
	if err != nil {
		return err
	}
	if rare {
		w.and(words+" AND state = %s", state)
	} else {
		w.and("state = %s", state)
	}
	return nil
}

// stands says of a run r that it counts for how its event stands: one that was stopped to be run again does not.
const stands = "(r.state <> 'stopped' OR NOT EXISTS (SELECT 1 FROM runs again WHERE again.event = r.event AND again.repeats = r.id))"

func (tx *Tx) stateCondition(state waybill.RunState, w *where) error {
	if state == "" {
		return nil
	}
	var outranks []string
	for _, s := range worse {
		if s == state {
			break
		}
		outranks = append(outranks, "'"+string(s)+"'")
	}
	switch {
	case len(outranks) == len(worse):
		return invalid("there is no state %q", state)
	case state != waybill.RunDone:
		w.and("e.id IN (SELECT r.event FROM runs r WHERE "+openRun+" AND r.state = %s AND "+stands+")", state)
	}
	if len(outranks) > 0 {
		w.and("NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id AND r.state IN (" + strings.Join(outranks, ", ") + ") AND " + stands + ")")
	}
	return nil
}

// timeConditions bound a list by when events were accepted, and by which rows the hours hold, so that no others are read.
func (tx *Tx) timeConditions(since, until time.Time, w *where) error {
	if !since.IsZero() {
		first, found, err := one(tx, "SELECT coalesce(min(first_seq), -1) FROM event_hours WHERE hour >= $1", num0,
			ms(since)-ms(since)%hour)
		if err != nil {
			return err
		}
		if found && first < 0 {
			first = 1 << 62
		}
		w.and("e.seq >= %s AND e.accepted_at >= %s", first, since)
	}
	if !until.IsZero() {
		last, _, err := one(tx, "SELECT coalesce(max(last_seq), -1) FROM event_hours WHERE hour <= $1", num0,
			ms(until)-ms(until)%hour)
		if err != nil {
			return err
		}
		w.and("e.seq <= %s AND e.accepted_at < %s", last, until)
	}
	return nil
}

const eventRowColumns = `e.id, e.type, e.connection, e.subject, e.data, e.occurred_at, e.accepted_at`

func scanEventRow(r row) (waybill.EventRow, error) {
	return waybill.EventRow{
		ID: waybill.EventID(r.text(0)), Type: r.text(1), Connection: r.text(2), Subject: r.text(3), Data: r.bytes(4),
		OccurredAt: at(r.num(5)), AcceptedAt: at(r.num(6)),
	}, nil
}

// eventRow reads one event as a line of a list.
func (tx *Tx) eventRow(id waybill.EventID) (waybill.EventRow, bool, error) {
	r, found, err := one(tx, "SELECT "+eventRowColumns+" FROM events e WHERE e.id = $1", scanEventRow, id)
	if err != nil || !found {
		return r, false, err
	}
	return r, true, tx.standing1(&r)
}

// standing1 fills in how an event stands: the worst of its runs, what is not known, who else told it. A run that was stopped
// to be run again stands for nothing any more.
func (tx *Tx) standing1(e *waybill.EventRow) error {
	e.State, e.Reason = waybill.RunDone, "no flow used it"
	rank := len(worse)
	repeated := map[string]bool{}
	// The newest first: what repeats a run comes after it.
	err := tx.s.query("SELECT state, reason, id, repeats FROM runs WHERE event = $1 ORDER BY id DESC", []any{e.ID}, func(r row) error {
		e.Runs++
		repeated[r.text(3)] = true
		state := waybill.RunState(r.text(0))
		if state == waybill.RunStopped && repeated[r.text(2)] {
			return nil
		}
		for i, s := range worse {
			if s == state && i <= rank {
				rank, e.State, e.Reason = i, s, r.text(1)
			}
		}
		return nil
	})
	if err != nil {
		return tx.note(err)
	}
	unknown, _, err := one(tx, "SELECT count(*) FROM effects WHERE event = $1 AND state = 'unknown'", num0, e.ID)
	if err != nil {
		return err
	}
	told, _, err := one(tx, "SELECT count(*) FROM evidence WHERE event = $1", num0, e.ID)
	e.Unknown, e.Evidence = int(unknown), int(told)
	return err
}

// lookUp finds events by what somebody typed: an id of anything on their way, or a value they are found by.
func (tx *Tx) lookUp(typed string, w *where, limit int) ([]waybill.EventRow, error) {
	seq := len(w.args) + 1
	text := "SELECT " + eventRowColumns + ", e.doc FROM events e" + w.text()
	if len(w.terms) == 0 {
		text += " WHERE "
	} else {
		text += " AND "
	}
	text += fmt.Sprintf("e.seq = $%d", seq)
	q, byID := newQuery(typed), false
	var rows []waybill.EventRow
	take := func(seq int64) error {
		r, found, err := one(tx, text, func(r row) (*waybill.EventRow, error) {
			var d eventDoc
			if err := undoc(r.text(7), &d); err != nil || !byID && !q.matches(r.text(3), d.Search) {
				return nil, err
			}
			e, err := scanEventRow(r)
			return &e, err
		}, append(slices.Clip(w.args), seq)...)
		if err == nil && found && r != nil {
			rows = append(rows, *r)
		}
		return err
	}
	ids, err := tx.eventsOn(typed)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		byID = true
		for _, id := range ids {
			seq, _, err := one(tx, "SELECT seq FROM events WHERE id = $1", num0, id)
			if err != nil {
				return nil, err
			}
			if err := take(seq); err != nil {
				return nil, err
			}
		}
		return rows, nil
	}
	newest, _, err := one(tx, "SELECT coalesce(max(seq), 0) FROM events", num0)
	if err != nil {
		return nil, err
	}
	hashes := q.hashes()
	for era := newest >> searchEra; era >= 0 && len(rows) < limit; era-- {
		seqs, err := tx.inEra(era, hashes)
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs {
			if len(rows) == limit {
				break
			}
			if err := take(seq); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// inEra returns the places of an era that one of the hashes names, the last first, each once.
func (tx *Tx) inEra(era int64, hashes []int64) ([]int64, error) {
	var all []int64
	for _, h := range hashes {
		seqs, err := list(tx, "SELECT seq FROM search_keys WHERE era = $1 AND hash = $2", num0, era, h)
		if err != nil {
			return nil, err
		}
		all = append(all, seqs...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.Reverse(all)
	return all, nil
}

// listing is a table as a list that people page through, in the order of ids, which is that of time.
type listing[T any] struct {
	prefix         string // of its ids, which are its cursors
	table, columns string
	scan           func(row) (T, error)
	id             func(*T) string
	more           func(*Tx, *T) error // what a row alone does not say; may be nil
}

// read returns a page, the newest first, and the cursor to the next one. conditions narrow the list.
func (l listing[T]) read(ctx context.Context, b *Book, f waybill.ListFilter, conditions func(*Tx, *where) error) (rows []T, next string, err error) {
	limit := limitOf(f.Limit)
	err = b.View(ctx, func(tx *Tx) error {
		var w where
		if err := conditions(tx, &w); err != nil {
			return err
		}
		if f.Before != "" {
			if !strings.HasPrefix(f.Before, l.prefix+"_") || strings.ContainsFunc(f.Before[len(l.prefix)+1:], noDigit) {
				return noCursor(f.Before)
			}
			w.and("id < %s", f.Before)
		}
		text := "SELECT " + l.columns + " FROM " + l.table + w.text() + " ORDER BY id DESC" + w.limit(limit+1)
		if rows, err = list(tx, text, l.scan, w.args...); err != nil || l.more == nil {
			return err
		}
		for i := range rows {
			if err := l.more(tx, &rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	rows, next = page(rows, limit, l.id)
	return rows, next, err
}

// noDigit reports what is in no id behind its prefix.
func noDigit(c rune) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'z') }

// noCursor refuses what is no place in a list: the page would read as if nothing followed.
func noCursor(cursor string) error {
	return &waybill.Error{
		Kind: waybill.Invalid, Message: fmt.Sprintf("%q is no place in this list", cursor),
		Hint: "give the cursor that came with the page before, or none to begin at its start",
	}
}

// equal narrows a list by columns that have a value asked for.
func (w *where) equal(columns map[string]string) {
	for _, column := range slices.Sorted(maps.Keys(columns)) {
		if v := columns[column]; v != "" {
			w.and(column+" = %s", v)
		}
	}
}

// Items lists items, newest first, by state and connection; by event those that told it again.
func (b *Book) Items(ctx context.Context, f waybill.ListFilter) ([]waybill.Item, string, error) {
	all := listing[waybill.Item]{prefix: "itm", table: "items", columns: itemColumns, scan: scanItem, id: func(it *waybill.Item) string { return string(it.ID) }}
	return all.read(ctx, b, f, func(tx *Tx, w *where) error {
		w.equal(map[string]string{"connection": f.Connection})
		if f.Event != "" {
			w.and("id IN (SELECT item FROM evidence WHERE event = %s)", f.Event)
		}
		switch state := waybill.ItemState(f.State); state {
		case waybill.ItemKept, waybill.ItemFetching, waybill.ItemBlocked:
			return tx.inState(w, "items", openItem, state)
		default:
			w.equal(map[string]string{"state": f.State})
			return nil
		}
	})
}

// Runs lists runs, newest first, by state, flow, event and the connection their event came from. Of a queued one it says
// behind whom.
func (b *Book) Runs(ctx context.Context, f waybill.ListFilter) ([]waybill.Run, string, error) {
	all := listing[waybill.Run]{prefix: "run", table: "runs", columns: runColumns, scan: scanRun, id: func(r *waybill.Run) string { return string(r.ID) }}
	all.more = func(tx *Tx, r *waybill.Run) (err error) {
		if r.State == waybill.RunQueued && r.Lane != "" {
			r.Behind, err = tx.behindNow(r.ID)
		}
		return err
	}
	return all.read(ctx, b, f, func(tx *Tx, w *where) error {
		w.equal(map[string]string{"flow": f.Flow, "event": string(f.Event)})
		if f.Connection != "" {
			w.and("EXISTS (SELECT 1 FROM events e WHERE e.id = runs.event AND e.connection = %s)", f.Connection)
		}
		if state := waybill.RunState(f.State); state != "" && state != waybill.RunDone {
			return tx.inState(w, "runs", openRun, state)
		}
		w.equal(map[string]string{"state": f.State})
		return nil
	})
}

// Effects lists effects, newest first, by state, flow, connection and event.
func (b *Book) Effects(ctx context.Context, f waybill.ListFilter) ([]waybill.Effect, string, error) {
	all := listing[waybill.Effect]{prefix: "eff", table: "effects", columns: effectColumns, scan: scanEffect, id: func(e *waybill.Effect) string { return string(e.ID) }}
	return all.read(ctx, b, f, func(tx *Tx, w *where) error {
		w.equal(map[string]string{"flow": f.Flow, "event": string(f.Event), "connection": f.Connection})
		if state := waybill.EffectState(f.State); state.Open() {
			return tx.inState(w, "effects", openEffect, state)
		}
		w.equal(map[string]string{"state": f.State})
		return nil
	})
}

// Problems lists problems, newest first: those of a state; "open" for all that are not fixed.
func (b *Book) Problems(ctx context.Context, f waybill.ListFilter) ([]waybill.Problem, string, error) {
	all := listing[waybill.Problem]{prefix: "prb", table: "problems", columns: problemColumns, scan: scanProblem, id: func(p *waybill.Problem) string { return string(p.ID) }}
	return all.read(ctx, b, f, func(_ *Tx, w *where) error {
		w.equal(map[string]string{"connection": f.Connection})
		if f.Flow != "" {
			w.and("' ' || flow || ' ' LIKE %s ESCAPE '!'", "% "+likeText(f.Flow)+" %")
		}
		if f.State == "open" {
			w.and("state <> 'fixed'")
		} else {
			w.equal(map[string]string{"state": f.State})
		}
		return nil
	})
}

// likeText is a text that LIKE takes as it stands, with ! as the escape.
func likeText(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}

// Problem returns a problem with what it holds.
func (b *Book) Problem(ctx context.Context, id waybill.ProblemID) (v *waybill.ProblemView, err error) {
	err = b.View(ctx, func(tx *Tx) error {
		v, err = tx.Problem(id)
		return err
	})
	return v, err
}

// AuditLog lists what people did, newest first. State narrows it to one kind of act.
func (b *Book) AuditLog(ctx context.Context, f waybill.ListFilter) ([]waybill.Audited, string, error) {
	all := listing[waybill.Audited]{prefix: "aud", table: "audit", columns: auditColumns, scan: scanAudit, id: func(a *waybill.Audited) string { return a.ID }}
	return all.read(ctx, b, f, func(_ *Tx, w *where) error {
		w.equal(map[string]string{"action": f.State})
		return nil
	})
}
