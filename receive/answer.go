package receive

import (
	"encoding/json"
	"net/http"
	"strconv"

	"waybill"
	"waybill/connector"
)

// refusal is a request turned away: what the sender is told, and the reason it is counted under. Reasons are few; what
// differs from request to request is in detail only.
type refusal struct {
	status int
	title  string // what happened
	detail string // where, or what exactly
	hint   string // what to do
	reason string // for our own list; title when empty
	allow  string // 405
	after  int    // seconds, for Retry-After
	cause  error  // our side's own error, for the log
}

func (r *refusal) counted() string {
	if r.reason != "" {
		return r.reason
	}
	return r.title
}

// document is an RFC 9457 problem document.
type document struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

func (r *refusal) write(w http.ResponseWriter) {
	if r.allow != "" {
		w.Header().Set("Allow", r.allow)
	}
	if r.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(r.after))
	}
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Signature") // a 401 must name a way; ours is stated in the connector
	}
	body, err := json.Marshal(document{Type: "about:blank", Title: r.title, Status: r.status, Detail: r.detail, Hint: r.hint})
	if err != nil {
		body = []byte(`{"type":"about:blank"}`) // four texts and a number always marshal
	}
	answer(w, r.status, "application/problem+json", append(body, '\n'))
}

// kept writes the answer to an arrival that is on stable storage.
func kept(w http.ResponseWriter, receipt waybill.Receipt, reply *connector.Reply) {
	if reply != nil {
		kind := reply.ContentType
		if kind == "" {
			kind = "text/plain; charset=utf-8"
		}
		answer(w, http.StatusOK, kind, []byte(reply.Body))
		return
	}
	body := make([]byte, 0, 64)
	body = append(body, `{"arrival":`...)
	body = strconv.AppendQuote(body, string(receipt.Arrival)) // an id is plain ASCII
	body = append(body, `,"duplicate":`...)
	body = strconv.AppendBool(body, receipt.Duplicate)
	answer(w, http.StatusOK, "application/json", append(body, "}\n"...))
}

// challenged answers a handshake: the bare challenge, which a browser must not take for a page.
func challenged(w http.ResponseWriter, challenge string) {
	answer(w, http.StatusOK, "text/plain; charset=utf-8", []byte(challenge))
}

func answer(w http.ResponseWriter, status int, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a sender that is gone will send again
}
