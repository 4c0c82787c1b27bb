package waybill

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ActionKind says what an action does to the other side.
type ActionKind string

// The kinds of action. State is guarded by the order rule; Message and Money are never sent again blindly.
const (
	KindRead    ActionKind = "read"
	KindState   ActionKind = "state"
	KindAdd     ActionKind = "add"
	KindMessage ActionKind = "message"
	KindMoney   ActionKind = "money"
)

// Repeat says what makes sending an action again harmless.
type Repeat string

// The grades of repeat.
const (
	RepeatKey     Repeat = "key"     // the provider honours our idempotency key
	RepeatNatural Repeat = "natural" // the write converges: an upsert, a state set
	RepeatLookup  Repeat = "lookup"  // a look-up can prove absence after the settle time
	RepeatNever   Repeat = "never"   // only proof or a person settles a doubt
)

// Harmless reports whether sending it once more comes to the same, within the life of the key.
func (r Repeat) Harmless() bool { return r == RepeatKey || r == RepeatNatural }

// EffectState is where an outside write stands.
type EffectState string

// The states of an effect.
const (
	EffectPlanned   EffectState = "planned"   // not sent, or known not to have happened
	EffectSent      EffectState = "sent"      // the first byte may have left
	EffectConfirmed EffectState = "confirmed" // known to have happened
	EffectDeclined  EffectState = "declined"  // known to be refused by the other side
	EffectUnknown   EffectState = "unknown"   // may or may not have happened
	EffectSkipped   EffectState = "skipped"   // will not be sent, with the reason
	EffectUndone    EffectState = "undone"    // reversed by another effect that names it
)

// effectMoves are the legal moves of an effect.
var effectMoves = map[EffectState][]EffectState{
	// A planned effect that was sent before and may have happened (Doubted) can turn out to have: proof is never refused.
	EffectPlanned:   {EffectSent, EffectSkipped, EffectUnknown, EffectConfirmed, EffectDeclined},
	EffectSent:      {EffectConfirmed, EffectDeclined, EffectUnknown, EffectPlanned},
	EffectUnknown:   {EffectConfirmed, EffectDeclined, EffectPlanned, EffectSkipped},
	EffectConfirmed: {EffectUndone},
	EffectDeclined:  {EffectPlanned}, // a person retries: known not to have happened
}

// CanBecome reports whether the move is legal.
func (s EffectState) CanBecome(next EffectState) bool { return slices.Contains(effectMoves[s], next) }

// Open reports whether the effect may still happen. At most one effect of an address is open.
func (s EffectState) Open() bool {
	return s == EffectPlanned || s == EffectSent || s == EffectUnknown
}

// Settled reports whether it is known what became of the effect, and nothing more comes of it by itself.
func (s EffectState) Settled() bool {
	return s == EffectConfirmed || s == EffectSkipped || s == EffectUndone
}

// Request is an outside call as it was rendered once, when planned, and frozen: no credentials inside.
type Request struct {
	Method  string   `json:"method"`
	URL     string   `json:"url"` // absolute; secrets in it stand as ${secret:name}
	Headers []Header `json:"headers,omitempty"`
	Body    []byte   `json:"body,omitempty"`
}

// Object is what an effect writes to: the key is from the input, the id from the answer.
type Object struct {
	Type string `json:"type,omitempty"`
	Key  string `json:"key,omitempty"`
	ID   string `json:"id,omitempty"`
}

// ObjectRef names an object of an account: what the order of facts is kept for.
type ObjectRef struct{ Account, Type, Key string }

// Writes returns the object that an effect of kind state writes to; false when its order does not matter.
func (e *Effect) Writes() (ObjectRef, bool) {
	return ObjectRef{e.Account, e.Object.Type, e.Object.Key}, e.Kind == KindState && e.Object.Key != ""
}

// Effect is one outside write of one step for one event.
type Effect struct {
	ID          EffectID
	Event       EventID
	Flow        string
	Address     string // the step's path: won, items[sku-1].update
	Generation  int    // from 1; a new one only when the last is known not to have happened or a person sends again
	Run         RunID  // the run that planned it
	Connection  string
	Account     string
	Action      string // deal.update
	Kind        ActionKind
	Repeat      Repeat
	State       EffectState
	Reason      string // why it stands so, in words
	Cause       Cause  // of the last failure or doubt
	Proof       string // what proves a settled effect: "answer 200", "webhook wamid.X delivered", "asha@example.test says so"
	Inputs      []byte // JSON, evaluated once
	Request     Request
	Fact        string    // names what is told in whichever book; for the key, never kept
	Fingerprint string    // of account, action and inputs
	Key         string    // our reference, in the form the provider takes
	KeyUntil    time.Time // the provider forgets the key after this; zero for never
	Doubted     bool      // an attempt of it may have happened, and nothing has settled that yet
	Object      Object
	Order       Stamp  // of the fact it writes, for the order guard
	Before      []byte // JSON: what was there, for undo: restore
	Answer      []byte // JSON: the parsed answer, redacted
	Undo        string // how the flow says it is undone: restore, or the action that does; empty: it says nothing
	Undoes      EffectID
	After       EffectID          // it waits for this one to be settled: the order in which a run is undone
	Fresh       bool              // when it is late the newest state is read and written
	Approval    string            // the address of the ask that must have approved it; empty: none
	Release     Release           // whether it waits for a press before it is sent
	Passed      map[string]string // the rules of the gate that a person lets it pass, and who
	Tries       int               // attempts that count against the limit
	Looks       int               // look-ups made to settle a doubt
	GoodUntil   time.Time         // after this it is skipped: too late; zero for never
	DueAt       time.Time         // when the next attempt or look-up may be; zero for now
	Gate        []GateAnswer
	Problem     ProblemID
	PlannedAt   time.Time
	SentAt      time.Time
	SettledAt   time.Time
}

// Release says whether the effects of a step go out by themselves: "" and "on" do, "hold" waits for a press each, and
// "by_hand 3" waits for one for the first three.
type Release string

// The switch of a step that is being introduced.
const (
	ReleaseOn   Release = "on"
	ReleaseHold Release = "hold"
)

// byHand begins the release of the first few by hand.
const byHand = "by_hand "

// ReleaseByHand waits for a press for the first n.
func ReleaseByHand(n int) Release { return Release(byHand + strconv.Itoa(n)) }

// ByHand returns how many wait for a press each; false when it is not a matter of how many.
func (r Release) ByHand() (int, bool) {
	text, ok := strings.CutPrefix(string(r), byHand)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// Let notes that a person lets the effect pass a rule of the gate.
func (e *Effect) Let(rule, who string) {
	passed := maps.Clone(e.Passed)
	if passed == nil {
		passed = map[string]string{}
	}
	passed[rule] = who
	e.Passed = passed
}

// HeldBy returns the rule of the gate that gave a planned effect to a person; empty when none did.
func (e *Effect) HeldBy() string {
	if e.State != EffectPlanned || e.DueAt.Before(Held()) {
		return ""
	}
	for _, a := range e.Gate {
		if a.Verdict == Ask || a.Verdict == Refuse {
			return a.Rule
		}
		if a.Verdict != Go {
			return ""
		}
	}
	return ""
}

// Stamp orders two facts about one object: revision, else time, then rank, then acceptance.
type Stamp struct {
	Revision string    `json:"revision,omitempty"`
	At       time.Time `json:"at"`
	Rank     int       `json:"rank,omitempty"`
	Event    EventID   `json:"event,omitempty"` // ids sort by acceptance
}

// Verdict is what a rule of the gate says.
type Verdict string

// The verdicts of the gate.
const (
	Go        Verdict = "go"
	WaitUntil Verdict = "wait until"
	Skip      Verdict = "skip"
	Ask       Verdict = "ask"
	Refuse    Verdict = "refuse"
)

// GateAnswer is one rule's answer, kept on the journey.
type GateAnswer struct {
	Rule    string    `json:"rule"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	At      time.Time `json:"at,omitzero"`
}

// FetchState is where an outside read stands.
type FetchState string

// The states of a fetch. A read is repeatable, so it is never unknown.
const (
	FetchPlanned FetchState = "planned"
	FetchDone    FetchState = "done"
	FetchFailed  FetchState = "failed"
)

// Fetch is one outside read, for an item (data its webhook lacks), for a run's get step, or to settle an effect.
type Fetch struct {
	ID         FetchID
	Item       ItemID
	Run        RunID
	Effect     EffectID // the effect in doubt that this look-up is to settle
	Address    string
	Connection string
	Action     string
	State      FetchState
	Reason     string
	Cause      Cause
	Inputs     []byte
	Request    Request
	Answer     []byte // JSON output; null when nothing was found
	Tries      int
	DueAt      time.Time
	Problem    ProblemID
	PlannedAt  time.Time
	SettledAt  time.Time
}

// Certainty is what one exchange proves about the other side.
type Certainty string

// The certainties.
const (
	Happened    Certainty = "happened"
	Declined    Certainty = "declined"     // refused for good
	NotHappened Certainty = "not happened" // known not to have happened; may be sent again
	InDoubt     Certainty = "in doubt"
)

// Attempt is one exchange for an effect or fetch, request and response kept, redacted.
type Attempt struct {
	ID         AttemptID
	Effect     EffectID
	Fetch      FetchID
	Number     int
	StartedAt  time.Time
	EndedAt    time.Time // zero while under way
	Request    Request   // as sent, redacted
	Status     int       // 0 when no answer came
	Headers    []Header
	Response   []byte // cut to 64 KiB, redacted
	Certainty  Certainty
	Cause      Cause
	Error      string // the transport's words, when no answer came
	RetryAfter time.Duration
	Note       string // why it will or will not be tried again
}

// Message is one customer message and its life.
type Message struct {
	Effect     EffectID
	Event      EventID
	Connection string
	To         string // masked on pages
	Template   string
	Remote     string // the provider's id
	State      MessageState
	Reason     string
	UpdatedAt  time.Time
}

// MessageState only ever moves forward, except to Failed.
type MessageState string

// The states of a message.
const (
	MessagePlanned   MessageState = "planned"
	MessageAccepted  MessageState = "accepted" // handed over; nothing more is proven
	MessageSent      MessageState = "sent"
	MessageDelivered MessageState = "delivered"
	MessageRead      MessageState = "read"
	MessageFailed    MessageState = "failed"
	MessageUnknown   MessageState = "unknown"
	MessageSkipped   MessageState = "skipped"
)

// Held is the due time of what does not go on by itself: a person decides.
func Held() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// PlainAddress is a step's address without the keys of loops' items: items[].update.
func PlainAddress(address string) string {
	out := make([]byte, 0, len(address))
	depth := 0
	for i := range len(address) {
		switch address[i] {
		case '[':
			if depth++; depth == 1 {
				out = append(out, '[')
			}
		case ']':
			if depth--; depth == 0 {
				out = append(out, ']')
			}
		default:
			if depth == 0 {
				out = append(out, address[i])
			}
		}
	}
	return string(out)
}
