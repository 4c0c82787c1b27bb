package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waybill/connector"
	"waybill/expr"
)

// act is one request, or the making of one webhook, while its steps are taken.
type act struct {
	*account
	now     time.Time
	action  string // for the ledger
	key     string
	onceKey string        // the idempotency key, where it is honoured
	lag     time.Duration // beside the type's own
	settled bool          // it was there long before: searches see it
	scope   map[string]any
	entries []Entry
	sends   []sending
}

// sending is a webhook that follows from what happened.
type sending struct {
	event string
	after time.Duration
	scope map[string]any
}

// refusal ends the steps with an answer; nothing has been written.
type refusal struct{ answer *connector.SimAnswer }

func (refusal) Error() string { return "refused" }

func (a *act) run(steps []*connector.SimStep) error {
	for _, step := range steps {
		if step.When != nil {
			ok, err := step.When.Bool(a.scope, nil)
			if err != nil {
				return err
			}
			if !ok {
				if _, bound := a.scope[step.As]; step.As != "" && !bound {
					a.scope[step.As] = map[string]any{}
				}
				continue
			}
		}
		if err := a.step(step); err != nil {
			return err
		}
	}
	return nil
}

func (a *act) step(step *connector.SimStep) error {
	switch step.Verb {
	case "refuse":
		return refusal{step.Say}
	case "send":
		scope := maps.Clone(a.scope)
		delete(scope, "vars") // the event has its own
		a.sends = append(a.sends, sending{event: step.Type, after: step.After, scope: scope})
		return nil
	case "let":
		return a.bind(step, nil)
	case "search":
		return a.search(step)
	}
	if step.Each == nil {
		return a.one(step)
	}
	items, err := step.Each.Eval(a.scope, nil)
	if err != nil {
		return err
	}
	list, _ := items.([]any)
	results := make([]any, 0, len(list))
	for _, item := range list {
		a.scope["item"] = item
		if err := a.one(step); err != nil {
			return err
		}
		if step.As != "" {
			results = append(results, a.scope[step.As])
		}
	}
	if step.As != "" {
		a.scope[step.As] = results
	}
	return nil
}

// shelf finds the objects a step is about.
func (a *act) shelf(step *connector.SimStep) (*shelf, string, error) {
	typ := step.Type
	if step.Which != nil {
		var err error
		if typ, err = a.string(step.Which); err != nil {
			return nil, "", err
		}
	}
	if a.shelves[typ] == nil {
		return nil, "", fmt.Errorf("the simulator of %s keeps no %q", a.manifest.Name, typ)
	}
	return a.shelves[typ], typ, nil
}

// one gets or writes one object.
func (a *act) one(step *connector.SimStep) error {
	shelf, typ, err := a.shelf(step)
	if err != nil {
		return err
	}
	found, err := a.locate(step, shelf)
	if err != nil {
		return err
	}
	if found == nil && (step.Verb == "get" || step.Verb == "update" || step.Verb == "delete") {
		if step.None != nil {
			return refusal{step.None}
		}
		if step.As != "" {
			a.scope[step.As] = map[string]any{}
		}
		return nil
	}
	switch step.Verb {
	case "get":
		a.scope["made"] = false
		data, err := a.shown(step, found.data)
		if err != nil {
			return err
		}
		return a.bind(step, data)
	case "delete":
		shelf.remove(found)
		a.wrote(typ, found.id, "deleted")
		return a.bind(step, found.data)
	}
	id, old := "", map[string]any{}
	switch {
	case found != nil && step.Verb != "create":
		id, old = found.id, found.data
	case step.ID != nil && step.Verb == "create":
		if id, err = a.string(step.ID); err != nil {
			return err
		}
	}
	if id == "" {
		id = a.fresh(shelf.rule.ID, a.now)
	}
	a.scope["id"], a.scope["old"] = id, old
	data, err := a.fill(step, old)
	if err != nil {
		return err
	}
	if other := shelf.taken(id, data); other != nil && step.Clash != nil {
		a.scope["object"] = other.data
		return refusal{step.Clash}
	}
	lag := a.searchLag(shelf) + a.lag
	if a.settled {
		lag = 0
	}
	did := shelf.put(id, data, a.now, lag)
	a.wrote(typ, id, did)
	a.scope["made"] = did == "created"
	return a.bind(step, data)
}

// wrote notes for the ledger what became of an object.
func (a *act) wrote(typ, id, did string) {
	a.entries = append(a.entries, Entry{At: a.now, Connection: a.name, Action: a.action, Did: did, Key: a.key, Type: typ, ID: id})
}

func (a *act) searchLag(s *shelf) time.Duration {
	if a.options.Lag != nil {
		return *a.options.Lag
	}
	return s.rule.Lag
}

// locate finds the object a get, upsert, update or delete is about.
func (a *act) locate(step *connector.SimStep, shelf *shelf) (*thing, error) {
	switch {
	case step.Verb == "create":
		return nil, nil // a create is about nothing that is there
	case step.By != nil:
		path, err := a.string(step.By)
		if err != nil {
			return nil, err
		}
		value, err := a.string(step.Value)
		if err != nil {
			return nil, err
		}
		return shelf.find(path, value), nil
	default:
		id, err := a.string(step.ID)
		if err != nil {
			return nil, err
		}
		return shelf.find("", id), nil
	}
}

func (a *act) string(t *expr.Template) (string, error) {
	if t == nil {
		return "", nil
	}
	v, err := t.Eval(a.scope, nil)
	if err != nil {
		return "", err
	}
	return text(v), nil
}

// fill gives the object as it shall be. What the system adds of itself changes nothing alone.
func (a *act) fill(step *connector.SimStep, old map[string]any) (map[string]any, error) {
	data, err := a.lay(step.With, old)
	if err != nil || step.Also == nil || (len(old) > 0 && same(old, data)) {
		return data, err
	}
	a.scope["object"] = data
	return a.lay(step.Also, data)
}

func (a *act) lay(values *expr.Object, over map[string]any) (map[string]any, error) {
	if values == nil {
		return over, nil
	}
	v, err := values.Eval(a.scope, nil)
	if err != nil {
		return nil, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the simulator of %s writes what is no object", a.manifest.Name)
	}
	return merge(over, fields), nil
}

// bind gives the step's name its value.
func (a *act) bind(step *connector.SimStep, data any) error {
	if step.As == "" {
		return nil
	}
	if data != nil {
		a.scope["object"] = data
	}
	if step.Give != nil {
		v, err := step.Give.Eval(a.scope, nil)
		if err != nil {
			return err
		}
		data = v
	}
	a.scope[step.As] = data
	return nil
}

func (a *act) search(step *connector.SimStep) error {
	shelf, _, err := a.shelf(step)
	if err != nil {
		return err
	}
	limit, err := a.number(step.Limit, 100)
	if err != nil {
		return err
	}
	from, err := a.number(step.From, 0)
	if err != nil {
		return err
	}
	var found []map[string]any
	for _, t := range shelf.list {
		data := t.seen(a.now)
		if data == nil {
			continue
		}
		if step.Match != nil {
			a.scope["object"] = data
			ok, err := step.Match.Bool(a.scope, nil)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		found = append(found, data)
	}
	if !step.Old {
		slices.Reverse(found)
	}
	total := int64(len(found))
	first := min(max(from, 0), total)
	last := min(first+max(limit, 0), total)
	a.scope["page"] = map[string]any{"total": total, "more": last < total, "next": last}
	results := make([]any, 0, last-first)
	for _, data := range found[first:last] {
		if data, err = a.shown(step, data); err != nil {
			return err
		}
		if step.Give == nil {
			results = append(results, data)
			continue
		}
		a.scope["object"] = data
		v, err := step.Give.Eval(a.scope, nil)
		if err != nil {
			return err
		}
		results = append(results, v)
	}
	a.scope[step.As] = results
	return nil
}

// shown is what a reader gets of an object: of one group only the names asked for.
func (a *act) shown(step *connector.SimStep, data map[string]any) (map[string]any, error) {
	if step.Only == "" || step.Names == nil {
		return data, nil
	}
	v, err := step.Names.Eval(a.scope, nil)
	if err != nil {
		return nil, err
	}
	names, _ := v.([]any)
	group, _ := at(data, step.Only).(map[string]any)
	few := make(map[string]any, len(names))
	for _, name := range names {
		few[text(name)] = group[text(name)]
	}
	out := clone(data)
	return out, put(out, strings.Split(step.Only, "."), few)
}

func (a *act) number(p *expr.Program, standard int64) (int64, error) {
	if p == nil {
		return standard, nil
	}
	v, err := p.Eval(a.scope, nil)
	if err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case int64:
		return v, nil
	case float64:
		return int64(v), nil
	case string:
		return asInt(v)
	default:
		return standard, nil
	}
}
