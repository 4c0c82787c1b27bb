package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// The references run in this process, generator and all, under the same load.

func cpuOfSelf() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// referenceHTTP is a bare net/http handler that reads the body and answers; nothing is stored.
func referenceHTTP(ctx context.Context, s settings, _ string) (result, error) {
	return reference(ctx, s, "bare net/http", "read and answered, nothing stored", func([]byte) error { return nil })
}

// referenceSQLite writes each body as one row, durably, as many in a commit as wait for one.
func referenceSQLite(ctx context.Context, s settings, dir string) (result, error) {
	conn, err := sqlite.OpenConn(filepath.Join(dir, "reference.db"), sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = conn.Close() }() // the folder goes with it
	if err := sqlitex.ExecuteTransient(conn, "PRAGMA synchronous=FULL", nil); err != nil {
		return result{}, err
	}
	if err := sqlitex.ExecuteScript(conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, key TEXT UNIQUE, body BLOB);", nil); err != nil {
		return result{}, err
	}
	type row struct {
		body []byte
		done chan error
	}
	rows := make(chan row, 1024)
	var wg sync.WaitGroup
	wg.Go(func() {
		n := 0
		for first := range rows {
			batch := []row{first}
			for more := true; more && len(batch) < 256; {
				select {
				case r, ok := <-rows:
					if more = ok; ok {
						batch = append(batch, r)
					}
				default:
					more = false
				}
			}
			err := sqlitex.ExecuteTransient(conn, "BEGIN IMMEDIATE", nil)
			for _, r := range batch {
				n++
				if err == nil {
					st := conn.Prep("INSERT INTO t(key, body) VALUES($1, $2)")
					st.BindText(1, "evt_"+strconv.Itoa(n))
					st.BindBytes(2, r.body)
					_, err = st.Step()
					_ = st.Reset()
				}
			}
			if err == nil {
				err = sqlitex.ExecuteTransient(conn, "COMMIT", nil)
			}
			for _, r := range batch {
				r.done <- err
			}
		}
	})
	r, err := reference(ctx, s, "bare SQLite", "one durable row each, batched", func(body []byte) error {
		done := make(chan error, 1)
		rows <- row{body, done}
		return <-done
	})
	close(rows)
	wg.Wait()
	return r, err
}

func reference(ctx context.Context, s settings, system, work string, keep func([]byte) error) (result, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // for the length of the run
	if err != nil {
		return result{}, err
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = keep(body)
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() { _ = server.Serve(l) }() // it ends with the run
	defer func() { _ = server.Close() }()
	g := &signer{secret: []byte(benchSecret), prefix: strconv.FormatInt(time.Now().UnixNano(), 36)}
	before := cpuOfSelf()
	out, err := asFastAs(ctx, g, "http://"+l.Addr().String()+"/in/pay", s.events, s.connections)
	if err != nil {
		return result{}, err
	}
	return result{
		System: system, Work: work, Acks: float64(len(out.acks)) / out.end.Sub(out.start).Seconds(),
		AckP50: percentile(out.acks, .5), AckP99: percentile(out.acks, .99), CPU: (cpuOfSelf() - before).Seconds() * 1000 / float64(s.events),
	}, nil
}
