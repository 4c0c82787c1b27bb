package show

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"waybill"
)

// tab is one way to look at the events; chip one filter that holds, with the address without it.
type tab struct {
	Label string
	Link  string
	On    bool
	Icon  string
}

type chip struct {
	Label string
	Value string
	Off   string
}

// eventRow is an event in a list.
type eventRow struct {
	waybill.EventRow
	Head    string // Order SO-1001: paid in full
	Tone    tone
	System  string
	Columns []column
	Cells   []string // the columns of the one flow that is looked at, in its order
}

type eventsPage struct {
	Tabs    []tab
	Chips   []chip
	Query   string
	Keep    []column // the other filters, kept by the search form
	Types   []string
	Flows   []FlowCard
	Conns   []ConnectionCard
	Flow    string
	Type    string
	Conn    string
	Since   string
	Headers []string
	Rows    []eventRow
	Next    string
	NewLink string // asks for how many are newer than the first row
	First   bool   // the first page, where newer ones would show
}

// periods are how far back a list may look.
var periods = []struct {
	Name, Label string
	Length      time.Duration
}{
	{"1h", "last hour", time.Hour},
	{"24h", "last 24 hours", 24 * time.Hour},
	{"7d", "last 7 days", 7 * 24 * time.Hour},
	{"30d", "last 30 days", 30 * 24 * time.Hour},
}

var anyID = regexp.MustCompile(`^(evt|itm|arr|run|eff|fet|prb)_[0-9a-z]{22}$`)

// eventFilter reads a filter from an address: the address is the whole state of the page.
func (s *Server) eventFilter(q url.Values) waybill.EventFilter {
	f := waybill.EventFilter{
		Query: strings.TrimSpace(q.Get("q")), Type: q.Get("type"), Flow: q.Get("flow"), Connection: q.Get("connection"),
		State: waybill.RunState(q.Get("state")), Unknown: q.Get("unknown") != "", Before: q.Get("before"), Limit: 50,
	}
	for _, p := range periods {
		if q.Get("since") == p.Name {
			f.Since = s.now().Add(-p.Length)
		}
	}
	return f
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := s.eventFilter(q)
	if anyID.MatchString(f.Query) {
		to := "/events/" + f.Query
		if strings.HasPrefix(f.Query, "prb_") {
			to = "/problems/" + f.Query
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	list, next, err := s.reader.Events(r.Context(), f)
	if err != nil {
		return err
	}
	page := eventsPage{
		Tabs: eventTabs(r.URL), Chips: s.chips(q), Query: f.Query, Flows: s.names.Flows(), Conns: s.names.Connections(),
		Flow: f.Flow, Type: f.Type, Conn: f.Connection, Since: q.Get("since"), First: f.Before == "",
	}
	for _, key := range []string{"state", "unknown"} {
		if v := q.Get(key); v != "" {
			page.Keep = append(page.Keep, column{key, v})
		}
	}
	var columns []string
	if f.Flow != "" {
		card, _ := words{s.names}.flow(f.Flow)
		columns = card.Columns
		for _, c := range columns {
			page.Headers = append(page.Headers, columnName(c))
		}
	}
	for _, row := range list {
		page.Rows = append(page.Rows, s.eventRow(row, columns))
	}
	if next != "" {
		page.Next = before(r.URL, next)
	}
	page.Types = s.typesKnown(f.Type)
	if len(list) > 0 && page.First {
		page.NewLink = "/events/new?" + query(r.URL, "top", string(list[0].ID))
	}
	return s.show(w, r, "events", "Events", page)
}

type newPage struct {
	N    int
	More bool
	Link string
	Ask  string
}

// newEvents says how many events are newer than the first that a page shows, so that rows never move under the cursor.
func (s *Server) newEvents(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	top := q.Get("top")
	list, next, err := s.reader.Events(r.Context(), s.eventFilter(q))
	if err != nil {
		return err
	}
	page := newPage{Link: "/events?" + query(r.URL, "top", ""), Ask: r.URL.RequestURI()}
	for _, row := range list {
		if string(row.ID) > top {
			page.N++
		}
	}
	page.More = next != "" && page.N == len(list)
	return s.show(w, r, "new", "Events", page)
}

// eventRow prepares a row. Without columns of one flow it takes the first ones of a flow that listens to its type.
func (s *Server) eventRow(row waybill.EventRow, columns []string) eventRow {
	e := eventRow{EventRow: row, Head: sayEvent(row.Type, row.Subject), Tone: rowTone(row), System: words{s.names}.System(row.Connection)}
	if columns != nil {
		for _, c := range columns {
			text := ""
			if got := columnsOf(row.Data, []string{c}); len(got) > 0 {
				text = got[0].Value
			}
			e.Cells = append(e.Cells, text)
		}
		return e
	}
	for _, f := range s.names.Flows() {
		if slices.Contains(f.On, row.Type) && len(f.Columns) > 0 {
			e.Columns = columnsOf(row.Data, f.Columns)
			break
		}
	}
	if len(e.Columns) == 0 {
		if amount := amountOf(row.Data); amount != "" {
			e.Columns = []column{{"Amount", amount}}
		}
	}
	// What the headline says is not said again.
	e.Columns = slices.DeleteFunc(e.Columns, func(c column) bool { return row.Subject != "" && strings.HasSuffix(row.Subject, " "+c.Value) })
	if len(e.Columns) > 2 {
		e.Columns = e.Columns[:2]
	}
	return e
}

// typesKnown are the event types the flows listen to, and the one asked for.
func (s *Server) typesKnown(asked string) []string {
	set := map[string]bool{}
	if asked != "" {
		set[asked] = true
	}
	for _, f := range s.names.Flows() {
		for _, t := range f.On {
			set[t] = true
		}
	}
	list := make([]string, 0, len(set))
	for t := range set {
		list = append(list, t)
	}
	slices.Sort(list)
	return list
}

// eventTabs are the ways to look at what came in. They keep the search and the other filters where these mean the same.
func eventTabs(u *url.URL) []tab {
	q := u.Query()
	to := func(path string, pairs ...string) string {
		keep := url.Values{}
		for _, k := range []string{"q", "type", "flow", "connection", "since"} {
			if v := q.Get(k); v != "" && (path == "/events" || k == "connection") {
				keep.Set(k, v)
			}
		}
		for i := 0; i < len(pairs); i += 2 {
			keep.Set(pairs[i], pairs[i+1])
		}
		if len(keep) == 0 {
			return path
		}
		return path + "?" + keep.Encode()
	}
	state, unknown := q.Get("state"), q.Get("unknown") != ""
	onEvents := u.Path == "/events"
	return []tab{
		{"All", to("/events"), onEvents && state == "" && !unknown, ""},
		{"Needs a person", to("/events", "state", "blocked"), onEvents && state == "blocked", "person"},
		{"Unknown", to("/events", "unknown", "yes"), onEvents && unknown, "unknown"},
		{"Waiting", to("/events", "state", "waiting"), onEvents && state == "waiting", "waiting"},
		{"Done", to("/events", "state", "done"), onEvents && state == "done", "done"},
		{"Stopped", to("/events", "state", "stopped"), onEvents && state == "stopped", "stopped"},
		{"Not understood", to("/items", "state", "blocked"), u.Path == "/items" && state == "blocked", "person"},
		{"Not used", to("/items", "state", "not used"), u.Path == "/items" && state != "blocked", "stopped"},
		{"Rejected", to("/rejections"), u.Path == "/rejections", "door"},
	}
}

// chips are the filters that hold.
func (s *Server) chips(q url.Values) []chip {
	say := words{s.names}
	var list []chip
	add := func(key, label, value string) {
		if q.Get(key) == "" {
			return
		}
		rest := url.Values{}
		for k, v := range q {
			if k != key && k != "before" {
				rest[k] = v
			}
		}
		off := "/events"
		if len(rest) > 0 {
			off += "?" + rest.Encode()
		}
		list = append(list, chip{label, value, off})
	}
	add("q", "Search", q.Get("q"))
	add("type", "Event", sayName(q.Get("type")))
	flow, _ := say.flow(q.Get("flow"))
	add("flow", "Flow", flow.Title)
	add("connection", "From", say.System(q.Get("connection")))
	since := q.Get("since")
	for _, p := range periods {
		if p.Name == since {
			since = p.Label
		}
	}
	add("since", "When", since)
	return list
}

// before is the address of the page that follows, which begins after next.
func before(u *url.URL, next string) string { return u.Path + "?" + query(u, "before", next) }

// query returns the query with one value changed; an empty value takes it out.
func query(u *url.URL, key, value string) string {
	q := u.Query()
	q.Del(key)
	if value != "" {
		q.Set(key, value)
	}
	return q.Encode()
}
