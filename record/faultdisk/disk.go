// Package faultdisk is a disk in memory under SQLite that fails when it is told to: the n-th operation, every sync, for
// want of room; and that loses its power. It tells what was written from what was synced, so that a power cut leaves
// what a real disk may leave: any part of what was not synced, in any order, the last of it torn.
//
// It promises: what was synced is there after every power cut; the same seed and the same operations leave the same
// bytes. It is for simulation and tests only. It must not know the book.
package faultdisk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"modernc.org/libc"
)

// Kind is what an operation does to the disk.
type Kind string

// The kinds of operation. Locks and shared memory are not the disk's and never fail.
const (
	Open     Kind = "open"
	Read     Kind = "read"
	Write    Kind = "write"
	Sync     Kind = "sync"
	Truncate Kind = "truncate"
	Size     Kind = "size"
	Delete   Kind = "delete"
	Access   Kind = "access"
)

// Op is one operation, told before it is done.
type Op struct {
	N    int // counted from 1 since the disk was made or Count was called
	Kind Kind
	File string
}

// Fault is how an operation fails.
type Fault int

// The faults. A fault that does not fit the operation is an I/O error.
const (
	None   Fault = iota
	IOErr        // nothing is done
	Full         // no room: nothing is written
	Short        // a part is written, then there is an error
	Lost         // of a sync: what was to be synced may be lost for good, though it can still be read
	Cut          // the power fails before the operation
	CutMid       // the power fails in its middle
)

// Disk is one disk with its files. It is safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	rand   *rand.Rand
	files  map[string]*file
	gone   map[string]*file // deleted, and the deletion not yet on stable storage
	open   map[uintptr]*handle
	next   uintptr // of the handles
	boot   int     // counts power cuts and kills: handles of an earlier one are dead
	off    bool    // since one, until Boot
	count  int
	room   int64 // bytes that may be written until the disk is full; negative: enough
	strike func(Op) Fault
	onCut  func()

	tls  *libc.TLS
	vfs  uintptr
	name string
	fns  *functions
}

// New makes an empty disk and makes it known to SQLite by Name. Close takes it away.
func New(seed uint64) (*Disk, error) {
	d := &Disk{
		rand:  rand.New(rand.NewPCG(seed, 3)), // repeatable
		files: map[string]*file{}, gone: map[string]*file{}, open: map[uintptr]*handle{}, room: -1,
	}
	if err := d.register(); err != nil {
		return nil, err
	}
	return d, nil
}

// Copy makes another disk that holds the same files, all of them synced, as a start for many runs.
func (d *Disk) Copy(seed uint64) (*Disk, error) {
	c, err := New(seed)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, f := range d.files {
		c.files[name] = &file{data: slices.Clone(f.data), durable: slices.Clone(f.data), exists: true}
	}
	return c, nil
}

// Name is the VFS's name, for record.Options.
func (d *Disk) Name() string { return d.name }

// Strike has f asked before each operation how it fails; nil: not at all.
func (d *Disk) Strike(f func(Op) Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.strike = f
}

// At has the n-th operation from now on fail; n counts from 1.
func (d *Disk) At(n int, fault Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.count + n
	d.strike = func(op Op) Fault {
		if op.N == at {
			return fault
		}
		return None
	}
}

// Room says how many bytes more fit; negative is no bound.
func (d *Disk) Room(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = bytes
}

// OnCut has f called when a fault cuts the power: the process is dead from then on.
func (d *Disk) OnCut(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onCut = f
}

// Count is how many operations there were.
func (d *Disk) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// Kill ends the process that has files open: what it wrote stays, its locks are gone, and nothing it still does has any effect.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead()
}

// PowerCut ends the process and leaves of each file what was synced and a part of what was not.
func (d *Disk) PowerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut()
}

// Bytes returns a copy of a file's content; nil when it does not exist.
func (d *Disk) Bytes(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[name]; f != nil {
		return slices.Clone(f.data)
	}
	return nil
}

// Boot lets files be opened again, after Kill, PowerCut or a fault that cut the power. Until then whatever is left of the
// process that ended finds nothing.
func (d *Disk) Boot() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = false
}

// dead makes every open handle useless. mu is held.
func (d *Disk) dead() {
	d.boot++
	d.off = true
	for _, f := range d.files {
		f.locks, f.shm = locks{}, nil
	}
}

// before counts an operation and says how it fails. mu is held.
func (d *Disk) before(h *handle, kind Kind, name string) Fault {
	if d.off || h != nil && h.boot != d.boot {
		return IOErr // of a process that is dead
	}
	d.count++
	if d.strike == nil {
		return None
	}
	fault := d.strike(Op{N: d.count, Kind: kind, File: name})
	if fault == Cut || fault == CutMid && kind != Write {
		d.strike = nil
		d.cut()
		d.tellCut()
		return IOErr
	}
	return fault
}

func (d *Disk) tellCut() {
	if d.onCut != nil {
		d.onCut()
	}
}

// file is one file: what is read, what would be left by a power cut at the least, and what lies between.
type file struct {
	data    []byte
	durable []byte
	pending []change
	exists  bool // its name is on stable storage
	locks   locks
	shm     *shm
}

// change is a write (data) or a truncation (to off) that was not synced.
type change struct {
	off  int64
	data []byte // nil: a truncation
}

func (f *file) write(off int64, data []byte) {
	f.data = patch(f.data, off, data)
	f.pending = append(f.pending, change{off, slices.Clone(data)})
}

func (f *file) truncate(size int64) {
	f.data = resize(f.data, size)
	f.pending = append(f.pending, change{off: size})
}

func (f *file) sync() {
	f.exists = true
	for _, c := range f.pending {
		f.durable = c.apply(f.durable)
	}
	f.pending = nil
}

func (c change) apply(to []byte) []byte {
	if c.data == nil {
		return resize(to, c.off)
	}
	return patch(to, c.off, c.data)
}

func patch(to []byte, off int64, data []byte) []byte {
	if end := off + int64(len(data)); end > int64(len(to)) {
		to = resize(to, end)
	}
	copy(to[off:], data)
	return to
}

func resize(to []byte, size int64) []byte {
	if size <= int64(len(to)) {
		return to[:size]
	}
	if size > int64(cap(to)) {
		grown := make([]byte, len(to), max(size, int64(cap(to))*2))
		copy(grown, to)
		to = grown
	}
	from := len(to)
	to = to[:size]
	clear(to[from:])
	return to
}

// locks are those of SQLite on one file: how many share it, and who has it reserved or alone.
type locks struct {
	shared                       int
	reserved, pending, exclusive *handle
}

func (d *Disk) String() string { return fmt.Sprintf("disk %s of %d files", d.name, len(d.files)) }
