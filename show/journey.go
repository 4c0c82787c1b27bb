package show

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill"
)

// journeyPage is the whole way of one event, as stations on a line.
type journeyPage struct {
	Head     head
	Stops    []stop
	Arrival  *arrivalView
	Item     *waybill.Item
	ItemTone tone
	ItemDo   buttons
	Event    *eventView
	Fetches  []fetchView
	Runs     []runView
	Nothing  []waybill.Consideration // the flows that looked and did nothing
	Problems []problemCard
	Evidence []waybill.Evidence
	Parent   *eventRow
	Children []eventRow
	Related  []eventRow
	Audit    []auditRow
	Subject  *waybill.Subject
	End      string // the last station's name
	Pressing string // the station whose buttons somebody is waited for to press
}

// head is the label on top: the waybill itself.
type head struct {
	ID      string
	Title   string
	Type    string
	Tone    tone
	Why     string
	From    string
	FromSub string
	To      []string
	Amount  string
	Took    string
	Over    bool // nothing of it is still to come
	Started string
	At      time.Time
	Fields  []column
}

// stop is one dot of the line on top.
type stop struct {
	Label  string
	Note   string
	Tone   tone
	Anchor string
}

type arrivalView struct {
	*waybill.Arrival
	Via  string
	Body body
}

type eventView struct {
	*waybill.Event
	Data body
}

type runView struct {
	waybill.Run
	Card    FlowCard
	Owner   string
	Tone    tone
	Mode    string
	Version string
	Stale   bool // it runs on an earlier version of the workspace
	Parts   []part
	Asked   bool      // a question of it waits for an answer
	GoesOn  time.Time // by itself, when it waits for a time
	Left    int       // parts that are not shown
	Since   string    // what else there is to say once it was done: what was left out or undone
	Choices buttons
	Late    bool
}

// part is one step of a run that touched the outside: an effect, a fetch, or a question to a person.
type part struct {
	Ask    *askView
	Effect *effectView
	Fetch  *fetchView
}

type effectView struct {
	waybill.Effect
	Step     string // the step in words
	Title    string // the action in words
	System   string
	Tone     tone
	Line     string // where it stands and why, in one sentence
	Grade    string
	Safe     bool
	Undoing  string // how it can be undone, or that it cannot
	Undoable bool
	Held     bool   // until a person decides
	Of       string // the step it undoes, in words
	UndoneBy *effectView
	Body     body // of a request that was not sent yet
	Kind     string
	Inputs   body
	Attempts []attemptView
	Lookups  []fetchView
	Message  *waybill.Message
	Choices  buttons
	TryAt    time.Time
}

type fetchView struct {
	waybill.Fetch
	Title    string
	System   string
	Tone     tone
	Answer   body
	Attempts []attemptView
}

type attemptView struct {
	waybill.Attempt
	Tone     tone
	Took     string
	Sent     body
	Received body
	Curl     string
}

func (s *Server) journey(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	j, err := s.reader.Journey(r.Context(), id)
	if err != nil {
		return err
	}
	page := s.journeyPage(j)
	if person(r).Role.may(Operator) {
		s.addButtons(r.Context(), &page)
	}
	return s.show(w, r, "journey", page.Head.Title, page)
}

func (s *Server) journeyPage(j *waybill.Journey) journeyPage {
	p := journeyPage{Item: j.Item, Subject: j.Subject, Evidence: j.Evidence, Audit: auditRows(s.names, j.Audit)}
	if j.Arrival != nil {
		p.Arrival = &arrivalView{j.Arrival, viaWords(j.Arrival.Via), showBody(j.Arrival.Body)}
	}
	if j.Item != nil {
		p.ItemTone = itemTone(j.Item.State)
	}
	for _, f := range j.Fetches {
		p.Fetches = append(p.Fetches, s.fetchView(f))
	}
	if j.Event != nil {
		p.Event = &eventView{j.Event, showBody(j.Event.Data)}
		for _, c := range j.Event.Considered {
			if !c.Matched {
				if c.Title == "" {
					card, _ := words{s.names}.flow(c.Flow)
					c.Title = card.Title
				}
				p.Nothing = append(p.Nothing, c)
			}
		}
	}
	for _, rv := range j.Runs {
		p.Runs = append(p.Runs, s.runView(rv))
	}
	for _, one := range j.Problems {
		p.Problems = append(p.Problems, s.problemCard(one))
	}
	if j.Parent != nil {
		row := s.eventRow(waybill.EventRow{ID: j.Parent.ID, Type: j.Parent.Type, Subject: j.Parent.Subject, Connection: j.Parent.Connection, AcceptedAt: j.Parent.AcceptedAt, Data: j.Parent.Data, State: waybill.RunDone, Runs: 1}, nil)
		p.Parent = &row
	}
	for _, row := range j.Children {
		p.Children = append(p.Children, s.eventRow(row, nil))
	}
	for _, row := range j.Related {
		p.Related = append(p.Related, s.eventRow(row, nil))
	}
	p.Head = s.head(j, p.Runs)
	switch {
	case len(p.Runs) == 0:
		p.End = "Nothing to do"
	case p.Head.Tone.Tone == toneUnknown.Tone:
		p.End = tonePerson.Word
	case p.Head.Tone.Tone == toneDone.Tone:
		p.End = toneDone.Word
	default:
		p.End = p.Head.Tone.Word
	}
	p.Stops = s.stops(&p)
	return p
}

// addButtons asks what can be done for everything on the page that has not ended.
func (s *Server) addButtons(ctx context.Context, p *journeyPage) {
	if p.Item != nil && p.Item.State != waybill.ItemTranslated {
		p.ItemDo = s.buttonsFor(ctx, string(p.Item.ID))
		p.press(p.ItemDo, p.Item.State == waybill.ItemBlocked)
	}
	for i := range p.Runs {
		run := &p.Runs[i]
		offered := map[waybill.Verb]bool{} // by a step: there it is clear what they are for
		for _, part := range run.Parts {
			if e := part.Effect; e != nil && e.State != waybill.EffectUndone && (!run.State.Ended() || e.State == waybill.EffectConfirmed || e.Undoes != "") {
				e.Choices = s.buttonsFor(ctx, string(e.ID))
				for _, c := range e.Choices.Choices {
					offered[c.Verb] = c.Verb != waybill.VerbUndo // the run's own undoes all of it
				}
				p.press(e.Choices, e.State != waybill.EffectConfirmed)
			}
		}
		run.Choices = s.buttonsFor(ctx, string(run.ID))
		run.Choices.Choices = slices.DeleteFunc(run.Choices.Choices, func(c choice) bool { return offered[c.Verb] })
		p.answer(run)
		p.press(run.Choices, run.State == waybill.RunBlocked || run.State == waybill.RunWaiting && run.Problem != "")
	}
}

// answer moves the buttons that answer a run's open question to the question.
func (p *journeyPage) answer(run *runView) {
	for _, part := range run.Parts {
		q := part.Ask
		if q == nil || !q.Waits {
			continue
		}
		q.Choices.Object = run.Choices.Object
		for _, c := range run.Choices.Choices {
			if answers(c) && (c.About == "" || c.About == string(q.ID)) { // another one may be asked by now
				q.Choices.Choices = append(q.Choices.Choices, c)
			}
		}
		run.Choices.Choices = slices.DeleteFunc(run.Choices.Choices, answers)
		if p.Pressing == "" && len(q.Choices.Choices) > 0 {
			p.Pressing = string(q.ID)
		}
	}
}

// press notes where the first buttons are that somebody is waited for to press.
func (p *journeyPage) press(b buttons, wanted bool) {
	if wanted && p.Pressing == "" && len(b.Choices) > 0 {
		p.Pressing = b.Object
		if strings.HasPrefix(b.Object, "itm_") {
			p.Pressing = "understood"
		}
	}
}

func (s *Server) head(j *waybill.Journey, runs []runView) head {
	say := words{s.names}
	h := head{Tone: toneStopped.said("Not used", "No flow had anything to do for it."), Started: "Another event's flow"}
	connection := ""
	switch {
	case j.Event != nil:
		h.ID, h.Type, connection, h.At = string(j.Event.ID), j.Event.Type, j.Event.Connection, j.Event.AcceptedAt
		h.Title, h.Amount = sayEvent(j.Event.Type, j.Event.Subject), amountOf(j.Event.Data)
		h.Why = "No flow had anything to do for it."
	case j.Item != nil:
		h.ID, h.Type, connection, h.At = string(j.Item.ID), j.Item.Type, j.Item.Connection, j.Item.ReceivedAt
		h.Title, h.Tone, h.Why = sayName(j.Item.Type), itemTone(j.Item.State), j.Item.Reason
	}
	if j.Arrival != nil {
		h.At, h.Started = j.Arrival.ReceivedAt, viaWords(j.Arrival.Via)
	}
	h.From, h.FromSub = say.System(connection), connection
	worst := -1
	var end time.Time
	for _, run := range runs {
		if run.State == waybill.RunStopped && slices.ContainsFunc(runs, func(other runView) bool { return other.Repeats == run.ID }) {
			continue // it was stopped to be run again
		}
		if rank := run.rank(); worst < 0 || rank < worst {
			worst, h.Tone, h.Why = rank, run.Tone, cmp.Or(run.Since, run.Reason)
		}
		if run.EndedAt.After(end) {
			end = run.EndedAt
		}
		for _, part := range run.Parts {
			for _, system := range part.systems() {
				if !slices.Contains(h.To, system) {
					h.To = append(h.To, system)
				}
			}
			if part.Effect != nil && part.Effect.State == waybill.EffectUnknown {
				h.Tone, h.Why, worst = part.Effect.Tone, part.Effect.Line, 0
			}
		}
		if j.Event != nil && len(h.Fields) == 0 {
			h.Fields = columnsOf(j.Event.Data, run.Card.Columns)
		}
	}
	h.Over = worst < 0 && (j.Event != nil || j.Item != nil && j.Item.State == waybill.ItemNotUsed) || worst >= 0 && worstFirst[worst].Ended()
	if h.Over && worst >= 0 {
		h.Took = between(h.At, end)
	}
	return h
}

// worstFirst is which run's state an event shows when it has several.
var worstFirst = []waybill.RunState{
	waybill.RunBlocked, waybill.RunWaiting, waybill.RunRunning, waybill.RunQueued, waybill.RunStopped, waybill.RunDone,
}

// rank is the place of a run among those of its event: the one that shows comes first.
func (r *runView) rank() int {
	state := r.State
	switch r.Tone.Tone {
	case tonePerson.Tone:
		state = waybill.RunBlocked
	case toneWorking.Tone:
		state = waybill.RunRunning
	}
	return slices.Index(worstFirst, state)
}

// since says of a run that was done what of it was left out, what was undone since, and whether an undoing waits for
// somebody.
func (r *runView) since() {
	kept, undone, open, out := 0, 0, 0, 0
	var held, left *effectView
	for _, p := range r.Parts {
		switch e := p.Effect; {
		case e == nil:
		case e.Undoes == "" && e.State == waybill.EffectConfirmed:
			kept++
		case e.Undoes == "" && e.State == waybill.EffectUndone:
			undone++
		case e.Undoes == "" && e.State == waybill.EffectSkipped:
			out++
			if left == nil {
				left = e
			}
		case e.Undoes != "" && (e.Held || e.State == waybill.EffectDeclined):
			held = e
		case e.Undoes != "" && !e.State.Settled():
			open++
		}
	}
	so := "It was done. Since then " + count(undone, "step was undone", "steps were undone")
	switch {
	case held != nil:
		r.Tone = tonePerson.said("Undo needs a person", "It was done. Taking it back stands still until somebody decides.")
		r.Since = so + "; undoing another waits for a person: " + held.Line
	case open > 0:
		r.Tone = toneWorking.said("Being undone", "It was done, and is being taken back.")
		r.Since = so + ", and more is being undone"
	case undone > 0 && kept == 0:
		r.Tone = toneStopped.said("Undone", "It was done, and taken back.")
		r.Since = "It was done, and all of it was undone since"
	case undone > 0:
		r.Tone = toneDone.said("Done, part undone", "It was done, and a part of it was taken back.")
		r.Since = so + ", and " + count(kept, "stays", "stay")
	case out > 0:
		r.Tone.Word += ", " + count(out, "step left out", "steps left out")
		r.Since = "Left out: “" + left.Step + "” (" + left.Line + ")"
		if out > 1 {
			r.Since += fmt.Sprintf(" and %d more", out-1)
		}
	}
}

// stops are the dots of the line: received, checked, understood, each effect, the end.
func (s *Server) stops(p *journeyPage) []stop {
	var list []stop
	if p.Arrival != nil || p.Item != nil {
		list = append(list, stop{"Received", p.Head.From, toneDone, "received"})
		list = append(list, stop{"Checked", "genuine", toneDone, "checked"})
	} else if p.Parent != nil {
		list = append(list, stop{"Started", "by another event", toneDone, "received"})
	}
	switch {
	case p.Event != nil:
		list = append(list, stop{"Understood", sayName(p.Event.Type), toneDone, "understood"})
	case p.Item != nil:
		list = append(list, stop{"Understood", p.ItemTone.Word, p.ItemTone, "understood"})
		return list
	}
	if len(p.Runs) == 0 {
		return append(list, stop{"Done", "no flow used it", toneStopped, "nothing"})
	}
	for _, run := range p.Runs {
		for _, part := range run.Parts {
			switch e, q := part.Effect, part.Ask; {
			case len(list) >= 12:
			case e != nil:
				note := e.Tone.Word
				if e.Undoes != "" {
					note = "Undo: " + strings.ToLower(note[:1]) + note[1:]
				}
				list = append(list, stop{e.System, note, e.Tone, string(e.ID)})
			case q != nil:
				list = append(list, stop{"Question", q.Tone.Word, q.Tone, string(q.ID)})
			}
		}
	}
	return append(list, stop{p.End, p.Head.Took, p.Head.Tone, "end"})
}

func (s *Server) runView(v waybill.RunView) runView {
	card, known := words{s.names}.flow(v.Run.Flow)
	run := runView{
		Run: v.Run, Card: card, Owner: words{s.names}.owner(v.Run.Owner), Tone: runTone(v.Run.State), Mode: modeWords(v.Run.Mode),
		Version: shorten(string(v.Run.Bundle), 9), Stale: known && v.Run.Bundle != s.names.Place().Bundle,
	}
	if v.Run.State == waybill.RunDone && v.Run.FailedParts > 0 {
		run.Tone = toneDone.said("Done, "+count(v.Run.FailedParts, "part failed", "parts failed"), "The rest of it was done.")
	}
	end := v.Run.EndedAt
	if end.IsZero() {
		end = s.now()
	}
	run.Late = !v.Run.DueBy.IsZero() && end.After(v.Run.DueBy)
	for _, q := range v.Asks {
		view := s.askView(q)
		run.Asked = run.Asked || view.Waits
		run.Parts = append(run.Parts, part{Ask: &view})
	}
	for _, e := range v.Effects {
		view := s.effectView(e)
		if v.Run.State == waybill.RunQueued {
			view.behind("Its run waits for its turn")
		}
		run.Parts = append(run.Parts, part{Effect: &view})
	}
	linkUndone(run.Parts)
	if v.Run.State == waybill.RunDone {
		run.since()
	}
	switch due := v.Run.DueAt; {
	case v.Run.State != waybill.RunWaiting:
	case run.Asked:
		run.Tone = tonePerson.said("Waits for an answer", "A person is asked. It goes on when they answer.")
	case due.After(s.now()) && due.Before(waybill.Held()):
		run.GoesOn = due
	}
	for _, f := range v.Fetches {
		view := s.fetchView(f)
		run.Parts = append(run.Parts, part{Fetch: &view})
	}
	slices.SortStableFunc(run.Parts, func(a, b part) int { return a.planned().Compare(b.planned()) })
	run.Parts, run.Left = fewer(run.Parts)
	return run
}

// maxParts is how many steps of one run a page shows in full.
const maxParts = 100

// fewer keeps the steps that are not settled, and of the settled ones the first, so that a page of a run with a thousand
// parts can be read. It returns how many settled ones it left out.
func fewer(parts []part) ([]part, int) {
	over := len(parts) - maxParts
	left := 0
	for i := len(parts) - 1; i >= 0 && left < over; i-- {
		if parts[i].Ask != nil && parts[i].Ask.Waits {
			continue
		}
		if e := parts[i].Effect; e == nil || e.State == waybill.EffectConfirmed || e.State == waybill.EffectSkipped || e.State == waybill.EffectUndone {
			parts = slices.Delete(parts, i, i+1)
			left++
		}
	}
	if len(parts) > 2*maxParts {
		left += len(parts) - 2*maxParts
		parts = parts[:2*maxParts]
	}
	return parts, left
}

func (p part) planned() time.Time {
	switch {
	case p.Ask != nil:
		return p.Ask.AskedAt
	case p.Effect != nil:
		return p.Effect.PlannedAt
	default:
		return p.Fetch.PlannedAt
	}
}

// systems are where a part writes, or would when it is approved.
func (p part) systems() (list []string) {
	if p.Effect != nil {
		return []string{p.Effect.System}
	}
	if p.Ask != nil && p.Ask.Waits {
		for _, f := range p.Ask.For {
			list = append(list, f.System)
		}
	}
	return list
}

// linkUndone ties each effect that undoes another to the one it undoes.
func linkUndone(parts []part) {
	byID := map[waybill.EffectID]*effectView{}
	for _, p := range parts {
		if p.Effect != nil {
			byID[p.Effect.ID] = p.Effect
		}
	}
	for _, p := range parts {
		if p.Effect == nil || p.Effect.Undoes == "" {
			continue
		}
		if before, known := byID[p.Effect.After]; known && !before.State.Settled() {
			p.Effect.behind("“" + before.Step + "” is undone first")
			p.Effect.Line = "It waits until “" + before.Step + "” is settled"
		}
		undone, known := byID[p.Effect.Undoes]
		if !known {
			continue
		}
		p.Effect.Of, p.Effect.Step, undone.UndoneBy = undone.Step, "Undo: "+undone.Step, p.Effect
		if undone.State == waybill.EffectUndone {
			undone.Line = strings.TrimSuffix(undone.Tone.Meaning, ".")
		}
	}
}

func (s *Server) effectView(v waybill.EffectView) effectView {
	e, say := v.Effect, words{s.names}
	system := say.System(e.Connection)
	view := effectView{
		Effect: e, Step: say.step(e.Flow, e.Address), Title: say.Action(e.Connection, e.Action), System: system,
		Tone: certainty(e, system), Grade: grade(e.Repeat), Safe: e.Repeat != waybill.RepeatNever, Kind: kindWords(e.Kind),
		Inputs: showBody(e.Inputs), Message: v.Message, Held: held(e),
	}
	if view.Step == "" {
		view.Step = view.Title
	}
	for _, a := range v.Attempts {
		view.Attempts = append(view.Attempts, attemptOf(a, false))
	}
	for _, f := range v.Lookups {
		view.Lookups = append(view.Lookups, s.fetchView(f))
		if f.Fetch.State == waybill.FetchPlanned {
			view.behind("A read comes first")
		}
	}
	if e.State == waybill.EffectPlanned && e.DueAt.After(s.now()) && !view.Held {
		view.TryAt = e.DueAt
	}
	view.Line = effectLine(e, system)
	view.Undoing, view.Undoable = s.undoLine(e)
	if e.Undoes != "" {
		view.Step = "Undo: " + view.Step
	}
	if e.State == waybill.EffectPlanned && len(v.Attempts) == 0 {
		view.Body = showBody(e.Request.Body)
	}
	return view
}

// behind says of an effect without a time to be sent at that it waits for something else of Waybill, and for nobody.
func (v *effectView) behind(what string) {
	if v.Held {
		v.Held, v.Tone = false, toneWaiting.said("Not sent", what+"; it goes on by itself.")
	}
}

// effectLine says in one sentence where an effect stands and what that rests on.
func effectLine(e waybill.Effect, system string) string {
	switch {
	case e.State == waybill.EffectConfirmed && e.Proof != "":
		return "It happened: " + e.Proof
	case e.State == waybill.EffectConfirmed:
		return "It is known to have happened"
	case e.Reason != "":
		return e.Reason
	default:
		return certainty(e, system).Meaning
	}
}

func (s *Server) fetchView(v waybill.FetchView) fetchView {
	f, say := v.Fetch, words{s.names}
	view := fetchView{Fetch: f, Title: say.Action(f.Connection, f.Action), System: say.System(f.Connection), Answer: showBody(f.Answer)}
	switch f.State {
	case waybill.FetchPlanned:
		view.Tone = toneWaiting.said("Waiting for the answer", "")
	case waybill.FetchDone:
		view.Tone = toneDone.said("Read", "")
		if len(f.Answer) == 0 || string(f.Answer) == "null" {
			view.Tone = toneDone.said("Nothing found", "")
		}
	case waybill.FetchFailed:
		view.Tone = tonePerson.said("Could not be read", "")
	}
	for _, a := range v.Attempts {
		view.Attempts = append(view.Attempts, attemptOf(a, true))
	}
	return view
}

func attemptOf(a waybill.Attempt, read bool) attemptView {
	return attemptView{
		Attempt: a, Tone: exchangeTone(a, read), Took: between(a.StartedAt, a.EndedAt), Sent: showBody(a.Request.Body),
		Received: showBody(a.Response), Curl: curl(a.Request),
	}
}
