//go:build recipes && linux

package recipes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/test/http/binary"
	"github.com/usher-auth/usher/test/install"
)

const password = "somebody has a password"

// usher is the path of the built binary.
var usher string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "usher-recipes-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if usher, err = binary.Build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// recipe returns the text of a file in deploy/, with replacements. Each replaced text must
// be there.
func recipe(t *testing.T, name string, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(changed, replace[i]) {
			t.Fatalf("%s has no %q", name, replace[i])
		}
		changed = strings.ReplaceAll(changed, replace[i], replace[i+1])
	}
	return changed
}

func write(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// site is usher behind a proxy.
type site struct {
	*testing.T
	dir     string
	address string // usher and the proxy listen on this address
	server  *binary.Server
	base    string
	client  *http.Client
}

const (
	usherPort = "32400"
	proxyPort = "8443"
	// clientAddress is the address that the tests' requests come from.
	clientAddress = "127.0.0.2"
)

// ownAddress returns an address of this machine that no other program uses.
func ownAddress() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 2+rand.IntN(250))
}

// newSite starts usher for a proxy at a host and a path.
func newSite(t *testing.T, host, path string) *site {
	t.Helper()
	s := &site{T: t, dir: t.TempDir(), base: "https://" + host + ":" + proxyPort + path}
	s.address = ownAddress()
	cmd := exec.Command(usher, "serve", "--data", filepath.Join(s.dir, "data"), "--listen", s.address+":"+usherPort,
		"--public-url", s.base, "--trusted-proxy", "127.0.0.1")
	cmd.Env = binary.Env("USHER_ADMIN_USERNAME=olga", "USHER_ADMIN_PASSWORD="+password)
	var err error
	if s.server, err = binary.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.server != nil {
			_ = s.server.Stop()
		}
	})

	// The certificate only needs a key that the client knows: Go's own test certificate is
	// for example.com.
	test := httptest.NewUnstartedServer(nil)
	test.StartTLS()
	t.Cleanup(test.Close)
	pair := test.TLS.Certificates[0]
	writePair(t, s.dir, pair)
	roots := x509.NewCertPool()
	roots.AddCert(test.Certificate())
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddress)}}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com"},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return from.DialContext(ctx, network, net.JoinHostPort(s.address, proxyPort))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, Jar: jar, Timeout: 20 * time.Second}
	return s
}

// run starts a proxy, and waits until it answers.
func (s *site) run(program string, args ...string) {
	s.Helper()
	var log bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	s.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}
	})
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", net.JoinHostPort(s.address, proxyPort))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-gone:
			s.Fatalf("%s exited: %s", program, log.String())
		default:
		}
		if time.Now().After(until) {
			s.Fatalf("%s does not answer", program)
		}
	}
}

// do sends a request with headers that claim another origin.
func (s *site) do(method, address string, form url.Values, header ...string) (*http.Response, string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res, string(body)
}

// works signs in like a program and like a browser.
func (s *site) works() {
	s.Helper()
	device := []string{"X-Plex-Client-Identifier", "tv", "Accept", "application/json"}
	res, body := s.do("POST", s.base+"/api/v2/users/signin", url.Values{"login": {"olga"}, "password": {password}}, device...)
	token := regexp.MustCompile(`"authToken":"(\w+)"`).FindStringSubmatch(body)
	if res.StatusCode != http.StatusCreated || token == nil {
		s.Fatalf("the sign-in: %s: %s", res.Status, body)
	}
	if res.ProtoMajor != 2 || res.TLS == nil {
		s.Errorf("the answer used %s", res.Proto)
	}
	res, body = s.do("GET", s.base+"/api/v2/user.xml", nil, "X-Plex-Token", token[1], "X-Plex-Client-Identifier", "tv")
	if res.StatusCode != 200 || !strings.Contains(body, `thumb="`+s.base+`/users/`) {
		s.Errorf("the user: %s: %.300s", res.Status, body)
	}
	res, body = s.do("POST", s.base+"/api/v2/pins?strong=true", nil, device...)
	qr := regexp.MustCompile(`"qr":"([^"]+)"`).FindStringSubmatch(body)
	if res.StatusCode != http.StatusCreated || qr == nil {
		s.Fatalf("the PIN: %s: %s", res.Status, body)
	}
	if res, body := s.do("GET", qr[1], nil); res.StatusCode != 200 || !strings.HasPrefix(body, "\x89PNG") {
		s.Errorf("the QR code at %s: %s", qr[1], res.Status)
	}

	origin := regexp.MustCompile(`^https://[^/]+`).FindString(s.base)
	res, body = s.do("GET", s.base+"/account", nil)
	action := regexp.MustCompile(`action="([^"]*/auth/sign-in)"`).FindStringSubmatch(body)
	if res.StatusCode != 200 || action == nil || !strings.HasPrefix(res.Request.URL.String(), s.base+"/auth?") {
		s.Fatalf("the sign-in page at %s: %s: %.500s", res.Request.URL, res.Status, body)
	}
	if res.Header.Get("Strict-Transport-Security") == "" {
		s.Error("browsers are not told to use only https")
	}
	style := regexp.MustCompile(`href="([^"]*style\.css[^"]*)"`).FindStringSubmatch(body)
	if res, _ := s.do("GET", origin+style[1], nil); res.StatusCode != 200 {
		s.Errorf("the stylesheet at %s: %s", style[1], res.Status)
	}
	form := url.Values{"login": {"olga"}, "password": {password}, "next": {"/account/devices"}}
	res, body = s.do("POST", origin+action[1], form, "Origin", origin, "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != 200 || res.Request.URL.String() != s.base+"/account/devices" || !strings.Contains(body, "Sign out") {
		s.Errorf("after the sign-in, the browser is at %s: %s", res.Request.URL, res.Status)
	}
	cookies := s.client.Jar.Cookies(res.Request.URL)
	if len(cookies) == 0 {
		s.Error("the browser has no cookie")
	}

	s.do("POST", s.base+"/api/v2/users/signin", url.Values{"login": {"olga"}, "password": {"wrong"}}, device...)
	last := s.server
	s.server = nil
	if err := last.Stop(); err != nil {
		s.Fatal(err)
	}
	requests := 0
	for line := range strings.Lines(last.Log()) {
		if !strings.Contains(line, `"msg":"request"`) || strings.Contains(line, `"path":"/readyz"`) {
			continue
		}
		requests++
		if !strings.Contains(line, `"address":"`+clientAddress+`"`) {
			s.Errorf("the log has another address than %s: %s", clientAddress, line)
		}
	}
	if requests < 8 {
		s.Errorf("the log has %d requests", requests)
	}
}

func TestCaddy(t *testing.T) {
	caddy := install.Need(t, "caddy", "install caddy")
	for name, c := range map[string]struct {
		host, path string
		config     func(*site) string
	}{
		"top": {"usher.example.org", "", func(s *site) string {
			return recipe(t, "caddy/Caddyfile", "usher.example.org {", s.caddySite("usher.example.org"), "127.0.0.1:32400", s.address+":"+usherPort)
		}},
		"below": {"example.org", "/usher", func(s *site) string {
			return recipe(t, "caddy/below.Caddyfile", "example.org {", s.caddySite("example.org"), "127.0.0.1:32400", s.address+":"+usherPort)
		}},
		"below, taken away": {"example.org", "/usher", func(s *site) string {
			return recipe(t, "caddy/below.Caddyfile", "example.org {", s.caddySite("example.org"), "127.0.0.1:32400", s.address+":"+usherPort,
				"handle /usher/*", "handle_path /usher/*")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.host, c.path)
			file := write(t, filepath.Join(s.dir, "Caddyfile"), []byte("{\n\tadmin off\n\tauto_https off\n}\n"+c.config(s)))
			s.run(caddy, "run", "--adapter", "caddyfile", "--config", file)
			s.others(c.path)
			s.works()
		})
	}
}

// caddySite begins a Caddy site at the test's address, with its certificate.
func (s *site) caddySite(host string) string {
	return fmt.Sprintf("https://%s:%s {\n\tbind %s\n\ttls %s/cert.pem %s/key.pem", host, proxyPort, s.address, s.dir, s.dir)
}

// others checks that other paths on the host do not belong to usher.
func (s *site) others(path string) {
	s.Helper()
	if path == "" {
		return
	}
	top := strings.TrimSuffix(s.base, path)
	for _, other := range []string{"/", "/account", "/ushers/", "/identity"} {
		if res, body := s.do("GET", top+other, nil); res.StatusCode != 200 || body != "another site" {
			s.Errorf("%s: %s: %.100s", other, res.Status, body)
		}
	}
	if res, _ := s.do("GET", s.base, nil, "Accept", "text/html"); !strings.HasPrefix(res.Request.URL.String(), s.base+"/") || res.StatusCode != 200 {
		s.Errorf("%s leads to %s: %s", s.base, res.Request.URL, res.Status)
	}
}

func TestNginx(t *testing.T) {
	nginx := install.Need(t, "nginx", "install nginx")
	for name, c := range map[string]struct {
		host, path, file string
		replace          []string
	}{
		"top":   {"usher.example.org", "", "nginx/usher.conf", nil},
		"below": {"example.org", "/usher", "nginx/below.conf", nil},
		"below, taken away": {"example.org", "/usher", "nginx/below.conf", []string{
			"proxy_pass http://127.0.0.1:32400;\n\t\tproxy_http", "proxy_pass http://127.0.0.1:32400/;\n\t\tproxy_http",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.host, c.path)
			server := recipe(t, c.file, append(c.replace, "127.0.0.1:32400", s.address+":"+usherPort,
				"listen 443", "listen "+s.address+":"+proxyPort, "/etc/ssl/usher", s.dir)...)
			user := ""
			if os.Getuid() == 0 {
				user = "user root;\n"
			}
			file := write(t, filepath.Join(s.dir, "nginx.conf"), []byte(fmt.Sprintf(`%sdaemon off;
worker_processes 1;
pid %[2]s/nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
%[3]s
}
`, user, s.dir, server)))
			s.run(nginx, "-p", s.dir, "-e", "stderr", "-c", file)
			s.others(c.path)
			s.works()
		})
	}
}
