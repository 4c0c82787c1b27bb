package engine_test

import (
	"context"
	"fmt"
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

// TestASlotIsHeldUntilTheOutcomeIsOnRecordOnlyWhereARepeatWouldDoHarm has five calls to make with one slot, and a book whose commits
// take a second each: a call needs one to be sent and one to be settled.
func TestASlotIsHeldUntilTheOutcomeIsOnRecordOnlyWhereARepeatWouldDoHarm(t *testing.T) {
	for action, apart := range map[string]time.Duration{"post": time.Second, "put": time.Second, "send": 2 * time.Second} {
		ws := load(t, files(map[string]string{
			"events/ping.yaml":     "noun: ping\ntitle: Ping\nsubject: [\"Ping ${id}\"]\nschema:\n  type: object\n  required: [id]\n  properties:\n    id: {type: string}\nevents:\n  e0: {title: Ping, rank: 10, fact: the ping}\n",
			"connections/out.yaml": "connection: out\ntitle: A receiver\nconnector: http\noffline:\n  limits: {concurrency: 1}\n",
			"flows/a.yaml":         "flow: a\ntitle: F\nowner: ops\non: ping.e0\nsteps:\n  - id: out\n    do: out.request." + action + "\n    with: {path: \"/${ping.id}\", body: {id: \"${ping.id}\"}}\n",
		}))
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
		for k := range 5 {
			if err := r.engine.Tell("out", "ping.e0", map[string]any{"id": fmt.Sprint("p", k)}); err != nil {
				t.Fatal(err)
			}
		}
		r.run(time.Minute)
		r.act("out", "resume", "open")
		slow = true
		r.run(time.Minute)
		slow = false
		if len(at) != 5 {
			t.Fatalf("%s: %d calls", action, len(at))
		}
		for i := 1; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d != apart {
				t.Errorf("%s: call %d came %v after the one before, not %v", action, i+1, d, apart)
			}
		}
	}
}
