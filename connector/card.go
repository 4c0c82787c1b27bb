package connector

import (
	"fmt"
	"maps"
	"slices"

	"waybill"
	"waybill/expr"
)

// Card is what a builder sees of a connector before using it: what it reads, does and promises.
type Card struct {
	Name       string       `json:"name"`
	Title      string       `json:"title"`
	Summary    string       `json:"summary"`
	Version    int          `json:"version"`
	APIVersion string       `json:"api_version,omitempty"`
	RetiresOn  string       `json:"retires_on,omitempty"`
	Docs       string       `json:"docs,omitempty"`
	Notes      []string     `json:"notes,omitempty"`
	Settings   []CardField  `json:"settings,omitempty"`
	Secrets    []CardField  `json:"secrets,omitempty"`
	Proof      string       `json:"proof"` // how what comes in is proven, in words
	Hears      []CardEvent  `json:"hears,omitempty"`
	Reads      []CardAction `json:"reads,omitempty"`
	Does       []CardAction `json:"does,omitempty"`
	Limits     string       `json:"limits"`
}

// CardField is one setting, secret, input or output.
type CardField struct {
	Name     string `json:"name"`
	Title    string `json:"title,omitempty"`
	Type     string `json:"type,omitempty"`
	Required bool   `json:"required,omitempty"`
	Default  string `json:"default,omitempty"`
	Help     string `json:"help,omitempty"`
}

// CardEvent is one business event it gives, and by which of the provider's types.
type CardEvent struct {
	Event string   `json:"event"`
	From  []string `json:"from"`
}

// CardAction is one action.
type CardAction struct {
	Name    string      `json:"name"`
	Title   string      `json:"title"`
	Kind    string      `json:"kind"`
	Repeat  string      `json:"repeat,omitempty"` // key, natural, lookup, never
	Again   string      `json:"again,omitempty"`  // what that means, in words
	Undo    string      `json:"undo,omitempty"`
	Proves  string      `json:"proves,omitempty"`
	Inputs  []CardField `json:"inputs,omitempty"`
	Outputs []CardField `json:"outputs,omitempty"`
	Retires string      `json:"retires,omitempty"`
	Notes   []string    `json:"notes,omitempty"`
}

// Card gives the capability card.
func (m *Manifest) Card() Card {
	c := Card{
		Name: m.Name, Title: m.Title, Summary: m.Summary, Version: m.Version, APIVersion: m.APIVersion,
		RetiresOn: m.RetiresOn, Docs: m.Docs, Notes: m.Notes, Settings: cardSettings(m.Settings),
		Secrets: cardSettings(m.Secrets), Proof: m.proof(), Hears: m.hears(),
		Limits: fmt.Sprintf("at most %d calls at once", m.Limits.Concurrency),
	}
	if m.Limits.PerSecond > 0 {
		c.Limits += fmt.Sprintf(", %g a second", m.Limits.PerSecond)
	}
	for _, name := range m.ActionNames() {
		a := m.Actions[name]
		card := CardAction{
			Name: name, Title: a.Title, Kind: string(a.Kind), Inputs: cardFields(a.Input), Outputs: cardFields(a.Output),
			Retires: a.Retires, Notes: a.Notes,
		}
		if a.Kind == waybill.KindRead {
			c.Reads = append(c.Reads, card)
			continue
		}
		card.Repeat, card.Again, card.Undo, card.Proves = string(a.Repeat), again(a), undo(a), proves[a.Proves]
		c.Does = append(c.Does, card)
	}
	return c
}

var proves = map[string]string{
	"answer":      "its answer proves that it happened",
	"handed_over": "its answer proves only that it was taken over",
	"callback":    "only a later callback proves that it happened",
}

// again says in words what sending an action twice would do.
func again(a *Action) string {
	words := map[waybill.Repeat]string{
		waybill.RepeatKey:     "May be sent again: the provider knows our key",
		waybill.RepeatNatural: "May be sent again: doing it twice comes to the same.",
		waybill.RepeatLookup:  "Is looked up first, and sent again only when it is proven absent.",
		waybill.RepeatNever:   "Is never sent again blindly: when in doubt it waits for proof, then asks a person.",
	}[a.Repeat]
	if a.Repeat == waybill.RepeatKey {
		if a.Key.Life > 0 {
			words += " for " + a.Key.Life.String()
		}
		words += "."
	}
	if a.SettledBy {
		words += " A webhook that carries our reference settles it."
	}
	return words
}

func undo(a *Action) string {
	if a.Undo.Restore != "" {
		return "What was there before is kept and can be put back."
	}
	if a.Undo.Do != "" {
		return "It is undone by another action: " + a.Undo.Do + "."
	}
	return "Cannot be undone from here. " + a.Undo.Cannot
}

func (m *Manifest) proof() string {
	if m.Webhook == nil {
		return "nothing comes in"
	}
	switch v := m.Webhook.Verify; v.Scheme {
	case "none":
		return "not proven: anybody who knows the address can send"
	case "token":
		return "a shared token"
	case "basic":
		return "user and password"
	case "hmac", "ed25519":
		return "signed in " + v.Header
	default:
		return "as the settings say"
	}
}

func (m *Manifest) hears() []CardEvent {
	from := map[string][]string{}
	for _, mapping := range m.Mappings {
		for _, on := range mapping.On {
			if !slices.Contains(from[mapping.Event], on) {
				from[mapping.Event] = append(from[mapping.Event], on)
			}
		}
	}
	var out []CardEvent
	for _, event := range slices.Sorted(maps.Keys(from)) {
		out = append(out, CardEvent{Event: event, From: from[event]})
	}
	return out
}

func cardSettings(settings map[string]Setting) []CardField {
	var out []CardField
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		s := settings[name]
		out = append(out, CardField{Name: name, Title: s.Title, Required: s.Required, Default: s.Default, Help: s.Help})
	}
	return out
}

func cardFields(s *expr.Schema) []CardField {
	if s == nil {
		return nil
	}
	var out []CardField
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		f := s.Properties[name]
		kind := f.Type
		if f.Format != "" {
			kind = f.Format
		}
		out = append(out, CardField{Name: name, Title: f.Title, Type: kind, Required: slices.Contains(s.Required, name)})
	}
	return out
}
