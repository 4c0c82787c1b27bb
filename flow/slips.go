package flow

import (
	"fmt"
	"regexp"
	"strings"

	"waybill/source"
)

var (
	// looksWritten is text that reads like an expression: order.paid_total.decimal().
	looksWritten = regexp.MustCompile(`^([a-z][a-z0-9_]*)(\.\??[a-z][A-Za-z0-9_]*(\([^)]*\))?)+$`)
	doubled      = regexp.MustCompile(`\$\{\{\s*(.*?)\s*\}\}`)
)

// slips finds values that were meant as expressions and are not written as one: they would be sent as plain text.
func (c *compiler) slips(n *source.Node) {
	switch n.Kind {
	case source.Scalar:
		if m := doubled.FindStringSubmatch(n.Text); m != nil {
			c.fault("E325", n.Span, "An expression stands in single braces here.", "Write ${"+m[1]+"}.")
			return
		}
		if m := looksWritten.FindStringSubmatch(n.Text); m != nil && !n.Quoted && c.names(m[1]) {
			c.faults.Warn(Codes, "E325", n.Span, fmt.Sprintf("This is sent as the text %q, letter by letter.", n.Text),
				"Write ${"+n.Text+"} for its value, or put it in quotes if the text is meant.")
		}
	case source.List:
		for _, item := range n.Items {
			c.slips(item)
		}
	case source.Map:
		for _, e := range n.Entries {
			if name, _, _ := strings.Cut(e.Key, "."); e.Value.Kind == source.Null && name != e.Key && c.names(name) {
				c.fault("E325", e.KeySpan, "Braces alone make a group of fields, not an expression.", "Write ${"+e.Key+"}.")
				continue
			}
			c.slips(e.Value)
		}
	case source.Null:
	}
}

// names reports whether an expression at this place may begin with name: the event or a step so far.
func (c *compiler) names(name string) bool {
	_, step := c.ids[name]
	return step || name == c.flow.Noun
}
