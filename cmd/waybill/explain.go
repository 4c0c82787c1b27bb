package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
	"waybill/expr"
	"waybill/flow"
	"waybill/source"
	"waybill/translate"
	"waybill/workspace"
)

func (m *Main) explain() *cobra.Command {
	return &cobra.Command{
		Use: "explain CODE", Short: "explain a fault that check reported", Args: exactly(1, "one code, as in: waybill explain E104"),
		RunE: func(_ *cobra.Command, args []string) error {
			codes := codes()
			code := strings.ToUpper(args[0])
			x, ok := codes[code]
			if !ok {
				return &waybill.Error{
					Kind: waybill.NotFound, Message: fmt.Sprintf("no fault has the code %q", args[0]),
					Hint: "the codes are: " + strings.Join(slices.Sorted(maps.Keys(codes)), " "),
				}
			}
			fmt.Fprintf(m.Stdout, "%s  %s\n\n%s\n", code, x.Title, x.Text)
			return nil
		},
	}
}

// codes are the faults of every package, by code.
func codes() map[string]source.Explanation {
	all := map[string]source.Explanation{}
	for _, table := range []map[string]source.Explanation{source.Codes, expr.Codes, connector.Codes, catalogue.Codes, translate.Codes, flow.Codes, workspace.Codes} {
		maps.Copy(all, table)
	}
	return all
}
