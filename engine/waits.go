package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/flow"
	"waybill/record"
	"waybill/workspace"
)

// Runs that wait for a time or an event: docs/decisions/0010-steps-that-wait.md. Nothing of them is held in memory: the
// time is the run's due, and events find the run by their keys, in the transaction that writes them.

// own is the shape of the keys by which runs hear of what is told of their event's object anew.
const own = "~object"

// cancelMark begins the address under which a place of cancel_on waits.
const cancelMark = "~cancel "

// holdFetch is how long after its time a timer waits for items whose data is still being read: their connection may be
// down for days, and what it would tell is not known before.
const holdFetch = 15 * time.Minute

// resolveRest works out until when a run waits.
func (e *Engine) resolveRest(a *advance, r *flow.Rest, now time.Time) {
	run := &a.b.run
	due := r.Due(a.b.progress.Begin(now))
	run.Progress = a.b.progress.Encode()
	run.State, run.DueAt, run.Reason = waybill.RunWaiting, due, r.Say(due)
	a.rest = r
}

// applyRest registers what a run waits for from now on, and forgets what it no longer waits for. A run that was blocked comes
// to its wait anew: what came meanwhile woke nobody.
func (e *Engine) applyRest(tx *record.Tx, a *advance, run *waybill.Run, from waybill.RunState) error {
	rested := a.from.flow.Rests(a.from.progress)
	same := rested && a.rest != nil && a.from.progress.Address == a.rest.Address
	if same && from != waybill.RunBlocked {
		return nil // it goes on waiting for the same
	}
	if rested && !same {
		if err := tx.EndWaits(run.ID); err != nil {
			return fmt.Errorf("forget what the run waited for: %w", err)
		}
	}
	if a.rest == nil {
		return nil
	}
	hits := 0
	if same {
		known, err := tx.Hits(run.ID)
		if err != nil {
			return fmt.Errorf("read what came: %w", err)
		}
		hits = len(known)
	}
	for _, k := range a.rest.Keys {
		for _, typ := range k.Types {
			n, err := tx.Await(run.ID, waitAddress(a.rest, k), waitKey(typ, k), a.b.event.AcceptedAt, a.b.event.ID)
			if err != nil {
				return fmt.Errorf("wait for %s: %w", typ, err)
			}
			hits += n
		}
	}
	if k, ok := aboutKey(a.b.version, a.b.event, a.b.data); ok && a.rest.Moves {
		if _, err := tx.Await(run.ID, own, k, a.b.event.AcceptedAt, a.b.event.ID); err != nil {
			return fmt.Errorf("wait for what is told of the object: %w", err)
		}
	}
	if hits > 0 { // it came before the run was here
		run.DueAt, a.wake = e.d.Now(), true
	}
	return nil
}

func waitKey(typ string, k flow.Key) record.WaitKey {
	return record.WaitKey{Type: typ, Shape: k.Shape, Value: k.Value}
}

func waitAddress(r *flow.Rest, k flow.Key) string {
	if k.Cancel >= 0 {
		return cancelMark + strconv.Itoa(k.Cancel)
	}
	return r.Address
}

// aboutKey is the key of the object that an event is about as a whole; false when nothing tells which one it is.
func aboutKey(v *version, ev *waybill.Event, data map[string]any) (record.WaitKey, bool) {
	def, ok := v.ws.Catalogue.Find(ev.Type)
	if !ok {
		return record.WaitKey{}, false
	}
	id := def.Identity(ev.Connection, data)
	return record.WaitKey{Type: ev.Noun, Shape: own, Value: id}, id != ""
}

// awaiting is what the flows of some versions wait for, by event type; and the nouns they ask about again.
type awaiting struct {
	events map[string][]flow.Awaited
	nouns  map[string]bool
}

// add notes what the flows of a version wait for. The maps are made anew, so that who reads them needs no lock.
func (w awaiting) add(v *version) awaiting {
	out := awaiting{events: map[string][]flow.Awaited{}, nouns: map[string]bool{}}
	for typ, list := range w.events {
		out.events[typ] = slices.Clone(list)
	}
	for noun := range w.nouns {
		out.nouns[noun] = true
	}
	for _, f := range v.ws.Flows {
		for _, a := range f.Awaits() {
			same := func(b flow.Awaited) bool { return a.Shape == b.Shape }
			if !slices.ContainsFunc(out.events[a.Type], same) {
				out.events[a.Type] = append(out.events[a.Type], a)
			}
		}
		if f.AsksAnew() {
			out.nouns[f.Noun] = true
		}
	}
	return out
}

// tell finds the runs that wait for an event. An event of a type that no flow waits for costs nothing.
func (e *Engine) tell(tx *record.Tx, v *version, o *opening) error {
	w := e.waits.Load()
	o.woken = nil
	for _, a := range w.events[o.event.Type] {
		value, ok := a.Key(o.data)
		if !ok {
			continue
		}
		woken, err := tx.Tell(o.event, record.WaitKey{Type: a.Type, Shape: a.Shape, Value: value})
		if err != nil {
			return fmt.Errorf("tell the runs that wait for %s: %w", a.Type, err)
		}
		o.woken = append(o.woken, woken...)
	}
	if !w.nouns[o.event.Noun] {
		return nil
	}
	k, ok := aboutKey(v, o.event, o.data)
	if !ok {
		return nil
	}
	woken, err := tx.Renew(o.event, k)
	if err != nil {
		return fmt.Errorf("note the newest fact of %s: %w", o.event.Subject, err)
	}
	o.woken = append(o.woken, woken...)
	return nil
}

// advanceRest looks at a run that waits: whether an event or the time has ended that.
func (e *Engine) advanceRest(tx *record.Tx, b *begun) (*advance, error) {
	r := readsOf(tx, b)
	p, moves := b.flow.Next(b.progress, b.event, b.data, &flow.Answer{Address: b.progress.Address, Result: flow.Moved}, r)
	if len(moves) != 1 || moves[0].Rest == nil { // until when cannot be said any more
		a := e.resolve(b, p, moves)
		return a, e.apply(tx, a, b.run.State)
	}
	rest := moves[0].Rest
	for _, k := range rest.Keys {
		for _, typ := range k.Types {
			if err := tx.LockWait(waitKey(typ, k)); err != nil {
				return nil, err
			}
		}
	}
	if err := tx.LockRest(b.run.ID); err != nil {
		return nil, err
	}
	answer, pressed, err := e.hitOf(tx, b, r)
	if err != nil {
		return nil, err
	}
	if answer == nil {
		due := rest.Due(p.Begin(e.d.Now()))
		if !pressed.IsZero() && pressed.Before(due) {
			due = pressed
		} else if due.After(e.d.Now()) {
			a := e.resolve(b, p, moves)
			return a, e.apply(tx, a, b.run.State)
		}
		held, err := e.untold(tx, b, rest, due)
		if err != nil {
			return nil, err
		}
		if held {
			return nil, e.holdTimer(tx, b)
		}
		answer = &flow.Answer{Address: b.progress.Address, Result: flow.TimeOver}
	}
	if answer.Result != flow.Over {
		turn, err := e.takeTurn(tx, &b.run, b.progress)
		if err != nil || !turn { // what has ended the wait stays in the book until its turn comes
			return nil, err
		}
	}
	a := e.machine(b, answer, r)
	return a, e.apply(tx, a, b.run.State)
}

// hitOf finds the first event that ends the wait, in the order of acceptance; nil when none does, with the time at which a
// person let the run go on, if one did before any such event came. What does not end the wait is forgotten.
func (e *Engine) hitOf(tx *record.Tx, b *begun, r reads) (answer *flow.Answer, pressed time.Time, err error) {
	hits, err := tx.Hits(b.run.ID)
	if err != nil {
		return nil, pressed, fmt.Errorf("read what came: %w", err)
	}
	for _, h := range hits {
		if h.Pressed() {
			pressed = h.AcceptedAt
			continue
		}
		if !pressed.IsZero() && h.AcceptedAt.After(pressed) {
			break
		}
		answer, err = e.ends(tx, b, h, r)
		if answer != nil || err != nil {
			return answer, pressed, err
		}
		if err := tx.DropHit(b.run.ID, h); err != nil {
			return nil, pressed, err
		}
	}
	return nil, pressed, nil
}

// restChoice is the button that lets a run go on which waits for a time or an event; nil when it does not, or was let
// already.
func (e *Engine) restChoice(tx *record.Tx, run *waybill.Run) (*waybill.Choice, error) {
	b, err := e.load(tx, run)
	if err != nil || !b.flow.Rests(b.progress) {
		return nil, nil //nolint:nilerr // a run that cannot be read can still be stopped
	}
	hits, err := tx.Hits(run.ID)
	if err != nil || slices.ContainsFunc(hits, record.Hit.Pressed) {
		return nil, err
	}
	c := &waybill.Choice{Verb: waybill.VerbGoOn, Label: "Go on now", Safety: "It waits no longer: what comes next is done now", NeedsReason: true}
	if types, late := b.flow.Waits(b.progress); len(types) > 0 {
		c.Label, c.Safety = "Stop waiting", "It goes on as if its time were over and no "+strings.Join(types, " or ")+" had come"
		if late {
			c.Safety += ": what on_timeout says is done now"
		}
	}
	return c, nil
}

// goOnNow lets a run go on that waits. What was accepted before the press counts as if its time had come then.
func (e *Engine) goOnNow(tx *record.Tx, w *deskWork, run *waybill.Run) error {
	let, err := tx.PressOn(run.ID)
	if err == nil && !let {
		return &waybill.Error{Kind: waybill.Conflict, Message: "somebody let it go on already", Hint: "look at the run again"}
	}
	w.say, w.advance = "It goes on now.", run.ID
	return err
}

// ends gives the answer that a hit is to the step that waits; nil when it is not meant.
func (e *Engine) ends(tx *record.Tx, b *begun, h record.Hit, r reads) (*flow.Answer, error) {
	if h.Address == own {
		return nil, nil // until when it waits was worked out anew
	}
	ev, err := tx.Event(h.Event)
	if err != nil {
		return nil, err
	}
	data, err := decodeMap(ev.Data)
	if err != nil {
		return nil, fmt.Errorf("read the event %s: %w", ev.ID, err)
	}
	came := flow.Came{Cancel: -1, Event: ev, Data: data}
	if place, ok := strings.CutPrefix(h.Address, cancelMark); ok {
		if came.Cancel, err = strconv.Atoi(place); err != nil {
			return nil, fmt.Errorf("read what waits: %w", err)
		}
	}
	yes, err := b.flow.Fits(b.progress, b.data, came, r)
	answer := &flow.Answer{Address: b.progress.Address, Result: flow.Succeeded, Output: data}
	switch {
	case err != nil:
		answer.Result, answer.Output, answer.Cause, answer.Words = flow.Failed, nil, waybill.MappingWrong, err.Error()
	case !yes:
		return nil, nil
	case came.Cancel >= 0:
		answer.Result, answer.Output, answer.Words = flow.Over, nil, b.flow.CancelWords(came.Cancel)
	}
	return answer, nil
}

// untold reports whether something that was accepted before the timer's time, and that could matter to the run, is not
// understood yet.
func (e *Engine) untold(tx *record.Tx, b *begun, rest *flow.Rest, due time.Time) (bool, error) {
	var types []string
	for _, k := range rest.Keys {
		types = append(types, k.Types...)
	}
	anew := b.flow.AsksAnew()
	if len(types) == 0 && !anew {
		return false, nil
	}
	var from []string
	for name, tells := range e.today().ws.Tells {
		if slices.ContainsFunc(tells, func(typ string) bool {
			return slices.Contains(types, typ) || anew && strings.HasPrefix(typ, b.flow.Noun+".")
		}) {
			from = append(from, name)
		}
	}
	if len(from) == 0 {
		return false, nil
	}
	kept, fetching, err := tx.Untold(due, from)
	if err != nil {
		return false, fmt.Errorf("look for what is not understood yet: %w", err)
	}
	return kept || fetching && e.d.Now().Before(due.Add(holdFetch)), nil
}

// holdTimer has a timer looked at again soon, later each time.
func (e *Engine) holdTimer(tx *record.Tx, b *begun) error {
	p, run := b.progress.Clone(), b.run
	again := min(100*time.Millisecond<<min(p.Round, 10), 30*time.Second)
	p.Round++
	run.Progress, run.DueAt = p.Encode(), e.d.Now().Add(again)
	return tx.MoveRun(&run, run.State)
}

// soon has a run looked at when it is due, if that is before the next sweep, which finds all others.
func (e *Engine) soon(run *waybill.Run) {
	if run.State != waybill.RunWaiting || run.DueAt.IsZero() {
		return
	}
	now, id := e.d.Now(), run.ID
	if wait := run.DueAt.Sub(now); wait > 0 && wait <= e.o.Sweep {
		e.d.At(run.DueAt, func() { e.runs.push(id) })
	}
}

// watchWaits takes over what the flows of versions that still have open runs wait for.
func (e *Engine) watchWaits() error {
	var ids []waybill.BundleID
	err := e.view(func(tx *record.Tx) error {
		known, err := tx.Setting(waitingSetting)
		if err != nil || string(known) == "" || string(known) == string(e.today().id) {
			return err // no other version has flows that wait
		}
		ids, err = tx.OpenBundles()
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := e.version(nil, id); err != nil {
			e.log.Warn("what the runs of an older version wait for cannot be read", "version", id, "err", err)
		}
	}
	return nil
}

// waitingSetting names the versions, the newest last, whose flows wait for events.
const waitingSetting = "versions that wait"

// mostVersions bounds them: the open runs of older ones are still ended by their timers.
const mostVersions = 100

// noteWaits remembers a version whose flows wait: a later one must know what its open runs wait for.
func noteWaits(tx *record.Tx, ws *workspace.Workspace) error {
	known, err := tx.Setting(waitingSetting)
	if err != nil {
		return err
	}
	w := awaiting{}.add(&version{ws: ws})
	if len(w.events) == 0 && len(w.nouns) == 0 || slices.Contains(strings.Fields(string(known)), string(ws.Bundle)) {
		return nil
	}
	names := append(strings.Fields(string(known)), string(ws.Bundle))
	return tx.SetSetting(waitingSetting, []byte(strings.Join(names[max(0, len(names)-mostVersions):], " ")))
}

// learn makes a version known, with what its flows wait for. mu is held, or nobody else has the engine yet.
func (e *Engine) learn(v *version) *version {
	known := e.versions[v.id] != nil
	e.versions[v.id] = v
	if known {
		return v
	}
	w := e.waits.Load().add(v)
	e.waits.Store(&w)
	return v
}
