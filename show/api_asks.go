package show

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"waybill"
)

// apiAsk is a question to a person, with what is approved when they say yes.
type apiAsk struct {
	ID       string          `json:"id"`
	Run      string          `json:"run" doc:"press the buttons of this run"`
	Event    string          `json:"event"`
	Flow     string          `json:"flow"`
	Address  string          `json:"address" doc:"the step's path"`
	State    string          `json:"state" enum:"open,approved,rejected,passed on,over,withdrawn"`
	Question string          `json:"question"`
	Show     json.RawMessage `json:"show,omitempty"`
	Change   json.RawMessage `json:"change,omitempty" doc:"the values that may be changed, as they are"`
	For      []apiAskFor     `json:"for,omitempty" doc:"what is sent when it is approved"`
	Who      []string        `json:"who,omitempty" doc:"owners who may answer"`
	Role     string          `json:"role,omitempty" doc:"or whoever has this role"`
	NoAnswer string          `json:"no_answer,omitempty"`
	By       string          `json:"by,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Values   json.RawMessage `json:"values,omitempty" doc:"what they changed"`
	AskedAt  time.Time       `json:"asked_at"`
	DueAt    time.Time       `json:"due_at,omitzero"`
	Answered time.Time       `json:"answered_at,omitzero"`
}

type apiAskFor struct {
	Address     string          `json:"address"`
	Connection  string          `json:"connection"`
	Action      string          `json:"action"`
	Inputs      json.RawMessage `json:"inputs"`
	Fingerprint string          `json:"fingerprint"`
	Undo        string          `json:"undo" doc:"how it can be undone, or that it cannot"`
	GoodUntil   time.Time       `json:"good_until,omitzero" doc:"approved later it is left out: it is too late then"`
}

// askQuery narrows the list of questions.
type askQuery struct {
	State  string `query:"state" maxLength:"40"`
	Flow   string `query:"flow" maxLength:"100"`
	Event  string `query:"event" maxLength:"64"`
	Before string `query:"before" maxLength:"100"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	For    string `query:"for" maxLength:"100" doc:"only those that this person may answer: a name, or me"`
}

// asks lists questions, newest first. For one person it looks through pages until it has enough of them.
func (a *api) asks(ctx context.Context, q *askQuery) (*listOf[apiAsk], error) {
	if err := knownState("asks", q.State); err != nil {
		return nil, err
	}
	who, err := a.whom(ctx, q.For)
	if err != nil {
		return nil, err
	}
	out := &listOf[apiAsk]{Items: []apiAsk{}}
	f := waybill.ListFilter{State: q.State, Flow: q.Flow, Event: waybill.EventID(q.Event), Before: q.Before}
	for looked := 0; ; {
		f.Limit = q.Limit - len(out.Items)
		rows, next, err := a.s.lists.Asks(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			if who == nil || a.s.mayAnswer(&rows[i], *who) {
				out.Items = append(out.Items, apiAskOf(rows[i]))
			}
		}
		f.Before, out.Next = next, next
		if looked += len(rows); next == "" || len(out.Items) >= q.Limit || looked >= mostLooked {
			return out, nil
		}
	}
}

// whom finds the person that questions are narrowed to; nil for everybody.
func (a *api) whom(ctx context.Context, name string) (*Person, error) {
	if name == "" {
		return nil, nil
	}
	if p, _ := ctx.Value(personKey{}).(Person); name == "me" || name == p.Name {
		return &p, nil
	}
	people, err := a.s.access.People(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(people, func(p Person) bool { return p.Name == name })
	if i < 0 {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf("nobody who signs in here is called %q", name), Hint: `for=me asks for those that you may answer`}
	}
	return &people[i], nil
}

func apiAskOf(q waybill.Question) apiAsk {
	out := apiAsk{
		ID: string(q.ID), Run: string(q.Run), Event: string(q.Event), Flow: q.Flow, Address: q.Address, State: string(q.State),
		Question: q.Question, Show: rawJSON(q.Show), Change: rawJSON(q.Change), Who: q.Who, Role: q.Role, NoAnswer: q.NoAnswer, By: q.By,
		Reason: q.Reason, Values: rawJSON(q.Values), AskedAt: q.AskedAt, DueAt: q.DueAt, Answered: q.Answered,
	}
	for _, f := range q.For {
		out.For = append(out.For, apiAskFor{f.Address, f.Connection, f.Action, rawJSON(f.Inputs), f.Fingerprint, f.Undo, f.GoodUntil})
	}
	return out
}
