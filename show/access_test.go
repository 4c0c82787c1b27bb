package show_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/show"
	"waybill/show/showtest"
)

// place is a dashboard with a clock that a test turns.
type place struct {
	*show.Server
	book *showtest.Book
	at   time.Time
}

func open(t *testing.T, b *showtest.Book, with ...func(*show.Options)) *place {
	t.Helper()
	p := &place{book: b, at: now}
	o := b.Options(now)
	o.Now = func() time.Time { return p.at }
	for _, w := range with {
		w(&o)
	}
	s, err := show.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Server = s
	return p
}

// ask sends one request; edit may change it.
func (p *place) ask(t *testing.T, method, path, form string, edit ...func(*http.Request)) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.RemoteAddr = "198.51.100.7:4711"
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// signIn invites somebody and uses the link; the result signs requests in.
func (p *place) signIn(t *testing.T, name string, role show.Role) func(*http.Request) {
	t.Helper()
	path, err := p.Access().Invite(t.Context(), name, role)
	if err != nil {
		t.Fatal(err)
	}
	res := p.ask(t, http.MethodPost, path, "")
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 {
		t.Fatalf("the link of %s answers %d with cookies %v", name, res.StatusCode, res.Cookies())
	}
	return func(r *http.Request) { r.AddCookie(res.Cookies()[0]) }
}

func (p *place) token(t *testing.T, role show.Role) func(*http.Request) {
	t.Helper()
	token, err := p.Access().Token(t.Context(), "a program that is "+string(role), role)
	if err != nil {
		t.Fatal(err)
	}
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// TestEveryRouteLetsInOnlyWhoMay walks the whole site map with every role, and the API's own table behind it.
func TestEveryRouteLetsInOnlyWhoMay(t *testing.T) {
	p := open(t, showtest.Rich(now), func(o *show.Options) { o.Metrics = http.NotFoundHandler() })
	p.Stop() // a live stream ends at once
	who := map[show.Role]func(*http.Request){
		"":            func(*http.Request) {},
		show.Viewer:   p.token(t, show.Viewer),
		show.Operator: p.token(t, show.Operator),
		show.Admin:    p.token(t, show.Admin),
	}
	routes := p.Routes()
	for _, path := range apiPaths(t, p) {
		need := show.Viewer
		if strings.HasPrefix(path, "POST") {
			need = show.Operator
		}
		routes = append(routes, show.RouteLine{Pattern: path, Need: need})
	}
	if len(routes) < 30 {
		t.Fatalf("the site map has only %d lines", len(routes))
	}
	fill := strings.NewReplacer("{$}", "", "{id}", showtest.ID("evt", 9000), "{name}", "crm", "{token}", "never", "{file}", "none.css")
	for _, rt := range routes {
		method, path, found := strings.Cut(rt.Pattern, " ")
		if !found {
			method, path = http.MethodGet, rt.Pattern+"nothing-here"
		}
		for role, sign := range who {
			status := p.ask(t, method, fill.Replace(path), "", sign).StatusCode
			refused := status == http.StatusUnauthorized || status == http.StatusForbidden
			if role == "" && method == http.MethodGet && status == http.StatusSeeOther {
				refused = true // sent to the sign-in
			}
			switch {
			case path == "/metrics": // guarded by itself, see below
			case path == "/sign-in/once/{token}": // a link that was never made lets nobody in
			case rt.Need == "" && refused && status != http.StatusSeeOther:
				t.Errorf("%s is public, but refuses %q with %d", rt.Pattern, role, status)
			case rt.Need != "" && role.May(rt.Need) == refused:
				t.Errorf("%s needs %s; %q gets %d", rt.Pattern, rt.Need, role, status)
			}
		}
	}
}

func apiPaths(t *testing.T, p *place) []string {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.NewDecoder(p.ask(t, http.MethodGet, "/api/v1/openapi.json", "").Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	var list []string
	for path, methods := range doc.Paths {
		for method := range methods {
			list = append(list, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(list)
	return list
}

func TestALinkWorksOnceAndOnlyForAWhile(t *testing.T) {
	p := open(t, showtest.Empty())
	link, err := p.Access().OneTimeLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if res := p.ask(t, http.MethodGet, link, ""); res.StatusCode != http.StatusOK || len(res.Cookies()) != 0 || !strings.Contains(text(t, res), "Welcome, admin") {
			t.Fatal("looking at a link, as programs that preview messages do, uses it up or signs in")
		}
	}
	first := p.ask(t, http.MethodPost, link, "")
	if first.StatusCode != http.StatusSeeOther {
		t.Fatalf("a good link answers %d", first.StatusCode)
	}
	if res := p.ask(t, http.MethodGet, "/", "", func(r *http.Request) { r.AddCookie(first.Cookies()[0]) }); res.StatusCode != http.StatusOK {
		t.Errorf("signed in, the first page answers %d", res.StatusCode)
	}
	if res := p.ask(t, http.MethodPost, link, ""); res.StatusCode != http.StatusForbidden || len(res.Cookies()) != 0 {
		t.Errorf("a used link answers %d", res.StatusCode)
	}
	old, _ := p.Access().OneTimeLink(t.Context())
	newer, _ := p.Access().OneTimeLink(t.Context())
	if res := p.ask(t, http.MethodPost, old, ""); res.StatusCode != http.StatusForbidden {
		t.Errorf("a link that another one replaced answers %d", res.StatusCode)
	}
	p.at = p.at.Add(15 * time.Minute)
	if res := p.ask(t, http.MethodPost, newer, ""); res.StatusCode != http.StatusForbidden {
		t.Errorf("a link of 15 minutes ago answers %d", res.StatusCode)
	}
}

func TestTheBookHoldsNoSecretThatOpensAnything(t *testing.T) {
	p := open(t, showtest.Empty())
	link, _ := p.Access().OneTimeLink(t.Context())
	token, _ := p.Access().Token(t.Context(), "ci", show.Viewer)
	for _, name := range []string{"show/users", "show/links", "show/sessions", "show/tokens"} {
		raw, _ := p.book.Setting(t.Context(), name)
		for _, secret := range []string{strings.TrimPrefix(link, "/sign-in/once/"), strings.TrimPrefix(token, "wbt_")} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("%s holds a secret in clear: %s", name, raw)
			}
		}
	}
}

func TestASessionEndsWhenItIsNotUsed(t *testing.T) {
	p := open(t, showtest.Empty())
	asha := p.signIn(t, "asha", show.Viewer)
	live := func(r *http.Request) { asha(r); r.Header.Set("HX-Request", "true") }
	for range 3 { // used every few hours, it goes on
		p.at = p.at.Add(5 * time.Hour)
		if res := p.ask(t, http.MethodGet, "/", "", asha); res.StatusCode != http.StatusOK {
			t.Fatalf("a session in use answers %d", res.StatusCode)
		}
	}
	p.at = p.at.Add(5 * time.Hour)
	if res := p.ask(t, http.MethodGet, "/", "", live); res.StatusCode != http.StatusOK {
		t.Fatalf("a live page of 5 hours ago answers %d", res.StatusCode)
	}
	p.at = p.at.Add(4 * time.Hour)
	if res := p.ask(t, http.MethodGet, "/", "", live); res.StatusCode != http.StatusUnauthorized || res.Header.Get("HX-Redirect") != "/sign-in" {
		t.Errorf("nobody used it for 9 hours but a live page; it answers %d", res.StatusCode)
	}
}

func TestSigningOutAndBeingRemovedEndAccessAtOnce(t *testing.T) {
	p := open(t, showtest.Empty())
	asha, ravi := p.signIn(t, "asha", show.Viewer), p.signIn(t, "ravi", show.Admin)
	p.ask(t, http.MethodPost, "/sign-out", "", asha)
	if res := p.ask(t, http.MethodGet, "/", "", asha); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after signing out the page answers %d", res.StatusCode)
	}
	if err := p.Access().Remove(t.Context(), "ravi"); err != nil {
		t.Fatal(err)
	}
	if res := p.ask(t, http.MethodGet, "/", "", ravi); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after being removed the page answers %d", res.StatusCode)
	}
}

func TestAChangedRoleCountsForOpenSessions(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	if _, err := p.Access().Invite(t.Context(), "asha", show.Viewer); err != nil {
		t.Fatal(err)
	}
	if res := p.ask(t, http.MethodPost, "/acts", "object=team&verb=resume", asha); res.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer who was an operator may press a button: %d", res.StatusCode)
	}
}

func TestTheSessionCookieIsForThisHostOnly(t *testing.T) {
	for name, row := range map[string]struct {
		public string
		edit   func(*http.Request)
		cookie string
		secure bool
	}{
		"plain on this machine":   {"http://127.0.0.1:8080", func(*http.Request) {}, "waybill", false},
		"behind a TLS proxy":      {"https://waybill.example.com", func(*http.Request) {}, "__Host-waybill", true},
		"with TLS of its own too": {"", func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, "__Host-waybill", true},
	} {
		p := open(t, showtest.Empty(), func(o *show.Options) { o.PublicURL = row.public })
		link, _ := p.Access().OneTimeLink(t.Context())
		c := p.ask(t, http.MethodPost, link, "", row.edit).Cookies()[0]
		if c.Name != row.cookie || c.Secure != row.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: the cookie is %s", name, c)
		}
	}
}

func TestOnlyTheDemoSignsInByItselfAndOnlyFromThisMachine(t *testing.T) {
	here := func(r *http.Request) { r.RemoteAddr, r.Host = "127.0.0.1:5000", "localhost:8080" }
	rows := []struct {
		name string
		auto bool
		edit func(*http.Request)
		in   bool
	}{
		{"the demo, here", true, here, true},
		{"not the demo", false, here, false},
		{"from elsewhere", true, func(r *http.Request) { r.Host = "localhost" }, false},
		{"through a proxy", true, func(r *http.Request) { here(r); r.Header.Set("X-Forwarded-For", "203.0.113.9") }, false},
		{"a foreign name that points here", true, func(r *http.Request) { here(r); r.Host = "evil.example:8080" }, false},
		{"IPv6, here", true, func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:5000", "[::1]:8080" }, true},
	}
	for _, row := range rows {
		p := open(t, showtest.Empty(), func(o *show.Options) { o.Auto = row.auto })
		if got := p.ask(t, http.MethodGet, "/", "", row.edit).StatusCode == http.StatusOK; got != row.in {
			t.Errorf("%s: signed in is %v, want %v", row.name, got, row.in)
		}
	}
}

func TestARequestFromAnotherSiteChangesNothing(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	for name, edit := range map[string]func(*http.Request){
		"by its fetch metadata": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"by its origin":         func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		res := p.ask(t, http.MethodPost, "/acts", "object=team&verb=resume", asha, edit)
		if res.StatusCode != http.StatusForbidden || len(p.book.Acts) != 0 {
			t.Errorf("%s: a form of another site answers %d, and %d acts were done", name, res.StatusCode, len(p.book.Acts))
		}
	}
}

func TestMetricsAreForThisMachineAndForTokens(t *testing.T) {
	p := open(t, showtest.Empty(), func(o *show.Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("waybill_arrivals_total 1\n")) })
	})
	if res := p.ask(t, http.MethodGet, "/metrics", ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", res.StatusCode)
	}
	if res := p.ask(t, http.MethodGet, "/metrics", "", func(r *http.Request) { r.RemoteAddr, r.Host = "127.0.0.1:1", "127.0.0.1:8080" }); res.StatusCode != http.StatusOK {
		t.Errorf("a scraper on this machine gets %d", res.StatusCode)
	}
	if res := p.ask(t, http.MethodGet, "/metrics", "", p.token(t, show.Viewer)); res.StatusCode != http.StatusOK {
		t.Errorf("a token gets %d", res.StatusCode)
	}
}

func TestAWrongInvitationIsRefusedWithWords(t *testing.T) {
	p := open(t, showtest.Empty())
	for _, row := range []struct {
		name string
		role show.Role
	}{{"", show.Viewer}, {"asha", "boss"}, {"asha", ""}, {"a\nb", show.Viewer}, {strings.Repeat("a", 81), show.Viewer}} {
		if _, err := p.Access().Invite(t.Context(), row.name, row.role); err == nil {
			t.Errorf("%q as %q was invited", row.name, row.role)
		}
	}
	if people, err := p.Access().People(t.Context()); err != nil || len(people) != 0 {
		t.Errorf("people are %v, %v", people, err)
	}
}

func TestTheSignInRemembersWhereOneWanted(t *testing.T) {
	p := open(t, showtest.Empty())
	res := p.ask(t, http.MethodGet, "/problems?state=fixed", "")
	if got, want := res.Header.Get("Location"), "/sign-in?next="+url.QueryEscape("/problems?state=fixed"); got != want {
		t.Errorf("one is sent to %q, want %q", got, want)
	}
	asha := p.signIn(t, "asha", show.Viewer)
	if got := p.ask(t, http.MethodGet, "/sign-in?next="+url.QueryEscape("//evil.example"), "", asha).Header.Get("Location"); got != "/" {
		t.Errorf("a sign-in page sends one to %q", got)
	}
}

// away is a store that cannot be read now.
type away struct {
	show.Store
	gone bool
}

func (a *away) Setting(ctx context.Context, name string) ([]byte, error) {
	if a.gone {
		return nil, &waybill.Error{Kind: waybill.Unavailable, Message: "the book cannot be read now", Hint: "try again in a moment"}
	}
	return a.Store.Setting(ctx, name)
}

// TestWhoIsSignedInIsNotSentToSignInWhileTheBookIsAway: whether somebody is signed in cannot be told then, which is no "no".
func TestWhoIsSignedInIsNotSentToSignInWhileTheBookIsAway(t *testing.T) {
	var store *away
	p := open(t, showtest.Rich(now), func(o *show.Options) {
		store = &away{Store: o.Store}
		o.Store = store
	})
	asha := p.signIn(t, "asha", show.Operator)
	token, err := p.Access().Token(t.Context(), "reports", show.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	store.gone = true
	for path, as := range map[string]func(*http.Request){"/": asha, "/events": asha, "/api/v1/overview": bearer} {
		res := p.ask(t, http.MethodGet, path, "", as)
		if words := text(t, res); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(strings.ToLower(words), "try again") {
			t.Errorf("%s answers %d: %.200s", path, res.StatusCode, words)
		}
	}
	store.gone = false
	if res := p.ask(t, http.MethodGet, "/events", "", asha); res.StatusCode != http.StatusOK {
		t.Errorf("once it is back: %d", res.StatusCode)
	}
}
