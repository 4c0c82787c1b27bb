package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/connector"
)

// TriggerOptions vary a sample.
type TriggerOptions struct {
	Set     map[string]string // a variable (order_id) or a dotted path into the body (data.object.amount) to its value
	Times   int               // so many different ones; 0 is one
	Dup     int               // each so many times more, with the same ids
	Late    time.Duration     // they happened that long ago
	Forge   bool              // signed with a wrong secret
	Reorder bool              // the last first
}

// Samples lists the names of a connector's samples.
func Samples(m *connector.Manifest) []string {
	if m.Simulate == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(m.Simulate.Events))
}

// SampleTitle says what a sample tells; empty when it does not say.
func SampleTitle(m *connector.Manifest, sample string) string {
	if m.Simulate == nil || m.Simulate.Events[sample] == nil {
		return ""
	}
	return m.Simulate.Events[sample].Title
}

// Variables are what --set can name of a sample beside the paths into its body, with their defaults; a default that is made
// up for each order is nil.
func Variables(m *connector.Manifest, sample string) map[string]any {
	if m.Simulate == nil || m.Simulate.Events[sample] == nil {
		return nil
	}
	e := m.Simulate.Events[sample]
	vars := map[string]any{}
	for _, name := range e.Uses {
		switch {
		case name == amountText:
			vars["amount"] = nil
		case e.Vars[name] != nil:
			vars[name] = e.Vars[name]
		default:
			vars[name] = m.Simulate.Vars[name]
		}
	}
	return vars
}

// known is the variable which, set to false, keeps the other systems from knowing the order.
const known = "known"

// Trigger makes the webhooks of a sample, signed and in the order they are to be sent. What they tell of is kept, so it
// can be read back from the account, and the other systems know the order as their seed says: the CRM has its deal. With
// the variable known set to false they do not. Each sample is about a new order unless one is set. Sending the webhooks
// is the caller's.
func (w *World) Trigger(_ context.Context, connection, sample string, o TriggerOptions) ([]Webhook, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.account(connection)
	if err != nil {
		return nil, err
	}
	now := w.options.Clock.Now()
	first := w.orders
	if o.Set["order_id"] == "" {
		w.orders += max(o.Times, 1)
	}
	return a.trigger(sample, o, now, first, func(vars map[string]any) error {
		id := text(vars["order_id"])
		if w.known[id] || vars[known] == false {
			return nil
		}
		w.known[id] = true
		for _, name := range slices.Sorted(maps.Keys(w.accounts)) {
			if other := w.accounts[name]; other != a && len(other.sim.Seed) > 0 {
				if _, err := other.seed(vars, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// SampleOptions are what Sample needs without a world.
type SampleOptions struct {
	Now     time.Time
	Rand    *rand.Rand // nil: the same every time
	Secrets map[string]string
	ConnectionOptions
	TriggerOptions
}

// Sample makes the webhooks of a sample for an account that is not simulated here, as `waybill trigger` does.
func Sample(connection string, m *connector.Manifest, sample string, o SampleOptions) ([]Webhook, error) {
	seed := uint64(1)
	if o.Rand != nil {
		seed = o.Rand.Uint64()
	}
	a, err := newAccount(connection, m, o.Secrets, o.ConnectionOptions, seed)
	if err != nil {
		return nil, err
	}
	return a.trigger(sample, o.TriggerOptions, o.Now, 0, nil)
}

// trigger makes samples about the orders from number first on; others, when set, is told of each.
func (a *account) trigger(
	sample string, o TriggerOptions, now time.Time, first int, others func(vars map[string]any) error,
) ([]Webhook, error) {
	var hooks []Webhook
	for i := range max(o.Times, 1) {
		vars := person(a.rand, first+i).vars()
		vars["order_id"] = orderNumber(first + i)
		if e := a.sim.Events[sample]; e != nil {
			maps.Copy(vars, e.Vars)
		}
		paths, err := a.set(vars, sample, o.Set)
		if err != nil {
			return nil, err
		}
		if others != nil {
			if err := others(vars); err != nil {
				return nil, err
			}
		}
		d, _, err := a.draft(sample, map[string]any{"vars": vars}, nil, now.Add(-o.Late))
		if err != nil {
			return nil, err
		}
		if d.body, err = a.setPaths(d, paths); err != nil {
			return nil, err
		}
		for range o.Dup + 1 {
			hook, err := a.sign(d, now, o.Forge)
			if err != nil {
				return nil, err
			}
			hooks = append(hooks, hook)
		}
	}
	if o.Reorder {
		slices.Reverse(hooks)
	}
	return hooks, nil
}

// set sets the variables among values in vars, and returns the others, which are paths into the body.
func (a *account) set(vars map[string]any, sample string, values map[string]string) (map[string]string, error) {
	e := a.sim.Events[sample]
	if e == nil {
		return nil, nil // draft says so
	}
	paths := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		old, had := vars[name]
		if !had {
			old = a.sim.Vars[name]
		}
		switch {
		case had || slices.Contains(e.Uses, name):
			vars[name] = likeOld(old, values[name])
			if _, whole := old.(int64); !whole {
				continue
			}
			if _, whole := vars[name].(int64); !whole {
				return nil, &waybill.Error{
					Kind: waybill.Invalid, Message: fmt.Sprintf("%s of the sample %s must be a whole number, not %q; nothing was sent", name, sample, values[name]),
					Hint: "An amount is in the smallest unit, as 4200 for 42.00. To send something else on purpose, name its dotted path in the body.",
				}
			}
		case name == known:
			vars[name] = scalar(values[name])
		case strings.Contains(name, ".") || e.JSON != nil && e.JSON.Has(name) || e.Form != nil && e.Form.Has(name):
			paths[name] = values[name]
		default:
			return nil, &waybill.Error{
				Kind: waybill.Invalid, Message: fmt.Sprintf("the sample %s has no variable %q", sample, name),
				Hint: "It has: " + listed(slices.Sorted(maps.Keys(Variables(a.manifest, sample)))) +
					"; anything else is a dotted path into its body, such as data.object.currency.",
			}
		}
	}
	return paths, nil
}

// setPaths changes a rendered body.
func (a *account) setPaths(d draft, paths map[string]string) ([]byte, error) {
	if len(paths) == 0 {
		return d.body, nil
	}
	body, err := connector.DecodeJSON(d.body)
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if err := put(body, strings.Split(path, "."), likeOld(at(body, path), paths[path])); err != nil {
			return nil, err
		}
	}
	return writeJSON(body, a.sim.Escaped)
}

func put(in any, parts []string, value any) error {
	switch in := in.(type) {
	case map[string]any:
		if len(parts) == 1 {
			in[parts[0]] = value
			return nil
		}
		if in[parts[0]] == nil {
			in[parts[0]] = map[string]any{}
		}
		return put(in[parts[0]], parts[1:], value)
	case []any:
		if i, ok := index(parts[0], len(in)); ok {
			if len(parts) == 1 {
				in[i] = value
				return nil
			}
			return put(in[i], parts[1:], value)
		}
	}
	return &waybill.Error{
		Kind: waybill.Invalid, Message: "the sample has no place " + strings.Join(parts, "."),
		Hint: "Name a variable of the sample, or a dotted path into its body such as payload.payment.entity.status.",
	}
}

// likeOld reads a value given as text: text stays text where there was text before.
func likeOld(old any, value string) any {
	if _, isText := old.(string); isText {
		return value
	}
	return scalar(value)
}

// scalar reads a JSON scalar; what is none is text.
func scalar(value string) any {
	if v, err := connector.DecodeJSON([]byte(value)); err == nil && json.Valid([]byte(value)) {
		switch v.(type) {
		case map[string]any, []any, string:
		default:
			return v
		}
	}
	return value
}

func listed(names []string) string { return strings.Join(names, ", ") }
