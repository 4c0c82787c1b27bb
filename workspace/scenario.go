package workspace

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/simulator"
	"waybill/source"
)

// Scenario is a test a builder wrote: given arrivals and scripted answers, what is expected once everything has come to
// rest. It runs in the offline environment and in virtual time.
type Scenario struct {
	Name    string
	Given   []Given
	Answers []Answers
	Expect  Expect
	File    string
	Line    int
}

// Given is something that comes in: a sample of the connector's simulator, a file's bytes, or a body written in place.
// Exactly one of Sample, Body and Event is set. It is signed as the provider would.
type Given struct {
	Connection string
	Sample     string            // a sample of the connector: payment.captured
	Body       []byte            // of `file` or `body`
	Headers    map[string]string // beside those of the signature
	Event      string            // a business event instead of an arrival, with Data
	Data       map[string]any
	Set        map[string]string // variables of the sample, or dotted paths into the body, to their values
	Times      int               // so many different ones; 1 when not said. For a body: the same one so often
	Dup        int               // each so many times more, with the same ids
	Late       time.Duration     // it happened that long ago
	Forge      bool              // signed with a wrong secret
	Reorder    bool              // the last first
	After      time.Duration     // comes this long after the one before it; alone: time passes and nothing comes
	Schedule   string            // the flow whose schedule's time it is now
	Press      *Press            // a person presses a button; nothing arrives
	Line       int
}

// Press is a button that a person presses: of the newest thing of a flow that offers it.
type Press struct {
	Who    string
	Verb   waybill.Verb
	Flow   string
	Step   string // the address of the step, for what is about an effect; empty: the run
	Reason string
	Values []byte // JSON
}

// Answers script how a connection answers. Whatever is not scripted, the simulator answers.
type Answers struct {
	Connection string
	Action     string // deal.update; empty: any of the connection
	Fault      simulator.FaultKind
	RetryAfter time.Duration
	Delay      time.Duration
	Status     int    // with Body: an answer given in place of a fault
	Body       []byte // JSON
	Times      int    // calls it answers; 1 when not said, negative for ever
	Line       int
}

// Expect is what must be so in the end. What is not said is not checked.
type Expect struct {
	Events     map[string]int                      // how many of each type; other types are not looked at
	Runs       map[string]map[waybill.RunState]int // by flow: how many stand so; an empty map: none at all
	Effects    []ExpectEffect
	OnlyThese  bool // no effect beside those listed
	Problems   *int // open ones
	Unknown    *int // effects whose outcome is not known
	Rejected   *int // requests that were not genuine or not readable
	Duplicates *int // items that were known
	NotUsed    *int // items that were set aside with a reason, duplicates not counted
	Line       int
}

// ExpectEffect is one expected effect, or several alike.
type ExpectEffect struct {
	Connection string
	Action     string
	State      waybill.EffectState // confirmed when not said
	Times      int                 // how many; 1 when not said
	With       map[string]any      // inputs it has, among others
	Reason     string              // a part of its reason
	Line       int
}

type rawScenario struct {
	Test    string       `yaml:"test,required"`
	Given   []rawGiven   `yaml:"given"`
	Answers []rawAnswers `yaml:"answers"`
	Expect  rawExpect    `yaml:"expect"`
	Span    source.Span  `yaml:",span"`
	Node    *source.Node `yaml:",node"`
}

type rawGiven struct {
	Arrives source.Text       `yaml:"arrives"`
	Sample  source.Text       `yaml:"sample"`
	File    source.Text       `yaml:"file"`
	Body    any               `yaml:"body"`
	Headers map[string]string `yaml:"headers"`
	Event   source.Text       `yaml:"event"`
	Data    map[string]any    `yaml:"data"`
	Set     map[string]any    `yaml:"set"`
	Times   int               `yaml:"times"`
	Dup     int               `yaml:"dup"`
	Late    time.Duration     `yaml:"late"`
	Forge   bool              `yaml:"forge"`
	Reorder bool              `yaml:"reorder"`
	After   time.Duration     `yaml:"after"`
	// Schedule names a flow that has one.
	Schedule source.Text `yaml:"schedule"`
	Person   source.Text `yaml:"person"`
	Presses  source.Text `yaml:"presses"`
	Of       source.Text `yaml:"of"`
	Reason   string      `yaml:"reason"`
	Values   any         `yaml:"values"`
	Span     source.Span `yaml:",span"`
}

type rawAnswers struct {
	Action     source.Text   `yaml:"action,required"`
	Fault      source.Text   `yaml:"fault"`
	RetryAfter time.Duration `yaml:"retry_after"`
	Delay      time.Duration `yaml:"delay"`
	Status     int           `yaml:"status"`
	Body       any           `yaml:"body"`
	Times      int           `yaml:"times"`
	Forever    bool          `yaml:"always"`
	Span       source.Span   `yaml:",span"`
}

type rawExpect struct {
	Events     map[string]*source.Node `yaml:"events"`
	Runs       *source.Node            `yaml:"runs"`
	Effects    []rawEffect             `yaml:"effects"`
	OnlyThese  bool                    `yaml:"only_these"`
	Problems   *int                    `yaml:"problems"`
	Unknown    *int                    `yaml:"unknown"`
	Rejected   *int                    `yaml:"rejected"`
	Duplicates *int                    `yaml:"duplicates"`
	NotUsed    *int                    `yaml:"not_used"`
	Span       source.Span             `yaml:",span"`
	Node       *source.Node            `yaml:",node"`
}

type rawEffect struct {
	Action source.Text    `yaml:"action,required"`
	State  source.Text    `yaml:"state"`
	Times  *int           `yaml:"times"`
	With   map[string]any `yaml:"with"`
	Reason string         `yaml:"reason"`
	Span   source.Span    `yaml:",span"`
}

// scenarioReader turns one file's scenario into a Scenario, against the workspace it tests.
type scenarioReader struct {
	w      *Workspace
	fsys   fs.FS
	dir    string
	faults source.Faults
}

func (r *scenarioReader) fault(code string, span source.Span, message, hint string) {
	r.faults.Add(Codes, code, span, message, hint)
}

func (r *scenarioReader) unknown(span source.Span, what, name string, known []string) {
	message := fmt.Sprintf("There is no %s %q.", what, name)
	if len(known) > 0 {
		message += " There are: " + source.Listed(known) + "."
	}
	r.fault("E361", span, message, source.DidYouMean(name, known))
}

func (r *scenarioReader) read(n *source.Node) *Scenario {
	var raw rawScenario
	r.faults = append(r.faults, source.Decode(n, &raw)...)
	s := &Scenario{Name: raw.Test, File: raw.Span.File, Line: raw.Span.Line}
	if n.Kind == source.Map && len(raw.Given) == 0 {
		r.fault("E367", n.KeySpan("given"), "Nothing is given, so nothing would happen.", "Add under `given`: - arrives: CONNECTION")
	}
	for i := range raw.Given {
		s.Given = append(s.Given, r.given(&raw.Given[i]))
	}
	for i := range raw.Answers {
		s.Answers = append(s.Answers, r.answers(&raw.Answers[i]))
	}
	s.Expect = r.expect(&raw.Expect)
	return s
}

func (r *scenarioReader) connection(t source.Text) *Connection {
	c := r.w.Connections[t.Value]
	if c == nil {
		r.unknown(t.Span, "connection", t.Value, slices.Collect(maps.Keys(r.w.Connections)))
	}
	return c
}

func (r *scenarioReader) given(raw *rawGiven) Given {
	g := Given{
		Connection: raw.Arrives.Value, Sample: raw.Sample.Value, Headers: raw.Headers, Event: raw.Event.Value, Data: raw.Data,
		Times: max(1, raw.Times), Dup: raw.Dup, Late: raw.Late, Forge: raw.Forge, Reorder: raw.Reorder, After: raw.After,
		Line: raw.Span.Line, Set: map[string]string{}, Schedule: raw.Schedule.Value,
	}
	for path, value := range raw.Set {
		g.Set[path] = plainText(value)
	}
	if raw.Person.Value != "" {
		g.Press = r.press(raw)
		return g
	}
	kinds := 0
	for _, given := range []bool{raw.Sample.Value != "", raw.File.Value != "", raw.Body != nil, raw.Event.Value != "", raw.Schedule.Value != ""} {
		if given {
			kinds++
		}
	}
	if kinds == 0 && raw.After > 0 && raw.Arrives.Value == "" {
		return g // time passes
	}
	if kinds != 1 {
		r.fault("E367", raw.Span, "What comes in is one of sample, file, body, event or schedule.", "Write for example: sample: payment.captured")
		return g
	}
	if raw.Schedule.Value != "" {
		r.scheduled(raw.Schedule)
		return g
	}
	if raw.Event.Value != "" {
		r.eventType(raw.Event)
		if raw.Arrives.Value != "" {
			r.connection(raw.Arrives)
		}
		return g
	}
	if raw.Arrives.Value == "" {
		r.fault("E367", raw.Span, "It does not say at which connection it arrives.", "Add: arrives: CONNECTION")
		return g
	}
	c := r.connection(raw.Arrives)
	switch {
	case c == nil:
	case c.Manifest.Webhook == nil:
		r.fault("E361", raw.Arrives.Span, fmt.Sprintf("Nothing comes in at %s: %s sends no webhooks.", c.Name, c.Manifest.Title), "")
	case raw.Sample.Value != "" && !slices.Contains(simulator.Samples(c.Manifest), raw.Sample.Value):
		r.unknown(raw.Sample.Span, "sample of "+c.Manifest.Name, raw.Sample.Value, simulator.Samples(c.Manifest))
	}
	g.Body = r.body(raw)
	return g
}

// pressable are the buttons that a scenario presses.
var pressable = []string{ // a table that nothing changes
	string(waybill.VerbApprove), string(waybill.VerbReject), string(waybill.VerbChange), string(waybill.VerbRelease), string(waybill.VerbUndo),
	string(waybill.VerbRetry), string(waybill.VerbSkip), string(waybill.VerbStop), string(waybill.VerbGoOn),
}

func (r *scenarioReader) press(raw *rawGiven) *Press {
	flow, step, _ := strings.Cut(raw.Of.Value, ".")
	p := &Press{Who: raw.Person.Value, Verb: waybill.Verb(raw.Presses.Value), Flow: flow, Step: step, Reason: raw.Reason, Values: asJSON(raw.Values)}
	if !slices.Contains(pressable, raw.Presses.Value) {
		r.unknown(raw.Presses.Span, "button", raw.Presses.Value, pressable)
	}
	if r.w.Flow(flow) == nil {
		var names []string
		for _, f := range r.w.Flows {
			names = append(names, f.Name)
		}
		r.unknown(raw.Of.Span, "flow", flow, names)
	}
	return p
}

// Nothing reports whether only time passes.
func (g Given) Nothing() bool {
	return g.Sample == "" && g.Event == "" && g.Schedule == "" && g.Connection == ""
}

// scheduled checks that a flow starts by itself.
func (r *scenarioReader) scheduled(t source.Text) {
	var names []string
	for _, f := range r.w.Flows {
		if f.Schedule != nil {
			names = append(names, f.Name)
		}
	}
	if !slices.Contains(names, t.Value) {
		r.unknown(t.Span, "flow with a schedule", t.Value, names)
	}
}

func (r *scenarioReader) body(raw *rawGiven) []byte {
	if raw.File.Value == "" {
		if text, ok := raw.Body.(string); ok {
			return []byte(text)
		}
		return asJSON(raw.Body)
	}
	name := path.Join(r.dir, raw.File.Value)
	text, err := fs.ReadFile(r.fsys, name)
	if err != nil {
		r.fault("E361", raw.File.Span, fmt.Sprintf("There is no file %s.", name), "The path is relative to the scenario's own folder.")
	}
	return text
}

func asJSON(v any) []byte {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return string(asJSON(v))
	}
}

// action finds connection.action.
func (r *scenarioReader) action(t source.Text, whole bool) (connection, action string) {
	connection, action, _ = strings.Cut(t.Value, ".")
	span := t.Span
	span.Len = max(1, len(connection))
	c := r.connection(source.NewText(connection, span))
	if c == nil || (action == "" && !whole) {
		return connection, action
	}
	if _, ok := c.Manifest.Actions[action]; !ok {
		r.unknown(t.Span, "action of "+c.Manifest.Name, action, c.Manifest.ActionNames())
	}
	return connection, action
}

func (r *scenarioReader) answers(raw *rawAnswers) Answers {
	a := Answers{
		Fault: simulator.FaultKind(raw.Fault.Value), RetryAfter: raw.RetryAfter, Delay: raw.Delay, Status: raw.Status,
		Body: asJSON(raw.Body), Times: max(1, raw.Times), Line: raw.Span.Line,
	}
	if raw.Forever {
		a.Times = -1
	}
	a.Connection, a.Action = r.action(raw.Action, false)
	var kinds []string
	for _, kind := range simulator.CallFaults {
		kinds = append(kinds, string(kind))
	}
	switch {
	case raw.Fault.Value != "" && !slices.Contains(kinds, raw.Fault.Value):
		r.unknown(raw.Fault.Span, "fault", raw.Fault.Value, kinds)
	case (raw.Fault.Value == "") == (raw.Status == 0):
		r.fault("E367", raw.Span, "A scripted answer is either a `fault` or a `status` with a `body`.",
			"Faults: "+source.Listed(kinds)+".")
	}
	return a
}

func (r *scenarioReader) eventType(t source.Text) {
	if r.w.Catalogue.Type(t.Value) == nil {
		r.unknown(t.Span, "event", t.Value, r.w.Catalogue.Names())
	}
}

func (r *scenarioReader) expect(raw *rawExpect) Expect {
	e := Expect{
		Events: map[string]int{}, Runs: map[string]map[waybill.RunState]int{}, OnlyThese: raw.OnlyThese, Problems: raw.Problems,
		Unknown: raw.Unknown, Rejected: raw.Rejected, Duplicates: raw.Duplicates, NotUsed: raw.NotUsed, Line: raw.Span.Line,
	}
	if raw.Node == nil {
		return e
	}
	if events := raw.Node.Get("events"); events != nil {
		for _, entry := range events.Entries {
			r.eventType(source.NewText(entry.Key, entry.KeySpan))
			count := 0
			r.faults = append(r.faults, source.Decode(entry.Value, &count)...)
			e.Events[entry.Key] = count
		}
	}
	if raw.Runs != nil {
		for _, entry := range raw.Runs.Entries {
			if r.w.Flow(entry.Key) == nil {
				var names []string
				for _, f := range r.w.Flows {
					names = append(names, f.Name)
				}
				r.unknown(entry.KeySpan, "flow", entry.Key, names)
			}
			e.Runs[entry.Key] = r.runs(entry.Value)
		}
	}
	for i := range raw.Effects {
		e.Effects = append(e.Effects, r.effect(&raw.Effects[i]))
	}
	return e
}

var runStates = []waybill.RunState{
	waybill.RunQueued, waybill.RunRunning, waybill.RunWaiting, waybill.RunDone, waybill.RunBlocked, waybill.RunStopped,
}

// runs reads `done`, `none` or {done: 2, blocked: 1}.
func (r *scenarioReader) runs(n *source.Node) map[waybill.RunState]int {
	out := map[waybill.RunState]int{}
	state := func(name string, span source.Span) (waybill.RunState, bool) {
		if slices.Contains(runStates, waybill.RunState(name)) {
			return waybill.RunState(name), true
		}
		names := []string{"none"}
		for _, s := range runStates {
			names = append(names, string(s))
		}
		r.unknown(span, "state of a run", name, names)
		return "", false
	}
	if t, ok := n.Scalar(); ok {
		if t.Value == "none" {
			return out
		}
		if s, ok := state(t.Value, t.Span); ok {
			out[s] = 1
		}
		return out
	}
	counts := map[string]int{}
	r.faults = append(r.faults, source.Decode(n, &counts)...)
	for _, entry := range n.Entries {
		if s, ok := state(entry.Key, entry.KeySpan); ok {
			out[s] = counts[entry.Key]
		}
	}
	return out
}

var effectStates = []string{
	string(waybill.EffectPlanned), string(waybill.EffectSent), string(waybill.EffectConfirmed), string(waybill.EffectDeclined),
	string(waybill.EffectUnknown), string(waybill.EffectSkipped), string(waybill.EffectUndone),
}

func (r *scenarioReader) effect(raw *rawEffect) ExpectEffect {
	e := ExpectEffect{
		State: waybill.EffectConfirmed, Times: 1, With: raw.With, Reason: raw.Reason, Line: raw.Span.Line,
	}
	if raw.Times != nil {
		e.Times = *raw.Times
	}
	if raw.State.Value != "" {
		e.State = waybill.EffectState(raw.State.Value)
		if !slices.Contains(effectStates, raw.State.Value) {
			r.unknown(raw.State.Span, "state of an effect", raw.State.Value, effectStates)
		}
	}
	e.Connection, e.Action = r.action(raw.Action, true)
	return e
}
