package engine

import (
	"fmt"
	"strings"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/flow"
	"waybill/record"
	"waybill/translate"
)

// An older fact that comes late has no effect, or, when its step says so (late: fetch), is fetched afresh: the newest state
// of what the event is about is read where it came from, and that is written.

// freshMark parts the address of an effect from the name that its event's mapping gives to what is read.
const freshMark = "!fresh:"

// mostFresh is how often the newest state is read for one effect before it is left out: others write faster than it is read.
const mostFresh = 5

// readFresh plans the read of the newest state for an effect that is late; nil when it has been read often enough or cannot
// be.
func (e *Engine) readFresh(tx *record.Tx, eff *waybill.Effect) (*advance, error) {
	before, err := tx.FetchesOfEffect(eff.ID)
	if err != nil {
		return nil, err
	}
	if len(before) >= mostFresh {
		eff.Reason = fmt.Sprintf("%s; it was read anew %d times", eff.Reason, mostFresh)
		return nil, nil
	}
	_, in, conn, err := e.toldBy(tx, eff.Event)
	if err != nil || in == nil {
		return nil, err
	}
	need := conn.Translate(*in).NeedFetch
	if need == nil {
		return nil, nil
	}
	f, read, err := e.newFetch(in.Item.Connection, need.Action, need.Inputs)
	if err != nil {
		return nil, err
	}
	f.Effect, f.Run, f.Address = eff.ID, eff.Run, eff.Address+freshMark+need.As
	if err := tx.PlanFetch(f); err != nil {
		return nil, err
	}
	eff.DueAt, eff.Reason = waybill.Held(), "late: a newer fact was written, so the newest state is read"
	if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
		return nil, err
	}
	return &advance{job: &job{fetch: f, action: read}}, nil
}

// toldBy finds the item that told an event, ready to be translated again; no input when there is none.
func (e *Engine) toldBy(tx *record.Tx, id waybill.EventID) (*waybill.Event, *translate.Input, *translate.Translator, error) {
	ev, err := tx.Event(id)
	if err != nil || ev.Item == "" {
		return ev, nil, nil, err
	}
	item, err := tx.Item(ev.Item)
	if err != nil {
		return ev, nil, nil, err
	}
	c := e.today().ws.Connections[item.Connection]
	if c == nil || c.Translator == nil {
		return ev, nil, nil, nil
	}
	arrival, err := tx.Received(item.Arrival)
	if err != nil {
		return ev, nil, nil, err
	}
	in, err := translate.InputOf(c.Manifest, arrival, *item, nil)
	return ev, &in, c.Translator, err
}

// freshRead gives an effect that was late the newest state and lets it go to the gate again.
func (e *Engine) freshRead(tx *record.Tx, f *waybill.Fetch) (w waited, err error) {
	eff, err := tx.Effect(f.Effect)
	if err != nil || eff.State != waybill.EffectPlanned {
		return w, err
	}
	run, err := tx.Run(eff.Run)
	if err != nil || run.State.Ended() {
		return w, err
	}
	if f.State == waybill.FetchFailed {
		return w, e.listRun(tx, run, eff, blame{
			cause: causeOr(f.Cause, waybill.OurSide), connection: f.Connection, action: f.Action, owner: run.Owner,
			words: "it was late, and the newest state could not be read: " + f.Reason,
		})
	}
	_, as, _ := strings.Cut(f.Address, freshMark)
	fresh, data, err := e.fresh(tx, eff, f, as)
	if err != nil {
		return w, err
	}
	there := fresh != nil
	if there {
		there, err = e.renew(tx, run, eff, data)
	}
	if err != nil {
		return w, e.listRun(tx, run, eff, blame{
			cause: waybill.MappingWrong, connection: eff.Connection, action: eff.Action, owner: run.Owner,
			words: "it was late, and what is so now cannot be written: " + err.Error(),
		})
	}
	if !there {
		eff.State, eff.Reason, eff.SettledAt, eff.DueAt = waybill.EffectSkipped, "late, no effect: what it is about is no longer so", e.d.Now(), time.Time{}
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return w, err
		}
		w.run, err = e.goOn(tx, run, eff, answerOf(eff))
		return w, err
	}
	eff.Order = waybill.Stamp{Revision: fresh.Revision, At: f.PlannedAt, Rank: fresh.Rank, Event: eff.Event}
	forgetBefore(eff)
	eff.DueAt, eff.Gate, eff.Reason = time.Time{}, nil, "late: the newest state was read, and is written"
	w.effect = eff
	return w, tx.EditEffect(eff, waybill.EffectPlanned)
}

// fresh translates an event's item again with what was read now; nil when that tells no such event any more.
func (e *Engine) fresh(tx *record.Tx, eff *waybill.Effect, f *waybill.Fetch, as string) (*waybill.Event, map[string]any, error) {
	ev, in, translator, err := e.toldBy(tx, eff.Event)
	if err != nil || in == nil {
		return nil, nil, err
	}
	found, err := connector.DecodeJSON(f.Answer)
	if err != nil {
		return nil, nil, err
	}
	in.Fetched = map[string]any{as: found}
	res := translator.Translate(*in)
	for i := range res.Events {
		if res.Events[i].Type == ev.Type {
			return &res.Events[i], res.Data[i], nil
		}
	}
	return nil, nil, nil
}

// renew evaluates an effect's inputs over the newest data and freezes its request anew; false when the item of a loop that it
// is for is no longer there.
func (e *Engine) renew(tx *record.Tx, run *waybill.Run, eff *waybill.Effect, data map[string]any) (bool, error) {
	b, err := e.load(tx, run)
	if err != nil {
		return false, err
	}
	if b.progress.Address != eff.Address {
		return false, &waybill.Error{Kind: waybill.Conflict, Message: "the run has gone on without it"}
	}
	var p *flow.Progress
	var in map[string]any
	if p, in, err = b.flow.Again(b.progress, data, readsOf(tx, b)); err != nil || in == nil {
		return false, err
	}
	t, ok := e.target(eff.Connection)
	action := e.actionOf(eff.Connection, eff.Action)
	if !ok || action == nil {
		return false, &waybill.Error{Kind: waybill.Conflict, Message: "the connection or its action is no longer in the workspace"}
	}
	eff.Inputs = encode(in)
	if err := e.render(t, action, in, eff); err != nil {
		return false, err
	}
	run.Progress = p.Encode()
	return true, tx.MoveRun(run, run.State)
}
