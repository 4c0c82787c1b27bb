// Package source reads strict YAML with positions and reports faults the way a person can act on them.
//
// Plain YAML is parsed into nodes that remember file, line, column and style; anchors, aliases, merge keys, tags,
// duplicate keys, files over 1 MiB and nesting over 32 are refused. Decode fills Go structs strictly: an unknown field is
// a fault with a suggestion, and every fault of a file is reported, never only the first. The traps of YAML that hurt
// here (`: ` and ` #` in an unquoted value, 1.10, leading zeros, `${}` inside `[ ]` or `{ }`, tags made by `!`) are
// recognised and named.
package source

// Pos is a place in a file; lines and columns count from 1, columns in characters.
type Pos struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"column"`
}

// Span is a stretch of one line: Len characters from Pos, at least 1.
type Span struct {
	Pos
	Len int `json:"length"`
}

// Severity is how bad a fault is.
type Severity string

// An Error refuses the workspace; a Warning does not.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Fault is one thing wrong in a file a person wrote.
type Fault struct {
	Code     string   `json:"code"` // E104
	Severity Severity `json:"severity"`
	Span     Span     `json:"span"`
	Title    string   `json:"title"`          // unknown field
	Message  string   `json:"message"`        // plain words, one or two sentences
	Hint     string   `json:"hint,omitempty"` // what to write instead: Did you mean "email"?
}

// Faults is everything wrong at once.
type Faults []Fault

// Kind is the kind of a node.
type Kind int

// The kinds of node.
const (
	Null Kind = iota
	Scalar
	List
	Map
)

// Node is one YAML value with its place. A Map keeps its entries in the order written.
type Node struct {
	Kind    Kind
	Span    Span   // of the value itself
	Tag     string // !!str, !!int, !!float, !!bool, !!null after YAML 1.2 core rules
	Text    string // of a scalar, as YAML reads it
	Quoted  bool
	Block   bool // | or >
	Entries []Entry
	Items   []*Node
	offsets []int // for PosAt
}

// Entry is one key of a map.
type Entry struct {
	Key     string
	KeySpan Span
	Value   *Node
}

// Text is a string with its place, for struct fields that Decode fills.
type Text struct {
	Value string
	Span  Span
	node  *Node
}
