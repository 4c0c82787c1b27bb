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

// kind is a system under measurement.
type kind string

const (
	waybillSQLite   kind = "waybill"
	waybillPostgres kind = "waybill, PostgreSQL"
	riverPostgres   kind = "River, PostgreSQL"
)

// server is a system under measurement, in processes of its own.
type server struct {
	cmd     *exec.Cmd
	pg      *postgres // nil without
	address string
	log     bytes.Buffer
	from    used
	peak    float64
	stop    chan struct{}
	watched chan struct{}
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
		path := paths[i]
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

// start begins a system over an empty store and waits until it answers.
func start(ctx context.Context, s settings, k kind, dir string, to *sink) (*server, error) {
	srv := &server{stop: make(chan struct{}), watched: make(chan struct{})}
	if k != waybillSQLite {
		var err error
		if srv.pg, err = startPostgres(ctx); err != nil {
			return nil, err
		}
	}
	if err := srv.begin(ctx, s, k, dir, to); err != nil {
		if srv.pg != nil {
			err = errors.Join(err, srv.pg.end())
		}
		return nil, err
	}
	srv.from = usageOf(srv.pids()...)
	go srv.watch()
	return srv, nil
}

func (s *server) begin(ctx context.Context, set settings, k kind, dir string, to *sink) error {
	if k == riverPostgres {
		s.cmd = exec.CommandContext(ctx, set.river, "-database", s.pg.address(), "-sink", "http://"+to.address)
		s.cmd.Env = append(os.Environ(), "RIVER_SECRET="+benchSecret)
		return s.answer()
	}
	env := append(os.Environ(), "WAYBILL_PROFILE="+set.profile)
	if s.pg != nil {
		env = append(env, "WAYBILL_DATABASE="+s.pg.address())
	}
	for name, value := range map[string]string{"pay.webhook_secret": benchSecret, "pay.api_key": "sk_test_bench", "out.api_key": "bench", "stuck.api_key": "bench"} {
		seal := exec.CommandContext(ctx, set.binary, "secret", "set", name, "--dir", dir, "--env", "test")
		seal.Stdin, seal.Env = strings.NewReader(value), env
		if out, err := seal.CombinedOutput(); err != nil {
			return fmt.Errorf("seal %s: %w: %s", name, err, out)
		}
	}
	s.cmd = exec.CommandContext(ctx, set.binary, "serve", dir, "--env", "test", "--listen", "127.0.0.1:0")
	s.cmd.Env = env
	return s.answer()
}

// answer starts the process and waits until it says that it is ready.
func (s *server) answer() error {
	out := &lines{found: make(chan string, 1)}
	s.cmd.Stdout, s.cmd.Stderr = out, &s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	select {
	case s.address = <-out.found:
	case <-time.After(60 * time.Second):
		return errors.Join(fmt.Errorf("the system did not start: %s", s.log.String()), s.cmd.Process.Kill())
	}
	for range 500 {
		res, err := http.Get(s.address + "/readyz") //nolint:noctx // on this machine
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

func (s *server) pids() []int {
	if s.pg != nil {
		return []int{s.cmd.Process.Pid, s.pg.cmd.Process.Pid}
	}
	return []int{s.cmd.Process.Pid}
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

func (s *server) watch() {
	defer close(s.watched)
	for {
		select {
		case <-s.stop:
			return
		case <-time.After(200 * time.Millisecond):
			s.peak = max(s.peak, usageOf(s.pids()...).mib)
		}
	}
}

// end stops the system and returns what it used since it was ready; the memory is its peak.
func (s *server) end() (used, error) {
	now := usageOf(s.pids()...)
	close(s.stop)
	<-s.watched
	u := used{now.cpu - s.from.cpu, max(s.peak, now.mib), now.writes - s.from.writes, now.bytes - s.from.bytes}
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	if err == nil {
		if err = s.cmd.Wait(); err != nil {
			err = fmt.Errorf("the system ended badly: %w: %s", err, s.log.String())
		}
	}
	if s.pg != nil {
		err = errors.Join(err, s.pg.end())
	}
	return u, err
}

// kill ends a system whose measurement has failed.
func (s *server) kill() error {
	err := s.cmd.Process.Kill()
	if s.pg != nil {
		err = errors.Join(err, s.pg.end())
	}
	return err
}

// load is how a run's events are sent.
type load func(ctx context.Context, s settings, g *signer, url string) (*sent, error)

func flatOut(ctx context.Context, s settings, g *signer, url string) (*sent, error) {
	return asFastAs(ctx, g, url, s.events, s.connections)
}

func crowded(ctx context.Context, s settings, g *signer, url string) (*sent, error) {
	return asFastAs(ctx, g, url, s.events, 3*s.connections)
}

func steadily(ctx context.Context, s settings, g *signer, url string) (*sent, error) {
	return atRate(ctx, g, url, s.rate, s.steady)
}

// paths are where effects go, one after another.
var paths = []string{"/first", "/second"} //nolint:gochecknoglobals // nothing changes it

func newSigner() *signer {
	return &signer{secret: []byte(benchSecret), prefix: strconv.FormatInt(time.Now().UnixNano(), 36)}
}

// measured gives the run of one load against a fresh system, which lasts until everything accepted has arrived at the sink.
func measured(k kind, work string, effects int, send load) measure {
	return func(ctx context.Context, s settings, dir string) (result, error) {
		to, err := newSink()
		if err != nil {
			return result{}, err
		}
		defer to.close()
		if err := workspace(dir, to, effects); err != nil {
			return result{}, err
		}
		srv, err := start(ctx, s, k, dir, to)
		if err != nil {
			return result{}, err
		}
		out, err := send(ctx, s, newSigner(), srv.address+"/in/pay")
		if err != nil {
			return result{}, errors.Join(err, srv.kill())
		}
		if effects > 0 {
			drained(to, paths[effects-1], len(out.acks))
		}
		u, err := srv.end()
		if err != nil {
			return result{}, err
		}
		r := resultOf(k, work, out, u)
		if effects > 0 {
			r.arrived(to, paths[effects-1], out)
		}
		return r, nil
	}
}

func resultOf(k kind, work string, out *sent, u used) result {
	n := float64(len(out.acks))
	return result{
		System: string(k), Work: work, Acks: n / out.end.Sub(out.start).Seconds(), AckP50: percentile(out.acks, .5), AckP99: percentile(out.acks, .99),
		CPU: u.cpu.Seconds() * 1000 / n, MemoryMiB: u.mib, Writes: u.writes / n, WrittenKiB: u.bytes / 1024 / n, Failed: out.failed,
	}
}

// arrived adds what the sink has seen.
func (r *result) arrived(to *sink, path string, out *sent) {
	unique, doubled := to.count(path)
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

// drained waits until the sink has so many, or nothing new came for 30 s.
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
		if time.Since(since) > 30*time.Second {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
