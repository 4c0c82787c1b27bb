//go:build cel

package receive_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/connectors"
	"waybill/expr"
	"waybill/receive"
	"waybill/verify"
)

// builtIn is a door of a built-in connector, as its manifest has it.
func builtIn(t *testing.T, name string, change ...func(*receive.Door)) *receive.Door {
	t.Helper()
	env, err := expr.NewEnv(expr.Config{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(connectors.All(), name+"/manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, faults := connector.Parse(name+"/manifest.yaml", text, env)
	if m == nil {
		t.Fatal(faults)
	}
	d := &receive.Door{
		Name: name, Manifest: m, Environment: "test", PublicURL: "https://hooks.example.test", Accounts: []receive.Account{{Connection: name}},
		Settings: m.Defaults(nil),
		Secrets:  map[string][]verify.Secret{m.Webhook.Verify.Secret: {signing}, "verify_token": {"meta-verify-token"}},
	}
	d.Scheme = verify.Scheme(m.Webhook.Verify.Bind(d.Settings))
	for _, f := range change {
		f(d)
	}
	return d
}

// arrive sends a genuine body to a built-in connector's door and returns what was kept.
func arrive(t *testing.T, d *receive.Door, body string) waybill.Arrival {
	t.Helper()
	rig := newRig()
	rig.all[d.Name] = d
	if w := rig.send(genuine(t, d.Scheme, "/in/"+d.Name, body)); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	return rig.book.last(t)
}

type wanted struct {
	kind, key, pointer, account string
	at                          time.Time
}

func items(a waybill.Arrival) []wanted {
	var out []wanted
	for _, it := range a.Items {
		out = append(out, wanted{it.Type, it.DeliveryKey, it.Pointer, it.Account, it.OccurredAt})
	}
	return out
}

func TestAStripeEventIsOneItem(t *testing.T) {
	a := arrive(t, builtIn(t, "stripe"), `{"id":"evt_1","type":"payment_intent.succeeded","created":1790000000,"livemode":false,"data":{"object":{"id":"pi_1"}}}`)
	it := a.Items[0]
	if len(a.Items) != 1 || it.DeliveryKey != "evt_1" || it.Type != "payment_intent.succeeded" || it.State != waybill.ItemKept || !it.KeyUntil.IsZero() ||
		!it.OccurredAt.Equal(time.Unix(1790000000, 0)) {
		t.Errorf("%+v", a.Items)
	}
}

func TestLiveAndTestTrafficAreNeverMixed(t *testing.T) {
	for _, row := range []struct {
		environment, live string
		reason            string
	}{
		{"test", "true", "bad sender: this is live traffic, and this book is of the test environment"},
		{"offline", "true", "bad sender: this is live traffic, and this book is of the offline environment"},
		{"production", "false", "bad sender: this is test traffic, and this book is of production"},
		{"production", "true", ""},
		{"test", "false", ""},
	} {
		d := builtIn(t, "stripe", func(d *receive.Door) { d.Environment = row.environment })
		it := arrive(t, d, `{"id":"evt_1","type":"x","created":1,"livemode":`+row.live+`}`).Items[0]
		if !strings.HasPrefix(it.Reason, row.reason) || (it.State == waybill.ItemBlocked) != (row.reason != "") {
			t.Errorf("%+v: %s %q", row, it.State, it.Reason)
		}
	}
}

func TestAnotherAccountsTrafficIsKeptForAPerson(t *testing.T) {
	d := builtIn(t, "razorpay", func(d *receive.Door) { d.Accounts[0].ID = "acc_OURS" })
	for said, blocked := range map[string]bool{"acc_OURS": false, "acc_THEIRS": true} {
		it := arrive(t, d, `{"event":"payment.captured","account_id":"`+said+`","created_at":1}`).Items[0]
		if (it.State == waybill.ItemBlocked) != blocked || blocked && !strings.Contains(it.Reason, "bad sender: it is for the account acc_THEIRS, and the connection razorpay is the account acc_OURS") {
			t.Errorf("%s: %s %q", said, it.State, it.Reason)
		}
	}
}

const whatsApp = `{"object":"whatsapp_business_account","entry":[{"id":"w1","changes":[{"field":"messages","value":{
 "metadata":{"phone_number_id":"p1"},
 "messages":[{"id":"wamid.A","from":"919800000001","timestamp":"1790000000","type":"text","text":{"body":"Ren\u00e9 \/ \ud83d\ude00"}}],
 "statuses":[{"id":"wamid.B","status":"delivered","timestamp":"1790000001","recipient_id":"919800000001"},
             {"id":"wamid.B","status":"read","timestamp":"1790000002","recipient_id":"919800000001"}]}}]},
 {"id":"w2","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"p2"},
 "messages":[{"id":"wamid.C","from":"919800000002","timestamp":"1790000003","type":"text","text":{"body":"hi"}}]}}]}]}`

func TestAWhatsAppRequestIsSplitIntoItsMessagesAndStatuses(t *testing.T) {
	d := builtIn(t, "whatsapp", func(d *receive.Door) {
		d.Accounts = []receive.Account{{Connection: "wa-sales", ID: "p1"}, {Connection: "wa-care", ID: "p2"}}
	})
	a := arrive(t, d, whatsApp)
	keys := map[string]string{}
	for i, it := range a.Items {
		keys[it.DeliveryKey] = it.Connection + " " + it.Type + " " + it.Account
		if it.Index != i || it.State != waybill.ItemKept || it.OccurredAt.IsZero() {
			t.Errorf("%+v", it)
		}
	}
	if len(a.Items) != 4 || keys["wamid.A"] != "wa-sales message p1" || keys["wamid.C"] != "wa-care message p2" || keys["wamid.B:delivered"] == "" || keys["wamid.B:read"] == "" {
		t.Errorf("%v", items(a))
	}
	if a.Connection != "whatsapp" || a.Account != "" {
		t.Errorf("an arrival for two connections is of the address: %q %q", a.Connection, a.Account)
	}

	d.Accounts = d.Accounts[:1]
	d.Accounts = append(d.Accounts, receive.Account{Connection: "wa-other", ID: "p9"})
	for _, it := range arrive(t, d, whatsApp).Items {
		if (it.State == waybill.ItemBlocked) != (it.DeliveryKey == "wamid.C") {
			t.Errorf("%+v", it)
		}
	}
}

func TestAHubSpotBatchIsSplit(t *testing.T) {
	a := arrive(t, builtIn(t, "hubspot"), `[{"eventId":1,"subscriptionId":2,"portalId":891472211,"occurredAt":1790000001896,"subscriptionType":"contact.propertyChange","objectId":9007199254740993,"propertyName":"lifecyclestage","propertyValue":"customer"},
 {"eventId":1,"subscriptionId":3,"portalId":891472211,"occurredAt":1790000002000,"subscriptionType":"deal.creation","objectId":55501}]`)
	if len(a.Items) != 2 || a.Items[0].DeliveryKey == a.Items[1].DeliveryKey || a.Items[0].Type == "" || a.Items[1].Pointer != "/1" {
		t.Errorf("%v", items(a))
	}
}

func TestSlacksChallengeIsAnsweredOnlyWhenSigned(t *testing.T) {
	d := builtIn(t, "slack")
	rig := newRig()
	rig.all["slack"] = d
	const challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFO7tYXAYM8P"
	body := `{"token":"x","challenge":"` + challenge + `","type":"url_verification"}`
	w := rig.send(genuine(t, d.Scheme, "/in/slack", body))
	if w.Code != 200 || w.Body.String() != challenge || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || len(rig.book.arrivals) != 0 {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if w := rig.send(post("/in/slack", body)); w.Code != 401 || strings.Contains(w.Body.String(), challenge) {
		t.Errorf("unsigned: %d %s", w.Code, w.Body)
	}
	w = rig.send(genuine(t, d.Scheme, "/in/slack", strings.Replace(body, challenge, "<script>", 1)))
	if w.Code != 200 || strings.Contains(w.Body.String(), "script") {
		t.Errorf("a challenge that is no plain word: %d %s", w.Code, w.Body)
	}
}

func TestAnyOtherSenderCanBeSetUp(t *testing.T) {
	d := builtIn(t, "standard-webhooks", func(d *receive.Door) {
		d.Secrets[d.Manifest.Webhook.Verify.Secret] = []verify.Secret{"whsec_" + signing}
	})
	a := arriveSigned(t, d, "whsec_"+signing, `{"type":"invoice.paid","timestamp":"2026-10-05T08:59:00Z","data":{"id":7}}`)
	if it := a.Items[0]; it.DeliveryKey != "msg_1" || it.Type != "invoice.paid" || it.OccurredAt.IsZero() {
		t.Errorf("%+v", it)
	}
}

func arriveSigned(t *testing.T, d *receive.Door, secret verify.Secret, body string) waybill.Arrival {
	t.Helper()
	rig := newRig()
	rig.all[d.Name] = d
	req := post("/in/"+d.Name, body)
	v := verify.Request{Method: "POST", URL: "https://hooks.example.test/in/" + d.Name, Header: req.Header, Body: []byte(body)}
	if err := d.Scheme.Sign(&v, secret, now, "msg_1"); err != nil {
		t.Fatal(err)
	}
	if w := rig.send(req); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	return rig.book.last(t)
}

func TestEveryBuiltInSchemeCanProve(t *testing.T) {
	for _, name := range connectors.Names {
		d := builtIn(t, name)
		if d.Manifest.Webhook == nil {
			continue
		}
		if err := d.Scheme.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
