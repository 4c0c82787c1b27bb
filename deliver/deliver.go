// Package deliver makes effects happen: it renders a request once, asks the gate, makes one exchange, judges what the
// exchange proves, and decides what comes next. It is the only package that dials out.
//
//	render.go    a call is rendered and frozen; key.go gives our reference for it
//	gate.go      the rules that are asked before anything is sent
//	govern.go    what is known today of each connection: slots, rate, outages
//	dial.go      the transport: what it refuses to reach
//	signin.go    credentials, put in at call time and never kept
//	call.go      one exchange; classify.go says what it proves
//	decide.go    what comes next: done, again, look, or a person
//
// It promises: one attempt of a write is one exchange (the HTTP client's own retries and redirects are off); nothing
// private is dialled unless the connection names it; no answer is read beyond its cap; no credential is kept with a
// request or an answer; an outcome that is not proven is in doubt, and a doubt is never guessed away.
//
// It must not know the book or flows. It starts no goroutine, timer or select of its own; the clock is given.
package deliver

import (
	"time"

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
	Planned    time.Time // when the call to render is planned, for actions that state a time of ours
	// Epoch is the node's life in which the call was decided; 0: any may make it. See Caller.May.
	Epoch int64
	// Secret returns the clear value of one of the connector's secrets.
	Secret func(name string) (string, bool)
}

// title is the system's name as people read it.
func (t *Target) title() string {
	if t.Manifest != nil && t.Manifest.Title != "" {
		return t.Manifest.Title
	}
	return t.Connection
}
