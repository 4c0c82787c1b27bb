package flow_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill"
)

func TestAStepSaysHowItIsUndone(t *testing.T) {
	f := sound(t, steps(`  - id: items
    each: order.?items.orValue([])
    as: item
    by: item.?sku.orValue('none')
    steps:
      - id: note
        do: crm.deal.create
        with: {name: "${item.name}"}
        undo: {do: crm.deal.update, with: {id: "${note.id}", stage: "${input.name} of ${order.id}"}}
`))
	e, err := f.Undo("items[].note", order(nil), map[string]any{"name": "a"}, map[string]any{"id": "n1"})
	if err != nil {
		t.Fatal(err)
	}
	if e.Connection != "crm" || e.Action.Name != "deal.update" {
		t.Errorf("%s.%s", e.Connection, e.Action.Name)
	}
	if d := cmp.Diff(map[string]any{"id": "n1", "stage": "a of SO-1001"}, e.Inputs); d != "" {
		t.Error(d)
	}
	if _, err := f.Undo("items[].other", order(nil), nil, nil); waybill.KindOf(err) != waybill.NotFound {
		t.Errorf("a step that is not there: %v", err)
	}
}
