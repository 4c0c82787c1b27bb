package show

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// What the library that reads requests refuses is said as everything else is: a problem document with what to do, and one status
// for what cannot be understood.

// apiContext is huma's.
type apiContext huma.Context

// plainContext answers 400 where the library would 422: a limit that is no number is not another thing than a state that is none.
type plainContext struct{ apiContext }

// SetStatus sets the status of the answer.
func (c plainContext) SetStatus(status int) { c.apiContext.SetStatus(plainStatus(status)) }

func plainStatus(status int) int {
	if status == http.StatusUnprocessableEntity {
		return http.StatusBadRequest
	}
	return status
}

// plainly is the middleware for it.
func plainly(ctx huma.Context, next func(huma.Context)) { next(plainContext{ctx}) }

// refusalOf makes the library's own error a refusal like ours; anything else is left as it is.
func refusalOf(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	parts := []string{e.Detail}
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		said := d.Message
		if d.Location != "" {
			said = strings.TrimPrefix(d.Location, "body.") + ": " + said
		}
		parts = append(parts, said)
	}
	hint := "nothing was changed; /api/v1/openapi.json says what is taken here"
	if e.Status == http.StatusRequestEntityTooLarge {
		hint = "nothing was changed; send less at a time"
	}
	return newRefusal(plainStatus(e.Status), strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; "), hint), nil
}

// describeRefusals puts our refusal in the place of the library's error in the API's description.
func (a *api) describeRefusals() {
	known := a.huma.OpenAPI().Components.Schemas
	schema := known.Schema(reflect.TypeFor[refusal](), true, "Refusal")
	for path := range maps.Values(a.huma.OpenAPI().Paths) {
		for _, op := range []*huma.Operation{path.Get, path.Post} {
			if op == nil {
				continue
			}
			for status, r := range op.Responses {
				if !strings.HasPrefix(status, "2") {
					r.Content = map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}
				}
			}
		}
	}
	delete(known.Map(), "ErrorModel")
	delete(known.Map(), "ErrorDetail")
}

// allowed are the methods that a path of a mux takes, when another one was asked for; none when it takes none.
func allowed(mux *http.ServeMux, r *http.Request) []string {
	var list []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); strings.Contains(pattern, " ") { // one that names its method
			list = append(list, method)
		}
	}
	return list
}

// refuseMethod answers 405 where another method is taken at this address; false where none is.
func refuseMethod(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) bool {
	list := allowed(mux, r)
	if len(list) == 0 {
		return false
	}
	w.Header().Set("Allow", strings.Join(list, ", "))
	problem(w, http.StatusMethodNotAllowed, "this address does not take "+r.Method+"; nothing was changed", "it takes "+strings.Join(list, ", "))
	return true
}
