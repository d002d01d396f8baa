//go:build mutation

package mutation_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gremlins is the program that changes the code.
const gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0"

// threshold is how many of 100 changes the tests of a package must detect.
const threshold = 90

// timeout is how many times longer the tests of a changed package may take than the
// unchanged ones, before they count as endless.
const timeout = "3"

// packages are the packages that decide who gets in, and those that they use for it.
var packages = []string{
	"internal/account",
	"internal/device",
	"internal/devicekey",
	"internal/guard",
	"internal/hashing",
	"internal/home",
	"internal/passkey",
	"internal/pin",
	"internal/seal",
	"internal/session",
	"internal/signin",
	"internal/source",
	"internal/token",
	"internal/wire",
	"plexauth/login",
}

var only = flag.String("package", "", "the one package to look at, such as internal/seal; empty: all")

// A mutant is one change of the code.
type mutant struct {
	Type   string
	Status string
	Line   int
	Column int
}

// killed reports whether a test detected it. A change that made the tests run without end
// counts as detected.
func (m mutant) killed() bool { return m.Status == "KILLED" || m.Status == timedOut }

// timedOut is the status of a mutant whose tests took too long.
const timedOut = "TIMED OUT"

// made reports whether the code was changed and its tests were run. Gremlins skips code
// that the tests do not cover, and changes that would not compile. Its coverage does not
// include constants and conditions of a case.
func (m mutant) made() bool { return m.killed() || m.Status == "LIVED" }

func TestMutation(t *testing.T) {
	if *only != "" && !slices.Contains(packages, *only) {
		t.Fatalf("%s is not one of %s", *only, strings.Join(packages, ", "))
	}
	accepted := readAccepted(t, acceptedText)
	module := copyModule(t)
	program := filepath.Join(t.TempDir(), "gremlins")
	install := exec.Command("go", "install", gremlins)
	install.Env = append(os.Environ(), "GOBIN="+filepath.Dir(program))
	command(t, install)
	for _, pkg := range packages {
		if *only != "" && *only != pkg {
			continue
		}
		t.Run(pkg, func(t *testing.T) { measure(t, module, program, pkg, accepted) })
	}
}

// measure runs gremlins on a package and compares its score with the threshold.
func measure(t *testing.T, module, program, pkg string, accepted map[string]string) {
	report := filepath.Join(t.TempDir(), "report.json")
	unleash := exec.Command(program, "unleash", "./"+pkg, "--output", report, "--timeout-coefficient", timeout)
	unleash.Dir = module
	command(t, unleash)
	killed, total := 0, 0
	unused := maps.Clone(accepted)
	maps.DeleteFunc(unused, func(name, _ string) bool {
		file, _, _ := strings.Cut(name, " ")
		return path.Dir(file) != pkg
	})
	var survivors, endless []string
	for file, mutants := range readReport(t, report) {
		for name, m := range named(t, module, pkg+"/"+file, mutants) {
			_, fine := accepted[name]
			line := fmt.Sprintf("%s:%d: %s: %s", file, m.Line, m.Status, name)
			delete(unused, name)
			switch {
			case fine && m.Status == "KILLED":
				t.Errorf("accepted.txt has a change that is detected: %s", name)
			case fine:
				continue
			case m.killed():
				killed++
				if m.Status == timedOut {
					endless = append(endless, line)
				}
			default:
				survivors = append(survivors, line)
			}
			total++
		}
	}
	for name := range unused {
		t.Errorf("accepted.txt has a change that gremlins does not make: %s", name)
	}
	if total == 0 {
		t.Fatal("gremlins changed nothing")
	}
	slices.Sort(survivors)
	slices.Sort(endless)
	if len(endless) > 0 {
		t.Logf("%s: for %d of the detected changes, the tests did not end:\n%s",
			pkg, len(endless), strings.Join(endless, "\n"))
	}
	t.Logf("%s: %d of %d changes were detected (%d %%)\n%s",
		pkg, killed, total, 100*killed/total, strings.Join(survivors, "\n"))
	if 100*killed < threshold*total {
		t.Errorf("%s: %d %% is less than %d %%", pkg, 100*killed/total, threshold)
	}
}

// readReport returns the mutants of each file.
func readReport(t *testing.T, report string) map[string][]mutant {
	t.Helper()
	written, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Files []struct {
			FileName  string `json:"file_name"`
			Mutations []mutant
		}
	}
	if err := json.Unmarshal(written, &read); err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]mutant)
	for _, f := range read.Files {
		files[f.FileName] = f.Mutations
	}
	return files
}

// named returns the changed mutants by their names in accepted.txt: the file, the type, the
// number within the type and the line, and the line's text. Names stay the same when code
// above them changes.
func named(t *testing.T, module, file string, mutants []mutant) map[string]mutant {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(module, file))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	slices.SortFunc(mutants, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	nth := make(map[string]int)
	names := make(map[string]mutant)
	for _, m := range mutants {
		place := fmt.Sprintf("%s %d", m.Type, m.Line)
		nth[place]++
		if !m.made() {
			continue
		}
		name := fmt.Sprintf("%s %s %d: %s", file, m.Type, nth[place], strings.TrimSpace(lines[m.Line-1]))
		for names[name] != (mutant{}) {
			name += " (again)" // two lines have the same text
		}
		names[name] = m
	}
	return names
}

// copyModule copies the module's files that git tracks or would add. Gremlins copies its
// folder repeatedly, and would copy npm packages with it.
func copyModule(t *testing.T) string {
	t.Helper()
	root := filepath.Join("..", "..")
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	module := filepath.Join(t.TempDir(), "module")
	for name := range strings.SplitSeq(strings.TrimRight(command(t, list), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, but not committed yet
		}
		copied := filepath.Join(module, name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(copied), 0o755)
		}
		if err == nil {
			err = os.WriteFile(copied, content, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return module
}

// command runs a command that must succeed, and returns its output.
func command(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}
