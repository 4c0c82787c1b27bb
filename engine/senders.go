package engine

import (
	"slices"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/record"
)

// sender holds a connection's jobs, a line for each flow. The lines take turns, so that a flow with a long backlog delays
// no other; and a connection that is down holds its own jobs and nobody else's. Lines are bounded: the table has the rest.
type sender struct {
	lines map[string]*line
	order []string // the lines' names, as they take turns
	turn  int
	held  int // jobs in all lines
	timer func()
	at    time.Time
	last  time.Time     // when an exchange ended last
	took  time.Duration // how long it had taken

	riders int // effects that are written as sent, or about to be, and have no slot yet
	aboard int // those of them that stand in the lines, ahead of all others
}

// line is what one flow has to send over a connection, in the order it fell due.
type line struct {
	queue  []*job
	missed bool      // the table has more
	again  time.Time // it is not asked for that before: all it gave last was on its way already
}

// low reports whether it is time to ask the table for more.
func (l *line) low() bool { return len(l.queue) < lineBound/4 }

// lineBound is how many jobs of one flow and connection are held in memory.
const lineBound = 512

func (e *Engine) sender(name string) *sender { // called with mu held
	s := e.senders[name]
	if s == nil {
		s = &sender{lines: map[string]*line{}}
		e.senders[name] = s
	}
	return s
}

func (s *sender) line(flow string) *line {
	l := s.lines[flow]
	if l == nil {
		l = &line{}
		s.lines[flow] = l
		s.order = append(s.order, flow)
	}
	return l
}

// push puts a job at the end of its flow's line; false when the line is full and the table must be asked later.
func (s *sender) push(j *job) bool {
	l := s.line(j.flow())
	if len(l.queue) >= lineBound {
		l.missed = true
		return false
	}
	l.queue = append(l.queue, j)
	s.held++
	return true
}

// board puts a job that was written as sent into its flow's line, behind those that were before it.
func (s *sender) board(j *job) {
	l := s.line(j.flow())
	i := slices.IndexFunc(l.queue, func(j *job) bool { return !j.sent })
	if i < 0 {
		i = len(l.queue)
	}
	l.queue = slices.Insert(l.queue, i, j)
	s.held++
	s.aboard++
}

// alight takes out all jobs that were written as sent.
func (s *sender) alight() []*job {
	var list []*job
	for _, l := range s.lines {
		n := 0
		for n < len(l.queue) && l.queue[n].sent {
			n++
		}
		list = append(list, l.queue[:n]...)
		l.queue = slices.Delete(l.queue, 0, n)
	}
	s.held -= len(list)
	s.off(len(list))
	return list
}

// off takes note that so many jobs that were written as sent left the lines.
func (s *sender) off(n int) {
	s.aboard -= n
	s.riders -= n
}

// ended takes note of an exchange.
func (s *sender) ended(began, now time.Time) { s.last, s.took = now, now.Sub(began) }

// next finds the job whose turn it is: of the first line, from the one whose turn it is on, that has a job fit to go. It
// returns the line's place in order, -1 when there is none, and the job's place in the line.
func (s *sender) next(fit func(*job) bool) (at, i int) {
	const look = 64 // a long line behind one object is not searched to its end
	for k := range s.order {
		at := (s.turn + k) % len(s.order)
		queue := s.lines[s.order[at]].queue
		if i := slices.IndexFunc(queue[:min(look, len(queue))], fit); i >= 0 {
			return at, i
		}
	}
	return -1, 0
}

// job is the one that next found.
func (s *sender) job(at, i int) *job { return s.lines[s.order[at]].queue[i] }

// take takes out the job that next found; the line after its own has the next turn.
func (s *sender) take(at, i int) *job {
	l := s.lines[s.order[at]]
	j := l.queue[i]
	l.queue = slices.Delete(l.queue, i, i+1)
	s.held--
	if j.sent {
		s.off(1)
	}
	s.turn = (at + 1) % len(s.order)
	return j
}

// drop takes out all jobs.
func (s *sender) drop() []*job {
	var list []*job
	for _, l := range s.lines {
		list = append(list, l.queue...)
		l.queue, l.missed = nil, false
	}
	s.held = 0
	s.off(s.aboard)
	return list
}

// behind reports whether jobs wait in the lines or, beyond them, in the table.
func (s *sender) behind() bool { return s.held > 0 || s.more() }

// planned is how many jobs wait in the lines that were not written as sent.
func (s *sender) planned() int { return s.held - s.aboard }

// more reports whether the table has jobs for which a line had no room.
func (s *sender) more() bool {
	return slices.ContainsFunc(s.order, func(flow string) bool { return s.lines[flow].missed })
}

// low reports whether a line that left jobs in the table has room for them again, and takes note that they are asked for.
func (s *sender) low(now time.Time) bool {
	found := false
	for _, l := range s.lines {
		if l.missed && l.low() && !now.Before(l.again) {
			l.missed, found = false, true
		}
	}
	return found
}

// queue hands a job to its connection, or leaves it to the table when its line is full.
func (e *Engine) queue(j *job) {
	if due := j.dueAt(); due.After(e.d.Now()) {
		e.wakeSender(j.connection(), due)
		return
	}
	if j.effect != nil && e.wasRestored().Paused() || !e.claims.take(j.id()) {
		return
	}
	e.mu.Lock()
	pushed := e.sender(j.connection()).push(j)
	e.mu.Unlock()
	if !pushed {
		e.claims.drop(j.id())
		return
	}
	e.pump(j.connection())
}

// pump starts as many of a connection's jobs as its slots, rate and health allow.
func (e *Engine) pump(name string) {
	limits := e.limits(name)
	fit := func(j *job) bool {
		return j.effect == nil || j.sent || !e.restored.Paused() && e.busy[objectKey(j.effect)] == 0
	}
	for e.mayBegin(0, e.today().longest) {
		e.mu.Lock()
		s := e.sender(name)
		if s.low(e.d.Now()) {
			e.d.Go(func() { e.refillSender(name); e.pump(name) })
		}
		at, i := e.nextJob(s, fit)
		if at < 0 {
			if !s.behind() {
				e.governor.CaughtUp(name)
			}
			e.mu.Unlock()
			return
		}
		if j := s.job(at, i); !j.sent && e.rides(s, j, limits) {
			s.riders++
		} else {
			ok, again := e.acquire(name, limits, e.d.Now())
			if !ok {
				e.halt(s, name, limits) // and unlocks
				if !again.IsZero() {
					e.wakeSender(name, again)
				}
				return
			}
			j.slot = true
		}
		j := s.take(at, i)
		if j.effect != nil && !j.sent {
			e.busyObject(j.effect, 1)
		}
		if j.sent {
			e.d.Go(func() { e.exchange(j) }) // under mu: the dispatcher is stopped after the engine
		} else {
			e.d.Go(func() { e.send(j) })
		}
		e.mu.Unlock()
	}
}

// rides reports whether a job of the lines may be written as sent before it has a slot. Called with mu held.
func (e *Engine) rides(s *sender, j *job, limits connector.Limits) bool {
	return j.effect != nil && j.effect.Repeat.Harmless() && j.action != nil && !needsBefore(j.effect, j.action) &&
		!e.ofBulk(j) && e.mayRide(s, j.effect, limits)
}

// halt ends a turn at a connection that takes no call now. What was written as sent goes on waiting where it lacks a slot alone,
// and is put back elsewhere. Called with mu held, which it gives up.
func (e *Engine) halt(s *sender, name string, limits connector.Limits) {
	var back []*job
	if s.aboard > 0 && !e.unbounded(name, limits, e.d.Now()) {
		back = s.alight()
	}
	e.mu.Unlock()
	for _, j := range back {
		e.putBack(j)
	}
}

// nextJob finds the job whose turn it is: of bulk work only when nothing live can go. Called with mu held.
func (e *Engine) nextJob(s *sender, fit func(*job) bool) (at, i int) {
	if len(e.behind) > 0 {
		if at, i = s.next(func(j *job) bool { return !e.ofBulk(j) && fit(j) }); at >= 0 {
			return at, i
		}
	}
	return s.next(fit)
}

// ofBulk reports whether a call is made for bulk work, and so stands behind live work. Called with mu held.
func (e *Engine) ofBulk(j *job) bool {
	var run waybill.RunID
	if j.effect != nil {
		run = j.effect.Run
	} else {
		run = j.fetch.Run
	}
	_, behind := e.behind[run]
	return behind
}

func (e *Engine) limits(name string) connector.Limits {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.limitsOf(name)
}

func (e *Engine) limitsOf(name string) connector.Limits { // called with mu held
	if c := e.current.ws.Connections[name]; c != nil {
		return c.Limits
	}
	return connector.Limits{}
}

// wakeSender asks a connection's sender to look at its table at t, unless it will sooner anyway.
func (e *Engine) wakeSender(name string, t time.Time) {
	if !t.Before(waybill.Held()) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sender(name)
	if e.stopping || s.timer != nil && !s.at.After(t) {
		return
	}
	if s.timer != nil {
		s.timer()
	}
	s.at = t
	s.timer = e.d.At(t, func() {
		e.mu.Lock()
		s.timer = nil
		e.mu.Unlock()
		e.refillSender(name)
		e.pump(name)
	})
}

// refillSenders looks at the tables of every connection that has work there.
func (e *Engine) refillSenders() {
	var names []string
	err := e.view(func(tx *record.Tx) (err error) { names, err = tx.BusyConnections(); return err })
	if err != nil {
		e.log.Error("the connections with work could not be read", "err", err)
		return
	}
	for _, name := range names {
		e.refillSender(name)
		e.pump(name)
	}
}

// refillSender reads from the table the jobs of a connection that are due and not in hand, for each of its lines that has
// room.
func (e *Engine) refillSender(name string) {
	look := e.claims.look()
	defer look.end()
	now := e.d.Now()
	var jobs []*job
	var more []string
	err := e.take(func(tx *record.Tx) error {
		jobs, more = nil, nil
		if e.today().ws.Connections[name] == nil { // a newer version may have it
			if leaves, err := e.leaves(tx); err != nil || leaves {
				return err
			}
		}
		flows, err := tx.BusyFlows(name)
		if err != nil {
			return err
		}
		if e.wasRestored().Paused() {
			flows = nil // reads only, until a person has looked
		}
		for _, flow := range flows {
			room := e.room(name, flow)
			if room == 0 {
				more = append(more, flow)
				continue
			}
			effects, err := tx.DueEffects(name, flow, now, room)
			if err != nil {
				return err
			}
			for i := range effects {
				j := &job{effect: &effects[i]}
				_ = e.complete(j) // who sends it asks again, and says what is missing
				jobs = append(jobs, j)
			}
			if len(effects) >= e.inOneLook(room) {
				more = append(more, flow)
			}
		}
		room := e.room(name, "")
		if room == 0 {
			more = append(more, "")
			return nil
		}
		fetches, err := tx.DueFetches(name, now, room)
		for i := range fetches {
			jobs = append(jobs, &job{fetch: &fetches[i]})
		}
		if len(fetches) >= e.inOneLook(room) {
			more = append(more, "")
		}
		return err
	})
	if err != nil {
		e.log.Error("the work of a connection could not be read", "connection", name, "err", err)
		return
	}
	if again := e.lineUp(name, look, jobs, more); !again.IsZero() {
		e.wakeSender(name, again)
	}
}

// lineUp puts what a look at the table found into a connection's lines; more are those of which the table may have more. It
// returns when to look again for one that is low and got nothing new: all that was read is on its way already.
func (e *Engine) lineUp(name string, look *look, jobs []*job, more []string) (again time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sender(name)
	fresh := map[string]bool{}
	for _, j := range jobs {
		switch {
		case !look.take(j.id()):
		case s.push(j):
			fresh[j.flow()] = true
		default:
			e.claims.drop(j.id())
		}
	}
	for _, flow := range more {
		l := s.line(flow)
		l.missed = true
		if !fresh[flow] && l.low() {
			again = e.d.Now().Add(soon)
			l.again = again
		}
	}
	return again
}

// room is how many jobs a line can take from the table; 0 while it is more than half full, as looking costs as well.
func (e *Engine) room(name, flow string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.sender(name).lines[flow]
	if l == nil {
		return lineBound
	}
	if free := lineBound - len(l.queue); free >= lineBound/2 {
		return free
	}
	return 0
}
