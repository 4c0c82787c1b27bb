package engine

import (
	"fmt"

	"waybill"
	"waybill/connector"
	"waybill/flow"
	"waybill/record"
)

// What the book knows of a run: where its machine stands, and what came of the step it waits for.

// load reads what a run's machine needs.
func (e *Engine) load(tx *record.Tx, run *waybill.Run) (*begun, error) {
	v, err := e.version(tx, run.Bundle)
	if err != nil {
		return nil, err
	}
	f := v.flows[run.Flow]
	if f == nil {
		return nil, &waybill.Error{Kind: waybill.Internal, Message: fmt.Sprintf("the workspace %.12s has no flow %q", run.Bundle, run.Flow)}
	}
	ev, err := tx.Event(run.Event)
	if err != nil {
		return nil, err
	}
	data, err := decodeMap(ev.Data)
	if err != nil {
		return nil, fmt.Errorf("read the event %s: %w", ev.ID, err)
	}
	p := f.Start()
	if len(run.Progress) > 0 {
		if p, err = flow.Decode(run.Progress); err != nil {
			return nil, fmt.Errorf("read the progress of %s: %w", run.ID, err)
		}
	}
	return &begun{run: *run, version: v, flow: f, event: ev, data: data, progress: p}, nil
}

// answerInBook finds what came of the step a run waits for; nil when that is still open.
func (e *Engine) answerInBook(tx *record.Tx, b *begun, address string) (*flow.Answer, error) {
	if b.flow.Asks(b.progress) {
		return e.askAnswer(tx, b)
	}
	eff, err := stepDone(tx, b, address)
	if err == nil {
		a := answerOf(eff)
		if a != nil {
			a.Address = address // it may have been done under another one
		}
		return a, nil
	}
	if waybill.KindOf(err) != waybill.NotFound {
		return nil, err
	}
	fetch, err := tx.FetchAt(b.run.ID, address)
	if waybill.KindOf(err) == waybill.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return fetchAnswer(fetch)
}

// answerOf says what a settled effect means for the run; nil while it is open.
func answerOf(eff *waybill.Effect) *flow.Answer {
	a := &flow.Answer{Address: eff.Address, Cause: eff.Cause, Words: eff.Reason}
	switch eff.State {
	case waybill.EffectConfirmed, waybill.EffectUndone:
		a.Result = flow.Succeeded
		if out, err := connector.DecodeJSON(eff.Answer); len(eff.Answer) > 0 && err == nil {
			a.Output = out
		}
	case waybill.EffectDeclined:
		a.Result = flow.Failed
	case waybill.EffectSkipped:
		a.Result = flow.Skipped
	default:
		return nil
	}
	return a
}

func fetchAnswer(f *waybill.Fetch) (*flow.Answer, error) {
	a := &flow.Answer{Address: f.Address, Cause: f.Cause, Words: f.Reason}
	switch f.State {
	case waybill.FetchFailed:
		a.Result = flow.Failed
	case waybill.FetchDone:
		out, err := connector.DecodeJSON(f.Answer)
		if err != nil {
			return nil, fmt.Errorf("read the answer of %s: %w", f.ID, err)
		}
		a.Result, a.Output = flow.Succeeded, out
		if out == nil {
			a.Result = flow.NotFound
		}
	default:
		return nil, nil
	}
	return a, nil
}
