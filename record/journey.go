package record

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"waybill"
)

// Journey finds the whole way of an event by any id on it (evt_, itm_, arr_, run_, eff_, fet_). For an item that became no
// event it has no Event. NotFound when nothing of that id is in the book.
func (b *Book) Journey(ctx context.Context, id string) (j *waybill.Journey, err error) {
	err = b.View(ctx, func(tx *Tx) error {
		j, err = tx.journey(id)
		return err
	})
	return j, err
}

func (tx *Tx) journey(id string) (*waybill.Journey, error) {
	ids, err := tx.eventsOn(id)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		e, err := tx.Event(ids[0])
		if err != nil {
			return nil, err
		}
		return tx.journeyOf(e)
	}
	item, err := tx.itemOn(id)
	if err != nil {
		return nil, err
	}
	if item == "" {
		return nil, &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("nothing in the book has the id %s", id), Hint: "look it up by another id, or by a value of it"}
	}
	j := &waybill.Journey{}
	if err := tx.intake(j, item); err != nil {
		return nil, err
	}
	return j, tx.judgements(j)
}

// eventsOn returns the events that an id belongs to: its own, or that of the thing it names. An item has as many as it
// became.
func (tx *Tx) eventsOn(id string) ([]waybill.EventID, error) {
	for _, text := range []string{
		"SELECT id FROM events WHERE id = $1",
		"SELECT event FROM runs WHERE id = $1",
		"SELECT event FROM effects WHERE id = $1",
		"SELECT event FROM asks WHERE id = $1",
		"SELECT r.event FROM fetches f JOIN runs r ON r.id = f.run WHERE f.id = $1",
		"SELECT e.event FROM fetches f JOIN effects e ON e.id = f.effect WHERE f.id = $1",
	} {
		e, found, err := one(tx, text, text0, id)
		if err != nil {
			return nil, err
		}
		if found {
			return []waybill.EventID{waybill.EventID(e)}, nil
		}
	}
	item, err := tx.itemOn(id)
	if err != nil || item == "" {
		return nil, err
	}
	it, err := tx.Item(item)
	if err != nil {
		return nil, err
	}
	if it.DuplicateOf != "" && len(it.Events) == 0 {
		if it, err = tx.Item(it.DuplicateOf); waybill.KindOf(err) == waybill.NotFound {
			return nil, nil // past retention
		}
		if err != nil {
			return nil, err
		}
	}
	var kept []waybill.EventID
	for _, id := range it.Events {
		yes, err := tx.is("SELECT 1 FROM events WHERE id = $1", id)
		if err != nil {
			return nil, err
		}
		if yes {
			kept = append(kept, id)
		}
	}
	return kept, nil
}

// itemOn returns the item that an id belongs to: its own, an arrival's first that became something, a fetch's.
func (tx *Tx) itemOn(id string) (waybill.ItemID, error) {
	for _, text := range []string{
		"SELECT id FROM items WHERE id = $1",
		"SELECT item FROM fetches WHERE id = $1 AND item <> ''",
	} {
		item, found, err := one(tx, text, text0, id)
		if err != nil || found {
			return waybill.ItemID(item), err
		}
	}
	a, err := tx.Arrival(waybill.ArrivalID(id))
	if waybill.KindOf(err) == waybill.NotFound {
		return "", nil
	}
	if err != nil || len(a.Items) == 0 { // its items are past retention
		return "", err
	}
	for _, it := range a.Items {
		if len(it.Events) > 0 {
			return it.ID, nil
		}
	}
	return a.Items[0].ID, nil
}

func (tx *Tx) journeyOf(e *waybill.Event) (*waybill.Journey, error) {
	j := &waybill.Journey{Event: e}
	if e.Item != "" {
		if err := tx.intake(j, e.Item); err != nil {
			return nil, err
		}
	}
	for _, part := range []func(*waybill.Journey) error{tx.told, tx.happened, tx.family, tx.judgements} {
		if err := part(j); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// intake fills in the item, its arrival with the bytes, and the item's fetches. What is past retention is left out.
func (tx *Tx) intake(j *waybill.Journey, id waybill.ItemID) error {
	it, err := tx.Item(id)
	if err != nil && waybill.KindOf(err) == waybill.NotFound {
		return nil // past retention: left out
	}
	if err != nil {
		return err
	}
	j.Item = it
	a, err := tx.Arrival(it.Arrival)
	switch {
	case err == nil:
		if a.Body, err = tx.Body(a.ID); err != nil && waybill.KindOf(err) != waybill.NotFound {
			return err
		}
		j.Arrival = a
	case waybill.KindOf(err) != waybill.NotFound:
		return err
	}
	fetches, err := tx.FetchesOfItem(id)
	if err != nil {
		return err
	}
	j.Fetches, err = tx.fetchViews(fetches)
	return err
}

func (tx *Tx) fetchViews(fetches []waybill.Fetch) ([]waybill.FetchView, error) {
	var out []waybill.FetchView
	for _, f := range fetches {
		attempts, err := tx.Attempts(string(f.ID))
		if err != nil {
			return nil, err
		}
		out = append(out, waybill.FetchView{Fetch: f, Attempts: attempts})
	}
	return out, nil
}

// told fills in who else told the fact, and what it is about.
func (tx *Tx) told(j *waybill.Journey) error {
	var err error
	j.Evidence, err = list(tx, "SELECT event, item, type, at FROM evidence WHERE event = $1 ORDER BY at, item",
		func(r row) (waybill.Evidence, error) {
			return waybill.Evidence{
				Event: waybill.EventID(r.text(0)), Item: waybill.ItemID(r.text(1)), Type: r.text(2), At: at(r.num(3)),
			}, nil
		}, j.Event.ID)
	if err != nil {
		return err
	}
	j.Subject, err = tx.subjectOf(j.Event)
	return err
}

// subjectOf finds what an event is about by the names it tells: its search keys and what it is called ("Order SO-1001"),
// each as a kind of its own and as the id in the connection the event came by.
func (tx *Tx) subjectOf(e *waybill.Event) (*waybill.Subject, error) {
	typ, name, _ := strings.Cut(e.Subject, " ")
	typ = strings.ToLower(typ)
	names := make([]waybill.Alias, 0, 2*len(e.Search)+2)
	names = append(names, waybill.Alias{Kind: e.Connection, Value: name}, waybill.Alias{Kind: typ, Value: name})
	for _, k := range e.Search {
		names = append(names, waybill.Alias(k), waybill.Alias{Kind: e.Connection, Value: k.Value})
	}
	for _, t := range []string{typ, e.Noun} {
		for _, n := range names {
			if found, err := tx.SubjectBy(t, n); found != nil || err != nil {
				return found, err
			}
		}
	}
	return nil, nil // most events are about nothing that is kept
}

// happened fills in the runs with their effects, exchanges and look-ups.
func (tx *Tx) happened(j *waybill.Journey) error {
	runs, err := tx.RunsOf(j.Event.ID)
	if err != nil {
		return err
	}
	for _, r := range runs {
		full, err := tx.Run(r.ID)
		if err != nil {
			return err
		}
		v := waybill.RunView{Run: *full}
		if v.Asks, err = tx.AsksOf(r.ID); err != nil {
			return err
		}
		effects, err := tx.EffectsOf(r.ID)
		if err != nil {
			return err
		}
		for _, e := range effects {
			if e.Run != r.ID && r.Repeats == "" {
				continue // a later run of this flow planned it
			}
			view, err := tx.effectView(e)
			if err != nil {
				return err
			}
			v.Effects = append(v.Effects, view)
		}
		fetches, err := tx.FetchesOfRun(r.ID)
		if err != nil {
			return err
		}
		if v.Fetches, err = tx.fetchViews(fetches); err != nil {
			return err
		}
		j.Runs = append(j.Runs, v)
	}
	return nil
}

func (tx *Tx) effectView(e waybill.Effect) (waybill.EffectView, error) {
	v := waybill.EffectView{Effect: e}
	var err error
	if v.Attempts, err = tx.Attempts(string(e.ID)); err != nil {
		return v, err
	}
	if v.Message, err = tx.Message(e.ID); err != nil {
		return v, err
	}
	lookups, err := tx.FetchesOfEffect(e.ID)
	if err != nil {
		return v, err
	}
	v.Lookups, err = tx.fetchViews(lookups)
	return v, err
}

// family fills in the event that emitted this one, those it emitted, and others about the same thing.
func (tx *Tx) family(j *waybill.Journey) error {
	if j.Event.Parent != "" {
		parent, err := tx.Event(j.Event.Parent)
		if err != nil && waybill.KindOf(err) != waybill.NotFound {
			return err
		}
		j.Parent = parent // nil when it is past retention
	}
	children, err := list(tx, "SELECT "+eventRowColumns+" FROM events e WHERE e.parent <> '' AND e.parent = $1 ORDER BY e.seq",
		scanEventRow, j.Event.ID)
	if err != nil {
		return err
	}
	j.Children = children
	if j.Event.Subject != "" {
		related, err := tx.lookUp(j.Event.Subject, &where{}, 21)
		if err != nil {
			return err
		}
		related = slices.DeleteFunc(related, func(r waybill.EventRow) bool {
			return r.ID == j.Event.ID || r.Subject != j.Event.Subject
		})
		j.Related = related[:min(len(related), 20)]
	}
	for _, rows := range [][]waybill.EventRow{j.Children, j.Related} {
		for i := range rows {
			if err := tx.standing1(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgements fills in the problems that hold anything of the journey, and what people did.
func (tx *Tx) judgements(j *waybill.Journey) error {
	var members []waybill.Member
	var objects []string
	if j.Item != nil {
		members = append(members, waybill.Member{Item: j.Item.ID})
		objects = append(objects, string(j.Item.ID))
	}
	for _, f := range j.Fetches {
		members = append(members, waybill.Member{Fetch: f.Fetch.ID})
	}
	if j.Event != nil {
		objects = append(objects, string(j.Event.ID))
	}
	for _, r := range j.Runs {
		members = append(members, waybill.Member{Run: r.Run.ID})
		objects = append(objects, string(r.Run.ID))
		for _, e := range r.Effects {
			members = append(members, waybill.Member{Effect: e.Effect.ID})
			objects = append(objects, string(e.Effect.ID))
		}
		for _, f := range r.Fetches {
			members = append(members, waybill.Member{Fetch: f.Fetch.ID})
		}
	}
	seen := map[waybill.ProblemID]bool{}
	for _, m := range members {
		found, err := list(tx, "SELECT "+problemColumns+` FROM problems WHERE id IN (SELECT problem FROM members WHERE member = $1)`,
			scanProblem, memberKey(m))
		if err != nil {
			return err
		}
		for _, p := range found {
			if !seen[p.ID] {
				seen[p.ID] = true
				j.Problems = append(j.Problems, p)
			}
		}
	}
	slices.Sort(objects)
	audit, err := tx.auditOf(slices.Compact(objects))
	j.Audit = audit
	return err
}
