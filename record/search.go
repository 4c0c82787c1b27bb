package record

import (
	"slices"
	"strconv"
	"strings"

	"waybill"
)

// Looking things up by a value: hashes are kept in eras, because a random entry in a small table costs a third of one in a
// big table. A look-up walks the eras from the newest.
const (
	searchEra = 10 // 1,024 events
	keyEra    = 12 // 4,096 effects: a reference that is not ours is looked for in all of them
)

// The forms in which a value is looked up.
const (
	byText   = "text"
	byPhone  = "phone"
	byAmount = "amount"
)

// phoneTail is how many digits of a number are looked up by; the rest is compared. People leave the country code out.
const phoneTail = 7

// eventHashes are the look-up hashes of an event: of its search keys and of what it is about.
func eventHashes(e *waybill.Event) []int64 {
	hashes := make([]int64, 0, len(e.Search)+1)
	add := func(form, value string) {
		if value == "" {
			return
		}
		if h := hash8(form, value); !slices.Contains(hashes, h) {
			hashes = append(hashes, h)
		}
	}
	for _, k := range e.Search {
		switch k.Kind {
		case "phone":
			add(byPhone, tail(digits(k.Value)))
		case "amount":
			if minor, ok := keyMinor(k.Value); ok {
				add(byAmount, strconv.FormatInt(minor, 10))
			}
		default:
			add(byText, plain(k.Value))
		}
	}
	add(byText, plain(e.Subject))
	return hashes
}

// query is what somebody typed, in every form it may have been meant.
type query struct {
	text   string
	phone  string // digits; empty when it cannot be a number
	minor  int64
	amount bool
}

func newQuery(q string) query {
	out := query{text: plain(q)}
	if d := digits(q); len(d) >= phoneTail && len(d) <= 15 && strings.Trim(q, "+-()./ \u00a00123456789") == "" {
		out.phone = d
	}
	out.minor, out.amount = typedMinor(q)
	return out
}

// hashes are its look-up hashes, one for each form it may have.
func (q query) hashes() []int64 {
	out := []int64{hash8(byText, q.text)}
	if q.phone != "" {
		out = append(out, hash8(byPhone, tail(q.phone)))
	}
	if q.amount {
		out = append(out, hash8(byAmount, strconv.FormatInt(q.minor, 10)))
	}
	return out
}

// matches compares for real what the hashes found.
func (q query) matches(subject string, keys []waybill.SearchKey) bool {
	if q.text == plain(subject) {
		return true
	}
	return slices.ContainsFunc(keys, func(k waybill.SearchKey) bool {
		switch k.Kind {
		case "phone":
			have := digits(k.Value)
			return q.phone != "" && len(have) >= phoneTail &&
				(strings.HasSuffix(have, q.phone) || strings.HasSuffix(q.phone, have) ||
					strings.HasSuffix(have, strings.TrimLeft(q.phone, "0")) && len(strings.TrimLeft(q.phone, "0")) >= phoneTail)
		case "amount":
			minor, ok := keyMinor(k.Value)
			return ok && q.amount && minor == q.minor
		default:
			return q.text == plain(k.Value)
		}
	})
}

// plain is the form in which texts are compared: e-mail addresses, order numbers, ids.
func plain(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

func tail(d string) string {
	if len(d) <= phoneTail {
		return d
	}
	return d[len(d)-phoneTail:]
}

// keyMinor reads the amount of a search key, which is in minor units: "129900", with or without its currency.
func keyMinor(s string) (int64, bool) {
	s = strings.TrimSpace(strings.TrimRight(strings.TrimLeft(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz: "),
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz "))
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// typedMinor reads an amount as people write it, in units: "1299", "1,299.00", "₹1,29,900.50", "INR 1299", "Rs. 1299".
func typedMinor(s string) (int64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	for _, mark := range []string{"rs.", "rs", "/-"} {
		s = strings.TrimSuffix(strings.TrimPrefix(s, mark), mark)
	}
	s = strings.Trim(s, "₹$€£¥abcdefghijklmnopqrstuvwxyz \u00a0")
	s = strings.NewReplacer(",", "", " ", "", "\u00a0", "", "'", "").Replace(s)
	whole, part, _ := strings.Cut(s, ".")
	if whole == "" || digits(whole) != whole || digits(part) != part || len(part) > 2 || len(whole) > 15 {
		return 0, false
	}
	for len(part) < 2 {
		part += "0"
	}
	n, err := strconv.ParseInt(whole+part, 10, 64)
	return n, err == nil
}
