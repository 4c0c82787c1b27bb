package expr

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

func listOptions() []cel.EnvOption {
	item := cel.TypeParamType("T")
	optional := cel.OptionalType(item)
	coalesce := []cel.FunctionOpt{}
	for n := 2; n <= 5; n++ {
		args := make([]*cel.Type, n)
		for i := range args {
			args[i] = optional
		}
		coalesce = append(coalesce, overload(fmt.Sprintf("coalesce_%d", n), args, optional, firstPresent))
	}
	return []cel.EnvOption{
		cel.Function("coalesce", coalesce...),
		cel.Function("@present", cel.Overload("present_optional", []*cel.Type{optional}, optional, cel.UnaryBinding(presentValue))),
		cel.Function("@present_value", cel.Overload("present_plain", []*cel.Type{item}, optional, cel.UnaryBinding(presentValue))),
		cel.Function("first_non_empty", cel.Overload("first_non_empty_list", []*cel.Type{cel.ListType(cel.StringType)},
			cel.OptionalType(cel.StringType), cel.UnaryBinding(firstNonEmpty))),
		cel.Function("sum",
			cel.Overload("sum_int", []*cel.Type{cel.ListType(cel.IntType)}, cel.IntType, cel.UnaryBinding(sum(types.IntZero))),
			cel.Overload("sum_double", []*cel.Type{cel.ListType(cel.DoubleType)}, cel.DoubleType, cel.UnaryBinding(sum(types.Double(0)))),
			cel.Overload("sum_money", []*cel.Type{cel.ListType(moneyType)}, moneyType, cel.UnaryBinding(sum(nil)))),
		cel.Function("by", cel.Overload("by_list_string", []*cel.Type{cel.ListType(item), cel.StringType},
			cel.MapType(cel.StringType, item), cel.BinaryBinding(by))),
	}
}

// firstPresent gives the first argument that holds a value other than null.
func firstPresent(args ...ref.Val) ref.Val {
	for _, a := range args {
		o, ok := a.(*types.Optional)
		if !ok {
			return types.MaybeNoSuchOverloadErr(a)
		}
		if o.HasValue() && o.GetValue() != types.NullValue {
			return o
		}
	}
	return types.OptionalNone
}

// presentValue makes null and "" absent.
func presentValue(v ref.Val) ref.Val {
	if o, ok := v.(*types.Optional); ok {
		if !o.HasValue() {
			return o
		}
		v = o.GetValue()
	}
	if v == types.NullValue || v == types.String("") {
		return types.OptionalNone
	}
	return types.OptionalOf(v)
}

func firstNonEmpty(v ref.Val) ref.Val {
	list, ok := v.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	for it := list.Iterator(); it.HasNext() == types.True; {
		if s, ok := it.Next().(types.String); ok && s != "" {
			return types.OptionalOf(s)
		}
	}
	return types.OptionalNone
}

func sum(zero ref.Val) func(ref.Val) ref.Val {
	return func(v ref.Val) ref.Val {
		list, ok := v.(traits.Lister)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		var total ref.Val
		for it := list.Iterator(); it.HasNext() == types.True; {
			next := it.Next()
			switch adder, ok := next.(traits.Adder); {
			case !ok:
				return types.MaybeNoSuchOverloadErr(next)
			case total == nil:
				total = next
			default:
				total = adder.Add(total)
			}
			if types.IsUnknownOrError(total) {
				return total
			}
		}
		switch {
		case total != nil:
			return total
		case zero == nil:
			return types.NewErr("an empty list of money has no sum: its currency is not known")
		}
		return zero
	}
}

func by(list, field ref.Val) ref.Val {
	lister, ok := list.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(list)
	}
	out := map[ref.Val]ref.Val{}
	for it := lister.Iterator(); it.HasNext() == types.True; {
		item := it.Next()
		indexer, ok := item.(traits.Indexer)
		if !ok {
			return types.NewErr("by takes a list of objects")
		}
		key := indexer.Get(field)
		if types.IsError(key) {
			return types.NewErr("an item has no field %q", cut(str(field), 40))
		}
		text := key.ConvertToType(types.StringType)
		if types.IsError(text) {
			return types.NewErr("the field %q is no text or number", cut(str(field), 40))
		}
		out[text] = item
	}
	return types.NewRefValMap(types.DefaultTypeAdapter, out)
}
