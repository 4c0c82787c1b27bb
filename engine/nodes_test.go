package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/connectors"
	"waybill/deliver"
	"waybill/engine"
	"waybill/receive"
	"waybill/record"
	"waybill/secret"
	"waybill/simulator"
	"waybill/workspace"
)

// cluster is several nodes on one book, behind a balancer, in virtual time.
type cluster struct {
	*rig
	nodes []*node
}

// node is one of them. Its way to the book can be cut, its clock be off, and it can stand still.
type node struct {
	*life
	name   string
	engine *engine.Engine
	intake *receive.Handler
	cutOff bool
	// unreadable, when set, is why it cannot load a version that it has not loaded yet.
	unreadable error
	// loads is how long it takes to load one.
	loads time.Duration
	// answered, when set, sees how an act on the book ended, before the node does.
	answered func(error)
	// before, when set, is called as a call is prepared, after its effect stands as sent and before its first byte may leave.
	before func()
}

// way is a node's way to the book.
type way struct {
	*record.Book
	n *node
}

func (w way) open() error {
	if w.n.cutOff {
		return &waybill.Error{Kind: waybill.Unavailable, Message: "the database cannot be reached"}
	}
	return nil
}

func (w way) Do(ctx context.Context, act func(*record.Tx) error, ahead ...record.Ahead) error {
	if err := w.open(); err != nil {
		return err
	}
	err := w.Book.Do(ctx, act, ahead...)
	if w.n.answered != nil {
		w.n.answered(err)
	}
	return err
}

func (w way) View(ctx context.Context, read func(*record.Tx) error) error {
	if err := w.open(); err != nil {
		return err
	}
	return w.Book.View(ctx, read)
}

func newCluster(t *testing.T, ws *workspace.Workspace, n int, seed uint64) *cluster {
	t.Helper()
	onlySQLite(t, "nodes go by the book's clock, which in PostgreSQL is not virtual; internal/killtest has nodes there")
	c := &cluster{rig: newWorld(t, ws, "offline", seed)}
	c.sweep = 2 * time.Second
	c.balance = c.deliverToOne
	for i := range n {
		c.join(fmt.Sprintf("node-%d", i+1), 0)
	}
	return c
}

// join starts a node whose clock is off by skew.
func (c *cluster) join(name string, skew time.Duration) *node {
	c.t.Helper()
	n := &node{life: &life{v: c.v, skew: skew}, name: name}
	redact := secret.NewRedactor()
	var err error
	n.engine, err = engine.New(engine.Options{
		Book: way{c.book, n}, Dispatcher: n.life, IDs: c.ids, Environment: c.env, Workspace: c.ws,
		Load: func(content []byte) (*workspace.Workspace, error) {
			if err := errors.Join(c.unreadable, n.unreadable); err != nil {
				return nil, err
			}
			if n.loads > 0 {
				c.v.Sleep(n.loads)
			}
			return workspace.FromBundle(content, workspace.Options{Environment: c.env, Built: connectors.All(), Manifests: &manifests})
		},
		Secret: engine.SecretsOf(c.secrets),
		Keep:   func(name, value string) error { c.secrets[name] = value; return nil },
		Fresh:  engine.SecretsOf(c.secrets),
		Seal:   func(_ string, plain []byte) []byte { return plain },
		Unseal: func(_ string, sealed []byte) ([]byte, error) { return sealed, nil },
		Caller: &deliver.Caller{Transport: &line{c.rig, n.life, c.world.RoundTripper()}, Redact: func(b []byte) []byte {
			if n.before != nil {
				n.before()
				n.wait()
			}
			return redact.Bytes(b)
		}},
		Random: c.rnd, Sweep: c.sweep, Node: &engine.NodeOptions{Name: name, Version: "test"},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	n.intake = receive.New(receive.Config{Directory: n.engine.Doors("https://waybill.example"), Recorder: n.engine, Now: n.engine.Now, Redact: redact})
	if err := n.engine.Start(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	c.nodes = append(c.nodes, n)
	return n
}

// deliverToOne is the balancer: any node that is not known to be dead; one that does not answer is tried again.
func (c *cluster) deliverToOne(ctx context.Context, h simulator.Webhook) int {
	if c.hold != nil && c.hold(h) {
		return http.StatusOK
	}
	up := []*node{}
	for _, n := range c.nodes {
		if !n.dead && !n.still {
			up = append(up, n)
		}
	}
	if len(up) == 0 {
		return 0
	}
	for _, i := range c.rnd.Perm(len(up)) { // a balancer asks the next one when one says that it cannot
		if code := post(ctx, up[i].intake, h); code != http.StatusServiceUnavailable {
			return code
		}
	}
	return 0
}

// rest lets the time pass that trouble lasts, and then until nothing goes on by itself.
func (c *cluster) rest(trouble time.Duration) {
	c.run(trouble)
	for range 60 {
		open := 0
		for state, n := range c.standing() {
			switch state {
			case "run a running", "run a waiting", "run a queued", "run b running", "run b waiting", "run b queued", "item kept", "item fetching":
				open += n
			}
		}
		if open == 0 {
			return
		}
		c.run(time.Minute)
	}
}

// each runs the journeys that must end the same wherever a node fails, on a cluster that trouble meets, and holds the end
// against that of one undisturbed process.
func each(t *testing.T, seeds int, trouble func(c *cluster, rnd *rand.Rand)) {
	t.Helper()
	t.Attr("size", fmt.Sprintf("%d journeys on three nodes, each %d times", len(journeys), seeds))
	t.Attr("seed", fmt.Sprintf("1 to %d", seeds))
	for _, j := range journeys {
		ws := load(t, files(j.flows))
		want := used(travel(t, ws, j.given, nil).standing())
		for seed := range uint64(seeds) {
			c := newCluster(t, ws, 3, seed+1)
			trouble(c, rand.New(rand.NewPCG(seed, 3)))
			j.given(c.rig)
			c.rest(5 * time.Minute)
			if diff := cmp.Diff(want, used(c.standing())); diff != "" {
				t.Errorf("%s, seed %d: another end (-one process +nodes):\n%s%v", j.name, seed, diff, c.problems("open"))
			}
			for what, n := range j.made {
				if got := c.happened(what[0], what[1]); got != n {
					t.Errorf("%s, seed %d: %d %v were made, want %d", j.name, seed, got, what, n)
				}
			}
			if t.Failed() {
				return
			}
		}
	}
}

// used leaves out what nothing came of: how often a sender that was refused for minutes tells again is its own affair.
func used(standing map[string]int) map[string]int {
	delete(standing, "item not used")
	return standing
}

func number(short, full int) int {
	if testing.Short() {
		return short
	}
	return full
}

func TestNodesOnOneBookComeToTheEndThatOneProcessComesTo(t *testing.T) {
	each(t, number(1, 20), func(*cluster, *rand.Rand) {})
}

func TestAKilledNodesWorkIsTakenOnByTheOthers(t *testing.T) {
	each(t, number(2, 60), func(c *cluster, rnd *rand.Rand) {
		victim, at := c.nodes[rnd.IntN(3)], 1+rnd.IntN(8)
		c.after = func(n int) {
			if n == at {
				victim.dead = true
			}
		}
		if rnd.IntN(2) == 0 { // between two pieces of work, not in a call
			c.after = nil
			c.v.After(time.Duration(rnd.IntN(3000))*time.Millisecond, func() { victim.dead = true })
		}
	})
}

func TestANodeCutOffFromTheBookBeginsNothingAndLosesNothing(t *testing.T) {
	each(t, number(2, 60), func(c *cluster, rnd *rand.Rand) {
		victim := c.nodes[rnd.IntN(3)]
		from, long := time.Duration(rnd.IntN(2000))*time.Millisecond, time.Duration(1+rnd.IntN(180))*time.Second
		c.v.After(from, func() { victim.cutOff = true })
		c.v.After(from+long, func() { victim.cutOff = false })
	})
}

func TestANodeThatStandsStillPastItsLeaseDoublesNothing(t *testing.T) {
	each(t, number(2, 60), func(c *cluster, rnd *rand.Rand) {
		victim := c.nodes[rnd.IntN(3)]
		from, long := time.Duration(rnd.IntN(2000))*time.Millisecond, time.Duration(1+rnd.IntN(180))*time.Second
		c.v.After(from, func() { victim.still = true })
		c.v.After(from+long, victim.goOn)
	})
}

func TestANodeThatWakesBetweenSentAndTheFirstByteSendsNothing(t *testing.T) {
	each(t, number(2, 60), func(c *cluster, rnd *rand.Rand) {
		victim, at, n := c.nodes[rnd.IntN(3)], 1+rnd.IntN(20), 0
		long := time.Duration(1+rnd.IntN(180)) * time.Second
		victim.before = func() {
			if n++; n == at {
				victim.still = true
				c.v.After(long, victim.goOn)
			}
		}
	})
}

func TestClocksThatAreOffByMinutesDoNoHarm(t *testing.T) {
	for _, j := range journeys {
		ws := load(t, files(j.flows))
		want := travel(t, ws, j.given, nil).standing()
		c := newCluster(t, ws, 1, 1)
		c.join("ahead", 10*time.Minute)
		c.join("behind", -10*time.Minute)
		c.v.After(500*time.Millisecond, func() { c.nodes[1].dead = true })
		j.given(c.rig)
		c.rest(2 * time.Minute)
		if diff := cmp.Diff(want, c.standing()); diff != "" {
			t.Errorf("%s: another end (-one process +nodes):\n%s", j.name, diff)
		}
		for what, n := range j.made {
			if got := c.happened(what[0], what[1]); got != n {
				t.Errorf("%s: %d %v were made, want %d", j.name, got, what, n)
			}
		}
		for _, eff := range c.effects() {
			if eff.SentAt.After(c.v.Now()) || eff.SentAt.Before(rigStart) {
				t.Errorf("%s was sent at %v by its own node's clock", eff.ID, eff.SentAt)
			}
		}
	}
}

// TestTheFirstCallOfANodeDoesNotWaitForItsBeat has a node make its first call to a connection, of whose slots it has no part yet.
func TestTheFirstCallOfANodeDoesNotWaitForItsBeat(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		c := newCluster(t, load(t, files(onePath("put", 8))), nodes, 1)
		c.run(1500 * time.Millisecond)
		c.nodes[0].answered = func(error) { c.v.Sleep(5 * time.Millisecond) } // a commit takes a time
		var at time.Time
		c.answer = func(_, _ string) *http.Response {
			at = c.v.Now()
			return says(200, `{}`)
		}
		began := c.v.Now()
		c.v.Go(func() {
			if err := c.nodes[0].engine.Tell("out", "ping.e0", map[string]any{"id": "p1"}); err != nil {
				t.Error(err)
			}
		})
		c.run(10 * time.Second)
		if d := at.Sub(began); at.IsZero() || d > 50*time.Millisecond {
			t.Errorf("of %d nodes, the first call came %v after its event", nodes, d)
		}
	}
}
