package expr

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"waybill"
)

// Env knows names, types and functions; it is immutable.
type Env struct {
	cfg    Config
	tables map[string]Table
	base   *cel.Env
	vars   []Var
	scope  func() (*scope, error) // built at first use: many environments only lead to others
}

// scope is an environment made ready for the compiler.
type scope struct {
	env   *cel.Env
	types *provider
	decls map[string]*decl
	vars  map[string]Var
}

// NewEnv returns an environment with the function library and no names. It refuses a zone that does not exist.
func NewEnv(cfg Config) (*Env, error) {
	zone := time.UTC
	if cfg.Zone != "" {
		var err error
		if zone, err = time.LoadLocation(cfg.Zone); err != nil {
			return nil, &waybill.Error{
				Kind: waybill.Invalid, Message: fmt.Sprintf("the zone %q is not known", cfg.Zone),
				Hint: "Write an IANA name such as Asia/Kolkata.", Err: err,
			}
		}
	}
	lib := library{zone: zone, region: cfg.Region}
	options := []cel.EnvOption{
		cel.OptionalTypes(),
		ext.Strings(), ext.Lists(), ext.Math(), ext.Sets(), ext.Encoders(), ext.Bindings(), ext.Regex(),
		ext.TwoVarComprehensions(),
		cel.EnableIdentifierEscapeSyntax(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.EnableMacroCallTracking(),
		cel.Macros(hasMacro(), presentMacro()),
		cel.ASTValidators(
			cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(),
			cel.ValidateComprehensionNestingLimit(3),
		),
		cel.ParserExpressionSizeLimit(MaxSize),
		cel.ParserErrorRecoveryLimit(4), // one slip is told of an expression that cannot be read; more is time lost
		cel.ExpressionNodeLimit(MaxNodes),
		cel.RegexProgramSizeLimit(2000),
	}
	base, err := cel.NewEnv(append(options, lib.options()...)...)
	if err != nil {
		return nil, fmt.Errorf("set up the expression language: %w", err)
	}
	e := &Env{cfg: cfg, tables: map[string]Table{}, base: base}
	for _, t := range cfg.Tables {
		e.tables[t.Name] = t
	}
	e.scope = sync.OnceValues(e.build)
	if _, err := e.scope(); err != nil {
		return nil, err
	}
	return e, nil
}

// With returns an environment that also knows vars; a later variable replaces one of the same name.
func (e *Env) With(vars ...Var) *Env {
	out := &Env{cfg: e.cfg, tables: e.tables, base: e.base}
	for _, v := range e.vars {
		if !slices.ContainsFunc(vars, func(n Var) bool { return n.Name == v.Name }) {
			out.vars = append(out.vars, v)
		}
	}
	out.vars = append(out.vars, vars...)
	out.scope = sync.OnceValues(out.build)
	return out
}

// Names lists the variables, sorted.
func (e *Env) Names() []string {
	names := make([]string, len(e.vars))
	for i, v := range e.vars {
		names[i] = v.Name
	}
	slices.Sort(names)
	return names
}

// Functions lists the names that functions and methods have, sorted; step ids differ from them.
func (e *Env) Functions() []string {
	return slices.Sorted(maps.Keys(e.base.Functions()))
}

func (e *Env) build() (*scope, error) {
	s := &scope{types: newProvider(e.base.CELTypeProvider()), decls: map[string]*decl{}, vars: map[string]Var{}}
	options := []cel.EnvOption{
		cel.CustomTypeProvider(s.types), cel.CustomTypeAdapter(adapter{e.base.CELTypeAdapter()}),
	}
	for _, v := range e.vars {
		t := s.types.typeOf(v.Schema, v.Name, 0)
		d := &decl{optional: v.Optional, convert: converter(v.Schema)}
		if v.Optional {
			switch t.Kind() {
			case types.StructKind, types.MapKind, types.DynKind:
				d.object = t.TypeName() != moneyType.TypeName()
			}
			if !d.object {
				t = cel.OptionalType(t)
			}
		}
		options = append(options, cel.Variable(v.Name, t))
		s.decls[v.Name], s.vars[v.Name] = d, v
	}
	var err error
	if s.env, err = e.base.Extend(options...); err != nil {
		return nil, fmt.Errorf("declare the names of an expression: %w", err)
	}
	return s, nil
}
