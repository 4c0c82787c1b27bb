package show

import (
	"encoding/json"
	"time"

	"waybill"
)

// apiJourney is the whole way of one event.
type apiJourney struct {
	Arrival  *apiArrival   `json:"arrival,omitempty"`
	Item     *apiItem      `json:"item,omitempty"`
	Event    *apiEvent     `json:"event,omitempty"`
	Subject  *apiSubject   `json:"subject,omitempty"`
	Evidence []apiEvidence `json:"evidence,omitempty" doc:"further items that told the same fact"`
	Fetches  []apiFetch    `json:"fetches,omitempty"`
	Runs     []apiRunView  `json:"runs"`
	Parent   string        `json:"parent,omitempty"`
	Children []apiEventRow `json:"children,omitempty"`
	Related  []apiEventRow `json:"related,omitempty"`
	Problems []apiProblem  `json:"problems,omitempty"`
	Audit    []apiAudit    `json:"audit,omitempty"`
	// Past names what is no longer kept of it.
	Past []string `json:"past_retention,omitempty" doc:"what is no longer kept of it: bytes, exchanges"`
}

type apiArrival struct {
	ID         string      `json:"id"`
	Connection string      `json:"connection"`
	Via        string      `json:"via"`
	Method     string      `json:"method,omitempty"`
	URL        string      `json:"url,omitempty"`
	Headers    []apiHeader `json:"headers,omitempty"`
	Remote     string      `json:"remote,omitempty"`
	Body       apiBytes    `json:"body"`
	BodyHash   string      `json:"body_hash,omitempty"`
	Proof      string      `json:"proof,omitempty"`
	Duplicate  bool        `json:"duplicate"`
	ReceivedAt time.Time   `json:"received_at"`
}

type apiEvent struct {
	ID         string             `json:"id"`
	Type       string             `json:"type"`
	Connection string             `json:"connection,omitempty"`
	Account    string             `json:"account,omitempty"`
	FactKey    string             `json:"fact_key"`
	Subject    string             `json:"subject,omitempty"`
	Revision   string             `json:"revision,omitempty"`
	Data       json.RawMessage    `json:"data"`
	OccurredAt time.Time          `json:"occurred_at,omitzero"`
	AcceptedAt time.Time          `json:"accepted_at"`
	Mapping    []apiMapped        `json:"mapping,omitempty"`
	Considered []apiConsideration `json:"considered,omitempty" doc:"the flows that looked at it, and why not"`
}

type apiMapped struct {
	Target string `json:"target"`
	Source string `json:"source"`
	From   string `json:"from,omitempty"`
	Value  string `json:"value"`
	Note   string `json:"note,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
}

type apiConsideration struct {
	Flow    string            `json:"flow"`
	Title   string            `json:"title,omitempty"`
	Matched bool              `json:"matched"`
	Run     string            `json:"run,omitempty"`
	Clause  string            `json:"clause,omitempty"`
	Values  map[string]string `json:"values,omitempty"`
	Reason  string            `json:"reason,omitempty"`
}

type apiSubject struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Name    string          `json:"name"`
	Aliases []apiAlias      `json:"aliases,omitempty"`
	Fields  json.RawMessage `json:"fields,omitempty"`
}

type apiAlias struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type apiEvidence struct {
	Item string    `json:"item"`
	Type string    `json:"type"`
	At   time.Time `json:"at"`
}

type apiRunView struct {
	apiRun
	Asks    []apiAsk        `json:"asks,omitempty" doc:"questions to people, oldest first"`
	Effects []apiEffectView `json:"effects"`
	Fetches []apiFetch      `json:"fetches,omitempty"`
}

type apiEffectView struct {
	apiEffect
	Gate     []apiGate    `json:"gate,omitempty"`
	Request  *apiRequest  `json:"request,omitempty" doc:"as it would be sent: of one that was not yet"`
	Attempts []apiAttempt `json:"attempts,omitempty"`
	Lookups  []apiFetch   `json:"lookups,omitempty"`
	Message  *apiMessage  `json:"message,omitempty"`
}

type apiRequest struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers []apiHeader `json:"headers,omitempty"`
	Body    apiBytes    `json:"body"`
}

type apiGate struct {
	Rule    string    `json:"rule"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	At      time.Time `json:"at,omitzero"`
}

type apiMessage struct {
	To       string    `json:"to"`
	Template string    `json:"template,omitempty"`
	Remote   string    `json:"remote,omitempty"`
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

type apiFetch struct {
	ID         string          `json:"id"`
	Address    string          `json:"address,omitempty"`
	Connection string          `json:"connection"`
	Action     string          `json:"action"`
	State      string          `json:"state" enum:"planned,done,failed"`
	Reason     string          `json:"reason,omitempty"`
	Cause      string          `json:"cause,omitempty"`
	Answer     json.RawMessage `json:"answer,omitempty"`
	Attempts   []apiAttempt    `json:"attempts,omitempty"`
	PlannedAt  time.Time       `json:"planned_at,omitzero"`
	SettledAt  time.Time       `json:"settled_at,omitzero"`
}

type apiAttempt struct {
	ID         string      `json:"id"`
	Number     int         `json:"number"`
	Method     string      `json:"method"`
	URL        string      `json:"url"`
	Sent       []apiHeader `json:"request_headers,omitempty"`
	Body       apiBytes    `json:"request_body"`
	Status     int         `json:"status" doc:"0 when no answer came"`
	Headers    []apiHeader `json:"response_headers,omitempty"`
	Response   apiBytes    `json:"response_body"`
	Certainty  string      `json:"certainty,omitempty" doc:"what it proves"`
	Cause      string      `json:"cause,omitempty"`
	Error      string      `json:"error,omitempty"`
	Note       string      `json:"note,omitempty" doc:"why it will or will not be tried again"`
	RetryAfter string      `json:"retry_after,omitempty"`
	StartedAt  time.Time   `json:"started_at"`
	EndedAt    time.Time   `json:"ended_at,omitzero"`
}

func apiJourneyOf(j *waybill.Journey) *apiJourney {
	out := &apiJourney{Runs: []apiRunView{}}
	if a := j.Arrival; a != nil {
		out.Arrival = &apiArrival{
			string(a.ID), a.Connection, string(a.Via), a.Method, a.URL, apiHeadersOf(a.Headers), a.Remote, apiBytesOf(a.Body), a.BodyHash, a.Proof, a.Duplicate, a.ReceivedAt,
		}
	}
	if j.Item != nil {
		item := apiItemOf(*j.Item)
		out.Item = &item
	}
	out.Past = pastRetention(j)
	if j.Event != nil {
		out.Event = apiEventOf(j.Event)
	}
	if j.Subject != nil {
		out.Subject = apiSubjectOf(j.Subject)
	}
	for _, e := range j.Evidence {
		out.Evidence = append(out.Evidence, apiEvidence{string(e.Item), e.Type, e.At})
	}
	for _, f := range j.Fetches {
		out.Fetches = append(out.Fetches, apiFetchOf(f))
	}
	for _, r := range j.Runs {
		out.Runs = append(out.Runs, apiRunViewOf(r))
	}
	if j.Parent != nil {
		out.Parent = string(j.Parent.ID)
	}
	for _, r := range j.Children {
		out.Children = append(out.Children, apiEventRowOf(r))
	}
	for _, r := range j.Related {
		out.Related = append(out.Related, apiEventRowOf(r))
	}
	for _, a := range j.Audit {
		out.Audit = append(out.Audit, apiAuditOf(a))
	}
	return out
}

func apiSubjectOf(s *waybill.Subject) *apiSubject {
	out := &apiSubject{ID: string(s.ID), Type: s.Type, Name: s.Name, Fields: rawJSON(s.Fields)}
	for _, a := range s.Aliases {
		out.Aliases = append(out.Aliases, apiAlias(a))
	}
	return out
}

func apiEventOf(e *waybill.Event) *apiEvent {
	out := &apiEvent{
		ID: string(e.ID), Type: e.Type, Connection: e.Connection, Account: e.Account, FactKey: e.FactKey, Subject: e.Subject, Revision: e.Revision,
		Data: rawJSON(e.Data), OccurredAt: e.OccurredAt, AcceptedAt: e.AcceptedAt,
	}
	if out.Data == nil {
		out.Data = json.RawMessage("null")
	}
	for _, m := range e.Mapping {
		out.Mapping = append(out.Mapping, apiMapped(m))
	}
	for _, c := range e.Considered {
		out.Considered = append(out.Considered, apiConsideration{c.Flow, c.Title, c.Matched, string(c.Run), c.Clause, c.Values, c.Reason})
	}
	return out
}

// pastRetention names what a journey had and is no longer kept.
func pastRetention(j *waybill.Journey) []string {
	var past []string
	if j.Arrival == nil && (j.Item != nil || j.Event != nil && j.Event.Item != "") {
		past = append(past, "bytes")
	}
	for _, r := range j.Runs {
		for _, e := range r.Effects {
			if !e.Effect.SentAt.IsZero() && !e.Effect.SettledAt.IsZero() && len(e.Attempts) == 0 {
				return append(past, "exchanges")
			}
		}
	}
	return past
}

func apiRunViewOf(v waybill.RunView) apiRunView {
	out := apiRunView{apiRun: apiRunOf(v.Run), Effects: []apiEffectView{}}
	for _, q := range v.Asks {
		out.Asks = append(out.Asks, apiAskOf(q))
	}
	for _, e := range v.Effects {
		view := apiEffectView{apiEffect: apiEffectOf(e.Effect)}
		if r := e.Effect.Request; e.Effect.State == waybill.EffectPlanned && len(e.Attempts) == 0 {
			view.Request = &apiRequest{r.Method, r.URL, apiHeadersOf(r.Headers), apiBytesOf(r.Body)}
		}
		for _, g := range e.Effect.Gate {
			view.Gate = append(view.Gate, apiGate{g.Rule, string(g.Verdict), g.Reason, g.Until, g.At})
		}
		for _, a := range e.Attempts {
			view.Attempts = append(view.Attempts, apiAttemptOf(a))
		}
		for _, f := range e.Lookups {
			view.Lookups = append(view.Lookups, apiFetchOf(f))
		}
		if m := e.Message; m != nil {
			view.Message = &apiMessage{m.To, m.Template, m.Remote, string(m.State), m.Reason, m.UpdatedAt}
		}
		out.Effects = append(out.Effects, view)
	}
	for _, f := range v.Fetches {
		out.Fetches = append(out.Fetches, apiFetchOf(f))
	}
	return out
}

func apiFetchOf(v waybill.FetchView) apiFetch {
	f := v.Fetch
	out := apiFetch{
		ID: string(f.ID), Address: f.Address, Connection: f.Connection, Action: f.Action, State: string(f.State), Reason: f.Reason, Cause: string(f.Cause),
		Answer: rawJSON(f.Answer), PlannedAt: f.PlannedAt, SettledAt: f.SettledAt,
	}
	for _, a := range v.Attempts {
		out.Attempts = append(out.Attempts, apiAttemptOf(a))
	}
	return out
}

func apiAttemptOf(a waybill.Attempt) apiAttempt {
	out := apiAttempt{
		ID: string(a.ID), Number: a.Number, Method: a.Request.Method, URL: a.Request.URL, Sent: apiHeadersOf(a.Request.Headers), Body: apiBytesOf(a.Request.Body),
		Status: a.Status, Headers: apiHeadersOf(a.Headers), Response: apiBytesOf(a.Response), Certainty: string(a.Certainty), Cause: string(a.Cause),
		Error: a.Error, Note: a.Note, StartedAt: a.StartedAt, EndedAt: a.EndedAt,
	}
	if a.RetryAfter > 0 {
		out.RetryAfter = a.RetryAfter.String()
	}
	return out
}
