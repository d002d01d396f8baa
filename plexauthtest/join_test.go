package plexauthtest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/control"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/stage"
	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// A test in usher exec controls its usher.
func TestJoin(t *testing.T) {
	s, err := stage.Open(t.Context(), stage.Config{Scene: scene.Default()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	program, api := httptest.NewServer(s.Handler()), httptest.NewServer(control.New(s, "test", "a secret"))
	t.Cleanup(program.Close)
	t.Cleanup(api.Close)
	t.Setenv("USHER_CONTROL", api.URL)
	t.Setenv("USHER_CONTROL_TOKEN", "a secret")
	c := plexauthtest.Join(t)
	client := &plexauth.Client{ClientIdentifier: "program", AccountURL: program.URL, Token: plexauth.StaticToken(c.Account("member").Token)}
	works := func(want bool) {
		t.Helper()
		if _, err := client.TokenDetails(t.Context()); (err == nil) != want {
			t.Errorf("the token works: %v", err)
		}
	}
	works(true)
	if got := c.Requests(); len(got) != 1 || got[0].Path != "/api/v2/user" || got[0].Status != http.StatusOK {
		t.Errorf("the requests are %+v", got)
	}
	c.InjectFault(plexauthtest.NamedFault{Name: "bad-gateway", Times: 1})
	works(false)
	works(true)
	c.InjectFault(plexauthtest.NamedFault{Name: "malformed"})
	works(false)
	c.ClearFaults()
	c.RevokeTokens("member")
	works(false)

	mia := c.AddAccount(plexauthtest.Account{Username: "mia", Password: "mia's password", TOTP: "KVJUQRKSKVJUQRKSKVJUQRKSKVJUQRKS"})
	if mia.Password != "mia's password" || len(mia.BackupCodes) == 0 || len(mia.BackupCodes[0]) < 8 || len(c.VerificationCode("mia")) != 6 {
		t.Errorf("the account is %+v", mia)
	}
	kid := c.AddAccount(plexauthtest.Account{Username: "Kid", Managed: true, Home: "mia", PIN: "5678", Restriction: "teen"})
	if kid.Home != "mia" || kid.PIN != "5678" || kid.Restriction != "teen" || c.Account("Kid").PIN != "5678" {
		t.Errorf("the account is %+v", kid)
	}
	token := c.Token("mia")
	client.Token = plexauth.StaticToken(token)
	works(true)
	c.RevokeToken(token)
	works(false)

	pin, err := client.StartPIN(t.Context(), plexauth.PINRequest{})
	if err != nil {
		t.Fatal(err)
	}
	c.ApprovePIN(pin.Code, "admin")
	if linked, err := client.CheckPIN(t.Context(), pin); err != nil || linked.AuthToken == "" {
		t.Errorf("the PIN has no token: %v", err)
	}
	c.Freeze(true)
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	c.SetTime(start)
	c.Advance(time.Hour)
	if now := c.Now(); !now.Equal(start.Add(time.Hour)) {
		t.Errorf("the clock shows %v", now)
	}
	if pin, err = client.StartPIN(t.Context(), plexauth.PINRequest{}); err != nil {
		t.Fatal(err)
	}
	c.RefusePIN(pin.Code, "member")
	if _, err := client.CheckPIN(t.Context(), pin); err == nil {
		t.Error("a refused PIN is polled")
	}
	c.Reset()
	client.Token = plexauth.StaticToken(c.Account("member").Token)
	works(true)
	joinRelations(t, c, client)
}

// joinRelations adds relations between accounts, and removes them.
func joinRelations(t *testing.T, c *plexauthtest.Control, client *plexauth.Client) {
	t.Helper()
	reaches := func(username string, want bool) {
		t.Helper()
		client.Token = plexauth.StaticToken(c.Token(username))
		resources, err := client.Resources(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(resources, func(r plexauth.Resource) bool { return r.ClientIdentifier == "attic" })
		if got != want {
			t.Errorf("whether %s reaches Attic: %v, want %v", username, got, want)
		}
	}
	c.AddAccount(plexauthtest.Account{Username: "mia", Password: "mia's password"})
	attic := c.AddServer(plexauthtest.MediaServer{
		Name: "Attic", ID: "attic", Owner: "mia", Sections: []plexauthtest.Section{{Name: "Films"}, {Name: "Songs", Type: "artist", Number: 7}},
		Connections: []plexauthtest.Connection{{URI: "https://192.0.2.9:32400", Local: true}}, SharedWith: []string{"twofactor"},
	})
	want := plexauthtest.MediaServer{
		Name: "Attic", ID: "attic", Owner: "mia", Connections: []plexauthtest.Connection{{URI: "https://192.0.2.9:32400", Local: true}},
		Sections: []plexauthtest.Section{{Name: "Films", Type: "movie", Number: 1}, {Name: "Songs", Type: "artist", Number: 7}},
	}
	if diff := cmp.Diff(want, attic); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list := c.Servers(); !slices.ContainsFunc(list, func(m plexauthtest.MediaServer) bool { return cmp.Equal(m, attic) }) {
		t.Errorf("the servers are %+v", list)
	}
	reaches("twofactor", true)
	c.Share("attic", "member", "Songs")
	c.Share("attic", "admin")
	if diff := cmp.Diff([]plexauthtest.Share{
		{Server: "attic", Account: "admin"}, {Server: "attic", Account: "member", Sections: []string{"Songs"}},
		{Server: "attic", Account: "twofactor"}, {Server: "den", Account: "member"},
	}, c.Shares()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	reaches("member", true)
	c.Unshare("attic", "member")
	reaches("member", false)
	c.Unfriend("mia", "admin")
	reaches("admin", false)
	c.Befriend("mia", "admin")
	sent := c.Invite("mia", "member", "attic", "Songs")
	if diff := cmp.Diff([]plexauthtest.Invitation{
		{ID: sent.ID, Sender: "mia", To: "member", Server: "attic", Sections: []string{"Songs"}},
	}, c.Invitations()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.AcceptInvitation(sent)
	reaches("member", true)
	c.EndInvitation(c.Invite("mia", "zoe@example.org", ""))
	if list := c.Invitations(); len(list) != 0 {
		t.Errorf("the invitations are %+v", list)
	}
	c.AddToHome("mia", "twofactor", true)
	if got := c.Account("twofactor"); got.Home != "mia" || !got.HomeAdmin {
		t.Errorf("the account is %+v", got)
	}
	c.RemoveFromHome("mia", "twofactor")
	c.RemoveServer("attic")
	reaches("member", false)
	before := len(c.Accounts())
	c.RemoveAccount("mia")
	if got := len(c.Accounts()); got != before-1 {
		t.Errorf("there are %d accounts, and were %d", got, before)
	}
}

// A reset undoes the changes of a test.
func TestReset(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{Resettable: true})
	start := srv.Now()
	for range 3 {
		mia := srv.AddUser("mia", "", "mia's password")
		c := srv.Client(mia)
		mustBe(t, c, mia)
		srv.RevokeTokens(srv.Member)
		srv.InjectNamedFault("empty,path=/nowhere")
		srv.Freeze(true)
		srv.SetTime(start.AddDate(1, 0, 0))
		srv.Reset()
		_, err := details(t, c)
		mustFail(t, err, plexauth.ErrUnauthorized)
		if d := srv.Now().Sub(start); d > time.Hour {
			t.Errorf("the clock is %v ahead", d)
		}
		mustBe(t, srv.Client(srv.Member), srv.Member)
	}
}

// Named faults are the faults of usher exec.
func TestNamedFaults(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	for text, want := range map[string]error{
		"rate-limit,times=1": plexauth.ErrRateLimited, "bad-gateway,times=1": plexauth.ErrServer,
		"dead-token-401,times=1": plexauth.ErrUnauthorized, "drop,times=1": plexauth.ErrUnreachable, "cut,times=1": plexauth.ErrUnreachable,
	} {
		srv.ResetRequests()
		remove := srv.InjectNamedFault(text)
		_, err := details(t, c)
		mustFail(t, err, want)
		mustBe(t, c, srv.Member)
		if got := srv.Requests(); len(got) != 2 || (got[0].Status == 0) != (text == "drop,times=1") {
			t.Errorf("%s: requests %+v", text, got)
		}
		remove()
	}
	remove := srv.InjectNamedFault("clock-skew,seconds=-7200")
	date, err := http.ParseTime(get(t, srv.AccountURL+"/api/v2/ping").Header.Get("Date"))
	if ahead := date.Sub(srv.Now()); err != nil || ahead > -time.Hour {
		t.Errorf("the server's clock is ahead by %v, want two hours behind: %v", ahead, err)
	}
	remove()
	pin, err := c.StartPIN(t.Context(), plexauth.PINRequest{})
	if err != nil {
		t.Fatal(err)
	}
	srv.Member.RefusePIN(pin.Code)
	if _, err := c.CheckPIN(t.Context(), pin); err == nil {
		t.Error("a refused PIN is polled")
	}
}
