package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"waybill"
	"waybill/connector"
	"waybill/flow"
	"waybill/record"
	"waybill/subject"
	"waybill/translate"
)

// piece is an item to be understood, with its arrival when this process still holds it.
type piece struct {
	item    waybill.Item
	arrival *opened // shared by the items of one arrival
	tries   int
}

// opened is an arrival as far as this process holds it; its body is read once for all its items.
type opened struct {
	mu      sync.Mutex
	arrival *waybill.Arrival // nil: read it from the book
	body    *translate.Body
}

// understood is what one item came to, ready to be written.
type understood struct {
	p        *piece
	item     waybill.Item
	openings []*opening
	fetch    *waybill.Fetch
	action   *connector.Action
	settles  []translate.SettlesFound
	problem  *waybill.Problem
	follows  []*advance // set by apply
	job      *job       // set by apply
}

// understand is the second transaction for a batch of items: each item's end, its events by their fact keys, their
// runs in lanes, the effects that a webhook settles.
func (e *Engine) understand(batch []*piece) {
	if e.outpaced() {
		e.leaveItems(batch...)
		return
	}
	e.readArrivals(batch)
	intents := make([]intent, 0, len(batch))
	for _, p := range batch {
		u, err := e.read(p)
		if err != nil {
			e.putOff(p, err)
			continue
		}
		intents = append(intents, intent{
			ahead: aheadOf(u.openings),
			apply: func(tx *record.Tx) error {
				if e.isBehind(tx.Standing().Bundle) {
					return errBehind
				}
				return e.applyUnderstood(tx, u)
			},
			after: func() {
				e.o.Passing(stepUnderstood)
				e.claims.drop(string(p.item.ID))
				e.followUnderstood(u)
			},
			fail: func(err error) {
				e.releaseOpenings(u.openings)
				if errors.Is(err, errBehind) {
					e.leaveItems(p)
					return
				}
				e.putOff(p, err)
			},
		})
	}
	e.o.Passing(stepTranslated)
	e.commit(intents...)
}

// aheadOf is what the openings of an item look up: whether its facts are told, and whom they are about.
func aheadOf(openings []*opening) record.Ahead {
	var a record.Ahead
	for _, o := range openings {
		a.Events = append(a.Events, o.event)
		if o.about != nil {
			a.Subjects = append(a.Subjects, o.about)
		}
	}
	return a
}

// read translates an item; nothing is written. Whatever a stranger's bytes break, they break for themselves only.
func (e *Engine) read(p *piece) (u *understood, err error) {
	u = &understood{p: p, item: p.item}
	defer func() {
		if broken := recover(); broken != nil {
			e.releaseOpenings(u.openings)
			u, err = nil, &waybill.Error{Kind: waybill.Internal, Message: fmt.Sprintf("reading the item broke off: %v", broken)}
		}
	}()
	v := e.today()
	conn := v.ws.Connections[p.item.Connection]
	if conn == nil {
		e.keepOfRemoved(u)
		return u, nil
	}
	if conn.Translator == nil {
		u.item.State = waybill.ItemNotUsed
		u.item.Reason = fmt.Sprintf("nothing of the workspace reads what the connection %q sends", p.item.Connection)
		return u, nil
	}
	in, bad := e.input(p, conn.Manifest)
	if bad != nil {
		return nil, bad
	}
	res := conn.Translator.Translate(in)
	u.settles = res.Settles
	switch {
	case res.Blocked != nil:
		u.item.State, u.item.Reason = waybill.ItemBlocked, res.Blocked.Words
		u.problem = e.problem(blame{
			cause: res.Blocked.Cause, connection: p.item.Connection, action: p.item.Type,
			code: res.Blocked.Code, words: res.Blocked.Words, owner: e.owner(),
		}, "")
	case res.NeedFetch != nil:
		e.planItemFetch(u, res.NeedFetch)
	case len(res.Events) > 0:
		u.item.State, u.item.Reason = waybill.ItemTranslated, ""
		for i := range res.Events {
			ev := res.Events[i]
			ev.ID = waybill.EventID(e.ids.New("evt"))
			ev.Item, ev.Arrival, ev.AcceptedAt, ev.Bundle = p.item.ID, p.item.Arrival, p.item.ReceivedAt, v.id
			o := e.open(v, &ev, res.Data[i])
			e.reserveOpening(o)
			u.openings = append(u.openings, o)
		}
	case len(res.Settles) > 0:
		u.item.State = waybill.ItemTranslated
		u.item.Reason = "proof of an effect"
	default:
		u.item.State, u.item.Reason = waybill.ItemNotUsed, res.NotUsed
	}
	return u, nil
}

// readArrivals reads from the book the arrivals that this process does not hold, in one go. One that cannot be read is
// missed when its item is.
func (e *Engine) readArrivals(batch []*piece) {
	var missing []*piece
	byID := map[waybill.ArrivalID]*opened{}
	for _, p := range batch {
		if p.arrival == nil {
			if byID[p.item.Arrival] == nil {
				byID[p.item.Arrival] = &opened{}
				missing = append(missing, p)
			}
			p.arrival = byID[p.item.Arrival]
		}
	}
	if len(missing) == 0 {
		return
	}
	err := e.view(func(tx *record.Tx) error {
		for _, p := range missing {
			a, err := tx.Received(p.item.Arrival)
			if err != nil {
				continue
			}
			p.arrival.arrival = a
		}
		return nil
	})
	if err != nil {
		e.log.Warn("the arrivals of some items could not be read together", "err", err)
	}
}

// input gathers what translate needs, reading the book for what this process does not hold.
func (e *Engine) input(p *piece, m *connector.Manifest) (translate.Input, error) {
	if p.arrival == nil {
		p.arrival = &opened{}
	}
	o := p.arrival
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.arrival == nil || o.arrival.Body == nil {
		err := e.view(func(tx *record.Tx) (err error) { o.arrival, err = tx.Received(p.item.Arrival); return err })
		if err != nil {
			return translate.Input{}, fmt.Errorf("read the arrival of %s: %w", p.item.ID, err)
		}
	}
	var fetched map[string]any
	if p.item.State == waybill.ItemFetching {
		var err error
		if fetched, err = e.readFor(&p.item); err != nil {
			return translate.Input{}, err
		}
	}
	if o.body == nil {
		var err error
		if o.body, err = translate.Read(m, o.arrival); err != nil {
			return translate.Input{}, err
		}
	}
	return translate.Input{Item: p.item, Body: o.body, Fetched: fetched}, nil
}

// opening is an event about to be written, with the flows that considered it and the runs that begin.
type opening struct {
	event    *waybill.Event
	data     map[string]any
	about    *waybill.Subject // what it is mainly about, as it tells it; nil when nothing is kept of that
	advances []*advance

	// set by apply
	fresh bool
	id    waybill.EventID // the event's own, or that of the same fact
	woken []waybill.RunID // the runs that waited for it
}

// open asks every flow of the event's type what it makes of it, and takes each run that begins as far as it goes
// without the outside world.
func (e *Engine) open(v *version, ev *waybill.Event, data map[string]any) *opening {
	o := &opening{event: ev, data: data, about: e.about(v, ev, data)}
	for _, f := range v.startedBy(ev) {
		c, lane, err := f.Consider(ev, data)
		if err != nil {
			c.Reason = err.Error()
		}
		if err != nil {
			c.Matched = true // whether it should run is not known: that is for a person to see
		}
		if c.Matched {
			b := e.begin(v, f, ev, data, lane)
			c.Run = b.run.ID
			var a *advance
			if err != nil {
				a = e.resolve(b, b.progress, []flow.Move{{Block: &flow.Blocked{Cause: waybill.MappingWrong, Words: err.Error()}}})
			} else if a = e.ahead(b, nil); a == nil {
				a = &advance{b: b, from: b, run: b.run, inside: true}
			}
			o.advances = append(o.advances, a)
		}
		ev.Considered = append(ev.Considered, c)
	}
	return o
}

// begin makes the run of a flow for an event, before its first step.
func (e *Engine) begin(v *version, f *flow.Flow, ev *waybill.Event, data map[string]any, lane string) *begun {
	now := e.d.Now()
	b := &begun{version: v, flow: f, event: ev, data: data, progress: f.Start()}
	b.run = waybill.Run{
		ID: waybill.RunID(e.ids.New("run")), Event: ev.ID, Flow: f.Name, Bundle: v.id, Mode: waybill.ModeLive,
		State: waybill.RunRunning, Lane: lane, Owner: f.Owner, CreatedAt: now, UpdatedAt: now,
	}
	if f.DueWithin > 0 {
		b.run.DueBy = ev.AcceptedAt.Add(f.DueWithin)
	}
	return b
}

func (e *Engine) applyUnderstood(tx *record.Tx, u *understood) error {
	u.follows, u.job = nil, nil
	item := u.item
	for _, o := range u.openings {
		if err := e.applyOpening(tx, o); err != nil {
			return err
		}
		if o.id == "" {
			item.Reason = "this fact was told before, by an event that is past retention"
			continue
		}
		item.Events = append(slices.Clip(item.Events), o.id)
	}
	for _, s := range u.settles {
		if err := e.applySettles(tx, u, s); err != nil {
			return err
		}
	}
	if u.fetch != nil {
		f := *u.fetch
		if err := tx.PlanFetch(&f); err != nil {
			return fmt.Errorf("plan the item's fetch: %w", err)
		}
		u.job = &job{fetch: &f, action: u.action}
	}
	if u.problem != nil {
		id, err := tx.Raise(u.problem, waybill.Member{Item: item.ID, At: e.d.Now()})
		if err != nil {
			return err
		}
		item.Problem = id
	} else if u.p.item.Problem != "" {
		if err := tx.Clear(waybill.Member{Item: item.ID}); err != nil {
			return err
		}
		item.Problem = ""
	}
	return tx.MoveItem(&item, u.p.item.State)
}

// applyOpening writes an event, or joins the one of the same fact; a known fact starts nothing.
func (e *Engine) applyOpening(tx *record.Tx, o *opening) error {
	o.fresh = false
	ev := *o.event
	id, fresh, err := tx.PutEvent(&ev)
	if err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	if o.id = id; !fresh {
		return nil
	}
	o.fresh = true
	if err := e.tell(tx, e.today(), o); err != nil {
		return err
	}
	if o.about != nil {
		s := *o.about
		if _, err := tx.TouchSubject(&s); err != nil {
			return fmt.Errorf("update the copy of %s: %w", ev.Subject, err)
		}
	}
	for _, a := range o.advances {
		if err := e.applyStart(tx, a); err != nil {
			return err
		}
	}
	return nil
}

// applyStart writes a new run: as far as it got when it is first in its lane, else queued behind the others.
func (e *Engine) applyStart(tx *record.Tx, a *advance) error {
	if a.inside {
		*a = *e.machine(a.from, nil, readsOf(tx, a.from))
		a.inside = true
	}
	a.job, a.next, a.wake = nil, "", false
	run := a.run
	behind, err := tx.PutRun(&run)
	if err != nil {
		return fmt.Errorf("start the run of %s: %w", run.Flow, err)
	}
	if behind != "" { // its machine begins when its turn has come
		for _, o := range a.emits {
			o.fresh = false
		}
		queued := a.from.run
		queued.State = waybill.RunQueued
		return tx.MoveRun(&queued, waybill.RunQueued)
	}
	state := run.State
	if err := e.apply(tx, a, ""); err != nil {
		return err
	}
	if after := a.b.run; after.Problem != run.Problem || after.State != state || !after.DueAt.Equal(run.DueAt) {
		if err := tx.MoveRun(&after, state); err != nil {
			return err
		}
	}
	return e.leave(tx, a, a.b.run)
}

func (e *Engine) followUnderstood(u *understood) {
	for _, o := range u.openings {
		e.followOpening(o)
	}
	for _, a := range u.follows {
		e.follow(a)
	}
	if u.job != nil {
		e.queue(u.job)
	}
}

func (e *Engine) followOpening(o *opening) {
	if !o.fresh {
		e.releaseOpenings([]*opening{o})
		return
	}
	for _, a := range o.advances {
		e.follow(a)
	}
	for _, id := range o.woken {
		e.runs.push(id)
	}
}

// releaseOpenings gives back the slots of effects that were not written.
func (e *Engine) releaseOpenings(list []*opening) {
	for _, o := range list {
		for _, a := range o.advances {
			if a.rides {
				e.unreserve(a)
			}
			e.releaseOpenings(a.emits)
		}
	}
}

// about is what an event tells of what it is mainly about, for Waybill's own copy of that; nil when none is kept.
func (e *Engine) about(v *version, ev *waybill.Event, data map[string]any) *waybill.Subject {
	def, ok := v.ws.Catalogue.Find(ev.Type)
	if !ok {
		return nil
	}
	about := subject.Of(def, ev, data)
	if len(about) == 0 {
		return nil
	}
	s := about[0]
	s.ID = waybill.SubjectID(e.ids.New("sub"))
	return &s
}

// planItemFetch asks for the data a webhook lacks.
func (e *Engine) planItemFetch(u *understood, need *translate.FetchNeeded) {
	f, action, err := e.newFetch(u.p.item.Connection, need.Action, need.Inputs)
	if err != nil {
		u.item.State, u.item.Reason = waybill.ItemBlocked, err.Error()
		u.problem = e.problem(blame{
			cause: waybill.MappingWrong, connection: u.p.item.Connection, action: need.Action,
			words: err.Error(), owner: e.owner(),
		}, "")
		return
	}
	f.Item, f.Address = u.p.item.ID, need.As
	u.fetch, u.action = f, action
	u.item.State, u.item.Reason = waybill.ItemFetching, "its webhook carries ids only; the record is being read"
}

// putOff tries an item again later, and keeps it in hand until then; one that cannot be written at all is put on a
// person's list.
func (e *Engine) putOff(p *piece, err error) {
	if errors.Is(err, errLost) || waybill.KindOf(err) == waybill.Conflict && e.movedOn(p) {
		e.claims.drop(string(p.item.ID))
		return
	}
	p.tries++
	e.log.Error("an item could not be understood", "item", p.item.ID, "try", p.tries, "err", err)
	if p.tries < 5 || waybill.KindOf(err) == waybill.Unavailable {
		e.d.At(e.d.Now().Add(e.backoff(p.tries)), func() {
			if !e.items.push(p) {
				e.claims.drop(string(p.item.ID))
			}
		})
		return
	}
	defer e.claims.drop(string(p.item.ID))
	item := p.item
	item.State, item.Reason = waybill.ItemBlocked, "our side: "+err.Error()
	e.commit(intent{apply: func(tx *record.Tx) error {
		problem := e.problem(blame{cause: waybill.OurSide, connection: item.Connection, action: item.Type, words: item.Reason, owner: e.owner()}, "")
		id, err := tx.Raise(problem, waybill.Member{Item: item.ID, At: e.d.Now()})
		if err != nil {
			return err
		}
		item.Problem = id
		return tx.MoveItem(&item, p.item.State)
	}})
}

// movedOn reports whether somebody else has understood an item, or set it aside.
func (e *Engine) movedOn(p *piece) bool {
	moved := false
	err := e.view(func(tx *record.Tx) error {
		it, err := tx.Item(p.item.ID)
		moved = err == nil && it.State != p.item.State
		return err
	})
	return moved && err == nil
}

// hand queues an item to be understood, unless it is in hand already.
func (e *Engine) hand(p *piece) {
	if e.claims.take(string(p.item.ID)) && !e.items.push(p) {
		e.claims.drop(string(p.item.ID))
	}
}

// refillItems reads from the table the items that no hint holds.
func (e *Engine) refillItems() {
	if e.outpaced() {
		e.leaveItems() // also those that it has claimed and forgotten
		return
	}
	free := e.items.ask()
	if free == 0 {
		return
	}
	look := e.claims.look()
	defer look.end()
	var list []waybill.Item
	err := e.take(func(tx *record.Tx) (err error) { list, err = tx.DueItems(e.d.Now(), free); return err })
	if err != nil {
		e.log.Error("the items that are due could not be read", "err", err)
		return
	}
	if len(list) >= e.inOneLook(free) {
		e.items.more()
	}
	for i := range list {
		if p := (&piece{item: list[i]}); look.take(string(p.item.ID)) && !e.items.push(p) {
			e.claims.drop(string(p.item.ID))
		}
	}
}
