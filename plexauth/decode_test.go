package plexauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-auth/usher/plexauth"
)

// client returns a client that gets the same body in every response.
func client(body string) *plexauth.Client {
	return &plexauth.Client{
		ClientIdentifier: "test", Token: plexauth.StaticToken("t"),
		HTTPClient: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { return answer(200, body), nil })},
	}
}

// The same account in the encodings of different servers.
func TestOddAccounts(t *testing.T) {
	want := &plexauth.Account{
		ID: 12345, UUID: "u1", Username: "mia", Email: "mia@example.org", AuthToken: "tok",
		JoinedAt: time.Unix(1552593531, 0).UTC(), HasPassword: true, HomeSize: 2, MailingListStatus: "of tomorrow",
		Subscription: plexauth.Subscription{
			Active: true, Status: "Active", SubscribedAt: time.Date(2024, 3, 24, 5, 13, 37, 0, time.UTC), Features: []string{"pass"},
		},
		Profile:      plexauth.Profile{AutoSelectAudio: true, WatchedIndicator: 1},
		Entitlements: []string{"all", "ios"}, Roles: []string{"plexpass"},
		Services: []plexauth.Service{{Identifier: "epg", Token: "token1", Status: "online"}},
	}
	for name, body := range map[string]string{
		"as documented": `{"id":12345,"uuid":"u1","username":"mia","email":"mia@example.org","authToken":"tok","joinedAt":1552593531,
			"hasPassword":true,"homeSize":2,"guest":false,"locale":null,"anonymous":null,"mailingListStatus":"of tomorrow",
			"subscription":{"active":true,"status":"Active","subscribedAt":"2024-03-24T05:13:37Z","features":["pass"],"plan":null},
			"profile":{"autoSelectAudio":true,"watchedIndicator":1,"mediaReviewsLanguages":null},"entitlements":["all","ios"],
			"roles":["plexpass"],"services":[{"identifier":"epg","token":"token1","status":"online","secret":null}],"trials":[]}`,
		"numbers and booleans as strings": `{"id":"12345","uuid":"u1","username":"mia","email":"mia@example.org","authToken":"tok","joinedAt":"1552593531",
			"hasPassword":"1","homeSize":"2","guest":"0","locale":"","anonymous":"","mailingListStatus":"of tomorrow",
			"subscription":{"active":"true","status":"Active","subscribedAt":"2024-03-24 05:13:37 UTC","features":"pass"},
			"profile":{"autoSelectAudio":"1","watchedIndicator":"1"},"entitlements":["all","ios"],"roles":["plexpass"],
			"services":{"identifier":"epg","token":"token1","status":"online"}}`,
		"booleans as numbers, in a wrapper": `{"user":{"id":12345.0,"uuid":"u1","username":"mia","email":"mia@example.org","authentication_token":"x","authToken":"tok",
			"joinedAt":1552593531,"hasPassword":1,"homeSize":2,"guest":0,"anonymous":0,"mailingListStatus":"of tomorrow",
			"subscription":{"active":1,"status":"Active","subscribedAt":1711257217,"features":["pass"]},"profile":{"autoSelectAudio":1,"watchedIndicator":true},
			"entitlements":["all","ios"],"roles":["plexpass"],"services":[{"identifier":"epg","token":"token1","status":"online"}]}}`,
		"XML": "\xef\xbb\xbf" + `<?xml version="1.0" encoding="UTF-8"?>
			<user id="12345" uuid="u1" username="mia" email="mia@example.org" authToken="tok" joinedAt="1552593531" hasPassword="1" homeSize="2"
			 guest="0" locale="" anonymous="" mailingListStatus="of tomorrow">
			<subscription active="1" status="Active" subscribedAt="2024-03-24 05:13:37 UTC" plan=""><features><feature id="pass"/></features></subscription>
			<profile autoSelectAudio="1" watchedIndicator="1"/><entitlements><entitlement id="all"/><entitlement id="ios"/></entitlements>
			<roles><role id="plexpass"/></roles><trials/><services><service identifier="epg" token="token1" status="online"/></services></user>`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := client(body).TokenDetails(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Raw()) != body {
				t.Error("the raw document is not what was received")
			}
			if name == "numbers and booleans as strings" {
				got.Subscription.Features = want.Subscription.Features // a string is not a list
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(plexauth.Account{})); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOddSources(t *testing.T) {
	one := plexauth.Connection{URI: "http://h:1", Protocol: "http", Address: "h", Port: 1, Local: true}
	for name, test := range map[string]struct {
		body string
		want []plexauth.Connection
	}{
		"as documented": {`{"MediaContainer":{"size":1,"Device":{"name":"Den","accessToken":"t","Connection":[{"uri":"http://h:1","protocol":"http","address":"h","port":1,"local":true}]}}}`, []plexauth.Connection{one}},
		"lists":         {`{"MediaContainer":{"size":1,"Device":[{"name":"Den","accessToken":"t","Connection":[{"uri":"http://h:1","protocol":"http","address":"h","port":"1","local":"1"}]}]}}`, []plexauth.Connection{one}},
		"objects":       {`{"MediaContainer":{"Device":{"name":"Den","accessToken":"t","Connection":{"uri":"http://h:1","protocol":"http","address":"h","port":1,"local":1}}}}`, []plexauth.Connection{one}},
		"none":          {`{"MediaContainer":{"Device":{"name":"Den","accessToken":"t","Connection":null}}}`, []plexauth.Connection{}},
		"absent":        {`{"MediaContainer":{"Device":{"name":"Den","accessToken":"t"}}}`, []plexauth.Connection{}},
		"XML, one":      {`<MediaContainer size="1"><Device name="Den" accessToken="t"><Connection uri="http://h:1" protocol="http" address="h" port="1" local="1"/></Device></MediaContainer>`, []plexauth.Connection{one}},
		"XML, two":      {`<MediaContainer><Device name="Den" accessToken="t"><Connection uri="http://h:1" protocol="http" address="h" port="1" local="1"/><Connection uri="x" relay="1"/></Device></MediaContainer>`, []plexauth.Connection{one, {URI: "x", Relay: true}}},
		"XML, none":     {`<MediaContainer><Device name="Den" accessToken="t"/></MediaContainer>`, []plexauth.Connection{}},
	} {
		got, err := client(test.body).SourceConnection(t.Context(), plexauth.ServerSource("den"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&plexauth.SourceConnection{Name: "Den", AccessToken: "t", Connections: test.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, body := range map[string]string{
		"no device": `{"MediaContainer":{"size":0}}`, "an empty device": `{"MediaContainer":{"Device":{}}}`, "a list": `[]`, "null": `null`, "a number": `1`,
	} {
		if got, err := client(body).SourceConnection(t.Context(), plexauth.ServerSource("den")); err == nil {
			t.Errorf("%s is read as %+v", name, got)
		}
	}
}

// A transient token is decoded from every known wrapper. A response without a
// token is an error, never an empty token.
func TestOddTransientTokens(t *testing.T) {
	for _, body := range []string{
		`{"MediaContainer":{"size":0,"token":"transient-x"}}`, `{"MediaContainer":{"token":"transient-x","size":"0","new":{}}}`,
		`<MediaContainer size="0" token="transient-x"/>`, `<?xml version="1.0"?><MediaContainer token="transient-x"></MediaContainer>`,
		`{"token":"transient-x"}`,
	} {
		got, err := client(body).TransientToken(t.Context())
		if err != nil || got.Token != "transient-x" {
			t.Errorf("%s is read as %v, %v", body, got, err)
			continue
		}
		if in := time.Until(got.ExpiresAt); in < 47*time.Hour || in > 48*time.Hour {
			t.Errorf("%s expires in %v", body, in)
		}
	}
	for _, body := range []string{`{}`, `{"MediaContainer":{}}`, `{"MediaContainer":{"token":null}}`, `<MediaContainer token=""/>`, `[]`, `"x"`} {
		if got, err := client(body).TransientToken(t.Context()); err == nil {
			t.Errorf("%s is read as %v", body, got)
		}
	}
	late := client(`{"MediaContainer":{"token":"transient-x","expiresAt":4102444800}}`)
	if got, err := late.TransientToken(t.Context()); err != nil || got.ExpiresAt.Year() != 2100 {
		t.Errorf("the server's own expiry is read as %v, %v", got, err)
	}
}

func TestOddResources(t *testing.T) {
	for name, body := range map[string]string{
		"a list":     `[{"name":"Den","clientIdentifier":"den","provides":"server,player","connections":[{"uri":"http://h:1"}]}]`,
		"the one":    `{"name":"Den","clientIdentifier":"den","provides":"server,player","connections":{"uri":"http://h:1","port":null}}`,
		"XML":        `<resources><resource name="Den" clientIdentifier="den" provides="server,player"><connections><connection uri="http://h:1" port=""/></connections></resource></resources>`,
		"spaces":     `[{"name":"Den","clientIdentifier":"den","provides":" server, player,","connections":[{"uri":"http://h:1"}]}]`,
		"XML, twice": `<resources><resource name="Den" clientIdentifier="den" provides="server,player"><connections><connection uri="http://h:1"/></connections></resource><resource name="Other"/></resources>`,
	} {
		got, err := client(body).Resources(t.Context())
		if err != nil || len(got) == 0 || got[0].Name != "Den" || !slices.Equal(got[0].Provides, []string{"server", "player"}) || len(got[0].Connections) != 1 || got[0].Connections[0].URI != "http://h:1" {
			t.Errorf("%s is read as %+v, %v", name, got, err)
		}
	}
	for _, body := range []string{`[]`, ` [ ] `, `<resources/>`, `<resources size="0"></resources>`, `{"resources":[]}`} {
		if got, err := client(body).Resources(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("%s is read as %+v, %v", body, got, err)
		}
	}
}

// Attack: a document exhausts the stack or is decoded again at each level.
func TestHostileXML(t *testing.T) {
	for name, body := range map[string]string{
		"very deep":       strings.Repeat("<a>", 100_000),
		"an entity":       `<!DOCTYPE x [<!ENTITY a "b">]><user id="&a;" uuid="u"/>`,
		"another charset": `<?xml version="1.0" encoding="UTF-7"?><user id="1"/>`,
	} {
		if got, err := client(body).TokenDetails(t.Context()); err == nil {
			t.Errorf("%s is read as %+v", name, got)
		}
	}
}

// deep returns a document of 500 KB that nests far deeper than any real
// response, with open and shut around each level.
func deep(before, open, shut, after string) string {
	const levels = 1500
	return before + strings.Repeat(open, levels) + `["` + strings.Repeat("x", 500_000) + `"]` + strings.Repeat(shut, levels) + after
}

// timeToDecode returns how long this machine, with its current load, takes to decode a
// document once.
func timeToDecode(body string) time.Duration {
	start := time.Now()
	var v any
	_ = json.Unmarshal([]byte(body), &v)
	return time.Since(start)
}

// Attack: each level of a document is decoded again with everything in it, so
// that the call takes much longer than its timeout.
func TestDeepJSON(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"errors, in lists":       {503, deep(`{"errors":`, `{"a":`, `}`, `}`)},
		"errors, in texts":       {503, deep(`{"error":`, `{"id":`, `}`, `}`)},
		"an answer, in lists":    {200, deep(`{"MediaContainer":{"Device":`, `{"Device":`, `}`, `}}`)},
		"an answer, in texts":    {200, deep(`{"MediaContainer":{"machineIdentifier":`, `{"text":`, `}`, `}}`)},
		"an answer, in both":     {200, deep(`{"id":1,"entitlements":`, `{"id":`, `}`, `}`)},
		"a list, in one another": {200, deep(``, `{"a":`, `}`, ``)},
	} {
		c := client("")
		c.HTTPClient = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { return answer(test.status, test.body), nil })}
		limit := max(time.Second, 100*timeToDecode(test.body)) // a document has 1,500 levels
		for call, do := range calls(c) {
			start := time.Now()
			err := do(t.Context())
			if took := time.Since(start); took > limit {
				t.Errorf("%s: %s takes %v, more than %v", name, call, took, limit)
			}
			if test.status != 200 && !errors.Is(err, plexauth.ErrServer) {
				t.Errorf("%s: %s returned %v", name, call, err)
			}
		}
	}
}

// Whatever a server sends, every call returns either a usable value or an error
// of this package.
func FuzzAnswers(f *testing.F) {
	f.Add(`{"id":1,"uuid":"u","authToken":"t","services":{"a":[{}]},"entitlements":{"id":[["x"]]}}`)
	f.Add(`<user id="1"><features><feature id="pass"/></features></user>`)
	f.Add(`{"MediaContainer":{"token":{"text":"x"},"Device":{"Device":{"Device":[]}}}}`)
	f.Add(`{"errors":[{"code":[],"message":{}}]}`)
	f.Add(deep(`{"errors":`, `{"a":`, `}`, `}`))
	f.Add(deep(`{"MediaContainer":{"Device":`, `{"text":`, `}`, `}}`))
	f.Add(`<errors><error code="1029"/></errors>`)
	f.Add(`[{"connections":{"connection":[null,1,"x"]}}]`)
	f.Add(`<pin id="1" code="ABCD" expiresIn="9e18" authToken=""><location/></pin>`)
	f.Fuzz(func(t *testing.T, body string) {
		c := client(body)
		ctx := t.Context()
		if a, err := c.TokenDetails(ctx); err == nil && (a.ID == 0 && a.UUID == "" || len(a.Raw()) == 0) {
			t.Errorf("%q is an account: %+v", body, a)
		}
		if tok, err := c.TransientToken(ctx); err == nil && (tok.Token == "" || tok.ExpiresAt.IsZero()) {
			t.Errorf("%q is a transient token: %+v", body, tok)
		}
		if s, err := c.SourceConnection(ctx, plexauth.ServerSource("x")); err == nil && s.Name == "" && s.ClientIdentifier == "" {
			t.Errorf("%q is a source: %+v", body, s)
		}
		if id, err := c.Identity(ctx); err == nil && id.MachineIdentifier == "" {
			t.Errorf("%q is an identity", body)
		}
		if pin, err := c.StartPIN(ctx, plexauth.PINRequest{}); err == nil && (pin.ID == 0 || pin.Code == "" || pin.ExpiresIn <= 0) {
			t.Errorf("%q is a PIN: %+v", body, pin)
		}
		if pin, err := c.CheckPIN(ctx, &plexauth.PIN{ID: 1}); err == nil && (pin.ID <= 0 || pin.Code == "" || len(pin.Raw()) == 0) {
			t.Errorf("%q is the state of a PIN: %+v", body, pin)
		}
		if picture, err := c.QRCode(ctx, &plexauth.PIN{Code: "x"}); err == nil && len(picture) == 0 {
			t.Errorf("%q is an image", body)
		}
		for _, change := range []func() error{
			func() error { return c.LinkPIN(ctx, "x") }, func() error { return c.RemoveDevice(ctx, 1) }, func() error { return c.SignOut(ctx) },
		} {
			if err := change(); err != nil && !errors.As(err, new(*plexauth.Error)) {
				t.Errorf("a change that is answered with %q is %v", body, err)
			}
		}
		soon := &plexauth.PIN{ID: 1, ExpiresAt: time.Now()} // one that is not waited for
		if token, err := c.WaitPIN(ctx, soon); token == "" && !errors.Is(err, plexauth.ErrPINExpired) {
			t.Errorf("waiting for %q ends with %v", body, err)
		}
		_, _ = c.Resources(ctx)
		refusing := *c
		refusing.HTTPClient = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { return answer(401, body), nil })}
		if _, err := refusing.TokenDetails(ctx); !errors.As(err, new(*plexauth.Error)) {
			t.Errorf("a refusal with %q is %v", body, err)
		}
	})
}

func FuzzParseSource(f *testing.F) {
	f.Add("server://m1")
	f.Add("provider://a/b")
	f.Add("server://\xff")
	f.Add("server://<\u2028>")
	f.Fuzz(func(t *testing.T, text string) {
		src, err := plexauth.ParseSource(text)
		if err != nil {
			return
		}
		if src.String() != text {
			t.Errorf("%q is written as %q", text, src)
		}
		var again plexauth.Source
		written, err := json.Marshal(src)
		if err == nil {
			err = json.Unmarshal(written, &again)
		}
		if err != nil || again != src {
			t.Errorf("%q is %s in JSON, and read as %q: %v", text, written, again, err)
		}
	})
}

// The JSON form of an Account, which a program may store, contains no token.
func TestAccountMarshalsWithoutSecrets(t *testing.T) {
	a, err := client(`{"id":1,"uuid":"u","authToken":"secret-token","services":[{"token":"secret-too"}]}`).TokenDetails(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(a); err != nil || strings.Contains(string(b), "secret") {
		t.Errorf("it is %s, %v", b, err)
	}
}
