package record

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"waybill"
)

// Figures are counts that acts add to, written once for each commit: for what stands now (a gauge), and for what
// happened, by minute and by hour.

const (
	now0   = 0
	minute = int64(time.Minute / time.Millisecond)
	hour   = int64(time.Hour / time.Millisecond)
)

// keepMinutes is how long figures of single minutes are counted on; Old forgets them a little later.
const keepMinutes = 48 * hour

type figure struct {
	name string
	what string // the connection or flow
}

type delta struct {
	figure
	gauge bool
	n     int64
	at    int64 // unix ms
}

// count adds to what happened in this minute.
func (tx *Tx) count(name, what string, n int) {
	if n != 0 {
		tx.deltas = append(tx.deltas, delta{figure{name, what}, false, int64(n), ms(tx.now)})
	}
}

// gauge changes what stands now.
func (tx *Tx) gauge(name, what string, n int) {
	if n != 0 {
		tx.deltas = append(tx.deltas, delta{figure{name, what}, true, int64(n), ms(tx.now)})
	}
}

type attempted struct {
	owner  string
	failed bool
}

// countAttempts counts the act's attempts by connection, which the rows beside them mostly told already.
func (tx *Tx) countAttempts() error {
	for _, a := range tx.attempts {
		conn, known := tx.conns[a.owner]
		if !known {
			var err error
			conn, _, err = one(tx, `SELECT connection FROM effects WHERE id = $1
				UNION ALL SELECT connection FROM fetches WHERE id = $1`, text0, a.owner)
			if err != nil {
				return err
			}
		}
		tx.count("out", conn, 1)
		if a.failed {
			tx.count("failed", conn, 1)
		}
	}
	return nil
}

// saw remembers whose connection an effect or fetch uses, for countAttempts.
func (tx *Tx) saw(owner, connection string) {
	if tx.conns == nil {
		tx.conns = map[string]string{}
	}
	tx.conns[owner] = connection
}

// figureRow is a row of the figures table.
type figureRow struct {
	width, start int64
	figure
}

func (r figureRow) compare(to figureRow) int {
	return cmp.Or(cmp.Compare(r.width, to.width), cmp.Compare(r.name, to.name), cmp.Compare(r.start, to.start), cmp.Compare(r.what, to.what))
}

type figureSum struct{ n, last int64 }

// hourOf notes an event of an hour of acceptance, by its place.
type hourOf struct{ start, seq int64 }

// flush writes what the batch noted beside its rows: figures, and which events each hour holds.
func (tx *Tx) flush() error {
	if err := tx.flushHours(); err != nil {
		return err
	}
	return tx.flushFigures()
}

func (tx *Tx) flushHours() error {
	type span struct{ first, last int64 }
	spans := map[int64]span{}
	for _, h := range tx.hours {
		s, ok := spans[h.start]
		if !ok {
			s.first = h.seq
		}
		spans[h.start] = span{min(s.first, h.seq), max(s.last, h.seq)}
	}
	for _, start := range slices.Sorted(maps.Keys(spans)) {
		s := spans[start]
		err := tx.later(`INSERT INTO event_hours (hour, first_seq, last_seq) VALUES ($1, $2, $3)
			ON CONFLICT (hour) DO UPDATE SET
				first_seq = CASE WHEN event_hours.first_seq < excluded.first_seq THEN event_hours.first_seq ELSE excluded.first_seq END,
				last_seq = CASE WHEN event_hours.last_seq > excluded.last_seq THEN event_hours.last_seq ELSE excluded.last_seq END`,
			start, s.first, s.last)
		if err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) flushFigures() error {
	if len(tx.deltas) == 0 {
		return nil
	}
	sums := make(map[figureRow]figureSum, 24)
	add := func(width int64, d delta) {
		row := figureRow{width: width, figure: d.figure}
		if width > 0 {
			row.start = d.at - d.at%width
		}
		s := sums[row]
		s.n += d.n
		s.last = max(s.last, d.at)
		sums[row] = s
	}
	for _, d := range tx.deltas {
		if d.gauge {
			add(now0, d)
			continue
		}
		add(minute, d)
		add(hour, d)
	}
	// Nodes write the same rows: in one order, so that none waits for another that waits for it.
	for _, r := range slices.SortedFunc(maps.Keys(sums), figureRow.compare) {
		s := sums[r]
		if r.width == now0 && s.n == 0 {
			continue
		}
		err := tx.later(`INSERT INTO figures (width, name, start, what, n, last) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (width, name, start, what) DO UPDATE SET n = figures.n + excluded.n, last = excluded.last`,
			r.width, r.name, r.start, r.what, s.n, s.last)
		if err != nil {
			return err
		}
	}
	return nil
}

// standing returns a gauge by connection or flow.
func (tx *Tx) standing(name string) (map[string]int, error) {
	return tx.figureMap("SELECT what, n FROM figures WHERE width = 0 AND start = 0 AND name = $1", name)
}

// since returns what happened since t, by connection or flow: whole hours where they are whole, minutes at the start. When
// those minutes are no longer kept, the hour is counted from its beginning.
func (tx *Tx) since(name string, t time.Time) (map[string]int, error) {
	start := ms(t) - ms(t)%minute
	if start < ms(tx.now)-keepMinutes+hour {
		start -= start % hour
	}
	whole := (start + hour - 1) / hour * hour
	return tx.figureMap(`SELECT what, sum(n) FROM (
			SELECT what, n FROM figures WHERE width = 3600000 AND start >= $2 AND name = $3
			UNION ALL SELECT what, n FROM figures WHERE width = 60000 AND start >= $1 AND start < $2 AND name = $3
		) AS f GROUP BY what`, start, whole, name)
}

func (tx *Tx) figureMap(text string, args ...any) (map[string]int, error) {
	out := map[string]int{}
	err := tx.s.query(text, args, func(r row) error {
		if n := int(r.num(1)); n != 0 {
			out[r.text(0)] = n
		}
		return nil
	})
	return out, tx.note(err)
}

func total(by map[string]int) int {
	sum := 0
	for _, n := range by {
		sum += n
	}
	return sum
}

// countRun notes that a run moved; from is empty for a new one.
func (tx *Tx) countRun(flow string, from, to waybill.RunState) {
	if from == to {
		return
	}
	if from != "" && !from.Ended() {
		tx.gauge("run "+string(from), flow, -1)
	}
	if !to.Ended() {
		tx.gauge("run "+string(to), flow, 1)
	}
	switch to {
	case waybill.RunDone:
		tx.count("done", flow, 1)
	case waybill.RunStopped:
		tx.count("stopped", flow, 1)
	case waybill.RunBlocked:
		tx.count("blocked", flow, 1)
	default:
	}
}
