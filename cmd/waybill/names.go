package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"waybill"
	"waybill/connector"
	"waybill/engine"
	"waybill/flow"
	"waybill/record"
	"waybill/show"
)

// journal is the book with its journeys as the engine explains them.
type journal struct {
	*record.Book
	engine *engine.Engine
}

// Journey is the whole way of an event.
func (j journal) Journey(ctx context.Context, id string) (*waybill.Journey, error) {
	return j.engine.Journey(ctx, id)
}

// names puts the workspace into the words of the pages.
type names struct {
	engine    *engine.Engine
	env       string
	publicURL string
	builder   bool
}

// Place says where a page is.
func (n *names) Place() show.Place {
	ws := n.engine.Workspace()
	return show.Place{Name: ws.Name, Environment: n.env, Zone: ws.Zone, Bundle: ws.Bundle, Version: release, Builder: n.builder}
}

// Flows are the workspace's flows in words.
func (n *names) Flows() []show.FlowCard {
	ws := n.engine.Workspace()
	cards := make([]show.FlowCard, 0, len(ws.Flows))
	for _, f := range ws.Flows {
		card := show.FlowCard{
			Name: f.Name, Title: f.Title, Owner: f.Owner, On: f.On, Columns: f.Columns, DueWithin: f.DueWithin,
			File: fmt.Sprintf("%s:%d", f.File, f.Line),
		}
		for _, s := range f.Steps() {
			card.Steps = append(card.Steps, show.StepCard{Address: s.Address, Title: stepTitle(n.engine, s)})
		}
		cards = append(cards, card)
	}
	return cards
}

func stepTitle(e *engine.Engine, s flow.StepView) string {
	conn, action, ok := strings.Cut(s.Does, ".")
	if c := e.Workspace().Connections[conn]; ok && c != nil {
		if a := c.Manifest.Actions[action]; a != nil && a.Title != "" {
			return a.Title + " in " + c.System()
		}
	}
	if s.Title != "" {
		return s.Title
	}
	return s.Address
}

// Connections are the workspace's accounts in words.
func (n *names) Connections() []show.ConnectionCard {
	ws := n.engine.Workspace()
	uses := map[string][]string{}
	for _, f := range ws.Flows {
		seen := map[string]bool{}
		for _, s := range f.Steps() {
			if conn, _, ok := strings.Cut(s.Does, "."); ok && !seen[conn] {
				seen[conn] = true
				uses[conn] = append(uses[conn], f.Name)
			}
		}
	}
	var cards []show.ConnectionCard
	for _, name := range slices.Sorted(maps.Keys(ws.Connections)) {
		c := ws.Connections[name]
		card := show.ConnectionCard{
			Name: name, Title: c.Title, System: c.System(),
			Connector: fmt.Sprintf("%s v%d", c.Manifest.Name, c.Manifest.Version), APIVersion: c.Manifest.APIVersion,
			RetiresOn: c.Manifest.RetiresOn, Account: c.Account, Summary: c.Manifest.Summary, Limits: limitWords(c.Limits), Flows: uses[name],
		}
		if c.Manifest.Webhook != nil {
			card.Intake = n.publicURL + "/in/" + name
		}
		for _, a := range c.Manifest.ActionNames() {
			card.Actions = append(card.Actions, actionCard(c.Manifest.Actions[a]))
		}
		cards = append(cards, card)
	}
	return cards
}

func actionCard(a *connector.Action) show.ActionCard {
	card := show.ActionCard{Name: a.Name, Title: a.Title, Kind: a.Kind, Repeat: a.Repeat, Proves: a.Proves, Notes: a.Notes}
	if a.Undo.Restore != "" {
		card.Undo = "puts back what was there"
	}
	if a.Undo.Do != "" {
		card.Undo, card.UndoneBy = "undone by "+a.Undo.Do, a.Undo.Do
	}
	card.Cannot = a.Undo.Cannot
	return card
}

func limitWords(l connector.Limits) string {
	var parts []string
	if l.Concurrency > 0 {
		parts = append(parts, fmt.Sprintf("at most %d calls at once", l.Concurrency))
	}
	if l.PerSecond > 0 {
		parts = append(parts, fmt.Sprintf("%g a second", l.PerSecond))
	}
	return strings.Join(parts, ", ")
}

// People are those who answer for an owner.
func (n *names) People(owner string) []string { return n.engine.Workspace().Owners[owner].People }

// Owner is a person's or team's title.
func (n *names) Owner(name string) string {
	if o, ok := n.engine.Workspace().Owners[name]; ok && o.Title != "" {
		return o.Title
	}
	return name
}
