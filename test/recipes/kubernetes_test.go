//go:build recipes && linux

package recipes

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/test/http/binary"
)

// pod is the part of a Deployment that a kubelet runs and probes.
type pod struct {
	Spec struct {
		TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
		Containers                    []struct {
			Args           []string
			Env            []struct{ Name, Value string }
			ReadinessProbe probe `yaml:"readinessProbe"`
			LivenessProbe  probe `yaml:"livenessProbe"`
		}
	}
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// readPod returns the pod of the manifest. (test/recipes/manifests validates the whole
// manifest.)
func readPod(t *testing.T) pod {
	t.Helper()
	dec := yaml.NewDecoder(strings.NewReader(recipe(t, "kubernetes/usher.yaml")))
	for {
		var object struct {
			Kind string
			Spec struct{ Template pod }
		}
		if err := dec.Decode(&object); err != nil {
			t.Fatalf("the manifest has no Deployment: %v", err)
		}
		if object.Kind == "Deployment" {
			return object.Spec.Template
		}
	}
}

// start runs the container of the pod as a node with its own address, like the kubelet
// does: with its arguments, its variables and the files of the secret.
func (p pod) start(t *testing.T, address, secret string, more ...string) *binary.Server {
	t.Helper()
	c := p.Spec.Containers[0]
	env := []string{"USHER_DATA=" + t.TempDir()} // the image sets /data
	for _, v := range c.Env {
		value := strings.NewReplacer("0.0.0.0:", address+":", "/etc/usher", secret).Replace(v.Value)
		env = append(env, v.Name+"="+value)
	}
	cmd := exec.Command(usher, c.Args...)
	cmd.Env = binary.Env(append(env, more...)...)
	server, err := binary.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Kill() })
	return server
}

// ask sends a probe to a node, and returns the status.
func (p pod) ask(t *testing.T, address string, asked probe) int {
	t.Helper()
	port := map[string]string{"http": "32400", "metrics": "9181"}[asked.HTTPGet.Port]
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get("http://" + address + ":" + port + asked.HTTPGet.Path)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// await waits until a probe has a status.
func (p pod) await(t *testing.T, address string, asked probe, status int) {
	t.Helper()
	last := 0
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if last = p.ask(t, address, asked); last == status {
			return
		}
	}
	t.Fatalf("%s returns %d, and does not change to %d", asked.HTTPGet.Path, last, status)
}

// Two pods of the manifest use one PostgreSQL. Their probes return the right status, and a
// pod that is deleted gets no more requests before it stops.
func TestKubernetesPods(t *testing.T) {
	if !pgtest.Available(t) {
		t.Fatal("PostgreSQL is missing")
	}
	database, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer database.Stop()
	secret := t.TempDir()
	write(t, filepath.Join(secret, "database"), []byte(database.URL("postgres")+"\n"))
	p := readPod(t)
	container := p.Spec.Containers[0]
	ready, alive := container.ReadinessProbe, container.LivenessProbe

	// The first node creates the key file for the secret.
	first := exec.CommandContext(t.Context(), usher, "account", "add", "olga", "--admin", "--password-stdin")
	first.Env = binary.Env("USHER_DATA="+t.TempDir(), "USHER_DATABASE_FILE="+filepath.Join(secret, "database"), "USHER_KEY_FILE="+filepath.Join(secret, "usher.key"))
	first.Stdin = strings.NewReader(password + "\n")
	if out, err := first.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The kubelet's file modes: the group may read.
	for _, name := range []string{"database", "usher.key"} {
		if err := os.Chmod(filepath.Join(secret, name), 0o440); err != nil {
			t.Fatal(err)
		}
	}
	a, b := ownAddress(), ownAddress()
	// One of them keeps draining while the test watches. test/recipes/manifests compares
	// the manifest's ten seconds with the probe and with terminationGracePeriodSeconds.
	one, two := p.start(t, a, secret, "USHER_DRAIN=1h"), p.start(t, b, secret, "USHER_DRAIN=0s")
	for _, address := range []string{a, b} {
		p.await(t, address, ready, 200)
		p.await(t, address, alive, 200)
	}
	signIn(t, "http://"+a+":32400", "olga")

	// Without its database, a node is not ready, but it is not restarted.
	database.Pause()
	p.await(t, a, ready, 503)
	if status := p.ask(t, a, alive); status != 200 {
		t.Errorf("without the database, the liveness probe returns %d", status)
	}
	database.Resume()
	p.await(t, a, ready, 200)
	p.await(t, b, ready, 200)

	// A pod that is deleted answers until the others have noticed, and stops in time.
	if err := one.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(t, a, ready, 503)
	signIn(t, "http://"+a+":32400", "olga")
	signIn(t, "http://"+b+":32400", "olga")
	began := time.Now()
	if err := two.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Duration(p.Spec.TerminationGracePeriodSeconds)*time.Second {
		t.Errorf("the pod took %v to stop", took)
	}
}

// signIn signs in like a program does, and returns the answer.
func signIn(t *testing.T, base, login string) string {
	t.Helper()
	form := url.Values{"login": {login}, "password": {password}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/api/v2/users/signin", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Plex-Client-Identifier", "tv")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("the sign-in at %s: %s, %v", base, res.Status, err)
	}
	return string(body)
}
