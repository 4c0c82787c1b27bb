//go:build unix

package record

import (
	"os"
	"syscall"
)

// lockFile takes the file's lock for this process. It is given back when the file is closed or the process ends, however.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { // a descriptor is small
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
