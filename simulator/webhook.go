package simulator

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/verify"
)

// draft is a webhook before it is signed: providers sign each attempt anew.
type draft struct {
	event  string
	method string
	header http.Header
	body   []byte
	id     string // the delivery's id, where the scheme has one
}

// plan has a webhook leave after its time.
func (w *World) plan(a *account, s sending) {
	w.options.Clock.After(s.after, func() { w.emit(a, s) })
}

// emit makes a webhook of what is true now and sends it, with the faults that strike it.
func (w *World) emit(a *account, s sending) {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return
	}
	d, made, err := a.draft(s.event, s.scope, nil, w.options.Clock.Now())
	if err == nil { // what follows in the same story is about the same objects
		for _, step := range a.sim.Events[s.event].Make {
			if step.As != "" {
				s.scope[step.As] = made[step.As]
			}
		}
	}
	f, struck := w.strike(a.name, WebhookFaults, s.event)
	w.mu.Unlock()
	if err != nil {
		w.report(err)
		return
	}
	if !struck {
		w.send(a, d, 0)
		return
	}
	switch f.Kind {
	case Duplicate:
		w.send(a, d, 0)
		w.options.Clock.After(f.delay(2*time.Second), func() { w.send(a, d, 0) })
	case Late:
		w.options.Clock.After(f.delay(10*time.Minute), func() { w.send(a, d, 0) })
	case Reordered:
		w.options.Clock.After(f.delay(20*time.Second), func() { w.send(a, d, 0) })
	case Forged:
		w.forge(a, d)
		w.send(a, d, 0)
	default: // a fault of a call
	}
}

// send takes one attempt to the receiver and plans the next one where it fails.
func (w *World) send(a *account, d draft, attempt int) {
	w.mu.Lock()
	stopped := w.stopped
	hook, err := a.sign(d, w.options.Clock.Now(), false)
	w.mu.Unlock()
	if err != nil {
		w.report(err)
		return
	}
	if stopped || w.options.Deliver == nil {
		return
	}
	status := w.options.Deliver(context.Background(), hook)
	if (status < 200 || status > 299) && attempt < len(a.sim.Retries) {
		w.options.Clock.After(a.sim.Retries[attempt], func() { w.send(a, d, attempt+1) })
	}
}

func (w *World) report(err error) {
	if w.options.Report != nil {
		w.options.Report(err)
	}
}

// forge sends somebody else's imitation of a webhook.
func (w *World) forge(a *account, d draft) {
	w.mu.Lock()
	hook, err := a.sign(d, w.options.Clock.Now(), true)
	w.mu.Unlock()
	if err == nil && w.options.Deliver != nil {
		w.options.Deliver(context.Background(), hook)
	}
}

// draft renders an event. names are the objects it is about, as far as there are any; those it lacks are made. It
// returns the names it used.
func (a *account) draft(event string, names, vars map[string]any, now time.Time) (draft, map[string]any, error) {
	e := a.sim.Events[event]
	if e == nil {
		return draft{}, nil, &waybill.Error{
			Kind: waybill.NotFound, Message: fmt.Sprintf("%s has no sample %q", a.manifest.Title, event),
			Hint: "It has: " + listed(Samples(a.manifest)) + ".",
		}
	}
	all := maps.Clone(e.Vars)
	if all == nil {
		all = map[string]any{}
	}
	if had, ok := names["vars"].(map[string]any); ok {
		maps.Copy(all, had)
	}
	maps.Copy(all, vars)
	scope := a.scope(now, withAmountText(all))
	for name, value := range names {
		if _, base := scope[name]; !base {
			scope[name] = value
		}
	}
	act := &act{account: a, now: now, action: event, scope: scope}
	for _, step := range e.Make {
		if v, bound := names[step.As]; bound && v != nil && step.As != "" {
			continue
		}
		if err := act.run([]*connector.SimStep{step}); err != nil {
			return draft{}, nil, fmt.Errorf("make the sample %s of %s: %w", event, a.manifest.Name, err)
		}
	}
	d := draft{event: event, method: e.Method, header: http.Header{}}
	if err := a.renderEvent(act, e, &d); err != nil {
		return draft{}, nil, fmt.Errorf("make the sample %s of %s: %w", event, a.manifest.Name, err)
	}
	return d, scope, nil
}

func (a *account) renderEvent(act *act, e *connector.SimEvent, d *draft) error {
	var err error
	switch {
	case e.JSON != nil:
		var v any
		if v, err = e.JSON.Eval(act.scope, nil); err != nil {
			return err
		}
		d.header.Set("Content-Type", "application/json")
		if d.body, err = writeJSON(v, a.sim.Escaped); err != nil {
			return err
		}
	case e.Form != nil:
		v, err := e.Form.Eval(act.scope, nil)
		if err != nil {
			return err
		}
		fields, _ := v.(map[string]any)
		d.header.Set("Content-Type", "application/x-www-form-urlencoded")
		d.body = writeForm(fields)
	}
	if d.id, err = act.string(e.ID); err != nil {
		return err
	}
	return act.setHeaders(d.header, e.Headers)
}

// sign makes an attempt of a draft; forged signs it with a secret that is not the account's.
func (a *account) sign(d draft, now time.Time, forged bool) (Webhook, error) {
	hook := Webhook{
		Connection: a.name, Event: d.event, Method: d.method, URL: a.options.URL, Header: d.header.Clone(), Body: d.body,
	}
	config := a.manifest.Webhook
	if config == nil {
		return hook, nil
	}
	scheme := config.Verify.Bind(a.texts)
	secret := a.secrets[scheme.Secret]
	if forged {
		secret = expand(a.sim.Secrets[scheme.Secret], a.rand, 0, now)
	}
	r := verify.Request{Method: hook.Method, URL: hook.URL, Header: hook.Header, Body: hook.Body}
	if err := verify.Scheme(scheme).Sign(&r, verify.Secret(secret), now, d.id); err != nil {
		return Webhook{}, fmt.Errorf("sign the webhook %s for %s: %w", d.event, a.name, err)
	}
	hook.URL, hook.Header, hook.Body = r.URL, r.Header, r.Body
	return hook, nil
}

// amountText is the variable with the amount as decimal text.
const amountText = "amount_text"

// withAmountText adds the amount as decimal text, for systems that want it so.
func withAmountText(vars map[string]any) map[string]any {
	minor, ok := vars["amount"].(int64)
	if !ok {
		return vars
	}
	out := maps.Clone(vars)
	out[amountText] = fmt.Sprintf("%d.%02d", minor/100, minor%100)
	return out
}
