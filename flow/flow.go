// Package flow says what shall happen: definitions written in YAML, a compiler that checks every reference and type, and
// a pure state machine that takes a run from one answer to the next.
//
// It promises: Next is a function of its arguments and nothing else, so a run's history replays to the same moves; a
// step's inputs are evaluated once. It must not know the book, HTTP or connectors' wire formats.
package flow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

// Flow is one flow, compiled and immutable.
type Flow struct {
	Name      string
	Title     string
	Owner     string
	On        []string // event types of one noun
	From      []string // connections; empty: any
	Noun      string
	DueWithin time.Duration
	Hold      bool      // behind_blocked: hold
	Columns   []string  // paths of event fields, as written: order.customer.email
	Schedule  *Schedule // when it starts by itself; nil for a flow that events start
	File      string
	Line      int

	former   names
	when     *expr.Program
	lane     *expr.Program
	laneName string // the flow's name, or the name of a lane it shares
	steps    []*step
	cancels  []*awaited // events that end a run while it waits
	results  []string   // ids of the steps whose output later expressions may name, and the names of loop items
	uses     map[string]bool
	span     source.Span
}

// Deps is what a definition may refer to.
type Deps struct {
	Catalogue   *catalogue.Catalogue
	Connections map[string]*connector.Manifest // by connection name
	Env         *expr.Env
	Owners      []string
	People      map[string][]string  // by owner: who answers for them
	Approve     []waybill.ActionKind // writes that are approved before they are sent
	Calendar    Calendar             // business hours and holidays, by the workspace's zone
}

// MaxItems is how many items `each` follows; a longer list blocks the run rather than being cut.
const MaxItems = 1000

// Consider says whether the flow is for this event and, if not, which clause and values ruled it out; and its lane,
// empty for a lane of its own. data is the event's data under its noun's name. An error means that `when` or `lane`
// could not be evaluated: our mapping is wrong.
func (f *Flow) Consider(e *waybill.Event, data map[string]any) (c waybill.Consideration, lane string, err error) {
	c = waybill.Consideration{Flow: f.Name, Title: f.Title}
	if !slices.Contains(f.On, e.Type) {
		c.Reason = fmt.Sprintf("it starts on %s, and this is %s", strings.Join(f.On, " or "), e.Type)
		return c, "", nil
	}
	if len(f.From) > 0 && !slices.Contains(f.From, e.Connection) {
		c.Reason = fmt.Sprintf("it takes events from %s only, and this came from %s", strings.Join(f.From, " or "), origin(e))
		return c, "", nil
	}
	vars := map[string]any{f.Noun: data}
	if f.when != nil {
		yes, err := f.when.Bool(vars, nil)
		if err != nil {
			return c, "", trouble(f.when.Span(), "`when`", err)
		}
		if !yes {
			c.Clause, c.Values = f.when.Explain(vars, nil)
			c.Reason = ruledOut(c.Clause, c.Values)
			return c, "", nil
		}
	}
	c.Matched = true
	if f.lane != nil {
		value, err := f.lane.Eval(vars, nil)
		if err != nil {
			return c, "", trouble(f.lane.Span(), "`lane`", err)
		}
		if text := keyText(value); text != "" {
			lane = f.laneName + "|" + text
		}
	}
	return c, lane, nil
}

func origin(e *waybill.Event) string {
	if e.Connection == "" {
		return "another flow"
	}
	return e.Connection
}

// ruledOut says in words why a condition was false: "order.paid_total.minor > 0" is false: order.paid_total.minor is 0.
func ruledOut(clause string, values map[string]string) string {
	text := fmt.Sprintf("`%s` is not so", clause)
	if len(values) == 0 {
		return text
	}
	said := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		said = append(said, name+" is "+values[name])
	}
	return text + ": " + strings.Join(said, ", ")
}

// Emit is an event type that a flow makes, and where that is written.
type Emit struct {
	Type string
	Span source.Span
}

// Emits lists the events the flow makes, in the order written.
func (f *Flow) Emits() []Emit {
	var out []Emit
	walkSteps(f.steps, func(s *step) {
		if s.kind == kindEmit {
			out = append(out, Emit{s.event, s.span})
		}
	})
	return out
}

// Span returns where the flow's name is written.
func (f *Flow) Span() source.Span { return f.span }

// Uses reports whether the flow names the connection, in a step or under `from`.
func (f *Flow) Uses(connection string) bool { return f.uses[connection] }

// StepView is one step as pages show it.
type StepView struct {
	Address string // with [] where the key of a loop's item stands: items[].update
	Kind    string // get, do, set, choose, case, each, emit, end, wait, wait_for
	Does    string // crm.deal.update
	Title   string
	Undo    string // of a do: how it can be undone, or that it cannot, in words
	Depth   int
	File    string
	Line    int
}

// Steps describes the steps for pages, in order, with their nesting.
func (f *Flow) Steps() []StepView { return viewSteps(nil, f.steps, 0) }

func viewSteps(out []StepView, list []*step, depth int) []StepView {
	for _, s := range list {
		out = append(out, StepView{
			Address: s.address, Kind: string(s.kind), Does: s.does(), Title: s.title, Undo: s.undoWords(), Depth: depth,
			File: s.span.File, Line: s.span.Line,
		})
		for _, b := range s.branches {
			if s.kind == kindChoose || s.kind == kindAsk {
				out = append(out, StepView{
					Address: s.address + "." + b.name, Kind: "case", Does: b.clause(), Title: b.title, Depth: depth + 1,
					File: b.span.File, Line: b.span.Line,
				})
				out = viewSteps(out, b.steps, depth+2)
				continue
			}
			out = viewSteps(out, b.steps, depth+1)
		}
	}
	return out
}
