package verify_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/verify"
)

var all = []verify.Scheme{stripe, razorpay, meta, shopify, typeform, frappe, slack, hubspot, standard, twilio}

func TestWhatIsSignedIsProvenAndNothingElseIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(all).Draw(t, "scheme")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		key := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "key")
		secret := verify.Secret("k" + base64.StdEncoding.EncodeToString(key))
		if s.SecretForm == "whsec" {
			secret = verify.Secret("whsec_" + base64.StdEncoding.EncodeToString(key))
		}
		at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at"))
		late := time.Duration(rapid.Int64Range(-299e9, 299e9).Draw(t, "late"))
		id := rapid.StringMatching(`[a-z]{1,5}[-_.][a-zA-Z0-9]{1,9}`).Draw(t, "id")
		r := verify.Request{Method: "POST", URL: "https://a.example.test/in/x?b=%3A", Header: http.Header{}, Body: body}
		if err := s.Sign(&r, secret, at, id); err != nil {
			t.Fatalf("sign: %v", err)
		}
		digitsFirst := len(body) > 10 && body[0] >= '0' && body[0] <= '9'
		proof, err := s.Verify(r, []verify.Secret{"other", secret}, at.Add(late))
		if err != nil {
			if s.Header == standard.Header && digitsFirst {
				return // can be split in two ways
			}
			t.Fatalf("verify: %v", err)
		}
		if proof.Secret != 2 || s.IDHeader != "" && proof.ID != id {
			t.Fatalf("proof %+v", proof)
		}
		if _, err := s.Verify(r, []verify.Secret{secret + "AAAA"}, at); err == nil && s.SecretForm != "whsec" {
			t.Fatal("proven with another secret")
		}
		if len(body) > 0 {
			bit := rapid.IntRange(0, len(body)*8-1).Draw(t, "bit")
			r.Body = append([]byte(nil), body...)
			r.Body[bit/8] ^= 1 << (bit % 8)
			if _, err := s.Verify(r, []verify.Secret{secret}, at); err == nil {
				t.Fatalf("proven with another body")
			}
		}
	})
}

func FuzzSignatureHeaders(f *testing.F) {
	for _, v := range []string{"", "t=1767225600,v1=ab", "v1,AAAA v1a,BBBB", "sha256=00", "v0=", "t=,t=,;", "\x00", "Basic Og=="} {
		f.Add(v, "1767225600", "msg_1", []byte("{}"))
	}
	token := []verify.Scheme{{Scheme: "basic"}, {Scheme: "token", In: "header", Name: "Authorization", Prefix: "Bearer "}, {Scheme: "token", In: "body:/a/0"}}
	f.Fuzz(func(t *testing.T, signature, timestamp, id string, body []byte) {
		for _, s := range append(append([]verify.Scheme{}, all...), append(token, discord)...) {
			h := http.Header{}
			for _, name := range []string{
				"Stripe-Signature", "X-Razorpay-Signature", "X-Hub-Signature-256", "X-Shopify-Hmac-Sha256", "Typeform-Signature", "X-Frappe-Webhook-Signature",
				"X-Slack-Signature", "X-HubSpot-Signature-v3", "webhook-signature", "X-Twilio-Signature", "X-Signature-Ed25519", "Authorization",
			} {
				h.Set(name, signature)
			}
			for _, name := range []string{"X-Slack-Request-Timestamp", "X-HubSpot-Request-Timestamp", "webhook-timestamp", "X-Signature-Timestamp"} {
				h.Set(name, timestamp)
			}
			h.Set("webhook-id", id)
			h.Set("Content-Type", id)
			r := verify.Request{Method: "POST", URL: "https://a.example.test/" + id, Header: h, Body: body}
			secret := verify.Secret("d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737")
			if _, err := s.Verify(r, []verify.Secret{secret}, vectorTime); err == nil {
				t.Fatalf("%s proved %q", s.Header, signature)
			} else if verify.Reason(err) == "" {
				t.Fatalf("not a refusal: %v", err)
			}
		}
	})
}

func BenchmarkVerifyStripe(b *testing.B) {
	body := make([]byte, 1600)
	r := verify.Request{Method: "POST", Body: body, Header: http.Header{}}
	if err := stripe.Sign(&r, vectorSecret, vectorTime, ""); err != nil {
		b.Fatal(err)
	}
	secrets := []verify.Secret{vectorSecret}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stripe.Verify(r, secrets, vectorTime); err != nil {
			b.Fatal(err)
		}
	}
}
