package show_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/record"
	"waybill/show"
	"waybill/show/showtest"
)

// people is a book as show.Persons.
type people struct{ *record.Book }

func (p people) ErasePerson(ctx context.Context, who waybill.Person, by string) (string, *waybill.PersonFound, error) {
	f, err := p.FindPerson(ctx, who)
	if err != nil {
		return "", nil, err
	}
	id, err := p.Book.ErasePerson(ctx, f, by)
	return id, f, err
}

func (p people) Erasures(ctx context.Context) (list []waybill.Erasure, err error) {
	err = p.View(ctx, func(tx *record.Tx) (err error) { list, err = tx.Erasures(); return err })
	return list, err
}

func TestAnAdminFindsExportsAndErasesOnePerson(t *testing.T) {
	book, err := record.Open(t.Context(), "sqlite::memory:", record.Options{Now: time.Now, Inline: true, Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	const mail = "dipali@example.com"
	err = book.Do(t.Context(), func(tx *record.Tx) error {
		if err := tx.Audit(&waybill.Audited{Who: "ops", Action: "stop", Object: "run_1", Reason: "she wrote from " + mail}); err != nil {
			return err
		}
		_, err := tx.TouchSubject(&waybill.Subject{Type: "customer", Name: "Dipali", Fields: []byte(`{"city":"Pune"}`), Aliases: []waybill.Alias{{Kind: "email", Value: mail}}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, showtest.Empty(), func(o *show.Options) { o.Reader, o.Lists, o.Persons = book, book, people{book} })
	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
	admin := p.token(t, show.Admin)
	post := func(path, body string, who func(*http.Request)) *http.Response {
		return p.ask(t, http.MethodPost, "/api/v1/persons/"+path, body, who, asJSON)
	}
	const her = `{"emails":["Dipali@Example.com"]}`
	for _, role := range []show.Role{show.Viewer, show.Operator} {
		for _, path := range []string{"find", "export", "erase"} {
			if res := post(path, her, p.token(t, role)); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s by a %s: %d", path, role, res.StatusCode)
			}
		}
		if res := p.ask(t, http.MethodGet, "/api/v1/persons/erasures", "", p.token(t, role)); res.StatusCode != http.StatusForbidden {
			t.Errorf("the list to a %s: %d", role, res.StatusCode)
		}
	}
	if res := post("find", `{}`, admin); res.StatusCode != http.StatusBadRequest {
		t.Errorf("nobody is named: %d", res.StatusCode)
	}
	if got := text(t, post("find", her, admin)); !strings.Contains(got, `"notes":1`) || !strings.Contains(got, `"subjects":["sub_`) {
		t.Errorf("found: %s", got)
	}
	if got := text(t, post("export", her, admin)); !strings.Contains(got, "she wrote from") || !strings.Contains(got, `"city":"Pune"`) {
		t.Errorf("exported: %s", got)
	}
	if res := post("erase", her, admin); res.StatusCode != http.StatusUnprocessableEntity && res.StatusCode != http.StatusBadRequest {
		t.Errorf("without a confirmation: %d", res.StatusCode)
	}
	if got := text(t, post("find", her, admin)); !strings.Contains(got, `"notes":1`) {
		t.Errorf("erased without a confirmation: %s", got)
	}
	if got := text(t, post("erase", `{"emails":["dipali@example.com"],"confirm":true}`, admin)); !strings.Contains(got, `"id":"era_`) {
		t.Errorf("erased: %s", got)
	}
	if got := text(t, post("find", her, admin)); !strings.Contains(got, `"notes":0`) || !strings.Contains(got, `"subjects":[]`) {
		t.Errorf("after the erasure: %s", got)
	}
	if got := text(t, p.ask(t, http.MethodGet, "/api/v1/persons/erasures", "", admin)); !strings.Contains(got, `"hashes":["`) || strings.Contains(strings.ToLower(got), "dipali") {
		t.Errorf("the list: %s", got)
	}
	log := text(t, p.ask(t, http.MethodGet, "/api/v1/audit", "", admin))
	for _, want := range []string{"export a person", "erase a person"} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit lacks %q: %s", want, log)
		}
	}
	if strings.Contains(strings.ToLower(log), "dipali") {
		t.Errorf("the audit names her: %s", log)
	}
	if spec := text(t, p.ask(t, http.MethodGet, "/api/v1/openapi.json", "")); !strings.Contains(spec, "/api/v1/persons/erase") {
		t.Error("OpenAPI does not tell of it")
	}
}

func TestAnExportHoldsNothingOfOthersInTheSameArrival(t *testing.T) {
	book, err := record.Open(t.Context(), "sqlite::memory:", record.Options{Now: time.Now, Inline: true, Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	err = book.Do(t.Context(), func(tx *record.Tx) error {
		a := &waybill.Arrival{
			ID: "arr_1", Connection: "forms", Account: "a", Via: waybill.ViaWebhook, Method: "POST", URL: "/in/forms", ReceivedAt: time.Now(), BodyHash: "h",
			Body: []byte(`{"leads":[{"email":"ann@example.com","town":"Pune"},{"email":"joann@example.com"}]}`),
			Items: []waybill.Item{
				{ID: "itm_1", Type: "lead", DeliveryKey: "1", Pointer: "/leads/0"},
				{ID: "itm_2", Type: "lead", DeliveryKey: "2", Pointer: "/leads/1"},
			},
		}
		r, err := tx.TakeIn(a)
		if err != nil {
			return err
		}
		for i, mail := range []string{"ann@example.com", "joann@example.com"} {
			it := r.Fresh[i]
			ev := &waybill.Event{
				ID: waybill.EventID("evt_" + it.ID[4:]), Type: "lead.created", Noun: "lead", Connection: "forms", Account: "a", FactKey: it.DeliveryKey, Subject: "Lead " + mail, Item: it.ID, Arrival: a.ID,
				Data: []byte(`{"lead":{"id":"` + it.DeliveryKey + `","email":"` + mail + `"}}`), AcceptedAt: time.Now(),
			}
			if _, _, err := tx.PutEvent(ev); err != nil {
				return err
			}
			it.State, it.Events = waybill.ItemTranslated, []waybill.EventID{ev.ID}
			if err := tx.MoveItem(&it, waybill.ItemKept); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, showtest.Empty(), func(o *show.Options) { o.Reader, o.Lists, o.Persons = book, book, people{book} })
	got := text(t, p.ask(t, http.MethodPost, "/api/v1/persons/export", `{"emails":["ann@example.com"]}`, p.token(t, show.Admin), func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }))
	body := base64.StdEncoding.EncodeToString([]byte(`"email":"joann`))[:8]
	if !strings.Contains(got, "Lead ann@example.com") || !strings.Contains(got, "Pune") && !strings.Contains(got, base64.StdEncoding.EncodeToString([]byte(`{"email":"ann@example.com","town":"Pune"}`))) {
		t.Errorf("hers is not in it: %s", got)
	}
	if strings.Contains(got, "joann") || strings.Contains(got, body) || strings.Contains(got, "evt_2") {
		t.Errorf("another's is in it: %s", got)
	}
}
