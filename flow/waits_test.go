package flow_test

import (
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/flow"
	"waybill/source"
)

const reminding = `flow: reminding
title: A lead is reminded unless they reply
on: lead.created
when: has(lead.phone)
cancel_on:
  event: message.received
  match: {message.customer.phone: lead.phone}
  where: message.?kind.orValue("text") == "text"
  reason: the lead replied
steps:
  - id: deal
    get: crm.deal.find
    with: {order_no: "${lead.id}"}
  - {id: pause, wait: 2d, within: business_hours}
  - id: note
    do: crm.note.add
    still: lead.status == "new" && deal.?stage.orValue("open") == "open"
    with: {body: "still nothing from ${lead.name.orValue('them')}"}
  - id: paid
    wait_for: payment.succeeded
    match: {payment.reference: lead.id}
    where: payment.amount.minor > 100
    timeout: 3d
    on_timeout:
      - {id: late, do: crm.note.add, with: {body: late}}
      - {end: nobody paid}
  - {id: done, do: crm.deal.update, with: {id: "${deal.id}", stage: "${paid.id}"}}
`

func lead(change func(map[string]any)) map[string]any {
	data := map[string]any{"id": "L-1", "status": "new", "phone": "98765 43210", "name": "Asha"}
	if change != nil {
		change(data)
	}
	return data
}

var fixed = strings.Replace(reminding, "${lead.name.orValue('them')}", "${lead.?name.orValue('them')}", 1)

func faultless(t *testing.T, text string) *flow.Flow {
	t.Helper()
	f, faults := compile(t, text)
	if f == nil || faults.Bad() {
		t.Fatalf("refused:\n%s", listed(faults))
	}
	return f
}

func TestAWaitingRunGoesItsWay(t *testing.T) {
	f := faultless(t, fixed)
	r := begin(t, f, lead(nil))
	r.want(nil, "fetch deal crm.deal.find order_no=L-1")
	deal := map[string]any{"id": "7", "stage": "open"}
	r.want(yes("deal", deal), "rest pause message.received customer.phone=+919876543210")
	if !f.Rests(r.p) {
		t.Fatal("the run does not rest")
	}
	r.want(result("pause", flow.Moved), "rest pause message.received customer.phone=+919876543210")
	r.want(result("pause", flow.TimeOver), "fetch note~deal crm.deal.find order_no=L-1")
	if f.Rests(r.p) {
		t.Fatal("the run rests while it reads again")
	}
	r.want(yes("note~deal", deal), "effect note crm.note.add body=still nothing from Asha")
	r.want(yes("note", nil), "rest paid message.received customer.phone=+919876543210 payment.succeeded reference=L-1")
	r.want(yes("paid", map[string]any{"id": "pay_1"}), "effect done crm.deal.update id=7 stage=pay_1")
	r.want(yes("done", map[string]any{"id": "7"}), "done 0 failed")
}

func TestWhatWasWaitedForMayNotCome(t *testing.T) {
	r := waiting(t, "paid")
	r.want(result("paid", flow.TimeOver), "effect paid.late crm.note.add body=late")
	r.want(yes("paid.late", nil), "done 0 failed nobody paid")
}

func TestAnEventEndsARunThatWaits(t *testing.T) {
	for _, at := range []string{"pause", "paid"} {
		r := waiting(t, at)
		r.want(&flow.Answer{Address: at, Result: flow.Over, Words: "the lead replied"}, "done 0 failed the lead replied")
	}
}

func TestWhatIsNoLongerSoEndsTheRun(t *testing.T) {
	r := waiting(t, "pause")
	r.want(result("pause", flow.TimeOver), "fetch note~deal crm.deal.find order_no=L-1")
	r.want(yes("note~deal", map[string]any{"id": "7", "stage": "won"}),
		"done 0 failed `deal.?stage.orValue(\"open\") == \"open\"` is no longer so: deal.stage is won")
	r = waiting(t, "pause")
	r.want(result("pause", flow.TimeOver), "fetch note~deal crm.deal.find order_no=L-1")
	r.want(result("note~deal", flow.NotFound), "done 0 failed crm.deal.find finds nothing any more for order_no L-1")
}

func TestAReadThatFailsBlocksAndIsMadeAgain(t *testing.T) {
	r := waiting(t, "pause")
	r.want(result("pause", flow.TimeOver), "fetch note~deal crm.deal.find order_no=L-1")
	r.want(result("note~deal", flow.Failed), "block note declined value")
	r.want(nil, "fetch note~deal crm.deal.find order_no=L-1")
	r.p = r.flow.Edit(r.p, "note~deal", map[string]any{"body": "forged"})
	r.want(nil, "fetch note~deal crm.deal.find order_no=L-1")
	r.want(yes("note~deal", map[string]any{"id": "7"}), "effect note crm.note.add body=still nothing from Asha")
}

func TestAPersonMayLeaveAWaitOut(t *testing.T) {
	r := waiting(t, "pause")
	r.p = r.flow.Skip(r.p, "pause")
	r.want(nil, "fetch note~deal crm.deal.find order_no=L-1")
}

// waiting is a run that stands at a wait of the reminding flow.
func waiting(t *testing.T, at string) *run {
	t.Helper()
	r := begin(t, faultless(t, fixed), lead(nil))
	r.next(nil)
	deal := map[string]any{"id": "7", "stage": "open"}
	r.next(yes("deal", deal))
	if at == "paid" {
		r.next(result("pause", flow.TimeOver))
		r.next(yes("note~deal", deal))
		r.next(yes("note", nil))
	}
	if r.p.Awaits() != at {
		t.Fatalf("the run stands at %q", r.p.Awaits())
	}
	return r
}

func TestOnlyTheEventThatIsMeantEndsAWait(t *testing.T) {
	f := faultless(t, fixed)
	r := waiting(t, "paid")
	for _, c := range []struct {
		name   string
		cancel int
		typ    string
		data   map[string]any
		fits   bool
	}{
		{"the payment", -1, "payment.succeeded", map[string]any{"id": "p", "amount": inr(500)}, true},
		{"one that is too small", -1, "payment.succeeded", map[string]any{"id": "p", "amount": inr(50)}, false},
		{"another type", -1, "payment.failed", map[string]any{"id": "p", "amount": inr(500)}, false},
		{"a reply", 0, "message.received", map[string]any{"kind": "text"}, true},
		{"a button", 0, "message.received", map[string]any{"kind": "button"}, false},
	} {
		got, err := f.Fits(r.p, r.data, flow.Came{Cancel: c.cancel, Event: &waybill.Event{Type: c.typ}, Data: c.data}, reads)
		if err != nil || got != c.fits {
			t.Errorf("%s: fits %v, %v", c.name, got, err)
		}
	}
}

func TestEveryFormOfATimeIsWorkedOut(t *testing.T) {
	began := time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC) // Friday, 17:30 in Kolkata
	for _, c := range []struct{ wait, want, says string }{
		{`2h`, "2026-03-06T19:30:00+05:30", "waits until Fri 6 Mar 2026 19:30"},
		{`1d`, "2026-03-07T17:30:00+05:30", "waits until Sat 7 Mar 2026 17:30"},
		{"1d\n    within: business_hours", "2026-03-09T09:00:00+05:30", "waits until Mon 9 Mar 2026 09:00 (business hours)"},
		{"1h\n    counting: business_hours", "2026-03-09T09:30:00+05:30", "waits until Mon 9 Mar 2026 09:30 (business hours)"},
		{`{for: 1d, at: "09:00"}`, "2026-03-07T09:00:00+05:30", "waits until Sat 7 Mar 2026 09:00"},
		{"1d\n    within: business_hours\n    zone: America/New_York", "2026-03-09T09:00:00-04:00", "waits until Mon 9 Mar 2026 09:00 (business hours)"},
		{`{until: "${lead.created_at}", plus: 1d}`, "2026-03-02T10:00:00+05:30", "waits until Mon 2 Mar 2026 10:00"},
		{`{until: "${lead.created_at}", minus: 1h, at: "18:00"}`, "2026-03-01T18:00:00+05:30", "waits until Sun 1 Mar 2026 18:00"},
		{`{until: "2026-04-01"}`, "2026-04-01T00:00:00+05:30", "waits until Wed 1 Apr 2026 00:00"},
		{`{until: "2026-04-01T09:00:00Z"}`, "2026-04-01T09:00:00Z", "waits until Wed 1 Apr 2026 14:30"},
	} {
		f := faultless(t, "flow: w\ntitle: W\non: lead.created\nwhen: has(lead.created_at)\nsteps:\n  - id: pause\n    wait: "+c.wait+"\n")
		data := lead(func(d map[string]any) { d["created_at"] = "2026-03-01T10:00:00+05:30" })
		_, moves := f.Next(f.Start(), paidInFull, data, nil, reads)
		if len(moves) != 1 || moves[0].Rest == nil {
			t.Errorf("%s: moves %v", c.wait, tellAll(moves))
			continue
		}
		due := moves[0].Rest.Due(began)
		if want, _ := time.Parse(time.RFC3339, c.want); !due.Equal(want) {
			t.Errorf("%s: due %s, want %s", c.wait, due, c.want)
		}
		if said := moves[0].Rest.Say(due); said != c.says {
			t.Errorf("%s: says %q, want %q", c.wait, said, c.says)
		}
	}
}

// anew is a book in which the event's object has changed.
type anew struct {
	book
	now map[string]any
}

func (a anew) Current() (map[string]any, error) { return a.now, nil }

func TestATimeMovesWithItsField(t *testing.T) {
	f := faultless(t, "flow: w\ntitle: W\non: lead.created\nwhen: has(lead.created_at)\nsteps:\n  - id: pause\n    wait: {until: \"${lead.created_at}\"}\n")
	data := lead(func(d map[string]any) { d["created_at"] = "2026-03-01T10:00:00Z" })
	p, moves := f.Next(f.Start(), paidInFull, data, nil, reads)
	if due := moves[0].Rest.Due(time.Time{}); due.Day() != 1 || !moves[0].Rest.Moves {
		t.Fatalf("due %s", due)
	}
	moved := anew{reads, lead(func(d map[string]any) { d["created_at"] = "2026-03-05T10:00:00Z" })}
	_, moves = f.Next(p, paidInFull, data, result("pause", flow.Moved), moved)
	if due := moves[0].Rest.Due(time.Time{}); due.Day() != 5 {
		t.Fatalf("due %s", due)
	}
}

func TestMistakesOfWaitsAreNamedAtTheirPlace(t *testing.T) {
	for name, c := range map[string]struct {
		step, code string
		line       int
		says       string
	}{
		"no timeout":                  {"  - {id: a, wait_for: payment.succeeded, match: {payment.order_id: order.id}}\n", "E333", 6, "timeout: 3d"},
		"no match":                    {"  - {id: a, wait_for: payment.succeeded, timeout: 3d}\n", "E332", 6, "match: {payment.id: order.id}"},
		"unknown event":               {"  - {id: a, wait_for: payment.suceeded, match: {payment.order_id: order.id}, timeout: 3d}\n", "E301", 6, "payment.succeeded"},
		"a match that may be absent":  {"  - {id: a, wait_for: payment.succeeded, match: {payment.order_id: order.?note}, timeout: 3d}\n", "E332", 6, "may be absent"},
		"a match of text with number": {"  - {id: a, wait_for: payment.succeeded, match: {payment.order_id: order.balance.minor}, timeout: 3d}\n", "E206", 6, "text"},
		"a field misspelt":            {"  - {id: a, wait_for: payment.succeeded, match: {payment.order_di: order.id}, timeout: 3d}\n", "E332", 6, "order_id"},
		"the wrong side":              {"  - {id: a, wait_for: payment.succeeded, match: {order.id: payment.order_id}, timeout: 3d}\n", "E332", 6, "On the left"},
		"matched by money":            {"  - {id: a, wait_for: payment.succeeded, match: {payment.amount: order.due}, timeout: 3d}\n", "E332", 6, "text or a whole number"},
		"a zone that is none":         {"  - {id: a, wait: 2h, zone: Asia/Kolkatta}\n", "E337", 6, "Asia/Kolkata"},
		"hours that are none":         {"  - {id: a, wait: 2h, within: businesshours}\n", "E317", 6, "business_hours"},
		"a span and a time":           {"  - {id: a, wait: {for: 2h, until: \"2026-01-01\"}}\n", "E337", 6, "either"},
		"a time that may be absent":   {"  - {id: a, wait: {until: \"${order.?created_at}\"}}\n", "E337", 6, "may be absent"},
		"text for a time":             {"  - {id: a, wait: {until: \"${order.id}\"}}\n", "E337", 6, "no time"},
		"an expression for a span":    {"  - {id: a, wait: \"${order.created_at}\"}\n", "E337", 6, "until"},
		"a time of day that is none":  {"  - {id: a, wait: {for: 1d, at: \"9 am\"}}\n", "E337", 6, "09:00"},
		"still before any wait":       {"  - {id: a, set: 1, still: order.balance.minor > 0}\n", "E335", 6, "when"},
		"steps that belong elsewhere": {"  - {id: a, wait: 2h, on_timeout: []}\n", "E313", 6, "on_timeout"},
		"an output that may not come": {"  - {id: a, wait_for: payment.succeeded, match: {payment.order_id: order.id}, timeout: 3d}\n  - {id: b, set: \"${a.id}\"}\n", "E2", 7, ""},
	} {
		_, faults := compile(t, steps(c.step))
		if len(faults) == 0 {
			t.Errorf("%s: taken", name)
			continue
		}
		f := faults[0]
		if !strings.HasPrefix(f.Code, c.code) || f.Span.Line != c.line || !strings.Contains(f.String(), c.says) {
			t.Errorf("%s: want %s in line %d saying %q, got:\n%s", name, c.code, c.line, c.says, listed(faults))
		}
	}
}

func TestCancelOnNeedsSomethingToCancel(t *testing.T) {
	text := "flow: w\ntitle: W\non: order.created\ncancel_on: {event: order.cancelled, match: {order.id: order.id}, where: new.status == 'cancelled' && order.status == 'open'}\nsteps:\n  - {id: a, set: 1}\n"
	if _, faults := compile(t, text); len(faults) != 1 || faults[0].Code != "E334" {
		t.Errorf("got:\n%s", listed(faults))
	}
	faultless(t, strings.Replace(text, "{id: a, set: 1}", "{id: a, wait: 1h}", 1))
}

const rereadList = `  - id: deal
    get: crm.deal.find
    with: {order_no: "${order.id}"}
  - id: parts
    each: 'deal.?stage.orValue("") == "first" ? ["a", "b"] : ["b"]'
    as: part
    by: part
    steps:
      - {id: pause, wait: 1h}
      - {id: note, do: crm.note.add, still: 'deal.id == "7"', with: {body: "${part}"}}
`

// TestALoopKeepsItsItemsWhenWhatTheyCameFromIsReadAgain: `still` makes the look-up again that the list is made of; the items
// stay those with which the loop began, so that none is left out and none takes the place of another.
func TestALoopKeepsItsItemsWhenWhatTheyCameFromIsReadAgain(t *testing.T) {
	r := begin(t, faultless(t, steps(rereadList)), order(nil))
	r.next(nil)
	r.want(yes("deal", map[string]any{"id": "7", "stage": "first"}), "rest parts[a].pause")
	r.want(result("parts[a].pause", flow.TimeOver), "fetch parts[a].note~deal crm.deal.find order_no=SO-1001")
	r.want(yes("parts[a].note~deal", map[string]any{"id": "7", "stage": "second"}), "effect parts[a].note crm.note.add body=a")
	r.want(yes("parts[a].note", nil), "rest parts[b].pause")
	r.want(result("parts[b].pause", flow.TimeOver), "fetch parts[b].note~deal crm.deal.find order_no=SO-1001")
	r.want(yes("parts[b].note~deal", map[string]any{"id": "7", "stage": "third"}), "effect parts[b].note crm.note.add body=b")
	r.want(yes("parts[b].note", nil), "done 0 failed")
}

// TestWhatIsLateInALoopIsWrittenForItsOwnItem: the newest state has other items, in another order.
func TestWhatIsLateInALoopIsWrittenForItsOwnItem(t *testing.T) {
	deps := rereading(t)
	n, _ := source.Parse("flows/test.yaml", []byte(steps(`  - id: line
    each: order.?items.orValue([])
    as: item
    by: item.?sku.orValue("none")
    steps:
      - {id: up, do: crm.deal.update, late: fetch, with: {id: "${item.?sku.orValue('none')}", stage: "${item.?name.orValue('none')}"}}
`)))
	f, faults := flow.Compile(n, deps)
	if f == nil || faults.Bad() {
		t.Fatalf("refused:\n%s", listed(faults))
	}
	r := begin(t, f, order(nil))
	r.want(nil, "effect line[sku-1].up crm.deal.update id=sku-1 stage=Cup")
	item := func(sku, name string) any { return map[string]any{"sku": sku, "name": name, "quantity": int64(1)} }
	_, in, err := f.Again(r.p, order(func(d map[string]any) { d["items"] = []any{item("sku-2", "Pot"), item("sku-1", "Mug")} }), reads)
	if err != nil || in["id"] != "sku-1" || in["stage"] != "Mug" {
		t.Errorf("moved, it is written as %v, %v", in, err)
	}
	_, in, err = f.Again(r.p, order(func(d map[string]any) { d["items"] = []any{item("sku-2", "Pot")} }), reads)
	if err != nil || in != nil {
		t.Errorf("it is no longer there, and %v is written, %v", in, err)
	}
}

// TestAConditionThatIsAskedAgainIsOfItsOwnStepOnly: what stands inside a step with `still` is left out by its own `when`, and
// asks its own `still`.
func TestAConditionThatIsAskedAgainIsOfItsOwnStepOnly(t *testing.T) {
	const (
		still = "still: 'order.status == \"paid\"'"
		left  = "{id: note, when: order.paid_total.minor < 0, do: crm.note.add, with: {body: never}}"
		ended = "{id: note, still: 'order.status == \"cancelled\"', do: crm.note.add, with: {body: never}}"
	)
	for name, step := range map[string]string{
		"a choice":   "{id: way, " + still + ", choose: {one: {when: order.paid_total.minor > 0, steps: [INNER]}, otherwise: {steps: []}}}",
		"a loop":     "{id: lines, " + still + ", each: '[\"a\"]', as: line, by: line, steps: [INNER]}",
		"a question": "{id: ok, " + still + ", ask: Ok?, who: {role: admin}, approved: [INNER]}",
		"what is made": "{id: deal, " + still + ", get: crm.deal.find, with: {order_no: x}, if_none: {create: [INNER, " +
			"{id: made, do: crm.deal.create, with: {name: x}}]}}",
	} {
		for what, inner := range map[string]string{"when": left, "still": ended} {
			t.Run(name+", "+what, func(t *testing.T) {
				r := begin(t, faultless(t, steps("  - {id: pause, wait: 1h}\n  - "+strings.Replace(step, "INNER", inner, 1)+"\n")), order(nil))
				r.next(nil)
				got := r.next(result("pause", flow.TimeOver))
				switch name {
				case "a question":
					got = r.next(result("ok", flow.Consent))
				case "what is made":
					got = r.next(result("deal", flow.NotFound))
				}
				for _, move := range got {
					if strings.Contains(move, "never") {
						t.Errorf("it is made all the same: %v", got)
					}
				}
			})
		}
	}
}
