package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill/engine"
	"waybill/workspace"
)

func (m *Main) test() *cobra.Command {
	var only string
	var verbose, asJSON bool
	var seed uint64
	c := &cobra.Command{
		Use: "test [dir]", Short: "run a workspace's tests: offline, in virtual time", Args: atMostDir,
		Example: "  waybill test shop\n  waybill test shop --run lost --verbose",
		RunE: func(c *cobra.Command, args []string) error {
			dir := m.dir(args)
			ws, faults, err := m.load(dir, "offline")
			if err != nil {
				return err
			}
			if ws == nil {
				return m.refuse(dir, faults, m.Stderr)
			}
			return m.runTests(c.Context(), ws, testFlags{only, verbose, asJSON, seed})
		},
	}
	c.Flags().StringVar(&only, "run", "", "only tests whose name contains this")
	c.Flags().BoolVar(&verbose, "verbose", false, "name the tests that pass too")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	c.Flags().Uint64Var(&seed, "seed", 1, "decides every chance; the same seed gives the same run")
	return c
}

type testFlags struct {
	only          string
	verbose, json bool
	seed          uint64
}

// tested is one test's result in --json.
type tested struct {
	Name     string   `json:"name"`
	File     string   `json:"file"`
	Passed   bool     `json:"passed"`
	Failures []string `json:"failures,omitempty"`
	Virtual  string   `json:"virtual_time"`
}

func (m *Main) runTests(ctx context.Context, ws *workspace.Workspace, f testFlags) error {
	start := time.Now()
	results := []tested{}
	failed := 0
	for _, s := range ws.Scenarios {
		if !strings.Contains(s.Name, f.only) {
			continue
		}
		t, err := engine.Try(ctx, ws, s, f.seed)
		if err != nil {
			return fmt.Errorf("run the test %q: %w", s.Name, err)
		}
		r := tested{Name: s.Name, File: fmt.Sprintf("%s:%d", s.File, s.Line), Passed: t.Passed(), Failures: t.Failures, Virtual: t.Took.String()}
		if err := t.Close(); err != nil {
			return err
		}
		results = append(results, r)
		if !r.Passed {
			failed++
		}
		if f.json {
			continue
		}
		switch {
		case !r.Passed:
			fmt.Fprintf(m.Stdout, "FAIL  %s\n      %s\n", r.Name, r.File)
			for _, text := range r.Failures {
				fmt.Fprintf(m.Stdout, "      %s\n", text)
			}
		case f.verbose:
			fmt.Fprintf(m.Stdout, "ok    %s\n", r.Name)
		}
	}
	if f.json {
		enc := json.NewEncoder(m.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(results); err != nil {
			return err
		}
	} else {
		m.testSummary(len(results), failed, f.only, time.Since(start))
	}
	if failed > 0 || len(results) == 0 && f.only != "" {
		return problem{}
	}
	return nil
}

func (m *Main) testSummary(all, failed int, only string, took time.Duration) {
	switch {
	case all == 0 && only != "":
		fmt.Fprintf(m.Stdout, "No test's name contains %q.\n", only)
	case all == 0:
		fmt.Fprintln(m.Stdout, "There are no tests yet. Write one into tests/, as waybill init does.")
	case failed > 0:
		fmt.Fprintf(m.Stdout, "%d of %s failed (%.1f s)\n", failed, count(all, "test", "tests"), took.Seconds())
	default:
		fmt.Fprintf(m.Stdout, "%s passed (%.1f s)\n", count(all, "test", "tests"), took.Seconds())
	}
}
