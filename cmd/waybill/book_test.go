package main

import (
	"path/filepath"
	"testing"
	"time"

	"waybill"
	"waybill/record"
	"waybill/secret"
)

func TestASecretThatWasReadIsUsedWhileTheBookCannotBeRead(t *testing.T) {
	key, err := secret.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{redact: secret.NewRedactor(), secrets: map[string]readSecret{}, shared: true, ids: waybill.NewIDs(time.Now, nil)}
	if o.keys, err = secret.OpenKeyring(key); err != nil {
		t.Fatal(err)
	}
	o.book, err = record.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "book.db"), record.Options{Environment: "test", IDs: o.ids})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.setSecret(t.Context(), "shop.webhook_secret", "made-up", "asha"); err != nil {
		t.Fatal(err)
	}
	if v, err := o.secret("shop.webhook_secret"); err != nil || v != "made-up" {
		t.Fatalf("%q, %v", v, err)
	}
	if _, err := o.secret("shop.api_key"); waybill.KindOf(err) != waybill.NotFound {
		t.Fatalf("one that is not sealed: %v", err)
	}
	if err := o.book.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range o.secrets { // what another node may have changed since
		c.at = c.at.Add(-time.Hour)
		o.secrets[name] = c
	}
	if v, err := o.secret("shop.webhook_secret"); err != nil || v != "made-up" {
		t.Errorf("one that was read before: %q, %v", v, err)
	}
	for _, name := range []string{"shop.api_key", "crm.token"} {
		if _, err := o.secret(name); waybill.KindOf(err) != waybill.Unavailable {
			t.Errorf("%s, of which nobody knows whether it is sealed: %v", name, err)
		}
	}
}
