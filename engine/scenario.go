package engine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/receive"
	"waybill/record"
	"waybill/secret"
	"waybill/simulator"
	"waybill/verify"
	"waybill/workspace"
)

// Trial is one scenario run: a whole engine in virtual time, over a book in memory, against simulated systems.
type Trial struct {
	Scenario *workspace.Scenario
	Failures []string          // what was not as expected, each a sentence
	Took     time.Duration     // of virtual time, until everything rested
	Book     *record.Book      // as it was in the end; closed by Close
	Ledger   []simulator.Entry // what really happened at the simulated systems
}

// Passed reports whether all was as expected.
func (t *Trial) Passed() bool { return len(t.Failures) == 0 }

// Close ends the trial's book.
func (t *Trial) Close() error { return t.Book.Close() }

// trialStart is when every scenario begins: a Thursday morning.
var trialStart = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC) // a time that nothing changes

// Try runs a scenario. The same scenario and seed give the same trial.
func Try(ctx context.Context, ws *workspace.Workspace, s *workspace.Scenario, seed uint64) (*Trial, error) {
	v := NewVirtual(trialStart)
	rnd := rand.New(rand.NewPCG(seed, 1)) // repeatable
	ids := waybill.NewIDs(v.Now, &seeded{rnd})
	book, err := record.Open(ctx, "sqlite::memory:", record.Options{Now: v.Now, IDs: ids, Environment: "offline", Inline: true})
	if err != nil {
		return nil, fmt.Errorf("open a book in memory: %w", err)
	}
	t := &Trial{Scenario: s, Book: book}
	r := &trial{Trial: t, ws: ws, v: v, secrets: map[string]string{}, used: map[int]int{}}
	r.world = simulator.New(simulator.Options{Clock: virtualClock{v}, Rand: rnd, Deliver: r.deliver, Ledger: func(x simulator.Entry) { t.Ledger = append(t.Ledger, x) }})
	if err := r.build(ctx, ids, rnd); err != nil {
		return nil, err
	}
	if err := r.play(ctx); err != nil {
		return nil, err
	}
	t.Took = v.Now().Sub(trialStart)
	return t, r.judge(ctx)
}

// trial is the running of one scenario.
type trial struct {
	*Trial
	ws      *workspace.Workspace
	v       *Virtual
	world   *simulator.World
	engine  *Engine
	intake  *receive.Handler
	secrets map[string]string
	used    map[int]int // scripted answers given, by their place
}

func (r *trial) build(ctx context.Context, ids *waybill.IDs, rnd *rand.Rand) (err error) {
	for name, c := range r.ws.Connections {
		made := simulator.Secrets(name, c.Manifest)
		for secret, value := range made {
			if sealed, ok := c.Secrets[secret]; ok {
				r.secrets[sealed] = value
			}
		}
		if c.Manifest.Simulate == nil {
			continue
		}
		if err := r.world.Add(name, c.Manifest, made, simulator.ConnectionOptions{Account: c.Account, Settings: c.Settings, BaseURL: c.BaseURL}); err != nil {
			return fmt.Errorf("simulate %s: %w", name, err)
		}
	}
	redact := secret.NewRedactor()
	r.engine, err = New(Options{
		Book: r.Book, Dispatcher: r.v, IDs: ids, Environment: "offline", Workspace: r.ws,
		Secret: SecretsOf(r.secrets),
		Caller: &deliver.Caller{Transport: scripted{r, r.world.RoundTripper()}, Now: r.v.Now, Redact: redact.Bytes},
		Random: rnd, Log: slog.New(slog.DiscardHandler), Sweep: time.Hour, Unscheduled: true,
	})
	if err != nil {
		return err
	}
	r.intake = receive.New(receive.Config{Directory: r.engine.Doors("https://waybill.example"), Recorder: r.engine, Now: r.v.Now, Redact: redact})
	for _, a := range r.Scenario.Answers {
		if a.Fault != "" {
			r.world.Script(simulator.Fault{Connection: a.Connection, Match: a.Action, Kind: a.Fault, Times: a.Times, RetryAfter: a.RetryAfter, Delay: a.Delay})
		}
	}
	return r.engine.Start(ctx)
}

// rest is how long virtual time goes on after the last arrival: longer than the keys of any provider live.
const rest = 26 * time.Hour

func (r *trial) play(ctx context.Context) error {
	for i, g := range r.Scenario.Given {
		r.v.RunUntil(r.v.Now().Add(g.After))
		if err := r.give(ctx, g); err != nil {
			return fmt.Errorf("%s:%d: given %d: %w", r.Scenario.File, g.Line, i+1, err)
		}
		r.v.RunUntil(r.v.Now().Add(time.Second))
	}
	r.v.RunIdle(rest)
	r.engine.Reject(r.intake.Rejections())
	return nil
}

func (r *trial) give(ctx context.Context, g workspace.Given) error {
	switch {
	case g.Press != nil:
		return r.press(ctx, g.Press)
	case g.Schedule != "":
		return r.engine.Tick(g.Schedule)
	case g.Nothing():
		return nil // time has passed
	case g.Event != "":
		for range g.Times {
			if err := r.engine.Tell(g.Connection, g.Event, g.Data); err != nil {
				return err
			}
		}
		return nil
	case g.Sample != "":
		hooks, err := r.world.Trigger(ctx, g.Connection, g.Sample, simulator.TriggerOptions{
			Set: g.Set, Times: g.Times, Dup: g.Dup, Late: g.Late, Forge: g.Forge, Reorder: g.Reorder,
		})
		if err != nil {
			return err
		}
		for _, h := range hooks {
			r.deliver(ctx, h)
		}
		return nil
	default:
		return r.giveBody(ctx, g)
	}
}

// giveBody sends a body as its connection's sender would.
func (r *trial) giveBody(ctx context.Context, g workspace.Given) error {
	hooks, err := Bodies(r.ws.Connections[g.Connection], &g, r.secrets, r.v.Now(), fmt.Sprintf("%s_%d", r.Scenario.Name, g.Line))
	for _, h := range hooks {
		r.deliver(ctx, h)
	}
	return err
}

// Bodies makes the requests of a body that is given, signed as the connection's sender would with secrets, which are by the
// name under which they are sealed. name begins the id of each delivery; duplicates have the same id.
func Bodies(c *workspace.Connection, g *workspace.Given, secrets map[string]string, now time.Time, name string) ([]simulator.Webhook, error) {
	scheme := verify.Scheme(c.Manifest.Webhook.Verify.Bind(c.Manifest.Defaults(c.Settings)))
	key := secrets[c.Secrets[scheme.Secret]]
	if g.Forge {
		key = "wrong-" + key
	}
	var hooks []simulator.Webhook
	for i := range max(1, g.Times) * (g.Dup + 1) {
		req := verify.Request{Method: http.MethodPost, URL: "https://waybill.example/in/" + c.Name, Header: http.Header{}, Body: g.Body}
		for name, value := range g.Headers {
			req.Header.Set(name, value)
		}
		if req.Header.Get("Content-Type") == "" {
			req.Header.Set("Content-Type", "application/json")
		}
		if err := scheme.Sign(&req, verify.Secret(key), now, fmt.Sprintf("msg_%s_%d", name, i/(g.Dup+1))); err != nil {
			return nil, err
		}
		hooks = append(hooks, simulator.Webhook{Connection: c.Name, Method: req.Method, URL: req.URL, Header: req.Header, Body: g.Body})
	}
	return hooks, nil
}

// deliver takes a webhook to the intake and returns its answer.
func (r *trial) deliver(ctx context.Context, h simulator.Webhook) int {
	req := httptest.NewRequestWithContext(ctx, h.Method, h.URL, bytes.NewReader(h.Body))
	req.Header = h.Header.Clone()
	w := httptest.NewRecorder()
	r.intake.ServeHTTP(w, req)
	return w.Code
}

// judge compares what is with what the scenario expects.
func (r *trial) judge(ctx context.Context) error {
	o, err := r.Book.Overview(ctx, trialStart.Add(-time.Hour))
	if err != nil {
		return err
	}
	e := r.Scenario.Expect
	for what, pair := range map[string]struct {
		want *int
		got  int
	}{
		"problems that need a person": {e.Problems, len(o.Problems)}, "effects with an unknown outcome": {e.Unknown, o.Unknown},
		"requests rejected at the door": {e.Rejected, o.Rejected}, "duplicates": {e.Duplicates, o.Duplicate},
		"items not used": {e.NotUsed, o.NotUsed},
	} {
		if pair.want != nil && *pair.want != pair.got {
			r.fail("expected %d %s, found %d%s", *pair.want, what, pair.got, r.why(o, what))
		}
	}
	if err := r.judgeEvents(ctx, e); err != nil {
		return err
	}
	if err := r.judgeRuns(ctx, e); err != nil {
		return err
	}
	err = r.judgeEffects(ctx, e)
	sort.Strings(r.Failures)
	return err
}

func (r *trial) fail(format string, args ...any) {
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

// counted says how many there are of each.
func counted[K ~string](list map[K]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		parts = append(parts, fmt.Sprintf("%d %s", list[name], name))
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}

// why names the problems there are, so that a failed test says what happened.
func (r *trial) why(o *waybill.Overview, what string) string {
	if !strings.HasPrefix(what, "problems") || len(o.Problems) == 0 {
		return ""
	}
	var list []string
	for _, p := range o.Problems {
		list = append(list, fmt.Sprintf("%s: %s", p.Cause, p.Title))
	}
	return " (" + strings.Join(list, "; ") + ")"
}

func (r *trial) judgeEvents(ctx context.Context, e workspace.Expect) error {
	got := map[string]int{}
	f := waybill.EventFilter{Limit: 200}
	for {
		rows, next, err := r.Book.Events(ctx, f)
		if err != nil {
			return err
		}
		for _, row := range rows {
			got[row.Type]++
		}
		if next == "" {
			break
		}
		f.Before = next
	}
	for _, typ := range slices.Sorted(maps.Keys(e.Events)) {
		if got[typ] != e.Events[typ] {
			r.fail("expected %d of the event %s, found %d (there were: %s)", e.Events[typ], typ, got[typ], counted(got))
		}
	}
	return nil
}

func (r *trial) judgeRuns(ctx context.Context, e workspace.Expect) error {
	got := map[string]map[waybill.RunState]int{}
	reasons := map[string]string{}
	f := waybill.ListFilter{Limit: 200}
	for {
		list, next, err := r.Book.Runs(ctx, f)
		if err != nil {
			return err
		}
		for _, run := range list {
			if got[run.Flow] == nil {
				got[run.Flow] = map[waybill.RunState]int{}
			}
			got[run.Flow][run.State]++
			reasons[run.Flow] = run.Reason
		}
		if next == "" {
			break
		}
		f.Before = next
	}
	for _, name := range slices.Sorted(maps.Keys(e.Runs)) {
		want := e.Runs[name]
		if len(want) == 0 && len(got[name]) == 0 || maps.Equal(want, got[name]) {
			continue
		}
		last := ""
		if reasons[name] != "" {
			last = " (the last one: " + reasons[name] + ")"
		}
		r.fail("expected of the flow %s: %s, found %s%s", name, counted(want), counted(got[name]), last)
	}
	return nil
}

func (r *trial) judgeEffects(ctx context.Context, e workspace.Expect) error {
	var all []waybill.Effect
	f := waybill.ListFilter{Limit: 200}
	for {
		list, next, err := r.Book.Effects(ctx, f)
		if err != nil {
			return err
		}
		all = append(all, list...)
		if next == "" {
			break
		}
		f.Before = next
	}
	claimed := map[waybill.EffectID]bool{}
	for _, want := range e.Effects {
		n := 0
		for i := range all {
			if fits(&all[i], want) && !claimed[all[i].ID] {
				claimed[all[i].ID] = true
				n++
			}
		}
		if n != want.Times {
			r.fail("expected %d times %s.%s %s%s (line %d), found %d; there were: %s", want.Times, want.Connection, want.Action, want.State,
				withWords(want.With), want.Line, n, effectWords(all, want.Connection, want.Action))
		}
	}
	if e.OnlyThese {
		for i := range all {
			if !claimed[all[i].ID] {
				r.fail("expected no other effect, found %s.%s %s", all[i].Connection, all[i].Action, all[i].State)
			}
		}
	}
	return nil
}

func fits(eff *waybill.Effect, want workspace.ExpectEffect) bool {
	if eff.Connection != want.Connection || want.Action != "" && eff.Action != want.Action || eff.State != want.State ||
		!strings.Contains(eff.Reason, want.Reason) {
		return false
	}
	in, err := decodeMap(eff.Inputs)
	return err == nil && within(want.With, in)
}

// within reports whether got has everything that want has, maps being compared entry by entry.
func within(want map[string]any, got map[string]any) bool {
	for k, w := range want {
		g, ok := got[k]
		if wm, is := w.(map[string]any); is {
			gm, isMap := g.(map[string]any)
			if !ok || !isMap || !within(wm, gm) {
				return false
			}
			continue
		}
		if !ok || !reflect.DeepEqual(w, g) && fmt.Sprint(w) != fmt.Sprint(g) {
			return false
		}
	}
	return true
}

func withWords(with map[string]any) string {
	if len(with) == 0 {
		return ""
	}
	return fmt.Sprintf(" with %s", encode(with))
}

func effectWords(all []waybill.Effect, connection, action string) string {
	var list []string
	for i := range all {
		if all[i].Connection == connection && (action == "" || all[i].Action == action) {
			list = append(list, fmt.Sprintf("%s %s %s", all[i].State, all[i].Inputs, all[i].Reason))
		}
	}
	if len(list) == 0 {
		return "none of that action"
	}
	return strings.Join(list, "; ")
}

// scripted answers what a scenario scripts with a status and body; everything else goes to the simulated world.
type scripted struct {
	r    *trial
	next http.RoundTripper
}

func (s scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	connection, action := deliver.CallOf(req.Context())
	for i := range s.r.Scenario.Answers {
		a := &s.r.Scenario.Answers[i]
		if a.Fault != "" || a.Connection != connection || a.Action != "" && a.Action != action || s.r.used[i] >= a.Times && a.Times >= 0 {
			continue
		}
		s.r.used[i]++
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.Status)
		_, _ = w.Write(a.Body) // into memory
		res := w.Result()
		res.Request = req
		return res, nil
	}
	return s.next.RoundTrip(req.WithContext(simulator.WithAction(simulator.WithConnection(req.Context(), connection), action)))
}

// virtualClock is the dispatcher as the simulated world's clock.
type virtualClock struct{ v *Virtual }

func (c virtualClock) Now() time.Time                   { return c.v.Now() }
func (c virtualClock) After(d time.Duration, fn func()) { c.v.After(d, fn) }
func (c virtualClock) Sleep(_ context.Context, d time.Duration) error {
	c.v.Sleep(d)
	return nil
}

// seeded makes ids of a trial repeatable.
type seeded struct{ r *rand.Rand }

func (s *seeded) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return len(b), nil
}

// Tell makes a business event as if an item had told it, for scenarios that begin with one.
func (e *Engine) Tell(connection, typ string, data map[string]any) error {
	v := e.today()
	def, ok := v.ws.Catalogue.Find(typ)
	if !ok {
		return &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("no event type %q in the catalogue", typ)}
	}
	data, misfits := def.Conform(data)
	if len(misfits) > 0 {
		return &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf("the data does not fit %s: %v", typ, misfits)}
	}
	id := waybill.EventID(e.ids.New("evt"))
	ev := &waybill.Event{
		ID: id, Type: typ, Noun: def.Noun, Account: connection, Connection: connection, FactKey: string(id),
		Subject: def.SubjectOf(data), Data: encode(data), OccurredAt: e.d.Now(), AcceptedAt: e.d.Now(), Rank: def.Rank, Bundle: v.id, Search: def.Search(data),
	}
	o := e.open(v, ev, data)
	e.reserveOpening(o)
	var failed error
	e.commit(intent{
		apply: func(tx *record.Tx) error { return e.applyOpening(tx, o) },
		after: func() { e.followOpening(o) },
		fail:  func(err error) { e.releaseOpenings([]*opening{o}); failed = err },
	})
	return failed
}
