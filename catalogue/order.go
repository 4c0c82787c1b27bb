package catalogue

import (
	"fmt"
	"maps"
	"math"

	"waybill"
)

// Derived is what a type that is told as others comes to.
type Derived struct {
	Definition *Definition
	Data       map[string]any // with what was worked out
}

// Derive works out an order's amounts and status and says as which event it is told: order.paid as part_paid,
// paid_in_full or overpaid, any other as itself. It is a pure function of what is due, paid and given back, so every
// telling of the same payment comes to the same. ok is false when there is nothing to tell: nothing is paid yet.
// Definitions that work nothing out are told as themselves.
func (c *Catalogue) Derive(d *Definition, data map[string]any) (out Derived, ok bool, err error) {
	if len(d.computed) == 0 {
		return Derived{Definition: d, Data: data}, true, nil
	}
	data, status, err := amounts(data)
	if err != nil {
		return Derived{}, false, err
	}
	if len(d.Becomes) == 0 {
		return Derived{Definition: d, Data: data}, true, nil
	}
	name := map[string]string{"part_paid": "part_paid", "paid": "paid_in_full", "overpaid": "overpaid"}[status]
	told := c.byType[d.Noun+"."+name]
	if told == nil {
		return Derived{}, false, nil
	}
	return Derived{Definition: told, Data: data}, true, nil
}

// amounts completes an order: given back is nothing when not said, the balance is due - paid + given back, and the
// status follows. What the data says itself stands, except the status of an order that money came in for.
func amounts(data map[string]any) (map[string]any, string, error) {
	due, okDue := moneyOf(data["due"])
	paid, okPaid := moneyOf(data["paid_total"])
	if !okDue || !okPaid {
		return nil, "", invalid("an order needs due and paid_total, both as money")
	}
	refunded := amount{currency: due.currency}
	if said, given := data["refunded_total"]; given {
		var ok bool
		if refunded, ok = moneyOf(said); !ok {
			return nil, "", invalid("refunded_total is no money")
		}
	}
	if due.currency != paid.currency || due.currency != refunded.currency {
		return nil, "", invalid(fmt.Sprintf("the amounts of one order are in %s and %s", due.currency, paid.currency))
	}
	for _, m := range []int64{due.minor, paid.minor, refunded.minor} {
		if m > math.MaxInt64/4 || m < -math.MaxInt64/4 {
			return nil, "", invalid("an amount is too large")
		}
	}
	status := "open"
	switch net := paid.minor - refunded.minor; {
	case net == 0 && refunded.minor > 0:
		status = "refunded"
	case net <= 0:
	case net < due.minor:
		status = "part_paid"
	case net == due.minor:
		status = "paid"
	default:
		status = "overpaid"
	}
	out := maps.Clone(data)
	if _, given := out["refunded_total"]; !given {
		out["refunded_total"] = refunded.value()
	}
	out["balance"] = amount{due.minor - paid.minor + refunded.minor, due.currency}.value()
	if said, _ := data["status"].(string); said == "" {
		out["status"] = status
	}
	return out, status, nil
}

type amount struct {
	minor    int64
	currency string
}

func (a amount) value() map[string]any {
	return map[string]any{"minor": a.minor, "currency": a.currency}
}

func moneyOf(value any) (amount, bool) {
	m, ok := value.(map[string]any)
	if !ok {
		return amount{}, false
	}
	minor, okMinor := m["minor"].(int64)
	currency, okCurrency := m["currency"].(string)
	return amount{minor, currency}, okMinor && okCurrency
}

func invalid(message string) error { return &waybill.Error{Kind: waybill.Invalid, Message: message} }
