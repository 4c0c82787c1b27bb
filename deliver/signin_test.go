package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
)

// office is a token endpoint and an API beside it that takes the newest token only.
type office struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []string // how each token was asked for
	current string   // the token the API takes
	refresh string   // the refresh token it takes; empty: any
	rotate  bool
	params  bool // it takes the client's credentials as parameters only
	life    int
	refuse  int // this status instead of a token
	inBody  string
	hits    int
	deny    bool // the API takes no token at all
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{life: 3600}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", o.token)
	mux.HandleFunc("/api", func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.hits++
		if o.deny || r.Header.Get("Authorization") != "Bearer "+o.current {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

func (o *office) token(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	user, pass, basic := r.BasicAuth()
	how := fmt.Sprintf("%s basic=%v", r.FormValue("grant_type"), basic)
	if r.FormValue("refresh_token") != "" {
		how += " " + r.FormValue("refresh_token")
	}
	o.asked = append(o.asked, how)
	known := basic && !o.params && user == "id" && pass == "s%26cret" ||
		!basic && r.FormValue("client_id") == "id" && r.FormValue("client_secret") == "s&cret"
	switch {
	case o.inBody != "":
		fmt.Fprint(w, o.inBody)
	case o.refuse != 0:
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(o.refuse)
	case !known:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client"}`)
	case o.refresh != "" && r.FormValue("refresh_token") != o.refresh:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
	default:
		o.current = fmt.Sprintf("token-%d", len(o.asked))
		extra := ""
		if o.rotate {
			o.refresh = fmt.Sprintf("refresh-%d", len(o.asked))
			extra = fmt.Sprintf(`,"refresh_token":%q`, o.refresh)
		}
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":%d%s}`, o.current, o.life, extra)
	}
}

func (o *office) target(grant string) *deliver.Target {
	t := targetOf(o.URL)
	t.Settings = map[string]string{"auth": o.URL}
	t.Manifest.SignIn = connector.SignIn{
		Kind: "oauth2", Grant: grant, TokenURL: "${settings.auth}/token", User: "client_id", Pass: "client_secret", Secret: "refresh_token",
		Scopes: []string{"a", "b"},
	}
	t.Secret = secretsOf(map[string]string{"client_id": "id", "client_secret": "s&cret", "refresh_token": "refresh-0"})
	return t
}

func (o *office) call(c *deliver.Caller, t *deliver.Target) deliver.Exchange {
	return c.Call(context.Background(), t, write, requestOf("POST", o.URL+"/api", "{}"))
}

func TestATokenIsFetchedOnceAndUsedUntilItIsAboutToEnd(t *testing.T) {
	o := newOffice(t)
	caller, target := callerOf(deliver.Transport()), o.target("client_credentials")
	now := t0
	caller.Now = func() time.Time { return now }
	for range 3 {
		if x := o.call(caller, target); x.Attempt.Status != 200 || strings.Contains(fmt.Sprintf("%+v", x), "token-1") {
			t.Fatalf("%+v", x)
		}
	}
	now = now.Add(59*time.Minute + time.Second)
	o.call(caller, target)
	if len(o.asked) != 2 || o.asked[0] != "client_credentials basic=true" {
		t.Errorf("%q", o.asked)
	}
}

func TestAServerThatTakesParametersOnlyIsLearntOnce(t *testing.T) {
	o := newOffice(t)
	o.params, o.life = true, 0
	caller, target := callerOf(deliver.Transport()), o.target("client_credentials")
	o.call(caller, target)
	o.current = "another" // the token is refused from now on
	o.call(caller, target)
	if got := strings.Join(o.asked, "; "); got != "client_credentials basic=true; client_credentials basic=false; client_credentials basic=false" {
		t.Error(got)
	}
}

func TestARefusedTokenIsRenewedOnceAndTheCallGoesOn(t *testing.T) {
	o := newOffice(t)
	caller, target := callerOf(deliver.Transport()), o.target("refresh_token")
	o.call(caller, target)
	o.current = "revoked"
	x := o.call(caller, target)
	if x.Attempt.Certainty != waybill.NotHappened || x.Attempt.Cause != waybill.SignInExpired || !x.SignIn {
		t.Fatalf("%+v", x)
	}
	if o.hits != 2 {
		t.Errorf("one attempt made %d exchanges", o.hits-1)
	}
	if x := o.call(caller, target); x.Attempt.Status != 200 {
		t.Errorf("%+v", x)
	}
}

func TestANewTokenThatIsRefusedIsNotRenewedForEver(t *testing.T) {
	o := newOffice(t)
	o.deny = true
	caller, target := callerOf(deliver.Transport()), o.target("refresh_token")
	for range 3 {
		if x := o.call(caller, target); x.SignIn || x.Attempt.Cause != waybill.SignInExpired {
			t.Errorf("%+v", x)
		}
	}
	if len(o.asked) != 3 {
		t.Errorf("asked %d times for 3 calls", len(o.asked))
	}
}

func TestCallsAtOnceFetchOneToken(t *testing.T) {
	o := newOffice(t)
	caller, target := callerOf(deliver.Transport()), o.target("refresh_token")
	together := func() {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if x := o.call(caller, target); x.Attempt.Status != 200 && !x.SignIn {
					t.Errorf("it does not go on: %+v", x)
				}
			})
		}
		all.Wait()
	}
	together()
	if len(o.asked) != 1 {
		t.Errorf("at first: %q", o.asked)
	}
	o.current = "revoked"
	together()
	if len(o.asked) != 2 {
		t.Errorf("after it was refused: %q", o.asked)
	}
}

func TestARotatedRefreshTokenIsKeptBeforeItIsNeeded(t *testing.T) {
	o := newOffice(t)
	o.rotate, o.refresh, o.life = true, "refresh-0", 60
	secrets := map[string]string{"client_id": "id", "client_secret": "s&cret", "refresh_token": "refresh-0"}
	caller, target := callerOf(deliver.Transport()), o.target("refresh_token")
	target.Secret = secretsOf(secrets)
	now := t0
	caller.Now = func() time.Time { return now }
	caller.Keep = func(connection, secret, value string) error {
		if connection != "crm" || secret != "refresh_token" {
			t.Errorf("%s %s", connection, secret)
		}
		secrets[secret] = value
		return nil
	}
	for range 3 {
		if x := o.call(caller, target); x.Attempt.Status != 200 {
			t.Fatalf("%+v", x)
		}
		now = now.Add(time.Hour)
	}
	if secrets["refresh_token"] != "refresh-3" {
		t.Errorf("kept %s; %q", secrets["refresh_token"], o.asked)
	}
	caller.Keep = func(string, string, string) error { return errors.New("the book is closed") }
	if x := o.call(caller, target); x.Attempt.Certainty != waybill.NotHappened || x.Attempt.Cause != waybill.OurSide {
		t.Errorf("not kept, but used: %+v", x)
	}
}

func TestWithoutKeepARotatedRefreshTokenLivesInMemory(t *testing.T) {
	o := newOffice(t)
	o.rotate, o.refresh, o.life = true, "refresh-0", 60
	caller, target := callerOf(deliver.Transport()), o.target("refresh_token")
	now := t0
	caller.Now = func() time.Time { return now }
	for range 3 {
		if x := o.call(caller, target); x.Attempt.Status != 200 {
			t.Fatalf("%+v", x)
		}
		now = now.Add(time.Hour)
	}
}

func TestWhyThereIsNoToken(t *testing.T) {
	for _, tt := range []struct {
		name  string
		set   func(*office)
		cause waybill.Cause
	}{
		{"the grant was revoked", func(o *office) { o.refresh = "another" }, waybill.SignInExpired},
		{"an error that comes with 200", func(o *office) { o.inBody = `{"error":"invalid_code"}` }, waybill.SignInExpired},
		{"an answer without a token", func(o *office) { o.inBody = `<html>` }, waybill.SignInExpired},
		{"too many tokens asked for", func(o *office) { o.refuse = 429 }, waybill.LimitReached},
		{"their side is down", func(o *office) { o.refuse = 503 }, waybill.TheirSideDown},
		{"nobody listens", func(o *office) { o.Close() }, waybill.TheirSideDown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t)
			target := o.target("refresh_token")
			tt.set(o)
			x := o.call(callerOf(deliver.Transport()), target)
			if x.Attempt.Certainty != waybill.NotHappened || x.Attempt.Cause != tt.cause || x.Words == "" || o.hits != 0 {
				t.Errorf("%s, %s: %s (%d hits)", x.Attempt.Certainty, x.Attempt.Cause, x.Words, o.hits)
			}
			if tt.cause == waybill.LimitReached && x.Attempt.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v", x.Attempt.RetryAfter)
			}
		})
	}
}
