package receive_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func FuzzTakingIn(f *testing.F) {
	f.Add("POST", "stripe", "", "application/json", "", []byte(`{"items":[{"a":1}]}`))
	f.Add("GET", "whatsapp", "hub.challenge=1&hub.verify_token=x", "", "", []byte(""))
	f.Add("POST", "form", "", "application/x-www-form-urlencoded", "gzip", []byte("a=1&a=2&b"))
	f.Add("PUT", "odoo/waybill_test_secret", "gate=1", ";", "br", []byte("[[[[\xff"))
	f.Fuzz(func(t *testing.T, method, path, query, kind, encoding string, body []byte) {
		rig := newRig()
		req := post("/in/x", string(body), "Content-Type", kind, "Content-Encoding", encoding, "X-Gate", string(signing), "Stripe-Signature", kind)
		req.Method = method
		req.RequestURI = ""
		req.URL = &url.URL{Path: "/in/" + path, RawQuery: query}
		w := rig.send(req)
		if w.Code >= 500 && !strings.HasPrefix(path, "broken") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w.Code == http.StatusOK && len(rig.book.arrivals) == 0 && w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Fatal("accepted and not kept")
		}
		if (w.Code == http.StatusOK) == (len(rig.Rejections()) > 0) {
			t.Fatalf("%d, and counted otherwise", w.Code)
		}
	})
}

func FuzzGenuineBodies(f *testing.F) {
	for _, s := range []string{`{"items":[1,{"a":[]}]}`, `{"items":{}}`, `[]`, `"x"`, `{"a":1,"a":2}`, "\xff", `1e999`, `-0`, `12345678901234567890`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rig := newRig()
		w := rig.send(genuine(t, signed, "/in/stripe", string(body)))
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		a := rig.book.last(t)
		if string(a.Body) != string(body) || len(a.Items) == 0 {
			t.Fatalf("%d items of %q", len(a.Items), a.Body)
		}
		for _, it := range a.Items {
			if it.DeliveryKey == "" || it.State == "" || it.Connection == "" {
				t.Fatalf("%+v", it)
			}
		}
	})
}
