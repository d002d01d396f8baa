package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/control"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/stage"
	"github.com/usher-auth/usher/internal/traffic"
	"github.com/usher-auth/usher/internal/trouble"
)

// execRun is the usher that a program is redirected to: one in memory, or one that runs
// elsewhere. The one in memory opens while the program is prepared.
type execRun struct {
	traffic *traffic.Recorder
	// control is the address of the control API, and secret its token. Both are empty
	// for an usher elsewhere.
	control net.Listener
	secret  control.Secret
	// controlPorts are those that the program must reach.
	controlPorts []int

	opened chan struct{} // closed when the fields below are set
	err    error         // why nothing answers
	// stage is the usher in memory; nil: it runs elsewhere.
	stage   *stage.Stage
	handler http.Handler
}

// open opens the usher that the flags select. vars is the environment.
func (o *execOptions) open(ctx context.Context, vars []string) (*execRun, error) {
	play, err := o.play()
	if err != nil {
		return nil, err
	}
	r := &execRun{traffic: &traffic.Recorder{Keep: o.record != ""}, opened: make(chan struct{})}
	if o.server != "" {
		r.controlPorts = controlPortsOf(vars)
		return r, r.join(ctx, o.server, play.Faults)
	}
	r.secret = control.NewSecret()
	if r.control, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, &codeError{fmt.Errorf("listening for the control API: %w", err), failedToRun}
	}
	r.controlPorts = []int{r.control.Addr().(*net.TCPAddr).Port}
	cfg := stage.Config{Scene: play, Traffic: r.traffic, By: commandLine(), Version: version(), Strict: o.strict}
	go func() {
		defer close(r.opened)
		if r.stage, r.err = stage.Open(ctx, cfg); r.err == nil {
			r.handler = r.stage.Handler()
			go r.serveControl()
		} else if o.scene != "" {
			r.err = fmt.Errorf("playing the scene %s: %s", o.scene, fault.Message(r.err))
		}
	}()
	return r, nil
}

// serveControl answers the control API until it is closed.
func (r *execRun) serveControl() {
	srv := &http.Server{
		Handler: control.New(r.stage, version(), r.secret), ReadHeaderTimeout: controlTimeout, ErrorLog: log.New(io.Discard, "", 0),
	}
	_ = srv.Serve(r.control)
}

// wait waits until the usher answers, or returns why it cannot.
func (r *execRun) wait() error {
	<-r.opened
	if r.err != nil {
		return &codeError{r.err, failedToRun}
	}
	return nil
}

// ServeHTTP answers the requests of the program.
func (r *execRun) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if err := r.wait(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	r.handler.ServeHTTP(w, req)
}

// controlTimeout is how long a request of the control API can take to arrive.
const controlTimeout = 30 * time.Second

// join redirects to an usher elsewhere, with faults in front of it.
func (r *execRun) join(ctx context.Context, server string, faults []trouble.Fault) error {
	to, err := url.Parse(server)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil || to.RawQuery != "" || to.Fragment != "" {
		return wrongUse("--server %s is not a URL such as http://127.0.0.1:32400", server)
	}
	if err := ping(ctx, to); err != nil {
		return &codeError{fmt.Errorf("connecting to --server %s: %w", server, err), failedToRun}
	}
	in := &trouble.Injector{Next: &httputil.ReverseProxy{
		// The server sees the host that the program requested.
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = p.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "usher exec: the usher of --server does not answer: "+err.Error(), http.StatusBadGateway)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}}
	if err := in.Set(faults); err != nil {
		return err
	}
	r.handler = r.traffic.Around(in)
	close(r.opened)
	return nil
}

// ping checks that a server answers.
func ping(ctx context.Context, server *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.JoinPath("/api/v2/ping").String(), nil)
	if err != nil {
		return err
	}
	// Requests of the program are not redirected either.
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it responds with %s: it is not an usher", res.Status)
	}
	return nil
}

// Close stops the control API and the usher in memory.
func (r *execRun) Close() error {
	<-r.opened
	var errs []error
	if r.control != nil {
		errs = append(errs, r.control.Close())
	}
	if r.stage != nil {
		errs = append(errs, r.stage.Close())
	}
	return errors.Join(errs...)
}

// controlPortsOf are the ports of the control API in the environment, of an usher that
// is joined.
func controlPortsOf(env []string) []int {
	for _, v := range env {
		address, ok := strings.CutPrefix(v, controlEnv+"=")
		if u, err := url.Parse(address); ok && err == nil && u.Hostname() == "127.0.0.1" {
			if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
				return []int{int(port)}
			}
		}
	}
	return nil
}

// variables returns the variables that describe the scene to a program, and those with
// which a client command of usher finds this usher. They are known once it is open.
func (r *execRun) variables() []scene.Variable {
	var list []scene.Variable
	if r.stage != nil {
		list = r.stage.Cast().Variables()
	}
	return append(list,
		scene.Variable{Name: envName("account-url"), Value: plexURL},
		scene.Variable{Name: envName("media-url"), Value: "http://localhost:" + strconv.Itoa(stage.MediaPort)})
}

// controlVariables returns the variables with the address and the token of the control API.
func (r *execRun) controlVariables() []scene.Variable {
	if r.control == nil {
		return nil
	}
	return []scene.Variable{
		{Name: controlEnv, Value: "http://" + r.control.Addr().String()},
		{Name: controlTokenEnv, Value: string(r.secret)},
	}
}

// replaces reports whether a variable of the environment is replaced by one of the
// run, or is about a scene that is not played. Those about the scene of an usher
// elsewhere are still true.
func (r *execRun) replaces(name string) bool {
	switch name {
	case envName("account-url"), envName("media-url"):
		return true
	case controlEnv, controlTokenEnv:
		return r.control != nil
	}
	return r.control != nil && scene.IsVariable(name)
}

// assignments are variables as an environment has them.
func assignments(list []scene.Variable) []string {
	env := make([]string, len(list))
	for i, v := range list {
		env[i] = v.Name + "=" + v.Value
	}
	return env
}

// The variables with the address of the control API and with its secret.
const (
	controlEnv      = envPrefix + "CONTROL"
	controlTokenEnv = envPrefix + "CONTROL_TOKEN"
)

// createArchive creates the file of --record, or returns nil without the flag. A file that
// cannot be written is reported before the program runs.
func createArchive(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the file of --record: %w", err)
	}
	return f, nil
}

// writeArchive writes the recorded requests, without the secrets of the scene.
func (r *execRun) writeArchive(f *os.File) error {
	return errors.Join(r.traffic.WriteHAR(f, "usher", version(), r.secrets()), f.Close())
}

// secrets returns the secrets of the accounts and devices.
func (r *execRun) secrets() (list []string) {
	if r.stage == nil {
		return nil
	}
	return r.stage.Cast().Secrets()
}

// play returns the scene of the flags.
func (o *execOptions) play() (scene.Scene, error) {
	play := scene.Default()
	if o.scene != "" {
		var err error
		if play, err = scene.ReadFile(o.scene); err != nil {
			return play, &codeError{err, failedToRun}
		}
	}
	for _, text := range o.faults {
		f, err := trouble.Parse(text)
		if err != nil {
			return play, wrongUse("--fault %s: %w", text, err)
		}
		play.Faults = append(play.Faults, f)
	}
	play.Frozen, play.SignUp = play.Frozen || o.frozen, play.SignUp || o.signUp
	if o.seed != "" {
		play.Seed = o.seed
	}
	if o.time != "" {
		var err error
		if play.Time, err = scene.ParseTime(o.time); err != nil {
			return play, wrongUse("--time %s is not a time from 1970 to 2105, such as 2030-01-02T03:04:05Z", o.time)
		}
	}
	return play, nil
}
