package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

func pinBody(token plexauth.Secret) wire.PIN {
	made := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	return wire.PIN{
		ID: 5, Code: "CFHJ", Product: `P "1"`, QR: "http://h/qr/CFHJ", ClientIdentifier: "tv", CreatedAt: made,
		ExpiresAt: made.Add(15 * time.Minute), ExpiresIn: 899*time.Second + time.Millisecond, Token: token,
	}
}

const (
	jsonLocation = `{"code":"","european_union_member":false,"continent_code":"","country":"","city":"","time_zone":"",` +
		`"postal_code":"","in_privacy_restricted_country":false,"in_privacy_restricted_region":false,"subdivisions":"","coordinates":""}`
	jsonPIN = `{"id":5,"code":"CFHJ","product":"P \"1\"","trusted":false,"qr":"http://h/qr/CFHJ","clientIdentifier":"tv","location":` +
		jsonLocation + `,"expiresIn":900,"createdAt":"2026-01-02T03:04:05Z","expiresAt":"2026-01-02T03:19:05Z",`
	xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	xmlPIN    = xmlHeader + `<pin id="5" code="CFHJ" product="P &#34;1&#34;" trusted="0" qr="http://h/qr/CFHJ" clientIdentifier="tv" ` +
		`expiresIn="900" createdAt="2026-01-02T03:04:05Z" expiresAt="2026-01-02T03:19:05Z" authToken="TOKEN"NEW>` +
		`<location code="" european_union_member="0" continent_code="" country="" city="" time_zone="" postal_code="" ` +
		`in_privacy_restricted_country="0" in_privacy_restricted_region="0" subdivisions="" coordinates=""></location></pin>`
	xmlLegacy = xmlHeader + `<pin><id type="integer">5</id><code>CFHJ</code><expires-at type="dateTime">2026-01-02T03:19:05Z</expires-at>USER` +
		`<client-identifier>tv</client-identifier><trusted type="boolean">false</trusted>TOKENS</pin>`
)

func TestPIN(t *testing.T) {
	linked := wire.LegacyPIN{PIN: pinBody("t0k"), AccountID: 7}
	withProofURL := pinBody("")
	withProofURL.ProofURL = "https://h/?a=1"
	for name, row := range map[string]struct {
		body    wire.Body
		format  wire.Format
		variant wire.Variant
		want    string
	}{
		"JSON":           {pinBody(""), wire.JSON, 0, jsonPIN + `"authToken":null,"newRegistration":null}`},
		"JSON, linked":   {pinBody("t0k"), wire.JSON, 0, jsonPIN + `"authToken":"t0k","newRegistration":false}`},
		"JSON, no nulls": {pinBody(""), wire.JSON, wire.NoNulls, jsonPIN + `"authToken":"","newRegistration":false}`},
		"JSON, fractions": {pinBody(""), wire.JSON, wire.FractionTimes, strings.NewReplacer(
			"03:04:05Z", "03:04:05.006Z", "03:19:05Z", "03:19:05.006Z").Replace(jsonPIN) + `"authToken":null,"newRegistration":null}`},
		"JSON, old": {pinBody(""), wire.JSON, wire.NumericPostalCode, strings.Replace(jsonPIN, `"postal_code":""`, `"postal_code":0`, 1) +
			`"authToken":null,"newRegistration":null}`},
		"XML":         {pinBody(""), wire.XML, 0, strings.NewReplacer("TOKEN", "", "NEW", "").Replace(xmlPIN)},
		"XML, linked": {pinBody("t0k"), wire.XML, 0, strings.NewReplacer("TOKEN", "t0k", "NEW", ` newRegistration="0"`).Replace(xmlPIN)},
		"version 1": {wire.LegacyPIN{PIN: pinBody("")}, wire.XML, 0, strings.NewReplacer(
			"USER", `<user-id type="integer" nil="true"></user-id>`,
			"TOKENS", `<auth-token nil="true"></auth-token><auth_token nil="true"></auth_token>`).Replace(xmlLegacy)},
		"version 1, linked": {linked, wire.XML, 0, strings.NewReplacer(
			"USER", `<user-id type="integer">7</user-id>`,
			"TOKENS", `<auth-token>t0k</auth-token><auth_token>t0k</auth_token>`).Replace(xmlLegacy)},
		"version 1, JSON": {wire.LegacyPIN{PIN: pinBody("")}, wire.JSON, 0, `{"pin":{"id":5,"code":"CFHJ",` +
			`"expires_at":"2026-01-02T03:19:05Z","user_id":null,"client_identifier":"tv","trusted":false,"auth_token":null}}`},
		"version 1, JSON, linked": {linked, wire.JSON, 0, `{"pin":{"id":5,"code":"CFHJ",` +
			`"expires_at":"2026-01-02T03:19:05Z","user_id":7,"client_identifier":"tv","trusted":false,"auth_token":"t0k"}}`},
		"JSON, with a proof": {withProofURL, wire.JSON, 0, jsonPIN + `"authToken":null,"newRegistration":null,"proofUrl":"https://h/?a=1"}`},
		"XML, with a proof": {withProofURL, wire.XML, 0, strings.NewReplacer(
			"TOKEN", "", "NEW", ` proofUrl="https://h/?a=1"`).Replace(xmlPIN)},
		"picture": {wire.Picture("\x89PNG"), wire.PNG, 0, "\x89PNG"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := row.body.Append([]byte("before"), row.format, row.variant)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("before"+row.want, string(got)); diff != "" {
				t.Errorf("it is another (-want +got):\n%s", diff)
			}
		})
	}
}

// The identity in a body is used for values that headers and query do not contain.
func TestComplete(t *testing.T) {
	c := wire.Caller{Product: "from the header"}
	body := wire.Params{{Name: "X-Plex-Product", Value: "from the body"}, {Name: "X-Plex-Client-Identifier", Value: "tv"}, {Name: "code", Value: "x"}}
	if err := c.Complete(body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wire.Caller{Product: "from the header", ClientIdentifier: "tv"}, c); diff != "" {
		t.Errorf("it is another (-want +got):\n%s", diff)
	}
	for what, value := range map[string]string{"too long": strings.Repeat("x", 256), "a control character": "a\nb", "not UTF-8": "\xff"} {
		if err := new(wire.Caller).Complete(wire.Params{{Name: "X-Plex-Client-Identifier", Value: value}}); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	described := wire.Params{{Name: "X-Plex-Device-Name", Value: "B\xfcro"}, {Name: "X-Plex-Model", Value: strings.Repeat("x", 256)}}
	c = wire.Caller{}
	if err := c.Complete(described); err != nil || c.DeviceName != "Büro" || len(c.Model) != 255 {
		t.Errorf("the caller describes itself as %+v (%v)", c, err)
	}
	twice := wire.Params{{Name: "X-Plex-Client-Identifier", Value: "a"}, {Name: "X-Plex-Client-Identifier", Value: "b"}}
	if err := new(wire.Caller).Complete(twice); err == nil {
		t.Error("attack: an identifier given twice is taken")
	}
}

// So does the token, unless headers or query have one.
func TestCompleteToken(t *testing.T) {
	body := wire.Params{{Name: "X-Plex-Token", Value: "from the body"}, {Name: "X-Plex-Product", Value: "P"}}
	for before, want := range map[plexauth.Secret]plexauth.Secret{"": "from the body", "from the header": "from the header"} {
		r := wire.Request{Token: before}
		if err := r.Complete(body); err != nil || r.Token != want || r.Product != "P" {
			t.Errorf("the token is %q, the product %q (%v)", string(r.Token), r.Product, err)
		}
	}
	for what, params := range map[string]wire.Params{
		"too long":            {{Name: "X-Plex-Token", Value: strings.Repeat("x", 4097)}},
		"a control character": {{Name: "X-Plex-Token", Value: "a\nb"}},
		"twice":               {{Name: "X-Plex-Token", Value: "a"}, {Name: "X-Plex-Token", Value: "b"}},
	} {
		if err := new(wire.Request).Complete(params); err == nil {
			t.Errorf("a token that is %s is taken", what)
		}
	}
}
