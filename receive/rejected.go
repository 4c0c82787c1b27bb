package receive

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"waybill"
	"waybill/secret"
)

// Bounds of the list of rejected requests between two drains.
const (
	maxRejections   = 1000
	maxNameBytes    = 100
	maxSampleBody   = 2 << 10
	maxSampleLine   = 256
	maxSampleHeader = 24
	maxSamples      = 200
	others          = "other" // the name under which those beyond maxRejections are counted
)

// rejected counts what was turned away, by name asked for and reason. Its memory is bounded whatever is sent: one sample
// of each, names cut short, and at most maxRejections of them.
type rejected struct {
	mu      sync.Mutex
	list    map[rejectionKey]*waybill.Rejection
	samples int
}

type rejectionKey struct {
	name, reason string
	status       int
}

// add counts one. A sample is asked for only for the first of its kind since the last drain.
func (r *rejected) add(name string, ref *refusal, at time.Time, sample func() *waybill.RejectionSample) {
	name = cut(name, maxNameBytes)
	key := rejectionKey{name, ref.counted(), ref.status}
	r.mu.Lock()
	entry := r.list[key]
	if entry == nil && len(r.list) >= maxRejections {
		key.name = others
		entry = r.list[key]
	}
	if entry == nil {
		entry = &waybill.Rejection{Connection: key.name, Reason: key.reason, Status: key.status, FirstAt: at}
		r.list[key] = entry
	}
	entry.Count++
	entry.LastAt = at
	wanted := entry.Count == 1 && r.samples < maxSamples
	if wanted {
		r.samples++
	}
	r.mu.Unlock()
	if !wanted {
		return
	}
	made := sample() // outside the lock: it redacts
	r.mu.Lock()
	entry.Sample = made
	r.mu.Unlock()
}

// drain returns the counts since the last drain and begins anew.
func (r *rejected) drain() []waybill.Rejection {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return nil
	}
	out := make([]waybill.Rejection, 0, len(r.list))
	for _, entry := range r.list {
		out = append(out, *entry)
	}
	r.list, r.samples = map[rejectionKey]*waybill.Rejection{}, 0
	slices.SortFunc(out, func(a, b waybill.Rejection) int {
		return strings.Compare(a.Connection+"\x00"+a.Reason, b.Connection+"\x00"+b.Reason)
	})
	return out
}

// cut shortens text to at most n bytes of printable UTF-8.
func cut(text string, n int) string {
	if len(text) > n {
		text = text[:n]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// sample makes the sample of a request: cut short, without credentials.
func (h *Handler) sample(t *taking) *waybill.RejectionSample {
	headers := h.headersOf(t)
	if len(headers) > maxSampleHeader {
		headers = headers[:maxSampleHeader]
	}
	for i := range headers {
		headers[i].Name, headers[i].Value = cut(headers[i].Name, maxNameBytes), cut(headers[i].Value, maxSampleLine)
	}
	body := h.cfg.Redact.Bytes(t.body)
	return &waybill.RejectionSample{
		At: t.now, Remote: cut(h.cfg.Remote(t.r), maxNameBytes), Method: cut(t.r.Method, 20), URL: cut(h.addressOf(t), maxSampleLine),
		Headers: headers, Body: slices.Clone(body[:min(len(body), maxSampleBody)]),
	}
}

// headersOf gives the headers as they are kept: by name, credentials replaced by fingerprints. The header that carries
// this door's token is one, whatever its name.
func (h *Handler) headersOf(t *taking) []waybill.Header {
	token := ""
	if t.door != nil && t.door.Scheme.In == "header" {
		token = http.CanonicalHeaderKey(t.door.Scheme.Name)
	}
	out := make([]waybill.Header, 0, len(t.r.Header))
	for name, values := range t.r.Header {
		for _, value := range values {
			if name == token {
				value = secret.Mark(value)
			}
			out = append(out, waybill.Header{Name: name, Value: h.cfg.Redact.Header(name, value)})
		}
	}
	slices.SortStableFunc(out, func(a, b waybill.Header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// addressOf gives path and query as they are kept. The query entry that carries this door's token is a credential,
// whatever its name.
func (h *Handler) addressOf(t *taking) string {
	uri := requestURI(t.r)
	if t.door != nil && t.door.Scheme.In == "query" {
		uri = secret.HideQuery(uri, t.door.Scheme.Name)
	}
	return h.cfg.Redact.URL(uri)
}

// requestURI is the path and query as the sender wrote them.
func requestURI(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}
