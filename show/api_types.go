package show

import (
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"waybill"
)

// The forms of the JSON API. They are a contract of their own, so that the inside may change: a name once here stays.

type apiOverview struct {
	Sentence  string       `json:"sentence" doc:"how it is, in words"`
	Since     time.Time    `json:"since"`
	Received  int          `json:"received"`
	Duplicate int          `json:"duplicate" doc:"items already known"`
	NotUsed   int          `json:"not_used"`
	Rejected  int          `json:"rejected"`
	Events    int          `json:"events"`
	Working   int          `json:"working"`
	Waiting   int          `json:"waiting"`
	Done      int          `json:"done"`
	Stopped   int          `json:"stopped"`
	Blocked   int          `json:"blocked" doc:"on a person's list now"`
	Asks      int          `json:"asks" doc:"questions that wait for an answer now"`
	Unknown   int          `json:"unknown" doc:"effects whose outcome is not known, now"`
	Late      int          `json:"late"`
	Problems  []apiProblem `json:"problems"`
	Flows     []apiFlow    `json:"flows" doc:"every flow of the workspace, and those gone that still have work"`
}

type apiFlow struct {
	Flow    string    `json:"flow"`
	Done    int       `json:"done"`
	Open    int       `json:"open"`
	Blocked int       `json:"blocked"`
	Asks    int       `json:"asks" doc:"its questions that wait for an answer now"`
	Last    time.Time `json:"last,omitzero"`
}

func apiOverviewOf(o *waybill.Overview) *apiOverview {
	out := &apiOverview{
		Since: o.Since, Received: o.Received, Duplicate: o.Duplicate, NotUsed: o.NotUsed, Rejected: o.Rejected, Events: o.Events, Working: o.Working,
		Waiting: o.Waiting, Done: o.Done, Stopped: o.Stopped, Blocked: o.Blocked, Asks: o.Asks, Unknown: o.Unknown, Late: o.Late,
		Problems: []apiProblem{}, Flows: []apiFlow{},
	}
	for _, f := range o.Flows {
		out.Flows = append(out.Flows, apiFlow{f.Flow, f.Done, f.Open, f.Blocked, f.Asks, f.Last})
	}
	return out
}

type apiEventRow struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Connection string          `json:"connection,omitempty"`
	Subject    string          `json:"subject,omitempty"`
	State      string          `json:"state,omitempty" doc:"the worst of its runs; absent when no flow used it"`
	Shown      string          `json:"shown" doc:"the word pages use"`
	Reason     string          `json:"reason,omitempty"`
	OccurredAt time.Time       `json:"occurred_at,omitzero"`
	AcceptedAt time.Time       `json:"accepted_at"`
	Runs       int             `json:"runs"`
	Unknown    int             `json:"unknown"`
	Evidence   int             `json:"evidence" doc:"further items that told it"`
	Data       json.RawMessage `json:"data,omitempty"`
}

func apiEventRowOf(r waybill.EventRow) apiEventRow {
	return apiEventRow{
		string(r.ID), r.Type, r.Connection, r.Subject, string(r.State), rowTone(r).Word, r.Reason, r.OccurredAt, r.AcceptedAt, r.Runs, r.Unknown,
		r.Evidence, rawJSON(r.Data),
	}
}

type apiItem struct {
	ID          string    `json:"id"`
	Arrival     string    `json:"arrival"`
	Connection  string    `json:"connection"`
	Account     string    `json:"account,omitempty"`
	Type        string    `json:"type,omitempty"`
	DeliveryKey string    `json:"delivery_key,omitempty"`
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	DuplicateOf string    `json:"duplicate_of,omitempty"`
	Events      []string  `json:"events,omitempty"`
	Problem     string    `json:"problem,omitempty"`
	OccurredAt  time.Time `json:"occurred_at,omitzero"`
	ReceivedAt  time.Time `json:"received_at"`
}

func apiItemOf(i waybill.Item) apiItem {
	out := apiItem{
		ID: string(i.ID), Arrival: string(i.Arrival), Connection: i.Connection, Account: i.Account, Type: i.Type, DeliveryKey: i.DeliveryKey,
		State: string(i.State), Reason: i.Reason, DuplicateOf: string(i.DuplicateOf), Problem: string(i.Problem), OccurredAt: i.OccurredAt, ReceivedAt: i.ReceivedAt,
	}
	for _, e := range i.Events {
		out.Events = append(out.Events, string(e))
	}
	return out
}

type apiRun struct {
	ID          string    `json:"id"`
	Event       string    `json:"event"`
	Flow        string    `json:"flow"`
	Bundle      string    `json:"bundle" doc:"the version it runs on"`
	Mode        string    `json:"mode"`
	State       string    `json:"state" enum:"queued,running,waiting,done,blocked,stopped"`
	Shown       string    `json:"shown"`
	Reason      string    `json:"reason,omitempty"`
	Lane        string    `json:"lane,omitempty"`
	Owner       string    `json:"owner,omitempty"`
	FailedParts int       `json:"failed_parts"`
	Problem     string    `json:"problem,omitempty"`
	Behind      string    `json:"behind,omitempty"`
	DueBy       time.Time `json:"due_by,omitzero"`
	CreatedAt   time.Time `json:"created_at"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
}

func apiRunOf(r waybill.Run) apiRun {
	return apiRun{
		string(r.ID), string(r.Event), r.Flow, string(r.Bundle), string(r.Mode), string(r.State), r.State.Shown(), r.Reason, r.Lane, r.Owner,
		r.FailedParts, string(r.Problem), string(r.Behind), r.DueBy, r.CreatedAt, r.EndedAt,
	}
}

type apiEffect struct {
	ID          string          `json:"id"`
	Event       string          `json:"event"`
	Run         string          `json:"run,omitempty"`
	Flow        string          `json:"flow"`
	Address     string          `json:"address" doc:"the step's path"`
	Generation  int             `json:"generation"`
	Connection  string          `json:"connection"`
	Action      string          `json:"action"`
	Kind        string          `json:"kind"`
	Repeat      string          `json:"repeat" doc:"what makes sending it again harmless"`
	State       string          `json:"state" enum:"planned,sent,confirmed,declined,unknown,skipped,undone"`
	Certainty   string          `json:"certainty" doc:"the words of the journey"`
	Reason      string          `json:"reason,omitempty"`
	Cause       string          `json:"cause,omitempty"`
	Proof       string          `json:"proof,omitempty"`
	Key         string          `json:"key,omitempty" doc:"our reference at the provider"`
	ObjectType  string          `json:"object_type,omitempty"`
	ObjectID    string          `json:"object_id,omitempty" doc:"the provider's id of what was written"`
	Inputs      json.RawMessage `json:"inputs,omitempty"`
	Answer      json.RawMessage `json:"answer,omitempty"`
	Tries       int             `json:"tries"`
	Problem     string          `json:"problem,omitempty"`
	Undoes      string          `json:"undoes,omitempty"`
	PlannedAt   time.Time       `json:"planned_at"`
	SentAt      time.Time       `json:"sent_at,omitzero"`
	SettledAt   time.Time       `json:"settled_at,omitzero"`
	NextTryAt   time.Time       `json:"next_try_at,omitzero"`
	Fingerprint string          `json:"fingerprint,omitempty"`
}

func apiEffectOf(e waybill.Effect) apiEffect {
	out := apiEffect{
		ID: string(e.ID), Event: string(e.Event), Run: string(e.Run), Flow: e.Flow, Address: e.Address, Generation: e.Generation, Connection: e.Connection,
		Action: e.Action, Kind: string(e.Kind), Repeat: string(e.Repeat), State: string(e.State), Certainty: certainty(e, e.Connection).Word, Reason: e.Reason,
		Cause: string(e.Cause), Proof: e.Proof, Key: e.Key, ObjectType: e.Object.Type, ObjectID: e.Object.ID, Inputs: rawJSON(e.Inputs), Answer: rawJSON(e.Answer),
		Tries: e.Tries, Problem: string(e.Problem), Undoes: string(e.Undoes), PlannedAt: e.PlannedAt, SentAt: e.SentAt, SettledAt: e.SettledAt, Fingerprint: e.Fingerprint,
	}
	if e.State == waybill.EffectPlanned && !held(e) {
		out.NextTryAt = e.DueAt
	}
	return out
}

type apiProblem struct {
	ID          string         `json:"id"`
	Key         string         `json:"key"`
	Cause       string         `json:"cause"`
	Connection  string         `json:"connection,omitempty"`
	Action      string         `json:"action,omitempty"`
	Code        string         `json:"code,omitempty"`
	Flow        string         `json:"flow,omitempty" doc:"the first of flows"`
	Flows       []string       `json:"flows,omitempty" doc:"of what it holds, in the order they came; the first hundred"`
	Owner       string         `json:"owner,omitempty"`
	State       string         `json:"state" enum:"new,working,fixed,regressed"`
	Lesser      bool           `json:"lesser" doc:"the runs carried on"`
	Count       int            `json:"count"`
	Total       int            `json:"total"`
	Detail      string         `json:"detail,omitempty" doc:"the provider's own words"`
	Explanation apiExplanation `json:"explanation"`
	FirstAt     time.Time      `json:"first_at"`
	LastAt      time.Time      `json:"last_at"`
	FixedAt     time.Time      `json:"fixed_at,omitzero"`
}

type apiExplanation struct {
	Title     string `json:"title"`
	Means     string `json:"means"`
	Who       string `json:"who"`
	Do        string `json:"do"`
	IfNothing string `json:"if_nothing"`
	Safe      string `json:"safe"`
}

func apiProblemOf(p waybill.Problem, x waybill.Explanation) apiProblem {
	first := ""
	if len(p.Flows) > 0 {
		first = p.Flows[0]
	}
	return apiProblem{
		string(p.ID), p.Key, string(p.Cause), p.Connection, p.Action, p.Code, first, p.Flows, p.Owner, string(p.State), p.Lesser, p.Count, p.Total, p.Detail,
		apiExplanation(x), p.FirstAt, p.LastAt, p.FixedAt,
	}
}

type apiProblemView struct {
	apiProblem
	Members []apiMember   `json:"members"`
	Events  []apiEventRow `json:"events"`
	Effects []apiEffect   `json:"effects"`
}

type apiMember struct {
	Item       string    `json:"item,omitempty"`
	Run        string    `json:"run,omitempty"`
	Effect     string    `json:"effect,omitempty"`
	Fetch      string    `json:"fetch,omitempty"`
	Connection string    `json:"connection,omitempty"`
	Event      string    `json:"event,omitempty"`
	At         time.Time `json:"at"`
}

type apiConnection struct {
	Connection string    `json:"connection"`
	Account    string    `json:"account,omitempty"`
	Health     string    `json:"health"`
	Reason     string    `json:"reason,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	Until      time.Time `json:"until,omitzero" doc:"when it is tried again by itself"`
	Parked     []string  `json:"parked,omitempty" doc:"actions parked for a missing permission"`
	In         int       `json:"in"`
	Out        int       `json:"out"`
	Failed     int       `json:"failed"`
	Queued     int       `json:"queued"`
	Unknown    int       `json:"unknown"`
	LastIn     time.Time `json:"last_in,omitzero"`
	LastOut    time.Time `json:"last_out,omitzero"`

	Removed bool        `json:"removed" doc:"it is no longer in the workspace; what it sends is kept for a person, until one retires it"`
	Retired *apiRetired `json:"retired,omitempty" doc:"a person's word that its address answers 404, as if it had never been"`
}

type apiRetired struct {
	At  time.Time `json:"at"`
	Who string    `json:"who,omitempty" doc:"known as long as the audit is kept"`
	Why string    `json:"why,omitempty"`
}

func apiConnectionOf(f waybill.ConnectionFigures, removed bool) apiConnection {
	c := f.State
	out := apiConnection{
		c.Connection, c.Account, string(c.Health), c.Reason, c.Since, c.Until, c.Parked, f.In, f.Out, f.Failed, f.Queued, f.Unknown, c.LastIn, c.LastOut,
		removed, nil,
	}
	if r := f.Retired; r != nil {
		out.Retired = &apiRetired{r.At, r.Who, r.Why}
	}
	return out
}

type apiRejection struct {
	Connection string     `json:"connection"`
	Reason     string     `json:"reason"`
	Status     int        `json:"status"`
	Count      int        `json:"count"`
	FirstAt    time.Time  `json:"first_at"`
	LastAt     time.Time  `json:"last_at"`
	Sample     *apiSample `json:"sample,omitempty"`
}

type apiSample struct {
	At      time.Time   `json:"at"`
	Remote  string      `json:"remote"`
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers []apiHeader `json:"headers,omitempty"`
	Body    apiBytes    `json:"body"`
}

func apiRejectionOf(r waybill.Rejection) apiRejection {
	out := apiRejection{r.Connection, r.Reason, r.Status, r.Count, r.FirstAt, r.LastAt, nil}
	if r.Sample != nil {
		out.Sample = &apiSample{r.Sample.At, r.Sample.Remote, r.Sample.Method, r.Sample.URL, apiHeadersOf(r.Sample.Headers), apiBytesOf(r.Sample.Body)}
	}
	return out
}

type apiHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func apiHeadersOf(list []waybill.Header) []apiHeader {
	out := make([]apiHeader, 0, len(list))
	for _, h := range list {
		out = append(out, apiHeader(h))
	}
	return out
}

// apiBytes are raw bytes: as text where they are text, else in base64.
type apiBytes struct {
	Text   string `json:"text,omitempty"`
	Base64 string `json:"base64,omitempty"`
}

func apiBytesOf(raw []byte) apiBytes {
	if utf8.Valid(raw) {
		return apiBytes{Text: string(raw)}
	}
	return apiBytes{Base64: base64.StdEncoding.EncodeToString(raw)}
}

type apiAudit struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Action string    `json:"action"`
	Object string    `json:"object"`
	Reason string    `json:"reason,omitempty"`
	Before string    `json:"before,omitempty"`
	After  string    `json:"after,omitempty"`
}

func apiAuditOf(a waybill.Audited) apiAudit {
	return apiAudit(a)
}

type apiChoice struct {
	Verb        string          `json:"verb"`
	Label       string          `json:"label"`
	Safety      string          `json:"safety"`
	Safe        bool            `json:"safe"`
	NeedsReason bool            `json:"needs_reason"`
	Inputs      json.RawMessage `json:"inputs,omitempty"`
	About       string          `json:"about,omitempty" doc:"what it would be said of as things stand; give it back with the act"`
}

// rawJSON is kept JSON as it stands; what is none is left out.
func rawJSON(raw []byte) json.RawMessage {
	if len(raw) == 0 || !json.Valid(raw) {
		return nil
	}
	return raw
}

// rawMember is one member of a JSON object as it was sent, numbers included.
func rawMember(raw []byte, name string) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || string(object[name]) == "null" {
		return nil
	}
	return object[name]
}
