package recordtest

import (
	"slices"
	"sync"
	"time"

	"waybill"
	"waybill/record"
)

// job writes a planned job with members of the classes given, in order of their objects.
func (k *kit) job(kind waybill.JobKind, classes ...waybill.JobClass) *waybill.Job {
	k.Helper()
	j := &waybill.Job{
		ID: waybill.JobID(k.ids.New("job")), Name: "mend them", Kind: kind, State: waybill.JobPlanned, Who: "asha", Why: "the mapping was wrong",
		Filter: waybill.JobFilter{Flow: "payment-to-crm"},
	}
	k.do(func(tx *record.Tx) error {
		c := *j
		if err := tx.PutJob(&c); err != nil {
			return err
		}
		for i, class := range classes {
			m := waybill.JobMember{Job: j.ID, Object: nth("evt", i), Event: "evt_1", Class: class}
			if _, err := tx.AddJobMember(&m); err != nil {
				return err
			}
		}
		return nil
	})
	return k.jobNow(j.ID)
}

func (k *kit) jobNow(id waybill.JobID) *waybill.Job {
	k.Helper()
	return must[*waybill.Job](k)(k.book.Job(k.Context(), id))
}

// moveJob brings a job as it stands now to another state.
func (k *kit) moveJob(id waybill.JobID, to waybill.JobState) {
	k.Helper()
	k.do(func(tx *record.Tx) error {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		from := j.State
		j.State = to
		return tx.MoveJob(j, from)
	})
}

func (k *kit) jobMembers(id waybill.JobID, f waybill.JobMemberFilter) []string {
	k.Helper()
	rows, _, err := k.book.JobMembers(k.Context(), id, f)
	if err != nil {
		k.Fatal(err)
	}
	out := []string{}
	for _, m := range rows {
		out = append(out, m.Object)
	}
	return out
}

// gathered goes through all that a job's filter chooses, in pages.
func (k *kit) gathered(kind waybill.JobKind, f waybill.JobFilter, types ...string) []string {
	k.Helper()
	out := []string{}
	cursor := ""
	for range 1000 {
		k.read(func(tx *record.Tx) error {
			found, next, err := tx.GatherJob(&waybill.Job{Kind: kind, Filter: f}, types, cursor, 2)
			for _, c := range found {
				out = append(out, c.Object)
			}
			cursor = next
			return err
		})
		if cursor == "" {
			return out
		}
	}
	k.Fatal("the gathering does not end")
	return nil
}

var jobCases = []testCase{
	{"a job is found again whole", func(k *kit) {
		j := &waybill.Job{
			ID: waybill.JobID(k.ids.New("job")), Name: "mend them", Kind: waybill.JobReplay, State: waybill.JobPlanning, Reason: "its members are gathered",
			Who: "asha", Why: "the mapping was wrong", Bundle: "b1", Whole: true, Go: true, Cursor: "|7", DueAt: k.now,
			Filter:    waybill.JobFilter{Flow: "f", Connection: "c", Type: "t", State: "done", Problem: "prb_1", Query: "q", Since: k.now, Until: k.now.Add(time.Hour), IDs: []string{"evt_1"}},
			Choices:   waybill.JobChoices{Changed: true, Repeats: 2, AtOnce: 3, InARow: 4, Share: 5, AfterSome: 6},
			Plan:      waybill.JobPlan{Members: 7, Classes: map[waybill.JobClass]int{waybill.ClassNew: 7}, Amounts: map[string]int64{"INR": 129900}, People: 3},
			Failures:  waybill.JobFailures{Ended: 3, Bad: 2, Row: 1, Cause: "too slow"},
			PlannedAt: k.now, BeganAt: k.now.Add(time.Second), EndedAt: k.now.Add(time.Minute),
		}
		k.do(func(tx *record.Tx) error { return tx.PutJob(j) })
		got := *k.jobNow(j.ID)
		got.Counts = nil
		same(k, "job", got, *j)
		m := waybill.JobMember{
			Job: j.ID, Object: "evt_1/f", Event: "evt_1", State: waybill.MemberPlanned, Class: waybill.ClassChanged, Reason: "changed", Cause: "too slow",
			Run: "run_2", Repeats: "run_1", BegunAt: k.now, EndedAt: k.now.Add(time.Second), SeenAt: k.now.Add(time.Minute),
			Writes: []waybill.JobWrite{{Address: "won", Connection: "crm", Action: "deal.update", Class: waybill.ClassChanged, Old: []byte(`{"a":1}`), New: []byte(`{"a":2}`)}},
		}
		k.do(func(tx *record.Tx) error {
			written, err := tx.AddJobMember(&m)
			same(k, "written", written, true)
			return err
		})
		k.read(func(tx *record.Tx) error {
			same(k, "member", *must[*waybill.JobMember](k)(tx.JobMember(j.ID, m.Object)), m)
			job, member, err := tx.JobOfRun("run_2")
			same(k, "by its run", []any{job.ID, member.Object}, []any{j.ID, m.Object})
			return err
		})
		later := k.job(waybill.JobRetry)
		k.do(func(tx *record.Tx) error {
			_, err := tx.AddJobMember(&waybill.JobMember{Job: later.ID, Object: "run_2", Run: "run_2", Class: waybill.ClassNew})
			return err
		})
		k.read(func(tx *record.Tx) error {
			job, _, err := tx.JobOfRun("run_2")
			same(k, "a job that only planned to try it again has not begun it", job.ID, j.ID)
			return err
		})
	}},
	{"a job with an empty filter is refused", func(k *kit) {
		k.refused(waybill.Invalid, func(tx *record.Tx) error {
			return tx.PutJob(&waybill.Job{ID: "job_1", Kind: waybill.JobReplay, State: waybill.JobPlanning})
		})
	}},
	{"a job moves only as the table says, and of two who move it the second is told", func(k *kit) {
		j := k.job(waybill.JobRetry)
		stale := *j
		k.moveJob(j.ID, waybill.JobRunning)
		stale.State = waybill.JobRunning
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveJob(&stale, waybill.JobPlanned) })
		k.refused(waybill.Conflict, func(tx *record.Tx) error { c := stale; c.Version = 99; return tx.MoveJob(&c, waybill.JobRunning) })
		k.moveJob(j.ID, waybill.JobStopped)
		now := k.jobNow(j.ID)
		same(k, "ended", now.EndedAt.IsZero(), false)
		now.State = waybill.JobRunning
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveJob(now, waybill.JobStopped) })
	}},
	{"a member is in a job once", func(k *kit) {
		j := k.job(waybill.JobRetry, waybill.ClassNew)
		k.do(func(tx *record.Tx) error {
			written, err := tx.AddJobMember(&waybill.JobMember{Job: j.ID, Object: nth("evt", 0), Class: waybill.ClassSame})
			same(k, "written", written, false)
			return err
		})
		same(k, "counts", k.jobNow(j.ID).Counts, waybill.JobCounts{waybill.MemberPlanned: 1})
	}},
	{"a member is claimed once, however many try at the same time", func(k *kit) {
		j := k.job(waybill.JobRetry, waybill.ClassNew)
		k.moveJob(j.ID, waybill.JobRunning)
		won := 0
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				err := k.book.Do(background(), func(tx *record.Tx) error {
					m := waybill.JobMember{Job: j.ID, Object: nth("evt", 0), State: waybill.MemberBegun, Class: waybill.ClassNew}
					return tx.MoveJobMember(&m, waybill.MemberPlanned)
				})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if waybill.KindOf(err) != waybill.Conflict {
					k.Error(err)
				}
			})
		}
		all.Wait()
		same(k, "claims", won, 1)
	}},
	{"nothing begins while its job does not run", func(k *kit) {
		j := k.job(waybill.JobRetry, waybill.ClassNew)
		begin := func(tx *record.Tx) error {
			return tx.MoveJobMember(&waybill.JobMember{Job: j.ID, Object: nth("evt", 0), State: waybill.MemberBegun}, waybill.MemberPlanned)
		}
		k.refused(waybill.Conflict, begin)
		k.moveJob(j.ID, waybill.JobRunning)
		k.moveJob(j.ID, waybill.JobPaused)
		k.refused(waybill.Conflict, begin)
		k.moveJob(j.ID, waybill.JobRunning)
		k.do(begin)
		k.moveJob(j.ID, waybill.JobStopped)
		k.do(func(tx *record.Tx) error { // what had begun still ends
			return tx.MoveJobMember(&waybill.JobMember{Job: j.ID, Object: nth("evt", 0), State: waybill.MemberDone}, waybill.MemberBegun)
		})
		k.refused(waybill.Conflict, func(tx *record.Tx) error {
			return tx.MoveJobMember(&waybill.JobMember{Job: j.ID, Object: nth("evt", 0), State: waybill.MemberBegun}, waybill.MemberDone)
		})
	}},
	{"a trial chooses the first of the classes it is asked for", func(k *kit) {
		for kind, want := range map[waybill.JobKind][]string{
			waybill.JobReplay:  {nth("evt", 2), nth("evt", 4), nth("evt", 1)},
			waybill.JobPutBack: {nth("evt", 4), nth("evt", 2), nth("evt", 3)},
		} {
			j := k.job(kind, waybill.ClassBlocked, waybill.ClassSame, waybill.ClassNew, waybill.ClassSame, waybill.ClassNew)
			k.do(func(tx *record.Tx) error {
				n, err := tx.ChooseJobMembers(j, []waybill.JobClass{waybill.ClassNew, waybill.ClassSame}, 3)
				same(k, "found", n, 3)
				return err
			})
			got := k.jobMembers(j.ID, waybill.JobMemberFilter{State: waybill.MemberChosen})
			same(k, "as many", len(got), 3)
			for _, object := range want {
				same(k, object+" chosen", slices.Contains(got, object), true)
			}
			k.do(func(tx *record.Tx) error { return tx.UnchooseJobMembers(j.ID) })
			same(k, "taken back", k.jobNow(j.ID).Counts, waybill.JobCounts{waybill.MemberPlanned: 5})
		}
	}},
	{"members come in the order of the work, page by page", func(k *kit) {
		j := k.job(waybill.JobReplay, waybill.ClassNew, waybill.ClassSame, waybill.ClassNew, waybill.ClassNew)
		first, next, err := k.book.JobMembers(k.Context(), j.ID, waybill.JobMemberFilter{Limit: 2})
		same(k, "no error", err, nil)
		same(k, "first", []string{first[0].Object, first[1].Object}, []string{nth("evt", 0), nth("evt", 1)})
		same(k, "second", k.jobMembers(j.ID, waybill.JobMemberFilter{Limit: 2, After: next}), []string{nth("evt", 2), nth("evt", 3)})
		other := k.job(waybill.JobRetry, waybill.ClassNew, waybill.ClassNew, waybill.ClassNew, waybill.ClassNew, waybill.ClassNew)
		for what, cursor := range map[string]string{"unreadable": "%', 1 --", "none": "zzz", "of nothing": "evt_nobody", "another job's": nth("evt", 4), "the job itself": string(j.ID)} {
			_, _, err := k.book.JobMembers(k.Context(), j.ID, waybill.JobMemberFilter{After: cursor})
			same(k, "a cursor that is "+what, waybill.KindOf(err), waybill.Invalid)
		}
		same(k, "the other's is a place in the other", k.jobMembers(other.ID, waybill.JobMemberFilter{After: nth("evt", 3)}), []string{nth("evt", 4)})
		same(k, "of a class", k.jobMembers(j.ID, waybill.JobMemberFilter{Class: waybill.ClassSame}), []string{nth("evt", 1)})
		back := k.job(waybill.JobPutBack, waybill.ClassNew, waybill.ClassNew)
		k.read(func(tx *record.Tx) error {
			list, err := tx.NextJobMembers(back, waybill.MemberPlanned, 1)
			same(k, "the newest first", list[0].Object, nth("evt", 1))
			return err
		})
		k.moveJob(j.ID, waybill.JobRunning)
		k.do(func(tx *record.Tx) error { // one has begun, one was left alone
			for i, state := range []waybill.JobMemberState{waybill.MemberBegun, waybill.MemberSkipped} {
				m := waybill.JobMember{Job: j.ID, Object: nth("evt", i), Class: waybill.ClassNew, State: state}
				if err := tx.MoveJobMember(&m, waybill.MemberPlanned); err != nil {
					return err
				}
			}
			return tx.DropJobMembers(j.ID)
		})
		same(k, "what has begun stays", k.jobMembers(j.ID, waybill.JobMemberFilter{}), []string{nth("evt", 0)})
		_, _, err = k.book.JobMembers(k.Context(), "job_none", waybill.JobMemberFilter{})
		same(k, "of none", waybill.KindOf(err), waybill.NotFound)
	}},
	{"jobs are due when they say so, and listed by state", func(k *kit) {
		a, b := k.job(waybill.JobReplay), k.job(waybill.JobRetry)
		k.do(func(tx *record.Tx) error {
			a.State, a.DueAt = waybill.JobRunning, k.now.Add(-time.Minute)
			return tx.MoveJob(a, waybill.JobPlanned)
		})
		k.read(func(tx *record.Tx) error {
			due, err := tx.DueJobs(10)
			same(k, "due", []any{len(due), due[0].ID}, []any{1, a.ID})
			return err
		})
		k.moveJob(b.ID, waybill.JobStopped)
		open, _, err := k.book.Jobs(k.Context(), waybill.ListFilter{State: "open"})
		same(k, "open", []any{len(open), open[0].ID, err}, []any{1, a.ID, nil})
		all, _, _ := k.book.Jobs(k.Context(), waybill.ListFilter{})
		same(k, "newest first", []waybill.JobID{all[0].ID, all[1].ID}, []waybill.JobID{b.ID, a.ID})
	}},
	{"people are counted once", func(k *kit) {
		j := k.job(waybill.JobReplay)
		k.do(func(tx *record.Tx) error {
			n, err := tx.CountJobPeople(j.ID, []string{"+919876543210", "asha@example.com", "asha@example.com"})
			same(k, "the first time", n, 2)
			return err
		})
		k.do(func(tx *record.Tx) error {
			n, err := tx.CountJobPeople(j.ID, []string{"asha@example.com", "ravi@example.com"})
			same(k, "new ones", n, 1)
			return err
		})
	}},
	{"a job gathers what its filter chooses, page by page", gatherEvents},
	{"a retry gathers what needs a person", gatherBlocked},
	{"what is put back is gathered by what was written", gatherEffects},
}

func gatherEvents(k *kit) {
	var all []string
	for i := range 5 {
		e := k.fact(nth("fact", i))
		e.AcceptedAt = k.now.Add(time.Duration(i) * time.Hour)
		if i == 3 {
			e.Type, e.Connection = "lead.created", "web"
		}
		e.Search = []waybill.SearchKey{{Kind: "order", Value: nth("SO", i%2)}}
		all = append(all, string(k.put(e)))
	}
	run := k.run(waybill.EventID(all[2]), "")
	k.putRun(run)
	problem := k.raise("k1", waybill.Member{Run: run.ID, Event: run.Event, At: k.now})
	for name, c := range map[string]struct {
		f     waybill.JobFilter
		types []string
		want  []string
	}{
		"by type":       {waybill.JobFilter{Type: "payment.succeeded"}, nil, []string{all[0], all[1], all[2], all[4]}},
		"by types":      {waybill.JobFilter{Flow: "f"}, []string{"lead.created", "lead.updated"}, all[3:4]},
		"by connection": {waybill.JobFilter{Connection: "web"}, nil, all[3:4]},
		"by time":       {waybill.JobFilter{Since: k.now.Add(time.Hour), Until: k.now.Add(3 * time.Hour)}, nil, all[1:3]},
		"by problem":    {waybill.JobFilter{Problem: problem}, nil, all[2:3]},
		"by ids":        {waybill.JobFilter{IDs: []string{all[4], string(run.ID), "evt_none"}}, nil, []string{all[4], all[2]}},
		"by query":      {waybill.JobFilter{Query: nth("SO", 0)}, nil, []string{all[4], all[2], all[0]}},
		"by nothing":    {waybill.JobFilter{Type: "none"}, nil, []string{}},
	} {
		same(k, name, k.gathered(waybill.JobReplay, c.f, c.types...), c.want)
	}
}

func gatherBlocked(k *kit) {
	var runs []string
	for range 5 {
		r := k.run(k.event(), "")
		k.putRun(r)
		k.moveRun(r.ID, waybill.RunBlocked)
		runs = append(runs, string(r.ID))
	}
	k.moveRun(waybill.RunID(runs[1]), waybill.RunDone)
	it := k.item()
	k.do(func(tx *record.Tx) error {
		it.State = waybill.ItemBlocked
		return tx.MoveItem(&it, waybill.ItemKept)
	})
	k.item() // one that needs nobody
	blocked := []string{runs[0], runs[2], runs[3], runs[4]}
	eff, _ := k.plan(k.effect("evt_9", "won", "f1"), false)
	problem := k.raise("k1", waybill.Member{Run: waybill.RunID(runs[0]), At: k.now})
	k.raise("k1", waybill.Member{Run: waybill.RunID(runs[3]), Effect: eff.ID, At: k.now})
	k.raise("k1", waybill.Member{Item: it.ID, At: k.now.Add(-time.Hour)})
	k.raise("k1", waybill.Member{Connection: "crm", At: k.now})
	same(k, "of a flow", k.gathered(waybill.JobRetry, waybill.JobFilter{Flow: "payment-to-crm"}), blocked)
	same(k, "of another", k.gathered(waybill.JobRetry, waybill.JobFilter{Flow: "other"}), []string{})
	same(k, "of a connection, items too", k.gathered(waybill.JobRetry, waybill.JobFilter{Connection: "payments"}), append(append([]string{}, blocked...), string(it.ID)))
	same(k, "of a type of event", k.gathered(waybill.JobRetry, waybill.JobFilter{Type: "payment.succeeded"}), blocked)
	same(k, "of a type of item", k.gathered(waybill.JobRetry, waybill.JobFilter{Type: "payment.captured"}), []string{string(it.ID)})
	same(k, "since", k.gathered(waybill.JobRetry, waybill.JobFilter{Since: k.now.Add(time.Hour)}), []string{})
	same(k, "of a problem", k.gathered(waybill.JobRetry, waybill.JobFilter{Problem: problem}), []string{string(it.ID), string(eff.ID), runs[0]})
	same(k, "of a problem and a flow", k.gathered(waybill.JobRetry, waybill.JobFilter{Problem: problem, Flow: "payment-to-crm"}), []string{string(eff.ID), runs[0]})
	same(k, "of a problem and a type of event", k.gathered(waybill.JobRetry, waybill.JobFilter{Problem: problem, Type: "payment.succeeded"}), []string{runs[0]})
	same(k, "a run and another flow", k.gathered(waybill.JobRetry, waybill.JobFilter{IDs: runs[3:4], Flow: "other"}), []string{})
	same(k, "by ids", k.gathered(waybill.JobRetry, waybill.JobFilter{IDs: []string{runs[3], string(it.ID), string(eff.ID)}}), []string{runs[3], string(it.ID), string(eff.ID)})
	same(k, "items to map again", k.gathered(waybill.JobRemap, waybill.JobFilter{State: "blocked"}), []string{string(it.ID)})
	same(k, "all items of a type", len(k.gathered(waybill.JobRemap, waybill.JobFilter{Type: "payment.captured"})), 2)
}

func gatherEffects(k *kit) {
	event := k.event()
	var all []string
	for i := range 4 {
		e, _ := k.plan(k.effect(event, nth("won", i), "f1"), false)
		if i != 2 {
			k.moveEffect(e.ID, waybill.EffectSent, waybill.EffectConfirmed)
		}
		all = append(all, string(e.ID))
	}
	confirmed := []string{all[0], all[1], all[3]}
	same(k, "of a flow", k.gathered(waybill.JobPutBack, waybill.JobFilter{Flow: "payment-to-crm"}), confirmed)
	same(k, "where it was written", k.gathered(waybill.JobPutBack, waybill.JobFilter{Connection: "crm"}), confirmed)
	same(k, "of a type", k.gathered(waybill.JobPutBack, waybill.JobFilter{Type: "payment.succeeded"}), confirmed)
	same(k, "of another type", k.gathered(waybill.JobPutBack, waybill.JobFilter{Type: "lead.created"}), []string{})
	same(k, "of an event", k.gathered(waybill.JobPutBack, waybill.JobFilter{IDs: []string{string(event)}}), confirmed)
	same(k, "until", k.gathered(waybill.JobPutBack, waybill.JobFilter{Until: k.now}), []string{})
	for name, f := range map[string]waybill.JobFilter{
		"of an event, written elsewhere":   {IDs: []string{string(event)}, Connection: "chat"},
		"of an event, by another flow":     {IDs: []string{string(event)}, Flow: "other"},
		"of an event, before":              {IDs: []string{string(event)}, Until: k.now},
		"one of them, written elsewhere":   {IDs: all[:1], Connection: "chat"},
		"a search, written elsewhere":      {Query: string(event), Connection: "chat"},
		"a search, of another type":        {Query: string(event), Type: "lead.created"},
		"what a problem holds, of no flow": {Problem: k.raise("k1", waybill.Member{Effect: waybill.EffectID(all[0]), At: k.now}), Flow: "other"},
	} {
		same(k, name, k.gathered(waybill.JobPutBack, f), []string{})
	}
	same(k, "a search, where it was written", k.gathered(waybill.JobPutBack, waybill.JobFilter{Query: string(event), Connection: "crm"}), confirmed)
}
