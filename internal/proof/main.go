// Command proof runs the tests that try to break the promises and writes what came of each into a table: the promise, the
// test, its size, its result, its seed.
//
//	go run ./internal/proof              sizes that fit a commit
//	go run ./internal/proof -large       the sizes of a release
//	go run ./internal/proof -seed 42     the seed of every test that draws one
//	go run ./internal/proof -only P3     one promise, or a part of a test's name
//
// A test tells its size, seed and result by testing.T.Attr; the table is proof/report.md, the data proof/report.json.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	Promise string  `json:"promise"`
	Test    string  `json:"test"`
	Says    string  `json:"says"` // the test's name as a sentence
	Size    string  `json:"size,omitempty"`
	Result  string  `json:"result"`
	Figures string  `json:"figures,omitempty"`
	Seed    string  `json:"seed,omitempty"`
	Seconds float64 `json:"seconds"`
}

type report struct {
	Commit string    `json:"commit"`
	At     time.Time `json:"at"`
	Large  bool      `json:"large"`
	Rows   []row     `json:"rows"`
}

func main() {
	large := flag.Bool("large", false, "the sizes of a release; takes hours")
	seed := flag.Int("seed", 0, "the seed of every test that draws one; 0: each its own")
	only := flag.String("only", "", "only rows whose promise or test holds this")
	out := flag.String("out", "proof", "the folder of the report")
	flag.Parse()
	ok, err := run(context.Background(), *large, *seed, *only, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, large bool, seed int, only, out string) (bool, error) {
	r := report{At: time.Now().UTC().Truncate(time.Second), Large: large}
	if commit, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		r.Commit = strings.TrimSpace(string(commit))
	}
	good := true
	for _, c := range claims() {
		if only != "" && !strings.Contains(c.promise+" "+c.tests+" "+c.pkg, only) {
			continue
		}
		rows, err := c.try(ctx, large, seed)
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			good = good && (row.Result == "pass" || row.Result == "not run")
			fmt.Printf("%-4s %-7s %s %s %s\n", row.Promise, row.Result, row.Says, row.Size, row.Figures)
		}
		r.Rows = append(r.Rows, rows...)
	}
	if err := write(r, out); err != nil {
		return false, err
	}
	fmt.Printf("\nproof: %d tests, written to %s\n", len(r.Rows), filepath.Join(out, "report.md"))
	return good, nil
}

// try runs a claim's tests and makes a row of each.
func (c claim) try(ctx context.Context, large bool, seed int) ([]row, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout", "12h", "-run", c.tests, c.pkg)
	cmd.Env = append(os.Environ(), "WAYBILL_PROOF=1")
	if large {
		cmd.Env = append(cmd.Env, c.large...)
	}
	if seed != 0 {
		cmd.Env = append(cmd.Env, "WAYBILL_SEED="+strconv.Itoa(seed))
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	failed := cmd.Run() // it is told by the rows, too
	rows := read(&said, c)
	if len(rows) == 0 {
		rest, _ := io.ReadAll(&said)
		return nil, fmt.Errorf("%s has no test %s: %w\n%s", c.pkg, c.tests, cmp.Or(failed, context.Canceled), rest)
	}
	return rows, nil
}

// line is one line of go test -json.
type line struct {
	Action, Test, Key, Value, Output string
	Elapsed                          float64
}

func read(said io.Reader, c claim) []row {
	attrs := map[string]map[string]string{}
	output := map[string]*strings.Builder{}
	cases := map[string]int{}
	var rows []row
	scan := bufio.NewScanner(said)
	scan.Buffer(nil, 16<<20)
	for scan.Scan() {
		var l line
		if json.Unmarshal(scan.Bytes(), &l) != nil || l.Test == "" {
			continue
		}
		top, _, inner := strings.Cut(l.Test, "/")
		switch l.Action {
		case "attr":
			if attrs[top] == nil {
				attrs[top] = map[string]string{}
			}
			if said := attrs[top][l.Key]; inner && said != "" { // each part of a test says its own
				l.Value = said + "; " + l.Value
			}
			attrs[top][l.Key] = l.Value
		case "output":
			if output[top] == nil {
				output[top] = &strings.Builder{}
			}
			output[top].WriteString(l.Output)
		case "pass", "fail", "skip":
			if inner {
				cases[top]++
				continue
			}
			a := attrs[top]
			size := cmp.Or(a["size"], "one case")
			if cases[top] > 0 && a["size"] == "" {
				size = fmt.Sprintf("%d cases", cases[top])
			}
			result := map[string]string{"skip": "not run"}[l.Action]
			rows = append(rows, row{
				Promise: c.promise, Test: strings.TrimPrefix(c.pkg, "./") + " " + l.Test, Says: sentence(l.Test), Size: size,
				Result: cmp.Or(result, l.Action), Figures: a["result"], Seed: cmp.Or(a["seed"], "none drawn"), Seconds: l.Elapsed,
			})
			if l.Action != "pass" {
				fmt.Fprint(os.Stderr, output[top])
			}
		}
	}
	return rows
}

// sentence says a test's name in words.
func sentence(name string) string {
	var b strings.Builder
	for i, r := range strings.TrimPrefix(name, "Test") {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte(' ')
		}
		if i > 0 {
			r |= 0x20 // as far as it is a letter
		}
		b.WriteRune(r)
	}
	return strings.ReplaceAll(b.String(), "_", ": ")
}

// write writes the report as data and as a table.
func write(r report, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "report.json"), data, 0o600); err != nil {
		return err
	}
	slices.SortStableFunc(r.Rows, func(a, b row) int { return cmp.Compare(a.Promise, b.Promise) })
	var b strings.Builder
	size := "commit"
	if r.Large {
		size = "release"
	}
	fmt.Fprintf(&b, "# Proof of the promises\n\nCommit %s, %s, sizes of a %s. Again: `make proof`; larger: `make proof LARGE=1`.\n\n", r.Commit, r.At.Format(time.RFC3339), size)
	b.WriteString("| promise | test | size | result | figures | seed | s |\n|---|---|---|---|---|---|---|\n")
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %.1f |\n", row.Promise, row.Says, row.Size, row.Result, row.Figures, row.Seed, row.Seconds)
	}
	return os.WriteFile(filepath.Join(dir, "report.md"), []byte(b.String()), 0o600)
}
