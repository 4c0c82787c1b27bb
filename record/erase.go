package record

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
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
// and begun again. What has to stay is left as it is, and erased by EraseAgain once it has ended. who acts; the audit holds the id of the erasure only.
func (b *Book) ErasePerson(ctx context.Context, f *waybill.PersonFound, who string) (string, error) {
	id := ""
	err := b.Do(ctx, func(tx *Tx) (err error) { // first: what follows is done again after a restore, too
		if id, err = tx.noteErasure(f, who); err != nil {
			return err
		}
		return tx.Audit(&waybill.Audited{Who: who, Action: "erase a person", Object: id})
	})
	if err != nil {
		return "", err
	}
	return id, b.eraseFound(ctx, f)
}

// EraseAgain erases whom a list of erasures names that this book does not know of, because it is older: it was restored from
// a backup. Of whom it erased before, it erases what had not ended then and has now. It may be cut off anywhere and begun
// again; what it finished is not looked for a second time.
func (b *Book) EraseAgain(ctx context.Context, list []waybill.Erasure, who string) (*waybill.ErasedAgain, error) {
	out := &waybill.ErasedAgain{}
	var known []waybill.Erasure
	if err := b.View(ctx, func(tx *Tx) (err error) { known, err = tx.Erasures(); return err }); err != nil {
		return nil, err
	}
	fresh := slices.DeleteFunc(slices.Clone(list), func(e waybill.Erasure) bool {
		return slices.ContainsFunc(known, func(k waybill.Erasure) bool { return k.ID == e.ID })
	})
	if out.Unknown = len(fresh); len(fresh) > 0 {
		if err := b.eraseListed(ctx, fresh, nil, who, out); err != nil {
			return nil, err
		}
	}
	for _, e := range known {
		if e.Open == nil {
			continue
		}
		ended, err := b.endedSince(ctx, e.Open)
		if err == nil && ended {
			err = b.eraseListed(ctx, []waybill.Erasure{e}, e.Open, who, out)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// eraseListed erases whom erasures name by hashes, and notes what of it had not ended; rest is what they left before, nil
// for everything.
func (b *Book) eraseListed(ctx context.Context, list []waybill.Erasure, rest *waybill.ErasureOpen, who string, out *waybill.ErasedAgain) error {
	until := b.o.Now()
	if rest != nil {
		until = rest.Until
	}
	people, err := b.Known(ctx, list)
	if err != nil {
		return err
	}
	var all waybill.Person // one reading of the book for all of them
	for _, p := range people {
		all.Emails, all.Phones, all.IDs = append(all.Emails, p.Emails...), append(all.Phones, p.Phones...), append(all.IDs, p.IDs...)
	}
	f := &waybill.PersonFound{}
	if !all.Empty() || rest != nil {
		s, err := b.find(ctx, all, rest)
		if err != nil {
			return err
		}
		f = s.found
		if err := b.eraseFound(ctx, f); err != nil {
			return err
		}
	}
	if rest == nil || len(f.Events)+len(f.Arrivals) > 0 {
		out.People += len(people)
	}
	out.Kept = append(out.Kept, f.Kept...)
	return b.Do(ctx, func(tx *Tx) error {
		open, err := tx.stillOpen(until, f.Kept)
		if err != nil {
			return err
		}
		for _, e := range list {
			e.Open = open
			if err := tx.putErasure(e); err != nil {
				return err
			}
			if err := tx.Audit(&waybill.Audited{Who: who, Action: "erase a person again", Object: e.ID}); err != nil {
				return err
			}
		}
		return nil
	})
}

// stillOpen is what an erasure leaves for later: the events that were kept, and what came in and is not understood yet, of
// which nobody knows without a name whether it tells of the person. Nil: nothing.
func (tx *Tx) stillOpen(until time.Time, kept []waybill.PersonKept) (*waybill.ErasureOpen, error) {
	open := &waybill.ErasureOpen{Until: until}
	for _, k := range kept {
		if k.Event != "" {
			open.Events = append(open.Events, k.Event)
		}
	}
	items, _, err := one(tx, "SELECT count(*) FROM items WHERE ("+openItem+") AND received_at <= $1", num0, until)
	open.Items = int(items)
	if err != nil || items == 0 && len(open.Events) == 0 {
		return nil, err
	}
	return open, nil
}

// endedSince reports whether something has ended of what an erasure left, so that it is worth another look.
func (b *Book) endedSince(ctx context.Context, rest *waybill.ErasureOpen) (ended bool, err error) {
	err = b.View(ctx, func(tx *Tx) error {
		now, err := tx.stillOpen(rest.Until, nil)
		if err != nil || now == nil && rest.Items > 0 || now != nil && now.Items < rest.Items {
			ended = err == nil
			return err
		}
		for _, id := range rest.Events {
			why, err := tx.personNeeds(id)
			if err != nil || why == "" {
				ended = err == nil
				return err
			}
		}
		return nil
	})
	return ended, err
}

// eraseFound erases what was found.
func (b *Book) eraseFound(ctx context.Context, f *waybill.PersonFound) error {
	m := mentionsOf(f.Person)
	for _, step := range []func() error{
		func() error { return eraseEach(ctx, b, f.Arrivals, m, (*Tx).eraseArrival) },
		func() error { return eraseEach(ctx, b, f.Items, m, (*Tx).eraseItem) },
		func() error { return eraseEach(ctx, b, f.Effects, m, (*Tx).eraseEffect) },
		func() error { return eraseEach(ctx, b, f.Fetches, m, (*Tx).eraseFetch) },
		func() error { return eraseEach(ctx, b, f.Asks, m, (*Tx).eraseAsk) },
		func() error { return eraseEach(ctx, b, f.Runs, m, (*Tx).eraseRun) },
		func() error { return eraseEach(ctx, b, f.Events, m, (*Tx).eraseEvent) },
		func() error { return b.forgetTold(ctx, f.Events) },
		func() error { return eraseEach(ctx, b, f.Subjects, m, (*Tx).eraseSubject) },
		func() error { return b.wiped(ctx, func(tx *Tx) error { return tx.eraseNotes(m) }) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// forgetTold forgets what events were found by in other runs' waits: hashes, by which an address could be tried out.
func (b *Book) forgetTold(ctx context.Context, events []waybill.EventID) error {
	for some := range slices.Chunk(events, personStep) {
		names := make([]string, len(some))
		args := make([]any, len(some))
		for i, id := range some {
			names[i], args[i] = "$"+strconv.Itoa(i+1), id
		}
		in := " WHERE event IN (" + strings.Join(names, ", ") + ")"
		err := b.wiped(ctx, func(tx *Tx) error {
			for _, table := range []string{"told", "newest", "wait_hits"} {
				if _, err := tx.exec("DELETE FROM "+table+in, args...); err != nil {
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

// key is an id or a key, which stays, unless it is an address or a number of the person's.
func (m mentions) key(text string) string { return m.contacts().left(text) }

// name is what an object is called, by its number, say, which stays: "Order 781".
func (m mentions) name(text string) string {
	if slices.ContainsFunc(m.ids, func(id string) bool { return strings.HasSuffix(text, " "+id) || text == id }) {
		return m.key(text)
	}
	return m.left(text)
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
	if err != nil || !m.any(it.Reason) && !m.contacts().any(it.Pointer, it.DeliveryKey) {
		return err
	}
	_, err = tx.exec("UPDATE items SET reason = $2, pointer = $3, delivery_key = $4 WHERE id = $1",
		id, m.left(it.Reason), m.key(it.Pointer), m.key(it.DeliveryKey))
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
	e.Reason, e.Proof, e.Object.Key, e.Object.ID = m.left(e.Reason), m.left(e.Proof), m.key(e.Object.Key), m.key(e.Object.ID)
	for i := range e.Gate {
		e.Gate[i].Reason = m.left(e.Gate[i].Reason)
	}
	frozen, err := frozenOf(e)
	if err != nil {
		return err
	}
	text, err := docOf(e)
	if err != nil {
		return err
	}
	address := e.Address
	if m.contacts().any(address) { // of an item that is told apart by what names somebody
		address = erasedText + " " + string(id)
	}
	if _, err := tx.exec("UPDATE effects SET frozen = $2, doc = $3, address = $4 WHERE id = $1", id, frozen, text, address); err != nil {
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
	frozen, err := doc(fetchFrozen{Address: m.key(f.Address), Request: waybill.Request{Method: f.Request.Method}})
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
	_, err = tx.exec("UPDATE runs SET progress = $2, reason = $3, lane = $4 WHERE id = $1", id, []byte("{}"), m.left(r.Reason), m.key(r.Lane))
	return err
}

// eraseAsk takes out of a question what was asked about and what was answered; that it was, by whom and when, stays.
func (tx *Tx) eraseAsk(id waybill.AskID, m mentions) error {
	a, err := tx.Ask(id)
	if err != nil || a.State == waybill.AskOpen {
		return err
	}
	a.Question, a.Show, a.Change, a.Values = erasedText, nil, nil, nil
	a.Reason, a.Address = m.left(a.Reason), m.key(a.Address)
	for i := range a.For {
		a.For[i].Inputs, a.For[i].Address = nil, m.key(a.For[i].Address)
	}
	text, err := askText(a)
	if err != nil {
		return err
	}
	_, err = tx.exec("UPDATE asks SET doc = $2 WHERE id = $1", id, text)
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
		return k.Kind != "order" && k.Kind != "amount" && k.Kind != "id" || k.Kind != "amount" && m.contacts().value(k.Kind, k.Value)
	})
	text, err := doc(eventDoc{
		Noun: e.Noun, Rank: e.Rank, Revision: e.Revision, Item: e.Item, Arrival: e.Arrival, Hops: e.Hops, Bundle: e.Bundle, Search: e.Search,
		Erased: true,
	})
	if err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE events SET subject = $2, data = $3, considered = '', doc = $4, fact_key = $5 WHERE id = $1",
		id, e.Subject, e.Data, text, m.key(e.FactKey)); err != nil {
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

// eraseSubject forgets a person's own subject. Another one that tells of the person stays what it is: an order keeps its
// number and amounts.
func (tx *Tx) eraseSubject(id waybill.SubjectID, m mentions) error {
	s, err := tx.Subject(id)
	if err != nil {
		return err
	}
	if !named(m.person, s) {
		fields, err := scrubbed(s.Fields, m)
		if err != nil {
			return err
		}
		_, err = tx.exec("UPDATE subjects SET name = $2, fields = $3 WHERE id = $1", s.ID, m.name(s.Name), fields)
		return err
	}
	for _, a := range s.Aliases {
		if err := tx.dropAll(aliasHash(s.Type, a), "DELETE FROM aliases WHERE hash = $1"); err != nil {
			return err
		}
		for side, id := range map[string]string{"conn_a = $2 AND id_a = $3": indexed(a.Value), "conn_b = $2 AND id_b = $3": a.Value} {
			if _, err := tx.exec("DELETE FROM pairings WHERE type = $1 AND "+side, s.Type, a.Kind, id); err != nil {
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
		type note struct {
			id  any
			doc string
		}
		all, err := list(tx, "SELECT "+t.id+", doc FROM "+t.name, func(r row) (note, error) {
			if t.id == "seq" {
				return note{r.num(0), r.text(1)}, nil
			}
			return note{r.text(0), r.text(1)}, nil
		})
		if err != nil {
			return err
		}
		for _, n := range all {
			text, changed := m.without(t, n.doc)
			if !changed {
				continue
			}
			if t.words == nil {
				_, err = tx.exec("DELETE FROM "+t.name+" WHERE "+t.id+" = $1", n.id)
			} else {
				_, err = tx.exec("UPDATE "+t.name+" SET doc = $2 WHERE "+t.id+" = $1 AND doc = $3", n.id, text, n.doc)
			}
			if err != nil {
				return err
			}
		}
	}
	return tx.eraseProblemKeys(m)
}

// eraseProblemKeys takes the person out of the keys by which problems gather what has one cause.
func (tx *Tx) eraseProblemKeys(m mentions) error {
	keys, err := list(tx, "SELECT id, key FROM problems", func(r row) ([2]string, error) { return [2]string{r.text(0), r.text(1)}, nil })
	for _, k := range keys {
		if err == nil && m.contacts().any(k[1]) {
			_, err = tx.exec("UPDATE problems SET key = $2 WHERE id = $1", k[0], erasedText+" "+k[0])
		}
	}
	return err
}

// without is a document of a table without the words that mention a person, also where these stand as bytes; false when none
// does. Numbers, times, ids, keys and states stay, and everything keeps its form: it is read again.
func (m mentions) without(t noteTable, text string) (string, bool) {
	if t.words == nil {
		return "", m.inSample(text)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return text, false // it is not ours
	}
	n := noted{m: m, words: t.words}
	v = n.value(v, "")
	if !n.changed {
		return text, false
	}
	out, err := json.Marshal(v)
	return string(out), err == nil
}

// inSample looks through what was turned away.
func (m mentions) inSample(text string) bool {
	var s waybill.RejectionSample
	if err := undoc(text, &s); err != nil {
		return true // what cannot be read cannot be kept
	}
	return m.any(s.URL) || m.inHeaders(s.Headers) || m.in(s.Body)
}

// noted takes a person out of the document of a note.
type noted struct {
	m       mentions
	words   []string // the names of texts
	changed bool
}

func (n *noted) value(v any, key string) any {
	switch v := v.(type) {
	case map[string]any:
		return n.object(v, key)
	case []any:
		for i, inner := range v {
			v[i] = n.value(inner, key)
		}
		return v
	case string:
		return n.text(v, key)
	default:
		return v
	}
}

// object looks at names, too: reasons are counted under their words.
func (n *noted) object(v map[string]any, key string) any {
	for _, k := range slices.Sorted(maps.Keys(v)) {
		inner := n.value(v[k], k)
		if n.mentioned(k, key) {
			delete(v, k)
			k, n.changed = free(v, erasedText), true
		}
		v[k] = inner
	}
	return v
}

// free is a name that is not taken.
func free[V any](v map[string]V, name string) string {
	for i := 2; ; i++ {
		if _, taken := v[name]; !taken {
			return name
		}
		name = erasedText + " " + strconv.Itoa(i)
	}
}

func (n *noted) mentioned(text, key string) bool {
	if isTime(text) {
		return false
	}
	if !slices.Contains(n.words, key) || slices.Contains(n.m.ids, text) { // a whole one is what was chosen, before or after
		return n.m.contacts().any(text)
	}
	return n.m.any(text)
}

func (n *noted) text(v, key string) any {
	if n.mentioned(v, key) {
		n.changed = true
		return erasedText
	}
	if !slices.Contains(n.words, key) {
		return v
	}
	if b, err := base64.StdEncoding.DecodeString(v); err == nil && n.m.in(b) {
		n.changed = true
		return ""
	}
	return v
}

// personal are the parts of an event's data that describe a person; nothing of these stays.
var personal = []string{ // a list that nothing changes
	"customer", "contact", "lead", "person", "payer", "buyer", "guest", "recipient", "billing", "shipping", "address", "billing_address", "shipping_address",
}

// scrubSubject keeps what an event is about unless that is a person.
func scrubSubject(subject string, m mentions) string {
	typ, name, named := strings.Cut(subject, " ")
	if named && (slices.Contains(personal, strings.ToLower(typ)) || m.any(subject) && !slices.Contains(m.ids, name) || m.contacts().any(subject)) {
		return typ + " " + erasedText
	}
	return subject
}

// scrubbed keeps of an event's data numbers, amounts, states, times and ids, which accounts have to be kept by, and no
// free text. Everything keeps its form.
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
	return json.Marshal(scrub(v, "", false, m.contacts()))
}

func scrub(v any, key string, hidden bool, contacts mentions) any {
	hidden = hidden || slices.Contains(personal, key)
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			inner := scrub(v[k], k, hidden, contacts)
			if contacts.any(k) {
				delete(v, k)
				k = free(v, erasedText)
			}
			v[k] = inner
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = scrub(inner, key, hidden, contacts)
		}
		return v
	case string:
		if harmlessText(key, v, hidden) && !contacts.value(key, v) {
			return v
		}
		return erasedText
	case json.Number:
		if contacts.number(key, v.String()) { // a phone number, kept as one
			return json.Number("0")
		}
		return v
	default:
		return v
	}
}

// harmlessText are ids, states and times. Of what describes a person fewer are: a state there is where somebody lives.
func harmlessText(key, text string, hidden bool) bool {
	if isTime(text) {
		return true
	}
	ends := []string{"id", "currency", "status", "state", "type", "kind", "method", "number", "no", "_at", "date", "code"}
	if hidden {
		ends = []string{"id", "currency", "status"}
	}
	for _, end := range ends {
		if key == end || strings.HasSuffix(key, "_"+strings.TrimPrefix(end, "_")) {
			return !hidden || !slices.Contains([]string{"tax_id", "national_id", "passport_id", "voter_id"}, key)
		}
	}
	return false
}
