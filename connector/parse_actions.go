package connector

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/expr"
	"waybill/source"
)

type rawAction struct {
	Title     string        `yaml:"title,required"`
	Kind      source.Text   `yaml:"kind,required"`
	Input     *expr.Schema  `yaml:"input"`
	Output    *expr.Schema  `yaml:"output"`
	Request   *rawRequest   `yaml:"request,required"`
	Answer    *source.Node  `yaml:"answer"`
	Found     *source.Text  `yaml:"found"`
	Object    *rawObject    `yaml:"object"`
	Repeat    source.Text   `yaml:"repeat"`
	Key       *KeyRule      `yaml:"key"`
	Lookup    *rawLookup    `yaml:"lookup"`
	SettledBy source.Text   `yaml:"settled_by"`
	Proves    source.Text   `yaml:"proves"`
	Undo      *rawUndo      `yaml:"undo"`
	Errors    []rawMatcher  `yaml:"errors"`
	Timeout   time.Duration `yaml:"timeout"`
	Rate      float64       `yaml:"rate"`
	Retires   string        `yaml:"retires"`
	Notes     []string      `yaml:"notes"`
	Node      *source.Node  `yaml:",node"`
}

type rawRequest struct {
	Method  source.Text  `yaml:"method,required"`
	Path    *source.Node `yaml:"path,required"`
	Query   *source.Node `yaml:"query"`
	Headers *source.Node `yaml:"headers"`
	Form    *source.Node `yaml:"form"`
	JSON    *source.Node `yaml:"json"`
	Text    *source.Node `yaml:"text"`
	Merge   *source.Node `yaml:"merge"`
}

type rawObject struct {
	Type string       `yaml:"type,required"`
	Key  *source.Text `yaml:"key"`
	ID   *source.Text `yaml:"id"`
}

type rawLookup struct {
	Action source.Text   `yaml:"action,required"`
	With   *source.Node  `yaml:"with"`
	Match  *source.Text  `yaml:"match,required"`
	Proves source.Text   `yaml:"proves,required"`
	Settle time.Duration `yaml:"settle"`
}

type rawUndo struct {
	Restore source.Text  `yaml:"restore"`
	Do      source.Text  `yaml:"do"`
	With    *source.Node `yaml:"with"`
	Back    *source.Node `yaml:"back"`
	Cannot  string       `yaml:"cannot"`
}

var (
	kinds       = []string{"read", "state", "add", "message", "money"}
	repeats     = []string{"key", "natural", "lookup", "never"}
	proofs      = []string{"answer", "handed_over", "callback"}
	lookProofs  = []string{"absence", "presence"}
	keyForms    = []string{"hash", "uuid"}
	certainties = []string{"happened", "declined", "not happened", "in doubt"}
	actionForm  = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`)
)

// defaultTimeout bounds one exchange where an action says nothing.
const defaultTimeout = 30 * time.Second

func (p *parser) actions(n *source.Node) {
	if n == nil || n.Kind == source.Null {
		return
	}
	if n.Kind != source.Map {
		p.fault("E408", n.Span, "Actions are a group of fields, each named like deal.update.", "")
		return
	}
	raws := make(map[string]*rawAction, len(n.Entries))
	for _, e := range n.Entries {
		if !actionForm.MatchString(e.Key) {
			p.fault("E401", e.KeySpan, fmt.Sprintf("%q is no action's name; write the object, a dot and the act: deal.update.", e.Key), "")
		}
		raw := &rawAction{}
		p.faults = append(p.faults, source.Decode(e.Value, raw)...)
		if raw.Node == nil {
			continue
		}
		raws[e.Key] = raw
		p.m.Actions[e.Key] = p.action(e.Key, raw)
	}
	for _, e := range n.Entries { // references are checked when every action is known
		if raw := raws[e.Key]; raw != nil {
			p.references(p.m.Actions[e.Key], raw)
		}
	}
}

// schema fills in what a manifest may leave out: a schema with properties is an object.
func schema(s *expr.Schema) *expr.Schema {
	if s == nil {
		return nil
	}
	if s.Type == "" && (s.Properties != nil || s.Values != nil) {
		s.Type = "object"
	}
	for _, inner := range s.Properties {
		schema(inner)
	}
	schema(s.Items)
	schema(s.Values)
	return s
}

func (p *parser) action(name string, raw *rawAction) *Action {
	a := &Action{
		Name: name, Title: raw.Title, Kind: waybill.ActionKind(raw.Kind.Value), Input: schema(raw.Input),
		Output: schema(raw.Output), Repeat: waybill.Repeat(raw.Repeat.Value), Proves: raw.Proves.Value,
		Timeout: raw.Timeout, Rate: raw.Rate, Retires: raw.Retires, Notes: raw.Notes, Span: p.line(raw.Node),
	}
	if a.Input == nil {
		a.Input = &expr.Schema{Type: "object"}
	}
	if a.Timeout == 0 {
		a.Timeout = defaultTimeout
	}
	if raw.Key != nil {
		a.Key = *raw.Key
	}
	if a.Key.Form == "" {
		a.Key.Form = "hash"
	}
	if a.Proves == "" {
		a.Proves = "answer"
	}
	a.SettledBy = raw.SettledBy.Value == "webhook"
	if raw.SettledBy.Value != "" {
		p.oneOf(raw.SettledBy.Value, []string{"webhook"}, raw.SettledBy.Span, "settled_by")
	}
	p.oneOf(a.Key.Form, keyForms, raw.Node.KeySpan("key"), "form")
	p.oneOf(a.Proves, proofs, raw.Node.KeySpan("proves"), "proves")
	if p.oneOf(raw.Kind.Value, kinds, raw.Kind.Span, "kind") {
		p.grade(a, raw)
	}
	p.request(a, raw)
	answer := p.answerEnv()
	a.Answer = p.object(raw.Answer, answer, expr.Target{Schema: a.Output, Lenient: true})
	a.Found = p.condition(raw.Found, answer)
	if raw.Object != nil {
		a.Object = ObjectRule{
			Type: raw.Object.Type, Key: p.program(raw.Object.Key, p.requestEnv(a.Input)),
			ID: p.program(raw.Object.ID, p.outputEnv(a.Input, a.Output)),
		}
	}
	for i := range raw.Errors {
		a.Errors = append(a.Errors, p.matcher(&raw.Errors[i]))
	}
	return a
}

// grade checks that a write says what makes doing it again safe, and that a read says nothing of the kind.
func (p *parser) grade(a *Action, raw *rawAction) {
	span := raw.Node.KeySpan("kind")
	if a.Kind == waybill.KindRead {
		for _, field := range []string{"repeat", "key", "lookup", "settled_by", "undo"} {
			if raw.Node.Get(field) != nil {
				p.fault("E409", raw.Node.KeySpan(field), fmt.Sprintf("%s is a read; it has no %s.", a.Name, field), "")
			}
		}
		if a.Output == nil || raw.Answer == nil {
			p.fault("E408", span, fmt.Sprintf("%s is a read, so it says its output and how the answer gives it.", a.Name), "")
		}
		return
	}
	if raw.Found != nil {
		p.fault("E409", raw.Found.Span, fmt.Sprintf("%s writes; only a read finds.", a.Name), "")
	}
	if raw.Repeat.Value == "" {
		p.fault("E403", span, fmt.Sprintf("%s writes, so it says what makes sending it again harmless.", a.Name),
			"repeat: key, natural, lookup or never.")
	} else {
		p.oneOf(raw.Repeat.Value, repeats, raw.Repeat.Span, "repeat")
	}
	if a.Repeat == waybill.RepeatKey && (raw.Key == nil || a.Key.Life == 0 && !a.Key.Final && a.Key.Header == "") {
		p.fault("E404", raw.Repeat.Span, "repeat: key needs a key block: header, life.", "")
	}
	if a.Repeat == waybill.RepeatLookup && raw.Lookup == nil {
		p.fault("E404", raw.Repeat.Span, "repeat: lookup needs a lookup block.", "")
	}
	if raw.Undo == nil || (raw.Undo.Restore.Value == "" && raw.Undo.Do.Value == "" && raw.Undo.Cannot == "") {
		p.fault("E405", span, fmt.Sprintf("%s writes, so it says how it is undone or why it cannot be.", a.Name), "")
	}
}

func (p *parser) request(a *Action, raw *rawAction) {
	if raw.Request == nil {
		return
	}
	env := p.requestEnv(a.Input)
	r := raw.Request
	p.oneOf(r.Method.Value, methods, r.Method.Span, "method")
	to := expr.Target{Lenient: true}
	a.Request = RequestRule{
		Method: r.Method.Value, Path: p.path(r.Path, env), Query: p.named(r.Query, env),
		Headers: p.named(r.Headers, env), Form: p.object(r.Form, env, to), JSON: p.object(r.JSON, env, to),
		Text:  p.template(r.Text, env, expr.Plain),
		Whole: r.Path != nil && (strings.HasPrefix(r.Path.Text, "https://") || strings.HasPrefix(r.Path.Text, "http://")),
	}
	bodies := 0
	for _, n := range []*source.Node{r.Form, r.JSON, r.Text} {
		if n != nil {
			bodies++
		}
	}
	if bodies > 1 {
		p.fault("E411", r.Method.Span, "A request has one body: form, json or text.", "")
	}
	if r.Merge == nil {
		return
	}
	for _, e := range r.Merge.Entries {
		if err := checkPointer(e.Key); err != nil || strings.Contains(e.Key, "*") {
			p.fault("E407", e.KeySpan, "merge names objects of the body by pointers without stars.", "")
			continue
		}
		values := []*source.Node{e.Value}
		if e.Value.Kind == source.List {
			values = e.Value.Items
		}
		for _, value := range values {
			a.Request.Merge = append(a.Request.Merge, MergeRule{At: e.Key, Value: p.template(value, env, expr.Plain)})
		}
	}
}

// path compiles a path: values within it are encoded as one segment; a path that is one whole value is taken as it is,
// and checked when it is rendered.
func (p *parser) path(n *source.Node, env *expr.Env) *expr.Template {
	if n != nil && strings.HasPrefix(n.Text, "${") && strings.HasSuffix(n.Text, "}") && strings.Count(n.Text, "${") == 1 {
		return p.template(n, env, expr.Plain)
	}
	return p.template(n, env, expr.PathSegment)
}

// references checks and compiles what names other actions: the look-up and the undo.
func (p *parser) references(a *Action, raw *rawAction) {
	if l := raw.Lookup; l != nil {
		read := p.read(l.Action, "lookup")
		p.oneOf(l.Proves.Value, lookProofs, l.Proves.Span, "proves")
		if l.Settle == 0 && l.Proves.Value == "absence" {
			p.fault("E404", l.Action.Span, "A look-up that proves absence says how long after a write it means anything (settle).", "")
		}
		rule := &LookupRule{Action: l.Action.Value, Proves: l.Proves.Value, Settle: l.Settle}
		to, output := expr.Target{Lenient: true}, (*expr.Schema)(nil)
		if read != nil {
			to.Schema, output = read.Input, read.Output
		}
		rule.With = p.object(l.With, p.requestEnv(a.Input), to)
		rule.Match = p.condition(l.Match, p.outputEnv(a.Input, output))
		a.Lookup = rule
	}
	if u := raw.Undo; u != nil {
		a.Undo = UndoRule{Restore: u.Restore.Value, Do: u.Do.Value, Cannot: u.Cannot}
		if u.Do.Value != "" {
			p.undoAction(a, u)
			return
		}
		if u.Restore.Value == "" {
			return
		}
		to, before := expr.Target{Lenient: true}, (*expr.Schema)(nil)
		if read := p.read(u.Restore, "undo"); read != nil {
			to.Schema, before = read.Input, read.Output
		}
		if u.With == nil || u.Back == nil {
			p.fault("E408", u.Restore.Span, "Restoring needs with (what to read) and back (what to write again).", "")
		}
		a.Undo.With = p.object(u.With, p.requestEnv(a.Input), to)
		env := p.requestEnv(a.Input).With(expr.Var{Name: "before", Schema: before})
		a.Undo.Back = p.object(u.Back, env, expr.Target{Schema: a.Input, Lenient: true})
	}
}

// undoAction checks and compiles the action that undoes another.
func (p *parser) undoAction(a *Action, u *rawUndo) {
	if u.Restore.Value != "" || u.Back != nil {
		p.fault("E408", u.Do.Span, "An action is undone by restoring or by another action, not by both.", "")
	}
	to := expr.Target{Lenient: true}
	switch does := p.m.Actions[u.Do.Value]; {
	case does == nil:
		p.fault("E402", u.Do.Span, fmt.Sprintf("undo names the action %q, which this manifest does not have.", u.Do.Value),
			source.DidYouMean(u.Do.Value, slices.Collect(maps.Keys(p.m.Actions))))
	case does.Kind == waybill.KindRead:
		p.fault("E402", u.Do.Span, fmt.Sprintf("undo needs a write, but %s reads.", u.Do.Value), "")
	default:
		to.Schema = does.Input
	}
	a.Undo.With = p.object(u.With, p.outputEnv(a.Input, a.Output), to)
}

func (p *parser) requestEnv(input *expr.Schema) *expr.Env {
	if input == nil {
		input = &expr.Schema{Type: "object"}
	}
	text := &expr.Schema{Type: "string"}
	return p.env.With(
		expr.Var{Name: "input", Schema: input}, p.settingsVar(), expr.Var{Name: "key", Schema: text},
		expr.Var{Name: "planned_at", Schema: &expr.Schema{Type: "string", Format: "date-time"}},
	)
}

func (p *parser) outputEnv(input, output *expr.Schema) *expr.Env {
	return p.env.With(
		expr.Var{Name: "input", Schema: input}, expr.Var{Name: "output", Schema: output},
		expr.Var{Name: "key", Schema: &expr.Schema{Type: "string"}},
	)
}

func (p *parser) answerEnv() *expr.Env {
	return p.env.With(
		expr.Var{Name: "status", Schema: &expr.Schema{Type: "integer"}},
		expr.Var{Name: "headers", Schema: &expr.Schema{Type: "object", Values: &expr.Schema{Type: "string"}}},
		expr.Var{Name: "body"}, p.settingsVar(),
	)
}

func (p *parser) matcher(raw *rawMatcher) *Matcher {
	env := p.answerEnv()
	m := &Matcher{
		When: p.condition(raw.When, env), Words: raw.Words, Fix: raw.Fix, Who: raw.Who,
		Cause: waybill.Cause(raw.Cause.Value), Certainty: waybill.Certainty(raw.Certainty.Value), Span: p.line(raw.Node),
		Wait: raw.Wait,
	}
	or := func(own, common *source.Text) *expr.Program {
		if own != nil {
			return p.program(own, env)
		}
		return p.program(common, env)
	}
	at := p.raw.ErrorAt
	m.Code, m.Message, m.Field = or(raw.Code, at.Code), or(raw.Message, at.Message), or(raw.Field, at.Field)
	if !slices.Contains(waybill.Causes, m.Cause) {
		words := make([]string, len(waybill.Causes))
		for i, c := range waybill.Causes {
			words[i] = string(c)
		}
		p.oneOf(raw.Cause.Value, words, raw.Cause.Span, "cause")
	}
	if raw.Certainty.Value != "" {
		p.oneOf(raw.Certainty.Value, certainties, raw.Certainty.Span, "certainty")
	}
	for _, s := range raw.Status {
		status, ok := parseStatus(s.Value)
		if !ok {
			p.fault("E401", s.Span, fmt.Sprintf("%q is no status; write 404 or 4xx.", s.Value), "")
			continue
		}
		m.Status = append(m.Status, status)
	}
	if len(raw.Status) == 0 && raw.When == nil {
		p.fault("E410", raw.Node.Span, "It states neither a status nor a when.", "")
	}
	return m
}

// parseStatus reads 404 as 404 and 4xx as 4.
func parseStatus(text string) (int, bool) {
	digit, class := strings.CutSuffix(text, "xx")
	n, err := strconv.Atoi(digit)
	if err != nil || (class && (n < 1 || n > 5)) || (!class && (n < 100 || n > 599)) {
		return 0, false
	}
	return n, true
}

// ActionNames lists the actions, sorted.
func (m *Manifest) ActionNames() []string { return slices.Sorted(maps.Keys(m.Actions)) }
