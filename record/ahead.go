package record

import (
	"maps"
	"slices"
	"strings"

	"waybill"
)

// Ahead is what an act is going to look up, as far as its caller can tell beforehand. Where every question is a round trip to
// the database, those of all acts of a batch are asked together before the first of them runs. It changes what an act costs and
// nothing else: what was not foretold is asked when it is needed, and what the batch itself writes is seen.
type Ahead struct {
	Arrivals []*waybill.Arrival // whose delivery keys
	Events   []*waybill.Event   // whose fact keys
	Subjects []*waybill.Subject // whose names
	Effects  []waybill.EffectID // with their runs
	Runs     []waybill.RunID    // with their events
	Epoch    int64              // of the node whose act it is
}

// maxAhead bounds the acts that are asked for together.
const maxAhead = 128

// foretold is what a batch has asked ahead. Each part holds what the database answered and what the batch has written since; nil:
// nothing of it is known.
type foretold struct {
	deliveries map[string]holder // by hash; of item 0: nobody holds it
	facts      map[string]int64
	names      map[string]waybill.SubjectID
	subjects   map[waybill.SubjectID]waybill.Subject
	effects    map[waybill.EffectID]effectRun
	runs       map[waybill.RunID]waybill.Run
	events     map[waybill.EventID]waybill.Event
}

// holder is the item that holds a delivery key, by its place, and until when.
type holder struct{ item, until int64 }

type effectRun struct {
	e waybill.Effect
	r waybill.Run
}

// lookAhead asks for what acts have foretold.
func (tx *Tx) lookAhead(batch []*act) error {
	if tx.line == nil {
		return nil
	}
	var deliveries, facts, names [][]byte
	var effects, runs []string
	var epoch int64
	for _, a := range batch {
		for _, arrival := range a.ahead.Arrivals {
			for i := range arrival.Items {
				deliveries = appendKey(deliveries, deliveryKey(itemOf(arrival, i)))
			}
		}
		for _, e := range a.ahead.Events {
			facts = appendKey(facts, factHash(e))
		}
		for _, s := range a.ahead.Subjects {
			for _, alias := range s.Aliases {
				names = append(names, aliasHash(s.Type, alias))
			}
		}
		for _, id := range a.ahead.Effects {
			effects = append(effects, string(id))
		}
		for _, id := range a.ahead.Runs {
			runs = append(runs, string(id))
		}
		epoch = max(epoch, a.ahead.Epoch)
	}
	f := &tx.foretold
	err := f.askDeliveries(tx.line, deliveries)
	if err == nil {
		err = f.askFacts(tx.line, facts)
	}
	if err == nil {
		err = f.askNames(tx, names)
	}
	if err == nil {
		err = f.askEffects(tx, effects)
	}
	if err == nil {
		err = f.askRuns(tx, runs)
	}
	if err == nil && epoch != 0 && tx.asked.Epoch != epoch {
		err = tx.line.ask(standingText+tx.lock(" FOR SHARE"), []any{epoch}, func(r row) (err error) {
			tx.asked, err = scanStanding(r, epoch)
			return err
		})
	}
	if err == nil {
		err = tx.line.settle()
	}
	return tx.note(err)
}

func appendKey(keys [][]byte, key []byte) [][]byte {
	if key == nil {
		return keys
	}
	return append(keys, key)
}

func (f *foretold) askDeliveries(line liner, hashes [][]byte) error {
	if len(hashes) == 0 {
		return nil
	}
	nobody(&f.deliveries, hashes)
	return line.ask("SELECT hash, item, until FROM delivery_keys WHERE hash = ANY($1)", []any{bytesColumn(hashes)}, func(r row) error {
		f.deliveries[string(r.bytes(0))] = holder{r.num(1), r.num(2)}
		return nil
	})
}

func (f *foretold) askFacts(line liner, hashes [][]byte) error {
	if len(hashes) == 0 {
		return nil
	}
	nobody(&f.facts, hashes)
	return line.ask("SELECT hash, event FROM fact_keys WHERE hash = ANY($1)", []any{bytesColumn(hashes)}, func(r row) error {
		f.facts[string(r.bytes(0))] = r.num(1)
		return nil
	})
}

func (f *foretold) askNames(tx *Tx, hashes [][]byte) error {
	if len(hashes) == 0 {
		return nil
	}
	nobody(&f.names, hashes)
	if f.subjects == nil {
		f.subjects = map[waybill.SubjectID]waybill.Subject{}
	}
	text := tx.locking("SELECT " + namedColumns + " FROM aliases a JOIN subjects s ON s.id = a.subject WHERE a.hash = ANY($1) ORDER BY s.id")
	return tx.line.ask(text, []any{bytesColumn(hashes)}, func(r row) error {
		s, err := scanSubject(r)
		f.names[string(r.bytes(8))], f.subjects[s.ID] = s.ID, s
		return err
	})
}

func (f *foretold) askEffects(tx *Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if f.effects == nil {
		f.effects = map[waybill.EffectID]effectRun{}
	}
	text := tx.locking(tx.book.effectWithRun + "= ANY($1)")
	return tx.line.ask(text, []any{textColumn(ids)}, func(r row) error {
		b, err := scanEffectRun(r)
		f.effects[b.e.ID] = b
		return err
	})
}

func (f *foretold) askRuns(tx *Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if f.runs == nil {
		f.runs = map[waybill.RunID]waybill.Run{}
	}
	if f.events == nil {
		f.events = map[waybill.EventID]waybill.Event{}
	}
	all := []any{textColumn(ids)}
	err := tx.line.ask(tx.locking("SELECT "+runColumns+" FROM runs WHERE id = ANY($1)"), all, func(r row) error {
		run, err := scanRun(r)
		f.runs[run.ID] = run
		return err
	})
	if err != nil {
		return err
	}
	return tx.line.ask("SELECT "+eventColumns+" FROM events WHERE id IN (SELECT event FROM runs WHERE id = ANY($1))", all, func(r row) error {
		e, err := scanEvent(r)
		f.events[e.ID] = e
		return err
	})
}

// nobody notes that nobody has these keys, until the answer says otherwise.
func nobody[T any](known *map[string]T, keys [][]byte) {
	if *known == nil {
		*known = make(map[string]T, len(keys))
	}
	var none T
	for _, key := range keys {
		(*known)[string(key)] = none
	}
}

func bytesColumn(list [][]byte) pgColumn { return columnOf(list, oidBytea) }
func textColumn(list []string) pgColumn  { return columnOf(list, oidText) }

func columnOf[T any](list []T, oid uint32) pgColumn {
	args := make([]any, len(list))
	for i := range list {
		args[i] = list[i]
	}
	return pgColumn{args, 0, 1, oid}
}

// named returns the subjects of a type by these names as they were foretold; false when one was not.
func (f *foretold) named(hashes []any) (byName []waybill.SubjectID, ok bool) {
	for _, hash := range hashes {
		id, known := f.names[string(hash.([]byte))] //nolint:forcetypeassert // a hash
		if _, whole := f.subjects[id]; !known || id != "" && !whole {
			return nil, false
		}
		byName = append(byName, id)
	}
	return byName, true
}

// forget drops what a statement may have made untrue that nobody has taken note of.
func (f *foretold) forget(text string) {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "INSERT", "DELETE":
		_, rest, _ = strings.Cut(rest, " ")
	case "UPDATE":
	default:
		return
	}
	table := rest[:max(0, strings.IndexFunc(rest+" ", func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }))]
	switch table {
	case "delivery_keys":
		f.deliveries = nil
	case "fact_keys":
		f.facts = nil
	case "aliases", "subjects":
		f.names, f.subjects = nil, nil
	case "effects":
		f.effects = nil
	case "runs":
		f.effects, f.runs = nil, nil
	case "events":
		f.events = nil
	}
}

// forgetRun drops a run that has moved, and its effects.
func (f *foretold) forgetRun(id waybill.RunID) {
	delete(f.runs, id)
	maps.DeleteFunc(f.effects, func(_ waybill.EffectID, b effectRun) bool { return b.r.ID == id })
}

// clone is a subject that can be changed without changing what was foretold.
func clone(s waybill.Subject) waybill.Subject {
	s.Aliases = slices.Clone(s.Aliases)
	return s
}
