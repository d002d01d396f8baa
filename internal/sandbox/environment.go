package sandbox

import (
	_ "embed" // the hooks
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The hooks that Python and Node load at their start. Those of others are in runtimes.go.
var (
	//go:embed hooks/sitecustomize.py
	pythonHook string
	//go:embed hooks/node.cjs
	nodeHook string
)

// Session leads programs that this one does not start to the handler, by variables
// and hooks: Environment without a command.
type Session struct {
	// Env is the environment of the Config with what leads here.
	Env []string

	run    *run
	front  *front
	ports  []int // where it listens
	folder string
	close  []func() error
}

// Open opens a Session. The Config needs no Command.
func Open(cfg Config) (*Session, error) {
	cfg.Env = environ(cfg.Env).withoutOthers()
	r := &run{cfg: &cfg}
	s, err := r.session()
	if err != nil {
		r.endKeeper()
		return nil, err
	}
	return s, nil
}

// Close ends a Session that Open has opened, and removes its files.
func (s *Session) Close() {
	s.end()
	s.run.readRefused(s.folder)
	s.run.endKeeper()
}

// end closes the listeners and connections.
func (s *Session) end() {
	for _, f := range s.close {
		_ = f()
	}
	s.front.stop()
}

// session opens the listeners and writes the files.
func (r *run) session() (*Session, error) {
	if err := r.certify(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	proxy := l.Addr().(*net.TCPAddr)
	s := &Session{run: r, front: newFront(r.cfg, r.authority), ports: []int{proxy.Port}, close: []func() error{l.Close}}
	s.front.proxy = true
	go s.front.listen(l)
	// Where the port is in use, the hooks lead to l.
	if local, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.cfg.localPort()))); err == nil {
		s.ports, s.close = append(s.ports, r.cfg.localPort()), append(s.close, local.Close)
		go s.front.listen(local)
	} else {
		r.cfg.observe(Event{Kind: Unreachable, Host: "localhost", Port: r.cfg.localPort(), Err: err})
	}
	if s.folder, err = r.folder(); err == nil {
		var env environ
		env, err = r.variables(s.folder, proxy)
		s.Env = env
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// environment runs the command with variables and hooks that lead it here. why says
// why it has no network of its own; it can be nil.
func (r *run) environment(why error) (Status, error) {
	sig := catchSignals()
	defer sig.stop()
	s, err := r.session()
	if err != nil {
		return Status{}, err
	}
	defer s.end()
	// Child processes of the command end with it, like in a namespace.
	if err := r.keeper.add(keepPrograms, s.folder); err != nil {
		return Status{}, err
	}
	// The kernel ends the command when the thread that started it ends: see tie.
	return onOwnThread(func() (Status, error) { return r.runIn(s, sig, why) })
}

// runIn runs the command in a session.
func (r *run) runIn(s *Session, sig *signals, why error) (Status, error) {
	cmd := &exec.Cmd{
		Path: r.path, Args: r.cfg.Command, Env: s.Env,
		Stdin: orNull(r.cfg.Stdin), Stdout: orNull(r.cfg.Stdout), Stderr: orNull(r.cfg.Stderr),
	}
	tie(cmd)
	if r.cfg.Landlock {
		if err := connectOnly(r.cfg.connectable(s.ports)); err != nil {
			return Status{}, fmt.Errorf("limiting where the program connects to: %w", err)
		}
	}
	late, err := r.begin(Environment, why)
	if err != nil {
		return Status{}, err
	}
	cmd.Env = environ(cmd.Env).replacing(late)
	if err := cmd.Start(); err != nil {
		return Status{}, commandError(r.cfg.Command[0], err)
	}
	status, err := sig.wait(cmd)
	r.readRefused(s.folder)
	return status, err
}

// refusedFile is where the hooks write what they refuse: a host and a port in each
// line.
const refusedFile = "refused.txt"

// readRefused reads what the hooks have refused.
func (r *run) readRefused(folder string) {
	text, err := os.ReadFile(filepath.Join(folder, refusedFile))
	if err != nil {
		return // nothing was refused
	}
	for line := range strings.Lines(string(text)) {
		e := Event{Kind: Refused}
		if _, err := fmt.Sscan(line, &e.Host, &e.Port); err == nil {
			r.cfg.observe(e)
		}
	}
}

// folder creates the private folder of the run, which the keeper removes.
func (r *run) folder() (string, error) {
	if err := r.keep(); err != nil {
		return "", err
	}
	folder, err := temporaryFolder()
	if err != nil {
		return "", fmt.Errorf("creating a folder for certificates: %w", err)
	}
	return folder, r.keeper.add(keepFolder, folder)
}

// temporaryFolder creates a folder that only its owner can read, where TMPDIR says or,
// if that cannot be written, where other temporary files are. The command and the keeper
// have other working directories.
func temporaryFolder() (string, error) {
	var first error
	for _, dir := range append([]string{os.TempDir()}, otherTemporary...) {
		folder, err := os.MkdirTemp(dir, folderPrefix)
		if err == nil {
			return filepath.Abs(folder)
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

// otherTemporary are folders for temporary files besides that of TMPDIR.
var otherTemporary = []string{"/tmp", "/var/tmp", "/dev/shm"}

// variables writes the certificates and the hooks, and returns the environment that
// leads to them.
func (r *run) variables(folder string, proxy *net.TCPAddr) (environ, error) {
	bundle := filepath.Join(folder, "certificates.pem")
	python, node, wget := filepath.Join(folder, "python"), filepath.Join(folder, "node.cjs"), filepath.Join(folder, "wgetrc")
	settings := r.settings(bundle, proxy)
	if err := os.Mkdir(python, 0o700); err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{
		bundle: []byte(r.certificates()),
		node:   []byte(strings.Replace(nodeHook, "{} // usher exec: settings", settings.json(), 1)),
		filepath.Join(python, "sitecustomize.py"): pythonHookFor(settings),
		wget: environ(r.cfg.Env).wgetSettings(bundle),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
	}
	env := r.cfg.cleanEnv().trusting(bundle, nil).set("WGETRC", wget)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		env = env.set(name, "http://"+proxy.String()).set(strings.ToLower(name), "http://"+proxy.String())
	}
	env = env.set("NO_PROXY", "").set("no_proxy", "")
	env = env.first("PYTHONPATH", python, string(os.PathListSeparator))
	env = env.first("NODE_OPTIONS", "--require "+strconv.Quote(filepath.ToSlash(node)), " ")
	return r.leadRuntimes(env, folder, proxy, settings)
}

// hookSettings are what the hooks must know. A hook without an address leads
// nowhere: it only makes packages trust the certificates.
type hookSettings struct {
	Address   []any    `json:"address"`
	Domains   []string `json:"domains"`
	LocalPort int      `json:"localPort"`
	Allow     []string `json:"allow"`
	AllowAll  bool     `json:"allowAll"`
	Bundle    string   `json:"bundle"`
	Refused   string   `json:"refused"`
}

func (r *run) settings(bundle string, proxy *net.TCPAddr) hookSettings {
	s := hookSettings{
		Address: []any{proxy.IP.String(), proxy.Port}, Domains: r.cfg.Domains, LocalPort: r.cfg.localPort(),
		Allow: []string{}, AllowAll: r.cfg.AllowAll, Bundle: bundle,
		Refused: filepath.Join(filepath.Dir(bundle), refusedFile),
	}
	for _, d := range r.cfg.Allow {
		s.Allow = append(s.Allow, d.Host)
	}
	return s
}

// json returns the settings as an object of JavaScript.
func (s hookSettings) json() string {
	text, err := json.Marshal(s)
	if err != nil {
		return "{}" // it has nothing that can fail
	}
	return string(text)
}

// pythonHookFor returns the hook of Python.
func pythonHookFor(s hookSettings) []byte {
	return []byte(strings.Replace(pythonHook, "{}  # usher exec: settings",
		`__import__("json").loads(`+strconv.QuoteToASCII(s.json())+`)`, 1))
}

// certificates are those that the command trusts: the system's, those of its own
// variables, and the authority's.
func (r *run) certificates() string {
	var b strings.Builder
	system, _ := r.bundles()
	for _, path := range append([]string{system}, environ(r.cfg.Env).own(system)...) {
		if text, err := os.ReadFile(path); err == nil {
			b.Write(text)
			b.WriteString("\n")
		}
	}
	b.Write(r.authority.pem)
	return b.String()
}
