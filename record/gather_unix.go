//go:build unix

package record

import (
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"

	"waybill"
)

// SQLite writes each frame of the write-ahead log with two calls to the system: a head of 24 bytes and a page. A commit of
// fifty pages is a hundred calls, which cost more than what they write. So the book opens its file through a VFS of its own
// that is the system's in everything but this: what is written to the log one after another is gathered and handed on in one
// call, at the latest before the log is synced, read, measured, cut or closed. Nobody reads a frame that is not synced (the
// log's index names it only afterwards), and what a crash loses before a sync it could lose before, too.

// gatherSize bounds what is gathered: 28 frames; the system's VFS takes no more than 128 KiB in one call.
const gatherSize = 28 * (pageSize + 24)

// gatherer is the VFS. Its functions are kept here, for SQLite holds them by their bare addresses.
type gatherer struct {
	vfs     uintptr // in SQLite's own memory, as all that it follows pointers into
	methods uintptr // of the log, there too
	system  uintptr // the system's VFS
	name    uintptr

	open  xOpen
	close func(tls *libc.TLS, file uintptr) int32
	read  func(tls *libc.TLS, file, to uintptr, n int32, at int64) int32
	write func(tls *libc.TLS, file, from uintptr, n int32, at int64) int32
	cut   func(tls *libc.TLS, file uintptr, size int64) int32
	sync  func(tls *libc.TLS, file uintptr, flags int32) int32
	size  func(tls *libc.TLS, file, out uintptr) int32

	mu    sync.Mutex
	below *lib.Tsqlite3_io_methods // the system's, the same for every log
	logs  map[uintptr]*gathered
}

type xOpen func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32

// gathered is what one open log has still to write. SQLite uses a file from one goroutine at a time.
type gathered struct {
	at   int64
	text []byte
}

// newGatherer registers the VFS with SQLite, over the one of that name: the system's when it is empty.
func newGatherer(below string) (*gatherer, error) {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := lib.Xsqlite3_initialize(tls); rc != lib.SQLITE_OK {
		return nil, fmt.Errorf("start SQLite: code %d", rc)
	}
	g := &gatherer{logs: map[uintptr]*gathered{}}
	if below == "" {
		g.system = lib.Xsqlite3_vfs_find(tls, 0)
	} else {
		name, err := libc.CString(below)
		if err != nil {
			return nil, err
		}
		g.system = lib.Xsqlite3_vfs_find(tls, name)
		libc.Xfree(tls, name)
	}
	if g.system == 0 {
		return nil, &waybill.Error{Kind: waybill.Internal, Message: "SQLite has no way to files on this system"}
	}
	vfs := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	g.methods = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_io_methods{})))
	if vfs == 0 || g.methods == 0 {
		libc.Xfree(tls, vfs)
		libc.Xfree(tls, g.methods)
		return nil, &waybill.Error{Kind: waybill.Unavailable, Message: "no memory is left for opening the book"}
	}
	name, err := libc.CString(fmt.Sprintf("waybill-%x", vfs))
	if err != nil {
		libc.Xfree(tls, vfs)
		libc.Xfree(tls, g.methods)
		return nil, err
	}
	g.vfs, g.name = vfs, name
	open := called[xOpen](there[lib.Tsqlite3_vfs](g.system).FxOpen)
	g.open = func(tls *libc.TLS, _, name, file uintptr, flags int32, out uintptr) int32 {
		rc := open(tls, g.system, name, file, flags, out)
		if rc == lib.SQLITE_OK && flags&lib.SQLITE_OPEN_WAL != 0 {
			g.take(file)
		}
		return rc
	}
	g.close, g.read, g.write, g.cut, g.sync, g.size = g.xClose, g.xRead, g.xWrite, g.xTruncate, g.xSync, g.xFileSize
	own := there[lib.Tsqlite3_vfs](vfs)
	*own = *there[lib.Tsqlite3_vfs](g.system)
	own.FpNext, own.FzName, own.FxOpen = 0, name, address(g.open)
	if rc := lib.Xsqlite3_vfs_register(tls, vfs, 0); rc != lib.SQLITE_OK {
		return nil, fmt.Errorf("register the way to the book's file: code %d", rc)
	}
	return g, nil
}

// forget takes the VFS away again, once no file is open.
func (g *gatherer) forget() {
	tls := libc.NewTLS()
	defer tls.Close()
	lib.Xsqlite3_vfs_unregister(tls, g.vfs)
	libc.Xfree(tls, g.name)
	libc.Xfree(tls, g.vfs)
	libc.Xfree(tls, g.methods)
}

// by is how the file at path is opened by way of the VFS.
func (g *gatherer) by(path string) (string, sqlite.OpenFlags) {
	escaped := (&url.URL{Path: filepath.Clean(path)}).EscapedPath()
	return "file:" + escaped + "?vfs=" + libc.GoString(g.name), sqlite.OpenURI
}

// there is what lies at an address of SQLite's; address is where a function lies, as SQLite calls it.
func there[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

func address[F any](fn F) uintptr { return *(*uintptr)(unsafe.Pointer(&fn)) }

func called[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

// take puts itself before the system's functions of a log just opened.
func (g *gatherer) take(file uintptr) {
	methods := there[uintptr](file)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.below == nil {
		g.below = there[lib.Tsqlite3_io_methods](*methods)
		own := there[lib.Tsqlite3_io_methods](g.methods)
		*own = *g.below
		own.FxClose, own.FxRead, own.FxWrite = address(g.close), address(g.read), address(g.write)
		own.FxTruncate, own.FxSync, own.FxFileSize = address(g.cut), address(g.sync), address(g.size)
	}
	g.logs[file] = &gathered{}
	*methods = g.methods
}

// log is what an open log has gathered.
func (g *gatherer) log(file uintptr) *gathered {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.logs[file]
}

// put hands on what was gathered.
func (g *gatherer) put(tls *libc.TLS, file uintptr, l *gathered) int32 {
	if len(l.text) == 0 {
		return lib.SQLITE_OK
	}
	write := called[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](g.below.FxWrite)
	rc := write(tls, file, uintptr(unsafe.Pointer(&l.text[0])), int32(len(l.text)), l.at)
	l.text = l.text[:0]
	return rc
}

func (g *gatherer) xWrite(tls *libc.TLS, file, from uintptr, n int32, at int64) int32 {
	l := g.log(file)
	if len(l.text) > 0 && (at != l.at+int64(len(l.text)) || len(l.text)+int(n) > gatherSize) {
		if rc := g.put(tls, file, l); rc != lib.SQLITE_OK {
			return rc
		}
	}
	if int(n) > gatherSize {
		return called[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](g.below.FxWrite)(tls, file, from, n, at)
	}
	if len(l.text) == 0 {
		l.at = at
	}
	l.text = append(l.text, unsafe.Slice(there[byte](from), n)...)
	return lib.SQLITE_OK
}

func (g *gatherer) xRead(tls *libc.TLS, file, to uintptr, n int32, at int64) int32 {
	if rc := g.put(tls, file, g.log(file)); rc != lib.SQLITE_OK {
		return rc
	}
	return called[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](g.below.FxRead)(tls, file, to, n, at)
}

func (g *gatherer) xTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	if rc := g.put(tls, file, g.log(file)); rc != lib.SQLITE_OK {
		return rc
	}
	return called[func(*libc.TLS, uintptr, int64) int32](g.below.FxTruncate)(tls, file, size)
}

func (g *gatherer) xSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	if rc := g.put(tls, file, g.log(file)); rc != lib.SQLITE_OK {
		return rc
	}
	return called[func(*libc.TLS, uintptr, int32) int32](g.below.FxSync)(tls, file, flags)
}

func (g *gatherer) xFileSize(tls *libc.TLS, file, out uintptr) int32 {
	if rc := g.put(tls, file, g.log(file)); rc != lib.SQLITE_OK {
		return rc
	}
	return called[func(*libc.TLS, uintptr, uintptr) int32](g.below.FxFileSize)(tls, file, out)
}

func (g *gatherer) xClose(tls *libc.TLS, file uintptr) int32 {
	g.put(tls, file, g.log(file)) // as much as SQLite's own close reports of a write that failed
	g.mu.Lock()
	delete(g.logs, file)
	g.mu.Unlock()
	return called[func(*libc.TLS, uintptr) int32](g.below.FxClose)(tls, file)
}
