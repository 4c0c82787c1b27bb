package watch

import (
	"fmt"
	"strings"

	"waybill"
)

// Sentence says how the whole place is, for the top of the first page and for a phone's lock screen:
// "All 6 flows are working. 2 things need a person."
//
// A restored book that sends nothing yet is said before all else. A system that is out, an open problem whose cause is an outage, is said first: it holds up the flows that need it. What
// waits for a person is said whether or not the flows work.
func Sentence(o waybill.Overview) string {
	if len(o.Flows) == 0 && o.Received == 0 && o.Blocked+o.Asks == 0 {
		return "Nothing is set up yet. Add a flow, and what happens will show here."
	}
	return working(o) + " " + needs(o)
}

// needs is the second part: what waits for a person, and if nothing does, the next thing worth knowing.
func needs(o waybill.Overview) string {
	switch {
	case o.Blocked+o.Asks > 0:
		return count(o.Blocked+o.Asks, "thing needs a person.", "things need a person.")
	case o.Unknown > 0:
		return count(o.Unknown, "answer was lost: it may or may not have happened.",
			"answers were lost: they may or may not have happened.")
	case o.Late > 0:
		return count(o.Late, "is later than promised.", "are later than promised.")
	case o.Received == 0 && o.Events == 0:
		return "Nothing has come in since yesterday."
	default:
		return "Nothing needs a person."
	}
}

// working is the first part: the flows, and the systems that hold them up.
func working(o waybill.Overview) string {
	held := outages(o)
	switch {
	case o.Restored.Paused():
		return "Nothing is sent: the book was restored, and nobody has looked yet."
	case len(held) == 1:
		return capital(held[0]) + "; its work is kept and waits."
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
