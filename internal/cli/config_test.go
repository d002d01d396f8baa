package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// The example configuration file is generated from the flags. Each of its settings is
// valid.
func TestExampleConfiguration(t *testing.T) {
	path := filepath.Join("..", "..", "deploy", "usher.yaml")
	want := exampleConfiguration()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("deploy/usher.yaml does not match the flags: go test ./internal/cli -run Example -update")
	}
	if settings, err := readConfig(path); err != nil || len(settings) != 0 {
		t.Errorf("unchanged, the file has %d settings, %v", len(settings), err)
	}
	settings, err := parseConfig("usher.yaml", regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(got), "$1"))
	if err != nil {
		t.Fatal(err)
	}
	flags, o := pflag.NewFlagSet("", pflag.ContinueOnError), serveOptions{}
	(&folder{env: func(string) (string, bool) { return "", false }}).addFlags(flags)
	o.addFlags(flags)
	for _, s := range settings {
		for _, v := range s.values {
			if err := flags.Set(s.name, v); err != nil {
				t.Errorf("%s: %v", s.place, err)
			}
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Changed {
			t.Errorf("the file has no %s", f.Name)
		}
	})
	// The files that it names do not exist here.
	o.tlsCert, o.tlsKey = "", ""
	if err := o.check(); err == nil || !strings.Contains(err.Error(), "smtp-password") {
		t.Errorf("with every setting, the check of the server says %v", err)
	}
}

// examples are values of settings without a default.
var examples = map[string]string{
	"data": "/var/lib/usher", "database": "postgres://usher@db.example.org/usher", "database-file": "/run/secrets/database",
	"key-file": "/etc/usher/usher.key", "metrics-listen": "127.0.0.1:9181", "metrics-host": "[metrics.example.org]",
	"public-url": "https://usher.example.org", "trusted-proxy": `[127.0.0.1, "::1"]`, "server-id": "0123456789abcdef",
	"tls-cert": "/etc/usher/cert.pem", "tls-key": "/etc/usher/key.pem", "admin-username": "root",
	"admin-email": "root@example.org", "admin-password-file": "/run/secrets/password", "webhook-network": "[192.168.1.0/24]",
	"smtp-url": "smtp://usher@mail.example.org:587?from=usher@example.org", "smtp-url-file": "/run/secrets/smtp-url",
	"smtp-password-file": "/run/secrets/smtp-password",
}

func exampleConfiguration() []byte {
	var b bytes.Buffer
	b.WriteString(`# The settings of usher serve, for --config. Remove the # in front of those that you
# set. A flag takes precedence over a variable of the environment, and a variable over
# this file. "usher config check --config FILE" lists all settings with where each is
# from.
`)
	serverFlags().VisitAll(func(f *pflag.Flag) {
		usage := strings.ReplaceAll(f.Usage, "`", "")
		if f.Name == "data" { // its default depends on the system
			usage, _, _ = strings.Cut(usage, " (")
		}
		value := f.DefValue
		if example, ok := examples[f.Name]; ok {
			value = example
		}
		fmt.Fprintf(&b, "\n%s\n#%s: %s\n", wrapped("# "+strings.ToUpper(usage[:1])+usage[1:]+"."), f.Name, value)
	})
	return b.Bytes()
}

// wrapped breaks a comment into lines.
func wrapped(text string) string {
	var b strings.Builder
	width := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case width+1+len(word) > 88:
			b.WriteString("\n# ")
			width = 2
		default:
			b.WriteString(" ")
			width++
		}
		b.WriteString(word)
		width += len(word)
	}
	return b.String()
}
