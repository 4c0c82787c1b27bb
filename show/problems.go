package show

import (
	"net/http"
	"strings"

	"waybill"
	"waybill/watch"
)

// problemCard is a problem in a list, explained.
type problemCard struct {
	Problem waybill.Problem
	Words   waybill.Explanation
	System  string
	Owner   string
	Flows   []FlowCard // of what it holds
	Tone    tone
	Choices buttons
}

type problemsPage struct {
	Tab   string
	Asks  *openAsks // questions that wait for an answer; nil: none
	Mine  bool      // only those for whoever looks
	Cards []problemCard
	Next  string
}

type problemPage struct {
	problemCard
	Why     string
	Rows    []eventRow
	Effects []effectView
	Members int
	Loose   []waybill.Member // members that have no event: items and connections
}

// Some are the flows that a list names: the first three.
func (c problemCard) Some() []FlowCard { return c.Flows[:min(3, len(c.Flows))] }

// Others is how many flows a list does not name.
func (c problemCard) Others() int { return len(c.Flows) - len(c.Some()) }

// problemCard explains a problem.
func (s *Server) problemCard(p waybill.Problem) problemCard {
	say := words{s.names}
	c := problemCard{Problem: p, Words: watch.Explain(p, say), Tone: problemTone(p)}
	if c.Owner = say.Owner(p.Owner); p.Owner == "" {
		c.Owner, _, _ = strings.Cut(c.Words.Who, ".")
	}
	if p.Connection != "" {
		c.System = say.System(p.Connection)
	}
	for _, name := range p.Flows {
		f, _ := say.flow(name)
		c.Flows = append(c.Flows, f)
	}
	return c
}

func (s *Server) problems(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	page := problemsPage{Tab: "open"}
	if q.Get("state") == "fixed" {
		page.Tab = "fixed"
	}
	list, next, err := s.reader.Problems(r.Context(), waybill.ListFilter{
		State: page.Tab, Connection: q.Get("connection"), Flow: q.Get("flow"), Before: q.Get("before"), Limit: 50,
	})
	if err != nil {
		return err
	}
	page.Next = next
	if page.Tab == "open" && q.Get("before") == "" {
		if page.Asks, err = s.openAsks(r.Context(), person(r), 50); err != nil {
			return err
		}
		if page.Mine = q.Get("asks") == "mine"; page.Mine && page.Asks != nil {
			page.Asks.Others = nil
		}
	}
	for _, p := range list {
		if p.State.Open() == (page.Tab == "open") {
			page.Cards = append(page.Cards, s.problemCard(p))
		}
	}
	return s.show(w, r, "problems", "Problems", page)
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	v, err := s.reader.Problem(r.Context(), waybill.ProblemID(id))
	if err != nil {
		return err
	}
	page := problemPage{problemCard: s.problemCard(v.Problem), Members: len(v.Members)}
	if person(r).Role.may(Operator) {
		page.Choices = s.buttonsFor(r.Context(), id)
	}
	page.Why = "They are one group because cause, connection, action and the other side's code are the same: " + v.Problem.Key
	for _, row := range v.Events {
		page.Rows = append(page.Rows, s.eventRow(row, nil))
	}
	for _, e := range v.Effects {
		page.Effects = append(page.Effects, s.effectView(waybill.EffectView{Effect: e}))
	}
	for _, m := range v.Members {
		if m.Event == "" {
			page.Loose = append(page.Loose, m)
		}
	}
	return s.show(w, r, "problem", page.Words.Title, page)
}
