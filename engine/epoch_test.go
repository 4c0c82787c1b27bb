package engine_test

import (
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

const oneNote = `flow: a
title: A
owner: ops
on: payment.succeeded
steps:
  - id: deal
    get: crm.deal.find
    with: {order_no: "${payment.?order_id.orValue('none')}"}
    if_none: {wait: 1m}
  - id: say
    do: crm.note.create
    with: {deal_id: "${deal.id}", body: "paid"}
`

// TestACallOfALostEpochIsNotMadeUnderTheNextOne plays a process that stands still after it wrote `sent`, until the others
// have settled that and sent it again. It joins anew as it wakes; the call it was about to begin needs a moment longer, as it
// does for a new connection.
func TestACallOfALostEpochIsNotMadeUnderTheNextOne(t *testing.T) {
	c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": oneNote})), 2, 1)
	c.run(15 * time.Second)
	victim, stood := c.nodes[0], false
	victim.before = func() {
		if sent := c.effects(); !stood && len(sent) == 1 && sent[0].State == waybill.EffectSent {
			stood, victim.still = true, true
			c.v.After(20*time.Minute, victim.goOn)
			victim.wait()
			c.v.Sleep(3 * time.Second)
		}
	}
	c.give(victim, "SO-1001")
	c.rest(30 * time.Minute)
	if got := c.happened("crm", "notes"); got != 1 {
		t.Errorf("%d notes were made, want 1; called %v", got, c.calls)
	}
}

// TestANodeThatHearsLateThatAnEpochWasLostKeepsTheOneItHasNow: of acts under way at the same time each is told that it was.
func TestANodeThatHearsLateThatAnEpochWasLostKeepsTheOneItHasNow(t *testing.T) {
	c := newCluster(t, load(t, files(map[string]string{"flows/a.yaml": oneWrite})), 2, 1)
	c.run(15 * time.Second)
	victim, told := c.nodes[0], 0
	victim.still = true
	c.v.After(time.Minute, victim.goOn)
	victim.answered = func(err error) {
		if waybill.KindOf(err) == waybill.Conflict {
			if told++; told == 1 {
				c.v.Sleep(5 * time.Second)
			}
		}
	}
	c.run(2 * time.Minute)
	var list []waybill.Node
	err := c.book.View(t.Context(), func(tx *record.Tx) (err error) { list, err = tx.Nodes(); return err })
	if err != nil {
		t.Fatal(err)
	}
	lives := 0
	for _, n := range list {
		if n.Name == victim.name {
			lives++
		}
	}
	if told < 2 || lives != 2 {
		t.Errorf("told %d times, %d lives, want 2 or more and 2", told, lives)
	}
}
