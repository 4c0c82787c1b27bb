package contract_test

import (
	"bytes"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	sealing "waybill/secret"
)

func TestTinkOpensWhatWeSealWithOurKeyFile(t *testing.T) {
	file, err := sealing.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := sealing.OpenKeyring(file)
	if err != nil {
		t.Fatal(err)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	tink, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"", "x", "sk_test_canary"} {
		got, err := tink.Decrypt(ours.Seal("stripe_key", []byte(plain)), []byte("secret/stripe_key"))
		if err != nil || string(got) != plain {
			t.Errorf("Tink opens %q as %q, %v", plain, got, err)
		}
		sealed, err := tink.Encrypt([]byte(plain), []byte("secret/stripe_key"))
		if err != nil {
			t.Fatal(err)
		}
		got, err = ours.Open("stripe_key", sealed)
		if err != nil || string(got) != plain {
			t.Errorf("we open Tink's %q as %q, %v", plain, got, err)
		}
	}
}

func TestWeReadAKeyFileThatTinkWrote(t *testing.T) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&file)); err != nil {
		t.Fatal(err)
	}
	ours, err := sealing.OpenKeyring(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	tink, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tink.Decrypt(ours.Seal("a", []byte("b")), []byte("secret/a")); err != nil || string(got) != "b" {
		t.Errorf("%q, %v", got, err)
	}
}
