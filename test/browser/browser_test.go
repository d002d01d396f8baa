//go:build browser

package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
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

// storyTimeout is the maximum time for one story. On an idle machine, a story takes a few
// seconds.
const storyTimeout = 6 * time.Minute

// screenshots is the folder for the screenshots of the stories.
const screenshots = "../../build/screenshots"

// A scene is the input of a story. story.mjs explains it.
type scene struct {
	URL         string `json:"url"`
	SetUpLink   string `json:"setUpLink,omitempty"`
	Mail        string `json:"mail,omitempty"`
	Started     int64  `json:"started"`
	Usher       string `json:"usher"`
	Data        string `json:"data"`
	Chromium    string `json:"chromium"`
	Screenshots string `json:"screenshots"`
	Admin       person `json:"admin"`
}

// A person is the admin that a story begins with.
type person struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

var admin = person{Username: "olga", Email: "olga@example.com", Password: `correct horse "battery" & <staple>`}

// TestStories runs every story against its own server.
func TestStories(t *testing.T) {
	install.NPM(t, ".")
	chromium := install.Need(t, "chromium", "apt-get install chromium")
	usher, err := binary.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("stories/*.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no stories: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".mjs")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := start(t, usher, placeOf(name))
			sc.Usher, sc.Chromium, sc.Screenshots = usher, chromium, emptyFolder(t, filepath.Join(screenshots, name))
			tell(t, file, sc)
		})
	}
}

// setUpLink matches the link that a server without accounts prints.
var setUpLink = regexp.MustCompile(`(?m)^  (http\S+/setup\?key=\S+)$`)

// A place describes the server of a story.
type place struct {
	empty  bool   // it has no account yet
	signUp bool   // visitors can sign up
	mail   bool   // it can send e-mail
	below  string // the path that browsers reach it at, behind a proxy
}

// placeOf returns the place of a story, from the first words of its name.
func placeOf(story string) place {
	p := place{
		empty: strings.HasPrefix(story, "set-up"), signUp: strings.HasPrefix(story, "sign-up"),
		mail: strings.HasPrefix(story, "mail"),
	}
	if strings.HasPrefix(story, "below") {
		p.below = "/usher"
	}
	return p
}

// start starts a server with an empty data folder, with the host name localhost: browsers
// support passkeys only for names.
func start(t *testing.T, usher string, p place) scene {
	t.Helper()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	sc := scene{URL: "http://localhost:" + port, Data: t.TempDir(), Admin: admin}
	if p.below != "" {
		sc.URL = proxyBelow(t, p.below, address)
	}
	cmd := exec.Command(usher, "serve", "--listen", address, "--public-url", sc.URL, "--data", sc.Data)
	cmd.Env = binary.Env()
	if p.signUp {
		cmd.Env = append(cmd.Env, "USHER_SIGN_UP=true")
	}
	if p.mail {
		sc.Mail = freeAddress(t) // the story itself listens there
		cmd.Env = append(cmd.Env, "USHER_SMTP_URL=smtp://"+sc.Mail+"?from=usher@example.org")
	}
	if !p.empty {
		cmd.Env = append(cmd.Env, "USHER_ADMIN_USERNAME="+admin.Username, "USHER_ADMIN_EMAIL="+admin.Email,
			"USHER_ADMIN_PASSWORD="+admin.Password)
	}
	sc.Started = time.Now().UnixMilli()
	server, err := binary.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", server.Log())
		}
	})
	if p.empty {
		sc.SetUpLink = printedLink(t, server)
	}
	return sc
}

// proxyBelow returns the URL of a reverse proxy. It removes a path and passes requests
// below it on to an address. Other requests are not found.
func proxyBelow(t *testing.T, path, address string) string {
	t.Helper()
	upstream := &url.URL{Scheme: "http", Host: address}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(upstream)
		r.Out.Host = r.In.Host
	}}
	mux := http.NewServeMux()
	mux.Handle(path+"/", http.StripPrefix(path, pass))
	proxy := httptest.NewServer(mux)
	t.Cleanup(proxy.Close)
	_, port, _ := net.SplitHostPort(proxy.Listener.Addr().String())
	return "http://localhost:" + port + path
}

// printedLink waits for the set-up link, which the server prints a moment after
// its address.
func printedLink(t *testing.T, server *binary.Server) string {
	t.Helper()
	for range 100 {
		if m := setUpLink.FindStringSubmatch(server.Printed()); m != nil {
			return m[1]
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the server printed no set-up link:\n%s", server.Printed())
	return ""
}

// tell runs a story and prints its output. It fails if the story fails.
func tell(t *testing.T, file string, sc scene) {
	t.Helper()
	text, err := json.Marshal(sc)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scene.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", file, path)
	cmd.Env = binary.Env("NO_PROXY=*", "no_proxy=*")
	// A story that takes too long is interrupted, so that it can close its browser.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begun := time.Now()
	err = cmd.Run()
	t.Log(fmt.Sprintf("%.1f s\n", time.Since(begun).Seconds()) + out.String())
	if err != nil {
		t.Errorf("node %s: %v", file, err)
	}
}

// freeAddress is an unused loopback address. The server needs it in advance, as
// part of its public URL.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// emptyFolder creates an empty folder, without the contents of an earlier run, and
// returns its absolute path.
func emptyFolder(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err == nil {
		err = os.RemoveAll(path)
	}
	if err == nil {
		err = os.MkdirAll(path, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
