package main

import (
	"context"
	"fmt"
	"time"

	"waybill"
	"waybill/show"
)

// userAct does one of the acts about who may come in. Each that changes something is one with its row in the audit: both are
// written, or neither.
func (a *app) userAct(ctx context.Context, act string, in localAct) ([]string, error) {
	row := &waybill.Audited{ID: a.opened.ids.New("aud"), At: time.Now(), Who: owner, Object: in.Name, After: in.Role}
	access := show.NewAccess(store{a.opened.book, row}, time.Now, nil)
	var said string
	var err error
	switch act {
	case "user-add":
		row.Action = "add person"
		said, err = access.Invite(ctx, in.Name, show.Role(in.Role))
	case "user-token":
		row.Action = "make token"
		said, err = access.Token(ctx, in.Name, show.Role(in.Role))
	case "user-remove":
		row.Action = "remove person or token"
		said, err = in.Name+" cannot come in any more.", access.Remove(ctx, in.Name)
	case "sign-in":
		row.Action, row.Object = "make sign-in link", "admin"
		said, err = access.OneTimeLink(ctx)
	default:
		return a.people(ctx)
	}
	if err != nil {
		return nil, err
	}
	lines := []string{said}
	if act == "user-token" {
		lines = append(lines, note+"this is shown once. Send it as Authorization: Bearer TOKEN; take it away with: waybill user remove "+in.Name)
	}
	return lines, nil
}

// people lists who and what may come in, a line each.
func (a *app) people(ctx context.Context) ([]string, error) {
	list, err := a.show.Access().People(ctx)
	var out []string
	for _, p := range list {
		kind := "person"
		if p.Token {
			kind = "token"
		}
		out = append(out, fmt.Sprintf("%s\t%s\t%s", p.Name, p.Role, kind))
	}
	return out, err
}
