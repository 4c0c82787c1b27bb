package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// used is what processes have used so far.
type used struct {
	cpu    time.Duration
	mib    float64 // proportional: pages that processes share count once
	writes float64 // write calls, files and sockets together
	bytes  float64
}

// usageOf adds up processes and their children.
func usageOf(pids ...int) used {
	var sum used
	for _, pid := range family(pids) {
		u := usageOne(pid)
		sum.cpu, sum.mib, sum.writes, sum.bytes = sum.cpu+u.cpu, sum.mib+u.mib, sum.writes+u.writes, sum.bytes+u.bytes
	}
	return sum
}

// family is the processes with their children, as PostgreSQL has one for each connection.
func family(pids []int) []int {
	all := append([]int(nil), pids...)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // a fixed pattern
	for _, path := range stats {
		fields := statOf(path)
		if fields == nil {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		for _, pid := range pids {
			if parent == pid {
				child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
				all = append(all, child)
			}
		}
	}
	return all
}

// statOf returns the fields of a process from its state on, as proc(5) has them.
func statOf(path string) []string {
	stat, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return nil
	}
	return fields
}

func usageOne(pid int) (u used) {
	fields := statOf(fmt.Sprintf("/proc/%d/stat", pid))
	if fields == nil {
		return u
	}
	const tick = 100                          // USER_HZ of Linux
	for _, i := range []int{11, 12, 13, 14} { // its own, and that of children that have ended
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		u.cpu += time.Duration(n) * time.Second / tick
	}
	u.mib = numberIn(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:") / 1024
	io := fmt.Sprintf("/proc/%d/io", pid)
	u.writes, u.bytes = numberIn(io, "syscw:"), numberIn(io, "wchar:")
	return u
}

// numberIn reads the number after a name in a file of the kernel's.
func numberIn(path, name string) float64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return n
		}
	}
	return 0
}
