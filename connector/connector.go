// Package connector is the manifest language: what is known about an outside system, as data.
//
// A manifest is one strict YAML file (connectors/NAME/manifest.yaml) that says how to sign in, what comes in and how it
// is proven, what it means, what can be done there and what makes doing it again safe, and how its refusals read. Parse
// gives a checked, compiled, immutable Manifest; every fault is reported at once with its place.
//
// It promises that everything it gives is pure and safe for concurrent use: finding the items of a body (ItemsOf),
// rendering a call (Render), judging an answer (Judge). It must not know HTTP clients, the book or secrets' values.
package connector

import (
	"cmp"
	"slices"
	"time"

	"waybill"
	"waybill/expr"
	"waybill/source"
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
	Notes        []string           // what a builder must know, for the capability card
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
	Placeholders []string     // values that mean "absent": void@razorpay.com
	File         string       // where it is written
	Root         *source.Node // as written, for the difference to a newer one of the same name
}

// Setting is one thing a connection may or must say.
type Setting struct {
	Title    string   `yaml:"title,required"`
	Required bool     `yaml:"required"`
	Default  string   `yaml:"default"`
	OneOf    []string `yaml:"one_of"` // the values it may have; empty: any
	Help     string   `yaml:"help"`
}

// NamedTemplate is a header or query entry whose value is a template.
type NamedTemplate struct {
	Name  string
	Value *expr.Template
}

// SignIn is how our calls prove who we are.
type SignIn struct {
	Kind     string   `yaml:"kind"`      // none, bearer, basic, header, query, oauth2
	Secret   string   `yaml:"secret"`    // bearer, header, query, oauth2: the secret's name
	Header   string   `yaml:"header"`    // header: its name; query: the parameter's
	Prefix   string   `yaml:"prefix"`    // header: before the secret, e.g. "Zoho-oauthtoken "
	User     string   `yaml:"user"`      // basic: the secret or setting that is the user; oauth2: the client's id
	Pass     string   `yaml:"pass"`      // basic: the secret that is the password; may be empty
	TokenURL string   `yaml:"token_url"` // oauth2
	Grant    string   `yaml:"grant"`     // oauth2: client_credentials, refresh_token
	Scopes   []string `yaml:"scopes"`
}

// Names lists the secrets without which no call can be signed in. Of User a setting of that name may stand in its place.
func (s SignIn) Names() []string {
	var names []string
	switch s.Kind {
	case "", "none":
	case "basic":
		names = []string{s.User, s.Pass}
	case "oauth2":
		secret := s.Pass
		if secret == "" && s.Grant != "refresh_token" {
			secret = s.Secret
		}
		names = []string{cmp.Or(s.User, "client_id"), cmp.Or(secret, "client_secret")}
		if s.Grant == "refresh_token" {
			names = append(names, cmp.Or(s.Secret, "refresh_token"))
		}
	default:
		names = []string{s.Secret}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// Identity is the account's own id: the read and output field that give it, and the payload expression that must agree.
type Identity struct {
	Action  string        // a read without inputs: account.get; empty when no read gives it
	Output  string        // the field of its output: id
	Setting string        // the setting that says it, where no read does
	Payload *expr.Program // over the webhook's body; nil when payloads do not say
	Live    *expr.Program // over the webhook's body: true for production traffic; nil when it does not say
	Keys    *KeyModes     // nil when a key does not show for which environment it is
}

// KeyModes says by which beginnings a key shows for which environment it is, so that live and test never mix.
type KeyModes struct {
	Secret     string   `yaml:"secret,required"`
	Test       []string `yaml:"test"`
	Production []string `yaml:"production"`
}

// Webhook is how things come in.
type Webhook struct {
	Methods     []string
	Handshake   *Handshake
	Verify      VerifyConfig
	Format      string        // json (default), form, xml
	Items       []*ItemRule   // every rule that finds something gives items; when none does the whole body is one item
	RetryWindow time.Duration // a body-hash key counts this long
	// Reply is what a kept arrival is answered with, when the provider demands other than our JSON.
	Reply *Reply
}

// Handshake is a request that only proves the address is ours.
type Handshake struct {
	Kind     string        // query_challenge (Meta), body_challenge (Slack)
	Token    string        // query_challenge: the secret to compare with
	TokenAt  string        // query_challenge: the parameter that carries it: hub.verify_token
	AnswerAt string        // the parameter, or the body's field, to answer with: hub.challenge, challenge
	When     *expr.Program // body_challenge: over body
}

// Reply is a fixed answer.
type Reply struct {
	ContentType string `yaml:"content_type"`
	Body        string `yaml:"body"`
}

// ItemRule finds the items of a body. Its expressions see item, body, headers (lower-case names), settings and the
// names of With.
type ItemRule struct {
	Each    string            // pointer with wildcards: /entry/*/changes/*/value/messages/*; empty is the whole body
	With    map[string]string // name -> pointer of another part: change: /entry/*/changes/*; its * are the item's own
	When    *expr.Program     // nil: every one
	Account *expr.Program     // whose account it is, where payloads say; nil: Identity.Payload
	Type    *expr.Program
	Key     *expr.Program // the delivery key; nil or empty: body hash
	Time    *expr.Program // timestamp; may be nil
}

// VerifyConfig is a signature scheme by its parts: verify.Scheme has the same fields, so one converts into the other.
// Any text in it may name a setting of the connection as ${settings.x}: see Bind.
type VerifyConfig struct {
	Scheme          string        `yaml:"scheme"`           // none, hmac, ed25519, token, basic
	Algorithm       string        `yaml:"algorithm"`        // hmac: sha256, sha1, sha512
	Encoding        string        `yaml:"encoding"`         // hex, base64
	Header          string        `yaml:"header"`           // that carries the signature
	Layout          string        `yaml:"layout"`           // plain, prefix, pairs (t=,v1=), list (v1,<b64> space separated)
	Prefix          string        `yaml:"prefix"`           // sha256=, v0=, v1
	Signed          string        `yaml:"signed"`           // over {body} {timestamp} {id} {method} {url}: "{timestamp}.{body}"
	TimestampHeader string        `yaml:"timestamp_header"` // empty: from the signature header
	TimestampUnit   string        `yaml:"timestamp_unit"`   // s, ms, rfc3339
	Tolerance       time.Duration `yaml:"tolerance"`
	IDHeader        string        `yaml:"id_header"`
	Secret          string        `yaml:"secret"`      // the secret's name
	SecretForm      string        `yaml:"secret_form"` // text, base64, whsec
	In              string        `yaml:"in"`          // token: header, query, path, body:<pointer>
	Name            string        `yaml:"name"`        // token: header or query name
}

// Mapping turns one provider type into one event type. Its expressions see what its item's rule saw and, under its
// name, what was fetched. To a mapping an empty value (null, "", [], {} or a placeholder) is an absent one.
type Mapping struct {
	On        []string      // provider types
	Event     string        // payment.succeeded
	When      *expr.Program // else not used, with Otherwise as the reason
	Otherwise string
	Fetch     *MappingFetch
	FactKey   *expr.Program
	Subject   *expr.Program // nil: the catalogue's
	Revision  *expr.Program
	Time      *expr.Program // nil: the item's
	Data      *expr.Object  // the event's data
	Settles   *Settles      // the effect this webhook proves
	Leaves    []Leaf        // each part of Data as written, for the journey's mapping view
	Span      FileLine
	EventAt   source.Span // of Event

	node *source.Node // Data as written
	env  *expr.Env    // what it was compiled with
}

// Leaf is one part of a mapping's data as it is written.
type Leaf struct {
	Path   string // customer.email
	Source string // ${object.?receipt_email}
	Line   int
	from   source.Pos
	to     source.Pos
	names  []string
}

// Holds reports whether a place in the mapping's file is within this part.
func (l Leaf) Holds(at source.Pos) bool {
	before := func(a, b source.Pos) bool { return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col }
	return !before(at, l.from) && !before(l.to, at)
}

// Names is the path's names.
func (l Leaf) Names() []string { return l.names }

// FileLine is where something is written.
type FileLine struct {
	File string
	Line int
}

// MappingFetch is a read made when the webhook carries ids only. A read that is not made, or finds nothing, leaves an
// empty object under its name.
type MappingFetch struct {
	Action string
	When   *expr.Program // nil: always
	With   *expr.Object
	As     string // its output's name in the mapping's expressions
}

// Settles says which effect an item proves, and how.
type Settles struct {
	Reference *expr.Program // our key, as the provider echoes it; absent: it settles nothing
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
	Input     *expr.Schema // never nil
	Output    *expr.Schema // nil: an action without output
	Request   RequestRule
	Answer    *expr.Object  // output from status, headers, body; nil for a write without output
	Found     *expr.Program // a read: whether anything was found, over status, headers, body; nil: always
	Object    ObjectRule
	Repeat    waybill.Repeat // of a read: empty
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
	Span      FileLine
}

// RequestRule renders the call; its templates see input, settings, key (our reference) and planned_at (the time the
// effect was planned). See Render.
type RequestRule struct {
	Method  string
	Path    *expr.Template // below the base address, or an address of its own when it is written as one
	Whole   bool           // Path is written as an address of its own
	Query   []NamedTemplate
	Headers []NamedTemplate
	Form    *expr.Object // application/x-www-form-urlencoded with bracket nesting
	JSON    *expr.Object // application/json
	Text    *expr.Template
	Merge   []MergeRule // maps laid under parts of Form or JSON; what is written there wins
}

// MergeRule lays a map of further entries into the object at a pointer of the body.
type MergeRule struct {
	At    string
	Value *expr.Template
}

// ObjectRule is what an action reads or writes.
type ObjectRule struct {
	Type string
	Key  *expr.Program // over input, key
	ID   *expr.Program // over output, input
}

// KeyRule is how our reference travels.
type KeyRule struct {
	Header string        `yaml:"header"` // Idempotency-Key; empty: only where the request names ${key}
	Form   string        `yaml:"form"`   // hash (default: 32 hex), uuid
	Life   time.Duration `yaml:"life"`   // the provider forgets it after this; 0: never
	Final  bool          `yaml:"final"`  // a later refusal with this key proves the first did not happen
}

// LookupRule finds out whether a write happened.
type LookupRule struct {
	Action string
	With   *expr.Object  // over input, key
	Match  *expr.Program // over output, input, key: it is there
	Proves string        // absence, presence
	Settle time.Duration // after a write, wait this long before absence means anything
}

// UndoRule is how an action is undone.
type UndoRule struct {
	Restore string       // the read whose output, put back through this same action, restores
	Do      string       // the action that undoes it
	With    *expr.Object // the inputs of that read, over input, or of that action, over input and output
	Back    *expr.Object // this action's inputs for putting back, over before, input
	Cannot  string       // why it cannot be undone, in words
}

// Matcher classifies an answer by status and body.
type Matcher struct {
	Status    []int         // empty: any; 4 means 4xx
	When      *expr.Program // over status, headers, body; nil: the status suffices
	Code      *expr.Program // the provider's code, for grouping
	Message   *expr.Program // the provider's own words
	Field     *expr.Program // the field it is about
	Cause     waybill.Cause
	Words     string // may name {code} {message} {field}
	Fix       string
	Who       string            // finance, builder, their support, nobody
	Certainty waybill.Certainty // happened, declined, not happened, in doubt; empty: by status rule
	Wait      time.Duration     // when not 0 this call alone waits, so long unless they say how long: it says nothing of the connection
	Span      FileLine
}

// Limits are declared limits.
type Limits struct {
	Concurrency int     `yaml:"concurrency"` // calls under way at once; default 8
	PerSecond   float64 `yaml:"per_second"`  // 0: none
	Burst       int     `yaml:"burst"`
	CatchUp     float64 `yaml:"catch_up"` // calls a second while an outage's backlog is worked off; default half of per_second
	Told        Told    `yaml:"told"`
}

// Told names the headers of their answers that say how many calls are left, and until when. What stands in the IETF's or the
// usual X-RateLimit headers is read without being named.
type Told struct {
	Left   string `yaml:"left"`   // how many are left
	Reset  string `yaml:"reset"`  // when that ends: in seconds from now, or a Unix time
	Window string `yaml:"window"` // or how long their window is, in milliseconds
}
