package sandbox

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Java key store has the certificates of a file in order. The checksum at its end is that
// of the password "changeit".
func TestJavaStore(t *testing.T) {
	a, err := newAuthority(testDomains, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("no certificate")})
	store := javaStore(bytes.Join([][]byte{[]byte("# a comment\n"), a.pem, other, a.pem}, []byte("\n")))
	if got := binary.BigEndian.Uint32(store[8:]); got != 2 {
		t.Fatalf("it has %d certificates, want 2", got)
	}
	if got := bytes.Count(store, a.cert.Raw); got != 2 {
		t.Errorf("the certificate is %d times in it, want 2", got)
	}
	content := store[:len(store)-sha1.Size]
	want := sha1.Sum(append([]byte("\x00c\x00h\x00a\x00n\x00g\x00e\x00i\x00tMighty Aphrodite"), content...))
	if !bytes.Equal(store[len(content):], want[:]) {
		t.Error("the checksum at the end is wrong")
	}
}

// Existing values in the variables of runtimes stay.
func TestRuntimesKeepTheirVariables(t *testing.T) {
	a, err := newAuthority(testDomains, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "java"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(filepath.Join(bin, "java")); err != nil {
		bin = "" // Windows knows a program by its name
	}
	folder := filepath.Join(t.TempDir(), "it's a folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	r := &run{cfg: &Config{Domains: testDomains, Ports: []int{443, 32400}, Env: []string{"PATH=" + bin}}, authority: a}
	env := environ{
		"PATH=" + bin, "JAVA_HOME=" + bin, "JAVA_TOOL_OPTIONS=-Dmine=1", "RUBYOPT=-W0", "RUBYLIB=mine", "PHP_INI_SCAN_DIR=mine",
	}
	proxy := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}
	s := r.settings(filepath.Join(folder, "certificates.pem"), proxy)
	if env, err = r.leadRuntimes(env, folder, proxy, s); err != nil {
		t.Fatal(err)
	}
	list := string(os.PathListSeparator)
	for name, want := range map[string]string{
		"RUBYOPT": "-rusher_exec -W0", "RUBYLIB": filepath.Join(folder, "ruby") + list + "mine",
		"PHP_INI_SCAN_DIR": "mine" + list + filepath.Join(folder, "php"),
	} {
		if got := env.get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	java := env.get("JAVA_TOOL_OPTIONS")
	for _, want := range []string{"-Dmine=1 ", `"-Djavax.net.ssl.trustStore=` + filepath.Join(folder, "java.jks") + `"`, "-Dhttps.proxyPort=4711"} {
		if bin != "" && !strings.Contains(java, want) {
			t.Errorf("JAVA_TOOL_OPTIONS is %q, without %q", java, want)
		}
	}
	// A quote in the folder's name does not close a string in the hooks.
	for _, name := range []string{"php/prepend.php", "ruby/usher_exec.rb"} {
		text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if err != nil || !strings.Contains(string(text), `it\'s a folder`) || strings.Contains(string(text), "'{}'") {
			t.Errorf("%s is %s, %v", name, text, err)
		}
	}
}

// wget's own settings stay, wherever they are. The certificates come after them.
func TestWgetKeepsItsSettings(t *testing.T) {
	home, other := t.TempDir(), filepath.Join(t.TempDir(), "mine")
	for path, text := range map[string]string{filepath.Join(home, ".wgetrc"): "tries = 7", other: "tries = 8\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		env  environ
		want string
	}{
		{environ{"HOME=" + home}, "tries = 7\nca_certificate = /x.pem\n"},
		{environ{"HOME=" + home, "WGETRC=" + other}, "tries = 8\n\nca_certificate = /x.pem\n"},
		{environ{"HOME=" + home, "WGETRC=/nowhere"}, "\nca_certificate = /x.pem\n"},
		{environ{}, "\nca_certificate = /x.pem\n"},
	} {
		if got := string(x.env.wgetSettings("/x.pem")); got != x.want {
			t.Errorf("%v: %q, want %q", x.env, got, x.want)
		}
	}
}

// Without Java, nothing is said to it.
func TestNoJava(t *testing.T) {
	if (environ{"PATH=" + t.TempDir()}).runsJava() {
		t.Error("Java was found in an empty folder")
	}
}
