package simulator

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type (
	connectionKey struct{}
	actionKey     struct{}
)

// WithAction says which action of the connector a call is for, so that faults can name it; else they go by the name the
// simulated system gives the call, which may stand for several.
func WithAction(ctx context.Context, action string) context.Context {
	return context.WithValue(ctx, actionKey{}, action)
}

// WithConnection says for which connection the calls made under the context are, where their address does not.
func WithConnection(ctx context.Context, connection string) context.Context {
	return context.WithValue(ctx, connectionKey{}, connection)
}

// Handler serves one connection's account over HTTP. What goes wrong on the way goes wrong for real: connections are
// closed where a fault says so.
func (w *World) Handler(connection string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
		if err != nil {
			http.Error(rw, "request body too large or cut off", http.StatusRequestEntityTooLarge)
			return
		}
		answer := w.serve(connection, call{
			method: r.Method, path: r.URL.EscapedPath(), query: r.URL.Query(), header: r.Header, body: body,
		})
		if answer.delay > 0 && w.wait(r.Context(), answer.delay) != nil {
			return
		}
		if answer.broken != whole && hijack(rw, answer) {
			return
		}
		maps.Copy(rw.Header(), answer.header)
		rw.WriteHeader(answer.status)
		_, _ = rw.Write(answer.body)
	})
}

// wait lets d pass on the world's clock.
func (w *World) wait(ctx context.Context, d time.Duration) error {
	if s, ok := w.options.Clock.(Sleeper); ok {
		return s.Sleep(ctx, d)
	}
	passed := make(chan struct{})
	w.options.Clock.After(d, func() { close(passed) })
	select {
	case <-passed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hijack breaks the connection under an answer; false when it cannot be had.
func hijack(rw http.ResponseWriter, answer reply) bool {
	h, ok := rw.(http.Hijacker)
	if !ok {
		return false
	}
	conn, out, err := h.Hijack()
	if err != nil {
		return false
	}
	if answer.broken == cut {
		_, _ = out.WriteString("HTTP/1.1 " + strconv.Itoa(answer.status) + " " + http.StatusText(answer.status) + "\r\n")
		_ = answer.header.Write(out)
		_, _ = out.WriteString("Content-Length: " + strconv.Itoa(len(answer.body)) + "\r\n\r\n")
		_, _ = out.Write(answer.body[:len(answer.body)/2])
		_ = out.Flush()
	} else if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closes with a reset
	}
	_ = conn.Close()
	return true
}

// RoundTripper answers calls in process, without a network. It finds the account by the context (WithConnection), by the
// host CONNECTION.simulator, or by the address the connection is called at, where several share one by their
// credentials.
func (w *World) RoundTripper() http.RoundTripper { return roundTripper{w} }

type roundTripper struct{ world *World }

// RoundTrip serves one request, failing as a real connection would.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(io.LimitReader(r.Body, maxBody))
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	connection, ok := t.world.resolve(r)
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
			Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true,
		}}
	}
	action, _ := ctx.Value(actionKey{}).(string)
	answer := t.world.serve(connection, call{
		action: action, method: r.Method, path: r.URL.EscapedPath(), query: r.URL.Query(), header: r.Header, body: body,
	})
	if answer.delay > 0 {
		if err := t.world.patience(ctx, answer.delay); err != nil {
			return nil, err
		}
	}
	switch answer.broken {
	case noDial:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case reset:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	case lost:
		return nil, io.ErrUnexpectedEOF
	case whole, cut:
	}
	return response(r, answer), nil
}

func response(r *http.Request, answer reply) *http.Response {
	var content io.Reader = bytes.NewReader(answer.body)
	if answer.broken == cut {
		content = io.MultiReader(bytes.NewReader(answer.body[:len(answer.body)/2]), breaking{})
	}
	header := answer.header.Clone()
	header.Set("Content-Length", strconv.Itoa(len(answer.body)))
	return &http.Response{
		Status: strconv.Itoa(answer.status) + " " + http.StatusText(answer.status), StatusCode: answer.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: io.NopCloser(content),
		ContentLength: int64(len(answer.body)), Request: r,
	}
}

// breaking is a body that breaks off.
type breaking struct{}

func (breaking) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// patience lets a slow answer take its time, or times out at once where time cannot be spent.
func (w *World) patience(ctx context.Context, d time.Duration) error {
	if s, ok := w.options.Clock.(Sleeper); ok {
		return s.Sleep(ctx, d)
	}
	if d >= Patience {
		return context.DeadlineExceeded
	}
	return nil
}

// resolve finds the connection a request is for.
func (w *World) resolve(r *http.Request) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name, ok := r.Context().Value(connectionKey{}).(string); ok {
		_, known := w.accounts[name]
		return name, known
	}
	if name, ok := strings.CutSuffix(r.URL.Hostname(), ".simulator"); ok {
		_, known := w.accounts[name]
		return name, known
	}
	first := ""
	for _, name := range slices.Sorted(maps.Keys(w.accounts)) {
		a := w.accounts[name]
		if a.base == nil || !strings.EqualFold(a.base.Host, r.URL.Host) || !strings.HasPrefix(r.URL.Path, a.base.Path) {
			continue
		}
		if a.signedIn(r.Header) && len(a.sim.SignIn) > 0 {
			return name, true
		}
		if first == "" {
			first = name
		}
	}
	return first, first != ""
}
