package show_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/show"
	"waybill/show/showtest"
)

func TestAJobIsToldWithItsPlanInSentencesAndItsProgress(t *testing.T) {
	book := showtest.Rich(now)
	id := waybill.JobID(showtest.ID("job", 7))
	book.JobList = []waybill.Job{{
		ID: id, Name: "names", Kind: waybill.JobReplay, State: waybill.JobRunning, Who: "asha", Why: "wrong", BeganAt: now.Add(-time.Hour),
		Filter: waybill.JobFilter{Flow: "payment-to-crm"},
		Plan: waybill.JobPlan{
			Members: 60, Classes: map[waybill.JobClass]int{waybill.ClassBlocked: 1, waybill.ClassFails: 2, waybill.ClassNew: 57},
			Amounts: map[string]int64{"INR": 12990000}, RepeatAmounts: map[string]int64{"INR": 4999, "KWD": 1500}, Unpriced: 2, Messages: 40, People: 12, Connections: map[string]int{"crm": 97},
			Seconds: map[string]int{"crm": 7200}, Repeats: 1, Open: 3, Causes: map[string]int{"crm is paused": 2},
		},
		Counts: waybill.JobCounts{waybill.MemberPlanned: 30, waybill.MemberDone: 25, waybill.MemberFailed: 3, waybill.MemberSkipped: 2},
	}}
	book.JobParts = []waybill.JobMember{{
		Job: id, Object: showtest.ID("evt", 1) + "/payment-to-crm", Class: waybill.ClassChanged,
		Writes: []waybill.JobWrite{{Address: "won", Class: waybill.ClassChanged, Old: []byte(`{"n":9007199254740993}`), New: []byte(`{"n":2}`)}},
	}}
	p := open(t, book)
	program := p.token(t, show.Viewer)
	body := text(t, p.ask(t, http.MethodGet, "/api/v1/jobs/"+string(id), "", program))
	for _, want := range []string{
		"1 would repeat or is not known", "2 would fail again", "57 would be done", "40 messages to 12 people", "payments of ₹1,29,900.00",
		"97 writes to crm, about 2 hours", "of 3 it is not known how they go on", "say the number 1, which pays ₹49.99 and KWD 1.500", "2 payments name no amount", `"per_hour":30`, "about 60 minutes left",
		`"next":["pause","stop"]`, "30 of 60, 25 done, 3 failed, 2 skipped",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	if got := text(t, p.ask(t, http.MethodGet, "/api/v1/jobs/"+string(id)+"/members?class=changed", "", program)); !strings.Contains(got, "9007199254740993") {
		t.Errorf("the members: %s", got)
	}
	if got := text(t, p.ask(t, http.MethodGet, "/api/v1/jobs", "", program)); !strings.Contains(got, string(id)) {
		t.Errorf("the list: %s", got)
	}
}

func TestAJobIsPlannedAndLetGoByTheOneWhoAsks(t *testing.T) {
	book := showtest.Empty()
	p := open(t, book)
	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
	operator, viewer := p.token(t, show.Operator), p.token(t, show.Viewer)
	post := func(path, body string, who func(*http.Request)) *http.Response {
		return p.ask(t, http.MethodPost, "/api/v1/jobs"+path, body, who, asJSON)
	}
	const plan = `{"kind":"put back","reason":"wrong","filter":{"flow":"one","since":"2026-01-01T00:00:00Z"},"choices":{"at_once":2}}`
	if res := post("", plan, viewer); res.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer who plans: %d", res.StatusCode)
	}
	if res := post("", `{"kind":"replay","reason":"x","filter":{}}`, operator); res.StatusCode != http.StatusBadRequest {
		t.Errorf("an empty filter: %d", res.StatusCode)
	}
	if res := post("", `{"kind":"sing","filter":{"flow":"one"}}`, operator); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a kind there is not: %d", res.StatusCode)
	}
	if res := post("", plan, operator); res.StatusCode != http.StatusCreated {
		t.Fatalf("planning: %d %s", res.StatusCode, text(t, res))
	}
	j := book.JobList[0]
	if j.Kind != waybill.JobPutBack || j.Why != "wrong" || j.Filter.Flow != "one" || j.Filter.Since.IsZero() || j.Choices.AtOnce != 2 || j.Who == "" {
		t.Errorf("planned: %+v", j)
	}
	if res := post("/"+string(j.ID)+"/trial", `{"members":10,"changed":true,"reason":"see"}`, operator); res.StatusCode != http.StatusOK {
		t.Errorf("a trial: %d %s", res.StatusCode, text(t, res))
	}
	if res := post("/"+string(j.ID)+"/go", `{"repeats":3}`, operator); res.StatusCode != http.StatusOK {
		t.Errorf("go: %d", res.StatusCode)
	}
	if res := post("/job_none/stop", `{}`, operator); res.StatusCode != http.StatusNotFound {
		t.Errorf("a job there is not: %d", res.StatusCode)
	}
	want := []waybill.JobAct{
		{Verb: waybill.VerbJobTrial, Job: j.ID, Who: j.Who, Reason: "see", Trial: 10, Changed: true},
		{Verb: waybill.VerbJobGo, Job: j.ID, Who: j.Who, Repeats: 3},
	}
	for i, a := range want {
		if book.JobActs[i] != a {
			t.Errorf("act %d: %+v, want %+v", i, book.JobActs[i], a)
		}
	}
}
