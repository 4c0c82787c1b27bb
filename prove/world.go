package prove

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/engine"
	"waybill/receive"
	"waybill/record"
	"waybill/record/faultdisk"
	"waybill/secret"
	"waybill/simulator"
	"waybill/workspace"
)

// begin is when every world begins: a Thursday morning.
var begin = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC) // a time that nothing changes

const bookFile = "/book.db"

// world is one whole installation in virtual time: the engine of a process that can die at any instant, its book on a disk
// that can fail, the simulated systems with a ledger of what really happened, and a wall clock that can jump.
type world struct {
	bundles []*workspace.Workspace // versions of the workspace; the process serves one of them
	seed    uint64
	v       *engine.Virtual
	random  *rand.Rand
	disk    *faultdisk.Disk
	outside *simulator.World
	secrets map[string]string

	life   *life // the process; nil before the first
	lives  int
	serves int // which of the bundles
	skew   time.Duration
	pieces int // of work so far
	// crashAt is the piece of work after which the process dies; 0: none.
	crashAt int
	cut     bool // it dies by a power cut
	// before and after, when set, see each call go out and its answer come back, by its number.
	before, after func(n int)

	calls    []call
	ledger   []entry
	arrivals []string        // ids that senders were told are kept
	asks     bool            // its flows ask people, so somebody looks often
	bodies   int             // given so far
	waiting  int             // webhooks that no 2xx has answered yet
	asked    map[string]bool // what a person was asked, by cause and title
	lossy    bool            // webhooks and their answers get lost
	trace    hash.Hash
	log      func(format string, args ...any)
	counts   Counts
	broken   error // the world itself could not go on
	// more, when set, is a judge of what only this workspace promises.
	more func(w *world, b *book, say func(kind, format string, args ...any))
}

// call is one exchange that left the process.
type call struct {
	connection, action string
	what               string // hash of the request's address and body
}

// entry is what really happened at a system, with the call that made it happen.
type entry struct {
	simulator.Entry
	call int // its place among the calls
}

// life is one process: after its end nothing of it runs any more, and its open book has no disk.
type life struct {
	w      *world
	dead   bool
	book   *record.Book
	engine *engine.Engine
	intake *receive.Handler
}

// Now is the process's wall clock, which may be wrong.
func (l *life) Now() time.Time { return l.w.v.Now().Add(l.w.skew) }

// Go hands out a piece of work.
func (l *life) Go(fn func()) { l.w.v.Go(func() { l.run(fn) }) }

// At sets a timer: it runs on the monotonic clock, so that a jump of the wall clock moves no timer that is set.
func (l *life) At(t time.Time, fn func()) func() {
	return l.w.v.At(t.Add(-l.w.skew), func() { l.run(fn) })
}

func (l *life) run(fn func()) {
	if l.dead {
		return
	}
	l.w.pieces++
	n := l.w.pieces
	fn()
	if l.w.crashAt > 0 && n >= l.w.crashAt && !l.dead {
		l.w.crashAt = 0
		l.w.crash(l.w.cut)
	}
}

// newWorld builds a world over a copy of a disk with an empty book.
func newWorld(bundles []*workspace.Workspace, blank *faultdisk.Disk, seed uint64) (*world, error) {
	w := &world{
		bundles: bundles, seed: seed, v: engine.NewVirtual(begin), random: rand.New(rand.NewPCG(seed, 7)), // repeatable
		secrets: map[string]string{}, asked: map[string]bool{}, trace: sha256.New(), log: func(string, ...any) {},
	}
	var err error
	if w.disk, err = blank.Copy(seed); err != nil {
		return nil, err
	}
	w.outside = simulator.New(simulator.Options{Clock: clock{w.v}, Rand: w.random, Deliver: w.deliver, Ledger: w.happened})
	ws := bundles[0]
	for _, f := range ws.Flows {
		for _, step := range f.Steps() {
			w.asks = w.asks || step.Kind == "ask"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ws.Connections)) {
		c := ws.Connections[name]
		made := simulator.Secrets(name, c.Manifest)
		for _, k := range slices.Sorted(maps.Keys(made)) {
			if sealed, ok := c.Secrets[k]; ok {
				w.secrets[sealed] = made[k]
			}
		}
		if c.Manifest.Simulate == nil {
			continue
		}
		if err := w.outside.Add(name, c.Manifest, made, simulator.ConnectionOptions{Account: c.Account, Settings: c.Settings, BaseURL: c.BaseURL}); err != nil {
			return nil, fmt.Errorf("simulate %s: %w", name, err)
		}
	}
	w.start()
	return w, w.broken
}

// start begins a process over whatever is on the disk. While the disk refuses, it tries again, as a supervisor does.
func (w *world) start() {
	w.lives++
	w.disk.Boot()
	l := &life{w: w}
	w.life = l
	w.disk.OnCut(func() { // in the middle of an operation: the process ends with it
		w.note("power cut in an operation")
		w.counts.PowerCuts++
		w.died(l)
	})
	if err := l.start(); err != nil {
		if waybill.KindOf(err) != waybill.Unavailable {
			w.broken = errors.Join(w.broken, fmt.Errorf("a process could not start: %w", err))
			return
		}
		w.note("start refused")
		if !l.dead {
			l.dead = true
			w.disk.Kill()
			w.died(l)
		}
	}
}

func (l *life) start() error {
	w := l.w
	ids := waybill.NewIDs(l.Now, &seeded{rand.New(rand.NewPCG(w.seed, uint64(100+w.lives)))}) // repeatable
	ws := w.bundles[w.serves]
	var err error
	l.book, err = record.Open(context.Background(), "sqlite:"+bookFile, record.Options{
		Now: l.Now, IDs: ids, Environment: "offline", Inline: true, VFS: w.disk.Name(),
	})
	if err != nil {
		return err
	}
	redact := secret.NewRedactor()
	l.engine, err = engine.New(engine.Options{
		Book: l.book, Dispatcher: l, IDs: ids, Environment: "offline", Workspace: ws, Load: w.load,
		Secret: engine.SecretsOf(w.secrets),
		Keep:   func(name, value string) error { w.secrets[name] = value; return nil },
		Caller: &deliver.Caller{Transport: &line{l, w.outside.RoundTripper()}, Now: l.Now, Redact: redact.Bytes},
		Random: rand.New(rand.NewPCG(w.seed, uint64(200+w.lives))), Sweep: sweep, // repeatable
	})
	if err != nil {
		return err
	}
	l.intake = receive.New(receive.Config{Directory: l.engine.Doors("https://waybill.example"), Recorder: l.engine, Now: l.Now, Redact: redact})
	return l.engine.Start(context.Background())
}

// sweep is how often the engine looks at its tables: seldom, for a world lives for days.
const sweep = 5 * time.Minute

func (w *world) load(content []byte) (*workspace.Workspace, error) {
	for _, ws := range w.bundles {
		if bytes.Equal(ws.Content, content) {
			return ws, nil
		}
	}
	return nil, &waybill.Error{Kind: waybill.Internal, Message: "the book names a version that nobody published"}
}

// crash ends the process as SIGKILL does, or the power.
func (w *world) crash(power bool) {
	l := w.life
	if l.dead {
		return
	}
	if power {
		w.note("power cut")
		w.counts.PowerCuts++
		w.disk.PowerCut()
	} else {
		w.note("kill")
		w.counts.Kills++
		w.disk.Kill()
	}
	w.died(l)
}

// died notes that a process has ended, and has another one start soon.
func (w *world) died(l *life) {
	l.dead = true
	pause := time.Duration(1+w.random.IntN(60)) * time.Second
	w.v.After(pause, func() {
		if l.book != nil {
			_ = l.book.Close() // its disk is gone
		}
		if w.life == l {
			w.start()
		}
	})
}

// close ends the world and gives back what it holds.
func (w *world) close() {
	w.outside.Stop()
	l := w.life
	l.dead = true
	w.life = nil
	w.v.RunIdle(2 * time.Hour) // sleepers end, dead processes close their books
	if l.book != nil {
		_ = l.book.Close()
	}
	w.disk.Close()
}

func (w *world) run(d time.Duration) { w.v.RunUntil(w.v.Now().Add(d)) }

// note writes a line into the trace: two runs of one seed have the same.
func (w *world) note(format string, args ...any) {
	text := fmt.Sprintf("%s "+format, append([]any{w.v.Now().Sub(begin)}, args...)...)
	_, _ = io.WriteString(w.trace, text+"\n")
	w.log("%s", text)
}

// happened is told of each effect at a system, while the call that makes it is under way.
func (w *world) happened(x simulator.Entry) {
	w.ledger = append(w.ledger, entry{x, len(w.calls) - 1}) // told before the call that makes it goes on
	w.note("ledger %s %s %s %s", x.Connection, x.Action, x.Did, x.ID)
}

// deliver takes a webhook to the intake; while no process lives nobody answers, and the sender tries again.
func (w *world) deliver(ctx context.Context, h simulator.Webhook) int {
	l := w.life
	if l == nil || l.dead {
		return 0
	}
	lost := w.lossy && w.random.IntN(20) == 0
	if lost && w.random.IntN(2) == 0 {
		w.note("webhook lost on the way")
		return 0
	}
	req := httptest.NewRequestWithContext(ctx, h.Method, h.URL, bytes.NewReader(h.Body))
	req.Header = h.Header.Clone()
	rec := httptest.NewRecorder()
	l.intake.ServeHTTP(rec, req)
	w.note("webhook %s %s %d", h.Connection, h.Event, rec.Code)
	if l.dead || lost { // the answer never comes
		return 0
	}
	var answer struct{ Arrival string }
	if rec.Code/100 == 2 && json.Unmarshal(rec.Body.Bytes(), &answer) == nil && answer.Arrival != "" {
		w.arrivals = append(w.arrivals, answer.Arrival)
	}
	return rec.Code
}

// insist sends a webhook until it is answered with a 2xx, as providers do, waiting longer each time.
func (w *world) insist(h simulator.Webhook, forged bool) {
	w.waiting++
	w.attempt(h, forged, 0)
}

func (w *world) attempt(h simulator.Webhook, forged bool, n int) {
	code := w.deliver(context.Background(), h)
	switch {
	case code/100 == 2, forged && code/100 == 4:
		w.waiting--
	case n >= 12: // the provider gives up; nothing was accepted, so nothing is lost here
		w.waiting--
		w.counts.GivenUp++
	default:
		w.v.After(time.Duration(20<<min(n, 7))*time.Second, func() { w.attempt(h, forged, n+1) })
	}
}

// line is the way out of one process. A call that a crash meets never comes back.
type line struct {
	l    *life
	next http.RoundTripper
}

// RoundTrip takes one exchange to the simulated systems.
func (x *line) RoundTrip(req *http.Request) (*http.Response, error) {
	w := x.l.w
	x.end()
	connection, action := deliver.CallOf(req.Context())
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	w.calls = append(w.calls, call{connection, action, sum(req.Method, req.URL.String(), string(body))})
	n := len(w.calls)
	if w.before != nil {
		w.before(n)
		x.end()
	}
	ctx := simulator.WithAction(simulator.WithConnection(req.Context(), connection), action)
	res, err := x.next.RoundTrip(req.WithContext(ctx))
	status := 0
	if res != nil {
		status = res.StatusCode
	}
	w.note("call %s.%s %d", connection, action, status)
	if w.after != nil {
		w.after(n)
	}
	x.end()
	return res, err
}

// end ends the work of a process that is dead.
func (x *line) end() {
	if x.l.dead {
		runtime.Goexit()
	}
}

func sum(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:8])
}

// clock is the time of the simulated systems, which is right.
type clock struct{ v *engine.Virtual }

func (c clock) Now() time.Time                   { return c.v.Now() }
func (c clock) After(d time.Duration, fn func()) { c.v.After(d, fn) }
func (c clock) Sleep(_ context.Context, d time.Duration) error {
	c.v.Sleep(d)
	return nil
}

// seeded is randomness that a seed repeats.
type seeded struct{ r *rand.Rand }

func (s *seeded) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return len(b), nil
}
