// Package waybill is the vocabulary of the engine: the words that code, files, pages, logs and docs share.
//
// One event's journey, in the order of the tree:
//
//	receive    a request comes in; its raw bytes are an Arrival, answered only after the book has it
//	verify     is it genuine? signature schemes as pure functions
//	record     the book: arrival and items are kept in one transaction, then the sender gets its 2xx
//	translate  what does it mean? an Item becomes an Event, found by its fact key to be new or known
//	flow       what shall happen? matching flows each start one Run; its steps plan effects
//	deliver    make it happen: the gate is asked, the Effect is sent in an Attempt, the outcome is judged
//	show       people see it and act
//	watch      people are told: problems, with a cause, an owner and what is safe to press
//
// Package engine wires these stages and reads like this list. They share this package's words and never import each
// other (internal/archtest holds them to it). A newcomer reads this page, then engine, then any stage.
//
// The promises that all of it keeps: accepted means kept; never lost quietly; nothing happens twice by accident; one
// fact, one run. An Effect whose outcome is not known says so (EffectUnknown): it is never guessed and never sent again
// blindly.
//
// No Go API is promised before version 1: the manifest format, the command line and the HTTP API are.
package waybill
