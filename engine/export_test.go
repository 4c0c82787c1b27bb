package engine

import "time"

// Step runs one piece of work that is due by end; false when there is none.
func (v *Virtual) Step(end time.Time) bool { return v.step(end) }

// Timers counts what is on the virtual clock.
func (v *Virtual) Timers() int { return len(v.timers) }

// Held counts the pieces of work that the engine holds in memory.
func (e *Engine) Held() int {
	return len(e.claims.ids) + len(e.runs.queue) + len(e.items.queue) + len(e.busy)
}

// Awaited counts the ways in which an event of a type is looked for; at none it costs nothing.
func (e *Engine) Awaited(typ, noun string) int {
	w := e.waits.Load()
	n := len(w.events[typ])
	if w.nouns[noun] {
		n++
	}
	return n
}
