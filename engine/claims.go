package engine

import "sync"

// claims are the ids this process has in hand, so that the sweep does not hand out twice what a hint already did.
type claims struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func newClaims() *claims { return &claims{ids: map[string]struct{}{}} }

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
}
