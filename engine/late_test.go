package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
)

const lateFlow = `flow: one
title: One
owner: ops
on: contact.updated
steps:
  - id: up
    do: out.request.put
    late: %s
    with: {path: "/contacts/${contact.id}", body: {name: "${contact.?name.orValue('none')}"}}
` + "  - id: then\n    do: out.request.post\n    with: {path: /after, body: {contact: \"${contact.id}\"}}\n"

// TestALateFactHasNoEffectOrIsFetchedAfresh: facts come in any order; what the other side has in the end is never older than
// what it had, and with fetch it is what is so now.
func TestALateFactHasNoEffectOrIsFetchedAfresh(t *testing.T) {
	for _, mode := range []string{"skip", "fetch"} {
		for name, lates := range map[string][]time.Duration{
			"in order": {2 * time.Hour, time.Hour, 0}, "reversed": {0, time.Hour, 2 * time.Hour}, "the newest in the middle": {time.Hour, 0, 2 * time.Hour},
			"the oldest in the middle": {time.Hour, 2 * time.Hour, 0}, "the newest first": {0, 2 * time.Hour, time.Hour}, "the oldest first": {2 * time.Hour, 0, time.Hour},
		} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, restart %v", mode, name, restart), func(t *testing.T) {
					r := newRig(t, load(t, files(map[string]string{"flows/one.yaml": fmt.Sprintf(lateFlow, mode)})))
					state := 0 // what the contact is called now: it changes with every read of a new arrival
					r.answer = func(_, action string) *http.Response {
						if action != "contact.get" {
							return nil
						}
						return says(200, fmt.Sprintf(`{"id":"7","properties":{"firstname":"N%d"},"updatedAt":"2026-01-01T00:00:00Z"}`, state))
					}
					newest, late := time.Duration(1<<62), 0
					for _, ago := range lates {
						state++
						for _, h := range r.hooks("crm", "contact.propertyChange", simulator.TriggerOptions{Late: ago, Set: map[string]string{"0.objectId": "7"}}) {
							r.insist(h)
						}
						if ago > newest {
							late++
						}
						newest = min(newest, ago)
						if restart {
							r.run(50 * time.Millisecond)
							r.restart()
						}
						r.run(2 * time.Minute)
					}
					skipped := 0
					for _, eff := range r.effects() {
						switch {
						case eff.Address == "up" && eff.State == waybill.EffectSkipped:
							skipped++
							if !strings.HasPrefix(eff.Reason, "late, no effect") {
								t.Errorf("skipped: %s", eff.Reason)
							}
						case eff.State != waybill.EffectConfirmed:
							t.Errorf("%s is %s: %s", eff.Address, eff.State, eff.Reason)
						}
					}
					want := late
					if mode == "fetch" {
						want = 0
					}
					if skipped != want {
						t.Errorf("%d had no effect, want %d", skipped, want)
					}
					for _, run := range r.runs() {
						r.wantRun(run, waybill.RunDone, "")
					}
					if n := r.called("out.request.post"); n != 3 {
						t.Errorf("the steps after were made %d times", n)
					}
					r.wantNoProblem()
				})
			}
		}
	}
}

func TestWhatIsFetchedAfreshIsWhatIsWritten(t *testing.T) {
	r := newRig(t, load(t, files(map[string]string{"flows/one.yaml": fmt.Sprintf(lateFlow, "fetch")})))
	state := "first"
	r.answer = func(_, action string) *http.Response {
		if action == "contact.get" {
			return says(200, `{"id":"7","properties":{"firstname":"`+state+`"},"updatedAt":"2026-01-01T00:00:00Z"}`)
		}
		return nil
	}
	send := func(ago time.Duration) {
		for _, h := range r.hooks("crm", "contact.propertyChange", simulator.TriggerOptions{Late: ago}) {
			r.insist(h)
		}
	}
	send(0)
	r.run(time.Minute)
	r.act("out", waybill.VerbPause, "closed")
	send(time.Hour)
	r.run(time.Minute)
	state = "newest"
	r.act("out", waybill.VerbResume, "")
	r.run(5 * time.Minute)
	list := r.effects()
	var late waybill.Effect
	for _, eff := range list {
		if eff.Address == "up" {
			late = eff
		}
	}
	if late.State != waybill.EffectConfirmed || !strings.Contains(string(late.Inputs), "newest") || !strings.Contains(string(late.Request.Body), "newest") {
		t.Errorf("it is %s (%s) with %s", late.State, late.Reason, late.Inputs)
	}
	if n := r.called("out.request.put"); n != 2 {
		t.Errorf("%d writes", n)
	}
}
