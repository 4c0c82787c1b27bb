package workspace

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"waybill/flow"
	"waybill/source"
)

// cross checks what only shows when all files are seen together.
func (l *loader) cross() {
	l.twice()
	if l.w.Catalogue == nil || l.w.Env == nil {
		return
	}
	l.cycles()
	if l.faults.Bad() {
		return // what is not used may only be broken
	}
	l.starts()
	l.unused()
}

func (l *loader) twice() {
	seen := map[string]*flow.Flow{}
	for _, f := range l.w.Flows {
		if first := seen[f.Name]; first != nil {
			l.fault("E353", f.Span(), fmt.Sprintf("The flow %q is in %s already.", f.Name, first.File), "Give one of them another name.")
			continue
		}
		seen[f.Name] = f
	}
	former := map[string]*flow.Flow{}
	for _, f := range l.w.Flows {
		for _, was := range f.Former() {
			if seen[was] != nil {
				l.fault("E353", f.Span(), fmt.Sprintf("%q is said to have been %q, but that flow is still there.", f.Name, was),
					"Remove `was`, or the other flow.")
			} else if other := former[was]; other != nil && other != f {
				l.fault("E353", f.Span(), fmt.Sprintf("%q is said to have been %q, and so is %q, in %s.", f.Name, was, other.Name, other.File),
					"What it did counts as done by one of them: remove `was` from the other.")
			}
			former[was] = f
		}
	}
}

// cycles refuses flows that start each other for ever.
func (l *loader) cycles() {
	starts := map[string][]*flow.Flow{}
	for _, f := range l.w.Flows {
		for _, typ := range f.On {
			starts[typ] = append(starts[typ], f)
		}
	}
	told := map[string]bool{}
	for _, f := range l.w.Flows {
		for _, e := range f.Emits() {
			way := l.wayBack(f, e.Type, starts, map[string]bool{})
			if way == nil {
				continue
			}
			names := append([]string{f.Name}, way...)
			if key := strings.Join(slices.Sorted(slices.Values(names)), " "); !told[key] {
				told[key] = true
				l.fault("E366", e.Span, fmt.Sprintf("This starts the same flow again: %s -> %s.", strings.Join(names, " -> "), f.Name),
					"Emit another event, or let one of the flows start on another one.")
			}
		}
	}
}

// wayBack returns the flows between typ and target, empty (not nil) when typ starts target at once.
func (l *loader) wayBack(target *flow.Flow, typ string, starts map[string][]*flow.Flow, seen map[string]bool) []string {
	for _, told := range l.w.Catalogue.Expand(typ) {
		for _, f := range starts[told] {
			if f == target {
				return []string{}
			}
			if seen[f.Name] {
				continue
			}
			seen[f.Name] = true
			for _, e := range f.Emits() {
				if way := l.wayBack(target, e.Type, starts, seen); way != nil {
					return append([]string{f.Name}, way...)
				}
			}
		}
	}
	return nil
}

// starts warns of flows that nothing can start.
func (l *loader) starts() {
	emitted := map[string]bool{}
	for _, f := range l.w.Flows {
		for _, e := range f.Emits() {
			for _, typ := range l.w.Catalogue.Expand(e.Type) {
				emitted[typ] = true
			}
		}
	}
	for _, f := range l.w.Flows {
		found := f.Schedule != nil || slices.ContainsFunc(f.On, func(typ string) bool { return emitted[typ] })
		for _, name := range sortedKeys(l.w.Connections) {
			if len(f.From) > 0 && !slices.Contains(f.From, name) {
				continue
			}
			found = found || slices.ContainsFunc(l.told[name], func(typ string) bool { return slices.Contains(f.On, typ) })
		}
		if !found {
			from := "No connection"
			if len(f.From) > 0 {
				from = "None of " + source.Listed(f.From)
			}
			l.faults.Warn(Codes, "E363", f.Span(), fmt.Sprintf("%s tells %s, and no flow emits it.", from, strings.Join(f.On, " or ")),
				"Add the connection it comes from, or a mapping in events/.")
		}
	}
}

var tableCall = regexp.MustCompile(`\btable\(\s*['"]([^'"]*)['"]`)

// unused warns of connections and tables that nothing refers to.
func (l *loader) unused() {
	named := map[string]bool{}
	for _, name := range sortedKeys(l.files) {
		if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
			for _, call := range tableCall.FindAllSubmatch(l.files[name], -1) {
				named[string(call[1])] = true
			}
		}
	}
	for _, name := range sortedKeys(l.w.Tables) {
		if !named[name] {
			l.faults.Warn(Codes, "E359", at(l.w.Tables[name].File), fmt.Sprintf("No expression reads the table %q.", name), "")
		}
	}
	for _, name := range sortedKeys(l.w.Connections) {
		c := l.w.Connections[name]
		used := slices.ContainsFunc(l.w.Flows, func(f *flow.Flow) bool {
			return f.Uses(name) || len(f.From) == 0 && slices.ContainsFunc(l.told[name], func(typ string) bool {
				return slices.Contains(f.On, typ)
			})
		})
		if !used {
			span := source.Span{Pos: source.Pos{File: c.File, Line: c.Line, Col: 1}, Len: 1}
			l.faults.Warn(Codes, "E359", span, fmt.Sprintf("No flow uses the connection %q, or starts on what it tells.", name), "")
		}
	}
}

// later are folders that are planned.
var later = []string{"forms", "messages", "rules"}

// documents are files that belong to people, wherever they lie.
var documents = []string{".md", ".txt", ".png", ".svg", ".jpg"}

// leftOver warns of files that nothing reads: most often one that lies in the wrong folder.
func (l *loader) leftOver() {
	l.connectorNames() // notes the files of own connectors
	for _, name := range sortedKeys(l.files) {
		dir, _, inDir := strings.Cut(name, "/")
		switch {
		case l.used[name] || slices.Contains(documents, strings.ToLower(path.Ext(name))) || path.Base(name) == "LICENSE":
		case inDir && dir == "tests" && path.Ext(name) != ".yaml" && path.Ext(name) != ".yml":
		case inDir && dir == "tests" && l.faults.Bad(): // scenarios are read once the rest is sound
		case inDir && dir == "connectors" && strings.Contains(name, "/cases/"):
		case inDir && slices.Contains(later, dir):
			l.faults.Warn(Codes, "E368", at(name), fmt.Sprintf("%s/ comes with a later version of Waybill; this file does nothing.", dir), "")
		default:
			l.faults.Warn(Codes, "E352", at(name), "Nothing reads this file.", l.place(name))
		}
	}
}

// place says where a file that nothing reads should lie.
func (l *loader) place(name string) string {
	folders := []string{"flows", "connections", "tables", "events", "tests", "connectors"}
	dir, rest, inDir := strings.Cut(name, "/")
	if inDir && !slices.Contains(folders, dir) {
		return source.DidYouMean(dir, folders)
	}
	ext := path.Ext(name)
	switch {
	case ext == ".csv":
		return "Tables belong in tables/NAME.csv."
	case dir == "connectors":
		return "A connector is connectors/NAME/manifest.yaml."
	case (ext == ".yaml" || ext == ".yml") && !inDir:
		return firstOf(source.DidYouMean(name, []string{settingsFile}), "Flows belong in flows/, connections in connections/.")
	case strings.Contains(rest, "/"):
		return "Put it directly into " + dir + "/."
	default:
		return ""
	}
}
