package simulator

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"waybill/connector"
	"waybill/expr"
)

// maxBody is the longest request body an account reads.
const maxBody = 4 << 20

// call is a request that reached an account.
type call struct {
	action string // the connector's, when the caller says it
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
}

// reply is what comes back, and how.
type reply struct {
	status int
	header http.Header
	body   []byte
	delay  time.Duration
	broken breakage
}

// breakage is how a connection fails its client.
type breakage int

const (
	whole  breakage = iota
	noDial          // refused
	reset           // broken before anything happened
	lost            // broken before the answer
	cut             // broken in the answer's middle
)

// keptAnswer is what a key was answered with first.
type keptAnswer struct {
	fingerprint string
	reply       reply
	ready       time.Time // when the first call is answered
	until       time.Time
}

// serve answers a call: the ledger is told and webhooks are planned before it returns.
func (w *World) serve(connection string, c call) reply {
	w.mu.Lock()
	a, err := w.account(connection)
	if err != nil {
		w.mu.Unlock()
		return reply{status: http.StatusNotFound, header: http.Header{}, body: []byte(err.Error())}
	}
	now := w.options.Clock.Now()
	act := &act{account: a, now: now}
	r := w.answer(act, c)
	w.mu.Unlock()

	if w.options.Ledger != nil {
		for _, e := range act.entries {
			w.options.Ledger(e)
		}
	}
	for _, s := range act.sends {
		w.plan(a, s)
	}
	return r
}

// answer takes a call through the account, with the fault that strikes it.
func (w *World) answer(a *act, c call) reply {
	a.scope = a.account.scope(a.now, nil)
	a.scope["method"], a.scope["headers"] = c.method, lowered(c.header)
	route, parts := a.route(c.method, c.path)
	if route == nil {
		return a.refuse("no_route", http.StatusNotFound, complaint{param: c.path, problem: "unknown", words: "is not known"})
	}
	a.scope["path"], a.scope["body"] = parts, glance(c)
	a.action, _ = a.string(route.Action)
	f, struck := w.strike(a.name, CallFaults, a.action, c.action, c.path, c.method+" "+c.path)
	if struck {
		a.scope["fault"] = map[string]any{"kind": string(f.Kind), "seconds": int64(f.RetryAfter / time.Second)}
		if r, done := a.before(f, route, c); done {
			return r
		}
	}
	if f.Kind == Lag {
		a.lag = f.delay(30 * time.Second)
	}
	r := a.handle(route, c, f.Kind == ErrorAfter)
	switch f.Kind {
	case ErrorAfter:
		r = a.refuse("error", http.StatusInternalServerError, complaint{})
	case Slow:
		r.delay = f.delay(45 * time.Second)
		if kept, ok := a.once[a.onceKey]; ok && a.onceKey != "" && kept.ready.Equal(a.now) {
			kept.ready = a.now.Add(r.delay)
			a.once[a.onceKey] = kept
		}
	case LostAfter:
		r.broken = lost
	case Truncated:
		r.broken = cut
	default: // it struck before, or comes later
	}
	return r
}

// glance reads a body as well as it can be read, for the action's name; what is wrong with it is told later.
func glance(c call) any {
	if body, err := connector.DecodeJSON(c.body); err == nil {
		return body
	}
	if values, err := url.ParseQuery(string(c.body)); err == nil {
		if body, err := readForm(values); err == nil {
			return body
		}
	}
	return map[string]any{}
}

// before plays the faults that leave the account untouched.
func (a *act) before(f Fault, route *connector.SimRoute, c call) (reply, bool) {
	switch f.Kind {
	case RateLimited:
		r := a.refuse("rate_limited", http.StatusTooManyRequests, complaint{})
		if f.RetryAfter > 0 {
			r.header.Set("Retry-After", fmt.Sprint(int64(f.RetryAfter/time.Second)))
		}
		return r, true
	case ErrorBefore:
		return a.refuse("error", http.StatusInternalServerError, complaint{}), true
	case TokenExpired:
		return a.refuse("unauthorized", http.StatusUnauthorized, complaint{problem: "expired", words: "has expired"}), true
	case Refused:
		return reply{broken: noDial, header: http.Header{}}, true
	case ResetBefore:
		return reply{broken: reset, header: http.Header{}}, true
	case HTML200:
		header := http.Header{}
		header.Set("Content-Type", "text/html; charset=utf-8")
		return reply{status: http.StatusOK, header: header, body: []byte(
			"<!doctype html><html><head><title>We'll be right back</title></head><body><h1>Maintenance</h1></body></html>")}, true
	case BusinessNo:
		if route.Declined == nil {
			return reply{}, false
		}
		return a.decline(route, c)
	default:
		return reply{}, false
	}
}

// decline refuses a call for reasons of its business. With a key that is honoured the refusal is an answer like any other: it
// is given again to every repeat, and a key that was answered already gets that answer.
func (a *act) decline(route *connector.SimRoute, c call) (reply, bool) {
	key := ""
	if route.Once {
		key = c.header.Get(a.sim.Once.Header)
	}
	if key == "" {
		return a.write(route.Declined), true
	}
	if kept, ok := a.once[key]; ok && a.now.Before(kept.until) {
		return reply{}, false
	}
	r := a.write(route.Declined)
	a.keep(key, hash(c.method, c.path, string(c.body)), r)
	return r, true
}

// handle checks a call as the provider does, takes the route's steps and renders its answer.
func (a *act) handle(route *connector.SimRoute, c call, failing bool) reply {
	if !route.Open && !a.signedIn(c.header) {
		problem := complaint{param: "Authorization", problem: "wrong", words: "is not valid"}
		if c.header.Get("Authorization") == "" {
			problem.problem, problem.words = "missing", "is missing"
		}
		return a.refuse("unauthorized", http.StatusUnauthorized, problem)
	}
	if r, bad := a.checkHeaders(c.header); bad {
		return r
	}
	if r, bad := a.read(route, c); bad {
		return r
	}
	if route.Key != nil {
		a.key, _ = a.string(route.Key)
	}
	key, fingerprint := "", ""
	if route.Once {
		key = c.header.Get(a.sim.Once.Header)
		if form := a.sim.Once.Form; key != "" && form != nil && !form.MatchString(key) {
			return a.refuse("invalid", http.StatusBadRequest, complaint{a.sim.Once.Header, "invalid", "is not as documented"})
		}
	}
	if key != "" {
		a.key, a.onceKey = key, key
		fingerprint = hash(c.method, c.path, string(c.body))
		if kept, ok := a.once[key]; ok && a.now.Before(kept.until) {
			if kept.fingerprint != fingerprint {
				a.scope["check"] = map[string]any{"param": a.sim.Once.Header, "problem": "reused", "words": key}
				return a.write(a.sim.Once.Other)
			}
			if a.now.Before(kept.ready) && a.sim.Once.Busy != nil {
				return a.write(a.sim.Once.Busy)
			}
			again := kept.reply
			if again.header = again.header.Clone(); a.sim.Once.Mark != "" {
				again.header.Set(a.sim.Once.Mark, "true")
			}
			return again
		}
	}
	r := a.perform(route)
	if key != "" && (r.status < 500 || a.sim.Once.Errors) {
		kept := r
		if failing && a.sim.Once.Errors {
			kept = a.refuse("error", http.StatusInternalServerError, complaint{})
		}
		a.keep(key, fingerprint, kept)
	}
	return r
}

// keep keeps an answer, to be given again for its key.
func (a *act) keep(key, fingerprint string, r reply) {
	life := a.sim.Once.Life
	if life == 0 {
		life = 10 * 365 * 24 * time.Hour
	}
	a.forgetKeys()
	a.once[key] = keptAnswer{fingerprint: fingerprint, reply: r, ready: a.now, until: a.now.Add(life)}
}

// forgetKeys drops keys past their life once there are many.
func (a *act) forgetKeys() {
	if len(a.once) < maxThings {
		return
	}
	maps.DeleteFunc(a.once, func(_ string, kept keptAnswer) bool { return !a.now.Before(kept.until) })
}

func (a *act) perform(route *connector.SimRoute) reply {
	err := a.run(route.Do)
	if no, ok := errors.AsType[refusal](err); ok {
		return a.write(no.answer)
	}
	if err != nil {
		return a.broken(err)
	}
	return a.write(route.Answer)
}

// broken is the answer when simulate.yaml itself fails: it must not look like the provider.
func (a *act) broken(err error) reply {
	header := http.Header{}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Simulator-Fault", a.action)
	return reply{status: http.StatusInternalServerError, header: header, body: []byte("simulator: " + err.Error())}
}

// refuse writes the block's answer of that name, a bare one when it has none.
func (a *act) refuse(name string, status int, c complaint) reply {
	a.scope["check"] = map[string]any{"param": c.param, "problem": c.problem, "words": c.words}
	if answer := a.sim.Answers[name]; answer != nil {
		return a.write(answer)
	}
	header := http.Header{}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	return reply{status: status, header: header, body: []byte(http.StatusText(status) + "\n")}
}

func (a *act) write(answer *connector.SimAnswer) reply {
	r := reply{status: answer.Status, header: http.Header{}}
	switch {
	case answer.JSON != nil:
		v, err := answer.JSON.Eval(a.scope, nil)
		if err != nil {
			return a.broken(err)
		}
		if r.body, err = writeJSON(v, false); err != nil {
			return a.broken(err)
		}
		r.header.Set("Content-Type", "application/json; charset=utf-8")
	case answer.Text != nil:
		body, err := a.string(answer.Text)
		if err != nil {
			return a.broken(err)
		}
		r.body = []byte(body)
		r.header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	if err := a.setHeaders(r.header, answer.Headers); err != nil {
		return a.broken(err)
	}
	return r
}

func (a *act) setHeaders(header http.Header, templates []connector.NamedTemplate) error {
	for _, h := range templates {
		value, err := a.string(h.Value)
		if err != nil {
			return err
		}
		if value != "" {
			header.Set(h.Name, value)
		}
	}
	return nil
}

// route finds the route of a method and path, with the values of its {parts}.
func (a *account) route(method, path string) (*connector.SimRoute, map[string]any) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for _, r := range a.sim.Routes {
		if r.Method != method && r.Method != "ANY" {
			continue
		}
		if parts, ok := matchPath(r.Path, segments); ok {
			return r, parts
		}
	}
	return nil, nil
}

// matchPath matches segments: {name} takes any one, {name:a|b} one of these, {name...} all that follow.
func matchPath(pattern, segments []string) (map[string]any, bool) {
	parts := map[string]any{}
	for i, want := range pattern {
		name, isPart := strings.CutPrefix(want, "{")
		name = strings.TrimSuffix(name, "}")
		if rest, ok := strings.CutSuffix(name, "..."); ok && isPart {
			parts[rest] = strings.Join(segments[min(i, len(segments)):], "/")
			return parts, true
		}
		if i >= len(segments) {
			return nil, false
		}
		got, err := url.PathUnescape(segments[i])
		name, choices, limited := strings.Cut(name, ":")
		switch {
		case err != nil || (isPart && limited && !slices.Contains(strings.Split(choices, "|"), got)):
			return nil, false
		case isPart && got != "":
			parts[name] = got
		case want != got:
			return nil, false
		}
	}
	return parts, len(pattern) == len(segments)
}

// signedIn compares credentials exactly: `bearer x` and `BASIC y` are not what the documents ask for.
func (a *account) signedIn(h http.Header) bool {
	if len(a.sim.SignIn) == 0 {
		return true
	}
	asked := false
	for _, s := range a.sim.SignIn {
		switch {
		case s.Bearer != "":
			secret := a.secrets[s.Bearer]
			asked = asked || secret != ""
			if secret != "" && h.Get("Authorization") == "Bearer "+secret {
				return true
			}
		case len(s.Basic) > 0:
			user, pass := a.secrets[s.Basic[0]], ""
			if len(s.Basic) > 1 {
				pass = a.secrets[s.Basic[1]]
			}
			asked = asked || user != ""
			want := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))
			if user != "" && h.Get("Authorization") == want {
				return true
			}
		case s.Header != "":
			secret := a.secrets[s.Secret]
			name, prefix := connector.Fill(s.Header, a.texts), connector.Fill(s.Prefix, a.texts)
			// A key that a connection need not have is asked of those who come with one.
			asked = asked || (secret != "" && (a.manifest.Secrets[s.Secret].Required || h.Get(name) != ""))
			if secret != "" && h.Get(name) == prefix+secret {
				return true
			}
		}
	}
	return !asked // an account without credentials asks for none
}

func (a *act) checkHeaders(h http.Header) (reply, bool) {
	for _, want := range a.sim.Headers {
		value := h.Get(want.Name)
		if value == "" && want.Optional {
			continue
		}
		if value == "" || (want.Form != nil && !want.Form.MatchString(value)) {
			return a.refuse(want.Answer, http.StatusBadRequest, complaint{want.Name, "invalid", "is not as documented"}), true
		}
	}
	return reply{}, false
}

// read puts body and query into the scope after comparing them with what the route takes.
func (a *act) read(route *connector.SimRoute, c call) (reply, bool) {
	query, err := readForm(c.query)
	if err != nil {
		return a.refuse("invalid", http.StatusBadRequest, complaint{"", "invalid", err.Error()}), true
	}
	if r, bad := a.inspect("query", route.Query, query, true); bad {
		return r, true
	}
	kind, _, _ := mime.ParseMediaType(c.header.Get("Content-Type"))
	var body any
	switch route.Body {
	case "none":
		return reply{}, false
	case "form":
		if len(c.body) > 0 && kind != "application/x-www-form-urlencoded" {
			return a.refuse("unreadable", http.StatusBadRequest, complaint{"Content-Type", "invalid", "must be a form"}), true
		}
		values, err := url.ParseQuery(string(c.body))
		if err == nil {
			body, err = readForm(values)
		}
		if err != nil {
			return a.refuse("unreadable", http.StatusBadRequest, complaint{"", "invalid", err.Error()}), true
		}
	case "json":
		if kind != "application/json" {
			return a.refuse("unreadable", http.StatusBadRequest, complaint{"Content-Type", "invalid", "must be JSON"}), true
		}
		if body, err = connector.DecodeJSON(c.body); err != nil {
			return a.refuse("unreadable", http.StatusBadRequest, complaint{"", "invalid", "cannot be read as JSON"}), true
		}
	default: // any: what is there
		if body, err = connector.DecodeJSON(c.body); err != nil {
			body = string(c.body)
		}
	}
	return a.inspect("body", route.Takes, body, route.Body == "form")
}

func (a *act) inspect(name string, schema *expr.Schema, v any, form bool) (reply, bool) {
	in := inspector{form: form, unknown: a.sim.Answers["unknown"] != nil}
	v, c := in.inspect(schema, v, "")
	a.scope[name] = v
	if c == nil {
		return reply{}, false
	}
	return a.refuse(c.problem, http.StatusBadRequest, *c), true
}

func lowered(h http.Header) map[string]any {
	out := make(map[string]any, len(h))
	for name, values := range h {
		if len(values) > 0 {
			out[strings.ToLower(name)] = values[0]
		}
	}
	return out
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
