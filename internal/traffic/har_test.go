package traffic_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/traffic"
)

// record returns the archive of one exchange.
func record(t *testing.T, req *http.Request, header http.Header, body string, secrets ...string) string {
	t.Helper()
	r := traffic.Recorder{Keep: true}
	h := r.Around(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		for name, values := range header {
			w.Header()[name] = values
		}
		_, _ = io.WriteString(w, body)
	}))
	h.ServeHTTP(httptest.NewRecorder(), req)
	var b strings.Builder
	if err := r.WriteHAR(&b, "usher", "1", secrets); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Attack: someone reads a recording that was attached to a bug report. It contains no
// secrets, wherever the program put them.
func TestSecretsAreBlanked(t *testing.T) {
	const secret = "aSecret's 1234567890"
	post := func(kind, body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "https://plex.tv/", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		return r
	}
	const form = "application/x-www-form-urlencoded"
	for name, x := range map[string]struct {
		req    *http.Request
		header http.Header
		body   string
		known  []string
	}{
		"query":             {req: httptest.NewRequest(http.MethodGet, "https://plex.tv/?X-Plex-Token=aSecret%27s%201234567890&a=b", nil)},
		"query, plus":       {req: httptest.NewRequest(http.MethodGet, "https://plex.tv/?authToken=aSecret%27s+1234567890", nil)},
		"path":              {req: httptest.NewRequest(http.MethodGet, "https://plex.tv/x/aSecret%27s%201234567890/y", nil), known: []string{secret}},
		"header":            {req: with("X-Plex-Token", secret)},
		"bearer":            {req: with("Authorization", "Bearer "+secret), body: "it was " + secret},
		"basic":             {req: basic("user", secret), body: "it was " + secret},
		"cookie":            {req: with("Cookie", "session=aSecret123; other=1")},
		"set-cookie":        {req: with("A", "b"), header: http.Header{"Set-Cookie": {"session=" + secret + "; Path=/"}}, body: secret},
		"location":          {req: with("A", "b"), header: http.Header{"Location": {"https://x.example/?code=aSecret%27s+1234567890"}}, known: []string{secret}},
		"form":              {req: post(form, "login=mia&password=aSecret%27s+1234567890")},
		"form, brackets":    {req: post(form, "user%5Blogin%5D=mia&user%5Bpassword%5D=aSecret%27s+1234567890"), body: secret},
		"form, untyped":     {req: post("", "login=mia&password=aSecret%27s+1234567890")},
		"form as text":      {req: post("text/plain", "login=mia&password=aSecret%27s+1234567890"), body: secret},
		"referer":           {req: with("Referer", "https://x.example/a?b=c&X-Plex-Token=aSecret%27s%201234567890")},
		"location, unknown": {req: with("A", "b"), header: http.Header{"Location": {"https://x.example/#authToken=aSecret%27s+1234567890"}}},
		"URL in a query":    {req: httptest.NewRequest(http.MethodGet, "https://plex.tv/?forwardUrl=https%3A%2F%2Fx.example%2F%3Ftoken%3DaSecret1234567890", nil)},
		"URL in JSON":       {req: with("A", "b"), body: `{"thumb":"https://x/?a=b\u0026X-Plex-Token=aSecret1234567890"}`},
		"URL in XML":        {req: with("A", "b"), body: `<a uri="https://x/?a=b&amp;X-Plex-Token=aSecret1234567890"/>`},
		"proof":             {req: with("X-Plex-Pin-Proof", "aSecret1234567890")},
		"multipart":         {req: post("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=password\r\n\r\n"+secret+"\r\n--x--")},
		"JSON sent":         {req: post("application/json", `{"a":{"verificationCode" : "aSecret's 1234567890"}}`)},
		"JSON answered":     {req: with("A", "b"), body: `{"authToken":"aSecret's 1234567890","link":"https://x/aSecret%27s%201234567890"}`},
		"JSON, escaped":     {req: with("A", "b"), body: `{"authToken":"aSecret\u0027s 1234567890","again":"aSecret's 1234567890"}`},
		"XML attribute":     {req: with("A", "b"), body: `<user authToken="aSecret&#39;s 1234567890" authenticationToken="aSecret&apos;s 1234567890"/>`},
		"XML element":       {req: with("A", "b"), body: `<user><auth-token type="string">aSecret's 1234567890</auth-token></user>`},
		"answered later on": {req: with("X-Plex-Token", secret), body: "you sent aSecret&#39;s 1234567890"},
	} {
		t.Run(name, func(t *testing.T) {
			got := record(t, x.req, x.header, x.body, x.known...)
			if strings.Contains(got, "1234567890") || strings.Contains(got, "aSecret") {
				t.Errorf("the secret is in it:\n%s", got)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("it is not JSON:\n%s", got)
			}
		})
	}
}

func with(name, value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://plex.tv/", nil)
	r.Header.Set(name, value)
	return r
}

func basic(user, password string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://plex.tv/", nil)
	r.SetBasicAuth(user, password)
	return r
}

// Tokens without a name are recognized by their form, and short codes by their names.
func TestTokensByTheirLooks(t *testing.T) {
	got := record(t, with("A", "b"), nil,
		`["eyJhbGciOi.eyJzdWIi.c2ln", "transient-0123abc", {"code":"WXYZ","qr":"https://plex.tv/qr/WXYZ"}]`)
	for _, secret := range []string{"eyJ", "0123abc", "WXYZ"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is in it:\n%s", secret, got)
		}
	}
}

// A PIN and a code that a program sends as a number are as secret as a text.
func TestNumbers(t *testing.T) {
	req := httptest.NewRequest(http.MethodPost, "https://plex.tv/?currentPin=4321", strings.NewReader(`{"pin":1234,"newPin" : 5678,"verificationCode":123456,"id":7}`))
	req.Header.Set("Content-Type", "application/json")
	got := record(t, req, nil, `{"code":1020,"pin":{"id":8}}`)
	for _, secret := range []string{"1234", "5678", "123456", "4321"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is in it:\n%s", secret, got)
		}
	}
	for _, plain := range []string{`\"id\":7`, `{\"code\":1020,\"pin\":{\"id\":8}}`} {
		if !strings.Contains(got, plain) {
			t.Errorf("%s is not in it:\n%s", plain, got)
		}
	}
}

// Other texts stay readable, and the file is valid.
func TestArchive(t *testing.T) {
	req := httptest.NewRequest(http.MethodPost, "https://plex.tv/api/v2/pins?strong=true&X-Plex-Token=secret", strings.NewReader("a=1&b=%22"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var file struct {
		Log struct {
			Version string
			Creator struct{ Name, Version string }
			Entries []struct {
				StartedDateTime string
				Time            float64
				Request         struct {
					Method, URL, HTTPVersion string
					Headers, QueryString     []struct{ Name, Value string }
					Cookies                  []any
					PostData                 struct {
						MimeType, Text string
						Params         []struct{ Name, Value string }
					}
					HeadersSize, BodySize int
				}
				Response struct {
					Status  int
					Content struct {
						Size           int
						MimeType, Text string
					}
				}
				Cache   *struct{}
				Timings *struct{ Send, Wait, Receive float64 }
			}
		}
	}
	got := record(t, req, http.Header{"Content-Type": {"application/json"}}, `{"id":7,"code":1001}`)
	if err := json.Unmarshal([]byte(got), &file); err != nil {
		t.Fatal(err)
	}
	if file.Log.Version != "1.2" || len(file.Log.Entries) != 1 {
		t.Fatalf("got\n%s", got)
	}
	e := file.Log.Entries[0]
	if e.Request.URL != "https://plex.tv/api/v2/pins?strong=true&X-Plex-Token=…" || len(e.Request.QueryString) != 2 ||
		e.Request.PostData.Text != "a=1&b=%22" || e.Request.PostData.Params[1].Value != `"` || e.Request.BodySize != 9 ||
		e.Response.Status != 200 || e.Response.Content.Text != `{"id":7,"code":1001}` || e.Response.Content.Size != 20 ||
		e.Cache == nil || e.Timings == nil || e.Request.Cookies == nil {
		t.Errorf("got\n%s", got)
	}
}

// Error codes are retained, in JSON and XML. Binary bodies are omitted, and their sizes
// are recorded.
func TestCodesAndBytes(t *testing.T) {
	got := record(t, with("A", "b"), nil, `<errors><error code="1020" message="gone"/></errors><pin code="WXYZ"/>{"code":1020}`)
	if strings.Count(got, "1020") != 2 || strings.Contains(got, "WXYZ") {
		t.Errorf("got\n%s", got)
	}
	for _, kind := range []string{"application/octet-stream", "application/x-www-form-urlencoded", "image/png", ""} {
		req := httptest.NewRequest(http.MethodPost, "https://plex.tv/", strings.NewReader("a=\xff\x00&b=\xfe"))
		req.Header.Set("Content-Type", kind)
		got := record(t, req, http.Header{"Content-Type": {"image/png"}}, "\x89PNG\xff")
		if !json.Valid([]byte(got)) || strings.Contains(got, "\ufffd") || !strings.Contains(got, `"bodySize": 8`) ||
			!strings.Contains(got, `"params": []`) || !strings.Contains(got, `"size": 5,`) {
			t.Errorf("%s: got\n%s", kind, got)
		}
	}
}
