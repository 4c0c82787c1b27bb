package watch

import (
	"fmt"
	"strings"

	"waybill"
)

// Sentence says how the whole place is, for the top of the first page and for a phone's lock screen:
// "All 6 flows are working. 2 things need a person."
//
// A flow is not working when work of it is open and a system it needs is out; that shows as an open problem whose cause
// is an outage. What waits for a person is said whether or not the flows work.
func Sentence(o waybill.Overview) string {
	if len(o.Flows) == 0 && o.Received == 0 && o.Blocked == 0 {
		return "Nothing is set up yet. Add a flow, and what happens will show here."
	}
	parts := []string{working(o)}
	if o.Blocked > 0 {
		parts = append(parts, count(o.Blocked, "thing needs a person.", "things need a person."))
	}
	if o.Unknown > 0 {
		parts = append(parts, count(o.Unknown, "answer was lost: it may or may not have happened.",
			"answers were lost: they may or may not have happened."))
	}
	if o.Late > 0 {
		parts = append(parts, count(o.Late, "is later than promised.", "are later than promised."))
	}
	if len(parts) == 1 && o.Received == 0 && o.Events == 0 {
		parts = append(parts, "Nothing has come in since yesterday.")
	} else if len(parts) == 1 {
		parts = append(parts, "Nothing needs a person.")
	}
	return strings.Join(parts, " ")
}

// working is the first part: the flows, and the systems that hold them up.
func working(o waybill.Overview) string {
	held := outages(o)
	switch {
	case len(held) == 1:
		return capital(held[0]) + "; its work waits and goes on by itself."
	case len(held) > 1:
		return fmt.Sprintf("%d systems are out; their work is kept and waits.", len(held))
	case len(o.Flows) == 0:
		return "There is no flow yet."
	case len(o.Flows) == 1:
		return "Your flow is working."
	case len(o.Flows) == 2:
		return "Both flows are working."
	default:
		return fmt.Sprintf("All %d flows are working.", len(o.Flows))
	}
}

// outages are the titles of open problems that hold up a whole connection, one for each connection. A reached limit is
// none: work goes on, only slower.
func outages(o waybill.Overview) []string {
	var list []string
	seen := map[string]bool{}
	for _, p := range o.Problems {
		if !p.Cause.Outage() || p.Cause == waybill.LimitReached || !p.State.Open() || seen[p.Connection] {
			continue
		}
		seen[p.Connection] = true
		title := p.Title
		if title == "" {
			title = fmt.Sprintf("%s: %s", p.Connection, p.Cause)
		}
		list = append(list, strings.TrimRight(title, "."))
	}
	return list
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
