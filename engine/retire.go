package engine

import (
	"context"
	"fmt"
	"strings"

	"waybill"
	"waybill/record"
	"waybill/watch"
)

// A connection that was taken out of the workspace keeps its door, and what comes is kept for a person, until one retires it
// (docs/decisions/0022-retired-connections.md).

// removedChoices are for what is no connection of today's workspace: to retire one that was, once nothing there is under way.
func (e *Engine) removedChoices(tx *record.Tx, name string) ([]waybill.Choice, error) {
	known, retired, err := tx.Remembers(name)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("nothing is named %q", name)}
	}
	if retired {
		return nil, nil
	}
	open, err := tx.UnendedAt(name)
	if err != nil || open.Work() > 0 {
		return nil, err
	}
	safety := "Whoever still sends there is told 404 from then on, and nothing more is kept"
	if open.Items > 0 {
		safety += ". " + stayWords(open.Items) + " until somebody sets that aside, or has it read once the connection is back"
	}
	return []waybill.Choice{{Verb: waybill.VerbRetire, Label: "Retire it", Safety: safety, NeedsReason: true}}, nil
}

// retireConnection closes the door of a connection that is in no workspace any more. Of what it sent nothing is lost: what is
// on a person's list stays there.
func (e *Engine) retireConnection(ctx context.Context, a waybill.Act) (string, error) {
	var items int
	err := e.book.Do(ctx, func(tx *record.Tx) error {
		open, err := e.retirable(tx, a.Object)
		if err != nil {
			return err
		}
		if err := e.allowed(tx, a); err != nil {
			return err
		}
		items = open.Items
		row := e.auditRow(a, "removed", "retired")
		if err := tx.Audit(row); err != nil {
			return err
		}
		if err := tx.RetireConnection(a.Object, row); err != nil {
			return err
		}
		return tx.Clear(waybill.Member{Connection: a.Object}) // nobody calls it any more, so no outage of it is anybody's
	})
	if err != nil {
		return "", err
	}
	e.log.Info("a connection is retired: whoever sends there is told 404", "connection", a.Object, "who", a.Who, "why", a.Reason)
	say := a.Object + " is retired: whoever sends there is told 404 from now on."
	if items > 0 {
		say += " " + stayWords(items) + "."
	}
	return say, nil
}

// keepOfRemoved puts on a person's list what was accepted of a connection that was taken out before it was read, like what comes
// after that.
func (e *Engine) keepOfRemoved(u *understood) {
	it := &u.item
	it.State = waybill.ItemBlocked
	it.Reason = gone(it.Connection).Error() + "; it is kept until the connection is back, or somebody sets it aside"
	u.problem = e.problem(e.sentByRemoved(it.Connection, it.Type, it.Reason), "")
}

func (e *Engine) sentByRemoved(connection, typ, words string) blame {
	return blame{cause: waybill.WaitingForPerson, connection: connection, code: watch.RemovedMark + typ, words: words, owner: e.owner()}
}

// sentByRemovedChoices are for all that a removed connection sent.
func (e *Engine) sentByRemovedChoices(p *waybill.Problem) (list []waybill.Choice) {
	read, aside := "Read it again", "It is not needed"
	if p.Count > 1 {
		read, aside = fmt.Sprintf("Read all %d again", p.Count), fmt.Sprintf("None of the %d is needed", p.Count)
	}
	if e.today().ws.Connections[p.Connection] != nil {
		list = append(list, waybill.Choice{
			Verb: waybill.VerbRetry, Label: read, Safety: "Safe: a fact already known starts nothing", Safe: true, Primary: true,
		})
	}
	return append(list, waybill.Choice{Verb: waybill.VerbNotUsed, Label: aside, Safety: "What it sent is set aside; its bytes are kept", NeedsReason: true})
}

// retirable refuses what may not be retired, and says why and where to look. The workspace that counts is the book's, which
// nobody changes until the act's transaction ends: a process may not have taken it over yet.
func (e *Engine) retirable(tx *record.Tx, name string) (record.Unended, error) {
	id, err := tx.KeepCurrentBundle()
	if err != nil {
		return record.Unended{}, err
	}
	today := e.today()
	if id != "" && id != today.id {
		if today, err = e.version(tx, id); err != nil {
			return record.Unended{}, err
		}
	}
	if today.ws.Connections[name] != nil {
		return record.Unended{}, &waybill.Error{
			Kind: waybill.Conflict, Message: fmt.Sprintf("the connection %s is in the workspace that is served; nothing was changed", name),
			Hint: "take it out first: delete its file in connections/, run waybill check, and let waybill serve take the change over. To stop its calls for a while, pause it on its page",
		}
	}
	_, retired, err := tx.Remembers(name)
	if err != nil {
		return record.Unended{}, err
	}
	if retired {
		return record.Unended{}, &waybill.Error{Kind: waybill.Conflict, Message: fmt.Sprintf("the connection %s is retired already", name), Hint: "the audit tells who did so, and why"}
	}
	open, err := tx.UnendedAt(name)
	if err != nil || open.Work() == 0 {
		return open, err
	}
	return open, &waybill.Error{
		Kind:    waybill.Conflict,
		Message: fmt.Sprintf("the connection %s cannot be retired yet: %s", name, strings.Join(openWords(open), "; ")),
		Hint:    fmt.Sprintf("see: waybill problems list --connection %[1]s, waybill effects list --connection %[1]s. Retry, leave out or stop each of them (a retry needs the connection back in the workspace); what it sends may be the only proof of what is unknown", name),
	}
}

// stayWords say what stays of what a connection sent.
func stayWords(items int) string {
	return numbered(items, "thing that it sent stays", "things that it sent stay") + " on the list"
}

// openWords say how much is open, each kind by itself.
func openWords(o record.Unended) (out []string) {
	for _, one := range []struct {
		n         int
		one, many string
	}{
		{o.Planned, "write is planned there", "writes are planned there"},
		{o.Sent, "write is under way", "writes are under way"},
		{o.Unknown, "write may or may not have happened", "writes may or may not have happened"},
		{o.Reads, "read is planned there", "reads are planned there"},
		{o.Listed, "run, or part of one, waits for a person", "runs, or parts of them, wait for a person"},
	} {
		if one.n > 0 {
			out = append(out, numbered(one.n, one.one, one.many))
		}
	}
	return out
}

func numbered(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
