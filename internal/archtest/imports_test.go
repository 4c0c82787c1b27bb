// Package archtest holds the tree to its shape: which package may import which, what only one package may do, and how
// large things may grow.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the one table of the imports that are allowed inside the project. A package may import those named, and
// the root, which imports nothing of ours.
var layers = map[string][]string{
	"":       {},
	"verify": {""},
	"source": {""},
	"secret": {""},
	"expr":   {"", "source"},

	"connector":         {"", "expr", "source", "verify"},
	"catalogue":         {"", "expr", "source"},
	"record":            {"", "secret"},
	"record/recordtest": {"", "record"},
	"record/faultdisk":  {},
	"connectors":        {},
	"examples":          {""},
	"receive":           {"", "verify", "connector", "secret"},
	"translate":         {"", "expr", "source", "connector", "catalogue"},
	"flow":              {"", "expr", "source", "connector", "catalogue"},
	"subject":           {"", "expr", "connector", "catalogue"},
	"deliver":           {"", "expr", "secret", "connector"},
	"simulator":         {"", "expr", "source", "verify", "connector"},
	"workspace":         {"", "expr", "source", "verify", "connector", "catalogue", "translate", "flow", "subject", "simulator"},
	"watch":             {""},
	"show":              {"", "watch"},
	"show/showtest":     {"", "show", "watch"},
	"engine":            {"", "expr", "source", "verify", "secret", "connector", "catalogue", "record", "receive", "translate", "flow", "subject", "deliver", "simulator", "workspace", "watch"},
	"prove":             {"", "secret", "record", "record/faultdisk", "receive", "deliver", "simulator", "workspace", "engine"},
	"cmd/waybill":       {"*"},
	"bench":             {"*"},
	"internal/*":        {"*"},
}

// exclusive names what only some packages may import, with the reason.
var exclusive = []struct {
	path, why string
	only      []string
}{
	{"cel.dev/cel-go", "the expression language stays behind our own type", []string{"expr"}},
	{"go.yaml.in/yaml/v4", "one strict reader with positions", []string{"source"}},
	{"zombiezen.com/go/sqlite", "only record holds the book's SQL", []string{"record", "bench"}},
	{"modernc.org/sqlite", "only record holds the book's SQL; faultdisk is a disk below it and holds none", []string{"record", "record/faultdisk", "bench"}},
	{"modernc.org/libc", "what SQLite was translated to is known at its edge only", []string{"record", "record/faultdisk"}},
	{"github.com/jackc/pgx/v5/pgconn", "only record holds the book's SQL", []string{"record", "internal/*", "bench"}},
	{"github.com/jackc/pgx/v5/pgproto3", "only record holds the book's SQL", []string{"record"}},
	{"html/template", "only show writes HTML", []string{"show"}},
	{"flag", "only cmd reads flags", []string{"cmd/waybill", "bench", "internal/*"}},
	{"github.com/spf13/cobra", "only cmd reads flags", []string{"cmd/waybill"}},
}

// quiet packages start no goroutine, timer or select and read no clock: the one dispatcher does.
var quiet = []string{"flow", "translate", "deliver", "engine", "verify", "catalogue", "subject", "watch"}

// quietExcept are the files that are the dispatcher.
var quietExcept = []string{"engine/dispatch.go"}

const module = "waybill"

type file struct {
	pkg, path string
	ast       *ast.File
	set       *token.FileSet
}

func files(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var out []file
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			name := d.Name()
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || hasFile(path, "go.mod")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		if pkg == "." {
			pkg = ""
		}
		out = append(out, file{pkg, filepath.ToSlash(rel), f, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func hasFile(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func matches(list []string, pkg string) bool {
	return slices.ContainsFunc(list, func(p string) bool {
		return p == "*" || p == pkg || strings.HasSuffix(p, "/*") && strings.HasPrefix(pkg, strings.TrimSuffix(p, "*"))
	})
}

func rule(pkg string) ([]string, bool) {
	if r, ok := layers[pkg]; ok {
		return r, true
	}
	for p, r := range layers {
		if strings.HasSuffix(p, "/*") && strings.HasPrefix(pkg, strings.TrimSuffix(p, "*")) {
			return r, true
		}
	}
	return nil, false
}

func TestImportsGoOneWay(t *testing.T) {
	for _, f := range files(t) {
		allowed, known := rule(f.pkg)
		if !known {
			t.Errorf("%s: package %q is not in the table; give it a place or put it into one that has", f.path, f.pkg)
			continue
		}
		for _, imp := range f.ast.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if path != module && !strings.HasPrefix(path, module+"/") {
				continue
			}
			dep := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
			if !matches(allowed, dep) {
				t.Errorf("%s: %q may not import %q", f.set.Position(imp.Pos()), f.pkg, dep)
			}
		}
	}
}

func TestSomeImportsBelongToOnePackage(t *testing.T) {
	for _, f := range files(t) {
		for _, imp := range f.ast.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			for _, x := range exclusive {
				if (path == x.path || strings.HasPrefix(path, x.path+"/")) && !matches(x.only, f.pkg) {
					t.Errorf("%s: %q may not import %s: %s", f.set.Position(imp.Pos()), f.pkg, path, x.why)
				}
			}
		}
	}
}

func TestOnlyTheDispatcherStartsGoroutinesAndReadsTheClock(t *testing.T) {
	clock := map[string]bool{"Now": true, "After": true, "AfterFunc": true, "NewTimer": true, "NewTicker": true, "Sleep": true, "Tick": true, "Since": true, "Until": true}
	for _, f := range files(t) {
		if !slices.Contains(quiet, f.pkg) || slices.Contains(quietExcept, f.path) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine; hand the work to the dispatcher", f.set.Position(n.Pos()))
			case *ast.SelectStmt:
				t.Errorf("%s: a select; hand the waiting to the dispatcher", f.set.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && x.Obj == nil && clock[n.Sel.Name] {
					t.Errorf("%s: time.%s; take the time that is given", f.set.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestNoInitAndNoCatchAllPackages(t *testing.T) {
	banned := []string{"util", "utils", "common", "models", "types", "pkg", "helpers", "misc"}
	for _, f := range files(t) {
		if slices.Contains(banned, f.ast.Name.Name) {
			t.Errorf("%s: a package named %q says nothing", f.path, f.ast.Name.Name)
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init runs unseen; call it", f.set.Position(fn.Pos()))
			}
		}
	}
}

// shapeExceptions are the places that may outgrow the budget, each with its reason.
var shapeExceptions = map[string]string{
	"record/faultdisk/vfs.go:xOpen":     "SQLite's own interface",
	"record/faultdisk/locks.go:xShmMap": "SQLite's own interface",
}

func TestShapeStaysWithinBudget(t *testing.T) {
	const fileLines, funcLines, methods, params = 700, 80, 7, 5
	for _, f := range files(t) {
		if _, ok := shapeExceptions[f.path]; ok {
			continue
		}
		if n := f.set.Position(f.ast.End()).Line; n > fileLines {
			t.Errorf("%s: %d lines; the stop is %d", f.path, n, fileLines)
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				where := f.path + ":" + n.Name.Name
				if _, ok := shapeExceptions[where]; ok {
					return true
				}
				if lines := f.set.Position(n.End()).Line - f.set.Position(n.Pos()).Line + 1; lines > funcLines {
					t.Errorf("%s: %d lines; the budget is %d", where, lines, funcLines)
				}
				if c := n.Type.Params.NumFields(); c > params {
					t.Errorf("%s: %d parameters; the budget is %d", where, c, params)
				}
			case *ast.TypeSpec:
				if i, ok := n.Type.(*ast.InterfaceType); ok {
					if _, ok := shapeExceptions[f.path+":"+n.Name.Name]; !ok && i.Methods.NumFields() > methods {
						t.Errorf("%s: interface %s has %d methods; the budget is %d", f.path, n.Name.Name, i.Methods.NumFields(), methods)
					}
				}
			}
			return true
		})
	}
}

func TestEveryPackageAndExportIsDocumented(t *testing.T) {
	docs := map[string]bool{}
	for _, f := range files(t) {
		docs[f.pkg] = docs[f.pkg] || f.ast.Doc != nil
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && !trivial(d) && receiverExported(d) {
					t.Errorf("%s: %s has no comment", f.set.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil && ts.Comment == nil {
						t.Errorf("%s: %s has no comment", f.set.Position(ts.Pos()), ts.Name.Name)
					}
				}
			}
		}
	}
	for pkg, ok := range docs {
		if !ok {
			t.Errorf("package %q has no comment", pkg)
		}
	}
}

// trivial are the methods of well-known interfaces, which need no words.
func trivial(d *ast.FuncDecl) bool {
	return d.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "String", "Len", "Less", "Swap", "Push", "Pop", "ServeHTTP", "RoundTrip", "MarshalJSON", "UnmarshalJSON"}, d.Name.Name)
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if x, ok := t.(*ast.IndexExpr); ok {
		t = x.X
	}
	id, ok := t.(*ast.Ident)
	return ok && id.IsExported()
}
