package record

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"waybill"
)

// effectFrozen is what an effect is planned with and keeps, but for a person's edit.
type effectFrozen struct {
	Kind     waybill.ActionKind `json:"kind,omitempty"`
	Repeat   waybill.Repeat     `json:"repeat,omitempty"`
	Inputs   []byte             `json:"inputs,omitempty"`
	Request  waybill.Request    `json:"request"`
	Undo     string             `json:"undo,omitempty"`
	Undoes   waybill.EffectID   `json:"undoes,omitempty"`
	After    waybill.EffectID   `json:"after,omitempty"`
	Release  waybill.Release    `json:"release,omitempty"`
	Approval string             `json:"approval,omitempty"`
	Fresh    bool               `json:"fresh,omitzero"`
	Address  string             `json:"address,omitempty"` // where its column holds it shortened
}

// effectDoc is what may change of an effect and is only shown, or judged by whoever read it.
type effectDoc struct {
	Reason    string               `json:"reason,omitempty"`
	Cause     waybill.Cause        `json:"cause,omitempty"`
	Proof     string               `json:"proof,omitempty"`
	KeyUntil  int64                `json:"key_until,omitzero"`
	Object    waybill.Object       `json:"object,omitzero"`
	Order     waybill.Stamp        `json:"order,omitzero"`
	Before    []byte               `json:"before,omitempty"`
	Answer    []byte               `json:"answer,omitempty"`
	Tries     int                  `json:"tries,omitzero"`
	Looks     int                  `json:"looks,omitzero"`
	Doubted   bool                 `json:"doubted,omitzero"`
	GoodUntil int64                `json:"good_until,omitzero"`
	DueAt     int64                `json:"due_at,omitzero"`
	Gate      []waybill.GateAnswer `json:"gate,omitempty"`
	Passed    map[string]string    `json:"passed,omitempty"`
	Went      *went                `json:"went,omitempty"` // in the place of Gate when every rule said go
	Problem   waybill.ProblemID    `json:"problem,omitempty"`
	SentAt    int64                `json:"sent_at,omitzero"`
	SettledAt int64                `json:"settled_at,omitzero"`
}

// went is the usual answer of the gate: every rule said go, at one time, and had nothing to add.
type went struct {
	Rules []string  `json:"rules"`
	At    time.Time `json:"at"`
}

func wentOf(gate []waybill.GateAnswer) *went {
	if len(gate) == 0 {
		return nil
	}
	w := &went{Rules: make([]string, 0, len(gate)), At: gate[0].At}
	for _, g := range gate {
		if g != (waybill.GateAnswer{Rule: g.Rule, Verdict: waybill.Go, At: w.At}) {
			return nil
		}
		w.Rules = append(w.Rules, g.Rule)
	}
	return w
}

// answers are the gate's, however they are written.
func (d *effectDoc) answers() []waybill.GateAnswer {
	if d.Went == nil {
		return d.Gate
	}
	out := make([]waybill.GateAnswer, 0, len(d.Went.Rules))
	for _, rule := range d.Went.Rules {
		out = append(out, waybill.GateAnswer{Rule: rule, Verdict: waybill.Go, At: d.Went.At})
	}
	return out
}

func frozenOf(e *waybill.Effect) (string, error) {
	address := ""
	if indexed(e.Address) != e.Address {
		address = e.Address
	}
	return doc(effectFrozen{
		Kind: e.Kind, Repeat: e.Repeat, Inputs: e.Inputs, Request: e.Request, Undo: e.Undo, Undoes: e.Undoes, After: e.After,
		Release: e.Release, Approval: e.Approval, Fresh: e.Fresh, Address: address,
	})
}

func docOf(e *waybill.Effect) (string, error) {
	d := effectDoc{
		Reason: e.Reason, Cause: e.Cause, Proof: e.Proof, KeyUntil: ms(e.KeyUntil), Object: e.Object, Order: e.Order,
		Before: e.Before, Answer: e.Answer, Tries: e.Tries, Looks: e.Looks, Doubted: e.Doubted, GoodUntil: ms(e.GoodUntil), DueAt: ms(e.DueAt),
		Went: wentOf(e.Gate), Passed: e.Passed, Problem: e.Problem, SentAt: ms(e.SentAt), SettledAt: ms(e.SettledAt),
	}
	if d.Went == nil {
		d.Gate = e.Gate
	}
	return doc(d)
}

// effectDue is when an effect is work: a planned one at once or at its time, one in doubt only at a time given.
func effectDue(e *waybill.Effect) any {
	switch e.State {
	case waybill.EffectPlanned:
		return dueAt(e.DueAt, e.PlannedAt)
	case waybill.EffectSent, waybill.EffectUnknown:
		return dueAt(e.DueAt, time.Time{})
	default:
		return nil
	}
}

// PlanEffect writes a new effect, planned; or already sent, when its grade makes a repeat harmless (key, natural): others
// are refused so. Its Generation is given here. When the address (event, flow, address) already has one: the same
// fingerprint returns that one and false; another fingerprint is a Conflict while it is open or confirmed, else it makes a
// new generation. With again a person deliberately sends again: a new generation of whatever is not open. The effect that is
// returned is in the book; e itself when it was written.
func (tx *Tx) PlanEffect(e *waybill.Effect, again bool) (*waybill.Effect, bool, error) {
	switch {
	case e.State == "":
		e.State = waybill.EffectPlanned
	case e.State == waybill.EffectPlanned:
	case e.State == waybill.EffectSent && e.Repeat.Harmless():
	default:
		return nil, false, invalid("an effect of grade %q cannot be planned as %q", e.Repeat, e.State)
	}
	if e.PlannedAt.IsZero() {
		e.PlannedAt = tx.now
	}
	e.Generation = 1
	written, err := tx.writeEffect(e)
	if err != nil || written {
		return e, written, err
	}
	last, found, err := one(tx, tx.locking("SELECT "+effectColumns+` FROM effects WHERE event = $1 AND flow = $2 AND address = $3
		ORDER BY generation DESC LIMIT 1`), scanEffect, e.Event, e.Flow, indexed(e.Address))
	if err != nil {
		return nil, false, err
	}
	if !found {
		return nil, false, conflict("effect %s is in the book already", e.ID)
	}
	same := last.Fingerprint == e.Fingerprint
	switch {
	case same && !again:
		return &last, false, nil
	case last.State.Open():
		return nil, false, conflict("step %s of flow %s has an open effect for event %s (%s, %s); a second one would happen beside it",
			e.Address, e.Flow, e.Event, last.ID, last.State)
	case last.State == waybill.EffectConfirmed && !again:
		return nil, false, conflict("step %s of flow %s has happened for event %s with other inputs (%s); a person decides",
			e.Address, e.Flow, e.Event, last.ID)
	}
	e.Generation = last.Generation + 1
	written, err = tx.writeEffect(e)
	if err == nil && !written {
		err = conflict("effect %s is in the book already", e.ID)
	}
	return e, written, err
}

// errThere says that a row is there already.
var errThere = errors.New("it is there already")

// writeEffect writes a new row; false when its address has that generation, or its id is known.
func (tx *Tx) writeEffect(e *waybill.Effect) (bool, error) {
	frozen, err := frozenOf(e)
	if err != nil {
		return false, err
	}
	text, err := docOf(e)
	if err != nil {
		return false, err
	}
	seq, err := tx.expectNew(func() error { return errThere }, `INSERT INTO effects
		(id, event, flow, address, generation, run, connection, account, action, planned_at, key, fingerprint, state, due,
		 frozen, doc, claim)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING`,
		e.ID, e.Event, e.Flow, indexed(e.Address), e.Generation, e.Run, e.Connection, e.Account, e.Action, e.PlannedAt, e.Key,
		e.Fingerprint, e.State, effectDue(e), frozen, text, tx.claimEffect(e))
	if errors.Is(err, errThere) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := tx.keyEffect(seq, e, ""); err != nil { // its place is new
		return false, err
	}
	tx.saw(string(e.ID), e.Connection)
	tx.countEffect(e.Connection, "", e.State)
	tx.changed |= effectChanged
	return true, nil
}

// keyEffect makes an effect found by our reference; known says what to do when it is already.
func (tx *Tx) keyEffect(seq int64, e *waybill.Effect, known string) error {
	if e.Key == "" {
		return nil
	}
	return tx.later("INSERT INTO effect_keys (era, hash, seq) VALUES ($1, $2, $3)"+known, seq>>keyEra, hash8(e.Connection, e.Key), seq)
}

func (tx *Tx) countEffect(connection string, from, to waybill.EffectState) {
	for _, s := range []waybill.EffectState{waybill.EffectPlanned, waybill.EffectUnknown} {
		if from != to && from == s {
			tx.gauge("effect "+string(s), connection, -1)
		}
		if from != to && to == s {
			tx.gauge("effect "+string(s), connection, 1)
		}
	}
}

const effectColumns = `id, event, flow, address, generation, run, connection, account, action, planned_at, key, fingerprint,
	state, frozen, doc`

func scanEffect(r row) (waybill.Effect, error) {
	var f effectFrozen
	if err := undoc(r.text(13), &f); err != nil {
		return waybill.Effect{}, err
	}
	var d effectDoc
	if err := undoc(r.text(14), &d); err != nil {
		return waybill.Effect{}, err
	}
	return waybill.Effect{
		ID: waybill.EffectID(r.text(0)), Event: waybill.EventID(r.text(1)), Flow: r.text(2), Address: cmp.Or(f.Address, r.text(3)),
		Generation: int(r.num(4)), Run: waybill.RunID(r.text(5)), Connection: r.text(6), Account: r.text(7), Action: r.text(8),
		PlannedAt: at(r.num(9)), Key: r.text(10), Fingerprint: r.text(11), State: waybill.EffectState(r.text(12)),
		Kind: f.Kind, Repeat: f.Repeat, Inputs: f.Inputs, Request: f.Request, Undo: f.Undo, Undoes: f.Undoes,
		After: f.After, Release: f.Release, Approval: f.Approval, Fresh: f.Fresh, Passed: d.Passed,
		Reason: d.Reason, Cause: d.Cause, Proof: d.Proof, KeyUntil: at(d.KeyUntil), Object: d.Object, Order: d.Order,
		Before: d.Before, Answer: d.Answer, Tries: d.Tries, Looks: d.Looks, Doubted: d.Doubted, GoodUntil: at(d.GoodUntil), DueAt: at(d.DueAt),
		Gate: d.answers(), Problem: d.Problem, SentAt: at(d.SentAt), SettledAt: at(d.SettledAt),
	}, nil
}

// Effect returns an effect.
func (tx *Tx) Effect(id waybill.EffectID) (*waybill.Effect, error) {
	e, found, err := one(tx, tx.locking("SELECT "+effectColumns+" FROM effects WHERE id = $1"), scanEffect, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("effect", id)
	}
	return &e, nil
}

// EffectWithRun returns an effect and the run it belongs to, in one look.
func (tx *Tx) EffectWithRun(id waybill.EffectID) (*waybill.Effect, *waybill.Run, error) {
	b, found := tx.foretold.effects[id]
	if !found {
		var err error
		b, found, err = one(tx, tx.locking(tx.book.effectWithRun+"= $1"), scanEffectRun, id)
		if err != nil {
			return nil, nil, err
		}
	}
	if !found {
		return nil, nil, notFound("effect with its run", id)
	}
	var err error
	if b.r.State == waybill.RunQueued && b.r.Lane != "" {
		b.r.Behind, err = tx.behindNow(b.r.ID)
	}
	return &b.e, &b.r, err
}

func scanEffectRun(r row) (effectRun, error) {
	e, err := scanEffect(r)
	if err != nil {
		return effectRun{}, err
	}
	run, err := scanRun(from{r, strings.Count(effectColumns, ",") + 1})
	return effectRun{e, run}, err
}

// EffectByKey returns the newest effect of a connection with our reference.
func (tx *Tx) EffectByKey(connection, key string) (*waybill.Effect, error) {
	newest, _, err := one(tx, "SELECT coalesce(max(seq), 0) FROM effects", num0)
	if err != nil {
		return nil, err
	}
	hash := hash8(connection, key)
	for era := newest >> keyEra; era >= 0 && key != ""; era-- {
		seqs, err := list(tx, "SELECT seq FROM effect_keys WHERE era = $1 AND hash = $2 ORDER BY seq DESC", num0, era, hash)
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs {
			e, found, err := one(tx, "SELECT "+effectColumns+" FROM effects WHERE seq = $1", scanEffect, seq)
			if err != nil {
				return nil, err
			}
			if found && e.Key == key && e.Connection == connection {
				return &e, nil
			}
		}
	}
	return nil, notFound("an effect with the reference", key)
}

// EffectsOf returns the effects that a run has or shares: all of its event and flow, oldest first. A replay finds here what
// the run it repeats has done.
func (tx *Tx) EffectsOf(run waybill.RunID) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+` FROM effects
		WHERE (event, flow) = (SELECT event, flow FROM runs WHERE id = $1) ORDER BY seq`, scanEffect, run)
}

// MoveEffect writes what may change of an effect that stands in from (all but its identity, inputs, request and
// fingerprint). An illegal move or another standing state is a Conflict; so is becoming open while a later generation of
// the address is. Staying in the state is allowed.
func (tx *Tx) MoveEffect(e *waybill.Effect, from waybill.EffectState) error {
	if err := tx.mayMoveEffect(e, from); err != nil {
		return err
	}
	text, err := docOf(e)
	if err != nil {
		return err
	}
	miss := func() error { return tx.elsewhere("effect", "SELECT state FROM effects WHERE id = $1", e.ID, from) }
	err = tx.expect(miss, "UPDATE effects SET state = $3, due = $4, doc = $5, claim = $6 WHERE id = $1 AND state = $2",
		e.ID, from, e.State, effectDue(e), text, tx.claimEffect(e))
	return tx.movedEffect(e, from, 1, err)
}

// EditEffect replaces inputs, request, fingerprint and key of a planned effect, or of a declined one that becomes planned:
// a person's edit. What may change besides is written too.
func (tx *Tx) EditEffect(e *waybill.Effect, from waybill.EffectState) error {
	if e.State != waybill.EffectPlanned || (from != waybill.EffectPlanned && from != waybill.EffectDeclined) {
		return conflict("effect %s cannot be edited from %q to %q: only one that is planned, or becomes so after it was declined",
			e.ID, from, e.State)
	}
	if err := tx.mayMoveEffect(e, from); err != nil {
		return err
	}
	frozen, err := frozenOf(e)
	if err != nil {
		return err
	}
	text, err := docOf(e)
	if err != nil {
		return err
	}
	changed, err := tx.exec(`UPDATE effects SET state = $3, due = $4, doc = $5, frozen = $6, key = $7, fingerprint = $8, claim = $9
		WHERE id = $1 AND state = $2`, e.ID, from, e.State, effectDue(e), text, frozen, e.Key, e.Fingerprint, tx.claimEffect(e))
	if err := tx.movedEffect(e, from, changed, err); err != nil {
		return err
	}
	seq, _, err := one(tx, "SELECT seq FROM effects WHERE id = $1", num0, e.ID)
	if err != nil {
		return err
	}
	return tx.keyEffect(seq, e, " ON CONFLICT DO NOTHING")
}

func (tx *Tx) mayMoveEffect(e *waybill.Effect, from waybill.EffectState) error {
	if e.State != from && !from.CanBecome(e.State) {
		return conflict("effect %s cannot become %q from %q", e.ID, e.State, from)
	}
	if from.Open() || !e.State.Open() {
		return nil
	}
	// Nobody plans a later generation while its row is kept; whoever did so before is seen after it was waited for.
	if _, _, err := one(tx, tx.locking("SELECT id FROM effects WHERE id = $1"), text0, e.ID); err != nil {
		return err
	}
	later, found, err := one(tx, `SELECT l.id FROM effects e JOIN effects l ON l.event = e.event AND l.flow = e.flow
		AND l.address = e.address AND l.generation > e.generation WHERE e.id = $1`, text0, e.ID)
	if err != nil {
		return err
	}
	if found {
		return conflict("effect %s cannot become %q: effect %s has taken its place", e.ID, e.State, later)
	}
	return nil
}

func (tx *Tx) movedEffect(e *waybill.Effect, from waybill.EffectState, changed int, err error) error {
	if err != nil {
		return err
	}
	if changed == 0 {
		return tx.elsewhere("effect", "SELECT state FROM effects WHERE id = $1", e.ID, from)
	}
	delete(tx.foretold.effects, e.ID)
	tx.saw(string(e.ID), e.Connection)
	tx.countEffect(e.Connection, from, e.State)
	tx.changed |= effectChanged
	return nil
}

// messageRank orders a message's life; it only moves up, except to failed. Unknown and skipped stand where planned does.
var messageRank = map[waybill.MessageState]int{
	waybill.MessagePlanned: 1, waybill.MessageSkipped: 2, waybill.MessageUnknown: 3, waybill.MessageAccepted: 4,
	waybill.MessageSent: 5, waybill.MessageDelivered: 6, waybill.MessageRead: 7, waybill.MessageFailed: 8,
}

// PutMessage writes or advances a message; a state that would go back is left as it is. Failed is final.
func (tx *Tx) PutMessage(m *waybill.Message) error {
	rank, ok := messageRank[m.State]
	if !ok {
		return invalid("a message cannot be %q", m.State)
	}
	have, err := tx.Message(m.Effect)
	if err != nil {
		return err
	}
	if have != nil && messageRank[have.State] > rank {
		return nil
	}
	updated := m.UpdatedAt
	if updated.IsZero() {
		updated = tx.now
	}
	before := waybill.MessageState("")
	if have != nil {
		before = have.State
	}
	changed, err := tx.exec(`INSERT INTO messages (effect, event, connection, recipient, template, remote, state, reason, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (effect) DO UPDATE SET
			remote = CASE WHEN excluded.remote = '' THEN messages.remote ELSE excluded.remote END,
			state = excluded.state, reason = excluded.reason, updated_at = excluded.updated_at WHERE messages.state = $10`,
		m.Effect, m.Event, m.Connection, m.To, m.Template, m.Remote, m.State, m.Reason, updated, before)
	if err == nil && changed == 0 {
		return tx.beaten("the message of " + string(m.Effect) + " has moved")
	}
	tx.changed |= effectChanged
	return err
}

// Message returns an effect's message; nil when it has none.
func (tx *Tx) Message(id waybill.EffectID) (*waybill.Message, error) {
	m, found, err := one(tx, `SELECT effect, event, connection, recipient, template, remote, state, reason, updated_at
		FROM messages WHERE effect = $1`, func(r row) (waybill.Message, error) {
		return waybill.Message{
			Effect: waybill.EffectID(r.text(0)), Event: waybill.EventID(r.text(1)), Connection: r.text(2), To: r.text(3),
			Template: r.text(4), Remote: r.text(5), State: waybill.MessageState(r.text(6)), Reason: r.text(7), UpdatedAt: at(r.num(8)),
		}, nil
	}, id)
	if err != nil || !found {
		return nil, err
	}
	return &m, nil
}
