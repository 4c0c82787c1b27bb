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

// TestOfThreeNodesOneIsKilledAndOneStandsStillPastItsLeaseAndNothingIsLostOrDoubled has three processes on one PostgreSQL
// book under load: one is killed, one stands still past its lease and wakes, and the server is restarted.
func TestOfThreeNodesOneIsKilledAndOneStandsStillPastItsLeaseAndNothingIsLostOrDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("in the full run")
	}
	p := newProvider(t, 1)
	dsn := pgtest.Database(t)
	a := newRig(t, p.Address, "WAYBILL_DATABASE="+dsn, "WAYBILL_KEY_FILE="+filepath.Join(t.TempDir(), "waybill.key"))
	nodes := []*rig{a, a.another(p.Address), a.another(p.Address)}
	done, got := make(chan struct{}), make(chan []string, len(nodes))
	for i, n := range nodes {
		n.start()
		go func() { got <- n.load(done, 10+i) }() // the flow's lane is of the first nine letters of an id
	}
	under := time.Duration(number("WAYBILL_UNDER", 3)) * time.Second // each stretch of load
	time.Sleep(under)
	nodes[0].kill()
	nodes[1].signal(syscall.SIGSTOP)
	still := 15 // past its lease
	if proof() {
		still = 45
	}
	time.Sleep(time.Duration(number("WAYBILL_STILL", still)) * time.Second)
	nodes[1].signal(syscall.SIGCONT)
	time.Sleep(under)
	pgtest.Shared(t).Restart(t)
	time.Sleep(under)
	close(done)
	var accepted []string
	for range nodes {
		accepted = append(accepted, <-got...)
	}
	p.Calm()
	for deadline := time.Now().Add(4 * time.Minute); !nodes[2].rested(len(accepted)) && time.Now().Before(deadline); {
		time.Sleep(500 * time.Millisecond)
	}
	a.check(p, accepted, nodes[2].unknown())
	nodes[1].stop()
	nodes[2].stop()
}

// TestBackendsKilledUnderSeveralNodesLoseAndDoubleNothing ends every connection to the database, again and again, while two nodes
// work under load: each is cut off in the middle of whatever it was writing, also between a commit and its answer.
func TestBackendsKilledUnderSeveralNodesLoseAndDoubleNothing(t *testing.T) {
	if testing.Short() || !proof() { // minutes long
		t.Skip("killed in the full run")
	}
	kills, seed := number("WAYBILL_BACKENDS", 40), uint64(number("WAYBILL_SEED", 7))
	rnd := rand.New(rand.NewPCG(seed, 3)) // repeatable
	p := newProvider(t, seed)
	dsn := pgtest.Database(t)
	book := dsn[strings.LastIndex(dsn, "=")+1:]
	a := newRig(t, p.Address, "WAYBILL_DATABASE="+dsn, "WAYBILL_KEY_FILE="+filepath.Join(t.TempDir(), "waybill.key"))
	nodes := []*rig{a, a.another(p.Address)}
	done, got := make(chan struct{}), make(chan []string, len(nodes))
	for i, n := range nodes {
		n.start()
		go func() { got <- n.load(done, 20+i) }()
	}
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
	close(done)
	var accepted []string
	for range nodes {
		accepted = append(accepted, <-got...)
	}
	p.Calm()
	for deadline := time.Now().Add(4 * time.Minute); !nodes[1].rested(len(accepted)) && time.Now().Before(deadline); {
		time.Sleep(500 * time.Millisecond)
	}
	t.Attr("size", fmt.Sprintf("%d times, %d connections", kills, ended))
	a.check(p, accepted, nodes[1].unknown())
	nodes[0].stop()
	nodes[1].stop()
}
