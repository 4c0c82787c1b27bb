package show_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"waybill/show"
	"waybill/show/showtest"
)

func TestTheAPIDescribesItself(t *testing.T) {
	p := open(t, showtest.Rich(now))
	var doc struct {
		OpenAPI string
		Paths   map[string]any
	}
	if err := json.Unmarshal([]byte(text(t, p.ask(t, http.MethodGet, "/api/v1/openapi.json", ""))), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("it is OpenAPI %s", doc.OpenAPI)
	}
	for _, path := range []string{"overview", "events", "events/{id}", "items", "runs", "effects", "problems", "problems/{id}", "connections", "rejections", "audit", "choices/{id}", "acts"} {
		if doc.Paths["/api/v1/"+path] == nil {
			t.Errorf("it does not describe %s", path)
		}
	}
}

func TestTheAPIGivesTheWholeJourneyWithExactNumbers(t *testing.T) {
	p := open(t, showtest.Rich(now))
	program := p.token(t, show.Viewer)
	body := text(t, p.ask(t, http.MethodGet, "/api/v1/events/"+showtest.ID("eff", 9001), "", program))
	for _, want := range []string{`"state":"confirmed"`, `"minor":12990000`, `"proof":"answer 200"`, "9007199254740993", `"matched":false`, `"clause":"order.balance.minor`, `"certainty":"happened"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the journey does not hold %s", want)
		}
	}
	for _, path := range []string{"overview", "events?state=blocked&limit=1", "items", "runs", "effects", "problems", "problems/" + showtest.ID("prb", 2), "connections", "rejections", "audit", "choices/" + showtest.ID("eff", 8992)} {
		res := p.ask(t, http.MethodGet, "/api/v1/"+path, "", program)
		raw := text(t, res)
		if res.StatusCode != http.StatusOK || !json.Valid([]byte(raw)) || strings.Contains(raw, "null") {
			t.Errorf("%s answers %d: %.200s", path, res.StatusCode, raw)
		}
	}
}

func TestTheAPIRefusesInProblemDocuments(t *testing.T) {
	p := open(t, showtest.Rich(now))
	viewer, operator := p.token(t, show.Viewer), p.token(t, show.Operator)
	post := func(who func(*http.Request), body string, also ...func(*http.Request)) *http.Response {
		return p.ask(t, http.MethodPost, "/api/v1/acts", body, append(also, who, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })...)
	}
	rows := []struct {
		name   string
		res    *http.Response
		status int
	}{
		{"nobody", p.ask(t, http.MethodGet, "/api/v1/overview", ""), 401},
		{"a wrong token", p.ask(t, http.MethodGet, "/api/v1/overview", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer wbt_no") }), 401},
		{"a viewer who acts", post(viewer, `{"verb":"resume","object":"team"}`), 403},
		{"an id that is not there", p.ask(t, http.MethodGet, "/api/v1/events/evt_no", "", viewer), 404},
		{"a place that is not there", p.ask(t, http.MethodGet, "/api/v1/none", "", viewer), 404},
		{"a limit too high", p.ask(t, http.MethodGet, "/api/v1/events?limit=5000", "", viewer), 400},
		{"a limit that is no number", p.ask(t, http.MethodGet, "/api/v1/runs?limit=many", "", viewer), 400},
		{"a parameter that is not known", p.ask(t, http.MethodGet, "/api/v1/events?stat=open", "", viewer), 400},
		{"a body that is too large", post(operator, `{"verb":"`+strings.Repeat("x", 2<<20)+`"}`), 413},
		{"a body that lacks something", post(operator, `{"verb":"stop"}`), 400},
		{"a page of another site", post(operator, `{}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }), 403},
		{"a method that is not for it", p.ask(t, http.MethodDelete, "/api/v1/events", "", viewer), 405},
		{"a post to what is read", p.ask(t, http.MethodPost, "/api/v1/events", "{}", operator), 405},
		{"a method that is for nothing", p.ask(t, http.MethodDelete, "/api/v1/none", "", viewer), 404},
		{"a page that is only read", p.ask(t, http.MethodPost, "/events", "", operator), 405},
		{"an act that cannot be done", post(operator, `{"verb":"stop","object":"team"}`), 409},
		{"no JSON", post(operator, `{`), 400},
	}
	for _, row := range rows {
		raw := text(t, row.res)
		var doc struct {
			Type, Title, Detail, Hint string
			Status                    int
		}
		if (row.res.StatusCode == http.StatusMethodNotAllowed) != (row.res.Header.Get("Allow") != "") {
			t.Errorf("%s: it allows %q", row.name, row.res.Header.Get("Allow"))
		}
		if err := json.Unmarshal([]byte(raw), &doc); err != nil || row.res.StatusCode != row.status || doc.Status != row.status || doc.Detail == "" || doc.Type == "" || doc.Hint == "" ||
			row.res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s", row.name, row.res.StatusCode, row.res.Header.Get("Content-Type"), raw)
		}
	}
}

func TestAProgramPressesAButtonWithItsOwnNameAndExactNumbers(t *testing.T) {
	p := open(t, showtest.Rich(now))
	res := p.ask(t, http.MethodPost, "/api/v1/acts", `{"verb":"edit and retry","object":"`+showtest.ID("eff", 8971)+`","reason":"put right","inputs":{"n":9007199254740993}}`,
		p.token(t, show.Operator), func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
	if body := text(t, res); res.StatusCode != http.StatusOK || !strings.Contains(body, `"said":"Done`) {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	got := p.book.Acts[0]
	if got.Who != "a program that is operator" || string(got.Inputs) != `{"n":9007199254740993}` || got.Reason != "put right" {
		t.Errorf("the desk was told %+v with %s", got, got.Inputs)
	}
}

func TestWhoeverIsNotSignedInIsToldSoAsADocument(t *testing.T) {
	p := open(t, showtest.Empty())
	res := p.ask(t, http.MethodPost, "/nothing-here", "")
	if body := text(t, res); res.StatusCode != http.StatusUnauthorized || res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "nobody is signed in") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestHealthIsForAnybodyAndSaysNoReason(t *testing.T) {
	p := open(t, showtest.Empty(), func(o *show.Options) {
		o.Ready = func(context.Context) error { return errors.New("secret path /var/lib/x") }
	})
	if res := p.ask(t, http.MethodGet, "/healthz", ""); res.StatusCode != http.StatusOK {
		t.Errorf("/healthz answers %d", res.StatusCode)
	}
	res := p.ask(t, http.MethodGet, "/readyz", "")
	if body := text(t, res); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "secret") {
		t.Errorf("/readyz answers %d %s", res.StatusCode, body)
	}
}

func TestTheStreamTellsKindsAndNeverThings(t *testing.T) {
	b := showtest.Rich(now)
	p := open(t, b)
	srv := httptest.NewServer(p)
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.token(t, show.Viewer)(req)
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the stream ended before %q", want)
	}
	until("event: hello")
	if told := b.Change("event", "run"); told != 1 {
		t.Fatalf("%d were told", told)
	}
	until(`data: ["event","run"]`)
	p.Stop()
	for lines.Scan() { // the stream ends, so that the server can shut down
	}
	if told := b.Change("event"); told != 0 {
		t.Errorf("%d still watch after the stream ended", told)
	}
}

func TestAParameterThatChangesNothingIsRefused(t *testing.T) {
	p := open(t, showtest.Rich(now))
	viewer := p.token(t, show.Viewer)
	for path, want := range map[string]string{
		"jobs/job_1/members?state=finished": "planned, chosen, begun, waiting, done, failed, blocked, skipped",
		"jobs/job_1/members?class=finished": "blocked, fails, changed, new, same, nothing",
		"items?flow=new-lead":               "state, connection, event",
		"problems?event=evt_1":              "state, connection, flow",
		"jobs?connection=crm":               "it is by state",
		"rejections?state=forged":           "it is by connection",
		"audit?connection=crm":              "it is by state",
		"events?stat=blocked":               "stat",
		"runs?stat=blocked":                 "stat",
		"events?unknown=perhaps":            "unknown",
		"events?since=2026-05-02T00:00:00Z&until=2026-05-01T00:00:00Z": "since is not before until",
	} {
		res := p.ask(t, http.MethodGet, "/api/v1/"+path, "", viewer)
		if body := text(t, res); res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("%s answers %d: %s", path, res.StatusCode, body)
		}
	}
	spec := text(t, p.ask(t, http.MethodGet, "/api/v1/openapi.json", "", viewer))
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(spec), &doc); err != nil {
		t.Fatal(err)
	}
	for _, par := range doc.Paths["/api/v1/items"]["get"].Parameters {
		if par.Name == "flow" {
			t.Error("the description offers what is refused")
		}
	}
}
