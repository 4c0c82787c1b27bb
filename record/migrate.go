package record

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"waybill"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to this program's, one numbered file after the other, all or nothing, and checks that the
// book is of the environment it is opened for.
func migrate(ctx context.Context, s session, st store, o Options) error {
	err := migrateOnce(ctx, s, st, o)
	for range maxTries {
		if !worthAgain(err) {
			break
		}
		err = migrateOnce(ctx, s, st, o)
	}
	return err
}

func migrateOnce(ctx context.Context, s session, st store, o Options) error {
	if err := s.begin(ctx, true); err != nil {
		return unavailable("opening the book", err)
	}
	if err := bringUp(s, st, o); err != nil {
		_ = s.rollback() // the first error says why
		var broken *storageError
		if errors.As(err, &broken) {
			return unavailable("opening the book", err)
		}
		return err
	}
	if err := s.commit(); err != nil {
		return unavailable("bringing the book up to date", err)
	}
	return nil
}

func bringUp(s session, st store, o Options) error {
	create := "CREATE TABLE IF NOT EXISTS migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, at BIGINT NOT NULL)"
	if _, err := s.exec(create); err != nil {
		return unavailable("opening the book", err)
	}
	if err := st.hold(s); err != nil {
		return unavailable("opening the book", err)
	}
	version := int64(0)
	err := s.query("SELECT coalesce(max(version), 0) FROM migrations", nil, func(r row) error {
		version = r.num(0)
		return nil
	})
	if err != nil {
		return unavailable("opening the book", err)
	}
	files, err := fs.Glob(migrations, "migrations/*.sql") // sorted by name
	if err != nil {
		return err
	}
	newest := int64(0)
	for _, file := range files {
		name := strings.TrimPrefix(file, "migrations/")
		number, _, _ := strings.Cut(name, "_")
		if newest, err = strconv.ParseInt(number, 10, 64); err != nil {
			return fmt.Errorf("migration %s has no number: %w", name, err)
		}
		if newest <= version {
			continue
		}
		if err := step(s, st, file); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
		if _, err := s.exec("INSERT INTO migrations (version, name, at) VALUES ($1, $2, $3)", newest, name, o.Now()); err != nil {
			return err
		}
	}
	if version > newest {
		return &waybill.Error{
			Kind: waybill.Invalid, Message: fmt.Sprintf("the book has schema %d, this waybill knows up to %d", version, newest),
			Hint: "run the newer waybill that wrote it, or restore a backup from before the update",
		}
	}
	if err := refuseMoved(s); err != nil {
		return err
	}
	return pinEnvironment(s, o.Environment)
}

// step runs the statements of one file: they end with a semicolon at the end of a line, and comments with the line.
func step(s session, st store, file string) error {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		code, _, commented := strings.Cut(line, "--")
		b.WriteString(code)
		if commented {
			b.WriteString("\n")
		}
	}
	for _, statement := range strings.SplitAfter(b.String(), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := s.exec(strings.TrimSpace(st.ddl(statement))); err != nil {
			return err
		}
	}
	return nil
}

func pinEnvironment(s session, want string) error {
	if want == "" {
		want = "offline"
		if _, err := s.exec("INSERT INTO book (name, value) VALUES ('environment', $1) ON CONFLICT DO NOTHING", want); err != nil {
			return err
		}
		return nil
	}
	if _, err := s.exec("INSERT INTO book (name, value) VALUES ('environment', $1) ON CONFLICT DO NOTHING", want); err != nil {
		return err
	}
	have := ""
	err := s.query("SELECT value FROM book WHERE name = 'environment'", nil, func(r row) error {
		have = r.text(0)
		return nil
	})
	if err != nil {
		return err
	}
	if have != want {
		return &waybill.Error{
			Kind:    waybill.Invalid,
			Message: fmt.Sprintf("this book is for the environment %q and cannot be opened for %q", have, want),
			Hint:    "give each environment a database of its own; live and test data are never mixed",
		}
	}
	return nil
}

// Environment returns the one the book was created for.
func (tx *Tx) Environment() (string, error) {
	env, _, err := one(tx, "SELECT value FROM book WHERE name = 'environment'", text0)
	return env, err
}
