package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/show"
)

// jobs is the command of bulk work: plan it, look at the plan, try one or ten, let it go.
func (m *Main) jobs() *cobra.Command {
	c := &cobra.Command{
		Use: "jobs", Short: "bulk work with a name: retry, replay, remap, put back",
		Long: `Bulk work is planned before anything happens: the plan says what would be done, what was done already and is not
sent again, what would repeat, and what would fail again. Then a trial of one or ten really does some of it, and go does
the rest, behind the live work. It can be held, and holds itself after repeated problems.`,
		Example: `  waybill jobs plan retry --problem prb_0m5… --dir shop
  waybill jobs plan replay --flow payment-to-crm --since 2026-05-01T00:00:00Z --reason "the stage was wrong" --dir shop
  waybill jobs trial job_0m5… --dir shop
  waybill jobs go job_0m5… --dir shop`,
	}
	c.AddCommand(m.jobsPlan(), m.jobsList(), m.jobsShow())
	for _, act := range []struct{ verb, what string }{
		{"trial", "do some of it really, one or ten, and compare with the plan"},
		{"go", "let all of it go"},
		{"pause", "hold it; what has begun goes on to its end"},
		{"resume", "let it go on"},
		{"stop", "end it; what has begun goes on to its end"},
	} {
		c.AddCommand(m.jobsAct(act.verb, act.what))
	}
	return c
}

// jobFlags are what a plan is asked with.
type jobFlags struct {
	json                              bool
	name, reason, since, until, again string
	flow, connection, typ, state      string
	problem, query                    string
	ids                               []string
	atOnce, inARow, share, afterSome  int
}

func (m *Main) jobsPlan() *cobra.Command {
	var where bookFlags
	var f jobFlags
	c := &cobra.Command{
		Use: "plan KIND | plan --again JOB", Short: "say what would happen; nothing does",
		Long: `KIND is
  retry     what needs a person is tried again
  replay    flows run again for events, on the version of today
  remap     items are read again after a mapping was mended; facts that are known start nothing
  put-back  what was there before is written back, the newest first`,
		RunE: func(c *cobra.Command, args []string) error { return m.runJobsPlan(c.Context(), where, args, f) },
	}
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "print one JSON document")
	flags.StringVar(&f.name, "name", "", "what people call it")
	flags.StringVar(&f.reason, "reason", "", "why; needed for all but retry, and kept with your name")
	flags.StringVar(&f.again, "again", "", "plan what has not begun of this job anew")
	flags.StringVar(&f.flow, "flow", "", "only of this flow")
	flags.StringVar(&f.connection, "connection", "", "only what came from this connection; of put-back: what was written there")
	flags.StringVar(&f.typ, "type", "", "only events of this type; of remap: items, by the provider's own word")
	flags.StringVar(&f.state, "state", "", "only runs that ended so; of remap: items")
	flags.StringVar(&f.problem, "problem", "", "only what this problem holds")
	flags.StringVar(&f.query, "query", "", "anything: an id, order number, e-mail, phone, amount")
	flags.StringVar(&f.since, "since", "", "only from this time on: 2026-05-01T00:00:00Z, or 24h ago as 24h")
	flags.StringVar(&f.until, "until", "", "only before this time")
	flags.StringSliceVar(&f.ids, "id", nil, "only these: events, runs, items or effects; may be given again")
	flags.IntVar(&f.atOnce, "at-once", 0, "so many under way together, at most (4)")
	flags.IntVar(&f.inARow, "hold-after", 0, "it holds itself after so many failures of one cause in a row (5)")
	flags.IntVar(&f.share, "hold-share", 0, "or when more than this share failed, in percent (10)")
	flags.IntVar(&f.afterSome, "hold-from", 0, "once so many have ended (20)")
	where.add(m, c)
	return c
}

// runJobsPlan makes a plan and prints it.
func (m *Main) runJobsPlan(ctx context.Context, where bookFlags, args []string, f jobFlags) (err error) {
	path, in, err := f.request(args, time.Now())
	if err != nil {
		return err
	}
	l, err := m.dial(ctx, m.dir([]string{where.dir}), where.database, where.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	body, err := l.post(ctx, path, in)
	if err != nil {
		return err
	}
	j, err := l.planned(ctx, body)
	if err != nil {
		return err
	}
	if err := m.printJob(ctx, l, j, f.json); err != nil {
		return err
	}
	if j.Plan.Members == 0 && j.State == string(waybill.JobDone) {
		return problem{}
	}
	return nil
}

// request is what a plan asks of the API.
func (f *jobFlags) request(args []string, now time.Time) (string, any, error) {
	if f.again != "" {
		if len(args) > 0 {
			return "", nil, usage{errors.New("--again takes a job and no kind")}
		}
		return "/api/v1/jobs/" + url.PathEscape(f.again) + "/plan", map[string]any{"reason": f.reason}, nil
	}
	if len(args) != 1 {
		return "", nil, usage{errors.New("plan takes one kind: retry, replay, remap or put-back")}
	}
	kind := strings.ReplaceAll(args[0], "-", " ")
	if !slices.Contains(waybill.JobKinds, waybill.JobKind(kind)) {
		return "", nil, usage{fmt.Errorf("there is no kind %q: it is retry, replay, remap or put-back", args[0])}
	}
	filter := map[string]any{}
	for name, value := range map[string]string{
		"flow": f.flow, "connection": f.connection, "type": f.typ, "state": f.state, "problem": f.problem, "query": f.query,
	} {
		if value != "" {
			filter[name] = value
		}
	}
	if len(f.ids) > 0 {
		filter["ids"] = f.ids
	}
	for name, value := range map[string]string{"since": f.since, "until": f.until} {
		if value == "" {
			continue
		}
		t, err := pointInTime(value, now)
		if err != nil {
			return "", nil, usage{fmt.Errorf("--%s: %w", name, err)}
		}
		filter[name] = t
	}
	return "/api/v1/jobs", map[string]any{
		"kind": kind, "name": f.name, "reason": f.reason, "filter": filter,
		"choices": map[string]any{"at_once": f.atOnce, "in_a_row": f.inARow, "share": f.share, "after_some": f.afterSome},
	}, nil
}

// pointInTime reads a time, or how long ago it was.
func pointInTime(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is no time: write 2026-05-01T00:00:00Z, or 24h for a day ago", s)
	}
	return t, nil
}

// toldJob is a job as the API tells it, as far as it is printed.
type toldJob struct {
	ID, Name, Kind, State, Reason, Who string
	Plan                               struct {
		Members int
		Says    []string
		Causes  map[string]int
	}
	Progress struct {
		Says   string
		Of     int
		Counts map[string]int
	}
	Next []string
	raw  []byte
}

func readJob(body []byte) (*toldJob, error) {
	j := &toldJob{raw: body}
	if err := json.Unmarshal(body, j); err != nil {
		return nil, fmt.Errorf("read the job: %w", err)
	}
	return j, nil
}

// planWait is how long the command waits for a large plan.
const planWait = 2 * time.Minute

// planned waits until a job is planned.
func (l *line) planned(ctx context.Context, body []byte) (*toldJob, error) {
	j, err := readJob(body)
	for end := time.Now().Add(planWait); err == nil && j.State == string(waybill.JobPlanning) && l.live && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return j, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		if body, err = l.get(ctx, "/api/v1/jobs/"+j.ID); err == nil {
			j, err = readJob(body)
		}
	}
	return j, err
}

// printJob prints a job: what it is, its plan in sentences, a few of its members, and what can be done next.
func (m *Main) printJob(ctx context.Context, l *line, j *toldJob, asJSON bool) error {
	if asJSON {
		return m.printJSON(j.raw)
	}
	fmt.Fprintf(m.Stdout, "%s  %s\n%s, %s", j.ID, j.Name, j.Kind, j.State)
	if j.Reason != "" {
		fmt.Fprintf(m.Stdout, ": %s", j.Reason)
	}
	fmt.Fprintln(m.Stdout)
	for _, s := range j.Plan.Says {
		fmt.Fprintf(m.Stdout, "  %s\n", s)
	}
	for _, cause := range slices.Sorted(maps.Keys(j.Plan.Causes)) {
		fmt.Fprintf(m.Stdout, "  why: %s (%d)\n", cell(cause), j.Plan.Causes[cause])
	}
	if j.Progress.Of > 0 && j.Progress.Counts["planned"] < j.Progress.Of {
		fmt.Fprintf(m.Stdout, "progress: %s\n", j.Progress.Says)
	}
	if err := m.printMembers(ctx, l, j.ID, url.Values{"limit": {"10"}}); err != nil {
		return err
	}
	if j.State == string(waybill.JobRunning) || j.State == string(waybill.JobPlanning) {
		fmt.Fprintf(m.Stdout, "\n%s\n", l.whenItHappens())
		if !l.live {
			return nil
		}
	}
	if len(j.Next) > 0 {
		fmt.Fprintln(m.Stdout)
	}
	for _, verb := range j.Next {
		fmt.Fprintf(m.Stdout, "  waybill jobs %s %s\n", strings.Replace(verb, "plan", "plan --again", 1), j.ID)
	}
	return nil
}

// printMembers prints members of a job as a table.
func (m *Main) printMembers(ctx context.Context, l *line, id string, q url.Values) error {
	body, err := l.get(ctx, "/api/v1/jobs/"+url.PathEscape(id)+"/members?"+q.Encode())
	if err != nil {
		return err
	}
	var page struct {
		Items []struct {
			Object, State, Class, Reason string
			Writes                       []struct {
				Address, Class string
				Old, New       json.RawMessage
			}
		}
		Next string
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return fmt.Errorf("read the members: %w", err)
	}
	if len(page.Items) == 0 {
		return nil
	}
	fmt.Fprintln(m.Stdout)
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MEMBER\tPLAN\tSTATE\tWHY")
	for _, it := range page.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", it.Object, it.Class, it.State, cell(it.Reason))
		for _, x := range it.Writes {
			if len(x.New) > 0 && (x.Class == string(waybill.ClassChanged) || x.Class == string(waybill.ClassBlocked) && len(x.Old) > 0) {
				fmt.Fprintf(w, "\t\t%s was\t%s\n\t\tand would be\t%s\n", x.Address, cell(string(x.Old)), cell(string(x.New)))
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if page.Next != "" {
		fmt.Fprintf(m.Stdout, "\nMore: waybill jobs show %s --after %s\n", id, page.Next)
	}
	return nil
}

func (m *Main) jobsList() *cobra.Command {
	var where bookFlags
	var f listFlags
	c := &cobra.Command{
		Use: "list", Short: "list jobs, newest first", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return m.runList(c.Context(), where, "jobs", f) },
	}
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON document")
	c.Flags().StringVar(&f.state, "state", "", "only in this state: "+strings.Join(show.States("jobs"), ", ")+"; open: all that have not ended")
	c.Flags().IntVar(&f.limit, "limit", 50, "at most so many")
	c.Flags().StringVar(&f.before, "before", "", "those after this one in the list: the cursor of the page before")
	where.add(m, c)
	return c
}

func (m *Main) jobsShow() *cobra.Command {
	var where bookFlags
	var asJSON bool
	var state, class, after string
	limit := 50
	c := &cobra.Command{
		Use: "show JOB", Short: "show one with its plan, its progress and what it is about", Args: exactly(1, "one job"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			l, err := m.dial(c.Context(), m.dir([]string{where.dir}), where.database, where.env)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.close()) }()
			if state != "" || class != "" || after != "" {
				q := url.Values{"state": {state}, "class": {class}, "after": {after}, "limit": {strconv.Itoa(limit)}}
				if !asJSON {
					return m.printMembers(c.Context(), l, args[0], q)
				}
				body, err := l.get(c.Context(), "/api/v1/jobs/"+url.PathEscape(args[0])+"/members?"+q.Encode())
				if err != nil {
					return err
				}
				return m.printJSON(body)
			}
			body, err := l.get(c.Context(), "/api/v1/jobs/"+url.PathEscape(args[0]))
			if err != nil {
				return err
			}
			j, err := readJob(body)
			if err != nil {
				return err
			}
			return m.printJob(c.Context(), l, j, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	c.Flags().StringVar(&state, "state", "", "only members that stand so: planned, begun, waiting, done, failed, blocked, skipped")
	c.Flags().StringVar(&class, "class", "", "only members planned so: blocked, fails, changed, new, same, nothing")
	c.Flags().StringVar(&after, "after", "", "members after this one: the cursor of the page before")
	c.Flags().IntVar(&limit, "limit", limit, "at most so many members, 1 to 200")
	where.add(m, c)
	return c
}

func (m *Main) jobsAct(verb, what string) *cobra.Command {
	var where bookFlags
	var asJSON, changed bool
	var reason string
	var repeats int
	members := 1
	c := &cobra.Command{
		Use: verb + " JOB", Short: what, Args: exactly(1, "one job"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			in := map[string]any{"reason": reason}
			if verb == "trial" {
				in["members"] = members
			}
			if verb == "trial" || verb == "go" {
				in["changed"], in["repeats"] = changed, repeats
			}
			l, err := m.dial(c.Context(), m.dir([]string{where.dir}), where.database, where.env)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.close()) }()
			body, err := l.post(c.Context(), "/api/v1/jobs/"+url.PathEscape(args[0])+"/"+verb, in)
			if err != nil {
				return err
			}
			j, err := readJob(body)
			if err != nil {
				return err
			}
			return m.printJob(c.Context(), l, j, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	c.Flags().StringVar(&reason, "reason", "", "why; kept with your name")
	if verb == "trial" {
		c.Flags().IntVar(&members, "members", members, "how many: one, or ten")
	}
	if verb == "trial" || verb == "go" {
		c.Flags().BoolVar(&changed, "changed", false, "overwrite what was done before with other values")
		c.Flags().IntVar(&repeats, "repeats", 0, "do the messages, payments and additions again that the plan counts: their very number")
	}
	where.add(m, c)
	return c
}
