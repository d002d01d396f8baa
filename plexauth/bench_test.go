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
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// bareAccount is the account type of a program that does not use the SDK.
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

// bare makes one call with net/http and encoding/json, with the same headers as
// the SDK, and decodes the same response.
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

// serverVariable makes the test binary run the server of its own benchmarks.
// The server is another process, so that its allocations are not counted.
const serverVariable = "PLEXAUTH_BENCH_SERVER"

// TestBenchServer is that server. It prints its address and a token, and serves
// until its standard input is closed.
func TestBenchServer(t *testing.T) {
	if os.Getenv(serverVariable) == "" {
		return
	}
	srv := plexauthtest.New(t, plexauthtest.Config{})
	fmt.Printf("\n%s %s %s\n", serverVariable, srv.AccountURL, string(srv.Token(srv.Member)))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// benchServer starts the server and returns a client for it.
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

// Both benchmarks make a call with net/http and with the SDK, to the same server. The third
// sub-benchmark of each alternates between the two and reports the ratio of their times.
// Use that figure on a machine whose speed varies.
//
//	go test -run xxx -bench . -count 10 ./plexauth
func BenchmarkTokenDetails(b *testing.B) {
	c := benchServer(b)
	token, _ := c.Token.Token(b.Context())
	compare(b, func(b *testing.B) {
		var a bareAccount
		if bare(b, c.AccountURL+"/api/v2/user", string(token), &a); a.Username != "member" {
			b.Fatalf("%+v", a)
		}
	}, func(b *testing.B) {
		if a, err := c.TokenDetails(b.Context()); err != nil || a.Username != "member" {
			b.Fatal(a, err)
		}
	})
}

func BenchmarkTransientToken(b *testing.B) {
	c := benchServer(b)
	token, _ := c.Token.Token(b.Context())
	compare(b, func(b *testing.B) {
		var t struct {
			MediaContainer struct{ Token plexauth.Secret }
		}
		if bare(b, c.MediaURL+"/security/token?type=delegation&scope=all", string(token), &t); t.MediaContainer.Token == "" {
			b.Fatal("no token")
		}
	}, func(b *testing.B) {
		if t, err := c.TransientToken(b.Context()); err != nil || t.Token == "" {
			b.Fatal(t, err)
		}
	})
}

// compare measures the two calls separately and alternately.
func compare(b *testing.B, bare, sdk func(*testing.B)) {
	for _, one := range []struct {
		name string
		call func(*testing.B)
	}{{"bare", bare}, {"plexauth", sdk}} {
		b.Run(one.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one.call(b)
			}
		})
	}
	b.Run("ratio", func(b *testing.B) {
		var took [2]time.Duration
		for i := 0; b.Loop(); i++ {
			// Each call is the first of a pair equally often.
			for _, which := range [2]int{i % 2, (i + 1) % 2} {
				start := time.Now()
				[2]func(*testing.B){bare, sdk}[which](b)
				took[which] += time.Since(start)
			}
		}
		b.ReportMetric(float64(took[1])/float64(took[0]), "x-bare")
	})
}
