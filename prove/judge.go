package prove

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/record"
	"waybill/workspace"
)

// Kinds of broken promise.
const (
	Lost     = "lost"         // accepted, and not in the book; or left with nobody to end it
	Doubled  = "doubled"      // it happened more often than the book has effects for it
	Phantom  = "phantom"      // the book says it happened, and it never did
	Disorder = "out of order" // an older fact overwrote a newer
	Unlisted = "unlisted"     // it needs a person and is on nobody's list
	Unasked  = "not asked"    // it was sent without the approval it needs, or by a run that had ended
)

// Breach is one promise that a world saw broken.
type Breach struct {
	Kind  string `json:"kind"`
	What  string `json:"what"`
	World string `json:"world"`  // what was done to it
	Again string `json:"replay"` // the command that shows it again
}

// book is what the book says in the end.
type book struct {
	arrivals map[string]bool
	items    []waybill.Item
	runs     []waybill.Run
	effects  []waybill.Effect
	problems []waybill.Problem
	asks     []waybill.Question
	// approvals are the effects whose very fingerprint somebody has approved.
	approvals map[waybill.EffectID]bool
}

func (w *world) read() (*book, error) {
	ctx, b := context.Background(), w.life.book
	out := &book{arrivals: map[string]bool{}, approvals: map[waybill.EffectID]bool{}}
	var err error
	if out.items, err = all(func(f waybill.ListFilter) ([]waybill.Item, string, error) { return b.Items(ctx, f) }); err != nil {
		return nil, err
	}
	if out.runs, err = all(func(f waybill.ListFilter) ([]waybill.Run, string, error) { return b.Runs(ctx, f) }); err != nil {
		return nil, err
	}
	if out.effects, err = all(func(f waybill.ListFilter) ([]waybill.Effect, string, error) { return b.Effects(ctx, f) }); err != nil {
		return nil, err
	}
	if out.asks, err = all(func(f waybill.ListFilter) ([]waybill.Question, string, error) { return b.Asks(ctx, f) }); err != nil {
		return nil, err
	}
	if out.problems, err = all(func(f waybill.ListFilter) ([]waybill.Problem, string, error) {
		f.State = "open"
		return b.Problems(ctx, f)
	}); err != nil {
		return nil, err
	}
	err = b.View(ctx, func(tx *record.Tx) error {
		for _, id := range w.arrivals {
			_, err := tx.Arrival(waybill.ArrivalID(id))
			if err != nil && waybill.KindOf(err) != waybill.NotFound {
				return err
			}
			out.arrivals[id] = err == nil
		}
		for i := range out.effects {
			if eff := &out.effects[i]; eff.Approval != "" {
				who, _, err := tx.ApprovedBy(eff)
				if err != nil {
					return err
				}
				out.approvals[eff.ID] = who != ""
			}
		}
		return nil
	})
	return out, err
}

// all pages through a list; the oldest comes first.
func all[T any](page func(waybill.ListFilter) ([]T, string, error)) ([]T, error) {
	var out []T
	f := waybill.ListFilter{Limit: 200}
	for {
		rows, next, err := page(f)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
		if next == "" {
			slices.Reverse(out)
			return out, nil
		}
		f.Before = next
	}
}

// judge holds the book against the ledger. rest says that everything due must have ended or be on a person's list.
func (w *world) judge(b *book, rest bool) []Breach {
	var out []Breach
	say := func(kind, format string, args ...any) {
		out = append(out, Breach{Kind: kind, What: fmt.Sprintf(format, args...)})
	}
	for _, id := range w.arrivals {
		if !b.arrivals[id] {
			say(Lost, "the sender of %s was told that it is kept, and the book does not have it", id)
		}
	}
	w.judgeLedger(b, say)
	w.judgeOrder(b, say)
	w.judgeLists(b, say)
	judgeSteps(b, say)
	if w.more != nil {
		w.more(w, b, say)
	}
	if rest {
		judgeRest(b, w.v.Now(), say)
	}
	return out
}

// may reports whether an effect may have happened, as far as the book knows.
func may(eff *waybill.Effect) bool {
	switch eff.State {
	case waybill.EffectConfirmed, waybill.EffectUndone, waybill.EffectUnknown, waybill.EffectSent:
		return true
	case waybill.EffectSkipped: // by a person who left a doubt as it was
		return eff.Tries > 0 || !eff.SentAt.IsZero()
	default:
		return eff.Doubted
	}
}

// judgeLedger counts, for each request that made something, how often it happened and for how many effects it may have.
func (w *world) judgeLedger(b *book, say func(kind, format string, args ...any)) {
	can, claims, names := map[string]int{}, map[string]int{}, map[string]string{}
	natural := map[string]bool{}
	for i := range b.effects {
		eff := &b.effects[i]
		what := w.whatOf(eff)
		if what == "" {
			continue
		}
		names[what] = fmt.Sprintf("%s.%s of %s at %s", eff.Connection, eff.Action, eff.Flow, eff.Address)
		natural[what] = eff.Repeat == waybill.RepeatNatural
		if may(eff) {
			can[what]++
		}
		if eff.State == waybill.EffectConfirmed || eff.State == waybill.EffectUndone {
			claims[what]++
		}
	}
	for _, what := range sorted(names) {
		n := w.times(what)
		if n > can[what] && !natural[what] {
			say(Doubled, "%s happened %d times for %d effects that may have", names[what], n, can[what])
		}
		if w.tells(what) && claims[what] > 0 && (n == 0 || !natural[what] && n < claims[what]) {
			say(Phantom, "%s is confirmed %d times and happened %d times", names[what], claims[what], n)
		}
	}
}

// times is how often a request made something at its system.
func (w *world) times(what string) int {
	n, created := 0, map[string]int{}
	for _, x := range w.ledger {
		if w.calls[x.call].what != what {
			continue
		}
		n = max(n, 1)
		if x.Did == "created" {
			created[x.Type]++
			n = max(n, created[x.Type])
		}
	}
	return n
}

// whatOf is the hash of an effect's request, as the calls have it; empty when the effect is the built-in connection's.
func (w *world) whatOf(eff *waybill.Effect) string {
	if eff.Request.URL == "" {
		return ""
	}
	return sum(eff.Request.Method, eff.Request.URL, string(eff.Request.Body))
}

// tells reports whether the system that a request went to writes such calls into its ledger.
func (w *world) tells(what string) bool {
	for _, c := range w.calls {
		if c.what != what {
			continue
		}
		return slices.ContainsFunc(w.ledger, func(x entry) bool {
			return w.calls[x.call].connection == c.connection && w.calls[x.call].action == c.action
		})
	}
	return false
}

// judgeOrder looks for an older fact that was written over a newer one which was known to be written. Effects of the same
// content cannot be told apart by what the system was asked: whoever wrote may have been the newest of them, and what stands
// there the oldest.
func (w *world) judgeOrder(b *book, say func(kind, format string, args ...any)) {
	by := map[string][]*waybill.Effect{} // oldest fact first
	for i := range b.effects {
		eff := &b.effects[i]
		if eff.Kind == waybill.KindState && eff.State == waybill.EffectConfirmed && eff.Object.Key != "" {
			what := w.whatOf(eff)
			at := slices.IndexFunc(by[what], func(other *waybill.Effect) bool { return deliver.Older(eff.Order, other.Order) })
			if at < 0 {
				at = len(by[what])
			}
			by[what] = slices.Insert(by[what], at, eff)
		}
	}
	newest := map[string]*waybill.Effect{}
	for _, x := range w.ledger {
		if x.Did == "unchanged" {
			continue
		}
		alike := by[w.calls[x.call].what]
		if len(alike) == 0 {
			continue
		}
		stands, eff := alike[0], alike[len(alike)-1]
		object := eff.Connection + " " + eff.Object.Type + " " + eff.Object.Key
		last := newest[object]
		if last != nil && last.ID != eff.ID && deliver.Older(eff.Order, last.Order) && !last.SettledAt.After(eff.SentAt) {
			say(Disorder, "%s.%s wrote an older fact (%s) over a newer one (%s)", eff.Connection, eff.Action, eff.ID, last.ID)
		}
		if last == nil || deliver.Older(last.Order, stands.Order) {
			newest[object] = stands
		}
	}
}

func (w *world) judgeLists(b *book, say func(kind, format string, args ...any)) {
	open := map[waybill.ProblemID]bool{}
	for i := range b.problems {
		p := &b.problems[i]
		open[p.ID] = true
		if p.Count == 0 {
			say(Unlisted, "an open problem holds nothing: %s", p.Title)
		}
	}
	for i := range b.runs {
		if r := &b.runs[i]; r.State == waybill.RunBlocked && !open[r.Problem] {
			say(Unlisted, "a run of %s needs a person and is on nobody's list: %s", r.Flow, r.Reason)
		}
	}
	for i := range b.items {
		if it := &b.items[i]; it.State == waybill.ItemBlocked && !open[it.Problem] {
			say(Unlisted, "an item of %s needs a person and is on nobody's list: %s", it.Type, it.Reason)
		}
	}
}

// judgeRest wants everything ended, or on a person's list, or waiting for something that is on one. A run that waits for a time
// of its own, or for a person's answer, is at rest until then.
func judgeRest(b *book, now time.Time, say func(kind, format string, args ...any)) {
	blocked := map[waybill.RunID]bool{}
	for i := range b.runs {
		blocked[b.runs[i].ID] = b.runs[i].State == waybill.RunBlocked
	}
	for id := range b.behind(blocked) {
		blocked[id] = true
	}
	for id := range b.asked() {
		blocked[id] = true
	}
	for i := range b.runs {
		r := &b.runs[i]
		if !r.State.Ended() && !blocked[r.ID] && !far(r, now) {
			say(Lost, "a run of %s is left %s: %s", r.Flow, r.State, r.Reason)
		}
	}
	for i := range b.effects {
		eff := &b.effects[i]
		if eff.State.Open() && !blocked[eff.Run] && eff.DueAt.Before(waybill.Held()) {
			say(Lost, "%s.%s of %s at %s is left %s: %s", eff.Connection, eff.Action, eff.Flow, eff.Address, eff.State, eff.Reason)
		}
	}
	for i := range b.items {
		if it := &b.items[i]; it.State == waybill.ItemKept || it.State == waybill.ItemFetching {
			say(Lost, "an item of %s is left %s: %s", it.Type, it.State, it.Reason)
		}
	}
}

// behind are the runs whose next write is an older fact than one of which a person has to say whether it was written: only then
// is it known whether the older may be written as well.
func (b *book) behind(blocked map[waybill.RunID]bool) map[waybill.RunID]bool {
	out := map[waybill.RunID]bool{}
	for i := range b.effects {
		doubted := &b.effects[i]
		object, ordered := doubted.Writes()
		if !ordered || doubted.State != waybill.EffectUnknown || !blocked[doubted.Run] {
			continue
		}
		for k := range b.effects {
			eff := &b.effects[k]
			same, _ := eff.Writes()
			if eff.State == waybill.EffectPlanned && same == object && deliver.Older(eff.Order, doubted.Order) {
				out[eff.Run] = true
			}
		}
	}
	return out
}

func far(r *waybill.Run, now time.Time) bool {
	return r.State == waybill.RunWaiting && r.DueAt.After(now.Add(time.Hour))
}

// rests reports whether nothing is under way any more; next is the first time a run waits for, zero when none does.
func (b *book) rests(now time.Time) (ok bool, next time.Time) {
	ok = true
	judgeRest(b, now, func(string, string, ...any) { ok = false })
	for i := range b.runs {
		if r := &b.runs[i]; far(r, now) && (next.IsZero() || r.DueAt.Before(next)) {
			next = r.DueAt
		}
	}
	return ok, next
}

// placeOf is where a step is written.
func placeOf(ws *workspace.Workspace, name, address string) (place, does string) {
	f := ws.Flow(name)
	if f == nil {
		return "", ""
	}
	for _, s := range f.Steps() {
		if s.Address == waybill.PlainAddress(address) {
			return fmt.Sprintf("%s:%d", s.File, s.Line), s.Does
		}
	}
	return "", ""
}

// longest is how far ahead a wait is followed.
const longest = 40 * 24 * time.Hour

// settle lets virtual time go on without faults until everything rests, a person who keeps connections open at hand.
func (w *world) settle(most time.Duration) (*book, error) {
	w.soothe()
	end := w.v.Now().Add(most)
	for {
		w.run(20 * time.Minute)
		if w.broken != nil {
			return nil, w.broken
		}
		if w.life.dead {
			if w.v.Now().After(end) {
				return nil, errors.New("no process could be started")
			}
			continue
		}
		if err := w.reopen(); err != nil {
			return nil, err
		}
		b, err := w.read()
		if err != nil {
			return nil, err
		}
		now := w.v.Now()
		rests, next := b.rests(now)
		switch {
		case !now.Before(end):
			return b, nil
		case w.waiting > 0 || !rests:
		case next.IsZero() || next.Sub(now) > longest:
			return b, nil
		default: // nothing happens until then
			w.v.RunUntil(next)
			end = next.Add(most)
		}
	}
}
