package plexauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

func TestOddDevices(t *testing.T) {
	want := []plexauth.Device{{
		ID: 123456, Name: "Box", Product: "Plex Media Server", ProductVersion: "1.25", Platform: "Linux", PlatformVersion: "5.4",
		Device: "Docker Container", Model: "x86_64", Vendor: "Docker", ClientIdentifier: "3", Provides: []string{"server", "player"},
		PublicAddress: "1.0.0.2", Token: "secret", CreatedAt: time.Unix(1628211599, 0).UTC(), LastSeenAt: time.Unix(1628211600, 0).UTC(),
		Connections: []plexauth.Connection{{URI: "http://172.1.0.1:32400"}},
	}}
	const attrs = `name="Box" publicAddress="1.0.0.2" product="Plex Media Server" productVersion="1.25" platform="Linux" platformVersion="5.4"
		device="Docker Container" model="x86_64" vendor="Docker" provides="server,player" clientIdentifier="3" version="1.25" id="123456"
		token="secret" createdAt="1628211599" lastSeenAt="1628211600" screenResolution="" screenDensity=""`
	const object = `{"name":"Box","publicAddress":"1.0.0.2","product":"Plex Media Server","productVersion":"1.25","platform":"Linux","platformVersion":"5.4",
		"device":"Docker Container","model":"x86_64","vendor":"Docker","provides":"server,player","clientIdentifier":"3","id":123456,
		"token":"secret","createdAt":1628211599,"lastSeenAt":"1628211600","Connection":[{"uri":"http://172.1.0.1:32400"},null]}`
	for name, body := range map[string]string{
		"XML": `<?xml version="1.0" encoding="UTF-8"?><MediaContainer publicAddress="1.0.0.1" size="1"><Device ` + attrs + `>
			<SyncList itemsCompleteCount="0" totalSize="0" version="2"/><Connection uri="http://172.1.0.1:32400"/></Device></MediaContainer>`,
		"XML, with bad elements": `<MediaContainer size="3"><Device/><Device ` + attrs + `><Connection/><Connection uri="http://172.1.0.1:32400"/></Device><Error/></MediaContainer>`,
		"a list":                 `[` + object + `]`,
		"with bad elements":      `[null,1,{"name":"no id"},` + object + `]`,
		"in a container":         `{"MediaContainer":{"size":1,"Device":[` + object + `]}}`,
		"one in a container":     `{"MediaContainer":{"Device":` + object + `}}`,
	} {
		got, err := client(body).Devices(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(plexauth.Device{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if raw := string(got[0].Raw()); !strings.Contains(body, raw) || !strings.Contains(raw, "123456") || strings.Contains(raw, "MediaContainer") {
			t.Errorf("%s: the raw document is %s", name, raw)
		}
		if printed := fmt.Sprintf("%v %+v %#v", got, got, got[0]); strings.Contains(printed, "secret") {
			t.Errorf("%s: the token is printed: %s", name, printed)
		}
	}
	for _, body := range []string{`<MediaContainer publicAddress="1.0.0.1" size="0"/>`, `<MediaContainer publicAddress=""> </MediaContainer>`, `[]`,
		`{"MediaContainer":{"size":0,"publicAddress":""}}`, `{"MediaContainer":{"size":"0","Device":[]}}`} {
		if got, err := client(body).Devices(t.Context()); err != nil || got == nil || len(got) != 0 {
			t.Errorf("%s is read as %v, %v", body, got, err)
		}
	}
}

// Another device is listed and removed, in both formats, and its token revoked.
func TestDevicesAtTheServer(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		c, lost := as(srv.Member), as(srv.Member)
		list, err := c.Devices(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids := make(map[string]int64)
		for _, d := range list {
			ids[d.ClientIdentifier] = d.ID
			if d.Product != "plexauthtest" || d.CreatedAt.IsZero() || d.LastSeenAt.IsZero() {
				t.Errorf("device %+v", d)
			}
		}
		if len(ids) != 2 || ids[c.ClientIdentifier] == 0 || ids[lost.ClientIdentifier] == 0 {
			t.Fatalf("devices %+v", list)
		}
		if err := as(srv.Admin).RemoveDevice(t.Context(), ids[lost.ClientIdentifier]); !errors.Is(err, plexauth.ErrNotFound) {
			t.Errorf("another user's device: %v, want ErrNotFound", err)
		}
		if err := c.RemoveDevice(t.Context(), ids[lost.ClientIdentifier]); err != nil {
			t.Fatal(err)
		}
		if _, err := lost.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("the token of a removed device: %v, want ErrUnauthorized", err)
		}
		if err := c.RemoveDevice(t.Context(), ids[lost.ClientIdentifier]); !errors.Is(err, plexauth.ErrNotFound) {
			t.Errorf("a removed device: %v, want ErrNotFound", err)
		}
		srv.ResetRequests()
		for _, id := range []int64{0, -1} {
			if err := c.RemoveDevice(t.Context(), id); err == nil || errors.As(err, new(*plexauth.Error)) || len(srv.Requests()) > 0 {
				t.Errorf("device %d: %v", id, err)
			}
		}
	})
}

// A program with a token links the PIN of another.
func TestLinkPINAtTheServer(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		tv, phone := as(nil), as(srv.Member)
		tv.ClientIdentifier = "television"
		for _, strong := range []bool{false, true} {
			pin, err := tv.StartPIN(t.Context(), plexauth.PINRequest{Strong: strong})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := tv.CheckPIN(t.Context(), pin); err != nil || got.AuthToken != "" || got.Code != pin.Code {
				t.Errorf("before: %+v, %v", got, err)
			}
			picture, err := tv.QRCode(t.Context(), pin)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
				t.Errorf("the QR code: %v", err)
			}
			if err := phone.LinkPIN(t.Context(), pin.Code); err != nil {
				t.Fatal(err)
			}
			got, err := tv.CheckPIN(t.Context(), pin)
			if err != nil || got.AuthToken == "" || got.NewRegistration {
				t.Fatalf("after: %+v, %v", got, err)
			}
			account, err := as(srv.Admin).AccountOf(t.Context(), got.AuthToken)
			if err != nil || account.Username != "member" {
				t.Errorf("the token is of %+v, %v", account, err)
			}
			if err := phone.LinkPIN(t.Context(), pin.Code); !errors.Is(err, plexauth.ErrPINExpired) {
				t.Errorf("a second time: %v, want ErrPINExpired", err)
			}
		}
		if err := phone.LinkPIN(t.Context(), "ZZZZ"); !errors.Is(err, plexauth.ErrPINExpired) {
			t.Errorf("a wrong code: %v, want ErrPINExpired", err)
		}
		if err := tv.LinkPIN(t.Context(), "ZZZZ"); !errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("without a token: %v, want ErrUnauthorized", err)
		}
		srv.ResetRequests()
		if err := phone.LinkPIN(t.Context(), " "); err == nil || errors.As(err, new(*plexauth.Error)) || len(srv.Requests()) > 0 {
			t.Errorf("without a code: %v", err)
		}
	})
}

// The requests are those of published clients.
func TestRequestsOfPublishedClients(t *testing.T) {
	var asked []*http.Request
	c := scripted(&asked, answer(204, ""))
	c.Product, c.Token = "P", plexauth.StaticToken("t")
	if err := c.LinkPIN(t.Context(), "AB&D"); err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveDevice(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if r := asked[0]; r.Method != "PUT" || r.URL.String() != "https://plex.tv/api/v2/pins/link" || r.Header.Get("X-Plex-Product") != "Plex SSO" {
		t.Errorf("sent %s %s %v", r.Method, r.URL, r.Header)
	} else if err := r.ParseForm(); err != nil || cmp.Diff(url.Values{"code": {"AB&D"}}, r.PostForm) != "" {
		t.Errorf("sent %v, %v", r.PostForm, err)
	}
	if r := asked[1]; r.Method != "DELETE" || r.URL.String() != "https://plex.tv/devices/7.xml" || r.Header.Get("X-Plex-Product") != "P" {
		t.Errorf("sent %s %s %v", r.Method, r.URL, r.Header)
	}
}

// A lost response may have linked the PIN, and a second request would then be
// rejected.
func TestLinkPINIsNotRepeated(t *testing.T) {
	for _, failure := range []any{answer(503, ""), io.ErrUnexpectedEOF} {
		var asked []*http.Request
		c := scripted(&asked, failure, answer(204, ""))
		c.Token, c.Retry = plexauth.StaticToken("t"), &plexauth.Retry{ConnectionErrors: true, InitialInterval: time.Millisecond}
		if err := c.LinkPIN(t.Context(), "ABCD"); err == nil || len(asked) != 1 {
			t.Errorf("%d requests, %v", len(asked), err)
		}
	}
}

// Attack: the server of the PIN names another host for the QR code, or a code
// that leads elsewhere, to get the token or to make the program call that host.
func TestQRCodeStaysAtTheServer(t *testing.T) {
	const gif = "GIF89a\x01\x00\x01\x00\x00\x00\x00;"
	var asked []*http.Request
	c := scripted(&asked, gif)
	c.AccountURL = "https://host/usher"
	got, err := c.QRCode(t.Context(), &plexauth.PIN{Code: "ABCD", QR: "http://192.0.2.1/secret"})
	if err != nil || string(got) != gif {
		t.Errorf("%q, %v", got, err)
	}
	if r := asked[0]; r.URL.String() != "https://host/usher/api/v2/pins/qr/ABCD" || r.Header.Get("X-Plex-Token") != "" || r.Header.Get("Accept") != "image/*" {
		t.Errorf("asked %s with %v", r.URL, r.Header)
	}
	for _, code := range []string{"", "../x", "a/b", "a?b", "a#b", "a b", "é", "a%2fb", "a\n"} {
		if _, err := c.QRCode(t.Context(), &plexauth.PIN{Code: code}); err == nil || errors.As(err, new(*plexauth.Error)) || len(asked) != 1 {
			t.Errorf("%q: %v", code, err)
		}
	}
	for name, body := range otherAnswers {
		if got, err := client(body).QRCode(t.Context(), &plexauth.PIN{Code: "ABCD"}); !errors.As(err, new(*plexauth.Error)) || strings.Contains(err.Error(), "ABCD") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// AccountOf sends the given token, and only that.
func TestAccountOf(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Admin)
	own := c.Token
	account, err := c.AccountOf(t.Context(), srv.Token(srv.Member))
	if err != nil || account.Username != "member" {
		t.Errorf("account %+v, %v", account, err)
	}
	if c.Token != own {
		t.Error("the token of the client was changed")
	}
	c.Token = &plexauth.TransientSource{Client: srv.Client(srv.Admin)}
	srv.ResetRequests()
	for _, token := range []plexauth.Secret{"wrong-token", "", "two words"} {
		_, err = c.AccountOf(t.Context(), token)
		var e *plexauth.Error
		if !errors.Is(err, plexauth.ErrUnauthorized) || !errors.As(err, &e) || e.Operation != "AccountOf" || token != "" && strings.Contains(err.Error(), string(token)) {
			t.Errorf("the token %q: %v", string(token), err)
		}
	}
	if n := len(srv.Requests()); n != 1 {
		t.Errorf("%d requests were sent, want one without a renewal", n)
	}
}
