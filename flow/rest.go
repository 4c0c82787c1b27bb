package flow

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/catalogue"
	"waybill/expr"
)

// What the machine does at a step that waits, and what whoever keeps runs has to know: which events end the wait, when
// its time has come, and how that reads.

// Rest is a wait the run has come to. It goes on with an Answer: TimeOver, Succeeded with the event's data, Moved or
// Over.
type Rest struct {
	Address string
	Keys    []Key // the events that end it
	Moves   bool  // the time it ends may move with what is told of the event's object: answer Moved when that changes

	timer   timer
	until   time.Time // zero for a span
	awaited *awaited  // nil for a plain wait
	cancels []*awaited
}

// Key is what an event must carry to be one that a run waits for: it is indexed on both sides.
type Key struct {
	Types  []string // any of them
	Shape  string   // the fields, joined: order_id, or customer.phone&channel
	Value  string   // their values, joined; the same for all events that match
	Cancel int      // the place in cancel_on; -1 for what a wait_for waits for
}

// Awaited is a kind of event that some step waits for, and the fields by which it is matched.
type Awaited struct {
	Type  string
	Shape string

	match []matching
}

// Key gives the values of an event's data by which waiting runs are found; false when it lacks one of them.
func (a Awaited) Key(data map[string]any) (value string, ok bool) {
	var values []string
	for _, m := range a.match {
		text := catalogue.Text(data, m.path)
		if text == "" {
			return "", false
		}
		values = append(values, m.def.Normal(m.path, text))
	}
	return joined(values), true
}

// joined makes one text of several so that no two lists give the same.
func joined(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strconv.Quote(v)
	}
	return strings.Join(out, " ")
}

// Awaits lists what the flow's steps and its cancel_on wait for.
func (f *Flow) Awaits() []Awaited {
	var out []Awaited
	add := func(a *awaited) {
		if a == nil {
			return
		}
		for _, typ := range a.types {
			out = append(out, Awaited{Type: typ, Shape: a.shape, match: a.match})
		}
	}
	walkSteps(f.steps, func(s *step) { add(s.awaited) })
	for _, a := range f.cancels {
		add(a)
	}
	return out
}

// AsksAnew reports whether the flow reads its event's object again after a wait, so that its newest fact must be known.
func (f *Flow) AsksAnew() bool {
	found := false
	walkSteps(f.steps, func(s *step) { found = found || s.still != nil || s.timer != nil && s.timer.until != nil })
	return found
}

// Current is what Reads may also know: the event's object as its newest fact has it, or nil when the event is the newest.
type Current interface {
	Current() (map[string]any, error)
}

// anew gives the names an expression may use, with the event's object as it stands now.
func (m *machine) anew() (map[string]any, error) {
	if m.asked == nil {
		return m.vars, nil
	}
	c, ok := m.asked.Reads.(Current)
	if !ok {
		return m.vars, nil
	}
	data, err := c.Current()
	if err != nil || data == nil {
		return m.vars, err
	}
	vars := maps.Clone(m.vars)
	vars[m.flow.Noun] = data
	return vars, nil
}

// rest waits at a step: what ends it is worked out, and kept by whoever keeps the run.
func (m *machine) rest(s *step) {
	r := &Rest{Address: m.address(s), timer: *s.timer, awaited: s.awaited, cancels: m.flow.cancels, Moves: s.timer.until != nil}
	if s.timer.until != nil {
		until, err := m.until(s.timer)
		if err != nil {
			m.stop(s, s.timer.untilAt, "`until`", err)
			return
		}
		r.until = until
	}
	for i, a := range m.flow.cancels {
		key, err := m.keyOf(a, i)
		if err != nil {
			m.stop(s, a.match[0].value.Span(), "`cancel_on`", err)
			return
		}
		r.Keys = append(r.Keys, key)
	}
	if s.awaited != nil {
		key, err := m.keyOf(s.awaited, -1)
		if err != nil {
			m.stop(s, s.awaited.match[0].value.Span(), "`match`", err)
			return
		}
		r.Keys = append(r.Keys, key)
	}
	if m.p.Stage != stageAwaiting {
		m.set(stageAwaiting)
	}
	m.p.Address, m.p.Inputs = r.Address, map[string]any{}
	m.moves = append(m.moves, Move{Rest: r})
	m.told = true
}

func (m *machine) until(t *timer) (time.Time, error) {
	vars, err := m.anew()
	if err != nil {
		return time.Time{}, err
	}
	v, err := t.until.Eval(vars, m.reads)
	if err != nil {
		return time.Time{}, err
	}
	switch v := v.(type) {
	case time.Time:
		return v, nil
	case string:
		return readTime(v, t.calendar)
	default:
		return time.Time{}, fmt.Errorf("there is no time to wait for")
	}
}

// readTime reads a date and time, or a date, which begins at midnight of the calendar's zone.
func readTime(text string, c Calendar) (time.Time, error) {
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		return c.wall(date, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time", shortText(text))
	}
	return at, nil
}

// keyOf evaluates what the run knows of an awaited event.
func (m *machine) keyOf(a *awaited, cancel int) (Key, error) {
	k := Key{Types: a.types, Shape: a.shape, Cancel: cancel}
	var values []string
	for _, pair := range a.match {
		v, err := pair.value.Eval(m.vars, m.reads)
		if err != nil {
			return k, err
		}
		text := keyText(v)
		if text == "" {
			return k, fmt.Errorf("%s has no value, so no %s could ever match", pair.value.Text(), a.noun)
		}
		values = append(values, pair.def.Normal(pair.path, text))
	}
	k.Value = joined(values)
	return k, nil
}

// Rests reports whether the run stands at a step that waits.
func (f *Flow) Rests(p *Progress) bool {
	if p.Stage != stageAwaiting || p.Reading != "" || !f.knows(p.Frames) {
		return false
	}
	s := f.at(p.Frames)
	return s != nil && (s.kind == kindWait || s.kind == kindWaitFor)
}

// Waits says what a run that Rests stands at: the events a wait_for waits for, none for a plain wait; and whether something
// is to be done when nothing comes in time.
func (f *Flow) Waits(p *Progress) (types []string, late bool) {
	s := f.at(p.Frames)
	if s.awaited == nil {
		return nil, false
	}
	return s.awaited.types, len(s.branches[0].steps) > 0
}

// Fits reports whether an event with the values of a key is the one that is meant: by the connection it came by and the
// key's `where`.
func (f *Flow) Fits(p *Progress, data map[string]any, c Came, r expr.Reads) (bool, error) {
	var a *awaited
	switch {
	case c.Cancel >= 0 && c.Cancel < len(f.cancels):
		a = f.cancels[c.Cancel]
	case c.Cancel < 0 && f.Rests(p):
		a = f.at(p.Frames).awaited
	}
	if a == nil || !slices.Contains(a.types, c.Event.Type) || len(a.from) > 0 && !slices.Contains(a.from, c.Event.Connection) {
		return false, nil
	}
	if a.where == nil {
		return true, nil
	}
	m := f.machine(p.Clone(), data, r)
	m.vars[a.name] = c.Data
	yes, err := a.where.Bool(m.vars, m.reads)
	if err != nil {
		return false, trouble(a.where.Span(), "`where`", err)
	}
	return yes, nil
}

// Came is an event that may end a wait.
type Came struct {
	Cancel int // as in Key
	Event  *waybill.Event
	Data   map[string]any
}

// CancelWords says why an event of cancel_on has ended the run.
func (f *Flow) CancelWords(cancel int) string { return f.cancels[cancel].reason }

// Due returns when the wait is over that began at began.
func (r *Rest) Due(began time.Time) time.Time {
	t, c := r.timer, r.timer.calendar
	due := r.until
	switch {
	case due.IsZero() && t.counting:
		due = c.Working(began, t.span)
	case due.IsZero():
		due = c.Add(began, t.span)
	default:
		due = c.Sub(c.Add(due, t.plus), t.minus)
	}
	if t.at >= 0 {
		due = c.At(due, t.at)
	}
	if t.within {
		due = c.Open(due)
	}
	return due.UTC().Truncate(time.Millisecond)
}

// Say writes what the run waits for, and until when: "until Tue 3 Mar 2026 09:00 (business hours), or until the lead
// replied".
func (r *Rest) Say(due time.Time) string {
	until := "until " + r.timer.calendar.Say(due)
	if r.timer.within || r.timer.counting {
		until += " (business hours)"
	}
	var out string
	if r.awaited == nil {
		out = "waits " + until
	} else {
		out = fmt.Sprintf("waits for %s with %s %s, at most %s", strings.Join(r.awaited.types, " or "),
			r.awaited.noun+"."+strings.ReplaceAll(r.awaited.shape, "&", " and "), shortText(r.Keys[len(r.Keys)-1].Value), until)
	}
	for _, a := range r.cancels {
		out += "; ends before if " + a.reason
	}
	return out
}

// waitsFor is what a waiting step does, for pages.
func (s *step) waitsFor() string {
	t := s.timer
	var span string
	switch {
	case t == nil:
	case t.until != nil:
		span = "until " + t.until.Text()
		if t.plus > 0 {
			span += " plus " + sayDuration(t.plus)
		}
		if t.minus > 0 {
			span += " minus " + sayDuration(t.minus)
		}
	default:
		span = sayDuration(t.span)
	}
	if s.awaited == nil {
		return span
	}
	return strings.Join(s.awaited.types, " or ") + ", at most " + span
}

// sayDuration writes a span as it is written in YAML: 2d, 90m.
func sayDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// past goes on behind a wait that is over: past it, or into what is to be done because nothing came.
func (m *machine) past(s *step) {
	m.drop(s)
	if s.kind == kindWaitFor && len(s.branches[0].steps) > 0 {
		m.push(timedOut)
		return
	}
	m.advance()
}

// still asks a step's condition again, on what is read anew; false when the run does not go on: it reads first, has
// ended, or is blocked.
func (m *machine) still(s *step) bool {
	for m.p.Reread < len(s.rereads) {
		get := s.rereads[m.p.Reread]
		if v, there := m.vars[get.id]; there && v != expr.Absent {
			m.reread(s, get)
			return false
		}
		m.p.Reread++ // it was never read: it is as absent as it was
	}
	vars, err := m.anew()
	if err != nil {
		m.stop(s, s.still.Span(), "`still`", err)
		return false
	}
	yes, err := s.still.Bool(vars, m.reads)
	if err != nil {
		m.stop(s, s.still.Span(), "`still`", err)
		return false
	}
	if !yes {
		clause, values := s.still.Explain(vars, m.reads)
		m.end(strings.Replace(ruledOut(clause, values), "is not so", "is no longer so", 1))
		return false
	}
	m.p.Asked = true
	return true
}

// reread makes a look-up again.
func (m *machine) reread(s, get *step) {
	v, err := get.input.Eval(m.vars, m.reads)
	if err == nil {
		v, err = settled(v)
	}
	if err != nil {
		m.stop(s, get.inputAt, "", err)
		return
	}
	in, ok := v.(map[string]any)
	if !ok {
		in = map[string]any{}
	}
	m.set(stageAwaiting)
	m.p.Address, m.p.Inputs, m.p.Reading = m.address(s)+"~"+get.id, in, get.id
	m.moves = append(m.moves, Move{Fetch: &PlannedFetch{
		Address: m.p.Address, Connection: get.connection, Action: get.action, Inputs: in, CarryOn: s.carryOn,
	}})
	m.told = true
}

// readAgain takes what came of a look-up that was made again.
func (m *machine) readAgain(s *step, a *Answer) {
	get := s.rereads[m.p.Reread]
	output, err := settled(a.Output)
	switch {
	case err != nil:
		m.unread()
		m.fail(s, Answer{Cause: waybill.OurSide, Words: err.Error()})
	case a.Result == Succeeded:
		m.unread()
		m.put(get, output)
		m.p.Reread++
	case a.Result == NotFound:
		words := fmt.Sprintf("%s finds nothing any more for %s", get.does(), inWords(m.p.Inputs))
		m.unread()
		m.end(words)
	default:
		m.unread()
		m.fail(s, *a)
	}
}

// unread makes the machine go on at the step that asked for a look-up.
func (m *machine) unread() {
	m.resume()
	m.p.Inputs, m.p.Reading, m.p.Address = nil, "", ""
}

// Begin notes when a wait was reached, unless it has been before.
func (p *Progress) Begin(now time.Time) time.Time {
	if p.Began == 0 {
		p.Began = now.UnixMilli()
	}
	return time.UnixMilli(p.Began).UTC()
}
