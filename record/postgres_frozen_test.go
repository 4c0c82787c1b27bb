//go:build unix

package record_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill"
	"waybill/internal/pgtest"
	"waybill/record"
)

// TestAFrozenBackendHoldsNobodyForEverAndNothingIsLost has the server's backends stand still in the middle of what eight callers
// write: each is told in bounded time that the book is not available, and the book goes on by itself.
func TestAFrozenBackendHoldsNobodyForEverAndNothingIsLost(t *testing.T) {
	if testing.Short() || os.Getenv("WAYBILL_PROOF") == "" { // a minute long: make proof runs it
		t.Skip("in make proof")
	}
	const callers, most = 8, 80 * time.Second
	dsn, ids := pgtest.Database(t), waybill.NewIDs(time.Now, nil)
	book := open(t, dsn, record.Options{Environment: "test"})
	server, name := pgtest.Shared(t), dsn[strings.LastIndex(dsn, "=")+1:]
	var stop atomic.Bool
	var mu sync.Mutex
	var accepted, told []int64 // told: refused while it stood still
	longest := time.Duration(0)
	var all, once sync.WaitGroup
	once.Add(callers)
	var frozen atomic.Bool
	for caller := range int64(callers) {
		all.Go(func() {
			refused := sync.OnceFunc(once.Done)
			for n := caller << 32; !stop.Load(); n++ {
				began := time.Now()
				_, err := keep(book, ids, n)
				took := time.Since(began)
				mu.Lock()
				longest = max(longest, took)
				if err == nil {
					accepted = append(accepted, n)
				} else {
					told = append(told, n)
				}
				mu.Unlock()
				if err != nil && waybill.KindOf(err) != waybill.Unavailable {
					t.Errorf("refused as %q: %v", waybill.KindOf(err), err)
				}
				if frozen.Load() && took > time.Second || took > most/2 {
					refused()
				}
			}
			refused()
		})
	}
	time.Sleep(300 * time.Millisecond)
	n, goOn := server.Freeze(t, name)
	defer goOn()
	frozen.Store(true)
	if n == 0 {
		t.Fatal("no backend was found")
	}
	once.Wait() // everybody has had an answer
	goOn()
	frozen.Store(false)
	mu.Lock()
	before := len(accepted)
	mu.Unlock()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		mu.Lock()
		now := len(accepted)
		mu.Unlock()
		if now > before+100 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the book does not go on")
		}
	}
	stop.Store(true)
	all.Wait()
	for _, n := range accepted {
		if r := insist(t, book, ids, n); !r.Duplicate {
			t.Errorf("delivery %d was acknowledged and is lost", n)
		}
	}
	if longest > most {
		t.Errorf("a caller waited %v", longest)
	}
	t.Attr("size", fmt.Sprintf("%d backends frozen under %d callers", n, callers))
	t.Attr("result", fmt.Sprintf("%d accepted, 0 lost, %d told to come again, the longest after %v", len(accepted), len(told), longest.Round(time.Second)))
}
