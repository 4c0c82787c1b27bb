package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/record"
	"waybill/show"
)

func (m *Main) backup() *cobra.Command {
	var where bookFlags
	var to string
	var within time.Duration
	c := &cobra.Command{
		Use: "backup --to FILE", Short: "copy the book, whole, while it is served", Args: exactly(0, "the file by --to, and no arguments"),
		Long: `backup writes the whole book, as it stands at one moment, into one file. A running serve goes on meanwhile. The file is
checked and on stable storage before the command says so, and is readable by its owner only. It holds customers' data in
clear and secrets sealed: keep it as you keep the book, and keep the key file apart from it.

A book in PostgreSQL is backed up with PostgreSQL's own tools; see waybill restore --help for what comes after.`,
		Example: "  waybill backup --dir shop --env production --to /var/backups/shop-monday.db",
		RunE: func(c *cobra.Command, _ []string) error {
			if to == "" {
				return usage{errors.New("say where: --to FILE")}
			}
			ctx, cancel := context.WithTimeout(c.Context(), within)
			defer cancel()
			path, err := filepath.Abs(m.path(to))
			if err != nil {
				return err
			}
			return m.doLocal(ctx, where, "backup", localAct{Name: path}, "")
		},
	}
	c.Flags().StringVar(&to, "to", "", "the file to write; nothing is overwritten")
	c.Flags().DurationVar(&within, "within", time.Hour, "give up after this long: until the copy is done the book's log grows by what is written")
	where.add(m, c)
	return c
}

// path is a file as the command line names it.
func (m *Main) path(name string) string {
	if m.Dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(m.Dir, name)
}

func (m *Main) restore() *cobra.Command {
	var where bookFlags
	var at, reason, erased string
	var mark bool
	c := &cobra.Command{
		Use: "restore FILE", Short: "make a book of a backup", Args: cobra.MaximumNArgs(1),
		Long: `restore makes a book of a backup, in a place where there is none. It refuses a backup of another environment and one
that a newer Waybill wrote; one of an older Waybill is brought up to date when it is first served. Put the key file back,
too: the secrets are sealed with it.

Who was erased after the backup is erased again before there is a book. The list of erasures is kept beside the key file, as
NAME.erased; put both back, or name it with --erasures. Where a backup's book erased people and there is no list, it is refused.

What was sent between the backup and the first start is not known to the book. So effects that cannot be repeated without
harm start as unknown, also for what arrives again: they are looked for, or you are asked. Nothing at all is sent until
somebody has looked and pressed the button on the overview, or run: waybill restore confirm

For a book in PostgreSQL: restore it with PostgreSQL's own tools, then, before anything serves it, say of which moment the
backup is: waybill restore --mark --at 2026-03-01T10:00:00Z --database postgres://…`,
		Example: "  waybill restore /var/backups/shop-monday.db --dir shop --env production\n  waybill restore confirm --dir shop --env production --reason \"compared with the providers' consoles\"",
		RunE: func(c *cobra.Command, args []string) error {
			var moment time.Time
			if at != "" {
				var err error
				if moment, err = time.Parse(time.RFC3339, at); err != nil {
					return usage{fmt.Errorf("--at takes a time such as 2026-03-01T10:00:00Z, not %q", at)}
				}
			}
			if mark {
				if moment.IsZero() || len(args) > 0 {
					return usage{errors.New("--mark takes no file, and --at says of which moment the backup is")}
				}
				return m.doLocal(c.Context(), where, "restore-mark", localAct{Name: at}, "")
			}
			if len(args) != 1 {
				return usage{errors.New("name the file that waybill backup wrote")}
			}
			return m.runRestore(c.Context(), where, m.path(args[0]), moment, erased)
		},
	}
	c.Flags().StringVar(&at, "at", "", "of which moment the backup is, when it does not say so itself")
	c.Flags().StringVar(&erased, "erasures", "", "the list of who was erased; the one beside the key file when empty; none: nobody was since the backup")
	c.Flags().BoolVar(&mark, "mark", false, "the book was restored by its database's own tools: only mark it so")
	where.add(m, c)
	confirm := &cobra.Command{
		Use: "confirm", Short: "let a restored book send again, after you have looked", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			return m.doLocal(c.Context(), where, "restore-confirm", localAct{Value: reason}, "")
		},
	}
	confirm.Flags().StringVar(&reason, "reason", "", "what you looked at; it is kept with the act")
	status := &cobra.Command{
		Use: "status", Short: "say whether the book was restored, what is not known, and whether it sends", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			return m.doLocal(c.Context(), where, "restore-status", localAct{}, "The book was never restored.")
		},
	}
	for _, sub := range []*cobra.Command{confirm, status} {
		where.add(m, sub)
		c.AddCommand(sub)
	}
	return c
}

// comeInAgain is what is to be looked at after a restore, beside what was sent.
const comeInAgain = "Whoever could come in then can again, people and tokens that were taken away since included; all are signed out. Look at them"

func (m *Main) runRestore(ctx context.Context, where bookFlags, file string, at time.Time, erased string) error {
	where.env = cmp.Or(where.env, offline)
	p, err := m.place(m.dir([]string{where.dir}), where.database)
	if err != nil {
		return err
	}
	if m.running(ctx, p) != nil {
		return &waybill.Error{Kind: waybill.Conflict, Message: "a waybill is serving that place", Hint: "stop it first, and move its book away: nothing is overwritten"}
	}
	list, err := m.erasedFor(p, erased)
	if err != nil {
		return err
	}
	r := record.Restoring{From: file, To: p.database, Environment: where.env, At: at, Now: time.Now, Erased: list, Forget: show.OfTheMoment()}
	done, err := record.Restore(ctx, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "The book is at %s, as it stood %s.\n", p.file(), done.BackupAt.Local().Format(time.RFC1123))
	for _, line := range erasedWords(list, p, done.Erased) {
		fmt.Fprintln(m.Stdout, line)
	}
	if _, err := os.Stat(p.keyFile); err != nil {
		fmt.Fprintf(m.Stdout, "Put its key file back at %s: its secrets are sealed with it.\n", p.keyFile)
	}
	fmt.Fprintln(m.Stdout, comeInAgain+": waybill user list --dir "+where.dir+" --env "+where.env)
	fmt.Fprintf(m.Stdout, "\nServe it: waybill serve %s --env %s\nNothing is sent until you have looked at what is not known, on the overview or with:\n  waybill effects list --state unknown --dir %s --env %s\n  waybill restore confirm --dir %s --env %s --reason \"…\"\n",
		where.dir, where.env, where.dir, where.env, where.dir, where.env)
	return nil
}

func (o *opened) backup(ctx context.Context, path string) ([]string, error) {
	if !filepath.IsAbs(path) {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: "a backup needs a file with its whole path"}
	}
	began := time.Now()
	b, err := o.book.Backup(ctx, path, release)
	if err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("%s holds the book as it stood %s: %.1f MiB, checked, on stable storage, in %s.", path, b.At.Local().Format(time.RFC1123),
			float64(b.Bytes)/(1<<20), time.Since(began).Round(time.Millisecond)),
		"Keep the key file apart from it: without the key its secrets cannot be read.",
	}, nil
}

func (o *opened) markRestored(ctx context.Context, at string) ([]string, error) {
	moment, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return nil, err
	}
	err = o.book.Do(ctx, func(tx *record.Tx) error {
		if _, err := tx.MarkRestored(moment); err != nil {
			return err
		}
		for _, name := range show.OfTheMoment() {
			if err := tx.SetSetting(name, nil); err != nil {
				return err
			}
		}
		return tx.Audit(&waybill.Audited{ID: o.ids.New("aud"), At: time.Now(), Who: owner, Action: "mark restored", Object: "book", After: at})
	})
	return []string{
		"The book is marked as restored from a backup of " + at + ". Start serve anew; it sends nothing until you have looked.",
		comeInAgain + ": waybill user list",
	}, err
}

func (o *opened) restoreStatus(ctx context.Context) (lines []string, err error) {
	err = o.book.View(ctx, func(tx *record.Tx) error {
		lines = nil
		r, err := tx.Restored()
		if err != nil || r == nil {
			return err
		}
		lines = append(lines, "The book was "+r.Words()+".")
		switch {
		case r.StartedAt.IsZero():
			lines = append(lines, "It has not been served since.")
		case r.Paused():
			n, err := tx.UnknownEffects()
			if err != nil {
				return err
			}
			lines = append(lines, fmt.Sprintf("%s not known to have happened. Nothing is sent until somebody has looked.", count(n, "effect is", "effects are")))
		default:
			lines = append(lines, fmt.Sprintf("%s let it send again %s.", r.SeenBy, r.SeenAt.Local().Format(time.RFC1123)))
		}
		return nil
	})
	return lines, err
}

// backups says when the book was backed up last; nothing when it never was.
func (o *opened) backups(ctx context.Context) (lines []string, err error) {
	err = o.book.View(ctx, func(tx *record.Tx) error {
		lines = nil
		b, err := tx.LastBackup()
		if err != nil || b == nil {
			return err
		}
		text, err := json.Marshal(b)
		lines = append(lines, string(text))
		return err
	})
	return lines, err
}

// examineBackups says when the book was backed up last, and whether a restore waits for a person.
func examineBackups(ctx context.Context, p *patient, l *line, where bookFlags) {
	if lines, err := l.act(ctx, "restore-status", localAct{}); err == nil && len(lines) > 0 {
		if text := strings.Join(lines, " "); strings.Contains(text, "Nothing is sent") || strings.Contains(text, "not been served") {
			p.ill(text, "look at what is not known, then: waybill restore confirm --reason \"…\" --dir "+where.dir+" --env "+where.env)
		} else {
			p.fine("%s", text)
		}
	}
	lines, err := l.act(ctx, "backups", localAct{})
	switch {
	case err != nil:
	case len(lines) == 0:
		if where.env != offline {
			p.note("the book was never backed up with waybill backup", "waybill backup --to FILE --dir "+where.dir+" --env "+where.env)
		}
	default:
		var b waybill.Backup
		if json.Unmarshal([]byte(lines[0]), &b) == nil {
			p.fine("the last backup is of %s", b.At.Local().Format(time.RFC1123))
		}
	}
}

// patiently is the line without an end of its own: the context bounds what is done.
func (l *line) patiently() *line {
	slow := *l
	slow.client = &http.Client{Transport: l.client.Transport}
	return &slow
}
