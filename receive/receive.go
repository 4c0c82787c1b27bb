package receive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/secret"
	"waybill/verify"
)

// Config is what a Handler needs. Directory, Recorder, Now and Redact must be given.
type Config struct {
	Directory Directory
	Recorder  Recorder
	Now       func() time.Time
	Redact    *secret.Redactor
	// Remote gives the sender's address behind trusted proxies; the connection's own address when nil.
	Remote func(*http.Request) string
	// MaxRequests is how many requests are worked on at once before more are told to come again; 512 when 0. One address
	// gets at most half of it.
	MaxRequests int
	// MaxBytes bounds the bodies in memory at once; 64 MiB when 0. One address gets at most half of it.
	MaxBytes int64
	// RecordTimeout is how long the recorder may take before the sender is told to come again; 10 s when 0. Strict
	// senders wait 1 s to 5 s, so a longer wait helps nobody.
	RecordTimeout time.Duration
	// Log gets what went wrong on our side, once; nothing is logged when nil.
	Log *slog.Logger
}

// Handler takes requests in at /in/. It is safe for concurrent use and its memory is bounded.
type Handler struct {
	cfg      Config
	whole    *budget
	shares   sync.Map // name of a known door -> *budget
	rejected rejected
}

// Bounds of a request apart from its body.
const (
	maxHeaderCount = 100
	maxHeaderBytes = 32 << 10
	maxURLBytes    = 8 << 10
)

// New returns a handler for /in/.
func New(cfg Config) *Handler {
	if cfg.MaxRequests <= 0 {
		cfg.MaxRequests = 512
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.RecordTimeout <= 0 {
		cfg.RecordTimeout = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Remote == nil {
		cfg.Remote = func(r *http.Request) string {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil {
				return r.RemoteAddr
			}
			return host
		}
	}
	return &Handler{
		cfg: cfg, whole: &budget{maxRequests: int64(cfg.MaxRequests), maxBytes: cfg.MaxBytes},
		rejected: rejected{list: map[rejectionKey]*waybill.Rejection{}},
	}
}

// Rejections returns what was turned away since it was last called, counted by address and reason, and forgets it.
func (h *Handler) Rejections() []waybill.Rejection { return h.rejected.drain() }

// taking is one request on its way in.
type taking struct {
	r     *http.Request
	name  string // as asked for
	token string
	door  *Door
	now   time.Time
	body  []byte
	proof verify.Proof
}

// ServeHTTP takes one request in and answers when it is kept, or says why it is not.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, token := address(r.URL)
	t := &taking{r: r, name: name, token: token, now: h.cfg.Now()}
	if ref := h.take(w, t); ref != nil {
		if ref.cause != nil {
			h.cfg.Log.Error("an arrival could not be taken in", "stage", "receive", "connection", cut(name, maxNameBytes), "error", h.cfg.Redact.Text(ref.cause.Error()))
		}
		h.rejected.add(name, ref, t.now, func() *waybill.RejectionSample {
			return h.sample(t)
		})
		ref.write(w)
	}
}

// address splits /in/{name}[/{token}]. It splits before it unescapes, as the redactor does.
func address(u *url.URL) (name, token string) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/in/")
	if !ok {
		return "", ""
	}
	name, token, _ = strings.Cut(rest, "/")
	return unescaped(name), unescaped(token)
}

func unescaped(segment string) string {
	plain, err := url.PathUnescape(segment)
	if err != nil {
		return segment
	}
	return plain
}

// take does everything, in the order that costs the least for those who are turned away.
func (h *Handler) take(w http.ResponseWriter, t *taking) *refusal {
	if h.whole.full() {
		return tooBusy() // before the directory is asked, which may have to look into the book
	}
	door, err := h.cfg.Directory.Door(t.name)
	if t.name == "" || waybill.KindOf(err) == waybill.NotFound {
		return unknown()
	}
	if err != nil {
		return &refusal{
			status: http.StatusServiceUnavailable, after: 5, title: "it cannot be looked at just now", cause: err,
			hint: "Send it again after the time in Retry-After.",
		}
	}
	if door.Manifest == nil || door.Manifest.Webhook == nil {
		return notReady(errors.New("receive: the door has no connector"))
	}
	t.door = door
	hold := &lease{door: h.share(t.name), whole: h.whole}
	defer hold.giveBack()
	if ref := hold.shed(); ref != nil {
		return ref
	}
	if ref := t.checkHead(); ref != nil {
		return ref
	}
	if challenge, ref, asked := queryHandshake(door, t.r); asked {
		if ref == nil {
			challenged(w, challenge)
		}
		return ref
	}
	if ref := t.checkMethod(); ref != nil {
		return ref
	}
	if ref := t.readBody(w, hold); ref != nil {
		return ref
	}
	if ref := hold.work(); ref != nil {
		return ref
	}
	if ref := t.verify(); ref != nil {
		return ref
	}
	arrival, challenge, ref := h.understand(t)
	if ref != nil {
		return ref
	}
	if challenge != "" {
		challenged(w, challenge)
		return nil
	}
	return h.record(w, t, arrival)
}

func unknown() *refusal {
	return &refusal{
		status: http.StatusNotFound, title: "there is no such address",
		hint: "Copy the address from the connection's page. It looks like /in/ and the connection's name.",
	}
}

func (h *Handler) share(name string) *budget {
	if b, ok := h.shares.Load(name); ok {
		return b.(*budget)
	}
	b, _ := h.shares.LoadOrStore(name, &budget{maxRequests: max(h.whole.maxRequests/2, 1), maxBytes: h.whole.maxBytes / 2})
	return b.(*budget)
}

func (t *taking) checkHead() *refusal {
	if len(t.r.RequestURI) > maxURLBytes {
		return &refusal{status: http.StatusRequestURITooLong, title: "the address is too long"}
	}
	count, size := 0, 0
	for name, values := range t.r.Header {
		for _, v := range values {
			count++
			size += len(name) + len(v)
		}
	}
	if count > maxHeaderCount || size > maxHeaderBytes {
		return &refusal{
			status: http.StatusRequestHeaderFieldsTooLarge, title: "the headers are too many or too long",
			hint: "At most " + strconv.Itoa(maxHeaderCount) + " headers of " + strconv.Itoa(maxHeaderBytes>>10) + " KiB together are taken.",
		}
	}
	if inPath := t.door.Scheme.In == "path"; t.token != "" && (!inPath || strings.Contains(t.token, "/")) {
		return unknown()
	}
	return nil
}

func (t *taking) checkMethod() *refusal {
	methods := t.door.Manifest.Webhook.Methods
	if len(methods) == 0 {
		methods = []string{http.MethodPost}
	}
	if slices.Contains(methods, t.r.Method) {
		return nil
	}
	return &refusal{
		status: http.StatusMethodNotAllowed, title: "this method is not taken here", allow: strings.Join(methods, ", "),
		hint: "This address takes " + strings.Join(methods, ", ") + ".",
	}
}

// readBody reads the raw bytes. Memory is asked for as they come, so that a slow sender holds only what it has sent.
func (t *taking) readBody(w http.ResponseWriter, hold *lease) *refusal {
	limit := t.door.maxBody()
	if t.r.ContentLength > limit {
		return tooLong(limit)
	}
	size := int64(4 << 10)
	if t.r.ContentLength >= 0 {
		size = min(t.r.ContentLength+1, 64<<10) // one more byte sees the end without another turn
	}
	if ref := hold.grow(size); ref != nil {
		return ref
	}
	body := make([]byte, 0, size)
	from := http.MaxBytesReader(w, t.r.Body, limit)
	for {
		if len(body) == cap(body) {
			more := int64(cap(body))
			if ref := hold.grow(more); ref != nil {
				return ref
			}
			bigger := make([]byte, len(body), cap(body)+int(more))
			copy(bigger, body)
			body = bigger
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		t.body = body
		var over *http.MaxBytesError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &over):
			return tooLong(limit)
		default:
			return &refusal{
				status: http.StatusBadRequest, title: "the body did not come whole",
				hint: "The connection broke, or was too slow. Send it again.",
			}
		}
	}
}

func tooLong(limit int64) *refusal {
	return &refusal{
		status: http.StatusRequestEntityTooLarge, title: "the body is too long",
		hint: "At most " + strconv.FormatInt(limit>>10, 10) + " KiB are taken here.",
	}
}

// verify proves the sender, over the raw bytes.
func (t *taking) verify() *refusal {
	d := t.door
	config := d.Manifest.Webhook.Verify
	proof, err := d.Scheme.Verify(verify.Request{
		Method: t.r.Method, URL: t.calledAt(), Header: t.r.Header, Body: t.body, PathToken: t.token,
	}, d.Secrets[config.Secret], t.now)
	if err == nil {
		t.proof = proof
		return nil
	}
	if waybill.KindOf(err) == waybill.Unverified {
		return &refusal{status: http.StatusUnauthorized, title: verify.Message, hint: waybill.HintOf(err), reason: verify.Reason(err)}
	}
	return notReady(err)
}

// calledAt is the address as the sender called it, which some sign. Where no public one is configured it is what the
// request says; a sender's signature over it proves it either way.
func (t *taking) calledAt() string {
	base := t.door.PublicURL
	if base == "" {
		base = "http://" + t.r.Host
		if t.r.TLS != nil {
			base = "https://" + t.r.Host
		}
	}
	return strings.TrimSuffix(base, "/") + requestURI(t.r)
}

// notReady is our own fault: the sender keeps what it has and tries again.
func notReady(err error) *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, after: 60, title: "requests at this address cannot be verified just now", cause: err,
		hint: "It is on our side. Send it again later.",
	}
}

// understand reads and splits a genuine request. What only proves the address gives its challenge instead.
func (h *Handler) understand(t *taking) (a waybill.Arrival, challenge string, ref *refusal) {
	d := t.door
	format := d.Manifest.Webhook.Format
	value, bad := read(format, t.r.Header, t.body)
	if !d.Scheme.Proven() {
		if ref := unsigned(format, t.r.Header, bad); ref != nil {
			return a, "", ref
		}
	}
	if bad == nil {
		if challenge, asked := bodyHandshake(d, value); asked {
			return a, challenge, nil
		}
	}
	sum := sha256.Sum256(t.body)
	a = waybill.Arrival{
		Via: waybill.ViaWebhook, Method: t.r.Method, URL: h.addressOf(t), Headers: h.headersOf(t),
		Remote: h.cfg.Remote(t.r), Body: t.body, BodyHash: hex.EncodeToString(sum[:]), ReceivedAt: t.now, Proof: t.proof.Words,
	}
	if bad != nil {
		a.Items = []waybill.Item{d.blocked(t.body, t.now, waybill.FormatChanged, bad.words())}
	} else {
		a.Decoded = value
		a.Items = d.items(connector.Incoming{Body: value, Headers: lowered(t.r.Header), Settings: d.Settings}, t.body, t.now)
	}
	a.Connection, a.Account = a.Items[0].Connection, a.Items[0].Account
	for i := range a.Items {
		if a.Items[i].Connection != a.Connection || a.Items[i].Account != a.Account {
			a.Connection, a.Account = d.Name, "" // of several accounts: each item says its own
			break
		}
	}
	return a, "", nil
}

// unsigned turns away what a sender who proves nothing over its content could fill the book with. Its own mistakes are
// told to it at once: nobody else can.
func unsigned(format string, head http.Header, bad *unreadable) *refusal {
	if encoding := head.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &refusal{status: http.StatusUnsupportedMediaType, title: "the body is compressed", hint: "Send it as it is, without Content-Encoding."}
	}
	if !fits(format, head) {
		want := "application/json"
		if format == "form" {
			want = "application/x-www-form-urlencoded"
		}
		return &refusal{status: http.StatusUnsupportedMediaType, title: "the body is of another type than is read here", hint: "Send it with Content-Type: " + want + "."}
	}
	if bad != nil {
		return &refusal{status: http.StatusBadRequest, title: bad.title, detail: bad.detail, hint: "Correct it at this place and send it again. Nothing was kept."}
	}
	return nil
}

// lowered gives the headers as expressions see them: names in lower case, the first value of each.
func lowered(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		if len(values) > 0 {
			out[strings.ToLower(name)] = values[0]
		}
	}
	return out
}

// record keeps the arrival and answers. The sender's going away does not undo it: it is being written already.
func (h *Handler) record(w http.ResponseWriter, t *taking, a waybill.Arrival) *refusal {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.r.Context()), h.cfg.RecordTimeout)
	defer cancel()
	receipt, err := h.cfg.Recorder.TakeIn(ctx, a)
	if err != nil {
		return &refusal{
			status: http.StatusServiceUnavailable, after: 5, title: "it could not be kept just now", cause: err,
			hint: "Send it again after the time in Retry-After; if it was kept after all, it will be found to be known.",
		}
	}
	kept(w, receipt, t.door.Manifest.Webhook.Reply)
	return nil
}
