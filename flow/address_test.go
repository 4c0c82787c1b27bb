package flow_test

import "testing"

// TestAStepThatWasRenamedHasAFormerAddress, also inside a loop whose items' keys have dots and brackets.
func TestAStepThatWasRenamedHasAFormerAddress(t *testing.T) {
	f := sound(t, steps("  - id: lines\n    was: items\n    each: '[\"a.b\", \"c\"]'\n    as: line\n    by: line\n    steps:\n"+
		"      - {id: tell, was: say, do: crm.deal.update, with: {id: x}}\n      - {id: own, do: crm.deal.update, with: {id: y}}\n"))
	for address, former := range map[string]string{
		"lines[a.b].tell": "items[a.b].say", "lines[a[0].b].own": "items[a[0].b].own", "lines[].tell": "items[].say", "else": "else",
	} {
		if got := f.Former(address); got != former {
			t.Errorf("%s was %s, not %s", address, got, former)
		}
	}
	if !f.Has("lines[a.b].tell") || f.Has("items[a.b].say") || f.Has("tell") {
		t.Error("it has other steps than it says")
	}
}
