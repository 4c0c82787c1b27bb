package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"waybill"
	"waybill/secret"
)

const canary = "sk_test_CANARY/4eC39+HqLyjW&D\"jr"

func learnt(values ...string) *secret.Redactor {
	r := secret.NewRedactor()
	r.Learn("canary", values...)
	return r
}

func TestAPlantedSecretNeverSurvives(t *testing.T) {
	r := learnt(canary)
	quoted, _ := json.Marshal(canary)
	places := map[string]string{
		"clear":              "x" + canary + "y",
		"twice":              canary + canary,
		"JSON":               `{"key":` + string(quoted) + `}`,
		"JSON, slashes":      `{"key":` + strings.ReplaceAll(string(quoted), "/", `\/`) + `}`,
		"JSON, plain &":      `{"key":` + strings.ReplaceAll(string(quoted), `\u0026`, "&") + `}`,
		"query":              "a=1&b=" + url.QueryEscape(canary) + "&c=2",
		"query, lower case":  "a=1&b=" + strings.NewReplacer("%2F", "%2f", "%2B", "%2b").Replace(url.QueryEscape(canary)),
		"path":               "/v1/" + url.PathEscape(canary) + "/x",
		"basic user":         "Basic " + base64.StdEncoding.EncodeToString([]byte(canary+":")),
		"basic password":     "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+canary)),
		"basic, longer user": "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+canary+"!")),
		"base64url":          "x." + base64.RawURLEncoding.EncodeToString([]byte(`{"k":"`+canary+`"}`)) + ".y",
		"error":              `Post "https://api.example.test/?key=` + url.QueryEscape(canary) + `": EOF`,
	}
	for where, text := range places {
		t.Run(where, func(t *testing.T) {
			for as, got := range map[string]string{
				"bytes": string(r.Bytes([]byte(text))), "text": r.Text(text),
				"header": r.Header("X-Other", text), "url": r.URL("/in/stripe?" + text),
			} {
				if leaks(got) {
					t.Errorf("%s: %s", as, got)
				}
			}
			if got := r.Text(text); !strings.Contains(got, "[sha256:") {
				t.Errorf("no fingerprint: %s", got)
			}
		})
	}
}

// leaks reports whether eight characters in a row of the canary's middle are there, in clear or in any base64.
func leaks(text string) bool {
	for i := 8; i+8 <= len(canary)-4; i++ {
		if strings.Contains(text, canary[i:i+8]) {
			return true
		}
	}
	for offset := range 4 {
		if offset < len(text) {
			for _, word := range strings.FieldsFunc(text[offset:], func(r rune) bool {
				return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_", r)
			}) {
				word = strings.NewReplacer("-", "+", "_", "/").Replace(word)
				for o := range min(4, len(word)) {
					b, _ := base64.RawStdEncoding.DecodeString(word[o : o+(len(word)-o)/4*4])
					if strings.Contains(string(b), "CANARY/4") {
						return true
					}
				}
			}
		}
	}
	return false
}

func TestAnythingOfAKnownSecretIsFoundWhereverItStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var values []string
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			values = append(values, rapid.StringMatching(`[a-c]{6,12}`).Draw(t, "value"))
		}
		r := learnt(values...)
		text := rapid.StringMatching(`[a-d ]{0,200}`).Draw(t, "text")
		at := rapid.IntRange(0, len(text)).Draw(t, "at")
		text = text[:at] + values[0] + text[at:]
		got := r.Text(text)
		for _, v := range values {
			if strings.Contains(got, v) {
				t.Fatalf("%q survives in %q", v, got)
			}
		}
		if again := r.Text(got); again != got {
			t.Fatalf("redacting twice changes %q to %q", got, again)
		}
	})
}

func TestSecretsThatOverlapLeaveNothingBehind(t *testing.T) {
	r := learnt("abcdef12", "ef123456")
	if got, want := r.Text("<abcdef123456>"), "<"+secret.Mark("abcdef12")+">"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhatHoldsNoSecretIsLeftAlone(t *testing.T) {
	r := learnt(canary)
	body := []byte(`{"id":"evt_1","note":"sk_test_ is how keys begin","token":"x"}`)
	if got := r.Bytes(body); &got[0] != &body[0] {
		t.Error("the bytes were copied")
	}
	if got := secret.NewRedactor().Text("nothing known"); got != "nothing known" {
		t.Error(got)
	}
	withSecret := []byte("a " + canary)
	r.Bytes(withSecret)
	if string(withSecret) != "a "+canary {
		t.Error("the caller's bytes were changed")
	}
}

func TestCredentialsAreKnownByTheirPlace(t *testing.T) {
	r := secret.NewRedactor()
	f := func(v string) string { return "[" + secret.Fingerprint(v) + "]" }
	for _, row := range []struct{ name, value, want string }{
		{"Authorization", "Bearer abc", "Bearer " + f("abc")},
		{"authorization", "abc", f("abc")},
		{"Proxy-Authorization", "Basic dTpw", "Basic " + f("dTpw")},
		{"Cookie", "a=b", f("a=b")},
		{"Set-Cookie", "a=b; Secure", f("a=b; Secure")},
		{"X-Api-Key", "k", f("k")},
		{"X-Shopify-Access-Token", "k", f("k")},
		{"X-Gitlab-Token", "k", f("k")},
		{"Authorization", "", ""},
		{"I-Twilio-Idempotency-Token", "k", "k"},
		{"Idempotency-Key", "wb-1", "wb-1"},
		{"Stripe-Signature", "t=1,v1=ab", "t=1,v1=ab"},
		{"X-Hub-Signature-256", "sha256=ab", "sha256=ab"},
		{"Referer", "https://a.example/?token=x", "https://a.example/?token=" + f("x")},
		{"Content-Type", "application/json", "application/json"},
	} {
		if got := r.Header(row.name, row.value); got != row.want {
			t.Errorf("%s: %q is %q, want %q", row.name, row.value, got, row.want)
		}
	}
	for raw, want := range map[string]string{
		"/in/stripe":                                   "/in/stripe",
		"/in/odoo/tok123":                              "/in/odoo/" + f("tok123"),
		"/in/odoo/tok123/more?x=1":                     "/in/odoo/" + f("tok123/more") + "?x=1",
		"/in/a?key=k%20y&b=2&access_token=z":           "/in/a?key=" + f("k y") + "&b=2&access_token=" + f("z"),
		"/in/a?t%6Fken=z&hub.verify_token=v&sig=s":     "/in/a?t%6Fken=" + f("z") + "&hub.verify_token=" + f("v") + "&sig=" + f("s"),
		"/in/a?token=&b":                               "/in/a?token=&b",
		"https://u:p@h.example:8443/x?a=b#token=t":     "https://u:" + f("p") + "@h.example:8443/x?a=b#token=" + f("t"),
		"https://tok@h.example":                        "https://" + f("tok") + "@h.example",
		"/in/w?hub.mode=subscribe&hub.challenge=12345": "/in/w?hub.mode=subscribe&hub.challenge=12345",
	} {
		got := r.URL(raw)
		if got != want {
			t.Errorf("%s\n is %s\nwant %s", raw, got, want)
		}
		if again := r.URL(got); again != got {
			t.Errorf("redacting twice: %s, then %s", got, again)
		}
	}
	body := `{"access_token" : "new\"one","token_type":"bearer","refresh_token":"r","expires_in":3600,"id_token":null}`
	want := `{"access_token" : "` + f(`new\"one`) + `","token_type":"bearer","refresh_token":"` + f("r") + `","expires_in":3600,"id_token":null}`
	if got := r.Text(body); got != want || r.Text(got) != got {
		t.Errorf("%s\nwant %s", got, want)
	}
	in := []waybill.Header{{Name: "Authorization", Value: "Bearer abc"}}
	if out := r.Headers(in); out[0].Value == in[0].Value || in[0].Value != "Bearer abc" {
		t.Errorf("%v %v", in, out)
	}
}

func TestPartsOfASecretThatAreSecretThemselvesAreFound(t *testing.T) {
	r := learnt("apiuser:hunter2hunter2", "https://hooks.example.test/services/T000/B000/XXXXXXXX", " padded-secret \n")
	for _, text := range []string{"it was hunter2hunter2.", "POST /services/T000/B000/XXXXXXXX", "padded-secret"} {
		if got := r.Text(text); got == text {
			t.Errorf("%s survives", text)
		}
	}
}

func TestAChangedSecretStaysHiddenForOneMoreChange(t *testing.T) {
	r := secret.NewRedactor()
	values := []string{"first-token", "second-token", "third-token"}
	for _, v := range values {
		r.Learn("hubspot", v)
		r.Learn("hubspot", v) // learning the same again forgets nothing
	}
	if got := r.Text("first-token second-token third-token"); strings.Contains(got, "second-token") || strings.Contains(got, "third-token") || !strings.Contains(got, "first-token") {
		t.Error(got)
	}
}

func TestLearningAndRedactingAtOnceIsSafe(t *testing.T) {
	r := learnt(canary)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if strings.Contains(r.Text("a "+canary+" b"), "CANARY") {
					t.Error("it survived")
				}
			}
		})
	}
	for range 20 {
		r.Learn("other", strings.Repeat("x", 8))
		r.Learn("other", strings.Repeat("y", 8))
	}
	wg.Wait()
}

func FuzzRedacting(f *testing.F) {
	f.Add("/in/a?token=x#y", []byte(`{"access_token":"`+canary))
	r := learnt(canary)
	f.Fuzz(func(t *testing.T, address string, body []byte) {
		planted := append(bytes.Clone(body), canary...)
		if bytes.Contains(r.Bytes(planted), []byte("CANARY/4eC39")) {
			t.Errorf("survives in %q", planted)
		}
		if strings.Contains(r.URL(address+canary), "CANARY/4eC39") {
			t.Errorf("survives in %q", address)
		}
	})
}

func BenchmarkRedact64KiB(b *testing.B) {
	r := secret.NewRedactor()
	for i := range 40 {
		r.Learn(string(rune('a'+i)), "whsec_"+strings.Repeat(string(rune('A'+i)), 26), strings.Repeat(string(rune('a'+i%20)), 12)+"x")
	}
	body := bytes.Repeat([]byte(`{"id":"evt_1","amount":129900,"currency":"inr","email":"asha@example.test"},`), 64<<10/76)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r.Bytes(body)
	}
}
