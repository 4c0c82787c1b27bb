package waybill

import (
	"slices"
	"time"
)

// RunState is where a run stands. There are six and no more.
type RunState string

// The states of a run, shown as Working (the first two), Waiting, Done, Needs a person, Stopped.
const (
	RunQueued  RunState = "queued"  // waits its turn in its lane
	RunRunning RunState = "running" // steps are being made
	RunWaiting RunState = "waiting" // for an answer, a time or a connection
	RunDone    RunState = "done"
	RunBlocked RunState = "blocked" // on a person's list
	RunStopped RunState = "stopped" // by a named person
)

// runMoves are the legal moves of a run.
var runMoves = map[RunState][]RunState{
	RunQueued:  {RunRunning, RunStopped, RunDone, RunBlocked, RunWaiting},
	RunRunning: {RunWaiting, RunDone, RunBlocked, RunStopped, RunQueued},
	RunWaiting: {RunRunning, RunDone, RunBlocked, RunStopped, RunQueued},
	RunBlocked: {RunRunning, RunQueued, RunStopped, RunWaiting, RunDone},
}

// CanBecome reports whether the move is legal. Done and Stopped are ends.
func (s RunState) CanBecome(next RunState) bool { return slices.Contains(runMoves[s], next) }

// Ended reports whether nothing more happens by itself or by a person.
func (s RunState) Ended() bool { return s == RunDone || s == RunStopped }

// Shown returns the word pages use.
func (s RunState) Shown() string {
	switch s {
	case RunQueued, RunRunning:
		return "Working"
	case RunWaiting:
		return "Waiting"
	case RunDone:
		return "Done"
	case RunBlocked:
		return "Needs a person"
	case RunStopped:
		return "Stopped"
	default:
		return string(s)
	}
}

// Mode is why a run exists.
type Mode string

// The modes of a run.
const (
	ModeLive   Mode = "live"
	ModeReplay Mode = "replay"
	ModeTrial  Mode = "trial"
	ModeShadow Mode = "shadow"
)

// Run is one execution of one version of a flow for one event.
type Run struct {
	ID          RunID
	Event       EventID
	Flow        string
	Bundle      BundleID // the version it began with and finishes on
	Mode        Mode
	Repeats     RunID // the run it repeats
	State       RunState
	Reason      string // why it ended, waits or is blocked, in words
	Lane        string // flow or shared lane name and value; empty is a lane of its own
	Progress    []byte // the state machine's own state, JSON
	FailedParts int    // parts that carried on after a failure
	Problem     ProblemID
	Owner       string
	DueBy       time.Time // later than this is an alert; zero for never
	DueAt       time.Time // when a running or waiting run is to be looked at
	CreatedAt   time.Time
	UpdatedAt   time.Time
	EndedAt     time.Time
	Behind      RunID // read only: the run it queues behind
}
