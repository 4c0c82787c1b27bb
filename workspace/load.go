package workspace

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"waybill/connector"
	"waybill/expr"
	"waybill/flow"
	"waybill/source"
	"waybill/translate"
)

// Options say for what a folder is loaded.
type Options struct {
	Environment string // offline, test, production
	Built       fs.FS  // the built-in connectors
	// Manifests, when set, spares the next load of the same process what this one compiled.
	Manifests *Manifests
}

// The environments.
const (
	Offline    = "offline"
	Test       = "test"
	Production = "production"
)

// maxFiles bounds a workspace, and maxFileBytes what of one file is read.
const (
	maxFiles     = 5000
	maxFileBytes = 8 << 20
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Load reads, checks and compiles a folder. With any error among the faults the workspace is nil; warnings alone are
// also in its Warnings.
func Load(fsys fs.FS, o Options) (*Workspace, source.Faults) {
	l := &loader{options: o, w: &Workspace{
		Environment: o.Environment, Owners: map[string]Owner{}, Connections: map[string]*Connection{}, Tables: map[string]*Table{},
	}}
	l.files = l.find(fsys)
	l.fsys = fsys
	l.load()
	faults := l.faults.Sorted()
	if faults.Bad() {
		return nil, faults
	}
	l.w.Warnings = faults
	return l.w, faults
}

// loader collects one workspace and everything wrong with it.
type loader struct {
	options   Options
	fsys      fs.FS
	files     map[string][]byte // path -> text, of every file that is part of the workspace
	used      map[string]bool   // those that something read
	built     map[string][]byte // built-in manifests that were used, by path below Built
	w         *Workspace
	faults    source.Faults
	manifests map[string]*connector.Manifest // by name; nil for one with faults
	language  string                         // all that makes the expressions of two workspaces the same language
	told      map[string][]string            // the events a connection can tell
	overrides []rawOverride                  // own mappings
}

func (l *loader) fault(code string, span source.Span, message, hint string) {
	l.faults.Add(Codes, code, span, message, hint)
}

func (l *loader) add(fs source.Faults) { l.faults = append(l.faults, fs...) }

func at(file string) source.Span {
	return source.Span{Pos: source.Pos{File: file, Line: 1, Col: 1}, Len: 1}
}

func (l *loader) load() {
	l.used, l.built, l.manifests = map[string]bool{}, map[string][]byte{}, map[string]*connector.Manifest{}
	l.told = map[string][]string{}
	l.w.Tells = l.told
	l.settings()
	l.tables()
	connections := l.nodes("connections")
	if !l.environment(connections) {
		return
	}
	l.events()
	for _, n := range connections {
		l.connection(n)
	}
	l.overridden()
	l.flows()
	if !l.faults.Bad() {
		l.scenarios() // they are read against a workspace that is sound
	}
	l.cross()
	l.leftOver()
	l.secrets()
	l.publish()
}

// find lists the files of the folder; hidden ones are not part of it.
func (l *loader) find(fsys fs.FS) map[string][]byte {
	out := map[string][]byte{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			l.fault("E364", at(name), "It cannot be read: "+err.Error()+".", "")
			return nil //nolint:nilerr // the fault says it; the walk goes on
		case name != "." && strings.HasPrefix(path.Base(name), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case len(out) >= maxFiles:
			l.fault("E364", at(name), fmt.Sprintf("The folder has more than %d files.", maxFiles), "Is this the right folder?")
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil && info.Size() > maxFileBytes {
			l.fault("E364", at(name), fmt.Sprintf("The file has more than %d MiB.", maxFileBytes>>20), "Keep large data outside the workspace.")
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			l.fault("E364", at(name), "It cannot be read: "+err.Error()+".", "")
			return nil //nolint:nilerr // as above
		}
		out[name] = text
		return nil
	})
	if err != nil {
		l.fault("E364", at("."), "The folder cannot be read: "+err.Error()+".", "")
	}
	return out
}

// in lists the files directly in a folder, by name.
func (l *loader) in(dir string, ends ...string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l.files)) {
		if path.Dir(name) == dir && slices.Contains(ends, path.Ext(name)) {
			out = append(out, name)
		}
	}
	return out
}

// nodes parses the YAML files of a folder. A file holds one thing or a list of them.
func (l *loader) nodes(dir string) []*source.Node {
	var out []*source.Node
	for _, name := range l.in(dir, ".yaml", ".yml") {
		l.used[name] = true
		n, faults := source.Parse(name, l.files[name])
		l.add(faults)
		switch {
		case n == nil:
		case n.Kind == source.List:
			out = append(out, n.Items...)
		default:
			out = append(out, n)
		}
	}
	return out
}

func (l *loader) tables() {
	for _, name := range l.in("tables", ".csv") {
		l.used[name] = true
		short := strings.TrimSuffix(path.Base(name), ".csv")
		if !namePattern.MatchString(short) {
			l.fault("E365", at(name), fmt.Sprintf("%q cannot be the name of a table.", short), "")
		}
		t, faults := parseTable(short, name, l.files[name])
		l.add(faults)
		if t == nil { // named, so that what uses it is not faulted as well
			t = &Table{Name: short, File: name, Otherwise: "="}
		}
		l.w.Tables[short] = t
	}
}

// environment makes what expressions may name, from the workspace's settings, tables and the names of its connections.
func (l *loader) environment(connections []*source.Node) bool {
	cfg := expr.Config{Region: l.w.Region, Currency: l.w.Currency}
	if l.w.Zone != nil {
		cfg.Zone = l.w.Zone.String()
	}
	for _, name := range slices.Sorted(maps.Keys(l.w.Tables)) {
		cfg.Tables = append(cfg.Tables, l.w.Tables[name].declared())
	}
	for _, n := range connections {
		if t, ok := n.Get("connection").Scalar(); ok {
			cfg.Connections = append(cfg.Connections, t.Value)
		}
	}
	l.language = fmt.Sprintf("%#v", cfg)
	env, err := expr.NewEnv(cfg)
	if err != nil {
		l.fault("E351", at(settingsFile), "The expression language cannot be set up: "+err.Error()+".", "")
		return false
	}
	l.w.Env = env
	return true
}

// manifest loads a connector once, the workspace's own in front of the built-in one.
func (l *loader) manifest(name source.Text) *connector.Manifest {
	if m, known := l.manifests[name.Value]; known {
		return m
	}
	fsys, own := l.options.Built, false
	if _, ok := l.files["connectors/"+name.Value+"/manifest.yaml"]; ok {
		sub, err := fs.Sub(l.fsys, "connectors")
		if err == nil {
			fsys, own = sub, true
		}
	}
	names := l.connectorNames()
	if !slices.Contains(names, name.Value) {
		l.fault("E354", name.Span, fmt.Sprintf("There is no connector %q. Connectors: %s.", name.Value, source.Listed(names)),
			source.DidYouMean(name.Value, names))
		l.manifests[name.Value] = nil
		return nil
	}
	m, faults := l.options.Manifests.get(fsys, name.Value, own, l.language, func() (*connector.Manifest, source.Faults) {
		m, faults := connector.Load(fsys, name.Value, l.w.Env)
		for i := range faults {
			faults[i].Span.File = "connectors/" + faults[i].Span.File
		}
		if m != nil {
			m.Built = !own
		}
		return m, faults
	})
	l.add(faults)
	if !own {
		l.keepBuilt(name.Value)
	}
	l.manifests[name.Value] = m
	return m
}

// manifestFiles are the files of a connector that are read.
var manifestFiles = []string{"manifest.yaml", "simulate.yaml"}

func (l *loader) keepBuilt(name string) {
	for _, file := range manifestFiles {
		if text, err := fs.ReadFile(l.options.Built, name+"/"+file); err == nil {
			l.built[name+"/"+file] = text
		}
	}
}

func (l *loader) connectorNames() []string {
	seen := map[string]bool{}
	if l.options.Built != nil {
		entries, _ := fs.ReadDir(l.options.Built, ".")
		for _, e := range entries {
			if e.IsDir() {
				seen[e.Name()] = true
			}
		}
	}
	for name := range l.files {
		parts := strings.Split(name, "/")
		if len(parts) == 3 && parts[0] == "connectors" && parts[2] == "manifest.yaml" {
			seen[parts[1]] = true
			for _, file := range manifestFiles {
				l.used["connectors/"+parts[1]+"/"+file] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func (l *loader) flows() {
	deps := flow.Deps{
		Catalogue: l.w.Catalogue, Connections: map[string]*connector.Manifest{}, Env: l.w.Env, Calendar: l.w.Calendar,
	}
	for name, c := range l.w.Connections {
		if c.Manifest != nil {
			deps.Connections[name] = c.Manifest
		}
	}
	deps.Owners, deps.Approve, deps.People = slices.Sorted(maps.Keys(l.w.Owners)), l.w.Approve, map[string][]string{}
	for name, o := range l.w.Owners {
		deps.People[name] = o.People
	}
	for _, n := range l.nodes("flows") {
		f, faults := flow.Compile(n, deps)
		l.add(l.withoutBroken(faults))
		if f != nil {
			l.w.Flows = append(l.w.Flows, f)
		}
	}
	slices.SortFunc(l.w.Flows, func(a, b *flow.Flow) int { return strings.Compare(a.Name, b.Name) })
}

// withoutBroken drops what is said of a connection only because that connection has faults of its own.
func (l *loader) withoutBroken(faults source.Faults) source.Faults {
	return slices.DeleteFunc(faults, func(f source.Fault) bool {
		if f.Code != "E303" {
			return false
		}
		for name, c := range l.w.Connections {
			if c.Manifest == nil && strings.Contains(f.Message, fmt.Sprintf("%q", name)) {
				return true
			}
		}
		return false
	})
}

func (l *loader) scenarios() {
	for _, name := range l.in("tests", ".yaml", ".yml") {
		l.used[name] = true
		n, faults := source.Parse(name, l.files[name])
		l.add(faults)
		if n == nil {
			continue
		}
		list := []*source.Node{n}
		if n.Kind == source.List {
			list = n.Items
		}
		r := &scenarioReader{w: l.w, fsys: l.fsys, dir: "tests"}
		for _, one := range list {
			l.w.Scenarios = append(l.w.Scenarios, r.read(one))
		}
		l.add(r.faults)
	}
}

// translator makes what understands the items of a connection, and notes which events it can tell.
func (l *loader) translator(c *Connection) {
	own := l.mappings(c.Name, c.Manifest)
	for _, m := range slices.Concat(c.Manifest.Mappings, own) {
		l.told[c.Name] = append(l.told[c.Name], l.w.Catalogue.Expand(m.Event)...)
	}
	if c.Manifest.Webhook == nil {
		return
	}
	t, faults := translate.New(c.Manifest, l.w.Catalogue, translate.Options{Settings: c.Settings, Overrides: own})
	l.add(faults)
	c.Translator = t
}
