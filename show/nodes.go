package show

import (
	"context"
	"strings"
	"time"

	"waybill"
)

// lately is how long a node that is gone stays on the overview.
const lately = 24 * time.Hour

// nodeRow is a node on the overview.
type nodeRow struct {
	Node  waybill.Node
	Words string // how it stands, without its name
	Tone  string
}

// nodeRows are the nodes of the book, when there is more than one to speak of.
func (s *Server) nodeRows(ctx context.Context) ([]nodeRow, error) {
	if s.nodes == nil {
		return nil, nil
	}
	list, err := s.nodes.NodesSeen(ctx, false)
	if err != nil {
		return nil, err
	}
	now := s.now().In(s.zone())
	var rows []nodeRow
	lost := false
	for _, n := range list {
		state := n.State()
		if state == "left" || !n.GoneAt.IsZero() && now.Sub(n.GoneAt) > lately {
			continue
		}
		row := nodeRow{Node: n, Words: strings.TrimPrefix(n.Words(now), n.Name+" "), Tone: "done"}
		switch {
		case state == "lost":
			row.Tone, lost = "person", true
		case n.Trouble != "" || state != "working":
			row.Tone = "waiting"
		}
		rows = append(rows, row)
	}
	if len(rows) < 2 && !lost {
		return nil, nil
	}
	return rows, nil
}

type apiNode struct {
	Name      string    `json:"name"`
	State     string    `json:"state" enum:"working,leaving,left,lost"`
	Words     string    `json:"words" doc:"how it stands, in a sentence"`
	Epoch     int64     `json:"epoch" doc:"one life of the node on this book"`
	Address   string    `json:"address,omitempty"`
	Version   string    `json:"version,omitempty" doc:"of the program"`
	Bundle    string    `json:"bundle,omitempty" doc:"the version of the workspace it serves"`
	Trouble   string    `json:"trouble,omitempty" doc:"what keeps it from serving the book's current version"`
	StartedAt time.Time `json:"started_at"`
	HeardAt   time.Time `json:"heard_at,omitzero" doc:"its last beat, by the book's clock"`
	GoneAt    time.Time `json:"gone_at,omitzero"`
	Items     int       `json:"items" doc:"items it has in hand"`
	Runs      int       `json:"runs" doc:"runs it has in hand"`
	Effects   int       `json:"effects" doc:"effects it has in hand, or has sent and waits for"`
}

// listNodes says which processes work on the book; none where one has it to itself.
func (a *api) listNodes(ctx context.Context, _ *nothing) (*listOf[apiNode], error) {
	out := &listOf[apiNode]{Items: []apiNode{}}
	if a.s.nodes == nil {
		return out, nil
	}
	list, err := a.s.nodes.NodesSeen(ctx, true)
	if err != nil {
		return nil, err
	}
	for _, n := range list {
		out.Items = append(out.Items, apiNode{
			Name: n.Name, State: n.State(), Words: n.Words(a.s.now().In(a.s.zone())), Epoch: n.Epoch, Address: n.Address, Version: n.Version,
			Bundle: string(n.Bundle), Trouble: n.Trouble, StartedAt: n.StartedAt, HeardAt: n.HeardAt, GoneAt: n.GoneAt,
			Items: n.Items, Runs: n.Runs, Effects: n.Effects,
		})
	}
	return out, nil
}
