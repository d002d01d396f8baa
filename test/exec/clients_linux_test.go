//go:build clients

package exec_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/usher-auth/usher/test/install"
)

// client is a way to make requests in a programming language.
type client struct {
	name    string
	command []string // the URL is its last argument
	// not says why it does not reach usher by variables and hooks. If empty, it does.
	not string
}

// row is the client's row of the table in docs/clients.md.
func (c client) row() string {
	env := "yes"
	if c.not != "" {
		env = "no"
	}
	return strings.TrimSuffix(fmt.Sprintf("| %s | yes | yes | %s | %[2]s | %s", c.name, env, c.not), " ") + " |"
}

// clients are the rows of the table in docs/clients.md. classes is the class path of the
// Java programs.
func clients(python, classes string) []client {
	java := func(name, class, kind, not string) client {
		return client{name: "Java " + name, command: []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, class, kind}, not: not}
	}
	php := func(name, script, not string) client {
		return client{name: "PHP " + name, command: []string{"php", filepath.Join("..", "php", script)}, not: not}
	}
	ruby := func(name, script string) client {
		return client{name: "Ruby " + name, command: []string{"ruby", "-e", "u = ARGV[0]\n" + script}}
	}
	py := func(name, script string) client {
		return client{name: "Python " + name, command: []string{python, "-c", "import sys\nu = sys.argv[1]\n" + script}}
	}
	node := func(name, script string) client {
		return client{
			name:    "Node " + name,
			command: []string{"node", "--input-type=module", "-e", "const u = process.argv[1]\n" + script, "--"},
		}
	}
	return []client{
		{name: "curl", command: []string{"curl", "-sS", "-m", "20"}},
		{name: "wget", command: []string{"wget", "-qO-", "-T", "20", "-t", "1"}},
		{name: "Go, static", command: []string{self, "get"}},
		py("urllib", "import urllib.request\nprint(urllib.request.urlopen(u).read())"),
		py("http.client", "import http.client, urllib.parse\np = urllib.parse.urlsplit(u)\nc = http.client.HTTPSConnection(p.hostname)\nc.request('GET', p.path)\nprint(c.getresponse().read())"),
		py("requests", "import requests\nprint(requests.get(u).text)"),
		py("requests, verify=certifi.where()", "import certifi, requests\nprint(requests.get(u, verify=certifi.where()).text)"),
		py("requests, trust_env=False", "import requests\ns = requests.Session()\ns.trust_env = False\nprint(s.get(u).text)"),
		py("httpx", "import httpx\nprint(httpx.get(u).text)"),
		py("aiohttp", "import aiohttp, asyncio\nasync def main():\n async with aiohttp.ClientSession() as s:\n  async with s.get(u) as r: print(await r.text())\nasyncio.run(main())"),
		py("aiohttp, trust_env=True", "import aiohttp, asyncio\nasync def main():\n async with aiohttp.ClientSession(trust_env=True) as s:\n  async with s.get(u) as r: print(await r.text())\nasyncio.run(main())"),
		py("urllib3", "import urllib3\nprint(urllib3.PoolManager(retries=False).request('GET', u).data)"),
		node("fetch", "console.log(await (await fetch(u)).text())"),
		node("https", "import https from 'node:https'\nhttps.get(u, r => r.pipe(process.stdout))"),
		node("http2", "import http2 from 'node:http2'\nconst p = new URL(u), c = http2.connect(p.origin), r = c.request({':path': p.pathname})\nr.pipe(process.stdout)\nr.on('end', () => c.close())"),
		node("axios", "import axios from 'axios'\nconsole.log(JSON.stringify((await axios.get(u)).data))"),
		node("got", "import got from 'got'\nconsole.log(await got(u).text())"),
		node("node-fetch", "import fetch from 'node-fetch'\nconsole.log(await (await fetch(u)).text())"),
		node("undici", "import { request } from 'undici'\nconsole.log(await (await request(u)).body.text())"),
		java("HttpURLConnection", "Get", "HttpURLConnection", ""),
		java("HttpClient", "Get", "HttpClient", ""),
		java("OkHttp", "Libraries", "OkHttp", ""),
		java("Apache HttpClient", "Libraries", "Apache", "it reads the proxy system properties only if it is configured to"),
		java("Apache HttpClient, useSystemProperties", "Libraries", "System", ""),
		php("curl", "curl.php", ""),
		php("file_get_contents", "stream.php", ""),
		php("file_get_contents with a context", "context.php", "the program's own context has no proxy, and PHP has no variable for it"),
		ruby("Net::HTTP", "require 'net/http'\nputs Net::HTTP.get(URI(u))"),
		ruby("open-uri", "require 'open-uri'\nputs URI.open(u).read"),
		ruby("TCPSocket", `require 'openssl'
require 'uri'
at = URI(u)
s = OpenSSL::SSL::SSLSocket.new(TCPSocket.new(at.host, at.port))
s.hostname = at.host
s.connect
s.post_connection_check(at.host)
s.write("GET #{at.path} HTTP/1.1\r\nHost: #{at.host}\r\nConnection: close\r\n\r\n")
puts s.read`),
	}
}

// compile compiles the Java programs, and returns their class path.
func compile(t *testing.T) (classes string) {
	t.Helper()
	libraries := filepath.Join(mavenLibraries(t), "*")
	classes = t.TempDir()
	args := []string{"-cp", libraries, "-d", classes, "java/Get.java", "java/Libraries.java"}
	if out, err := exec.CommandContext(t.Context(), "javac", args...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	return classes + ":" + libraries
}

// mavenLibraries installs the libraries of the Java programs, and returns their folder.
func mavenLibraries(t *testing.T) string {
	t.Helper()
	mvn := install.Need(t, "mvn", "apt-get install maven")
	folder, err := filepath.Abs("java/lib")
	if err != nil {
		t.Fatal(err)
	}
	install.Once(t, folder, "java/pom.xml", func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), mvn, "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", "-DoutputDirectory="+folder)
		cmd.Dir = "java"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("mvn: %v\n%s", err, out)
		}
	})
	return folder
}

// ordinary runs a program as a user without capabilities: in a user namespace in which the
// test's files belong to that user.
func ordinary(s *started) {
	const id = 1000
	s.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: os.Getegid(), Size: 1}},
	}
}

// venv returns a Python with packages.
func venv(t *testing.T) string {
	t.Helper()
	python := install.Need(t, "python3", "install Python 3.10 or newer")
	folder, err := filepath.Abs("python/.venv")
	if err != nil {
		t.Fatal(err)
	}
	install.Once(t, folder, "python/requirements.txt", func() {
		for _, argv := range [][]string{
			{python, "-m", "venv", "--clear", folder},
			{filepath.Join(folder, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "-r", "python/requirements.txt"},
		} {
			if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
			}
		}
	})
	return filepath.Join(folder, "bin", "python")
}

// Each client reaches usher without changes or configuration, as root and as an ordinary
// user, and is blocked from another host. The table is in docs/clients.md.
func TestClients(t *testing.T) {
	python := venv(t)
	install.NPM(t, "node")
	for program, pkg := range map[string]string{
		"curl": "curl", "wget": "wget", "java": "default-jdk-headless", "javac": "default-jdk-headless", "php": "php-cli php-curl", "ruby": "ruby",
	} {
		install.Need(t, program, "apt-get install "+pkg)
	}
	var rows []string
	for _, c := range clients(python, compile(t)) {
		rows = append(rows, c.row())
		t.Run(c.name, func(t *testing.T) {
			modes(t, func(t *testing.T, mode string) {
				try := func(u string, as func(*started)) result {
					s := newCommand(t, append([]string{"--mode", mode, "--quiet", "--", "timeout", "60"}, append(c.command, u)...)...)
					s.Dir = "node"
					as(s)
					if err := s.Start(); err != nil {
						t.Fatal(err)
					}
					return finish(t, s)
				}
				want := mode == "namespace" || c.not == ""
				for name, as := range users(t) {
					r := try("https://plex.tv/api/v2/ping", as)
					if reached := strings.Contains(r.out, "pong"); reached != want {
						t.Errorf("%s reaches usher as %s: %v, want %v\n%s%s", c.name, name, reached, want, r.out, r.err)
					}
				}
				if r := try("https://other.example/", func(*started) {}); want && !strings.Contains(r.err, "refused other.example") {
					t.Errorf("%s: usher does not report the blocked host:\n%s%s", c.name, r.out, r.err)
				}
			})
		})
	}
	compareRows(t, rows)
}

// users returns how to run programs as each user.
func users(t *testing.T) map[string]func(*started) {
	list := map[string]func(*started){"the user who runs the test": func(*started) {}}
	if allowed(t) { // another user needs a namespace
		list["an ordinary user"] = ordinary
	}
	return list
}

// compareRows compares the rows of the table in docs/clients.md.
func compareRows(t *testing.T, rows []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| client | namespace: root | user | env: root | user | why not |\n|---|---|---|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	want := strings.Join(rows, "\n")
	if strings.TrimSpace(table) != want || !found {
		t.Errorf("the table in docs/clients.md is not\n%s", want)
	}
}

// python-plexapi signs in and connects to a server, with its defaults.
func TestPlexAPI(t *testing.T) {
	python := venv(t)
	modes(t, func(t *testing.T, mode string) {
		run(t, "--mode", mode, "--", python, "python/plexapi_signin.py").check(t, 0, []string{"pong member"}, nil)
	})
}

var (
	docFile    = regexp.MustCompile("(?s)```(?:python|js|go|sh)\n((?:#|//) (\\S+)\n.*?)```")
	docCommand = regexp.MustCompile(`(?m)^\$ usher exec -- (.*\b(\S+\.\w+))$`)
)

// A test from a document, copied and run by a new user, works.
func TestDocument(t *testing.T) {
	for name, files := range map[string]int{"testing.md": 8, "from-mocks.md": 2} {
		t.Run(name, func(t *testing.T) { testDocument(t, name, files) })
	}
}

// testDocument runs the tests in a document, which must have count of them.
func testDocument(t *testing.T, name string, count int) {
	python := venv(t)
	document, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pythonPath := installPackages(t, python, dir)
	files := docFile.FindAllSubmatch(document, -1)
	for _, m := range files {
		if err := os.WriteFile(filepath.Join(dir, string(m[2])), m[1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := docCommand.FindAllSubmatch(document, -1)
	if len(files) != count || len(commands) != len(files) {
		t.Fatalf("the document has %d tests and %d commands", len(files), len(commands))
	}
	for _, m := range commands {
		argv := strings.Fields(string(m[1]))
		if argv[0] == "python" {
			argv[0] = python
		}
		inTurn(t, func(t *testing.T, mode string) {
			s := newCommand(t, append([]string{"--mode", mode, "--"}, argv...)...)
			s.Dir = dir
			s.Env = append(s.Env, "PYTHONPATH="+pythonPath, "GOFLAGS=-mod=mod", "GOPROXY=off")
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			finish(t, s).check(t, 0, nil, nil)
		})
	}
}

// installPackages installs the project's packages for programs in a folder. It returns the
// folder of the Python package.
func installPackages(t *testing.T, python, dir string) (pythonPath string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "node_modules"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "clients", "node"), filepath.Join(dir, "node_modules", "usher-exec")); err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "github.com/usher-auth/usher"
	text := strings.Replace(string(module), "module "+name, "module example.org/test", 1) +
		"\nrequire " + name + " v0.0.0\n\nreplace " + name + " => " + root + "\n"
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600); err != nil {
		t.Fatal(err)
	}
	return installPython(t, python)
}
