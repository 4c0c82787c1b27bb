package connector

import (
	"reflect"
	"strings"
	"testing"
)

var bodies = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `truex`, `0`, `-0`, `-`, `01`, `1.`, `.5`, `1.5`, `1e5`, `1E+5`, `1e`, `-12.5e-3`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`, `1234567890123456789012`, `1e400`, `+1`,
	`""`, `"a"`, `"a`, `"\n"`, `"\u00e9\ud83d\ude00"`, `"\ud800"`, `"\x"`, "\"\x01\"", "\"\xff\"", `"é"`, `"\\\""`, "\"\x7f\"",
	`{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a" : [1 , 2], "b":{"c":null}}`, `{"a":1,"a":2}`, `{"a":{"x":1},"b":{"x":1}}`,
	`{"\u0061":1,"a":2}`, `{a:1}`, `{"a"}`, `{"a":}`, `{"a":1 "b":2}`, `{"a":1`, `[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,[2,[3]]]`, `[`, `]`,
	`{}{}`, `1 2`, " \t\r\n1 \n", "\f1", "\ufeff1", `{"a":"b"}x`,
	strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat("[", 66) + strings.Repeat("]", 66),
}

func sameReading(t *testing.T, body string) {
	t.Helper()
	quick, ok := quickly([]byte(body))
	careful, err := carefully([]byte(body))
	switch {
	case ok && err != nil:
		t.Errorf("%q is read as %v, and is refused: %v", body, quick, err)
	case ok && !reflect.DeepEqual(quick, careful):
		t.Errorf("%q is read as %#v and as %#v", body, quick, careful)
	case !ok && err == nil && len(body) < 1000 && !strings.Contains(body, `\`):
		t.Errorf("%q is plain, and is not read quickly", body)
	}
}

func TestABodyIsReadQuicklyAsItIsReadCarefully(t *testing.T) {
	for _, body := range bodies {
		sameReading(t, body)
	}
}

func FuzzBothReadersReadAlike(f *testing.F) {
	for _, body := range bodies {
		f.Add(body)
	}
	f.Fuzz(sameReading)
}

// BenchmarkDecode reads a payment of 1.6 KB both ways.
func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"id":"evt_1","object":"event","api_version":"2026-09-30.endive","created":1795632314,"livemode":false,"pending_webhooks":1,"request":{"id":"req_65","idempotency_key":null},"type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","object":"payment_intent","amount":100065,"amount_capturable":0,"amount_details":{"tip":{}},"amount_received":100065,"application":null,"application_fee_amount":null,"automatic_payment_methods":{"allow_redirects":"always","enabled":true},"canceled_at":null,"cancellation_reason":null,"capture_method":"automatic","client_secret":null,"confirmation_method":"automatic","created":1795632314,"currency":"inr","customer":"cus_65","description":"Order SO-65","invoice":null,"last_payment_error":null,"latest_charge":"ch_65","livemode":false,"metadata":{"basket":"B-65","channel":"web","campaign":"autumn","sales_person":"none","note":"a note of some length that stands for what shops put here"},"next_action":null,"on_behalf_of":null,"payment_method":"pm_65","payment_method_types":["card"],"processing":null,"receipt_email":"asha65@example.com","review":null,"shipping":{"address":{"city":"Bengaluru","country":"IN","line1":"1 MG Road","line2":null,"postal_code":"560001","state":"KA"},"carrier":null,"name":"Asha K","phone":"+919800000065"},"source":null,"status":"succeeded","transfer_group":null}}}`)
	b.Run("quickly", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := quickly(body); !ok {
				b.Fatal("not read")
			}
		}
	})
	b.Run("carefully", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := carefully(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
