package show

import (
	"net/http"
	"slices"
	"time"

	"waybill"
	"waybill/watch"
)

// overviewPage is the first page: how it is, in one sentence; four figures; what needs a person; flows; connections.
type overviewPage struct {
	Sentence    string
	Mood        tone
	Figures     []figure
	Asks        *openAsks     // questions that wait for an answer; nil: none
	Problems    []problemCard // that need a person
	Alone       []problemCard // that go on by themselves
	Flows       []flowRow
	Connections []connectionRow
	Nodes       []nodeRow // that work on the book, where there are several, and those that were lost
	Small       []smallFigure
	First       []firstStep       // the first steps, where nothing has come in yet
	Restored    *waybill.Restored // set while nothing is sent: the book was restored and nobody has looked
	Unknown     int               // effects whose outcome is not known
	Resume      buttons
}

type figure struct {
	Label string
	N     int
	Link  string
	Tone  string
	Note  string
	Hours []int
}

type smallFigure struct {
	Label string
	N     int
	Link  string
}

type flowRow struct {
	Card    FlowCard
	Figures waybill.FlowFigures
	Total   int
	Owner   string
	Tone    tone
}

type firstStep struct {
	Done    bool
	Title   string
	Text    string
	Command string
}

// restoredObject is what a person acts on to let a restored book send again.
const restoredObject = "rst_book"

func (s *Server) overview(w http.ResponseWriter, r *http.Request) error {
	o, err := s.reader.Overview(r.Context(), s.now().Add(-24*time.Hour))
	if err != nil {
		return err
	}
	conns, err := s.connectionRows(r.Context())
	if err != nil {
		return err
	}
	conns = slices.DeleteFunc(conns, func(c connectionRow) bool { return c.Figures.Retired != nil })
	asks, err := s.openAsks(r.Context(), person(r), 5)
	if err != nil {
		return err
	}
	nodes, err := s.nodeRows(r.Context())
	if err != nil {
		return err
	}
	o.Flows = watch.OfFlows(o.Flows, s.flowNames())
	p := overviewPage{Nodes: nodes, Connections: conns, Flows: s.flowRows(o), Mood: mood(o), Asks: asks}
	for i, one := range o.Problems {
		card := s.problemCard(one)
		o.Problems[i].Title = card.Words.Title
		if watch.NeedsPerson(one) {
			p.Problems = append(p.Problems, card)
		} else {
			p.Alone = append(p.Alone, card)
		}
	}
	p.Sentence = watch.Sentence(*o)
	if o.Restored.Paused() {
		p.Restored, p.Unknown, p.Resume = o.Restored, o.Unknown, s.buttonsFor(r.Context(), restoredObject)
	}
	if o.Received == 0 && o.Events == 0 && o.Blocked+o.Asks == 0 && len(o.Problems) == 0 {
		p.First = s.firstSteps(o, conns)
	}
	series := func(pick func(waybill.HourFigures) int) []int {
		list := make([]int, len(o.Hours))
		for i, h := range o.Hours {
			list[i] = pick(h)
		}
		return list
	}
	p.Figures = []figure{
		{
			"Received", o.Received, "/events", "working", count(o.Events, "business event", "business events"),
			series(func(h waybill.HourFigures) int { return h.Received }),
		},
		{
			"Done", o.Done, "/events?state=done", "done", "in the last 24 hours",
			series(func(h waybill.HourFigures) int { return h.Done }),
		},
		{"Waiting", o.Waiting + o.Working, "/events?state=waiting", "waiting", "goes on by itself", nil},
		{
			"Needs a person", o.Blocked + o.Asks, personPage(o), "person", personNote(o),
			series(func(h waybill.HourFigures) int { return h.Blocked }),
		},
	}
	p.Small = []smallFigure{
		{"unknown outcome", o.Unknown, "/events?unknown=yes"},
		{"later than promised", o.Late, "/events?state=blocked"},
		{"known already", o.Duplicate, "/items?state=not+used"},
		{"not used", o.NotUsed, "/items?state=not+used"},
		{"rejected at the door", o.Rejected, "/rejections"},
		{"stopped by a person", o.Stopped, "/events?state=stopped"},
	}
	return s.show(w, r, "overview", "Overview", p)
}

func personNote(o *waybill.Overview) string {
	if o.Unknown > 0 {
		return count(o.Unknown, "outcome is unknown", "outcomes are unknown")
	}
	switch {
	case o.Blocked+o.Asks == 0:
		return "nothing to do"
	case o.Asks > 0:
		return count(o.Asks, "question waits for an answer", "questions wait for an answer")
	default:
		return "stands still until then"
	}
}

// personPage is where what needs a person is listed: questions alone are on the page already.
func personPage(o *waybill.Overview) string {
	if o.Blocked == 0 && o.Asks > 0 {
		return "/problems"
	}
	return "/events?state=blocked"
}

// mood is the tone of the first page's sentence.
func mood(o *waybill.Overview) tone {
	switch {
	case o.Blocked+o.Asks > 0 || o.Restored.Paused() || slices.ContainsFunc(o.Problems, watch.NeedsPerson):
		return tonePerson
	case o.Unknown > 0:
		return toneUnknown
	case o.Late > 0:
		return toneWaiting
	default:
		return toneDone
	}
}

// flowRows has a row for every flow of an overview.
func (s *Server) flowRows(o *waybill.Overview) []flowRow {
	cards := map[string]FlowCard{}
	for _, card := range s.names.Flows() {
		cards[card.Name] = card
	}
	rows := make([]flowRow, len(o.Flows))
	for i, f := range o.Flows {
		card, ok := cards[f.Flow]
		if !ok {
			card = FlowCard{Name: f.Flow, Title: f.Flow + " (no longer in the workspace)"}
		}
		row := flowRow{Card: card, Figures: f, Total: f.Done + f.Open + f.Blocked, Owner: words{s.names}.owner(card.Owner), Tone: toneDone.said("Working", "")}
		switch {
		case f.Blocked+f.Asks > 0:
			row.Tone = tonePerson
		case f.Open > 0:
			row.Tone = toneWorking
		case row.Total == 0:
			row.Tone = toneStopped.said("Quiet", "Nothing came for it in the last 24 hours.")
		}
		rows[i] = row
	}
	return rows
}

// flowNames are the flows of the workspace.
func (s *Server) flowNames() []string {
	var list []string
	for _, card := range s.names.Flows() {
		list = append(list, card.Name)
	}
	return list
}

// firstSteps are what to do on the first day, each ticked off once it is done.
func (s *Server) firstSteps(o *waybill.Overview, conns []connectionRow) []firstStep {
	source := "CONNECTION"
	for _, c := range conns {
		if c.Card.Intake != "" {
			source = c.Card.Name
			break
		}
	}
	steps := []firstStep{
		{len(conns) > 0, "Connect your systems", "Each account is one file in connections/.", ""},
		{len(s.names.Flows()) > 0, "Describe what shall happen", "Each flow is one file in flows/. Check them before you start.", "waybill check"},
		{o.Received > 0, "Send a first event", "As the real sender would, signed. Or let the sender's own test page do it.", "waybill trigger " + source},
		{o.Events > 0, "See it arrive", "It shows on this page at once, with its whole journey.", ""},
	}
	if !s.names.Place().Builder {
		steps[2].Command, steps[2].Text = "", "Let the sender send one: most have a button for a test event."
	}
	return steps
}
