package record

import (
	"time"

	"waybill"
)

type fetchFrozen struct {
	Address string          `json:"address,omitempty"`
	Inputs  []byte          `json:"inputs,omitempty"`
	Request waybill.Request `json:"request"`
}

type fetchDoc struct {
	Reason    string            `json:"reason,omitempty"`
	Cause     waybill.Cause     `json:"cause,omitempty"`
	Answer    []byte            `json:"answer,omitempty"`
	Tries     int               `json:"tries,omitzero"`
	DueAt     int64             `json:"due_at,omitzero"`
	Problem   waybill.ProblemID `json:"problem,omitempty"`
	SettledAt int64             `json:"settled_at,omitzero"`
}

// fetchMoves are the legal moves of a fetch: a failed read may be planned again, and what was read is read.
var fetchMoves = map[waybill.FetchState][]waybill.FetchState{
	waybill.FetchPlanned: {waybill.FetchPlanned, waybill.FetchDone, waybill.FetchFailed},
	waybill.FetchFailed:  {waybill.FetchFailed, waybill.FetchPlanned},
	waybill.FetchDone:    {waybill.FetchDone},
}

func fetchDue(f *waybill.Fetch) any {
	if f.State != waybill.FetchPlanned {
		return nil
	}
	return dueAt(f.DueAt, f.PlannedAt)
}

func fetchDocOf(f *waybill.Fetch) (string, error) {
	return doc(fetchDoc{
		Reason: f.Reason, Cause: f.Cause, Answer: f.Answer, Tries: f.Tries, DueAt: ms(f.DueAt), Problem: f.Problem,
		SettledAt: ms(f.SettledAt),
	})
}

// PlanFetch writes a new fetch, planned.
func (tx *Tx) PlanFetch(f *waybill.Fetch) error {
	if f.State == "" {
		f.State = waybill.FetchPlanned
	}
	if f.PlannedAt.IsZero() {
		f.PlannedAt = tx.now
	}
	frozen, err := doc(fetchFrozen{Address: f.Address, Inputs: f.Inputs, Request: f.Request})
	if err != nil {
		return err
	}
	text, err := fetchDocOf(f)
	if err != nil {
		return err
	}
	err = tx.expect(func() error { return conflict("fetch %s is in the book already", f.ID) }, `INSERT INTO fetches
		(id, item, run, effect, connection, action, planned_at, state, due, frozen, doc, claim)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		f.ID, f.Item, f.Run, f.Effect, f.Connection, f.Action, f.PlannedAt, f.State, fetchDue(f), frozen, text,
		tx.claim(fetchDue(f)))
	if err != nil {
		return err
	}
	tx.saw(string(f.ID), f.Connection)
	if f.State == waybill.FetchPlanned {
		tx.gauge("fetch planned", f.Connection, 1)
	}
	return nil
}

const fetchColumns = `id, item, run, effect, connection, action, planned_at, state, frozen, doc`

func scanFetch(r row) (waybill.Fetch, error) {
	var z fetchFrozen
	if err := undoc(r.text(8), &z); err != nil {
		return waybill.Fetch{}, err
	}
	var d fetchDoc
	if err := undoc(r.text(9), &d); err != nil {
		return waybill.Fetch{}, err
	}
	return waybill.Fetch{
		ID: waybill.FetchID(r.text(0)), Item: waybill.ItemID(r.text(1)), Run: waybill.RunID(r.text(2)),
		Effect: waybill.EffectID(r.text(3)), Connection: r.text(4), Action: r.text(5), PlannedAt: at(r.num(6)),
		State: waybill.FetchState(r.text(7)), Address: z.Address, Inputs: z.Inputs, Request: z.Request, Reason: d.Reason,
		Cause: d.Cause, Answer: d.Answer, Tries: d.Tries, DueAt: at(d.DueAt), Problem: d.Problem, SettledAt: at(d.SettledAt),
	}, nil
}

// Fetch returns a fetch.
func (tx *Tx) Fetch(id waybill.FetchID) (*waybill.Fetch, error) {
	f, found, err := one(tx, "SELECT "+fetchColumns+" FROM fetches WHERE id = $1", scanFetch, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("fetch", id)
	}
	return &f, nil
}

// MoveFetch writes the outcome of a fetch that stands in from: state, reason, cause, answer, tries, due time, problem. An
// illegal move or another standing state is a Conflict.
func (tx *Tx) MoveFetch(f *waybill.Fetch, from waybill.FetchState) error {
	legal := false
	for _, s := range fetchMoves[from] {
		legal = legal || s == f.State
	}
	if !legal {
		return conflict("fetch %s cannot become %q from %q", f.ID, f.State, from)
	}
	text, err := fetchDocOf(f)
	if err != nil {
		return err
	}
	miss := func() error { return tx.elsewhere("fetch", "SELECT state FROM fetches WHERE id = $1", f.ID, from) }
	err = tx.expect(miss, "UPDATE fetches SET state = $3, due = $4, doc = $5, claim = $6 WHERE id = $1 AND state = $2",
		f.ID, from, f.State, fetchDue(f), text, tx.claim(fetchDue(f)))
	if err != nil {
		return err
	}
	tx.saw(string(f.ID), f.Connection)
	if from == waybill.FetchPlanned && f.State != from {
		tx.gauge("fetch planned", f.Connection, -1)
	}
	if f.State == waybill.FetchPlanned && f.State != from {
		tx.gauge("fetch planned", f.Connection, 1)
	}
	return nil
}

// FetchesOfItem returns the fetches of an item; FetchesOfRun those of a run's steps; FetchesOfEffect the look-ups that are
// to settle an effect. Oldest first.
func (tx *Tx) FetchesOfItem(id waybill.ItemID) ([]waybill.Fetch, error) {
	return list(tx, "SELECT "+fetchColumns+" FROM fetches WHERE item <> '' AND item = $1 ORDER BY seq", scanFetch, id)
}

// FetchesOfRun returns the fetches of a run, oldest first.
func (tx *Tx) FetchesOfRun(id waybill.RunID) ([]waybill.Fetch, error) {
	return list(tx, "SELECT "+fetchColumns+" FROM fetches WHERE run <> '' AND run = $1 ORDER BY seq", scanFetch, id)
}

// FetchesOfEffect returns the look-ups of an effect, oldest first.
func (tx *Tx) FetchesOfEffect(id waybill.EffectID) ([]waybill.Fetch, error) {
	return list(tx, "SELECT "+fetchColumns+" FROM fetches WHERE effect <> '' AND effect = $1 ORDER BY seq", scanFetch, id)
}

// attemptDoc is an attempt without the bodies.
type attemptDoc struct {
	Fetch      bool              `json:"fetch,omitzero"`
	Number     int               `json:"number,omitzero"`
	EndedAt    int64             `json:"ended_at,omitzero"`
	Method     string            `json:"method,omitempty"`
	URL        string            `json:"url,omitempty"`
	Sent       []waybill.Header  `json:"sent,omitempty"`
	Status     int               `json:"status,omitzero"`
	Headers    []waybill.Header  `json:"headers,omitempty"`
	Certainty  waybill.Certainty `json:"certainty,omitempty"`
	Cause      waybill.Cause     `json:"cause,omitempty"`
	Error      string            `json:"error,omitempty"`
	RetryAfter int64             `json:"retry_after,omitzero"` // ms
	Note       string            `json:"note,omitempty"`
}

// AddAttempt writes an exchange, whole, for an effect or a fetch.
func (tx *Tx) AddAttempt(a *waybill.Attempt) error {
	owner := string(a.Effect)
	if owner == "" {
		owner = string(a.Fetch)
	}
	if owner == "" {
		return invalid("attempt %s is for no effect and no fetch", a.ID)
	}
	text, err := doc(attemptDoc{
		Fetch: a.Effect == "", Number: a.Number, EndedAt: ms(a.EndedAt), Method: a.Request.Method, URL: a.Request.URL, Sent: a.Request.Headers,
		Status: a.Status, Headers: a.Headers, Certainty: a.Certainty, Cause: a.Cause, Error: a.Error,
		RetryAfter: a.RetryAfter.Milliseconds(), Note: a.Note,
	})
	if err != nil {
		return err
	}
	err = tx.expect(nil, "INSERT INTO attempts (owner, id, started_at, doc, request, response) VALUES ($1, $2, $3, $4, $5, $6)",
		owner, a.ID, a.StartedAt, text, a.Request.Body, a.Response)
	if err != nil {
		return err
	}
	tx.attempts = append(tx.attempts, attempted{owner, a.Certainty != waybill.Happened})
	tx.changed |= effectChanged
	return nil
}

// Attempts returns the exchanges of an effect or fetch, by its id, oldest first.
func (tx *Tx) Attempts(owner string) ([]waybill.Attempt, error) {
	return list(tx, "SELECT owner, id, started_at, doc, request, response FROM attempts WHERE owner = $1 ORDER BY seq",
		scanAttempt, owner)
}

func scanAttempt(r row) (waybill.Attempt, error) {
	var d attemptDoc
	if err := undoc(r.text(3), &d); err != nil {
		return waybill.Attempt{}, err
	}
	a := waybill.Attempt{
		ID: waybill.AttemptID(r.text(1)), Number: d.Number, StartedAt: at(r.num(2)), EndedAt: at(d.EndedAt),
		Request: waybill.Request{Method: d.Method, URL: d.URL, Headers: d.Sent, Body: r.bytes(4)},
		Status:  d.Status, Headers: d.Headers, Response: r.bytes(5), Certainty: d.Certainty, Cause: d.Cause, Error: d.Error,
		RetryAfter: time.Duration(d.RetryAfter) * time.Millisecond, Note: d.Note,
	}
	if d.Fetch {
		a.Fetch = waybill.FetchID(r.text(0))
	} else {
		a.Effect = waybill.EffectID(r.text(0))
	}
	return a, nil
}
