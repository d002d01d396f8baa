package control

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/traffic"
	"github.com/usher-auth/usher/internal/trouble"
	"github.com/usher-auth/usher/plexauth"
)

// Routes returns the rows of the API.
func Routes() []Route { return append([]Route(nil), routes...) }

// routes is the API. docs/testing.md has the same table.
var routes = []Route{
	{"GET", "/{$}", "", `{"version": "0.1.0", "clients": "0.1.0"}`, "the version of usher, and of the packages for it", (*api).about},
	{"POST", "/reset", "", "", "reset to the scene: its accounts, clock and faults, and no requests", (*api).reset},

	{"GET", "/clock", "", `{"time": "2030-01-02T03:04:05Z", "frozen": true}`, "the clock of usher", (*api).clock},
	{"POST", "/clock", `{"advance": 3600}`, "as `GET`", "move the clock by seconds, set it (`time`), freeze or unfreeze it (`frozen`)", (*api).setClock},

	{"GET", "/accounts", "", `[{"username": "member", "token": "…"}]`, "the current accounts, including those that the program has added", (*api).accounts},
	{"POST", "/accounts", `{"username": "mia", "password": "…"}`, "the account", "add an account, with the keys of a scene", (*api).addAccount},
	{"DELETE", "/accounts/{username}", "", "", "remove an account", (*api).removeAccount},
	{"POST", "/accounts/{username}/tokens", `{"clientIdentifier": "my-test"}`, `{"token": "…"}`, "issue a token", (*api).issueToken},
	{"DELETE", "/accounts/{username}/tokens", "", "", "revoke all tokens of an account", (*api).revokeTokens},
	{"GET", "/accounts/{username}/code", "", `{"code": "123456"}`, "the current code of the second factor", (*api).code},
	{"POST", "/tokens/revoke", `{"token": "…"}`, "", "revoke a token and its descendants", (*api).revokeToken},

	{"POST", "/pins/{code}/approve", `{"account": "member"}`, `{"forward": "https://…"}`, "link a PIN as if the user had allowed it; `forward` is the address that the browser is redirected to", (*api).approve},
	{"POST", "/pins/{code}/refuse", `{"account": "member"}`, "", "deny a PIN as if the user had", (*api).refuse},

	{"POST", "/homes/{owner}/users", `{"username": "mia"}`, "", "add an account to the home of another, as a home admin with `homeAdmin`. `POST /accounts` adds managed users", (*api).addToHome},
	{"DELETE", "/homes/{owner}/users/{username}", "", "", "remove an account from a home. A managed user is deleted", (*api).removeFromHome},

	{"GET", "/servers", "", `[{"name": "Den", "id": "den", "owner": "admin", "sections": [{"name": "Films"}]}]`, "the current media servers, including usher itself", (*api).servers},
	{"POST", "/servers", `{"name": "Attic", "id": "attic", "owner": "mia", "sections": ["Songs"]}`, "the server", "add a media server, with the keys of a scene", (*api).addServer},
	{"DELETE", "/servers/{id}", "", "", "remove a media server, with its shares and the tokens for it", (*api).removeServer},
	{"GET", "/shares", "", `[{"server": "den", "with": "member"}]`, "the current shares; without `sections`, of all sections", (*api).shares},
	{"POST", "/shares", `{"server": "den", "with": "mia", "sections": ["Films"]}`, "", "share a server as its owner, with the keys of a scene; both sides become friends", (*api).addShare},
	{"DELETE", "/shares/{server}/{username}", "", "", "end a share, and the tokens for it", (*api).removeShare},
	{"POST", "/friends", `["mia", "noa"]`, "", "make two accounts friends", (*api).befriend},
	{"DELETE", "/friends/{username}/{friend}", "", "", "end a friendship, with the shares and invitations between the two", (*api).unfriend},

	{"GET", "/invitations", "", `[{"id": 1500000000, "from": "mia", "to": "noa", "server": "attic"}]`, "the pending invitations, including those that the program has sent", (*api).invitations},
	{"POST", "/invitations", `{"from": "mia", "to": "noa@example.org", "server": "attic"}`, "the invitation", "send an invitation, with the keys of a scene; it stays pending", (*api).invite},
	{"POST", "/invitations/{id}/accept", "", "", "accept an invitation as the invited account", (*api).acceptInvitation},
	{"DELETE", "/invitations/{id}", "", "", "withdraw or decline an invitation", (*api).endInvitation},

	{"GET", "/faults", "", `[{"id": 1, "fault": "slow"}]`, "the remaining faults", (*api).faults},
	{"POST", "/faults", `{"fault": "rate-limit", "times": 2}`, `{"id": 1}`, "inject a fault, with the keys of a scene", (*api).addFault},
	{"DELETE", "/faults", "", "", "remove all faults", (*api).removeFaults},
	{"DELETE", "/faults/{id}", "", "", "remove a fault", (*api).removeFault},

	{"GET", "/requests", "", `[{"method": "GET", "host": "plex.tv", "path": "/api/v2/user", "status": 200}]`, "the requests of the program, the oldest first, with `query`, `header`, `body` and `time`", (*api).requests},
	{"DELETE", "/requests", "", "", "delete the recorded requests", (*api).forget},
}

func (a *api) about(*http.Request) (any, error) {
	return struct {
		Version string `json:"version"`
		Clients string `json:"clients"`
	}{a.version, ClientVersion}, nil
}

func (a *api) reset(r *http.Request) (any, error) { return nil, a.Reset(r.Context()) }

// clock is the wire form of the clock.
type clock struct {
	Time   time.Time `json:"time"`
	Frozen bool      `json:"frozen"`
}

func (a *api) clock(*http.Request) (any, error) {
	return clock{a.Clock.Now().UTC(), a.Clock.Frozen()}, nil
}

func (a *api) setClock(r *http.Request) (any, error) {
	var in struct {
		Advance *float64   `json:"advance"`
		Time    *time.Time `json:"time"`
		Frozen  *bool      `json:"frozen"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.Advance == nil && in.Time == nil && in.Frozen == nil {
		return nil, fault.Invalidf("", "one of advance, time and frozen is needed")
	}
	if in.Advance != nil && !(*in.Advance >= -maxAdvance && *in.Advance <= maxAdvance) {
		return nil, fault.Invalidf("advance", "advance is more than a century")
	}
	if in.Frozen != nil {
		a.Clock.Freeze(*in.Frozen)
	}
	if in.Time != nil {
		a.Clock.Set(*in.Time)
	}
	if in.Advance != nil {
		a.Clock.Advance(time.Duration(*in.Advance * float64(time.Second)))
	}
	return a.clock(r)
}

// maxAdvance is the maximum number of seconds by which one request moves the clock.
const maxAdvance = 100 * 365 * 24 * 60 * 60

// person is the wire form of an account, with its secrets.
type person struct {
	scene.FileAccount
	BackupCodes []string `json:"backupCodes,omitempty"`
}

func newPerson(p scene.Person) person {
	out := person{FileAccount: scene.InFile(p.Account)}
	for _, code := range p.BackupCodes {
		out.BackupCodes = append(out.BackupCodes, string(code))
	}
	return out
}

func (a *api) accounts(r *http.Request) (any, error) {
	people, err := a.People(r.Context())
	if err != nil {
		return nil, err
	}
	list := []person{}
	for _, p := range people {
		list = append(list, newPerson(p))
	}
	return list, nil
}

func (a *api) addAccount(r *http.Request) (any, error) {
	var in scene.FileAccount
	if err := read(r, &in); err != nil {
		return nil, err
	}
	p, err := a.AddPerson(r.Context(), in.Account())
	if err != nil {
		return nil, err
	}
	return newPerson(p), nil
}

func (a *api) removeAccount(r *http.Request) (any, error) {
	return nil, a.RemovePerson(r.Context(), r.PathValue("username"))
}

func (a *api) issueToken(r *http.Request) (any, error) {
	var in struct {
		ClientIdentifier string `json:"clientIdentifier"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.ClientIdentifier == "" {
		in.ClientIdentifier = "control"
	}
	d := device.Device{ClientIdentifier: in.ClientIdentifier, Product: in.ClientIdentifier}
	token, err := a.IssueToken(r.Context(), r.PathValue("username"), d)
	if err != nil {
		return nil, err
	}
	return map[string]string{"token": string(token)}, nil
}

func (a *api) revokeTokens(r *http.Request) (any, error) {
	return nil, a.RevokeTokens(r.Context(), r.PathValue("username"))
}

func (a *api) revokeToken(r *http.Request) (any, error) {
	var in struct {
		Token string `json:"token"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := required("token", in.Token); err != nil {
		return nil, err
	}
	err := a.RevokeToken(r.Context(), plexauth.Secret(in.Token))
	if fault.KindOf(err) == fault.Unauthenticated {
		return nil, fault.New(fault.NotFound, "there is no such token") // 401 is for the secret of the API
	}
	return nil, err
}

func (a *api) code(r *http.Request) (any, error) {
	code, err := a.Code(r.Context(), r.PathValue("username"))
	if err != nil {
		return nil, err
	}
	return map[string]string{"code": string(code)}, nil
}

// of reads the account to which a PIN is linked.
func of(r *http.Request) (account string, err error) {
	var in struct {
		Account string `json:"account"`
	}
	if err := read(r, &in); err != nil {
		return "", err
	}
	return in.Account, required("account", in.Account)
}

func (a *api) approve(r *http.Request) (any, error) {
	account, err := of(r)
	if err != nil {
		return nil, err
	}
	forward, err := a.ApprovePIN(r.Context(), account, r.PathValue("code"))
	if err != nil {
		return nil, err
	}
	return map[string]string{"forward": forward}, nil
}

func (a *api) refuse(r *http.Request) (any, error) {
	account, err := of(r)
	if err != nil {
		return nil, err
	}
	return nil, a.RefusePIN(r.Context(), account, r.PathValue("code"))
}

func (a *api) faults(*http.Request) (any, error) { return a.Faults.List(), nil }

func (a *api) addFault(r *http.Request) (any, error) {
	var f trouble.Fault
	if err := read(r, &f); err != nil {
		return nil, err
	}
	number, err := a.Faults.Add(f)
	if err != nil {
		return nil, invalid(err)
	}
	return map[string]int{"id": number}, nil
}

func (a *api) removeFaults(*http.Request) (any, error) { return nil, a.Faults.Set(nil) }

func (a *api) removeFault(r *http.Request) (any, error) {
	number, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !a.Faults.Remove(number) {
		return nil, fault.New(fault.NotFound, "there is no such fault, or it is used up")
	}
	return nil, nil
}

// request is the wire form of a recorded request.
type request struct {
	Time   time.Time   `json:"time"`
	Method string      `json:"method"`
	Host   string      `json:"host"`
	Path   string      `json:"path"`
	Query  url.Values  `json:"query"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
	Status int         `json:"status"`
}

func newRequest(r traffic.Request) request {
	return request{r.Start, r.Method, r.Host, r.URL.Path, r.URL.Query(), r.Header, r.Body, r.Status}
}

func (a *api) requests(*http.Request) (any, error) {
	list := []request{}
	for _, r := range a.Traffic.Requests() {
		list = append(list, newRequest(r))
	}
	return list, nil
}

func (a *api) forget(*http.Request) (any, error) {
	a.Traffic.Forget()
	return nil, nil
}
