//go:build clients

package exec_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/test/install"
)

// client is a way in which programs make requests, in a language.
type client struct {
	name    string
	command []string // the URL is its last argument
	// not says why it does not reach usher by variables and hooks; empty: it
	// does.
	not string
}

// clients are the rows of the table in docs/testing.md.
func clients(python string) []client {
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
		{name: "wget", command: []string{"wget", "-qO-", "-T", "20", "-t", "1"}, not: "Debian's build, with GnuTLS, reads no variable for certificates"},
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
	}
}

// venv returns a Python with the packages.
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

// Each client reaches usher without being changed or configured, and is refused
// another host. The table is in docs/testing.md.
func TestClients(t *testing.T) {
	python := venv(t)
	install.NPM(t, "node")
	install.Need(t, "curl", "apt-get install curl")
	install.Need(t, "wget", "apt-get install wget")
	document, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients(python) {
		t.Run(c.name, func(t *testing.T) {
			modes(t, func(t *testing.T, mode string) {
				try := func(u string) result {
					s := newCommand(t, append([]string{"--mode", mode, "--quiet", "--", "timeout", "60"}, append(c.command, u)...)...)
					s.Dir = "node"
					if err := s.Start(); err != nil {
						t.Fatal(err)
					}
					return finish(t, s)
				}
				r := try("https://plex.tv/api/v2/ping")
				reached := strings.Contains(r.out, "pong")
				if want := mode == "namespace" || c.not == ""; reached != want {
					t.Errorf("%s reaches usher: %v, want %v\n%s%s", c.name, reached, want, r.out, r.err)
				}
				if r := try("https://other.example/"); reached && !strings.Contains(r.err, "refused other.example") {
					t.Errorf("%s: usher does not report the refused host:\n%s%s", c.name, r.out, r.err)
				}
			})
		})
		row := "| " + c.name + " | yes | "
		if c.not == "" {
			row += "yes | |"
		} else {
			row += "no | " + c.not + " |"
		}
		if !strings.Contains(string(document), row) {
			t.Errorf("docs/testing.md has no row %s", row)
		}
	}
}

// python-plexapi signs in and connects to a server, with nothing but its own
// defaults.
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

// A new user copies a test from docs/testing.md and runs its command.
func TestDocument(t *testing.T) {
	python := venv(t)
	document, err := os.ReadFile("../../docs/testing.md")
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
	if len(files) != 8 || len(commands) != len(files) {
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

// installPackages installs the packages of the project, as they are here, for
// programs in a folder. It returns where that for Python is.
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
