package source

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Decoder is a type that reads itself from a node, for values that may be written in more than one form.
type Decoder interface {
	// DecodeYAML fills the receiver from n, which may be nil or empty, and returns what is wrong with it.
	DecodeYAML(n *Node) Faults
}

// Decode fills the struct (or other value) that into points to, strictly, and returns everything that is wrong at once.
//
// Struct fields are named by their tag `yaml:"name"`; fields without one are left alone. Options: `name,required` faults
// when it is missing; `name,one_or_more` lets a list be given as its single item; `,inline` merges a nested struct;
// `,span` (a Span) and `,node` (a *Node) take the struct's own place and node; `,rest` (a map[string]*Node) takes the
// fields that have no name of their own. Types: string, int, int64, bool, float64, time.Duration (Go's form and 7d),
// Text, *Node (kept as it is), []T, map[string]T, *T, structs, any, and every Decoder. Numbers may fill strings: they
// are kept as written. An empty value leaves its field as it is.
func Decode(n *Node, into any) Faults {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic("source: Decode needs a pointer")
	}
	d := decoder{}
	d.value(n, v.Elem(), "this")
	return d.faults
}

type decoder struct{ faults Faults }

// Types to compare with.
var (
	nodeType     = reflect.TypeFor[*Node]()
	textType     = reflect.TypeFor[Text]()
	spanType     = reflect.TypeFor[Span]()
	durationType = reflect.TypeFor[time.Duration]()
	decoderType  = reflect.TypeFor[Decoder]()
)

// mismatch faults a value of the wrong kind: "count" takes a whole number, but this is text.
func (d *decoder) mismatch(n *Node, name, takes, hint string) {
	d.faults.Add(Codes, "E106", n.Span, fmt.Sprintf("%s takes %s, but this is %s.", named(name), takes, described(n)), hint)
}

func named(name string) string {
	if name == "this" {
		return "This"
	}
	return strconv.Quote(name)
}

func described(n *Node) string {
	if n.Kind != Scalar {
		if n.Kind == Null {
			return "empty"
		}
		return n.Kind.String()
	}
	switch n.Tag {
	case tagInt:
		return "the whole number " + short(n.Text)
	case tagFloat:
		return "the decimal number " + short(n.Text)
	case tagBool:
		return n.Text
	}
	return fmt.Sprintf("the text %q", short(n.Text))
}

func (d *decoder) value(n *Node, v reflect.Value, name string) {
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(n))
		return
	}
	if v.CanAddr() && v.Addr().Type().Implements(decoderType) {
		if own, ok := reflect.TypeAssert[Decoder](v.Addr()); ok {
			d.faults = append(d.faults, own.DecodeYAML(n)...)
			return
		}
	}
	if n == nil || n.Kind == Null {
		return
	}
	switch {
	case v.Type() == textType:
		d.text(n, v, name)
	case v.Type() == durationType:
		d.duration(n, v, name)
	default:
		d.byKind(n, v, name)
	}
}

func (d *decoder) byKind(n *Node, v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, name)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), name)
	case reflect.Slice:
		d.slice(n, v, name)
	case reflect.Map:
		d.mapping(n, v, name)
	case reflect.String:
		if n.Kind != Scalar {
			d.mismatch(n, name, "text", "")
		} else if n.Tag == tagBool {
			d.mismatch(n, name, "text", fmt.Sprintf("Write %q in quotes if it is meant as text.", n.Text))
		} else {
			v.SetString(n.Text)
		}
	case reflect.Bool:
		d.boolean(n, v, name)
	case reflect.Int, reflect.Int64, reflect.Int32:
		number, err := parseInt(n.Text)
		if n.Kind != Scalar || n.Tag != tagInt || err != nil || v.OverflowInt(number) {
			d.mismatch(n, name, "a whole number", "")
			return
		}
		v.SetInt(number)
	case reflect.Float64:
		number, err := strconv.ParseFloat(n.Text, 64)
		if n.Kind != Scalar || (n.Tag != tagInt && n.Tag != tagFloat) || err != nil {
			d.mismatch(n, name, "a number", "")
			return
		}
		v.SetFloat(number)
	case reflect.Interface:
		if value := n.Value(); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		panic("source: Decode cannot fill a " + v.Type().String())
	}
}

func (d *decoder) text(n *Node, v reflect.Value, name string) {
	t, ok := n.Scalar()
	if !ok {
		d.mismatch(n, name, "text or an expression", "Put it in single quotes if it is an expression.")
		return
	}
	v.Set(reflect.ValueOf(t))
}

func (d *decoder) boolean(n *Node, v reflect.Value, name string) {
	if n.Kind == Scalar && n.Tag == tagBool {
		v.SetBool(n.Text[0] == 't' || n.Text[0] == 'T')
		return
	}
	hint := ""
	switch strings.ToLower(n.Text) {
	case "yes", "on", "y":
		hint = "Write true."
	case "no", "off", "n":
		hint = "Write false."
	}
	d.mismatch(n, name, "true or false", hint)
}

// duration reads Go's form (90s, 2h30m) and whole days (7d).
func (d *decoder) duration(n *Node, v reflect.Value, name string) {
	value, err := ParseDuration(n.Text)
	if n.Kind != Scalar || err != nil {
		d.mismatch(n, name, "a time span such as 30s, 5m, 2h or 7d", "")
		return
	}
	v.SetInt(int64(value))
}

// ParseDuration reads a time span: 500ms, 30s, 5m, 2h30m, 7d. It is never negative.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("read time span %q: %w", s, err)
		}
		return time.Duration(n) * 24 * time.Hour, nil // 16 bits
	}
	value, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("read time span: %w", err)
	}
	if value < 0 {
		return 0, fmt.Errorf("read time span %q: it is negative", s)
	}
	return value, nil
}

func (d *decoder) slice(n *Node, v reflect.Value, name string) {
	if n.Kind != List {
		d.mismatch(n, name, "a list", "Write each item on its own line after a dash.")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items))
	for i, item := range n.Items {
		if item.Kind == Null && v.Type().Elem() != nodeType {
			d.mismatch(item, name, "no empty items", "Remove the dash or write its value.")
		}
		d.value(item, out.Index(i), name)
	}
	v.Set(out)
}

func (d *decoder) mapping(n *Node, v reflect.Value, name string) {
	if n.Kind != Map {
		d.mismatch(n, name, "a group of fields", "")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.Entries))
	for _, e := range n.Entries {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.Value, item, e.Key)
		out.SetMapIndex(reflect.ValueOf(e.Key).Convert(v.Type().Key()), item)
	}
	v.Set(out)
}

// field is one struct field that a file may fill.
type field struct {
	name      string
	value     reflect.Value
	required  bool
	oneOrMore bool
}

// shape is what a struct takes from a map.
type shape struct {
	fields []field
	span   reflect.Value
	node   reflect.Value
	rest   reflect.Value
}

func shapeOf(v reflect.Value) shape {
	var s shape
	for i := range v.NumField() {
		tag, tagged := v.Type().Field(i).Tag.Lookup("yaml")
		if !tagged || tag == "-" {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		switch {
		case option == "inline":
			inner := shapeOf(v.Field(i))
			s.fields = append(s.fields, inner.fields...)
		case option == "span" && name == "" && v.Field(i).Type() == spanType:
			s.span = v.Field(i)
		case option == "node" && name == "":
			s.node = v.Field(i)
		case option == "rest" && name == "":
			s.rest = v.Field(i)
		default:
			s.fields = append(s.fields, field{
				name: name, value: v.Field(i), required: option == "required", oneOrMore: option == "one_or_more",
			})
		}
	}
	return s
}

func (d *decoder) structure(n *Node, v reflect.Value, name string) {
	if n.Kind != Map {
		d.mismatch(n, name, "a group of fields", "")
		return
	}
	s := shapeOf(v)
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	if s.span.IsValid() {
		s.span.Set(reflect.ValueOf(n.Span))
	}
	if s.node.IsValid() {
		s.node.Set(reflect.ValueOf(n))
	}
	rest := map[string]*Node{}
	for _, e := range n.Entries {
		if !d.entry(e, s.fields) {
			rest[e.Key] = e.Value
			if !s.rest.IsValid() {
				d.faults = append(d.faults, Unknown(e, name, names))
			}
		}
	}
	if s.rest.IsValid() {
		s.rest.Set(reflect.ValueOf(rest))
	}
	for _, f := range s.fields {
		if f.required && (n.Get(f.name) == nil || n.Get(f.name).Kind == Null) {
			d.faults.Add(Codes, "E105", n.KeySpan(f.name), fmt.Sprintf("%q must be given here.", f.name), "")
		}
	}
}

func (d *decoder) entry(e Entry, fields []field) bool {
	for _, f := range fields {
		if f.name != e.Key {
			continue
		}
		if f.oneOrMore && e.Value.Kind != List && e.Value.Kind != Null {
			d.value(&Node{Kind: List, Span: e.Value.Span, Items: []*Node{e.Value}}, f.value, e.Key)
		} else {
			d.value(e.Value, f.value, e.Key)
		}
		return true
	}
	return false
}

// Unknown is the fault of an entry that has no field, in the group called within, with the fields there are.
func Unknown(e Entry, within string, fields []string) Fault {
	message := fmt.Sprintf("%q is no field here.", e.Key)
	if within != "" && within != "this" {
		message = fmt.Sprintf("%q is no field of %q.", e.Key, within)
	}
	if len(fields) > 0 {
		message += " Fields here: " + Listed(fields) + "."
	}
	return Fault{
		Code: "E104", Severity: Error, Span: e.KeySpan, Title: Codes["E104"].Title, Message: message,
		Hint: DidYouMean(e.Key, fields),
	}
}
