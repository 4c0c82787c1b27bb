package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"waybill/record"
)

func (m *Main) move() *cobra.Command {
	var where bookFlags
	var to string
	c := &cobra.Command{
		Use: "move [dir]", Short: "carry a book over from its SQLite file into a PostgreSQL database", Args: atMostDir,
		Long: `move carries a book over from its SQLite file into an empty PostgreSQL database, all of it or nothing: every table is read
back and compared before the move counts. Stop serve first; a book that is served is refused. Afterwards the old file is
marked and not opened any more, and the same key file seals the secrets of the new book.`,
		Example: "  waybill move shop --to postgres://waybill@db.example.com/waybill",
		RunE: func(c *cobra.Command, args []string) error {
			return m.runMove(c.Context(), m.dir(args), where.database, to)
		},
	}
	c.Flags().StringVar(&where.database, "database", "", "the book to move: sqlite:PATH; in .waybill of the workspace when empty")
	c.Flags().StringVar(&to, "to", m.Getenv("WAYBILL_MOVE_TO"), "where to: postgres://user@host/name")
	return c
}

// withoutPassword is a database's address as it may be shown to who gave it.
func withoutPassword(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "its address"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	q.Del("password")
	u.RawQuery = q.Encode()
	return u.String()
}

func (m *Main) runMove(ctx context.Context, dir, from, to string) error {
	if to == "" {
		return usage{errors.New("--to names the PostgreSQL database: postgres://user@host/name")}
	}
	old, err := m.place(dir, from)
	if err != nil {
		return err
	}
	fresh, err := m.place(dir, to)
	if err != nil {
		return err
	}
	if old.file() == "" || fresh.file() != "" {
		return usage{errors.New("a book is moved from an SQLite file to a PostgreSQL database")}
	}
	moved, err := record.Move(ctx, old.database, fresh.database, record.Options{Now: time.Now})
	if err != nil {
		return err
	}
	if moved.Tables == nil {
		fmt.Fprintf(m.Stdout, "The book had been moved to %s before; the old file is marked now.\n", moved.To)
		return nil
	}
	rows := 0
	for _, t := range moved.Tables {
		rows += t.Rows
		fmt.Fprintf(m.Stdout, "  %-20s %9d rows   %s\n", t.Name, t.Rows, t.Sum)
	}
	fmt.Fprintf(m.Stdout, `
The book is in %s now: %d rows, each table read back and found the same.
%s is marked as moved and is not opened any more; keep it until you have a backup of the new book.
Serve it as before, with --database '%s'   (and the key file %s)
`, moved.To, rows, old.file(), withoutPassword(to), old.keyFile)
	return nil
}
