// Package machine reads the state of the computer that usher runs on: the room on
// its disk, whether its clock is kept right, and the files of its certificate.
//
// It owns how each is read on each system, and from when on it is a problem. It does
// not own what users are told about it, nor serving TLS (package httpd).
package machine

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

const (
	// MinFree is the least room for the database, its log and a copy, in bytes.
	MinFree = 256 << 20
	// MaxAhead is how far the last event may be ahead of the clock. If it is further
	// ahead, the clock was set back.
	MaxAhead = time.Minute
)

// renewBy is how long before its end a certificate should have been renewed.
const renewBy = 10 * 24 * time.Hour

// Place says where the parts of an installation are. An empty path means that there
// is no such part.
type Place struct {
	Folder      string // with the data
	Certificate string // a PEM file with the certificate that the server presents
}

// ReadCertificate returns the first certificate of a PEM file, which is the server's
// own.
func ReadCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return cert, nil
	}
	return nil, fmt.Errorf("%s has no certificate in the PEM format", file)
}

// ExpiresSoon reports whether a certificate expires within ten days, or has expired.
// One that is valid for less than a month expires soon when two thirds of its time
// are over, since programs that renew certificates do it then.
func ExpiresSoon(cert *x509.Certificate, now time.Time) bool {
	left := cert.NotAfter.Sub(now)
	return left <= min(renewBy, cert.NotAfter.Sub(cert.NotBefore)/3)
}
