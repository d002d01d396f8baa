package main

import (
	"bytes"
	"encoding/pem"
	"io"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// imageUser is the user and group of the container. The ID is above those of Debian's
// system users, so that no user of the host has it.
const imageUser = 65532

// image writes a container image in the format that "docker load" and "podman load" read.
// It has only the binary, the certificates of public authorities, which verify mail servers
// and webhooks, and a folder for the data.
func (r release) image(t target, binary string) error {
	public, err := authorities()
	if err != nil {
		return err
	}
	var files bytes.Buffer
	err = writeTar(&files, []entry{
		{name: "etc/", mode: 0o755},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", text: public, mode: 0o644},
		{name: "usher", from: binary, mode: 0o755},
	}, r.time, 0)
	if err != nil {
		return err
	}
	var data bytes.Buffer
	if err := writeTar(&data, []entry{{name: "data/", mode: 0o700}}, r.time, imageUser); err != nil {
		return err
	}
	img := mutate.MediaType(empty.Image, "application/vnd.docker.distribution.manifest.v2+json")
	for _, content := range [][]byte{files.Bytes(), data.Bytes()} {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		})
		if err != nil {
			return err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return err
		}
	}
	img, err = mutate.ConfigFile(img, r.imageConfig(t, img))
	if err != nil {
		return err
	}
	tag, err := name.NewTag("usher:" + r.version)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(filepath.Join(r.out, r.name(t)+"_image.tar"), tag, img)
}

// authorities returns Mozilla's list of certificate authorities, as PEM, in the order of
// the library. It omits those that are trusted only under conditions, which a file cannot
// express.
func authorities() ([]byte, error) {
	var list bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&list, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	return list.Bytes(), nil
}

// imageConfig is the configuration of a container: it runs as a user without privileges,
// with all data in a volume, so that its root may be read-only.
func (r release) imageConfig(t target, img v1.Image) *v1.ConfigFile {
	config, err := img.ConfigFile()
	if err != nil {
		return &v1.ConfigFile{}
	}
	config = config.DeepCopy()
	config.Created = v1.Time{Time: r.time}
	config.OS, config.Architecture = t.os, t.arch
	if t.arm != "" {
		config.Variant = "v" + t.arm
	}
	for i := range config.History {
		config.History[i] = v1.History{Created: v1.Time{Time: r.time}, CreatedBy: "make release"}
	}
	config.Config = v1.Config{
		User: "65532:65532",
		// The volume is the only place to write to, including temporary files.
		Env:          []string{"USHER_DATA=/data", "USHER_LISTEN=0.0.0.0:32400", "TMPDIR=/data"},
		ExposedPorts: map[string]struct{}{"32400/tcp": {}},
		Volumes:      map[string]struct{}{"/data": {}},
		Entrypoint:   []string{"/usher"},
		Cmd:          []string{"serve"},
		Healthcheck: &v1.HealthConfig{
			Test: []string{"CMD", "/usher", "healthcheck"}, Interval: 30 * time.Second, Timeout: 5 * time.Second, StartPeriod: 5 * time.Second, Retries: 3,
		},
		StopSignal: "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":   "usher",
			"org.opencontainers.image.version": r.version,
			"org.opencontainers.image.source":  "https://github.com/usher-auth/usher",
			"org.opencontainers.image.created": r.time.Format(time.RFC3339),
		},
	}
	return config
}
