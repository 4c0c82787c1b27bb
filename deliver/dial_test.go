package deliver_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"waybill/deliver"
)

// names is a resolver that answers from a table: a name's addresses, one list for each time it is asked.
func names(t *testing.T, table map[string][][]string) *net.Resolver {
	t.Helper()
	asked := map[string]int{}
	answer := func(name string) []string {
		lists := table[name]
		if len(lists) == 0 {
			return nil
		}
		i := min(asked[name], len(lists)-1)
		asked[name]++
		return lists[i]
	}
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serveNames(server, answer)
		return client, nil
	}}
}

// serveNames answers DNS over a stream (RFC 1035): A questions from the table, everything else with nothing.
func serveNames(conn net.Conn, answer func(string) []string) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, q); err != nil {
			return
		}
		var labels []string
		i := 12
		for q[i] != 0 {
			labels = append(labels, string(q[i+1:i+1+int(q[i])]))
			i += 1 + int(q[i])
		}
		end, kind := i+5, binary.BigEndian.Uint16(q[i+1:])
		var ips []string
		if kind == 1 {
			ips = answer(strings.Join(labels, "."))
		}
		r := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, byte(len(ips)), 0, 0, 0, 0}, q[12:end]...)
		for _, ip := range ips {
			a := netip.MustParseAddr(ip).As4()
			r = append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, a[0], a[1], a[2], a[3])
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...)); err != nil {
			return
		}
	}
}

func TestAddressesThatAreNotCalled(t *testing.T) {
	for _, ip := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8", "169.254.169.254",
		"169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1",
		"198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fc00::1", "fd00:ec2::254",
		"fd20:ce::254", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fec0::1", "ff02::1",
	} {
		if why, _ := deliver.Refused(netip.MustParseAddr(ip)); why == "" {
			t.Errorf("%s would be called", ip)
		}
	}
	for _, ip := range []string{"1.1.1.1", "8.8.8.8", "::ffff:8.8.8.8", "2606:4700:4700::1111", "100.63.255.255", "172.32.0.1"} {
		if why, _ := deliver.Refused(netip.MustParseAddr(ip)); why != "" {
			t.Errorf("%s would not be called: %s", ip, why)
		}
	}
}

func TestAnAllowedNameStillReachesNoMetadata(t *testing.T) {
	for _, ip := range []string{
		"169.254.169.254", "::ffff:169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1",
	} {
		if _, why := deliver.Refused(netip.MustParseAddr(ip)); why == "" {
			t.Errorf("%s would be called", ip)
		}
	}
	for _, ip := range []string{"127.0.0.1", "10.0.0.5", "192.168.1.10", "100.64.0.1", "fd12::1", "::1"} {
		if _, why := deliver.Refused(netip.MustParseAddr(ip)); why != "" {
			t.Errorf("%s would not be called: %s", ip, why)
		}
	}
}

func TestNoSpellingReachesAPrivateServer(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	port := strings.TrimPrefix(server.URL, "http://127.0.0.1:")
	table := map[string][][]string{
		"internal.example.com":           {{"127.0.0.1"}},
		"rebind.example.com":             {{"192.0.2.1"}, {"127.0.0.1"}},
		"both.example.com":               {{"10.255.255.1", "127.0.0.1"}},
		"metadata.google.internal":       {{"169.254.169.254"}},
		"127.0.0.1.nip.io":               {{"127.0.0.1"}},
		"2130706433":                     {{"127.0.0.1"}}, // as resolvers of C read it
		"0x7f000001":                     {{"127.0.0.1"}},
		"0177.0.0.1":                     {{"127.0.0.1"}},
		"127.1":                          {{"127.0.0.1"}},
		"0":                              {{"0.0.0.0"}},
		"ⓛocalhost":                      {{"127.0.0.1"}},
		"xn--localhost-example.com":      {{"127.0.0.1"}},
		"localhost.localdomain":          {{"127.0.0.1"}},
		"spoofed.burpcollaborator.net":   {{"127.0.0.1"}},
		"www.example.com.127.0.0.1.host": {{"127.0.0.1"}},
	}
	rt := deliver.NewTransport(names(t, table), nil)
	hosts := []string{
		"127.0.0.1", "127.0.0.2", "127.127.127.127", "localhost", "LOCALHOST", "localhost.", "0.0.0.0", "[::]", "[::1]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]",
		"[fe80::1%25lo]", "[::1%25lo]", "evil.com@127.0.0.1", "127.0.0.1:80@127.0.0.1", "127.0.0.1%00", "127。0。0。1",
		"①②⑦.⓪.⓪.①",
	}
	for name := range table {
		hosts = append(hosts, name, strings.ToUpper(name), name+".")
	}
	for _, host := range hosts {
		address := fmt.Sprintf("http://%s:%s/", host, port)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("{}"))
		if err != nil {
			continue // it cannot even be written
		}
		resp, err := rt.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s was answered", address)
		}
	}
	if n := hits.Load(); n > 0 {
		t.Errorf("the private server was reached %d times", n)
	}
}

func TestOnlyPlainWebAddressesAreCalled(t *testing.T) {
	rt := deliver.Transport()
	for _, address := range []string{
		"file:///etc/passwd", "gopher://example.com:6379/_x", "dict://example.com:11211/", "ftp://example.com/", "unix:///run/x.sock",
		"http:example.com", "http:///x", "https://user:pass@example.com/", "https://example.com:0/", "https://example.com:99999/",
		"//example.com/", "jar:http://example.com!/", "HTTP2://example.com/",
	} {
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		resp, err := rt.RoundTrip(&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s was called", address)
		} else if !deliver.IsRefusal(err) {
			t.Errorf("%s got as far as %v", address, err)
		}
	}
}

func TestAConnectionReachesThePrivateAddressItNamesAndNoOther(t *testing.T) {
	var hits atomic.Int32
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	named, other := httptest.NewServer(handler), httptest.NewServer(handler)
	defer named.Close()
	defer other.Close()
	host := strings.TrimPrefix(named.URL, "http://")
	_, port, _ := net.SplitHostPort(host)
	rt := deliver.NewTransport(names(t, map[string][][]string{"erp.local": {{"127.0.0.1"}}, "else.local": {{"127.0.0.1"}}}), nil)
	reach := func(t *testing.T, private []string, address string) bool {
		t.Helper()
		ctx := deliver.WithAllowed(t.Context(), &deliver.Target{Private: private})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		before := hits.Load()
		if resp, err := rt.RoundTrip(req); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return hits.Load() > before
	}
	for _, tt := range []struct {
		name    string
		private []string
		address string
		want    bool
	}{
		{"what it names is reached", []string{host}, named.URL, true},
		{"another port is not", []string{host}, other.URL, false},
		{"another connection does not find it idle", nil, named.URL, false},
		{"a name is reached by its name", []string{"ERP.local:" + port}, "http://erp.local:" + port, true},
		{"a name does not open its address", []string{"erp.local:" + port}, named.URL, false},
		{"an address does not open its names", []string{host}, "http://erp.local:" + port, false},
		{"another name is not reached", []string{"erp.local:" + port}, "http://else.local:" + port, false},
		{"a mapped spelling of a named address is the same", []string{host}, "http://[::ffff:127.0.0.1]:" + port, true},
		{"nonsense opens nothing", []string{"127.0.0.1", "*:" + port, ":" + port}, named.URL, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := reach(t, tt.private, tt.address); got != tt.want {
				t.Errorf("reached: %v", got)
			}
		})
	}
}

func TestTheProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	var hits atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	rt := deliver.NewTransport(names(t, map[string][][]string{"shop.example.com": {{"10.0.0.1"}}}), nil)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://shop.example.com/", nil)
	if resp, err := rt.RoundTrip(req); err == nil {
		resp.Body.Close()
		t.Error("it was answered")
	}
	if hits.Load() > 0 {
		t.Error("the proxy was asked")
	}
}
