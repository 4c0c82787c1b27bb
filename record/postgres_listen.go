package record

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"waybill"
)

// Nodes on one database tell each other of their commits, so that a page is redrawn and work is taken up at once. What is
// told is a hint: one that is lost costs the time until somebody looks at the tables anyway.

// gossip is what a store does besides that several programs write.
type gossip interface {
	// tell adds to the transaction of s what others hear of when it commits; it goes out with that.
	tell(s session, c change) error
	// hear calls heard for what others commit, until ctx ends.
	hear(ctx context.Context, heard func(change))
}

const (
	lookEvery   = 2 * time.Second // where nothing can be heard
	listenAgain = time.Second
)

// listenTo works out where to listen: a pooler that hands out connections by transaction cannot be listened through, so
// the server's own address may be given as listen=host:port, or whole.
func listenTo(config *pgconn.Config, address string) (*pgconn.Config, error) {
	if address == "" {
		address = config.RuntimeParams["listen"]
	}
	delete(config.RuntimeParams, "listen")
	if address == "" {
		return nil, nil
	}
	if isPostgres(address) {
		return pgconn.ParseConfig(address)
	}
	host, port, err := net.SplitHostPort(address)
	n, err2 := strconv.ParseUint(port, 10, 16)
	if err := errors.Join(err, err2); err != nil {
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: "the address to listen at for other nodes cannot be read", Err: err,
			Hint: "write it as host:port, or whole as postgres://…",
		}
	}
	direct := config.Copy()
	direct.Host, direct.Port, direct.Fallbacks = host, uint16(n), nil
	return direct, nil
}

// newVoice is a name by which a book knows its own notices again.
func newVoice() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// channel is where the nodes of one book talk: several may be in one database, each in a schema of its own.
func channel(schema string) string { return fmt.Sprintf("waybill_%x", uint64(hash8(schema))) }

func (s *postgresStore) tell(c session, what change) error {
	notice := s.voice + " " + strconv.FormatUint(uint64(what), 10)
	return c.(liner).later(false, "SELECT pg_notify($1, $2)", s.channel, notice) //nolint:forcetypeassert // the store's own session
}

// hear listens, or looks from time to time where it cannot.
func (s *postgresStore) hear(ctx context.Context, heard func(change)) {
	for ctx.Err() == nil {
		if s.listen != nil {
			_ = s.listenOnce(ctx, heard) // the writer meets the same trouble and says so
			heard(everyChanged)          // whatever was said meanwhile
			pause(ctx, listenAgain)
			continue
		}
		_ = s.look(ctx, heard)
		pause(ctx, lookEvery)
	}
}

func (s *postgresStore) listenOnce(ctx context.Context, heard func(change)) error {
	config := s.listen.Copy()
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		who, what, _ := strings.Cut(n.Payload, " ")
		bits, err := strconv.ParseUint(what, 10, 32)
		if err == nil && who != s.voice {
			heard(change(bits))
		}
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+s.channel).ReadAll(); err != nil {
		return err
	}
	for {
		if err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

// look compares the ends of the tables that grow with whatever happens.
func (s *postgresStore) look(ctx context.Context, heard func(change)) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	last := ""
	for ctx.Err() == nil {
		now := ""
		err := c.query(`SELECT (SELECT coalesce(max(seq), 0) FROM items), (SELECT coalesce(max(seq), 0) FROM events),
			(SELECT coalesce(max(seq), 0) FROM attempts)`, nil, func(r row) error {
			now = fmt.Sprint(r.num(0), r.num(1), r.num(2))
			return nil
		})
		if err != nil {
			return err
		}
		if last != "" && now != last {
			heard(everyChanged)
		}
		last = now
		pause(ctx, lookEvery)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
