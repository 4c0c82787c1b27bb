package killtest

import (
	"os"
	"path/filepath"
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
	if os.Getenv("WAYBILL_NODES") == "" {
		t.Skip("three processes on one PostgreSQL: run by make proof, or with WAYBILL_NODES=1")
	}
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
	time.Sleep(3 * time.Second)
	nodes[0].kill()
	nodes[1].signal(syscall.SIGSTOP)
	time.Sleep(time.Duration(number("WAYBILL_STILL", 45)) * time.Second) // past its lease
	nodes[1].signal(syscall.SIGCONT)
	time.Sleep(3 * time.Second)
	pgtest.Shared(t).Restart(t)
	time.Sleep(3 * time.Second)
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
