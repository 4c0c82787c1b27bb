package expr

import (
	"strings"

	"waybill"
	"waybill/source"
)

// Failure is an expression that could not be evaluated over the values it was given; every error of Eval, Bool and Str
// is one. It wraps a waybill.Error of kind Invalid, whose words it has.
type Failure struct {
	Span   source.Span // the part that failed
	Words  string      // what happened, without the place
	Lacks  bool        // a value that was needed is not there
	Misfit bool        // a value is of another kind than the expression takes
	err    *waybill.Error
}

// Error says where and what.
func (f *Failure) Error() string { return f.err.Error() }

// Unwrap gives the waybill.Error.
func (f *Failure) Unwrap() error { return f.err }

// failure sorts what the evaluator or a check of its result says.
func failure(span source.Span, cause, words string, err *waybill.Error) *Failure {
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(cause, part) {
				return true
			}
		}
		return false
	}
	return &Failure{
		Span: span, Words: words, err: err,
		Lacks: has("no such key", "no such attribute", "index out of bounds", "optional.none() dereference", "absent",
			"must be given"),
		Misfit: has("no such overload", "no matching overload", "but this is", "takes one of", "cannot become", "is no "),
	}
}
