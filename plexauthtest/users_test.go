package plexauthtest_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

func TestAdmin(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	account, err := srv.AnonymousClient().SignIn(t.Context(), srv.Admin.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	if account.Username != srv.Admin.Username || account.Email != srv.Admin.Email || !account.HasPassword {
		t.Errorf("account %+v", account)
	}
	admin := srv.Client(srv.Admin)
	mustBe(t, admin, srv.Admin)
	list, err := admin.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if !r.Owned {
			t.Errorf("admin does not own %s", r.Name)
		}
	}
	if conn, err := admin.Connect(t.Context(), &list[0]); err != nil || conn.URI != srv.MediaURL {
		t.Errorf("usher itself is reached at %+v: %v", conn, err)
	}
	if got := names(t, admin); !slices.Equal(got, []string{srv.Self.Name, srv.Den.Name}) {
		t.Errorf("admin reaches %v", got)
	}
	for _, src := range []plexauthtest.Source{srv.Self, srv.Den, srv.Guide} {
		got, err := admin.SourceConnection(t.Context(), src.Source)
		if err != nil {
			t.Errorf("%s: %v", src.Name, err)
			continue
		}
		if got.Name != src.Name || got.ClientIdentifier != src.Identifier || got.AccessToken == "" || len(got.Connections) == 0 {
			t.Errorf("%s is %+v", src.Name, got)
		}
	}
	_, err = admin.SourceConnection(t.Context(), plexauth.ServerSource("nowhere"))
	mustFail(t, err, plexauth.ErrNotFound)
	if id, err := admin.Identity(t.Context()); err != nil || id.MachineIdentifier != srv.Self.Identifier {
		t.Errorf("identity %+v: %v", id, err)
	}
}

func TestMember(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	for _, login := range []string{srv.Member.Username, srv.Member.Email} {
		in := srv.Member.Credentials()
		in.Login = login
		account, err := srv.AnonymousClient().SignIn(t.Context(), in)
		if err != nil || account.Username != "member" || account.TwoFactorEnabled {
			t.Errorf("signed in as %s: %+v: %v", login, account, err)
		}
	}
	member := srv.Client(srv.Member)
	list, err := member.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Name != srv.Self.Name || list[0].Owned {
		t.Fatalf("member reaches %+v", list)
	}
	if den := list[1]; den.Name != "Den" || den.Owned || den.SourceTitle != srv.Admin.Username || den.AccessToken == "" {
		t.Errorf("member reaches %+v", den)
	}
	_, err = member.SourceConnection(t.Context(), srv.Den.Source)
	mustFail(t, err, plexauth.ErrForbidden)

	in := srv.Member.Credentials()
	in.Password = "not this one"
	_, err = srv.AnonymousClient().SignIn(t.Context(), in)
	mustFail(t, err, plexauth.ErrUnauthorized)
}

func TestTwoFactor(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	two := srv.TwoFactor
	with := func(code plexauth.Secret) error {
		in := two.Credentials()
		in.VerificationCode = code
		_, err := srv.AnonymousClient().SignIn(t.Context(), in)
		return err
	}
	mustFail(t, with(""), plexauth.ErrVerificationRequired)
	mustFail(t, with("12345"), plexauth.ErrVerificationRequired)
	code := two.VerificationCode()
	if err := with(code); err != nil {
		t.Errorf("with the code: %v", err)
	}
	mustFail(t, with(code), plexauth.ErrVerificationRequired)
	srv.Advance(30 * time.Second)
	account, err := srv.AnonymousClient().SignIn(t.Context(), two.Credentials())
	if err != nil || !account.TwoFactorEnabled {
		t.Errorf("with the next code: %+v: %v", account, err)
	}
	if len(two.BackupCodes) != 10 {
		t.Fatalf("there are %d backup codes", len(two.BackupCodes))
	}
	for _, code := range two.BackupCodes {
		if err := with(code); err != nil {
			t.Errorf("with a backup code: %v", err)
		}
		mustFail(t, with(code), plexauth.ErrVerificationRequired)
	}
	mustBe(t, srv.Client(two), two)
	if srv.Member.VerificationCode() != "" || srv.Member.BackupCodes != nil {
		t.Error("member has a second factor")
	}
}

func TestManaged(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	if srv.Managed.Email != "" || srv.Managed.Password != "" {
		t.Errorf("managed is %+v", srv.Managed)
	}
	for _, password := range []plexauth.Secret{"", "a guess", "managed"} {
		in := srv.Managed.Credentials()
		in.Password = password
		if _, err := srv.AnonymousClient().SignIn(t.Context(), in); err == nil {
			t.Errorf("signed in with %q", string(password))
		}
	}
	account, err := srv.Client(srv.Managed).TokenDetails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if account.Username != "managed" || account.Email != "" || account.HasPassword {
		t.Errorf("account %+v", account)
	}
}

func TestDisabled(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	_, err := srv.AnonymousClient().SignIn(t.Context(), srv.Disabled.Credentials())
	mustFail(t, err, plexauth.ErrUnauthorized)
	_, err = details(t, srv.Client(srv.Disabled))
	mustFail(t, err, plexauth.ErrUnauthorized)
	_, err = srv.Client(srv.Disabled).TransientToken(t.Context())
	mustFail(t, err, plexauth.ErrUnauthorized)
}

// A client without a token fails before it sends anything.
func TestAnonymous(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.AnonymousClient()
	_, err := c.TokenDetails(t.Context())
	mustFail(t, err, plexauth.ErrUnauthorized)
	if got := srv.Requests(); len(got) != 0 {
		t.Errorf("requests %+v", got)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAddPersonAndServer(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	uma := srv.AddUser("uma", "uma@example.org", "uma's password")
	account, err := srv.AnonymousClient().SignIn(t.Context(), uma.Credentials())
	if err != nil || account.Username != "uma" || account.Email != "uma@example.org" {
		t.Errorf("account %+v: %v", account, err)
	}
	c := srv.Client(uma)
	if got := names(t, c); !slices.Equal(got, []string{"usher"}) {
		t.Errorf("uma reaches %v", got)
	}
	shed := srv.AddServer("Shed", "shed-1", uma)
	if got := names(t, c); !slices.Equal(got, []string{"usher", "Shed"}) {
		t.Errorf("uma reaches %v", got)
	}
	got, err := srv.Client(srv.Admin).SourceConnection(t.Context(), shed.Source)
	if err != nil || got.Name != "Shed" {
		t.Errorf("the admin gets %+v: %v", got, err)
	}
	srv.Share(srv.Den, uma)
	if got := names(t, c); !slices.Equal(got, []string{"usher", "Den", "Shed"}) {
		t.Errorf("uma reaches %v", got)
	}
}

func TestUnshare(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	member := srv.Client(srv.Member)
	list, err := member.Resources(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("member reaches %v: %v", list, err)
	}
	there := *member
	there.Token = plexauth.StaticToken(list[1].AccessToken)
	mustBe(t, &there, srv.Member)
	srv.Unshare(srv.Den, srv.Member)
	if got := names(t, member); !slices.Equal(got, []string{"usher"}) {
		t.Errorf("member reaches %v", got)
	}
	_, err = details(t, &there)
	mustFail(t, err, plexauth.ErrUnauthorized)
	mustBe(t, member, srv.Member)
	srv.Share(srv.Den, srv.Member)
	if got := names(t, member); !slices.Equal(got, []string{"usher", "Den"}) {
		t.Errorf("member reaches %v", got)
	}
}

func TestRevokeAll(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	one, two, other := srv.Client(srv.Member), srv.Client(srv.Member), srv.Client(srv.Admin)
	clients := []*plexauth.Client{one, two, transient(t, one)}
	list, err := one.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		there := *one
		there.Token = plexauth.StaticToken(r.AccessToken)
		clients = append(clients, &there)
	}
	for _, c := range clients {
		mustBe(t, c, srv.Member)
	}
	srv.RevokeTokens(srv.Member)
	for _, c := range clients {
		_, err := details(t, c)
		mustFail(t, err, plexauth.ErrUnauthorized)
	}
	mustBe(t, other, srv.Admin)
	mustBe(t, srv.Client(srv.Member), srv.Member)
}

// The number of tokens of a device is limited, so each client has a device of
// its own.
func TestClientsAreSeparateDevices(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	var clients []*plexauth.Client
	for range 2 * (token.PerDevice + 1) {
		c := srv.Client(srv.Member)
		other := srv.AnonymousClient()
		other.Token = plexauth.StaticToken(srv.Token(srv.Member))
		clients = append(clients, c, other)
	}
	for range token.PerDevice + 1 { // nor do sign-ins of the device that Anonymous is
		if _, err := srv.AnonymousClient().SignIn(t.Context(), srv.Member.Credentials()); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range clients {
		mustBe(t, c, srv.Member)
	}
	srv.RevokeTokens(srv.Member)
	for _, c := range clients {
		_, err := details(t, c)
		mustFail(t, err, plexauth.ErrUnauthorized)
	}
}

func TestDeviceOfEachClient(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	var got []string
	for _, u := range []*plexauthtest.User{srv.Member, srv.Member, srv.Disabled, srv.Admin} {
		got = append(got, srv.Client(u).ClientIdentifier)
	}
	srv.Token(srv.Member)
	got = append(got, srv.Client(srv.Member).ClientIdentifier, srv.AnonymousClient().ClientIdentifier)
	want := []string{"plexauthtest-1", "plexauthtest-2", "plexauthtest", "plexauthtest-3", "plexauthtest-5", "plexauthtest"}
	if !slices.Equal(got, want) {
		t.Errorf("the devices are %v, want %v", got, want)
	}
}

func TestLinkPIN(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	for _, u := range []*plexauthtest.User{srv.Member, srv.TwoFactor, srv.Managed} {
		c := srv.AnonymousClient()
		pin, err := c.StartPIN(t.Context(), plexauth.PINRequest{})
		if err != nil {
			t.Fatal(err)
		}
		u.LinkPIN(pin.Code)
		linked, err := c.WaitPIN(t.Context(), pin)
		if err != nil {
			t.Fatal(err)
		}
		c.Token = plexauth.StaticToken(linked)
		mustBe(t, c, u)
	}
}

// The test's own scene, as usher exec reads it.
func TestScene(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scene.yaml")
	text := "accounts: [{username: mia, password: mia has one, token: aTokenThatIsChosen01}]\n" +
		"servers: [{name: Attic, id: attic, owner: mia}]\ntime: 2030-01-02T03:04:05Z\nfrozen: true\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := plexauthtest.New(t, plexauthtest.Config{Scene: file})
	client := srv.AnonymousClient()
	client.Token = plexauth.StaticToken("aTokenThatIsChosen01")
	account, err := client.TokenDetails(t.Context())
	if err != nil || account.Username != "mia" {
		t.Errorf("the token is that of %+v: %v", account, err)
	}
	if _, err := srv.AnonymousClient().SignIn(t.Context(), srv.User("mia").Credentials()); err != nil {
		t.Error(err)
	}
	if got := srv.Source("Attic").Identifier; got != "attic" || srv.Self.Identifier == "" || srv.Admin != nil {
		t.Errorf("the server is %q, and there is %v", got, srv.Admin)
	}
	srv.Advance(time.Hour)
	if want := time.Date(2030, 1, 2, 4, 4, 5, 0, time.UTC); !srv.Now().Equal(want) {
		t.Errorf("the clock shows %v, want %v", srv.Now(), want)
	}
}

// A scene file describes accounts, and the relations between them.
func TestSceneOfHomesAndShares(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scene.yaml")
	text := `accounts:
  - {username: mia, password: mia has one}
  - {username: noa, password: noa has one}
  - {username: Kid, managed: true, home: mia, pin: 5678}
servers: [{name: Attic, id: attic, owner: mia, sections: [Films, Songs]}]
shares: [{server: attic, with: noa, sections: [Songs]}]
invitations: [{from: mia, to: zoe}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := plexauthtest.New(t, plexauthtest.Config{Scene: file})
	mia, noa, kid := srv.User("mia"), srv.User("noa"), srv.User("Kid")
	if kid.PIN != "5678" || kid.Password != "" {
		t.Errorf("Kid is %+v", kid)
	}
	wantPart(t, srv, kid, "/api/v2/user", `"title":"Kid"`, `"restricted":true`)
	wantPart(t, srv, mia, "/api/v2/home/users", `"title":"Kid"`)
	wantPart(t, srv, mia, "/api/v2/friends", `"libraries":[{"id":2,"key":2,"title":"Songs","type":"movie"}]`)
	wantPart(t, srv, noa, "/api/v2/friends", `"username":"mia"`)
	wantPart(t, srv, mia, "/api/v2/friends?status=pending_sent", `"username":"zoe"`)
}

// The same is added by methods.
func TestRelations(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{Resettable: true})
	wantPart(t, srv, srv.Admin, "/api/v2/friends", `"username":"member"`)
	wantPart(t, srv, srv.Member, "/api/v2/friends", `"username":"admin"`)
	wantPart(t, srv, srv.Member, "/api/v2/servers/den", `"title":"Films"`)

	mia, noa := srv.AddUser("mia", "mia@example.org", "mia's password"), srv.AddUser("noa", "noa@example.org", "noa's password")
	attic := srv.AddServer("Attic", "attic", mia)
	srv.AddSection(attic, "Songs", "artist")
	srv.AddSection(attic, "Films", "movie")
	srv.ShareSections(mia, attic, noa, "Films")
	kid := srv.AddHomeUser(mia, "Kid", "5678")
	srv.ShareSections(mia, attic, kid)
	srv.AddToHome(mia, srv.TwoFactor)
	srv.SetPIN(mia, "1234")
	srv.Befriend(noa, srv.Admin)
	srv.Invite(mia, "zoe@example.org", attic, "Songs")
	srv.Invite(srv.Member, "mia", plexauthtest.Source{})

	wantPart(t, srv, mia, "/api/v2/home/users", `"title":"Kid"`, `"title":"twofactor"`, `"protected":true`)
	wantPart(t, srv, mia, "/api/v2/friends", `"username":"noa"`, `"title":"Films"`)
	wantPart(t, srv, noa, "/api/v2/friends", `"username":"mia"`, `"username":"admin"`)
	wantPart(t, srv, noa, "/api/v2/servers/attic", `"librarySections":[{"id":4,"key":2,"title":"Films","type":"movie"}]`)
	wantPart(t, srv, mia, "/api/v2/shared_servers/owned/pending", `"invitedEmail":"zoe@example.org"`, `"title":"Songs"`)
	wantPart(t, srv, mia, "/api/v2/friends?status=pending_received", `"username":"member"`)
	wantPart(t, srv, kid, "/api/v2/user", `"title":"Kid"`, `"restricted":true`)
	if got := names(t, srv.Client(kid)); !slices.Equal(got, []string{"usher", "Attic"}) {
		t.Errorf("Kid reaches %v", got)
	}
	srv.Unshare(attic, noa)
	if got := names(t, srv.Client(noa)); !slices.Equal(got, []string{"usher"}) {
		t.Errorf("noa reaches %v", got)
	}
	srv.AcceptInvitation(noa, srv.Invite(mia, "noa@example.org", attic, "Songs"))
	if got := names(t, srv.Client(noa)); !slices.Equal(got, []string{"usher", "Attic"}) {
		t.Errorf("noa reaches %v", got)
	}
	srv.Unfriend(mia, noa)
	if got := names(t, srv.Client(noa)); !slices.Equal(got, []string{"usher"}) {
		t.Errorf("noa reaches %v", got)
	}
	srv.EndInvitation(noa, srv.Invite(mia, "noa", attic))
	srv.RemoveFromHome(mia, srv.TwoFactor)
	srv.RemoveFromHome(mia, kid)
	wantPart(t, srv, mia, "/api/v2/home/users", `"users":[{"id":6,`, `"title":"mia"`)
	srv.RemoveServer(attic)
	if got := names(t, srv.Client(mia)); !slices.Equal(got, []string{"usher"}) {
		t.Errorf("mia reaches %v", got)
	}
	c := srv.Client(mia)
	srv.RemoveUser(mia)
	_, err := details(t, c)
	mustFail(t, err, plexauth.ErrUnauthorized)
	srv.Reset()
	wantPart(t, srv, srv.Admin, "/api/v2/friends", `"username":"member"`, `"title":"Shows"`)
}

// wantPart checks that the answer to a user has parts.
func wantPart(t *testing.T, srv *plexauthtest.Server, u *plexauthtest.User, path string, parts ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.AccountURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"X-Plex-Token": {string(srv.Token(u))}, "Accept": {"application/json"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s as %s: %s %s, %v", path, u.Username, res.Status, body, err)
	}
	for _, part := range parts {
		if !strings.Contains(string(body), part) {
			t.Errorf("%s as %s has no %s: %s", path, u.Username, part, body)
		}
	}
}
