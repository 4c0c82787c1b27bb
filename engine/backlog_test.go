package engine_test

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// TestWhatIsHeldInMemoryDoesNotGrowWithTheBacklog has two flows write to a receiver that is closed until a backlog of n events
// stands in the table; then it drains, across a restart, and at no time is more held than the lines' bounds.
func TestWhatIsHeldInMemoryDoesNotGrowWithTheBacklog(t *testing.T) {
	const bound = 2*512 + 64 // two lines, and what is under way
	sizes := []int{700, number(1400, 6000)}
	heaps := make([]uint64, len(sizes))
	for i, n := range sizes {
		fs := map[string]string{
			"events/ping.yaml":     "noun: ping\ntitle: Ping\nsubject: [\"Ping ${id}\"]\nschema:\n  type: object\n  required: [id]\n  properties:\n    id: {type: string}\nevents:\n  e0: {title: Ping, rank: 10, fact: the ping}\n",
			"connections/out.yaml": "connection: out\ntitle: A receiver\nconnector: http\noffline:\n  limits: {concurrency: 16}\n",
		}
		for _, name := range []string{"a", "b"} {
			fs["flows/"+name+".yaml"] = "flow: " + name + "\ntitle: F\nowner: ops\non: ping.e0\nsteps:\n  - id: out\n    do: out.request.post\n    with: {path: /" + name + ", body: {id: \"${ping.id}\"}}\n"
		}
		r := newRig(t, load(t, files(fs)))
		sent, most := 0, 0
		look := func() { most = max(most, r.engine.Held()) }
		r.answer = func(_, _ string) *http.Response {
			sent++
			r.calls = nil
			return says(200, `{}`)
		}
		r.act("out", "pause", "closed")
		for k := range n {
			if err := r.engine.Tell("out", "ping.e0", map[string]any{"id": fmt.Sprint("p", k)}); err != nil {
				t.Fatal(err)
			}
			if k%100 == 99 {
				r.run(10 * time.Millisecond)
				look()
			}
		}
		if sent != 0 {
			t.Fatalf("%d calls while it was closed", sent)
		}
		r.act("out", "resume", "open")
		restarted := false
		for end := r.v.Now().Add(time.Hour); sent < 2*n && r.v.Now().Before(end); {
			for range 500 {
				if !r.v.Step(end) {
					break
				}
			}
			look()
			if !restarted && sent > n {
				restarted = true
				r.restart()
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				heaps[i] = m.HeapAlloc
			}
		}
		if sent < 2*n || sent > 2*n+16 || !restarted { // what a kill met is made again where a repeat is harmless
			t.Errorf("%d calls for a backlog of %d writes", sent, 2*n)
		}
		if most > bound {
			t.Errorf("a backlog of %d: %d pieces of work are held, more than %d", 2*n, most, bound)
		}
		t.Logf("backlog of %d writes: at most %d held, heap %d KiB", 2*n, most, heaps[i]>>10)
		t.Attr("size", fmt.Sprintf("backlogs of %d and %d writes", 2*sizes[0], 2*sizes[1]))
		t.Attr("result", fmt.Sprintf("at most %d held", most))
		if err := r.book.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if heaps[1] > heaps[0]+8<<20 {
		t.Errorf("the heap is %d MiB at the small backlog and %d MiB at the large", heaps[0]>>20, heaps[1]>>20)
	}
}
