package record_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/internal/pgtest"
	"waybill/record"
)

// batching makes the same random acts for two books, and remembers what was written so far.
type batching struct {
	r       *rand.Rand
	tame    bool // no act is refused
	now     time.Time
	n       int
	items   []waybill.Item
	events  []waybill.Event
	effects []waybill.Effect
}

func (k *batching) name(kind string) string {
	k.n++
	return fmt.Sprintf("%s_%04d", kind, k.n)
}

// act is one act and what it looks up. What it came to is a text, which depends on nothing but the acts before it.
func (k *batching) act() (func(tx *record.Tx) (string, error), record.Ahead) {
	kinds := []func() (func(tx *record.Tx) (string, error), record.Ahead){k.arrive, k.arrive, k.understand, k.understand, k.send, k.outcome, k.refuse}
	if k.tame {
		kinds = kinds[:len(kinds)-1]
	}
	do, ahead := kinds[k.r.IntN(len(kinds))]()
	if k.r.IntN(5) == 0 {
		ahead = record.Ahead{} // nobody has foretold it
	}
	return do, ahead
}

func (k *batching) arrive() (func(tx *record.Tx) (string, error), record.Ahead) {
	a := &waybill.Arrival{
		ID: waybill.ArrivalID(k.name("arr")), Connection: "shop", Account: "acct", Via: waybill.ViaWebhook, ReceivedAt: k.now,
		Body: []byte(`{"n": 1}`), BodyHash: "same",
	}
	for range 1 + k.r.IntN(2) {
		it := waybill.Item{ID: waybill.ItemID(k.name("itm")), Type: "paid", DeliveryKey: fmt.Sprintf("key %d", k.r.IntN(40))}
		if k.r.IntN(4) == 0 {
			it.KeyUntil = k.now.Add(time.Duration(k.r.IntN(3)-1) * time.Hour)
		}
		a.Items = append(a.Items, it)
	}
	k.items = append(k.items, a.Items...)
	return func(tx *record.Tx) (string, error) {
		r, err := tx.TakeIn(a)
		fresh := ""
		for _, it := range r.Fresh {
			fresh += " " + string(it.ID)
		}
		return fmt.Sprintf("%v%s", r.Duplicate, fresh), err
	}, record.Ahead{Arrivals: []*waybill.Arrival{a}}
}

func (k *batching) understand() (func(tx *record.Tx) (string, error), record.Ahead) {
	n := k.r.IntN(30)
	ev := waybill.Event{
		ID: waybill.EventID(k.name("evt")), Type: "payment.captured", Noun: "payment", Connection: "shop", Account: "acct",
		FactKey: fmt.Sprintf("fact %d", n), Subject: fmt.Sprintf("payment %d", n), AcceptedAt: k.now, Data: []byte(`{}`),
		Search: []waybill.SearchKey{{Kind: "payment", Value: fmt.Sprint(n)}, {Kind: "phone", Value: fmt.Sprint(n % 7)}},
	}
	about := waybill.Subject{
		ID: waybill.SubjectID(k.name("sub")), Type: "customer", Rank: k.r.IntN(3), FactTime: k.now.Add(time.Duration(k.r.IntN(3)) * time.Second),
		Aliases: []waybill.Alias{{Kind: "email", Value: fmt.Sprint(k.r.IntN(12))}, {Kind: "phone", Value: fmt.Sprint(k.r.IntN(12))}},
		Fields:  fmt.Appendf(nil, `{"n": %d}`, k.n),
	}
	run := waybill.Run{ID: waybill.RunID(k.name("run")), Event: ev.ID, Flow: "notify"}
	if n%2 == 0 {
		run.Lane = fmt.Sprintf("notify %d", n%5)
	}
	eff := waybill.Effect{
		ID: waybill.EffectID(k.name("eff")), Event: ev.ID, Flow: "notify", Address: "tell", Run: run.ID, Connection: "mail", Account: "mail",
		Action: "send", Repeat: waybill.RepeatKey, Key: fmt.Sprintf("ours %d", n), Fingerprint: "same", PlannedAt: k.now,
	}
	k.events, k.effects = append(k.events, ev), append(k.effects, eff)
	return func(tx *record.Tx) (string, error) {
		written := ev
		first, fresh, err := tx.PutEvent(&written)
		if err != nil || !fresh {
			return fmt.Sprint("known: ", first), err
		}
		s := about
		subject, err := tx.TouchSubject(&s)
		if err != nil {
			return "", err
		}
		r := run
		behind, err := tx.PutRun(&r)
		if err != nil || behind != "" {
			return fmt.Sprint(subject, " behind ", behind), err
		}
		e := eff
		_, planned, err := tx.PlanEffect(&e, false)
		if err != nil {
			return "", err
		}
		r.State = waybill.RunRunning
		if err := tx.MoveRun(&r, waybill.RunQueued); err != nil {
			return "", err
		}
		r.State = waybill.RunWaiting
		return fmt.Sprint(subject, planned), tx.MoveRun(&r, waybill.RunRunning)
	}, record.Ahead{Events: []*waybill.Event{&ev}, Subjects: []*waybill.Subject{&about}}
}

// some picks an effect that was planned, or may have been.
func (k *batching) some() waybill.EffectID {
	if len(k.effects) == 0 {
		return "eff_none"
	}
	return k.effects[k.r.IntN(len(k.effects))].ID
}

func (k *batching) send() (func(tx *record.Tx) (string, error), record.Ahead) {
	id := k.some()
	return func(tx *record.Tx) (string, error) {
		e, run, err := tx.EffectWithRun(id)
		if waybill.KindOf(err) == waybill.NotFound {
			return "none", nil
		}
		if err != nil || e.State != waybill.EffectPlanned {
			return "no", err
		}
		e.State, e.SentAt = waybill.EffectSent, k.now
		return fmt.Sprint(run.ID, run.State), tx.MoveEffect(e, waybill.EffectPlanned)
	}, record.Ahead{Effects: []waybill.EffectID{id}}
}

func (k *batching) outcome() (func(tx *record.Tx) (string, error), record.Ahead) {
	id, attempt := k.some(), waybill.AttemptID(k.name("att"))
	return func(tx *record.Tx) (string, error) {
		e, run, err := tx.EffectWithRun(id)
		if waybill.KindOf(err) == waybill.NotFound {
			return "none", nil
		}
		if err != nil || e.State != waybill.EffectSent {
			return "no", err
		}
		if err := tx.AddAttempt(&waybill.Attempt{ID: attempt, Effect: id, StartedAt: k.now}); err != nil {
			return "", err
		}
		e.State = waybill.EffectConfirmed
		if err := tx.MoveEffect(e, waybill.EffectSent); err != nil {
			return "", err
		}
		from := run.State
		run.State = waybill.RunDone
		if err := tx.MoveRun(run, from); err != nil {
			return "", err
		}
		next, err := tx.LeaveLane(run.ID)
		return fmt.Sprint(from, next), err
	}, record.Ahead{Effects: []waybill.EffectID{id}}
}

// refuse writes and then thinks better of it, or writes what is there already.
func (k *batching) refuse() (func(tx *record.Tx) (string, error), record.Ahead) {
	do, ahead := k.understand()
	again := k.r.IntN(2) == 0 && len(k.items) > 0
	item := waybill.Item{}
	if again {
		item = k.items[k.r.IntN(len(k.items))]
	}
	return func(tx *record.Tx) (string, error) {
		if !again {
			_, err := do(tx)
			return "", errors.Join(err, &waybill.Error{Kind: waybill.Invalid, Message: "on second thoughts"})
		}
		_, err := tx.TakeIn(&waybill.Arrival{ID: "arr_again", Connection: "shop", Items: []waybill.Item{item}})
		return "", err
	}, ahead
}

// told is how everything stands in a book, in words that are the same in every database.
func (k *batching) told(tx *record.Tx) string {
	var b strings.Builder
	say := func(what any, err error) {
		if err != nil {
			what = waybill.KindOf(err)
		}
		fmt.Fprintf(&b, "%+v\n", what)
	}
	for _, it := range k.items {
		got, err := tx.Item(it.ID)
		if err == nil {
			say(*got, nil)
			continue
		}
		say(it.ID, err)
	}
	for _, ev := range k.events {
		runs, err := tx.RunsOf(ev.ID)
		say(runs, err)
		told, err := tx.EventOfFact(&ev)
		if told != nil {
			say(told.ID, err)
		}
	}
	for _, e := range k.effects {
		got, err := tx.Effect(e.ID)
		if err != nil {
			continue
		}
		say(*got, nil)
		attempts, err := tx.Attempts(string(e.ID))
		say(len(attempts), err)
		byKey, err := tx.EffectByKey(e.Connection, e.Key)
		if err == nil {
			say(byKey.ID, nil)
		}
	}
	for n := range 12 {
		for _, kind := range []string{"email", "phone"} {
			s, err := tx.SubjectBy("customer", waybill.Alias{Kind: kind, Value: fmt.Sprint(n)})
			if s != nil {
				say(*s, err)
			}
		}
	}
	return b.String()
}

// TestABatchComesToWhatItsActsComeToOneByOne runs random acts in batches, on a database where their statements share a line and their
// lookups are asked ahead, and one by one in a book in memory.
func TestABatchComesToWhatItsActsComeToOneByOne(t *testing.T) {
	worlds, batches := uint64(12), 12
	if testing.Short() {
		worlds = 4
	}
	for seed := range worlds {
		now := time.UnixMilli(1_790_000_000_000).UTC()
		options := record.Options{Now: func() time.Time { return now }, Environment: "test"}
		together, alone := open(t, pgtest.Database(t), options), open(t, "sqlite::memory:", options)
		k := &batching{r: rand.New(rand.NewPCG(seed, 1)), now: now, tame: seed%2 == 0}
		done := 0
		for range batches {
			n := 1 + k.r.IntN(24)
			acts, ahead := make([]func(*record.Tx) error, n), make([]record.Ahead, n)
			got, want, refused := make([]string, n), make([]string, n), make([]error, n)
			for i := range n {
				do, a := k.act()
				acts[i], ahead[i] = func(tx *record.Tx) (err error) { got[i], err = do(tx); return err }, a
				refused[i] = alone.Do(t.Context(), func(tx *record.Tx) (err error) { want[i], err = do(tx); return err })
			}
			for i, err := range record.Batch(together, acts, ahead) {
				if waybill.KindOf(err) != waybill.KindOf(refused[i]) || err == nil && got[i] != want[i] {
					t.Fatalf("seed %d, act %d of %d: %q, %v; one by one %q, %v", seed, i, n, got[i], err, want[i], refused[i])
				}
				if err == nil {
					done++
				}
			}
		}
		if done < batches {
			t.Errorf("seed %d: only %d acts were not refused", seed, done)
		}
		if n := record.Reran(together); k.tame && n > 0 {
			t.Errorf("seed %d: %d batches were run again, though nothing was refused", seed, n)
		}
		var inBatches, oneByOne string
		for book, told := range map[*record.Book]*string{together: &inBatches, alone: &oneByOne} {
			if err := book.View(t.Context(), func(tx *record.Tx) error { *told = k.told(tx); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if inBatches != oneByOne {
			t.Errorf("seed %d: the books differ:\n%s", seed, firstDifference(inBatches, oneByOne))
		}
	}
}

// TestWhatIsRefusedOnTheWayToTheCommitIsNotCommitted has the server refuse a statement that goes out together with the commit of its
// batch: the neighbours are kept, the act is told, and of its own nothing is left.
func TestWhatIsRefusedOnTheWayToTheCommitIsNotCommitted(t *testing.T) {
	book := open(t, pgtest.Database(t), record.Options{Environment: "test"})
	set := func(name string) func(*record.Tx) error {
		return func(tx *record.Tx) error { return tx.SetSetting(name, []byte("1")) }
	}
	errs := record.Batch(book, []func(*record.Tx) error{
		set("before"),
		func(tx *record.Tx) error {
			if err := tx.SetSetting("its own", []byte("1")); err != nil {
				return err
			}
			return tx.MoveEffect(&waybill.Effect{ID: "eff_none", State: waybill.EffectSent}, waybill.EffectPlanned)
		},
		set("after"),
	}, make([]record.Ahead, 3))
	if errs[0] != nil || errs[1] == nil || waybill.KindOf(errs[1]) == waybill.Unavailable || errs[2] != nil || record.Reran(book) != 1 {
		t.Errorf("%v; run again %d times", errs, record.Reran(book))
	}
	err := book.View(t.Context(), func(tx *record.Tx) error {
		for name, want := range map[string]bool{"before": true, "its own": false, "after": true} {
			v, err := tx.Setting(name)
			if err != nil || (v != nil) != want {
				t.Errorf("%s is kept: %t, %v", name, v != nil, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return "in batches  " + left[i] + "\none by one  " + right[i]
		}
	}
	return fmt.Sprintf("%d lines in batches, %d one by one", len(left), len(right))
}
