package flow

import (
	"fmt"
	"slices"
	"strings"

	"waybill"
	"waybill/expr"
	"waybill/source"
)

// list compiles steps in order, each in the scope of every output so far.
func (c *compiler) list(nodes []*source.Node, prefix string, at scope) []*step {
	var out []*step
	ended := false
	for _, n := range nodes {
		if ended {
			c.fault("E310", n.Span, "This step is never reached: the run has ended before it.",
				"Remove it, or give the `end` before it a `when`.")
			ended = false // said once
		}
		var s *step
		s, at = c.step(n, prefix, at)
		if s != nil {
			at.waited = at.waited || pauses(s)
			if s.kind == kindWait && s.when == nil {
				at.after += s.timer.least()
			}
			out = append(out, s)
			ended = ended || s.ends()
		}
	}
	return out
}

// step compiles one step and everything inside it.
func (c *compiler) step(n *source.Node, prefix string, at scope) (*step, scope) {
	var def stepDef
	c.add(source.Decode(n, &def))
	if n == nil || n.Kind != source.Map {
		return nil, at
	}
	verb := c.verb(&def)
	if verb == "" {
		return nil, at
	}
	s := &step{kind: kind(verb), former: readNames(def.Was, def.Node), title: def.Title, span: def.Span, goodFor: def.GoodFor}
	c.id(&def, s)
	s.address = prefix + s.id
	inside := at
	if def.When != nil {
		s.when = c.condition(*def.When, at)
		inside = at.proving(s.when)
	}
	if def.IfItFails != nil {
		s.carryOn = c.carryOn(*def.IfItFails)
	}
	c.still(&def, s, inside)
	switch s.kind {
	case kindWait:
		c.waitStep(&def, s, inside)
	case kindWaitFor:
		return s, c.waitForStep(&def, s, inside, at)
	case kindGet, kindDo:
		return s, c.call(&def, s, inside, at)
	case kindSet:
		return s, c.setStep(&def, s, inside, at)
	case kindChoose:
		return s, c.chooseStep(&def, s, inside, at)
	case kindEach:
		c.eachStep(&def, s, inside)
	case kindAsk:
		return s, c.askStep(&def, s, inside, at)
	case kindEmit:
		c.emitStep(&def, s, inside)
	case kindEnd:
		c.endStep(&def, s, inside)
	}
	return s, at
}

// verb finds the one thing a step does, and faults fields that belong to other verbs.
func (c *compiler) verb(def *stepDef) string {
	var found, names []string
	allowed := []string{"id", "was", "title", "when", "still"}
	for _, v := range verbs {
		names = append(names, v.name)
		if def.Node.Get(v.name) != nil {
			found = append(found, v.name)
			allowed = append(append(allowed, v.name), v.fields...)
		}
	}
	switch {
	case len(found) == 0:
		c.fault("E311", def.Span, "This step does nothing. A step has one of "+source.Listed(names)+".", "")
		return ""
	case len(found) > 1:
		c.fault("E311", def.Node.KeySpan(found[1]), fmt.Sprintf("A step does one thing, but this one has %s.", quoted(found)),
			"Make two steps of it.")
		return ""
	}
	if n := def.Node.Get(found[0]); n.Kind == source.Null && found[0] != string(kindEnd) {
		c.fault("E311", def.Node.KeySpan(found[0]), fmt.Sprintf("`%s` is empty, so this step does nothing.", found[0]), "")
		return ""
	}
	for _, e := range def.Node.Entries {
		if slices.Contains(allowed, e.Key) || !slices.Contains(stepFields, e.Key) {
			continue // an unknown field was faulted when it was read
		}
		c.fault("E313", e.KeySpan, fmt.Sprintf("%q means nothing for a step with %q.", e.Key, found[0]),
			fmt.Sprintf("Fields beside %s: %s.", found[0], source.Listed(allowed)))
	}
	return found[0]
}

// stepFields are the fields that only some steps take.
var stepFields = append([]string{ // a table that nothing changes
	"with", "if_none", "good_for", "if_it_fails", "undo", "release", "late", "as", "by", "steps",
	"who", "no_answer", "show", "change", "for", "approved", "rejected",
}, waitFields...)

// id checks a step's id. An `end` may go without: nothing ever names it.
func (c *compiler) id(def *stepDef, s *step) {
	s.id = def.ID.Value
	if s.id == "" {
		if s.kind == kindEnd {
			s.id = "end"
			return
		}
		c.faults.Add(source.Codes, "E105", def.Node.KeySpan("id"), "This step has no `id`.",
			"Give it a short name, by which pages call it and later steps read its result: id: deal")
		return
	}
	c.claim(s.id, def.ID.Span, "step")
}

// claim takes a name for a step or a loop's item.
func (c *compiler) claim(name string, span source.Span, what string) {
	switch first, taken := c.ids[name]; {
	case !idPattern.MatchString(name):
		c.fault("E309", span, fmt.Sprintf("%q cannot be the id of a %s.", name, what),
			fmt.Sprintf("Write lower-case letters, digits and underscores, beginning with a letter: %s.", asID(name)))
	case taken:
		c.fault("E309", span, fmt.Sprintf("The id %q is taken by the %s in line %d.", name, what, first.Line), "Choose another one.")
	case name == c.flow.Noun:
		c.fault("E309", span, fmt.Sprintf("%q is how this flow calls its event.", name), "Choose another id.")
	case Reserved(c.deps.Env, name):
		c.fault("E309", span, fmt.Sprintf("%q is a word of the expression language.", name), "Choose another id.")
	default:
		c.ids[name] = span
	}
}

// asID makes an id of what was written.
func asID(name string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && out.Len() > 0, r == '_' && out.Len() > 0:
			out.WriteRune(r)
		case out.Len() > 0:
			out.WriteByte('_')
		}
	}
	if out.Len() == 0 {
		return "step_1"
	}
	return strings.TrimRight(out.String(), "_")
}

func (c *compiler) carryOn(t source.Text) bool {
	if t.Value != "carry_on" && t.Value != "block" {
		c.fault("E317", t.Span, fmt.Sprintf("if_it_fails takes carry_on or block (the default), not %q.", t.Value),
			source.DidYouMean(t.Value, []string{"carry_on", "block"}))
	}
	return t.Value == "carry_on"
}

// call compiles a get or do. Its output is optional outside when it may be left out.
func (c *compiler) call(def *stepDef, s *step, inside, at scope) scope {
	t := def.Get
	if s.kind == kindDo {
		t = def.Do
	}
	if t == nil {
		return at // was faulted as no text
	}
	s.connection, s.action = c.action(*t)
	if s.action == nil {
		return at.with(expr.Var{Name: orWord(s.id), Optional: false})
	}
	if s.title == "" {
		s.title = s.action.Title
	}
	reads := s.action.Kind == waybill.KindRead
	switch {
	case s.kind == kindGet && !reads:
		c.fault("E305", def.Node.KeySpan("get"), t.Value+" writes, so it is no `get`.", "Write do: "+t.Value)
	case s.kind == kindDo && reads:
		c.fault("E305", def.Node.KeySpan("do"), t.Value+" only reads, so it is no `do`.", "Write get: "+t.Value)
	case s.kind == kindDo && s.action.Repeat == "":
		c.fault("E307", t.Span, t.Value+" does not say whether making it again is harmless.",
			"Add `repeat: key`, `natural`, `lookup` or `never` to the action in its manifest.")
	}
	c.tooLate(def, s, inside)
	s.input, s.inputAt = c.inputs(def, *t, s.action.Input, inside)
	if s.kind == kindGet {
		c.gets[s.id] = s
	}
	c.undo(def, s, t.Value)
	s.release, s.fresh = c.release(def), c.late(def, s)
	output := s.action.Output
	if s.kind == kindGet {
		output = c.ifNone(def, s, inside, output)
	}
	if s.output = output; output == nil {
		return at
	}
	maybe := s.when != nil || s.carryOn || s.goodFor > 0
	return at.with(expr.Var{Name: orWord(s.id), Schema: output, Optional: maybe})
}

// orWord keeps a faulted id from confusing the expression language.
func orWord(id string) string {
	if !idPattern.MatchString(id) || slices.Contains(reserved, id) {
		return "nameless_"
	}
	return id
}

// inputs compiles what stands under `with` against a schema; missing entries are named all at once.
func (c *compiler) inputs(def *stepDef, verb source.Text, schema *expr.Schema, at scope) (*expr.Object, source.Span) {
	with, span := def.With, verb.Span
	if with == nil || with.Kind == source.Null {
		with = &source.Node{Kind: source.Map, Span: verb.Span}
	} else {
		span = def.Node.KeySpan("with")
	}
	if schema == nil {
		schema = &expr.Schema{Type: "object"}
	}
	c.slips(with)
	var missing []string
	given := *schema
	given.Required = nil
	for _, name := range schema.Required {
		if with.Get(name) == nil {
			missing = append(missing, name)
		} else {
			given.Required = append(given.Required, name)
		}
	}
	if len(missing) > 0 && with.Kind == source.Map {
		example := make([]string, len(missing))
		for i, name := range missing {
			example[i] = name + ": ..."
		}
		c.fault("E306", span, fmt.Sprintf("%s needs %s.", verb.Value, quoted(missing)), "Add under `with`: "+strings.Join(example, ", "))
	}
	o, faults := at.env.Object(with, at.to(&given))
	c.add(faults)
	if faults.Bad() {
		return nil, span
	}
	return o, span
}

// ifNone compiles what a get does when nothing is found, and returns the type of its output then.
func (c *compiler) ifNone(def *stepDef, s *step, at scope, output *expr.Schema) *expr.Schema {
	s.ifNone = ifNone{does: noneAsk}
	n := def.IfNone
	if n == nil {
		return output
	}
	takes := "if_none takes ask, end, wait: 10m, end: a reason, or create: a list of steps."
	if t, ok := n.Scalar(); ok {
		switch t.Value {
		case noneAsk:
		case noneEnd:
			s.ifNone = ifNone{does: noneEnd, reason: s.does() + " found nothing"}
		case noneWait:
			s.ifNone = ifNone{does: noneWait, wait: defaultWait}
		case noneCreate:
			c.fault("E317", t.Span, "`create` needs the steps that make what was not found.",
				"Write if_none: {create: [...]} with steps as under `steps`.")
		default:
			c.fault("E317", t.Span, takes, source.DidYouMean(t.Value, []string{noneAsk, noneWait, noneEnd, noneCreate}))
		}
		return output
	}
	if n.Kind != source.Map || len(n.Entries) != 1 {
		c.fault("E317", n.Span, takes, "")
		return output
	}
	return c.ifNoneMap(n.Entries[0], s, at, output)
}

func (c *compiler) ifNoneMap(e source.Entry, s *step, at scope, output *expr.Schema) *expr.Schema {
	switch e.Key {
	case noneEnd:
		s.ifNone.does = noneEnd
		c.add(source.Decode(e.Value, &s.ifNone.reason))
	case noneWait:
		s.ifNone.does = noneWait
		c.add(source.Decode(e.Value, &s.ifNone.wait))
		if s.ifNone.wait > maxWait {
			c.fault("E317", e.Value.Span, fmt.Sprintf("A look-up is made again for at most %d hours.", int(maxWait.Hours())), "")
		}
	case noneCreate:
		s.ifNone.does = noneCreate
		return c.create(e, s, at, output)
	default:
		c.fault("E317", e.KeySpan, fmt.Sprintf("if_none has no %q; it takes ask, end, wait or create.", e.Key),
			source.DidYouMean(e.Key, []string{noneAsk, noneWait, noneEnd, noneCreate}))
	}
	return output
}

func (c *compiler) create(e source.Entry, s *step, at scope, output *expr.Schema) *expr.Schema {
	var nodes []*source.Node
	c.add(source.Decode(e.Value, &nodes))
	steps := c.list(nodes, s.address+".", at)
	s.branches = []*branch{{name: noneCreate, steps: steps, span: e.KeySpan}}
	s.inner = idsIn(steps)
	if len(steps) == 0 {
		c.fault("E321", e.KeySpan, "`create` has no steps.", "")
		return output
	}
	if endsAlways(steps) {
		return output
	}
	last := steps[len(steps)-1]
	if last.action == nil {
		if last.kind != kindGet && last.kind != kindDo {
			c.fault("E324", last.span, fmt.Sprintf("The last step of `create` must be the one that makes what %q was looking for.", s.id), "")
		}
		return output
	}
	if last.action.Output == nil || last.when != nil || last.carryOn || last.goodFor > 0 {
		c.fault("E324", last.span, fmt.Sprintf("The result of this step becomes %q, so it must always give one.", s.id),
			"Remove its `when`, `good_for` or `if_it_fails`, or use an action that answers with the thing it made.")
	}
	return orAny(either(output, last.action.Output))
}

func (c *compiler) setStep(def *stepDef, s *step, inside, at scope) scope {
	s.inputAt = def.Set.Span
	o, faults := inside.env.Object(def.Set, inside.to(nil))
	c.add(faults)
	v := expr.Var{Name: orWord(s.id), Optional: s.when != nil}
	if !faults.Bad() {
		s.input, v.Schema = o, valueType(def.Set, inside)
		s.output = orAny(v.Schema)
	}
	return at.with(v)
}

func (c *compiler) chooseStep(def *stepDef, s *step, inside, at scope) scope {
	if def.Choose.Kind != source.Map {
		c.fault("E317", def.Choose.Span, "`choose` takes named cases, each with `when` and `steps`, and `otherwise`.",
			"choose: {paid: {when: ..., steps: [...]}, otherwise: {steps: []}}")
		return at
	}
	last := len(def.Choose.Entries) - 1
	for i, e := range def.Choose.Entries {
		var cd caseDef
		c.add(source.Decode(e.Value, &cd))
		b := &branch{name: e.Key, title: cd.Title, span: e.KeySpan}
		branchScope := inside
		switch {
		case !idPattern.MatchString(e.Key):
			c.fault("E322", e.KeySpan, fmt.Sprintf("%q cannot be the name of a case.", e.Key), "Write for example: "+asID(e.Key))
		case e.Key == otherwise && cd.When != nil:
			c.fault("E313", cd.When.Span, "`otherwise` is what happens when no case fits, so it has no `when`.", "")
		case e.Key == otherwise && i != last:
			c.fault("E310", def.Choose.Entries[i+1].KeySpan, "No case behind `otherwise` is ever reached.", "Put `otherwise` last.")
		case e.Key == otherwise:
		case cd.When == nil:
			c.faults.Add(source.Codes, "E105", e.KeySpan, fmt.Sprintf("The case %q needs a `when`.", e.Key), "")
		default:
			b.when = c.condition(*cd.When, inside)
			branchScope = inside.proving(b.when)
		}
		b.steps = c.list(cd.Steps, s.address+"."+e.Key+".", branchScope)
		s.branches = append(s.branches, b)
	}
	if s.branch(otherwise) == nil {
		c.fault("E315", def.Node.KeySpan("choose"), "This choice does not say what happens when no case fits.",
			"Add: otherwise: {steps: []}")
	}
	for _, b := range s.branches {
		s.inner = append(s.inner, idsIn(b.steps)...)
		walkOutputs(b.steps, func(inner *step, schema *expr.Schema) {
			at = at.with(expr.Var{Name: orWord(inner.id), Schema: schema, Optional: true})
		})
	}
	return at
}

// walkOutputs visits the steps whose outputs can be named behind the choice they stand in: not those inside a loop.
func walkOutputs(list []*step, visit func(*step, *expr.Schema)) {
	for _, s := range list {
		switch {
		case s.kind == kindEach:
			continue
		case s.output != nil:
			visit(s, s.output)
		}
		for _, b := range s.branches {
			if s.kind == kindChoose || s.kind == kindAsk || s.kind == kindWaitFor {
				walkOutputs(b.steps, visit)
			}
		}
	}
}

func (c *compiler) eachStep(def *stepDef, s *step, at scope) {
	missing := func(field, example string) {
		c.fault("E316", def.Node.KeySpan("each"), fmt.Sprintf("`each` needs `%s`.", field), "Write for example: "+example)
	}
	if def.As.Value == "" {
		missing("as", "as: item")
	} else {
		c.claim(def.As.Value, def.As.Span, "step")
	}
	if def.By == nil {
		missing("by", "by: item.sku, a key that no two items share")
	}
	s.as = def.As.Value
	var item *expr.Schema
	if def.Each != nil { // else it was faulted as no text
		s.list = c.program(*def.Each, at, nil)
		item = c.itemType(s.list, def.Each.Span)
	}
	inside := at.with(expr.Var{Name: orWord(s.as), Schema: item})
	if def.By != nil {
		s.by = c.program(*def.By, inside, nil)
		c.present("E316", s.by, "The key")
		c.keyType(s.by)
	}
	if len(def.Steps) == 0 {
		c.fault("E321", def.Node.KeySpan("each"), "This loop has no `steps`, so it would do nothing.", "")
	}
	steps := c.list(def.Steps, s.address+"[].", inside)
	s.branches = []*branch{{name: "item", steps: steps, span: def.Span}}
	s.inner = idsIn(steps)
}

// itemType is the type of a list's items; a program that gives no list is a fault.
func (c *compiler) itemType(p *expr.Program, span source.Span) *expr.Schema {
	if p == nil || p.Schema() == nil || p.Schema().Type == "" {
		return nil
	}
	if p.Schema().Type != "array" {
		c.fault("E316", span, fmt.Sprintf("`each` takes a list, but %s is a value of type %s.", p.Text(), p.Schema().Type), "")
		return nil
	}
	return p.Schema().Items
}

func (c *compiler) keyType(p *expr.Program) {
	if p == nil {
		return
	}
	if s := p.Schema(); s != nil && s.Type != "" && s.Type != "string" && s.Type != "integer" {
		c.fault("E316", p.Span(), fmt.Sprintf("`by` takes text or a whole number, but %s is a value of type %s.", p.Text(), s.Type), "")
	}
	if p.NeedsBook() {
		c.fault("E316", p.Span(), "`by` may not read tables or pairings: the key of an item must never change.", "")
	}
}

func (c *compiler) emitStep(def *stepDef, s *step, at scope) {
	if def.Emit == nil {
		return
	}
	s.event = def.Emit.Value
	d := c.eventType(*def.Emit)
	if d == nil {
		return
	}
	s.input, s.inputAt = c.inputs(def, *def.Emit, d.MappingSchema(), at)
}

func (c *compiler) endStep(def *stepDef, s *step, at scope) {
	s.inputAt = def.Node.KeySpan("end")
	if def.End.Kind == source.Null {
		return
	}
	t, faults := at.env.Template(def.End, at.to(&expr.Schema{Type: "string"}))
	c.add(faults)
	if !faults.Bad() {
		s.reason = t
	}
}
