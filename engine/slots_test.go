package engine_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"waybill"
	"waybill/engine"
	"waybill/record"
)

// slowBook is a book whose every commit takes a time, and so does every read after it has its snapshot.
type slowBook struct {
	*record.Book
	v              *engine.Virtual
	commits, reads time.Duration
}

func (b *slowBook) Do(ctx context.Context, act func(*record.Tx) error, ahead ...record.Ahead) error {
	if b.commits > 0 {
		b.v.Sleep(b.commits)
	}
	return b.Book.Do(ctx, act, ahead...)
}

func (b *slowBook) View(ctx context.Context, read func(*record.Tx) error) error {
	err := b.Book.View(ctx, read)
	if b.reads > 0 {
		b.v.Sleep(b.reads)
	}
	return err
}

// TestASlotIsHeldWhileTheBookWritesOnlyWhereARepeatWouldDoHarm has five calls to make with one slot, and a book whose commits take a
// second each: a call needs one to be sent and one to be settled.
func TestASlotIsHeldWhileTheBookWritesOnlyWhereARepeatWouldDoHarm(t *testing.T) {
	for action, most := range map[string]time.Duration{"post": 3 * time.Second, "put": 3 * time.Second, "send": 0} {
		ws := load(t, files(onePath(action, 1)))
		r := newWorld(t, ws, "offline", 1)
		var slow *slowBook
		r.through = func(b *record.Book) engine.Book { slow = &slowBook{Book: b, v: r.v}; return slow }
		r.start(ws)
		var at []time.Time
		r.answer = func(_, _ string) *http.Response {
			at = append(at, r.v.Now())
			return says(200, `{}`)
		}
		r.act("out", "pause", "closed")
		r.pings(0, 5)
		r.run(time.Minute)
		r.act("out", "resume", "open")
		slow.commits = time.Second
		r.run(time.Minute)
		slow.commits = 0
		if len(at) != 5 {
			t.Fatalf("%s: %d calls", action, len(at))
		}
		if all := at[4].Sub(at[0]); most > 0 && all > most {
			t.Errorf("%s: the last call came %v after the first", action, all)
		}
		for i := 1; i < len(at) && most == 0; i++ {
			if d := at[i].Sub(at[i-1]); d != 2*time.Second {
				t.Errorf("%s: call %d came %v after the one before", action, i+1, d)
			}
		}
	}
}

// TestABacklogDrainsWithoutWaitingForTheSweep has a backlog of many times what a line holds. What a look at the table finds first is
// on its way already: so much is written at once, or goes while the table is read.
func TestABacklogDrainsWithoutWaitingForTheSweep(t *testing.T) {
	const n = 3000
	for name, c := range map[string]struct {
		slots          int
		commits, reads time.Duration
	}{
		"a fast book":             {slots: 16},
		"much is written at once": {slots: 400, commits: 20 * time.Millisecond},
		"reading takes a time":    {slots: 64, reads: 50 * time.Millisecond},
		"both":                    {slots: 128, commits: 20 * time.Millisecond, reads: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			ws := load(t, files(onePath("put", c.slots)))
			r := newWorld(t, ws, "offline", 1)
			r.sweep = time.Hour
			var slow *slowBook
			r.through = func(b *record.Book) engine.Book { slow = &slowBook{Book: b, v: r.v}; return slow }
			r.start(ws)
			calls := 0
			var last time.Time
			r.answer = func(_, _ string) *http.Response {
				r.v.Sleep(5 * time.Millisecond)
				last = r.v.Now()
				calls++
				return says(200, `{}`)
			}
			r.act("out", "pause", "closed")
			r.pings(0, n)
			r.run(time.Second)
			r.act("out", "resume", "open")
			slow.commits, slow.reads = c.commits, c.reads
			began := r.v.Now()
			r.run(time.Minute)
			t.Logf("%d calls in %v", calls, last.Sub(began))
			if calls != n || last.Sub(began) > 5*time.Second {
				t.Errorf("%d of %d calls, the last after %v", calls, n, last.Sub(began))
			}
		})
	}
}

// TestASentEffectThatNobodyHasInHandIsFoundBehindManyThatAreUnderWay has 300 calls hang, and behind them one effect that stands as sent
// though no exchange of it is under way.
func TestASentEffectThatNobodyHasInHandIsFoundBehindManyThatAreUnderWay(t *testing.T) {
	const slots, held = 300, 512
	ws := load(t, files(onePath("send", slots)))
	r := newRigIn(t, ws, "offline", 1)
	r.answer = func(_, _ string) *http.Response {
		r.v.Sleep(10 * time.Minute)
		return says(200, `{}`)
	}
	r.pings(0, slots+held+10)
	r.run(time.Second)
	stray := r.newest("out") // no line has it
	if stray.State != waybill.EffectPlanned {
		t.Fatalf("the last effect is %s", stray.State)
	}
	err := r.book.Do(t.Context(), func(tx *record.Tx) error {
		eff, err := tx.Effect(stray.ID)
		if err != nil {
			return err
		}
		eff.State, eff.SentAt = waybill.EffectSent, r.v.Now()
		return tx.MoveEffect(eff, waybill.EffectPlanned)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.run(2 * time.Minute)
	if now := r.newest("out"); now.ID != stray.ID || now.State != waybill.EffectUnknown {
		t.Errorf("after two minutes it is %s", now.State)
	}
	if n := len(r.calls); n != slots {
		t.Errorf("%d calls are under way", n)
	}
}
