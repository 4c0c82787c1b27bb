package show

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"waybill"
	"waybill/watch"
)

// api is the JSON API under /api/v1. It reads and acts through the same interfaces as the pages, describes itself as
// OpenAPI 3.1, and answers errors as problem documents (RFC 9457). Who may come in is decided by the site map.
type api struct {
	s    *Server
	mux  *http.ServeMux
	huma huma.API
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) error {
	a.mux.ServeHTTP(w, r)
	return nil
}

const apiWords = `Waybill's journal and desk for programs. Lists are newest first; ` + "`next`" + ` is the cursor of the following page. ` +
	`Times are RFC 3339. Whole numbers in event data are exact. Sign in with a token, which waybill user token NAME makes: Authorization: Bearer wbt_…`

func (s *Server) newAPI() *api {
	mux := http.NewServeMux()
	formats := map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	h := humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0", Info: &huma.Info{Title: "Waybill", Version: "1", Description: apiWords},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		OpenAPIPath: "/api/v1/openapi", Formats: formats, DefaultFormat: "application/json",
		RejectUnknownQueryParameters: true, // one misspelt would be as none: all of a list, where a part was asked for
		Transformers:                 []huma.Transformer{refusalOf},
	})
	h.UseMiddleware(plainly)
	a := &api{s: s, mux: mux, huma: h}
	mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, r *http.Request) {
		if refuseMethod(mux, w, r) {
			return
		}
		problem(w, http.StatusNotFound, "there is nothing at this address", "see /api/v1/openapi.json")
	})
	a.reads()
	a.jobRoutes()
	a.personRoutes()
	a.document()
	huma.Register(h, huma.Operation{
		OperationID: "act", Method: http.MethodPost, Path: "/api/v1/acts", Summary: "Press a button",
		Description: "Does what a button on a page does. Ask for the choices of an object first: only these are possible.", Tags: []string{"desk"},
	}, a.act)
	a.describeRefusals()
	return a
}

// get registers a read.
func get[I, O any](a *api, path, id, summary string, read func(context.Context, *I) (*O, error)) {
	huma.Register(a.huma, huma.Operation{OperationID: id, Method: http.MethodGet, Path: "/api/v1" + path, Summary: summary, Tags: []string{"journal"}},
		func(ctx context.Context, in *I) (*struct{ Body *O }, error) {
			out, err := read(ctx, in)
			if err != nil {
				return nil, a.refuse(ctx, err)
			}
			return &struct{ Body *O }{out}, nil
		})
}

// refuse turns an error into a problem document, without anything of our inside.
func (a *api) refuse(ctx context.Context, err error) error {
	status := statusOf(err)
	if status == http.StatusInternalServerError && ctx.Err() == nil {
		a.s.log.ErrorContext(ctx, "the API could not answer", "error", err)
	}
	message, hint := sayError(err)
	return newRefusal(status, message, hint)
}

// The inputs of the reads.
type (
	nothing struct{}
	byID    struct {
		ID string `path:"id" maxLength:"64"`
	}
	eventQuery struct {
		Query      string    `query:"query" maxLength:"200" doc:"anything: id, order number, e-mail, phone, amount"`
		Type       string    `query:"type" maxLength:"100"`
		Flow       string    `query:"flow" maxLength:"100"`
		Connection string    `query:"connection" maxLength:"100"`
		State      string    `query:"state" maxLength:"40" doc:"queued, running, waiting, done, blocked or stopped"`
		Unknown    bool      `query:"unknown" doc:"only those with an effect whose outcome is not known"`
		Since      time.Time `query:"since"`
		Until      time.Time `query:"until"`
		Before     string    `query:"before" maxLength:"100" doc:"the cursor: next of the page before"`
		Limit      int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
	}
	listQuery struct {
		State      string `query:"state" maxLength:"40"`
		Connection string `query:"connection" maxLength:"100"`
		Flow       string `query:"flow" maxLength:"100"`
		Event      string `query:"event" maxLength:"64"`
		Before     string `query:"before" maxLength:"100"`
		Limit      int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	}
)

func (q *listQuery) filter() waybill.ListFilter {
	return waybill.ListFilter{State: q.State, Connection: q.Connection, Flow: q.Flow, Event: waybill.EventID(q.Event), Before: q.Before, Limit: q.Limit}
}

// listOf is a list with the cursor of what follows.
type listOf[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"the cursor of the following page; absent on the last"`
}

// states of the things in each list: nothing is ever in another one. A list without states takes what it calls so as it is.
var states = map[string][]string{ // a table that nothing changes
	"events":   {"queued", "running", "waiting", "done", "blocked", "stopped"},
	"items":    {"kept", "fetching", "translated", "not used", "blocked"},
	"runs":     {"queued", "running", "waiting", "done", "blocked", "stopped"},
	"effects":  {"planned", "sent", "confirmed", "declined", "unknown", "skipped", "undone"},
	"asks":     {"open", "approved", "rejected", "passed on", "over", "withdrawn"},
	"jobs":     {"open", "planning", "planned", "running", "paused", "done", "stopped"},
	"problems": {"open", "new", "working", "regressed", "fixed"},

	"members of a job": {"planned", "chosen", "begun", "waiting", "done", "failed", "blocked", "skipped"},
}

// States are the states by which a list of the API can be narrowed; none for a list without.
func States(list string) []string { return states[list] }

// narrows are the parameters by which a list can be narrowed: another one would be taken and change nothing.
var narrows = map[string][]string{ // a table that nothing changes
	"items":      {"state", "connection", "event"},
	"runs":       {"state", "connection", "flow", "event"},
	"effects":    {"state", "connection", "flow", "event"},
	"problems":   {"state", "connection", "flow"},
	"jobs":       {"state"},
	"rejections": {"connection"},
	"audit":      {"state"},
}

// check refuses what a list is not narrowed by, and a state that nothing of it is ever in.
func (q *listQuery) check(kind string) error {
	for _, p := range [][2]string{{"state", q.State}, {"connection", q.Connection}, {"flow", q.Flow}, {"event", q.Event}} {
		if p[1] != "" && !slices.Contains(narrows[kind], p[0]) {
			return &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf("the list of %s is not narrowed by %s", kind, p[0]), Hint: "it is by " + strings.Join(narrows[kind], ", ")}
		}
	}
	return knownState(kind, q.State)
}

// knownState refuses a state that nothing of a list is ever in: an empty list would read as if all were well.
func knownState(kind, state string) error {
	if state == "" || states[kind] == nil || slices.Contains(states[kind], state) {
		return nil
	}
	return &waybill.Error{
		Kind: waybill.Invalid, Message: fmt.Sprintf("no state of %s is called %q", kind, state), Hint: "one of " + strings.Join(states[kind], ", "),
	}
}

// list reads a list and says each of its things.
func list[T, V any](kind string, read func(context.Context, waybill.ListFilter) ([]T, string, error), say func(T) V) func(context.Context, *listQuery) (*listOf[V], error) {
	return func(ctx context.Context, q *listQuery) (*listOf[V], error) {
		if err := q.check(kind); err != nil {
			return nil, err
		}
		rows, next, err := read(ctx, q.filter())
		if err != nil {
			return nil, err
		}
		out := &listOf[V]{Items: make([]V, 0, len(rows)), Next: next}
		for _, r := range rows {
			out.Items = append(out.Items, say(r))
		}
		return out, nil
	}
}

func (a *api) reads() {
	s := a.s
	get(a, "/overview", "overview", "How it is, in a sentence and in figures of the last 24 hours", a.overview)
	get(a, "/events", "events", "Business events", a.events)
	get(a, "/events/{id}", "journey", "The whole way of one event, by any id on it", a.journey)
	get(a, "/items", "items", "What came in, each with its end", list("items", s.lists.Items, apiItemOf))
	get(a, "/runs", "runs", "Executions of flows", list("runs", s.lists.Runs, apiRunOf))
	get(a, "/effects", "effects", "Outside writes, each with its certainty", list("effects", s.lists.Effects, apiEffectOf))
	get(a, "/asks", "asks", "Questions to people: open ones wait for an answer", a.asks)
	get(a, "/problems", "problems", "What needs a person, grouped by cause and explained", list("problems", s.reader.Problems, a.problemOf))
	get(a, "/problems/{id}", "problem", "One problem with what it holds and what can be done", a.problem)
	get(a, "/connections", "connections", "The state and figures of each connection, those that were taken out of the workspace or retired too", a.connections)
	get(a, "/nodes", "nodes", "The processes that work on the book, where there may be several", a.listNodes)
	get(a, "/rejections", "rejections", "What was turned away at the door", list("rejections", s.reader.Rejections, apiRejectionOf))
	get(a, "/audit", "audit", "What people did", list("audit", s.lists.AuditLog, apiAuditOf))
	get(a, "/choices/{id}", "choices", "The buttons of an item, run, effect, problem or connection", a.choices)
}

// document leaves out of the API's description what a list is not narrowed by.
func (a *api) document() {
	for kind, by := range narrows {
		op := a.huma.OpenAPI().Paths["/api/v1/"+kind].Get
		op.Parameters = slices.DeleteFunc(slices.Clone(op.Parameters), func(p *huma.Param) bool {
			return slices.Contains([]string{"state", "connection", "flow", "event"}, p.Name) && !slices.Contains(by, p.Name)
		})
	}
}

func (a *api) overview(ctx context.Context, _ *nothing) (*apiOverview, error) {
	o, err := a.s.reader.Overview(ctx, a.s.now().Add(-24*time.Hour))
	if err != nil {
		return nil, err
	}
	o.Flows = watch.OfFlows(o.Flows, a.s.flowNames())
	out := apiOverviewOf(o)
	for i, p := range o.Problems {
		one := a.problemOf(p)
		o.Problems[i].Title = one.Explanation.Title
		out.Problems = append(out.Problems, one)
	}
	out.Sentence = watch.Sentence(*o)
	return out, nil
}

func (a *api) events(ctx context.Context, q *eventQuery) (*listOf[apiEventRow], error) {
	if err := knownState("events", q.State); err != nil {
		return nil, err
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: "since is not before until", Hint: "nothing lies between them"}
	}
	rows, next, err := a.s.reader.Events(ctx, waybill.EventFilter{
		Query: q.Query, Type: q.Type, Flow: q.Flow, Connection: q.Connection, State: waybill.RunState(q.State), Unknown: q.Unknown,
		Since: q.Since, Until: q.Until, Before: q.Before, Limit: q.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &listOf[apiEventRow]{Items: make([]apiEventRow, 0, len(rows)), Next: next}
	for _, r := range rows {
		out.Items = append(out.Items, apiEventRowOf(r))
	}
	return out, nil
}

func (a *api) journey(ctx context.Context, in *byID) (*apiJourney, error) {
	j, err := a.s.reader.Journey(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := apiJourneyOf(j)
	for _, p := range j.Problems {
		out.Problems = append(out.Problems, a.problemOf(p))
	}
	return out, nil
}

func (a *api) problemOf(p waybill.Problem) apiProblem {
	return apiProblemOf(p, watch.Explain(p, words{a.s.names}))
}

func (a *api) problem(ctx context.Context, in *byID) (*apiProblemView, error) {
	v, err := a.s.reader.Problem(ctx, waybill.ProblemID(in.ID))
	if err != nil {
		return nil, err
	}
	out := &apiProblemView{apiProblem: a.problemOf(v.Problem), Members: []apiMember{}, Events: []apiEventRow{}, Effects: []apiEffect{}}
	for _, m := range v.Members {
		out.Members = append(out.Members, apiMember{string(m.Item), string(m.Run), string(m.Effect), string(m.Fetch), m.Connection, string(m.Event), m.At})
	}
	for _, r := range v.Events {
		out.Events = append(out.Events, apiEventRowOf(r))
	}
	for _, e := range v.Effects {
		out.Effects = append(out.Effects, apiEffectOf(e))
	}
	return out, nil
}

func (a *api) connections(ctx context.Context, _ *nothing) (*listOf[apiConnection], error) {
	rows, err := a.s.reader.Connections(ctx)
	if err != nil {
		return nil, err
	}
	out := &listOf[apiConnection]{Items: make([]apiConnection, 0, len(rows))}
	for _, r := range rows {
		_, known := words{a.s.names}.connection(r.State.Connection)
		out.Items = append(out.Items, apiConnectionOf(r, !known))
	}
	return out, nil
}

func (a *api) choices(ctx context.Context, in *byID) (*listOf[apiChoice], error) {
	rows, err := a.s.desk.Choices(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &listOf[apiChoice]{Items: make([]apiChoice, 0, len(rows))}
	for _, c := range rows {
		out.Items = append(out.Items, apiChoice{string(c.Verb), c.Label, c.Safety, c.Safe, c.NeedsReason, rawJSON(c.Inputs), c.About})
	}
	return out, nil
}

type actInput struct {
	Body struct {
		Verb   string `json:"verb" maxLength:"40" doc:"one of the object's choices: retry, skip, stop, it happened, pause, retire…"`
		Object string `json:"object" maxLength:"128" doc:"itm_…, run_…, ask_… (answers that very question), eff_…, prb_…, or a connection's name"`
		Reason string `json:"reason,omitempty" maxLength:"300" doc:"why; some verbs need it"`
		Inputs any    `json:"inputs,omitempty" doc:"other inputs, for edit and retry"`
		About  string `json:"about,omitempty" maxLength:"1000" doc:"as the choice has it, refused with 409 when something else stands there by now"`
	}
	RawBody []byte
}

type actOutput struct {
	Body struct {
		Said string `json:"said" doc:"what happened, in a sentence"`
	}
}

func (a *api) act(ctx context.Context, in *actInput) (*actOutput, error) {
	p, _ := ctx.Value(personKey{}).(Person)
	act := waybill.Act{Who: p.Name, Role: string(p.Role), Verb: waybill.Verb(in.Body.Verb), Object: in.Body.Object, Reason: in.Body.Reason, Inputs: rawMember(in.RawBody, "inputs"), About: in.Body.About}
	said, err := a.s.do(ctx, act)
	if err != nil {
		return nil, a.refuse(ctx, err)
	}
	out := &actOutput{}
	out.Body.Said = said
	return out, nil
}
