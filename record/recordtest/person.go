package recordtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"waybill"
	"waybill/record"
)

const (
	ashasMail  = "asha.rao@example.test"
	ashasPhone = "+919876543210"
)

// ashas writes an event of one customer, with all that belongs to it.
func (k *kit) ashas(key string, effect waybill.EffectState, run waybill.RunState) lived {
	k.Helper()
	a := k.arrival(`{"customer":{"name":"Asha Rao","email":"`+strings.ToUpper(ashasMail)+`"},"key":"`+key+`"}`, "delivery "+key)
	a.URL = "/in/payments?email=asha.rao%40example.test"
	it := k.takeIn(a).Fresh[0]
	ev := k.fact(key)
	ev.Item, ev.Arrival, ev.AcceptedAt, ev.Subject = it.ID, a.ID, k.now, "Customer Asha Rao"
	ev.Data = []byte(`{"payment":{"id":"` + key + `","amount":{"minor":9007199254740993,"currency":"INR"},"status":"paid","note":"for Asha"},"customer":{"email":"` + ashasMail + `","name":"Asha Rao"}}`)
	ev.Search = []waybill.SearchKey{{Kind: "email", Value: ashasMail}, {Kind: "id", Value: key}}
	k.put(ev)
	r := k.run(ev.ID, "")
	r.Progress = []byte(`{"outputs":{"email":"` + ashasMail + `"}}`)
	k.putRun(r)
	x := k.effect(ev.ID, "say", "fp "+key)
	x.Run, x.Inputs, x.Request.Body = r.ID, []byte(`{"to":"`+ashasPhone+`"}`), []byte(`{"to":"919876543210"}`)
	k.plan(x, false)
	k.do(func(tx *record.Tx) error {
		if err := tx.PutMessage(&waybill.Message{Effect: x.ID, Event: ev.ID, To: ashasPhone, State: waybill.MessageAccepted}); err != nil {
			return err
		}
		_, err := tx.TouchSubject(&waybill.Subject{Type: "customer", Name: "Asha Rao", FactTime: k.now, Fields: []byte(`{"name":"Asha Rao"}`), Aliases: []waybill.Alias{
			{Kind: "email", Value: ashasMail}, {Kind: "phone", Value: ashasPhone}, {Kind: "payments", Value: "cus_77"},
		}})
		if err != nil {
			return err
		}
		att := &waybill.Attempt{ID: waybill.AttemptID(k.ids.New("att")), Effect: x.ID, StartedAt: k.now, Certainty: waybill.Happened, Request: x.Request, Response: []byte(`{"sent to":"Asha"}`)}
		if err := tx.AddAttempt(att); err != nil {
			return err
		}
		it.State, it.Events = waybill.ItemTranslated, []waybill.EventID{ev.ID}
		return tx.MoveItem(&it, waybill.ItemKept)
	})
	if effect != waybill.EffectPlanned {
		k.moveEffect(x.ID, waybill.EffectSent, effect)
	}
	k.moveRun(r.ID, run)
	return lived{a.ID, it.ID, ev.ID, r.ID, x.ID}
}

func (k *kit) findPerson(p waybill.Person) *waybill.PersonFound {
	k.Helper()
	return must[*waybill.PersonFound](k)(k.book.FindPerson(k.Context(), p))
}

func (k *kit) erase(p waybill.Person) *waybill.PersonFound {
	k.Helper()
	f := k.findPerson(p)
	if _, err := k.book.ErasePerson(k.Context(), f, "dpo"); err != nil {
		k.Fatal(err)
	}
	return f
}

var personCases = []testCase{
	{"one person is found by an e-mail, wherever the book tells of them", func(k *kit) {
		asha := k.ashas("pay_1", waybill.EffectConfirmed, waybill.RunDone)
		k.live(k.now, "somebody else", waybill.EffectConfirmed, waybill.RunDone)
		k.do(func(tx *record.Tx) error {
			return tx.Audit(&waybill.Audited{Who: "asha", Action: "edit", Object: "eff_9", Reason: "she wrote from " + ashasMail})
		})
		f := k.findPerson(waybill.Person{Emails: []string{ashasMail}})
		same(k, "numbers her subject gave", f.Person.Phones, []string{ashasPhone})
		same(k, "found", []any{f.Events, f.Arrivals, f.Items, f.Runs, f.Effects, len(f.Subjects), f.Notes, len(f.Kept)},
			[]any{[]waybill.EventID{asha.event}, []waybill.ArrivalID{asha.arrival}, []waybill.ItemID{asha.item}, []waybill.RunID{asha.run}, []waybill.EffectID{asha.effect}, 1, 1, 0})
		same(k, "by phone", k.findPerson(waybill.Person{Phones: []string{"9876543210"}}).Effects, []waybill.EffectID{asha.effect})
	}},
	{"after an erasure nothing is found, and amounts, ids, keys and others stay", func(k *kit) {
		asha := k.ashas("pay_1", waybill.EffectConfirmed, waybill.RunDone)
		other := k.live(k.now, "somebody else", waybill.EffectConfirmed, waybill.RunDone)
		k.do(func(tx *record.Tx) error {
			return tx.Audit(&waybill.Audited{Who: "ops", Action: "edit", Object: "eff_9", Reason: "she wrote from " + ashasMail})
		})
		who := waybill.Person{Emails: []string{ashasMail}}
		k.erase(who)
		after := k.findPerson(waybill.Person{Emails: []string{ashasMail}, Phones: []string{ashasPhone}, IDs: []string{"Asha Rao"}})
		same(k, "found", []int{len(after.Events), len(after.Arrivals), len(after.Effects), len(after.Subjects), after.Notes}, []int{0, 0, 0, 0, 0})
		j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(asha.event)))
		for _, part := range []string{`"id":"pay_1"`, `"status":"paid"`, `"minor":9007199254740993`} {
			same(k, part+" stays", strings.Contains(string(j.Event.Data), part), true)
		}
		whole := strings.ToLower(fmt.Sprint(j.Arrival.URL, j.Arrival.Headers, string(j.Arrival.Body), j.Event.Subject, string(j.Event.Data), j.Event.Search, string(j.Runs[0].Run.Progress)))
		e := j.Runs[0].Effects[0]
		whole += fmt.Sprint(string(e.Effect.Inputs), string(e.Effect.Request.Body), e.Message, string(e.Attempts[0].Response), string(e.Attempts[0].Request.Body))
		same(k, "what tells of her", strings.Contains(whole, "asha") || strings.Contains(whole, "9876543210"), false)
		same(k, "the journey is there", []any{j.Item.ID, len(j.Runs), j.Runs[0].Effects[0].Effect.State}, []any{asha.item, 1, waybill.EffectConfirmed})
		r := k.takeIn(k.arrival("again", "delivery pay_1"))
		same(k, "her delivery is known", r.Duplicate, true)
		rows, _, err := k.book.Events(k.Context(), waybill.EventFilter{Query: ashasMail})
		same(k, "by search", len(must[[]waybill.EventRow](k)(rows, err)), 0)
		k.read(func(tx *record.Tx) error {
			body, err := tx.Body(other.arrival)
			same(k, "another's bytes", string(body), "body of somebody else")
			return err
		})
		log, _, err := k.book.AuditLog(k.Context(), waybill.ListFilter{})
		for _, a := range must[[]waybill.Audited](k)(log, err) {
			if strings.Contains(a.Reason+a.Before+a.After+a.Object, "asha") {
				k.Errorf("the audit tells of her: %+v", a)
			}
		}
	}},
	{"what is open of a person stays whole, with the reason, and goes when it has ended", func(k *kit) {
		open := k.ashas("pay_1", waybill.EffectUnknown, waybill.RunBlocked)
		who := waybill.Person{Emails: []string{ashasMail}}
		f := k.erase(who)
		same(k, "kept", []any{len(f.Kept), f.Kept[0].Event, len(f.Events), len(f.Effects)}, []any{1, open.event, 0, 0})
		k.read(func(tx *record.Tx) error {
			e, err := tx.Event(open.event)
			same(k, "as it was", strings.Contains(string(e.Data), ashasMail), true)
			return err
		})
		k.moveEffect(open.effect, waybill.EffectConfirmed)
		k.moveRun(open.run, waybill.RunDone)
		same(k, "later", len(k.erase(who).Events), 1)
		same(k, "then", len(k.findPerson(who).Events), 0)
	}},
	{"what was open when a person was erased goes once it has ended, and what came in later stays", func(k *kit) {
		open := k.ashas("pay_1", waybill.EffectUnknown, waybill.RunBlocked)
		k.erase(waybill.Person{Emails: []string{ashasMail}})
		k.now = k.now.Add(time.Hour)
		again := k.ashas("pay_2", waybill.EffectConfirmed, waybill.RunDone)
		tells := func(l lived) bool {
			j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(l.event)))
			return strings.Contains(strings.ToLower(string(j.Event.Data)+string(j.Runs[0].Effects[0].Effect.Inputs)), ashasMail)
		}
		finish := func() int {
			return must[*waybill.ErasedAgain](k)(k.book.EraseAgain(k.Context(), nil, "Waybill")).People
		}
		same(k, "while it is open", []any{finish(), tells(open), tells(again)}, []any{0, true, true})
		k.moveEffect(open.effect, waybill.EffectConfirmed)
		k.moveRun(open.run, waybill.RunDone)
		same(k, "once it has ended", []any{finish(), tells(open), tells(again)}, []any{1, false, true})
		same(k, "a second time", finish(), 0)
		var list []waybill.Erasure
		k.read(func(tx *record.Tx) (err error) { list, err = tx.Erasures(); return err })
		same(k, "left", list[0].Open == nil, true)
	}},
	{"the list of erasures names nobody, and finds them in an older book", func(k *kit) {
		k.ashas("pay_1", waybill.EffectConfirmed, waybill.RunDone)
		k.erase(waybill.Person{Emails: []string{ashasMail}})
		var list []waybill.Erasure
		k.read(func(tx *record.Tx) (err error) { list, err = tx.Erasures(); return err })
		text, err := json.Marshal(list)
		if err != nil || len(list) != 1 || strings.Contains(string(text), "asha") || strings.Contains(string(text), "9876543210") {
			k.Errorf("the list: %s %v", text, err)
		}
		same(k, "here nobody is left", len(must[[]waybill.Person](k)(k.book.Known(k.Context(), list))), 0)
		k.ashas("pay_2", waybill.EffectConfirmed, waybill.RunDone) // as an older backup would hold her
		known := must[[]waybill.Person](k)(k.book.Known(k.Context(), list))
		same(k, "found again", known, []waybill.Person{{Emails: []string{ashasMail}, Phones: []string{ashasPhone}}})
	}},
}
