// Package record is the durable book: the only place that knows what has been accepted, decided, sent and settled, and
// the only SQL of it. Everything is written through acts inside one transaction; an act refuses what the rules refuse
// (a second open effect of an address, an illegal move, a second event of one fact), so that no caller can break them.
//
// It promises: after Do returns nil, what the act wrote survives a kill of the process and a power cut; an act that
// fails leaves nothing behind; one failing act never takes its neighbours in the same commit with it.
//
// It must not know connectors, expressions, flows or HTTP.
package record

import (
	"context"
	"time"

	"waybill"
)

// Options tune a book.
type Options struct {
	Now func() time.Time
	IDs *waybill.IDs
	// Inline makes Do run and commit in the caller's goroutine, without the writer's own: for virtual time.
	Inline bool
	// Environment the book is opened for: offline, test or production. A new book takes it; another one is refused.
	Environment string
}

// Book is an open book. It is safe for concurrent use.
type Book struct{}

// Open opens or creates the book at dsn: sqlite:PATH, or sqlite::memory: for one that ends with the process.
func Open(ctx context.Context, dsn string, o Options) (*Book, error) { panic("unwritten") }

// Close waits for what is under way and closes the book.
func (b *Book) Close() error { panic("unwritten") }

// Do runs act in a transaction and returns once it is on stable storage. Acts of several callers share a commit. An act
// may be run more than once (after a neighbour failed), so it must depend on nothing but the Tx and its own inputs,
// and set its results anew each time. After a failed commit the book refuses with Unavailable until it has reopened.
func (b *Book) Do(ctx context.Context, act func(*Tx) error) error { panic("unwritten") }

// View runs read over one snapshot.
func (b *Book) View(ctx context.Context, read func(*Tx) error) error { panic("unwritten") }

// Watch returns a channel that gets the kinds of thing that changed after commits ("event", "run", "effect", "problem",
// "connection", "item", "rejection"), merged when the reader is slow, and a function to stop.
func (b *Book) Watch() (<-chan []string, func()) { panic("unwritten") }

// Tx is one transaction. It is valid only inside the function it was given to.
type Tx struct{}

// --- take in ---

// TakeIn keeps an arrival with its items. Ids of arrival and items are given by the caller. An item whose delivery key
// (account, key) is known and still counts is written as not used, a duplicate of the first; its bytes are kept only if
// they differ. Items that come in already blocked or not used stay so. Accepted is the time of the commit's act.
func (tx *Tx) TakeIn(a *waybill.Arrival) (waybill.Receipt, error) { panic("unwritten") }

// CountRejections adds to the counts by connection, reason and hour, and keeps at most 200 samples in all.
func (tx *Tx) CountRejections(list []waybill.Rejection) error { panic("unwritten") }

// --- understand ---

// Item returns an item; Body its arrival's bytes; Arrival the arrival without its body.
func (tx *Tx) Item(id waybill.ItemID) (*waybill.Item, error)          { panic("unwritten") }
func (tx *Tx) Arrival(id waybill.ArrivalID) (*waybill.Arrival, error) { panic("unwritten") }
func (tx *Tx) Body(id waybill.ArrivalID) ([]byte, error)              { panic("unwritten") }

// MoveItem writes State, Reason, Events, Problem and DueAt of an item that stands in from. An illegal move or another
// standing state is a Conflict.
func (tx *Tx) MoveItem(it *waybill.Item, from waybill.ItemState) error { panic("unwritten") }

// PutEvent writes a new event with its fact key and search keys. When the fact key (account, type, key) is known it writes
// evidence for the first event instead, and returns that one's id and false.
func (tx *Tx) PutEvent(e *waybill.Event) (waybill.EventID, bool, error) { panic("unwritten") }

// SetConsidered replaces the considerations of an event.
func (tx *Tx) SetConsidered(id waybill.EventID, list []waybill.Consideration) error {
	panic("unwritten")
}

// Event returns an event.
func (tx *Tx) Event(id waybill.EventID) (*waybill.Event, error) { panic("unwritten") }

// TouchSubject finds the subject by any alias of its type, or makes it; adds the aliases; and takes over fields when the
// fact is not older than the one it has (FactTime, then Rank). Two subjects found by different aliases are merged.
func (tx *Tx) TouchSubject(s *waybill.Subject) (waybill.SubjectID, error) { panic("unwritten") }

// Pair keeps a pairing (both ways); PairedID finds the other side's id.
func (tx *Tx) Pair(p waybill.Pairing) error                            { panic("unwritten") }
func (tx *Tx) PairedID(typ, from, id, to string) (string, bool, error) { panic("unwritten") }

// --- runs and lanes ---

// PutRun writes a new run, entering its lane if it names one. It returns the run it queues behind, empty when it is
// first. One live run for an event and flow: a second one is a Conflict.
func (tx *Tx) PutRun(r *waybill.Run) (behind waybill.RunID, err error) { panic("unwritten") }

// Run returns a run.
func (tx *Tx) Run(id waybill.RunID) (*waybill.Run, error) { panic("unwritten") }

// MoveRun writes State, Reason, Progress, FailedParts, Problem, DueAt, EndedAt of a run that stands in from. A run that
// stays in its state is written too.
func (tx *Tx) MoveRun(r *waybill.Run, from waybill.RunState) error { panic("unwritten") }

// LeaveLane takes a run out of its lane and returns the run that is now first, empty when none is waiting there.
func (tx *Tx) LeaveLane(id waybill.RunID) (waybill.RunID, error) { panic("unwritten") }

// RunsOf returns the runs of an event.
func (tx *Tx) RunsOf(id waybill.EventID) ([]waybill.Run, error) { panic("unwritten") }

// --- effects and fetches ---

// PlanEffect writes a new effect, planned; or already sent, when its grade makes a repeat harmless (key, natural): others
// are refused so. When the address (event, flow, address) already has one: the same fingerprint returns that one and
// false; another fingerprint is a Conflict while it is open or confirmed. A new generation is written only when the
// last is declined, skipped, or known not to have happened, or again says a person deliberately sends again.
func (tx *Tx) PlanEffect(e *waybill.Effect, again bool) (*waybill.Effect, bool, error) {
	panic("unwritten")
}

// Effect returns an effect; EffectByKey the newest of a connection with our reference; EffectsOf those of a run.
func (tx *Tx) Effect(id waybill.EffectID) (*waybill.Effect, error)         { panic("unwritten") }
func (tx *Tx) EffectByKey(connection, key string) (*waybill.Effect, error) { panic("unwritten") }
func (tx *Tx) EffectsOf(run waybill.RunID) ([]waybill.Effect, error)       { panic("unwritten") }

// MoveEffect writes what may change of an effect that stands in from (all but its identity, inputs, request and
// fingerprint). An illegal move or another standing state is a Conflict. Staying in the state is allowed.
func (tx *Tx) MoveEffect(e *waybill.Effect, from waybill.EffectState) error { panic("unwritten") }

// EditEffect replaces inputs, request, fingerprint and key of a planned effect, or of a declined one that becomes planned:
// a person's edit.
func (tx *Tx) EditEffect(e *waybill.Effect, from waybill.EffectState) error { panic("unwritten") }

// Stamp returns the stamp of the newest fact written to an object of an account, and the effect that wrote it.
func (tx *Tx) Stamp(account, object, key string) (waybill.Stamp, waybill.EffectID, error) {
	panic("unwritten")
}

// SetStamp notes that an effect wrote a fact to an object.
func (tx *Tx) SetStamp(account, object, key string, s waybill.Stamp, by waybill.EffectID) error {
	panic("unwritten")
}

// AddAttempt writes an exchange, whole.
func (tx *Tx) AddAttempt(a *waybill.Attempt) error { panic("unwritten") }

// PlanFetch writes a new fetch; Fetch returns one; MoveFetch writes its outcome.
func (tx *Tx) PlanFetch(f *waybill.Fetch) error                          { panic("unwritten") }
func (tx *Tx) Fetch(id waybill.FetchID) (*waybill.Fetch, error)          { panic("unwritten") }
func (tx *Tx) MoveFetch(f *waybill.Fetch, from waybill.FetchState) error { panic("unwritten") }

// FetchesOfItem returns the fetches of an item.
func (tx *Tx) FetchesOfItem(id waybill.ItemID) ([]waybill.Fetch, error) { panic("unwritten") }

// PutMessage writes or advances a message; a state that would go back is left as it is.
func (tx *Tx) PutMessage(m *waybill.Message) error { panic("unwritten") }

// --- problems ---

// Raise adds a member to the open problem with p.Key, making it (or reopening a fixed one as regressed) when there is none.
func (tx *Tx) Raise(p *waybill.Problem, m waybill.Member) (waybill.ProblemID, error) {
	panic("unwritten")
}

// Clear takes a member (one id set) out of whatever problem holds it; a problem without members becomes fixed.
func (tx *Tx) Clear(m waybill.Member) error { panic("unwritten") }

// Problem returns a problem with its members; SetProblem writes owner and state.
func (tx *Tx) Problem(id waybill.ProblemID) (*waybill.ProblemView, error) { panic("unwritten") }
func (tx *Tx) SetProblem(p *waybill.Problem) error                        { panic("unwritten") }

// --- connections, bundles, settings ---

// ConnectionState returns what is remembered of a connection (a working one when nothing is), SetConnectionState writes it.
func (tx *Tx) ConnectionState(name string) (*waybill.ConnectionState, error) { panic("unwritten") }
func (tx *Tx) SetConnectionState(s *waybill.ConnectionState) error           { panic("unwritten") }

// PublishBundle keeps a workspace's content under its hash and makes it current. Bundle returns one, Current the newest.
func (tx *Tx) PublishBundle(id waybill.BundleID, content []byte) error { panic("unwritten") }
func (tx *Tx) Bundle(id waybill.BundleID) ([]byte, error)              { panic("unwritten") }
func (tx *Tx) CurrentBundle() (waybill.BundleID, error)                { panic("unwritten") }

// Setting and SetSetting keep small named values (environment, desk values, the sign-in link's hash…).
func (tx *Tx) Setting(name string) ([]byte, error)        { panic("unwritten") }
func (tx *Tx) SetSetting(name string, value []byte) error { panic("unwritten") }

// Secret values are kept sealed; the book never sees them in clear.
func (tx *Tx) Secret(name string) (sealed []byte, err error) { panic("unwritten") }
func (tx *Tx) SetSecret(name string, sealed []byte) error    { panic("unwritten") }
func (tx *Tx) DeleteSecret(name string) error                { panic("unwritten") }
func (tx *Tx) SecretNames() ([]string, error)                { panic("unwritten") }

// DeskValue is a row an operator added to a table that is kept: desk.
func (tx *Tx) DeskValue(table, key string) (string, bool, error) { panic("unwritten") }
func (tx *Tx) SetDeskValue(table, key, value, who string) error  { panic("unwritten") }

// Audit writes an act of a person.
func (tx *Tx) Audit(a *waybill.Audited) error { panic("unwritten") }

// --- work that is due: the queue is the table ---

// Due lists ids that are due at now, oldest first, after the cursor (an id; empty: from the start), at most limit.
func (tx *Tx) DueItems(now time.Time, limit int) ([]waybill.Item, error) { panic("unwritten") }
func (tx *Tx) DueRuns(now time.Time, limit int) ([]waybill.Run, error)   { panic("unwritten") }

// DueEffects lists planned effects of a connection that are due, oldest first; DueLooks those sent or unknown whose next
// look-up is due; SentEffects every effect that stands as sent (for the start after a crash).
func (tx *Tx) DueEffects(connection string, now time.Time, limit int) ([]waybill.Effect, error) {
	panic("unwritten")
}
func (tx *Tx) DueLooks(now time.Time, limit int) ([]waybill.Effect, error) { panic("unwritten") }
func (tx *Tx) SentEffects(after waybill.EffectID, limit int) ([]waybill.Effect, error) {
	panic("unwritten")
}
func (tx *Tx) DueFetches(connection string, now time.Time, limit int) ([]waybill.Fetch, error) {
	panic("unwritten")
}

// BusyConnections names the connections with planned effects or fetches, and NextDue the earliest time at which anything
// that is not due yet becomes due; zero when nothing waits for a time.
func (tx *Tx) BusyConnections() ([]string, error)         { panic("unwritten") }
func (tx *Tx) NextDue(after time.Time) (time.Time, error) { panic("unwritten") }

// --- what people see (also on Book, each over one snapshot) ---

func (b *Book) Overview(ctx context.Context, since time.Time) (*waybill.Overview, error) {
	panic("unwritten")
}
func (b *Book) Events(ctx context.Context, f waybill.EventFilter) (rows []waybill.EventRow, next string, err error) {
	panic("unwritten")
}
func (b *Book) Items(ctx context.Context, f waybill.ListFilter) ([]waybill.Item, string, error) {
	panic("unwritten")
}
func (b *Book) Runs(ctx context.Context, f waybill.ListFilter) ([]waybill.Run, string, error) {
	panic("unwritten")
}
func (b *Book) Effects(ctx context.Context, f waybill.ListFilter) ([]waybill.Effect, string, error) {
	panic("unwritten")
}
func (b *Book) Problems(ctx context.Context, f waybill.ListFilter) ([]waybill.Problem, string, error) {
	panic("unwritten")
}
func (b *Book) Problem(ctx context.Context, id waybill.ProblemID) (*waybill.ProblemView, error) {
	panic("unwritten")
}
func (b *Book) Rejections(ctx context.Context, f waybill.ListFilter) ([]waybill.Rejection, string, error) {
	panic("unwritten")
}
func (b *Book) Connections(ctx context.Context) ([]waybill.ConnectionFigures, error) {
	panic("unwritten")
}

// Journey finds the whole way of an event by any id on it (evt_, itm_, arr_, run_, eff_, fet_).
func (b *Book) Journey(ctx context.Context, id string) (*waybill.Journey, error) { panic("unwritten") }
func (b *Book) AuditLog(ctx context.Context, f waybill.ListFilter) ([]waybill.Audited, string, error) {
	panic("unwritten")
}
