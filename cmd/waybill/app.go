package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"waybill"
	"waybill/connectors"
	"waybill/deliver"
	"waybill/engine"
	"waybill/receive"
	"waybill/record"
	"waybill/show"
	"waybill/simulator"
	"waybill/workspace"
)

// app is a whole Waybill: book, engine, intake and dashboard, with the simulated systems when it runs offline.
type app struct {
	place     place
	env       string
	publicURL string
	// certificate is the fingerprint of the one it serves with; empty without TLS.
	certificate string
	opened      *opened
	live        *engine.Live
	engine      *engine.Engine
	intake      *receive.Handler
	show        *show.Server
	world       *simulator.World // nil unless offline
	metrics     *metrics
	log         *slog.Logger
	mux         *http.ServeMux
	serving     bool             // it was started: others wait while the book is kept from them
	loaded      waybill.BundleID // the workspace as the folder had it when this process began
}

// setup says how an app is put together.
type setup struct {
	node      *engine.NodeOptions // one of several nodes on a book in a database server; nil: it has the book to itself
	place     place
	env       string
	publicURL string
	auto      bool // sign in whoever comes from this machine
	builder   bool
	ws        *workspace.Workspace
	log       *slog.Logger
	rand      *rand.Rand
	transport http.RoundTripper // instead of the network's or the simulator's
	remote    func(*http.Request) string
	deliver   func(context.Context, simulator.Webhook) int // how simulated webhooks leave; nil: to publicURL
	passing   func(step string)                            // as Main.Passing
	manifests *workspace.Manifests
	// certificate is as app has it.
	certificate string
}

// assemble opens the book and wires everything; start makes it work.
func (m *Main) assemble(ctx context.Context, s setup) (*app, error) {
	o, err := m.openBook(ctx, s.place, s.env)
	if err != nil {
		return nil, err
	}
	s.manifests = &m.manifests
	a := &app{place: s.place, env: s.env, publicURL: s.publicURL, certificate: s.certificate, opened: o, live: engine.NewLive(), log: s.log, loaded: s.ws.Bundle}
	if err := a.wire(s); err != nil {
		return nil, errors.Join(err, o.book.Close())
	}
	return a, nil
}

func (a *app) wire(s setup) (err error) {
	transport := s.transport
	if s.env == "offline" {
		if err := a.simulate(s); err != nil {
			return err
		}
		if transport == nil {
			transport = a.world.RoundTripper()
		}
	}
	if transport == nil {
		transport = deliver.Transport()
	}
	a.metrics = newMetrics()
	a.engine, err = engine.New(engine.Options{
		Book: a.opened.book, Dispatcher: a.live, IDs: a.opened.ids, Environment: s.env, Workspace: s.ws,
		Load: func(content []byte) (*workspace.Workspace, error) {
			return workspace.FromBundle(content, workspace.Options{Environment: s.env, Built: connectors.All(), Manifests: s.manifests})
		},
		Secret: a.opened.secret,
		Keep: func(name, value string) error {
			return a.opened.setSecret(context.Background(), name, value, "Waybill")
		},
		Fresh: a.opened.fresh, Seal: a.opened.keys.Seal, Unseal: a.opened.keys.Open,
		Caller: &deliver.Caller{Transport: named{transport}, Now: time.Now, Redact: a.opened.redact.Bytes},
		Log:    s.log, Passing: s.passing, Node: s.node,
	})
	if err != nil {
		return err
	}
	a.intake = receive.New(receive.Config{
		Directory: a.engine.Doors(s.publicURL), Recorder: a.engine, Now: a.engine.Now, Redact: a.opened.redact, Remote: s.remote, Log: s.log,
	})
	var nodes show.Nodes
	if s.node != nil {
		nodes = a.opened.book
	}
	a.show, err = show.New(show.Options{
		Nodes:  nodes,
		Reader: journal{a.opened.book, a.engine}, Lists: a.opened.book, Desk: a.engine, Jobs: a.engine, Persons: persons{a.opened}, Changes: a.opened.book, Store: store{book: a.opened.book},
		Names: &names{engine: a.engine, env: s.env, publicURL: s.publicURL, builder: s.builder},
		Auto:  s.auto, PublicURL: s.publicURL, Metrics: a.metrics.handler(a), Ready: a.ready, Paused: a.engine.Paused, Now: time.Now, Log: s.log,
	})
	if err != nil {
		return err
	}
	a.mux = http.NewServeMux()
	a.mux.Handle("/in/", a.metrics.count(a.intake))
	a.mux.Handle("/", a.show)
	return nil
}

// ready says whether what is sent here can be kept: balancers ask before they send.
func (a *app) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	return a.opened.book.Ready(ctx)
}

// simulate opens an account at the simulated systems for every connection.
func (a *app) simulate(s setup) error {
	rnd := s.rand
	if rnd == nil {
		rnd = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) // simulated
	}
	send := s.deliver
	if send == nil {
		send = poster(s.log, s.certificate)
	}
	a.world = simulator.New(simulator.Options{Clock: clock{a.live}, Rand: rnd, Deliver: send})
	a.opened.fixed = map[string]string{}
	for name, c := range s.ws.Connections {
		secrets := simulator.Secrets(name, c.Manifest)
		for secret, value := range secrets {
			if sealed, ok := c.Secrets[secret]; ok {
				a.opened.fixed[sealed] = value
			}
		}
		if c.Manifest.Simulate == nil {
			continue
		}
		err := a.world.Add(name, c.Manifest, secrets, simulator.ConnectionOptions{
			Account: c.Account, Settings: c.Settings, BaseURL: c.BaseURL, URL: s.publicURL + "/in/" + name,
		})
		if err != nil {
			return fmt.Errorf("simulate %s: %w", name, err)
		}
	}
	return nil
}

// poster sends a simulated webhook as its provider would, over the network of this machine.
func poster(log *slog.Logger, certificate string) func(context.Context, simulator.Webhook) int {
	client := &http.Client{Timeout: 10 * time.Second, Transport: trusting(certificate, true)}
	return func(ctx context.Context, h simulator.Webhook) int {
		req, err := http.NewRequestWithContext(ctx, h.Method, h.URL, bytesReader(h.Body))
		if err != nil {
			log.Error("a simulated webhook could not be made", "err", err)
			return 0
		}
		req.Header = h.Header.Clone()
		res, err := client.Do(req)
		if err != nil {
			return 0
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
}

// start takes up the work; every second what was rejected at the door goes to the book.
func (a *app) start(ctx context.Context) error {
	if err := a.engine.Start(ctx); err != nil {
		return err
	}
	a.serving = true
	a.flush()
	go a.listen(ctx)
	return nil
}

// listen wakes the engine when other nodes have committed something, until ctx ends.
func (a *app) listen(ctx context.Context) {
	heard := a.opened.book.Awake()
	for heard != nil {
		select {
		case <-ctx.Done():
			return
		case <-heard:
			a.engine.Wake()
		}
	}
}

func (a *app) flush() {
	a.engine.Reject(a.intake.Rejections())
	a.live.At(time.Now().Add(time.Second), a.flush)
}

// drainTime is how long what is under way gets when serve ends.
const drainTime = 10 * time.Second

// drain is stop with the time that serve gives.
func (a *app) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return a.stop(ctx)
}

// stop ends the app: nothing new is begun, what is under way gets until ctx ends, and the book is closed.
func (a *app) stop(ctx context.Context) error {
	if a.world != nil {
		a.world.Stop()
	}
	a.engine.Stop()
	a.engine.Reject(a.intake.Rejections())
	var err error
	if !a.live.Stop(ctx) {
		err = errors.New("some calls were still under way; their effects are recovered at the next start")
	}
	if left := a.engine.Leave(ctx); left != nil && err == nil {
		err = left
	}
	return errors.Join(err, a.opened.book.Close())
}

// server returns an HTTP server with bounds against slow and hostile clients.
func (a *app) server() *http.Server {
	s := &http.Server{
		Handler: a.mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	s.RegisterOnShutdown(a.show.Stop)
	return s
}

// listen opens the address; why it cannot be had is said with what to do.
func listen(ctx context.Context, address string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(ctx, "tcp", port)
	}
	if err != nil {
		return nil, usage{fmt.Errorf("--listen takes an address with its port, as 127.0.0.1:8080, not %q; nothing was started", address)}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	hint := "an address of this machine is needed, as 127.0.0.1:8080, or :8080 for all of them"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another program has it: choose another with --listen, or 127.0.0.1:0 for any that is free"
	case errors.Is(err, syscall.EACCES):
		hint = "this user may not have that port: choose one from 1024 on, and let a proxy pass it on"
	}
	return nil, &waybill.Error{Kind: waybill.Unavailable, Message: "the address " + address + " cannot be listened on; nothing was started", Hint: hint, Err: err}
}

// clock is the engine's dispatcher as the simulator's clock.
type clock struct{ live *engine.Live }

func (c clock) Now() time.Time                   { return c.live.Now() }
func (c clock) After(d time.Duration, fn func()) { c.live.At(c.live.Now().Add(d), fn) }
func (c clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// store keeps show's sessions, links and tokens in the book.
type store struct {
	book *record.Book
	// row, when it is not nil, is the audit of what is changed, written in the same transaction.
	row *waybill.Audited
}

func (s store) Setting(ctx context.Context, name string) (value []byte, err error) {
	err = s.book.View(ctx, func(tx *record.Tx) (err error) { value, err = tx.Setting(name); return err })
	return value, err
}

// errBeaten ends an act that another one was faster than: nothing of it is written.
var errBeaten = errors.New("another was first")

func (s store) Swap(ctx context.Context, list []show.Swap) (bool, error) {
	inOrder := slices.SortedFunc(slices.Values(list), func(a, b show.Swap) int { return strings.Compare(a.Name, b.Name) }) // as everybody takes their rows
	err := s.book.Do(ctx, func(tx *record.Tx) error {
		for _, one := range inOrder {
			ok, err := tx.SwapSetting(one.Name, one.Was, one.Now)
			if err != nil {
				return err
			}
			if !ok {
				return errBeaten
			}
		}
		if s.row == nil {
			return nil
		}
		row := *s.row
		return tx.Audit(&row)
	})
	if errors.Is(err, errBeaten) {
		return false, nil
	}
	return err == nil, err
}

// named tells the simulated world which connection a request is for: two may have one address.
type named struct{ next http.RoundTripper }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	connection, action := deliver.CallOf(r.Context())
	return n.next.RoundTrip(r.WithContext(simulator.WithAction(simulator.WithConnection(r.Context(), connection), action)))
}
