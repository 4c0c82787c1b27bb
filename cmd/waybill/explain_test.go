package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryCodeOfAFaultIsExplained reads the codes from the source of every package.
func TestEveryCodeOfAFaultIsExplained(t *testing.T) {
	known, seen := codes(), map[string]bool{}
	form := regexp.MustCompile(`"(E[0-9]{3})"`)
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, found := range form.FindAllSubmatch(text, -1) {
			code := string(found[1])
			if x, ok := known[code]; !ok || x.Title == "" || x.Text == "" {
				t.Errorf("%s: waybill explain does not know %s", name, code)
			}
			seen[code] = true
		}
		return err
	})
	if err != nil || len(seen) < 100 {
		t.Fatalf("only %d codes were found: %v", len(seen), err)
	}
}
