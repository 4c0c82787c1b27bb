package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"waybill"
	"waybill/record"
)

// Bulk work with a name. A job is planned first, page by page; then a person lets some of it go for a trial, or all of it;
// then it works off its members behind the live work, a few at a time, until it is done, held or stopped. All of it is in
// the book: whoever serves the book carries it on.

// Bounds of jobs.
const (
	jobPage      = 100     // candidates judged together
	mostMembers  = 100_000 // of one job
	inlinePages  = 20      // planned at once while the person waits
	mostIDs      = 1000    // named in a filter
	mostAtOnce   = 64
	mostTrial    = 10
	jobsAtOnce   = 16 // carried on by one process
	soon         = 20 * time.Millisecond
	later        = time.Second
	waitingAfter = time.Minute // under way so long, a member no longer takes a place
)

// The choices of a job that states none.
const (
	defaultAtOnce    = 4
	defaultInARow    = 5
	defaultShare     = 10
	defaultAfterSome = 20
)

func refuse(hint, format string, args ...any) error {
	return &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func cannot(hint, format string, args ...any) error {
	return &waybill.Error{Kind: waybill.Conflict, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// PlanJob makes a job and plans it: nothing of it happens. A large one is still being planned when this returns. Errors:
// Invalid for a filter that chooses nothing in particular, or names what does not exist.
func (e *Engine) PlanJob(ctx context.Context, want *waybill.Job) (*waybill.Job, error) {
	if err := e.lookFirst(); err != nil {
		return nil, err
	}
	job := *want
	job.Name, job.Why = strings.TrimSpace(job.Name), strings.TrimSpace(job.Why)
	if err := e.checkJob(&job); err != nil {
		return nil, err
	}
	if job.Name == "" {
		job.Name = nameOf(&job)
	}
	job.ID = waybill.JobID(e.ids.New("job"))
	job.State, job.Reason, job.Bundle, job.DueAt = waybill.JobPlanning, "its members are being gathered", e.today().id, e.d.Now()
	job.Plan, job.Cursor, job.Whole, job.Failures = waybill.JobPlan{}, "", false, waybill.JobFailures{}
	row := &waybill.Audited{ID: e.ids.New("aud"), At: e.d.Now(), Who: job.Who, Action: "plan job", Object: string(job.ID), Reason: job.Why, After: job.Name}
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		j := job
		if err := tx.PutJob(&j); err != nil {
			return err
		}
		return tx.Audit(row)
	})
	if err != nil {
		return nil, err
	}
	return e.planNow(ctx, job.ID)
}

// planNow plans the first pages at once; what is left comes by itself.
func (e *Engine) planNow(ctx context.Context, id waybill.JobID) (*waybill.Job, error) {
	for range inlinePages {
		more, err := e.planPage(id)
		if err != nil {
			return nil, e.dropPlan(ctx, id, err)
		}
		if !more {
			break
		}
	}
	e.turnJob(id)
	return e.book.Job(ctx, id)
}

// dropPlan ends a job whose plan cannot be made, and returns why.
func (e *Engine) dropPlan(ctx context.Context, id waybill.JobID, why error) error {
	if waybill.KindOf(why) == waybill.Unavailable {
		return why // it goes on by itself
	}
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		j, err := tx.Job(id)
		if err != nil || j.State != waybill.JobPlanning {
			return err
		}
		j.State, j.DueAt, j.Reason = waybill.JobStopped, time.Time{}, "it cannot be planned: "+why.Error()
		return tx.MoveJob(j, waybill.JobPlanning)
	})
	return errors.Join(why, err)
}

// nameOf is a job's name when nobody gave one.
func nameOf(j *waybill.Job) string {
	about := ""
	for _, s := range []string{j.Filter.Flow, string(j.Filter.Problem), j.Filter.Type, j.Filter.Connection, j.Filter.Query} {
		if s != "" && about == "" {
			about = " of " + s
		}
	}
	return strings.ToUpper(string(j.Kind[:1])) + string(j.Kind[1:]) + about
}

// checkJob refuses what cannot be meant.
func (e *Engine) checkJob(j *waybill.Job) error {
	f, ws := j.Filter, e.today().ws
	c := &j.Choices
	switch {
	case !slices.Contains(waybill.JobKinds, j.Kind):
		return refuse("use retry, replay, remap or put back", "there is no job of kind %q", j.Kind)
	case f.Empty():
		return refuse("name a flow, connection, type, time, state, problem, search or ids", "an empty filter would mean everything there is")
	case len(f.IDs) > 0 && f.Problem != "", len(f.IDs) > 0 && f.Query != "", f.Problem != "" && f.Query != "":
		return refuse("name one of them", "ids, a problem and a search are not asked together")
	case f.Flow != "" && j.Kind == waybill.JobRemap:
		return refuse("name a connection, the provider's own type, or a time", "an item is of no flow")
	case len(f.IDs) > mostIDs:
		return refuse("choose them by a flow, a time or a problem", "a filter names at most %d ids", mostIDs)
	case f.Flow != "" && e.today().flow(f.Flow) == nil && j.Kind == waybill.JobReplay:
		return refuse("a replay runs on the version of today; see: waybill check", "the workspace has no flow %q", f.Flow)
	case f.Connection != "" && ws.Connections[f.Connection] == nil && j.Kind == waybill.JobRemap:
		return refuse("see: waybill check", "the workspace has no connection %q", f.Connection)
	case !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until):
		return refuse("", "the time ends before it begins")
	case j.Why == "" && j.Kind != waybill.JobRetry:
		return refuse("say in a few words why; it is kept with your name", "this needs a reason")
	case f.State != "" && !slices.Contains(statesOf(j.Kind), f.State):
		return refuse("use one of: "+strings.Join(statesOf(j.Kind), ", "), "there is no state %q to choose by", f.State)
	case c.AtOnce < 0 || c.AtOnce > mostAtOnce || c.InARow < 0 || c.Share < 0 || c.Share > 100 || c.AfterSome < 0 || c.Repeats < 0:
		return refuse(fmt.Sprintf("at once: 1 to %d; share: 1 to 100", mostAtOnce), "these choices cannot be meant")
	}
	if c.AtOnce == 0 {
		c.AtOnce = defaultAtOnce
	}
	if c.InARow == 0 {
		c.InARow = defaultInARow
	}
	if c.Share == 0 {
		c.Share = defaultShare
	}
	if c.AfterSome == 0 {
		c.AfterSome = defaultAfterSome
	}
	return nil
}

// statesOf are the states that a job's filter may name.
func statesOf(kind waybill.JobKind) []string {
	switch kind {
	case waybill.JobReplay:
		return []string{string(waybill.RunDone), string(waybill.RunBlocked), string(waybill.RunStopped)}
	case waybill.JobRemap:
		return []string{string(waybill.ItemTranslated), string(waybill.ItemNotUsed), string(waybill.ItemBlocked)}
	case waybill.JobRetry:
		return []string{string(waybill.RunBlocked)}
	default:
		return nil
	}
}

// planPage judges the next page of a job that is being planned, and reports whether there is more to plan.
func (e *Engine) planPage(id waybill.JobID) (more bool, err error) {
	var job *waybill.Job
	var objects []string
	var next string
	err = e.view(func(tx *record.Tx) error {
		objects = nil
		if job, err = tx.Job(id); err != nil || job.State != waybill.JobPlanning {
			return err
		}
		var found []record.JobCandidate
		if found, next, err = tx.GatherJob(job, e.typesOf(job), job.Cursor, jobPage); err != nil {
			return err
		}
		for _, c := range found {
			some, err := e.objectsOf(tx, job, c)
			if err != nil {
				return err
			}
			objects = append(objects, some...)
		}
		return nil
	})
	if err != nil || job.State != waybill.JobPlanning {
		return false, err
	}
	list := make([]judged, 0, len(objects))
	for _, object := range objects {
		m, err := e.judge(job, object)
		if err != nil {
			return false, fmt.Errorf("judge %s: %w", object, err)
		}
		list = append(list, m)
	}
	err = e.book.Do(context.Background(), func(tx *record.Tx) error {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		if j.State != waybill.JobPlanning || j.Cursor != job.Cursor {
			more = j.State == waybill.JobPlanning // another node has planned this page
			return nil
		}
		for i := range list {
			if err := addMember(tx, j, &list[i]); err != nil {
				return err
			}
		}
		j.Cursor, j.DueAt = next, e.d.Now()
		if more = next != "" && j.Plan.Members <= mostMembers; !more {
			e.planned(j)
		}
		return tx.MoveJob(j, waybill.JobPlanning)
	})
	return more, err
}

// typesOf are the types of event that a replay of one flow is about.
func (e *Engine) typesOf(j *waybill.Job) []string {
	if f := e.today().flow(j.Filter.Flow); f != nil && j.Kind == waybill.JobReplay {
		return f.On
	}
	return nil
}

// addMember writes a judged member and counts it.
func addMember(tx *record.Tx, j *waybill.Job, m *judged) error {
	row := m.JobMember
	if len(row.Writes) > mostWrites {
		row.Writes = row.Writes[:mostWrites]
	}
	written, err := tx.AddJobMember(&row)
	if err != nil || !written {
		return err
	}
	p := &j.Plan
	p.Members++
	p.Classes = count(p.Classes, m.Class, 1)
	p.Reads += m.reads
	if m.open {
		p.Open++
	}
	for i := range m.Writes {
		w := &m.Writes[i]
		p.Writes = count(p.Writes, w.Class, 1)
		if w.Repeats {
			p.Repeats++
		}
		if w.Doubt {
			p.Doubts++
		}
		if w.Class == waybill.ClassNew || w.Class == waybill.ClassChanged {
			p.Connections = count(p.Connections, w.Connection, 1)
			if w.Kind == waybill.KindMessage {
				p.Messages++
			}
		}
	}
	for currency, minor := range m.amounts {
		p.Amounts = count(p.Amounts, currency, minor)
	}
	for currency, minor := range m.twice {
		p.RepeatAmounts = count(p.RepeatAmounts, currency, minor)
	}
	p.Unpriced += m.blank
	if m.Class == waybill.ClassFails || m.Class == waybill.ClassBlocked {
		if p.Causes[m.Reason] > 0 || len(p.Causes) < 20 {
			p.Causes = count(p.Causes, m.Reason, 1)
		} else {
			p.Causes = count(p.Causes, "other reasons", 1)
		}
	}
	fresh, err := tx.CountJobPeople(j.ID, m.people)
	p.People += fresh
	return err
}

func count[K comparable, N int | int64](m map[K]N, key K, n N) map[K]N {
	if m == nil {
		m = map[K]N{}
	}
	m[key] += n
	return m
}

// planned ends the planning of a job.
func (e *Engine) planned(j *waybill.Job) {
	j.PlannedAt, j.DueAt, j.Cursor = e.d.Now(), time.Time{}, ""
	for name, n := range j.Plan.Connections {
		j.Plan.Seconds = count(j.Plan.Seconds, name, e.secondsFor(j, name, n))
	}
	switch {
	case j.Plan.Members > mostMembers:
		j.State, j.Reason = waybill.JobStopped, fmt.Sprintf("it would be more than %d: choose fewer, by a time or a flow", mostMembers)
	case j.Plan.Members == 0 && j.BeganAt.IsZero():
		j.State, j.Reason = waybill.JobDone, "nothing matches this filter"
	case j.Go:
		j.State, j.Reason, j.Whole, j.BeganAt, j.DueAt = waybill.JobRunning, "", true, e.d.Now(), e.d.Now()
	default:
		j.State, j.Reason = waybill.JobPlanned, "nothing has happened yet"
		if !j.BeganAt.IsZero() {
			j.Reason = "planned anew: what the trial began is done, the rest has not happened yet"
		}
	}
}

// callTime is how long a call is taken to last, for an estimate.
const callTime = 300 * time.Millisecond

// secondsFor estimates how long n writes to a connection take.
func (e *Engine) secondsFor(j *waybill.Job, name string, n int) int {
	rate := float64(e.atOnce(j)) / callTime.Seconds()
	if most := e.limits(name).PerSecond / 2; most > 0 {
		rate = min(rate, most)
	}
	return int(math.Ceil(float64(n) / rate))
}

// ActOnJob does what a person chose for a job and writes it to the audit. Errors: Conflict when the job does not stand
// where this is possible, Invalid for a number that is not the plan's.
func (e *Engine) ActOnJob(ctx context.Context, a waybill.JobAct) (*waybill.Job, error) {
	if err := e.lookFirst(); err != nil {
		return nil, err
	}
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		j, err := tx.Job(a.Job)
		if err != nil {
			return err
		}
		from := j.State
		if err := e.moveJob(tx, j, a); err != nil {
			return err
		}
		if err := tx.MoveJob(j, from); err != nil {
			return err
		}
		row := &waybill.Audited{
			ID: e.ids.New("aud"), At: e.d.Now(), Who: a.Who, Action: string(a.Verb) + " job", Object: string(a.Job), Reason: orElse(a.Reason, j.Why),
			Before: string(from), After: string(j.State),
		}
		return tx.Audit(row)
	})
	if err != nil {
		return nil, err
	}
	if a.Verb == waybill.VerbJobPlan {
		return e.planNow(ctx, a.Job)
	}
	e.turnJob(a.Job)
	return e.book.Job(ctx, a.Job)
}

// moveJob changes a job as a person chose.
func (e *Engine) moveJob(tx *record.Tx, j *waybill.Job, a waybill.JobAct) error {
	now := e.d.Now()
	switch a.Verb {
	case waybill.VerbJobTrial, waybill.VerbJobGo:
		return e.letJobGo(tx, j, a)
	case waybill.VerbJobPause:
		if j.State != waybill.JobRunning {
			return cannot("see: waybill jobs show "+string(j.ID), "the job is %s: only a running one is paused", j.State)
		}
		j.State, j.DueAt, j.Reason = waybill.JobPaused, now, "paused by "+a.Who+because(a.Reason)+"; what has begun goes on to its end"
	case waybill.VerbJobResume:
		if j.State != waybill.JobPaused {
			return cannot("see: waybill jobs show "+string(j.ID), "the job is %s: only a paused one goes on", j.State)
		}
		if e.outdated(j) {
			return planAgain(j)
		}
		j.State, j.DueAt, j.Reason, j.Failures = waybill.JobRunning, now, "", waybill.JobFailures{}
	case waybill.VerbJobStop:
		if j.State.Ended() {
			return cannot("", "the job is %s already", j.State)
		}
		j.State, j.DueAt, j.Reason = waybill.JobStopped, now, "stopped by "+a.Who+because(a.Reason)+"; what has begun goes on to its end"
		return tx.UnchooseJobMembers(j.ID)
	case waybill.VerbJobPlan:
		if j.State != waybill.JobPlanned && j.State != waybill.JobPaused {
			return cannot("pause it first", "the job is %s: only what waits for a person is planned anew", j.State)
		}
		j.State, j.Reason, j.DueAt, j.Cursor = waybill.JobPlanning, "its members are being gathered", now, ""
		j.Plan, j.Bundle, j.Go = waybill.JobPlan{}, e.today().id, false
		return tx.DropJobMembers(j.ID)
	default:
		return refuse("use plan, trial, go, pause, resume or stop", "there is no %q of a job", a.Verb)
	}
	return nil
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// planAgain refuses to go by a plan that was made on another version.
func planAgain(j *waybill.Job) error {
	return cannot("plan it anew: waybill jobs plan --again "+string(j.ID), "the workspace has changed since this plan was made")
}

// outdated reports whether what a job would do now is not what its plan said, because the workspace is another. A retry goes
// on with the version that each of its runs began on.
func (e *Engine) outdated(j *waybill.Job) bool {
	return j.Kind != waybill.JobRetry && j.Bundle != e.today().id
}

// letJobGo lets a trial, or all of a job, begin.
func (e *Engine) letJobGo(tx *record.Tx, j *waybill.Job, a waybill.JobAct) error {
	switch {
	case j.State != waybill.JobPlanned:
		return cannot("see: waybill jobs show "+string(j.ID), "the job is %s: only one that is planned can go", j.State)
	case j.Bundle != e.today().id:
		return planAgain(j)
	case a.Repeats != 0 && j.Plan.Repeats == 0:
		return refuse("leave --repeats out", "the plan counts no messages, payments or additions that would be done again")
	case a.Repeats != 0 && a.Repeats != j.Plan.Repeats:
		return refuse(fmt.Sprintf("say --repeats %d when all of them are to be done again", j.Plan.Repeats),
			"the plan counts %d messages, payments and additions that were done before, not %d", j.Plan.Repeats, a.Repeats)
	}
	now := e.d.Now()
	j.Choices.Changed, j.Choices.Repeats = a.Changed, a.Repeats
	j.State, j.DueAt, j.Reason, j.Failures = waybill.JobRunning, now, "", waybill.JobFailures{}
	if j.BeganAt.IsZero() {
		j.BeganAt = now
	}
	if j.Whole = a.Verb == waybill.VerbJobGo; j.Whole { // a trial after it is a trial again
		return nil
	}
	if a.Trial < 1 || a.Trial > mostTrial {
		return refuse("try one, or ten", "a trial is of 1 to %d", mostTrial)
	}
	classes := []waybill.JobClass{waybill.ClassNew, waybill.ClassSame}
	if a.Changed {
		classes = append([]waybill.JobClass{waybill.ClassChanged}, classes...)
	}
	if a.Repeats > 0 {
		classes = append(classes, waybill.ClassBlocked)
	}
	found, err := tx.ChooseJobMembers(j, classes, a.Trial)
	if err == nil && found == 0 {
		return cannot("see what the plan says: waybill jobs show "+string(j.ID), "nothing of this plan would be done, by what you chose")
	}
	j.Reason = fmt.Sprintf("a trial of %d", found)
	return err
}

// Jobs, Job and JobMembers read what the book holds of jobs.

// Jobs lists jobs, newest first.
func (e *Engine) Jobs(ctx context.Context, f waybill.ListFilter) ([]waybill.Job, string, error) {
	return e.book.Jobs(ctx, f)
}

// Job returns a job with its counts.
func (e *Engine) Job(ctx context.Context, id waybill.JobID) (*waybill.Job, error) {
	return e.book.Job(ctx, id)
}

// JobMembers lists members of a job in the order they are worked off.
func (e *Engine) JobMembers(ctx context.Context, id waybill.JobID, f waybill.JobMemberFilter) ([]waybill.JobMember, string, error) {
	return e.book.JobMembers(ctx, id, f)
}
