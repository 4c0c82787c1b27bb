package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"waybill"
	"waybill/deliver"
	"waybill/flow"
	"waybill/record"
	"waybill/source"
	"waybill/subject"
	"waybill/workspace"
)

// version is one published workspace as the engine uses it.
type version struct {
	id    waybill.BundleID
	ws    *workspace.Workspace
	flows map[string]*flow.Flow
	byOn  map[string][]*flow.Flow // event type -> the flows it may start
	// longest is the time limit of its longest call.
	longest time.Duration
}

func newVersion(id waybill.BundleID, ws *workspace.Workspace) *version {
	v := &version{id: id, ws: ws, flows: map[string]*flow.Flow{}, byOn: map[string][]*flow.Flow{}}
	for _, c := range ws.Connections {
		for _, a := range c.Manifest.Actions {
			v.longest = max(v.longest, deliver.TimeLimit(a))
		}
	}
	for _, f := range ws.Flows {
		v.flows[f.Name] = f
		for _, typ := range f.On {
			v.byOn[typ] = append(v.byOn[typ], f)
		}
	}
	return v
}

// flow is the one of a name, or the one that was called so before; nil when it is gone.
func (v *version) flow(name string) *flow.Flow {
	if f := v.flows[name]; f != nil {
		return f
	}
	i := slices.IndexFunc(v.ws.Flows, func(f *flow.Flow) bool { return f.WasCalled(name) })
	if i < 0 {
		return nil
	}
	return v.ws.Flows[i]
}

// Refused is why a workspace is not published: it does not fit what was published before.
type Refused struct{ Faults source.Faults }

func (r Refused) Error() string {
	return fmt.Sprintf("the workspace does not fit the version before it: %s", r.Faults[0])
}

// fits refuses a workspace in which something was renamed and nothing is said of it. One that was published before is taken back as
// it was: a rollback must not wait for an edit.
func (e *Engine) fits(ws *workspace.Workspace) error {
	var current waybill.BundleID
	known := false
	err := e.view(func(tx *record.Tx) (err error) {
		if current, err = tx.CurrentBundle(); err != nil || current == "" {
			return err
		}
		_, err = tx.Bundle(ws.Bundle)
		if known = err == nil; waybill.KindOf(err) == waybill.NotFound {
			err = nil
		}
		return err
	})
	if err != nil || current == "" || known {
		return err
	}
	before, err := e.version(nil, current)
	if err != nil {
		e.log.Warn("the version before cannot be read, so that renamed steps are not looked for", "err", err)
		return nil
	}
	if faults := flow.Unexplained(before.ws.Flows, ws.Flows); len(faults) > 0 {
		return Refused{faults}
	}
	return nil
}

// publish makes ws the book's current bundle, or takes the book's when ws is nil.
func (e *Engine) publish(ctx context.Context, ws *workspace.Workspace) error {
	var id waybill.BundleID
	if ws != nil {
		id = ws.Bundle
		if err := e.fits(ws); err != nil {
			return fmt.Errorf("publish the workspace: %w", err)
		}
		err := e.book.Do(ctx, func(tx *record.Tx) error {
			if err := tx.PublishBundle(ws.Bundle, ws.Content); err != nil {
				return err
			}
			if err := noteWaits(tx, ws); err != nil {
				return err
			}
			if err := noteSchedules(tx, ws); err != nil {
				return err
			}
			return noteConnections(tx, ws)
		})
		if err != nil {
			return fmt.Errorf("publish the workspace: %w", err)
		}
	} else if err := e.view(func(tx *record.Tx) (err error) { id, err = tx.CurrentBundle(); return err }); err != nil {
		return fmt.Errorf("find the book's workspace: %w", err)
	}
	if ws == nil {
		_, err := e.version(nil, id)
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.current = e.versions[id]
		e.mu.Unlock()
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current = e.learn(newVersion(id, ws))
	return nil
}

// enter makes this process serve: it joins the nodes of the book, where there are several, and publishes its workspace or
// takes the book's.
func (e *Engine) enter(ctx context.Context) error {
	ws := e.o.Workspace
	if e.member == nil {
		return e.publish(ctx, ws)
	}
	if ws == nil { // the lease is as long as its calls are
		if err := e.publish(ctx, nil); err != nil {
			return err
		}
	}
	if err := e.join(ctx); err != nil || ws == nil {
		return err
	}
	publishes, err := e.publishes(ws)
	if err != nil {
		return fmt.Errorf("look at the book's workspace: %w", err)
	}
	if publishes {
		return e.publish(ctx, ws)
	}
	e.log.Warn("the nodes of this book serve another version of the workspace; this one was published before and is not taken back to: publish it anew by changing a file of it")
	return e.publish(ctx, nil)
}

// Reload publishes another workspace. Runs under way finish on theirs.
func (e *Engine) Reload(ctx context.Context, ws *workspace.Workspace) error {
	return e.publish(ctx, ws)
}

// now returns the version that serves today.
func (e *Engine) today() *version {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

// Workspace returns the workspace that serves today.
func (e *Engine) Workspace() *workspace.Workspace { return e.today().ws }

// version returns a published version, compiling it from the book when this process has not yet. tx is the transaction
// under way, nil outside of one.
func (e *Engine) version(tx *record.Tx, id waybill.BundleID) (*version, error) {
	e.mu.Lock()
	v := e.versions[id]
	e.mu.Unlock()
	if v != nil {
		return v, nil
	}
	var content []byte
	read := func(tx *record.Tx) (err error) { content, err = tx.Bundle(id); return err }
	var err error
	if tx != nil {
		err = read(tx)
	} else {
		err = e.view(read)
	}
	if err != nil {
		return nil, fmt.Errorf("read the workspace %.12s: %w", id, err)
	}
	ws, err := e.o.Load(content)
	if err != nil {
		return nil, fmt.Errorf("compile the workspace %.12s: %w", id, err)
	}
	v = newVersion(id, ws)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.learn(v), nil
}

// target is a connection as deliver sees it: credentials, limits and addresses are always today's.
func (e *Engine) target(name string) (*deliver.Target, bool) {
	c := e.today().ws.Connections[name]
	if c == nil {
		return nil, false
	}
	account := e.account(name)
	if account == "" {
		account = c.Name
	}
	return &deliver.Target{
		Connection: c.Name, Account: account, Manifest: c.Manifest, BaseURL: c.BaseURL,
		Settings: c.Settings, Private: c.Private, Limits: c.Limits,
		Secret: func(secret string) (string, bool) {
			sealed, ok := c.Secrets[secret]
			if !ok {
				return "", false
			}
			value, err := e.o.Secret(sealed)
			return value, err == nil
		},
	}, true
}

// keep seals what took the place of a connection's secret, under the name that the workspace gives it.
func (e *Engine) keep(connection, secret, value string) error {
	if c := e.today().ws.Connections[connection]; c != nil && c.Secrets[secret] != "" {
		return e.o.Keep(c.Secrets[secret], value)
	}
	return &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("the connection %q has no secret %q in the workspace", connection, secret)}
}

// reads is what expressions may read of the book within a step's transaction.
type reads struct {
	tx *record.Tx
	ws *workspace.Workspace
	b  *begun
}

func readsOf(tx *record.Tx, b *begun) reads { return reads{tx, b.version.ws, b} }

// outside is what expressions may read without a transaction: the rows that git keeps, which are the same for every
// transaction of a version. Whatever else they ask for sets missed, and the machine runs again inside the transaction.
type outside struct {
	ws     *workspace.Workspace
	missed bool
}

// errInside says that the book is needed.
var errInside = errors.New("needs the book")

// Table looks a row of git up.
func (o *outside) Table(name, key string) (string, bool, error) {
	t := o.ws.Tables[name]
	if t == nil {
		return "", false, fmt.Errorf("no table %q", name)
	}
	if value, ok := t.Rows[key]; ok {
		return value, true, nil
	}
	o.missed = true
	return "", false, errInside
}

// Pairing needs the book.
func (o *outside) Pairing(string, string, string, string) (string, bool, error) {
	o.missed = true
	return "", false, errInside
}

// Current needs the book.
func (o *outside) Current() (map[string]any, error) {
	o.missed = true
	return nil, errInside
}

// Current gives the run's object as its newest fact has it, laid over what the run began with; nil when nothing newer was
// told.
func (r reads) Current() (map[string]any, error) {
	k, ok := aboutKey(r.b.version, r.b.event, r.b.data)
	if !ok {
		return nil, nil
	}
	id, err := r.tx.Newest(k)
	if err != nil || id == "" || id == r.b.event.ID {
		return nil, err
	}
	ev, err := r.tx.Event(id)
	if err != nil {
		return nil, err
	}
	data, err := decodeMap(ev.Data)
	if err != nil {
		return nil, fmt.Errorf("read the event %s: %w", id, err)
	}
	return subject.Lay(r.b.data, data), nil
}

// Table looks a value up: a row in git first, then one an operator added at the desk.
func (r reads) Table(name, key string) (string, bool, error) {
	t := r.ws.Tables[name]
	if t == nil {
		return "", false, fmt.Errorf("no table %q", name)
	}
	if value, ok := t.Rows[key]; ok {
		return value, true, nil
	}
	value, ok, err := r.tx.DeskValue(name, key)
	if err != nil || ok {
		return value, ok, err
	}
	value, ok = t.Lookup(key)
	return value, ok, nil
}

// Pairing finds an object's id in another system.
func (r reads) Pairing(typ, from, id, to string) (string, bool, error) {
	return r.tx.PairedID(typ, from, id, to)
}
