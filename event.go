package waybill

import "time"

// Event is a business fact, provider-neutral, typed by the catalogue.
type Event struct {
	ID         EventID
	Type       string // payment.succeeded
	Noun       string // payment: the name flows use for its data
	Account    string // where the fact is from
	Connection string
	FactKey    string // unique with Account and Type, for as long as the book is kept
	Subject    string // what it is about, as pages say it: "Order SO-1001"; empty when unknown
	Data       []byte // JSON that the catalogue's schema of this type accepts
	OccurredAt time.Time
	AcceptedAt time.Time
	Rank       int    // the status order of its type; a higher one never loses to a lower
	Revision   string // the provider's version of the object, when it has one
	Item       ItemID // the first item that told it; empty for an emitted event
	Arrival    ArrivalID
	Parent     EventID // the event whose run emitted it
	Hops       int     // how many emits lie between it and an item; at most 8
	Bundle     BundleID
	Mapped     MappedBy        // the mapping that made it
	Mapping    []MappedField   // how each field came to be: made from Mapped when somebody asks, and not kept
	Considered []Consideration // the flows that looked at it
	Search     []SearchKey
	Erased     bool // what it told of a person was taken out
}

// MappedBy names the mapping that made an event, from which its lines are told again whenever a page asks.
type MappedBy struct {
	File    string   `json:"file,omitempty"` // where it is written
	Line    int      `json:"line,omitzero"`
	LeftOut []string `json:"left_out,omitempty"` // fields of the provider's that held a placeholder
}

// MappedField says where one field of an event came from, for the journey's mapping view.
type MappedField struct {
	Target string `json:"target"`         // order.paid_total
	Source string `json:"source"`         // the expression, as written
	From   string `json:"from,omitempty"` // its value before, shortened
	Value  string `json:"value"`          // what it became, shortened
	Note   string `json:"note,omitempty"` // "placeholder void@razorpay.com: left out"
	File   string `json:"file,omitempty"` // where it is written
	Line   int    `json:"line,omitempty"`
}

// Consideration is what a flow made of an event: a run, or why not, with the clause and its values.
type Consideration struct {
	Flow    string            `json:"flow"`
	Title   string            `json:"title,omitempty"`
	Matched bool              `json:"matched"`
	Run     RunID             `json:"run,omitempty"`
	Clause  string            `json:"clause,omitempty"` // the part of `when` that was false
	Values  map[string]string `json:"values,omitempty"` // what its names stood for
	Reason  string            `json:"reason,omitempty"` // in words
}

// SearchKey is a value by which people look for an event: e-mail, phone, order number, amount, provider id.
type SearchKey struct {
	Kind  string // email, phone, order, amount, id
	Value string // normalised: lower case, E.164, minor units
}

// Evidence is a later item that told a fact already known: it joins the first event and starts nothing.
type Evidence struct {
	Event EventID
	Item  ItemID
	Type  string // the provider's word for it
	At    time.Time
}

// Subject is a business object that events are about; remote ids, e-mails and phones are its aliases.
type Subject struct {
	ID        SubjectID
	Type      string // order, customer, lead
	Name      string // as pages say it: SO-1001
	Aliases   []Alias
	Fields    []byte // JSON: Waybill's own current copy
	Rank      int
	FactTime  time.Time // of the newest fact in Fields
	UpdatedAt time.Time
}

// Alias is one name of a subject in one system.
type Alias struct {
	Kind  string // email, phone, or the connection whose id it is
	Value string
}

// Pairing says that two ids in two systems are the same subject.
type Pairing struct {
	Type  string // the object's type: deal, contact
	ConnA string
	IDA   string
	ConnB string
	IDB   string
}
