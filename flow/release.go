package flow

import (
	"fmt"

	"waybill"
	"waybill/source"
)

// maxByHand is how many effects a step may want released by hand before it opens by itself.
const maxByHand = 100_000

// release compiles whether the effects of a step wait for a press: hold, by_hand: N, or on.
func (c *compiler) release(def *stepDef) waybill.Release {
	n := def.Release
	if n == nil {
		return ""
	}
	const takes = "release takes hold, on, or by_hand: a number."
	if t, ok := n.Scalar(); ok {
		switch t.Value {
		case string(waybill.ReleaseHold):
			return waybill.ReleaseHold
		case string(waybill.ReleaseOn):
			return ""
		}
		c.fault("E317", t.Span, takes, source.DidYouMean(t.Value, []string{"hold", "on", "by_hand"}))
		return ""
	}
	if n.Kind != source.Map || len(n.Entries) != 1 || n.Entries[0].Key != "by_hand" {
		c.fault("E317", n.Span, takes, "Write for example: release: {by_hand: 20}")
		return ""
	}
	count := 0
	wrong := source.Decode(n.Entries[0].Value, &count)
	c.add(wrong)
	if len(wrong) == 0 && (count < 1 || count > maxByHand) {
		c.fault("E317", n.Entries[0].Value.Span, fmt.Sprintf("by_hand takes a number from 1 to %d.", maxByHand), "")
		return ""
	}
	return waybill.ReleaseByHand(count)
}
