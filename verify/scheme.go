package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultTolerance is how far a signed timestamp may be from our clock, in either direction, when a scheme says nothing.
// Stripe, Slack, HubSpot and the Standard Webhooks libraries all use five minutes.
const DefaultTolerance = 5 * time.Minute

// Scheme says how a sender proves itself. Its fields are those of connector.VerifyConfig, so one converts into the other.
// Use Check once when it is loaded; Verify refuses everything under a scheme that Check finds fault with.
//
// Header, TimestampHeader and IDHeader may name alternatives, most usual first: "webhook-signature|svix-signature". The
// first that is present decides, and the others' names are taken at the same place.
type Scheme struct {
	Scheme    string // none, hmac, ed25519, token, basic
	Algorithm string // hmac: sha256 (default), sha1 (Twilio), sha512
	Encoding  string // of the signature: hex (lower case, default), base64 (standard alphabet, padded)
	Header    string // where the signature is; basic: Authorization unless named
	Layout    string // plain (default), prefix, pairs (t=1,v1=ab,v1=cd), list (v1,ab v1,cd)
	Prefix    string // prefix: sha256=. pairs: the key, v1. list: the version, v1 (under hmac v1a is its ed25519 twin). token: "Bearer "
	// Signed is a template of what is signed: "{timestamp}.{body}"; "{body}" when empty. It may name
	//   {body}         the raw bytes
	//   {body_sha256}  their SHA-256, lower-case hex
	//   {timestamp}    the timestamp as it is written in the request
	//   {id}           the value of IDHeader
	//   {method}       POST
	//   {url}          the address as the sender called it, with or without its standard port
	//   {url_decoded}  the same after decoding the escapes HubSpot decodes before it signs; undecoded is taken too
	//   {url_params}   Twilio: the address and the form's fields, or the address whose bodySHA256 is the body's hash
	Signed          string
	TimestampHeader string        // empty with {timestamp} in Signed: the pair t (or ts) of layout pairs
	TimestampUnit   string        // s (default), ms, rfc3339
	Tolerance       time.Duration // DefaultTolerance when zero
	IDHeader        string        // the sender's id of the delivery
	Secret          string        // the secret's name in the manifest; of no meaning here
	SecretForm      string        // text (default), base64, hex, whsec (whsec_, and whpk_ or whsk_ for ed25519)
	In              string        // token: header, query, path, body:/json/pointer, body:formfield
	Name            string        // token: the header's or query entry's name
}

// The words a scheme may use.
const (
	schemeNone    = "none"
	schemeHMAC    = "hmac"
	schemeEd25519 = "ed25519"
	schemeToken   = "token"
	schemeBasic   = "basic"

	layoutPlain  = "plain"
	layoutPrefix = "prefix"
	layoutPairs  = "pairs"
	layoutList   = "list"

	formText   = "text"
	formBase64 = "base64"
	formHex    = "hex"
	formWhsec  = "whsec"

	inBody = "body:"
)

// filled returns the scheme with its defaults written out.
func (s Scheme) filled() Scheme {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	switch s.Scheme {
	case schemeHMAC, schemeEd25519:
		if s.Scheme == schemeHMAC {
			set(&s.Algorithm, "sha256")
		}
		set(&s.Encoding, "hex")
		set(&s.Layout, layoutPlain)
		set(&s.Signed, "{body}")
		set(&s.TimestampUnit, "s")
		set(&s.SecretForm, formText)
		if s.Tolerance == 0 {
			s.Tolerance = DefaultTolerance
		}
	case schemeBasic:
		set(&s.Header, "Authorization")
	}
	return s
}

// Proven reports whether the scheme makes a sender prove each request by a signature over its content. Content from a
// proven sender is never rejected; others are told what is wrong with it.
func (s Scheme) Proven() bool { return s.Scheme == schemeHMAC || s.Scheme == schemeEd25519 }

// NeedsSecret reports whether a connection must have a secret for this scheme.
func (s Scheme) NeedsSecret() bool { return s.Scheme != schemeNone }

// Check returns what is wrong with the scheme as it is configured, nil when nothing is.
func (s Scheme) Check() error {
	s = s.filled()
	if err := oneOf("scheme", s.Scheme, schemeNone, schemeHMAC, schemeEd25519, schemeToken, schemeBasic); err != nil {
		return err
	}
	switch s.Scheme {
	case schemeHMAC, schemeEd25519:
		return s.checkSignature()
	case schemeToken:
		return s.checkToken()
	default:
		return nil
	}
}

func (s Scheme) checkSignature() error {
	if s.Header == "" {
		return fmt.Errorf("scheme %s needs the header that carries the signature", s.Scheme)
	}
	if err := s.checkWords(); err != nil {
		return err
	}
	if err := s.checkLayout(); err != nil {
		return err
	}
	parts, err := parseSigned(s.Signed)
	if err != nil {
		return err
	}
	if !parts.coverBody() {
		return fmt.Errorf("signed: %q leaves the body out, so anybody could change it", s.Signed)
	}
	switch {
	case parts.have("timestamp") && s.TimestampHeader == "" && s.Layout != layoutPairs:
		return fmt.Errorf("signed names {timestamp}: say where it is with timestamp_header, or use layout pairs")
	case !parts.have("timestamp") && s.TimestampHeader != "":
		return fmt.Errorf("timestamp_header %s is not part of what is signed, so it proves nothing: leave it out or put {timestamp} in signed", s.TimestampHeader)
	case parts.have("id") && s.IDHeader == "":
		return fmt.Errorf("signed names {id}: say where it is with id_header")
	case s.Tolerance < 0:
		return fmt.Errorf("tolerance %s is negative", s.Tolerance)
	}
	return nil
}

func (s Scheme) checkWords() error {
	switch {
	case s.Scheme == schemeHMAC && s.Algorithm == schemeEd25519:
		return fmt.Errorf("algorithm ed25519 is no hmac: use scheme ed25519")
	case s.Scheme == schemeHMAC:
		if err := oneOf("algorithm", s.Algorithm, "sha256", "sha1", "sha512"); err != nil {
			return err
		}
	case s.Algorithm != "" && s.Algorithm != schemeEd25519:
		return fmt.Errorf("scheme ed25519 has no algorithm %s", s.Algorithm)
	}
	if err := oneOf("encoding", s.Encoding, "hex", "base64"); err != nil {
		return err
	}
	if err := oneOf("timestamp_unit", s.TimestampUnit, "s", "ms", "rfc3339"); err != nil {
		return err
	}
	if err := oneOf("secret_form", s.SecretForm, formText, formBase64, formHex, formWhsec); err != nil {
		return err
	}
	if s.Scheme == schemeEd25519 && s.SecretForm == formText {
		return fmt.Errorf("scheme ed25519 needs secret_form hex, base64 or whsec: a public key is no text")
	}
	return nil
}

func (s Scheme) checkLayout() error {
	if err := oneOf("layout", s.Layout, layoutPlain, layoutPrefix, layoutPairs, layoutList); err != nil {
		return err
	}
	switch {
	case s.Layout == layoutPlain && s.Prefix != "":
		return fmt.Errorf("prefix %q needs layout prefix, pairs or list", s.Prefix)
	case (s.Layout == layoutPrefix || s.Layout == layoutPairs) && s.Prefix == "":
		return fmt.Errorf("layout %s needs a prefix", s.Layout)
	}
	return nil
}

func (s Scheme) checkToken() error {
	switch {
	case s.In == "header" || s.In == "query":
		if s.Name == "" {
			return fmt.Errorf("a token in the %s needs its name", s.In)
		}
	case s.In == "path":
	case strings.HasPrefix(s.In, inBody) && len(s.In) > len(inBody):
	default:
		return fmt.Errorf("a token is in: header, query, path, body:/json/pointer or body:formfield, not %q", s.In)
	}
	return nil
}

func oneOf(field, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("%s %q is not known: it is one of %s", field, value, strings.Join(words, ", "))
}
