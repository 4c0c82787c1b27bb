package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/record"
)

// Several nodes on one book (docs/decisions/0013-nodes.md). A node has a lease under an epoch, and renews it with every
// beat. All it decides is fenced by its epoch (act), an exchange begins only while the lease outlives its time limit
// (mayBegin), and what a node that is gone left as sent is settled by the others once its exchange can no longer be under
// way (settleStranded). All its times are by the book's clock.

// NodeOptions make an engine one of several on a book.
type NodeOptions struct {
	// Name tells it from the others; two that have one name are told apart with a number.
	Name string
	// Address is where it listens, Version that of the program: both are only shown.
	Address, Version string
	// Lease is after how long without a beat the others call it lost and take on what it has not sent; default 10 s. What
	// it has sent stays its own for as long as its longest call may take after that.
	Lease time.Duration
	// Beat is how often it renews its lease and looks at what the others did; default 1 s.
	Beat time.Duration
}

// member is the engine's place among the nodes of its book.
type member struct {
	o     NodeOptions
	raw   Dispatcher // by this node's own clock
	epoch atomic.Int64

	mu       sync.Mutex
	node     waybill.Node       // as it joined
	until    time.Time          // the end of its lease, by its own clock: never later than what the book says
	leaving  bool               // nothing new is begun
	short    bool               // the lease was too short to begin something
	health   string             // what the book said of the connections' health when it was read last
	away     bool               // the book cannot be reached
	working  int                // how many work on the book
	carriers []int64            // the epochs of those that carry bulk work on, in order
	heard    time.Time          // when its last beat began, by its own clock
	steady   time.Time          // since when no beat was late
	joining  bool               // it lost its epoch and is about to get another
	follows  bool               // it is about to take over what the book says
	trouble  string             // why it does not serve the book's version
	abler    bool               // another that works has no such trouble
	cannot   []waybill.BundleID // versions whose runs it left to others
	refused  waybill.BundleID
}

// errLost refuses what a node decides after its epoch was called lost.
var errLost = &waybill.Error{
	Kind: waybill.Conflict, Message: "this node's lease has ended, and others may have taken on its work",
	Hint: "nothing is to be done: it joins anew by itself",
}

// bookTime is a dispatcher by the book's clock, which all nodes share, however their own are set.
type bookTime struct {
	Dispatcher
	ahead atomic.Int64 // how far the book's clock is ahead, in nanoseconds
}

// Now is the time of the book.
func (b *bookTime) Now() time.Time { return b.Dispatcher.Now().Add(time.Duration(b.ahead.Load())) }

// At runs fn at a time of the book.
func (b *bookTime) At(t time.Time, fn func()) (cancel func()) {
	return b.Dispatcher.At(t.Add(-time.Duration(b.ahead.Load())), fn)
}

// mostOff is how far this node's idea of the book's clock may be off before it is set: less is the way there and back.
const mostOff = 50 * time.Millisecond

// set takes over what the book's clock showed when this node's own stood between two times.
func (b *bookTime) set(book, before, after time.Time) {
	ahead := book.Sub(before.Add(after.Sub(before) / 2).Round(0))
	if off := ahead - time.Duration(b.ahead.Load()); off > mostOff || off < -mostOff {
		b.ahead.Store(int64(ahead))
	}
}

// Now is the time by the book's clock.
func (e *Engine) Now() time.Time { return e.d.Now() }

// Node returns the engine's place among the nodes of its book; false when it has the book to itself.
func (e *Engine) Node() (waybill.Node, bool) {
	m := e.member
	if m == nil {
		return waybill.Node{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node, true
}

// epoch is the one this node has now; 0 on a book of one process.
func (e *Engine) epoch() int64 {
	if e.member == nil {
		return 0
	}
	return e.member.epoch.Load()
}

// amongNodes makes the engine one of several.
func (e *Engine) amongNodes() {
	if e.o.Node == nil {
		return
	}
	o := *e.o.Node
	if o.Lease == 0 {
		o.Lease = 10 * time.Second
	}
	if o.Beat == 0 {
		o.Beat = time.Second
	}
	e.member = &member{o: o, raw: e.d, node: waybill.Node{Name: o.Name, Address: o.Address, Version: o.Version}}
	e.d = &bookTime{Dispatcher: e.d}
	e.o.Caller.Now = e.d.Now
	e.o.Caller.May = e.mayBegin
	if e.o.Fresh != nil && e.o.Seal != nil && e.o.Unseal != nil && e.o.Keep != nil {
		e.o.Caller.Turn = e.turnToRenew
	}
}

// lease is how long a node's calls may go on: its lease, and the longest call begun in it.
func (e *Engine) lease() time.Duration { return e.today().longest + e.member.o.Lease }

// mayBegin reports whether an exchange with a time limit may begin: the lease outlives it. It is asked again just before
// the first byte leaves, for the process may have stood still meanwhile. Both of this machine's clocks must say so: the
// one that never jumps, and the one that goes on while a machine sleeps. What was written as sent under an epoch begins
// under that one only, 0 is any: once it was lost, others may have sent it again, and the next lease is none of its own.
func (e *Engine) mayBegin(epoch int64, limit time.Duration) bool {
	m := e.member
	if m == nil {
		return true
	}
	end := m.raw.Now().Add(limit)
	m.mu.Lock()
	defer m.mu.Unlock()
	of := epoch == 0 || epoch == m.epoch.Load()
	may := of && !m.joining && !m.leaving && !end.After(m.until) && !end.Round(0).After(m.until.Round(0))
	m.short = m.short || of && !may
	return may
}

// --- acts ---

// act applies an intent as this node, or as the epoch the intent is of. After that was called lost only its evidence is
// written: what has happened is never refused.
func (e *Engine) act(tx *record.Tx, in *intent) error {
	epoch := in.epoch
	if epoch == 0 {
		epoch = e.epoch()
	}
	in.of = epoch
	s, err := tx.As(epoch)
	if err != nil {
		return err
	}
	if in.late = !s.Holds; !in.late {
		return in.apply(tx)
	}
	if in.evidence == nil {
		return errLost
	}
	tx.By(0) // whoever comes first takes it on
	return in.evidence(tx)
}

// take reads what is due, and claims it where there are several nodes.
func (e *Engine) take(read func(tx *record.Tx) error) error {
	if e.member == nil {
		return e.view(read)
	}
	var s record.Standing
	epoch := e.epoch()
	err := e.book.Do(context.Background(), func(tx *record.Tx) (err error) {
		if s, err = tx.As(epoch); err != nil {
			return err
		}
		if !s.Holds {
			return errLost
		}
		return read(tx)
	})
	if errors.Is(err, errLost) {
		e.lost(epoch)
	} else if err == nil {
		e.heed(s)
	}
	return err
}

// inOneLook is how much of the room for work one look at a table fills.
func (e *Engine) inOneLook(room int) int {
	if e.member == nil {
		return room
	}
	return min(room, record.ClaimBatch)
}

// --- the lease ---

// join gets an epoch. It is called again when the last one was lost; what the node had in hand is then others'.
func (e *Engine) join(ctx context.Context) error {
	m := e.member
	m.mu.Lock()
	n := m.node
	last := n.Epoch
	m.mu.Unlock()
	n.Bundle = ""
	lease, before := e.lease(), m.raw.Now()
	var clock time.Time
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		n.Name = m.o.Name
		taken, err := e.nameTaken(tx, n.Name, last)
		if err != nil {
			return err
		}
		if taken {
			n.Name = fmt.Sprintf("%s-%d", n.Name, last)
		}
		_, err = tx.Join(&n, lease)
		clock = n.StartedAt
		return err
	})
	if err != nil {
		return fmt.Errorf("join the nodes of the book: %w", err)
	}
	e.bookTime().set(clock, before, m.raw.Now())
	e.mu.Lock()
	e.parts = map[string]*part{} // the last epoch's are gone with it
	e.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.node, m.until, m.joining = n, before.Add(lease), false
	m.epoch.Store(n.Epoch)
	return nil
}

// nameTaken reports whether another process took this node's name after its own epoch: both would take it from each other
// for ever.
func (e *Engine) nameTaken(tx *record.Tx, name string, last int64) (bool, error) {
	if last == 0 {
		return false, nil
	}
	list, err := tx.Nodes()
	if err != nil {
		return false, err
	}
	for i := range list {
		if n := &list[i]; n.Name == name && n.Epoch > last && n.GoneAt.IsZero() {
			e.log.Error("another process took this node's name; give each its own with --node", "node", name)
			return true, nil
		}
	}
	return false, nil
}

func (e *Engine) bookTime() *bookTime { return e.d.(*bookTime) } //nolint:forcetypeassert // amongNodes sets it

// beat renews the lease, calls those lost that did not, looks at what the others changed, and comes again.
func (e *Engine) beat() {
	m := e.member
	e.mu.Lock()
	stopping := e.stopping
	if !stopping {
		e.next = e.d.At(e.d.Now().Add(m.o.Beat), func() { e.d.Go(e.beat) })
	}
	e.mu.Unlock()
	if stopping {
		return
	}
	n, lease, before := m.self(e.today().id), e.lease(), m.raw.Now()
	silence := m.patience(before, lease)
	var lost []waybill.Node
	var parts []record.Part
	var nodes []waybill.Node
	var standing record.Standing
	var clock time.Time
	err := e.book.Do(context.Background(), func(tx *record.Tx) (err error) {
		if clock, err = tx.Clock(); err != nil {
			return err
		}
		if err = tx.RenewLease(&n, lease); err != nil {
			return err
		}
		if lost, err = tx.Expire(silence, n.Name); err != nil {
			return err
		}
		if parts, err = tx.Parts(); err != nil {
			return err
		}
		if nodes, err = tx.Nodes(); err != nil {
			return err
		}
		standing, err = tx.As(n.Epoch)
		return err
	})
	switch {
	case err == nil:
		e.bookTime().set(clock, before, m.raw.Now())
		m.met(nodes)
		e.renewed(n, before.Add(lease), lost)
		e.shareOut(parts)
		e.heed(standing)
		e.turnJobs()
	case waybill.KindOf(err) == waybill.Conflict:
		e.lost(n.Epoch)
	default:
		m.mu.Lock()
		first := !m.away
		m.away = true
		m.mu.Unlock()
		if first {
			e.log.Error("the lease could not be renewed; nothing new is begun when it is near its end", "until", n.Until, "err", err)
		}
	}
}

// patience is how long this node waits for the beat of another. One that was away itself gives the others the time to be
// heard of again: they may all have lost sight of the book, not only the one that it would call lost.
func (m *member) patience(now time.Time, lease time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away || now.Sub(m.heard) > m.o.Lease/2 {
		m.steady = now
	}
	m.heard = now
	if now.Sub(m.steady) < m.o.Lease {
		return lease
	}
	return m.o.Lease
}

// wakeEvery is how often a node that is told of others' commits looks at the tables for them.
const wakeEvery = 100 * time.Millisecond

// Wake is called when other nodes, or commands, have committed what may be work for this one: it looks at the tables soon
// rather than with the next sweep. It may be called as often as one likes.
func (e *Engine) Wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.d.Now()
	if e.stopping || e.member == nil || e.waking {
		return
	}
	e.waking = true
	at := e.woken.Add(wakeEvery)
	if at.Before(now) {
		at = now
	}
	e.d.At(at, func() { e.d.Go(e.wake) })
}

func (e *Engine) wake() {
	e.mu.Lock()
	e.waking, e.woken = false, e.d.Now()
	stopping := e.stopping
	e.mu.Unlock()
	if !stopping {
		e.lookAround()
	}
}

// refill looks at the tables for work.
func (e *Engine) refill() {
	e.refillItems()
	e.refillRuns()
	e.refillSenders()
}

// met takes note of the nodes that work on the book.
func (m *member) met(list []waybill.Node) {
	var working, able []int64
	for i := range list {
		if n := &list[i]; n.State() == "working" {
			working = append(working, n.Epoch)
			if n.Trouble == "" {
				able = append(able, n.Epoch)
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.abler = slices.ContainsFunc(able, func(epoch int64) bool { return epoch != m.epoch.Load() })
	m.working, m.carriers = len(working), able
	if len(able) == 0 {
		m.carriers = working
	}
	slices.Sort(m.carriers)
}

// carries reports whether this node carries a piece of bulk work on: one of them does, so that its pace is kept and not
// multiplied; not one that cannot load the current version, where another can. While two are of different minds both may; its
// members are claimed one by one all the same.
func (m *member) carries(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.carriers) == 0 {
		return false // it has not looked yet
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return m.carriers[int(h.Sum32())%len(m.carriers)] == m.epoch.Load()
}

func (m *member) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.working
}

// self is what the node says of itself with a beat.
func (m *member) self(serves waybill.BundleID) waybill.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.node
	n.Bundle, n.Trouble = serves, m.trouble
	return n
}

func (e *Engine) renewed(n waybill.Node, until time.Time, lost []waybill.Node) {
	m := e.member
	m.mu.Lock()
	m.node, m.until = n, until
	held := m.short || m.away
	m.short, m.away = false, false
	m.mu.Unlock()
	for _, other := range lost {
		e.log.Warn("a node is lost: it was not heard of; what it had in hand and had not sent is taken on", "node", other.Name,
			"epoch", other.Epoch, "heard", other.HeardAt)
	}
	if held || len(lost) > 0 {
		e.refill()
	}
}

// lost drops what this node has in hand and joins anew, once for an epoch: of many acts under way each is told. Exchanges under
// way go on: what comes of them is evidence.
func (e *Engine) lost(epoch int64) {
	m := e.member
	m.mu.Lock()
	first := !m.joining && epoch == m.epoch.Load()
	m.joining = m.joining || first
	m.mu.Unlock()
	if first {
		e.log.Error("this node's lease was lost: others take on its work; it joins anew", "epoch", m.epoch.Load())
		e.emptyHanded()
		e.d.Go(e.rejoin)
	}
}

func (e *Engine) rejoin() {
	e.mu.Lock()
	stopping := e.stopping
	e.mu.Unlock()
	if stopping {
		return
	}
	if err := e.join(context.Background()); err != nil {
		e.log.Error("this node could not join anew", "err", err)
		e.d.At(e.d.Now().Add(e.member.o.Beat), e.rejoin)
		return
	}
	e.log.Info("joined anew", "epoch", e.epoch())
	e.refill()
}

// emptyHanded drops what is queued in memory; the tables have it.
func (e *Engine) emptyHanded() {
	for _, p := range e.items.drop() {
		e.claims.drop(string(p.item.ID))
	}
	e.runs.drop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.senders {
		for _, j := range s.drop() {
			if j.sent {
				e.busyObject(j.effect, -1)
			}
			e.claims.drop(j.id())
		}
	}
}

// retire lets the others take what this node has claimed and not sent.
func (e *Engine) retire() {
	e.member.mu.Lock()
	e.member.leaving = true
	e.member.mu.Unlock()
	err := e.book.Do(context.Background(), func(tx *record.Tx) error { return tx.Retire(e.epoch()) })
	if err != nil {
		e.log.Error("this node's claims could not be handed back; they are free when its lease ends", "err", err)
	}
}

// Leave ends this node's lease, once nothing of it is under way any more. It does nothing on a book of one process.
func (e *Engine) Leave(ctx context.Context) error {
	if e.member == nil {
		return nil
	}
	return e.book.Do(ctx, func(tx *record.Tx) error { return tx.Leave(e.epoch()) })
}

// --- what nodes that are gone left as sent ---

// settleStranded settles effects that a node which is gone left as sent, once neither its exchange nor what the other side
// makes of it can still be under way: after the lease's end, the time limit of the call and the settle time.
func (e *Engine) settleStranded() {
	if e.member == nil {
		return
	}
	after := waybill.EffectID("")
	for {
		var list []record.Stranded
		err := e.view(func(tx *record.Tx) (err error) { list, err = tx.StrandedEffects(after, 256); return err })
		if err != nil {
			e.log.Error("what lost nodes have sent could not be read", "err", err)
			return
		}
		for i := range list {
			s := &list[i]
			after = s.Effect.ID
			if !e.d.Now().Before(e.quiet(s)) {
				e.recoverOne(s.Effect.ID, s.By)
			}
		}
		if len(list) < 256 {
			return
		}
	}
}

// quiet is when nothing of a stranded effect's exchange can be under way any more.
func (e *Engine) quiet(s *record.Stranded) time.Time {
	from := s.Until
	if s.Effect.SentAt.After(from) {
		from = s.Effect.SentAt
	}
	action := e.actionOf(s.Effect.Connection, s.Effect.Action)
	return from.Add(deliver.TimeLimit(action) + deliver.SettleTime(action, e.o.Policy))
}
