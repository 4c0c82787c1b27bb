package deliver

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"waybill"
	"waybill/connector"
)

// judgeAnswer reads an answer within its cap and says what it proves: the connector's matchers by status and body, then
// the status; and, over both, that an answer which broke off or cannot be read proves nothing about a write.
func (c *Caller) judgeAnswer(within context.Context, x *Exchange, t *Target, action *connector.Action, resp *http.Response) {
	body, err := readAnswer(resp)
	a := &x.Attempt
	a.Status = resp.StatusCode
	a.RetryAfter = retryAfter(resp.Header, c.Now())
	x.Left, x.Until = told(resp.Header, t.Limits.Told, c.Now())
	a.Headers, a.Response = c.keptHeaders(resp.Header), c.kept(body)
	answer := connector.Answer{Status: resp.StatusCode, Headers: lower(resp.Header), Body: body, Cut: err != nil}
	j := t.Manifest.Judge(action, answer, t.Settings)
	a.Certainty, a.Cause = j.Certainty, j.Cause
	x.Words, x.Code, x.Fix, x.Who, x.Answer, x.Found = j.Words, j.Code, j.Fix, j.Who, j.Output, j.Found
	if j.Matched != nil && j.Matched.Wait > 0 {
		x.Own, a.RetryAfter = true, cmp.Or(a.RetryAfter, j.Matched.Wait)
	}
	if action.Kind == waybill.KindRead {
		x.judgeRead(j, err)
	} else {
		x.judgeWrite(j, answer)
	}
	if err != nil {
		a.Error = c.saying(err)
		if a.Cause == waybill.AnswerLost {
			f := c.noAnswer(within.Err(), t, err, "the answer broke off")
			a.Cause, x.Words = f.cause, f.words
			if f.cause == waybill.OurSide {
				a.Cause = waybill.AnswerLost
			}
		}
	}
	if a.Certainty != waybill.Happened {
		x.Answer = nil
		return
	}
	if x.Answer != nil {
		x.Object = action.ObjectOf(connector.Call{}, x.Answer).ID
	}
}

// judgeRead: a read is repeatable, so it is never in doubt; and a connector that says "not found there" has answered it.
func (x *Exchange) judgeRead(j connector.Judged, cut error) {
	a := &x.Attempt
	switch {
	case cut != nil && a.Certainty != waybill.NotHappened:
		a.Certainty, a.Cause = waybill.NotHappened, waybill.AnswerLost
	case j.Matched != nil && j.Cause == waybill.NotFoundThere:
		a.Certainty, a.Cause, x.Found, x.Answer = waybill.Happened, "", false, nil
	case a.Certainty == waybill.InDoubt:
		a.Certainty = waybill.NotHappened
	}
}

// judgeWrite: a refusal that says nothing of its certainty but names a fault of their side is none; and an answer that
// broke off, or says it is JSON and is not, proves neither that it happened nor that it was refused.
func (x *Exchange) judgeWrite(j connector.Judged, answer connector.Answer) {
	a := &x.Attempt
	if j.Matched != nil && j.Matched.Certainty == "" && a.Certainty == waybill.Declined {
		switch j.Cause {
		case waybill.TheirSideDown, waybill.TooSlow, waybill.AnswerLost:
			a.Certainty = waybill.InDoubt
		case waybill.LimitReached, waybill.SignInExpired:
			a.Certainty = waybill.NotHappened
		default: // a refusal
		}
	}
	if a.Certainty != waybill.Happened && a.Certainty != waybill.Declined {
		return
	}
	switch {
	case answer.Cut:
		a.Certainty, a.Cause = waybill.InDoubt, waybill.AnswerLost
	case a.Certainty == waybill.Happened && len(answer.Body) > 0 && strings.Contains(answer.Headers["content-type"], "json") &&
		!jsontext.Value(answer.Body).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		a.Certainty, a.Cause, x.Words = waybill.InDoubt, waybill.FormatChanged, "The answer came, but it could not be read."
	}
}

// errTooLong is an answer beyond the cap.
var errTooLong = &waybill.Error{Kind: waybill.Invalid, Message: "the answer is longer than 10 MiB"}

// readAnswer reads a body up to the cap, after decompression, so that a small answer cannot grow without bound. What
// was read before an error is returned with it.
func readAnswer(resp *http.Response) ([]byte, error) {
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 {
		buf.Grow(int(min(n, maxKept)) + bytes.MinRead) // what they say it is, but no more than usual on their word alone
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && n > maxAnswer {
		err = errTooLong
	}
	return buf.Bytes(), err
}

// kept is what of a body stays on the journey. Secrets are taken out before it is cut, so none is cut in half and missed.
func (c *Caller) kept(body []byte) []byte {
	const margin = 4 << 10
	if len(body) > maxKept {
		body = slices.Clone(body[:min(len(body), maxKept+margin)]) // the rest need not stay in memory
	}
	out := c.redact(body)
	return out[:min(len(out), maxKept)]
}

// The headers that are no news, and those that are secrets.
var (
	dropped   = []string{"Date", "Connection", "Keep-Alive", "Alt-Svc", "Strict-Transport-Security", "Content-Security-Policy"}
	sensitive = []string{"Set-Cookie", "Set-Cookie2", "Authorization", "Proxy-Authenticate"}
)

// keptHeaders are the answer's headers for the journey, sorted, in bounded number and length.
func (c *Caller) keptHeaders(h http.Header) []waybill.Header {
	const most, longest = 40, 1 << 10
	names := make([]string, 0, len(h))
	for name := range h {
		if !slices.Contains(dropped, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := make([]waybill.Header, 0, len(names))
	for _, name := range names[:min(len(names), most)] {
		value := h[name][0]
		switch {
		case slices.Contains(sensitive, name):
			value = "(left out)"
		case c.Redact != nil:
			value = string(c.redact([]byte(value)))
		}
		out = append(out, waybill.Header{Name: name, Value: value[:min(len(value), longest)]})
	}
	return out
}

func lower(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		if len(values) > 0 {
			out[strings.ToLower(name)] = values[0]
		}
	}
	return out
}

// retryAfter reads Retry-After (RFC 9110, section 10.2.3): seconds or a date. What lies in the past, cannot be read or
// is not there is zero; what lies beyond a year is a year. Decide bounds it further.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = 365 * 24 * time.Hour
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		switch {
		case math.IsNaN(n) || n <= 0:
			return 0
		case n >= most.Seconds():
			return most
		default:
			return time.Duration(n * float64(time.Second))
		}
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), most)
}
