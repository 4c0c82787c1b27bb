package faultdisk

import (
	"maps"
	"slices"
)

// sector is what a disk writes whole or not at all. SQLite is told that a write leaves its neighbours alone, as it is
// told on a real file.
const sector = 512

// cut fails the power. mu is held.
func (d *Disk) cut() {
	for _, name := range slices.Sorted(maps.Keys(d.gone)) { // a deletion that was not synced may be undone
		if _, there := d.files[name]; !there && d.rand.IntN(2) == 0 {
			d.files[name] = d.gone[name]
		}
	}
	clear(d.gone)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		if !f.exists && d.rand.IntN(2) == 0 {
			delete(d.files, name)
			continue
		}
		left := d.survive(f)
		d.files[name] = &file{data: slices.Clone(left), durable: left, exists: true}
	}
	d.dead()
}

// survive is what is left of a file: its synced content and, as the dice fall, nothing, all, the first, some or some
// sectors of what was not synced, in the order of writing or another.
func (d *Disk) survive(f *file) []byte {
	left := slices.Clone(f.durable)
	list := f.pending
	switch d.rand.IntN(5) {
	case 0:
		list = nil
	case 1: // all of it: the cut came late
	case 2: // written in order, the last one torn
		n := d.rand.IntN(len(list) + 1)
		if n < len(list) {
			torn := d.torn(list[n])
			list = append(slices.Clone(list[:n]), torn...)
		}
	case 3: // some of them
		list = slices.DeleteFunc(slices.Clone(list), func(change) bool { return d.rand.IntN(2) == 0 })
	default: // some sectors of some, in any order
		var some []change
		for _, c := range list {
			some = append(some, d.sectors(c)...)
		}
		d.rand.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		list = some
	}
	for _, c := range list {
		left = c.apply(left)
	}
	return left
}

// torn is the beginning of a write, ending anywhere.
func (d *Disk) torn(c change) []change {
	if len(c.data) == 0 {
		return nil
	}
	return []change{{c.off, c.data[:d.rand.IntN(len(c.data))]}}
}

// sectors are some of the sectors that a write touches.
func (d *Disk) sectors(c change) []change {
	if c.data == nil {
		if d.rand.IntN(2) == 0 {
			return nil
		}
		return []change{c}
	}
	var out []change
	for at := int64(0); at < int64(len(c.data)); {
		n := min(sector-(c.off+at)%sector, int64(len(c.data))-at)
		if d.rand.IntN(2) == 0 {
			out = append(out, change{c.off + at, c.data[at : at+n]})
		}
		at += n
	}
	return out
}

// lose is a sync that failed: the system calls the pages clean, though only some of them reached the disk. It goes on
// reading what was written, or has dropped the pages and reads what is on the disk.
func (d *Disk) lose(f *file) {
	f.durable = d.survive(f)
	f.pending = nil
	if d.rand.IntN(3) == 0 {
		f.data = slices.Clone(f.durable)
	}
}
