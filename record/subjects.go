package record

import (
	"slices"

	"waybill"
)

// TouchSubject finds the subject by any alias of its type, or makes it; adds the aliases; and takes over fields when the
// fact is not older than the one it has (FactTime, then Rank). Two subjects found by different aliases are merged: the
// first one stays, with the fields of the newer fact. A subject has at most 32 names: a value that more share tells nobody
// apart and joins no others. It returns the id of the one that stays, empty when every name given is such a value.
func (tx *Tx) TouchSubject(s *waybill.Subject) (waybill.SubjectID, error) {
	if len(s.Aliases) == 0 {
		return "", invalid("a subject of type %q is known by nothing: it has no alias", s.Type)
	}
	found, fresh, err := tx.subjectsBy(s.Type, s.Aliases)
	if err != nil {
		return "", err
	}
	if len(fresh) > 0 || len(found) > 1 {
		found = slices.DeleteFunc(found, func(f waybill.Subject) bool { return len(f.Aliases) >= maxAliases })
	}
	if len(found) == 0 {
		n := *s
		n.Aliases = fresh
		if len(fresh) == 0 {
			return "", nil // every name it has is one that everybody shares
		}
		return tx.newSubject(&n)
	}
	keep := found[0]
	before, changed := len(keep.Aliases), false
	for _, other := range found[1:] {
		if len(keep.Aliases)+len(other.Aliases) > maxAliases {
			continue
		}
		changed = true
		if err := tx.mergeSubject(&keep, &other); err != nil {
			return "", err
		}
	}
	fresh = fresh[:min(len(fresh), max(0, maxAliases-len(keep.Aliases)))]
	if err := tx.claimAliases(s.Type, fresh, keep.ID); err != nil {
		return "", err
	}
	for _, a := range fresh {
		keep.Aliases = addAlias(keep.Aliases, a)
	}
	if notOlder(s, &keep) {
		takeFields(&keep, s)
		changed = true
	}
	if !changed && len(keep.Aliases) == before {
		return keep.ID, nil
	}
	return keep.ID, tx.writeSubject(&keep)
}

// maxAliases bounds the names of one subject. A value that so many share (a shop's own phone number typed in for every
// customer) does not tell one customer from another, and must not make them one.
const maxAliases = 32

// subjectsBy returns the subjects that have one of the aliases, oldest first, and the aliases that nobody has.
func (tx *Tx) subjectsBy(typ string, aliases []waybill.Alias) (found []waybill.Subject, fresh []waybill.Alias, err error) {
	args := make([]any, len(aliases))
	for i, a := range aliases {
		args[i] = aliasHash(typ, a)
	}
	rows, err := tx.namedBy(args)
	if err != nil {
		return nil, nil, err
	}
	for i, a := range aliases {
		k := slices.IndexFunc(rows, func(n nameOf) bool { return n.hash == string(args[i].([]byte)) }) //nolint:forcetypeassert // set above
		switch {
		case k < 0:
			fresh = addAlias(fresh, a)
		case !slices.ContainsFunc(found, func(f waybill.Subject) bool { return f.ID == rows[k].ID }):
			found = append(found, rows[k].Subject)
		}
	}
	slices.SortFunc(found, func(a, b waybill.Subject) int { // ids sort by age
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		default:
			return 0
		}
	})
	return found, fresh, nil
}

// nameOf is a subject with the hash of one of its names.
type nameOf struct {
	hash string
	waybill.Subject
}

const namedColumns = "s.id, s.type, s.name, s.rank, s.fact_time, s.updated_at, s.aliases, s.fields, a.hash"

// namedBy returns the subjects that have one of these names, by the names' hashes.
func (tx *Tx) namedBy(hashes []any) ([]nameOf, error) {
	if ids, ok := tx.foretold.named(hashes); ok {
		var out []nameOf
		for i, id := range ids {
			if id != "" {
				out = append(out, nameOf{string(hashes[i].([]byte)), clone(tx.foretold.subjects[id])}) //nolint:forcetypeassert // a hash
			}
		}
		return out, nil
	}
	return list(tx, tx.locking("SELECT "+namedColumns+" FROM aliases a JOIN subjects s ON s.id = a.subject WHERE a.hash IN "+
		tx.places(1, len(hashes))), func(r row) (nameOf, error) {
		s, err := scanSubject(r)
		return nameOf{string(r.bytes(8)), s}, err
	}, hashes...)
}

func (tx *Tx) newSubject(s *waybill.Subject) (waybill.SubjectID, error) {
	n := *s
	if n.ID == "" {
		n.ID = waybill.SubjectID(tx.book.o.IDs.New("sub"))
	}
	n.Aliases = nil
	for _, a := range s.Aliases {
		n.Aliases = addAlias(n.Aliases, a)
	}
	if err := tx.claimAliases(n.Type, n.Aliases, n.ID); err != nil {
		return "", err
	}
	return n.ID, tx.writeSubject(&n)
}

// mergeSubject makes other one with keep: its names lead there from now on.
func (tx *Tx) mergeSubject(keep, other *waybill.Subject) error {
	for _, a := range other.Aliases {
		if err := tx.setAlias(keep.Type, a, keep.ID); err != nil {
			return err
		}
		keep.Aliases = addAlias(keep.Aliases, a)
	}
	if notOlder(other, keep) {
		takeFields(keep, other)
	}
	_, err := tx.exec("UPDATE subjects SET merged = $2, aliases = '', updated_at = $3 WHERE id = $1", other.ID, keep.ID, tx.now)
	return err
}

// notOlder reports whether the fact behind s is at least as new as the one behind have.
func notOlder(s, have *waybill.Subject) bool {
	if c := ms(s.FactTime) - ms(have.FactTime); c != 0 {
		return c > 0
	}
	return s.Rank >= have.Rank
}

func takeFields(to, from *waybill.Subject) {
	to.Fields, to.Rank, to.FactTime = from.Fields, from.Rank, from.FactTime
	if from.Name != "" {
		to.Name = from.Name
	}
}

func (tx *Tx) writeSubject(s *waybill.Subject) error {
	aliases, err := doc(s.Aliases)
	if err != nil {
		return err
	}
	if tx.foretold.subjects != nil {
		written := clone(*s)
		written.UpdatedAt = tx.now
		tx.foretold.subjects[s.ID] = written
	}
	return tx.later(`INSERT INTO subjects (id, type, name, merged, rank, fact_time, updated_at, aliases, fields)
		VALUES ($1, $2, $3, '', $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET name = excluded.name, rank = excluded.rank,
		fact_time = excluded.fact_time, updated_at = excluded.updated_at, aliases = excluded.aliases, fields = excluded.fields`,
		s.ID, s.Type, s.Name, s.Rank, s.FactTime, tx.now, aliases, s.Fields)
}

// claimAliases gives names that nobody has to a subject.
func (tx *Tx) claimAliases(typ string, names []waybill.Alias, id waybill.SubjectID) error {
	if len(names) == 0 {
		return nil
	}
	args := make([]any, 0, 2*len(names))
	for _, a := range names {
		hash := aliasHash(typ, a)
		args = append(args, hash, id)
		if tx.foretold.names != nil {
			tx.foretold.names[string(hash)] = id
		}
	}
	return tx.expectRows(len(names), func() error { return tx.beaten("another subject has one of the names of " + string(id)) },
		"INSERT INTO aliases (hash, subject) VALUES "+tx.places(len(names), 2)+" ON CONFLICT DO NOTHING", args...)
}

func (tx *Tx) setAlias(typ string, a waybill.Alias, id waybill.SubjectID) error {
	_, err := tx.exec(`INSERT INTO aliases (hash, subject) VALUES ($1, $2)
		ON CONFLICT (hash) DO UPDATE SET subject = excluded.subject`, aliasHash(typ, a), id)
	return err
}

func aliasHash(typ string, a waybill.Alias) []byte { return hash12(typ, a.Kind, a.Value) }

func addAlias(list []waybill.Alias, a waybill.Alias) []waybill.Alias {
	if slices.Contains(list, a) {
		return list
	}
	return append(list, a)
}

func scanSubject(r row) (waybill.Subject, error) {
	s := waybill.Subject{
		ID: waybill.SubjectID(r.text(0)), Type: r.text(1), Name: r.text(2), Rank: int(r.num(3)), FactTime: at(r.num(4)),
		UpdatedAt: at(r.num(5)), Fields: r.bytes(7),
	}
	return s, undoc(r.text(6), &s.Aliases)
}

// Subject returns a subject; one that was merged leads to the one that stays.
func (tx *Tx) Subject(id waybill.SubjectID) (*waybill.Subject, error) {
	for range 8 { // a merge of merges is followed, a loop is not
		s, found, err := one(tx, `SELECT id, type, name, rank, fact_time, updated_at, aliases, fields FROM subjects
			WHERE id = $1 AND merged = ''`, scanSubject, id)
		if err != nil || found {
			return &s, err
		}
		next, found, err := one(tx, "SELECT merged FROM subjects WHERE id = $1", text0, id)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		id = waybill.SubjectID(next)
	}
	return nil, notFound("subject", id)
}

// SubjectBy returns the subject of a type with an alias; nil when there is none.
func (tx *Tx) SubjectBy(typ string, a waybill.Alias) (*waybill.Subject, error) {
	found, _, err := tx.subjectsBy(typ, []waybill.Alias{a})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Pair keeps a pairing (both ways); what either id was paired with before on the other side is replaced.
func (tx *Tx) Pair(p waybill.Pairing) error {
	forget := `DELETE FROM pairings WHERE type = $1 AND conn_a = $2 AND id_a = $3 AND conn_b = $4`
	for _, side := range [][4]string{{p.ConnA, p.IDA, p.ConnB, p.IDB}, {p.ConnB, p.IDB, p.ConnA, p.IDA}} {
		old, found, err := one(tx, tx.locking(pairedID), text0, p.Type, side[0], indexed(side[1]), side[2])
		if err != nil {
			return err
		}
		if found && old == side[3] {
			continue
		}
		if found {
			if _, err := tx.exec(forget, p.Type, side[2], indexed(old), side[0]); err != nil {
				return err
			}
		}
		_, err = tx.exec(`INSERT INTO pairings (type, conn_a, id_a, conn_b, id_b) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (type, conn_a, id_a, conn_b) DO UPDATE SET id_b = excluded.id_b`,
			p.Type, side[0], indexed(side[1]), side[2], side[3])
		if err != nil {
			return err
		}
	}
	return nil
}

const pairedID = "SELECT id_b FROM pairings WHERE type = $1 AND conn_a = $2 AND id_a = $3 AND conn_b = $4"

// PairedID finds the other side's id.
func (tx *Tx) PairedID(typ, from, id, to string) (string, bool, error) {
	return one(tx, pairedID, text0, typ, from, indexed(id), to)
}
