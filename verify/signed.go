package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// part is a piece of what is signed: a literal, or the name of a part of the request.
type part struct {
	literal string
	name    string
}

type parts []part

// parseSigned splits a template such as "{timestamp}.{body}".
func parseSigned(template string) (parts, error) {
	var out parts
	rest := template
	for rest != "" {
		literal, after, found := strings.Cut(rest, "{")
		if literal != "" {
			out = append(out, part{literal: literal})
		}
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("signed: %q has a { without its }", template)
		}
		switch name {
		case "body", "body_sha256", "timestamp", "id", "method", "url", "url_decoded", "url_params":
		default:
			return nil, fmt.Errorf("signed: {%s} is not known: it is one of {body} {body_sha256} {timestamp} {id} {method} {url} {url_decoded} {url_params}", name)
		}
		out = append(out, part{name: name})
		rest = tail
	}
	return out, nil
}

func (p parts) have(name string) bool {
	return slices.ContainsFunc(p, func(x part) bool { return x.name == name })
}

// coverBody reports whether a change of the body changes what is signed.
func (p parts) coverBody() bool {
	return p.have("body") || p.have("body_sha256") || p.have("url_params")
}

// content is one reading of what was signed. There are several where the address can be written in several ways.
type content struct {
	parts     parts
	request   *Request
	timestamp string
	id        string
	url       string
	params    string
}

// writeTo writes the signed bytes to w, which never fails (a hash or a buffer).
func (c content) writeTo(w io.Writer) {
	for _, p := range c.parts {
		switch p.name {
		case "":
			_, _ = io.WriteString(w, p.literal)
		case "body":
			_, _ = w.Write(c.request.Body)
		case "body_sha256":
			sum := sha256.Sum256(c.request.Body)
			_, _ = io.WriteString(w, hex.EncodeToString(sum[:]))
		case "timestamp":
			_, _ = io.WriteString(w, c.timestamp)
		case "id":
			_, _ = io.WriteString(w, c.id)
		case "method":
			_, _ = io.WriteString(w, c.request.Method)
		case "url", "url_decoded":
			_, _ = io.WriteString(w, c.url)
		case "url_params":
			_, _ = io.WriteString(w, c.url)
			_, _ = io.WriteString(w, c.params)
		}
	}
}

// contents returns the readings of the request under the template, the likeliest first.
func (p parts) contents(r *Request, timestamp, id string) ([]content, error) {
	c := content{parts: p, request: r, timestamp: timestamp, id: id}
	if p.have("url_params") {
		params, err := formParams(r)
		if err != nil {
			return nil, err
		}
		c.params = params
	}
	var urls []string
	if p.have("url_decoded") {
		urls = append(urls, hubSpotEscapes.Replace(r.URL))
	}
	if p.have("url") || p.have("url_params") || p.have("url_decoded") {
		urls = append(urls, r.URL)
	}
	if len(urls) == 0 {
		return []content{c}, nil
	}
	for _, u := range slices.Clone(urls) {
		urls = append(urls, otherPort(u))
	}
	var out []content
	for i, u := range urls {
		if !slices.Contains(urls[:i], u) {
			c.url = u
			out = append(out, c)
		}
	}
	return out, nil
}

// hubSpotEscapes decodes the escapes that HubSpot's documentation says are decoded before signing ("validating requests").
var hubSpotEscapes = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(", "%29", ")",
	"%2A", "*", "%2C", ",", "%3B", ";",
	"%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
)

// otherPort returns the address with its scheme's standard port added, or taken away where it is written. Twilio signs
// either; nothing else of the text changes.
func otherPort(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return u
	}
	port := ":443"
	if strings.EqualFold(scheme, "http") {
		port = ":80"
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, tail := rest[:end], rest[end:]
	if bare, ok := strings.CutSuffix(host, port); ok {
		return scheme + "://" + bare + tail
	}
	if strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
		return u // another port: there is only one way to write it
	}
	return scheme + "://" + host + port + tail
}

// formParams returns the form's fields as Twilio signs them: by name, each name with its value, values that repeat once.
// An address with bodySHA256 carries the body's hash instead, for bodies that are no form.
func formParams(r *Request) (string, error) {
	if want, ok, err := bodyHashInURL(r.URL); err != nil {
		return "", err
	} else if ok {
		sum := sha256.Sum256(r.Body)
		if subtle.ConstantTimeCompare([]byte(want), []byte(hex.EncodeToString(sum[:]))) != 1 {
			return "", refusal("the body is not the one whose hash the address carries (bodySHA256)")
		}
		return "", nil
	}
	if len(r.Body) == 0 {
		return "", nil
	}
	if !isForm(r.Header) {
		return "", refusal("the body is no form, and the address carries no hash of it (bodySHA256)")
	}
	fields, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return "", refusal("the form cannot be read")
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		values := fields[name]
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			b.WriteString(name)
			b.WriteString(v)
		}
	}
	return b.String(), nil
}

func bodyHashInURL(address string) (string, bool, error) {
	if !strings.Contains(address, "bodySHA256") {
		return "", false, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", false, refusal("the address cannot be read")
	}
	switch v := u.Query()["bodySHA256"]; len(v) {
	case 0:
		return "", false, nil
	case 1:
		return v[0], true, nil
	default:
		return "", false, refusal("the address carries bodySHA256 more than once")
	}
}

func isForm(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded"
}
