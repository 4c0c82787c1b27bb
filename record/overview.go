package record

import (
	"context"
	"slices"
	"strings"
	"time"

	"waybill"
)

// Overview says in figures how things stand and what happened since a point in time, which is taken at its full minute. It
// reads counts that are kept beside the rows, so it costs the same on a big book.
func (b *Book) Overview(ctx context.Context, since time.Time) (o *waybill.Overview, err error) {
	err = b.View(ctx, func(tx *Tx) error {
		o = &waybill.Overview{Since: since}
		for _, part := range []func(*waybill.Overview) error{tx.happenedSince, tx.standsNow, tx.openProblems, tx.flowFigures, tx.hourFigures, tx.restoredOf} {
			if err := part(o); err != nil {
				return err
			}
		}
		return nil
	})
	return o, err
}

func (tx *Tx) restoredOf(o *waybill.Overview) (err error) {
	o.Restored, err = tx.Restored()
	return err
}

func (tx *Tx) happenedSince(o *waybill.Overview) error {
	for name, to := range map[string]*int{
		"in": &o.Received, "duplicate": &o.Duplicate, "not used": &o.NotUsed, "rejected": &o.Rejected, "event": &o.Events,
		"done": &o.Done, "stopped": &o.Stopped,
	} {
		by, err := tx.since(name, o.Since)
		if err != nil {
			return err
		}
		*to = total(by)
	}
	return nil
}

func (tx *Tx) standsNow(o *waybill.Overview) error {
	for name, to := range map[string]*int{
		"run queued": &o.Working, "run running": &o.Working, "run waiting": &o.Waiting, "run blocked": &o.Blocked,
		"item blocked": &o.Blocked, "effect unknown": &o.Unknown,
	} {
		by, err := tx.standing(name)
		if err != nil {
			return err
		}
		*to += total(by)
	}
	late, _, err := one(tx, "SELECT count(*) FROM runs WHERE due_by > 0 AND ended_at = 0 AND due_by < $1", num0, tx.now)
	o.Late = int(late)
	return err
}

// openProblems fills in the worst five: those that hold whole parts up before lesser ones, then by what they hold.
func (tx *Tx) openProblems(o *waybill.Overview) error {
	var err error
	o.Problems, err = list(tx, "SELECT "+problemColumns+` FROM problems WHERE state <> 'fixed'
		ORDER BY lesser, n DESC, last_at DESC LIMIT 5`, scanProblem)
	return err
}

func (tx *Tx) flowFigures(o *waybill.Overview) error {
	flows := map[string]*waybill.FlowFigures{}
	of := func(name string) *waybill.FlowFigures {
		if flows[name] == nil {
			flows[name] = &waybill.FlowFigures{Flow: name}
		}
		return flows[name]
	}
	err := tx.s.query("SELECT flow, count(*) FROM asks WHERE state = 'open' GROUP BY flow", nil, func(r row) error {
		n := int(r.num(1))
		of(r.text(0)).Asks = n
		o.Asks += n
		return nil
	})
	if err != nil {
		return tx.note(err)
	}
	done, err := tx.since("done", o.Since)
	if err != nil {
		return err
	}
	for flow, n := range done {
		of(flow).Done = n
	}
	err = tx.s.query(`SELECT what, max(last) FROM figures WHERE width = 3600000 AND name = 'done' AND start >= $1 GROUP BY what`,
		[]any{ms(o.Since) - ms(o.Since)%hour}, func(r row) error {
			of(r.text(0)).Last = at(r.num(1))
			return nil
		})
	if err != nil {
		return tx.note(err)
	}
	err = tx.s.query("SELECT what, name, n, last FROM figures WHERE width = 0 AND name >= 'run ' AND name < 'run~'", nil,
		func(r row) error {
			f := of(r.text(0))
			if n := int(r.num(2)); strings.HasSuffix(r.text(1), string(waybill.RunBlocked)) {
				f.Blocked += n
			} else {
				f.Open += n
			}
			if last := at(r.num(3)); last.After(f.Last) {
				f.Last = last
			}
			return nil
		})
	for _, f := range flows {
		o.Flows = append(o.Flows, *f)
	}
	slices.SortFunc(o.Flows, func(a, b waybill.FlowFigures) int { return strings.Compare(a.Flow, b.Flow) })
	return tx.note(err)
}

func (tx *Tx) hourFigures(o *waybill.Overview) error {
	newest := ms(tx.now) - ms(tx.now)%hour
	oldest := newest - 23*hour
	for start := oldest; start <= newest; start += hour {
		o.Hours = append(o.Hours, waybill.HourFigures{Hour: at(start)})
	}
	for name, to := range map[string]func(*waybill.HourFigures) *int{
		"in":      func(h *waybill.HourFigures) *int { return &h.Received },
		"done":    func(h *waybill.HourFigures) *int { return &h.Done },
		"blocked": func(h *waybill.HourFigures) *int { return &h.Blocked },
	} {
		err := tx.s.query(`SELECT start, sum(n) FROM figures WHERE width = 3600000 AND name = $1 AND start BETWEEN $2 AND $3
			GROUP BY start`, []any{name, oldest, newest}, func(r row) error {
			*to(&o.Hours[(r.num(0)-oldest)/hour]) = int(r.num(1))
			return nil
		})
		if err != nil {
			return tx.note(err)
		}
	}
	return nil
}

// Connections returns every connection that is remembered, was used or was retired, with its counts, by name.
func (b *Book) Connections(ctx context.Context) (out []waybill.ConnectionFigures, err error) {
	err = b.View(ctx, func(tx *Tx) error {
		out, err = tx.connections()
		return err
	})
	return out, err
}

func (tx *Tx) connections() ([]waybill.ConnectionFigures, error) {
	all := map[string]*waybill.ConnectionFigures{}
	of := func(name string) *waybill.ConnectionFigures {
		if all[name] == nil {
			all[name] = &waybill.ConnectionFigures{
				State: waybill.ConnectionState{Connection: name, Health: waybill.HealthWorking},
			}
		}
		return all[name]
	}
	states, err := list(tx, "SELECT doc FROM connection_states", scanConnection)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		of(s.Connection).State = s
	}
	names, err := tx.remembered()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		of(name)
	}
	retired, err := tx.retirements()
	if err != nil {
		return nil, err
	}
	for name, r := range retired {
		of(name).Retired = r
	}
	for name, to := range map[string]func(*waybill.ConnectionFigures) *int{
		"in":     func(c *waybill.ConnectionFigures) *int { return &c.In },
		"out":    func(c *waybill.ConnectionFigures) *int { return &c.Out },
		"failed": func(c *waybill.ConnectionFigures) *int { return &c.Failed },
	} {
		by, err := tx.since(name, tx.now.Add(-24*time.Hour))
		if err != nil {
			return nil, err
		}
		for c, n := range by {
			*to(of(c)) = n
		}
	}
	for name, to := range map[string]func(*waybill.ConnectionFigures) *int{
		"effect planned": func(c *waybill.ConnectionFigures) *int { return &c.Queued },
		"fetch planned":  func(c *waybill.ConnectionFigures) *int { return &c.Queued },
		"effect unknown": func(c *waybill.ConnectionFigures) *int { return &c.Unknown },
	} {
		by, err := tx.standing(name)
		if err != nil {
			return nil, err
		}
		for c, n := range by {
			*to(of(c)) += n
		}
	}
	out := make([]waybill.ConnectionFigures, 0, len(all))
	for _, c := range all {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b waybill.ConnectionFigures) int {
		return strings.Compare(a.State.Connection, b.State.Connection)
	})
	return out, nil
}
