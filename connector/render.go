package connector

import (
	"bytes"
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/expr"
)

// Call is what an action's call is rendered from.
type Call struct {
	Base     string // the address of the API; see Base
	Input    map[string]any
	Settings map[string]string // with defaults filled in
	Key      string            // our reference; empty for a read
	Planned  time.Time         // when the effect was planned, for providers that demand a time of ours
}

// Render gives the request of an action, whole and without credentials: signing in is left to whoever sends it. The
// same call always gives the same bytes.
func (m *Manifest) Render(a *Action, c Call) (waybill.Request, error) {
	vars := c.vars()
	req := waybill.Request{Method: a.Request.Method}
	path, err := a.Request.Path.Eval(vars, nil)
	if err != nil {
		return req, fmt.Errorf("render the address of %s: %w", a.Name, err)
	}
	if req.URL, err = a.Request.address(c.Base, AsText(path)); err != nil {
		return req, fmt.Errorf("render the address of %s: %w", a.Name, err)
	}
	query, err := render(a.Request.Query, vars)
	if err != nil {
		return req, fmt.Errorf("render the query of %s: %w", a.Name, err)
	}
	if len(query) > 0 {
		values := make([]string, len(query))
		for i, q := range query {
			values[i] = url.QueryEscape(q.Name) + "=" + url.QueryEscape(q.Value)
		}
		req.URL += "?" + strings.Join(values, "&")
	}
	for _, list := range [][]NamedTemplate{m.Headers, a.Request.Headers} {
		headers, err := render(list, vars)
		if err != nil {
			return req, fmt.Errorf("render the headers of %s: %w", a.Name, err)
		}
		req.Headers = append(req.Headers, headers...)
	}
	if a.Key.Header != "" && c.Key != "" {
		req.Headers = append(req.Headers, waybill.Header{Name: a.Key.Header, Value: c.Key})
	}
	kind, body, err := a.Request.body(vars)
	if err != nil {
		return req, fmt.Errorf("render the body of %s: %w", a.Name, err)
	}
	if kind != "" {
		req.Headers = append(req.Headers, waybill.Header{Name: "Content-Type", Value: kind})
		req.Body = body
	}
	return req, nil
}

func (c Call) vars() map[string]any {
	input := c.Input
	if input == nil {
		input = map[string]any{}
	}
	return map[string]any{
		"input": input, "settings": c.Settings, "key": c.Key,
		"planned_at": c.Planned.UTC().Format(time.RFC3339),
	}
}

// ObjectOf says what a call is about: the key from its inputs and, once there is an answer, the id from its output.
func (a *Action) ObjectOf(c Call, output any) waybill.Object {
	vars := c.vars()
	o := waybill.Object{Type: a.Object.Type, Key: text(a.Object.Key, vars)}
	if output != nil {
		vars["output"] = output
		o.ID = text(a.Object.ID, vars)
	}
	return o
}

// LookInputs gives the inputs of the look-up that settles a doubt about a call.
func (l *LookupRule) LookInputs(c Call) (map[string]any, error) { return inputs(l.With, c.vars()) }

// Matches says whether what the look-up found is what the call wrote.
func (l *LookupRule) Matches(c Call, output any) (bool, error) {
	vars := c.vars()
	vars["output"] = output
	if output == nil {
		vars["output"] = map[string]any{}
	}
	return l.Match.Bool(vars, nil)
}

// ReadInputs gives the inputs of the read whose output is kept before a write, so that it can be put back.
func (u *UndoRule) ReadInputs(c Call) (map[string]any, error) { return inputs(u.With, c.vars()) }

// DoInputs gives the inputs of the action that undoes a call which answered with output.
func (u *UndoRule) DoInputs(c Call, output any) (map[string]any, error) {
	vars := c.vars()
	if vars["output"] = output; output == nil {
		vars["output"] = map[string]any{}
	}
	return inputs(u.With, vars)
}

// BackInputs gives the inputs that put back what was there before a call.
func (u *UndoRule) BackInputs(c Call, before any) (map[string]any, error) {
	vars := c.vars()
	if vars["before"] = before; before == nil {
		vars["before"] = map[string]any{}
	}
	return inputs(u.Back, vars)
}

func inputs(o *expr.Object, vars map[string]any) (map[string]any, error) {
	if o == nil {
		return map[string]any{}, nil
	}
	value, err := o.Eval(vars, nil)
	if err != nil {
		return nil, err
	}
	out, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("inputs are a group of fields, not %T", value)
	}
	return out, nil
}

// address joins the base and a path. A path that only turned out to be another address is refused: data must not choose
// whom our credentials go to.
func (r *RequestRule) address(base, path string) (string, error) {
	if r.Whole {
		return path, nil
	}
	if u, err := url.Parse(path); err != nil || u.Host != "" || u.Scheme != "" {
		return "", &waybill.Error{
			Kind: waybill.Invalid, Message: "the path is no path but an address of its own",
			Hint: "Give the path below the connection's base address, such as /orders.",
		}
	}
	if path == "" {
		return base, nil
	}
	return strings.TrimSuffix(base, "/") + "/" + strings.TrimPrefix(path, "/"), nil
}

func render(list []NamedTemplate, vars map[string]any) ([]waybill.Header, error) {
	var out []waybill.Header
	for _, entry := range list {
		value, err := entry.Value.Eval(vars, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name, err)
		}
		if value == nil || value == expr.Absent {
			continue
		}
		out = append(out, waybill.Header{Name: entry.Name, Value: AsText(value)})
	}
	return out, nil
}

func (r *RequestRule) body(vars map[string]any) (kind string, body []byte, err error) {
	var value any
	switch {
	case r.Form != nil:
		kind = "application/x-www-form-urlencoded"
		value, err = r.Form.Eval(vars, nil)
	case r.JSON != nil:
		kind = "application/json"
		value, err = r.JSON.Eval(vars, nil)
	case r.Text != nil:
		kind = "text/plain; charset=utf-8"
		value, err = r.Text.Eval(vars, nil)
	default:
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	for _, rule := range r.Merge {
		extra, err := rule.Value.Eval(vars, nil)
		if err != nil {
			return "", nil, err
		}
		if err := mergeAt(value, rule.At, extra); err != nil {
			return "", nil, err
		}
	}
	switch {
	case r.Form != nil:
		return kind, formBody(value), nil
	case r.JSON != nil:
		body, err = expr.EncodeJSON(value)
		return kind, body, err
	default:
		return kind, []byte(AsText(value)), nil
	}
}

// mergeAt lays entries under an object of a rendered body; what is there already wins.
func mergeAt(body any, pointer string, extra any) error {
	entries, ok := extra.(map[string]any)
	if !ok {
		return nil // absent: nothing to add
	}
	at, found := At(body, pointer)
	object, ok := at.(map[string]any)
	if !found || !ok {
		return fmt.Errorf("there is no object at %s to merge into", pointer)
	}
	for name, value := range entries {
		if _, taken := object[name]; !taken {
			object[name] = value
		}
	}
	return nil
}

// formBody writes application/x-www-form-urlencoded with bracket nesting, names sorted: metadata[order_id]=SO-1001.
func formBody(value any) []byte {
	var out bytes.Buffer
	writeForm(&out, "", value)
	return out.Bytes()
}

func writeForm(out *bytes.Buffer, name string, value any) {
	switch value := value.(type) {
	case map[string]any:
		names := make([]string, 0, len(value))
		for n := range value {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, n := range names {
			inner := n
			if name != "" {
				inner = name + "[" + n + "]"
			}
			writeForm(out, inner, value[n])
		}
	case []any:
		for i, item := range value {
			writeForm(out, name+"["+strconv.Itoa(i)+"]", item)
		}
	case nil:
	default:
		if out.Len() > 0 {
			out.WriteByte('&')
		}
		out.WriteString(formName(name))
		out.WriteByte('=')
		out.WriteString(url.QueryEscape(AsText(value)))
	}
}

// formName escapes a name but keeps its brackets readable, as the providers document them.
func formName(name string) string {
	return strings.NewReplacer("%5B", "[", "%5D", "]").Replace(url.QueryEscape(name))
}
