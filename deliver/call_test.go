package deliver_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
)

// secretsOf gives secrets from a table.
func secretsOf(table map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := table[name]; return v, ok }
}

func callerOf(rt http.RoundTripper) *deliver.Caller {
	return &deliver.Caller{Transport: rt, Now: time.Now, Redact: func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("sk_secret"), []byte("[api_key]"))
	}}
}

func targetOf(address string) *deliver.Target {
	host := strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	return &deliver.Target{
		Connection: "crm", Account: "acct_1", BaseURL: address, Private: []string{host},
		Manifest: &connector.Manifest{Name: "crm", Title: "CRM", SignIn: connector.SignIn{Kind: "none"}},
		Secret:   secretsOf(map[string]string{"api_key": "sk_secret"}),
	}
}

func requestOf(method, address, body string, headers ...waybill.Header) waybill.Request {
	return waybill.Request{Method: method, URL: address, Headers: headers, Body: []byte(body)}
}

var (
	write = &connector.Action{Name: "note.add", Kind: waybill.KindAdd}
	read  = &connector.Action{Name: "note.get", Kind: waybill.KindRead}
)

// raw serves each connection with what handle does after it has read one request.
func raw(t *testing.T, handle func(conn net.Conn, req *http.Request)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, req.Body)
					handle(conn, req)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); done.Wait() })
	return "http://" + l.Addr().String()
}

func say(text string) func(net.Conn, *http.Request) {
	return func(conn net.Conn, _ *http.Request) { io.WriteString(conn, text); conn.Close() }
}

func zipped(n int) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.CopyN(z, zeros{}, int64(n))
	z.Close()
	return b.String()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestWhatAnAnswerProves(t *testing.T) {
	answer := func(status int, headers, body string) func(net.Conn, *http.Request) {
		return say(fmt.Sprintf("HTTP/1.1 %d Text\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), headers, body))
	}
	const jsonType = "Content-Type: application/json\r\n"
	bomb, half := zipped(11<<20), zipped(1 << 10)[:20]
	rows := []struct {
		name   string
		handle func(net.Conn, *http.Request)
		want   waybill.Certainty
		cause  waybill.Cause
	}{
		{"200 happened", answer(200, jsonType, `{"id":"n1"}`), waybill.Happened, ""},
		{"201 happened", answer(201, jsonType, `{}`), waybill.Happened, ""},
		{"204 happened", say("HTTP/1.1 204 No Content\r\n\r\n"), waybill.Happened, ""},
		{"200 with plain text happened, when no more is expected", answer(200, "Content-Type: text/plain\r\n", "ok"), waybill.Happened, ""},
		{"200 with half a JSON is in doubt", answer(200, jsonType, `{"id":"n`), waybill.InDoubt, waybill.FormatChanged},
		{"200 that says JSON and is HTML is in doubt", answer(200, jsonType, `<html>`), waybill.InDoubt, waybill.FormatChanged},
		{"400 is declined", answer(400, "", ""), waybill.Declined, waybill.DeclinedValue},
		{"401 did not happen", answer(401, "", ""), waybill.NotHappened, waybill.SignInExpired},
		{"403 lacks a permission", answer(403, "", ""), waybill.Declined, waybill.PermissionMissing},
		{"404 is declined", answer(404, "", ""), waybill.Declined, waybill.NotFoundThere},
		{"408 is in doubt", answer(408, "", ""), waybill.InDoubt, waybill.TooSlow},
		{"409 is declined", answer(409, "", ""), waybill.Declined, waybill.DuplicateThere},
		{"422 is declined", answer(422, "", ""), waybill.Declined, waybill.DeclinedValue},
		{"429 did not happen", answer(429, "", ""), waybill.NotHappened, waybill.LimitReached},
		{"500 is in doubt", answer(500, "", ""), waybill.InDoubt, waybill.TheirSideDown},
		{"502 is in doubt", answer(502, "", ""), waybill.InDoubt, waybill.TheirSideDown},
		{"503 is in doubt", answer(503, "", ""), waybill.InDoubt, waybill.TheirSideDown},
		{"504 is in doubt", answer(504, "", ""), waybill.InDoubt, waybill.TheirSideDown},
		{"529 is in doubt", answer(529, "", ""), waybill.InDoubt, waybill.TheirSideDown},
		{"a close after the request is in doubt", say(""), waybill.InDoubt, waybill.AnswerLost},
		{"a reset after the request is in doubt", func(conn net.Conn, _ *http.Request) {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}, waybill.InDoubt, waybill.AnswerLost},
		{"half a status line is in doubt", say("HTTP/1.1 20"), waybill.InDoubt, waybill.AnswerLost},
		{"nonsense is in doubt", say("ICY 200 OK\r\n\r\n"), waybill.InDoubt, waybill.AnswerLost},
		{"a header beyond its cap is in doubt", say("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200<<10) + "\r\n\r\n"), waybill.InDoubt, waybill.AnswerLost},
		{"a body shorter than it says is in doubt", say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"), waybill.InDoubt, waybill.AnswerLost},
		{"a refusal whose body broke off is in doubt", say("HTTP/1.1 422 No\r\nContent-Length: 100\r\n\r\n{}"), waybill.InDoubt, waybill.AnswerLost},
		{"a chunk that broke off is in doubt", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a"), waybill.InDoubt, waybill.AnswerLost},
		{"a longer body than is read is in doubt", say("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 11<<20)), waybill.InDoubt, waybill.AnswerLost},
		{"a gzip bomb is in doubt", answer(200, "Content-Encoding: gzip\r\n", bomb), waybill.InDoubt, waybill.AnswerLost},
		{"half a gzip is in doubt", answer(200, "Content-Encoding: gzip\r\n", half), waybill.InDoubt, waybill.AnswerLost},
	}
	caller := callerOf(deliver.Transport())
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			address := raw(t, r.handle)
			x := caller.Call(t.Context(), targetOf(address), write, requestOf("POST", address, `{"a":1}`))
			if x.Attempt.Certainty != r.want || x.Attempt.Cause != r.cause {
				t.Errorf("%s, %s; want %s, %s (%s, %s)", x.Attempt.Certainty, x.Attempt.Cause, r.want, r.cause, x.Words, x.Attempt.Error)
			}
			if r.want != waybill.Happened && x.Words == "" {
				t.Error("no words")
			}
			if len(x.Attempt.Response) > 64<<10 {
				t.Errorf("%d bytes kept", len(x.Attempt.Response))
			}
			x = caller.Call(t.Context(), targetOf(address), read, requestOf("POST", address, `{"a":1}`))
			if x.Attempt.Certainty == waybill.InDoubt {
				t.Error("a read is in doubt")
			}
		})
	}
}

func TestWhatNeverBeganDidNotHappen(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	plain := raw(t, say("HTTP/1.1 200 OK\r\n\r\n"))
	rt := deliver.NewTransport(names(t, nil), nil)
	for _, tt := range []struct {
		name, address string
		cause         waybill.Cause
	}{
		{"nobody listens", "http://" + closed.Addr().String(), waybill.TheirSideDown},
		{"no such name", "http://nowhere.example.com", waybill.TheirSideDown},
		{"a certificate nobody vouches for", untrusted.URL, waybill.TheirSideDown},
		{"no TLS where TLS is asked for", strings.Replace(plain, "http:", "https:", 1), waybill.TheirSideDown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := callerOf(rt).Call(t.Context(), targetOf(tt.address), write, requestOf("POST", tt.address, "{}"))
			if x.Attempt.Certainty != waybill.NotHappened || x.Attempt.Cause != tt.cause {
				t.Errorf("%s, %s: %s", x.Attempt.Certainty, x.Attempt.Cause, x.Words)
			}
		})
	}
}

func TestARefusedAddressDidNotHappenAndSaysWhatToDo(t *testing.T) {
	address := raw(t, say("HTTP/1.1 200 OK\r\n\r\n"))
	target := targetOf(address)
	target.Private = nil
	x := callerOf(deliver.Transport()).Call(t.Context(), target, write, requestOf("POST", address, "{}"))
	if x.Attempt.Certainty != waybill.NotHappened || x.Attempt.Cause != waybill.BlockedByRule || x.Fix == "" {
		t.Errorf("%+v", x)
	}
}

func TestACallThatTakesTooLongIsInDoubt(t *testing.T) {
	for name, say := range map[string]string{
		"no answer":     "",
		"half a body":   "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
		"a slow header": "HTTP/1.1 200 OK\r\nX-",
	} {
		t.Run(name, func(t *testing.T) {
			var arrived atomic.Bool
			hang := make(chan struct{})
			address := raw(t, func(c net.Conn, _ *http.Request) {
				arrived.Store(true)
				io.WriteString(c, say)
				<-hang
			})
			defer close(hang)
			// On a busy machine a short limit ends before the request has left; that call did not happen, and shows nothing here.
			var x deliver.Exchange
			action := *write
			for action.Timeout = 30 * time.Millisecond; !arrived.Load() && action.Timeout < time.Minute; action.Timeout *= 2 {
				x = callerOf(deliver.Transport()).Call(t.Context(), targetOf(address), &action, requestOf("POST", address, "{}"))
			}
			if x.Attempt.Certainty != waybill.InDoubt || x.Attempt.Cause != waybill.TooSlow {
				t.Errorf("%s, %s: %s", x.Attempt.Certainty, x.Attempt.Cause, x.Words)
			}
		})
	}
}

func TestACallThatWaybillStopsIsInDoubt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := raw(t, func(net.Conn, *http.Request) { cancel() })
	x := callerOf(deliver.Transport()).Call(ctx, targetOf(address), write, requestOf("POST", address, "{}"))
	if x.Attempt.Certainty != waybill.InDoubt || x.Attempt.Cause != waybill.AnswerLost {
		t.Errorf("%s, %s: %s", x.Attempt.Certainty, x.Attempt.Cause, x.Words)
	}
	x = callerOf(deliver.Transport()).Call(ctx, targetOf(address), write, requestOf("POST", address, "{}"))
	if x.Attempt.Certainty != waybill.NotHappened || x.Attempt.Cause != waybill.OurSide {
		t.Errorf("stopped before it began: %s, %s", x.Attempt.Certainty, x.Attempt.Cause)
	}
}

// TestOneAttemptIsOneExchange: the server answers the first request and keeps the connection, then takes each further
// request on it and closes without an answer, as a server does that stops. net/http would send again by itself.
func TestOneAttemptIsOneExchange(t *testing.T) {
	key := waybill.Header{Name: "Idempotency-Key", Value: "k1"}
	xkey := waybill.Header{Name: "X-Idempotency-Key", Value: "k1"}
	for _, req := range []waybill.Request{
		requestOf("POST", "", "{}"), requestOf("POST", "", "{}", key), requestOf("POST", "", "", key), requestOf("POST", "", "", xkey),
		requestOf("POST", "", ""), requestOf("PUT", "", "", key), requestOf("DELETE", "", "", key), requestOf("GET", "", "", key),
		requestOf("GET", "", ""), requestOf("HEAD", "", ""), requestOf("OPTIONS", "", ""),
	} {
		t.Run(fmt.Sprint(req.Method, " ", len(req.Body), " ", len(req.Headers)), func(t *testing.T) {
			var taken, keys atomic.Int32
			address := raw(t, func(conn net.Conn, got *http.Request) {
				if got.URL.Path == "/first" {
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					return
				}
				taken.Add(1)
				if got.Header.Get("Idempotency-Key")+got.Header.Get("X-Idempotency-Key") != "" {
					keys.Add(1)
				}
				if got.ContentLength != int64(len(req.Body)) || len(got.TransferEncoding) > 0 {
					t.Errorf("length %d, %v", got.ContentLength, got.TransferEncoding)
				}
				conn.Close()
			})
			caller, target := callerOf(deliver.Transport()), targetOf(address)
			if x := caller.Call(t.Context(), target, write, requestOf("POST", address+"/first", "{}")); x.Attempt.Status != 200 {
				t.Fatalf("%+v", x)
			}
			req.URL = address + "/second"
			x := caller.Call(t.Context(), target, write, req)
			if x.Attempt.Certainty != waybill.InDoubt {
				t.Errorf("%s: %s", x.Attempt.Certainty, x.Words)
			}
			if taken.Load() != 1 || int(keys.Load()) != len(req.Headers) {
				t.Errorf("one attempt was sent %d times, %d with its key", taken.Load(), keys.Load())
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var hits atomic.Int32
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer inner.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		outer := httptest.NewServer(http.RedirectHandler(inner.URL, status))
		target := targetOf(outer.URL)
		target.Private = append(target.Private, strings.TrimPrefix(inner.URL, "http://"))
		x := callerOf(deliver.Transport()).Call(t.Context(), target, write, requestOf("POST", outer.URL, "{}"))
		if x.Attempt.Certainty != waybill.InDoubt || x.Attempt.Status != status || x.Words == "" {
			t.Errorf("%d: %s, %s", status, x.Attempt.Certainty, x.Words)
		}
		outer.Close()
	}
	if hits.Load() > 0 {
		t.Error("it was followed")
	}
}

func TestOverHTTP2AStreamResetAfterTheRequestIsInDoubt(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hits.Add(1); r.ProtoMajor != 2 {
			t.Errorf("it speaks HTTP/%d", r.ProtoMajor)
		}
		if r.URL.Path == "/reset" {
			panic(http.ErrAbortHandler)
		}
	}))
	server.EnableHTTP2, server.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	rt := deliver.NewTransport(nil, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool})
	caller, target := callerOf(rt), targetOf(server.URL)
	for _, r := range []struct {
		path string
		want waybill.Certainty
	}{{"/reset", waybill.InDoubt}, {"/fine", waybill.Happened}, {"/reset", waybill.InDoubt}} {
		before := hits.Load()
		x := caller.Call(t.Context(), target, write, requestOf("POST", server.URL+r.path, "{}", waybill.Header{Name: "Idempotency-Key", Value: "k"}))
		if x.Attempt.Certainty != r.want || hits.Load() != before+1 {
			t.Errorf("%s: %s after %d requests: %s", r.path, x.Attempt.Certainty, hits.Load()-before, x.Words)
		}
	}
}

func TestHowWeSignIn(t *testing.T) {
	for _, tt := range []struct {
		name          string
		signIn        connector.SignIn
		header, value string
		query         string
		shown         waybill.Header
		shownURL      string
	}{
		{"not at all", connector.SignIn{Kind: "none"}, "Authorization", "", "", waybill.Header{}, ""},
		{
			"by bearer",
			connector.SignIn{Kind: "bearer", Secret: "api_key"},
			"Authorization", "Bearer sk_secret", "",
			waybill.Header{Name: "Authorization", Value: "Bearer ${secret:api_key}"},
			"",
		},
		{
			"by a header of its own, named by a setting",
			connector.SignIn{Kind: "header", Secret: "api_key", Header: "${settings.auth}", Prefix: "Key "},
			"X-Auth", "Key sk_secret", "",
			waybill.Header{Name: "X-Auth", Value: "Key ${secret:api_key}"},
			"",
		},
		{
			"by basic, with the secret as user and no password",
			connector.SignIn{Kind: "basic", User: "api_key"},
			"Authorization",
			"Basic c2tfc2VjcmV0Og==", "",
			waybill.Header{Name: "Authorization", Value: "Basic ${secret:api_key}:"},
			"",
		},
		{
			"by basic, with a setting as user",
			connector.SignIn{Kind: "basic", User: "user", Pass: "api_key"},
			"Authorization",
			"Basic YXNoYTpza19zZWNyZXQ=", "",
			waybill.Header{Name: "Authorization", Value: "Basic asha:${secret:api_key}"},
			"",
		},
		{
			"by query",
			connector.SignIn{Kind: "query", Secret: "api_key", Header: "key"},
			"Authorization", "", "a=1&key=sk_secret",
			waybill.Header{},
			"&key=${secret:api_key}",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *http.Request
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				w.Header().Set("X-Echo", r.Header.Get("Authorization")+r.Header.Get("X-Auth")+r.URL.RawQuery)
				w.Header().Set("Set-Cookie", "session=1")
				fmt.Fprint(w, "you sent sk_secret")
			}))
			defer server.Close()
			target := targetOf(server.URL)
			target.Manifest.SignIn, target.Settings = tt.signIn, map[string]string{"auth": "X-Auth", "user": "asha"}
			frozen := requestOf("POST", server.URL+"/x?a=1", "{}", waybill.Header{Name: "X-A", Value: "1"})
			x := callerOf(deliver.Transport()).Call(t.Context(), target, write, frozen)
			if x.Attempt.Certainty != waybill.Happened {
				t.Fatalf("%+v", x)
			}
			if got.Header.Get(tt.header) != tt.value {
				t.Errorf("%s: %q, want %q", tt.header, got.Header.Get(tt.header), tt.value)
			}
			if tt.query != "" && got.URL.RawQuery != tt.query {
				t.Errorf("query %q", got.URL.RawQuery)
			}
			kept := fmt.Sprintf("%+v", x)
			if strings.Contains(kept, "sk_secret") || strings.Contains(kept, "session=1") {
				t.Errorf("the attempt keeps a credential: %s", kept)
			}
			if tt.shown.Name != "" && x.Attempt.Request.Headers[len(x.Attempt.Request.Headers)-1] != tt.shown {
				t.Errorf("shown as %+v", x.Attempt.Request.Headers)
			}
			if x.Attempt.Request.URL != frozen.URL+tt.shownURL {
				t.Errorf("shown as %s", x.Attempt.Request.URL)
			}
			if len(frozen.Headers) != 1 {
				t.Error("the frozen request was changed")
			}
		})
	}
}

func TestASecretThatIsMissingOrBrokenDidNotHappen(t *testing.T) {
	for name, secrets := range map[string]map[string]string{
		"missing": {}, "empty": {"api_key": " \n"}, "two lines": {"api_key": "sk\r\nX-Evil: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			target := targetOf("http://127.0.0.1:1")
			target.Manifest.SignIn, target.Secret = connector.SignIn{Kind: "bearer", Secret: "api_key"}, secretsOf(secrets)
			x := callerOf(deliver.Transport()).Call(t.Context(), target, write, requestOf("POST", "http://127.0.0.1:1", "{}"))
			if x.Attempt.Certainty != waybill.NotHappened || x.Attempt.Cause != waybill.SignInExpired || x.Attempt.Status != 0 {
				t.Errorf("%+v", x)
			}
			if strings.Contains(fmt.Sprintf("%+v", x), "X-Evil") {
				t.Error("it tells the secret")
			}
		})
	}
}

func TestAPastedSecretLosesItsLineBreak(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
	defer server.Close()
	target := targetOf(server.URL)
	target.Manifest.SignIn = connector.SignIn{Kind: "bearer", Secret: "api_key"}
	target.Secret = secretsOf(map[string]string{"api_key": "sk_secret\n"})
	callerOf(deliver.Transport()).Call(t.Context(), target, write, requestOf("POST", server.URL, "{}"))
	if got != "Bearer sk_secret" {
		t.Errorf("%q", got)
	}
}

func TestASecretInAnAddressIsPutInAtCallTime(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.Path }))
	defer server.Close()
	target := targetOf(server.URL)
	x := callerOf(deliver.Transport()).Call(t.Context(), target, write, requestOf("POST", server.URL+"/bot${secret:api_key}/send", "{}"))
	if got != "/botsk_secret/send" || strings.Contains(fmt.Sprintf("%+v", x), "sk_secret") {
		t.Errorf("%q, %+v", got, x)
	}
}

func TestRetryAfterIsReadInEveryForm(t *testing.T) {
	year := 365 * 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 5 ": 5 * time.Second, "0.5": 500 * time.Millisecond, "-3": 0, "0": 0, "soon": 0, "NaN": 0,
		"315360000": year, "99999999999999999999999": year, "1e400": 0, "Inf": year,
		t0.Add(time.Minute).Format(http.TimeFormat):                  time.Minute,
		t0.Add(-time.Minute).Format(http.TimeFormat):                 0,
		t0.Add(10 * year).Format(http.TimeFormat):                    year,
		t0.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT"): time.Minute,
	} {
		if got := deliver.RetryAfter(http.Header{"Retry-After": {text}}, t0); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestACallKeepsAFrozenRequestAsItWas(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
	}))
	defer server.Close()
	frozen := requestOf("POST", server.URL, `{"a":1}`)
	caller, target := callerOf(deliver.Transport()), targetOf(server.URL)
	for range 3 {
		caller.Call(t.Context(), target, write, frozen)
	}
	if len(bodies) != 3 || bodies[0] != `{"a":1}` || bodies[2] != bodies[0] {
		t.Errorf("%q", bodies)
	}
}

// stalled is a transport that has a connection and breaks before or after its first byte.
type stalled struct {
	conn  net.Conn
	write bool
}

func (s stalled) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	trace.GetConn(req.URL.Host)
	trace.GotConn(httptrace.GotConnInfo{Conn: s.conn, Reused: true})
	if s.write {
		io.WriteString(s.conn, "P")
	}
	return nil, errors.New("the connection is broken")
}

func TestTheFirstByteDecides(t *testing.T) {
	for write1, want := range map[bool]waybill.Certainty{false: waybill.NotHappened, true: waybill.InDoubt} {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		conn := deliver.Counted(near)
		io.WriteString(conn, "an earlier request")
		x := callerOf(stalled{conn, write1}).Call(t.Context(), targetOf("http://127.0.0.1:1"), write, requestOf("POST", "http://127.0.0.1:1", "{}"))
		if x.Attempt.Certainty != want {
			t.Errorf("a byte left: %v; %s", write1, x.Attempt.Certainty)
		}
		near.Close()
		far.Close()
	}
}

// answered is a transport whose answer is given.
type answered func(req *http.Request) (*http.Response, error)

func (a answered) RoundTrip(req *http.Request) (*http.Response, error) { return a(req) }

// FuzzAnswer: whatever an answer holds, a call ends, keeps no more than it may, and says that a write happened only when
// the whole of a 2xx was read.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
		"HTTP/1.1 429 X\r\nRetry-After: 99999999999999999999\r\n\r\n", "HTTP/1.1 000 X\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + strings.Repeat("[", 20000),
	} {
		f.Add([]byte(s))
	}
	target := targetOf("https://api.example.com")
	f.Fuzz(func(t *testing.T, answer []byte) {
		caller := callerOf(answered(func(req *http.Request) (*http.Response, error) {
			return http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), req)
		}))
		x := caller.Call(t.Context(), target, write, requestOf("POST", "https://api.example.com", "{}"))
		a := x.Attempt
		if len(a.Response) > 64<<10 || len(a.Headers) > 40 || a.RetryAfter < 0 {
			t.Errorf("%d bytes, %d headers, %v", len(a.Response), len(a.Headers), a.RetryAfter)
		}
		if a.Certainty == waybill.Happened && (a.Status/100 != 2 || a.Error != "") {
			t.Errorf("happened: %d, %s", a.Status, a.Error)
		}
		if a.Certainty != waybill.Happened && (a.Cause == "" || x.Words == "") {
			t.Errorf("%s without a cause or words: %+v", a.Certainty, x)
		}
	})
}
