//go:build !unix

package record

import "zombiezen.com/go/sqlite"

// gatherer gathers nothing where the system is not Unix: SQLite writes its log as it always does.
type gatherer struct{}

func newGatherer() (*gatherer, error) { return &gatherer{}, nil }

func (g *gatherer) forget() {}

func (g *gatherer) by(path string) (string, sqlite.OpenFlags) { return path, 0 }
