// Package engine wires the stages. It reads like the journey of an event:
//
//	takein.go      an arrival is kept, in one transaction with its delivery keys, and answered
//	understand.go  items become events, events start runs in lanes, webhooks settle effects
//	runs.go        a run is taken from one answer to the next; what its moves ask for is written
//	answers.go     where a run stands by the book, and what came of its step
//	send.go        the gate is asked and `sent` written; one exchange is made
//	outcome.go     what the exchange proves is written, and the run goes on
//	fetched.go     what a read came to, and what waited for it
//	strays.go      what stands as sent and is in nobody's hand
//	settle.go      effects in doubt are looked for, recovered after a crash, or asked about
//	proof.go       webhooks and late answers prove effects
//	lists.go       a person's list: what is put on it, and what takes it off
//	waits.go       runs wait for a time or an event, and go on
//	schedule.go    flows that start by themselves
//	health.go      outages are states of connections; problems group what has one cause
//	journey.go     an event's way, as people read it
//	choices.go     what people may do now
//	desk.go        what it does; again.go makes steps and effects anew; retire.go ends a connection that was taken out
//	steps.go       the labelled steps, at which a proof ends the process
//	jobs.go        bulk work with a name: planned, tried, let go, held
//	judge.go       what it would do with each member
//	jobwork.go     how it is worked off behind the live work; replay.go runs flows again; renamed.go knows former names
//	restored.go    what a restored book does not know, and what is held until a person has looked
//	housekeep.go   what is past its time is forgotten
//
// Each of the four transactions (take in, understand, send, outcome) is one act on the book. All work is handed out by
// the Dispatcher: nothing here starts a goroutine or reads a clock, so a whole engine runs in virtual time. The queue is
// the table: what is held in memory is bounded and only a hint of what is due.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/record"
	"waybill/workspace"
)

// Options are what an engine is made of.
type Options struct {
	Book        Book
	Dispatcher  Dispatcher
	IDs         *waybill.IDs
	Environment string
	// Workspace is the one to publish and serve; nil serves the book's current one.
	Workspace *workspace.Workspace
	// Load compiles the content of a bundle.
	Load func(content []byte) (*workspace.Workspace, error)
	// Secret returns the clear value sealed under a name. NotFound when there is none; another error when that cannot be
	// told now.
	Secret func(name string) (string, error)
	// Keep seals the value that took the place of the secret of a name: a refresh token that rotates. Nil keeps it in
	// memory only.
	Keep func(name, value string) error
	// Fresh is Secret as the book has it this moment, where other nodes may have changed it. Seal and Unseal keep what
	// nodes share out of sight in the book. All three are needed only with Node, and for refresh tokens that rotate.
	Fresh  func(name string) (string, error)
	Seal   func(name string, plain []byte) []byte
	Unseal func(name string, sealed []byte) ([]byte, error)
	Caller *deliver.Caller
	Policy deliver.Policy
	// Random gives jitter; a test seeds it.
	Random *rand.Rand
	Log    *slog.Logger
	// Passing is called at each labelled step (Steps); a proof ends the process there. Nil in production.
	Passing func(step string)
	// Backlog bounds the pieces of work of one kind held in memory; default 4,096.
	Backlog int
	// Unscheduled keeps flows with a schedule from starting by themselves: Tick starts them.
	Unscheduled bool
	// Sweep is how often the tables are asked for work that no hint announced: the floor of the promise of progress.
	// Default 2 s.
	Sweep time.Duration
	// Node makes the engine one of several on the book; nil: it has the book to itself.
	Node *NodeOptions
}

// Book is the durable book as the engine uses it; *record.Book is one.
type Book interface {
	// Do runs an act in a transaction and returns once it is on stable storage; what it looks up may be said ahead.
	Do(ctx context.Context, act func(*record.Tx) error, ahead ...record.Ahead) error
	// View reads over one snapshot.
	View(ctx context.Context, read func(*record.Tx) error) error
	// Journey returns the whole way of one event.
	Journey(ctx context.Context, id string) (*waybill.Journey, error)
	// Problems lists problems, newest first.
	Problems(ctx context.Context, f waybill.ListFilter) ([]waybill.Problem, string, error)
	JobBook
	// EraseAgain erases whom a list names, and of people who were erased what has ended since.
	EraseAgain(ctx context.Context, list []waybill.Erasure, who string) (*waybill.ErasedAgain, error)
}

// JobBook reads the book's jobs.
type JobBook interface {
	// Job returns one job, with its counts.
	Job(ctx context.Context, id waybill.JobID) (*waybill.Job, error)
	// Jobs lists jobs, newest first.
	Jobs(ctx context.Context, f waybill.ListFilter) ([]waybill.Job, string, error)
	// JobMembers lists members of a job, in the order they are worked off.
	JobMembers(ctx context.Context, id waybill.JobID, f waybill.JobMemberFilter) ([]waybill.JobMember, string, error)
}

// Engine is the running whole.
type Engine struct {
	o    Options
	book Book
	d    Dispatcher
	ids  *waybill.IDs
	log  *slog.Logger

	mu       sync.Mutex // guards what follows
	versions map[waybill.BundleID]*version
	current  *version
	governor *deliver.Governor
	senders  map[string]*sender
	busy     map[string]int // objects an effect of kind state is being written to
	traffic  map[string]traffic
	pinned   map[string]string          // the account ids learnt at first use
	behind   map[waybill.RunID]struct{} // runs under way for jobs: live work goes before them
	paced    map[string]time.Time       // until when jobs leave a connection to live work
	random   *rand.Rand
	keeping  keeping
	restored *waybill.Restored // nil when the book never was, and before the start
	stopping bool
	idle     func() // cancels the next sweep
	next     func() // cancels the next beat

	waking bool // a look at the tables is on its way
	woken  time.Time

	launch *launch          // holds everything back until the start
	member *member          // nil on a book of one process
	parts  map[string]*part // of the limits of connections, by name; under mu
	taking atomic.Int32     // arrivals on their way into the book
	waits  atomic.Pointer[awaiting]
	claims *claims
	rules  []deliver.Rule
	items  *crew[*piece]
	runs   *crew[waybill.RunID]
}

// New returns an engine over an open book; Start makes it work. Until then it answers questions and does people's acts on
// the book, and hands out nothing: no call is made, no run goes on.
func New(o Options) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Backlog == 0 {
		o.Backlog = 4096
	}
	if o.Passing == nil {
		o.Passing = func(string) {}
	}
	if o.Sweep == 0 {
		o.Sweep = 2 * time.Second
	}
	if o.Random == nil {
		o.Random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) // jitter needs no secrecy
	}
	e := &Engine{
		o: o, book: o.Book, launch: &launch{Dispatcher: o.Dispatcher}, ids: o.IDs, log: o.Log,
		versions: map[waybill.BundleID]*version{},
		senders:  map[string]*sender{},
		busy:     map[string]int{},
		traffic:  map[string]traffic{},
		pinned:   map[string]string{},
		behind:   map[waybill.RunID]struct{}{},
		paced:    map[string]time.Time{},
		parts:    map[string]*part{},
		random:   o.Random,
		claims:   newClaims(),
		rules:    deliver.Rules(),
	}
	e.d = e.launch
	e.waits.Store(&awaiting{})
	if o.Workspace != nil { // served from the start on; Start publishes it
		e.current = e.learn(newVersion(o.Workspace.Bundle, o.Workspace))
	}
	if o.Caller.Keep == nil && o.Keep != nil {
		o.Caller.Keep = e.keep
	}
	e.governor = deliver.NewGovernor(e.jitter)
	if e.o.Policy.Jitter == nil {
		e.o.Policy.Jitter = e.jitterLocked
	}
	e.amongNodes()
	e.items = newCrew(e.d, 4, 32, o.Backlog, e.understand)
	e.items.yield, e.items.refill = e.stepAside, e.refillItems
	e.runs = newCrew(e.d, 2, 16, o.Backlog, e.advanceRuns)
	e.runs.refill = e.refillRuns
	return e, nil
}

func (e *Engine) jitter() float64 { return e.random.Float64() } // called with mu held

func (e *Engine) jitterLocked() float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.random.Float64()
}

// Start publishes the workspace, takes over what the book remembers, settles what a crash left under way, and begins to
// hand out what is due.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	if err := e.watchWaits(); err != nil {
		return fmt.Errorf("take over what runs wait for: %w", err)
	}
	if err := e.restoreConnections(); err != nil {
		return fmt.Errorf("restore connections: %w", err)
	}
	if err := e.afterRestore(); err != nil {
		return fmt.Errorf("look at what a restore leaves open: %w", err)
	}
	e.launch.open()
	if e.member == nil {
		if err := e.recover(); err != nil {
			return fmt.Errorf("recover what was under way: %w", err)
		}
	} else {
		e.beat()
	}
	e.d.Go(func() { e.openSteps("") }) // of which enough was released when the process before this one ended
	if err := e.noteFirstStart(); err != nil {
		return fmt.Errorf("note the first start after a restore: %w", err)
	}
	e.sweep()
	return nil
}

// Stop hands out nothing more. What is under way ends by itself; the dispatcher's Stop waits for it, and then Leave ends
// the lease.
func (e *Engine) Stop() {
	e.mu.Lock()
	e.stopping = true
	if e.idle != nil {
		e.idle()
	}
	if e.next != nil {
		e.next()
	}
	var back []*job
	for _, s := range e.senders {
		back = append(back, s.alight()...)
	}
	e.mu.Unlock()
	for _, j := range back {
		e.putBack(j)
	}
	if e.member != nil {
		e.retire()
	}
}

// sweep asks every queue to look at its table, and comes again.
func (e *Engine) sweep() {
	e.mu.Lock()
	if e.stopping {
		e.mu.Unlock()
		return
	}
	e.idle = e.d.At(e.d.Now().Add(e.o.Sweep), func() { e.d.Go(e.sweep) })
	e.mu.Unlock()
	e.rereadRestored()
	e.lookAround()
	e.probeConnections()
	e.tick()
	e.flushTraffic()
	e.housekeep()
}

// lookAround looks into each queue that may have something.
func (e *Engine) lookAround() {
	var p record.Pending
	now := e.d.Now()
	if err := e.view(func(tx *record.Tx) (err error) { p, err = tx.Pending(now, now.Add(e.o.Sweep)); return err }); err != nil {
		e.log.Error("what is due could not be read", "err", err)
		return
	}
	if p.Items {
		e.refillItems()
	}
	if p.Runs {
		e.refillRuns()
	}
	if p.Calls {
		e.refillSenders()
	}
	if p.Sent {
		e.settleStrays()
		e.settleStranded()
	}
	if p.Sent || p.Looks {
		e.lookForDoubts()
	}
	if p.Jobs {
		e.turnJobs()
	}
}

// intent is one act with what follows it: apply may run more than once and sets its results anew; after runs once it
// is on stable storage; fail when it is refused for good.
type intent struct {
	apply func(tx *record.Tx) error
	ahead record.Ahead // what it looks up, as far as that is known
	after func()
	fail  func(err error)

	// Of several nodes: the epoch it is an act of, 0 for the one this node has; and what is written all the same once
	// that was lost, which after is told by late.
	epoch    int64
	evidence func(tx *record.Tx) error
	late     bool
	of       int64 // the epoch it was tried as
}

// commit writes intents, together when the book takes them so, else each alone: one failing act never takes its
// neighbours with it.
func (e *Engine) commit(intents ...intent) {
	if len(intents) == 0 {
		return
	}
	var standing record.Standing
	var at int
	err := e.book.Do(context.Background(), func(tx *record.Tx) error {
		for at = range intents {
			if err := e.act(tx, &intents[at]); err != nil {
				return err
			}
		}
		standing = tx.Standing()
		return nil
	}, e.foretell(intents))
	if errors.Is(err, errLost) {
		e.lost(intents[at].of)
	} else if err == nil {
		e.heed(standing)
	}
	if err != nil && len(intents) > 1 && waybill.KindOf(err) != waybill.Unavailable {
		for _, in := range intents {
			e.commit(in)
		}
		return
	}
	for _, in := range intents {
		switch {
		case err == nil && in.after != nil:
			in.after()
		case err != nil && in.fail != nil:
			in.fail(err)
		case err != nil:
			e.log.Error("an act was refused", "err", err)
		}
	}
}

// foretell is what intents look up together.
func (e *Engine) foretell(intents []intent) record.Ahead {
	all := intents[0].ahead
	for _, in := range intents[1:] {
		all.Events = append(all.Events, in.ahead.Events...)
		all.Subjects = append(all.Subjects, in.ahead.Subjects...)
		all.Effects = append(all.Effects, in.ahead.Effects...)
		all.Runs = append(all.Runs, in.ahead.Runs...)
	}
	all.Epoch = e.epoch()
	return all
}

// view reads over one snapshot.
func (e *Engine) view(read func(tx *record.Tx) error) error {
	return e.book.View(context.Background(), read)
}

// errNothing ends a read-modify act that found nothing to do.
var errNothing = errors.New("nothing to do")
