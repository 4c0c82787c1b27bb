package simulator

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"waybill"
	"waybill/connector"
)

// Clock is the time the world lives in.
type Clock interface {
	Now() time.Time
	// After has fn called once, d from now.
	After(d time.Duration, fn func())
}

// Sleeper is a Clock whose callers can wait; with one, slow answers in process take their time.
type Sleeper interface {
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Patience is how long a client in process waits for an answer when the clock is no Sleeper: what is slower times out.
const Patience = 30 * time.Second

// Options are what a world is made of.
type Options struct {
	Clock Clock      // required
	Rand  *rand.Rand // required: its seed decides every id and every chance
	// Ledger, when set, is told each effect that really happened, before the answer leaves.
	Ledger func(Entry)
	// Deliver, when set, takes a signed webhook to its receiver and returns the HTTP status it was answered with, 0 for
	// none. Anything but a 2xx is sent again after the waits the provider documents.
	Deliver func(context.Context, Webhook) int
	// Report, when set, is told of a webhook that could not be made: a fault of a simulate.yaml.
	Report func(error)
}

// Entry is one effect that happened at a provider.
type Entry struct {
	At         time.Time `json:"at"`
	Connection string    `json:"connection"`
	Action     string    `json:"action"`        // refund.create
	Did        string    `json:"did"`           // created, updated, unchanged, deleted
	Key        string    `json:"key,omitempty"` // our reference as the provider received it
	Type       string    `json:"type"`          // refund
	ID         string    `json:"id"`            // the provider's id
}

// Webhook is a request a provider sends, signed. URL is absolute: the address given to the provider.
type Webhook struct {
	Connection string
	Event      string // the event of simulate.yaml it was made from
	Method     string
	URL        string
	Header     http.Header
	Body       []byte
}

// ConnectionOptions are what the world needs to know of one connection beside its manifest.
type ConnectionOptions struct {
	Account  string            // the account's own id; empty: the block's
	Settings map[string]string // of the connection; the block's where one is missing
	BaseURL  string            // where it is called; empty: the manifest's
	URL      string            // the webhook address; empty: https://waybill.example/in/{connection}
	Lag      *time.Duration    // of searches; nil: what the block says of each type
}

// World is a set of simulated accounts. It is safe for concurrent use; calls are handled one after the other.
type World struct {
	mu       sync.Mutex
	options  Options
	rand     *rand.Rand // of the faults
	seed     uint64
	accounts map[string]*account
	script   []Fault
	storm    map[FaultKind]float64
	orders   int             // how many there were
	known    map[string]bool // the orders the other systems were told of, or deliberately not
	stopped  bool
}

// account is one simulated account. Its own source of randomness makes it independent of the others' traffic.
type account struct {
	name     string
	manifest *connector.Manifest
	sim      *connector.Simulate
	options  ConnectionOptions
	secrets  map[string]string
	texts    map[string]string // settings, with the manifest's defaults
	settings map[string]any    // the same, for expressions
	base     *url.URL          // where it is called; nil when nothing says
	rand     *rand.Rand
	seq      int64
	shelves  map[string]*shelf
	once     map[string]keptAnswer
}

// New returns an empty world.
func New(o Options) *World {
	return &World{
		options: o, seed: o.Rand.Uint64(), rand: rand.New(rand.NewPCG(o.Rand.Uint64(), 1)), // repeatable
		accounts: map[string]*account{}, storm: map[FaultKind]float64{}, known: map[string]bool{},
	}
}

// Add opens an account for a connection. secrets are the credentials the account accepts and signs with; Secrets makes
// some up. A connection that is there already is replaced and forgets everything.
func (w *World) Add(connection string, m *connector.Manifest, secrets map[string]string, o ConnectionOptions) error {
	a, err := newAccount(connection, m, secrets, o, w.seed)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accounts[connection] = a
	return nil
}

func newAccount(
	name string, m *connector.Manifest, secrets map[string]string, o ConnectionOptions, seed uint64,
) (*account, error) {
	if m.Simulate == nil {
		return nil, &waybill.Error{
			Kind:    waybill.Invalid,
			Message: fmt.Sprintf("the connector %s cannot be simulated: it has no simulate.yaml", m.Name),
			Hint:    "Write one beside its manifest, or use the provider's own test account (environment test).",
		}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	a := &account{
		name: name, manifest: m, sim: m.Simulate, options: o, secrets: secrets, settings: map[string]any{},
		texts:   m.Defaults(m.Played(o.Settings)),
		rand:    rand.New(rand.NewPCG(seed, h.Sum64())), // repeatable
		shelves: map[string]*shelf{}, once: map[string]keptAnswer{},
	}
	for k, v := range a.texts {
		a.settings[k] = v
	}
	if a.options.Account == "" {
		a.options.Account = connector.Fill(m.Simulate.Account, a.texts)
	}
	if a.options.URL == "" {
		a.options.URL = "https://waybill.example/in/" + name
	}
	if a.options.BaseURL == "" {
		a.options.BaseURL = m.Base("test", a.texts)
	}
	if a.options.BaseURL != "" {
		base, err := url.Parse(a.options.BaseURL)
		if err != nil {
			return nil, fmt.Errorf("simulate %s: %w", name, err)
		}
		a.base = base
	}
	for typ, object := range m.Simulate.Objects {
		a.shelves[typ] = newShelf(object)
	}
	return a, nil
}

// Secrets makes up the credentials of a simulated account, in the documented form and the same each time.
func Secrets(connection string, m *connector.Manifest) map[string]string {
	out := map[string]string{}
	if m.Simulate == nil {
		return out
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(m.Name + "/" + connection))
	source := rand.New(rand.NewPCG(h.Sum64(), 2)) // made up and of no worth
	for _, name := range slices.Sorted(maps.Keys(m.Simulate.Secrets)) {
		out[name] = expand(m.Simulate.Secrets[name], source, 0, time.Time{})
	}
	return out
}

// Connections lists the accounts by name.
func (w *World) Connections() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.accounts))
}

// Objects returns copies of what an account keeps of a type, in the order it was made.
func (w *World) Objects(connection, typ string) []map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.accounts[connection]
	if a == nil || a.shelves[typ] == nil {
		return nil
	}
	var out []map[string]any
	for _, t := range a.shelves[typ].list {
		out = append(out, clone(t.data))
	}
	return out
}

// Stop ends traffic and lets no further webhook leave.
func (w *World) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

func (w *World) account(connection string) (*account, error) {
	a := w.accounts[connection]
	if a == nil {
		return nil, &waybill.Error{
			Kind: waybill.NotFound, Message: fmt.Sprintf("no connection %q is simulated", connection),
			Hint: "Simulated are: " + strings.Join(slices.Sorted(maps.Keys(w.accounts)), ", ") + ".",
		}
	}
	return a, nil
}

// fresh makes a value of a pattern.
func (a *account) fresh(pattern string, now time.Time) string {
	a.seq++
	return expand(pattern, a.rand, a.seq, now)
}

// scope is what every expression sees, with nothing bound yet.
func (a *account) scope(now time.Time, vars map[string]any) map[string]any {
	ids := make(map[string]any, len(a.sim.IDs))
	for _, name := range slices.Sorted(maps.Keys(a.sim.IDs)) {
		ids[name] = a.fresh(a.sim.IDs[name], now)
	}
	all := map[string]any{}
	maps.Copy(all, a.sim.Vars)
	maps.Copy(all, vars)
	empty := map[string]any{}
	return map[string]any{
		"method": "", "path": empty, "query": empty, "headers": empty, "body": empty, "ids": ids, "id": "",
		"old": empty, "object": empty, "made": false, "item": empty, "page": empty, "vars": all,
		"settings": a.settings, "account": a.options.Account, "connection": a.name, "check": empty, "fault": empty,
		"now": map[string]any{
			"s": now.Unix(), "ms": now.UnixMilli(), "iso": now.UTC().Format("2006-01-02T15:04:05.000Z"),
		},
	}
}
