package connector

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/expr"
	"waybill/source"
)

// Load reads and compiles NAME/manifest.yaml of a folder of connectors and, where there is one, NAME/simulate.yaml.
func Load(fsys fs.FS, name string, env *expr.Env) (*Manifest, source.Faults) {
	file := name + "/manifest.yaml"
	text, err := fs.ReadFile(fsys, file)
	if err != nil {
		var faults source.Faults
		faults.Add(Codes, "E406", source.Span{Pos: source.Pos{File: file, Line: 1, Col: 1}, Len: 1},
			fmt.Sprintf("The connector %q has no manifest.yaml.", name), "")
		return nil, faults
	}
	m, faults := Parse(file, text, env)
	file = name + "/simulate.yaml"
	text, err = fs.ReadFile(fsys, file)
	if err != nil {
		return m, faults // nobody has to say how to play it
	}
	node, bad := source.Parse(file, text)
	faults = append(faults, bad...)
	if node == nil || bad.Bad() {
		return nil, faults
	}
	simulate, bad := ParseSimulate(node, env)
	faults = append(faults, bad...)
	if m == nil || bad.Bad() {
		return nil, faults
	}
	m.Simulate = simulate
	return m, faults
}

// Parse compiles one manifest. env gives the function library; the manifest's own names are added to it. With any
// error among the faults the manifest is nil.
func Parse(file string, text []byte, env *expr.Env) (*Manifest, source.Faults) {
	root, faults := source.Parse(file, text)
	if faults.Bad() || root == nil {
		return nil, faults
	}
	p := &parser{file: file, env: env, faults: faults}
	m := p.manifest(root)
	if p.faults.Bad() {
		return nil, p.faults
	}
	return m, p.faults
}

// parser collects faults while it turns nodes into a Manifest.
type parser struct {
	file   string
	env    *expr.Env
	raw    rawManifest
	m      *Manifest
	faults source.Faults
}

func (p *parser) fault(code string, span source.Span, message, hint string) {
	p.faults.Add(Codes, code, span, message, hint)
}

func (p *parser) line(n *source.Node) FileLine { return FileLine{File: p.file, Line: n.Span.Line} }

// The blocks as they are written. Expressions stay nodes or texts until the names they see are known.
type rawManifest struct {
	Connector    source.Text        `yaml:"connector,required"`
	Title        string             `yaml:"title,required"`
	Summary      string             `yaml:"summary,required"`
	Version      int                `yaml:"version,required"`
	Docs         string             `yaml:"docs"`
	Notes        []string           `yaml:"notes"`
	API          rawAPI             `yaml:"api"`
	Settings     map[string]Setting `yaml:"settings"`
	Secrets      map[string]Setting `yaml:"secrets"`
	BaseURL      map[string]string  `yaml:"base_url"`
	SignIn       rawSignIn          `yaml:"sign_in"`
	Headers      *source.Node       `yaml:"headers"`
	Identity     *rawIdentity       `yaml:"identity"`
	Limits       Limits             `yaml:"limits"`
	Placeholders []string           `yaml:"placeholders"`
	Webhook      *rawWebhook        `yaml:"webhook"`
	Mappings     []rawMapping       `yaml:"mappings"`
	Actions      *source.Node       `yaml:"actions"`
	ErrorAt      rawErrorAt         `yaml:"error_at"`
	Errors       []rawMatcher       `yaml:"errors"`
}

type rawAPI struct {
	Version string `yaml:"version"`
	Retires string `yaml:"retires"`
}

type rawSignIn struct {
	SignIn `yaml:",inline"`
	Node   *source.Node `yaml:",node"`
}

type rawIdentity struct {
	Action  source.Text  `yaml:"action"`
	Output  source.Text  `yaml:"output"`
	Setting source.Text  `yaml:"setting"`
	Payload *source.Text `yaml:"payload"`
	Live    *source.Text `yaml:"live"`
	Keys    *KeyModes    `yaml:"keys"`
	Node    *source.Node `yaml:",node"`
}

type rawWebhook struct {
	Methods     []source.Text `yaml:"methods,one_or_more"`
	Handshake   *rawHandshake `yaml:"handshake"`
	Verify      rawVerify     `yaml:"verify,required"`
	Format      source.Text   `yaml:"format"`
	RetryWindow time.Duration `yaml:"retry_window"`
	Items       []rawItem     `yaml:"items,required"`
	Reply       *Reply        `yaml:"reply"`
	Node        *source.Node  `yaml:",node"`
}

type rawHandshake struct {
	Kind     source.Text  `yaml:"kind,required"`
	Token    string       `yaml:"token"`
	TokenAt  string       `yaml:"token_at"`
	AnswerAt string       `yaml:"answer_at,required"`
	When     *source.Text `yaml:"when"`
}

type rawVerify struct {
	VerifyConfig `yaml:",inline"`
	Node         *source.Node `yaml:",node"`
}

type rawItem struct {
	Each    source.Text            `yaml:"each"`
	With    map[string]source.Text `yaml:"with"`
	When    *source.Text           `yaml:"when"`
	Account *source.Text           `yaml:"account"`
	Type    *source.Text           `yaml:"type,required"`
	Key     *source.Text           `yaml:"key"`
	Time    *source.Text           `yaml:"time"`
}

type rawMapping struct {
	On        []source.Text `yaml:"on,one_or_more"`
	Event     source.Text   `yaml:"event,required"`
	When      *source.Text  `yaml:"when"`
	Otherwise string        `yaml:"otherwise"`
	Fetch     *rawFetch     `yaml:"fetch"`
	Key       *source.Text  `yaml:"key,required"`
	Subject   *source.Text  `yaml:"subject"`
	Revision  *source.Text  `yaml:"revision"`
	Time      *source.Text  `yaml:"time"`
	Data      *source.Node  `yaml:"data,required"`
	Settles   *rawSettles   `yaml:"settles"`
	Node      *source.Node  `yaml:",node"`
}

type rawFetch struct {
	Action source.Text  `yaml:"action,required"`
	When   *source.Text `yaml:"when"`
	With   *source.Node `yaml:"with"`
	As     source.Text  `yaml:"as,required"`
}

type rawSettles struct {
	Reference *source.Text `yaml:"reference,required"`
	State     *source.Text `yaml:"state,required"`
	Remote    *source.Text `yaml:"remote"`
	Message   *source.Text `yaml:"message"`
	Reason    *source.Text `yaml:"reason"`
}

type rawErrorAt struct {
	Code    *source.Text `yaml:"code"`
	Message *source.Text `yaml:"message"`
	Field   *source.Text `yaml:"field"`
}

type rawMatcher struct {
	Status    []source.Text `yaml:"status,one_or_more"`
	When      *source.Text  `yaml:"when"`
	Code      *source.Text  `yaml:"code"`
	Message   *source.Text  `yaml:"message"`
	Field     *source.Text  `yaml:"field"`
	Cause     source.Text   `yaml:"cause,required"`
	Words     string        `yaml:"words,required"`
	Fix       string        `yaml:"fix"`
	Who       string        `yaml:"who"`
	Certainty source.Text   `yaml:"certainty"`
	Wait      time.Duration `yaml:"wait"`
	Node      *source.Node  `yaml:",node"`
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func (p *parser) manifest(root *source.Node) *Manifest {
	p.faults = append(p.faults, source.Decode(root, &p.raw)...)
	raw := &p.raw
	m := &Manifest{
		Name: raw.Connector.Value, Title: raw.Title, Version: raw.Version, Summary: raw.Summary, Notes: raw.Notes,
		APIVersion: raw.API.Version, RetiresOn: raw.API.Retires, Docs: raw.Docs, Settings: raw.Settings,
		Secrets: raw.Secrets, BaseURL: raw.BaseURL, SignIn: raw.SignIn.SignIn, Limits: raw.Limits,
		Placeholders: raw.Placeholders, Actions: map[string]*Action{}, File: p.file, Root: root,
	}
	p.m = m
	if raw.Connector.Value != "" && !nameForm.MatchString(raw.Connector.Value) {
		p.fault("E401", raw.Connector.Span, "A connector's name has small letters, digits and dashes only.", "")
	}
	if m.Limits.Concurrency == 0 {
		m.Limits.Concurrency = 8
	}
	if t := m.Limits.Told; (t.Left == "") != (t.Reset == "" && t.Window == "") {
		p.fault("E401", root.KeySpan("limits"), "`told` names the header with the calls that are left and one that says until when.",
			"Write for example: told: {left: X-RateLimit-Remaining, reset: X-RateLimit-Reset}")
	}
	p.baseURL(root)
	p.signIn()
	m.Headers = p.named(raw.Headers, p.requestEnv(nil))
	if raw.Webhook != nil {
		m.Webhook = p.webhook(raw.Webhook)
	}
	p.actions(raw.Actions)
	p.identity(raw.Identity)
	for i := range raw.Errors {
		m.Errors = append(m.Errors, p.matcher(&raw.Errors[i]))
	}
	for i := range raw.Mappings {
		m.Mappings = append(m.Mappings, p.mapping(&raw.Mappings[i]))
	}
	return m
}

var environments = []string{"all", "test", "production"}

func (p *parser) baseURL(root *source.Node) {
	for key, value := range p.raw.BaseURL {
		span := root.Get("base_url").KeySpan(key)
		if !slices.Contains(environments, key) {
			p.fault("E401", span, fmt.Sprintf("%q is no environment; there are %s.", key, source.Listed(environments)),
				source.DidYouMean(key, environments))
		}
		for _, name := range settingsIn(value) {
			p.mustSetting(name, span)
		}
	}
}

var signInKinds = []string{"none", "bearer", "basic", "header", "query", "oauth2"}

func (p *parser) signIn() {
	s, n := &p.m.SignIn, p.raw.SignIn.Node
	if n == nil {
		s.Kind = "none"
		return
	}
	p.oneOf(s.Kind, signInKinds, n.Span, "sign_in")
	needs := map[string][]string{
		"bearer": {s.Secret}, "header": {s.Secret, s.Header}, "query": {s.Secret, s.Header}, "basic": {s.User},
		"oauth2": {s.TokenURL, s.Grant},
	}
	if slices.Contains(needs[s.Kind], "") {
		p.fault("E408", n.Span, fmt.Sprintf("Signing in by %s needs more than is given here.", s.Kind),
			"bearer: secret; header, query: secret and header; basic: user; oauth2: token_url and grant.")
	}
	for _, name := range []string{s.Secret, s.Pass} {
		p.mustSecret(name, n.Span)
	}
	for _, text := range []string{s.Header, s.Prefix, s.TokenURL} {
		for _, name := range settingsIn(text) {
			p.mustSetting(name, n.Span)
		}
	}
	if s.User != "" && !p.hasSetting(s.User) {
		p.mustSecret(s.User, n.Span)
	}
}

func (p *parser) hasSetting(name string) bool { _, ok := p.m.Settings[name]; return ok }

func (p *parser) mustSecret(name string, span source.Span) {
	if name == "" || strings.Contains(name, "${") {
		return
	}
	if _, ok := p.m.Secrets[name]; !ok {
		known := slices.Collect(maps.Keys(p.m.Secrets))
		p.fault("E406", span, fmt.Sprintf("The manifest declares no secret %q.", name), source.DidYouMean(name, known))
	}
}

func (p *parser) mustSetting(name string, span source.Span) {
	if !p.hasSetting(name) {
		known := slices.Collect(maps.Keys(p.m.Settings))
		p.fault("E406", span, fmt.Sprintf("The manifest declares no setting %q.", name), source.DidYouMean(name, known))
	}
}

func (p *parser) oneOf(value string, words []string, span source.Span, field string) bool {
	if slices.Contains(words, value) {
		return true
	}
	p.fault("E401", span, fmt.Sprintf("%q is not one of %s's words: %s.", value, field, source.Listed(words)),
		source.DidYouMean(value, words))
	return false
}

func (p *parser) identity(raw *rawIdentity) {
	if raw == nil {
		return
	}
	id := &p.m.Identity
	id.Action, id.Output, id.Setting, id.Keys = raw.Action.Value, raw.Output.Value, raw.Setting.Value, raw.Keys
	switch {
	case id.Action != "":
		if a := p.read(raw.Action, "identity"); a != nil {
			if a.Input != nil && len(a.Input.Required) > 0 {
				p.fault("E402", raw.Action.Span, "The read that gives the account's id takes no inputs.", "")
			}
			if a.Output == nil || a.Output.Properties[id.Output] == nil {
				p.fault("E406", raw.Output.Span, fmt.Sprintf("%s gives no field %q.", id.Action, id.Output), "")
			}
		}
	case id.Setting != "":
		p.mustSetting(id.Setting, raw.Setting.Span)
	default:
		p.fault("E408", raw.Node.Span, "Identity names the read that gives the account's id, or the setting that says it.", "")
	}
	if raw.Keys != nil {
		p.mustSecret(raw.Keys.Secret, raw.Node.Span)
	}
	env := p.env.With(expr.Var{Name: "body"}, p.settingsVar())
	id.Payload = p.program(raw.Payload, env)
	id.Live = p.program(raw.Live, env)
}

// read finds an action that must be a read.
func (p *parser) read(name source.Text, field string) *Action {
	a := p.m.Actions[name.Value]
	if a == nil {
		known := slices.Collect(maps.Keys(p.m.Actions))
		p.fault("E402", name.Span, fmt.Sprintf("%s names the action %q, which this manifest does not have.", field, name.Value),
			source.DidYouMean(name.Value, known))
		return nil
	}
	if a.Kind != waybill.KindRead {
		p.fault("E402", name.Span, fmt.Sprintf("%s needs a read, but %s writes.", field, name.Value), "")
	}
	return a
}

// settingsVar declares settings: those required or with a default are always there.
func (p *parser) settingsVar() expr.Var {
	s := &expr.Schema{Type: "object", Properties: map[string]*expr.Schema{}}
	for _, name := range slices.Sorted(maps.Keys(p.m.Settings)) {
		s.Properties[name] = &expr.Schema{Type: "string"}
		if set := p.m.Settings[name]; set.Required || set.Default != "" {
			s.Required = append(s.Required, name)
		}
	}
	return expr.Var{Name: "settings", Schema: s}
}

func (p *parser) program(t *source.Text, env *expr.Env) *expr.Program {
	if t == nil || t.Value == "" {
		return nil
	}
	program, faults := env.Program(*t, expr.Target{Lenient: true})
	p.faults = append(p.faults, faults...)
	return program
}

func (p *parser) condition(t *source.Text, env *expr.Env) *expr.Program {
	if t == nil || t.Value == "" {
		return nil
	}
	program, faults := env.Program(*t, expr.Target{Lenient: true, Schema: &expr.Schema{Type: "boolean"}})
	p.faults = append(p.faults, faults...)
	return program
}

func (p *parser) object(n *source.Node, env *expr.Env, to expr.Target) *expr.Object {
	if n == nil {
		return nil
	}
	object, faults := env.Object(n, to)
	p.faults = append(p.faults, faults...)
	return object
}

func (p *parser) template(n *source.Node, env *expr.Env, enc expr.Encoding) *expr.Template {
	if n == nil {
		return nil
	}
	t, faults := env.Template(n, expr.Target{Lenient: true, Encode: enc})
	p.faults = append(p.faults, faults...)
	return t
}

func (p *parser) named(n *source.Node, env *expr.Env) []NamedTemplate {
	if n == nil || n.Kind == source.Null {
		return nil
	}
	if n.Kind != source.Map {
		p.fault("E408", n.Span, "Names and their values are written as a group of fields.", "")
		return nil
	}
	var out []NamedTemplate
	for _, e := range n.Entries {
		out = append(out, NamedTemplate{Name: e.Key, Value: p.template(e.Value, env, expr.Plain)})
	}
	return out
}

var settingForm = regexp.MustCompile(`\$\{settings\.([a-z][a-z0-9_]*)\}`)

// settingsIn lists the settings that a text names as ${settings.x}.
func settingsIn(text string) []string {
	var out []string
	for _, match := range settingForm.FindAllStringSubmatch(text, -1) {
		out = append(out, match[1])
	}
	return out
}
