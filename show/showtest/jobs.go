package showtest

import (
	"context"

	"waybill"
)

// bulk is a Book's jobs as show.Jobs. It keeps what it was told and does nothing.
type bulk struct{ *Book }

// PlanJob keeps a job as planned.
func (b bulk) PlanJob(_ context.Context, want *waybill.Job) (*waybill.Job, error) {
	if want.Filter.Empty() {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: "an empty filter would mean everything there is"}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	j := *want
	j.ID, j.State = waybill.JobID(ID("job", len(b.JobList)+1)), waybill.JobPlanned
	b.JobList = append(b.JobList, j)
	return &j, nil
}

// ActOnJob notes the act.
func (b bulk) ActOnJob(ctx context.Context, a waybill.JobAct) (*waybill.Job, error) {
	b.mu.Lock()
	b.JobActs = append(b.JobActs, a)
	b.mu.Unlock()
	return b.Job(ctx, a.Job)
}

// Jobs lists all there are.
func (b bulk) Jobs(context.Context, waybill.ListFilter) ([]waybill.Job, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.JobList, "", nil
}

// Job finds one by its id.
func (b bulk) Job(_ context.Context, id waybill.JobID) (*waybill.Job, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.JobList {
		if b.JobList[i].ID == id {
			return &b.JobList[i], nil
		}
	}
	return nil, missing("job")
}

// JobMembers lists the members that were filled in.
func (b bulk) JobMembers(_ context.Context, id waybill.JobID, f waybill.JobMemberFilter) ([]waybill.JobMember, string, error) {
	var list []waybill.JobMember
	for _, m := range b.JobParts {
		if m.Job == id && (f.Class == "" || m.Class == f.Class) {
			list = append(list, m)
		}
	}
	return list, "", nil
}
