package killtest

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"waybill/internal/pgtest"
)

// another is a further node on the book of a rig.
func (r *rig) another(provider string) *rig {
	r.t.Helper()
	n := &rig{t: r.t, dir: r.t.TempDir(), bin: r.bin, env: r.env}
	n.write(provider)
	n.openLog()
	return n
}

func (r *rig) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// fleet are several processes on one book of PostgreSQL, each of which takes in payments of its own.
type fleet struct {
	nodes []*rig
	p     *Provider
	done  chan struct{}
	got   chan []string
}

// newFleet starts n processes on the book at dsn, under load. The flow's lane is of the first letters of a payment's id,
// so each has lanes of its own.
func newFleet(t *testing.T, n int, p *Provider, dsn string, env ...string) *fleet {
	t.Helper()
	env = append(env, "WAYBILL_DATABASE="+dsn, "WAYBILL_KEY_FILE="+filepath.Join(t.TempDir(), "waybill.key"))
	f := &fleet{p: p, done: make(chan struct{}), got: make(chan []string, n)}
	f.nodes = append(f.nodes, newRig(t, p.Address, env...))
	for len(f.nodes) < n {
		f.nodes = append(f.nodes, f.nodes[0].another(p.Address))
	}
	for i, node := range f.nodes {
		node.start()
		go func() { f.got <- node.load(f.done, 10+i) }()
	}
	return f
}

// settle ends the load and the faults, waits until a node says that all is at its end, holds the book against the
// ledger, and stops the nodes that still run.
func (f *fleet) settle(running ...*rig) {
	t := f.nodes[0].t
	t.Helper()
	close(f.done)
	var accepted []string
	for range f.nodes {
		accepted = append(accepted, <-f.got...)
	}
	f.p.Calm()
	last := running[len(running)-1]
	for deadline := time.Now().Add(4 * time.Minute); !last.rested(len(accepted)) && time.Now().Before(deadline); {
		time.Sleep(500 * time.Millisecond)
	}
	last.check(f.p, accepted, last.unknown())
	for _, node := range running {
		node.stop()
	}
}

// stretch is how long load goes on between two blows.
func stretch() time.Duration { return time.Duration(number("WAYBILL_UNDER", 3)) * time.Second }

// TestOfThreeNodesOneIsKilledAndOneStandsStillPastItsLeaseAndNothingIsLostOrDoubled has three processes on one PostgreSQL
// book under load: one is killed, one stands still past its lease and wakes, and the server is restarted.
func TestOfThreeNodesOneIsKilledAndOneStandsStillPastItsLeaseAndNothingIsLostOrDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("in the full run")
	}
	f := newFleet(t, 3, newProvider(t, 1), pgtest.Database(t))
	time.Sleep(stretch())
	f.nodes[0].kill()
	f.nodes[1].signal(syscall.SIGSTOP)
	still := 15 // past its lease
	if proof() {
		still = 45
	}
	time.Sleep(time.Duration(number("WAYBILL_STILL", still)) * time.Second)
	f.nodes[1].signal(syscall.SIGCONT)
	time.Sleep(stretch())
	pgtest.Shared(t).Restart(t)
	time.Sleep(stretch())
	f.settle(f.nodes[1], f.nodes[2])
}

// TestBehindAPoolerOneOfTwoNodesIsKilledAndNothingIsLostOrDoubled has two processes reach their book through a pgBouncer
// in transaction mode, where each transaction gets whatever connection is free, and kills one of them under load.
func TestBehindAPoolerOneOfTwoNodesIsKilledAndNothingIsLostOrDoubled(t *testing.T) {
	if testing.Short() || !proof() { // a minute or two: what the killed one had sent is settled only after its time
		t.Skip("killed in the full run")
	}
	pooled, direct := pgtest.Pooled(t)
	f := newFleet(t, 2, newProvider(t, 5), pooled, "WAYBILL_DATABASE_LISTEN="+direct)
	time.Sleep(stretch())
	f.nodes[0].kill()
	time.Sleep(stretch())
	f.settle(f.nodes[1])
}

// TestBackendsKilledUnderSeveralNodesLoseAndDoubleNothing ends every connection to the database, again and again, while two nodes
// work under load: each is cut off in the middle of whatever it was writing, also between a commit and its answer.
func TestBackendsKilledUnderSeveralNodesLoseAndDoubleNothing(t *testing.T) {
	if testing.Short() || !proof() { // minutes long
		t.Skip("killed in the full run")
	}
	kills, seed := number("WAYBILL_BACKENDS", 40), uint64(number("WAYBILL_SEED", 7))
	rnd := rand.New(rand.NewPCG(seed, 3)) // repeatable
	dsn := pgtest.Database(t)
	book := dsn[strings.LastIndex(dsn, "=")+1:]
	f := newFleet(t, 2, newProvider(t, seed), dsn)
	ended := 0
	for range kills {
		time.Sleep(time.Duration(100+rnd.IntN(700)) * time.Millisecond)
		list, err := pgtest.Shared(t).Query(t.Context(), "postgres",
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '"+book+"'")
		if err != nil {
			t.Fatal(err)
		}
		ended += len(list)
	}
	t.Attr("size", fmt.Sprintf("%d times, %d connections", kills, ended))
	f.settle(f.nodes...)
}
