package engine

import (
	"regexp"
	"strings"

	"waybill"
	"waybill/flow"
)

// words are the workspace's names as problems use them.
type words struct{ v *version }

func (e *Engine) words() words { return words{e.today()} }

// System is the outside system of a connection.
func (w words) System(connection string) string {
	if c := w.v.ws.Connections[connection]; c != nil {
		return c.System()
	}
	return connection
}

// Action is what an action does.
func (w words) Action(connection, action string) string {
	if c := w.v.ws.Connections[connection]; c != nil {
		if a := c.Manifest.Actions[action]; a != nil && a.Title != "" {
			return a.Title
		}
	}
	return action
}

// Owner is a person or team.
func (w words) Owner(name string) string {
	if o, ok := w.v.ws.Owners[name]; ok && o.Title != "" {
		return o.Title
	}
	return name
}

// Grade says what an action does and what makes sending it again harmless.
func (w words) Grade(connection, action string) (waybill.ActionKind, waybill.Repeat) {
	if c := w.v.ws.Connections[connection]; c != nil {
		if a := c.Manifest.Actions[action]; a != nil {
			return a.Kind, a.Repeat
		}
	}
	return "", ""
}

// keysOf are the item keys in a step's address: items[sku-1].update.
var keysOf = regexp.MustCompile(`\[[^\]]*\]`) // a pattern that nothing changes

// blameStep says which connection and action a blocked step belongs to.
func (e *Engine) blameStep(b *begun, m *flow.Blocked) blame {
	why := blame{cause: m.Cause, code: m.Code, words: m.Words}
	address := keysOf.ReplaceAllString(m.Address, "")
	for _, s := range b.flow.Steps() {
		if s.Address != address {
			continue
		}
		if connection, action, ok := strings.Cut(s.Does, "."); ok && b.version.ws.Connections[connection] != nil {
			why.connection, why.action = connection, action
			return why
		}
	}
	why.action = b.flow.Name + "." + address
	return why
}
