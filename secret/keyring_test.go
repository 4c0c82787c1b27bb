package secret_test

import (
	"bytes"
	"strings"
	"testing"

	"waybill"
	"waybill/secret"
)

func keyring(t *testing.T) (*secret.Keyring, []byte) {
	t.Helper()
	file, err := secret.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	k, err := secret.OpenKeyring(file)
	if err != nil {
		t.Fatal(err)
	}
	return k, file
}

func TestASealedSecretOpensUnderItsNameAndKeyOnly(t *testing.T) {
	k, file := keyring(t)
	other, _ := keyring(t)
	again, err := secret.OpenKeyring(file)
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Seal("stripe_key", []byte("canary"))
	if bytes.Contains(sealed, []byte("canary")) {
		t.Fatal("it is not sealed")
	}
	for _, ring := range []*secret.Keyring{k, again} {
		if got, err := ring.Open("stripe_key", sealed); err != nil || string(got) != "canary" {
			t.Errorf("%q, %v", got, err)
		}
	}
	_, err = k.Open("hubspot_key", sealed)
	if err == nil || !strings.Contains(err.Error(), "belongs to another name") {
		t.Errorf("under another name: %v", err)
	}
	_, err = other.Open("stripe_key", sealed)
	if waybill.KindOf(err) != waybill.Forbidden || !strings.Contains(err.Error(), "was sealed with "+k.ID()+", and the key file holds "+other.ID()) {
		t.Errorf("with another key: %v", err)
	}
	if hint := waybill.HintOf(err); !strings.Contains(hint, "WAYBILL_KEY_FILE") || !strings.Contains(hint, "secret set stripe_key") {
		t.Errorf("hint %q", hint)
	}
	if bytes.Equal(sealed, k.Seal("stripe_key", []byte("canary"))) {
		t.Error("sealing twice gives the same bytes")
	}
}

func TestEveryOneBitChangeOfASealedSecretIsFound(t *testing.T) {
	k, _ := keyring(t)
	sealed := k.Seal("a", []byte("canary"))
	for bit := range len(sealed) * 8 {
		b := bytes.Clone(sealed)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := k.Open("a", b); err == nil {
			t.Errorf("bit %d changed and opened", bit)
		}
	}
	for n := range sealed {
		if _, err := k.Open("a", sealed[:n]); err == nil {
			t.Errorf("cut to %d and opened", n)
		}
	}
}

func TestABadKeyFileIsRefusedWithoutQuotingIt(t *testing.T) {
	_, file := keyring(t)
	for what, contents := range map[string][]byte{
		"is empty":          []byte(" \n"),
		"is no keyset":      file[:len(file)/2],
		"primary":           []byte(`{"primaryKeyId":1,"key":[]}`),
		"damaged":           bytes.Replace(file, []byte(`"value": "`), []byte(`"value": "AAAA`), 1),
		"another kind":      bytes.Replace(file, []byte("AesGcmKey"), []byte("AesEaxKey"), 1),
		"calls its primary": bytes.Replace(file, []byte("ENABLED"), []byte("DISABLED"), 1),
	} {
		_, err := secret.OpenKeyring(contents)
		if err == nil || !strings.Contains(err.Error(), what) || waybill.HintOf(err) == "" {
			t.Errorf("%v, want %q", err, what)
		}
		value := file[bytes.Index(file, []byte(`"value": "`))+10:]
		if err != nil && strings.Contains(err.Error(), string(value[:8])) {
			t.Error("the error quotes the key")
		}
	}
}
