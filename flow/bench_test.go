package flow_test

import (
	"testing"

	"waybill/flow"
)

// BenchmarkAPaymentsRun is what deciding costs for one whole run: three calls of Next and the progress between them.
func BenchmarkAPaymentsRun(b *testing.B) {
	f := sound(b, paymentToCRM)
	data := order(nil)
	answers := []*flow.Answer{nil, yes("deal", map[string]any{"id": "7"}), yes("won", nil), yes("thanks", nil)}
	b.ReportAllocs()
	for b.Loop() {
		p := f.Start()
		for _, a := range answers {
			p, _ = f.Next(p, paidInFull, data, a, reads)
			p, _ = flow.Decode(p.Encode())
		}
	}
}

// BenchmarkConsider is what it costs to ask one flow whether an event is for it.
func BenchmarkConsider(b *testing.B) {
	f := sound(b, paymentToCRM)
	data := order(nil)
	b.ReportAllocs()
	for b.Loop() {
		if c, _, err := f.Consider(paidInFull, data); err != nil || !c.Matched {
			b.Fatal(c, err)
		}
	}
}
