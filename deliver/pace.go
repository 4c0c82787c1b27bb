package deliver

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"waybill/connector"
)

// pace is how fast a connection may be called: as declared, as their answers tell (so many calls are left until then), as
// learnt where they only say "too many", and slower for a while after an outage, so that a backlog does not throw them over
// again.
type pace struct {
	tokens float64 // left of the rate
	filled time.Time

	left  int       // calls they say are left
	until time.Time // until then; past it nothing is known

	learnt float64   // calls a second; 0: nothing is learnt
	peak   float64   // at which they said that it is too many
	grown  time.Time // when learnt grew last

	second  time.Time // the second of begun
	begun   int       // calls begun in it
	earlier int       // and in the one before

	catching bool // a backlog after an outage is being worked off
}

// How a learnt rate moves: down to a share of what was too much, then up a little each second, until it is forgotten at
// twice what was too much.
const (
	tooMuch     = 0.7
	growth      = 0.02
	slowest     = 0.1
	forget      = 2.0
	longestTold = time.Hour // beyond this what they tell of their window is not believed
)

// rate is how many calls a second are made now; 0: as many as come.
func (p *pace) rate(limits connector.Limits) float64 {
	r := limits.PerSecond
	if p.learnt > 0 && (r <= 0 || p.learnt < r) {
		r = p.learnt
	}
	if !p.catching {
		return r
	}
	slow := limits.CatchUp
	if slow <= 0 {
		slow = r / 2
	}
	if slow > 0 && (r <= 0 || slow < r) {
		r = slow
	}
	return r
}

// fill fills the bucket up to now.
func (p *pace) fill(limits connector.Limits, now time.Time) {
	rate := p.rate(limits)
	if rate <= 0 {
		return
	}
	burst := max(1, float64(limits.Burst))
	if rate != limits.PerSecond {
		burst = max(1, min(burst, rate))
	}
	if p.filled.IsZero() {
		p.tokens = burst
	} else if passed := now.Sub(p.filled); passed > 0 {
		p.tokens += passed.Seconds() * rate
	}
	p.tokens, p.filled = min(p.tokens, burst), now
}

// wait returns when the next call may begin; zero for now.
func (p *pace) wait(limits connector.Limits, now time.Time) time.Time {
	if p.left <= 0 && now.Before(p.until) {
		return p.until
	}
	if rate := p.rate(limits); rate > 0 && p.tokens < 1 {
		return now.Add(time.Duration(math.Ceil((1 - p.tokens) / rate * float64(time.Second))))
	}
	return time.Time{}
}

// free reports whether calls may follow each other as fast as they come.
func (p *pace) free(limits connector.Limits, now time.Time) bool {
	return p.rate(limits) <= 0 && !now.Before(p.until)
}

// begin notes a call that begins now.
func (p *pace) begin(limits connector.Limits, now time.Time) {
	if p.rate(limits) > 0 {
		p.tokens--
	}
	if now.Before(p.until) {
		p.left--
	}
	if gone := now.Sub(p.second); gone >= time.Second || gone < 0 {
		p.earlier = 0
		if gone < 2*time.Second && gone >= 0 {
			p.earlier = p.begun
		}
		p.second, p.begun = now.Truncate(time.Second), 0
	}
	p.begun++
}

// unused gives back what a call took that was not made.
func (p *pace) unused(now time.Time) {
	p.tokens++ // the next fill cuts it to the burst
	if now.Before(p.until) {
		p.left++
	}
}

// tooMany learns from a refusal for the limit: what was begun in a second is too much.
func (p *pace) tooMany(now time.Time) {
	p.peak = float64(max(p.begun, p.earlier, 1))
	rate := p.peak * tooMuch
	if p.learnt > 0 {
		rate = min(rate, p.learnt*tooMuch)
	}
	p.learnt, p.grown = max(rate, slowest), now
	p.tokens, p.filled = 0, now
}

// answered lets a learnt rate grow.
func (p *pace) answered(limits float64, now time.Time) {
	passed := now.Sub(p.grown)
	if p.learnt <= 0 || passed < time.Second {
		return
	}
	p.learnt *= 1 + growth*min(passed.Seconds(), 10)
	p.grown = now
	if limits > 0 && p.learnt >= limits || p.learnt >= forget*p.peak {
		p.learnt = 0
	}
}

// told takes over what an answer tells of the calls that are left.
func (p *pace) told(x *Exchange) {
	if !x.Until.IsZero() {
		p.left, p.until = x.Left, x.Until
	}
}

// told reads what an answer says of the calls that are left and until when: in the headers that the connector names, else
// in those of the IETF draft (draft-ietf-httpapi-ratelimit-headers: RateLimit with r and t, before that RateLimit-Remaining
// and RateLimit-Reset) or in the X-RateLimit ones that many have. A zero time says nothing.
func told(h http.Header, names connector.Told, now time.Time) (left int, until time.Time) {
	if names.Left != "" {
		return toldBy(h.Get(names.Left), h.Get(names.Reset), h.Get(names.Window), now)
	}
	if field := h.Get("RateLimit"); field != "" {
		if left, until := toldInOne(field, now); !until.IsZero() {
			return left, until
		}
	}
	for _, prefix := range []string{"RateLimit-", "X-RateLimit-"} {
		if left, until := toldBy(h.Get(prefix+"Remaining"), h.Get(prefix+"Reset"), "", now); !until.IsZero() {
			return left, until
		}
	}
	return 0, time.Time{}
}

// toldBy reads a count, and when it ends: a span in seconds or a Unix time, or a window in milliseconds.
func toldBy(left, reset, window string, now time.Time) (int, time.Time) {
	n, err := strconv.ParseFloat(strings.TrimSpace(left), 64)
	if err != nil || n < 0 || math.IsNaN(n) {
		return 0, time.Time{}
	}
	count := int(min(n, 1e9))
	if ms, err := strconv.ParseFloat(strings.TrimSpace(window), 64); err == nil {
		return count, within(now, ms/1000)
	}
	end, err := strconv.ParseFloat(strings.TrimSpace(reset), 64)
	switch {
	case err != nil || end < 0:
		return 0, time.Time{}
	case end > 1e11: // a Unix time in milliseconds
		return count, within(now, end/1000-float64(now.UnixMilli())/1000)
	case end > 1e8: // in seconds
		return count, within(now, end-float64(now.UnixMilli())/1000)
	default:
		return count, within(now, end)
	}
}

// within is so many seconds from now; zero for a span that is none or longer than is believed.
func within(now time.Time, seconds float64) time.Time {
	if math.IsNaN(seconds) || seconds <= 0 || seconds > longestTold.Seconds() {
		return time.Time{}
	}
	return now.Add(time.Duration(seconds * float64(time.Second)))
}

// toldInOne reads the one field of the newer draft: "default";r=50;t=30. Of several policies the one with the least left
// counts.
func toldInOne(field string, now time.Time) (left int, until time.Time) {
	for policy := range strings.SplitSeq(field, ",") {
		var r, t string
		for part := range strings.SplitSeq(policy, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch name {
			case "r":
				r = value
			case "t":
				t = value
			}
		}
		if n, end := toldBy(r, t, "", now); !end.IsZero() && (until.IsZero() || n < left) {
			left, until = n, end
		}
	}
	return left, until
}
