package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/flow"
	"waybill/record"
	"waybill/workspace"
)

// Flows that start by themselves. A tick is an event whose fact key is the flow and the time it is for, so that it starts
// one run, whoever and how many look; the time of the newest one is written in the same transaction.

// scheduledSetting names the flows that have a schedule, so that one which no longer has does not make up for old ticks
// when it comes back.
const scheduledSetting = "scheduled flows"

func tickSetting(name string) string { return "ticked " + name }

// ticked is how far the ticks of a flow have been run.
type ticked struct {
	last time.Time
	cron string // as it was then: another schedule begins anew
}

func readTicked(text []byte) (t ticked, ok bool) {
	at, cron, found := strings.Cut(string(text), " ")
	n, err := strconv.ParseInt(at, 10, 64)
	return ticked{time.UnixMilli(n).UTC(), cron}, found && err == nil
}

func (t ticked) text() []byte {
	return []byte(strconv.FormatInt(t.last.UnixMilli(), 10) + " " + t.cron)
}

// noteSchedules forgets the ticks of flows that have no schedule any more, and keeps those of one that was renamed.
func noteSchedules(tx *record.Tx, ws *workspace.Workspace) error {
	known, err := tx.Setting(scheduledSetting)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range ws.Flows {
		if f.Schedule != nil {
			names = append(names, f.Name)
		}
	}
	text := strings.Join(names, " ")
	if text == string(known) {
		return nil
	}
	for name := range strings.FieldsSeq(string(known)) {
		f := ws.Flow(name)
		if f != nil && f.Schedule != nil {
			continue
		}
		if err := carryTicks(tx, ws, name); err != nil {
			return err
		}
		if err := tx.SetSetting(tickSetting(name), nil); err != nil {
			return err
		}
	}
	return tx.SetSetting(scheduledSetting, []byte(text))
}

// carryTicks lets the flow that was called name before go on from its ticks.
func carryTicks(tx *record.Tx, ws *workspace.Workspace, name string) error {
	for _, f := range ws.Flows {
		if f.Schedule == nil || !f.WasCalled(name) {
			continue
		}
		last, err := tx.Setting(tickSetting(name))
		if err != nil || last == nil {
			return err
		}
		if own, err := tx.Setting(tickSetting(f.Name)); err != nil || own != nil {
			return err
		}
		return tx.SetSetting(tickSetting(f.Name), last)
	}
	return nil
}

// tick starts the flows whose time has come.
func (e *Engine) tick() {
	v, now := e.today(), e.d.Now()
	var next time.Time
	for _, f := range v.ws.Flows {
		if f.Schedule == nil || e.o.Unscheduled {
			continue
		}
		if err := e.tickFlow(v, f, now); err != nil {
			e.log.Error("a schedule could not be followed", "flow", f.Name, "err", err)
		}
		if at := f.Schedule.Next(now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if !next.IsZero() && next.Sub(now) <= e.o.Sweep {
		e.d.At(next, e.tick)
	}
}

// aheadAtMost is how far a clock may have been ahead and is only waited for.
const aheadAtMost = time.Hour

// tickFlow runs what is due of a flow's schedule.
func (e *Engine) tickFlow(v *version, f *flow.Flow, now time.Time) error {
	cron := f.Schedule.Text()
	var seen []byte
	leaves := false
	err := e.view(func(tx *record.Tx) (err error) {
		if leaves, err = e.leaves(tx); err != nil || leaves {
			return err
		}
		seen, err = tx.Setting(tickSetting(f.Name))
		return err
	})
	if err != nil || leaves { // two versions of a schedule would take it from each other
		return err
	}
	t, ok := readTicked(seen)
	ahead := ok && t.last.After(now.Add(aheadAtMost))
	if ahead {
		e.log.Warn("the clock was ahead when a schedule was followed last; it begins anew", "flow", f.Name, "followed", t.last, "now", now)
	}
	if !ok || t.cron != cron || ahead { // it begins now: what would have been before is not made up for
		return e.book.Do(context.Background(), func(tx *record.Tx) error {
			return tx.SetSetting(tickSetting(f.Name), ticked{now, cron}.text())
		})
	}
	ticks, missed := f.Schedule.Due(t.last, now)
	if len(ticks) == 0 {
		return nil // a tick that is left out is counted by the next one
	}
	return e.start(v, f, ticks, missed)
}

// start writes ticks of a flow, of which each begins a run.
func (e *Engine) start(v *version, f *flow.Flow, ticks []time.Time, missed int) error {
	openings := make([]*opening, 0, len(ticks))
	for _, tick := range ticks {
		o := e.open(v, e.ticking(v, f, tick, missed), f.Schedule.Data(f.Name, tick, missed))
		e.reserveOpening(o)
		openings, missed = append(openings, o), 0
	}
	var failed error
	e.commit(intent{
		apply: func(tx *record.Tx) error {
			for _, o := range openings {
				if err := e.applyOpening(tx, o); err != nil {
					return err
				}
			}
			return tx.SetSetting(tickSetting(f.Name), ticked{ticks[len(ticks)-1], f.Schedule.Text()}.text())
		},
		after: func() {
			for _, o := range openings {
				e.followOpening(o)
			}
		},
		fail: func(err error) {
			e.releaseOpenings(openings)
			failed = fmt.Errorf("write the tick of %s: %w", f.Name, err)
		},
	})
	return failed
}

// ticking is the event of a tick.
func (e *Engine) ticking(v *version, f *flow.Flow, tick time.Time, missed int) *waybill.Event {
	data := f.Schedule.Data(f.Name, tick, missed)
	def := v.ws.Catalogue.Type(flow.Tick)
	return &waybill.Event{
		ID: waybill.EventID(e.ids.New("evt")), Type: flow.Tick, Noun: def.Noun, Account: "schedule", FactKey: flow.TickKey(f.Name, tick),
		Subject: def.SubjectOf(data), Data: encode(data), OccurredAt: tick, AcceptedAt: e.d.Now(), Rank: def.Rank, Bundle: v.id,
		Search: def.Search(data),
	}
}

// startedBy lists the flows that an event may start: of a tick only the one whose it is.
func (v *version) startedBy(ev *waybill.Event) []*flow.Flow {
	if ev.Type != flow.Tick {
		return v.byOn[ev.Type]
	}
	name, _, _ := strings.Cut(ev.FactKey, " ")
	if f := v.flow(name); f != nil {
		return []*flow.Flow{f}
	}
	return nil
}

// Tick starts a flow that has a schedule, as if its time were now: for scenarios.
func (e *Engine) Tick(name string) error {
	v := e.today()
	f := v.flows[name]
	if f == nil || f.Schedule == nil {
		return &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("no flow %q has a schedule", name)}
	}
	return e.start(v, f, []time.Time{e.d.Now()}, 0)
}
