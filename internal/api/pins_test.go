package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// pin has the fields of a PIN that programs read.
type pin struct {
	ID        int64
	Code, QR  string
	ExpiresIn int
	AuthToken *plexauth.Secret
}

// asDevice sends a request of a device that is not signed in.
func (w *fixture) asDevice(t testing.TB, method, path, client string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Plex-Client-Identifier", client)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (w *fixture) startPIN(t testing.TB, client string) (p pin) {
	t.Helper()
	status, body := w.asDevice(t, "POST", "/api/v2/pins", client)
	if err := json.Unmarshal([]byte(body), &p); err != nil || status != 201 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	return p
}

// poll polls a PIN and returns its token, or nil while it is not linked.
func (w *fixture) poll(t testing.TB, id int64, client string) (int, *plexauth.Secret) {
	t.Helper()
	status, body := w.asDevice(t, "GET", fmt.Sprint("/api/v2/pins/", id), client)
	var p pin
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	return status, p.AuthToken
}

// Only access tokens can link a PIN: linking issues a token that outlives any
// other token.
func TestOnlyAccessTokensLink(t *testing.T) {
	w := newFixture(t, nil)
	access := w.signIn(t, "admin")
	p := w.startPIN(t, "tv")
	link := func(token plexauth.Secret) int {
		status, _ := w.call(t, "PUT", "/api/v2/pins/link?code="+p.Code, token, nil)
		return status
	}
	for attack, token := range map[string]plexauth.Secret{
		"a transient token links":                      w.transient(t, access),
		"a server token links":                         w.serverToken(t, access, "self"),
		"a transient token of a server token links":    w.transient(t, w.serverToken(t, access, "self")),
		"a transient token for another source links":   w.sourceToken(t, access),
		"a server token for another server links, too": w.serverToken(t, access, "den"),
	} {
		if status := link(token); status != 403 {
			t.Errorf("attack: %s: %d, want 403", attack, status)
		}
	}
	if status, token := w.poll(t, p.ID, "tv"); status != 200 || token != nil {
		t.Errorf("after that, the PIN is linked or deleted: %d", status)
	}
	if status := link(access); status != 204 {
		t.Errorf("an access token: %d, want 204", status)
	}
	if status := link(access); status != 404 {
		t.Errorf("attack: a code claimed twice: %d, want 404", status)
	}
	_, token := w.poll(t, p.ID, "tv")
	if token == nil || !w.good(t, *token) {
		t.Error("the device has no token")
	}
	if status, token := w.poll(t, p.ID, "spy"); status != 404 || token != nil {
		t.Errorf("attack: another client polls: %d, want 404", status)
	}
}

func TestPollingTouchesNoSQL(t *testing.T) {
	w := newFixture(t, nil)
	p := w.startPIN(t, "tv")
	w.poll(t, p.ID, "tv")
	if err := w.DB.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.poll(t, p.ID, "tv"); status != 200 {
		t.Errorf("polling reads the database: %d", status)
	}
}

func TestPINCountsDown(t *testing.T) {
	w := newFixture(t, nil)
	p := w.startPIN(t, "tv")
	if p.ExpiresIn != 900 {
		t.Errorf("it expires in %d seconds, want 900", p.ExpiresIn)
	}
	w.Clock.Advance(14*time.Minute + 59*time.Second + 1)
	_, body := w.asDevice(t, "GET", fmt.Sprint("/api/v2/pins/", p.ID), "tv")
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.ExpiresIn != 1 {
		t.Errorf("later it expires in %d seconds, want 1: %v", p.ExpiresIn, err)
	}
	w.Clock.Advance(time.Second)
	if status, _ := w.poll(t, p.ID, "tv"); status != 404 {
		t.Errorf("then polling returned %d, want 404", status)
	}
}

// The address in a PIN and in its picture is the public address or, if there is none, the
// address of the request.
func TestPINAddress(t *testing.T) {
	w := newFixture(t, nil)
	if p := w.startPIN(t, "tv"); p.QR != w.URL+"/api/v2/pins/qr/"+p.Code {
		t.Errorf("the picture is at %s", p.QR)
	}
	w = newFixture(t, func(c *config) { c.API.PublicURL = "https://usher.example.org/" })
	if p := w.startPIN(t, "tv"); p.QR != "https://usher.example.org/api/v2/pins/qr/"+p.Code {
		t.Errorf("the picture is at %s", p.QR)
	}
}

func TestPictureOfPIN(t *testing.T) {
	w := newFixture(t, nil)
	draw := func(code, host string) *httptest.ResponseRecorder {
		req := httptest.NewRequest("GET", "/api/v2/pins/qr/"+code, nil)
		req.Host = host
		rec := httptest.NewRecorder()
		w.Config.Handler.ServeHTTP(rec, req)
		return rec
	}
	for _, code := range []string{w.startPIN(t, "tv").Code, "cfhj", "abcdefghijklmnopqrstuvwx0"} {
		rec := draw(code, "usher.example.org:32400")
		if rec.Code != 200 || rec.Header().Get("Content-Type") != "image/png" {
			t.Errorf("%s: %d %s", code, rec.Code, rec.Header())
		}
		picture, err := png.Decode(bytes.NewReader(rec.Body.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		// The margin is white, and the first of the three marks begins black.
		width := picture.Bounds().Dx()
		for i := range width {
			for _, at := range [][2]int{{i, 0}, {i, 23}, {0, i}, {i, width - 24}, {width - 1, i}} {
				if r, _, _, _ := picture.At(at[0], at[1]).RGBA(); r != 0xffff {
					t.Fatalf("%s: the margin is not white at %v", code, at)
				}
			}
		}
		if r, _, _, _ := picture.At(24, 24).RGBA(); r != 0 {
			t.Errorf("%s: there is no mark in the corner", code)
		}
	}
	for _, code := range []string{"CFH", "CFH0", "%3Cscript%3E", strings.Repeat("a", 3000)} {
		if rec := draw(code, "host"); rec.Code != 404 {
			t.Errorf("attack: a picture of %.20s: %d, want 404", code, rec.Code)
		}
	}
	if rec := draw("CFHJ", strings.Repeat("a", 3000)); rec.Code != 400 {
		t.Errorf("attack: a picture of a host that is too long: %d, want 400", rec.Code)
	}
}

// Attack: a QR code costs milliseconds of processor time, and anyone can request one. The
// number of new codes is limited by network. A picture that a page shows again is cached,
// and does not count.
func TestPicturesAreLimited(t *testing.T) {
	w := newFixture(t, nil)
	draw := func(address, code string) int {
		req := httptest.NewRequest("GET", "/api/v2/pins/qr/"+code, nil)
		req.RemoteAddr = address + ":1"
		rec := httptest.NewRecorder()
		w.Config.Handler.ServeHTTP(rec, req)
		return rec.Code
	}
	const burst = 120
	for i := range burst {
		for range 3 {
			if got := draw("192.0.2.1", fmt.Sprintf("abcdefghijklmnopqrstuv%03d", i)); got != 200 {
				t.Fatalf("picture %d: %d, want 200", i, got)
			}
		}
	}
	if got := draw("192.0.2.1", "abcdefghijklmnopqrstuvwxy"); got != 429 {
		t.Errorf("one more picture: %d, want 429", got)
	}
	if got := draw("192.0.2.1", "abcdefghijklmnopqrstuv000"); got != 200 {
		t.Errorf("a picture that was drawn before: %d, want 200", got)
	}
	if got := draw("198.51.100.1", "abcdefghijklmnopqrstuvwxy"); got != 200 {
		t.Errorf("from another network: %d, want 200", got)
	}
}

// Path parameters do not match the patterns of other paths.
func TestPathsOfPINs(t *testing.T) {
	w := newFixture(t, nil)
	for path, want := range map[string]int{
		"/api/v2/pins/1": 404, "/api/v2/pins/x": 404, "/api/v2/pins/-1": 404, "/api/v2/pins/99999999999999999999": 404,
		"/api/v2/pins/1/2": 404, "/api/v2/pins/": 404, "/api/v2/pins": 405, "/api/v2/pins/link": 405, "/api/v2/pins/qr": 404,
		"/api/v2/pins/{id}": 404, "/api/v2/pins/%2e%2e": 404, "/api/v2/pins/a%2fb": 404, "/pins/1": 404, "/pins/": 404, "/pins": 405,
	} {
		if status, body := w.asDevice(t, "GET", path, "tv"); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	if status, _ := w.asDevice(t, "GET", "/api/v2/pins/1", ""); status != 400 {
		t.Errorf("without a client identifier: %d, want 400", status)
	}
}

func BenchmarkPollPIN(b *testing.B) {
	w := newFixture(b, nil)
	p := w.startPIN(b, "tv")
	w.poll(b, p.ID, "tv")
	if err := w.DB.Close(); err != nil { // polling must not query it
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest("GET", fmt.Sprint("/api/v2/pins/", p.ID), nil)
		req.Header.Set("Accept", "application/json")
		req.Header.Set("X-Plex-Client-Identifier", "tv")
		rec := httptest.NewRecorder()
		w.Config.Handler.ServeHTTP(rec, req)
		if rec.Code != 200 {
			b.Fatalf("%d %s", rec.Code, rec.Body)
		}
	}
}
