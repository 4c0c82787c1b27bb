// Package connectors holds the manifests of the systems Waybill knows, one folder per system: manifest.yaml says what
// is known about it, cases/ holds examples that are run as tests. There is no code of any provider here.
//
// It promises that every manifest parses without a fault and that all its cases hold.
package connectors

import (
	"embed"
	"io/fs"
)

//go:embed stripe razorpay whatsapp hubspot slack http standard-webhooks
var files embed.FS

// Names are the built-in connectors, in the order pages list them.
var Names = []string{ // a list that nothing changes
	"stripe", "razorpay", "whatsapp", "hubspot", "slack", "http", "standard-webhooks",
}

// All returns the folders of the built-in connectors.
func All() fs.FS { return files }
