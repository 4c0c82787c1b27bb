package receive

import "sync/atomic"

// budget bounds what is in hand at once: requests being worked on, and bytes of bodies read.
type budget struct {
	requests, bytes       atomic.Int64
	maxRequests, maxBytes int64
}

func (b *budget) full() bool { return b.requests.Load() >= b.maxRequests }

func take(n *atomic.Int64, by, limit int64) bool {
	if n.Add(by) <= limit {
		return true
	}
	n.Add(-by)
	return false
}

// lease is what one request holds of its door's budget and of the whole. Its zero value with the two set is ready.
type lease struct {
	door, whole *budget
	bytes       int64
	working     bool
}

// grow asks for n more bytes. The door's share comes first, so that one sender cannot use up everybody's.
func (l *lease) grow(n int64) *refusal {
	if !take(&l.door.bytes, n, l.door.maxBytes) {
		return tooFast()
	}
	if !take(&l.whole.bytes, n, l.whole.maxBytes) {
		l.door.bytes.Add(-n)
		return tooBusy()
	}
	l.bytes += n
	return nil
}

// work asks to be worked on.
func (l *lease) work() *refusal {
	if !take(&l.door.requests, 1, l.door.maxRequests) {
		return tooFast()
	}
	if !take(&l.whole.requests, 1, l.whole.maxRequests) {
		l.door.requests.Add(-1)
		return tooBusy()
	}
	l.working = true
	return nil
}

// shed refuses before a byte is read when there is no hope of being worked on.
func (l *lease) shed() *refusal {
	switch {
	case l.whole.full():
		return tooBusy()
	case l.door.full():
		return tooFast()
	default:
		return nil
	}
}

func (l *lease) giveBack() {
	l.door.bytes.Add(-l.bytes)
	l.whole.bytes.Add(-l.bytes)
	if l.working {
		l.door.requests.Add(-1)
		l.whole.requests.Add(-1)
	}
}

func tooBusy() *refusal {
	return &refusal{status: 503, after: 2, title: "too much is coming in at once", hint: "Send it again after the time in Retry-After."}
}

func tooFast() *refusal {
	return &refusal{status: 429, after: 2, title: "too much is coming in at this address at once", hint: "Send it again after the time in Retry-After."}
}
