package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// columns of each list, in order: the API's field and its heading.
var columns = map[string][][2]string{ // a table that nothing changes
	"events":  {{"accepted_at", "ACCEPTED"}, {"id", "EVENT"}, {"type", "TYPE"}, {"subject", "ABOUT"}, {"state", "STATE"}, {"reason", "REASON"}},
	"runs":    {{"created_at", "BEGAN"}, {"id", "RUN"}, {"flow", "FLOW"}, {"event", "EVENT"}, {"state", "STATE"}, {"reason", "REASON"}},
	"effects": {{"planned_at", "PLANNED"}, {"id", "EFFECT"}, {"connection", "CONNECTION"}, {"action", "ACTION"}, {"state", "STATE"}, {"reason", "REASON"}},
	"asks":    {{"asked_at", "ASKED"}, {"run", "RUN"}, {"flow", "FLOW"}, {"state", "STATE"}, {"by", "BY"}, {"question", "QUESTION"}},
	"jobs":    {{"created_at", "MADE"}, {"id", "JOB"}, {"kind", "KIND"}, {"name", "NAME"}, {"state", "STATE"}, {"progress.says", "PROGRESS"}, {"reason", "REASON"}},
	"connections": {
		{"last_in", "LAST IN"},
		{"connection", "CONNECTION"},
		{"standing", "STATE"},
		{"in", "IN 24 H"},
		{"out", "OUT 24 H"},
		{"failed", "FAILED"},
		{"queued", "IN LINE"},
		{"unknown", "UNKNOWN"},
		{"says", "WHY"},
	},
	"problems": {{"last_at", "LAST"}, {"id", "PROBLEM"}, {"cause", "CAUSE"}, {"state", "STATE"}, {"count", "THINGS"}, {"owner", "OWNER"}, {"flows", "FLOWS"}, {"explanation.title", "WHAT"}},
}

// knownState refuses a state that nothing of the list is ever in: an empty list would read as if all were well.
func knownState(kind, state string) error {
	if state == "" || slices.Contains(show.States(kind), state) {
		return nil
	}
	return usage{fmt.Errorf("--state of %s is one of %s, not %q", kind, strings.Join(show.States(kind), ", "), state)}
}

// list is the command of one list: `waybill events list`, `waybill events show ID`.
func (m *Main) list(kind, what string) *cobra.Command {
	c := &cobra.Command{Use: kind, Short: what}
	var where bookFlags
	var f listFlags
	ls := &cobra.Command{
		Use: "list", Short: "list " + what, Args: exactly(0, "no arguments"),
		Example: "  waybill " + kind + " list --dir shop\n  waybill " + kind + " list --dir shop --json",
		RunE:    func(c *cobra.Command, _ []string) error { return m.runList(c.Context(), where, kind, f) },
	}
	flags := ls.Flags()
	flags.BoolVar(&f.json, "json", false, "print one JSON document")
	flags.StringVar(&f.state, "state", "", "only in this state: "+strings.Join(show.States(kind), ", "))
	if kind == "asks" {
		flags.StringVar(&f.who, "for", "", "only those that this person may answer")
	} else {
		flags.StringVar(&f.connection, "connection", "", "only of this connection")
	}
	flags.StringVar(&f.flow, "flow", "", "only of this flow")
	flags.IntVar(&f.limit, "limit", 50, "at most so many")
	flags.StringVar(&f.before, "before", "", "those after this one in the list: the cursor of the page before")
	if kind == "events" {
		flags.StringVar(&f.query, "query", "", "anything: an id, order number, e-mail, phone, amount")
	}
	show := &cobra.Command{
		Use: "show ID", Short: "show one, whole", Args: exactly(1, "one id"),
		RunE: func(c *cobra.Command, args []string) error {
			return m.runShow(c.Context(), where, kind, args[0], f.json)
		},
	}
	show.Flags().BoolVar(&f.json, "json", false, "print one JSON document")
	for _, sub := range []*cobra.Command{ls, show} {
		where.add(m, sub)
		c.AddCommand(sub)
	}
	m.addPresses(c, kind, &where)
	return c
}

type listFlags struct {
	json                                        bool
	state, connection, flow, before, query, who string
	limit                                       int
}

func (m *Main) runList(ctx context.Context, where bookFlags, kind string, f listFlags) (err error) {
	if err := knownState(kind, f.state); err != nil {
		return err
	}
	if f.limit < 1 || f.limit > 200 {
		return usage{errors.New("--limit is from 1 to 200; follow the pages with --before")}
	}
	l, err := m.dial(ctx, m.dir([]string{where.dir}), where.database, where.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	q := url.Values{"limit": {strconv.Itoa(f.limit)}}
	for name, value := range map[string]string{"state": f.state, "connection": f.connection, "flow": f.flow, "before": f.before, "query": f.query, "for": f.who} {
		if value != "" {
			q.Set(name, value)
		}
	}
	body, err := l.get(ctx, "/api/v1/"+kind+"?"+q.Encode())
	if err != nil {
		return err
	}
	if f.json {
		return m.printJSON(body)
	}
	return m.printList(kind, body)
}

// printList prints a list of the API as a table.
func (m *Main) printList(kind string, body []byte) error {
	var page struct {
		Items []map[string]any
		Next  string
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&page); err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	if len(page.Items) == 0 {
		if kind == "asks" {
			kind = "questions"
		}
		fmt.Fprintf(m.Stdout, "No %s.\n", kind)
		return nil
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	var heads []string
	for i, c := range columns[kind] {
		if i == 0 {
			c[1] += time.Now().Format(" (MST)") // the clock of who reads, which need not be the workspace's
		}
		heads = append(heads, c[1])
	}
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, it := range page.Items {
		var cells []string
		for _, c := range columns[kind] {
			cells = append(cells, cell(field(it, c[0])))
		}
		if behind := field(it, "behind"); behind != nil && kind == "runs" {
			cells[len(cells)-1] = "waits behind " + cell(behind)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if page.Next != "" {
		fmt.Fprintf(m.Stdout, "\nMore: --before %s\n", page.Next)
	}
	return nil
}

// field finds a value by its path.
func field(it map[string]any, path string) any {
	first, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return it[first]
	}
	inner, _ := it[first].(map[string]any)
	return field(inner, rest)
}

// cell is a value in a table: times without their date's noise, text cut short.
func cell(v any) string {
	if v == nil {
		return ""
	}
	s := plainly(v)
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.Local().Format("01-02 15:04:05")
	}
	s = strings.Join(strings.Fields(s), " ")
	const most = 70
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// plainly is a value of a document in one text; those of a list are separated by commas.
func plainly(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = fmt.Sprint(one)
	}
	return strings.Join(texts, ", ")
}

// runShow prints one thing, whole: the journey of an event, run or effect, or a problem with what it holds.
func (m *Main) runShow(ctx context.Context, where bookFlags, kind, id string, asJSON bool) (err error) {
	l, err := m.dial(ctx, m.dir([]string{where.dir}), where.database, where.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	path := "/api/v1/events/" + url.PathEscape(id)
	if kind == "problems" {
		path = "/api/v1/problems/" + url.PathEscape(id)
	}
	body, err := l.get(ctx, path)
	if err != nil {
		return &waybill.Error{Kind: waybill.KindOf(err), Message: fmt.Sprintf("%s cannot be shown", id), Hint: "see: waybill " + kind + " list", Err: err}
	}
	if asJSON {
		return m.printJSON(body)
	}
	v, err := readShown(body)
	if err != nil {
		return fmt.Errorf("read what is shown: %w", err)
	}
	if kind == "problems" {
		m.tellProblem(v)
	} else {
		m.tellJourney(v)
	}
	return nil
}

func (m *Main) printJSON(body []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return err
	}
	fmt.Fprintln(m.Stdout, strings.TrimSpace(out.String()))
	return nil
}
