package record

import (
	"slices"
	"strings"
	"time"

	"waybill"
)

type problemDoc struct {
	Cause  waybill.Cause `json:"cause"`
	Action string        `json:"action,omitempty"`
	Code   string        `json:"code,omitempty"`
	Title  string        `json:"title,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Owner  string        `json:"owner,omitempty"`
}

// memberKey is what names a member: the most particular id it has, after the word for what it is.
func memberKey(m waybill.Member) string {
	switch {
	case m.Effect != "":
		return "effect:" + string(m.Effect)
	case m.Fetch != "":
		return "fetch:" + string(m.Fetch)
	case m.Run != "":
		return "run:" + string(m.Run)
	case m.Item != "":
		return "item:" + string(m.Item)
	case m.Connection != "":
		return "connection:" + m.Connection
	default:
		return ""
	}
}

// memberOf reads a member's key back.
func memberOf(key string, event waybill.EventID, seen time.Time) waybill.Member {
	m := waybill.Member{Event: event, At: seen}
	switch what, id, _ := strings.Cut(key, ":"); what {
	case "effect":
		m.Effect = waybill.EffectID(id)
	case "fetch":
		m.Fetch = waybill.FetchID(id)
	case "run":
		m.Run = waybill.RunID(id)
	case "item":
		m.Item = waybill.ItemID(id)
	default:
		m.Connection = id
	}
	return m
}

// Raise adds a member to the open problem with p.Key, making it (or reopening a fixed one as regressed) when there is none.
// Words and owner are those of the first raising; a person's owner stays. A member leaves the problem it was in before,
// but a connection may be in several. The flows that p names join those that the problem names already.
func (tx *Tx) Raise(p *waybill.Problem, m waybill.Member) (waybill.ProblemID, error) {
	member := memberKey(m)
	if member == "" || p.Key == "" {
		return "", invalid("a problem needs a key and a member")
	}
	seen := m.At
	if seen.IsZero() {
		seen = tx.now
	}
	have, found, err := one(tx, tx.locking("SELECT "+problemColumns+" FROM problems WHERE key = $1"), scanProblem, indexed(p.Key))
	if err != nil {
		return "", err
	}
	if !found {
		if have, err = tx.newProblem(p, seen); err != nil {
			return "", err
		}
	}
	if have.State == waybill.ProblemFixed {
		have.State, have.FixedAt, have.Flows = waybill.ProblemRegressed, time.Time{}, nil
	}
	if !strings.HasPrefix(member, "connection:") {
		if err := tx.leaveProblems(member, have.ID); err != nil {
			return "", err
		}
	}
	fresh, err := tx.exec("INSERT INTO members (member, problem, event, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		member, have.ID, m.Event, seen)
	if err != nil {
		return "", err
	}
	if fresh == 0 {
		if _, err := tx.exec("UPDATE members SET at = $3 WHERE member = $1 AND problem = $2", member, have.ID, seen); err != nil {
			return "", err
		}
	}
	_, err = tx.exec("UPDATE problems SET state = $2, flow = $3, n = n + $4, total = total + $4, last_at = $5, fixed_at = $6 WHERE id = $1",
		have.ID, have.State, flowsText(withFlows(have.Flows, p.Flows)), fresh, seen, have.FixedAt)
	tx.changed |= problemChanged
	return have.ID, err
}

func (tx *Tx) newProblem(p *waybill.Problem, seen time.Time) (waybill.Problem, error) {
	n := *p
	if n.ID == "" {
		n.ID = waybill.ProblemID(tx.book.o.IDs.New("prb"))
	}
	if n.State == "" || n.State == waybill.ProblemFixed {
		n.State = waybill.ProblemNew
	}
	text, err := problemText(&n)
	if err != nil {
		return n, err
	}
	made, err := tx.exec(`INSERT INTO problems (id, key, state, connection, flow, lesser, n, total, first_at, last_at, fixed_at, doc)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $7, 0, $8) ON CONFLICT (key) DO NOTHING`,
		n.ID, indexed(n.Key), n.State, n.Connection, flowsText(withFlows(nil, n.Flows)), n.Lesser, seen, text)
	if err == nil && made == 0 {
		err = tx.beaten("the problem " + n.Key + " is raised")
	}
	return n, err
}

// mostFlows is how many flows a problem names.
const mostFlows = 100

// withFlows adds flows to those that a problem names, each once.
func withFlows(have, more []string) []string {
	for _, f := range more {
		if f != "" && len(have) < mostFlows && !slices.Contains(have, f) {
			have = append(have, f)
		}
	}
	return have
}

// flowsText is how flows stand in the one column of a problem: a space between two, which no flow's name holds. They are few
// and rarely asked for, so they are worth neither a table nor a statement of their own.
func flowsText(flows []string) string { return strings.Join(flows, " ") }

func problemText(p *waybill.Problem) (string, error) {
	return doc(problemDoc{Cause: p.Cause, Action: p.Action, Code: p.Code, Title: p.Title, Detail: p.Detail, Owner: p.Owner})
}

// Clear takes a member (one id set) out of whatever problem holds it, but for those named; a problem without members
// becomes fixed. One that is in no problem is left alone.
func (tx *Tx) Clear(m waybill.Member, but ...waybill.ProblemID) error {
	member := memberKey(m)
	if member == "" {
		return nil
	}
	return tx.leaveProblems(member, but...)
}

// leaveProblems takes a member out of its problems but for some.
func (tx *Tx) leaveProblems(member string, but ...waybill.ProblemID) error {
	problems, err := list(tx, "SELECT problem FROM members WHERE member = $1", text0, member)
	if err != nil {
		return err
	}
	for _, id := range problems {
		if slices.Contains(but, waybill.ProblemID(id)) {
			continue
		}
		left, err := tx.exec("DELETE FROM members WHERE member = $1 AND problem = $2", member, id)
		if err != nil {
			return err
		}
		if left == 0 {
			continue // somebody else has taken it out
		}
		_, err = tx.exec(`UPDATE problems SET n = n - 1,
			state = CASE WHEN n <= 1 THEN 'fixed' ELSE state END,
			fixed_at = CASE WHEN n <= 1 THEN $2 ELSE fixed_at END WHERE id = $1`, id, tx.now)
		if err != nil {
			return err
		}
		tx.changed |= problemChanged
	}
	return nil
}

const problemColumns = `id, key, state, connection, flow, lesser, n, total, first_at, last_at, fixed_at, doc`

func scanProblem(r row) (waybill.Problem, error) {
	var d problemDoc
	err := undoc(r.text(11), &d)
	return waybill.Problem{
		ID: waybill.ProblemID(r.text(0)), Key: r.text(1), State: waybill.ProblemState(r.text(2)), Connection: r.text(3),
		Flows: strings.Fields(r.text(4)), Lesser: r.num(5) != 0, Count: int(r.num(6)), Total: int(r.num(7)), FirstAt: at(r.num(8)),
		LastAt: at(r.num(9)), FixedAt: at(r.num(10)), Cause: d.Cause, Action: d.Action, Code: d.Code, Title: d.Title,
		Detail: d.Detail, Owner: d.Owner,
	}, err
}

// Problem returns a problem with its members; of the events and effects they are about, the newest 20.
func (tx *Tx) Problem(id waybill.ProblemID) (*waybill.ProblemView, error) {
	p, found, err := one(tx, "SELECT "+problemColumns+" FROM problems WHERE id = $1", scanProblem, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("problem", id)
	}
	v := &waybill.ProblemView{Problem: p}
	if v.Members, err = tx.members(id, 200); err != nil {
		return nil, err
	}
	seen := map[waybill.EventID]bool{}
	for _, m := range v.Members {
		if m.Effect != "" && len(v.Effects) < 20 {
			e, err := tx.Effect(m.Effect)
			if err != nil && waybill.KindOf(err) != waybill.NotFound {
				return nil, err
			}
			if err == nil {
				v.Effects = append(v.Effects, *e)
			}
		}
		if m.Event == "" || seen[m.Event] || len(v.Events) >= 20 {
			continue
		}
		seen[m.Event] = true
		row, found, err := tx.eventRow(m.Event)
		if err != nil {
			return nil, err
		}
		if found {
			v.Events = append(v.Events, row)
		}
	}
	return v, nil
}

// ProblemHead returns a problem without what it holds.
func (tx *Tx) ProblemHead(id waybill.ProblemID) (*waybill.Problem, error) {
	p, found, err := one(tx, "SELECT "+problemColumns+" FROM problems WHERE id = $1", scanProblem, id)
	if err == nil && !found {
		err = notFound("problem", id)
	}
	return &p, err
}

func (tx *Tx) members(id waybill.ProblemID, limit int) ([]waybill.Member, error) {
	return list(tx, "SELECT member, event, at FROM members WHERE problem = $1 ORDER BY at DESC, member DESC LIMIT $2",
		func(r row) (waybill.Member, error) {
			return memberOf(r.text(0), waybill.EventID(r.text(1)), at(r.num(2))), nil
		}, id, limit)
}

// SetProblem writes owner and state of a problem: somebody took it, or calls it fixed.
func (tx *Tx) SetProblem(p *waybill.Problem) error {
	have, found, err := one(tx, tx.locking("SELECT "+problemColumns+" FROM problems WHERE id = $1"), scanProblem, p.ID)
	if err != nil {
		return err
	}
	if !found {
		return notFound("problem", p.ID)
	}
	have.Owner, have.FixedAt = p.Owner, time.Time{}
	if p.State == waybill.ProblemFixed {
		have.FixedAt = tx.now
	}
	text, err := problemText(&have)
	if err != nil {
		return err
	}
	_, err = tx.exec("UPDATE problems SET state = $2, fixed_at = $3, doc = $4 WHERE id = $1", p.ID, p.State, have.FixedAt, text)
	tx.changed |= problemChanged
	return err
}
