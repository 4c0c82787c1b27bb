package connector_test

import (
	"slices"
	"strings"
	"testing"

	"waybill"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

func env(tb testing.TB) *expr.Env {
	tb.Helper()
	e, err := expr.NewEnv(expr.Config{Zone: "Asia/Kolkata", Region: "IN", Currency: "INR"})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func parse(tb testing.TB, text string) (*connector.Manifest, source.Faults) {
	tb.Helper()
	return connector.Parse("connectors/shop/manifest.yaml", []byte(text), env(tb))
}

const head = `connector: shop
title: Shop
summary: A shop.
version: 1
settings:
  shop: {title: Name of the shop, required: true}
secrets:
  token: {title: Token, required: true}
base_url: {all: "https://${settings.shop}.example.test"}
sign_in: {kind: bearer, secret: token}
`

const actions = `actions:
  order.get:
    title: Read an order
    kind: read
    input: {required: [id], properties: {id: {type: string}}}
    request: {method: GET, path: "/orders/${input.id}"}
    output: {required: [id], properties: {id: {type: string}, note: {type: string}}}
    answer: {id: "${body.id}", note: "${body.?note}"}
  order.update:
    title: Update an order
    kind: state
    repeat: natural
    object: {type: order, key: input.id}
    input: {required: [id], properties: {id: {type: string}, note: {type: string}}}
    request: {method: PUT, path: "/orders/${input.id}", json: {note: "${input.?note}"}}
    undo:
      restore: order.get
      with: {id: "${input.id}"}
      back: {id: "${input.id}", note: "${before.?note}"}
`

func TestASmallManifestIsUnderstood(t *testing.T) {
	m, faults := parse(t, head+actions)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	a := m.Actions["order.update"]
	if a.Kind != waybill.KindState || a.Repeat != waybill.RepeatNatural || a.Undo.Restore != "order.get" || a.Input.Type != "object" {
		t.Errorf("action %+v", a)
	}
	if base := m.Base("production", map[string]string{"shop": "asha"}); base != "https://asha.example.test" {
		t.Errorf("base %s", base)
	}
}

func TestEveryFaultOfAManifestIsSaidAtOnceWithItsPlace(t *testing.T) {
	text := head + strings.NewReplacer(
		"kind: read", "kind: reed",
		"repeat: natural", "repeat: sometimes",
		"restore: order.get", "restore: order.fetch",
	).Replace(actions) + "errors:\n  - cause: bad luck\n    words: no\nidentity: {setting: shopp}\n"
	_, faults := parse(t, text)
	lines := strings.Split(text, "\n")
	want := map[string]string{ // what is written on the line of the fault -> code
		"reed": "E401", "sometimes": "E401", "order.fetch": "E402", "bad luck": "E401", "shopp": "E406",
	}
	for _, f := range faults {
		line := lines[f.Span.Line-1]
		for word, code := range want {
			if strings.Contains(line, word) && f.Code == code {
				delete(want, word)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not said: %v in %v", want, faults)
	}
	for _, f := range faults {
		if f.Code == "E401" && f.Hint == "" && strings.Contains(f.Message, "reed") {
			t.Errorf("no suggestion: %v", f)
		}
	}
}

func TestAManifestThatPromisesTooLittleIsRefused(t *testing.T) {
	change := func(old, fresh string) string { return head + strings.Replace(actions, old, fresh, 1) }
	write := func(lines string) string { return change("    repeat: natural\n", lines) }
	for name, test := range map[string]struct{ text, code string }{
		"a write without a repeat grade":             {write(""), "E403"},
		"a key grade without a key":                  {write("    repeat: key\n"), "E404"},
		"a look-up grade without a look-up":          {write("    repeat: lookup\n"), "E404"},
		"a look-up by an unknown action":             {write("    repeat: lookup\n    lookup: {action: order.find, match: 'true', proves: presence}\n"), "E402"},
		"a look-up by a write":                       {write("    repeat: lookup\n    lookup: {action: order.update, match: 'true', proves: presence}\n"), "E402"},
		"absence without a settle time":              {write("    repeat: lookup\n    lookup: {action: order.get, with: {id: x}, match: 'true', proves: absence}\n"), "E404"},
		"a write that does not say how it is undone": {head + actions[:strings.Index(actions, "    undo:")], "E405"},
		"a read with a repeat grade":                 {change("    kind: read\n", "    kind: read\n    repeat: natural\n"), "E409"},
		"a read without an answer":                   {change(`    answer: {id: "${body.id}", note: "${body.?note}"}`, ""), "E408"},
		"a matcher that matches everything":          {head + actions + "errors:\n  - {cause: declined value, words: no}\n", "E410"},
		"a status that is none":                      {head + actions + "errors:\n  - {status: 99, cause: declined value, words: no}\n", "E401"},
		"an unknown secret":                          {strings.Replace(head, "secret: token}", "secret: tokn}", 1), "E406"},
		"an unknown setting in the address":          {strings.Replace(head, "settings.shop}", "settings.shp}", 1), "E406"},
		"identity by a read that needs inputs":       {head + actions + "identity: {action: order.get, output: id}\n", "E402"},
		"identity by an output that is not there":    {head + strings.ReplaceAll(actions, "required: [id], properties: {id: {type: string}}}\n    request", "properties: {id: {type: string}}}\n    request") + "identity: {action: order.get, output: name}\n", "E406"},
		"an action without an object in its name":    {change("order.get:", "get:"), "E401"},
		"a webhook without a secret":                 {head + "webhook: {verify: {scheme: hmac, header: X-Sig}, items: [{type: body.type}]}\n", "E412"},
		"a pointer without a slash":                  {head + "webhook: {verify: {scheme: none}, items: [{each: items/*, type: body.type}]}\n", "E407"},
		"an unknown field":                           {head + "webhok: {}\n", "E104"},
		"a mapping without a reason":                 {head + "webhook: {verify: {scheme: none}, items: [{type: body.type}]}\nmappings: [{on: a, event: lead.created, when: item.x, key: item.id, data: {}}]\n", "E408"},
		"a fetch by an unknown action":               {head + "webhook: {verify: {scheme: none}, items: [{type: body.type}]}\nmappings: [{on: a, event: lead.created, fetch: {action: x.get, as: x}, key: item.id, data: {}}]\n", "E402"},
		"two bodies":                                 {change(`json: {note: "${input.?note}"}`, `json: {}, text: hello`), "E411"},
	} {
		t.Run(name, func(t *testing.T) {
			m, faults := parse(t, test.text)
			if m != nil {
				t.Fatal("it is taken")
			}
			if !slices.ContainsFunc(faults, func(f source.Fault) bool { return f.Code == test.code && f.Span.Line > 0 }) {
				t.Errorf("no %s in %v", test.code, faults)
			}
		})
	}
}

func TestAKeyShowsForWhichEnvironmentItIs(t *testing.T) {
	m, faults := parse(t, head+"identity: {setting: shop, keys: {secret: token, test: [tk_test_], production: [tk_live_]}}\n")
	if faults.Bad() {
		t.Fatal(faults)
	}
	for value, want := range map[string]string{"tk_test_1": "test", "tk_live_1": "production", "other": ""} {
		if got := m.KeyMode("token", value); got != want {
			t.Errorf("%s is for %q, want %q", value, got, want)
		}
	}
}

func TestDataCannotChooseWhoOurCredentialsGoTo(t *testing.T) {
	m, faults := parse(t, head+strings.Replace(actions, `path: "/orders/${input.id}", json`, `path: "${input.id}", json`, 1))
	if faults.Bad() {
		t.Fatal(faults)
	}
	for _, path := range []string{"https://evil.example.test/x", "//evil.example.test/x", "http:evil", "HTTPS://evil.example.test"} {
		req, err := m.Render(m.Actions["order.update"], connector.Call{Base: "https://shop.example.test", Input: map[string]any{"id": path}})
		if waybill.KindOf(err) != waybill.Invalid {
			t.Errorf("%s goes to %s", path, req.URL)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(head + actions)
	f.Add("connector: [")
	f.Add("connector: a\nactions:\n  a.b: {kind: read}\n")
	f.Add("webhook: {verify: {scheme: hmac}, items: [{}]}\nmappings: [{}]\nerrors: [{}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		if m, faults := parse(t, text); m == nil && !faults.Bad() {
			t.Fatal("neither a manifest nor a fault")
		}
	})
}
