package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill/deliver"
	"waybill/examples"
	"waybill/simulator"
	"waybill/watch"
	"waybill/workspace"
)

func (m *Main) demo() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use: "demo", Short: "see Waybill work: an example business with simulated systems, on this machine only", Args: exactly(0, "no arguments"),
		Long: `demo writes an example workspace, starts simulated payment gateways, CRM, WhatsApp and Slack on this machine, and sends a steady
mix of good, duplicate, late, forged and faulty traffic through it. Open the address it prints. Ctrl-C ends it; started
again it carries on.`,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case f.length < 0:
				return usage{fmt.Errorf("--for is how long the demo runs, as 30s; 0 is until Ctrl-C, and not %s", f.length)}
			case f.rate <= 0:
				return usage{fmt.Errorf("--rate is how many things happen a second, more than 0, and not %g", f.rate)}
			}
			return m.runDemo(c.Context(), f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.dir, "dir", "waybill-demo", "where the example workspace and its book are written")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "the address of the dashboard, on this machine")
	flags.DurationVar(&f.length, "for", 0, "stop by itself after this long")
	flags.Float64Var(&f.rate, "rate", 2, "business happenings a second")
	flags.Uint64Var(&f.seed, "seed", 1, "decides who pays what and what goes wrong")
	return c
}

type demoFlags struct {
	dir, listen string
	length      time.Duration
	rate        float64
	seed        uint64
}

func (m *Main) runDemo(ctx context.Context, f demoFlags) error {
	dir := m.dir([]string{f.dir})
	if _, err := os.Stat(filepath.Join(dir, "waybill.yaml")); err != nil {
		if err := writeRecipe(examples.Names()[0], dir); err != nil {
			return err
		}
	}
	ws, faults, err := m.load(dir, "offline")
	if err != nil {
		return err
	}
	if ws == nil {
		return m.refuse(dir, faults, m.Stderr)
	}
	l, err := listenNear(ctx, f.listen)
	if err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(l.Addr().String()); err != nil || !net.ParseIP(host).IsLoopback() {
		return errors.Join(usage{errors.New("the demo signs in whoever comes, so it listens on this machine only: --listen 127.0.0.1:PORT")}, l.Close())
	}
	a, stopSims, err := m.stage(ctx, f, dir, "http://"+l.Addr().String(), ws)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer stopSims()
	return m.play(ctx, a, l, f)
}

// stage assembles the demo's Waybill, with the simulated systems behind a listener of their own.
func (m *Main) stage(ctx context.Context, f demoFlags, dir, public string, ws *workspace.Workspace) (*app, func(), error) {
	p, err := m.place(dir, "")
	if err != nil {
		return nil, nil, err
	}
	sims, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	a, err := m.assemble(ctx, setup{
		place: p, env: "offline", publicURL: public, auto: true, builder: true, ws: ws, log: slog.New(slog.DiscardHandler),
		rand:      rand.New(rand.NewPCG(f.seed, uint64(time.Now().UnixNano()))), // a made-up business
		transport: viaLoopback{address: sims.Addr().String(), next: &http.Transport{MaxIdleConnsPerHost: 64}},
	})
	if err != nil {
		return nil, nil, errors.Join(err, sims.Close())
	}
	mux := http.NewServeMux()
	for _, c := range a.world.Connections() {
		mux.Handle("/"+c+"/", http.StripPrefix("/"+c, a.world.Handler(c)))
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(sims) }() // it ends with the demo
	return a, func() { _ = server.Close() }, nil
}

// viaLoopback sends every call to the simulated systems' listener, under the name of its connection.
type viaLoopback struct {
	address string
	next    http.RoundTripper
}

func (v viaLoopback) RoundTrip(r *http.Request) (*http.Response, error) {
	connection, _ := deliver.CallOf(r.Context())
	to := r.Clone(r.Context())
	to.Host = r.URL.Host
	to.URL = &url.URL{Scheme: "http", Host: v.address, Path: "/" + connection + r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.URL.RawPath != "" {
		to.URL.RawPath = "/" + connection + r.URL.RawPath
	}
	return v.next.RoundTrip(to)
}

// listenNear takes the next free port when the usual one is taken.
func listenNear(ctx context.Context, address string) (net.Listener, error) {
	l, err := listen(ctx, address)
	if err == nil || address != "127.0.0.1:8080" {
		return l, err
	}
	return listen(ctx, "127.0.0.1:0")
}

func (m *Main) play(ctx context.Context, a *app, l net.Listener, f demoFlags) error {
	if f.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.length)
		defer cancel()
	}
	if err := a.start(ctx); err != nil {
		return errors.Join(err, l.Close(), a.opened.book.Close())
	}
	forget, err := m.announce(a, "http://"+l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close(), a.drain(ctx))
	}
	defer forget()
	server := a.server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	go m.reloads(ctx, a, a.place.dir, a.env)
	fmt.Fprintf(m.Stdout, `Waybill demo: an example business with simulated payment gateways, CRM, WhatsApp and Slack.

  Dashboard   http://%s/
  Workspace   %s   (change a flow there and see it used at once)

`, l.Addr(), f.dir)
	plan := simulator.DemoPlan()
	plan.Rate, plan.FormsURL = f.rate, a.publicURL
	a.world.Traffic(plan)
	err = m.narrate(ctx, a, failed)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	a.world.Stop()
	_ = server.Shutdown(drain) // a page left open is cut off
	summary := m.summary(drain, a)
	if stop := a.stop(drain); stop != nil && err == nil {
		err = stop
	}
	fmt.Fprintln(m.Stdout, summary)
	return err
}

// narrate says in a sentence now and then how things stand.
func (m *Main) narrate(ctx context.Context, a *app, failed chan error) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-tick.C:
			o, err := a.opened.book.Overview(ctx, time.Now().Add(-24*time.Hour))
			if err != nil {
				continue
			}
			var flows []string
			for _, f := range a.engine.Workspace().Flows {
				flows = append(flows, f.Name)
			}
			o.Flows = watch.OfFlows(o.Flows, flows)
			if s := fmt.Sprintf("%s  %s", m.figures(o.Received, o.Done, o.Blocked, o.Unknown), watch.Sentence(*o)); s != last {
				fmt.Fprintf(m.Stdout, "%s  %s\n", time.Now().Format("15:04:05"), s)
				last = s
			}
		}
	}
}

func (m *Main) figures(received, done, blocked, unknown int) string {
	return fmt.Sprintf("%d received, %d done, %d need a person, %d unknown.", received, done, blocked, unknown)
}

// summary is the demo's last line: what came of everything.
func (m *Main) summary(ctx context.Context, a *app) string {
	a.engine.Reject(a.intake.Rejections())
	o, err := a.opened.book.Overview(ctx, time.Now().Add(-24*time.Hour))
	if err != nil {
		return "The figures could not be read: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nIn all: received %d, done %d, blocked %d, unknown %d, duplicate %d, rejected %d.\n", o.Received, o.Done, o.Blocked, o.Unknown, o.Duplicate, o.Rejected)
	fmt.Fprintf(&b, "Nothing that was accepted is lost: started again, the demo carries on from %s.", a.place.dir)
	return b.String()
}
