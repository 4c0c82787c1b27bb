package engine_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"waybill"
	"waybill/engine"
	"waybill/record"
	"waybill/simulator"
)

// One person who has been everywhere: her address is in what every kind of step and list keeps.
const (
	herMail  = "dipali.everywhere@example.com"
	herPhone = "919811122233"
)

var everywhere = map[string]string{
	"waybill.yaml": askFiles("", "")["waybill.yaml"],
	"flows/asks.yaml": `flow: asks
title: Asks
owner: ops
on: payment.succeeded
when: has(payment.customer.email)
lane: payment.customer.email
steps:
  - id: ok
    ask: "Refund ${payment.customer.email}?"
    who: ops
    show: {to: "${payment.customer.email}"}
    change: {note: "${payment.customer.email}"}
    for: say
  - id: say
    do: crm.note.create
    with: {body: "refunded, ${ok.note}"}
`,
	"flows/held.yaml": `flow: held
title: Held
owner: ops
on: payment.succeeded
when: has(payment.customer.email)
steps:
  - id: who
    get: crm.contact.find
    with: {email: "${payment.customer.email}"}
    if_none: {wait: 1m}
  - id: held
    do: crm.note.create
    release: hold
    with: {body: "paid by ${payment.customer.email}"}
`,
	"flows/waits.yaml": `flow: waits
title: Waits
owner: ops
on: payment.succeeded
when: has(payment.customer.email)
cancel_on: {event: payment.failed, match: {payment.customer.email: payment.customer.email}, reason: "it failed, ${payment.customer.email}"}
steps:
  - id: more
    wait_for: payment.succeeded
    match: {payment.customer.email: payment.customer.email}
    timeout: 30d
    on_timeout:
      - {end: nothing came}
  - id: thrice
    each: "[payment.customer.email]"
    as: address
    by: address
    steps:
      - id: up
        do: crm.contact.upsert
        with: {email: "${address}", first_name: Dipali}
`,
	"flows/refused.yaml": `flow: refused
title: Refused
owner: ops
on: payment.succeeded
when: has(payment.customer.email)
steps:
  - id: team
    do: team.message.post
    with: {channel: C0123456789, text: "paid by ${payment.customer.email}"}
`,
	"flows/lost.yaml": `flow: lost
title: Lost
owner: ops
on: payment.succeeded
when: has(payment.customer.email)
steps:
  - id: customer
    do: wa.template.send
    with: {to: "+9198111${'22233'}", template: payment_received, language: en, params: {name: "${payment.customer.email}", amount: "1"}}
`,
}

// newFileRig is a rig whose book is in a file.
func newFileRig(t *testing.T, fs map[string]string) (*rig, string) {
	t.Helper()
	ws := load(t, files(fs))
	r := newWorld(t, ws, "offline", 1)
	if err := r.book.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "book.db")
	r.openBook("sqlite:" + path)
	r.start(ws)
	return r, path
}

// herPayment is a payment of hers, by webhook.
func (r *rig) herPayment(order string) {
	r.t.Helper()
	for _, h := range r.hooks("pay", "charge.succeeded", simulator.TriggerOptions{Set: map[string]string{
		"order_id": order, "data.object.receipt_email": herMail, "data.object.billing_details.email": herMail,
	}}) {
		r.insist(h)
	}
}

// livesEverywhere fills the book with one person, everywhere, through what really happens; nothing of it is open in the end.
func (r *rig) livesEverywhere() {
	r.t.Helper()
	r.answer = func(_, action string) *http.Response {
		switch action {
		case "message.post":
			return says(200, `{"ok":false,"error":"invalid_arguments","detail":"`+herMail+` is not in the channel"}`)
		case "template.send":
			return says(500, `no answer for +`+herPhone)
		default:
			return nil
		}
	}
	r.herPayment("SO-1")
	r.run(time.Minute)
	r.herPayment("SO-2")
	r.run(10 * time.Minute)
	r.answer = nil
	forged := r.hooks("pay", "charge.succeeded", simulator.TriggerOptions{Forge: true, Set: map[string]string{"data.object.receipt_email": herMail}})
	if code := r.deliver(r.t.Context(), forged[0]); code != http.StatusUnauthorized {
		r.t.Errorf("a forged one is answered with %d", code)
	}
	r.engine.Reject(r.intake.Rejections())
	j := r.plan(waybill.Job{Kind: waybill.JobReplay, Name: "for " + herMail, Why: herMail + " wrote", Filter: waybill.JobFilter{Query: herMail, Flow: "lost"}})
	r.press(j.ID, waybill.JobAct{Verb: waybill.VerbJobStop, Reason: herMail + " wrote again"})
	for round := range 6 {
		for _, run := range r.runs() {
			switch {
			case run.State.Ended():
			case run.Flow == "asks" && round == 0:
				said, err := r.engine.Act(r.t.Context(), waybill.Act{Who: "asha", Verb: waybill.VerbChange, Object: string(run.ID), Reason: "she asked from " + herMail, Inputs: []byte(`{"note":"for ` + herMail + `"}`)})
				if err != nil && waybill.KindOf(err) != waybill.Conflict {
					r.t.Errorf("%s: %v", said, err)
				}
			case run.Flow == "waits" && round < 4, run.Flow == "asks":
			case run.Flow == "lost" && round == 0:
				for _, eff := range r.effects() {
					if eff.Run == run.ID && eff.State == waybill.EffectUnknown {
						r.act(string(eff.ID), waybill.VerbHappened, "seen at "+herPhone)
					}
				}
			default:
				r.act(string(run.ID), waybill.VerbStop, "no more of "+herMail)
			}
		}
		r.run(10 * time.Minute)
	}
	for _, run := range r.runs() {
		if !run.State.Ended() {
			r.t.Fatalf("%s is %s: %s", run.Flow, run.State, run.Reason)
		}
	}
	for _, p := range r.problems("open") {
		if slices.Contains(r.offers(string(p.ID)), "skip") {
			r.act(string(p.ID), waybill.VerbSkip, "")
		}
	}
}

// her finds what tells of her in text or bytes, also in bytes within a document.
func her(b []byte) bool {
	lower := bytes.ToLower(b)
	for _, s := range []string{"dipali.everywhere", "everywhere%40example", herPhone[2:]} {
		if bytes.Contains(lower, []byte(s)) {
			return true
		}
	}
	for _, inner := range encoded.FindAll(b, -1) {
		for cut := range 4 { // it may be glued to something
			if len(inner) <= cut {
				break
			}
			if plain, err := base64.StdEncoding.DecodeString(string(inner[cut : len(inner)-(len(inner)-cut)%4])); err == nil && bytes.Contains(bytes.ToLower(plain), []byte("dipali.everywhere")) {
				return true
			}
		}
	}
	return false
}

var encoded = regexp.MustCompile(`[A-Za-z0-9+/]{20,}={0,2}`)

// whereSheIs lists the columns of a book's file that tell of her, and every table, true when it has rows.
func whereSheIs(t *testing.T, path string) (columns []string, tables map[string]bool) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tables = map[string]bool{}
	names := []string{}
	err = sqlitex.Execute(conn, "SELECT name FROM sqlite_master WHERE type = 'table'", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		names = append(names, s.ColumnText(0))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		tables[name] = false
		err := sqlitex.Execute(conn, "SELECT * FROM "+name, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			tables[name] = true
			for i := range s.ColumnCount() {
				b := make([]byte, s.ColumnLen(i))
				s.ColumnBytes(i, b)
				if at := name + "." + s.ColumnName(i); her(b) && !slices.Contains(columns, at) {
					columns = append(columns, at)
				}
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(columns)
	return columns, tables
}

// inFiles reports which of a book's files hold anything of her, read as bytes: also pages that nothing uses, and the log.
func inFiles(t *testing.T, path string) (found []string) {
	t.Helper()
	list, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range list {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if her(b) {
			found = append(found, filepath.Base(file))
		}
	}
	return found
}

func (r *rig) eraseHer() *waybill.PersonFound {
	r.t.Helper()
	f, err := r.book.FindPerson(r.t.Context(), waybill.Person{Emails: []string{herMail}, Phones: []string{"+" + herPhone}})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.book.ErasePerson(r.t.Context(), f, "dpo"); err != nil {
		r.t.Fatal(err)
	}
	return f
}

// reached are the tables that an erasure goes through, and impersonal those that tell of nobody, with the reason.
var (
	reached = []string{
		"arrivals", "items", "events", "search_keys", "subjects", "aliases", "pairings", "runs", "effects", "fetches", "attempts", "messages",
		"problems", "audit", "jobs", "job_members", "asks", "rejection_samples", "connection_states", "told", "newest", "wait_hits",
	}
	impersonal = map[string]string{
		"book": "what the book is", "bundles": "the builder's own files", "migrations": "the schema's numbers", "settings": "those who work here",
		"secrets": "sealed", "desk_values": "rows of the workspace's tables", "figures": "counts", "rejections": "counts", "releases": "counts",
		"event_hours": "places", "evidence": "ids", "members": "ids", "lanes": "of open runs only", "waits": "of open runs only",
		"delivery_keys": "hashes of providers' ids, kept to know a delivery again", "fact_keys": "the same of facts", "stamps": "hashes and ids",
		"effect_keys": "hashes of our references", "approvals": "hashes of ids", "job_people": "hashes, until the job is forgotten",
		"wait_locks": "a fixed number of rows", "nodes": "processes", "parts": "processes", "turns": "tokens, sealed", "erasures": "hashes with a salt, to erase again",
	}
)

func TestEveryTableIsReachedByAnErasureOrTellsOfNobody(t *testing.T) {
	_, path := newFileRig(t, everywhere)
	_, tables := whereSheIs(t, path)
	for name := range tables {
		if slices.Contains(reached, name) == (impersonal[name] != "") && !strings.HasPrefix(name, "sqlite_") {
			t.Errorf("decide about the table %s: either an erasure reaches it, or it is said why it need not", name)
		}
	}
}

func TestAnErasureReachesEveryTableAndEveryByteOfTheBook(t *testing.T) {
	r, path := newFileRig(t, everywhere)
	r.livesEverywhere()
	before, tables := whereSheIs(t, path)
	t.Logf("before: %v", before)
	for _, name := range []string{"arrivals", "events", "runs", "effects", "attempts", "fetches", "messages", "problems", "audit", "jobs", "job_members", "asks", "rejection_samples", "subjects"} {
		if !slices.ContainsFunc(before, func(c string) bool { return strings.HasPrefix(c, name+".") }) {
			t.Errorf("the test does not bring her into %s", name)
		}
	}
	for _, name := range []string{"told", "approvals", "aliases", "search_keys", "stamps"} {
		if !tables[name] {
			t.Errorf("the test writes nothing into %s", name)
		}
	}
	if found := r.eraseHer(); len(found.Kept) > 0 || len(found.Asks) == 0 {
		t.Errorf("kept %+v, questions %v", found.Kept, found.Asks)
	}
	if after, tables := whereSheIs(t, path); len(after) > 0 || tables["told"] {
		t.Errorf("after the erasure she is in %v; told: %v", after, tables["told"])
	}
	if f, err := r.book.FindPerson(t.Context(), waybill.Person{Emails: []string{herMail}, Phones: []string{"+" + herPhone}}); err != nil || len(f.Asks)+len(f.Events)+len(f.Effects)+f.Notes > 0 {
		t.Errorf("found again: %+v %v", f, err)
	}
	if err := r.book.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := inFiles(t, path); len(found) > 0 {
		t.Errorf("bytes of her are in %v", found)
	}
	for _, run := range r.runs() { // what is left can be read, and work goes on
		if _, err := r.book.Journey(t.Context(), string(run.ID)); err != nil {
			t.Error(err)
		}
	}
	r.herPayment("SO-3")
	r.run(time.Minute)
	if n := len(r.events()); n == 0 {
		t.Error("nothing is understood any more")
	}
}

// TestWhoWasErasedIsErasedAgainWhenAnOlderBackupIsRestored: nothing of her is in any byte of the restored book, before
// anybody serves it.
func TestWhoWasErasedIsErasedAgainWhenAnOlderBackupIsRestored(t *testing.T) {
	r, _ := newFileRig(t, everywhere)
	r.livesEverywhere()
	file := r.saved()
	r.eraseHer()
	var list []waybill.Erasure
	if err := r.book.View(t.Context(), func(tx *record.Tx) (err error) { list, err = tx.Erasures(); return err }); err != nil {
		t.Fatal(err)
	}
	later := r.saved()
	r.kill()
	to := filepath.Join(t.TempDir(), "restored.db")
	done, err := record.Restore(t.Context(), record.Restoring{From: file, To: "sqlite:" + to, Environment: r.env, Now: r.v.Now, Erased: list})
	if err != nil {
		t.Fatal(err)
	}
	if done.Erased.Unknown != 1 || done.Erased.People != 1 || len(done.Erased.Kept) > 0 {
		t.Errorf("restored: %+v", done.Erased)
	}
	if columns, _ := whereSheIs(t, to); len(columns) > 0 {
		t.Errorf("she is in %v", columns)
	}
	if found := inFiles(t, to); len(found) > 0 {
		t.Errorf("bytes of her are in %v", found)
	}
	if left, _ := filepath.Glob(to + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	r.openBook("sqlite:" + to)
	r.start(r.ws)
	r.run(time.Minute)
	if r.engine.Paused() == "" {
		t.Error("the restored book sends")
	}
	if again, err := r.book.EraseAgain(t.Context(), list, "dpo"); err != nil || again.Unknown != 0 {
		t.Errorf("a second time: %+v %v", again, err)
	}

	// Without a list, a backup whose book erased people is refused; one of before is not.
	for from, refused := range map[string]bool{file: false, later: true} {
		_, err := record.Restore(t.Context(), record.Restoring{From: from, To: "sqlite:" + filepath.Join(t.TempDir(), "b.db"), Now: r.v.Now})
		if refused != (waybill.KindOf(err) == waybill.Invalid) || !refused && err != nil {
			t.Errorf("without a list: %v", err)
		}
	}
	if _, err := record.Restore(t.Context(), record.Restoring{From: later, To: "sqlite:" + filepath.Join(t.TempDir(), "b.db"), Now: r.v.Now, Erased: []waybill.Erasure{}}); err != nil {
		t.Errorf("with the word that nobody was: %v", err)
	}
}

// patient waits for three hours, and has her in its run and its note.
var patient = map[string]string{
	"flows/patient.yaml": `flow: patient
title: Patient
owner: ops
on: payment.succeeded
when: has(payment.customer.email)
steps:
  - id: later
    wait: 3h
  - id: note
    do: crm.note.create
    with: {body: "paid by ${payment.customer.email}"}
`,
}

// TestWhatWasOpenOfWhoWasErasedIsErasedOnceItHasEnded: an older backup is restored in which a run of hers waits, and a payment
// of hers is not understood yet. Both go on to their end, and then nothing is left of her but what came in after the erasure.
func TestWhatWasOpenOfWhoWasErasedIsErasedOnceItHasEnded(t *testing.T) {
	r, _ := newFileRig(t, patient)
	r.herPayment("SO-1")
	r.run(time.Minute)
	r.herPayment("SO-2") // kept, and not understood yet
	file := r.saved()
	r.run(4 * time.Hour)
	if f := r.eraseHer(); len(f.Kept) > 0 || len(f.Events) < 2 {
		t.Fatalf("erased: %+v", f)
	}
	var list []waybill.Erasure
	erasures := func() []waybill.Erasure {
		if err := r.book.View(t.Context(), func(tx *record.Tx) (err error) { list, err = tx.Erasures(); return err }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	r.kill()
	to := filepath.Join(t.TempDir(), "restored.db")
	done, err := record.Restore(t.Context(), record.Restoring{From: file, To: "sqlite:" + to, Environment: r.env, Now: r.v.Now, Erased: erasures()})
	if err != nil || len(done.Erased.Kept) == 0 {
		t.Fatalf("restored: %+v, %v", done, err)
	}
	r.openBook("sqlite:" + to)
	if open := erasures()[0].Open; open == nil || len(open.Events) != 1 || open.Items != 1 {
		t.Fatalf("left for later: %+v", open)
	}
	r.start(r.ws)
	r.run(time.Minute)
	r.act(engine.RestoredObject, waybill.VerbResume, "looked")
	r.herPayment("SO-9") // she is a customer again
	r.run(10 * time.Minute)
	if got := r.events()["payment.succeeded"]; got != 3 {
		t.Fatalf("%d payments", got)
	}
	for _, run := range r.runs() {
		if run.State == waybill.RunBlocked {
			for _, eff := range r.effects() {
				if eff.Run == run.ID && eff.State == waybill.EffectUnknown {
					r.act(string(eff.ID), waybill.VerbHappened, "seen there")
				}
			}
		}
	}
	r.run(6 * time.Hour)
	for _, run := range r.runs() {
		if run.State != waybill.RunDone {
			t.Errorf("%s is %s: %s", run.ID, run.State, run.Reason)
		}
	}
	for _, run := range r.runs() {
		j, err := r.book.Journey(t.Context(), string(run.ID))
		if err != nil {
			t.Fatal(err)
		}
		fresh := strings.Contains(string(j.Event.Data), "SO-9")
		all := string(j.Event.Data) + string(j.Arrival.Body)
		for _, x := range j.Runs[0].Effects {
			all += string(x.Effect.Inputs) + string(x.Effect.Request.Body)
		}
		if strings.Contains(all, herMail) != fresh {
			t.Errorf("of %s: %s", j.Event.FactKey, all)
		}
	}
	if open := erasures()[0].Open; open != nil {
		t.Errorf("still to be erased: %+v", open)
	}
}

// TestABookIsServedAgainWhateverWasErased: digits of its times, its states' words and its counts are given as ids and numbers.
func TestABookIsServedAgainWhateverWasErased(t *testing.T) {
	r, path := newFileRig(t, everywhere)
	r.livesEverywhere()
	var state *waybill.ConnectionState
	if err := r.book.Do(t.Context(), func(tx *record.Tx) (err error) {
		if state, err = tx.ConnectionState("pay"); err != nil {
			return err
		}
		state.LastIn = state.LastIn.Truncate(time.Second).Add(781_202_600)
		return tx.SetConnectionState(state)
	}); err != nil {
		t.Fatal(err)
	}
	date := state.LastIn.UTC().Format("20060102")
	for _, p := range []waybill.Person{
		{IDs: []string{"781"}},
		{IDs: []string{"202600"}},
		{IDs: []string{state.LastIn.UTC().Format("2006")}},
		{Phones: []string{date}},
		{IDs: []string{date}},
		{IDs: []string{"open"}},
		{IDs: []string{"working"}},
		{IDs: []string{"done"}},
		{IDs: []string{"charge.succeeded"}},
		{IDs: []string{"pay"}},
		{IDs: []string{"null"}},
	} {
		f, err := r.book.FindPerson(t.Context(), p)
		if err == nil {
			_, err = r.book.ErasePerson(t.Context(), f, "dpo")
		}
		if err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	r.kill()
	if err := r.book.Close(); err != nil {
		t.Fatal(err)
	}
	r.openBook("sqlite:" + path)
	r.start(r.ws)
	if err := r.book.View(t.Context(), func(tx *record.Tx) error {
		after, err := tx.ConnectionState("pay")
		if err == nil && (!after.LastIn.Equal(state.LastIn) || after.Health != state.Health) {
			t.Errorf("the connection: %+v, before %+v", after, state)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	for _, run := range r.runs() {
		if _, err := r.book.Journey(t.Context(), string(run.ID)); err != nil {
			t.Error(err)
		}
	}
	for _, err := range r.lists() {
		t.Error(err)
	}
	n := r.events()["payment.succeeded"]
	r.herPayment("SO-3")
	r.run(time.Minute)
	if got := r.events()["payment.succeeded"]; got != n+1 {
		t.Errorf("%d payments, %d before", got, n)
	}
}

// lists reads what stands beside journeys, and returns what cannot be read.
func (r *rig) lists() (faults []error) {
	ctx := r.t.Context()
	for _, read := range []func() error{
		func() error { _, err := r.book.Overview(ctx, r.v.Now()); return err },
		func() error { _, _, err := r.book.AuditLog(ctx, waybill.ListFilter{}); return err },
		func() error { _, _, err := r.book.Jobs(ctx, waybill.ListFilter{}); return err },
		func() error { _, _, err := r.book.Rejections(ctx, waybill.ListFilter{}); return err },
		func() error { _, _, err := r.book.Events(ctx, waybill.EventFilter{}); return err },
		func() error { _, _, err := r.book.Problems(ctx, waybill.ListFilter{}); return err },
	} {
		if err := read(); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}
