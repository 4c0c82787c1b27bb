package engine_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/record"
)

// onePath is a workspace with one connection of so many slots, and a flow that makes one call for each event.
func onePath(action string, slots int) map[string]string {
	return map[string]string{
		"events/ping.yaml":     "noun: ping\ntitle: Ping\nsubject: [\"Ping ${id}\"]\nschema:\n  type: object\n  required: [id]\n  properties:\n    id: {type: string}\nevents:\n  e0: {title: Ping, rank: 10, fact: the ping}\n",
		"connections/out.yaml": fmt.Sprintf("connection: out\ntitle: A receiver\nconnector: http\noffline:\n  limits: {concurrency: %d}\n", slots),
		"flows/a.yaml":         "flow: a\ntitle: F\nowner: ops\non: ping.e0\nsteps:\n  - id: out\n    do: out.request." + action + "\n    with: {path: \"/${ping.id}\", body: {id: \"${ping.id}\"}}\n",
	}
}

func (r *rig) pings(from, n int) {
	r.t.Helper()
	for k := range n {
		if err := r.engine.Tell("out", "ping.e0", map[string]any{"id": fmt.Sprint("p", from+k)}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) inState(state waybill.EffectState) int {
	n := 0
	for _, eff := range r.effects() {
		if eff.State == state {
			n++
		}
	}
	return n
}

// TestNoMoreIsSentAtOnceThanThereAreSlotsThoughMoreIsWrittenAsSent has twenty calls come to two slots.
func TestNoMoreIsSentAtOnceThanThereAreSlotsThoughMoreIsWrittenAsSent(t *testing.T) {
	ws := load(t, files(onePath("put", 2)))
	r := newWorld(t, ws, "offline", 1)
	r.start(ws)
	calls, under, most, sent := 0, 0, 0, 0
	r.answer = func(_, _ string) *http.Response {
		calls++
		under++
		most = max(most, under)
		r.v.Sleep(10 * time.Millisecond)
		sent = max(sent, r.inState(waybill.EffectSent))
		under--
		return says(200, `{}`)
	}
	r.pings(0, 1) // after which it is known how long a call takes
	r.run(time.Second)
	r.pings(1, 20)
	r.run(time.Second)
	if most != 2 || r.inState(waybill.EffectConfirmed) != 21 || calls != 21 {
		t.Errorf("%d at once; %d of 21 done with %d calls", most, r.inState(waybill.EffectConfirmed), calls)
	}
	if sent <= 2 || sent > 2+4*2 {
		t.Errorf("%d stood as sent at once", sent)
	}
}

// TestWhatWasWrittenAsSentIsPutBackWhenItsConnectionStops pauses a connection, or has it go down, while calls that are written as
// sent wait for its one slot.
func TestWhatWasWrittenAsSentIsPutBackWhenItsConnectionStops(t *testing.T) {
	for _, how := range []string{"a person pauses it", "it goes down", "it says that it is too much"} {
		t.Run(how, func(t *testing.T) {
			ws := load(t, files(onePath("put", 1)))
			r := newWorld(t, ws, "offline", 1)
			r.start(ws)
			sent, calls, failing := 0, 0, false
			r.answer = func(_, _ string) *http.Response {
				calls++
				r.v.Sleep(10 * time.Millisecond)
				sent = max(sent, r.inState(waybill.EffectSent))
				switch {
				case !failing || calls == 2: // of many, the first succeeds
					return says(200, `{}`)
				case how == "it goes down":
					return says(503, `{}`)
				default:
					res := says(429, `{}`)
					res.Header.Set("Retry-After", "20")
					return res
				}
			}
			r.pings(0, 1)
			r.run(time.Second)
			failing = how != "a person pauses it"
			r.run(1234567 * time.Nanosecond) // a clock tells more than the book keeps
			r.pings(1, 8)
			r.run(15 * time.Millisecond)
			if !failing {
				r.act("out", "pause", "closed")
			}
			r.run(3 * time.Second)
			if sent < 2 {
				t.Fatalf("%d stood as sent: nothing waited for the slot", sent)
			}
			if n := r.inState(waybill.EffectSent); n != 0 {
				t.Errorf("%d still stand as sent though nothing is sent now", n)
			}
			for _, eff := range r.effects() {
				if eff.State == waybill.EffectPlanned && len(r.attempts(eff.ID)) == 0 && (!eff.SentAt.IsZero() || eff.Doubted) {
					t.Errorf("one that never went is kept as sent at %v, in doubt: %t", eff.SentAt, eff.Doubted)
				}
			}
			if failing = false; how == "a person pauses it" {
				r.act("out", "resume", "open")
			}
			r.run(10 * time.Minute)
			if n := r.inState(waybill.EffectConfirmed); n != 9 {
				t.Errorf("%d of 9 are done", n)
			}
			if how == "a person pauses it" && calls != 9 {
				t.Errorf("%d calls for 9 effects", calls)
			}
		})
	}
}

// TestWhatIsPutBackIsNotSentAgainUnderAKeyTheyHaveForgotten pauses a connection while the repeat of a call that may have been received is
// written as sent and waits for the slot, and lets it go on when its key, which they keep for 24 hours, is forgotten. What never went
// is not held by that.
func TestWhatIsPutBackIsNotSentAgainUnderAKeyTheyHaveForgotten(t *testing.T) {
	ws := load(t, files(onePath("post", 1)))
	r := newWorld(t, ws, "offline", 1)
	r.start(ws)
	calls := 0
	r.answer = func(_, _ string) *http.Response {
		calls++
		r.v.Sleep(10 * time.Millisecond)
		if calls == 2 {
			return says(500, `{}`)
		}
		return says(200, `{}`)
	}
	r.pings(0, 1)
	r.run(time.Second)
	r.pings(1, 1)
	r.run(100 * time.Millisecond)
	doubted := func() waybill.Effect {
		i := slices.IndexFunc(r.effects(), func(eff waybill.Effect) bool { return eff.Doubted })
		if i < 0 {
			t.Fatal("none may have been received")
		}
		return r.effects()[i]
	}
	first := doubted()
	r.run(first.DueAt.Add(-2 * time.Millisecond).Sub(r.v.Now()))
	r.pings(2, 3)
	for range 15 {
		if r.run(time.Millisecond); doubted().State == waybill.EffectSent {
			break
		}
	}
	if n := len(r.attempts(first.ID)); doubted().State != waybill.EffectSent || n != 1 {
		t.Fatalf("it is %s after %d calls: it did not wait for the slot", doubted().State, n)
	}
	r.act("out", "pause", "closed")
	r.run(time.Second)
	put := doubted()
	if put.State != waybill.EffectPlanned || !put.KeyUntil.Equal(first.KeyUntil) || !put.SentAt.Equal(first.SentAt) {
		t.Errorf("it is %s, its key good until %v (%v), sent at %v (%v)", put.State, put.KeyUntil, first.KeyUntil, put.SentAt, first.SentAt)
	}
	r.run(25 * time.Hour)
	before := r.inState(waybill.EffectConfirmed)
	r.act("out", "resume", "open")
	r.run(time.Minute)
	if n := len(r.attempts(first.ID)); n != 1 || doubted().State != waybill.EffectUnknown {
		t.Errorf("it is %s after %d calls", doubted().State, n)
	}
	if n := r.inState(waybill.EffectConfirmed); before >= 4 || n != 4 {
		t.Errorf("%d of the other 4 were done before, %d after", before, n)
	}
}

// TestAKillWhileWhatIsWrittenAsSentWaitsForItsSlotLosesNothing kills the process in such a moment: what had not gone is sent by the next one,
// without anybody's doing, as a repeat would do no harm.
func TestAKillWhileWhatIsWrittenAsSentWaitsForItsSlotLosesNothing(t *testing.T) {
	ws := load(t, files(onePath("put", 1)))
	r := newWorld(t, ws, "offline", 1)
	r.start(ws)
	calls := 0
	r.answer = func(_, _ string) *http.Response {
		calls++
		r.v.Sleep(10 * time.Millisecond)
		return says(200, `{}`)
	}
	r.pings(0, 1)
	r.run(time.Second)
	r.pings(1, 6)
	r.run(15 * time.Millisecond)
	waiting := r.inState(waybill.EffectSent)
	r.kill()
	r.restart()
	r.run(10 * time.Minute)
	if waiting < 2 || r.inState(waybill.EffectConfirmed) != 7 || calls > 8 {
		t.Errorf("%d stood as sent; %d of 7 done with %d calls", waiting, r.inState(waybill.EffectConfirmed), calls)
	}
	r.wantNoProblem()
}

// TestAStoppedEngineLeavesNothingAsSentThatDidNotGo stops it in such a moment: the call under way is settled, the others are planned again.
func TestAStoppedEngineLeavesNothingAsSentThatDidNotGo(t *testing.T) {
	ws := load(t, files(onePath("put", 1)))
	r := newWorld(t, ws, "offline", 1)
	r.start(ws)
	r.answer = func(_, _ string) *http.Response {
		r.v.Sleep(10 * time.Millisecond)
		return says(200, `{}`)
	}
	r.pings(0, 1)
	r.run(time.Second)
	r.pings(1, 6)
	r.run(15 * time.Millisecond)
	waiting := r.inState(waybill.EffectSent)
	r.engine.Stop()
	r.run(time.Second)
	if n := r.inState(waybill.EffectSent); waiting < 2 || n != 0 {
		t.Errorf("%d stood as sent before, %d after", waiting, n)
	}
	r.kill()
	r.restart()
	r.run(10 * time.Minute)
	if n := r.inState(waybill.EffectConfirmed); n != 7 {
		t.Errorf("%d of 7 done", n)
	}
	r.wantNoProblem()
}

func (r *rig) attempts(id waybill.EffectID) (list []waybill.Attempt) {
	r.t.Helper()
	err := r.book.View(r.t.Context(), func(tx *record.Tx) (err error) { list, err = tx.Attempts(string(id)); return err })
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// thenHangs has the connection answer one call at once, so that more is written as sent ahead of its slot, and each later one after 25 s.
// It returns when calls began.
func (r *rig) thenHangs() *[]time.Time {
	slow := false
	var began []time.Time
	r.answer = func(_, _ string) *http.Response {
		began = append(began, r.v.Now())
		if slow {
			r.v.Sleep(25 * time.Second)
		} else {
			r.v.Sleep(10 * time.Millisecond)
		}
		return says(200, `{}`)
	}
	r.pings(0, 1)
	r.run(50 * time.Millisecond)
	slow = true
	return &began
}

// TestGoodForHoldsForWhatIsWrittenAsSentAndWaitsForItsSlot has six calls come to one slot of a connection that hangs.
func TestGoodForHoldsForWhatIsWrittenAsSentAndWaitsForItsSlot(t *testing.T) {
	more := onePath("put", 1)
	more["flows/a.yaml"] = strings.Replace(more["flows/a.yaml"], "    with:", "    good_for: 30s\n    with:", 1)
	ws := load(t, files(more))
	r := newWorld(t, ws, "offline", 1)
	r.start(ws)
	began := r.thenHangs()
	at := r.v.Now()
	r.pings(1, 6)
	r.run(10 * time.Minute)
	for _, b := range (*began)[1:] {
		if b.After(at.Add(30 * time.Second)) {
			t.Errorf("a call began %v after its event, good for 30s", b.Sub(at))
		}
	}
}

// TestWhatIsWrittenAsSentDoesNotGoOnceItsRunIsStopped has a person stop runs whose calls wait for the slot.
func TestWhatIsWrittenAsSentDoesNotGoOnceItsRunIsStopped(t *testing.T) {
	ws := load(t, files(onePath("put", 1)))
	r := newWorld(t, ws, "offline", 1)
	r.start(ws)
	began := r.thenHangs()
	r.pings(1, 4)
	r.run(5 * time.Second)
	for _, run := range r.runs() {
		if run.State == waybill.RunWaiting {
			r.act(string(run.ID), waybill.VerbStop, "wrong data")
		}
	}
	before := len(*began)
	r.run(10 * time.Minute)
	if n := len(*began); n != before {
		t.Errorf("%d calls began after everything was stopped", n-before)
	}
}
