package flow

import (
	"fmt"
	"maps"
	"slices"

	"waybill"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

// What an older fact that comes late does.
const (
	lateSkip  = "skip"
	lateFetch = "fetch"
)

// late compiles what a fact does that comes when a newer one was written: nothing, or the newest state is read and written.
func (c *compiler) late(def *stepDef, s *step) bool {
	if def.Late == nil {
		return false
	}
	t := *def.Late
	switch {
	case t.Value != lateSkip && t.Value != lateFetch:
		c.fault("E317", t.Span, fmt.Sprintf("late takes skip (the default) or fetch, not %q.", t.Value), source.DidYouMean(t.Value, []string{lateSkip, lateFetch}))
	case s.action.Kind != waybill.KindState:
		c.fault("E313", def.Node.KeySpan("late"), fmt.Sprintf("`late` is about writes that overwrite (kind state), and %s is of kind %s.", s.does(), s.action.Kind), "Remove it.")
	case t.Value == lateFetch:
		c.readable(t)
		return true
	}
	return false
}

// readable faults a flow whose event cannot be read again at the system that tells it.
func (c *compiler) readable(t source.Text) {
	told := false
	for _, name := range sortedNames(c.deps.Connections) {
		if len(c.flow.From) > 0 && !slices.Contains(c.flow.From, name) {
			continue
		}
		m := c.deps.Connections[name]
		for _, mapping := range m.Mappings {
			if !c.tells(mapping) {
				continue
			}
			if told = true; mapping.Fetch == nil {
				c.fault("E331", t.Span, fmt.Sprintf("What %s (the connection %s) tells cannot be read again: its webhooks carry all there is.", m.Title, name),
					"Write late: skip, or narrow the flow with `from` to connections whose webhooks carry ids only.")
				return
			}
		}
	}
	if !told {
		c.fault("E331", t.Span, "No connection tells this event by webhooks that are read after, so there is nothing to read again.", "Write late: skip.")
	}
}

func (c *compiler) tells(m *connector.Mapping) bool {
	return slices.ContainsFunc(c.deps.Catalogue.Expand(m.Event), func(typ string) bool { return slices.Contains(c.flow.On, typ) }) ||
		slices.Contains(c.flow.On, m.Event)
}

// Again evaluates the inputs of the step at which a run waits anew, over other data of its event: the newest state of what
// it is about. The progress with these inputs is returned beside them; no inputs when the step is for an item of a loop that
// is no longer there.
func (f *Flow) Again(p *Progress, data map[string]any, r expr.Reads) (*Progress, map[string]any, error) {
	if !f.knows(p.Frames) || f.at(p.Frames) == nil {
		return nil, nil, &waybill.Error{Kind: waybill.Conflict, Message: "the run stands at no step of this flow"}
	}
	m := &machine{flow: f, p: p.Clone(), items: map[int][]any{}, reads: r}
	m.vars = make(map[string]any, len(f.results)+1)
	for _, name := range f.results {
		m.vars[name] = expr.Absent
	}
	m.vars[f.Noun] = data
	maps.Copy(m.vars, m.p.Values)
	s := m.current()
	if s.input == nil {
		return nil, nil, &waybill.Error{Kind: waybill.Conflict, Message: "the step has no inputs"}
	}
	if there, err := m.openAnew(); err != nil || !there {
		return m.p, nil, err
	}
	v, err := s.input.Eval(m.vars, r)
	if err == nil {
		v, err = settled(v)
	}
	if err != nil {
		return nil, nil, trouble(s.inputAt, "", err)
	}
	in, _ := v.(map[string]any)
	if in == nil {
		in = map[string]any{}
	}
	if name := missing(s, in); name != "" {
		return nil, nil, &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf("%s needs %q, and it has no value now", s.does(), name)}
	}
	m.p.Inputs = in
	return m.p, in, nil
}
