package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waybill/connector"
)

// maxThings is how many objects of one type an account keeps: a long demo must not fill the memory. The oldest go.
const maxThings = 20_000

// thing is one object kept.
type thing struct {
	id      string
	data    map[string]any
	visible time.Time      // from then on searches see data
	before  map[string]any // what searches see until then; nil: nothing
}

// shelf holds the objects of one type in the order they were made.
type shelf struct {
	rule   connector.SimObject
	list   []*thing
	byID   map[string]*thing
	unique map[string]map[string]*thing // path -> value in lower case
}

func newShelf(rule connector.SimObject) *shelf {
	s := &shelf{rule: rule, byID: map[string]*thing{}, unique: map[string]map[string]*thing{}}
	for _, path := range rule.Unique {
		s.unique[path] = map[string]*thing{}
	}
	return s
}

// find returns the object whose value at path is value, nil when there is none. An empty path means the id.
func (s *shelf) find(path, value string) *thing {
	if path == "" {
		return s.byID[value]
	}
	if value == "" {
		return nil
	}
	if index, ok := s.unique[path]; ok {
		return index[strings.ToLower(value)]
	}
	for _, t := range s.list {
		if text(at(t.data, path)) == value {
			return t
		}
	}
	return nil
}

// taken returns another object that has one of data's unique values already.
func (s *shelf) taken(id string, data map[string]any) *thing {
	for path, index := range s.unique {
		if t := index[strings.ToLower(text(at(data, path)))]; t != nil && t.id != id {
			return t
		}
	}
	return nil
}

// put writes an object and reports what became of it: created, updated or unchanged.
func (s *shelf) put(id string, data map[string]any, now time.Time, lag time.Duration) string {
	t := s.byID[id]
	did := "updated"
	switch {
	case t == nil:
		t = &thing{id: id, visible: now.Add(lag)}
		s.byID[id] = t
		s.list = append(s.list, t)
		did = "created"
	case same(t.data, data):
		return "unchanged"
	default:
		s.forget(t)
		if !now.Before(t.visible) {
			t.before, t.visible = t.data, now.Add(lag)
		}
	}
	t.data = data
	for path, index := range s.unique {
		if value := text(at(data, path)); value != "" {
			index[strings.ToLower(value)] = t
		}
	}
	if len(s.list) > maxThings {
		s.remove(s.list[0])
	}
	return did
}

// remove takes an object away: nobody finds it any more.
func (s *shelf) remove(t *thing) {
	s.forget(t)
	delete(s.byID, t.id)
	i := slices.Index(s.list, t)
	s.list = slices.Concat(s.list[:i], s.list[i+1:])
}

func (s *shelf) forget(t *thing) {
	for path, index := range s.unique {
		delete(index, strings.ToLower(text(at(t.data, path))))
	}
}

// seen is the object as a search finds it at a time; nil when it does not yet.
func (t *thing) seen(now time.Time) map[string]any {
	if now.Before(t.visible) {
		return t.before
	}
	return t.data
}

// at reads a dotted path; nil when there is nothing.
func at(data any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch v := data.(type) {
		case map[string]any:
			data = v[part]
		case []any:
			i, ok := index(part, len(v))
			if !ok {
				return nil
			}
			data = v[i]
		default:
			return nil
		}
	}
	return data
}

func index(part string, length int) (int, bool) {
	n := 0
	for i := range len(part) {
		if part[i] < '0' || part[i] > '9' || n > 1<<20 {
			return 0, false
		}
		n = n*10 + int(part[i]-'0')
	}
	return n, part != "" && n < length
}

// text writes a scalar as providers do in paths and forms; anything else is empty.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil, map[string]any, []any:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

// merge lays values over data without changing either.
func merge(data, values map[string]any) map[string]any {
	out := maps.Clone(data)
	if out == nil {
		out = map[string]any{}
	}
	for key, value := range values {
		below, isMap := value.(map[string]any)
		if old, ok := out[key].(map[string]any); ok && isMap {
			out[key] = merge(old, below)
		} else {
			out[key] = value
		}
	}
	return out
}

func clone(data map[string]any) map[string]any {
	out := make(map[string]any, len(data))
	for k, v := range data {
		out[k] = cloneValue(v)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return clone(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cloneValue(v[i])
		}
		return out
	default:
		return v
	}
}

func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, func(x, y any) bool { return same(x, y) })
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	default:
		switch b.(type) {
		case map[string]any, []any:
			return false
		}
		return a == b
	}
}
