// Command bench measures Waybill beside references in the same run, prints a table and writes JSON.
//
// The work is the one the project's figures are stated for: a signed 1.6 KB payment webhook comes in, six fields are mapped
// and one status translated, one POST goes out. Load generator, sink and system share the machine. Nothing here asserts a
// figure: a benchmark is no test.
//
//	go run ./bench                            all of it, about 12 minutes
//	go run ./bench -list                      its parts and how long each takes
//	go run ./bench -only one,river            some of it
//	go run ./bench -events 2000 -steady 5s    a quick look
//	go run ./bench -only book,backlog -book 1000000 -backlog 1000000    the long ones, as they are stated
//
// The reference beside it is a service written by hand on River (bench/river, a module of its own, so that Waybill does not
// depend on it). PostgreSQL is started by the bench itself, durable, and thrown away.
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
	"slices"
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
	river       string
	backlog     int
	book        int
}

// result is one row of the table.
type result struct {
	Part       string  `json:"part"`
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
	Failed     int     `json:"failed"`
	Note       string  `json:"note,omitempty"`
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
	flag.StringVar(&s.river, "river", "", "the River service of bench/river, built; built when empty")
	flag.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of the server's full-speed run here")
	flag.StringVar(&s.only, "only", "", "measure only these parts, with commas between; -list names them")
	flag.IntVar(&s.backlog, "backlog", 100_000, "events of the backlog; 1000000 for the figure that is stated")
	flag.IntVar(&s.book, "book", 100_000, "events of the book, each with a customer of its own; 1000000 for the figure that is stated")
	profile := flag.String("stages", "", "tell where the CPU time went, from a profile of so many -events that -cpuprofile wrote")
	list := flag.Bool("list", false, "list the parts and about how long a round of each takes")
	flag.Parse()
	if *profile != "" {
		if err := tell(*profile, s.events); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *list {
		for _, p := range parts(s) {
			fmt.Printf("  %-14s %s\n", p.name, p.takes)
		}
		return
	}
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure is one run of a part.
type measure func(ctx context.Context, s settings, dir string) (result, error)

// beside is how long runs beside a connection that hangs take: by default twice as long as one of its calls, so that calls end, are
// looked into and tried again in them.
func (s settings) beside() time.Duration { return 4 * s.steady }

// part is what can be measured by itself.
type part struct {
	name  string
	takes string // about, on two cores, each round
	run   measure
}

func parts(s settings) []part {
	steady := fmt.Sprintf("one effect, at %d/s", s.rate)
	list := []part{
		{"http", "1 s", referenceHTTP},
		{"sqlite", "2 s", referenceSQLite},
		{"river", "15 s", measured(riverPostgres, "one effect", 1, flatOut)},
		{"river-steady", s.steady.String(), measured(riverPostgres, steady, 1, steadily)},
		{"intake", "5 s", measured(waybillSQLite, "intake first, 3 x connections", 0, crowded)},
		{"one", "10 s", measured(waybillSQLite, "one effect", 1, flatOut)},
		{"two", "15 s", measured(waybillSQLite, "two effects", 2, flatOut)},
		{"steady", s.steady.String(), measured(waybillSQLite, steady, 1, steadily)},
		{"pg", "15 s", measured(waybillPostgres, "one effect", 1, flatOut)},
		{"pg-intake", "10 s", measured(waybillPostgres, "intake first, 3 x connections", 0, crowded)},
		{"pg-steady", s.steady.String(), measured(waybillPostgres, steady, 1, steadily)},
		{"hang-not", s.beside().String(), hang(0)},
		{"hang", s.beside().String(), hang(30 * time.Second)},
		{"backlog", "2 min for 100,000", backlog},
		{"book", "1 min for 100,000", book},
	}
	if s.only == "" {
		return list
	}
	wanted := strings.Split(s.only, ",")
	return slices.DeleteFunc(list, func(p part) bool { return !slices.Contains(wanted, p.name) })
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "waybill-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if s.binary == "" {
		s.binary = filepath.Join(dir, "waybill")
		if err := build(ctx, ".", "./cmd/waybill", s.binary); err != nil {
			return err
		}
	}
	list := parts(s)
	if s.river == "" && slices.ContainsFunc(list, func(p part) bool { return strings.HasPrefix(p.name, "river") }) {
		s.river = filepath.Join(dir, "river")
		if err := build(ctx, filepath.Join("bench", "river"), ".", s.river); err != nil {
			return err
		}
	}
	// The rounds go around the parts, so that a machine that grows faster or slower meanwhile does so for all of them.
	measured, failed := map[string][]result{}, map[string]bool{}
	for round := range s.rounds {
		for _, p := range list {
			if failed[p.name] || round > 0 && p.long() {
				continue
			}
			r, err := once(ctx, s, p, dir)
			if err != nil {
				failed[p.name] = true
				fmt.Fprintf(os.Stderr, "bench: %s is left out: %v\n", p.name, err)
				continue
			}
			measured[p.name] = append(measured[p.name], r)
		}
	}
	var rows []result
	for _, p := range list {
		if !failed[p.name] {
			rows = append(rows, median(measured[p.name]))
		}
	}
	if err := show(rows, s); err != nil {
		return err
	}
	return write(rows, s)
}

// long parts are measured once: they compare with themselves.
func (p part) long() bool { return p.name == "backlog" || p.name == "book" }

// once measures a part.
func once(ctx context.Context, s settings, p part, dir string) (result, error) {
	sub := filepath.Join(dir, "parts", p.name)
	if err := os.MkdirAll(sub, 0o750); err != nil {
		return result{}, err
	}
	r, err := p.run(ctx, s, sub)
	if err != nil {
		return result{}, err
	}
	r.Part = p.name
	fmt.Fprintf(os.Stderr, "bench: %s: %.0f acks/s, %.0f end to end/s, %.2f CPU s per 1,000\n", p.name, r.Acks, r.EndToEnd, r.CPU)
	return r, os.RemoveAll(sub)
}

func build(ctx context.Context, dir, what, to string) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", to, what)
	c.Dir, c.Stderr = dir, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	return nil
}

// show prints the figures as a table.
func show(rows []result, s settings) error {
	fmt.Printf("\n%s. %d connections, 1.6 KB signed payment webhooks; medians of %d; generator and sink share the machine.\n\n", conditions(), s.connections, s.rounds)
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "system\twork\tacks/s\tend to end/s\tack p50 ms\tp99\te2e p50 ms\tp99\tCPU s/1000\tMiB\twrites/event\tKiB/event\tfailed\tlost\tdoubled\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%.2f\t%.1f\t%s\t%s\t%.2f\t%.0f\t%s\t%s\t%d\t%d\t%d\t\n", r.System, r.Work, r.Acks, or(r.EndToEnd, "%.0f"),
			r.AckP50, r.AckP99, or(r.E2EP50, "%.2f"), or(r.E2EP99, "%.1f"), r.CPU, r.MemoryMiB, or(r.Writes, "%.1f"), or(r.WrittenKiB, "%.1f"), r.Failed, r.Lost, r.Doubled)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Note != "" {
			fmt.Printf("\n%s: %s.", r.Work, r.Note)
		}
	}
	fmt.Println()
	by := map[string]result{}
	for _, r := range rows {
		by[r.Part] = r
	}
	ratio := func(words string, a, b float64) {
		if a > 0 && b > 0 {
			fmt.Printf("\n%s: %.2f", words, a/b)
		}
	}
	ratio("One effect end to end, of River on PostgreSQL", by["one"].EndToEnd, by["river"].EndToEnd)
	ratio("One effect end to end on PostgreSQL, of River on PostgreSQL", by["pg"].EndToEnd, by["river"].EndToEnd)
	ratio("One effect end to end, of bare batched SQLite inserts", by["one"].EndToEnd, by["sqlite"].Acks)
	ratio("Intake, of bare batched SQLite inserts", by["intake"].Acks, by["sqlite"].Acks)
	ratio("Intake, of a bare net/http answer", by["intake"].Acks, by["http"].Acks)
	ratio("A backlog's drain, of one effect end to end", by["backlog"].EndToEnd, by["one"].EndToEnd)
	ratio("CPU at full speed, of River on PostgreSQL", by["one"].CPU, by["river"].CPU)
	ratio("p99 beside a connection that hangs, of that beside one that answers", by["hang"].E2EP99, by["hang-not"].E2EP99)
	fmt.Println()
	return nil
}

// conditions says where the figures are from.
func conditions() string {
	words := []string{runtime.GOOS + "/" + runtime.GOARCH, fmt.Sprintf("%d CPUs", runtime.NumCPU()), runtime.Version()}
	for _, name := range []string{"/proc/sys/kernel/osrelease", "/proc/loadavg"} {
		if b, err := os.ReadFile(name); err == nil {
			words = append(words, strings.TrimSpace(string(b)))
		}
	}
	if found, _ := filepath.Glob("/usr/lib/postgresql/*"); len(found) > 0 {
		words = append(words, "PostgreSQL "+filepath.Base(slices.Max(found)))
	}
	return strings.Join(words, ", ")
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
		"conditions": map[string]any{"machine": conditions(), "events": s.events, "connections": s.connections, "rounds": s.rounds, "steady_rate": s.rate, "at": time.Now().UTC().Format(time.RFC3339)},
		"rows":       rows,
	}, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(s.out, "bench-"+strings.ReplaceAll(time.Now().UTC().Format(time.RFC3339), ":", "")+".json")
	fmt.Println("\nWritten to", name)
	return os.WriteFile(name, b, 0o600)
}
