package httpd

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate selects the PEM files of a certificate and its key. They may be replaced
// while the server runs.
type Certificate struct {
	// CertFile and KeyFile are the paths of the two files. Required.
	CertFile, KeyFile string

	// Logger receives a record when the files were reloaded or cannot be used. If nil,
	// nothing is logged.
	Logger *slog.Logger
}

// certificateInterval is the minimum time between two checks of the files.
const certificateInterval = time.Second

// reloader holds the last usable version of a pair of files. It is safe for concurrent
// use.
type reloader struct {
	files [2]string // certificate and key
	log   *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	loaded  [2]os.FileInfo // the files that pair was read from
	checked time.Time
	problem string // the last logged reason why the files cannot be used, or ""
}

// open reads the files for the first time.
func (cfg *Certificate) open() (*reloader, error) {
	r := &reloader{files: [2]string{cfg.CertFile, cfg.KeyFile}, log: cfg.Logger, checked: time.Now()}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	found, err := r.stat()
	if err != nil {
		return nil, err
	}
	return r, r.load(found)
}

// get implements tls.Config.GetCertificate. It never fails: while the files are being
// written or do not match, the previous pair stays in use.
func (r *reloader) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.checked) >= certificateInterval {
		r.checked = time.Now()
		r.refresh()
	}
	return r.pair, nil
}

// refresh loads the files if they changed. Unusable files are tried again each
// time, and logged once per reason.
func (r *reloader) refresh() {
	found, err := r.stat()
	if err == nil && same(found, r.loaded) {
		r.problem = "" // the previous files are back
		return
	}
	if err == nil {
		err = r.load(found)
	}
	switch {
	case err == nil:
		r.problem = ""
		r.log.Info("the certificate was read again", "file", r.files[0], "until", r.pair.Leaf.NotAfter)
	case err.Error() != r.problem:
		r.problem = err.Error()
		r.log.Error("the certificate stays the one before", "error", err)
	}
}

// stat returns the current file information.
func (r *reloader) stat() (found [2]os.FileInfo, err error) {
	for i, path := range r.files {
		if found[i], err = os.Stat(path); err != nil {
			return found, fmt.Errorf("reading the certificate: %w", err)
		}
	}
	return found, nil
}

// same reports whether the files are unchanged, without reading them.
func same(a, b [2]os.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}

// load reads the files. found is their state before: if they change meanwhile, the next
// check detects a difference.
func (r *reloader) load(found [2]os.FileInfo) error {
	pair, err := tls.LoadX509KeyPair(r.files[0], r.files[1])
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	r.pair, r.loaded = &pair, found
	return nil
}
