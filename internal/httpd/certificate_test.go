package httpd_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/httpd"
)

// pair is a certificate for 127.0.0.1 and its key, in PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, serial int64) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// write writes a PEM file, and sets a modification time that no earlier write had: writes
// that follow one another may be too close for the file system to tell apart.
func write(t *testing.T, path string, text []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// A renewed certificate is used soon, over HTTP/2 as before, without a restart of the
// server.
func TestServeUsesTheRenewedCertificate(t *testing.T) {
	dir := t.TempDir()
	files := &httpd.Certificate{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	put := func(p pair) {
		for path, text := range map[string][]byte{files.CertFile: p.cert, files.KeyFile: p.key} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(newPair(t, 1))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- httpd.Serve(ctx, httpd.NewServer(handler, slog.New(slog.DiscardHandler)), ln, httpd.Serving{Certificate: files, Grace: time.Second})
	}()
	// ask opens a new connection, and returns the serial number of its certificate.
	ask := func() (serial int64) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("https://" + ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "HTTP/2.0" {
			t.Errorf("got (%q, %v), want HTTP/2.0", body, err)
		}
		return res.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if got := ask(); got != 1 {
		t.Errorf("the serial number is %d at the start", got)
	}
	put(newPair(t, 2))
	for until := time.Now().Add(10 * time.Second); ask() != 2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the renewed certificate is not in use after 10 s")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// While a pair is unusable, the previous one stays in use and the problem is logged
// once. The pair is loaded as soon as it is complete.
func TestUnusableCertificate(t *testing.T) {
	first, next := newPair(t, 1), newPair(t, 2)
	for _, c := range []struct {
		name string
		half func(t *testing.T, cert, key string, at time.Time)
		says string
	}{
		{"half-written certificate", func(t *testing.T, cert, _ string, at time.Time) {
			write(t, cert, next.cert[:len(next.cert)/2], at)
		}, "PEM"},
		{"empty key", func(t *testing.T, _, key string, at time.Time) { write(t, key, nil, at) }, "PEM"},
		{"certificate before its key", func(t *testing.T, cert, _ string, at time.Time) {
			write(t, cert, next.cert, at)
		}, "does not match"},
		{"key before its certificate", func(t *testing.T, _, key string, at time.Time) {
			write(t, key, next.key, at)
		}, "does not match"},
		{"no certificate", func(t *testing.T, cert, _ string, _ time.Time) {
			if err := os.Remove(cert); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, now := t.TempDir(), time.Now()
				cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
				write(t, cert, first.cert, now)
				write(t, key, first.key, now)
				var log bytes.Buffer
				get := opened(t, &httpd.Certificate{CertFile: cert, KeyFile: key, Logger: slog.New(slog.NewTextHandler(&log, nil))})

				c.half(t, cert, key, now.Add(time.Second))
				for range 5 {
					time.Sleep(time.Second)
					if got := get(); got != 1 {
						t.Errorf("got the serial number %d, want the previous one", got)
					}
				}
				if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), c.says) {
					t.Errorf("want one error that contains %q, got\n%s", c.says, &log)
				}

				write(t, cert, next.cert, now.Add(2*time.Second))
				write(t, key, next.key, now.Add(2*time.Second))
				time.Sleep(time.Second)
				if got := get(); got != 2 {
					t.Errorf("got the serial number %d, want the renewed one", got)
				}
				if !strings.Contains(log.String(), "level=INFO") || strings.Contains(log.String(), "PRIVATE KEY") {
					t.Errorf("the log is\n%s", &log)
				}

				write(t, key, nil, now.Add(3*time.Second))
				time.Sleep(time.Second)
				if got, n := get(), strings.Count(log.String(), "level=ERROR"); got != 2 || n != 2 {
					t.Errorf("after the next problem: serial number %d and %d errors", got, n)
				}
			})
		})
	}
}

// The files are checked once a second, for any number of connections.
func TestCertificateIsCheckedOnceASecond(t *testing.T) {
	first, next := newPair(t, 1), newPair(t, 2)
	synctest.Test(t, func(t *testing.T) {
		dir, now := t.TempDir(), time.Now()
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		write(t, cert, first.cert, now)
		write(t, key, first.key, now)
		get := opened(t, &httpd.Certificate{CertFile: cert, KeyFile: key})
		write(t, cert, next.cert, now.Add(time.Second))
		write(t, key, next.key, now.Add(time.Second))
		time.Sleep(time.Second - 1)
		if got := get(); got != 1 {
			t.Errorf("the files were read again within a second: serial number %d", got)
		}
		time.Sleep(time.Nanosecond)
		if got := get(); got != 2 {
			t.Errorf("after a second, the serial number is %d", got)
		}
	})
}

// opened opens files, and returns a function that returns the serial number in use.
func opened(t *testing.T, files *httpd.Certificate) func() int64 {
	t.Helper()
	get, err := httpd.OpenCertificate(files)
	if err != nil {
		t.Fatal(err)
	}
	return func() int64 {
		c, err := get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.Int64()
	}
}
