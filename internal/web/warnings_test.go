package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/missed"
)

// certificateUntil writes a certificate that is valid for 90 days until a time.
func certificateUntil(t *testing.T, end time.Time) (file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.AddDate(0, 0, -90), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Admins see a warning before the certificate expires.
func TestCertificateWarning(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		left time.Duration
		want string // "" for no warning
	}{
		"two months":  {60 * day, ""},
		"eleven days": {11*day + time.Hour, ""},
		"nine days":   {9*day + time.Hour, "expires in 9 days"},
		"a day":       {day + time.Hour, "expires in 25 hours"},
		"expired":     {-time.Hour, "has expired"},
	} {
		t.Run(name, func(t *testing.T) {
			file := certificateUntil(t, time.Now().Add(test.left).Add(time.Minute))
			w := newFixture(t, func(c *config) { c.Server.Machine.Certificate = file })
			w.people()
			page := w.browser().signIn("olga").reads("/admin", test.want)
			if test.want == "" && strings.Contains(page, "The certificate") {
				t.Error("there is a warning about a valid certificate")
			}
		})
	}
	w := newFixture(t, func(c *config) { c.Server.Machine.Certificate = filepath.Join(t.TempDir(), "missing.pem") })
	w.people()
	w.browser().signIn("olga").reads("/admin", "The certificate file cannot be read")
}

// Admins see a warning if the disk is nearly full.
func TestDiskWarning(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // only Linux has /proc, which has no free space
	}
	for folder, want := range map[string]bool{"/proc": true, "": false, "/missing": false} {
		w := newFixture(t, func(c *config) { c.Server.Machine.Folder = folder })
		w.people()
		page := w.browser().signIn("olga").reads("/admin")
		if got := strings.Contains(page, "The disk with the data is nearly full: 0 MB are free"); got != want {
			t.Errorf("%q: warned %v, want %v", folder, got, want)
		}
	}
}

// A clock that was set back makes the codes of second factors wrong.
func TestClockWarning(t *testing.T) {
	now := time.Now()
	w := newFixture(t, func(c *config) { c.Now = func() time.Time { return now } })
	w.people()
	b := w.browser().signIn("olga")
	const warning = "The clock of the server was set back"
	if strings.Contains(b.reads("/admin"), warning) {
		t.Error("there is a warning before the clock was set back")
	}
	now = now.Add(-5 * time.Minute)
	b.reads("/admin", warning)
}

// Admins see a warning while nothing synchronises the clock. If the clock was also set
// back, there is only the warning about that, which is worse.
func TestUnsynchronisedClockWarning(t *testing.T) {
	now, unsynchronised := time.Now(), false
	w := newFixture(t, func(c *config) {
		c.Now = func() time.Time { return now }
		c.Server.Machine.Unsynchronised = func() bool { return unsynchronised }
	})
	w.people()
	b := w.browser().signIn("olga")
	const warning, setBack = "The clock of the server is not synchronised", "The clock of the server was set back"
	shown := func(want ...string) {
		t.Helper()
		page := b.reads("/admin", want...)
		for _, text := range []string{warning, setBack} {
			if strings.Contains(page, text) != slices.Contains(want, text) {
				t.Errorf("%q: want %v", text, want)
			}
		}
	}
	shown()
	unsynchronised = true
	shown(warning)
	now = now.Add(-5 * time.Minute)
	shown(setBack)
	now = now.Add(5 * time.Minute)
	shown(warning)
	unsynchronised = false
	shown()
	unsynchronised = true
	w.browser().signIn("mia").wantPage(w.browser().signIn("mia").get("/admin"), 403)
}

// A warning disappears when its cause is gone, without a restart of the server.
func TestWarningsVanish(t *testing.T) {
	const day = 24 * time.Hour
	now, dir := time.Now(), t.TempDir()
	certificate := filepath.Join(dir, "cert.pem")
	replace := func(left time.Duration) {
		t.Helper()
		if err := os.Rename(certificateUntil(t, now.Add(left)), certificate); err != nil {
			t.Fatal(err)
		}
	}
	replace(5 * day)
	folder := filepath.Join(dir, "data")
	if err := os.Symlink("/proc", folder); err != nil {
		t.Fatal(err)
	}
	w := newFixture(t, func(c *config) {
		c.Now = func() time.Time { return now }
		c.Server.Machine.Certificate, c.Server.Machine.Folder = certificate, folder
	})
	w.people()
	b := w.browser().signIn("olga")
	w.must(w.Audit.Tally(t.Context(), "sign-in.refused", 101))
	texts := map[string]string{
		"factor": "Your account has no second factor", "refusals": "101 attempts to sign in were refused", "clock": "The clock of the server was set back",
		"certificate": "The certificate of the server expires", "disk": "The disk with the data is nearly full",
	}
	if runtime.GOOS != "linux" {
		delete(texts, "disk") // it needs a full file system
	}
	shown := func(want ...string) {
		t.Helper()
		page := b.reads("/admin")
		for name, text := range texts {
			if got := strings.Contains(page, text); got != slices.Contains(want, name) {
				t.Errorf("%s: warned %v, want %v", name, got, !got)
			}
		}
	}
	now = now.Add(-10 * time.Minute)
	shown("factor", "refusals", "clock", "certificate", "disk")
	now = now.Add(10 * time.Minute)
	shown("factor", "refusals", "certificate", "disk")
	replace(60 * day)
	shown("factor", "refusals", "disk")
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	b.reads("/admin", "The certificate file cannot be read")
	replace(60 * day)
	w.must(os.Remove(folder))
	w.must(os.Symlink(dir, folder))
	shown("factor", "refusals")
	w.enrol("olga")
	shown("refusals")
	now = now.Add(76 * time.Minute) // each quarter of an hour counts in full
	shown()
}

// The overview lists the unknown paths that clients requested, without anything that may be
// a secret.
func TestMissedPaths(t *testing.T) {
	paths := missed.New(nil)
	w := newFixture(t, func(c *config) { c.Server.Missed = paths })
	w.people()
	b := w.browser().signIn("olga")
	const title = "Unknown paths"
	if strings.Contains(b.reads("/admin"), title) {
		t.Error("there is a list without paths")
	}
	for _, path := range []string{"/library/sections", "/library/sections", "/library/sections/1/all?X-Plex-Token=abc", "/hubs/<script>"} {
		paths.Count(path)
	}
	page := b.reads("/admin", title, "<code>/library/sections</code>")
	for _, bad := range []string{"abc", "<script>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if strings.Contains(w.browser().signIn("mia").get("/admin").text, title) {
		t.Error("a member sees the list")
	}
}
