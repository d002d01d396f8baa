package manifests

import (
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose reads a compose file like "docker compose" does: an unknown key is an error, and
// so is a network, volume or secret that a service uses but the file does not define.
func compose(t *testing.T, file string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("usher"))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func TestCompose(t *testing.T) {
	project, err := compose(t, "../../../deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	usher, err := project.GetService("usher")
	if err != nil {
		t.Fatal(err)
	}
	if !usher.ReadOnly || usher.Privileged || len(usher.CapAdd) > 0 || strings.Join(usher.CapDrop, " ") != "ALL" {
		t.Errorf("usher has more privileges than it needs: %+v", usher)
	}
	if len(usher.Ports) > 0 {
		t.Errorf("usher can be reached without the proxy, at %v", usher.Ports)
	}
	written := false
	for _, v := range usher.Volumes {
		written = written || v.Target == "/data" && v.Type == types.VolumeTypeVolume && !v.ReadOnly
	}
	if !written {
		t.Errorf("usher's data is not in a volume: %+v", usher.Volumes)
	}
	for _, secret := range usher.Secrets {
		if name := usher.Environment["USHER_ADMIN_PASSWORD_FILE"]; name == nil || *name != "/run/secrets/"+secret.Source {
			t.Errorf("the password is in /run/secrets/%s, and usher reads another file", secret.Source)
		}
	}
	front := project.Networks["front"].Ipam.Config
	if len(front) != 1 || usher.Environment["USHER_TRUSTED_PROXY"] == nil || front[0].Subnet != *usher.Environment["USHER_TRUSTED_PROXY"] {
		t.Errorf("usher trusts another network than that of the proxy: %+v", front)
	}
}

// The check above detects errors.
func TestComposeErrors(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"an unknown key":      {"read_only: true", "readonly: true"},
		"a missing volume":    {"  certificates: {}\n", ""},
		"a missing secret":    {"secrets:\n  admin-password:", "secrets:\n  password:"},
		"a wrong type":        {"cap_drop: [ALL]", "cap_drop: ALL"},
		"a missing service":   {"depends_on: [usher]", "depends_on: [server]"},
		"a key that is twice": {"    read_only: true\n", "    read_only: true\n    read_only: false\n"},
	} {
		changed := strings.Replace(string(text), change[0], change[1], 1)
		if changed == string(text) {
			t.Fatalf("%s: nothing was changed", name)
		}
		file := t.TempDir() + "/compose.yaml"
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := compose(t, file); err == nil {
			t.Errorf("%s is not an error", name)
		}
	}
}
