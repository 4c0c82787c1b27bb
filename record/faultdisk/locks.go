package faultdisk

import (
	"slices"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

// The locks of SQLite's files and of the memory its connections share, as https://sqlite.org/lockingv3.html and
// https://sqlite.org/walformat.html say. A handle of a process that is dead takes none.

func (d *Disk) xLock(_ *libc.TLS, f uintptr, level int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	if h.boot != d.boot {
		return lib.SQLITE_IOERR_LOCK
	}
	if h.lock >= level {
		return lib.SQLITE_OK
	}
	l := &h.file.locks
	free := func(by *handle) bool { return by == nil || by == h }
	switch level {
	case lib.SQLITE_LOCK_SHARED:
		if !free(l.pending) || !free(l.exclusive) {
			return lib.SQLITE_BUSY
		}
		l.shared++
	case lib.SQLITE_LOCK_RESERVED:
		if !free(l.reserved) || !free(l.pending) || !free(l.exclusive) {
			return lib.SQLITE_BUSY
		}
		l.reserved = h
	default:
		if !free(l.reserved) || !free(l.pending) || !free(l.exclusive) {
			return lib.SQLITE_BUSY
		}
		l.pending = h
		if l.shared > 1 {
			h.lock = lib.SQLITE_LOCK_PENDING
			return lib.SQLITE_BUSY
		}
		l.exclusive = h
	}
	h.lock = level
	return lib.SQLITE_OK
}

func (d *Disk) xUnlock(_ *libc.TLS, f uintptr, level int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unlockTo(d.handle(f), level)
	return lib.SQLITE_OK
}

func (d *Disk) unlockTo(h *handle, level int32) {
	if h.lock <= level {
		return
	}
	if h.boot == d.boot {
		l := &h.file.locks
		for _, by := range []**handle{&l.reserved, &l.pending, &l.exclusive} {
			if *by == h {
				*by = nil
			}
		}
		if level == lib.SQLITE_LOCK_NONE {
			l.shared--
		}
	}
	h.lock = level
}

func (d *Disk) xReserved(_ *libc.TLS, f, out uintptr) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.handle(f).file.locks
	put(out, flag(l.reserved != nil || l.pending != nil || l.exclusive != nil))
	return lib.SQLITE_OK
}

func (d *Disk) xShmMap(_ *libc.TLS, f uintptr, region, size, extend int32, out uintptr) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	put(out, uintptr(0))
	if h.shm == nil {
		if h.boot != d.boot {
			return lib.SQLITE_IOERR_SHMMAP
		}
		if h.file.shm == nil {
			h.file.shm = &shm{}
		}
		h.shm = h.file.shm
		h.shm.users++
	}
	for len(h.shm.regions) <= int(region) {
		if extend == 0 {
			return lib.SQLITE_OK
		}
		h.shm.regions = append(h.shm.regions, libc.Xcalloc(d.tls, 1, types.Size_t(size)))
	}
	put(out, h.shm.regions[region])
	return lib.SQLITE_OK
}

func (d *Disk) xShmLock(_ *libc.TLS, f uintptr, first, n, flags int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	if h.shm == nil || h.boot != d.boot {
		return lib.SQLITE_IOERR_SHMLOCK
	}
	locks, held := h.shm.locks[first:first+n], h.held[first:first+n]
	switch {
	case flags&lib.SQLITE_SHM_UNLOCK != 0:
		for i := range held {
			if held[i] < 0 {
				locks[i] = 0
			} else {
				locks[i] -= int(held[i])
			}
			held[i] = 0
		}
	case flags&lib.SQLITE_SHM_SHARED != 0:
		if slices.ContainsFunc(locks, func(l int) bool { return l < 0 }) && held[0] == 0 {
			return lib.SQLITE_BUSY
		}
		for i := range held {
			if held[i] == 0 {
				held[i] = 1
				locks[i]++
			}
		}
	default:
		for i := range held {
			if locks[i] != 0 && held[i] >= 0 && locks[i] != int(held[i]) || locks[i] < 0 && held[i] >= 0 {
				return lib.SQLITE_BUSY
			}
		}
		for i := range held {
			held[i], locks[i] = -1, -1
		}
	}
	return lib.SQLITE_OK
}

// xShmBarrier: the disk's own lock orders memory.
func (d *Disk) xShmBarrier(*libc.TLS, uintptr) {
	d.mu.Lock()
	defer d.mu.Unlock()
}

func (d *Disk) xShmUnmap(_ *libc.TLS, f uintptr, _ int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unmap(d.handle(f))
	return lib.SQLITE_OK
}

// unmap gives up a handle's part in the shared memory; the last one frees it.
func (d *Disk) unmap(h *handle) {
	if h.shm == nil {
		return
	}
	for i, n := range h.held {
		if n < 0 {
			h.shm.locks[i] = 0
		} else {
			h.shm.locks[i] -= int(n)
		}
		h.held[i] = 0
	}
	if h.shm.users--; h.shm.users == 0 {
		for _, p := range h.shm.regions {
			libc.Xfree(d.tls, p)
		}
		if h.file.shm == h.shm {
			h.file.shm = nil
		}
		h.shm.regions = nil
	}
	h.shm = nil
}
