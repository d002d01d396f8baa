//go:build clients && clients_all

package clients_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/test/install"
)

// A span is a range of releases, including both ends. Without a last release, it has no
// end.
type span struct{ name, first, last string }

func (s span) holds(c client) bool {
	return c.name == s.name && compareVersions(c.version, s.first) >= 0 &&
		(s.last == "" || compareVersions(c.version, s.last) <= 0)
}

// withoutAccounts are the releases that cannot sign in with a password. All others must
// have this operation: a version in which the script finds no operations must not count as
// one without errors.
var withoutAccounts = []span{
	{"plex-api-client", "0.1.0", "0.9.0"},
	{"plex-api-client", "0.31.0", "0.32.6"},
	{"@lukehagar/plexjs", "0.43.0", ""},
}

// broken are the releases that no program can use, with the message that Python prints on
// import.
var broken = map[span]string{
	{"plex-api-client", "0.1.0", "0.1.1"}: "TypeError: non-default argument 'upscale' follows default argument",
}

// mediaServerOperations are the operations that every version has.
var mediaServerOperations = []string{
	badToken, transientToken, transientUse, sourceAdmin, sourceTransient, sourcePlain, sourceMalformed, sourceUnknown,
}

// TestEveryVersion runs every version of the generated SDKs on PyPI and npm, and the
// versions of the Rust crate with the interface of the newest one. It compares their
// operations with ranges.md.
func TestEveryVersion(t *testing.T) {
	binary := buildUsher(t)
	sdks := slices.Concat(nodeVersions(t), pythonVersions(t), rustVersions(t))
	passed := make([]map[string]bool, len(sdks)) // nil for a version that -run leaves out
	t.Run("versions", func(t *testing.T) {
		for i, c := range sdks {
			t.Run(c.slug, func(t *testing.T) {
				t.Parallel()
				passed[i] = runVersion(t, binary, c)
			})
		}
	})
	if slices.ContainsFunc(passed, func(p map[string]bool) bool { return p == nil }) {
		t.Logf("%s is not compared, because not every version was run", rangesPath)
		return
	}
	compareRanges(t, ranges(sdks, passed))
}

// runVersion runs a version with its own server, and returns the operations that it has. A
// broken version has none.
func runVersion(t *testing.T, binary string, c client) map[string]bool {
	t.Helper()
	passed := make(map[string]bool)
	dir := c.language.install(t, c)
	for s, prints := range broken {
		if s.holds(c) {
			wantBroken(t, c, dir, prints)
			return passed
		}
	}
	server := startUsher(t, binary, nil)
	people := addCast(t, server, c)
	time.Sleep(noticeTime)
	for _, o := range runScript(t, c, dir, server, people, new(authority)) {
		passed[o.Operation] = c.judge(t, o)
	}
	wantOperations(t, passed, true, mediaServerOperations)
	accounts := !slices.ContainsFunc(withoutAccounts, func(s span) bool { return s.holds(c) })
	lacks := func(operation string) bool { return c.cannot[operation] != "" }
	has := slices.DeleteFunc(slices.Concat(accountOperations, []string{resources, connect}), lacks)
	wantOperations(t, passed, accounts, has)
	return passed
}

// wantOperations checks that a version has all of some operations, or none of them.
func wantOperations(t *testing.T, ran map[string]bool, want bool, operations []string) {
	t.Helper()
	for _, operation := range operations {
		if _, ok := ran[operation]; ok != want {
			t.Errorf("%s: it was run: %v, want %v", operation, ok, want)
		}
	}
}

// wantBroken checks that a version still fails on import.
func wantBroken(t *testing.T, c client, dir, prints string) {
	t.Helper()
	argv := c.language.command(c, dir)
	argv[len(argv)-1] = "-c"
	cmd := exec.CommandContext(t.Context(), argv[0], append(argv[1:], "import plex_api")...)
	printed, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(printed), prints) {
		t.Errorf("it can be imported, or fails in another way: %v\n%s", err, printed)
	}
}

// compareVersions orders two versions of three numbers.
func compareVersions(a, b string) int {
	numbers := func(version string) []int {
		var list []int
		for part := range strings.SplitSeq(version, ".") {
			n, _ := strconv.Atoi(part)
			list = append(list, n)
		}
		return list
	}
	return slices.Compare(numbers(a), numbers(b))
}

// sorted sorts versions, and fails if there are implausibly few.
func sorted(t *testing.T, versions []string, least int) []string {
	t.Helper()
	if len(versions) < least {
		t.Fatalf("the registry has the versions %q only, want %d or more", versions, least)
	}
	slices.SortFunc(versions, compareVersions)
	return versions
}

// nodeVersions lists the versions of plexjs on npm. Each version runs the script of the
// newest published version that is not newer.
func nodeVersions(t *testing.T) []client {
	t.Helper()
	const name = "@lukehagar/plexjs"
	npm := install.Need(t, "npm", "install npm 10 or newer")
	var versions []string
	if err := json.Unmarshal([]byte(run(t, "", npm, "view", name, "versions", "--json")), &versions); err != nil {
		t.Fatal(err)
	}
	var sdks []client
	for _, version := range sorted(t, versions, 5) {
		c := client{name: name, version: version, slug: "plexjs-" + version, language: everyNode}
		for _, p := range published {
			if p.name == name && compareVersions(p.version, version) <= 0 {
				c.script = p.slug
			}
		}
		sdks = append(sdks, c)
	}
	return sdks
}

// everyNode installs a version of plexjs in a folder next to those of the published
// clients, because their scripts import files from the parent folder.
var everyNode = language{
	install: func(t *testing.T, c client) string {
		t.Helper()
		dir := absolute(t, filepath.Join("node", "all-"+c.slug))
		manifest := filepath.Join(dir, "package.json")
		write(t, manifest, fmt.Sprintf(`{"private": true, "type": "module", "dependencies": {%q: %q}}`, c.name, c.version))
		script, err := os.ReadFile(filepath.Join("node", c.script, "run.mjs"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "run.mjs"), string(script))
		install.Once(t, filepath.Join(dir, "node_modules"), manifest, func() {
			run(t, dir, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
		})
		return dir
	},
	command: func(client, string) []string { return []string{"node", "run.mjs"} },
}

// pythonVersions lists the versions of plex-api-client on PyPI.
func pythonVersions(t *testing.T) []client {
	t.Helper()
	const name = "plex-api-client"
	printed := run(t, "", pip(t), "index", "versions", "--disable-pip-version-check", name)
	list := regexp.MustCompile(`(?m)^Available versions: (.*)$`).FindStringSubmatch(printed)
	if list == nil {
		t.Fatalf("pip printed no versions: %s", printed)
	}
	var sdks []client
	for _, version := range sorted(t, strings.Split(list[1], ", "), 50) {
		c := pythonSDK(version, nil)
		c.language, c.script = everyPython, "../../sdk.py"
		sdks = append(sdks, c)
	}
	return sdks
}

// everyPython installs each version in its own folder, and dependencies in shared folders,
// because most versions have the same ones.
var everyPython = language{
	install: func(t *testing.T, c client) string {
		t.Helper()
		dir := absolute(t, filepath.Join("python", "all", c.slug))
		requirements := filepath.Join(dir, "requirements.txt")
		write(t, requirements, c.name+"=="+c.version+"\n")
		packages := filepath.Join(dir, "packages")
		install.Once(t, packages, requirements, func() { pipInstall(t, packages, requirements, "--no-deps") })
		dependencies := installDependencies(t, packages)
		link := filepath.Join(dir, "dependencies")
		_ = os.Remove(link)
		if err := os.Symlink(dependencies, link); err != nil {
			t.Fatal(err)
		}
		return dir
	},
	command: func(c client, dir string) []string {
		paths := []string{
			filepath.Join(dir, "..", ".."), filepath.Join(dir, "packages"), filepath.Join(dir, "dependencies"),
		}
		path := "PYTHONPATH=" + strings.Join(paths, string(os.PathListSeparator))
		return []string{"env", path, filepath.Join(dir, "..", "tool", "bin", "python"), c.script}
	},
}

// pip creates the environment that installs and runs every version, and returns its pip.
func pip(t *testing.T) string {
	t.Helper()
	python := install.Need(t, "python3", "install Python 3.10 or newer")
	tool := absolute(t, filepath.Join("python", "all", "tool"))
	if _, err := os.Stat(filepath.Join(tool, "bin", "pip")); err != nil {
		run(t, "", python, "-m", "venv", "--clear", tool)
	}
	return filepath.Join(tool, "bin", "pip")
}

func pipInstall(t *testing.T, folder, requirements string, options ...string) {
	t.Helper()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	run(t, "", append([]string{
		pip(t), "install", "--quiet", "--disable-pip-version-check", "--target", folder, "-r", requirements,
	}, options...)...)
}

// dependencyLocks has a mutex for each folder of dependencies.
var dependencyLocks sync.Map

// installDependencies installs the dependencies of the package in a folder, and returns
// their folder.
func installDependencies(t *testing.T, packages string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(packages, "*.dist-info", "METADATA"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s has the metadata %q (%v), want one", packages, found, err)
	}
	metadata, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for line := range strings.Lines(string(metadata)) {
		if wanted, ok := strings.CutPrefix(line, "Requires-Dist: "); ok && !strings.Contains(wanted, "extra ==") {
			list.WriteString(wanted)
		}
	}
	sum := sha256.Sum256([]byte(list.String()))
	folder := absolute(t, filepath.Join("python", "all", "dependencies-"+hex.EncodeToString(sum[:6])))

	lock, _ := dependencyLocks.LoadOrStore(folder, new(sync.Mutex))
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	requirements := folder + ".txt"
	write(t, requirements, list.String())
	install.Once(t, folder, requirements, func() { pipInstall(t, folder, requirements) })
	return folder
}

// rustVersions are the versions of plex-api with the interface of the published one, whose
// script they share. Cargo does not list versions: if there is a newer one than the last of
// these, the test fails.
func rustVersions(t *testing.T) []client {
	t.Helper()
	versions := []string{"0.0.10", "0.0.11", "0.0.12"}
	i := slices.IndexFunc(published, func(c client) bool { return c.registry == "crates.io" })
	newest := versions[len(versions)-1]
	cargo := install.Need(t, "cargo", "install Rust 1.88 or newer from https://rustup.rs")
	printed := run(t, "", cargo, "info", "--quiet", published[i].name)
	if !regexp.MustCompile(`(?m)^version: ` + regexp.QuoteMeta(newest) + `$`).MatchString(printed) {
		t.Errorf("%s is not the newest version any more:\n%s", newest, printed)
	}
	var crates []client
	for _, version := range versions {
		c := published[i]
		c.version, c.slug, c.script, c.language = version, c.name+"-"+version, c.slug, everyRust
		crates = append(crates, c)
	}
	return crates
}

// everyRust creates the manifest of a version from that of the published one.
var everyRust = language{
	install: func(t *testing.T, c client) string {
		t.Helper()
		dir := absolute(t, filepath.Join("rust", "all-"+c.slug))
		manifest, err := os.ReadFile(filepath.Join("rust", c.script, "Cargo.toml"))
		if err != nil {
			t.Fatal(err)
		}
		newest := strings.TrimPrefix(c.script, c.name+"-")
		write(t, filepath.Join(dir, "Cargo.toml"), strings.NewReplacer(
			newest, c.version, strings.ReplaceAll(newest, ".", "-"), strings.ReplaceAll(c.version, ".", "-"),
		).Replace(string(manifest)))
		run(t, dir, "cargo", "build", "--quiet", "--target-dir", rustTarget(dir))
		return dir
	},
	command: rust.command,
}

// write writes a file and the folders above it.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ranges has a row for each operation and a column for each range of versions
// with the same operations.
func ranges(sdks []client, passed []map[string]bool) string {
	has := func(i int) []string {
		return slices.DeleteFunc(slices.Clone(operations), func(o string) bool { return !passed[i][o] })
	}
	type column struct{ first, last int }
	var columns []column
	for i := range sdks {
		if n := len(columns) - 1; n >= 0 && sdks[i].name == sdks[columns[n].first].name &&
			slices.Equal(has(i), has(columns[n].first)) {
			columns[n].last = i
			continue
		}
		columns = append(columns, column{i, i})
	}

	var b strings.Builder
	b.WriteString("| operation |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s&nbsp;%s", sdks[c.first].title(), sdks[c.first].version)
		if c.last != c.first {
			fmt.Fprintf(&b, " to %s", sdks[c.last].version)
		}
		b.WriteString(" |")
	}
	fmt.Fprintf(&b, "\n|---|%s\n| versions |", strings.Repeat(":-:|", len(columns)))
	for _, c := range columns {
		fmt.Fprintf(&b, " %d |", c.last-c.first+1)
	}
	b.WriteString("\n")
	for _, operation := range operations {
		fmt.Fprintf(&b, "| %s |", operation)
		for _, c := range columns {
			cell := absent
			if passed[c.first][operation] {
				cell = works
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	for s, prints := range broken {
		fmt.Fprintf(&b, "\n`%s` %s to %s cannot be used by any program: importing it ends in `%s`.\n",
			s.name, s.first, s.last, prints)
	}
	return b.String()
}

// compareRanges fails if the ranges differ from those of this run. With -update, it
// rewrites them and docs/clients.md.
func compareRanges(t *testing.T, found string) {
	t.Helper()
	written := readRanges(t)
	switch {
	case !*update:
		if written != found {
			t.Errorf("%s is not what this run found; run the test with -update\n%s", rangesPath, found)
		}
	case t.Failed():
		t.Errorf("%s is not updated, because something failed\n%s", rangesPath, found)
	default:
		write(t, rangesPath, found)
		page, err := os.ReadFile(documentPath)
		if err != nil {
			t.Fatal(err)
		}
		write(t, documentPath, strings.Replace(string(page), written, found, 1))
	}
}
