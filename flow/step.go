package flow

import (
	"strings"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

type kind string

// The kinds of step, named by their verbs.
const (
	kindGet    kind = "get"
	kindDo     kind = "do"
	kindSet    kind = "set"
	kindChoose kind = "choose"
	kindEach   kind = "each"
	kindEmit   kind = "emit"
	kindEnd    kind = "end"
	kindAsk    kind = "ask"

	kindWait    kind = "wait"
	kindWaitFor kind = "wait_for"
)

// step is one compiled element of a flow.
type step struct {
	id      string
	former  names
	address string
	title   string
	kind    kind
	span    source.Span
	when    *expr.Program
	output  *expr.Schema // the type of its output; nil when it has none
	keep    bool         // an expression somewhere names its output

	connection string // get, do
	action     *connector.Action
	input      *expr.Object // get, do, emit: under `with`; set: the value
	inputAt    source.Span
	ifNone     ifNone        // get
	goodFor    time.Duration // do
	undo       string        // do: restore, or the action that undoes it
	undoes     *undoing      // do: that action
	release    waybill.Release
	fresh      bool   // do: a fact that comes late reads the newest state
	carryOn    bool   // get, do
	event      string // emit
	reason     *expr.Template
	list       *expr.Program // each
	fixed      bool          // each: the list may come out otherwise later, so it is kept as it was when the loop began
	as         string
	by         *expr.Program
	ask        *asking  // ask
	askedBy    *step    // do: the ask that approves it
	timer      *timer   // wait; wait_for: its timeout
	awaited    *awaited // wait_for
	still      *expr.Program
	rereads    []*step   // the look-ups that still names: they are made again
	branches   []*branch // choose: its cases; each: its one body; get: what `create` makes; wait_for: its timeout
	inner      []string  // the ids of all steps in branches
}

// branch is a list of steps inside a step.
type branch struct {
	name  string
	title string
	when  *expr.Program // nil: otherwise
	steps []*step
	span  source.Span
}

func (b *branch) clause() string {
	if b.when == nil {
		return ""
	}
	return b.when.Text()
}

// ifNone is what a get does when it finds nothing.
type ifNone struct {
	does   string // ask, wait, end, create
	wait   time.Duration
	reason string
}

// defaultWait is how long `if_none: wait` goes on looking, and maxWait the longest it may be told to.
const (
	defaultWait = 10 * time.Minute
	maxWait     = 72 * time.Hour
)

// The answers to nothing being found.
const (
	noneAsk    = "ask"
	noneWait   = "wait"
	noneEnd    = "end"
	noneCreate = "create"
)

// otherwise is the name of the case that fits when no other does.
const otherwise = "otherwise"

func (s *step) does() string {
	switch s.kind {
	case kindGet, kindDo:
		return s.connection + "." + s.action.Name
	case kindEmit:
		return s.event
	case kindEach:
		return s.list.Text()
	case kindWait, kindWaitFor:
		return s.waitsFor()
	default:
		return ""
	}
}

// edits reports whether a person may give the step other inputs.
func (s *step) edits() bool { return s.kind == kindGet || s.kind == kindDo || s.kind == kindEmit }

// branch returns the branch of that name.
func (s *step) branch(name string) *branch {
	for _, b := range s.branches {
		if b.name == name {
			return b
		}
	}
	return nil
}

// ends reports whether nothing after the step is ever reached.
func (s *step) ends() bool {
	if s.when != nil {
		return false
	}
	switch s.kind {
	case kindEnd:
		return true
	case kindChoose:
		for _, b := range s.branches {
			if !endsAlways(b.steps) {
				return false
			}
		}
		return len(s.branches) > 0
	default:
		return false
	}
}

func endsAlways(list []*step) bool {
	return len(list) > 0 && list[len(list)-1].ends()
}

// walkSteps calls visit for every step and those inside it, in the order written.
func walkSteps(list []*step, visit func(*step)) {
	for _, s := range list {
		visit(s)
		for _, b := range s.branches {
			walkSteps(b.steps, visit)
		}
	}
}

// idsIn lists the ids of all steps in list.
func idsIn(list []*step) []string {
	var out []string
	walkSteps(list, func(s *step) { out = append(out, s.id) })
	return out
}

// quoted joins names for a sentence: "a", "b" and "c".
func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = `"` + n + `"`
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " and " + out[len(out)-1]
}
