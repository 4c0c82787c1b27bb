package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// postgres is a throw-away server on this machine, durable as in production.
type postgres struct {
	dir string
	cmd *exec.Cmd
}

const postgresSettings = `
listen_addresses = ''
shared_buffers = 512MB
max_wal_size = 4GB
max_connections = 100
fsync = on
synchronous_commit = on
`

// startPostgres makes a cluster and serves it on a socket in its folder. Root hands it to the user nobody, for
// PostgreSQL refuses to run as root.
func startPostgres(ctx context.Context) (*postgres, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return nil, errors.Join(err, errors.New("no PostgreSQL in /usr/lib/postgresql: install the package postgresql, or leave its parts out with -only"))
	}
	slices.Sort(found)
	bin := found[len(found)-1]
	dir, err := os.MkdirTemp("", "waybill-bench-pg-")
	if err != nil {
		return nil, err
	}
	p := &postgres{dir: dir}
	if err := p.begin(ctx, bin); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, nil
}

func (p *postgres) begin(ctx context.Context, bin string) error {
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} // it ends when the bench does, however
	if os.Geteuid() == 0 {
		u, err := user.Lookup("nobody")
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return err
		}
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)} // small numbers
	}
	data := filepath.Join(p.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = as, p.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString(postgresSettings)
	if err := errors.Join(err, conf.Close()); err != nil {
		return err
	}
	var log bytes.Buffer
	p.cmd = exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "-D", data, "-k", p.dir)
	p.cmd.SysProcAttr, p.cmd.Dir, p.cmd.Stderr = as, p.dir, &log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for range 500 {
		ready := exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", p.dir)
		if ready.Run() == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.Join(fmt.Errorf("PostgreSQL does not answer: %s", log.String()), p.end())
}

// address is where a program finds it.
func (p *postgres) address() string { return "postgres:///postgres?host=" + p.dir + "&user=bench" }

func (p *postgres) end() error {
	err := p.cmd.Process.Signal(syscall.SIGINT)
	if err == nil {
		_ = p.cmd.Wait() // how it ends does not matter: it goes with its data
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
