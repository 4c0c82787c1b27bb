package flow_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/flow"
)

func TestWhatMakingAWriteAgainMeans(t *testing.T) {
	sent := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	last := func(state waybill.EffectState, repeat waybill.Repeat, at time.Time) *waybill.Effect {
		return &waybill.Effect{State: state, Repeat: repeat, Fingerprint: "f1", SentAt: at}
	}
	unsure := func(repeat waybill.Repeat) *waybill.Effect {
		e := last(waybill.EffectSkipped, repeat, sent)
		e.Doubted = true
		return e
	}
	confirmed, natural, key, never := waybill.EffectConfirmed, waybill.RepeatNatural, waybill.RepeatKey, waybill.RepeatNever
	for _, c := range []struct {
		name        string
		last        *waybill.Effect
		kind        waybill.ActionKind
		fingerprint string
		closing     bool
		class       waybill.JobClass
		repeats     bool
	}{
		{"never sent", nil, waybill.KindMoney, "f1", false, waybill.ClassNew, false},
		{"confirmed with these values", last(confirmed, natural, sent), waybill.KindState, "f1", false, waybill.ClassSame, false},
		{"a message confirmed with these values", last(confirmed, never, sent), waybill.KindMessage, "f1", false, waybill.ClassSame, false},
		{"state confirmed with others", last(confirmed, natural, sent), waybill.KindState, "f2", false, waybill.ClassChanged, false},
		{"state that is never certain, with others", last(confirmed, never, sent), waybill.KindState, "f2", false, waybill.ClassBlocked, true},
		{"a message confirmed with others", last(confirmed, never, sent), waybill.KindMessage, "f2", false, waybill.ClassBlocked, true},
		{"money confirmed with others, though they know our key", last(confirmed, key, sent), waybill.KindMoney, "f2", false, waybill.ClassBlocked, true},
		{"an addition confirmed with others", last(confirmed, natural, sent), waybill.KindAdd, "f2", false, waybill.ClassBlocked, true},
		{"not known", last(waybill.EffectUnknown, natural, sent), waybill.KindState, "f1", true, waybill.ClassBlocked, false},
		{"under way", last(waybill.EffectSent, natural, sent), waybill.KindState, "f1", true, waybill.ClassBlocked, false},
		{"still to be sent", last(waybill.EffectPlanned, natural, time.Time{}), waybill.KindState, "f1", false, waybill.ClassBlocked, false},
		{"held back by a run that makes way", last(waybill.EffectPlanned, never, time.Time{}), waybill.KindMessage, "f1", true, waybill.ClassNew, false},
		{"refused", last(waybill.EffectDeclined, never, sent), waybill.KindMoney, "f1", false, waybill.ClassNew, false},
		{"refused with others", last(waybill.EffectDeclined, never, sent), waybill.KindMoney, "f2", false, waybill.ClassNew, false},
		{"left out, never sent", last(waybill.EffectSkipped, never, time.Time{}), waybill.KindMessage, "f1", false, waybill.ClassNew, false},
		{"left out, known not to have happened", last(waybill.EffectSkipped, never, sent), waybill.KindMessage, "f1", false, waybill.ClassNew, false},
		{"left out while in doubt", unsure(never), waybill.KindMessage, "f1", false, waybill.ClassBlocked, true},
		{"left out while in doubt, harmless", unsure(natural), waybill.KindState, "f1", false, waybill.ClassNew, false},
		{"put back", last(waybill.EffectUndone, natural, sent), waybill.KindState, "f1", false, waybill.ClassNew, false},
		{"a payment taken back", last(waybill.EffectUndone, key, sent), waybill.KindMoney, "f1", false, waybill.ClassBlocked, true},
	} {
		class, repeats, words := flow.Again(c.last, c.kind, c.fingerprint, c.closing)
		if class != c.class || repeats != c.repeats || words == "" {
			t.Errorf("%s: %s, repeats %v (%s); want %s, %v", c.name, class, repeats, words, c.class, c.repeats)
		}
	}
	doubted := last(waybill.EffectPlanned, never, sent)
	doubted.Doubted = true
	if class, repeats, _ := flow.Again(doubted, waybill.KindMessage, "f1", true); class != waybill.ClassBlocked || repeats {
		t.Errorf("a doubted one that is held back: %s", class)
	}
}

func TestOnlyWhatAPersonChoseGoes(t *testing.T) {
	for _, class := range waybill.JobClasses {
		for _, repeats := range []bool{false, true} {
			for _, c := range []waybill.JobChoices{{}, {Changed: true}, {Repeats: 3}, {Changed: true, Repeats: 3}} {
				want := class == waybill.ClassNew || class == waybill.ClassChanged && c.Changed ||
					class == waybill.ClassBlocked && repeats && c.Repeats > 0
				if got := flow.Goes(class, repeats, c); got != want {
					t.Errorf("%s, repeats %v, chosen %+v: goes %v", class, repeats, c, got)
				}
			}
		}
	}
}

// kept is what a book says of one event.
type kept struct {
	read    map[string]*flow.Answer
	written map[string]*waybill.Effect
	unsound string // an address whose write cannot be rendered
}

func (k kept) Read(address string) (*flow.Answer, error) { return k.read[address], nil }

func (k kept) Told(*flow.Emitted) (bool, error) { return true, nil }

func (k kept) Write(m *flow.PlannedEffect) (waybill.JobWrite, *waybill.Effect, error) {
	if m.Address == k.unsound {
		return waybill.JobWrite{}, nil, errors.New("a part of the address is empty")
	}
	last := k.written[m.Address]
	class, repeats, words := flow.Again(last, m.Action.Kind, inputs(m.Inputs), false)
	return waybill.JobWrite{Address: m.Address, Class: class, Repeats: repeats, Words: words}, last, nil
}

func TestARehearsalSaysWhatARunWouldDo(t *testing.T) {
	f := sound(t, paymentToCRM)
	deal := map[string]*flow.Answer{"deal": yes("deal", map[string]any{"id": "7", "stage": "open"})}
	const won, wrong = "amount=1299.00 id=7 stage=closedwon", "amount=1299.00 id=7 stage=lost"
	const thanks = "params=map[amount:₹1,299.00 name:Asha] template=payment_received to=+919876543210"
	was := func(state waybill.EffectState, fingerprint, answer string) *waybill.Effect {
		return &waybill.Effect{State: state, Fingerprint: fingerprint, Answer: []byte(answer), SentAt: time.Unix(1, 0)}
	}
	for _, c := range []struct {
		name    string
		k       kept
		writes  string
		class   waybill.JobClass
		open    string
		blocked string
	}{
		{"all the same", kept{read: deal, written: map[string]*waybill.Effect{
			"won": was(waybill.EffectConfirmed, won, `{"id":"7"}`), "thanks": was(waybill.EffectConfirmed, thanks, `{"id":"w"}`),
		}}, "won same, thanks same", waybill.ClassSame, "", ""},
		{"a deal written wrongly", kept{read: deal, written: map[string]*waybill.Effect{
			"won": was(waybill.EffectConfirmed, wrong, `{"id":"7"}`), "thanks": was(waybill.EffectConfirmed, thanks, `{"id":"w"}`),
		}}, "won changed, thanks same", waybill.ClassChanged, "", ""},
		{"a message with other words", kept{read: deal, written: map[string]*waybill.Effect{
			"won": was(waybill.EffectConfirmed, won, `{"id":"7"}`), "thanks": was(waybill.EffectConfirmed, "other", `{"id":"w"}`),
		}}, "won same, thanks blocked", waybill.ClassBlocked, "", ""},
		{"never done", kept{read: deal}, "won new, thanks new", waybill.ClassNew, "", ""},
		{"not known whether it was done", kept{read: deal, written: map[string]*waybill.Effect{
			"won": was(waybill.EffectUnknown, won, ""),
		}}, "won blocked", waybill.ClassBlocked, "", ""},
		{"a read nobody made yet", kept{}, "", waybill.ClassNothing, "what deal reads", ""},
		{"a read that found nothing", kept{read: map[string]*flow.Answer{"deal": result("deal", flow.NotFound)}}, "", waybill.ClassFails, "", "found nothing"},
		{"a write that cannot be rendered", kept{read: deal, unsound: "won"}, "", waybill.ClassFails, "", "a part of the address is empty"},
	} {
		got, err := f.Rehearse(f.Start(), paidInFull, order(nil), c.k, reads)
		if err != nil {
			t.Fatal(err)
		}
		var writes []string
		for _, w := range got.Writes {
			writes = append(writes, fmt.Sprint(w.Address, " ", w.Class))
		}
		if s := strings.Join(writes, ", "); s != c.writes || got.Class() != c.class || !strings.Contains(got.Open, c.open) || c.open == "" && got.Open != "" {
			t.Errorf("%s: %s, %s, open %q; want %s, %s", c.name, s, got.Class(), got.Open, c.writes, c.class)
		}
		if blocked := got.Blocked; (blocked != nil) != (c.blocked != "") || blocked != nil && !strings.Contains(blocked.Words, c.blocked) {
			t.Errorf("%s: blocked %+v", c.name, blocked)
		}
	}
}

func TestARehearsalStaysOpenWhereAnAnswerIsNeeded(t *testing.T) {
	f := sound(t, `
flow: two
title: Two writes
owner: finance-ops
on: order.paid_in_full
steps:
  - id: made
    do: crm.deal.create
    with: {name: "${order.id}"}
  - id: note
    do: crm.note.add
    with: {body: paid, deal_id: "${made.id}"}
`)
	got, err := f.Rehearse(f.Start(), paidInFull, order(nil), kept{}, reads)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Writes) == 0 || got.Writes[0].Class != waybill.ClassNew || !strings.Contains(got.Open, "made") {
		t.Errorf("%+v", got)
	}
	got, err = f.Rehearse(f.Start(), paidInFull, order(nil), kept{written: map[string]*waybill.Effect{
		"made": {State: waybill.EffectConfirmed, Fingerprint: "name=SO-1001", Answer: []byte(`{"id":"9"}`)},
	}}, reads)
	if err != nil || got.Open != "" || len(got.Writes) != 2 || got.Writes[1].Class != waybill.ClassNew {
		t.Errorf("with the answer on record: %+v, %v", got, err)
	}
}

func TestARehearsalOfALongLoopEnds(t *testing.T) {
	f := sound(t, `
flow: many
title: One write for each item
owner: finance-ops
on: order.paid_in_full
steps:
  - id: items
    each: order.?items.orValue([])
    as: item
    by: item.?sku.orValue("")
    steps:
      - id: note
        do: crm.note.add
        with: {body: "${item.name}"}
`)
	var items []any
	for i := range flow.MaxItems {
		items = append(items, map[string]any{"sku": fmt.Sprint("sku-", i), "name": "Cup", "quantity": int64(1)})
	}
	got, err := f.Rehearse(f.Start(), paidInFull, order(func(o map[string]any) { o["items"] = items }), kept{}, reads)
	if err != nil || len(got.Writes) != flow.MaxItems || got.Open != "" {
		t.Errorf("%d writes, open %q, %v", len(got.Writes), got.Open, err)
	}
}
