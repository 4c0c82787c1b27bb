package record

import (
	"slices"

	"waybill"
)

// What the people who run the business, and the workspace they run, leave in the book: bundles, connection states,
// settings, secrets, desk values, audit.

// ConnectionState returns what is remembered of a connection (a working one when nothing is).
func (tx *Tx) ConnectionState(name string) (*waybill.ConnectionState, error) {
	s, found, err := one(tx, tx.locking("SELECT doc FROM connection_states WHERE connection = $1"), scanConnection, name)
	if err != nil {
		return nil, err
	}
	if !found {
		s = waybill.ConnectionState{Connection: name, Health: waybill.HealthWorking}
	}
	if tx.stateless == nil {
		tx.stateless = map[string]bool{}
	}
	tx.stateless[name] = !found
	return &s, nil
}

func scanConnection(r row) (waybill.ConnectionState, error) {
	var s waybill.ConnectionState
	return s, undoc(r.text(0), &s)
}

// SetConnectionState writes what is remembered of a connection.
func (tx *Tx) SetConnectionState(s *waybill.ConnectionState) error {
	text, err := doc(s)
	if err != nil {
		return err
	}
	tx.changed |= connectionChanged
	if tx.stateless[s.Connection] { // there was no row to keep for this transaction
		tx.stateless[s.Connection] = false
		n, err := tx.exec("INSERT INTO connection_states (connection, doc) VALUES ($1, $2) ON CONFLICT DO NOTHING", s.Connection, text)
		if err == nil && n == 0 {
			return tx.beaten("the connection " + s.Connection)
		}
		return err
	}
	_, err = tx.exec(`INSERT INTO connection_states (connection, doc) VALUES ($1, $2)
		ON CONFLICT (connection) DO UPDATE SET doc = excluded.doc`, s.Connection, text)
	return err
}

// PublishBundle keeps a workspace's content under its hash and makes it current. A known one becomes current again.
func (tx *Tx) PublishBundle(id waybill.BundleID, content []byte) error {
	if content == nil {
		content = []byte{}
	}
	_, err := tx.exec("INSERT INTO bundles (id, published_at, content) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		id, tx.now, content)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO book (name, value) VALUES ('bundle', $1)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, id)
	return err
}

// Bundle returns a published workspace's content.
func (tx *Tx) Bundle(id waybill.BundleID) ([]byte, error) {
	content, found, err := one(tx, "SELECT content FROM bundles WHERE id = $1", bytes0, id)
	if err == nil && !found {
		return nil, notFound("bundle", id)
	}
	return content, err
}

// CurrentBundle returns the one published last, empty when none was.
func (tx *Tx) CurrentBundle() (waybill.BundleID, error) {
	id, _, err := one(tx, "SELECT value FROM book WHERE name = 'bundle'", text0)
	return waybill.BundleID(id), err
}

// Setting returns a small named value (the sign-in link's hash…); nil when it was never set.
func (tx *Tx) Setting(name string) ([]byte, error) {
	v, _, err := one(tx, "SELECT value FROM settings WHERE name = $1", bytes0, name)
	return v, err
}

// SetSetting writes a small named value; nil takes it away.
func (tx *Tx) SetSetting(name string, v []byte) error {
	if v == nil {
		_, err := tx.exec("DELETE FROM settings WHERE name = $1", name)
		return err
	}
	_, err := tx.exec(`INSERT INTO settings (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, v)
	return err
}

// SwapSetting writes now where was stands; nil for no value. False says that another was first, and nothing was written.
func (tx *Tx) SwapSetting(name string, was, now []byte) (bool, error) {
	var changed int
	var err error
	switch {
	case was == nil && now == nil:
		return true, nil
	case was == nil:
		changed, err = tx.exec("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, now)
	case now == nil:
		changed, err = tx.exec("DELETE FROM settings WHERE name = $1 AND value = $2", name, was)
	default:
		changed, err = tx.exec("UPDATE settings SET value = $3 WHERE name = $1 AND value = $2", name, was, now)
	}
	return changed == 1, err
}

// Secret returns a sealed value: the book never sees it in clear. NotFound when there is none of that name.
func (tx *Tx) Secret(name string) (sealed []byte, err error) {
	sealed, found, err := one(tx, "SELECT sealed FROM secrets WHERE name = $1", bytes0, name)
	if err == nil && !found {
		return nil, notFound("secret", name)
	}
	return sealed, err
}

// SetSecret keeps a sealed value.
func (tx *Tx) SetSecret(name string, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{}
	}
	_, err := tx.exec(`INSERT INTO secrets (name, sealed, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at`, name, sealed, tx.now)
	return err
}

// DeleteSecret takes a sealed value away. NotFound when there is none of that name.
func (tx *Tx) DeleteSecret(name string) error {
	changed, err := tx.exec("DELETE FROM secrets WHERE name = $1", name)
	if err == nil && changed == 0 {
		return notFound("secret", name)
	}
	return err
}

// SecretNames lists the names of the sealed values, sorted.
func (tx *Tx) SecretNames() ([]string, error) {
	return list(tx, "SELECT name FROM secrets ORDER BY name", text0)
}

// DeskValue is a row an operator added to a table that is kept: desk.
func (tx *Tx) DeskValue(table, key string) (string, bool, error) {
	return one(tx, "SELECT value FROM desk_values WHERE list = $1 AND key = $2", text0, table, key)
}

// DeskValues returns all rows operators added to a table.
func (tx *Tx) DeskValues(table string) (map[string]string, error) {
	out := map[string]string{}
	err := tx.s.query("SELECT key, value FROM desk_values WHERE list = $1", []any{table}, func(r row) error {
		out[r.text(0)] = r.text(1)
		return nil
	})
	return out, tx.note(err)
}

// SetDeskValue writes a row an operator added, and who did. A key of more than 1,000 bytes is Invalid: nobody reads it.
func (tx *Tx) SetDeskValue(table, key, v, who string) error {
	if len(key) > maxIndexed {
		return invalid("a value of %d bytes is too long for a row of a table; at most %d", len(key), maxIndexed)
	}
	_, err := tx.exec(`INSERT INTO desk_values (list, key, value, who, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (list, key) DO UPDATE SET value = excluded.value, who = excluded.who, at = excluded.at`,
		table, key, v, who, tx.now)
	return err
}

type auditDoc struct {
	Reason string `json:"reason,omitempty"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Audit writes an act of a person. Id and time are given here when they are empty.
func (tx *Tx) Audit(a *waybill.Audited) error {
	if a.ID == "" {
		a.ID = tx.book.o.IDs.New("aud")
	}
	if a.At.IsZero() {
		a.At = tx.now
	}
	text, err := doc(auditDoc{Reason: a.Reason, Before: a.Before, After: a.After})
	if err != nil {
		return err
	}
	_, _, err = tx.insert("INSERT INTO audit (id, at, who, action, object, doc) VALUES ($1, $2, $3, $4, $5, $6)",
		a.ID, a.At, a.Who, a.Action, indexed(a.Object), text)
	return err
}

const auditColumns = "id, at, who, action, object, doc"

func scanAudit(r row) (waybill.Audited, error) {
	var d auditDoc
	err := undoc(r.text(5), &d)
	return waybill.Audited{
		ID: r.text(0), At: at(r.num(1)), Who: r.text(2), Action: r.text(3), Object: r.text(4),
		Reason: d.Reason, Before: d.Before, After: d.After,
	}, err
}

// auditOf returns what people did to any of the objects, newest first.
func (tx *Tx) auditOf(objects []string) ([]waybill.Audited, error) {
	var all []waybill.Audited
	for _, o := range objects {
		some, err := list(tx, "SELECT "+auditColumns+" FROM audit WHERE object = $1", scanAudit, indexed(o))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b waybill.Audited) int { return b.At.Compare(a.At) })
	return all, nil
}
