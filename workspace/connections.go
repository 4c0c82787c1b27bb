package workspace

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"waybill/connector"
	"waybill/source"
)

// rawConnection is a connection as it is written. What stands beside the blocks holds for every environment.
type rawConnection struct {
	Connection source.Text  `yaml:"connection,required"`
	Connector  source.Text  `yaml:"connector,required"`
	Title      string       `yaml:"title"`
	Common     rawBlock     `yaml:",inline"`
	Offline    *rawBlock    `yaml:"offline"`
	Test       *rawBlock    `yaml:"test"`
	Production *rawBlock    `yaml:"production"`
	Span       source.Span  `yaml:",span"`
	Node       *source.Node `yaml:",node"`
}

// rawBlock is one environment's account.
type rawBlock struct {
	Account   string                 `yaml:"account"`
	BaseURL   source.Text            `yaml:"base_url"`
	Settings  map[string]source.Text `yaml:"settings"`
	Secrets   map[string]source.Text `yaml:"secrets"`
	Private   []source.Text          `yaml:"private"`
	Limits    *rawLimits             `yaml:"limits"`
	AllowOnly []string               `yaml:"allow_only"`
}

type rawLimits struct {
	Concurrency *int         `yaml:"concurrency"`
	PerSecond   *float64     `yaml:"per_second"`
	Burst       *int         `yaml:"burst"`
	CatchUp     *float64     `yaml:"catch_up"`
	Node        *source.Node `yaml:",node"`
}

// connection reads one connection for the environment the workspace is loaded for. All blocks are checked, so that a
// fault in production's is found on a developer's machine.
func (l *loader) connection(n *source.Node) {
	var raw rawConnection
	l.add(source.Decode(n, &raw))
	name := raw.Connection.Value
	if name == "" {
		return
	}
	c := &Connection{Name: name, Title: firstOf(raw.Title, name), File: raw.Span.File, Line: raw.Span.Line}
	if !namePattern.MatchString(name) {
		l.fault("E365", raw.Connection.Span, fmt.Sprintf("%q cannot be the name of a connection.", name), "")
	}
	if name == builtInConnection {
		l.fault("E365", raw.Connection.Span, fmt.Sprintf("%q is the built-in connection to Waybill itself.", name), "Choose another name.")
	}
	if first := l.w.Connections[name]; first != nil {
		l.fault("E353", raw.Connection.Span, fmt.Sprintf("The connection %q is declared in %s already.", name, first.File), "")
		return
	}
	l.w.Connections[name] = c
	if raw.Connector.Value == "" {
		return
	}
	m := l.manifest(raw.Connector)
	if m == nil {
		return
	}
	blocks := map[string]*rawBlock{Offline: raw.Offline, Test: raw.Test, Production: raw.Production}
	for env, block := range blocks {
		if block != nil {
			l.block(m, *block, raw.Node.Get(env))
			l.address(raw.Common.merged(*block).Private, block.BaseURL)
		}
	}
	l.block(m, raw.Common, raw.Node)
	l.address(raw.Common.Private, raw.Common.BaseURL)
	block := blocks[l.options.Environment]
	if block == nil {
		block = &rawBlock{}
		if l.options.Environment != Offline && !raw.Common.said() {
			l.fault("E355", raw.Connection.Span,
				fmt.Sprintf("The connection %q does not say how it is reached in %s.", name, l.options.Environment),
				fmt.Sprintf("Add a block: %s: {account: ...}", l.options.Environment))
		}
	}
	l.resolve(c, m, raw.Common.merged(*block), raw.Connection.Span)
}

// builtInConnection is Waybill's own: flows may name it without declaring it.
const builtInConnection = "waybill"

func (b rawBlock) said() bool {
	return b.Account != "" || b.BaseURL.Value != "" || len(b.Settings) > 0 || len(b.Secrets) > 0
}

// merged lays an environment's block over what holds for all.
func (b rawBlock) merged(over rawBlock) rawBlock {
	out := over
	out.Account = firstOf(over.Account, b.Account)
	if over.BaseURL.Value == "" {
		out.BaseURL = b.BaseURL
	}
	out.Settings, out.Secrets = maps.Clone(b.Settings), maps.Clone(b.Secrets)
	if out.Settings == nil {
		out.Settings = map[string]source.Text{}
	}
	if out.Secrets == nil {
		out.Secrets = map[string]source.Text{}
	}
	maps.Copy(out.Settings, over.Settings)
	maps.Copy(out.Secrets, over.Secrets)
	out.Private = slices.Concat(b.Private, over.Private)
	if over.Limits == nil {
		out.Limits = b.Limits
	}
	if over.AllowOnly == nil {
		out.AllowOnly = b.AllowOnly
	}
	return out
}

// block checks one block for names that the connector does not know and for unusable hosts.
func (l *loader) block(m *connector.Manifest, b rawBlock, n *source.Node) {
	l.names(m, "setting", sortedKeys(m.Settings), b.Settings, n.Get("settings"))
	l.names(m, "secret", sortedKeys(m.Secrets), b.Secrets, n.Get("secrets"))
	for _, name := range sortedKeys(b.Settings) {
		l.oneOf(m, name, b.Settings[name])
	}
	for _, secret := range sortedKeys(b.Secrets) {
		t := b.Secrets[secret]
		if !sealedName.MatchString(t.Value) {
			l.faults.Conceal(Codes, "E360", t.Span, "This must be the name under which the secret is sealed, not the secret itself.",
				fmt.Sprintf("Leave it out: its name is then CONNECTION.%s. Give its value with: waybill secret set CONNECTION.%s; "+
					"and change it at its provider if this file was ever shared.", secret, secret))
		}
	}
	for _, host := range b.Private {
		name, port, err := net.SplitHostPort(host.Value)
		number, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || bad != nil || number == 0 || name == "" || strings.ContainsAny(name, " /@") {
			l.fault("E362", host.Span, fmt.Sprintf("%q is no host and port, so nothing could ever be reached there.", host.Value),
				"Write for example 10.0.0.5:8443; a port is a number from 1 to 65535.")
		}
	}
	l.limits(b.Limits)
}

// oneOf checks the value of a setting that takes one of a few.
func (l *loader) oneOf(m *connector.Manifest, name string, t source.Text) {
	setting := m.Settings[name]
	if t.Value == "" || len(setting.OneOf) == 0 || slices.Contains(setting.OneOf, t.Value) {
		return
	}
	l.fault("E356", t.Span, fmt.Sprintf("%q is no value of the setting %q of %s (%s). It takes one of: %s.",
		t.Value, name, m.Title, setting.Title, source.Listed(setting.OneOf)), source.DidYouMean(t.Value, setting.OneOf))
}

// limits checks that each limit lets calls through.
func (l *loader) limits(raw *rawLimits) {
	if raw == nil {
		return
	}
	for name, given := range map[string]*float64{
		"concurrency": asFloat(raw.Concurrency), "per_second": raw.PerSecond, "burst": asFloat(raw.Burst), "catch_up": raw.CatchUp,
	} {
		if n := raw.Node.Get(name); given != nil && !(*given > 0) {
			l.fault("E377", n.Span, fmt.Sprintf("%q must be more than 0, but this is %s: no call would ever be made.", name, n.Text),
				"Leave it out to keep the connector's own limit; to stop calls for a while, a person pauses the connection.")
		}
	}
}

func asFloat(n *int) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}

func (l *loader) names(m *connector.Manifest, what string, known []string, given map[string]source.Text, n *source.Node) {
	for _, name := range sortedKeys(given) {
		if slices.Contains(known, name) {
			continue
		}
		message := fmt.Sprintf("%s has no %s %q.", m.Title, what, name)
		if len(known) > 0 {
			message += " It has: " + source.Listed(known) + "."
		}
		l.fault("E356", n.KeySpan(name), message, source.DidYouMean(name, known))
	}
}

// address checks a block's address; over plain http only the private hosts that are named for it may be called.
func (l *loader) address(private []source.Text, base source.Text) {
	if base.Value == "" {
		return
	}
	u, err := url.Parse(base.Value)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		l.fault("E362", base.Span, fmt.Sprintf("%q is no absolute address.", base.Value), "Write for example https://erp.example.com/api.")
		return
	}
	if u.Scheme == "https" {
		return
	}
	host := u.Host
	if u.Port() == "" {
		host += ":80"
	}
	for _, p := range private {
		if p.Value == host {
			return
		}
	}
	l.fault("E362", base.Span, "Calls over plain http can be read on their way.",
		fmt.Sprintf("Write https, or list the private host: private: [%q]", host))
}

// resolve fills the connection from its block and the manifest's defaults.
func (l *loader) resolve(c *Connection, m *connector.Manifest, b rawBlock, span source.Span) {
	c.Manifest = m
	c.Account = b.Account
	c.Allow = b.AllowOnly
	settings := make(map[string]string, len(b.Settings))
	for name, t := range b.Settings {
		settings[name] = t.Value
	}
	if l.options.Environment == Offline {
		settings = m.Played(settings)
	}
	c.Settings = m.Defaults(settings)
	if l.options.Environment != Offline { // the simulator brings its own account
		for _, name := range m.Unset(settings) {
			setting := m.Settings[name]
			l.fault("E356", span, fmt.Sprintf("%s needs the setting %q (%s). %s", m.Title, name, setting.Title, setting.Help),
				fmt.Sprintf("Add it under `settings`: %s: ...", name))
		}
	}
	c.Secrets = make(map[string]string, len(m.Secrets))
	for name := range m.Secrets {
		c.Secrets[name] = c.Name + "." + name
		if t, ok := b.Secrets[name]; ok {
			c.Secrets[name] = t.Value
		}
	}
	c.BaseURL = firstOf(b.BaseURL.Value, m.Base(l.options.Environment, c.Settings))
	for _, host := range b.Private {
		c.Private = append(c.Private, host.Value)
	}
	c.Limits = m.Limits
	if b.Limits != nil {
		set(&c.Limits.Concurrency, b.Limits.Concurrency)
		set(&c.Limits.PerSecond, b.Limits.PerSecond)
		set(&c.Limits.Burst, b.Limits.Burst)
		set(&c.Limits.CatchUp, b.Limits.CatchUp)
	}
	l.translator(c)
}

// set takes a value that is given.
func set[V any](to, given *V) {
	if given != nil {
		*to = *given
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
