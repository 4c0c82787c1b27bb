package record

import (
	"waybill"
)

// eventDoc is what is only shown of an event.
type eventDoc struct {
	Noun     string                `json:"noun,omitempty"`
	Rank     int                   `json:"rank,omitzero"`
	Revision string                `json:"revision,omitempty"`
	Item     waybill.ItemID        `json:"item,omitempty"`
	Arrival  waybill.ArrivalID     `json:"arrival,omitempty"`
	Hops     int                   `json:"hops,omitzero"`
	Bundle   waybill.BundleID      `json:"bundle,omitempty"`
	Mapped   waybill.MappedBy      `json:"mapped,omitzero"`
	Mapping  []waybill.MappedField `json:"mapping,omitempty"` // in rows of before Mapped: its lines as they were told then
	Search   []waybill.SearchKey   `json:"search,omitempty"`
	Erased   bool                  `json:"erased,omitzero"`
}

// PutEvent writes a new event with its fact key and search keys. When the fact key (account, type, key) is known it writes
// evidence for the first event instead, and returns that one's id and false; the id is empty when that one is past
// retention. An event without a fact key is always new.
// Without an account the connection stands in for it. An AcceptedAt of none becomes now.
func (tx *Tx) PutEvent(e *waybill.Event) (waybill.EventID, bool, error) {
	key := factHash(e)
	if key != nil {
		first, known := tx.foretold.facts[string(key)]
		if !known {
			var err error
			if first, _, err = one(tx, "SELECT event FROM fact_keys WHERE hash = $1", num0, key); err != nil {
				return "", false, err
			}
		}
		if first != 0 {
			id, err := tx.putEvidence(first, e)
			return id, false, err
		}
	}
	seq, err := tx.writeEvent(e)
	if err != nil {
		return "", false, err
	}
	if key != nil {
		if tx.foretold.facts != nil {
			tx.foretold.facts[string(key)] = seq
		}
		err := tx.expect(func() error { return tx.beaten("the fact " + e.FactKey + " is told") }, // as with delivery keys
			"INSERT INTO fact_keys (hash, event) VALUES ($1, $2) ON CONFLICT DO NOTHING", key, seq)
		if err != nil {
			return "", false, err
		}
	}
	return e.ID, true, nil
}

// factHash is the key of the fact that an event tells; nil when it has none.
func factHash(e *waybill.Event) []byte {
	if e.FactKey == "" {
		return nil
	}
	scope := e.Account
	if scope == "" {
		scope = "connection " + e.Connection
	}
	return hash12(scope, e.Type, e.FactKey)
}

// EventOfFact returns the event that tells the same fact; nil when the book has none.
func (tx *Tx) EventOfFact(e *waybill.Event) (*waybill.Event, error) {
	key := factHash(e)
	if key == nil {
		return nil, nil
	}
	told, found, err := one(tx, "SELECT "+eventColumns+" FROM events WHERE seq = (SELECT event FROM fact_keys WHERE hash = $1)", scanEvent, key)
	if err != nil || !found {
		return nil, err
	}
	return &told, nil
}

// writeEvent writes the row of an event and what it is found by, and returns its place.
func (tx *Tx) writeEvent(e *waybill.Event) (int64, error) {
	accepted := e.AcceptedAt
	if accepted.IsZero() {
		accepted = tx.now
	}
	text, err := doc(eventDoc{
		Noun: e.Noun, Rank: e.Rank, Revision: e.Revision, Item: e.Item, Arrival: e.Arrival, Hops: e.Hops, Bundle: e.Bundle,
		Mapped: e.Mapped, Search: e.Search,
	})
	if err != nil {
		return 0, err
	}
	considered, err := docConsidered(e.Considered)
	if err != nil {
		return 0, err
	}
	seq, err := tx.expectNew(func() error { return conflict("event %s is in the book already", e.ID) }, `INSERT INTO events
		(id, type, connection, account, fact_key, subject, parent, occurred_at, accepted_at, data, considered, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		e.ID, e.Type, e.Connection, e.Account, e.FactKey, e.Subject, e.Parent, e.OccurredAt, accepted, e.Data, considered, text)
	if err != nil {
		return 0, err
	}
	if hashes := eventHashes(e); len(hashes) > 0 {
		args := make([]any, 0, 3*len(hashes))
		for _, hash := range hashes {
			args = append(args, seq>>searchEra, hash, seq)
		}
		err := tx.later("INSERT INTO search_keys (era, hash, seq) VALUES "+tx.places(len(hashes), 3), args...) // its place is new
		if err != nil {
			return 0, err
		}
	}
	if tx.accepted == nil {
		tx.accepted = map[waybill.EventID]int64{}
	}
	tx.accepted[e.ID] = ms(accepted)
	tx.hours = append(tx.hours, hourOf{ms(accepted) - ms(accepted)%hour, seq})
	tx.count("event", e.Type, 1)
	tx.changed |= eventChanged
	return seq, nil
}

// putEvidence notes that an item told what an event tells already. The event's own item, mapped again, tells nothing new.
func (tx *Tx) putEvidence(seq int64, e *waybill.Event) (waybill.EventID, error) {
	told, found, err := one(tx, "SELECT "+eventColumns+" FROM events WHERE seq = $1", scanEvent, seq)
	if err != nil {
		return "", err
	}
	if !found {
		return "", nil // past retention: the fact is known all the same
	}
	if e.Item == "" || told.Item == e.Item {
		return told.ID, nil
	}
	typ, _, err := one(tx, "SELECT type FROM items WHERE id = $1", text0, e.Item)
	if err != nil {
		return "", err
	}
	_, err = tx.exec("INSERT INTO evidence (event, item, type, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		told.ID, e.Item, typ, tx.now)
	tx.changed |= eventChanged
	return told.ID, err
}

// docConsidered renders what flows made of an event; nothing for none, which is the usual first write.
func docConsidered(list []waybill.Consideration) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	return doc(list)
}

// SetConsidered replaces the considerations of an event.
func (tx *Tx) SetConsidered(id waybill.EventID, list []waybill.Consideration) error {
	text, err := docConsidered(list)
	if err != nil {
		return err
	}
	changed, err := tx.exec("UPDATE events SET considered = $2 WHERE id = $1", id, text)
	if err != nil {
		return err
	}
	if changed == 0 {
		return notFound("event", id)
	}
	tx.changed |= eventChanged
	return nil
}

// Event returns an event.
func (tx *Tx) Event(id waybill.EventID) (*waybill.Event, error) {
	e, found := tx.foretold.events[id]
	if !found {
		var err error
		if e, found, err = one(tx, "SELECT "+eventColumns+" FROM events WHERE id = $1", scanEvent, id); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, notFound("event", id)
	}
	return &e, nil
}

const eventColumns = `id, type, connection, account, fact_key, subject, parent, occurred_at, accepted_at, data, considered, doc`

func scanEvent(r row) (waybill.Event, error) {
	var d eventDoc
	if err := undoc(r.text(11), &d); err != nil {
		return waybill.Event{}, err
	}
	e := waybill.Event{
		ID: waybill.EventID(r.text(0)), Type: r.text(1), Connection: r.text(2), Account: r.text(3), FactKey: r.text(4),
		Subject: r.text(5), Parent: waybill.EventID(r.text(6)), OccurredAt: at(r.num(7)), AcceptedAt: at(r.num(8)),
		Data: r.bytes(9), Noun: d.Noun, Rank: d.Rank, Revision: d.Revision, Item: d.Item, Arrival: d.Arrival, Hops: d.Hops,
		Bundle: d.Bundle, Mapped: d.Mapped, Mapping: d.Mapping, Search: d.Search, Erased: d.Erased,
	}
	return e, undoc(r.text(10), &e.Considered)
}

// acceptedAt returns when an event was accepted, in unix ms.
func (tx *Tx) acceptedAt(id waybill.EventID) (int64, error) {
	if t, ok := tx.accepted[id]; ok {
		return t, nil
	}
	t, found, err := one(tx, "SELECT accepted_at FROM events WHERE id = $1", num0, id)
	if err == nil && !found {
		return 0, notFound("event", id)
	}
	return t, err
}
