package simulator

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// FaultKind is one way to misbehave.
type FaultKind string

// The faults of calls.
const (
	RateLimited  FaultKind = "rate_limited"  // 429, with Retry-After when RetryAfter is given
	ErrorBefore  FaultKind = "error_before"  // 500, and nothing happened
	ErrorAfter   FaultKind = "error_after"   // 500, though it happened
	Slow         FaultKind = "slow"          // it happened, and the answer comes after Delay (default 45 s)
	Refused      FaultKind = "refused"       // no connection
	ResetBefore  FaultKind = "reset_before"  // the connection breaks before anything happened
	LostAfter    FaultKind = "lost_after"    // it happened, and the connection breaks before the answer
	TokenExpired FaultKind = "token_expired" // 401, and nothing happened
	Lag          FaultKind = "lag"           // it happened, and searches do not see it for Delay (default 30 s)
	Truncated    FaultKind = "truncated"     // it happened, and the answer breaks off in its middle
	HTML200      FaultKind = "html_200"      // a page of some machine in between, status 200; nothing happened
	BusinessNo   FaultKind = "declined"      // a refusal the provider documents for this call
)

// The faults of webhooks.
const (
	Duplicate FaultKind = "duplicate" // sent twice
	Late      FaultKind = "late"      // sent after Delay (default 10 minutes)
	Reordered FaultKind = "reordered" // overtaken by those that follow within Delay (default 20 s)
	Forged    FaultKind = "forged"    // somebody else's request before it, signed with a wrong secret
)

// CallFaults and WebhookFaults list the kinds.
var (
	CallFaults = []FaultKind{ // a table that nothing changes
		RateLimited, ErrorBefore, ErrorAfter, Slow, Refused, ResetBefore, LostAfter, TokenExpired, Lag, Truncated, HTML200,
		BusinessNo,
	}
	WebhookFaults = []FaultKind{Duplicate, Late, Reordered, Forged}
)

// Fault is a piece of misbehaviour to come.
type Fault struct {
	Connection  string // empty: any
	Match       string // an action, an event, a path or a pattern of one (path.Match); empty: any
	Kind        FaultKind
	Times       int     // how often; 0 is once, negative for ever
	Probability float64 // of striking at each chance; 0 is always
	RetryAfter  time.Duration
	Delay       time.Duration
}

// Script adds faults that strike in this order: each call takes the first that fits it, and uses it up.
func (w *World) Script(faults ...Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		w.script = append(w.script, f)
	}
}

// Storm makes faults strike at random, each with its probability from 0 to 1, until it is called again. A nil map ends it.
func (w *World) Storm(probability map[FaultKind]float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.storm = maps.Clone(probability)
}

// Calm ends storm and script.
func (w *World) Calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.storm, w.script = nil, nil
}

// strike returns the fault that hits what goes by these names, of one of the kinds; ok is false when none does.
func (w *World) strike(connection string, kinds []FaultKind, names ...string) (Fault, bool) {
	for i := range w.script {
		f := &w.script[i]
		if !slices.Contains(kinds, f.Kind) || (f.Connection != "" && f.Connection != connection) || !fits(f.Match, names) {
			continue
		}
		if f.Probability > 0 && w.rand.Float64() >= f.Probability {
			continue
		}
		hit := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				w.script = slices.Delete(w.script, i, i+1)
			}
		}
		return hit, true
	}
	for _, kind := range kinds { // in the order of the list, so that a seed repeats
		if p := w.storm[kind]; p > 0 && w.rand.Float64() < p {
			return Fault{Connection: connection, Kind: kind}, true
		}
	}
	return Fault{}, false
}

func fits(match string, names []string) bool {
	if match == "" {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool {
		ok, _ := path.Match(match, name)
		return ok || strings.EqualFold(match, name)
	})
}

func (f Fault) delay(standard time.Duration) time.Duration {
	if f.Delay > 0 {
		return f.Delay
	}
	return standard
}
