package flow

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"waybill/catalogue"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

var (
	namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)
	idPattern   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	wordPattern = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
)

// reserved are words that the expression language keeps for itself.
var reserved = []string{ // a table that nothing changes
	"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
	"loop", "package", "namespace", "return", "var", "void", "while", "has", "all", "exists", "exists_one", "map", "filter",
	"optional", "cel", "int", "uint", "double", "bool", "string", "bytes", "list", "type", "dyn", "duration", "timestamp",
}

// Reserved reports whether a name is a word of the expression language or one of its functions, so that nothing can be called so.
func Reserved(env *expr.Env, name string) bool {
	return slices.Contains(reserved, name) || slices.Contains(env.Functions(), name)
}

// Compile checks one file's flow and compiles it; every fault at once. The flow is nil when any of them is an error.
func Compile(n *source.Node, d Deps) (*Flow, source.Faults) {
	c := &compiler{deps: d, flow: &Flow{uses: map[string]bool{}}, ids: map[string]source.Span{}, words: map[string]bool{}, gets: map[string]*step{}}
	c.header(n)
	if c.faults.Bad() {
		return nil, c.faults.Sorted()
	}
	return c.flow, c.faults.Sorted()
}

// compiler collects the faults of one flow.
type compiler struct {
	deps   Deps
	flow   *Flow
	root   scope // before the first step
	faults source.Faults
	ids    map[string]source.Span
	words  map[string]bool // every word of every expression, to know which outputs are ever named
	gets   map[string]*step
}

// scope is what an expression at some place of the flow may name, and which of its optional paths are proven present.
type scope struct {
	env    *expr.Env
	known  []string
	waited bool          // a step before it waits
	after  time.Duration // so long the waits before it last, unless a person ends one
}

func (s scope) proving(p *expr.Program) scope {
	if p == nil {
		return s
	}
	s.known = append(slices.Clip(s.known), p.Proves()...)
	return s
}

func (s scope) with(v expr.Var) scope {
	s.env = s.env.With(v)
	return s
}

func (s scope) to(schema *expr.Schema) expr.Target {
	return expr.Target{Schema: schema, Known: s.known}
}

func (c *compiler) fault(code string, span source.Span, message, hint string) {
	c.faults.Add(Codes, code, span, message, hint)
}

func (c *compiler) add(fs source.Faults) { c.faults = append(c.faults, fs...) }

func (c *compiler) header(n *source.Node) {
	var def flowDef
	c.add(source.Decode(n, &def))
	if n == nil || n.Kind != source.Map {
		return
	}
	collect(n, false, c.words)
	f := c.flow
	f.Name, f.former, f.Title, f.Owner = def.Flow.Value, readNames(def.Was, def.Node), def.Title, def.Owner.Value
	f.DueWithin, f.span, f.File, f.Line = def.DueWithin, def.Flow.Span, def.Span.File, def.Span.Line
	c.name("flow", def.Flow)
	c.owner(def.Owner)
	c.behind(def)
	for _, from := range def.From {
		f.From = append(f.From, from.Value)
		c.connection(from.Value, from.Span)
	}
	schema, ok := c.event(def)
	if !ok {
		c.withoutEvent(def.Steps)
		return
	}
	at := scope{env: c.deps.Env.With(expr.Var{Name: f.Noun, Schema: schema})}
	if def.When != nil {
		f.when = c.condition(*def.When, at)
		c.withoutBook(f.when, "when")
		at = at.proving(f.when)
	}
	c.root = at
	c.lane(def, at)
	for _, column := range def.Columns {
		f.Columns = append(f.Columns, column.Value)
		c.column(column, schema)
	}
	if len(def.Steps) == 0 {
		c.fault("E321", def.Node.KeySpan("steps"), "This flow has no steps, so it would do nothing.",
			"Add a step under `steps`: - {id: tell, do: team.message.send, with: {...}}")
	}
	f.steps = c.list(def.Steps, "", at)
	c.cancels(def.CancelOn, def.Node.KeySpan("cancel_on"), at)
	c.kept()
	c.renamed()
	c.approvals(f.steps)
	c.demanded()
}

// withoutEvent finds what can be found in steps when the event is not known.
func (c *compiler) withoutEvent(nodes []*source.Node) {
	for _, n := range nodes {
		var def stepDef
		c.add(source.Decode(n, &def))
		for _, t := range []*source.Text{def.Get, def.Do} {
			if t != nil {
				c.action(*t)
			}
		}
	}
}

func (c *compiler) name(what string, t source.Text) {
	if t.Value != "" && !namePattern.MatchString(t.Value) {
		c.fault("E322", t.Span, fmt.Sprintf("%q cannot be the name of a %s.", t.Value, what),
			"Write lower-case letters, digits, dashes and underscores, beginning with a letter: payment-to-crm.")
	}
}

func (c *compiler) owner(t source.Text) {
	if t.Value == "" || slices.Contains(c.deps.Owners, t.Value) {
		return
	}
	message := fmt.Sprintf("waybill.yaml lists no owner %q.", t.Value)
	if len(c.deps.Owners) > 0 {
		message += " Owners there: " + source.Listed(c.deps.Owners) + "."
	}
	c.fault("E312", t.Span, message, source.DidYouMean(t.Value, c.deps.Owners))
}

func (c *compiler) behind(def flowDef) {
	t := def.BehindBlocked
	if t.Value != "" && def.Lane == nil {
		c.fault("E338", t.Span, "This flow has no `lane`, so no run of it is behind another.", "Add for example: lane: order.id, or remove behind_blocked.")
	}
	switch t.Value {
	case "", "pass":
	case "hold":
		c.flow.Hold = true
	default:
		c.fault("E317", t.Span, fmt.Sprintf("behind_blocked takes pass (the default) or hold, not %q.", t.Value),
			source.DidYouMean(t.Value, []string{"pass", "hold"}))
	}
}

// event finds the types of the event and the type of its data.
func (c *compiler) event(def flowDef) (*expr.Schema, bool) {
	if def.Schedule != nil {
		return c.scheduled(def)
	}
	if len(def.On) == 0 {
		c.faults.Add(source.Codes, "E105", def.Node.KeySpan("on"), `"on" must name the event that starts the flow.`,
			"Write for example: on: order.paid_in_full")
		return nil, false
	}
	var schema *expr.Schema
	good := true
	for _, t := range def.On {
		if t.Value == Tick || t.Value == "schedule" {
			c.fault("E336", t.Span, "A flow that starts by itself says when.", "Write in place of `on`: schedule: {cron: \"0 9 * * mon-fri\"}")
			return nil, false
		}
		d := c.eventType(t)
		if d == nil {
			good = false
			continue
		}
		switch {
		case c.flow.Noun == "":
			c.flow.Noun, schema = d.Noun, d.Schema
		case d.Noun != c.flow.Noun:
			c.fault("E302", t.Span, fmt.Sprintf("%s is about a %s, but %s is about a %s.", t.Value, d.Noun, c.flow.On[0],
				c.flow.Noun), "Write one flow for each.")
			good = false
		default:
			schema = either(schema, d.Schema)
		}
		for _, told := range c.deps.Catalogue.Expand(t.Value) {
			if !slices.Contains(c.flow.On, told) {
				c.flow.On = append(c.flow.On, told)
			}
		}
	}
	return schema, good
}

// eventType finds an event in the catalogue.
func (c *compiler) eventType(t source.Text) *catalogue.Definition {
	if d := c.deps.Catalogue.Type(t.Value); d != nil {
		return d
	}
	known := c.deps.Catalogue.Names()
	noun, _, _ := strings.Cut(t.Value, ".")
	var siblings []string
	for _, name := range known {
		if strings.HasPrefix(name, noun+".") {
			siblings = append(siblings, name)
		}
	}
	message := fmt.Sprintf("The catalogue has no event %q.", t.Value)
	if len(siblings) > 0 {
		message += " Events of a " + noun + ": " + source.Listed(siblings) + "."
	}
	c.fault("E301", t.Span, message, source.DidYouMean(t.Value, known))
	return nil
}

func (c *compiler) lane(def flowDef, at scope) {
	f := c.flow
	f.laneName = f.Name
	if n := len(f.former.was); n > 0 { // so that those of before and of after a rename stay in order
		f.laneName = f.former.was[n-1]
	}
	if def.LaneName.Value != "" {
		c.name("lane", def.LaneName)
		f.laneName = def.LaneName.Value
		if def.Lane == nil {
			c.fault("E313", def.Node.KeySpan("lane_name"), "lane_name shares a lane between flows, but this flow has no `lane`.", "")
		}
	}
	if def.Lane == nil {
		return
	}
	f.lane = c.program(*def.Lane, at, nil)
	c.present("E308", f.lane, "The lane")
	c.withoutBook(f.lane, "lane")
}

// present faults a program whose value may be absent.
func (c *compiler) present(code string, p *expr.Program, what string) {
	if p == nil || !p.MayBeAbsent() {
		return
	}
	hint := "Use a field that is always there."
	if uses := p.Uses(); len(uses) == 1 {
		hint = fmt.Sprintf("Use a field that is always there, or add has(%s) to `when`.", uses[0])
	}
	c.fault(code, p.Span(), fmt.Sprintf("%s may be absent: %s is not always there.", what, p.Text()), hint)
}

// withoutBook faults what decides whether and where a run begins, but could come out otherwise tomorrow.
func (c *compiler) withoutBook(p *expr.Program, field string) {
	if p != nil && p.NeedsBook() {
		c.fault("E323", p.Span(), fmt.Sprintf("A flow's `%s` may not read tables or pairings.", field),
			"Test it in a step: a `choose`, or the `when` of a step.")
	}
}

func (c *compiler) program(t source.Text, at scope, schema *expr.Schema) *expr.Program {
	p, faults := at.env.Program(t, at.to(schema))
	c.add(faults)
	if faults.Bad() {
		return nil
	}
	return p
}

// condition compiles a `when`.
func (c *compiler) condition(t source.Text, at scope) *expr.Program {
	return c.program(t, at, &expr.Schema{Type: "boolean"})
}

func (c *compiler) connection(name string, span source.Span) *connector.Manifest {
	m, ok := c.deps.Connections[name]
	if !ok {
		names := slices.Collect(maps.Keys(c.deps.Connections))
		message := fmt.Sprintf("There is no connection %q.", name)
		if len(names) > 0 {
			message += " Connections: " + source.Listed(names) + "."
		}
		c.fault("E303", span, message, source.DidYouMean(name, names))
		return nil
	}
	c.flow.uses[name] = true
	return m
}

// action finds connection.action.
func (c *compiler) action(t source.Text) (string, *connector.Action) {
	name, rest, dotted := strings.Cut(t.Value, ".")
	span := t.Span
	span.Len = max(1, len(name))
	if !dotted || rest == "" {
		c.fault("E304", t.Span, fmt.Sprintf("%q names no action.", t.Value), "Write connection.action: crm.deal.update.")
		return name, nil
	}
	m := c.connection(name, span)
	if m == nil {
		return name, nil
	}
	if a, ok := m.Actions[rest]; ok {
		return name, a
	}
	span = t.PosAt(len(name) + 1)
	span.Len = len(rest)
	names := slices.Collect(maps.Keys(m.Actions))
	c.fault("E304", span, fmt.Sprintf("%s (the connection %s) has no action %q. Actions: %s.", m.Title, name, rest,
		source.Listed(names)), source.DidYouMean(rest, names))
	return name, nil
}

// bare are the fields that hold an expression without ${ }.
var bare = []string{"when", "lane", "each", "by", "where", "still"} // a table that nothing changes

// collect notes every word that stands in an expression below n: no output is named without being among them.
func collect(n *source.Node, expression bool, words map[string]bool) {
	if n == nil {
		return
	}
	if n.Kind == source.Scalar && (expression || strings.Contains(n.Text, "${")) {
		for _, w := range wordPattern.FindAllString(n.Text, -1) {
			words[w] = true
		}
	}
	for _, item := range n.Items {
		collect(item, false, words)
	}
	for _, e := range n.Entries {
		collect(e.Value, slices.Contains(bare, e.Key), words)
		if e.Key == "match" {
			for _, pair := range e.Value.Entries {
				collect(pair.Value, true, words)
			}
		}
	}
}

// usesAny reports whether an expression names any of some results.
func usesAny(p *expr.Program, names map[string]bool) bool {
	return slices.ContainsFunc(p.Uses(), func(path string) bool { return names[rootOf(path)] })
}

// rootOf is the name with which a path begins.
func rootOf(path string) string {
	name, _, _ := strings.Cut(path, ".")
	return strings.Trim(name, "?")
}

// kept marks the steps whose output some expression may name, and the loops whose list may come out otherwise later; nothing
// else is carried along.
func (c *compiler) kept() {
	reread := map[string]bool{}
	walkSteps(c.flow.steps, func(s *step) {
		for _, get := range s.rereads {
			reread[get.id] = true
		}
	})
	walkSteps(c.flow.steps, func(s *step) {
		s.keep = c.words[s.id] || s.ask != nil
		if s.kind == kindGet && len(s.branches) > 0 { // what was made last stands for what was looked for
			if made := s.branches[0].steps; s.keep && len(made) > 0 {
				made[len(made)-1].keep = true
			}
		}
		s.fixed = s.list != nil && (s.list.NeedsBook() || usesAny(s.list, reread))
		c.flow.results = append(c.flow.results, s.id)
		if s.as != "" {
			c.flow.results = append(c.flow.results, s.as)
		}
	})
}
