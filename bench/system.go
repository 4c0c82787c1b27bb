package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a waybill under measurement, a process of its own.
type server struct {
	cmd     *exec.Cmd
	address string
	log     bytes.Buffer
	cpu0    time.Duration
	peak    float64
	writes  float64
	bytes   float64
	stop    chan struct{}
}

const benchSecret = "whsec_bench_made_up" // made up, for this machine only

// workspace writes the bench's workspace: Stripe in, HTTP out, so many effects.
func workspace(dir string, s *sink, effects int) error {
	files := map[string]string{
		"waybill.yaml":             "workspace: bench\nzone: UTC\ncurrency: INR\nregion: IN\nowners:\n  bench: {title: The bench}\n",
		"connections/pay.yaml":     "connection: pay\ntitle: Payments\nconnector: stripe\ntest: {}\n",
		"connections/out.yaml":     fmt.Sprintf("connection: out\ntitle: The sink\nconnector: http\ntest:\n  base_url: http://%s\n  private: [\"%s\"]\n  limits: {concurrency: 64}\n", s.address, s.address),
		"tables/payment-state.csv": "# otherwise: refuse\nkey,value\nsucceeded,PAID\nfailed,FAILED\npending,OPEN\nauthorized,OPEN\n",
	}
	var steps strings.Builder
	for i := range effects {
		path := []string{"/first", "/second"}[i]
		fmt.Fprintf(&steps, `  - id: send_%d
    do: out.request.post
    with:
      path: %s
      body:
        payment: ${payment.id}
        status: ${table('payment-state', payment.status)}
        amount: ${payment.amount.decimal()}
        currency: ${payment.amount.currency}
        created: ${string(payment.?created_at.orValue(timestamp(0)))}
        email: ${payment.customer.?email.orValue("")}
        method: ${payment.?method.orValue("unknown")}
`, i, path)
	}
	if effects > 0 {
		files["flows/post.yaml"] = "flow: post\ntitle: A payment goes to the sink\nowner: bench\non: payment.succeeded\nsteps:\n" + steps.String()
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start seals the secrets and runs serve until it answers.
func start(ctx context.Context, s settings, dir string) (*server, error) {
	for name, value := range map[string]string{"pay.webhook_secret": benchSecret, "pay.api_key": "sk_test_bench", "out.api_key": "bench"} {
		seal := exec.CommandContext(ctx, s.binary, "secret", "set", name, "--dir", dir, "--env", "test")
		seal.Stdin = strings.NewReader(value)
		if out, err := seal.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("seal %s: %w: %s", name, err, out)
		}
	}
	srv := &server{stop: make(chan struct{})}
	srv.cmd = exec.CommandContext(ctx, s.binary, "serve", dir, "--env", "test", "--listen", "127.0.0.1:0")
	srv.cmd.Env = append(os.Environ(), "WAYBILL_PROFILE="+s.profile)
	out := &lines{found: make(chan string, 1)}
	srv.cmd.Stdout = out
	srv.cmd.Stderr = &srv.log
	if err := srv.cmd.Start(); err != nil {
		return nil, err
	}
	select {
	case srv.address = <-out.found:
	case <-time.After(20 * time.Second):
		return nil, errors.Join(fmt.Errorf("serve did not start: %s", srv.log.String()), srv.cmd.Process.Kill())
	}
	for range 200 {
		res, err := http.Get(srv.address + "/readyz") //nolint:noctx // on this machine
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	srv.cpu0, _ = srv.usage()
	go srv.watch()
	return srv, nil
}

// lines finds the address in what serve prints.
type lines struct {
	text  bytes.Buffer
	found chan string
	done  bool
}

func (l *lines) Write(b []byte) (int, error) {
	l.text.Write(b)
	if l.done {
		return len(b), nil
	}
	for text := range strings.SplitSeq(l.text.String(), "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(text), "Dashboard"); ok && strings.HasSuffix(rest, "/") {
			l.done = true
			l.found <- strings.TrimSuffix(strings.TrimSpace(rest), "/")
			break
		}
	}
	return len(b), nil
}

// usage is the process's CPU time and resident memory.
func (s *server) usage() (time.Duration, float64) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	const tick = 100 // USER_HZ of Linux
	return time.Duration(user+system) * time.Second / tick, float64(pages) * float64(os.Getpagesize()) / (1 << 20)
}

func (s *server) watch() {
	for {
		select {
		case <-s.stop:
			return
		case <-time.After(50 * time.Millisecond):
			if _, mem := s.usage(); mem > s.peak {
				s.peak = mem
			}
		}
	}
}

// written is what the process has handed to write calls, files and sockets together: how often and how many bytes.
func (s *server) written() (calls, size float64) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(stat)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "syscw":
			calls = n
		case "wchar":
			size = n
		}
	}
	return calls, size
}

// end stops the server and returns what it used since it was ready.
func (s *server) end() (cpu time.Duration, peak float64, err error) {
	used, _ := s.usage()
	s.writes, s.bytes = s.written()
	close(s.stop)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, 0, err
	}
	if err := s.cmd.Wait(); err != nil {
		return 0, 0, fmt.Errorf("serve ended badly: %w: %s", err, s.log.String())
	}
	return used - s.cpu0, s.peak, nil
}

// intakeOnly measures acknowledgements while so many senders wait that they go before what can wait.
func intakeOnly(ctx context.Context, s settings, dir string) (result, error) {
	s.connections *= 3
	return measured(ctx, s, dir, 0, func(g *signer, url string) (*sent, error) { return asFastAs(ctx, g, url, s.events, s.connections) })
}

func fullSpeed(ctx context.Context, s settings, dir string, effects int) (result, error) {
	return measured(ctx, s, dir, effects, func(g *signer, url string) (*sent, error) { return asFastAs(ctx, g, url, s.events, s.connections) })
}

func steadyRate(ctx context.Context, s settings, dir string) (result, error) {
	r, err := measured(ctx, s, dir, 1, func(g *signer, url string) (*sent, error) { return atRate(ctx, g, url, s.rate, s.steady) })
	r.Work = fmt.Sprintf("one effect, at %d/s", s.rate)
	return r, err
}

// measured runs one load against a fresh server and waits until everything accepted has arrived at the sink.
func measured(ctx context.Context, s settings, dir string, effects int, load func(*signer, string) (*sent, error)) (result, error) {
	to, err := newSink()
	if err != nil {
		return result{}, err
	}
	defer func() { _ = to.server.Close() }()
	if err := workspace(dir, to, effects); err != nil {
		return result{}, err
	}
	srv, err := start(ctx, s, dir)
	if err != nil {
		return result{}, err
	}
	g := &signer{secret: []byte(benchSecret), prefix: strconv.FormatInt(time.Now().UnixNano(), 36)}
	out, err := load(g, srv.address+"/in/pay")
	if err != nil {
		return result{}, errors.Join(err, srv.cmd.Process.Kill())
	}
	lastPath := []string{"", "/first", "/second"}[effects]
	if effects > 0 {
		drained(to, lastPath, len(out.acks))
	}
	cpu, peak, err := srv.end()
	if err != nil {
		return result{}, err
	}
	r := result{
		System: "waybill", Work: []string{"intake first, 3 x connections", "one effect", "two effects"}[effects],
		Acks: float64(len(out.acks)) / out.end.Sub(out.start).Seconds(), AckP50: percentile(out.acks, .5), AckP99: percentile(out.acks, .99),
		CPU: cpu.Seconds() * 1000 / float64(len(out.acks)), MemoryMiB: peak,
		Writes: srv.writes / float64(len(out.acks)), WrittenKiB: srv.bytes / 1024 / float64(len(out.acks)),
	}
	if effects > 0 {
		unique, doubled := to.count(lastPath)
		r.Lost, r.Doubled = len(out.acks)-unique, doubled
		r.EndToEnd = float64(unique) / to.last.Sub(out.start).Seconds()
		var e2e []time.Duration
		for id, began := range out.at {
			if at, ok := to.at[id]; ok {
				e2e = append(e2e, at.Sub(began))
			}
		}
		r.E2EP50, r.E2EP99 = percentile(e2e, .5), percentile(e2e, .99)
	}
	return r, nil
}

// drained waits until the sink has so many, or nothing new came for 10 s.
func drained(to *sink, path string, n int) {
	last, since := -1, time.Now()
	for {
		unique, _ := to.count(path)
		if unique >= n {
			return
		}
		if unique != last {
			last, since = unique, time.Now()
		}
		if time.Since(since) > 10*time.Second {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
