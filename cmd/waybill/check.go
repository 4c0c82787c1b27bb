package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/connectors"
	"waybill/engine"
	"waybill/flow"
	"waybill/record"
	"waybill/source"
	"waybill/workspace"
)

func (m *Main) check() *cobra.Command {
	var format, env string
	var writes bool
	c := &cobra.Command{
		Use: "check [dir]", Short: "check a workspace: every fault at once, with its place and what to do", Args: atMostDir,
		Example: "  waybill check shop\n  waybill check --format json shop",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := m.dir(args)
			ws, faults, err := m.load(dir, env)
			if err != nil {
				return err
			}
			if ws != nil {
				faults = append(faults, m.renames(cmd.Context(), dir, env, ws)...)
			}
			if err := m.report(dir, ws, faults, format); err != nil || !writes || ws == nil {
				return err
			}
			return m.writes(ws)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().BoolVar(&writes, "writes", false, "list what the flows write outside, what makes a repeat harmless, and what cannot be undone")
	c.Flags().StringVar(&env, "env", m.env("WAYBILL_ENV", "offline"), "the environment to check for: offline, test or production")
	return c
}

// renames compares a workspace with the version that its book follows, where there is one.
func (m *Main) renames(ctx context.Context, dir, env string, ws *workspace.Workspace) source.Faults {
	p, err := m.place(dir, m.Getenv("WAYBILL_DATABASE"))
	var content []byte
	if err == nil {
		content, err = record.Published(ctx, p.database)
	}
	if err != nil || content == nil {
		if err != nil {
			fmt.Fprintf(m.Stderr, "waybill: renamed steps were not looked for: %v\n", err)
		}
		return nil
	}
	before, err := workspace.FromBundle(content, workspace.Options{Environment: env, Built: connectors.All(), Manifests: &m.manifests})
	if err != nil {
		fmt.Fprintf(m.Stderr, "waybill: renamed steps were not looked for: the version before cannot be read: %v\n", err)
		return nil
	}
	return flow.Unexplained(before.Flows, ws.Flows)
}

// writes lists what the flows write outside.
func (m *Main) writes(ws *workspace.Workspace) error {
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nFLOW\tSTEP\tWRITES\tREPEAT\tUNDO")
	for _, f := range ws.Flows {
		for _, s := range f.Steps() {
			connection, action, _ := strings.Cut(s.Does, ".")
			if c := ws.Connections[connection]; s.Undo != "" && c != nil {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Name, s.Address, s.Does, c.Manifest.Actions[action].Repeat, s.Undo)
			}
		}
	}
	return w.Flush()
}

// report says what check found; errors end with exit code 1.
func (m *Main) report(dir string, ws *workspace.Workspace, faults source.Faults, format string) error {
	bad := 0
	for _, f := range faults {
		if f.Severity == source.Error {
			bad++
		}
	}
	switch format {
	case "json":
		if faults == nil {
			faults = source.Faults{}
		}
		enc := json.NewEncoder(m.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(faults); err != nil {
			return err
		}
	case "text":
		source.Render(m.Stdout, faults, reader(dir))
		switch {
		case bad > 0:
			fmt.Fprintf(m.Stdout, "\n%s\n", count(bad, "fault: the workspace is refused until it is mended.", "faults: the workspace is refused until they are mended."))
		case ws != nil:
			fmt.Fprintf(m.Stdout, "%s is fine: %s, %s, %s.\n", name(ws, dir), count(len(ws.Flows), "flow", "flows"),
				count(len(ws.Connections), "connection", "connections"), count(len(ws.Scenarios), "test", "tests"))
		}
	default:
		return usage{fmt.Errorf("--format is text or json, not %q", format)}
	}
	if bad > 0 {
		return problem{}
	}
	return nil
}

func name(ws *workspace.Workspace, dir string) string {
	if ws.Name != "" {
		return ws.Name
	}
	return dir
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// load reads a workspace. A folder that is none is an error with words, not a list of faults.
func (m *Main) load(dir, env string) (*workspace.Workspace, source.Faults, error) {
	switch env {
	case "offline", "test", "production":
	default:
		return nil, nil, usage{fmt.Errorf("the environment is offline, test or production, not %q", env)}
	}
	if _, err := os.Stat(filepath.Join(dir, "waybill.yaml")); err != nil {
		return nil, nil, &waybill.Error{
			Kind: waybill.NotFound, Message: fmt.Sprintf("%s is no workspace: it has no waybill.yaml", dir),
			Hint: "write one with: waybill init " + dir,
		}
	}
	ws, faults := workspace.Load(os.DirFS(dir), workspace.Options{Environment: env, Built: connectors.All(), Manifests: &m.manifests})
	return ws, faults, nil
}

// reader gives the lines of the workspace's files for the frames of faults.
func reader(dir string) func(string) []byte {
	return func(file string) []byte {
		b, err := fs.ReadFile(os.DirFS(dir), file)
		if err != nil {
			b, _ = fs.ReadFile(connectors.All(), file)
		}
		return b
	}
}

// dir is the folder a command works on.
func (m *Main) dir(args []string) string {
	d := "."
	if len(args) > 0 {
		d = args[0]
	}
	if m.Dir != "" && !filepath.IsAbs(d) {
		d = filepath.Join(m.Dir, d)
	}
	return d
}

// env is an environment variable or its default.
func (m *Main) env(name, otherwise string) string {
	if v := m.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// refused is refuse for an engine that does not publish a workspace; another error stays as it is.
func (m *Main) refused(dir string, err error) error {
	if r, ok := errors.AsType[engine.Refused](err); ok {
		return m.refuse(dir, r.Faults, m.Stderr)
	}
	return err
}

// refuse prints faults and says that the command stops.
func (m *Main) refuse(dir string, faults source.Faults, w io.Writer) error {
	source.Render(w, faults, reader(dir))
	return problem{fmt.Errorf("waybill: %s is refused; mend what is shown above and try again", dir)}
}
