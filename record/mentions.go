package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"waybill"
)

// mentions finds a person's values in texts and documents, and only whole: within another address, a longer number, a time or
// an amount the same characters are somebody else's, or nobody's.
type mentions struct {
	person waybill.Person
	emails []string // lower case
	phones []phone
	ids    []string
	likely [][]byte            // of each value a part that stands in whatever holds it, however that is written; nil: no such part
	codes  map[string][]string // of numbers that were given without one, the country codes with which they were met
}

// phone is a number that is looked for.
type phone struct {
	whole    string // without leading zeros
	national string // the last ten digits of a longer one
	bare     bool   // given without a country code: met with any
}

// national is how many digits a number has without its country code, where it can be told.
const national = 10

func phoneOf(text string) phone {
	p := phone{whole: strings.TrimLeft(digits(text), "0")}
	p.bare = len(p.whole) == national && !strings.HasPrefix(text, "+")
	if len(p.whole) > national {
		p.national = p.whole[len(p.whole)-national:]
	}
	return p
}

// mentionsOf looks for the values that name somebody for certain; others, which a subject may have had, meet nothing.
func mentionsOf(p waybill.Person) mentions {
	m := mentions{person: p.Usable(), codes: map[string][]string{}}
	for _, id := range m.person.IDs {
		if (waybill.Person{Emails: []string{id}}).Usable().Empty() {
			m.ids = append(m.ids, id)
		} else { // a system whose ids are addresses
			m.emails = append(m.emails, plain(id))
		}
	}
	for _, e := range m.person.Emails {
		m.emails = append(m.emails, plain(e))
	}
	for _, text := range m.person.Phones {
		p := phoneOf(text)
		m.phones = append(m.phones, p)
		m.likely = append(m.likely, []byte(p.whole[max(len(p.whole)-2, 0):]))
	}
	for _, text := range slices.Concat(m.emails, m.ids) {
		m.likely = append(m.likely, unescaped(strings.ToLower(text)))
	}
	return m
}

// unescaped is the longest part of a text that no way of writing it changes.
func unescaped(text string) []byte {
	longest := ""
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return []byte(longest)
}

// contacts are the e-mail addresses and phone numbers only: no id, key, state, time or amount is one of these, so they are
// looked for in these, too.
func (m mentions) contacts() mentions {
	m.ids = nil
	return m
}

// may reports cheaply whether one of the values may be there.
func (m mentions) may(b []byte) bool {
	if len(b) == 0 || len(m.likely) == 0 {
		return false
	}
	lower := bytes.ToLower(b)
	return slices.ContainsFunc(m.likely, func(t []byte) bool { return bytes.Contains(lower, t) })
}

// in looks through bytes: JSON value by value, anything else as text.
func (m mentions) in(b []byte) bool {
	if !m.may(b) {
		return false
	}
	hit, err := m.inJSON(b)
	return hit || err != nil && m.text(string(b))
}

func (m mentions) any(texts ...string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return m.may([]byte(t)) && m.text(t) })
}

// inJSON looks at every value and name of a document; an error says that it is none.
func (m mentions) inJSON(b []byte) (bool, error) {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || !bytes.ContainsRune([]byte(`{["`), rune(t[0])) {
		return false, errors.New("not JSON")
	}
	type level struct {
		object, named bool
		key           string
	}
	at := []level{{}}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err == io.EOF && len(at) == 1 {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		in := &at[len(at)-1]
		switch v := token.(type) {
		case json.Delim:
			if v == '}' || v == ']' {
				at = at[:len(at)-1]
				continue
			}
			at = append(at, level{object: v == '{', key: in.key})
		case string:
			if in.object && !in.named {
				if in.key, in.named = v, true; m.text(v) {
					return true, nil
				}
				continue
			}
			if m.value(in.key, v) {
				return true, nil
			}
		case json.Number:
			if m.number(in.key, v.String()) {
				return true, nil
			}
		}
		in.named = false
	}
}

// value looks at a text that stands under a name.
func (m mentions) value(key, v string) bool {
	if isTime(v) {
		return false
	}
	if t := strings.TrimSpace(v); strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") {
		if hit, err := m.inJSON([]byte(t)); err == nil {
			return hit
		}
	}
	if slices.Contains(m.ids, strings.TrimSpace(v)) {
		return !measured(key) && !stated(key)
	}
	if keyed(key) && digits(v) == v && len(v) < national { // an id of digits only, which is as long as a number may be
		return false
	}
	if measured(key) && v != "" && strings.Trim(v, "+-.,0123456789eE ") == "" {
		return false
	}
	return m.text(v)
}

// number looks at a number that stands under a name.
func (m mentions) number(key, v string) bool {
	if measured(key) {
		return false
	}
	return keyed(key) && slices.Contains(m.ids, v) || digits(v) == v && (len(v) >= national || !keyed(key)) && m.numbered(v)
}

// text looks through running text, also as a URL or form writes it, and as a document within it does.
func (m mentions) text(text string) bool {
	if strings.Contains(text, "=") && !strings.ContainsAny(text, " \t\r\n<\"") {
		path, query, found := strings.Cut(text, "?")
		if !found {
			path, query = "", text
		}
		if values, err := url.ParseQuery(query); err == nil {
			for key, list := range values {
				if m.running(key) || slices.ContainsFunc(list, func(v string) bool { return m.value(key, v) }) {
					return true
				}
			}
			return m.running(path)
		}
	}
	return m.running(text)
}

func (m mentions) running(text string) bool {
	for _, t := range readings(text) {
		if m.addressed(t) || len(m.phones)+len(m.ids) > 0 && (m.numbered(t) || m.identified(t)) {
			return true
		}
	}
	return false
}

// readings are a text as it stands, and as it is meant where parts of it are escaped.
func readings(text string) []string {
	out := []string{text}
	if strings.Contains(text, `\`) {
		out = append(out, slashed.ReplaceAllStringFunc(text, func(s string) string {
			switch {
			case len(s) > 2:
				n, _ := strconv.ParseUint(s[2:], 16, 32)
				return string(rune(n))
			case s == `\/`:
				return "/"
			default:
				return " "
			}
		}))
	}
	if strings.Contains(text, "%") {
		out = append(out, percent.ReplaceAllStringFunc(text, func(s string) string {
			n, _ := strconv.ParseUint(s[1:], 16, 8)
			return string([]byte{byte(n)})
		}))
	}
	return out
}

var (
	slashed = regexp.MustCompile(`\\(u[0-9a-fA-F]{4}|[nrtbf/"])`)
	percent = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
)

// whole reports whether a value stands somewhere in a text so that what is around it is not a part of it.
func whole(text, value string, alone func(before, after string) bool) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], value)
		if i < 0 {
			return false
		}
		i += from
		if alone(text[:i], text[i+len(value):]) {
			return true
		}
		from = i + 1
	}
}

// addressed looks for e-mail addresses.
func (m mentions) addressed(text string) bool {
	if len(m.emails) == 0 || !strings.Contains(text, "@") {
		return false
	}
	text = strings.ToLower(text)
	return slices.ContainsFunc(m.emails, func(e string) bool { return whole(text, e, ownAddress) })
}

// ownAddress reports whether what stands around an address cannot belong to it.
func ownAddress(before, after string) bool {
	b, n := utf8.DecodeLastRuneInString(before)
	if n > 0 && (wordly(b) || strings.ContainsRune("._%+-", b) || b == '\'' && wordly(lastRune(before[:len(before)-n]))) {
		return false
	}
	switch a := firstRune(after); a {
	case '-':
		return !wordly(firstRune(strings.TrimLeft(after, "-")))
	case '.':
		return !wordly(firstRune(after[1:]))
	default:
		return !wordly(a)
	}
}

// identified looks for ids that stand by themselves.
func (m mentions) identified(text string) bool {
	if len(m.ids) == 0 {
		return false
	}
	plain := text
	return slices.ContainsFunc(m.ids, func(id string) bool {
		if strings.TrimSpace(plain) == id {
			return true
		}
		if strings.IndexFunc(id, func(r rune) bool { return !unicode.IsLetter(r) }) < 0 {
			return false // a word, which means what it means in a sentence; it is an id only as a value of its own
		}
		where := plain
		if digits(id) == id {
			where = timeless(plain)
		}
		return whole(where, id, func(before, after string) bool { return ownID(id, before, after) })
	})
}

// ownID reports whether what stands around an id cannot belong to it: it is no part of a longer id, an address, a time or an
// amount.
func ownID(id, before, after string) bool {
	if joins(lastRune(before), lastRune(butLast(before)), id) || joins(firstRune(after), firstRune(butFirst(after)), id) {
		return false
	}
	return digits(id) != id || !amountAround(before, after)
}

// joins reports whether a character beside an id, with the one beyond, makes it a part of something longer.
func joins(beside, beyond rune, id string) bool {
	switch {
	case wordly(beside), strings.ContainsRune("-_@", beside):
		return true
	case strings.ContainsRune(".+%'", beside):
		return wordly(beyond) || digits(id) == id && beside == '%'
	case strings.ContainsRune(",:", beside):
		return digits(id) == id && unicode.IsDigit(beyond)
	default:
		return false
	}
}

// numbered looks for phone numbers, with whatever stands between their digits.
func (m mentions) numbered(text string) bool {
	if len(m.phones) == 0 {
		return false
	}
	text = timeless(text)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' || !beginsNumber(text[:i]) {
			continue
		}
		for _, p := range m.phones {
			if m.meets(p, text[:i], text[i:]) {
				return true
			}
		}
	}
	return false
}

func beginsNumber(before string) bool {
	return apart(lastRune(before), lastRune(butLast(before)))
}

// meets reads digits from the beginning of a group and compares wherever they may end.
func (m mentions) meets(p phone, before, text string) bool {
	var got []byte
	for i, gap := 0, 0; i < len(text) && len(got) < len(p.whole)+6; {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r >= '0' && r <= '9':
			got, gap = append(got, byte(r)), 0
			if endsNumber(text[i+1:]) && m.same(p, string(got), before) && !amountAround(before, text[i+1:]) {
				return true
			}
		case gap < 2 && strings.ContainsRune(" -.()/\u00a0", r):
			gap++
		default:
			return false
		}
		i += n
	}
	return false
}

func endsNumber(after string) bool {
	return apart(firstRune(after), firstRune(butFirst(after)))
}

// apart reports whether a character beside digits, with the one beyond, leaves them a number of their own.
func apart(beside, beyond rune) bool {
	if strings.ContainsRune(".-", beside) {
		return !unicode.IsDigit(beyond)
	}
	return !wordly(beside) && beside != '_'
}

// same compares digits as they stand with a number: zeros before it do not count, and it may stand without its country code.
func (m mentions) same(p phone, got, before string) bool {
	t := strings.TrimLeft(got, "0")
	if len(got)-len(t) > 2 {
		return false
	}
	code := strings.TrimRight(strings.TrimRight(before, " -.()/\u00a0"), "0123456789")
	ownCode := strings.HasSuffix(code, "+") && len(before) > len(code) // +44 stands before it
	switch {
	case t == p.whole:
		return !p.bare || !ownCode
	case p.national != "" && t == p.national:
		return !ownCode
	case p.bare && len(t) > national && len(t) <= national+3 && strings.HasSuffix(t, p.whole):
		m.codes[p.whole] = addText(m.codes[p.whole], "+"+t[:len(t)-national])
		return true
	default:
		return false
	}
}

// samePhone compares two numbers of which one may stand without its country code.
func samePhone(a, b string) bool {
	x, y := strings.TrimLeft(digits(a), "0"), strings.TrimLeft(digits(b), "0")
	if len(x) > len(y) {
		x, y = y, x
	}
	return x != "" && (x == y || len(x) == national && len(y) <= national+3 && strings.HasSuffix(y, x))
}

// timeless is a text in which no digit of a time or date stands.
func timeless(text string) string {
	return times.ReplaceAllStringFunc(text, blank)
}

var (
	times = regexp.MustCompile(`\b(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?([Zz]|\b)([+-]\d\d:?\d\d\b)?` +
		`|\b([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?\b|\b(0?[1-9]|[12]\d|3[01])([./])(0?[1-9]|1[0-2])[./](19|20)\d\d\b` +
		`|\b(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])[Tt]\d+[Zz]?\b`)
	currencyBefore = regexp.MustCompile(`(?i)(\p{Sc}|\b(rs|inr|usd|eur|gbp|aed|sgd|jpy|aud|cad)\.?)\s*$`)
	currencyAfter  = regexp.MustCompile(`(?i)^(\.\d+)?\s*(\p{Sc}|/-|%|(inr|usd|eur|gbp|aed|sgd|jpy|aud|cad)\b)`)
)

func amountAround(before, after string) bool {
	return currencyBefore.MatchString(before[max(len(before)-8, 0):]) || currencyAfter.MatchString(after[:min(len(after), 16)])
}

func blank(s string) string { return strings.Repeat(" ", len(s)) }

func wordly(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

// firstRune and lastRune are of an empty text utf8.RuneError, which is no letter and no digit.
func firstRune(s string) rune { r, _ := utf8.DecodeRuneInString(s); return r }

func lastRune(s string) rune { r, _ := utf8.DecodeLastRuneInString(s); return r }

func butFirst(s string) string { _, n := utf8.DecodeRuneInString(s); return s[n:] }

func butLast(s string) string { _, n := utf8.DecodeLastRuneInString(s); return s[:len(s)-n] }

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339Nano, text)
	return err == nil
}

// measured reports whether what stands under a name is an amount, a count or a time.
func measured(key string) bool {
	return endsIn(key, "amount", "minor", "major", "total", "subtotal", "price", "tax", "fee", "fees", "discount", "balance", "sum",
		"quantity", "qty", "count", "cost", "paid", "due", "rate", "at", "time", "date", "timestamp", "created", "updated", "version", "revision")
}

// stated reports whether what stands under a name is one of few words.
func stated(key string) bool {
	return endsIn(key, "status", "state", "stage", "type", "kind", "method", "currency", "mode", "event", "action")
}

// keyed reports whether what stands under a name is an id or a key.
func keyed(key string) bool {
	return slices.Contains([]string{"vid", "gid", "uid", "customer", "contact", "lead", "person"}, key) ||
		endsIn(key, "id", "ids", "number", "no", "key", "ref", "reference", "code")
}

// endsIn reports whether the last word of a name, as amount_paid or amountPaid, is one of these.
func endsIn(key string, words ...string) bool {
	last := key
	for i := len(key) - 1; i > 0; i-- {
		c, before := key[i], key[i-1]
		if c == '_' || c == '-' || c == '.' {
			last = key[i+1:]
			break
		}
		if c >= 'A' && c <= 'Z' && before >= 'a' && before <= 'z' {
			last = key[i:]
			break
		}
	}
	return slices.Contains(words, strings.ToLower(last))
}
