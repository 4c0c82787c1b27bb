package deliver_test

import (
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
)

// governed drives one connection through virtual time.
type governed struct {
	t   *testing.T
	g   *deliver.Governor
	l   connector.Limits
	now time.Time
}

func govern(t *testing.T, l connector.Limits) *governed {
	t.Helper()
	return &governed{t: t, g: deliver.NewGovernor(func() float64 { return 1 }), l: l, now: t0}
}

func (c *governed) acquire(want bool) time.Time {
	c.t.Helper()
	ok, again := c.g.Acquire("crm", c.l, c.now)
	if ok != want {
		c.t.Fatalf("acquired %v, want %v (again %v, %+v)", ok, want, again.Sub(c.now), c.g.State("crm"))
	}
	return again
}

func (c *governed) release(certainty waybill.Certainty, cause waybill.Cause, status int, health waybill.Health) waybill.ConnectionState {
	c.t.Helper()
	x := exchangeOf(certainty, cause, status)
	return c.releaseAs(x, health)
}

func (c *governed) releaseAs(x deliver.Exchange, health waybill.Health) waybill.ConnectionState {
	c.t.Helper()
	before := c.g.State("crm").Health
	changed, s := c.g.Release("crm", &x, c.now)
	if s.Health != health {
		c.t.Fatalf("health %s, want %s: %+v", s.Health, health, s)
	}
	if changed != (before != health) {
		c.t.Errorf("changed %v from %s to %s", changed, before, health)
	}
	return s
}

func (c *governed) down() waybill.ConnectionState {
	c.t.Helper()
	var s waybill.ConnectionState
	for i := range 3 {
		c.acquire(true)
		health := waybill.HealthWorking
		if i == 2 {
			health = waybill.HealthDown
		}
		s = c.release(waybill.NotHappened, waybill.TheirSideDown, 0, health)
	}
	return s
}

func TestNoMoreCallsAreUnderWayThanTheConnectionTakes(t *testing.T) {
	c := govern(t, connector.Limits{Concurrency: 2})
	c.acquire(true)
	c.acquire(true)
	if again := c.acquire(false); !again.IsZero() {
		t.Errorf("ask again %v, want when a slot is released", again)
	}
	c.g.Release("crm", nil, c.now)
	c.acquire(true)
}

func TestTheRateIsKeptAndUnusedTokensComeBack(t *testing.T) {
	c := govern(t, connector.Limits{PerSecond: 2, Burst: 3, Concurrency: 100})
	for range 3 {
		c.acquire(true)
	}
	if again := c.acquire(false); again.Sub(c.now) != 500*time.Millisecond {
		t.Errorf("ask again in %v", again.Sub(c.now))
	}
	c.g.Release("crm", nil, c.now) // the gate said no
	c.acquire(true)
	c.now = c.now.Add(500 * time.Millisecond)
	c.acquire(true)
	c.acquire(false)
	c.now = c.now.Add(time.Hour) // no more than the burst is saved up
	for range 3 {
		c.acquire(true)
	}
	c.acquire(false)
}

func TestAskingAgainWhenToldIsEnough(t *testing.T) {
	c := govern(t, connector.Limits{PerSecond: 3, Burst: 1, Concurrency: 1000})
	for range 100 {
		c.acquire(true)
		c.now = c.acquire(false)
	}
	if rate := 100 / c.now.Sub(t0).Seconds(); rate < 2.99 || rate > 3.01 {
		t.Errorf("%v a second", rate)
	}
}

func TestThreeFailuresInARowAreAnOutageThatOneCallAtATimeProbes(t *testing.T) {
	c := govern(t, connector.Limits{})
	s := c.down()
	if s.Until.Sub(c.now) != 5*time.Second || s.Cause != waybill.TheirSideDown || s.Failures != 3 || !s.Since.Equal(t0) {
		t.Errorf("%+v", s)
	}
	for i, seconds := range []int{5, 10, 20, 40, 80, 160, 300, 300} {
		hold := time.Duration(seconds) * time.Second
		if again := c.acquire(false); again.Sub(c.now) != hold {
			t.Fatalf("hold %d is %v, want %v", i, again.Sub(c.now), hold)
		}
		c.now = c.now.Add(hold)
		c.acquire(true)
		if again := c.acquire(false); !again.IsZero() {
			t.Fatal("two probes at once")
		}
		c.release(waybill.InDoubt, waybill.TheirSideDown, 503, waybill.HealthDown)
	}
	c.now = c.now.Add(5 * time.Minute)
	c.acquire(true)
	if s := c.release(waybill.Happened, "", 200, waybill.HealthWorking); !s.Until.IsZero() || s.Failures != 0 || s.Reason != "" {
		t.Errorf("it still says %+v", s)
	}
	c.acquire(true)
	c.acquire(true)
}

func TestAnAnswerBetweenFailuresIsNoOutage(t *testing.T) {
	c := govern(t, connector.Limits{})
	for range 20 {
		c.acquire(true)
		c.release(waybill.InDoubt, waybill.TheirSideDown, 500, waybill.HealthWorking)
		c.acquire(true)
		c.release(waybill.Declined, waybill.DeclinedValue, 422, waybill.HealthWorking)
	}
}

func TestAFailureAmongAnswersIsTheCallsOwn(t *testing.T) {
	c := govern(t, connector.Limits{})
	if c.g.Answering("crm") {
		t.Error("nothing was answered yet")
	}
	c.acquire(true)
	c.release(waybill.Happened, "", 200, waybill.HealthWorking)
	if !c.g.Answering("crm") {
		t.Error("it was answered")
	}
	c.acquire(true)
	c.release(waybill.InDoubt, waybill.TheirSideDown, 500, waybill.HealthWorking)
	if c.g.Answering("crm") {
		t.Error("the last call failed")
	}
}

func TestOldCallsThatEndDuringAnOutageSayNothingNew(t *testing.T) {
	c := govern(t, connector.Limits{Concurrency: 8})
	for range 6 {
		c.acquire(true)
	}
	for i := range 3 {
		health := waybill.HealthWorking
		if i == 2 {
			health = waybill.HealthDown
		}
		c.release(waybill.NotHappened, waybill.TheirSideDown, 0, health)
	}
	until := c.g.State("crm").Until
	c.now = until.Add(time.Second)
	c.acquire(false) // three older ones are still under way
	for range 3 {
		if s := c.release(waybill.InDoubt, waybill.TooSlow, 0, waybill.HealthDown); !s.Until.Equal(until) {
			t.Errorf("the hold grew by %v", s.Until.Sub(until))
		}
	}
	c.acquire(true)
}

func TestAProbeThatTheGateStopsLeavesTheNextOneToProbe(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.now = c.down().Until
	c.acquire(true)
	c.g.Release("crm", nil, c.now)
	c.acquire(true)
}

func TestALimitReachedHoldsAsLongAsTheyAskAndHalvesTheCalls(t *testing.T) {
	c := govern(t, connector.Limits{Concurrency: 8})
	c.acquire(true)
	x := exchangeOf(waybill.NotHappened, waybill.LimitReached, 429)
	x.Attempt.RetryAfter = time.Minute
	c.releaseAs(x, waybill.HealthLimited)
	if again := c.acquire(false); again.Sub(c.now) != time.Minute {
		t.Errorf("ask again in %v", again.Sub(c.now))
	}
	c.now = c.now.Add(time.Minute)
	for range 4 {
		c.acquire(true)
	}
	c.acquire(false)
	c.release(waybill.Happened, "", 200, waybill.HealthWorking)
	for range 40 { // each answer widens it a little
		c.release(waybill.Happened, "", 200, waybill.HealthWorking)
		c.acquire(true)
	}
	for range 8 {
		c.g.Release("crm", nil, c.now)
	}
	for range 8 {
		c.acquire(true)
	}
	c.acquire(false)
}

func TestALimitOfTenYearsIsADay(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.acquire(true)
	x := exchangeOf(waybill.NotHappened, waybill.LimitReached, 429)
	x.Attempt.RetryAfter = 10 * 365 * 24 * time.Hour
	if s := c.releaseAs(x, waybill.HealthLimited); s.Until.Sub(c.now) != 24*time.Hour {
		t.Errorf("held for %v", s.Until.Sub(c.now))
	}
}

func TestAnExpiredSignInIsLookedAtOnceMoreAndThenParked(t *testing.T) {
	c := govern(t, connector.Limits{Concurrency: 2})
	c.acquire(true)
	c.acquire(true)
	c.release(waybill.NotHappened, waybill.SignInExpired, 401, waybill.HealthSignInNeeded)
	s := c.release(waybill.NotHappened, waybill.SignInExpired, 401, waybill.HealthSignInNeeded) // was under way
	if s.Until.IsZero() {
		t.Fatal("parked without a second look")
	}
	c.now = s.Until
	c.acquire(true)
	if s := c.release(waybill.NotHappened, waybill.SignInExpired, 401, waybill.HealthSignInNeeded); !s.Until.IsZero() {
		t.Errorf("it goes on by itself at %v", s.Until)
	}
	c.now = c.now.Add(24 * time.Hour)
	if again := c.acquire(false); !again.IsZero() {
		t.Errorf("it is asked again at %v", again)
	}
	if s := c.g.Resume("crm", c.now); s.Health != waybill.HealthWorking {
		t.Errorf("%+v", s)
	}
	c.acquire(true)
}

func TestANewTokenIsNoOutage(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.acquire(true)
	x := exchangeOf(waybill.NotHappened, waybill.SignInExpired, 401)
	x.SignIn = true
	c.releaseAs(x, waybill.HealthWorking)
}

func TestAMissingPermissionParksTheActionOnly(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.acquire(true)
	x := exchangeOf(waybill.Declined, waybill.PermissionMissing, 403)
	x.Action = "deal.update"
	changed, s := c.g.Release("crm", &x, c.now)
	if !changed || len(s.Parked) != 1 || s.Parked[0] != "deal.update" || s.Health != waybill.HealthWorking {
		t.Errorf("%v %+v", changed, s)
	}
	if changed, s := c.g.Release("crm", &x, c.now); changed || len(s.Parked) != 1 {
		t.Errorf("parked twice: %+v", s)
	}
	if s := c.g.Unpark("crm", "deal.update"); len(s.Parked) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestOurOwnRefusalSaysNothingOfTheirSide(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.now = c.down().Until
	c.acquire(true)
	c.release(waybill.NotHappened, waybill.BlockedByRule, 0, waybill.HealthDown)
	c.acquire(true)
	c.release(waybill.NotHappened, waybill.OurSide, 0, waybill.HealthDown)
}

func TestAPauseIsEndedByAPersonOnly(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.acquire(true)
	c.g.Pause("crm", "paused by asha", c.now)
	c.acquire(false)
	c.release(waybill.Happened, "", 200, waybill.HealthPaused)
	c.g.Probe("crm", c.now)
	c.acquire(false)
	c.g.Resume("crm", c.now)
	c.acquire(true)
}

func TestAPersonMayProbeAtOnce(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.down()
	c.acquire(false)
	c.g.Probe("crm", c.now)
	c.acquire(true)
	c.acquire(false)
}

func TestWhatTheBookRemembersStands(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.g.Restore(waybill.ConnectionState{
		Connection: "crm", Health: waybill.HealthDown, Until: t0.Add(time.Minute), Failures: 7, Parked: []string{"deal.update"},
	})
	if again := c.acquire(false); !again.Equal(t0.Add(time.Minute)) {
		t.Errorf("ask again at %v", again)
	}
	if s := c.g.State("crm"); s.Failures != 7 || len(s.Parked) != 1 {
		t.Errorf("%+v", s)
	}
	if s := c.g.State("other"); s.Health != waybill.HealthWorking {
		t.Errorf("a connection nothing is known of: %+v", s)
	}
}

func TestOneConnectionsOutageIsNotAnothers(t *testing.T) {
	c := govern(t, connector.Limits{})
	c.down()
	if ok, _ := c.g.Acquire("shop", connector.Limits{}, c.now); !ok {
		t.Error("shop waits for crm")
	}
}
