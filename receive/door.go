package receive

import (
	"context"

	"waybill"
	"waybill/connector"
	"waybill/verify"
)

// Recorder keeps arrivals. When TakeIn returns without an error, the arrival is on stable storage. It gives arrival and
// items their ids, and may keep the arrival's slices.
type Recorder interface {
	TakeIn(ctx context.Context, a waybill.Arrival) (waybill.Receipt, error)
}

// Directory knows what is at an address.
type Directory interface {
	// Door returns what is at /in/{name}; NotFound when nothing of that name was ever there, or a person has retired it;
	// another error when it cannot be told now.
	Door(name string) (*Door, error)
}

// Door is one address that takes things in. It does not change once given out.
type Door struct {
	Name     string              // of the connection, or of the app whose one callback serves several connections
	Manifest *connector.Manifest // its Webhook is not nil
	Accounts []Account           // one for a connection; several for an app, of which each item names one
	// Scheme is how its senders prove themselves: verify.Scheme(Manifest.Webhook.Verify.Bind(Settings)).
	Scheme    verify.Scheme
	Settings  map[string]string          // of the connection, defaults filled in
	Secrets   map[string][]verify.Secret // by the manifest's names; several while one is being changed
	PublicURL string                     // https://hooks.example.test: what senders call; as the request says when empty
	// Environment is the one this process serves: offline, test or production.
	Environment string
	// Removed says that the workspace no longer has it: what comes is kept and waits for a person.
	Removed bool
	// MaxBody is how long a body may be, in bytes; 1 MiB when 0.
	MaxBody int64
}

// Account is one account a door takes things in for.
type Account struct {
	Connection string
	ID         string // empty while it is not pinned: then any is right
}

// defaultMaxBody is how long a body may be where nothing else is said.
const defaultMaxBody = 1 << 20

func (d *Door) maxBody() int64 {
	if d.MaxBody > 0 {
		return d.MaxBody
	}
	return defaultMaxBody
}
