package watch

import (
	"fmt"
	"slices"
	"strings"

	"waybill"
)

// Sentence says how the whole place is, for the top of the first page and for a phone's lock screen:
// "5 of 6 flows go on by themselves. 2 things need a person."
//
// A restored book that sends nothing yet is said before all else. A system that is out, an open problem whose cause is an outage, is said first: it holds up the flows that need it. That
// all flows are working is said only where none of them has anything that needs a person.
func Sentence(o waybill.Overview) string {
	if len(o.Flows) == 0 && o.Received == 0 && o.Blocked+o.Asks == 0 {
		return "Nothing is set up yet. Add a flow, and what happens will show here."
	}
	return strings.TrimSpace(working(o) + " " + needs(o))
}

// OfFlows are the figures of every flow of the workspace, whether anything came for it or not, and of those that are gone but still
// have work.
func OfFlows(seen []waybill.FlowFigures, names []string) []waybill.FlowFigures {
	var list []waybill.FlowFigures
	for _, name := range names {
		f := waybill.FlowFigures{Flow: name}
		if i := slices.IndexFunc(seen, func(f waybill.FlowFigures) bool { return f.Flow == name }); i >= 0 {
			f = seen[i]
		}
		list = append(list, f)
	}
	for _, f := range seen {
		if f.Open+f.Blocked+f.Asks > 0 && !slices.Contains(names, f.Flow) {
			list = append(list, f)
		}
	}
	return list
}

// NeedsPerson reports whether a problem stands until somebody does something about it.
func NeedsPerson(p waybill.Problem) bool {
	return p.State.Open() && (!p.Cause.Outage() || p.Cause == waybill.SignInExpired)
}

// mostProblems is how many problems an overview names.
const mostProblems = 5

// needs is the second part: what waits for a person, and if nothing does, the next thing worth knowing.
func needs(o waybill.Overview) string {
	switch {
	case o.Blocked+o.Asks > 0:
		return count(o.Blocked+o.Asks, "thing needs a person.", "things need a person.")
	case len(forPerson(o)) >= mostProblems:
		return "At least " + count(mostProblems, "problem needs a person.", "problems need a person.")
	case len(forPerson(o)) > 0:
		return count(len(forPerson(o)), "problem needs a person.", "problems need a person.")
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
	out := outages(o)
	switch {
	case o.Restored.Paused():
		return "Nothing is sent: the book was restored, and nobody has looked yet."
	case len(out) == 1:
		return capital(out[0]) + "; its work is kept and waits."
	case len(out) > 1:
		return fmt.Sprintf("%d systems are out; their work is kept and waits.", len(out))
	case len(o.Flows) == 0:
		return "There is no flow yet."
	case held(o) == len(o.Flows):
		return "" // what needs a person says it all
	case held(o) > 0:
		return fmt.Sprintf("%d of %d flows %s.", len(o.Flows)-held(o), len(o.Flows), goOn(len(o.Flows)-held(o)))
	case len(o.Flows) == 1:
		return "Your flow is working."
	case len(o.Flows) == 2:
		return "Both flows are working."
	default:
		return fmt.Sprintf("All %d flows are working.", len(o.Flows))
	}
}

func goOn(flows int) string {
	if flows == 1 {
		return "goes on by itself"
	}
	return "go on by themselves"
}

// held is how many flows have something that needs a person: a run that stands still, a question, a problem.
func held(o waybill.Overview) int {
	troubled := map[string]bool{}
	for _, p := range forPerson(o) {
		for _, f := range p.Flows {
			troubled[f] = true
		}
	}
	n := 0
	for _, f := range o.Flows {
		if f.Blocked+f.Asks > 0 || troubled[f.Flow] {
			n++
		}
	}
	return n
}

// forPerson are the problems that stand until somebody does something about them.
func forPerson(o waybill.Overview) []waybill.Problem {
	var list []waybill.Problem
	for _, p := range o.Problems {
		if NeedsPerson(p) {
			list = append(list, p)
		}
	}
	return list
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
