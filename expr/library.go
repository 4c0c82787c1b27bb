package expr

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// library holds what the functions take from the workspace.
type library struct {
	zone   *time.Location
	region string
}

func (l library) options() []cel.EnvOption {
	return slices.Concat(moneyOptions(), l.contact(), l.dates(), textOptions(), listOptions(), bookOptions())
}

// readable are the function names that a suggestion may offer.
func (e *Env) readable() []string {
	return slices.DeleteFunc(append(e.Functions(), "present"), func(name string) bool {
		return strings.ContainsAny(name, "@_") && signatures(name) == ""
	})
}

// maxText bounds what the text functions take, in bytes: the largest body there is.
const maxText = 1 << 20

// textCall declares name(text) by a Go function.
func textCall(name string, out *cel.Type, call func(string) (ref.Val, error)) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_string", []*cel.Type{cel.StringType}, out, cel.UnaryBinding(func(v ref.Val) ref.Val {
		text, ok := v.(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		if len(text) > maxText {
			return types.NewErr("the text given to %s is too long", name)
		}
		return wrap(call(string(text)))
	})))
}

// overload declares a form of a function with any number of arguments.
func overload(id string, args []*cel.Type, out *cel.Type, call func(...ref.Val) ref.Val) cel.FunctionOpt {
	switch len(args) {
	case 1:
		return cel.Overload(id, args, out, cel.UnaryBinding(func(a ref.Val) ref.Val { return call(a) }))
	case 2:
		return cel.Overload(id, args, out, cel.BinaryBinding(func(a, b ref.Val) ref.Val { return call(a, b) }))
	}
	return cel.Overload(id, args, out, cel.FunctionBinding(call))
}

func wrap(v ref.Val, err error) ref.Val {
	if err != nil {
		return types.NewErr("%s", err.Error())
	}
	return v
}

func text(s string) (ref.Val, error) { return types.String(s), nil }

// str is the text of a value that its overload has typed as text.
func str(v ref.Val) string {
	s, ok := v.(types.String)
	if !ok {
		return ""
	}
	return string(s)
}

func moneyOptions() []cel.EnvOption {
	pair := func(t *cel.Type) []*cel.Type { return []*cel.Type{t, cel.StringType} }
	return []cel.EnvOption{
		cel.Function("money", cel.Overload("money_int_string", pair(cel.IntType), moneyType, cel.BinaryBinding(moneyOfMinor))),
		cel.Function("money_of",
			cel.Overload("money_of_string", pair(cel.StringType), moneyType, cel.BinaryBinding(moneyOf)),
			cel.Overload("money_of_double", pair(cel.DoubleType), moneyType, cel.BinaryBinding(moneyOf)),
			cel.Overload("money_of_int", pair(cel.IntType), moneyType, cel.BinaryBinding(moneyOf))),
		cel.Function("minor_of",
			cel.Overload("minor_of_string", pair(cel.StringType), cel.IntType, cel.BinaryBinding(minorOf)),
			cel.Overload("minor_of_double", pair(cel.DoubleType), cel.IntType, cel.BinaryBinding(minorOf))),
		moneyMethod("decimal", cel.StringType, func(m moneyVal) (ref.Val, error) { return text(m.decimal()) }),
		moneyMethod("format", cel.StringType, func(m moneyVal) (ref.Val, error) {
			out, err := m.format("")
			return types.String(out), err
		}),
		moneyMethod("negate", moneyType, func(m moneyVal) (ref.Val, error) { return moneyVal{-m.minor, m.currency}, nil }),
		cel.Function("format", cel.MemberOverload("money_format_locale", pair(moneyType), cel.StringType,
			cel.BinaryBinding(func(v, locale ref.Val) ref.Val {
				m, ok := v.(moneyVal)
				if !ok {
					return types.MaybeNoSuchOverloadErr(v)
				}
				out, err := m.format(str(locale))
				return wrap(types.String(out), err)
			}))),
		cel.Function("allocate", cel.MemberOverload("money_allocate", []*cel.Type{moneyType, cel.ListType(cel.IntType)},
			cel.ListType(moneyType), cel.BinaryBinding(allocate))),
		operator("_+_", "add_money", moneyType), operator("_-_", "subtract_money", moneyType),
		operator("_<_", "less_money", cel.BoolType), operator("_<=_", "less_equals_money", cel.BoolType),
		operator("_>_", "greater_money", cel.BoolType), operator("_>=_", "greater_equals_money", cel.BoolType),
	}
}

// operator admits money to an operator; the work is done by moneyVal's traits.
func operator(name, id string, out *cel.Type) cel.EnvOption {
	return cel.Function(name, cel.Overload(id, []*cel.Type{moneyType, moneyType}, out))
}

func moneyMethod(name string, out *cel.Type, call func(moneyVal) (ref.Val, error)) cel.EnvOption {
	return cel.Function(name, cel.MemberOverload("money_"+name, []*cel.Type{moneyType}, out, cel.UnaryBinding(func(v ref.Val) ref.Val {
		m, ok := v.(moneyVal)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		return wrap(call(m))
	})))
}

func moneyOfMinor(minor, currency ref.Val) ref.Val {
	n, ok := minor.(types.Int)
	if !ok {
		return types.MaybeNoSuchOverloadErr(minor)
	}
	code, err := currencyCode(str(currency))
	return wrap(moneyVal{int64(n), code}, err)
}

func amountOf(amount, currency ref.Val) (moneyVal, error) {
	code, err := currencyCode(str(currency))
	if err != nil {
		return moneyVal{}, err
	}
	text := str(amount)
	switch v := amount.(type) {
	case types.Double:
		text = strconv.FormatFloat(float64(v), 'f', -1, 64)
	case types.Int:
		text = strconv.FormatInt(int64(v), 10)
	}
	minor, err := parseMinor(text, code)
	return moneyVal{minor, code}, err
}

func moneyOf(amount, currency ref.Val) ref.Val {
	m, err := amountOf(amount, currency)
	return wrap(m, err)
}

func minorOf(amount, currency ref.Val) ref.Val {
	m, err := amountOf(amount, currency)
	return wrap(types.Int(m.minor), err)
}

func allocate(m, weights ref.Val) ref.Val {
	list, ok := weights.(traits.Lister)
	amount, isMoney := m.(moneyVal)
	if !ok || !isMoney {
		return types.MaybeNoSuchOverloadErr(weights)
	}
	var numbers []int64
	for it := list.Iterator(); it.HasNext() == types.True; {
		n, ok := it.Next().(types.Int)
		if !ok || len(numbers) >= 1000 {
			return types.NewErr("allocate takes at most 1,000 whole numbers")
		}
		numbers = append(numbers, int64(n))
	}
	shares, err := amount.allocate(numbers)
	if err != nil {
		return wrap(nil, err)
	}
	out := make([]ref.Val, len(shares))
	for i, s := range shares {
		out[i] = s
	}
	return types.NewRefValList(types.DefaultTypeAdapter, out)
}

func (l library) contact() []cel.EnvOption {
	both := func(name string, out *cel.Type, call func(number, region string) ref.Val) cel.EnvOption {
		return cel.Function(name,
			cel.Overload(name+"_string", []*cel.Type{cel.StringType}, out,
				cel.UnaryBinding(func(v ref.Val) ref.Val { return call(str(v), l.region) })),
			cel.Overload(name+"_string_string", []*cel.Type{cel.StringType, cel.StringType}, out,
				cel.BinaryBinding(func(v, region ref.Val) ref.Val { return call(str(v), str(region)) })))
	}
	return []cel.EnvOption{
		both("phone", cel.StringType, func(number, region string) ref.Val {
			out, err := e164(number, region)
			return wrap(types.String(out), err)
		}),
		both("phone_valid", cel.BoolType, func(number, region string) ref.Val {
			_, err := e164(number, region)
			return types.Bool(err == nil)
		}),
		textCall("mask_phone", cel.StringType, func(s string) (ref.Val, error) { return text(maskPhone(s)) }),
		textCall("email", cel.StringType, func(s string) (ref.Val, error) {
			out, err := address(s)
			return types.String(out), err
		}),
		textCall("email_valid", cel.BoolType, func(s string) (ref.Val, error) {
			_, err := address(s)
			return types.Bool(err == nil), nil
		}),
		textCall("mask_email", cel.StringType, func(s string) (ref.Val, error) { return text(maskEmail(s)) }),
		textCall("first_name", cel.StringType, func(s string) (ref.Val, error) {
			first, _ := names(s)
			return text(first)
		}),
		textCall("last_name", cel.StringType, func(s string) (ref.Val, error) {
			_, last := names(s)
			return text(last)
		}),
		textCall("title_case", cel.StringType, func(s string) (ref.Val, error) {
			return text(cases.Title(language.Und).String(s))
		}),
	}
}

// e164 reads a phone number. The library behind it takes at most 250 characters.
func e164(number, region string) (string, error) {
	if region == "" {
		region = "ZZ"
	}
	parsed, err := phonenumbers.Parse(number, strings.ToUpper(region))
	if err != nil || !phonenumbers.IsValidNumber(parsed) {
		return "", fmt.Errorf("%q is no valid phone number", maskPhone(cut(number, 30)))
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), nil
}

func maskPhone(s string) string {
	total := 0
	for _, r := range s {
		if unicode.IsDigit(r) {
			total++
		}
	}
	seen := 0
	return strings.Map(func(r rune) rune {
		if !unicode.IsDigit(r) {
			return r
		}
		if seen++; seen <= total-4 {
			return '*'
		}
		return r
	}, s)
}

// address reads an e-mail address with a dotted domain.
func address(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	bad := fmt.Errorf("%q is no e-mail address", maskEmail(cut(s, 40)))
	if len(s) > 254 || strings.ContainsAny(s, " <>\"(),;:\\[]\r\n\t") {
		return "", bad
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s {
		return "", bad
	}
	domain := s[strings.LastIndexByte(s, '@')+1:]
	if !strings.Contains(domain, ".") || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") {
		return "", bad
	}
	return s, nil
}

func maskEmail(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 {
		return "***"
	}
	_, size := utf8.DecodeRuneInString(s)
	return s[:size] + "***" + s[at:]
}

// names splits a full name; "Rao, Asha" is last name first.
func names(full string) (first, last string) {
	full = cleaned(full)
	if family, given, ok := strings.Cut(full, ","); ok {
		return strings.TrimSpace(given), strings.TrimSpace(family)
	}
	words := strings.Fields(full)
	for len(words) > 1 && isTitle(words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		return "", ""
	}
	return words[0], strings.Join(words[1:], " ")
}

func isTitle(word string) bool {
	switch strings.ToLower(strings.TrimSuffix(word, ".")) {
	case "mr", "mrs", "ms", "miss", "dr", "prof", "shri", "sri", "smt", "kumari", "mx", "er", "adv", "ca":
		return true
	}
	return false
}

func textOptions() []cel.EnvOption {
	return []cel.EnvOption{
		textCall("clean", cel.StringType, func(s string) (ref.Val, error) { return text(cleaned(s)) }),
		textCall("slug", cel.StringType, func(s string) (ref.Val, error) { return text(slugged(s)) }),
		textCall("fold", cel.StringType, func(s string) (ref.Val, error) { return text(folded(s)) }),
		textCall("digits", cel.StringType, func(s string) (ref.Val, error) {
			return text(strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return r
				}
				return -1
			}, s))
		}),
		textCall("hash_sha256", cel.StringType, func(s string) (ref.Val, error) {
			sum := sha256.Sum256([]byte(s))
			return text(hex.EncodeToString(sum[:]))
		}),
		textCall("short_id", cel.StringType, func(s string) (ref.Val, error) {
			sum := sha256.Sum256([]byte(s))
			return text(strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:10]))
		}),
		cel.Function("limit", cel.MemberOverload("string_limit_int", []*cel.Type{cel.StringType, cel.IntType}, cel.StringType,
			cel.BinaryBinding(func(s, n ref.Val) ref.Val {
				most, ok := n.(types.Int)
				if !ok || most < 1 {
					return types.NewErr("limit takes a number from 1")
				}
				return types.String(limited(str(s), int64(most)))
			}))),
	}
}

func limited(s string, most int64) string {
	count := int64(0)
	keep := len(s)
	for i := range s {
		if count++; count == most {
			keep = i
		}
		if count > most {
			return s[:keep] + "…"
		}
	}
	return s
}

// cleaned trims, makes runs of spaces one, drops what cannot be seen, and composes.
func cleaned(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != 0x200c && r != 0x200d, r == utf8.RuneError:
			return -1 // joiners are kept: Indian scripts need them
		}
		return r
	}, s)
	return norm.NFC.String(strings.Join(strings.Fields(s), " "))
}

func folded(s string) string {
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36f {
			return -1
		}
		return r
	}, norm.NFD.String(s)))
}

func slugged(s string) string {
	words := strings.FieldsFunc(strings.ToLower(folded(s)), func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
	return strings.Join(words, "-")
}
