package flow

import (
	"time"

	"waybill"
	"waybill/connector"
)

// Answer is what came of the step the run waits for.
type Answer struct {
	Address string
	Result  Result
	// Output is the action's output: of a confirmed effect, or of a fetch that found something. A skipped step may carry
	// one too, when what it would have written is known to be there (the order guard found a newer fact).
	Output any
	Cause  waybill.Cause
	Code   string
	Words  string
	By     string         // who answered an ask
	Values map[string]any // what they changed; nil: nothing
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
	Consent   Result = "approved"  // an ask, by a person or because nobody answered
	Dissent   Result = "rejected"
	NextRound Result = "no answer" // others are asked
	Over      Result = "over"      // the run ends
	TimeOver  Result = "time over" // of a wait: its time has come
	Moved     Result = "moved"     // of a wait: what its time depends on may have changed
)

// Move is one thing the machine asks for; exactly one field is set.
type Move struct {
	Effect  *PlannedEffect
	Fetch   *PlannedFetch
	Emit    *Emitted
	Done    *Ended
	Block   *Blocked
	Ask     *Question // the run waits for a person
	Approve *Approved // a person changed values: these are what is approved now
	Wait    *Waiting  // nothing more until the awaited answer
	Rest    *Rest     // nothing more until a time or an event
}

// PlannedEffect is an effect to plan. The run waits for its answer.
type PlannedEffect struct {
	Address    string
	Connection string
	Action     *connector.Action
	Inputs     map[string]any
	GoodFor    time.Duration // after that it makes no sense any more; 0: always does
	Undo       string        // restore, or empty
	Release    waybill.Release
	Fresh      bool   // when it is late the newest state is read and written
	Approval   string // the address of the ask that must have approved it; empty: none
	CarryOn    bool   // a failure is a lesser problem: the run goes on by itself
}

// PlannedFetch is a read to make. The run waits for its answer.
type PlannedFetch struct {
	Address    string
	Connection string
	Action     *connector.Action
	Inputs     map[string]any
	After      time.Duration // make it no sooner than this from now: nothing was found yet and it may still come
	CarryOn    bool
}

// Emitted is an event to make, at most 8 hops from an item. Its identity is its parent's and the address's.
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
	Address string        `json:"addr"`
	Cause   waybill.Cause `json:"cause"`
	Code    string        `json:"code,omitempty"` // for grouping: the provider's, or where the expression is written
	Words   string        `json:"words"`
}

// Waiting says what the run waits for.
type Waiting struct{ Address, Reason string }

// Question is a question to a person. The run waits for its answer.
type Question struct {
	Address  string
	Round    int // from 0: others are asked when nobody answers
	Question string
	Who      []string // owners who may answer
	Role     string   // or whoever has this role
	Within   time.Duration
	NoAnswer string          // what no answer within that time means: reject, approve, end, ask
	Show     map[string]any  // what they see
	Change   map[string]any  // what they may change, as it is
	For      []PlannedEffect // what is approved, as it will be sent
}

// Approved says what a person approved with other values than those that were asked about.
type Approved struct {
	Address string // of the ask
	For     []PlannedEffect
}
