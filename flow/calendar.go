package flow

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Calendar is when people of a workspace work, by the clocks of its zone. Nothing changes it once it was made.
type Calendar struct {
	Zone     *time.Location
	Hours    [7]Shift // by weekday, Sunday first; a day without hours is closed
	Holidays map[string]bool
}

// Shift is one day's business hours in minutes since midnight; From and To are equal on a day that is closed.
type Shift struct{ From, To int }

// Weekdays are the hours of a workspace that names none: Monday to Friday, 09:00 to 18:00.
func Weekdays() [7]Shift {
	var out [7]Shift
	for day := time.Monday; day <= time.Friday; day++ {
		out[day] = Shift{From: 9 * 60, To: 18 * 60}
	}
	return out
}

// In returns the calendar by the clocks of another zone; holidays and hours stay as they are.
func (c Calendar) In(zone *time.Location) Calendar {
	c.Zone = zone
	return c
}

// Opens reports whether there is any day with business hours.
func (c Calendar) Opens() bool { return c.Hours != [7]Shift{} }

// Add returns t plus d. Whole days are days of the calendar: two days after nine o'clock is nine o'clock, also when the
// clocks are changed in between. What is left of d passes as it is.
func (c Calendar) Add(t time.Time, d time.Duration) time.Time {
	return c.days(t, int(d/day)).Add(d % day)
}

// Sub returns t minus d, counted as Add does.
func (c Calendar) Sub(t time.Time, d time.Duration) time.Time {
	return c.days(t, -int(d/day)).Add(-(d % day))
}

const day = 24 * time.Hour

func (c Calendar) days(t time.Time, n int) time.Time {
	if n == 0 {
		return t
	}
	local := t.In(c.Zone)
	clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute +
		time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	return c.wall(local.AddDate(0, 0, n), clock)
}

// At returns the time on t's own day at which the clocks show so many minutes since midnight.
func (c Calendar) At(t time.Time, minutes int) time.Time {
	return c.wall(t.In(c.Zone), time.Duration(minutes)*time.Minute)
}

// wall returns when the clocks of the zone show clock on a date. A time that the clocks skip is as much later as they skip
// (02:30 becomes 03:30); of a time that they show twice it is the first.
func (c Calendar) wall(date time.Time, clock time.Duration) time.Time {
	y, m, d := date.Date()
	naive := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Add(clock)
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(c.Zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before := offset(naive.Add(-day)) // a zone does not change twice within two days
	first := naive.Add(-before)
	if offset(first) == before {
		return first.In(c.Zone)
	}
	after := offset(naive.Add(day))
	if second := naive.Add(-after); offset(second) == after {
		return second.In(c.Zone)
	}
	return first.In(c.Zone) // skipped: counted by the clocks as they were before
}

// maxClosed bounds how long a business may be closed in a row.
const maxClosed = 400

// Open returns t when it lies within business hours, else the next time at which they begin. A calendar that never opens
// gives t.
func (c Calendar) Open(t time.Time) time.Time {
	for n := range maxClosed {
		from, to, ok := c.shift(c.days(t, n))
		switch {
		case !ok || !t.Before(to):
		case t.Before(from):
			return from
		default:
			return t
		}
	}
	return t
}

// Working returns when d of business hours have passed since t: the end of a day's hours counts as on that day.
func (c Calendar) Working(t time.Time, d time.Duration) time.Time {
	t = c.Open(t)
	for range maxClosed * 10 {
		_, to, ok := c.shift(t)
		if !ok {
			break // it never opens
		}
		left := to.Sub(t)
		if d <= left {
			return t.Add(d)
		}
		d -= left
		t = c.Open(to)
	}
	return t.Add(d)
}

// shift returns the business hours of t's day; ok is false when it is closed.
func (c Calendar) shift(t time.Time) (from, to time.Time, ok bool) {
	local := t.In(c.Zone)
	s := c.Hours[local.Weekday()]
	if s.From >= s.To || c.Holidays[local.Format(time.DateOnly)] {
		return t, t, false
	}
	return c.At(t, s.From), c.At(t, s.To), true
}

// Say writes a time as people of the zone read it: Tue 3 Mar 2026 09:00.
func (c Calendar) Say(t time.Time) string { return t.In(c.Zone).Format("Mon 2 Jan 2006 15:04") }

// Clock reads a time of day: 09:00, 18:30; 24:00 is the end of the day. It gives minutes since midnight.
func Clock(text string) (int, error) {
	hour, minute, colon := strings.Cut(strings.TrimSpace(text), ":")
	h, err := strconv.Atoi(hour)
	if err != nil || !colon || len(minute) != 2 || h < 0 || h > 24 {
		return 0, fmt.Errorf("%q is no time of day", text)
	}
	m, err := strconv.Atoi(minute)
	if err != nil || m < 0 || m > 59 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%q is no time of day", text)
	}
	return h*60 + m, nil
}

// days are the weekdays as they are written in waybill.yaml.
var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // a list that nothing changes

// ReadHours reads one entry of business hours: days ("mon", "mon-fri", "mon, wed") and their hours ("09:00-18:00" or
// "closed").
func ReadHours(into *[7]Shift, days, hours string) error {
	var s Shift
	if hours != "closed" {
		from, to, dash := strings.Cut(hours, "-")
		var err error
		if !dash {
			return fmt.Errorf("%q are no hours", hours)
		}
		if s.From, err = Clock(from); err != nil {
			return err
		}
		if s.To, err = Clock(to); err != nil {
			return err
		}
		if s.From >= s.To {
			return fmt.Errorf("%q ends before it begins", hours)
		}
	}
	for part := range strings.SplitSeq(days, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			last = first
		}
		from, to := dayOf(first), dayOf(last)
		if from < 0 || to < 0 {
			return fmt.Errorf("%q is no day of the week", strings.TrimSpace(part))
		}
		for d := from; ; d = (d + 1) % 7 {
			into[d] = s
			if d == to {
				break
			}
		}
	}
	return nil
}

func dayOf(name string) int {
	for i, n := range dayNames {
		if n == strings.ToLower(strings.TrimSpace(name)) {
			return i
		}
	}
	return -1
}
