package engine

import (
	"context"
	"fmt"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/record"
)

// job is an effect or a fetch to be exchanged with the outside.
type job struct {
	effect *waybill.Effect
	fetch  *waybill.Fetch
	action *connector.Action
	b      *begun // the run it belongs to, when this process holds it
	slot   bool   // the connection's slot is in hand, and an effect is written as sent
}

func (j *job) id() string {
	if j.effect != nil {
		return string(j.effect.ID)
	}
	return string(j.fetch.ID)
}

func (j *job) connection() string {
	if j.effect != nil {
		return j.effect.Connection
	}
	return j.fetch.Connection
}

func (j *job) dueAt() time.Time {
	if j.effect != nil {
		return j.effect.DueAt
	}
	return j.fetch.DueAt
}

// sender holds a connection's jobs: bounded, in the order they fell due. A connection that is down holds its own jobs
// and nobody else's.
type sender struct {
	queue  []*job
	missed bool // the table has more
	timer  func()
	at     time.Time
}

// senderBound is how many jobs of one connection are held in memory.
const senderBound = 1024

func (e *Engine) sender(name string) *sender { // called with mu held
	s := e.senders[name]
	if s == nil {
		s = &sender{}
		e.senders[name] = s
	}
	return s
}

// queue hands a job to its connection, or leaves it to the table when that holds enough already.
func (e *Engine) queue(j *job) {
	if due := j.dueAt(); due.After(e.d.Now()) {
		e.wakeSender(j.connection(), due)
		return
	}
	if !e.claims.take(j.id()) {
		return
	}
	e.mu.Lock()
	s := e.sender(j.connection())
	if len(s.queue) >= senderBound {
		s.missed = true
		e.mu.Unlock()
		e.claims.drop(j.id())
		return
	}
	s.queue = append(s.queue, j)
	e.mu.Unlock()
	e.pump(j.connection())
}

// pump starts as many of a connection's jobs as its slots, rate and health allow.
func (e *Engine) pump(name string) {
	limits := e.limits(name)
	for {
		e.mu.Lock()
		s := e.sender(name)
		i := e.nextFree(s)
		if i < 0 {
			refill := s.missed && len(s.queue) < senderBound/4
			s.missed = s.missed && !refill
			e.mu.Unlock()
			if refill {
				e.d.Go(func() { e.refillSender(name) })
			}
			return
		}
		ok, again := e.governor.Acquire(name, limits, e.d.Now())
		if !ok {
			e.mu.Unlock()
			if !again.IsZero() {
				e.wakeSender(name, again)
			}
			return
		}
		j := s.queue[i]
		s.queue = append(s.queue[:i], s.queue[i+1:]...)
		if j.effect != nil {
			e.busyObject(j.effect, 1)
		}
		e.mu.Unlock()
		e.d.Go(func() { e.send(j) })
	}
}

// nextFree finds the first job whose object no other effect is being written to; -1 when there is none. Called with mu
// held.
func (e *Engine) nextFree(s *sender) int {
	const look = 64 // a long line behind one object is not searched to its end
	for i := 0; i < len(s.queue) && i < look; i++ {
		if j := s.queue[i]; j.effect == nil || e.busy[objectKey(j.effect)] == 0 {
			return i
		}
	}
	return -1
}

// objectKey names what an effect of kind state writes to; empty when it need not wait for others.
func objectKey(eff *waybill.Effect) string {
	if eff.Kind != waybill.KindState || eff.Object.Key == "" {
		return ""
	}
	return eff.Account + "\x00" + eff.Object.Type + "\x00" + eff.Object.Key
}

func (e *Engine) busyObject(eff *waybill.Effect, n int) { // called with mu held
	if key := objectKey(eff); key != "" {
		if e.busy[key] += n; e.busy[key] <= 0 {
			delete(e.busy, key)
		}
	}
}

func (e *Engine) unbusy(eff *waybill.Effect) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busyObject(eff, -1)
}

// reserve takes a slot for an effect about to be planned, when its grade lets `sent` ride along with the plan and
// nobody is ahead of it.
func (e *Engine) reserve(a *advance) {
	eff := a.effect
	if eff == nil || eff.Repeat != waybill.RepeatKey && eff.Repeat != waybill.RepeatNatural || needsBefore(eff, a.action) {
		return
	}
	limits := e.limits(eff.Connection)
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sender(eff.Connection)
	if e.stopping || len(s.queue) > 0 || s.missed || e.busy[objectKey(eff)] > 0 {
		return
	}
	if ok, _ := e.governor.Acquire(eff.Connection, limits, e.d.Now()); ok {
		a.slot = true
		e.busyObject(eff, 1)
	}
}

// unreserve gives back the slot of an effect that was not written as sent.
func (e *Engine) unreserve(a *advance) {
	a.slot = false
	e.unbusy(a.effect)
	e.release(a.effect.Connection, nil)
}

// reserveAll takes slots for what an advance plans, and for what begins with the events it emits.
func (e *Engine) reserveAll(a *advance) {
	e.reserve(a)
	for _, o := range a.emits {
		e.reserveOpening(o)
	}
}

// reserveOpening takes slots for what the runs of an event begin with.
func (e *Engine) reserveOpening(o *opening) {
	for _, a := range o.advances {
		e.reserveAll(a)
	}
}

func (e *Engine) limits(name string) connector.Limits {
	if c := e.today().ws.Connections[name]; c != nil {
		return c.Limits
	}
	return connector.Limits{}
}

// wakeSender asks a connection's sender to look at its table at t, unless it will sooner anyway.
func (e *Engine) wakeSender(name string, t time.Time) {
	if !t.Before(waybill.Held()) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sender(name)
	if e.stopping || s.timer != nil && !s.at.After(t) {
		return
	}
	if s.timer != nil {
		s.timer()
	}
	s.at = t
	s.timer = e.d.At(t, func() {
		e.mu.Lock()
		s.timer = nil
		e.mu.Unlock()
		e.refillSender(name)
		e.pump(name)
	})
}

// refillSenders looks at the tables of every connection that has work there.
func (e *Engine) refillSenders() {
	var names []string
	err := e.view(func(tx *record.Tx) (err error) { names, err = tx.BusyConnections(); return err })
	if err != nil {
		e.log.Error("the connections with work could not be read", "err", err)
		return
	}
	for _, name := range names {
		e.refillSender(name)
		e.pump(name)
	}
}

// refillSender reads from the table the jobs of a connection that are due and not in hand.
func (e *Engine) refillSender(name string) {
	e.mu.Lock()
	s := e.sender(name)
	free := senderBound - len(s.queue)
	e.mu.Unlock()
	if free < senderBound/2 {
		return
	}
	now := e.d.Now()
	var effects []waybill.Effect
	var fetches []waybill.Fetch
	err := e.view(func(tx *record.Tx) (err error) {
		if effects, err = tx.DueEffects(name, now, free); err != nil {
			return err
		}
		fetches, err = tx.DueFetches(name, now, free/4)
		return err
	})
	if err != nil {
		e.log.Error("the work of a connection could not be read", "connection", name, "err", err)
		return
	}
	var jobs []*job
	for i := range fetches {
		jobs = append(jobs, &job{fetch: &fetches[i]})
	}
	for i := range effects {
		jobs = append(jobs, &job{effect: &effects[i]})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range jobs {
		if len(s.queue) < senderBound && e.claims.take(j.id()) {
			s.queue = append(s.queue, j)
		}
	}
	s.missed = s.missed || len(effects) >= free
}

// send is the third transaction: with the connection's slot in hand the gate is asked, and `sent` is on stable storage
// before the first byte leaves. Then one exchange is made.
func (e *Engine) send(j *job) {
	if err := e.complete(j); err != nil {
		e.log.Error("a job could not be prepared", "id", j.id(), "err", err)
		e.handBack(j)
		return
	}
	if j.effect == nil {
		if e.parked(j.fetch.Connection, j.fetch.Action) {
			e.putOffFetch(j)
			return
		}
		e.exchange(j)
		return
	}
	if needsBefore(j.effect, j.action) {
		e.readBefore(j)
		return
	}
	var deciding waybill.GateAnswer
	var after *advance
	sent := *j.effect
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			eff, err := tx.Effect(j.effect.ID)
			if err != nil {
				return err
			}
			after, sent = nil, *eff
			if sent.State != waybill.EffectPlanned || sent.DueAt.After(e.d.Now()) {
				return errNothing
			}
			run, err := tx.Run(sent.Run)
			if err != nil {
				return err
			}
			if deciding, err = e.askGate(tx, &sent, run); err != nil {
				return err
			}
			if deciding.Verdict == waybill.Go {
				sent.State, sent.SentAt, sent.Reason = waybill.EffectSent, e.d.Now(), ""
				sent.DueAt = time.Time{}
				if sent.KeyUntil.IsZero() {
					sent.KeyUntil = deliver.KeyUntil(j.action, sent.SentAt)
				}
				return tx.MoveEffect(&sent, waybill.EffectPlanned)
			}
			after, err = e.held(tx, &sent, run, deciding)
			return err
		},
		after: func() {
			if deciding.Verdict == waybill.Go {
				j.effect = &sent
				e.exchange(j)
				return
			}
			e.handBack(j)
			if after != nil {
				e.follow(after)
			}
			if deciding.Verdict == waybill.WaitUntil {
				e.wakeSender(sent.Connection, sent.DueAt)
			}
		},
		fail: func(err error) {
			if err != errNothing { //nolint:errorlint // it is ours and never wrapped
				e.log.Error("an effect could not be sent", "effect", j.effect.ID, "err", err)
			}
			e.handBack(j)
		},
	})
}

// askGate asks every rule over what the book says now, and keeps the answers on the effect.
func (e *Engine) askGate(tx *record.Tx, eff *waybill.Effect, run *waybill.Run) (waybill.GateAnswer, error) {
	view := deliver.GateView{Effect: eff, Run: run, Environment: e.o.Environment, Now: e.d.Now()}
	if c := e.today().ws.Connections[eff.Connection]; c != nil {
		view.Allow = c.Allow
	}
	if run.State == waybill.RunDone && eff.Generation > 1 {
		view.Run = nil // a part that failed, and that a person has sent after all: no run waits for it
	}
	view.Recipient = recipient(eff)
	state := e.stateOf(eff.Connection)
	view.Connection = &state
	if eff.Kind == waybill.KindState && eff.Object.Key != "" {
		var err error
		if view.Newest, view.NewestBy, err = tx.Stamp(eff.Account, eff.Object.Type, eff.Object.Key); err != nil {
			return waybill.GateAnswer{}, fmt.Errorf("read what was written to %s %s: %w", eff.Object.Type, eff.Object.Key, err)
		}
	}
	answers, deciding := deliver.AskGate(e.rules, view)
	eff.Gate = answers
	return deciding, nil
}

// held writes what the gate decided for an effect it does not let go.
func (e *Engine) held(tx *record.Tx, eff *waybill.Effect, run *waybill.Run, g waybill.GateAnswer) (*advance, error) {
	eff.Reason = g.Reason
	switch g.Verdict {
	case waybill.WaitUntil:
		eff.DueAt = g.Until
		return nil, tx.MoveEffect(eff, waybill.EffectPlanned)
	case waybill.Skip:
		eff.State, eff.SettledAt = waybill.EffectSkipped, e.d.Now()
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return nil, err
		}
		return e.goOn(tx, run, eff, answerOf(eff))
	default: // ask, refuse
		eff.DueAt = waybill.Held()
		if eff.Doubted {
			eff.State = waybill.EffectUnknown // it may have happened, and is not sent again by itself
		}
		if err := tx.MoveEffect(eff, waybill.EffectPlanned); err != nil {
			return nil, err
		}
		return nil, e.listRun(tx, run, eff, blame{
			cause: waybill.BlockedByRule, connection: eff.Connection,
			action: eff.Action, code: g.Rule, words: g.Reason, owner: run.Owner,
		})
	}
}

// complete fills in what a job read from the table lacks.
func (e *Engine) complete(j *job) error {
	if j.action != nil {
		return nil
	}
	var name string
	if j.effect != nil {
		name = j.effect.Action
	} else {
		name = j.fetch.Action
	}
	t, ok := e.target(j.connection())
	if !ok {
		return fmt.Errorf("the connection %q is not in the workspace", j.connection())
	}
	if j.action = t.Manifest.Actions[name]; j.action == nil {
		return fmt.Errorf("%s has no action %q", t.Manifest.Title, name)
	}
	return nil
}

// handBack gives slot, object and claim of a job back without an exchange.
func (e *Engine) handBack(j *job) {
	if j.effect != nil {
		e.unbusy(j.effect)
	}
	e.claims.drop(j.id())
	e.release(j.connection(), nil)
}

// release gives a slot back, lets the governor learn from the exchange, and starts what can go next.
func (e *Engine) release(name string, x *deliver.Exchange) {
	e.mu.Lock()
	changed, _ := e.governor.Release(name, x, e.d.Now())
	e.mu.Unlock()
	if changed {
		e.healthChanged(name)
	}
	e.pump(name)
}

// exchange makes one attempt and writes what it proves.
func (e *Engine) exchange(j *job) {
	t, ok := e.target(j.connection())
	if !ok {
		e.handBack(j)
		return
	}
	var req waybill.Request
	if j.effect != nil {
		req = j.effect.Request
	} else {
		req = j.fetch.Request
	}
	e.called(t.Connection)
	x := e.o.Caller.Call(context.Background(), t, j.action, req)
	x.Attempt.ID = waybill.AttemptID(e.ids.New("att"))
	if j.effect != nil {
		e.outcome(j, x)
	} else {
		e.fetched(j, x)
	}
}
