package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// TLS is a certificate and its key, in files of PEM that may be replaced while
// the server runs.
type TLS struct {
	CertFile, KeyFile string

	// Logger is told when the files are read again. Nil: nothing is logged.
	Logger *slog.Logger
}

// certificateEvery is how often the files are looked at, at the most.
const certificateEvery = time.Second

// certificate is what connections are answered with: the pair of files as they
// last were when they could be used. It is safe for concurrent use.
type certificate struct {
	files [2]string // certificate and key
	log   *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	read    [2]os.FileInfo // the files that pair is from
	looked  time.Time
	trouble string // why the files cannot be used, as was logged; empty: they can
}

// open reads the files for the first time.
func (t *TLS) open() (*certificate, error) {
	c := &certificate{files: [2]string{t.CertFile, t.KeyFile}, log: t.Logger, looked: time.Now()}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	found, err := c.look()
	if err != nil {
		return nil, err
	}
	return c, c.load(found)
}

// get is a tls.Config's GetCertificate. It never fails: a pair that is written
// at the moment, or that does not fit, leaves the one before in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= certificateEvery {
		c.looked = time.Now()
		c.refresh()
	}
	return c.pair, nil
}

// refresh reads the files again if they are others than those in use. What
// could not be used is tried again each time, and logged once for each reason.
func (c *certificate) refresh() {
	found, err := c.look()
	if err == nil && same(found, c.read) {
		c.trouble = "" // what was there before is back
		return
	}
	if err == nil {
		err = c.load(found)
	}
	switch {
	case err == nil:
		c.trouble = ""
		c.log.Info("the certificate was read again", "file", c.files[0], "until", c.pair.Leaf.NotAfter)
	case err.Error() != c.trouble:
		c.trouble = err.Error()
		c.log.Error("the certificate stays the one before", "error", err)
	}
}

// look finds out what the files are now.
func (c *certificate) look() (found [2]os.FileInfo, err error) {
	for i, path := range c.files {
		if found[i], err = os.Stat(path); err != nil {
			return found, fmt.Errorf("reading the certificate: %w", err)
		}
	}
	return found, nil
}

// same reports whether files are the ones they were, by what costs no reading.
func same(a, b [2]os.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}

// load reads the files, which were looked at before: if they change meanwhile,
// the next look finds out.
func (c *certificate) load(found [2]os.FileInfo) error {
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	c.pair, c.read = &pair, found
	return nil
}
