package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// poolerKeep runs the pooler for as long as its standard input is open, as keep does the server.
const poolerKeep = `
dir=$1
"$2" "$dir/pgbouncer.ini" >>"$dir/log" 2>&1 &
pooler=$!
read -r _
kill -TERM $pooler
wait $pooler
cd /; rm -rf "$dir"
`

// Pooled gives a test an empty database of its own, and its address behind a pgBouncer that hands connections out by
// transaction, beside that of the server itself. Few connections are shared by all, so that each transaction gets whichever
// is free. Where there is no pgBouncer the test is skipped, saying so; with WAYBILL_TEST_POOLER=required it fails.
func Pooled(tb testing.TB) (pooled, direct string) {
	tb.Helper()
	s := shared(tb)
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		bin = "/usr/sbin/pgbouncer"
		_, err = os.Stat(bin)
	}
	if err != nil {
		if os.Getenv("WAYBILL_TEST_POOLER") == "required" {
			tb.Fatalf("no pgBouncer for the test: install the package pgbouncer: %v", err)
		}
		tb.Skipf("no pgBouncer for the test: install the package pgbouncer: %v", err)
	}
	s.mu.Lock()
	s.n++
	name := fmt.Sprintf("pooled%d", s.n)
	s.mu.Unlock()
	s.Exec(tb, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0")
	if pooled, err = s.pool(tb, bin, name); err != nil {
		tb.Fatal(err)
	}
	return pooled, s.DSN(name)
}

// pool starts a pooler before the server and waits until it answers.
func (s *Server) pool(tb testing.TB, bin, database string) (string, error) {
	tb.Helper()
	dir, err := os.MkdirTemp("", "waybill-pool-") //nolint:usetesting // a socket needs a short path, and its owner is another
	if err != nil {
		return "", err
	}
	conf := fmt.Sprintf(`[databases]
%s = host=%s dbname=%s user=waybill
[pgbouncer]
listen_port = 6432
unix_socket_dir = %s
auth_type = any
pool_mode = transaction
default_pool_size = 4
server_check_delay = 1
ignore_startup_parameters = extra_float_digits
`, database, s.dir, database, dir)
	err = errors.Join(os.WriteFile(filepath.Join(dir, "pgbouncer.ini"), []byte(conf), 0o644), s.own(dir)) //nolint:gosec // read by another user
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	in, out, err := os.Pipe()
	if err != nil {
		return "", err
	}
	c := s.unprivileged("/bin/sh", "-c", poolerKeep, "sh", dir, bin)
	c.Stdin, c.Dir = in, dir
	if err := c.Start(); err != nil {
		return "", errors.Join(err, in.Close(), out.Close())
	}
	tb.Cleanup(func() {
		_ = out.Close()
		_ = c.Wait()
	})
	dsn := fmt.Sprintf("postgres:///%s?host=%s&port=6432&user=waybill", database, dir)
	err = in.Close()
	for range 200 {
		var conn *pgconn.PgConn
		if conn, err = pgconn.Connect(context.Background(), dsn); err == nil {
			return dsn, conn.Close(context.Background())
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	return "", fmt.Errorf("the pooler does not answer: %w: %s", err, log)
}
