package deliver

import (
	"waybill"
)

// The rules of the gate that wait for a press of a person. Their names are how an effect says which of them somebody lets
// it pass (waybill.Effect.Passed).
const (
	RuleRelease = "release"
)

// release holds back what a step that is being introduced would send, until a person lets each of them go, or enough of
// them went well.
func release(v GateView) waybill.GateAnswer {
	e := v.Effect
	if e.Passed[RuleRelease] != "" || e.Doubted || !e.SentAt.IsZero() {
		return pass // it is on its way
	}
	if e.Release == waybill.ReleaseHold {
		return answer(waybill.Ask, "held: release is off for this step")
	}
	if n, ok := e.Release.ByHand(); ok && v.Released < n {
		return answer(waybill.Ask, "held: the first %d of this step are released by hand, %d were so far", n, v.Released)
	}
	return pass
}
