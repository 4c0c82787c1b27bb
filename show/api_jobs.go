package show

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"waybill"
)

// Jobs is where bulk work is planned, tried and let go.
type Jobs interface {
	// PlanJob makes a job and plans it; nothing of it happens.
	PlanJob(ctx context.Context, want *waybill.Job) (*waybill.Job, error)
	// ActOnJob lets a trial or all of it go, holds or ends it, or plans it anew.
	ActOnJob(ctx context.Context, a waybill.JobAct) (*waybill.Job, error)
	Jobs(ctx context.Context, f waybill.ListFilter) ([]waybill.Job, string, error)
	Job(ctx context.Context, id waybill.JobID) (*waybill.Job, error)
	JobMembers(ctx context.Context, id waybill.JobID, f waybill.JobMemberFilter) ([]waybill.JobMember, string, error)
}

type apiJob struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Kind      string         `json:"kind" enum:"retry,replay,remap,put back"`
	State     string         `json:"state" enum:"planning,planned,running,paused,done,stopped"`
	Reason    string         `json:"reason,omitempty" doc:"why it stands so, in words"`
	Who       string         `json:"who"`
	Why       string         `json:"why,omitempty"`
	Filter    apiJobFilter   `json:"filter"`
	Choices   apiJobChoices  `json:"choices"`
	Bundle    string         `json:"bundle,omitempty" doc:"the version it was planned on"`
	Plan      apiJobPlan     `json:"plan"`
	Progress  apiJobProgress `json:"progress"`
	Next      []string       `json:"next" doc:"what can be done with it now: plan, trial, go, pause, resume, stop"`
	CreatedAt time.Time      `json:"created_at"`
	PlannedAt time.Time      `json:"planned_at,omitzero"`
	BeganAt   time.Time      `json:"began_at,omitzero"`
	EndedAt   time.Time      `json:"ended_at,omitzero"`
}

type apiJobFilter struct {
	Flow       string    `json:"flow,omitempty" maxLength:"100"`
	Connection string    `json:"connection,omitempty" maxLength:"100" doc:"where the event came from; of put back: where was written"`
	Type       string    `json:"type,omitempty" maxLength:"100" doc:"of the event; of remap: the provider's own word"`
	State      string    `json:"state,omitempty" maxLength:"40" doc:"of the run that is repeated; of remap: of the item"`
	Problem    string    `json:"problem,omitempty" maxLength:"64"`
	Query      string    `json:"query,omitempty" maxLength:"200" doc:"anything: id, order number, e-mail, phone, amount"`
	Since      time.Time `json:"since,omitzero"`
	Until      time.Time `json:"until,omitzero"`
	IDs        []string  `json:"ids,omitempty" maxItems:"1000" doc:"of events, runs, items or effects"`
}

type apiJobChoices struct {
	AtOnce    int  `json:"at_once,omitempty" doc:"under way together, at most"`
	InARow    int  `json:"in_a_row,omitempty" doc:"it holds itself after so many failures of one cause in a row"`
	Share     int  `json:"share,omitempty" doc:"or when more than this share failed, in percent …"`
	AfterSome int  `json:"after_some,omitempty" doc:"… once so many have ended"`
	Changed   bool `json:"changed,omitempty" readOnly:"true"`
	Repeats   int  `json:"repeats,omitempty" readOnly:"true"`
}

type apiJobPlan struct {
	Says        []string       `json:"says" doc:"the plan in sentences"`
	Members     int            `json:"members"`
	Classes     map[string]int `json:"classes" doc:"members: blocked, fails, changed, new, same, nothing"`
	Writes      map[string]int `json:"writes" doc:"single writes, by the same classes"`
	Reads       int            `json:"reads"`
	Open        int            `json:"open" doc:"members whose later steps depend on answers nobody has yet"`
	Repeats     int            `json:"repeats" doc:"messages, payments and additions that were done before with other values"`
	Doubts      int            `json:"doubts" doc:"writes that may have been made before the book was restored: they are looked for, or asked about, before anything is sent"`
	Amounts     []apiAmount    `json:"amounts" doc:"payments that would be sent"`
	Again       []apiAmount    `json:"repeat_amounts" doc:"payments among what was done before"`
	Unpriced    int            `json:"unpriced" doc:"payments that would be sent and name no amount: their system decides how much"`
	Messages    int            `json:"messages"`
	People      int            `json:"people" doc:"whom these messages would reach"`
	Connections []apiTouched   `json:"connections"`
	Causes      map[string]int `json:"causes" doc:"why members would fail or are blocked"`
	Seconds     int            `json:"seconds" doc:"how long it would take, about"`
}

type apiAmount struct {
	Currency string `json:"currency"`
	Minor    int64  `json:"minor"`
	Text     string `json:"text"`
}

type apiTouched struct {
	Connection string `json:"connection"`
	Writes     int    `json:"writes"`
	Seconds    int    `json:"seconds"`
}

type apiJobProgress struct {
	Says    string         `json:"says"`
	Of      int            `json:"of"`
	Counts  map[string]int `json:"counts" doc:"planned, chosen, begun, waiting, done, failed, blocked, skipped"`
	PerHour float64        `json:"per_hour,omitempty"`
	Left    int            `json:"seconds_left,omitempty"`
}

type apiJobMember struct {
	Object  string        `json:"object" doc:"run_…, itm_…, eff_…, or evt_…/flow"`
	Event   string        `json:"event,omitempty"`
	State   string        `json:"state"`
	Class   string        `json:"class"`
	Reason  string        `json:"reason,omitempty"`
	Run     string        `json:"run,omitempty"`
	Repeats string        `json:"repeats,omitempty" doc:"the run it repeats"`
	Writes  []apiJobWrite `json:"writes"`
	BegunAt time.Time     `json:"begun_at,omitzero"`
	EndedAt time.Time     `json:"ended_at,omitzero"`
}

type apiJobWrite struct {
	Address    string          `json:"address"`
	Connection string          `json:"connection"`
	Action     string          `json:"action"`
	Kind       string          `json:"kind,omitempty"`
	Class      string          `json:"class"`
	Words      string          `json:"words,omitempty"`
	Effect     string          `json:"effect,omitempty"`
	Old        json.RawMessage `json:"old,omitempty"`
	New        json.RawMessage `json:"new,omitempty"`
}

type planJobInput struct {
	Body struct {
		Name    string        `json:"name,omitempty" maxLength:"100"`
		Kind    string        `json:"kind" enum:"retry,replay,remap,put back"`
		Reason  string        `json:"reason,omitempty" maxLength:"300" doc:"why; needed for all but retry"`
		Filter  apiJobFilter  `json:"filter"`
		Choices apiJobChoices `json:"choices,omitzero"`
	}
}

type jobActInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Reason  string `json:"reason,omitempty" maxLength:"300"`
		Members int    `json:"members,omitempty" doc:"of a trial: 1 to 10"`
		Changed bool   `json:"changed,omitempty" doc:"of trial and go: overwrite what was done before with other values"`
		Repeats int    `json:"repeats,omitempty" doc:"of trial and go: the very number the plan counts, to do them again"`
	}
}

type jobOutput struct{ Body *apiJob }

type jobMembersQuery struct {
	ID    string `path:"id" maxLength:"64"`
	State string `query:"state" maxLength:"40"`
	Class string `query:"class" maxLength:"40"`
	After string `query:"after" maxLength:"200" doc:"the cursor: next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// jobRoutes registers what is about bulk work.
func (a *api) jobRoutes() {
	if a.s.jobs == nil {
		return
	}
	get(a, "/jobs", "jobs", "Bulk work: retries, replays, remappings, putting back", list("jobs", a.s.jobs.Jobs, a.jobOf))
	get(a, "/jobs/{id}", "job", "One job: its plan, its progress, what can be done", a.job)
	get(a, "/jobs/{id}/members", "job members", "What a job is about, in the order it is worked off", a.jobMembers)
	huma.Register(a.huma, huma.Operation{
		OperationID: "plan job", Method: http.MethodPost, Path: "/api/v1/jobs", Summary: "Plan bulk work", Tags: []string{"jobs"}, DefaultStatus: http.StatusCreated,
		Description: "Says what would happen with each thing the filter chooses. Nothing happens until it is told to go.",
	}, a.planJob)
	for verb, summary := range map[waybill.JobVerb]string{
		waybill.VerbJobPlan: "Plan what has not begun anew", waybill.VerbJobTrial: "Do one to ten of it really", waybill.VerbJobGo: "Let all of it go",
		waybill.VerbJobPause: "Hold it; what has begun goes on", waybill.VerbJobResume: "Let it go on", waybill.VerbJobStop: "End it; what has begun goes on",
	} {
		huma.Register(a.huma, huma.Operation{
			OperationID: string(verb) + " a job", Method: http.MethodPost, Path: "/api/v1/jobs/{id}/" + string(verb), Summary: summary, Tags: []string{"jobs"},
		}, a.jobAct(verb))
	}
}

func (a *api) job(ctx context.Context, in *byID) (*apiJob, error) {
	j, err := a.s.jobs.Job(ctx, waybill.JobID(in.ID))
	if err != nil {
		return nil, err
	}
	out := a.jobOf(*j)
	return &out, nil
}

func (a *api) jobMembers(ctx context.Context, in *jobMembersQuery) (*listOf[apiJobMember], error) {
	if err := knownState("members of a job", in.State); err != nil {
		return nil, err
	}
	if class := waybill.JobClass(in.Class); class != "" && !slices.Contains(waybill.JobClasses, class) {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf("no class of a plan is called %q", class), Hint: fmt.Sprintf("one of %s", strings.Join(plain(waybill.JobClasses), ", "))}
	}
	rows, next, err := a.s.jobs.JobMembers(ctx, waybill.JobID(in.ID), waybill.JobMemberFilter{
		State: waybill.JobMemberState(in.State), Class: waybill.JobClass(in.Class), After: in.After, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &listOf[apiJobMember]{Items: make([]apiJobMember, 0, len(rows)), Next: next}
	for i := range rows {
		out.Items = append(out.Items, apiJobMemberOf(&rows[i]))
	}
	return out, nil
}

func (a *api) planJob(ctx context.Context, in *planJobInput) (*jobOutput, error) {
	p, _ := ctx.Value(personKey{}).(Person)
	f, c := in.Body.Filter, in.Body.Choices
	j, err := a.s.jobs.PlanJob(ctx, &waybill.Job{
		Name: in.Body.Name, Kind: waybill.JobKind(in.Body.Kind), Who: p.Name, Why: in.Body.Reason,
		Filter: waybill.JobFilter{
			Flow: f.Flow, Connection: f.Connection, Type: f.Type, State: f.State, Problem: waybill.ProblemID(f.Problem), Query: strings.TrimSpace(f.Query),
			Since: f.Since, Until: f.Until, IDs: f.IDs,
		},
		Choices: waybill.JobChoices{AtOnce: c.AtOnce, InARow: c.InARow, Share: c.Share, AfterSome: c.AfterSome},
	})
	if err != nil {
		return nil, a.refuse(ctx, err)
	}
	out := a.jobOf(*j)
	return &jobOutput{&out}, nil
}

func (a *api) jobAct(verb waybill.JobVerb) func(context.Context, *jobActInput) (*jobOutput, error) {
	return func(ctx context.Context, in *jobActInput) (*jobOutput, error) {
		p, _ := ctx.Value(personKey{}).(Person)
		j, err := a.s.jobs.ActOnJob(ctx, waybill.JobAct{
			Who: p.Name, Verb: verb, Job: waybill.JobID(in.ID), Reason: strings.TrimSpace(in.Body.Reason), Trial: in.Body.Members,
			Changed: in.Body.Changed, Repeats: in.Body.Repeats,
		})
		if err != nil {
			return nil, a.refuse(ctx, err)
		}
		out := a.jobOf(*j)
		return &jobOutput{&out}, nil
	}
}

func apiJobMemberOf(m *waybill.JobMember) apiJobMember {
	out := apiJobMember{
		Object: m.Object, Event: string(m.Event), State: string(m.State), Class: string(m.Class), Reason: m.Reason, Run: string(m.Run),
		Repeats: string(m.Repeats), Writes: []apiJobWrite{}, BegunAt: m.BegunAt, EndedAt: m.EndedAt,
	}
	for i := range m.Writes {
		w := &m.Writes[i]
		out.Writes = append(out.Writes, apiJobWrite{
			w.Address, w.Connection, w.Action, string(w.Kind), string(w.Class), w.Words, string(w.Effect), rawJSON(w.Old), rawJSON(w.New),
		})
	}
	return out
}

// plain turns typed words into texts.
func plain[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// texts turns typed keys into plain ones.
func texts[K ~string, V any](m map[K]V) map[string]V {
	out := make(map[string]V, len(m))
	for k, v := range m {
		out[string(k)] = v
	}
	return out
}

func (a *api) jobOf(j waybill.Job) apiJob {
	f, c := j.Filter, j.Choices
	out := apiJob{
		ID: string(j.ID), Name: j.Name, Kind: string(j.Kind), State: string(j.State), Reason: j.Reason, Who: j.Who, Why: j.Why,
		Filter:  apiJobFilter{f.Flow, f.Connection, f.Type, f.State, string(f.Problem), f.Query, f.Since, f.Until, f.IDs},
		Choices: apiJobChoices{c.AtOnce, c.InARow, c.Share, c.AfterSome, c.Changed, c.Repeats},
		Bundle:  string(j.Bundle), Next: nextOf(&j), CreatedAt: j.CreatedAt, PlannedAt: j.PlannedAt, BeganAt: j.BeganAt, EndedAt: j.EndedAt,
	}
	p := &j.Plan
	out.Plan = apiJobPlan{
		Members: p.Members, Classes: texts(p.Classes), Writes: texts(p.Writes), Reads: p.Reads, Open: p.Open, Repeats: p.Repeats, Doubts: p.Doubts,
		Amounts: amounts(p.Amounts), Again: amounts(p.RepeatAmounts), Unpriced: p.Unpriced, Messages: p.Messages, People: p.People, Connections: []apiTouched{}, Causes: texts(p.Causes),
	}
	for _, name := range slices.Sorted(maps.Keys(p.Connections)) {
		out.Plan.Connections = append(out.Plan.Connections, apiTouched{name, p.Connections[name], p.Seconds[name]})
		out.Plan.Seconds = max(out.Plan.Seconds, p.Seconds[name])
	}
	out.Plan.Says = sayPlan(&j, &out.Plan)
	out.Progress = a.progressOf(&j)
	return out
}

// amounts are sums of money, by currency.
func amounts(sums map[string]int64) []apiAmount {
	out := []apiAmount{}
	for _, currency := range slices.Sorted(maps.Keys(sums)) {
		minor := sums[currency]
		out = append(out, apiAmount{currency, minor, money(fmt.Sprint(minor), currency)})
	}
	return out
}

// nextOf is what a person can do with a job now.
func nextOf(j *waybill.Job) []string {
	switch j.State {
	case waybill.JobPlanning:
		return []string{"stop"}
	case waybill.JobPlanned:
		return []string{"trial", "go", "plan", "stop"}
	case waybill.JobRunning:
		return []string{"pause", "stop"}
	case waybill.JobPaused:
		return []string{"resume", "plan", "stop"}
	default:
		return []string{}
	}
}

// sayPlan says a plan in sentences, the gravest first.
func sayPlan(j *waybill.Job, p *apiJobPlan) []string {
	if p.Members == 0 {
		return []string{orNothing(j)}
	}
	out := []string{}
	say := func(n int, one, many string) {
		if n == 1 {
			out = append(out, one)
		} else if n > 1 {
			out = append(out, fmt.Sprintf(many, n))
		}
	}
	c := j.Plan.Classes
	if j.Kind == waybill.JobPutBack {
		say(c[waybill.ClassBlocked], "1 cannot be put back or is not known: it is left alone", "%d cannot be put back or are not known: they are left alone")
	} else {
		say(c[waybill.ClassBlocked], "1 would repeat or is not known: it is left alone", "%d would repeat or are not known: they are left alone")
	}
	say(c[waybill.ClassFails], "1 would fail again, its cause is still there: it is left as it is", "%d would fail again, their cause is still there: they are left as they are")
	say(c[waybill.ClassChanged], "1 was done with other values: it is overwritten only if you say so", "%d were done with other values: they are overwritten only if you say so")
	say(c[waybill.ClassNew], "1 would be done", "%d would be done")
	say(c[waybill.ClassSame], "1 was done with these very values: nothing is sent", "%d were done with these very values: nothing is sent")
	say(c[waybill.ClassNothing], "1 comes to nothing", "%d come to nothing")
	if p.Messages > 0 {
		out = append(out, fmt.Sprintf("%s to %s", plural(p.Messages, "message", "messages"), plural(p.People, "person", "people")))
	}
	for _, m := range p.Amounts {
		out = append(out, "payments of "+m.Text)
	}
	if p.Unpriced > 0 {
		out = append(out, plural(p.Unpriced, "payment names", "payments name")+" no amount: the other side decides how much")
	}
	for _, t := range p.Connections {
		out = append(out, fmt.Sprintf("%s to %s, about %s", plural(t.Writes, "write", "writes"), t.Connection, roughly(t.Seconds)))
	}
	if p.Open > 0 {
		out = append(out, fmt.Sprintf("of %d it is not known how they go on: that depends on answers nobody has yet", p.Open))
	}
	if p.Doubts > 0 {
		out = append(out, plural(p.Doubts, "write", "writes")+" may have been made before the book was restored: looked for, or asked about, before anything is sent")
	}
	if p.Repeats > 0 {
		said := fmt.Sprintf("%s done before with other values; to do them again say the number %d", plural(p.Repeats, "message, payment or addition was", "messages, payments or additions were"), p.Repeats)
		if sums := make([]string, len(p.Again)); len(sums) > 0 {
			for i, m := range p.Again {
				sums[i] = m.Text
			}
			said += ", which pays " + strings.Join(sums, " and ")
		}
		out = append(out, said)
	}
	return out
}

func orNothing(j *waybill.Job) string {
	if j.State == waybill.JobPlanning {
		return "its members are being gathered"
	}
	return "nothing matches this filter"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// roughly says a time in words.
func roughly(seconds int) string {
	switch {
	case seconds < 90:
		return plural(max(1, seconds), "second", "seconds")
	case seconds < 5400:
		return plural((seconds+30)/60, "minute", "minutes")
	default:
		return plural((seconds+1800)/3600, "hour", "hours")
	}
}

// progressOf says how far a job is, how fast it goes and how long it will still take.
func (a *api) progressOf(j *waybill.Job) apiJobProgress {
	p := apiJobProgress{Of: j.Counts.Of(), Counts: texts(j.Counts)}
	ended := j.Counts.Of(waybill.MemberDone, waybill.MemberFailed, waybill.MemberBlocked, waybill.MemberSkipped)
	p.Says = fmt.Sprintf("%d of %d", ended, p.Of)
	for _, s := range []waybill.JobMemberState{waybill.MemberDone, waybill.MemberBegun, waybill.MemberWaiting, waybill.MemberFailed, waybill.MemberBlocked, waybill.MemberSkipped} {
		if n := j.Counts[s]; n > 0 {
			p.Says += fmt.Sprintf(", %d %s", n, s)
		}
	}
	until := a.s.now()
	if !j.EndedAt.IsZero() {
		until = j.EndedAt
	}
	if took := until.Sub(j.BeganAt); !j.BeganAt.IsZero() && took > 0 && ended > 0 {
		p.PerHour = math.Round(float64(ended)/took.Hours()*10) / 10
		if j.State == waybill.JobRunning {
			p.Left = int(took.Seconds() / float64(ended) * float64(p.Of-ended))
			p.Says += ", about " + roughly(p.Left) + " left"
		}
	}
	return p
}
