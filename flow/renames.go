package flow

import (
	"fmt"
	"slices"

	"waybill/source"
)

// Unexplained faults what looks like a rename of which nothing is said: a step that is new since before and does what one
// that is gone did. A replay could not know that it is the same one.
func Unexplained(before, now []*Flow) source.Faults {
	var faults source.Faults
	gone := map[*Flow][]*step{} // by the flow of before
	for _, old := range before {
		walkSteps(old.steps, func(s *step) {
			if s.leaves() && !slices.ContainsFunc(now, func(f *Flow) bool { return f.Continued(old.Name, s.address) != "" }) {
				gone[old] = append(gone[old], s)
			}
		})
	}
	for _, f := range now {
		for _, old := range before {
			switch {
			case len(gone[old]) == 0 || !slices.ContainsFunc(f.On, func(on string) bool { return slices.Contains(old.On, on) }):
			case f.WasCalled(old.Name):
				faults = append(faults, f.unexplained(gone[old], before)...)
			case !f.former.said && isNew(f, before) && isGone(old, now) && f.does(gone[old]):
				faults.Add(Codes, "E340", f.span, fmt.Sprintf("The flow %q is new, and %q, which is gone, did the same.", f.Name, old.Name),
					fmt.Sprintf("If it is that one, write `was: %s`: what it did then counts as done. If it is another, write `was: []`.", old.Name))
			}
		}
	}
	return faults
}

// unexplained faults the steps of f that are new and do what one of those that are gone did.
func (f *Flow) unexplained(gone []*step, before []*Flow) (faults source.Faults) {
	walkSteps(f.steps, func(s *step) {
		if s.former.said || !s.leaves() || slices.ContainsFunc(before, func(old *Flow) bool { return f.WasCalled(old.Name) && old.step(s.address) != nil }) {
			return
		}
		i := slices.IndexFunc(gone, func(old *step) bool { return old.kind == s.kind && old.does() == s.does() })
		if i < 0 {
			return
		}
		faults.Add(Codes, "E340", s.span, fmt.Sprintf("The step %q is new, and %q, which is gone, did the same: %s.", s.id, gone[i].id, s.does()),
			fmt.Sprintf("If it is that one, write `was: %s`: what it did then counts as done. If it is another, write `was: []`.", gone[i].id))
	})
	return faults
}

// leaves reports whether something of the step outlives its run, so that doing it again would be a second one.
func (s *step) leaves() bool { return s.kind == kindDo || s.kind == kindEmit }

// does reports whether a step of the flow does what one of the others did.
func (f *Flow) does(others []*step) (found bool) {
	walkSteps(f.steps, func(s *step) {
		found = found || s.leaves() && slices.ContainsFunc(others, func(o *step) bool { return o.kind == s.kind && o.does() == s.does() })
	})
	return found
}

func isNew(f *Flow, before []*Flow) bool {
	return !slices.ContainsFunc(before, func(old *Flow) bool { return f.WasCalled(old.Name) })
}

func isGone(old *Flow, now []*Flow) bool {
	return !slices.ContainsFunc(now, func(f *Flow) bool { return f.WasCalled(old.Name) })
}
