package deliver

import (
	"time"

	"waybill"
	"waybill/connector"
)

// Doubt is the time about which a restored book knows nothing: from its backup to its first start.
type Doubt struct {
	From, To time.Time
}

const (
	// skew is how far a provider's clock may be from ours.
	skew = time.Minute
	// resent is how long after its first try a provider may send again what was not answered.
	resent = 72 * time.Hour
)

// Covers reports whether the process that was lost may have come to an event: one that is in the backup, or one that
// happened before the first start and that comes, again or for the first time, after it. An event without a time of its own
// (occurred is zero) is covered when it was accepted while providers still send again what they sent then.
func (d Doubt) Covers(occurred, accepted time.Time) bool {
	switch {
	case d.To.IsZero():
		return false
	case accepted.Before(d.To):
		return true
	case occurred.IsZero():
		return accepted.Before(d.To.Add(resent))
	default:
		return occurred.Before(d.To.Add(skew))
	}
}

// Weigh says how an effect stands that the lost process may have sent already. It is pure. Grade natural is sent: a
// repeat changes nothing. Grade key is sent while they know the key, counted from the backup, which is the earliest it can
// have been sent first; known says that the lost process gave it this very key. The others start as unknown: they are looked
// for, or a person is asked.
func (d Doubt) Weigh(e *waybill.Effect, action *connector.Action, known bool, p Policy, now time.Time) Restoring {
	j := judgement{e: e, action: action, p: p.withDefaults(), now: now}
	const words = "it may have been sent before the book was restored"
	switch grade(e, action) {
	case waybill.RepeatNatural:
		return Restoring{}
	case waybill.RepeatKey:
		if !known {
			break
		}
		held := *e
		if action != nil {
			held.KeyUntil = KeyUntil(action, d.From)
		}
		if harmless(&held, action, now) {
			return Restoring{Doubted: true, KeyUntil: held.KeyUntil}
		}
	default:
	}
	dec := j.unsettled(words)
	dec.Cause = waybill.AnswerLost
	if dec.Look {
		dec.DueAt = now // whatever was sent was sent before the first start
	}
	return Restoring{Doubted: true, Unknown: true, Decision: dec}
}

// Restoring is how an effect stands after a restore.
type Restoring struct {
	Doubted  bool      // it may have happened
	KeyUntil time.Time // of one that is harmless to repeat until then
	Unknown  bool      // it is not sent; Decision says what comes
	Decision Decision
}

// restoredSeen holds everything until a person has seen what a restore leaves open.
func restoredSeen(v GateView) waybill.GateAnswer {
	if !v.Restored.Paused() {
		return pass
	}
	a := answer(waybill.WaitUntil, "%s; nothing is sent until a person has looked", v.Restored.Words())
	a.Until = v.Now.Add(askAgain)
	return a
}
