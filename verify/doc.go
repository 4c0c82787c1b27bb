// Package verify answers one question about a received request: is it genuine? Every signature scheme of the providers is
// one Scheme, put together from a small vocabulary (what is signed, with what, written how, where), so that a connector
// states it as data and no provider has code here.
//
// Its promise: a request is proven only if somebody who holds one of the given secrets made it, over exactly these bytes,
// within the tolerance of the clock, in both directions. Comparisons take constant time. What is missing, doubled,
// ambiguous or unknown is refused, never guessed. All refusals read the same outside (Unverified, one wording); Reason
// gives the inner one for the list of rejected requests, and takes only as many different values as there are rules.
//
// It is pure: no clock, no I/O, no state. It must not know providers, connections, or where secrets are kept. Sign is the
// other half: it signs a request as the provider would, for the simulator and for the trigger command.
package verify
