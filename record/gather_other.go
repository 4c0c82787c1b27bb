//go:build !unix

package record

import "zombiezen.com/go/sqlite"

// gatherer gathers nothing where the system is not Unix: SQLite writes its log as it always does.
type gatherer struct{ below string }

func newGatherer(below string) (*gatherer, error) { return &gatherer{below}, nil }

func (g *gatherer) forget() {}

func (g *gatherer) by(path string) (string, sqlite.OpenFlags) {
	if g.below == "" {
		return path, 0
	}
	return "file:" + path + "?vfs=" + g.below, sqlite.OpenURI
}
