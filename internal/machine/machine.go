// Package machine reads the state of the computer that usher runs on: the free space on
// its disk, whether its clock is synchronised, and its certificate files.
//
// It owns how each is read on each system, and the thresholds of problems. It does not
// own the messages to users, or TLS (package httpd).
package machine

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

const (
	// MinFree is the minimum free space for the database, its log and a copy, in bytes.
	MinFree = 256 << 20
	// MaxAhead is how far the last event may be ahead of the clock. If it is further
	// ahead, the clock was set back.
	MaxAhead = time.Minute
)

// renewBy is how long before its expiry a certificate should have been renewed.
const renewBy = 10 * 24 * time.Hour

// Place holds the paths of the parts of an installation. A path is empty if there is no
// such part.
type Place struct {
	Folder      string // with the data
	Certificate string // a PEM file with the certificate that the server presents
	// Unsynchronised reports whether the clock is known not to be synchronised. Nil:
	// the system is asked.
	Unsynchronised func() bool
}

// ClockUnsynchronised reports whether the clock of the place is known not to be
// synchronised.
func (p Place) ClockUnsynchronised() bool {
	if p.Unsynchronised != nil {
		return p.Unsynchronised()
	}
	return ClockUnsynchronised()
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
// For a certificate with a lifetime of less than a month, it reports whether two thirds
// of the lifetime have passed, because programs renew such certificates then.
func ExpiresSoon(cert *x509.Certificate, now time.Time) bool {
	left := cert.NotAfter.Sub(now)
	return left <= min(renewBy, cert.NotAfter.Sub(cert.NotBefore)/3)
}
