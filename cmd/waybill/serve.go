package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill/engine"
	"waybill/simulator"
	"waybill/source"
	"waybill/workspace"
)

// serveFlags are the flags of serve, each also an environment variable: --listen is WAYBILL_LISTEN, and so on.
type serveFlags struct {
	listen, publicURL, trustedProxy, tls, database, databaseListen, env, node string
}

func (m *Main) serve() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve [dir]", Short: "run a workspace", Args: atMostDir,
		Long: `serve runs a workspace: it takes in what its connections send, runs its flows, and shows everything on a page.

With --env offline (the default) the outside systems are simulated and nothing leaves this machine. With --env test or
production the connections' own blocks and sealed secrets are used. A process and a book serve exactly one environment.`,
		Example: "  waybill serve shop\n  waybill serve shop --env production --public-url https://hooks.example.com --listen 127.0.0.1:8080",
		RunE: func(c *cobra.Command, args []string) error {
			return m.runServe(c.Context(), m.dir(args), f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.listen, "listen", m.env("WAYBILL_LISTEN", "127.0.0.1:8080"), "the address to listen on")
	flags.StringVar(&f.publicURL, "public-url", m.Getenv("WAYBILL_PUBLIC_URL"), "the address as the outside sees it: https://hooks.example.com")
	flags.StringVar(&f.trustedProxy, "trusted-proxy", m.Getenv("WAYBILL_TRUSTED_PROXY"), "addresses of proxies whose X-Forwarded-For is believed, as 10.0.0.0/8,192.0.2.1")
	flags.StringVar(&f.tls, "tls", m.Getenv("WAYBILL_TLS"), "certificate and key files, as cert.pem,key.pem")
	flags.StringVar(&f.database, "database", m.Getenv("WAYBILL_DATABASE"), "the book: sqlite:PATH or postgres://user@host/name; in .waybill of the workspace when empty")
	flags.StringVar(&f.databaseListen, "database-listen", m.Getenv("WAYBILL_DATABASE_LISTEN"), "the database server's own host:port, to hear of other nodes when --database is a pooler's")
	flags.StringVar(&f.node, "node", m.Getenv("WAYBILL_NODE"), "this node's name among those on one PostgreSQL book; the machine's name and port when empty")
	flags.StringVar(&f.env, "env", m.env("WAYBILL_ENV", offline), "offline, test or production")
	return c
}

func (m *Main) runServe(ctx context.Context, dir string, f serveFlags) error {
	stop, err := m.profile()
	if err != nil {
		return err
	}
	defer stop()
	log := slog.New(slog.NewTextHandler(m.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	ws, faults, err := m.load(dir, f.env)
	if err != nil {
		return err
	}
	if ws == nil {
		return m.refuse(dir, faults, m.Stderr)
	}
	p, err := m.place(dir, f.database)
	if err != nil {
		return err
	}
	p.listen = f.databaseListen
	remote, err := trusted(f.trustedProxy)
	if err != nil {
		return err
	}
	public, err := publicAddress(f.publicURL)
	if err != nil {
		return err
	}
	cert, err := m.certificate(f.tls)
	if err != nil {
		return err
	}
	l, err := listen(ctx, f.listen)
	if err != nil {
		return err
	}
	at := "http://" + l.Addr().String()
	s := setup{place: p, env: f.env, builder: f.env != "production", ws: ws, log: log, remote: remote, passing: m.Passing, node: node(p, f.node, l.Addr())}
	if cert != nil {
		at, s.certificate = "https://"+l.Addr().String(), fingerprint(cert.Certificate[0])
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	s.publicURL = cmp.Or(public, at)
	a, err := m.assemble(ctx, s)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if a.opened.newKey {
		fmt.Fprintln(m.Stdout, keyNote(p.keyFile)+"\n")
	}
	return m.run(ctx, a, l, at, dir)
}

// publicAddress reads the address as the outside sees it; paths are put behind it.
func publicAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?# ") {
		return "", usage{fmt.Errorf("--public-url takes an address as https://hooks.example.com, without user, query or fragment, not %q; nothing was started", text)}
	}
	return strings.TrimRight(text, "/"), nil
}

// node is what a process is among the nodes of a book in a database server; nil when it has a file to itself.
func node(p place, name string, at net.Addr) *engine.NodeOptions {
	if p.file() != "" {
		return nil
	}
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "node"
		}
		_, port, _ := net.SplitHostPort(at.String())
		name = host + ":" + port
	}
	return &engine.NodeOptions{Name: name, Address: at.String(), Version: versionLine()}
}

// greet says where the dashboard is and how to come in.
func (m *Main) greet(ctx context.Context, a *app) error {
	public, ws := a.publicURL, a.engine.Workspace()
	link, err := a.show.Access().OneTimeLink(ctx)
	if err != nil {
		return fmt.Errorf("make the sign-in link: %w", err)
	}
	fmt.Fprintf(m.Stdout, "Waybill serves %s (%s).\n\n  Dashboard                  %s/\n  Sign in                    %s%s   (works once, for 15 minutes)\n", name(ws, a.place.dir), a.env, public, public, link)
	for _, name := range slices.Sorted(maps.Keys(ws.Connections)) {
		if c := ws.Connections[name]; c.Manifest.Webhook != nil {
			fmt.Fprintf(m.Stdout, "  %-26s %s/in/%s\n", c.System(), public, name)
		}
	}
	if a.env == "offline" {
		fmt.Fprintf(m.Stdout, "\nThe outside systems are simulated. Send something in, from another terminal:\n  waybill trigger %s\n", exampleTrigger(ws, a.place.dir))
	}
	fmt.Fprintln(m.Stdout, "\nStop with Ctrl-C; what is under way is finished first.")
	return nil
}

// exampleTrigger is a command that sends something a flow of this workspace uses.
func exampleTrigger(ws *workspace.Workspace, dir string) string {
	for _, wanted := range []string{"payment.captured", "payment_intent.succeeded", "form.submitted", "order.created"} {
		for _, name := range slices.Sorted(maps.Keys(ws.Connections)) {
			if slices.Contains(simulator.Samples(ws.Connections[name].Manifest), wanted) {
				return name + ":" + wanted + " --dir " + dir
			}
		}
	}
	return "--list --dir " + dir
}

// run serves at an address until ctx ends, then drains.
func (m *Main) run(ctx context.Context, a *app, l net.Listener, at, dir string) error {
	if err := a.start(ctx); err != nil {
		return errors.Join(m.refused(dir, err), l.Close(), a.opened.book.Close())
	}
	forget, err := m.announce(a, at)
	if err != nil {
		return errors.Join(err, l.Close(), a.drain(ctx))
	}
	defer forget()
	if err := m.greet(context.WithoutCancel(ctx), a); err != nil { // who ends it at this moment has it drained, too
		return errors.Join(err, l.Close(), a.drain(ctx))
	}
	server := a.server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	go m.reloads(ctx, a, dir, a.env)
	select {
	case err = <-failed:
	case <-ctx.Done():
		fmt.Fprintln(m.Stderr, "waybill: stopping; what is under way is finished first")
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if shut := server.Shutdown(drain); shut != nil && err == nil && !errors.Is(shut, context.DeadlineExceeded) {
		err = shut
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, a.stop(drain))
}

// reloads publishes the folder anew when a file of it changes; a folder with faults is refused with words and the old
// version keeps serving.
func (m *Main) reloads(ctx context.Context, a *app, dir, env string) {
	last := a.loaded
	seen := "" // the first look reads: the folder may have changed since it was loaded
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := stamp(dir)
		if now == seen {
			continue
		}
		seen = now
		ws, faults, err := m.load(dir, env)
		switch {
		case err != nil:
			a.log.Error("the workspace cannot be read; the old version keeps serving", "err", err)
		case ws == nil:
			source.Render(m.Stderr, faults, reader(dir))
			a.log.Error("the change is refused; the old version keeps serving", "faults", len(faults))
		case ws.Bundle != last:
			err := a.engine.Reload(ctx, ws)
			if r, ok := errors.AsType[engine.Refused](err); ok {
				source.Render(m.Stderr, r.Faults, reader(dir))
				a.log.Error("the change is refused; the old version keeps serving", "faults", len(r.Faults))
				continue
			}
			if err != nil {
				a.log.Error("the change could not be published; the old version keeps serving", "err", err)
				continue
			}
			last = ws.Bundle
			a.log.Info("the workspace was changed: new runs use it, runs under way finish on theirs", "version", fmt.Sprintf("%.12s", ws.Bundle))
		}
	}
}

// stamp sums up names, sizes and times of a workspace's files.
func stamp(dir string) string {
	var b strings.Builder
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error { // an unreadable file shows when it is loaded
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != dir {
			return filepath.SkipDir
		}
		if info, err := d.Info(); err == nil && !d.IsDir() {
			fmt.Fprintf(&b, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return b.String()
}

// serving is what a running serve leaves beside the book, so that the other commands talk to it.
type serving struct {
	Address     string `json:"address"`
	Certificate string `json:"certificate,omitempty"` // the fingerprint of its own; empty without TLS
	Token       string `json:"token"`                 // for this machine's owner of the file only
	PID         int    `json:"pid"`
}

// servingFile is where a serve says where it is. Several may serve one book in a database server, each at a port of its own.
func servingFile(p place, address string) string {
	if p.file() != "" {
		return p.beside + ".serve"
	}
	return p.beside + "-" + address[strings.LastIndex(address, ":")+1:] + ".serve"
}

// servingFiles are those of all that serve a book here, also of those that were killed.
func servingFiles(p place) []string {
	folder, name := filepath.Split(p.beside)
	var list []string
	files, _ := os.ReadDir(folder) // without the folder nothing serves
	for _, f := range files {
		rest, ours := strings.CutPrefix(f.Name(), name)
		if ours && (rest == ".serve" || p.file() == "" && strings.HasPrefix(rest, "-") && strings.HasSuffix(rest, ".serve")) {
			list = append(list, filepath.Join(folder, f.Name()))
		}
	}
	return list
}

// announce writes the file and takes it away again.
func (m *Main) announce(a *app, address string) (forget func(), err error) {
	text, err := json.Marshal(serving{Address: address, Certificate: a.certificate, Token: a.local(), PID: os.Getpid()})
	if err != nil {
		return nil, err
	}
	path := servingFile(a.place, address)
	if err := replaceFile(path, text); err != nil {
		return nil, fmt.Errorf("say where serve is: %w", err)
	}
	return func() {
		if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, text) { // else it is another's by now
			_ = os.Remove(path)
		}
	}, nil
}

// trusted returns how the sender's address is found: behind proxies that are named, by the last address they did not
// add themselves.
func trusted(list string) (func(*http.Request) string, error) {
	if list == "" {
		return nil, nil
	}
	var proxies []netip.Prefix
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if !strings.Contains(part, "/") {
			if addr, err := netip.ParseAddr(part); err == nil {
				part = netip.PrefixFrom(addr, addr.BitLen()).String()
			}
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, usage{fmt.Errorf("--trusted-proxy takes addresses or networks, not %q", part)}
		}
		proxies = append(proxies, p)
	}
	known := func(s string) bool {
		addr, err := netip.ParseAddr(strings.TrimSpace(s))
		if err != nil {
			return false
		}
		for _, p := range proxies {
			if p.Contains(addr.Unmap()) {
				return true
			}
		}
		return false
	}
	return func(r *http.Request) string {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !known(host) {
			return host
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			if hop := strings.TrimSpace(hop); hop != "" && !known(hop) {
				return hop
			}
		}
		return host
	}, nil
}
