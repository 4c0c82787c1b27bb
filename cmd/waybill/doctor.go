package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/connector"
	"waybill/flow"
	"waybill/record"
	"waybill/source"
	"waybill/workspace"
)

func (m *Main) doctor() *cobra.Command {
	var where bookFlags
	c := &cobra.Command{
		Use: "doctor", Short: "look at a workspace, its book, key and secrets, and say what is missing and how to mend it", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return m.examine(c.Context(), where) },
	}
	where.add(m, c)
	return c
}

// patient collects what the doctor finds.
type patient struct {
	m   *Main
	bad int
}

func (p *patient) fine(format string, args ...any) {
	fmt.Fprintf(p.m.Stdout, "ok    "+format+"\n", args...)
}

func (p *patient) ill(what, do string) {
	p.bad++
	fmt.Fprintf(p.m.Stdout, "BAD   %s\n      %s\n", what, do)
}

func (p *patient) note(what, do string) { fmt.Fprintf(p.m.Stdout, "note  %s\n      %s\n", what, do) }

func (m *Main) examine(ctx context.Context, where bookFlags) (err error) {
	p := &patient{m: m}
	dir := m.dir([]string{where.dir})
	if where.env, err = m.environment(ctx, where); err != nil {
		return err
	}
	fmt.Fprintln(m.Stdout, versionLine())
	ws, faults, err := m.load(dir, where.env)
	switch {
	case err != nil:
		p.ill(err.Error(), "waybill init writes an example workspace")
	case ws == nil:
		p.ill(fmt.Sprintf("the workspace has %s", count(len(faults), "fault", "faults")), "see them with: waybill check "+where.dir)
	default:
		p.fine("the workspace %s: %s, %s", name(ws, dir), count(len(ws.Flows), "flow", "flows"), count(len(ws.Connections), "connection", "connections"))
		p.fine("kept: %s", keptWords(ws.Retention))
		for _, f := range faults {
			if f.Severity == source.Warning {
				p.note(fmt.Sprintf("%s:%d: %s", f.Span.File, f.Span.Line, f.Message), f.Hint)
			}
		}
	}
	at, err := m.place(dir, where.database)
	if err != nil {
		return err
	}
	if at.file() == "" {
		m.examineServer(ctx, p, at)
		m.examineNodes(ctx, p, at)
	}
	m.examineFiles(ctx, p, at)
	if ws != nil {
		m.examineBook(ctx, p, ws, where)
	}
	m.examineVersions(p, ws)
	if p.bad > 0 {
		fmt.Fprintf(m.Stdout, "\n%s to mend.\n", count(p.bad, "thing", "things"))
		return problem{}
	}
	fmt.Fprintln(m.Stdout, "\nAll is well.")
	return nil
}

// examineServer says what may be expected of a PostgreSQL server, and what it would lose.
func (m *Main) examineServer(ctx context.Context, p *patient, at place) {
	s, where, err := record.Inspect(ctx, at.database)
	if err != nil {
		p.ill(err.Error(), waybill.HintOf(err))
		return
	}
	p.fine("the database %s: PostgreSQL %d, fsync and full_page_writes on; every write of the book waits for stable storage", where, s.Version/10000)
	if s.SynchronousCommit == "off" {
		p.note("synchronous_commit is off for this role; the book asks for on in each of its transactions", "set it on, so that other programs of the role keep what they were told too")
	}
	if s.Standbys == "" {
		p.note("no synchronous standby is named: what is acknowledged is on the primary's disk alone",
			"when the primary is lost, an asynchronous standby may lack the last moments; docs/postgres.md says what that means")
	} else {
		p.fine("an acknowledged write is on a standby too (synchronous_standby_names: %s)", s.Standbys)
	}
	if s.Pooled {
		p.note("the connection goes through a pooler, which must hand out connections by transaction or by session",
			"give --database-listen, or listen= in the address, the server's own address, so that other nodes' work is heard of at once")
	}
}

// examineNodes says which processes work on a book in a database server.
func (m *Main) examineNodes(ctx context.Context, p *patient, at place) {
	if known, err := record.Exists(ctx, at.database); err != nil || !known {
		return // what is wrong is said already
	}
	book, err := record.Open(ctx, at.database, record.Options{Now: time.Now})
	if err != nil {
		p.ill(err.Error(), waybill.HintOf(err))
		return
	}
	list, err := book.NodesSeen(ctx, true)
	if err = errors.Join(err, book.Close()); err != nil {
		p.ill(err.Error(), waybill.HintOf(err))
		return
	}
	now, working := time.Now(), 0
	for _, n := range list {
		switch state := n.State(); {
		case state == "working" && n.Trouble == "":
			working++
			p.fine("%s since %s (%s, epoch %d, %s); in hand: %s, %s, %s", n.Words(now), n.StartedAt.Local().Format(time.DateTime), n.Address, n.Epoch,
				n.Version, count(n.Items, "item", "items"), count(n.Runs, "run", "runs"), count(n.Effects, "effect", "effects"))
		case state == "lost":
			p.note(n.Words(now), "if it should work, look at its log and start it again; nothing of its work is lost")
		case state == "working":
			p.note(n.Words(now), "start it again with a program that can load the workspace")
		}
	}
	if working == 0 {
		p.note("no node works on the book now", "start one with: waybill serve")
	}
}

// keptWords says how long parts of the book are kept.
func keptWords(r workspace.Retention) string {
	part := func(what string, d time.Duration) string {
		if d == 0 {
			return what + " for good"
		}
		return fmt.Sprintf("%s %d days", what, int(d.Hours()/24))
	}
	return strings.Join([]string{
		part("bodies", r.Bodies), part("exchanges", r.Exchanges), part("journeys", r.Journeys),
		part("rejections", r.Rejections), part("figures", r.Figures), part("audit", r.Audit),
	}, ", ") + "; keys and what is open in any case"
}

func (m *Main) examineFiles(ctx context.Context, p *patient, at place) {
	info, err := os.Stat(at.keyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if known, err := record.Exists(ctx, at.database); err == nil && known {
			p.ill("the key file "+at.keyFile+" is missing, and there is a book", "put it back from where you keep it: its secrets cannot be read without it")
		} else {
			p.note("there is no book yet at "+at.shown(), "serve makes one, with its key")
		}
	case err != nil:
		p.ill(err.Error(), "make it readable for the user Waybill runs as")
	case info.Mode().Perm()&0o077 != 0:
		p.ill(fmt.Sprintf("the key file %s can be read by others (mode %04o)", at.keyFile, info.Mode().Perm()), "chmod 600 "+at.keyFile)
	default:
		p.fine("the key file %s, for its owner only", at.keyFile)
	}
	if at.file() == "" {
		return
	}
	info, err = os.Stat(at.file())
	if err != nil {
		return
	}
	switch to, err := record.MovedTo(ctx, at.file()); {
	case err != nil:
		p.ill(fmt.Sprintf("the book %s cannot be read: %v", at.file(), err), "is its disk in order? waybill restore makes a book of a backup")
	case to != "":
		p.ill(fmt.Sprintf("the book %s was moved to the database %s, and is not opened any more", at.file(), to),
			"name the database: --database postgres://…, or WAYBILL_DATABASE")
	default:
		p.fine("the book %s, %.1f MiB", at.file(), float64(info.Size())/(1<<20))
	}
}

// examineBook looks into the book, when there is one, for the secrets that are sealed and the backups that were made.
func (m *Main) examineBook(ctx context.Context, p *patient, ws *workspace.Workspace, where bookFlags) {
	l, err := m.dial(ctx, m.dir([]string{where.dir}), where.database, where.env)
	if waybill.KindOf(err) == waybill.NotFound {
		l, err = nil, nil // there is none yet, or its key is missing, as was said
	}
	var sealed []string
	if l != nil {
		sealed, err = l.act(ctx, "secret-list", localAct{})
	}
	if err != nil {
		p.ill(err.Error(), waybill.HintOf(err))
		return
	}
	examineSecrets(p, ws, sealed, where)
	if l == nil {
		return
	}
	examineBackups(ctx, p, l, where)
	if err := l.close(); err != nil {
		p.ill("the book could not be closed: "+err.Error(), "is its disk full?")
	}
}

// examineSecrets names the secrets that connections need and that are not sealed.
func examineSecrets(p *patient, ws *workspace.Workspace, have []string, where bookFlags) {
	if where.env == offline {
		p.fine("offline: the simulated systems need no secrets of yours")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(ws.Connections)) {
		c := ws.Connections[name]
		for _, secret := range slices.Sorted(maps.Keys(c.Secrets)) {
			sealed := c.Secrets[secret]
			switch {
			case slices.Contains(have, sealed):
				p.fine("the secret %s is sealed", sealed)
			case c.Manifest.Secrets[secret].Required, proves(c, secret) && heard(ws, name), signsIn(c, secret) && called(ws, name):
				p.ill(fmt.Sprintf("%s needs the secret %s (%s)", c.Manifest.Title, sealed, c.Manifest.Secrets[secret].Title),
					fmt.Sprintf("waybill secret set %s --dir %s --env %s", sealed, where.dir, where.env))
			}
		}
	}
}

// signsIn reports whether a connection's calls cannot be made without a secret.
func signsIn(c *workspace.Connection, secret string) bool {
	return c.Settings[secret] == "" && slices.Contains(c.Manifest.SignIn.Names(), secret)
}

// called reports whether some flow reads or writes at a connection, or what it tells is read again there.
func called(ws *workspace.Workspace, connection string) bool {
	c := ws.Connections[connection]
	if slices.ContainsFunc(c.Manifest.Mappings, func(m *connector.Mapping) bool { return m.Fetch != nil }) && heard(ws, connection) {
		return true
	}
	return slices.ContainsFunc(ws.Flows, func(f *flow.Flow) bool {
		return slices.ContainsFunc(f.Steps(), func(s flow.StepView) bool {
			return (s.Kind == "do" || s.Kind == "get") && strings.HasPrefix(s.Does, connection+".")
		})
	})
}

// proves reports whether the senders of a connection are known by a secret, as its settings say.
func proves(c *workspace.Connection, secret string) bool {
	if c.Manifest.Webhook == nil {
		return false
	}
	scheme := c.Manifest.Webhook.Verify.Bind(c.Settings)
	return scheme.Scheme != "none" && scheme.Secret == secret
}

// heard reports whether some flow starts on, or waits for, what a connection tells: without its secret none of that comes in.
func heard(ws *workspace.Workspace, connection string) bool {
	return slices.ContainsFunc(ws.Flows, func(f *flow.Flow) bool {
		if len(f.From) > 0 && !slices.Contains(f.From, connection) {
			return false
		}
		types := slices.Clone(f.On)
		for _, a := range f.Awaits() {
			types = append(types, a.Type)
		}
		return slices.ContainsFunc(types, func(typ string) bool { return slices.Contains(ws.Tells[connection], typ) })
	})
}

// examineVersions warns of pinned API versions whose retirement is near.
func (m *Main) examineVersions(p *patient, ws *workspace.Workspace) {
	if ws == nil {
		return
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(ws.Connections)) {
		mf := ws.Connections[name].Manifest
		at, err := time.Parse(time.DateOnly, mf.RetiresOn)
		if err != nil || seen[mf.Name] {
			continue
		}
		seen[mf.Name] = true
		if days := int(time.Until(at).Hours() / 24); days < 180 {
			p.note(fmt.Sprintf("%s retires the API version %s on %s, in %d days", mf.Title, mf.APIVersion, mf.RetiresOn, days), "a newer Waybill or a connector of your own pins a newer one")
		}
	}
}
