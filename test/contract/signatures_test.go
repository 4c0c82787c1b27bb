package contract_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/razorpay/razorpay-go/utils"
	"github.com/slack-go/slack"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v85/webhook"
	twilio "github.com/twilio/twilio-go/client"
	"go.yaml.in/yaml/v4"

	"waybill"
	"waybill/connector"
	"waybill/verify"
)

// manifestScheme reads the scheme out of a built-in connector's manifest, so that what is proven is what is shipped.
func manifestScheme(t *testing.T, name string) verify.Scheme {
	t.Helper()
	text, err := os.ReadFile("../../connectors/" + name + "/manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Webhook struct {
			Verify connector.VerifyConfig `yaml:"verify"`
		} `yaml:"webhook"`
	}
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	s := verify.Scheme(m.Webhook.Verify)
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// twilioScheme has no manifest yet.
var twilioScheme = verify.Scheme{Scheme: "hmac", Algorithm: "sha1", Encoding: "base64", Header: "X-Twilio-Signature", Signed: "{url_params}"}

const (
	body   = `{"id":"evt_1","note":"é/&","amount":129900}`
	secret = verify.Secret("whsec_waybill_test_secret")
)

// party is one provider's own library beside our scheme for it.
type party struct {
	name   string
	scheme verify.Scheme
	secret verify.Secret
	url    string
	form   string // the body, when it is a form
	timed  bool
	// sign makes a request as the library does; nil when the library only verifies.
	sign func(t *testing.T, at time.Time) verify.Request
	// accepts asks the library whether it takes the request.
	accepts func(r verify.Request) error
	signed  []string // headers that are covered by the signature
}

func request(u, body string, headers map[string]string) verify.Request {
	h := http.Header{}
	for name, value := range headers {
		h.Set(name, value)
	}
	return verify.Request{Method: "POST", URL: u, Header: h, Body: []byte(body)}
}

func parties(t *testing.T) []party {
	t.Helper()
	whsec := verify.Secret("whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")))
	std, err := standard.NewWebhook(string(whsec))
	if err != nil {
		t.Fatal(err)
	}
	validator := twilio.NewRequestValidator(string(secret))
	form := url.Values{"MessageSid": {"SM1"}, "From": {"whatsapp:+15005550006"}, "Body": {"hi & bye, é"}}
	verdict := func(ok bool) error {
		if !ok {
			return fmt.Errorf("not accepted")
		}
		return nil
	}
	return []party{
		{
			name: "stripe-go", scheme: manifestScheme(t, "stripe"), secret: secret, timed: true, signed: []string{"Stripe-Signature"},
			sign: func(_ *testing.T, at time.Time) verify.Request {
				p := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: string(secret), Timestamp: at})
				return request("https://x.example.test/in/stripe", body, map[string]string{"Stripe-Signature": p.Header})
			},
			accepts: func(r verify.Request) error {
				return webhook.ValidatePayload(r.Body, r.Header.Get("Stripe-Signature"), string(secret))
			},
		},
		{
			name: "razorpay-go", scheme: manifestScheme(t, "razorpay"), secret: secret, signed: []string{"X-Razorpay-Signature"},
			accepts: func(r verify.Request) error {
				return verdict(utils.VerifyWebhookSignature(string(r.Body), r.Header.Get("X-Razorpay-Signature"), string(secret)))
			},
		},
		{
			name: "slack-go", scheme: manifestScheme(t, "slack"), secret: secret, timed: true,
			signed: []string{"X-Slack-Signature", "X-Slack-Request-Timestamp"},
			accepts: func(r verify.Request) error {
				v, err := slack.NewSecretsVerifier(r.Header, string(secret))
				if err != nil {
					return err
				}
				if _, err := v.Write(r.Body); err != nil {
					return err
				}
				return v.Ensure()
			},
		},
		{
			name: "standard-webhooks", scheme: manifestScheme(t, "standard-webhooks"), secret: whsec, timed: true,
			signed: []string{"Webhook-Signature", "Webhook-Timestamp", "Webhook-Id"},
			sign: func(t *testing.T, at time.Time) verify.Request {
				sig, err := std.Sign("msg_1", at, []byte(body))
				if err != nil {
					t.Fatal(err)
				}
				return request("https://x.example.test/in/std", body, map[string]string{
					"webhook-id": "msg_1", "webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": sig,
				})
			},
			accepts: func(r verify.Request) error { return std.Verify(r.Body, r.Header) },
		},
		{
			name: "twilio-go, a form", scheme: twilioScheme, secret: secret, url: "https://hooks.example.test/in/twilio?a=b", form: form.Encode(),
			signed: []string{"X-Twilio-Signature"},
			accepts: func(r verify.Request) error {
				fields, err := url.ParseQuery(string(r.Body))
				if err != nil {
					return err
				}
				params := map[string]string{}
				for name := range fields {
					params[name] = fields.Get(name)
				}
				return verdict(validator.Validate(r.URL, params, r.Header.Get("X-Twilio-Signature")))
			},
		},
		{
			name: "twilio-go, JSON", scheme: twilioScheme, secret: secret, url: "https://hooks.example.test/in/twilio?a=b", signed: []string{"X-Twilio-Signature"},
			accepts: func(r verify.Request) error {
				return verdict(validator.ValidateBody(r.URL, r.Body, r.Header.Get("X-Twilio-Signature")))
			},
		},
	}
}

// ours is a request signed by us.
func (p party) ours(t *testing.T, at time.Time) verify.Request {
	t.Helper()
	r := request("https://x.example.test/in/x", body, map[string]string{"Content-Type": "application/json"})
	if p.url != "" {
		r.URL = p.url
	}
	if p.form != "" {
		r.Body = []byte(p.form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err := p.scheme.Sign(&r, p.secret, at, "msg_1"); err != nil {
		t.Fatal(err)
	}
	return r
}

func each(t *testing.T, f func(t *testing.T, p party)) {
	t.Helper()
	for _, p := range parties(t) {
		t.Run(p.name, func(t *testing.T) { f(t, p) })
	}
}

func TestWhatTheirLibrarySignsWeAccept(t *testing.T) {
	each(t, func(t *testing.T, p party) {
		if p.sign == nil {
			t.Skip("the library only verifies")
		}
		at := time.Now()
		r := p.sign(t, at)
		if proof, err := p.scheme.Verify(r, []verify.Secret{"another", p.secret}, at); err != nil || proof.Secret != 2 {
			t.Errorf("%+v, %v", proof, err)
		}
		if err := p.accepts(r); err != nil {
			t.Errorf("the library refuses its own: %v", err)
		}
	})
}

func TestWhatWeSignTheirLibraryAccepts(t *testing.T) {
	each(t, func(t *testing.T, p party) {
		r := p.ours(t, time.Now())
		if err := p.accepts(r); err != nil {
			t.Errorf("%v\n%v", err, r.Header)
		}
		if _, err := p.scheme.Verify(r, []verify.Secret{p.secret}, time.Now()); err != nil {
			t.Error(err)
		}
	})
}

func mustRefuse(t *testing.T, p party, r verify.Request, secret verify.Secret, at time.Time, what string) {
	t.Helper()
	if _, err := p.scheme.Verify(r, []verify.Secret{secret}, at); err == nil || waybill.KindOf(err) != waybill.Unverified {
		t.Errorf("%s: %v", what, err)
	}
}

func TestEveryOneBitChangeOfTheirRequestsIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p party) {
		at := time.Now()
		r := p.ours(t, at)
		if p.sign != nil {
			r = p.sign(t, at)
		}
		for bit := range len(r.Body) * 8 {
			changed := r
			changed.Body = []byte(string(r.Body))
			changed.Body[bit/8] ^= 1 << (bit % 8)
			if p.form != "" && sameForm(r.Body, changed.Body) {
				continue // another spelling of the same fields, which are what is signed
			}
			mustRefuse(t, p, changed, p.secret, at, fmt.Sprintf("body, bit %d", bit))
		}
		for _, name := range p.signed {
			value := r.Header.Get(name)
			for bit := range len(value) * 8 {
				b := []byte(value)
				b[bit/8] ^= 1 << (bit % 8)
				changed := r
				changed.Header = r.Header.Clone()
				changed.Header.Set(name, string(b))
				mustRefuse(t, p, changed, p.secret, at, fmt.Sprintf("%s, bit %d: %q", name, bit, b))
			}
		}
	})
}

func sameForm(a, b []byte) bool {
	x, err := url.ParseQuery(string(b))
	y, _ := url.ParseQuery(string(a))
	return err == nil && x.Encode() == y.Encode()
}

func TestAWrongSecretIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p party) {
		at := time.Now()
		r := p.ours(t, at)
		for _, wrong := range []verify.Secret{"", " ", "x", p.secret[:len(p.secret)-8], verify.Secret(strings.ToUpper(string(p.secret)))} {
			mustRefuse(t, p, r, wrong, at, fmt.Sprintf("secret %q", string(wrong)))
		}
	})
}

func TestStaleAndFutureTimestampsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, p party) {
		if !p.timed {
			t.Skip("it signs no timestamp")
		}
		now := time.Now()
		for _, off := range []time.Duration{-6 * time.Minute, 6 * time.Minute, -24 * time.Hour, 24 * time.Hour} {
			r := p.ours(t, now.Add(off))
			if p.sign != nil {
				r = p.sign(t, now.Add(off))
			}
			mustRefuse(t, p, r, p.secret, now, off.String())
		}
	})
}
