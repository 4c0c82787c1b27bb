package expr

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

func bookOptions() []cel.EnvOption {
	s := cel.StringType
	return []cel.EnvOption{
		cel.Function("table", cel.Overload("table_string_string", []*cel.Type{s, s}, s, cel.LateFunctionBinding())),
		cel.Function("pairing", cel.Overload("pairing_strings", []*cel.Type{s, s, s, s}, cel.OptionalType(s), cel.LateFunctionBinding())),
	}
}

// bookActivation also answers table() and pairing().
type bookActivation struct{ activation }

// ResolveFunction gives the functions that read the book.
func (a *bookActivation) ResolveFunction(name string) (functions.LateBoundOp, bool) {
	switch name {
	case "table":
		return a.table, true
	case "pairing":
		return a.pairing, true
	}
	return nil, false
}

func (a *bookActivation) table(_ string, args ...ref.Val) ref.Val {
	texts, bad := textArgs(args)
	if bad != nil {
		return bad
	}
	if a.reads == nil {
		return types.NewErr("table() needs the book, which is not at hand here")
	}
	value, ok, err := a.reads.Table(texts[0], texts[1])
	switch {
	case err != nil:
		return types.WrapErr(err)
	case !ok:
		return types.NewErr("the table %q has no value for %q", texts[0], cut(texts[1], 40))
	}
	return types.String(value)
}

func (a *bookActivation) pairing(_ string, args ...ref.Val) ref.Val {
	texts, bad := textArgs(args)
	if bad != nil {
		return bad
	}
	if a.reads == nil {
		return types.NewErr("pairing() needs the book, which is not at hand here")
	}
	id, ok, err := a.reads.Pairing(texts[0], texts[1], texts[2], texts[3])
	switch {
	case err != nil:
		return types.WrapErr(err)
	case !ok:
		return types.OptionalNone
	}
	return types.OptionalOf(types.String(id))
}

func textArgs(args []ref.Val) ([]string, ref.Val) {
	out := make([]string, len(args))
	for i, a := range args {
		text, ok := a.(types.String)
		if !ok {
			if types.IsUnknownOrError(a) {
				return nil, a
			}
			return nil, types.NewErr("text is needed here, but this is %s", typeText(a.Type().TypeName()))
		}
		out[i] = string(text)
	}
	return out, nil
}
