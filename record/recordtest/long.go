package recordtest

import (
	"math/rand/v2"
	"strings"
	"time"

	"waybill"
	"waybill/record"
)

// long is a text of ten thousand characters that cannot be made shorter, and ends in what is given.
func long(end string) string {
	rnd := rand.New(rand.NewPCG(1, 2)) // repeatable
	var b strings.Builder
	for range 10_000 {
		b.WriteRune('à' + rune(rnd.IntN(60)))
	}
	return b.String() + end
}

// longCases: what outside systems use as a key may be of any length, and counts whole, to its last character.
var longCases = []testCase{
	{"a delivery key counts whole", func(k *kit) {
		first := k.takeIn(k.arrival("{}", long("1")))
		again, other := k.takeIn(k.arrival("{}", long("1"))), k.takeIn(k.arrival("{}", long("2")))
		same(k, "fresh, duplicate, another", []any{len(first.Fresh), again.Duplicate, other.Duplicate}, []any{1, true, false})
	}},
	{"a fact key counts whole", func(k *kit) {
		first := k.put(k.fact(long("1")))
		var joined waybill.EventID
		var fresh bool
		k.do(func(tx *record.Tx) (err error) {
			joined, fresh, err = tx.PutEvent(k.fact(long("1")))
			return err
		})
		same(k, "joined", []any{joined, fresh}, []any{first, false})
		k.put(k.fact(long("2")))
	}},
	{"a search key counts whole", func(k *kit) {
		e := k.fact("f1")
		e.Search = []waybill.SearchKey{{Kind: "id", Value: long("1")}}
		k.put(e)
		for _, c := range []struct {
			query string
			n     int
		}{{long("1"), 1}, {long("2"), 0}} {
			found, _, err := k.book.Events(k.Context(), waybill.EventFilter{Query: c.query})
			same(k, "found", []any{len(found), err}, []any{c.n, nil})
		}
	}},
	{"an alias and a pairing count whole", func(k *kit) {
		alias := func(end string) waybill.Alias { return waybill.Alias{Kind: "crm", Value: long(end)} }
		k.do(func(tx *record.Tx) error {
			_, err := tx.TouchSubject(&waybill.Subject{Type: "customer", Name: "Asha", Aliases: []waybill.Alias{alias("1")}})
			return err
		})
		pair := waybill.Pairing{Type: "customer", ConnA: "crm", IDA: long("1"), ConnB: "erp", IDB: long("b")}
		k.do(func(tx *record.Tx) error { return tx.Pair(pair) })
		k.read(func(tx *record.Tx) error {
			same(k, "subject", []bool{
				must[*waybill.Subject](k)(tx.SubjectBy("customer", alias("1"))) != nil,
				must[*waybill.Subject](k)(tx.SubjectBy("customer", alias("2"))) != nil,
			}, []bool{true, false})
			there, found, err := tx.PairedID("customer", "crm", long("1"), "erp")
			same(k, "the other side's id", []any{there == long("b"), found, err}, []any{true, true, nil})
			back, found, err := tx.PairedID("customer", "erp", long("b"), "crm")
			same(k, "and back", []any{back == long("1"), found, err}, []any{true, true, nil})
			_, found, err = tx.PairedID("customer", "crm", long("2"), "erp")
			same(k, "another", []any{found, err}, []any{false, nil})
			return nil
		})
		k.do(func(tx *record.Tx) error {
			return tx.Pair(waybill.Pairing{Type: "customer", ConnA: "crm", IDA: long("1"), ConnB: "erp", IDB: long("c")})
		})
		k.read(func(tx *record.Tx) error {
			_, found, err := tx.PairedID("customer", "erp", long("b"), "crm")
			same(k, "the old pairing", []any{found, err}, []any{false, nil})
			return nil
		})
	}},
	{"a lane's value counts whole, and the lane is handed on", func(k *kit) {
		first, second, other := k.run(k.event(), long("1")), k.run(k.event(), long("1")), k.run(k.event(), long("2"))
		same(k, "behind", []waybill.RunID{k.putRun(first), k.putRun(second), k.putRun(other)}, []waybill.RunID{"", first.ID, ""})
		k.moveRun(first.ID, waybill.RunRunning)
		k.moveRun(first.ID, waybill.RunDone)
		k.do(func(tx *record.Tx) error {
			next, err := tx.LeaveLane(first.ID)
			same(k, "next", next, second.ID)
			return err
		})
		k.read(func(tx *record.Tx) error {
			r := must[*waybill.Run](k)(tx.Run(second.ID))
			same(k, "lane, behind", []any{r.Lane == long("1"), r.Behind}, []any{true, waybill.RunID("")})
			return nil
		})
	}},
	{"the address of a step for each item counts whole, and stands in the effect", func(k *kit) {
		event := k.event()
		first, _ := k.plan(k.effect(event, long("1"), "f1"), false)
		again, written := k.plan(k.effect(event, long("1"), "f1"), false)
		same(k, "planned once", []any{again.ID, written, again.Address == long("1")}, []any{first.ID, false, true})
		_, written = k.plan(k.effect(event, long("2"), "f1"), false)
		same(k, "another item's", written, true)
		k.read(func(tx *record.Tx) error {
			at := must[*waybill.Effect](k)(tx.EffectAt(event, "payment-to-crm", long("2")))
			same(k, "found", []any{at.Address == long("2"), at.ID != first.ID}, []any{true, true})
			return nil
		})
		k.moveEffect(first.ID, waybill.EffectSent, waybill.EffectConfirmed)
	}},
	{"what waits in a loop is woken, however long its item's key is", func(k *kit) {
		run, key := k.waiting(), record.WaitKey{Type: "payment.succeeded", Shape: "order_id", Value: long("1")}
		k.await(run.ID, long("1"), key)
		same(k, "woken", k.tell(k.later(time.Minute), key), []waybill.RunID{run.ID})
		k.do(func(tx *record.Tx) error {
			hits := must[[]record.Hit](k)(tx.Hits(run.ID))
			same(k, "hits", len(hits), 1)
			return tx.DropHit(run.ID, hits[0])
		})
		k.read(func(tx *record.Tx) error {
			same(k, "left", len(must[[]record.Hit](k)(tx.Hits(run.ID))), 0)
			return nil
		})
	}},
	{"what groups a problem, and what a person acted on, counts whole", func(k *kit) {
		raise := func(end string) (id waybill.ProblemID) {
			k.do(func(tx *record.Tx) (err error) {
				id, err = tx.Raise(&waybill.Problem{Key: long(end), Cause: waybill.DeclinedValue, Title: "declined"}, waybill.Member{Run: waybill.RunID(k.ids.New("run")), At: k.now})
				return err
			})
			return id
		}
		one, two, other := raise("1"), raise("1"), raise("2")
		same(k, "grouped, apart", []bool{one == two, one == other}, []bool{true, false})
		k.do(func(tx *record.Tx) error {
			return tx.Audit(&waybill.Audited{Who: "asha", Action: "looked", Object: long("1"), At: k.now.Add(time.Second)})
		})
	}},
	{"a value that a person adds to a table has a bounded key", func(k *kit) {
		k.refused(waybill.Invalid, func(tx *record.Tx) error { return tx.SetDeskValue("status", long("1"), "won", "asha") })
		k.do(func(tx *record.Tx) error { return tx.SetDeskValue("status", strings.Repeat("é", 500), "won", "asha") })
	}},
}
