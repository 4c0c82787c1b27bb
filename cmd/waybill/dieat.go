//go:build proof

package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// passing ends the process with SIGKILL at the step and the time of passing it that WAYBILL_DIE_AT names: sent,3. Only a
// binary built with the tag proof has this.
func passing() func(string) {
	step, nth, ok := strings.Cut(os.Getenv("WAYBILL_DIE_AT"), ",")
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		panic("WAYBILL_DIE_AT is step,n")
	}
	var passed atomic.Int64
	return func(at string) {
		if at != step || passed.Add(1) != n {
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it is carried out
	}
}
