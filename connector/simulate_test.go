package connector_test

import (
	"slices"
	"strings"
	"testing"

	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

const playable = `
objects: {refund: {id: "re_{base62:8}"}}
answers:
  unauthorized: {status: 401}
  missing: {status: 400}
  invalid: {status: 400}
  rate_limited: {status: 429}
  error: {status: 500}
`

func TestAFaultyBlockOfTheSimulatorIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a whole block", playable + `
routes:
  - on: POST /v1/refunds
    action: refund.create
    do:
      - {create: refund, as: refund, with: {id: "${id}"}}
    answer: {json: "${refund}"}
`, ""},
		{"a misspelt field", playable + "routs: []\n", "8:1 E104"},
		{"a route without a path", playable + "routes:\n  - {on: POST, action: x, answer: {}}\n", "9:10 E482"},
		{"a step of two kinds", playable + `routes:
  - on: POST /x
    action: x
    do:
      - {create: refund, get: refund}
    answer: {}
`, "12:9 E480"},
		{"an object it does not keep", playable + `routes:
  - on: POST /x
    action: x
    do:
      - {create: refunds}
    answer: {}
`, "12:18 E481"},
		{"an answer it does not have", playable + `routes:
  - on: POST /x
    action: x
    do:
      - {get: refund, none: nothing}
    answer: {}
`, "12:29 E481"},
		{"a refusal after a write", playable + `routes:
  - on: POST /x
    action: x
    do:
      - {create: refund}
      - {refuse: invalid}
    answer: {}
`, "13:9 E483"},
		{"a story of an event it does not send", playable + "stories:\n  - {name: paid, share: 1, sends: [{event: paid}]}\n", "8:1 E481"},
		{"a sign-in with a secret it does not have", playable + "sign_in: [{bearer: key}]\n", "8:1 E481"},
		{"a pattern that is none", playable + "headers: [{name: X, pattern: '(', answer: invalid}]\n", "8:1 E484"},
		{"a recipe it does not have", playable + "seed: [deal]\n", "8:8 E481"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, err := expr.NewEnv(expr.Config{})
			if err != nil {
				t.Fatal(err)
			}
			node, faults := source.Parse("simulate.yaml", []byte(strings.TrimPrefix(c.text, "\n")))
			if faults.Bad() {
				t.Fatal(faults)
			}
			_, faults = connector.ParseSimulate(node, env)
			var got []string
			for _, f := range faults {
				got = append(got, strings.TrimPrefix(f.String(), "simulate.yaml:"))
			}
			hit := slices.ContainsFunc(got, func(s string) bool { return c.want != "" && strings.HasPrefix(s, c.want+" ") })
			if (c.want == "") != (len(got) == 0) || (c.want != "" && !hit) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
