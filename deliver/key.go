package deliver

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/expr"
)

// Key gives our reference for an effect in the form the action's provider takes: a hash of its account, the fact, flow,
// step address and generation, so that the same effect has the same reference on every node, after every restart, and when
// the same fact comes again to a restored book; and a new generation another one.
func Key(action *connector.Action, e *waybill.Effect, fact string) string {
	sum := digest("key", e.Account, fact, e.Flow, e.Address, fmt.Sprint(e.Generation))
	if action.Key.Form == "uuid" {
		return uuid(sum)
	}
	return hex.EncodeToString(sum[:16])
}

// Fact names what an event tells so that it is the same name in whichever book it is told; same says whether it is. An
// event without a fact key, or emitted by a run, has only the id that this book gave it.
func Fact(ev *waybill.Event) (name string, same bool) {
	if ev.FactKey == "" || ev.Parent != "" {
		return string(ev.ID), false
	}
	sum := digest("fact", ev.Account, ev.Type, ev.FactKey)
	return hex.EncodeToString(sum[:]), true
}

// KeyUntil is when the provider forgets the key of an effect first sent at sent; zero for never.
func KeyUntil(action *connector.Action, sent time.Time) time.Time {
	if action.Key.Life <= 0 {
		return time.Time{}
	}
	return sent.Add(action.Key.Life)
}

// Fingerprint identifies what a call is meant to do: account, action and inputs, whatever order the inputs came in.
func Fingerprint(account, action string, inputs map[string]any) (string, error) {
	canonical, err := expr.EncodeJSON(inputs)
	if err != nil {
		return "", fmt.Errorf("write the inputs of %s: %w", action, err)
	}
	sum := digest("fingerprint", account, action, string(canonical))
	return hex.EncodeToString(sum[:]), nil
}

// digest hashes parts so that no two lists of parts give the same bytes.
func digest(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	var size [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// uuid writes a hash as a name-based UUID. It says version 5: validators older than RFC 9562 refuse version 8.
func uuid(sum [sha256.Size]byte) string {
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x50
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
