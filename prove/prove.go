// Package prove runs a workspace through hostile worlds, in virtual time: the outside systems misbehave in every way the
// simulator knows, the process dies at any piece of work, the disk fails and loses its power, clocks jump, versions
// change, a person presses buttons. Then it holds the book against the ledger that the simulated systems kept.
//
// It promises: one seed is one world, byte for byte; a world's verdict rests on what the systems themselves say happened,
// never on the book alone. First comes a systematic part (every step that calls out × every fault, and a crash at every
// call and piece of work), then random worlds by seed. It must not know files, flags or the wall clock.
package prove

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"waybill"
	"waybill/record"
	"waybill/record/faultdisk"
	"waybill/workspace"
)

// Options bound a proof.
type Options struct {
	Seeds    int    // random worlds; 0: none
	Seed     uint64 // of the first of them; 1 when 0
	Only     int    // only the systematic world of this number; 0: all of them
	NoCases  bool   // only random worlds
	NoRandom bool   // only the systematic part
	Quick    bool   // a sparser systematic part
	Arrivals int    // things that arrive in a random world; default 8
	Dir      string // as the command that replays a world names it
	// Expired, when set, says that the time is up.
	Expired func() bool
	// Progress, when set, is told of each world that was run.
	Progress func(done int, what string)
	// Trace, when set, is told what happens in the worlds.
	Trace func(format string, args ...any)
	// more is world.more, for tests.
	more func(w *world, b *book, say func(kind, format string, args ...any))
}

// Counts are what befell the worlds.
type Counts struct {
	Worlds     int `json:"worlds"`
	Cases      int `json:"systematic"`
	Seeds      int `json:"random"`
	Events     int `json:"events"`
	Effects    int `json:"effects"`
	Calls      int `json:"calls"`
	Pieces     int `json:"pieces_of_work"`
	Kills      int `json:"kills"`
	PowerCuts  int `json:"power_cuts"`
	DiskFaults int `json:"disk_faults"`
	ClockJumps int `json:"clock_jumps"`
	Rollouts   int `json:"rollouts"`
	Presses    int `json:"buttons_pressed"`
	GivenUp    int `json:"given_up_by_senders"`
}

func (c *Counts) add(w *Counts) {
	c.Kills += w.Kills
	c.PowerCuts += w.PowerCuts
	c.DiskFaults += w.DiskFaults
	c.ClockJumps += w.ClockJumps
	c.Rollouts += w.Rollouts
	c.Presses += w.Presses
	c.GivenUp += w.GivenUp
}

// Report is what a proof found.
type Report struct {
	Counts   Counts   `json:"counts"`
	Breaches []Breach `json:"breaches"`
	Steps    []*Step  `json:"steps"`
	// Unreached are the steps that call out and that nothing which the workspace can be told leads to.
	Unreached []Place `json:"unreached,omitempty"`
	// Cut says that the time was up before everything was run.
	Cut bool `json:"cut_short,omitempty"`
}

// Held reports whether nothing was lost, doubled or otherwise broken.
func (r *Report) Held() bool { return len(r.Breaches) == 0 }

// Of counts the breaches of a kind.
func (r *Report) Of(kind string) int {
	n := 0
	for i := range r.Breaches {
		if r.Breaches[i].Kind == kind {
			n++
		}
	}
	return n
}

// Place is a step and where it is written.
type Place struct {
	Flow string `json:"flow"`
	Step string `json:"step"`
	Does string `json:"does"`
	File string `json:"file"` // with the line
}

// Step is what became of one step that calls out, fault by fault.
type Step struct {
	Place
	Recovers []string          `json:"recovers_by_itself_from"`
	Asks     map[string]string `json:"asks_a_person_after"` // fault -> what is asked
}

// Run proves a workspace. bundles are versions of it; the first is the one to prove, the others are rolled out and back in
// random worlds. An error says that a world could not be run; a broken promise is in the report.
func Run(ctx context.Context, bundles []*workspace.Workspace, o Options) (*Report, error) {
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Arrivals == 0 {
		o.Arrivals = 8
	}
	if o.Expired == nil {
		o.Expired = func() bool { return false }
	}
	if o.Progress == nil {
		o.Progress = func(int, string) {}
	}
	blank, err := format(ctx)
	if err != nil {
		return nil, err
	}
	defer blank.Close()
	p := &proof{Options: o, ctx: ctx, bundles: bundles, blank: blank, report: &Report{Breaches: []Breach{}}, steps: map[string]*Step{}}
	if err := p.explore(); err != nil {
		return nil, err
	}
	if err := p.idle(); err != nil {
		return nil, err
	}
	if !o.NoCases {
		if err := p.systematic(); err != nil {
			return nil, err
		}
	}
	if !o.NoRandom {
		if err := p.storms(); err != nil {
			return nil, err
		}
	}
	return p.report, nil
}

// idle says that no flow would ever run, so that nothing would be proven.
func (p *proof) idle() error {
	if len(p.reachable) > 0 || !p.report.Held() {
		return nil
	}
	var flows []string
	for _, f := range p.bundles[0].Flows {
		flows = append(flows, fmt.Sprintf("%s (%s:%d)", f.Name, f.File, f.Span().Line))
	}
	what := "none of the samples of its connections and nothing that its tests give"
	return &waybill.Error{
		Kind:    waybill.Invalid,
		Message: fmt.Sprintf("nothing was proven: %s starts any of its flows: %s", what, strings.Join(flows, ", ")),
		Hint:    "Write a test in tests/ whose `given` starts one: a sample, body, file, event or schedule; `waybill test` shows whether it does.",
	}
}

// format makes a disk with an empty book.
func format(ctx context.Context) (*faultdisk.Disk, error) {
	disk, err := faultdisk.New(1)
	if err != nil {
		return nil, err
	}
	book, err := record.Open(ctx, "sqlite:"+bookFile, record.Options{
		Now: func() time.Time { return begin }, Environment: "offline", Inline: true, VFS: disk.Name(),
	})
	if err == nil {
		err = book.Close()
	}
	if err != nil {
		disk.Close()
		return nil, fmt.Errorf("make an empty book: %w", err)
	}
	return disk, nil
}

// proof is one under way.
type proof struct {
	Options
	ctx     context.Context //nolint:containedctx // of the one call that made it
	bundles []*workspace.Workspace
	blank   *faultdisk.Disk
	report  *Report
	// reachable are those things that start a run; paths are the different ways they lead.
	reachable []source
	paths     []path
	steps     map[string]*Step
	number    int // of the systematic world
}

// enough reports whether to stop.
func (p *proof) enough() bool {
	if p.ctx.Err() == nil && !p.Expired() {
		return false
	}
	p.report.Cut = true
	return true
}

// lives is how long a world may go on without faults until everything is done: longer than any provider's key.
const lives = 50 * time.Hour

// storms runs the random worlds.
func (p *proof) storms() error {
	if len(p.reachable) == 0 {
		return nil
	}
	for i := range p.Seeds {
		if p.enough() {
			return nil
		}
		if _, err := p.stormOf(p.Seed + uint64(i)); err != nil {
			return err
		}
	}
	return nil
}

// stormOf runs the random world of a seed and returns the hash of its trace.
func (p *proof) stormOf(seed uint64) (string, error) {
	w, err := newWorld(p.bundles, p.blank, seed)
	if err != nil {
		return "", err
	}
	defer w.close()
	if p.Trace != nil {
		w.log = p.Trace
	}
	if err := w.storm(p.reachable, p.Arrivals); err != nil {
		return "", fmt.Errorf("seed %d: %w", seed, err)
	}
	what := fmt.Sprintf("the random world of seed %d", seed)
	b, rest, err := w.end(seed%2 == 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	p.report.Counts.Seeds++
	p.close(w, b, rest, what, fmt.Sprintf("waybill prove %s --seed %d", p.Dir, seed))
	w.sign(b)
	return hex.EncodeToString(w.trace.Sum(nil)), nil
}

// end brings a world to where it is judged: at rest after all faults have stopped, or just as it stands.
func (w *world) end(rest bool) (*book, bool, error) {
	if rest {
		b, err := w.settle(lives)
		return b, true, err
	}
	w.soothe()
	for range 100 {
		w.run(time.Minute)
		if w.broken != nil {
			return nil, false, w.broken
		}
		if !w.life.dead {
			b, err := w.read()
			return b, false, err
		}
	}
	return nil, false, fmt.Errorf("no process could be started")
}

// sign ends the trace with how everything stands.
func (w *world) sign(b *book) {
	for i := range b.items {
		w.note("item %s %s", b.items[i].ID, b.items[i].State)
	}
	for i := range b.runs {
		w.note("run %s %s %s", b.runs[i].ID, b.runs[i].Flow, b.runs[i].State)
	}
	for i := range b.effects {
		w.note("effect %s %s %s", b.effects[i].ID, b.effects[i].Address, b.effects[i].State)
	}
}

// close judges a world and adds it to the report.
func (p *proof) close(w *world, b *book, rest bool, what, again string) {
	w.more = p.more
	c := &p.report.Counts
	c.Worlds++
	c.Events += len(b.runs)
	c.Effects += len(b.effects)
	c.Calls += len(w.calls)
	c.Pieces += w.pieces
	c.add(&w.counts)
	for _, breach := range w.judge(b, rest) {
		breach.World, breach.Again = what, again
		p.report.Breaches = append(p.report.Breaches, breach)
	}
	p.Progress(c.Worlds, what)
}
