package show

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"waybill"
)

// policy is what a page may do: use our own script, style and data, show our own pictures, and send forms to us.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure puts on every answer what browsers need to know to keep people safe.
func (s *Server) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cache-Control", "no-store")
		if s.https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// statusOf is the HTTP status of an error's kind.
func statusOf(err error) int {
	switch waybill.KindOf(err) {
	case waybill.Invalid:
		return http.StatusBadRequest
	case waybill.Unverified:
		return http.StatusUnauthorized
	case waybill.NotFound:
		return http.StatusNotFound
	case waybill.Conflict:
		return http.StatusConflict
	case waybill.Forbidden:
		return http.StatusForbidden
	case waybill.Unavailable:
		return http.StatusServiceUnavailable
	case waybill.Internal:
	}
	return http.StatusInternalServerError
}

// sayError is what people read of an error: its own words when it has some, and nothing of our inside when not.
func sayError(err error) (message, hint string) {
	var e *waybill.Error
	if !errors.As(err, &e) || e.Kind == waybill.Internal {
		return "something went wrong on our side", "nothing was changed; try again, and if it stays, look into the log of the server"
	}
	return e.Message, e.Hint
}

// fail answers with an error: a page for people, a problem document (RFC 9457) for programs.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if status == http.StatusInternalServerError && r.Context().Err() == nil {
		s.log.ErrorContext(r.Context(), "a page could not be shown", "path", r.URL.Path, "error", err)
	}
	message, hint := sayError(err)
	if isAPI(r) {
		problem(w, status, message, hint)
		return
	}
	s.write(w, r, answer{status, "error", sentence(message), errorPage{sentence(message), sentence(hint), status}})
}

type errorPage struct {
	Message string
	Hint    string
	Status  int
}

// refusal is a problem document (RFC 9457), with what to do as one more member.
type refusal struct {
	Type   string `json:"type" doc:"about:blank: the status says it"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty" doc:"what happened"`
	Hint   string `json:"hint,omitempty" doc:"what to do"`
}

func newRefusal(status int, message, hint string) *refusal {
	return &refusal{"about:blank", http.StatusText(status), status, message, hint}
}

func (p *refusal) Error() string { return p.Detail }

// GetStatus and ContentType make it an answer of the API.
func (p *refusal) GetStatus() int { return p.Status }

// ContentType is that of a problem document.
func (p *refusal) ContentType(string) string { return "application/problem+json" }

// problem answers with a problem document.
func problem(w http.ResponseWriter, status int, message, hint string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(newRefusal(status, message, hint)) // the other side has gone if this fails
}

// sentence makes a message of an error start like a sentence.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if word, _, _ := strings.Cut(s, " "); strings.ContainsAny(word, "/._") { // a file, an action: it is written as it is
		return s
	}
	first, size := utf8.DecodeRuneInString(s)
	if first == utf8.RuneError {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}
