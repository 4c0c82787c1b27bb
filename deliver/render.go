package deliver

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"waybill"
	"waybill/connector"
)

// Rendered is a call ready to be frozen.
type Rendered struct {
	Request     waybill.Request
	Object      waybill.Object
	Fingerprint string // of account, action and inputs
}

// Render renders an action's call as its manifest says. key is our reference (empty for a read). The same inputs give the
// same bytes, and the request carries no credentials. What would reach another place than the manifest means, or would
// smuggle a header, is refused with an error of kind Invalid.
func Render(t *Target, action *connector.Action, inputs map[string]any, key string) (Rendered, error) {
	call := t.call(inputs, key)
	req, err := t.Manifest.Render(action, call)
	if err != nil {
		return Rendered{}, err
	}
	if t.Planned.IsZero() && bytes.Contains(req.Body, []byte(noTime)) {
		return Rendered{}, &waybill.Error{Kind: waybill.Internal, Message: "render " + action.Name + ": it states when it was planned, and nobody said"}
	}
	if err := checkAddress(t, action, req.URL, inputs); err != nil {
		return Rendered{}, fmt.Errorf("render the address of %s: %w", action.Name, err)
	}
	if err := checkHeaders(req.Headers); err != nil {
		return Rendered{}, fmt.Errorf("render the headers of %s: %w", action.Name, err)
	}
	fingerprint, err := Fingerprint(t.Account, action.Name, inputs)
	if err != nil {
		return Rendered{}, err
	}
	return Rendered{Request: req, Object: action.ObjectOf(call, nil), Fingerprint: fingerprint}, nil
}

// noTime is how a time that nobody set is written.
const noTime = "0001-01-01T00:00:00Z"

func (t *Target) call(inputs map[string]any, key string) connector.Call {
	return connector.Call{
		Base: t.fill(t.BaseURL), Input: inputs, Settings: t.Settings, Key: key, Planned: t.Planned,
	}
}

// fill puts the connection's settings into a text of the manifest.
func (t *Target) fill(text string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	return connector.Fill(text, t.Settings)
}

func invalid(hint, format string, args ...any) error {
	return &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// secretMark begins a secret's place in an address: ${secret:name}. Only the manifest and the connection may put one
// there; a value that came in from outside must not fetch a secret.
const secretMark = "${secret:"

// checkAddress refuses an address that data has bent: another host, a way up, an empty part where a value was missing.
func checkAddress(t *Target, action *connector.Action, address string, inputs map[string]any) error {
	literal, _ := action.Request.Path.Literal()
	ours := strings.Count(t.BaseURL, secretMark) + strings.Count(literal, secretMark)
	if strings.Count(address, secretMark) > ours {
		return invalid("Remove it from the value.", "a value holds %q", secretMark)
	}
	if strings.HasPrefix(address, secretMark) {
		return nil // the whole address is a secret: it is checked when it is called
	}
	u, err := url.Parse(address)
	if err != nil {
		return invalid("Look at the values that the address is made of.", "%q is no address", address)
	}
	if err := checkURL(u); err != nil {
		return invalid("Look at the connection's base address.", "%s", err)
	}
	if strings.Contains(address, "#") {
		return invalid("Look at the values that the address is made of.", "the address holds a #, after which nothing is sent")
	}
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		switch {
		case err != nil || plain == "." || plain == "..":
			return invalid("Look at the values that the address is made of.", "the address %q leads elsewhere than it says", u.Path)
		case plain == "" && i < len(parts)-1, plain == "" && i > 0 && someEmpty(inputs):
			return invalid("Give the missing value.", "a part of the address %q is empty", u.Path)
		}
	}
	return nil
}

// someEmpty reports whether an input is an empty text: at the end of an address it would turn one object into all of them.
func someEmpty(inputs map[string]any) bool {
	for _, v := range inputs {
		if v == "" {
			return true
		}
	}
	return false
}

// framing are the headers that net/http writes: two answers to how long a body is are a way to smuggle a request.
var framing = []string{"host", "content-length", "transfer-encoding", "connection", "upgrade", "trailer", "te"}

func checkHeaders(headers []waybill.Header) error {
	for _, h := range headers {
		switch {
		case !isToken(h.Name):
			return invalid("", "%q is no name of a header", h.Name)
		case slices.Contains(framing, strings.ToLower(h.Name)):
			return invalid("Leave it out.", "the header %s is set by Waybill", h.Name)
		case hasControl(h.Value):
			return invalid("Remove line breaks and control characters from the value.", "the header %s would hold a line break or a control character", h.Name)
		}
	}
	return nil
}

// isToken reports whether s is a token of RFC 9110, as a header's name must be.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	})
}

// hasControl reports whether a header's value would break its line.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
