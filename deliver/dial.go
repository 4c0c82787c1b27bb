package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// idleFor closes a connection that nobody used for this long. It is shorter than what servers commonly keep them open
// (Node closes after 5 s, most others much later), so that it is we who close: a write that meets a connection the
// server is just closing is in doubt, and somebody would have to look.
const idleFor = 4 * time.Second

// maxResponseHeader bounds an answer's header.
const maxResponseHeader = 64 << 10

// refusal is a call that our own rules forbid. Nothing of it left.
type refusal struct{ words string }

func (r *refusal) Error() string { return r.words }

// Transport returns the round-tripper of production: no proxy from the environment, no redirects, TLS 1.2 or newer,
// response headers capped, and a dialer that refuses every private, link-local, metadata, reserved or own address after
// resolving it, except for the host:port pairs that the connection in the request's context names (WithAllowed).
func Transport() http.RoundTripper { return newTransport(nil, nil) }

// guarded keeps two pools apart: a connection to a private address that one workspace connection may reach must not be
// found idle by another one that may not.
type guarded struct {
	public http.RoundTripper
	named  http.RoundTripper
}

func newTransport(resolver *net.Resolver, config *tls.Config) *guarded {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second, Resolver: resolver}
	return &guarded{
		public: pool(config, func(ctx context.Context, network, address string) (net.Conn, error) {
			d := *dialer
			d.Control = control(refusedToAll)
			return d.DialContext(ctx, network, address)
		}),
		named: pool(config, func(ctx context.Context, network, address string) (net.Conn, error) {
			d := *dialer
			host, _, _ := net.SplitHostPort(address)
			if _, err := netip.ParseAddr(host); err != nil { // a name; an address was allowed as it is
				d.Control = control(refusedToNames)
			}
			return d.DialContext(ctx, network, address)
		}),
	}
}

func pool(config *tls.Config, dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &counted{Conn: conn}, nil
		},
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    128,
		IdleConnTimeout:        idleFor,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

// counted counts the bytes that left, so that a call that failed before its first byte is known not to have happened.
type counted struct {
	net.Conn
	out   atomic.Int64
	first atomic.Pointer[func() bool] // asked before the next byte of a call
}

// errHeld is a call that was not begun: asked just before its first byte, the caller said no.
var errHeld = errors.New("the call may not begin any more")

// ask has a question asked before the first byte of the next call leaves. Several calls at a time share a connection of
// HTTP/2: what is on its way for others must go on, so there the answer given before the connection was had counts.
func (c *counted) ask(conn net.Conn, may func() bool) {
	if over, ok := conn.(*tls.Conn); ok && over.ConnectionState().NegotiatedProtocol == "h2" {
		return
	}
	c.first.Store(&may)
}

func (c *counted) Write(b []byte) (int, error) {
	if may := c.first.Swap(nil); may != nil && !(*may)() {
		return 0, errHeld
	}
	n, err := c.Conn.Write(b)
	c.out.Add(int64(n))
	return n, err
}

// RoundTrip makes one exchange if its address may be reached at all.
func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req.URL); err != nil {
		return nil, err
	}
	if allowed, ok := req.Context().Value(allowedKey{}).([]string); ok && slices.Contains(allowed, hostPort(req.URL)) {
		return g.named.RoundTrip(req)
	}
	return g.public.RoundTrip(req)
}

// CloseIdleConnections closes what nobody uses.
func (g *guarded) CloseIdleConnections() {
	for _, rt := range []http.RoundTripper{g.public, g.named} {
		if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

type allowedKey struct{}

// WithAllowed returns a context in which requests may reach the private addresses that the connection names.
func WithAllowed(ctx context.Context, t *Target) context.Context {
	if len(t.Private) == 0 {
		return ctx
	}
	allowed := make([]string, 0, len(t.Private))
	for _, pair := range t.Private {
		if host, port, err := net.SplitHostPort(pair); err == nil {
			allowed = append(allowed, net.JoinHostPort(canonicalHost(host), port))
		}
	}
	return context.WithValue(ctx, allowedKey{}, allowed)
}

// checkURL refuses what is no plain http or https address of a host. Names that only look like addresses (2130706433,
// 0x7f.1) are left to the resolver: whatever they resolve to is judged when it is dialled.
func checkURL(u *url.URL) error {
	port := u.Port()
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return &refusal{fmt.Sprintf("the address begins with %q; only http and https are called", u.Scheme+":")}
	case u.Opaque != "" || u.Hostname() == "":
		return &refusal{"the address names no host"}
	case u.User != nil:
		return &refusal{"the address holds a user name or password; put credentials into the connection's secrets"}
	case strings.ContainsAny(u.Hostname(), "%@\\ \t\r\n"):
		return &refusal{fmt.Sprintf("%q is no host that may be called", u.Hostname())}
	case port != "" && (err != nil || number == 0):
		return &refusal{fmt.Sprintf("%q is no port", port)}
	}
	return nil
}

// hostPort is the address a request goes to, in the one form allowed addresses are compared in.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(canonicalHost(u.Hostname()), port)
}

func canonicalHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// control judges each address after it is resolved and before anything is sent to it, so a name that changes its
// address between two look-ups gains nothing.
func control(refused func(netip.Addr) string) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		pair, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return &refusal{fmt.Sprintf("%s %s is no address that may be dialled", network, address)}
		}
		if why := refused(pair.Addr()); why != "" {
			return &refusal{fmt.Sprintf("%s is %s, which Waybill does not call unless the connection names its host:port", pair.Addr(), why)}
		}
		return nil
	}
}

// special are the registries of special addresses (IANA), as data of the ssrf module: loopback, private, shared,
// link-local with the clouds' metadata service, multicast, documentation, reserved, and of IPv6 all that is not global
// unicast, which leaves out unique local addresses, mapped ones and NAT64.
var special = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork())

// metadata are cloud metadata services in ranges that a connection may otherwise name.
var metadata = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("fd00:ec2::254"),   // AWS, over IPv6
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud, over IPv6
}

// refusedToAll says why an address is not called, empty when it may be.
func refusedToAll(ip netip.Addr) string {
	if ip.Zone() != "" {
		return "an address of one network interface"
	}
	ip = ip.Unmap()
	if special.SafeAddr(ip) != nil {
		return "a private or reserved address"
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return "not to be told from our own address"
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok {
			if mine, ok := netip.AddrFromSlice(n.IP); ok && mine.Unmap() == ip {
				return "an address of this machine"
			}
		}
	}
	return ""
}

// refusedToNames says why an address is not called although the name that gave it is allowed: a name may be pointed
// anywhere by whoever runs its zone, so what is never an ERP stays refused.
func refusedToNames(ip netip.Addr) string {
	ip = ip.WithZone("").Unmap()
	switch {
	case ip.IsLinkLocalUnicast(), slices.Contains(metadata, ip):
		return "a link-local or metadata address"
	case ip.IsUnspecified(), ip.IsMulticast():
		return "not the address of one machine"
	default:
		return ""
	}
}
