package recordtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

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

// bystander writes a lead of somebody whose address ends like Ann's, and a payment.
func (k *kit) bystander(mail string, minor int) waybill.EventID {
	k.Helper()
	ev := k.fact(k.ids.New("fact"))
	ev.Data = []byte(fmt.Sprintf(`{"lead":{"id":"lead_%d","status":"open","email":"%s","created_at":"2026-11-26T09:49:12.781Z","value":{"minor":%d,"currency":"INR"}},"payment":{"id":"pay_%d","amount":{"minor":%d,"currency":"INR"}}}`, minor, mail, minor, minor, minor))
	ev.Search = []waybill.SearchKey{{Kind: "email", Value: mail}, {Kind: "amount", Value: fmt.Sprint(minor)}}
	return k.put(ev)
}

// everyKind fills the tables whose documents are read again, with times, states and numbers that look like ids.
func (k *kit) everyKind() (lived, waybill.ProblemID) {
	k.Helper()
	l := k.ashas("pay_1", waybill.EffectConfirmed, waybill.RunDone)
	at := time.Date(2026, 11, 26, 9, 49, 12, 781_202_600, time.UTC)
	var problem waybill.ProblemID
	k.do(func(tx *record.Tx) error {
		err := tx.SetConnectionState(&waybill.ConnectionState{Connection: "payments", Health: waybill.HealthPaused, Reason: "open 781", Since: at, LastIn: at, LastOut: at, Failures: 781, Learnt: 2026})
		if err != nil {
			return err
		}
		if err := tx.Audit(&waybill.Audited{Who: "ops", Action: "edit", Object: "eff_781", Reason: "it is open since 2026-11-26T09:49:12.781Z", Before: "open", After: "781"}); err != nil {
			return err
		}
		return tx.CountRejections([]waybill.Rejection{{Connection: "payments", Reason: "bad signature", Status: 401, Sample: &waybill.RejectionSample{At: at, Method: "POST", URL: "/in/payments", Body: []byte(`{"at":"2026-11-26T09:49:12.781Z"}`)}}})
	})
	j := k.job(waybill.JobRetry, waybill.ClassNew)
	k.do(func(tx *record.Tx) error {
		now, err := tx.Job(j.ID)
		if err != nil {
			return err
		}
		now.Filter.Since, now.Plan.Causes, now.Plan.Members = at, map[string]int{"it is open": 781, "781": 2026}, 2026
		return tx.MoveJob(now, now.State)
	})
	problem = k.raise("open 781", waybill.Member{Effect: l.effect})
	return l, problem
}

// readsBack reads all that everyKind wrote.
func (k *kit) readsBack(l lived, problem waybill.ProblemID) []any {
	k.Helper()
	j := must[*waybill.Journey](k)(k.book.Journey(k.Context(), string(l.event)))
	var state *waybill.ConnectionState
	k.read(func(tx *record.Tx) (err error) { state, err = tx.ConnectionState("payments"); return err })
	audit, _, err := k.book.AuditLog(k.Context(), waybill.ListFilter{})
	must[[]waybill.Audited](k)(audit, err)
	jobs, _, err := k.book.Jobs(k.Context(), waybill.ListFilter{})
	must[[]waybill.Job](k)(jobs, err)
	turned, _, err := k.book.Rejections(k.Context(), waybill.ListFilter{})
	must[[]waybill.Rejection](k)(turned, err)
	for i := range audit {
		if audit[i].Action == "erase a person" {
			audit[i] = waybill.Audited{}
		}
	}
	audit = slices.DeleteFunc(audit, func(a waybill.Audited) bool { return a.ID == "" })
	p := k.problem(problem)
	return []any{j.Event.Data, j.Runs[0].Run.State, j.Runs[0].Effects[0].Effect, j.Item, state, audit, jobs, turned, p.Problem}
}

var personCases = []testCase{
	{"a person is met by whole values, and nobody whose values only look alike", func(k *kit) {
		ann, joann := k.bystander("ann@example.com", 781), k.bystander("joann@example.com", 50000)
		who := waybill.Person{Emails: []string{"ann@example.com"}}
		same(k, "found", k.findPerson(who).Events, []waybill.EventID{ann})
		x := must[*waybill.PersonExport](k)(k.book.ExportPerson(k.Context(), who, "dpo"))
		same(k, "exported", x.Found.Events, []waybill.EventID{ann})
		k.erase(who)
		k.read(func(tx *record.Tx) error {
			e, err := tx.Event(joann)
			same(k, "the other's address stays", strings.Contains(string(e.Data), `"email":"joann@example.com"`), true)
			return err
		})
		same(k, "the other is found", k.findPerson(waybill.Person{Emails: []string{"joann@example.com"}}).Events, []waybill.EventID{joann})
	}},
	{"an order with the number that is somebody's id stays an order", func(k *kit) {
		var order, customer waybill.SubjectID
		k.do(func(tx *record.Tx) (err error) {
			order, err = tx.TouchSubject(&waybill.Subject{Type: "order", Name: "Order 781", FactTime: k.now, Fields: []byte(`{"due":{"minor":100},"id":"781"}`), Aliases: []waybill.Alias{{Kind: "order", Value: "781"}}})
			if err != nil {
				return err
			}
			customer, err = tx.TouchSubject(&waybill.Subject{Type: "customer", Name: "Asha Rao", FactTime: k.now, Fields: []byte(`{"name":"Asha Rao"}`), Aliases: []waybill.Alias{{Kind: "crm", Value: "781"}}})
			return err
		})
		k.erase(waybill.Person{IDs: []string{"781"}})
		left := k.subject(order)
		same(k, "the order", []any{left.Name, string(left.Fields), len(left.Aliases)}, []any{"Order 781", `{"due":{"minor":100},"id":"781"}`, 1})
		gone := k.subject(customer)
		same(k, "the customer", []any{gone.Name, string(gone.Fields), len(gone.Aliases)}, []any{"(erased)", "{}", 0})
	}},
	{"of an arrival of several people only the person's own items are found, and the others' reads stay", func(k *kit) {
		a := k.arrival(`[{"email":"ann@example.com"},{"email":"joann@example.com"},{"about":"the lead of ann@example.com"}]`, "one", "two", "three")
		for i := range a.Items {
			a.Items[i].Pointer = fmt.Sprintf("/%d", i)
		}
		items := k.takeIn(a).Fresh
		var reads []waybill.FetchID
		for _, it := range items {
			f := k.fetch()
			f.Item, f.Inputs = it.ID, []byte(`{"id":"`+it.ID+`"}`)
			reads = append(reads, f.ID)
			k.do(func(tx *record.Tx) error {
				if err := tx.PlanFetch(f); err != nil {
					return err
				}
				done := *f
				done.State, done.Answer = waybill.FetchDone, []byte(`{"answer":1}`)
				if err := tx.MoveFetch(&done, waybill.FetchPlanned); err != nil {
					return err
				}
				it.State = waybill.ItemNotUsed
				return tx.MoveItem(&it, waybill.ItemKept)
			})
		}
		f := k.erase(waybill.Person{Emails: []string{"ann@example.com"}})
		same(k, "items", f.Items, []waybill.ItemID{items[0].ID, items[2].ID})
		same(k, "reads", f.Fetches, []waybill.FetchID{reads[0], reads[2]})
		k.read(func(tx *record.Tx) error {
			left, err := tx.Fetch(reads[1])
			same(k, "the other's read", string(left.Answer), `{"answer":1}`)
			return err
		})
	}},
	{"what names nobody for certain is refused with words, and changes nothing", func(k *kit) {
		k.bystander("ann@example.com", 1)
		for _, p := range []waybill.Person{
			{},
			{Emails: []string{"e"}},
			{Emails: []string{"@example.com"}},
			{Emails: []string{"ann@"}},
			{Emails: []string{"ann@example.com", ""}},
			{Phones: []string{"1"}},
			{Phones: []string{"5678"}},
			{Phones: []string{"n/a"}},
			{Phones: []string{"0000000"}},
			{IDs: []string{" "}},
			{IDs: []string{""}},
			{IDs: []string{"7"}},
			{IDs: []string{"78"}},
			{IDs: []string{" 78 "}},
		} {
			_, err := k.book.FindPerson(k.Context(), p)
			var said *waybill.Error
			if !errors.As(err, &said) || said.Kind != waybill.Invalid || said.Hint == "" {
				k.Errorf("%q: %v", p, err)
			}
			if _, err := k.book.ExportPerson(k.Context(), p, "dpo"); waybill.KindOf(err) != waybill.Invalid {
				k.Errorf("export of %q: %v", p, err)
			}
		}
	}},
	{"a number without its country code that stands there with two is refused", func(k *kit) {
		for _, number := range []string{"+919876543210", "+19876543210"} {
			k.touch("Customer "+number, `{}`, 0, 0, waybill.Alias{Kind: "phone", Value: number})
		}
		_, err := k.book.FindPerson(k.Context(), waybill.Person{Phones: []string{"9876543210"}})
		if waybill.KindOf(err) != waybill.Invalid || !strings.Contains(err.Error(), "+1 and +91") {
			k.Errorf("found: %v", err)
		}
		same(k, "with it", len(k.findPerson(waybill.Person{Phones: []string{"+919876543210"}}).Subjects), 1)
	}},
	{"ids, keys, states, times and amounts stay whatever is erased", func(k *kit) {
		id := k.bystander("ann@example.com", 9876543210)
		k.erase(waybill.Person{Emails: []string{"ann@example.com"}, Phones: []string{"9876543210"}, IDs: []string{"lead_9876543210", "pay_9876543210", "open", "INR"}})
		k.read(func(tx *record.Tx) error {
			e, err := tx.Event(id)
			same(k, "what is left", string(e.Data), `{"lead":{"created_at":"2026-11-26T09:49:12.781Z","email":"(erased)","id":"lead_9876543210","status":"open","value":{"currency":"INR","minor":9876543210}},"payment":{"amount":{"currency":"INR","minor":9876543210},"id":"pay_9876543210"}}`)
			same(k, "search keys", e.Search, []waybill.SearchKey{{Kind: "amount", Value: "9876543210"}})
			return err
		})
		same(k, "found again", len(k.findPerson(waybill.Person{IDs: []string{"lead_9876543210"}}).Events), 0)
	}},
	{"whatever is erased, everything can be read afterwards, and stays as it was where it tells of nobody", func(k *kit) {
		l, problem := k.everyKind()
		before := k.readsBack(l, problem)
		for _, p := range []waybill.Person{
			{IDs: []string{"202600"}},
			{IDs: []string{"2026"}},
			{IDs: []string{"open"}},
			{IDs: []string{"paused"}},
			{IDs: []string{"true"}},
			{IDs: []string{"POST"}},
			{IDs: []string{"null"}},
			{Phones: []string{"20261126"}},
			{Phones: []string{"9007199254740993"[:15]}},
			{IDs: []string{"done"}},
			{IDs: []string{"confirmed"}},
			{IDs: []string{"retry"}},
		} {
			k.erase(p)
			if diff := cmp.Diff(before, k.readsBack(l, problem)); diff != "" {
				k.Fatalf("%q changed (-before +after):\n%s", p, diff)
			}
		}
		k.erase(waybill.Person{IDs: []string{"781"}}) // which somebody wrote of the connection, and counts are kept by
		k.readsBack(l, problem)
		k.read(func(tx *record.Tx) error {
			s, err := tx.ConnectionState("payments")
			same(k, "the connection", []any{s.Reason, s.Failures, s.LastIn.Nanosecond(), s.Health}, []any{"(erased)", 781, 781_202_600, waybill.HealthPaused})
			return err
		})
		k.erase(waybill.Person{Emails: []string{ashasMail}})
		k.readsBack(l, problem)
		if _, err := k.book.Overview(k.Context(), k.now); err != nil {
			k.Error(err)
		}
	}},
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
