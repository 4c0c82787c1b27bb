package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"waybill"
)

// Keyring seals and opens with the keys of one key file. It is safe for concurrent use.
//
// File and sealed values have the formats of Tink (an AES-256-GCM keyset in JSON; version byte, key id, nonce, ciphertext,
// tag), so that Tink and its tools can read them; test/contract holds us to it (decision 0005). The cipher is the standard library's.
type Keyring struct {
	primary uint32
	keys    map[uint32]cipher.AEAD
}

// keyset is a Tink keyset in JSON, as far as ours go.
type keyset struct {
	PrimaryKeyID uint32     `json:"primaryKeyId"`
	Key          []keysetOf `json:"key"`
}

type keysetOf struct {
	KeyData struct {
		TypeURL         string `json:"typeUrl"`
		Value           []byte `json:"value"`
		KeyMaterialType string `json:"keyMaterialType"`
	} `json:"keyData"`
	Status           string `json:"status"`
	KeyID            uint32 `json:"keyId"`
	OutputPrefixType string `json:"outputPrefixType"`
}

const (
	keyType      = "type.googleapis.com/google.crypto.tink.AesGcmKey"
	keyBytes     = 32
	keyStart     = "\x1a\x20" // of an AesGcmKey message: field 3, 32 bytes
	sealVersion  = 0x01
	sealPrefix   = 5 // the version and the key's id
	enabled      = "ENABLED"
	tinkPrefixed = "TINK"
)

// NewKeyset returns the contents of a new key file: one AES-256-GCM key, in clear. Whoever has these bytes can open every
// secret of the book they are used for, so the file gets mode 0600 and its own backup.
func NewKeyset() ([]byte, error) {
	random := make([]byte, keyBytes+4)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	k := keysetOf{Status: enabled, OutputPrefixType: tinkPrefixed, KeyID: binary.BigEndian.Uint32(random[keyBytes:]) | 1}
	k.KeyData.TypeURL, k.KeyData.KeyMaterialType = keyType, "SYMMETRIC"
	k.KeyData.Value = append([]byte(keyStart), random[:keyBytes]...)
	out, err := json.MarshalIndent(keyset{PrimaryKeyID: k.KeyID, Key: []keysetOf{k}}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return append(out, '\n'), nil
}

// OpenKeyring reads the contents of a key file. An error never holds any of them.
func OpenKeyring(contents []byte) (*Keyring, error) {
	k, err := readKeyset(contents)
	if err != nil {
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: "the key file " + err.Error(),
			Hint: "Give the file that was made with this book, or restore it from its backup. Without it the secrets in the book cannot be opened and have to be set again.",
		}
	}
	return k, nil
}

func readKeyset(contents []byte) (*Keyring, error) {
	if len(bytes.TrimSpace(contents)) == 0 {
		return nil, errors.New("is empty")
	}
	var set keyset
	if err := json.Unmarshal(contents, &set); err != nil {
		return nil, errors.New("is no keyset") // the parser's own words could quote a part of the key
	}
	k := &Keyring{primary: set.PrimaryKeyID, keys: map[uint32]cipher.AEAD{}}
	for _, key := range set.Key {
		if key.Status != enabled {
			continue
		}
		if key.KeyData.TypeURL != keyType || key.OutputPrefixType != tinkPrefixed {
			return nil, errors.New("holds a key of another kind than AES-256-GCM")
		}
		raw, ok := bytes.CutPrefix(key.KeyData.Value, []byte(keyStart))
		if !ok || len(raw) != keyBytes {
			return nil, errors.New("holds a damaged key")
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, errors.New("holds a damaged key")
		}
		if k.keys[key.KeyID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, errors.New("holds a damaged key")
		}
	}
	if k.keys[k.primary] == nil {
		return nil, errors.New("does not hold the key it calls its primary one")
	}
	return k, nil
}

// ID names the key that seals, as errors name it: "key 3735928559". It gives nothing of the key away.
func (k *Keyring) ID() string { return keyName(k.primary) }

// Has reports whether one of the keys has that name.
func (k *Keyring) Has(name string) bool {
	for id := range k.keys {
		if keyName(id) == name {
			return true
		}
	}
	return false
}

func keyName(id uint32) string { return fmt.Sprintf("key %d", id) }

// associated binds a sealed value to its name, so that one cannot be put in another's place.
func associated(name string) []byte { return []byte("secret/" + name) }

// Seal returns plaintext sealed under name.
func (k *Keyring) Seal(name string, plaintext []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{sealVersion}, k.primary)
	return k.keys[k.primary].Seal(out, nil, plaintext, associated(name))
}

// Open returns what was sealed under name. When it cannot, the error says whether the key or the value is wrong.
func (k *Keyring) Open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) > sealPrefix && sealed[0] == sealVersion {
		id := binary.BigEndian.Uint32(sealed[1:sealPrefix])
		key := k.keys[id]
		if key == nil {
			return nil, &waybill.Error{
				Kind:    waybill.Forbidden,
				Message: fmt.Sprintf("the secret %s was sealed with %s, and the key file holds %s", name, keyName(id), k.ID()),
				Hint:    "Start with the key file this book was made with (WAYBILL_KEY_FILE). If it is lost, set the secret again: waybill secret set " + name,
			}
		}
		if plaintext, err := key.Open(nil, nil, sealed[sealPrefix:], associated(name)); err == nil {
			return plaintext, nil
		}
	}
	return nil, &waybill.Error{
		Kind:    waybill.Internal,
		Message: fmt.Sprintf("the sealed secret %s is damaged, or belongs to another name", name),
		Hint:    "Set it again: waybill secret set " + name,
	}
}
