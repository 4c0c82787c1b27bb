package record

import (
	"strings"

	"waybill"
)

// Where things were taken in, and what a person ended there. A connection is remembered with the workspace it was in last, so
// that it keeps its door once it is taken out; until a person retires it.

// The small named values they stand in: a few for each workspace, so they are worth no table.
const (
	doorMark    = "door/"
	retiredMark = "retired/"
)

type retiredDoc struct {
	At    int64  `json:"at"`
	Audit string `json:"audit"`
}

// KeepCurrentBundle returns the bundle published last, empty when none was; nobody publishes another one until the act's
// transaction ends.
func (tx *Tx) KeepCurrentBundle() (waybill.BundleID, error) {
	id, _, err := one(tx, tx.locking("SELECT value FROM book WHERE name = 'bundle'"), text0)
	return waybill.BundleID(id), err
}

// NoteConnection remembers that a connection is in a workspace that is published: it is retired no longer.
func (tx *Tx) NoteConnection(name string, in waybill.BundleID) error {
	if err := tx.SetSetting(retiredMark+name, nil); err != nil {
		return err
	}
	return tx.SetSetting(doorMark+name, []byte(in))
}

// LastBundleWith returns the workspace that a connection was in last; empty when it was in none, or a person has retired it.
func (tx *Tx) LastBundleWith(name string) (waybill.BundleID, error) {
	id, err := tx.Setting(doorMark + name)
	return waybill.BundleID(id), err
}

// Remembers reports whether anything is remembered of a connection, and whether a person has retired it.
func (tx *Tx) Remembers(name string) (known, retired bool, err error) {
	gone, err := tx.Setting(retiredMark + name)
	if err != nil || gone != nil {
		return true, true, err
	}
	n, _, err := one(tx, `SELECT (SELECT count(*) FROM settings WHERE name = $1)
		+ (SELECT count(*) FROM connection_states WHERE connection = $2)`, num0, doorMark+name, name)
	return n > 0, false, err
}

// RetireConnection takes a connection that is in no workspace any more from what is remembered: its address is as if it had
// never been. Audit is the act that tells who did so, and why.
func (tx *Tx) RetireConnection(name string, audit *waybill.Audited) error {
	text, err := doc(retiredDoc{At: ms(audit.At), Audit: audit.ID})
	if err != nil {
		return err
	}
	if err := tx.SetSetting(doorMark+name, nil); err != nil {
		return err
	}
	tx.changed |= connectionChanged
	return tx.SetSetting(retiredMark+name, []byte(text))
}

// remembered lists the connections that were in a workspace and are not retired, by name.
func (tx *Tx) remembered() ([]string, error) {
	names, err := list(tx, "SELECT name FROM settings WHERE name LIKE 'door/%' ORDER BY name", text0)
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], doorMark)
	}
	return names, err
}

// retirements returns the connections that were retired. Who did it and why is known as long as the audit is kept.
func (tx *Tx) retirements() (map[string]*waybill.Retirement, error) {
	out := map[string]*waybill.Retirement{}
	err := tx.s.query(`SELECT name, value FROM settings WHERE name LIKE 'retired/%'`, nil, func(r row) error {
		var d retiredDoc
		if err := undoc(string(r.bytes(1)), &d); err != nil {
			return err
		}
		out[strings.TrimPrefix(r.text(0), retiredMark)] = &waybill.Retirement{At: at(d.At), Audit: d.Audit}
		return nil
	})
	if err != nil {
		return nil, tx.note(err)
	}
	for _, r := range out {
		a, _, err := one(tx, "SELECT "+auditColumns+" FROM audit WHERE id = $1", scanAudit, r.Audit)
		if err != nil {
			return nil, err
		}
		r.Who, r.Why = a.Who, a.Reason
	}
	return out, nil
}

// Unended is what of a connection is not at its end.
type Unended struct {
	Planned, Sent, Unknown int // effects
	Reads                  int // fetches that are planned
	Listed                 int // runs, and parts of them, that wait on its problems' lists
	Items                  int // of what it sent, on a person's list
}

// Work is how much of it the connection is needed for, or what it sends may settle.
func (o Unended) Work() int { return o.Planned + o.Sent + o.Unknown + o.Reads + o.Listed }

// UnendedAt counts what of a connection is not at its end. Items that are still to be read are not: they come
// to their end, or onto a person's list, without it.
func (tx *Tx) UnendedAt(name string) (o Unended, err error) {
	for state, n := range map[waybill.EffectState]*int{
		waybill.EffectPlanned: &o.Planned, waybill.EffectSent: &o.Sent, waybill.EffectUnknown: &o.Unknown,
	} {
		if *n, err = tx.number("SELECT count(*) FROM effects WHERE "+openEffect+" AND state = $1 AND connection = $2", string(state), name); err != nil {
			return o, err
		}
	}
	if o.Reads, err = tx.number("SELECT count(*) FROM fetches WHERE state = 'planned' AND connection = $1", name); err != nil {
		return o, err
	}
	const listed = `SELECT count(*) FROM problems p JOIN members m ON m.problem = p.id
		WHERE p.state <> 'fixed' AND p.connection = $1 AND `
	if o.Items, err = tx.number(listed+"m.member LIKE 'item:%'", name); err != nil {
		return o, err
	}
	o.Listed, err = tx.number(listed+`m.member NOT LIKE 'item:%' AND m.member NOT LIKE 'connection:%'
		AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.id = substr(m.member, 8) AND e.state IN ('planned', 'sent', 'unknown'))`, name)
	return o, err
}

func (tx *Tx) number(text string, args ...any) (int, error) {
	n, _, err := one(tx, text, num0, args...)
	return int(n), err
}
