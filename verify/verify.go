package verify

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1" // Twilio signs with HMAC-SHA1, which is not broken as an HMAC
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"waybill"
)

// Request is what was received, as far as it can be signed.
type Request struct {
	Method    string
	URL       string      // absolute, as the sender called it: the configured public address, path and query
	Header    http.Header // with canonical names, as net/http gives them
	Body      []byte      // the raw bytes
	PathToken string      // the last part of /in/{connection}/{token}
}

// Proof is how a request was found genuine.
type Proof struct {
	Words  string        // for people: "Stripe-Signature, secret 1 of 2, 3 s old"
	Secret int           // which of the secrets matched, from 1; 0 when none is needed
	ID     string        // the value of the id header, empty when there is none
	Age    time.Duration // how old its timestamp was; negative when ahead of our clock; 0 without one
}

// Limits of a signature header: more than these is not a sender that rotates its secret but somebody who makes us work.
const (
	maxHeaderBytes = 8 << 10
	maxSignatures  = 16
)

// refusal is a reason not to take a request for genuine. It never holds any of the request's own text.
type refusal string

func (r refusal) Error() string { return string(r) }

// Message is what every refused sender is told, whatever the reason.
const Message = "this request is not proven to come from the sender it names"

const hint = "Compare the secret set for this connection with the one the sender shows, and see the rejected requests on the connection's page for the reason."

// Reason returns the inner reason of an error of Verify, in words, for the list of rejected requests; empty for other
// errors. It is not for the sender.
func Reason(err error) string {
	r, _ := errors.AsType[refusal](err)
	return string(r)
}

// Verify proves that the request was made by somebody who holds one of the secrets; several are given while a secret is
// being changed. Its error is a waybill.Error of kind Unverified, the same outside for every reason, or of kind Internal
// when the scheme itself is at fault.
func (s Scheme) Verify(r Request, secrets []Secret, now time.Time) (Proof, error) {
	s = s.filled()
	var proof Proof
	var err error
	switch s.Scheme {
	case schemeNone:
		proof = Proof{Words: "not proven: this sender signs nothing"}
	case schemeHMAC, schemeEd25519:
		proof, err = s.verifySignature(&r, secrets, now)
	case schemeToken:
		proof, err = s.verifyToken(&r, secrets)
	case schemeBasic:
		proof, err = s.verifyBasic(&r, secrets)
	default:
		err = fmt.Errorf("verify: scheme %q is not known", s.Scheme)
	}
	if err == nil && proof.ID == "" && s.IDHeader != "" {
		proof.ID, err = only(r.Header, strings.Split(s.IDHeader, "|")...)
	}
	if err == nil {
		return proof, nil
	}
	if Reason(err) == "" {
		return Proof{}, &waybill.Error{Kind: waybill.Internal, Message: "the connector's way to verify requests cannot be used", Err: err}
	}
	return Proof{}, &waybill.Error{Kind: waybill.Unverified, Message: Message, Hint: hint, Err: err}
}

// stated is what the request says about its own signature.
type stated struct {
	header     string   // the name of the header that was present
	signatures []string // as written
	twins      []string // list: the ed25519 ones (v1a)
	timestamp  string
	at         time.Time
	id         string
}

func (s Scheme) verifySignature(r *Request, secrets []Secret, now time.Time) (Proof, error) {
	parts, err := parseSigned(s.Signed)
	if err != nil {
		return Proof{}, err
	}
	if !parts.coverBody() {
		return Proof{}, errors.New("verify: what is signed leaves the body out")
	}
	if len(secrets) == 0 {
		return Proof{}, refusal("no secret is set for this connection")
	}
	st, err := s.read(r, parts)
	if err != nil {
		return Proof{}, err
	}
	readings, err := parts.contents(r, st.timestamp, st.id)
	if err != nil {
		return Proof{}, err
	}
	which, err := s.match(readings, st, secrets)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{Secret: which, ID: st.id, Words: fmt.Sprintf("%s, secret %d of %d", st.header, which, len(secrets))}
	if parts.have("timestamp") {
		// Only now: a right signature at a wrong time is another reason than a wrong signature.
		proof.Age = now.Sub(st.at)
		switch {
		case proof.Age > s.Tolerance:
			return Proof{}, refusal("the signature is right but too old: sent again by somebody, or a clock is wrong")
		case proof.Age < -s.Tolerance:
			return Proof{}, refusal("the signature is right but from the future: a clock is wrong")
		}
		proof.Words += ", " + ageWords(proof.Age)
	}
	return proof, nil
}

func ageWords(age time.Duration) string {
	if age < 0 {
		return fmt.Sprintf("%d s ahead of our clock", int64((-age+time.Second-1)/time.Second))
	}
	return fmt.Sprintf("%d s old", int64(age/time.Second))
}

// read takes the signatures, the timestamp and the id out of the headers.
func (s Scheme) read(r *Request, p parts) (stated, error) {
	st := stated{}
	names := strings.Split(s.Header, "|")
	place := -1
	for i, name := range names {
		if len(r.Header.Values(name)) > 0 {
			place = i
			break
		}
	}
	if place < 0 {
		return st, refusal("there is no " + names[0] + " header")
	}
	st.header = names[place]
	value, err := only(r.Header, st.header)
	if err != nil {
		return st, err
	}
	if err := s.readSignatures(&st, value); err != nil {
		return st, err
	}
	if p.have("timestamp") {
		if s.TimestampHeader != "" {
			if st.timestamp, err = only(r.Header, at(s.TimestampHeader, place)); err != nil {
				return st, err
			}
		}
		if st.at, err = s.readTime(st.timestamp); err != nil {
			return st, err
		}
	}
	if s.IDHeader != "" {
		if st.id, err = only(r.Header, at(s.IDHeader, place)); err != nil {
			return st, err
		}
	}
	if p.have("id") {
		if st.id == "" {
			return st, refusal("there is no " + at(s.IDHeader, place) + " header")
		}
		if p.have("timestamp") && readsTwoWays(st.id, r.Body) {
			return st, refusal("id, timestamp and body can be split in two ways")
		}
	}
	return st, nil
}

// at returns the alternative of names at place, or the only one.
func at(names string, place int) string {
	list := strings.Split(names, "|")
	if place < len(list) {
		return list[place]
	}
	return list[0]
}

// only returns the one value of the first of the headers that is present; empty when none is. A header that comes twice
// is refused: a proxy and we might each believe another one.
func only(h http.Header, names ...string) (string, error) {
	for _, name := range names {
		switch values := h.Values(name); len(values) {
		case 0:
			continue
		case 1:
			if len(values[0]) > maxHeaderBytes {
				return "", refusal("the " + name + " header is too long")
			}
			return values[0], nil
		default:
			return "", refusal("the " + name + " header comes more than once")
		}
	}
	return "", nil
}

// readsTwoWays reports whether the text id.timestamp.body could also be split at another timestamp, which would let
// somebody move bytes between id and body under one signature. No usual id ends like a unix time after a dot.
func readsTwoWays(id string, body []byte) bool {
	tail := id[strings.LastIndexByte(id, '.')+1:]
	if len(tail) < len(id) && len(tail) >= 10 && digits(tail) {
		return true
	}
	n := 0
	for n < len(body) && body[n] >= '0' && body[n] <= '9' {
		n++
	}
	return n >= 10 && n < len(body) && body[n] == '.'
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func (s Scheme) readSignatures(st *stated, value string) error {
	switch s.Layout {
	case layoutPlain:
		st.signatures = []string{value}
	case layoutPrefix:
		sig, ok := strings.CutPrefix(value, s.Prefix)
		if !ok {
			return refusal("the signature does not begin as this sender's do")
		}
		st.signatures = []string{sig}
	case layoutPairs:
		if err := s.readPairs(st, value); err != nil {
			return err
		}
	case layoutList:
		s.readList(st, value)
	default:
		return fmt.Errorf("verify: layout %q is not known", s.Layout)
	}
	switch n := len(st.signatures) + len(st.twins); {
	case n == 0:
		return refusal("the header holds no signature of the kind this sender uses")
	case n > maxSignatures:
		return refusal("the header holds too many signatures")
	}
	return nil
}

// readPairs reads t=1767225600,v1=ab,v1=cd (Stripe) and ts=1767225600;h1=ab (Paddle). Unknown keys are passed over.
func (s Scheme) readPairs(st *stated, value string) error {
	for pair := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ';' }) {
		k, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
		switch k {
		case s.Prefix:
			st.signatures = append(st.signatures, v)
		case "t", "ts":
			if st.timestamp != "" {
				return refusal("the header holds more than one timestamp")
			}
			st.timestamp = v
		}
	}
	return nil
}

// readList reads v1,ab v1,cd v1a,ef (Standard Webhooks), or bare signatures between spaces or commas without a prefix.
// Versions it does not know are passed over.
func (s Scheme) readList(st *stated, value string) {
	if s.Prefix == "" {
		st.signatures = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		return
	}
	for entry := range strings.FieldsSeq(value) {
		switch version, sig, _ := strings.Cut(entry, ","); version {
		case s.Prefix:
			st.signatures = append(st.signatures, sig)
		case s.Prefix + "a":
			st.twins = append(st.twins, sig)
		}
	}
}

// readTime reads a timestamp strictly: digits only, or RFC 3339.
func (s Scheme) readTime(text string) (time.Time, error) {
	switch {
	case text == "":
		return time.Time{}, refusal("there is no timestamp")
	case s.TimestampUnit == "rfc3339":
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return time.Time{}, refusal("the timestamp cannot be read")
		}
		return t, nil
	case !digits(text) || len(text) > 16:
		return time.Time{}, refusal("the timestamp cannot be read")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, refusal("the timestamp cannot be read")
	}
	switch s.TimestampUnit {
	case "s":
		return time.Unix(n, 0), nil
	case "ms":
		return time.UnixMilli(n), nil
	default:
		return time.Time{}, fmt.Errorf("verify: timestamp_unit %q is not known", s.TimestampUnit)
	}
}

// match finds the secret under which one of the signatures is right for one of the readings, counted from 1.
func (s Scheme) match(readings []content, st stated, secrets []Secret) (int, error) {
	var unusable error
	spaced := false
	for i, secret := range secrets {
		k, err := s.key(secret)
		if err != nil {
			unusable = err
			continue
		}
		ok, err := s.matches(readings, st, k)
		if err != nil {
			return 0, err
		}
		if ok {
			return i + 1, nil
		}
		if text := string(secret); s.SecretForm == formText && strings.TrimSpace(text) != text {
			trimmed, err := s.matches(readings, st, key{shared: []byte(strings.TrimSpace(text))})
			spaced = spaced || err == nil && trimmed
		}
	}
	switch {
	case spaced:
		return 0, refusal("the signature matches only without the white space around our secret: set it again without")
	case unusable != nil:
		return 0, refusal("the signature does not match, and a secret of this connection " + unusable.Error())
	default:
		return 0, refusal("the signature does not match")
	}
}

func (s Scheme) matches(readings []content, st stated, k key) (bool, error) {
	for _, c := range readings {
		if k.public != nil {
			sigs := st.twins
			if s.Scheme == schemeEd25519 {
				sigs = st.signatures
			}
			if s.edMatches(c, sigs, k) {
				return true, nil
			}
			continue
		}
		mac, err := s.mac(c, k.shared)
		if err != nil {
			return false, err
		}
		for _, sig := range st.signatures {
			// The texts are compared, not the bytes: another spelling of the same bytes is another signature.
			if hmac.Equal([]byte(sig), []byte(mac)) {
				return true, nil
			}
		}
	}
	return false, nil
}

// mac returns the HMAC as it is written in the header.
func (s Scheme) mac(c content, shared []byte) (string, error) {
	var h hash.Hash
	switch s.Algorithm {
	case "sha256":
		h = hmac.New(sha256.New, shared)
	case "sha1":
		h = hmac.New(sha1.New, shared)
	case "sha512":
		h = hmac.New(sha512.New, shared)
	default:
		return "", fmt.Errorf("verify: algorithm %q is not known", s.Algorithm)
	}
	c.writeTo(h)
	return s.encode(h.Sum(nil))
}

func (s Scheme) encode(raw []byte) (string, error) {
	switch s.Encoding {
	case "hex":
		return hex.EncodeToString(raw), nil
	case "base64":
		return base64.StdEncoding.EncodeToString(raw), nil
	default:
		return "", fmt.Errorf("verify: encoding %q is not known", s.Encoding)
	}
}

func (s Scheme) edMatches(c content, sigs []string, k key) bool {
	var message strings.Builder
	c.writeTo(&message)
	for _, text := range sigs {
		var sig []byte
		var err error
		if s.Encoding == "hex" {
			sig, err = hex.DecodeString(text)
		} else {
			sig, err = base64.StdEncoding.DecodeString(text)
		}
		if again, _ := s.encode(sig); err != nil || again != text {
			continue
		}
		if ed25519.Verify(k.public, []byte(message.String()), sig) {
			return true
		}
	}
	return false
}
