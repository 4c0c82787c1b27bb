// Package connector is the manifest language: what is known about an outside system, as data.
//
// A manifest is one strict YAML file (connectors/NAME/manifest.yaml) that says how to sign in, what comes in and how it
// is proven, what it means, what can be done there and what makes doing it again safe, and how its refusals read. Parse
// gives a checked, compiled, immutable Manifest; every fault is reported at once with its place.
package connector

import (
	"time"

	"waybill"
	"waybill/expr"
)

// Manifest is one connector, compiled.
type Manifest struct {
	Name         string // stripe
	Title        string // Stripe
	Version      int
	Built        bool               // ours, not the workspace's
	APIVersion   string             // the pinned version of their API
	RetiresOn    string             // 2027-09-30, empty when unknown
	Docs         string             // where its facts are from
	Summary      string             // for the capability card
	Settings     map[string]Setting // what a connection of it may set
	Secrets      map[string]Setting
	BaseURL      map[string]string // by environment: test, production; `all` for every one. May name ${settings.x}
	SignIn       SignIn
	Headers      []NamedTemplate // sent with every call
	Identity     Identity
	Webhook      *Webhook // nil: nothing comes in
	Mappings     []*Mapping
	Actions      map[string]*Action // deal.update
	Errors       []*Matcher         // for every action, after the action's own
	Limits       Limits
	Simulate     *Simulate
	Placeholders []string // values that mean "absent": void@razorpay.com
}

// Setting is one thing a connection may or must say.
type Setting struct {
	Title    string
	Required bool
	Default  string
	Help     string
}

// NamedTemplate is a header or query entry whose value is a template.
type NamedTemplate struct {
	Name  string
	Value *expr.Template
}

// SignIn is how our calls prove who we are.
type SignIn struct {
	Kind     string // none, bearer, basic, header, query, oauth2
	Secret   string // bearer, header, query: the secret's name
	Header   string // header: its name
	Prefix   string // header: before the secret, e.g. "Zoho-oauthtoken "
	User     string // basic: the secret or setting that is the user
	Pass     string // basic: the secret that is the password; may be empty
	TokenURL string // oauth2
	Grant    string // oauth2: client_credentials, refresh_token
	Scopes   []string
}

// Identity is the account's own id: the read and output field that give it, and the payload expression that must agree.
type Identity struct {
	Action  string        // a read without inputs: account.get
	Output  string        // the field of its output: id
	Payload *expr.Program // over the webhook's body; nil when payloads do not say
	Live    *expr.Program // over the webhook's body: true for production traffic; nil when it does not say
}

// Webhook is how things come in.
type Webhook struct {
	Methods     []string
	Handshake   *Handshake
	Verify      VerifyConfig
	Format      string        // json (default), form, xml
	Items       []*ItemRule   // the first that finds anything is used; none: the whole body is one item
	RetryWindow time.Duration // a body-hash key counts this long
	Account     *expr.Program // routing by account id where one callback serves many
	// Reply is what a kept arrival is answered with, when the provider demands other than our JSON.
	Reply *Reply
}

// Handshake is a request that only proves the address is ours.
type Handshake struct {
	Kind     string        // query_challenge (Meta), body_challenge (Slack)
	Token    string        // the secret to compare with
	TokenAt  string        // hub.verify_token
	AnswerAt string        // hub.challenge, or challenge
	When     *expr.Program // body_challenge: over body
}

// Reply is a fixed answer.
type Reply struct {
	ContentType string
	Body        string
}

// ItemRule finds the items of a body.
type ItemRule struct {
	Each string            // pointer with wildcards: /entry/*/changes/*/value/messages/*; empty is the whole body
	With map[string]string // name -> wildcard pointer of an ancestor: change: /entry/*/changes/*
	Key  *expr.Program     // the delivery key; nil: body hash
	Type *expr.Program
	Time *expr.Program // timestamp; may be nil
	Vars []string      // the names its expressions see: item, body, headers and With's
}

// VerifyConfig is a signature scheme by its parts (providers' verifier matrix); package verify runs it.
type VerifyConfig struct {
	Scheme          string // none, hmac, token, basic, handed to verify.New as they are
	Algorithm       string // sha256, sha1, sha512, ed25519
	Encoding        string // hex, base64
	Header          string
	Layout          string // plain, prefix, pairs (t=,v1=), list (v1,<b64> space separated)
	Prefix          string // sha256=, v0=, v1
	Signed          string // template over {body} {timestamp} {id} {method} {url}: "{timestamp}.{body}"
	TimestampHeader string
	TimestampUnit   string // s, ms, rfc3339
	Tolerance       time.Duration
	IDHeader        string
	Secret          string // the secret's name
	SecretForm      string // text, base64, whsec
	In              string // token: header, query, path, body:<pointer>
	Name            string // token: header or query name
}

// Mapping turns one provider type into one event type.
type Mapping struct {
	On        []string      // provider types
	Event     string        // payment.succeeded
	When      *expr.Program // else not used, with Otherwise as the reason
	Otherwise string
	Fetch     *MappingFetch
	FactKey   *expr.Program
	Subject   *expr.Program // "Order " + ...
	Revision  *expr.Program
	Time      *expr.Program
	Data      *expr.Object // the event's data
	Settles   *Settles     // the effect this webhook proves
	Span      FileLine
}

// FileLine is where something is written.
type FileLine struct {
	File string
	Line int
}

// MappingFetch is a read made when the webhook carries ids only.
type MappingFetch struct {
	Action string
	With   *expr.Object
	As     string // its output's name in the mapping's expressions
}

// Settles says which effect an item proves, and how.
type Settles struct {
	Reference *expr.Program // our key, as the provider echoes it
	State     *expr.Program // "confirmed" or "declined"
	Remote    *expr.Program // the provider's id of it; may be nil
	Message   *expr.Program // a message's state: sent, delivered, read, failed; may be nil
	Reason    *expr.Program // may be nil
}

// Action is one thing that can be done there.
type Action struct {
	Name      string
	Title     string
	Kind      waybill.ActionKind
	Input     *expr.Schema
	Output    *expr.Schema
	Request   RequestRule
	Answer    *expr.Object  // output from {status, headers, body}; nil for a write without output
	Found     *expr.Program // a read: whether anything was found; nil: always
	Object    ObjectRule
	Repeat    waybill.Repeat
	Key       KeyRule
	Lookup    *LookupRule
	SettledBy bool   // a webhook carries our reference
	Proves    string // answer, handed_over, callback: what a 2xx proves
	Undo      UndoRule
	Errors    []*Matcher
	Timeout   time.Duration // default 30 s
	Rate      float64       // per second, 0: the connection's
	Retires   string
	Notes     []string // for the capability card
}

// RequestRule renders the call; its templates see `in` (inputs), `settings`, `key`.
type RequestRule struct {
	Method  string
	Path    *expr.Template // or an absolute URL
	Query   []NamedTemplate
	Headers []NamedTemplate
	Form    *expr.Object // application/x-www-form-urlencoded with bracket nesting
	JSON    *expr.Object // application/json
	Text    *expr.Template
}

// ObjectRule is what an action reads or writes.
type ObjectRule struct {
	Type string
	Key  *expr.Program // over in
	ID   *expr.Program // over out
}

// KeyRule is how our reference travels.
type KeyRule struct {
	Header string        // Idempotency-Key
	Form   string        // hash (default: 32 hex), uuid
	Life   time.Duration // the provider forgets it after this; 0: never
	Final  bool          // a later refusal with this key proves the first did not happen
}

// LookupRule finds out whether a write happened.
type LookupRule struct {
	Action string
	With   *expr.Object  // over in, key
	Match  *expr.Program // over out, in, key: it is there
	Proves string        // absence, presence
	Settle time.Duration // after a write, wait this long before absence means anything
}

// UndoRule is how an action is undone.
type UndoRule struct {
	Restore string       // the read whose output, put back through this same action, restores
	With    *expr.Object // its inputs, over in
	Back    *expr.Object // this action's inputs for putting back, over before, in
	Cannot  string       // why it cannot be undone, in words
}

// Matcher classifies an answer by status and body.
type Matcher struct {
	Status    []int         // empty: any; 4 means 4xx
	Code      *expr.Program // over {status, headers, body}: the provider's code, for grouping
	When      *expr.Program // over {status, headers, body}; nil: the status suffices
	Cause     waybill.Cause
	Words     string        // may name {code} {message} {field}
	Message   *expr.Program // the provider's own words
	Fix       string
	Who       string            // finance, builder, their support, nobody
	Certainty waybill.Certainty // happened, declined, not happened, in doubt; empty: by status rule
	Span      FileLine
}

// Limits are declared limits.
type Limits struct {
	Concurrency int     // calls under way at once; default 8
	PerSecond   float64 // 0: none
	Burst       int
}

// Simulate is how the simulator plays this system; see simulate.go.
type Simulate struct{}
