package record

import (
	"bytes"
	"strings"
	"time"

	"waybill"
)

// arrivalDoc is what is only shown of an arrival.
type arrivalDoc struct {
	Method    string           `json:"method,omitempty"`
	URL       string           `json:"url,omitempty"`
	Headers   []waybill.Header `json:"headers,omitempty"`
	Remote    string           `json:"remote,omitempty"`
	Proof     string           `json:"proof,omitempty"`
	Duplicate bool             `json:"duplicate,omitempty"`
	Items     []waybill.ItemID `json:"items,omitempty"`
}

// TakeIn keeps an arrival with its items. Ids of arrival and items are given by the caller. An item whose delivery key
// (account, key) is known and still counts is written as not used, a duplicate of the first; its bytes are kept only if
// they differ. Items that come in already blocked or not used stay so; others are kept. A ReceivedAt of none becomes now.
// An item without an account is keyed by its connection.
func (tx *Tx) TakeIn(a *waybill.Arrival) (waybill.Receipt, error) {
	receipt := waybill.Receipt{Arrival: a.ID}
	received := a.ReceivedAt
	if received.IsZero() {
		received = tx.now
	}
	d := arrivalDoc{Method: a.Method, URL: a.URL, Headers: a.Headers, Remote: a.Remote, Proof: a.Proof}
	known, same := 0, waybill.ArrivalID("")
	for i := range a.Items {
		it := itemOf(a, i)
		if it.ReceivedAt.IsZero() {
			it.ReceivedAt = received
		}
		first, err := tx.keepItem(it)
		if err != nil {
			return receipt, err
		}
		d.Items = append(d.Items, it.ID)
		if first == "" {
			receipt.Fresh = append(receipt.Fresh, *it)
			continue
		}
		known++
		if same == "" {
			if same, err = tx.sameBody(first, a); err != nil {
				return receipt, err
			}
		}
	}
	receipt.Duplicate = known > 0 && known == len(a.Items)
	d.Duplicate = receipt.Duplicate
	body := a.Body
	if body == nil {
		body = []byte{}
	}
	if receipt.Duplicate && same != "" {
		body = nil
	} else {
		same = ""
	}
	text, err := doc(d)
	if err != nil {
		return receipt, err
	}
	err = tx.expect(func() error { return conflict("arrival %s is in the book already", a.ID) }, `INSERT INTO arrivals
		(id, connection, account, via, received_at, body_hash, same_body, doc, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		a.ID, a.Connection, a.Account, a.Via, received, a.BodyHash, same, text, body)
	if err != nil {
		return receipt, err
	}
	tx.count("in", a.Connection, 1)
	tx.count("duplicate", "", known)
	tx.changed |= itemChanged
	return receipt, nil
}

// itemOf is an item of an arrival with what it has from that.
func itemOf(a *waybill.Arrival, i int) *waybill.Item {
	it := a.Items[i]
	it.Arrival, it.Index = a.ID, i
	if it.Connection == "" {
		it.Connection = a.Connection
	}
	if it.Account == "" {
		it.Account = a.Account
	}
	return &it
}

// keepItem writes an item and its delivery key. It returns the first item with that key, empty when this is it.
func (tx *Tx) keepItem(it *waybill.Item) (waybill.ItemID, error) {
	switch it.State {
	case "":
		it.State = waybill.ItemKept
	case waybill.ItemKept, waybill.ItemBlocked, waybill.ItemNotUsed:
	default:
		return "", invalid("an item cannot come in as %q", it.State)
	}
	key := deliveryKey(it)
	first, old, err := tx.keyHolder(key, it)
	if err != nil {
		return "", err
	}
	if first != "" {
		it.State, it.DuplicateOf, it.Reason = waybill.ItemNotUsed, first, "known already: the same delivery came before"
	}
	seq, err := tx.expectNew(func() error { return conflict("item %s is in the book already", it.ID) }, `INSERT INTO items
		(id, arrival, idx, connection, account, type, delivery_key, key_until, pointer, occurred_at, received_at,
		 duplicate_of, state, due, due_at, reason, events, problem, claim)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING`,
		it.ID, it.Arrival, it.Index, it.Connection, it.Account, it.Type, it.DeliveryKey, it.KeyUntil, it.Pointer,
		it.OccurredAt, it.ReceivedAt, it.DuplicateOf, it.State, itemDue(it), it.DueAt, it.Reason, joinEvents(it.Events),
		it.Problem, tx.claim(itemDue(it)))
	if err != nil {
		return "", err
	}
	if first != "" {
		return first, nil
	}
	tx.countItem("", it.State)
	return "", tx.claimKey(key, old, seq, it)
}

// deliveryKey is an item's key in the book; nil when it has none.
func deliveryKey(it *waybill.Item) []byte {
	if it.DeliveryKey == "" {
		return nil
	}
	scope := it.Account
	if scope == "" {
		scope = "connection " + it.Connection
	}
	return hash12(scope, it.DeliveryKey)
}

// keyHolder returns the item that has a delivery key. One whose key is past its end does not count; its place, old, is
// taken over.
func (tx *Tx) keyHolder(key []byte, it *waybill.Item) (first waybill.ItemID, old int64, err error) {
	if key == nil {
		return "", 0, nil
	}
	h, known := tx.foretold.deliveries[string(key)]
	if !known {
		h, _, err = one(tx, "SELECT item, until FROM delivery_keys WHERE hash = $1", func(r row) (holder, error) {
			return holder{r.num(0), r.num(1)}, nil
		}, key)
	}
	if err != nil || h.item == 0 {
		return "", 0, err
	}
	if h.until != 0 && ms(it.ReceivedAt) >= h.until {
		return "", h.item, nil
	}
	id, found, err := one(tx, "SELECT id FROM items WHERE seq = $1", text0, h.item)
	if err == nil && !found {
		id = string(waybill.PastRetention)
	}
	return waybill.ItemID(id), 0, err
}

// claimKey writes an item's delivery key, or takes over that of the item old, which is past its end. Where several nodes
// write one book another may have been first: then this item is a duplicate of that one, as the act sees when run again.
func (tx *Tx) claimKey(key []byte, old, seq int64, it *waybill.Item) error {
	if key == nil {
		return nil
	}
	text, args := "INSERT INTO delivery_keys (hash, item, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", []any{key, seq, it.KeyUntil}
	if old != 0 {
		text, args = "UPDATE delivery_keys SET item = $2, until = $3 WHERE hash = $1 AND item = $4", append(args, old)
	}
	if tx.foretold.deliveries != nil {
		tx.foretold.deliveries[string(key)] = holder{seq, ms(it.KeyUntil)}
	}
	return tx.expect(func() error { return tx.beaten("the delivery " + it.DeliveryKey + " is kept") }, text, args...)
}

// sameBody returns the arrival that holds the bytes a brings, when the arrival of the item first does.
func (tx *Tx) sameBody(first waybill.ItemID, a *waybill.Arrival) (waybill.ArrivalID, error) {
	type kept struct {
		id, hash, same string
		body           []byte
	}
	k, found, err := one(tx, `SELECT a.id, a.body_hash, a.same_body, a.body FROM items i JOIN arrivals a ON a.id = i.arrival
		WHERE i.id = $1`, func(r row) (kept, error) {
		return kept{r.text(0), r.text(1), r.text(2), r.bytes(3)}, nil
	}, first)
	switch {
	case err != nil || !found:
		return "", err
	case a.BodyHash != "" && k.hash == a.BodyHash && k.same != "":
		return waybill.ArrivalID(k.same), nil
	case a.BodyHash != "" && k.hash == a.BodyHash, k.body != nil && bytes.Equal(k.body, a.Body):
		return waybill.ArrivalID(k.id), nil
	default:
		return "", nil
	}
}

// itemDue is when an item is work: kept ones at once or at their time, fetching ones only at a time given.
func itemDue(it *waybill.Item) any {
	switch it.State {
	case waybill.ItemKept:
		return dueAt(it.DueAt, it.ReceivedAt)
	case waybill.ItemFetching:
		return dueAt(it.DueAt, time.Time{})
	default:
		return nil
	}
}

// countItem notes that an item moved.
func (tx *Tx) countItem(from, to waybill.ItemState) {
	if from == to {
		return
	}
	if from == waybill.ItemBlocked {
		tx.gauge("item blocked", "", -1)
	}
	switch to {
	case waybill.ItemBlocked:
		tx.gauge("item blocked", "", 1)
		tx.count("blocked", "", 1)
	case waybill.ItemNotUsed:
		tx.count("not used", "", 1)
	default:
	}
}

// Item returns an item.
func (tx *Tx) Item(id waybill.ItemID) (*waybill.Item, error) {
	it, found, err := one(tx, tx.locking("SELECT "+itemColumns+" FROM items WHERE id = $1"), scanItem, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("item", id)
	}
	return &it, nil
}

const itemColumns = `id, arrival, idx, connection, account, type, delivery_key, key_until, pointer, occurred_at, received_at,
	duplicate_of, state, due_at, reason, events, problem`

func scanItem(r row) (waybill.Item, error) {
	return waybill.Item{
		ID: waybill.ItemID(r.text(0)), Arrival: waybill.ArrivalID(r.text(1)), Index: int(r.num(2)),
		Connection: r.text(3), Account: r.text(4), Type: r.text(5), DeliveryKey: r.text(6), KeyUntil: at(r.num(7)),
		Pointer: r.text(8), OccurredAt: at(r.num(9)), ReceivedAt: at(r.num(10)), DuplicateOf: waybill.ItemID(r.text(11)),
		State: waybill.ItemState(r.text(12)), DueAt: at(r.num(13)), Reason: r.text(14), Events: splitEvents(r.text(15)),
		Problem: waybill.ProblemID(r.text(16)),
	}, nil
}

func joinEvents(ids []waybill.EventID) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(id))
	}
	return b.String()
}

func splitEvents(text string) []waybill.EventID {
	var ids []waybill.EventID
	for id := range strings.FieldsSeq(text) {
		ids = append(ids, waybill.EventID(id))
	}
	return ids
}

// Arrival returns an arrival with its items, without its body.
func (tx *Tx) Arrival(id waybill.ArrivalID) (*waybill.Arrival, error) {
	a, found, err := one(tx, `SELECT id, connection, account, via, received_at, body_hash, doc FROM arrivals WHERE id = $1`,
		scanArrival, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("arrival", id)
	}
	kept := a.Items[:0]
	for _, named := range a.Items {
		it, err := tx.Item(named.ID)
		if waybill.KindOf(err) == waybill.NotFound {
			continue // past retention
		}
		if err != nil {
			return nil, err
		}
		kept = append(kept, *it)
	}
	a.Items = kept
	return &a, nil
}

// Received returns an arrival with its raw bytes and without its items: what translating them asks for.
func (tx *Tx) Received(id waybill.ArrivalID) (*waybill.Arrival, error) {
	a, found, err := one(tx, "SELECT id, connection, account, via, received_at, body_hash, doc, body FROM arrivals WHERE id = $1",
		func(r row) (waybill.Arrival, error) {
			a, err := scanArrival(r)
			a.Body = r.bytes(7)
			return a, err
		}, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("arrival", id)
	}
	a.Items = nil
	if a.Body == nil {
		a.Body, err = tx.Body(id)
	}
	return &a, err
}

func scanArrival(r row) (waybill.Arrival, error) {
	var d arrivalDoc
	if err := undoc(r.text(6), &d); err != nil {
		return waybill.Arrival{}, err
	}
	a := waybill.Arrival{
		ID: waybill.ArrivalID(r.text(0)), Connection: r.text(1), Account: r.text(2), Via: waybill.Via(r.text(3)),
		ReceivedAt: at(r.num(4)), BodyHash: r.text(5), Method: d.Method, URL: d.URL, Headers: d.Headers, Remote: d.Remote,
		Proof: d.Proof, Duplicate: d.Duplicate,
	}
	for _, id := range d.Items {
		a.Items = append(a.Items, waybill.Item{ID: id})
	}
	return a, nil
}

// Body returns an arrival's raw bytes, also when they were not kept again because an earlier arrival brought the same.
func (tx *Tx) Body(id waybill.ArrivalID) ([]byte, error) {
	type kept struct {
		same string
		body []byte
	}
	for range 2 {
		k, found, err := one(tx, "SELECT same_body, body FROM arrivals WHERE id = $1", func(r row) (kept, error) {
			return kept{r.text(0), r.bytes(1)}, nil
		}, id)
		if err != nil {
			return nil, err
		}
		if found && k.body != nil {
			return k.body, nil
		}
		if !found || k.same == "" {
			break
		}
		id = waybill.ArrivalID(k.same)
	}
	return nil, notFound("the body of arrival", id)
}

// Readable reports whether an arrival's bytes are still kept, so that its items can be read again.
func (tx *Tx) Readable(id waybill.ArrivalID) (bool, error) {
	same, found, err := one(tx, "SELECT CASE WHEN body IS NULL THEN same_body ELSE id END FROM arrivals WHERE id = $1", text0, id)
	if err != nil || !found || same == string(id) {
		return found, err
	}
	return tx.is("SELECT 1 FROM arrivals WHERE id = $1 AND body IS NOT NULL", same)
}

// MoveItem writes State, Reason, Events, Problem and DueAt of an item that stands in from. An illegal move or another
// standing state is a Conflict; staying in the state is allowed.
func (tx *Tx) MoveItem(it *waybill.Item, from waybill.ItemState) error {
	if it.State != from && !from.CanBecome(it.State) {
		return conflict("item %s cannot become %q from %q", it.ID, it.State, from)
	}
	miss := func() error { return tx.elsewhere("item", "SELECT state FROM items WHERE id = $1", it.ID, from) }
	err := tx.expect(miss, `UPDATE items SET state = $3, due = $4, due_at = $5, reason = $6, events = $7, problem = $8, claim = $9
		WHERE id = $1 AND state = $2`,
		it.ID, from, it.State, itemDue(it), it.DueAt, it.Reason, joinEvents(it.Events), it.Problem, tx.claim(itemDue(it)))
	if err != nil {
		return err
	}
	tx.countItem(from, it.State)
	tx.changed |= itemChanged
	return nil
}

// elsewhere says why a move found no row: the thing is not there, or stands in another state.
func (tx *Tx) elsewhere(what, query string, id, from any) error {
	state, found, err := one(tx, query, text0, id)
	if err != nil {
		return err
	}
	if !found {
		return notFound(what, id)
	}
	return conflict("%s %v stands as %q, not as %q", what, id, state, from)
}
