package engine

import (
	"fmt"
	"time"

	"waybill"
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
func (e *Engine) healthChanged(name string, s waybill.ConnectionState) {
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			old, err := tx.ConnectionState(name)
			if err != nil {
				return err
			}
			now := s
			now.Connection, now.Account = name, old.Account
			now.LastIn, now.LastOut = old.LastIn, old.LastOut
			if err := tx.Clear(waybill.Member{Connection: name}); err != nil {
				return err
			}
			now.Problem = ""
			if s.Health == waybill.HealthDown || s.Health == waybill.HealthSignInNeeded || s.Health == waybill.HealthLimited {
				why := blame{cause: s.Cause, connection: name, words: s.Reason, owner: e.ownerOf("")}
				id, err := tx.Raise(e.problem(why, ""), waybill.Member{Connection: name, At: e.d.Now()})
				if err != nil {
					return fmt.Errorf("raise the outage: %w", err)
				}
				now.Problem = id
			}
			return tx.SetConnectionState(&now)
		},
		after: func() {
			e.log.Info("a connection's health changed", "connection", name, "health", s.Health, "reason", s.Reason)
			if !s.Until.IsZero() {
				e.wakeSender(name, s.Until)
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
		}
	}
}

// setPaused pauses or resumes a connection by a person.
func (e *Engine) setPaused(name string, paused bool) {
	e.mu.Lock()
	var s waybill.ConnectionState
	if paused {
		s = e.governor.Pause(name, e.d.Now())
	} else {
		s = e.governor.Resume(name, e.d.Now())
	}
	e.mu.Unlock()
	e.healthChanged(name, s)
	if !paused {
		e.refillSender(name)
		e.pump(name)
	}
}
