package recordtest

import (
	"fmt"
	"sync"
	"time"

	"waybill"
	"waybill/record"
)

var understandCases = []testCase{
	{"an event is found again whole", func(k *kit) {
		e := k.fact("pi_1")
		e.Rank, e.Revision, e.Item, e.Arrival, e.Parent, e.Hops, e.Bundle = 30, "7", "itm_1", "arr_1", "evt_0", 2, "b1"
		e.Mapped = waybill.MappedBy{File: "m.yaml", Line: 3, LeftOut: []string{"email"}}
		e.Considered = []waybill.Consideration{{Flow: "f", Matched: false, Clause: "amount > 0", Values: map[string]string{"amount": "0"}}}
		e.Search = []waybill.SearchKey{{Kind: "email", Value: "asha@example.com"}}
		k.put(e)
		k.read(func(tx *record.Tx) error {
			same(k, "event", *must[*waybill.Event](k)(tx.Event(e.ID)), *e)
			return nil
		})
	}},
	{"a fact told twice makes one event, and the later item is evidence", func(k *kit) {
		first, second := k.item(), k.item()
		a, b := k.fact("pi_1"), k.fact("pi_1")
		a.Item, b.Item = first.ID, second.ID
		k.put(a)
		k.do(func(tx *record.Tx) error {
			id, fresh, err := tx.PutEvent(b)
			same(k, "joins", id, a.ID)
			same(k, "fresh", fresh, false)
			return err
		})
		j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(a.ID)))
		if len(j.Evidence) != 1 {
			k.Fatalf("%d evidence, want 1", len(j.Evidence))
		}
		same(k, "evidence", j.Evidence[0].Item, second.ID)
		same(k, "its type is the provider's word", j.Evidence[0].Type, "payment.captured")
	}},
	{"a mapping run again on the same item adds nothing", func(k *kit) {
		it := k.item()
		for range 3 {
			e := k.fact("pi_1")
			e.Item = it.ID
			k.do(func(tx *record.Tx) error { _, _, err := tx.PutEvent(e); return err })
		}
		rows, _, err := k.book.Events(k.Context(), waybill.EventFilter{})
		if err != nil || len(rows) != 1 {
			k.Fatal(len(rows), err)
		}
		same(k, "evidence", rows[0].Evidence, 0)
	}},
	{"fact keys of different accounts and types do not collide", func(k *kit) {
		a, b, c := k.fact("pi_1"), k.fact("pi_1"), k.fact("pi_1")
		b.Account = "acct_2"
		c.Type = "payment.failed"
		k.put(a)
		k.put(b)
		k.put(c)
	}},
	{"parts of a key do not run into each other", func(k *kit) {
		a, b := k.fact("c"), k.fact("bc")
		a.Account, a.Type = "a", "b"
		b.Account, b.Type = "a", ""
		k.put(a)
		k.put(b)
	}},
	{"a fact is one event across concurrent callers", func(k *kit) {
		var group sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 40 {
			e := k.fact("pi_1")
			group.Go(func() {
				var fresh bool
				err := k.book.Do(background(), func(tx *record.Tx) (err error) {
					_, fresh, err = tx.PutEvent(e)
					return err
				})
				mu.Lock()
				defer mu.Unlock()
				if fresh && err == nil {
					made++
				}
			})
		}
		group.Wait()
		same(k, "events", made, 1)
	}},
	{"an event without a fact key is always new", func(k *kit) {
		k.put(k.fact(""))
		k.put(k.fact(""))
	}},
	{"considerations are replaced", func(k *kit) {
		id := k.event()
		list := []waybill.Consideration{{Flow: "f", Matched: true, Run: "run_1"}}
		k.do(func(tx *record.Tx) error { return tx.SetConsidered(id, list) })
		k.read(func(tx *record.Tx) error {
			same(k, "considered", must[*waybill.Event](k)(tx.Event(id)).Considered, list)
			return nil
		})
		k.refused(waybill.NotFound, func(tx *record.Tx) error { return tx.SetConsidered("evt_none", list) })
	}},
}

func (k *kit) touch(name, fields string, fact time.Duration, rank int, aliases ...waybill.Alias) waybill.SubjectID {
	k.Helper()
	var id waybill.SubjectID
	k.do(func(tx *record.Tx) (err error) {
		id, err = tx.TouchSubject(&waybill.Subject{
			Type: "customer", Name: name, Fields: []byte(fields), FactTime: k.now.Add(fact), Rank: rank, Aliases: aliases,
		})
		return err
	})
	return id
}

func (k *kit) subject(id waybill.SubjectID) *waybill.Subject {
	k.Helper()
	var s *waybill.Subject
	k.read(func(tx *record.Tx) (err error) {
		s, err = tx.Subject(id)
		return err
	})
	return s
}

var (
	email  = waybill.Alias{Kind: "email", Value: "asha@example.com"}
	phone  = waybill.Alias{Kind: "phone", Value: "+919876543210"}
	remote = waybill.Alias{Kind: "crm", Value: "17"}
)

var subjectCases = []testCase{
	{"a subject is found by any of its names", func(k *kit) {
		id := k.touch("Asha", `{"v":1}`, 0, 0, email)
		same(k, "by e-mail, gaining a phone", k.touch("Asha", `{"v":1}`, 0, 0, email, phone), id)
		same(k, "by phone", k.touch("Asha", `{"v":1}`, 0, 0, phone), id)
		same(k, "names", k.subject(id).Aliases, []waybill.Alias{email, phone})
	}},
	{"two subjects found to be one are merged, and the first stays", func(k *kit) {
		a := k.touch("Asha", `{"v":1}`, 0, 0, email)
		b := k.touch("Asha K", `{"v":2}`, time.Minute, 0, phone, remote)
		same(k, "apart", a != b, true)
		same(k, "together", k.touch("Asha", `{"v":3}`, -time.Hour, 0, email, phone), a)
		same(k, "by the other's name", k.touch("", "", -time.Hour, 0, remote), a)
		s := k.subject(a)
		same(k, "fields of the newer fact", string(s.Fields), `{"v":2}`)
		same(k, "names", len(s.Aliases), 3)
		same(k, "the merged one leads there", k.subject(b).ID, a)
	}},
	{"a value that everybody shares does not make everybody one", func(k *kit) {
		ids := map[waybill.SubjectID]bool{}
		most := 0
		for i := range 200 {
			own := waybill.Alias{Kind: "email", Value: fmt.Sprintf("customer%d@example.com", i)}
			id := k.touch("A customer", `{"v":1}`, 0, 0, own, phone)
			same(k, "found again by what is its own", k.touch("A customer", `{"v":1}`, 0, 0, own), id)
			ids[id] = true
			most = max(most, len(k.subject(id).Aliases))
		}
		same(k, "names stay bounded", most <= 32, true)
		same(k, "the others are themselves", len(ids) > 150, true)
	}},
	{"an older fact never overwrites newer fields", func(k *kit) {
		id := k.touch("Asha", `{"v":2}`, 0, 0, email)
		k.touch("Old", `{"v":1}`, -time.Second, 99, email)
		same(k, "fields", string(k.subject(id).Fields), `{"v":2}`)
		same(k, "name", k.subject(id).Name, "Asha")
		k.touch("New", `{"v":3}`, time.Second, 0, email)
		same(k, "fields", string(k.subject(id).Fields), `{"v":3}`)
	}},
	{"at the same time the higher rank stays", func(k *kit) {
		id := k.touch("Asha", `{"v":2}`, 0, 20, email)
		k.touch("Asha", `{"v":1}`, 0, 10, email)
		same(k, "fields", string(k.subject(id).Fields), `{"v":2}`)
		k.touch("Asha", `{"v":3}`, 0, 30, email)
		same(k, "fields", string(k.subject(id).Fields), `{"v":3}`)
	}},
	{"a name belongs to one type", func(k *kit) {
		a := k.touch("Asha", `{}`, 0, 0, email)
		var b waybill.SubjectID
		k.do(func(tx *record.Tx) (err error) {
			b, err = tx.TouchSubject(&waybill.Subject{Type: "lead", Name: "Asha", Aliases: []waybill.Alias{email}})
			return err
		})
		same(k, "apart", a != b, true)
	}},
	{"a subject known by nothing is refused", func(k *kit) {
		k.refused(waybill.Invalid, func(tx *record.Tx) error {
			_, err := tx.TouchSubject(&waybill.Subject{Type: "customer"})
			return err
		})
	}},
	{"a pairing is found from both sides", func(k *kit) {
		k.do(func(tx *record.Tx) error {
			return tx.Pair(waybill.Pairing{Type: "deal", ConnA: "erp", IDA: "SO-1", ConnB: "crm", IDB: "17"})
		})
		k.read(func(tx *record.Tx) error {
			id, found, err := tx.PairedID("deal", "erp", "SO-1", "crm")
			same(k, "from a", []any{id, found}, []any{"17", true})
			if err != nil {
				return err
			}
			id, found, err = tx.PairedID("deal", "crm", "17", "erp")
			same(k, "from b", []any{id, found}, []any{"SO-1", true})
			if err != nil {
				return err
			}
			_, found, err = tx.PairedID("contact", "crm", "17", "erp")
			same(k, "of another type", found, false)
			return err
		})
	}},
	{"a pairing that is replaced is gone from both sides", func(k *kit) {
		for _, id := range []string{"17", "18"} {
			k.do(func(tx *record.Tx) error {
				return tx.Pair(waybill.Pairing{Type: "deal", ConnA: "erp", IDA: "SO-1", ConnB: "crm", IDB: id})
			})
		}
		k.read(func(tx *record.Tx) error {
			_, found, err := tx.PairedID("deal", "crm", "17", "erp")
			same(k, "the old one", found, false)
			return err
		})
	}},
}
