package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// maxSeconds is the end of year 9999, the last that RFC 3339 can write.
const maxSeconds = 253402300799

func (l library) dates() []cel.EnvOption {
	ts, s, n := cel.TimestampType, cel.StringType, cel.IntType
	return []cel.EnvOption{
		l.zoned("date", []*cel.Type{ts}, s, func(t time.Time, _ []ref.Val) (ref.Val, error) {
			return text(t.Format(time.DateOnly))
		}),
		l.zoned("format_date", []*cel.Type{ts, s}, s, func(t time.Time, rest []ref.Val) (ref.Val, error) {
			pattern, err := layout(str(rest[0]))
			return types.String(t.Format(pattern)), err
		}),
		l.zoned("add_days", []*cel.Type{ts, n}, ts, func(t time.Time, rest []ref.Val) (ref.Val, error) {
			days, ok := rest[0].(types.Int)
			if !ok || days < -40000 || days > 40000 {
				return nil, errors.New("add_days takes at most 40,000 days")
			}
			return types.Timestamp{Time: t.AddDate(0, 0, int(days)).UTC()}, nil
		}),
		cel.Function("parse_date",
			overload("parse_date_text", []*cel.Type{s, s}, ts, func(args ...ref.Val) ref.Val { return wrap(parseDate(args, l.zone)) }),
			overload("parse_date_text_zone", []*cel.Type{s, s, s}, ts, func(args ...ref.Val) ref.Val {
				zone, err := zoneOf(str(args[2]))
				if err != nil {
					return wrap(nil, err)
				}
				return wrap(parseDate(args, zone))
			})),
		fromCount("unix", maxSeconds, func(v int64) time.Time { return time.Unix(v, 0) }),
		fromCount("unix_ms", maxSeconds*1000, time.UnixMilli),
		toCount("to_unix", time.Time.Unix),
		toCount("to_unix_ms", time.Time.UnixMilli),
	}
}

// zoned declares a function of a time with and without a zone as its last argument; call gets the time in that zone.
func (l library) zoned(name string, args []*cel.Type, out *cel.Type, call func(t time.Time, rest []ref.Val) (ref.Val, error)) cel.EnvOption {
	run := func(zoned bool) func(args ...ref.Val) ref.Val {
		return func(args ...ref.Val) ref.Val {
			t, ok := args[0].(types.Timestamp)
			if !ok {
				return types.MaybeNoSuchOverloadErr(args[0])
			}
			if !zoned {
				return wrap(call(t.In(l.zone), args[1:]))
			}
			zone, err := zoneOf(str(args[len(args)-1]))
			if err != nil {
				return wrap(nil, err)
			}
			return wrap(call(t.In(zone), args[1:len(args)-1]))
		}
	}
	return cel.Function(name, overload(name+"_time", args, out, run(false)),
		overload(name+"_time_zone", append(slices.Clip(args), cel.StringType), out, run(true)))
}

func fromCount(name string, most int64, call func(int64) time.Time) cel.EnvOption {
	return cel.Function(name, overload(name+"_int", []*cel.Type{cel.IntType}, cel.TimestampType, func(args ...ref.Val) ref.Val {
		v, ok := args[0].(types.Int)
		if !ok || int64(v) > most || v < 0 {
			return types.NewErr("%v is no count since 1970 that %s takes", args[0].Value(), name)
		}
		return types.Timestamp{Time: call(int64(v)).UTC()}
	}))
}

func toCount(name string, call func(time.Time) int64) cel.EnvOption {
	return cel.Function(name, overload(name+"_time", []*cel.Type{cel.TimestampType}, cel.IntType, func(args ...ref.Val) ref.Val {
		t, ok := args[0].(types.Timestamp)
		if !ok {
			return types.MaybeNoSuchOverloadErr(args[0])
		}
		return types.Int(call(t.Time))
	}))
}

func zoneOf(name string) (*time.Location, error) {
	if len(name) > 60 || name == "" || name == "Local" {
		return nil, fmt.Errorf("the zone %q is not known", cut(name, 60))
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("the zone %q is not known; write one such as Asia/Kolkata", name)
	}
	return zone, nil
}

func parseDate(args []ref.Val, zone *time.Location) (ref.Val, error) {
	pattern, err := layout(str(args[1]))
	if err != nil {
		return nil, err
	}
	t, err := time.ParseInLocation(pattern, strings.TrimSpace(str(args[0])), zone)
	if err != nil || t.Year() < 1 {
		return nil, fmt.Errorf("%q is not written as %q", cut(str(args[0]), 40), str(args[1]))
	}
	return types.Timestamp{Time: t.UTC()}, nil
}

// letters are the parts of a pattern made of letters, longest first, and what Go calls them.
var letters = [][2]string{ // a table that nothing changes
	{"yyyy", "2006"},
	{"yy", "06"},
	{"MMMM", "January"},
	{"MMM", "Jan"},
	{"MM", "01"},
	{"M", "1"},
	{"dd", "02"},
	{"d", "2"},
	{"EEEE", "Monday"},
	{"EEE", "Mon"},
	{"HH", "15"},
	{"hh", "03"},
	{"h", "3"},
	{"mm", "04"},
	{"ss", "05"},
	{"SSS", "000"},
	{"a", "PM"},
	{"XXX", "Z07:00"},
	{"Z", "-0700"},
}

// layout reads a pattern in Go's form or in letters. A pattern with a digit is Go's.
func layout(pattern string) (string, error) {
	if len(pattern) > 80 {
		return "", errors.New("the pattern is too long")
	}
	if strings.ContainsAny(pattern, "123456") {
		return pattern, nil
	}
	var out strings.Builder
	for rest := pattern; rest != ""; {
		if quoted, ok := strings.CutPrefix(rest, "'"); ok {
			inside, after, closed := strings.Cut(quoted, "'")
			if !closed {
				return "", fmt.Errorf("the quote in the pattern %q is not closed", pattern)
			}
			out.WriteString(inside)
			rest = after
			continue
		}
		written, goes := letter(rest)
		if c := rest[0]; written == "" && c != 'T' && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return "", fmt.Errorf("the pattern %q has the letter %c, which means nothing there; write dd MMM yyyy", pattern, c)
		}
		if written == "" {
			written, goes = rest[:1], rest[:1]
		}
		out.WriteString(goes)
		rest = rest[len(written):]
	}
	return out.String(), nil
}

// letter gives the part that a pattern begins with, and Go's form of it.
func letter(pattern string) (written, goes string) {
	for _, l := range letters {
		if strings.HasPrefix(pattern, l[0]) {
			return l[0], l[1]
		}
	}
	return "", ""
}
