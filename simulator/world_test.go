package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/connector"
	"waybill/connectors"
	"waybill/expr"
	"waybill/simulator"
	"waybill/verify"
)

var start = time.Date(2026, 10, 1, 10, 0, 0, 0, time.UTC)

// clock is virtual time: what is planned happens when the test lets time pass.
type clock struct {
	now  time.Time
	due  []timer
	made int
}

type timer struct {
	at time.Time
	n  int
	fn func()
}

func (c *clock) Now() time.Time { return c.now }

func (c *clock) After(d time.Duration, fn func()) {
	c.made++
	c.due = append(c.due, timer{c.now.Add(d), c.made, fn})
}

func (c *clock) pass(d time.Duration) {
	end := c.now.Add(d)
	for {
		next := -1
		for i, t := range c.due {
			if t.at.After(end) {
				continue
			}
			if next < 0 || t.at.Before(c.due[next].at) || (t.at.Equal(c.due[next].at) && t.n < c.due[next].n) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		t := c.due[next]
		c.due = slices.Delete(c.due, next, next+1)
		c.now = t.at
		t.fn()
	}
	c.now = end
}

// stage is a world with every connector in it and what left it.
type stage struct {
	*simulator.World
	t        *testing.T
	clock    *clock
	secrets  map[string]map[string]string
	mu       sync.Mutex // of ledger, which a real listener writes from elsewhere
	ledger   []simulator.Entry
	hooks    []simulator.Webhook
	statuses []int // what webhooks are answered with; 200 when it is used up
}

var names = []string{"stripe", "razorpay", "whatsapp", "hubspot", "slack", "http", "standard-webhooks"}

// manifests are compiled once: they are immutable.
var manifests = map[string]*connector.Manifest{}

func manifest(t *testing.T, name string) *connector.Manifest {
	t.Helper()
	if m := manifests[name]; m != nil {
		return m
	}
	env, err := expr.NewEnv(expr.Config{Zone: "Asia/Kolkata", Region: "IN", Currency: "INR"})
	if err != nil {
		t.Fatal(err)
	}
	m, faults := connector.Load(connectors.All(), name, env)
	if faults.Bad() || m == nil {
		for _, f := range faults {
			t.Error(f.String())
		}
		t.FailNow()
	}
	manifests[name] = m
	return m
}

func newStage(t *testing.T, connections ...string) *stage {
	t.Helper()
	s := &stage{t: t, clock: &clock{now: start}, secrets: map[string]map[string]string{}}
	s.World = simulator.New(simulator.Options{
		Clock: s.clock, Rand: rand.New(rand.NewPCG(7, 7)),
		Ledger: func(e simulator.Entry) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ledger = append(s.ledger, e)
		},
		Deliver: func(_ context.Context, w simulator.Webhook) int {
			s.hooks = append(s.hooks, w)
			if len(s.statuses) > 0 {
				status := s.statuses[0]
				s.statuses = s.statuses[1:]
				return status
			}
			return http.StatusOK
		},
		Report: func(err error) { t.Error(err) },
	})
	if len(connections) == 0 {
		connections = names
	}
	for _, name := range connections {
		m := manifest(t, name)
		s.secrets[name] = simulator.Secrets(name, m)
		if err := s.Add(name, m, s.secrets[name], simulator.ConnectionOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// call is one request and what shall come back.
type call struct {
	do     string // POST /v1/refunds
	header map[string]string
	body   string
	bare   bool // without the right credentials
	pause  time.Duration
	status int
	want   map[string]any // dotted path in the answer's JSON
	text   string         // part of the answer
}

func (s *stage) request(connection string, c call) *http.Request {
	s.t.Helper()
	method, path, _ := strings.Cut(c.do, " ")
	r, err := http.NewRequestWithContext(
		simulator.WithConnection(s.t.Context(), connection), method, "https://provider.example"+path,
		bytes.NewReader([]byte(c.body)),
	)
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(c.body, "{") || strings.HasPrefix(c.body, "[") {
		r.Header.Set("Content-Type", "application/json")
	} else if c.body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if !c.bare {
		secrets := s.secrets[connection]
		switch connection {
		case "razorpay":
			r.SetBasicAuth(secrets["key_id"], secrets["key_secret"])
		case "stripe", "http":
			r.Header.Set("Authorization", "Bearer "+secrets["api_key"])
		case "slack":
			r.Header.Set("Authorization", "Bearer "+secrets["bot_token"])
		default:
			r.Header.Set("Authorization", "Bearer "+secrets["access_token"])
		}
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	return r
}

// call makes a call and returns the answer's status, headers and JSON.
func (s *stage) call(connection string, c call) (int, http.Header, any) {
	s.t.Helper()
	s.clock.pass(c.pause)
	response, err := s.RoundTripper().RoundTrip(s.request(connection, c))
	if err != nil {
		s.t.Fatalf("%s: %v", c.do, err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s: %v", c.do, err)
	}
	if f := response.Header.Get("X-Simulator-Fault"); f != "" {
		s.t.Fatalf("%s: %s", c.do, body)
	}
	var v any
	_ = json.Unmarshal(body, &v)
	if c.status != 0 && c.status != response.StatusCode {
		s.t.Errorf("%s: status %d, want %d: %s", c.do, response.StatusCode, c.status, body)
	}
	if !strings.Contains(string(body), c.text) {
		s.t.Errorf("%s: %q is not in %s", c.do, c.text, body)
	}
	for path, want := range c.want {
		if got := dig(v, path); got != want {
			s.t.Errorf("%s: %s is %v, want %v: %s", c.do, path, got, want, body)
		}
	}
	return response.StatusCode, response.Header, v
}

func dig(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[part]
		case []any:
			i := int(part[0] - '0')
			if i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

func str(t *testing.T, v any, path string) string {
	t.Helper()
	s, ok := dig(v, path).(string)
	if !ok {
		t.Fatalf("%s is no text in %v", path, v)
	}
	return s
}

// trigger makes one webhook and returns its body.
func (s *stage) trigger(connection, sample string, set map[string]string) any {
	s.t.Helper()
	hooks, err := s.Trigger(s.t.Context(), connection, sample, simulator.TriggerOptions{Set: set})
	if err != nil {
		s.t.Fatal(err)
	}
	return body(s.t, hooks[0])
}

func body(t *testing.T, w simulator.Webhook) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(w.Body, &v); err != nil {
		t.Fatalf("%s: %v: %s", w.Event, err, w.Body)
	}
	return v
}

// prove verifies a webhook as a receiver does.
func prove(t *testing.T, m *connector.Manifest, secret string, w simulator.Webhook, now time.Time) error {
	t.Helper()
	config := m.Webhook.Verify.Bind(m.Defaults(m.Simulate.Settings))
	_, err := verify.Scheme(config).Verify(
		verify.Request{Method: w.Method, URL: w.URL, Header: w.Header, Body: w.Body}, []verify.Secret{verify.Secret(secret)}, now,
	)
	return err
}

func TestEverySampleOfEveryConnectorIsProvenByItsOwnSignature(t *testing.T) {
	for _, name := range names {
		m := manifest(t, name)
		secrets := simulator.Secrets(name, m)
		if len(simulator.Samples(m)) == 0 {
			t.Errorf("%s has no samples", name)
		}
		for _, sample := range simulator.Samples(m) {
			t.Run(name+" "+sample, func(t *testing.T) {
				o := simulator.SampleOptions{Now: start, Secrets: secrets}
				hooks, err := simulator.Sample(name, m, sample, o)
				if err != nil {
					t.Fatal(err)
				}
				if !json.Valid(hooks[0].Body) {
					t.Errorf("no JSON: %s", hooks[0].Body)
				}
				if err := prove(t, m, secrets[m.Webhook.Verify.Secret], hooks[0], start); err != nil {
					t.Error(err)
				}
				o.Forge = true
				hooks, err = simulator.Sample(name, m, sample, o)
				if err != nil {
					t.Fatal(err)
				}
				if err := prove(t, m, secrets[m.Webhook.Verify.Secret], hooks[0], start); err == nil {
					t.Error("a forged webhook is taken for genuine")
				}
				if simulator.SampleTitle(m, sample) == "" {
					t.Error("the sample has no title")
				}
			})
		}
	}
}

func TestTheSameSeedGivesTheSameWorld(t *testing.T) {
	run := func() string {
		s := newStage(t)
		stop := s.Traffic(simulator.DemoPlan())
		s.clock.pass(time.Minute)
		stop()
		var out strings.Builder
		for _, h := range s.hooks {
			out.WriteString(h.Connection + " " + h.Event + " ")
			_ = h.Header.Write(&out)
			out.Write(h.Body)
			out.WriteByte('\n')
		}
		return out.String()
	}
	if one, two := run(), run(); one != two || one == "" {
		t.Errorf("two runs with one seed differ:\n%.600s\n%.600s", one, two)
	}
}
