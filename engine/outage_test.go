package engine_test

import (
	"net/http"
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

// down answers every call of a connection as long as *on is set.
func down(r *rig, connection string, on *bool, res func() *http.Response) {
	r.answer = func(c, _ string) *http.Response {
		if *on && c == connection {
			return res()
		}
		return nil
	}
}

func TestAnOutageOfTenMinutesCostsNoTriesAndEndsByItself(t *testing.T) {
	r := newRig(t, oneStep(t, "  - id: write\n    do: crm.contact.upsert\n    with: {email: \"${payment.id}@example.com\"}\n"+afterStep))
	out := true
	down(r, "crm", &out, func() *http.Response { return says(503, `{}`) })
	for range 20 {
		r.send("pay", "payment_intent.succeeded", nil)
		r.run(20 * time.Second)
	}
	r.run(4 * time.Minute)
	if p := r.onlyProblem(); p.Cause != waybill.TheirSideDown || p.Total != 1 {
		t.Errorf("the problem is %+v", p)
	}
	if n := len(r.calls); n > 30 {
		t.Errorf("%d calls during the outage", n)
	}
	for _, eff := range r.effects() {
		if eff.State != waybill.EffectPlanned || eff.Tries > 1 {
			t.Errorf("%s is %s after %d tries", eff.ID, eff.State, eff.Tries)
		}
	}
	out = false
	r.run(7 * time.Minute)
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
	r.wantNoProblem()
}

func TestAnOutageHoldsUpNobodyElse(t *testing.T) {
	ws := load(t, files(map[string]string{
		"flows/a.yaml": "flow: a\ntitle: A\nowner: ops\non: payment.succeeded\nsteps:\n  - id: w\n    do: crm.contact.upsert\n    with: {email: asha@example.com}\n",
		"flows/b.yaml": "flow: b\ntitle: B\nowner: ops\non: payment.succeeded\nsteps:\n" + sendStep,
	}))
	r := newRig(t, ws)
	out := true
	down(r, "crm", &out, func() *http.Response { return says(503, `{}`) })
	for range 10 {
		pay(r)
	}
	for _, run := range r.runs() {
		want := waybill.RunDone
		if run.Flow == "a" {
			want = waybill.RunWaiting
		}
		r.wantRun(run, want, "")
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	r := newRig(t, oneStep(t, sendStep))
	n := 0
	r.answer = func(c, _ string) *http.Response {
		if n++; c == "out" && n == 1 {
			return says(429, `{}`, "Retry-After", "120")
		}
		return nil
	}
	pay(r)
	r.run(110 * time.Second)
	if len(r.calls) != 1 {
		t.Errorf("%d calls within the time they asked for", len(r.calls))
	}
	r.run(time.Minute)
	eff := r.newest("write")
	if eff.State != waybill.EffectConfirmed || eff.Tries != 0 {
		t.Errorf("%s after %d tries", eff.State, eff.Tries)
	}
	r.wantNoProblem()
}

func TestASignInThatExpiredParksTheConnectionUntilAPersonResumesIt(t *testing.T) {
	for _, object := range []string{"connection", "problem"} {
		t.Run("by the "+object, func(t *testing.T) {
			r := newRig(t, oneStep(t, sendStep))
			out := true
			down(r, "out", &out, func() *http.Response { return says(401, `{}`) })
			for range 5 {
				pay(r)
			}
			r.run(time.Hour)
			calls := len(r.calls)
			r.run(5 * time.Hour)
			if len(r.calls) != calls || calls > 4 {
				t.Errorf("%d calls, then %d", calls, len(r.calls))
			}
			p := r.onlyProblem()
			if p.Cause != waybill.SignInExpired || p.Count != 1 {
				t.Errorf("the problem is %+v", p)
			}
			id := "out"
			if object == "problem" {
				id = string(p.ID)
			}
			verb := waybill.VerbResume
			if object == "problem" {
				verb = waybill.VerbRetry
			}
			r.act(id, verb, "") // too early: nothing was mended
			r.run(time.Hour)
			if p := r.onlyProblem(); p.State == waybill.ProblemRegressed {
				t.Error("the problem was called fixed on a person's word alone")
			}
			out = false
			r.act(id, verb, "")
			r.run(time.Minute)
			for _, run := range r.runs() {
				r.wantRun(run, waybill.RunDone, "")
			}
			r.wantNoProblem()
			r.audited(verb)
		})
	}
}

func TestAPausedConnectionSendsNothingAndResumesAfterARestart(t *testing.T) {
	r := newRig(t, oneStep(t, sendStep))
	r.act("out", waybill.VerbPause, "moving house")
	pay(r)
	r.run(time.Hour)
	r.restart()
	r.run(time.Hour)
	if len(r.calls) != 0 {
		t.Fatalf("%d calls while paused", len(r.calls))
	}
	said, err := r.engine.Choices(t.Context(), "out")
	if err != nil || len(said) != 1 || said[0].Verb != waybill.VerbResume {
		t.Errorf("a paused connection offers %v, %v", said, err)
	}
	err = r.book.View(t.Context(), func(tx *record.Tx) error {
		s, err := tx.ConnectionState("out")
		if err == nil && s.Reason != "paused by asha: moving house" {
			t.Errorf("its page says %q", s.Reason)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.act("out", waybill.VerbResume, "")
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
}

func TestAMissingPermissionParksItsActionOnly(t *testing.T) {
	for _, restart := range []bool{false, true} {
		r := newRig(t, load(t, files(map[string]string{
			"flows/a.yaml": "flow: a\ntitle: A\nowner: ops\non: payment.succeeded\nsteps:\n" + sendStep,
			"flows/b.yaml": "flow: b\ntitle: B\nowner: ops\non: payment.succeeded\nsteps:\n" + afterStep,
		})))
		out := true
		r.answer = func(_, action string) *http.Response {
			if out && action == "request.send" {
				return says(403, `{}`)
			}
			return nil
		}
		for range 4 {
			pay(r)
		}
		if restart {
			r.restart()
		}
		r.run(time.Hour)
		p := r.onlyProblem()
		if p.Cause != waybill.PermissionMissing {
			t.Errorf("the problem is %+v", p)
		}
		if n := r.called("out.request.send"); n != 1 {
			t.Errorf("%d calls of what is not permitted", n)
		}
		if n := r.called("out.request.post"); n != 4 {
			t.Errorf("%d calls of the other action, want 4", n)
		}
		out = false
		r.act(string(p.ID), waybill.VerbRetry, "")
		r.run(2 * time.Minute)
		for _, run := range r.runs() {
			r.wantRun(run, waybill.RunDone, "")
		}
		r.wantNoProblem()
	}
}

func TestAReadWithoutPermissionWaitsForItAndGoesOn(t *testing.T) {
	r := newRig(t, oneStep(t, "  - id: deal\n    get: crm.deal.find\n    if_none: end\n    with: {order_no: SO-1001}\n"+afterStep))
	out := true
	r.answer = func(c, action string) *http.Response {
		if out && c == "crm" {
			return says(403, `{"status":"error","category":"MISSING_SCOPES","message":"no"}`)
		}
		return nil
	}
	pay(r)
	r.send("crm", "contact.creation", nil)
	r.run(time.Hour)
	calls := len(r.calls)
	if calls > 3 {
		t.Errorf("%d calls of what is not permitted", calls)
	}
	if list := r.problems("open"); len(list) != 2 { // one for each action
		t.Errorf("%d problems: %+v", len(list), list)
	}
	out = false
	for _, p := range r.problems("open") {
		r.act(string(p.ID), waybill.VerbRetry, "")
	}
	r.run(5 * time.Minute)
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
	for _, it := range r.items() {
		if it.State == waybill.ItemFetching || it.State == waybill.ItemBlocked {
			t.Errorf("an item is %s: %s", it.State, it.Reason)
		}
	}
	r.wantNoProblem()
}

func TestAnOutageEndsThoughNoWorkIsLeftToFindOut(t *testing.T) {
	for _, connection := range []string{"crm", "out"} { // one names its account by a read, one has none
		step := map[string]string{"crm": "  - id: write\n    do: crm.contact.upsert\n    with: {email: \"${payment.id}@example.com\"}\n", "out": afterStep}[connection]
		r := newRig(t, oneStep(t, step))
		out := true
		down(r, connection, &out, func() *http.Response { return says(503, `{}`) })
		for range 3 {
			pay(r)
		}
		r.run(10 * time.Minute)
		r.onlyProblem()
		for _, run := range r.runs() {
			r.act(string(run.ID), waybill.VerbStop, "done by hand")
		}
		out = false
		r.run(10 * time.Minute)
		r.wantNoProblem()
		pay2(r, "SO-9")
		runs := r.runs()
		r.wantRun(runs[len(runs)-1], waybill.RunDone, "")
	}
}
