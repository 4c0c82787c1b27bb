package deliver_test

import (
	"net/http"
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
)

func TestWhatAnAnswerTellsOfTheCallsLeft(t *testing.T) {
	hubspot := connector.Told{Left: "X-HubSpot-RateLimit-Remaining", Window: "X-HubSpot-RateLimit-Interval-Milliseconds"}
	for _, c := range []struct {
		name   string
		header []string
		names  connector.Told
		left   int
		in     time.Duration // 0: nothing is told
	}{
		{"nothing", nil, connector.Told{}, 0, 0},
		{"named headers with a window", []string{"X-HubSpot-RateLimit-Remaining", "7", "X-HubSpot-RateLimit-Interval-Milliseconds", "10000"}, hubspot, 7, 10 * time.Second},
		{"others than the named", []string{"X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "5"}, hubspot, 0, 0},
		{"the IETF's older draft", []string{"RateLimit-Remaining", "0", "RateLimit-Reset", "30"}, connector.Told{}, 0, 30 * time.Second},
		{"the IETF's newer draft", []string{"RateLimit", `"default";r=50;t=30, "daily";r=3;t=60`}, connector.Told{}, 3, time.Minute},
		{"a Unix time", []string{"X-RateLimit-Remaining", "12", "X-RateLimit-Reset", "1793613620"}, connector.Told{}, 12, 20 * time.Second},
		{"a Unix time in milliseconds", []string{"X-RateLimit-Remaining", "12", "X-RateLimit-Reset", "1793613620000"}, connector.Told{}, 12, 20 * time.Second},
		{"a time that is past", []string{"X-RateLimit-Remaining", "12", "X-RateLimit-Reset", "1793613000"}, connector.Told{}, 0, 0},
		{"ten years", []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "99999999"}, connector.Told{}, 0, 0},
		{"no number", []string{"X-RateLimit-Remaining", "many", "X-RateLimit-Reset", "10"}, connector.Told{}, 0, 0},
		{"less than none", []string{"X-RateLimit-Remaining", "-1", "X-RateLimit-Reset", "10"}, connector.Told{}, 0, 0},
		{"NaN", []string{"X-RateLimit-Remaining", "NaN", "X-RateLimit-Reset", "NaN"}, connector.Told{}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			for i := 0; i+1 < len(c.header); i += 2 {
				h.Set(c.header[i], c.header[i+1])
			}
			now := time.Unix(1793613600, 0)
			left, until := deliver.Told(h, c.names, now)
			in := time.Duration(0)
			if !until.IsZero() {
				in = until.Sub(now)
			}
			if left != c.left || in != c.in {
				t.Errorf("%d left for %v, want %d for %v", left, in, c.left, c.in)
			}
		})
	}
}

func TestWhenNoCallsAreLeftNoneIsMadeUntilTheySay(t *testing.T) {
	c := govern(t, connector.Limits{Concurrency: 100})
	c.acquire(true)
	x := exchangeOf(waybill.Happened, "", 200)
	x.Left, x.Until = 3, c.now.Add(10*time.Second)
	c.releaseAs(x, waybill.HealthWorking)
	for range 3 {
		c.acquire(true)
	}
	if again := c.acquire(false); again.Sub(c.now) != 10*time.Second {
		t.Errorf("ask again in %v", again.Sub(c.now))
	}
	c.g.Release("crm", nil, c.now) // the gate said no: one is left again
	c.acquire(true)
	c.acquire(false)
	c.now = c.now.Add(10 * time.Second)
	for range 20 {
		c.acquire(true)
	}
}

// TestARateThatNobodyDeclaredIsLearnt plays a provider that takes 10 calls a second and says no more than 429 to others.
func TestARateThatNobodyDeclaredIsLearnt(t *testing.T) {
	c := govern(t, connector.Limits{Concurrency: 4})
	took, refused := 0, [3]int{}
	second, inIt := c.now, 0
	for c.now.Before(t0.Add(3 * time.Minute)) {
		ok, again := c.g.Acquire("crm", c.l, c.now)
		if !ok {
			if again.IsZero() {
				t.Fatal("nothing is under way and nobody says when to ask again")
			}
			c.now = again
			continue
		}
		if c.now.Sub(second) >= time.Second {
			second, inIt = c.now, 0
		}
		c.now = c.now.Add(10 * time.Millisecond)
		x := exchangeOf(waybill.Happened, "", 200)
		if inIt++; inIt > 10 {
			x = exchangeOf(waybill.NotHappened, waybill.LimitReached, 429)
			refused[int(c.now.Sub(t0).Minutes())]++
		} else {
			took++
		}
		c.g.Release("crm", &x, c.now)
	}
	if took < 3*60*10*45/100 {
		t.Errorf("%d calls in three minutes of 1,800 possible", took)
	}
	if refused[1] > 20 || refused[2] > 20 {
		t.Errorf("%v refused in each minute: nothing was learnt", refused)
	}
}

func TestALearntRateOutlivesARestart(t *testing.T) {
	g := deliver.NewGovernor(func() float64 { return 1 })
	g.Restore(waybill.ConnectionState{Connection: "crm", Learnt: 2})
	if ok, _ := g.Acquire("crm", connector.Limits{}, t0); !ok {
		t.Fatal("the first call is refused")
	}
	g.Acquire("crm", connector.Limits{}, t0)
	if ok, again := g.Acquire("crm", connector.Limits{}, t0); ok || again.Sub(t0) != 500*time.Millisecond {
		t.Errorf("acquired %v, again in %v", ok, again.Sub(t0))
	}
	if got := g.State("crm").Learnt; got != 2 {
		t.Errorf("it says %v a second", got)
	}
}

func TestAfterAnOutageCallsRiseFromFewToAll(t *testing.T) {
	c := govern(t, connector.Limits{Concurrency: 16})
	c.now = c.down().Until
	c.acquire(true)
	c.release(waybill.Happened, "", 200, waybill.HealthWorking)
	width := []int{}
	for range 5 {
		n := 0
		for ok := true; ok; {
			if ok, _ = c.g.Acquire("crm", c.l, c.now); ok {
				n++
			}
		}
		width = append(width, n)
		for range n {
			c.release(waybill.Happened, "", 200, waybill.HealthWorking)
		}
	}
	for i, want := range []int{2, 4, 8, 16, 16} {
		if width[i] != want {
			t.Fatalf("the rounds are %v wide", width)
		}
	}
}
