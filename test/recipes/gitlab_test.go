//go:build recipes && linux

package recipes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-auth/usher/test/http/binary"
	"github.com/usher-auth/usher/test/install"
)

// gitlab-ci-local validates the snippet with GitLab's schema, and runs a job that extends
// it like a runner with a shell does.
func TestGitLab(t *testing.T) {
	install.NPM(t, "gitlab")
	local, err := filepath.Abs("gitlab/node_modules/.bin/gitlab-ci-local")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "usher-exec.yml"), []byte(recipe(t, "gitlab/usher-exec.yml")))
	write(t, filepath.Join(dir, ".gitlab-ci.yml"), []byte(`include:
  - local: usher-exec.yml
test:
  extends: .usher-exec
  script:
    - curl --silent --show-error --fail --output /dev/null --write-out 'plex.tv says %{http_code}' https://plex.tv/api/v2/ping
`))
	run(t, dir, "git", "init", "--quiet")
	run(t, dir, "git", "add", ".")
	run(t, dir, "git", "remote", "add", "origin", "git@gitlab.example.org:people/project.git")
	cmd := exec.CommandContext(t.Context(), local, "--force-shell-executor", "test")
	cmd.Dir = dir
	cmd.Env = append(binary.Env(), "PATH="+filepath.Dir(usher)+":"+os.Getenv("PATH"), "HOME="+t.TempDir(), "TMPDIR="+t.TempDir(),
		"GIT_AUTHOR_NAME=olga", "GIT_AUTHOR_EMAIL=olga@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "plex.tv says 200") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, ".usher.sh")); !os.IsNotExist(err) {
		t.Errorf("the job has left its file of variables behind: %v", err)
	}
}
