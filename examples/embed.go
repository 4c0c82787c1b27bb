// Package examples holds whole workspaces that can be written out and run: what `demo` runs and `init` begins with.
package examples

import (
	"embed"
	"io/fs"
	"strings"

	"waybill"
)

//go:embed payment-to-crm lead-to-crm first-flow
var files embed.FS

// recipes are the examples, each with what it does in one line. The first has something of everything.
var recipes = []struct{ name, title string }{ // a table that nothing changes
	{"payment-to-crm", "Payments, refunds and disputes reach the CRM, the team, the ERP and the customer"},
	{"lead-to-crm", "A form on your website becomes a contact in HubSpot, and sales hears of it"},
	{"first-flow", "A payment at Stripe becomes a message in Slack: the smallest workspace"},
}

// Names lists the examples. The first is the one that `demo` runs.
func Names() []string {
	var out []string
	for _, r := range recipes {
		out = append(out, r.name)
	}
	return out
}

// Title says what an example does, in one line; empty for an unknown one.
func Title(name string) string {
	for _, r := range recipes {
		if r.name == name {
			return r.title
		}
	}
	return ""
}

// FS returns the files of an example. An unknown one is NotFound.
func FS(name string) (fs.FS, error) {
	if Title(name) == "" {
		return nil, &waybill.Error{
			Kind: waybill.NotFound, Message: "there is no recipe " + name, Hint: "recipes: " + strings.Join(Names(), ", "),
		}
	}
	return fs.Sub(files, name)
}
