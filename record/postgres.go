package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"waybill"
)

// oldestPostgres is the first version that is served: 14, as server_version_num counts.
const oldestPostgres = 140000

// Bounds of a connection to PostgreSQL. A write that waits longer for a row, or is held up longer in its middle, gives way:
// a node that stands still must not keep the others from their lanes.
const (
	dialWithin    = 10 * time.Second
	answersWithin = 60 * time.Second
	pingAfter     = time.Second
	lockWithin    = 10 * time.Second
	idleWithin    = 20 * time.Second
)

// postgresStore is a book in a PostgreSQL database. Nothing of it leans on the state of a session: every setting is local
// to its transaction and locks are rows, so a pooler that hands connections out by transaction will do.
type postgresStore struct {
	config         *pgconn.Config
	shown          string // the address without what is secret
	server         Server
	local          string         // the settings of a write transaction
	listen         *pgconn.Config // where other nodes are heard; nil when nowhere
	channel, voice string
	named          bool // connections are the server's own, so statements are prepared once by name
}

// isPostgres reports whether a dsn names a PostgreSQL database.
func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// openPostgres checks that the server may keep a book.
func openPostgres(ctx context.Context, dsn, listen string) (*postgresStore, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil { // its words hold the address, less the password
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: "the address of the database cannot be read", Err: err,
			Hint: "write it as postgres://user:password@host:5432/database?sslmode=verify-full",
		}
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "waybill"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = dialWithin
	}
	s := &postgresStore{config: config, shown: fmt.Sprintf("%s on %s", config.Database, config.Host), voice: newVoice()}
	if s.listen, err = listenTo(config, listen); err != nil {
		return nil, err
	}
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if s.server, err = c.about(); err != nil {
		err = unavailable("asking the database "+s.shown+" about itself", err)
	} else {
		err = s.server.fit(s.shown)
	}
	s.named = !s.server.Pooled
	s.channel = channel(s.server.Schema)
	if s.listen == nil && !s.server.Pooled {
		s.listen = config
	}
	s.local = settings(s.server)
	return s, errors.Join(err, c.close())
}

// Inspect returns what the server at a postgres:// address says of itself, and where it says so (without a password). An
// error says why a book cannot be kept there, beside what is known.
func Inspect(ctx context.Context, dsn string) (Server, string, error) {
	s, err := openPostgres(ctx, dsn, "")
	if s == nil {
		return Server{}, "", err
	}
	return s.server, s.shown, err
}

// Exists reports whether there is a book at dsn; it makes none.
func Exists(ctx context.Context, dsn string) (bool, error) {
	if !isPostgres(dsn) {
		path := strings.TrimPrefix(dsn, "sqlite:")
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	s, err := openPostgres(ctx, dsn, "")
	if err != nil {
		return false, err
	}
	c, err := s.dial(ctx)
	if err != nil {
		return false, err
	}
	found := false
	err = c.query("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'migrations'", nil,
		func(r row) error {
			found = r.num(0) > 0
			return nil
		})
	return found, errors.Join(err, c.close())
}

// settings makes a commit wait for stable storage (and for a standby where the server asks for more than that), whatever
// the role or an earlier user of the connection has set, and bounds how long a transaction may wait.
func settings(about Server) string {
	commit := "on"
	if about.SynchronousCommit == "remote_apply" {
		commit = "remote_apply"
	}
	var text strings.Builder
	fmt.Fprintf(&text, `SELECT set_config('synchronous_commit', '%s', true), set_config('lock_timeout', '%d', true),
		set_config('idle_in_transaction_session_timeout', '%d', true)`, commit, lockWithin.Milliseconds(), idleWithin.Milliseconds())
	for _, name := range about.Planner {
		text.WriteString(", set_config('" + name + "', 'off', true)")
	}
	return text.String()
}

func (s *postgresStore) dial(ctx context.Context) (*pgConn, error) {
	conn, err := pgconn.ConnectConfig(ctx, s.config)
	if err != nil {
		return nil, &waybill.Error{
			Kind: waybill.Unavailable, Message: "connecting to the database " + s.shown, Err: err,
			Hint: "is the address right, does the server run, and does it have that database and user? What was kept is there when it answers",
		}
	}
	h, err := conn.Hijack()
	if err != nil {
		return nil, unavailable("connecting to the database "+s.shown, err)
	}
	return &pgConn{
		conn: h.Conn, fe: h.Frontend, pid: h.PID, named: s.named, local: s.local, prepared: map[string]*pgStatement{},
		shapes: map[shapeKey]*shape{}, manyTexts: map[*shape]string{}, numbered: map[string]numbered{}, serials: map[string]*serials{},
		used: time.Now(),
	}, nil
}

func (s *postgresStore) writer(ctx context.Context) (session, error) { return s.connection(ctx) }
func (s *postgresStore) reader(ctx context.Context) (session, error) { return s.connection(ctx) }

func (s *postgresStore) connection(ctx context.Context) (session, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err // a nil session, not one that holds a nil connection
	}
	return c, nil
}

// ddl writes the migrations' words as PostgreSQL's. Texts are compared by their bytes, as ids and names are meant to be.
func (s *postgresStore) ddl(text string) string {
	return strings.NewReplacer(
		"SERIAL,", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,",
		"TEXT ", `TEXT COLLATE "C" `,
		"BYTES", "BYTEA",
		") NARROW;", ");",
	).Replace(text)
}

// hold lets one program at a time change the schema: nodes that start together wait here for the first. The lock is a row,
// which a pooler keeps with its transaction.
func (s *postgresStore) hold(c session) error {
	_, err := c.exec("INSERT INTO migrations (version, name, at) VALUES (0, 'held while the schema changes', 0) ON CONFLICT DO NOTHING")
	if err != nil {
		return err
	}
	return c.query("SELECT version FROM migrations WHERE version = 0 FOR UPDATE", nil, func(row) error { return nil })
}

func (s *postgresStore) shared() bool { return true }

// clock is the server's, which all nodes share.
func (s *postgresStore) clock() string {
	return "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
}

func (s *postgresStore) tend(session) {}
func (s *postgresStore) close() error { return nil }

// Server is what a PostgreSQL server says of itself, as far as a book depends on it. Settings that a compatible database
// does not know are empty.
type Server struct {
	Version           int    // server_version_num: 150008
	Fsync             string // on, or the server may lose what it acknowledged
	FullPageWrites    string
	SynchronousCommit string // of this role; every write of the book asks for at least on
	Standbys          string // synchronous_standby_names
	Encoding          string
	Standby           bool // it follows another server and cannot be written
	Pooled            bool // connections go through a pooler
	Schema            string
	Planner           []string // settings of the planner that writes are made without
	PID               uint32
}

// byKey are what a write does without: it finds its rows by their keys. A plan is kept for as long as a connection lives, and was
// made when the table may have been so small that reading all of it looked cheaper.
var byKey = []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"}

func (c *pgConn) about() (Server, error) {
	var s Server
	err := c.query(`SELECT current_setting('server_version_num'), coalesce(current_setting('fsync', true), ''),
		coalesce(current_setting('full_page_writes', true), ''), coalesce(current_setting('synchronous_commit', true), ''),
		coalesce(current_setting('synchronous_standby_names', true), ''), coalesce(current_setting('server_encoding', true), ''),
		CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END, pg_backend_pid(), current_schema()`, nil, func(r row) error {
		s = Server{
			Version: int(r.num(0)), Fsync: r.text(1), FullPageWrites: r.text(2), SynchronousCommit: r.text(3),
			Standbys: r.text(4), Encoding: r.text(5), Standby: r.num(6) != 0, PID: uint32(r.num(7)), Schema: r.text(8),
		}
		return nil
	})
	s.Pooled = err == nil && s.PID != c.pid // a pooler tells a pid of its own
	for _, name := range byKey {            // a compatible database may not know them
		if err == nil {
			err = c.query("SELECT coalesce(current_setting($1, true), '')", []any{name}, func(r row) error {
				if r.text(0) != "" {
					s.Planner = append(s.Planner, name)
				}
				return nil
			})
		}
	}
	return s, err
}

// fit refuses a server that would break the first promise: what was acknowledged is on stable storage.
func (s Server) fit(where string) error {
	refuse := func(message, hint string) error {
		return &waybill.Error{Kind: waybill.Invalid, Message: "the database " + where + " " + message, Hint: hint}
	}
	switch {
	case s.Version < oldestPostgres:
		return refuse(fmt.Sprintf("is PostgreSQL %d; a book needs 14 or newer", s.Version/10000), "move it to a newer server")
	case s.Fsync == "off":
		return refuse("has fsync off: a power cut could lose what was acknowledged, or the whole database",
			"set fsync = on in postgresql.conf and reload the server")
	case s.FullPageWrites == "off":
		return refuse("has full_page_writes off: a power cut could leave half-written pages",
			"set full_page_writes = on in postgresql.conf and reload the server")
	case s.Encoding != "" && s.Encoding != "UTF8":
		return refuse("is kept in "+s.Encoding+", which cannot hold every text", "create it with ENCODING 'UTF8' TEMPLATE template0")
	case s.Standby:
		return refuse("is a standby, which cannot be written", "name the primary, or all hosts with target_session_attrs=read-write")
	}
	return nil
}
