package waybill

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"strings"
	"sync"
	"time"
)

// The identities of what the book holds. Each is a prefix, an underscore and 22 characters that sort by the time
// they were made, so that new rows land together at the end of an index.
type (
	// ArrivalID names one received request: arr_….
	ArrivalID string
	// ItemID names one item of an arrival: itm_….
	ItemID string
	// EventID names one business event: evt_….
	EventID string
	// RunID names one execution of a flow for an event: run_….
	RunID string
	// EffectID names one outside write: eff_….
	EffectID string
	// FetchID names one outside read: fet_….
	FetchID string
	// AttemptID names one exchange: att_….
	AttemptID string
	// ProblemID names one group of things with one cause: prb_….
	ProblemID string
	// AskID names one question to a person: ask_….
	AskID string
	// SubjectID names one business object: sub_….
	SubjectID string
	// BundleID is the content hash of a published workspace: sha256 hex.
	BundleID string
)

// IDs makes time-ordered identities. Two made in one millisecond by one source still sort in the order they were made.
// The zero value is not ready; use NewIDs.
type IDs struct {
	mu     sync.Mutex
	now    func() time.Time
	random io.Reader
	ms     uint64
	low    uint64
}

// NewIDs returns a source that takes the time from now and randomness from random (crypto/rand when nil).
func NewIDs(now func() time.Time, random io.Reader) *IDs {
	if random == nil {
		random = rand.Reader
	}
	return &IDs{now: now, random: random}
}

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// New returns an identity with the given prefix: 48 bits of milliseconds, then 60 bits that start random in each
// millisecond and grow by one within it.
func (s *IDs) New(prefix string) string {
	s.mu.Lock()
	ms := uint64(s.now().UnixMilli()) & (1<<48 - 1) // a time before 1970 is not used
	if ms > s.ms {
		var b [8]byte
		if _, err := io.ReadFull(s.random, b[:]); err != nil {
			panic("waybill: no randomness for an id: " + err.Error())
		}
		s.ms, s.low = ms, binary.BigEndian.Uint64(b[:])&(1<<59-1)
	} else {
		s.low++ // the clock stood still or went back: keep the order
	}
	hi, low := s.ms, s.low
	s.mu.Unlock()

	out := make([]byte, len(prefix)+1+22)
	n := copy(out, prefix)
	out[n] = '_'
	n++
	for i := range 10 {
		out[n+i] = crockford[hi>>(45-5*i)&31]
	}
	for i := range 12 {
		out[n+10+i] = crockford[low>>(55-5*i)&31]
	}
	return string(out)
}

// MadeAt reads from an identity when it was made, to the millisecond; zero when it is none.
func MadeAt(id string) time.Time {
	_, text, ok := strings.Cut(id, "_")
	if !ok || len(text) != 22 {
		return time.Time{}
	}
	ms := int64(0)
	for i := range 10 {
		digit := strings.IndexByte(crockford, text[i])
		if digit < 0 {
			return time.Time{}
		}
		ms = ms<<5 | int64(digit)
	}
	return time.UnixMilli(ms).UTC()
}
