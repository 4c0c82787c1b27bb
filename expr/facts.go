package expr

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// facts are paths that are known to be present at some place in an expression.
type facts map[string]bool

// has reports whether path, or something below it, is known.
func (f facts) has(path string) bool {
	if f[path] {
		return true
	}
	for known := range f {
		if strings.HasPrefix(known, path) && (known[len(path)] == '.' || known[len(path)] == '[') {
			return true
		}
	}
	return false
}

func (f facts) and(more facts) facts {
	if len(more) == 0 {
		return f
	}
	out := maps.Clone(f)
	if out == nil {
		out = facts{}
	}
	maps.Copy(out, more)
	return out
}

func both(a, b facts) facts {
	out := facts{}
	for path := range a {
		if b.has(path) {
			out[path] = true
		}
	}
	for path := range b {
		if a.has(path) {
			out[path] = true
		}
	}
	return out
}

// without forgets what is known of a name that a loop variable now hides.
func (f facts) without(name string) facts {
	out := facts{}
	for path := range f {
		if path != name && !strings.HasPrefix(path, name+".") && !strings.HasPrefix(path, name+"[") {
			out[path] = true
		}
	}
	return out
}

// path writes an access chain as people do: order.items[0].sku; "" when e is no such chain.
func path(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return strings.TrimPrefix(e.AsIdent(), ".")
	case ast.SelectKind:
		if base := path(e.AsSelect().Operand()); base != "" {
			return base + "." + e.AsSelect().FieldName()
		}
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() || len(call.Args()) != 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return ""
		}
		base := path(call.Args()[0])
		if base == "" {
			return ""
		}
		switch call.FunctionName() {
		case operators.OptSelect:
			return base + "." + fmt.Sprint(call.Args()[1].AsLiteral().Value())
		case operators.Index, operators.OptIndex:
			switch key := call.Args()[1].AsLiteral().Value().(type) {
			case string:
				return base + "." + key
			case int64:
				return base + "[" + strconv.FormatInt(key, 10) + "]"
			}
		}
	}
	return ""
}

// provenTrue gives the paths that are present whenever e is true.
func provenTrue(e ast.Expr) facts {
	switch e.Kind() {
	case ast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			if base := path(e.AsSelect().Operand()); base != "" {
				return facts{base + "." + e.AsSelect().FieldName(): true}
			}
		}
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.LogicalAnd:
			return provenTrue(call.Args()[0]).and(provenTrue(call.Args()[1]))
		case operators.LogicalOr:
			return both(provenTrue(call.Args()[0]), provenTrue(call.Args()[1]))
		case operators.LogicalNot:
			return provenFalse(call.Args()[0])
		case "hasValue":
			if call.IsMemberFunction() {
				return provenValue(call.Target())
			}
		}
	}
	return nil
}

// provenValue gives the path of an optional that is known to hold a value.
func provenValue(e ast.Expr) facts {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "@present" {
		e = e.AsCall().Args()[0]
	}
	if p := path(e); p != "" {
		return facts{p: true}
	}
	return nil
}

// provenFalse gives the paths that are present whenever e is false.
func provenFalse(e ast.Expr) facts {
	if e.Kind() != ast.CallKind {
		return nil
	}
	call := e.AsCall()
	switch call.FunctionName() {
	case operators.LogicalOr:
		return provenFalse(call.Args()[0]).and(provenFalse(call.Args()[1]))
	case operators.LogicalAnd:
		return both(provenFalse(call.Args()[0]), provenFalse(call.Args()[1]))
	case operators.LogicalNot:
		return provenTrue(call.Args()[0])
	}
	return nil
}
