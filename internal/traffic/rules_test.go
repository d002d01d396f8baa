package traffic_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/traffic"
)

// judged returns the violations of a rule by requests. Each request is a URL, or a
// token for a header, a space, and a URL.
func judged(t *testing.T, rule string, e traffic.Ending, urls ...string) []string {
	t.Helper()
	var j traffic.Judge
	if err := j.Add(rule); err != nil {
		t.Fatal(err)
	}
	h := j.Around(http.NotFoundHandler())
	for _, u := range urls {
		token, rest, ok := strings.Cut(u, " ")
		if !ok {
			rest = u
		}
		r := httptest.NewRequest(http.MethodGet, rest, nil)
		if ok {
			r.Header.Set("X-Plex-Token", token)
			r.Header.Set("X-Plex-Client-Identifier", token)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	v := j.Verdicts(e)
	if len(v) != 1 || v[0].Rule != rule {
		t.Fatalf("the verdicts are %+v", v)
	}
	return v[0].Broken
}

func TestRules(t *testing.T) {
	const secret = "aSecretOfTheScene001"
	known := traffic.Ending{Secrets: []string{secret}}
	for name, test := range map[string]struct {
		rule string
		end  traffic.Ending
		urls []string
		want []string
	}{
		"token, kept": {"no-token-in-url", known, []string{"x https://plex.tv/a?b=c", "https://plex.tv/pins/7?code=ABCD", "https://plex.tv/a?X-Plex-Token="}, nil},
		"token": {"no-token-in-url", known, []string{"https://plex.tv/a?X-Plex-Token=x", "https://plex.tv/a?x-plex-token=y", "https://plex.tv/a?X-Plex-Token=z"},
			[]string{"GET plex.tv/a has a secret in its URL: X-Plex-Token (2 times)", "GET plex.tv/a has a secret in its URL: x-plex-token"}},
		"password":            {"no-token-in-url", known, []string{"https://plex.tv/a?user%5Bpassword%5D=x"}, []string{"GET plex.tv/a has a secret in its URL: user[password]"}},
		"token by its looks":  {"no-token-in-url", known, []string{"https://plex.tv/a?auth=transient-abc", "https://plex.tv/eyJhbGciOi.eyJ.sig/b"}, []string{"GET plex.tv/a has a token in its URL: auth", "GET plex.tv/…/b has a token in its path"}},
		"known secret":        {"no-token-in-url", known, []string{"https://plex.tv/a?auth=" + secret, "https://plex.tv/b/" + secret}, []string{"GET plex.tv/a has a secret in its URL", "GET plex.tv/b/… has a secret in its URL"}},
		"token of a header":   {"no-token-in-url", traffic.Ending{}, []string{"https://plex.tv/a?auth=issuedLater", "issuedLater https://plex.tv/b"}, []string{"GET plex.tv/a has a secret in its URL"}},
		"client, kept":        {"stable-client-id", known, []string{"x https://plex.tv/a", "https://plex.tv/a?X-Plex-Client-Identifier=x", "https://plex.tv/a"}, nil},
		"client":              {"stable-client-id", known, []string{"x https://plex.tv/a", "x https://plex.tv/b", "y https://plex.tv/a"}, []string{`there are 2 client identifiers: "x" (2 times), "y"`}},
		"calls, kept":         {"max-calls=2/plex.tv", known, []string{"https://plex.tv/a", "https://plex.tv:443/b", "http://localhost:32400/a"}, nil},
		"calls":               {"max-calls=1/plex.tv", known, []string{"https://plex.tv/b", "https://plex.tv/a?X-Plex-Token=x", "https://PLEX.tv/a"}, []string{"there are 3 requests, at most 1 are allowed; the most frequent are:", "1 × GET plex.tv/b", "1 × GET plex.tv/a", "1 × GET PLEX.tv/a"}},
		"calls, any host":     {"max-calls=0", known, []string{"http://localhost:32400/a"}, []string{"there are 1 requests, at most 0 are allowed; the most frequent are:", "1 × GET localhost:32400/a"}},
		"calls, path":         {"max-calls=0/plex.tv/api/v2/pins", known, []string{"https://plex.tv/api/v2/user", "https://plex.tv/api/v2/pins/7"}, []string{"there are 1 requests, at most 0 are allowed; the most frequent are:", "1 × GET plex.tv/api/v2/pins/7"}},
		"unknown host":        {"no-unknown-host", traffic.Ending{RefusedHosts: []string{"example.com"}}, nil, []string{"example.com"}},
		"unknown path":        {"no-unknown-path", traffic.Ending{UnknownPaths: []string{"GET plex.tv/a"}}, nil, []string{"GET plex.tv/a"}},
		"unknown, but not so": {"no-unknown-path", traffic.Ending{RefusedHosts: []string{"example.com"}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, judged(t, test.rule, test.end, test.urls...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMisspeltRules(t *testing.T) {
	for text, want := range map[string]string{
		"no-token-in-ulr":   `did you mean "no-token-in-url"?`,
		"be-good":           "there are no-token-in-url, ",
		"max-calls":         "max-calls=N[/HOST[/PATH]]",
		"max-calls=x":       `"x" is not a number`,
		"max-calls=-1":      "not a number",
		"no-unknown-host=7": `takes no "7"`,
	} {
		if err := new(traffic.Judge).Add(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want it to have %s", text, err, want)
		}
	}
}

// docs/testing.md has each rule.
func TestDocumentOfRules(t *testing.T) {
	text, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	want := "| rule | holds if |\n|---|---|\n"
	for _, k := range traffic.RuleKinds() {
		want += "| `" + k.Form + "` | " + k.Does + " |\n"
	}
	if !strings.Contains(string(text), want+"\n") {
		t.Errorf("docs/testing.md has no such table:\n%s", want)
	}
}
