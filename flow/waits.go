package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill/catalogue"
	"waybill/expr"
	"waybill/source"
)

// Steps that wait, as they are written and compiled: wait, wait_for, cancel_on, still. rest.go is what the machine does
// with them.

// waitDef are the fields of a step that waits.
type waitDef struct {
	Match     *source.Node   `yaml:"match"`
	Where     *source.Text   `yaml:"where"`
	FromWhom  []source.Text  `yaml:"from,one_or_more"`
	Timeout   *source.Node   `yaml:"timeout"`
	Counting  source.Text    `yaml:"counting"`
	Zone      source.Text    `yaml:"zone"`
	OnTimeout []*source.Node `yaml:"on_timeout"`
	Still     *source.Text   `yaml:"still"`
}

// waitFields are their names.
var waitFields = []string{ // a table that nothing changes
	"match", "where", "from", "timeout", "within", "counting", "zone", "on_timeout",
}

// cancelDef is one event that ends a waiting run, as it is written.
type cancelDef struct {
	Event  []source.Text `yaml:"event,one_or_more"`
	From   []source.Text `yaml:"from,one_or_more"`
	Match  *source.Node  `yaml:"match"`
	Where  *source.Text  `yaml:"where"`
	Reason source.Text   `yaml:"reason"`
	Node   *source.Node  `yaml:",node"`
}

// untilDef is a time as it is written in full.
type untilDef struct {
	For   *time.Duration `yaml:"for"`
	Until *source.Node   `yaml:"until"`
	Plus  time.Duration  `yaml:"plus"`
	Minus time.Duration  `yaml:"minus"`
	At    source.Text    `yaml:"at"`
	Node  *source.Node   `yaml:",node"`
}

// timer is when a wait is over.
type timer struct {
	span        time.Duration // from when the step was reached, unless until says otherwise
	until       *expr.Template
	untilAt     source.Span
	plus, minus time.Duration
	at          int  // minutes since midnight at which it is over on its day; -1: at the time it comes to
	within      bool // moved to the next business hour
	counting    bool // only business hours count
	calendar    Calendar
}

// awaited is an event that a step or the whole flow waits for.
type awaited struct {
	types  []string // as they are told
	from   []string
	noun   string
	title  string
	name   string // what `where` calls it: its noun, or `new`
	match  []matching
	shape  string // the fields it is matched by, joined
	where  *expr.Program
	reason string // cancel_on: why the run has ended
}

// matching is one pair of values that must be the same: a field of the awaited event and what the run knows.
type matching struct {
	path  []string // below the noun
	def   *catalogue.Definition
	value *expr.Program
}

// waits reports whether a step, or one inside it, waits for a time or an event.
func waits(list ...*step) bool {
	found := false
	walkSteps(list, func(s *step) { found = found || s.kind == kindWait || s.kind == kindWaitFor })
	return found
}

// pauses reports whether a step, or one inside it, waits for a time, an event or a person.
func pauses(s *step) bool {
	found := waits(s)
	walkSteps([]*step{s}, func(s *step) { found = found || s.kind == kindAsk })
	return found
}

func (c *compiler) waitStep(def *stepDef, s *step, at scope) {
	s.timer = c.timer(def, def.Wait, "wait", at)
}

func (c *compiler) waitForStep(def *stepDef, s *step, inside, at scope) scope {
	s.awaited = c.awaited(def, s, inside)
	switch {
	case def.Waits.Timeout == nil || def.Waits.Timeout.Kind == source.Null:
		c.fault("E333", def.Node.KeySpan("wait_for"), "This step does not say how long it waits, so it could wait for ever.",
			"Add for example: timeout: 3d, and under on_timeout what happens then.")
	default:
		s.timer = c.timer(def, def.Waits.Timeout, "timeout", inside)
	}
	late := inside
	late.waited = true
	late.after += s.timer.least()
	steps := c.list(def.Waits.OnTimeout, s.address+".", late)
	s.branches = []*branch{{name: timedOut, title: "if it does not come", steps: steps, span: def.Node.KeySpan("on_timeout")}}
	s.inner = idsIn(steps)
	if s.awaited == nil {
		return at.with(expr.Var{Name: orWord(s.id), Optional: true})
	}
	walkOutputs(steps, func(inner *step, schema *expr.Schema) {
		at = at.with(expr.Var{Name: orWord(inner.id), Schema: schema, Optional: true})
	})
	return at.with(expr.Var{Name: orWord(s.id), Schema: s.output, Optional: s.when != nil || !endsAlways(steps)})
}

// least is how long a wait lasts at least; nothing for one until a time that is not known before.
func (t *timer) least() time.Duration {
	switch {
	case t == nil || t.until != nil:
		return 0
	case t.at >= 0: // at that time of the day it comes to, which may be earlier
		return max(0, t.span-24*time.Hour)
	default:
		return t.span
	}
}

// tooLate warns of a write that has to be made before it can be reached.
func (c *compiler) tooLate(def *stepDef, s *step, at scope) {
	if s.goodFor == 0 || at.after < s.goodFor {
		return
	}
	n := def.Node.Get("good_for")
	c.faults.Warn(Codes, "E339", n.Span, fmt.Sprintf("This step is reached %s or more after the event was accepted, and is then always skipped as too late.",
		sayDuration(at.after)), fmt.Sprintf("good_for counts from when the event was accepted, waits included: write more than %s, or remove it.",
		sayDuration(at.after)))
}

// timedOut is the name of the branch that is taken when what was waited for did not come.
const timedOut = "timeout"

// awaited compiles the event that a wait_for waits for.
func (c *compiler) awaited(def *stepDef, s *step, at scope) *awaited {
	var types []source.Text
	n := def.WaitFor
	if n.Kind != source.List {
		n = &source.Node{Kind: source.List, Span: n.Span, Items: []*source.Node{n}}
	}
	c.add(source.Decode(n, &types))
	for _, t := range def.Waits.FromWhom {
		c.connection(t.Value, t.Span)
	}
	a, schema := c.awaitedEvent(types, def.Waits.FromWhom, at)
	if a == nil {
		return nil
	}
	s.output = orAny(schema)
	c.matches(a, def.Waits.Match, def.Node.KeySpan("wait_for"), at)
	if def.Waits.Where != nil {
		a.where = c.condition(*def.Waits.Where, at.with(expr.Var{Name: a.name, Schema: schema}))
	}
	return a
}

// awaitedEvent finds the types that are waited for, which must be of one noun, and the type of their data.
func (c *compiler) awaitedEvent(types, from []source.Text, at scope) (*awaited, *expr.Schema) {
	a := &awaited{}
	var schema *expr.Schema
	for _, t := range types {
		d := c.eventType(t)
		switch {
		case d == nil:
			return nil, nil
		case a.noun == "":
			a.noun, a.title, schema = d.Noun, d.Title, d.Schema
		case a.noun != d.Noun:
			c.fault("E302", t.Span, fmt.Sprintf("%s is about a %s, but %s is about a %s.", t.Value, d.Noun, types[0].Value, a.noun),
				"Wait for events of one noun.")
			return nil, nil
		default:
			schema = either(schema, d.Schema)
		}
		for _, told := range c.deps.Catalogue.Expand(t.Value) {
			if !slices.Contains(a.types, told) {
				a.types = append(a.types, told)
			}
		}
	}
	for _, t := range from {
		a.from = append(a.from, t.Value)
	}
	a.name = a.noun
	if slices.Contains(at.env.Names(), a.noun) {
		a.name = "new" // the flow's own event, or a step, is called so already
	}
	return a, schema
}

// matches compiles what the awaited event and the run must have in common.
func (c *compiler) matches(a *awaited, n *source.Node, missing source.Span, at scope) {
	if n == nil || n.Kind != source.Map || len(n.Entries) == 0 {
		span := missing
		if n != nil {
			span = n.Span
		}
		c.fault("E332", span, fmt.Sprintf("It does not say which %s is meant, so any would do.", a.noun),
			fmt.Sprintf("Add for example: match: {%s.id: %s.id}", a.noun, c.flow.Noun))
		return
	}
	def := c.deps.Catalogue.Type(a.types[0])
	var shape []string
	for _, e := range n.Entries {
		m := matching{def: def}
		schema := c.matchPath(a, e, &m)
		value, ok := e.Value.Scalar()
		if !ok {
			c.fault("E332", e.Value.Span, "A match is a field of the awaited event and, behind the colon, an expression.", "")
			continue
		}
		m.value, _ = c.program(value, at, schema), 0
		c.present("E332", m.value, "What is matched")
		a.match = append(a.match, m)
		shape = append(shape, strings.Join(m.path, "."))
	}
	a.shape = strings.Join(shape, "&")
}

// matchPath checks the left side of a match and gives its type.
func (c *compiler) matchPath(a *awaited, e source.Entry, m *matching) *expr.Schema {
	parts := strings.Split(e.Key, ".")
	if parts[0] != a.noun || len(parts) < 2 {
		c.fault("E332", e.KeySpan, fmt.Sprintf("%q is no field of the awaited event. It begins with its noun: %s.id.", e.Key, a.noun),
			"On the left of the colon stands the field of the event that is waited for, on the right what this run knows.")
		return nil
	}
	m.path = parts[1:]
	schema := c.deps.Catalogue.Type(a.types[0]).Schema
	if wrong, there := pathIn(schema, m.path); wrong != "" {
		c.fault("E332", e.KeySpan, fmt.Sprintf("%s has no field %q here. Fields here: %s.", a.types[0], wrong, source.Listed(there)),
			source.DidYouMean(wrong, there))
		return nil
	}
	for _, name := range m.path {
		schema = schema.Properties[name]
		if schema == nil {
			return nil
		}
	}
	if schema.Type != "string" && schema.Type != "integer" {
		c.fault("E332", e.KeySpan, fmt.Sprintf("%s is a value of type %s; events are matched by text or a whole number.", e.Key, schema.Type), "")
		return nil
	}
	return &expr.Schema{Type: schema.Type}
}

// timer compiles a time: 2h, or {until: ..., plus: ..., minus: ..., at: "09:00"}, with the step's within, counting, zone.
func (c *compiler) timer(def *stepDef, n *source.Node, field string, at scope) *timer {
	t := &timer{at: -1, calendar: c.deps.Calendar}
	if t.calendar.Zone == nil {
		t.calendar = Calendar{Zone: time.UTC, Hours: Weekdays()}
	}
	if _, scalar := n.Scalar(); scalar {
		if strings.Contains(n.Text, "${") {
			c.fault("E337", n.Span, fmt.Sprintf("`%s` takes a time span such as 2h or 3d.", field), "For a time write: {until: \""+n.Text+"\"}")
			return t
		}
		c.add(source.Decode(n, &t.span))
	} else {
		c.until(t, n, field, at)
	}
	if zone := def.Waits.Zone; zone.Value != "" {
		if loc, ok := c.zone(zone); ok {
			t.calendar = t.calendar.In(loc)
		}
	}
	var within source.Text
	c.add(source.Decode(def.Within, &within))
	t.within = c.businessHours(within, "within", t)
	t.counting = c.businessHours(def.Waits.Counting, "counting", t)
	if t.counting && t.until != nil {
		c.fault("E337", def.Waits.Counting.Span, "`counting` counts hours of a time span; this waits until a time.", "Use within: business_hours.")
	}
	return t
}

func (c *compiler) zone(t source.Text) (*time.Location, bool) {
	loc, err := time.LoadLocation(t.Value)
	if err != nil || t.Value == "Local" {
		c.fault("E337", t.Span, fmt.Sprintf("There is no time zone %q.", t.Value), "Write for example Asia/Kolkata.")
		return nil, false
	}
	return loc, true
}

func (c *compiler) businessHours(t source.Text, field string, of *timer) bool {
	switch {
	case t.Value == "":
		return false
	case t.Value != "business_hours":
		c.fault("E317", t.Span, fmt.Sprintf("%s takes business_hours, not %q.", field, t.Value), source.DidYouMean(t.Value, []string{"business_hours"}))
	case !of.calendar.Opens():
		c.fault("E337", t.Span, "The business hours in waybill.yaml are closed on every day.", "Write for example: business_hours: {mon-fri: \"09:00-18:00\"}")
	}
	return true
}

// until compiles a time written in full.
func (c *compiler) until(t *timer, n *source.Node, field string, at scope) {
	var def untilDef
	c.add(source.Decode(n, &def))
	if n.Kind != source.Map {
		return
	}
	t.plus, t.minus = def.Plus, def.Minus
	switch {
	case (def.For == nil) == (def.Until == nil):
		c.fault("E337", n.Span, fmt.Sprintf("`%s` has either `for`, a time span, or `until`, a time.", field),
			"Write for example: {until: \"${"+c.flow.Noun+".due_at}\", minus: 1d}")
	case def.For != nil:
		t.span = *def.For
		if t.plus > 0 || t.minus > 0 {
			c.fault("E337", n.KeySpan("for"), "`plus` and `minus` move a time of `until`; `for` says the whole span itself.", "")
		}
	default:
		c.untilTime(t, def.Until, at)
	}
	if def.At.Value != "" {
		minutes, err := Clock(def.At.Value)
		if err != nil {
			c.fault("E337", def.At.Span, fmt.Sprintf("%q is no time of day.", def.At.Value), `Write for example: at: "09:00"`)
		}
		t.at = minutes
	}
}

// untilTime compiles the time itself: a date and time, or a date, which begins at midnight.
func (c *compiler) untilTime(t *timer, n *source.Node, at scope) {
	t.untilAt = n.Span
	c.slips(n)
	tpl, faults := at.env.Template(n, at.to(nil))
	c.add(faults)
	if faults.Bad() {
		return
	}
	schema, maybe := typeOf(n, at)
	literal, written := tpl.Literal()
	_, bad := readTime(literal, t.calendar)
	switch {
	case written && bad != nil, !written && (schema == nil || schema.Format != "date-time" && schema.Format != "date"):
		c.fault("E337", n.Span, fmt.Sprintf("%s is no time.", n.Text), "Use a field that holds a time or a date, or convert text: ${timestamp(x)}.")
	case maybe:
		c.fault("E337", n.Span, fmt.Sprintf("The time may be absent: %s is not always there.", n.Text),
			"Give a default with .orValue(...), or add has(...) to `when`.")
	default:
		t.until = tpl
	}
}

// still compiles a condition that is asked again after a wait, on values read anew.
func (c *compiler) still(def *stepDef, s *step, at scope) {
	if def.Waits.Still == nil {
		return
	}
	if !at.waited && s.kind != kindWait {
		c.fault("E335", def.Waits.Still.Span, "Nothing before this step waits, so the condition would be what it was when the run began.",
			"Use `when`, or put a `wait` before it.")
	}
	if s.still = c.condition(*def.Waits.Still, at); s.still == nil {
		return
	}
	for _, path := range s.still.Uses() {
		if get := c.gets[rootOf(path)]; get != nil && !slices.Contains(s.rereads, get) {
			s.rereads = append(s.rereads, get)
		}
	}
}

// cancels compiles the events that end the run while it waits.
func (c *compiler) cancels(n *source.Node, written source.Span, at scope) {
	if n == nil {
		return
	}
	list := []*source.Node{n}
	if n.Kind == source.List {
		list = n.Items
	}
	for _, item := range list {
		var def cancelDef
		c.add(source.Decode(item, &def))
		if item.Kind != source.Map {
			continue
		}
		if len(def.Event) == 0 {
			c.faults.Add(source.Codes, "E105", item.Span, "This does not name the event that ends the run.", "Add for example: event: message.received")
			continue
		}
		for _, t := range def.From {
			c.connection(t.Value, t.Span)
		}
		a, schema := c.awaitedEvent(def.Event, def.From, at)
		if a == nil {
			continue
		}
		c.matches(a, def.Match, item.KeySpan("event"), at)
		if def.Where != nil {
			a.where = c.condition(*def.Where, at.with(expr.Var{Name: a.name, Schema: schema}))
		}
		if a.reason = def.Reason.Value; a.reason == "" {
			a.reason = a.title
		}
		c.flow.cancels = append(c.flow.cancels, a)
	}
	if !waits(c.flow.steps...) && !c.faults.Bad() {
		c.fault("E334", written, "No step of this flow waits, so there is nothing that the event could end.",
			"It ends a run that stands at a `wait` or `wait_for`. Remove it, or add such a step.")
	}
}
