package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/record"
)

// stateOf is a connection's health as this process knows it now.
func (e *Engine) stateOf(name string) waybill.ConnectionState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.governor.State(name)
}

// answering reports whether a connection answers others, so that a failure is the call's own.
func (e *Engine) answering(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.governor.Answering(name)
}

// restoreConnections takes over the outages, pauses and parked sign-ins the book remembers.
func (e *Engine) restoreConnections() error {
	return e.view(func(tx *record.Tx) error {
		for name := range e.today().ws.Connections {
			s, err := tx.ConnectionState(name)
			if err != nil {
				return err
			}
			e.mu.Lock()
			if s.Account != "" {
				e.pinned[name] = s.Account
			}
			e.governor.Restore(*s)
			e.mu.Unlock()
		}
		return nil
	})
}

// healthChanged writes a connection's new health: an outage is one problem, and ends by itself.
func (e *Engine) healthChanged(name string) { e.writeHealth(name, false) }

// writeHealth writes a connection's health; what a person decided is changed by a person only.
func (e *Engine) writeHealth(name string, byPerson bool) {
	var s waybill.ConnectionState
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			old, err := tx.ConnectionState(name)
			if err != nil {
				return err
			}
			s = e.stateOf(name) // of two changes close together the later one is written, whichever comes first
			if e.member != nil {
				if !byPerson && (s.Since.Before(old.Since) || old.Health == waybill.HealthPaused) {
					return errNothing // another node knows better
				}
				if err := tx.MarkHealth(); err != nil {
					return err
				}
			}
			now := s
			now.Connection, now.Account = name, old.Account
			now.LastIn, now.LastOut, now.Problem = old.LastIn, old.LastOut, ""
			var open []waybill.ProblemID
			if s.Health == waybill.HealthDown || s.Health == waybill.HealthSignInNeeded || s.Health == waybill.HealthLimited {
				why := blame{cause: s.Cause, connection: name, words: s.Reason, owner: e.owner()}
				if now.Problem, err = tx.Raise(e.problem(why, ""), waybill.Member{Connection: name, At: e.d.Now()}); err != nil {
					return fmt.Errorf("raise the outage: %w", err)
				}
				open = append(open, now.Problem)
			}
			for _, action := range s.Parked {
				why := blame{
					cause: waybill.PermissionMissing, connection: name, action: action, owner: e.owner(),
					words: fmt.Sprintf("%s may not do %s there", name, action),
				}
				id, err := tx.Raise(e.problem(why, ""), waybill.Member{Connection: name, At: e.d.Now()})
				if err != nil {
					return fmt.Errorf("raise the missing permission: %w", err)
				}
				open = append(open, id)
			}
			if err := tx.Clear(waybill.Member{Connection: name}, open...); err != nil {
				return err
			}
			return tx.SetConnectionState(&now)
		},
		after: func() {
			e.log.Info("a connection's health changed", "connection", name, "health", s.Health, "reason", s.Reason)
			if !s.Until.IsZero() {
				e.wakeSender(name, s.Until)
			}
		},
		fail: func(err error) {
			if !errors.Is(err, errNothing) && !errors.Is(err, errLost) {
				e.log.Error("a connection's health could not be written", "connection", name, "err", err)
			}
		},
	})
}

// traffic notes when a connection was last heard from and called; what is noted goes to the book with the sweep.
type traffic struct{ in, out time.Time }

func (e *Engine) heard(name string) {
	now := e.d.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.traffic[name]
	t.in = now
	e.traffic[name] = t
}

func (e *Engine) called(name string) {
	now := e.d.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.traffic[name]
	t.out = now
	e.traffic[name] = t
}

// flushTraffic writes what was noted since it was last written.
func (e *Engine) flushTraffic() {
	e.mu.Lock()
	noted := e.traffic
	e.traffic = map[string]traffic{}
	e.mu.Unlock()
	if len(noted) == 0 {
		return
	}
	e.commit(intent{apply: func(tx *record.Tx) error {
		for name, t := range noted {
			s, err := tx.ConnectionState(name)
			if err != nil {
				return err
			}
			s.Connection = name
			if t.in.After(s.LastIn) {
				s.LastIn = t.in
			}
			if t.out.After(s.LastOut) {
				s.LastOut = t.out
			}
			if err := tx.SetConnectionState(s); err != nil {
				return err
			}
		}
		return nil
	}})
}

// probeConnections lets a connection whose outage may have ended try its next piece of work.
func (e *Engine) probeConnections() {
	now := e.d.Now()
	for name := range e.today().ws.Connections {
		s := e.stateOf(name)
		if s.Health != waybill.HealthWorking && !s.Until.IsZero() && !s.Until.After(now) {
			e.pump(name)
			e.probe(name)
		}
	}
}

// probe finds out whether an outage is over when no work is there that would: by the read that names the account, which
// harms nothing. Where there is none the outage is forgotten; the next call tells.
func (e *Engine) probe(name string) {
	t, ok := e.target(name)
	if !ok {
		return
	}
	action := t.Manifest.Actions[t.Manifest.Identity.Action]
	var read deliver.Rendered
	if action != nil {
		var err error
		if read, err = deliver.Render(t, action, map[string]any{}, ""); err != nil {
			action = nil
		}
	}
	now, limits := e.d.Now(), e.limits(name)
	e.mu.Lock()
	s := e.governor.State(name)
	idle := e.sender(name).held == 0 && s.Health != waybill.HealthWorking && s.Health != waybill.HealthPaused
	if idle && action != nil {
		idle, _ = e.acquire(name, limits, now)
	}
	if idle && action == nil {
		s.Health, s.Cause, s.Reason, s.Since, s.Until, s.Failures = waybill.HealthWorking, "", "", now, time.Time{}, 0
		e.governor.Restore(s)
	}
	e.mu.Unlock()
	switch {
	case idle && action == nil:
		e.healthChanged(name)
	case idle:
		e.d.Go(func() {
			x := e.o.Caller.Call(context.Background(), t, action, read.Request)
			e.release(name, &x)
		})
	}
}

// pause holds a connection until a person resumes it; words say who holds it and why.
func (e *Engine) pause(name, words string) {
	e.mu.Lock()
	e.governor.Pause(name, words, e.d.Now())
	e.mu.Unlock()
	e.writeHealth(name, true)
}

// resume ends a pause. Of an outage it ends the hold only: the next call finds out whether it is over.
func (e *Engine) resume(name string) {
	e.mu.Lock()
	if e.governor.State(name).Health == waybill.HealthPaused {
		e.governor.Resume(name, e.d.Now())
	} else {
		e.governor.Probe(name, e.d.Now())
	}
	e.mu.Unlock()
	e.writeHealth(name, true)
	e.hurry(name)
	e.probe(name)
}

// permit lets a parked action go on: a person says that the permission is there.
func (e *Engine) permit(name, action string) {
	e.mu.Lock()
	e.governor.Unpark(name, action)
	e.mu.Unlock()
	e.writeHealth(name, true)
	e.hurry(name)
}

// hurry makes the work of a connection that waits for a time due now, as far as one look at the table finds it; what is
// left comes at its time.
func (e *Engine) hurry(name string) {
	now := e.d.Now()
	e.commit(intent{apply: func(tx *record.Tx) error {
		flows, err := tx.BusyFlows(name)
		if err != nil {
			return err
		}
		for _, flow := range flows {
			if err := e.hurryFlow(tx, name, flow, now); err != nil {
				return err
			}
		}
		fetches, err := tx.DueFetches(name, now.Add(48*time.Hour), 256)
		if err != nil {
			return err
		}
		for i := range fetches {
			if f := &fetches[i]; f.DueAt.After(now) {
				f.DueAt = time.Time{}
				if err := tx.MoveFetch(f, waybill.FetchPlanned); err != nil {
					return err
				}
			}
		}
		return nil
	}})
	e.refillSender(name)
	e.pump(name)
}

// hurryFlow makes the effects of one flow due now.
func (e *Engine) hurryFlow(tx *record.Tx, name, flow string, now time.Time) error {
	effects, err := tx.DueEffects(name, flow, now.Add(48*time.Hour), 256)
	if err != nil {
		return err
	}
	for i := range effects {
		if eff := &effects[i]; eff.DueAt.After(now) {
			eff.DueAt = time.Time{}
			if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
				return err
			}
		}
	}
	return nil
}
