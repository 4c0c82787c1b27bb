package connectors_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/connectors"
	"waybill/deliver"
)

// answering is a way out that gives one answer to whatever is asked.
type answering struct {
	status int
	header http.Header
	body   string
}

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	h := a.header.Clone()
	h.Set("Content-Type", "application/json")
	return &http.Response{
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: io.NopCloser(strings.NewReader(a.body)),
		ContentLength: int64(len(a.body)), Request: req,
	}, nil
}

// TestWhatEachSystemSaysOfItsLimitsIsHeeded holds every built-in connector against what its system documents: how it says
// "too many", when to come again, and how many calls are left.
func TestWhatEachSystemSaysOfItsLimitsIsHeeded(t *testing.T) {
	const (
		learnt = 0
		free   = -1 // the call alone waits
	)
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	for _, c := range []struct {
		connector, name string
		status          int
		header          []string
		body            string
		limited         bool          // it is a refusal for the limit
		again           time.Duration // nothing is sent before; learnt: by our own holds; free: all else is sent
		left            int           // or so many more may be sent before then
	}{
		{"http", "429 with seconds", 429, []string{"Retry-After", "17"}, `{}`, true, 17 * time.Second, 0},
		{"http", "429 with a date", 429, []string{"Retry-After", "Wed, 25 Nov 2026 12:00:40 GMT"}, `{}`, true, 40 * time.Second, 0},
		{"http", "429 alone", 429, nil, ``, true, learnt, 0},
		{"http", "503 with seconds is an outage of theirs", 503, []string{"Retry-After", "9"}, ``, false, 0, 0},
		{"http", "the IETF's draft", 200, []string{"RateLimit", `"default";r=0;t=30`}, `{}`, false, 30 * time.Second, 0},
		{"http", "the older draft", 200, []string{"RateLimit-Remaining", "2", "RateLimit-Reset", "30"}, `{}`, false, 30 * time.Second, 2},
		{"http", "the usual ones", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795608010"}, `{}`, false, 10 * time.Second, 0},

		{
			"hubspot", "ten seconds are used up", 429,
			[]string{"X-HubSpot-RateLimit-Remaining", "0", "X-HubSpot-RateLimit-Interval-Milliseconds", "10000"},
			`{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING","correlationId":"a"}`, true, 10 * time.Second, 0,
		},
		{"hubspot", "the day is used up", 429, nil, `{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","policyName":"DAILY"}`, true, learnt, 0},
		{"hubspot", "some are left", 200, []string{"X-HubSpot-RateLimit-Remaining", "3", "X-HubSpot-RateLimit-Interval-Milliseconds", "10000"}, `{"id":"1","results":[]}`, false, 10 * time.Second, 3},

		{"stripe", "429", 429, nil, `{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many requests."}}`, true, learnt, 0},
		{"stripe", "400 with its code", 400, nil, `{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many requests."}}`, true, learnt, 0},
		{"stripe", "a lock", 429, nil, `{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"Locked."}}`, true, free, 0},

		{"razorpay", "429", 429, nil, `{"error":{"code":"BAD_REQUEST_ERROR","description":"Too many requests"}}`, true, learnt, 0},

		{"slack", "429", 429, []string{"Retry-After", "30"}, `{"ok":false,"error":"ratelimited"}`, true, 30 * time.Second, 0},
		{"slack", "200 with its word", 200, nil, `{"ok":false,"error":"ratelimited"}`, true, learnt, 0},
		{"slack", "200 with its other word", 200, nil, `{"ok":false,"error":"rate_limited"}`, true, learnt, 0},
		{"slack", "200 with its third word", 200, nil, `{"ok":false,"error":"message_limit_exceeded"}`, true, learnt, 0},

		{"whatsapp", "the app", 400, nil, `{"error":{"message":"(#4) Application request limit reached","type":"OAuthException","code":4}}`, true, learnt, 0},
		{"whatsapp", "the account", 400, nil, `{"error":{"message":"(#80007) Rate limit hit","type":"OAuthException","code":80007}}`, true, learnt, 0},
		{"whatsapp", "the throughput", 429, nil, `{"error":{"message":"(#130429) Rate limit hit","type":"OAuthException","code":130429}}`, true, learnt, 0},
		{"whatsapp", "one person", 400, nil, `{"error":{"message":"(#131056) Pair rate limit hit","type":"OAuthException","code":131056}}`, true, free, 0},
		{"whatsapp", "registering", 400, nil, `{"error":{"message":"(#133016) Rate limit","type":"OAuthException","code":133016}}`, true, learnt, 0},
	} {
		seen[c.connector] = true
		t.Run(c.connector+" "+c.name, func(t *testing.T) {
			m := loadManifest(t, c.connector)
			h := http.Header{}
			for i := 0; i+1 < len(c.header); i += 2 {
				h.Set(c.header[i], c.header[i+1])
			}
			caller := &deliver.Caller{Transport: answering{c.status, h, c.body}, Now: func() time.Time { return now }}
			target := &deliver.Target{
				Connection: "c", Account: "a", Manifest: m, BaseURL: "https://far.example", Settings: map[string]string{}, Limits: m.Limits,
				Secret: func(string) (string, bool) { return "made up", true },
			}
			for _, action := range m.Actions {
				if action.Kind == waybill.KindRead {
					continue
				}
				x := caller.Call(t.Context(), target, action, waybill.Request{Method: http.MethodPost, URL: "https://far.example/x"})
				if got := x.Attempt.Cause == waybill.LimitReached; got != c.limited {
					t.Errorf("%s: the cause is %q, certainty %q", action.Name, x.Attempt.Cause, x.Attempt.Certainty)
				}
				if c.limited && x.Attempt.Certainty != waybill.NotHappened {
					t.Errorf("%s: it is %q", action.Name, x.Attempt.Certainty)
				}
				g := deliver.NewGovernor(func() float64 { return 1 })
				wide := m.Limits
				wide.PerSecond, wide.Burst, wide.Concurrency = 0, 0, 100 // what was declared is not what is looked for
				g.Acquire("c", wide, now)
				g.Release("c", &x, now)
				for range c.left {
					if ok, again := g.Acquire("c", wide, now); !ok {
						t.Fatalf("%s: fewer than %d are let go; again in %v", action.Name, c.left, again.Sub(now))
					}
				}
				ok, again := g.Acquire("c", wide, now)
				switch {
				case c.again == free:
					d := deliver.Decide(&waybill.Effect{Kind: action.Kind, Repeat: action.Repeat}, action, x, deliver.Policy{Jitter: func() float64 { return 0 }}, now)
					if !ok || d.State != waybill.EffectPlanned || d.DueAt.Sub(now) < time.Second || d.CountsTry {
						t.Errorf("%s: the others are held until %v; it is %s until %v", action.Name, again, d.State, d.DueAt)
					}
				case !c.limited && c.again == 0:
					if !ok {
						t.Errorf("%s: held until %v", action.Name, again.Sub(now))
					}
				case ok:
					t.Errorf("%s: the next is not held", action.Name)
				case c.again != learnt && again.Sub(now) != c.again, again.Sub(now) <= 0 || again.Sub(now) > 24*time.Hour:
					t.Errorf("%s: again in %v, want %v", action.Name, again.Sub(now), c.again)
				}
			}
		})
	}
	for _, name := range connectors.Names {
		if !seen[name] && len(loadManifest(t, name).Actions) > 0 {
			t.Errorf("nothing is said of the limits of %s", name)
		}
	}
}
