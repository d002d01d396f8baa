package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the packager
	"github.com/goreleaser/nfpm/v2/files"
)

// maintainer is the package's maintainer. GitHub accepts no mail at the address.
const maintainer = "The usher project <usher-auth@users.noreply.github.com>"

// deb writes a Debian package: the binary, its systemd unit, and scripts that create its
// user. The package does not start the service: the administrator configures it first.
func (r release) deb(t target, binary string) error {
	packager, err := nfpm.Get("deb")
	if err != nil {
		return err
	}
	arch := t.arch
	if t.arm != "" {
		arch += t.arm // Debian's name is derived from this: armhf
	}
	dir, err := os.MkdirTemp("", "deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	manual, err := os.ReadFile(filepath.Join(r.root, "docs/usher.1"))
	if err != nil {
		return err
	}
	page, log := filepath.Join(dir, "usher.1.gz"), filepath.Join(dir, "changelog.gz")
	if err := errors.Join(compress(page, manual), compress(log, r.changelog())); err != nil {
		return err
	}
	info := r.debInfo(arch, binary, page, log)
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(r.out, r.name(t)+".deb"))
	if err != nil {
		return err
	}
	return errors.Join(packager.Package(info, f), f.Close())
}

// debInfo describes the package. page and log are the compressed man page and changelog.
func (r release) debInfo(arch, binary, page, log string) *nfpm.Info {
	return nfpm.WithDefaults(&nfpm.Info{
		Name: "usher", Arch: arch, Platform: "linux", Version: debVersion(r.version, r.time), VersionSchema: "none",
		Section: "net", Priority: "optional", License: "Apache-2.0", Homepage: "https://github.com/usher-auth/usher",
		Maintainer:  maintainer,
		Description: "Plex-compatible authentication that you run yourself\nOne program speaks the account plane and the media plane of the protocol.",
		MTime:       r.time,
		Overridables: nfpm.Overridables{
			Depends:  []string{"passwd"}, // creates the user
			Contents: r.debContents(binary, page, log),
			Scripts: nfpm.Scripts{
				PostInstall: filepath.Join(r.root, "deploy/debian/postinst"),
				PreRemove:   filepath.Join(r.root, "deploy/debian/prerm"),
				PostRemove:  filepath.Join(r.root, "deploy/debian/postrm"),
			},
		},
	})
}

// debContents lists the files of the package.
func (r release) debContents(binary, page, log string) files.Contents {
	return files.Contents{
		r.content(binary, "/usr/bin/usher", 0o755, ""),
		r.content(filepath.Join(r.root, "deploy/systemd/usher.service"), "/usr/lib/systemd/system/usher.service", 0o644, ""),
		r.content(filepath.Join(r.root, "deploy/systemd/usher.env"), "/etc/usher/usher.env", 0o600, files.TypeConfigNoReplace),
		r.content(filepath.Join(r.root, "deploy/systemd/usher-backup.service"), "/usr/lib/systemd/system/usher-backup.service", 0o644, ""),
		r.content(filepath.Join(r.root, "deploy/systemd/usher-backup.timer"), "/usr/lib/systemd/system/usher-backup.timer", 0o644, ""),
		r.content(page, "/usr/share/man/man1/usher.1.gz", 0o644, ""),
		r.content(filepath.Join(r.root, "deploy/usher.yaml"), "/usr/share/doc/usher/usher.yaml", 0o644, ""),
		r.content(filepath.Join(r.root, "deploy/debian/copyright"), "/usr/share/doc/usher/copyright", 0o644, ""),
		r.content(filepath.Join(r.root, "deploy/debian/lintian-overrides"), "/usr/share/lintian/overrides/usher", 0o644, ""),
		r.content(log, "/usr/share/doc/usher/changelog.gz", 0o644, ""),
		r.content(filepath.Join(r.root, "CHANGELOG.md"), "/usr/share/doc/usher/CHANGELOG.md", 0o644, ""),
		r.content(filepath.Join(r.root, "README.md"), "/usr/share/doc/usher/README.md", 0o644, ""),
	}
}

// changelog is the one entry that Debian requires, in its format.
func (r release) changelog() []byte {
	return fmt.Appendf(nil, "usher (%s) unstable; urgency=medium\n\n  * What is new is in CHANGELOG.md, beside this file.\n\n -- %s  %s\n",
		debVersion(r.version, r.time), maintainer, r.time.Format(time.RFC1123Z))
}

// compress writes a file compressed with gzip, like Debian's man pages. It omits the name
// and the time, so that builds are reproducible.
func compress(file string, text []byte) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
		err = errors.Join(err, w.Close())
	}
	return errors.Join(err, f.Close())
}

func (r release) content(from, to string, mode os.FileMode, kind string) *files.Content {
	return &files.Content{
		Source: from, Destination: to, Type: kind,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time},
	}
}

// described matches a version from "git describe": a release, perhaps a pre-release, and
// the number of commits since.
var described = regexp.MustCompile(`^(\d+\.\d+\.\d+)(?:-([0-9A-Za-z.]+))??(?:-(\d+-g[0-9a-f]+))?$`)

// debVersion converts a version so that Debian sorts versions like git: a pre-release
// before its release, and later commits after it. Commits before the first release come
// before every release, in the order of their times.
func debVersion(version string, when time.Time) string {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "0~" + when.Format("20060102150405") + "." + version
	}
	out := m[1]
	if m[2] != "" {
		out += "~" + m[2]
	}
	if m[3] != "" {
		out += "+" + strings.ReplaceAll(m[3], "-", ".")
	}
	return out
}
