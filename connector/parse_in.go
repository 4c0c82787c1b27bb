package connector

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/expr"
	"waybill/source"
)

var (
	schemes    = []string{"none", "hmac", "ed25519", "token", "basic"}
	formats    = []string{"json", "form", "xml"}
	handshakes = []string{"query_challenge", "body_challenge"}
	methods    = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
)

// defaultRetryWindow is how long a body hash counts where a provider says nothing.
const defaultRetryWindow = 24 * time.Hour

func (p *parser) webhook(raw *rawWebhook) *Webhook {
	w := &Webhook{
		Verify: raw.Verify.VerifyConfig, Format: raw.Format.Value, RetryWindow: raw.RetryWindow, Reply: raw.Reply,
	}
	for _, method := range raw.Methods {
		if p.oneOf(method.Value, methods, method.Span, "methods") {
			w.Methods = append(w.Methods, method.Value)
		}
	}
	if len(raw.Methods) == 0 {
		w.Methods = []string{"POST"}
	}
	if w.Format == "" {
		w.Format = "json"
	} else {
		p.oneOf(w.Format, formats, raw.Format.Span, "format")
	}
	if w.RetryWindow == 0 {
		w.RetryWindow = defaultRetryWindow
	}
	p.verify(&w.Verify, raw.Verify.Node)
	if h := raw.Handshake; h != nil {
		p.oneOf(h.Kind.Value, handshakes, h.Kind.Span, "handshake")
		p.mustSecret(h.Token, h.Kind.Span)
		if h.Kind.Value == "query_challenge" && (h.Token == "" || h.TokenAt == "") {
			p.fault("E408", h.Kind.Span, "A challenge in the query needs token and token_at.", "")
		}
		if h.Kind.Value == "body_challenge" && h.When == nil {
			p.fault("E408", h.Kind.Span, "A challenge in the body needs a when that recognises it.", "")
		}
		w.Handshake = &Handshake{
			Kind: h.Kind.Value, Token: h.Token, TokenAt: h.TokenAt, AnswerAt: h.AnswerAt,
			When: p.condition(h.When, p.env.With(expr.Var{Name: "body"})),
		}
	}
	for i := range raw.Items {
		w.Items = append(w.Items, p.item(&raw.Items[i]))
	}
	return w
}

func (p *parser) verify(v *VerifyConfig, n *source.Node) {
	if n == nil {
		return
	}
	if !strings.Contains(v.Scheme, "${") {
		p.oneOf(v.Scheme, schemes, n.KeySpan("scheme"), "scheme")
	}
	for _, text := range []string{
		v.Scheme, v.Algorithm, v.Encoding, v.Header, v.Layout, v.Prefix, v.Signed, v.TimestampHeader, v.TimestampUnit,
		v.IDHeader, v.SecretForm, v.In, v.Name,
	} {
		for _, name := range settingsIn(text) {
			p.mustSetting(name, n.Span)
		}
	}
	if v.Scheme != "none" && v.Secret == "" {
		p.fault("E412", n.Span, "The scheme needs the secret that proves a request.", "")
	}
	if (v.Scheme == "hmac" || v.Scheme == "ed25519") && v.Header == "" {
		p.fault("E412", n.Span, "The scheme needs the header that carries the signature.", "")
	}
	p.mustSecret(v.Secret, n.Span)
}

// itemNames are the names that every expression over an item sees.
var itemNames = []string{"item", "body", "headers", "settings"}

func (p *parser) item(raw *rawItem) *ItemRule {
	rule := &ItemRule{Each: raw.Each.Value, With: map[string]string{}}
	if err := checkPointer(rule.Each); err != nil {
		p.fault("E407", raw.Each.Span, err.Error(), "")
	}
	vars := p.itemVars()
	for _, name := range slices.Sorted(maps.Keys(raw.With)) {
		at := raw.With[name]
		if slices.Contains(itemNames, name) {
			p.fault("E411", at.Span, fmt.Sprintf("%q has a meaning of its own; choose another name.", name), "")
			continue
		}
		if err := checkPointer(at.Value); err != nil {
			p.fault("E407", at.Span, err.Error(), "")
		} else if strings.Count(at.Value, "*") > strings.Count(rule.Each, "*") {
			p.fault("E407", at.Span, "It has more stars than each: they stand for the item's own places.", "")
		}
		rule.With[name] = at.Value
		vars = append(vars, expr.Var{Name: name})
	}
	env := p.env.With(vars...)
	rule.When = p.condition(raw.When, env)
	rule.Account = p.program(raw.Account, env)
	rule.Type = p.program(raw.Type, env)
	rule.Key = p.program(raw.Key, env)
	rule.Time = p.program(raw.Time, env)
	return rule
}

func (p *parser) itemVars() []expr.Var {
	return []expr.Var{
		{Name: "item"},
		{Name: "body"},
		{Name: "headers", Schema: &expr.Schema{Type: "object", Values: &expr.Schema{Type: "string"}}},
		p.settingsVar(),
	}
}

// mappingVars are what a mapping's expressions see: the item's names, and every name that an item rule or a mapping's
// fetch gives, since several rules may tell one type and mappings of one type share what was fetched.
func (p *parser) mappingVars() []expr.Var {
	vars := p.itemVars()
	seen := map[string]bool{}
	add := func(name string) {
		if name != "" && !seen[name] && !slices.Contains(itemNames, name) {
			seen[name] = true
			vars = append(vars, expr.Var{Name: name})
		}
	}
	if p.m.Webhook != nil {
		for _, rule := range p.m.Webhook.Items {
			for _, name := range slices.Sorted(maps.Keys(rule.With)) {
				add(name)
			}
		}
	}
	for i := range p.raw.Mappings {
		if f := p.raw.Mappings[i].Fetch; f != nil {
			add(f.As.Value)
		}
	}
	return vars
}

func (p *parser) mapping(raw *rawMapping) *Mapping {
	env := p.env.With(p.mappingVars()...)
	m := &Mapping{
		Event: raw.Event.Value, EventAt: raw.Event.Span, Otherwise: raw.Otherwise, Span: p.line(raw.Node),
		When: p.condition(raw.When, env), FactKey: p.program(raw.Key, env), Subject: p.program(raw.Subject, env),
		Revision: p.program(raw.Revision, env), Time: p.program(raw.Time, env),
		Data: p.object(raw.Data, env, expr.Target{Lenient: true}), Leaves: leaves(nil, raw.Data, nil), node: raw.Data, env: env,
	}
	for _, on := range raw.On {
		m.On = append(m.On, on.Value)
	}
	if len(m.On) == 0 {
		p.fault("E408", raw.Event.Span, "A mapping names the provider's types it is for (on).", "")
	}
	if m.When != nil && m.Otherwise == "" {
		p.fault("E408", raw.When.Span, "A mapping with a when says in words why it does not apply (otherwise).", "")
	}
	if f := raw.Fetch; f != nil {
		action := p.read(f.Action, "fetch")
		to := expr.Target{Lenient: true}
		if action != nil {
			to.Schema = action.Input
		}
		m.Fetch = &MappingFetch{
			Action: f.Action.Value, As: f.As.Value, When: p.condition(f.When, env), With: p.object(f.With, env, to),
		}
		if slices.Contains(itemNames, f.As.Value) {
			p.fault("E411", f.As.Span, fmt.Sprintf("%q has a meaning of its own; choose another name.", f.As.Value), "")
		}
	}
	if s := raw.Settles; s != nil {
		m.Settles = &Settles{
			Reference: p.program(s.Reference, env), State: p.program(s.State, env), Remote: p.program(s.Remote, env),
			Message: p.program(s.Message, env), Reason: p.program(s.Reason, env),
		}
	}
	return m
}

// Check compiles a mapping's data again, against the schema of its event: an unknown, missing or unfitting field is a
// fault. Where the type of a value is not known before it comes, it is checked when it does.
func (m *Mapping) Check(schema *expr.Schema) source.Faults {
	if m.node == nil || m.env == nil {
		return nil
	}
	object, faults := m.env.Object(m.node, expr.Target{Schema: schema, Lenient: true})
	if !faults.Bad() {
		m.Data = object
	}
	return faults
}

// leaves lists the scalars of a mapping's data with their paths.
func leaves(out []Leaf, n *source.Node, path []string) []Leaf {
	switch {
	case n == nil:
	case n.Kind == source.Map:
		for _, e := range n.Entries {
			out = leaves(out, e.Value, append(slices.Clip(path), e.Key))
		}
	case n.Kind == source.List:
		for i, item := range n.Items {
			out = leaves(out, item, append(slices.Clip(path), strconv.Itoa(i)))
		}
	case n.Kind == source.Scalar:
		out = append(out, Leaf{
			Path: strings.Join(path, "."), Source: n.Text, Line: n.Span.Line, from: n.Span.Pos, to: n.PosAt(len(n.Text)).Pos, names: path,
		})
	}
	return out
}

// ParseMappings compiles mappings that are written outside the manifest, such as a workspace's overrides, with the
// names the manifest's own mappings see.
func ParseMappings(m *Manifest, n *source.Node, env *expr.Env) ([]*Mapping, source.Faults) {
	p := &parser{file: n.Span.File, env: env, m: m}
	p.faults = source.Decode(n, &p.raw.Mappings)
	own := p.raw.Mappings
	if m.Root != nil {
		var manifest rawManifest
		source.Decode(m.Root, &manifest)
		p.raw.Mappings = append(slices.Clone(own), manifest.Mappings...) // for the names that fetches give
	}
	var out []*Mapping
	for i := range own {
		out = append(out, p.mapping(&own[i]))
	}
	if p.faults.Bad() {
		return nil, p.faults
	}
	return out, p.faults
}
