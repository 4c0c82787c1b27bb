package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/flow"
)

// book answers table() and pairing() in tests.
type book struct{ stages map[string]string }

func (b book) Table(_, key string) (string, bool, error) {
	v, ok := b.stages[key]
	return v, ok, nil
}

func (book) Pairing(_, _, _, _ string) (string, bool, error) { return "", false, nil }

var reads = book{map[string]string{"paid": "closedwon", "open": "appointmentscheduled"}}

func inr(minor int64) map[string]any { return map[string]any{"minor": minor, "currency": "INR"} }

// order is the data of a paid order; change may vary it.
func order(change func(map[string]any)) map[string]any {
	data := map[string]any{
		"id": "SO-1001", "status": "paid", "due": inr(129900), "paid_total": inr(129900), "refunded_total": inr(0), "balance": inr(0),
		"customer": map[string]any{"name": "Asha", "phone": "+919876543210"},
		"items": []any{
			map[string]any{"sku": "sku-1", "name": "Cup", "quantity": int64(2)},
			map[string]any{"sku": "sku-2", "name": "Pot", "quantity": int64(1)},
		},
	}
	if change != nil {
		change(data)
	}
	return data
}

var paidInFull = &waybill.Event{ID: "evt_1", Type: "order.paid_in_full", Noun: "order", Connection: "stripe"}

// told writes a move in short: effect won crm.deal.update id=7.
func told(m flow.Move) string {
	switch {
	case m.Effect != nil:
		return fmt.Sprintf("effect %s %s.%s %s", m.Effect.Address, m.Effect.Connection, m.Effect.Action.Name, inputs(m.Effect.Inputs))
	case m.Fetch != nil:
		out := fmt.Sprintf("fetch %s %s.%s %s", m.Fetch.Address, m.Fetch.Connection, m.Fetch.Action.Name, inputs(m.Fetch.Inputs))
		if m.Fetch.After > 0 {
			out += " after " + m.Fetch.After.String()
		}
		return out
	case m.Emit != nil:
		return fmt.Sprintf("emit %s %s %s", m.Emit.Address, m.Emit.Type, inputs(m.Emit.Data))
	case m.Done != nil:
		return strings.TrimSpace(fmt.Sprintf("done %d failed %s", m.Done.FailedParts, m.Done.Reason))
	case m.Block != nil:
		return fmt.Sprintf("block %s %s", m.Block.Address, m.Block.Cause)
	case m.Rest != nil:
		out := "rest " + m.Rest.Address
		for _, k := range m.Rest.Keys {
			out += " " + strings.Join(k.Types, "+") + " " + k.Shape + "=" + k.Value
		}
		return out
	case m.Wait != nil:
		return "wait " + m.Wait.Address
	default:
		return "nothing"
	}
}

func inputs(in map[string]any) string {
	var parts []string
	for k, v := range in {
		parts = append(parts, fmt.Sprintf("%s=%v", k, v))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// run is a run in a test: it carries its progress over the book at every step.
type run struct {
	t    testing.TB
	flow *flow.Flow
	data map[string]any
	p    *flow.Progress
}

func begin(tb testing.TB, f *flow.Flow, data map[string]any) *run {
	tb.Helper()
	return &run{t: tb, flow: f, data: data, p: f.Start()}
}

// next makes one call of Next, checks that its arguments are untouched and that a round trip of the progress changes
// nothing, and returns the moves.
func (r *run) next(a *flow.Answer) []string {
	r.t.Helper()
	before := string(r.p.Encode())
	p, moves := r.flow.Next(r.p, paidInFull, r.data, a, reads)
	if after := string(r.p.Encode()); after != before {
		r.t.Fatalf("Next changed the progress it was given:\n%s\n%s", before, after)
	}
	back, err := flow.Decode([]byte(before))
	if err != nil {
		r.t.Fatal(err)
	}
	p2, moves2 := r.flow.Next(back, paidInFull, r.data, a, reads)
	if d := cmp.Diff(tellAll(moves), tellAll(moves2)); d != "" || string(p.Encode()) != string(p2.Encode()) {
		r.t.Fatalf("after a round trip Next does otherwise: %s\n%s\n%s", d, p.Encode(), p2.Encode())
	}
	if r.p, err = flow.Decode(p.Encode()); err != nil {
		r.t.Fatal(err)
	}
	return tellAll(moves)
}

func tellAll(moves []flow.Move) []string {
	var out []string
	for _, m := range moves {
		out = append(out, told(m))
	}
	return out
}

func (r *run) want(a *flow.Answer, moves ...string) {
	r.t.Helper()
	if d := cmp.Diff(moves, r.next(a)); d != "" {
		r.t.Fatalf("other moves (-want +got):\n%s", d)
	}
}

func yes(address string, output any) *flow.Answer {
	return &flow.Answer{Address: address, Result: flow.Succeeded, Output: output}
}

func result(address string, r flow.Result) *flow.Answer {
	return &flow.Answer{Address: address, Result: r, Cause: waybill.DeclinedValue, Words: "they said no"}
}

func TestAPaymentGoesItsWay(t *testing.T) {
	r := begin(t, sound(t, paymentToCRM), order(nil))
	r.want(nil, "fetch deal crm.deal.find order_no=SO-1001")
	r.want(yes("deal", map[string]any{"id": "7", "stage": "open"}), "effect won crm.deal.update amount=1299.00 id=7 stage=closedwon")
	if r.p.Awaits() != "won" {
		t.Errorf("awaits %q", r.p.Awaits())
	}
	got := r.next(yes("won", map[string]any{"id": "7"}))
	if len(got) != 1 || !strings.HasPrefix(got[0], "effect thanks whatsapp.template.send params=map[amount:") {
		t.Fatalf("got %v", got)
	}
	r.want(yes("thanks", map[string]any{"id": "wamid"}), "done 0 failed")
	r.want(nil, "done 0 failed")
}

func TestAStepWhoseConditionIsFalseIsLeftOut(t *testing.T) {
	r := begin(t, sound(t, paymentToCRM), order(func(d map[string]any) { d["customer"] = map[string]any{} }))
	r.next(nil)
	r.next(yes("deal", map[string]any{"id": "7"}))
	r.want(yes("won", nil), "done 0 failed")
}

func TestAFailedPartThatCarriesOnIsCounted(t *testing.T) {
	r := begin(t, sound(t, paymentToCRM), order(nil))
	r.next(nil)
	r.next(yes("deal", map[string]any{"id": "7"}))
	r.next(yes("won", nil))
	r.want(result("thanks", flow.Failed), "done 1 failed done, 1 part failed")
}

// TestEveryResultOfEveryKindOfStep is the table of answers, whole: results over kinds, waiting and blocked.
func TestEveryResultOfEveryKindOfStep(t *testing.T) {
	const get = "  - {id: a, get: crm.deal.find, with: {order_no: x}}\n"
	const do = "  - {id: a, do: crm.deal.update, with: {id: x}}\n"
	const after = "  - {id: b, do: crm.note.add, with: {body: y}}\n"
	carry := func(s string) string { return strings.Replace(s, "}}", "}, if_it_fails: carry_on}", 1) }
	const goesOn = "effect b crm.note.add body=y"
	for _, c := range []struct {
		name   string
		step   string
		result flow.Result
		want   string
		then   string // when the very same answer comes again
	}{
		{"a get that found something goes on", get, flow.Succeeded, goesOn, "wait b"},
		{"a get that found nothing asks", get, flow.NotFound, "block a not found there", "block a not found there"},
		{"a get that failed blocks", get, flow.Failed, "block a declined value", "block a declined value"},
		{"a get that was skipped goes on", get, flow.Skipped, goesOn, "wait b"},
		{"a get is never in doubt", get, flow.Unknown, "block a declined value", "block a declined value"},
		{"a do that was confirmed goes on", do, flow.Succeeded, goesOn, "wait b"},
		{"a do that found nothing has failed", do, flow.NotFound, "block a declined value", "block a declined value"},
		{"a do that was declined blocks", do, flow.Failed, "block a declined value", "block a declined value"},
		{"a do that was skipped goes on", do, flow.Skipped, goesOn, "wait b"},
		{"a do in doubt waits for proof", do, flow.Unknown, "wait a", "wait a"},
		{"a lesser get that found nothing goes on", carry(get), flow.NotFound, goesOn, "wait b"},
		{"a lesser get that failed goes on", carry(get), flow.Failed, goesOn, "wait b"},
		{"a lesser do that was declined goes on", carry(do), flow.Failed, goesOn, "wait b"},
		{"a lesser do in doubt still waits for proof", carry(do), flow.Unknown, "wait a", "wait a"},
		{"a lesser do that was skipped goes on", carry(do), flow.Skipped, goesOn, "wait b"},
		{"a result nobody knows blocks", do, flow.Result("?"), "block a our side", "block a our side"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := begin(t, sound(t, steps(c.step+after)), order(nil))
			r.next(nil)
			r.want(result("a", c.result), c.want)
			r.want(result("a", c.result), c.then)
		})
	}
}

func TestAnAnswerToAnotherStepChangesNothing(t *testing.T) {
	r := begin(t, sound(t, paymentToCRM), order(nil))
	r.next(nil)
	r.want(result("won", flow.Failed), "wait deal")
	r.want(nil, "wait deal")
}

func TestALateProofSettlesABlockedRun(t *testing.T) {
	f := sound(t, steps("  - {id: a, do: crm.deal.update, with: {id: x}}\n  - {id: b, do: crm.note.add, with: {body: y}}\n"))
	r := begin(t, f, order(nil))
	r.next(nil)
	r.want(result("a", flow.Failed), "block a declined value")
	r.want(yes("a", map[string]any{"id": "x"}), "effect b crm.note.add body=y")
}

func TestABlockedStepIsRetriedWithTheSameInputs(t *testing.T) {
	f := sound(t, steps("  - {id: a, do: crm.deal.update, with: {id: x, stage: \"${table('deal-stage', order.status)}\"}}\n"))
	r := begin(t, f, order(nil))
	r.want(nil, "effect a crm.deal.update id=x stage=closedwon")
	r.want(result("a", flow.Failed), "block a declined value")
	was := reads.stages["paid"]
	reads.stages["paid"] = "elsewhere" // the table has changed since
	defer func() { reads.stages["paid"] = was }()
	r.want(nil, "effect a crm.deal.update id=x stage=closedwon")
}

func TestAPersonEditsAndSkips(t *testing.T) {
	f := sound(t, steps("  - {id: a, do: crm.deal.update, with: {id: x}}\n  - {id: b, do: crm.note.add, with: {body: y}}\n"))
	r := begin(t, f, order(nil))
	r.next(nil)
	r.want(result("a", flow.Failed), "block a declined value")
	edited := f.Edit(r.p, "a", map[string]any{"id": "z"})
	if r.p = f.Edit(r.p, "elsewhere", map[string]any{"id": "q"}); r.p.Awaits() != "" {
		t.Error("an edit of another step changed the run")
	}
	r.p = edited
	r.want(nil, "effect a crm.deal.update id=z")
	r.want(result("a", flow.Failed), "block a declined value")
	r.p = f.Skip(r.p, "a")
	r.want(nil, "effect b crm.note.add body=y")
	r.want(yes("b", nil), "done 0 failed")
}

func TestAnExpressionThatFailsBlocksWithItsPlace(t *testing.T) {
	f := sound(t, steps("  - {id: d, get: crm.deal.find, with: {order_no: x}}\n  - {id: a, do: crm.deal.update, with: {id: '${d.id}'}}\n"))
	r := begin(t, f, order(nil))
	r.next(nil)
	p, moves := f.Next(r.p, paidInFull, r.data, &flow.Answer{Address: "d", Result: flow.Skipped}, reads)
	if len(moves) != 1 || moves[0].Block == nil {
		t.Fatalf("got %v", tellAll(moves))
	}
	b := moves[0].Block
	if b.Address != "a" || b.Cause != waybill.MissingValue || !strings.Contains(b.Words, "flows/test.yaml:7") {
		t.Errorf("got %+v", b)
	}
	r.p = f.Edit(p, "a", map[string]any{"id": "by hand"})
	r.want(nil, "effect a crm.deal.update id=by hand")
}

func TestATableThatAsksBlocksTheRunUntilItAnswers(t *testing.T) {
	f := sound(t, steps("  - {id: a, do: crm.deal.update, with: {id: x, stage: \"${table('deal-stage', order.status)}\"}}\n"))
	r := begin(t, f, order(func(d map[string]any) { d["status"] = "refunded" }))
	_, moves := f.Next(r.p, paidInFull, r.data, nil, reads)
	if b := moves[0].Block; b == nil || b.Cause != waybill.MissingValue || b.Code != "table deal-stage: refunded" ||
		!strings.Contains(b.Words, "flows/test.yaml:6") || strings.Count(b.Words, "flows/test.yaml") != 1 {
		t.Fatalf("got %+v", moves[0].Block)
	}
	r.want(nil, "block a missing value")
	reads.stages["refunded"] = "closedlost"
	defer delete(reads.stages, "refunded")
	r.want(nil, "effect a crm.deal.update id=x stage=closedlost")
}

func TestIfNone(t *testing.T) {
	const rest = "  - {id: b, do: crm.deal.update, with: {id: '${a.id}'}}\n"
	get := func(ifNone string) string {
		return steps("  - id: a\n    get: crm.deal.find\n    with: {order_no: '${order.id}'}\n    if_none: " + ifNone + "\n" + rest)
	}
	none := &flow.Answer{Address: "a", Result: flow.NotFound}
	t.Run("end ends with a reason", func(t *testing.T) {
		r := begin(t, sound(t, get("end")), order(nil))
		r.next(nil)
		r.want(none, "done 0 failed crm.deal.find found nothing")
	})
	t.Run("end may give its own reason", func(t *testing.T) {
		r := begin(t, sound(t, get("{end: no deal yet}")), order(nil))
		r.next(nil)
		r.want(none, "done 0 failed no deal yet")
	})
	t.Run("wait looks again for a bounded time, then asks", func(t *testing.T) {
		r := begin(t, sound(t, get("{wait: 30s}")), order(nil))
		r.next(nil)
		r.want(none, "fetch a crm.deal.find order_no=SO-1001 after 5s")
		r.want(none, "fetch a crm.deal.find order_no=SO-1001 after 10s")
		r.want(none, "fetch a crm.deal.find order_no=SO-1001 after 15s")
		r.want(none, "block a not found there")
		r.want(nil, "fetch a crm.deal.find order_no=SO-1001") // a person tries again
	})
	t.Run("create makes it, and goes on with what was made", func(t *testing.T) {
		r := begin(t, sound(t, get("{create: [{id: made, do: crm.deal.create, with: {name: '${order.id}'}}]}")), order(nil))
		r.next(nil)
		r.want(none, "effect a.made crm.deal.create name=SO-1001")
		r.want(yes("a.made", map[string]any{"id": "new"}), "effect b crm.deal.update id=new")
	})
	t.Run("create is not needed for what is there", func(t *testing.T) {
		r := begin(t, sound(t, get("{create: [{id: made, do: crm.deal.create, with: {name: x}}]}")), order(nil))
		r.next(nil)
		r.want(yes("a", map[string]any{"id": "old"}), "effect b crm.deal.update id=old")
	})
}

const choosing = `  - id: which
    choose:
      gold:
        when: order.paid_total.minor > 100000
        steps:
          - {id: thanks, do: crm.note.add, with: {body: gold}}
      silver:
        when: order.paid_total.minor > 10000
        steps: []
      otherwise:
        steps:
          - end: too small to mention
  - {id: rest, do: crm.note.add, with: {body: "${thanks.hasValue() ? 'yes' : 'no'}"}}
`

func TestAChoiceTakesTheFirstCaseThatFits(t *testing.T) {
	text := strings.ReplaceAll(steps(choosing), `"${thanks.hasValue() ? 'yes' : 'no'}"`, "last")
	for name, c := range map[string]struct {
		minor int64
		want  string
	}{
		"the first that fits":         {200000, "effect which.gold.thanks crm.note.add body=gold"},
		"a case without steps":        {20000, "effect rest crm.note.add body=last"},
		"otherwise, which may end it": {2000, "done 0 failed too small to mention"},
	} {
		t.Run(name, func(t *testing.T) {
			r := begin(t, sound(t, text), order(func(d map[string]any) { d["paid_total"] = inr(c.minor) }))
			r.want(nil, c.want)
		})
	}
}

const looping = `  - id: items
    each: order.?items.orValue([])
    as: item
    by: item.?sku.orValue('none')
    steps:
      - id: update
        do: crm.deal.create
        if_it_fails: carry_on
        with: {name: "${item.name}"}
      - {id: note, do: crm.note.add, with: {body: "${item.name} as ${update.?id.orValue('nothing')}"}}
  - {id: rest, do: crm.note.add, with: {body: done}}
`

func TestALoopMakesItsStepsForEveryItemUnderItsKey(t *testing.T) {
	r := begin(t, sound(t, steps(looping)), order(nil))
	r.want(nil, "effect items[sku-1].update crm.deal.create name=Cup")
	r.want(yes("items[sku-1].update", map[string]any{"id": "d1"}), "effect items[sku-1].note crm.note.add body=Cup as d1")
	r.want(yes("items[sku-1].note", nil), "effect items[sku-2].update crm.deal.create name=Pot")
	r.want(result("items[sku-2].update", flow.Failed), "effect items[sku-2].note crm.note.add body=Pot as nothing")
	r.want(yes("items[sku-2].note", nil), "effect rest crm.note.add body=done")
	r.want(yes("rest", nil), "done 1 failed done, 1 part failed")
}

func TestALoopOverNothingIsPassed(t *testing.T) {
	r := begin(t, sound(t, steps(looping)), order(func(d map[string]any) { delete(d, "items") }))
	r.want(nil, "effect rest crm.note.add body=done")
}

func TestALoopWithOneKeyTwiceBlocksBeforeItsFirstItem(t *testing.T) {
	r := begin(t, sound(t, steps(looping)), order(func(d map[string]any) {
		item := map[string]any{"sku": "same", "name": "Cup", "quantity": int64(1)}
		d["items"] = []any{item, item}
	}))
	r.want(nil, "block items our mapping wrong")
	r.p = r.flow.Skip(r.p, "items")
	r.want(nil, "effect rest crm.note.add body=done")
}

func TestALoopOverTooManyItemsBlocks(t *testing.T) {
	r := begin(t, sound(t, steps(looping)), order(func(d map[string]any) {
		var items []any
		for i := range flow.MaxItems + 1 {
			items = append(items, map[string]any{"sku": fmt.Sprint(i), "name": "Cup", "quantity": int64(1)})
		}
		d["items"] = items
	}))
	r.want(nil, "block items our mapping wrong")
}

func TestAKeyCannotForgeAnAddress(t *testing.T) {
	r := begin(t, sound(t, steps(looping)), order(func(d map[string]any) {
		d["items"] = []any{map[string]any{"sku": "a].note[", "name": "Cup", "quantity": int64(1)}}
	}))
	r.want(nil, "effect items[a%5D.note%5B].update crm.deal.create name=Cup")
}

func TestAnEmitGoesOnAtOnce(t *testing.T) {
	r := begin(t, sound(t, steps("  - {id: tell, emit: deal.won, with: {id: '${order.id}', status: won}}\n  - end: all told\n")), order(nil))
	r.want(nil, "emit tell deal.won id=SO-1001 status=won", "done 0 failed all told")
}

func TestASetIsKeptForLaterSteps(t *testing.T) {
	r := begin(t, sound(t, steps("  - {id: v, set: {name: '${order.id}!', n: 3}}\n"+
		"  - {id: a, do: crm.deal.create, with: {name: '${v.name}'}}\n"+
		"  - {id: b, do: crm.deal.create, with: {name: '${v.name} ${v.n}'}}\n")), order(nil))
	r.want(nil, "effect a crm.deal.create name=SO-1001!")
	r.want(yes("a", map[string]any{"id": "1"}), "effect b crm.deal.create name=SO-1001! 3")
}

func TestASkippedStepMayStillGiveAnOutput(t *testing.T) {
	f := sound(t, steps("  - {id: a, do: crm.deal.update, with: {id: x}}\n  - {id: b, do: crm.deal.update, with: {id: '${a.id}'}}\n"))
	r := begin(t, f, order(nil))
	r.next(nil)
	r.want(&flow.Answer{Address: "a", Result: flow.Skipped, Output: map[string]any{"id": "x"}}, "effect b crm.deal.update id=x")
}

func TestProgressIsCompact(t *testing.T) {
	r := begin(t, sound(t, paymentToCRM), order(nil))
	r.next(nil)
	r.next(yes("deal", map[string]any{"id": "7", "stage": "open"}))
	if b := r.p.Encode(); len(b) > 220 {
		t.Errorf("%d bytes: %s", len(b), b)
	}
	r.next(yes("won", nil))
	r.next(yes("thanks", nil))
	if b := r.p.Encode(); len(b) > 20 {
		t.Errorf("%d bytes at the end: %s", len(b), b)
	}
}

func TestWhatALaterStepNamesIsCarriedAlong(t *testing.T) {
	r := begin(t, sound(t, steps("  - {id: q, get: crm.deal.find, with: {order_no: x}}\n  - {id: b, do: crm.note.add, with: {body: y}}\n"+
		"  - {id: c, do: crm.deal.update, with: {id: '${q.id}'}}\n")), order(nil))
	r.next(nil)
	r.next(yes("q", map[string]any{"id": "7"}))
	r.want(yes("b", nil), "effect c crm.deal.update id=7")
}

func TestWhatWasFoundIsNotSentAlongWithoutNeed(t *testing.T) {
	r := begin(t, sound(t, steps("  - {id: seen, get: crm.deal.find, with: {order_no: x}}\n  - {id: b, do: crm.note.add, with: {body: y}}\n")), order(nil))
	r.next(nil)
	r.next(yes("seen", map[string]any{"id": strings.Repeat("x", 1000)}))
	if b := r.p.Encode(); len(b) > 200 {
		t.Errorf("an output nobody names is kept: %s", b)
	}
}

func TestBadProgressIsRefused(t *testing.T) {
	for _, text := range []string{"", "{", `{"at":"dreaming"}`, `[]`} {
		if _, err := flow.Decode([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestPlannedEffectsCarryWhatTheFlowSays(t *testing.T) {
	r := begin(t, sound(t, paymentToCRM), order(nil))
	r.next(nil)
	p, moves := r.flow.Next(r.p, paidInFull, r.data, yes("deal", map[string]any{"id": "7"}), reads)
	if e := moves[0].Effect; e.Undo != "restore" || e.CarryOn || e.GoodFor != 0 {
		t.Errorf("got %+v", e)
	}
	_, moves = r.flow.Next(p, paidInFull, r.data, yes("won", nil), reads)
	if e := moves[0].Effect; e.Undo != "" || !e.CarryOn || e.GoodFor != 2*time.Hour {
		t.Errorf("got %+v", e)
	}
}
