package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// sink is the receiving end: it answers at once and notes when each payment arrived, and how often.
type sink struct {
	address string
	server  *http.Server
	mu      sync.Mutex
	seen    map[string]int
	at      map[string]time.Time
	first   time.Time
	last    time.Time
	unique  map[string]int // by path
	doubled map[string]int
	hang    time.Duration // how long each answer takes
}

func newSink() (*sink, error) {
	s := &sink{address: "127.0.0.1:0", seen: map[string]int{}, at: map[string]time.Time{}, unique: map[string]int{}, doubled: map[string]int{}}
	return s, s.open()
}

// open listens; again at the same address after close.
func (s *sink) open() error {
	l, err := net.Listen("tcp", s.address) //nolint:noctx // for the length of the program
	if err != nil {
		return err
	}
	s.address = l.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.server.Serve(l) }() // it ends with the run
	return nil
}

func (s *sink) close() { _ = s.server.Close() }

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a broken one does not count
	if s.hang > 0 {
		select {
		case <-time.After(s.hang):
		case <-r.Context().Done():
			return
		}
	}
	now := time.Now()
	id := paymentID(body)
	s.mu.Lock()
	if s.seen[r.URL.Path+id]++; s.seen[r.URL.Path+id] == 1 {
		s.unique[r.URL.Path]++
	} else {
		s.doubled[r.URL.Path]++
	}
	if s.first.IsZero() {
		s.first = now
	}
	if _, ok := s.at[id]; !ok || r.URL.Path == "/second" {
		s.at[id] = now
	}
	s.last = now
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// paymentID reads the payment's id from what was sent.
func paymentID(body []byte) string {
	const mark = `"payment":"`
	_, rest, _ := bytes.Cut(body, []byte(mark))
	id, _, ended := bytes.Cut(rest, []byte{'"'})
	if !ended {
		return ""
	}
	return string(id)
}

func (s *sink) count(path string) (unique, doubled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unique[path], s.doubled[path]
}

// signer makes signed payment webhooks, each of its own.
type signer struct {
	secret []byte
	prefix string
	next   int
}

// body is a payment_intent.succeeded of about 1.6 KB. It names no order: with one it would be two facts, the payment and
// the paid order, and the work is stated for one.
func (g *signer) body(i int) []byte {
	return fmt.Appendf(nil, `{"id":"evt_%[1]s_%[2]d","object":"event","api_version":"2026-09-30.endive","created":%[3]d,"livemode":false,"pending_webhooks":1,"request":{"id":"req_%[2]d","idempotency_key":null},"type":"payment_intent.succeeded","data":{"object":{"id":"pi_%[1]s_%[2]d","object":"payment_intent","amount":%[4]d,"amount_capturable":0,"amount_details":{"tip":{}},"amount_received":%[4]d,"application":null,"application_fee_amount":null,"automatic_payment_methods":{"allow_redirects":"always","enabled":true},"canceled_at":null,"cancellation_reason":null,"capture_method":"automatic","client_secret":null,"confirmation_method":"automatic","created":%[3]d,"currency":"inr","customer":"cus_%[2]d","description":"Order SO-%[2]d","invoice":null,"last_payment_error":null,"latest_charge":"ch_%[2]d","livemode":false,"metadata":{"basket":"B-%[2]d","channel":"web","campaign":"autumn","sales_person":"none","note":"a note of some length that stands for what shops put here"},"next_action":null,"on_behalf_of":null,"payment_method":"pm_%[2]d","payment_method_options":{"card":{"installments":null,"mandate_options":null,"network":null,"request_three_d_secure":"automatic"}},"payment_method_types":["card"],"processing":null,"receipt_email":"asha%[2]d@example.com","review":null,"setup_future_usage":null,"shipping":{"address":{"city":"Bengaluru","country":"IN","line1":"1 MG Road","line2":null,"postal_code":"560001","state":"KA"},"carrier":null,"name":"Asha K","phone":"+9198%08[2]d","tracking_number":null},"source":null,"statement_descriptor":null,"statement_descriptor_suffix":null,"status":"succeeded","transfer_data":null,"transfer_group":null}}}`,
		g.prefix, i, time.Now().Unix(), 100_000+i)
}

func (g *signer) request(ctx context.Context, url string, i int) (*http.Request, error) {
	body := g.body(i)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, g.secret)
	mac.Write([]byte(ts))
	mac.Write([]byte{'.'})
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Stripe-Signature", "t="+ts+",v1="+hex.EncodeToString(mac.Sum(nil)))
	return req, nil
}

// sent is what the generator notes of its requests.
type sent struct {
	start, end time.Time
	acks       []time.Duration
	at         map[string]time.Time // payment -> when its request began
	failed     int
}

func client(connections int) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}}
}

// asFastAs sends n requests over so many connections, numbered from the generator's next.
func asFastAs(ctx context.Context, g *signer, url string, n, connections int) (*sent, error) {
	from := g.next
	g.next += n
	c := client(connections)
	defer c.CloseIdleConnections()
	out := &sent{at: make(map[string]time.Time, n), start: time.Now()}
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	var failure atomic.Pointer[error]
	for range connections {
		wg.Go(func() {
			var acks []time.Duration
			at := map[string]time.Time{}
			failed := 0
			for {
				i := from + int(next.Add(1)) - 1
				if i >= from+n {
					break
				}
				began := time.Now()
				ok, err := post(ctx, c, g, url, i)
				if err != nil {
					failure.Store(&err)
					break
				}
				if !ok {
					failed++
					continue
				}
				acks = append(acks, time.Since(began))
				at[fmt.Sprintf("pi_%s_%d", g.prefix, i)] = began
			}
			mu.Lock()
			defer mu.Unlock()
			out.acks = append(out.acks, acks...)
			out.failed += failed
			maps.Copy(out.at, at)
		})
	}
	wg.Wait()
	out.end = time.Now()
	if err := failure.Load(); err != nil {
		return nil, *err
	}
	return out, nil
}

func post(ctx context.Context, c *http.Client, g *signer, url string, i int) (bool, error) {
	req, err := g.request(ctx, url, i)
	if err != nil {
		return false, err
	}
	res, err := c.Do(req)
	if err != nil {
		return false, err
	}
	_, _ = io.Copy(io.Discard, res.Body) // the status is what counts
	_ = res.Body.Close()
	return res.StatusCode < 300, nil
}

// atRate sends at a fixed rate, whatever the answers do, so that stalls are not hidden.
func atRate(ctx context.Context, g *signer, url string, rate int, length time.Duration) (*sent, error) {
	c := client(256)
	defer c.CloseIdleConnections()
	n := int(length.Seconds() * float64(rate))
	out := &sent{at: make(map[string]time.Time, n), start: time.Now()}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		due := out.start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		wg.Go(func() {
			ok, err := post(ctx, c, g, url, i)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || !ok {
				out.failed++
				return
			}
			out.acks = append(out.acks, took)
			out.at[fmt.Sprintf("pi_%s_%d", g.prefix, i)] = due
		})
	}
	wg.Wait()
	out.end = time.Now()
	return out, nil
}

// percentile of durations, in milliseconds.
func percentile(list []time.Duration, p float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return float64(list[min(len(list)-1, int(p*float64(len(list))))]) / float64(time.Millisecond)
}

// median of runs, by acks or, where there are, by events end to end.
func median(list []result) result {
	slices.SortFunc(list, func(a, b result) int {
		if a.EndToEnd != b.EndToEnd {
			return int(a.EndToEnd - b.EndToEnd)
		}
		return int(a.Acks - b.Acks)
	})
	return list[len(list)/2]
}
