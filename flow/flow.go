// Package flow says what shall happen: definitions written in YAML, a compiler that checks every reference and type, and
// a pure state machine that takes a run from one answer to the next.
//
// It promises: Next is a function of its arguments and nothing else, so a run's history replays to the same moves; a
// step's inputs are evaluated once. It must not know the book, HTTP or connectors' wire formats.
package flow

import (
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
	Hold      bool // behind_blocked: hold
	Columns   []string
	File      string
	Line      int
	// unexported: when, lane, steps
}

// Deps is what a definition may refer to.
type Deps struct {
	Catalogue   *catalogue.Catalogue
	Connections map[string]*connector.Manifest // by connection name
	Env         *expr.Env
	Owners      []string
}

// Compile checks one file's flow and compiles it; every fault at once.
func Compile(n *source.Node, d Deps) (*Flow, source.Faults) { panic("unwritten") }

// Consider says whether the flow is for this event and, if not, which clause and values ruled it out; and its lane.
func (f *Flow) Consider(e *waybill.Event, data map[string]any) (c waybill.Consideration, lane string, err error) {
	panic("unwritten")
}

// Start returns the progress of a run that has not begun.
func (f *Flow) Start() *Progress { panic("unwritten") }

// Progress is the state of a run's machine; it encodes to JSON for Run.Progress.
type Progress struct{}

// Encode and Decode carry it to the book and back.
func (p *Progress) Encode() []byte       { panic("unwritten") }
func Decode(b []byte) (*Progress, error) { panic("unwritten") }
func (p *Progress) Clone() *Progress     { panic("unwritten") }

// Answer is what came of the step the run waits for.
type Answer struct {
	Address string
	Result  Result
	Output  any // of a confirmed effect or a fetch that found something
	Cause   waybill.Cause
	Code    string
	Words   string
}

// Result is how a step ended.
type Result string

// The results of a step.
const (
	Succeeded Result = "succeeded" // confirmed, or found
	NotFound  Result = "not found" // a get that found nothing
	Failed    Result = "failed"    // declined, or a fetch that failed for good
	Skipped   Result = "skipped"   // by the gate or a person: the run goes on
	Unknown   Result = "unknown"   // waits for proof or a person
)

// Move is one thing the machine asks for; exactly one field is set.
type Move struct {
	Effect *PlannedEffect
	Fetch  *PlannedFetch
	Emit   *Emitted
	Done   *Ended
	Block  *Blocked
	Wait   *Waiting // nothing more until the awaited answer
}

// PlannedEffect is an effect to plan. The run waits for its answer.
type PlannedEffect struct {
	Address    string
	Connection string
	Action     *connector.Action
	Inputs     map[string]any
	GoodFor    time.Duration
	Undo       string
	CarryOn    bool
}

// PlannedFetch is a read to make. The run waits for its answer.
type PlannedFetch struct {
	Address    string
	Connection string
	Action     *connector.Action
	Inputs     map[string]any
}

// Emitted is an event to make, at most 8 hops from an item.
type Emitted struct {
	Address string
	Type    string
	Data    map[string]any
}

// Ended says the run is done.
type Ended struct {
	Reason      string
	FailedParts int
}

// Blocked says the run needs a person.
type Blocked struct {
	Address string
	Cause   waybill.Cause
	Code    string
	Words   string
}

// Waiting says what the run waits for.
type Waiting struct{ Address, Reason string }

// Next takes the run as far as it can go without the outside world: from its progress and, unless it has just started
// or is retried, an answer. It returns the new progress and the moves in order. An expression that fails blocks the run.
func (f *Flow) Next(p *Progress, e *waybill.Event, data map[string]any, a *Answer, r expr.Reads) (*Progress, []Move) {
	panic("unwritten")
}

// NeedsBook reports whether the next part of the run reads tables or pairings.
func (f *Flow) NeedsBook(p *Progress) bool { panic("unwritten") }

// Awaits returns the address the run waits for, empty when none.
func (p *Progress) Awaits() string { panic("unwritten") }

// Skip and Edit are a person's choices on a blocked run: leave the step out, or give it other inputs.
func (f *Flow) Skip(p *Progress, address string) *Progress                        { panic("unwritten") }
func (f *Flow) Edit(p *Progress, address string, inputs map[string]any) *Progress { panic("unwritten") }

// Steps describes the steps for pages, in order, with their nesting.
func (f *Flow) Steps() []StepView { panic("unwritten") }

// StepView is one step as pages show it.
type StepView struct {
	Address string
	Kind    string
	Does    string // crm.deal.update
	Title   string
	Depth   int
}
