package show

import (
	"fmt"
	"html/template"
	"regexp"
	"strings"
	"time"

	"waybill"
)

func (s *Server) zone() *time.Location {
	if z := s.names.Place().Zone; z != nil {
		return z
	}
	return time.UTC
}

// clock is a time in the workspace's zone, with the date where it is not today; how long ago it is shows on hover.
func (s *Server) clock(t time.Time) template.HTML {
	return s.timeTag(t, func(t, now time.Time) (string, string) { return clockText(t, now), relative(t, now) })
}

// ago is how long ago or ahead a time is; the exact time shows on hover.
func (s *Server) ago(t time.Time) template.HTML {
	return s.timeTag(t, func(t, now time.Time) (string, string) {
		return relative(t, now), t.Format("2 Jan 2006, 15:04:05 MST")
	})
}

// when is a time that is still to come, with its day of the week; how far ahead it is shows on hover.
func (s *Server) when(t time.Time) template.HTML {
	return s.timeTag(t, func(t, now time.Time) (string, string) { return t.Format("Mon 2 Jan 15:04"), relative(t, now) })
}

// instant is a time as it stands in what the engine and other systems say.
var instant = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\b`)

// here writes the times inside a text as they are on the clocks of the place.
func (s *Server) here(text string) string {
	return instant.ReplaceAllStringFunc(text, func(found string) string {
		t, err := time.Parse(time.RFC3339, found)
		if err != nil {
			return found
		}
		return clockText(t.In(s.zone()), s.now().In(s.zone()))
	})
}

// full is a time with everything, for the one place on a page that says it exactly.
func (s *Server) full(t time.Time) template.HTML {
	return s.timeTag(t, func(t, now time.Time) (string, string) {
		return t.Format("2 Jan 2006, 15:04:05 MST"), relative(t, now)
	})
}

// timeTag writes a time element. All of its parts come from time.Format and relative, none from outside.
func (s *Server) timeTag(t time.Time, say func(t, now time.Time) (text, hover string)) template.HTML {
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	if !t.Before(waybill.Held()) {
		return `<span class="none">when a person decides</span>`
	}
	t = t.In(s.zone())
	text, hover := say(t, s.now().In(s.zone()))
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		t.Format(time.RFC3339), template.HTMLEscapeString(hover), template.HTMLEscapeString(text)))
}

func clockText(t, now time.Time) string {
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04")
	default:
		return t.Format("2 Jan 2006")
	}
}

// relative says how long ago a time is, or how far ahead: "4 min ago", "in 2 h".
func relative(t, now time.Time) string {
	d := now.Sub(t)
	ahead := d < 0
	if ahead {
		d = -d
	}
	said := "a moment"
	if d >= 3*time.Second {
		said = spell(d.Truncate(time.Second))
	}
	if ahead {
		return "in " + said
	}
	return said + " ago"
}

// spell says a length of time in its largest unit: 850 ms, 12 s, 4 min, 3 h, 2 days.
func spell(d time.Duration) string {
	switch {
	case d < 0:
		return "–"
	case d < time.Millisecond:
		return "<1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1f s", d.Seconds()), ".0 ", " ", 1)
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 36*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// between is how long it took from one time to another, empty when either is not there.
func between(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return spell(to.Sub(from))
}
