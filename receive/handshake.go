package receive

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"waybill/connector"
	"waybill/verify"
)

// maxChallenge is how long a challenge may be. Meta's are ten digits, Slack's 52 letters and digits.
const maxChallenge = 200

// harmless reports whether a challenge may be answered as it is: nothing a browser could take for a page or script.
func harmless(challenge string) bool {
	if challenge == "" || len(challenge) > maxChallenge {
		return false
	}
	for i := range len(challenge) {
		switch c := challenge[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// queryHandshake answers a request that only proves the address is ours (Meta): a GET with our verify token and a
// challenge. asked is false when it is no such request.
func queryHandshake(d *Door, r *http.Request) (challenge string, ref *refusal, asked bool) {
	hs := d.Manifest.Webhook.Handshake
	if hs == nil || hs.Kind != "query_challenge" || r.Method != http.MethodGet {
		return "", nil, false
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !query.Has(hs.TokenAt) && !query.Has(hs.AnswerAt) {
		return "", nil, false
	}
	refuse := func(reason string) (string, *refusal, bool) {
		return "", &refusal{
			status: http.StatusForbidden, title: "this handshake is refused", reason: "handshake: " + reason,
			hint: "Enter the same verify token there and here, then let them try again.",
		}, true
	}
	tokens, challenges := query[hs.TokenAt], query[hs.AnswerAt]
	switch {
	case len(tokens) != 1 || len(challenges) != 1:
		return refuse("it needs one token and one challenge")
	case !matches(tokens[0], d.Secrets[hs.Token]):
		return refuse("the verify token is not the one set for this connection")
	case !harmless(challenges[0]):
		return refuse("the challenge is no plain word")
	}
	return challenges[0], nil, true
}

// matches compares in constant time; blank secrets match nothing.
func matches(given string, secrets []verify.Secret) bool {
	g := sha256.Sum256([]byte(given))
	found := false
	for _, s := range secrets {
		want := sha256.Sum256([]byte(s))
		if strings.TrimSpace(string(s)) != "" && subtle.ConstantTimeCompare(g[:], want[:]) == 1 {
			found = true
		}
	}
	return found
}

// bodyHandshake answers a genuine request that only proves the address is ours (Slack): the challenge from its body.
// asked is false when it is an arrival like any other.
func bodyHandshake(d *Door, body any) (challenge string, asked bool) {
	hs := d.Manifest.Webhook.Handshake
	if hs == nil || hs.Kind != "body_challenge" || hs.When == nil {
		return "", false
	}
	if is, err := hs.When.Bool(map[string]any{"body": body}, nil); err != nil || !is {
		return "", false
	}
	value, _ := connector.At(body, "/"+strings.TrimPrefix(hs.AnswerAt, "/"))
	challenge, _ = value.(string)
	return challenge, harmless(challenge)
}
