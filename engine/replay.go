package engine

import (
	"slices"
	"strings"

	"waybill"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
)

// A replay runs a flow of today's version again for an event. Effects belong to the event and the flow, not to the run, so
// what is confirmed with the same values is found and not sent; what a person did not choose blocks the run.

// runAgain starts the run of a member of a replay. A run that needs a person makes way: it is stopped, on record.
func (e *Engine) runAgain(tx *record.Tx, job *waybill.Job, m *waybill.JobMember) (func(), error) {
	id, name, _ := strings.Cut(m.Object, "/")
	ev, err := tx.Event(waybill.EventID(id))
	if err != nil {
		return nil, err
	}
	data, err := decodeMap(ev.Data)
	if err != nil {
		return nil, err
	}
	v := e.today()
	f := v.flow(name)
	if f == nil {
		return nil, cannot("", "the workspace has no flow %q any more", name)
	}
	c, lane, err := f.Consider(ev, data)
	if err != nil {
		return nil, err
	}
	if !c.Matched {
		return nil, cannot("", "the flow is not for this event any more: %s", c.Reason)
	}
	b := e.begin(v, f, ev, data, lane)
	b.run.ID, b.run.Mode = m.Run, waybill.ModeReplay
	runs, err := tx.RunsOf(ev.ID)
	if err != nil {
		return nil, err
	}
	run := repeated(runs, f)
	if run != nil {
		b.run.Repeats = run.ID
		switch {
		case run.State == waybill.RunBlocked:
			act := waybill.Act{Who: job.Who, Reason: "it runs again on the version of today: " + job.Name}
			if err := e.endRun(tx, run, act); err != nil {
				return nil, err
			}
		case !run.State.Ended():
			return nil, cannot("", "its run is still under way")
		}
	}
	if f.DueWithin > 0 {
		b.run.DueBy = e.d.Now().Add(f.DueWithin)
	}
	a := &advance{b: b, from: b, run: b.run, inside: true}
	if err := e.applyStart(tx, a); err != nil {
		return nil, err
	}
	next := waybill.RunID("")
	if run != nil && run.Lane != "" { // where the flow holds, it gives the lane up only now: to this one, before those behind it
		if next, err = e.passLane(tx, run.ID); err != nil {
			return nil, err
		}
	}
	return func() {
		if next != "" {
			e.runs.push(next)
		}
		e.follow(a)
	}, nil
}

// planEffect plans an effect. Of a replay the one before it decides: confirmed with these values it is reused, with
// others a person must have chosen; what may have happened is never sent. redo is a person's word for this very one.
func (e *Engine) planEffect(tx *record.Tx, eff *waybill.Effect, b *begun, redo *waybill.Act) (*waybill.Effect, bool, error) {
	run := &b.run
	if redo != nil {
		return e.redoing(tx, eff, b, redo)
	}
	if run.Mode != waybill.ModeReplay {
		return tx.PlanEffect(eff, false)
	}
	last, err := doneBefore(tx, eff.Event, b.flow, eff.Address)
	if err == nil && last.Run == run.ID {
		return tx.PlanEffect(eff, false)
	}
	var class waybill.JobClass
	var repeats bool
	var words string
	switch {
	case err == nil:
		class, repeats, words = flow.Again(last, eff.Kind, fingerprintLike(last, eff), false)
	case waybill.KindOf(err) == waybill.NotFound:
		class, repeats, words, err = e.firstOf(tx, eff)
	}
	if err != nil {
		return nil, false, err
	}
	if class == waybill.ClassSame {
		return last, false, nil
	}
	var choices waybill.JobChoices
	job, member, err := tx.JobOfRun(run.ID)
	if err != nil {
		return nil, false, err
	}
	if job != nil {
		choices = job.Choices
	}
	counted := !repeats || member != nil && slices.Contains(member.Again, eff.Address)
	if !counted || !flow.Goes(class, repeats, choices) {
		return nil, false, &waybill.Error{Kind: waybill.Conflict, Message: words}
	}
	return tx.PlanEffect(eff, true)
}

// fingerprintLike is the fingerprint of next as it would have been when last was planned: as long as an account's own id
// was not known, the connection's name stood in for it.
func fingerprintLike(last, next *waybill.Effect) string {
	if last.Account == next.Account || last.Account != last.Connection || last.Connection != next.Connection {
		return next.Fingerprint
	}
	in, err := decodeMap(next.Inputs)
	if err != nil {
		return next.Fingerprint
	}
	like, err := deliver.Fingerprint(last.Account, next.Action, in)
	if err != nil {
		return next.Fingerprint
	}
	return like
}

// readAgain reads an item again, whatever it came to before: facts that are known start nothing.
func (e *Engine) readAgain(tx *record.Tx, a waybill.Act) (func(), error) {
	it, err := tx.Item(waybill.ItemID(a.Object))
	if err != nil {
		return nil, err
	}
	if it.State == waybill.ItemKept || it.State == waybill.ItemFetching {
		return nil, cannot("", "it is being read just now")
	}
	p, _, err := e.keepItem(tx, it, a)
	if err != nil {
		return nil, err
	}
	return func() { e.hand(p) }, nil
}
