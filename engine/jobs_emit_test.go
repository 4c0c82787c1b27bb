package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/workspace"
)

// telling is a workspace whose first flow tells so many further events of each ping, each with a flow that posts.
func telling(t *testing.T, n int) *workspace.Workspace {
	t.Helper()
	fs := chain(0)
	var steps strings.Builder
	fs["events/ping.yaml"] = chain(4)["events/ping.yaml"]
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&steps, "  - id: tell%d\n    emit: ping.e%d\n    with: {id: \"${ping.id}\"}\n", i, i)
		fs[fmt.Sprintf("flows/f%d.yaml", i)] = fmt.Sprintf("flow: f%d\ntitle: F\nowner: ops\non: ping.e%d\nsteps:\n%s", i, i, strings.ReplaceAll(afterStep, "payment", "ping"))
	}
	fs["flows/f0.yaml"] = "flow: f0\ntitle: F\nowner: ops\non: ping.e0\nsteps:\n" + steps.String()
	return load(t, files(fs))
}

func TestAReplayTellsOnlyWhatNobodyKnowsAndThePlanSaysSo(t *testing.T) {
	const n = 3
	r := newRig(t, telling(t, 1))
	for i := range n {
		if err := r.engine.Tell("out", "ping.e0", map[string]any{"id": fmt.Sprint("p", i)}); err != nil {
			t.Fatal(err)
		}
	}
	r.run(time.Minute)
	replay := func(class waybill.JobClass, open int, words string, done waybill.JobMemberState) {
		t.Helper()
		j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "f0"}})
		wantClasses(t, j, map[waybill.JobClass]int{class: n})
		if m := r.members(j.ID, waybill.JobMemberFilter{})[0]; j.Plan.Open != open || !strings.Contains(m.Reason, words) {
			t.Errorf("%d are open, and the first says %q", j.Plan.Open, m.Reason)
		}
		r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
		j = r.until(j.ID, waybill.JobDone, time.Minute)
		r.run(time.Minute)
		if j.Counts[done] != n {
			t.Errorf("counts %v, want %d %s", j.Counts, n, done)
		}
	}
	want := func(e1, e2, posts int) {
		t.Helper()
		if got := r.events(); got["ping.e1"] != e1 || got["ping.e2"] != e2 || r.called("out.request.post") != posts {
			t.Errorf("events %v, %d posts; want %d, %d and %d", got, r.called("out.request.post"), e1, e2, posts)
		}
	}
	want(n, 0, n)
	replay(waybill.ClassNothing, 0, "nothing is written", waybill.MemberSkipped)
	want(n, 0, n)
	if err := r.engine.Reload(t.Context(), telling(t, 2)); err != nil {
		t.Fatal(err)
	}
	replay(waybill.ClassNothing, n, "it tells ping.e2, which nobody knows yet: what that starts is not foretold", waybill.MemberDone)
	want(n, n, 2*n)
	replay(waybill.ClassNothing, 0, "nothing is written", waybill.MemberSkipped)
	want(n, n, 2*n)
	r.wantNoProblem()
}

// listed is a workspace whose flow writes a contact for each of three names, the second of them second.
func listed(t *testing.T, second string) *workspace.Workspace {
	t.Helper()
	return oneStep(t, "  - id: many\n    each: \"['one', '"+second+"', 'three'].map(n, {'n': n})\"\n    as: one\n    by: one.n.size()\n    steps:\n"+
		"      - id: up\n        do: crm.contact.upsert\n        with: {email: \"${payment.id}-${one.n.size()}@example.com\", first_name: \"${one.n}\"}\n")
}

func TestAReplayOfALoopSendsOnlyTheItemThatChanged(t *testing.T) {
	const n = 4
	r := newRig(t, listed(t, "four"))
	for range n {
		r.send("pay", "payment_intent.succeeded", nil)
	}
	r.run(time.Minute)
	if got := r.called("crm.contact.upsert"); got != 3*n {
		t.Fatalf("%d contacts", got)
	}
	if err := r.engine.Reload(t.Context(), listed(t, "ruof")); err != nil {
		t.Fatal(err)
	}
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: "one"}})
	wantClasses(t, j, map[waybill.JobClass]int{waybill.ClassChanged: n})
	if j.Plan.Writes[waybill.ClassSame] != 2*n || j.Plan.Writes[waybill.ClassChanged] != n || j.Plan.Connections["crm"] != n {
		t.Errorf("plan %+v", j.Plan)
	}
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo, Changed: true})
	j = r.until(j.ID, waybill.JobDone, time.Minute)
	if j.Counts[waybill.MemberDone] != n || r.called("crm.contact.upsert") != 4*n {
		t.Errorf("%v, %d contacts", j.Counts, r.called("crm.contact.upsert"))
	}
	r.wantNoProblem()
}
