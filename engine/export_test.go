package engine

import "time"

// Step runs one piece of work that is due by end; false when there is none.
func (v *Virtual) Step(end time.Time) bool { return v.step(end) }
