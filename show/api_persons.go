package show

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"waybill"
)

// Persons is where one person is found, exported and erased, across everything.
type Persons interface {
	// FindPerson says what is held, and changes nothing.
	FindPerson(ctx context.Context, p waybill.Person) (*waybill.PersonFound, error)
	// ExportPerson reads it, and notes in the audit that who did.
	ExportPerson(ctx context.Context, p waybill.Person, who string) (*waybill.PersonExport, error)
	// ErasePerson erases it and remembers that by hashes; it cannot be undone. It returns the erasure's id.
	ErasePerson(ctx context.Context, p waybill.Person, who string) (string, *waybill.PersonFound, error)
	// Erasures lists who was erased, without saying who.
	Erasures(ctx context.Context) ([]waybill.Erasure, error)
}

type apiPerson struct {
	Emails []string `json:"emails,omitempty" maxItems:"50"`
	Phones []string `json:"phones,omitempty" maxItems:"50" doc:"with the country code"`
	IDs    []string `json:"ids,omitempty" maxItems:"50" doc:"at an outside system, 3 characters or more"`
}

func (p apiPerson) person() waybill.Person {
	return waybill.Person{Emails: p.Emails, Phones: p.Phones, IDs: p.IDs}
}

type personInput struct{ Body apiPerson }

type eraseInput struct {
	Body struct {
		Emails  []string `json:"emails,omitempty" maxItems:"50"`
		Phones  []string `json:"phones,omitempty" maxItems:"50" doc:"with the country code"`
		IDs     []string `json:"ids,omitempty" maxItems:"50" doc:"at an outside system, 3 characters or more"`
		Confirm bool     `json:"confirm" doc:"true: it cannot be undone"`
	}
}

type apiFound struct {
	Person   apiPerson       `json:"person" doc:"with the addresses and numbers that the book knows for the same person"`
	Events   []string        `json:"events"`
	Arrivals []string        `json:"arrivals"`
	Items    []string        `json:"items"`
	Runs     []string        `json:"runs"`
	Effects  []string        `json:"effects"`
	Fetches  []string        `json:"fetches"`
	Asks     []string        `json:"asks"`
	Subjects []string        `json:"subjects"`
	Notes    int             `json:"notes" doc:"details of problems, reasons of acts, bulk work, samples of what was turned away"`
	Kept     []apiPersonKept `json:"kept" doc:"what is open, and so is not erased now"`
}

type apiPersonKept struct {
	Event string `json:"event,omitempty"`
	Why   string `json:"why"`
}

type apiErased struct {
	ID    string   `json:"id" doc:"of the erasure; it is done again in a backup that is restored"`
	Found apiFound `json:"found" doc:"what was erased"`
}

type apiPersonExport struct {
	Found    apiFound               `json:"found"`
	Journeys map[string]*apiJourney `json:"journeys" doc:"by the id of the event, else of the item"`
	Subjects []apiSubject           `json:"subjects"`
	Asks     []apiAsk               `json:"asks"`
	Notes    []apiPersonNote        `json:"notes"`
}

type apiPersonNote struct {
	Table string          `json:"table" enum:"problems,audit,jobs,job_members,connection_states,rejection_samples"`
	ID    string          `json:"id"`
	Doc   json.RawMessage `json:"doc" doc:"as it is kept"`
}

type apiErasure struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Salt   []byte    `json:"salt"`
	Hashes []string  `json:"hashes" doc:"HMAC-SHA256 with the salt, of each value by which the person was known"`
	Open   bool      `json:"open" doc:"something of the person had not ended when they were erased; it is erased once it has"`
}

// personRoutes are for admins only: the site map says so.
func (a *api) personRoutes() {
	if a.s.persons == nil {
		return
	}
	post := func(path, id, summary, words string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/api/v1/persons/" + path, Summary: summary, Description: words, Tags: []string{"persons"}}
	}
	huma.Register(a.huma, post("find", "find-person", "What the book holds of one person", "Nothing changes. The whole book is read, which takes a while on a big one."), a.findPerson)
	huma.Register(a.huma, post("export", "export-person", "Everything of one person as one document", "It is noted in the audit."), a.exportPerson)
	huma.Register(a.huma, post("erase", "erase-person", "Erase one person", "It cannot be undone. Ids, keys, states, times and amounts stay. What is open stays whole, with the reason: erase again when it has ended."), a.erasePerson)
	get(a, "/persons/erasures", "erasures", "Who was erased, by hashes only", a.erasures)
}

func (a *api) findPerson(ctx context.Context, in *personInput) (*struct{ Body apiFound }, error) {
	f, err := a.s.persons.FindPerson(ctx, in.Body.person())
	if err != nil {
		return nil, a.refuse(ctx, err)
	}
	return &struct{ Body apiFound }{apiFoundOf(f)}, nil
}

func (a *api) erasePerson(ctx context.Context, in *eraseInput) (*struct{ Body apiErased }, error) {
	if !in.Body.Confirm {
		return nil, a.refuse(ctx, &waybill.Error{Kind: waybill.Invalid, Message: "an erasure cannot be undone", Hint: `look at /api/v1/persons/find first, then send "confirm": true`})
	}
	p, _ := ctx.Value(personKey{}).(Person)
	id, f, err := a.s.persons.ErasePerson(ctx, waybill.Person{Emails: in.Body.Emails, Phones: in.Body.Phones, IDs: in.Body.IDs}, p.Name)
	if err != nil {
		return nil, a.refuse(ctx, err)
	}
	return &struct{ Body apiErased }{apiErased{id, apiFoundOf(f)}}, nil
}

func (a *api) exportPerson(ctx context.Context, in *personInput) (*struct{ Body apiPersonExport }, error) {
	p, _ := ctx.Value(personKey{}).(Person)
	x, err := a.s.persons.ExportPerson(ctx, in.Body.person(), p.Name)
	if err != nil {
		return nil, a.refuse(ctx, err)
	}
	out := apiPersonExport{Found: apiFoundOf(&x.Found), Journeys: map[string]*apiJourney{}, Subjects: []apiSubject{}, Asks: []apiAsk{}, Notes: []apiPersonNote{}}
	if err := a.journeysOf(ctx, &x.Found, out.Journeys); err != nil {
		return nil, a.refuse(ctx, err)
	}
	for _, s := range x.Subjects {
		out.Subjects = append(out.Subjects, *apiSubjectOf(&s))
	}
	for _, q := range x.Asks {
		out.Asks = append(out.Asks, apiAskOf(q))
	}
	for _, n := range x.Notes {
		out.Notes = append(out.Notes, apiPersonNote{n.Table, n.ID, rawJSON(n.Doc)})
	}
	return &struct{ Body apiPersonExport }{out}, nil
}

// journeysOf reads the journeys of all that was found, each once.
func (a *api) journeysOf(ctx context.Context, f *waybill.PersonFound, into map[string]*apiJourney) error {
	ids := slices.Concat(idTexts(f.Events), idTexts(f.Items), idTexts(f.Effects))
	for _, k := range f.Kept {
		ids = append(ids, string(k.Event))
	}
	seen := map[string]bool{"": true}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		j, err := a.s.reader.Journey(ctx, id)
		if waybill.KindOf(err) == waybill.NotFound {
			continue // past retention meanwhile
		}
		if err != nil {
			return err
		}
		if j.Event != nil {
			id = string(j.Event.ID)
		}
		for _, r := range j.Runs {
			for _, e := range r.Effects {
				seen[string(e.Effect.ID)] = true
			}
		}
		if j.Item != nil {
			seen[string(j.Item.ID)] = true
		}
		seen[id], into[id] = true, apiJourneyOf(ownJourney(j, f))
	}
	return nil
}

// ownJourney is a journey without what came in the same arrival for others, and without rows of events that were not found.
func ownJourney(j *waybill.Journey, f *waybill.PersonFound) *waybill.Journey {
	own := *j
	if a := j.Arrival; a != nil && j.Item != nil && len(a.Items) > 1 {
		cut := *a
		if cut.Body = waybill.Parts(a.Body, j.Item.Pointer)[0]; j.Item.Pointer == "" {
			cut.Body = nil // nobody can tell whose it is
		}
		own.Arrival = &cut
	}
	others := func(r waybill.EventRow) bool {
		return !slices.Contains(f.Events, r.ID) && !slices.ContainsFunc(f.Kept, func(k waybill.PersonKept) bool { return k.Event == r.ID })
	}
	own.Related, own.Children = slices.DeleteFunc(slices.Clone(j.Related), others), slices.DeleteFunc(slices.Clone(j.Children), others)
	return &own
}

func (a *api) erasures(ctx context.Context, _ *nothing) (*listOf[apiErasure], error) {
	list, err := a.s.persons.Erasures(ctx)
	if err != nil {
		return nil, err
	}
	out := &listOf[apiErasure]{Items: []apiErasure{}}
	for _, e := range list {
		out.Items = append(out.Items, apiErasure{e.ID, e.At, e.Who, e.Salt, e.Hashes, e.Open != nil})
	}
	return out, nil
}

func apiFoundOf(f *waybill.PersonFound) apiFound {
	out := apiFound{
		Person: apiPerson(f.Person), Events: idTexts(f.Events), Arrivals: idTexts(f.Arrivals), Items: idTexts(f.Items), Runs: idTexts(f.Runs),
		Effects: idTexts(f.Effects), Fetches: idTexts(f.Fetches), Asks: idTexts(f.Asks), Subjects: idTexts(f.Subjects), Notes: f.Notes, Kept: []apiPersonKept{},
	}
	for _, k := range f.Kept {
		out.Kept = append(out.Kept, apiPersonKept{string(k.Event), k.Why})
	}
	return out
}

func idTexts[T ~string](ids []T) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}
