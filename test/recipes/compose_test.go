//go:build recipes && linux

package recipes

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/test/http/binary"
)

// usher works with the variables and the secret of the compose file: the first admin
// exists, and clients receive the proxy's address.
func TestComposeService(t *testing.T) {
	var project struct {
		Services map[string]struct {
			Environment map[string]string
			Secrets     []string
		}
	}
	if err := yaml.Unmarshal([]byte(recipe(t, "compose/compose.yaml")), &project); err != nil {
		t.Fatal(err)
	}
	service := project.Services["usher"]
	secrets := t.TempDir()
	for _, name := range service.Secrets {
		write(t, filepath.Join(secrets, name), []byte(password+"\n"))
	}
	// The image sets the first two variables.
	address := ownAddress() + ":" + usherPort
	env := []string{"USHER_DATA=" + t.TempDir(), "USHER_LISTEN=" + address}
	for name, value := range service.Environment {
		env = append(env, name+"="+strings.ReplaceAll(value, "/run/secrets", secrets))
	}
	cmd := exec.Command(usher, "serve")
	cmd.Env = binary.Env(env...)
	server, err := binary.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	login := service.Environment["USHER_ADMIN_USERNAME"]
	var account struct{ AuthToken, Thumb string }
	if err := json.Unmarshal([]byte(signIn(t, "http://"+address, login)), &account); err != nil {
		t.Fatal(err)
	}
	if public := service.Environment["USHER_PUBLIC_URL"]; account.AuthToken == "" || !strings.HasPrefix(account.Thumb, public+"/") {
		t.Errorf("the URL of the picture is %s, and usher's is %s", account.Thumb, public)
	}
}
