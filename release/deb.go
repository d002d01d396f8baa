package main

import (
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the packager
	"github.com/goreleaser/nfpm/v2/files"
)

// deb writes a Debian package: the binary, its systemd unit, and scripts that
// create the user it runs as. It does not start the service: the administrator
// configures it first.
func (r release) deb(t target, binary string) error {
	packager, err := nfpm.Get("deb")
	if err != nil {
		return err
	}
	arch := t.arch
	if t.arm != "" {
		arch += t.arm // Debian's name is made from this: armhf
	}
	page, err := r.compressed("docs/usher.1")
	if err != nil {
		return err
	}
	defer os.Remove(page)
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "usher", Arch: arch, Platform: "linux", Version: debVersion(r.version), VersionSchema: "none",
		Section: "net", Priority: "optional", License: "Apache-2.0", Homepage: "https://github.com/usher-auth/usher",
		Maintainer:  "usher's maintainers <https://github.com/usher-auth/usher>",
		Description: "Plex-compatible authentication that you run yourself\nOne program speaks the account plane and the media plane of the protocol.",
		MTime:       r.time,
		Overridables: nfpm.Overridables{
			Contents: files.Contents{
				r.content(binary, "/usr/bin/usher", 0o755, ""),
				r.content(filepath.Join(r.root, "deploy/systemd/usher.service"), "/usr/lib/systemd/system/usher.service", 0o644, ""),
				r.content(filepath.Join(r.root, "deploy/systemd/usher.env"), "/etc/usher/usher.env", 0o600, files.TypeConfigNoReplace),
				r.content(filepath.Join(r.root, "deploy/systemd/usher-backup.service"), "/usr/lib/systemd/system/usher-backup.service", 0o644, ""),
				r.content(filepath.Join(r.root, "deploy/systemd/usher-backup.timer"), "/usr/lib/systemd/system/usher-backup.timer", 0o644, ""),
				r.content(page, "/usr/share/man/man1/usher.1.gz", 0o644, ""),
				r.content(filepath.Join(r.root, "deploy/usher.yaml"), "/usr/share/doc/usher/usher.yaml", 0o644, ""),
				r.content(filepath.Join(r.root, "LICENSE"), "/usr/share/doc/usher/copyright", 0o644, ""),
				r.content(filepath.Join(r.root, "README.md"), "/usr/share/doc/usher/README.md", 0o644, ""),
			},
			Scripts: nfpm.Scripts{
				PostInstall: filepath.Join(r.root, "deploy/debian/postinst"),
				PreRemove:   filepath.Join(r.root, "deploy/debian/prerm"),
				PostRemove:  filepath.Join(r.root, "deploy/debian/postrm"),
			},
		},
	})
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(r.out, r.name(t)+".deb"))
	if err != nil {
		return err
	}
	return errors.Join(packager.Package(info, f), f.Close())
}

// compressed writes a file of the source in gzip, as Debian has its man pages, and
// returns its path. The caller must remove it. It has no time, so that two builds are
// the same.
func (r release) compressed(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(r.root, name))
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", filepath.Base(name)+"-*.gz")
	if err != nil {
		return "", err
	}
	w, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
		err = errors.Join(err, w.Close())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func (r release) content(from, to string, mode os.FileMode, kind string) *files.Content {
	return &files.Content{
		Source: from, Destination: to, Type: kind,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time},
	}
}

// debVersion is a version as Debian wants it: it begins with a digit. A commit
// without a release before it counts as older than every release.
func debVersion(version string) string {
	if version == "" || version[0] < '0' || version[0] > '9' || !strings.Contains(version, ".") {
		return "0~" + version
	}
	return version
}
