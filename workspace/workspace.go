// Package workspace turns a folder of YAML into one checked, compiled, immutable Workspace.
//
// It promises: every fault of every file is reported at once with its place; a workspace that has a fault is never
// used; what it publishes (Content) is enough to compile the same workspace again on any node, later (FromBundle).
// It is handed a file system and reads no other; it must not know the book or HTTP.
package workspace

import (
	"time"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
	"waybill/expr"
	"waybill/flow"
	"waybill/source"
	"waybill/translate"
)

// Workspace is one folder, compiled.
type Workspace struct {
	Name        string
	Title       string
	Environment string
	Zone        *time.Location
	Region      string
	Currency    string
	Holidays    []string // dates: 2027-01-26
	Calendar    flow.Calendar
	Retention   Retention
	Owners      map[string]Owner
	Approve     []waybill.ActionKind // kinds of write that nothing sends without a person's approval
	Connections map[string]*Connection
	Flows       []*flow.Flow // by name
	Tables      map[string]*Table
	Catalogue   *catalogue.Catalogue
	Tells       map[string][]string // the event types that a connection can tell
	Scenarios   []*Scenario         // by file and place; none when it was made from a bundle
	Env         *expr.Env
	Bundle      waybill.BundleID
	Content     []byte // every file of it, and the manifests it used: what the book keeps
	Warnings    source.Faults
}

// Retention says how long parts of the book are kept; zero is for ever. Keys are kept as long as the book, and so is
// whatever something open needs. What is told of a thing is never kept longer than the thing.
type Retention struct {
	Bodies     time.Duration // what was received, byte for byte
	Exchanges  time.Duration // requests and answers of effects and reads
	Journeys   time.Duration // items and events with their runs and effects, counted from the last that happened to them
	Rejections time.Duration // what was turned away: counts by hour, and samples
	Figures    time.Duration // counts by hour
	Audit      time.Duration // what people did
}

// DefaultRetention is what a workspace without `retention:` keeps.
func DefaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{Bodies: 400 * day, Exchanges: 400 * day, Journeys: 1100 * day, Rejections: 30 * day, Figures: 3660 * day}
}

// Owner is a person or team that acts.
type Owner struct {
	Name  string `yaml:"-"`
	Title string `yaml:"title"`
	Email string `yaml:"email"`
	Slack string `yaml:"slack"`
	// People are the names by which those sign in who answer for it.
	People []string `yaml:"people"`
}

// Connection is one account at an outside system.
type Connection struct {
	Name       string
	Title      string
	Manifest   *connector.Manifest
	Translator *translate.Translator // nil when nothing comes in
	Account    string                // as written, empty: pinned at first use
	BaseURL    string                // of this environment, settings filled in; empty when the manifest names none
	Settings   map[string]string     // with the manifest's defaults
	Secrets    map[string]string     // the connector's secret name -> the name it is sealed under
	Limits     connector.Limits
	Private    []string // host:port it may reach though private
	Allow      []string // recipients it may write to outside production; nil: any
	File       string
	Line       int
}

// System is what people call the outside system: HubSpot; for a connector that speaks to any system, the connection's own
// title.
func (c *Connection) System() string {
	if c.Title != "" && (c.Manifest.Name == "http" || c.Manifest.Name == "standard-webhooks") {
		return c.Title
	}
	return c.Manifest.Title
}

// Flow returns a flow by name, nil when there is none.
func (w *Workspace) Flow(name string) *flow.Flow {
	for _, f := range w.Flows {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// OwnerOf returns the person or team that answers for a flow; the zero Owner when it names none.
func (w *Workspace) OwnerOf(name string) Owner {
	if f := w.Flow(name); f != nil {
		return w.Owners[f.Owner]
	}
	return Owner{}
}
