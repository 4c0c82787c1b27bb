package expr

import (
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// Explain says why a condition was false: the smallest clause that decided, and what its names stood for ("not there"
// for what is absent). It evaluates the expression once more.
func (p *Program) Explain(vars map[string]any, r Reads) (clause string, values map[string]string) {
	clause, values = p.text.Value, map[string]string{}
	program, err := p.traced()
	if err != nil {
		return clause, values
	}
	_, details, _ := program.Eval(p.activation(vars, r)) // what went wrong shows in the state
	if details == nil {
		return clause, values
	}
	native := p.ast.NativeRep()
	decided := deciding(native.Expr(), details.State())
	if decided.ID() != native.Expr().ID() {
		if text, err := cel.ExprToString(decided, native.SourceInfo()); err == nil {
			clause = text
		}
	}
	in := &inspector{env: &Env{}, scope: p.scope, ast: native, uses: map[string]bool{}, locals: map[string]int{}}
	in.visit(decided, nil)
	for _, path := range longest(in.uses) {
		values[path] = lookUp(vars, path)
	}
	return clause, values
}

// deciding goes down && to the first clause that was not true.
func deciding(e ast.Expr, state interpreter.EvalState) ast.Expr {
	for e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		left, right := e.AsCall().Args()[0], e.AsCall().Args()[1]
		if v, ok := state.Value(left.ID()); ok && v != types.True {
			e = left
			continue
		}
		e = right
	}
	return e
}

// lookUp shows what a path stands for in plain data.
func lookUp(vars map[string]any, path string) string {
	var at any = vars
	for path != "" {
		var key string
		key, path = step(path)
		switch container := at.(type) {
		case map[string]any:
			at = container[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(container) {
				return "not there"
			}
			at = container[i]
		default:
			return "not there"
		}
	}
	if at == nil || at == Absent {
		return "not there"
	}
	return cut(display(at), 200)
}

// step takes the first name or index off a path.
func step(path string) (key, rest string) {
	for i := range len(path) {
		switch path[i] {
		case '.', '[':
			return path[:i], path[i+1:]
		case ']':
			rest = path[i+1:]
			if rest != "" {
				rest = rest[1:]
			}
			return path[:i], rest
		}
	}
	return path, ""
}
