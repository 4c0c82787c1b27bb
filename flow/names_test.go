package flow_test

import (
	"strings"
	"testing"

	"waybill/flow"
)

// TestWhatAStepDidIsKnownUnderAllItsNames, wherever it stands and for the same items of the loops around it.
func TestWhatAStepDidIsKnownUnderAllItsNames(t *testing.T) {
	f := sound(t, "was: [former, first]\n"+steps("  - id: lines\n    each: '[\"a.b\", \"c\"]'\n    as: line\n    by: line\n    steps:\n"+
		"      - {id: tell, was: [say, shout], do: crm.deal.update, with: {id: x}}\n      - {id: own, do: crm.deal.update, with: {id: y}}\n"))
	for _, c := range []struct {
		address, flow, then string
		did                 bool
	}{
		{"lines[a.b].tell", f.Name, "lines[a.b].tell", true},
		{"lines[a.b].tell", f.Name, "lines[a.b].say", true},
		{"lines[a.b].tell", "first", "items[a.b].shout", true},
		{"lines[a[0].b].own", "former", "paid.yes.items[a[0].b].own", true},
		{"lines[a.b].tell", f.Name, "lines[c].say", false},
		{"lines[a.b].tell", f.Name, "say", false},
		{"lines[a.b].tell", f.Name, "lines[a.b].own", false},
		{"lines[a.b].tell", "other", "lines[a.b].tell", false},
		{"lines[a.b].gone", f.Name, "lines[a.b].say", false},
	} {
		if got := f.Did(c.address, c.flow, c.then); got != c.did {
			t.Errorf("%s did %s of %s: %v", c.address, c.then, c.flow, got)
		}
	}
	if f.Continued("first", "x[k].shout") == "" || f.Continued("first", "x[k].shouted") != "" || f.Continued("other", "x[k].tell") != "" || f.Continued("first", "shout") != "" {
		t.Error("it continues other steps than it says")
	}
}

// TestARenameIsExplainedOrRefused compares a workspace with the one before it.
func TestARenameIsExplainedOrRefused(t *testing.T) {
	before := "flow: probe\ntitle: A probe\nowner: sales\non: order.paid_in_full\nsteps:\n" +
		"  - {id: won, do: crm.deal.update, with: {id: x}}\n  - {id: told, emit: lead.created, with: {id: x, status: new}}\n"
	flows := func(text string) (out []*flow.Flow) {
		for one := range strings.SplitSeq(text, "---\n") {
			out = append(out, sound(t, one))
		}
		return out
	}
	change := strings.NewReplacer
	for name, c := range map[string]struct {
		now  string
		line int // of its fault; 0 when there is none
		says string
	}{
		"as it was":                           {before, 0, ""},
		"a step under another id":             {change("id: won", "id: closed").Replace(before), 6, "`was: won`"},
		"the same, explained":                 {change("id: won", "id: closed, was: won").Replace(before), 0, ""},
		"the same, said to be new":            {change("id: won", "id: closed, was: []").Replace(before), 0, ""},
		"an event that another step emits":    {change("id: told", "id: said").Replace(before), 7, "`was: told`"},
		"a step that does something else":     {change("id: won, do: crm.deal.update, with: {id: x}", "id: noted, set: 1").Replace(before), 0, ""},
		"a step beside the one that stays":    {before + "  - {id: more, do: crm.deal.update, with: {id: y}}\n", 0, ""},
		"a step that was moved into a choice": {change("  - {id: won, do: crm.deal.update, with: {id: x}}\n", "  - id: big\n    choose:\n      yes: {when: order.paid_total.minor > 5, steps: [{id: won, do: crm.deal.update, with: {id: x}}]}\n      otherwise: {steps: [{id: small, end: small}]}\n").Replace(before), 0, ""},
		"a flow under another name":           {change("flow: probe", "flow: test").Replace(before), 1, "`was: probe`"},
		"the same flow, explained":            {change("flow: probe", "flow: test\nwas: probe").Replace(before), 0, ""},
		"the same flow, said to be new":       {change("flow: probe", "flow: test\nwas: []").Replace(before), 0, ""},
		"a flow beside the one that stays":    {before + "---\n" + change("flow: probe", "flow: test").Replace(before), 0, ""},
		"a flow for another event":            {change("flow: probe", "flow: test", "order.paid_in_full", "order.overpaid").Replace(before), 0, ""},
		"both under another name": {
			change("flow: probe", "flow: test\nwas: probe", "id: won", "id: closed").Replace(before), 7, "`was: won`",
		},
	} {
		faults := flow.Unexplained(flows(before), flows(c.now))
		switch {
		case c.line == 0 && len(faults) > 0:
			t.Errorf("%s: %s", name, listed(faults))
		case c.line > 0 && (len(faults) != 1 || faults[0].Code != "E340" || faults[0].Span.Line != c.line || !strings.Contains(faults[0].Hint, c.says)):
			t.Errorf("%s: want line %d with %s, got %s", name, c.line, c.says, listed(faults))
		}
	}
}
