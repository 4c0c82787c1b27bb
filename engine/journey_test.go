package engine_test

import (
	"testing"

	"waybill"
)

func TestAJourneyTellsHowEachFieldCameToBe(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{
		"flows/paid.yaml": "flow: paid\ntitle: Paid\nowner: ops\non: payment.succeeded\nsteps:\n" + sendStep,
	})))
	r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": "SO-1001"})
	r.run(0)
	r.restart() // lines are told from the book, by whoever is asked
	j, err := r.engine.Journey(t.Context(), string(r.onlyRun().ID))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]waybill.MappedField{}
	for _, line := range j.Event.Mapping {
		lines[line.Target] = line
	}
	amount := lines["payment.amount"]
	if amount.Source != "${money(object.amount_received, object.currency)}" || amount.Value == "" || amount.File != "stripe/manifest.yaml" || amount.Line == 0 {
		t.Errorf("the amount came to be as %+v", amount)
	}
	if left := lines["payment.method"]; left.Value != "" && left.Note != "" {
		t.Errorf("a field has a value and a reason to have none: %+v", left)
	}
}
