package flow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/expr"
)

// stage is where the machine stands between two calls of Next.
type stage string

const (
	stageReady    stage = "ready"    // not begun, or on its way
	stageAwaiting stage = "awaiting" // the answer of an effect or fetch
	stageBlocked  stage = "blocked"  // needs a person, or a late answer
	stageEnded    stage = "ended"
)

// stageMoves are the legal moves of the machine. Ended is an end.
var stageMoves = map[stage][]stage{ // a table that nothing changes
	stageReady:    {stageAwaiting, stageBlocked, stageEnded},
	stageAwaiting: {stageReady, stageBlocked},
	stageBlocked:  {stageReady},
}

// Progress is the state of a run's machine; it encodes to JSON for Run.Progress. A Progress is never changed once it
// was returned: Next, Skip and Edit give new ones.
type Progress struct {
	Stage   stage                     `json:"at"`
	Frames  []frame                   `json:"path,omitempty"`   // where the run is, outermost first; empty before it begins
	Values  map[string]any            `json:"out,omitempty"`    // outputs by step id, as far as later expressions name them
	Inputs  map[string]any            `json:"in,omitzero"`      // of the step under way, evaluated once; nil before that
	Frozen  map[string]map[string]any `json:"frozen,omitempty"` // inputs that a person is asked about, by the step's address
	Address string                    `json:"addr,omitempty"`   // of the step that waits or is blocked
	Round   int                       `json:"round,omitempty"`  // look-ups made again because nothing was found
	Failed  int                       `json:"failed,omitempty"` // parts that carried on after a failure
	Skip    bool                      `json:"skip,omitempty"`   // a person leaves the step out
	Began   int64                     `json:"began,omitempty"`  // when the wait under way was reached, in unix ms
	Over    bool                      `json:"over,omitempty"`   // the wait's time has come
	Reread  int                       `json:"reread,omitempty"` // look-ups made again for `still`
	Reading string                    `json:"again,omitempty"`  // the look-up that is being made again
	Asked   bool                      `json:"asked,omitempty"`  // `still` was asked, and it is so
	Blocked *Blocked                  `json:"blocked,omitempty"`
	Reason  string                    `json:"reason,omitempty"` // why it ended
}

// frame is a place in one list of steps; a further frame follows when the step there has been entered.
type frame struct {
	Step   int    `json:"s"`
	Branch string `json:"b,omitempty"` // the branch of the step that was entered
	Item   int    `json:"n,omitempty"` // each: the item under way
	Key    string `json:"k,omitempty"` // each: its key, as the address has it
	Items  []any  `json:"l,omitempty"` // each: the items, when they depend on the book
}

// Start returns the progress of a run that has not begun.
func (f *Flow) Start() *Progress { return &Progress{Stage: stageReady} }

// Encode carries the progress to the book.
func (p *Progress) Encode() []byte {
	out := *p
	out.Values = exactMap(p.Values)
	out.Inputs = exactMap(p.Inputs)
	if len(p.Frozen) > 0 {
		out.Frozen = make(map[string]map[string]any, len(p.Frozen))
		for address, in := range p.Frozen {
			out.Frozen[address] = exactMap(in)
		}
	}
	out.Frames = slices.Clone(p.Frames)
	for i := range out.Frames {
		if out.Frames[i].Items != nil {
			out.Frames[i].Items, _ = exact(out.Frames[i].Items).([]any)
		}
	}
	b, err := json.Marshal(&out)
	if err != nil {
		panic("flow: progress holds what JSON cannot: " + err.Error()) // settled refused it before it came in
	}
	return b
}

// Decode carries it back. Whole numbers stay exact.
func Decode(b []byte) (*Progress, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	p := &Progress{}
	if err := d.Decode(p); err != nil {
		return nil, &waybill.Error{Kind: waybill.Internal, Message: "read the progress of a run", Err: err}
	}
	if _, known := stageMoves[p.Stage]; !known && p.Stage != stageEnded {
		return nil, &waybill.Error{Kind: waybill.Internal, Message: fmt.Sprintf("read the progress of a run: no stage %q", p.Stage)}
	}
	p.Values = numbersMap(p.Values)
	p.Inputs = numbersMap(p.Inputs)
	for _, in := range p.Frozen {
		numbersMap(in)
	}
	for i := range p.Frames {
		if p.Frames[i].Items != nil {
			p.Frames[i].Items, _ = numbers(p.Frames[i].Items).([]any)
		}
	}
	return p, nil
}

// Clone returns a copy that can be changed; the values inside are shared, as nothing ever changes them.
func (p *Progress) Clone() *Progress {
	out := *p
	out.Frames = slices.Clone(p.Frames)
	out.Values = maps.Clone(p.Values)
	out.Frozen = maps.Clone(p.Frozen)
	return &out
}

// Awaits returns the address of the step whose answer the run waits for, empty when none.
func (p *Progress) Awaits() string {
	if p.Stage != stageAwaiting {
		return ""
	}
	return p.Address
}

// exact makes a value's JSON tell whole numbers from others: 3.0 stays 3.0.
func exact(v any) any {
	switch v := v.(type) {
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return json.Number(text)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = exact(v[i])
		}
		return out
	case map[string]any:
		return exactMap(v)
	default:
		return v
	}
}

func exactMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = exact(v)
	}
	return out
}

// numbers is the way back.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		n, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return n
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
		return v
	case map[string]any:
		return numbersMap(v)
	default:
		return v
	}
}

func numbersMap(m map[string]any) map[string]any {
	for k, v := range m {
		m[k] = numbers(v)
	}
	return m
}

// settled turns a value into plain data that the book gives back as it went in: times become RFC 3339 text, spans
// become seconds with an s. What JSON cannot hold is refused.
func settled(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, string:
		return v, nil
	case int:
		return int64(v), nil
	case uint64:
		if v > math.MaxInt64 {
			return strconv.FormatUint(v, 10), nil
		}
		return int64(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("the number %v cannot be kept", v)
		}
		return v, nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	case time.Duration:
		return strconv.FormatFloat(v.Seconds(), 'f', -1, 64) + "s", nil
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			one, err := settled(item)
			if err != nil {
				return nil, err
			}
			if one != expr.Absent {
				out = append(out, one)
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			one, err := settled(item)
			if err != nil {
				return nil, err
			}
			if one != expr.Absent {
				out[key] = one
			}
		}
		return out, nil
	default:
		if v == expr.Absent {
			return v, nil
		}
		return nil, fmt.Errorf("a value of type %T cannot be kept", v)
	}
}
