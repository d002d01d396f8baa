package trouble_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/trouble"
)

const usual = `{"username": "mia"}`

// newServer starts a server with an injector in front of a handler that echoes the
// request.
func newServer(t *testing.T, faults ...string) (*trouble.Injector, string) {
	t.Helper()
	in := &trouble.Injector{
		Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Asked", r.Header.Get("Accept")+" "+r.URL.Path)
			_, _ = io.WriteString(w, usual)
		}),
		AcceptsJWT: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "accepted") }),
	}
	for _, text := range faults {
		f, err := trouble.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	srv := httptest.NewServer(in)
	t.Cleanup(srv.Close)
	return in, srv.URL
}

// answer is the result of a request.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func ask(t *testing.T, method, url string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body), err}
}

// Each fault of the table does what the table says.
func TestKinds(t *testing.T) {
	const asJSON, path = "application/json", "/api/v2/user"
	checks := map[string]func(t *testing.T, url string){
		"rate-limit": func(t *testing.T, url string) {
			a := ask(t, "GET", url+path, "Accept", asJSON)
			if a.status != 429 || a.header.Get("Retry-After") != "1" || a.body != `{"errors":[{"code":1003,"message":"API rate limit exceeded","status":429}]}` {
				t.Errorf("%+v", a)
			}
			if a := ask(t, "GET", url+path, "Accept", "application/xml"); a.status != 429 || !strings.Contains(a.body, `<error code="1003"`) {
				t.Errorf("%+v", a)
			}
		},
		"rate-limit-bare": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+path+".json"); a.status != 429 || a.header.Get("Retry-After") != "" || !json.Valid([]byte(a.body)) {
				t.Errorf("%+v", a)
			}
		},
		"rate-limit-html": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+path, "Accept", asJSON); a.status != 429 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Errorf("%+v", a)
			}
		},
		"bad-gateway": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+path, "Accept", asJSON); a.status != 502 || !strings.HasPrefix(a.body, "<html>") {
				t.Errorf("%+v", a)
			}
		},
		"dead-token-401": func(t *testing.T, url string) { deadToken(t, url+path, 401) },
		"dead-token-422": func(t *testing.T, url string) { deadToken(t, url+path, 422) },
		"drop": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+path); a.err == nil {
				t.Errorf("%+v", a)
			}
		},
		"cut": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+path); !errors.Is(a.err, io.ErrUnexpectedEOF) || a.status != 200 || a.body == "" || len(a.body) >= len(usual) {
				t.Errorf("%+v", a)
			}
		},
		"malformed": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+path); a.err != nil || a.status != 200 || a.body == "" || json.Valid([]byte(a.body)) {
				t.Errorf("%+v", a)
			}
		},
		"empty": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+path); a.err != nil || a.status != 200 || a.body != "" || a.header.Get("Content-Type") != asJSON {
				t.Errorf("%+v", a)
			}
		},
		"clock-skew": func(t *testing.T, url string) {
			a := ask(t, "GET", url+path)
			date, err := http.ParseTime(a.header.Get("Date"))
			if ahead := time.Until(date); err != nil || ahead < 50*time.Minute || ahead > 61*time.Minute || a.body != usual {
				t.Errorf("%+v", a)
			}
		},
		"xml": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+path+".json", "Accept", asJSON); a.header.Get("X-Asked") != "application/xml "+path+".xml" {
				t.Errorf("%+v", a)
			}
		},
		"pin-expired-404": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+"/api/v2/pins/7", "Accept", asJSON); a.status != 404 || !strings.Contains(a.body, `"code":1020`) {
				t.Errorf("%+v", a)
			}
			if a := ask(t, "GET", url+"/pins/7.xml"); a.status != 404 || !strings.Contains(a.body, `code="1020"`) {
				t.Errorf("%+v", a)
			}
			unaffected(t, "POST", url+"/api/v2/pins")
			unaffected(t, "GET", url+"/api/v2/pins/qr/ABCD")
		},
		"pin-expired-null": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+"/api/v2/pins/7"); a.status != 200 || a.body != "null" {
				t.Errorf("%+v", a)
			}
			unaffected(t, "POST", url+"/api/v2/pins")
		},
		"pms-accepts-jwt": func(t *testing.T, url string) {
			if a := ask(t, "GET", url+"/"); a.body != "accepted" {
				t.Errorf("%+v", a)
			}
		},
		"nonce-refused": func(t *testing.T, url string) {
			unaffected(t, "GET", url+"/api/v2/auth/nonce")
			refused := 0
			for range 400 {
				if a := ask(t, "POST", url+"/api/v2/auth/token"); a.status == 422 && strings.Contains(a.body, "nonce") {
					refused++
				}
			}
			if refused < 5 || refused > 50 {
				t.Errorf("%d of 400 were refused", refused)
			}
		},
		"slow": func(*testing.T, string) {}, // see TestSlow
	}
	for _, k := range trouble.Kinds() {
		check, ok := checks[k.Name]
		if !ok {
			t.Errorf("nothing checks %s", k.Name)
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			_, url := newServer(t, k.Name)
			check(t, url)
		})
	}
}

func deadToken(t *testing.T, url string, status int) {
	t.Helper()
	unaffected(t, "GET", url)
	for _, a := range []answer{
		ask(t, "GET", url, "X-Plex-Token", "x"), ask(t, "GET", url+"?x-plex-token=x"), ask(t, "GET", url, "Authorization", "Bearer x"),
	} {
		if a.status != status {
			t.Errorf("%+v", a)
		}
	}
}

func unaffected(t *testing.T, method, url string) {
	t.Helper()
	if a := ask(t, method, url); a.status != 200 || a.body != usual {
		t.Errorf("%s %s: %+v", method, url, a)
	}
}

func TestSlow(t *testing.T) {
	_, url := newServer(t, "slow,seconds=0.05")
	start := time.Now()
	unaffected(t, "GET", url)
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// Faults occur in order and by path, and stop.
func TestOrder(t *testing.T) {
	_, url := newServer(t, "bad-gateway,path=/a,times=1", "empty,path=/a,skip=1,times=1", "rate-limit,path=/b/*", "pin-expired-null,path=/pins/*,times=1")
	for i, want := range []int{502, 200, 200, 200} {
		a := ask(t, "GET", url+"/a")
		if a.status != want || (a.body == "") != (i == 2) {
			t.Errorf("request %d: %+v", i+1, a)
		}
	}
	for path, want := range map[string]int{"/b/c/d": 429, "/b": 200, "/b/": 429, "/c": 200} {
		if a := ask(t, "GET", url+path); a.status != want {
			t.Errorf("%s: %+v", path, a)
		}
	}
}

// A star matches any text without a slash, and at the end any text. All other characters
// match themselves.
func TestPaths(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/a", "/a", true}, {"/a", "/a/", false}, {"/a", "/ab", false}, {"*", "/a/b", false}, {"/*", "/a/b", true},
		{"/a/*/b", "/a/x/b", true}, {"/a/*/b", "/a/b", false}, {"/a/*/b", "/a/x/y/b", false}, {"/a/*/b", "/a/x/bc", false},
		{"/a/*/b*", "/a/x/b", true}, {"/a/*/b*", "/a/x/bc/d/e", true}, {"/a/*/b/*", "/a/x/b/c/d", true}, {"/a/*/*", "/a/x/y/z", true},
		{"/*a*b", "/xaxb", true}, {"/*a*b", "/xax/b", false}, {"/*aab", "/aaab", true}, {"/**/b", "/x/b", true},
		{"/pins/*.json", "/pins/7.json", true}, {"/pins/*.json", "/pins/7.xml", false}, {"/[a]", "/[a]", true}, {"/[a]", "/a", false}, {`/\a`, "/a", false},
	} {
		in := &trouble.Injector{Next: http.NotFoundHandler()}
		if _, err := in.Add(trouble.Fault{Name: "bad-gateway", Path: test.pattern}); err != nil {
			if test.want {
				t.Errorf("%s: %v", test.pattern, err)
			}
			continue
		}
		rec := httptest.NewRecorder()
		in.ServeHTTP(rec, httptest.NewRequest("GET", test.path, nil))
		if (rec.Code == 502) != test.want {
			t.Errorf("%s matches %s: %v", test.pattern, test.path, !test.want)
		}
	}
}

// A request with a skewed clock does not change the clock of other requests.
func TestSkewAffectsOneRequest(t *testing.T) {
	var ahead atomic.Bool
	in := &trouble.Injector{
		Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if skewed := r.URL.Path == "/skewed"; ahead.Load() != skewed {
				http.Error(w, "the clock of another request", http.StatusInternalServerError)
			}
		}),
		Skew: func(_ time.Duration, serve func()) {
			ahead.Store(true)
			defer ahead.Store(false)
			serve()
		},
	}
	if _, err := in.Add(trouble.Fault{Name: "clock-skew", Path: "/skewed"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			path := "/usual"
			if i%4 == 0 {
				path = "/skewed"
			}
			rec := httptest.NewRecorder()
			in.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
			if rec.Code != http.StatusOK {
				t.Errorf("%s: %s", path, rec.Body)
			}
		})
	}
	wg.Wait()
}

// The same seed makes the same requests fail.
func TestSeed(t *testing.T) {
	pattern := func(seed uint64) string {
		in := &trouble.Injector{Next: http.NotFoundHandler(), Seed: seed}
		if err := in.Set([]trouble.Fault{{Name: "bad-gateway", Chance: 0.5}}); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for range 64 {
			rec := httptest.NewRecorder()
			in.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
			b.WriteByte(rec.Body.Bytes()[0])
		}
		return b.String()
	}
	if a, b := pattern(7), pattern(7); a != b {
		t.Errorf("%s and %s", a, b)
	}
	if pattern(7) == pattern(8) {
		t.Error("two seeds do the same")
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `there is no fault ""`,
		"emtpy":                 `there is no fault "emtpy"; did you mean "empty"?`,
		"volcano":               "there are rate-limit, ",
		"slow,path":             "not of the form KEY=VALUE",
		"slow,tims=2":           `did you mean "times"?`,
		"slow,times=x":          "not a number",
		"slow,times=-1":         "negative",
		"slow,skip=-1":          "negative",
		"slow,chance=1.5":       "between 0 and 1",
		"slow,chance=NaN":       "between 0 and 1",
		"slow,seconds=1e300":    "century",
		"slow,path=api":         "slash",
		"slow,path=/a?b=c":      "has a query",
		"slow,seconds=Infinity": "century",
	} {
		if _, err := trouble.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want it to have %s", text, err, want)
		}
	}
}

// docs/testing.md has each fault of the table.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| fault | what it does |\n|---|---|\n")
	for _, k := range trouble.Kinds() {
		want.WriteString("| `" + k.Name + "` | " + k.Does + " |\n")
	}
	if !strings.Contains(string(text), want.String()+"\n") {
		t.Errorf("docs/testing.md has no such table:\n%s", want.String())
	}
}

// Any text is a fault or an error.
func FuzzParse(f *testing.F) {
	f.Add("slow,path=/a*,times=2,skip=1,seconds=0.5,chance=0.1")
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := trouble.Parse(text)
		if err == nil && fault.Check() != nil {
			t.Errorf("%q was read", text)
		}
	})
}
