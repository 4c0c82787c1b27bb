package prove

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waybill"
	"waybill/connectors"
	"waybill/examples"
	"waybill/record/faultdisk"
	"waybill/simulator"
	"waybill/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// versions loads a workspace and its next version.
func versions(t *testing.T, files fs.FS) []*workspace.Workspace {
	t.Helper()
	var out []*workspace.Workspace
	o := workspace.Options{Environment: "offline", Built: connectors.All(), Manifests: &workspace.Manifests{}}
	for _, f := range []fs.FS{files, NextVersion(files)} {
		ws, faults := workspace.Load(f, o)
		if ws == nil {
			t.Fatalf("the workspace is refused: %+v", faults)
		}
		out = append(out, ws)
	}
	return out
}

// ours are the workspaces of these tests, made to hold every kind of step.
var ours = map[string]bool{"torture": true, "waits": true}

// example loads one of the examples, or a workspace of these tests.
func example(t *testing.T, name string) []*workspace.Workspace {
	t.Helper()
	if ours[name] {
		return versions(t, os.DirFS("testdata/"+name))
	}
	sub, err := examples.FS(name)
	if err != nil {
		t.Fatal(err)
	}
	return versions(t, sub)
}

func wantHeld(t *testing.T, r *Report) {
	t.Helper()
	for i, b := range r.Breaches {
		if i < 10 {
			t.Errorf("%s: %s\n\t%s\n\t%s", b.Kind, b.What, b.World, b.Again)
		}
	}
	t.Logf("%+v", r.Counts)
	c := r.Counts
	t.Attr("size", fmt.Sprintf("%d worlds (%d systematic), %d kills, %d power cuts, %d faults of the disk, %d clock jumps, %d roll-outs",
		c.Worlds, c.Cases, c.Kills, c.PowerCuts, c.DiskFaults, c.ClockJumps, c.Rollouts))
	t.Attr("result", fmt.Sprintf("%d events, %d effects, %d lost, %d doubled", c.Events, c.Effects, r.Of(Lost), r.Of(Doubled)))
}

func TestTheExamplesHoldInEveryWorld(t *testing.T) {
	for _, name := range []string{"first-flow", "lead-to-crm", "payment-to-crm"} {
		t.Run(name, func(t *testing.T) {
			seeds := 20
			if testing.Short() {
				seeds = 5
			}
			began := time.Now()
			r, err := Run(t.Context(), example(t, name), Options{Seeds: seeds, Quick: true, Dir: dirOf(name)})
			if err != nil {
				t.Fatal(err)
			}
			wantHeld(t, r)
			for _, s := range r.Steps {
				t.Log(s.File, s.Flow, s.Step, s.Does, s.Recovers, s.Asks)
			}
			t.Log(r.Unreached, time.Since(began))
		})
	}
}

func TestOneSeedIsOneWorld(t *testing.T) {
	bundles := example(t, "payment-to-crm")
	for seed := range uint64(3) {
		var hashes []string
		for _, procs := range []int{1, 2} {
			before := runtime.GOMAXPROCS(procs)
			var lines []string
			h := traced(t, bundles, seed+1, func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) })
			runtime.GOMAXPROCS(before)
			if len(lines) < 20 {
				t.Fatalf("seed %d: hardly anything happened: %v", seed+1, lines)
			}
			hashes = append(hashes, h)
		}
		if hashes[0] != hashes[1] {
			t.Errorf("seed %d: two runs differ", seed+1)
		}
	}
}

func traced(t *testing.T, bundles []*workspace.Workspace, seed uint64, trace func(string, ...any)) string {
	t.Helper()
	blank, err := format(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer blank.Close()
	p := &proof{Options: Options{Arrivals: 8, Trace: trace, Expired: func() bool { return false }, Progress: func(int, string) {}}, ctx: t.Context(), bundles: bundles, blank: blank, report: &Report{}, steps: map[string]*Step{}}
	p.reachable = sources(bundles[0])
	h, err := p.stormOf(seed)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// seedsFrom is how many random worlds a test runs, and the first of them: WAYBILL_SEEDS and WAYBILL_SEED say otherwise.
func seedsFrom(t *testing.T, usual int) (seeds int, first uint64) {
	t.Helper()
	seeds, first = usual, 1
	if testing.Short() {
		seeds = max(usual/10, 1)
	}
	for name, into := range map[string]func(uint64){"WAYBILL_SEEDS": func(n uint64) { seeds = int(n) }, "WAYBILL_SEED": func(n uint64) { first = n }} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			into(n)
		}
	}
	return seeds, first
}

// TestNothingIsLostOrDoubledInAnyWorld runs random worlds of the torture workspace and of the largest example.
func TestNothingIsLostOrDoubledInAnyWorld(t *testing.T) {
	for name, usual := range map[string]int{"torture": 200, "waits": 100, "payment-to-crm": 100} {
		t.Run(name, func(t *testing.T) {
			seeds, first := seedsFrom(t, usual)
			t.Attr("seed", fmt.Sprintf("%d to %d", first, first+uint64(seeds)-1))
			reached := map[string]int{}
			r, err := Run(t.Context(), example(t, name), Options{Seeds: seeds, Seed: first, NoCases: true, Dir: dirOf(name), more: rulesOf(name, reached)})
			if err != nil {
				t.Fatal(err)
			}
			wantHeld(t, r)
			t.Log(reached)
			for _, end := range everyEnd {
				if name == "waits" && seeds >= 60 && reached[end] == 0 {
					t.Errorf("no world came to %s", end)
				}
			}
		})
	}
}

// dirOf is where a command finds a workspace of these tests.
func dirOf(name string) string {
	if ours[name] {
		return "prove/testdata/" + name
	}
	return "examples/" + name
}

// TestWorldsThatOnceShowedABrokenPromiseHold runs the seeds that were written down.
func TestWorldsThatOnceShowedABrokenPromiseHold(t *testing.T) {
	text, err := os.ReadFile("testdata/seeds")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	defer func() { t.Attr("size", fmt.Sprintf("%d worlds of prove/testdata/seeds", seen)) }()
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] == "#" {
			continue
		}
		seed, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		seen++
		r, err := Run(t.Context(), example(t, fields[0]), Options{Seeds: 1, Seed: seed, NoCases: true, Dir: dirOf(fields[0]), more: rulesOf(fields[0], map[string]int{})})
		if err != nil {
			t.Fatal(err)
		}
		wantHeld(t, r)
	}
}

// TestTheJudgeSeesEachBrokenPromise tampers with the ledger, the book or what senders were told, in a world in which all went
// well, and wants the judge to say so. A judge that sees nothing proves nothing.
func TestTheJudgeSeesEachBrokenPromise(t *testing.T) {
	blank, err := format(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer blank.Close()
	w, err := newWorld(example(t, "torture"), blank, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	good, err := w.play(source{connection: "pay", sample: "payment_intent.succeeded"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.judge(good, true); len(got) > 0 || len(good.effects) < 5 {
		t.Fatalf("without any fault, %d effects: %v", len(good.effects), got)
	}
	ledger, arrivals := w.ledger, w.arrivals
	for _, c := range []struct {
		kind   string
		tamper func(b *book)
	}{
		{Lost, func(*book) { w.arrivals = append(slices.Clone(arrivals), "arr_never") }},
		{Doubled, func(*book) {
			for _, x := range ledger {
				if x.Did == "created" && x.Type == "refund" {
					w.ledger = append(slices.Clone(ledger), x)
				}
			}
		}},
		{Doubled, func(b *book) { // it happened, and the book says it cannot have
			b.effect(t, "money").State = waybill.EffectDeclined
		}},
		{Phantom, func(*book) {
			w.ledger = slices.DeleteFunc(slices.Clone(ledger), func(x entry) bool { return w.calls[x.call].action == "refund.create" })
			w.ledger = append(w.ledger, entry{Entry: simulator.Entry{Did: "created", Type: "refund"}, call: w.otherCall("refund.create")})
		}},
		{Disorder, func(b *book) { // as if the gate had let an older fact go after a newer one
			newer := b.effect(t, "state")
			older := *newer
			older.ID, older.Order.At, older.Order.Revision = "eff_older", newer.Order.At.Add(-time.Hour), ""
			older.Request.Body = []byte(`{"properties":{"dealstage":"appointmentscheduled"}}`)
			older.SentAt, older.SettledAt = newer.SettledAt.Add(time.Minute), newer.SettledAt.Add(2*time.Minute)
			b.effects = append(b.effects, older)
			w.calls = append(w.calls, call{older.Connection, older.Action, w.whatOf(&older)})
			w.ledger = append(slices.Clone(ledger), entry{Entry: simulator.Entry{Connection: older.Connection, Did: "updated"}, call: len(w.calls) - 1})
		}},
		{Unasked, func(b *book) {
			b.effect(t, "money").Approval = "ok" // nobody was asked
		}},
		{Unasked, func(b *book) {
			eff := b.effect(t, "money")
			for i := range b.runs {
				if b.runs[i].ID == eff.Run {
					b.runs[i].EndedAt = eff.SentAt.Add(-time.Hour)
				}
			}
		}},
		{Lost, func(b *book) { b.runs[0].State = waybill.RunRunning }},
		{Lost, func(b *book) { b.effect(t, "money").State = waybill.EffectSent }},
		{Unlisted, func(b *book) { b.runs[0].State = waybill.RunBlocked }},
		{Unlisted, func(b *book) { b.problems = append(b.problems, waybill.Problem{ID: "prb_1", Title: "empty"}) }},
	} {
		b := *good
		b.runs, b.effects, b.items = slices.Clone(good.runs), slices.Clone(good.effects), slices.Clone(good.items)
		w.ledger, w.arrivals = ledger, arrivals
		c.tamper(&b)
		b.arrivals = maps.Clone(good.arrivals)
		got := w.judge(&b, true)
		if !slices.ContainsFunc(got, func(x Breach) bool { return x.Kind == c.kind }) {
			t.Errorf("%s was not seen: %v", c.kind, got)
		}
	}
	w.ledger, w.arrivals = ledger, arrivals
}

func (b *book) effect(t *testing.T, flow string) *waybill.Effect {
	t.Helper()
	for i := range b.effects {
		if b.effects[i].Flow == flow {
			return &b.effects[i]
		}
	}
	t.Fatalf("no effect of %s", flow)
	return nil
}

// otherCall adds a call of an action that no effect of the book made.
func (w *world) otherCall(action string) int {
	w.calls = append(w.calls, call{"pay", action, "another request"})
	return len(w.calls) - 1
}

// TestAnOutcomeThatCouldNotBeWrittenIsSettledWithoutARestart fills the disk when an answer has come, for longer than the engine's
// first try to recover what it could not write.
func TestAnOutcomeThatCouldNotBeWrittenIsSettledWithoutARestart(t *testing.T) {
	bundles := example(t, "torture")
	blank, err := format(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer blank.Close()
	for n := 1; n <= 6; n++ {
		w, err := newWorld(bundles, blank, uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.play(source{connection: "pay", sample: "payment_intent.succeeded"}, func() {
			w.after = func(i int) {
				if i == n {
					w.disk.Strike(func(op faultdisk.Op) faultdisk.Fault {
						if op.Kind == faultdisk.Write {
							return faultdisk.Full
						}
						return faultdisk.None
					})
					w.v.After(3*time.Minute, func() { w.disk.Strike(nil) })
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if w.lives != 1 || len(w.calls) < n {
			t.Errorf("call %d: %d lives, %d calls", n, w.lives, len(w.calls))
		}
		for _, x := range w.judge(b, true) {
			t.Errorf("call %d: %s: %s", n, x.Kind, x.What)
		}
		w.close()
	}
}
