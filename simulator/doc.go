// Package simulator plays the outside systems offline: payment gateways, CRMs, WhatsApp, chat and plain HTTP receivers, each
// driven by the simulate.yaml beside its manifest.
//
// It promises to behave as the provider's documents say: it refuses what the provider would refuse, keeps what it is
// told, honours idempotency keys as documented, sends the webhooks that follow, signed, and has a ledger of every effect
// that really happened, which is the truth that tests compare Waybill's book with. Given the same seed and the same
// order of calls it does the same again. On demand it misbehaves (see Fault).
//
// It must not know any provider by name, nor how Waybill calls one: what is special about a system is data. It opens
// no connection of its own; time, randomness and the way out for webhooks are given.
package simulator
