package verify

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Sign makes the request one that the provider would send: it sets the headers (and, where the scheme says so, adds to the
// address) so that Verify with the same secret proves it. now is the time it is signed at and id the delivery's id, which
// may be empty where the scheme does not sign it. Headers of an earlier signature are replaced. For ed25519 the secret
// is the private key.
func (s Scheme) Sign(r *Request, secret Secret, now time.Time, id string) error {
	if err := s.Check(); err != nil {
		return fmt.Errorf("sign a request: %w", err)
	}
	s = s.filled()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if s.IDHeader != "" && id != "" {
		r.Header.Set(at(s.IDHeader, 0), id)
	}
	switch s.Scheme {
	case schemeNone:
		return nil
	case schemeBasic:
		r.Header.Set(s.Header, "Basic "+base64.StdEncoding.EncodeToString([]byte(secret)))
		return nil
	case schemeToken:
		return s.signToken(r, secret)
	default:
		return s.signContent(r, secret, now, id)
	}
}

func (s Scheme) signContent(r *Request, secret Secret, now time.Time, id string) error {
	k, err := s.key(secret)
	if err != nil {
		return fmt.Errorf("sign a request: the secret %w", err)
	}
	p, err := parseSigned(s.Signed)
	if err != nil {
		return err
	}
	if p.have("id") && id == "" {
		return errors.New("sign a request: this sender signs its delivery's id, and none is given")
	}
	timestamp := ""
	if p.have("timestamp") {
		timestamp = s.writeTime(now)
		if s.TimestampHeader != "" {
			r.Header.Set(at(s.TimestampHeader, 0), timestamp)
		}
	}
	if p.have("url_params") && len(r.Body) > 0 && !isForm(r.Header) {
		if err := addBodyHash(r); err != nil {
			return err
		}
	}
	readings, err := p.contents(r, timestamp, id)
	if err != nil {
		return fmt.Errorf("sign a request: %w", err)
	}
	signature, version, err := s.sign(readings[0], k)
	if err != nil {
		return err
	}
	name := at(s.Header, 0)
	switch s.Layout {
	case layoutPlain:
		r.Header.Set(name, signature)
	case layoutPrefix:
		r.Header.Set(name, s.Prefix+signature)
	case layoutPairs:
		value := s.Prefix + "=" + signature
		if timestamp != "" && s.TimestampHeader == "" {
			value = "t=" + timestamp + "," + value
		}
		r.Header.Set(name, value)
	case layoutList:
		if version != "" {
			signature = version + "," + signature
		}
		r.Header.Set(name, signature)
	}
	return nil
}

// sign returns the signature as it is written and the version a list gives it.
func (s Scheme) sign(c content, k key) (signature, version string, err error) {
	if k.public == nil {
		signature, err = s.mac(c, k.shared)
		return signature, s.Prefix, err
	}
	if k.private == nil {
		return "", "", errors.New("sign a request: the secret is a public key, which proves but cannot sign")
	}
	var message strings.Builder
	c.writeTo(&message)
	signature, err = s.encode(ed25519.Sign(k.private, []byte(message.String())))
	if s.Scheme == schemeEd25519 {
		return signature, s.Prefix, err
	}
	return signature, s.Prefix + "a", err
}

func (s Scheme) writeTime(now time.Time) string {
	switch s.TimestampUnit {
	case "ms":
		return strconv.FormatInt(now.UnixMilli(), 10)
	case "rfc3339":
		return now.UTC().Format(time.RFC3339)
	default:
		return strconv.FormatInt(now.Unix(), 10)
	}
}

// addBodyHash puts the body's hash into the address, as Twilio does for bodies that are no form.
func addBodyHash(r *Request) error {
	u, err := url.Parse(r.URL)
	if err != nil {
		return fmt.Errorf("sign a request: %w", err)
	}
	sum := sha256.Sum256(r.Body)
	q := u.Query()
	q.Set("bodySHA256", hex.EncodeToString(sum[:]))
	u.RawQuery = q.Encode()
	r.URL = u.String()
	return nil
}

func (s Scheme) signToken(r *Request, secret Secret) error {
	switch s.In {
	case "header":
		r.Header.Set(s.Name, s.Prefix+string(secret))
		return nil
	case "query":
		u, err := url.Parse(r.URL)
		if err != nil {
			return fmt.Errorf("sign a request: %w", err)
		}
		q := u.Query()
		q.Set(s.Name, string(secret))
		u.RawQuery = q.Encode()
		r.URL = u.String()
		return nil
	case "path":
		u, err := url.Parse(r.URL)
		if err != nil {
			return fmt.Errorf("sign a request: %w", err)
		}
		if r.PathToken == "" || !strings.HasSuffix(u.Path, "/"+r.PathToken) {
			u = u.JoinPath(string(secret))
		}
		r.PathToken, r.URL = string(secret), u.String()
		return nil
	}
	// A token in the body is part of what the sender writes; it is checked, not put there.
	if _, err := s.verifyToken(r, []Secret{secret}); err != nil {
		return fmt.Errorf("sign a request: this sender writes its token into the body (%s), so put it there", s.In)
	}
	return nil
}
