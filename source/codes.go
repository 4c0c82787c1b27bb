package source

// Explanation is what `waybill explain` tells of a code.
type Explanation struct {
	Title string // unknown field
	Text  string // what it means and what to do, some sentences
}

// Codes are this package's codes: YAML and the structure of files. Other packages declare tables of the same form:
// E2xx expressions, E3xx workspace and flows, E4xx connector manifests.
var Codes = map[string]Explanation{ // a table that nothing changes
	"E101": {"unreadable text", "A file must be UTF-8 text with ordinary line ends (LF or CRLF) and no control characters. " +
		"Save it again as UTF-8 in your editor."},
	"E102": {"no valid YAML", "YAML could not make sense of the file at this place. Look for a missing colon, a quote that " +
		"is not closed, or a line that is not indented like its neighbours."},
	"E103": {"field given twice", "A field may stand only once in its group; YAML would silently keep one of the two. " +
		"Remove one of them."},
	"E104": {"unknown field", "This place has no field of that name. Fields are checked strictly, so that a misspelt one is " +
		"never silently ignored."},
	"E105": {"missing field", "A field that must be given is not there."},
	"E106": {"wrong kind of value", "The field takes another kind of value than the one written."},
	"E107": {"anchor or alias", "YAML anchors (&name), aliases (*name) and merge keys (<<) are not used in a workspace: what " +
		"a file says must be readable where it stands. If the value is an expression, put it in single quotes."},
	"E108": {"YAML tag", "A value that begins with ! is a tag in YAML, and what follows is not read as a value. If it is an " +
		"expression such as !payment.test, put it in single quotes: when: '!payment.test'."},
	"E109": {"file too large", "A file may have at most 1 MiB and nest at most 32 levels deep. Split it."},
	"E110": {"tab in indentation", "YAML is indented with spaces only. Replace the tab by two spaces."},
	"E111": {"colon in an unquoted value", "A colon followed by a space starts a new field in YAML, even inside ${ } and " +
		"inside the quotes of an expression. Put the whole value in single quotes, or after |- on its own line."},
	"E112": {"value cut at #", "A space followed by # starts a comment in YAML, even inside ${ } and inside the quotes of an " +
		"expression: the rest of the value was lost. Put the whole value in single quotes."},
	"E113": {"text after # is a comment", "A space followed by # starts a comment in YAML, so the text behind it is not part of " +
		"the value. Put the whole value in single quotes if it should be; put the comment on its own line if not."},
	"E114": {"${ } inside [ ] or { }", "Inside [ ] and { } the braces and commas of an unquoted expression end the value. " +
		"Put ${...} in double quotes there, or write one entry per line."},
	"E115": {"value goes on after its end", "A value that begins with a quote, [ or { ends where that is closed; what follows " +
		"is not part of it. Put the whole value in single quotes."},
	"E116": {"number loses its zeros", "Unquoted, this is a decimal number: 1.10 is read as 1.1. Put it in quotes if it is a " +
		"version or a code."},
	"E117": {"number with leading zeros", "Unquoted, this is a number and its leading zeros are lost. Put it in quotes if it is " +
		"a phone number, a postal code or another code."},
	"E118": {"more than one document", "A file holds one YAML document; --- may stand only before it."},
	"E119": {"value begins with a reserved character", "YAML reserves @ ` and % at the beginning of a value. Put the value in " +
		"single quotes."},
	"E120": {"unusable field name", "A field name must be a short plain text."},
}
