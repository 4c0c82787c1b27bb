package engine

import (
	"math/rand/v2"
	"testing"
	"time"

	"waybill/record"
)

// party is nodes that share one connection, each settling its part in turn.
type party struct {
	total int
	parts []record.Part
	use   []int
	busy  []int
	now   time.Time
}

func newParty(total, nodes int) *party {
	p := &party{total: total, use: make([]int, nodes), busy: make([]int, nodes), now: time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)}
	for i := range nodes {
		p.parts = append(p.parts, record.Part{Epoch: int64(i + 1)})
	}
	return p
}

// settle lets node i ask for its part, as it does with each beat.
func (p *party) settle(i, wants int) {
	others := append(append([]record.Part{}, p.parts[:i]...), p.parts[i+1:]...)
	own := p.parts[i]
	own.Wants = min(wants, p.total)
	was := own.Slots
	own.Slots, p.use[i] = share(demand{p.total, len(p.parts), p.busy[i]}, own, others, p.now)
	if was == 0 && own.Slots > 0 {
		own.Since = p.now
	}
	p.parts[i] = own
}

func (p *party) held() int {
	n := 0
	for _, part := range p.parts {
		n += part.Slots
	}
	return n
}

func TestPartsNeverExceedTheWhole(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		p := newParty(1+rnd.IntN(12), 1+rnd.IntN(5))
		for range 60 {
			i := rnd.IntN(len(p.parts))
			if rnd.IntN(2) == 0 { // calls begin and end within what the node may use
				p.busy[i] = rnd.IntN(max(p.busy[i], p.use[i]) + 1)
			}
			p.settle(i, p.busy[i]+rnd.IntN(20)*rnd.IntN(2))
			p.now = p.now.Add(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			under := 0
			for _, n := range p.busy {
				under += n
			}
			if p.held() > p.total || under > p.total {
				t.Fatalf("%d slots are held and %d in use of %d: %+v", p.held(), under, p.total, p.parts)
			}
		}
	}
}

func TestIdleNodesDoNotStarveABusyOne(t *testing.T) {
	for nodes := 2; nodes <= 5; nodes++ {
		p := newParty(8, nodes)
		for i := range p.parts { // all have used it once
			p.settle(i, 1)
		}
		for range 3 {
			for i := range p.parts {
				p.settle(i, map[bool]int{true: 100}[i == 0])
			}
			p.now = p.now.Add(time.Second)
		}
		if p.use[0] != 8 {
			t.Errorf("the busy one of %d nodes may use %d of 8", nodes, p.use[0])
		}
	}
}

func TestBusyNodesShareAlike(t *testing.T) {
	p := newParty(8, 2)
	p.settle(0, 100)
	for range 4 {
		p.settle(0, 100)
		p.settle(1, 100)
		p.now = p.now.Add(time.Second)
	}
	if p.use[0] != 4 || p.use[1] != 4 {
		t.Errorf("of 8 the nodes may use %v", p.use)
	}
}

func TestNodesTakeTurnsWithALimitOfOne(t *testing.T) {
	p := newParty(1, 3)
	seconds := make([]int, 3)
	for range 120 {
		for i := range p.parts {
			p.settle(i, 10)
			seconds[i] += p.use[i]
		}
		p.now = p.now.Add(time.Second)
	}
	for i, n := range seconds {
		if n < 15 {
			t.Errorf("node %d had the one slot for %d of 120 seconds: %v", i, n, seconds)
		}
	}
}
