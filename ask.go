package waybill

import (
	"slices"
	"time"
)

// AskState is where a question to a person stands.
type AskState string

// The states of a question.
const (
	AskOpen      AskState = "open"
	AskApproved  AskState = "approved"
	AskRejected  AskState = "rejected"
	AskPassedOn  AskState = "passed on" // nobody answered in time: others are asked
	AskOver      AskState = "over"      // nobody answered in time, and the run ended
	AskWithdrawn AskState = "withdrawn" // the run was stopped
)

// Question is a question to a person at a step of a run: approve, reject, or change and approve. What is approved is exactly
// what will be sent, known by its fingerprint.
type Question struct {
	ID       AskID
	Event    EventID
	Run      RunID
	Flow     string
	Address  string // of the step
	Round    int    // from 0: others are asked when nobody answers
	State    AskState
	Question string
	Show     []byte   // JSON: what the person sees
	Change   []byte   // JSON: the values that may be changed, as they are; empty when none may
	For      []AskFor // what is approved
	Who      []string // owners of the workspace who may answer
	Role     string   // or whoever has this role
	NoAnswer string   // what no answer in time means: reject, approve, end, ask
	AskedAt  time.Time
	DueAt    time.Time // the deadline; zero for none
	By       string    // who answered; empty: nobody in time
	Reason   string
	Values   []byte // JSON: what they changed
	Answered time.Time
}

// AskFor is one effect that is asked about, frozen as it will be sent.
type AskFor struct {
	Address     string `json:"address"`
	Connection  string `json:"connection"`
	Account     string `json:"account"`
	Action      string `json:"action"`
	Inputs      []byte `json:"inputs"`
	Fingerprint string `json:"fingerprint"`
	Undo        string `json:"undo,omitempty"` // how it can be undone, or that it cannot, in words
	// GoodUntil is when it makes no sense any more: approved later, it is left out. Zero: it always does.
	GoodUntil time.Time `json:"good_until,omitzero"`
}

// MayAnswer reports whether somebody may answer what was asked of these owners, or of a role: a person by their name and
// role. people gives the names of those who answer for an owner.
func MayAnswer(who []string, role, person, has string, people func(owner string) []string) bool {
	if role != "" {
		return has == role || has == "admin"
	}
	return slices.ContainsFunc(who, func(owner string) bool {
		return owner == person || slices.Contains(people(owner), person)
	})
}
