package record

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"waybill"
)

// wiper is a session that can overwrite what it deletes.
type wiper interface{ wipe(on bool) error }

func (c *sqliteConn) wipe(on bool) error {
	if on {
		return c.pragma("secure_delete=ON")
	}
	return c.pragma("secure_delete=OFF")
}

// wiped runs an act whose deletions are overwritten where the database can.
func (b *Book) wiped(ctx context.Context, do func(*Tx) error) error {
	return b.Do(ctx, func(tx *Tx) error {
		w, ok := tx.s.(wiper)
		if !ok {
			return do(tx)
		}
		if err := w.wipe(true); err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		return w.wipe(false)
	})
}

// ErasePerson erases what FindPerson found, in small acts, and remembers by hashes that it did. It may be cut off anywhere
// and begun again. What has to stay is left as it is. who acts; the audit holds the id of the erasure only.
func (b *Book) ErasePerson(ctx context.Context, f *waybill.PersonFound, who string) (string, error) {
	id := ""
	err := b.Do(ctx, func(tx *Tx) (err error) { // first: what follows is done again after a restore, too
		if id, err = tx.noteErasure(f.Person, who); err != nil {
			return err
		}
		return tx.Audit(&waybill.Audited{Who: who, Action: "erase a person", Object: id})
	})
	if err != nil {
		return "", err
	}
	m := mentionsOf(f.Person)
	steps := []func() error{
		func() error { return eraseEach(ctx, b, f.Arrivals, m, (*Tx).eraseArrival) },
		func() error { return eraseEach(ctx, b, f.Items, m, (*Tx).eraseItem) },
		func() error { return eraseEach(ctx, b, f.Effects, m, (*Tx).eraseEffect) },
		func() error { return eraseEach(ctx, b, f.Fetches, m, (*Tx).eraseFetch) },
		func() error { return eraseEach(ctx, b, f.Runs, m, (*Tx).eraseRun) },
		func() error { return eraseEach(ctx, b, f.Events, m, (*Tx).eraseEvent) },
		func() error { return eraseEach(ctx, b, f.Subjects, m, (*Tx).eraseSubject) },
		func() error { return b.wiped(ctx, func(tx *Tx) error { return tx.eraseNotes(m) }) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return id, err
		}
	}
	return id, nil
}

func eraseEach[T any](ctx context.Context, b *Book, ids []T, m mentions, erase func(*Tx, T, mentions) error) error {
	for some := range slices.Chunk(ids, personErase) {
		err := b.wiped(ctx, func(tx *Tx) error {
			for _, id := range some {
				if err := erase(tx, id, m); err != nil && waybill.KindOf(err) != waybill.NotFound {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// left is a text without what it says of the person.
func (m mentions) left(text string) string {
	if m.any(text) {
		return erasedText
	}
	return text
}

// eraseArrival takes the bytes away: they were signed as a whole, and cannot lose a part. Its items have been read.
func (tx *Tx) eraseArrival(id waybill.ArrivalID, _ mentions) error {
	a, err := tx.Arrival(id)
	if err != nil {
		return err
	}
	d := arrivalDoc{Method: a.Method, Proof: a.Proof, Duplicate: a.Duplicate}
	d.URL, _, _ = strings.Cut(a.URL, "?")
	for _, it := range a.Items {
		d.Items = append(d.Items, it.ID)
	}
	text, err := doc(d)
	if err != nil {
		return err
	}
	_, err = tx.exec("UPDATE arrivals SET doc = $2, body = NULL, body_hash = '' WHERE id = $1", id, text)
	return err
}

func (tx *Tx) eraseItem(id waybill.ItemID, m mentions) error {
	it, err := tx.Item(id)
	if err != nil || !m.any(it.Reason) {
		return err
	}
	_, err = tx.exec("UPDATE items SET reason = $2 WHERE id = $1", id, erasedText)
	return err
}

func (tx *Tx) eraseEffect(id waybill.EffectID, m mentions) error {
	e, err := tx.Effect(id)
	if err != nil {
		return err
	}
	if e.State.Open() {
		return nil // it was opened meanwhile
	}
	e.Inputs, e.Answer, e.Before, e.Request = nil, nil, nil, waybill.Request{Method: e.Request.Method}
	e.Reason, e.Proof, e.Object.Key, e.Object.ID = m.left(e.Reason), m.left(e.Proof), m.left(e.Object.Key), m.left(e.Object.ID)
	frozen, err := frozenOf(e)
	if err != nil {
		return err
	}
	text, err := docOf(e)
	if err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE effects SET frozen = $2, doc = $3 WHERE id = $1", id, frozen, text); err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE messages SET recipient = $2, reason = '' WHERE effect = $1", id, erasedText); err != nil {
		return err
	}
	return tx.eraseAttempts(string(id), m)
}

func (tx *Tx) eraseAttempts(owner string, m mentions) error {
	type kept struct {
		seq int64
		d   attemptDoc
	}
	all, err := list(tx, "SELECT seq, doc FROM attempts WHERE owner = $1", func(r row) (kept, error) {
		var k kept
		k.seq = r.num(0)
		return k, undoc(r.text(1), &k.d)
	}, owner)
	if err != nil {
		return err
	}
	for _, k := range all {
		k.d.URL, k.d.Sent, k.d.Headers, k.d.Error, k.d.Note = "", nil, nil, m.left(k.d.Error), m.left(k.d.Note)
		text, err := doc(k.d)
		if err != nil {
			return err
		}
		if _, err := tx.exec("UPDATE attempts SET doc = $2, request = NULL, response = NULL WHERE seq = $1", k.seq, text); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) eraseFetch(id waybill.FetchID, m mentions) error {
	f, err := tx.Fetch(id)
	if err != nil || f.State == waybill.FetchPlanned {
		return err
	}
	f.Answer, f.Reason = nil, m.left(f.Reason)
	frozen, err := doc(fetchFrozen{Address: f.Address, Request: waybill.Request{Method: f.Request.Method}})
	if err != nil {
		return err
	}
	text, err := fetchDocOf(f)
	if err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE fetches SET frozen = $2, doc = $3 WHERE id = $1", id, frozen, text); err != nil {
		return err
	}
	return tx.eraseAttempts(string(id), m)
}

func (tx *Tx) eraseRun(id waybill.RunID, m mentions) error {
	r, err := tx.Run(id)
	if err != nil || !r.State.Ended() {
		return err
	}
	_, err = tx.exec("UPDATE runs SET progress = $2, reason = $3 WHERE id = $1", id, []byte("{}"), m.left(r.Reason))
	return err
}

func (tx *Tx) eraseEvent(id waybill.EventID, m mentions) error {
	e, err := tx.Event(id)
	if err != nil {
		return err
	}
	seq, _, err := one(tx, "SELECT seq FROM events WHERE id = $1", num0, id)
	if err != nil {
		return err
	}
	before := eventHashes(e)
	if e.Data, err = scrubbed(e.Data, m); err != nil {
		return err
	}
	e.Subject = scrubSubject(e.Subject, m)
	e.Search = slices.DeleteFunc(e.Search, func(k waybill.SearchKey) bool {
		return k.Kind != "order" && k.Kind != "amount" && k.Kind != "id" || m.any(k.Value)
	})
	text, err := doc(eventDoc{
		Noun: e.Noun, Rank: e.Rank, Revision: e.Revision, Item: e.Item, Arrival: e.Arrival, Hops: e.Hops, Bundle: e.Bundle, Search: e.Search,
	})
	if err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE events SET subject = $2, data = $3, considered = '', doc = $4 WHERE id = $1", id, e.Subject, e.Data, text); err != nil {
		return err
	}
	kept := eventHashes(e)
	for _, hash := range before {
		if slices.Contains(kept, hash) {
			continue
		}
		if _, err := tx.exec("DELETE FROM search_keys WHERE era = $1 AND hash = $2 AND seq = $3", seq>>searchEra, hash, seq); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) eraseSubject(id waybill.SubjectID, _ mentions) error {
	s, err := tx.Subject(id)
	if err != nil {
		return err
	}
	for _, a := range s.Aliases {
		if err := tx.dropAll(aliasHash(s.Type, a), "DELETE FROM aliases WHERE hash = $1"); err != nil {
			return err
		}
		for _, side := range []string{"conn_a = $2 AND id_a = $3", "conn_b = $2 AND id_b = $3"} {
			if _, err := tx.exec("DELETE FROM pairings WHERE type = $1 AND "+side, s.Type, a.Kind, a.Value); err != nil {
				return err
			}
		}
	}
	_, err = tx.exec("UPDATE subjects SET name = $2, aliases = '', fields = $3 WHERE id = $1", s.ID, erasedText, []byte("{}"))
	return err
}

// eraseNotes takes the person out of words beside everything else. Audit rows keep who did what to which id, and when.
func (tx *Tx) eraseNotes(m mentions) error {
	for _, t := range noteTables {
		type note struct{ id, doc string }
		all, err := list(tx, "SELECT "+t.id+", doc FROM "+t.name, func(r row) (note, error) {
			return note{r.text(0), r.text(1)}, nil
		})
		if err != nil {
			return err
		}
		for _, n := range all {
			if !m.any(n.doc) {
				continue
			}
			var words map[string]any
			if err := json.Unmarshal([]byte(n.doc), &words); err != nil {
				return err
			}
			text, err := json.Marshal(mentioned(words, m))
			if err != nil {
				return err
			}
			if t.id == "seq" {
				_, err = tx.exec("DELETE FROM rejection_samples WHERE doc = $1", n.doc)
			} else {
				_, err = tx.exec("UPDATE "+t.name+" SET doc = $2 WHERE "+t.id+" = $1", n.id, string(text))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// mentioned is a value without the texts that mention a person.
func mentioned(v any, m mentions) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = mentioned(inner, m)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = mentioned(inner, m)
		}
		return v
	case string:
		return m.left(v)
	default:
		return v
	}
}

// personal are the parts of an event's data that describe a person; nothing of these stays.
var personal = []string{ // a list that nothing changes
	"customer", "contact", "lead", "person", "payer", "buyer", "guest", "recipient", "billing", "shipping", "address", "billing_address", "shipping_address",
}

// scrubSubject keeps what an event is about unless that is a person.
func scrubSubject(subject string, m mentions) string {
	typ, _, named := strings.Cut(subject, " ")
	if named && (slices.Contains(personal, strings.ToLower(typ)) || m.any(subject)) {
		return typ + " " + erasedText
	}
	return subject
}

// scrubbed keeps of an event's data numbers, amounts, states, times and ids, which accounts have to be kept by, and no
// free text.
func scrubbed(data []byte, m mentions) ([]byte, error) {
	if len(data) == 0 {
		return data, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // integers stay exact
	var v any
	if err := d.Decode(&v); err != nil {
		return []byte("{}"), nil //nolint:nilerr // what cannot be read cannot be kept in part
	}
	return json.Marshal(scrub(v, "", false, m))
}

func scrub(v any, key string, hidden bool, m mentions) any {
	hidden = hidden || slices.Contains(personal, key)
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = scrub(inner, k, hidden, m)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = scrub(inner, key, hidden, m)
		}
		return v
	case string:
		if !hidden && !m.any(v) && harmlessText(key, v) {
			return v
		}
		return erasedText
	case json.Number:
		if m.any(v.String()) {
			return erasedText
		}
		return v
	default:
		return v
	}
}

// harmlessText are ids, states and times.
func harmlessText(key, text string) bool {
	if _, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return true
	}
	for _, end := range []string{"id", "currency", "status", "state", "type", "kind", "method", "number", "no", "_at", "date", "code"} {
		if key == end || strings.HasSuffix(key, "_"+strings.TrimPrefix(end, "_")) {
			return true
		}
	}
	return false
}
