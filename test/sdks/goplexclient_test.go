package sdks_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// goPlexAccount is what github.com/jrudio/go-plex-client requires of an account. All of
// these types accept null, except the numbers of id.
var goPlexAccount = shape{
	"id": number,
	"uuid email friendlyName mailingListStatus scrobbleTypes country username thumb authToken title": text,

	"locale? anonymous?": text,
	"confirmed emailOnlyAuth protected mailingListActive hasPassword": truth,
	"subscription.active":                             truth,
	"subscription.status":                             text,
	"subscription.plan?":                              text,
	"subscription.features roles entitlements trials": list,
	"adsConsentSetAt? adsConsentReminderAt?":          number,
}

// TestGoPlexClient sends the requests of go-plex-client. Requests before the sign-in have
// an empty token, some paths have a suffix, and Accept names JSON even if the client reads
// XML.
func TestGoPlexClient(t *testing.T) {
	t.Parallel()
	server := start(t)
	token := ""
	send := func(method, path string, form url.Values, status int) []byte {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		req.Header.Set("X-Plex-Client-Identifier", "go-plex-client")
		req.Header.Set("X-Plex-Product", "Go Plex Client")
		req.Header.Set("X-Plex-Token", token)
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		_, body := do(t, req, status)
		return body
	}

	form := url.Values{"login": {username}, "password": {password}, "noGuest": {"true"}, "skipAuthentication": {"true"}}
	account := decode(t, send(http.MethodPost, "/api/v2/users/signin", form, http.StatusCreated))
	if err := goPlexAccount.check(account, true); err != nil {
		t.Errorf("account: %v", err)
	}

	// It asks for a PIN and polls it with the suffix .json.
	pin := decode(t, send(http.MethodPost, "/api/v2/pins.json", nil, http.StatusCreated))
	waiting := shape{
		"id expiresIn": number,
		"code clientIdentifier createdAt expiresAt": text,
		"authToken?": text,
		"errors?":    list,
		"trusted":    truth,
		"location.code location.country location.city location.subdivisions location.coordinates": text,
	}
	if err := waiting.check(pin, true); err != nil {
		t.Errorf("PIN: %v", err)
	}
	poll := "/api/v2/pins/" + field[json.Number](t, pin, "id").String() + ".json"
	if err := waiting.check(decode(t, send(http.MethodGet, poll, nil, http.StatusOK)), true); err != nil {
		t.Errorf("pending PIN: %v", err)
	}
	// An error in the list of errors, with any status, tells it that a PIN no longer
	// exists.
	gone := decode(t, send(http.MethodGet, "/api/v2/pins/2000000000.json", nil, http.StatusNotFound))
	if err := (shape{"errors.*.code": oneOf[json.Number]("1020"), "errors.*.message": text}).check(gone, true); err != nil {
		t.Errorf("unknown PIN: %v", err)
	}

	token = field[string](t, account, "authToken")
	send(http.MethodPut, "/api/v2/pins/link.json", url.Values{"code": {field[string](t, pin, "code")}}, http.StatusNoContent)
	linked := decode(t, send(http.MethodGet, poll, nil, http.StatusOK))
	got := field[string](t, linked, "authToken")
	if got == "" || got == token {
		t.Error("the PIN did not return a new token")
	}

	// MyAccount parses XML, whatever its Accept header.
	token = got
	var mine struct {
		XMLName  xml.Name `xml:"user"`
		Username string   `xml:"username,attr"`
		Email    string   `xml:"email,attr"`
	}
	if err := xml.Unmarshal(send(http.MethodGet, "/users/account", nil, http.StatusOK), &mine); err != nil {
		t.Fatal(err)
	}
	if mine.Username != username || !strings.EqualFold(mine.Email, email) {
		t.Errorf("the account is %+v, want %s with %s", mine, username, email)
	}
	token = "no-such-token"
	send(http.MethodGet, "/users/account", nil, http.StatusUnprocessableEntity)
}
