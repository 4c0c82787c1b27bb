// Package translate says what an item means: it turns one item of an arrival, and what was fetched for it, into business
// events.
//
// It promises: Translate is a function of its input and the compiled mappings, so the same item always comes to the same
// events with the same fact keys, by whichever way it came; every event's data fits the catalogue's schema; whatever
// becomes of an item has its reason in words, and a mapping that cannot be followed names its file and line. To a
// mapping an empty value (null, "", [], {} or the connector's placeholders) is an absent one. It must not know the book,
// HTTP or flows.
package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

// Translator translates the items of one connection. It is immutable and safe for concurrent use.
type Translator struct {
	manifest  *connector.Manifest
	settings  map[string]string
	catalogue *catalogue.Catalogue
	byType    map[string][]*connector.Mapping
	fetches   []string // the names that fetches give
}

// Options are what a connection adds to its connector.
type Options struct {
	Settings  map[string]string    // of the connection
	Overrides []*connector.Mapping // the workspace's own: they take the place of every mapping of their provider types
}

// New makes a translator and checks each mapping against the catalogue. With an error among the faults it is nil.
func New(m *connector.Manifest, c *catalogue.Catalogue, o Options) (*Translator, source.Faults) {
	t := &Translator{
		manifest: m, settings: m.Defaults(o.Settings), catalogue: c, byType: map[string][]*connector.Mapping{},
	}
	var faults source.Faults
	for _, mapping := range o.Overrides {
		faults = append(faults, t.add(mapping)...)
	}
	overridden := slices.Collect(maps.Keys(t.byType))
	for _, mapping := range m.Mappings {
		own := *mapping
		own.On = slices.DeleteFunc(slices.Clone(mapping.On), func(on string) bool { return slices.Contains(overridden, on) })
		faults = append(faults, t.add(&own)...)
	}
	if faults.Bad() {
		return nil, faults
	}
	return t, faults
}

// Codes are the faults of mappings against the catalogue.
var Codes = map[string]source.Explanation{ // a table that nothing changes
	"E431": {Title: "unknown event", Text: "A mapping makes an event that is not in the catalogue. Use one that is, or define " +
		"your own in events/."},
}

func (t *Translator) add(m *connector.Mapping) source.Faults {
	var faults source.Faults
	d := t.catalogue.Type(m.Event)
	if d == nil {
		faults.Add(Codes, "E431", m.EventAt, fmt.Sprintf("The catalogue has no event %q.", m.Event),
			source.DidYouMean(m.Event, t.catalogue.Names()))
		return faults
	}
	faults = m.Check(d.MappingSchema())
	for _, on := range m.On {
		t.byType[on] = append(t.byType[on], m)
	}
	if m.Fetch != nil && !slices.Contains(t.fetches, m.Fetch.As) {
		t.fetches = append(t.fetches, m.Fetch.As)
	}
	return faults
}

// Input is one item to translate.
type Input struct {
	Item    waybill.Item
	Body    *Body          // of its arrival
	Fetched map[string]any // by the name its mapping gives it; nil where the read found nothing
	Reads   expr.Reads     // for table() and pairing(); may be nil
}

// Body is an arrival's body, made ready once for all its items.
type Body struct {
	value        any
	headers      map[string]string
	placeholders []string // pointers of placeholders that were made absent
}

// Read makes an arrival's body ready. The error is of kind Invalid when the body cannot be read.
func Read(m *connector.Manifest, a *waybill.Arrival) (*Body, error) {
	format := "json"
	if m.Webhook != nil {
		format = m.Webhook.Format
	}
	value := a.Decoded
	if value == nil {
		var err error
		if value, err = connector.DecodeBody(format, a.Body); err != nil {
			return nil, err
		}
	}
	a.Decoded = nil // it is changed below
	b := &Body{headers: make(map[string]string, len(a.Headers))}
	for _, h := range a.Headers {
		b.headers[strings.ToLower(h.Name)] = h.Value
	}
	c := cleaner{placeholders: m.Placeholders}
	b.value, _ = c.clean(value, "")
	b.placeholders = c.found
	return b, nil
}

// InputOf makes the input of one item. Where an arrival has many, Read its body once instead.
func InputOf(m *connector.Manifest, a *waybill.Arrival, item waybill.Item, fetched map[string]any) (Input, error) {
	body, err := Read(m, a)
	return Input{Item: item, Body: body, Fetched: fetched}, err
}

// Result is what came of an item. One of Events, NeedFetch, NotUsed and Blocked says what; Settles may come with Events
// or alone.
type Result struct {
	Events    []waybill.Event  // without ids, item and arrival
	Data      []map[string]any // of the events, in their order
	Settles   []SettlesFound
	NeedFetch *FetchNeeded
	NotUsed   string // why there is nothing to do, in words
	Blocked   *Blocked
}

// FetchNeeded is a read to make before the item can be understood.
type FetchNeeded struct {
	Action string
	Inputs map[string]any
	As     string // the name its output is to have in Fetched
}

// SettlesFound is an effect that the item proves.
type SettlesFound struct {
	Reference string // our key
	State     string // confirmed, declined
	Remote    string // the provider's id
	Message   string // a message's state: sent, delivered, read, failed
	Reason    string
}

// Blocked is an item that cannot be understood until somebody acts.
type Blocked struct {
	Cause waybill.Cause
	Words string // what is wrong and where, in words
	Code  string // the field or event, for grouping
	File  string
	Line  int
}

// Translate says what an item means.
func (t *Translator) Translate(in Input) Result {
	item := in.Item
	mappings := t.byType[item.Type]
	if len(mappings) == 0 {
		return Result{NotUsed: t.unused(item.Type)}
	}
	vars, ok := t.manifest.Around(item.Pointer, connector.Incoming{
		Body: in.Body.value, Headers: in.Body.headers, Settings: t.settings,
	})
	if !ok {
		return Result{NotUsed: fmt.Sprintf("%s sent a %s that is empty", t.manifest.Title, item.Type)}
	}
	for _, name := range t.fetches {
		if vars[name] = in.Fetched[name]; vars[name] == nil {
			vars[name] = map[string]any{}
		}
	}
	w := &work{t: t, in: &in, vars: vars}
	for _, m := range mappings {
		if need := w.fetch(m); need != nil || w.result.Blocked != nil {
			return Result{NeedFetch: need, Blocked: w.result.Blocked}
		}
	}
	for _, m := range mappings {
		w.mapping(m)
		if w.result.Blocked != nil {
			return Result{Blocked: w.result.Blocked}
		}
	}
	if len(w.result.Events) == 0 && len(w.result.Settles) == 0 {
		w.result.NotUsed = fmt.Sprintf("%s sends %s; %s", t.manifest.Title, item.Type, w.reason)
	}
	return w.result
}

func (t *Translator) unused(typ string) string {
	if typ == "" {
		return fmt.Sprintf("%s sent a body in which nothing is known", t.manifest.Title)
	}
	return fmt.Sprintf("%s sends %s; no mapping uses it", t.manifest.Title, typ)
}

// work is the translation of one item.
type work struct {
	t      *Translator
	in     *Input
	vars   map[string]any
	result Result
	reason string // why the first mapping that made nothing did not
}

// fetch says which read a mapping still needs.
func (w *work) fetch(m *connector.Mapping) *FetchNeeded {
	f := m.Fetch
	if f == nil {
		return nil
	}
	if _, done := w.in.Fetched[f.As]; done {
		return nil
	}
	if f.When != nil {
		needed, err := f.When.Bool(w.vars, w.in.Reads)
		if err != nil {
			w.block(m, err)
			return nil
		}
		if !needed {
			return nil
		}
	}
	inputs := map[string]any{}
	if f.With != nil {
		value, err := f.With.Eval(w.vars, w.in.Reads)
		if err != nil {
			w.block(m, err)
			return nil
		}
		inputs, _ = value.(map[string]any)
	}
	return &FetchNeeded{Action: f.Action, Inputs: inputs, As: f.As}
}

func (w *work) mapping(m *connector.Mapping) {
	if m.When != nil {
		ok, err := m.When.Bool(w.vars, w.in.Reads)
		if err != nil {
			w.block(m, err)
			return
		}
		if !ok {
			w.because(m.Otherwise)
			return
		}
	}
	w.settles(m)
	value, err := m.Data.Eval(w.vars, w.in.Reads)
	if err != nil {
		w.block(m, err)
		return
	}
	data, _ := value.(map[string]any)
	derived, told, err := w.t.catalogue.Derive(w.t.catalogue.Type(m.Event), data)
	if err != nil {
		w.wrong(m, waybill.MappingWrong, "", err.Error(), m.Span.Line)
		return
	}
	if !told {
		w.because("nothing is paid yet")
		return
	}
	data, misfits := derived.Definition.Conform(derived.Data)
	if len(misfits) > 0 {
		w.misfit(m, misfits)
		return
	}
	w.event(m, derived.Definition, data)
}

func (w *work) because(words string) {
	if w.reason == "" {
		w.reason = words
	}
}

func (w *work) event(m *connector.Mapping, d *catalogue.Definition, data map[string]any) {
	key, ok := w.text(m, m.FactKey)
	if !ok {
		return
	}
	if key == "" {
		w.wrong(m, waybill.MissingValue, "key", "there is nothing that tells this fact from others (key)", m.FactKey.Span().Line)
		return
	}
	revision, ok := w.text(m, m.Revision)
	if !ok {
		return
	}
	e := waybill.Event{
		Type: d.Type, Noun: d.Noun, Account: w.in.Item.Account, Connection: w.in.Item.Connection, FactKey: key, Rank: d.Rank,
		Revision: revision, OccurredAt: w.occurred(m), Subject: d.SubjectOf(data), Search: d.Search(data),
		Mapped: waybill.MappedBy{File: m.Span.File, Line: m.Span.Line, LeftOut: w.in.Body.placeholders},
	}
	if m.Subject != nil {
		if e.Subject, ok = w.text(m, m.Subject); !ok {
			return
		}
	}
	var err error
	if e.Data, err = expr.EncodeJSON(data); err != nil {
		w.wrong(m, waybill.MappingWrong, "", err.Error(), m.Span.Line)
		return
	}
	w.result.Events = append(w.result.Events, e)
	w.result.Data = append(w.result.Data, data)
}

// occurred is when the fact happened: as the mapping says, else the item, else when it came in.
func (w *work) occurred(m *connector.Mapping) time.Time {
	if m.Time != nil {
		if value, err := m.Time.Eval(w.vars, w.in.Reads); err == nil {
			if at := connector.AsTime(value); !at.IsZero() {
				return at
			}
		}
	}
	if !w.in.Item.OccurredAt.IsZero() {
		return w.in.Item.OccurredAt.UTC()
	}
	return w.in.Item.ReceivedAt.UTC()
}

func (w *work) text(m *connector.Mapping, p *expr.Program) (string, bool) {
	if p == nil {
		return "", true
	}
	value, err := p.Eval(w.vars, w.in.Reads)
	if err != nil {
		w.block(m, err)
		return "", false
	}
	return connector.AsText(value), true
}

// settles notes the effect that an item proves. A reference that is not there proves nothing.
func (w *work) settles(m *connector.Mapping) {
	s := m.Settles
	if s == nil {
		return
	}
	say := func(p *expr.Program) string {
		if p == nil {
			return ""
		}
		value, err := p.Eval(w.vars, w.in.Reads)
		if err != nil {
			return ""
		}
		return connector.AsText(value)
	}
	found := SettlesFound{
		Reference: say(s.Reference), State: say(s.State), Remote: say(s.Remote), Message: say(s.Message), Reason: say(s.Reason),
	}
	if found.Reference != "" && found.State != "" && !slices.Contains(w.result.Settles, found) {
		w.result.Settles = append(w.result.Settles, found)
	}
}
