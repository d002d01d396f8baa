package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/machine"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/missed"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/web"
	"github.com/usher-auth/usher/plexauth"
)

// serveOptions are the flags of usher serve.
type serveOptions struct {
	listen, metricsListen string
	metricsHosts          []string
	publicURLs            []string
	trustedProxies        []string
	proxies               []netip.Prefix // the same, parsed
	name, id              string
	tlsCert, tlsKey       string
	hsts                  bool
	pmsAcceptsJWT         bool
	transientTTL          time.Duration
	hashSlots, hashQueue  int
	tokenCache            int
	maxConnections        int
	failedTries           int
	grace, drain          time.Duration
	staleGrace            time.Duration
	membersSetEmail       bool
	signUp                bool
	webhookNetworks       []string
	webhooksTo            []netip.Prefix // the same, parsed
	auditKeep             time.Duration
	logLevel              string
	adminUsername         string
	adminEmail            string
	adminPasswordFile     string
	smtpURL               string
	smtpPasswordFile      string
}

// defaultListen is the address of a server without --listen.
const defaultListen = "127.0.0.1:32400"

// serveCommands are the commands that run the server and check it.
type serveCommands struct {
	*console
	*folder
	env environ
}

func (cs serveCommands) command() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server: both planes of the protocol on one address.

The account plane (sign-in, token details, resources) replaces
https://plex.tv, the media plane (transient tokens, source connections) that of a
media server. Configure your programs with the address that the command prints.

If there is no account, the command prints how to create the first admin. To
create the admin unattended, set USHER_ADMIN_USERNAME, USHER_ADMIN_EMAIL, and
USHER_ADMIN_PASSWORD or USHER_ADMIN_PASSWORD_FILE; they have no effect once there
is an account.`,
		Example: `  usher serve
  usher serve --listen 0.0.0.0:32400 --public-url https://usher.example.org
  usher serve --data ./data --tls-cert cert.pem --tls-key key.pem`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cs.serve(cmd.Context(), o) },
	}
	o.addFlags(cmd.Flags())
	return cmd
}

// addFlags adds the flags of the server, which are also the settings of its
// configuration file.
func (o *serveOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "listen", defaultListen, "`address` to listen on; port 0 selects a free port")
	f.StringVar(&o.metricsListen, "metrics-listen", "", "`address` of /metrics, /healthz and /readyz (default none)")
	f.StringArrayVar(&o.metricsHosts, "metrics-host", nil, "host `name` that /metrics accepts; IP addresses, local names and the host of --public-url always work; can be repeated")
	f.StringArrayVar(&o.publicURLs, "public-url", nil, "`URL` at which clients reach this server; can be repeated (default the listening address)")
	f.StringArrayVar(&o.trustedProxies, "trusted-proxy", nil, "`address` or network of a reverse proxy whose X-Forwarded-For is trusted; can be repeated")
	f.StringVar(&o.name, "server-name", "usher", "this server's `name` in lists of servers")
	f.StringVar(&o.id, "server-id", "", "this server's machine `identifier` (default generated once and stored)")
	f.StringVar(&o.tlsCert, "tls-cert", "", "PEM `file` with the certificate; the server then accepts TLS only")
	f.StringVar(&o.tlsKey, "tls-key", "", "PEM `file` with the key of the certificate")
	f.BoolVar(&o.hsts, "hsts", true, "send Strict-Transport-Security over HTTPS, so that browsers use HTTPS only")
	f.BoolVar(&o.pmsAcceptsJWT, "pms-accepts-jwt", false, "accept JWTs on the media plane, too; released media servers do not")
	f.DurationVar(&o.transientTTL, "transient-ttl", 48*time.Hour, "lifetime of transient tokens, 48h at most")
	f.IntVar(&o.hashSlots, "hash-slots", 0, "number of concurrent password hashes (default the number of processors)")
	f.IntVar(&o.hashQueue, "hash-queue", 0, "number of sign-ins that wait for a slot before more are rejected (default 16 for each slot)")
	f.IntVar(&o.tokenCache, "token-cache", 0, "`number` of tokens cached in memory, about 160 bytes each (default 200000)")
	f.IntVar(&o.maxConnections, "max-connections", 0, "maximum `number` of connections, half of them from one network (default 4096, or fewer if the system allows fewer open files)")
	f.IntVar(&o.failedTries, "failed-tries", 10, "failed sign-ins to an account from one address before a wait of a minute; 0 means no limit")
	f.BoolVar(&o.membersSetEmail, "members-set-email", false, "let members change their own e-mail address, which is then unconfirmed until an admin confirms it; programs may identify users by it")
	f.BoolVar(&o.signUp, "sign-up", false, "let anyone who can reach this server sign up for an account, with an e-mail address that is unconfirmed until an admin confirms it; programs may identify users by it")
	f.StringArrayVar(&o.webhookNetworks, "webhook-network", nil, "non-public `address` or network that webhooks can be sent to; can be repeated")
	f.DurationVar(&o.auditKeep, "audit-keep", 90*24*time.Hour, "how long the audit log is retained; 0 keeps it forever")
	f.DurationVar(&o.grace, "grace", 20*time.Second, "how long requests in flight may take when the server stops")
	f.DurationVar(&o.drain, "drain", 0, "how long to keep serving after a signal to stop, while /readyz fails, so that a load balancer sends requests elsewhere")
	f.DurationVar(&o.staleGrace, "stale-grace", 0, "with --database: how long to accept cached tokens, even revoked ones, while the database is unreachable")
	f.StringVar(&o.logLevel, "log-level", "info", "lowest `level` to log: debug, info, warn or error")
	secretVar(f, &o.smtpURL, "smtp-url", "`URL` of a mail server, for invitations, lost passwords and notices: smtp://USER:PASSWORD@HOST:587?from=ADDRESS, or smtps (default none)")
	f.StringVar(&o.smtpPasswordFile, "smtp-password-file", "", "`file` with the password of the mail server on its first line, instead of in --smtp-url")
	f.StringVar(&o.adminUsername, "admin-username", "", "`name` of the first admin, created if there is no account")
	f.StringVar(&o.adminEmail, "admin-email", "", "the first admin's `e-mail`")
	f.StringVar(&o.adminPasswordFile, "admin-password-file", "", "`file` with the first admin's password on its first line")
}

// serve runs the server until ctx is cancelled.
func (cs serveCommands) serve(ctx context.Context, o serveOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	level, err := o.level()
	if err != nil {
		return err
	}
	log := newLogger(cs.err, level)
	defer log.Close()
	cs.tuneRuntime()

	// Bind the addresses first, so that one in use is reported before any file is
	// created.
	on, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer on.Close()
	hashers := &hashing.Processes{Command: hashCommand, Logger: log.Logger}
	defer hashers.Close()
	connections := o.connections(on.main.Addr())
	c, err := cs.open(ctx, core.Config{
		Holder:       "usher serve on " + on.main.Addr().String(),
		Self:         &source.Self{Name: o.name, MachineIdentifier: o.id, Connections: connections},
		TransientTTL: o.transientTTL, HashSlots: o.hashSlots, HashQueue: o.hashQueue, TokenCache: o.tokenCache, FailedTries: o.failedTries,
		By: commandLine(), Argon2id: hashers.Key, AuditKeep: o.auditKeep, MembersSetEmail: o.membersSetEmail, SignUp: o.signUp,
		WebhookNetworks: o.webhooksTo, PublicURL: o.publicURL(), StaleGrace: o.staleGrace,
		Logger: log.Logger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if c.Created {
		log.Info("created a database", "folder", cs.place())
	}
	asked := missed.New(nil)
	if err := asked.Load(cs.missedFile()); err != nil {
		log.Warn("restarting the counts", "error", err)
	}
	sender, err := o.mailSender(ctx, c)
	if err != nil {
		return err
	}
	if err := c.SetLinkBase(ctx, connections[0].URI); err != nil {
		return err
	}
	srv := server.New(c, server.Config{
		Mail:    sender,
		Missed:  asked,
		Machine: machine.Place{Folder: cs.localFolder(), Certificate: o.tlsCert},
		Version: version(), PublicURL: o.publicURL(), NoHSTS: !o.hsts, MediaJWT: o.pmsAcceptsJWT,
		MetricsHosts: o.knownMetricsHosts(), Proxies: o.proxies, Stopping: ctx.Done(),
	})
	empty, err := cs.firstAdmin(ctx, c.Accounts, o)
	if err != nil {
		return err
	}
	cs.greet(connections[0].URI, empty, srv.Pages())
	log.Info("ready", "address", on.main.Addr().String(), "version", version(), "tls", o.tlsCert != "")
	saved := cs.keepSaving(ctx, asked, log.Logger)
	defer saved()
	return cs.explainOpen(runServers(ctx, c, srv, sender, on, o, log))
}

// saveInterval is how often the requested unknown paths are saved, if there
// were any.
const saveInterval = 2 * time.Second

// keepSaving saves the requested unknown paths until the returned function is
// called. Errors of writing the file are logged and ignored.
func (cs serveCommands) keepSaving(ctx context.Context, asked *missed.Paths, log *slog.Logger) (stop func()) {
	if cs.data == "" { // with --database, there can be only an address and a key file
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	problem := ""
	save := func() {
		if err := asked.Save(cs.missedFile()); err != nil && err.Error() != problem {
			problem = err.Error()
			log.Warn("usher doctor will not list the latest of them", "error", err)
		}
	}
	wg.Go(func() {
		ticker := time.NewTicker(saveInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				save()
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		save()
	}
}

// tuneRuntime tunes the garbage collector, unless the environment does.
//
// The server has a small heap and allocates much, so at the default setting the
// collector runs all the time. Letting the heap grow to four times the live data
// costs a few megabytes and saves a tenth of the CPU time.
func (cs serveCommands) tuneRuntime() {
	if _, set := cs.env("GOGC"); !set {
		debug.SetGCPercent(400)
	}
	if _, set := cs.env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(softMemory)
	}
}

// softMemory is the memory above which the collector runs more often again.
const softMemory = 128 << 20

// check validates the flags and their combinations, and parses the networks.
func (o *serveOptions) check() error {
	for _, check := range []func() error{o.checkTLS, o.checkPublicURLs, o.parseNetworks, o.checkAddresses, o.checkNumbers, o.checkID} {
		if err := check(); err != nil {
			return err
		}
	}
	_, err := o.mailServer()
	return err
}

// checkTLS checks that the certificate and its key can be loaded, if they are set.
func (o *serveOptions) checkTLS() error {
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return wrongUse("--tls-cert and --tls-key must be set together")
	}
	if o.tlsCert == "" {
		return nil
	}
	if _, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey); err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	return nil
}

// checkPublicURLs checks that clients can use each public URL, and writes it as browsers
// do.
func (o *serveOptions) checkPublicURLs() error {
	var clean []string
	for _, u := range o.publicURLs {
		written, err := cleanURL(u)
		if err != nil {
			return err
		}
		if path := httpd.PathOf(u); path != "" && path != httpd.PathOf(o.publicURL()) {
			return wrongUse("--public-url %s has another path than the first one, %s", u, o.publicURL())
		}
		clean = append(clean, written)
	}
	o.publicURLs = clean
	return nil
}

// cleanURL returns a public URL as browsers write it.
func cleanURL(publicURL string) (string, error) {
	if _, err := source.ParseConnection(publicURL, false, false); err != nil {
		return "", wrongUse("--public-url: %w", err)
	}
	clean, err := server.CleanURL(publicURL)
	if err != nil {
		return "", wrongUse("--public-url %s: %w", publicURL, err)
	}
	return clean, nil
}

// parseNetworks parses the addresses and networks of proxies and webhooks.
func (o *serveOptions) parseNetworks() (err error) {
	if o.proxies, err = parseNetworks("--trusted-proxy", o.trustedProxies); err != nil {
		return err
	}
	o.webhooksTo, err = parseNetworks("--webhook-network", o.webhookNetworks)
	return err
}

func parseNetworks(flag string, texts []string) (networks []netip.Prefix, err error) {
	for _, text := range texts {
		n, err := httpd.ParseProxy(text)
		if err != nil {
			return nil, wrongUse("%s %s is neither an address nor a network such as 10.0.0.0/8", flag, text)
		}
		networks = append(networks, n)
	}
	return networks, nil
}

// checkAddresses checks the form of the listening addresses.
func (o *serveOptions) checkAddresses() error {
	if err := checkAddress("--listen", o.listen); err != nil || o.metricsListen == "" {
		return err
	}
	return checkAddress("--metrics-listen", o.metricsListen)
}

func checkAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return wrongUse("%s %s is not of the form ADDRESS:PORT", flag, address)
	}
	if n, err := strconv.Atoi(port); err == nil && (n < 0 || n > 65535) {
		return wrongUse("%s %s has no usable port: the largest is 65535", flag, address)
	}
	return nil
}

// checkNumbers checks the numbers and durations.
func (o *serveOptions) checkNumbers() error {
	for _, f := range []struct {
		flag  string
		value int64
	}{
		{"--failed-tries", int64(o.failedTries)}, {"--hash-slots", int64(o.hashSlots)}, {"--hash-queue", int64(o.hashQueue)},
		{"--token-cache", int64(o.tokenCache)}, {"--max-connections", int64(o.maxConnections)},
		{"--grace", int64(o.grace)}, {"--drain", int64(o.drain)}, {"--stale-grace", int64(o.staleGrace)},
	} {
		if f.value < 0 {
			return wrongUse("%s is negative", f.flag)
		}
	}
	if o.auditKeep < 0 {
		return wrongUse("--audit-keep %s is negative", o.auditKeep)
	}
	if o.transientTTL <= 0 || o.transientTTL > 48*time.Hour {
		return wrongUse("--transient-ttl %s is not between 0 and 48h", o.transientTTL)
	}
	return nil
}

// checkID checks the machine identifier, if it is set.
func (o *serveOptions) checkID() error {
	if o.id == "" {
		return nil
	}
	if err := source.CheckSelf(o.id); err != nil {
		return wrongUse("--server-id: %w", err)
	}
	return nil
}

// level is the lowest level to log.
func (o *serveOptions) level() (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return 0, wrongUse("--log-level %s is not debug, info, warn or error", o.logLevel)
	}
	return level, nil
}

// knownMetricsHosts are the names of --metrics-host and --metrics-listen.
func (o *serveOptions) knownMetricsHosts() []string {
	var names []string
	for _, name := range o.metricsHosts {
		names = append(names, strings.ToLower(name))
	}
	if host, _, err := net.SplitHostPort(o.metricsListen); err == nil {
		names = append(names, strings.ToLower(host))
	}
	return names
}

// publicURL returns the URL at which browsers reach this server, or "" if it is not
// known.
func (o *serveOptions) publicURL() string {
	if len(o.publicURLs) == 0 {
		return ""
	}
	return o.publicURLs[0]
}

// listeners are the listeners of the server.
type listeners struct {
	main    net.Listener
	metrics net.Listener // nil: no metrics
}

// Close closes the listeners.
func (l listeners) Close() {
	_ = l.main.Close()
	if l.metrics != nil {
		_ = l.metrics.Close()
	}
}

// open binds the addresses.
func (o *serveOptions) open(ctx context.Context) (l listeners, err error) {
	if l.main, err = listen(ctx, "--listen", o.listen, "127.0.0.1:32500"); err != nil {
		return listeners{}, err
	}
	if o.metricsListen == "" {
		return l, nil
	}
	if l.metrics, err = listen(ctx, "--metrics-listen", o.metricsListen, "127.0.0.1:9181"); err != nil {
		l.Close()
		return listeners{}, err
	}
	return l, nil
}

// listen binds the address of a flag. If it is in use, the error suggests what probably
// uses it and suggests another.
func listen(ctx context.Context, flag, address, other string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &hintError{
			fmt.Errorf("%s %s is in use by another program, perhaps another usher or a media server", flag, address),
			"choose another address, such as " + flag + " " + other,
		}
	}
	if err != nil {
		return nil, fmt.Errorf("binding %s: %w", flag, err)
	}
	return ln, nil
}

// The limits of connections and other open files.
const (
	// defaultConnections is the bound without --max-connections.
	defaultConnections = 4096
	// metricsConnections is the limit of the metrics listener. It is separate, so that
	// health checks work when all other connections are in use.
	metricsConnections = 32
	// otherFiles is the number of files for the database, the listeners, the log and
	// the certificate.
	otherFiles = 64
	// hasherFiles is the number of pipes to one hashing process.
	hasherFiles = 6
)

// connectionBound returns the connection limit of the main listener. files is the
// number of open files that the system allows, or 0 if there is no limit. Up to three
// quarters of them are reserved for the rest of the server.
func (o *serveOptions) connectionBound(files int) int {
	wanted := cmp.Or(o.maxConnections, defaultConnections)
	if files <= 0 {
		return wanted
	}
	rest := otherFiles + metricsConnections + hasherFiles*cmp.Or(o.hashSlots, runtime.GOMAXPROCS(0))
	return min(wanted, max(files-rest, files/4, 1))
}

// drained returns a context that is cancelled some time after another one.
func drained(ctx context.Context, drain time.Duration, log *slog.Logger) (context.Context, context.CancelCauseFunc) {
	later, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		if drain > 0 {
			log.Info("not ready any more; stopping later", "drain", drain.String())
		}
		time.AfterFunc(drain, func() { cancel(context.Cause(ctx)) })
	})
	return later, cancel
}

// runServers serves both listeners, with the background work of c and of sender, which
// may be nil, until the drain time after the cancellation of ctx is over, or a listener
// fails.
func runServers(
	ctx context.Context, c *core.Core, srv *server.Server, sender *mail.Sender, on listeners, o serveOptions, log *logger,
) error {
	ctx, cancel := drained(ctx, o.drain, log.Logger)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.Run(ctx) })
	if sender != nil {
		wg.Go(func() { sender.Run(ctx) })
		wg.Go(func() { c.RunNotices(ctx, srv.Pages().NoticeMessage) })
	}
	wg.Go(func() {
		if err := c.DB.WatchMove(ctx); err != nil {
			cancel(&brokenError{err})
		}
	})
	wg.Go(func() { supervisor{c.DB.Works, log.Logger}.watch(ctx) })
	if on.metrics != nil {
		log.Info("metrics", "address", on.metrics.Addr().String())
		wg.Go(func() {
			how := httpd.Serving{Bounds: httpd.Bounds{All: metricsConnections}, Grace: o.grace, Logger: log.Logger}
			if err := httpd.Serve(ctx, httpd.NewServer(srv.MetricsHandler(), log.Logger), on.metrics, how); err != nil {
				cancel(&brokenError{fmt.Errorf("serving metrics: %w", err)})
			}
		})
	}
	how := httpd.Serving{
		Bounds: httpd.Bounds{All: o.connectionBound(httpd.MaxOpenFiles()), Proxies: o.proxies},
		Grace:  o.grace, Logger: log.Logger,
	}
	if o.tlsCert != "" {
		how.Certificate = &httpd.Certificate{CertFile: o.tlsCert, KeyFile: o.tlsKey, Logger: log.Logger}
	}
	err := httpd.Serve(ctx, httpd.NewServer(srv.Handler(), log.Logger), on.main, how)
	if broken := (*brokenError)(nil); err == nil && errors.As(context.Cause(ctx), &broken) {
		err = broken.error
	}
	cancel(err)
	log.Info("stopped")
	return err
}

// brokenError is the reason why a server stops on its own: it would run unmonitored, or on a
// database that was moved.
type brokenError struct{ error }

// connections returns the connections of this server for responses: the public URLs or,
// without them, the listening address. If the server listens on all addresses, there is
// a connection for each address of this machine.
func (o *serveOptions) connections(addr net.Addr) []source.Connection {
	var list []source.Connection
	for _, u := range o.publicURLs {
		list = append(list, source.Connection{URI: u, Local: source.LooksLocal(u)})
	}
	if len(list) > 0 {
		return list
	}
	scheme := "http"
	if o.tlsCert != "" {
		scheme = "https"
	}
	for _, host := range reachable(addr) {
		u := (&url.URL{Scheme: scheme, Host: host}).String()
		list = append(list, source.Connection{URI: u, Local: source.LooksLocal(u)})
	}
	return list
}

// reachable lists the host:port forms of a listening address.
func reachable(addr net.Addr) []string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return []string{addr.String()}
	}
	port := fmt.Sprint(tcp.Port)
	hosts := []string{net.JoinHostPort("127.0.0.1", port)}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return hosts
	}
	for _, a := range interfaces {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			hosts = append(hosts, net.JoinHostPort(n.IP.String(), port))
		}
	}
	return hosts
}

// firstAdmin creates the first admin if the flags or the environment ask for one.
// It reports whether there is still no account.
func (cs serveCommands) firstAdmin(ctx context.Context, accounts *account.Service, o serveOptions) (empty bool, err error) {
	exists, err := accounts.Any(ctx)
	if err != nil || exists {
		return false, err
	}
	if o.adminUsername == "" {
		password, _ := cs.env(adminPasswordEnv)
		if password != "" || o.adminPasswordFile != "" || o.adminEmail != "" {
			return true, wrongUse("--admin-username is missing")
		}
		return true, nil
	}
	password, err := cs.adminPassword(o)
	if err != nil {
		return true, err
	}
	_, err = accounts.AddFirst(ctx, commandLine(), account.NewAccount{
		Username: o.adminUsername, Email: o.adminEmail, Password: password, Admin: true,
	})
	if err != nil && !errors.Is(err, account.ErrExists) { // another process can have been faster
		return true, fmt.Errorf("creating the first admin: %w", err)
	}
	return false, nil
}

// adminPassword reads the first admin's password. There is no flag for it, because
// every user of a machine can read the flags of every process.
func (cs serveCommands) adminPassword(o serveOptions) (plexauth.Secret, error) {
	if o.adminPasswordFile != "" {
		password, err := firstLine(o.adminPasswordFile)
		if err != nil {
			return "", fmt.Errorf("reading the first admin's password: %w", err)
		}
		return password, nil
	}
	password, _ := cs.env(adminPasswordEnv)
	if password == "" {
		return "", wrongUse("--admin-username requires a password in %s or --admin-password-file", adminPasswordEnv)
	}
	return plexauth.Secret(password), nil
}

// firstLine reads a secret from the first line of a file.
func firstLine(file string) (plexauth.Secret, error) {
	text, err := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return plexauth.Secret(strings.TrimSuffix(strings.TrimPrefix(line, byteOrderMark), "\r")), err
}

// byteOrderMark is what some editors put in front of a text in UTF-8.
const byteOrderMark = "\ufeff"

const adminPasswordEnv = envPrefix + "ADMIN_PASSWORD"

// greet prints the addresses and the next step.
func (cs serveCommands) greet(base string, empty bool, pages *web.Pages) {
	fmt.Fprintf(cs.out, `usher is ready.

  account plane  %[1]s  (in place of https://plex.tv)
  media plane    %[1]s  (in place of a media server)
  pages          %[1]s  (for browsers)
  data           %[2]s

`, base, displayPath(cs.place()))
	if empty {
		// The only secret that the server prints: its reader has started the server.
		fmt.Fprintf(cs.out, "There is no account yet. Create the first admin in a browser with this link, which works once:\n\n  %s%s\n\n"+
			"or in another terminal:\n\n  %s\n\n", base, string(pages.SetupPath()), cs.invocation("account add admin --admin"))
	}
	fmt.Fprintf(cs.out, "Try it:\n\n  curl %s/identity\n\n", base)
}
