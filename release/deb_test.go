package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// apt treats the package of the newer of two commits as the newer one.
func TestDebVersions(t *testing.T) {
	early := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	ascending := []struct {
		described string
		when      time.Time
		want      string
	}{
		{"fe1e8b2", early, "0~20261101100000.fe1e8b2"},
		{"0e1e8b2", early.Add(time.Hour), "0~20261101110000.0e1e8b2"},
		{"0.1.0-rc.1", early, "0.1.0~rc.1"},
		{"0.1.0-rc.1-3-g0e1e8b2", early, "0.1.0~rc.1+3.g0e1e8b2"},
		{"0.1.0-rc.2", early, "0.1.0~rc.2"},
		{"0.1.0", early, "0.1.0"},
		{"0.1.0-2-gfe1e8b2", early, "0.1.0+2.gfe1e8b2"},
		{"0.1.0-10-g0e1e8b2", early, "0.1.0+10.g0e1e8b2"},
		{"0.1.1-beta", early, "0.1.1~beta"},
		{"0.1.1", early, "0.1.1"},
		{"0.2.0", early, "0.2.0"},
		{"0.10.0", early, "0.10.0"},
	}
	last := ""
	for _, v := range ascending {
		got := debVersion(v.described, v.when)
		if got != v.want {
			t.Errorf("%s is %s, want %s", v.described, got, v.want)
		}
		if last != "" {
			if err := exec.CommandContext(t.Context(), "dpkg", "--compare-versions", last, "lt", got).Run(); err != nil {
				t.Errorf("dpkg does not treat %s as newer than %s: %v", got, last, err)
			}
		}
		last = got
	}
}

// packages writes two packages of the built binary, an older and a newer one.
func packages(t *testing.T) (old, newer string) {
	t.Helper()
	dir := t.TempDir()
	command(t, dir, "tar", "-xzf", built(t, ".tar.gz"))
	source := strings.TrimSpace(command(t, ".", "git", "rev-parse", "--show-toplevel"))
	for _, v := range []struct{ version, name string }{{"0.1.0-rc.1", "old.deb"}, {"0.1.0", "new.deb"}} {
		r := release{root: source, out: dir, version: v.version, time: time.Unix(1_800_000_000, 0)}
		if err := r.deb(here, filepath.Join(dir, "usher")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, r.name(here)+".deb"), filepath.Join(dir, v.name)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "old.deb"), filepath.Join(dir, "new.deb")
}

// root reports whether the test may create namespaces with several users. If not, it logs
// that. Under CI, the test fails.
func root(t *testing.T) bool {
	t.Helper()
	if os.Getuid() == 0 {
		return true
	}
	const message = "this is not root, so the package is not installed"
	if os.Getenv("CI") != "" {
		t.Fatal(message)
	}
	fmt.Fprintln(os.Stderr, "\n*** "+message+" ***")
	return false
}

// dpkg installs, upgrades, removes and purges the package (testdata/install.sh).
func TestDebInstalls(t *testing.T) {
	if !root(t) {
		return
	}
	old, newer := packages(t)
	command(t, ".", "unshare", "--mount", "--pid", "--fork", "sh", "testdata/apart.sh", t.TempDir(), "testdata/install.sh", old, newer)
}

// systemd starts, confines, watches, upgrades and stops the service, and makes a backup
// (testdata/systemd.sh).
func TestDebUnderSystemd(t *testing.T) {
	if !root(t) {
		return
	}
	old, newer := packages(t)
	log := t.TempDir()
	booted, err := exec.CommandContext(t.Context(), "sh", "testdata/boot.sh", t.TempDir(), log, "testdata/systemd.sh", old, newer).CombinedOutput()
	said, _ := os.ReadFile(filepath.Join(log, "check.log"))
	if err != nil || len(said) == 0 {
		server, _ := os.ReadFile(filepath.Join(log, "usher.log"))
		t.Errorf("%v\n%s\n%s\n%s", err, booted, said, server)
	}
}

// The package has the files that docs/running.md lists, with the owners and modes that they
// need.
func TestDebContents(t *testing.T) {
	listed := command(t, ".", "dpkg-deb", "--contents", built(t, ".deb"))
	for _, want := range []string{
		`-rwxr-xr-x root/root .* ./usr/bin/usher`,
		`-rw-r--r-- root/root .* ./usr/lib/systemd/system/usher.service`,
		`-rw-r--r-- root/root .* ./usr/lib/systemd/system/usher-backup.service`,
		`-rw-r--r-- root/root .* ./usr/lib/systemd/system/usher-backup.timer`,
		`-rw------- root/root .* ./etc/usher/usher.env`,
		`-rw-r--r-- root/root .* ./usr/share/man/man1/usher.1.gz`,
		`-rw-r--r-- root/root .* ./usr/share/doc/usher/usher.yaml`,
		`-rw-r--r-- root/root .* ./usr/share/doc/usher/copyright`,
		`-rw-r--r-- root/root .* ./usr/share/doc/usher/changelog.gz`,
		`-rw-r--r-- root/root .* ./usr/share/doc/usher/CHANGELOG.md`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(listed) {
			t.Errorf("the package lacks %s:\n%s", want, listed)
		}
	}
	if conffiles := command(t, ".", "dpkg-deb", "--info", built(t, ".deb"), "conffiles"); conffiles != "/etc/usher/usher.env\n" {
		t.Errorf("the files that an administrator changes are %q", conffiles)
	}
}
