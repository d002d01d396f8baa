package machine_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/machine"
)

const day = 24 * time.Hour

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func TestExpiresSoon(t *testing.T) {
	for _, test := range []struct {
		name     string
		lifetime time.Duration
		left     time.Duration
		want     bool
	}{
		{"a year, new", 365 * day, 365 * day, false},
		{"a year, 11 days left", 365 * day, 11 * day, false},
		{"a year, 10 days left", 365 * day, 10 * day, true},
		{"a year, expired", 365 * day, -day, true},
		{"90 days, 30 left", 90 * day, 30 * day, false},
		{"90 days, 9 left", 90 * day, 9 * day, true},
		{"six days, new", 6 * day, 6 * day, false},
		{"six days, 3 left", 6 * day, 3 * day, false},
		{"six days, 2 left", 6 * day, 2 * day, true},
	} {
		cert := &x509.Certificate{NotBefore: start, NotAfter: start.Add(test.lifetime)}
		if got := machine.ExpiresSoon(cert, cert.NotAfter.Add(-test.left)); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestReadCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: start, NotAfter: start.Add(90 * day)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	for name, test := range map[string]struct{ text, problem string }{
		"alone":              {block("CERTIFICATE", der), ""},
		"after its key":      {block("PRIVATE KEY", private) + block("CERTIFICATE", der), ""},
		"after words":        {"my certificate\n" + block("CERTIFICATE", der), ""},
		"a key alone":        {block("PRIVATE KEY", private), "has no certificate"},
		"empty":              {"", "has no certificate"},
		"cut off":            {block("CERTIFICATE", der)[:200], "has no certificate"},
		"not a certificate":  {block("CERTIFICATE", []byte("text")), "x509"},
		"another first line": {strings.ReplaceAll(block("CERTIFICATE", der), "CERTIFICATE", "TRUSTED"), "has no certificate"},
	} {
		file := filepath.Join(t.TempDir(), "cert.pem")
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		cert, err := machine.ReadCertificate(file)
		switch {
		case test.problem == "" && (err != nil || !cert.NotAfter.Equal(start.Add(90*day))):
			t.Errorf("%s: %v, %v", name, cert, err)
		case test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)):
			t.Errorf("%s: error %v, want %q", name, err, test.problem)
		}
	}
	if _, err := machine.ReadCertificate(filepath.Join(t.TempDir(), "missing.pem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestFreeBytes(t *testing.T) {
	free, err := machine.FreeBytes(t.TempDir())
	if errors.Is(err, errors.ErrUnsupported) {
		return // on Windows
	}
	if err != nil || free == 0 {
		t.Errorf("%d, %v", free, err)
	}
	if _, err := machine.FreeBytes(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing folder has room")
	}
}
