package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill"
)

const morning = `flow: morning
title: The team is told every morning
owner: ops
schedule: {cron: "0 9 * * *", zone: Asia/Kolkata}
steps:
  - id: tell
    do: crm.note.create
    with: {body: "${schedule.date} ${schedule.missed}"}
`

// seldom has the tables swept every hour only: days pass faster.
func (r *rig) seldom() {
	r.sweep = time.Hour
	r.restart()
}

// notes are the bodies of the notes that were written, in order.
func (r *rig) notes() []string {
	r.t.Helper()
	var out []string
	for _, eff := range r.effects() {
		in := string(eff.Inputs)
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(in, `{"body":"`), `"}`))
	}
	return out
}

func (r *rig) wantNotes(want ...string) {
	r.t.Helper()
	if got := r.notes(); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("noted %q, want %q", got, want)
	}
}

func TestAScheduleStartsItsFlowAtItsTime(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": morning})))
	r.seldom()
	r.v.RunUntil(time.Date(2026, 1, 2, 3, 29, 59, 0, time.UTC)) // a second before nine in Kolkata
	r.wantNotes()
	r.run(time.Second + time.Millisecond)
	r.wantNotes("2026-01-02 0")
	r.run(48 * time.Hour)
	r.wantNotes("2026-01-02 0", "2026-01-03 0", "2026-01-04 0")
	if got := r.events()["schedule.tick"]; got != 3 {
		t.Errorf("%d ticks", got)
	}
}

func TestATickIsRunOnceOverRestarts(t *testing.T) {
	ws := load(t, files(map[string]string{"flows/a.yaml": morning}))
	var whole int
	for k := 1; ; k++ {
		r := newRig(t, ws)
		r.seldom()
		r.v.RunUntil(time.Date(2026, 1, 2, 3, 29, 0, 0, time.UTC))
		end := r.v.Now().Add(2 * time.Minute)
		ended := false
		for range k {
			if !r.v.Step(end) {
				ended = true
				break
			}
		}
		r.restart()
		r.run(3 * time.Hour)
		r.wantNotes("2026-01-02 0")
		if r.happened("crm", "notes") != 1 || t.Failed() {
			t.Fatalf("killed after %d pieces of work: %d notes", k, r.happened("crm", "notes"))
		}
		if err := r.book.Close(); err != nil {
			t.Fatal(err)
		}
		if ended {
			whole = k
			break
		}
	}
	t.Logf("%d places", whole)
}

func TestTicksThatWereMissedAreMadeUpForAsTheFlowSays(t *testing.T) {
	for missed, want := range map[string][]string{
		"once": {"2026-01-04 2"},
		"skip": nil,
		"all":  {"2026-01-02 0", "2026-01-03 0", "2026-01-04 0"},
	} {
		ws := load(t, files(map[string]string{"flows/a.yaml": strings.Replace(morning, "zone:", "missed: "+missed+", zone:", 1)}))
		r := newRig(t, ws)
		r.seldom()
		r.run(time.Minute)
		r.kill()
		r.run(72 * time.Hour) // nobody lives
		r.start(ws)
		r.run(time.Minute)
		if got := r.notes(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: noted %q, want %q", missed, got, want)
		}
	}
}

func TestAScheduleThatComesBackDoesNotMakeUpForWhatItMissedMeanwhile(t *testing.T) {
	ws := load(t, files(map[string]string{"flows/a.yaml": morning}))
	none := load(t, files(map[string]string{"flows/b.yaml": strings.Replace(reminder, "reminder", "other", 1)}))
	r := newRig(t, ws)
	r.seldom()
	r.run(time.Minute)
	for i, next := range []func() error{
		func() error { return r.engine.Reload(t.Context(), none) },
		func() error { return r.engine.Reload(t.Context(), ws) },
	} {
		if err := next(); err != nil {
			t.Fatal(i, err)
		}
		r.run(36 * time.Hour)
	}
	r.wantNotes("2026-01-03 0", "2026-01-04 0")
}

func TestATickStartsItsOwnFlowOnly(t *testing.T) {
	other := strings.NewReplacer("morning", "evening", `"0 9 * * *"`, `"0 18 * * *"`).Replace(morning)
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": morning, "flows/b.yaml": other})))
	r.seldom()
	r.run(24 * time.Hour)
	got := map[string]int{}
	for _, run := range r.runs() {
		got[run.Flow]++
		r.wantRun(run, waybill.RunDone, "")
	}
	if got["morning"] != 1 || got["evening"] != 1 {
		t.Errorf("runs %v", got)
	}
}

// TestAScheduleGoesOnAfterTheClockWasAhead: the machine's clock is a year ahead for an hour and is set right again.
func TestAScheduleGoesOnAfterTheClockWasAhead(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/a.yaml": "flow: a\ntitle: A\nowner: ops\nschedule: {cron: \"0 9 * * *\"}\nsteps:\n  - id: n\n    do: crm.note.create\n    with: {body: daily}\n"})))
	r.run(26 * time.Hour)
	r.life.skew = 365 * 24 * time.Hour
	r.run(time.Hour)
	r.life.skew = 0
	mid := r.called("crm.note.create")
	r.run(3 * 24 * time.Hour)
	if n := r.called("crm.note.create") - mid; n != 3 {
		t.Errorf("%d ticks ran in the 3 days after; %d open problems", n, len(r.problems("open")))
	}
}
