package control_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/control"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/stage"
)

// newcomers adds accounts.
func (w *fixture) newcomers() {
	w.Helper()
	w.must("POST", "/accounts", `{"username": "mia", "password": "mia has a password", "token": "`+miaToken+`"}`, nil)
	w.must("POST", "/accounts", `{"username": "noa", "email": "noa@example.org", "password": "noa has a password", "token": "`+noaToken+`"}`, nil)
}

const miaToken, noaToken = "aTokenOfMia000000001", "aTokenOfNoa000000001"

// server is the wire form of a media server.
type server struct {
	Name, ID, Owner string
	Sections        []section
	Connections     []struct{ URI string }
}

type section struct {
	Name, Type string
	Number     int
}

func (w *fixture) servers() map[string]server {
	w.Helper()
	var list []server
	w.must("GET", "/servers", "", &list)
	byID := make(map[string]server)
	for _, src := range list {
		byID[src.ID] = src
	}
	return byID
}

// sees checks whether a program with a token can reach a server.
func (w *fixture) sees(token, id string, want bool) {
	w.Helper()
	body, err := io.ReadAll(w.ask("GET", "/api/v2/resources", token).Body)
	if err != nil {
		w.Fatal(err)
	}
	if got := strings.Contains(string(body), `"clientIdentifier":"`+id+`"`); got != want {
		w.Errorf("whether the program sees %s: %v, want %v: %s", id, got, want, body)
	}
}

func TestServers(t *testing.T) {
	w := newFixture(t)
	w.newcomers()
	w.sees(miaToken, "attic", false)
	var added server
	w.must("POST", "/servers", `{"name": "Attic", "id": "attic", "owner": "mia", "sections": ["Films", {"name": "Songs", "type": "artist", "number": 7}], "sharedWith": ["member"]}`, &added)
	want := server{Name: "Attic", ID: "attic", Owner: "mia", Sections: []section{{"Films", "movie", 1}, {"Songs", "artist", 7}}}
	for _, got := range []server{added, w.servers()["attic"]} {
		if len(got.Connections) == 0 || got.Connections[0].URI == "" {
			t.Errorf("the connections are %+v", got.Connections)
		}
		got.Connections = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if self := w.servers()[scene.MachineIdentifier]; len(w.servers()) != 3 || self.Name == "" || len(self.Connections) == 0 {
		t.Errorf("the servers are %+v", w.servers())
	}
	w.sees(miaToken, "attic", true)
	w.sees(memberToken, "attic", true)
	added = server{}
	w.must("POST", "/servers", `{"name": "Shed", "id": "shed", "connections": [{"uri": "https://192.0.2.9:32400", "local": true}]}`, &added)
	if added.Owner != "" || len(added.Connections) != 1 || added.Connections[0].URI != "https://192.0.2.9:32400" {
		t.Errorf("the server is %+v", added)
	}
	w.must("DELETE", "/servers/attic", "", nil)
	w.sees(miaToken, "attic", false)
	w.sees(memberToken, "attic", false)
	for range 2 { // nothing is left of a server that was not added
		w.fails(map[[3]string]int{
			{"POST", "/servers", `{"name": "Attic", "id": "attic", "owner": "mya"}`}:                                   400,
			{"POST", "/servers", `{"name": "Attic", "id": "attic", "sections": [{"name": "Films", "typ": "movie"}]}`}:  400,
			{"POST", "/servers", `{"name": "Attic", "id": "attic", "sections": [{"name": "Films", "type": "films"}]}`}: 400,
			{"POST", "/servers", `{"name": "Attic", "id": "attic", "sections": [7]}`}:                                  400,
			{"POST", "/servers", `{"name": "Attic", "id": "attic", "sections": ["Films", "films"]}`}:                   409,
			{"POST", "/servers", `{"name": "Attic", "id": "attic", "sharedWith": ["nobody"]}`}:                         400,
			{"POST", "/servers", `{"name": "Attic", "id": "attic", "connections": [{"uri": "nowhere"}]}`}:              400,
			{"POST", "/servers", `{"name": "Attic"}`}:                                                                  400,
			{"POST", "/servers", `{"id": "attic"}`}:                                                                    400,
			{"POST", "/servers", ``}:                                                                                   400,
			{"POST", "/servers", `{"name": "Den", "id": "den"}`}:                                                       409,
			{"DELETE", "/servers/attic", ``}:                                                                           404,
			{"DELETE", "/servers/" + scene.MachineIdentifier, ``}:                                                      409,
		})
	}
	w.must("POST", "/servers", `{"name": "Attic", "id": "attic"}`, nil)
	var e struct{ Error string }
	if w.call("POST", "/servers", `{"name": "Den", "id": "den"}`, &e); e.Error != "a source with this identifier exists already" {
		t.Errorf("the error is %s", e.Error)
	}
}

// fails checks the statuses of calls that fail, each with a message.
func (w *fixture) fails(calls map[[3]string]int) {
	w.Helper()
	for call, want := range calls {
		var e struct{ Error string }
		if got := w.call(call[0], call[1], call[2], &e); got != want || e.Error == "" {
			w.Errorf("%v: status %d, want %d: %s", call, got, want, e.Error)
		}
	}
}

// share is the wire form of a share.
type share struct {
	Server, With string
	Sections     []string
}

func (w *fixture) shares() (list []share) {
	w.Helper()
	w.must("GET", "/shares", "", &list)
	return list
}

func TestShares(t *testing.T) {
	w := newFixture(t)
	w.newcomers()
	before := w.shares()
	if diff := cmp.Diff([]share{{"den", "member", nil}}, before); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.must("POST", "/servers", `{"name": "Attic", "id": "attic", "owner": "mia", "sections": ["Films", "Songs"]}`, nil)
	w.must("POST", "/shares", `{"server": "attic", "with": "noa", "sections": ["Songs"]}`, nil)
	w.must("POST", "/shares", `{"server": "attic", "with": "member", "sections": []}`, nil)
	w.must("POST", "/shares", `{"server": "den", "with": "noa"}`, nil)
	w.sees(noaToken, "attic", true)
	w.sees(noaToken, "den", true)
	want := []share{{"attic", "member", []string{}}, {"attic", "noa", []string{"Songs"}}, {"den", "member", nil}, {"den", "noa", nil}}
	if diff := cmp.Diff(want, w.shares()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.must("POST", "/accounts", `{"username": "Kid", "managed": true, "home": "mia", "token": "aTokenOfKid000000001"}`, nil)
	w.must("POST", "/shares", `{"server": "attic", "with": "Kid"}`, nil)
	w.sees("aTokenOfKid000000001", "attic", true)
	w.fails(map[[3]string]int{
		{"POST", "/shares", `{"server": "attic", "with": "noa"}`}:                          409,
		{"POST", "/shares", `{"server": "attik", "with": "admin"}`}:                        404,
		{"POST", "/shares", `{"server": "attic", "with": "nobody"}`}:                       404,
		{"POST", "/shares", `{"server": "attic", "with": "disabled"}`}:                     409,
		{"POST", "/shares", `{"server": "attic", "with": "mia"}`}:                          400,
		{"POST", "/shares", `{"server": "attic", "with": "admin", "sections": ["Shows"]}`}: 404,
		{"POST", "/shares", `{"server": "attic", "with": "admin", "section": ["Shows"]}`}:  400,
		{"POST", "/shares", `{"server": "attic"}`}:                                         400,
		{"POST", "/shares", `{"with": "admin"}`}:                                           400,
		{"DELETE", "/shares/attic/admin", ``}:                                              404,
		{"DELETE", "/shares/attic/nobody", ``}:                                             404,
		{"DELETE", "/shares/attik/noa", ``}:                                                404,
	})
	if list := w.invitations(); len(list) != 0 {
		t.Errorf("the failed request left the invitations %+v", list)
	}
	w.must("DELETE", "/shares/attic/noa", "", nil)
	w.sees(noaToken, "attic", false)
	w.must("DELETE", "/friends/noa/admin", "", nil)
	w.sees(noaToken, "den", false)
	w.fails(map[[3]string]int{
		{"POST", "/friends", `["mia", "nobody"]`}: 404,
		{"POST", "/friends", `["nobody", "mia"]`}: 404,
		{"POST", "/friends", `["mia"]`}:           400,
		{"POST", "/friends", `{}`}:                400,
		{"POST", "/friends", `["mia", "mia"]`}:    400,
		{"POST", "/friends", `["mia", "noa"]`}:    409,
		{"DELETE", "/friends/noa/admin", ``}:      404,
	})
	w.must("POST", "/friends", `["admin", "noa"]`, nil)
	if body, err := io.ReadAll(w.ask("GET", "/api/v2/friends", noaToken).Body); err != nil || !strings.Contains(string(body), `"username":"admin"`) {
		t.Errorf("the friends are %s, %v", body, err)
	}
}

// invitation is an invitation as the API has it.
type invitation struct {
	ID               int64
	From, To, Server string
	Sections         []string
}

func (w *fixture) invitations() (list []invitation) {
	w.Helper()
	w.must("GET", "/invitations", "", &list)
	return list
}

func TestInvitations(t *testing.T) {
	w := newFixture(t)
	w.newcomers()
	w.must("POST", "/servers", `{"name": "Attic", "id": "attic", "owner": "mia", "sections": ["Films", "Songs"]}`, nil)
	var sent invitation
	w.must("POST", "/invitations", `{"from": "mia", "to": "noa@example.org", "server": "attic", "sections": ["Songs"]}`, &sent)
	want := invitation{sent.ID, "mia", "noa@example.org", "attic", []string{"Songs"}}
	if diff := cmp.Diff([]invitation{want, want}, append(w.invitations(), sent)); diff != "" || sent.ID == 0 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.sees(noaToken, "attic", false)
	w.must("POST", fmt.Sprintf("/invitations/%d/accept", sent.ID), "", nil)
	w.sees(noaToken, "attic", true)
	if list := w.invitations(); len(list) != 0 {
		t.Errorf("the invitations are %+v", list)
	}

	// The program sends one, and the test answers it.
	w.status(201, "POST", "/api/v2/friends/invite?identifier=admin", noaToken)
	w.status(201, "POST", "/api/v2/friends/invite?identifier=zoe@example.org", noaToken)
	list := w.invitations()
	if len(list) != 2 || list[0].From != "noa" || list[0].Server != "" || list[0].Sections != nil {
		t.Fatalf("the invitations are %+v", list)
	}
	for _, one := range list {
		accept := fmt.Sprintf("/invitations/%d/accept", one.ID)
		if one.To == "admin" {
			w.must("POST", accept, "", nil)
			w.fails(map[[3]string]int{{"POST", accept, ``}: 404})
			continue
		}
		w.fails(map[[3]string]int{{"POST", accept, ``}: 409})
		w.must("DELETE", fmt.Sprintf("/invitations/%d", one.ID), "", nil)
		w.fails(map[[3]string]int{{"DELETE", fmt.Sprintf("/invitations/%d", one.ID), ``}: 404})
	}
	w.fails(map[[3]string]int{
		{"POST", "/invitations", `{"from": "mia"}`}:                                                    400,
		{"POST", "/invitations", `{"to": "mia"}`}:                                                      400,
		{"POST", "/invitations", `{"from": "nobody", "to": "mia"}`}:                                    404,
		{"POST", "/invitations", `{"from": "mia", "to": "noa"}`}:                                       409,
		{"POST", "/invitations", `{"from": "mia", "to": "admin", "server": "attik"}`}:                  404,
		{"POST", "/invitations", `{"from": "noa", "to": "zoe@example.org", "server": "attic"}`}:        403,
		{"POST", "/invitations", `{"from": "mia", "to": "zoe", "server": "attic", "sections": ["X"]}`}: 404,
		{"POST", "/invitations/x/accept", ``}:                                                          400,
		{"POST", "/invitations/7/accept", ``}:                                                          404,
		{"DELETE", "/invitations/7", ``}:                                                               404,
		{"DELETE", "/invitations/x", ``}:                                                               400,
	})
}

// account is the wire form of an account.
type account struct {
	Username, Home, Email, Password, Restriction string
	HomeAdmin, Guest, Managed                    bool
}

func (w *fixture) accounts() map[string]account {
	w.Helper()
	var list []account
	w.must("GET", "/accounts", "", &list)
	byName := make(map[string]account)
	for _, a := range list {
		byName[a.Username] = a
	}
	return byName
}

func TestHomes(t *testing.T) {
	w := newFixture(t)
	w.newcomers()
	w.must("POST", "/homes/mia/users", `{"username": "noa", "homeAdmin": true}`, nil)
	w.must("POST", "/accounts", `{"username": "Kid", "managed": true, "home": "mia", "restriction": "teen"}`, nil)
	w.must("POST", "/accounts", `{"username": "Visitor", "managed": true, "home": "mia", "guest": true}`, nil)
	// The program adds one as well, and the test knows it.
	w.status(200, "POST", "/api/v2/home/users/restricted?friendlyName=Small", miaToken)
	got := w.accounts()
	for _, want := range []account{
		{Username: "mia", Password: "mia has a password"},
		{Username: "noa", Home: "mia", HomeAdmin: true, Email: "noa@example.org", Password: "noa has a password"},
		{Username: "Kid", Home: "mia", Managed: true, Restriction: "teen"},
		{Username: "Visitor", Home: "mia", Managed: true, Guest: true},
		{Username: "Small", Home: "mia", Managed: true},
	} {
		if diff := cmp.Diff(want, got[want.Username]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	var issued struct{ Token string }
	w.must("POST", "/accounts/Small/tokens", ``, &issued)
	w.status(200, "GET", "/api/v2/home/users", issued.Token)
	w.fails(map[[3]string]int{
		{"POST", "/homes/mia/users", `{"username": "nobody"}`}:  404,
		{"POST", "/homes/nobody/users", `{"username": "noa"}`}:  404,
		{"POST", "/homes/admin/users", `{"username": "noa"}`}:   409,
		{"POST", "/homes/noa/users", `{"username": "admin"}`}:   403,
		{"POST", "/homes/admin/users", `{"username": "Small"}`}: 409,
		{"POST", "/homes/admin/users", `{}`}:                    400,
		{"DELETE", "/homes/mia/users/admin", ``}:                404,
		{"DELETE", "/homes/nobody/users/noa", ``}:               404,
		{"DELETE", "/homes/mia/users/mia", ``}:                  404,
	})
	w.must("DELETE", "/homes/mia/users/noa", "", nil)
	w.must("DELETE", "/homes/mia/users/Small", "", nil)
	w.status(401, "GET", "/api/v2/home/users", issued.Token)
	if got := w.accounts(); got["noa"].Home != "" || got["Small"].Username != "" {
		t.Errorf("the accounts are %+v", got)
	}
	w.must("DELETE", "/accounts/mia", "", nil)
	w.status(401, "GET", "/api/v2/user", miaToken)
	if got := w.accounts(); got["mia"].Username != "" || got["Kid"].Username != "" {
		t.Errorf("the accounts are %+v", got)
	}
	w.must("POST", "/accounts", `{"username": "mia", "password": "another password"}`, nil)
	if got := w.accounts()["mia"].Password; got != "another password" {
		t.Errorf("the password is %s", got)
	}
	w.fails(map[[3]string]int{
		{"DELETE", "/accounts/nobody", ``}:     404,
		{"DELETE", "/accounts/admin", ``}:      409,
		{"POST", "/accounts/mai/tokens", `{}`}: 404,
	})
	var e struct{ Error string }
	if w.call("GET", "/accounts/mai/code", "", &e); !strings.HasSuffix(e.Error, `there is no account mai; did you mean "mia"?`) {
		t.Errorf("the error is %s", e.Error)
	}
	if w.call("POST", "/accounts", `{"username": "Kid", "pin": 1234}`, &e); e.Error != "pin cannot be a number" {
		t.Errorf("the error is %s", e.Error)
	}
}

// A reset removes everything that was added at run time, and restores what was removed.
func TestResetOfRelations(t *testing.T) {
	w := newFixture(t)
	state := func() string {
		var all []string
		for _, path := range []string{"/accounts", "/servers", "/shares", "/invitations"} {
			_, text := w.raw("GET", path, "")
			all = append(all, string(text))
		}
		return strings.Join(all, "\n")
	}
	before := state()
	for range 2 {
		w.relate()
		w.must("DELETE", "/shares/den/member", "", nil)
		w.must("DELETE", "/servers/den", "", nil)
		w.must("DELETE", "/accounts/member", "", nil)
		if state() == before {
			t.Fatal("nothing has changed")
		}
		w.must("POST", "/reset", "", nil)
		if diff := cmp.Diff(before, state()); diff != "" {
			t.Errorf("(-before +after):\n%s", diff)
		}
		w.sees(memberToken, "den", true)
	}
}

// relate adds one of each thing.
func (w *fixture) relate() {
	w.Helper()
	w.newcomers()
	w.must("POST", "/servers", `{"name": "Attic", "id": "attic", "owner": "mia", "sections": ["Films"]}`, nil)
	w.must("POST", "/shares", `{"server": "attic", "with": "noa", "sections": ["Films"]}`, nil)
	w.must("POST", "/invitations", `{"from": "mia", "to": "zoe@example.org", "server": "attic"}`, nil)
	w.must("POST", "/friends", `["admin", "mia"]`, nil)
	w.must("POST", "/homes/mia/users", `{"username": "noa"}`, nil)
}

// A program that signs up adds an account that the test knows and controls.
func TestSignUp(t *testing.T) {
	play := scene.Default()
	play.SignUp = true
	s, err := stage.Open(t.Context(), stage.Config{Scene: play})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &fixture{t, s, control.New(s, "1.2.3", secret)}
	for range 2 { // again after a reset
		r := httptest.NewRequest("POST", "https://plex.tv/api/v2/users", strings.NewReader("username=ida&email=ida@example.org&password=ida+has+a+password"))
		r.Header.Set("X-Plex-Client-Identifier", "program")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "application/json")
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, r)
		var signedUp struct{ AuthToken string }
		if err := json.NewDecoder(rec.Body).Decode(&signedUp); err != nil || rec.Code != http.StatusCreated {
			t.Fatalf("signing up: status %d, %v", rec.Code, err)
		}
		w.status(200, "GET", "/api/v2/user", signedUp.AuthToken)
		if got := w.accounts()["ida"]; got.Email != "ida@example.org" {
			t.Errorf("the account is %+v", got)
		}
		w.must("POST", "/accounts", `{"username": "Kid", "managed": true, "home": "ida"}`, nil)
		w.must("DELETE", "/accounts/ida/tokens", "", nil)
		w.status(401, "GET", "/api/v2/user", signedUp.AuthToken)
		w.must("POST", "/reset", "", nil)
		if _, still := w.accounts()["ida"]; still {
			t.Error("after a reset, the account is still there")
		}
	}
}
