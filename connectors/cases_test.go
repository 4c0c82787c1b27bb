package connectors_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
	"waybill/connectors"
	"waybill/expr"
	"waybill/source"
	"waybill/translate"
)

var update = flag.Bool("update", false, "write what comes out into the cases, to be read before it is committed")

func environment(tb testing.TB) *expr.Env {
	tb.Helper()
	env, err := expr.NewEnv(expr.Config{Zone: "Asia/Kolkata", Region: "IN", Currency: "INR"})
	if err != nil {
		tb.Fatal(err)
	}
	return env
}

func loadManifest(tb testing.TB, name string) *connector.Manifest {
	tb.Helper()
	file := name + "/manifest.yaml"
	text, err := fs.ReadFile(connectors.All(), file)
	if err != nil {
		tb.Fatal(err)
	}
	m, faults := connector.Parse(file, text, environment(tb))
	if faults.Bad() {
		tb.Fatalf("faults:\n%s", drawn(tb, faults))
	}
	return m
}

func drawn(tb testing.TB, faults source.Faults) string {
	tb.Helper()
	var out strings.Builder
	err := source.Render(&out, faults, func(file string) []byte {
		text, _ := fs.ReadFile(connectors.All(), file)
		return text
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out.String()
}

func TestEveryManifestIsWithoutFault(t *testing.T) {
	for _, name := range connectors.Names {
		m := loadManifest(t, name)
		if _, faults := connector.Load(connectors.All(), name, environment(t)); len(faults) > 0 {
			t.Errorf("how %s is played has faults:\n%s", name, drawn(t, faults))
		}
		if m.Name != name {
			t.Errorf("the folder %s holds the connector %s", name, m.Name)
		}
		if len(m.Actions) > 0 && m.BaseURL["all"] == "" && m.BaseURL["production"] == "" {
			t.Errorf("%s has actions but no address", name)
		}
		card := m.Card()
		for _, a := range card.Does {
			if a.Again == "" || a.Undo == "" {
				t.Errorf("the card of %s %s does not say what sending again or undoing means", name, a.Name)
			}
		}
	}
}

func TestEveryMappingMakesAnEventOfTheCatalogue(t *testing.T) {
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range connectors.Names {
		_, faults := translate.New(loadManifest(t, name), c, translate.Options{})
		for _, f := range faults {
			t.Error(f)
		}
	}
}

// TestCases runs the cases of every connector. A case is a txtar file: what it shows as a comment, then either an
// arrival (headers, body.json, fetched.json) with what it comes to (items, and of each item its result), or an action
// (action, input.json, key) with the request it makes, and answers with what they prove.
func TestCases(t *testing.T) {
	for _, name := range connectors.Names {
		files, err := filepath.Glob(filepath.Join(name, "cases", "*.txtar"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no cases", name)
		}
		m := loadManifest(t, name)
		for _, file := range files {
			t.Run(strings.TrimSuffix(file, ".txtar"), func(t *testing.T) { runCase(t, m, file) })
		}
	}
}

type testCase struct {
	t        *testing.T
	m        *connector.Manifest
	archive  *archive
	settings map[string]string
	changed  bool
}

func runCase(t *testing.T, m *connector.Manifest, file string) {
	t.Helper()
	a, err := readArchive(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(a.comment) == "" {
		t.Error("the case does not say what it shows")
	}
	c := &testCase{t: t, m: m, archive: a}
	own := map[string]string{}
	c.read("settings.json", &own)
	c.settings = m.Defaults(own)
	if c.file("action") != nil {
		c.action()
	} else {
		c.arrival()
	}
	if *update && c.changed {
		if err := os.WriteFile(file, a.format(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *testCase) file(name string) []byte {
	for _, f := range c.archive.files {
		if f.name == name {
			return bytes.TrimSpace(f.data)
		}
	}
	return nil
}

func (c *testCase) read(name string, into any) {
	c.t.Helper()
	if text := c.file(name); text != nil {
		if err := json.Unmarshal(text, into); err != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
	}
}

func (c *testCase) object(name string) map[string]any {
	c.t.Helper()
	text := c.file(name)
	if text == nil {
		return nil
	}
	value, err := connector.DecodeJSON(text)
	if err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
	object, _ := value.(map[string]any)
	return object
}

// expect compares what came out with a file of the case.
func (c *testCase) expect(name, got string) {
	c.t.Helper()
	got = strings.TrimSpace(got)
	if *update {
		if string(c.file(name)) != got {
			c.changed = true
			at := slices.IndexFunc(c.archive.files, func(f member) bool { return f.name == name })
			if at < 0 {
				c.archive.files, at = append(c.archive.files, member{name: name}), len(c.archive.files)
			}
			c.archive.files[at].data = []byte(got + "\n")
		}
		return
	}
	if diff := cmp.Diff(string(c.file(name)), got); diff != "" {
		c.t.Errorf("%s (-case +got):\n%s", name, diff)
	}
}

func (c *testCase) expectJSON(name string, got any) {
	c.t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		c.t.Fatal(err)
	}
	c.expect(name, string(text))
}

// arrival runs a case of what comes in.
func (c *testCase) arrival() {
	c.t.Helper()
	headers := map[string]string{}
	var lines []waybill.Header
	for line := range strings.Lines(string(c.file("headers"))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		headers[strings.ToLower(name)] = value
		lines = append(lines, waybill.Header{Name: name, Value: value})
	}
	value, err := connector.DecodeBody(c.m.Webhook.Format, c.file("body.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	items := c.m.ItemsOf(connector.Incoming{Body: value, Headers: headers, Settings: c.settings})
	var said strings.Builder
	for _, item := range items {
		fmt.Fprintf(&said, "%s key=%s account=%s time=%s at=%s\n", item.Type, item.Key, item.Account, item.Time.Format(time.RFC3339Nano), item.Pointer)
	}
	c.expect("items", said.String())

	events, err := catalogue.Load()
	if err != nil {
		c.t.Fatal(err)
	}
	tr, faults := translate.New(c.m, events.In("IN"), translate.Options{Settings: c.settings})
	if faults.Bad() {
		c.t.Fatal(faults)
	}
	arrival := &waybill.Arrival{Body: c.file("body.json"), Headers: lines}
	for i, item := range items {
		body, err := translate.Read(c.m, arrival)
		if err != nil {
			c.t.Fatal(err)
		}
		in := translate.Input{Item: waybill.Item{
			Connection: c.m.Name, Account: "acc", Type: item.Type, Pointer: item.Pointer, OccurredAt: item.Time,
		}, Body: body}
		c.result("result-"+strconv.Itoa(i+1), tr.Translate(in))
		if fetched := c.object("fetched.json"); fetched != nil {
			in.Fetched = fetched
			c.result("result-"+strconv.Itoa(i+1)+"-fetched", tr.Translate(in))
		}
	}
}

func (c *testCase) result(name string, r translate.Result) {
	c.t.Helper()
	var out strings.Builder
	for _, e := range r.Events {
		fmt.Fprintf(&out, "event %s fact=%s subject=%q at=%s rank=%d revision=%s\n", e.Type, e.FactKey, e.Subject,
			e.OccurredAt.Format(time.RFC3339Nano), e.Rank, e.Revision)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, e.Data, "  ", "  "); err != nil {
			c.t.Fatal(err)
		}
		fmt.Fprintf(&out, "  %s\n", pretty.String())
		for _, key := range e.Search {
			fmt.Fprintf(&out, "  search %s %s\n", key.Kind, key.Value)
		}
	}
	for _, s := range r.Settles {
		fmt.Fprintf(&out, "settles %s %s remote=%s message=%s reason=%q\n", s.Reference, s.State, s.Remote, s.Message, s.Reason)
	}
	if r.NeedFetch != nil {
		inputs, _ := expr.EncodeJSON(r.NeedFetch.Inputs)
		fmt.Fprintf(&out, "fetch %s %s as %s\n", r.NeedFetch.Action, inputs, r.NeedFetch.As)
	}
	if r.NotUsed != "" {
		fmt.Fprintf(&out, "not used: %s\n", r.NotUsed)
	}
	if r.Blocked != nil {
		fmt.Fprintf(&out, "blocked: %s: %s\n", r.Blocked.Cause, r.Blocked.Words)
	}
	c.expect(name, out.String())
}

// action runs a case of what is sent.
func (c *testCase) action() {
	c.t.Helper()
	a := c.m.Actions[string(c.file("action"))]
	if a == nil {
		c.t.Fatalf("there is no action %q", c.file("action"))
	}
	call := connector.Call{
		Base: c.m.Base("test", c.settings), Input: c.object("input.json"), Settings: c.settings, Key: string(c.file("key")),
		Planned: time.Date(2026, 10, 1, 10, 0, 0, 0, time.UTC),
	}
	if err := connector.CheckInputs(a, call.Input); err != nil {
		c.t.Fatal(err)
	}
	req, err := c.m.Render(a, call)
	if err != nil {
		c.t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s\n", req.Method, req.URL)
	for _, h := range req.Headers {
		fmt.Fprintf(&out, "%s: %s\n", h.Name, h.Value)
	}
	if len(req.Body) > 0 {
		fmt.Fprintf(&out, "\n%s\n", req.Body)
	}
	c.expect("request", out.String())
	for _, f := range slices.Clone(c.archive.files) {
		name, isAnswer := strings.CutPrefix(f.name, "answer-")
		if !isAnswer {
			continue
		}
		head, body, _ := strings.Cut(string(bytes.TrimSpace(f.data)), "\n")
		status, err := strconv.Atoi(strings.TrimSpace(head))
		if err != nil {
			c.t.Fatalf("%s begins with a status: %v", f.name, err)
		}
		j := c.m.Judge(a, connector.Answer{Status: status, Body: []byte(strings.TrimSpace(body))}, c.settings)
		c.judged("proves-"+name, a, call, j)
		if j.Certainty == waybill.Happened && a.Undo.Do != "" {
			c.undone("undo-"+name, a, call, j.Output)
		}
	}
	if before := c.object("before.json"); before != nil {
		back, err := a.Undo.BackInputs(call, before)
		if err != nil {
			c.t.Fatal(err)
		}
		c.expectJSON("back", back)
	}
}

// undone shows the call that undoes what happened: its action takes the inputs as they come.
func (c *testCase) undone(name string, a *connector.Action, call connector.Call, output any) {
	c.t.Helper()
	in, err := a.Undo.DoInputs(call, output)
	if err != nil {
		c.t.Fatal(err)
	}
	does := c.m.Actions[a.Undo.Do]
	if err := connector.CheckInputs(does, in); err != nil {
		c.t.Error(err)
	}
	text, _ := expr.EncodeJSON(in)
	c.expect(name, fmt.Sprintf("%s %s", does.Name, text))
}

func (c *testCase) judged(name string, a *connector.Action, call connector.Call, j connector.Judged) {
	c.t.Helper()
	var out strings.Builder
	fmt.Fprintf(&out, "%s", j.Certainty)
	if j.Cause != "" {
		fmt.Fprintf(&out, ": %s (%s): %s", j.Cause, j.Code, j.Words)
		if j.Fix != "" {
			fmt.Fprintf(&out, " %s", j.Fix)
		}
	}
	if a.Kind == waybill.KindRead && j.Certainty == waybill.Happened {
		fmt.Fprintf(&out, " found=%v", j.Found)
	}
	if j.Output != nil {
		text, _ := expr.EncodeJSON(j.Output)
		object := a.ObjectOf(call, j.Output)
		fmt.Fprintf(&out, "\n%s\nobject %s key=%s id=%s", text, object.Type, object.Key, object.ID)
		output, _ := j.Output.(map[string]any)
		if _, misfits := a.Output.Conform(output); len(misfits) > 0 {
			c.t.Errorf("%s: the output does not fit its schema: %v", name, misfits)
		}
	}
	c.expect(name, out.String())
}
