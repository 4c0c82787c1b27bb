package record_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"waybill"
	"waybill/record"
	"waybill/record/faultdisk"
	"waybill/record/recordtest"
)

// bookFile is where the books of these tests lie on their disks.
const bookFile = "/book.db"

func disk(t *testing.T, seed uint64) *faultdisk.Disk {
	t.Helper()
	d, err := faultdisk.New(seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// formatted is a disk with an empty book, to be copied.
func formatted(t *testing.T) *faultdisk.Disk {
	t.Helper()
	d := disk(t, 1)
	book, err := on(t, d, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

// copied is a copy of a disk. A test that makes many closes each when it is done with it: a disk is all in memory.
func copied(t *testing.T, from *faultdisk.Disk, seed uint64) *faultdisk.Disk {
	t.Helper()
	d, err := from.Copy(seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// on opens the book of a disk. Whoever opens it closes it, before the disk.
func on(t *testing.T, d *faultdisk.Disk, inline bool) (*record.Book, error) {
	t.Helper()
	return record.Open(t.Context(), "sqlite:"+bookFile, record.Options{Inline: inline, Environment: "test", VFS: d.Name()})
}

// many is how often a test strikes: fewer in a hurry, more when told so.
func many(t *testing.T, usual int) int {
	t.Helper()
	if text := os.Getenv("WAYBILL_STRIKES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		return usual / 10
	}
	return usual
}

// promised is what callers were told they may rely on.
type promised struct {
	mu   sync.Mutex
	list map[string]bool
}

func (p *promised) told(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.list == nil {
		p.list = map[string]bool{}
	}
	p.list[what] = true
}

// wantKept holds the book of a disk against what was promised, and against SQLite's own check.
func (p *promised) wantKept(t *testing.T, d *faultdisk.Disk, when string) {
	t.Helper()
	d.Boot()
	conn, err := sqlite.OpenConn("file:"+bookFile+"?vfs="+d.Name(), sqlite.OpenReadWrite|sqlite.OpenURI)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer func() { _ = conn.Close() }()
	rows := func(text string) (list []string) {
		err := sqlitex.ExecuteTransient(conn, text, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			list = append(list, stmt.ColumnText(0))
			return nil
		}})
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		return list
	}
	if got := rows("PRAGMA integrity_check"); len(got) != 1 || got[0] != "ok" {
		t.Fatalf("%s: the book is damaged: %v", when, got)
	}
	kept := map[string]bool{}
	for _, what := range rows(`SELECT 'item ' || id FROM items UNION ALL SELECT 'run ' || id FROM runs
		UNION ALL SELECT 'settled ' || id FROM effects WHERE state = 'confirmed'`) {
		kept[what] = true
	}
	for what := range p.list {
		if !kept[what] {
			t.Fatalf("%s: lost, though it was promised: %s; %d were promised, %d are kept", when, what, len(p.list), len(kept))
		}
	}
	if halves := rows(`SELECT e.id FROM events e WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id)
		OR NOT EXISTS (SELECT 1 FROM effects f WHERE f.event = e.id)`); len(halves) > 0 {
		t.Fatalf("%s: %d events without the run and the effect of the same act", when, len(halves))
	}
}

func TestTheBookKeepsItsPromisesOnAnotherDisk(t *testing.T) {
	for _, inline := range []bool{true, false} {
		if testing.Short() && !inline {
			continue
		}
		t.Run(fmt.Sprint("inline ", inline), func(t *testing.T) {
			recordtest.Run(t, func(t *testing.T) *record.Book {
				t.Helper()
				return open(t, "sqlite:"+bookFile, record.Options{Now: time.Now, Inline: inline, Environment: "test", VFS: disk(t, 1).Name()})
			})
		})
	}
}

// TestAcceptedMeansKeptAcrossPowerCuts cuts the power at a random operation of the disk, again and again on one book, and
// looks for everything that was promised before.
func TestAcceptedMeansKeptAcrossPowerCuts(t *testing.T) {
	const cutsOfOneBook = 20
	base, ids := formatted(t), waybill.NewIDs(time.Now, nil)
	cuts, promises := many(t, 500), 0
	for seed := range uint64((cuts + cutsOfOneBook - 1) / cutsOfOneBook) {
		d := copied(t, base, seed)
		random := rand.New(rand.NewPCG(seed, 9))
		var p promised
		n := int64(0)
		for cut := range cutsOfOneBook {
			fault := faultdisk.Cut
			if random.IntN(3) == 0 {
				fault = faultdisk.CutMid
			}
			dead := false
			d.OnCut(func() { dead = true })
			d.At(1+random.IntN(600), fault)
			book, err := on(t, d, true)
			for err == nil && !dead {
				n++
				err = cycleTold(t.Context(), book, ids, n, p.told)
			}
			if !dead {
				t.Fatalf("seed %d, cut %d: %v", seed, cut, err)
			}
			if book != nil {
				_ = book.Close()
			}
			p.wantKept(t, d, fmt.Sprintf("seed %d, cut %d", seed, cut))
		}
		promises += len(p.list)
		d.Close()
	}
	t.Attr("size", fmt.Sprintf("%d power cuts", cuts))
	t.Attr("result", fmt.Sprintf("%d promises, 0 lost", promises))
	t.Attr("seed", fmt.Sprintf("0 to %d", (cuts+cutsOfOneBook-1)/cutsOfOneBook-1))
}

// TestAcceptedMeansKeptAcrossPowerCutsUnderMany does so with many callers at once, whose acts share commits, and with the
// background copying of the log.
func TestAcceptedMeansKeptAcrossPowerCutsUnderMany(t *testing.T) {
	base, ids := formatted(t), waybill.NewIDs(time.Now, nil)
	cuts := many(t, 50)
	t.Attr("size", fmt.Sprintf("%d power cuts under 8 callers", cuts))
	t.Attr("seed", fmt.Sprintf("0 to %d", cuts-1))
	for seed := range uint64(cuts) {
		d := copied(t, base, seed)
		random := rand.New(rand.NewPCG(seed, 10))
		var p promised
		book, err := on(t, d, false)
		if err != nil {
			t.Fatal(err)
		}
		d.At(1+random.IntN(4000), faultdisk.Cut)
		var all sync.WaitGroup
		for caller := range int64(8) {
			all.Go(func() {
				for n := caller << 32; ; n++ {
					if err := cycleTold(context.Background(), book, ids, n, p.told); err != nil {
						return
					}
				}
			})
		}
		all.Wait()
		_ = book.Close()
		p.wantKept(t, d, fmt.Sprint("seed ", seed))
		d.Close()
	}
}

// TestAnErrorOfTheDiskIsUnavailableAndOverOnceTheDiskWorks fails the n-th operation for n = 1, 2, 3 ..., in each way, once and for
// a while: nothing is promised that is not kept, and the same open book goes on by itself.
func TestAnErrorOfTheDiskIsUnavailableAndOverOnceTheDiskWorks(t *testing.T) {
	const cycles = 4
	base, ids := formatted(t), waybill.NewIDs(time.Now, nil)
	faults := map[string]faultdisk.Fault{
		"error": faultdisk.IOErr, "no room": faultdisk.Full, "short write": faultdisk.Short, "lost sync": faultdisk.Lost,
	}
	upTo, refused := many(t, 500), 0
	for what, fault := range faults {
		for n := 1; n <= upTo; n++ {
			if fault != faultdisk.IOErr && n%3 != 0 && os.Getenv("WAYBILL_STRIKES") == "" {
				continue
			}
			when := fmt.Sprintf("%s at operation %d", what, n)
			d := copied(t, base, uint64(n))
			length := []int{1, 1, 1, 4, 1, 1, 30}[n%7]
			began := d.Count()
			d.Strike(func(op faultdisk.Op) faultdisk.Fault {
				if op.N >= began+n && op.N < began+n+length {
					return fault
				}
				return faultdisk.None
			})
			var p promised
			book, err := on(t, d, true)
			for tries := 0; err != nil; tries++ {
				refused++
				if waybill.KindOf(err) != waybill.Unavailable || tries > 60 {
					t.Fatalf("%s: opening, try %d: %v", when, tries, err)
				}
				book, err = on(t, d, true)
			}
			good, bad := 0, 0
			for i := int64(0); good < cycles || d.Count() < began+n+length; i++ {
				err := cycleTold(t.Context(), book, ids, i, p.told)
				switch {
				case err == nil:
					good++
				case waybill.KindOf(err) != waybill.Unavailable || bad > 200:
					t.Fatalf("%s, cycle %d: %v", when, i, err)
				default:
					refused++
					good = 0
					bad++
				}
			}
			if n%2 == 0 || fault == faultdisk.Lost {
				d.PowerCut()
			}
			_ = book.Close()
			p.wantKept(t, d, when)
			d.Close()
		}
	}
	t.Attr("size", fmt.Sprintf("%d kinds of error, at each of the first %d operations", len(faults), upTo))
	t.Attr("result", fmt.Sprintf("%d acts refused as unavailable, 0 lost", refused))
}

func TestAFullDiskRefusesWithWordsStillReadsAndGoesOnOnceThereIsRoom(t *testing.T) {
	base, ids := formatted(t), waybill.NewIDs(time.Now, nil)
	for _, room := range []int64{0, 100, 10_000, 300_000} {
		d := copied(t, base, uint64(room))
		var p promised
		book, err := on(t, d, true)
		if err != nil {
			t.Fatal(err)
		}
		for n := range int64(5) {
			if err := cycleTold(t.Context(), book, ids, n, p.told); err != nil {
				t.Fatal(err)
			}
		}
		d.Room(room)
		n := int64(100)
		for ; err == nil && n < 2000; n++ {
			err = cycleTold(t.Context(), book, ids, n, p.told)
		}
		if waybill.KindOf(err) != waybill.Unavailable || !strings.Contains(err.Error(), "full") {
			t.Fatalf("room for %d bytes: full after %d cycles: %v", room, n-100, err)
		}
		for range 3 {
			if events, _, err := book.Events(t.Context(), waybill.EventFilter{Limit: 3}); err != nil || len(events) != 3 {
				t.Fatalf("room for %d bytes: a full disk cannot be read: %d, %v", room, len(events), err)
			}
			if err := cycle(t.Context(), book, ids, n); waybill.KindOf(err) != waybill.Unavailable {
				t.Fatalf("room for %d bytes: still full: %v", room, err)
			}
			n++
		}
		d.Room(-1)
		if err := cycleTold(t.Context(), book, ids, n, p.told); err != nil {
			t.Fatalf("room for %d bytes, then enough: %v", room, err)
		}
		d.PowerCut()
		_ = book.Close()
		p.wantKept(t, d, fmt.Sprintf("room for %d bytes", room))
		d.Close()
	}
}

// TestASyncThatFailedIsNeverTrustedAgain fails syncs as a real system does: it then calls the pages clean though they never
// reached the disk, and the next sync says all is well. What is promised after that must survive a power cut all the same.
func TestASyncThatFailedIsNeverTrustedAgain(t *testing.T) {
	base, ids := formatted(t), waybill.NewIDs(time.Now, nil)
	failed := 0
	for seed := range uint64(many(t, 60)) {
		d := copied(t, base, seed)
		random := rand.New(rand.NewPCG(seed, 11))
		var p promised
		book, err := on(t, d, true)
		if err != nil {
			t.Fatal(err)
		}
		failing := false
		d.Strike(func(op faultdisk.Op) faultdisk.Fault {
			if op.Kind == faultdisk.Sync && failing && random.IntN(2) == 0 {
				failed++
				return faultdisk.Lost
			}
			if op.Kind != faultdisk.Sync && failing && random.IntN(12) == 0 {
				return faultdisk.IOErr // and the way back fails, too
			}
			return faultdisk.None
		})
		for n := range int64(30) {
			failing = n%10 >= 3 && n%10 < 6
			err := cycleTold(t.Context(), book, ids, n, p.told)
			if err != nil && (waybill.KindOf(err) != waybill.Unavailable || !failing) {
				t.Fatalf("seed %d, cycle %d: %v", seed, n, err)
			}
			if _, _, err := book.Events(t.Context(), waybill.EventFilter{Limit: 3}); err != nil && waybill.KindOf(err) != waybill.Unavailable {
				t.Fatalf("seed %d, reading after cycle %d: %v", seed, n, err)
			}
		}
		d.PowerCut()
		_ = book.Close()
		p.wantKept(t, d, fmt.Sprint("seed ", seed))
		d.Close()
	}
	if failed == 0 {
		t.Fatal("no sync failed")
	}
	t.Attr("size", fmt.Sprintf("%d books, %d syncs failed", many(t, 60), failed))
}

// TestALogWhoseSyncFailedIsNotBuiltUpon is the worst way: the sync of a commit fails, nobody else has the book open, and the way
// back fails half-way, so that the log is found again with a commit in it that can be read and is not on the disk.
func TestALogWhoseSyncFailedIsNotBuiltUpon(t *testing.T) {
	base, ids := formatted(t), waybill.NewIDs(time.Now, nil)
	t.Attr("size", fmt.Sprintf("%d books", many(t, 100)))
	for seed := range uint64(many(t, 100)) {
		when := fmt.Sprint("seed ", seed)
		d := copied(t, base, seed)
		var p promised
		book, err := on(t, d, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := cycleTold(t.Context(), book, ids, 1, p.told); err != nil {
			t.Fatal(err)
		}
		d.Strike(func(faultdisk.Op) faultdisk.Fault { return faultdisk.IOErr })
		if _, _, err := book.Events(t.Context(), waybill.EventFilter{}); waybill.KindOf(err) != waybill.Unavailable {
			t.Fatalf("%s: read without a disk: %v", when, err)
		}
		lost := false
		d.Strike(func(op faultdisk.Op) faultdisk.Fault {
			switch {
			case op.Kind == faultdisk.Sync && !lost:
				lost = true
				return faultdisk.Lost
			case lost && op.Kind == faultdisk.Write && op.File == bookFile:
				return faultdisk.IOErr
			default:
				return faultdisk.None
			}
		})
		if err := cycle(t.Context(), book, ids, 2); waybill.KindOf(err) != waybill.Unavailable || !lost {
			t.Fatalf("%s: promised without a sync: %v", when, err)
		}
		d.Strike(nil)
		if err := cycleTold(t.Context(), book, ids, 3, p.told); err != nil {
			t.Fatalf("%s: the disk works again: %v", when, err)
		}
		d.PowerCut()
		_ = book.Close()
		p.wantKept(t, d, when)
		d.Close()
	}
}
