package engine_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
	"waybill/workspace"
)

// twoWays is a workspace whose flow writes a note for each payment, and the same one without a connection.
func twoWays(t *testing.T, gone string) (with, without *workspace.Workspace) {
	t.Helper()
	flow := map[string]string{"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + sendStep}
	fs := files(flow)
	with = load(t, fs)
	delete(fs, "connections/"+gone+".yaml")
	if gone == "out" {
		fs["flows/one.yaml"].Data = []byte("flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n  - id: nothing\n    set: 1\n")
	}
	return with, load(t, fs)
}

// knock sends one webhook of a connection and returns what it is answered.
func (r *rig) knock(connection, sample string) int {
	r.t.Helper()
	hooks := r.hooks(connection, sample, simulator.TriggerOptions{})
	return r.deliver(r.t.Context(), hooks[0])
}

// answerAt is what a stranger's request to an address is answered: its status and its words.
func (r *rig) answerAt(path string) string {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.intake.ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, "https://waybill.example"+path, strings.NewReader("{}")))
	return w.Result().Status + "\n" + w.Body.String()
}

func (r *rig) reload(ws *workspace.Workspace) {
	r.t.Helper()
	r.ws = ws
	if err := r.engine.Reload(r.t.Context(), ws); err != nil {
		r.t.Fatal(err)
	}
}

// refused presses a button that must be refused, and returns why and what to do.
func (r *rig) refused(object string, verb waybill.Verb, reason string) string {
	r.t.Helper()
	said, err := r.engine.Act(r.t.Context(), waybill.Act{Who: "asha", Verb: verb, Object: object, Reason: reason})
	if err == nil {
		r.t.Fatalf("%s on %s was done: %s", verb, object, said)
	}
	return err.Error() + "; " + waybill.HintOf(err)
}

func (r *rig) figures(connection string) waybill.ConnectionFigures {
	r.t.Helper()
	list, err := r.book.Connections(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(f waybill.ConnectionFigures) bool { return f.State.Connection == connection })
	if i < 0 {
		r.t.Fatalf("%s is not among the connections", connection)
	}
	return list[i]
}

func (r *rig) wantAnswer(connection, sample string, want int, when string) {
	r.t.Helper()
	if got := r.knock(connection, sample); got != want {
		r.t.Errorf("%s: what %s sends is answered with %d, want %d", when, connection, got, want)
	}
	r.run(time.Minute)
}

func TestARetiredConnectionIsAsOneNeverKnownAndWhatItSentStays(t *testing.T) {
	with, without := twoWays(t, "pay")
	r := newRig(t, with)
	if why := r.refused("pay", waybill.VerbRetire, "over"); !strings.Contains(why, "is in the workspace that is served") || !strings.Contains(why, "pause it on its page") {
		t.Errorf("of one in the workspace: %s", why)
	}
	if r.figures("pay").Retired != nil || len(r.audit()) != 0 {
		t.Error("what was refused left something behind")
	}
	r.reload(without)
	r.wantAnswer("pay", "payment_intent.succeeded", http.StatusOK, "removed")
	if got := r.offers("pay"); !slices.Equal(got, []string{"retire"}) {
		t.Errorf("what a removed connection offers: %v", got)
	}
	if why := r.refused("pay", waybill.VerbRetire, " "); !strings.Contains(why, "needs a reason") {
		t.Errorf("without a reason: %s", why)
	}
	if said := r.act("pay", waybill.VerbRetire, "we left Stripe"); !strings.Contains(said, "404") || !strings.Contains(said, "1 thing that it sent stays on the list") {
		t.Errorf("said: %s", said)
	}
	retired := r.v.Now()
	for _, when := range []string{"retired", "after a restart"} {
		r.wantAnswer("pay", "payment_intent.succeeded", http.StatusNotFound, when)
		if gone, never := r.answerAt("/in/pay"), r.answerAt("/in/nobody"); gone != never {
			t.Errorf("%s it answers\n%s, one never known\n%s", when, gone, never)
		}
		f := r.figures("pay").Retired
		if f == nil || f.Who != "asha" || f.Why != "we left Stripe" || !f.At.Equal(retired) {
			t.Errorf("%s: the retirement is told as %+v", when, f)
		}
		items := r.items()
		if len(items) != 1 || items[0].State != waybill.ItemBlocked || r.onlyProblem().Count != 1 {
			t.Errorf("%s: what it sent before: %+v", when, items)
		}
		if got := r.offers("pay"); len(got) != 0 {
			t.Errorf("%s it offers %v", when, got)
		}
		if why := r.refused("pay", waybill.VerbRetire, "again"); !strings.Contains(why, "retired already") {
			t.Errorf("%s, again: %s", when, why)
		}
		r.restart()
	}
	a := r.audit()
	if len(a) != 1 || a[0].Who != "asha" || a[0].Action != "retire" || a[0].Object != "pay" || a[0].Reason != "we left Stripe" || a[0].After != "retired" {
		t.Errorf("the audit: %+v", a)
	}
}

func TestARetiredConnectionThatComesBackServesAgainAndReadsWhatStayed(t *testing.T) {
	with, without := twoWays(t, "pay")
	for _, restart := range []bool{false, true} {
		r := newRig(t, with)
		change := func(ws *workspace.Workspace) {
			if !restart {
				r.reload(ws)
				return
			}
			r.ws = ws
			r.restart()
		}
		change(without)
		r.wantAnswer("pay", "payment_intent.succeeded", http.StatusOK, "removed")
		r.act("pay", waybill.VerbRetire, "over")
		r.wantAnswer("pay", "payment_intent.succeeded", http.StatusNotFound, "retired")
		change(with)
		if r.figures("pay").Retired != nil {
			t.Error("it is back and still told as retired")
		}
		r.wantAnswer("pay", "payment_intent.succeeded", http.StatusOK, "back")
		if n := len(r.runs()); n != 1 {
			t.Errorf("what it sent when it was back made %d runs", n)
		}
		p := r.onlyProblem()
		if !slices.Contains(r.offers(string(p.ID)), "retry") {
			t.Errorf("what stayed offers %v", r.offers(string(p.ID)))
		}
		r.act(string(p.ID), waybill.VerbRetry, "")
		r.run(time.Minute)
		r.wantNoProblem()
		if n := len(r.runs()); n != 2 {
			t.Errorf("what stayed was read into %d runs, want 2", n)
		}
		// Taken out once more it keeps what comes, at once and though it was looked for in vain in that very version.
		change(without)
		if got := r.knock("pay", "payment_intent.succeeded"); got != http.StatusOK {
			t.Errorf("removed once more: %d", got)
		}
	}
}

func TestWhatARemovedConnectionSentIsSetAsideTogether(t *testing.T) {
	with, without := twoWays(t, "pay")
	r := newRig(t, with)
	r.reload(without)
	for range 3 {
		r.wantAnswer("pay", "payment_intent.succeeded", http.StatusOK, "removed")
	}
	p := r.onlyProblem()
	if got := r.offers(string(p.ID)); !slices.Contains(got, "not needed") || slices.Contains(got, "retry") {
		t.Errorf("it offers %v", got)
	}
	if !strings.Contains(p.Title, "is no longer in the workspace") {
		t.Errorf("the problem is called %q", p.Title)
	}
	if said := r.act(string(p.ID), waybill.VerbNotUsed, "tests of theirs"); said != "3 set aside. Their bytes are kept." {
		t.Errorf("said: %s", said)
	}
	r.wantNoProblem()
	for _, it := range r.items() {
		if it.State != waybill.ItemNotUsed || !strings.Contains(it.Reason, "tests of theirs") {
			t.Errorf("%+v", it)
		}
	}
}

func TestWhatWasAcceptedBeforeItsConnectionWentIsKeptForAPersonToo(t *testing.T) {
	with, without := twoWays(t, "pay")
	r := newRig(t, with)
	if got := r.knock("pay", "payment_intent.succeeded"); got != http.StatusOK { // and the process ends before it is read
		t.Fatal(got)
	}
	r.ws = without
	r.restart()
	r.run(time.Minute)
	it := r.items()[0]
	if it.State != waybill.ItemBlocked || r.onlyProblem().Connection != "pay" {
		t.Fatalf("%+v", it)
	}
	r.act(string(it.ID), waybill.VerbRetry, "") // still nobody reads it
	r.run(time.Minute)
	if it = r.items()[0]; it.State != waybill.ItemBlocked {
		t.Errorf("read in vain: %+v", it)
	}
	r.onlyProblem()
}

func TestAConnectionWithOpenWorkIsNotRetired(t *testing.T) {
	with, without := twoWays(t, "out")
	for name, c := range map[string]struct {
		given func(r *rig)
		words string
		end   func(r *rig)
	}{
		"a write is planned": {
			func(r *rig) { r.act("out", waybill.VerbPause, "wait"); pay(r); r.run(time.Minute) },
			"1 write is planned there",
			func(r *rig) { r.act(string(r.onlyRun().ID), waybill.VerbStop, "over") },
		},
		"it is not known whether a write happened": {
			func(r *rig) {
				r.answer = func(connection, _ string) *http.Response {
					if connection == "out" {
						return says(http.StatusInternalServerError, "{}")
					}
					return nil
				}
				pay(r)
				r.run(time.Hour)
			},
			"1 write may or may not have happened",
			func(r *rig) { r.act(string(r.newest("write").ID), waybill.VerbHappened, "seen there") },
		},
		"a run waits for a person": {
			func(r *rig) {
				r.answer = func(connection, _ string) *http.Response {
					if connection == "out" {
						return says(http.StatusUnprocessableEntity, `{"message":"no"}`)
					}
					return nil
				}
				pay(r)
				r.run(time.Minute)
			},
			"1 run, or part of one, waits for a person",
			func(r *rig) { r.act(string(r.onlyRun().ID), waybill.VerbStop, "over") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, with)
			c.given(r)
			r.reload(without)
			r.run(time.Minute)
			if got := r.offers("out"); len(got) != 0 {
				t.Errorf("it offers %v", got)
			}
			why := r.refused("out", waybill.VerbRetire, "over")
			if !strings.Contains(why, c.words) || !strings.Contains(why, "problems list --connection out") {
				t.Errorf("refused with: %s", why)
			}
			if r.figures("out").Retired != nil {
				t.Error("it is retired all the same")
			}
			c.end(r)
			r.run(time.Minute)
			r.act("out", waybill.VerbRetire, "over")
		})
	}
}

func TestTheOutageOfARetiredConnectionIsNobodysProblem(t *testing.T) {
	with, without := twoWays(t, "out")
	r := newRig(t, with)
	r.answer = func(connection, _ string) *http.Response {
		if connection == "out" {
			return says(http.StatusTooManyRequests, "{}", "Retry-After", "7200")
		}
		return nil
	}
	pay(r)
	r.run(10 * time.Minute)
	if r.figures("out").State.Health == waybill.HealthWorking {
		t.Fatal("it is not down")
	}
	r.reload(without)
	r.act(string(r.onlyRun().ID), waybill.VerbStop, "over")
	for _, e := range r.effects() {
		if e.State == waybill.EffectUnknown {
			r.act(string(e.ID), waybill.VerbSkip, "over")
		}
	}
	r.run(time.Minute)
	r.act("out", waybill.VerbRetire, "over")
	r.wantNoProblem()
}

func TestAConnectionIsRetiredOnEveryNodeAtOnce(t *testing.T) {
	with, without := twoWays(t, "pay")
	c := newCluster(t, with, 2, 1)
	one, two := c.nodes[0], c.nodes[1]
	c.engine = two.engine
	knock := func(n *node) int {
		t.Helper()
		return post(t.Context(), n.intake, c.hooks("pay", "payment_intent.succeeded", simulator.TriggerOptions{})[0])
	}
	c.run(5 * time.Second)
	if err := one.engine.Reload(t.Context(), without); err != nil {
		t.Fatal(err)
	}
	// The second has not taken the change over: to it the connection is in the workspace, by the book it is not.
	if why := c.refused("pay", waybill.VerbRetire, "over"); !strings.Contains(why, "not possible") {
		t.Errorf("by the node that lags: %s", why)
	}
	c.run(5 * time.Second)
	for _, n := range c.nodes {
		if got := knock(n); got != http.StatusOK {
			t.Errorf("removed, node %s answers %d", n.name, got)
		}
	}
	c.act("pay", waybill.VerbRetire, "over")
	for _, n := range c.nodes {
		if got := knock(n); got != http.StatusNotFound {
			t.Errorf("retired, node %s answers %d", n.name, got)
		}
	}
	// It comes back through one node, and the other retires it before it has heard of that.
	if err := one.engine.Reload(t.Context(), with); err != nil {
		t.Fatal(err)
	}
	if why := c.refused("pay", waybill.VerbRetire, "over"); !strings.Contains(why, "is in the workspace that is served") {
		t.Errorf("by the node that lags: %s", why)
	}
	c.run(5 * time.Second)
	for _, n := range c.nodes {
		if got := knock(n); got != http.StatusOK {
			t.Errorf("back, node %s answers %d", n.name, got)
		}
	}
	// It goes and the others hear of it late: nobody remembers that it was once looked for in vain.
	if err := one.engine.Reload(t.Context(), without); err != nil {
		t.Fatal(err)
	}
	c.run(5 * time.Second)
	for _, n := range c.nodes {
		if got := knock(n); got != http.StatusOK {
			t.Errorf("removed once more, node %s answers %d", n.name, got)
		}
	}
}
