//go:build clients

package clients_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long usher may take to become ready, and stopTimeout how long it may
// take to exit.
const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
)

// noticeTime is how long a running usher may take to see changes on the command line.
const noticeTime = time.Second

// A person is an account of the test. Its fields are those in a scene.
type person struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
	// Secret is the key of the second factor, if the account has one.
	Secret string `json:"secret,omitempty"`
}

// A source is a server or a provider of the test.
type source struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Connections []connection `json:"connections"`
}

// A connection has the values that clients must receive for one address.
type connection struct {
	URI      string `json:"uri"`
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	Port     int    `json:"port"`
	Local    bool   `json:"local"`
}

// A scene is the input of a script. node/check.mjs explains its format.
type scene struct {
	Slug      string `json:"slug"`
	URL       string `json:"url"`
	MachineID string `json:"machineId"`
	Admin     person `json:"admin"`
	Plain     person `json:"plain"`
	Second    person `json:"second"`
	Server    source `json:"server"`
	Provider  source `json:"provider"`
}

// The password has characters that are special in a form, a Basic header and a shell.
const password = `p w+1&2=3%4"5'6:7`

var (
	admin = person{Username: "olga", Email: "olga@example.com", Password: password}

	den = source{
		ID:   "den-4f2a",
		Name: "Den",
		Connections: []connection{
			{"http://127.0.0.1:32499", "http", "127.0.0.1", 32499, true},
			{"https://den.example.com:32400", "https", "den.example.com", 32400, false},
		},
	}
	epg = source{
		ID:   "epg-77",
		Name: "Guide",
		Connections: []connection{
			{"https://guide.example.com:443", "https", "guide.example.com", 443, false},
		},
	}
)

// An instance is a running usher with its own data folder.
type instance struct {
	binary    string
	data      string
	port      string
	url       string
	machineID string
}

// buildUsher builds the binary under test, or returns the one in USHER_BIN.
func buildUsher(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("USHER_BIN"); program != "" {
		return program
	}
	program := filepath.Join(t.TempDir(), "usher")
	run(t, "../..", "go", "build", "-o", program, "./cmd/usher")
	return program
}

// startUsher starts usher with an admin and the sources, and stops it when the test ends.
// If there is an authority, it uses TLS, with a certificate for plex.tv that the authority
// has signed.
func startUsher(t *testing.T, program string, ca *authority) *instance {
	t.Helper()
	u := &instance{binary: program, data: filepath.Join(t.TempDir(), "data"), port: freePort(t)}
	u.url = "http://127.0.0.1:" + u.port
	httpClient := &http.Client{Timeout: time.Second}
	argv := []string{
		"serve", "--listen", "127.0.0.1:" + u.port, "--data", u.data, "--log-level", "warn",
	}
	if ca != nil {
		u.url = "https://127.0.0.1:" + u.port
		httpClient.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool}}
		certFile, keyFile := ca.sign(t, "plex.tv", "clients.plex.tv")
		argv = append(argv, "--tls-cert", certFile, "--tls-key", keyFile)
	}

	log, err := os.Create(filepath.Join(t.TempDir(), "usher.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, argv...)
	cmd.Env = append(os.Environ(),
		"USHER_ADMIN_USERNAME="+admin.Username,
		"USHER_ADMIN_EMAIL="+admin.Email,
		"USHER_ADMIN_PASSWORD="+admin.Password,
	)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	t.Cleanup(func() {
		stop(t, cmd, gone)
		if t.Failed() {
			printed, _ := os.ReadFile(log.Name())
			t.Logf("usher on %s printed:\n%s", u.url, printed)
		}
	})

	u.machineID = waitReady(t, httpClient, u.url, gone)
	addSource(t, u, "server", den)
	addSource(t, u, "provider", epg)
	return u
}

// stop asks usher to stop, and waits until it has exited.
func stop(t *testing.T, cmd *exec.Cmd, gone <-chan struct{}) {
	t.Helper()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-gone:
	case <-time.After(stopTimeout):
		t.Errorf("usher still runs %v after SIGTERM", stopTimeout)
		_ = cmd.Process.Kill()
		<-gone
	}
}

// waitReady waits until usher answers, and returns its version.
func waitReady(t *testing.T, client *http.Client, base string, gone <-chan struct{}) string {
	t.Helper()
	var last error
	deadline := time.Now().Add(startTimeout)
	for ; time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-gone:
			t.Fatal("usher exited before it was ready")
		default:
		}
		if last = ask(client, base+"/readyz", nil); last != nil {
			continue
		}
		var identity struct {
			MediaContainer struct{ MachineIdentifier string }
		}
		if err := ask(client, base+"/identity", &identity); err != nil {
			t.Fatal(err)
		}
		return identity.MediaContainer.MachineIdentifier
	}
	t.Fatalf("usher is not ready after %v: %v", startTimeout, last)
	return ""
}

// ask sends a request that must return status 200, and decodes the JSON of the
// response unless into is nil.
func ask(client *http.Client, url string, into any) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	if into == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// freePort returns an unused loopback port.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// cli runs a command of usher on the data of the running instance.
func (u *instance) cli(t *testing.T, stdin string, argv ...string) string {
	t.Helper()
	return runWith(t, "", stdin, append(append([]string{u.binary}, argv...), "--data", u.data)...)
}

// addSource adds a server or a provider.
func addSource(t *testing.T, u *instance, kind string, s source) {
	t.Helper()
	argv := []string{kind, "add", s.Name, "--id", s.ID}
	for _, c := range s.Connections {
		argv = append(argv, "--connection", c.URI)
	}
	u.cli(t, "", argv...)
}

// A cast has the accounts of one client. Each client has its own, so that wrong passwords
// and used codes do not affect other clients.
type cast struct {
	plain  person
	second person
}

// addCast creates the accounts of one client.
func addCast(t *testing.T, u *instance, c client) cast {
	t.Helper()
	people := cast{plain: addPerson(t, u, "plain-"+c.slug), second: addPerson(t, u, "second-"+c.slug)}
	u.cli(t, "", "share", "add", den.ID, people.plain.Username)

	var enrolled struct{ Secret string }
	printed := u.cli(t, "", "account", "totp", people.second.Username, "--json", "--yes")
	if err := json.Unmarshal([]byte(printed), &enrolled); err != nil || enrolled.Secret == "" {
		t.Fatalf("account totp printed %q, which holds no secret: %v", printed, err)
	}
	people.second.Secret = enrolled.Secret
	return people
}

// writeScene writes the input of a client's script and returns the file.
func writeScene(t *testing.T, u *instance, c client, people cast) string {
	t.Helper()
	s := scene{
		Slug: c.slug, URL: u.url, MachineID: u.machineID,
		Admin: admin, Plain: people.plain, Second: people.second, Server: den, Provider: epg,
	}
	written, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scene.json")
	if err := os.WriteFile(path, written, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// addPerson creates a plain account.
func addPerson(t *testing.T, u *instance, name string) person {
	t.Helper()
	name = strings.ReplaceAll(name, ".", "-")
	p := person{Username: name, Email: name + "+test@example.com", Password: password}
	u.cli(t, p.Password+"\n", "account", "add", p.Username, "--email", p.Email, "--password-stdin")
	return p
}

// An authority signs certificates. Only this test trusts it.
type authority struct {
	certFile string
	cert     *x509.Certificate
	key      *ecdsa.PrivateKey
	pool     *x509.CertPool
}

// newAuthority creates an authority with a new key.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "usher client tests"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	ca := &authority{
		certFile: filepath.Join(t.TempDir(), "ca.pem"), cert: cert, key: key, pool: x509.NewCertPool(),
	}
	ca.pool.AddCert(cert)
	writePEM(t, ca.certFile, "CERTIFICATE", der)
	return ca
}

// sign creates a certificate for the names and for 127.0.0.1. It returns the files of the
// certificate and of its key.
func (ca *authority) sign(t *testing.T, names ...string) (certFile, keyFile string) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    ca.cert.NotBefore,
		NotAfter:     ca.cert.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", private)
	return certFile, keyFile
}

// newKey creates the key of a certificate.
func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// writePEM writes one PEM block to a file.
func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
}
