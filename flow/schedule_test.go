package flow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"waybill/flow"
)

func scheduled(tb testing.TB, fields string) *flow.Schedule {
	tb.Helper()
	return sound(tb, "flow: s\ntitle: S\nschedule: {"+fields+"}\nsteps:\n  - {id: a, set: \"${schedule.date}\"}\n").Schedule
}

func TestTicksFollowTheClocksOfTheZone(t *testing.T) {
	for _, c := range []struct {
		name, fields, from string
		want               []string
	}{
		{"weekdays", `cron: "0 9 * * mon-fri", zone: Asia/Kolkata`, "2026-03-06T09:00:00+05:30", []string{"2026-03-09T09:00:00+05:30", "2026-03-10T09:00:00+05:30"}},
		{"just before", `cron: "0 9 * * *", zone: Asia/Kolkata`, "2026-03-06T08:59:59+05:30", []string{"2026-03-06T09:00:00+05:30"}},
		{"the last of a month", `cron: "0 0 31 * *"`, "2026-01-31T00:00:00+05:30", []string{"2026-03-31T00:00:00+05:30"}},
		{"a time that is skipped is later", `cron: "30 2 * * *", zone: Europe/Berlin`, "2026-03-28T12:00:00+01:00", []string{"2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"a time that comes twice is once", `cron: "30 2 * * *", zone: Europe/Berlin`, "2026-10-24T12:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"from within the hour that comes again", `cron: "30 2 * * *", zone: Europe/Berlin`, "2026-10-25T02:10:00+01:00", []string{"2026-10-26T02:30:00+01:00"}},
		{"every hour also ticks in the hour that comes twice", `cron: "30 * * * *", zone: Europe/Berlin`, "2026-10-25T01:30:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"}},
		{"every hour has none in the hour that is skipped", `cron: "30 * * * *", zone: Europe/Berlin`, "2026-03-29T01:30:00+01:00", []string{"2026-03-29T03:30:00+02:00"}},
	} {
		s := scheduled(t, c.fields)
		at, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range c.want {
			want, _ := time.Parse(time.RFC3339, text)
			if at = s.Next(at); !at.Equal(want) {
				t.Errorf("%s: ticks %s, want %s", c.name, at.Format(time.RFC3339), text)
			}
		}
	}
}

func TestMissedTicksAreTreatedAsTheFlowSays(t *testing.T) {
	at := func(clock string) time.Time {
		out, err := time.Parse(time.RFC3339, "2026-03-0"+clock+":00Z")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		missed, last, now string
		ticks             []string
		left              int
	}{
		{"once", "3T09:00", "3T09:30", nil, 0},
		{"once", "3T09:00", "3T10:00", []string{"3T10:00"}, 0},
		{"once", "3T09:00", "3T12:30", []string{"3T12:00"}, 2},
		{"skip", "3T09:00", "3T10:04", []string{"3T10:00"}, 0},
		{"skip", "3T09:00", "3T12:04", []string{"3T12:00"}, 2},
		{"skip", "3T09:00", "3T12:30", nil, 3},
		{"all", "3T09:00", "3T12:30", []string{"3T10:00", "3T11:00", "3T12:00"}, 0},
	} {
		s := scheduled(t, `cron: "0 * * * *", zone: UTC, missed: `+c.missed)
		ticks, left := s.Due(at(c.last), at(c.now))
		var got []string
		for _, tick := range ticks {
			got = append(got, tick.Format("2T15:04"))
		}
		if d := cmp.Diff(c.ticks, got); d != "" || left != c.left {
			t.Errorf("%s, from %s to %s: %d left, %s", c.missed, c.last, c.now, left, d)
		}
	}
	s := scheduled(t, `cron: "* * * * *", missed: all`)
	if ticks, left := s.Due(at("1T00:00"), at("2T00:00")); len(ticks) != 1000 || left != 440 || !ticks[999].Equal(at("2T00:00")) {
		t.Errorf("%d ticks, %d left", len(ticks), left)
	}
}

// TestNoTickIsLostOrDoubledHoweverOftenItIsLooked: whatever the schedule and the zone, looking often or seldom finds the
// same ticks, in order.
func TestNoTickIsLostOrDoubledHoweverOftenItIsLooked(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cron := rapid.SampledFrom([]string{"0 9 * * mon-fri", "30 2 * * *", "*/15 * * * *", "0 */6 * * *", "15 1,2,3 * * *", "0 0 1 * *"}).Draw(rt, "cron")
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"}).Draw(rt, "zone")
		s := scheduled(t, `cron: "`+cron+`", missed: all, zone: `+zone)
		from := time.Unix(rapid.Int64Range(1_767_225_600, 1_798_761_600).Draw(rt, "from"), 0).UTC()
		end := from.Add(time.Duration(rapid.IntRange(1, 200).Draw(rt, "hours")) * time.Hour)
		whole, _ := s.Due(from, end)
		var pieces []time.Time
		last := from
		for now := from; now.Before(end); {
			now = now.Add(time.Duration(rapid.IntRange(1, 100_000).Draw(rt, "step")) * time.Second)
			if now.After(end) {
				now = end
			}
			ticks, _ := s.Due(last, now)
			pieces = append(pieces, ticks...)
			if len(ticks) > 0 {
				last = ticks[len(ticks)-1]
			}
		}
		if d := cmp.Diff(whole, pieces); d != "" {
			rt.Fatal(d)
		}
		for i := 1; i < len(whole); i++ {
			if !whole[i].After(whole[i-1]) {
				rt.Fatalf("tick %s after %s", whole[i], whole[i-1])
			}
		}
	})
}

// TestAScheduleGoesOnAfterAVeryLongStop: more ticks were missed than are counted, and the newest one is on time.
func TestAScheduleGoesOnAfterAVeryLongStop(t *testing.T) {
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	for _, missed := range []string{"skip", "once", "all"} {
		s := scheduled(t, `cron: "* * * * *", missed: `+missed)
		for _, days := range []int{69, 70, 400} {
			ticks, _ := s.Due(now.AddDate(0, 0, -days), now)
			if len(ticks) == 0 || !ticks[len(ticks)-1].Equal(now) {
				t.Errorf("missed: %s, stopped for %d days: %d ticks, the newest not now", missed, days, len(ticks))
			}
		}
	}
}

func TestMistakesOfSchedulesAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ head, code, says string }{
		"four fields":     {`schedule: {cron: "0 9 * *"}`, "E336", "five"},
		"an hour of 25":   {`schedule: {cron: "0 25 * * *"}`, "E336", "hour (0-23)"},
		"a day misspelt":  {`schedule: {cron: "0 9 * * mon-fry"}`, "E336", "day of the week"},
		"30 February":     {`schedule: {cron: "0 9 30 feb *"}`, "E336", "No day"},
		"a zone misspelt": {`schedule: {cron: "0 9 * * *", zone: Asia/Kolkatta}`, "E337", "time zone"},
		"missed misspelt": {`schedule: {cron: "0 9 * * *", missed: al}`, "E317", "all"},
		"two beginnings":  {"on: order.created\nschedule: {cron: \"0 9 * * *\"}", "E336", "`on`"},
		"a tick of all":   {"on: schedule.tick", "E336", "schedule: {cron"},
		"a lane misspelt": {"schedule: {cron: \"0 9 * * *\"}\nlane: schedule.dat", "E2", "date"},
	} {
		_, faults := compile(t, "flow: s\ntitle: S\n"+c.head+"\nsteps:\n  - {id: a, set: 1}\n")
		if len(faults) != 1 || !strings.HasPrefix(faults[0].Code, c.code) || !strings.Contains(faults[0].String(), c.says) {
			t.Errorf("%s: want %s saying %q, got:\n%s", name, c.code, c.says, listed(faults))
		}
	}
}
