package killtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// files is the workspace under test: one flow that writes to the hostile provider in each grade of repeat.
func files(provider string) map[string]string {
	return map[string]string{
		"waybill.yaml":         "workspace: kill\nzone: UTC\ncurrency: INR\nregion: IN\nowners:\n  ops: {title: Operations, email: ops@example.com}\n",
		"connections/pay.yaml": "connection: pay\ntitle: Payments\nconnector: stripe\ntest: {}\n",
		"connections/far.yaml": fmt.Sprintf("connection: far\ntitle: The hostile provider\nconnector: hostile\ntest:\n  base_url: http://%s\n  private: [%q]\n  limits: {concurrency: 16}\n", provider, provider),
		"flows/all.yaml": `flow: all
title: Every grade of repeat, once for each payment
owner: ops
on: payment.succeeded
steps:
  - id: keyed
    do: far.thing.keyed
    with: {event: "${payment.id}"}
  - id: natural
    do: far.thing.natural
    with: {event: "${payment.id}"}
  - id: looked
    do: far.thing.looked
    with: {event: "${payment.id}"}
  - id: never
    do: far.thing.never
    with: {event: "${payment.id}"}
`,
		"flows/lane.yaml": `flow: lane
title: One after another, for each sender
owner: ops
on: payment.succeeded
lane: payment.id.substring(0, 6)
steps:
  - id: keyed
    do: far.thing.keyed
    with: {event: "lane-${payment.id}"}
`,
		"connectors/hostile/manifest.yaml": `connector: hostile
title: The hostile provider
summary: Resets, fails after the effect, and is slow.
version: 1
settings:
  account_id: {title: A name, default: far}
base_url: {all: "http://localhost"}
sign_in: {kind: none}
identity: {setting: account_id}
limits: {concurrency: 16}
actions:
  thing.keyed:
    title: Add, honouring our key
    kind: add
    repeat: key
    key: {header: Idempotency-Key, form: hash, life: 24h}
    input: {required: [event], properties: {event: {type: string}}}
    request: {method: POST, path: "/key/${input.event}", json: {event: "${input.event}"}}
    undo: {cannot: It stays.}
  thing.natural:
    title: Put; twice is once
    kind: state
    repeat: natural
    key: {header: Idempotency-Key, form: hash}
    object: {type: thing, key: input.event}
    input: {required: [event], properties: {event: {type: string}}}
    request: {method: PUT, path: "/natural/${input.event}", json: {event: "${input.event}"}}
    undo: {cannot: It stays.}
  thing.looked:
    title: Add, and can be looked for
    kind: add
    repeat: lookup
    key: {header: Idempotency-Key, form: hash}
    lookup: {action: thing.look, with: {key: "${key}"}, match: output.key == key, proves: absence, settle: 300ms}
    input: {required: [event], properties: {event: {type: string}}}
    request: {method: POST, path: "/lookup/${input.event}", json: {event: "${input.event}"}}
    undo: {cannot: It stays.}
  thing.look:
    title: Look for what was added
    kind: read
    input: {required: [key], properties: {key: {type: string}}}
    request: {method: GET, path: /lookup, query: {key: "${input.key}"}}
    found: status == 200
    output: {required: [key], properties: {key: {type: string}}}
    answer: {key: "${body.key}"}
    errors:
      - {status: [404], cause: not found there, words: It is not there., certainty: happened}
  thing.never:
    title: Add; nobody can tell
    kind: message
    repeat: never
    key: {header: Idempotency-Key, form: hash}
    input: {required: [event], properties: {event: {type: string}}}
    request: {method: POST, path: "/never/${input.event}", json: {event: "${input.event}"}}
    undo: {cannot: It stays.}
`,
	}
}

const secret = "whsec_made_up_for_the_kill_test" // made up

// rig is a workspace, its binary and the server that is killed.
type rig struct {
	t        *testing.T
	dir, bin string
	env      []string // of serve, beside the test's own
	listen   string
	cmd      *exec.Cmd
	log      *os.File
}

func newRig(t *testing.T, provider string, env ...string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), env: env}
	r.write(provider)
	r.bin = filepath.Join(t.TempDir(), "waybill")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "proof", "-o", r.bin, "waybill/cmd/waybill").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	r.seal()
	r.openLog()
	return r
}

// write writes the workspace.
func (r *rig) write(provider string) {
	r.t.Helper()
	for name, text := range files(provider) {
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) openLog() {
	r.t.Helper()
	var err error
	if r.log, err = os.Create(filepath.Join(r.t.TempDir(), "serve.log")); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = r.log.Close() })
}

// serveFile is where serve says where it is.
func (r *rig) serveFile() string {
	list, err := filepath.Glob(filepath.Join(r.dir, ".waybill", "*.serve"))
	if err != nil || len(list) == 0 {
		return filepath.Join(r.dir, ".waybill", "waybill.db.serve")
	}
	return list[0]
}

// seal keeps the made-up secrets in the book.
func (r *rig) seal() {
	r.t.Helper()
	for name, value := range map[string]string{"pay.webhook_secret": secret, "pay.api_key": "sk_test_made_up"} {
		c := exec.CommandContext(r.t.Context(), r.bin, "secret", "set", name, "--dir", r.dir, "--env", "test")
		c.Stdin, c.Env = strings.NewReader(value), append(os.Environ(), r.env...)
		if out, err := c.CombinedOutput(); err != nil {
			r.t.Fatalf("seal %s: %v: %s", name, err, out)
		}
	}
}

// start runs serve and waits until it answers. The port stays the same over restarts.
func (r *rig) start() {
	r.t.Helper()
	r.launch()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if r.announced() {
			return
		}
	}
	r.fatal("serve did not start")
}

// launch runs serve.
func (r *rig) launch() {
	r.t.Helper()
	listen := "127.0.0.1:0"
	if r.listen != "" {
		listen = strings.TrimPrefix(r.listen, "http://")
	}
	r.cmd = exec.CommandContext(context.WithoutCancel(r.t.Context()), r.bin, "serve", r.dir, "--env", "test", "--listen", listen)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.Env = append(os.Environ(), r.env...)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
}

// announced reports whether the serve of this rig has said where it is.
func (r *rig) announced() bool {
	text, err := os.ReadFile(r.serveFile())
	if err != nil {
		return false
	}
	var s struct {
		Address string
		PID     int
	}
	if json.Unmarshal(text, &s) != nil || s.PID != r.cmd.Process.Pid {
		return false
	}
	r.listen = s.Address
	return true
}

func (r *rig) fatal(format string, args ...any) {
	r.t.Helper()
	text, _ := os.ReadFile(r.log.Name())
	r.t.Fatalf(format+"\n%s", append(args, text[max(0, len(text)-4000):])...)
}

func (r *rig) kill() {
	r.t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	_ = r.cmd.Wait()
}

// send posts one signed payment; true when it was accepted.
func (r *rig) send(c *http.Client, id string) bool {
	status, _ := r.post(c, id)
	return status == http.StatusOK
}

// post posts one signed payment and returns the answer's status and head; 0 when there was none.
func (r *rig) post(c *http.Client, id string) (int, http.Header) {
	body := fmt.Appendf(nil, `{"id":"evt_%[1]s","object":"event","api_version":"2026-09-30.endive","created":%[2]d,"livemode":false,"type":"payment_intent.succeeded","data":{"object":{"id":"%[1]s","object":"payment_intent","amount":129900,"amount_received":129900,"currency":"inr","status":"succeeded","created":%[2]d,"livemode":false,"metadata":{"order_id":"SO-1001"}}}}`, id, time.Now().Unix())
	req, err := http.NewRequest(http.MethodPost, r.listen+"/in/pay", bytes.NewReader(body)) // bounded by the client
	if err != nil {
		return 0, nil
	}
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(ts + "." + string(body)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Stripe-Signature", "t="+ts+",v1="+hex.EncodeToString(mac.Sum(nil)))
	res, err := c.Do(req)
	if err != nil {
		return 0, nil
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode, res.Header
}

// load sends payments until done is closed, each again until it is accepted, as providers do.
func (r *rig) load(done chan struct{}, round int) (accepted []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			c := &http.Client{Timeout: 2 * time.Second}
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				id := fmt.Sprintf("pi_%d_%d_%d", round, worker, i)
				if r.send(c, id) {
					mu.Lock()
					accepted = append(accepted, id)
					mu.Unlock()
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	return accepted
}

// proof reports whether this is make proof, which takes its time.
func proof() bool { return os.Getenv("WAYBILL_PROOF") != "" }

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// TestKilledAtRandomInstantsNothingIsLostOrDoubled kills the server WAYBILL_KILLS times (20 in the ordinary test run, 100
// by `make kill`) and checks every accepted payment against the provider's own ledger.
func TestKilledAtRandomInstantsNothingIsLostOrDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("killed in the full run")
	}
	kills, seed := number("WAYBILL_KILLS", 20), uint64(number("WAYBILL_SEED", int(time.Now().UnixNano()%1_000_000)))
	t.Logf("kills %d, seed %d (again: WAYBILL_KILLS=%d WAYBILL_SEED=%d)", kills, seed, kills, seed)
	t.Attr("size", fmt.Sprintf("%d kills", kills))
	t.Attr("seed", fmt.Sprint(seed))
	rnd := rand.New(rand.NewPCG(seed, 1))
	p, err := NewProvider(filepath.Join(t.TempDir(), "ledger.jsonl"), seed)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := newRig(t, p.Address)
	var accepted []string
	for round := range kills {
		r.start()
		done, got := make(chan struct{}), make(chan []string, 1)
		go func() { got <- r.load(done, round) }()
		time.Sleep(time.Duration(30+rnd.IntN(400)) * time.Millisecond)
		r.kill()
		close(done)
		accepted = append(accepted, <-got...)
	}
	r.settle(p, accepted)
}

// settle ends the faults, lets everything come to its end, and holds the book against the ledger.
func (r *rig) settle(p *Provider, accepted []string) {
	r.t.Helper()
	p.Calm()
	r.start()
	deadline := time.Now().Add(2 * time.Minute)
	for !r.rested(len(accepted)) && time.Now().Before(deadline) {
		time.Sleep(200 * time.Millisecond)
	}
	unknown := r.unknown()
	r.check(p, accepted, unknown)
	r.stop()
}

// stop ends the server as an operator does.
func (r *rig) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("serve ended badly: %v", err)
	}
}

// check holds the book against the ledger.
func (r *rig) check(p *Provider, accepted []string, unknown map[string]bool) {
	r.t.Helper()
	lost, doubled, shown, silent := 0, 0, 0, 0
	for _, id := range accepted {
		if n := p.Applied("key", "lane-"+id); n != 1 {
			r.t.Errorf("the step in a lane happened %d times for %s", n, id)
		}
		for _, grade := range []string{"key", "lookup", "never", "natural"} {
			n := p.Applied(grade, id)
			switch {
			case grade == "natural" && n >= 1: // twice is once
			case n > 1:
				doubled++
				r.t.Errorf("%s happened %d times for %s", grade, n, id)
			case n == 1 && unknown[id] && grade == "never":
				shown++
			case n == 0 && grade == "never" && unknown[id]:
				shown++
			case n == 0:
				lost++
				if lost < 10 {
					r.t.Errorf("%s never happened for the accepted payment %s", grade, id)
				}
			}
		}
		if unknown[id] && p.Applied("lookup", id) == 0 {
			silent++
		}
	}
	r.t.Logf("accepted %d, lost %d, doubled %d, shown as unknown %d of the grade never", len(accepted), lost, doubled, shown)
	r.t.Attr("result", fmt.Sprintf("%d accepted, %d lost, %d doubled, %d shown as unknown", len(accepted), lost, doubled, shown))
	if len(accepted) == 0 {
		r.fatal("nothing was accepted")
	}
	if silent > 0 {
		r.t.Errorf("%d payments stand as unknown before the step that nobody can tell", silent)
	}
}

// api asks the running server.
func (r *rig) api(path string, out any) {
	r.t.Helper()
	text, err := os.ReadFile(r.serveFile())
	if err != nil {
		r.fatal("no serve: %v", err)
	}
	var s struct{ Address, Token string }
	if err := json.Unmarshal(text, &s); err != nil {
		r.fatal("%v", err)
	}
	for range 60 {
		if r.answers(s.Address+"/api/v1"+path, s.Token, out) {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	r.fatal("GET %s: it cannot be told for half a minute", path)
}

// answers asks for one address; false while the server says that its book is away.
func (r *rig) answers(address, token string, out any) bool {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		r.fatal("%v", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.fatal("%v", err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil || res.StatusCode != http.StatusOK {
		r.fatal("GET %s: %s: %v", address, res.Status, err)
	}
	return true
}

// rested reports whether everything accepted is understood and no run goes on by itself any more.
func (r *rig) rested(accepted int) bool {
	var o struct{ Events, Working, Waiting int }
	r.api("/overview", &o)
	return o.Events >= accepted && o.Working == 0 && o.Waiting == 0
}

// unknown lists the payments with an effect that is shown as unknown.
func (r *rig) unknown() map[string]bool {
	out := map[string]bool{}
	next := ""
	for {
		var page struct {
			Items []struct{ Inputs struct{ Event string } }
			Next  string
		}
		r.api("/effects?state=unknown&limit=200&before="+next, &page)
		for _, it := range page.Items {
			out[it.Inputs.Event] = true
		}
		if next = page.Next; next == "" {
			return out
		}
	}
}
