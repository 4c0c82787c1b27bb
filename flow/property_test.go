package flow_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"waybill"
	"waybill/flow"
	"waybill/source"
)

const winding = `flow: winding
title: A flow with everything in it
on: order.paid_in_full
steps:
  - id: deal
    get: crm.deal.find
    with: {order_no: "${order.id}"}
    if_none: {create: [{id: made, do: crm.deal.create, with: {name: "${order.id}"}}]}
  - id: items
    each: order.?items.orValue([])
    as: item
    by: item.?sku.orValue('none')
    steps:
      - id: large
        choose:
          many: {when: item.quantity > 1, steps: [{id: bulk, do: crm.note.add, if_it_fails: carry_on, with: {body: "${item.name}"}}]}
          otherwise: {steps: [{id: single, do: crm.deal.update, with: {id: "${deal.id}", stage: "${table('deal-stage', order.status)}"}}]}
      - {id: seen, set: {name: "${item.name}", n: "${item.quantity}"}}
      - {id: told, do: crm.note.add, with: {body: "${seen.name} ${seen.n}"}}
  - {id: won, emit: deal.won, with: {id: "${deal.id}", status: won}}
  - {id: look, get: crm.deal.find, if_none: {wait: 1m}, with: {order_no: "${order.id}"}}
  - {id: rest, do: crm.deal.update, with: {id: "${look.id}"}, undo: restore}
`

// TestARunReplaysToTheSameMoves: whatever answers and choices come, in whatever order, giving them again to the same
// flow makes the same moves and the same progress; and progress that went over the book is as good as one that did not.
func TestARunReplaysToTheSameMoves(t *testing.T) {
	f := sound(t, winding)
	rapid.Check(t, func(rt *rapid.T) {
		data := order(nil)
		p, q := f.Start(), f.Start()
		for range rapid.IntRange(1, 40).Draw(rt, "calls") {
			var a *flow.Answer
			address := rapid.SampledFrom([]string{p.Awaits(), p.Awaits(), p.Awaits(), "deal", "items[sku-1].large.many.bulk", ""}).Draw(rt, "address")
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
			case 1:
				p, q = f.Skip(p, address), f.Skip(q, address)
			case 2:
				in := map[string]any{"id": "edited", "body": "edited", "name": "edited", "order_no": "edited"}
				p, q = f.Edit(p, address, in), f.Edit(q, address, in)
			default:
				a = &flow.Answer{Address: address, Cause: waybill.DeclinedValue, Words: "no", Result: rapid.SampledFrom([]flow.Result{
					flow.Succeeded, flow.Succeeded, flow.Succeeded, flow.NotFound, flow.Failed, flow.Skipped, flow.Unknown,
				}).Draw(rt, "result")}
				if a.Result == flow.Succeeded {
					a.Output = map[string]any{"id": rapid.StringMatching(`[a-z]{1,4}`).Draw(rt, "id")}
				}
			}
			back, err := flow.Decode(q.Encode())
			if err != nil {
				rt.Fatal(err)
			}
			var moves, again []flow.Move
			p, moves = f.Next(p, paidInFull, data, a, reads)
			q, again = f.Next(back, paidInFull, data, a, reads)
			if d := cmp.Diff(tellAll(moves), tellAll(again)); d != "" {
				rt.Fatalf("other moves: %s", d)
			}
			if string(p.Encode()) != string(q.Encode()) {
				rt.Fatalf("other progress:\n%s\n%s", p.Encode(), q.Encode())
			}
			if len(moves) == 0 {
				rt.Fatal("Next said nothing")
			}
			for i, m := range moves {
				if i < len(moves)-1 && m.Emit == nil {
					rt.Fatalf("move %d of %v ends the walk before the last", i, tellAll(moves))
				}
			}
		}
	})
}

// FuzzDecode: no text in the book makes Decode panic.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"at":"ready"}`))
	f.Add([]byte(`{"at":"awaiting","path":[{"s":1}],"addr":"a","in":{"x":1.0}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := flow.Decode(text)
		if err == nil {
			p.Encode()
		}
	})
}

// FuzzAnyTextIsAFlowOrRefused: no file makes the compiler panic, and what it takes can be started.
func FuzzAnyTextIsAFlowOrRefused(f *testing.F) {
	for _, text := range []string{
		paymentToCRM, winding, steps(choosing), steps(looping), steps("  - {each: , as: x}\n"), steps("  - {id: a, set: }\n"),
		steps("  - {id: a, end: {a: b}}\n"), steps("  - {id: a, choose: }\n"), steps("  - {id: a, choose: [1]}\n"),
		steps("  - {id: a, emit: }\n"), steps("  - {id: a, get: , with: [1]}\n"), steps("  - {id: a, get: crm.deal.find, with: x}\n"),
		steps("  -\n  - 1\n  - [a]\n"), "on: order.created\nsteps: {a: b}\n", "steps: [{id: a, each: x, by: , as: , steps: }]\n",
		steps("  - {id: a, get: crm.deal.find, with: {order_no: x}, if_none: {create: }}\n"),
		steps("  - {id: a, get: crm.deal.find, with: {order_no: x}, if_none: {create: [{id: b}]}}\n"),
		steps("  - {id: a, get: crm.deal.find, with: {order_no: x}, if_none: {wait: }}\n"),
	} {
		f.Add(text)
	}
	d := bench(f)
	f.Fuzz(func(t *testing.T, text string) {
		n, _ := source.Parse("flows/fuzz.yaml", []byte(text))
		if n == nil {
			return
		}
		compiled, faults := flow.Compile(n, d)
		if (compiled == nil) != faults.Bad() {
			t.Fatalf("flow %v with faults %v", compiled, faults)
		}
		if compiled != nil {
			_ = compiled.Steps()
			compiled.Next(compiled.Start(), paidInFull, order(nil), nil, reads)
		}
	})
}
