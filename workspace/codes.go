package workspace

import "waybill/source"

// Codes are this package's codes: what can be wrong with a workspace beside its flows. Flows' own are flow.Codes.
var Codes = map[string]source.Explanation{ // a table that nothing changes
	"E350": {Title: "no workspace", Text: "A workspace is a folder with a waybill.yaml. `waybill init` writes an example."},
	"E351": {Title: "unknown zone, currency or region", Text: "zone is a name of the IANA time zone database (Asia/Kolkata), " +
		"currency a code of ISO 4217 (INR), region one of ISO 3166 (IN)."},
	"E352": {Title: "file that is not used", Text: "Nothing reads a file of this name at this place. Flows belong in flows/, " +
		"connections in connections/, tables in tables/ as CSV, own events in events/, scenarios in tests/, own connectors in " +
		"connectors/NAME/manifest.yaml."},
	"E353": {Title: "name given twice", Text: "Names of flows, connections, tables and nouns are unique in a workspace, and a noun of your own is none of " +
		"those that the catalogue has: connectors tell those, and flows are written against them."},
	"E354": {Title: "unknown connector", Text: "A connector is one of those built in or a folder in connectors/ of the workspace."},
	"E355": {Title: "environment without a block", Text: "A connection says how it is reached in each environment under " +
		"`test:` and `production:`; offline the built-in simulator stands in, so `offline:` may be left out."},
	"E356": {Title: "unusable setting", Text: "The connector's manifest says which settings and secrets a connection of it has, and which values a " +
		"setting takes."},
	"E357": {Title: "unusable row", Text: "A table is a CSV file whose first row is key,value and whose other rows have two " +
		"columns, each key once."},
	"E358": {Title: "table without otherwise", Text: "A table begins with a comment that says what happens to a value it does not " +
		"list, and where new values are kept: # otherwise: ask, kept: desk. otherwise is refuse (blocks with words), ask (a " +
		"person is asked for the value) or = followed by the value to take. kept is git (the default) or desk."},
	"E359": {Title: "never used", Text: "Nothing in the workspace refers to it. Remove it, or use it."},
	"E360": {Title: "secret in a file", Text: "A workspace lives in git and is shown on pages, so it holds no credentials. Name the " +
		"secret instead, as CONNECTION.SECRET (crm.access_token), and give its value with `waybill secret set NAME`."},
	"E361": {Title: "unknown name in a scenario", Text: "A scenario refers to connections, flows, actions, samples and events that " +
		"exist in the workspace."},
	"E362": {Title: "unusable address", Text: "base_url is an absolute address with https; plain http is taken for private addresses " +
		"that the connection lists under `private` as host:port."},
	"E363": {Title: "flow that never starts", Text: "No connection of the workspace tells this event and no flow emits it."},
	"E364": {Title: "file cannot be read", Text: "The file or folder could not be read, or the workspace has too many files."},
	"E365": {Title: "unusable name", Text: "Names are lower-case letters, digits, dashes and underscores, beginning with a letter, " +
		"at most 64 characters."},
	"E371": {Title: "unknown kind of write", Text: "`approve` lists kinds of write: money, message, state or add."},
	"E366": {Title: "flows start each other for ever", Text: "A flow emits an event that, directly or through other flows, starts " +
		"the same flow again. Waybill stops such a chain after 8 hops, but it is never meant."},
	"E367": {Title: "unusable scenario", Text: "A scenario (tests/*.yaml) has a name, the arrivals that are given, scripted answers if " +
		"any, and what is expected."},
	"E368": {Title: "not there yet", Text: "This part of a workspace is planned and will come with a later version."},
	"E376": {Title: "unusable time to keep", Text: "retention says how long parts of the book are kept: bodies, exchanges, " +
		"journeys, rejections, figures, audit; each a time span of at least a day (90d), or forever. Delivery keys, fact keys, " +
		"pairings and whatever something open needs are kept in any case."},
	"E377": {Title: "limit that lets nothing through", Text: "A connection's limits are numbers above 0: concurrency (calls at the same time), " +
		"per_second, burst and catch_up. What is left out is as the connector says."},
	"E369": {Title: "unusable holiday", Text: "Holidays are dates such as 2027-01-26."},
	"E372": {Title: "unusable business hours", Text: "business_hours names days of the week, or spans of them, each with the hours of that day in the workspace's zone: " +
		"mon-fri: \"09:00-18:00\". A day that is not named is closed."},
}
