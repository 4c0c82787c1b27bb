package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"waybill"
	"waybill/connector"
	"waybill/flow"
	"waybill/source"
)

// writer writes any flow that the compiler takes: all kinds of step, nested.
type writer struct {
	t *rapid.T
	n int
}

// place is what holds where a step stands.
type place struct {
	depth  int
	waited bool     // something before it waits
	gets   []string // the look-ups whose results are there
}

func (w *writer) pick(of ...string) string { return rapid.SampledFrom(of).Draw(w.t, "pick") }
func (w *writer) flip() bool               { return rapid.Bool().Draw(w.t, "flip") }

func (w *writer) id() string {
	w.n++
	return fmt.Sprintf("s%d", w.n)
}

// ends stands in a trace where a run ends.
const ends = "the run ends"

// written is a piece of a flow, and the addresses at which a run asks for something, in order, when every answer is a good
// one and no awaited event comes.
type written struct {
	text  string
	trace []string
}

// in gives a trace as it reads from outside of a step.
func in(prefix string, trace []string) []string {
	out := make([]string, len(trace))
	for i, address := range trace {
		if out[i] = prefix + address; address == ends {
			out[i] = ends
		}
	}
	return out
}

// flow writes a whole flow.
func (w *writer) flow() written {
	steps := w.steps(&place{}, 1, 5)
	cancel := ""
	if strings.Contains(steps.text, ", wait: ") || strings.Contains(steps.text, ", wait_for: ") {
		cancel = w.pick("", "cancel_on: {event: payment.failed, match: {payment.order_id: order.id}, reason: the payment failed}\n")
	}
	if i := slices.Index(steps.trace, ends); i >= 0 {
		steps.trace = steps.trace[:i]
	}
	return written{"flow: any\ntitle: Any flow\non: order.paid_in_full\n" + cancel + "steps: " + steps.text + "\n", steps.trace}
}

// steps writes a list of them.
func (w *writer) steps(at *place, least, most int) written {
	var text, trace []string
	for range rapid.IntRange(least, most).Draw(w.t, "steps") {
		one := w.step(at)
		text, trace = append(text, one.text), append(trace, one.trace...)
	}
	return written{"[" + strings.Join(text, ", ") + "]", trace}
}

// inside writes the steps of a branch: what is known in it is not known behind it.
func (w *writer) inside(at *place, waited bool) written {
	within := place{depth: at.depth + 1, waited: at.waited || waited, gets: slices.Clone(at.gets)}
	return w.steps(&within, 1, 3)
}

func (w *writer) step(at *place) written {
	kinds := []string{"get", "get", "do", "do", "set", "emit", "wait", "wait", "wait_for", "ask"}
	if at.depth < 2 {
		kinds = append(kinds, "wait_for", "ask", "choose", "each")
	}
	id := w.id()
	switch w.pick(kinds...) {
	case "get":
		text := fmt.Sprintf(`{id: %s, get: crm.deal.find, with: {order_no: "${order.id}"}%s}`, id, w.pick("", ", if_none: ask", ", if_none: {wait: 1m}", ", if_it_fails: carry_on"))
		if !strings.Contains(text, "carry_on") {
			at.gets = append(at.gets, id)
		}
		return written{text, []string{id}}
	case "do":
		return written{w.write(id, at), []string{id}}
	case "set":
		return written{fmt.Sprintf(`{id: %s, set: {of: "${order.id}", n: 3.0}}`, id), nil}
	case "emit":
		return written{fmt.Sprintf(`{id: %s, emit: deal.won, with: {id: "${order.id}", status: won}}`, id), []string{id}}
	case "wait":
		at.waited = true
		return written{fmt.Sprintf("{id: %s, wait: %s%s%s}", id, w.pick("2h", "3d", "{for: 1d, at: \"09:00\"}", `{until: "2026-03-01T09:00:00Z", minus: 1h}`),
			w.pick("", ", within: business_hours"), w.still(at)), []string{id}}
	case "wait_for":
		return w.waitFor(id, at)
	case "ask":
		return w.ask(id, at)
	case "choose":
		one, other := w.inside(at, false), w.inside(at, false)
		least, taken := "0", in(id+".one.", one.trace)
		if w.flip() {
			least, taken = "999999", in(id+".otherwise.", other.trace)
		}
		return written{fmt.Sprintf(`{id: %s, choose: {one: {when: order.paid_total.minor > %s, steps: %s}, otherwise: {steps: %s}}}`,
			id, least, one.text, other.text), taken}
	default:
		each := w.inside(at, false)
		return written{fmt.Sprintf(`{id: %s, each: "order.?items.orValue([])", as: item_%s, by: "item_%s.?sku.orValue('none')", steps: %s}`,
			id, id, id, each.text), append(in(id+"[sku-1].", each.trace), in(id+"[sku-2].", each.trace)...)}
	}
}

// still is a condition that is asked again after a wait, now and then on what is read anew.
func (w *writer) still(at *place) string {
	if !at.waited || w.flip() {
		return ""
	}
	if len(at.gets) > 0 && w.flip() {
		return fmt.Sprintf(`, still: '%s.id != "gone"'`, w.pick(at.gets...))
	}
	return `, still: 'order.status != "cancelled"'`
}

// write is a `do` with one of the plans of how it is undone.
func (w *writer) write(id string, at *place) string {
	of := "${order.id}"
	if len(at.gets) > 0 && w.flip() {
		of = "${" + w.pick(at.gets...) + ".id}"
	}
	out := fmt.Sprintf(`{id: %s, do: crm.deal.update, with: {id: "%s", stage: "${order.status}"}`, id, of)
	out += w.pick("", ", undo: restore", `, undo: {do: crm.note.add, with: {body: "${input.id} of ${order.id}"}}`)
	out += w.pick("", ", late: fetch", ", late: skip") + w.pick("", ", if_it_fails: carry_on", ", when: order.paid_total.minor > 0")
	return out + w.still(at) + "}"
}

func (w *writer) waitFor(id string, at *place) written {
	still := w.still(at)
	late := written{"[{end: nobody paid}]", []string{ends}}
	if w.flip() {
		late = w.inside(at, true)
	}
	at.waited = true
	return written{fmt.Sprintf(`{id: %s, wait_for: payment.succeeded, match: {payment.order_id: order.id}%s, timeout: 3d, on_timeout: %s%s}`,
		id, w.pick("", ", where: payment.amount.minor > 100"), late.text, still), append([]string{id}, in(id+".", late.trace)...)}
}

// ask is a question, and what is asked for: behind it, or in its branch.
func (w *writer) ask(id string, at *place) written {
	who := w.pick("who: sales", "who: {role: admin}", "who: sales, within: 2h, no_answer: approve", "who: sales, within: 1d, no_answer: reject",
		"who: sales, within: 1h, no_answer: {ask: finance-ops, within: 1d, no_answer: end}")
	change, stage := "", "${order.status}"
	if w.flip() {
		change, stage = `, change: {stage: "${order.status}"}`, "${"+id+".stage}"
	}
	rejected := ""
	if w.flip() {
		rejected = ", rejected: " + w.inside(at, false).text
	}
	does := w.id()
	head := fmt.Sprintf(`{id: %s, ask: "Move ${order.id}?", %s, show: {order: "${order.id}"}%s%s`, id, who, change, rejected)
	write := fmt.Sprintf(`{id: %s, do: crm.deal.update, undo: restore, with: {id: "${order.id}", stage: "%s"}}`, does, stage)
	if w.flip() {
		return written{head + ", for: " + does + "}, " + write, []string{id, does}}
	}
	return written{head + ", approved: [" + write + "]}", []string{id, id + ".approved." + does}}
}

// rereading is the bench with a system that can be read again, so that `late: fetch` has something to read.
func rereading(tb testing.TB) flow.Deps {
	tb.Helper()
	deps := bench(tb)
	read := &connector.Mapping{On: []string{"deal.creation"}, Event: "order.paid_in_full", Fetch: &connector.MappingFetch{}}
	deps.Connections["crm"].Mappings = []*connector.Mapping{read}
	return deps
}

// anyFlow draws a flow, and says where a run of it asks for something when all goes well.
func anyFlow(t *rapid.T, deps flow.Deps) (*flow.Flow, []string) {
	w := (&writer{t: t}).flow()
	t.Log(w.text)
	n, faults := source.Parse("flows/any.yaml", []byte(w.text))
	if n == nil {
		t.Fatalf("no YAML: %v", faults)
	}
	f, more := flow.Compile(n, deps)
	if f == nil || more.Bad() {
		t.Fatalf("the flow is refused:\n%s", listed(more))
	}
	return f, w.trace
}

// now is a book that also knows the newest state of the event's object.
type now struct {
	book
	data map[string]any
}

func (n now) Current() (map[string]any, error) { return n.data, nil }

// walker takes one run of any flow on its way, twice: once with its progress as it is, once with what the book gave back.
type walker struct {
	t        *rapid.T
	flow     *flow.Flow
	data     map[string]any
	p, q     *flow.Progress
	last     flow.Move
	past     map[string]bool           // addresses the run went on from
	said     map[string]bool           // addresses of events that were made
	approved map[string]map[string]any // what was asked about, by the address of the write
	changes  map[string]bool           // the questions with a value that may be changed
	edited   map[string]bool
	refused  map[string]bool // the addresses of questions that were answered with no
	trace    []string        // where it asked for something, but what it only read again
}

// next gives an answer to both, and holds what they do against each other and against what always holds.
func (w *walker) next(a *flow.Answer, r now) {
	before := w.p.Awaits()
	if before == "" && w.last.Block != nil {
		before = w.last.Block.Address
	}
	back, err := flow.Decode(w.q.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	p, moves := w.flow.Next(w.p, paidInFull, w.data, a, r)
	q, again := w.flow.Next(back, paidInFull, w.data, a, r)
	if d := cmp.Diff(w.full(moves), w.full(again)); d != "" {
		w.t.Fatalf("what the book gave back does otherwise: %s", d)
	}
	if string(p.Encode()) != string(q.Encode()) {
		w.t.Fatalf("other progress:\n%s\n%s", p.Encode(), q.Encode())
	}
	w.p, w.q = p, q
	w.t.Logf("%s: %s", says(a), strings.Join(tellAll(moves), "; "))
	if len(moves) == 0 {
		w.t.Fatal("Next said nothing")
	}
	w.last = moves[len(moves)-1]
	w.wentOn(before, a)
	for i := range moves {
		w.holds(&moves[i], i == len(moves)-1)
	}
}

func says(a *flow.Answer) string {
	if a == nil {
		return "on it goes"
	}
	return fmt.Sprintf("%s %s", a.Address, a.Result)
}

// full writes moves with all that the engine takes from them.
func (w *walker) full(moves []flow.Move) []string {
	out := tellAll(moves)
	for i, m := range moves {
		switch {
		case m.Effect != nil:
			out[i] += fmt.Sprintf(" undo=%s fresh=%v approval=%s carry=%v", m.Effect.Undo, m.Effect.Fresh, m.Effect.Approval, m.Effect.CarryOn)
		case m.Ask != nil:
			out[i] = fmt.Sprintf("ask %s round %d %q of %v%s within %s else %s show %v change %v", m.Ask.Address, m.Ask.Round, m.Ask.Question,
				m.Ask.Who, m.Ask.Role, m.Ask.Within, m.Ask.NoAnswer, inputs(m.Ask.Show), inputs(m.Ask.Change))
			for _, e := range m.Ask.For {
				out[i] += "; for " + e.Address + " " + inputs(e.Inputs)
			}
		case m.Approve != nil:
			out[i] = fmt.Sprintf("approve %s %d", m.Approve.Address, len(m.Approve.For))
		case m.Rest != nil:
			out[i] += " " + m.Rest.Say(m.Rest.Due(waitedAt))
		}
	}
	return out
}

var waitedAt = time.Date(2026, 2, 3, 10, 0, 0, 0, time.UTC)

// wentOn notes what the run has left behind, and what was refused.
func (w *walker) wentOn(before string, a *flow.Answer) {
	if a != nil && a.Address == before && a.Result == flow.Dissent && w.last.Block == nil && w.p.Awaits() != before {
		w.refused[before] = true
	}
	stays := w.p.Awaits() == before || strings.HasPrefix(w.p.Awaits(), before+"~") || w.last.Block != nil && (w.last.Block.Address == before || strings.HasPrefix(before, w.last.Block.Address+"~"))
	if before != "" && !stays {
		w.past[before] = true
	}
}

// holds checks one move: it names what the run waits for, and asks for nothing a second time.
func (w *walker) holds(m *flow.Move, last bool) {
	if last == (m.Emit != nil || m.Approve != nil) {
		w.t.Fatalf("%s: a walk ends with what the run stands at, and with nothing else", told(*m))
	}
	address := ""
	switch {
	case m.Effect != nil:
		address = m.Effect.Address
		w.effect(m.Effect)
	case m.Fetch != nil:
		if address = m.Fetch.Address; m.Fetch.Action == nil || m.Fetch.Inputs["order_no"] == nil {
			w.t.Fatalf("a look-up for nothing: %+v", m.Fetch)
		}
	case m.Rest != nil:
		address = m.Rest.Address
		due := m.Rest.Due(waitedAt)
		if due.IsZero() || !strings.HasPrefix(m.Rest.Say(due), "waits ") || slices.ContainsFunc(m.Rest.Keys, func(k flow.Key) bool { return k.Value == "" }) {
			w.t.Fatalf("a wait for nothing: %s: %s", due, m.Rest.Say(due))
		}
		if !w.flow.Rests(w.p) {
			w.t.Fatal("the flow does not know that the run rests")
		}
	case m.Ask != nil:
		address = m.Ask.Address
		w.asks(m.Ask)
	case m.Approve != nil:
		if w.remember(m.Approve.For); w.changes[m.Approve.Address] && m.Approve.For[0].Inputs["stage"] != "changed" {
			w.t.Fatalf("a person changed the value, and it is %v", m.Approve.For[0].Inputs["stage"])
		}
	case m.Emit != nil:
		if w.said[m.Emit.Address] {
			w.t.Fatalf("%s makes its event twice", m.Emit.Address)
		}
		w.said[m.Emit.Address] = true
	case m.Wait != nil:
		if m.Wait.Address == "" || m.Wait.Address != w.p.Awaits() || m.Wait.Reason == "" {
			w.t.Fatalf("it waits for nothing that has a name: %+v", m.Wait)
		}
	case m.Block != nil:
		if m.Block.Address == "" || m.Block.Words == "" || !slices.Contains(waybill.Causes, m.Block.Cause) {
			w.t.Fatalf("it is blocked and does not say why: %+v", m.Block)
		}
	case m.Done == nil:
		w.t.Fatal("a move that says nothing")
	}
	if m.Done != nil != (w.p.Awaits() == "" && m.Block == nil) && last {
		w.t.Fatalf("%s, and it waits for %q", told(*m), w.p.Awaits())
	}
	if address != "" && address != w.p.Awaits() {
		w.t.Fatalf("it asks for %s and waits for %q", address, w.p.Awaits())
	}
	if w.past[address] {
		w.t.Fatalf("%s is made again", address)
	}
	if m.Emit != nil {
		address = m.Emit.Address
	}
	if address != "" && !strings.Contains(address, "~") {
		w.trace = append(w.trace, address)
	}
}

func (w *walker) asks(q *flow.Question) {
	if q.Question == "" || len(q.Who) == 0 && q.Role == "" || len(q.For) == 0 || !w.flow.Asks(w.p) {
		w.t.Fatalf("a question that nobody can answer: %+v", q)
	}
	w.remember(q.For)
	w.changes[q.Address] = len(q.Change) > 0
}

// remember keeps what a person sees before they say yes.
func (w *walker) remember(list []flow.PlannedEffect) {
	for _, e := range list {
		if w.approved[e.Address] = e.Inputs; e.Undo != "restore" {
			w.t.Fatalf("the question does not say how %s is undone", e.Address)
		}
	}
}

// effect checks that what was approved is what is sent, and that nothing is which was not.
func (w *walker) effect(e *flow.PlannedEffect) {
	if e.Action == nil || e.Inputs["id"] == nil && !w.edited[e.Address] {
		w.t.Fatalf("a write of nothing: %+v", e)
	}
	if e.Approval == "" {
		return
	}
	if w.refused[e.Approval] {
		w.t.Fatalf("%s is sent, and %s was answered with no", e.Address, e.Approval)
	}
	if d := cmp.Diff(w.approved[e.Address], e.Inputs); d != "" && !w.edited[e.Address] {
		w.t.Fatalf("%s is not what was approved: %s", e.Address, d)
	}
}

// results are the answers that can come to what a run stands at.
func (w *walker) results() []flow.Result {
	switch m := w.last; {
	case m.Rest != nil:
		return []flow.Result{flow.TimeOver, flow.TimeOver, flow.Succeeded, flow.Moved, flow.Over, flow.Failed}
	case m.Ask != nil:
		return []flow.Result{flow.Consent, flow.Consent, flow.Dissent, flow.NextRound, flow.Over}
	case m.Fetch != nil:
		return []flow.Result{flow.Succeeded, flow.Succeeded, flow.Succeeded, flow.NotFound, flow.Failed}
	default:
		return []flow.Result{flow.Succeeded, flow.Succeeded, flow.Succeeded, flow.Skipped, flow.Failed, flow.Unknown, flow.Over}
	}
}

// anything does one thing that may happen to a run: an answer that fits, one that does not, or a person's press.
func (w *walker) anything() {
	r := now{book: reads}
	if rapid.IntRange(0, 5).Draw(w.t, "newer") == 0 {
		r.data = order(func(o map[string]any) { o["status"] = "cancelled" })
	}
	address := w.p.Awaits()
	if w.last.Block != nil {
		address = w.last.Block.Address
	}
	switch rapid.IntRange(0, 11).Draw(w.t, "what") {
	case 0:
		w.next(nil, r)
		return
	case 1:
		w.p, w.q = w.flow.Skip(w.p, address), w.flow.Skip(w.q, address)
		w.next(nil, r)
		return
	case 2:
		in := map[string]any{"id": "edited", "order_no": "edited"}
		w.p, w.q = w.flow.Edit(w.p, address, in), w.flow.Edit(w.q, address, in)
		w.edited[address] = true
		w.next(nil, r)
		return
	case 3:
		address = rapid.SampledFrom([]string{"s1", "s2", "s3[sku-1].s4", "s1~s2", ""}).Draw(w.t, "another")
	}
	results := w.results()
	if rapid.IntRange(0, 9).Draw(w.t, "odd") == 0 {
		results = []flow.Result{flow.Succeeded, flow.NotFound, flow.TimeOver, flow.Consent, flow.Dissent, flow.Moved, flow.Over, flow.Unknown}
	}
	a := &flow.Answer{Address: address, Result: rapid.SampledFrom(results).Draw(w.t, "result"), Words: "so it came", By: "asha"}
	switch {
	case a.Result == flow.Succeeded:
		a.Output = map[string]any{"id": rapid.SampledFrom([]string{"7", "gone"}).Draw(w.t, "id")}
	case a.Result == flow.Consent && rapid.Bool().Draw(w.t, "changes"):
		a.Values = map[string]any{"stage": "changed"}
	}
	w.next(a, r)
}

// kindly goes on with nothing but good answers; a person leaves out what is blocked.
func (w *walker) kindly() {
	a := &flow.Answer{Address: w.p.Awaits(), Result: flow.Succeeded, Output: map[string]any{"id": "7"}, By: "asha"}
	switch m := w.last; {
	case m.Block != nil:
		w.p, w.q = w.flow.Skip(w.p, m.Block.Address), w.flow.Skip(w.q, m.Block.Address)
		a = nil
	case m.Rest != nil || w.flow.Rests(w.p):
		a.Result = flow.TimeOver
	case m.Ask != nil || w.flow.Asks(w.p):
		a.Result = flow.Consent
	}
	w.next(a, now{book: reads})
}

// walk begins a run.
func walk(t *rapid.T, f *flow.Flow) *walker {
	w := &walker{
		t: t, flow: f, data: order(nil), p: f.Start(), q: f.Start(),
		past: map[string]bool{}, said: map[string]bool{}, approved: map[string]map[string]any{}, changes: map[string]bool{}, edited: map[string]bool{}, refused: map[string]bool{},
	}
	w.next(nil, now{book: reads})
	return w
}

// home takes a run to its end with good answers.
func (w *walker) home() {
	for n := 0; w.last.Done == nil; n++ {
		if n > 300 {
			w.t.Fatalf("it does not end: %s", w.p.Encode())
		}
		w.kindly()
	}
}

// TestAnyFlowKeepsItsPromises: for any flow and whatever comes, giving the same answers to what the book gave back makes the
// same moves; no step is made twice; what was approved is what is sent, and what was not is not; a run that has not ended
// says what it waits for; and with good answers it ends, having made every step that it was to make, in order.
func TestAnyFlowKeepsItsPromises(t *testing.T) {
	deps := rereading(t)
	rapid.Check(t, func(rt *rapid.T) {
		f, trace := anyFlow(rt, deps)
		w := walk(rt, f)
		w.home()
		if d := cmp.Diff(trace, w.trace, cmpopts.EquateEmpty()); d != "" {
			rt.Fatalf("when all goes well it goes another way (-want +got):\n%s", d)
		}
		w = walk(rt, f)
		for range rapid.IntRange(0, 30).Draw(rt, "calls") {
			w.anything()
		}
		w.home()
		ended := *w.last.Done
		if w.anything(); w.last.Done == nil || *w.last.Done != ended {
			rt.Fatalf("it has ended, and goes on: %s", w.p.Encode())
		}
	})
}
