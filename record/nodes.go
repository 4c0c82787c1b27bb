package record

import (
	"context"
	"time"

	"waybill"
)

// Several nodes on one book (docs/decisions/0013-nodes.md). Each has a lease on the book's clock under an epoch that no
// other life of a node has. What it has in hand it claims with its epoch, in the same statement that writes the row or
// takes it from a queue; a claim counts while its epoch works. What it decides is fenced: an act that asked As commits
// before anybody can call its epoch lost, or is refused.

// freeClaim is the condition of a row that nobody has in hand: nobody claimed it, or who did works no more.
const freeClaim = "(claim = 0 OR claim NOT IN (SELECT seq FROM nodes WHERE free_at = 0))"

// keepNodes is how long a node that is gone stays on the list, and its epoch known.
const keepNodes = 7 * 24 * time.Hour

// Standing is what the book says to a node within one of its acts.
type Standing struct {
	// Epoch it was asked for; 0 when none was.
	Epoch int64
	// Holds says that its lease was not called lost; nobody can until the act's transaction ends.
	Holds bool
	// Bundle is the book's current version of the workspace.
	Bundle waybill.BundleID
	// Health changes whenever the health of a connection is written.
	Health string
}

// timed is a store whose time is the database's own: all nodes share it, however their own clocks are set.
type timed interface {
	// clock is the query of the time in unix milliseconds.
	clock() string
}

// Clock returns the time by the book's clock: the database's, or that of the process which has a file to itself.
func (tx *Tx) Clock() (time.Time, error) {
	t, ok := tx.book.store.(timed)
	if !ok {
		return tx.book.now(), nil
	}
	before := tx.book.o.Now()
	now, found, err := one(tx, t.clock(), num0)
	if err == nil && found {
		tx.book.setClock(at(now), before.Add(tx.book.o.Now().Sub(before)/2))
	}
	return at(now), err
}

// mostOff is how far this process's idea of the database's clock may be off before it is set.
const mostOff = 50 * time.Millisecond

// setClock takes over what the database's clock showed when this process's own showed another time.
func (b *Book) setClock(theirs, ours time.Time) {
	ahead := theirs.Sub(ours.Round(0))
	if off := ahead - time.Duration(b.ahead.Load()); off > mostOff || off < -mostOff {
		b.ahead.Store(int64(ahead))
	}
}

// As makes the act one of the node with an epoch: what it writes and leaves due is claimed for it, and what it lists as
// due it claims. It returns how the node stands, and refuses nothing by itself. Epoch 0 is a book of one process: it
// needs no claim, and always holds.
func (tx *Tx) As(epoch int64) (Standing, error) {
	tx.epoch = epoch
	if epoch == 0 {
		return Standing{Holds: true}, nil
	}
	if tx.asked.Epoch == epoch {
		return tx.asked, nil // asked by a neighbour in this transaction
	}
	s, found, err := one(tx, standingText+tx.lock(" FOR SHARE"), func(r row) (Standing, error) { return scanStanding(r, epoch) }, epoch)
	if err != nil {
		return Standing{}, err
	}
	if !found {
		s.Epoch = epoch
	}
	tx.asked = s
	return s, nil
}

const standingText = `SELECT gone_at, coalesce((SELECT value FROM book WHERE name = 'bundle'), ''),
	coalesce((SELECT value FROM book WHERE name = 'health'), '') FROM nodes WHERE seq = $1`

func scanStanding(r row, epoch int64) (Standing, error) {
	return Standing{Epoch: epoch, Holds: r.num(0) == 0, Bundle: waybill.BundleID(r.text(1)), Health: r.text(2)}, nil
}

// By claims for a node without asking how it stands: for what is kept whoever brings it. A claim of an epoch that is gone
// is nobody's.
func (tx *Tx) By(epoch int64) { tx.epoch = epoch }

// Standing returns how the node of the act stood when As asked; the zero one when it did not.
func (tx *Tx) Standing() Standing {
	if tx.asked.Epoch != tx.epoch {
		return Standing{}
	}
	return tx.asked
}

// claim is the claim of a row that the act leaves due at a time, null for none: its node's, if it is due now, for then it
// has it in hand; else whoever finds it when it is due may have it.
func (tx *Tx) claim(due any) int64 {
	if at, ok := due.(int64); ok && at <= ms(tx.now) {
		return tx.epoch
	}
	return 0
}

// claimEffect is the claim of an effect: of one that is sent, who sent it.
func (tx *Tx) claimEffect(e *waybill.Effect) int64 {
	if e.State == waybill.EffectSent {
		return tx.epoch
	}
	return tx.claim(effectDue(e))
}

// MarkHealth makes Standing.Health another, so that every node reads the connections' health anew before it relies on it.
func (tx *Tx) MarkHealth() error {
	_, err := tx.exec(`INSERT INTO book (name, value) VALUES ('health', $1)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, tx.book.o.IDs.New("mrk"))
	return err
}

// HealthMark returns what Standing.Health is now, for a View.
func (tx *Tx) HealthMark() (string, error) {
	mark, _, err := one(tx, "SELECT value FROM book WHERE name = 'health'", text0)
	return mark, err
}

type nodeDoc struct {
	Address string           `json:"address,omitempty"`
	Version string           `json:"version,omitempty"`
	Bundle  waybill.BundleID `json:"bundle,omitempty"`
	Trouble string           `json:"trouble,omitempty"`
}

func nodeText(n *waybill.Node) (string, error) {
	return doc(nodeDoc{Address: n.Address, Version: n.Version, Bundle: n.Bundle, Trouble: n.Trouble})
}

const nodeColumns = "seq, name, started_at, until, free_at, gone_at, lost, doc, heard_at, noticed"

func scanNode(r row) (waybill.Node, error) {
	var d nodeDoc
	err := undoc(r.text(7), &d)
	return waybill.Node{
		Epoch: r.num(0), Name: r.text(1), StartedAt: at(r.num(2)), Until: at(r.num(3)), FreeAt: at(r.num(4)), GoneAt: at(r.num(5)),
		Lost: r.num(6) != 0, Address: d.Address, Version: d.Version, Bundle: d.Bundle, Trouble: d.Trouble,
		HeardAt: at(r.num(8)), Noticed: r.text(9),
	}, err
}

// Join gives a node a new epoch and a lease of that length, in which its calls end. An earlier epoch of the same name that has not left is lost
// from now on: it was this node's last life, or another process that has the same name by mistake and notices now. Its
// Epoch, StartedAt, HeardAt and Until are set. Joined says whether an epoch was taken over whose lease had not ended.
func (tx *Tx) Join(n *waybill.Node, lease time.Duration) (took bool, err error) {
	now, err := tx.Clock()
	if err != nil {
		return false, err
	}
	n.StartedAt, n.HeardAt, n.Until = now, now, now.Add(lease)
	n.FreeAt, n.GoneAt, n.Lost, n.Noticed = time.Time{}, time.Time{}, false, ""
	text, err := nodeText(n)
	if err != nil {
		return false, err
	}
	n.Epoch, _, err = tx.insert(`INSERT INTO nodes (name, started_at, until, free_at, gone_at, lost, doc, heard_at)
		VALUES ($1, $2, $3, 0, 0, 0, $4, $2)`, n.Name, n.StartedAt, n.Until, text)
	if err != nil {
		return false, err
	}
	alive, _, err := one(tx, "SELECT count(*) FROM nodes WHERE name = $1 AND seq < $2 AND gone_at = 0 AND until >= $3", num0,
		n.Name, n.Epoch, now)
	if err != nil {
		return false, err
	}
	if _, err := tx.exec(`UPDATE nodes SET gone_at = $3, lost = 1, free_at = CASE WHEN free_at = 0 THEN $3 ELSE free_at END, noticed = $1
		WHERE name = $1 AND seq < $2 AND gone_at = 0`, n.Name, n.Epoch, now); err != nil {
		return false, err
	}
	if _, err := tx.exec("DELETE FROM nodes WHERE gone_at > 0 AND gone_at < $1 AND seq < $2", now.Add(-keepNodes), n.Epoch); err != nil {
		return false, err
	}
	_, err = tx.exec("DELETE FROM parts WHERE epoch > 0 AND epoch NOT IN (SELECT seq FROM nodes WHERE gone_at = 0)")
	return alive > 0, err
}

// RenewLease gives a node's lease that length from now on, and keeps what it says of itself. An epoch that is lost is a
// Conflict: the node has to join anew. HeardAt and Until are set.
func (tx *Tx) RenewLease(n *waybill.Node, lease time.Duration) error {
	now, err := tx.Clock()
	if err != nil {
		return err
	}
	text, err := nodeText(n)
	if err != nil {
		return err
	}
	changed, err := tx.exec("UPDATE nodes SET until = $2, doc = $3, heard_at = $4 WHERE seq = $1 AND gone_at = 0", n.Epoch, now.Add(lease), text, now)
	if err != nil {
		return err
	}
	if changed == 0 {
		return conflict("the lease of node %s (epoch %d) was lost", n.Name, n.Epoch)
	}
	n.HeardAt, n.Until = now, now.Add(lease)
	return nil
}

// Expire calls the nodes lost that were not heard of for that long, and returns them; by is who notices. What they had in
// hand and had not sent is free from now on; what they sent stays theirs until their Until. One that is in the middle of an
// act is left to the next time.
func (tx *Tx) Expire(silence time.Duration, by string) ([]waybill.Node, error) {
	now, err := tx.Clock()
	if err != nil {
		return nil, err
	}
	if err := tx.writable(); err != nil {
		return nil, err
	}
	return list(tx, `UPDATE nodes SET gone_at = $1, lost = 1, free_at = CASE WHEN free_at = 0 THEN $1 ELSE free_at END, noticed = $3
		WHERE seq IN (SELECT seq FROM nodes WHERE gone_at = 0 AND (until < $1 OR heard_at > 0 AND heard_at < $2)`+
		tx.lock(" FOR UPDATE SKIP LOCKED")+`) RETURNING `+nodeColumns, scanNode, now, now.Add(-silence), by)
}

// Retire lets others take what a node has claimed and not sent; it may still write what came of what it has sent.
func (tx *Tx) Retire(epoch int64) error {
	now, err := tx.Clock()
	if err != nil {
		return err
	}
	_, err = tx.exec("UPDATE nodes SET free_at = $2 WHERE seq = $1 AND free_at = 0", epoch, now)
	tx.changed |= runChanged // the others hear that there is work
	return err
}

// Leave ends a node's lease: it decides nothing any more.
func (tx *Tx) Leave(epoch int64) error {
	now, err := tx.Clock()
	if err != nil {
		return err
	}
	_, err = tx.exec(`UPDATE nodes SET gone_at = $2, until = $2, free_at = CASE WHEN free_at = 0 THEN $2 ELSE free_at END
		WHERE seq = $1 AND gone_at = 0`, epoch, now)
	return err
}

// Nodes lists the nodes of the book, those that work first, then those that are gone, the last first.
func (tx *Tx) Nodes() ([]waybill.Node, error) {
	return list(tx, "SELECT "+nodeColumns+` FROM nodes
		ORDER BY CASE WHEN gone_at = 0 THEN 0 ELSE 1 END, gone_at DESC, name, seq DESC LIMIT 200`, scanNode)
}

// NodesSeen lists the nodes of the book as people see them: those that work, and of the others the last life of each name that
// works no more. With held what each has in hand is counted.
func (b *Book) NodesSeen(ctx context.Context, held bool) ([]waybill.Node, error) {
	var out []waybill.Node
	err := b.View(ctx, func(tx *Tx) error {
		all, err := tx.Nodes()
		if err != nil {
			return err
		}
		out = nil
		known, at := map[string]bool{}, map[int64]int{}
		for _, n := range all {
			if n.GoneAt.IsZero() || !known[n.Name] {
				at[n.Epoch] = len(out)
				out = append(out, n)
			}
			known[n.Name] = true
		}
		if !held {
			return nil
		}
		for _, what := range inHand {
			err := tx.s.query("SELECT claim, count(*) FROM "+what.table+" WHERE "+what.open+" AND claim > 0 GROUP BY claim", nil, func(r row) error {
				if i, ok := at[r.num(0)]; ok {
					*what.of(&out[i]) = int(r.num(1))
				}
				return nil
			})
			if err != nil {
				return tx.note(err)
			}
		}
		return nil
	})
	return out, err
}

// inHand are the tables of what a node may have in hand.
var inHand = []struct {
	table, open string
	of          func(*waybill.Node) *int
}{
	{"items", openItem, func(n *waybill.Node) *int { return &n.Items }},
	{"runs", openRun, func(n *waybill.Node) *int { return &n.Runs }},
	{"effects", openEffect, func(n *waybill.Node) *int { return &n.Effects }},
}

// Stranded is an effect that stands as sent by a node that decides nothing any more.
type Stranded struct {
	Effect waybill.Effect
	// By is the epoch that sent it; Until is when its lease ended, zero when that is not known any more.
	By    int64
	Until time.Time
}

// StrandedEffects lists effects that nodes which are gone have left as sent, in the order of planning, after one of them
// (empty: from the start).
func (tx *Tx) StrandedEffects(after waybill.EffectID, limit int) ([]Stranded, error) {
	return list(tx, "SELECT claim, coalesce((SELECT until FROM nodes WHERE seq = claim), 0), "+effectColumns+` FROM effects
		WHERE `+openEffect+` AND state = 'sent' AND claim NOT IN (SELECT seq FROM nodes WHERE gone_at = 0)
		AND seq > coalesce((SELECT seq FROM effects WHERE id = $1), 0) ORDER BY seq LIMIT $2`,
		func(r row) (Stranded, error) {
			e, err := scanEffect(skipped{r, 2})
			return Stranded{Effect: e, By: r.num(0), Until: at(r.num(1))}, err
		}, after, limit)
}

// SentBy returns the epoch that sent an effect, and locks the effect until the act's transaction ends.
func (tx *Tx) SentBy(id waybill.EffectID) (int64, error) {
	by, _, err := one(tx, tx.locking("SELECT claim FROM effects WHERE id = $1"), num0, id)
	return by, err
}

// LeaveItems lets others have the items that the node of the act has claimed.
func (tx *Tx) LeaveItems() error {
	_, err := tx.exec("UPDATE items SET claim = 0 WHERE "+openItem+" AND claim = $1", tx.epoch)
	tx.changed |= itemChanged // the others hear that there is work
	return err
}

// Part is what a node may use of a connection's limits.
type Part struct {
	Connection string
	Epoch      int64
	Slots      int       // calls at once that are its own
	Wants      int       // as many as it could use
	Since      time.Time // when it got the first of them
}

// Parts lists the parts of all connections that nodes have whose lease holds.
func (tx *Tx) Parts() ([]Part, error) {
	return list(tx, `SELECT connection, epoch, slots, wants, since FROM parts
		WHERE epoch IN (SELECT seq FROM nodes WHERE gone_at = 0) ORDER BY connection, epoch`, scanPart)
}

// PartsOf lists a connection's parts as Parts does, and lets nobody else change them until the act's transaction ends.
func (tx *Tx) PartsOf(connection string) ([]Part, error) {
	_, err := tx.exec("INSERT INTO parts (connection, epoch, slots, wants, since) VALUES ($1, 0, 0, 0, 0) ON CONFLICT DO NOTHING", connection)
	if err != nil {
		return nil, err
	}
	if _, _, err = one(tx, tx.locking("SELECT slots FROM parts WHERE connection = $1 AND epoch = 0"), num0, connection); err != nil {
		return nil, err
	}
	return list(tx, `SELECT connection, epoch, slots, wants, since FROM parts
		WHERE connection = $1 AND epoch IN (SELECT seq FROM nodes WHERE gone_at = 0) ORDER BY epoch`, scanPart, connection)
}

// SetPart writes what a node may use, and wants.
func (tx *Tx) SetPart(p Part) error {
	_, err := tx.exec(`INSERT INTO parts (connection, epoch, slots, wants, since) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (connection, epoch) DO UPDATE SET slots = excluded.slots, wants = excluded.wants, since = excluded.since`,
		p.Connection, p.Epoch, p.Slots, p.Wants, p.Since)
	return err
}

func scanPart(r row) (Part, error) {
	return Part{Connection: r.text(0), Epoch: r.num(1), Slots: int(r.num(2)), Wants: int(r.num(3)), Since: at(r.num(4))}, nil
}
