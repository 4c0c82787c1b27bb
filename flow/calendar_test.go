package flow_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"waybill/flow"
)

func calendar(t *testing.T, zone string, holidays ...string) flow.Calendar {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	c := flow.Calendar{Zone: loc, Hours: flow.Weekdays(), Holidays: map[string]bool{}}
	for _, h := range holidays {
		c.Holidays[h] = true
	}
	return c
}

func when(t *testing.T, c flow.Calendar, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.In(c.Zone)
}

func TestDaysAreCountedByTheClocksAndHoursAsTheyPass(t *testing.T) {
	for _, c := range []struct{ name, zone, from, add, want string }{
		{"hours", "Asia/Kolkata", "2026-03-02T10:00:00+05:30", "2h", "2026-03-02T12:00:00+05:30"},
		{"days", "Asia/Kolkata", "2026-03-02T10:00:00+05:30", "48h", "2026-03-04T10:00:00+05:30"},
		{"a day over the night that is an hour short", "Europe/Berlin", "2026-03-28T09:00:00+01:00", "24h", "2026-03-29T09:00:00+02:00"},
		{"23 hours over that night", "Europe/Berlin", "2026-03-28T09:00:00+01:00", "23h", "2026-03-29T09:00:00+02:00"},
		{"a day over the night that is an hour long", "Europe/Berlin", "2026-10-24T09:00:00+02:00", "24h", "2026-10-25T09:00:00+01:00"},
		{"25 hours: a day and an hour", "Europe/Berlin", "2026-10-24T09:00:00+02:00", "25h", "2026-10-25T10:00:00+01:00"},
		{"into a time that is skipped", "Europe/Berlin", "2026-03-28T02:30:00+01:00", "24h", "2026-03-29T03:30:00+02:00"},
		{"into a time that comes twice", "Europe/Berlin", "2026-10-24T02:30:00+02:00", "24h", "2026-10-25T02:30:00+02:00"},
		{"by a zone that skips half an hour", "Australia/Lord_Howe", "2026-10-03T02:15:00+10:30", "24h", "2026-10-04T02:45:00+11:00"},
		{"over the end of a month", "America/New_York", "2026-01-31T12:00:00-05:00", "24h", "2026-02-01T12:00:00-05:00"},
		{"over a leap day", "UTC", "2028-02-28T12:00:00Z", "48h", "2028-03-01T12:00:00Z"},
	} {
		cal := calendar(t, c.zone)
		d, err := time.ParseDuration(c.add)
		if err != nil {
			t.Fatal(err)
		}
		from, want := when(t, cal, c.from), when(t, cal, c.want)
		if got := cal.Add(from, d); !got.Equal(want) {
			t.Errorf("%s: %s and %s is %s, want %s", c.name, c.from, c.add, got.Format(time.RFC3339), c.want)
		}
	}
}

func TestTheNextBusinessHourIsFoundOverNightsWeekendsAndHolidays(t *testing.T) {
	for _, c := range []struct{ name, zone, from, want string }{
		{"within them", "Asia/Kolkata", "2026-03-03T10:00:00+05:30", "2026-03-03T10:00:00+05:30"},
		{"as they begin", "Asia/Kolkata", "2026-03-03T09:00:00+05:30", "2026-03-03T09:00:00+05:30"},
		{"as they end", "Asia/Kolkata", "2026-03-03T18:00:00+05:30", "2026-03-04T09:00:00+05:30"},
		{"early in the morning", "Asia/Kolkata", "2026-03-03T05:00:00+05:30", "2026-03-03T09:00:00+05:30"},
		{"Friday evening", "Asia/Kolkata", "2026-03-06T19:00:00+05:30", "2026-03-09T09:00:00+05:30"},
		{"on a Sunday", "Asia/Kolkata", "2026-03-08T12:00:00+05:30", "2026-03-09T09:00:00+05:30"},
		{"before a holiday", "Asia/Kolkata", "2026-01-25T12:00:00+05:30", "2026-01-27T09:00:00+05:30"},
		{"by the zone's own date", "America/New_York", "2026-03-06T03:00:00Z", "2026-03-06T09:00:00-05:00"},
		{"over the night the clocks change", "America/New_York", "2026-03-06T20:00:00-05:00", "2026-03-09T09:00:00-04:00"},
	} {
		cal := calendar(t, c.zone, "2026-01-26")
		if got, want := cal.Open(when(t, cal, c.from)), when(t, cal, c.want); !got.Equal(want) {
			t.Errorf("%s: after %s it opens %s, want %s", c.name, c.from, got.Format(time.RFC3339), c.want)
		}
	}
}

func TestHoursOfWorkAreCountedOverDaysThatAreClosed(t *testing.T) {
	for _, c := range []struct{ from, work, want string }{
		{"2026-03-03T10:00:00+05:30", "4h", "2026-03-03T14:00:00+05:30"},
		{"2026-03-03T16:00:00+05:30", "4h", "2026-03-04T11:00:00+05:30"},
		{"2026-03-03T16:00:00+05:30", "2h", "2026-03-03T18:00:00+05:30"},
		{"2026-03-06T17:00:00+05:30", "2h", "2026-03-09T10:00:00+05:30"},
		{"2026-03-07T17:00:00+05:30", "18h", "2026-03-10T18:00:00+05:30"},
		{"2026-01-23T17:30:00+05:30", "1h", "2026-01-27T09:30:00+05:30"},
	} {
		cal := calendar(t, "Asia/Kolkata", "2026-01-26")
		d, _ := time.ParseDuration(c.work)
		if got, want := cal.Working(when(t, cal, c.from), d), when(t, cal, c.want); !got.Equal(want) {
			t.Errorf("%s of work after %s are done %s, want %s", c.work, c.from, got.Format(time.RFC3339), c.want)
		}
	}
}

func TestACalendarThatNeverOpensHoldsNothingUp(t *testing.T) {
	cal := calendar(t, "UTC")
	cal.Hours = [7]flow.Shift{}
	from := when(t, cal, "2026-03-03T10:00:00Z")
	if got := cal.Open(from); !got.Equal(from) {
		t.Errorf("opens %s", got)
	}
	if got := cal.Working(from, time.Hour); !got.Equal(from.Add(time.Hour)) {
		t.Errorf("worked until %s", got)
	}
}

// TestCalendarsKeepTheirPromises: whatever the zone, the time and the span, time never runs backwards, what opens lies
// within the hours of a day that is open, and days keep the time that the clocks show.
func TestCalendarsKeepTheirPromises(t *testing.T) {
	zones := []string{"UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca"}
	rapid.Check(t, func(rt *rapid.T) {
		cal := calendar(t, rapid.SampledFrom(zones).Draw(rt, "zone"), "2026-01-26", "2026-12-25")
		at := time.Unix(rapid.Int64Range(1_735_689_600, 1_861_920_000).Draw(rt, "at"), 0)
		d := time.Duration(rapid.Int64Range(0, 40*24*3600).Draw(rt, "span")) * time.Second
		if end := cal.Add(at, d); end.Before(at) {
			rt.Fatalf("%s after %s is %s", d, at, end)
		}
		whole := time.Duration(rapid.IntRange(1, 400).Draw(rt, "days")) * 24 * time.Hour
		a, b := at.In(cal.Zone), cal.Add(at, whole)
		if shown := a.Format("15:04:05"); b.Format("15:04:05") != shown && b.Sub(a.Add(whole)).Abs() > time.Hour {
			rt.Fatalf("%s after %s is %s", whole, a, b)
		}
		open := cal.Open(at)
		local := open.In(cal.Zone)
		minutes := local.Hour()*60 + local.Minute()
		s := cal.Hours[local.Weekday()]
		if open.Before(at) || minutes < s.From || minutes >= s.To || cal.Holidays[local.Format(time.DateOnly)] {
			rt.Fatalf("after %s it opens %s", at, local)
		}
		if !cal.Open(open).Equal(open) {
			rt.Fatalf("%s is open, and yet opens %s", open, cal.Open(open))
		}
		if worked := cal.Working(at, d); worked.Before(open) {
			rt.Fatalf("%s of work after %s are done %s", d, at, worked)
		}
	})
}

func TestHoursAreReadAsPeopleWriteThem(t *testing.T) {
	var week [7]flow.Shift
	for _, c := range [][2]string{{"mon-fri", "09:30-18:00"}, {"sat", "10:00-14:00"}, {"wed", "closed"}} {
		if err := flow.ReadHours(&week, c[0], c[1]); err != nil {
			t.Fatal(err)
		}
	}
	want := [7]flow.Shift{{}, {570, 1080}, {570, 1080}, {}, {570, 1080}, {570, 1080}, {600, 840}}
	if week != want {
		t.Errorf("the week is %v, want %v", week, want)
	}
	if err := flow.ReadHours(&week, "fri-mon", "00:00-24:00"); err != nil || week[0].To != 1440 || week[1].To != 1440 || week[2].To != 1080 {
		t.Errorf("over the weekend: %v %v", week, err)
	}
	for _, bad := range [][2]string{{"mon", "9-18"}, {"mon", "18:00-09:00"}, {"monday", "09:00-18:00"}, {"mon", "09:00"}, {"mon", "09:60-18:00"}, {"mon", "-1:00-18:00"}} {
		if err := flow.ReadHours(&week, bad[0], bad[1]); err == nil {
			t.Errorf("%v was read", bad)
		}
	}
}
