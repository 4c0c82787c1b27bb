// Package showtest is a dashboard's other side for tests and for looking at pages: a book, a desk and a workspace in
// memory, filled with the life of a small business, with nothing, or with hostile text in every field.
//
// It promises only to satisfy show's interfaces with values that could be real; it keeps no promise of the engine.
package showtest

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"waybill"
	"waybill/show"
)

// Book holds what the pages read. Fill in what a test needs.
type Book struct {
	Over      waybill.Overview
	Rows      []waybill.EventRow
	Journeys  map[string]*waybill.Journey
	Trouble   []waybill.ProblemView
	Turned    []waybill.Rejection
	Figures   []waybill.ConnectionFigures
	Kept      []waybill.Item
	RunList   []waybill.Run
	Effect    []waybill.Effect
	Question  []waybill.Question
	Log       []waybill.Audited
	Buttons   map[string][]waybill.Choice
	Here      show.Place
	FlowList  []show.FlowCard
	ConnList  []show.ConnectionCard
	OwnerList map[string]string
	PeopleOf  map[string][]string // who answers for an owner
	JobList   []waybill.Job
	JobParts  []waybill.JobMember
	NodeList  []waybill.Node

	mu       sync.Mutex
	settings map[string][]byte
	watchers []chan []string
	// Acts are the buttons that were pressed.
	Acts []waybill.Act
	// JobActs are those of jobs.
	JobActs []waybill.JobAct
}

func missing(what string) error {
	return &waybill.Error{Kind: waybill.NotFound, Message: "there is no " + what + " of this id", Hint: "search for it by what you know"}
}

// Overview returns the one overview.
func (b *Book) Overview(context.Context, time.Time) (*waybill.Overview, error) {
	o := b.Over
	return &o, nil
}

// Events filters by state, unknown, flow, connection and a text in subject, type or data.
func (b *Book) Events(_ context.Context, f waybill.EventFilter) ([]waybill.EventRow, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []waybill.EventRow
	for _, r := range b.Rows {
		text := strings.ToLower(string(r.ID) + " " + r.Subject + " " + r.Type + " " + string(r.Data))
		if f.State != "" && r.State != f.State || f.Unknown && r.Unknown == 0 || f.Connection != "" && r.Connection != f.Connection ||
			f.Type != "" && r.Type != f.Type || !strings.Contains(text, strings.ToLower(f.Query)) ||
			f.Before != "" && string(r.ID) >= f.Before || r.AcceptedAt.Before(f.Since) {
			continue
		}
		list = append(list, r)
	}
	if f.Limit > 0 && len(list) > f.Limit {
		return list[:f.Limit], string(list[f.Limit-1].ID), nil
	}
	return list, "", nil
}

// Journey finds a journey by any id it is filed under.
func (b *Book) Journey(_ context.Context, id string) (*waybill.Journey, error) {
	if j, ok := b.Journeys[id]; ok {
		return j, nil
	}
	return nil, missing("event")
}

// Problems lists the open or the fixed problems, of a flow where one is asked for.
func (b *Book) Problems(_ context.Context, f waybill.ListFilter) ([]waybill.Problem, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []waybill.Problem
	for _, v := range b.Trouble {
		if (f.State == "" || v.Problem.State.Open() == (f.State == "open")) && (f.Flow == "" || slices.Contains(v.Problem.Flows, f.Flow)) {
			list = append(list, v.Problem)
		}
	}
	return list, "", nil
}

// Problem finds a problem.
func (b *Book) Problem(_ context.Context, id waybill.ProblemID) (*waybill.ProblemView, error) {
	for i := range b.Trouble {
		if b.Trouble[i].Problem.ID == id {
			return &b.Trouble[i], nil
		}
	}
	return nil, missing("problem")
}

// Rejections lists all of them.
func (b *Book) Rejections(context.Context, waybill.ListFilter) ([]waybill.Rejection, string, error) {
	return b.Turned, "", nil
}

// Connections lists the figures of all of them.
func (b *Book) Connections(context.Context) ([]waybill.ConnectionFigures, error) {
	return b.Figures, nil
}

// Items filters by state.
func (b *Book) Items(_ context.Context, f waybill.ListFilter) ([]waybill.Item, string, error) {
	return slices.DeleteFunc(slices.Clone(b.Kept), func(i waybill.Item) bool { return f.State != "" && string(i.State) != f.State }), "", nil
}

// Runs lists all of them.
func (b *Book) Runs(context.Context, waybill.ListFilter) ([]waybill.Run, string, error) {
	return b.RunList, "", nil
}

// Effects lists all of them.
func (b *Book) Effects(context.Context, waybill.ListFilter) ([]waybill.Effect, string, error) {
	return b.Effect, "", nil
}

// Asks filters by state.
func (b *Book) Asks(_ context.Context, f waybill.ListFilter) ([]waybill.Question, string, error) {
	return slices.DeleteFunc(slices.Clone(b.Question), func(q waybill.Question) bool { return f.State != "" && string(q.State) != f.State }), "", nil
}

// AuditLog lists all of it.
func (b *Book) AuditLog(context.Context, waybill.ListFilter) ([]waybill.Audited, string, error) {
	return b.Log, "", nil
}

// NodesSeen lists the nodes.
func (b *Book) NodesSeen(context.Context, bool) ([]waybill.Node, error) { return b.NodeList, nil }

// Choices returns the buttons of an object.
func (b *Book) Choices(_ context.Context, object string) ([]waybill.Choice, error) {
	return b.Buttons[object], nil
}

// Act keeps what was pressed and says so.
func (b *Book) Act(_ context.Context, a waybill.Act) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.ContainsFunc(b.Buttons[a.Object], func(c waybill.Choice) bool { return c.Verb == a.Verb }) {
		return "", &waybill.Error{Kind: waybill.Conflict, Message: "this can no longer be done: it has changed meanwhile", Hint: "look at it again"}
	}
	b.Acts = append(b.Acts, a)
	return "Done: " + string(a.Verb) + ". It is on the audit list with your name.", nil
}

// Setting returns a kept value, nil when there is none.
func (b *Book) Setting(_ context.Context, name string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settings[name], nil
}

// Swap keeps all values, each where what was stands.
func (b *Book) Swap(_ context.Context, list []show.Swap) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range list {
		if !bytes.Equal(b.settings[s.Name], s.Was) {
			return false, nil
		}
	}
	if b.settings == nil {
		b.settings = map[string][]byte{}
	}
	for _, s := range list {
		b.settings[s.Name] = s.Now
	}
	return true, nil
}

// Watch gives a channel that Change writes to.
func (b *Book) Watch() (<-chan []string, func()) {
	c := make(chan []string, 8)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers = append(b.watchers, c)
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.watchers = slices.DeleteFunc(b.watchers, func(w chan []string) bool { return w == c })
	}
}

// Change tells every watcher that things of these kinds changed, and returns how many were told.
func (b *Book) Change(kinds ...string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.watchers {
		select {
		case w <- kinds:
		default:
		}
	}
	return len(b.watchers)
}

// SetTitle gives a problem another title, as if it had changed.
func (b *Book) SetTitle(i int, title string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Trouble[i].Problem.Title = title
}

// AddRow puts a new event on top of the list, as if it had just come in.
func (b *Book) AddRow(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	row := b.Rows[0]
	row.ID, row.AcceptedAt = waybill.EventID(ID("evt", 9999)), now
	b.Rows = append([]waybill.EventRow{row}, b.Rows...)
}

// Place returns where this is.
func (b *Book) Place() show.Place { return b.Here }

// Flows returns the flows in words.
func (b *Book) Flows() []show.FlowCard { return b.FlowList }

// ConnectionCards of the workspace. (Connections is taken by the figures.)
func (b *Book) ConnectionCards() []show.ConnectionCard { return b.ConnList }

// Owner returns an owner's title.
func (b *Book) Owner(name string) string { return b.OwnerList[name] }

// People are those who answer for an owner.
func (b *Book) People(owner string) []string { return b.PeopleOf[owner] }

// names is the Book as show.Names.
type names struct{ *Book }

// Connections returns the connections in words.
func (n names) Connections() []show.ConnectionCard { return n.ConnList }

// Options are those of a dashboard over this book at a fixed time.
func (b *Book) Options(now time.Time) show.Options {
	return show.Options{
		Reader: b, Lists: b, Desk: b, Jobs: bulk{b}, Names: names{b}, Store: b, Changes: b, Nodes: b, Now: func() time.Time { return now },
	}
}

// Fill writes payload into every text field that comes from outside, through all that the value holds: strings and
// bytes. What is ours, and typed so (states, causes, ids), stays.
func Fill(v any, payload string) {
	fill(reflect.ValueOf(v), payload, map[uintptr]bool{})
}

func fill(v reflect.Value, payload string, seen map[uintptr]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] || v.Type() == reflect.TypeFor[*time.Location]() {
			return
		}
		seen[v.Pointer()] = true
		fill(v.Elem(), payload, seen)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type() != reflect.TypeFor[time.Time]() {
				fill(v.Field(i), payload, seen)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[[]byte]() {
			if v.Len() > 0 && v.CanSet() {
				v.SetBytes([]byte(payload))
			}
			return
		}
		for i := range v.Len() {
			fill(v.Index(i), payload, seen)
		}
	case reflect.Map:
		if v.Type() == reflect.TypeFor[map[string]string]() {
			for _, k := range v.MapKeys() {
				v.SetMapIndex(k, reflect.ValueOf(payload))
			}
			return
		}
		for _, k := range v.MapKeys() {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(k))
			fill(elem, payload, seen)
			v.SetMapIndex(k, elem)
		}
	case reflect.String:
		if v.CanSet() && v.Type() == reflect.TypeFor[string]() {
			v.SetString(payload)
		}
	default:
	}
}

// Hostile is the rich book with payload in every text field that comes from outside.
func Hostile(now time.Time, payload string) *Book {
	b := Rich(now)
	Fill(&b.Over, payload)
	for i := range b.Rows {
		Fill(&b.Rows[i], payload)
		b.Rows[i].Data = []byte(`{"order":{"id":` + quoted(payload) + `,"paid_total":{"minor":1,"currency":` + quoted(payload) + `}}}`)
	}
	for _, j := range b.Journeys {
		Fill(j, payload)
		for _, run := range j.Runs {
			for i := range run.Asks { // as values, too, not only as text that is no JSON
				run.Asks[i].Show = []byte(`{` + quoted(payload) + `:` + quoted(payload) + `}`)
			}
		}
	}
	Fill(&b.Question, payload)
	Fill(&b.Trouble, payload)
	Fill(&b.Turned, payload)
	Fill(&b.Kept, payload)
	Fill(&b.Log, payload)
	for id := range b.Buttons {
		list := b.Buttons[id]
		Fill(&list, payload)
		b.Buttons[id] = list
	}
	flows, conns := slices.Clone(b.FlowList), slices.Clone(b.ConnList)
	Fill(&flows, payload)
	Fill(&conns, payload)
	b.FlowList = append(b.FlowList, flows[0])
	b.ConnList = append(b.ConnList, conns[0])
	for i := range b.Figures {
		name := b.Figures[i].State.Connection
		Fill(&b.Figures[i], payload)
		b.Figures[i].State.Connection = name
	}
	b.OwnerList = map[string]string{"finance-ops": payload, "sales": payload}
	return b
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\x00", "").Replace(s) + `"`
}
