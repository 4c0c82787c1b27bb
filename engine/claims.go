package engine

import "sync"

// claims are the ids this process has in hand, so that the sweep does not hand out twice what a hint already did.
type claims struct {
	mu    sync.Mutex
	ids   map[string]struct{}
	looks int                 // at the tables, under way
	let   map[string]struct{} // let go since the oldest of those began
}

func newClaims() *claims { return &claims{ids: map[string]struct{}{}, let: map[string]struct{}{}} }

// look begins a look at a table; done ends it. What is let go between the two may be read as it was before: takeSeen leaves
// it for the next look.
func (c *claims) look() (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.looks--; c.looks == 0 {
			clear(c.let)
		}
	}
}

// takeSeen claims an id that was read in a look that has not ended.
func (c *claims) takeSeen(id string) bool {
	c.mu.Lock()
	_, let := c.let[id]
	c.mu.Unlock()
	return !let && c.take(id)
}

// take claims id; false when it is in hand already.
func (c *claims) take(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, held := c.ids[id]; held {
		return false
	}
	c.ids[id] = struct{}{}
	return true
}

// held reports whether an id is in hand.
func (c *claims) held(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, held := c.ids[id]
	return held
}

func (c *claims) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ids, id)
	if c.looks > 0 {
		c.let[id] = struct{}{}
	}
}
