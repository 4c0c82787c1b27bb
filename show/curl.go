package show

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"waybill"
)

// curl writes a kept request as a command for a shell, with every secret as a variable: "$AUTHORIZATION". Everything
// else is quoted, so that nothing in a request is ever run. A body that is no text is named as a file.
func curl(r waybill.Request) string {
	lines := []string{"curl -X " + quote(r.Method) + " " + quote(unmark(r.URL, "secret"))}
	for _, h := range r.Headers {
		lines = append(lines, "-H "+quote(h.Name+": "+unmark(h.Value, h.Name)))
	}
	switch {
	case len(r.Body) == 0:
	case utf8.Valid(r.Body) && !bytes.ContainsRune(r.Body, 0):
		lines = append(lines, "--data-binary "+quote(unmark(string(r.Body), "secret")))
	default:
		lines = append(lines, "--data-binary @body.bin")
	}
	return strings.Join(lines, " \\\n  ")
}

var (
	secretSlot = regexp.MustCompile(`\$\{secret:([A-Za-z0-9_.-]{1,64})\}`)
	// mark is what stands in a credential's place in what was kept.
	mark    = regexp.MustCompile(`\[sha256:[0-9a-f]{8}\]`)
	unnamed = regexp.MustCompile(`[^A-Za-z0-9]+`)
)

// unmark puts a secret's slot where a credential was taken out.
func unmark(s, name string) string {
	return mark.ReplaceAllLiteralString(s, "${secret:"+unnamed.ReplaceAllString(shorten(name, 40), "_")+"}")
}

// quote makes one word for a shell: single quotes around everything but the secrets, which stand as variables.
func quote(s string) string {
	var b strings.Builder
	at := 0
	for _, m := range secretSlot.FindAllStringSubmatchIndex(s, -1) {
		if s[at:m[0]] != "" {
			b.WriteString(single(s[at:m[0]]))
		}
		name := strings.ToUpper(strings.Trim(unnamed.ReplaceAllString(s[m[2]:m[3]], "_"), "_"))
		if name == "" || name[0] >= '0' && name[0] <= '9' {
			name = "SECRET_" + name
		}
		b.WriteString(`"$` + name + `"`)
		at = m[1]
	}
	if at == 0 || s[at:] != "" {
		b.WriteString(single(s[at:]))
	}
	return b.String()
}

func single(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1 // a terminal could act on it when it is pasted
		}
		return r
	}, s)
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
