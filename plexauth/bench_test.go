package plexauth_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// bareAccount is what a program would write by hand to read the same account.
type bareAccount struct {
	ID                                                                  int64
	UUID, Username, Title, Email, FriendlyName, Thumb, Country          string
	Locale                                                              *string
	AuthToken                                                           string
	JoinedAt, RememberExpiresAt                                         int64
	Confirmed, EmailOnlyAuth, HasPassword, Protected, Restricted, Guest bool
	Anonymous                                                           *bool
	Home, HomeAdmin                                                     bool
	HomeSize, MaxHomeSize                                               int
	TwoFactorEnabled, BackupCodesCreated, ExperimentalFeatures          bool
	MailingListStatus                                                   string
	MailingListActive                                                   bool
	ScrobbleTypes                                                       string
	SubscriptionDescription                                             *string
	Subscription                                                        struct {
		Active                             bool
		Status                             string
		Plan, PaymentService, SubscribedAt *string
		Features                           []string
	}
	Profile struct {
		AutoSelectAudio                                                 bool
		DefaultAudioLanguage, DefaultSubtitleLanguage                   *string
		AutoSelectSubtitle, DefaultSubtitleAccessibility                int
		DefaultSubtitleForced, WatchedIndicator, MediaReviewsVisibility int
	}
	Entitlements, Roles []string
	Services            []struct{ Identifier, Endpoint, Status, Token, Secret string }
}

// bare makes one call with net/http and encoding/json, with the same headers
// and reading the same answer.
func bare(b *testing.B, url, token string, v any) {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, value := range map[string]string{
		"Accept": "application/json", "User-Agent": "bare", "X-Plex-Client-Identifier": "plexauthtest",
		"X-Plex-Token": token, "X-Plex-Product": "plexauthtest", "X-Plex-Platform": "linux",
	} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		b.Fatal(res.Status, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		b.Fatal(err)
	}
}

// serverVariable makes the test binary be the server of its own benchmarks: in
// another process, so that what the server allocates is not counted.
const serverVariable = "PLEXAUTH_BENCH_SERVER"

// TestBenchServer is that server: it prints where it is and a token, and serves
// until its standard input ends.
func TestBenchServer(t *testing.T) {
	if os.Getenv(serverVariable) == "" {
		return
	}
	srv := plexauthtest.New(t, plexauthtest.Config{})
	fmt.Printf("\n%s %s %s\n", serverVariable, srv.AccountURL, string(srv.Token(srv.Member)))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// benchServer starts the server and returns a client of it.
func benchServer(b *testing.B) *plexauth.Client {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestBenchServer$")
	cmd.Env = append(os.Environ(), serverVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == serverVariable {
			return &plexauth.Client{
				ClientIdentifier: "plexauthtest", Product: "plexauthtest", AccountURL: fields[1], MediaURL: fields[1],
				Token: plexauth.StaticToken(fields[2]),
			}
		}
	}
	b.Fatal("the server did not start")
	return nil
}

// The two of each pair make the same call on the same server:
//
//	go test -run xxx -bench . -count 10 ./plexauth
func BenchmarkTokenDetails(b *testing.B) {
	c := benchServer(b)
	token, _ := c.Token.Token(b.Context())
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var a bareAccount
			if bare(b, c.AccountURL+"/api/v2/user", string(token), &a); a.Username != "member" {
				b.Fatalf("%+v", a)
			}
		}
	})
	b.Run("plexauth", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if a, err := c.TokenDetails(b.Context()); err != nil || a.Username != "member" {
				b.Fatal(a, err)
			}
		}
	})
}

func BenchmarkTransientToken(b *testing.B) {
	c := benchServer(b)
	token, _ := c.Token.Token(b.Context())
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var t struct {
				MediaContainer struct{ Token plexauth.Secret }
			}
			if bare(b, c.MediaURL+"/security/token?type=delegation&scope=all", string(token), &t); t.MediaContainer.Token == "" {
				b.Fatal("no token")
			}
		}
	})
	b.Run("plexauth", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if t, err := c.TransientToken(b.Context()); err != nil || t.Token == "" {
				b.Fatal(t, err)
			}
		}
	})
}
