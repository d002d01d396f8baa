//go:build recipes && linux

package recipes

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/test/http/binary"
	"github.com/usher-auth/usher/test/install"
)

// run runs a program that must succeed, and returns its output.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// The alerts are valid, and fire when they should (usher.rules.test.yaml has the cases).
func TestAlerts(t *testing.T) {
	promtool := install.Need(t, "promtool", "install prometheus")
	dir := filepath.Join("..", "..", "deploy", "prometheus")
	run(t, dir, promtool, "check", "rules", "usher.rules.yaml")
	run(t, dir, promtool, "test", "rules", "usher.rules.test.yaml")
	for _, name := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(recipe(t, "prometheus/usher.rules.yaml"), -1) {
		if !strings.Contains(recipe(t, "prometheus/usher.rules.test.yaml"), "alertname: "+name[1]) {
			t.Errorf("%s is not tested", name[1])
		}
	}
}

// Prometheus parses each expression of the dashboard.
func TestDashboard(t *testing.T) {
	promtool := install.Need(t, "promtool", "install prometheus")
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(recipe(t, "grafana/usher.json")), &board); err != nil {
		t.Fatal(err)
	}
	rules := "groups:\n  - name: dashboard\n    rules:\n"
	count := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$job", "usher").Replace(target.Expr)
			quoted, err := json.Marshal(expr)
			if err != nil {
				t.Fatal(err)
			}
			rules += "      - record: dashboard\n        labels: {n: \"" + strings.Repeat("i", count+1) + "\"}\n        expr: " + string(quoted) + "\n"
			count++
		}
	}
	if count < 12 {
		t.Errorf("only %d expressions", count)
	}
	run(t, ".", promtool, "check", "rules", write(t, filepath.Join(t.TempDir(), "dashboard.yaml"), []byte(rules)))
}

// refused are the addresses that the log of refusals counts, once for each attempt.
const refused = "192.0.2.2 192.0.2.3 2001:db8::4 192.0.2.5 192.0.2.5 192.0.2.5 192.0.2.5 192.0.2.5"

// refusals returns the log, in JSON, of a server that has rejected sign-ins. It also has
// other requests, and attempts to forge lines.
func refusals(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(usher, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1", "--failed-tries", "3")
	cmd.Env = binary.Env("USHER_ADMIN_USERNAME=olga", "USHER_ADMIN_PASSWORD="+password)
	server, err := binary.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, from, password string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+path, strings.NewReader(url.Values{"login": {"olga"}, "password": {password}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Plex-Client-Identifier", "tv")
		req.Header.Set("X-Forwarded-For", from)
		if path == "/users/sign_in.json" {
			req.SetBasicAuth("olga", password)
		}
		// Attack: the client sends text that looks like the end of a line.
		req.Header.Set("X-Plex-Product", `","address":"198.51.100.99"}`)
		req.Header.Set("User-Agent", `","address":"198.51.100.99"}`)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	post("/api/v2/users/signin", "192.0.2.1", password) // correct
	post("/api/v2/users/signin", "192.0.2.2", "wrong")
	post("/users/sign_in.json", "192.0.2.3", "wrong")
	post("/auth/sign-in", "2001:db8::4", "wrong")
	for range 5 { // until they are rate-limited
		post("/api/v2/users/signin", "192.0.2.5", "wrong")
	}
	post("/api/v2/nothing?status=401", "192.0.2.6", "wrong")
	post("/api/v2/pins", "192.0.2.7", "")
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	log := server.Log()
	// Attack: a line that only contains the text of a counted line.
	log += `{"time":"2026-01-01T00:00:00Z","level":"WARN","msg":"a \"msg\":\"request\",\"method\":\"POST\",\"path\":\"/auth/sign-in\",\"status\":401,\"bytes\":1,\"ms\":1,\"address\":\"198.51.100.99\"}"}` + "\n"
	// The second factor was requested: no attempt failed.
	log += `{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"request","method":"POST","path":"/api/v2/users/signin","status":401,"bytes":1,"ms":1.5,"address":"192.0.2.8","code":1029}` + "\n"
	return log
}

// fail2ban finds the rejected sign-ins in a server's log, and nothing else.
func TestFail2ban(t *testing.T) {
	fail2ban := install.Need(t, "fail2ban-regex", "install fail2ban")
	log := refusals(t)
	// The format of the journal.
	journal := regexp.MustCompile(`(?m)^\{`).ReplaceAllString(log, "host usher[123]: {")
	for name, text := range map[string]string{"file": log, "journal": journal} {
		filter := recipe(t, "fail2ban/filter.conf")
		if name == "journal" { // it stores the time separately from the line
			text = regexp.MustCompile(`(?m)^host`).ReplaceAllString(text, "2026-01-01 00:00:00 host")
			filter = regexp.MustCompile(`(?m)^datepattern = .*$`).ReplaceAllString(filter, `datepattern = ^%%Y-%%m-%%d %%H:%%M:%%S\s`)
		}
		folder := t.TempDir()
		file := write(t, filepath.Join(folder, "usher.log"), []byte(text))
		got := strings.Fields(run(t, ".", fail2ban, "-o", "<ip>", file, write(t, filepath.Join(folder, "usher.conf"), []byte(filter))))
		if strings.Join(got, " ") != refused {
			t.Errorf("%s: fail2ban bans %q, want %q, in\n%s", name, got, refused, text)
		}
	}
}

// mandoc and man report no problems with the man page.
func TestManPage(t *testing.T) {
	mandoc := install.Need(t, "mandoc", "install mandoc")
	page := filepath.Join("..", "..", "docs", "usher.1")
	if out := run(t, ".", mandoc, "-T", "lint", "-W", "warning", page); out != "" {
		t.Error(out)
	}
	shown := run(t, ".", mandoc, "-T", "utf8", page)
	for _, command := range []string{"serve", "account add", "config check", "backup"} {
		if !strings.Contains(shown, command) {
			t.Errorf("the page does not show usher %s", command)
		}
	}
}

// systemd accepts the units.
func TestUnits(t *testing.T) {
	analyze := install.Need(t, "systemd-analyze", "install systemd")
	dir := t.TempDir()
	for _, name := range []string{"usher.service", "usher-backup.service", "usher-backup.timer"} {
		text := strings.ReplaceAll(recipe(t, "systemd/"+name), "/usr/bin/usher", usher)
		text = strings.ReplaceAll(text, "User=usher", "User=root") // the user may not exist on this machine
		write(t, filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "Group=usher", "Group=root")))
	}
	cmd := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(dir, "usher.service"),
		filepath.Join(dir, "usher-backup.service"), filepath.Join(dir, "usher-backup.timer"))
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) {
			t.Errorf("%s", line)
		}
	}
	if err != nil && strings.Contains(string(out), dir) {
		t.Error(err)
	}
}

// The command of the backup unit creates a backup while the server runs.
func TestBackupUnit(t *testing.T) {
	dir := t.TempDir()
	data, backups := filepath.Join(dir, "data"), filepath.Join(dir, "backups")
	if err := os.Mkdir(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(usher, "serve", "--data", data, "--listen", "127.0.0.1:0")
	cmd.Env = binary.Env()
	server, err := binary.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	unit := recipe(t, "systemd/usher-backup.service", "/usr/bin/usher", usher, "/var/backups/usher", backups, "/var/lib/usher", data)
	// It backs up what the server uses, which may be a database on another machine.
	for setting, want := range map[string]bool{"EnvironmentFile=-/etc/usher/usher.env": true, "ConditionPathExists": false, "PrivateNetwork": false} {
		if strings.Contains(unit, "\n"+setting) != want {
			t.Errorf("%s in the unit: %v, want %v", setting, !want, want)
		}
	}
	found := regexp.MustCompile(`(?m)^ExecStart=/bin/sh -c '(.*)'$`).FindStringSubmatch(unit)
	if found == nil {
		t.Fatal("no ExecStart")
	}
	script := strings.NewReplacer("$$", "$", "%%", "%").Replace(found[1])
	backup := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	backup.Env = binary.Env("USHER_DATA=" + data)
	if out, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(backups, "usher-*.db"))
	if err != nil || len(made) != 1 {
		t.Fatalf("%d backups, %v", len(made), err)
	}
	after := regexp.MustCompile(`(?m)^ExecStartPost=(\S+) (.*)$`).FindStringSubmatch(unit)
	run(t, dir, filepath.Base(after[1]), strings.Fields(after[2])...)
	if _, err := os.Stat(made[0]); err != nil {
		t.Errorf("the new backup was removed: %v", err)
	}
}
