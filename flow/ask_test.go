package flow_test

import (
	"testing"

	"waybill/flow"
)

// TestWhatIsAskedForAndWillNotBeDoneStopsNoQuestion: the values of a step that its `when` or the choice around it leaves out may
// not be there.
func TestWhatIsAskedForAndWillNotBeDoneStopsNoQuestion(t *testing.T) {
	const write = `do: crm.note.add, with: {body: "call ${order.customer.phone}"}`
	for name, text := range map[string]string{
		"by its own when": "  - id: ok\n    ask: Call?\n    who: {role: admin}\n    approved:\n      - {id: note, when: has(order.customer.phone), " + write + "}\n",
		"behind it":       "  - {id: ok, ask: Call?, who: {role: admin}, for: note}\n  - {id: note, when: has(order.customer.phone), " + write + "}\n",
		"by a choice": "  - {id: ok, ask: Call?, who: {role: admin}, for: note}\n  - id: way\n    choose:\n      phone: {when: has(order.customer.phone), steps: [{id: note, " +
			write + "}]}\n      otherwise: {steps: []}\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := faultless(t, steps(text))
			_, moves := f.Next(f.Start(), paidInFull, order(nil), nil, reads)
			if len(moves) != 1 || moves[0].Ask == nil || len(moves[0].Ask.For) != 1 {
				t.Fatalf("with a phone number: %v", tellAll(moves))
			}
			without := order(func(d map[string]any) { d["customer"] = map[string]any{"name": "Asha"} })
			p, moves := f.Next(f.Start(), paidInFull, without, nil, reads)
			if len(moves) != 1 || moves[0].Ask == nil || len(moves[0].Ask.For) != 0 {
				t.Fatalf("without: %v", tellAll(moves))
			}
			if _, moves = f.Next(p, paidInFull, without, result("ok", flow.Consent), reads); len(moves) != 1 || moves[0].Done == nil {
				t.Errorf("approved: %v", tellAll(moves))
			}
		})
	}
}
