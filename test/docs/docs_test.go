// Package docs_test checks the documents against the project. Other tests check docs/cli.md
// (internal/cli), docs/protocol.md and the audit events in docs/reference.md
// (internal/api), the metrics there (internal/server), docs/conformance.md
// (internal/conformance), and docs/clients.md (test/clients).
package docs_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The document lists exactly the direct dependencies.
func TestDependenciesAreListed(t *testing.T) {
	var required, listed []string
	for line := range strings.Lines(read(t, "go.mod")) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) == 2 && strings.Contains(fields[0], ".") && strings.HasPrefix(fields[1], "v") {
			required = append(required, fields[0])
		}
	}
	_, table, _ := strings.Cut(read(t, "docs/dependencies.md"), "|---|---|---|")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for name := range strings.SplitSeq(cells[1], ",") {
				listed = append(listed, strings.TrimSpace(name))
			}
		}
	}
	slices.Sort(required)
	slices.Sort(listed)
	if len(required) == 0 {
		t.Fatal("no dependency was found in go.mod")
	}
	if diff := cmp.Diff(required, listed); diff != "" {
		t.Errorf("docs/dependencies.md (-go.mod +document):\n%s", diff)
	}
}

// The SDK imports only the standard library and itself.
func TestSDKHasNoDependencies(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./plexauth/...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	const sdk = "github.com/usher-auth/usher/plexauth"
	if diff := cmp.Diff([]string{sdk, sdk + "/login"}, strings.Fields(string(out))); diff != "" {
		t.Errorf("packages outside the standard library (-want +got):\n%s", diff)
	}
}

var (
	testName = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*)`")
	testFunc = regexp.MustCompile(`(?m)^func (Test[A-Z][A-Za-z0-9]*)\(`)
)

// Every promise of SECURITY.md names tests, and all of them exist.
func TestPromisesAreTested(t *testing.T) {
	exists := make(map[string]bool)
	for _, name := range testFiles(t) {
		for _, match := range testFunc.FindAllStringSubmatch(read(t, name), -1) {
			exists[match[1]] = true
		}
	}
	_, promises, _ := strings.Cut(read(t, "SECURITY.md"), "### What usher promises")
	promises, _, found := strings.Cut(promises, "\n### ")
	if !found {
		t.Fatal("SECURITY.md has no promises")
	}
	for row := range strings.Lines(promises) {
		if !strings.HasPrefix(row, "| **") {
			continue
		}
		names := testName.FindAllStringSubmatch(row, -1)
		if len(names) == 0 {
			t.Errorf("no test is named in the row %s", row)
		}
		for _, name := range names {
			if !exists[name[1]] {
				t.Errorf("there is no %s", name[1])
			}
		}
	}
}

// testFiles are the files with the module's tests, relative to its root.
func testFiles(t *testing.T) (names []string) {
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(name, "_test.go"):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var link = regexp.MustCompile(`\]\(([^)#]+?)(#[^)]*)?\)`)

// Every link to a file leads to an existing file, and every fragment to one of its
// headings.
func TestLinksLeadSomewhere(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	files, fragments := 0, 0
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			files++
			target := filepath.Join(filepath.Dir(document), m[1])
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", filepath.Base(document), err)
				continue
			}
			if m[2] == "" {
				continue
			}
			fragments++
			if !slices.Contains(headings(t, target), m[2]) {
				t.Errorf("%s: %s has no heading %s", filepath.Base(document), m[1], m[2])
			}
		}
	}
	if files < 8 || fragments < 4 {
		t.Errorf("only %d links were found, %d of them with a fragment", files, fragments)
	}
}

// headings lists the fragments of a document's headings, in GitHub's spelling.
func headings(t *testing.T, document string) (fragments []string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	dropped := regexp.MustCompile(`[^\w -]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		slug := dropped.ReplaceAllString(strings.ToLower(m[1]), "")
		fragments = append(fragments, "#"+strings.ReplaceAll(slug, " ", "-"))
	}
	return fragments
}

// The README opens with its two commands, and CI runs the second.
func TestReadmeCommands(t *testing.T) {
	opening, _, _ := strings.Cut(read(t, "README.md"), "\n## ")
	for _, command := range []string{"go run ./cmd/usher serve", "make test"} {
		if !strings.Contains(opening, command) {
			t.Errorf("the README does not open with %s", command)
		}
	}
	if !strings.Contains(read(t, ".ci/run"), "make test") {
		t.Error("CI does not run make test")
	}
}

// GitHub's workflow tests the oldest version of Go that go.mod allows, on every operating
// system.
func TestWorkflowHasTheGoVersion(t *testing.T) {
	m := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if m == nil {
		t.Fatal("go.mod names no version of Go")
	}
	workflow := read(t, ".github/workflows/test.yml")
	for _, want := range []string{`{ name: "` + m[1] + `", image: "` + m[1] + "-", `go: ["` + m[1] + `", stable]`} {
		if !strings.Contains(workflow, want) {
			t.Errorf("the workflow does not have %s", want)
		}
	}
}

// The README installs the program before it runs it by name, and sets each variable before
// a command uses it.
func TestReadmeCommandsRun(t *testing.T) {
	text := read(t, "README.md")
	before, _, found := strings.Cut(text, "\n$ usher ")
	if !found || !strings.Contains(before, "`go install ./cmd/usher`") || !strings.Contains(before, "`make build`") {
		t.Error("the README runs usher by name before it installs it")
	}
	used := regexp.MustCompile(`\$([A-Z]+)\b`).FindAllStringSubmatchIndex(text, -1)
	for _, at := range used {
		name := text[at[2]:at[3]]
		if !regexp.MustCompile(`(?m)^\$ (` + name + `=|read -rs ` + name + `$)`).MatchString(text[:at[0]]) {
			t.Errorf("the README uses $%s, which no earlier command sets", name)
		}
	}
	if len(used) < 4 {
		t.Errorf("only %d variables were found", len(used))
	}
}

var program = regexp.MustCompile("(?s)```go\n(package main.*?)```")

// The complete programs in the documents compile.
func TestProgramsCompile(t *testing.T) {
	found := 0
	for _, document := range []string{"README.md", "docs/coming-from.md", "docs/protocol.md"} {
		for _, m := range program.FindAllStringSubmatch(read(t, document), -1) {
			found++
			file := filepath.Join(t.TempDir(), "main.go")
			if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "go", "vet", file)
			cmd.Dir = root
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", document, err, out)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d programs were found", found)
	}
}

// A program that imports the SDK is at most 5 % larger than one that uses net/http and
// encoding/json.
func TestSDKIsSmall(t *testing.T) {
	size := func(imports, body string) int64 {
		dir := t.TempDir()
		file, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
		text := "package main\n\nimport (\n" + imports + ")\n\nfunc main() {\n" + body + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, file)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		info, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	bare := size(`"encoding/json"; "fmt"; "net/http"`+"\n", `
	res, err := http.Get("http://localhost:32400/identity")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	var v struct{ MediaContainer struct{ MachineIdentifier string } }
	fmt.Println(json.NewDecoder(res.Body).Decode(&v), v)
`)
	sdk := size(`"context"; "fmt"; "github.com/usher-auth/usher/plexauth"`+"\n", `
	client := &plexauth.Client{ClientIdentifier: "hello"}
	fmt.Println(client.Identity(context.Background()))
`)
	ratio := float64(sdk) / float64(bare)
	t.Logf("%d bytes with the SDK, %d without: %.3f", sdk, bare, ratio)
	if ratio > 1.05 {
		t.Errorf("the SDK makes a program %.3f times as large", ratio)
	}
}

// The SDK must stay small enough to read in an afternoon. The two latest names are a type
// and an error for homes.
func TestSDKHasFewNames(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "doc", "-all", "./plexauth")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^(?:func [A-Z]|type [A-Z]|\t(Err[A-Z]\w*) += )`).FindAllString(string(out), -1)
	if n := len(names); n < 20 || n > 47 {
		t.Errorf("plexauth has %d top-level names, want at most 47", n)
	}
}
