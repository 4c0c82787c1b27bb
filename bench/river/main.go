// Command river is the service a team would write by hand instead of using Waybill: River on PostgreSQL, for `make bench`.
//
// It does the same work: a signed payment webhook comes in, its HMAC is checked, it is inserted as a job (as many in one
// transaction as wait for one) and only then acknowledged; 200 workers map the same fields and POST them on. It has no
// journeys, retries that people see, mapping language or protection against an effect that happens twice: it is the floor.
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

type payment struct {
	Body json.RawMessage `json:"body"`
}

// Kind names the job.
func (payment) Kind() string { return "payment" }

type webhook struct {
	Data struct {
		Object struct {
			ID       string  `json:"id"`
			Status   string  `json:"status"`
			Amount   int64   `json:"amount_received"`
			Currency string  `json:"currency"`
			Created  int64   `json:"created"`
			Email    *string `json:"receipt_email"`
		} `json:"object"`
	} `json:"data"`
}

type worker struct {
	river.WorkerDefaults[payment]
	sink   string
	client *http.Client
	states map[string]string
}

// Work maps a payment and sends it on.
func (w *worker) Work(ctx context.Context, job *river.Job[payment]) error {
	var in webhook
	if err := json.Unmarshal(job.Args.Body, &in); err != nil {
		return err
	}
	o := in.Data.Object
	state, ok := w.states[o.Status]
	if !ok {
		return fmt.Errorf("no word for the status %q", o.Status)
	}
	email := ""
	if o.Email != nil {
		email = *o.Email
	}
	out, err := json.Marshal(map[string]string{
		"payment": o.ID, "status": state, "amount": fmt.Sprintf("%d.%02d", o.Amount/100, o.Amount%100), "currency": strings.ToUpper(o.Currency),
		"created": time.Unix(o.Created, 0).UTC().Format(time.RFC3339), "email": email, "method": "unknown",
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.sink+"/first", bytes.NewReader(out))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := w.client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("answer %d", res.StatusCode)
	}
	return nil
}

// arrival waits for the commit of its group.
type arrival struct {
	body []byte
	done chan error
}

// group inserts what waits, at most 256 at once, and answers after the commit.
func group(ctx context.Context, c *river.Client[pgx.Tx], queue <-chan arrival) {
	for first := range queue {
		batch := []arrival{first}
		for more := true; more && len(batch) < 256; {
			select {
			case a := <-queue:
				batch = append(batch, a)
			default:
				more = false
			}
		}
		params := make([]river.InsertManyParams, len(batch))
		for i, a := range batch {
			params[i] = river.InsertManyParams{Args: payment{Body: a.body}}
		}
		_, err := c.InsertManyFast(ctx, params)
		for _, a := range batch {
			a.done <- err
		}
	}
}

func genuine(secret []byte, header string, body []byte) bool {
	at, rest, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(at + "."))
	mac.Write(body)
	want, err := hex.DecodeString(strings.TrimPrefix(rest, "v1="))
	return err == nil && hmac.Equal(mac.Sum(nil), want)
}

func serve(ctx context.Context, database, sink, secret string) error {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return err
	}
	config.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{
		sink: sink, states: map[string]string{"succeeded": "PAID", "failed": "FAILED", "pending": "OPEN", "authorized": "OPEN"},
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 200, MaxIdleConns: 200}},
	})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 200}}, Workers: workers,
		FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	queue := make(chan arrival, 1024)
	go group(ctx, client, queue)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /in/pay", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || !genuine([]byte(secret), r.Header.Get("Stripe-Signature"), body) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		a := arrival{body, make(chan error, 1)}
		queue <- a
		if err := <-a.done; err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	fmt.Printf("Dashboard  http://%s/\n", l.Addr())
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(stop)
	return client.StopAndCancel(stop)
}

func main() {
	database := flag.String("database", "", "postgres://...")
	sink := flag.String("sink", "", "where mapped payments go")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, *database, *sink, os.Getenv("RIVER_SECRET")); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}
