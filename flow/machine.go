package flow

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"waybill"
	"waybill/expr"
)

// Next takes the run as far as it can go without the outside world: from its progress and, unless it has just started
// or is retried, an answer. It returns the new progress and the moves in order. An expression that fails blocks the run.
//
// An answer to a step the run does not stand at changes nothing; the moves then say again how the run stands.
func (f *Flow) Next(p *Progress, _ *waybill.Event, data map[string]any, a *Answer, r expr.Reads) (*Progress, []Move) {
	if !f.knows(p.Frames) {
		return p.Clone(), []Move{{Block: &Blocked{
			Address: p.Address, Cause: waybill.OurSide, Words: "the run stands at a step that this version of the flow does not have",
		}}}
	}
	m := f.machine(p.Clone(), data, r)
	if a != nil {
		m.hear(a)
	} else if m.p.Stage == stageBlocked {
		m.set(stageReady)
	}
	if m.p.Stage == stageReady {
		m.walk()
	}
	if !m.told {
		m.tell()
	}
	return m.p, m.moves
}

// machine makes a machine that stands at p, which it may change.
func (f *Flow) machine(p *Progress, data map[string]any, r expr.Reads) *machine {
	m := &machine{flow: f, p: p, items: map[int][]any{}}
	if r != nil {
		m.asked = &watched{Reads: r}
		m.reads = m.asked
	}
	if len(m.p.Frames) == 0 {
		m.p.Frames = []frame{{}}
	}
	m.vars = make(map[string]any, len(f.results)+1)
	for _, name := range f.results {
		m.vars[name] = expr.Absent
	}
	m.vars[f.Noun] = data
	maps.Copy(m.vars, m.p.Values)
	m.open()
	return m
}

// machine is one call of Next.
type machine struct {
	flow  *Flow
	p     *Progress
	vars  map[string]any
	reads expr.Reads
	asked *watched // reads again, as far as tables had no answer; nil without a book
	moves []Move
	items map[int][]any // of each loop under way, by depth
	told  bool          // the moves say how the run stands now
}

// act is what the machine does with an answer.
type act string

const (
	actTake  act = "take its output and go on"
	actNone  act = "do what if_none says"
	actFail  act = "carry on or block"
	actLeave act = "leave it out and go on"
	actDoubt act = "wait for proof"
	actYes   act = "go on with what was approved"
	actNo    act = "go the way of a rejection"
	actNext  act = "ask others"
	actOver  act = "end the run"
	actTime  act = "the time has come"
	actAgain act = "work out anew until when to wait"
)

// answers says what each result means for each kind of step that has one. A fetch is repeatable, so a doubt about one
// is a failure of our side; a write that reports nothing found has failed.
var answers = map[kind]map[Result]act{ // a table that nothing changes
	kindGet: {Succeeded: actTake, NotFound: actNone, Failed: actFail, Skipped: actLeave, Unknown: actFail},
	kindDo:  {Succeeded: actTake, NotFound: actFail, Failed: actFail, Skipped: actLeave, Unknown: actDoubt, Over: actOver},
	kindAsk: {Consent: actYes, Dissent: actNo, NextRound: actNext, Over: actOver},

	kindWait:    {TimeOver: actTime, Moved: actAgain, Over: actOver, Failed: actFail},
	kindWaitFor: {Succeeded: actTake, TimeOver: actTime, Moved: actAgain, Over: actOver, Failed: actFail},
}

// hear takes an answer. Only a run that waits, or is blocked at that very step, has an ear for it.
func (m *machine) hear(a *Answer) {
	if (m.p.Stage != stageAwaiting && m.p.Stage != stageBlocked) || a.Address != m.p.Address {
		return
	}
	s := m.current()
	if s == nil || m.p.Inputs == nil {
		return // blocked before anything was asked for: no answer can be meant for it
	}
	if m.p.Reading != "" {
		m.readAgain(s, a)
		return
	}
	switch answers[s.kind][a.Result] {
	case actTime:
		m.resume()
		m.p.Over, m.p.Inputs = true, nil // walk comes back to the step
	case actAgain:
		if m.p.Stage == stageAwaiting {
			m.enter(s)
		}
	case actTake:
		output, err := settled(a.Output)
		if err != nil {
			m.fail(s, Answer{Cause: waybill.OurSide, Words: err.Error()})
			return
		}
		m.resume()
		m.put(s, output)
		m.advance()
	case actNone:
		m.none(s)
	case actLeave:
		output, err := settled(a.Output)
		m.resume()
		if err == nil {
			m.put(s, output)
		}
		m.advance()
	case actDoubt:
		m.doubt(a)
	case actFail:
		m.fail(s, *a)
	case actYes:
		m.approved(s, a)
	case actNo:
		m.rejected(s, a)
	case actNext:
		m.resume()
		m.p.Round++
		m.ask(s)
	case actOver:
		m.resume()
		m.end(a.Words)
	default:
		m.fail(s, Answer{Cause: waybill.OurSide, Words: fmt.Sprintf("the answer %q means nothing to a %s", a.Result, s.kind)})
	}
}

// resume makes a waiting or blocked run go on.
func (m *machine) resume() {
	if m.p.Stage != stageReady {
		m.set(stageReady)
	}
}

// doubt keeps the run where it is: what is not known is neither done again nor taken for done.
func (m *machine) doubt(a *Answer) {
	if m.p.Stage == stageBlocked {
		return
	}
	reason := "whether it happened is not known yet"
	if a.Words != "" {
		reason += ": " + a.Words
	}
	m.moves = append(m.moves, Move{Wait: &Waiting{Address: m.p.Address, Reason: reason}})
	m.told = true
}

// fail counts a failed part and goes on, when the step says so; else it blocks the run.
func (m *machine) fail(s *step, a Answer) {
	m.resume()
	if s.carryOn {
		m.p.Failed++
		m.drop(s)
		m.advance()
		return
	}
	if a.Cause == "" {
		a.Cause = waybill.DeclinedValue
		if a.Result == NotFound {
			a.Cause = waybill.NotFoundThere
		}
	}
	if a.Words == "" {
		a.Words = s.does() + " did not work: " + string(a.Cause)
	}
	m.block(s, a.Cause, a.Code, a.Words)
}

// none does what the get says for nothing found.
func (m *machine) none(s *step) {
	m.resume()
	switch s.ifNone.does {
	case noneEnd:
		m.end(s.ifNone.reason)
	case noneCreate:
		m.push(s.branches[0].name)
	case noneWait:
		if delay, ok := waitBefore(m.p.Round, s.ifNone.wait); ok {
			m.p.Round++
			m.await(s, delay)
			return
		}
		fallthrough
	default:
		if s.carryOn {
			m.p.Failed++
			m.drop(s)
			m.advance()
			return
		}
		m.p.Round = 0
		m.block(s, waybill.NotFoundThere, "", fmt.Sprintf("%s found nothing for %s", s.does(), inWords(m.p.Inputs)))
	}
}

// firstWait is how long the machine waits before it looks again; each further wait is twice as long.
const firstWait = 5 * time.Second

// waitBefore returns how long to wait before look-up number round+1, cut so that all waits together take total; false
// when they are over.
func waitBefore(round int, total time.Duration) (time.Duration, bool) {
	before, wait := time.Duration(0), firstWait
	for range round {
		before += wait
		wait *= 2
	}
	if before >= total {
		return 0, false
	}
	return min(wait, total-before), true
}

// Skip is a person's choice on a run that stands at address: the step is left out, with everything inside it. At any
// other address nothing changes.
func (f *Flow) Skip(p *Progress, address string) *Progress {
	return choose(p, address, func(out *Progress) { out.Skip = true })
}

// Retry is a person's choice on a run that stands at address: the step is made again as if the run had just come to it. At
// any other address nothing changes.
func (f *Flow) Retry(p *Progress, address string) *Progress {
	return choose(p, address, func(out *Progress) {
		if out.Reading != "" { // the look-up is made again; its inputs are not the step's
			out.Inputs, out.Reading = nil, ""
		}
	})
}

// Edit is a person's choice on a run that stands at address: the step (a get, do or emit) is made with other inputs. At
// any other address nothing changes. Whether the inputs fit the action is for connector.CheckInputs.
func (f *Flow) Edit(p *Progress, address string, inputs map[string]any) *Progress {
	value, err := settled(inputs)
	plain, ok := value.(map[string]any)
	if !f.knows(p.Frames) {
		return p.Clone()
	}
	if p.Reading != "" {
		return f.Retry(p, address)
	}
	if s := f.at(p.Frames); err != nil || !ok || s == nil || !s.edits() {
		return p.Clone()
	}
	return choose(p, address, func(out *Progress) { out.Inputs = plain })
}

func choose(p *Progress, address string, change func(*Progress)) *Progress {
	out := p.Clone()
	if address == "" || p.Address != address || (p.Stage != stageAwaiting && p.Stage != stageBlocked) {
		return out
	}
	out.Stage, out.Blocked, out.Address = stageReady, nil, ""
	change(out)
	return out
}

// set moves the machine to another stage, along the table.
func (m *machine) set(to stage) {
	if !slices.Contains(stageMoves[m.p.Stage], to) {
		panic(fmt.Sprintf("flow: no move from %s to %s", m.p.Stage, to))
	}
	m.p.Stage = to
	m.p.Blocked = nil
}

// tell says how the run stands.
func (m *machine) tell() {
	switch m.p.Stage {
	case stageAwaiting:
		m.moves = append(m.moves, Move{Wait: &Waiting{Address: m.p.Address, Reason: "for the answer to " + m.p.Address}})
	case stageBlocked:
		m.moves = append(m.moves, Move{Block: m.p.Blocked})
	case stageEnded:
		m.moves = append(m.moves, Move{Done: &Ended{Reason: m.p.Reason, FailedParts: m.p.Failed}})
	case stageReady:
	}
}

func (m *machine) block(s *step, cause waybill.Cause, code, words string) {
	m.set(stageBlocked)
	m.p.Address = m.address(s)
	m.p.Skip = false
	m.p.Blocked = &Blocked{Address: m.p.Address, Cause: cause, Code: code, Words: words}
	m.tell()
	m.told = true
}

func (m *machine) end(reason string) {
	m.set(stageEnded)
	failed := m.p.Failed
	if failed > 0 {
		parts := "1 part failed"
		if failed > 1 {
			parts = fmt.Sprintf("%d parts failed", failed)
		}
		if reason == "" {
			reason = "done, " + parts
		} else {
			reason += " (" + parts + ")"
		}
	}
	*m.p = Progress{Stage: stageEnded, Failed: failed, Reason: reason}
	m.tell()
	m.told = true
}

// await asks for the step's effect or fetch and waits.
func (m *machine) await(s *step, delay time.Duration) {
	m.set(stageAwaiting)
	m.p.Address = m.address(s)
	move := Move{}
	if s.kind == kindGet {
		move.Fetch = &PlannedFetch{
			Address: m.p.Address, Connection: s.connection, Action: s.action, Inputs: m.p.Inputs, After: delay, CarryOn: s.carryOn,
		}
	} else {
		move.Effect = &PlannedEffect{
			Address: m.p.Address, Connection: s.connection, Action: s.action, Inputs: m.p.Inputs,
			GoodFor: s.goodFor, Undo: s.undo, Release: s.release, Fresh: s.fresh, CarryOn: s.carryOn,
		}
		if s.askedBy != nil {
			move.Effect.Approval = m.address(s.askedBy)
		}
	}
	m.moves = append(m.moves, move)
	m.told = true
}
