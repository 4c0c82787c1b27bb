// Package deliver makes effects happen: it renders a request once, asks the gate, makes one exchange, judges what the
// exchange proves, and decides what comes next. It is the only package that dials out.
//
// It promises: one attempt is one exchange (the HTTP client's own retries and redirects are off); nothing private is
// dialled unless the connection names it; no answer is read beyond its cap; an outcome that is not proven is in doubt.
//
// It must not know the book or flows. It starts no goroutine, timer or select of its own; the clock is given.
package deliver

import (
	"context"
	"net/http"
	"time"

	"waybill"
	"waybill/connector"
)

// Target is a connection as deliver sees it.
type Target struct {
	Connection string
	Account    string
	Manifest   *connector.Manifest
	BaseURL    string
	Settings   map[string]string
	Private    []string // host:port it may reach though private
	Limits     connector.Limits
	// Secret returns the clear value of one of the connector's secrets.
	Secret func(name string) (string, bool)
}

// Rendered is a call ready to be frozen.
type Rendered struct {
	Request     waybill.Request
	Object      waybill.Object
	Fingerprint string // of account, action and inputs
}

// Render renders an action's call. key is our reference (empty for a read). The request carries no credentials.
func Render(t *Target, action *connector.Action, inputs map[string]any, key string) (Rendered, error) {
	panic("unwritten")
}

// Key gives our reference for an effect in the form the action's provider takes.
func Key(action *connector.Action, e *waybill.Effect) string { panic("unwritten") }

// Exchange is one attempt with what it proves.
type Exchange struct {
	Attempt waybill.Attempt // request as sent and response, redacted
	Answer  any             // the action's output; nil when there is none
	Found   bool            // of a read
	Object  string          // the object's id, from the answer
	Words   string          // a matcher's words, or the transport's
	Code    string          // the provider's code, for grouping
	Fix     string
	Who     string
	SignIn  bool // a token was refreshed for it
}

// Caller makes exchanges.
type Caller struct {
	Transport http.RoundTripper // Dial's in production, the simulator's in tests
	Now       func() time.Time
	Redact    func([]byte) []byte
}

// Call makes one exchange of a frozen request. It never retries; signing in (a token fetch) is not part of it.
func (c *Caller) Call(ctx context.Context, t *Target, action *connector.Action, req waybill.Request) Exchange {
	panic("unwritten")
}

// Decision is what comes after an exchange.
type Decision struct {
	State     waybill.EffectState // confirmed, declined, unknown, planned
	DueAt     time.Time           // next attempt or look-up; zero: none by itself
	Look      bool                // DueAt is for a look-up
	Outage    bool                // the connection, not the work, is to blame
	CountsTry bool
	Proof     string
	Reason    string // in words
	Ask       bool   // a person decides
}

// Policy bounds retries.
type Policy struct {
	Tries         int            // default 8
	First         time.Duration  // default 2 s; doubled each time, full jitter
	Longest       time.Duration  // default 1 h
	RetryAfterCap time.Duration  // default 24 h
	Jitter        func() float64 // in [0,1)
}

// Decide says what an exchange means for an effect (blueprint section 7, In doubt and Retry). Pure.
func Decide(e *waybill.Effect, action *connector.Action, x Exchange, p Policy, now time.Time) Decision {
	panic("unwritten")
}

// Recover says what becomes of an effect found as sent after the process ended in mid-exchange. Pure.
func Recover(e *waybill.Effect, action *connector.Action, p Policy, now time.Time) Decision {
	panic("unwritten")
}

// DecideLook says what a look-up proves about an effect in doubt. Pure.
func DecideLook(e *waybill.Effect, action *connector.Action, x Exchange, matched bool, p Policy, now time.Time) Decision {
	panic("unwritten")
}

// DecideFetch says what comes after a read: done, again at DueAt, or failed.
func DecideFetch(f *waybill.Fetch, action *connector.Action, x Exchange, p Policy, now time.Time) (waybill.FetchState, Decision) {
	panic("unwritten")
}

// GateView is what the rules of the gate may look at.
type GateView struct {
	Effect      *waybill.Effect
	Run         *waybill.Run
	Connection  *waybill.ConnectionState
	Newest      waybill.Stamp // of the facts written to the same object
	NewestBy    waybill.EffectID
	Environment string
	Allow       []string // recipients a test environment may write to; nil: any
	Recipient   string
	Now         time.Time
}

// Rule is one rule of the gate: a pure function.
type Rule struct {
	Name  string
	Judge func(GateView) waybill.GateAnswer
}

// Rules are the gate's rules in the order they are asked: run still wanted, good for, order guard, environment and
// allow-list, connection open.
func Rules() []Rule { panic("unwritten") }

// Ask asks every rule and returns the answers and the deciding one: the first that is not go, else go.
func AskGate(rules []Rule, v GateView) ([]waybill.GateAnswer, waybill.GateAnswer) { panic("unwritten") }

// Governor holds what is known today of each connection's limits: slots, rate tokens, outages. Its state is in memory;
// the book remembers outages. Not safe for concurrent use: the engine's dispatcher calls it.
type Governor struct{}

// NewGovernor returns one that knows nothing.
func NewGovernor(jitter func() float64) *Governor { panic("unwritten") }

// Acquire takes a slot and a rate token, or says when to ask again (zero time: when a slot is released).
func (g *Governor) Acquire(connection string, limits connector.Limits, now time.Time) (ok bool, again time.Time) {
	panic("unwritten")
}

// Release gives the slot back and learns from the exchange: it returns the connection's health when that changed.
func (g *Governor) Release(connection string, x *Exchange, now time.Time) (changed bool, s waybill.ConnectionState) {
	panic("unwritten")
}

// Restore takes over what the book remembers at the start.
func (g *Governor) Restore(s waybill.ConnectionState) { panic("unwritten") }

// Transport returns the round-tripper of production: no proxy from the environment, no redirects, no retries, response
// headers capped, and a dialer that refuses every private, link-local, metadata or own address after resolving, except
// the host:port pairs allow names for the connection in the request's context.
func Transport() http.RoundTripper { panic("unwritten") }
