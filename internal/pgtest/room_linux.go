package pgtest

import "golang.org/x/sys/unix"

// roomIn is how many bytes are free in a folder's file system.
func roomIn(dir string) uint64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0
	}
	return s.Bavail * uint64(s.Bsize) //nolint:gosec // a block has a size
}
