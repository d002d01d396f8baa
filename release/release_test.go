package main

import (
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// out is the folder with the release for this machine's system, which all tests use.
var out string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "release-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		out = dir
		if err := buildHere(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// here is the system that the tests run on.
var here = target{os: "linux", arch: runtime.GOARCH}

// buildHere builds that release.
func buildHere(ctx context.Context) error {
	root, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	return build(ctx, root, out, []target{here})
}

// built returns the path of a file of the release, given its extension.
func built(t *testing.T, extension string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(out, "usher_*_"+here.os+"_"+here.machine()+extension))
	if err != nil || len(found) != 1 {
		t.Fatalf("the files %s are %q (%v)", extension, found, err)
	}
	return found[0]
}

// command runs a program that must succeed, and returns its output.
func command(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, text)
	}
	return string(text)
}

// The binary in the archive is static, and reports the version that it was built from.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	command(t, dir, "tar", "-xzf", built(t, ".tar.gz"))
	binary := filepath.Join(dir, "usher")
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has %v", p.Type)
		}
	}
	var version struct{ Version, Commit string }
	if err := json.Unmarshal([]byte(command(t, dir, binary, "version", "--json")), &version); err != nil {
		t.Fatal(err)
	}
	commit := strings.TrimSpace(command(t, ".", "git", "rev-parse", "HEAD"))
	if info, err := os.Stat("../.git"); err == nil && !info.IsDir() {
		commit = "" // the Go tool does not embed one in a worktree
	}
	if version.Commit != commit || version.Version == "" {
		t.Errorf("the binary reports %+v, and the commit is %s", version, commit)
	}
	for _, name := range []string{"LICENSE", "README.md"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// The version, and so the name of each file, does not depend on the length of hashes that git
// is configured with.
func TestVersionIsOfTheCommit(t *testing.T) {
	want, err := describe(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.abbrev")
	for _, length := range []string{"5", "20"} {
		t.Setenv("GIT_CONFIG_VALUE_0", length)
		if got, err := describe(t.Context(), "."); got != want || err != nil {
			t.Errorf("with hashes of %s digits, the version is %s, %v, want %s", length, got, err, want)
		}
	}
}

// sha256sum can read the list of sums, which has every file.
func TestSums(t *testing.T) {
	checked := command(t, out, "sha256sum", "--check", "--strict", sumsFile)
	files, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(checked, ": OK\n"); lines != len(files)-1 || lines < 4 {
		t.Errorf("%d files of %d have sums:\n%s", lines, len(files)-1, checked)
	}
}

// The bill of materials has each module of the binary with its version.
func TestBill(t *testing.T) {
	text, err := os.ReadFile(built(t, ".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		BOMFormat  string
		Components []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(text, &bill); err != nil || bill.BOMFormat != "CycloneDX" {
		t.Fatalf("the format is %q, %v", bill.BOMFormat, err)
	}
	listed := make(map[string]bool)
	for _, c := range bill.Components {
		listed[c.Name+" "+c.Version] = true
	}
	dir := t.TempDir()
	command(t, dir, "tar", "-xzf", built(t, ".tar.gz"))
	modules := 0
	for line := range strings.Lines(command(t, dir, "go", "version", "-m", filepath.Join(dir, "usher"))) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
			modules++
			if !listed[f[1]+" "+f[2]] {
				t.Errorf("the bill lacks %s %s", f[1], f[2])
			}
		}
	}
	if modules < 20 || !listed["std "+runtime.Version()] {
		t.Errorf("the binary has %d modules, and the bill the standard library: %v", modules, listed["std "+runtime.Version()])
	}
}
