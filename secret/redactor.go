package secret

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"waybill"
)

// MinLength is the length from which a known value is looked for in texts. A shorter one would tear holes into ordinary
// words; it is still replaced where its place alone says it is a credential (headers, the query, the address).
const MinLength = 6

// Fingerprint names a credential without giving it away: sha256:ab12cd34, by which two can be compared.
func Fingerprint(value string) string {
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:4])
}

// Mark is what stands in a text in a credential's place: [sha256:ab12cd34]. A mark stays as it is.
func Mark(value string) string {
	if marked(value) {
		return value
	}
	return "[" + Fingerprint(value) + "]"
}

// marked reports whether the value is a mark already, so that redacting twice changes nothing.
func marked(value string) bool {
	inner, ok := strings.CutPrefix(value, "[sha256:")
	return ok && len(inner) == 9 && inner[8] == ']' && strings.Trim(inner[:8], "0123456789abcdef") == ""
}

// Redactor takes credentials out of what is stored, shown and logged: the values it has learnt, wherever they are, and
// those whose place says what they are. It is safe for concurrent use.
type Redactor struct {
	find atomic.Pointer[finder]

	mu    sync.Mutex
	known map[string][2][]string // name -> the values it has, and those it had before
}

// NewRedactor returns a redactor that knows places but no values.
func NewRedactor() *Redactor {
	r := &Redactor{known: map[string][2][]string{}}
	r.find.Store(newFinder(fieldPatterns()))
	return r
}

// Learn sets the values that name stands for. The values it had just before stay known, because what was begun with
// them is still on its way.
func (r *Redactor) Learn(name string, values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.known[name]
	if slices.Equal(old[0], values) {
		return
	}
	r.known[name] = [2][]string{slices.Clone(values), old[0]}
	patterns := fieldPatterns()
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.known)) {
		for _, generation := range r.known[name] {
			for _, value := range generation {
				patterns = appendSpellings(patterns, seen, value)
			}
		}
	}
	r.find.Store(newFinder(patterns))
}

// Bytes returns b without credentials. It returns b itself when there are none, and never changes it.
func (r *Redactor) Bytes(b []byte) []byte {
	spans := r.find.Load().find(b)
	if len(spans) == 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	at := 0
	for _, s := range spans {
		out = append(append(out, b[at:s.from]...), s.mark...)
		at = s.to
	}
	return append(out, b[at:]...)
}

// Text is Bytes for text: log lines, errors, notes.
func (r *Redactor) Text(s string) string {
	if len(s) < MinLength {
		return s
	}
	return string(r.Bytes([]byte(s)))
}

// Headers returns the headers with credentials replaced.
func (r *Redactor) Headers(in []waybill.Header) []waybill.Header {
	out := make([]waybill.Header, len(in))
	for i, h := range in {
		out[i] = waybill.Header{Name: h.Name, Value: r.Header(h.Name, h.Value)}
	}
	return out
}

// Header returns one header's value with credentials replaced. Signatures stay as they are.
func (r *Redactor) Header(name, value string) string {
	switch kind := headerKinds(name); kind {
	case headerScheme:
		if scheme, rest, ok := strings.Cut(value, " "); ok && rest != "" && len(scheme) <= 16 {
			return r.Text(scheme) + " " + Mark(rest)
		}
		fallthrough
	case headerCredential:
		if value == "" {
			return ""
		}
		return Mark(value)
	case headerURL:
		return r.URL(value)
	default:
		return r.Text(value)
	}
}

// URL returns an address with credentials replaced: in its user part, in its query and fragment, and the token of our own
// /in/{connection}/{token}. What is no credential keeps its spelling.
func (r *Redactor) URL(raw string) string {
	rest, fragment, hasFragment := strings.Cut(raw, "#")
	path, query, hasQuery := strings.Cut(rest, "?")
	path = redactUser(path)
	if tail, ok := strings.CutPrefix(path, "/in/"); ok {
		if connection, token, ok := strings.Cut(tail, "/"); ok && token != "" {
			path = "/in/" + connection + "/" + Mark(token)
		}
	}
	out := path
	if hasQuery {
		out += "?" + redactQuery(query)
	}
	if hasFragment {
		out += "#" + redactQuery(fragment)
	}
	return r.Text(out)
}

// redactUser replaces the password of https://user:password@host/.
func redactUser(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	host, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	i := strings.LastIndexByte(host, '@')
	if i < 0 || marked(host[:i]) {
		return address
	}
	user, password, ok := strings.Cut(host[:i], ":")
	if ok {
		user += ":" + Mark(password)
	} else {
		user = Mark(user)
	}
	return scheme + "://" + user + host[i:] + path
}

func redactQuery(query string) string { return hide(query, sensitiveName) }

// HideQuery returns an address with the value of one query entry replaced, for a credential whose name does not show it.
func HideQuery(raw, name string) string {
	path, query, ok := strings.Cut(raw, "?")
	if !ok {
		return raw
	}
	return path + "?" + hide(query, func(n string) bool { return n == name })
}

func hide(query string, secret func(name string) bool) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" {
			continue
		}
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if !secret(plain) {
			continue
		}
		if v, err := url.QueryUnescape(value); err == nil {
			value = v
		}
		pairs[i] = name + "=" + Mark(value)
	}
	return strings.Join(pairs, "&")
}

// sensitiveName reports whether a query entry of this name is a credential. Signatures in an address are: there they are
// often all it takes (Teams, signed download links).
func sensitiveName(name string) bool {
	name = strings.ToLower(name)
	if strings.Contains(name, "token") || strings.Contains(name, "secret") || strings.Contains(name, "passw") {
		return !strings.Contains(name, "idempotency")
	}
	switch name {
	case "key", "apikey", "api_key", "api-key", "auth", "authorization", "sig", "signature", "pwd", "pass", "code", "credential",
		"x-amz-signature", "x-amz-credential", "x-goog-signature", "x-goog-credential", "state", "code_verifier", "assertion":
		return true
	}
	return false
}

// kinds of header.
const (
	headerPlain = iota
	headerScheme
	headerCredential
	headerURL
)

func headerKinds(name string) int {
	name = strings.ToLower(name)
	switch name {
	case "authorization", "proxy-authorization":
		return headerScheme
	case "cookie", "set-cookie", "x-api-key", "api-key", "apikey", "x-auth", "x-auth-key", "php-auth-pw", "auth":
		return headerCredential
	case "location", "content-location", "referer", "x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-original-uri":
		return headerURL
	}
	if strings.Contains(name, "idempotency") {
		return headerPlain // I-Twilio-Idempotency-Token
	}
	for _, tail := range []string{"token", "secret", "password", "api-key", "apikey", "access-key", "auth-key"} {
		if strings.HasSuffix(name, tail) {
			return headerCredential
		}
	}
	return headerPlain
}

// fieldPatterns are the members of a JSON answer that are credentials whatever their value: a token that has just been
// issued cannot have been learnt yet.
func fieldPatterns() []pattern {
	var out []pattern
	for _, name := range []string{"access_token", "refresh_token", "id_token", "client_secret", "api_key", "password", "private_key", "secret_key"} {
		out = append(out, pattern{text: []byte(`"` + name + `"`), field: true})
	}
	return out
}

// appendSpellings adds the ways in which a value is written: as it is, in JSON, in URLs, and in base64 at each of the three
// places it can begin within what is encoded (user:password).
func appendSpellings(patterns []pattern, seen map[string]bool, value string) []pattern {
	replacement := Mark(value)
	add := func(text string) {
		if len(text) >= MinLength && !seen[text] {
			seen[text] = true
			patterns = append(patterns, pattern{text: []byte(text), mark: replacement})
		}
	}
	for _, v := range parts(value) {
		add(v)
		query, path := url.QueryEscape(v), url.PathEscape(v)
		add(query)
		add(path)
		add(lowerEscapes(query))
		add(lowerEscapes(path))
		add(strings.ReplaceAll(query, "+", "%20"))
		if quoted, err := json.Marshal(v); err == nil {
			inner := string(quoted[1 : len(quoted)-1])
			add(inner)
			add(strings.ReplaceAll(inner, "/", `\/`))
			add(strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(inner))
		}
		if len(v) < MinLength {
			continue
		}
		for offset := range 3 {
			for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				text := enc.EncodeToString(append(make([]byte, offset), v...))
				from := (offset*8 + 5) / 6 // the characters before hold bits of what comes before the value
				whole := (offset + len(v)) * 8 / 6
				add(text[from:whole])
			}
		}
	}
	return patterns
}

// parts returns a value and those parts of it that are secret by themselves: without white space around it, the password
// of user:password, the path of a secret address.
func parts(value string) []string {
	trimmed := strings.TrimSpace(value)
	out := []string{trimmed}
	if strings.Contains(trimmed, "://") {
		if u, err := url.Parse(trimmed); err == nil && len(u.Path) >= 16 {
			out = append(out, u.EscapedPath())
		}
		return out
	}
	if _, password, ok := strings.Cut(trimmed, ":"); ok && !strings.ContainsAny(trimmed, "\n ") {
		out = append(out, password)
	}
	return out
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}
