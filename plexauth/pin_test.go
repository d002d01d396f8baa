package plexauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// A PIN of the real service, before and after a user has entered it.
const (
	pinWaits = `{"id":564964751,"code":"8lzjqnq8lye02n52jq3fqxf8e","product":"P","trusted":false,
		"qr":"https://plex.tv/api/v2/pins/qr/8lzjqnq8lye02n52jq3fqxf8e","clientIdentifier":"test",
		"location":{"code":"US","european_union_member":false,"continent_code":"NA","country":"United States","city":"X",
		"time_zone":"America/New_York","postal_code":"10001","in_privacy_restricted_country":false,
		"in_privacy_restricted_region":false,"subdivisions":"New York","coordinates":"40.7, -74.0"},"expiresIn":1800,
		"createdAt":"2024-07-16T17:03:05Z","expiresAt":"2024-07-16T17:33:05Z","authToken":null,"newRegistration":null}`
	pinGone = `{"errors":[{"code":1020,"message":"Code not found or expired","status":404}]}`
)

var pinLinked = strings.Replace(pinWaits, `"authToken":null`, `"authToken":"the-token"`, 1)

// scripted returns a client that gets the given responses and errors in turn,
// and records its requests. The last one repeats.
func scripted(asked *[]*http.Request, answers ...any) *plexauth.Client {
	return &plexauth.Client{
		ClientIdentifier: "test", Token: plexauth.StaticToken("not for this"),
		HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			next := answers[min(len(*asked), len(answers)-1)]
			*asked = append(*asked, r)
			switch next := next.(type) {
			case string:
				return answer(200, next), nil
			case *http.Response:
				again := *next // its body may have been read already
				body, _ := io.ReadAll(next.Body)
				next.Body = io.NopCloser(bytes.NewReader(body))
				again.Body = io.NopCloser(bytes.NewReader(body))
				return &again, nil
			}
			return nil, next.(error)
		})},
	}
}

func TestOddPINs(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want plexauth.PIN
	}{
		"as documented": {pinWaits, plexauth.PIN{
			ID: 564964751, Code: "8lzjqnq8lye02n52jq3fqxf8e", QR: "https://plex.tv/api/v2/pins/qr/8lzjqnq8lye02n52jq3fqxf8e",
			ClientIdentifier: "test", ExpiresIn: 30 * time.Minute, Location: plexauth.Location{
				Code: "US", Country: "United States", City: "X", Subdivisions: "New York", PostalCode: "10001",
				Coordinates: "40.7, -74.0", TimeZone: "America/New_York", ContinentCode: "NA",
			},
		}},
		"numbers as strings": {`{"id":"7","code":"ABCD","expiresIn":"900","clientIdentifier":"test","authToken":""}`,
			plexauth.PIN{ID: 7, Code: "ABCD", ClientIdentifier: "test", ExpiresIn: 15 * time.Minute}},
		"a code of digits":    {`{"id":7.0,"code":1234,"expiresIn":900}`, plexauth.PIN{ID: 7, Code: "1234", ClientIdentifier: "test", ExpiresIn: 15 * time.Minute}},
		"no more than it has": {`{"id":7,"code":"ABCD","qr":null,"expiresIn":null}`, plexauth.PIN{ID: 7, Code: "ABCD", ClientIdentifier: "test", ExpiresIn: 15 * time.Minute}},
		"a life without end":  {`{"id":7,"code":"ABCD","expiresIn":999999999999999999}`, plexauth.PIN{ID: 7, Code: "ABCD", ClientIdentifier: "test", ExpiresIn: 24 * time.Hour}},
		"a life before now":   {`{"id":7,"code":"ABCD","expiresIn":-5}`, plexauth.PIN{ID: 7, Code: "ABCD", ClientIdentifier: "test", ExpiresIn: 15 * time.Minute}},
		"XML": {`<?xml version="1.0" encoding="UTF-8"?><pin id="7" code="ABCD" product="P" trusted="1" qr="http://h/q" clientIdentifier="test"
			expiresIn="900" createdAt="2024-07-16T17:03:05Z" expiresAt="2024-07-16T17:18:05Z" authToken="" newRegistration=""><location code="DE" european_union_member="1"/></pin>`,
			plexauth.PIN{ID: 7, Code: "ABCD", QR: "http://h/q", ClientIdentifier: "test", ExpiresIn: 15 * time.Minute, Trusted: true,
				Location: plexauth.Location{Code: "DE", EuropeanUnionMember: true}}},
		"a bad location": {`{"id":7,"code":"ABCD","location":"Berlin","trusted":{},"newRegistration":[]}`, plexauth.PIN{ID: 7, Code: "ABCD", ClientIdentifier: "test", ExpiresIn: 15 * time.Minute}},
		"in a wrapper":   {`{"pin":{"id":7,"code":"ABCD","expiresIn":900}}`, plexauth.PIN{ID: 7, Code: "ABCD", ClientIdentifier: "test", ExpiresIn: 15 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.want.ExpiresAt = time.Now().Add(test.want.ExpiresIn)
				got, err := client(test.body).StartPIN(t.Context(), plexauth.PINRequest{})
				if err != nil {
					t.Fatal(err)
				}
				if string(got.Raw()) != test.body {
					t.Errorf("the raw document is %s", got.Raw())
				}
				if diff := cmp.Diff(&test.want, got, cmpopts.IgnoreUnexported(plexauth.PIN{})); diff != "" {
					t.Errorf("PIN (-want +got):\n%s", diff)
				}
			})
		})
	}
	for _, body := range []string{`{}`, `[]`, `null`, `{"id":7}`, `{"code":"ABCD"}`, `<pin id="7"/>`, `<pin code="ABCD">`, htmlPage, ``} {
		if got, err := client(body).StartPIN(t.Context(), plexauth.PINRequest{}); err == nil || !errors.As(err, new(*plexauth.Error)) {
			t.Errorf("%q is read as %+v, %v", body, got, err)
		}
	}
}

// The requests are those of published clients, without a token.
func TestPINRequests(t *testing.T) {
	var asked []*http.Request
	c := scripted(&asked, pinWaits, pinWaits, pinLinked)
	c.Product = "P"
	for _, strong := range []bool{false, true} {
		if _, err := c.StartPIN(t.Context(), plexauth.PINRequest{Strong: strong}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.WaitPIN(t.Context(), &plexauth.PIN{ID: 564964751}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"POST https://plex.tv/api/v2/pins?strong=false", "POST https://plex.tv/api/v2/pins?strong=true", "GET https://plex.tv/api/v2/pins/564964751",
	} {
		if got := asked[i].Method + " " + asked[i].URL.String(); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		h := asked[i].Header
		if h.Get("X-Plex-Client-Identifier") != "test" || h.Get("X-Plex-Product") != "P" || h.Get("X-Plex-Token") != "" {
			t.Errorf("%s: sent %v", want, h)
		}
	}
}

func TestWaitPIN(t *testing.T) {
	const life = 15*time.Minute + time.Second/2 // it expires between two attempts
	xml := func(token string) string {
		return `<pin id="7" code="ABCD" authToken="` + token + `"><location/></pin>`
	}
	slowly := func(status int, body string) *http.Response { return answer(status, body, "Retry-After", "5") }
	for name, test := range map[string]struct {
		answers []any
		tries   int
		took    time.Duration
		fails   []error // nil: WaitPIN returns the token
		says    string
	}{
		"entered already":         {[]any{pinLinked}, 1, 0, nil, ""},
		"a try each second":       {[]any{pinWaits, pinWaits, pinWaits, pinLinked}, 4, 3 * time.Second, nil, ""},
		"no token in three ways":  {[]any{`{"id":7,"authToken":""}`, `{"id":7}`, `{"id":"7","authToken":null}`, `{"id":"7","authToken":"the-token"}`}, 4, 3 * time.Second, nil, ""},
		"XML":                     {[]any{xml(""), `<pin id="7"/>`, xml("the-token")}, 3, 2 * time.Second, nil, ""},
		"at the server's pace":    {[]any{slowly(200, pinWaits), slowly(200, pinWaits), pinLinked}, 3, 10 * time.Second, nil, ""},
		"told to wait":            {[]any{slowly(429, ""), answer(401, `{"errors":[{"code":1031}]}`, "Retry-After", "60"), pinLinked}, 3, 65 * time.Second, nil, ""},
		"an outage in the middle": {[]any{pinWaits, io.ErrUnexpectedEOF, dialError, answer(502, htmlPage), htmlPage, "", answer(404, htmlPage), answer(302, "", "Location", "/login"), pinLinked}, 9, 8 * time.Second, nil, ""},
		"nobody enters it":        {[]any{pinWaits}, 901, life, []error{plexauth.ErrPINExpired}, "/api/v2/pins/…: PIN expired"},
		"told to wait for longer": {[]any{answer(429, "", "Retry-After", "86400")}, 1, life, []error{plexauth.ErrPINExpired, plexauth.ErrRateLimited}, "429"},
		"an outage to the end":    {[]any{pinWaits, answer(503, "")}, 901, life, []error{plexauth.ErrPINExpired, plexauth.ErrServer}, "PIN expired; the last attempt failed: "},
		"an outage that is over":  {[]any{answer(503, ""), pinWaits}, 901, life, []error{plexauth.ErrPINExpired}, "/api/v2/pins/…: PIN expired"},
		"the server forgot it":    {[]any{pinWaits, answer(404, pinGone)}, 2, time.Second, []error{plexauth.ErrPINExpired, plexauth.ErrNotFound}, "Code not found or expired (code 1020)"},
		"forgotten, in XML":       {[]any{answer(404, `<errors><error code="1020" message="x" status="404"/></errors>`)}, 1, 0, []error{plexauth.ErrPINExpired}, ""},
		"refused":                 {[]any{answer(400, "")}, 1, 0, []error{plexauth.ErrBadRequest}, ""},
		"not let":                 {[]any{answer(403, "")}, 1, 0, []error{plexauth.ErrForbidden}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []*http.Request
				c := scripted(&asked, test.answers...)
				c.Retry = &plexauth.Retry{ConnectionErrors: true} // which would have its own pace
				start := time.Now()
				token, err := c.WaitPIN(t.Context(), &plexauth.PIN{ID: 7, ExpiresAt: start.Add(life)})
				if len(asked) != test.tries || time.Since(start) != test.took {
					t.Errorf("%d tries in %v, want %d in %v", len(asked), time.Since(start), test.tries, test.took)
				}
				if test.fails == nil {
					if token != "the-token" || err != nil {
						t.Errorf("token %q, %v", string(token), err)
					}
					return
				}
				var e *plexauth.Error
				if token != "" || !errors.As(err, &e) || e.Operation != "WaitPIN" {
					t.Fatalf("token %v, error %v", token, err)
				}
				for _, target := range test.fails {
					if !errors.Is(err, target) {
						t.Errorf("the error is %v, want %v", err, target)
					}
				}
				if len(test.fails) == 1 && errors.Is(err, plexauth.ErrServer) {
					t.Errorf("the error names trouble that was over: %v", err)
				}
				if !strings.Contains(err.Error(), test.says) {
					t.Errorf("the error is %q, want it to say %q", err, test.says)
				}
			})
		})
	}
}

// WaitPIN returns when its context is cancelled and when the PIN expires, even while a
// server delays a response.
func TestWaitPINEnds(t *testing.T) {
	silent := &plexauth.Client{ClientIdentifier: "test", Timeout: -1, HTTPClient: &http.Client{
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}),
	}}
	for name, c := range map[string]*plexauth.Client{"between tries": client(pinWaits), "while asking": silent} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second+time.Millisecond)
				defer cancel()
				start := time.Now()
				_, err := c.WaitPIN(ctx, &plexauth.PIN{ID: 7})
				if errors.Is(err, plexauth.ErrUnreachable) != (c == silent) {
					t.Errorf("whether there was an answer is not in %v", err)
				}
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, plexauth.ErrPINExpired) || time.Since(start) > 91*time.Second {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
				start = time.Now()
				_, err = c.WaitPIN(t.Context(), &plexauth.PIN{ID: 7, ExpiresAt: start.Add(time.Minute)})
				if !errors.Is(err, plexauth.ErrPINExpired) || time.Since(start) != time.Minute {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}

func TestWaitPINWithoutIdentifier(t *testing.T) {
	if _, err := new(plexauth.Client).WaitPIN(t.Context(), &plexauth.PIN{ID: 7}); err == nil || errors.As(err, new(*plexauth.Error)) {
		t.Errorf("error %v", err)
	}
}

// Several goroutines can wait for the same PIN.
func TestWaitPINAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, pin := time.Now(), &plexauth.PIN{ID: 7, ExpiresAt: time.Now().Add(time.Minute)}
		c := &plexauth.Client{ClientIdentifier: "test", HTTPClient: &http.Client{
			Transport: transport(func(*http.Request) (*http.Response, error) {
				if time.Since(start) < 10*time.Second {
					return answer(200, pinWaits), nil
				}
				return answer(200, pinLinked), nil
			}),
		}}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if token, err := c.WaitPIN(t.Context(), pin); token != "the-token" || err != nil {
					t.Errorf("token %v, %v", token, err)
				}
			})
		}
		all.Wait()
	})
}

// Attack: a reader of a log or an error uses the id of the PIN to request the
// token before the program does.
func TestPINNumberIsNotShown(t *testing.T) {
	var log bytes.Buffer
	var asked []*http.Request
	c := scripted(&asked, answer(500, ""), pinLinked)
	c.AccountURL = "https://example.org/under"
	c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	token, err := c.WaitPIN(t.Context(), &plexauth.PIN{ID: 564964751})
	if err != nil {
		t.Fatal(err)
	}
	_, refused := scripted(new([]*http.Request), answer(400, "")).WaitPIN(t.Context(), &plexauth.PIN{ID: 564964751})
	printed := fmt.Sprintf("%v %+v %v %s", refused, refused, token, log.String())
	for _, secret := range []string{"564964751", "the-token"} {
		if strings.Contains(printed, secret) {
			t.Errorf("%s is printed: %s", secret, printed)
		}
	}
	if !strings.Contains(log.String(), "path=/api/v2/pins/…") || !strings.Contains(refused.Error(), "https://plex.tv/api/v2/pins/…") {
		t.Errorf("the log is %s, the error %v", log.String(), refused)
	}
	if asked[0].URL.Path != "/under/api/v2/pins/564964751" {
		t.Errorf("asked %s", asked[0].URL)
	}
}

func TestAuthURL(t *testing.T) {
	c := plexauth.Client{
		ClientIdentifier: "other", Token: plexauth.StaticToken("not for this"), Product: "A & B", Version: "1.0", Platform: "Linux",
		PlatformVersion: "6.1", Device: "PC", DeviceName: "the desk", Model: "m",
	}
	pin := &plexauth.PIN{ID: 564964751, Code: "8lzj", ClientIdentifier: "test"}
	const forward = "https://app.example.org/done?state=a b+c#d&e=f"
	const auth, link = "https://app.plex.tv/auth", "https://plex.tv/link/"
	for account, want := range map[string]struct{ auth, link string }{
		"":                        {auth, link},
		"https://plex.tv/":        {auth, link},
		"https://plex.tv:443":     {auth, link},
		"https://Plex.TV.":        {auth, link},
		"http://plex.tv":          {auth, link},
		"https://www.plex.tv":     {auth, link},
		"https://clients.plex.tv": {auth, link},
		"https://app.plex.tv/":    {auth, link},
		"http://127.0.0.1:32400":  {"http://127.0.0.1:32400/auth", "http://127.0.0.1:32400/link"},
		"http://[::1]:32400":      {"http://[::1]:32400/auth", "http://[::1]:32400/link"},
		"https://example.org/u/":  {"https://example.org/u/auth", "https://example.org/u/link"},
		"https://host/usher":      {"https://host/usher/auth", "https://host/usher/link"},
		"https://host/plex.tv":    {"https://host/plex.tv/auth", "https://host/plex.tv/link"},
		"https://notplex.tv":      {"https://notplex.tv/auth", "https://notplex.tv/link"},
		"https://plex.tv.example": {"https://plex.tv.example/auth", "https://plex.tv.example/link"},
	} {
		c.AccountURL = account
		got := c.AuthURL(pin, forward)
		page, text, _ := strings.Cut(got, "#?")
		query, err := url.ParseQuery(text)
		if err != nil || page != want.auth {
			t.Errorf("%s: %s: %v", account, got, err)
		}
		if diff := cmp.Diff(url.Values{
			"clientID": {"test"}, "code": {"8lzj"}, "context[device][product]": {"A & B"}, "context[device][version]": {"1.0"},
			"context[device][platform]": {"Linux"}, "context[device][platformVersion]": {"6.1"}, "context[device][device]": {"PC"},
			"context[device][deviceName]": {"the desk"}, "context[device][model]": {"m"}, "forwardUrl": {forward},
		}, query); diff != "" {
			t.Errorf("%s (-want +got):\n%s", account, diff)
		}
		if strings.ContainsAny(text, "+ #") || strings.Contains(got, "564964751") || strings.Contains(got, "not for this") {
			t.Errorf("%s must not be opened in a browser", got)
		}
		if got := c.LinkURL(pin); got != want.link+"?pin=8lzj" {
			t.Errorf("the code is entered at %s", got)
		}
	}
	bare := plexauth.Client{ClientIdentifier: "test"}
	if got := bare.AuthURL(&plexauth.PIN{Code: "x"}, ""); got != "https://app.plex.tv/auth#?clientID=test&code=x&context%5Bdevice%5D%5Bproduct%5D=plexauth" {
		t.Errorf("with nothing set it is %s", got)
	}
}

// The complete flow against the server, in both formats: a device waits, a user
// enters the code, and the device gets a token of the user.
func TestPINAtTheServer(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		for _, strong := range []bool{false, true} {
			c := as(nil)
			c.ClientIdentifier = "television"
			pin, err := c.StartPIN(t.Context(), plexauth.PINRequest{Strong: strong})
			if err != nil {
				t.Fatal(err)
			}
			length, life := 4, 15*time.Minute
			if strong {
				length, life = 25, 30*time.Minute
			}
			if len(pin.Code) != length || pin.ExpiresIn != life || pin.ID == 0 || pin.ClientIdentifier != "television" || pin.QR != srv.AccountURL+"/api/v2/pins/qr/"+pin.Code {
				t.Errorf("PIN %+v", pin)
			}
			srv.InjectFault(plexauthtest.Fault{Path: fmt.Sprint("/api/v2/pins/", pin.ID), Times: 1, Status: 502, Body: htmlPage, Header: map[string]string{"Retry-After": "1"}})
			linked := time.AfterFunc(100*time.Millisecond, func() { srv.Member.LinkPIN(pin.Code) })
			defer linked.Stop()
			token, err := c.WaitPIN(t.Context(), pin)
			if err != nil {
				t.Fatal(err)
			}
			c.Token = plexauth.StaticToken(token)
			account, err := c.TokenDetails(t.Context())
			if err != nil || account.Username != "member" {
				t.Errorf("the token is %+v's, %v", account, err)
			}
			stranger := as(nil)
			stranger.ClientIdentifier = "another"
			if token, err := stranger.WaitPIN(t.Context(), pin); token != "" || !errors.Is(err, plexauth.ErrPINExpired) {
				t.Errorf("another client gets %v, %v", token, err)
			}
			srv.Advance(life)
			if token, err := c.WaitPIN(t.Context(), pin); token != "" || !errors.Is(err, plexauth.ErrPINExpired) {
				t.Errorf("after its time: %v, %v", token, err)
			}
		}
	})
}

// CheckPIN returns the state of a PIN, with the token once the sign-in is complete.
func TestCheckPIN(t *testing.T) {
	pin := &plexauth.PIN{ID: 564964751, Code: "8lzj", ClientIdentifier: "test"}
	registered := strings.Replace(pinLinked, `"newRegistration":null`, `"newRegistration":true`, 1)
	for body, want := range map[string]plexauth.PIN{
		pinWaits:  {},
		pinLinked: {AuthToken: "the-token"},
		strings.Replace(pinLinked, `"newRegistration":null`, `"newRegistration":false`, 1): {AuthToken: "the-token"},
		registered: {AuthToken: "the-token", NewRegistration: true},
	} {
		got, err := client(body).CheckPIN(t.Context(), pin)
		if err != nil || got.ID != pin.ID || got.AuthToken != want.AuthToken || got.NewRegistration != want.NewRegistration || got.Location.City != "X" {
			t.Errorf("%s is read as %+v, %v", body, got, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", got, *got), "the-token") {
			t.Error("the token is printed")
		}
		var stored plexauth.PIN
		if text, err := json.Marshal(got); err != nil || json.Unmarshal(text, &stored) != nil || stored.AuthToken != "" || stored.ID != pin.ID {
			t.Errorf("a stored PIN is %+v, %v", stored, err)
		}
	}
	if _, err := scripted(new([]*http.Request), answer(404, pinGone)).CheckPIN(t.Context(), pin); !errors.Is(err, plexauth.ErrPINExpired) {
		t.Errorf("an expired PIN returned %v", err)
	}
}
