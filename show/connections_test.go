package show_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"waybill"
	"waybill/show"
	"waybill/show/showtest"
)

func TestARemovedConnectionIsSeenAsThatAndRetiredWhereItIsSeen(t *testing.T) {
	p := open(t, showtest.Rich(now))
	operator, viewer := p.signIn(t, "asha", show.Operator), p.signIn(t, "meena", show.Viewer)
	for _, path := range []string{"/connections", "/connections/old-shop"} {
		html := text(t, p.ask(t, http.MethodGet, path, "", operator))
		for _, want := range []string{
			"Removed", "It is no longer in the workspace. What it still sends is kept for a person, until one retires it.",
			`name="object" value="old-shop"`, `name="verb" value="retire"`, `name="back" value="` + path + `"`, "2 things that it sent stay on the list",
		} {
			if !strings.Contains(html, want) {
				t.Errorf("%s does not hold %q", path, want)
			}
		}
		if strings.Contains(text(t, p.ask(t, http.MethodGet, path, "", viewer)), `value="retire"`) {
			t.Errorf("%s gives a viewer the button", path)
		}
		form := url.Values{"object": {"old-shop"}, "verb": {"retire"}, "reason": {"the old shop is closed"}, "back": {path}}
		if res := p.ask(t, http.MethodPost, "/acts", form.Encode(), operator); res.Header.Get("Location") != path {
			t.Errorf("the button of %s leads to %q", path, res.Header.Get("Location"))
		}
	}
	if len(p.book.Acts) != 2 || p.book.Acts[0].Verb != waybill.VerbRetire || p.book.Acts[0].Reason != "the old shop is closed" {
		t.Errorf("the desk was told %+v", p.book.Acts)
	}
}

func TestARemovedConnectionThatMayNotBeRetiredYetSaysWhatIsInTheWay(t *testing.T) {
	b := showtest.Rich(now)
	delete(b.Buttons, "old-shop")
	page := plain(t, open(t, b), "/connections/old-shop")
	if want := "It can be retired once nothing there is open"; !strings.Contains(page, want) {
		t.Errorf("the page does not say %q", want)
	}
}

func TestARetiredConnectionSaysWhoDidSoWhenAndWhy(t *testing.T) {
	b := showtest.Rich(now)
	p := open(t, b)
	asha := p.signIn(t, "asha", show.Operator)
	for _, path := range []string{"/connections", "/connections/old-crm"} {
		html := text(t, p.ask(t, http.MethodGet, path, "", asha))
		for _, want := range []string{"Retired", "meena retired it: The old CRM was switched off. Whoever still sends there is told 404", "50 days ago"} {
			if !strings.Contains(html, want) {
				t.Errorf("%s does not say %q", path, want)
			}
		}
	}
	if html := text(t, p.ask(t, http.MethodGet, "/", "", asha)); strings.Contains(html, "old-crm") || !strings.Contains(html, "old-shop") {
		t.Error("the overview shows what is over, or not what waits for a person")
	}
	for i := range b.Figures { // the audit is not kept for ever
		if b.Figures[i].Retired != nil {
			b.Figures[i].Retired = &waybill.Retirement{At: now}
		}
	}
	if page := plain(t, open(t, b), "/connections/old-crm"); !strings.Contains(page, "Retired") || strings.Contains(page, "retired it:") {
		t.Error("one of which no more is known than that it was retired does not say so")
	}
}

func TestTheAPITellsOfRemovedAndRetiredConnectionsAndRetires(t *testing.T) {
	p := open(t, showtest.Rich(now))
	program := p.token(t, show.Operator)
	var list struct {
		Items []struct {
			Connection string
			Removed    bool
			Retired    *struct{ At, Who, Why string }
		}
	}
	if err := json.Unmarshal([]byte(text(t, p.ask(t, http.MethodGet, "/api/v1/connections", "", program))), &list); err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, c := range list.Items {
		told[c.Connection] = "here"
		if c.Removed {
			told[c.Connection] = "removed"
		}
		if c.Retired != nil {
			told[c.Connection] += ", retired by " + c.Retired.Who + ": " + c.Retired.Why
		}
	}
	for name, want := range map[string]string{"crm": "here", "old-shop": "removed", "old-crm": "removed, retired by meena: the old CRM was switched off"} {
		if told[name] != want {
			t.Errorf("%s is told as %q, want %q", name, told[name], want)
		}
	}
	if choices := text(t, p.ask(t, http.MethodGet, "/api/v1/choices/old-shop", "", program)); !strings.Contains(choices, `"verb":"retire"`) || !strings.Contains(choices, `"needs_reason":true`) {
		t.Errorf("the choices: %s", choices)
	}
	res := p.ask(t, http.MethodPost, "/api/v1/acts", `{"verb":"retire","object":"old-shop","reason":"closed"}`, program, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
	if res.StatusCode != http.StatusOK || len(p.book.Acts) != 1 || p.book.Acts[0].Object != "old-shop" || p.book.Acts[0].Who == "" {
		t.Errorf("retired by a program: %d, %+v", res.StatusCode, p.book.Acts)
	}
	doc := text(t, p.ask(t, http.MethodGet, "/api/v1/openapi.json", ""))
	for _, want := range []string{`"retired"`, `"removed"`, "as if it had never been", "pause, retire"} {
		if !strings.Contains(doc, want) {
			t.Errorf("the description of the API does not hold %s", want)
		}
	}
}
