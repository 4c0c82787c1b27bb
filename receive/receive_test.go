package receive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/receive"
	"waybill/secret"
	"waybill/verify"
)

var now = time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)

// book is a recorder that keeps arrivals in memory and knows delivery keys.
type book struct {
	mu       sync.Mutex
	arrivals []waybill.Arrival
	known    map[string]bool
	err      error
	hold     chan struct{} // when not nil, TakeIn waits for it or for its context
	entered  chan struct{}
}

func (b *book) TakeIn(ctx context.Context, a waybill.Arrival) (waybill.Receipt, error) {
	if b.hold != nil {
		b.entered <- struct{}{}
		select {
		case <-b.hold:
		case <-ctx.Done():
			return waybill.Receipt{}, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return waybill.Receipt{}, b.err
	}
	if b.known == nil {
		b.known = map[string]bool{}
	}
	a.ID = waybill.ArrivalID(fmt.Sprintf("arr_%d", len(b.arrivals)+1))
	receipt := waybill.Receipt{Arrival: a.ID, Duplicate: true}
	for _, it := range a.Items {
		if key := it.Account + "\x00" + it.DeliveryKey; !b.known[key] {
			b.known[key], receipt.Duplicate = true, false
		}
	}
	b.arrivals = append(b.arrivals, a)
	return receipt, nil
}

func (b *book) last(t *testing.T) waybill.Arrival {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.arrivals) == 0 {
		t.Fatal("nothing was kept")
	}
	return b.arrivals[len(b.arrivals)-1]
}

type doors map[string]*receive.Door

func (d doors) Door(name string) (*receive.Door, error) {
	if door, ok := d[name]; ok {
		return door, nil
	}
	return nil, &waybill.Error{Kind: waybill.NotFound, Message: "no such door"}
}

const signing = verify.Secret("waybill_test_secret")

// door makes one whose connector has no expressions: items are the members of /items, or the whole.
func door(name string, scheme verify.Scheme, change ...func(*receive.Door)) *receive.Door {
	scheme.Secret = "signing"
	d := &receive.Door{
		Name: name, Environment: "test", PublicURL: "https://hooks.example.test", Scheme: scheme,
		Accounts: []receive.Account{{Connection: name, ID: "acct_1"}},
		Secrets:  map[string][]verify.Secret{"signing": {signing}, "verify_token": {"meta-verify-token"}},
		Manifest: &connector.Manifest{Name: name, Title: name, Webhook: &connector.Webhook{
			Methods: []string{"POST"}, Verify: connector.VerifyConfig(scheme), RetryWindow: time.Hour,
			Items: []*connector.ItemRule{{Each: "/items/*"}},
		}},
	}
	for _, f := range change {
		f(d)
	}
	return d
}

var (
	signed  = verify.Scheme{Scheme: "hmac", Header: "Stripe-Signature", Layout: "pairs", Prefix: "v1", Signed: "{timestamp}.{body}"}
	meta    = verify.Scheme{Scheme: "hmac", Header: "X-Hub-Signature-256", Layout: "prefix", Prefix: "sha256="}
	token   = verify.Scheme{Scheme: "token", In: "header", Name: "X-Gate"}
	inPath  = verify.Scheme{Scheme: "token", In: "path"}
	inQuery = verify.Scheme{Scheme: "token", In: "query", Name: "gate"}
	basic   = verify.Scheme{Scheme: "basic"}
	open    = verify.Scheme{Scheme: "none"}
)

type rig struct {
	*receive.Handler
	book *book
	all  doors
}

func newRig(change ...func(*receive.Config)) *rig {
	r := &rig{book: &book{}}
	challenge := func(d *receive.Door) {
		d.Manifest.Webhook.Methods = []string{"POST", "GET"}
		d.Manifest.Webhook.Handshake = &connector.Handshake{Kind: "query_challenge", Token: "verify_token", TokenAt: "hub.verify_token", AnswerAt: "hub.challenge"}
	}
	r.all = doors{
		"stripe":   door("stripe", signed),
		"whatsapp": door("whatsapp", meta, challenge),
		"gate":     door("gate", token),
		"odoo":     door("odoo", inPath),
		"query":    door("query", inQuery),
		"basic":    door("basic", basic),
		"open":     door("open", open),
		"form":     door("form", open, func(d *receive.Door) { d.Manifest.Webhook.Format = "form" }),
		"soap": door("soap", open, func(d *receive.Door) {
			d.Manifest.Webhook.Reply = &connector.Reply{ContentType: "text/xml", Body: "<Ack>true</Ack>"}
		}),
		"gone":   door("gone", signed, func(d *receive.Door) { d.Removed = true }),
		"broken": door("broken", verify.Scheme{Scheme: "jwt"}),
		"app": door("app", signed, func(d *receive.Door) {
			d.Accounts = []receive.Account{{Connection: "shop-a", ID: "a"}, {Connection: "shop-b", ID: "b"}}
		}),
	}
	redact := secret.NewRedactor()
	redact.Learn("signing", string(signing))
	cfg := receive.Config{Directory: r.all, Recorder: r.book, Now: func() time.Time { return now }, Redact: redact}
	for _, f := range change {
		f(&cfg)
	}
	r.Handler = receive.New(cfg)
	return r
}

func (r *rig) send(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func post(path, body string, headers ...string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

// genuine is a request signed as the door's sender does.
func genuine(tb testing.TB, s verify.Scheme, path, body string) *http.Request {
	tb.Helper()
	req := post(path, body, "Content-Type", "application/json")
	v := verify.Request{Method: "POST", URL: "https://hooks.example.test" + path, Header: req.Header, Body: []byte(body)}
	if err := s.Sign(&v, signing, now.Add(-2*time.Second), "msg_1"); err != nil {
		tb.Fatal(err)
	}
	return req
}

func gate(body string, headers ...string) *http.Request {
	return post("/in/gate", body, append([]string{"X-Gate", string(signing)}, headers...)...)
}

func TestEveryRequestGetsItsAnswer(t *testing.T) {
	big := `{"a":"` + strings.Repeat("x", 1<<20) + `"}`
	deep := strings.Repeat("[", 70) + strings.Repeat("]", 70)
	manyHeaders := gate("{}")
	for i := range 200 {
		manyHeaders.Header.Add(fmt.Sprintf("X-%d", i), "y")
	}
	rows := []struct {
		name   string
		req    *http.Request
		status int
		says   string
	}{
		{"a genuine one", genuine(t, signed, "/in/stripe", `{"id":"evt_1"}`), 200, `{"arrival":"arr_1","duplicate":false}`},
		{"one with a path token", post("/in/odoo/"+string(signing), "{}"), 200, `"duplicate":false`},
		{"one with a token in the query", post("/in/query?gate="+string(signing), "{}"), 200, `"duplicate":false`},
		{"one with a token in a header", gate("{}"), 200, `"duplicate":false`},
		{"one without any content type", gate("{}"), 200, `"duplicate":false`},
		{"one with a trailing slash", post("/in/open/", "{}"), 200, `"duplicate":false`},
		{"a form", post("/in/form", "a=1&b=2", "Content-Type", "application/x-www-form-urlencoded"), 200, `"duplicate":false`},
		{"one whose sender wants its own answer", post("/in/soap", "{}"), 200, "<Ack>true</Ack>"},
		{"a removed connection's", genuine(t, signed, "/in/gone", "{}"), 200, `"duplicate":false`},
		{"not signed", post("/in/stripe", "{}"), 401, verify.Message},
		{"signed with another body", func() *http.Request {
			r := genuine(t, signed, "/in/stripe", "{}")
			r.Body = io.NopCloser(strings.NewReader("[]"))
			return r
		}(), 401, verify.Message},
		{"a wrong token", gate("{}", "X-Gate", "x"), 401, verify.Message},
		{"a wrong path token", post("/in/odoo/nope", "{}"), 401, verify.Message},
		{"no path token", post("/in/odoo", "{}"), 401, verify.Message},
		{"a removed connection's forgery", post("/in/gone", "{}"), 401, verify.Message},
		{"an unknown name", post("/in/nobody", "{}"), 404, "there is no such address"},
		{"no name", post("/in/", "{}"), 404, "there is no such address"},
		{"another path", post("/out/stripe", "{}"), 404, "there is no such address"},
		{"a path token where none is used", post("/in/gate/x", "{}"), 404, "there is no such address"},
		{"a path of three", post("/in/odoo/a/b", "{}"), 404, "there is no such address"},
		{"an escaped slash in the name", post("/in/odoo%2Fwaybill_test_secret", "{}"), 404, "there is no such address"},
		{"another method", httptest.NewRequest(http.MethodDelete, "/in/stripe", nil), 405, "takes POST"},
		{"a GET where only POST is taken", httptest.NewRequest(http.MethodGet, "/in/gate", nil), 405, "takes POST"},
		{"too long", gate(big), 413, "1024 KiB"},
		{"too long, without saying so", func() *http.Request { r := gate(big); r.ContentLength = -1; return r }(), 413, "1024 KiB"},
		{"too long an address", post("/in/gate?"+strings.Repeat("a", 9000), "{}"), 414, "address is too long"},
		{"too many headers", manyHeaders, 431, "too many"},
		{"too long headers", gate("{}", "X-Long", strings.Repeat("y", 40<<10)), 431, "too many or too long"},
		{"gzip from an unsigned sender", gate("\x1f\x8b", "Content-Encoding", "gzip"), 415, "compressed"},
		{"a form where JSON is read", gate("a=1", "Content-Type", "application/x-www-form-urlencoded"), 415, "Content-Type: application/json"},
		{"XML where JSON is read", gate("<a/>", "Content-Type", "text/xml; charset=utf-8"), 415, "Content-Type: application/json"},
		{"multipart where JSON is read", gate("--x", "Content-Type", "multipart/form-data; boundary=x"), 415, "another type"},
		{"JSON where a form is read", post("/in/form", "{}", "Content-Type", "application/json"), 415, "x-www-form-urlencoded"},
		{"a nonsense content type", gate("{}", "Content-Type", ";;;"), 415, "another type"},
		{"broken JSON from an unsigned sender", gate("{\n\"a\": tru}"), 400, "line 2, column 9"},
		{"a name twice", gate(`{"a":1,"a":2}`), 400, "line 1, column 8: duplicate"},
		{"bad UTF-8", gate("{\"a\":\"\xff\"}"), 400, "invalid UTF-8"},
		{"too deep", gate(deep), 400, "deeper than 64"},
		{"nothing", gate(""), 400, "empty or cut off"},
		{"more after the value", gate("{} {}"), 400, "more after the value"},
		{"a lone surrogate", gate(`{"a":"\ud83d"}`), 400, "surrogate"},
		{"a broken form", post("/in/form", "%zz"), 400, "no readable form"},
		{"a connector that cannot verify", post("/in/broken", "{}"), 503, "on our side"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			rig := newRig()
			w := rig.send(row.req)
			if w.Code != row.status || !strings.Contains(w.Body.String(), row.says) {
				t.Fatalf("%d %s\nwant %d with %q", w.Code, w.Body, row.status, row.says)
			}
			if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options %q", got)
			}
			list := rig.Rejections()
			if row.status == 200 {
				if len(rig.book.arrivals) != 1 || len(list) != 0 {
					t.Errorf("kept %d, rejected %v", len(rig.book.arrivals), list)
				}
				return
			}
			if len(rig.book.arrivals) != 0 {
				t.Error("it was kept")
			}
			if len(list) != 1 || list[0].Count != 1 || list[0].Status != row.status || list[0].Reason == "" || list[0].Sample == nil {
				t.Errorf("rejections %+v", list)
			}
			var doc map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc["status"] != float64(row.status) || doc["title"] == "" {
				t.Errorf("problem document %s", w.Body)
			}
			if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("Content-Type %q", ct)
			}
		})
	}
}

func TestBasicSignIn(t *testing.T) {
	rig := newRig()
	rig.all["basic"].Secrets["signing"] = []verify.Secret{"user:pass-word"}
	req := post("/in/basic", "{}")
	req.SetBasicAuth("user", "pass-word")
	if w := rig.send(req); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if v := header(rig.book.last(t), "Authorization"); strings.Contains(v, "dXNlcjpwYXNzLXdvcmQ") || !strings.HasPrefix(v, "Basic [sha256:") {
		t.Errorf("Authorization kept as %q", v)
	}
	req.SetBasicAuth("user", "other")
	req.Body = http.NoBody
	if w := rig.send(req); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func header(a waybill.Arrival, name string) string {
	for _, h := range a.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

func TestAnArrivalIsKeptWhole(t *testing.T) {
	rig := newRig()
	body := `{"name":"Ren\u00e9","emoji":"\ud83d\ude00","url":"https:\/\/a.example\/b","items":[{"n":9007199254740993},{}]}`
	req := genuine(t, meta, "/in/whatsapp?x=1&token=hush", body)
	req.RemoteAddr = "192.0.2.7:4711"
	if w := rig.send(req); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	a := rig.book.last(t)
	if string(a.Body) != body {
		t.Errorf("body %s", a.Body)
	}
	if a.Method != http.MethodPost || a.URL != "/in/whatsapp?x=1&token=["+secret.Fingerprint("hush")+"]" || a.Remote != "192.0.2.7" || a.Via != waybill.ViaWebhook || !a.ReceivedAt.Equal(now) {
		t.Errorf("%+v", a)
	}
	if a.Proof != "X-Hub-Signature-256, secret 1 of 1" || a.Connection != "whatsapp" || a.Account != "acct_1" || len(a.BodyHash) != 64 {
		t.Errorf("%+v", a)
	}
	if len(a.Items) != 2 {
		t.Fatalf("%d items", len(a.Items))
	}
	for i, it := range a.Items {
		if it.Index != i || it.Pointer != fmt.Sprintf("/items/%d", i) || it.State != waybill.ItemKept || it.Connection != "whatsapp" || it.Account != "acct_1" {
			t.Errorf("%+v", it)
		}
		if it.DeliveryKey != connector.BodyKey([]byte(body), it.Pointer) || !it.KeyUntil.Equal(now.Add(time.Hour)) {
			t.Errorf("a body hash counts only within the retry window: %+v", it)
		}
	}
	if a.Items[0].DeliveryKey == a.Items[1].DeliveryKey {
		t.Error("two items share a key")
	}
}

func TestTheSameAgainIsADuplicate(t *testing.T) {
	rig := newRig()
	for i, want := range []string{`"duplicate":false`, `"duplicate":true`} {
		if w := rig.send(genuine(t, meta, "/in/whatsapp", `{"id":1}`)); !strings.Contains(w.Body.String(), want) {
			t.Errorf("time %d: %s", i+1, w.Body)
		}
	}
}

func TestWhatIsGenuineIsNeverRejectedForItsContent(t *testing.T) {
	for name, row := range map[string]struct{ body, encoding, reason string }{
		"broken":        {`{"a":`, "", "their format changed: the body is no readable JSON: line 1, column 6"},
		"a name twice":  {`{"a":1,"a":2}`, "", "their format changed: the body is no readable JSON: line 1, column 8: duplicate"},
		"bad UTF-8":     {"{\"a\":\"\xff\"}", "", "invalid UTF-8"},
		"deep":          {strings.Repeat("[", 70) + strings.Repeat("]", 70), "", "deeper than 64"},
		"empty":         {"", "", "empty or cut off"},
		"compressed":    {"\x1f\x8b\x08", "gzip", "their format changed: the body is compressed"},
		"no JSON":       {"<html>", "", "no readable JSON"},
		"ten thousands": {`{"items":[` + strings.Repeat("1,", 10_000) + `1]}`, "", "more than 10000 items"},
	} {
		t.Run(name, func(t *testing.T) {
			rig := newRig()
			req := genuine(t, signed, "/in/stripe", row.body)
			req.Header.Set("Content-Type", "text/html")
			if row.encoding != "" {
				req.Header.Set("Content-Encoding", row.encoding)
			}
			if w := rig.send(req); w.Code != 200 {
				t.Fatal(w.Code, w.Body)
			}
			a := rig.book.last(t)
			if len(a.Items) != 1 || a.Items[0].State != waybill.ItemBlocked || !strings.Contains(a.Items[0].Reason, row.reason) || string(a.Body) != row.body {
				t.Errorf("%+v", a.Items)
			}
			if a.Items[0].Connection != "stripe" || a.Items[0].DeliveryKey == "" || a.Items[0].KeyUntil.IsZero() {
				t.Errorf("%+v", a.Items[0])
			}
		})
	}
}

func TestARemovedConnectionKeepsWhatComesForAPerson(t *testing.T) {
	rig := newRig()
	for _, body := range []string{`{"items":[1,2]}`, "{"} {
		rig.send(genuine(t, signed, "/in/gone", body))
		for _, it := range rig.book.last(t).Items {
			if it.State != waybill.ItemBlocked || !strings.Contains(it.Reason, "no longer in the workspace") {
				t.Errorf("%+v", it)
			}
		}
	}
}

func TestTheMetaHandshakeIsAnsweredBare(t *testing.T) {
	const good = "/in/whatsapp?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meta-verify-token"
	for _, row := range []struct {
		name, path string
		status     int
		body       string
	}{
		{"the right token", good, 200, "1158201444"},
		{"another token", strings.Replace(good, "meta-verify", "other", 1), 403, "refused"},
		{"no token", "/in/whatsapp?hub.challenge=1", 403, "refused"},
		{"no challenge", "/in/whatsapp?hub.verify_token=meta-verify-token", 403, "refused"},
		{"a script as challenge", strings.Replace(good, "1158201444", "%3Cscript%3E", 1), 403, "refused"},
		{"a long challenge", strings.Replace(good, "1158201444", strings.Repeat("1", 201), 1), 403, "refused"},
		{"two challenges", good + "&hub.challenge=2", 403, "refused"},
		{"two tokens", good + "&hub.verify_token=meta-verify-token", 403, "refused"},
		{"a GET without a challenge", "/in/whatsapp", 401, verify.Message},
		{"a connection without handshake", strings.Replace(good, "whatsapp", "stripe", 1), 405, "POST"},
	} {
		t.Run(row.name, func(t *testing.T) {
			rig := newRig()
			w := rig.send(httptest.NewRequest(http.MethodGet, row.path, nil))
			if w.Code != row.status || !strings.Contains(w.Body.String(), row.body) {
				t.Fatal(w.Code, w.Body)
			}
			if row.status == 200 && (w.Body.String() != row.body || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("X-Content-Type-Options") != "nosniff") {
				t.Error(w.Body, w.Header())
			}
			if len(rig.book.arrivals) != 0 {
				t.Error("a handshake is no arrival")
			}
			if list := rig.Rejections(); row.status != 200 && len(list) == 1 && strings.Contains(list[0].Sample.URL, "meta-verify-token") {
				t.Errorf("the sample shows the token: %s", list[0].Sample.URL)
			}
		})
	}
	rig := newRig()
	rig.all["whatsapp"].Secrets["verify_token"] = []verify.Secret{" "}
	if w := rig.send(httptest.NewRequest(http.MethodGet, "/in/whatsapp?hub.challenge=1&hub.verify_token=%20", nil)); w.Code != 403 {
		t.Error("a blank verify token proves something")
	}
}

func TestNothingIsAcceptedThatTheBookDidNotKeep(t *testing.T) {
	rig := newRig()
	rig.book.err = errors.New("disk full, key waybill_test_secret")
	w := rig.send(genuine(t, signed, "/in/stripe", "{}"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk") {
		t.Error(w.Code, w.Header(), w.Body)
	}
	if list := rig.Rejections(); len(list) != 1 || list[0].Status != 503 {
		t.Errorf("%+v", list)
	}
}

// shut is a directory that cannot tell what is there.
type shut struct{}

func (shut) Door(string) (*receive.Door, error) {
	return nil, errors.New("the disk, key waybill_test_secret")
}

func TestASenderIsToldToComeBackWhileItIsNotKnownWhatIsAtItsAddress(t *testing.T) {
	rig := newRig(func(c *receive.Config) { c.Directory = shut{} })
	w := rig.send(genuine(t, signed, "/in/stripe", "{}"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk") {
		t.Error(w.Code, w.Header(), w.Body)
	}
}

func TestAHangingRecorderIsGivenUpAndOthersAreShed(t *testing.T) {
	rig := newRig(func(c *receive.Config) { c.MaxRequests, c.RecordTimeout = 4, time.Hour })
	rig.book.hold, rig.book.entered = make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	codes := make(chan int, 8)
	fill := func(path string) {
		wg.Go(func() { codes <- rig.send(genuine(t, signed, path, "{}")).Code })
		<-rig.book.entered
	}
	fill("/in/stripe")
	fill("/in/stripe")
	w := rig.send(genuine(t, signed, "/in/stripe", "{}"))
	if w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one address beyond its half: %d", w.Code)
	}
	fill("/in/gone")
	fill("/in/gone")
	w = rig.send(gate("{}"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("beyond the whole: %d", w.Code)
	}
	close(rig.book.hold)
	wg.Wait()
	close(codes)
	for c := range codes {
		if c != 200 {
			t.Errorf("a held one got %d", c)
		}
	}
	rig.book.hold = nil
	if w := rig.send(gate("{}")); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}

	rig = newRig(func(c *receive.Config) { c.RecordTimeout = time.Nanosecond })
	rig.book.hold, rig.book.entered = make(chan struct{}), make(chan struct{}, 1)
	if w := rig.send(gate("{}")); w.Code != 503 {
		t.Errorf("a recorder that hangs: %d", w.Code)
	}
}

func TestASenderThatGoesAwayDoesNotUndoTheTakingIn(t *testing.T) {
	rig := newRig()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	rig.book.hold, rig.book.entered = make(chan struct{}), make(chan struct{}, 1)
	close(rig.book.hold)
	if w := rig.send(gate("{}").WithContext(ctx)); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

type slow struct{ io.Reader }

func (s slow) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(len(p), 7)]) }

type breaking struct{ io.Reader }

func (b breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestBodiesComeInAnyPieces(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 300_000, 1<<20 - 8} {
		body := `{"a":"` + strings.Repeat("x", size)
		body = body[:min(len(body), 1<<20-2)] + `"}`
		for _, length := range []int64{int64(len(body)), -1} {
			rig := newRig()
			req := genuine(t, signed, "/in/stripe", body)
			req.ContentLength = length
			if size < 5000 {
				req.Body = io.NopCloser(slow{strings.NewReader(body)})
			}
			if w := rig.send(req); w.Code != 200 {
				t.Fatalf("%d bytes: %d %s", len(body), w.Code, w.Body)
			}
			if !bytes.Equal(rig.book.last(t).Body, []byte(body)) {
				t.Errorf("%d bytes were changed", len(body))
			}
		}
	}
	rig := newRig()
	req := gate("{}")
	req.Body = io.NopCloser(breaking{strings.NewReader(`{"a`)})
	if w := rig.send(req); w.Code != 400 || !strings.Contains(w.Body.String(), "did not come whole") {
		t.Error(w.Code, w.Body)
	}
}

func TestBodiesInMemoryAreBounded(t *testing.T) {
	rig := newRig(func(c *receive.Config) { c.MaxBytes = 256 << 10 })
	body := `{"a":"` + strings.Repeat("x", 200<<10) + `"}`
	if w := rig.send(genuine(t, signed, "/in/stripe", body)); w.Code != 429 {
		t.Errorf("beyond its share: %d", w.Code)
	}
	if w := rig.send(genuine(t, signed, "/in/stripe", "{}")); w.Code != 200 {
		t.Errorf("what was taken was not given back: %d", w.Code)
	}
}

func TestALargerLimitIsTheDoors(t *testing.T) {
	rig := newRig()
	rig.all["stripe"].MaxBody = 3 << 20
	if w := rig.send(genuine(t, signed, "/in/stripe", `{"a":"`+strings.Repeat("x", 2<<20)+`"}`)); w.Code != 200 {
		t.Error(w.Code)
	}
}

func TestASignedAddressIsThePublicOne(t *testing.T) {
	hubspot := verify.Scheme{Scheme: "hmac", Encoding: "base64", Header: "X-Sig", Signed: "{method}{url}{body}"}
	for public, signedAs := range map[string]string{
		"https://hooks.example.test":  "https://hooks.example.test/in/hs?a=%2F",
		"https://hooks.example.test/": "https://hooks.example.test/in/hs?a=%2F",
		"https://example.test/hooks":  "https://example.test/hooks/in/hs?a=%2F",
		"":                            "http://example.com/in/hs?a=%2F",
	} {
		rig := newRig()
		rig.all["hs"] = door("hs", hubspot, func(d *receive.Door) { d.PublicURL = public })
		req := post("/in/hs?a=%2F", "{}")
		v := verify.Request{Method: http.MethodPost, URL: signedAs, Header: req.Header, Body: []byte("{}")}
		if err := hubspot.Sign(&v, signing, now, ""); err != nil {
			t.Fatal(err)
		}
		if w := rig.send(req); w.Code != 200 {
			t.Errorf("%q: %d", public, w.Code)
		}
	}
}

func TestRejectionsAreCountedAndBounded(t *testing.T) {
	rig := newRig()
	for range 3 {
		rig.send(post("/in/stripe", "{}"))
	}
	rig.send(post("/in/stripe", "{}", "Stripe-Signature", "t=1,v1=aa"))
	list := rig.Rejections()
	if len(list) != 2 || list[0].Count+list[1].Count != 4 {
		t.Fatalf("%+v", list)
	}
	if rig.Rejections() != nil {
		t.Error("drained twice")
	}
	for i := range 3000 {
		rig.send(post(fmt.Sprintf("/in/%s%d", strings.Repeat("n", 200*(i%2)), i), strings.Repeat("b", 9000)))
	}
	list = rig.Rejections()
	total, samples, other := 0, 0, 0
	for _, r := range list {
		total += r.Count
		if len(r.Connection) > 100 {
			t.Errorf("name of %d bytes", len(r.Connection))
		}
		if r.Connection == "other" {
			other = r.Count
		}
		if r.Sample != nil {
			samples++
			if len(r.Sample.Body) > 2<<10 {
				t.Errorf("sample of %d bytes", len(r.Sample.Body))
			}
		}
	}
	if len(list) > 1001 || total != 3000 || samples > 200 || other == 0 {
		t.Errorf("%d kinds, %d in all, %d samples, %d others", len(list), total, samples, other)
	}
}

func TestSamplesAreCutShort(t *testing.T) {
	rig := newRig()
	req := post("/in/stripe", strings.Repeat("b", 9000))
	for i := range 60 {
		req.Header.Set(fmt.Sprintf("X-%d", i), strings.Repeat("v", 400))
	}
	rig.send(req)
	sample := rig.Rejections()[0].Sample
	if len(sample.Body) != 2<<10 || len(sample.Headers) > 24 || len(sample.Headers[0].Value) > 256 {
		t.Errorf("%d bytes, %d headers of %d", len(sample.Body), len(sample.Headers), len(sample.Headers[0].Value))
	}
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestNothingIsReadOfWhatIsTurnedAwayByItsHead(t *testing.T) {
	rig := newRig(func(c *receive.Config) { c.MaxRequests = 2 })
	req := post("/in/stripe", "")
	req.Body, req.ContentLength = io.NopCloser(unread{t}), 2<<20
	if w := rig.send(req); w.Code != 413 {
		t.Errorf("too long: %d", w.Code)
	}
	rig.book.hold, rig.book.entered = make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { rig.send(genuine(t, signed, "/in/stripe", "{}")) })
	<-rig.book.entered
	req.ContentLength = 10
	if w := rig.send(req); w.Code != 429 {
		t.Errorf("shed: %d", w.Code)
	}
	close(rig.book.hold)
	wg.Wait()
}

func TestHostileNamesAreMadeHarmless(t *testing.T) {
	rig := newRig()
	rig.send(post("/in/%ff%00%0aevil%1b[31m", "{}"))
	list := rig.Rejections()
	if len(list) != 1 || list[0].Connection != "evil[31m" {
		t.Errorf("%q", list[0].Connection)
	}
}

func TestNoSecretIsEverKeptOrSampled(t *testing.T) {
	const canary = string(signing)
	for _, req := range []*http.Request{
		post("/in/odoo/"+canary, "{}"),
		post("/in/query?gate="+canary+"&b=2", "{}"),
		gate("{}"),
		gate("{"),
		gate("{}", "Authorization", "Bearer "+canary, "Cookie", "s="+canary, "X-Other", "a "+canary),
		post("/in/nobody/"+canary+"?token="+canary, "x "+canary),
		post("/in/stripe?key="+canary, `{"k":"`+canary+`"}`, "Stripe-Signature", "t=1,v1="+canary),
		post("/in/query?gate=w0", "{}"),
		post("/in/gate", "{}", "X-Gate", "gate=w0"),
	} {
		rig := newRig()
		w := rig.send(req)
		list := rig.Rejections()
		out, _ := json.Marshal(map[string]any{"kept": withoutBodies(rig.book.arrivals), "rejected": list, "answer": w.Body.String(), "headers": w.Header()})
		for _, r := range list {
			out = append(out, r.Sample.Body...)
		}
		if strings.Contains(string(out), canary) {
			t.Errorf("%s: %s", req.URL, out)
		}
		if strings.Contains(string(out), "gate=w0") {
			t.Errorf("a short token shows: %s", out)
		}
	}
}

func withoutBodies(list []waybill.Arrival) []waybill.Arrival {
	for i := range list {
		list[i].Body = nil
	}
	return list
}

func BenchmarkTakeIn(b *testing.B) {
	rig := newRig()
	rig.book = nil
	h := receive.New(receive.Config{Directory: rig.all, Recorder: nothing{}, Now: func() time.Time { return now }, Redact: secret.NewRedactor()})
	body := []byte(`{"id":"evt_1","object":"event","data":{"object":{"id":"pi_1","amount":129900,"currency":"inr","metadata":{"order":"SO-1001"},"note":"` + strings.Repeat("x", 1300) + `"}},"created":1790000000,"type":"payment_intent.succeeded","livemode":false}`)
	head := genuine(b, signed, "/in/stripe", string(body)).Header
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequest(http.MethodPost, "/in/stripe", bytes.NewReader(body))
		req.RequestURI, req.Header, req.RemoteAddr = "/in/stripe", head, "192.0.2.7:4711"
		w := discard{h: http.Header{}}
		h.ServeHTTP(&w, req)
		if w.code != 200 {
			b.Fatal(w.code)
		}
	}
}

type nothing struct{}

func (nothing) TakeIn(context.Context, waybill.Arrival) (waybill.Receipt, error) {
	return waybill.Receipt{Arrival: "arr_1"}, nil
}

type discard struct {
	h    http.Header
	code int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) WriteHeader(code int)        { d.code = code }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
