// Package source reads strict YAML with positions and reports faults the way a person can act on them.
//
// Plain YAML is parsed into nodes that remember file, line, column and style; anchors, aliases, merge keys, tags,
// duplicate keys, files over 1 MiB and nesting over 32 are refused. Decode fills Go structs strictly: an unknown field is
// a fault with a suggestion, and every fault of a file is reported, never only the first. The traps of YAML that hurt
// here (`: ` and ` #` in an unquoted value, 1.10, leading zeros, `${}` inside `[ ]` or `{ }`, tags made by `!`) are
// recognised and named.
//
// It promises that no input makes it panic or take more than bounded time and memory. It must not know what the fields
// mean: that is for the packages that decode them.
package source

import (
	"strconv"
	"strings"
)

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

// Kind is the kind of a node.
type Kind int

// The kinds of node.
const (
	Null Kind = iota
	Scalar
	List
	Map
)

// String names the kind as messages do: "a list".
func (k Kind) String() string {
	switch k {
	case Scalar:
		return "a single value"
	case List:
		return "a list"
	case Map:
		return "a group of fields"
	default:
		return "empty"
	}
}

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

	style  style
	origin *origin // nil when it was not read from a file
	at     int     // byte offset of the value in the origin
}

// Entry is one key of a map.
type Entry struct {
	Key     string
	KeySpan Span
	Value   *Node
}

// Get returns the value of key, nil when n is no map or has no such entry.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for i := range n.Entries {
		if n.Entries[i].Key == key {
			return n.Entries[i].Value
		}
	}
	return nil
}

// KeySpan returns the place of a key, the node's own when it has no such entry.
func (n *Node) KeySpan(key string) Span {
	for i := range n.Entries {
		if n.Entries[i].Key == key {
			return n.Entries[i].KeySpan
		}
	}
	return n.Span
}

// Scalar returns the text of a scalar; ok is false for a list, a map and an empty value.
func (n *Node) Scalar() (text Text, ok bool) {
	if n == nil || n.Kind != Scalar {
		return Text{}, false
	}
	return Text{Value: n.Text, Span: n.Span, node: n}, true
}

// PosAt returns the place in the file of the byte at offset off of a scalar's text.
func (n *Node) PosAt(off int) Span {
	return n.locate(off)
}

// Value gives the node as plain Go data: nil, bool, int64, float64, string, []any, map[string]any. An integer that does
// not fit int64 stays text, so that no digit is lost.
func (n *Node) Value() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case List:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = item.Value()
		}
		return out
	case Map:
		out := make(map[string]any, len(n.Entries))
		for _, e := range n.Entries {
			out[e.Key] = e.Value.Value()
		}
		return out
	case Scalar:
		return scalarValue(n.Tag, n.Text)
	default:
		return nil
	}
}

func scalarValue(tag, text string) any {
	switch tag {
	case tagInt:
		if v, err := parseInt(text); err == nil {
			return v
		}
	case tagFloat:
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return v
		}
	case tagBool:
		return text[0] == 't' || text[0] == 'T'
	}
	return text
}

// Text is a string with its place, for struct fields that Decode fills.
type Text struct {
	Value string
	Span  Span
	node  *Node
	skip  int // where the value begins in the node's text, or in base
	base  *Text
}

// NewText returns a text that starts at span; offsets count along its line and the lines after it.
func NewText(value string, span Span) Text { return Text{Value: value, Span: span} }

// PosAt returns the place in the file of the byte at offset off of the value, through quotes, escapes, folding and
// block indentation.
func (t Text) PosAt(off int) Span {
	switch {
	case t.node != nil:
		return t.node.locate(t.skip + off)
	case t.base != nil:
		return walk(t.base.Span, t.base.Value, t.skip+off)
	}
	return walk(t.Span, t.Value, off)
}

// Slice returns the part of the value from byte from to byte to; it still knows its place in the file.
func (t Text) Slice(from, to int) Text {
	out := Text{Value: t.Value[from:to], Span: t.PosAt(from), node: t.node, skip: t.skip + from, base: t.base}
	if t.node == nil && t.base == nil {
		out.base = &t
	}
	line, _, _ := strings.Cut(out.Value, "\n")
	out.Span.Len = max(1, runes(line))
	return out
}

// Comment returns the comment that YAML cut off behind the value, without its leading space: "#b". A person may have
// meant it as part of the value.
func (t Text) Comment() (string, Span) {
	if t.node == nil {
		return "", t.Span
	}
	return t.node.comment()
}

// String returns the value.
func (t Text) String() string { return t.Value }

// FromAny makes nodes of plain Go data, for values that were not written by a person: nil, bool, int, int64, float64,
// string, []any, map[string]any (its keys sorted). Anything else becomes an empty node.
func FromAny(v any) *Node {
	switch v := v.(type) {
	case string:
		return &Node{Kind: Scalar, Tag: tagStr, Text: v, Quoted: true}
	case bool:
		return &Node{Kind: Scalar, Tag: tagBool, Text: strconv.FormatBool(v)}
	case int:
		return &Node{Kind: Scalar, Tag: tagInt, Text: strconv.Itoa(v)}
	case int64:
		return &Node{Kind: Scalar, Tag: tagInt, Text: strconv.FormatInt(v, 10)}
	case float64:
		return &Node{Kind: Scalar, Tag: tagFloat, Text: strconv.FormatFloat(v, 'g', -1, 64)}
	case []any:
		n := &Node{Kind: List}
		for _, item := range v {
			n.Items = append(n.Items, FromAny(item))
		}
		return n
	case map[string]any:
		n := &Node{Kind: Map}
		for _, key := range sortedKeys(v) {
			n.Entries = append(n.Entries, Entry{Key: key, Value: FromAny(v[key])})
		}
		return n
	default:
		return &Node{Kind: Null, Tag: tagNull}
	}
}
