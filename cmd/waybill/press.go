package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"waybill"
)

// press is what a command does in place of a button.
type press struct {
	use, short string
	verb       waybill.Verb
	reason     bool // it needs one
	values     bool // it takes other values
	all        bool // nothing comes of it later: it is done with the word
}

// presses are the buttons that have a command, by the list they belong to.
var presses = map[string][]press{ // a table that nothing changes
	"asks": {
		{use: "approve RUN", short: "approve what a run asks, as it is shown or with other values", verb: waybill.VerbApprove, values: true},
		{use: "reject RUN", short: "reject what a run asks", verb: waybill.VerbReject, reason: true},
	},
	"effects": {
		{use: "undo EFFECT", short: "undo what was done", verb: waybill.VerbUndo, reason: true},
		{use: "release EFFECT", short: "send what its step holds back", verb: waybill.VerbRelease},
	},
	"runs": {
		{use: "undo RUN", short: "undo what a run did, the last thing first", verb: waybill.VerbUndo, reason: true},
		{use: "go-on RUN", short: "let a run go on that waits for a time or an event", verb: waybill.VerbGoOn, reason: true},
	},
	"connections": {
		{use: "pause NAME", short: "send nothing there until somebody lets it go on; what comes in is kept", verb: waybill.VerbPause, reason: true, all: true},
		{use: "resume NAME", short: "end a pause, or try now whether an outage is over", verb: waybill.VerbResume},
		{use: "retire NAME", short: "take nothing in any more for one that is no longer in the workspace: its address answers 404", verb: waybill.VerbRetire, reason: true, all: true},
	},
	"problems": {{use: "release PROBLEM", short: "send all that a step holds back", verb: waybill.VerbRelease}},
}

// addPresses adds the commands that press buttons to those of a list.
func (m *Main) addPresses(c *cobra.Command, kind string, where *bookFlags) {
	for _, p := range presses[kind] {
		var as, reason, values string
		sub := &cobra.Command{
			Use: p.use, Short: p.short, Args: exactly(1, "one "+strings.ToLower(strings.Fields(p.use)[1])),
			RunE: func(c *cobra.Command, args []string) error {
				if p.reason && reason == "" {
					return usage{errors.New("--reason says why; it is kept with your name")}
				}
				act := waybill.Act{Who: as, Verb: p.verb, Object: args[0], Reason: reason}
				if values != "" {
					act.Verb, act.Inputs = waybill.VerbChange, []byte(values)
				}
				return m.runPress(c.Context(), *where, act, p.all)
			},
		}
		sub.Flags().StringVar(&as, "as", "", "in the name of this person, who was added with: waybill user add")
		sub.Flags().StringVar(&reason, "reason", "", "why; it is kept with your name")
		if p.values {
			sub.Flags().StringVar(&values, "values", "", "approve with these values instead, as JSON")
		}
		where.add(m, sub)
		c.AddCommand(sub)
	}
}

func (m *Main) runPress(ctx context.Context, where bookFlags, act waybill.Act, all bool) (err error) {
	l, err := m.dial(ctx, m.dir([]string{where.dir}), where.database, where.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	said, err := l.act(ctx, "press", localAct{Press: &act})
	for _, line := range said {
		fmt.Fprintln(m.Stdout, line)
	}
	if err == nil && !l.live && !all {
		fmt.Fprintln(m.Stdout, l.whenItHappens())
	}
	return err
}

// press does what a button would, in the name of a person who can sign in, else in that of the command line.
func (a *app) press(ctx context.Context, act waybill.Act) ([]string, error) {
	if act.Who == "" {
		act.Who, act.Role = owner, "admin"
	} else {
		people, err := a.show.Access().People(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range people {
			if p.Name == act.Who && !p.Token {
				act.Role = string(p.Role)
			}
		}
		if act.Role == "" {
			return nil, &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("nobody is called %q here", act.Who), Hint: "add them with: waybill user add " + act.Who}
		}
	}
	said, err := a.engine.Act(ctx, act)
	return []string{said}, err
}
