package plexauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/plexauth"
)

// otherAnswers are responses with status 200 that are the answer to no call.
var otherAnswers = map[string]string{
	"an error":              `{"error":"Something went wrong"}`,
	"an error with an id":   `{"id":123,"error":"Something went wrong"}`,
	"an error as an object": `{"error":{"name":"NotFound","code":404,"message":"x"}}`,
	"errors":                `{"errors":[{"code":1001,"message":"User could not be authenticated","status":401}]}`,
	"errors with an id":     `{"id":"123","errors":[{"code":1001,"message":"x"}]}`,
	"one of the errors":     `{"errors":{"code":1001,"message":"x"}}`,
	"errors in XML":         `<errors><error code="1001" message="x" status="401"/></errors>`,
	"an error in XML":       `<error>Invalid token</error>`,
	"errors in a container": `{"MediaContainer":{"errors":[{"code":1001}]}}`,
	"a list of errors":      `[{"code":1001,"message":"x"}]`,
	"an empty container":    `{"MediaContainer":{}}`,
	"an empty one in XML":   `<MediaContainer/>`,
	"an empty object":       `{}`,
	"an empty user":         `<user/>`,
	"an empty PIN":          `<pin/>`,
	"a response":            `<Response code="401" status="Unauthorized"/>`,
	"a message":             `{"message":"ok","name":"x"}`,
	"null":                  `null`,
	"a number":              `1`,
	"a boolean":             `true`,
	"a text":                `"x"`,
	"a list of nothing":     `[null]`,
	"a list of lists":       `[[]]`,
	"a list of texts":       `["x",1,true]`,
	"an empty element":      `[{}]`,
	"a page":                htmlPage,
	"plain text":            `OK`,
	"nothing":               ``,
	"half of it":            `{"id":1,"uuid":"u"`,
	"half of it in XML":     `<resources><resource clientIdentifier="x"/>`,
	"false for all":         `{"id":false,"uuid":false,"code":false,"authToken":false,"token":false,"machineIdentifier":false,"clientIdentifier":false}`,
	"null for all":          `{"id":null,"uuid":null,"code":null,"authToken":null,"token":null,"machineIdentifier":null,"clientIdentifier":null}`,
}

// A response without the expected content is an *Error with its status,
// and never a zero value.
func TestOtherAnswers(t *testing.T) {
	for name, body := range otherAnswers {
		c := client(body)
		all := calls(c)
		all["WaitPIN"] = func(ctx context.Context) error {
			_, err := c.WaitPIN(ctx, &plexauth.PIN{ID: 1, ExpiresAt: time.Now().Add(time.Minute)})
			return err
		}
		for call, do := range all {
			change := call == "SignOut" || call == "RemoveDevice" || call == "LinkPIN" || call == "RegisterKey"
			if change && !strings.Contains(name, "error") && body != htmlPage && name != "plain text" && !strings.HasPrefix(name, "half") {
				continue // the response has no content to check
			}
			synctest.Test(t, func(t *testing.T) {
				err := do(t.Context())
				var e *plexauth.Error
				switch {
				case !errors.As(err, &e):
					t.Errorf("%s: %s returned %v", call, name, err)
				case call == "Connect": // it has no response of its own
				case call == "WaitPIN":
					if !errors.Is(err, plexauth.ErrPINExpired) {
						t.Errorf("%s: %s returned %v", call, name, err)
					}
				case e.StatusCode != 200 || len(body) > 0 && string(e.Body) != body:
					t.Errorf("%s: %s returned %v with status %d, body %q", call, name, err, e.StatusCode, e.Body)
				}
			})
		}
	}
	_, err := client(otherAnswers["errors"]).Resources(t.Context())
	if err == nil || !strings.Contains(err.Error(), "User could not be authenticated (code 1001)") {
		t.Errorf("the error does not contain the server's message: %v", err)
	}
}

// The answer to one call is not the answer to another.
func TestAnswersOfOtherCalls(t *testing.T) {
	const (
		account   = `{"user":{"id":1,"uuid":"u","username":"mia","authToken":"t"}}`
		pin       = `<pin id="7" code="ABCD" expiresIn="900" clientIdentifier="test"/>`
		v1        = `<MediaContainer size="1"><Device name="Den" clientIdentifier="den" provides="server"><Connection uri="http://h:1"/></Device></MediaContainer>`
		v1JSON    = `{"MediaContainer":{"size":1,"Device":[{"name":"Den","clientIdentifier":"den"}]}}`
		none      = `<MediaContainer size="0"></MediaContainer>`
		identity  = `{"MediaContainer":{"size":0,"machineIdentifier":"m1","claimed":true}}`
		transient = `<MediaContainer size="0" token="transient-x"/>`
		resources = `<resources><resource name="Den" clientIdentifier="den"/></resources>`
	)
	for name, bodies := range map[string][]string{
		"TokenDetails":     {pin, v1, v1JSON, none, identity, transient, resources},
		"SignIn":           {pin, v1, v1JSON, none, identity, transient, resources},
		"StartPIN":         {account, v1, v1JSON, none, identity, transient, resources},
		"TransientToken":   {account, pin, v1, v1JSON, none, identity, resources},
		"SourceConnection": {account, pin, none, identity, transient, resources},
		"Identity":         {account, pin, v1, v1JSON, none, transient, resources},
		"Resources":        {account, pin, v1, v1JSON, none, identity, transient},
		"Devices":          {account, pin, v1, v1JSON, identity, transient, resources, `{"id":7,"code":"ABCD"}`},
		"QRCode":           {account, pin, v1, v1JSON, none, identity, transient, resources},
		"Ping":             {account, pin, v1, v1JSON, none, identity, transient, resources},
	} {
		for _, body := range bodies {
			if err := calls(client(body))[name](t.Context()); !errors.As(err, new(*plexauth.Error)) {
				t.Errorf("%s accepts %s: %v", name, body, err)
			}
		}
	}
}

// A bad element of a list costs that element, and not the list.
func TestBadElements(t *testing.T) {
	const good = `{"name":"Den","clientIdentifier":"den","connections":[{"uri":"http://h:1"}]}`
	for _, bad := range []string{`null`, `1`, `-1.5`, `true`, `"x"`, `[]`, `{}`, `[` + good + `]`, `{"name":"no identifier"}`, `{"error":"x"}`, `{"connections":7}`} {
		for _, body := range []string{`[` + bad + `,` + good + `]`, `[` + good + `,` + bad + `]`, `{"resources":[` + good + `,` + bad + `]}`} {
			got, err := client(body).Resources(t.Context())
			if err != nil || len(got) != 1 || got[0].Name != "Den" || len(got[0].Connections) != 1 || string(got[0].Raw()) != good {
				t.Errorf("%s is read as %+v, %v", body, got, err)
			}
		}
		connections := `[{"name":"Den","clientIdentifier":"den","connections":[` + bad + `,{"uri":"http://h:1"},` + bad + `]}]`
		got, err := client(connections).Resources(t.Context())
		if err != nil || len(got) != 1 || len(got[0].Connections) != 1 || got[0].Connections[0].URI != "http://h:1" {
			t.Errorf("%s is read as %+v, %v", connections, got, err)
		}
		sources := `{"MediaContainer":{"Device":[{},{"name":"Den","Connection":[` + bad + `,{"uri":"http://h:1"}]}]}}`
		if bad == `{}` || bad[0] != '{' {
			source, err := client(sources).SourceConnection(t.Context(), plexauth.ServerSource("den"))
			if err != nil || source.Name != "Den" || len(source.Connections) != 1 {
				t.Errorf("%s is read as %+v, %v", sources, source, err)
			}
		}
	}
	for _, field := range []string{"connections", "provides", "ownerId", "createdAt", "owned", "accessToken"} {
		for _, bad := range []string{`null`, `7`, `"x"`, `{}`, `{"a":{"b":[]}}`, `[]`, `[[1]]`, `true`} {
			body := `[{"name":"Den","clientIdentifier":"den","` + field + `":` + bad + `}]`
			if got, err := client(body).Resources(t.Context()); err != nil || len(got) != 1 || got[0].Name != "Den" {
				t.Errorf("%s is read as %+v, %v", body, got, err)
			}
		}
	}
	xml := `<resources><message text="x"/><resource clientIdentifier="den"><connections size="2"><connection/><connection uri="http://h:1"/></connections></resource><resource/></resources>`
	got, err := client(xml).Resources(t.Context())
	if err != nil || len(got) != 1 || len(got[0].Connections) != 1 ||
		!strings.HasPrefix(string(got[0].Raw()), `<resource clientIdentifier="den">`) || !strings.HasSuffix(string(got[0].Raw()), `</resource>`) {
		t.Errorf("%s is read as %+v, %v", xml, got, err)
	}
}

func TestResourceFields(t *testing.T) {
	for name, body := range map[string]string{
		"JSON": `[{"name":"Den","clientIdentifier":"den","synced":true,"publicAddressMatches":"1","dnsRebindingProtection":1,"natLoopbackSupported":true,"new":[1]}]`,
		"XML":  `<resources><resource name="Den" clientIdentifier="den" synced="1" publicAddressMatches="1" dnsRebindingProtection="1" natLoopbackSupported="1"/></resources>`,
	} {
		got, err := client(body).Resources(t.Context())
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if r := got[0]; !r.Synced || !r.PublicAddressMatches || !r.DNSRebindingProtection || !r.NATLoopbackSupported || !strings.Contains(body, string(r.Raw())) {
			t.Errorf("%s is read as %+v, raw %s", name, r, r.Raw())
		}
	}
	if raw := new(plexauth.Resource).Raw(); raw != nil {
		t.Errorf("raw %s", raw)
	}
}

// A bad part of an account costs that part.
func TestBadPartsOfAccounts(t *testing.T) {
	for _, field := range []string{"subscription", "profile", "services", "entitlements", "roles", "joinedAt", "homeSize", "home", "thumb"} {
		for _, bad := range []string{`null`, `7`, `"x"`, `true`, `[]`, `[null]`, `[[1]]`, `{}`, `{"active":{},"features":5,"watchedIndicator":[]}`} {
			body := `{"id":1,"uuid":"u","username":"mia","` + field + `":` + bad + `}`
			got, err := client(body).TokenDetails(t.Context())
			if err != nil || got.ID != 1 || got.Username != "mia" || slices.Contains(got.Entitlements, "") || slices.Contains(got.Roles, "") {
				t.Errorf("%s is read as %+v, %v", body, got, err)
			}
		}
	}
	got, err := client(`{"id":1,"subscription":{"active":true,"features":[null,"pass",{},["x"],7]},"profile":[{"watchedIndicator":2}],
		"services":[null,5,{"identifier":"epg"},{}],"roles":["", "plexpass"]}`).TokenDetails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pass", "7"}, got.Subscription.Features); diff != "" || !got.Subscription.Active {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	if got.Profile.WatchedIndicator != 2 || len(got.Services) != 1 || len(got.Roles) != 1 {
		t.Errorf("account %+v", got)
	}
}

// Attributes of an element around a list are not elements of the list.
func TestAttributesOfLists(t *testing.T) {
	for body, want := range map[string][]string{
		`<user id="1"><entitlements all="1"/></user>`:                                                         nil,
		`<user id="1"><entitlements all="0"></entitlements></user>`:                                           nil,
		`<user id="1"><entitlements all="1"><entitlement id="ios"/></entitlements></user>`:                    {"ios"},
		`<user id="1"><entitlements all="1"><entitlement id="a"/><entitlement id="b"/></entitlements></user>`: {"a", "b"},
		`{"id":1,"entitlements":{"all":"1"}}`:                                                                 nil,
		`{"id":1,"entitlements":{"all":true,"entitlement":[{"id":"ios"}]}}`:                                   {"ios"},
	} {
		got, err := client(body).TokenDetails(t.Context())
		if err != nil {
			t.Errorf("%s: %v", body, err)
		} else if diff := cmp.Diff(want, got.Entitlements); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	got, err := client(`<user id="1"><roles size="1"><role id="plexpass"/></roles><services size="1"><service identifier="epg"/></services>
		<subscription active="1"><features all="1"><feature id="pass"/></features></subscription></user>`).TokenDetails(t.Context())
	if err != nil || len(got.Roles) != 1 || len(got.Services) != 1 || len(got.Subscription.Features) != 1 {
		t.Errorf("account %+v, %v", got, err)
	}
}

// Whatever a server sends for a list, every element has an identifier, and every
// connection an address.
func FuzzLists(f *testing.F) {
	for _, body := range otherAnswers {
		f.Add(body)
	}
	f.Add(`[{"clientIdentifier":"den","connections":[{"protocol":"https","address":"::1","port":"32400"}]},null]`)
	f.Add(`<resources><resource clientIdentifier="den"><connections><connection address="a/b" port="1" protocol="http"/></connections></resource></resources>`)
	f.Add(`{"MediaContainer":{"size":1,"Device":[{"id":7,"Connection":{"uri":""}},5]}}`)
	f.Add(`<MediaContainer size="2"><Device id="7"><Connection uri="http://h"/></Device><Device id="x"/></MediaContainer>`)
	f.Fuzz(func(t *testing.T, body string) {
		c := client(body)
		resources, err := c.Resources(t.Context())
		if err != nil && !errors.As(err, new(*plexauth.Error)) || err == nil && resources == nil {
			t.Errorf("%q is read as %v, %v", body, resources, err)
		}
		devices, err := c.Devices(t.Context())
		if err != nil && !errors.As(err, new(*plexauth.Error)) || err == nil && devices == nil {
			t.Errorf("%q is read as %v, %v", body, devices, err)
		}
		for _, d := range devices {
			if d.ID <= 0 || len(d.Raw()) == 0 {
				t.Errorf("%q has the device %+v", body, d)
			}
		}
		for _, r := range resources {
			if r.ClientIdentifier == "" || len(r.Raw()) == 0 {
				t.Errorf("%q has the resource %+v", body, r)
			}
			for _, conn := range r.Connections {
				if conn.URI == "" {
					t.Errorf("%q has the connection %+v", body, conn)
				}
			}
		}
	})
}

// A time that is in no calendar is zero: the rest of the account can be used, and stored as
// JSON.
func TestTimesOutOfRange(t *testing.T) {
	for text, want := range map[string]int64{
		"1552593531": 1552593531, `"1552593531"`: 1552593531, "253402300799": 253402300799, "-62167219200": -62167219200, "-1": -1,
		"253402300800": 0, "1552593531000000": 0, "9223372036854775807": 0, "-9223372036854775808": 0, "1e300": 0, "0": 0, `"2019-03-14T19:58:51Z"`: 1552593531,
		`"99999-01-01T00:00:00Z"`: 0,
	} {
		a, err := client(`{"id":1,"joinedAt":` + text + `,"subscription":{"subscribedAt":` + text + `}}`).TokenDetails(t.Context())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, got := range []time.Time{a.JoinedAt, a.Subscription.SubscribedAt} {
			if want == 0 && !got.IsZero() || want != 0 && got.Unix() != want {
				t.Errorf("%s is read as %v", text, got)
			}
		}
		if _, err := json.Marshal(a); err != nil {
			t.Errorf("%s: the account cannot be stored: %v", text, err)
		}
	}
	transient, err := client(`{"MediaContainer":{"token":"t","expiresAt":9223372036854775807}}`).TransientToken(t.Context())
	if left := time.Until(transient.ExpiresAt); err != nil || left > 48*time.Hour || left < 47*time.Hour {
		t.Errorf("a token that never expires: %+v, %v", transient, err)
	}
}
