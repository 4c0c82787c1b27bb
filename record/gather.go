package record

import (
	"cmp"
	"strconv"
	"strings"

	"waybill"
)

// What a job is about, page by page: a filter of any size is gone through without holding it in memory.

// JobCandidate is one thing that a job's filter chooses.
type JobCandidate struct {
	Object string          // run_…, itm_…, eff_…, evt_…
	Event  waybill.EventID // that it belongs to
	Flow   string          // of a replay: the one flow of the event that is meant; empty for all
}

// GatherJob returns the next candidates of a job after a cursor (empty: from the start), and the cursor to go on from;
// an empty one says that there are no more. types narrows events to those a flow starts on; none is any. The kinds give:
// retry runs, items and effects that need a person; replay events; remap items; put back confirmed effects. A page may be
// empty though more follow.
func (tx *Tx) GatherJob(j *waybill.Job, types []string, cursor string, limit int) ([]JobCandidate, string, error) {
	part, after, _ := strings.Cut(cursor, "|")
	g := gathering{tx, j, types, limit}
	switch f := j.Filter; {
	case len(f.IDs) > 0 || f.Query != "":
		return g.fitting(g.named(part, after))
	case f.Problem != "":
		return g.fitting(g.held(after))
	case j.Kind == waybill.JobReplay:
		return g.events(after)
	case j.Kind == waybill.JobRemap:
		return g.items(after, "")
	case j.Kind == waybill.JobPutBack:
		return g.effects(after)
	case part == "item":
		return g.items(after, "item|")
	default:
		found, next, err := g.runs(after)
		if err == nil && next == "" && j.Filter.Flow == "" {
			next = "item|"
		}
		return found, next, err
	}
}

type gathering struct {
	tx    *Tx
	job   *waybill.Job
	types []string
	limit int
}

// placed is a candidate with its place in the order that pages are cut by.
type placed struct {
	JobCandidate
	place string
}

// rows reads one page; prefix tells the parts of a gathering apart in its cursor.
func (g gathering) rows(text string, w *where, prefix string) ([]JobCandidate, string, error) {
	all, err := list(g.tx, text+w.text()+" ORDER BY 3"+w.limit(g.limit), func(r row) (placed, error) {
		return placed{JobCandidate{Object: r.text(0), Event: waybill.EventID(r.text(1))}, r.text(2)}, nil
	}, w.args...)
	if err != nil {
		return nil, "", err
	}
	out := make([]JobCandidate, len(all))
	for i := range all {
		out[i] = all[i].JobCandidate
	}
	if len(all) < g.limit {
		return out, "", nil
	}
	return out, prefix + all[len(all)-1].place, nil
}

// about narrows by what is known of the event, in a table whose rows name it as e.
func (g gathering) about(w *where) {
	f := g.job.Filter
	if f.Type != "" {
		w.and("e.type = %s", f.Type)
	}
	if f.Connection != "" && g.job.Kind != waybill.JobPutBack {
		w.and("e.connection = %s", f.Connection)
	}
	if len(g.types) > 0 && f.Type == "" {
		names := make([]any, len(g.types))
		for i, t := range g.types {
			names[i] = t
		}
		w.and("e.type IN ("+strings.TrimSuffix(strings.Repeat("%s, ", len(names)), ", ")+")", names...)
	}
}

// events chooses events by their place in the book, so that the hours bound what is read.
func (g gathering) events(after string) ([]JobCandidate, string, error) {
	var w where
	seq, err := numberOf(after)
	if err != nil {
		return nil, "", err
	}
	w.and("e.seq > %s", seq)
	g.about(&w)
	if err := g.tx.timeConditions(g.job.Filter.Since, g.job.Filter.Until, &w); err != nil {
		return nil, "", err
	}
	all, err := list(g.tx, "SELECT e.id, e.seq FROM events e"+w.text()+" ORDER BY e.seq"+w.limit(g.limit), scanPlaced, w.args...)
	return g.cut(all, err)
}

// effects chooses confirmed effects, by their place too.
func (g gathering) effects(after string) ([]JobCandidate, string, error) {
	var w where
	seq, err := numberOf(after)
	if err != nil {
		return nil, "", err
	}
	w.and("x.seq > %s", seq)
	w.and("x.state = 'confirmed'")
	g.ofEffects(&w)
	all, err := list(g.tx, "SELECT x.id, x.seq, x.event FROM effects x"+w.text()+" ORDER BY x.seq"+w.limit(g.limit), func(r row) (placed, error) {
		p, err := scanPlaced(r)
		p.Event = waybill.EventID(r.text(2))
		return p, err
	}, w.args...)
	return g.cut(all, err)
}

// scanPlaced reads an id and its place.
func scanPlaced(r row) (placed, error) {
	id := r.text(0)
	return placed{JobCandidate{Object: id, Event: waybill.EventID(id)}, strconv.FormatInt(r.num(1), 10)}, nil
}

func numberOf(after string) (int64, error) {
	if after == "" {
		return 0, nil
	}
	return strconv.ParseInt(after, 10, 64)
}

func (g gathering) cut(all []placed, err error) ([]JobCandidate, string, error) {
	if err != nil {
		return nil, "", err
	}
	out := make([]JobCandidate, len(all))
	for i := range all {
		out[i] = all[i].JobCandidate
	}
	if len(all) < g.limit {
		return out, "", nil
	}
	return out, "|" + all[len(all)-1].place, nil
}

// runs chooses runs that need a person.
func (g gathering) runs(after string) ([]JobCandidate, string, error) {
	var w where
	w.and("r.state <> 'done' AND r.state = 'blocked' AND r.due IS NULL") // in the words of the index
	w.and("r.id > %s", after)
	g.ofRuns(&w, "r")
	return g.rows("SELECT r.id, r.event, r.id FROM runs r", &w, "|")
}

// items chooses items: those that need a person, or of a remapping all that the filter fits.
func (g gathering) items(after, prefix string) ([]JobCandidate, string, error) {
	var w where
	if g.job.Kind == waybill.JobRetry {
		w.and("(i.state = 'kept' OR i.state = 'fetching' OR i.state = 'blocked') AND i.due IS NULL AND i.state = 'blocked'")
	} else {
		w.and("i.duplicate_of = ''")
	}
	w.and("i.id > %s", after)
	g.ofItems(&w)
	if prefix == "" {
		prefix = "|"
	}
	return g.rows("SELECT i.id, '', i.id FROM items i", &w, prefix)
}

// ofRuns narrows rows that name a flow and an event, of the table called so, by the filter.
func (g gathering) ofRuns(w *where, table string) {
	var e where
	w.equal(map[string]string{table + ".flow": g.job.Filter.Flow})
	g.about(&e)
	g.accepted(&e, "e.accepted_at")
	if len(e.terms) > 0 {
		w.join("EXISTS (SELECT 1 FROM events e WHERE e.id = "+table+".event AND ", &e, ")")
	}
}

// ofEffects narrows effects that would be put back: by where and when they were written.
func (g gathering) ofEffects(w *where) {
	f := g.job.Filter
	w.equal(map[string]string{"x.flow": f.Flow, "x.connection": f.Connection})
	g.accepted(w, "x.planned_at")
	if f.Type != "" {
		w.and("EXISTS (SELECT 1 FROM events e WHERE e.id = x.event AND e.type = %s)", f.Type)
	}
}

func (g gathering) ofItems(w *where) {
	f := g.job.Filter
	state := f.State
	if g.job.Kind == waybill.JobRetry {
		state = "" // of runs
	}
	w.equal(map[string]string{"i.state": state, "i.connection": f.Connection, "i.type": f.Type})
	g.accepted(w, "i.received_at")
}

// fitting leaves those out which were named, or are held by a problem, and do not fit all else that the filter says.
func (g gathering) fitting(all []JobCandidate, next string, err error) ([]JobCandidate, string, error) {
	if err != nil {
		return nil, "", err
	}
	var out []JobCandidate
	for _, c := range all {
		fits, err := g.fits(c.Object)
		if err != nil {
			return nil, "", err
		}
		if fits {
			out = append(out, c)
		}
	}
	return out, next, nil
}

func (g gathering) fits(object string) (bool, error) {
	var w where
	var table string
	switch kind, _, _ := strings.Cut(object, "_"); {
	case kind == "run":
		table = "runs r"
		w.and("r.id = %s", object)
		g.ofRuns(&w, "r")
	case kind == "eff" && g.job.Kind == waybill.JobPutBack:
		table = "effects x"
		w.and("x.id = %s", object)
		g.ofEffects(&w)
	case kind == "eff":
		table = "effects x"
		w.and("x.id = %s", object)
		g.ofRuns(&w, "x")
	case kind == "itm":
		if g.job.Filter.Flow != "" {
			return false, nil // an item is of no flow
		}
		table = "items i"
		w.and("i.id = %s", object)
		g.ofItems(&w)
	default: // of a replay it is asked later which of its flows are meant
		table = "events e"
		w.and("e.id = %s", object)
		g.about(&w)
		g.accepted(&w, "e.accepted_at")
	}
	_, found, err := one(g.tx, "SELECT 1 FROM "+table+w.text(), num0, w.args...)
	return found, err
}

func (g gathering) accepted(w *where, column string) {
	if t := g.job.Filter.Since; !t.IsZero() {
		w.and(column+" >= %s", t)
	}
	if t := g.job.Filter.Until; !t.IsZero() {
		w.and(column+" < %s", t)
	}
}

// held chooses what a problem holds, in the order it came to be held.
func (g gathering) held(after string) ([]JobCandidate, string, error) {
	stamp, member, _ := strings.Cut(after, " ")
	seen, err := numberOf(stamp)
	if err != nil {
		return nil, "", err
	}
	type held struct {
		m   waybill.Member
		key string
		at  int64
	}
	all, err := list(g.tx, `SELECT member, event, at FROM members WHERE problem = $1 AND (at > $2 OR (at = $2 AND member > $3))
		ORDER BY at, member LIMIT $4`, func(r row) (held, error) {
		return held{memberOf(r.text(0), waybill.EventID(r.text(1)), at(r.num(2))), r.text(0), r.num(2)}, nil
	}, g.job.Filter.Problem, seen, member, g.limit)
	if err != nil {
		return nil, "", err
	}
	var out []JobCandidate
	for _, h := range all {
		object := g.objectOf(h.m)
		if object == "" {
			continue
		}
		c := JobCandidate{Object: object, Event: h.m.Event}
		if g.job.Kind == waybill.JobReplay {
			if c.Flow, err = g.flowOf(h.m); err != nil {
				return nil, "", err
			}
		}
		out = append(out, c)
	}
	if len(all) < g.limit {
		return out, "", nil
	}
	last := all[len(all)-1]
	return out, "|" + strconv.FormatInt(last.at, 10) + " " + last.key, nil
}

// flowOf is the flow of what a problem holds; empty where that is of none.
func (g gathering) flowOf(m waybill.Member) (flow string, err error) {
	if id := cmp.Or(string(m.Run), string(m.Effect)); id != "" {
		_, flow, err = g.tx.runOrEffect(id)
	}
	return flow, err
}

// runOrEffect returns the event and the flow of a run or an effect; NotFound when there is none of that id.
func (tx *Tx) runOrEffect(id string) (event waybill.EventID, flow string, err error) {
	table := "runs"
	if strings.HasPrefix(id, "eff_") {
		table = "effects"
	}
	found, ok, err := one(tx, "SELECT event, flow FROM "+table+" WHERE id = $1", func(r row) ([2]string, error) { return [2]string{r.text(0), r.text(1)}, nil }, id)
	if err == nil && !ok {
		err = notFound("what you named,", id)
	}
	return waybill.EventID(found[0]), found[1], err
}

// objectOf is what a job of its kind does with a member of a problem; empty for nothing.
func (g gathering) objectOf(m waybill.Member) string {
	switch g.job.Kind {
	case waybill.JobReplay:
		return string(m.Event)
	case waybill.JobRemap:
		return string(m.Item)
	case waybill.JobPutBack:
		return string(m.Effect)
	case waybill.JobRetry:
		switch {
		case m.Effect != "":
			return string(m.Effect)
		case m.Run != "":
			return string(m.Run)
		default:
			return string(m.Item)
		}
	default:
		return ""
	}
}

// named chooses by ids, or by one value looked up; what they name is turned into what the job is about.
func (g gathering) named(part, after string) ([]JobCandidate, string, error) {
	var events []waybill.EventID
	next := ""
	if f := g.job.Filter; len(f.IDs) > 0 {
		n, err := numberOf(after)
		if err != nil || int(n) >= len(f.IDs) {
			return nil, "", err
		}
		id := f.IDs[n]
		if int(n)+1 < len(f.IDs) {
			next = "id|" + strconv.FormatInt(n+1, 10)
		}
		if own, err := g.own(id); err != nil || own != nil {
			return own, next, err
		}
		if events, err = g.tx.eventsOn(id); err != nil {
			return nil, "", err
		}
	} else {
		filter := waybill.EventFilter{Query: f.Query, Before: after, Limit: g.limit}
		if g.job.Kind == waybill.JobReplay { // of the others what is found is asked, not its event
			filter.Type, filter.Since, filter.Until, filter.Connection = f.Type, f.Since, f.Until, f.Connection
		}
		rows, more, err := g.tx.events(filter)
		if err != nil {
			return nil, "", err
		}
		for i := range rows {
			events = append(events, rows[i].ID)
		}
		if more != "" {
			next = part + "|" + more
		}
	}
	var out []JobCandidate
	for _, id := range events {
		of, err := g.ofEvent(id)
		if err != nil {
			return nil, "", err
		}
		out = append(out, of...)
	}
	return out, next, nil
}

// own is an id that is itself what the job is about; nil when it is not.
func (g gathering) own(id string) ([]JobCandidate, error) {
	kind, _, _ := strings.Cut(id, "_")
	var text string
	switch {
	case g.job.Kind == waybill.JobReplay && (kind == "run" || kind == "eff"):
		event, flow, err := g.tx.runOrEffect(id)
		return []JobCandidate{{Object: string(event), Event: event, Flow: flow}}, err
	case kind == "run" && g.job.Kind == waybill.JobRetry:
		text = "SELECT event FROM runs WHERE id = $1"
	case kind == "itm" && (g.job.Kind == waybill.JobRetry || g.job.Kind == waybill.JobRemap):
		text = "SELECT '' FROM items WHERE id = $1"
	case kind == "eff" && (g.job.Kind == waybill.JobRetry || g.job.Kind == waybill.JobPutBack):
		text = "SELECT event FROM effects WHERE id = $1"
	default:
		return nil, nil
	}
	event, found, err := one(g.tx, text, text0, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("what you named,", id)
	}
	return []JobCandidate{{Object: id, Event: waybill.EventID(event)}}, nil
}

// ofEvent is what a job is about of one event.
func (g gathering) ofEvent(id waybill.EventID) ([]JobCandidate, error) {
	f := g.job.Filter
	var text string
	args := []any{string(id)}
	switch g.job.Kind {
	case waybill.JobReplay:
		return []JobCandidate{{Object: string(id), Event: id}}, nil
	case waybill.JobRemap:
		ev, err := g.tx.Event(id)
		if err != nil || ev.Item == "" {
			return nil, err
		}
		return []JobCandidate{{Object: string(ev.Item), Event: id}}, nil
	case waybill.JobPutBack:
		text = "SELECT id FROM effects WHERE event = $1 AND state = 'confirmed'"
	case waybill.JobRetry:
		text = "SELECT id FROM runs WHERE event = $1 AND state = 'blocked'"
	}
	if f.Flow != "" {
		text += " AND flow = $2"
		args = append(args, f.Flow)
	}
	return list(g.tx, text, func(r row) (JobCandidate, error) { return JobCandidate{Object: r.text(0), Event: id}, nil }, args...)
}
