package connector

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"waybill/expr"
	"waybill/source"
)

// Simulate is how the simulator plays a system: which requests it takes, what it keeps, what it answers and which
// webhooks it sends. It is written from the provider's documents, never from what our client sends, in simulate.yaml
// beside the manifest.
//
// Expressions see, besides the names their route or event binds (see SimNames): method, path (the route's {parts}),
// query, headers (lower-case names), body, ids (a fresh value of each of IDs), id (of the object being written), old
// (what it was), object, made (whether it is new), item (of each), page {total, more}, now {s, ms, iso}, vars,
// settings, account, connection, check {param, problem} and fault {kind, seconds}.
type Simulate struct {
	Account  string               // the account's own id
	Secrets  map[string]string    // patterns of the credentials the account accepts: sk_test_{base62:24}
	Settings map[string]string    // the settings of the account: phone_number_id
	Vars     map[string]any       // defaults of vars, beside the usual ones (order_id, amount, currency, name, email, phone)
	IDs      map[string]string    // patterns: evt_{base62:24}
	Objects  map[string]SimObject // what it keeps
	SignIn   []SimSignIn          // any of them lets a call in; none: no sign-in
	Headers  []SimHeader          // demanded of every call
	Once     *SimOnce             // how repeating a call with the same key goes
	Answers  map[string]*SimAnswer
	Routes   []*SimRoute
	Events   map[string]*SimEvent // the webhooks it sends, which are also the samples of `waybill trigger`
	Stories  []*SimStory          // what happens there in the demo
	Seed     []*SimStep           // what it holds about a customer who orders elsewhere
	Retries  []time.Duration      // waits before a webhook that got no 2xx is sent again
	Escaped  bool                 // bodies are rendered with \u00e9 and \/, as Meta does before signing
}

// SimObject is a type of object.
type SimObject struct {
	ID     string        `yaml:"id,required"` // a pattern
	Unique []string      `yaml:"unique"`      // dotted paths whose value only one object may have, whatever its case
	Lag    time.Duration `yaml:"lag"`         // searches do not see a write for this long
}

// SimSignIn is one form of credentials: exactly `Bearer SECRET`, `Basic base64(USER:PASS)` or a header with the secret.
type SimSignIn struct {
	Bearer string   `yaml:"bearer"` // a secret's name
	Basic  []string `yaml:"basic"`  // the names of user and password; an empty one is an empty text
	Header string   `yaml:"header"` // its name
	Secret string   `yaml:"secret"` // header: the secret's name
	Prefix string   `yaml:"prefix"` // header: before the secret
}

// SimHeader is a header that must match.
type SimHeader struct {
	Name     string         `yaml:"name,required"`
	Pattern  string         `yaml:"pattern"`  // a regular expression for the whole value; empty: anything
	Optional bool           `yaml:"optional"` // it need not be there
	Answer   string         `yaml:"answer,required"`
	Form     *regexp.Regexp // of Pattern
}

// SimOnce is an idempotency key as this provider documents it.
type SimOnce struct {
	Header string
	Form   *regexp.Regexp // of a whole key; nil: any
	Life   time.Duration  // after which it is forgotten
	Errors bool           // a 5xx is kept and answered again (Stripe)
	Mark   string         // a header set to true on an answer given again
	Other  *SimAnswer     // the same key with other parameters
	Busy   *SimAnswer     // the first call with this key is still being answered; nil: its answer is given
}

// SimAnswer is an answer: JSON, or text.
type SimAnswer struct {
	Status  int
	Headers []NamedTemplate
	JSON    *expr.Object
	Text    *expr.Template
}

// SimRoute is one thing that can be asked of the system.
type SimRoute struct {
	Method   string
	Path     []string       // segments: {name} matches any one, {name:a|b} one of these, {name...} all that follow
	Action   *expr.Template // our name for it, for the ledger and the faults
	Body     string         // json, form, none
	Takes    *expr.Schema
	Query    *expr.Schema
	Key      *expr.Template // our reference as it arrives here, for the ledger
	Once     bool           // honours the idempotency key
	Open     bool           // needs no sign-in
	Do       []*SimStep
	Answer   *SimAnswer
	Declined *SimAnswer // a documented refusal, for the fault of that kind
}

// SimStep is one act on what the system keeps, or a refusal, or a webhook to send.
type SimStep struct {
	Verb  string         // create upsert update delete get search refuse send let
	Type  string         // of object; send: the event; let: the name
	Which *expr.Template // the type of object where it depends on the call
	As    string         // the name its result gets: the object, or the list a search found
	When  *expr.Program
	Each  *expr.Program // upsert, create, update: once per item; the result is a list
	ID    *expr.Template
	By    *expr.Template // a dotted path: get and upsert find the object whose value there is Value
	Value *expr.Template // of By
	With  *expr.Object   // what is written; deep-merged into what is there
	Also  *expr.Object   // what the system adds when that changes anything: times, computed fields; over object
	Give  *expr.Object   // what As stands for, instead of the object
	Match *expr.Program  // search: over object
	Only  string         // get, search: of the group at this dotted path only Names are shown, absent ones as null
	Names *expr.Program  // of Only: a list
	Limit *expr.Program  // search: default 100
	From  *expr.Program  // search: how many to pass over
	Old   bool           // search: oldest first
	None  *SimAnswer     // get, update: not found is refused with this; without it As is an empty map
	Clash *SimAnswer     // create: a unique value is taken; object is the one that has it
	Say   *SimAnswer     // refuse
	After time.Duration  // send
}

// SimEvent is a webhook.
type SimEvent struct {
	Title   string
	Vars    map[string]any
	Make    []*SimStep // the objects it is about, made unless the sender has them under these names
	Method  string     // POST
	Headers []NamedTemplate
	ID      *expr.Template // the delivery's id, where the scheme signs or states one
	JSON    *expr.Object
	Form    *expr.Object
	Uses    []string // the variables that its parts read, sorted
}

// SimStory is something that happens there by itself: one or more webhooks about one order.
type SimStory struct {
	Name    string         `yaml:"name,required"`
	Share   int            `yaml:"share,required"` // its weight among all stories
	Earlier bool           `yaml:"earlier"`        // about an order there was before
	Needs   []string       `yaml:"needs"`          // names that order must have here; implies earlier
	Vars    map[string]any `yaml:"vars"`
	Sends   []SimSend      `yaml:"sends,one_or_more"`
}

// SimSend is one webhook of a story.
type SimSend struct {
	Event string        `yaml:"event,required"`
	After time.Duration `yaml:"after"`
}

// Played returns the settings of a connection to the simulated account: those that nobody gave are the account's.
func (m *Manifest) Played(settings map[string]string) map[string]string {
	out := map[string]string{}
	if m.Simulate != nil {
		maps.Copy(out, m.Simulate.Settings)
	}
	for name, value := range settings {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

// simNames are the names every expression of a simulator sees.
func simNames() []expr.Var {
	var vars []expr.Var
	for _, name := range []string{
		"method", "path", "query", "headers", "body", "ids", "id", "old", "object", "made", "item", "page", "now", "vars",
		"settings", "account", "connection", "check", "fault",
	} {
		vars = append(vars, expr.Var{Name: name})
	}
	return vars
}

type rawSimulate struct {
	Account  string               `yaml:"account"`
	Secrets  map[string]string    `yaml:"secrets"`
	Settings map[string]string    `yaml:"settings"`
	Vars     map[string]any       `yaml:"vars"`
	IDs      map[string]string    `yaml:"ids"`
	Objects  map[string]SimObject `yaml:"objects"`
	SignIn   []SimSignIn          `yaml:"sign_in,one_or_more"`
	Headers  []SimHeader          `yaml:"headers"`
	Once     *rawOnce             `yaml:"once"`
	Answers  *source.Node         `yaml:"answers"`
	Routes   []rawRoute           `yaml:"routes"`
	Events   *source.Node         `yaml:"events"`
	Stories  []*SimStory          `yaml:"stories"`
	Recipes  map[string][]rawStep `yaml:"recipes"`
	Seed     []*source.Node       `yaml:"seed"`
	Retries  []time.Duration      `yaml:"retries"`
	Escaped  bool                 `yaml:"escaped"`
}

type rawOnce struct {
	Header string        `yaml:"header,required"`
	Form   string        `yaml:"form"`
	Life   time.Duration `yaml:"life"`
	Errors bool          `yaml:"keeps_errors"`
	Mark   string        `yaml:"mark"`
	Other  *source.Node  `yaml:"other,required"`
	Busy   *source.Node  `yaml:"busy"`
}

type rawAnswer struct {
	Status  int          `yaml:"status"`
	Headers *source.Node `yaml:"headers"`
	JSON    *source.Node `yaml:"json"`
	Text    *source.Node `yaml:"text"`
}

type rawRoute struct {
	On       source.Text  `yaml:"on,required"`
	Action   *source.Node `yaml:"action,required"`
	Body     string       `yaml:"body"`
	Takes    *expr.Schema `yaml:"takes"`
	Query    *expr.Schema `yaml:"query"`
	Key      *source.Node `yaml:"key"`
	Once     bool         `yaml:"once"`
	Open     bool         `yaml:"open"`
	Do       []rawStep    `yaml:"do"`
	Answer   *source.Node `yaml:"answer,required"`
	Declined *source.Node `yaml:"declined"`
}

type rawStep struct {
	Span   source.Span   `yaml:",span"`
	Create *source.Node  `yaml:"create"`
	Upsert *source.Node  `yaml:"upsert"`
	Update *source.Node  `yaml:"update"`
	Delete *source.Node  `yaml:"delete"`
	Get    *source.Node  `yaml:"get"`
	Search *source.Node  `yaml:"search"`
	Send   string        `yaml:"send"`
	Let    string        `yaml:"let"`
	Refuse *source.Node  `yaml:"refuse"`
	As     string        `yaml:"as"`
	When   *source.Node  `yaml:"when"`
	Each   *source.Node  `yaml:"each"`
	ID     *source.Node  `yaml:"id"`
	By     *source.Node  `yaml:"by"`
	Value  *source.Node  `yaml:"value"`
	With   *source.Node  `yaml:"with"`
	Also   *source.Node  `yaml:"also"`
	Give   *source.Node  `yaml:"give"`
	Match  *source.Node  `yaml:"match"`
	Only   string        `yaml:"only"`
	Names  *source.Node  `yaml:"names"`
	Limit  *source.Node  `yaml:"limit"`
	From   *source.Node  `yaml:"from"`
	Old    bool          `yaml:"oldest_first"`
	None   *source.Node  `yaml:"none"`
	Clash  *source.Node  `yaml:"clash"`
	After  time.Duration `yaml:"after"`
}

type rawEvent struct {
	Title   string         `yaml:"title"`
	Vars    map[string]any `yaml:"vars"`
	Make    []*source.Node `yaml:"make"` // steps, or names of recipes
	Method  string         `yaml:"method"`
	Headers *source.Node   `yaml:"headers"`
	ID      *source.Node   `yaml:"id"`
	JSON    *source.Node   `yaml:"json"`
	Form    *source.Node   `yaml:"form"`
}

// ParseSimulate reads simulate.yaml. env knows the function library; every fault is reported at once.
func ParseSimulate(node *source.Node, env *expr.Env) (*Simulate, source.Faults) {
	var raw rawSimulate
	p := simParser{base: env.With(simNames()...), read: map[string]bool{}, sim: &Simulate{
		Answers: map[string]*SimAnswer{}, Events: map[string]*SimEvent{},
	}}
	p.faults = source.Decode(node, &raw)
	s := p.sim
	s.Account, s.Secrets, s.Settings, s.Vars = raw.Account, raw.Secrets, raw.Settings, raw.Vars
	s.IDs, s.Objects, s.SignIn, s.Headers = raw.IDs, raw.Objects, raw.SignIn, raw.Headers
	s.Stories, s.Retries, s.Escaped = raw.Stories, raw.Retries, raw.Escaped
	p.events, p.recipes = map[string]bool{}, raw.Recipes
	if raw.Events != nil {
		for _, e := range raw.Events.Entries {
			p.events[e.Key] = true
		}
	}
	p.answers(raw.Answers)
	if raw.Once != nil {
		s.Once = &SimOnce{Header: raw.Once.Header, Form: p.regexp(raw.Once.Form, node.KeySpan("once")), Life: raw.Once.Life, Errors: raw.Once.Errors, Mark: raw.Once.Mark}
		s.Once.Other, s.Once.Busy = p.answer(raw.Once.Other, p.base), p.answer(raw.Once.Busy, p.base)
	}
	if raw.Events != nil {
		for _, e := range raw.Events.Entries {
			s.Events[e.Key] = p.event(e.Value)
		}
	}
	for i := range raw.Routes {
		s.Routes = append(s.Routes, p.route(&raw.Routes[i]))
	}
	s.Seed, _ = p.steps(p.made(raw.Seed), p.base)
	for i := range s.Headers {
		s.Headers[i].Form = p.regexp(s.Headers[i].Pattern, node.KeySpan("headers"))
	}
	p.check(node, &raw)
	return s, p.faults
}

type simParser struct {
	base   *expr.Env
	sim    *Simulate
	events map[string]bool // the names, known before they are compiled
	// recipes are named lists of steps; they are compiled anew wherever they are used.
	recipes map[string][]rawStep
	read    map[string]bool // the variables that the parts compiled so far read
	faults  source.Faults
}

// check finds names that nothing declares outside of routes and events.
func (p *simParser) check(node *source.Node, raw *rawSimulate) {
	for _, h := range raw.Headers {
		if p.sim.Answers[h.Answer] == nil {
			p.unknown(node.KeySpan("headers"), "answer", h.Answer, slices.Sorted(maps.Keys(p.sim.Answers)))
		}
	}
	for _, name := range []string{"unauthorized", "missing", "invalid", "rate_limited", "error"} {
		if p.sim.Answers[name] == nil && len(raw.Routes) > 0 {
			p.unknown(node.KeySpan("answers"), "answer", name, nil)
		}
	}
	for _, s := range raw.SignIn {
		for _, name := range append([]string{s.Bearer, s.Secret}, s.Basic...) {
			if _, ok := raw.Secrets[name]; name != "" && !ok {
				p.unknown(node.KeySpan("sign_in"), "secret", name, slices.Sorted(maps.Keys(raw.Secrets)))
			}
		}
	}
	for _, story := range raw.Stories {
		for _, send := range story.Sends {
			if !p.events[send.Event] {
				p.unknown(node.KeySpan("stories"), "event", send.Event, slices.Sorted(maps.Keys(p.events)))
			}
		}
	}
}

func (p *simParser) regexp(pattern string, at source.Span) *regexp.Regexp {
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		p.faults.Add(Codes, "E484", at, "This pattern cannot be read: "+err.Error()+".", "")
	}
	return re
}

func (p *simParser) unknown(at source.Span, kind, name string, known []string) {
	hint := ""
	if len(known) > 0 {
		hint = "Known are: " + strings.Join(known, ", ") + "."
	}
	p.faults.Add(Codes, "E481", at, fmt.Sprintf("The %s %q is not declared.", kind, name), hint)
}

func (p *simParser) answers(n *source.Node) {
	if n == nil {
		return
	}
	for _, e := range n.Entries {
		p.sim.Answers[e.Key] = p.answer(e.Value, p.base)
	}
}

// answer reads an answer, or the name of one.
func (p *simParser) answer(n *source.Node, env *expr.Env) *SimAnswer {
	if n == nil {
		return nil
	}
	if name, ok := n.Scalar(); ok {
		if a := p.sim.Answers[name.Value]; a != nil {
			return a
		}
		p.unknown(name.Span, "answer", name.Value, slices.Sorted(maps.Keys(p.sim.Answers)))
		return &SimAnswer{Status: 500}
	}
	var raw rawAnswer
	p.faults = append(p.faults, source.Decode(n, &raw)...)
	a := &SimAnswer{Status: raw.Status, JSON: p.object(raw.JSON, env), Text: p.template(raw.Text, env)}
	if a.Status == 0 {
		a.Status = 200
	}
	a.Headers = p.named(raw.Headers, env)
	return a
}

func (p *simParser) named(n *source.Node, env *expr.Env) []NamedTemplate {
	if n == nil {
		return nil
	}
	var out []NamedTemplate
	for _, e := range n.Entries {
		out = append(out, NamedTemplate{Name: e.Key, Value: p.template(e.Value, env)})
	}
	return out
}

func (p *simParser) object(n *source.Node, env *expr.Env) *expr.Object {
	if n == nil {
		return nil
	}
	o, faults := env.Object(withNulls(n), expr.Target{Lenient: true})
	p.faults = append(p.faults, faults...)
	if o != nil {
		p.reads(o.Uses())
	}
	return o
}

// withNulls writes null as an expression: in what a provider sends it is a value, elsewhere a forgotten one.
func withNulls(n *source.Node) *source.Node {
	out := *n
	switch n.Kind {
	case source.Null:
		out.Kind, out.Tag, out.Text = source.Scalar, "!!str", "${null}"
	case source.List:
		out.Items = make([]*source.Node, len(n.Items))
		for i, item := range n.Items {
			out.Items[i] = withNulls(item)
		}
	case source.Map:
		out.Entries = slices.Clone(n.Entries)
		for i := range out.Entries {
			out.Entries[i].Value = withNulls(n.Entries[i].Value)
		}
	case source.Scalar: // stays
	}
	return &out
}

func (p *simParser) template(n *source.Node, env *expr.Env) *expr.Template {
	if n == nil {
		return nil
	}
	t, faults := env.Template(n, expr.Target{Lenient: true})
	p.faults = append(p.faults, faults...)
	if t != nil {
		p.reads(t.Uses())
	}
	return t
}

// reads takes note of the variables among the paths that a part reads.
func (p *simParser) reads(paths []string) {
	for _, path := range paths {
		if name, ok := strings.CutPrefix(path, "vars."); ok {
			p.read[name] = true
		}
	}
}

func (p *simParser) program(n *source.Node, env *expr.Env) *expr.Program {
	if n == nil {
		return nil
	}
	text, ok := n.Scalar()
	if !ok {
		p.faults.Add(source.Codes, "E106", n.Span, "An expression is one text.", "")
		return nil
	}
	prog, faults := env.Program(text, expr.Target{Lenient: true})
	p.faults = append(p.faults, faults...)
	if prog != nil {
		p.reads(prog.Uses())
	}
	return prog
}

func (p *simParser) event(n *source.Node) *SimEvent {
	var raw rawEvent
	p.faults = append(p.faults, source.Decode(n, &raw)...)
	e := &SimEvent{Title: raw.Title, Vars: raw.Vars, Method: raw.Method}
	if e.Method == "" {
		e.Method = "POST"
	}
	clear(p.read)
	env := p.base
	e.Make, env = p.steps(p.made(raw.Make), env)
	e.Headers, e.ID = p.named(raw.Headers, env), p.template(raw.ID, env)
	e.JSON, e.Form = p.object(raw.JSON, env), p.object(raw.Form, env)
	e.Uses = slices.Sorted(maps.Keys(p.read))
	return e
}

// made reads a list of steps in which a plain name stands for a recipe.
func (p *simParser) made(nodes []*source.Node) []rawStep {
	var out []rawStep
	for _, n := range nodes {
		if name, ok := n.Scalar(); ok {
			steps, known := p.recipes[name.Value]
			if !known {
				p.unknown(name.Span, "recipe", name.Value, slices.Sorted(maps.Keys(p.recipes)))
			}
			out = append(out, steps...)
			continue
		}
		var step rawStep
		p.faults = append(p.faults, source.Decode(n, &step)...)
		out = append(out, step)
	}
	return out
}

func (p *simParser) route(raw *rawRoute) *SimRoute {
	r := &SimRoute{
		Action: p.template(raw.Action, p.base), Body: raw.Body, Takes: schema(raw.Takes), Query: schema(raw.Query), Once: raw.Once, Open: raw.Open,
	}
	method, path, ok := strings.Cut(raw.On.Value, " ")
	if !ok || !strings.HasPrefix(path, "/") || method != strings.ToUpper(method) {
		p.faults.Add(Codes, "E482", raw.On.Span, fmt.Sprintf("%q is no method and path.", raw.On.Value),
			"Write it as: POST /v1/refunds.")
	}
	r.Method, r.Path = method, strings.Split(strings.Trim(path, "/"), "/")
	if r.Body == "" {
		r.Body = "json"
		if method == "GET" || method == "DELETE" {
			r.Body = "none"
		}
	}
	if raw.Once && p.sim.Once == nil {
		p.unknown(raw.On.Span, "part", "once", nil)
	}
	env := p.base
	r.Do, env = p.steps(raw.Do, env)
	wrote := false
	for i, step := range r.Do {
		switch {
		case slices.Contains([]string{"create", "upsert", "update", "delete"}, step.Verb):
			if wrote && (step.None != nil || step.Clash != nil) {
				p.faults.Add(Codes, "E483", raw.Do[i].Span, "This step may refuse although another has already written.", "")
			}
			wrote = true
		case wrote && (step.Verb == "refuse" || step.None != nil):
			p.faults.Add(Codes, "E483", raw.Do[i].Span, "This step refuses although another has already written.", "")
		}
	}
	r.Key = p.template(raw.Key, p.base)
	r.Answer, r.Declined = p.answer(raw.Answer, env), p.answer(raw.Declined, p.base)
	return r
}

// steps compiles steps in order; each sees the names bound before it. It returns the environment after the last.
func (p *simParser) steps(raw []rawStep, env *expr.Env) ([]*SimStep, *expr.Env) {
	var out []*SimStep
	for i := range raw {
		step := p.step(&raw[i], env)
		out = append(out, step)
		if step.As != "" {
			env = env.With(expr.Var{Name: step.As})
		}
	}
	return out, env
}

func (p *simParser) step(raw *rawStep, env *expr.Env) *SimStep {
	s := &SimStep{As: raw.As, Only: raw.Only, Names: p.program(raw.Names, env), Old: raw.Old, After: raw.After}
	count := 0
	for verb, node := range map[string]*source.Node{
		"create": raw.Create, "upsert": raw.Upsert, "update": raw.Update, "delete": raw.Delete, "get": raw.Get, "search": raw.Search,
	} {
		if node != nil {
			count, s.Verb = count+1, verb
			p.objectType(s, node, env)
		}
	}
	for verb, name := range map[string]string{"send": raw.Send, "let": raw.Let} {
		if name != "" {
			count, s.Verb, s.Type = count+1, verb, name
		}
	}
	if raw.Refuse != nil {
		count, s.Verb = count+1, "refuse"
	}
	if count != 1 {
		p.faults.Add(Codes, "E480", raw.Span, "A step does exactly one thing.",
			"Write one of create, upsert, update, delete, get, search, refuse, send, let.")
	}
	switch s.Verb {
	case "let":
		s.As = s.Type
	case "send":
		if !p.events[s.Type] {
			p.unknown(raw.Span, "event", s.Type, slices.Sorted(maps.Keys(p.events)))
		}
	}
	s.When, s.Each, s.Match = p.program(raw.When, env), p.program(raw.Each, env), p.program(raw.Match, env)
	s.Limit, s.From = p.program(raw.Limit, env), p.program(raw.From, env)
	s.ID, s.By, s.Value = p.template(raw.ID, env), p.template(raw.By, env), p.template(raw.Value, env)
	s.With, s.Also, s.Give = p.object(raw.With, env), p.object(raw.Also, env), p.object(raw.Give, env)
	s.None, s.Clash, s.Say = p.answer(raw.None, env), p.answer(raw.Clash, env), p.answer(raw.Refuse, env)
	return s
}

// objectType reads the type of object a step is about; one that depends on the call is checked when it is used.
func (p *simParser) objectType(s *SimStep, n *source.Node, env *expr.Env) {
	s.Which = p.template(n, env)
	if s.Which == nil {
		return
	}
	literal, ok := s.Which.Literal()
	if !ok {
		return
	}
	s.Type, s.Which = literal, nil
	if _, known := p.sim.Objects[literal]; !known {
		p.unknown(n.Span, "object", literal, slices.Sorted(maps.Keys(p.sim.Objects)))
	}
}
