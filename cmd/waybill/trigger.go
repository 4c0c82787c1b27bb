package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/simulator"
	"waybill/workspace"
)

func (m *Main) trigger() *cobra.Command {
	var where bookFlags
	var to string
	var set []string
	var o simulator.TriggerOptions
	var list bool
	c := &cobra.Command{
		Use: "trigger CONNECTION:SAMPLE", Short: "send a signed sample webhook, as the provider would; refused in production",
		Example: "  waybill trigger payments:payment.captured --set amount=4200 --set order_id=SO-1001\n" +
			"  waybill trigger payments:payment.captured --times 3 --dup --late 2h\n  waybill trigger --list",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && !list {
				return usage{fmt.Errorf("trigger takes one CONNECTION:SAMPLE; see them with: waybill trigger --list")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case o.Times < 1:
				return usage{fmt.Errorf("--times is how many are sent, 1 or more, and not %d; nothing was sent", o.Times)}
			case o.Dup < 0:
				return usage{fmt.Errorf("--dup is how often each is sent again, 0 or more, and not %d; nothing was sent", o.Dup)}
			case o.Late < 0:
				return usage{fmt.Errorf("--late is how long ago they happened, as 2h, and not %s; nothing was sent", o.Late)}
			}
			dir := m.dir([]string{where.dir})
			env, err := cmp.Or(where.env, offline), error(nil)
			if to == "" {
				env, err = m.environment(c.Context(), where)
			}
			if err != nil {
				return err
			}
			ws, faults, err := m.load(dir, env)
			if err != nil {
				return err
			}
			if ws == nil {
				return m.refuse(dir, faults, m.Stderr)
			}
			if list {
				m.samples(ws)
				return nil
			}
			if env == "production" {
				return &waybill.Error{Kind: waybill.Forbidden, Message: "trigger is refused in production", Hint: "made-up webhooks do not belong among real ones; use --env test or offline"}
			}
			o.Set = map[string]string{}
			for _, s := range set {
				path, value, ok := strings.Cut(s, "=")
				if !ok {
					return usage{fmt.Errorf("--set takes path=value, not %q", s)}
				}
				o.Set[path] = value
			}
			from, sample, err := pick(ws, args[0])
			if err != nil {
				return err
			}
			if to == "" {
				return m.sendLocal(c.Context(), where, from.Name, sample, o)
			}
			return m.sendTo(c.Context(), to, from, sample, o)
		},
	}
	where.add(m, c)
	f := c.Flags()
	f.StringVar(&to, "to", "", "the server's address; the running serve of this workspace when empty")
	f.StringArrayVar(&set, "set", nil, "a variable or a path into the body: amount=4200, data.object.currency=inr")
	f.IntVar(&o.Times, "times", 1, "so many different ones")
	f.IntVar(&o.Dup, "dup", 0, "each once more with the same ids; --dup=3 for three times more")
	f.Lookup("dup").NoOptDefVal = "1"
	f.DurationVar(&o.Late, "late", 0, "they happened that long ago")
	f.BoolVar(&o.Forge, "forge", false, "signed with a wrong secret")
	f.BoolVar(&o.Reorder, "reorder", false, "the last first")
	f.BoolVar(&list, "list", false, "list what can be sent")
	return c
}

// samples lists what every connection can be made to send, each with the variables that --set changes.
func (m *Main) samples(ws *workspace.Workspace) {
	for _, name := range slices.Sorted(maps.Keys(ws.Connections)) {
		manifest := ws.Connections[name].Manifest
		for _, s := range simulator.Samples(manifest) {
			fmt.Fprintf(m.Stdout, "%-44s %s\n", name+":"+s, simulator.SampleTitle(manifest, s))
			var vars []string
			for name, value := range simulator.Variables(manifest, s) {
				if value != nil {
					name += fmt.Sprintf("=%v", value)
				}
				vars = append(vars, name)
			}
			if slices.Sort(vars); len(vars) > 0 {
				fmt.Fprintf(m.Stdout, "%44s --set %s\n", "", strings.Join(vars, ", "))
			}
		}
	}
}

// pick finds the connection of CONNECTION:SAMPLE; a connector's name does when one connection uses it.
func pick(ws *workspace.Workspace, what string) (*workspace.Connection, string, error) {
	name, sample, ok := strings.Cut(what, ":")
	if !ok {
		return nil, "", usage{fmt.Errorf("%q is no CONNECTION:SAMPLE; see them with: waybill trigger --list", what)}
	}
	c := ws.Connections[name]
	for _, other := range slices.Sorted(maps.Keys(ws.Connections)) {
		if c == nil && ws.Connections[other].Manifest.Name == name {
			c = ws.Connections[other]
		}
	}
	if c == nil {
		return nil, "", &waybill.Error{
			Kind: waybill.NotFound, Message: fmt.Sprintf("no connection %q in this workspace", name),
			Hint: "connections: " + strings.Join(slices.Sorted(maps.Keys(ws.Connections)), ", "),
		}
	}
	if !slices.Contains(simulator.Samples(c.Manifest), sample) {
		return nil, "", &waybill.Error{
			Kind: waybill.NotFound, Message: fmt.Sprintf("%s has no sample %q", c.Manifest.Title, sample),
			Hint: "samples: " + strings.Join(simulator.Samples(c.Manifest), ", "),
		}
	}
	return c, sample, nil
}

// sendTo sends a sample to the server at an address, signed with the secrets of the environment variables.
func (m *Main) sendTo(ctx context.Context, to string, c *workspace.Connection, sample string, o simulator.TriggerOptions) error {
	secrets := simulator.Secrets(c.Name, c.Manifest)
	for name := range secrets {
		variable := "WAYBILL_SECRET_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(c.Name+"."+name))
		if v := m.Getenv(variable); v != "" {
			secrets[name] = v
		}
	}
	hooks, err := simulator.Sample(c.Name, c.Manifest, sample, simulator.SampleOptions{
		Now: time.Now(), Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Secrets: secrets, // made-up data
		ConnectionOptions: simulator.ConnectionOptions{Account: c.Account, Settings: c.Settings, BaseURL: c.BaseURL, URL: strings.TrimSuffix(to, "/") + "/in/" + c.Name},
		TriggerOptions:    o,
	})
	if err != nil {
		return err
	}
	lines, bad, err := sendHooks(ctx, hooks, "")
	for _, text := range lines {
		fmt.Fprintln(m.Stdout, text)
	}
	if err != nil {
		return &waybill.Error{Kind: waybill.Unavailable, Message: "nothing answers at " + to, Hint: "is the address right?", Err: err}
	}
	if bad > 0 && !o.Forge {
		return problem{}
	}
	return nil
}

// sendLocal has the running serve send a sample to itself: it has the secrets, and its simulated systems can be asked about
// what they sent.
func (m *Main) sendLocal(ctx context.Context, where bookFlags, connection, sample string, o simulator.TriggerOptions) error {
	p, err := m.place(m.dir([]string{where.dir}), where.database)
	if err != nil {
		return err
	}
	l := m.running(ctx, p)
	if l == nil {
		return &waybill.Error{
			Kind: waybill.Unavailable, Message: "no serve is running for this workspace",
			Hint: "start it with: waybill serve " + where.dir + ", or name a server with --to",
		}
	}
	lines, err := l.act(ctx, "trigger", localAct{Name: connection, Value: sample, Trigger: o})
	if err != nil {
		return err
	}
	refused := false
	for _, text := range lines {
		fmt.Fprintln(m.Stdout, text)
		refused = refused || !strings.Contains(text, ": 200 ")
	}
	if refused && !o.Forge {
		return problem{}
	}
	return nil
}

// sendSample makes a sample's webhooks here and sends them to this server's own address.
func (a *app) sendSample(ctx context.Context, in localAct) ([]string, error) {
	if a.env == "production" {
		return nil, &waybill.Error{Kind: waybill.Forbidden, Message: "trigger is refused in production", Hint: "made-up webhooks do not belong among real ones"}
	}
	c := a.engine.Workspace().Connections[in.Name]
	if c == nil {
		return nil, &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("the running serve has no connection %q", in.Name)}
	}
	var hooks []simulator.Webhook
	var err error
	if a.world != nil {
		hooks, err = a.world.Trigger(ctx, in.Name, in.Value, in.Trigger)
	} else {
		secrets := simulator.Secrets(c.Name, c.Manifest)
		for name, sealed := range c.Secrets {
			if v, err := a.opened.secret(sealed); err == nil {
				secrets[name] = v
			}
		}
		hooks, err = simulator.Sample(c.Name, c.Manifest, in.Value, simulator.SampleOptions{
			Now: time.Now(), Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Secrets: secrets, // made-up data
			ConnectionOptions: simulator.ConnectionOptions{Account: c.Account, Settings: c.Settings, BaseURL: c.BaseURL, URL: a.publicURL + "/in/" + c.Name},
			TriggerOptions:    in.Trigger,
		})
	}
	if err != nil {
		return nil, err
	}
	lines, _, err := sendHooks(ctx, hooks, a.certificate)
	return lines, err
}

// sendHooks posts webhooks in order, and says what each was answered with.
func sendHooks(ctx context.Context, hooks []simulator.Webhook, certificate string) (lines []string, refused int, err error) {
	client := &http.Client{Timeout: 15 * time.Second, Transport: trusting(certificate, true)}
	for _, h := range hooks {
		req, err := http.NewRequestWithContext(ctx, h.Method, h.URL, bytes.NewReader(h.Body))
		if err != nil {
			return lines, refused, err
		}
		req.Header = h.Header.Clone()
		res, err := client.Do(req)
		if err != nil {
			return lines, refused, err
		}
		body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10)) // what came is shown
		_ = res.Body.Close()
		if res.StatusCode >= http.StatusMultipleChoices {
			refused++
		}
		lines = append(lines, fmt.Sprintf("%s %s: %d %s", h.Connection, h.Event, res.StatusCode, strings.TrimSpace(string(body))))
	}
	return lines, refused, nil
}
