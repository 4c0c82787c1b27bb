package killtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"waybill/engine"
)

// TestKilledAtEveryLabelledStepNothingIsLostOrDoubled ends the process with SIGKILL at each labelled step of the engine, at the
// second time it is passed; in a proof at the first, third and seventh (WAYBILL_STEPS times as often for a larger one), under load.
func TestKilledAtEveryLabelledStepNothingIsLostOrDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("killed in the full run")
	}
	times := []int{2}
	if proof() {
		times = []int{1, 3, 7}
	}
	p := newProvider(t, 11)
	r := newRig(t, p.Address)
	rounds := number("WAYBILL_STEPS", 1)
	var accepted []string
	kills := 0
	for round := range rounds {
		for _, step := range engine.Steps() {
			for _, nth := range times {
				if step == "recovered" { // there must be something to recover
					nth = 1
					accepted = append(accepted, r.dies("sent", 6, kills)...)
					kills++
				}
				if step == "looking" {
					p.Script("lookup", slices.Repeat([]string{"reset after"}, 8)...)
				}
				accepted = append(accepted, r.dies(step, nth+round, kills)...)
				kills++
			}
		}
	}
	t.Attr("size", fmt.Sprintf("%d steps, %d kills", len(engine.Steps()), kills))
	t.Attr("seed", "11")
	r.env = nil
	r.settle(p, accepted)
}

func newProvider(t *testing.T, seed uint64) *Provider {
	t.Helper()
	p, err := NewProvider(filepath.Join(t.TempDir(), "ledger.jsonl"), seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// dies starts the server so that it ends at the nth passing of a step, sends payments until it has, and returns those that
// were accepted. It may end before it says where it is: what is left to do from before passes the steps as well.
func (r *rig) dies(step string, nth, round int) []string {
	r.t.Helper()
	r.env = []string{fmt.Sprintf("WAYBILL_DIE_AT=%s,%d", step, nth)}
	r.launch()
	ended := make(chan struct{})
	go func() { _ = r.cmd.Wait(); close(ended) }()
	done, got := make(chan struct{}), make(chan []string, 1)
	go func() {
		for !r.announced() {
			select {
			case <-ended:
				got <- nil
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
		got <- r.load(done, 1000+round)
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = r.cmd.Process.Kill()
		<-ended
		r.t.Errorf("the step %q was not passed %d times", step, nth)
	}
	close(done)
	return <-got
}

// TestASignalEndsTheServerOnlyAfterWhatIsUnderWay sends SIGTERM under load: the process ends by itself within 10 s and leaves no
// effect whose outcome it did not wait for.
func TestASignalEndsTheServerOnlyAfterWhatIsUnderWay(t *testing.T) {
	if testing.Short() {
		t.Skip("stopped in the full run")
	}
	usual := 3
	if proof() {
		usual = 8
	}
	stops, seed := number("WAYBILL_STOPS", usual), uint64(number("WAYBILL_SEED", 5))
	rnd := rand.New(rand.NewPCG(seed, 2)) // repeatable
	p := newProvider(t, seed)
	p.Calm()
	r := newRig(t, p.Address)
	var accepted []string
	longest := time.Duration(0)
	for round := range stops {
		r.start()
		done, got := make(chan struct{}), make(chan []string, 1)
		go func() { got <- r.load(done, round) }()
		time.Sleep(time.Duration(100+rnd.IntN(300)) * time.Millisecond)
		began := time.Now()
		r.stop()
		longest = max(longest, time.Since(began))
		close(done)
		accepted = append(accepted, <-got...)
		if out := r.command("effects", "list", "--state", "sent", "--json", "--dir", r.dir, "--env", "test"); strings.Contains(out, `"eff_`) {
			t.Errorf("effects were left in the middle of being sent: %s", out)
		}
	}
	if longest > 11*time.Second {
		t.Errorf("it took %v to end", longest)
	}
	t.Attr("seed", fmt.Sprint(seed))
	t.Attr("size", fmt.Sprintf("%d stops, the longest %v", stops, longest.Round(time.Millisecond)))
	r.settle(p, accepted)
}

// command runs the binary and returns what it says.
func (r *rig) command(args ...string) string {
	r.t.Helper()
	out, err := exec.CommandContext(r.t.Context(), r.bin, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// spine is the last commit of the first schema: what an early user runs.
const spine = "df4f443"

// TestUpgradedUnderLoadNothingIsLostOrDoubled begins on the first version, under load, kills it, stops the next start as an
// operator does, and goes on with this version on the same book.
func TestUpgradedUnderLoadNothingIsLostOrDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("upgraded in the full run")
	}
	old := filepath.Join(t.TempDir(), "old")
	if err := os.MkdirAll(old, 0o750); err != nil {
		t.Fatal(err)
	}
	unpack := exec.CommandContext(t.Context(), "sh", "-c", "git -C \"$(git rev-parse --show-toplevel)\" archive "+spine+" | tar -x -C "+old)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Skipf("the first version is not in this clone (a shallow one?): %v: %s", err, out)
	}
	p := newProvider(t, 21)
	r := newRig(t, p.Address)
	bin := r.bin
	r.bin = filepath.Join(t.TempDir(), "waybill-first")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", r.bin, "./cmd/waybill")
	build.Dir = old
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the first version: %v: %s", err, out)
	}
	_ = os.RemoveAll(filepath.Join(r.dir, ".waybill")) // newRig sealed its secrets into a book of today
	r.seal()
	var accepted []string
	for round, end := range []func(){r.kill, r.stop} {
		r.start()
		done, got := make(chan struct{}), make(chan []string, 1)
		go func() { got <- r.load(done, round) }()
		time.Sleep(600 * time.Millisecond)
		end()
		if round == 1 {
			r.bin = bin
		}
		close(done)
		accepted = append(accepted, <-got...)
	}
	before := len(accepted)
	r.start()
	done, got := make(chan struct{}), make(chan []string, 1)
	go func() { got <- r.load(done, 2) }()
	time.Sleep(600 * time.Millisecond)
	if err := r.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	close(done)
	accepted = append(accepted, <-got...)
	t.Attr("seed", "21")
	t.Attr("size", fmt.Sprintf("from %s: %d payments before, %d after", spine, before, len(accepted)-before))
	r.settle(p, accepted)
}
