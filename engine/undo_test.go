package engine_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
)

const (
	wonSteps = "  - id: deal\n    get: crm.deal.find\n    with: {order_no: SO-1001}\n" +
		"  - id: won\n    do: crm.deal.update\n    undo: restore\n    with: {id: \"${deal.id}\", stage: closedwon}\n"
	// tellStep is a write that the flow undoes by another.
	tellStep = "  - id: tell\n    do: out.request.send\n    with: {path: /told, body: {payment: \"${payment.id}\"}}\n" +
		"    undo: {do: out.request.send, with: {path: /untold, body: {was: \"${input.body.payment}\", of: \"${payment.id}\"}}}\n"
)

func stage(t *testing.T, doc []byte) string {
	t.Helper()
	var v struct{ Stage string }
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return v.Stage
}

func TestARestoreWritesBackWhatWasThere(t *testing.T) {
	r := newRig(t, oneStep(t, wonSteps))
	pay(r)
	r.run(time.Minute)
	won := r.newest("won")
	if got := r.offers(string(won.ID)); !slices.Equal(got, []string{"undo"}) {
		t.Fatalf("the effect offers %v", got)
	}
	act := waybill.Act{Who: "asha", Verb: waybill.VerbUndo, Object: string(won.ID)}
	if _, err := r.engine.Act(t.Context(), act); waybill.KindOf(err) != waybill.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	r.act(string(won.ID), waybill.VerbUndo, "the wrong order")
	act.Who, act.Reason = "ravi", "me too"
	if _, err := r.engine.Act(t.Context(), act); waybill.KindOf(err) != waybill.Conflict {
		t.Errorf("a second press: %v", err)
	}
	r.run(time.Minute)
	undo := r.newest("won!undo1")
	if undo.State != waybill.EffectConfirmed || undo.Undoes != won.ID || stage(t, undo.Inputs) != stage(t, won.Before) {
		t.Errorf("the undoing is %s (%s), wrote %s, before was %s", undo.State, undo.Reason, undo.Inputs, won.Before)
	}
	if got := r.newest("won"); got.State != waybill.EffectUndone || !strings.Contains(got.Reason, string(undo.ID)) {
		t.Errorf("the effect is %s: %s", got.State, got.Reason)
	}
	if n := len(r.calls); r.calls[n-2] != "crm.deal.get" || r.calls[n-1] != "crm.deal.update" {
		t.Errorf("calls %v", r.calls)
	}
	if got := r.offers(string(won.ID)); len(got) != 0 {
		t.Errorf("it still offers %v", got)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
	r.audited(waybill.VerbUndo)
	pay2(r, "SO-1001")
	r.run(time.Minute)
	if list := r.effects(); stage(t, list[len(list)-1].Before) != stage(t, won.Before) {
		t.Errorf("the system does not have it back: %s", list[len(list)-1].Before)
	}
}

// TestWhatIsPutBackIsWhatWasThereWhenItWasWrittenOver: the write waits, for a person, a limit or its turn, and others write there
// meanwhile.
func TestWhatIsPutBackIsWhatWasThereWhenItWasWrittenOver(t *testing.T) {
	for name, steps := range map[string]string{"until a person lets it go": strings.Replace(wonSteps, "undo:", "release: hold\n    undo:", 1), "until the limit is over": wonSteps} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, oneStep(t, steps))
			there, limited := "qualifiedtobuy", steps == wonSteps
			r.answer = func(_, action string) *http.Response {
				switch {
				case action == "deal.get":
					return says(200, `{"id":"1","properties":{"dealstage":"`+there+`"}}`)
				case action == "deal.update" && limited:
					limited = false
					return says(429, `{"status":"error","message":"too many"}`, "Retry-After", "600")
				}
				return nil
			}
			pay(r)
			r.run(time.Minute)
			there = "contractsent" // somebody moves it on
			r.run(time.Hour)
			if steps != wonSteps {
				r.act(string(r.newest("won").ID), waybill.VerbRelease, "")
				r.run(time.Minute)
			}
			won := r.newest("won")
			if won.State != waybill.EffectConfirmed || !strings.Contains(string(won.Before), "contractsent") {
				t.Fatalf("it is %s (%s); written over was %s", won.State, won.Reason, won.Before)
			}
			there = "closedwon"
			r.act(string(won.ID), waybill.VerbUndo, "the wrong order")
			r.run(time.Minute)
			if undo := r.newest("won!undo1"); undo.State != waybill.EffectConfirmed || stage(t, undo.Inputs) != "contractsent" {
				t.Errorf("the undoing is %s (%s), wrote %s", undo.State, undo.Reason, undo.Inputs)
			}
		})
	}
}

func TestWhatOthersWroteSinceIsNotWrittenOverUnasked(t *testing.T) {
	for _, verb := range []waybill.Verb{waybill.VerbRetry, waybill.VerbRelease, waybill.VerbSkip} {
		t.Run(string(verb), func(t *testing.T) {
			r := newRig(t, oneStep(t, wonSteps))
			pay(r)
			r.run(time.Minute)
			won := r.newest("won")
			changed := true
			stage, words := "closedlost", "stage is closedlost and not closedwon"
			if verb == waybill.VerbSkip {
				stage, words = "", "stage is empty and not closedwon"
			}
			r.answer = func(_, action string) *http.Response {
				if changed && action == "deal.get" {
					return says(200, `{"id":"1","properties":{"dealstage":"`+stage+`"}}`)
				}
				return nil
			}
			r.act(string(won.ID), waybill.VerbUndo, "wrong")
			r.run(time.Minute)
			undo := r.newest("won!undo1")
			if undo.State != waybill.EffectPlanned || !strings.Contains(undo.Reason, words) {
				t.Fatalf("the undoing is %s: %s", undo.State, undo.Reason)
			}
			r.onlyProblem()
			r.wantRun(r.onlyRun(), waybill.RunDone, "")
			if r.called("crm.deal.update") != 1 {
				t.Fatalf("calls %v", r.calls)
			}
			r.restart()
			changed = verb != waybill.VerbRetry
			r.act(string(undo.ID), verb, "I looked")
			r.run(time.Minute)
			r.wantNoProblem()
			want, of := waybill.EffectConfirmed, waybill.EffectUndone
			if verb == waybill.VerbSkip {
				want, of = waybill.EffectSkipped, waybill.EffectConfirmed
			}
			if got := r.newest("won!undo1"); got.State != want {
				t.Errorf("the undoing is %s: %s", got.State, got.Reason)
			}
			if got := r.newest("won"); got.State != of {
				t.Errorf("the effect is %s", got.State)
			}
		})
	}
}

func TestANewerFactIsNotUndoneWithAnOlderOne(t *testing.T) {
	r := newRig(t, oneStep(t, wonSteps))
	pay(r)
	r.run(time.Minute)
	first := r.newest("won")
	pay2(r, "SO-1001") // writes the same there again: only its stamp tells
	r.run(time.Minute)
	r.act(string(first.ID), waybill.VerbUndo, "wrong")
	r.run(time.Minute)
	if undo := r.newest("won!undo1"); undo.State != waybill.EffectPlanned || !strings.Contains(undo.Reason, "newer fact") {
		t.Errorf("the undoing is %s: %s", undo.State, undo.Reason)
	}
	r.onlyProblem()
}

func TestALostAnswerOfAnUndoingIsNeverGuessed(t *testing.T) {
	for _, c := range []struct {
		verb  waybill.Verb
		first waybill.EffectState
		calls int
	}{
		{waybill.VerbHappened, waybill.EffectUndone, 2}, {waybill.VerbDidNot, waybill.EffectUndone, 3}, {waybill.VerbSkip, waybill.EffectConfirmed, 2},
	} {
		t.Run(string(c.verb), func(t *testing.T) {
			r := newRig(t, oneStep(t, tellStep))
			pay(r)
			r.run(time.Minute)
			r.world.Script(simulator.Fault{Connection: "out", Kind: simulator.LostAfter})
			tell := r.newest("tell")
			r.act(string(tell.ID), waybill.VerbUndo, "not meant")
			r.run(time.Hour)
			r.restart()
			r.run(time.Hour)
			undo := r.newest("tell!undo1")
			if undo.State != waybill.EffectUnknown || !strings.Contains(string(undo.Inputs), "/untold") {
				t.Fatalf("the undoing is %s: %s", undo.State, undo.Inputs)
			}
			if got := r.newest("tell").State; got != waybill.EffectConfirmed {
				t.Fatalf("the effect is %s though nobody knows", got)
			}
			if p := r.onlyProblem(); p.Cause != waybill.AnswerLost {
				t.Errorf("the problem is %+v", p)
			}
			r.wantRun(r.onlyRun(), waybill.RunDone, "")
			r.act(string(undo.ID), c.verb, "I looked")
			r.run(time.Minute)
			if got := r.newest("tell").State; got != c.first {
				t.Errorf("the effect is %s, want %s", got, c.first)
			}
			if n := r.called("out.request.send"); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			r.wantNoProblem()
		})
	}
}

func TestWhatCannotBeUndoneOffersNothing(t *testing.T) {
	r := newRig(t, oneStep(t, messageStep))
	pay(r)
	r.run(time.Minute)
	for _, object := range []string{string(r.newest("write").ID), string(r.onlyRun().ID)} {
		if got := r.offers(object); len(got) != 0 {
			t.Errorf("%s offers %v", object, got)
		}
	}
}

// shopFiles are a workspace with a connector of its own. What it does is undone by another action, by none, or by its flow.
func shopFiles(step string) map[string]string {
	return map[string]string{
		"connections/own.yaml": "connection: own\ntitle: Our shop\nconnector: shop\n",
		"connectors/shop/manifest.yaml": `connector: shop
title: Shop
summary: Blocks goods.
version: 1
base_url: {all: "https://shop.example.com"}
sign_in: {kind: none}
actions:
  hold.create:
    title: Hold goods back
    kind: add
    repeat: never
    input: {properties: {of: {type: string}}, required: [of]}
    request: {method: POST, path: /holds, json: {of: "${input.of}"}}
    output: {properties: {id: {type: string}}, required: [id]}
    answer: {id: "${body.id}"}
    undo: {do: hold.release, with: {id: "${output.id}", why: "${input.of} is not wanted any more"}}
  hold.note:
    title: Note it on the shelf
    kind: add
    repeat: never
    input: {properties: {of: {type: string}}, required: [of]}
    request: {method: POST, path: /notes, json: {of: "${input.of}"}}
    undo: {cannot: Wipe the shelf.}
  hold.release:
    title: Release goods
    kind: state
    repeat: never
    object: {type: hold, key: input.id}
    input: {properties: {id: {type: string}, why: {type: string}}, required: [id, why]}
    request: {method: DELETE, path: "/holds/${input.id}?why=${input.why}"}
    undo: {cannot: Hold it again.}
`,
		"flows/one.yaml": "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n" + step,
	}
}

func shopStep(action, undo string) string {
	return "  - id: held\n    do: own." + action + "\n    with: {of: SO-1001}\n" + undo
}

// shop answers for the shop and writes down what it was asked.
func shop(r *rig) *[]string {
	asked := &[]string{}
	r.own = func(_ string, req *http.Request) *http.Response {
		*asked = append(*asked, req.Method+" "+req.URL.String())
		if req.Method == http.MethodDelete {
			return says(204, "")
		}
		return says(201, `{"id":"h-7"}`)
	}
	return asked
}

func TestTheConnectorsActionUndoesWhatItDid(t *testing.T) {
	r := newRig(t, load(t, files(shopFiles(shopStep("hold.create", "")))))
	asked := shop(r)
	pay(r)
	r.run(time.Minute)
	held := r.newest("held")
	list, err := r.engine.Choices(t.Context(), string(held.ID))
	if err != nil || len(list) != 1 || list[0].Safety != "Release goods: id h-7, why SO-1001 is not wanted any more" {
		t.Fatalf("the effect offers %+v, %v", list, err)
	}
	r.act(string(held.ID), waybill.VerbUndo, "a mistake")
	r.restart()
	r.run(time.Minute)
	if want := []string{"POST https://shop.example.com/holds", "DELETE https://shop.example.com/holds/h-7?why=SO-1001%20is%20not%20wanted%20any%20more"}; !slices.Equal(*asked, want) {
		t.Errorf("the shop was asked %q, want %q", *asked, want)
	}
	undo := r.newest("held!undo1")
	if undo.State != waybill.EffectConfirmed || undo.Undoes != held.ID || undo.Action != "hold.release" {
		t.Errorf("the undoing %s is %s (%s), undoes %s", undo.Action, undo.State, undo.Reason, undo.Undoes)
	}
	if got := r.newest("held").State; got != waybill.EffectUndone {
		t.Errorf("the effect is %s", got)
	}
	if got := append(r.offers(string(held.ID)), r.offers(string(undo.ID))...); len(got) != 0 {
		t.Errorf("it is undone and still offers %v", got)
	}
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	r.wantNoProblem()
	r.audited(waybill.VerbUndo)
}

func TestTheFlowsOwnPlanGoesBeforeTheConnectors(t *testing.T) {
	plan := "    undo: {do: own.hold.note, with: {of: \"${input.of} was held as ${held.id} for ${payment.id}\"}}\n"
	r := newRig(t, load(t, files(shopFiles(shopStep("hold.create", plan)))))
	asked := shop(r)
	pay(r)
	r.run(time.Minute)
	r.act(string(r.newest("held").ID), waybill.VerbUndo, "a mistake")
	r.run(time.Minute)
	undo := r.newest("held!undo1")
	if undo.State != waybill.EffectConfirmed || undo.Action != "hold.note" || !strings.Contains(string(undo.Inputs), "SO-1001 was held as h-7 for pi_") {
		t.Errorf("the undoing %s is %s (%s): %s", undo.Action, undo.State, undo.Reason, undo.Inputs)
	}
	if got := r.newest("held").State; got != waybill.EffectUndone || len(*asked) != 2 {
		t.Errorf("the effect is %s, the shop was asked %q", got, *asked)
	}
}

// TestAPersonIsToldHowItIsUndoneBeforeItIsDone: by the connector's action, by the flow's, or that it cannot be.
func TestAPersonIsToldHowItIsUndoneBeforeItIsDone(t *testing.T) {
	const ask = "  - id: ok\n    ask: \"Hold it?\"\n    who: ops\n    for: held\n"
	for name, c := range map[string]struct {
		action, undo, said string
		safe               bool
	}{
		"by the connector": {"hold.create", "", "can be undone by own.hold.release", true},
		"by the flow":      {"hold.note", "    undo: {do: own.hold.note, with: {of: nothing}}\n", "can be undone by own.hold.note", true},
		"not at all":       {"hold.note", "", "cannot be undone from here. Wipe the shelf.", false},
	} {
		t.Run(name, func(t *testing.T) {
			fs := shopFiles(ask + shopStep(c.action, c.undo))
			fs["waybill.yaml"] = askFiles("", "")["waybill.yaml"]
			r := newRig(t, load(t, files(fs)))
			asked := shop(r)
			if got := r.ws.Flows[0].Steps()[1].Undo; got != c.said {
				t.Errorf("the step says %q", got)
			}
			pay(r)
			r.run(time.Minute)
			run := r.onlyRun()
			q, err := r.book.Journey(t.Context(), string(run.ID))
			if err != nil || q.Runs[0].Asks[0].For[0].Undo != c.said {
				t.Errorf("the question says %+v, %v", q.Runs[0].Asks, err)
			}
			list, err := r.engine.Choices(t.Context(), string(run.ID))
			if err != nil || strings.Contains(list[0].Safety, "cannot be undone") == c.safe {
				t.Errorf("the button says %+v, %v", list[0], err)
			}
			r.act(string(run.ID), waybill.VerbApprove, "")
			r.run(time.Minute)
			if offers := len(r.offers(string(r.newest("held").ID))) == 1; offers != c.safe || len(*asked) != 1 {
				t.Errorf("undo is offered: %v; the shop was asked %q", offers, *asked)
			}
		})
	}
}

// TestWhatTheSystemsKeepIsTakenAway: the built-in systems whose documents name an operation that takes back another.
func TestWhatTheSystemsKeepIsTakenAway(t *testing.T) {
	for name, c := range map[string]struct{ step, undo, typ string }{
		"a message in Slack": {"  - id: made\n    do: team.message.post\n    with: {channel: C0123456789, text: paid}\n", "message.delete", "message"},
		"a deal at HubSpot":  {"  - id: made\n    do: crm.deal.create\n    with: {name: SO-1001}\n", "deal.archive", "deals"},
		"a note at HubSpot":  {"  - id: made\n    do: crm.note.create\n    with: {body: paid}\n", "note.archive", "notes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, oneStep(t, c.step))
			pay(r)
			r.run(time.Hour)
			made := r.newest("made")
			r.act(string(made.ID), waybill.VerbUndo, "a mistake")
			r.run(time.Hour)
			if undo := r.newest("made!undo1"); undo.State != waybill.EffectConfirmed || undo.Action != c.undo {
				t.Errorf("the undoing %s is %s: %s", undo.Action, undo.State, undo.Reason)
			}
			if got := r.newest("made").State; got != waybill.EffectUndone {
				t.Errorf("the effect is %s", got)
			}
			last := r.ledger[len(r.ledger)-1]
			if last.Did != "deleted" || last.Type != c.typ || r.happened(last.Connection, c.typ) == 0 {
				t.Errorf("the system's ledger ends with %+v", last)
			}
			r.wantNoProblem()
		})
	}
}

func TestWhatARunDidIsUndoneInReverseOrder(t *testing.T) {
	steps := wonSteps + messageStep + tellStep
	finish := func(r *rig) {
		r.t.Helper()
		r.run(time.Hour)
		for _, eff := range r.effects() {
			if eff.State == waybill.EffectUnknown { // killed in the middle of a write that cannot be repeated blindly
				verb := waybill.VerbDidNot
				if r.happened("out", "document") == 2 {
					verb = waybill.VerbHappened
				}
				r.act(string(eff.ID), verb, "I looked")
			}
		}
		r.run(time.Hour)
		for address, want := range map[string]waybill.EffectState{
			"won": waybill.EffectUndone, "tell": waybill.EffectUndone, "write": waybill.EffectConfirmed,
			"won!undo1": waybill.EffectConfirmed, "tell!undo1": waybill.EffectConfirmed,
		} {
			if got := r.newest(address); got.State != want {
				r.t.Errorf("%s is %s: %s", address, got.State, got.Reason)
			}
		}
		if first, second := r.newest("tell!undo1"), r.newest("won!undo1"); second.SentAt.Before(first.SettledAt) {
			r.t.Errorf("not in reverse order: %v, %v", first.SettledAt, second.SentAt)
		}
		if n := r.happened("out", "document"); n != 2 {
			r.t.Errorf("%d documents", n)
		}
		r.wantNoProblem()
		r.wantRun(r.onlyRun(), waybill.RunDone, "")
	}
	begin := func() *rig {
		r := newRig(t, oneStep(t, steps))
		pay(r)
		r.run(time.Minute)
		return r
	}
	r := begin()
	list, err := r.engine.Choices(t.Context(), string(r.onlyRun().ID))
	if err != nil || len(list) != 1 {
		t.Fatalf("the run offers %v, %v", list, err)
	}
	plan := list[0].Safety
	if a, b := strings.Index(plan, "1. tell"), strings.Index(plan, "2. won"); a < 0 || b < a || !strings.Contains(plan, "write stays: A message") {
		t.Errorf("the plan is %q", plan)
	}
	r.act(string(r.onlyRun().ID), waybill.VerbUndo, "all wrong")
	if got := r.offers(string(r.newest("won!undo1").ID)); !slices.Equal(got, []string{"skip"}) {
		t.Errorf("one that waits for another offers %v", got)
	}
	finish(r)
	for k := 1; ; k++ {
		r := begin()
		r.act(string(r.onlyRun().ID), waybill.VerbUndo, "all wrong")
		end, ended := r.v.Now().Add(time.Minute), false
		for range k {
			ended = !r.v.Step(end)
		}
		r.restart()
		finish(r)
		if ended || t.Failed() {
			t.Logf("killed after each of %d pieces of work", k)
			break
		}
	}
}

// TestUndoingGoesOnWhenAPartThatWasDeclinedIsSentAnew: the first of two undoings is refused; a person has it sent anew, which works.
func TestUndoingGoesOnWhenAPartThatWasDeclinedIsSentAnew(t *testing.T) {
	r := newRig(t, oneStep(t, wonSteps+tellStep))
	pay(r)
	r.run(time.Minute)
	refuse := true
	r.answer = func(connection, action string) *http.Response {
		if connection == "out" && refuse {
			return says(422, `{"error":"no"}`)
		}
		return nil
	}
	r.act(string(r.onlyRun().ID), waybill.VerbUndo, "all wrong")
	r.run(time.Minute)
	first := r.newest("tell!undo1")
	refuse = false
	r.act(string(first.ID), waybill.VerbRetry, "they mended it")
	r.run(24 * time.Hour)
	if second := r.newest("won!undo1"); second.State != waybill.EffectConfirmed {
		t.Errorf("the second undoing is %s (%s) though the first is %s; %d open problems", second.State, second.Reason, r.newest("tell!undo1").State, len(r.problems("open")))
	}
}

// TestUndoingKeepsItsOrderWhenAPartIsSentAgain: the first of two undoings is unknown and sent again; the second must wait for it.
func TestUndoingKeepsItsOrderWhenAPartIsSentAgain(t *testing.T) {
	r := newRig(t, oneStep(t, wonSteps+tellStep))
	pay(r)
	r.run(time.Minute)
	status := 502
	r.answer = func(connection, _ string) *http.Response {
		if connection == "out" {
			return says(status, `{}`)
		}
		return nil
	}
	r.act(string(r.onlyRun().ID), waybill.VerbUndo, "all wrong")
	r.run(time.Minute)
	first := r.newest("tell!undo1")
	status = 429
	r.act(string(first.ID), waybill.VerbSendAgain, "once more")
	r.run(10 * time.Minute)
	if a, b := r.newest("tell!undo1"), r.newest("won!undo1"); !a.State.Settled() && b.State == waybill.EffectConfirmed {
		t.Errorf("the second was put back while the first is %s", a.State)
	}
}
