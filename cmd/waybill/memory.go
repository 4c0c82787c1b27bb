package main

import (
	"context"
	"math"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

// How much garbage may lie about. Below enoughMemory it is collected rarely, because what lives is small and memory up to
// there is taken for granted; above, at two and a half times what lives. GOGC and GOMEMLIMIT of the
// environment put their own rule in the place of this one.
const (
	enoughMemory = 100 << 20 // bytes of Go's own: the book's caches and the program's text come on top
	collectAt    = 300       // per cent of what lives
	lookEvery    = 2 * time.Second
)

// mindMemory keeps that rule until ctx ends.
func (m *Main) mindMemory(ctx context.Context) {
	if m.Getenv("GOGC") != "" || m.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(collectAt)
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	limit := int64(0)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		runtimemetrics.Read(sample)
		live := int64(min(sample[0].Value.Uint64(), math.MaxInt64/4)) //nolint:gosec // bounded
		if next := max(enoughMemory, live*5/2); next > limit || next < limit*9/10 {
			limit = next
			debug.SetMemoryLimit(limit)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
