package deliver

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
)

// NewTransport is Transport with names and certificates of a test.
func NewTransport(r *net.Resolver, c *tls.Config) http.RoundTripper { return newTransport(r, c) }

// Refused says why an address is called by nobody, and why not even by a name that is allowed.
func Refused(ip netip.Addr) (toAll, toNames string) { return refusedToAll(ip), refusedToNames(ip) }

// RetryAfter is exported for its table.
var RetryAfter = retryAfter

// Counted wraps a connection as the dialer does.
func Counted(conn net.Conn) net.Conn { return &counted{Conn: conn} }

// IsRefusal reports whether our own rules refused a call.
func IsRefusal(err error) bool { return errors.As(err, new(*refusal)) }

// Told is exported for its table.
var Told = told
