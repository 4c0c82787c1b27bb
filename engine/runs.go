package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/expr"
	"waybill/flow"
	"waybill/record"
	"waybill/watch"
)

// begun is a run with what its machine needs, as far as this process holds it.
type begun struct {
	run      waybill.Run
	version  *version
	flow     *flow.Flow
	event    *waybill.Event
	data     map[string]any
	progress *flow.Progress
}

// advance is what a turn of a run's machine asks the book to write. It is made by resolve, outside of a transaction
// where it can be, and written by apply inside one; jobs are what may be sent once it is on stable storage.
type advance struct {
	b        *begun
	effect   *waybill.Effect
	action   *connector.Action
	fetch    *waybill.Fetch
	emits    []*opening
	problem  *waybill.Problem
	member   waybill.Member
	rides    bool        // the effect may be written as sent
	slot     bool        // and its connection's slot is in hand
	inside   bool        // the machine runs inside the transaction
	from     *begun      // what it was made from; nothing changes it
	run      waybill.Run // as resolved: where each apply begins
	ask      *waybill.Question
	approved []waybill.Effect // what a person approved with other values
	approver string
	failed   *flow.Answer // a part that failed and that the flow carries on without
	rest     *flow.Rest   // it waits for a time or an event
	redo     *waybill.Act // a person has the effect made again, though its address was written before

	// results of apply, set anew each time it runs
	job  *job
	next waybill.RunID // the run that is now first in the lane
	wake bool          // the run can go on at once: the book had its answer
}

// resolve turns the machine's moves into rows. Rendering happens here: once, when planned.
func (e *Engine) resolve(b *begun, p *flow.Progress, moves []flow.Move) *advance {
	now := e.d.Now()
	nb := *b
	nb.progress = p
	nb.run.Progress = p.Encode()
	nb.run.UpdatedAt = now
	nb.run.Problem = ""
	nb.run.DueAt = time.Time{}
	a := &advance{b: &nb, from: b}
	for _, m := range moves {
		if a.problem != nil {
			break // a move that cannot be made: what comes after it waits for a person, too
		}
		switch {
		case m.Effect != nil:
			e.resolveEffect(a, m.Effect, now)
		case m.Fetch != nil:
			e.resolveFetch(a, m.Fetch, now)
		case m.Emit != nil:
			e.resolveEmit(a, m.Emit, now)
		case m.Done != nil:
			nb.run.State, nb.run.Reason, nb.run.FailedParts = waybill.RunDone, m.Done.Reason, m.Done.FailedParts
			nb.run.EndedAt = now
		case m.Block != nil:
			e.blockRun(a, e.blameStep(b, m.Block))
		case m.Ask != nil:
			e.resolveAsk(a, m.Ask, now)
		case m.Approve != nil:
			e.resolveApproved(a, m.Approve)
		case m.Wait != nil:
			nb.run.State, nb.run.Reason = waybill.RunWaiting, m.Wait.Reason
		case m.Rest != nil:
			e.resolveRest(a, m.Rest, now)
		}
	}
	a.run = nb.run
	return a
}

// blame is why something needs a person, for the problem it joins.
type blame struct {
	cause      waybill.Cause
	connection string
	action     string
	code       string
	words      string
	owner      string
	lesser     bool
}

// problem makes the problem that blame belongs to.
func (e *Engine) problem(b blame, flowName string) *waybill.Problem {
	p := &waybill.Problem{
		Key: watch.Key(b.cause, b.connection, b.action, b.code), Cause: b.cause, Connection: b.connection, Action: b.action,
		Code: b.code, Detail: b.words, Owner: b.owner, Lesser: b.lesser,
	}
	if flowName != "" {
		p.Flows = []string{flowName}
	}
	if b.lesser {
		p.Key += "|lesser" // it never hides in a problem that holds work up, nor the other way round
	}
	p.Title = watch.Title(*p, e.words())
	return p
}

// blockRun puts the run on a person's list.
func (e *Engine) blockRun(a *advance, why blame) {
	run := &a.b.run
	run.State, run.Reason = waybill.RunBlocked, why.words
	if why.owner == "" {
		why.owner = a.b.flow.Owner
	}
	a.problem = e.problem(why, a.b.flow.Name)
	a.member = waybill.Member{Run: run.ID, Event: run.Event, At: e.d.Now()}
}

func (e *Engine) resolveEffect(a *advance, m *flow.PlannedEffect, now time.Time) {
	b := a.b
	target, ok := e.target(m.Connection)
	if !ok {
		e.blockRun(a, blame{
			cause: waybill.MappingWrong, connection: m.Connection, action: m.Action.Name,
			words: gone(m.Connection).Error(),
		})
		return
	}
	eff := &waybill.Effect{
		ID: waybill.EffectID(e.ids.New("eff")), Event: b.event.ID, Flow: b.flow.Name, Address: m.Address, Generation: 1,
		Run: b.run.ID, Connection: m.Connection, Account: target.Account, Action: m.Action.Name, Kind: m.Action.Kind,
		Repeat: m.Action.Repeat, State: waybill.EffectPlanned, Inputs: encode(m.Inputs), Undo: m.Undo, Release: m.Release, Approval: m.Approval, Fresh: m.Fresh,
		PlannedAt: now,
		Order:     orderOf(b.event),
	}
	eff.GoodUntil = goodUntil(b.event, m)
	eff.Fact, _ = deliver.Fact(b.event)
	if err := e.render(target, m.Action, m.Inputs, eff); err != nil {
		e.blockRun(a, blame{cause: waybill.MappingWrong, connection: m.Connection, action: m.Action.Name, words: err.Error()})
		return
	}
	b.run.State, b.run.Reason = waybill.RunWaiting, "waiting for "+m.Connection+"."+m.Action.Name
	a.effect, a.action = eff, m.Action
}

// goodUntil is when an effect of an event makes no sense any more; zero when it always does.
func goodUntil(ev *waybill.Event, p *flow.PlannedEffect) time.Time {
	if p.GoodFor == 0 {
		return time.Time{}
	}
	return ev.AcceptedAt.Add(p.GoodFor)
}

// render freezes the effect's request, with the key of its generation; one that has its key keeps it.
func (e *Engine) render(t *deliver.Target, action *connector.Action, inputs map[string]any, eff *waybill.Effect) error {
	if eff.Key == "" {
		fact := eff.Fact
		if fact == "" {
			fact = string(eff.Event)
		}
		eff.Key = deliver.Key(action, eff, fact)
	}
	t.Planned = eff.PlannedAt
	r, err := deliver.Render(t, action, inputs, eff.Key)
	if err != nil {
		return err
	}
	eff.Request, eff.Fingerprint, eff.Object = r.Request, r.Fingerprint, r.Object
	return nil
}

func (e *Engine) resolveFetch(a *advance, m *flow.PlannedFetch, now time.Time) {
	b := a.b
	target, ok := e.target(m.Connection)
	if !ok {
		e.blockRun(a, blame{
			cause: waybill.MappingWrong, connection: m.Connection, action: m.Action.Name,
			words: fmt.Sprintf("the connection %q is no longer in the workspace", m.Connection),
		})
		return
	}
	r, err := deliver.Render(target, m.Action, m.Inputs, "")
	if err != nil {
		e.blockRun(a, blame{cause: waybill.MappingWrong, connection: m.Connection, action: m.Action.Name, words: err.Error()})
		return
	}
	a.fetch = &waybill.Fetch{
		ID: waybill.FetchID(e.ids.New("fet")), Run: b.run.ID, Address: m.Address, Connection: m.Connection,
		Action: m.Action.Name, State: waybill.FetchPlanned, Inputs: encode(m.Inputs), Request: r.Request, PlannedAt: now,
	}
	if m.After > 0 {
		a.fetch.DueAt = now.Add(m.After)
	}
	a.action = m.Action
	b.run.State, b.run.Reason = waybill.RunWaiting, "waiting for "+m.Connection+"."+m.Action.Name
}

// maxHops bounds how many emits may follow each other from one item.
const maxHops = 8

func (e *Engine) resolveEmit(a *advance, m *flow.Emitted, now time.Time) {
	b := a.b
	def, ok := b.version.ws.Catalogue.Find(m.Type)
	if !ok {
		e.blockBefore(a, blame{cause: waybill.MappingWrong, words: fmt.Sprintf("no event type %q in the catalogue", m.Type)})
		return
	}
	if b.event.Hops >= maxHops {
		e.blockBefore(a, blame{
			cause: waybill.BlockedByRule, code: "hops",
			words: fmt.Sprintf("%s would be the %dth event in a chain of emits; a flow seems to start itself", m.Type, maxHops+1),
		})
		return
	}
	ev := &waybill.Event{
		ID: waybill.EventID(e.ids.New("evt")), Type: m.Type, Noun: def.Noun, Account: b.event.Account,
		Connection: b.event.Connection, FactKey: emittedFact(b.event, b.flow, m),
		Subject: def.SubjectOf(m.Data), Data: encode(m.Data), OccurredAt: b.event.OccurredAt, AcceptedAt: now, Rank: def.Rank,
		Parent: b.event.ID, Hops: b.event.Hops + 1, Bundle: b.version.id, Search: def.Search(m.Data),
	}
	a.emits = append(a.emits, e.open(b.version, ev, m.Data))
}

// emittedFact is the key of what a step of a flow emits of an event: once, however often it runs.
func emittedFact(ev *waybill.Event, f *flow.Flow, m *flow.Emitted) string {
	return string(ev.ID) + "/" + f.Name + "/" + m.Address
}

// emittedBy reads from an emitted event's key which step of which flow it was.
func emittedBy(ev *waybill.Event) (flowName, address string) {
	_, by, _ := strings.Cut(ev.FactKey, "/")
	flowName, address, _ = strings.Cut(by, "/")
	return flowName, address
}

// blockBefore puts the run on a person's list where it stood before this turn of its machine, for a move that cannot be
// made and that leaves nothing in the book to come back to.
func (e *Engine) blockBefore(a *advance, why blame) {
	a.emits, a.effect, a.fetch = nil, nil, nil
	a.b.progress = a.from.progress
	a.b.run.Progress = a.from.progress.Encode()
	e.blockRun(a, why)
}

// machine runs the flow's machine, inside the transaction when it reads the book.
func (e *Engine) machine(b *begun, answer *flow.Answer, r expr.Reads) *advance {
	p, moves := b.flow.Next(b.progress, b.event, b.data, answer, r)
	a := e.resolve(b, p, moves)
	if answer != nil {
		a.approver = answer.By
		if p.Failed > b.progress.Failed {
			a.failed = answer
		}
	}
	return a
}

// ahead runs the flow's machine outside of a transaction, when it needs nothing of the book; nil when it must run inside.
func (e *Engine) ahead(b *begun, answer *flow.Answer) *advance {
	r := &outside{ws: b.version.ws}
	a := e.machine(b, answer, r)
	if r.missed {
		return nil
	}
	return a
}

// apply writes an advance of a run that stands in from; from is empty for a run that is new. It leaves what may be sent
// in a.job.
func (e *Engine) apply(tx *record.Tx, a *advance, from waybill.RunState) error {
	a.job, a.next, a.wake = nil, "", false
	run := a.run
	for _, o := range a.emits {
		if run.Mode == waybill.ModeReplay { // what was told before is that fact, whatever the step is called now
			told, err := toldBefore(tx, a.b.event, a.b.flow, o.event)
			if err != nil {
				return fmt.Errorf("look for %s: %w", o.event.Type, err)
			}
			if told != nil {
				o.event.FactKey = told.FactKey
			}
		}
		if err := e.applyOpening(tx, o); err != nil {
			return fmt.Errorf("emit %s: %w", o.event.Type, err)
		}
	}
	if err := e.applyApproved(tx, a); err != nil {
		return err
	}
	if a.ask != nil {
		q := *a.ask
		if err := tx.PutAsk(&q); err != nil {
			return fmt.Errorf("put the question of %s: %w", q.Address, err)
		}
	}
	problem, member := a.problem, a.member
	if a.effect != nil {
		changed, err := e.applyEffect(tx, a, &run)
		if err != nil {
			return err
		}
		if changed != nil {
			problem, member = changed, waybill.Member{Run: run.ID, Event: run.Event, At: e.d.Now()}
		}
	}
	if a.fetch != nil {
		f := *a.fetch
		if err := tx.PlanFetch(&f); err != nil {
			return fmt.Errorf("plan the fetch of %s: %w", f.Address, err)
		}
		a.job = &job{fetch: &f, action: a.action, b: a.b}
	}
	if err := e.applyRest(tx, a, &run, from); err != nil {
		return err
	}
	if from == waybill.RunBlocked {
		if err := e.unlist(tx, &run, a.from.progress.Address); err != nil {
			return err
		}
	}
	if a.failed != nil {
		if err := e.listPart(tx, a, &run); err != nil {
			return err
		}
	}
	if problem != nil {
		id, err := tx.Raise(problem, member)
		if err != nil {
			return fmt.Errorf("raise the problem: %w", err)
		}
		run.Problem = id
	}
	if from != "" {
		if err := tx.MoveRun(&run, from); err != nil {
			return err
		}
		if err := e.leave(tx, a, run); err != nil {
			return err
		}
	}
	a.b.run = run
	return nil
}

// leave hands the lane on when the run no longer holds it.
func (e *Engine) leave(tx *record.Tx, a *advance, run waybill.Run) error {
	rests := a.rest != nil && run.State == waybill.RunWaiting
	if run.Lane == "" || !rests && a.ask == nil && !run.State.Ended() && (run.State != waybill.RunBlocked || a.b.flow.Hold) {
		return nil
	}
	next, err := e.passLane(tx, run.ID)
	if err != nil {
		return fmt.Errorf("hand the lane on: %w", err)
	}
	a.next = next
	return nil
}

// applyEffect plans the effect; where `sent` may ride along and the gate lets it go, it is written as sent. It
// returns the problem when the address has an effect with another fingerprint.
func (e *Engine) applyEffect(tx *record.Tx, a *advance, run *waybill.Run) (*waybill.Problem, error) {
	eff := *a.effect
	restoring, err := e.doubtFor(tx, a.b.event, a.action, &eff)
	if err != nil {
		return nil, err
	}
	earlier := sending{eff.SentAt, eff.KeyUntil}
	if a.rides && !restoring.Unknown {
		verdict, err := e.askGate(tx, &eff, run)
		if err != nil {
			return nil, err
		}
		if verdict.Verdict == waybill.Go {
			eff.State, eff.SentAt = waybill.EffectSent, e.d.Now()
			if eff.KeyUntil.IsZero() {
				eff.KeyUntil = deliver.KeyUntil(a.action, eff.SentAt)
			}
		}
	}
	planned, fresh, err := e.planEffect(tx, &eff, a.b, a.redo)
	if object, ordered := eff.Writes(); ordered && eff.State == waybill.EffectSent && (err != nil || !fresh) {
		if err := tx.FreeObject(object, eff.ID); err != nil { // it was claimed for one that is not written
			return nil, err
		}
	}
	if waybill.KindOf(err) == waybill.Conflict {
		// The address already has an effect with another fingerprint: neither reused nor sent; a person decides.
		why := blame{
			cause: waybill.WaitingForPerson, connection: eff.Connection, action: eff.Action, code: codeChanged, owner: a.b.flow.Owner,
			words: "this step was done before with other values; a person decides which are right",
		}
		if run.Mode == waybill.ModeReplay {
			why.words = err.Error()
		}
		run.State, run.Reason = waybill.RunBlocked, why.words
		return e.problem(why, a.b.flow.Name), nil
	}
	if err != nil {
		return nil, fmt.Errorf("plan the effect of %s: %w", eff.Address, err)
	}
	if !fresh {
		a.wake = true // shared with another run of this event and flow: go on from what it came to
		return nil, nil
	}
	if restoring.Unknown {
		return e.startUnknown(tx, planned, restoring.Decision, run)
	}
	a.job = &job{effect: planned, action: a.action, b: a.b, sent: planned.State == waybill.EffectSent, epoch: e.epoch(), earlier: earlier}
	return nil, nil
}

// follow does what an applied advance makes possible, once it is on stable storage.
func (e *Engine) follow(a *advance) {
	if a.rides && (a.job == nil || !a.job.sent) {
		e.unreserve(a)
	}
	switch j := a.job; {
	case j == nil:
	case !j.sent:
		e.queue(j)
	default:
		j.slot = a.slot
		e.claims.take(j.id())
		e.goOut(j)
	}
	if a.next != "" {
		e.runs.push(a.next)
	}
	if a.wake {
		e.runs.push(a.b.run.ID)
	} else if a.rest != nil {
		e.soon(&a.b.run)
	}
	for _, o := range a.emits {
		e.followOpening(o)
	}
}

// advanceRuns takes runs on from what the book says: runs whose turn in a lane has come, whose answer was settled
// elsewhere (by a webhook, a look-up, a person), or that a crash left behind.
func (e *Engine) advanceRuns(ids []waybill.RunID) {
	for _, id := range ids {
		var a *advance
		e.commit(intent{
			apply: func(tx *record.Tx) (err error) {
				a, err = e.advanceRun(tx, id)
				return err
			},
			after: func() {
				if a != nil {
					e.o.Passing(stepTaken)
					e.follow(a)
				}
			},
			fail: func(err error) {
				if !errors.Is(err, errNothing) && !errors.Is(err, errLost) {
					e.log.Error("a run could not be taken on", "run", id, "err", err)
				}
			},
		})
	}
}

func (e *Engine) advanceRun(tx *record.Tx, id waybill.RunID) (*advance, error) {
	run, err := tx.Run(id)
	if err != nil {
		return nil, err
	}
	if run.State.Ended() || run.State == waybill.RunBlocked || run.Behind != "" {
		return nil, nil
	}
	b, err := e.load(tx, run)
	if err != nil {
		return nil, e.listBroken(tx, run, err)
	}
	if b.flow.Rests(b.progress) {
		return e.advanceRest(tx, b)
	}
	var answer *flow.Answer
	if address := b.progress.Address; address != "" {
		answer, err = e.answerInBook(tx, b, address)
		if err != nil {
			return nil, err
		}
		if answer == nil {
			return e.sendNow(tx, b)
		}
		if run.State == waybill.RunWaiting { // it may have left its lane
			if turn, err := e.takeTurn(tx, run, b.progress); err != nil || !turn {
				return nil, err
			}
		}
		if b.flow.Asks(b.progress) {
			if err := tx.Clear(waybill.Member{Run: run.ID}); err != nil {
				return nil, err
			}
		}
	}
	a := e.machine(b, answer, readsOf(tx, b))
	return a, e.apply(tx, a, run.State)
}

// refillRuns reads from the table the runs that can go on and that no hint holds.
func (e *Engine) refillRuns() {
	free := e.runs.ask()
	if free == 0 {
		return
	}
	var list []waybill.Run
	err := e.take(func(tx *record.Tx) (err error) { list, err = e.dueRuns(tx, free); return err })
	if err != nil {
		e.log.Error("the runs that are due could not be read", "err", err)
		return
	}
	if len(list) >= e.inOneLook(free) {
		e.runs.more()
	}
	now := e.d.Now()
	for i := range list {
		if list[i].State == waybill.RunWaiting && list[i].DueAt.After(now) {
			e.soon(&list[i])
			continue
		}
		e.runs.push(list[i].ID)
	}
}
