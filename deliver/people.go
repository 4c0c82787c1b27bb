package deliver

import (
	"strings"

	"waybill"
)

// Rules of the gate by name. Those that wait for a press of a person are how an effect says which of them somebody lets it
// pass (waybill.Effect.Passed).
const (
	RuleOrder    = "order"
	RuleApproval = "approval"
	RuleRelease  = "release"
	RuleUndo     = "undo"
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

// undo asks a person before it writes over what somebody else wrote since: to undo is to put back what we did ourselves.
func undo(v GateView) waybill.GateAnswer {
	e, undone := v.Effect, v.Undone
	switch {
	case e.Undoes == "":
		return pass
	case undone == nil || undone.State != waybill.EffectConfirmed:
		return answer(waybill.Refuse, "what it undoes does not stand any more")
	case e.Passed[RuleUndo] != "" || e.Doubted:
		return pass
	case len(v.Changed) > 0:
		return answer(waybill.Ask, "what is there is no longer what we wrote: %s", strings.Join(v.Changed, ", "))
	case v.NewestBy != undone.ID && v.Newest != (waybill.Stamp{}) && Older(undone.Order, v.Newest):
		return answer(waybill.Ask, "a newer fact was written there since")
	default:
		return pass
	}
}

// approval lets an effect go that has to be approved only with the very values that were: whatever was changed since, by
// whomever, is asked about again.
func approval(v GateView) waybill.GateAnswer {
	switch {
	case v.Effect.Approval == "":
		return pass
	case v.Approved != "":
		return waybill.GateAnswer{Verdict: waybill.Go, Reason: "approved by " + v.Approved}
	default:
		return answer(waybill.Ask, "these very values were not approved")
	}
}
