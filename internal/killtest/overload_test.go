package killtest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestBeyondCapacityTheServerShedsLosesNothingItAcceptedAndRecoversInSeconds has 700 senders at once at a server that works on 256
// of an address at once. It tells the others when to come again, also those whose bodies it could not read: it does not look
// at them. Then it is killed, and all that it accepted happens.
func TestBeyondCapacityTheServerShedsLosesNothingItAcceptedAndRecoversInSeconds(t *testing.T) {
	if testing.Short() || !proof() { // minutes long
		t.Skip("in make proof")
	}
	const senders, recovers = 700, 5 * time.Second
	most := int64(number("WAYBILL_ACCEPTED", 600))
	p := newProvider(t, 31)
	r := newRig(t, p.Address)
	r.start()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	defer client.CloseIdleConnections()
	var accepted []string
	var mu sync.Mutex
	var taken, shed, unread atomic.Int64
	flood := func(worker int) {
		for i := 0; taken.Load() < most || shed.Load() < 100 || unread.Load() < 10; i++ {
			if i > 2000 {
				return
			}
			if worker%7 == 0 { // not signed, and no JSON: read, it would be a 401
				status, head := r.garbage(client)
				if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
					unread.Add(1)
					wantRetryAfter(t, status, head)
				} else if status != http.StatusUnauthorized && status != 0 {
					t.Errorf("garbage is answered with %d", status)
				}
				continue
			}
			id := fmt.Sprintf("pi_%d_%d", worker, i)
			switch status, head := r.post(client, id); status {
			case http.StatusOK:
				taken.Add(1)
				mu.Lock()
				accepted = append(accepted, id)
				mu.Unlock()
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				shed.Add(1)
				wantRetryAfter(t, status, head)
			case 0: // no answer promises nothing
			default:
				t.Errorf("a payment is answered with %d", status)
			}
			if taken.Load() >= most { // so much is enough; the others go on until the server has shed
				time.Sleep(time.Millisecond)
			}
		}
	}
	var all sync.WaitGroup
	for worker := range senders {
		all.Go(func() { flood(worker) })
	}
	all.Wait()
	ended := time.Now()
	var back time.Duration
	for n, row := 0, 0; row < 20; n++ { // twenty in a row at the first try
		id := fmt.Sprintf("pi_after_%d", n)
		if !r.send(client, id) {
			row = 0
			if time.Since(ended) > 30*time.Second {
				r.fatal("it does not recover")
			}
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if accepted = append(accepted, id); row == 0 {
			back = time.Since(ended)
		}
		row++
	}
	if back > recovers {
		t.Errorf("it took %v until it accepted again", back)
	}
	if shed.Load() < 100 || unread.Load() < 10 {
		t.Errorf("%d were shed, %d of them unread", shed.Load(), unread.Load())
	}
	r.kill()
	slices.Sort(accepted)
	t.Attr("size", fmt.Sprintf("%d senders at once, %d shed, accepts again after %v, then killed", senders, shed.Load()+unread.Load(), back.Round(time.Millisecond)))
	t.Attr("seed", "31")
	r.settle(p, slices.Compact(accepted))
}

// garbage posts what is no payment.
func (r *rig) garbage(c *http.Client) (int, http.Header) {
	req, err := http.NewRequest(http.MethodPost, r.listen+"/in/pay", bytes.NewReader(bytes.Repeat([]byte("{"), 2000))) // bounded by the client
	if err != nil {
		return 0, nil
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, nil
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header
}

func wantRetryAfter(t *testing.T, status int, head http.Header) {
	t.Helper()
	if head.Get("Retry-After") == "" {
		t.Errorf("%d without a Retry-After", status)
	}
}
