package deliver

import (
	"fmt"
	"slices"
	"time"

	"waybill"
	"waybill/connector"
)

// The bounds of a hold on a connection.
const (
	firstHold   = 5 * time.Second
	longestHold = 5 * time.Minute
	longestAsk  = 24 * time.Hour // of a Retry-After
	openAfter   = 3              // failures in a row that make an outage
)

// Governor holds what is known today of each connection: slots, rate tokens, outages. Its state is in memory, one small
// record a connection; the book remembers the outages. Not safe for concurrent use: the engine calls it under its lock.
//
// An outage lets nothing through until its hold is over; then one call at a time probes, once nothing older is under
// way, and each probe that fails doubles the hold. A limit reached lets nothing through until the provider said, and
// halves the calls under way at once; each answer then widens them a little, so the limit is learnt. How fast calls may follow
// each other is pace's to say. After an outage calls begin one at a time and double with each round of answers, at no more
// than the catch-up rate until CaughtUp.
type Governor struct {
	jitter func() float64
	known  map[string]*governed
}

// governed is one connection.
type governed struct {
	state  waybill.ConnectionState
	busy   int     // calls under way
	most   int     // declared limit of busy
	window float64 // learnt limit of busy, 1 to most
	probe  bool    // the call under way is a probe
	holds  int     // holds in a row
	rising bool    // after an outage the window doubles with each round of answers, from 1
	pace   pace
	rate   float64 // declared
}

// NewGovernor returns one that knows nothing. jitter gives [0,1).
func NewGovernor(jitter func() float64) *Governor {
	return &Governor{jitter: jitter, known: map[string]*governed{}}
}

func (g *Governor) of(connection string) *governed {
	c := g.known[connection]
	if c == nil {
		c = &governed{state: waybill.ConnectionState{Connection: connection, Health: waybill.HealthWorking}}
		g.known[connection] = c
	}
	return c
}

// Acquire takes a slot and a rate token, or says when to ask again. A zero time means not by time: ask again when a slot
// is released, or the connection resumed.
func (g *Governor) Acquire(connection string, limits connector.Limits, now time.Time) (ok bool, again time.Time) {
	c := g.of(connection)
	c.declare(limits, now)
	switch c.state.Health {
	case waybill.HealthPaused:
		return false, time.Time{}
	case waybill.HealthSignInNeeded, waybill.HealthDown:
		if c.state.Until.IsZero() || c.busy > 0 {
			return false, time.Time{}
		}
		if now.Before(c.state.Until) {
			return false, c.state.Until
		}
	case waybill.HealthLimited:
		if now.Before(c.state.Until) {
			return false, c.state.Until
		}
	case waybill.HealthWorking:
	}
	if c.busy >= int(c.window) {
		return false, time.Time{}
	}
	if again := c.pace.wait(limits, now); !again.IsZero() {
		return false, again
	}
	c.pace.begin(limits, now)
	c.busy++
	c.probe = c.state.Health == waybill.HealthDown || c.state.Health == waybill.HealthSignInNeeded
	return true, time.Time{}
}

// Unbounded reports whether a call waits for nothing but a slot: the connection works, and nothing bounds how fast or how
// many calls may follow but what it was declared for.
func (g *Governor) Unbounded(connection string, limits connector.Limits, now time.Time) bool {
	c := g.of(connection)
	c.declare(limits, now)
	return c.state.Health == waybill.HealthWorking && c.window >= float64(c.most) && c.pace.free(limits, now)
}

// Slots is how many calls limits allow at once.
func Slots(limits connector.Limits) int {
	if limits.Concurrency <= 0 {
		return 8
	}
	return limits.Concurrency
}

// Busy is how many calls to a connection are under way.
func (g *Governor) Busy(connection string) int { return g.of(connection).busy }

// declare takes over today's limits and fills the bucket up to now.
func (c *governed) declare(limits connector.Limits, now time.Time) {
	most := Slots(limits)
	switch {
	case most == c.most:
	case c.window >= float64(c.most): // nothing smaller was learnt
		c.most, c.window = most, float64(most)
	default:
		c.most, c.window = most, min(c.window, float64(most))
	}
	c.rate = limits.PerSecond
	c.pace.fill(limits, now)
}

// Release gives the slot back and learns from the exchange. It returns the connection's state, and
// whether its health or its parked actions changed. A nil exchange says that nothing was sent.
func (g *Governor) Release(connection string, x *Exchange, now time.Time) (changed bool, s waybill.ConnectionState) {
	c := g.of(connection)
	c.busy = max(0, c.busy-1)
	probe := c.probe
	c.probe = false
	if x == nil {
		c.pace.unused(now)
		return false, c.copy()
	}
	before, parked := c.state.Health, len(c.state.Parked)
	g.learn(c, x, probe, now)
	return before != c.state.Health || parked != len(c.state.Parked), c.copy()
}

func (c *governed) copy() waybill.ConnectionState {
	s := c.state
	s.Parked = slices.Clone(s.Parked)
	s.Learnt = c.pace.learnt
	return s
}

func (g *Governor) learn(c *governed, x *Exchange, probe bool, now time.Time) {
	c.state.LastOut = now
	c.pace.told(x)
	switch cause := x.Attempt.Cause; {
	case c.state.Health == waybill.HealthPaused || x.SignIn:
		// a pause is ended by a person only; a new token says nothing of their side yet
	case x.Attempt.Certainty == waybill.Happened || x.Own:
		g.answered(c, now)
	case cause == waybill.SignInExpired:
		g.signInNeeded(c, x, probe, now)
	case cause == waybill.LimitReached:
		g.limited(c, x, now)
	case cause == waybill.TheirSideDown || cause == waybill.TooSlow || cause == waybill.AnswerLost:
		g.failed(c, x, probe, now)
	case x.Attempt.Status == 0:
		// refused by our own rules, or stopped by us: nothing is known of their side
	default: // a refusal is an answer
		if cause == waybill.PermissionMissing && x.Action != "" && !slices.Contains(c.state.Parked, x.Action) {
			c.state.Parked = append(c.state.Parked, x.Action)
		}
		g.answered(c, now)
	}
}

// answered is proof that their side lives.
func (g *Governor) answered(c *governed, now time.Time) {
	c.state.Failures, c.holds = 0, 0
	c.state.Answers++
	c.pace.answered(c.rate, now)
	switch was := c.state.Health; {
	case was == waybill.HealthDown || was == waybill.HealthSignInNeeded:
		c.window, c.rising, c.pace.catching = 2, true, true
	case c.rising:
		c.window++
	default:
		c.window += 1 / c.window
	}
	if c.window >= float64(c.most) {
		c.window, c.rising = float64(max(1, c.most)), false
	}
	if c.state.Health != waybill.HealthWorking {
		c.become(waybill.HealthWorking, "", "", now)
		c.state.Until = time.Time{}
	}
}

func (c *governed) become(h waybill.Health, cause waybill.Cause, reason string, now time.Time) {
	if c.state.Health != h {
		c.state.Since = now
	}
	c.state.Health, c.state.Cause, c.state.Reason = h, cause, reason
}

// signInNeeded holds the connection for one more look, and parks it when that fails as well.
func (g *Governor) signInNeeded(c *governed, x *Exchange, probe bool, now time.Time) {
	c.state.Failures++
	switch {
	case c.state.Health != waybill.HealthSignInNeeded:
		c.become(waybill.HealthSignInNeeded, waybill.SignInExpired, x.Words, now)
		c.state.Until = now.Add(firstHold)
	case probe:
		c.become(waybill.HealthSignInNeeded, waybill.SignInExpired, x.Words, now)
		c.state.Until = time.Time{}
	}
}

func (g *Governor) limited(c *governed, x *Exchange, now time.Time) {
	c.window, c.rising = max(1, c.window/2), false
	// Who says when to come again has said enough; and of many refused at once the first says it for all.
	if x.Attempt.RetryAfter <= 0 && x.Until.IsZero() && (c.state.Health != waybill.HealthLimited || !now.Before(c.state.Until)) {
		c.pace.tooMany(now)
	}
	if c.state.Health == waybill.HealthDown || c.state.Health == waybill.HealthSignInNeeded {
		return // something worse stands in the way
	}
	asked := x.Attempt.RetryAfter
	if asked <= 0 && x.Left == 0 && x.Until.After(now) {
		asked = x.Until.Sub(now) // they say when there are calls again
	}
	until := now.Add(g.hold(c, time.Second, asked))
	c.become(waybill.HealthLimited, waybill.LimitReached, x.Words, now)
	if until.After(c.state.Until) {
		c.state.Until = until
	}
}

// failed counts towards an outage. While one lasts only its probe says something new.
func (g *Governor) failed(c *governed, x *Exchange, probe bool, now time.Time) {
	c.state.Failures++
	if c.state.Health == waybill.HealthSignInNeeded || c.state.Failures < openAfter && c.state.Health != waybill.HealthDown {
		return
	}
	if c.state.Health == waybill.HealthDown && !probe {
		return
	}
	reason := fmt.Sprintf("%s (%d failures in a row)", x.Words, c.state.Failures)
	c.become(waybill.HealthDown, x.Attempt.Cause, reason, now)
	c.state.Until = now.Add(g.hold(c, firstHold, x.Attempt.RetryAfter))
}

// hold is how long to leave them alone: what they asked for, bounded, else a span that doubles with each hold in a row,
// between half of it and all of it.
func (g *Governor) hold(c *governed, first, asked time.Duration) time.Duration {
	span := min(first<<min(c.holds, 12), longestHold)
	c.holds++
	if asked > 0 {
		return min(asked, longestAsk)
	}
	return span/2 + time.Duration(g.jitter()*float64(span/2))
}

// Answering reports whether the connection's last call was answered: then a failure that looks like an outage is, until
// more calls fail, the call's own. Ask before Release, for Exchange.Alone.
func (g *Governor) Answering(connection string) bool {
	c := g.of(connection)
	return c.state.Failures == 0 && c.state.Answers > 0
}

// State returns what is known of a connection.
func (g *Governor) State(connection string) waybill.ConnectionState { return g.of(connection).copy() }

// Restore takes over what the book remembers at the start.
func (g *Governor) Restore(s waybill.ConnectionState) {
	if s.Connection == "" {
		return
	}
	c := g.of(s.Connection)
	s.Parked = slices.Clone(s.Parked)
	if s.Health == "" {
		s.Health = waybill.HealthWorking
	}
	c.state = s
	if c.pace.learnt == 0 && s.Learnt > 0 {
		c.pace.learnt, c.pace.peak = s.Learnt, s.Learnt/tooMuch
	}
}

// CaughtUp says that nothing more waits for the connection: what an outage had held up is worked off.
func (g *Governor) CaughtUp(connection string) {
	if c := g.known[connection]; c != nil {
		c.pace.catching = false
	}
}

// Pause lets nothing through until a person resumes it; words say who paused it, and why.
func (g *Governor) Pause(connection, words string, now time.Time) waybill.ConnectionState {
	c := g.of(connection)
	c.become(waybill.HealthPaused, waybill.WaitingForPerson, words, now)
	c.state.Until = time.Time{}
	return c.copy()
}

// Resume forgets what stood in the way, parked actions included: a person says that it is mended.
func (g *Governor) Resume(connection string, now time.Time) waybill.ConnectionState {
	c := g.of(connection)
	c.become(waybill.HealthWorking, "", "", now)
	c.state.Until, c.state.Failures, c.state.Parked = time.Time{}, 0, nil
	c.holds, c.window, c.rising = 0, float64(max(1, c.most)), false
	return c.copy()
}

// Probe ends the hold of an outage now: the next call finds out. A pause stays.
func (g *Governor) Probe(connection string, now time.Time) waybill.ConnectionState {
	c := g.of(connection)
	if c.state.Health != waybill.HealthPaused && c.state.Health != waybill.HealthWorking {
		c.state.Until = now
	}
	return c.copy()
}

// Park holds one action of a connection; Unpark lets it go on.
func (g *Governor) Park(connection, action string) waybill.ConnectionState {
	c := g.of(connection)
	if !slices.Contains(c.state.Parked, action) {
		c.state.Parked = append(c.state.Parked, action)
	}
	return c.copy()
}

// Unpark lets a parked action go on: the permission is there.
func (g *Governor) Unpark(connection, action string) waybill.ConnectionState {
	c := g.of(connection)
	c.state.Parked = slices.DeleteFunc(c.state.Parked, func(a string) bool { return a == action })
	return c.copy()
}
