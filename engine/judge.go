package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
)

// What a job would do with each of its members: judged over what the book says now, when it is planned and again just
// before a member begins. Nothing is written here.

// judged is a member with what a plan counts of it.
type judged struct {
	waybill.JobMember
	reads   int
	open    bool
	closed  string           // why a connection that it needs takes nothing now
	amounts map[string]int64 // of payments that would be sent, by currency
	twice   map[string]int64 // of payments that would be repeated
	blank   int              // payments that would be sent and name no amount
	people  []string         // whom its messages would reach
}

// mostWrites is how many writes of one member a plan keeps with their values; it counts all of them.
const mostWrites = 20

// objectsOf turns what a filter chose into what a job works on: of a replay each flow of an event that is to run again.
func (e *Engine) objectsOf(tx *record.Tx, job *waybill.Job, c record.JobCandidate) ([]string, error) {
	if job.Kind != waybill.JobReplay {
		return []string{c.Object}, nil
	}
	ev, err := tx.Event(waybill.EventID(c.Object))
	if err != nil {
		return nil, err
	}
	runs, err := tx.RunsOf(ev.ID)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range e.today().byOn[ev.Type] {
		if job.Filter.Flow != "" && !f.WasCalled(job.Filter.Flow) || c.Flow != "" && !f.WasCalled(c.Flow) {
			continue
		}
		run := repeated(runs, f)
		switch {
		case run == nil && (job.Filter.Flow == "" || job.Filter.State != ""):
			continue // it never ran for this event, and nobody named it
		case run != nil && job.Filter.State != "" && string(run.State) != job.Filter.State:
			continue
		}
		out = append(out, c.Object+"/"+f.Name)
	}
	return out, nil
}

// repeated is the run that a replay of a flow repeats: the newest that was meant for the outside world; nil when there is none.
func repeated(runs []waybill.Run, f *flow.Flow) *waybill.Run {
	for i := len(runs) - 1; i >= 0; i-- {
		if r := &runs[i]; f.WasCalled(r.Flow) && (r.Mode == waybill.ModeLive || r.Mode == waybill.ModeReplay) {
			return r
		}
	}
	return nil
}

// judge says what would happen with one member now. What cannot be judged would fail.
func (e *Engine) judge(job *waybill.Job, object string) (judged, error) {
	m := judged{JobMember: waybill.JobMember{Job: job.ID, Object: object, State: waybill.MemberPlanned}}
	err := e.judgeInto(job, &m)
	if err != nil && waybill.KindOf(err) != waybill.Unavailable {
		m.comesTo(waybill.ClassFails, err.Error())
		err = nil
	}
	return m, err
}

func (e *Engine) judgeInto(job *waybill.Job, m *judged) error {
	if strings.HasPrefix(m.Object, "itm_") {
		return e.judgeItem(job, m)
	}
	return e.view(func(tx *record.Tx) error {
		switch job.Kind {
		case waybill.JobReplay:
			return e.judgeReplay(tx, m)
		case waybill.JobPutBack:
			return e.judgePutBack(tx, job, m)
		default:
			return e.judgeRetry(tx, m)
		}
	})
}

// comesTo sets what a member comes to as a whole.
func (m *judged) comesTo(class waybill.JobClass, words string) {
	m.Class, m.Reason = class, words
}

// add counts a write.
func (m *judged) add(w waybill.JobWrite, inputs map[string]any) {
	if w.Class == waybill.ClassNew || w.Class == waybill.ClassChanged {
		switch w.Kind {
		case waybill.KindMoney:
			if m.amounts == nil {
				m.amounts = map[string]int64{}
			}
			if !addAmounts(m.amounts, inputs) {
				m.blank++
			}
		case waybill.KindMessage:
			if to := recipientOf(inputs); to != "" {
				m.people = append(m.people, to)
			}
		default:
		}
	}
	if w.Repeats {
		m.Again = append(m.Again, w.Address)
		if m.twice == nil {
			m.twice = map[string]int64{}
		}
		if w.Kind == waybill.KindMoney {
			addAmounts(m.twice, inputs)
		}
	}
	if len(m.Writes) >= mostWrites {
		w.Old, w.New = nil, nil
	}
	m.Writes = append(m.Writes, w)
}

// addAmounts adds the money among inputs, minor units with a currency beside them, and reports whether there is any.
func addAmounts(sum map[string]int64, in map[string]any) (found bool) {
	minor, isMinor := in["minor"].(int64)
	currency, isText := in["currency"].(string)
	if isMinor && isText {
		sum[currency] += minor
		return true
	}
	for _, v := range in {
		if inner, ok := v.(map[string]any); ok && addAmounts(sum, inner) {
			found = true
		}
	}
	return found
}

// judgeReplay rehearses a flow of today's version for an event.
func (e *Engine) judgeReplay(tx *record.Tx, m *judged) error {
	id, name, _ := strings.Cut(m.Object, "/")
	m.Event = waybill.EventID(id)
	ev, err := tx.Event(m.Event)
	if err != nil {
		return err
	}
	data, err := decodeMap(ev.Data)
	if err != nil {
		return err
	}
	v := e.today()
	f := v.flow(name)
	if f == nil {
		m.comesTo(waybill.ClassFails, fmt.Sprintf("the workspace has no flow %q any more", name))
		return nil
	}
	runs, err := tx.RunsOf(ev.ID)
	if err != nil {
		return err
	}
	rec := &recorded{e: e, tx: tx, ev: ev, flow: f, m: m}
	if run := repeated(runs, f); run != nil {
		m.Repeats, rec.run = run.ID, run
		if !run.State.Ended() && run.State != waybill.RunBlocked {
			m.comesTo(waybill.ClassBlocked, "its run is still under way: "+orElse(run.Reason, string(run.State)))
			return nil
		}
	}
	c, _, err := f.Consider(ev, data)
	switch {
	case err != nil:
		m.comesTo(waybill.ClassFails, err.Error())
		return nil
	case !c.Matched:
		m.comesTo(waybill.ClassNothing, c.Reason)
		return nil
	}
	out, err := f.Rehearse(f.Start(), ev, data, rec, readsOf(tx, e.begin(v, f, ev, data, "")))
	if err != nil {
		return err
	}
	m.reads, m.open = out.Reads, out.Open != ""
	m.comesTo(out.Class(), sayRehearsal(&out))
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// sayRehearsal says in words what a rehearsal came to: its gravest write, or where it would stop.
func sayRehearsal(r *flow.Rehearsal) string {
	if r.Blocked != nil {
		return r.Blocked.Words
	}
	class := r.Class()
	for i := range r.Writes {
		if w := &r.Writes[i]; w.Class == class {
			words := w.Address + ": " + w.Words
			if r.Open != "" {
				words += "; " + r.Open
			}
			return words
		}
	}
	return orElse(r.Open, orElse(r.Reason, "nothing is written"))
}

// recorded is what the book says of the event and flow under rehearsal.
type recorded struct {
	e    *Engine
	tx   *record.Tx
	ev   *waybill.Event
	flow *flow.Flow
	run  *waybill.Run // the one that is repeated; nil when there is none
	m    *judged
}

// Read returns what a step read before.
func (r *recorded) Read(address string) (*flow.Answer, error) {
	if r.run == nil {
		return nil, nil
	}
	all, err := r.tx.FetchesOfRun(r.run.ID)
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if f := &all[i]; f.Effect == "" && r.flow.Did(address, r.run.Flow, f.Address) {
			if f.State != waybill.FetchDone {
				return nil, nil
			}
			a, err := fetchAnswer(f)
			if a != nil {
				a.Address = address
			}
			return a, err
		}
	}
	return nil, nil
}

// Told looks for the fact that a step would emit.
func (r *recorded) Told(m *flow.Emitted) (bool, error) {
	told, err := toldBefore(r.tx, r.ev, r.flow, &waybill.Event{
		Account: r.ev.Account, Connection: r.ev.Connection, Type: m.Type, FactKey: emittedFact(r.ev, r.flow, m),
	})
	return told != nil, err
}

// Write judges a write as it would be planned now.
func (r *recorded) Write(p *flow.PlannedEffect) (waybill.JobWrite, *waybill.Effect, error) {
	w := waybill.JobWrite{Address: p.Address, Connection: p.Connection, Action: p.Action.Name, Kind: p.Action.Kind, New: encode(p.Inputs)}
	target, ok := r.e.target(p.Connection)
	if !ok {
		return w, nil, gone(p.Connection)
	}
	next := waybill.Effect{
		Event: r.ev.ID, Flow: r.flow.Name, Address: p.Address, Generation: 1, Connection: p.Connection, Account: target.Account,
		Action: p.Action.Name, Kind: p.Action.Kind, PlannedAt: r.e.d.Now(), Order: orderOf(r.ev), Inputs: w.New,
	}
	if err := r.e.render(target, p.Action, p.Inputs, &next); err != nil {
		return w, nil, err
	}
	last, err := doneBefore(r.tx, r.ev.ID, r.flow, p.Address)
	if waybill.KindOf(err) == waybill.NotFound {
		last, err = nil, nil
	}
	if err != nil {
		return w, nil, err
	}
	w.Fingerprint = next.Fingerprint
	closing := r.run != nil && r.run.State == waybill.RunBlocked
	fingerprint := next.Fingerprint
	if last != nil {
		w.Effect = last.ID
		if fingerprint = fingerprintLike(last, &next); last.Fingerprint != fingerprint {
			w.Old = last.Inputs
		}
	}
	if last == nil {
		if w.Class, w.Repeats, w.Words, err = r.e.firstOf(r.tx, &next); err != nil {
			return w, nil, err
		}
	} else {
		w.Class, w.Repeats, w.Words = flow.Again(last, p.Action.Kind, fingerprint, closing)
	}
	if w.Class == waybill.ClassNew || w.Class == waybill.ClassChanged {
		if err := r.standsInTheWay(p, &next, &w); err != nil {
			return w, nil, err
		}
	}
	r.m.add(w, p.Inputs)
	return w, last, nil
}

// orderOf is the place of an event's fact among the facts about an object.
func orderOf(ev *waybill.Event) waybill.Stamp {
	return waybill.Stamp{Revision: ev.Revision, At: ev.OccurredAt, Rank: ev.Rank, Event: ev.ID}
}

// standsInTheWay asks what would keep a write from being made now: it came too late, a newer fact was written, the other
// side cannot be reached, or a process that was lost may have made it.
func (r *recorded) standsInTheWay(p *flow.PlannedEffect, next *waybill.Effect, w *waybill.JobWrite) error {
	now := r.e.d.Now()
	if until := r.ev.AcceptedAt.Add(p.GoodFor); p.GoodFor > 0 && !now.Before(until) {
		w.Class, w.Words = waybill.ClassNothing, "too late: it was good until "+until.UTC().Format(time.RFC3339)
		return nil
	}
	if _, ordered := next.Writes(); ordered {
		newest, by, err := r.e.newestWritten(r.tx, next)
		if err != nil {
			return err
		}
		if by != "" && deliver.Older(next.Order, newest) {
			w.Class, w.Words = waybill.ClassNothing, "late: a newer fact was already written"
			return nil
		}
	}
	if closed := r.e.closed(p.Connection, p.Action.Name); closed != "" {
		w.Class, w.Words, r.m.closed = waybill.ClassFails, closed, closed
		return nil
	}
	restoring, err := r.e.doubtFor(r.tx, r.ev, p.Action, next)
	if err == nil && restoring.Unknown {
		w.Doubt, w.Words = true, restoring.Decision.Reason
	}
	return err
}

// closed says why nothing can be sent to a connection now; empty when it can.
func (e *Engine) closed(connection, action string) string {
	s := e.stateOf(connection)
	switch {
	case slices.Contains(s.Parked, action):
		return fmt.Sprintf("%s may not do %s there; the permission comes first", connection, action)
	case s.Health == waybill.HealthWorking || s.Health == "":
		return ""
	case s.Health == waybill.HealthPaused:
		return connection + " is paused"
	default:
		return fmt.Sprintf("%s: %s", connection, orElse(s.Reason, string(s.Health)))
	}
}

// judgeRetry says what trying again would do with a run or an effect that needs a person.
func (e *Engine) judgeRetry(tx *record.Tx, m *judged) error {
	run, eff, err := e.runAndEffect(tx, m.Object)
	if err != nil {
		return err
	}
	m.Event, m.Run = run.Event, run.ID
	offered, err := e.choices(tx, m.Object)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(offered, func(c waybill.Choice) bool {
		return c.Verb == waybill.VerbRetry || c.Verb == waybill.VerbSendAgain && eff == nil
	}) {
		switch {
		case eff != nil && eff.State == waybill.EffectUnknown:
			m.comesTo(waybill.ClassBlocked, "whether it happened is not known: a person looks, and says so on its page")
		case len(offered) > 0 && run.State == waybill.RunBlocked:
			m.comesTo(waybill.ClassBlocked, "it cannot simply be tried again: a person decides on its page")
		default:
			m.comesTo(waybill.ClassNothing, "it needs nobody any more")
		}
		return nil
	}
	if eff == nil {
		return e.judgeStep(tx, run, m)
	}
	w := waybill.JobWrite{
		Address: eff.Address, Connection: eff.Connection, Action: eff.Action, Kind: eff.Kind, Effect: eff.ID, Fingerprint: eff.Fingerprint,
		New: eff.Inputs, Class: waybill.ClassNew, Words: "known not to have happened",
	}
	if closed := e.closed(eff.Connection, eff.Action); closed != "" {
		w.Class, w.Words, m.closed = waybill.ClassFails, closed, closed
	}
	in, err := decodeMap(eff.Inputs)
	if err != nil {
		return err
	}
	m.add(w, in)
	m.comesTo(w.Class, w.Address+": "+w.Words)
	return nil
}

// runAndEffect finds what a run or effect id is about: the run, and the effect that keeps it where it stands.
func (e *Engine) runAndEffect(tx *record.Tx, object string) (*waybill.Run, *waybill.Effect, error) {
	if strings.HasPrefix(object, "eff_") {
		eff, err := tx.Effect(waybill.EffectID(object))
		if err != nil {
			return nil, nil, err
		}
		run, err := tx.Run(eff.Run)
		return run, eff, err
	}
	run, err := tx.Run(waybill.RunID(object))
	if err != nil {
		return nil, nil, err
	}
	eff, err := e.effectOfStep(tx, run)
	if err == nil && eff != nil && !standsAt(run, eff.Address) {
		eff = nil
	}
	return run, eff, err
}

// judgeStep runs the machine dry from where a run is blocked: when it blocks at once, its cause is still there.
func (e *Engine) judgeStep(tx *record.Tx, run *waybill.Run, m *judged) error {
	b, err := e.load(tx, run)
	if err != nil {
		m.comesTo(waybill.ClassFails, "the version that it began with cannot be read: "+err.Error())
		return nil //nolint:nilerr // it is what was found
	}
	again, err := e.redoOf(tx, run)
	if err != nil {
		return err
	}
	if again != nil {
		b.progress = b.flow.Edit(b.progress, b.progress.Awaits(), b.progress.Inputs)
	}
	_, moves := b.flow.Next(b.progress, b.event, b.data, nil, readsOf(tx, b))
	m.comesTo(waybill.ClassNew, "the run goes on")
	for _, move := range moves {
		switch {
		case move.Block != nil:
			words := move.Block.Words
			if run.Bundle != e.today().id {
				words += "; it runs on the version it began with: a replay runs on the one of today"
			}
			m.comesTo(waybill.ClassFails, words)
		case move.Fetch != nil:
			m.reads++
			m.open = true
			m.comesTo(waybill.ClassNew, move.Fetch.Address+": it is read again")
			if closed := e.closed(move.Fetch.Connection, move.Fetch.Action.Name); closed != "" {
				m.closed = closed
				m.comesTo(waybill.ClassFails, closed)
			}
		case move.Effect != nil:
			rec := &recorded{e: e, tx: tx, ev: b.event, flow: b.flow, m: m}
			w, _, err := rec.Write(move.Effect)
			if err != nil {
				m.comesTo(waybill.ClassFails, err.Error())
				return nil
			}
			m.comesTo(w.Class, w.Address+": "+w.Words)
		}
	}
	return nil
}

// judgeItem reads an item dry.
func (e *Engine) judgeItem(job *waybill.Job, m *judged) error {
	p := &piece{}
	err := e.view(func(tx *record.Tx) error {
		it, err := tx.Item(waybill.ItemID(m.Object))
		if err == nil {
			p.item = *it
		}
		return err
	})
	if err != nil {
		return err
	}
	it := &p.item
	if len(it.Events) > 0 {
		m.Event = it.Events[0]
	}
	switch {
	case it.State == waybill.ItemKept || it.State == waybill.ItemFetching:
		m.comesTo(waybill.ClassNothing, "it is being read just now")
		return nil
	case job.Kind == waybill.JobRetry && it.State != waybill.ItemBlocked:
		m.comesTo(waybill.ClassNothing, "it needs nobody any more")
		return nil
	}
	conn := e.today().ws.Connections[it.Connection]
	if conn == nil || conn.Translator == nil {
		m.comesTo(waybill.ClassNothing, fmt.Sprintf("the connection %q is not in the workspace any more, so nothing reads what it sends", it.Connection))
		return nil
	}
	return e.readDry(p, conn.Manifest, m)
}

// readDry translates an item without writing anything, and says which facts it tells that nobody knows yet.
func (e *Engine) readDry(p *piece, manifest *connector.Manifest, m *judged) error {
	fetched, err := e.readFor(&p.item)
	if err != nil {
		return err
	}
	in, err := e.input(p, manifest)
	if err != nil {
		m.comesTo(waybill.ClassFails, "its bytes cannot be read: "+err.Error())
		return nil //nolint:nilerr // it is what was found
	}
	in.Fetched = fetched
	res := e.today().ws.Connections[p.item.Connection].Translator.Translate(in)
	switch {
	case res.Blocked != nil:
		m.comesTo(waybill.ClassFails, res.Blocked.Words)
		return nil
	case res.NeedFetch != nil:
		m.reads, m.open = 1, true
		m.comesTo(waybill.ClassNew, "it carries ids only: the record is read first")
		return nil
	case len(res.Events) == 0:
		m.comesTo(waybill.ClassNothing, orElse(res.NotUsed, "it proves an effect"))
		return nil
	}
	m.comesTo(waybill.ClassSame, "its facts are known already: it starts nothing")
	return e.view(func(tx *record.Tx) error {
		for i := range res.Events {
			known, err := tx.EventOfFact(&res.Events[i])
			if err != nil {
				return err
			}
			if known == nil {
				m.comesTo(waybill.ClassNew, "it tells a fact nobody knows yet: "+res.Events[i].Type)
			}
		}
		return nil
	})
}
