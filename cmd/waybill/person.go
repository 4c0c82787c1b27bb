package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/record"
)

func (m *Main) person() *cobra.Command {
	c := &cobra.Command{
		Use: "person", Short: "find, export or erase what the book holds of one person",
		Long: `A person is found by reading the whole book, which takes a while on a big one: an address may stand in a raw request or in
somebody's note. Give one value or several; those that the book knows for the same person are looked for, too.`,
	}
	var where bookFlags
	var who waybill.Person
	var confirm bool
	var from string
	find := &cobra.Command{
		Use: "find", Short: "say what would be erased, and what has to stay", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return m.onPerson(c.Context(), where, "person-find", who) },
	}
	export := &cobra.Command{
		Use: "export", Short: "print everything of a person as one JSON document", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return m.exportPerson(c.Context(), where, who) },
	}
	erase := &cobra.Command{
		Use: "erase", Short: "erase a person; without --confirm it only says what would go", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if !confirm {
				return m.onPerson(c.Context(), where, "person-find", who)
			}
			return m.onPerson(c.Context(), where, "person-erase", who)
		},
	}
	erase.Flags().BoolVar(&confirm, "confirm", false, "do it; it cannot be undone")
	erasures := &cobra.Command{
		Use: "erasures", Short: "print the list of who was erased (hashes only), or erase again whom a list names", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if from == "" {
				return m.doLocal(c.Context(), where, "erasures", localAct{}, "[]")
			}
			text, err := os.ReadFile(m.path(from))
			if err != nil {
				return err
			}
			return m.doLocal(c.Context(), where, "erase-again", localAct{Value: string(text)}, "")
		},
	}
	erasures.Flags().StringVar(&from, "from", "", "a list printed by this command, after an older backup was restored")
	for _, sub := range []*cobra.Command{find, export, erase, erasures} {
		where.add(m, sub)
		if sub != erasures {
			sub.Flags().StringSliceVar(&who.Emails, "email", nil, "an e-mail address")
			sub.Flags().StringSliceVar(&who.Phones, "phone", nil, "a phone number, with its country code")
			sub.Flags().StringSliceVar(&who.IDs, "id", nil, "the person's id in an outside system")
		}
		c.AddCommand(sub)
	}
	return c
}

func (m *Main) onPerson(ctx context.Context, where bookFlags, act string, who waybill.Person) error {
	if who.Empty() {
		return usage{errors.New("say who: --email, --phone or --id")}
	}
	text, err := json.Marshal(who)
	if err != nil {
		return err
	}
	return m.doLocal(ctx, where, act, localAct{Value: string(text)}, "")
}

// exportPerson prints what was found with every journey, whole.
func (m *Main) exportPerson(ctx context.Context, where bookFlags, who waybill.Person) (err error) {
	if who.Empty() {
		return usage{errors.New("say who: --email, --phone or --id")}
	}
	l, err := m.dial(ctx, m.dir([]string{where.dir}), where.database, where.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	body, err := l.patiently().post(ctx, "/api/v1/persons/export", who)
	if err != nil {
		return err
	}
	return m.printJSON(body)
}

// persons is what the API does with people, over the open book.
type persons struct{ o *opened }

func (p persons) FindPerson(ctx context.Context, who waybill.Person) (*waybill.PersonFound, error) {
	return p.o.book.FindPerson(ctx, who)
}

func (p persons) ExportPerson(ctx context.Context, who waybill.Person, by string) (*waybill.PersonExport, error) {
	return p.o.book.ExportPerson(ctx, who, by)
}

func (p persons) ErasePerson(ctx context.Context, who waybill.Person, by string) (string, *waybill.PersonFound, error) {
	return p.o.erasePerson(ctx, who, by)
}

func (p persons) Erasures(ctx context.Context) (list []waybill.Erasure, err error) {
	err = p.o.book.View(ctx, func(tx *record.Tx) (err error) { list, err = tx.Erasures(); return err })
	return list, err
}

func readPerson(text string) (p waybill.Person, err error) {
	err = json.Unmarshal([]byte(text), &p)
	return p, err
}

// findPerson says what is held of a person: in words, or as JSON.
func (o *opened) findPerson(ctx context.Context, in localAct) ([]string, error) {
	p, err := readPerson(in.Value)
	if err != nil {
		return nil, err
	}
	f, err := o.book.FindPerson(ctx, p)
	if err != nil {
		return nil, err
	}
	return append(foundWords("Would be erased", f), "Nothing was changed. To do it: waybill person erase --confirm …"), nil
}

func foundWords(what string, f *waybill.PersonFound) []string {
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{len(f.Events), "event", "events"},
		{len(f.Arrivals), "arrival with its bytes", "arrivals with their bytes"},
		{len(f.Runs), "run", "runs"},
		{len(f.Effects), "effect", "effects"},
		{len(f.Fetches), "read", "reads"},
		{len(f.Asks), "question", "questions"},
		{len(f.Subjects), "subject", "subjects"},
		{f.Notes, "note", "notes"},
	} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.one, p.many))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing"}
	}
	lines := []string{what + ": " + strings.Join(parts, ", ") + "."}
	return append(append(lines, staysWords(f.Kept)...), "Ids, keys, states, times and amounts stay in any case: accounts are kept by them.")
}

func (o *opened) erasePerson(ctx context.Context, p waybill.Person, who string) (string, *waybill.PersonFound, error) {
	f, err := o.book.FindPerson(ctx, p)
	if err != nil {
		return "", nil, err
	}
	id, err := o.book.ErasePerson(ctx, f, who)
	if err != nil {
		return id, nil, err
	}
	return id, f, o.keepErased(ctx)
}

// erasePersonHere erases, and says what went. A book that nobody serves is then built anew, so that no unused part of its file
// holds what was erased.
func (a *app) erasePersonHere(ctx context.Context, p waybill.Person) ([]string, error) {
	o := a.opened
	id, f, err := o.erasePerson(ctx, p, owner)
	if err != nil {
		return nil, err
	}
	lines := append(foundWords("Erased, as "+id, f),
		"Backups made before still hold it. When one is restored it is erased again, by the list at "+o.erased+": keep a copy of that with the key file.")
	switch {
	case o.shared:
		lines = append(lines, "PostgreSQL keeps dead rows until its next VACUUM.")
	case a.serving:
		lines = append(lines, "Unused parts of the book's file may hold some of it until they are written over. To have them gone now, stop serve and run this again.")
	default:
		err = o.book.Compact(ctx)
	}
	return lines, err
}

func (o *opened) erasures(ctx context.Context) ([]string, error) {
	var list []waybill.Erasure
	err := o.book.View(ctx, func(tx *record.Tx) (err error) { list, err = tx.Erasures(); return err })
	if err != nil || len(list) == 0 {
		return nil, err
	}
	text, err := json.Marshal(list)
	return []string{string(text)}, err
}

// eraseAgain erases whom a list names by hashes, in a book that does not know of it because it is older.
func (o *opened) eraseAgain(ctx context.Context, text string) ([]string, error) {
	list, err := parseErased(text)
	if err != nil {
		return nil, err
	}
	done, err := o.book.EraseAgain(ctx, list, owner)
	if err != nil {
		return nil, err
	}
	lines := []string{fmt.Sprintf("%s new to this book; %s in it, and erased again.",
		count(done.Unknown, "erasure of the list is", "erasures of the list are"), count(done.People, "of these people was", "of these people were"))}
	return append(lines, staysWords(done.Kept)...), o.keepErased(ctx)
}
