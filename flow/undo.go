package flow

import (
	"fmt"

	"waybill"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

// undoRestore puts back what was there before.
const undoRestore = "restore"

// undoDef is a step that undoes another, as it is written.
type undoDef struct {
	Do   *source.Text `yaml:"do,required"`
	With *source.Node `yaml:"with"`
	Node *source.Node `yaml:",node"`
}

// undoing is the action that undoes a step, as its flow says.
type undoing struct {
	connection string
	action     *connector.Action
	input      *expr.Object
}

// undo compiles how a step is undone: by restoring, or by an action.
func (c *compiler) undo(def *stepDef, s *step, verb string) {
	if def.Undo == nil {
		return
	}
	if def.Undo.Kind == source.Map {
		c.undoBy(def, s)
		return
	}
	t, ok := def.Undo.Scalar()
	switch {
	case !ok || t.Value != undoRestore:
		c.fault("E317", def.Undo.Span, "undo takes restore, or the action that undoes the step.",
			"Write undo: restore, or undo: {do: connection.action, with: {...}}")
	case s.kind == kindDo && s.action.Undo.Restore == "":
		words := verb + " cannot be put back."
		if s.action.Undo.Cannot != "" {
			words += " " + s.action.Undo.Cannot
		}
		c.fault("E318", t.Span, words, "Remove `undo`, or name the action that undoes it: undo: {do: connection.action, with: {...}}")
	default:
		s.undo = t.Value
	}
}

// undoBy compiles the action that undoes a step. It is made long after the run has ended, so its inputs know the event, what
// the step was given (input) and what it answered, and nothing else.
func (c *compiler) undoBy(def *stepDef, s *step) {
	var u undoDef
	c.add(source.Decode(def.Undo, &u))
	if u.Do == nil {
		return
	}
	connection, action := c.action(*u.Do)
	if action == nil {
		return
	}
	if action.Kind == waybill.KindRead {
		c.fault("E305", u.Do.Span, u.Do.Value+" only reads, so it undoes nothing.", "")
		return
	}
	at := c.root
	if s.action.Output != nil {
		at = at.with(expr.Var{Name: orWord(s.id), Schema: s.action.Output})
	}
	at = at.with(expr.Var{Name: undoInput, Schema: orObject(s.action.Input)})
	input, _ := c.inputs(&stepDef{With: u.With, Node: u.Node}, *u.Do, action.Input, at)
	if input != nil && input.NeedsBook() {
		c.fault("E323", u.Do.Span, "What undoes a step may not read tables or pairings: they may say something else by then.", "")
	}
	s.undo, s.undoes = u.Do.Value, &undoing{connection, action, input}
}

// undoInput is what expressions of an undo call the inputs of the step it undoes.
const undoInput = "input"

func orObject(s *expr.Schema) *expr.Schema {
	if s == nil {
		return &expr.Schema{Type: "object"}
	}
	return s
}

// Undo returns the action, and its inputs, by which the flow undoes the step of an address, without the keys of items. data is
// the event's, input what the step was given, output what it answered.
func (f *Flow) Undo(address string, data, input map[string]any, output any) (*PlannedEffect, error) {
	var s *step
	walkSteps(f.steps, func(one *step) {
		if one.address == address {
			s = one
		}
	})
	if s == nil || s.undoes == nil {
		return nil, &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("the flow %s does not say how %s is undone", f.Name, address)}
	}
	vars := map[string]any{f.Noun: data, undoInput: input, s.id: expr.Absent}
	if output != nil {
		vars[s.id] = output
	}
	v, err := s.undoes.input.Eval(vars, nil)
	if err == nil {
		v, err = settled(v)
	}
	if err != nil {
		return nil, trouble(s.inputAt, "`undo`", err)
	}
	in, ok := v.(map[string]any)
	if !ok {
		in = map[string]any{}
	}
	return &PlannedEffect{Connection: s.undoes.connection, Action: s.undoes.action, Inputs: in}, nil
}

// undoWords says how what a step does can be undone, or that it cannot; empty for what changes nothing outside.
func (s *step) undoWords() string {
	if s.kind != kindDo || s.action == nil {
		return ""
	}
	return (&PlannedEffect{Connection: s.connection, Action: s.action, Undo: s.undo}).Undoing()
}

// Undoing says before it is done how an effect can be undone, or that it cannot.
func (p *PlannedEffect) Undoing() string {
	switch u := p.Action.Undo; {
	case p.Undo == undoRestore:
		return "can be undone: what was there before is kept"
	case p.Undo != "":
		return "can be undone by " + p.Undo
	case u.Do != "":
		return "can be undone by " + p.Connection + "." + u.Do
	case u.Cannot != "":
		return "cannot be undone from here. " + u.Cannot
	default:
		return "cannot be undone: what was there before is not kept"
	}
}
