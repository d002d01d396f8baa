package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/zalando/go-keyring"

	"github.com/usher-auth/usher/plexauth"
)

// localServer is the default address of an usher on this machine.
const localServer = "http://" + defaultListen

// profile is a server and the account that is signed in to it, stored between
// commands. The token is stored separately.
type profile struct {
	// AccountURL is the address of the account plane.
	AccountURL string `json:"accountUrl"`
	// MediaURL is the address of the media plane.
	MediaURL string `json:"mediaUrl"`
	// Username is the signed-in account, or empty.
	Username string `json:"username,omitempty"`
	// InKeyring reports whether the token is in the system's keyring, rather than in a file.
	InKeyring bool `json:"inKeyring,omitempty"`
}

// defaultProfile is the profile of a command without --profile.
const defaultProfile = "default"

// clientFlags are the flags of every command that calls a server.
type clientFlags struct{ profile, accountURL, mediaURL string }

// remote is the server that a client command calls, as its flags select it, with the
// stored sign-in.
type remote struct {
	flags   clientFlags
	env     environ
	console *console
}

// clientCommand adds the client flags to a command.
func (r *remote) clientCommand(cmd *cobra.Command) *cobra.Command {
	f := cmd.Flags()
	f.StringVar(&r.flags.profile, "profile", defaultProfile, "`name` of the profile that stores the server and the sign-in")
	f.StringVar(&r.flags.accountURL, "account-url", "", "`URL` of the account plane (default the profile's, or "+localServer+")")
	f.StringVar(&r.flags.mediaURL, "media-url", "", "`URL` of the media server (default the profile's, or the account plane's)")
	return r.console.jsonFlag(cmd)
}

var profileName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// profileDir is the folder of a profile, in the user's configuration folder.
func (r *remote) profileDir() (string, error) {
	if !profileName.MatchString(r.flags.profile) || r.flags.profile == "." || r.flags.profile == ".." {
		return "", wrongUse("--profile %s: a name has letters, digits, dots, dashes and underscores", r.flags.profile)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the configuration folder: %w", err)
	}
	return filepath.Join(dir, "usher", "profiles", r.flags.profile), nil
}

// loadProfile reads the profile and applies the flags to it.
func (r *remote) loadProfile() (profile, error) {
	var p profile
	dir, err := r.profileDir()
	if err != nil {
		return p, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "profile.json"))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return p, fmt.Errorf("reading the profile: %w", err)
	}
	if elsewhere := strings.TrimRight(r.flags.accountURL, "/"); elsewhere != "" && elsewhere != p.AccountURL {
		// A token is for the server that issued it, and is never sent to another.
		p = profile{AccountURL: elsewhere}
	}
	if p.AccountURL == "" {
		p.AccountURL = localServer
	}
	if r.flags.mediaURL != "" {
		p.MediaURL = r.flags.mediaURL
	}
	if p.MediaURL == "" {
		p.MediaURL = p.AccountURL
	}
	return p, checkURLs(p)
}

func checkURLs(p profile) error {
	for _, given := range [...]struct{ flag, text string }{{"--account-url", p.AccountURL}, {"--media-url", p.MediaURL}} {
		u, err := url.Parse(given.text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil ||
			u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return wrongUse("%s is not of the form https://HOST", given.flag)
		}
	}
	return nil
}

// saveProfile writes the profile.
func (r *remote) saveProfile(p profile) error {
	dir, err := r.profileDir()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	// Write a new file and rename it, so that the profile is never incomplete.
	part := filepath.Join(dir, "profile.json.new")
	err = os.WriteFile(part, append(text, '\n'), 0o600)
	if err == nil {
		err = os.Rename(part, filepath.Join(dir, "profile.json"))
	}
	if err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	return nil
}

// keyringService is the name of usher's entries in the keyring.
const keyringService = "usher"

// keyringName is the name of a profile's entry. It contains the server, so that a
// token is never sent to another one.
func (r *remote) keyringName(p profile) string { return r.flags.profile + " at " + p.AccountURL }

// keepToken stores a token in the system's keyring or, without a keyring, in a
// file that only its owner can read. It sets p.InKeyring accordingly.
func (r *remote) keepToken(p *profile, token plexauth.Secret) error {
	file, err := r.tokenFile()
	if err != nil {
		return err
	}
	if r.keyring() && keyring.Set(keyringService, r.keyringName(*p), string(token)) == nil {
		p.InKeyring = true
		return file.Set("")
	}
	p.InKeyring = false
	return file.Set(token)
}

// forgetToken deletes a profile's token from the keyring or the file.
func (r *remote) forgetToken(p profile) error {
	file, err := r.tokenFile()
	if err != nil {
		return err
	}
	if p.InKeyring {
		if err := keyring.Delete(keyringService, r.keyringName(p)); err != nil && !errors.Is(err, keyring.ErrNotFound) {
			return &hintError{fmt.Errorf("deleting the token: %w", err), "start the keyring, or use another --profile"}
		}
	}
	return file.Set("")
}

func (r *remote) tokenFile() (plexauth.FileToken, error) {
	dir, err := r.profileDir()
	return plexauth.FileToken{Path: filepath.Join(dir, "token")}, err
}

// noKeyringEnv has no flag: it describes the machine, not a command.
const noKeyringEnv = envPrefix + "NO_KEYRING"

// keyring reports whether to use the keyring.
func (r *remote) keyring() bool {
	off, _ := r.env(noKeyringEnv)
	return off == ""
}

// keyringToken is a token in the system's keyring.
type keyringToken struct{ name string }

// Token implements plexauth.TokenSource.
func (t keyringToken) Token(context.Context) (plexauth.Secret, error) {
	text, err := keyring.Get(keyringService, t.name)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the keyring: %w", err)
	}
	return plexauth.Secret(text), nil
}

// newClient returns the client of a command and its profile.
func (r *remote) newClient() (*plexauth.Client, profile, error) {
	p, err := r.loadProfile()
	if err != nil {
		return nil, p, err
	}
	id, err := plexauth.LoadClientIdentifier("usher")
	if err != nil {
		return nil, p, err
	}
	file, err := r.tokenFile()
	if err != nil {
		return nil, p, err
	}
	c := &plexauth.Client{
		ClientIdentifier: id, AccountURL: p.AccountURL, MediaURL: p.MediaURL, Product: "usher", Version: version(), Token: file,
	}
	switch {
	case p.InKeyring:
		c.Token = keyringToken{r.keyringName(p)}
	case p.Username == "": // not signed in: the file belongs to another server
		c.Token = plexauth.StaticToken("")
	}
	if host, err := os.Hostname(); err == nil {
		c.DeviceName = host
	}
	return c, p, nil
}

// signInAgain returns the command that signs in to a profile.
func (r *remote) signInAgain(p profile) string {
	again := "usher signin --account-url " + shellQuote(p.AccountURL)
	if r.flags.profile != defaultProfile {
		again += " --profile " + shellQuote(r.flags.profile)
	}
	return again
}

// explain turns an error of the client into a message for the user, with the next
// step and the exit code. Scripts distinguish rejected from unreachable by the code.
func (r *remote) explain(p profile, err error) error {
	var e *plexauth.Error
	if !errors.As(err, &e) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	where := e.URL
	if u, err := url.Parse(e.URL); err == nil {
		where = u.Scheme + "://" + u.Host
	}
	again := r.signInAgain(p)
	switch {
	case errors.Is(err, plexauth.ErrUnreachable):
		return &codeError{&hintError{fmt.Errorf("no response from %s: %w", where, e.Unwrap()), unreachableHint(err)}, exitUnreachable}
	case e.StatusCode == http.StatusBadRequest && bytes.Contains(e.Body, []byte(httpsOnly)):
		flag := choose(strings.HasPrefix(e.URL, p.AccountURL), "--account-url", "--media-url")
		secure := "https" + strings.TrimPrefix(where, "http")
		return &hintError{fmt.Errorf("%s accepts https only", where), flag + " " + secure}
	case errors.Is(err, plexauth.ErrUnauthorized) && e.Operation == "SignIn":
		return errors.New("the login or the password is wrong")
	case errors.Is(err, plexauth.ErrUnauthorized) && e.StatusCode == 0:
		return &hintError{fmt.Errorf("not signed in at %s", where), again}
	case errors.Is(err, plexauth.ErrUnauthorized):
		return &hintError{fmt.Errorf("%s no longer accepts the stored token", where), again}
	case errors.Is(err, plexauth.ErrForbidden):
		return &hintError{fmt.Errorf("%s denies this to the account", where), "sign in as an admin"}
	case len(e.Details) > 0:
		return fmt.Errorf("%s says: %s", where, printable([]string{e.Details[0].Message})[0])
	case e.StatusCode == 0 && e.Unwrap() != nil:
		return e.Unwrap()
	case e.Unwrap() != nil:
		return fmt.Errorf("invalid response from %s: %w", where, e.Unwrap())
	}
	return fmt.Errorf("%s returned %d %s", where, e.StatusCode, http.StatusText(e.StatusCode))
}

// httpsOnly is the response of a Go server with TLS to a plain HTTP request.
const httpsOnly = "Client sent an HTTP request to an HTTPS server"

// unreachableHint is the next step if there was no response.
func unreachableHint(err error) string {
	var unverified *tls.CertificateVerificationError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case !errors.As(err, &unverified):
		return "is the server running? set its address with --account-url or --media-url"
	case errors.As(err, &name):
		return "set --account-url or --media-url to a name in the certificate"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate, or correct the clock of this machine"
	case runtime.GOOS == "darwin" || runtime.GOOS == "windows":
		return "if the certificate is your own, add it to the certificates that the system trusts"
	}
	return "if the certificate is your own, set SSL_CERT_FILE=cert.pem in the environment to trust it"
}
