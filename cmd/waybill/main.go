// Command waybill is the engine and its tools in one binary. Each command has a file of its own; main.go holds what they
// share. This is the only place that reads flags, the environment and files.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/workspace"
)

// Main is the program with its surroundings, so that tests run the real one.
type Main struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Dir    string // relative paths start here; the working directory when empty
	// Passing hears of the engine's labelled steps; set only in a binary built for the proof (dieat.go).
	Passing func(step string)

	manifests workspace.Manifests // compiled once, for every load
}

// The exit codes of every command.
const (
	exitFine    = 0 // all is well
	exitProblem = 1 // a problem was found, and said
	exitUsage   = 2 // the command line cannot be understood
)

// problem ends a command with exit code 1 after it has said everything itself.
type problem struct{ error }

// usage marks an error of the command line.
type usage struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	m := &Main{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Passing: passing()}
	go m.mindMemory(ctx)
	code := m.Run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// Run runs one command line and returns its exit code.
func (m *Main) Run(ctx context.Context, args []string) int {
	root := m.root()
	root.SetArgs(args)
	root.SetIn(m.Stdin)
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	if said, ok := errors.AsType[problem](err); ok {
		if said.error != nil {
			fmt.Fprintln(m.Stderr, said.Error())
		}
		return exitProblem
	}
	fmt.Fprintf(m.Stderr, "waybill: %v\n", err)
	if hint := waybill.HintOf(err); hint != "" {
		fmt.Fprintf(m.Stderr, "  %s\n", hint)
	}
	if _, ok := errors.AsType[usage](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*waybill.Error](err); ok {
		return exitProblem
	}
	if isUsage(err) {
		fmt.Fprintln(m.Stderr, "  see: waybill --help")
		return exitUsage
	}
	return exitProblem
}

func (m *Main) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "waybill",
		Short: "Connects payment gateways, WhatsApp, CRM, web forms, shop and ERP: reliably, visibly, safely",
		Long: `Waybill takes in what happens in payment gateways, CRMs, WhatsApp, web forms, shops and ERPs, understands it as
business events, and makes the right things happen in the other systems: reliably, visibly and safely.

Start with:  waybill demo            see it work, nothing to set up
             waybill init shop       write an example workspace, then:
             waybill check shop      is everything in it right?
             waybill test shop       does it do what its tests expect?
             waybill serve shop      run it`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.AddCommand(
		m.demo(), m.initialise(), m.check(), m.test(), m.prove(), m.serve(), m.trigger(), m.eval(), m.explain(),
		m.list("events", "what happened: business events, newest first"),
		m.list("runs", "what flows did for events, newest first"),
		m.list("effects", "what was written to other systems, newest first"),
		m.list("asks", "what flows ask people: approve or reject it"),
		m.list("problems", "what needs a person, by cause"),
		m.connections(), m.jobs(), m.secret(), m.user(), m.backup(), m.restore(), m.person(), m.doctor(), m.move(), m.version(),
	)
	for _, c := range root.Commands() {
		if c.HasSubCommands() && !c.Runnable() {
			c.Args, c.RunE = cobra.ArbitraryArgs, refuseUnknown
		}
	}
	return root
}

// refuseUnknown is what a command of commands does without one of them: it shows what there is, and refuses what there is not.
func refuseUnknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	var known []string
	for _, sub := range c.Commands() {
		known = append(known, sub.Name())
	}
	return usage{fmt.Errorf("there is no %s %s; nothing was done. There is: %s", c.CommandPath(), args[0], strings.Join(known, ", "))}
}

// isUsage recognises cobra's own complaints about a command line.
func isUsage(err error) bool {
	for _, start := range []string{"unknown command", "accepts ", "requires ", "unknown flag", "unknown shorthand", "invalid argument", "required flag", "flag needs"} {
		if len(err.Error()) >= len(start) && err.Error()[:len(start)] == start {
			return true
		}
	}
	return false
}

// exactly is cobra.ExactArgs with words.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usage{fmt.Errorf("%s takes %s; see: waybill %s --help", c.Name(), what, c.Name())}
		}
		return nil
	}
}

// atMostDir allows one optional folder.
func atMostDir(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage{fmt.Errorf("%s takes one folder at most; see: waybill %s --help", c.Name(), c.Name())}
	}
	return nil
}
