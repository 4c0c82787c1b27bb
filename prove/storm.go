package prove

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"waybill"
	"waybill/engine"
	"waybill/record/faultdisk"
	"waybill/simulator"
	"waybill/workspace"
)

// source is something that can come in: a sample of a connection, or what a workspace's own test gives.
type source struct {
	connection, sample string
	set                map[string]string
	given              *workspace.Given // a body, a business event or a schedule's time instead of a sample
	at                 string           // where the test gives it
}

func (s *source) String() string {
	switch {
	case s.given == nil:
		return s.connection + " " + s.sample
	case s.given.Event != "":
		return s.given.Event + " (" + s.at + ")"
	case s.given.Schedule != "":
		return "the time of " + s.given.Schedule
	default:
		return s.connection + " body of " + s.at
	}
}

// key is the same for two that tell the same.
func (s *source) key() string {
	parts := []any{s.connection, s.sample, s.set}
	if g := s.given; g != nil {
		parts = append(parts, g.Event, g.Data, string(g.Body), g.Headers, g.Schedule)
	}
	return fmt.Sprint(parts...) // maps are printed in the order of their keys
}

// sources are what the workspace can be told: every different thing its tests give, and every sample of a connection that
// something comes in by.
func sources(ws *workspace.Workspace) []source {
	var out []source
	seen := map[string]bool{}
	add := func(s source) {
		if key := s.key(); !seen[key] {
			seen[key] = true
			out = append(out, s)
		}
	}
	for _, sc := range ws.Scenarios {
		for i := range sc.Given {
			g := &sc.Given[i]
			at := fmt.Sprintf("%s:%d", sc.File, g.Line)
			switch {
			case g.Sample != "":
				add(source{connection: g.Connection, sample: g.Sample, set: g.Set})
			case g.Event != "" || g.Schedule != "":
				add(source{connection: g.Connection, given: g, at: at})
			case len(g.Body) > 0:
				add(source{connection: g.Connection, given: g, at: at})
				for _, body := range ws.Connections[g.Connection].Translator.Others(g.Body) {
					like := *g
					like.Body = body
					add(source{connection: g.Connection, given: &like, at: at + ", of another object"})
				}
			}
		}
	}
	for _, name := range sorted(ws.Connections) {
		c := ws.Connections[name]
		if c.Translator == nil || c.Manifest.Simulate == nil {
			continue
		}
		for _, sample := range simulator.Samples(c.Manifest) {
			add(source{connection: name, sample: sample})
		}
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// give has something come in, as o varies it.
func (w *world) give(s source, o simulator.TriggerOptions) error {
	w.note("given %s", s.String())
	g := s.given
	if g != nil && (g.Event != "" || g.Schedule != "") {
		return w.tell(g)
	}
	hooks, err := w.hooks(s, o)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		w.insist(h, o.Forge)
	}
	return nil
}

// tell has the process itself told something: one that is dead hears nothing.
func (w *world) tell(g *workspace.Given) (err error) {
	switch {
	case w.life.dead:
		return nil
	case g.Schedule != "":
		err = w.life.engine.Tick(g.Schedule)
	default:
		err = w.life.engine.Tell(g.Connection, g.Event, g.Data)
	}
	if waybill.KindOf(err) == waybill.Unavailable { // the one who told it was refused
		return nil
	}
	return err
}

// hooks are the webhooks by which something comes in.
func (w *world) hooks(s source, o simulator.TriggerOptions) ([]simulator.Webhook, error) {
	if s.given == nil {
		set := maps.Clone(s.set)
		if set == nil {
			set = map[string]string{}
		}
		maps.Copy(set, o.Set)
		o.Set = set
		return w.outside.Trigger(context.Background(), s.connection, s.sample, o)
	}
	w.bodies++
	given := *s.given
	given.Times, given.Dup, given.Forge = o.Times, o.Dup, o.Forge
	return engine.Bodies(w.bundles[0].Connections[s.connection], &given, w.secrets, w.v.Now(), fmt.Sprintf("given_%d", w.bodies))
}

// storm is one random world: things come in while faults of every kind strike, the process dies, the clock jumps, the
// workspace changes and a person presses buttons.
func (w *world) storm(from []source, arrivals int) error {
	w.hail()
	for i := range arrivals {
		s := from[w.random.IntN(len(from))]
		o := simulator.TriggerOptions{Set: map[string]string{}}
		if s.set["order_id"] == "" && w.random.IntN(2) == 0 {
			o.Set["order_id"] = "SO-" + string(rune('1'+w.random.IntN(4))) // several things about one order
		}
		if w.asks && s.set["order_id"] == "" { // and one thing waits for another
			o.Set["order_id"] = "SO-" + string(rune('1'+w.random.IntN(2)))
		}
		switch w.random.IntN(8) {
		case 0:
			o.Dup = 1 + w.random.IntN(2)
		case 1:
			o.Late = time.Duration(w.random.IntN(3)) * time.Hour
		case 2:
			o.Times, o.Reorder = 2, true
		case 3:
			o.Forge = true
		}
		if err := w.give(s, o); err != nil {
			return err
		}
		w.mischief()
		w.run(time.Duration(w.random.IntN(60)) * time.Second)
		if w.broken != nil {
			return w.broken
		}
		if i%3 == 2 || w.asks {
			w.press(1)
		}
	}
	w.run(time.Duration(w.random.IntN(20)) * time.Minute)
	return w.broken
}

// hail lets the faults of calls and webhooks strike from now on.
func (w *world) hail() {
	w.lossy = true
	odds := map[simulator.FaultKind]float64{}
	for _, kind := range simulator.CallFaults {
		odds[kind] = 0.01 + 0.04*w.random.Float64()
	}
	odds[simulator.TokenExpired] = 0.005
	for _, kind := range simulator.WebhookFaults {
		odds[kind] = 0.1
	}
	w.outside.Storm(odds)
}

// mischief is what befalls the process and its machine between two arrivals.
func (w *world) mischief() {
	switch w.random.IntN(10) {
	case 0, 1: // it dies after a piece of work
		w.crashAt, w.cut = w.pieces+1+w.random.IntN(40), w.random.IntN(2) == 0
	case 2: // the power is cut in the middle of writing
		fault := faultdisk.Cut
		if w.random.IntN(2) == 0 {
			fault = faultdisk.CutMid
		}
		w.counts.DiskFaults++
		w.disk.At(1+w.random.IntN(200), fault)
	case 3: // an operation of the disk fails, or a few in a row
		fault := []faultdisk.Fault{faultdisk.IOErr, faultdisk.Full, faultdisk.Short, faultdisk.Lost}[w.random.IntN(4)]
		from, n := w.disk.Count()+1+w.random.IntN(200), 1+w.random.IntN(3)
		w.counts.DiskFaults++
		w.disk.Strike(func(op faultdisk.Op) faultdisk.Fault {
			if op.N >= from && op.N < from+n {
				return fault
			}
			return faultdisk.None
		})
	case 4: // the disk is full for a while
		w.counts.DiskFaults++
		w.disk.Room(int64(w.random.IntN(20_000)))
		w.v.After(time.Duration(1+w.random.IntN(120))*time.Second, func() { w.disk.Room(-1) })
	case 5: // the wall clock jumps, and is set right later
		w.counts.ClockJumps++
		w.jump(time.Duration(w.random.IntN(1200)-600) * time.Second)
		w.v.After(time.Duration(1+w.random.IntN(600))*time.Second, func() { w.jump(0) })
	case 6: // another version of the workspace is rolled out
		if len(w.bundles) > 1 {
			w.serves = (w.serves + 1) % len(w.bundles)
			w.counts.Rollouts++
			w.crash(false)
		}
	}
}

func (w *world) jump(to time.Duration) {
	w.note("clock %s", to)
	w.skew = to
}

// soothe ends all faults, and what was planned of them.
func (w *world) soothe() {
	w.lossy = false
	w.outside.Calm()
	w.disk.Strike(nil)
	w.disk.Room(-1)
	w.skew, w.crashAt = 0, 0
}

// press has a person look at some of what needs one, and press a button that is offered. The person looks at the other
// system first and says the truth about what is there.
func (w *world) press(n int) {
	if w.life.dead {
		return
	}
	b, err := w.read()
	if err != nil {
		return // the book cannot be read now, and nor can the pages
	}
	for range n {
		var objects []string
		for i := range b.effects {
			if b.effects[i].State == waybill.EffectUnknown {
				objects = append(objects, string(b.effects[i].ID))
			}
		}
		for i := range b.runs {
			if b.runs[i].State == waybill.RunBlocked {
				objects = append(objects, string(b.runs[i].ID))
			}
		}
		for i := range b.asks {
			if b.asks[i].State == waybill.AskOpen {
				objects = append(objects, string(b.asks[i].Run))
			}
		}
		for i := range b.items {
			if b.items[i].State == waybill.ItemBlocked {
				objects = append(objects, string(b.items[i].ID))
			}
		}
		if len(objects) == 0 {
			return
		}
		w.decide(b, objects[w.random.IntN(len(objects))])
	}
}

func (w *world) decide(b *book, object string) {
	ctx := context.Background()
	choices, err := w.life.engine.Choices(ctx, object)
	if err != nil || len(choices) == 0 {
		return
	}
	verb := choices[w.random.IntN(len(choices))].Verb
	if verb == waybill.VerbHappened || verb == waybill.VerbDidNot {
		eff := b.effectOf(object)
		if eff == nil || w.whatOf(eff) == "" {
			return
		}
		verb = waybill.VerbDidNot
		if w.happenedTo(b, eff) {
			verb = waybill.VerbHappened
		}
	}
	var inputs []byte
	for _, c := range choices {
		if c.Verb == verb {
			inputs = c.Inputs
		}
	}
	if verb == waybill.VerbChange {
		inputs = bytes.ReplaceAll(inputs, []byte("paid"), []byte("PAID"))
	}
	_, err = w.life.engine.Act(ctx, waybill.Act{Who: "asha", Verb: verb, Object: object, Reason: "seen at the other system", Inputs: inputs})
	w.counts.Presses++
	w.note("press %s on %s: %v", verb, object, waybill.KindOf(err))
}

// effectOf is the effect that an effect's or a run's buttons are about; nil when it cannot be told.
func (b *book) effectOf(object string) *waybill.Effect {
	var found *waybill.Effect
	for i := range b.effects {
		eff := &b.effects[i]
		if string(eff.ID) == object || string(eff.Run) == object && eff.State == waybill.EffectUnknown {
			found = eff
		}
	}
	return found
}

// happenedTo looks at the other system: is there more of it than what is known to have happened?
func (w *world) happenedTo(b *book, eff *waybill.Effect) bool {
	what, known := w.whatOf(eff), 0
	for i := range b.effects {
		if other := &b.effects[i]; other.State == waybill.EffectConfirmed && w.whatOf(other) == what {
			known++
		}
	}
	n := w.times(what)
	return n > known || n > 0 && eff.Repeat == waybill.RepeatNatural
}

// reopen is a person who gives back what only a person can: a sign-in, a permission, a paused connection.
func (w *world) reopen() error {
	b, err := w.read()
	if err != nil {
		return err
	}
	ctx := context.Background()
	for i := range b.problems {
		p := &b.problems[i]
		if p.Cause != waybill.PermissionMissing && p.Cause != waybill.SignInExpired {
			continue
		}
		for _, object := range []string{string(p.ID), p.Connection} {
			choices, err := w.life.engine.Choices(ctx, object)
			if err != nil {
				continue
			}
			for _, c := range choices {
				if c.Verb == waybill.VerbRetry || c.Verb == waybill.VerbResume {
					w.asked[p.Title] = true
					_, err := w.life.engine.Act(ctx, waybill.Act{Who: "asha", Verb: c.Verb, Object: object, Reason: "given again"})
					w.note("press %s on %s: %v", c.Verb, p.Cause, waybill.KindOf(err))
				}
			}
		}
	}
	return nil
}
