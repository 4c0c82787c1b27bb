package expr

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// moneyType is money in CEL: it adds, subtracts and compares within one currency.
//
// a constant in all but name
var moneyType = types.NewObjectType(typeMark+"money",
	traits.AdderType, traits.SubtractorType, traits.ComparerType, traits.IndexerType, traits.FieldTesterType)

// moneyVal is an amount in the minor unit of its currency.
type moneyVal struct {
	minor    int64
	currency string
}

// asMoney reads the plain form; only an object of exactly minor and currency is money.
func asMoney(m map[string]any) (moneyVal, bool) {
	if len(m) != 2 {
		return moneyVal{}, false
	}
	currency, ok := m["currency"].(string)
	if !ok || len(currency) != 3 {
		return moneyVal{}, false
	}
	switch minor := m["minor"].(type) {
	case int64:
		return moneyVal{minor, currency}, true
	case int:
		return moneyVal{int64(minor), currency}, true
	case float64:
		if minor == math.Trunc(minor) && math.Abs(minor) <= 1<<53 {
			return moneyVal{int64(minor), currency}, true
		}
	}
	return moneyVal{}, false
}

func asMoneyAny(v any) (moneyVal, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		return moneyVal{}, false
	}
	return asMoney(m)
}

func (m moneyVal) plain() map[string]any {
	return map[string]any{"minor": m.minor, "currency": m.currency}
}

// moneyField reads minor or currency, from our value or from plain data.
func moneyField(field string) ref.FieldGetter {
	return func(target any) (any, error) {
		m, ok := target.(moneyVal)
		if plain, isMap := target.(map[string]any); isMap {
			m, ok = asMoney(plain)
		}
		switch {
		case !ok:
			return nil, &missing{field}
		case field == "minor":
			return m.minor, nil
		}
		return m.currency, nil
	}
}

// ConvertToNative gives the plain form, or the value itself.
func (m moneyVal) ConvertToNative(t reflect.Type) (any, error) {
	if reflect.TypeOf(m).AssignableTo(t) {
		return m, nil
	}
	if reflect.TypeFor[map[string]any]().AssignableTo(t) {
		return m.plain(), nil
	}
	return nil, fmt.Errorf("money cannot become %v", t)
}

// ConvertToType gives its type or itself.
func (m moneyVal) ConvertToType(t ref.Type) ref.Val {
	switch t.TypeName() {
	case moneyType.TypeName():
		return m
	case types.TypeType.TypeName():
		return moneyType
	}
	return types.NewErr("money cannot become %s; use .decimal(), .format() or .minor", t.TypeName())
}

// Equal is true for the same amount of the same currency.
func (m moneyVal) Equal(other ref.Val) ref.Val {
	o, ok := other.(moneyVal)
	return types.Bool(ok && o == m)
}

// Type is money.
func (m moneyVal) Type() ref.Type { return moneyType }

// Value is itself.
func (m moneyVal) Value() any { return m }

// AggregateSize is what money counts against the memory limit.
func (m moneyVal) AggregateSize(types.AggregateSizer) uint32 { return 2 }

// Get reads a field.
func (m moneyVal) Get(index ref.Val) ref.Val {
	switch index {
	case types.String("minor"):
		return types.Int(m.minor)
	case types.String("currency"):
		return types.String(m.currency)
	}
	return types.NewErr("no such key: %v", index.Value())
}

// IsSet reports whether money has the field.
func (m moneyVal) IsSet(field ref.Val) ref.Val {
	return types.Bool(field == types.String("minor") || field == types.String("currency"))
}

func (m moneyVal) with(other ref.Val, act string) (moneyVal, ref.Val) {
	o, ok := other.(moneyVal)
	if !ok {
		return o, types.NewErr("money can only be %s money", act)
	}
	if o.currency != m.currency {
		return o, types.NewErr("%s and %s are different currencies and cannot be %s each other", m.currency, o.currency, act)
	}
	return o, nil
}

// Add gives the sum.
func (m moneyVal) Add(other ref.Val) ref.Val {
	o, bad := m.with(other, "added to")
	if bad != nil {
		return bad
	}
	sum := m.minor + o.minor
	if (sum > m.minor) != (o.minor > 0) {
		return types.NewErr("the amount is too large")
	}
	return moneyVal{sum, m.currency}
}

// Subtract gives the difference.
func (m moneyVal) Subtract(other ref.Val) ref.Val {
	o, bad := m.with(other, "subtracted from")
	if bad != nil {
		return bad
	}
	difference := m.minor - o.minor
	if (difference < m.minor) != (o.minor > 0) {
		return types.NewErr("the amount is too large")
	}
	return moneyVal{difference, m.currency}
}

// Compare orders amounts of one currency.
func (m moneyVal) Compare(other ref.Val) ref.Val {
	o, bad := m.with(other, "compared with")
	if bad != nil {
		return bad
	}
	switch {
	case m.minor < o.minor:
		return types.IntNegOne
	case m.minor > o.minor:
		return types.IntOne
	}
	return types.IntZero
}

// digits is how many decimals a currency has (ISO 4217, as payment providers use it).
func digits(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	}
	return 2
}

// decimal writes the amount with a point and the currency's decimals: 1299.00.
func (m moneyVal) decimal() string {
	sign, whole, fraction := m.parts()
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

func (m moneyVal) parts() (sign, whole, fraction string) {
	n := digits(m.currency)
	text := strconv.FormatInt(m.minor, 10)
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	for len(text) <= n {
		text = "0" + text
	}
	return sign, text[:len(text)-n], text[len(text)-n:]
}

// parseMinor reads a decimal amount exactly; more decimals than the currency has are refused unless they are zeros.
func parseMinor(text, currency string) (int64, error) {
	s := strings.TrimSpace(text)
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	whole, fraction, _ := strings.Cut(s, ".")
	n := digits(currency)
	for len(fraction) > n && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if whole == "" || strings.ContainsFunc(whole+fraction, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, fmt.Errorf("%q is no amount like 1299.00", cut(text, 40))
	}
	if len(fraction) > n {
		return 0, fmt.Errorf("%q has more decimals than %s", cut(text, 40), currency)
	}
	fraction += strings.Repeat("0", n-len(fraction))
	minor, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the amount %q is too large", cut(text, 40))
	}
	if negative {
		minor = -minor
	}
	return minor, nil
}

func currencyCode(code string) (string, error) {
	code = strings.ToUpper(strings.TrimSpace(code))
	if len(code) != 3 || strings.ContainsFunc(code, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		return "", fmt.Errorf("%q is no currency code like INR", cut(code, 20))
	}
	return code, nil
}

// style is how a locale writes amounts.
type style struct {
	group, point string
	lakh         bool // 12,34,567
	behind       bool // 1.299,00 €
}

const nbsp = "\u00a0"

func styleOf(locale, currency string) (style, error) {
	if locale == "" {
		locale = "en-US"
		if currency == "INR" {
			locale = "en-IN"
		}
	}
	switch strings.ReplaceAll(locale, "_", "-") {
	case "en-IN", "hi-IN", "bn-IN", "ta-IN", "te-IN", "mr-IN", "gu-IN", "kn-IN", "ml-IN", "pa-IN", "en-PK", "en-BD":
		return style{group: ",", point: ".", lakh: true}, nil
	case "en-US", "en-GB", "en-AU", "en-CA", "en-NZ", "en-SG", "en-IE", "en-AE", "ja-JP", "zh-CN", "ko-KR", "th-TH", "he-IL", "en":
		return style{group: ",", point: "."}, nil
	case "de-DE", "es-ES", "it-IT", "el-GR", "da-DK", "tr-TR", "id-ID", "vi-VN", "de":
		return style{group: ".", point: ",", behind: true}, nil
	case "pt-BR", "nl-NL", "es-AR", "es-CO":
		return style{group: ".", point: ","}, nil
	case "fr-FR", "fr-BE", "pl-PL", "cs-CZ", "sv-SE", "fi-FI", "nb-NO", "ru-RU", "uk-UA", "pt-PT", "hu-HU", "bg-BG", "fr":
		return style{group: nbsp, point: ",", behind: true}, nil
	case "de-CH", "fr-CH", "it-CH":
		return style{group: "’", point: "."}, nil
	}
	return style{}, fmt.Errorf("the locale %q is not known; try en-IN, en-US or de-DE", cut(locale, 20))
}

func symbol(currency string) string {
	switch currency {
	case "INR":
		return "₹"
	case "USD":
		return "$"
	case "EUR":
		return "€"
	case "GBP":
		return "£"
	case "JPY", "CNY":
		return "¥"
	case "KRW":
		return "₩"
	case "VND":
		return "₫"
	case "NGN":
		return "₦"
	case "UAH":
		return "₴"
	case "PHP":
		return "₱"
	case "BRL":
		return "R$"
	case "AUD":
		return "A$"
	case "CAD":
		return "CA$"
	case "SGD":
		return "S$"
	case "NZD":
		return "NZ$"
	}
	return currency
}

// format writes the amount as people of a locale do: ₹1,23,456.00.
func (m moneyVal) format(locale string) (string, error) {
	s, err := styleOf(locale, m.currency)
	if err != nil {
		return "", err
	}
	sign, whole, fraction := m.parts()
	amount := grouped(whole, s)
	if fraction != "" {
		amount += s.point + fraction
	}
	sym := symbol(m.currency)
	switch {
	case s.behind:
		return sign + amount + nbsp + sym, nil
	case sym == m.currency:
		return sign + sym + nbsp + amount, nil
	}
	return sign + sym + amount, nil
}

func grouped(whole string, s style) string {
	if len(whole) <= 3 {
		return whole
	}
	head, tail := whole[:len(whole)-3], whole[len(whole)-3:]
	size := 3
	if s.lakh {
		size = 2
	}
	for len(head) > size {
		tail = head[len(head)-size:] + s.group + tail
		head = head[:len(head)-size]
	}
	return head + s.group + tail
}

// allocate splits the amount in proportion to weights without losing a unit; what does not divide goes to the first.
func (m moneyVal) allocate(weights []int64) ([]moneyVal, error) {
	var total int64
	for _, w := range weights {
		if w < 0 || w > 1_000_000 {
			return nil, errors.New("weights must be whole numbers from 0 to 1,000,000")
		}
		total += w
	}
	if total == 0 {
		return nil, errors.New("allocate needs at least one weight above 0")
	}
	out := make([]moneyVal, len(weights))
	left := m.minor
	for i, w := range weights {
		share := m.minor/total*w + m.minor%total*w/total
		out[i] = moneyVal{share, m.currency}
		left -= share
	}
	step := int64(1)
	if left < 0 {
		step = -1
	}
	for i := 0; left != 0; i = (i + 1) % len(out) {
		if weights[i] > 0 {
			out[i].minor += step
			left -= step
		}
	}
	return out, nil
}
