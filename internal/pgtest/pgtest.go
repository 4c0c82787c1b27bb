// Package pgtest gives tests a PostgreSQL of their own: one throw-away server for each test process, started when the first
// test asks and stopped when the process ends, however it ends; and a database for each test. It makes no use of a server
// that runs on the machine.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// required is the environment variable that turns a skipped test into a failed one when it is "required".
const required = "WAYBILL_TEST_POSTGRES"

// Database gives a test an empty place for a book on the process's server, and returns its address. It is a schema of its
// own; what an earlier test left there was emptied, because a hundred tables and indexes take far longer to make. Where
// there is no PostgreSQL the test is skipped, saying so; with WAYBILL_TEST_POSTGRES=required it fails.
func Database(tb testing.TB) string {
	tb.Helper()
	s := shared(tb)
	name := s.take()
	if name == "" {
		name = s.make(tb)
	}
	tb.Cleanup(func() { s.giveBack(name) })
	return s.place(name)
}

// Fresh is Database for a test that changes the schema: nobody used the place before, nobody will afterwards.
func Fresh(tb testing.TB) string {
	tb.Helper()
	s := shared(tb)
	return s.place(s.make(tb))
}

func (s *Server) make(tb testing.TB) string {
	tb.Helper()
	s.mu.Lock()
	s.n++
	name := fmt.Sprintf("book%d", s.n)
	s.mu.Unlock()
	s.Exec(tb, "CREATE SCHEMA "+name)
	return name
}

func (s *Server) place(name string) string {
	return s.DSN("postgres") + "&search_path=" + name + "&application_name=" + name
}

func (s *Server) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return ""
	}
	name := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return name
}

// giveBack empties a place for the next test. One that somebody still holds is left alone.
func (s *Server) giveBack(name string) {
	_, err := s.Query(context.Background(), "postgres", `SET lock_timeout = '2s'; DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT tablename AS name FROM pg_tables WHERE schemaname = '`+name+`' AND tablename <> 'migrations' LOOP
			EXECUTE 'DELETE FROM `+name+`.' || r.name;
		END LOOP;
		FOR r IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = '`+name+`' AND last_value IS NOT NULL LOOP
			EXECUTE 'ALTER SEQUENCE `+name+`.' || r.name || ' RESTART';
		END LOOP;
	END $$`)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, name)
}

// Shared returns the process's server, to be asked about and disturbed.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	return shared(tb)
}

// started is the one server of a process.
var started struct { //nolint:gochecknoglobals // a test process has one server, whoever asks first
	once   sync.Once
	server *Server
	err    error
}

func shared(tb testing.TB) *Server {
	tb.Helper()
	started.once.Do(func() { started.server, started.err = start() })
	if started.err != nil {
		if os.Getenv(required) == "required" {
			tb.Fatalf("no PostgreSQL for the test: %v", started.err)
		}
		tb.Skipf("no PostgreSQL for the test: %v", started.err)
	}
	return started.server
}

// Server is a throw-away PostgreSQL server.
type Server struct {
	dir, bin string
	mu       sync.Mutex
	n        int
	free     []string // places that were emptied
	keeper   *os.File // while it is open the server runs
}

// DSN is the address of a database of the server.
func (s *Server) DSN(database string) string {
	return "postgres:///" + database + "?host=" + s.dir + "&user=waybill"
}

// Exec runs statements as an administrator, outside any book.
func (s *Server) Exec(tb testing.TB, text string) {
	tb.Helper()
	if _, err := s.Query(context.Background(), "postgres", text); err != nil {
		tb.Fatal(err)
	}
}

// Query runs statements in a database and returns the first column of what the last one gave.
func (s *Server) Query(ctx context.Context, database, text string) ([]string, error) {
	conn, err := pgconn.Connect(ctx, s.DSN(database))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }() // what was asked is answered
	results, err := conn.Exec(ctx, text).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	var out []string
	for _, row := range results[len(results)-1].Rows {
		out = append(out, string(row[0]))
	}
	return out, nil
}

// Restart stops the server as a crash would, and starts it again.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
}

// Stop ends the server at once, as a crash would.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	_, err := s.keeper.WriteString("stop\n")
	if err := errors.Join(err, s.keeper.Close()); err != nil {
		tb.Fatal(err)
	}
	for range 200 {
		if _, err := os.Stat(filepath.Join(s.dir, "ended")); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	tb.Fatal("the server does not stop")
}

// Start starts a server that was stopped.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
}

// keep runs the server for as long as its standard input is open: when the test process ends in whatever way, the
// server ends with it. A line on it stops the server and leaves the data; its end takes the data away.
const keep = `
dir=$1; bin=$2; after="rm -rf $dir"
rm -f "$dir/ended"
"$bin/postgres" -D "$dir/data" -k "$dir" >>"$dir/log" 2>&1 &
server=$!
if read -r _; then after=; fi
kill -QUIT $server
wait $server
: >"$dir/ended"
cd /; $after
`

// settings keep a server small; nothing of it makes a commit less durable.
const settings = `
listen_addresses = ''
shared_buffers = 32MB
max_connections = 300
fsync = on
full_page_writes = on
synchronous_commit = on
wal_level = replica
max_wal_size = 256MB
log_min_messages = fatal
deadlock_timeout = 200ms
`

// home is where the data lies: in memory where there is room, so that a sync costs nothing. The settings stay those that a
// book asks for; nothing here is to survive a power cut.
func home() string {
	if roomIn(memory) >= 1<<30 {
		return memory
	}
	return ""
}

// memory is the file system that Linux keeps in memory.
const memory = "/dev/shm"

func start() (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(home(), "waybill-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin}
	if err := s.own(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	initdb := s.unprivileged(filepath.Join(bin, "initdb"), "-D", data, "-U", "waybill", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = conf.WriteString(settings)
		err = errors.Join(err, conf.Close())
	}
	if err == nil {
		err = s.run()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// run starts the server under its keeper and waits until it answers.
func (s *Server) run() error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	c := s.unprivileged("/bin/sh", "-c", keep, "sh", s.dir, s.bin)
	c.Stdin = in
	if err := c.Start(); err != nil {
		return errors.Join(err, in.Close(), out.Close())
	}
	s.keeper = out
	if err := errors.Join(in.Close(), c.Process.Release()); err != nil {
		return err
	}
	for range 300 {
		if _, err = s.Query(context.Background(), "postgres", "SELECT 1"); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return fmt.Errorf("the server does not answer: %w: %s", err, log)
}

// binaries finds the folder with initdb and postgres: the newest that the distribution has installed, or that of the path.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("no initdb on this machine: install the package postgresql (%s)", runtime.GOOS)
	}
	return filepath.Dir(path), nil
}
