package engine_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/engine"
	"waybill/workspace"
)

// TestWhatWasDoneUnderAFormerNameIsNotDoneAgain renames or moves a step, or renames the flow, says so or says that it is new, and
// replays: what is said to be the same counts as done, and of what is new the same values wait for a person's counted word.
func TestWhatWasDoneUnderAFormerNameIsNotDoneAgain(t *testing.T) {
	const send = "  - id: say\n    do: out.request.send\n    with: {path: /told, body: {payment: \"${payment.id}\", words: \"${words}\"}}\n" +
		"  - id: then\n    emit: lead.created\n    with: {id: \"${payment.id}\", status: new}\n"
	change := strings.NewReplacer
	for name, c := range map[string]struct {
		change      *strings.Replacer
		flow, words string
		class       waybill.JobClass
	}{
		"as it was":                {change(), "one", "thanks", waybill.ClassSame},
		"a step":                   {change("id: say", "id: tell\n    was: say", "id: then", "id: so\n    was: [later, then]"), "one", "thanks", waybill.ClassSame},
		"a step, with other words": {change("id: say", "id: tell\n    was: say"), "one", "many thanks", waybill.ClassBlocked},
		"a step that was moved": {
			change(send, "  - id: big\n    choose:\n      yes:\n        when: payment.amount.minor > 0\n        steps:\n"+
				"      "+strings.ReplaceAll(strings.TrimRight(send, "\n"), "\n", "\n      ")+"\n      otherwise: {steps: [{id: none, end: none}]}\n"),
			"one", "thanks", waybill.ClassSame,
		},
		"a step, with another one after it": {
			change(send, strings.NewReplacer("id: say", "id: tell\n    was: say", "id: then", "id: so\n    was: then").Replace(send)+
				"  - {id: more, was: [], do: out.request.send, with: {path: /more, body: {payment: \"${payment.id}\"}}}\n"),
			"one", "thanks", waybill.ClassNew,
		},
		"a flow":                         {change("flow: one", "flow: two\nwas: one"), "two", "thanks", waybill.ClassSame},
		"a flow and a step":              {change("flow: one", "flow: two\nwas: one", "id: say", "id: tell\n    was: say"), "two", "thanks", waybill.ClassSame},
		"a flow, by its former name":     {change("flow: one", "flow: two\nwas: one"), "one", "thanks", waybill.ClassSame},
		"a new step, with the values":    {change("id: say", "id: tell\n    was: []"), "one", "thanks", waybill.ClassBlocked},
		"a new step, with other values":  {change("id: say", "id: tell\n    was: []"), "one", "many thanks", waybill.ClassNew},
		"a new flow, with the same step": {change("flow: one", "flow: two\nwas: []"), "two", "thanks", waybill.ClassBlocked},
	} {
		t.Run(name, func(t *testing.T) {
			with := func(c *strings.Replacer, words string) *workspace.Workspace {
				text := c.Replace("flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + send)
				return load(t, files(map[string]string{"flows/one.yaml": strings.ReplaceAll(text, "${words}", words)}))
			}
			r := newRig(t, with(change(), "thanks"))
			pay(r)
			r.run(time.Minute)
			if err := r.engine.Reload(t.Context(), with(c.change, c.words)); err != nil {
				t.Fatal(err)
			}
			j := r.plan(waybill.Job{Kind: waybill.JobReplay, Filter: waybill.JobFilter{Flow: c.flow, Type: "payment.succeeded"}})
			wantClasses(t, j, map[waybill.JobClass]int{c.class: 1})
			calls := r.called("out.request.send")
			r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobGo})
			r.until(j.ID, waybill.JobDone, time.Minute)
			again := 0
			if c.class == waybill.ClassNew {
				again = 1
			}
			if n := r.called("out.request.send"); n != calls+again {
				t.Errorf("%d calls, then %d", calls, n)
			}
			r.wantNoProblem()
			if n := r.events()["lead.created"]; n != 1 {
				t.Errorf("%d events were emitted of one", n)
			}
		})
	}
}

// TestARenameOfWhichNothingIsSaidIsRefused, at a change and at a start, and the old version keeps serving. A version that was
// published before is taken back as it was.
func TestARenameOfWhichNothingIsSaidIsRefused(t *testing.T) {
	with := func(id string) *workspace.Workspace {
		return load(t, files(map[string]string{"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" +
			"  - id: " + id + "\n    do: out.request.send\n    with: {path: /told, body: {payment: \"${payment.id}\"}}\n"}))
	}
	first, unsaid, said := with("say"), with("tell"), with("tell\n    was: say")
	r := newRig(t, first)
	refused := func(err error) {
		t.Helper()
		f, ok := errors.AsType[engine.Refused](err)
		if !ok || len(f.Faults) != 1 || f.Faults[0].Code != "E340" || f.Faults[0].Span.File != "flows/one.yaml" || f.Faults[0].Span.Line != 6 {
			t.Errorf("it is not refused with its place: %v", err)
		}
		if got := r.engine.Workspace().Bundle; got != first.Bundle {
			t.Error("the old version does not serve any more")
		}
	}
	refused(r.engine.Reload(t.Context(), unsaid))
	pay(r)
	if n := r.called("out.request.send"); n != 1 {
		t.Errorf("%d calls by the old version", n)
	}
	r.kill()
	r.open(unsaid)
	f, ok := errors.AsType[engine.Refused](r.engine.Start(context.Background()))
	if !ok || len(f.Faults) != 1 {
		t.Error("a process starts with it")
	}
	r.kill()
	r.start(said)
	for _, ws := range []*workspace.Workspace{first, said} {
		if err := r.engine.Reload(t.Context(), ws); err != nil {
			t.Errorf("what was published before is refused: %v", err)
		}
	}
}

func TestAScheduledFlowThatWasRenamedGoesOnFromItsTicks(t *testing.T) {
	ws := load(t, files(map[string]string{"flows/a.yaml": strings.Replace(morning, "zone:", "missed: all, zone:", 1)}))
	renamed := load(t, files(map[string]string{"flows/b.yaml": strings.NewReplacer("zone:", "missed: all, zone:", "flow: morning", "flow: dawn\nwas: morning").Replace(morning)}))
	r := newRig(t, ws)
	r.seldom()
	r.run(36 * time.Hour)
	before := r.notes()
	if len(before) == 0 {
		t.Fatal("no tick before it was renamed")
	}
	r.kill()
	r.run(48 * time.Hour) // nobody lives
	r.start(renamed)
	r.run(time.Minute)
	if got := r.notes(); len(got) != len(before)+2 {
		t.Errorf("noted %q, then %q: want the two that were missed, and none again", before, got)
	}
}

func TestARunOfARenamedFlowEntersBehindThoseOfItsFormerName(t *testing.T) {
	fs := laned("")
	r := newRig(t, load(t, files(fs)))
	slow := true
	r.answer = func(string, string) *http.Response {
		if slow {
			slow = false
			r.v.Sleep(20 * time.Second)
		}
		return nil
	}
	inLane(r, 1)
	r.run(time.Second)
	name, _, _ := strings.Cut(strings.TrimPrefix(fs["flows/laned.yaml"], "flow: "), "\n")
	fs["flows/laned.yaml"] = strings.Replace(fs["flows/laned.yaml"], "flow: "+name, "flow: renamed\nwas: "+name, 1)
	if err := r.engine.Reload(t.Context(), load(t, files(fs))); err != nil {
		t.Fatal(err)
	}
	inLane(r, 2)
	r.run(time.Second)
	if n := len(r.runs()); n != 3 {
		t.Fatalf("%d runs", n)
	}
	for _, run := range r.runs() {
		if run.Flow == "renamed" && (run.State != waybill.RunQueued || run.Behind == "") {
			t.Errorf("the run of the renamed flow is %s behind %q", run.State, run.Behind)
		}
	}
	r.run(10 * time.Minute)
	for _, run := range r.runs() {
		r.wantRun(run, waybill.RunDone, "")
	}
}

// TestReleasesGoOnBeingCountedUnderANewName: of three to be released by hand one was under the former name, which still holds some
// back. Two more open the step, and let go what either name holds.
func TestReleasesGoOnBeingCountedUnderANewName(t *testing.T) {
	const text = "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n  - id: write\n    do: out.request.send\n" +
		"    release: {by_hand: 3}\n    with: {path: /orders, body: {payment: \"${payment.id}\"}}\n"
	for name, to := range map[string]*strings.Replacer{
		"of the step": strings.NewReplacer("id: write", "id: send\n    was: write"),
		"of the flow": strings.NewReplacer("flow: one", "flow: two\nwas: one"),
		"of both":     strings.NewReplacer("flow: one", "flow: two\nwas: one", "id: write", "id: send\n    was: write"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, load(t, files(map[string]string{"flows/one.yaml": text})))
			for range 3 {
				pay(r)
			}
			r.run(time.Minute)
			r.act(string(r.runs()[0].ID), waybill.VerbRelease, "")
			r.run(time.Minute)
			r.reload(load(t, files(map[string]string{"flows/one.yaml": to.Replace(text)})))
			for range 3 {
				pay(r)
			}
			r.run(time.Minute)
			if n := r.called("out.request.send"); n != 1 {
				t.Fatalf("%d were sent after one press", n)
			}
			for i, run := range []waybill.Run{r.runs()[1], r.runs()[4]} {
				if n := r.called("out.request.send"); n != 1+i {
					t.Fatalf("%d were sent after %d presses", n, 1+i)
				}
				said := r.act(string(run.ID), waybill.VerbRelease, "")
				if opens := strings.Contains(said, "by itself"); opens != (i == 1) {
					t.Errorf("press %d said %q", 2+i, said)
				}
				if i == 0 {
					r.run(time.Minute)
				}
			}
			r.run(10 * time.Minute)
			pay(r)
			r.run(time.Minute)
			if n := r.called("out.request.send"); n != 7 {
				t.Errorf("%d of 7 were sent once the step had opened", n)
			}
			r.wantNoProblem()
		})
	}
}
