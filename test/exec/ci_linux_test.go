package exec_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/test/http/binary"
)

// decode reads a YAML file, and fails if a key is unknown.
func decode(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// shell runs a script like a CI system, with the built usher in PATH.
func shell(t *testing.T, script string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
	cmd.Env = append(binary.Env(env...), "PATH="+filepath.Dir(usher)+":"+os.Getenv("PATH"), "SELF="+self)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// end stops the daemon whose process is in a file of variables.
func end(t *testing.T, vars string) {
	t.Helper()
	text, err := os.ReadFile(vars)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "USHER_DAEMON_PID=")
	line, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the daemon has ended", func() bool { return !running(pid) })
}

// The GitHub action runs a command, or sends the requests of later steps to usher.
func TestGitHubAction(t *testing.T) {
	type input struct{ Description, Default string }
	var action struct {
		Name, Description string
		Inputs            map[string]input
		Runs              struct {
			Using string
			Steps []struct {
				Shell, Run string
				Env        map[string]string
			}
		}
	}
	folder, err := filepath.Abs("../../.github/actions/usher-exec")
	if err != nil {
		t.Fatal(err)
	}
	decode(t, filepath.Join(folder, "action.yml"), &action)
	if len(action.Runs.Steps) != 1 || action.Runs.Using != "composite" {
		t.Fatalf("the action is %+v", action)
	}
	step := action.Runs.Steps[0]
	try := func(inputs map[string]string) (out, vars string) {
		t.Helper()
		tmp := t.TempDir()
		vars = filepath.Join(tmp, "github.env")
		env := []string{"GITHUB_ACTION_PATH=" + folder, "GITHUB_ENV=" + vars, "GITHUB_PATH=" + filepath.Join(tmp, "path"), "RUNNER_TEMP=" + tmp, "TMPDIR=" + tmp}
		for name, value := range step.Env {
			input := strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")
			d, ok := action.Inputs[input]
			if !ok || d.Description == "" {
				t.Errorf("%s is %s, which is not an input", name, value)
			}
			if given, ok := inputs[input]; ok {
				d.Default = given
			}
			env = append(env, name+"="+d.Default)
		}
		return shell(t, step.Run, env...), vars
	}
	out, _ := try(map[string]string{"run": "$SELF get https://plex.tv/api/v2/ping", "flags": "--quiet --assert max-calls=1"})
	if !strings.Contains(out, "200 HTTP/2.0 ") {
		t.Errorf("the command prints\n%s", out)
	}
	_, vars := try(map[string]string{"flags": "--allow-all"})
	defer end(t, vars)
	text, err := os.ReadFile(vars)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "\nNODE_OPTIONS=") || !strings.Contains(string(text), "\nUSHER_NODE_OPTIONS=--require ") {
		t.Errorf("the variables are\n%s", text)
	}
	if out := shell(t, "$SELF get https://plex.tv/api/v2/ping", strings.Split(strings.TrimSpace(string(text)), "\n")...); !strings.Contains(out, "200 HTTP/2.0 ") {
		t.Errorf("a later step prints\n%s", out)
	}
}

// The GitLab snippet does the same for the script of a job.
func TestGitLabSnippet(t *testing.T) {
	var snippet map[string]struct {
		Variables    map[string]string
		BeforeScript []string `yaml:"before_script"`
		AfterScript  []string `yaml:"after_script"`
	}
	decode(t, "../../deploy/gitlab/usher-exec.yml", &snippet)
	job, ok := snippet[".usher-exec"]
	if !ok {
		t.Fatalf("the snippet is %+v", snippet)
	}
	dir := t.TempDir()
	env := []string{"CI_PROJECT_DIR=" + dir, "TMPDIR=" + t.TempDir()}
	for name, value := range job.Variables {
		env = append(env, name+"="+value)
	}
	out := shell(t, strings.Join(append(job.BeforeScript, `echo "pid $USHER_DAEMON_PID"`, "$SELF get https://plex.tv/api/v2/ping"), "\n"), env...)
	if !strings.Contains(out, "200 HTTP/2.0 ") {
		t.Errorf("the job prints\n%s", out)
	}
	_, rest, _ := strings.Cut(out, "pid ")
	line, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	shell(t, strings.Join(job.AfterScript, "\n"), env...)
	await(t, "the daemon has ended", func() bool { return !running(pid) })
}
