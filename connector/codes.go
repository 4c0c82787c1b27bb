package connector

import "waybill/source"

// Codes are the faults of manifests.
var Codes = map[string]source.Explanation{ // a table that nothing changes
	"E401": {Title: "unknown word", Text: "This field takes one of a few words, and what is written is none of them."},
	"E402": {Title: "unknown action", Text: "An action is named that this manifest does not have, or one that writes where " +
		"only a read may stand (identity, fetch, look-up, undo)."},
	"E403": {Title: "write without a repeat grade", Text: "Every action that writes says what makes sending it again " +
		"harmless: repeat: key (the provider honours our key), natural (it converges), lookup (a look-up finds it), or never."},
	"E404": {Title: "repeat grade without its proof", Text: "repeat: key needs a key block that says how the key travels and " +
		"how long the provider remembers it; repeat: lookup needs a lookup block; settle times and lives are above zero."},
	"E405": {Title: "undo is not stated", Text: "An action of kind state, add, message or money says how it is undone, or " +
		"why it cannot be: undo: {cannot: ...}."},
	"E406": {Title: "not found in this manifest", Text: "A secret, a setting or a field is named that the manifest does not " +
		"declare."},
	"E407": {Title: "unusable pointer", Text: "Places in a body are written as JSON pointers: /entry/*/changes/*. They begin " +
		"with a slash; a star stands for every member of a list."},
	"E408": {Title: "incomplete block", Text: "The block lacks a part that its kind needs."},
	"E409": {Title: "given where it has no meaning", Text: "A read makes no effect, so it has no repeat grade, key, undo or " +
		"settling; a write has no found."},
	"E410": {Title: "matcher that matches everything", Text: "A matcher of errors states a status, a when, or both; one " +
		"without either would swallow every answer."},
	"E411": {Title: "name is taken", Text: "Names that expressions use stand for one thing only."},
	"E412": {Title: "webhook proves nothing", Text: "A signature scheme needs the header that carries it and the secret that " +
		"proves it; only scheme: none may go without."},
	"E480": {Title: "unclear step", Text: "A step of the simulator does exactly one thing: create, upsert, update, get, " +
		"search, refuse, send or let."},
	"E481": {Title: "unknown name", Text: "The simulator's block names an answer, an event, an object type or a secret that " +
		"it does not declare."},
	"E482": {Title: "wrong route", Text: "A route is a method and a path: POST /v1/refunds. {name} stands for one segment."},
	"E483": {Title: "refusal after a write", Text: "A refusal must come before the first write of its route, as the provider " +
		"checks before it acts."},
	"E484": {Title: "wrong pattern", Text: "A pattern is a regular expression in Go's syntax; it must match the whole value."},
}
