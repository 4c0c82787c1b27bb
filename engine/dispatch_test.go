package engine

import (
	"strings"
	"testing"
	"time"
)

func TestVirtualTimeRunsWorkInOneOrderAndSleepersLetOthersRun(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 50 {
		v := NewVirtual(start)
		var log []string
		say := func(s string) { log = append(log, s+"@"+v.Now().Sub(start).String()) }
		v.Go(func() {
			say("a")
			v.Sleep(2 * time.Second)
			say("a woke")
			v.Sleep(time.Second)
			say("a ended")
		})
		v.Go(func() { say("b"); v.Go(func() { say("c") }) })
		cancel := v.At(start.Add(time.Second), func() { say("never") })
		cancel()
		v.At(start.Add(time.Second), func() { say("timer") })
		v.RunUntil(start.Add(10 * time.Second))
		want := "a@0s b@0s c@0s timer@1s a woke@2s a ended@3s"
		if got := strings.Join(log, " "); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		if v.Now() != start.Add(10*time.Second) {
			t.Fatalf("the clock stands at %v", v.Now())
		}
	}
}
