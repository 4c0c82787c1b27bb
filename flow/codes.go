package flow

import "waybill/source"

// Codes are this package's codes: what can be wrong with a flow. E301 to E349 are flows', E350 to E399 workspaces'.
var Codes = map[string]source.Explanation{ // a table that nothing changes
	"E301": {Title: "unknown event", Text: "The catalogue has no event of this name, and the workspace's events/ folder adds none. " +
		"A flow starts on a business event such as order.paid_in_full; see them with `waybill docs` or in the guide."},
	"E302": {Title: "events of different things", Text: "A flow may start on several events only when they are about the same " +
		"thing (the part of the name before the dot), because its expressions call the event by that noun."},
	"E303": {Title: "unknown connection", Text: "No file in connections/ declares a connection of this name."},
	"E304": {Title: "unknown action", Text: "The connector behind this connection has no action of this name. An action is " +
		"written connection.action, for example crm.deal.update."},
	"E305": {Title: "wrong verb for the action", Text: "`get` is for reads, which may be made again at will; `do` is for writes, " +
		"which are made once and kept in the ledger of effects."},
	"E306": {Title: "missing input", Text: "The action cannot be made without these inputs. Add them under `with`."},
	"E307": {Title: "action cannot say what a repeat does", Text: "Every write states in its manifest whether sending it again is " +
		"harmless (repeat: key, natural, lookup or never). Without that, Waybill cannot promise that nothing happens twice."},
	"E308": {Title: "lane may be absent", Text: "A lane keeps runs in order. When its value may be absent, some runs would " +
		"silently leave that order. Use a field that is always there, or test for it in the flow's `when` with has(...)."},
	"E309": {Title: "unusable step id", Text: "A step's id is its address and the name of its output: lower-case letters, digits " +
		"and underscores, beginning with a letter, used once in the flow, and different from the event's noun, from names of " +
		"functions and from words of the expression language."},
	"E310": {Title: "step that is never reached", Text: "The steps before it always end the run."},
	"E311": {Title: "step without one verb", Text: "A step does exactly one thing: get, do, set, choose, each, emit, end, wait or wait_for."},
	"E312": {Title: "unknown owner", Text: "The owner of a flow is a person or team listed under `owners` in waybill.yaml: they are " +
		"asked when a run needs a person."},
	"E313": {Title: "field of another kind of step", Text: "This field means nothing for this kind of step, so it would be ignored."},
	"E314": {Title: "not there yet", Text: "This part of the language is planned and will come with a later version. Nothing of it " +
		"is ever ignored silently, so the file is refused."},
	"E315": {Title: "choice without otherwise", Text: "A choice says what happens when no case fits: `otherwise: {steps: []}` for " +
		"nothing. A value nobody thought of would else pass unnoticed."},
	"E316": {Title: "loop that cannot be followed", Text: "`each` takes a list, a name for the item (`as`) and a unique key of the " +
		"item (`by`): the key is part of the address by which nothing is sent twice."},
	"E317": {Title: "unusable value", Text: "The field takes one of a few values."},
	"E318": {Title: "nothing to undo with", Text: "`undo: restore` puts back what was there before, so the action's manifest must say " +
		"how it is read and written back."},
	"E319": {Title: "flows start each other for ever", Text: "A flow emits an event that, directly or through other flows, starts " +
		"the same flow again."},
	"E320": {Title: "unusable column", Text: "A column is the path of a field of the event: order.customer.email."},
	"E321": {Title: "flow without steps", Text: "A flow does at least one thing."},
	"E322": {Title: "unusable name", Text: "Names of flows, cases and lanes are lower-case letters, digits, dashes and " +
		"underscores, beginning with a letter, at most 64 characters."},
	"E323": {Title: "beginning that depends on the book", Text: "Whether a flow starts, and in which lane, depends on the event alone: " +
		"tables and pairings may change, and the reason on the page must stay true."},
	"E324": {Title: "result that is not there", Text: "When a look-up finds nothing and `if_none: create` makes the thing, the " +
		"result of the last step there becomes the result of the look-up, so that step must give one."},
	"E325": {Title: "expression not written as one", Text: "Plain YAML is text, letter by letter. ${ } encloses an expression: " +
		"${order.id}. Only when, where, still, lane, each, by and the right side of a match hold expressions without it."},
	"E326": {Title: "change of an unknown type", Text: "What a person changes is checked like everything else, so the type of each " +
		"value under `change` must be known: a field of the event or of a step's result, not the value of a table."},
	"E327": {Title: "deadline without a time", Text: "`no_answer` says what happens when nobody answers in time, so `within` must say how long that is."},
	"E328": {Title: "nobody to ask", Text: "Only people who sign in can answer. `people` of an owner in waybill.yaml lists the names by which they do."},
	"E329": {Title: "approval of what is not known", Text: "What is approved is exactly what will be sent: the inputs of the steps under `for`, or of those " +
		"in the branch `approved`, are evaluated when the question is put. So they may depend on the event and on steps before the `ask`, and on its answer."},
	"E330": {Title: "write without approval", Text: "waybill.yaml lists under `approve` the kinds of write that nothing may send without a person's approval. " +
		"Each such step stands under an `ask` or is named by the `for` of one."},
	"E331": {Title: "nothing to read again", Text: "`late: fetch` reads the newest state of what the event is about and writes that. So every connection " +
		"that tells the event must do so by webhooks that carry ids only, whose record is read afterwards."},
	"E332": {Title: "match that cannot be made", Text: "An awaited event is found by values that are the same on both sides: on the " +
		"left of the colon a field of the awaited event, beginning with its noun, on the right an expression over what this run " +
		"knows. Its value must always be there: a run whose value is absent would wait for nothing. An awaited event that lacks the " +
		"field is simply not the one that is meant."},
	"E333": {Title: "wait without an end", Text: "A `wait_for` says how long it waits (`timeout`) and, under `on_timeout`, what happens then. " +
		"Nothing waits for ever."},
	"E334": {Title: "nothing to cancel", Text: "`cancel_on` ends a run that stands at a `wait` or `wait_for`. It never cuts off a write that is under way."},
	"E335": {Title: "still without a wait", Text: "`still` asks a condition again after a wait, on values that are read anew. Before any wait " +
		"it says no more than `when`."},
	"E336": {Title: "unusable schedule", Text: "A flow that starts by itself has `schedule` in place of `on`: {cron: \"0 9 * * mon-fri\", zone: " +
		"Asia/Kolkata, missed: once}. The five fields are minute, hour, day of the month, month and day of the week."},
	"E339": {Title: "step that is always too late", Text: "`good_for` says until when a write makes sense, counted from when the event was accepted. " +
		"The waits before this step last longer, so it is skipped whenever it is reached, unless a person ends the wait early. " +
		"Count the waits in: after `wait: 2d`, `good_for: 49h` leaves an hour."},
	"E338": {Title: "hold without a lane", Text: "Only in a lane is a run behind another: `behind_blocked: hold` keeps those behind a blocked one " +
		"waiting, and needs `lane`."},
	"E340": {Title: "rename that is not explained", Text: "What a step wrote is on record under its flow's name and its own id, so that it is never " +
		"written twice for one event, not in a replay either. Under another name it would count as never done. Say what it was called with " +
		"`was: old-name`, on the flow or on the step, and leave it there; `was: []` says that it is new. A step keeps its id when it is moved " +
		"within its flow: then nothing needs to be said."},
	"E337": {Title: "unusable time", Text: "A wait takes a time span (2h, 3d), or {until: a time, plus or minus a span, at: a time of day}. " +
		"Whole days are days of the calendar in the workspace's zone. `within: business_hours` moves the end into business hours; " +
		"`counting: business_hours` lets only them count."},
}
