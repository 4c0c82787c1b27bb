package receive_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"waybill"
	"waybill/receive"
)

// narrow is a recorder that keeps one arrival at a time, each and can be made to stand still.
type narrow struct {
	*book
	one sync.Mutex
}

func (n *narrow) TakeIn(ctx context.Context, a waybill.Arrival) (waybill.Receipt, error) {
	n.one.Lock()
	defer n.one.Unlock()
	return n.book.TakeIn(ctx, a)
}

// served is a rig behind a real server.
func served(t *testing.T, r *rig) (address string) {
	t.Helper()
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return s.URL
}

// call sends a body to the gate over TCP.
func call(t *testing.T, client *http.Client, address, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/in/gate", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Gate", string(signing))
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return nil
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res
}

// TestBeyondCapacityTheIntakeShedsAndLosesNothingItAccepted sends 2,000 requests over 200 connections to an intake that works
// on 16 at once.
func TestBeyondCapacityTheIntakeShedsAndLosesNothingItAccepted(t *testing.T) {
	n := &narrow{}
	r := newRig(func(c *receive.Config) {
		n.book = c.Recorder.(*book)
		c.Recorder, c.MaxRequests = n, 16
	})
	address := served(t, r)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	codes := map[int]int{}
	var wg sync.WaitGroup
	goOn := sync.OnceFunc(n.one.Unlock)
	n.one.Lock() // the book stands still for a while: what comes meanwhile is beyond capacity
	for c := range 200 {
		wg.Go(func() {
			for i := range 10 {
				res := call(t, client, address, fmt.Sprintf(`{"n": "%d-%d"}`, c, i))
				if res == nil {
					return
				}
				if res.StatusCode != http.StatusOK && res.Header.Get("Retry-After") == "" {
					t.Errorf("%d without a Retry-After", res.StatusCode)
				}
				mu.Lock()
				codes[res.StatusCode]++
				if codes[429]+codes[503] >= 500 {
					goOn()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if codes[200] != len(r.book.arrivals) {
		t.Errorf("%d accepted and %d kept", codes[200], len(r.book.arrivals))
	}
	if shed := codes[429] + codes[503]; shed < 500 || codes[200]+shed != 2000 {
		t.Errorf("the answers are %v", codes)
	}
	for i := range 20 {
		if res := call(t, client, address, fmt.Sprintf(`{"after": %d}`, i)); res != nil && res.StatusCode != http.StatusOK {
			t.Errorf("after the storm: %d", res.StatusCode)
		}
	}
}

// TestASlowSenderHoldsNoOtherUp lets 300 senders stop in the middle of their heads and bodies, of an intake that works on 16
// requests at once.
func TestASlowSenderHoldsNoOtherUp(t *testing.T) {
	r := newRig(func(c *receive.Config) { c.MaxRequests = 16 })
	address := served(t, r)
	for i := range 300 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		head := "POST /in/gate HTTP/1.1\r\nHost: x\r\nX-Gate: " + string(signing) + "\r\n"
		if i%2 == 0 {
			head += "Content-Type: application/json\r\nContent-Length: 500000\r\n\r\n{"
		}
		if _, err := conn.Write([]byte(head)); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range 50 {
		if res := call(t, client, address, fmt.Sprintf(`{"n": %d}`, i)); res != nil && res.StatusCode != http.StatusOK {
			t.Fatalf("request %d beside the slow ones: %d", i, res.StatusCode)
		}
	}
}
