// Command bench measures Waybill beside references in the same run, prints a table and writes JSON.
//
// The work is the one the project's figures are stated for: a signed 1.6 KB payment webhook comes in, six fields are mapped
// and one status translated, one POST goes out. Load generator, sink and system share the machine. Nothing here asserts a
// figure: a benchmark is no test.
//
//	go run ./bench              all of it, a few minutes
//	go run ./bench -events 2000 -steady 5s    a quick look
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

type settings struct {
	events      int
	connections int
	rate        int
	steady      time.Duration
	rounds      int
	out         string
	binary      string
	profile     string
	only        string
}

// result is one row of the table.
type result struct {
	System     string  `json:"system"`
	Work       string  `json:"work"`
	Acks       float64 `json:"acks_per_s"`
	EndToEnd   float64 `json:"end_to_end_per_s,omitempty"`
	AckP50     float64 `json:"ack_p50_ms"`
	AckP99     float64 `json:"ack_p99_ms"`
	E2EP50     float64 `json:"e2e_p50_ms,omitempty"`
	E2EP99     float64 `json:"e2e_p99_ms,omitempty"`
	CPU        float64 `json:"cpu_s_per_1000"`
	MemoryMiB  float64 `json:"memory_mib"`
	Writes     float64 `json:"write_calls_per_event,omitempty"`
	WrittenKiB float64 `json:"written_kib_per_event,omitempty"`
	Lost       int     `json:"lost"`
	Doubled    int     `json:"doubled"`
}

func main() {
	var s settings
	flag.IntVar(&s.events, "events", 20_000, "events of a run as fast as the connections go")
	flag.IntVar(&s.connections, "connections", 64, "keep-alive connections of the generator")
	flag.IntVar(&s.rate, "rate", 200, "events a second of the steady run")
	flag.DurationVar(&s.steady, "steady", 15*time.Second, "length of the steady run")
	flag.IntVar(&s.rounds, "rounds", 3, "runs of each; the median counts")
	flag.StringVar(&s.out, "out", "bench/results", "where the JSON is written")
	flag.StringVar(&s.binary, "binary", "", "a waybill to measure; built from here when empty")
	flag.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of the server's full-speed run here")
	flag.StringVar(&s.only, "only", "", "measure only this: http, sqlite, intake, one, two or steady")
	flag.Parse()
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "waybill-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if s.binary == "" {
		s.binary = filepath.Join(dir, "waybill")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", s.binary, "./cmd/waybill")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build waybill: %w", err)
		}
	}
	var rows []result
	measures := []struct {
		name string
		run  func(context.Context, settings, string) (result, error)
	}{
		{"http", referenceHTTP},
		{"sqlite", referenceSQLite},
		{"intake", intakeOnly},
		{"one", func(ctx context.Context, s settings, dir string) (result, error) { return fullSpeed(ctx, s, dir, 1) }},
		{"two", func(ctx context.Context, s settings, dir string) (result, error) { return fullSpeed(ctx, s, dir, 2) }},
		{"steady", steadyRate},
	}
	for _, measure := range measures {
		if s.only != "" && s.only != measure.name {
			continue
		}
		var list []result
		for round := range s.rounds {
			sub := filepath.Join(dir, fmt.Sprintf("%d-%d", len(rows), round))
			if err := os.MkdirAll(sub, 0o750); err != nil {
				return err
			}
			r, err := measure.run(ctx, s, sub)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "bench: %s, %s: %.0f acks/s, %.0f end to end/s\n", r.System, r.Work, r.Acks, r.EndToEnd)
			list = append(list, r)
			_ = os.RemoveAll(sub)
		}
		rows = append(rows, median(list))
	}
	if err := show(rows, s); err != nil {
		return err
	}
	return write(rows, s)
}

// show prints the figures as a table.
func show(rows []result, s settings) error {
	fmt.Printf("\n%s, %d CPUs, %s. %d connections, 1.6 KB signed payment webhooks; medians of %d.\n\n", runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), runtime.Version(), s.connections, s.rounds)
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "system\twork\tacks/s\tend to end/s\tack p50 ms\tp99\te2e p50 ms\tp99\tCPU s/1000\tMiB\twrites/event\tKiB/event\tlost\tdoubled\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%.2f\t%.1f\t%s\t%s\t%.2f\t%.0f\t%s\t%s\t%d\t%d\t\n", r.System, r.Work, r.Acks, or(r.EndToEnd, "%.0f"),
			r.AckP50, r.AckP99, or(r.E2EP50, "%.2f"), or(r.E2EP99, "%.1f"), r.CPU, r.MemoryMiB, or(r.Writes, "%.1f"), or(r.WrittenKiB, "%.1f"), r.Lost, r.Doubled)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(rows) == 6 && rows[1].Acks > 0 {
		fmt.Printf("\nRatios in this run: intake alone is %.2f of bare batched SQLite inserts and %.3f of a bare net/http answer;\nend to end with one effect is %.2f of bare batched SQLite inserts.\n",
			rows[2].Acks/rows[1].Acks, rows[2].Acks/rows[0].Acks, rows[3].EndToEnd/rows[1].Acks)
	}
	return nil
}

func or(v float64, format string) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func write(rows []result, s settings) error {
	if err := os.MkdirAll(s.out, 0o750); err != nil {
		return err
	}
	b, err := json.MarshalIndent(map[string]any{
		"conditions": map[string]any{"cpus": runtime.NumCPU(), "go": runtime.Version(), "events": s.events, "connections": s.connections, "rounds": s.rounds, "steady_rate": s.rate, "at": time.Now().UTC().Format(time.RFC3339)},
		"rows":       rows,
	}, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(s.out, "bench-"+strings.ReplaceAll(time.Now().UTC().Format(time.RFC3339), ":", "")+".json")
	fmt.Println("\nWritten to", name)
	return os.WriteFile(name, b, 0o600)
}
