package prove

import (
	"time"

	"waybill"
)

// mostSkew is how far two readings of a world's wall clock may be apart from the time between them.
const mostSkew = 20 * time.Minute

// judgeSteps holds what steps that wait and ask have promised: nothing is sent before a person has approved this very request,
// and nothing by a run that has ended.
func judgeSteps(b *book, say func(kind, format string, args ...any)) {
	approved := map[string]bool{}
	for i := range b.asks {
		if q := &b.asks[i]; q.State == waybill.AskApproved {
			for _, f := range q.For {
				what := f.Fingerprint
				if len(q.Values) > 0 {
					what = "changed" // then the approval itself tells what was approved
				}
				approved[string(q.Event)+" "+f.Address+" "+what] = true
			}
		}
	}
	runs := map[waybill.RunID]*waybill.Run{}
	for i := range b.runs {
		runs[b.runs[i].ID] = &b.runs[i]
	}
	for i := range b.effects {
		eff := &b.effects[i]
		if eff.SentAt.IsZero() {
			continue
		}
		of := string(eff.Event) + " " + eff.Address + " "
		if eff.Approval != "" && (!b.approvals[eff.ID] || !approved[of+eff.Fingerprint] && !approved[of+"changed"]) {
			say(Unasked, "%s.%s of %s at %s was sent, and nobody has approved it as it was sent", eff.Connection, eff.Action, eff.Flow, eff.Address)
		}
		r := runs[eff.Run]
		if r != nil && r.State == waybill.RunDone && r.FailedParts == 0 && eff.Undoes == "" && eff.SentAt.After(r.EndedAt.Add(mostSkew)) {
			say(Unasked, "%s.%s of %s at %s was sent after its run had ended: %s", eff.Connection, eff.Action, eff.Flow, eff.Address, r.Reason)
		}
	}
}

// asked are the runs that wait for a person's answer.
func (b *book) asked() map[waybill.RunID]bool {
	out := map[waybill.RunID]bool{}
	for i := range b.asks {
		if b.asks[i].State == waybill.AskOpen {
			out[b.asks[i].Run] = true
		}
	}
	return out
}
