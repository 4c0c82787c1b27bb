package source

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// The limits of a file.
const (
	MaxBytes = 1 << 20
	MaxDepth = 32
)

// maxRepairs bounds how many broken values one call looks past to report further faults.
const maxRepairs = 20

const (
	tagStr   = "!!str"
	tagInt   = "!!int"
	tagFloat = "!!float"
	tagBool  = "!!bool"
	tagNull  = "!!null"
)

// Parse reads one YAML document; an empty file is an empty map. The node is nil when nothing could be read at all; with
// faults that are errors it may still be there, so that a caller can report what else is wrong.
func Parse(path string, text []byte) (*Node, Faults) {
	p := &parser{path: path}
	at := Span{Pos: Pos{File: path, Line: 1, Col: 1}, Len: 1}
	if len(text) > MaxBytes {
		p.fault("E109", at, fmt.Sprintf("The file has %d bytes; at most %d are read.", len(text), MaxBytes), "")
		return nil, p.faults
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !p.readable(text) {
		return nil, p.faults
	}
	content := string(text)
	for range maxRepairs {
		root, err := load(content)
		if err == nil {
			p.origin = newOrigin(path, content)
			node := p.document(root)
			p.tabs()
			return node, p.faults.Sorted()
		}
		repaired, ok := p.explain(content, err)
		if !ok {
			return nil, p.faults.Sorted()
		}
		content = repaired
	}
	return nil, p.faults.Sorted()
}

// parser collects the faults of one file.
type parser struct {
	path   string
	origin *origin
	faults Faults
}

// maxFaults bounds what one file can make us say.
const maxFaults = 200

func (p *parser) fault(code string, span Span, message, hint string) {
	if len(p.faults) >= maxFaults {
		return
	}
	p.faults.Add(Codes, code, span, message, hint)
}

// readable refuses bytes that YAML would refuse or count as lines differently than editors do.
func (p *parser) readable(text []byte) bool {
	line, col := 1, 1
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		span := Span{Pos: Pos{File: p.path, Line: line, Col: col}, Len: 1}
		switch {
		case r == utf8.RuneError && size == 1:
			p.fault("E101", span, "This byte is not UTF-8 text.", "Save the file as UTF-8.")
			return false
		case r == '\r' && (i+1 >= len(text) || text[i+1] != '\n'):
			p.fault("E101", span, "A lone carriage return stands here.", "Use ordinary line ends.")
			return false
		case r == 0x85 || r == 0x2028 || r == 0x2029:
			p.fault("E101", span, fmt.Sprintf("The invisible line separator U+%04X stands here.", r), "Remove it.")
			return false
		case r < ' ' && r != '\n' && r != '\t' && r != '\r', r == 0x7f:
			p.fault("E101", span, fmt.Sprintf("The control character U+%04X stands here.", r), "Remove it.")
			return false
		}
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
		i += size
	}
	return true
}

// load parses into the library's nodes; a text without a document gives nil.
func load(content string) (*yaml.Node, error) {
	var root yaml.Node
	err := yaml.Load([]byte(content), &root, yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(4*MaxDepth))))
	if err != nil && strings.Contains(err.Error(), "no documents in stream") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &root, nil
}

func (p *parser) warn(code string, span Span, message, hint string) {
	if len(p.faults) < maxFaults {
		p.faults.Warn(Codes, code, span, message, hint)
	}
}

func (p *parser) document(root *yaml.Node) *Node {
	if root == nil || len(root.Content) == 0 {
		return &Node{Kind: Map, Span: Span{Pos: Pos{File: p.path, Line: 1, Col: 1}, Len: 1}}
	}
	return p.convert(root.Content[0], 1)
}

func (p *parser) convert(y *yaml.Node, depth int) *Node {
	n := &Node{
		Span:   Span{Pos: Pos{File: p.path, Line: max(1, y.Line), Col: max(1, y.Column)}, Len: 1},
		origin: p.origin,
		at:     p.origin.offset(y.Line, y.Column),
	}
	if depth > MaxDepth {
		p.fault("E109", n.Span, fmt.Sprintf("This is nested more than %d levels deep.", MaxDepth), "")
		return n
	}
	if y.Anchor != "" {
		p.fault("E107", n.Span, fmt.Sprintf("&%s makes an anchor in YAML.", y.Anchor), quoteHint)
	}
	if y.Style&yaml.TaggedStyle != 0 {
		p.fault("E108", n.Span, fmt.Sprintf("%s is a tag in YAML, so it is not read as a value.", y.Tag), quoteHint)
	}
	switch y.Kind {
	case yaml.AliasNode:
		p.fault("E107", n.Span, fmt.Sprintf("*%s is an alias in YAML.", y.Value), quoteHint)
	case yaml.SequenceNode:
		n.Kind = List
		for _, item := range y.Content {
			n.Items = append(n.Items, p.convert(item, depth+1))
		}
	case yaml.MappingNode:
		n.Kind = Map
		p.entries(n, y, depth)
	case yaml.ScalarNode:
		p.scalar(n, y)
	}
	return n
}

const quoteHint = "Put the value in single quotes if it is an expression or text."

func (p *parser) entries(n *Node, y *yaml.Node, depth int) {
	seen := map[string]int{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := p.convert(y.Content[i], depth+1)
		entry := Entry{Key: k.Text, KeySpan: k.Span, Value: p.convert(y.Content[i+1], depth+1)}
		switch {
		case y.Content[i].Kind != yaml.ScalarNode || k.Text == "":
			p.fault("E120", k.Span, "A field name must be a plain text.", "")
			continue
		case k.Text == "<<" && !k.Quoted:
			p.fault("E107", k.Span, "<< is a merge key in YAML.", "Write the fields out.")
			continue
		case len(k.Text) > 200:
			p.fault("E120", k.Span, "A field name may have at most 200 characters.", "")
			continue
		}
		if line, twice := seen[k.Text]; twice {
			p.fault("E103", k.Span, fmt.Sprintf("%q was already given in line %d.", k.Text, line), "Remove one of them.")
			continue
		}
		seen[k.Text] = k.Span.Line
		n.Entries = append(n.Entries, entry)
	}
	if len(n.Entries) > 0 && n.Entries[0].KeySpan.Pos == n.Span.Pos {
		n.Span.Len = n.Entries[0].KeySpan.Len
	}
}

func (p *parser) scalar(n *Node, y *yaml.Node) {
	n.Kind, n.Text = Scalar, y.Value
	n.Quoted = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	n.Block = y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	switch {
	case y.Style&yaml.SingleQuotedStyle != 0:
		n.style = single
	case y.Style&yaml.DoubleQuotedStyle != 0:
		n.style = double
	case y.Style&yaml.LiteralStyle != 0:
		n.style = literal
	case y.Style&yaml.FoldedStyle != 0:
		n.style = folded
	}
	n.Tag = tagStr
	if n.style == plain {
		n.Tag = coreTag(n.Text)
		if n.Tag == tagNull {
			n.Kind = Null
		}
	}
	n.Span.Len = n.firstLine()
	p.traps(n)
}

var (
	intForm   = regexp.MustCompile(`^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	floatForm = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

// coreTag resolves a plain scalar after the core schema of YAML 1.2, without .inf and .nan.
func coreTag(text string) string {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return tagNull
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return tagBool
	}
	if c := text[0]; (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' {
		return tagStr
	}
	if intForm.MatchString(text) {
		return tagInt
	}
	if floatForm.MatchString(text) {
		return tagFloat
	}
	return tagStr
}

func parseInt(text string) (int64, error) {
	switch {
	case strings.HasPrefix(text, "0o"):
		return strconv.ParseInt(text[2:], 8, 64)
	case strings.HasPrefix(text, "0x"):
		return strconv.ParseInt(text[2:], 16, 64)
	}
	return strconv.ParseInt(strings.TrimPrefix(text, "+"), 10, 64)
}

// loadError returns the library's error with its place, if it has one.
func loadError(err error) (message, context string, line, col, contextLine int) {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return err.Error(), "", 1, 1, 1
	}
	return le.Message, le.ContextMsg, max(1, le.Mark.Line), max(1, le.Mark.Column), max(1, le.ContextMark.Line)
}
