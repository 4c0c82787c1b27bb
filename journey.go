package waybill

import "time"

// Journey is the whole way of one event (or of an item that became none): what a person sees on one page.
type Journey struct {
	Arrival  *Arrival // with its raw body; nil for an emitted event or when the body is past retention
	Item     *Item
	Event    *Event // nil for an item that became none
	Subject  *Subject
	Evidence []Evidence // further items that told the same fact
	Runs     []RunView
	Fetches  []FetchView // of the item
	Parent   *Event      // the event whose run emitted this one
	Children []EventRow
	Related  []EventRow // other events of the same subject, newest first, at most 20
	Problems []Problem
	Audit    []Audited
}

// RunView is a run with all it did.
type RunView struct {
	Run     Run
	Asks    []Question // oldest first
	Effects []EffectView
	Fetches []FetchView
}

// EffectView is an effect with its exchanges.
type EffectView struct {
	Effect   Effect
	Attempts []Attempt
	Message  *Message
	Lookups  []FetchView
}

// FetchView is a fetch with its exchanges.
type FetchView struct {
	Fetch    Fetch
	Attempts []Attempt
}

// EventRow is one line of the events list.
type EventRow struct {
	ID         EventID
	Type       string
	Connection string
	Subject    string
	Data       []byte // for the columns a flow declares
	OccurredAt time.Time
	AcceptedAt time.Time
	State      RunState // the worst of its runs: blocked, waiting, running, queued, stopped, done
	Reason     string   // of that run, or "no flow used it"
	Runs       int
	Unknown    int // effects whose outcome is not known
	Evidence   int // further items that told it
}

// EventFilter chooses events. The zero value is all of them, newest first.
type EventFilter struct {
	Query      string // one box: event, run, effect or provider id, order number, e-mail, phone, amount
	Type       string
	Flow       string
	Connection string
	State      RunState
	Unknown    bool // only those with an unknown effect
	Since      time.Time
	Until      time.Time
	Before     string // cursor: only rows before this id
	Limit      int    // at most 200, 50 when zero
}

// ListFilter chooses rows of the other lists, newest first.
type ListFilter struct {
	State      string
	Connection string
	Flow       string
	Event      EventID
	Before     string
	Limit      int
}

// ProblemView is a problem with what it holds.
type ProblemView struct {
	Problem Problem
	Members []Member   // newest first, at most 200
	Events  []EventRow // of the members, at most 20
	Effects []Effect   // of the members, at most 20
}

// Overview is what the first page says, in figures since a point in time.
type Overview struct {
	Since     time.Time
	Received  int // arrivals
	Duplicate int // items already known
	NotUsed   int
	Rejected  int
	Events    int
	Working   int // runs now
	Waiting   int
	Done      int // runs ended since
	Stopped   int
	Blocked   int       // runs and items now on a person's list
	Asks      int       // questions now that wait for a person's answer
	Unknown   int       // effects whose outcome is not known, now
	Late      int       // runs past the time their flow promises
	Problems  []Problem // open, worst first, at most 5
	Restored  *Restored // nil when the book was never restored
	Flows     []FlowFigures
	Hours     []HourFigures // the last 24, oldest first
}

// FlowFigures are one flow's counts since the Overview's Since.
type FlowFigures struct {
	Flow    string
	Done    int
	Open    int
	Blocked int
	Asks    int // questions now that wait for a person's answer
	Last    time.Time
}

// HourFigures are the counts of one hour.
type HourFigures struct {
	Hour     time.Time
	Received int
	Done     int
	Blocked  int
}

// ConnectionFigures are one connection's counts.
type ConnectionFigures struct {
	State   ConnectionState
	In      int // arrivals in 24 h
	Out     int // attempts in 24 h
	Failed  int // attempts in 24 h that did not succeed
	Queued  int // effects and fetches due or waiting
	Unknown int
	Retired *Retirement // nil when it was not
}

// Retirement is a person's word that nothing is to be taken in any more for a connection that is in no workspace.
type Retirement struct {
	At       time.Time
	Audit    string // the act; who did it and why are known as long as the audit is kept
	Who, Why string
}
