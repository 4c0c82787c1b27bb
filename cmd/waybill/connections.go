package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// connections is the command of the accounts at outside systems: those of the workspace, and those that were taken out of it.
func (m *Main) connections() *cobra.Command {
	c := &cobra.Command{
		Use: "connections", Short: "the accounts at outside systems: how each is; pause, resume or retire one",
		Long: `A connection that is paused takes everything in and sends nothing: what is to be sent waits, in order.

One that is taken out of the workspace keeps its address: what is still sent there is answered 200 and kept for
a person, until one retires it. From then on its address answers 404, as if it had never been. One that comes back into
the workspace serves again.`,
		Example: `  waybill connections list --dir shop
  waybill connections pause crm --reason "they move to a new plan tonight" --dir shop
  waybill connections resume crm --dir shop
  waybill connections retire old-shop --reason "the old shop is closed" --dir shop`,
	}
	var where bookFlags
	var asJSON bool
	ls := &cobra.Command{
		Use: "list", Short: "list connections, with their figures", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return m.runConnections(c.Context(), where, asJSON) },
	}
	ls.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	where.add(m, ls)
	c.AddCommand(ls)
	m.addPresses(c, "connections", &where)
	return c
}

func (m *Main) runConnections(ctx context.Context, where bookFlags, asJSON bool) (err error) {
	l, err := m.dial(ctx, m.dir([]string{where.dir}), where.database, where.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	body, err := l.get(ctx, "/api/v1/connections")
	if err != nil {
		return err
	}
	if asJSON {
		return m.printJSON(body)
	}
	var page struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	for _, it := range page.Items {
		it["standing"], it["says"] = it["health"], it["reason"]
		retired, _ := it["retired"].(map[string]any)
		switch {
		case retired != nil:
			it["standing"], it["says"] = "retired", retired["why"]
		case it["removed"] == true:
			it["standing"], it["says"] = "removed", "what it sends is kept for a person"
		}
	}
	if body, err = json.Marshal(page); err != nil {
		return err
	}
	return m.printList("connections", body)
}
