package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"syscall"
	"time"

	"waybill"
	"waybill/connector"
)

const (
	agent     = "Waybill"
	maxAnswer = 10 << 20 // beyond this an answer is not read, and counts as cut
	maxKept   = 64 << 10 // of an answer, on the journey
)

// Exchange is one attempt with what it proves.
type Exchange struct {
	Action  string          // the action's name
	Attempt waybill.Attempt // request as sent and response, redacted
	Answer  any             // the action's output; nil when there is none
	Found   bool            // of a read: whether anything was found
	Matched bool            // of a look-up: whether what was found is our write
	Object  string          // the object's id, from the answer
	Words   string          // a matcher's words, or the transport's
	Code    string          // the provider's code, for grouping
	Fix     string
	Who     string
	SignIn  bool // a token was refreshed for it, or is by another node: the same call may go on, at once or after RetryAfter
	Held    bool // it was not begun because Caller.May said no: nothing is wrong with the call
	// Left is how many calls they say are left until Until; a zero time says nothing.
	Left  int
	Until time.Time
	// Own says that what stands in the way stands in this call's alone, such as a limit for each recipient or a lock on one
	// object: their side answers others.
	Own bool
	// Alone says that the connection answers others, so that what looks like an outage is this call's own: see
	// Governor.Answering. Without it an outage is never counted against the call.
	Alone bool
}

// Caller makes exchanges. It is safe for concurrent use; it must not be copied after first use.
type Caller struct {
	Transport http.RoundTripper // Transport's in production, the simulator's in tests
	Now       func() time.Time
	Redact    func([]byte) []byte // takes every known secret out; nil: leaves it
	// Keep keeps a refresh token that took the place of the connection's secret of that name; nil: it lives in memory.
	Keep func(connection, secret, value string) error
	// Turn is asked before a refresh token is used that may rotate, where several nodes share one: see Turn. Nil: there is
	// nobody else.
	Turn func(connection, secret string) (*Turn, error)
	// May is asked just before the first byte of a call of an epoch (0: of any) with that time limit leaves; when it says no,
	// nothing is sent. Nil: it may always.
	May func(epoch int64, limit time.Duration) bool

	tokens tokens
}

func (c *Caller) redact(b []byte) []byte {
	if c.Redact == nil {
		return b
	}
	return c.Redact(b)
}

// Call makes one exchange of a frozen request and says what it proves. It never retries; signing in (a token fetch) is
// not part of it. A write is one exchange on the wire. Of a read without a body net/http may ask once more when a
// connection it had kept open turns out closed: nothing is doubled by that.
func (c *Caller) Call(ctx context.Context, t *Target, action *connector.Action, frozen waybill.Request) Exchange {
	x := Exchange{Action: action.Name}
	x.Attempt.Request, x.Attempt.StartedAt = frozen, c.Now()
	cred, fail := c.signIn(ctx, t)
	var req *http.Request
	if fail == nil {
		req, fail = c.prepare(t, action, cred, &x.Attempt.Request)
	}
	if fail == nil && ctx.Err() != nil {
		fail = &failure{cause: waybill.OurSide, words: "Waybill stopped before the call began."}
	}
	if fail != nil {
		x.notSent(fail)
		x.Attempt.EndedAt = c.Now()
		return x
	}
	limit := TimeLimit(action)
	way := trail{may: func() bool { return c.May == nil || c.May(t.Epoch, limit) }}
	if !way.may() {
		x.held()
		x.Attempt.EndedAt = c.Now()
		return x
	}
	within, cancel := context.WithTimeout(withCall(WithAllowed(ctx, t), t.Connection, action.Name), limit)
	defer cancel()
	req = req.WithContext(httptrace.WithClientTrace(within, way.trace()))
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		way.err, way.over = err, within.Err()
		c.judgeError(&x, t, action, &way)
	} else {
		c.judgeAnswer(within, &x, t, action, resp)
		resp.Body.Close()
	}
	x.Attempt.EndedAt = c.Now()
	if cred.held != nil {
		c.judgeToken(ctx, &x, t, cred)
	}
	return x
}

// judgeToken gets a new token for a call that was refused for its old one.
func (c *Caller) judgeToken(ctx context.Context, x *Exchange, t *Target, used credential) {
	if x.Attempt.Cause != waybill.SignInExpired {
		if x.Attempt.Status != 0 {
			used.held.accepted(used.token)
		}
		return
	}
	renewed, fail := c.renew(ctx, t, used)
	if x.SignIn = renewed; fail != nil {
		x.SignIn, x.Attempt.RetryAfter = fail.turn, fail.retryAfter
		x.Words, x.Fix, x.Who, x.Attempt.Cause = fail.words, fail.fix, fail.who, fail.cause
	}
}

// notSent is a call that ended before it began.
func (x *Exchange) notSent(f *failure) {
	x.Attempt.Certainty, x.Attempt.Cause, x.Attempt.Error = waybill.NotHappened, f.cause, f.words
	x.Attempt.RetryAfter = f.retryAfter
	x.Words, x.Fix, x.Who = f.words, f.fix, f.who
	x.SignIn = f.turn
}

// held is a call that may not begin any more: this process stood still too long.
func (x *Exchange) held() {
	x.notSent(&failure{cause: waybill.OurSide, words: "This node's lease was about to end before the call began."})
	x.Held = true
}

// prepare makes the request as it goes out of the frozen one in shown, and leaves there what of it is kept.
func (c *Caller) prepare(t *Target, action *connector.Action, cred credential, shown *waybill.Request) (*http.Request, *failure) {
	frozen := *shown
	u, fail := t.address(frozen.URL)
	if fail != nil {
		return nil, fail
	}
	header := make(http.Header, len(frozen.Headers)+2)
	for _, h := range frozen.Headers {
		header.Add(h.Name, h.Value)
	}
	shown.Headers = append(make([]waybill.Header, 0, len(frozen.Headers)+2), frozen.Headers...)
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", agent)
		shown.Headers = append(shown.Headers, waybill.Header{Name: "User-Agent", Value: agent})
	}
	switch {
	case cred.query:
		pair, mark := url.QueryEscape(cred.header)+"="+url.QueryEscape(cred.value), url.QueryEscape(cred.header)+"="+cred.shown
		if u.RawQuery != "" {
			pair, mark = "&"+pair, "&"+mark
		} else {
			mark = "?" + mark
		}
		u.RawQuery += pair
		shown.URL += mark
	case cred.header != "":
		header.Set(cred.header, cred.value)
		shown.Headers = append(shown.Headers, waybill.Header{Name: cred.header, Value: cred.shown})
	}
	for i, h := range shown.Headers {
		shown.Headers[i].Value = string(c.redact([]byte(h.Value)))
	}
	shown.URL, shown.Body = string(c.redact([]byte(shown.URL))), c.redact(frozen.Body)
	req := &http.Request{
		Method: frozen.Method, URL: u, Host: u.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	once(req, frozen.Body, action.Kind != waybill.KindRead)
	return req, nil
}

// address puts secrets into the places an address keeps for them, and checks the whole.
func (t *Target) address(frozen string) (*url.URL, *failure) {
	address := frozen
	for {
		before, after, found := strings.Cut(address, secretMark)
		name, rest, closed := strings.Cut(after, "}")
		if !found || !closed {
			break
		}
		value, fail := t.secret(name)
		if fail != nil {
			return nil, fail
		}
		if address = before + value + rest; strings.Contains(value, secretMark) {
			return nil, &failure{cause: waybill.MappingWrong, words: "A secret holds another secret's place.", who: "builder"}
		}
	}
	u, err := url.Parse(address)
	if err == nil {
		err = checkURL(u)
	} else {
		err = errors.New("it cannot be read") // url.Parse would quote it, secrets and all
	}
	if err != nil {
		return nil, &failure{
			cause: waybill.BlockedByRule, words: "The address cannot be called: " + err.Error(), who: "builder",
			fix: "Look at the connection's base address.",
		}
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// once keeps net/http from sending a write again by itself when a kept connection turns out closed. It does so for a
// request it can replay: one without a body that is a GET or carries an Idempotency-Key in the canonical spelling, or
// one whose body it can get again. Header names have no case, so the key is spelt small; a body cannot be got again; and
// a write by GET, which some receivers want, has a body of nothing. A read is left to it.
func once(req *http.Request, body []byte, write bool) {
	if len(body) > 0 {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		if write {
			req.Body = io.NopCloser(bytes.NewReader(nil))
		}
		return
	}
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := req.Header[name]; ok {
			delete(req.Header, name)
			req.Header[strings.ToLower(name)] = values
		}
	}
}

// trail is how far a request got.
type trail struct {
	may    func() bool
	traced bool     // the transport tells how far it is
	conn   *counted // the connection it goes over; nil when none was had or it counts nothing
	had    bool     // a connection was had: the request may have begun
	before int64    // bytes that had left over conn before
	err    error    // how it ended without an answer
	over   error    // of its context, when it ended
}

func (w *trail) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { w.traced = true },
		GotConn: func(info httptrace.GotConnInfo) {
			w.had = true
			if w.conn = countedOf(info.Conn); w.conn != nil {
				w.before = w.conn.out.Load()
				w.conn.ask(info.Conn, w.may)
			}
		},
	}
}

func countedOf(conn net.Conn) *counted {
	switch conn := conn.(type) {
	case *counted:
		return conn
	case *tls.Conn:
		return countedOf(conn.NetConn())
	default:
		return nil
	}
}

// began reports whether a byte of the request may have left. When its context is over the transport may still be writing,
// and what it has counted proves nothing.
func (w *trail) began() bool {
	var op *net.OpError
	var dns *net.DNSError
	var refused *refusal
	switch {
	case errors.As(w.err, &op) && op.Op == "dial", errors.As(w.err, &dns), errors.As(w.err, &refused):
		return false
	case !w.traced:
		return true // nobody says: in doubt
	case !w.had:
		return false // no connection, or no TLS
	default:
		return w.over != nil || w.conn == nil || w.conn.out.Load() != w.before
	}
}

// judgeError judges a request without an answer.
func (c *Caller) judgeError(x *Exchange, t *Target, action *connector.Action, way *trail) {
	if errors.Is(way.err, errHeld) {
		x.held()
		return
	}
	fail := c.noAnswer(way.over, t, way.err, "no answer came")
	if !way.began() {
		if fail.cause == waybill.TooSlow || fail.cause == waybill.AnswerLost {
			fail.cause, fail.words = waybill.TheirSideDown, t.title()+" cannot be reached: "+c.plainly(way.err)
		}
		x.notSent(fail)
		return
	}
	if fail.cause == waybill.OurSide {
		fail.cause = waybill.AnswerLost
	}
	x.notSent(fail)
	x.Attempt.Error = c.saying(way.err)
	if action.Kind != waybill.KindRead {
		x.Attempt.Certainty = waybill.InDoubt
	}
}

// noAnswer says in words why there is no answer; over is what ended the call's context, if it has ended.
func (c *Caller) noAnswer(over error, t *Target, err error, what string) *failure {
	var refused *refusal
	var timed interface{ Timeout() bool }
	switch {
	case errors.As(err, &refused):
		return &failure{
			cause: waybill.BlockedByRule, words: "The address is not called: " + refused.words + ".", who: "builder",
			fix: "If it is meant, name its host:port in the connection.",
		}
	case errors.Is(over, context.Canceled):
		return &failure{cause: waybill.OurSide, words: "Waybill stopped the call."}
	case over != nil, errors.As(err, &timed) && timed.Timeout():
		return &failure{cause: waybill.TooSlow, words: t.title() + " took too long: " + what + "."}
	default:
		return &failure{cause: waybill.AnswerLost, words: t.title() + ": " + what + ": " + c.plainly(err)}
	}
}

// plainly says in people's words why no answer came: without addresses and ports, which differ each time.
func (c *Caller) plainly(err error) string {
	var unknownName *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection broke off"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at its address"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer"
	case errors.As(err, &unknownName):
		return "its name is not known: " + unknownName.Name
	case errors.As(err, &op) && op.Err != nil:
		return c.saying(op.Err)
	default:
		return c.saying(err)
	}
}

func (c *Caller) saying(err error) string {
	text := err.Error()
	if len(text) > 500 {
		text = text[:500]
	}
	return string(c.redact([]byte(fmt.Sprint(text))))
}
