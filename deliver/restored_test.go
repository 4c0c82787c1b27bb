package deliver_test

import (
	"testing"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
)

// backup and start are the ends of the time about which a restored book knows nothing.
var (
	backup = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	start  = backup.Add(6 * time.Hour)
	lost   = deliver.Doubt{From: backup, To: start}
)

func TestADoubtCoversWhatTheLostProcessMayHaveSeen(t *testing.T) {
	never := time.Time{}
	for name, c := range map[string]struct {
		occurred, accepted time.Time
		want               bool
	}{
		"in the backup":                                   {backup.Add(-time.Hour), backup.Add(-time.Hour), true},
		"in the backup, without a time":                   {never, backup.Add(-time.Hour), true},
		"happened in the window, came again":              {backup.Add(time.Hour), start.Add(time.Minute), true},
		"happened long before, comes for the first time":  {backup.Add(-1000 * time.Hour), start.Add(100 * time.Hour), true},
		"happened in the window, comes a year later":      {backup.Add(time.Hour), start.Add(8760 * time.Hour), true},
		"happened after the start":                        {start.Add(2 * time.Minute), start.Add(2 * time.Minute), false},
		"happened just after the start, clocks differ":    {start.Add(30 * time.Second), start.Add(time.Minute), true},
		"no time of its own, soon after the start":        {never, start.Add(71 * time.Hour), true},
		"no time of its own, when nobody sends old again": {never, start.Add(73 * time.Hour), false},
	} {
		if got := lost.Covers(c.occurred, c.accepted); got != c.want {
			t.Errorf("%s: covered %t, want %t", name, got, c.want)
		}
	}
	if (deliver.Doubt{}).Covers(backup, backup) {
		t.Error("a book that was never restored has no doubt")
	}
}

func TestAfterARestoreOnlyWhatIsHarmlessToRepeatIsSent(t *testing.T) {
	look := &connector.LookupRule{Action: "find", Proves: "absence"}
	for name, c := range map[string]struct {
		grade         waybill.Repeat
		life          time.Duration
		known         bool
		lookup        *connector.LookupRule
		at            time.Time
		unknown, asks bool
	}{
		"natural":                                  {grade: waybill.RepeatNatural, at: start},
		"a key they know":                          {grade: waybill.RepeatKey, known: true, life: 24 * time.Hour, at: start},
		"a key they never forget":                  {grade: waybill.RepeatKey, known: true, at: start.Add(9000 * time.Hour)},
		"a key they have forgotten by now":         {grade: waybill.RepeatKey, known: true, life: 24 * time.Hour, at: backup.Add(24 * time.Hour), unknown: true, asks: true},
		"another key than the lost process's":      {grade: waybill.RepeatKey, life: 24 * time.Hour, at: start, unknown: true, asks: true},
		"another key, but it can be looked for":    {grade: waybill.RepeatKey, lookup: look, at: start, unknown: true},
		"lookup":                                   {grade: waybill.RepeatLookup, lookup: look, known: true, at: start, unknown: true},
		"never":                                    {grade: waybill.RepeatNever, known: true, at: start, unknown: true, asks: true},
		"a grade nobody declared":                  {at: start, unknown: true, asks: true},
		"never, though it could be looked for too": {grade: waybill.RepeatNever, lookup: look, at: start, unknown: true},
	} {
		action := &connector.Action{Repeat: c.grade, Lookup: c.lookup, Key: connector.KeyRule{Life: c.life}}
		e := &waybill.Effect{Repeat: c.grade, State: waybill.EffectPlanned, PlannedAt: c.at}
		got := lost.Weigh(e, action, c.known, deliver.Policy{}, c.at)
		if got.Unknown != c.unknown || got.Decision.Ask != c.asks {
			t.Errorf("%s: unknown %t, asks %t; want %t, %t", name, got.Unknown, got.Decision.Ask, c.unknown, c.asks)
		}
		if got.Unknown && (got.Decision.State != waybill.EffectUnknown || got.Decision.Look != (c.lookup != nil) || !got.Decision.Doubted) {
			t.Errorf("%s: %+v", name, got.Decision)
		}
		if !got.Unknown && c.grade == waybill.RepeatKey && c.life > 0 && (!got.Doubted || !got.KeyUntil.Equal(backup.Add(c.life))) {
			t.Errorf("%s: the key is not counted from the backup: %+v", name, got)
		}
	}
}

func TestAFactHasOneNameInEveryBook(t *testing.T) {
	name := func(ev waybill.Event) string { n, _ := deliver.Fact(&ev); return n }
	same := func(ev waybill.Event) bool { _, ok := deliver.Fact(&ev); return ok }
	first := waybill.Event{ID: "evt_1", Account: "acct", Type: "payment.succeeded", FactKey: "pi_1"}
	again := first
	again.ID = "evt_2"
	if name(first) != name(again) || !same(first) {
		t.Error("the same fact has another name when it comes again")
	}
	emitted := waybill.Event{ID: "evt_3", FactKey: "evt_1/f/s", Parent: "evt_1"}
	keyless := waybill.Event{ID: "evt_4"}
	if same(emitted) || same(keyless) || name(emitted) != "evt_3" || name(keyless) != "evt_4" {
		t.Error("what has only this book's id is taken to have the same name elsewhere")
	}
	other := first
	other.Type = "payment.failed"
	if name(other) == name(first) {
		t.Error("two facts have one name")
	}
}

func TestNothingIsSentBeforeSomebodySawTheRestore(t *testing.T) {
	view := deliver.GateView{Effect: &waybill.Effect{State: waybill.EffectPlanned, Repeat: waybill.RepeatNatural}, Now: start}
	for _, c := range []struct {
		restored *waybill.Restored
		want     waybill.Verdict
	}{
		{nil, waybill.Go},
		{&waybill.Restored{BackupAt: backup, StartedAt: start}, waybill.WaitUntil},
		{&waybill.Restored{BackupAt: backup, StartedAt: start, SeenAt: start}, waybill.Go},
	} {
		view.Restored = c.restored
		if _, deciding := deliver.AskGate(deliver.Rules(), view); deciding.Verdict != c.want {
			t.Errorf("%+v: %s, want %s", c.restored, deciding.Verdict, c.want)
		}
	}
}
