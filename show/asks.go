package show

import (
	"strings"

	"waybill"
)

// askView is a question to a person, as the journey shows it.
type askView struct {
	waybill.Question
	Tone   tone
	Whom   string // who is asked
	Said   string // what came of it
	Show   body
	Values body
	For    []askForView
}

type askForView struct {
	waybill.AskFor
	Title  string
	System string
	Inputs body
	Safe   bool // it can be undone
}

// askTones are how a question stands, in words.
var askTones = map[waybill.AskState]struct {
	of   *tone
	word string
}{ // a table that nothing changes
	waybill.AskOpen: {&tonePerson, "Waiting for an answer"}, waybill.AskApproved: {&toneDone, "Approved"},
	waybill.AskRejected: {&toneStopped, "Rejected"}, waybill.AskPassedOn: {&toneStopped, "Not answered: others are asked"},
	waybill.AskOver: {&toneStopped, "Not answered in time"}, waybill.AskWithdrawn: {&toneStopped, "Taken back"},
}

func (s *Server) askView(q waybill.Question) askView {
	say := words{s.names}
	v := askView{Question: q, Show: showBody(q.Show), Values: showBody(q.Values), Tone: toneWaiting.said(string(q.State), "")}
	if t, ok := askTones[q.State]; ok {
		v.Tone = t.of.said(t.word, "")
	}
	if q.Role != "" {
		v.Whom = "whoever has the role " + q.Role
	} else {
		names := make([]string, len(q.Who))
		for i, name := range q.Who {
			names[i] = say.Owner(name)
		}
		v.Whom = strings.Join(names, " or ")
	}
	switch {
	case q.State == waybill.AskOpen:
	case q.By == "":
		v.Said = q.Reason
	default:
		v.Said = "By " + q.By
		if q.Reason != "" {
			v.Said += ": " + q.Reason
		}
	}
	for _, f := range q.For {
		v.For = append(v.For, askForView{
			AskFor: f, Title: say.Action(f.Connection, f.Action), System: say.System(f.Connection), Inputs: showBody(f.Inputs),
			Safe: strings.HasPrefix(f.Undo, "can be"),
		})
	}
	return v
}

// undoLine says of an effect, before it is sent and after, how it can be undone, or that it cannot.
func (s *Server) undoLine(e waybill.Effect) (line string, safe bool) {
	switch e.State {
	case waybill.EffectPlanned, waybill.EffectSent, waybill.EffectUnknown, waybill.EffectConfirmed:
	default:
		return "", false
	}
	say := words{s.names}
	card := say.action(e.Connection, e.Action)
	switch {
	case e.Undoes != "":
		return "", false
	case e.Undo == "restore":
		return "Can be undone: what was there before is kept", true
	case e.Undo != "":
		connection, action, _ := strings.Cut(e.Undo, ".")
		return "Can be undone: " + say.Action(connection, action) + " in " + say.System(connection), true
	case card.UndoneBy != "":
		return "Can be undone: " + say.Action(e.Connection, card.UndoneBy), true
	case card.Cannot != "":
		return "Cannot be undone. " + strings.TrimSuffix(card.Cannot, "."), false
	default:
		return "Cannot be undone: its step does not keep what was there before", false
	}
}
