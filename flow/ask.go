package flow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/expr"
	"waybill/source"
)

// asking is a step where a person approves, rejects or changes values.
type asking struct {
	question *expr.Template
	show     *expr.Object // what the person sees
	change   *expr.Object // the values that may be changed, as they are before
	schema   *expr.Schema // their types
	rounds   []askRound   // who is asked, one after the other
	named    []source.Text
	covers   []covered // what is approved: their inputs are frozen when the question is put
	known    map[string]bool
	inside   bool // all that is approved stands in the branch `approved`
}

// covered is a step that is approved, and what must be so for a run to come to it from the question.
type covered struct {
	*step
	under []guard
}

// guard is a condition on the way to a step.
type guard struct {
	when *expr.Program
	is   bool
}

// askRound is one group of people who are asked.
type askRound struct {
	who    []string // owners
	role   string   // or whoever has this role
	within time.Duration
	then   string // what no answer means: reject, approve, end, ask
}

// What no answer means.
const (
	thenReject  = "reject"
	thenApprove = "approve"
	thenEnd     = "end"
	thenAsk     = "ask"
)

// The branches of an ask.
const (
	branchApproved = "approved"
	branchRejected = "rejected"
)

// askRoles are the roles that may be asked: a viewer presses no buttons.
var askRoles = []string{"operator", "admin"} // a table that nothing changes

// askResult are the fields of an ask's own result, beside the values that may be changed.
var askResult = []string{"approved", "by", "reason"} // a table that nothing changes

// noAnswerDef is `no_answer` where others are asked.
type noAnswerDef struct {
	Ask      source.Text   `yaml:"ask"`
	End      *source.Text  `yaml:"end"`
	Within   time.Duration `yaml:"within"`
	NoAnswer *source.Node  `yaml:"no_answer"`
}

// roleDef is `who` by role.
type roleDef struct {
	Role source.Text `yaml:"role,required"`
}

// askStep compiles an ask. What is approved is found once all steps are: see approvals.
func (c *compiler) askStep(def *stepDef, s *step, inside, at scope) scope {
	a := &asking{named: def.For, known: maps.Clone(c.known())}
	s.ask, s.keep = a, true
	s.inputAt = def.Node.KeySpan("ask")
	if s.title == "" {
		if t, ok := def.Ask.Scalar(); ok && !strings.Contains(t.Value, "${") {
			s.title = t.Value
		}
	}
	var faults source.Faults
	a.question, faults = inside.env.Template(def.Ask, inside.to(&expr.Schema{Type: "string"}))
	c.add(faults)
	a.show = c.values(def.Show, inside)
	a.schema = &expr.Schema{Type: "object", Properties: map[string]*expr.Schema{}}
	if a.change = c.values(def.Change, inside); a.change != nil {
		c.changes(def, a, inside)
	}
	c.rounds(def, a)
	s.output = askOutput(a.schema)
	after := at.with(expr.Var{Name: orWord(s.id), Schema: s.output, Optional: s.when != nil})
	answered := inside.with(expr.Var{Name: orWord(s.id), Schema: s.output})
	for _, b := range []struct {
		name  string
		nodes []*source.Node
	}{{branchApproved, def.Approved}, {branchRejected, def.Rejected}} {
		if def.Node.Get(b.name) == nil {
			continue
		}
		steps := c.list(b.nodes, s.address+"."+b.name+".", answered)
		s.branches = append(s.branches, &branch{name: b.name, steps: steps, span: def.Node.KeySpan(b.name)})
		s.inner = append(s.inner, idsIn(steps)...)
		walkOutputs(steps, func(inner *step, schema *expr.Schema) {
			after = after.with(expr.Var{Name: orWord(inner.id), Schema: schema, Optional: true})
		})
	}
	return after
}

// known are the names that stand for something when a step is reached: of the event and the steps written before.
func (c *compiler) known() map[string]bool {
	out := map[string]bool{c.flow.Noun: true}
	for id := range c.ids {
		out[id] = true
	}
	return out
}

// values compiles a group of named values.
func (c *compiler) values(n *source.Node, at scope) *expr.Object {
	if n == nil {
		return nil
	}
	if n.Kind != source.Map {
		c.fault("E317", n.Span, "This takes names, each with its value.", "Write for example: {amount: \"${payment.amount}\"}")
		return nil
	}
	c.slips(n)
	o, faults := at.env.Object(n, at.to(nil))
	c.add(faults)
	if faults.Bad() {
		return nil
	}
	return o
}

// changes finds the types of the values that may be changed.
func (c *compiler) changes(def *stepDef, a *asking, at scope) {
	for _, e := range def.Change.Entries {
		schema, maybe := typeOf(e.Value, at)
		switch {
		case slices.Contains(askResult, e.Key):
			c.fault("E309", e.KeySpan, fmt.Sprintf("%q is part of every answer.", e.Key), "Choose another name.")
		case !idPattern.MatchString(e.Key):
			c.fault("E309", e.KeySpan, fmt.Sprintf("%q cannot be the name of a value.", e.Key), "Write for example: "+asID(e.Key))
		case schema == nil || schema.Type == "" && schema.Format == "":
			c.fault("E326", e.Value.Span, fmt.Sprintf("The type of %q is not known, so a change of it could not be checked.", e.Key),
				"Use a field whose type is known.")
		default:
			a.schema.Properties[e.Key] = schema
			if !maybe {
				a.schema.Required = append(a.schema.Required, e.Key)
			}
		}
	}
}

// askOutput is the type of an answer: approved, by, reason, and the values as they were approved.
func askOutput(changed *expr.Schema) *expr.Schema {
	out := &expr.Schema{Type: "object", Properties: map[string]*expr.Schema{
		"approved": {Type: "boolean"}, "by": {Type: "string"}, "reason": {Type: "string"},
	}, Required: []string{"approved", "by"}}
	maps.Copy(out.Properties, changed.Properties)
	out.Required = append(out.Required, changed.Required...)
	return out
}

// rounds compiles who is asked, for how long, and what no answer means.
func (c *compiler) rounds(def *stepDef, a *asking) {
	if def.Who == nil {
		c.faults.Add(source.Codes, "E105", def.Node.KeySpan("who"), "This does not say who may answer.",
			"Add: who: OWNER, as listed in waybill.yaml, or who: {role: admin}")
		return
	}
	r := &askRound{then: thenReject}
	wrong := source.Decode(def.Within, &r.within)
	c.add(wrong)
	r.who, r.role = c.who(def.Who)
	for n := def.NoAnswer; ; {
		if n != nil && r.within == 0 && len(wrong) == 0 {
			c.fault("E327", n.Span, "Without `within` an answer is waited for as long as it takes, so `no_answer` never comes about.",
				"Add for example: within: 2d")
		}
		next, again := c.noAnswer(n, r)
		a.rounds = append(a.rounds, *r)
		if next == nil {
			return
		}
		r, n = next, again
	}
}

// noAnswer compiles what no answer means for a round, and returns the round after it with what no answer means then.
func (c *compiler) noAnswer(n *source.Node, r *askRound) (*askRound, *source.Node) {
	if n == nil {
		return nil, nil
	}
	const takes = "no_answer takes reject, approve, end, or ask: another owner."
	if t, ok := n.Scalar(); ok {
		if !slices.Contains([]string{thenReject, thenApprove, thenEnd}, t.Value) {
			c.fault("E317", t.Span, takes, source.DidYouMean(t.Value, []string{thenReject, thenApprove, thenEnd}))
		}
		r.then = t.Value
		return nil, nil
	}
	var def noAnswerDef
	c.add(source.Decode(n, &def))
	if def.Ask.Value == "" {
		c.fault("E317", n.Span, takes, "Write for example: no_answer: {ask: sales, within: 1d, no_answer: reject}")
		return nil, nil
	}
	r.then = thenAsk
	c.asked(def.Ask)
	within := def.Within
	if within == 0 {
		within = r.within
	}
	return &askRound{who: []string{def.Ask.Value}, within: within, then: thenReject}, def.NoAnswer
}

// who compiles who may answer: owners, or whoever has a role.
func (c *compiler) who(n *source.Node) (owners []string, role string) {
	if n.Kind == source.Map {
		var def roleDef
		c.add(source.Decode(n, &def))
		if def.Role.Value != "" && !slices.Contains(askRoles, def.Role.Value) {
			c.fault("E317", def.Role.Span, fmt.Sprintf("No role %q answers questions. Roles that do: %s.", def.Role.Value, source.Listed(askRoles)),
				source.DidYouMean(def.Role.Value, askRoles))
		}
		return nil, def.Role.Value
	}
	nodes := []*source.Node{n}
	if n.Kind == source.List {
		nodes = n.Items
	}
	if len(nodes) == 0 {
		c.fault("E317", n.Span, "`who` is empty, so nobody could ever answer.", "Write who: finance-ops, or who: {role: admin}")
	}
	for _, one := range nodes {
		t, ok := one.Scalar()
		if !ok || t.Value == "" {
			c.fault("E317", one.Span, "`who` takes owners of waybill.yaml, or a role.", "Write who: finance-ops, or who: {role: admin}")
			continue
		}
		c.asked(t)
		owners = append(owners, t.Value)
	}
	return owners, ""
}

// asked checks an owner who may be asked: somebody must be able to answer for them.
func (c *compiler) asked(t source.Text) {
	c.owner(t)
	if slices.Contains(c.deps.Owners, t.Value) && len(c.deps.People[t.Value]) == 0 {
		c.faults.Warn(Codes, "E328", t.Span, fmt.Sprintf("waybill.yaml does not say who answers for %s, so only somebody who signs in by that name can.", t.Value),
			fmt.Sprintf("Add there: %s: {people: [asha]}, the names by which they sign in.", t.Value))
	}
}

// approvals finds what each ask is about: the steps that `for` names, else those of its branch `approved` whose values are
// known when the question is put.
func (c *compiler) approvals(list []*step) {
	for i, s := range list {
		for _, b := range s.branches {
			c.approvals(b.steps)
		}
		if s.ask == nil {
			continue
		}
		within := map[string]covered{}
		nested := map[string]bool{}
		if b := s.branch(branchApproved); b != nil {
			reachable(b.steps, nil, within)
			for id := range within {
				nested[id] = true
			}
		}
		reachable(list[i+1:], nil, within)
		if len(s.ask.named) == 0 {
			c.coverKnown(s, within)
		}
		for _, t := range s.ask.named {
			c.cover(s, t, within)
		}
		s.ask.inside = !slices.ContainsFunc(s.ask.covers, func(one covered) bool { return !nested[one.id] })
	}
}

// reachable collects the steps of a list and of the choices in it, with the conditions on the way: not those inside a loop,
// which are as many as its items.
func reachable(list []*step, under []guard, into map[string]covered) {
	for _, s := range list {
		here := slices.Clip(under)
		if s.when != nil {
			here = append(here, guard{s.when, true})
		}
		into[s.id] = covered{s, here}
		if s.kind == kindEach {
			continue
		}
		others := here
		for _, b := range s.branches {
			inside := others
			if b.when != nil {
				inside = append(slices.Clip(others), guard{b.when, true})
				others = append(slices.Clip(others), guard{b.when, false})
			}
			reachable(b.steps, inside, into)
		}
	}
}

func (c *compiler) coverKnown(s *step, within map[string]covered) {
	b := s.branch(branchApproved)
	if b == nil {
		return
	}
	for _, one := range b.steps {
		if one.kind == kindDo && one.input != nil && c.unknownIn(s, one) == "" {
			c.covered(s, within[one.id])
		}
	}
}

func (c *compiler) cover(s *step, t source.Text, within map[string]covered) {
	one := within[t.Value]
	switch {
	case one.step == nil || one.kind != kindDo:
		var names []string
		for _, id := range sortedNames(within) {
			if within[id].kind == kindDo {
				names = append(names, id)
			}
		}
		message := fmt.Sprintf("%q is no `do` step that this could be asked for.", t.Value)
		if len(names) > 0 {
			message += " Steps after it: " + source.Listed(names) + "."
		}
		c.fault("E329", t.Span, message+" What stands in a loop is asked for inside the loop.", source.DidYouMean(t.Value, names))
	case one.input == nil: // faulted already
	case c.unknownIn(s, one.step) != "":
		c.fault("E329", one.inputAt, fmt.Sprintf("What is approved must be known when the question is put, but %q is not known then.", c.unknownIn(s, one.step)),
			fmt.Sprintf("Make it known before %q, or ask later.", s.id))
	case one.askedBy != nil:
		c.fault("E329", t.Span, fmt.Sprintf("%q is approved by %q already.", one.id, one.askedBy.id), "")
	default:
		c.covered(s, one)
	}
}

func (c *compiler) covered(s *step, one covered) {
	if one.askedBy == nil {
		s.ask.covers = append(s.ask.covers, one)
		one.askedBy = s
	}
}

// unknownIn names what a step's values need that is not known when the question is put; empty when all is.
func (c *compiler) unknownIn(s, one *step) string { return s.ask.lacks(one.input.Uses()) }

// lacks names the first of some paths that is not known when the question is put; empty when all are.
func (a *asking) lacks(uses []string) string {
	for _, path := range uses {
		if root := rootOf(path); !a.known[root] {
			return root
		}
	}
	return ""
}

// demanded faults writes of a kind that the workspace wants approved and that no ask is about.
func (c *compiler) demanded() {
	walkSteps(c.flow.steps, func(s *step) {
		if s.kind == kindDo && s.action != nil && s.askedBy == nil && slices.Contains(c.deps.Approve, s.action.Kind) {
			c.fault("E330", s.span, fmt.Sprintf("waybill.yaml wants every write of kind %s approved, and nobody is asked about %q.", s.action.Kind, s.id),
				fmt.Sprintf("Put an `ask` before it: - {id: ok, ask: ..., who: ..., for: %s}", s.id))
		}
	})
}

// --- the machine ---

// put puts the question: what the person sees and may change, and the inputs of what is approved, frozen.
func (m *machine) ask(s *step) {
	if m.p.Inputs == nil && !m.question(s) {
		return
	}
	m.set(stageAwaiting)
	m.p.Address = m.address(s)
	r := s.ask.rounds[min(m.p.Round, len(s.ask.rounds)-1)]
	q := &Question{
		Address: m.p.Address, Round: m.p.Round, Who: r.who, Role: r.role, Within: r.within, NoAnswer: r.then, For: m.frozen(s),
	}
	q.Question, _ = m.p.Inputs["question"].(string)
	q.Show, _ = m.p.Inputs["show"].(map[string]any)
	q.Change, _ = m.p.Inputs["change"].(map[string]any)
	m.moves = append(m.moves, Move{Ask: q})
	m.told = true
}

// question evaluates what is asked, once.
func (m *machine) question(s *step) bool {
	in := map[string]any{}
	v, err := s.ask.question.Eval(m.vars, m.reads)
	if err != nil {
		m.stop(s, s.inputAt, "`ask`", err)
		return false
	}
	in["question"] = keyText(v)
	for name, o := range map[string]*expr.Object{"show": s.ask.show, "change": s.ask.change} {
		if o == nil {
			continue
		}
		v, err := o.Eval(m.vars, m.reads)
		if err == nil {
			v, err = settled(v)
		}
		if err != nil {
			m.stop(s, s.inputAt, "`"+name+"`", err)
			return false
		}
		in[name] = v
	}
	change, _ := in["change"].(map[string]any)
	if !m.freeze(s, change) {
		return false
	}
	m.p.Inputs = in
	return true
}

// freeze evaluates the inputs of what is approved, as they are with the values given.
func (m *machine) freeze(s *step, values map[string]any) bool {
	m.vars[s.id] = answered(true, "", "", values)
	defer func() { m.vars[s.id] = expr.Absent }()
	frozen := maps.Clone(m.p.Frozen)
	if frozen == nil {
		frozen = map[string]map[string]any{}
	}
	for _, one := range s.ask.covers {
		wanted, ok := m.wanted(s, one)
		if !ok {
			return false
		}
		if !wanted {
			delete(frozen, m.address(one.step))
			continue
		}
		v, err := one.input.Eval(m.vars, m.reads)
		if err == nil {
			v, err = settled(v)
		}
		if err != nil {
			m.stop(s, one.inputAt, "", err)
			return false
		}
		in, ok := v.(map[string]any)
		if !ok {
			in = map[string]any{}
		}
		if name := missing(one.step, in); name != "" {
			m.block(s, waybill.MissingValue, fmt.Sprintf("%s:%d", one.inputAt.File, one.inputAt.Line),
				fmt.Sprintf("%s:%d: %s needs %q, and it has no value here", one.inputAt.File, one.inputAt.Line, one.does(), name))
			return false
		}
		frozen[m.address(one.step)] = in
	}
	m.p.Frozen = frozen
	return true
}

// wanted reports whether the run would come to a step that is approved, as far as that is known when the question is put; ok is
// false when a condition on the way failed, and the run is blocked.
func (m *machine) wanted(s *step, one covered) (wanted, ok bool) {
	for _, g := range one.under {
		if s.ask.lacks(g.when.Uses()) != "" {
			return true, true
		}
		is, err := g.when.Bool(m.vars, m.reads)
		if err != nil {
			m.stop(s, g.when.Span(), "`when`", err)
			return false, false
		}
		if is != g.is {
			return false, true
		}
	}
	return true, true
}

// frozen lists what is approved, as it will be sent.
func (m *machine) frozen(s *step) []PlannedEffect {
	var out []PlannedEffect
	for _, one := range s.ask.covers {
		address := m.address(one.step)
		if m.p.Frozen[address] == nil {
			continue // the run will not come to it
		}
		out = append(out, PlannedEffect{
			Address: address, Connection: one.connection, Action: one.action, Inputs: m.p.Frozen[address], Undo: one.undo, GoodFor: one.goodFor, Approval: m.address(s),
		})
	}
	return out
}

// answered is the result of an ask.
func answered(approved bool, by, reason string, values map[string]any) map[string]any {
	out := maps.Clone(values)
	if out == nil {
		out = map[string]any{}
	}
	out["approved"], out["by"] = approved, by
	if reason != "" {
		out["reason"] = reason
	}
	return out
}

// approved goes on with what was approved. Values that the person changed are the ones that count: what depends on them is
// evaluated once more, and frozen again.
func (m *machine) approved(s *step, a *Answer) {
	values, _ := m.p.Inputs["change"].(map[string]any)
	m.resume()
	if a.Values != nil {
		merged := maps.Clone(values)
		if merged == nil {
			merged = map[string]any{}
		}
		maps.Copy(merged, a.Values)
		values = merged
		if !m.freeze(s, values) {
			return
		}
		m.moves = append(m.moves, Move{Approve: &Approved{Address: m.address(s), For: m.frozen(s)}})
	}
	m.put(s, answered(true, a.By, a.Words, values))
	m.into(s, branchApproved)
}

// rejected goes the branch of a rejection, or ends the run.
func (m *machine) rejected(s *step, a *Answer) {
	values, _ := m.p.Inputs["change"].(map[string]any)
	m.resume()
	for _, one := range s.ask.covers {
		delete(m.p.Frozen, m.address(one.step))
	}
	m.put(s, answered(false, a.By, a.Words, values))
	if s.branch(branchRejected) == nil {
		m.end(rejection(a.By, a.Words))
		return
	}
	m.into(s, branchRejected)
}

// rejection says in words why a run ended.
func rejection(by, reason string) string {
	words := "rejected"
	if by != "" {
		words += " by " + by
	}
	if reason != "" {
		words += ": " + reason
	}
	return words
}

// into enters a branch of an ask, or goes on behind it.
func (m *machine) into(s *step, branch string) {
	if s.branch(branch) == nil {
		m.advance()
		return
	}
	m.push(branch)
}

// left goes on behind an ask whose branch has been made. After a rejection nothing comes that was to be approved.
func (m *machine) left(s *step) {
	if m.top().Branch == branchRejected && !s.ask.inside {
		said, _ := m.vars[s.id].(map[string]any)
		by, _ := said["by"].(string)
		reason, _ := said["reason"].(string)
		m.end(rejection(by, reason))
		return
	}
	m.advance()
}

// Changeable returns the types of the values that a person may change, of the ask at which a run stands; nil when there are
// none.
func (f *Flow) Changeable(p *Progress) *expr.Schema {
	s := f.asks(p)
	if s == nil || len(s.ask.schema.Properties) == 0 {
		return nil
	}
	return s.ask.schema
}

// Asks reports whether a run stands at an ask.
func (f *Flow) Asks(p *Progress) bool { return f.asks(p) != nil }

func (f *Flow) asks(p *Progress) *step {
	if !f.knows(p.Frames) {
		return nil
	}
	if s := f.at(p.Frames); s != nil && s.ask != nil {
		return s
	}
	return nil
}

// Asked returns who was to be asked at an address, without the keys of items; false when there is no ask.
func (f *Flow) Asked(address string) (who []string, role string, ok bool) {
	walkSteps(f.steps, func(s *step) {
		if s.ask != nil && s.address == address {
			who, role, ok = s.ask.rounds[0].who, s.ask.rounds[0].role, true
		}
	})
	return who, role, ok
}
