package show

import (
	"cmp"
	"sync"
	"time"

	"waybill"
)

// Names are the workspace's words as they are now. What they return is not changed afterwards; after a reload they
// return something else.
type Names interface {
	Place() Place
	Flows() []FlowCard             // in the order pages show them
	Connections() []ConnectionCard // in the order pages show them
	Owner(name string) string      // a person's or team's title; the name itself when there is none
	People(owner string) []string  // the names by which those sign in who answer for an owner
}

// Place is what a page says about where it is.
type Place struct {
	Name        string // of the workspace
	Environment string // offline, test, production
	Zone        *time.Location
	Bundle      waybill.BundleID // the workspace's version
	Version     string           // the program's
	Builder     bool             // whether things can be triggered here: shows the commands of the first steps
}

// FlowCard is a flow in words.
type FlowCard struct {
	Name      string
	Title     string
	Owner     string
	On        []string // event types
	Columns   []string // paths into the event: order.id
	DueWithin time.Duration
	Steps     []StepCard
	File      string
}

// StepCard is a step in words.
type StepCard struct {
	Address string // won, items[].update
	Title   string // Update a deal in HubSpot
}

// ConnectionCard is an account at an outside system in words, with what its connector can do.
type ConnectionCard struct {
	Name       string
	Title      string
	System     string // the connector's title: HubSpot
	Connector  string // the connector's name and version: hubspot v3
	APIVersion string
	RetiresOn  string
	Account    string
	Intake     string // the address its webhooks go to, empty when nothing comes in
	Summary    string
	Limits     string // in words: at most 8 at once, 10 a second
	Actions    []ActionCard
	Flows      []string // the names of the flows that use it
}

// ActionCard is one action, with what makes doing it again harmless.
type ActionCard struct {
	Name     string
	Title    string
	Kind     waybill.ActionKind
	Repeat   waybill.Repeat
	Proves   string // answer, handed_over, callback: what a good answer proves
	Undo     string // how it is undone, in words; empty when it cannot be
	UndoneBy string // the action that undoes it, where there is one
	Cannot   string // why it cannot be undone, in words
	Notes    []string
}

// remembered is Names that makes its cards once for each version of the workspace: a list asks for them on every row.
type remembered struct {
	Names
	mu     sync.Mutex
	bundle waybill.BundleID
	flows  []FlowCard
	conns  []ConnectionCard
}

func (r *remembered) cards() ([]FlowCard, []ConnectionCard) {
	now := r.Place().Bundle
	r.mu.Lock()
	defer r.mu.Unlock()
	if now == "" || now != r.bundle {
		r.bundle, r.flows, r.conns = now, r.Names.Flows(), r.Names.Connections()
	}
	return r.flows, r.conns
}

// Flows returns the cards of the current version.
func (r *remembered) Flows() []FlowCard {
	flows, _ := r.cards()
	return flows
}

// Connections returns the cards of the current version.
func (r *remembered) Connections() []ConnectionCard {
	_, conns := r.cards()
	return conns
}

// words finds things in Names, and satisfies watch.Names.
type words struct{ names Names }

func (w words) flow(name string) (FlowCard, bool) {
	for _, f := range w.names.Flows() {
		if f.Name == name {
			return f, true
		}
	}
	return FlowCard{Name: name, Title: name}, false
}

func (w words) connection(name string) (ConnectionCard, bool) {
	for _, c := range w.names.Connections() {
		if c.Name == name {
			return c, true
		}
	}
	return ConnectionCard{Name: name, Title: name, System: name}, false
}

func (w words) action(connection, action string) ActionCard {
	c, _ := w.connection(connection)
	for _, a := range c.Actions {
		if a.Name == action {
			return a
		}
	}
	return ActionCard{Name: action, Title: sayName(action)}
}

// step says a step in words: its card's title, without the item's key in the address.
func (w words) step(flow, address string) string {
	f, _ := w.flow(flow)
	plain := waybill.PlainAddress(address)
	for _, s := range f.Steps {
		if s.Address == address || s.Address == plain {
			return s.Title
		}
	}
	return ""
}

func (w words) System(connection string) string {
	c, _ := w.connection(connection)
	return cmp.Or(c.System, connection)
}

func (w words) Action(connection, action string) string {
	a := w.action(connection, action)
	return cmp.Or(a.Title, action)
}

func (w words) Owner(name string) string { return cmp.Or(w.names.Owner(name), name) }

func (w words) Grade(connection, action string) (waybill.ActionKind, waybill.Repeat) {
	a := w.action(connection, action)
	return a.Kind, a.Repeat
}

// owner is who has to act, for people.
func (w words) owner(name string) string {
	if name == "" {
		return "Nobody yet"
	}
	return w.Owner(name)
}
