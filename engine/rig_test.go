package engine_test

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"waybill"
	"waybill/connectors"
	"waybill/deliver"
	"waybill/engine"
	"waybill/internal/pgtest"
	"waybill/receive"
	"waybill/record"
	"waybill/secret"
	"waybill/simulator"
	"waybill/workspace"
)

// rig is a whole engine in virtual time over a book in memory and the simulated world, open to a test in mid-course. The
// engine can be killed at any instant and started anew over the same book; the world and its clock go on.
type rig struct {
	t       *testing.T
	ws      *workspace.Workspace
	book    *record.Book
	world   *simulator.World
	v       *engine.Virtual
	ids     *waybill.IDs
	rnd     *rand.Rand
	secrets map[string]string
	ledger  []simulator.Entry
	env     string
	sweep   time.Duration

	life   *life
	engine *engine.Engine
	intake *receive.Handler

	noSecret error // why secrets cannot be read

	// answer, when set, answers a call in the world's place; nil leaves it to the world.
	answer func(connection, action string) *http.Response
	calls  []string // the actions called so far: crm.deal.update
	// own, when set, is the system of the connection own; an empty action asks for a token.
	own func(action string, req *http.Request) *http.Response
	// unreadable, when set, is why no old version can be compiled.
	unreadable error
	// through, when set, is how the engine reaches the book.
	through func(*record.Book) engine.Book
	// hold, when set, keeps back what the world sends.
	hold func(simulator.Webhook) bool
	// before and after, when set, see each call go out and its answer come back.
	before, after func(n int)
	// balance, when set, takes what the world sends to one of several nodes.
	balance func(context.Context, simulator.Webhook) int
}

// life is one process: after its end nothing of it runs any more, and while it stands still nothing of it goes on.
type life struct {
	v     *engine.Virtual
	dead  bool
	still bool
	skew  time.Duration // how far its clock is ahead
	held  []func()      // what would have run while it stood still
}

func (l *life) Now() time.Time { return l.v.Now().Add(l.skew) }
func (l *life) Go(fn func())   { l.v.Go(func() { l.run(fn) }) }
func (l *life) At(t time.Time, fn func()) func() {
	return l.v.At(t.Add(-l.skew), func() { l.run(fn) })
}

func (l *life) run(fn func()) {
	switch {
	case l.dead:
	case l.still:
		l.held = append(l.held, fn)
	default:
		fn()
	}
}

// goOn ends a standstill.
func (l *life) goOn() {
	l.still = false
	for _, fn := range l.held {
		l.Go(fn)
	}
	l.held = nil
}

// wait stands still with the process, in the middle of a piece of work; a kill meets it there, too.
func (l *life) wait() {
	for l.still && !l.dead {
		l.v.Sleep(100 * time.Millisecond)
	}
	if l.dead {
		runtime.Goexit()
	}
}

var rigStart = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)

// files are a workspace: owners and accounts as base has them, with flows and whatever else is given by path.
func files(more map[string]string) fstest.MapFS {
	fs := base("  - id: nothing\n    set: 1\n")
	delete(fs, "flows/one.yaml")
	fs["connections/rzp.yaml"] = &fstest.MapFile{Data: []byte("connection: rzp\ntitle: Razorpay\nconnector: razorpay\nsettings: {account_id: acc_Ff1yrKJa1TNQkX}\n")}
	for name, body := range more {
		fs[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return fs
}

func newRig(t *testing.T, ws *workspace.Workspace) *rig {
	t.Helper()
	return newRigIn(t, ws, "offline", 1)
}

func newRigIn(t *testing.T, ws *workspace.Workspace, env string, seed uint64) *rig {
	t.Helper()
	r := newWorld(t, ws, env, seed)
	r.start(ws)
	return r
}

// newWorld is a book and the simulated world around it, before any process begins.
func newWorld(t *testing.T, ws *workspace.Workspace, env string, seed uint64) *rig {
	t.Helper()
	r := &rig{t: t, ws: ws, v: engine.NewVirtual(rigStart), secrets: map[string]string{}, env: env, sweep: 30 * time.Second}
	r.rnd = rand.New(rand.NewPCG(seed, 7))
	r.ids = waybill.NewIDs(r.v.Now, randomBytes{r.rnd})
	r.openBook(address(t))
	t.Cleanup(func() { _ = r.book.Close() })
	r.world = simulator.New(simulator.Options{
		Clock: worldClock{r.v}, Rand: r.rnd, Deliver: r.deliver, Ledger: func(x simulator.Entry) { r.ledger = append(r.ledger, x) },
	})
	for name, c := range ws.Connections {
		made := simulator.Secrets(name, c.Manifest)
		for name, value := range made {
			if sealed, ok := c.Secrets[name]; ok {
				r.secrets[sealed] = value
			}
		}
		if c.Manifest.Simulate != nil {
			if err := r.world.Add(name, c.Manifest, made, simulator.ConnectionOptions{Account: c.Account, Settings: c.Settings, BaseURL: c.BaseURL}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

func (r *rig) openBook(dsn string) {
	r.t.Helper()
	var err error
	r.book, err = record.Open(r.t.Context(), dsn, record.Options{Now: r.v.Now, IDs: r.ids, Environment: r.env, Inline: true})
	if err != nil {
		r.t.Fatal(err)
	}
}

// onlySQLite leaves a test out where the books of rigs are in PostgreSQL.
func onlySQLite(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("WAYBILL_TEST_DATABASE") == "postgres" {
		t.Skip(why)
	}
}

// address is where a rig keeps its book: in memory, or in PostgreSQL when WAYBILL_TEST_DATABASE=postgres says so.
func address(t *testing.T) string {
	t.Helper()
	if os.Getenv("WAYBILL_TEST_DATABASE") == "postgres" {
		return pgtest.Database(t)
	}
	return "sqlite::memory:"
}

// start begins a process over the book.
func (r *rig) start(ws *workspace.Workspace) {
	r.t.Helper()
	r.open(ws)
	if err := r.engine.Start(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// open begins a process that looks at the book and acts on it, and does not serve it.
func (r *rig) open(ws *workspace.Workspace) {
	r.t.Helper()
	r.life = &life{v: r.v}
	redact := secret.NewRedactor()
	var err error
	book := engine.Book(r.book)
	if r.through != nil {
		book = r.through(r.book)
	}
	r.engine, err = engine.New(engine.Options{
		Book: book, Dispatcher: r.life, IDs: r.ids, Environment: r.env, Workspace: ws,
		Load: func(content []byte) (*workspace.Workspace, error) {
			if r.unreadable != nil {
				return nil, r.unreadable
			}
			return workspace.FromBundle(content, workspace.Options{Environment: r.env, Built: connectors.All(), Manifests: &manifests})
		},
		Secret: func(name string) (string, error) {
			if r.noSecret != nil {
				return "", r.noSecret
			}
			return engine.SecretsOf(r.secrets)(name)
		},
		Keep:   func(name, value string) error { r.secrets[name] = value; return nil },
		Caller: &deliver.Caller{Transport: &line{r, r.life, r.world.RoundTripper()}, Now: r.v.Now, Redact: redact.Bytes},
		Random: r.rnd, Sweep: r.sweep,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.intake = receive.New(receive.Config{Directory: r.engine.Doors("https://waybill.example"), Recorder: r.engine, Now: r.v.Now, Redact: redact})
}

// kill ends the process as SIGKILL does: what it has in hand is gone, what is in the book stays.
func (r *rig) kill() { r.life.dead = true }

func (r *rig) restart() {
	r.kill()
	r.start(r.ws)
}

// deliver takes a webhook to the intake; while no process lives nobody answers, and the sender tries again.
func (r *rig) deliver(ctx context.Context, h simulator.Webhook) int {
	if r.balance != nil {
		return r.balance(ctx, h)
	}
	if r.life.dead {
		return 0
	}
	if r.hold != nil && r.hold(h) {
		return http.StatusOK
	}
	return post(ctx, r.intake, h)
}

func post(ctx context.Context, to http.Handler, h simulator.Webhook) int {
	req := httptest.NewRequestWithContext(ctx, h.Method, h.URL, bytes.NewReader(h.Body))
	req.Header = h.Header.Clone()
	w := httptest.NewRecorder()
	to.ServeHTTP(w, req)
	return w.Code
}

// hooks makes the signed webhooks of a sample without sending them.
func (r *rig) hooks(connection, sample string, o simulator.TriggerOptions) []simulator.Webhook {
	r.t.Helper()
	hooks, err := r.world.Trigger(r.t.Context(), connection, sample, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return hooks
}

// send makes a sample and delivers it, again and again while nobody answers.
func (r *rig) send(connection, sample string, set map[string]string) {
	r.t.Helper()
	for _, h := range r.hooks(connection, sample, simulator.TriggerOptions{Set: set}) {
		r.insist(h)
	}
}

func (r *rig) insist(h simulator.Webhook) {
	switch code := r.deliver(r.t.Context(), h); code {
	case http.StatusOK:
	case 0:
		r.v.After(30*time.Second, func() { r.insist(h) })
	default:
		r.t.Errorf("the arrival was answered with %d", code)
	}
}

func (r *rig) run(d time.Duration) { r.v.RunUntil(r.v.Now().Add(d)) }

// line is the way out of one process. A call that a kill meets never comes back.
type line struct {
	r    *rig
	life *life
	next http.RoundTripper
}

func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	connection, action := deliver.CallOf(req.Context())
	l.r.calls = append(l.r.calls, connection+"."+action)
	n := len(l.r.calls)
	if l.r.before != nil {
		l.r.before(n)
		l.cut()
	}
	if l.r.own != nil && connection == "own" {
		res := l.r.own(action, req)
		res.Request = req
		return res, nil
	}
	if l.r.answer != nil {
		if res := l.r.answer(connection, action); res != nil {
			res.Request = req
			return res, nil
		}
	}
	res, err := l.next.RoundTrip(req.WithContext(simulator.WithConnection(req.Context(), connection)))
	if l.r.after != nil {
		l.r.after(n)
	}
	l.cut()
	return res, err
}

func (l *line) cut() { l.life.wait() }

// says is an answer of a provider.
func says(status int, body string, header ...string) *http.Response {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w.Result()
}

type worldClock struct{ v *engine.Virtual }

func (c worldClock) Now() time.Time                   { return c.v.Now() }
func (c worldClock) After(d time.Duration, fn func()) { c.v.After(d, fn) }
func (c worldClock) Sleep(_ context.Context, d time.Duration) error {
	c.v.Sleep(d)
	return nil
}

type randomBytes struct{ r *rand.Rand }

func (s randomBytes) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return len(b), nil
}

// --- what the book says ---

func (r *rig) events() map[string]int {
	r.t.Helper()
	rows, _, err := r.book.Events(r.t.Context(), waybill.EventFilter{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]int{}
	for _, row := range rows {
		out[row.Type]++
	}
	return out
}

func (r *rig) runs() []waybill.Run {
	r.t.Helper()
	list, _, err := r.book.Runs(r.t.Context(), waybill.ListFilter{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// onlyRun is the one run there is.
func (r *rig) onlyRun() waybill.Run {
	r.t.Helper()
	list := r.runs()
	if len(list) != 1 {
		r.t.Fatalf("%d runs, want 1", len(list))
	}
	return list[0]
}

func (r *rig) effects() []waybill.Effect {
	r.t.Helper()
	list, _, err := r.book.Effects(r.t.Context(), waybill.ListFilter{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// newest is the newest effect of an address.
func (r *rig) newest(address string) waybill.Effect {
	r.t.Helper()
	list := r.effects()
	for _, eff := range slices.Backward(list) {
		if eff.Address == address {
			return eff
		}
	}
	r.t.Fatalf("no effect at %s", address)
	return waybill.Effect{}
}

func (r *rig) problems(state string) []waybill.Problem {
	r.t.Helper()
	list, _, err := r.book.Problems(r.t.Context(), waybill.ListFilter{Limit: 200, State: state})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func (r *rig) onlyProblem() waybill.Problem {
	r.t.Helper()
	list := r.problems("open")
	if len(list) != 1 {
		r.t.Fatalf("%d open problems, want 1: %+v", len(list), list)
	}
	return list[0]
}

func (r *rig) items() []waybill.Item {
	r.t.Helper()
	list, _, err := r.book.Items(r.t.Context(), waybill.ListFilter{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

func (r *rig) audit() []waybill.Audited {
	r.t.Helper()
	list, _, err := r.book.AuditLog(r.t.Context(), waybill.ListFilter{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func (r *rig) happened(connection, typ string) int {
	n := 0
	for _, x := range r.ledger {
		if x.Connection == connection && x.Type == typ && x.Did == "created" {
			n++
		}
	}
	return n
}

func (r *rig) called(action string) int {
	n := 0
	for _, c := range r.calls {
		if c == action {
			n++
		}
	}
	return n
}

// act presses a button.
func (r *rig) act(object string, verb waybill.Verb, reason string) string {
	r.t.Helper()
	said, err := r.engine.Act(r.t.Context(), waybill.Act{Who: "asha", Verb: verb, Object: object, Reason: reason})
	if err != nil {
		r.t.Fatalf("%s on %s: %v", verb, object, err)
	}
	return said
}

func (r *rig) offers(object string) []string {
	r.t.Helper()
	list, err := r.engine.Choices(r.t.Context(), object)
	if err != nil {
		r.t.Fatal(err)
	}
	out := []string{}
	for _, c := range list {
		out = append(out, string(c.Verb))
	}
	return out
}

func (r *rig) wantRun(run waybill.Run, state waybill.RunState, reason string) {
	r.t.Helper()
	if run.State != state || !strings.Contains(run.Reason, reason) {
		r.t.Errorf("run of %s is %s (%s), want %s with %q", run.Flow, run.State, run.Reason, state, reason)
	}
}

func (r *rig) wantNoProblem() {
	r.t.Helper()
	for _, p := range r.problems("open") {
		r.t.Errorf("an open problem is left: %s, %d members: %s", p.Title, p.Count, p.Detail)
	}
}

// standing describes all that can be compared between two books that went different ways to the same end.
func (r *rig) standing() map[string]int {
	out := map[string]int{}
	for typ, n := range r.events() {
		out["event "+typ] = n
	}
	for _, run := range r.runs() {
		out["run "+run.Flow+" "+string(run.State)]++
	}
	for _, eff := range r.effects() {
		out["effect "+eff.Connection+"."+eff.Action+" "+string(eff.State)]++
	}
	for _, it := range r.items() {
		out["item "+string(it.State)]++
	}
	out["problems"] = len(r.problems("open"))
	return maps.Clone(out)
}
