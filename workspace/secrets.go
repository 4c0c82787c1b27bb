package workspace

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"waybill/source"
)

// sealedName is the form of a name under which a secret is sealed: crm.access_token. Credentials have capitals, or no dot.
var sealedName = regexp.MustCompile(`^[a-z][a-z0-9]*([_-][a-z0-9]+)*(\.[a-z0-9]+([_-][a-z0-9]+)*)+$`)

// credentials are the forms of credentials that are known by their beginning, with where they come from.
var credentials = []struct {
	what string
	form *regexp.Regexp
}{
	{"a key of Stripe", regexp.MustCompile(`\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{8,}`)},
	{"a signing secret", regexp.MustCompile(`\bwhsec_[A-Za-z0-9+/=]{8,}`)},
	{"a token of Slack", regexp.MustCompile(`\bxox[abeprs]-[A-Za-z0-9-]{8,}`)},
	{"a webhook address of Slack", regexp.MustCompile(`https://hooks\.slack\.com/services/[A-Za-z0-9/]{8,}`)},
	{"a token of Meta", regexp.MustCompile(`\bEAA[A-Za-z0-9]{20,}`)},
	{"a token of HubSpot", regexp.MustCompile(`\bpat-[a-z]{2}[0-9]-[0-9a-f-]{20,}`)},
	{"a token of GitHub", regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{20,}`)},
	{"a key of Google", regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{30,}`)},
	{"a key of Amazon", regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`)},
	{"a private key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)},
	{"a signed token", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+`)},
	{"a password in an address", regexp.MustCompile(`\b[a-z][a-z0-9+.-]*://[^\s/:@"'{}]+:[^\s/:@"'{}]{3,}@`)},
}

// secrets refuses credentials in any file that is kept and shown.
func (l *loader) secrets() {
	for _, name := range sortedKeys(l.files) {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" && ext != ".csv" && ext != ".json" {
			continue
		}
		if strings.HasPrefix(name, "connectors/") { // manifests say what credentials look like
			continue
		}
		for i, line := range bytes.Split(l.files[name], []byte("\n")) {
			for _, c := range credentials {
				found := c.form.FindIndex(line)
				if found == nil {
					continue
				}
				col := utf8.RuneCount(line[:found[0]]) + 1
				span := source.Span{Pos: source.Pos{File: name, Line: i + 1, Col: col}, Len: utf8.RuneCount(line[found[0]:found[1]])}
				l.faults.Conceal(Codes, "E360", span, "This looks like "+c.what+". A workspace is kept in git and shown on pages.",
					"Take it out, and change it at its provider if the file was ever shared. Give it with: waybill secret set NAME")
				break
			}
		}
	}
}
