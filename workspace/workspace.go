// Package workspace turns a folder of YAML into one checked, compiled, immutable Workspace.
//
// It promises: every fault of every file is reported at once with its place; a workspace that has a fault is never
// used; what it publishes (Content) is enough to compile the same workspace again on any node, later (FromBundle).
// It is handed a file system and reads no other; it must not know the book or HTTP.
package workspace

import (
	"io/fs"
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
	Environment string
	Zone        *time.Location
	Region      string
	Currency    string
	Owners      map[string]Owner
	Connections map[string]*Connection
	Flows       []*flow.Flow // by name
	Tables      map[string]*Table
	Catalogue   *catalogue.Catalogue
	Scenarios   []*Scenario
	Env         *expr.Env
	Bundle      waybill.BundleID
	Content     []byte // every file of it, and the manifests it used: what the book keeps
	Warnings    source.Faults
}

// Owner is a person or team that acts.
type Owner struct {
	Name  string
	Title string
	Email string
	Slack string
}

// Connection is one account at an outside system.
type Connection struct {
	Name       string
	Title      string
	Manifest   *connector.Manifest
	Translator *translate.Translator // nil when nothing comes in
	Account    string                // as written, empty: pinned at first use
	BaseURL    string
	Settings   map[string]string
	Secrets    map[string]string // the connector's secret name -> the name it is sealed under
	Limits     connector.Limits
	Private    []string // host:port it may reach though private
	Allow      []string // recipients it may write to outside production; nil: any
	File       string
	Line       int
}

// Table is a translation table.
type Table struct {
	Name      string
	Kept      string // git, desk
	Rows      map[string]string
	Keys      []string // in the order written
	Otherwise string   // a value, or refuse, ask
	File      string
}

// Lookup returns the value for key; ok is false when the table refuses or asks.
func (t *Table) Lookup(key string) (value string, ok bool) { panic("unwritten") }

// Options say for what a folder is loaded.
type Options struct {
	Environment string // offline, test, production
	Built       fs.FS  // the built-in connectors
}

// Load reads, checks and compiles a folder. With any error among the faults the workspace is nil.
func Load(fsys fs.FS, o Options) (*Workspace, source.Faults) { panic("unwritten") }

// FromBundle compiles what Content kept.
func FromBundle(content []byte, o Options) (*Workspace, error) { panic("unwritten") }

// Flow returns a flow by name, nil when there is none.
func (w *Workspace) Flow(name string) *flow.Flow { panic("unwritten") }

// Scenario is a test a builder wrote: given arrivals and scripted answers, expect effects.
type Scenario struct{ Name, File string }
