package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Podman loads and runs the image (testdata/container.sh).
func TestImageRuns(t *testing.T) {
	args := []string{"testdata/container.sh", t.TempDir(), built(t, "_image.tar")}
	if os.Getuid() == 0 {
		command(t, ".", "unshare", append([]string{"--mount", "sh"}, args...)...)
		return
	}
	command(t, ".", "sh", args...)
}

// The image has only the binary, the authorities and a folder for the data. Its
// configuration says how to run it.
func TestImage(t *testing.T) {
	const limit = 25 << 20
	if info, err := os.Stat(built(t, "_image.tar")); err != nil || info.Size() > limit {
		t.Errorf("the image has %d bytes, %v", info.Size(), err)
	}
	image, err := tarball.ImageFromPath(built(t, "_image.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := config.Config; c.User != "65532:65532" || c.Healthcheck == nil || c.Healthcheck.Interval < time.Second ||
		!slices.Equal(c.Healthcheck.Test, []string{"CMD", "/usher", "healthcheck"}) ||
		!slices.Equal(append(c.Entrypoint, c.Cmd...), []string{"/usher", "serve"}) {
		t.Errorf("the image is run as %+v", c)
	}
	content := mutate.Extract(image)
	defer content.Close()
	files := make(map[string]*tar.Header)
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Clean(header.Name)
		files[name] = header
		if name == "etc/ssl/certs/ca-certificates.crt" {
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			known(t, text)
		}
	}
	if len(files) != 6 || files["usher"] == nil || files["usher"].Mode != 0o755 || files["usher"].Uid != 0 {
		t.Errorf("the image has %v", files)
	}
	if data := files["data"]; data == nil || data.Uid != imageUser || data.Gid != imageUser || data.Mode != 0o700 {
		t.Errorf("the folder for the data is %+v", data)
	}
}

// known checks a list of authorities, which verifies mail servers and webhooks.
func known(t *testing.T, list []byte) {
	t.Helper()
	count, names := 0, make(map[string]bool)
	for block, rest := pem.Decode(list); block != nil; block, rest = pem.Decode(rest) {
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !root.IsCA {
			t.Errorf("%s is not an authority", root.Subject)
		}
		count++
		names[root.Subject.CommonName] = true
	}
	if count < 80 || !names["ISRG Root X1"] || !bytes.HasPrefix(list, []byte("-----BEGIN CERTIFICATE-----\n")) {
		t.Errorf("%d authorities, including Let's Encrypt: %v", count, names["ISRG Root X1"])
	}
}
