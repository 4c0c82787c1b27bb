package engine

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"waybill"
	"waybill/receive"
	"waybill/record"
	"waybill/verify"
	"waybill/workspace"
)

// Doors gives receive what is at each address. PublicURL is what the senders' addresses begin with.
type Doors struct {
	e         *Engine
	PublicURL string

	mu      sync.Mutex
	unknown map[string]vain // names that were looked for in vain
}

// vain is a look for a name that found nothing: in which version, and until when that is believed.
type vain struct {
	version waybill.BundleID
	until   time.Time
}

// Doors returns the directory of this engine's addresses.
func (e *Engine) Doors(publicURL string) *Doors {
	return &Doors{e: e, PublicURL: publicURL, unknown: map[string]vain{}}
}

// Door returns what is at /in/{name}. A connection that was in an earlier workspace and no longer is keeps its door,
// marked as removed: what comes is kept for a person, until one retires it.
// NotFound when there is none; another error when it cannot be told now, for a sender that is turned away for good may
// never come back.
func (d *Doors) Door(name string) (*receive.Door, error) {
	v := d.e.today()
	if c := v.ws.Connections[name]; c != nil {
		return d.open(c, false)
	}
	if d.strange(v.id, name) {
		return nil, noDoor(name)
	}
	var old waybill.BundleID
	err := d.e.view(func(tx *record.Tx) (err error) { old, err = tx.LastBundleWith(name); return err })
	if err != nil {
		return nil, err
	}
	if old == "" {
		d.remember(v.id, name)
		return nil, noDoor(name)
	}
	before, err := d.e.version(nil, old)
	if err != nil {
		return nil, fmt.Errorf("the workspace that had the removed connection %s cannot be compiled: %w", name, err)
	}
	c := before.ws.Connections[name]
	if c == nil {
		return nil, noDoor(name)
	}
	return d.open(c, true)
}

func noDoor(name string) error {
	return &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("nothing is taken in for %q", name)}
}

// Names that were looked for in vain are remembered, so that guessing costs no more than a look at a map: so many, and for so
// short a time that a connection which came and went meanwhile, here or by another node's doing, is not missed for long.
const (
	maxUnknown = 4096
	inVain     = 2 * time.Second
)

func (d *Doors) strange(version waybill.BundleID, name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.unknown[name]
	return ok && v.version == version && d.e.d.Now().Before(v.until)
}

func (d *Doors) remember(version waybill.BundleID, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.unknown) >= maxUnknown {
		clear(d.unknown)
	}
	d.unknown[name] = vain{version, d.e.d.Now().Add(inVain)}
}

func (d *Doors) open(c *workspace.Connection, removed bool) (*receive.Door, error) {
	if c.Manifest.Webhook == nil {
		return nil, noDoor(c.Name)
	}
	e := d.e
	settings := c.Manifest.Defaults(c.Settings)
	door := &receive.Door{
		Name: c.Name, Manifest: c.Manifest, Settings: settings, Accounts: []receive.Account{{Connection: c.Name, ID: e.account(c.Name)}},
		Secrets: map[string][]verify.Secret{}, PublicURL: d.PublicURL, Environment: e.o.Environment, Removed: removed,
	}
	door.Scheme = verify.Scheme(c.Manifest.Webhook.Verify.Bind(settings))
	for name, sealed := range c.Secrets {
		for _, form := range []string{sealed, sealed + PreviousSecret} {
			value, err := e.o.Secret(form)
			if err == nil {
				door.Secrets[name] = append(door.Secrets[name], verify.Secret(value))
			} else if waybill.KindOf(err) != waybill.NotFound {
				return nil, fmt.Errorf("the secret %s cannot be read: %w", form, err)
			}
		}
	}
	return door, nil
}

// SecretsOf is Options.Secret over secrets in memory.
func SecretsOf(values map[string]string) func(name string) (string, error) {
	return func(name string) (string, error) {
		if value, ok := values[name]; ok {
			return value, nil
		}
		return "", &waybill.Error{Kind: waybill.NotFound, Message: "no secret " + name + " is sealed"}
	}
}

// PreviousSecret is what the name of a secret that is being changed ends in: its old value still proves senders.
const PreviousSecret = ".previous"

// noteConnections remembers which connections are in a workspace that is published.
func noteConnections(tx *record.Tx, ws *workspace.Workspace) error {
	for _, name := range slices.Sorted(maps.Keys(ws.Connections)) {
		if err := tx.NoteConnection(name, ws.Bundle); err != nil {
			return err
		}
	}
	return nil
}
