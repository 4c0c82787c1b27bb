package record

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill"
)

// One person across the whole book. A person is looked for by reading everything, in steps: an address may stand in a raw
// body, a request or somebody's note, where no index leads. What is found is exported, or erased in its place: rows stay,
// with their ids, keys, states, times and amounts; what they tell of a person goes.

// erasedText stands where something told of a person.
const erasedText = "(erased)"

// personStep is how many rows are read, or erased, at once.
const (
	personStep  = 200
	personErase = 8
)

func (m mentions) inRequest(r waybill.Request) bool {
	return m.any(r.URL) || m.in(r.Body) || m.inHeaders(r.Headers)
}

func (m mentions) inHeaders(list []waybill.Header) bool {
	return slices.ContainsFunc(list, func(h waybill.Header) bool { return m.any(h.Value) })
}

func (m mentions) inEffect(e *waybill.Effect) bool {
	keys := m // an id by which it was done stays, and tells of nobody once the rest has gone
	if len(e.Inputs)+len(e.Answer)+len(e.Before)+len(e.Request.URL)+len(e.Request.Body) == 0 {
		keys = m.contacts()
	}
	return m.in(e.Inputs) || m.in(e.Answer) || m.in(e.Before) || m.inRequest(e.Request) || m.any(e.Reason, e.Proof) ||
		keys.any(e.Object.Key, e.Object.ID, e.Address)
}

func (m mentions) inFetch(f *waybill.Fetch) bool {
	return m.in(f.Inputs) || m.in(f.Answer) || m.inRequest(f.Request) || m.any(f.Reason) || m.contacts().any(f.Address)
}

// FindPerson reads the whole book for what it holds of a person, a step at a time. It keeps no writer. Values that do not name
// somebody for certain are refused.
func (b *Book) FindPerson(ctx context.Context, p waybill.Person) (*waybill.PersonFound, error) {
	p, err := p.Checked()
	if err != nil {
		return nil, err
	}
	s, err := b.find(ctx, p, nil)
	if err != nil {
		return nil, err
	}
	for number, codes := range s.codes {
		if len(codes) > 1 {
			slices.Sort(codes)
			return nil, &waybill.Error{
				Kind:    waybill.Invalid,
				Message: "the number " + number + " stands in the book with the country codes " + strings.Join(codes, " and ") + ": these are different people, so nothing was changed",
				Hint:    "give the number with its country code, as " + codes[0] + number,
			}
		}
	}
	return s.found, nil
}

// find is FindPerson; with a rest it finds of the person only what an earlier erasure left.
func (b *Book) find(ctx context.Context, p waybill.Person, rest *waybill.ErasureOpen) (*search, error) {
	s := &search{book: b, rest: rest, found: &waybill.PersonFound{Person: p.Usable()}, codes: map[string][]string{}, owners: map[string]bool{}, events: map[waybill.EventID]bool{}, arrivals: map[waybill.ArrivalID]bool{}}
	for _, part := range []func(context.Context) error{s.subjects, s.readEvents, s.readArrivals, s.readEffects, s.readFetches, s.readAttempts, s.readAsks, s.notes} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	slices.Sort(s.found.Effects)
	slices.Sort(s.found.Fetches)
	s.found.Effects, s.found.Fetches = slices.Compact(s.found.Effects), slices.Compact(s.found.Fetches)
	return s, nil
}

// looksFor makes the search look for all that the person is known by until now.
func (s *search) looksFor() {
	s.m = mentionsOf(s.found.Person)
	s.m.codes = s.codes
}

type search struct {
	book     *Book
	rest     *waybill.ErasureOpen // nil for everything
	m        mentions
	codes    map[string][]string // as in mentions
	found    *waybill.PersonFound
	events   map[waybill.EventID]bool
	arrivals map[waybill.ArrivalID]bool
	owners   map[string]bool // runs, items, effects, fetches that belong to the person
}

// walk reads a table with places in steps and hands each row over.
func walk[T any](ctx context.Context, b *Book, text string, scan func(row) (T, error), each func(tx *Tx, v T) error) error {
	after := int64(0)
	for {
		n := 0
		err := b.View(ctx, func(tx *Tx) error {
			type placed struct {
				seq int64
				v   T
			}
			rows, err := list(tx, text+" WHERE seq > $1 ORDER BY seq LIMIT $2", func(r row) (placed, error) {
				v, err := scan(skipped{r, 1})
				return placed{r.num(0), v}, err
			}, after, personStep)
			if err != nil {
				return err
			}
			n = len(rows)
			for _, r := range rows {
				after = r.seq
				if err := each(tx, r.v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < personStep {
			return err
		}
	}
}

// subjects finds the person's own subjects, and takes over what these are called besides.
func (s *search) subjects(ctx context.Context) error {
	for range 3 { // a subject may give a number by which another one is found
		before := len(s.found.Person.Emails) + len(s.found.Person.Phones)
		s.looksFor()
		s.found.Subjects = nil
		err := s.walkSubjects(ctx, func(sub waybill.Subject) {
			named := named(s.found.Person, &sub)
			if !s.late(sub.FactTime) && (named || s.m.tellsOf(&sub)) {
				s.found.Subjects = append(s.found.Subjects, sub.ID)
			}
			if named {
				s.takeOver(sub.Aliases)
			}
		})
		if err != nil || len(s.found.Person.Emails)+len(s.found.Person.Phones) == before {
			return err
		}
	}
	s.looksFor()
	return nil
}

// takeOver looks from now on for the addresses and numbers of a subject that is the person, too.
func (s *search) takeOver(aliases []waybill.Alias) {
	p := &s.found.Person
	for _, a := range aliases {
		switch {
		case a.Kind == "email" && !(waybill.Person{Emails: []string{a.Value}}).Usable().Empty():
			p.Emails = addText(p.Emails, a.Value)
		case a.Kind == "phone" && !(waybill.Person{Phones: []string{a.Value}}).Usable().Empty():
			s.m.numbered(a.Value) // with which country code
			if !slices.ContainsFunc(p.Phones, func(v string) bool { return samePhone(v, a.Value) && len(digits(v)) >= len(digits(a.Value)) }) {
				p.Phones = addText(p.Phones, a.Value)
			}
		}
	}
}

// tellsOf reports whether a subject that is another's, an order say, tells of the person what an erasure takes out.
func (m mentions) tellsOf(sub *waybill.Subject) bool {
	if m.name(sub.Name) != sub.Name {
		return true
	}
	if !m.in(sub.Fields) {
		return false
	}
	left, err := scrubbed(sub.Fields, m)
	return err != nil || !bytes.Equal(left, sub.Fields)
}

// named reports whether one of a subject's aliases is one of a person's values: it is the person's own. An id may be an order's,
// too, which is nobody.
func named(p waybill.Person, sub *waybill.Subject) bool {
	somebody := slices.Contains(personal, sub.Type) || slices.ContainsFunc(sub.Aliases, func(a waybill.Alias) bool { return a.Kind == "email" || a.Kind == "phone" })
	return slices.ContainsFunc(sub.Aliases, func(a waybill.Alias) bool {
		return a.Kind == "email" && slices.ContainsFunc(p.Emails, func(v string) bool { return plain(v) == plain(a.Value) }) ||
			a.Kind == "phone" && slices.ContainsFunc(p.Phones, func(v string) bool { return samePhone(v, a.Value) }) ||
			somebody && slices.Contains(p.IDs, a.Value)
	})
}

func addText(list []string, v string) []string {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

func (s *search) walkSubjects(ctx context.Context, each func(waybill.Subject)) error {
	after := ""
	for {
		n := 0
		err := s.book.View(ctx, func(tx *Tx) error {
			rows, err := list(tx, `SELECT id, type, name, rank, fact_time, updated_at, aliases, fields FROM subjects
				WHERE id > $1 ORDER BY id LIMIT $2`, scanSubject, after, personStep)
			n = len(rows)
			for _, r := range rows {
				after = string(r.ID)
				each(r)
			}
			return err
		})
		if err != nil || n < personStep {
			return err
		}
	}
}

func (s *search) readEvents(ctx context.Context) error {
	return walk(ctx, s.book, "SELECT seq, "+eventColumns+" FROM events", scanEvent, func(tx *Tx, e waybill.Event) error {
		m := s.m
		if e.Erased { // the ids that stayed tell of nobody any more
			m = m.contacts()
		}
		hit := m.inEvent(&e) || s.rest != nil && slices.Contains(s.rest.Events, e.ID)
		if !hit || s.late(e.AcceptedAt) {
			return nil
		}
		why, err := tx.personNeeds(e.ID)
		if err != nil {
			return err
		}
		if why != "" {
			s.found.Kept = append(s.found.Kept, waybill.PersonKept{Event: e.ID, Why: why})
			return nil
		}
		s.events[e.ID] = true
		s.found.Events = append(s.found.Events, e.ID)
		if e.Arrival != "" {
			s.arrivals[e.Arrival] = true
		}
		runs, err := tx.RunsOf(e.ID)
		for i := range runs {
			s.found.Runs = append(s.found.Runs, runs[i].ID)
			s.owners[string(runs[i].ID)] = true
		}
		return err
	})
}

func (m mentions) inEvent(e *waybill.Event) bool {
	return m.in(e.Data) || m.any(e.Subject, e.FactKey) ||
		slices.ContainsFunc(e.Search, func(k waybill.SearchKey) bool { return m.value(k.Kind, k.Value) }) ||
		slices.ContainsFunc(e.Mapping, func(f waybill.MappedField) bool { return m.any(f.Value, f.From) })
}

// personNeeds says why an event cannot be erased now; empty when it can.
func (tx *Tx) personNeeds(id waybill.EventID) (string, error) {
	needed, err := tx.eventNeeded(id, 1<<62)
	if err != nil || !needed {
		return "", err
	}
	return "something of it is open: a run that has not ended, an effect that is not settled, or a problem; it is erased once that has ended", nil
}

func (s *search) readArrivals(ctx context.Context) error {
	type kept struct {
		a    waybill.Arrival
		body []byte
	}
	scan := func(r row) (kept, error) {
		a, err := scanArrival(r)
		return kept{a, r.bytes(7)}, err
	}
	text := "SELECT seq, id, connection, account, via, received_at, body_hash, doc, body FROM arrivals"
	return walk(ctx, s.book, text, scan, func(tx *Tx, k kept) error {
		if s.late(k.a.ReceivedAt) || !s.arrivals[k.a.ID] && !s.m.in(k.body) && !s.m.any(k.a.URL) && !s.m.inHeaders(k.a.Headers) {
			return nil
		}
		for _, it := range k.a.Items {
			if open, err := either(tx.itemOpen(string(it.ID)), tx.listed("item:"+string(it.ID))); open || err != nil {
				s.found.Kept = append(s.found.Kept, waybill.PersonKept{Why: "item " + string(it.ID) + " is still to be understood; it is erased once that has ended"})
				return err
			}
		}
		s.found.Arrivals = append(s.found.Arrivals, k.a.ID)
		own, err := s.ownItems(tx, &k.a, k.body)
		for _, id := range own {
			s.found.Items = append(s.found.Items, id)
			s.owners[string(id)] = true
		}
		return err
	})
}

// ownItems are those of an arrival that tell of the person: several people come in one, and the others' are theirs.
func (s *search) ownItems(tx *Tx, a *waybill.Arrival, body []byte) ([]waybill.ItemID, error) {
	if len(a.Items) == 1 {
		return []waybill.ItemID{a.Items[0].ID}, nil
	}
	var items []*waybill.Item
	var pointers []string
	for _, it := range a.Items {
		item, err := tx.Item(it.ID)
		if waybill.KindOf(err) == waybill.NotFound {
			continue // past retention
		}
		if err != nil {
			return nil, err
		}
		items, pointers = append(items, item), append(pointers, item.Pointer)
	}
	var own []waybill.ItemID
	for i, part := range waybill.Parts(body, pointers...) {
		if part == nil {
			part = body // nobody can tell whose it is
		}
		if slices.ContainsFunc(items[i].Events, func(id waybill.EventID) bool { return s.events[id] }) || s.m.in(part) ||
			s.m.any(items[i].Reason) || s.m.contacts().any(items[i].Pointer, items[i].DeliveryKey) {
			own = append(own, items[i].ID)
		}
	}
	return own, nil
}

// late reports whether something is of after what is looked for.
func (s *search) late(at time.Time) bool { return s.rest != nil && at.After(s.rest.Until) }

func (s *search) owned(f waybill.Fetch) bool {
	return s.owners[string(f.Run)] || s.owners[string(f.Item)] || s.owners[string(f.Effect)]
}

func (s *search) kept(event waybill.EventID) bool {
	return slices.ContainsFunc(s.found.Kept, func(k waybill.PersonKept) bool { return k.Event != "" && k.Event == event })
}

func (s *search) readEffects(ctx context.Context) error {
	return walk(ctx, s.book, "SELECT seq, "+effectColumns+" FROM effects", scanEffect, func(_ *Tx, e waybill.Effect) error {
		if s.kept(e.Event) || e.State.Open() || s.late(e.PlannedAt) && !s.events[e.Event] || !s.events[e.Event] && !s.m.inEffect(&e) {
			return nil
		}
		s.found.Effects = append(s.found.Effects, e.ID)
		s.owners[string(e.ID)] = true
		return nil
	})
}

func (s *search) readFetches(ctx context.Context) error {
	return walk(ctx, s.book, "SELECT seq, "+fetchColumns+" FROM fetches", scanFetch, func(tx *Tx, f waybill.Fetch) error {
		if f.State == waybill.FetchPlanned || s.late(f.PlannedAt) && !s.owned(f) ||
			!s.owned(f) && !s.m.inFetch(&f) {
			return nil
		}
		if open, err := tx.runOpen(string(f.Run))(); open || err != nil {
			return err
		}
		s.found.Fetches = append(s.found.Fetches, f.ID)
		s.owners[string(f.ID)] = true
		return nil
	})
}

// readAttempts finds exchanges that mention the person though what they are for does not.
func (s *search) readAttempts(ctx context.Context) error {
	return walk(ctx, s.book, "SELECT seq, owner, id, started_at, doc, request, response FROM attempts", scanAttempt, func(tx *Tx, a waybill.Attempt) error {
		owner := string(a.Effect) + string(a.Fetch)
		if s.owners[owner] || s.late(a.StartedAt) || !s.m.inRequest(a.Request) && !s.m.in(a.Response) && !s.m.any(a.Error, a.Note) {
			return nil
		}
		if open, err := tx.ownerNeeded(agedRow{id: owner}); open || err != nil {
			return err
		}
		s.owners[owner] = true
		if a.Effect != "" {
			s.found.Effects = append(s.found.Effects, a.Effect)
		} else {
			s.found.Fetches = append(s.found.Fetches, a.Fetch)
		}
		return nil
	})
}

// noteTables are those whose words may mention a person beside everything else, with the names under which people's and
// providers' words stand in their documents. Under other names stand ids, keys, states, times, numbers. Of some the whole row goes.
var noteTables = []noteTable{ // a table that nothing changes
	{"problems", "id", []string{"title", "detail"}},
	{"audit", "id", []string{"reason", "before", "after"}},
	{"jobs", "id", []string{"name", "reason", "why", "query", "cause", "causes"}},
	{"job_members", "object", []string{"reason", "cause", "words", "old", "new"}},
	{"connection_states", "connection", []string{"Reason"}},
	{"rejection_samples", "seq", nil},
}

type noteTable struct {
	name, id string
	words    []string // nil: the whole row goes
}

func (s *search) notes(ctx context.Context) error {
	list, err := s.book.personNotes(ctx, s.m)
	s.found.Notes = len(list)
	return err
}

func (b *Book) personNotes(ctx context.Context, m mentions) (found []waybill.PersonNote, err error) {
	err = b.View(ctx, func(tx *Tx) error {
		found = nil
		for _, t := range noteTables {
			rows, err := list(tx, "SELECT "+t.id+", doc FROM "+t.name, func(r row) (waybill.PersonNote, error) {
				n := waybill.PersonNote{Table: t.name, Doc: []byte(r.text(1))}
				if t.id == "seq" {
					n.ID = strconv.FormatInt(r.num(0), 10)
				} else {
					n.ID = r.text(0)
				}
				return n, nil
			})
			if err != nil {
				return err
			}
			for _, n := range rows {
				if _, hit := m.without(t, string(n.Doc)); hit {
					found = append(found, n)
				}
			}
		}
		return nil
	})
	return found, err
}

// ExportPerson finds what the book holds of a person and reads what stands beside journeys. The audit says that who did, and
// how much it was.
func (b *Book) ExportPerson(ctx context.Context, p waybill.Person, who string) (*waybill.PersonExport, error) {
	f, err := b.FindPerson(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &waybill.PersonExport{Found: *f}
	if out.Notes, err = b.personNotes(ctx, mentionsOf(f.Person)); err != nil {
		return nil, err
	}
	err = b.View(ctx, func(tx *Tx) error {
		out.Subjects, out.Asks = nil, nil
		for _, id := range f.Subjects {
			s, err := tx.Subject(id)
			if err != nil {
				return err
			}
			out.Subjects = append(out.Subjects, *s)
		}
		for _, id := range f.Asks {
			a, err := tx.Ask(id)
			if err != nil {
				return err
			}
			out.Asks = append(out.Asks, *a)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, b.Do(ctx, func(tx *Tx) error {
		return tx.Audit(&waybill.Audited{
			Who: who, Action: "export a person", Object: tx.book.o.IDs.New("exp"),
			After: fmt.Sprintf("%d events, %d effects, %d questions, %d notes", len(f.Events)+len(f.Kept), len(f.Effects), len(f.Asks), len(out.Notes)),
		})
	})
}

// readAsks finds the questions of the person's runs, and others that mention the person. Open ones stay with their run.
func (s *search) readAsks(ctx context.Context) error {
	return walk(ctx, s.book, "SELECT seq, "+askColumns+" FROM asks", scanAsk, func(_ *Tx, a waybill.Question) error {
		if a.State != waybill.AskOpen && (s.owners[string(a.Run)] || !s.late(a.AskedAt) && s.m.inAsk(&a)) {
			s.found.Asks = append(s.found.Asks, a.ID)
		}
		return nil
	})
}

func (m mentions) inAsk(a *waybill.Question) bool {
	return m.in(a.Show) || m.in(a.Change) || m.in(a.Values) || m.any(a.Question, a.Reason) || m.contacts().any(a.Address) ||
		slices.ContainsFunc(a.For, func(f waybill.AskFor) bool { return m.in(f.Inputs) || m.contacts().any(f.Address) })
}

// --- the list of who was erased ---

func erasureHash(salt []byte, kind, value string) string {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(kind + "\x00" + value))
	return hex.EncodeToString(h.Sum(nil))
}

func personHashes(salt []byte, p waybill.Person) []string {
	var out []string
	for _, e := range p.Emails {
		out = append(out, erasureHash(salt, "email", plain(e)))
	}
	for _, d := range p.Phones {
		out = append(out, erasureHash(salt, "phone", digits(d)))
	}
	for _, id := range p.IDs {
		out = append(out, erasureHash(salt, "id", id))
	}
	return out
}

// noteErasure remembers that a person was erased, so that a backup from before can be rid of them too, and what of them
// is still to be erased.
func (tx *Tx) noteErasure(f *waybill.PersonFound, who string) (string, error) {
	text, found, err := one(tx, "SELECT value FROM book WHERE name = 'erasure salt'", text0)
	if err != nil {
		return "", err
	}
	salt, err := hex.DecodeString(text)
	if !found || err != nil {
		salt = make([]byte, 32)
		if _, err := rand.Read(salt); err != nil {
			return "", err
		}
		if err := tx.setBook("erasure salt", hex.EncodeToString(salt)); err != nil {
			return "", err
		}
	}
	e := waybill.Erasure{ID: tx.book.o.IDs.New("era"), At: tx.now, Who: who, Salt: salt, Hashes: personHashes(salt, f.Person)}
	if len(f.Kept) > 0 {
		if e.Open, err = tx.stillOpen(tx.now, f.Kept); err != nil {
			return "", err
		}
	}
	return e.ID, tx.putErasure(e)
}

func (tx *Tx) putErasure(e waybill.Erasure) error {
	text, err := doc(e)
	if err != nil {
		return err
	}
	_, err = tx.exec("INSERT INTO erasures (id, at, who, doc) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET doc = EXCLUDED.doc", e.ID, e.At, e.Who, text)
	return err
}

// Erasures lists who was erased, oldest first, without saying who.
func (tx *Tx) Erasures() ([]waybill.Erasure, error) {
	return list(tx, "SELECT doc FROM erasures ORDER BY id", func(r row) (waybill.Erasure, error) {
		var e waybill.Erasure
		return e, undoc(r.text(0), &e)
	})
}

// Known finds in the book the values of persons that a list of erasures names by hashes only.
func (b *Book) Known(ctx context.Context, erased []waybill.Erasure) ([]waybill.Person, error) {
	found := make([]waybill.Person, len(erased))
	note := func(kind, value string) {
		for i, e := range erased {
			switch {
			case kind == "email" && slices.Contains(e.Hashes, erasureHash(e.Salt, kind, plain(value))):
				found[i].Emails = addText(found[i].Emails, value)
			case kind == "phone" && slices.Contains(e.Hashes, erasureHash(e.Salt, kind, digits(value))):
				found[i].Phones = addText(found[i].Phones, value)
			case slices.Contains(e.Hashes, erasureHash(e.Salt, "id", value)):
				found[i].IDs = addText(found[i].IDs, value)
			}
		}
	}
	s := &search{book: b}
	err := s.walkSubjects(ctx, func(sub waybill.Subject) {
		for _, a := range sub.Aliases {
			note(a.Kind, a.Value)
		}
	})
	if err == nil {
		err = b.View(ctx, func(tx *Tx) error {
			to, err := list(tx, "SELECT DISTINCT recipient FROM messages", text0)
			for _, value := range to {
				kind := "phone"
				if strings.Contains(value, "@") {
					kind = "email"
				}
				note(kind, value)
			}
			return err
		})
	}
	if err == nil {
		err = walk(ctx, b, "SELECT seq, "+eventColumns+" FROM events", scanEvent, func(_ *Tx, e waybill.Event) error {
			for _, k := range e.Search {
				note(k.Kind, k.Value)
			}
			return nil
		})
	}
	return slices.DeleteFunc(found, waybill.Person.Empty), err
}
