package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"waybill"
)

// certificate reads the two files of --tls; nil when there are none.
func (m *Main) certificate(files string) (*tls.Certificate, error) {
	if files == "" {
		return nil, nil
	}
	cert, key, ok := strings.Cut(files, ",")
	if cert, key = strings.TrimSpace(cert), strings.TrimSpace(key); !ok || cert == "" || key == "" || strings.Contains(key, ",") {
		return nil, usage{fmt.Errorf("--tls takes two files, as cert.pem,key.pem, not %q; nothing was started", files)}
	}
	pair, err := tls.LoadX509KeyPair(m.path(cert), m.path(key))
	if err != nil {
		return nil, &waybill.Error{
			Kind: waybill.Invalid, Message: "the certificate of --tls cannot be used; nothing was started", Err: err,
			Hint: "name two files in PEM, as cert.pem,key.pem: the certificate with its chain, and the key that belongs to it",
		}
	}
	return &pair, nil
}

// fingerprint names a certificate.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// trusting returns a transport that trusts the one certificate of this fingerprint, whatever names it is for: who serves here
// need not have one that anybody else vouches for. With others it trusts those that everybody does, too. Without a
// certificate it is the usual one.
func trusting(certificate string, others bool) *http.Transport {
	t := &http.Transport{MaxIdleConnsPerHost: 32}
	if certificate == "" {
		return t
	}
	t.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection decides, more strictly
		VerifyConnection: func(s tls.ConnectionState) error {
			switch {
			case len(s.PeerCertificates) > 0 && fingerprint(s.PeerCertificates[0].Raw) == certificate:
				return nil
			case !others || len(s.PeerCertificates) == 0:
				return errors.New("this is not the certificate that serve has")
			}
			chain := x509.VerifyOptions{DNSName: s.ServerName, Intermediates: x509.NewCertPool()}
			for _, c := range s.PeerCertificates[1:] {
				chain.Intermediates.AddCert(c)
			}
			_, err := s.PeerCertificates[0].Verify(chain)
			return err
		},
	}
	return t
}
