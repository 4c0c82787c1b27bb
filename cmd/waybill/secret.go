package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/engine"
	"waybill/record"
)

func (m *Main) secret() *cobra.Command {
	c := &cobra.Command{
		Use: "secret", Short: "seal, list and remove the secrets of connections",
		Long: `Secrets live sealed in the book. A connection's secret is named CONNECTION.SECRET, as in payments.webhook_secret;
"waybill doctor" says which are missing. The value is read from standard input, never from the command line.`,
		Example: "  waybill secret set payments.webhook_secret --env production < webhook-secret.txt",
	}
	var where bookFlags
	var keep bool
	set := &cobra.Command{
		Use: "set NAME", Short: "seal a secret; its value is read from standard input", Args: exactly(1, "one name"),
		RunE: func(c *cobra.Command, args []string) error {
			value, err := readValue(m.Stdin)
			if err != nil {
				return err
			}
			return m.doLocal(c.Context(), where, "secret-set", localAct{Name: args[0], Value: value, Keep: keep}, "")
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
	c := &cobra.Command{Use: "user", Short: "people who may sign in: add, list, remove, sign-in link"}
	var where bookFlags
	var role string
	add := &cobra.Command{
		Use: "add NAME", Short: "add a person; prints a link that signs them in once, within three days", Args: exactly(1, "one name"),
		RunE: func(c *cobra.Command, args []string) error {
			return m.doLocal(c.Context(), where, "user-add", localAct{Name: args[0], Role: role}, "")
		},
	}
	add.Flags().StringVar(&role, "role", "operator", "viewer, operator or admin")
	list := m.localList(&where, "list people and tokens", "user-list", "Nobody has been added yet.", "name", "role")
	remove := &cobra.Command{
		Use: "remove NAME", Short: "take a person's or token's way in, at once", Args: exactly(1, "one name"),
		RunE: func(c *cobra.Command, args []string) error {
			return m.doLocal(c.Context(), where, "user-remove", localAct{Name: args[0]}, args[0]+" cannot come in any more.")
		},
	}
	link := &cobra.Command{
		Use: "link", Short: "print a link that signs in the admin once, within 15 minutes", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			return m.doLocal(c.Context(), where, "sign-in", localAct{}, "")
		},
	}
	for _, sub := range []*cobra.Command{add, list, remove, link} {
		where.add(m, sub)
		c.AddCommand(sub)
	}
	return c
}

// bookFlags say which book a command means.
type bookFlags struct{ dir, database, env string }

func (f *bookFlags) add(m *Main, c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", m.env("WAYBILL_DIR", "."), "the workspace's folder")
	c.Flags().StringVar(&f.database, "database", m.Getenv("WAYBILL_DATABASE"), "the book: sqlite:PATH or postgres://user@host/name; in .waybill of the workspace when empty")
	c.Flags().StringVar(&f.env, "env", m.env("WAYBILL_ENV", "offline"), "offline, test or production")
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

// doLocal does an owner's act and prints what it says.
func (m *Main) doLocal(ctx context.Context, f bookFlags, act string, in localAct, otherwise string) error {
	lines, err := m.actLocally(ctx, f, act, in)
	if err != nil {
		return err
	}
	for _, text := range lines {
		fmt.Fprintln(m.Stdout, text)
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
	return l.patiently().act(ctx, act, in)
}

// readValue reads one secret from standard input, without its line end.
func readValue(r io.Reader) (string, error) {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprint(os.Stderr, "Value (then Enter): ")
		}
	}
	text, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	text = strings.TrimRight(text, "\r\n")
	if strings.TrimSpace(text) == "" {
		return "", &waybill.Error{Kind: waybill.Invalid, Message: "the value is empty", Hint: "give it on standard input: waybill secret set NAME < file"}
	}
	return text, nil
}

// changeSecret seals a value; with keep the old one still proves senders.
func (o *opened) changeSecret(ctx context.Context, in localAct) ([]string, error) {
	if in.Name == "" || strings.ContainsAny(in.Name, " \t\n/") {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf("%q is no name for a secret", in.Name), Hint: "write it as connection.secret"}
	}
	var lines []string
	if in.Value != strings.TrimSpace(in.Value) {
		lines = append(lines, "Note: the value begins or ends with white space; pasted secrets often do by mistake.")
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
	if err := o.setSecret(ctx, in.Name, in.Value, owner); err != nil {
		return nil, err
	}
	return append(lines, in.Name+" is sealed."), nil
}

func (o *opened) secretNames(ctx context.Context) (list []string, err error) {
	err = o.book.View(ctx, func(tx *record.Tx) (err error) { list, err = tx.SecretNames(); return err })
	return list, err
}
