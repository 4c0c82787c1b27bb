package waybill

import "time"

// ProblemState is where a problem stands.
type ProblemState string

// The states of a problem. One that comes back after Fixed is Regressed.
const (
	ProblemNew       ProblemState = "new"
	ProblemWorking   ProblemState = "working" // somebody took it
	ProblemFixed     ProblemState = "fixed"
	ProblemRegressed ProblemState = "regressed"
)

// Open reports whether somebody still has to look.
func (s ProblemState) Open() bool { return s != ProblemFixed }

// Problem is a group of items, runs, effects or connections with one cause, one explanation, one owner.
type Problem struct {
	ID         ProblemID
	Key        string // v1: cause, connection, action, code: what is grouped
	Cause      Cause
	Connection string
	Action     string
	Code       string   // the provider's code or field, ids stripped
	Flows      []string // of what it holds or held since it was last opened, in the order they came; the first hundred
	Title      string   // "HubSpot refuses contacts without an e-mail"
	Detail     string   // the provider's own words, once
	Owner      string
	Lesser     bool // the run carried on
	State      ProblemState
	Count      int // members now
	Total      int // members ever
	FirstAt    time.Time
	LastAt     time.Time
	FixedAt    time.Time
}

// Member is one thing a problem holds.
type Member struct {
	Item       ItemID
	Run        RunID
	Effect     EffectID
	Fetch      FetchID
	Connection string
	Event      EventID // for the link
	At         time.Time
}

// Health is what stands in the way of a connection's work.
type Health string

// The states of a connection, in words on its page: Working, Slow…
const (
	HealthWorking      Health = "working"
	HealthLimited      Health = "limited"        // limit reached; waits
	HealthDown         Health = "down"           // their side down or too slow
	HealthSignInNeeded Health = "sign-in needed" // parked until a person signs in again
	HealthPaused       Health = "paused"         // by a person
)

// ConnectionState is what the book remembers of a connection.
type ConnectionState struct {
	Connection string
	Account    string // pinned at first use
	Health     Health
	Reason     string
	Cause      Cause
	Since      time.Time
	Until      time.Time // when it is probed or goes on by itself; zero for not by itself
	Problem    ProblemID
	Parked     []string // actions parked for a missing permission
	LastIn     time.Time
	LastOut    time.Time
	Failures   int // in a row
	Answers    int
	Learnt     float64 // calls a second that they were found to take, where that is less than declared; 0: nothing is learnt
}

// Audited is one act of a person, kept with its reason.
type Audited struct {
	ID     string
	At     time.Time
	Who    string
	Action string
	Object string
	Reason string
	Before string
	After  string
}
