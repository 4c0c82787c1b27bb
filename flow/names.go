package flow

import (
	"fmt"
	"slices"

	"waybill/source"
)

// Names over time. A flow is known by its name and a step by its id, which is its own within the flow, wherever it stands;
// `was` says what either was called before. What was done under a former name is done.

// names are what a flow or a step is called, and was.
type names struct {
	was  []string
	said bool // whether `was` is there: an empty list says that it is new
}

func (n names) had(name, former string) bool {
	return former == name || slices.Contains(n.was, former)
}

// readNames reads `was`, one or a list.
func readNames(def []source.Text, n *source.Node) names {
	out := names{said: n.Get("was") != nil}
	for _, t := range def {
		out.was = append(out.was, t.Value)
	}
	return out
}

// WasCalled reports whether a name is the flow's, or was.
func (f *Flow) WasCalled(name string) bool { return f.former.had(f.Name, name) }

// Former are the names the flow had before, the newest first.
func (f *Flow) Former() []string { return f.former.was }

// Renamed reports whether the flow or a step of it is said to have had another name.
func (f *Flow) Renamed() bool {
	found := len(f.former.was) > 0
	walkSteps(f.steps, func(s *step) { found = found || len(s.former.was) > 0 })
	return found
}

// Continued is the address of today's step that is the one of a flow and an address of then, under whatever names and within
// as many loops: what was done once is not what is done for each. It is empty when there is none.
func (f *Flow) Continued(flowThen, then string) (address string) {
	if !f.WasCalled(flowThen) {
		return ""
	}
	id, keys := parts(then)
	walkSteps(f.steps, func(s *step) {
		if _, loops := parts(s.address); s.former.had(s.id, id) && len(loops) == len(keys) {
			address = s.address
		}
	})
	return address
}

// step is the one of an address, wherever it stands today; nil when it is gone.
func (f *Flow) step(address string) (found *step) {
	id, _ := parts(address)
	walkSteps(f.steps, func(s *step) {
		if s.id == id {
			found = s
		}
	})
	return found
}

// Did reports whether it was the flow's step of address that did what is on record under the flow and the address of
// then: under its names of today or those it had before, and for the same items of the loops around it.
func (f *Flow) Did(address, flowThen, then string) bool {
	if flowThen == f.Name && then == address {
		return true
	}
	id, keys := parts(address)
	idThen, keysThen := parts(then)
	s := f.step(address)
	return s != nil && f.WasCalled(flowThen) && s.former.had(id, idThen) && slices.Equal(keys, keysThen)
}

// parts are the id of the step of an address, and the keys of the loops' items on the way to it, which may hold anything.
func parts(address string) (id string, keys []string) {
	begin, key, depth := 0, 0, 0
	for i := range len(address) {
		switch address[i] {
		case '[':
			if depth == 0 {
				id, key = address[begin:i], i+1
			}
			depth++
		case ']':
			if depth--; depth == 0 {
				keys = append(keys, address[key:i])
			}
		case '.':
			if depth == 0 {
				begin, id = i+1, ""
			}
		}
	}
	if id == "" {
		id = address[begin:]
	}
	return id, keys
}

// renamed faults a step that is said to have been one which is still there, or which another was, too.
func (c *compiler) renamed() {
	first := map[string]*step{}
	walkSteps(c.flow.steps, func(s *step) {
		for _, was := range s.former.was {
			if other, there := c.ids[was]; there {
				c.fault("E309", s.span, fmt.Sprintf("%q is said to have been %q, but that step is still there, in line %d.", s.id, was, other.Line),
					"Remove `was`, or the other step.")
			} else if other := first[was]; other != nil {
				c.fault("E309", s.span, fmt.Sprintf("%q is said to have been %q, and so is %q, in line %d.", s.id, was, other.id, other.span.Line),
					"What it did counts as done by one of them: remove `was` from the other.")
			} else {
				first[was] = s
			}
		}
	})
}
