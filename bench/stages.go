package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// stage is a row: a sample belongs to the first stage of which its stack names a function.
type stage struct {
	name      string
	functions []string
}

var stages = []stage{ //nolint:gochecknoglobals // nothing changes it
	{"collecting garbage", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.sweepone", "runtime.bgscavenge"}},
	{"the book: checkpoints", []string{"sqliteConn).checkpoint"}},
	{"the book: commits, fsync, figures", []string{"record.(*sqliteConn).commit", "record.(*Tx).flush", "record.(*sqliteStore).tend"}},
	{"the book: take in", []string{"engine.(*Engine).TakeIn.func1"}},
	{"the book: understand", []string{"engine.(*Engine).applyUnderstood"}},
	{"the book: send", []string{"engine.(*Engine).send.func1"}},
	{"the book: outcome", []string{"engine.(*Engine).applyOutcome"}},
	{"the book: reads and the rest", []string{"waybill/record."}},
	{"receive and verify", []string{"waybill/receive."}},
	{"translate", []string{"waybill/translate."}},
	{"match, flow, plan", []string{"engine.(*Engine).open", "engine.(*Engine).machine", "engine.(*Engine).ahead"}},
	{"call out", []string{"waybill/deliver.", "net/http.(*persistConn)"}},
	{"the engine's own", []string{"waybill/engine."}},
	{"HTTP server", []string{"net/http.(*conn).serve", "net/http.(*Server)", "net/http.(*connReader)"}},
	{"loading the workspace", []string{"main.(*Main)", "runtime.doInit"}},
	{"the scheduler and the rest of the runtime", []string{""}},
}

// tell says where the CPU time of an event goes, stage by stage, from a profile that -cpuprofile has written.
func tell(profile string, events int) error {
	out, err := exec.Command("go", "tool", "pprof", "-traces", profile).Output() //nolint:noctx,gosec // the profile is the caller's
	if err != nil {
		return fmt.Errorf("read %s: %w", profile, err)
	}
	spent := map[string]time.Duration{}
	var all time.Duration
	var took time.Duration
	var stack []string
	count := func() {
		if took > 0 {
			spent[stageOf(stack)] += took
			all += took
		}
		took, stack = 0, stack[:0]
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case strings.HasPrefix(lines.Text(), "-----"):
			count()
		case len(fields) == 0:
		case took == 0 && len(fields) > 1:
			took, _ = time.ParseDuration(fields[0]) // the head of the text has none
			stack = append(stack, fields[1])
		default:
			stack = append(stack, fields[0])
		}
	}
	count()
	rows := slices.SortedFunc(func(yield func(string) bool) {
		for name := range spent {
			if !yield(name) {
				return
			}
		}
	}, func(a, b string) int { return cmp.Compare(spent[b], spent[a]) })
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "stage\tµs an event\tshare\t")
	for _, name := range rows {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f %%\t\n", name, float64(spent[name].Microseconds())/float64(events), 100*spent[name].Seconds()/all.Seconds())
	}
	fmt.Fprintf(w, "all\t%.0f\t\t\n", float64(all.Microseconds())/float64(events))
	return w.Flush()
}

func stageOf(stack []string) string {
	for _, s := range stages {
		for _, name := range s.functions {
			if slices.ContainsFunc(stack, func(fn string) bool { return strings.Contains(fn, name) }) {
				return s.name
			}
		}
	}
	return ""
}
