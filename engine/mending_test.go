package engine_test

import (
	"net/http"
	"testing"
	"testing/fstest"
	"time"

	"waybill"
)

// wired is a workspace in which a website's form becomes a lead by a mapping of its own.
func wired(name string) fstest.MapFS {
	fs := base("  - id: write\n    do: out.request.put\n    with: {path: /x, body: {payment: \"${payment.id}\"}}\n")
	fs["connections/web.yaml"] = &fstest.MapFile{Data: []byte("connection: web\ntitle: The website\nconnector: http\n")}
	fs["events/web.yaml"] = &fstest.MapFile{Data: []byte(`connection: web
mappings:
  - on: form.submitted
    event: lead.created
    key: string(body.id)
    data: {id: "${string(body.id)}", status: new, source: website, name: "${string(` + name + `)}"}
`)}
	return fs
}

func TestAnItemThatAWrongMappingBlockedIsUnderstoodAfterTheFix(t *testing.T) {
	r := newRig(t, load(t, wired("body.full_name")))
	r.send("web", "form.submitted", nil)
	r.run(time.Minute)
	it := r.items()[0]
	if it.State != waybill.ItemBlocked || it.Problem == "" {
		t.Fatalf("the item is %s (%s), want blocked and listed", it.State, it.Reason)
	}
	if err := r.engine.Reload(t.Context(), load(t, wired("body.name"))); err != nil {
		t.Fatal(err)
	}
	r.act(string(it.ID), waybill.VerbRetry, "the mapping is mended")
	r.run(time.Minute)
	if it = r.items()[0]; it.State != waybill.ItemTranslated {
		t.Errorf("after the fix the item is %s (%s)", it.State, it.Reason)
	}
	if n := r.events()["lead.created"]; n != 1 {
		t.Errorf("%d leads, want 1", n)
	}
	r.wantNoProblem()
}

// TestWhatIsNotKnownOfOneActionIsOneProblem loses two answers in two ways: a person is asked about both together.
func TestWhatIsNotKnownOfOneActionIsOneProblem(t *testing.T) {
	r := newRig(t, load(t, base(grades[3].step)))
	calls := 0
	r.answer = func(connection, _ string) *http.Response {
		if connection != "wa" {
			return nil
		}
		if calls++; calls == 1 {
			return says(500, `{"error":{"code":131000,"message":"Something went wrong"}}`)
		}
		return says(500, `no answer of theirs`)
	}
	for _, order := range []string{"SO-2001", "SO-2002"} {
		r.send("pay", "payment_intent.succeeded", map[string]string{"order_id": order})
		r.run(10 * time.Minute)
	}
	for _, eff := range r.effects() {
		if eff.State != waybill.EffectUnknown {
			t.Fatalf("an effect is %s (%s), want unknown", eff.State, eff.Reason)
		}
	}
	asked := 0
	for _, p := range r.problems("open") {
		if p.Cause == waybill.AnswerLost {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("a person is asked by %d problems, want 1", asked)
	}
}
