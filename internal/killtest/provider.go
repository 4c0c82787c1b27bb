// Package killtest kills the server with SIGKILL at random instants under load, restarts it, and holds what it says against
// the ledger of a hostile provider: nothing accepted may be lost, nothing may happen twice where a key or a look-up can
// prevent it, and what nobody can know must be shown as unknown.
package killtest

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Provider is a system that misbehaves: it resets connections before and after it did what it was asked, answers 500
// after the effect, and is slow. It writes every effect into a ledger on disk, fsynced before it answers.
type Provider struct {
	Address string

	mu      sync.Mutex
	ledger  *os.File
	applied map[string]int    // "grade event" -> times it really happened
	keys    map[string]string // idempotency key -> grade and event it was first used for
	rand    *rand.Rand
	server  *http.Server
	calm    bool
	script  map[string][]string // faults of the next writes of a grade, before any is drawn
}

// entry is one line of the ledger.
type entry struct {
	Grade string `json:"grade"`
	Event string `json:"event"`
	Key   string `json:"key"`
}

// NewProvider listens on loopback and keeps its ledger at path.
func NewProvider(path string, seed uint64) (*Provider, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // for the length of the test
	if err != nil {
		return nil, err
	}
	p := &Provider{
		Address: l.Addr().String(), ledger: f, applied: map[string]int{}, keys: map[string]string{},
		rand: rand.New(rand.NewPCG(seed, 7)),
	} // repeatable
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = p.server.Serve(l) }() // it ends with the test
	return p, nil
}

// Close ends the provider.
func (p *Provider) Close() { _ = p.server.Close(); _ = p.ledger.Close() }

// Calm ends the faults, so that everything can come to its end.
func (p *Provider) Calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calm = true
}

// Script sets the faults of the next writes of a grade, in order.
func (p *Provider) Script(grade string, faults ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.script == nil {
		p.script = map[string][]string{}
	}
	p.script[grade] = append(p.script[grade], faults...)
}

// Applied says how often an effect really happened.
func (p *Provider) Applied(grade, event string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applied[grade+" "+event]
}

// fault draws what goes wrong with a call.
func (p *Provider) fault(grade string) string {
	if list := p.script[grade]; len(list) > 0 {
		p.script[grade] = list[1:]
		return list[0]
	}
	if p.calm {
		return ""
	}
	switch n := p.rand.IntN(100); {
	case n < 4:
		return "reset before"
	case n < 8:
		return "reset after"
	case n < 10:
		return "500 before"
	case n < 12:
		return "500 after"
	case n < 20:
		return "slow"
	default:
		return ""
	}
}

// ServeHTTP answers POST /{key|lookup|never}/{event}, PUT /natural/{event} and GET /lookup?key=….
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)) // what came is not looked at
	grade, event, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.Method == http.MethodGet {
		p.find(w, r)
		return
	}
	p.mu.Lock()
	fault := p.fault(grade)
	p.mu.Unlock()
	switch fault {
	case "reset before":
		cut(w)
		return
	case "500 before":
		w.WriteHeader(http.StatusInternalServerError)
		return
	case "slow":
		time.Sleep(20 * time.Millisecond)
	}
	if err := p.apply(grade, event, r.Header.Get("Idempotency-Key")); err != nil {
		w.WriteHeader(http.StatusInsufficientStorage)
		return
	}
	switch fault {
	case "reset after":
		cut(w)
	case "500 after":
		w.WriteHeader(http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":%q}`, grade+"-"+event)
	}
}

func (p *Provider) find(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	_, ok := p.keys[r.URL.Query().Get("key")]
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":"not found"}`)
		return
	}
	fmt.Fprintf(w, `{"key":%q}`, r.URL.Query().Get("key"))
}

// apply does the effect, unless its key says it was done: then nothing happens again, as the grade promises. Only the
// grade `key` honours keys.
func (p *Provider) apply(grade, event, key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.keys[key]; known && grade == "key" {
		return nil
	}
	line, err := json.Marshal(entry{grade, event, key})
	if err != nil {
		return err
	}
	if _, err := p.ledger.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := p.ledger.Sync(); err != nil {
		return err
	}
	p.applied[grade+" "+event]++
	if key != "" {
		p.keys[key] = grade + " " + event
	}
	return nil
}

// cut breaks the connection without an answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
