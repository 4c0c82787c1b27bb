package deliver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill"
)

// GateView is what the rules of the gate may look at.
type GateView struct {
	Effect      *waybill.Effect
	Run         *waybill.Run             // nil: the effect belongs to none
	Connection  *waybill.ConnectionState // nil: nothing is known of it
	Newest      waybill.Stamp            // of the facts written to the same object; zero: none was
	NewestBy    waybill.EffectID
	Writing     *waybill.Effect // another effect that may be writing to the same object; nil: none
	Environment string
	Allow       []string          // recipients a test environment may write to: an address, or @domain; nil: any
	Recipient   string            // whom it reaches; empty: no person
	Approved    string            // who approved this very fingerprint; empty: nobody
	Undone      *waybill.Effect   // the effect that this one undoes; nil: none
	Changed     []string          // what of it is no longer as we wrote it, in words
	Released    int               // effects of its step that were released by hand so far
	Restored    *waybill.Restored // nil: the book never was
	Now         time.Time
}

// Rule is one rule of the gate: a pure function.
type Rule struct {
	Name  string
	Judge func(GateView) waybill.GateAnswer
}

// Rules are the gate's rules in the order they are asked: whether the effect is still to be sent at all, then whether it
// is harmless, then whether it can be done now.
func Rules() []Rule {
	return []Rule{
		{"run still wanted", runWanted},
		{"good for", goodFor},
		{"repeat", repeat},
		{RuleOrder, order},
		{"environment", environment},
		{RuleApproval, approval},
		{RuleUndo, undo},
		{RuleRelease, release},
		{"restore seen", restoredSeen},
		{"connection open", connectionOpen},
	}
}

// AskGate asks every rule, so that all answers stay on the journey, and returns them with the deciding one: the first
// that is not go, else go.
func AskGate(rules []Rule, v GateView) ([]waybill.GateAnswer, waybill.GateAnswer) {
	answers := make([]waybill.GateAnswer, len(rules))
	decided := waybill.GateAnswer{Verdict: waybill.Go, At: v.Now}
	for i, rule := range rules {
		a := rule.Judge(v)
		a.Rule, a.At = rule.Name, v.Now
		answers[i] = a
		if decided.Verdict == waybill.Go && a.Verdict != waybill.Go {
			decided = a
		}
	}
	return answers, decided
}

var pass = waybill.GateAnswer{Verdict: waybill.Go}

func answer(v waybill.Verdict, format string, args ...any) waybill.GateAnswer {
	return waybill.GateAnswer{Verdict: v, Reason: fmt.Sprintf(format, args...)}
}

// leave skips the effect, unless an attempt of it may have happened: then nobody but a person may call it skipped.
func leave(e *waybill.Effect, format string, args ...any) waybill.GateAnswer {
	if e.Doubted {
		return answer(waybill.Ask, format+"; but an earlier attempt may have happened", args...)
	}
	return answer(waybill.Skip, format, args...)
}

func runWanted(v GateView) waybill.GateAnswer {
	if s := v.Effect.State; s != "" && s != waybill.EffectPlanned && s != waybill.EffectSent {
		return answer(waybill.Refuse, "the effect is %s; it is not sent again", s)
	}
	switch r := v.Run; {
	case r == nil || v.Effect.Undoes != "": // a person wants it, whatever became of the run
		return pass
	case r.Mode == waybill.ModeShadow || r.Mode == waybill.ModeTrial:
		return answer(waybill.Skip, "a %s run sends nothing", r.Mode)
	case r.State == waybill.RunStopped:
		return leave(v.Effect, "the run was stopped")
	case r.State == waybill.RunDone:
		return leave(v.Effect, "the run is done")
	default:
		return pass
	}
}

func goodFor(v GateView) waybill.GateAnswer {
	until := v.Effect.GoodUntil
	if until.IsZero() || v.Now.Before(until) {
		return pass
	}
	return leave(v.Effect, "too late: it was good until %s", until.UTC().Format(time.RFC3339))
}

// repeat holds an effect that may have happened while its repeat was harmless and no longer is, because it waited past
// the life of its key.
func repeat(v GateView) waybill.GateAnswer {
	if !v.Effect.Doubted || harmless(v.Effect, nil, v.Now) {
		return pass
	}
	return answer(waybill.Ask, "an earlier attempt may have happened, and the other side no longer knows its key")
}

// order keeps an older fact from overwriting a newer one, and two writes to one object from overtaking each other. It
// guards state only: what is added or sent does not overwrite.
func order(v GateView) waybill.GateAnswer {
	e := v.Effect
	if e.Kind != waybill.KindState {
		return pass
	}
	if a := overtaking(v); a.Verdict != waybill.Go {
		return a
	}
	if e.Undoes != "" || v.NewestBy == e.ID || v.Newest == (waybill.Stamp{}) || !Older(e.Order, v.Newest) {
		return pass // what undoes asks in words of its own
	}
	return leave(e, "late, no effect: a newer fact was already written")
}

// overtaking waits for another write to the same object: while it is under way, and, for an older fact, until it is known
// what the newer one came to. A newer fact need not wait for that: it overwrites either way.
func overtaking(v GateView) waybill.GateAnswer {
	w := v.Writing
	if w == nil || w.ID == v.Effect.ID {
		return pass
	}
	wait := func(d time.Duration, words string) waybill.GateAnswer {
		a := answer(waybill.WaitUntil, "%s", words)
		a.Until = v.Now.Add(d)
		return a
	}
	switch {
	case w.State == waybill.EffectSent || w.State == waybill.EffectPlanned && w.Doubted:
		return wait(soonAgain, "another write to it is under way")
	case w.State == waybill.EffectUnknown && Older(v.Effect.Order, w.Order):
		return wait(askAgain, "it is not known yet whether a newer fact was written")
	default:
		return pass
	}
}

// soonAgain is when the gate is asked again about what another node does.
const soonAgain = 5 * time.Second

// Older reports whether fact a is older than fact b of the same object: by the provider's revision where both have one of
// a kind, else by time, then by the rank of their status, then by acceptance.
func Older(a, b waybill.Stamp) bool {
	if by, ok := compareRevisions(a.Revision, b.Revision); ok && by != 0 {
		return by < 0
	}
	if !a.At.IsZero() && !b.At.IsZero() && !a.At.Equal(b.At) {
		return a.At.Before(b.At)
	}
	if a.Rank != b.Rank {
		return a.Rank < b.Rank
	}
	return a.Event < b.Event
}

// compareRevisions orders two numbers of any length or two times; other revisions have no order.
func compareRevisions(a, b string) (by int, ok bool) {
	if digits(a) && digits(b) {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			return len(a) - len(b), true
		}
		return strings.Compare(a, b), true
	}
	ta, errA := time.Parse(time.RFC3339Nano, a)
	tb, errB := time.Parse(time.RFC3339Nano, b)
	if errA != nil || errB != nil {
		return 0, false
	}
	return ta.Compare(tb), true
}

func digits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// environment keeps a test environment from reaching people who did not ask to be part of a test.
func environment(v GateView) waybill.GateAnswer {
	if v.Environment == "production" || v.Allow == nil || v.Recipient == "" {
		return pass
	}
	allowed := slices.ContainsFunc(v.Allow, func(entry string) bool {
		if strings.HasPrefix(entry, "@") {
			return len(v.Recipient) > len(entry) && strings.EqualFold(v.Recipient[len(v.Recipient)-len(entry):], entry)
		}
		return strings.EqualFold(entry, v.Recipient)
	})
	if allowed {
		return pass
	}
	return answer(waybill.Skip, "%s is not on the list of recipients of the %s environment", v.Recipient, v.Environment)
}

// askAgain is when the gate is asked again about what does not end by itself.
const askAgain = time.Minute

func connectionOpen(v GateView) waybill.GateAnswer {
	c := v.Connection
	if c == nil {
		return pass
	}
	wait := func(until time.Time, format string, args ...any) waybill.GateAnswer {
		a := answer(waybill.WaitUntil, format, args...)
		if a.Until = until; until.IsZero() {
			a.Until = v.Now.Add(askAgain)
		}
		return a
	}
	switch {
	case slices.Contains(c.Parked, v.Effect.Action):
		return wait(time.Time{}, "%s may not do %s there; it goes on when the permission is given", c.Connection, v.Effect.Action)
	case c.Health == waybill.HealthPaused:
		return wait(time.Time{}, "%s is paused", c.Connection)
	case c.Health == waybill.HealthWorking || c.Health == "" || !c.Until.IsZero() && !v.Now.Before(c.Until):
		return pass // past Until the governor lets one through to probe
	default:
		return wait(c.Until, "%s: %s", c.Connection, c.Reason)
	}
}
