package record

import (
	"context"

	"waybill"
)

// Bulk work with a name. The members of a job are rows, so that a job of a hundred thousand needs no memory; each is
// claimed by a conditional update in the transaction that begins it, so that none begins twice whoever asks.

// jobDoc is what is only shown of a job, or judged by whoever read it.
type jobDoc struct {
	Name      string              `json:"name,omitempty"`
	Reason    string              `json:"reason,omitempty"`
	Who       string              `json:"who,omitempty"`
	Why       string              `json:"why,omitempty"`
	Filter    waybill.JobFilter   `json:"filter,omitzero"`
	Choices   waybill.JobChoices  `json:"choices,omitzero"`
	Bundle    waybill.BundleID    `json:"bundle,omitempty"`
	Plan      waybill.JobPlan     `json:"plan,omitzero"`
	Whole     bool                `json:"whole,omitzero"`
	Go        bool                `json:"go,omitzero"`
	Cursor    string              `json:"cursor,omitempty"`
	Failures  waybill.JobFailures `json:"failures,omitzero"`
	PlannedAt int64               `json:"planned_at,omitzero"`
	BeganAt   int64               `json:"began_at,omitzero"`
	EndedAt   int64               `json:"ended_at,omitzero"`
}

func jobText(j *waybill.Job) (string, error) {
	return doc(jobDoc{
		Name: j.Name, Reason: j.Reason, Who: j.Who, Why: j.Why, Filter: j.Filter, Choices: j.Choices, Bundle: j.Bundle,
		Plan: j.Plan, Whole: j.Whole, Go: j.Go, Cursor: j.Cursor, Failures: j.Failures, PlannedAt: ms(j.PlannedAt),
		BeganAt: ms(j.BeganAt), EndedAt: ms(j.EndedAt),
	})
}

const jobColumns = "id, kind, state, due, version, created_at, updated_at, doc"

func scanJob(r row) (waybill.Job, error) {
	var d jobDoc
	err := undoc(r.text(7), &d)
	return waybill.Job{
		ID: waybill.JobID(r.text(0)), Kind: waybill.JobKind(r.text(1)), State: waybill.JobState(r.text(2)), DueAt: at(r.num(3)),
		Version: int(r.num(4)), CreatedAt: at(r.num(5)), UpdatedAt: at(r.num(6)), Name: d.Name, Reason: d.Reason, Who: d.Who,
		Why: d.Why, Filter: d.Filter, Choices: d.Choices, Bundle: d.Bundle, Plan: d.Plan, Whole: d.Whole, Go: d.Go,
		Cursor: d.Cursor, Failures: d.Failures, PlannedAt: at(d.PlannedAt), BeganAt: at(d.BeganAt), EndedAt: at(d.EndedAt),
	}, err
}

// PutJob writes a new job. A filter that chooses nothing in particular is Invalid.
func (tx *Tx) PutJob(j *waybill.Job) error {
	if j.Filter.Empty() {
		return invalid("an empty filter would mean everything there is")
	}
	if j.CreatedAt.IsZero() {
		j.CreatedAt = tx.now
	}
	j.UpdatedAt, j.Version = tx.now, 1
	text, err := jobText(j)
	if err != nil {
		return err
	}
	changed, err := tx.exec(`INSERT INTO jobs (id, kind, state, due, version, created_at, updated_at, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		j.ID, j.Kind, j.State, dueAt(j.DueAt, j.DueAt), j.Version, j.CreatedAt, j.UpdatedAt, text)
	if err == nil && changed == 0 {
		err = conflict("job %s is in the book already", j.ID)
	}
	tx.changed |= jobChanged
	return err
}

// Job returns a job without its counts.
func (tx *Tx) Job(id waybill.JobID) (*waybill.Job, error) {
	j, found, err := one(tx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1", scanJob, id)
	if err == nil && !found {
		err = notFound("job", id)
	}
	return &j, err
}

// MoveJob writes what may change of a job that stands in from, as it was read: one that somebody else has written
// meanwhile is a Conflict, and so is an illegal move.
func (tx *Tx) MoveJob(j *waybill.Job, from waybill.JobState) error {
	if j.State != from && !from.CanBecome(j.State) {
		return conflict("job %s cannot become %q from %q", j.ID, j.State, from)
	}
	j.UpdatedAt = tx.now
	if j.State.Ended() && j.EndedAt.IsZero() {
		j.EndedAt = tx.now
	}
	text, err := jobText(j)
	if err != nil {
		return err
	}
	changed, err := tx.exec(`UPDATE jobs SET state = $4, due = $5, updated_at = $6, doc = $7, version = version + 1
		WHERE id = $1 AND state = $2 AND version = $3`,
		j.ID, from, j.Version, j.State, dueAt(j.DueAt, j.DueAt), j.UpdatedAt, text)
	if err == nil && changed == 0 {
		return tx.elsewhere("job", "SELECT state FROM jobs WHERE id = $1", string(j.ID), from)
	}
	j.Version++
	tx.changed |= jobChanged
	return err
}

// DueJobs lists the jobs that have something to do by now.
func (tx *Tx) DueJobs(limit int) ([]waybill.Job, error) {
	return list(tx, "SELECT "+jobColumns+" FROM jobs WHERE due IS NOT NULL AND due <= $1 ORDER BY due, id LIMIT $2",
		scanJob, tx.now, limit)
}

// JobCounts says how many members of a job stand where.
func (tx *Tx) JobCounts(id waybill.JobID) (waybill.JobCounts, error) {
	out := waybill.JobCounts{}
	err := tx.s.query("SELECT state, count(*) FROM job_members WHERE job = $1 GROUP BY state", []any{string(id)}, func(r row) error {
		out[waybill.JobMemberState(r.text(0))] = int(r.num(1))
		return nil
	})
	return out, tx.note(err)
}

// memberDoc is what is only shown of a member.
type memberDoc struct {
	Reason  string             `json:"reason,omitempty"`
	Cause   string             `json:"cause,omitempty"`
	Repeats waybill.RunID      `json:"repeats,omitempty"`
	Writes  []waybill.JobWrite `json:"writes,omitempty"`
	Again   []string           `json:"again,omitempty"`
}

const jobMemberColumns = "job, object, event, state, class, run, begun_at, ended_at, seen_at, doc"

func scanJobMember(r row) (waybill.JobMember, error) {
	var d memberDoc
	err := undoc(r.text(9), &d)
	return waybill.JobMember{
		Job: waybill.JobID(r.text(0)), Object: r.text(1), Event: waybill.EventID(r.text(2)), State: waybill.JobMemberState(r.text(3)),
		Class: waybill.JobClass(r.text(4)), Run: waybill.RunID(r.text(5)), BegunAt: at(r.num(6)), EndedAt: at(r.num(7)),
		SeenAt: at(r.num(8)), Reason: d.Reason, Cause: d.Cause, Repeats: d.Repeats, Writes: d.Writes,
		Again: d.Again,
	}, err
}

func memberText(m *waybill.JobMember) (string, error) {
	return doc(memberDoc{Reason: m.Reason, Cause: m.Cause, Repeats: m.Repeats, Writes: m.Writes, Again: m.Again})
}

// AddJobMember writes a planned member; false when the job has that object already.
func (tx *Tx) AddJobMember(m *waybill.JobMember) (bool, error) {
	if m.State == "" {
		m.State = waybill.MemberPlanned
	}
	text, err := memberText(m)
	if err != nil {
		return false, err
	}
	changed, err := tx.exec(`INSERT INTO job_members (job, object, event, state, class, run, begun_at, ended_at, seen_at, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		m.Job, m.Object, m.Event, m.State, m.Class, m.Run, m.BegunAt, m.EndedAt, m.SeenAt, text)
	return changed == 1, err
}

// JobMember returns one member.
func (tx *Tx) JobMember(job waybill.JobID, object string) (*waybill.JobMember, error) {
	m, found, err := one(tx, "SELECT "+jobMemberColumns+" FROM job_members WHERE job = $1 AND object = $2", scanJobMember, job, object)
	if err == nil && !found {
		err = notFound("member "+object+" of job", job)
	}
	return &m, err
}

// MoveJobMember writes what may change of a member that stands in from: this is how a member is claimed, and of two who
// do so the second gets a Conflict. One that has not begun moves only while its job runs.
func (tx *Tx) MoveJobMember(m *waybill.JobMember, from waybill.JobMemberState) error {
	if from.Ended() {
		return conflict("member %s of job %s has ended", m.Object, m.Job)
	}
	if m.State.Ended() && m.EndedAt.IsZero() {
		m.EndedAt = tx.now
	}
	if m.State == waybill.MemberBegun && m.BegunAt.IsZero() {
		m.BegunAt = tx.now
	}
	text, err := memberText(m)
	if err != nil {
		return err
	}
	where := ""
	if from == waybill.MemberPlanned || from == waybill.MemberChosen {
		where = " AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = job_members.job AND jobs.state = 'running')"
	}
	changed, err := tx.exec(`UPDATE job_members SET state = $4, class = $5, run = $6, begun_at = $7, ended_at = $8, seen_at = $9,
		doc = $10 WHERE job = $1 AND object = $2 AND state = $3`+where,
		m.Job, m.Object, from, m.State, m.Class, m.Run, m.BegunAt, m.EndedAt, m.SeenAt, text)
	if err == nil && changed == 0 {
		return conflict("member %s of job %s is in other hands, or its job does not run", m.Object, m.Job)
	}
	tx.changed |= jobChanged
	return err
}

// ChooseJobMembers marks the next members of a class for a trial, and returns how many it found.
func (tx *Tx) ChooseJobMembers(job *waybill.Job, classes []waybill.JobClass, n int) (int, error) {
	left := n
	for _, class := range classes {
		text := `UPDATE job_members SET state = 'chosen' WHERE job = $1 AND state = 'planned' AND object IN
			(SELECT object FROM job_members WHERE job = $1 AND state = 'planned' AND class = $2 ORDER BY object` + orderOf(job) + ` LIMIT $3)`
		chosen, err := tx.exec(text, job.ID, class, left)
		if err != nil {
			return 0, err
		}
		if left -= chosen; left == 0 {
			break
		}
	}
	tx.changed |= jobChanged
	return n - left, nil
}

// UnchooseJobMembers takes back what a trial had marked and not begun.
func (tx *Tx) UnchooseJobMembers(id waybill.JobID) error {
	_, err := tx.exec("UPDATE job_members SET state = 'planned' WHERE job = $1 AND state = 'chosen'", id)
	return err
}

// DropJobMembers takes away what has not begun, what was left alone included, to be planned anew, and whom it would have reached.
func (tx *Tx) DropJobMembers(id waybill.JobID) error {
	if _, err := tx.exec("DELETE FROM job_members WHERE job = $1 AND begun_at = 0", id); err != nil {
		return err
	}
	_, err := tx.exec("DELETE FROM job_people WHERE job = $1", id)
	return err
}

// orderOf is the direction in which a job works off its members: what is put back goes from the newest to the oldest.
func orderOf(j *waybill.Job) string {
	if j.Kind == waybill.JobPutBack {
		return " DESC"
	}
	return ""
}

// NextJobMembers lists members of a state in the order of the work. They are found in the index of states first: asked for their rows
// at once, SQLite would rather read through all members in order, those that are done as well.
func (tx *Tx) NextJobMembers(job *waybill.Job, state waybill.JobMemberState, limit int) ([]waybill.JobMember, error) {
	order := " ORDER BY object" + orderOf(job)
	return list(tx, "SELECT "+jobMemberColumns+` FROM job_members WHERE job = $1 AND object IN
		(SELECT object FROM job_members WHERE job = $1 AND state = $2`+order+" LIMIT $3)"+order, scanJobMember, job.ID, state, limit)
}

// WaitingJobMembers lists the waiting members that were not looked at for longest.
func (tx *Tx) WaitingJobMembers(id waybill.JobID, limit int) ([]waybill.JobMember, error) {
	return list(tx, "SELECT "+jobMemberColumns+` FROM job_members WHERE job = $1 AND object IN
		(SELECT object FROM job_members WHERE job = $1 AND state = 'waiting') ORDER BY seen_at, object LIMIT $2`, scanJobMember, id, limit)
}

// JobOfRun returns the job and the member that a run was begun for, the newest; nil when there is none. A job that only planned
// to is none.
func (tx *Tx) JobOfRun(run waybill.RunID) (*waybill.Job, *waybill.JobMember, error) {
	m, found, err := one(tx, "SELECT "+jobMemberColumns+" FROM job_members WHERE run = $1 AND run <> '' AND begun_at > 0 ORDER BY job DESC LIMIT 1",
		scanJobMember, run)
	if err != nil || !found {
		return nil, nil, err
	}
	j, err := tx.Job(m.Job)
	return j, &m, err
}

// CountJobPeople adds those whom a job's messages would reach, and returns how many of them were not known yet.
func (tx *Tx) CountJobPeople(id waybill.JobID, people []string) (int, error) {
	fresh := 0
	for _, p := range people {
		n, err := tx.exec("INSERT INTO job_people (job, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING", id, hash12(p))
		if err != nil {
			return 0, err
		}
		fresh += n
	}
	return fresh, nil
}

// Jobs lists jobs, newest first, by state; "open" for all that have not ended.
func (b *Book) Jobs(ctx context.Context, f waybill.ListFilter) ([]waybill.Job, string, error) {
	all := listing[waybill.Job]{prefix: "job", table: "jobs", columns: jobColumns, scan: scanJob, id: func(j *waybill.Job) string { return string(j.ID) }}
	rows, next, err := all.read(ctx, b, f, func(_ *Tx, w *where) error {
		if f.State == "open" {
			w.and("state <> 'done' AND state <> 'stopped'")
		} else {
			w.equal(map[string]string{"state": f.State})
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	err = b.View(ctx, func(tx *Tx) error {
		for i := range rows {
			if rows[i].Counts, err = tx.JobCounts(rows[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	return rows, next, err
}

// Job returns a job with its counts.
func (b *Book) Job(ctx context.Context, id waybill.JobID) (j *waybill.Job, err error) {
	err = b.View(ctx, func(tx *Tx) error {
		if j, err = tx.Job(id); err != nil {
			return err
		}
		j.Counts, err = tx.JobCounts(id)
		return err
	})
	return j, err
}

// JobMembers lists members of a job in the order they are worked off, and the cursor to the next page. A cursor that is none of
// its members (any more: a plan made anew is another list) is Invalid.
func (b *Book) JobMembers(ctx context.Context, id waybill.JobID, f waybill.JobMemberFilter) (rows []waybill.JobMember, next string, err error) {
	limit := limitOf(f.Limit)
	err = b.View(ctx, func(tx *Tx) error {
		job, err := tx.Job(id)
		if err != nil {
			return err
		}
		var w where
		w.and("job = %s", id)
		w.equal(map[string]string{"state": string(f.State), "class": string(f.Class)})
		if f.After != "" { // ids of several kinds, so it is asked whether it is one of the job's
			if n, err := tx.number("SELECT count(*) FROM job_members WHERE job = $1 AND object = $2", id, f.After); err != nil {
				return err
			} else if n == 0 {
				return noCursor(f.After)
			}
		}
		if f.After != "" && job.Kind == waybill.JobPutBack {
			w.and("object < %s", f.After)
		} else if f.After != "" {
			w.and("object > %s", f.After)
		}
		rows, err = list(tx, "SELECT "+jobMemberColumns+" FROM job_members"+w.text()+" ORDER BY object"+orderOf(job)+w.limit(limit+1),
			scanJobMember, w.args...)
		return err
	})
	rows, next = page(rows, limit, func(m *waybill.JobMember) string { return m.Object })
	return rows, next, err
}
