package record

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"waybill"
)

// Bounds of what strangers can make the book keep.
const (
	maxSamples    = 200 // in all
	maxPerHour    = 200 // different connections and reasons; more are counted as one
	maxSampleBody = 2 << 10
	maxName       = 100
	otherNames    = "(other names)"
)

// CountRejections adds to the counts by connection, reason and hour, and keeps at most 200 samples in all, the newest ones.
// In one hour at most 200 different ones are counted; Old forgets hours after their time, the totals are kept for good.
func (tx *Tx) CountRejections(rejections []waybill.Rejection) error {
	for i := range rejections {
		if err := tx.countRejection(&rejections[i]); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) countRejection(r *waybill.Rejection) error {
	first, last := r.FirstAt, r.LastAt
	if last.IsZero() {
		last = tx.now
	}
	if first.IsZero() {
		first = last
	}
	start := ms(last) - ms(last)%hour
	name, reason := cut(r.Connection), cut(r.Reason)
	_, known, err := one(tx, "SELECT n FROM rejections WHERE hour = $1 AND connection = $2 AND reason = $3", num0, start, name, reason)
	if err != nil {
		return err
	}
	if !known {
		n, _, err := one(tx, "SELECT count(*) FROM rejections WHERE hour = $1", num0, start)
		if err != nil {
			return err
		}
		if n >= maxPerHour {
			name, reason = otherNames, "too many different ones in this hour"
		}
	}
	_, err = tx.exec(`INSERT INTO rejections (hour, connection, reason, status, n, first_at, last_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (hour, connection, reason) DO UPDATE SET
			status = excluded.status, n = rejections.n + excluded.n, last_at = excluded.last_at`,
		start, name, reason, r.Status, max(r.Count, 1), first, last)
	if err != nil {
		return err
	}
	tx.count("rejected", "", max(r.Count, 1))
	tx.changed |= rejectionChanged
	if r.Sample == nil {
		return nil
	}
	return tx.keepSample(name, reason, r.Sample)
}

func (tx *Tx) keepSample(name, reason string, s *waybill.RejectionSample) error {
	short := *s
	short.Body = short.Body[:min(len(short.Body), maxSampleBody)]
	text, err := doc(short)
	if err != nil {
		return err
	}
	seq, _, err := tx.insert("INSERT INTO rejection_samples (connection, reason, at, doc) VALUES ($1, $2, $3, $4)",
		name, reason, s.At, text)
	if err != nil {
		return err
	}
	_, err = tx.exec("DELETE FROM rejection_samples WHERE seq <= $1", seq-maxSamples)
	return err
}

func cut(s string) string {
	if len(s) > maxName {
		return strings.ToValidUTF8(s[:maxName], "")
	}
	return s
}

// Rejections lists counts by connection and reason over the hours kept, the latest first, each with its newest sample.
func (b *Book) Rejections(ctx context.Context, f waybill.ListFilter) ([]waybill.Rejection, string, error) {
	var out []waybill.Rejection
	next := ""
	err := b.View(ctx, func(tx *Tx) error {
		limit := limitOf(f.Limit)
		before, name, reason := cutCursor(f.Before)
		if f.Before != "" && before == 0 {
			return noCursor(f.Before)
		}
		var err error
		out, err = list(tx, `SELECT connection, reason, max(status), sum(n), min(first_at), max(last_at) FROM rejections
			WHERE ($1 = '' OR connection = $1) GROUP BY connection, reason
			HAVING $2 = 0 OR max(last_at) < $2 OR (max(last_at) = $2 AND (connection > $3 OR (connection = $3 AND reason > $4)))
			ORDER BY max(last_at) DESC, connection, reason LIMIT $5`, func(r row) (waybill.Rejection, error) {
			return waybill.Rejection{
				Connection: r.text(0), Reason: r.text(1), Status: int(r.num(2)), Count: int(r.num(3)), FirstAt: at(r.num(4)),
				LastAt: at(r.num(5)),
			}, nil
		}, f.Connection, before, name, reason, limit+1)
		if err != nil {
			return err
		}
		if len(out) > limit {
			out = out[:limit]
			last := out[limit-1]
			next = fmt.Sprintf("%d|%d|%s%s", ms(last.LastAt), len(last.Connection), last.Connection, last.Reason)
		}
		for i := range out {
			s, found, err := one(tx, `SELECT doc FROM rejection_samples WHERE connection = $1 AND reason = $2
				ORDER BY seq DESC LIMIT 1`, func(r row) (waybill.RejectionSample, error) {
				var s waybill.RejectionSample
				return s, undoc(r.text(0), &s)
			}, out[i].Connection, out[i].Reason)
			if err != nil {
				return err
			}
			if found {
				out[i].Sample = &s
			}
		}
		return nil
	})
	return out, next, err
}

// cutCursor reads a cursor: the time, the length of the name, name and reason. Anything else is none.
func cutCursor(s string) (before int64, name, reason string) {
	when, rest, _ := strings.Cut(s, "|")
	length, rest, _ := strings.Cut(rest, "|")
	before, err := strconv.ParseInt(when, 10, 64)
	n, err2 := strconv.Atoi(length)
	if err != nil || err2 != nil || n < 0 || n > len(rest) {
		return 0, "", ""
	}
	return before, rest[:n], rest[n:]
}
