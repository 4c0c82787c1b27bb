package engine_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"waybill/engine"
	"waybill/record"
)

// slowBook is a book whose every commit takes a second, once it is slow.
type slowBook struct {
	*record.Book
	v    *engine.Virtual
	slow *bool
}

func (b slowBook) Do(ctx context.Context, act func(*record.Tx) error, ahead ...record.Ahead) error {
	if *b.slow {
		b.v.Sleep(time.Second)
	}
	return b.Book.Do(ctx, act, ahead...)
}

// TestASlotIsHeldWhileTheBookWritesOnlyWhereARepeatWouldDoHarm has five calls to make with one slot, and a book whose commits take a
// second each: a call needs one to be sent and one to be settled.
func TestASlotIsHeldWhileTheBookWritesOnlyWhereARepeatWouldDoHarm(t *testing.T) {
	for action, most := range map[string]time.Duration{"post": 3 * time.Second, "put": 3 * time.Second, "send": 0} {
		ws := load(t, files(onePath(action, 1)))
		r := newWorld(t, ws, "offline", 1)
		slow := false
		r.through = func(b *record.Book) engine.Book { return slowBook{b, r.v, &slow} }
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
		slow = true
		r.run(time.Minute)
		slow = false
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
