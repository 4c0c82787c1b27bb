package show

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"waybill"
)

// askView is a question to a person, as the journey shows it.
type askView struct {
	waybill.Question
	Tone     tone
	Whom     string // who is asked
	Said     string // what came of it
	Unless   string // what no answer in time means
	Show     values
	Values   values
	For      []askForView
	Final    bool // something of it cannot be undone
	Waits    bool // for an answer
	Link     string
	FlowName string
	Choices  buttons
}

// askOn is a question with the page it stands on.
type askOn struct {
	Frame frame
	Ask   *askView
}

type askForView struct {
	waybill.AskFor
	Title  string
	System string
	Inputs values
	Safe   bool // it can be undone
	Late   bool // it is left out when it is approved now
}

// values are a JSON object as people read it, a line for each value; what has values inside values, or is no object, stays
// the text it is.
type values struct {
	Rows []column
	Body body
}

func showValues(raw []byte) values {
	plain := values{Body: showBody(raw)}
	object, ok := decode(raw).(map[string]any)
	if !ok || len(object) > 40 || len(raw) > maxShown {
		return plain
	}
	var rows []column
	for _, name := range slices.Sorted(maps.Keys(object)) {
		switch v := object[name].(type) {
		case nil:
			rows = append(rows, column{sayName(name), "(nothing)"})
		case []any:
			return plain
		case map[string]any:
			minor, currency, isMoney := asMoney(v)
			if !isMoney {
				return plain
			}
			rows = append(rows, column{sayName(name), money(minor, currency)})
		default:
			rows = append(rows, column{sayName(name), cmp.Or(valueText(v), "(empty)")})
		}
	}
	return values{Rows: rows}
}

// unlessAnswered is what it means when nobody answers in time.
var unlessAnswered = map[string]string{ // a table that nothing changes
	"reject": "It counts as rejected", "approve": "It counts as approved", "end": "The run ends", "ask": "Others are asked",
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
	v := askView{
		Question: q, Show: showValues(q.Show), Values: showValues(q.Values), Tone: toneWaiting.said(string(q.State), ""),
		Waits: q.State == waybill.AskOpen, Unless: cmp.Or(unlessAnswered[q.NoAnswer], q.NoAnswer), Link: "/events/" + string(q.Event) + "#" + string(q.ID),
	}
	flow, _ := say.flow(q.Flow)
	v.FlowName = flow.Title
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
		one := askForView{
			AskFor: f, Title: say.Action(f.Connection, f.Action), System: say.System(f.Connection), Inputs: showValues(f.Inputs),
			Safe: strings.HasPrefix(f.Undo, "can be"), Late: v.Waits && !f.GoodUntil.IsZero() && !s.now().Before(f.GoodUntil),
		}
		v.Final = v.Final || !one.Safe
		v.For = append(v.For, one)
	}
	return v
}

// openAsks are the questions that wait for an answer.
type openAsks struct {
	Mine   []askView // those that whoever looks may answer
	Others []askView
}

// mostLooked bounds the questions that are looked through for those of one person.
const mostLooked = 1000

// openAsks are the first questions that wait for an answer, those whose time is over first on top; told apart by whether a
// person may answer them. They come first and are never crowded out by those for others.
func (s *Server) openAsks(ctx context.Context, who Person, limit int) (*openAsks, error) {
	var list []waybill.Question
	for f := (waybill.ListFilter{State: string(waybill.AskOpen), Limit: 200}); len(list) < mostLooked; {
		rows, next, err := s.lists.Asks(ctx, f)
		if err != nil {
			return nil, err
		}
		list = append(list, rows...)
		if f.Before = next; next == "" {
			break
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(list, func(a, b waybill.Question) int {
		if a.DueAt.IsZero() != b.DueAt.IsZero() {
			return b.DueAt.Compare(a.DueAt) // no deadline comes last
		}
		return a.DueAt.Compare(b.DueAt)
	})
	out := &openAsks{}
	for i := range list {
		part := &out.Others
		if s.mayAnswer(&list[i], who) {
			part = &out.Mine
		}
		if len(*part) < limit {
			*part = append(*part, s.askView(list[i]))
		}
	}
	if most := max(limit-len(out.Mine), 0); len(out.Others) > most {
		out.Others = out.Others[:most]
	}
	return out, nil
}

func (s *Server) mayAnswer(q *waybill.Question, who Person) bool {
	return waybill.MayAnswer(q.Who, q.Role, who.Name, string(who.Role), s.names.People)
}

// answers reports whether a button answers a question.
func answers(c choice) bool {
	return c.Verb == waybill.VerbApprove || c.Verb == waybill.VerbChange || c.Verb == waybill.VerbReject
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
		return "Cannot be undone from here. " + strings.TrimSuffix(card.Cannot, "."), false
	default:
		return "Cannot be undone: its step does not keep what was there before", false
	}
}
