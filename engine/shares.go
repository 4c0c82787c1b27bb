package engine

import (
	"errors"
	"time"

	"waybill/connector"
	"waybill/deliver"
	"waybill/record"
)

// The limits of a connection are its account's, however many nodes call it: each node has a part of the calls at once, and
// the same part of the rate. A part is asked for at first use and kept until another node wants more than it has; then
// those that do not need theirs give it up, and those that do share.

// handOver is how long a node keeps the last of a limit that is smaller than the number of nodes that want it.
const handOver = 5 * time.Second

// share says how many slots of a connection are a node's. Others are the parts of the other nodes; own is this node's part,
// with what it wants now. Slots that are in use cannot be given up yet. The first number is what it
// holds on to in the book, the second what it may use from now on.
func share(d demand, own record.Part, others []record.Part, now time.Time) (hold, use int) {
	total, taken, wanting, lack := d.total, 0, 0, 0
	for _, p := range others {
		taken += p.Slots
		if p.Wants > 0 {
			wanting++
		}
		lack += max(0, p.Wants-p.Slots)
	}
	if own.Wants > 0 {
		wanting++
	}
	free := max(0, total-taken-own.Slots)
	use = own.Slots
	fair := 0
	if own.Wants > 0 {
		fair = total / wanting
		if fair == 0 && (own.Slots == 0 || now.Sub(own.Since) < handOver) {
			fair = 1 // there are fewer slots than nodes that want them: they take turns
		}
	}
	switch {
	case own.Slots > fair && lack > free:
		use = max(fair, own.Slots-(lack-free))
	case own.Slots < own.Wants:
		use = own.Slots + min(free, max(own.Wants, total/max(1, d.nodes))-own.Slots)
	}
	return max(use, min(d.busy, own.Slots)), use
}

// demand is what a part is reckoned from besides the parts themselves.
type demand struct {
	total int // slots of the connection
	nodes int // that work on the book
	busy  int // slots this node has in use
}

// part is what this node may use of a connection.
type part struct {
	hold, use int
	total     int  // as declared when it was shared
	asking    bool // it is being asked for
	asked     time.Time
}

// askEvery is how often a node that has no part of a connection asks for one, beside the beat.
const askEvery = 250 * time.Millisecond

// acquire takes a slot of a connection and a token of its rate, of this node's part where there are several. Called with
// mu held.
func (e *Engine) acquire(name string, limits connector.Limits, now time.Time) (ok bool, again time.Time) {
	if e.member != nil && !e.partOf(name, &limits) {
		return false, time.Time{}
	}
	return e.governor.Acquire(name, limits, now)
}

// unbounded reports whether a call to a connection would wait for nothing but a slot. Called with mu held.
func (e *Engine) unbounded(name string, limits connector.Limits, now time.Time) bool {
	if e.member != nil && !e.partOf(name, &limits) {
		return false
	}
	return e.governor.Unbounded(name, limits, now)
}

// partOf cuts limits down to this node's part of them; false when it has none now. Called with mu held.
func (e *Engine) partOf(name string, limits *connector.Limits) bool {
	p := e.parts[name]
	if p == nil {
		p = &part{}
		e.parts[name] = p
	}
	total := deliver.Slots(*limits)
	if p.use == 0 {
		if now := e.d.Now(); !p.asking && now.Sub(p.asked) >= askEvery {
			p.asking, p.asked = true, now
			e.d.Go(func() { e.askPart(name, 1) }) // what asks here stands in no line yet
		}
		return false
	}
	if p.use >= total {
		return true
	}
	cut := float64(p.use) / float64(total)
	limits.Concurrency = p.use
	limits.PerSecond *= cut
	limits.CatchUp *= cut
	if limits.Burst > 0 {
		limits.Burst = max(1, int(float64(limits.Burst)*cut))
	}
	return true
}

// askPart settles this node's part of a connection with the others; it wants so many slots at least.
func (e *Engine) askPart(name string, least int) {
	now, limits := e.d.Now(), e.limits(name)
	total := deliver.Slots(limits)
	e.mu.Lock()
	busy := e.governor.Busy(name)
	wants := min(total, max(least, busy+e.sender(name).held))
	e.mu.Unlock()
	nodes := e.member.count()
	var hold, use int
	err := e.take(func(tx *record.Tx) error {
		list, err := tx.PartsOf(name)
		if err != nil {
			return err
		}
		own := record.Part{Connection: name, Epoch: e.epoch()}
		var others []record.Part
		for _, p := range list {
			if p.Epoch == own.Epoch {
				own = p
			} else {
				others = append(others, p)
			}
		}
		was := own.Slots
		own.Wants = wants
		hold, use = share(demand{total, nodes, busy}, own, others, now)
		if own.Slots = hold; was == 0 && hold > 0 {
			own.Since = now
		}
		return tx.SetPart(own)
	})
	e.mu.Lock()
	p := e.parts[name]
	p.asking = false
	if err == nil {
		p.hold, p.use, p.total = hold, use, total
	}
	e.mu.Unlock()
	if err != nil && !errors.Is(err, errLost) {
		e.log.Error("this node's part of a connection's limits could not be settled", "connection", name, "err", err)
		return
	}
	if use > 0 {
		e.pump(name)
	}
}

// shareOut asks anew for the parts that no longer fit what this node needs, or what the others do.
func (e *Engine) shareOut(list []record.Part) {
	others := map[string]bool{} // another wants more than it has
	mine := map[string]record.Part{}
	for _, p := range list {
		if p.Epoch == e.epoch() {
			mine[p.Connection] = p
		} else if p.Wants > p.Slots {
			others[p.Connection] = true
		}
	}
	var ask []string
	e.mu.Lock()
	for name, p := range e.parts {
		if p.asking {
			continue
		}
		busy := e.governor.Busy(name)
		total := deliver.Slots(e.limitsOf(name))
		wants := min(total, busy+e.sender(name).held)
		own := mine[name]
		if wants > p.use || others[name] && p.hold > 0 || p.hold != p.use || p.total != total || (wants == 0) != (own.Wants == 0) && p.hold > 0 {
			p.asking = true
			ask = append(ask, name)
		}
	}
	e.mu.Unlock()
	for _, name := range ask {
		e.askPart(name, 0)
	}
}
