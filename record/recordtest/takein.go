package recordtest

import (
	"strings"
	"sync"
	"time"

	"waybill"
	"waybill/record"
)

var takeInCases = []testCase{
	{"what was taken in is found again, byte for byte", func(k *kit) {
		a := k.arrival("{\"a\":\x00 \"ü\"}", "key 1")
		r := k.takeIn(a)
		same(k, "receipt", r.Duplicate, false)
		k.read(func(tx *record.Tx) error {
			body := must[[]byte](k)(tx.Body(a.ID))
			same(k, "body", body, a.Body)
			got := must[*waybill.Arrival](k)(tx.Arrival(a.ID))
			want := *a
			want.Body = nil
			want.Items = r.Fresh
			same(k, "arrival", *got, want)
			same(k, "item", got.Items[0].State, waybill.ItemKept)
			return nil
		})
	}},
	{"a delivery key is accepted once, and the second is a duplicate of the first", func(k *kit) {
		first := k.takeIn(k.arrival("one", "key 1"))
		a := k.arrival("one", "key 1")
		again := k.takeIn(a)
		same(k, "duplicate", again.Duplicate, true)
		same(k, "fresh items", len(again.Fresh), 0)
		k.read(func(tx *record.Tx) error {
			it := must[*waybill.Item](k)(tx.Item(a.Items[0].ID))
			same(k, "state", it.State, waybill.ItemNotUsed)
			same(k, "duplicate of", it.DuplicateOf, first.Fresh[0].ID)
			if it.Reason == "" {
				k.Error("a duplicate needs its reason in words")
			}
			return nil
		})
	}},
	{"a repeat's bytes are found though they are kept only once, and other bytes are kept", func(k *kit) {
		k.takeIn(k.arrival("one", "key 1"))
		repeat, other := k.arrival("one", "key 1"), k.arrival("another body", "key 1")
		k.takeIn(repeat)
		k.takeIn(other)
		k.read(func(tx *record.Tx) error {
			same(k, "repeat", string(must[[]byte](k)(tx.Body(repeat.ID))), "one")
			same(k, "other", string(must[[]byte](k)(tx.Body(other.ID))), "another body")
			return nil
		})
	}},
	{"a delivery key twice in one arrival is accepted once", func(k *kit) {
		r := k.takeIn(k.arrival("batch", "key 1", "key 2", "key 1"))
		same(k, "duplicate", r.Duplicate, false)
		same(k, "fresh items", len(r.Fresh), 2)
	}},
	{"an arrival with one new item among known ones is no duplicate", func(k *kit) {
		k.takeIn(k.arrival("one", "key 1"))
		r := k.takeIn(k.arrival("batch", "key 1", "key 2"))
		same(k, "duplicate", r.Duplicate, false)
		same(k, "fresh key", r.Fresh[0].DeliveryKey, "key 2")
	}},
	{"a delivery key is accepted once across concurrent callers", func(k *kit) {
		var group sync.WaitGroup
		var mu sync.Mutex
		fresh, failed := 0, error(nil)
		for range 40 {
			a := k.arrival("one", "key 1")
			group.Go(func() {
				var r waybill.Receipt
				err := k.book.Do(background(), func(tx *record.Tx) (err error) {
					r, err = tx.TakeIn(a)
					return err
				})
				mu.Lock()
				defer mu.Unlock()
				fresh += len(r.Fresh)
				if err != nil {
					failed = err
				}
			})
		}
		group.Wait()
		if failed != nil {
			k.Fatal(failed)
		}
		same(k, "accepted", fresh, 1)
	}},
	{"delivery keys of different accounts do not collide", func(k *kit) {
		k.takeIn(k.arrival("one", "key 1"))
		a := k.arrival("one", "key 1")
		a.Account = "acct_2"
		same(k, "duplicate", k.takeIn(a).Duplicate, false)
	}},
	{"a delivery key with an end counts only until then", func(k *kit) {
		until := func(received time.Duration) waybill.Receipt {
			a := k.arrival("one", "body hash")
			a.ReceivedAt = k.now.Add(received)
			a.Items[0].KeyUntil = a.ReceivedAt.Add(time.Hour)
			return k.takeIn(a)
		}
		same(k, "first", until(0).Duplicate, false)
		same(k, "within the hour", until(59*time.Minute).Duplicate, true)
		same(k, "after the hour", until(2*time.Hour).Duplicate, false)
		same(k, "within the second hour", until(2*time.Hour+time.Minute).Duplicate, true)
	}},
	{"an item without a delivery key is always new", func(k *kit) {
		same(k, "first", k.takeIn(k.arrival("one", "")).Duplicate, false)
		same(k, "second", k.takeIn(k.arrival("one", "")).Duplicate, false)
	}},
	{"an item that comes in blocked or not used stays so", func(k *kit) {
		a := k.arrival("unreadable", "key 1", "key 2")
		a.Items[0].State, a.Items[0].Reason = waybill.ItemBlocked, "the body is no JSON"
		a.Items[1].State, a.Items[1].Reason = waybill.ItemNotUsed, "a ping"
		k.takeIn(a)
		k.read(func(tx *record.Tx) error {
			same(k, "first", must[*waybill.Item](k)(tx.Item(a.Items[0].ID)).State, waybill.ItemBlocked)
			same(k, "second", must[*waybill.Item](k)(tx.Item(a.Items[1].ID)).Reason, "a ping")
			same(k, "due", len(must[[]waybill.Item](k)(tx.DueItems(k.now.Add(time.Hour), 10))), 0)
			return nil
		})
	}},
	{"an item cannot come in as translated", func(k *kit) {
		a := k.arrival("one", "key 1")
		a.Items[0].State = waybill.ItemTranslated
		k.refused(waybill.Invalid, func(tx *record.Tx) error {
			_, err := tx.TakeIn(a)
			return err
		})
	}},
	{"an arrival's id is taken once", func(k *kit) {
		a := k.arrival("one", "key 1")
		k.takeIn(a)
		b := k.arrival("two", "key 2")
		b.ID = a.ID
		k.refused(waybill.Conflict, func(tx *record.Tx) error {
			_, err := tx.TakeIn(b)
			return err
		})
	}},
	{"what was never taken in is not found", func(k *kit) {
		k.refused(waybill.NotFound, func(tx *record.Tx) error { _, err := tx.Item("itm_none"); return err })
		k.refused(waybill.NotFound, func(tx *record.Tx) error { _, err := tx.Arrival("arr_none"); return err })
		k.refused(waybill.NotFound, func(tx *record.Tx) error { _, err := tx.Body("arr_none"); return err })
	}},
	{"an item moves as it may, and keeps why", func(k *kit) {
		it := k.item()
		it.State, it.Reason = waybill.ItemBlocked, "no table row for the status"
		k.do(func(tx *record.Tx) error { return tx.MoveItem(&it, waybill.ItemKept) })
		it.State, it.Reason = waybill.ItemKept, ""
		k.do(func(tx *record.Tx) error { return tx.MoveItem(&it, waybill.ItemBlocked) })
		it.State, it.Events = waybill.ItemTranslated, []waybill.EventID{"evt_1", "evt_2"}
		k.do(func(tx *record.Tx) error { return tx.MoveItem(&it, waybill.ItemKept) })
		k.read(func(tx *record.Tx) error {
			same(k, "item", *must[*waybill.Item](k)(tx.Item(it.ID)), it)
			return nil
		})
	}},
	{"an illegal move of an item is refused, and one from another state", func(k *kit) {
		it := k.item()
		it.State = waybill.ItemTranslated
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveItem(&it, waybill.ItemBlocked) })
		k.refused(waybill.Conflict, func(tx *record.Tx) error { return tx.MoveItem(&it, waybill.ItemFetching) })
		it.ID = "itm_none"
		k.refused(waybill.NotFound, func(tx *record.Tx) error { return tx.MoveItem(&it, waybill.ItemKept) })
	}},
	{"rejections are counted by connection and reason", func(k *kit) {
		k.do(func(tx *record.Tx) error {
			return tx.CountRejections([]waybill.Rejection{
				{Connection: "payments", Reason: "signature does not match", Status: 401, Count: 3, FirstAt: k.now, LastAt: k.now},
				{Connection: "forms", Reason: "too large", Status: 413, Count: 1, FirstAt: k.now, LastAt: k.now.Add(time.Second)},
			})
		})
		k.do(func(tx *record.Tx) error {
			return tx.CountRejections([]waybill.Rejection{{
				Connection: "payments", Reason: "signature does not match", Status: 401, Count: 2, FirstAt: k.now, LastAt: k.now.Add(2 * time.Second),
				Sample: &waybill.RejectionSample{At: k.now, Remote: "198.51.100.9", Method: "POST", Body: []byte("forged")},
			}})
		})
		list, next, err := k.book.Rejections(k.Context(), waybill.ListFilter{})
		if err != nil || next != "" || len(list) != 2 {
			k.Fatalf("%d rejections, next %q: %v", len(list), next, err)
		}
		same(k, "newest", list[0].Count, 5)
		same(k, "first seen", list[0].FirstAt, k.now)
		same(k, "sample", string(list[0].Sample.Body), "forged")
		same(k, "other", list[1].Reason, "too large")
		same(k, "no sample", list[1].Sample == nil, true)
	}},
	{"rejections cannot fill the disk: samples, their size, names and their number are bounded", func(k *kit) {
		for range 3 {
			k.do(func(tx *record.Tx) error {
				var many []waybill.Rejection
				for n := range 300 {
					many = append(many, waybill.Rejection{
						Connection: nth(strings.Repeat("x", 200), n)[190:], Reason: "unknown", Count: 1, FirstAt: k.now, LastAt: k.now,
						Sample: &waybill.RejectionSample{At: k.now, Body: []byte(strings.Repeat("b", 10_000))},
					})
				}
				return tx.CountRejections(many)
			})
		}
		total, samples, names := 0, 0, 0
		for cursor := ""; ; {
			list, next, err := k.book.Rejections(k.Context(), waybill.ListFilter{Before: cursor, Limit: 30})
			if err != nil {
				k.Fatal(err)
			}
			for _, r := range list {
				names++
				total += r.Count
				if r.Sample != nil {
					samples++
					same(k, "size of a sample", len(r.Sample.Body), 2048)
				}
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		same(k, "all are counted", total, 900)
		same(k, "names", names, 201)
		if samples == 0 || samples > 200 {
			k.Errorf("%d samples, want 1 to 200", samples)
		}
	}},
	{"a rejected connection's name is cut", func(k *kit) {
		k.do(func(tx *record.Tx) error {
			return tx.CountRejections([]waybill.Rejection{{Connection: strings.Repeat("ü", 500), Reason: "never known", Count: 1}})
		})
		list, _, err := k.book.Rejections(k.Context(), waybill.ListFilter{})
		if err != nil || len(list) != 1 {
			k.Fatal(len(list), err)
		}
		same(k, "name", list[0].Connection, strings.Repeat("ü", 50))
	}},
}
