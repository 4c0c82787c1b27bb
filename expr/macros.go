package expr

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

// hasMacro makes has(a.b.c) false, not an error, when a or a.b is absent: all but the last step become optional ones.
func hasMacro() cel.Macro {
	return parser.NewGlobalMacro(operators.Has, 1,
		func(eh parser.ExprHelper, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
			if args[0].Kind() != ast.SelectKind {
				return nil, eh.NewError(args[0].ID(), "invalid argument to has() macro")
			}
			sel := args[0].AsSelect()
			return eh.NewPresenceTest(optionalChain(eh, sel.Operand()), sel.FieldName()), nil
		})
}

// presentMacro makes present(a.b.c) read its path optionally; any other value is taken as it is.
func presentMacro() cel.Macro {
	return parser.NewGlobalMacro("present", 1,
		func(eh parser.ExprHelper, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
			if chain := optionalChain(eh, args[0]); isOptionalStep(chain) {
				return eh.NewCall("@present", chain), nil
			}
			return eh.NewCall("@present_value", args[0]), nil
		})
}

func isOptionalStep(e ast.Expr) bool {
	return e.Kind() == ast.CallKind &&
		(e.AsCall().FunctionName() == operators.OptSelect || e.AsCall().FunctionName() == operators.OptIndex)
}

// optionalChain turns the selects and indexes of a path into optional ones, in place so that they keep their position;
// what is no path stays as it is.
func optionalChain(eh parser.ExprHelper, e ast.Expr) ast.Expr {
	switch e.Kind() {
	case ast.SelectKind:
		sel := e.AsSelect()
		if sel.IsTestOnly() {
			return e
		}
		operand := optionalChain(eh, sel.Operand())
		e.SetKindCase(eh.NewCall(operators.OptSelect, operand, eh.NewLiteral(types.String(sel.FieldName()))))
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() || len(call.Args()) != 2 {
			return e
		}
		switch call.FunctionName() {
		case operators.Index:
			e.SetKindCase(eh.NewCall(operators.OptIndex, optionalChain(eh, call.Args()[0]), call.Args()[1]))
		case operators.OptSelect, operators.OptIndex:
			optionalChain(eh, call.Args()[0])
		}
	}
	return e
}
