package connector

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"

	"waybill/expr"
)

// Incoming is a readable request, as the rules of its webhook see it.
type Incoming struct {
	Body     any               // decoded
	Headers  map[string]string // lower-case names
	Settings map[string]string // with defaults filled in: see Defaults
}

// ItemFound is one thing a body tells.
type ItemFound struct {
	Pointer string
	Type    string    // empty when the body has nothing any rule knows
	Key     string    // the delivery key; empty: use BodyKey, which counts only within the retry window
	Account string    // whose account it says it is; empty when it does not say
	Time    time.Time // zero when it gives none
}

// ItemsOf finds the items of a request that is proven genuine. It never gives none: a body in which no rule finds
// anything is one item without a type. An expression that fails leaves its part empty: content is never rejected.
func (m *Manifest) ItemsOf(in Incoming) []ItemFound {
	var out []ItemFound
	for _, rule := range m.Webhook.Items {
		for _, found := range Find(in.Body, rule.Each) {
			vars := rule.vars(found, in)
			if rule.When != nil {
				if ok, err := rule.When.Bool(vars, nil); err != nil || !ok {
					continue
				}
			}
			item := ItemFound{
				Pointer: found.Pointer, Type: text(rule.Type, vars), Key: text(rule.Key, vars), Account: text(rule.Account, vars),
			}
			if rule.Account == nil {
				item.Account = text(m.Identity.Payload, vars)
			}
			if rule.Time != nil {
				if value, err := rule.Time.Eval(vars, nil); err == nil {
					item.Time = AsTime(value)
				}
			}
			out = append(out, item)
		}
	}
	if len(out) == 0 {
		out = append(out, ItemFound{})
	}
	return out
}

// Live says whether a body is of production traffic; said is false when the provider does not tell.
func (m *Manifest) Live(in Incoming) (live, said bool) {
	if m.Identity.Live == nil {
		return false, false
	}
	value, err := m.Identity.Live.Eval(map[string]any{"body": in.Body, "settings": in.Settings}, nil)
	live, said = value.(bool)
	return live, said && err == nil
}

// BodyKey is the delivery key of an item that brings none: the hash of the body and its place in it. It counts only
// within the provider's retry window.
func BodyKey(body []byte, pointer string) string {
	sum := sha256.Sum256(append([]byte(pointer+"\x00"), body...))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Around gives what the expressions over an item see, found again by its pointer: for translating it later. ok is false
// when nothing is at the pointer.
func (m *Manifest) Around(pointer string, in Incoming) (vars map[string]any, ok bool) {
	value, ok := At(in.Body, pointer)
	if !ok {
		return nil, false
	}
	vars = map[string]any{"item": value, "body": in.Body, "headers": in.Headers, "settings": in.Settings}
	if m.Webhook == nil {
		return vars, true
	}
	for _, rule := range m.Webhook.Items {
		own := matches(rule.Each, pointer)
		for name, at := range rule.With {
			if _, bound := vars[name]; bound && !own {
				continue
			}
			vars[name] = map[string]any{}
			if !own {
				continue
			}
			if value, ok := At(in.Body, Bind(at, rule.Each, pointer)); ok && value != nil {
				vars[name] = value
			}
		}
	}
	return vars, true
}

// matches reports whether a pointer was found by a pattern.
func matches(pattern, pointer string) bool {
	want, have := segments(pattern), segments(pointer)
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != "*" && want[i] != have[i] {
			return false
		}
	}
	return true
}

func (rule *ItemRule) vars(found Found, in Incoming) map[string]any {
	vars := make(map[string]any, 4+len(rule.With))
	vars["item"], vars["body"], vars["headers"], vars["settings"] = found.Value, in.Body, in.Headers, in.Settings
	for name, at := range rule.With {
		value, ok := At(in.Body, Bind(at, rule.Each, found.Pointer))
		if !ok || value == nil {
			value = map[string]any{} // so that .? and has() read it as having nothing
		}
		vars[name] = value
	}
	return vars
}

// text evaluates to text; a failure, an absent value and no expression give none.
func text(p *expr.Program, vars map[string]any) string {
	if p == nil {
		return ""
	}
	value, err := p.Eval(vars, nil)
	if err != nil {
		return ""
	}
	return AsText(value)
}

// AsText writes a plain value as text: an id that came as a number keeps its digits. What is no plain value is empty.
func AsText(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case int64:
		return strconv.FormatInt(value, 10)
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(value)
	default:
		return ""
	}
}

// AsTime reads a time: a timestamp, RFC 3339 text, or whole seconds since 1970. Anything else is zero.
func AsTime(value any) time.Time {
	switch value := value.(type) {
	case time.Time:
		return value.UTC()
	case string:
		if at, err := time.Parse(time.RFC3339Nano, value); err == nil {
			return at.UTC()
		}
	case int64:
		return time.Unix(value, 0).UTC()
	}
	return time.Time{}
}

// Defaults returns the settings of a connection with the manifest's defaults for those it does not say.
func (m *Manifest) Defaults(settings map[string]string) map[string]string {
	out := make(map[string]string, len(m.Settings))
	for name, setting := range m.Settings {
		if setting.Default != "" {
			out[name] = setting.Default
		}
	}
	for name, value := range settings {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

// Fill replaces ${settings.x} in a plain text of the manifest. What is not set is left empty.
func Fill(text string, settings map[string]string) string {
	return settingForm.ReplaceAllStringFunc(text, func(found string) string {
		return settings[settingForm.FindStringSubmatch(found)[1]]
	})
}

// Bind returns the scheme with the connection's settings filled in.
func (v VerifyConfig) Bind(settings map[string]string) VerifyConfig {
	for _, field := range []*string{
		&v.Scheme, &v.Algorithm, &v.Encoding, &v.Header, &v.Layout, &v.Prefix, &v.Signed, &v.TimestampHeader,
		&v.TimestampUnit, &v.IDHeader, &v.SecretForm, &v.In, &v.Name,
	} {
		*field = Fill(*field, settings)
	}
	return v
}

// Bind returns the sign-in with the connection's settings filled in.
func (s SignIn) Bind(settings map[string]string) SignIn {
	for _, field := range []*string{&s.Header, &s.Prefix, &s.TokenURL} {
		*field = Fill(*field, settings)
	}
	return s
}

// Base gives the address calls go to in an environment, settings filled in; empty when the manifest names none.
func (m *Manifest) Base(environment string, settings map[string]string) string {
	base, ok := m.BaseURL[environment]
	if !ok {
		base = m.BaseURL["all"]
	}
	return Fill(base, settings)
}

// KeyMode says for which environment a key is (test, production), empty when it does not show.
func (m *Manifest) KeyMode(secret, value string) string {
	k := m.Identity.Keys
	if k == nil || k.Secret != secret {
		return ""
	}
	switch {
	case hasPrefix(value, k.Production):
		return "production"
	case hasPrefix(value, k.Test):
		return "test"
	}
	return ""
}

func hasPrefix(value string, beginnings []string) bool {
	for _, b := range beginnings {
		if len(value) >= len(b) && value[:len(b)] == b {
			return true
		}
	}
	return false
}

// Unset lists the settings that a connection must give and does not, sorted.
func (m *Manifest) Unset(settings map[string]string) []string {
	full := m.Defaults(settings)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		if _, given := full[name]; m.Settings[name].Required && !given {
			out = append(out, name)
		}
	}
	return out
}
