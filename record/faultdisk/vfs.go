package faultdisk

import (
	"fmt"
	"strings"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

// handle is one opening of a file.
type handle struct {
	file  *file
	name  string
	boot  int
	lock  int32
	shm   *shm
	scrap bool // a temporary file, which no fault strikes
	held  [lib.SQLITE_SHM_NLOCK]int32
}

// shm is the memory that connections of one file share, with its locks: how many share one, -1 when one has it alone.
type shm struct {
	regions []uintptr
	users   int
	locks   [lib.SQLITE_SHM_NLOCK]int
}

// opened is a file as SQLite holds it: its own first field, then the handle.
type opened struct {
	methods uintptr
	handle  uintptr
}

// functions are the disk's functions as SQLite calls them; they are kept here so that they stay.
type functions struct {
	open         func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32
	remove       func(*libc.TLS, uintptr, uintptr, int32) int32
	access       func(*libc.TLS, uintptr, uintptr, int32, uintptr) int32
	fullPath     func(*libc.TLS, uintptr, uintptr, int32, uintptr) int32
	randomness   func(*libc.TLS, uintptr, int32, uintptr) int32
	sleep        func(*libc.TLS, uintptr, int32) int32
	currentTime  func(*libc.TLS, uintptr, uintptr) int32
	lastError    func(*libc.TLS, uintptr, int32, uintptr) int32
	close        func(*libc.TLS, uintptr) int32
	read, write  func(*libc.TLS, uintptr, uintptr, int32, int64) int32
	truncate     func(*libc.TLS, uintptr, int64) int32
	sync         func(*libc.TLS, uintptr, int32) int32
	size         func(*libc.TLS, uintptr, uintptr) int32
	lock, unlock func(*libc.TLS, uintptr, int32) int32
	reserved     func(*libc.TLS, uintptr, uintptr) int32
	control      func(*libc.TLS, uintptr, int32, uintptr) int32
	sectorSize   func(*libc.TLS, uintptr) int32
	traits       func(*libc.TLS, uintptr) int32
	shmMap       func(*libc.TLS, uintptr, int32, int32, int32, uintptr) int32
	shmLock      func(*libc.TLS, uintptr, int32, int32, int32) int32
	shmBarrier   func(*libc.TLS, uintptr)
	shmUnmap     func(*libc.TLS, uintptr, int32) int32

	methods uintptr
}

// pointer is a Go function as the translated C code calls it: the address of its closure.
func pointer[F any](f *F) uintptr { return *(*uintptr)(unsafe.Pointer(f)) }

// register makes the disk known to SQLite.
func (d *Disk) register() error {
	d.tls = libc.NewTLS()
	d.name = fmt.Sprintf("faultdisk-%p", d)
	fns := &functions{
		open: d.xOpen, remove: d.xDelete, access: d.xAccess, fullPath: xFullPath, randomness: xRandomness, sleep: xSleep,
		currentTime: xCurrentTime, lastError: xLastError,
		close: d.xClose, read: d.xRead, write: d.xWrite, truncate: d.xTruncate, sync: d.xSync, size: d.xSize, lock: d.xLock,
		unlock: d.xUnlock, reserved: d.xReserved, control: xControl, sectorSize: xSectorSize, traits: xTraits,
		shmMap: d.xShmMap, shmLock: d.xShmLock, shmBarrier: d.xShmBarrier, shmUnmap: d.xShmUnmap,
	}
	d.fns = fns
	fns.methods = d.alloc(unsafe.Sizeof(lib.Tsqlite3_io_methods{}))
	*(*lib.Tsqlite3_io_methods)(at(fns.methods)) = lib.Tsqlite3_io_methods{
		FiVersion: 2, FxClose: pointer(&fns.close), FxRead: pointer(&fns.read), FxWrite: pointer(&fns.write),
		FxTruncate: pointer(&fns.truncate), FxSync: pointer(&fns.sync), FxFileSize: pointer(&fns.size), FxLock: pointer(&fns.lock),
		FxUnlock: pointer(&fns.unlock), FxCheckReservedLock: pointer(&fns.reserved), FxFileControl: pointer(&fns.control),
		FxSectorSize: pointer(&fns.sectorSize), FxDeviceCharacteristics: pointer(&fns.traits), FxShmMap: pointer(&fns.shmMap),
		FxShmLock: pointer(&fns.shmLock), FxShmBarrier: pointer(&fns.shmBarrier), FxShmUnmap: pointer(&fns.shmUnmap),
	}
	name, err := libc.CString(d.name)
	if err != nil {
		return fmt.Errorf("name the disk: %w", err)
	}
	d.vfs = d.alloc(unsafe.Sizeof(lib.Tsqlite3_vfs{}))
	*(*lib.Tsqlite3_vfs)(at(d.vfs)) = lib.Tsqlite3_vfs{
		FiVersion: 2, FszOsFile: int32(unsafe.Sizeof(opened{})), FmxPathname: 512, FzName: name,
		FxOpen: pointer(&fns.open), FxDelete: pointer(&fns.remove), FxAccess: pointer(&fns.access), FxFullPathname: pointer(&fns.fullPath),
		FxRandomness: pointer(&fns.randomness), FxSleep: pointer(&fns.sleep), FxGetLastError: pointer(&fns.lastError),
		FxCurrentTimeInt64: pointer(&fns.currentTime),
	}
	lib.Xsqlite3_initialize(d.tls)
	if rc := lib.Xsqlite3_vfs_register(d.tls, d.vfs, 0); rc != lib.SQLITE_OK {
		return fmt.Errorf("register the disk: SQLite says %d", rc)
	}
	return nil
}

// Close makes the disk unknown again and lets go what it held; a second one does nothing. No connection may be open on it.
func (d *Disk) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		return
	}
	lib.Xsqlite3_vfs_unregister(d.tls, d.vfs)
	d.files, d.gone, d.open, d.strike, d.onCut = nil, nil, nil, nil, nil
	libc.Xfree(d.tls, (*lib.Tsqlite3_vfs)(at(d.vfs)).FzName)
	libc.Xfree(d.tls, d.vfs)
	libc.Xfree(d.tls, d.fns.methods)
	d.tls.Close()
}

func (d *Disk) alloc(size uintptr) uintptr { return libc.Xcalloc(d.tls, 1, types.Size_t(size)) }

// at is memory of SQLite's, which the garbage collector neither moves nor knows.
func at(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

func bytesAt(p uintptr, n int32) []byte { return unsafe.Slice((*byte)(at(p)), n) }

func put[T any](p uintptr, v T) { *(*T)(at(p)) = v }

func (d *Disk) handle(f uintptr) *handle { return d.open[(*opened)(at(f)).handle] }

func (d *Disk) xOpen(_ *libc.TLS, _, name, f uintptr, flags int32, out uintptr) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	put(f, opened{})
	h := &handle{boot: d.boot}
	if name == 0 {
		h.file, h.scrap = &file{}, true
	} else {
		h.name = libc.GoString(name)
		if d.before(nil, Open, h.name) != None {
			return lib.SQLITE_CANTOPEN
		}
		h.boot = d.boot
		h.file = d.files[h.name]
		if h.file == nil {
			if flags&lib.SQLITE_OPEN_CREATE == 0 {
				return lib.SQLITE_CANTOPEN
			}
			h.file = &file{}
			d.files[h.name] = h.file
		}
	}
	d.next++
	d.open[d.next] = h
	put(f, opened{d.fns.methods, d.next})
	if out != 0 {
		put(out, flags)
	}
	return lib.SQLITE_OK
}

func (d *Disk) xDelete(_ *libc.TLS, _, name uintptr, synced int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := libc.GoString(name)
	f := d.files[path]
	if d.before(nil, Delete, path) != None {
		return lib.SQLITE_IOERR_DELETE
	}
	if f == nil || d.files[path] != f {
		return lib.SQLITE_IOERR_DELETE_NOENT
	}
	delete(d.files, path)
	if synced == 0 && f.exists {
		d.gone[path] = f
	}
	return lib.SQLITE_OK
}

func (d *Disk) xAccess(_ *libc.TLS, _, name uintptr, flags int32, out uintptr) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := libc.GoString(name)
	if d.before(nil, Access, path) != None {
		return lib.SQLITE_IOERR_ACCESS
	}
	f := d.files[path]
	put(out, flag(f != nil && (flags != lib.SQLITE_ACCESS_EXISTS || len(f.data) > 0)))
	return lib.SQLITE_OK
}

func flag(is bool) int32 {
	if is {
		return 1
	}
	return 0
}

func xFullPath(_ *libc.TLS, _, name uintptr, n int32, out uintptr) int32 {
	path := libc.GoString(name)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if len(path) >= int(n) {
		return lib.SQLITE_CANTOPEN
	}
	buf := bytesAt(out, n)
	copy(buf, path)
	buf[len(path)] = 0
	return lib.SQLITE_OK
}

func xRandomness(_ *libc.TLS, _ uintptr, n int32, out uintptr) int32 {
	clear(bytesAt(out, n))
	return n
}

func xSleep(_ *libc.TLS, _ uintptr, micros int32) int32 { return micros }

// xCurrentTime is a time that nothing depends on: the book has its own clock.
func xCurrentTime(_ *libc.TLS, _, out uintptr) int32 {
	put(out, int64(212_000_000_000_000))
	return lib.SQLITE_OK
}

func xLastError(*libc.TLS, uintptr, int32, uintptr) int32 { return 0 }

func (d *Disk) xClose(_ *libc.TLS, f uintptr) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	if h != nil {
		d.unlockTo(h, lib.SQLITE_LOCK_NONE)
		d.unmap(h)
		delete(d.open, (*opened)(at(f)).handle)
	}
	put(f, opened{})
	return lib.SQLITE_OK
}

func (d *Disk) xRead(_ *libc.TLS, f, buf uintptr, n int32, off int64) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	if !h.scrap && d.before(h, Read, h.name) != None {
		return lib.SQLITE_IOERR_READ
	}
	out := bytesAt(buf, n)
	got := 0
	if off < int64(len(h.file.data)) {
		got = copy(out, h.file.data[off:])
	}
	if got < len(out) {
		clear(out[got:])
		return lib.SQLITE_IOERR_SHORT_READ
	}
	return lib.SQLITE_OK
}

func (d *Disk) xWrite(_ *libc.TLS, f, buf uintptr, n int32, off int64) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	data := bytesAt(buf, n)
	if h.scrap {
		h.file.data = patch(h.file.data, off, data)
		return lib.SQLITE_OK
	}
	fault := d.before(h, Write, h.name)
	if fault == None && d.room >= 0 && off+int64(n) > int64(len(h.file.data)) { // what is there already has its place
		if d.room < int64(n) {
			fault = Full
		} else {
			d.room -= int64(n)
		}
	}
	switch fault {
	case None:
		h.file.write(off, data)
		return lib.SQLITE_OK
	case Full:
		return lib.SQLITE_FULL
	case Short:
		h.file.write(off, data[:d.rand.IntN(len(data))])
		return lib.SQLITE_FULL
	case CutMid:
		h.file.write(off, data[:d.rand.IntN(len(data))])
		d.strike = nil
		d.cut()
		d.tellCut()
	default: // the error below is all of it
	}
	return lib.SQLITE_IOERR_WRITE
}

func (d *Disk) xTruncate(_ *libc.TLS, f uintptr, size int64) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	if h.scrap {
		h.file.data = resize(h.file.data, size)
		return lib.SQLITE_OK
	}
	if d.before(h, Truncate, h.name) != None {
		return lib.SQLITE_IOERR_TRUNCATE
	}
	h.file.truncate(size)
	return lib.SQLITE_OK
}

func (d *Disk) xSync(_ *libc.TLS, f uintptr, _ int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	if h.scrap {
		return lib.SQLITE_OK
	}
	switch d.before(h, Sync, h.name) {
	case None:
		h.file.sync()
		return lib.SQLITE_OK
	case Lost:
		d.lose(h.file)
	default: // it failed, and what was to be synced is still to be
	}
	return lib.SQLITE_IOERR_FSYNC
}

func (d *Disk) xSize(_ *libc.TLS, f, out uintptr) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle(f)
	if !h.scrap && d.before(h, Size, h.name) != None {
		return lib.SQLITE_IOERR_FSTAT
	}
	put(out, int64(len(h.file.data)))
	return lib.SQLITE_OK
}

func xControl(*libc.TLS, uintptr, int32, uintptr) int32 { return lib.SQLITE_NOTFOUND }

func xSectorSize(*libc.TLS, uintptr) int32 { return 4096 } // as SQLite takes it for files of a Unix

func xTraits(*libc.TLS, uintptr) int32 { return lib.SQLITE_IOCAP_POWERSAFE_OVERWRITE } // the same
