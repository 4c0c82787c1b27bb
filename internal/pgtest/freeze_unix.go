//go:build unix

package pgtest

import (
	"context"
	"strconv"
	"syscall"
	"testing"
)

// Freeze makes the backends of an application stand still, as they do on a machine that hangs, and returns how many and
// what lets them go on.
func (s *Server) Freeze(tb testing.TB, application string) (n int, goOn func()) {
	tb.Helper()
	list, err := s.Query(context.Background(), "postgres", "SELECT pid FROM pg_stat_activity WHERE application_name = '"+application+"'")
	if err != nil {
		tb.Fatal(err)
	}
	var pids []int
	for _, text := range list {
		pid, err := strconv.Atoi(text)
		if err == nil && syscall.Kill(pid, syscall.SIGSTOP) == nil {
			pids = append(pids, pid)
		}
	}
	return len(pids), func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT) // one that is gone needs it no more
		}
	}
}
