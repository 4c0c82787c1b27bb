package record

import (
	"context"
	"time"

	"waybill"
)

// Questions to people, and what they approved.

type askDoc struct {
	Address  string           `json:"address"`
	Round    int              `json:"round,omitzero"`
	Question string           `json:"question"`
	Show     []byte           `json:"show,omitempty"`
	Change   []byte           `json:"change,omitempty"`
	For      []waybill.AskFor `json:"for,omitempty"`
	Who      []string         `json:"who,omitempty"`
	Role     string           `json:"role,omitempty"`
	NoAnswer string           `json:"no_answer,omitempty"`
	AskedAt  int64            `json:"asked_at"`
	DueAt    int64            `json:"due_at,omitzero"`
	By       string           `json:"by,omitempty"`
	Reason   string           `json:"reason,omitempty"`
	Values   []byte           `json:"values,omitempty"`
	Answered int64            `json:"answered,omitzero"`
}

func askText(a *waybill.Question) (string, error) {
	return doc(askDoc{
		Address: a.Address, Round: a.Round, Question: a.Question, Show: a.Show, Change: a.Change, For: a.For, Who: a.Who, Role: a.Role,
		NoAnswer: a.NoAnswer, AskedAt: ms(a.AskedAt), DueAt: ms(a.DueAt), By: a.By, Reason: a.Reason, Values: a.Values, Answered: ms(a.Answered),
	})
}

const askColumns = "id, run, event, flow, state, doc"

func scanAsk(r row) (waybill.Question, error) {
	var d askDoc
	if err := undoc(r.text(5), &d); err != nil {
		return waybill.Question{}, err
	}
	return waybill.Question{
		ID: waybill.AskID(r.text(0)), Run: waybill.RunID(r.text(1)), Event: waybill.EventID(r.text(2)), Flow: r.text(3),
		State: waybill.AskState(r.text(4)), Address: d.Address, Round: d.Round, Question: d.Question, Show: d.Show, Change: d.Change,
		For: d.For, Who: d.Who, Role: d.Role, NoAnswer: d.NoAnswer, AskedAt: at(d.AskedAt), DueAt: at(d.DueAt), By: d.By,
		Reason: d.Reason, Values: d.Values, Answered: at(d.Answered),
	}, nil
}

// PutAsk writes a question, open. A run has one open question at most: a second one is left out.
func (tx *Tx) PutAsk(a *waybill.Question) error {
	if a.State == "" {
		a.State = waybill.AskOpen
	}
	if a.AskedAt.IsZero() {
		a.AskedAt = tx.now
	}
	text, err := askText(a)
	if err != nil {
		return err
	}
	_, _, err = tx.insert("INSERT INTO asks (id, run, event, flow, state, doc) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
		a.ID, a.Run, a.Event, a.Flow, a.State, text)
	tx.changed |= runChanged
	return err
}

// OpenAsk returns the question at which a run waits; nil when there is none.
func (tx *Tx) OpenAsk(run waybill.RunID) (*waybill.Question, error) {
	a, found, err := one(tx, "SELECT "+askColumns+" FROM asks WHERE run = $1 AND state = 'open'", scanAsk, run)
	if err != nil || !found {
		return nil, err
	}
	return &a, nil
}

// Ask returns a question.
func (tx *Tx) Ask(id waybill.AskID) (*waybill.Question, error) {
	a, found, err := one(tx, "SELECT "+askColumns+" FROM asks WHERE id = $1", scanAsk, id)
	if err == nil && !found {
		err = notFound("question", id)
	}
	return &a, err
}

// AsksOf returns the questions of a run, oldest first.
func (tx *Tx) AsksOf(run waybill.RunID) ([]waybill.Question, error) {
	return list(tx, "SELECT "+askColumns+" FROM asks WHERE run = $1 ORDER BY seq", scanAsk, run)
}

// CloseAsk writes the answer of an open question. One that is open no longer is a Conflict: of two people who answer at the
// same instant, on whatever nodes, the second is told.
func (tx *Tx) CloseAsk(a *waybill.Question) error {
	if a.Answered.IsZero() {
		a.Answered = tx.now
	}
	text, err := askText(a)
	if err != nil {
		return err
	}
	changed, err := tx.exec("UPDATE asks SET state = $2, doc = $3 WHERE id = $1 AND state = 'open'", a.ID, a.State, text)
	if err == nil && changed == 0 {
		return tx.elsewhere("question", "SELECT state FROM asks WHERE id = $1", a.ID, waybill.AskOpen)
	}
	tx.changed |= runChanged
	return err
}

// Approve notes that an effect with this very fingerprint may be sent, and who said so.
func (tx *Tx) Approve(e *waybill.Effect, who string) error {
	_, err := tx.exec("INSERT INTO approvals (hash, who, at) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING", approvalHash(e), who, tx.now)
	return err
}

// ApprovedBy returns who approved an effect with this very fingerprint, and when; empty when nobody did.
func (tx *Tx) ApprovedBy(e *waybill.Effect) (who string, when time.Time, err error) {
	who, _, err = one(tx, "SELECT who, at FROM approvals WHERE hash = $1", func(r row) (string, error) {
		when = at(r.num(1))
		return r.text(0), nil
	}, approvalHash(e))
	return who, when, err
}

func approvalHash(e *waybill.Effect) []byte {
	return hash12(string(e.Event), e.Flow, e.Address, e.Approval, e.Fingerprint)
}

// Asks lists questions, newest first, by state, flow and event.
func (b *Book) Asks(ctx context.Context, f waybill.ListFilter) ([]waybill.Question, string, error) {
	all := listing[waybill.Question]{prefix: "ask", table: "asks", columns: askColumns, scan: scanAsk, id: func(a *waybill.Question) string { return string(a.ID) }}
	return all.read(ctx, b, f, func(_ *Tx, w *where) error {
		w.equal(map[string]string{"state": f.State, "flow": f.Flow, "event": string(f.Event)})
		return nil
	})
}
