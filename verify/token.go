package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// verifyToken compares a token the sender puts into every request. It proves who sent it, not that the content is whole.
func (s Scheme) verifyToken(r *Request, secrets []Secret) (Proof, error) {
	token, where, err := s.readToken(r)
	if err != nil {
		return Proof{}, err
	}
	if token == "" {
		return Proof{}, refusal("there is no " + where)
	}
	which, err := matchText(token, secrets)
	if err != nil {
		return Proof{}, err
	}
	return Proof{Secret: which, Words: fmt.Sprintf("%s, secret %d of %d", where, which, len(secrets))}, nil
}

// verifyBasic compares user and password; the secret holds both, as user:password.
func (s Scheme) verifyBasic(r *Request, secrets []Secret) (Proof, error) {
	value, err := only(r.Header, s.Header)
	if err != nil {
		return Proof{}, err
	}
	kind, encoded, _ := strings.Cut(value, " ")
	if !strings.EqualFold(kind, "basic") {
		return Proof{}, refusal("there is no user and password")
	}
	given, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Proof{}, refusal("user and password cannot be read")
	}
	which, err := matchText(string(given), secrets)
	if err != nil {
		return Proof{}, err
	}
	return Proof{Secret: which, Words: fmt.Sprintf("user and password, secret %d of %d", which, len(secrets))}, nil
}

// matchText compares in constant time, whatever the lengths.
func matchText(given string, secrets []Secret) (int, error) {
	g := sha256.Sum256([]byte(given))
	usable := false
	for i, secret := range secrets {
		if strings.TrimSpace(string(secret)) == "" {
			continue
		}
		usable = true
		want := sha256.Sum256([]byte(secret))
		if subtle.ConstantTimeCompare(g[:], want[:]) == 1 {
			return i + 1, nil
		}
	}
	if !usable {
		return 0, refusal("no secret is set for this connection")
	}
	return 0, refusal("the token or password is not the one set for this connection")
}

// readToken returns the token and, in words, where it was looked for.
func (s Scheme) readToken(r *Request) (token, where string, err error) {
	switch {
	case s.In == "header":
		where = s.Name + " header"
		value, err := only(r.Header, s.Name)
		if err != nil {
			return "", where, err
		}
		token, ok := strings.CutPrefix(value, s.Prefix)
		if !ok {
			return "", where, refusal("the " + where + " does not begin as this sender's do")
		}
		return token, where, nil
	case s.In == "query":
		where = "token in the query"
		u, err := url.Parse(r.URL)
		if err != nil {
			return "", where, refusal("the address cannot be read")
		}
		token, err := single(u.RawQuery, s.Name)
		return token, where, err
	case s.In == "path":
		return r.PathToken, "token in the address", nil
	case strings.HasPrefix(s.In, inBody+"/"):
		token, ok := textAt(r.Body, s.In[len(inBody):])
		if !ok {
			token = ""
		}
		return token, "token in the body", nil
	case strings.HasPrefix(s.In, inBody):
		token, err := single(string(r.Body), s.In[len(inBody):])
		return token, "token in the form", err
	default:
		return "", "", fmt.Errorf("verify: a token in %q is not known", s.In)
	}
}

// single returns the one value of name in a query or form, empty when there is none.
func single(encoded, name string) (string, error) {
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return "", refusal("the query or form cannot be read")
	}
	switch v := values[name]; len(v) {
	case 0:
		return "", nil
	case 1:
		return v[0], nil
	default:
		return "", refusal("the token comes more than once")
	}
}

// textAt returns the text at an RFC 6901 pointer of a JSON document.
func textAt(body []byte, pointer string) (string, bool) {
	raw := json.RawMessage(body)
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil {
			next, ok := object[step]
			if !ok {
				return "", false
			}
			raw = next
			continue
		}
		var array []json.RawMessage
		i, err := strconv.Atoi(step)
		if err != nil || json.Unmarshal(raw, &array) != nil || i < 0 || i >= len(array) {
			return "", false
		}
		raw = array[i]
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return text, true
}
