package deliver_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
)

// hostile is a provider on a real socket that plays one fault, on its first write or on all, and keeps a ledger of what really
// happened. Of a write with our key it does each only once, where the grade says that it honours keys.
type hostile struct {
	mu     sync.Mutex
	grade  waybill.Repeat
	done   int            // times it happened
	keys   map[string]int // times it happened, by our key
	writes int            // requests that came
	lag    int            // look-ups that do not see it yet
	fault  fault
	always bool
}

// fault is one line of the matrix.
type fault struct {
	name string
	// play answers a write. do makes it happen.
	play func(conn net.Conn, do func())
	// slow faults end by the time limit of the call.
	slow bool
	// refused says that the provider's answer is final, and nothing happened.
	refused bool
	lag     int
}

func (h *hostile) do(key string) func() {
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if (h.grade == waybill.RepeatKey || h.grade == waybill.RepeatNatural) && h.keys[key] > 0 {
			return
		}
		h.keys[key]++
		h.done++
	}
}

func (h *hostile) serve(conn net.Conn, req *http.Request) {
	key := req.Header.Get("Idempotency-Key")
	if req.Method == http.MethodGet { // a look-up
		h.mu.Lock()
		there := h.keys[req.URL.Query().Get("key")] > 0 && h.lag <= 0
		h.lag--
		h.mu.Unlock()
		status := "404 Not Found"
		if there {
			status = "200 OK"
		}
		fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status)
		return
	}
	h.mu.Lock()
	h.writes++
	faulty := h.writes == 1 || h.always
	h.mu.Unlock()
	if faulty {
		h.fault.play(conn, h.do(key))
		return
	}
	h.do(key)()
	io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"id\":\"n1\"}")
}

// status answers with a status, before or after it happened.
func status(code int, after bool, headers, body string) func(net.Conn, func()) {
	return func(conn net.Conn, do func()) {
		if after {
			do()
		}
		fmt.Fprintf(conn, "HTTP/1.1 %d Text\r\nContent-Length: %d\r\n%s\r\n%s", code, len(body), headers, body)
	}
}

// says answers with a text as it stands, after it happened, and hangs up.
func says(text string) func(net.Conn, func()) {
	return func(conn net.Conn, do func()) { do(); io.WriteString(conn, text); conn.Close() }
}

func reset(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0); conn.Close() }

// silent keeps the connection open without a word until the caller has hung up.
func silent(conn net.Conn) { io.Copy(io.Discard, conn) }

// faults are the provider faults of one exchange; those of TLS, names and HTTP/2 have tests of their own (call_test.go).
func faults() []fault {
	const typed = "Content-Type: application/json\r\n"
	list := []fault{
		{name: "reset before it happened", play: func(c net.Conn, _ func()) { reset(c) }},
		{name: "reset after it happened", play: func(c net.Conn, do func()) { do(); reset(c) }},
		{name: "closed after it happened", play: says("")},
		{name: "reset in the middle of the answer", play: func(c net.Conn, do func()) { do(); io.WriteString(c, "HTTP/1.1 201 Cre"); reset(c) }},
		{name: "time over before it happened", slow: true, play: func(c net.Conn, _ func()) { silent(c) }},
		{name: "time over after it happened", slow: true, play: func(c net.Conn, do func()) { do(); silent(c) }},
		{name: "100 and then nothing", slow: true, play: func(c net.Conn, do func()) { do(); io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); silent(c) }},
		{name: "an answer of a byte now and then", slow: true, play: func(c net.Conn, do func()) {
			do()
			for _, b := range []byte("HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 1000)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}},
		{name: "a body without an end", play: func(c net.Conn, do func()) {
			do()
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			for range 12 << 5 {
				if _, err := c.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
			c.Close()
		}},
		{name: "a body shorter than it says", play: says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")},
		{name: "a chunk that breaks off", play: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a")},
		{name: "half a gzip", play: status(200, true, "Content-Encoding: gzip\r\n", zipped(1 << 10)[:20])},
		{name: "a gzip bomb", play: status(200, true, "Content-Encoding: gzip\r\n", zipped(11<<20))},
		{name: "a page in place of JSON", play: status(200, true, typed, "<html>")},
		{name: "half a JSON", play: status(200, true, typed, `{"id":"n`)},
		{name: "nothing that is HTTP", play: says("ICY 200 OK\r\n\r\n")},
		{name: "a header beyond its cap", play: says("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200<<10) + "\r\n\r\n")},
		{name: "200 with an empty body", play: status(200, true, "", "")},
		{name: "202", play: status(202, true, "", "")},
		{name: "204", play: func(c net.Conn, do func()) { do(); io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n") }},
		{name: "two answers", play: func(c net.Conn, do func()) {
			do()
			io.WriteString(c, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
		}},
		{name: "304", play: status(304, false, "", ""), refused: true},
		{name: "a look-up that does not see it for a while", play: func(c net.Conn, do func()) { do(); reset(c) }, lag: 1},
	}
	for _, code := range []int{301, 302, 303, 307, 308} {
		list = append(list, fault{name: fmt.Sprint(code, " after it happened"), play: status(code, true, "Location: http://169.254.169.254/\r\n", "")})
	}
	for _, code := range []int{400, 403, 404, 405, 409, 410, 413, 415, 422} {
		list = append(list, fault{name: fmt.Sprint(code), play: status(code, false, "", ""), refused: true})
	}
	for _, code := range []int{401, 429} {
		list = append(list, fault{name: fmt.Sprint(code), play: status(code, false, "", "")})
	}
	for _, after := range []string{"30", "Mon, 02 Nov 2026 10:01:00 GMT", "-5", "315360000", "soon"} {
		list = append(list, fault{name: "429, Retry-After: " + after, play: status(429, false, "Retry-After: "+after+"\r\n", "")})
	}
	for _, code := range []int{408, 500, 502, 503, 504, 529} {
		list = append(list,
			fault{name: fmt.Sprint(code, " before it happened"), play: status(code, false, "", "")},
			fault{name: fmt.Sprint(code, " after it happened"), play: status(code, true, "", "")})
	}
	return list
}

// course is the way of one effect from its first exchange to its end.
type course struct {
	eff    waybill.Effect
	asked  bool
	waits  bool // for the connection, whose outage is a problem of its own and uses up no tries
	calls  int
	reason string
}

// drive sends an effect and does what is decided, again and again in a time of its own, until it is settled or a person is
// asked.
func drive(t *testing.T, h *hostile, address string) course {
	t.Helper()
	action := &connector.Action{Name: "note.add", Kind: waybill.KindAdd, Repeat: h.grade}
	if h.fault.slow {
		action.Timeout = 300 * time.Millisecond
	}
	if h.grade == waybill.RepeatLookup {
		action.Lookup = &connector.LookupRule{Action: "note.find", Proves: "absence", Settle: 30 * time.Second}
	}
	now := t0
	rt := deliver.NewTransport(nil, nil)
	defer rt.(interface{ CloseIdleConnections() }).CloseIdleConnections()
	caller, target := callerOf(rt), targetOf(address)
	caller.Now = func() time.Time { return now }
	policy := deliver.Policy{Tries: 3, Jitter: func() float64 { return 0.5 }}
	c := course{eff: waybill.Effect{ID: "eff_1", Repeat: h.grade, Kind: waybill.KindAdd, Action: "note.add", Key: "k1", PlannedAt: t0, KeyUntil: t0.Add(48 * time.Hour)}}
	req := requestOf("POST", address+"/notes", `{"a":1}`, waybill.Header{Name: "Idempotency-Key", Value: "k1"})
	eff := &c.eff
	for c.calls < 40 {
		c.calls++
		eff.State, eff.SentAt = waybill.EffectSent, now
		x := caller.Call(t.Context(), target, action, req)
		x.Alone = true // others are answered: what fails is this call's own
		dec := deliver.Decide(eff, action, x, policy, now)
		take(eff, dec)
		for eff.State == waybill.EffectUnknown && dec.Look && !dec.Ask {
			now = dec.DueAt
			eff.Looks++
			look := caller.Call(t.Context(), target, &connector.Action{Name: "note.find", Kind: waybill.KindRead}, requestOf("GET", address+"/notes?key=k1", ""))
			look.Matched = look.Attempt.Status == 200
			look.Attempt.Certainty = waybill.Happened // 404 says: not there
			dec = deliver.DecideLook(eff, action, look, policy, now)
			eff.State, eff.Looks, eff.Doubted = dec.State, dec.Looks, dec.Doubted
		}
		c.asked, c.waits, c.reason = dec.Ask, dec.Outage && !dec.CountsTry, dec.Reason
		if eff.State != waybill.EffectPlanned || dec.Ask {
			return c
		}
		if dec.DueAt.After(now) {
			now = dec.DueAt
		}
	}
	if c.waits {
		return c
	}
	t.Fatalf("no end after %d calls: %s", c.calls, c.reason)
	return c
}

func take(eff *waybill.Effect, dec deliver.Decision) {
	eff.State, eff.Looks, eff.Doubted, eff.Cause = dec.State, dec.Looks, dec.Doubted, dec.Cause
	if dec.CountsTry {
		eff.Tries++
	}
}

// TestEveryProviderFaultAtEveryGradeEndsAsTheLedgerSays drives one effect of each grade through each fault, played once and for
// ever, over real sockets: what is said of it at the end must agree with what the provider knows.
func TestEveryProviderFaultAtEveryGradeEndsAsTheLedgerSays(t *testing.T) {
	grades := []waybill.Repeat{waybill.RepeatKey, waybill.RepeatNatural, waybill.RepeatLookup, waybill.RepeatNever}
	cells := 0
	log.SetOutput(io.Discard) // net/http says there that a second answer came
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	for _, f := range faults() {
		for _, grade := range grades {
			for _, always := range []bool{false, true} {
				cells++
				name := fmt.Sprintf("%s, grade %s, once", f.name, grade)
				if always {
					name = fmt.Sprintf("%s, grade %s, for ever", f.name, grade)
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					h := &hostile{grade: grade, fault: f, always: always, keys: map[string]int{}, lag: f.lag}
					c := drive(t, h, raw(t, h.serve))
					h.judge(t, c)
				})
			}
		}
	}
	t.Attr("size", fmt.Sprintf("%d faults, %d cells", len(faults()), cells))
}

// judge holds the end of an effect against the ledger.
func (h *hostile) judge(t *testing.T, c course) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done > 1 {
		t.Errorf("it happened %d times", h.done)
	}
	said := fmt.Sprintf("%s after %d calls (%s)", c.eff.State, c.calls, c.reason)
	switch c.eff.State {
	case waybill.EffectConfirmed:
		if h.done == 0 {
			t.Errorf("it never happened and is %s", said)
		}
	case waybill.EffectDeclined:
		if h.done > 0 {
			t.Errorf("it happened and is %s", said)
		}
		if !h.fault.refused {
			t.Errorf("nobody refused it and it is %s", said)
		}
	case waybill.EffectPlanned:
		if !c.asked && !c.waits || h.done > 0 {
			t.Errorf("happened %d times, asked %v, and is %s", h.done, c.asked, said)
		}
	case waybill.EffectUnknown:
		if !c.asked {
			t.Errorf("nobody is asked about what is %s", said)
		}
		if h.grade != waybill.RepeatNever && !h.always {
			t.Errorf("one fault of a grade that settles itself, and it is %s", said)
		}
	default:
		t.Errorf("it is left %s", said)
	}
	if !h.always && !h.fault.refused && h.grade != waybill.RepeatNever && c.eff.State != waybill.EffectConfirmed {
		t.Errorf("after one fault it is %s", said)
	}
}

// TestFaultsOfTheHandshakeNeverReachTheProvider plays what goes wrong before a request can begin.
func TestFaultsOfTheHandshakeNeverReachTheProvider(t *testing.T) {
	stall := raw(t, func(net.Conn, *http.Request) { t.Error("a request came over a handshake that never ended") })
	action := &connector.Action{Name: "note.add", Kind: waybill.KindAdd, Timeout: 200 * time.Millisecond}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it takes connections and never answers a hello
	for name, address := range map[string]string{
		"a handshake that stalls": "https://" + l.Addr().String(),
		"plain where TLS belongs": strings.Replace(stall, "http:", "https:", 1),
	} {
		rt := deliver.NewTransport(nil, &tls.Config{MinVersion: tls.VersionTLS12})
		x := callerOf(rt).Call(t.Context(), targetOf(address), action, requestOf("POST", address, "{}"))
		if x.Attempt.Certainty != waybill.NotHappened {
			t.Errorf("%s: %s, %s", name, x.Attempt.Certainty, x.Words)
		}
	}
}
