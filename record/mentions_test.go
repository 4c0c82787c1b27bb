package record

import (
	"slices"
	"testing"

	"waybill"
)

func TestAPersonIsMetByWholeValuesOnly(t *testing.T) {
	for _, c := range []struct {
		who waybill.Person
		yes []string
		no  []string
	}{
		{
			waybill.Person{Emails: []string{"ann@example.com"}},
			[]string{
				"ann@example.com", "Ann@Example.com", "<ann@example.com>", "write to ann@example.com.", "ann@example.com, bob@example.com", "'ann@example.com'",
				"ann@example.com-", "ann@example.com... and then", "/in/pay?email=ann%40example.com", "mail+to=x&note=mail+ann%40example.com", "%3Cann%40example.com%3E",
				`{"note":"Mail:\nann@example.com\nthanks"}`, `{"to":"ann\u0040example.com"}`, `{"payload":"{\"to\":\"ann@example.com\"}"}`, `it said {\"to\":\"ann@example.com\"}`,
				`broken {"to":"\nann@example.com"`, `{"ann@example.com":{"a":1}}`, `{"a":"ann@example.com","a":"bob@example.com"}`, `{"status":"ann@example.com"}`, "to=ann@example.com;x",
			},
			[]string{
				"joann@example.com", "jo.ann@example.com", "jo_ann@example.com", "jo-ann@example.com", "jo+ann@example.com", "o'ann@example.com", "9ann@example.com", "éann@example.com",
				"ann@example.com.au", "ann@example.community", "ann@example.com-shop.de", "ann@example.co", `{"to":"joann@example.com"}`, "email=joann%40example.com", "email=jo%2Bann%40example.com",
			},
		},
		{
			waybill.Person{Phones: []string{"+91 98765-43210"}},
			[]string{
				"+919876543210", "919876543210", "9876543210", "09876543210", "00919876543210", "+91 98765 43210", "(+91) 98765-43210", "call 98765 43210, please", "9876543210,9123456789",
				`{"to":"919876543210"}`, `{"phone":919876543210}`, `{"phone":9876543210}`, "to=%2B919876543210", "to=%2B91+98765+43210", "whatsapp:+919876543210", "no answer for +919876543210.",
			},
			[]string{
				"9198765432101", "19876543210", "+19876543210", "+44 9876543210", "449876543210", "98765432", "987654321", "9876543210.50", "x9876543210f", "99-9876543210",
				`{"amount":9876543210}`, `{"amount":{"minor":9876543210}}`, `{"created":919876543210}`, `{"total":"9876543210"}`, "Rs. 9876543210", "₹9876543210", "9876543210 INR",
			},
		},
		{
			waybill.Person{Phones: []string{"20261126"}}, // as a date
			[]string{"20261126", "2026-1126"},
			[]string{"2026-11-26", "2026-11-26T10:00:00Z", `{"day":"2026-11-26"}`, "20261126T100000Z", `{"id":20261126}`, `{"id":"20261126"}`, `{"amount":20261126}`},
		},
		{
			waybill.Person{IDs: []string{"cus_77"}},
			[]string{"cus_77", "cus_77.", "of cus_77, who", "/v1/customers/cus_77/notes", "/in?customer=cus_77", `{"customer":"cus_77"}`, `{"id":"cus_77"}`, `{"ids":["cus_77"]}`, "crm:cus_77"},
			[]string{"cus_771", "acus_77", "Cus_77", "cus_77-b", "cus_77_b", "cus_77@example.com", "jo.cus_77@example.com", "cus_77.example.com"},
		},
		{
			waybill.Person{IDs: []string{"781"}},
			[]string{"781", "contact 781 wrote", `{"id":781}`, `{"contact":{"id":"781"}}`, `{"contactId":781}`, "#781", "https://crm.example.com/contacts/781"},
			[]string{
				"2026-11-26T09:49:12.781Z", "at 2026-11-26 09:49:12.781 it", "12:49:12.781", "1781", "7810", "781.50", "0.781", "1,781", "₹781", "Rs. 781", "781 INR", "781%", "INV-781", "eff_781",
				`{"at":"2026-11-26T09:49:12.781+05:30"}`, `{"minor":781}`, `{"amount":781}`, `{"amount_paid":"781"}`, `{"totalPrice":781}`, `{"count":781}`, `{"n":781}`, "amount=781&x=1",
				`{"created_at":781}`, "joe781@example.com", "781@example.com",
			},
		},
		{
			waybill.Person{IDs: []string{"open"}}, // a state's word
			[]string{`{"id":"open"}`, `{"customer":"open"}`},
			[]string{"the problem is open again", `{"status":"open"}`, `{"lead":{"provider_status":"open"}}`, `{"state":"open"}`, "reopened"},
		},
		{
			waybill.Person{IDs: []string{"ann@example.com"}}, // an address, in a system whose ids are
			[]string{"ann@example.com"},
			[]string{"jo.ann@example.com", "joann@example.com"},
		},
		{
			waybill.Person{Emails: []string{"e", "ann", "@example.com"}, Phones: []string{"1", "5678", "n/a"}, IDs: []string{" ", "", "e", "20"}},
			nil,
			[]string{"e", "ann", "ann@example.com", "1", "5678", " ", "20", `{"id":20}`},
		},
	} {
		m := mentionsOf(c.who)
		for _, text := range slices.Concat(c.yes, c.no) {
			want := slices.Contains(c.yes, text)
			if got := m.in([]byte(text)); got != want {
				t.Errorf("%v in %s: %v", c.who, text, got)
			}
		}
	}
}

func TestANumberWithoutACountryCodeIsMetWithAny(t *testing.T) {
	m := mentionsOf(waybill.Person{Phones: []string{"98765 43210"}})
	for text, want := range map[string]bool{"+919876543210": true, "919876543210": true, "+1 987 654 3210": true, "9876543210": true, "12349876543210": false, "98765432109": false} {
		if m.any(text) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
	if got := m.codes["9876543210"]; len(got) != 2 {
		t.Errorf("codes: %v", got)
	}
}
