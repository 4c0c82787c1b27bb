package workspace_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"waybill/connectors"
	"waybill/source"
	"waybill/workspace"
)

// A mistake is one wrong file in an otherwise sound workspace: testdata/mistakes/NAME.txt. Its first line says in words
// what is wrong; `want:` says where check must see it, and a part of the words that name the fix.
type mistake struct {
	name  string
	title string
	file  string
	line  int
	fix   string
	files fstest.MapFS
}

// aims are the shares of mistakes that must be found at all, at the right line, and with the fix named.
var aims = struct{ found, line, fix float64 }{98, 95, 85}

// archive reads a text that holds files: each begins with a line -- NAME --.
func archive(tb testing.TB, name string) (comment string, files fstest.MapFS) {
	tb.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	files = fstest.MapFS{}
	var in *fstest.MapFile
	for line := range strings.Lines(string(text)) {
		if file, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(file, " --") {
			in = &fstest.MapFile{}
			files[strings.TrimSuffix(file, " --")] = in
		} else if in == nil {
			comment += line
		} else {
			in.Data = append(in.Data, line...)
		}
	}
	return comment, files
}

func mistakes(tb testing.TB) []mistake {
	tb.Helper()
	names, err := filepath.Glob("testdata/mistakes/*.txt")
	if err != nil || len(names) == 0 {
		tb.Fatalf("no mistakes: %v", err)
	}
	var out []mistake
	for _, name := range names {
		comment, files := archive(tb, name)
		m := mistake{name: strings.TrimSuffix(filepath.Base(name), ".txt"), files: files}
		title, want, _ := strings.Cut(comment, "\nwant: ")
		place, fix, _ := strings.Cut(strings.TrimSpace(want), " ")
		file, line, _ := strings.Cut(place, ":")
		m.title, m.file, m.fix = title, file, fix
		if m.line, err = strconv.Atoi(line); err != nil {
			tb.Fatalf("%s: the line after want: is wrong: %v", name, err)
		}
		out = append(out, m)
	}
	return out
}

func sound(tb testing.TB) fstest.MapFS {
	tb.Helper()
	_, files := archive(tb, "testdata/base.txt")
	return files
}

func load(tb testing.TB, fsys fs.FS) (*workspace.Workspace, source.Faults) {
	tb.Helper()
	return workspace.Load(fsys, workspace.Options{Environment: workspace.Offline, Built: connectors.All(), Manifests: &manifests})
}

// manifests are those of all these workspaces.
var manifests workspace.Manifests

func TestTheWorkspaceTheMistakesAreMadeInIsSound(t *testing.T) {
	w, faults := load(t, sound(t))
	if w == nil || len(faults) > 0 {
		t.Fatalf("faults:\n%s", listed(faults))
	}
}

func listed(faults source.Faults) string {
	var out []string
	for _, f := range faults {
		out = append(out, fmt.Sprintf("%s: %s", f.Severity, f))
	}
	return strings.Join(out, "\n")
}

// TestMistakesAreFoundNamedAndExplained measures check over the whole corpus.
func TestMistakesAreFoundNamedAndExplained(t *testing.T) {
	all := mistakes(t)
	base := sound(t)
	var found, placed, fixed int
	for _, m := range all {
		files := maps.Clone(base)
		maps.Copy(files, m.files)
		_, faults := load(t, files)
		var here, words bool
		for _, f := range faults {
			if f.Span.File == m.file && f.Span.Line == m.line {
				here = true
				words = words || strings.Contains(f.Message+" "+f.Hint, m.fix)
			}
		}
		if len(faults) > 0 {
			found++
		}
		if here {
			placed++
		}
		if words {
			fixed++
		}
		if !here || !words {
			t.Logf("%s (%s): want %s:%d saying %q, got:\n%s", m.name, m.title, m.file, m.line, m.fix, listed(faults))
		}
	}
	share := func(n int) float64 { return 100 * float64(n) / float64(len(all)) }
	t.Logf("%d mistakes: %.1f %% found, %.1f %% at the right line, %.1f %% with the fix named",
		len(all), share(found), share(placed), share(fixed))
	if share(found) < aims.found || share(placed) < aims.line || share(fixed) < aims.fix {
		t.Errorf("aims: %.0f %% found, %.0f %% at the right line, %.0f %% with the fix named", aims.found, aims.line, aims.fix)
	}
}
