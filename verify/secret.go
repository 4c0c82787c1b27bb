package verify

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Secret is the text a sender and we share, as it is pasted in. It does not print itself.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// MarshalText hides the secret in JSON and logs.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// key is a secret made ready: either bytes for an HMAC or an ed25519 pair, never both, so that the public key of a pair
// can't be used as a shared secret.
type key struct {
	shared  []byte
	public  ed25519.PublicKey
	private ed25519.PrivateKey // to sign; nil for a public key
}

var (
	errBlankSecret  = errors.New("is empty")
	errSecretForm   = errors.New("cannot be read in the form the connector states")
	errSecretLength = errors.New("is no ed25519 key: it has the wrong length")
)

// key reads a secret in the scheme's form. Blank secrets are refused: an HMAC under an empty key is one anybody can make.
func (s Scheme) key(secret Secret) (key, error) {
	text := string(secret)
	if strings.TrimSpace(text) == "" {
		return key{}, errBlankSecret
	}
	if s.SecretForm == formText {
		return key{shared: []byte(text)}, nil
	}
	text = strings.TrimSpace(text)
	pair, private := s.Scheme == schemeEd25519, strings.HasPrefix(text, "whsk_")
	if s.SecretForm == formWhsec {
		switch {
		case strings.HasPrefix(text, "whpk_"), strings.HasPrefix(text, "whsk_"):
			text, pair = text[len("whpk_"):], true
		default:
			text = strings.TrimPrefix(text, "whsec_")
		}
	}
	raw, err := decodeSecret(text, s.SecretForm)
	if err != nil {
		return key{}, err
	}
	if !pair {
		return key{shared: raw}, nil
	}
	return pairOf(raw, private)
}

// decodeSecret reads hex or base64; the latter in either alphabet, padded or not, as secrets get pasted.
func decodeSecret(text, form string) ([]byte, error) {
	var raw []byte
	var err error
	if form == formHex {
		raw, err = hex.DecodeString(text)
	} else {
		text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		raw, err = base64.RawStdEncoding.DecodeString(text)
	}
	if err != nil {
		return nil, errSecretForm
	}
	if len(raw) == 0 {
		return nil, errBlankSecret
	}
	return raw, nil
}

func pairOf(raw []byte, private bool) (key, error) {
	switch {
	case len(raw) == ed25519.PrivateKeySize:
		pk := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
		return key{private: pk, public: pk.Public().(ed25519.PublicKey)}, nil
	case private && len(raw) == ed25519.SeedSize:
		pk := ed25519.NewKeyFromSeed(raw)
		return key{private: pk, public: pk.Public().(ed25519.PublicKey)}, nil
	case len(raw) == ed25519.PublicKeySize:
		return key{public: raw}, nil
	default:
		return key{}, errSecretLength
	}
}
