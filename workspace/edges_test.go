package workspace_test

import (
	"fmt"
	"strings"
	"testing"

	"waybill/connectors"
	"waybill/source"
	"waybill/workspace"
)

// wantFault checks that there is a fault of a place and code with these words.
func wantFault(t *testing.T, faults source.Faults, place, words string) {
	t.Helper()
	for _, f := range faults {
		if fmt.Sprintf("%s:%d:%d %s", f.Span.File, f.Span.Line, f.Span.Col, f.Code) != place {
			continue
		}
		if all := f.Message + " " + f.Hint; !strings.Contains(all, words) {
			t.Errorf("%s does not say %q: %s", place, words, all)
		}
		return
	}
	t.Errorf("want %s saying %q, got:\n%s", place, words, listed(faults))
}

// door is a connection by which anything comes in.
const door = "connection: door\nconnector: http\n"

func TestWhatCanDoNothingInAConnectionIsRefusedWhereItStands(t *testing.T) {
	for name, test := range map[string]struct{ text, place, words string }{
		"a value that the setting does not take": {"settings: {verify: rsa}\n", "3:20 E356", "It takes one of: basic, hmac, none, token."},
		"a misspelt value":                       {"settings: {verify: hmax}\n", "3:20 E356", `Did you mean "hmac"?`},
		"one for production alone":               {"production: {settings: {verify: rsa}}\n", "3:33 E356", "How a request is proven"},
		"a concurrency below nothing":            {"limits: {concurrency: -1}\n", "3:23 E377", "no call would ever be made"},
		"no calls a second":                      {"limits: {per_second: 0}\n", "3:22 E377", `"per_second" must be more than 0, but this is 0`},
		"no burst":                               {"limits: {burst: 0}\n", "3:17 E377", "Leave it out"},
		"a backlog that grows":                   {"test: {limits: {catch_up: -3}}\n", "3:27 E377", `"catch_up" must be more than 0, but this is -3`},
		"a port that there is not":               {"private: [\"1.2.3.4:99999\"]\n", "3:11 E362", "from 1 to 65535"},
		"a port by name":                         {"private: [\"1.2.3.4:https\"]\n", "3:11 E362", "from 1 to 65535"},
		"a port without a host":                  {"private: [\":8443\"]\n", "3:11 E362", "10.0.0.5:8443"},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := load(t, with(t, map[string]string{"connections/door.yaml": door + test.text}))
			wantFault(t, faults, "connections/door.yaml:"+test.place, test.words)
		})
	}
}

func TestASettingIsCheckedAlikeInEveryEnvironment(t *testing.T) {
	files := with(t, map[string]string{"connections/door.yaml": door + "settings: {verify: rsa}\ntest: {}\n"})
	for _, env := range []string{workspace.Offline, workspace.Test} {
		_, faults := workspace.Load(files, workspace.Options{Environment: env, Built: connectors.All(), Manifests: &manifests})
		var said []string
		for _, f := range faults {
			if f.Code == "E356" {
				said = append(said, f.String())
			}
		}
		if len(said) != 1 || !strings.HasPrefix(said[0], "connections/door.yaml:3:20 ") {
			t.Errorf("%s: want one fault, of the setting: %v", env, said)
		}
	}
}

func TestACurrencyAndARegionAreOnesThatThereAre(t *testing.T) {
	sound := string(sound(t)["waybill.yaml"].Data)
	for name, test := range map[string]struct{ old, text, place, words string }{
		"a currency of nobody":     {"INR", "XXZ", "3:11 E351", `"XXZ" is no currency of ISO 4217`},
		"a region of nobody":       {"region: IN", "region: ZZ", "4:9 E351", `"ZZ" is no country of ISO 3166`},
		"a region that is none":    {"region: IN", "region: EU", "4:9 E351", `"EU" is no country of ISO 3166`},
		"a name that is not ISO's": {"region: IN", "region: UK", "4:9 E351", "Write GB."},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := load(t, with(t, map[string]string{"waybill.yaml": strings.Replace(sound, test.old, test.text, 1)}))
			wantFault(t, faults, "waybill.yaml:"+test.place, test.words)
		})
	}
	for _, good := range []string{"AE", "DE", "GB", "US", "XK", "HK", "TW"} {
		if _, faults := load(t, with(t, map[string]string{"waybill.yaml": strings.Replace(sound, "region: IN", "region: "+good, 1)})); faults.Bad() {
			t.Errorf("%s is refused:\n%s", good, listed(faults))
		}
	}
}

func TestASecretInAConnectionIsRefusedAndNeverShown(t *testing.T) {
	for _, secret := range []string{"sk_live_abc123", "sk_live_51H8sJk2eZvKYlo2C", "hunter2", "a1b2c3d4e5f6a7b8c9d0"} {
		files := with(t, map[string]string{"connections/door.yaml": door + "secrets: {api_key: " + secret + "}\n"})
		_, faults := load(t, files)
		wantFault(t, faults, "connections/door.yaml:3:20 E360", "waybill secret set CONNECTION.api_key")
		var out strings.Builder
		if err := source.Render(&out, faults, func(file string) []byte { return files[file].Data }); err != nil {
			t.Fatal(err)
		}
		if text := out.String() + listed(faults); strings.Contains(text, secret) || !strings.Contains(text, "api_key: ****") {
			t.Errorf("the secret is shown, or its place is not:\n%s", text)
		}
	}
}

func TestAWriteThatIsAlwaysTooLateIsWarnedOf(t *testing.T) {
	flow := func(steps string) map[string]string {
		return map[string]string{"flows/late.yaml": "flow: late\ntitle: Late\nowner: sales\non: payment.succeeded\nsteps:\n" + steps}
	}
	const note = "do: crm.note.create, with: {body: Thanks}"
	late := map[string]struct{ steps, place, words string }{
		"behind a wait":           {"  - {id: rest, wait: 2d}\n  - {id: thanks, " + note + ", good_for: 1h}\n", "7:71 E339", "write more than 2d"},
		"behind two":              {"  - {id: rest, wait: 2h}\n  - {id: more, wait: 90m}\n  - {id: thanks, " + note + ", good_for: 3h}\n", "8:71 E339", "write more than 3h30m"},
		"in a case":               {"  - {id: rest, wait: {for: 2d, at: \"09:00\"}}\n  - id: which\n    choose:\n      large:\n        when: payment.amount.minor > 0\n        steps:\n          - {id: thanks, " + note + ", good_for: 24h}\n      otherwise: {steps: []}\n", "12:79 E339", "reached 1d or more"},
		"when nobody has replied": {"  - id: reply\n    wait_for: payment.failed\n    match: {payment.id: payment.id}\n    timeout: 3h\n    on_timeout:\n      - {id: thanks, " + note + ", good_for: 2h}\n", "11:75 E339", "write more than 3h"},
	}
	for name, test := range late {
		t.Run(name, func(t *testing.T) {
			w, faults := load(t, with(t, flow(test.steps)))
			t.Log(listed(faults))
			if w == nil {
				t.Fatalf("it is refused:\n%s", listed(faults))
			}
			wantFault(t, faults, "flows/late.yaml:"+test.place, test.words)
		})
	}
	for name, steps := range map[string]string{
		"with time left":         "  - {id: rest, wait: 2d}\n  - {id: thanks, " + note + ", good_for: 49h}\n",
		"before the wait":        "  - {id: thanks, " + note + ", good_for: 1h}\n  - {id: rest, wait: 2d}\n",
		"a wait that may not be": "  - {id: rest, wait: 2d, when: payment.amount.minor > 5}\n  - {id: thanks, " + note + ", good_for: 1h}\n",
		"until a time":           "  - {id: rest, wait: {until: \"2030-01-01T00:00:00Z\"}}\n  - {id: thanks, " + note + ", good_for: 1h}\n",
	} {
		if _, faults := load(t, with(t, flow(steps))); len(faults) > 0 {
			t.Errorf("%s:\n%s", name, listed(faults))
		}
	}
}

// visit is an own noun.
const visit = `noun: visit
title: Visit
subject: ["Visit ${id}"]
schema:
  type: object
  required: [id]
  properties:
    id: {type: string}
    guest: {type: object, required: [name], properties: {name: {type: string}}}
    stays: {type: array, items: {type: object, properties: {night: {type: string, format: date}}}}
events:
  booked: {title: A guest has booked, fact: the visit}
`

func TestAnOwnNounThatCouldNeverBeToldIsRefusedWhereItIsWrong(t *testing.T) {
	for name, test := range map[string]struct{ old, text, place, words string }{
		"a misspelt type":                        {"id: {type: string}", "id: {type: strng}", "8:16 E423", `Did you mean "string"?`},
		"a misspelt type of all":                 {"type: object\n", "type: objct\n", "5:9 E423", `Did you mean "object"?`},
		"a misspelt type in a group":             {"{name: {type: string}", "{name: {type: integr}", "9:71 E423", `Did you mean "integer"?`},
		"a misspelt type in a list":              {"night: {type: string", "night: {type: strng", "10:75 E423", `Did you mean "string"?`},
		"a format that there is not":             {"format: date", "format: dat", "10:91 E423", `Did you mean "date"?`},
		"a required field that there is not":     {"required: [id]", "required: [id, ghost]", "6:18 E424", "nothing would ever fit"},
		"a misspelt required field":              {"required: [id]", "required: [id, gest]", "6:18 E424", `Did you mean "guest"?`},
		"a required field of a group":            {"required: [name]", "required: [nam]", "9:38 E424", `Did you mean "name"?`},
		"a subject of a field that there is not": {"Visit ${id}", "V ${idd}", "3:16 E422", `Did you mean "id"?`},
		"a subject of a field of a group":        {"Visit ${id}", "V ${id} ${guest.nam}", "3:22 E422", `The schema has no field "guest.nam"`},
		"a subject that is not closed":           {"Visit ${id}", "V ${id", "3:14 E421", "not closed"},
		"a noun of two words":                    {"noun: visit", "noun: \"Bad Noun\"", "1:7 E425", `"Bad Noun" cannot be a noun`},
		"a noun with a dash":                     {"noun: visit", "noun: bad-noun", "1:7 E425", "lower-case letters, digits and underscores"},
		"an event of two words":                  {"  booked:", "  Booked up:", "12:3 E425", "cannot be the name of an event"},
		"a noun that is a function":              {"noun: visit", "noun: money", "1:7 E425", "a word of the expression language"},
		"a noun that is a word":                  {"noun: visit", "noun: list", "1:7 E425", "a word of the expression language"},
		"the catalogue's":                        {"noun: visit", "noun: payment", "1:7 E353", `The catalogue has the noun "payment" already`},
		"a schema that is no group of fields":    {"  type: object\n", "  type: string\n", "5:3 E423", "a group of fields"},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := load(t, with(t, map[string]string{"events/visit.yaml": strings.Replace(visit, test.old, test.text, 1)}))
			wantFault(t, faults, "events/visit.yaml:"+test.place, test.words)
		})
	}
	if _, faults := load(t, with(t, map[string]string{"events/visit.yaml": visit})); len(faults) > 0 {
		t.Errorf("a sound one:\n%s", listed(faults))
	}
}

func TestANounIsDefinedOnce(t *testing.T) {
	_, faults := load(t, with(t, map[string]string{
		"events/visit.yaml":  visit,
		"events/visits.yaml": strings.Replace(visit, "booked", "cancelled", 1),
	}))
	if wantFault(t, faults, "events/visits.yaml:1:7 E353", "is defined in events/visit.yaml:1 already"); len(faults) != 1 {
		t.Errorf("want one fault, got:\n%s", listed(faults))
	}
}
