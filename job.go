package waybill

import (
	"slices"
	"time"
)

// JobID names one piece of bulk work: job_….
type JobID string

// JobKind says what a job does to each of its members.
type JobKind string

// The kinds of job.
const (
	JobRetry   JobKind = "retry"    // tries again what needs a person: runs, items, effects
	JobReplay  JobKind = "replay"   // runs flows again for events, on the current version
	JobRemap   JobKind = "remap"    // reads kept items again; joins facts that are known, starts only what is new
	JobPutBack JobKind = "put back" // writes back what was there before confirmed effects, the newest first
)

// JobKinds lists every kind.
var JobKinds = []JobKind{JobRetry, JobReplay, JobRemap, JobPutBack}

// JobState is where a job stands.
type JobState string

// The states of a job. Until it is told to go nothing has happened, but for the members of a trial.
const (
	JobPlanning JobState = "planning" // its members are being gathered and judged
	JobPlanned  JobState = "planned"  // it waits for a person: a trial, go, or stop
	JobRunning  JobState = "running"
	JobPaused   JobState = "paused" // by a person, or by itself after repeated problems
	JobDone     JobState = "done"
	JobStopped  JobState = "stopped" // by a person; what had begun goes on to its end
)

// jobMoves are the legal moves of a job.
var jobMoves = map[JobState][]JobState{
	JobPlanning: {JobPlanned, JobRunning, JobStopped, JobDone},
	JobPlanned:  {JobPlanning, JobRunning, JobStopped},
	JobRunning:  {JobPlanned, JobPaused, JobDone, JobStopped},
	JobPaused:   {JobRunning, JobPlanning, JobStopped},
}

// CanBecome reports whether the move is legal. Done and stopped are ends.
func (s JobState) CanBecome(next JobState) bool { return slices.Contains(jobMoves[s], next) }

// Ended reports whether the job begins nothing more.
func (s JobState) Ended() bool { return s == JobDone || s == JobStopped }

// JobFilter chooses what a job is about. What is set is asked together; a filter with nothing set is refused.
type JobFilter struct {
	Flow       string    `json:"flow,omitempty"`
	Connection string    `json:"connection,omitempty"` // where the event came from; of put back: where was written
	Type       string    `json:"type,omitempty"`       // of the event; of remap: the provider's own word
	State      string    `json:"state,omitempty"`      // of runs; of remap: of items
	Problem    ProblemID `json:"problem,omitempty"`    // what it holds
	Query      string    `json:"query,omitempty"`      // one box, as in the list of events
	Since      time.Time `json:"since,omitzero"`       // accepted, or written, from then on
	Until      time.Time `json:"until,omitzero"`
	IDs        []string  `json:"ids,omitempty"` // of events, runs, items or effects
}

// Empty reports whether the filter chooses nothing in particular, which would mean everything.
func (f JobFilter) Empty() bool {
	return f.Flow == "" && f.Connection == "" && f.Type == "" && f.State == "" && f.Problem == "" && f.Query == "" &&
		f.Since.IsZero() && f.Until.IsZero() && len(f.IDs) == 0
}

// JobChoices are what a person chose beside the filter.
type JobChoices struct {
	Changed   bool `json:"changed,omitzero"`    // also send what was done before with other values, where that only overwrites
	Repeats   int  `json:"repeats,omitzero"`    // so many messages, payments and additions that were done before are done again
	AtOnce    int  `json:"at_once,omitzero"`    // members under way together, at most
	InARow    int  `json:"in_a_row,omitzero"`   // it stops by itself after so many failures of one cause in a row
	Share     int  `json:"share,omitzero"`      // or when more than this share of all failed, in percent …
	AfterSome int  `json:"after_some,omitzero"` // … once so many have ended
}

// JobClass is the verdict of a plan: what would happen with one write, or with a whole member.
type JobClass string

// The classes of a plan, the gravest first. A member counts as the gravest of its writes.
const (
	ClassBlocked JobClass = "blocked" // would repeat, or is not known: not done unless a person says so
	ClassFails   JobClass = "fails"   // would fail again: its cause is still there
	ClassChanged JobClass = "changed" // was done before with other values: overwritten only when chosen
	ClassNew     JobClass = "new"     // would be sent: never was, or is known not to have happened
	ClassSame    JobClass = "same"    // was done with these very values: counted, not sent
	ClassNothing JobClass = "nothing" // nothing would be written
)

// JobClasses lists every class, the gravest first.
var JobClasses = []JobClass{ClassBlocked, ClassFails, ClassChanged, ClassNew, ClassSame, ClassNothing}

// Graver returns the graver of two classes.
func (c JobClass) Graver(other JobClass) JobClass {
	a, b := slices.Index(JobClasses, c), slices.Index(JobClasses, other)
	if a < 0 || b >= 0 && b < a {
		return other
	}
	return c
}

// Job is a piece of bulk work with a name. Nothing of it happens before it was planned and a person let it go.
type Job struct {
	ID        JobID
	Name      string
	Kind      JobKind
	State     JobState
	Reason    string // why it stands so, in words
	Who       string // who made it
	Why       string // that person's reason
	Filter    JobFilter
	Choices   JobChoices
	Bundle    BundleID // the version it was planned on
	Plan      JobPlan
	Whole     bool   // it was told to go; else only what a trial chose is begun
	Go        bool   // it goes as soon as it is planned
	Cursor    string // how far its members were gathered
	Failures  JobFailures
	Counts    JobCounts // read only
	CreatedAt time.Time
	UpdatedAt time.Time
	PlannedAt time.Time // when its plan was finished
	BeganAt   time.Time // when its first member was begun
	EndedAt   time.Time
	DueAt     time.Time // when it has something to do; zero for not by itself
	Version   int       // counts its changes, so that of two at the same time one is told
}

// JobPlan is what a job would do, in figures. It is as true as its date: each member is judged again before it begins.
type JobPlan struct {
	Members int              `json:"members"`
	Classes map[JobClass]int `json:"classes,omitempty"` // of members
	Writes  map[JobClass]int `json:"writes,omitempty"`  // of single writes
	Reads   int              `json:"reads,omitzero"`
	Open    int              `json:"open,omitzero"`     // members whose later steps depend on answers nobody has yet
	Repeats int              `json:"repeats,omitzero"`  // messages, payments and additions that would be repeated
	Doubts  int              `json:"doubts,omitzero"`   // writes that may have been made before the book was restored: they start as unknown
	Amounts map[string]int64 `json:"amounts,omitempty"` // minor units of payments that would be sent, by currency
	// RepeatAmounts are those of payments among what would be repeated.
	RepeatAmounts map[string]int64 `json:"repeat_amounts,omitempty"`
	Unpriced      int              `json:"unpriced,omitzero"`     // payments that would be sent and name no amount: their system decides
	Messages      int              `json:"messages,omitzero"`     // that would be sent
	People        int              `json:"people,omitzero"`       // to so many different ones
	Connections   map[string]int   `json:"connections,omitempty"` // writes that would be sent, by connection
	Seconds       map[string]int   `json:"seconds,omitempty"`     // how long these take, about: at half of what each declares
	Causes        map[string]int   `json:"causes,omitempty"`      // why members would fail or are blocked, by words
}

// JobFailures are what a job needs to know to stop by itself.
type JobFailures struct {
	Ended int    `json:"ended,omitzero"`  // members that ended, since it last went on
	Bad   int    `json:"bad,omitzero"`    // of those, that failed
	Row   int    `json:"row,omitzero"`    // failures in a row …
	Cause string `json:"cause,omitempty"` // … of this cause
}

// JobCounts are how many members stand where.
type JobCounts map[JobMemberState]int

// Of sums the counts of some states; of all when none is named.
func (c JobCounts) Of(states ...JobMemberState) int {
	n := 0
	for s, k := range c {
		if len(states) == 0 || slices.Contains(states, s) {
			n += k
		}
	}
	return n
}

// JobMemberState is where one member of a job stands.
type JobMemberState string

// The states of a member.
const (
	MemberPlanned JobMemberState = "planned"
	MemberChosen  JobMemberState = "chosen"  // for a trial
	MemberBegun   JobMemberState = "begun"   // under way
	MemberWaiting JobMemberState = "waiting" // under way, and waits for a time, a connection or a person's approval
	MemberDone    JobMemberState = "done"
	MemberFailed  JobMemberState = "failed"  // needs a person, on the list like any other
	MemberBlocked JobMemberState = "blocked" // not begun: it would repeat, or has changed since the plan
	MemberSkipped JobMemberState = "skipped" // not begun: nothing to do, would fail again, or not chosen
)

// Ended reports whether nothing more comes of the member.
func (s JobMemberState) Ended() bool {
	return s == MemberDone || s == MemberFailed || s == MemberBlocked || s == MemberSkipped
}

// JobMember is one thing a job is about.
type JobMember struct {
	Job     JobID
	Object  string // run_…, itm_…, eff_…, or evt_…/flow for a replay
	Event   EventID
	State   JobMemberState
	Class   JobClass
	Reason  string // in words: what would happen; later what did
	Cause   string // what it failed by
	Run     RunID  // that was begun for it, or is tried again
	Repeats RunID  // the run it repeats
	Writes  []JobWrite
	Again   []string // addresses of the writes that its plan counts among what would be repeated: no others are
	BegunAt time.Time
	EndedAt time.Time
	SeenAt  time.Time // when it was last looked at while it waits
}

// JobWrite is one write of a member as it was planned.
type JobWrite struct {
	Address     string     `json:"address"`
	Connection  string     `json:"connection"`
	Action      string     `json:"action"`
	Kind        ActionKind `json:"kind,omitempty"`
	Class       JobClass   `json:"class"`
	Words       string     `json:"words,omitempty"`
	Effect      EffectID   `json:"effect,omitempty"` // the one that is there
	Fingerprint string     `json:"fingerprint,omitempty"`
	Old         []byte     `json:"old,omitempty"` // inputs as they were sent, JSON; of changed ones
	New         []byte     `json:"new,omitempty"` // inputs as they would be
	Repeats     bool       `json:"repeats,omitzero"`
	Doubt       bool       `json:"doubt,omitzero"` // it may have been made before the book was restored: it starts as unknown
}

// JobAct is a person pressing a button of a job.
type JobAct struct {
	Who     string
	Verb    JobVerb
	Job     JobID
	Reason  string
	Trial   int  // how many; of VerbJobTrial
	Changed bool // of trial and go: as in JobChoices
	Repeats int
}

// JobVerb is something a person can do with a job.
type JobVerb string

// The verbs.
const (
	VerbJobPlan   JobVerb = "plan" // anew, for what has not begun
	VerbJobTrial  JobVerb = "trial"
	VerbJobGo     JobVerb = "go"
	VerbJobPause  JobVerb = "pause"
	VerbJobResume JobVerb = "resume"
	VerbJobStop   JobVerb = "stop"
)

// JobMemberFilter chooses members of a job, in the order they are worked off.
type JobMemberFilter struct {
	State JobMemberState
	Class JobClass
	After string // cursor: only those after this object
	Limit int    // at most 200, 50 when zero
}
