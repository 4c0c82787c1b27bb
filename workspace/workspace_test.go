package workspace_test

import (
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"waybill"
	"waybill/connector"
	"waybill/connectors"
	"waybill/examples"
	"waybill/workspace"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// with returns the sound workspace with some files changed; an empty text removes one.
func with(tb testing.TB, changes map[string]string) fstest.MapFS {
	tb.Helper()
	files := maps.Clone(sound(tb))
	for name, text := range changes {
		if text == "" {
			delete(files, name)
			continue
		}
		files[name] = file(text)
	}
	return files
}

func TestEveryExamplePassesCheckInEveryEnvironment(t *testing.T) {
	for _, name := range examples.Names() {
		for _, env := range []string{workspace.Offline, workspace.Test, workspace.Production} {
			t.Run(name+" "+env, func(t *testing.T) {
				files, err := examples.FS(name)
				if err != nil {
					t.Fatal(err)
				}
				w, faults := workspace.Load(files, workspace.Options{Environment: env, Built: connectors.All()})
				if w == nil || len(faults) > 0 {
					t.Fatalf("faults:\n%s", listed(faults))
				}
				if len(w.Scenarios) == 0 {
					t.Error("the example has no scenario")
				}
			})
		}
	}
}

func TestFlowsOfTheExamplesAreShort(t *testing.T) {
	for _, name := range examples.Names() {
		files, err := examples.FS(name)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := workspace.Load(files, workspace.Options{Environment: workspace.Offline, Built: connectors.All()})
		if w == nil {
			t.Fatalf("%s is refused", name)
		}
		for _, f := range w.Flows {
			text, err := files.Open(f.File)
			if err != nil {
				t.Fatal(err)
			}
			info, err := text.Stat()
			if err != nil {
				t.Fatal(err)
			}
			buffer := make([]byte, info.Size())
			if _, err := text.Read(buffer); err != nil {
				t.Fatal(err)
			}
			if lines := strings.Count(string(buffer), "\n"); lines > 40 {
				t.Errorf("%s has %d lines", f.File, lines)
			}
		}
	}
}

func TestABundleCompilesToTheSameWorkspace(t *testing.T) {
	w, faults := load(t, sound(t))
	if w == nil {
		t.Fatalf("faults:\n%s", listed(faults))
	}
	again, err := workspace.FromBundle(w.Content, workspace.Options{Environment: workspace.Offline})
	if err != nil {
		t.Fatal(err)
	}
	if again.Bundle != w.Bundle || string(again.Content) != string(w.Content) {
		t.Error("the bundle of a bundle is another one")
	}
	if len(again.Flows) != len(w.Flows) || again.Connections["crm"].Manifest.Name != "hubspot" {
		t.Errorf("something is missing: %+v", again)
	}
	same, _ := load(t, with(t, map[string]string{"tests/payment.yaml": "", "README.md": "words"}))
	if same == nil || same.Bundle != w.Bundle {
		t.Error("scenarios and documents change the bundle")
	}
	other, _ := load(t, with(t, map[string]string{"tables/deal-stage.csv": string(sound(t)["tables/deal-stage.csv"].Data) + "returned,closedlost\n"}))
	if other == nil || other.Bundle == w.Bundle {
		t.Error("another table has the same bundle")
	}
}

func TestABundleThatIsNoneIsRefused(t *testing.T) {
	for _, content := range []string{"", "no zip", "PK\x03\x04"} {
		if _, err := workspace.FromBundle([]byte(content), workspace.Options{Environment: workspace.Offline}); err == nil {
			t.Errorf("%q is taken", content)
		}
	}
}

func TestAllFaultsOfAllFilesAreToldAtOnce(t *testing.T) {
	base := sound(t)
	flow := string(base["flows/payment-to-crm.yaml"].Data)
	_, faults := load(t, with(t, map[string]string{
		"flows/payment-to-crm.yaml": strings.Replace(strings.Replace(flow, "owner: finance-ops", "owner: nobody", 1), "crm.deal.update", "crm.deal.updat", 1),
		"connections/crm.yaml":      strings.Replace(string(base["connections/crm.yaml"].Data), "curr", "cur", 1),
		"tables/deal-stage.csv":     "# otherwise: maybe\nkey,value\npaid\n",
		"waybill.yaml":              strings.Replace(string(base["waybill.yaml"].Data), "Kolkata", "Nowhere", 1),
	}))
	seen := map[string]bool{}
	for _, f := range faults {
		seen[f.Span.File] = true
	}
	for _, name := range []string{"flows/payment-to-crm.yaml", "connections/crm.yaml", "tables/deal-stage.csv", "waybill.yaml"} {
		if !seen[name] {
			t.Errorf("no fault of %s is told:\n%s", name, listed(faults))
		}
	}
}

func TestAValueThatCannotBeReadIsToldOnce(t *testing.T) {
	base := sound(t)
	flow := string(base["flows/payment-to-crm.yaml"].Data)
	for _, step := range []string{
		`  - {id: ok, ask: "Ok?", who: finance-ops, within: soon, no_answer: end}`,
		`  - {id: ok, do: crm.deal.update, release: {by_hand: lots}, with: {id: "1", stage: closedwon}}`,
	} {
		_, faults := load(t, with(t, map[string]string{
			"flows/payment-to-crm.yaml": strings.TrimRight(flow, "\n") + "\n" + step + "\n",
			"waybill.yaml":              strings.Replace(string(base["waybill.yaml"].Data), "email: finance@example.com", "email: finance@example.com, people: [asha]", 1),
		}))
		if len(faults) != 1 || faults[0].Code != "E106" {
			t.Errorf("%s: want one fault, got:\n%s", step, listed(faults))
		}
	}
}

func TestABrokenConnectorIsToldOnce(t *testing.T) {
	_, faults := load(t, with(t, map[string]string{"connections/crm.yaml": "connection: crm\nconnector: hubspt\n"}))
	if len(faults) != 1 || faults[0].Code != "E354" {
		t.Errorf("want one fault, got:\n%s", listed(faults))
	}
}

func TestAConnectionIsResolvedForItsEnvironment(t *testing.T) {
	files := with(t, map[string]string{"connections/crm.yaml": `connection: crm
connector: hubspot
settings: {currency: INR}
limits: {per_second: 3}
test:
  account: "111"
  secrets: {access_token: crm-test.access_token}
  allow_only: [asha@example.com]
production:
  account: "222"
  settings: {currency: EUR}
`})
	for env, want := range map[string]struct{ account, currency, secret string }{
		workspace.Offline:    {"", "INR", "crm.access_token"},
		workspace.Test:       {"111", "INR", "crm-test.access_token"},
		workspace.Production: {"222", "EUR", "crm.access_token"},
	} {
		w, faults := workspace.Load(files, workspace.Options{Environment: env, Built: connectors.All()})
		if w == nil {
			t.Fatalf("%s: faults:\n%s", env, listed(faults))
		}
		c := w.Connections["crm"]
		if c.Account != want.account || c.Settings["currency"] != want.currency || c.Secrets["access_token"] != want.secret {
			t.Errorf("%s: got %q, %q, %q", env, c.Account, c.Settings["currency"], c.Secrets["access_token"])
		}
		if c.Limits.PerSecond != 3 || c.Limits.Concurrency == 0 || c.BaseURL != "https://api.example.com" {
			t.Errorf("%s: limits %+v, address %q", env, c.Limits, c.BaseURL)
		}
		if (env == workspace.Test) != (len(c.Allow) == 1) {
			t.Errorf("%s: allowed %v", env, c.Allow)
		}
	}
}

func TestAPrivateHostNamedForAllEnvironmentsHoldsInEach(t *testing.T) {
	files := with(t, map[string]string{"connections/crm.yaml": `connection: crm
connector: hubspot
private: ["10.0.0.5:8080"]
test: {base_url: "http://10.0.0.5:8080"}
production: {base_url: "http://10.0.0.6:8080"}
`})
	_, faults := load(t, files)
	if len(faults) != 1 || faults[0].Code != "E362" || faults[0].Span.Line != 5 {
		t.Errorf("want one fault, of line 5, got:\n%s", listed(faults))
	}
}

func TestAnEnvironmentWithoutABlockIsRefused(t *testing.T) {
	files := with(t, map[string]string{"connections/crm.yaml": "connection: crm\nconnector: hubspot\n"})
	if w, faults := load(t, files); w == nil {
		t.Fatalf("offline needs no block:\n%s", listed(faults))
	}
	w, faults := workspace.Load(files, workspace.Options{Environment: workspace.Production, Built: connectors.All()})
	if w != nil || len(faults) == 0 || faults[0].Code != "E355" {
		t.Errorf("got:\n%s", listed(faults))
	}
}

func TestATableAnswersRefusesAndAsks(t *testing.T) {
	for line, want := range map[string]string{"# otherwise: refuse": "", "# otherwise: ask": "", "# otherwise: = other thing": "other thing"} {
		w, faults := load(t, with(t, map[string]string{
			"tables/extra.csv": line + ", kept: desk\n# words for people\nkey,value\n a , \"b, c\"\nNaïve,x\n",
		}))
		if w == nil {
			t.Fatalf("faults:\n%s", listed(faults))
		}
		table := w.Tables["extra"]
		if v, ok := table.Lookup("a"); v != "b, c" || !ok {
			t.Errorf("%s: a is %q, %v", line, v, ok)
		}
		if v, ok := table.Lookup("never seen"); v != want || ok != (want != "") {
			t.Errorf("%s: a new value is %q, %v", line, v, ok)
		}
		if table.Kept != "desk" || len(table.Keys) != 2 {
			t.Errorf("%s: %+v", line, table)
		}
	}
}

func TestWhatIsNotUsedIsWarnedOf(t *testing.T) {
	w, faults := load(t, with(t, map[string]string{
		"connections/stripe.yaml": "connection: stripe\nconnector: stripe\ntest: {}\nproduction: {}\n",
		"connections/team.yaml":   "connection: team\nconnector: slack\ntest: {}\nproduction: {}\n",
		"tables/unused.csv":       "# otherwise: refuse\nkey,value\na,b\n",
		"flow/lost.yaml":          "flow: lost\n",
		"forms/contact.yaml":      "form: contact\n",
		"flows/later.yaml":        "flow: later\ntitle: Never\non: invoice.paid\nsteps:\n  - end: never\n",
	}))
	if w == nil || len(w.Warnings) != len(faults) {
		t.Fatalf("warnings alone refuse a workspace:\n%s", listed(faults))
	}
	for _, want := range []string{
		"connections/team.yaml:1:1 E359", "tables/unused.csv:1:1 E359", "flow/lost.yaml:1:1 E352", `Did you mean "flows"`,
		"forms/contact.yaml:1:1 E368", "flows/later.yaml:1:7 E363",
	} {
		if !strings.Contains(listed(faults), want) {
			t.Errorf("no warning says %q:\n%s", want, listed(faults))
		}
	}
	if strings.Contains(listed(faults), "connections/stripe.yaml") {
		t.Errorf("a connection whose events start a flow counts as unused:\n%s", listed(faults))
	}
}

func TestSecretsInFilesAreRefused(t *testing.T) {
	for what, text := range map[string]string{
		"stripe":      "sk_" + "live_abcdefgh12345678",
		"slack":       "xox" + "b-123456789012-abcdef",
		"private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
		"address":     "https://user:" + "hunter22@example.com/",
	} {
		_, faults := load(t, with(t, map[string]string{"tables/deal-stage.csv": "# otherwise: ask\n# " + text + "\nkey,value\na,b\n"}))
		ok := false
		for _, f := range faults {
			ok = ok || f.Code == "E360" && f.Span.Line == 2
			if strings.Contains(f.String(), text) {
				t.Errorf("%s: the fault repeats the secret: %s", what, f)
			}
		}
		if !ok {
			t.Errorf("%s: taken:\n%s", what, listed(faults))
		}
	}
}

func TestOwnEventsAndMappingsAreTaken(t *testing.T) {
	w, faults := load(t, with(t, map[string]string{
		"connections/web.yaml": "connection: web\nconnector: http\ntest: {}\nproduction: {}\n",
		"events/visit.yaml": "noun: visit\ntitle: Visit\nschema:\n  type: object\n  required: [id]\n  properties: {id: {type: string}}\n" +
			"events:\n  booked: {title: A visit was booked, fact: the visit}\n",
		"events/web.yaml": "connection: web\nmappings:\n  - on: visit\n    event: visit.booked\n    key: string(body.id)\n    data: {id: \"${string(body.id)}\"}\n",
		"flows/visit.yaml": "flow: visit\ntitle: A visit\non: visit.booked\nlane: visit.id\nsteps:\n" +
			"  - {id: note, do: crm.note.create, with: {body: \"${visit.id}\"}}\n",
	}))
	if w == nil || len(faults) > 0 {
		t.Fatalf("faults:\n%s", listed(faults))
	}
	if f := w.Flow("visit"); f == nil || f.Noun != "visit" {
		t.Errorf("got %+v", f)
	}
}

func TestAnOwnConnectorTakesThePlaceOfABuiltInOne(t *testing.T) {
	text, err := connectors.All().Open("slack/manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	info, err := text.Stat()
	if err != nil {
		t.Fatal(err)
	}
	manifest := make([]byte, info.Size())
	if _, err := text.Read(manifest); err != nil {
		t.Fatal(err)
	}
	w, faults := load(t, with(t, map[string]string{
		"connectors/slack/manifest.yaml": strings.Replace(string(manifest), "title: Slack", "title: Our Slack", 1),
		"connections/team.yaml":          "connection: team\nconnector: slack\n",
		"flows/tell.yaml":                "flow: tell\ntitle: Tell\non: payment.succeeded\nsteps:\n  - {id: a, do: team.message.post, with: {channel: C1, text: x}}\n",
	}))
	if w == nil {
		t.Fatalf("faults:\n%s", listed(faults))
	}
	if m := w.Connections["team"].Manifest; m.Title != "Our Slack" || m.Built {
		t.Errorf("got %s, built %v", m.Title, m.Built)
	}
	again, err := workspace.FromBundle(w.Content, workspace.Options{Environment: workspace.Offline})
	if err != nil || again.Connections["team"].Manifest.Title != "Our Slack" {
		t.Errorf("the bundle lost it: %v", err)
	}
}

func TestAManifestIsCompiledOnceAndAnewWhenAnythingOfItChanges(t *testing.T) {
	manifest, err := fs.ReadFile(connectors.All(), "slack/manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	base := map[string]string{
		"connections/team.yaml": "connection: team\nconnector: slack\n",
		"flows/tell.yaml":       "flow: tell\ntitle: Tell\non: payment.succeeded\nsteps:\n  - {id: a, do: team.message.post, with: {channel: C1, text: x}}\n",
	}
	var kept workspace.Manifests
	slack := func(more map[string]string) *connector.Manifest {
		files := maps.Clone(base)
		maps.Copy(files, more)
		w, faults := workspace.Load(with(t, files), workspace.Options{Environment: workspace.Offline, Built: connectors.All(), Manifests: &kept})
		if w == nil {
			t.Fatalf("faults:\n%s", listed(faults))
		}
		return w.Connections["team"].Manifest
	}
	first := slack(nil)
	if slack(map[string]string{"flows/tell.yaml": strings.Replace(base["flows/tell.yaml"], "text: x", "text: y", 1)}) != first {
		t.Error("compiled anew though only a flow changed")
	}
	own := slack(map[string]string{"connectors/slack/manifest.yaml": string(manifest)})
	if own == first || own.Built || !first.Built {
		t.Error("the workspace's own connector passes for the built-in one")
	}
	changed := slack(map[string]string{"connectors/slack/manifest.yaml": strings.Replace(string(manifest), "title: Slack", "title: Our Slack", 1)})
	if changed == own || changed.Title != "Our Slack" {
		t.Error("an older text of the connector serves")
	}
	if slack(map[string]string{"tables/more.csv": "# otherwise: refuse\nkey,value\na,b\n"}) == first {
		t.Error("compiled in a language without the new table")
	}
	// A process that runs for long sees any number of versions, and keeps what it goes on using.
	for i := range 100 {
		title := fmt.Sprintf("title: Slack %d", i)
		slack(map[string]string{"connectors/slack/manifest.yaml": strings.Replace(string(manifest), "title: Slack", title, 1)})
		if slack(nil) != first {
			t.Fatalf("what every load uses is compiled anew after %d versions of another", i+1)
		}
	}
}

func TestAScenarioIsReadWhole(t *testing.T) {
	w, faults := load(t, with(t, map[string]string{
		"tests/payment.yaml": `
- test: one
  given:
    - arrives: razorpay
      file: body.json
      set: {payload.payment.entity.amount: 129900}
      times: 2
      after: 5s
    - arrives: razorpay
      sample: payment.captured
      dup: 1
      forge: true
  answers:
    - action: crm.deal.update
      fault: lost_after
      times: 2
    - {action: crm, status: 500, body: {error: x}, always: true}
  expect:
    events: {payment.succeeded: 1}
    runs: {payment-to-crm: {done: 1, blocked: 1}}
    effects:
      - {action: crm.deal.update, state: unknown, times: 0, with: {stage: closedwon}}
    problems: 0
    rejected: 1
- test: two
  given: [{arrives: razorpay, body: {a: 1}}]
  expect: {runs: {payment-to-crm: none}}
`,
		"tests/body.json": `{"event":"payment.captured"}`,
	}))
	if w == nil {
		t.Fatalf("faults:\n%s", listed(faults))
	}
	if len(w.Scenarios) != 2 {
		t.Fatalf("%d scenarios", len(w.Scenarios))
	}
	s := w.Scenarios[0]
	g := s.Given[0]
	if s.Name != "one" || string(g.Body) != `{"event":"payment.captured"}` || g.Set["payload.payment.entity.amount"] != "129900" ||
		g.Times != 2 || g.After.Seconds() != 5 || !s.Given[1].Forge || s.Given[1].Dup != 1 || s.Given[1].Times != 1 {
		t.Errorf("given: %+v", s.Given)
	}
	if a := s.Answers; a[0].Connection != "crm" || a[0].Action != "deal.update" || a[0].Fault != "lost_after" || a[0].Times != 2 ||
		a[1].Action != "" || a[1].Status != 500 || string(a[1].Body) != `{"error":"x"}` || a[1].Times >= 0 {
		t.Errorf("answers: %+v", a)
	}
	e := s.Expect
	if e.Runs["payment-to-crm"][waybill.RunBlocked] != 1 || e.Effects[0].Times != 0 || e.Effects[0].State != waybill.EffectUnknown ||
		e.Problems == nil || *e.Problems != 0 || e.Unknown != nil {
		t.Errorf("expect: %+v", e)
	}
	if runs := w.Scenarios[1].Expect.Runs["payment-to-crm"]; runs == nil || len(runs) != 0 {
		t.Errorf("none: %+v", runs)
	}
}

func TestAFolderThatIsNoWorkspaceIsRefused(t *testing.T) {
	w, faults := load(t, fstest.MapFS{"README.md": file("words")})
	if w != nil || len(faults) == 0 || faults[0].Code != "E350" {
		t.Errorf("got:\n%s", listed(faults))
	}
}

// BenchmarkCheckOf100Flows is what `waybill check` costs; the aim is 2 s.
func BenchmarkCheckOf100Flows(b *testing.B) {
	files := maps.Clone(sound(b))
	flow := string(files["flows/payment-to-crm.yaml"].Data)
	for i := range 99 {
		files[fmt.Sprintf("flows/f%d.yaml", i)] = file(strings.Replace(flow, "flow: payment-to-crm", fmt.Sprintf("flow: f%d", i), 1))
	}
	for b.Loop() {
		if w, faults := load(b, files); w == nil {
			b.Fatal(listed(faults))
		}
	}
}
