package expr

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"

	"waybill/source"
)

// translator turns CEL's issues into faults that say what to write instead.
type translator struct {
	env    *Env
	scope  *scope
	text   source.Text
	parsed *ast.AST // nil when the text could not be parsed
	faults source.Faults
}

func (t *translator) add(code string, from int, name, message, hint string) {
	t.faults.Add(Codes, code, underline(t.text, from, name), message, hint)
}

// offset gives the byte offset of an issue's place; lines count from 1, columns from 0 in characters.
func (t *translator) offset(e *common.Error) int {
	rest, at := t.text.Value, 0
	for line := 1; line < e.Location.Line(); line++ {
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		rest, at = rest[end+1:], at+end+1
	}
	return at + byteOffset(rest, max(0, e.Location.Column()))
}

// compiled once
var (
	undeclared  = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noField     = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload  = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	wrongType   = regexp.MustCompile(`^expected type '([^']*)' but found '([^']*)'`)
	noSelection = regexp.MustCompile(`^type '(.*)' does not support field selection`)
	noRange     = regexp.MustCompile(`^expression of type '(.*)' cannot be range`)
)

// types explains what the checker found, every issue.
func (t *translator) types(issues []*common.Error) source.Faults {
	for _, e := range issues {
		at := t.offset(e)
		if m := undeclared.FindStringSubmatch(e.Message); m != nil {
			t.unknownName(at, m[1])
		} else if m := noField.FindStringSubmatch(e.Message); m != nil {
			t.unknownField(e, at, m[1])
		} else if m := noOverload.FindStringSubmatch(e.Message); m != nil {
			t.overload(at, m[1], m[2])
		} else if m := wrongType.FindStringSubmatch(e.Message); m != nil {
			hint := ""
			if m[1] == "bool" {
				hint = "Compare it: x > 0, x != \"\", or ask has(x.y)."
			}
			t.add("E204", at, "", fmt.Sprintf("%s is needed here, but this is %s.", capital(typeText(m[1])), typeText(m[2])), hint)
		} else if m := noSelection.FindStringSubmatch(e.Message); m != nil {
			hint := ""
			if strings.HasPrefix(m[1], "list(") {
				hint = "Take one item, x[0], or all of them: x.map(i, i.name)."
			}
			t.add("E204", at, "", fmt.Sprintf("This has no fields: it is %s.", typeText(m[1])), hint)
		} else if m := noRange.FindStringSubmatch(e.Message); m != nil {
			t.add("E204", at, "", fmt.Sprintf("Only a list or an object can be gone through, but this is %s.", typeText(m[1])), "")
		} else if !t.limits(e) {
			code := "E204"
			if strings.HasPrefix(e.Message, "invalid ") {
				code = "E218"
			}
			t.add(code, at, "", capital(strings.TrimSuffix(e.Message, "."))+".", "")
		}
	}
	return t.faults
}

// limits recognises CEL's refusals of size.
func (t *translator) limits(e *common.Error) bool {
	for _, sign := range []string{"code point size", "node limit", "recursion depth", "nesting", "exceeds limit", "exceeded"} {
		if strings.Contains(e.Message, sign) {
			t.add("E214", 0, "", "This expression is too large or too deeply nested.", "Split it into steps with `set`.")
			return true
		}
	}
	return false
}

func (t *translator) unknownName(at int, name string) {
	text := t.text.Value
	if at < len(text) && text[at] == '(' {
		from := strings.LastIndex(text[:at], name)
		hint := source.DidYouMean(name, t.env.readable())
		if better, ok := otherWords[strings.ToLower(name)]; ok {
			hint = better
		}
		t.add("E208", max(0, from), name, fmt.Sprintf("There is no function %q.", name), hint)
		return
	}
	names := t.env.Names()
	message := fmt.Sprintf("There is no %q here.", name)
	if len(names) > 0 {
		message += " Names here: " + source.Listed(names) + "."
	}
	t.add("E202", at, name, message, source.DidYouMean(name, names))
}

// otherWords are functions as other languages call them.
var otherWords = map[string]string{ // a table that nothing changes
	"lower": "Write x.lowerAscii().", "tolower": "Write x.lowerAscii().", "downcase": "Write x.lowerAscii().",
	"upper": "Write x.upperAscii().", "toupper": "Write x.upperAscii().", "upcase": "Write x.upperAscii().",
	"len": "Write size(x).", "length": "Write size(x).", "count": "Write size(x).",
	"str": "Write string(x).", "tostring": "Write string(x).", "float": "Write double(x).", "number": "Write double(x) or int(x).",
	"includes": "Write x.contains(y), or y in list.", "concat": "Join texts with +.",
	"now": "Expressions have no clock; use the event's own times.", "today": "Expressions have no clock; use the event's own times.",
	"uuid":   "Expressions have no randomness; short_id(x) is the same for the same x.",
	"isnull": "Write has(x.y), or present(x.y).", "default": "Write a.?b.orValue(x).", "lookup": "Write table('name', key).",
}

func (t *translator) unknownField(e *common.Error, at int, field string) {
	message, hint := fmt.Sprintf("There is no field %q.", field), ""
	if operand := t.operandOf(e.ExprID, field); operand != nil {
		in := &inspector{env: t.env, scope: t.scope, ast: t.parsed, locals: map[string]int{}}
		if s := in.schemaOf(operand); s != nil {
			if isMoney(s) {
				s = moneyShape()
			}
			names := slices.Sorted(maps.Keys(s.Properties))
			message = fmt.Sprintf("%q has no field %q. Fields here: %s.", path(operand), field, source.Listed(names))
			hint = source.DidYouMean(field, names)
		}
	}
	if hint == "" {
		hint = t.anywhere(field)
	}
	t.add("E203", at, field, message, hint)
}

// anywhere suggests a field of any object when the place of the misspelt one is not known.
func (t *translator) anywhere(field string) string {
	var names []string
	for _, o := range t.scope.types.objects {
		for name := range o.fields {
			if name == field {
				return ""
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return source.DidYouMean(field, names)
}

// operandOf finds what the field with an unknown name was taken from.
func (t *translator) operandOf(id int64, field string) ast.Expr {
	var found ast.Expr
	ast.PostOrderVisit(t.parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() != id {
			return
		}
		switch {
		case e.Kind() == ast.SelectKind && e.AsSelect().FieldName() == field:
			found = e.AsSelect().Operand()
		case e.Kind() == ast.CallKind && len(e.AsCall().Args()) == 2:
			found = e.AsCall().Args()[0]
		}
	}))
	return found
}

var operatorWords = map[string]string{ // a table that nothing changes
	"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%", "_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=",
	"_>_": ">", "_>=_": ">=", "@in": "in", "!_": "!", "-_": "-",
}

func (t *translator) overload(at int, function, signature string) {
	args := signatureParts(signature)
	operator, isOperator := operatorWords[function]
	switch {
	case function == "_?_:_" && len(args) == 3 && args[0] != "bool" && args[0] != "dyn":
		t.add("E204", at, "", fmt.Sprintf("What stands before ? must be true or false, but it is %s.", typeText(args[0])), "")
	case function == "_?_:_" && len(args) == 3:
		t.add("E204", at, "", fmt.Sprintf("Both answers of ? : must be of one kind, but they are %s and %s.",
			typeText(args[1]), typeText(args[2])), "")
	case function == "_[_]" || function == "_[?_]":
		t.add("E204", at, "", fmt.Sprintf("%s cannot be indexed by %s.", capital(typeText(args[0])), typeText(args[len(args)-1])), "")
	case isOperator && len(args) == 2:
		t.add("E204", at, "", fmt.Sprintf("%s does not take %s and %s.", operator, typeText(args[0]), typeText(args[1])),
			operatorHint(operator, args[0], args[1]))
	case isOperator:
		t.add("E204", at, "", fmt.Sprintf("%s does not take %s.", operator, typeText(args[0])), "")
	default:
		t.badCall(at, function, args)
	}
}

func (t *translator) badCall(at int, function string, args []string) {
	name := strings.TrimSuffix(strings.TrimPrefix(function, "@"), "_value")
	from := max(0, strings.LastIndex(t.text.Value[:min(at, len(t.text.Value))], name))
	hint := ""
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = typeText(a)
		if strings.HasPrefix(a, "optional_type") {
			hint = "Give a default with .orValue(...), or convert what is there with .optMap(v, f(v))."
		}
	}
	if forms := signatures(name); hint == "" && forms != "" {
		hint = "It is written " + forms + "."
	}
	t.add("E204", from, name, fmt.Sprintf("%s does not take (%s).", name, strings.Join(parts, ", ")), hint)
}

func operatorHint(operator, a, b string) string {
	pair := a + " " + b
	switch {
	case strings.Contains(pair, "optional_type"):
		return "Give what may be absent a default with .orValue(...), or use it where has(...) is true."
	case pair == "int double" || pair == "double int":
		return "Write double(x) around the whole number, or use money for amounts."
	case strings.Contains(pair, typeMark+"money"):
		return "Money goes with money of the same currency; compare .minor with a whole number."
	case operator == "+" && strings.Contains(pair, "string"):
		return "Text joins only with text: write string(x)."
	case strings.Contains(pair, "timestamp") && strings.Contains(pair, "string"):
		return `Write timestamp("2026-01-31T00:00:00Z").`
	case strings.Contains(pair, "timestamp"):
		return `Write a time span: duration("24h"), or add_days(x, 1).`
	case operator == "in":
		return "in asks whether a list holds a value: x in [1, 2]. For text write text.contains(x)."
	case strings.Contains(pair, "string") && (strings.Contains(pair, "int") || strings.Contains(pair, "double")):
		return "Convert one side: int(x), double(x) or string(x)."
	}
	return ""
}

// signatureParts reads "string.(int, list(int))" as its types.
func signatureParts(s string) []string {
	var out []string
	if target, rest, ok := strings.Cut(s, ".("); ok && !strings.HasPrefix(s, "(") {
		out, s = append(out, target), "("+rest
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "("), ")")
	depth, from := 0, 0
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || s[i] == ',' && depth == 0:
			if part := strings.TrimSpace(s[from:i]); part != "" {
				out = append(out, part)
			}
			from = i + 1
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		}
	}
	if len(out) == 0 {
		out = []string{"nothing"}
	}
	return out
}

// typeText names a type that CEL wrote.
func typeText(s string) string {
	switch s {
	case "string":
		return "text"
	case "int":
		return "a whole number"
	case "uint":
		return "an unsigned whole number"
	case "double":
		return "a decimal number"
	case "bool":
		return "true or false"
	case "timestamp", "google.protobuf.Timestamp":
		return "a time"
	case "duration", "google.protobuf.Duration":
		return "a time span"
	case "null", "null_type":
		return "null"
	case "dyn":
		return "a value of unknown type"
	case typeMark + "money":
		return "money"
	}
	switch {
	case strings.HasPrefix(s, "optional_type("):
		return typeText(strings.TrimSuffix(strings.TrimPrefix(s, "optional_type("), ")")) + " that may be absent"
	case strings.HasPrefix(s, "list("):
		return "a list"
	case strings.HasPrefix(s, "map("):
		return "an object"
	case strings.HasPrefix(s, typeMark):
		return "the object " + strconv.Quote(s[len(typeMark):])
	}
	return s
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
