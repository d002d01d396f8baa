//go:build recipes && linux

package recipes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// crowdsec is a CrowdSec with its own files, which has only the recipe.
type crowdsec struct {
	t              *testing.T
	files          string // of Debian's package
	config, folder string
}

// newCrowdSec configures it, and starts its local API, which its agent requires.
func newCrowdSec(t *testing.T) crowdsec {
	t.Helper()
	files, err := filepath.Abs("../../build/crowdsec")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(files, "usr/bin/crowdsec")); err != nil {
		t.Fatalf("%v: make deploy installs it", err)
	}
	c := crowdsec{t: t, files: files, folder: t.TempDir()}
	link := func(to, from string) {
		t.Helper()
		to = filepath.Join(c.folder, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	hub := filepath.Join(files, "usr/share/crowdsec/hub")
	link("patterns", filepath.Join(files, "etc/crowdsec/patterns"))
	link("simulation.yaml", filepath.Join(files, "etc/crowdsec/simulation.yaml"))
	link("profiles.yaml", filepath.Join(files, "etc/crowdsec/profiles.yaml"))
	link("parsers/s00-raw/syslog-logs.yaml", filepath.Join(hub, "parsers/s00-raw/crowdsecurity/syslog-logs.yaml"))
	link("parsers/s02-enrich/dateparse-enrich.yaml", filepath.Join(hub, "parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml"))
	// CrowdSec treats links as items of its hub. These files are not hub items, so they are
	// copied.
	for name, to := range map[string]string{"parser.yaml": "parsers/s01-parse/usher.yaml", "scenario.yaml": "scenarios/usher.yaml"} {
		to = filepath.Join(c.folder, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, to, []byte(recipe(t, "crowdsec/"+name)))
	}
	write(t, filepath.Join(c.folder, "acquis.yaml"), nil)
	c.config = write(t, filepath.Join(c.folder, "config.yaml"), fmt.Appendf(nil, `
common: {daemonize: false, log_media: stdout, log_level: info, working_dir: .}
config_paths:
  config_dir: %[1]s/
  data_dir: %[1]s/
  simulation_path: %[1]s/simulation.yaml
  hub_dir: %[2]s
  index_path: %[2]s/.index.json
  notification_dir: %[1]s/notifications
  plugin_dir: %[1]s/plugins
crowdsec_service: {acquisition_path: %[1]s/acquis.yaml, parser_routines: 1}
db_config: {type: sqlite, db_path: %[1]s/crowdsec.db, log_level: error}
api:
  client: {credentials_path: %[1]s/credentials.yaml}
  server: {log_level: error, listen_uri: "%[3]s:8080", profiles_path: %[1]s/profiles.yaml}
prometheus: {enabled: false}
`, c.folder, hub, ownAddress()))
	c.run("cscli", "machines", "add", "test", "--auto")

	api := c.command("crowdsec", "-no-cs", "-no-capi")
	if err := api.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = api.Process.Kill()
		_ = api.Wait()
	})
	for until := time.Now().Add(time.Minute); c.command("cscli", "lapi", "status").Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the API of CrowdSec does not answer")
		}
	}
	return c
}

func (c crowdsec) command(program string, args ...string) *exec.Cmd {
	return exec.CommandContext(c.t.Context(), filepath.Join(c.files, "usr/bin", program), append([]string{"-c", c.config}, args...)...)
}

func (c crowdsec) run(program string, args ...string) string {
	c.t.Helper()
	out, err := c.command(program, args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// read passes a log to CrowdSec. It returns the addresses of the lines that count, and
// CrowdSec's output.
func (c crowdsec) read(log string) (addresses []string, said string) {
	c.t.Helper()
	dump := c.t.TempDir()
	file := write(c.t, filepath.Join(dump, "usher.log"), []byte(log))
	said = c.run("crowdsec", "-no-api", "-dsn", "file://"+file, "-type", "syslog", "-dump-data", dump)
	text, err := os.ReadFile(filepath.Join(dump, "parser-dump.yaml"))
	if err != nil {
		c.t.Fatalf("%v\n%s", err, said)
	}
	var stages map[string]map[string][]struct {
		Success bool `yaml:"success"`
		Evt     struct {
			Meta map[string]string `yaml:"Meta"`
		} `yaml:"evt"`
	}
	if err := yaml.Unmarshal(text, &stages); err != nil {
		c.t.Fatal(err)
	}
	for _, line := range stages["s02-enrich"]["crowdsecurity/dateparse-enrich"] {
		if !line.Success || line.Evt.Meta["log_type"] != "usher_refused" || line.Evt.Meta["service"] != "usher" {
			c.t.Errorf("a line counts as %+v", line)
		}
		addresses = append(addresses, line.Evt.Meta["source_ip"])
	}
	return addresses, said
}

// CrowdSec finds the rejected sign-ins in a server's log, in the format of the journal, and
// nothing else. An address with too many is banned.
func TestCrowdSec(t *testing.T) {
	c := newCrowdSec(t)
	asJournal := func(log string) string {
		return regexp.MustCompile(`(?m)^\{`).ReplaceAllString(log, "Jan  1 00:00:00 host usher[123]: {")
	}
	got, said := c.read(asJournal(refusals(t)))
	if strings.Join(got, " ") != refused {
		t.Errorf("CrowdSec counts %q, want %q", got, refused)
	}
	if strings.Contains(said, "performed") {
		t.Errorf("a few attempts are already too many:\n%s", said)
	}
	var many strings.Builder
	for second := range 30 {
		fmt.Fprintf(&many, `{"time":"2026-01-01T00:00:%02dZ","level":"INFO","msg":"request","method":"POST","path":"/auth/sign-in","status":401,"bytes":1,"ms":1.5,"address":"192.0.2.9"}`+"\n", second)
	}
	if _, said := c.read(asJournal(many.String())); !strings.Contains(said, "Ip 192.0.2.9 performed 'usher-auth/usher-bf' (21 events") {
		t.Errorf("30 attempts in 30 seconds are not too many:\n%s", said)
	}
}
