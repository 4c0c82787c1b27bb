package record

import (
	"time"

	"waybill"
)

// Aged is a kind of thing that the book forgets after its time.
type Aged string

// The kinds, in the order they are forgotten: what is told of a thing before the thing.
const (
	AgedBodies     Aged = "bodies"     // arrivals, whole: their bytes with their head
	AgedExchanges  Aged = "exchanges"  // attempts, whole
	AgedReads      Aged = "reads"      // fetches that are over, with what they brought
	AgedTold       Aged = "told"       // by what events were found by runs that wait, once no run can look back to it
	AgedEvents     Aged = "events"     // events with their runs, effects and messages
	AgedItems      Aged = "items"      // items none of whose events is kept
	AgedNewest     Aged = "newest"     // which event was the newest of an object, once that is forgotten
	AgedJobs       Aged = "jobs"       // bulk work that has ended, with its members
	AgedProblems   Aged = "problems"   // fixed ones
	AgedRejections Aged = "rejections" // counts by hour, and samples
	AgedMinutes    Aged = "minutes"    // figures of single minutes
	AgedHours      Aged = "hours"      // figures of hours
	AgedAudit      Aged = "audit"
)

// Old is what was found older than its time, and whether that is all.
type Old struct {
	Kind   Aged
	Before time.Time
	Next   int64 // where the next look begins
	Done   bool  // there is nothing older beyond Next
	rows   []agedRow
	oldest *int64 // when the oldest open run began, once that was asked
}

// Len is how many things Forget would take away.
func (o *Old) Len() int { return len(o.rows) }

// agedRow is a thing to forget: by its place, or by the columns of its key.
type agedRow struct {
	seq   int64
	id    string
	about string // an arrival's doc, an item's events
	key   []any
}

// aging says how one kind is found and forgotten. text reads place, id, time and what needed asks about, from a place on
// in the order of places; keys reads whole keys instead, for tables without places.
type aging struct {
	text   string
	needed func(*Tx, agedRow) (bool, error)
	keys   func(*Tx, *Old, int) error
	drop   func(*Tx, agedRow) error
}

// The newest row of a table with places always stays: its place must not be given to another, because keys that are kept
// for good point to places.
var agings = map[Aged]aging{ // a table that nothing changes
	AgedBodies: {
		text: `SELECT seq, id, received_at, doc FROM arrivals
			WHERE seq > $1 AND seq < (SELECT max(seq) FROM arrivals) ORDER BY seq LIMIT $2`,
		needed: (*Tx).arrivalNeeded,
		drop:   dropBySeq("DELETE FROM arrivals WHERE seq = $1"),
	},
	AgedExchanges: {
		text: `SELECT seq, owner, started_at, '' FROM attempts
			WHERE seq > $1 AND seq < (SELECT max(seq) FROM attempts) ORDER BY seq LIMIT $2`,
		needed: (*Tx).ownerNeeded,
		drop:   dropBySeq("DELETE FROM attempts WHERE seq = $1"),
	},
	AgedReads: {
		text: `SELECT seq, id, planned_at, '' FROM fetches
			WHERE seq > $1 AND seq < (SELECT max(seq) FROM fetches) ORDER BY seq LIMIT $2`,
		needed: (*Tx).ownerNeeded,
		drop:   (*Tx).dropFetch,
	},
	AgedEvents: {
		text: `SELECT seq, id, accepted_at, '' FROM events
			WHERE seq > $1 AND seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT $2`,
		drop: (*Tx).dropEvent, // needed is asked with the time: see eventNeeded
	},
	AgedItems: {
		text: `SELECT seq, id, received_at, events FROM items
			WHERE seq > $1 AND seq < (SELECT max(seq) FROM items) ORDER BY seq LIMIT $2`,
		needed: (*Tx).itemNeeded,
		drop:   (*Tx).dropItem,
	},
	AgedAudit: {
		text: `SELECT seq, id, at, '' FROM audit
			WHERE seq > $1 AND seq < (SELECT max(seq) FROM audit) ORDER BY seq LIMIT $2`,
		drop: dropBySeq("DELETE FROM audit WHERE seq = $1"),
	},
	AgedProblems: {
		keys: keysOf(`SELECT id FROM problems WHERE state = 'fixed' AND fixed_at > 0 AND fixed_at < $1 ORDER BY id LIMIT $2`, 1),
		drop: dropByKey("DELETE FROM problems WHERE id = $1 AND state = 'fixed'"),
	},
	AgedTold:       {keys: (*Tx).oldTold, drop: dropByKey("DELETE FROM told WHERE hash = $1 AND accepted_at = $2 AND event = $3")},
	AgedNewest:     {keys: (*Tx).oldNewest, drop: dropByKey("DELETE FROM newest WHERE hash = $1 AND event = $2")},
	AgedJobs:       {keys: (*Tx).oldJobs, drop: (*Tx).dropJob},
	AgedRejections: {keys: (*Tx).oldRejections, drop: (*Tx).dropRejection},
	AgedMinutes:    {keys: oldFigures(minute), drop: (*Tx).dropFigure},
	AgedHours:      {keys: oldFigures(hour), drop: (*Tx).dropFigure},
}

// Old looks, in the order of writing and from a place on, at up to limit things of a kind, and finds those that are older
// than before and that nothing open needs: no item to be understood, no run that has not ended, no effect that is planned,
// sent or unknown, no problem. It is meant for a View: the judging keeps no writer.
func (tx *Tx) Old(kind Aged, before time.Time, after int64, limit int) (*Old, error) {
	o := &Old{Kind: kind, Before: before, Next: after}
	how := agings[kind]
	if how.keys != nil {
		err := how.keys(tx, o, limit)
		o.Done = len(o.rows) < limit
		return o, err
	}
	type dated struct {
		agedRow
		at int64
	}
	rows, err := list(tx, how.text, func(r row) (dated, error) {
		return dated{agedRow{seq: r.num(0), id: r.text(1), about: r.text(3)}, r.num(2)}, nil
	}, after, limit)
	if err != nil {
		return nil, err
	}
	o.Done = len(rows) < limit
	for _, r := range rows {
		if r.at >= ms(before) {
			o.Done = true
			break
		}
		o.Next = r.seq
		needed, err := tx.needed(o, r.agedRow)
		if err != nil {
			return nil, err
		}
		if !needed {
			o.rows = append(o.rows, r.agedRow)
		}
	}
	return o, nil
}

// Forget takes away what Old found, but for what is needed by now, and returns how many things it took. Keys by which
// deliveries, facts, subjects and their ids in other systems are recognised stay as long as the book.
func (tx *Tx) Forget(o *Old) (int, error) {
	n := 0
	for _, r := range o.rows {
		needed, err := tx.needed(o, r)
		if err != nil {
			return n, err
		}
		if needed {
			continue
		}
		if err := agings[o.Kind].drop(tx, r); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (tx *Tx) needed(o *Old, r agedRow) (bool, error) {
	if o.Kind == AgedEvents {
		if yes, err := tx.lookedBackTo(o, r.id); yes || err != nil {
			return yes, err
		}
		return tx.eventNeeded(waybill.EventID(r.id), ms(o.Before))
	}
	if f := agings[o.Kind].needed; f != nil {
		return f(tx, r)
	}
	return false, nil
}

// is asks whether a row exists.
func (tx *Tx) is(text string, args ...any) (bool, error) {
	_, found, err := one(tx, text, num0, args...)
	return found, err
}

// either asks one question after the other until one is answered with yes.
func either(questions ...func() (bool, error)) (bool, error) {
	for _, ask := range questions {
		if yes, err := ask(); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

func (tx *Tx) listed(member string) func() (bool, error) {
	return func() (bool, error) { return tx.is("SELECT 1 FROM members WHERE member = $1", member) }
}

// inJob: bulk work that has not ended is about it, by its own id; of a replay by that of an event, which each flow follows.
func (tx *Tx) inJob(object string) func() (bool, error) {
	return func() (bool, error) {
		return tx.is(`SELECT 1 FROM jobs WHERE state <> 'done' AND state <> 'stopped' AND (
			EXISTS (SELECT 1 FROM job_members m WHERE m.job = jobs.id AND m.object = $1)
			OR EXISTS (SELECT 1 FROM job_members m WHERE m.job = jobs.id AND m.object > $2 AND m.object < $3))`,
			object, object+"/", object+"0") // 0 comes after /
	}
}

func (tx *Tx) itemOpen(id string) func() (bool, error) {
	return func() (bool, error) { return tx.is("SELECT 1 FROM items WHERE id = $1 AND "+openItem, id) }
}

func (tx *Tx) runOpen(id string) func() (bool, error) {
	return func() (bool, error) {
		return tx.is("SELECT 1 FROM runs WHERE id = $1 AND state <> 'done' AND state <> 'stopped'", id)
	}
}

func (tx *Tx) effectOpen(id string) func() (bool, error) {
	return func() (bool, error) { return tx.is("SELECT 1 FROM effects WHERE id = $1 AND "+openEffect, id) }
}

// arrivalNeeded: an item of it is still to be understood, or is on a person's list.
func (tx *Tx) arrivalNeeded(r agedRow) (bool, error) {
	var d arrivalDoc
	if err := undoc(r.about, &d); err != nil {
		return false, err
	}
	for _, id := range d.Items {
		if yes, err := either(tx.itemOpen(string(id)), tx.listed("item:"+string(id)), tx.inJob(string(id))); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

// ownerNeeded: the effect or fetch is not over, or what it belongs to is not.
func (tx *Tx) ownerNeeded(r agedRow) (bool, error) {
	type owner struct{ run, item, effect, state string }
	o, found, err := one(tx, `SELECT run, '', '', state FROM effects WHERE id = $1
		UNION ALL SELECT run, item, effect, state FROM fetches WHERE id = $1`, func(r row) (owner, error) {
		return owner{r.text(0), r.text(1), r.text(2), r.text(3)}, nil
	}, r.id)
	if err != nil || !found {
		return false, err
	}
	switch waybill.EffectState(o.state) {
	case waybill.EffectPlanned, waybill.EffectSent, waybill.EffectUnknown: // a fetch is planned too until it is over
		return true, nil
	default:
	}
	return either(tx.listed("effect:"+r.id), tx.listed("fetch:"+r.id), tx.runOpen(o.run), tx.itemOpen(o.item), tx.effectOpen(o.effect))
}

// itemNeeded: it is still to be understood, on a person's list, part of bulk work, or an event of it is kept.
func (tx *Tx) itemNeeded(r agedRow) (bool, error) {
	yes, err := either(tx.itemOpen(r.id), tx.listed("item:"+r.id), tx.inJob(r.id))
	if yes || err != nil {
		return yes, err
	}
	for _, id := range splitEvents(r.about) {
		if yes, err := tx.is("SELECT 1 FROM events WHERE id = $1", id); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

// eventNeeded: a run of it has not ended or moved since the time given, an effect of it is open, or any of these is on a
// person's list or part of bulk work.
func (tx *Tx) eventNeeded(id waybill.EventID, before int64) (bool, error) {
	if yes, err := tx.inJob(string(id))(); yes || err != nil {
		return yes, err
	}
	runs, err := tx.RunsOf(id)
	if err != nil {
		return false, err
	}
	for i := range runs {
		r := &runs[i]
		if !r.State.Ended() || ms(r.UpdatedAt) >= before {
			return true, nil
		}
		if yes, err := either(tx.listed("run:"+string(r.ID)), tx.inJob(string(r.ID))); yes || err != nil {
			return yes, err
		}
	}
	effects, err := list(tx, "SELECT id FROM effects WHERE event = $1", text0, id)
	if err != nil {
		return false, err
	}
	for _, e := range effects {
		if yes, err := either(tx.effectOpen(e), tx.listed("effect:"+e), tx.inJob(e)); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

func dropBySeq(text string) func(*Tx, agedRow) error {
	return func(tx *Tx, r agedRow) error {
		_, err := tx.exec(text, r.seq)
		return err
	}
}

func dropByKey(text string) func(*Tx, agedRow) error {
	return func(tx *Tx, r agedRow) error {
		_, err := tx.exec(text, r.key...)
		return err
	}
}

// dropAll runs statements that take one id each.
func (tx *Tx) dropAll(id any, texts ...string) error {
	for _, text := range texts {
		if _, err := tx.exec(text, id); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) dropFetch(r agedRow) error {
	return tx.dropAll(r.id, "DELETE FROM attempts WHERE owner = $1", "DELETE FROM fetches WHERE id = $1")
}

// dropFetches takes away the fetches that a text finds, with their attempts.
func (tx *Tx) dropFetches(text string, of any) error {
	ids, err := list(tx, text, text0, of)
	for _, id := range ids {
		if err == nil {
			err = tx.dropFetch(agedRow{id: id})
		}
	}
	return err
}

func (tx *Tx) dropItem(r agedRow) error {
	if err := tx.dropFetches("SELECT id FROM fetches WHERE item <> '' AND item = $1", r.id); err != nil {
		return err
	}
	_, err := tx.exec("DELETE FROM items WHERE seq = $1", r.seq)
	return err
}

// dropEvent takes away an event with all that came of it, and what it was found by.
func (tx *Tx) dropEvent(r agedRow) error {
	e, found, err := one(tx, "SELECT "+eventColumns+" FROM events WHERE seq = $1", scanEvent, r.seq)
	if err != nil || !found {
		return err
	}
	for _, hash := range eventHashes(&e) {
		if _, err := tx.exec("DELETE FROM search_keys WHERE era = $1 AND hash = $2 AND seq = $3", r.seq>>searchEra, hash, r.seq); err != nil {
			return err
		}
	}
	effects, err := list(tx, "SELECT seq, "+effectColumns+" FROM effects WHERE event = $1", func(r row) (agedRow, error) {
		x, err := scanEffect(skipped{r, 1})
		return agedRow{seq: r.num(0), id: string(x.ID), key: []any{hash8(x.Connection, x.Key), approvalHash(&x)}}, err
	}, e.ID)
	if err != nil {
		return err
	}
	for _, x := range effects {
		if err := tx.dropEffect(x); err != nil {
			return err
		}
	}
	runs, err := list(tx, "SELECT id FROM runs WHERE event = $1", text0, e.ID)
	if err != nil {
		return err
	}
	for _, id := range runs {
		if err := tx.dropFetches("SELECT id FROM fetches WHERE run <> '' AND run = $1", id); err != nil {
			return err
		}
		if err := tx.dropAll(id, "DELETE FROM asks WHERE run = $1"); err != nil {
			return err
		}
	}
	return tx.dropAll(e.ID, "DELETE FROM runs WHERE event = $1", "DELETE FROM evidence WHERE event = $1", "DELETE FROM events WHERE id = $1")
}

func (tx *Tx) dropEffect(x agedRow) error {
	if err := tx.dropFetches("SELECT id FROM fetches WHERE effect <> '' AND effect = $1", x.id); err != nil {
		return err
	}
	if _, err := tx.exec("DELETE FROM effect_keys WHERE era = $1 AND hash = $2 AND seq = $3", x.seq>>keyEra, x.key[0], x.seq); err != nil {
		return err
	}
	if err := tx.dropAll(x.key[1], "DELETE FROM approvals WHERE hash = $1"); err != nil {
		return err
	}
	return tx.dropAll(x.id, "DELETE FROM attempts WHERE owner = $1", "DELETE FROM messages WHERE effect = $1", "DELETE FROM effects WHERE id = $1")
}

// keysOf reads keys of text columns.
func keysOf(text string, columns int) func(*Tx, *Old, int) error {
	return func(tx *Tx, o *Old, limit int) (err error) {
		o.rows, err = list(tx, text, func(r row) (agedRow, error) {
			var out agedRow
			for i := range columns {
				out.key = append(out.key, r.text(i))
			}
			return out, nil
		}, o.Before, limit)
		return err
	}
}

// oldJobs finds jobs that ended before, their members first, so that no act is longer than others.
func (tx *Tx) oldJobs(o *Old, limit int) error {
	const ended = "(SELECT id FROM jobs WHERE (state = 'done' OR state = 'stopped') AND updated_at < $1)"
	for _, part := range []struct {
		text string
		scan func(row) (agedRow, error)
	}{
		{"SELECT job, object FROM job_members WHERE job IN " + ended + " ORDER BY job, object LIMIT $2", func(r row) (agedRow, error) {
			return agedRow{about: "job_members", key: []any{r.text(0), r.text(1)}}, nil
		}},
		{"SELECT job, hash FROM job_people WHERE job IN " + ended + " ORDER BY job, hash LIMIT $2", func(r row) (agedRow, error) {
			return agedRow{about: "job_people", key: []any{r.text(0), r.bytes(1)}}, nil
		}},
		{"SELECT id FROM jobs WHERE id IN " + ended + " ORDER BY id LIMIT $2", func(r row) (agedRow, error) {
			return agedRow{about: "jobs", key: []any{r.text(0)}}, nil
		}},
	} {
		some, err := list(tx, part.text, part.scan, o.Before, limit-len(o.rows))
		if err != nil {
			return err
		}
		if o.rows = append(o.rows, some...); len(o.rows) == limit {
			return nil
		}
	}
	return nil
}

func (tx *Tx) dropJob(r agedRow) error {
	text := map[string]string{
		"job_members": "DELETE FROM job_members WHERE job = $1 AND object = $2",
		"job_people":  "DELETE FROM job_people WHERE job = $1 AND hash = $2",
		"jobs":        "DELETE FROM jobs WHERE id = $1",
	}[r.about]
	_, err := tx.exec(text, r.key...)
	return err
}

// lookedBackTo reports whether a run may still come upon an event that is not its own: by what it waits for, of which what was told is
// forgotten first, or as the newest fact of its object.
func (tx *Tx) lookedBackTo(o *Old, event string) (bool, error) {
	if yes, err := tx.is("SELECT 1 FROM told WHERE event = $1", event); yes || err != nil {
		return yes, err
	}
	if yes, err := tx.is("SELECT 1 FROM newest WHERE event = $1", event); !yes || err != nil {
		return false, err
	}
	oldest, err := tx.oldestRun(o)
	return oldest < ms(o.Before), err
}

// oldestRun is when the oldest run began that is open, and o.Before when none was open then.
func (tx *Tx) oldestRun(o *Old) (int64, error) {
	if o.oldest != nil {
		return *o.oldest, nil
	}
	oldest, found, err := one(tx, `SELECT created_at FROM runs WHERE `+openRun+`
		AND (state = 'queued' OR state = 'running' OR state = 'waiting' OR state = 'blocked') ORDER BY created_at LIMIT 1`, num0)
	if !found {
		oldest = ms(o.Before)
	}
	oldest = min(oldest, ms(o.Before))
	o.oldest = &oldest
	return oldest, err
}

// oldTold finds what was told before a time to which no open run can look back. A run looks no further than to its own event.
func (tx *Tx) oldTold(o *Old, limit int) error {
	before, err := tx.oldestRun(o)
	if err != nil {
		return err
	}
	if before < ms(o.Before) {
		before -= backLook
	}
	o.rows, err = list(tx, "SELECT hash, accepted_at, event FROM told WHERE accepted_at < $1 LIMIT $2", func(r row) (agedRow, error) {
		return agedRow{key: []any{r.bytes(0), r.num(1), r.text(2)}}, nil
	}, before, limit)
	return err
}

// oldNewest finds the notes of which event was the newest of an object whose event is forgotten.
func (tx *Tx) oldNewest(o *Old, limit int) (err error) {
	o.rows, err = list(tx, `SELECT hash, event FROM newest
		WHERE occurred_at < $1 AND NOT EXISTS (SELECT 1 FROM events WHERE events.id = newest.event) LIMIT $2`, func(r row) (agedRow, error) {
		return agedRow{key: []any{r.bytes(0), r.text(1)}}, nil
	}, o.Before, limit)
	return err
}

func (tx *Tx) oldRejections(o *Old, limit int) (err error) {
	o.rows, err = list(tx, `SELECT hour, connection, reason FROM rejections WHERE hour < $1
		ORDER BY hour, connection, reason LIMIT $2`, func(r row) (agedRow, error) {
		return agedRow{key: []any{r.num(0), r.text(1), r.text(2)}}, nil
	}, ms(o.Before)-hour, limit)
	if err != nil || len(o.rows) == limit {
		return err
	}
	samples, err := list(tx, "SELECT seq FROM rejection_samples WHERE at < $1 ORDER BY seq LIMIT $2", func(r row) (agedRow, error) {
		return agedRow{seq: r.num(0)}, nil
	}, o.Before, limit-len(o.rows))
	o.rows = append(o.rows, samples...)
	return err
}

func (tx *Tx) dropRejection(r agedRow) error {
	if r.key == nil {
		_, err := tx.exec("DELETE FROM rejection_samples WHERE seq = $1", r.seq)
		return err
	}
	_, err := tx.exec("DELETE FROM rejections WHERE hour = $1 AND connection = $2 AND reason = $3", r.key...)
	return err
}

// oldFigures reads the keys of figures of one width. It steps from name to name, so that what is newer is not read.
func oldFigures(width int64) func(*Tx, *Old, int) error {
	return func(tx *Tx, o *Old, limit int) error {
		names, err := list(tx, `WITH RECURSIVE e (c) AS (
				SELECT min(name) FROM figures WHERE width = $1
				UNION ALL SELECT (SELECT min(name) FROM figures WHERE width = $1 AND name > e.c) FROM e WHERE e.c IS NOT NULL)
			SELECT c FROM e WHERE c IS NOT NULL`, text0, width)
		for _, name := range names {
			if err != nil || len(o.rows) == limit {
				break
			}
			var some []agedRow
			some, err = list(tx, `SELECT start, what FROM figures WHERE width = $1 AND name = $2 AND start < $3
				ORDER BY start, what LIMIT $4`, func(r row) (agedRow, error) {
				return agedRow{key: []any{width, name, r.num(0), r.text(1)}}, nil
			}, width, name, o.Before, limit-len(o.rows))
			o.rows = append(o.rows, some...)
		}
		return err
	}
}

func (tx *Tx) dropFigure(r agedRow) error {
	_, err := tx.exec("DELETE FROM figures WHERE width = $1 AND name = $2 AND start = $3 AND what = $4", r.key...)
	return err
}
