package expr

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"waybill/source"
)

// inspector walks a checked expression and finds what CEL's own checker does not: fields that may be absent, tables that
// are not total, comparisons that cannot be true. It also collects the paths that are read.
type inspector struct {
	env    *Env
	scope  *scope
	ast    *ast.AST
	text   source.Text
	uses   map[string]bool
	locals map[string]int
	book   bool
	faults source.Faults
}

// visit walks e, where known holds.
func (in *inspector) visit(e ast.Expr, known facts) {
	switch e.Kind() {
	case ast.IdentKind:
		in.ident(e, known)
	case ast.SelectKind:
		in.selection(e, known)
	case ast.CallKind:
		in.use(e)
		in.call(e, known)
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			in.visit(item, known)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			in.visit(entry.AsMapEntry().Key(), known)
			in.visit(entry.AsMapEntry().Value(), known)
		}
	case ast.StructKind:
		for _, entry := range e.AsStruct().Fields() {
			in.visit(entry.AsStructField().Value(), known)
		}
	case ast.ComprehensionKind:
		in.loop(e.AsComprehension(), known)
	}
}

// use notes the path that e reads.
func (in *inspector) use(e ast.Expr) { in.usePath(path(e)) }

func (in *inspector) usePath(p string) {
	root, _, _ := strings.Cut(p, ".")
	root, _, _ = strings.Cut(root, "[")
	if p != "" && in.locals[root] == 0 {
		in.uses[p] = true
	}
}

func (in *inspector) ident(e ast.Expr, known facts) {
	name := path(e)
	if in.locals[name] > 0 {
		return
	}
	in.use(e)
	v, declared := in.scope.vars[name]
	if declared && v.Optional && in.scope.decls[name].object && !known.has(name) {
		in.fault("E205", e, name, fmt.Sprintf("%q may be absent: its step may not have run.", name),
			fmt.Sprintf("Read its fields with %s.?field, or where has(%s.field) is true.", name, name))
	}
}

func (in *inspector) selection(e ast.Expr, known facts) {
	sel := e.AsSelect()
	operand := sel.Operand()
	in.operand(operand, known)
	if sel.IsTestOnly() {
		if base := path(operand); base != "" {
			in.usePath(base + "." + sel.FieldName())
		}
		return
	}
	in.use(e)
	p := path(e)
	if o := in.object(operand); o != nil && o.optional(sel.FieldName()) && (p == "" || !known.has(p)) {
		in.fault("E205", e, sel.FieldName(),
			fmt.Sprintf("%q of %q may be absent: its schema does not require it.", sel.FieldName(), o.name), in.optionalHint(e, known))
		return
	}
	if name := in.optionalRoot(operand, known); name != "" {
		in.fault("E205", e, sel.FieldName(), fmt.Sprintf("%q may be absent: its step may not have run.", name), in.optionalHint(e, known))
	}
}

// optionalRoot names the variable that e is when it may be absent as a whole; "" otherwise.
func (in *inspector) optionalRoot(e ast.Expr, known facts) string {
	if e.Kind() != ast.IdentKind {
		return ""
	}
	name := path(e)
	v, declared := in.scope.vars[name]
	if declared && in.locals[name] == 0 && v.Optional && in.scope.decls[name].object && !known.has(name) {
		return name
	}
	return ""
}

// optionalHint writes the access with .? from its first uncertain step on.
func (in *inspector) optionalHint(e ast.Expr, known facts) string {
	whole := path(e)
	if whole == "" {
		return "Read it with .? or where has(...) is true."
	}
	chain, at := "", e
	for at.Kind() == ast.SelectKind {
		sel := at.AsSelect()
		if in.mayBeAbsent(sel, known, path(at)) {
			chain = ".?" + sel.FieldName() + strings.ReplaceAll(strings.ReplaceAll(chain, ".?", "."), ".", ".?")
		} else {
			chain = "." + sel.FieldName() + chain
		}
		at = sel.Operand()
	}
	return fmt.Sprintf("Read it as %s%s, or where has(%s) is true.", path(at), chain, whole)
}

func (in *inspector) mayBeAbsent(sel ast.SelectExpr, known facts, p string) bool {
	if o := in.object(sel.Operand()); o != nil && o.optional(sel.FieldName()) && !known.has(p) {
		return true
	}
	return in.optionalRoot(sel.Operand(), known) != ""
}

// operand walks what a field is taken from. A variable that may be absent is fine there: the field decides.
func (in *inspector) operand(e ast.Expr, known facts) {
	if e.Kind() == ast.IdentKind {
		in.use(e)
		return
	}
	in.visit(e, known)
}

// object returns the object type of e. It is none for an optional: a chain that began with .? goes on optionally.
func (in *inspector) object(e ast.Expr) *object {
	t := in.ast.GetType(e.ID())
	if t == nil || t.Kind() != types.StructKind {
		return nil
	}
	return in.scope.types.objects[t.TypeName()]
}

func (in *inspector) call(e ast.Expr, known facts) {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		in.visit(args[0], known)
		in.visit(args[1], known.and(provenTrue(args[0])))
		return
	case operators.LogicalOr:
		in.visit(args[0], known)
		in.visit(args[1], known.and(provenFalse(args[0])))
		return
	case operators.Conditional:
		in.visit(args[0], known)
		in.visit(args[1], known.and(provenTrue(args[0])))
		in.visit(args[2], known.and(provenFalse(args[0])))
		return
	case operators.OptSelect, operators.OptIndex:
		in.operand(args[0], known)
		in.visit(args[1], known)
		return
	case operators.Equals, operators.NotEquals:
		in.comparison(args[0], args[1])
		in.comparison(args[1], args[0])
	case operators.In, operators.OldIn:
		if args[1].Kind() == ast.ListKind {
			for _, item := range args[1].AsList().Elements() {
				in.comparison(args[0], item)
			}
		}
	case "table":
		in.table(args)
	case "pairing":
		in.pairing(args)
	}
	if call.IsMemberFunction() {
		in.visit(call.Target(), known)
	}
	for _, arg := range args {
		in.visit(arg, known)
	}
}

func (in *inspector) loop(c ast.ComprehensionExpr, known facts) {
	in.visit(c.IterRange(), known)
	in.visit(c.AccuInit(), known)
	names := []string{c.IterVar(), c.AccuVar()}
	if c.HasIterVar2() {
		names = append(names, c.IterVar2())
	}
	inner := known
	for _, name := range names {
		in.locals[name]++
		inner = inner.without(name)
	}
	in.visit(c.LoopCondition(), inner)
	in.visit(c.LoopStep(), inner)
	in.visit(c.Result(), inner)
	for _, name := range names {
		in.locals[name]--
	}
}

// comparison faults a text that the other side's list of possibilities does not have.
func (in *inspector) comparison(e, other ast.Expr) {
	text, ok := literal(other)
	s := in.schemaOf(e)
	if !ok || s == nil || len(s.Enum) == 0 || slices.Contains(s.Enum, text) {
		return
	}
	in.fault("E217", other, "", fmt.Sprintf("%s is never %q. It is one of: %s.", pathWords(path(e)), text, strings.Join(s.Enum, ", ")),
		source.DidYouMean(text, s.Enum))
}

func (in *inspector) table(args []ast.Expr) {
	in.book = true
	if len(args) != 2 {
		return
	}
	name, ok := literal(args[0])
	if !ok {
		in.fault("E212", args[0], "", "The table's name must be plain text, so that it can be checked.", "")
		return
	}
	t, known := in.env.tables[name]
	if !known {
		names := slices.Sorted(maps.Keys(in.env.tables))
		message := fmt.Sprintf("There is no table %q.", name)
		if len(names) > 0 {
			message += " Tables here: " + source.Listed(names) + "."
		}
		in.fault("E212", args[0], "", message, source.DidYouMean(name, names))
		return
	}
	if t.Otherwise {
		return
	}
	var values []string
	if text, ok := literal(args[1]); ok {
		values = []string{text}
	} else if s := in.schemaOf(args[1]); s != nil {
		values = s.Enum
	}
	without := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return slices.Contains(t.Keys, v) })
	if len(without) > 0 {
		in.fault("E211", args[1], "", fmt.Sprintf("The table %q has no row for: %s.", name, strings.Join(without, ", ")),
			"Add the rows, or an otherwise.")
	}
}

func (in *inspector) pairing(args []ast.Expr) {
	in.book = true
	if len(args) != 4 {
		return
	}
	for _, i := range []int{1, 3} {
		name, ok := literal(args[i])
		switch {
		case !ok:
			in.fault("E213", args[i], "", "The connection's name must be plain text, so that it can be checked.", "")
		case !slices.Contains(in.env.cfg.Connections, name):
			in.fault("E213", args[i], "", fmt.Sprintf("There is no connection %q.", name), source.DidYouMean(name, in.env.cfg.Connections))
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().Value().(string)
	return text, ok
}

// schemaOf follows an access chain through the schemas; nil when e is none or leads to what no schema says.
func (in *inspector) schemaOf(e ast.Expr) *Schema {
	switch e.Kind() {
	case ast.IdentKind:
		if name := path(e); in.locals[name] == 0 {
			return in.scope.vars[name].Schema
		}
	case ast.SelectKind:
		if !e.AsSelect().IsTestOnly() {
			return property(in.schemaOf(e.AsSelect().Operand()), e.AsSelect().FieldName())
		}
	case ast.CallKind:
		return in.schemaOfCall(e.AsCall())
	}
	return nil
}

func (in *inspector) schemaOfCall(call ast.CallExpr) *Schema {
	switch call.FunctionName() {
	case operators.OptSelect:
		if field, ok := literal(call.Args()[1]); ok {
			return property(in.schemaOf(call.Args()[0]), field)
		}
	case operators.Index, operators.OptIndex:
		base := in.schemaOf(call.Args()[0])
		if field, ok := literal(call.Args()[1]); ok {
			return property(base, field)
		}
		return items(base)
	case "orValue":
		if !call.IsMemberFunction() {
			return nil
		}
		s := in.schemaOf(call.Target())
		if s == nil || len(s.Enum) == 0 {
			return s
		}
		if other, ok := literal(call.Args()[0]); ok && slices.Contains(s.Enum, other) {
			return s
		}
	case "value":
		if call.IsMemberFunction() {
			return in.schemaOf(call.Target())
		}
	}
	return nil
}

func property(s *Schema, field string) *Schema {
	if s == nil {
		return nil
	}
	if isMoney(s) {
		s = moneyShape()
	}
	if p, ok := s.Properties[field]; ok {
		return p
	}
	return s.Values
}

// fault reports at e; name, when given, is the word at or after e's place to underline.
func (in *inspector) fault(code string, e ast.Expr, name, message, hint string) {
	r, _ := in.ast.SourceInfo().GetOffsetRange(e.ID())
	from := byteOffset(in.text.Value, int(r.Start))
	in.faults.Add(Codes, code, underline(in.text, from, name), message, hint)
}

// byteOffset turns a count of characters into one of bytes.
func byteOffset(text string, characters int) int {
	for i := range text {
		if characters <= 0 {
			return i
		}
		characters--
	}
	return len(text)
}

// underline gives the span of the word at an offset of the text: name when it follows, else what stands there.
func underline(text source.Text, from int, name string) source.Span {
	from = max(0, min(from, len(text.Value)))
	rest := text.Value[from:]
	if name != "" {
		if i := strings.Index(rest, name); i >= 0 && i <= 300 {
			span := text.PosAt(from + i)
			span.Len = len([]rune(name))
			return span
		}
	}
	span := text.PosAt(from)
	span.Len = max(1, wordLength(rest))
	return span
}

// wordLength counts the characters of the token a text begins with.
func wordLength(text string) int {
	if text == "" {
		return 1
	}
	if q := text[0]; q == '\'' || q == '"' {
		if end := quoteEnd(text, 0); end <= len(text) {
			return len([]rune(text[:end]))
		}
	}
	n := strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 || !wordByte(byte(r)) })
	if n < 0 {
		n = len(text)
	}
	if n > 0 {
		return n
	}
	for _, two := range []string{"==", "!=", "<=", ">=", "&&", "||"} {
		if strings.HasPrefix(text, two) {
			return 2
		}
	}
	return 1
}
