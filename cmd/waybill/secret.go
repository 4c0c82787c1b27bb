package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/engine"
	"waybill/record"
	"waybill/workspace"
)

func (m *Main) secret() *cobra.Command {
	c := &cobra.Command{
		Use: "secret", Short: "seal, list and remove the secrets of connections",
		Long: `Secrets live sealed in the book. A connection's secret is named CONNECTION.SECRET, as in payments.webhook_secret;
"waybill doctor" says which are missing. The value is read from standard input, never from the command line: one line that is
typed, or all that is piped in, so that a key of several lines stays whole.`,
		Example: "  waybill secret set payments.webhook_secret --env production < webhook-secret.txt",
	}
	var where bookFlags
	var keep bool
	set := &cobra.Command{
		Use: "set NAME", Short: "seal a secret; its value is read from standard input", Args: exactly(1, "one name"),
		RunE: func(c *cobra.Command, args []string) error {
			value, err := m.readSecret()
			if err != nil {
				return err
			}
			return m.doLocal(c.Context(), where, "secret-set", localAct{Name: args[0], Secret: value, Keep: keep}, "")
		},
	}
	set.Flags().BoolVar(&keep, "keep-old", false, "the old value still proves senders until it is removed: while a secret is being changed")
	list := m.localList(&where, "list the names of sealed secrets", "secret-list", "No secrets are sealed yet.", "name")
	remove := &cobra.Command{
		Use: "remove NAME", Short: "forget a secret", Args: exactly(1, "one name"),
		RunE: func(c *cobra.Command, args []string) error {
			return m.doLocal(c.Context(), where, "secret-remove", localAct{Name: args[0]}, args[0]+" is forgotten.")
		},
	}
	for _, sub := range []*cobra.Command{set, list, remove} {
		where.add(m, sub)
		c.AddCommand(sub)
	}
	return c
}

func (m *Main) user() *cobra.Command {
	c := &cobra.Command{Use: "user", Short: "who may come in: add, list and remove people, tokens for programs, sign-in link"}
	var where bookFlags
	var role string
	add := &cobra.Command{
		Use: "add NAME", Short: "add a person; prints a link that signs them in once, within three days", Args: exactly(1, "one name"),
		RunE: func(c *cobra.Command, args []string) error {
			return m.doLocal(c.Context(), where, "user-add", localAct{Name: args[0], Role: role}, "")
		},
	}
	add.Flags().StringVar(&role, "role", "operator", "viewer, operator or admin")
	list := m.localList(&where, "list people and tokens", "user-list", "Nobody has been added yet.", "name", "role", "kind")
	remove := &cobra.Command{
		Use: "remove NAME", Short: "take a person's or token's way in, at once", Args: exactly(1, "one name"),
		RunE: func(c *cobra.Command, args []string) error {
			return m.doLocal(c.Context(), where, "user-remove", localAct{Name: args[0]}, "")
		},
	}
	var tokenRole string
	token := &cobra.Command{
		Use: "token NAME", Short: "make a bearer token for a program; it is shown this once", Args: exactly(1, "one name"),
		Long: `token makes a bearer token, for a program that asks the API or reads /metrics: it sends it as Authorization: Bearer wbt_…
The token is shown this once and only its hash is kept. One made again under the same name takes the place of the earlier
one, which stops working. "waybill user list" lists tokens with people, "waybill user remove NAME" takes one away.

A viewer may read, an operator may also press buttons, an admin may also export and erase people.`,
		Example: "  waybill user token monitoring --role viewer --dir shop",
		RunE: func(c *cobra.Command, args []string) error {
			return m.doLocal(c.Context(), where, "user-token", localAct{Name: args[0], Role: tokenRole}, "")
		},
	}
	token.Flags().StringVar(&tokenRole, "role", "viewer", "viewer, operator or admin")
	link := &cobra.Command{
		Use: "link", Short: "print a link that signs in the admin once, within 15 minutes", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			return m.doLocal(c.Context(), where, "sign-in", localAct{}, "")
		},
	}
	for _, sub := range []*cobra.Command{add, token, list, remove, link} {
		where.add(m, sub)
		c.AddCommand(sub)
	}
	return c
}

// bookFlags say which book a command means. The environment is empty when none was named.
type bookFlags struct{ dir, database, env string }

// offline is the environment when none is named and nothing is served.
const offline = "offline"

func (f *bookFlags) add(m *Main, c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", m.env("WAYBILL_DIR", "."), "the workspace's folder")
	c.Flags().StringVar(&f.database, "database", m.Getenv("WAYBILL_DATABASE"), "the book: sqlite:PATH or postgres://user@host/name; in .waybill of the workspace when empty")
	c.Flags().StringVar(&f.env, "env", m.Getenv("WAYBILL_ENV"), "offline, test or production; that of the running serve when empty, else offline")
}

// localList is the command that lists what an owner's act says, a line each, its fields parted by tabs.
func (m *Main) localList(where *bookFlags, what, act, otherwise string, fields ...string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: what, Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			lines, err := m.actLocally(c.Context(), *where, act, localAct{})
			if err != nil {
				return err
			}
			if asJSON {
				return m.printFields(lines, fields)
			}
			if len(lines) == 0 {
				fmt.Fprintln(m.Stdout, otherwise)
			}
			w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
			for _, text := range lines {
				fmt.Fprintln(w, text)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

// printFields prints lines as a list of the API would be.
func (m *Main) printFields(lines, fields []string) error {
	items := make([]map[string]string, len(lines))
	for i, text := range lines {
		items[i] = map[string]string{}
		for j, value := range strings.Split(text, "\t") {
			if j < len(fields) {
				items[i][fields[j]] = value
			}
		}
	}
	body, err := json.Marshal(map[string]any{"items": items})
	if err != nil {
		return fmt.Errorf("write the list: %w", err)
	}
	return m.printJSON(body)
}

// note begins a line of an act that is beside what was asked for: it goes to standard error.
const note = "Note: "

// doLocal does an owner's act and prints what it says.
func (m *Main) doLocal(ctx context.Context, f bookFlags, act string, in localAct, otherwise string) error {
	lines, err := m.actLocally(ctx, f, act, in)
	if err != nil {
		return err
	}
	for _, text := range lines {
		out := m.Stdout
		if strings.HasPrefix(text, note) {
			out = m.Stderr
		}
		fmt.Fprintln(out, text)
	}
	if len(lines) == 0 && otherwise != "" {
		fmt.Fprintln(m.Stdout, otherwise)
	}
	return nil
}

func (m *Main) actLocally(ctx context.Context, f bookFlags, act string, in localAct) (lines []string, err error) {
	dir := m.dir([]string{f.dir})
	l, err := m.dial(ctx, dir, f.database, f.env)
	if waybill.KindOf(err) == waybill.NotFound && act == "secret-set" {
		p, perr := m.place(dir, f.database)
		if perr != nil {
			return nil, perr
		}
		l, err = m.open(ctx, p, dir, f.env) // the first secret makes the book
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if act == "restore-mark" && l.live { // it looks at the mark when it starts, and sends until then
		return nil, &waybill.Error{
			Kind: waybill.Conflict, Message: "this book is served, so what it does not know is being sent already; it was not marked",
			Hint: "stop every waybill serve of it, mark it, then start them again",
		}
	}
	return l.patiently().act(ctx, act, in)
}

// maxSecret is how long a secret may be, in bytes.
const maxSecret = 64 << 10

// readSecret reads one secret from standard input: a line that is typed, or all that is piped in, without its last line end.
func (m *Main) readSecret() ([]byte, error) {
	var text []byte
	var err error
	if m.typed() {
		fmt.Fprint(m.Stderr, "Value (then Enter): ")
		text, err = bufio.NewReader(io.LimitReader(m.Stdin, maxSecret+2)).ReadBytes('\n')
	} else {
		text, err = io.ReadAll(io.LimitReader(m.Stdin, maxSecret+3))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: "the value is empty; nothing was sealed", Hint: "give it on standard input: waybill secret set NAME < file"}
	case len(text) > maxSecret:
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: fmt.Sprintf("the value is longer than %d KiB; nothing was sealed", maxSecret>>10),
			Hint: "is it the right file? A secret is a key, a token, a password or a certificate",
		}
	}
	return text, nil
}

// typed reports whether standard input is a terminal.
func (m *Main) typed() bool {
	f, ok := m.Stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// sealSecret seals a value for the workspace that is served; with keep the old one still proves senders.
func (a *app) sealSecret(ctx context.Context, in localAct) ([]string, error) {
	lines, err := a.opened.changeSecret(ctx, in)
	if text := unknownSecret(a.engine.Workspace(), in.Name); err == nil && text != "" {
		lines = append(lines, note+text)
	}
	return lines, err
}

// unknownSecret says that nothing of the workspace uses a secret of this name; empty when something does.
func unknownSecret(ws *workspace.Workspace, name string) string {
	name = strings.TrimSuffix(name, engine.PreviousSecret)
	for _, c := range ws.Connections {
		if slices.Contains(slices.Collect(maps.Values(c.Secrets)), name) {
			return ""
		}
	}
	connection, _, _ := strings.Cut(name, ".")
	c := ws.Connections[connection]
	if c == nil {
		return fmt.Sprintf("no connection of this workspace uses a secret called %s. Its connections: %s.", name, strings.Join(slices.Sorted(maps.Keys(ws.Connections)), ", "))
	}
	known := slices.Sorted(maps.Values(c.Secrets))
	if len(known) == 0 {
		return fmt.Sprintf("%s uses no secrets; nothing uses %s.", c.Manifest.Title, name)
	}
	return fmt.Sprintf("%s uses no secret called %s. It uses: %s.", c.Manifest.Title, name, strings.Join(known, ", "))
}

// changeSecret seals a value; with keep the old one still proves senders.
func (o *opened) changeSecret(ctx context.Context, in localAct) ([]string, error) {
	if in.Name == "" || strings.ContainsAny(in.Name, " \t\n/") {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf("%q is no name for a secret", in.Name), Hint: "write it as connection.secret"}
	}
	value := string(in.Secret)
	var lines []string
	if value != strings.TrimSpace(value) {
		lines = append(lines, note+"the value begins or ends with white space; pasted secrets often do by mistake.")
	}
	if n := strings.Count(strings.TrimSpace(value), "\n") + 1; n > 1 {
		lines = append(lines, fmt.Sprintf(note+"the value has %d lines, and all of them are kept.", n))
	}
	old, err := o.secret(in.Name)
	switch {
	case !in.Keep || waybill.KindOf(err) == waybill.NotFound:
	case err != nil:
		return nil, err
	default:
		if err := o.setSecret(ctx, in.Name+engine.PreviousSecret, old, owner); err != nil {
			return nil, err
		}
		lines = append(lines, "The old value still proves senders; forget it with: waybill secret remove "+in.Name+engine.PreviousSecret)
	}
	if err := o.setSecret(ctx, in.Name, value, owner); err != nil {
		return nil, err
	}
	return append(lines, in.Name+" is sealed."), nil
}

func (o *opened) secretNames(ctx context.Context) (list []string, err error) {
	err = o.book.View(ctx, func(tx *record.Tx) (err error) { list, err = tx.SecretNames(); return err })
	return list, err
}
