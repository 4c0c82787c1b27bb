package watch

import (
	"regexp"
	"strings"

	"waybill"
)

// maxCode is how many runes of a code are part of a key.
const maxCode = 96

// Key returns the key under which failures are grouped: a version, the cause, the connection, and, where they tell one
// trouble from another, the action and the provider's normalised code. An outage is the whole connection's state, so
// it has one group whatever was being done; a missing permission has one for each action.
func Key(cause waybill.Cause, connection, action, code string) string {
	if cause.Outage() {
		action, code = "", ""
	}
	if cause == waybill.PermissionMissing {
		code = ""
	}
	parts := []string{string(cause), connection, action, Normal(code)}
	for i, p := range parts {
		parts[i] = keyEscape.Replace(p)
	}
	return "v1:" + strings.TrimRight(strings.Join(parts, "|"), "|")
}

var keyEscape = strings.NewReplacer("%", "%25", "|", "%7C", "\n", " ", "\r", " ")

// The things that differ between two failures of one cause, in the order they are taken out.
var varying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`[\s\x00-\x1f\x7f]+`), " "},
	{regexp.MustCompile(`\bhttps?://[^\s"'<>]+`), "{url}"},
	{regexp.MustCompile(`[a-z0-9._%+-]+@[a-z0-9-]+(\.[a-z0-9-]+)+`), "{email}"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "{id}"},
	{regexp.MustCompile(`\b[a-z]{2,8}_(?:(?:test|live)_)?(?:[a-z0-9]*[0-9][a-z0-9]{4,}|[a-z0-9]{5,}[0-9][a-z0-9]*)\b`), "{id}"}, // pay_29QQoUBi66xm2f
	{regexp.MustCompile(`\b[0-9a-f]*[0-9][0-9a-f]{11,}\b`), "{id}"},
	{regexp.MustCompile(`\b[a-z]{2,5}-[0-9]{2,}\b`), "{id}"}, // SO-1001
	{regexp.MustCompile(`\+?[0-9][0-9 ().,:-]{5,}[0-9]`), "{number}"},
	{regexp.MustCompile(`\b[0-9]+(\.[0-9]+)?\b`), "{number}"},
}

// plainCode matches what is a code by itself (131047, invalid_grant, INVALID_EMAIL, CHANNEL.NOT_FOUND, /phone): it is
// kept as it is.
var plainCode = regexp.MustCompile(`^(?:[0-9]{1,7}|/?[a-z]+(?:[._:/-][a-z0-9]{1,20}){0,6})$`)

// Normal returns a provider's code or message without what differs from one failure to the next: ids, numbers, e-mail
// and web addresses. What is a code by itself stays as it is, in lower case. The result is at most 96 runes and
// normalising it again changes nothing, so a key made from a stored code is the same key.
func Normal(code string) string {
	code = strings.ToLower(strings.TrimSpace(strings.ToValidUTF8(code, "?")))
	for range 8 {
		next := normalOnce(code)
		if next == code {
			return next
		}
		code = next
	}
	return code
}

// normalOnce takes out what varies, cuts at a word's end and trims. Each change takes out a digit or an address, or
// shortens the text, so repeating it soon ends.
func normalOnce(code string) string {
	if plainCode.MatchString(code) && len(code) <= maxCode && !hasID(code) {
		return code
	}
	for _, v := range varying {
		code = v.pattern.ReplaceAllString(code, v.with)
	}
	if r := []rune(code); len(r) > maxCode {
		code = string(r[:maxCode])
		if space := strings.LastIndexByte(code, ' '); space > 0 {
			code = code[:space] // a word cut in two would be read differently the next time
		}
	}
	return strings.TrimSpace(code)
}

// hasID reports whether what looks like a code carries an id after all: pay_29QQoUBi66xm2f.
func hasID(code string) bool {
	if len(code) <= 7 {
		return false
	}
	for _, v := range varying[3:7] {
		if v.pattern.MatchString(code) {
			return true
		}
	}
	return false
}
