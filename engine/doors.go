package engine

import (
	"fmt"
	"sync"

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
	unknown map[string]waybill.BundleID // names that were looked for in vain, by the version that served then
}

// Doors returns the directory of this engine's addresses.
func (e *Engine) Doors(publicURL string) *Doors {
	return &Doors{e: e, PublicURL: publicURL, unknown: map[string]waybill.BundleID{}}
}

// Door returns what is at /in/{name}. A connection that was in an earlier workspace and no longer is keeps its door,
// marked as removed: what comes is kept for a person.
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
	err := d.e.view(func(tx *record.Tx) error {
		b, err := tx.Setting(doorSetting(name))
		old = waybill.BundleID(b)
		return err
	})
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

// maxUnknown bounds the names remembered as unknown; guessing names costs no more than a look at a map.
const maxUnknown = 4096

func (d *Doors) strange(version waybill.BundleID, name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unknown[name] == version
}

func (d *Doors) remember(version waybill.BundleID, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.unknown) >= maxUnknown {
		clear(d.unknown)
	}
	d.unknown[name] = version
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

func doorSetting(name string) string { return "door/" + name }

// noteDoors remembers in which workspace each connection that takes things in was last.
func noteDoors(tx *record.Tx, ws *workspace.Workspace) error {
	for name, c := range ws.Connections {
		if c.Manifest.Webhook == nil {
			continue
		}
		if err := tx.SetSetting(doorSetting(name), []byte(ws.Bundle)); err != nil {
			return err
		}
	}
	return nil
}
