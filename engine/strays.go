package engine

import (
	"time"

	"waybill"
)

// strayAfter is how long an effect may stand as sent, and in nobody's hand, before it is settled: longer than the moment
// between a commit and the exchange that follows it.
const strayAfter = time.Minute

// settleStrays settles effects that stand as sent though this process has no exchange of theirs in hand: the book failed when
// their outcome was to be written, or when it had kept `sent` and could not say so. A restart would find them; progress must
// not wait for one.
func (e *Engine) settleStrays() {
	latest := e.d.Now().Add(-strayAfter)
	err := e.eachSent(func(eff *waybill.Effect) {
		if !eff.SentAt.After(latest) && !e.claims.held(string(eff.ID)) {
			e.recoverOne(eff.ID, e.epoch())
		}
	})
	if err != nil {
		e.log.Error("the effects that stand as sent could not be read", "err", err)
	}
}
