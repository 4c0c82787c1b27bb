package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/connector"
	"waybill/expr"
	"waybill/source"
)

func (m *Main) eval() *cobra.Command {
	var event, noun string
	c := &cobra.Command{
		Use: "eval EXPRESSION", Short: "evaluate an expression, as in `when:` of a flow", Args: exactly(1, "one expression, in quotes"),
		Example: "  waybill eval 'money(129900, \"INR\").format()'\n  waybill eval 'order.total.minor > 5000' --as order --event order.json",
		RunE: func(_ *cobra.Command, args []string) error {
			vars := map[string]any{}
			var names []expr.Var
			if event != "" {
				b, err := os.ReadFile(m.dir([]string{event}))
				if err != nil {
					return &waybill.Error{Kind: waybill.NotFound, Message: "the event cannot be read", Err: err}
				}
				v, err := connector.DecodeJSON(b)
				if err != nil {
					return &waybill.Error{Kind: waybill.Invalid, Message: event + " is no JSON that can be used", Err: err}
				}
				vars[noun] = v
				names = append(names, expr.Var{Name: noun})
			}
			env, err := expr.NewEnv(expr.Config{Region: "IN", Currency: "INR"})
			if err != nil {
				return err
			}
			text := source.NewText(args[0], source.Span{Pos: source.Pos{File: "expression", Line: 1, Col: 1}})
			program, faults := env.With(names...).Program(text, expr.Target{Lenient: true})
			if len(faults) > 0 {
				source.Render(m.Stderr, faults, func(string) []byte { return []byte(args[0]) })
				return problem{}
			}
			value, err := program.Eval(vars, nil)
			if err != nil {
				return &waybill.Error{Kind: waybill.Invalid, Message: "the expression fails", Err: err}
			}
			if value == expr.Absent {
				fmt.Fprintln(m.Stdout, "(absent)")
				return nil
			}
			enc := json.NewEncoder(m.Stdout)
			enc.SetEscapeHTML(false)
			return enc.Encode(value)
		},
	}
	c.Flags().StringVar(&event, "event", "", "a JSON file with the data the expression reads")
	c.Flags().StringVar(&noun, "as", "event", "the name the expression uses for it: order, payment, lead")
	return c
}
