package deliver

import (
	"fmt"
	"time"

	"waybill"
	"waybill/connector"
)

// Decision is what comes after an exchange.
type Decision struct {
	State     waybill.EffectState // confirmed, declined, unknown, planned
	DueAt     time.Time           // next attempt or look-up; zero: none by itself
	Look      bool                // DueAt is for a look-up
	Outage    bool                // the connection, not the work, is to blame
	CountsTry bool                // the attempt counts against the limit
	Looks     int                 // what the effect's Looks becomes: look-ups before a later attempt mean nothing
	Doubted   bool                // an attempt may have happened and nothing has settled that: the effect keeps it
	Cause     waybill.Cause       // of the failure or doubt; empty when it is confirmed
	Proof     string              // what proves a settled effect
	Reason    string              // in words
	Ask       bool                // a person decides; proof that comes by itself still settles it
}

// Policy bounds retries. A zero field means its default.
type Policy struct {
	Tries         int            // attempts that count, before a person is asked; default 8
	Looks         int            // look-ups that cannot prove absence, before a person is asked; default 3
	First         time.Duration  // default 2 s; doubled each time, full jitter
	Longest       time.Duration  // default 1 h
	RetryAfterCap time.Duration  // default 24 h
	Settle        time.Duration  // between look-ups, where the connector says nothing; default 10 s
	Callback      time.Duration  // how long a webhook that is to tell the outcome is waited for; default 24 h
	Jitter        func() float64 // in [0,1)
}

func (p Policy) withDefaults() Policy {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	if p.Tries <= 0 {
		p.Tries = 8
	}
	if p.Looks <= 0 {
		p.Looks = 3
	}
	set(&p.First, 2*time.Second)
	set(&p.Longest, time.Hour)
	set(&p.RetryAfterCap, 24*time.Hour)
	set(&p.Settle, 10*time.Second)
	set(&p.Callback, 24*time.Hour)
	if p.Jitter == nil {
		p.Jitter = func() float64 { return 0.5 }
	}
	return p
}

// backoff is full jitter over a bound that doubles with each try: it spreads the work of many effects that failed at
// the same instant.
func (p Policy) backoff(tries int) time.Duration {
	bound := p.First
	for range min(max(tries, 0), 40) {
		if bound *= 2; bound >= p.Longest {
			bound = p.Longest
			break
		}
	}
	return time.Duration(p.Jitter() * float64(bound))
}

// wait is how long to leave the other side alone: what it asked for, bounded, else our own backoff.
func (p Policy) wait(tries int, retryAfter time.Duration) time.Duration {
	if retryAfter <= 0 {
		return p.backoff(tries)
	}
	return min(retryAfter, p.RetryAfterCap) + time.Duration(p.Jitter()*float64(p.First))
}

// passing reports whether the cause may pass by itself, so that sending the same bytes again makes sense.
func passing(c waybill.Cause) bool {
	switch c {
	case waybill.SignInExpired, waybill.LimitReached, waybill.TheirSideDown, waybill.TooSlow, waybill.AnswerLost,
		waybill.FormatChanged, waybill.OurSide, "":
		return true
	default:
		return false
	}
}

// Decide says what an exchange means for an effect. It is pure. The effect is as it was sent: Tries without this
// attempt, Doubted by earlier ones.
func Decide(e *waybill.Effect, action *connector.Action, x Exchange, p Policy, now time.Time) Decision {
	j := judgement{e: e, action: action, x: x, p: p.withDefaults(), now: now}
	d := j.decide()
	if d.State != waybill.EffectConfirmed {
		d.Cause = x.Attempt.Cause
	}
	return d
}

// judgement is one exchange of one effect under a policy.
type judgement struct {
	e      *waybill.Effect
	action *connector.Action
	x      Exchange
	p      Policy
	now    time.Time
}

func (j *judgement) decide() Decision {
	cause := j.x.Attempt.Cause
	switch j.x.Attempt.Certainty {
	case waybill.Happened:
		return j.happened()
	case waybill.Declined:
		if cause == waybill.PermissionMissing || cause.Outage() {
			return j.notHappened() // the cause decides: with permission, or later, the same request is welcome
		}
		return j.declined()
	case waybill.NotHappened:
		return j.notHappened()
	default:
		return j.inDoubt()
	}
}

func (j *judgement) happened() Decision {
	if j.action.Proves == "callback" {
		return Decision{
			State: waybill.EffectUnknown, DueAt: j.now.Add(j.p.Callback), Doubted: true,
			Reason: "they took it; their webhook tells whether it happened",
		}
	}
	proof := j.answer()
	if j.action.Proves == "handed_over" {
		proof = "handed over: " + proof
	}
	if j.x.Object != "" {
		proof += ", " + j.x.Object
	}
	return Decision{State: waybill.EffectConfirmed, Proof: proof, Reason: j.x.Words}
}

func (j *judgement) answer() string { return fmt.Sprintf("answer %d", j.x.Attempt.Status) }

func (j *judgement) declined() Decision {
	if j.e.Doubted && !j.final() {
		return j.unsettled("refused now, but an earlier attempt may have happened: " + j.x.Words)
	}
	return Decision{State: waybill.EffectDeclined, Proof: j.answer(), Reason: j.x.Words, CountsTry: true}
}

// final reports whether the provider's key makes a refusal hold for every attempt with that key.
func (j *judgement) final() bool {
	return grade(j.e, j.action) == waybill.RepeatKey && j.action.Key.Final && harmless(j.e, j.action, j.now)
}

func (j *judgement) notHappened() Decision {
	cause := j.x.Attempt.Cause
	d := Decision{State: waybill.EffectPlanned, Doubted: j.e.Doubted, Reason: j.x.Words}
	switch {
	case j.x.SignIn && j.x.Attempt.RetryAfter > 0:
		d.DueAt = j.now.Add(signInAgain(j.x))
	case j.x.SignIn:
		d.DueAt, d.Reason = j.now, "signed in anew; going on"
	case j.x.Held:
		d.DueAt = j.now
	case !passing(cause):
		d.CountsTry = true
		return j.ask(d, "it did not happen; sending the same again would not help: "+j.x.Words)
	default:
		d.Outage = cause.Outage()
		d.CountsTry = j.counts()
		if d.CountsTry && j.e.Tries+1 >= j.p.Tries {
			return j.ask(d, fmt.Sprintf("tried %d times, it did not happen: %s", j.e.Tries+1, j.x.Words))
		}
		d.DueAt = j.now.Add(j.p.wait(j.e.Tries, j.x.Attempt.RetryAfter))
	}
	if d.Doubted && !harmless(j.e, j.action, d.DueAt) {
		return j.unsettled("an earlier attempt may have happened, and sending it again is no longer harmless")
	}
	return d
}

// ask leaves what did not happen to a person; with an earlier doubt it is the doubt that is to be settled.
func (j *judgement) ask(d Decision, words string) Decision {
	if d.Doubted {
		u := j.unsettled(words)
		u.Outage, u.CountsTry = d.Outage, d.CountsTry
		return u
	}
	d.Ask, d.DueAt, d.Reason = true, time.Time{}, words
	return d
}

// counts says whether the attempt uses up a try: an outage does not, unless the connection answers others.
func (j *judgement) counts() bool {
	cause := j.x.Attempt.Cause
	return !cause.Outage() || j.x.Alone && cause != waybill.LimitReached
}

func (j *judgement) inDoubt() Decision {
	cause := j.x.Attempt.Cause
	d := Decision{State: waybill.EffectPlanned, Doubted: true, Outage: cause.Outage(), CountsTry: j.counts()}
	out := d.CountsTry && j.e.Tries+1 >= j.p.Tries
	d.DueAt = j.now.Add(j.p.wait(j.e.Tries, j.x.Attempt.RetryAfter))
	if passing(cause) && !out && harmless(j.e, j.action, d.DueAt) {
		d.Reason = "it may have happened; sending it again is harmless: " + j.x.Words
		return d
	}
	u := j.unsettled("it may have happened: " + j.x.Words)
	u.Outage, u.CountsTry = d.Outage, d.CountsTry
	return u
}

func (j *judgement) lookup() bool { return j.action != nil && j.action.Lookup != nil }

// unsettled is the end of what can be done by sending: look, wait for the webhook, ask. Never guess.
func (j *judgement) unsettled(words string) Decision {
	d := Decision{State: waybill.EffectUnknown, Doubted: true, Reason: words}
	switch {
	case j.lookup():
		d.Look, d.DueAt = true, j.now.Add(j.settle())
	case j.action != nil && j.action.SettledBy:
		d.Ask, d.Reason = true, words+"; their webhook may still settle it"
	default:
		d.Ask = true
	}
	return d
}

func (j *judgement) settle() time.Duration {
	if j.lookup() && j.action.Lookup.Settle > 0 {
		return j.action.Lookup.Settle
	}
	return j.p.Settle
}

// SettleTime is how long after an exchange the other side may still make something of it, before which a look-up proves
// nothing; action may be nil.
func SettleTime(action *connector.Action, p Policy) time.Duration {
	if action == nil {
		return p.withDefaults().Settle
	}
	j := judgement{e: &waybill.Effect{}, action: action, p: p.withDefaults()}
	return j.settle()
}

// grade is what made the effect's repeat harmless when it was planned.
func grade(e *waybill.Effect, action *connector.Action) waybill.Repeat {
	if e.Repeat == "" && action != nil {
		return action.Repeat
	}
	return e.Repeat
}

// harmless reports whether sending the effect again at time at does no more than the first time did. The request must reach
// them while they know the key, so the life is cut by the time one exchange may take.
func harmless(e *waybill.Effect, action *connector.Action, at time.Time) bool {
	switch grade(e, action) {
	case waybill.RepeatNatural:
		return true
	case waybill.RepeatKey:
		until := e.KeyUntil
		if until.IsZero() && action != nil && action.Key.Life > 0 {
			until = e.PlannedAt.Add(action.Key.Life) // not noted when first sent: count from the earliest it can have been
		}
		return until.IsZero() || at.Add(TimeLimit(action)).Before(until)
	default:
		return false
	}
}

// TimeLimit bounds one exchange.
func TimeLimit(action *connector.Action) time.Duration {
	if action == nil || action.Timeout <= 0 {
		return 30 * time.Second
	}
	return action.Timeout
}

// Recover says what becomes of an effect found as sent after the process ended in mid-exchange. It is pure. A harmless
// repeat goes at once; action may be nil when the connector no longer has it.
func Recover(e *waybill.Effect, action *connector.Action, p Policy, now time.Time) Decision {
	x := Exchange{Words: "Waybill stopped before the answer came"}
	x.Attempt.Certainty, x.Attempt.Cause = waybill.InDoubt, waybill.AnswerLost
	d := Decide(e, action, x, p, now)
	if d.State == waybill.EffectPlanned {
		d.DueAt = now
	}
	return d
}

// Overdue says what becomes of an unknown effect whose webhook did not come in time. It is pure.
func Overdue(e *waybill.Effect, action *connector.Action, p Policy, now time.Time) Decision {
	j := judgement{e: e, action: action, p: p.withDefaults(), now: now}
	d := j.unsettled("their webhook did not come")
	d.Cause, d.Looks = waybill.AnswerLost, e.Looks
	return d
}

// DecideLook says what a look-up proves about an effect in doubt. It is pure. x is the look-up's exchange, with Matched
// set when it found our write, and e.Looks the look-ups that counted, this one included. Presence confirms. Absence needs a
// look-up that can prove it, made after the settle time, twice: an index may lag behind what it indexes.
func DecideLook(e *waybill.Effect, action *connector.Action, x Exchange, p Policy, now time.Time) Decision {
	j := judgement{e: e, action: action, x: x, p: p.withDefaults(), now: now}
	d := Decision{State: waybill.EffectUnknown, Doubted: true, Look: true, Looks: e.Looks, Cause: e.Cause}
	switch rule := j.lookRule(); {
	case x.Attempt.Certainty != waybill.Happened:
		return j.lookFailed(d)
	case x.Matched:
		proof := "found there by looking"
		if x.Object != "" {
			proof += ": " + x.Object
		}
		return Decision{State: waybill.EffectConfirmed, Proof: proof}
	case !e.SentAt.IsZero() && x.Attempt.StartedAt.Before(e.SentAt.Add(j.settle())):
		d.Looks = max(0, e.Looks-1)
		d.DueAt, d.Reason = e.SentAt.Add(j.settle()), "not there yet; too early to mean anything"
		return d
	case rule.Proves == "absence" && e.Looks > 1:
		return j.absent()
	case rule.Proves == "absence":
		d.DueAt, d.Reason = now.Add(max(j.settle(), j.p.Settle)), "not there; looking once more to be sure"
		return d
	case e.Looks < j.p.Looks:
		d.DueAt = now.Add(j.settle() << min(max(e.Looks, 1), 10))
		d.Reason = "not found; this look-up cannot prove that it did not happen"
		return d
	default:
		d.Look, d.Ask = false, true
		d.Reason = fmt.Sprintf("looked %d times and did not find it, which does not prove that it did not happen", e.Looks)
		return d
	}
}

// absent is the end of a doubt: it did not happen, and may be sent again as often as any other.
func (j *judgement) absent() Decision {
	d := Decision{
		State: waybill.EffectPlanned, DueAt: j.now, Cause: j.e.Cause,
		Reason: "looked twice after the settle time: it is not there, so it did not happen",
	}
	if j.e.Tries >= j.p.Tries {
		d.Ask, d.DueAt = true, time.Time{}
		d.Reason = fmt.Sprintf("tried %d times; %s", j.e.Tries, d.Reason)
	}
	return d
}

func (j *judgement) lookRule() connector.LookupRule {
	if !j.lookup() {
		return connector.LookupRule{Proves: "presence"}
	}
	return *j.action.Lookup
}

// lookFailed is a look-up without an answer: it says nothing about the effect, so it does not count. The pauses grow
// with the age of the doubt; what fails for longer than the longest pause, and not by an outage, is a person's.
func (j *judgement) lookFailed(d Decision) Decision {
	cause := j.x.Attempt.Cause
	d.Outage, d.Looks = cause.Outage() && !j.x.SignIn, max(0, j.e.Looks-1)
	var age time.Duration
	if !j.e.SentAt.IsZero() {
		age = max(0, j.now.Sub(j.e.SentAt))
	}
	switch {
	case j.x.SignIn:
		d.DueAt = j.now.Add(signInAgain(j.x))
	case passing(cause) && (d.Outage || age < j.p.Longest):
		d.DueAt = j.now.Add(max(j.p.Settle, min(age/4, j.p.Longest), j.p.wait(0, j.x.Attempt.RetryAfter)))
	default:
		d.Look, d.Ask = false, true
	}
	d.Reason = "it may have happened, and looking was not possible: " + j.x.Words
	return d
}

// signInAgain is how long a call waits for the token it goes on with.
func signInAgain(x Exchange) time.Duration { return min(x.Attempt.RetryAfter, turnAgain) }

// DecideFetch says what comes after a read: done, again at DueAt, or failed. A read is never in doubt. It is pure.
func DecideFetch(f *waybill.Fetch, action *connector.Action, x Exchange, p Policy, now time.Time) (waybill.FetchState, Decision) {
	if x.Attempt.Certainty == waybill.Happened {
		return waybill.FetchDone, Decision{}
	}
	j := judgement{e: &waybill.Effect{Tries: f.Tries}, action: action, x: x, p: p.withDefaults(), now: now}
	cause := x.Attempt.Cause
	d := Decision{Cause: cause, Reason: x.Words}
	switch {
	case x.SignIn:
		d.DueAt = now.Add(signInAgain(x))
	case cause == waybill.PermissionMissing: // parked: it goes on when the permission is there
		d.Ask, d.CountsTry = true, true
	case !passing(cause):
		d.Ask, d.CountsTry = true, true
		return waybill.FetchFailed, d
	default:
		d.Outage, d.CountsTry = cause.Outage(), j.counts()
		if d.CountsTry && f.Tries+1 >= j.p.Tries {
			d.Ask, d.Reason = true, fmt.Sprintf("tried %d times: %s", f.Tries+1, x.Words)
			return waybill.FetchFailed, d
		}
		d.DueAt = now.Add(j.p.wait(f.Tries, x.Attempt.RetryAfter))
	}
	return waybill.FetchPlanned, d
}
