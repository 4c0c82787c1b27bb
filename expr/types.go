package expr

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Names of our object types begin with a colon, which no identifier can, so that they never shadow a variable's fields.
const typeMark = ":"

// maxTypeDepth bounds how deep schemas are typed; what is deeper is of any type.
const maxTypeDepth = 32

// isMoney reports whether values of s are money.
func isMoney(s *Schema) bool { return s != nil && (s.Format == "money" || s.Type == "money") }

// isAny reports whether s says nothing about its values.
func isAny(s *Schema) bool {
	return s == nil || (s.Type == "" && s.Format == "" && len(s.Properties) == 0 && s.Values == nil && s.Items == nil &&
		len(s.Enum) == 0)
}

// kindOf returns the JSON type of s, filling in what its other parts imply.
func kindOf(s *Schema) string {
	switch {
	case s == nil:
		return ""
	case isMoney(s):
		return "money"
	case s.Type != "":
		return s.Type
	case len(s.Properties) > 0 || s.Values != nil:
		return "object"
	case s.Items != nil:
		return "array"
	case len(s.Enum) > 0 || s.Format != "":
		return "string"
	default:
		return ""
	}
}

// moneyShape is the schema of money written out as an object.
func moneyShape() *Schema {
	return &Schema{
		Type: "object", Required: []string{"minor", "currency"},
		Properties: map[string]*Schema{"minor": {Type: "integer"}, "currency": {Type: "string"}},
	}
}

// object is one object type: a schema with properties, under a name people read.
type object struct {
	name   string // payment.customer
	schema *Schema
	fields map[string]*types.FieldType
}

// optional reports whether a property may be missing.
func (o *object) optional(field string) bool {
	_, known := o.schema.Properties[field]
	return known && !slices.Contains(o.schema.Required, field)
}

// provider answers CEL's questions about object types from schemas; everything else it hands to the library's.
type provider struct {
	types.Provider
	objects map[string]*object
}

func newProvider(base types.Provider) *provider {
	p := &provider{Provider: base, objects: map[string]*object{}}
	p.objects[moneyType.TypeName()] = &object{
		name:   "money",
		schema: moneyShape(),
		fields: map[string]*types.FieldType{
			"minor":    {Type: cel.IntType, IsSet: always, GetFrom: moneyField("minor")},
			"currency": {Type: cel.StringType, IsSet: always, GetFrom: moneyField("currency")},
		},
	}
	return p
}

// typeOf returns the CEL type of s and makes object types known under name.
func (p *provider) typeOf(s *Schema, name string, depth int) *cel.Type {
	if depth > maxTypeDepth {
		return cel.DynType
	}
	switch kindOf(s) {
	case "money":
		return moneyType
	case "object":
		switch {
		case s.Values != nil:
			return cel.MapType(cel.StringType, p.typeOf(s.Values, name+".value", depth+1))
		case len(s.Properties) == 0:
			return cel.MapType(cel.StringType, cel.DynType)
		}
		return p.objectType(s, name, depth)
	case "array":
		return cel.ListType(p.typeOf(s.Items, name+".item", depth+1))
	case "string":
		if s.Format == "date-time" {
			return cel.TimestampType
		}
		return cel.StringType
	case "integer":
		return cel.IntType
	case "number":
		return cel.DoubleType
	case "boolean":
		return cel.BoolType
	default:
		return cel.DynType
	}
}

func (p *provider) objectType(s *Schema, name string, depth int) *cel.Type {
	o := &object{name: name, schema: s, fields: make(map[string]*types.FieldType, len(s.Properties))}
	p.objects[typeMark+name] = o
	for field, property := range s.Properties {
		o.fields[field] = &types.FieldType{
			Type:    p.typeOf(property, name+"."+field, depth+1),
			IsSet:   isSet(field),
			GetFrom: getFrom(field, converter(property)),
		}
	}
	return cel.ObjectType(typeMark + name)
}

// FindStructType tells CEL that an object type is known.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.objects[name]; ok {
		if name == moneyType.TypeName() {
			return types.NewTypeTypeWithParam(moneyType), true
		}
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames lists the properties of an object type.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if o, ok := p.objects[name]; ok {
		return slices.Sorted(maps.Keys(o.fields)), true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType gives the type of a property and how to read it from plain Go data.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	o, ok := p.objects[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, field)
	}
	if ft, ok := o.fields[field]; ok {
		return ft, true
	}
	if o.schema.Open {
		return &types.FieldType{Type: types.DynType, IsSet: isSet(field), GetFrom: getFrom(field, nil)}, true
	}
	return nil, false
}

func always(any) bool { return true }

// isSet treats a JSON null as absent.
func isSet(field string) ref.FieldTester {
	return func(target any) bool {
		_, ok := member(target, field)
		return ok
	}
}

// member is a field of an object; false when it has none, or nothing in it.
func member(target any, field string) (any, bool) {
	switch m := target.(type) {
	case map[string]any:
		v := m[field]
		return v, v != nil && v != Absent
	case map[string]string: // headers and settings, as they are
		v, ok := m[field]
		return v, ok
	default:
		return nil, false
	}
}

func getFrom(field string, convert func(any) (any, error)) ref.FieldGetter {
	return func(target any) (any, error) {
		v, ok := member(target, field)
		if !ok {
			return nil, &missing{field}
		}
		if convert == nil {
			return v, nil
		}
		return convert(v)
	}
}

// missing says that data lacks a field at evaluation.
type missing struct{ field string }

func (m *missing) Error() string { return "no such key: " + m.field }

// converter returns how plain Go data becomes what CEL expects for s, nil when it already is.
func converter(s *Schema) func(any) (any, error) {
	switch kindOf(s) {
	case "money":
		return toMoney
	case "string":
		if s.Format == "date-time" {
			return toTime
		}
	case "number":
		return toDouble
	case "integer":
		return toInt
	case "array":
		if item := converter(s.Items); item != nil {
			return eachItem(item)
		}
	case "object":
		if s.Values != nil {
			if value := converter(s.Values); value != nil {
				return eachValue(value)
			}
		}
	}
	return nil
}

func toMoney(v any) (any, error) {
	switch v := v.(type) {
	case moneyVal:
		return v, nil
	case map[string]any:
		if m, ok := asMoney(v); ok {
			return m, nil
		}
	}
	return nil, errors.New("this is no money: it needs minor (a whole number) and currency")
}

func toTime(v any) (any, error) {
	switch v := v.(type) {
	case time.Time:
		return v, nil
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return nil, fmt.Errorf("%q is no time like 2026-01-31T12:00:00Z", cut(v, 40))
		}
		return t, nil
	}
	return nil, fmt.Errorf("%s is no time", words(v))
}

func toDouble(v any) (any, error) {
	switch v := v.(type) {
	case int64:
		return float64(v), nil
	case int:
		return float64(v), nil
	}
	return v, nil
}

func toInt(v any) (any, error) {
	if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return int64(f), nil
	}
	return v, nil
}

func eachItem(convert func(any) (any, error)) func(any) (any, error) {
	return func(v any) (any, error) {
		list, ok := v.([]any)
		if !ok {
			return v, nil
		}
		out := make([]any, len(list))
		for i, item := range list {
			var err error
			if out[i], err = convert(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

func eachValue(convert func(any) (any, error)) func(any) (any, error) {
	return func(v any) (any, error) {
		m, ok := v.(map[string]any)
		if !ok {
			return v, nil
		}
		out := make(map[string]any, len(m))
		for key, value := range m {
			var err error
			if out[key], err = convert(value); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

// typeWords names a CEL type as people do.
func typeWords(t *cel.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return "text"
	case types.IntKind:
		return "a whole number"
	case types.UintKind:
		return "an unsigned whole number"
	case types.DoubleKind:
		return "a decimal number"
	case types.BoolKind:
		return "true or false"
	case types.TimestampKind:
		return "a time"
	case types.DurationKind:
		return "a time span"
	case types.BytesKind:
		return "bytes"
	case types.NullTypeKind:
		return "null"
	case types.ListKind:
		return "a list"
	case types.MapKind:
		return "an object"
	case types.DynKind, types.AnyKind:
		return "a value of unknown type"
	case types.StructKind:
		if t.TypeName() == moneyType.TypeName() {
			return "money"
		}
		return fmt.Sprintf("the object %q", strings.TrimPrefix(t.TypeName(), typeMark))
	case types.OpaqueKind:
		if t.TypeName() == "optional_type" && len(t.Parameters()) == 1 {
			return typeWords(t.Parameters()[0]) + " that may be absent"
		}
	}
	return t.String()
}

// schemaWords names what a schema takes.
func schemaWords(s *Schema) string {
	switch kindOf(s) {
	case "money":
		return "money"
	case "object":
		return "an object"
	case "array":
		return "a list"
	case "string":
		switch {
		case s.Format == "date-time":
			return "a time"
		case len(s.Enum) > 0 && len(s.Enum) <= 8:
			return "one of " + strings.Join(s.Enum, ", ")
		}
		return "text"
	case "integer":
		return "a whole number"
	case "number":
		return "a number"
	case "boolean":
		return "true or false"
	default:
		return "any value"
	}
}
