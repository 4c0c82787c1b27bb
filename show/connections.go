package show

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"waybill"
)

// connectionRow is a connection with its figures, in a list and on its own page.
type connectionRow struct {
	Card    ConnectionCard
	Figures waybill.ConnectionFigures
	Tone    tone
	Note    string // why it stands so, in words
	Good    int    // calls in 24 h that succeeded
	Removed bool   // it is no longer in the workspace
	Choices buttons
}

// Kept reports whether its door is open though it was removed.
func (r connectionRow) Kept() bool { return r.Removed && r.Figures.Retired == nil }

type connectionsPage struct{ Rows []connectionRow }

type connectionPage struct {
	connectionRow
	Flows    []FlowCard
	Actions  []actionRow
	Problems []problemCard
	Learnt   string // the rate that the other side was found to take, in words
}

type actionRow struct {
	ActionCard
	Kind   string
	Grade  string
	Safe   bool
	Parked bool
}

// connectionRows are those of the workspace, then those that were taken out of it, and then those that were retired.
func (s *Server) connectionRows(ctx context.Context) ([]connectionRow, error) {
	list, err := s.reader.Connections(ctx)
	if err != nil {
		return nil, err
	}
	figures := map[string]waybill.ConnectionFigures{}
	for _, f := range list {
		figures[f.State.Connection] = f
	}
	var rows []connectionRow
	for _, card := range s.names.Connections() {
		rows = append(rows, newConnectionRow(card, figures[card.Name]))
		delete(figures, card.Name)
	}
	for _, retired := range []bool{false, true} {
		for _, f := range list {
			if _, left := figures[f.State.Connection]; left && (f.Retired != nil) == retired {
				rows = append(rows, removedRow(f))
			}
		}
	}
	return rows, nil
}

// removedRow is of a connection that is no longer in the workspace: of its system only its name is known.
func removedRow(f waybill.ConnectionFigures) connectionRow {
	name := f.State.Connection
	row := connectionRow{Card: ConnectionCard{Name: name, Title: name, System: name}, Figures: f, Good: max(f.Out-f.Failed, 0), Removed: true}
	row.Figures.State.Since, row.Figures.State.Until = time.Time{}, time.Time{} // of a health that is nobody's any more
	if r := f.Retired; r != nil {
		row.Tone = toneStopped.said("Retired", "Whoever still sends there is told 404, as if it had never been. What it sent before is still here.")
		row.Figures.State.Since = r.At
		row.Note = row.Tone.Meaning
		if r.Who != "" {
			row.Note = fmt.Sprintf("%s retired it: %s %s", r.Who, fullStop(r.Why), row.Tone.Meaning)
		}
		return row
	}
	row.Tone = toneStopped.said("Removed", "It is no longer in the workspace. What it still sends is kept for a person, until one retires it.")
	row.Note = row.Tone.Meaning
	return row
}

func newConnectionRow(card ConnectionCard, f waybill.ConnectionFigures) connectionRow {
	row := connectionRow{Card: card, Figures: f, Tone: healthTone(f.State.Health), Note: f.State.Reason, Good: max(f.Out-f.Failed, 0)}
	switch f.State.Health {
	case waybill.HealthWorking, "":
		row.Note = cmp.Or(row.Note, row.Tone.Meaning)
	default: // why, and what it means
		row.Note = strings.TrimSpace(fullStop(row.Note) + " " + row.Tone.Meaning)
	}
	if len(f.State.Parked) > 0 && (f.State.Health == waybill.HealthWorking || f.State.Health == "") {
		row.Tone = tonePerson.said("One right is missing", "An action is not allowed there. All other work goes on.")
		row.Note = "Not allowed: " + strings.Join(f.State.Parked, ", ")
	}
	return row
}

func (s *Server) connections(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.connectionRows(r.Context())
	if err != nil {
		return err
	}
	if person(r).Role.may(Operator) {
		for i := range rows {
			if rows[i].Kept() {
				rows[i].Choices = s.buttonsFor(r.Context(), rows[i].Card.Name)
			}
		}
	}
	return s.show(w, r, "connections", "Connections", connectionsPage{rows})
}

func (s *Server) connection(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	rows, err := s.connectionRows(r.Context())
	if err != nil {
		return err
	}
	page := connectionPage{}
	for _, row := range rows {
		if row.Card.Name == name {
			page.connectionRow = row
		}
	}
	if page.Card.Name == "" {
		return &waybill.Error{Kind: waybill.NotFound, Message: "there is no connection of this name", Hint: "look at the list of connections"}
	}
	page.Learnt = learntWords(page.Figures.State.Learnt)
	for _, f := range page.Card.Flows {
		card, _ := words{s.names}.flow(f)
		page.Flows = append(page.Flows, card)
	}
	for _, a := range page.Card.Actions {
		row := actionRow{ActionCard: a, Kind: kindWords(a.Kind), Grade: grade(a.Repeat), Safe: a.Repeat != waybill.RepeatNever}
		for _, p := range page.Figures.State.Parked {
			row.Parked = row.Parked || p == a.Name
		}
		if a.Kind == waybill.KindRead {
			row.Grade, row.Safe = "A read changes nothing", true
		}
		page.Actions = append(page.Actions, row)
	}
	problems, _, err := s.reader.Problems(r.Context(), waybill.ListFilter{State: "open", Connection: name, Limit: 20})
	if err != nil {
		return err
	}
	for _, p := range problems {
		if p.State.Open() && p.Connection == name {
			page.Problems = append(page.Problems, s.problemCard(p))
		}
	}
	if person(r).Role.may(Operator) {
		page.Choices = s.buttonsFor(r.Context(), name)
	}
	return s.show(w, r, "connection", page.Card.Title, page)
}

// fullStop ends a text that may have its full stop already.
func fullStop(s string) string {
	if s == "" {
		return ""
	}
	return strings.TrimSuffix(sentence(s), ".") + "."
}

// learntWords says a learnt rate; empty when nothing is learnt.
func learntWords(rate float64) string {
	switch {
	case rate <= 0:
		return ""
	case rate < 1:
		return "About one call every " + spell(time.Duration(float64(time.Second)/rate))
	case rate < 10:
		return strings.TrimSuffix(fmt.Sprintf("About %.1f", rate), ".0") + " calls a second"
	default:
		return fmt.Sprintf("About %.0f calls a second", rate)
	}
}
