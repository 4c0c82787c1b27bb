package waybill

import "errors"

// Kind says what sort of failure an Error is, for machines.
type Kind string

// The kinds of failure. Anything that is no *Error counts as Internal.
const (
	Invalid     Kind = "invalid"     // the caller's input is wrong
	Unverified  Kind = "unverified"  // the sender is not proven genuine
	NotFound    Kind = "not found"   // nothing of that name was ever known
	Conflict    Kind = "conflict"    // it is not in a state that allows this
	Forbidden   Kind = "forbidden"   // this person or process may not
	Unavailable Kind = "unavailable" // not now; later may work
	Internal    Kind = "internal"    // our side
)

// Error is a failure in words: what happened (Message), what to do (Hint) and what it wraps (Err).
type Error struct {
	Kind    Kind
	Message string
	Hint    string
	Err     error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of err, Internal when it carries none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// HintOf returns what err says to do, empty when it says nothing.
func HintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}

// Cause is why something did not work, from a closed list; it alone decides retry, owner and words.
type Cause string

// The causes. Every matcher of every connector and every failure of our own ends in one of these.
const (
	SignInExpired     Cause = "sign-in expired"
	PermissionMissing Cause = "permission missing"
	LimitReached      Cause = "limit reached"
	TheirSideDown     Cause = "their side down"
	TooSlow           Cause = "too slow"
	AnswerLost        Cause = "answer lost"
	DeclinedValue     Cause = "declined value"
	MissingValue      Cause = "missing value"
	DuplicateThere    Cause = "duplicate there"
	NotFoundThere     Cause = "not found there"
	FormatChanged     Cause = "their format changed"
	MappingWrong      Cause = "our mapping wrong"
	BlockedByRule     Cause = "blocked by rule"
	WaitingForPerson  Cause = "waiting for a person"
	BadSender         Cause = "bad sender"
	OurSide           Cause = "our side"
)

// Causes lists every cause, in the order pages show them.
var Causes = []Cause{
	AnswerLost, SignInExpired, PermissionMissing, LimitReached, TheirSideDown, TooSlow, DeclinedValue, MissingValue,
	DuplicateThere, NotFoundThere, FormatChanged, MappingWrong, BlockedByRule, WaitingForPerson, BadSender, OurSide,
}

// Outage reports whether the cause is a state of the whole connection rather than of one piece of work: it uses up
// no tries, the work waits, and goes on by itself when the state ends.
func (c Cause) Outage() bool {
	switch c {
	case TheirSideDown, TooSlow, LimitReached, SignInExpired:
		return true
	default:
		return false
	}
}
