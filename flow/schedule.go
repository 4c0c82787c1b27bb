package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"waybill/expr"
	"waybill/source"
)

// Tick is the type of the event by which a schedule starts its flow.
const Tick = "schedule.tick"

// Schedule is when a flow starts by itself.
type Schedule struct {
	Cron   string
	Missed Missed

	calendar Calendar
	spec     *cron.SpecSchedule
}

// Missed says what happens to ticks at which nothing ran that could have taken them.
type Missed string

// The policies for missed ticks.
const (
	MissedSkip Missed = "skip" // they are left out
	MissedOnce Missed = "once" // the newest one is made up for
	MissedAll  Missed = "all"  // each is made up for
)

// onTime is how late a tick may be without having been missed.
const onTime = 5 * time.Minute

// mostMissed bounds how many ticks are made up for; the newest ones are.
const mostMissed = 1000

// mostTicks bounds how many ticks are counted of those that were missed before the newest ones.
const mostTicks = 100_000

type scheduleDef struct {
	Cron   source.Text  `yaml:"cron,required"`
	Zone   source.Text  `yaml:"zone"`
	Missed source.Text  `yaml:"missed"`
	Node   *source.Node `yaml:",node"`
}

// cronFields are the fields of a cron expression, as it has them.
var cronFields = []string{"minute (0-59)", "hour (0-23)", "day of the month (1-31)", "month (1-12 or jan-dec)", "day of the week (0-6 or sun-sat)"}

// schedule compiles when the flow starts by itself.
func (c *compiler) schedule(n *source.Node) {
	var def scheduleDef
	if t, ok := n.Scalar(); ok {
		c.fault("E336", n.Span, "`schedule` says under `cron` when the flow starts.", fmt.Sprintf("Write: schedule: {cron: %q}", t.Value))
		return
	}
	c.add(source.Decode(n, &def))
	s := &Schedule{Cron: def.Cron.Value, Missed: MissedOnce, calendar: c.deps.Calendar}
	if s.calendar.Zone == nil {
		s.calendar.Zone = time.UTC
	}
	if def.Zone.Value != "" {
		if loc, ok := c.zone(def.Zone); ok {
			s.calendar = s.calendar.In(loc)
		}
	}
	switch m := Missed(def.Missed.Value); {
	case m == "":
	case slices.Contains([]Missed{MissedSkip, MissedOnce, MissedAll}, m):
		s.Missed = m
	default:
		c.fault("E317", def.Missed.Span, fmt.Sprintf("missed takes skip, once (the default) or all, not %q.", m),
			source.DidYouMean(string(m), []string{"skip", "once", "all"}))
	}
	if def.Cron.Value != "" {
		s.spec = c.cron(def.Cron)
	}
	if s.spec != nil && s.Next(time.Unix(0, 0)).IsZero() {
		c.fault("E336", def.Cron.Span, fmt.Sprintf("No day ever fits %q.", s.Cron), "")
	}
	c.flow.Schedule = s
}

// scheduled finds the type of the event of a flow that starts by itself.
func (c *compiler) scheduled(def flowDef) (*expr.Schema, bool) {
	if len(def.On) > 0 || len(def.From) > 0 {
		c.fault("E336", def.Schedule.Span, "A flow with a `schedule` starts by itself, so it has no `on` and no `from`.", "Remove one of them, or make two flows.")
	}
	c.schedule(def.Schedule)
	d := c.deps.Catalogue.Type(Tick)
	if d == nil {
		return nil, false
	}
	c.flow.On, c.flow.Noun = []string{Tick}, d.Noun
	return d.Schema, true
}

// cron reads a cron expression, and names the field that is wrong.
func (c *compiler) cron(t source.Text) *cron.SpecSchedule {
	example := `Write for example: cron: "0 9 * * mon-fri", which is nine o'clock from Monday to Friday.`
	fields := strings.Fields(t.Value)
	if len(fields) != len(cronFields) {
		c.fault("E336", t.Span, fmt.Sprintf("%q has %d fields; it takes five: %s.", t.Value, len(fields), strings.Join(cronFields, ", ")), example)
		return nil
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	good := true
	for i, text := range fields {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = text
		if _, err := parser.Parse(strings.Join(alone, " ")); err != nil {
			good = false
			c.fault("E336", t.Span, fmt.Sprintf("%q is no %s.", text, cronFields[i]), example)
		}
	}
	if !good {
		return nil
	}
	parsed, err := parser.Parse(strings.Join(fields, " "))
	spec, ok := parsed.(*cron.SpecSchedule)
	if err != nil || !ok {
		c.fault("E336", t.Span, fmt.Sprintf("%q is no cron expression.", t.Value), example)
		return nil
	}
	spec.Location = time.UTC
	return spec
}

// everyHour marks an hour field of `*`.
const everyHour = 1 << 63

// Next returns the first tick after t, zero when there is none within five years. A schedule for every hour ticks as time
// passes, also in the hour that comes twice. One for given hours ticks by what the clocks show: once for a time that comes
// twice, and as much later as the clocks skip for one that they skip.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.spec.Hour&everyHour != 0 {
		spec := *s.spec
		spec.Location = s.calendar.Zone
		return spec.Next(t.In(s.calendar.Zone)).UTC()
	}
	local := t.In(s.calendar.Zone)
	y, m, d := local.Date()
	naive := time.Date(y, m, d, local.Hour(), local.Minute(), local.Second(), 0, time.UTC).Add(-day) // clocks may have been put back
	for {
		naive = s.spec.Next(naive)
		if naive.IsZero() {
			return time.Time{}
		}
		clock := naive.Sub(naive.Truncate(day))
		if tick := s.calendar.wall(naive, clock); tick.After(t) {
			return tick.UTC()
		}
	}
}

// Due returns the ticks after last that are to be run now, oldest first, and how many others were missed.
func (s *Schedule) Due(last, now time.Time) (ticks []time.Time, missed int) {
	count := 0
	for tick := s.Next(last); !tick.IsZero() && !tick.After(now); tick = s.Next(tick) {
		switch {
		case s.Missed == MissedAll && len(ticks) < mostMissed:
			ticks = append(ticks, tick)
		case s.Missed == MissedAll:
			ticks = append(ticks[1:], tick)
		default:
			ticks = append(ticks[:0], tick)
		}
		if count++; count == mostTicks { // from here on only the newest ones, of which there are as many at most
			if newest := now.Add(-mostTicks * time.Minute); tick.Before(newest) {
				tick = newest
			}
		}
	}
	if s.Missed == MissedSkip && len(ticks) > 0 && now.Sub(ticks[0]) > onTime {
		ticks = nil
	}
	return ticks, count - len(ticks)
}

// Data is what the event of a tick says.
func (s *Schedule) Data(flow string, tick time.Time, missed int) map[string]any {
	local := tick.In(s.calendar.Zone)
	return map[string]any{
		"id": TickKey(flow, tick), "flow": flow, "at": tick.UTC().Format(time.RFC3339), "date": local.Format(time.DateOnly),
		"time": local.Format("15:04"), "missed": int64(missed),
	}
}

// TickKey is what makes two tellings of a tick one fact.
func TickKey(flow string, tick time.Time) string { return flow + " " + tick.UTC().Format(time.RFC3339) }

// Text writes the schedule so that another one reads otherwise.
func (s *Schedule) Text() string { return s.Cron + " in " + s.calendar.Zone.String() }
