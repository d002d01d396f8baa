package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"
)

var testDomains = []string{"plex.tv", "plex.direct"}

// Every certificate of a domain is good for a day at the most, and no other is
// issued.
func TestCertificates(t *testing.T) {
	now := time.Now()
	a, err := newAuthority(testDomains, now)
	if err != nil {
		t.Fatal(err)
	}
	if life := a.cert.NotAfter.Sub(a.cert.NotBefore); life > 24*time.Hour {
		t.Errorf("the authority lives for %v", life)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.pem) {
		t.Fatal("the authority is not PEM")
	}
	for _, name := range []string{"plex.tv", "clients.plex.tv", "PLEX.TV.", "1-2-3-4.0123456789abcdef0123456789abcdef.plex.direct"} {
		leaf, err := a.certificate(name)
		if err != nil || leaf == nil {
			t.Fatalf("%s: %v", name, err)
		}
		cert, err := x509.ParseCertificate(leaf.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: normal(name), Roots: roots, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: normal(name), Roots: roots, CurrentTime: now.Add(24 * time.Hour)}); err == nil {
			t.Errorf("%s is good for more than a day", name)
		}
	}
	for _, name := range []string{"", "example.com", "plex.tv.example.com", "notplex.tv", "tv", "192.0.2.1"} {
		if leaf, err := a.certificate(name); leaf != nil || err != nil {
			t.Errorf("%q got a certificate: %v", name, err)
		}
	}
}

// Attack: an attacker has the key of an authority that a program still trusts. It is not
// valid for other names or for addresses.
func TestAuthorityIsConstrained(t *testing.T) {
	a, err := newAuthority(testDomains, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, template := range map[string]*x509.Certificate{
		"bank.example": {DNSNames: []string{"bank.example"}},
		"192.0.2.1":    {IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}},
		"2001:db8::1":  {IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}},
	} {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), a.cert.NotBefore, a.cert.NotAfter
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err == nil {
			t.Errorf("a certificate for %s is good", name)
		}
	}
}
