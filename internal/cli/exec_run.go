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
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/stage"
	"github.com/usher-auth/usher/internal/traffic"
	"github.com/usher-auth/usher/internal/trouble"
)

// execRun is what a program is led to: an usher in memory, or one that runs
// elsewhere.
type execRun struct {
	handler http.Handler
	traffic *traffic.Recorder
	// stage is the usher in memory; nil: it runs elsewhere.
	stage *stage.Stage
	// control is where the control API listens, and secret what it takes. There is
	// none for an usher elsewhere.
	control net.Listener
	secret  control.Secret
}

// open opens what the flags say.
func (o *execOptions) open(ctx context.Context) (*execRun, error) {
	play, err := o.play()
	if err != nil {
		return nil, err
	}
	if o.server != "" {
		return o.join(ctx, play.Faults)
	}
	s, err := stage.Open(ctx, stage.Config{Scene: play, By: commandLine(), Version: version(), Strict: o.strict})
	if err != nil {
		return nil, &codeError{err, failedToRun}
	}
	r := &execRun{handler: s.Handler(), traffic: s.Traffic, stage: s, secret: control.NewSecret()}
	if r.control, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(&codeError{fmt.Errorf("listening for the control API: %w", err), failedToRun}, s.Close())
	}
	srv := &http.Server{
		Handler: control.New(s, version(), r.secret), ReadHeaderTimeout: controlTimeout, ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { _ = srv.Serve(r.control) }()
	return r, nil
}

// controlTimeout is how long a request of the control API may take to arrive.
const controlTimeout = 30 * time.Second

// join leads to an usher elsewhere, with faults in front of it.
func (o *execOptions) join(ctx context.Context, faults []trouble.Fault) (*execRun, error) {
	to, err := url.Parse(o.server)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil {
		return nil, wrongUse("--server %s is not a URL such as http://127.0.0.1:32400", o.server)
	}
	if err := ping(ctx, to); err != nil {
		return nil, &codeError{fmt.Errorf("asking --server %s: %w", o.server, err), failedToRun}
	}
	r := &execRun{traffic: new(traffic.Recorder)}
	in := &trouble.Injector{Next: &httputil.ReverseProxy{
		// The server sees the host that the program asked for.
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = p.In.Host
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}}
	if err := in.Set(faults); err != nil {
		return nil, err
	}
	r.handler = r.traffic.Around(in)
	return r, nil
}

// ping checks that a server answers.
func ping(ctx context.Context, server *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.JoinPath("/api/v2/ping").String(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s: it is no usher", res.Status)
	}
	return nil
}

// Close ends the control API and the usher in memory.
func (r *execRun) Close() error {
	if r.stage == nil {
		return nil
	}
	return errors.Join(r.control.Close(), r.stage.Close())
}

// controlPorts are where the control API listens: this one's or, of an usher that
// was joined, that of the environment.
func (r *execRun) controlPorts(env []string) []int {
	if r.stage != nil {
		return []int{r.control.Addr().(*net.TCPAddr).Port}
	}
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

// variables are those that tell a program about the scene, and those with which a
// client command of usher finds this usher.
func (r *execRun) variables() []scene.Variable {
	var list []scene.Variable
	if r.stage != nil {
		list = r.stage.Cast().Variables()
	}
	return append(list,
		scene.Variable{Name: envName("account-url"), Value: plexURL},
		scene.Variable{Name: envName("media-url"), Value: "http://localhost:" + strconv.Itoa(stage.MediaPort)})
}

// controlVariables tell a program where the control API is.
func (r *execRun) controlVariables() []scene.Variable {
	if r.stage == nil {
		return nil
	}
	return []scene.Variable{
		{Name: controlEnv, Value: "http://" + r.control.Addr().String()},
		{Name: controlTokenEnv, Value: string(r.secret)},
	}
}

// The variables with the address of the control API and with its secret.
const (
	controlEnv      = envPrefix + "CONTROL"
	controlTokenEnv = envPrefix + "CONTROL_TOKEN"
)

// createArchive creates the file of --record; nil if there is none. A file that
// cannot be written is found before the program runs.
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

// writeArchive writes what was recorded, without the secrets of the scene.
func (r *execRun) writeArchive(f *os.File) error {
	return errors.Join(r.traffic.WriteHAR(f, "usher", version(), r.secrets()), f.Close())
}

// secrets are those of the accounts and devices.
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
	play.Frozen = play.Frozen || o.frozen
	if o.seed != "" {
		play.Seed = o.seed
	}
	if o.time != "" {
		var err error
		if play.Time, err = time.Parse(time.RFC3339, o.time); err != nil {
			return play, wrongUse("--time %s is not of the form 2030-01-02T03:04:05Z", o.time)
		}
	}
	return play, nil
}
