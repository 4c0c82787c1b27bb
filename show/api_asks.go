package show

import (
	"encoding/json"
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
}

func apiAskOf(q waybill.Question) apiAsk {
	out := apiAsk{
		ID: string(q.ID), Run: string(q.Run), Event: string(q.Event), Flow: q.Flow, Address: q.Address, State: string(q.State),
		Question: q.Question, Show: rawJSON(q.Show), Change: rawJSON(q.Change), Who: q.Who, Role: q.Role, NoAnswer: q.NoAnswer, By: q.By,
		Reason: q.Reason, Values: rawJSON(q.Values), AskedAt: q.AskedAt, DueAt: q.DueAt, Answered: q.Answered,
	}
	for _, f := range q.For {
		out.For = append(out.For, apiAskFor{f.Address, f.Connection, f.Action, rawJSON(f.Inputs), f.Fingerprint, f.Undo})
	}
	return out
}
