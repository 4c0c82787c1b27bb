package record

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
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
		if _, broken := errors.AsType[*storageError](err); broken {
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
	version, done := int64(0), map[int64]bool{}
	err := s.query("SELECT version FROM migrations", nil, func(r row) error {
		version, done[r.num(0)] = max(version, r.num(0)), true
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
		if newest, err = migrationNumber(file); err != nil {
			return err
		}
		if done[newest] { // by number: one that was written beside another may have come after it
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
		return newerBook(version, newest)
	}
	if err := refuseMoved(s, o.moving); err != nil {
		return err
	}
	return pinEnvironment(s, o.Environment)
}

// migrationNumber is the number of a migration's file.
func migrationNumber(file string) (int64, error) {
	number, _, _ := strings.Cut(strings.TrimPrefix(file, "migrations/"), "_")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("migration %s has no number: %w", file, err)
	}
	return n, nil
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
		return otherEnvironment(have, want)
	}
	return nil
}

// PinKey makes a key's name the one that the book is sealed with, unless it has one, and returns which it is.
func (tx *Tx) PinKey(name string) (string, error) {
	if _, err := tx.exec("INSERT INTO book (name, value) VALUES ('key', $1) ON CONFLICT DO NOTHING", name); err != nil {
		return "", err
	}
	pinned, _, err := one(tx, "SELECT value FROM book WHERE name = 'key'", text0)
	return pinned, err
}

// Environment returns the one the book was created for.
func (tx *Tx) Environment() (string, error) {
	env, _, err := one(tx, "SELECT value FROM book WHERE name = 'environment'", text0)
	return env, err
}
