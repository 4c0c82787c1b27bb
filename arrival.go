package waybill

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Via says by which way an arrival came.
type Via string

// The ways in.
const (
	ViaWebhook Via = "webhook"
	ViaPoll    Via = "poll"
	ViaForm    Via = "form"
	ViaTrigger Via = "trigger" // a person at the command line, never in production
)

// Header is one received or sent header line; credentials in its value are already a fingerprint.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Arrival is one request received: its bytes kept once, holding one or more items.
type Arrival struct {
	ID         ArrivalID
	Connection string // the name it has in the workspace
	Account    string // the account's own id at that system: identity survives a rename
	Via        Via
	Method     string
	URL        string // path and query, credentials replaced by fingerprints
	Headers    []Header
	Remote     string // the sender's address
	Body       []byte // the raw bytes, exactly as signed
	BodyHash   string // sha256 hex of Body
	Decoded    any    // Body as the intake read it, handed over once and never stored; nil: read it again
	ReceivedAt time.Time
	Proof      string // how it was found genuine, in words: "Stripe-Signature, secret 1 of 1, 2 s old"
	Duplicate  bool   // every item was known
	Items      []Item
}

// ItemState is where an item stands.
type ItemState string

// The states of an item. Kept and Fetching are work to do; Blocked waits for a person; the others are ends.
const (
	ItemKept       ItemState = "kept"       // on stable storage, not yet understood
	ItemFetching   ItemState = "fetching"   // waiting for data its webhook does not carry
	ItemTranslated ItemState = "translated" // it became one event or more, or joined one
	ItemNotUsed    ItemState = "not used"   // nothing to do, with the reason
	ItemBlocked    ItemState = "blocked"    // cannot be understood; on a person's list
)

// itemMoves are the legal moves. A blocked or unused item may be understood again after a fix (a re-mapping).
var itemMoves = map[ItemState][]ItemState{
	ItemKept:       {ItemFetching, ItemTranslated, ItemNotUsed, ItemBlocked},
	ItemFetching:   {ItemTranslated, ItemNotUsed, ItemBlocked, ItemKept},
	ItemBlocked:    {ItemKept, ItemNotUsed},
	ItemNotUsed:    {ItemKept},
	ItemTranslated: {ItemKept},
}

// CanBecome reports whether the move is legal.
func (s ItemState) CanBecome(next ItemState) bool { return slices.Contains(itemMoves[s], next) }

// Item is one thing an arrival tells, with its own delivery key and its own end.
type Item struct {
	ID          ItemID
	Arrival     ArrivalID
	Index       int
	Connection  string
	Account     string
	Type        string    // the provider's own word: payment_intent.succeeded
	DeliveryKey string    // the provider's event id, or a body hash where it has none
	KeyUntil    time.Time // when not zero the delivery key counts only until then (a body hash within the retry window)
	Pointer     string    // RFC 6901 pointer into the arrival's body; empty for the whole of it
	OccurredAt  time.Time // the provider's time; zero when it gives none
	ReceivedAt  time.Time
	State       ItemState
	Reason      string    // why it is not used or blocked, in words
	DuplicateOf ItemID    // the first item with this delivery key
	Events      []EventID // what it became or joined
	Problem     ProblemID
	DueAt       time.Time // when it is to be worked on; zero for now
}

// Parts are what RFC 6901 pointers name of a JSON body, each on its own: nil where one names nothing that is there, the whole
// body where it is empty.
func Parts(body []byte, pointers ...string) [][]byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // as they were written
	var all any
	err := d.Decode(&all)
	out := make([][]byte, len(pointers))
	for i, p := range pointers {
		if p == "" {
			out[i] = body
			continue
		}
		if v, found := named(all, p); found && err == nil {
			out[i], _ = json.Marshal(v) // of what was decoded it cannot fail
		}
	}
	return out
}

func named(v any, pointer string) (any, bool) {
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		switch in := v.(type) {
		case map[string]any:
			inner, found := in[name]
			if !found {
				return nil, false
			}
			v = inner
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// PastRetention stands for the first item of a delivery whose item is no longer kept.
const PastRetention ItemID = "(past retention)"

// Receipt is the book's answer to an arrival: only what is on stable storage gets one.
type Receipt struct {
	Arrival   ArrivalID
	Duplicate bool   // every item was known before
	Fresh     []Item // the items kept just now, in order
}

// Rejection counts requests that were not genuine or not readable from one sender for one reason.
type Rejection struct {
	Connection string // the name asked for, whether it exists or not, cut to 100 bytes
	Reason     string // in words: "signature does not match"
	Status     int    // what was answered
	Count      int
	FirstAt    time.Time
	LastAt     time.Time
	Sample     *RejectionSample // the newest sample kept, if any
}

// RejectionSample is one rejected request, cut short and redacted; samples are bounded in number and size.
type RejectionSample struct {
	At      time.Time
	Remote  string
	Method  string
	URL     string
	Headers []Header
	Body    []byte // at most 2 KiB
}
