package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is how long a server can take to report that it is ready.
const healthTimeout = 5 * time.Second

// healthcheckCommand has flags of usher serve, so that the same variables of the
// environment say where the server is.
func (cs serveCommands) healthcheckCommand() *cobra.Command {
	var listen, tlsCert string
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Check that the server on this machine is ready",
		Long: `Check that the server on this machine is ready, that is, that it can read and write
its database. The exit code is 0 if it is. It is meant for the health check of a
container. The flags --listen and --tls-cert are those of usher serve.`,
		Example: `  usher healthcheck
  usher healthcheck --listen :443 --tls-cert cert.pem`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := localAddress(listen)
			if err != nil {
				return err
			}
			return cs.healthcheck(cmd.Context(), choose(tlsCert == "", "http://", "https://")+address)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", defaultListen, "`address` that the server listens on")
	cmd.Flags().StringVar(&tlsCert, "tls-cert", "", "PEM `file` with the server's certificate, if it accepts TLS only")
	return cmd
}

// localAddress returns the address at which this machine reaches a server that listens
// on an address.
func localAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", wrongUse("--listen %s is not of the form HOST:PORT", listen)
	}
	if port == "" || port == "0" {
		return "", wrongUse("--listen has no port to ask")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = choose(ip != nil && ip.To4() == nil, "::1", "127.0.0.1")
	}
	return net.JoinHostPort(host, port), nil
}

func (cs serveCommands) healthcheck(ctx context.Context, server string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/readyz", nil)
	if err != nil {
		return wrongUse("--listen: %w", err)
	}
	client := http.Client{Transport: &http.Transport{
		// The certificate has the public name of the server, not its local address.
		// The request has no secret, and only the status of the response counts.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	res, err := client.Do(req)
	switch {
	case errors.Is(err, context.Canceled):
		return errInterrupted
	case err != nil:
		err = fmt.Errorf("no response from %s: %w", server, errors.Unwrap(err))
		return &codeError{&hintError{err, "is the server running? set its address with --listen"}, exitUnreachable}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not ready: %s", res.Status)
	}
	fmt.Fprintln(cs.out, "the server is ready")
	return nil
}
