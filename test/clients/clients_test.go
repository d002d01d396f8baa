//go:build clients

package clients_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite docs/clients.md with the table of this run")

// scriptTimeout is the maximum time for all operations of one client. On an idle machine,
// they take two seconds.
const scriptTimeout = 5 * time.Minute

// The names of the operations, in the order of the table. The scripts use the same words.
const (
	signIn          = "sign in"
	wrongPassword   = "wrong password"
	factorNeeded    = "second factor needed"
	factorGiven     = "second factor given"
	tokenDetails    = "token details"
	noIdentifier    = "no client identifier"
	badToken        = "bad token"
	transientToken  = "transient token"
	transientUse    = "use of a transient token"
	sourceAdmin     = "source as admin"
	sourceTransient = "source with the admin's transient token"
	sourcePlain     = "source as a plain user"
	sourceMalformed = "malformed source"
	sourceUnknown   = "unknown source"
	resources       = "resources"
	connect         = "connect"
	pinTyped        = "PIN of four characters"
	pinStrong       = "strong PIN"
	pinUnknown      = "unknown PIN"
	homeUsers       = "home users"
)

var operations = []string{
	signIn, wrongPassword, factorNeeded, factorGiven, tokenDetails, noIdentifier, badToken,
	transientToken, transientUse, sourceAdmin, sourceTransient, sourcePlain, sourceMalformed,
	sourceUnknown, resources, connect, pinTyped, pinStrong, pinUnknown, homeUsers,
}

// accountOperations are those that start with a sign-in by password.
var accountOperations = []string{
	signIn, wrongPassword, factorNeeded, factorGiven, tokenDetails, noIdentifier,
}

// beyondMediaServer are the operations that a media server does not take part in.
var beyondMediaServer = slices.Concat(accountOperations, []string{resources, connect, pinTyped, pinStrong, pinUnknown, homeUsers})

// A client is one published version of a client, and what is known about it.
type client struct {
	// name is its name in the registry, which its script reports, too.
	name    string
	version string
	// registry is in the table if two registries have a client with the same name.
	registry string
	// slug is the name of its folder, and part of the names of its accounts.
	slug string
	// language is the language of its script.
	language language
	// script is the path of its script, relative to its folder. If empty, the script is in
	// the folder.
	script string
	// hardCoded says that it always calls https://plex.tv. It therefore needs the instance
	// with a certificate.
	hardCoded bool
	// cannot has the reason, in one line, for each operation that it does not run. It must
	// run all other operations.
	cannot map[string]string
}

// The reasons why a client lacks an operation.
const (
	noAccountOperations = "generated without any account operation"
	alwaysIdentified    = "names itself in every request"
	noSignIn            = "has PIN sign-in and the media server only"
	noPINs              = "has no PIN sign-in"
	strongOnly          = "asks for strong PINs only"
	typedOnly           = "asks for PINs of four characters only"
	libraryOnly         = "connects to servers with a media library only"
	noHomes             = "neither lists the users of a home nor switches"
)

// published has every client that the test runs. Versions of a client are in order, oldest
// first.
var published = []client{
	{name: "@lukehagar/plexjs", version: "0.23.5", slug: "plexjs-0.23.5", language: node, cannot: lacking(noHomes, homeUsers)},
	{name: "@lukehagar/plexjs", version: "0.32.1", slug: "plexjs-0.32.1", language: node, cannot: lacking(noHomes, homeUsers)},
	{name: "@lukehagar/plexjs", version: "0.39.0", slug: "plexjs-0.39.0", language: node, cannot: lacking(noHomes, homeUsers)},
	{
		name: "@lukehagar/plexjs", version: "0.43.0", slug: "plexjs-0.43.0", language: node,
		cannot: lacking(
			noAccountOperations, beyondMediaServer...,
		),
	},
	{
		name: "@ctrl/plex", version: "3.12.1", slug: "ctrl-plex-3.12.1", language: node, hardCoded: true,
		cannot: map[string]string{noIdentifier: alwaysIdentified, pinTyped: strongOnly, homeUsers: noHomes},
	},
	{
		name: "plex-api", version: "5.3.2", slug: "plex-api-5.3.2", language: node, hardCoded: true,
		cannot: map[string]string{
			noIdentifier: alwaysIdentified, pinTyped: noPINs, pinStrong: noPINs, pinUnknown: noPINs, homeUsers: noHomes,
		},
	},
	{
		name: "plex-oauth", version: "2.2.0", slug: "plex-oauth-2.2.0", language: node, hardCoded: true,
		cannot: onlyPINs(pinTyped, strongOnly),
	},
	{
		name: "plex-api-pinauth", version: "0.1.0", slug: "plex-api-pinauth-0.1.0", language: node, hardCoded: true,
		cannot: onlyPINs(pinStrong, typedOnly),
	},
	pythonSDK("0.2.0", lacking(noSignIn, slices.Concat(accountOperations, []string{resources, connect, homeUsers})...)),
	pythonSDK("0.12.0", lacking(noHomes, homeUsers)),
	pythonSDK("0.13.1", lacking(noHomes, homeUsers)),
	pythonSDK("0.17.1", lacking(noHomes, homeUsers)),
	pythonSDK("0.30.0", lacking(noHomes, homeUsers)),
	pythonSDK("0.32.6", lacking(
		noAccountOperations, beyondMediaServer...,
	)),
	pythonSDK("0.36.3", map[string]string{pinStrong: typedOnly, homeUsers: noHomes}),
	{
		name: "PlexAPI", version: "4.18.3", slug: "plexapi-4.18.3", language: python, hardCoded: true,
		cannot: map[string]string{noIdentifier: alwaysIdentified},
	},
	{
		name: "plex-api", version: "0.0.12", registry: "crates.io", slug: "plex-api-0.0.12", language: rust,
		cannot: map[string]string{
			noIdentifier: alwaysIdentified, pinStrong: typedOnly, connect: libraryOnly,
		},
	},
}

// title is the client's name in the table.
func (c client) title() string {
	if c.registry != "" {
		return c.name + " (" + c.registry + ")"
	}
	return c.name
}

// pythonSDK is a version of plex-api-client. All versions share a script.
func pythonSDK(version string, cannot map[string]string) client {
	return client{
		name: "plex-api-client", version: version, slug: "plex-api-client-" + version,
		language: python, script: "../sdk.py", cannot: cannot,
	}
}

// lacking has the missing operations of a client, all for the same reason.
func lacking(because string, operations ...string) map[string]string {
	cannot := make(map[string]string)
	for _, operation := range operations {
		cannot[operation] = because
	}
	return cannot
}

// onlyPINs has the missing operations of a client that only has one kind of PIN.
func onlyPINs(other, because string) map[string]string {
	cannot := lacking("has PIN sign-in only", operations...)
	for _, operation := range []string{pinTyped, pinStrong, pinUnknown} {
		delete(cannot, operation)
	}
	cannot[other] = because
	return cannot
}

// An outcome is one line that a script prints.
type outcome struct {
	Client    string
	Version   string
	Operation string
	OK        bool
	Detail    string
}

// TestPublishedClients runs every client, as many at the same time as there are processors.
// It compares the table with the one in docs/clients.md.
func TestPublishedClients(t *testing.T) {
	binary := buildUsher(t)
	authority := newAuthority(t)
	open := startUsher(t, binary, nil)
	sealed := startUsher(t, binary, authority)

	server := func(c client) *instance {
		if c.hardCoded {
			return sealed
		}
		return open
	}
	casts := make([]cast, len(published))
	for i, c := range published {
		casts[i] = addCast(t, server(c), c)
	}
	time.Sleep(noticeTime)

	passed := make([]map[string]bool, len(published)) // nil for a client that -run leaves out
	t.Run("clients", func(t *testing.T) {
		for i, c := range published {
			t.Run(c.slug, func(t *testing.T) {
				t.Parallel()
				passed[i] = make(map[string]bool)
				dir := c.language.install(t, c)
				for _, o := range runScript(t, c, dir, server(c), casts[i], authority) {
					passed[i][o.Operation] = c.judge(t, o)
				}
				for _, operation := range operations {
					if _, ran := passed[i][operation]; !ran && c.cannot[operation] == "" {
						t.Errorf("%s: the script did not run it", operation)
					}
				}
			})
		}
	})

	fmt.Println(summary(published, passed))
	if slices.ContainsFunc(passed, func(p map[string]bool) bool { return p == nil }) {
		t.Logf("%s is not compared, because not every client was run", documentPath)
		return
	}
	compareDocument(t, document(t, published, passed))
}

// judge reports problems of one line, and returns whether the operation worked.
func (c client) judge(t *testing.T, o outcome) bool {
	t.Helper()
	if o.Client != c.name || o.Version != c.version {
		t.Errorf("%s: ran %s %s, want %s %s", o.Operation, o.Client, o.Version, c.name, c.version)
		return false
	}
	if reason := c.cannot[o.Operation]; reason != "" {
		t.Errorf("%s: the script ran it, but the table says it cannot: %s", o.Operation, reason)
		return false
	}
	if !o.OK {
		t.Errorf("%s: %s", o.Operation, o.Detail)
	}
	return o.OK
}

// runScript runs the script of a client and returns the lines it printed.
func runScript(
	t *testing.T, c client, dir string, server *instance, people cast, ca *authority,
) []outcome {
	t.Helper()
	return parseOutcomes(t, printed(t, c, dir, server, people, ca))
}

// printed returns the output of a client's script.
func printed(t *testing.T, c client, dir string, server *instance, people cast, ca *authority) []byte {
	t.Helper()
	scene := writeScene(t, server, c, people)
	ctx, cancel := context.WithTimeout(t.Context(), scriptTimeout)
	defer cancel()

	argv := c.language.command(c, dir)
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:], scene)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+ca.certFile,
		"REQUESTS_CA_BUNDLE="+ca.certFile,
		"USHER_TLS_PORT="+server.port,
		"PYTHONPATH="+absolute(t, "python"),
		// The scripts must not see a developer's settings for a real account.
		"PLEXAPI_CONFIG_PATH="+filepath.Join(filepath.Dir(scene), "none.ini"),
		"NO_PROXY=*", "no_proxy=*",
		"PYTHONDONTWRITEBYTECODE=1",
	)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(argv, " "), err, stderr.Bytes())
	}
	return stdout.Bytes()
}

// parseOutcomes reads the lines of a script. A name that is not an operation is
// a mistake in the script.
func parseOutcomes(t *testing.T, printed []byte) []outcome {
	t.Helper()
	known := make(map[string]bool)
	for _, operation := range operations {
		known[operation] = true
	}
	var outcomes []outcome
	lines := bufio.NewScanner(bytes.NewReader(printed))
	for lines.Scan() {
		var o outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Errorf("the script printed %q, which is not an outcome: %v", lines.Text(), err)
			continue
		}
		if !known[o.Operation] {
			t.Errorf("the script reported %q, which is not an operation", o.Operation)
			continue
		}
		outcomes = append(outcomes, o)
	}
	if err := lines.Err(); err != nil {
		t.Errorf("reading what the script printed: %v", err)
	}
	return outcomes
}
