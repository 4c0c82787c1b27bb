package verify_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/verify"
)

// The schemes of the providers, as their manifests state them.
var (
	stripe = verify.Scheme{Scheme: "hmac", Header: "Stripe-Signature", Layout: "pairs", Prefix: "v1", Signed: "{timestamp}.{body}"}
	// Razorpay's event id is in a header that it does not sign.
	razorpay = verify.Scheme{Scheme: "hmac", Header: "X-Razorpay-Signature", IDHeader: "X-Razorpay-Event-Id"}
	meta     = verify.Scheme{Scheme: "hmac", Header: "X-Hub-Signature-256", Layout: "prefix", Prefix: "sha256="}
	shopify  = verify.Scheme{Scheme: "hmac", Encoding: "base64", Header: "X-Shopify-Hmac-Sha256|shopify-hmac-sha256", IDHeader: "X-Shopify-Webhook-Id|shopify-webhook-id"}
	typeform = verify.Scheme{Scheme: "hmac", Encoding: "base64", Header: "Typeform-Signature", Layout: "prefix", Prefix: "sha256="}
	frappe   = verify.Scheme{Scheme: "hmac", Encoding: "base64", Header: "X-Frappe-Webhook-Signature"}
	slack    = verify.Scheme{Scheme: "hmac", Header: "X-Slack-Signature", Layout: "prefix", Prefix: "v0=", Signed: "v0:{timestamp}:{body}", TimestampHeader: "X-Slack-Request-Timestamp"}
	hubspot  = verify.Scheme{
		Scheme: "hmac", Encoding: "base64", Header: "X-HubSpot-Signature-v3", Signed: "{method}{url_decoded}{body}{timestamp}",
		TimestampHeader: "X-HubSpot-Request-Timestamp", TimestampUnit: "ms",
	}
	standard = verify.Scheme{
		Scheme: "hmac", Encoding: "base64", Header: "webhook-signature|svix-signature", Layout: "list", Prefix: "v1",
		Signed: "{id}.{timestamp}.{body}", TimestampHeader: "webhook-timestamp|svix-timestamp", IDHeader: "webhook-id|svix-id", SecretForm: "whsec",
	}
	twilio  = verify.Scheme{Scheme: "hmac", Algorithm: "sha1", Encoding: "base64", Header: "X-Twilio-Signature", Signed: "{url_params}"}
	discord = verify.Scheme{Scheme: "ed25519", Header: "X-Signature-Ed25519", Signed: "{timestamp}{body}", TimestampHeader: "X-Signature-Timestamp", SecretForm: "hex"}
)

const (
	vectorBody   = `{"id":"evt_1","note":"é/&"}`
	vectorSecret = verify.Secret("waybill_test_secret")
	whsec        = verify.Secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
)

var vectorTime = time.Unix(1767225600, 0)

func vectors(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range all {
		out[k] = fmt.Sprint(v)
	}
	return out
}

func request(url, body string, headers ...string) verify.Request {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return verify.Request{Method: "POST", URL: url, Header: h, Body: []byte(body)}
}

type known struct {
	name   string
	scheme verify.Scheme
	req    verify.Request
	secret verify.Secret
	now    time.Time
	proof  string
	id     string
}

// knownAnswers are requests whose signatures come from the providers' own libraries.
func knownAnswers(t *testing.T) []known {
	t.Helper()
	v := vectors(t)
	u := "https://hooks.example.test/in/x"
	form := "From=whatsapp%3A%2B15005550006&Body=hi+%26+bye&MessageSid=SM1"
	now := vectorTime.Add(3 * time.Second)
	return []known{
		{"Stripe", stripe, request(u, vectorBody, "Stripe-Signature", v["stripe"]), vectorSecret, now, "Stripe-Signature, secret 1 of 1, 3 s old", ""},
		{"Razorpay", razorpay, request(u, vectorBody, "X-Razorpay-Signature", v["razorpay"], "X-Razorpay-Event-Id", "ev1"), vectorSecret, now, "X-Razorpay-Signature, secret 1 of 1", "ev1"},
		{"Meta", meta, request(u, vectorBody, "X-Hub-Signature-256", v["meta"]), vectorSecret, now, "X-Hub-Signature-256, secret 1 of 1", ""},
		{"Shopify", shopify, request(u, vectorBody, "X-Shopify-Hmac-Sha256", v["shopify"], "X-Shopify-Webhook-Id", "w1"), vectorSecret, now, "X-Shopify-Hmac-Sha256, secret 1 of 1", "w1"},
		{"Shopify's second family of headers", shopify, request(u, vectorBody, "shopify-hmac-sha256", v["shopify"], "shopify-webhook-id", "w2"), vectorSecret, now, "shopify-hmac-sha256, secret 1 of 1", "w2"},
		{"Typeform", typeform, request(u, vectorBody, "Typeform-Signature", v["typeform"]), vectorSecret, now, "Typeform-Signature, secret 1 of 1", ""},
		{"Frappe", frappe, request(u, vectorBody, "X-Frappe-Webhook-Signature", v["frappe"]), vectorSecret, now, "X-Frappe-Webhook-Signature, secret 1 of 1", ""},
		{"Slack", slack, request(u, vectorBody, "X-Slack-Signature", v["slack"], "X-Slack-Request-Timestamp", "1767225600"), vectorSecret, now, "X-Slack-Signature, secret 1 of 1, 3 s old", ""},
		{"HubSpot v3", hubspot, request("https://hooks.example.test/in/hubspot?x=1", vectorBody, "X-HubSpot-Signature-v3", v["hubspot_v3"], "X-HubSpot-Request-Timestamp", "1767225600000"), vectorSecret, now, "X-HubSpot-Signature-v3, secret 1 of 1, 3 s old", ""},
		{"Standard Webhooks", standard, request(u, vectorBody, "webhook-signature", v["std"], "webhook-timestamp", "1767225600", "webhook-id", "msg_1"), verify.Secret(v["std_secret"]), now, "webhook-signature, secret 1 of 1, 3 s old", "msg_1"},
		{"Svix", standard, request(u, vectorBody, "svix-signature", v["std"], "svix-timestamp", "1767225600", "svix-id", "msg_1"), verify.Secret(v["std_secret"]), now, "svix-signature, secret 1 of 1, 3 s old", "msg_1"},
		{"Twilio form", twilio, request("https://hooks.example.test/in/twilio", form, "X-Twilio-Signature", v["twilio_form"], "Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), vectorSecret, now, "X-Twilio-Signature, secret 1 of 1", ""},
		{"Twilio JSON", twilio, request(v["twilio_json_url"], vectorBody, "X-Twilio-Signature", v["twilio_json"], "Content-Type", "application/json"), vectorSecret, now, "X-Twilio-Signature, secret 1 of 1", ""},
	}
}

func TestEveryKnownAnswerIsAccepted(t *testing.T) {
	for _, k := range knownAnswers(t) {
		t.Run(k.name, func(t *testing.T) {
			if err := k.scheme.Check(); err != nil {
				t.Fatal(err)
			}
			proof, err := k.scheme.Verify(k.req, []verify.Secret{k.secret}, k.now)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if proof.Words != k.proof || proof.ID != k.id {
				t.Errorf("proof %q id %q, want %q %q", proof.Words, proof.ID, k.proof, k.id)
			}
		})
	}
}

func TestSigningGivesTheKnownAnswers(t *testing.T) {
	for _, k := range knownAnswers(t) {
		t.Run(k.name, func(t *testing.T) {
			r := k.req
			r.Header = http.Header{}
			if ct := k.req.Header.Get("Content-Type"); ct != "" {
				r.Header.Set("Content-Type", ct)
			}
			if err := k.scheme.Sign(&r, k.secret, vectorTime, k.id); err != nil {
				t.Fatal(err)
			}
			for name, values := range k.req.Header {
				if first := strings.TrimPrefix(strings.TrimPrefix(name, "Svix"), "Shopify"); first != name {
					return // Sign writes the usual family of headers
				}
				if got := r.Header.Get(name); got != values[0] {
					t.Errorf("%s: %q, want %q", name, got, values[0])
				}
			}
		})
	}
}

func TestSlacksOwnDocumentedVectorIsAccepted(t *testing.T) {
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	r := request("https://x.example.test/", body,
		"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", "X-Slack-Request-Timestamp", "1531420618")
	if _, err := slack.Verify(r, []verify.Secret{"8f742231b10e8888abcd99yyyzzz85a5"}, time.Unix(1531420618, 0)); err != nil {
		t.Fatal(err)
	}
}

func mustRefuse(t *testing.T, s verify.Scheme, r verify.Request, secret verify.Secret, now time.Time, what string) {
	t.Helper()
	proof, err := s.Verify(r, []verify.Secret{secret}, now)
	if err == nil {
		t.Errorf("%s: accepted as %q", what, proof.Words)
		return
	}
	if waybill.KindOf(err) != waybill.Unverified || verify.Reason(err) == "" {
		t.Errorf("%s: refused, but not as unverified: %v", what, err)
	}
}

func withHeader(r verify.Request, name, value string) verify.Request {
	r.Header = r.Header.Clone()
	r.Header.Set(name, value)
	return r
}

func TestEveryOneBitChangeIsRefused(t *testing.T) {
	for _, k := range knownAnswers(t) {
		t.Run(k.name, func(t *testing.T) {
			for bit := range len(k.req.Body) * 8 {
				if k.name == "Twilio form" {
					break // the fields are signed, not their spelling; see the next test
				}
				r := k.req
				r.Body = []byte(string(k.req.Body))
				r.Body[bit/8] ^= 1 << (bit % 8)
				mustRefuse(t, k.scheme, r, k.secret, k.now, fmt.Sprintf("body, bit %d", bit))
			}
			for bit := range len(k.secret) * 8 {
				changed := []byte(k.secret)
				changed[bit/8] ^= 1 << (bit % 8)
				if same(k.scheme, changed, k.secret) {
					continue
				}
				mustRefuse(t, k.scheme, k.req, verify.Secret(changed), k.now, fmt.Sprintf("secret, bit %d: %q", bit, changed))
			}
			for name, values := range k.req.Header {
				if name == "Content-Type" || name == "X-Razorpay-Event-Id" || strings.HasSuffix(name, "-Webhook-Id") && k.scheme.Header == shopify.Header {
					continue // not part of what is signed
				}
				for bit := range len(values[0]) * 8 {
					changed := []byte(values[0])
					changed[bit/8] ^= 1 << (bit % 8)
					if name == "Stripe-Signature" && equalPairs(changed, values[0]) {
						continue
					}
					mustRefuse(t, k.scheme, withHeader(k.req, name, string(changed)), k.secret, k.now, fmt.Sprintf("%s, bit %d: %q", name, bit, changed))
				}
			}
		})
	}
}

// same reports whether a secret differs only in a spelling that names the same key.
func same(s verify.Scheme, changed []byte, secret verify.Secret) bool {
	if s.SecretForm != "whsec" {
		return false
	}
	a := strings.TrimRight(strings.TrimPrefix(string(changed), "whsec_"), "=")
	b := strings.TrimRight(strings.TrimPrefix(string(secret), "whsec_"), "=")
	x, err := base64.RawStdEncoding.DecodeString(a)
	y, _ := base64.RawStdEncoding.DecodeString(b)
	return err == nil && string(x) == string(y)
}

// equalPairs reports whether only the separator of the pairs changed, which is not part of what is signed.
func equalPairs(changed []byte, old string) bool {
	return strings.ReplaceAll(string(changed), ";", ",") == old
}

func TestEveryChangedFieldOfATwilioFormIsRefused(t *testing.T) {
	k := knownAnswers(t)[11]
	for _, body := range []string{
		"From=whatsapp%3A%2B15005550006&Body=hi+%26+bya&MessageSid=SM1",
		"From=whatsapp%3A%2B15005550006&Body=hi+%26+bye&MessageSid=SM2",
		"From=whatsapp%3A%2B15005550006&Body=hi+%26+bye",
		"From=whatsapp%3A%2B15005550006&Body=hi+%26+bye&MessageSid=SM1&More=1",
		"From=whatsapp%3A%2B15005550006&Body=hi+%26+bye&MessageSid=SM1&Body=other",
		"", "%zz", "a;b",
	} {
		r := k.req
		r.Body = []byte(body)
		mustRefuse(t, k.scheme, r, k.secret, k.now, body)
	}
	r := withHeader(k.req, "Content-Type", "application/json")
	mustRefuse(t, k.scheme, r, k.secret, k.now, "a body that is no form and has no hash")
	r = k.req
	r.Body = []byte("MessageSid=SM1&Body=hi+%26+bye&From=whatsapp%3a%2B15005550006&Body=hi+%26+bye")
	if _, err := k.scheme.Verify(r, []verify.Secret{k.secret}, k.now); err != nil {
		t.Errorf("another order and a value that repeats are the same fields: %v", err)
	}
}

func TestTheAddressIsPartOfTheProofWhereItIsSigned(t *testing.T) {
	for _, k := range knownAnswers(t) {
		if !strings.Contains(k.scheme.Signed, "{url") {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			for _, u := range []string{k.req.URL + "x", k.req.URL + "&y=2", strings.Replace(k.req.URL, "https", "http", 1), strings.Replace(k.req.URL, "hooks", "hook", 1), ""} {
				r := k.req
				r.URL = u
				mustRefuse(t, k.scheme, r, k.secret, k.now, u)
			}
			r := k.req
			r.URL = strings.Replace(r.URL, "example.test/", "example.test:443/", 1)
			if _, err := k.scheme.Verify(r, []verify.Secret{k.secret}, k.now); err != nil {
				t.Errorf("with its standard port written out it is the same address: %v", err)
			}
			r.Method = "GET"
			if strings.Contains(k.scheme.Signed, "{method}") {
				mustRefuse(t, k.scheme, r, k.secret, k.now, "another method")
			}
		})
	}
}

func TestHubSpotSignsDecodedOrUndecodedAddresses(t *testing.T) {
	received := "https://hooks.example.test/in/hubspot?redirect=https%3A%2F%2Fa.example%3fx%20y"
	for _, signed := range []string{received, "https://hooks.example.test/in/hubspot?redirect=https://a.example?x%20y"} {
		r := request(signed, vectorBody)
		if err := hubspot.Sign(&r, vectorSecret, vectorTime, ""); err != nil {
			t.Fatal(err)
		}
		r.URL = received
		if _, err := hubspot.Verify(r, []verify.Secret{vectorSecret}, vectorTime); err != nil {
			t.Errorf("signed over %s: %v", signed, err)
		}
	}
}

func TestTimestampsAreBoundedInBothDirections(t *testing.T) {
	for _, s := range []verify.Scheme{stripe, slack, hubspot, standard} {
		for _, row := range []struct {
			ago  time.Duration
			want string
		}{
			{0, ""},
			{299 * time.Second, ""},
			{-299 * time.Second, ""},
			{302 * time.Second, "the signature is right but too old: sent again by somebody, or a clock is wrong"},
			{-302 * time.Second, "the signature is right but from the future: a clock is wrong"},
			{1e6 * time.Hour, "the signature is right but too old: sent again by somebody, or a clock is wrong"},
		} {
			r := request("https://x.example.test/in/a", vectorBody)
			if err := s.Sign(&r, whsec, vectorTime, "m1"); err != nil {
				t.Fatal(err)
			}
			_, err := s.Verify(r, []verify.Secret{whsec}, vectorTime.Add(row.ago))
			if got := verify.Reason(err); got != row.want {
				t.Errorf("%s, %s after signing: %q, want %q", s.Header, row.ago, got, row.want)
			}
		}
	}
}

func TestATimestampIsReadStrictly(t *testing.T) {
	for _, ts := range []string{"", " 1767225600", "+1767225600", "-1767225600", "1767225600.0", "1e9", "0x69", "99999999999999999999", "１７６７２２５６００", "2026-01-01T00:00:00Z"} {
		r := request("https://x.example.test/", vectorBody)
		if err := slack.Sign(&r, vectorSecret, vectorTime, ""); err != nil {
			t.Fatal(err)
		}
		_, err := slack.Verify(withHeader(r, "X-Slack-Request-Timestamp", ts), []verify.Secret{vectorSecret}, vectorTime)
		if got := verify.Reason(err); got != "the timestamp cannot be read" && got != "there is no timestamp" {
			t.Errorf("%q: %v", ts, err)
		}
	}
	rfc := slack
	rfc.TimestampUnit = "rfc3339"
	r := request("https://x.example.test/", vectorBody)
	if err := rfc.Sign(&r, vectorSecret, vectorTime, ""); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("X-Slack-Request-Timestamp"); got != "2026-01-01T00:00:00Z" {
		t.Errorf("timestamp %q", got)
	}
	if _, err := rfc.Verify(r, []verify.Secret{vectorSecret}, vectorTime); err != nil {
		t.Error(err)
	}
}

func TestAnyOneOfSeveralSignaturesAndSecretsIsEnough(t *testing.T) {
	good := vectors(t)["stripe"]
	_, v1, _ := strings.Cut(good, "v1=")
	zeros := strings.Repeat("0", 64)
	r := request("", vectorBody, "Stripe-Signature", "t=1767225600, v0="+zeros+",v1="+zeros+",v1="+v1+",v2=zz,nonsense")
	proof, err := stripe.Verify(r, []verify.Secret{"older", vectorSecret, "oldest"}, vectorTime)
	if err != nil || proof.Secret != 2 || proof.Words != "Stripe-Signature, secret 2 of 3, 0 s old" {
		t.Errorf("proof %+v, err %v", proof, err)
	}
	_, std, _ := strings.Cut(vectors(t)["std"], ",")
	r = request("", vectorBody, "webhook-id", "msg_1", "webhook-timestamp", "1767225600", "webhook-signature", "v9,x v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))+" v1a,AAAA  v1,"+std)
	if _, err := standard.Verify(r, []verify.Secret{whsec}, vectorTime); err != nil {
		t.Error(err)
	}
}

func TestMalformedSignatureHeadersAreRefused(t *testing.T) {
	good := vectors(t)["stripe"]
	_, v1, _ := strings.Cut(good, "v1=")
	_, std, _ := strings.Cut(vectors(t)["std"], ",")
	hex := vectors(t)["razorpay"]
	rows := []struct {
		name   string
		scheme verify.Scheme
		value  string
	}{
		{"empty", stripe, ""},
		{"no timestamp", stripe, "v1=" + v1},
		{"two timestamps", stripe, good + ",t=1767225600"},
		{"only another scheme", stripe, "t=1767225600,v0=" + v1},
		{"empty signature", stripe, "t=1767225600,v1="},
		{"upper case", stripe, "t=1767225600,v1=" + strings.ToUpper(v1)},
		{"cut short", stripe, "t=1767225600,v1=" + v1[:62]},
		{"too long", stripe, "t=1767225600,v1=" + v1 + "00"},
		{"space inside", stripe, "t=1767225600,v1= " + v1},
		{"too many signatures", stripe, "t=1767225600" + strings.Repeat(",v1="+strings.Repeat("0", 64), 40) + ",v1=" + v1},
		{"header of 9 KiB", stripe, good + ",x=" + strings.Repeat("y", 9<<10)},
		{"no prefix", meta, hex},
		{"prefix in upper case", meta, "SHA256=" + hex},
		{"prefix twice", meta, "sha256=sha256=" + hex},
		{"sha1 as its prefix says", meta, "sha1=" + hex},
		{"upper-case hex", razorpay, strings.ToUpper(hex)},
		{"base64 where hex is used", razorpay, vectors(t)["shopify"]},
		{"no version", standard, std},
		{"unknown version", standard, "v2," + std},
		{"url-safe base64", standard, "v1," + strings.NewReplacer("+", "-", "/", "_").Replace(std)},
		{"no padding", standard, "v1," + strings.TrimRight(std, "=")},
		{"more padding", standard, "v1," + std + "="},
		{"tab instead of space inside", standard, "v1,\t" + std},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			secret := vectorSecret
			if row.scheme.Header == standard.Header {
				secret = whsec
			}
			if row.name == "url-safe base64" && !strings.ContainsAny(std, "+/") {
				t.Skip("the vector has neither + nor /")
			}
			r := request("", vectorBody, "webhook-id", "msg_1", "webhook-timestamp", "1767225600")
			name, _, _ := strings.Cut(row.scheme.Header, "|")
			r.Header.Set(name, row.value)
			mustRefuse(t, row.scheme, r, secret, vectorTime, row.value)
		})
	}
}

func TestDoubledHeadersAreRefused(t *testing.T) {
	for _, k := range knownAnswers(t) {
		for name := range k.req.Header {
			if name == "Content-Type" {
				continue
			}
			r := k.req
			r.Header = k.req.Header.Clone()
			r.Header.Add(name, r.Header.Get(name))
			mustRefuse(t, k.scheme, r, k.secret, k.now, k.name+": "+name+" twice")
		}
	}
}

func TestMissingHeadersAreRefused(t *testing.T) {
	for _, k := range knownAnswers(t) {
		for name := range k.req.Header {
			if name == "Content-Type" || name == "X-Razorpay-Event-Id" || strings.HasSuffix(name, "-Webhook-Id") {
				continue
			}
			r := k.req
			r.Header = k.req.Header.Clone()
			r.Header.Del(name)
			mustRefuse(t, k.scheme, r, k.secret, k.now, k.name+" without "+name)
		}
	}
}

func TestBlankSecretsProveNothing(t *testing.T) {
	for _, blank := range []verify.Secret{"", " ", "\n", "\t \r\n", "whsec_", "whsec_="} {
		for _, s := range []verify.Scheme{stripe, razorpay, meta, standard, twilio} {
			if strings.HasPrefix(string(blank), "whsec_") && s.SecretForm != "whsec" {
				continue
			}
			r := request("https://x.example.test/", "{}", "Content-Type", "application/json")
			if err := s.Sign(&r, blank, vectorTime, "m1"); err == nil {
				t.Errorf("%s: signed with %q", s.Header, string(blank))
			}
			r = request("https://x.example.test/", vectorBody)
			signer := s
			signer.SecretForm = "text"
			if err := signer.Sign(&r, "x", vectorTime, "m1"); err != nil {
				continue
			}
			mustRefuse(t, s, r, blank, vectorTime, s.Header)
		}
	}
	for _, blank := range []verify.Secret{"", " "} {
		r := request("", "{}", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(blank)))
		mustRefuse(t, verify.Scheme{Scheme: "basic"}, r, blank, vectorTime, "blank user and password")
		mustRefuse(t, verify.Scheme{Scheme: "token", In: "header", Name: "X"}, request("", "{}", "X", string(blank)), blank, vectorTime, "a blank token")
	}
	r := request("", vectorBody, "Stripe-Signature", vectors(t)["stripe"])
	if _, err := stripe.Verify(r, nil, vectorTime); verify.Reason(err) != "no secret is set for this connection" {
		t.Errorf("no secret: %v", err)
	}
	if _, err := stripe.Verify(r, []verify.Secret{"", vectorSecret}, vectorTime); err != nil {
		t.Errorf("a blank secret beside a good one: %v", err)
	}
}

func TestAWrongSecretIsRefusedAndAPasteErrorIsNamed(t *testing.T) {
	r := request("", vectorBody, "Stripe-Signature", vectors(t)["stripe"])
	for secret, want := range map[verify.Secret]string{
		"waybill_test_secreT":   "the signature does not match",
		"waybill_test_secre":    "the signature does not match",
		"waybill_test_secret\n": "the signature matches only without the white space around our secret: set it again without",
	} {
		_, err := stripe.Verify(r, []verify.Secret{secret}, vectorTime)
		if got := verify.Reason(err); got != want {
			t.Errorf("%q: %q, want %q", string(secret), got, want)
		}
	}
	_, err := standard.Verify(request("", vectorBody, "webhook-id", "m", "webhook-timestamp", "1767225600", "webhook-signature", "v1,AA=="), []verify.Secret{"whsec_!!"}, vectorTime)
	if got := verify.Reason(err); !strings.Contains(got, "cannot be read in the form") {
		t.Errorf("reason %q", got)
	}
}

func TestStandardWebhooksSecretsAreTakenInEverySpelling(t *testing.T) {
	base := request("", vectorBody, "webhook-id", "msg_1", "webhook-timestamp", "1767225600", "webhook-signature", vectors(t)["std"])
	bare := strings.TrimPrefix(string(whsec), "whsec_")
	for _, secret := range []string{string(whsec), bare, strings.TrimRight(bare, "="), "whsec_" + strings.TrimRight(bare, "="), string(whsec) + "\n"} {
		if _, err := standard.Verify(base, []verify.Secret{verify.Secret(secret)}, vectorTime); err != nil {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestAnIDWithDotsIsTakenUnlessItCanBeSplitInTwoWays(t *testing.T) {
	for _, row := range []struct {
		id, body string
		ok       bool
	}{
		{"msg.with.dots", vectorBody, true},
		{"order.42", vectorBody, true},
		{"msg.1767225600", vectorBody, false},
		{"msg_1", "1767225601.rest", false},
		{"1767225600", vectorBody, true},
	} {
		r := request("", row.body)
		if err := standard.Sign(&r, whsec, vectorTime, row.id); err != nil {
			t.Fatal(err)
		}
		_, err := standard.Verify(r, []verify.Secret{whsec}, vectorTime)
		if (err == nil) != row.ok {
			t.Errorf("id %q, body %q: %v", row.id, row.body, err)
		}
	}
}

func TestEd25519SignaturesAreProven(t *testing.T) {
	seed := sha256.Sum256([]byte("a seed for tests"))
	private := ed25519.NewKeyFromSeed(seed[:])
	public := private.Public().(ed25519.PublicKey)
	whsk := verify.Secret("whsk_" + base64.StdEncoding.EncodeToString(private))
	whpk := verify.Secret("whpk_" + base64.StdEncoding.EncodeToString(public))

	t.Run("as v1a beside v1 in one list", func(t *testing.T) {
		r := request("", vectorBody)
		if err := standard.Sign(&r, whsk, vectorTime, "msg_1"); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(r.Header.Get("webhook-signature"), "v1a,") {
			t.Fatalf("signature %q", r.Header.Get("webhook-signature"))
		}
		r.Header.Set("webhook-signature", "v1,AAAA "+r.Header.Get("webhook-signature"))
		for _, secrets := range [][]verify.Secret{{whpk}, {whsec, whpk}, {whsk}} {
			if _, err := standard.Verify(r, secrets, vectorTime); err != nil {
				t.Error(err)
			}
		}
		mustRefuse(t, standard, r, whsec, vectorTime, "a shared secret")
	})
	t.Run("a public key is never taken as a shared secret", func(t *testing.T) {
		forged := request("", vectorBody)
		asShared := verify.Secret("whsec_" + base64.StdEncoding.EncodeToString(public))
		if err := standard.Sign(&forged, asShared, vectorTime, "msg_1"); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, standard, forged, whpk, vectorTime, "v1 made with the public key")
		v1 := forged.Header.Get("webhook-signature")
		mustRefuse(t, standard, withHeader(forged, "webhook-signature", strings.Replace(v1, "v1,", "v1a,", 1)), whpk, vectorTime, "the same called v1a")
	})
	t.Run("alone in a header, in hex", func(t *testing.T) {
		r := request("", vectorBody)
		if err := discord.Sign(&r, verify.Secret(hex.EncodeToString(private)), vectorTime, ""); err != nil {
			t.Fatal(err)
		}
		key := verify.Secret(hex.EncodeToString(public))
		if _, err := discord.Verify(r, []verify.Secret{key}, vectorTime); err != nil {
			t.Fatal(err)
		}
		sig := r.Header.Get("X-Signature-Ed25519")
		for bit := range len(sig) * 8 {
			changed := []byte(sig)
			changed[bit/8] ^= 1 << (bit % 8)
			mustRefuse(t, discord, withHeader(r, "X-Signature-Ed25519", string(changed)), key, vectorTime, string(changed))
		}
		if err := discord.Sign(&r, key, vectorTime, ""); err == nil {
			t.Error("signed with a public key")
		}
	})
}

func TestTokensAreCompared(t *testing.T) {
	zoho := verify.Scheme{Scheme: "token", In: "body:/token"}
	rows := []struct {
		name   string
		scheme verify.Scheme
		req    verify.Request
		ok     bool
		words  string
	}{
		{"in a header", verify.Scheme{Scheme: "token", In: "header", Name: "X-Gate"}, request("", "{}", "X-Gate", "s3cret"), true, "X-Gate header, secret 1 of 1"},
		{"in a header with its prefix", verify.Scheme{Scheme: "token", In: "header", Name: "Authorization", Prefix: "Bearer "}, request("", "{}", "Authorization", "Bearer s3cret"), true, "Authorization header, secret 1 of 1"},
		{"without the prefix", verify.Scheme{Scheme: "token", In: "header", Name: "Authorization", Prefix: "Bearer "}, request("", "{}", "Authorization", "s3cret"), false, ""},
		{"in another case", verify.Scheme{Scheme: "token", In: "header", Name: "X-Gate"}, request("", "{}", "X-Gate", "S3CRET"), false, ""},
		{"a beginning of it", verify.Scheme{Scheme: "token", In: "header", Name: "X-Gate"}, request("", "{}", "X-Gate", "s3cre"), false, ""},
		{"missing", verify.Scheme{Scheme: "token", In: "header", Name: "X-Gate"}, request("", "{}"), false, ""},
		{"twice", verify.Scheme{Scheme: "token", In: "header", Name: "X-Gate"}, request("", "{}", "X-Gate", "s3cret", "X-Gate", "s3cret"), false, ""},
		{"in the query", verify.Scheme{Scheme: "token", In: "query", Name: "key"}, request("https://x.example.test/in/a?key=s3cret&b=1", "{}"), true, "token in the query, secret 1 of 1"},
		{"in the query twice", verify.Scheme{Scheme: "token", In: "query", Name: "key"}, request("https://x.example.test/in/a?key=s3cret&key=s3cret", "{}"), false, ""},
		{"in the path", verify.Scheme{Scheme: "token", In: "path"}, verify.Request{PathToken: "s3cret"}, true, "token in the address, secret 1 of 1"},
		{"not in the path", verify.Scheme{Scheme: "token", In: "path"}, verify.Request{}, false, ""},
		{"in a JSON body", zoho, request("", `{"token":"s3cret"}`), true, "token in the body, secret 1 of 1"},
		{"deep in a JSON body", verify.Scheme{Scheme: "token", In: "body:/a/1/b~1c"}, request("", `{"a":[0,{"b/c":"s3cret"}]}`), true, "token in the body, secret 1 of 1"},
		{"a number in a JSON body", zoho, request("", `{"token":12}`), false, ""},
		{"a body that is no JSON", zoho, request("", `{"token":"s3cret"`), false, ""},
		{"in a form", verify.Scheme{Scheme: "token", In: "body:token"}, request("", "a=1&token=s3cret"), true, "token in the form, secret 1 of 1"},
		{"user and password", verify.Scheme{Scheme: "basic"}, request("", "{}", "Authorization", "basic "+base64.StdEncoding.EncodeToString([]byte("s3cret"))), true, "user and password, secret 1 of 1"},
		{"a wrong password", verify.Scheme{Scheme: "basic"}, request("", "{}", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("u:s3cret"))), false, ""},
		{"no base64", verify.Scheme{Scheme: "basic"}, request("", "{}", "Authorization", "Basic s3cret!"), false, ""},
		{"another scheme", verify.Scheme{Scheme: "basic"}, request("", "{}", "Authorization", "Bearer "+base64.StdEncoding.EncodeToString([]byte("s3cret"))), false, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if err := row.scheme.Check(); err != nil {
				t.Fatal(err)
			}
			if !row.ok {
				mustRefuse(t, row.scheme, row.req, "s3cret", vectorTime, row.name)
				return
			}
			proof, err := row.scheme.Verify(row.req, []verify.Secret{"s3cret"}, vectorTime)
			if err != nil || proof.Words != row.words {
				t.Errorf("proof %q, err %v", proof.Words, err)
			}
			mustRefuse(t, row.scheme, row.req, "other", vectorTime, "another secret")
			mustRefuse(t, row.scheme, row.req, "", vectorTime, "no secret")
		})
	}
}

func TestAllRefusalsReadTheSameOutside(t *testing.T) {
	seen := map[string]bool{}
	for _, header := range []string{"", "t=1,v1=00", "t=x", vectors(t)["stripe"]} {
		_, err := stripe.Verify(request("", "{}", "Stripe-Signature", header), []verify.Secret{vectorSecret}, vectorTime)
		e, ok := errors.AsType[*waybill.Error](err)
		if !ok {
			t.Fatalf("%T", err)
		}
		seen[e.Message+e.Hint] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d different wordings: %v", len(seen), seen)
	}
}

func TestASchemeThatCannotProveAnythingIsRefusedByCheckAndVerifiesNothing(t *testing.T) {
	with := func(change func(*verify.Scheme)) verify.Scheme {
		s := standard
		change(&s)
		return s
	}
	rows := map[string]verify.Scheme{
		`scheme "" is not known`:         {},
		`scheme "jwt" is not known`:      {Scheme: "jwt"},
		"needs the header":               {Scheme: "hmac"},
		"leaves the body out":            with(func(s *verify.Scheme) { s.Signed = "{id}.{timestamp}" }),
		"{bdy} is not known":             with(func(s *verify.Scheme) { s.Signed = "{bdy}" }),
		"a { without its }":              with(func(s *verify.Scheme) { s.Signed = "{body" }),
		"use scheme ed25519":             with(func(s *verify.Scheme) { s.Algorithm = "ed25519" }),
		`algorithm "md5" is not known`:   with(func(s *verify.Scheme) { s.Algorithm = "md5" }),
		`encoding "base32" is not known`: with(func(s *verify.Scheme) { s.Encoding = "base32" }),
		`layout "tree" is not known`:     with(func(s *verify.Scheme) { s.Layout = "tree" }),
		"say where it is with timestamp": with(func(s *verify.Scheme) { s.TimestampHeader = "" }),
		"it proves nothing":              with(func(s *verify.Scheme) { s.Signed = "{id}.{body}" }),
		"say where it is with id_header": with(func(s *verify.Scheme) { s.IDHeader = "" }),
		"is negative":                    with(func(s *verify.Scheme) { s.Tolerance = -1 }),
		"a public key is no text":        {Scheme: "ed25519", Header: "X"},
		"needs a prefix":                 {Scheme: "hmac", Header: "X", Layout: "pairs"},
		"needs layout prefix":            {Scheme: "hmac", Header: "X", Prefix: "v1="},
		"needs its name":                 {Scheme: "token", In: "header"},
		"a token is in":                  {Scheme: "token", In: "cookie"},
	}
	for want, s := range rows {
		err := s.Check()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check of %+v: %v, want %q", s, err, want)
		}
		r := request("https://x.example.test/", vectorBody, "X", "", "webhook-id", "m", "webhook-timestamp", "1767225600", "webhook-signature", "v1,")
		if _, err := s.Verify(r, []verify.Secret{"whsec_AAEC"}, vectorTime); err == nil {
			t.Errorf("%q verified a request", want)
		}
	}
}

func TestASecretDoesNotPrintItself(t *testing.T) {
	s := verify.Secret("hush")
	out, _ := json.Marshal(map[string]any{"s": s})
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%s %v %q %#v", s, s, s, s), fmt.Sprintf("%+v", struct{ S verify.Secret }{s}), string(out)} {
		if strings.Contains(text, "hush") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestMetasEscapedBodiesAreProvenOverTheirBytes(t *testing.T) {
	for _, body := range []string{`{"name":"Ren\u00e9","emoji":"\ud83d\ude00","url":"https:\/\/a.example\/b"}`, `{"name":"René","url":"https://a.example/b"}`} {
		r := request("", body)
		if err := meta.Sign(&r, vectorSecret, vectorTime, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := meta.Verify(r, []verify.Secret{vectorSecret}, vectorTime); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		r.Body = []byte(strings.NewReplacer(`\u00e9`, "é", `\/`, "/", "é", `\u00e9`).Replace(body))
		mustRefuse(t, meta, r, vectorSecret, vectorTime, "the same JSON written in another way")
	}
}
