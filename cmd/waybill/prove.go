package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill/connectors"
	"waybill/prove"
	"waybill/workspace"
)

type proveFlags struct {
	seeds, only        int
	seed               uint64
	most               time.Duration
	json, quick, trace bool
}

func (m *Main) prove() *cobra.Command {
	var f proveFlags
	c := &cobra.Command{
		Use: "prove [dir]", Short: "run a workspace through hostile worlds: every fault, crashes, power cuts", Args: atMostDir,
		Long: "Runs the workspace in virtual time against simulated systems that misbehave in every way, while its process dies\n" +
			"at any instant, its disk fails and its clock jumps, and holds the book against what really happened there.\n" +
			"First every step that calls out meets every fault, and a crash comes at every call and piece of work; then come\n" +
			"random worlds by seed. Exit 0: nothing was lost or doubled.",
		Example: "  waybill prove shop\n  waybill prove shop --seeds 1000 --for 5m\n  waybill prove shop --seed 42 --trace",
		RunE: func(c *cobra.Command, args []string) error {
			single := c.Flags().Changed("seed") && !c.Flags().Changed("seeds")
			if single {
				f.seeds = 1
			}
			return m.runProof(c, m.dir(args), f, single)
		},
	}
	c.Flags().IntVar(&f.seeds, "seeds", 100, "how many random worlds")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "the first random world's; alone: only that world")
	c.Flags().IntVar(&f.only, "case", 0, "only the systematic world of this number")
	c.Flags().DurationVar(&f.most, "for", 0, "stop after this long; 0: when everything was run")
	c.Flags().BoolVar(&f.quick, "quick", false, "a sparser systematic part")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON document")
	c.Flags().BoolVar(&f.trace, "trace", false, "tell what happens in the worlds, line by line")
	return c
}

func (m *Main) runProof(c *cobra.Command, dir string, f proveFlags, single bool) error {
	ws, faults, err := m.load(dir, "offline")
	if err != nil {
		return err
	}
	if ws == nil {
		return m.refuse(dir, faults, m.Stderr)
	}
	bundles := []*workspace.Workspace{ws}
	next, _ := workspace.Load(prove.NextVersion(os.DirFS(dir)), workspace.Options{Environment: "offline", Built: connectors.All(), Manifests: &m.manifests})
	if next != nil {
		bundles = append(bundles, next)
	}
	began := time.Now()
	told := began
	o := prove.Options{
		Seeds: f.seeds, Seed: f.seed, Only: f.only, Quick: f.quick, Dir: m.shown(c.Flags().Args()),
		NoCases: single, NoRandom: f.only > 0,
		Expired: func() bool { return f.most > 0 && time.Since(began) > f.most },
		Progress: func(done int, what string) {
			if !f.json && time.Since(told) > 2*time.Second {
				told = time.Now()
				fmt.Fprintf(m.Stderr, "%d worlds; now %s\n", done, what)
			}
		},
	}
	if f.trace {
		o.Trace = func(format string, args ...any) { fmt.Fprintf(m.Stderr, format+"\n", args...) }
	}
	r, err := prove.Run(c.Context(), bundles, o)
	if err != nil {
		return err
	}
	if f.json {
		enc := json.NewEncoder(m.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else {
		m.tellProof(r, time.Since(began))
	}
	if !r.Held() {
		return problem{}
	}
	return nil
}

// shown is the folder as a command line would name it.
func (m *Main) shown(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

func (m *Main) tellProof(r *prove.Report, took time.Duration) {
	n := r.Counts
	fmt.Fprintf(m.Stdout, "%s (%d to see what happens when all is well, %d systematic, %d random), %d runs, %d effects, %d calls; %d kills, %d power cuts, %d faults of the disk, "+
		"%d clock jumps, %d rollouts, %d buttons pressed (%.0f s)\n", count(n.Worlds, "world", "worlds"), n.Worlds-n.Cases-n.Seeds, n.Cases, n.Seeds, n.Events, n.Effects, n.Calls,
		n.Kills, n.PowerCuts, n.DiskFaults, n.ClockJumps, n.Rollouts, n.Presses, took.Seconds())
	fmt.Fprintf(m.Stdout, "lost %d, doubled %d, claimed and never done %d, older over newer %d, on nobody's list %d\n",
		r.Of(prove.Lost), r.Of(prove.Doubled), r.Of(prove.Phantom), r.Of(prove.Disorder), r.Of(prove.Unlisted))
	for i, b := range r.Breaches {
		if i == 20 {
			fmt.Fprintf(m.Stdout, "… and %d more\n", len(r.Breaches)-i)
			break
		}
		fmt.Fprintf(m.Stdout, "\n%s: %s\n    in %s\n    again: %s\n", strings.ToUpper(b.Kind), b.What, b.World, b.Again)
	}
	for _, s := range r.Steps {
		m.tellStep(s)
	}
	if len(r.Unreached) > 0 {
		fmt.Fprintln(m.Stdout, "\nNothing that can come in led to these steps; write a test that does, and it is proven, too:")
		for _, u := range r.Unreached {
			fmt.Fprintf(m.Stdout, "  %s  %s, step %s (%s)\n", u.File, u.Flow, u.Step, u.Does)
		}
	}
	if r.Cut {
		fmt.Fprintln(m.Stdout, "\nThe time was up before everything was run.")
	}
}

// tellStep says what a step recovers from, and what it asks a person.
func (m *Main) tellStep(s *prove.Step) {
	if len(s.Recovers)+len(s.Asks) == 0 {
		return
	}
	fmt.Fprintf(m.Stdout, "\n%s  %s, step %s (%s)\n", s.File, s.Flow, s.Step, s.Does)
	if len(s.Recovers) > 0 {
		fmt.Fprintf(m.Stdout, "  goes on by itself after: %s\n", words(s.Recovers))
	}
	by := map[string][]string{}
	for fault, question := range s.Asks {
		by[question] = append(by[question], fault)
	}
	for _, question := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[question])
		fmt.Fprintf(m.Stdout, "  asks a person after %s: %s\n", words(by[question]), question)
	}
}

func words(list []string) string { return strings.ReplaceAll(strings.Join(list, ", "), "_", " ") }
