package recordtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"waybill"
	"waybill/record"
)

var errRefused = errors.New("the act refuses")

func set(name, value string) func(tx *record.Tx) error {
	return func(tx *record.Tx) error { return tx.SetSetting(name, []byte(value)) }
}

func (k *kit) setting(name string) string {
	k.Helper()
	var v []byte
	k.read(func(tx *record.Tx) (err error) {
		v, err = tx.Setting(name)
		return err
	})
	return string(v)
}

var actCases = []testCase{
	{"an act that fails leaves nothing behind", func(k *kit) {
		e := k.fact("pi_1")
		err := k.book.Do(k.Context(), func(tx *record.Tx) error {
			if _, _, err := tx.PutEvent(e); err != nil {
				return err
			}
			return errRefused
		})
		same(k, "its own error", errors.Is(err, errRefused), true)
		k.refused(waybill.NotFound, func(tx *record.Tx) error { _, err := tx.Event(e.ID); return err })
		k.put(e)
		o := must[*waybill.Overview](k)(k.book.Overview(k.Context(), k.now.Add(-time.Hour)))
		same(k, "counted once", o.Events, 1)
	}},
	{"an act that fails never takes its neighbours with it, and everybody gets the right answer", func(k *kit) {
		var group sync.WaitGroup
		errs := make([]error, 200)
		for n := range errs {
			group.Go(func() {
				errs[n] = k.book.Do(background(), func(tx *record.Tx) error {
					if err := tx.SetSetting(nth("s", n), []byte("kept")); err != nil {
						return err
					}
					if n%7 == 3 {
						return errRefused
					}
					return nil
				})
			})
		}
		group.Wait()
		for n, err := range errs {
			want := ""
			if n%7 != 3 {
				want = "kept"
			}
			same(k, nth("refused", n), errors.Is(err, errRefused), want == "")
			same(k, nth("s", n), k.setting(nth("s", n)), want)
		}
	}},
	{"an act that panics is refused as our own fault, and the book goes on", func(k *kit) {
		err := k.book.Do(k.Context(), func(tx *record.Tx) error {
			if err := tx.SetSetting("a", []byte("1")); err != nil {
				return err
			}
			panic("a wiring bug")
		})
		same(k, "kind", waybill.KindOf(err), waybill.Internal)
		same(k, "in words", strings.Contains(err.Error(), "a wiring bug"), true)
		same(k, "left behind", k.setting("a"), "")
		k.do(set("a", "2"))
		same(k, "goes on", k.setting("a"), "2")
	}},
	{"acts see what came before them, in the order they are done", func(k *kit) {
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				_ = k.book.Do(background(), func(tx *record.Tx) error {
					v, err := tx.Setting("n")
					if err != nil {
						return err
					}
					return tx.SetSetting("n", append(v, 'x'))
				})
			})
		}
		group.Wait()
		same(k, "none lost", k.setting("n"), strings.Repeat("x", 50))
	}},
	{"what was done is seen by the next view", func(k *kit) {
		for n := range 20 {
			k.do(set("n", nth("v", n)))
			same(k, "seen", k.setting("n"), nth("v", n))
		}
	}},
	{"a view does not write", func(k *kit) {
		err := k.book.View(k.Context(), set("a", "1"))
		same(k, "kind", waybill.KindOf(err), waybill.Invalid)
		same(k, "nothing written", k.setting("a"), "")
	}},
	{"an act whose caller has given up is not begun", func(k *kit) {
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		err := k.book.Do(ctx, set("a", "1"))
		same(k, "error", errors.Is(err, context.Canceled), true)
		same(k, "nothing written", k.setting("a"), "")
		err = k.book.View(ctx, func(*record.Tx) error { return nil })
		same(k, "nor a view", errors.Is(err, context.Canceled), true)
	}},
	{"after Close acts and views are refused as unavailable, and closing again is harmless", func(k *kit) {
		if err := k.book.Close(); err != nil {
			k.Fatal(err)
		}
		k.refused(waybill.Unavailable, set("a", "1"))
		err := k.book.View(k.Context(), func(*record.Tx) error { return nil })
		same(k, "view", waybill.KindOf(err), waybill.Unavailable)
		if err := k.book.Close(); err != nil {
			k.Error(err)
		}
	}},
	{"watchers hear what kinds of thing changed, merged when they are slow", func(k *kit) {
		changes, stop := k.book.Watch()
		e := k.event()
		r := k.run(e, "")
		k.putRun(r)
		same(k, "merged", <-changes, []string{"event", "run"})
		k.moveRun(r.ID, waybill.RunRunning)
		same(k, "next", <-changes, []string{"run"})
		k.raise("k1", waybill.Member{Run: r.ID})
		same(k, "problem", <-changes, []string{"problem"})
		stop()
		k.event()
		_, open := <-changes
		same(k, "stopped", open, false)
		stop()
	}},
	{"watchers hear nothing of an act that failed", func(k *kit) {
		changes, stop := k.book.Watch()
		defer stop()
		e := k.fact("pi_1")
		_ = k.book.Do(k.Context(), func(tx *record.Tx) error {
			if _, _, err := tx.PutEvent(e); err != nil {
				return err
			}
			return errRefused
		})
		k.raise("k1", waybill.Member{Run: "run_1"})
		same(k, "only the problem", <-changes, []string{"problem"})
	}},
	{"the environment is the one it was made for", func(k *kit) {
		k.read(func(tx *record.Tx) error {
			same(k, "environment", must[string](k)(tx.Environment()), "test")
			return nil
		})
	}},
}

// due returns ids in the order they are listed.
func due[T any](k *kit, list func(tx *record.Tx) ([]T, error), id func(T) string) []string {
	k.Helper()
	var ids []string
	k.read(func(tx *record.Tx) error {
		found, err := list(tx)
		for _, v := range found {
			ids = append(ids, id(v))
		}
		return err
	})
	return ids
}

var dueCases = []testCase{
	{"items are due at once, at their time, and not while they are fetched; oldest first, at most as many as asked for", func(k *kit) {
		var ids []string
		for n := range 5 {
			a := k.arrival("{}", nth("key", n))
			a.ReceivedAt = k.now.Add(time.Duration(5-n) * time.Second)
			if n == 0 {
				a.Items[0].DueAt = k.now.Add(time.Hour)
			}
			k.takeIn(a)
			ids = append(ids, string(a.Items[0].ID))
		}
		list := func(at time.Duration, limit int) []string {
			return due(k, func(tx *record.Tx) ([]waybill.Item, error) { return tx.DueItems(k.now.Add(at), limit) },
				func(it waybill.Item) string { return string(it.ID) })
		}
		same(k, "oldest first", list(time.Minute, 10), []string{ids[4], ids[3], ids[2], ids[1]})
		same(k, "limit", list(time.Minute, 2), []string{ids[4], ids[3]})
		same(k, "later", list(2*time.Hour, 10), []string{ids[4], ids[3], ids[2], ids[1], ids[0]})
		k.do(func(tx *record.Tx) error {
			it := must[*waybill.Item](k)(tx.Item(waybill.ItemID(ids[4])))
			it.State = waybill.ItemFetching
			return tx.MoveItem(it, waybill.ItemKept)
		})
		same(k, "fetching", list(time.Minute, 1), []string{ids[3]})
		k.do(func(tx *record.Tx) error {
			it := must[*waybill.Item](k)(tx.Item(waybill.ItemID(ids[4])))
			it.DueAt = k.now
			return tx.MoveItem(it, waybill.ItemFetching)
		})
		same(k, "fetching with a time", list(time.Minute, 1), []string{ids[4]})
	}},
	{"runs are due when they are first, or at the time they were given", func(k *kit) {
		first, _ := k.accepted(0, "order 1")
		second, _ := k.accepted(time.Second, "order 1")
		same(k, "first", k.dueRuns(), []waybill.RunID{first})
		k.moveRun(first, waybill.RunWaiting)
		same(k, "waiting for an answer", len(k.dueRuns()), 0)
		k.moveRun(first, waybill.RunWaiting, func(r *waybill.Run) { r.DueAt = k.now.Add(time.Minute) })
		same(k, "waiting for a time", k.dueRuns(), []waybill.RunID{first})
		k.moveRun(first, waybill.RunBlocked)
		same(k, "blocked", len(k.dueRuns()), 0)
		k.leave(first)
		same(k, "handed on", k.dueRuns(), []waybill.RunID{second})
		k.moveRun(second, waybill.RunQueued, func(r *waybill.Run) { r.DueAt = k.now.Add(2 * time.Hour) })
		same(k, "queued for later", len(k.dueRuns()), 0)
	}},
	{"effects are due by connection, oldest first; doubts when their look-up is; what stands as sent is found after a crash", func(k *kit) {
		var ids []waybill.EffectID
		for n := range 4 {
			e := k.effect(k.event(), "won", "f1")
			e.PlannedAt = k.now.Add(time.Duration(4-n) * time.Second)
			if n == 3 {
				e.Connection = "shop"
			}
			k.plan(e, false)
			ids = append(ids, e.ID)
		}
		effects := func(list func(tx *record.Tx) ([]waybill.Effect, error)) []string {
			return due(k, list, func(e waybill.Effect) string { return string(e.ID) })
		}
		at := k.now.Add(time.Minute)
		planned := func(tx *record.Tx) ([]waybill.Effect, error) { return tx.DueEffects("crm", "payment-to-crm", at, 10) }
		looks := func(tx *record.Tx) ([]waybill.Effect, error) { return tx.DueLooks(at, 10) }
		same(k, "planned", effects(planned), []string{string(ids[2]), string(ids[1]), string(ids[0])})
		k.moveEffect(ids[0], waybill.EffectSent)
		k.moveEffect(ids[1], waybill.EffectSent, waybill.EffectUnknown)
		same(k, "still planned", effects(planned), []string{string(ids[2])})
		same(k, "no look-up has a time", len(effects(looks)), 0)
		k.do(func(tx *record.Tx) error {
			e := must[*waybill.Effect](k)(tx.Effect(ids[1]))
			e.DueAt = k.now
			return tx.MoveEffect(e, waybill.EffectUnknown)
		})
		same(k, "looks", effects(looks), []string{string(ids[1])})
		sent := func(after waybill.EffectID) []string {
			return effects(func(tx *record.Tx) ([]waybill.Effect, error) { return tx.SentEffects(after, 10) })
		}
		same(k, "sent", sent(""), []string{string(ids[0])})
		k.moveEffect(ids[2], waybill.EffectSent)
		same(k, "after the cursor", sent(ids[0]), []string{string(ids[2])})
	}},
	{"one question tells which queues have something", func(k *kit) {
		at := k.now.Add(time.Minute)
		agrees := func(what string, want record.Pending) {
			k.Helper()
			k.read(func(tx *record.Tx) error {
				var looks int
				for _, e := range must[[]waybill.Effect](k)(tx.DueLooks(at, 10)) {
					if e.State == waybill.EffectUnknown {
						looks++
					}
				}
				same(k, what+", as the queues have it", record.Pending{
					Items: len(must[[]waybill.Item](k)(tx.DueItems(at, 10))) > 0,
					Runs:  len(must[[]waybill.Run](k)(tx.DueRuns(at.Add(time.Hour), 10))) > 0,
					Calls: len(must[[]string](k)(tx.BusyConnections())) > 0,
					Sent:  len(must[[]waybill.Effect](k)(tx.SentEffects("", 10))) > 0,
					Looks: looks > 0,
					Jobs:  len(must[[]waybill.Job](k)(tx.DueJobs(10))) > 0,
				}, want)
				same(k, what, must[record.Pending](k)(tx.Pending(at, at.Add(time.Hour))), want)
				return nil
			})
		}
		agrees("an empty book", record.Pending{})
		a := k.arrival("{}", "key")
		k.takeIn(a)
		agrees("an item", record.Pending{Items: true})
		move := func(from, to waybill.ItemState, due time.Time) {
			k.do(func(tx *record.Tx) error {
				it := must[*waybill.Item](k)(tx.Item(a.Items[0].ID))
				it.State, it.DueAt = to, due
				return tx.MoveItem(it, from)
			})
		}
		move(waybill.ItemKept, waybill.ItemFetching, time.Time{})
		agrees("an item that is fetched", record.Pending{})
		move(waybill.ItemFetching, waybill.ItemFetching, k.now)
		agrees("an item whose fetching has a time", record.Pending{Items: true})
		move(waybill.ItemFetching, waybill.ItemTranslated, time.Time{})
		agrees("an item that is understood", record.Pending{})
		run, _ := k.accepted(0, "order 1")
		agrees("a run that is first", record.Pending{Runs: true})
		k.moveRun(run, waybill.RunWaiting)
		agrees("a run that waits", record.Pending{})
		k.moveRun(run, waybill.RunWaiting, func(r *waybill.Run) { r.DueAt = at.Add(time.Minute) })
		agrees("a run that waits for a time", record.Pending{Runs: true})
		k.moveRun(run, waybill.RunDone)
		agrees("a run that is done", record.Pending{})
		e := k.effect(k.event(), "won", "f1")
		k.plan(e, false)
		agrees("a planned effect", record.Pending{Calls: true})
		k.moveEffect(e.ID, waybill.EffectSent)
		agrees("a sent one", record.Pending{Sent: true})
		k.moveEffect(e.ID, waybill.EffectUnknown)
		agrees("an unknown one", record.Pending{})
		k.do(func(tx *record.Tx) error {
			e := must[*waybill.Effect](k)(tx.Effect(e.ID))
			e.DueAt = k.now
			return tx.MoveEffect(e, waybill.EffectUnknown)
		})
		agrees("one to be looked for", record.Pending{Looks: true})
		k.moveEffect(e.ID, waybill.EffectConfirmed)
		f := &waybill.Fetch{ID: waybill.FetchID(k.ids.New("fet")), Run: run, Connection: "crm", State: waybill.FetchPlanned, PlannedAt: k.now}
		k.do(func(tx *record.Tx) error { return tx.PlanFetch(f) })
		agrees("a fetch", record.Pending{Calls: true})
		j := k.job(waybill.JobReplay)
		k.do(func(tx *record.Tx) error {
			j.State, j.DueAt = waybill.JobRunning, k.now.Add(-time.Minute)
			return tx.MoveJob(j, waybill.JobPlanned)
		})
		agrees("and a job", record.Pending{Calls: true, Jobs: true})
	}},
	{"busy connections are those with planned effects or fetches", func(k *kit) {
		names := func() (list []string) {
			k.read(func(tx *record.Tx) (err error) {
				list, err = tx.BusyConnections()
				return err
			})
			return list
		}
		same(k, "none", len(names()), 0)
		for _, c := range []string{"crm", "whatsapp", "crm"} {
			e := k.effect(k.event(), "won", "f1")
			e.Connection = c
			k.plan(e, false)
			if c == "whatsapp" {
				k.moveEffect(e.ID, waybill.EffectSent)
			}
		}
		f := k.fetch()
		f.Connection = "shop"
		k.do(func(tx *record.Tx) error { return tx.PlanFetch(f) })
		same(k, "busy", names(), []string{"crm", "shop"})
		same(k, "due fetches", due(k, func(tx *record.Tx) ([]waybill.Fetch, error) { return tx.DueFetches("shop", k.now, 5) },
			func(f waybill.Fetch) string { return string(f.ID) }), []string{string(f.ID)})
	}},
	{"the next time anything becomes due is known", func(k *kit) {
		next := func() (at time.Time) {
			k.read(func(tx *record.Tx) (err error) {
				at, err = tx.NextDue(k.now)
				return err
			})
			return at
		}
		same(k, "nothing", next(), time.Time{})
		e := k.effect(k.event(), "won", "f1")
		k.plan(e, false)
		same(k, "due already", next(), time.Time{})
		later := k.effect(k.event(), "won", "f1")
		later.DueAt = k.now.Add(time.Hour)
		k.plan(later, false)
		same(k, "effect", next(), k.now.Add(time.Hour))
		f := k.fetch()
		f.DueAt = k.now.Add(50 * time.Minute)
		k.do(func(tx *record.Tx) error { return tx.PlanFetch(f) })
		same(k, "fetch", next(), k.now.Add(50*time.Minute))
		r := k.run(k.event(), "")
		r.State, r.DueAt = waybill.RunWaiting, k.now.Add(40*time.Minute)
		k.putRun(r)
		same(k, "run", next(), k.now.Add(40*time.Minute))
		a := k.arrival("{}", "key 1")
		a.Items[0].DueAt = k.now.Add(30 * time.Minute)
		k.takeIn(a)
		same(k, "item", next(), k.now.Add(30*time.Minute))
		k.moveEffect(e.ID, waybill.EffectSent)
		k.do(func(tx *record.Tx) error {
			doubt := must[*waybill.Effect](k)(tx.Effect(e.ID))
			doubt.State, doubt.DueAt = waybill.EffectUnknown, k.now.Add(20*time.Minute)
			return tx.MoveEffect(doubt, waybill.EffectSent)
		})
		same(k, "look-up", next(), k.now.Add(20*time.Minute))
	}},
}
