package prove

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"waybill"
	"waybill/simulator"
)

// path is where one thing that comes in leads, when all goes well.
type path struct {
	from   source
	calls  int
	pieces int
	steps  []touched
}

// touched is a step that called out.
type touched struct{ flow, address, connection, action string }

func (t touched) String() string {
	return t.flow + " " + t.address + " " + t.connection + "." + t.action
}

// explore runs everything that can come in once without any fault, to learn where it leads.
func (p *proof) explore() error {
	ways := map[string]bool{}
	reached := map[string]bool{}
	for _, s := range sources(p.bundles[0]) {
		w, err := newWorld(p.bundles[:1], p.blank, 1)
		if err != nil {
			return err
		}
		b, err := w.play(s, nil)
		if err != nil {
			w.close()
			return fmt.Errorf("%s, without any fault: %w", s.String(), err)
		}
		found := path{from: s, calls: len(w.calls), pieces: w.pieces, steps: w.touched(b)}
		var way []string
		for _, t := range found.steps {
			way = append(way, t.String())
			reached[t.flow+" "+t.address] = true
			p.step(t)
		}
		slices.Sort(way)
		p.close(w, b, true, s.String()+", without any fault", "waybill prove "+p.Dir)
		runs := len(b.runs)
		w.close()
		if runs > 0 {
			p.reachable = append(p.reachable, s)
		}
		if key := strings.Join(way, "\n"); key != "" && !ways[key] {
			ways[key] = true
			p.paths = append(p.paths, found)
		}
	}
	for _, f := range p.bundles[0].Flows {
		for _, st := range f.Steps() {
			if (st.Kind == "get" || st.Kind == "do") && !reached[f.Name+" "+st.Address] {
				p.report.Unreached = append(p.report.Unreached, Place{f.Name, st.Address, st.Does, fmt.Sprintf("%s:%d", st.File, st.Line)})
			}
		}
	}
	return nil
}

// play gives one thing and lets the world come to rest. set, when not nil, prepares the world.
func (w *world) play(s source, set func()) (*book, error) {
	if set != nil {
		set()
	}
	if err := w.give(s, simulator.TriggerOptions{Set: map[string]string{"order_id": "SO-1001"}}); err != nil {
		return nil, err
	}
	w.run(sweep)
	return w.settle(lives)
}

// touched lists the steps that called out, from the book.
func (w *world) touched(b *book) []touched {
	var out []touched
	add := func(t touched) {
		t.address = waybill.PlainAddress(t.address)
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	for i := range b.effects {
		eff := &b.effects[i]
		if eff.Request.URL != "" {
			add(touched{eff.Flow, eff.Address, eff.Connection, eff.Action})
		}
	}
	for _, r := range b.runs {
		for _, s := range w.bundles[0].Flow(r.Flow).Steps() {
			connection, action, ok := strings.Cut(s.Does, ".")
			if s.Kind == "get" && ok && slices.ContainsFunc(w.calls, func(c call) bool { return c.connection == connection && c.action == action }) {
				add(touched{r.Flow, s.Address, connection, action})
			}
		}
	}
	return out
}

func (p *proof) step(t touched) *Step {
	key := t.String()
	if s := p.steps[key]; s != nil {
		return s
	}
	place, _ := placeOf(p.bundles[0], t.flow, t.address)
	s := &Step{Place: Place{t.flow, t.address, t.connection + "." + t.action, place}, Recovers: []string{}, Asks: map[string]string{}}
	p.steps[key] = s
	p.report.Steps = append(p.report.Steps, s)
	return s
}

// systematic runs every step × every fault, once and three times running, and a crash at every call and piece of work.
func (p *proof) systematic() error {
	for _, way := range p.paths {
		for _, t := range way.steps {
			for _, kind := range simulator.CallFaults {
				for _, times := range []int{1, 3} {
					if p.Quick && times > 1 {
						continue
					}
					if err := p.faulty(way, t, kind, times); err != nil {
						return err
					}
				}
			}
		}
		if err := p.crashes(way); err != nil {
			return err
		}
	}
	return nil
}

// faulty runs one step against one fault and notes how the step takes it.
func (p *proof) faulty(way path, t touched, kind simulator.FaultKind, times int) error {
	what := fmt.Sprintf("%s; %s.%s answers with %s, %d times", way.from.String(), t.connection, t.action, kind, times)
	return p.world(way.from, what, func(w *world) {
		w.outside.Script(simulator.Fault{Connection: t.connection, Match: t.action, Kind: kind, Times: times})
	}, func(w *world, b *book) {
		p.outcome(t, string(kind), w, b)
	})
}

// outcome notes how a step took a fault.
func (p *proof) outcome(t touched, fault string, w *world, b *book) {
	s := p.step(t)
	question := ""
	for i := range b.effects {
		eff := &b.effects[i]
		if eff.Flow == t.flow && waybill.PlainAddress(eff.Address) == t.address && !eff.State.Settled() {
			question = cmp.Or(b.titleOf(eff.Problem), eff.Reason)
		}
	}
	for i := range b.runs {
		if r := &b.runs[i]; r.Flow == t.flow && r.State == waybill.RunBlocked {
			question = cmp.Or(b.titleOf(r.Problem), question, r.Reason)
		}
	}
	if question == "" && len(w.asked) > 0 { // a person was asked on the way, and has done it
		question = strings.Join(sorted(w.asked), "; ")
	}
	switch {
	case question != "":
		s.Asks[fault] = question
	case !slices.Contains(s.Recovers, fault):
		s.Recovers = append(s.Recovers, fault)
	}
}

func (b *book) titleOf(id waybill.ProblemID) string {
	for i := range b.problems {
		if b.problems[i].ID == id {
			return b.problems[i].Title
		}
	}
	return ""
}

// crashes kills the process before and after every call, and kills it or cuts its power after every piece of work.
func (p *proof) crashes(way path) error {
	for n := 1; n <= way.calls; n++ {
		for _, after := range []bool{false, true} {
			word := "before"
			if after {
				word = "after"
			}
			what := fmt.Sprintf("%s; killed %s call %d", way.from.String(), word, n)
			err := p.world(way.from, what, func(w *world) {
				kill := func(i int) {
					if i == n {
						w.crash(false)
					}
				}
				if after {
					w.after = kill
				} else {
					w.before = kill
				}
			}, nil)
			if err != nil {
				return err
			}
		}
	}
	const most = 150 // pieces of work of one path that are struck one by one; of a longer one every so many
	stride := 1 + way.pieces/most
	if p.Quick {
		stride = 1 + way.pieces/15
	}
	for n := 1; n <= way.pieces; n += stride {
		for _, power := range []bool{false, true} {
			word := "killed"
			if power {
				word = "the power cut"
			}
			what := fmt.Sprintf("%s; %s after piece of work %d", way.from.String(), word, n)
			if err := p.world(way.from, what, func(w *world) { w.crashAt, w.cut = n, power }, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// world runs one systematic world, unless another one is asked for.
func (p *proof) world(from source, what string, set func(*world), see func(*world, *book)) error {
	p.number++
	if p.Only > 0 && p.Only != p.number || p.enough() {
		return nil
	}
	w, err := newWorld(p.bundles[:1], p.blank, 1)
	if err != nil {
		return err
	}
	defer w.close()
	if p.Trace != nil {
		w.log = p.Trace
	}
	b, err := w.play(from, func() { set(w) })
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.report.Counts.Cases++
	if see != nil {
		see(w, b)
	}
	p.close(w, b, true, what, fmt.Sprintf("waybill prove %s --case %d", p.Dir, p.number))
	return nil
}
