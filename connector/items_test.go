package connector_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/connector"
)

const hooks = `webhook:
  verify: {scheme: none}
  retry_window: 2h
  items:
    - each: /entry/*/notes/*
      with: {entry: "/entry/*", gone: /nowhere}
      when: item.kind != "draft"
      account: entry.shop
      type: '"note." + item.kind'
      key: entry.id + ":" + string(item.n)
      time: timestamp(item.at)
    - each: /entry/*/calls/*
      type: '"call"'
      key: headers["x-id"] + item.missing
`

func webhookOf(tb testing.TB, text string) *connector.Manifest {
	tb.Helper()
	m, faults := parse(tb, head+text)
	if faults.Bad() {
		tb.Fatal(faults)
	}
	return m
}

func in(tb testing.TB, body string) connector.Incoming {
	tb.Helper()
	value, err := connector.DecodeJSON([]byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return connector.Incoming{Body: value, Headers: map[string]string{"x-id": "h1"}}
}

func TestEveryRuleThatFindsSomethingGivesItems(t *testing.T) {
	m := webhookOf(t, hooks)
	got := m.ItemsOf(in(t, `{"entry":[
		{"id":"e1","shop":"s1","notes":[{"kind":"new","n":1,"at":1790000001},{"kind":"draft","n":2,"at":1},{"kind":"new","n":3,"at":"soon"}]},
		{"id":"e2","calls":[{}]}]}`))
	want := []connector.ItemFound{
		{Pointer: "/entry/0/notes/0", Type: "note.new", Key: "e1:1", Account: "s1", Time: time.Unix(1790000001, 0).UTC()},
		{Pointer: "/entry/0/notes/2", Type: "note.new", Key: "e1:3", Account: "s1"}, // a time that cannot be read is none
		{Pointer: "/entry/1/calls/0", Type: "call"},                                 // a key that cannot be made: the body's hash
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestABodyInWhichNothingIsKnownIsOneItem(t *testing.T) {
	m := webhookOf(t, hooks)
	for _, body := range []string{`{}`, `[]`, `null`, `"x"`, `7`, `{"entry":{}}`, `{"entry":[{"notes":[{"kind":"draft"}]}]}`} {
		if got := m.ItemsOf(in(t, body)); len(got) != 1 || got[0] != (connector.ItemFound{}) {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestAnItemIsFoundAgainByItsPointer(t *testing.T) {
	m := webhookOf(t, hooks)
	vars, ok := m.Around("/entry/1/notes/0", in(t, `{"entry":[{"id":"e1","notes":[]},{"id":"e2","notes":[{"n":5}]}]}`))
	if !ok {
		t.Fatal("nothing is there")
	}
	entry, _ := vars["entry"].(map[string]any)
	item, _ := vars["item"].(map[string]any)
	gone, isMap := vars["gone"].(map[string]any)
	if entry["id"] != "e2" || item["n"] != int64(5) || !isMap || len(gone) != 0 {
		t.Errorf("around it: %v", vars)
	}
	if _, ok := m.Around("/entry/9", in(t, `{}`)); ok {
		t.Error("something is found where nothing is")
	}
}

func TestABodyKeyTellsItemsOfOneBodyApart(t *testing.T) {
	a, b := connector.BodyKey([]byte(`{}`), "/0"), connector.BodyKey([]byte(`{}`), "/1")
	if a == b || a != connector.BodyKey([]byte(`{}`), "/0") || a == connector.BodyKey([]byte(`[]`), "/0") {
		t.Errorf("keys %s and %s", a, b)
	}
}

func TestSettingsFillASignatureScheme(t *testing.T) {
	v := connector.VerifyConfig{Scheme: "${settings.how}", Header: "${settings.header}|x-old", Prefix: "${settings.none}"}
	got := v.Bind(map[string]string{"how": "hmac", "header": "x-sig"})
	if got.Scheme != "hmac" || got.Header != "x-sig|x-old" || got.Prefix != "" {
		t.Errorf("bound %+v", got)
	}
}

const refusals = `error_at: {code: "body.?code", message: "body.?message"}
errors:
  - {status: 4xx, when: 'body.code == "full"', cause: limit reached, words: "Full: {message}", certainty: not happened}
  - {status: 200, when: '!body.ok', cause: declined value, words: "No: {code}", fix: "Correct {field}."}
  - {status: 200, when: body.already, cause: duplicate there, words: It is there already., certainty: happened}
`

func TestAnAnswerProvesWhatItsMatcherOrItsStatusSays(t *testing.T) {
	m := webhookOf(t, actions+refusals)
	for name, test := range map[string]struct {
		action    string
		status    int
		body      string
		certainty waybill.Certainty
		cause     waybill.Cause
		words     string
	}{
		"a refusal with status 200":              {"order.update", 200, `{"ok":false,"code":"x"}`, waybill.Declined, waybill.DeclinedValue, "No: x"},
		"a success":                              {"order.update", 200, `{"ok":true}`, waybill.Happened, "", ""},
		"what happened before":                   {"order.update", 200, `{"ok":true,"already":true}`, waybill.Happened, waybill.DuplicateThere, "It is there already."},
		"a class of status with a condition":     {"order.update", 409, `{"code":"full","message":"till noon"}`, waybill.NotHappened, waybill.LimitReached, "Full: till noon"},
		"an unmatched refusal":                   {"order.update", 422, `{"message":"bad"}`, waybill.Declined, waybill.DeclinedValue, "Shop refused it: bad"},
		"401 did not happen":                     {"order.update", 401, ``, waybill.NotHappened, waybill.SignInExpired, "Shop does not accept the sign-in."},
		"429 did not happen":                     {"order.update", 429, `{}`, waybill.NotHappened, waybill.LimitReached, "Shop asks to slow down."},
		"403 is refused":                         {"order.update", 403, `{}`, waybill.Declined, waybill.PermissionMissing, "Shop refused it."},
		"404 is refused":                         {"order.update", 404, `{}`, waybill.Declined, waybill.NotFoundThere, "Shop refused it."},
		"408 is in doubt":                        {"order.update", 408, ``, waybill.InDoubt, waybill.TooSlow, "Shop took too long."},
		"500 is in doubt":                        {"order.update", 500, `<html>`, waybill.InDoubt, waybill.TheirSideDown, "Shop has a fault of its own."},
		"a redirect of a write is in doubt":      {"order.update", 307, ``, waybill.InDoubt, waybill.FormatChanged, "Shop sends us to another address; that is not followed."},
		"a matcher over a body of another kind":  {"order.update", 400, `"text"`, waybill.Declined, waybill.DeclinedValue, "Shop refused it."},
		"a read whose answer lacks what it must": {"order.get", 200, `{"ok":true}`, waybill.NotHappened, waybill.FormatChanged, "The answer came, but it could not be read."},
		"a read whose answer is of another kind": {"order.get", 200, `{"ok":true,"id":{"a":1}}`, waybill.NotHappened, waybill.FormatChanged, "The answer came, but it could not be read."},
		"a read whose answer has a null":         {"order.get", 200, `{"ok":true,"id":"1","note":null}`, waybill.Happened, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := m.Judge(m.Actions[test.action], connector.Answer{Status: test.status, Body: []byte(test.body)}, nil)
			if j.Certainty != test.certainty || j.Cause != test.cause || j.Words != test.words {
				t.Errorf("judged %+v", j)
			}
		})
	}
}

func TestNoAnswerMakesJudgingPanic(t *testing.T) {
	m := webhookOf(t, actions+refusals)
	for status := 100; status < 600; status += 7 {
		for _, body := range []string{``, `null`, `[]`, `{"code":[]}`, `{"ok":null}`, "\xff", `{"a":`} {
			for _, a := range m.Actions {
				j := m.Judge(a, connector.Answer{Status: status, Body: []byte(body)}, nil)
				if j.Certainty == "" {
					t.Errorf("%s %d %q proves nothing", a.Name, status, body)
				}
			}
		}
	}
}

func TestWhatWasThereCanBePutBack(t *testing.T) {
	m := webhookOf(t, actions)
	u := m.Actions["order.update"].Undo
	call := connector.Call{Input: map[string]any{"id": "7", "note": "new"}}
	read, err := u.ReadInputs(call)
	if err != nil {
		t.Fatal(err)
	}
	back, err := u.BackInputs(call, map[string]any{"id": "7", "note": "old"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]map[string]any{{"id": "7"}, {"id": "7", "note": "old"}}, []map[string]any{read, back}); diff != "" {
		t.Error(diff)
	}
}

func TestTheSameCallIsRenderedToTheSameBytes(t *testing.T) {
	m := webhookOf(t, actions)
	call := connector.Call{Base: "https://shop.example.test/", Input: map[string]any{"id": "7", "note": `"quoted" é`}, Key: "k"}
	first, err := m.Render(m.Actions["order.update"], call)
	if err != nil {
		t.Fatal(err)
	}
	want := waybill.Request{
		Method: "PUT", URL: "https://shop.example.test/orders/7",
		Headers: []waybill.Header{{Name: "Content-Type", Value: "application/json"}}, Body: []byte(`{"note":"\"quoted\" é"}`),
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	for range 20 {
		again, err := m.Render(m.Actions["order.update"], call)
		if err != nil || !cmp.Equal(first, again) {
			t.Fatalf("rendered %+v, %v", again, err)
		}
	}
}

func TestInputsThatDoNotFitAreSaid(t *testing.T) {
	a := webhookOf(t, actions).Actions["order.update"]
	if err := connector.CheckInputs(a, map[string]any{"id": "7"}); err != nil {
		t.Error(err)
	}
	for _, inputs := range []map[string]any{{}, {"id": ""}, {"id": "7", "colour": "red"}, {"id": []any{}}, {"id": "7", "note": true}} {
		if err := connector.CheckInputs(a, inputs); waybill.KindOf(err) != waybill.Invalid {
			t.Errorf("%v: %v", inputs, err)
		}
	}
}

func TestTheCardSaysWhatAConnectorReadsAndDoes(t *testing.T) {
	c := webhookOf(t, hooks+actions).Card()
	if len(c.Reads) != 1 || len(c.Does) != 1 || c.Reads[0].Name != "order.get" || c.Does[0].Repeat != "natural" ||
		c.Does[0].Undo == "" || c.Does[0].Again == "" || c.Limits != "at most 8 calls at once" || c.Proof == "" {
		t.Errorf("card %+v", c)
	}
	want := []connector.CardField{{Name: "id", Type: "string", Required: true}, {Name: "note", Type: "string"}}
	if diff := cmp.Diff(want, c.Does[0].Inputs); diff != "" {
		t.Error(diff)
	}
}
