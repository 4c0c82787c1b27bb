package show

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"waybill"
)

// Reader is what the pages read. *record.Book satisfies it.
type Reader interface {
	Overview(ctx context.Context, since time.Time) (*waybill.Overview, error)
	Events(ctx context.Context, f waybill.EventFilter) (rows []waybill.EventRow, next string, err error)
	Journey(ctx context.Context, id string) (*waybill.Journey, error)
	Problems(ctx context.Context, f waybill.ListFilter) ([]waybill.Problem, string, error)
	Problem(ctx context.Context, id waybill.ProblemID) (*waybill.ProblemView, error)
	Rejections(ctx context.Context, f waybill.ListFilter) ([]waybill.Rejection, string, error)
	Connections(ctx context.Context) ([]waybill.ConnectionFigures, error)
}

// Lists are the plain lists. *record.Book satisfies it.
type Lists interface {
	Items(ctx context.Context, f waybill.ListFilter) ([]waybill.Item, string, error)
	Runs(ctx context.Context, f waybill.ListFilter) ([]waybill.Run, string, error)
	Effects(ctx context.Context, f waybill.ListFilter) ([]waybill.Effect, string, error)
	Asks(ctx context.Context, f waybill.ListFilter) ([]waybill.Question, string, error)
	AuditLog(ctx context.Context, f waybill.ListFilter) ([]waybill.Audited, string, error)
}

// Nodes tells which processes work on the book. *record.Book satisfies it.
type Nodes interface {
	// NodesSeen lists them; held asks for what each has in hand, too, which is counted.
	NodesSeen(ctx context.Context, held bool) ([]waybill.Node, error)
}

// Desk is where people act.
type Desk interface {
	// Choices lists the buttons for an item, run, effect, problem or connection, the advised one marked Primary. An
	// object for which nothing can be done has none.
	Choices(ctx context.Context, object string) ([]waybill.Choice, error)
	// Act does it and returns a sentence of what happened.
	Act(ctx context.Context, a waybill.Act) (string, error)
}

// Store keeps sessions, links, people and tokens: small named values. A value never written is nil without an error.
type Store interface {
	Setting(ctx context.Context, name string) ([]byte, error)
	// Swap writes what stands now where what was still stands: all of it or nothing. False says that another was first with one of
	// them, and nothing was written.
	Swap(ctx context.Context, list []Swap) (bool, error)
}

// Swap is a small named value, as it was found and as it shall be; nil is none.
type Swap struct {
	Name     string
	Was, Now []byte
}

// Changes tells what kinds of thing changed ("event", "run", "effect", "problem", "connection", "item", "rejection", "job").
// *record.Book satisfies it.
type Changes interface {
	Watch() (<-chan []string, func())
}

// Options are what a dashboard is made of.
type Options struct {
	Reader Reader
	Lists  Lists
	Desk   Desk
	// Jobs is where bulk work is planned and let go; nil serves none of it.
	Jobs Jobs
	// Persons is where one person is found, exported and erased; nil serves none of it.
	Persons Persons
	Names   Names
	Store   Store
	Changes Changes
	// Nodes are those that work on the book; nil where one process has it to itself.
	Nodes Nodes
	// Auto signs in whoever comes from this very machine, as an admin. For the demo only.
	Auto bool
	// PublicURL is how people reach the dashboard. With https the session cookie is for this host and TLS only.
	PublicURL string
	// Ready says whether the process can do its work; nil is always ready.
	Ready func(context.Context) error
	// Paused says why nothing is sent by this whole process, empty when it sends; nil: it does.
	Paused func() string
	// Metrics answers /metrics; nil serves none.
	Metrics http.Handler
	// Now is the time; time.Now when nil.
	Now func() time.Time
	// Random is where links and sessions come from; crypto/rand when nil.
	Random io.Reader
	// Log takes what goes wrong on our side; discarded when nil.
	Log *slog.Logger
}

// Server is the dashboard, the JSON API, health and metrics. It is safe for concurrent use.
type Server struct {
	reader  Reader
	lists   Lists
	desk    Desk
	jobs    Jobs
	persons Persons
	nodes   Nodes
	names   Names
	changes Changes
	access  *Access
	ready   func(context.Context) error
	paused  func() string
	metrics http.Handler
	now     func() time.Time
	log     *slog.Logger
	https   bool

	pages   pages
	files   *files
	api     *api
	handler http.Handler
	stop    chan struct{}
	stopped sync.Once
	streams chan struct{} // one place for each live page
}

// New makes a dashboard. It fails only when the program was built wrong: a template or file is broken.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	https := strings.HasPrefix(o.PublicURL, "https://")
	s := &Server{
		reader: o.Reader, lists: o.Lists, desk: o.Desk, jobs: o.Jobs, persons: o.Persons, nodes: o.Nodes, names: &remembered{Names: o.Names}, changes: o.Changes,
		access: newAccess(o, https), ready: o.Ready, paused: o.Paused, metrics: o.Metrics, now: o.Now, log: o.Log, https: https,
		stop: make(chan struct{}), streams: make(chan struct{}, maxStreams),
	}
	var err error
	if s.files, err = loadFiles(); err != nil {
		return nil, err
	}
	if s.pages, err = s.loadPages(); err != nil {
		return nil, err
	}
	s.api = s.newAPI()
	s.handler = s.serve()
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Access is where links and tokens are made.
func (s *Server) Access() *Access { return s.access }

// Stop ends the live streams, so that an http.Server can shut down: give it to RegisterOnShutdown.
func (s *Server) Stop() { s.stopped.Do(func() { close(s.stop) }) }
