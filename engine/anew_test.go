package engine_test

import (
	"strings"
	"testing"
	"time"

	"waybill"
)

// labelled is a workspace whose table knows the currency INR, and whatever other rows say.
func labelled(t *testing.T, rows string) map[string]string {
	t.Helper()
	return map[string]string{
		"tables/labels.csv": "# otherwise: ask\nkey,value\n" + rows,
		"flows/one.yaml": `flow: one
title: One
owner: ops
on: payment.succeeded
steps:
  - id: up
    do: crm.contact.upsert
    with: {email: "${payment.id}@example.com", first_name: "${table('labels', payment.amount.currency)}"}
`,
	}
}

// TestWhatATableDidNotKnowRunsAgainOnTodaysVersionOnceItDoes: a retry keeps the files that the run began with, so it stops at
// the same place; the button that is advised does not.
func TestWhatATableDidNotKnowRunsAgainOnTodaysVersionOnceItDoes(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
	}{{"one event", 1}, {"all that the problem holds", 3}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, load(t, files(labelled(t, "USD,Dollar\n"))))
			for range c.n {
				r.send("pay", "payment_intent.succeeded", nil)
			}
			r.run(time.Minute)
			if got := len(r.blocked()); got != c.n {
				t.Fatalf("%d runs need a person: %+v", got, r.runs())
			}
			p := r.problems("open")[0]
			if p.Cause != waybill.MissingValue || !strings.Contains(p.Title, "A table has no row for a value (labels: INR)") {
				t.Errorf("the problem: %s, %q", p.Cause, p.Title)
			}
			object := string(p.ID)
			if c.n == 1 {
				object = string(r.blocked()[0].ID)
			}
			if list := r.offers(object); strings.Contains(strings.Join(list, ","), string(waybill.VerbAnew)) {
				t.Errorf("offered on the version it began with: %v", list)
			}
			if err := r.engine.Reload(t.Context(), load(t, files(labelled(t, "USD,Dollar\nINR,Rupee\n")))); err != nil {
				t.Fatal(err)
			}
			r.act(object, waybill.VerbRetry, "")
			r.run(time.Minute)
			if got := len(r.blocked()); got != c.n {
				t.Fatalf("after a retry %d need a person", got)
			}
			if anew := r.offered(object, waybill.VerbAnew); !anew.Primary || r.offered(object, waybill.VerbRetry).Primary {
				t.Errorf("advised: %+v", anew)
			}
			r.act(object, waybill.VerbAnew, "the row was added")
			r.run(5 * time.Minute)
			done, made := 0, 0
			for _, run := range r.runs() {
				if run.State == waybill.RunDone {
					done++
				}
			}
			for _, eff := range r.effects() {
				if eff.State == waybill.EffectConfirmed && strings.Contains(string(eff.Inputs), "Rupee") {
					made++
				}
			}
			rows, _, err := r.book.Events(t.Context(), waybill.EventFilter{Type: "payment.succeeded"})
			for _, row := range rows {
				if err != nil || row.State != waybill.RunDone {
					t.Errorf("%s stands as %s: %s, %v", row.ID, row.State, row.Reason, err)
				}
			}
			if done != c.n || made != c.n || len(r.blocked()) != 0 || len(r.problems("open")) != 0 {
				t.Errorf("%d done, %d written, blocked %+v, problems %+v", done, made, r.blocked(), r.problems("open"))
			}
		})
	}
}

// TestWhatIsRunAgainOnTodaysVersionIsThatFlowAlone: the others that the same event started are nobody's choice.
func TestWhatIsRunAgainOnTodaysVersionIsThatFlowAlone(t *testing.T) {
	other := "flow: other\ntitle: Other\nowner: ops\non: payment.succeeded\nsteps:\n" +
		"  - {id: tell, do: out.request.send, with: {path: /told, body: {payment: \"${payment.id}\"}}}\n"
	more := "  - {id: more, was: [], do: out.request.post, with: {path: /more, body: {payment: \"${payment.id}\"}}}\n"
	with := func(rows, other string) map[string]string {
		fs := labelled(t, rows)
		fs["flows/other.yaml"] = other
		return fs
	}
	for _, problem := range []bool{false, true} {
		r := newRig(t, load(t, files(with("USD,Dollar\n", other))))
		r.send("pay", "payment_intent.succeeded", nil)
		r.run(time.Minute)
		object := string(r.blocked()[0].ID)
		if problem {
			object = string(r.onlyProblem().ID)
		}
		if err := r.engine.Reload(t.Context(), load(t, files(with("USD,Dollar\nINR,Rupee\n", other+more)))); err != nil {
			t.Fatal(err)
		}
		r.act(object, waybill.VerbAnew, "the row was added")
		r.run(5 * time.Minute)
		if n := len(r.blocked()); n != 0 {
			t.Errorf("%d need a person", n)
		}
		for _, run := range r.runs() {
			if run.Flow == "other" && run.Mode == waybill.ModeReplay {
				t.Errorf("of a problem %v: the other flow ran again, too", problem)
			}
		}
	}
}
