// Package examples holds whole workspaces that can be written out and run: what `demo` runs and `init` begins with.
package examples

import (
	"embed"
	"io/fs"

	"waybill"
)

// Recipe is one example workspace.
type Recipe struct {
	Name  string // its folder: payment-to-crm
	Title string // what it does, in one line
}

// Demo is the recipe that `demo` runs: it has something of everything.
const Demo = "payment-to-crm"

//go:embed payment-to-crm lead-to-crm first-flow
var files embed.FS

// Recipes lists the examples, the one to begin with first.
func Recipes() []Recipe {
	return []Recipe{
		{"first-flow", "A payment at Stripe becomes a message in Slack: the smallest workspace"},
		{"lead-to-crm", "A form on your website becomes a contact in HubSpot, and sales hears of it"},
		{"payment-to-crm", "Payments, refunds and disputes reach the CRM, the team, the ERP and the customer"},
	}
}

// Files returns the files of a recipe. An unknown one is NotFound.
func Files(name string) (fs.FS, error) {
	for _, r := range Recipes() {
		if r.Name == name {
			return fs.Sub(files, name)
		}
	}
	return nil, &waybill.Error{Kind: waybill.NotFound, Message: "there is no recipe " + name, Hint: "See them with: waybill init --list"}
}
