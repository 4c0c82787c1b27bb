package deliver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
)

var t0 = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

// half is a policy whose jitter is always one half: the first pause is 1 s.
var half = deliver.Policy{Jitter: func() float64 { return 0.5 }}

func effectOf(grade waybill.Repeat) *waybill.Effect {
	return &waybill.Effect{
		ID: "eff_1", State: waybill.EffectSent, Repeat: grade, Kind: waybill.KindAdd, Action: "note.add",
		PlannedAt: t0.Add(-time.Minute), SentAt: t0.Add(-time.Second), KeyUntil: t0.Add(24 * time.Hour),
	}
}

func exchangeOf(certainty waybill.Certainty, cause waybill.Cause, status int) deliver.Exchange {
	x := deliver.Exchange{Words: "words"}
	x.Attempt = waybill.Attempt{Certainty: certainty, Cause: cause, Status: status, StartedAt: t0.Add(-time.Second)}
	return x
}

var (
	absence  = &connector.LookupRule{Action: "note.find", Proves: "absence", Settle: 30 * time.Second}
	presence = &connector.LookupRule{Action: "note.find", Proves: "presence", Settle: 30 * time.Second}
)

func TestWhatAnExchangeMeansForAnEffect(t *testing.T) {
	type row struct {
		name   string
		effect func(*waybill.Effect)
		action connector.Action
		x      deliver.Exchange
		want   deliver.Decision
	}
	repeat := func(g waybill.Repeat) func(*waybill.Effect) {
		return func(e *waybill.Effect) { e.Repeat = g }
	}
	doubted := func(g waybill.Repeat) func(*waybill.Effect) {
		return func(e *waybill.Effect) { e.Repeat, e.Doubted = g, true }
	}
	due := t0.Add(time.Second) // half of the first 2 s
	rows := []row{
		{
			"an answer that proves it confirms it", repeat("never"),
			connector.Action{},
			exchangeOf(waybill.Happened, "", 200),
			deliver.Decision{State: "confirmed", Proof: "answer 200", Reason: "words"},
		},
		{
			"what was only handed over says so", repeat("never"),
			connector.Action{Proves: "handed_over"},
			exchangeOf(waybill.Happened, "", 200),
			deliver.Decision{State: "confirmed", Proof: "handed over: answer 200", Reason: "words"},
		},
		{
			"a 2xx that promises a webhook proves nothing yet", repeat("key"),
			connector.Action{Proves: "callback"},
			exchangeOf(waybill.Happened, "", 202),
			deliver.Decision{
				State: "unknown", DueAt: t0.Add(24 * time.Hour), Doubted: true,
				Reason: "they took it; their webhook tells whether it happened",
			},
		},
		{
			"a refusal is a refusal", repeat("never"),
			connector.Action{},
			exchangeOf(waybill.Declined, waybill.DeclinedValue, 422),
			deliver.Decision{State: "declined", Cause: waybill.DeclinedValue, CountsTry: true, Proof: "answer 422", Reason: "words"},
		},
		{
			"a refusal after a doubt does not clear it", doubted("key"),
			connector.Action{},
			exchangeOf(waybill.Declined, waybill.DeclinedValue, 422),
			deliver.Decision{
				State: "unknown", Cause: waybill.DeclinedValue, Doubted: true, Ask: true,
				Reason: "refused now, but an earlier attempt may have happened: words",
			},
		},
		{
			"a refusal after a doubt clears it when their key makes answers final", doubted("key"),
			connector.Action{Key: connector.KeyRule{Final: true}},
			exchangeOf(waybill.Declined, waybill.DeclinedValue, 422),
			deliver.Decision{State: "declined", Cause: waybill.DeclinedValue, CountsTry: true, Proof: "answer 422", Reason: "words"},
		},
		{
			"a refusal after a doubt clears nothing once the key is forgotten",
			func(e *waybill.Effect) { e.Repeat, e.Doubted, e.KeyUntil = "key", true, t0 },
			connector.Action{Key: connector.KeyRule{Final: true}},
			exchangeOf(waybill.Declined, waybill.DeclinedValue, 422),
			deliver.Decision{
				State: "unknown", Cause: waybill.DeclinedValue, Doubted: true, Ask: true,
				Reason: "refused now, but an earlier attempt may have happened: words",
			},
		},
		{
			"an outage uses up no try", repeat("never"),
			connector.Action{},
			exchangeOf(waybill.NotHappened, waybill.TheirSideDown, 0),
			deliver.Decision{State: "planned", Cause: waybill.TheirSideDown, DueAt: due, Outage: true, Reason: "words"},
		},
		{
			"a limit reached waits as long as they ask", repeat("never"),
			connector.Action{},
			func() deliver.Exchange {
				x := exchangeOf(waybill.NotHappened, waybill.LimitReached, 429)
				x.Attempt.RetryAfter = time.Minute
				return x
			}(),
			deliver.Decision{State: "planned", Cause: waybill.LimitReached, DueAt: t0.Add(61 * time.Second), Outage: true, Reason: "words"},
		},
		{
			"a limit of ten years is cut", repeat("never"),
			connector.Action{},
			func() deliver.Exchange {
				x := exchangeOf(waybill.NotHappened, waybill.LimitReached, 429)
				x.Attempt.RetryAfter = 10 * 365 * 24 * time.Hour
				return x
			}(),
			deliver.Decision{State: "planned", Cause: waybill.LimitReached, DueAt: t0.Add(24*time.Hour + time.Second), Outage: true, Reason: "words"},
		},
		{
			"an outage of one call while others are answered counts", repeat("natural"),
			connector.Action{},
			func() deliver.Exchange {
				x := exchangeOf(waybill.InDoubt, waybill.TheirSideDown, 500)
				x.Alone = true
				return x
			}(),
			deliver.Decision{
				State: "planned", Cause: waybill.TheirSideDown, DueAt: due, Outage: true, CountsTry: true, Doubted: true,
				Reason: "it may have happened; sending it again is harmless: words",
			},
		},
		{
			"after a new sign-in it goes on at once", repeat("never"),
			connector.Action{},
			func() deliver.Exchange {
				x := exchangeOf(waybill.NotHappened, waybill.SignInExpired, 401)
				x.SignIn = true
				return x
			}(),
			deliver.Decision{State: "planned", Cause: waybill.SignInExpired, DueAt: t0, Reason: "signed in anew; going on"},
		},
		{
			"a missing permission waits for a person and is not declined", repeat("never"),
			connector.Action{},
			exchangeOf(waybill.Declined, waybill.PermissionMissing, 403),
			deliver.Decision{
				State: "planned", Cause: waybill.PermissionMissing, CountsTry: true, Ask: true,
				Reason: "it did not happen; sending the same again would not help: words",
			},
		},
		{
			"the last try asks a person", func(e *waybill.Effect) { e.Repeat, e.Tries = "never", 7 },
			connector.Action{},
			exchangeOf(waybill.NotHappened, waybill.OurSide, 0),
			deliver.Decision{
				State: "planned", Cause: waybill.OurSide, CountsTry: true, Ask: true,
				Reason: "tried 8 times, it did not happen: words",
			},
		},
		{
			"a lost answer is sent again with its key", repeat("key"),
			connector.Action{},
			exchangeOf(waybill.InDoubt, waybill.AnswerLost, 0),
			deliver.Decision{
				State: "planned", Cause: waybill.AnswerLost, DueAt: due, CountsTry: true, Doubted: true,
				Reason: "it may have happened; sending it again is harmless: words",
			},
		},
		{
			"a lost answer is unknown when the key would be forgotten before the next attempt",
			func(e *waybill.Effect) { e.Repeat, e.KeyUntil = "key", t0.Add(20*time.Second) },
			connector.Action{},
			exchangeOf(waybill.InDoubt, waybill.AnswerLost, 0),
			deliver.Decision{
				State: "unknown", Cause: waybill.AnswerLost, CountsTry: true, Doubted: true, Ask: true,
				Reason: "it may have happened: words",
			},
		},
		{
			"a lost answer is looked for after the settle time", repeat("lookup"),
			connector.Action{Lookup: absence},
			exchangeOf(waybill.InDoubt, waybill.AnswerLost, 0),
			deliver.Decision{
				State: "unknown", Cause: waybill.AnswerLost, DueAt: t0.Add(30 * time.Second), Look: true, CountsTry: true, Doubted: true,
				Reason: "it may have happened: words",
			},
		},
		{
			"a lost answer that a webhook may settle asks meanwhile", repeat("never"),
			connector.Action{SettledBy: true},
			exchangeOf(waybill.InDoubt, waybill.TooSlow, 0),
			deliver.Decision{
				State: "unknown", Cause: waybill.TooSlow, Outage: true, Doubted: true, Ask: true,
				Reason: "it may have happened: words; their webhook may still settle it",
			},
		},
		{
			"a doubt that sending again cannot end is not sent again", repeat("key"),
			connector.Action{},
			exchangeOf(waybill.InDoubt, waybill.MappingWrong, 400),
			deliver.Decision{
				State: "unknown", Cause: waybill.MappingWrong, CountsTry: true, Doubted: true, Ask: true,
				Reason: "it may have happened: words",
			},
		},
		{
			"a limit that outlasts the key ends in a question", doubted("key"),
			connector.Action{},
			func() deliver.Exchange {
				x := exchangeOf(waybill.NotHappened, waybill.LimitReached, 429)
				x.Attempt.RetryAfter = 24 * time.Hour
				return x
			}(),
			deliver.Decision{
				State: "unknown", Cause: waybill.LimitReached, Doubted: true, Ask: true,
				Reason: "an earlier attempt may have happened, and sending it again is no longer harmless",
			},
		},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			e := effectOf("never")
			r.effect(e)
			got := deliver.Decide(e, &r.action, r.x, half, t0)
			if diff := cmp.Diff(r.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNoDecisionBreaksAPromise goes through every combination and holds each decision to the promises, stated once more
// and independently of how the decision is made.
func TestNoDecisionBreaksAPromise(t *testing.T) {
	grades := []waybill.Repeat{"key", "natural", "lookup", "never"}
	certainties := []waybill.Certainty{waybill.Happened, waybill.Declined, waybill.NotHappened, waybill.InDoubt}
	bools := []bool{false, true}
	count := 0
	for _, grade := range grades {
		for _, certainty := range certainties {
			for _, cause := range waybill.Causes {
				for bits := range 1 << 8 {
					bit := func(i int) bool { return bits>>i&1 == 1 }
					e := effectOf(grade)
					action := connector.Action{SettledBy: bit(1), Key: connector.KeyRule{Final: bit(2)}}
					if e.Doubted = bit(0); bit(3) {
						e.KeyUntil = t0.Add(time.Second) // as good as forgotten
					}
					if bit(4) || grade == "lookup" {
						action.Lookup = absence
					}
					if bit(5) {
						e.Tries = 7
					}
					if bit(6) {
						action.Proves = "callback"
					}
					x := exchangeOf(certainty, cause, 500)
					x.Alone = bit(7)
					for _, signIn := range bools {
						x.SignIn = signIn && certainty == waybill.NotHappened
						d := deliver.Decide(e, &action, x, half, t0)
						if broken := brokenPromise(e, &action, x, d); broken != "" {
							t.Fatalf("%s: %s\neffect %+v\nexchange %+v\ndecision %+v", name(grade, certainty, cause, bits), broken, e, x, d)
						}
						count++
					}
				}
			}
		}
	}
	t.Logf("%d decisions", count)
}

func name(grade waybill.Repeat, certainty waybill.Certainty, cause waybill.Cause, bits int) string {
	return fmt.Sprintf("%s, %s, %s, %08b", grade, certainty, cause, bits)
}

// brokenPromise says which promise a decision breaks.
func brokenPromise(e *waybill.Effect, action *connector.Action, x deliver.Exchange, d deliver.Decision) string {
	mayHaveHappened := e.Doubted || x.Attempt.Certainty == waybill.InDoubt
	keyAlive := d.DueAt.Add(30 * time.Second).Before(e.KeyUntil)
	harmless := e.Repeat == "natural" || e.Repeat == "key" && keyAlive
	cause := x.Attempt.Cause
	final := e.Repeat == "key" && action.Key.Final && t0.Add(30*time.Second).Before(e.KeyUntil)
	switch {
	case !waybill.EffectSent.CanBecome(d.State):
		return "an illegal move"
	case d.State == "planned" && mayHaveHappened && !d.Doubted:
		return "a doubt was forgotten"
	case d.State == "planned" && mayHaveHappened && d.Ask:
		return "a person is asked as if it were known not to have happened"
	case d.State == "planned" && mayHaveHappened && !harmless:
		return "what may have happened is sent again blindly"
	case d.State == "planned" && !d.DueAt.IsZero() && x.Attempt.Certainty == waybill.Declined && !cause.Outage():
		return "what was refused is sent again by itself"
	case d.State == "confirmed" && (x.Attempt.Certainty != waybill.Happened || action.Proves == "callback"):
		return "confirmed without proof"
	case d.State == "declined" && x.Attempt.Certainty != waybill.Declined:
		return "declined without a refusal"
	case d.State == "declined" && e.Doubted && !final:
		return "a later refusal cleared a doubt"
	case d.State == "unknown" && !mayHaveHappened && action.Proves != "callback":
		return "unknown though it is known"
	case (d.State == "planned" || d.State == "unknown") && d.DueAt.IsZero() && !d.Ask:
		return "lost: nothing happens by itself and nobody is asked"
	case d.Look && (action.Lookup == nil || d.DueAt.IsZero() || d.State != "unknown"):
		return "a look-up that cannot be"
	case d.Outage && !cause.Outage():
		return "an outage without a cause of one"
	case d.CountsTry && cause == waybill.LimitReached:
		return "a limit counted against the work"
	case d.CountsTry && cause.Outage() && !x.Alone:
		return "an outage counted against the work"
	case (d.State == "confirmed" || d.State == "declined") && (d.Proof == "" || d.Doubted):
		return "settled without saying what proves it"
	case d.State != "confirmed" && d.Reason == "":
		return "no reason in words"
	case !d.DueAt.IsZero() && d.DueAt.Before(t0):
		return "due in the past"
	default:
		return ""
	}
}

func TestThePauseGrowsIsJitteredAndBounded(t *testing.T) {
	for _, tt := range []struct {
		tries  int
		jitter float64
		want   time.Duration
	}{
		{0, 0, 0}, {0, 0.5, time.Second}, {1, 0.5, 2 * time.Second}, {6, 0.5, 64 * time.Second}, {6, 0.25, 32 * time.Second},
	} {
		e := effectOf("never")
		e.Tries = tt.tries
		p := deliver.Policy{Jitter: func() float64 { return tt.jitter }}
		d := deliver.Decide(e, &connector.Action{}, exchangeOf(waybill.NotHappened, waybill.OurSide, 0), p, t0)
		if got := d.DueAt.Sub(t0); got != tt.want {
			t.Errorf("after %d tries with jitter %v: %v, want %v", tt.tries, tt.jitter, got, tt.want)
		}
	}
	e := effectOf("never")
	e.Tries = 1000
	p := deliver.Policy{Tries: 2000, Jitter: func() float64 { return 1 }}
	if d := deliver.Decide(e, &connector.Action{}, exchangeOf(waybill.NotHappened, waybill.OurSide, 0), p, t0); d.DueAt.Sub(t0) != time.Hour {
		t.Errorf("the longest pause is %v, want 1h", d.DueAt.Sub(t0))
	}
}

func TestAnEffectFoundAsSentIsInDoubt(t *testing.T) {
	for grade, want := range map[waybill.Repeat]deliver.Decision{
		"key":     {State: "planned", DueAt: t0, Doubted: true, CountsTry: true},
		"natural": {State: "planned", DueAt: t0, Doubted: true, CountsTry: true},
		"lookup":  {State: "unknown", DueAt: t0.Add(30 * time.Second), Look: true, Doubted: true, CountsTry: true},
		"never":   {State: "unknown", Ask: true, Doubted: true, CountsTry: true},
	} {
		action := &connector.Action{}
		if grade == "lookup" {
			action.Lookup = absence
		}
		got := deliver.Recover(effectOf(grade), action, half, t0)
		if !strings.Contains(got.Reason, "Waybill stopped before the answer came") || got.Cause != waybill.AnswerLost {
			t.Errorf("%s: %q, %q", grade, got.Reason, got.Cause)
		}
		got.Reason, got.Cause = "", ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", grade, diff)
		}
	}
	if d := deliver.Recover(effectOf("lookup"), nil, half, t0); d.State != "unknown" || !d.Ask {
		t.Errorf("an effect whose connector lost the action: %+v", d)
	}
}

func TestAKeyWhoseEndWasNotNotedCountsFromThePlan(t *testing.T) {
	e := effectOf("key")
	e.KeyUntil, e.PlannedAt = time.Time{}, t0.Add(-23*time.Hour-59*time.Minute-50*time.Second)
	action := &connector.Action{Key: connector.KeyRule{Life: 24 * time.Hour}}
	if d := deliver.Recover(e, action, half, t0); d.State != "unknown" {
		t.Errorf("%+v", d)
	}
}

func TestWhatALookUpProves(t *testing.T) {
	sent := t0.Add(-time.Minute) // twice the settle time ago
	rows := []struct {
		name    string
		looks   int // this one included
		action  connector.Action
		x       deliver.Exchange
		matched bool
		started time.Time
		want    deliver.Decision
	}{
		{
			"presence confirms", 1,
			connector.Action{Lookup: presence},
			exchangeOf(waybill.Happened, "", 200), true, t0,
			deliver.Decision{State: "confirmed", Proof: "found there by looking"},
		},
		{
			"presence confirms before the settle time as well", 1,
			connector.Action{Lookup: absence},
			exchangeOf(waybill.Happened, "", 200), true,
			sent.Add(time.Second),
			deliver.Decision{State: "confirmed", Proof: "found there by looking"},
		},
		{
			"absence before the settle time means nothing", 1,
			connector.Action{Lookup: absence},
			exchangeOf(waybill.Happened, "", 200), false,
			sent.Add(29 * time.Second),
			deliver.Decision{
				State: "unknown", DueAt: sent.Add(30 * time.Second), Look: true, Doubted: true, Looks: 0,
				Cause: waybill.AnswerLost, Reason: "not there yet; too early to mean anything",
			},
		},
		{
			"absence once is not enough", 1,
			connector.Action{Lookup: absence},
			exchangeOf(waybill.Happened, "", 200), false, t0,
			deliver.Decision{
				State: "unknown", DueAt: t0.Add(30 * time.Second), Look: true, Doubted: true, Looks: 1,
				Cause: waybill.AnswerLost, Reason: "not there; looking once more to be sure",
			},
		},
		{
			"absence twice proves it did not happen", 2,
			connector.Action{Lookup: absence},
			exchangeOf(waybill.Happened, "", 200), false, t0,
			deliver.Decision{
				State: "planned", DueAt: t0, Cause: waybill.AnswerLost,
				Reason: "looked twice after the settle time: it is not there, so it did not happen",
			},
		},
		{
			"a look-up that proves presence only never proves absence", 2,
			connector.Action{Lookup: presence},
			exchangeOf(waybill.Happened, "", 200), false, t0,
			deliver.Decision{
				State: "unknown", DueAt: t0.Add(2 * time.Minute), Look: true, Doubted: true, Looks: 2,
				Cause: waybill.AnswerLost, Reason: "not found; this look-up cannot prove that it did not happen",
			},
		},
		{
			"after three such look-ups a person is asked", 3,
			connector.Action{Lookup: presence},
			exchangeOf(waybill.Happened, "", 200), false, t0,
			deliver.Decision{
				State: "unknown", Ask: true, Doubted: true, Looks: 3, Cause: waybill.AnswerLost,
				Reason: "looked 3 times and did not find it, which does not prove that it did not happen",
			},
		},
		{
			"a look-up during an outage does not count", 2,
			connector.Action{Lookup: absence},
			exchangeOf(waybill.NotHappened, waybill.TheirSideDown, 503), false, t0,
			deliver.Decision{
				State: "unknown", DueAt: t0.Add(15 * time.Second), Look: true, Outage: true, Doubted: true, Looks: 1,
				Cause: waybill.AnswerLost, Reason: "it may have happened, and looking was not possible: words",
			},
		},
		{
			"a look-up that is refused asks a person", 1,
			connector.Action{Lookup: absence},
			exchangeOf(waybill.Declined, waybill.PermissionMissing, 403), false, t0,
			deliver.Decision{
				State: "unknown", Ask: true, Doubted: true, Cause: waybill.AnswerLost,
				Reason: "it may have happened, and looking was not possible: words",
			},
		},
		{
			"without a look-up nothing is proven", 9,
			connector.Action{},
			exchangeOf(waybill.Happened, "", 200), false, t0,
			deliver.Decision{
				State: "unknown", Ask: true, Doubted: true, Looks: 9, Cause: waybill.AnswerLost,
				Reason: "looked 9 times and did not find it, which does not prove that it did not happen",
			},
		},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			e := effectOf("lookup")
			e.State, e.Doubted, e.Cause, e.SentAt, e.Looks = waybill.EffectUnknown, true, waybill.AnswerLost, sent, r.looks
			r.x.Attempt.StartedAt = r.started
			r.x.Matched = r.matched
			got := deliver.DecideLook(e, &r.action, r.x, half, t0)
			if diff := cmp.Diff(r.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnEffectThatIsAlwaysAbsentEndsWithAPerson(t *testing.T) {
	e := effectOf("lookup")
	e.State, e.SentAt, e.Looks, e.Tries = waybill.EffectUnknown, t0.Add(-time.Hour), 2, 8
	d := deliver.DecideLook(e, &connector.Action{Lookup: absence}, exchangeOf(waybill.Happened, "", 200), half, t0)
	if d.State != "planned" || !d.Ask || !d.DueAt.IsZero() {
		t.Errorf("%+v", d)
	}
}

func TestAWebhookThatDoesNotComeEndsInALookOrAQuestion(t *testing.T) {
	if d := deliver.Overdue(effectOf("never"), &connector.Action{SettledBy: true}, half, t0); d.State != "unknown" || !d.Ask {
		t.Errorf("without a look-up: %+v", d)
	}
	if d := deliver.Overdue(effectOf("never"), &connector.Action{Lookup: presence}, half, t0); d.State != "unknown" || !d.Look {
		t.Errorf("with a look-up: %+v", d)
	}
}

func TestWhatComesAfterARead(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tries int
		x     deliver.Exchange
		state waybill.FetchState
		want  deliver.Decision
	}{
		{"an answer ends it", 0, exchangeOf(waybill.Happened, "", 200), "done", deliver.Decision{}},
		{
			"an outage waits and counts nothing", 7, exchangeOf(waybill.NotHappened, waybill.TheirSideDown, 503), "planned",
			deliver.Decision{Cause: waybill.TheirSideDown, DueAt: t0.Add(128 * time.Second), Outage: true, Reason: "words"},
		},
		{
			"a refused value fails at once", 0, exchangeOf(waybill.Declined, waybill.DeclinedValue, 400), "failed",
			deliver.Decision{Cause: waybill.DeclinedValue, Ask: true, CountsTry: true, Reason: "words"},
		},
		{
			"a missing permission waits for a person", 0, exchangeOf(waybill.Declined, waybill.PermissionMissing, 403), "planned",
			deliver.Decision{Cause: waybill.PermissionMissing, Ask: true, CountsTry: true, Reason: "words"},
		},
		{
			"a lost answer is read again, for a read is never in doubt", 0, exchangeOf(waybill.NotHappened, waybill.AnswerLost, 0), "planned",
			deliver.Decision{Cause: waybill.AnswerLost, DueAt: t0.Add(time.Second), CountsTry: true, Reason: "words"},
		},
		{
			"the last try fails", 7, exchangeOf(waybill.NotHappened, waybill.AnswerLost, 0), "failed",
			deliver.Decision{Cause: waybill.AnswerLost, Ask: true, CountsTry: true, Reason: "tried 8 times: words"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state, got := deliver.DecideFetch(&waybill.Fetch{Tries: tt.tries}, &connector.Action{}, tt.x, half, t0)
			if diff := cmp.Diff(tt.want, got); diff != "" || state != tt.state {
				t.Errorf("%s: %s", state, diff)
			}
		})
	}
}
