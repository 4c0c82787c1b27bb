package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// backlog fills the book while nobody answers at the sink, then opens it and has a person say so, as the next probe may be five
// minutes off: how fast what waits drains, and whether memory stays flat meanwhile.
func backlog(ctx context.Context, s settings, dir string) (result, error) {
	to, err := newSink()
	if err != nil {
		return result{}, err
	}
	if err := workspace(dir, to, 1); err != nil {
		return result{}, err
	}
	to.close()
	srv, err := start(ctx, s, waybillSQLite, dir, to)
	if err != nil {
		return result{}, err
	}
	out, err := asFastAs(ctx, newSigner(), srv.address+"/in/pay", s.backlog, s.connections)
	if err == nil {
		err = to.open()
	}
	if err != nil {
		return result{}, errors.Join(err, srv.kill())
	}
	defer to.close()
	resume := exec.CommandContext(ctx, s.binary, "connections", "resume", "out", "--dir", dir, "--env", "test")
	if said, err := resume.CombinedOutput(); err != nil {
		return result{}, errors.Join(fmt.Errorf("resume: %w: %s", err, said), srv.kill())
	}
	n := len(out.acks)
	memory := [4]float64{}
	before := usageOf(srv.pids()...)
	last, since := -1, time.Now()
	for {
		unique, _ := to.count("/first")
		if unique > last {
			last, since = unique, time.Now()
			quarter := min(3, 4*unique/max(1, n))
			memory[quarter] = max(memory[quarter], usageOf(srv.pids()...).mib)
		}
		if unique >= n || time.Since(since) > 2*time.Minute {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	after := usageOf(srv.pids()...)
	u, err := srv.end()
	if err != nil {
		return result{}, err
	}
	r := resultOf(waybillSQLite, fmt.Sprintf("a backlog of %d drains", n), out, u)
	unique, doubled := to.count("/first")
	r.Lost, r.Doubled = n-unique, doubled
	r.EndToEnd = float64(unique) / to.last.Sub(to.first).Seconds()
	r.CPU = (after.cpu - before.cpu).Seconds() * 1000 / float64(max(1, unique))
	r.Note = fmt.Sprintf("CPU is that of draining; peak MiB by quarter: %.0f %.0f %.0f %.0f", memory[0], memory[1], memory[2], memory[3])
	return r, nil
}

// book writes many events, each of a customer of its own, and compares what the last ones cost with what the first did.
func book(ctx context.Context, s settings, dir string) (result, error) {
	to, err := newSink()
	if err != nil {
		return result{}, err
	}
	defer to.close()
	if err := workspace(dir, to, 1); err != nil {
		return result{}, err
	}
	srv, err := start(ctx, s, waybillSQLite, dir, to)
	if err != nil {
		return result{}, err
	}
	const slices = 10
	g := newSigner()
	all := &sent{at: map[string]time.Time{}, start: time.Now()}
	var cost [slices]float64
	for i := range slices {
		before := usageOf(srv.pids()...)
		out, err := asFastAs(ctx, g, srv.address+"/in/pay", s.book/slices, s.connections)
		if err != nil {
			return result{}, errors.Join(err, srv.kill())
		}
		all.acks, all.failed, all.end = append(all.acks, out.acks...), all.failed+out.failed, out.end
		drained(to, "/first", len(all.acks))
		cost[i] = (usageOf(srv.pids()...).cpu - before.cpu).Seconds() * 1000 / float64(max(1, len(out.acks)))
	}
	u, err := srv.end()
	if err != nil {
		return result{}, err
	}
	r := resultOf(waybillSQLite, fmt.Sprintf("%d events, as many customers", len(all.acks)), all, u)
	r.arrived(to, "/first", all)
	first, last := (cost[0]+cost[1])/2, (cost[slices-2]+cost[slices-1])/2
	size := int64(0)
	if info, err := os.Stat(filepath.Join(dir, ".waybill", "waybill.db")); err == nil {
		size = info.Size()
	}
	r.Note = fmt.Sprintf("CPU s per 1,000: %.2f for the first fifth, %.2f for the last: ratio %.2f; the book takes %.1f KiB an event",
		first, last, last/first, float64(size)/1024/float64(len(all.acks)))
	return r, nil
}

// hang measures the others while one connection, to which every tenth payment goes, answers after 30 s only, or at once.
func hang(wait time.Duration) measure {
	return func(ctx context.Context, s settings, dir string) (result, error) {
		to, err := newSink()
		if err != nil {
			return result{}, err
		}
		defer to.close()
		stuck, err := newSink()
		if err != nil {
			return result{}, err
		}
		defer stuck.close()
		stuck.hang = wait
		if err := workspace(dir, to, 1); err != nil {
			return result{}, err
		}
		if err := beside(dir, stuck); err != nil {
			return result{}, err
		}
		srv, err := start(ctx, s, waybillSQLite, dir, to)
		if err != nil {
			return result{}, err
		}
		out, err := atRate(ctx, newSigner(), srv.address+"/in/pay", s.rate, s.beside())
		if err != nil {
			return result{}, errors.Join(err, srv.kill())
		}
		drained(to, "/first", len(out.acks))
		work := fmt.Sprintf("at %d/s; every tenth goes to a second connection, too", s.rate)
		if wait > 0 {
			work += fmt.Sprintf(", which answers after %s", wait)
		}
		now := usageOf(srv.pids()...)
		now.cpu -= srv.from.cpu
		if err := srv.kill(); err != nil { // nobody waits for those that hang
			return result{}, err
		}
		r := resultOf(waybillSQLite, work, out, now)
		r.arrived(to, "/first", out)
		r.Writes, r.WrittenKiB = 0, 0
		r.Note = "the figures are those of the first connection"
		return r, nil
	}
}

// beside adds a connection and a flow of its own to the workspace.
func beside(dir string, stuck *sink) error {
	out, err := os.ReadFile(filepath.Join(dir, "connections", "out.yaml"))
	if err != nil {
		return err
	}
	flow, err := os.ReadFile(filepath.Join(dir, "flows", "post.yaml"))
	if err != nil {
		return err
	}
	text := string(out)
	if _, rest, ok := strings.Cut(text, "http://"); ok {
		address, _, _ := strings.Cut(rest, "\n")
		text = strings.ReplaceAll(strings.Replace(text, "connection: out", "connection: stuck", 1), address, stuck.address)
	}
	if err := os.WriteFile(filepath.Join(dir, "connections", "stuck.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	other := strings.NewReplacer("flow: post", "flow: tenth", "do: out.", "do: stuck.", "steps:", "when: payment.amount.minor % 10 == 0\nsteps:").Replace(string(flow))
	return os.WriteFile(filepath.Join(dir, "flows", "tenth.yaml"), []byte(other), 0o600)
}
