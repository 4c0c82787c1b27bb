package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"waybill"
	"waybill/connectors"
	"waybill/engine"
	"waybill/simulator"
	"waybill/workspace"
)

// base is a workspace with an account at every system, and one flow whose only step is under test.
func base(step string) fstest.MapFS {
	text := map[string]string{
		"waybill.yaml":          "workspace: faults\nzone: Asia/Kolkata\ncurrency: INR\nregion: IN\nowners:\n  ops: {title: Operations}\n",
		"connections/pay.yaml":  "connection: pay\ntitle: Payments\nconnector: stripe\n",
		"connections/crm.yaml":  "connection: crm\ntitle: CRM\nconnector: hubspot\n",
		"connections/team.yaml": "connection: team\ntitle: Team\nconnector: slack\n",
		"connections/wa.yaml":   "connection: wa\ntitle: WhatsApp\nconnector: whatsapp\nsettings: {phone_number_id: \"106540352242922\"}\n",
		"connections/out.yaml":  "connection: out\ntitle: A receiver\nconnector: http\n",
		"flows/one.yaml":        "flow: one\ntitle: One write for each payment\nowner: ops\non: payment.succeeded\nsteps:\n" + step,
	}
	fs := fstest.MapFS{}
	for name, body := range text {
		fs[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return fs
}

func load(t *testing.T, fs fstest.MapFS) *workspace.Workspace {
	t.Helper()
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fs)) {
		fmt.Fprintf(&key, "%s\n%s\n", name, fs[name].Data)
	}
	if ws, ok := loaded.Load(key.String()); ok {
		return ws.(*workspace.Workspace)
	}
	ws, faults := workspace.Load(fs, workspace.Options{Environment: "offline", Built: connectors.All(), Manifests: &manifests})
	if ws == nil {
		t.Fatalf("the workspace is refused: %+v", faults)
	}
	loaded.Store(key.String(), ws)
	return ws
}

// loaded are the workspaces tests share: they never change.
var loaded sync.Map

// manifests are those that their workspaces share.
var manifests workspace.Manifests

// grades are one action of each grade of repeat.
var grades = []struct {
	name, action, step string
	types              []string // what the provider's ledger calls it
}{
	{"key", "pay.refund.create", "  - id: write\n    do: pay.refund.create\n    with: {payment_id: \"${payment.id}\", amount: \"${payment.amount}\"}\n", []string{"refund"}},
	{"natural", "crm.contact.upsert", "  - id: write\n    do: crm.contact.upsert\n    with: {email: asha@example.com, first_name: Asha}\n", nil},
	{"lookup", "team.message.post", "  - id: write\n    do: team.message.post\n    with: {channel: C0123456789, text: \"paid ${payment.id}\"}\n", []string{"message"}},
	{"never, settled by webhook", "wa.template.send", "  - id: write\n    do: wa.template.send\n    with: {to: \"+919876543210\", template: payment_received, language: en, params: {name: Asha, amount: \"1\"}}\n", []string{"message"}},
	{"never", "out.request.send", "  - id: write\n    do: out.request.send\n    with: {path: /orders, body: {payment: \"${payment.id}\"}}\n", []string{"document"}},
}

// TestEveryFaultAtEveryGradeLosesAndDoublesNothing strikes each grade with each fault of the simulator, once and three
// times running, and holds the effect's state against the provider's own ledger.
func TestEveryFaultAtEveryGradeLosesAndDoublesNothing(t *testing.T) {
	for _, g := range grades {
		ws := load(t, base(g.step))
		for _, fault := range simulator.CallFaults {
			for _, times := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/%s x%d", g.name, fault, times), func(t *testing.T) {
					strike(t, ws, g.action, g.types, fault, times)
				})
			}
		}
	}
}

func strike(t *testing.T, ws *workspace.Workspace, does string, types []string, fault simulator.FaultKind, times int) {
	t.Helper()
	connection, action, _ := strings.Cut(does, ".")
	s := &workspace.Scenario{
		Name:    "fault",
		Given:   []workspace.Given{{Connection: "pay", Sample: "payment_intent.succeeded", Times: 1, Dup: 1}},
		Answers: []workspace.Answers{{Connection: connection, Action: action, Fault: fault, Times: times}},
	}
	trial, err := engine.Try(t.Context(), ws, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer trial.Close()
	effects, _, err := trial.Book.Effects(t.Context(), waybill.ListFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(effects) != 1 {
		t.Fatalf("%d effects, want 1: one payment, one run, one step", len(effects))
	}
	eff := effects[0]
	happened := 0
	for _, x := range trial.Ledger {
		if x.Connection == connection && x.Did == "created" && slices.Contains(types, x.Type) {
			happened++
		}
	}
	if types == nil { // the write converges: what counts is what is there
		happened = 1
	}
	runs, _, err := trial.Book.Runs(t.Context(), waybill.ListFilter{})
	if err != nil {
		t.Fatal(err)
	}
	run := runs[0]
	t.Logf("%s after %d attempts, at the provider %d times; run %s: %s", eff.State, eff.Tries, happened, run.State, eff.Reason+eff.Proof)
	if happened > 1 {
		t.Errorf("it happened %d times", happened)
	}
	switch eff.State {
	case waybill.EffectConfirmed:
		if happened != 1 {
			t.Error("confirmed, and the provider knows nothing of it")
		}
		if run.State != waybill.RunDone {
			t.Errorf("confirmed, and the run is %s", run.State)
		}
	case waybill.EffectUnknown:
		if eff.Repeat == waybill.RepeatKey || eff.Repeat == waybill.RepeatNatural {
			t.Error("unknown, though a repeat is harmless")
		}
		if run.State != waybill.RunBlocked || run.Problem == "" {
			t.Errorf("unknown, and nobody is asked: the run is %s", run.State)
		}
	case waybill.EffectDeclined, waybill.EffectPlanned:
		if happened != 0 && types != nil {
			t.Errorf("%s, though it happened", eff.State)
		}
		problems, _, err := trial.Book.Problems(t.Context(), waybill.ListFilter{})
		if err != nil {
			t.Fatal(err)
		}
		if run.State == waybill.RunWaiting && len(problems) == 1 && problems[0].Cause.Outage() {
			break // the connection is parked, its one problem asks a person, and the work goes on by itself after that
		}
		if run.State != waybill.RunBlocked || run.Problem == "" {
			t.Errorf("%s, and nobody is asked: the run is %s", eff.State, run.State)
		}
	default:
		t.Errorf("it ended as %s", eff.State)
	}
}
