package engine

import "sync"

// claims are the ids this process has in hand, so that the sweep does not hand out twice what a hint already did.
type claims struct {
	mu    sync.Mutex
	ids   map[string]struct{}
	looks map[*look]struct{} // under way
}

func newClaims() *claims { return &claims{ids: map[string]struct{}{}, looks: map[*look]struct{}{}} }

// look is one look at a table. What is let go before it ends may be read as it was before: it is left for the next look.
type look struct {
	c   *claims
	let map[string]struct{} // let go since it began
}

func (c *claims) look() *look {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &look{c: c, let: map[string]struct{}{}}
	c.looks[l] = struct{}{}
	return l
}

func (l *look) end() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	delete(l.c.looks, l)
}

// take claims an id that the look has read.
func (l *look) take(id string) bool {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if _, let := l.let[id]; let {
		return false
	}
	return l.c.hold(id)
}

// take claims id; false when it is in hand already.
func (c *claims) take(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hold(id)
}

func (c *claims) hold(id string) bool { // called with mu held
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
	for l := range c.looks {
		l.let[id] = struct{}{}
	}
}
