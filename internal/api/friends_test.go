package api_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// neighbourhood has two households: nora owns the server attic with three sections. The
// member and zoe live in the other one.
type neighbourhood struct {
	*fixture
	nora, zoe             account.Account
	noras, members, zoes  plexauth.Secret
	films, shows, records source.Section
}

func newNeighbourhood(t *testing.T) *neighbourhood {
	t.Helper()
	w := newFixture(t, nil)
	n := &neighbourhood{fixture: w, nora: w.Add("nora"), zoe: w.Add("zoe")}
	attic := w.AddSource(source.Source{
		Kind: source.Server, Identifier: "attic", Name: "Attic", OwnerID: n.nora.ID,
		Connections: []source.Connection{{URI: "http://192.168.1.7:32400", Local: true}, {URI: "https://attic.example.org:443"}},
	})
	for _, add := range []struct {
		to          *source.Section
		title, kind string
	}{{&n.films, "Films", "movie"}, {&n.shows, "Shows", "show"}, {&n.records, "Records", "artist"}} {
		sec, err := w.Sources.AddSection(t.Context(), operator, attic, source.Section{Title: add.title, Kind: add.kind})
		if err != nil {
			t.Fatal(err)
		}
		*add.to = sec
	}
	n.noras, n.members, n.zoes = w.signIn(t, "nora"), w.signIn(t, "member"), w.signIn(t, "zoe")
	return n
}

// invite invites an account to attic like PlexAPI does, and returns the status.
func (n *neighbourhood) invite(t *testing.T, token plexauth.Secret, who string, sections ...int64) (int, string) {
	t.Helper()
	return n.post(t, "/api/servers/attic/shared_servers", "plexapi", token, map[string]any{
		"server_id": "attic", "shared_server": map[string]any{"library_section_ids": sections, "invited_email": who},
		"sharing_settings": map[string]any{"allowSync": "0"},
	})
}

// must is call for a request that must have a status.
func (n *neighbourhood) must(t *testing.T, want int, method, path string, token plexauth.Secret) string {
	t.Helper()
	status, body := n.call(t, method, path, token, nil)
	if status != want {
		t.Fatalf("%s %s: %d %s, want %d", method, path, status, body, want)
	}
	return body
}

// invites are the invitations of a list of version 1.
type invites struct {
	Invite []struct {
		ID       int64  `xml:"id,attr"`
		Username string `xml:"username,attr"`
		Email    string `xml:"email,attr"`
		Friend   string `xml:"friend,attr"`
		Home     string `xml:"home,attr"`
		Of       string `xml:"server,attr"`
		Server   []struct {
			Name         string `xml:"name,attr"`
			NumLibraries int    `xml:"numLibraries,attr"`
		}
	}
}

func (n *neighbourhood) invites(t *testing.T, list string, token plexauth.Secret) (got invites) {
	t.Helper()
	if err := xml.Unmarshal([]byte(n.must(t, 200, "GET", "/api/invites/"+list, token)), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// listed returns the users in /api/users with their servers, as text.
func (n *neighbourhood) listed(t *testing.T, token plexauth.Secret) (list []string) {
	t.Helper()
	var got struct {
		User []struct {
			Title  string `xml:"title,attr"`
			Email  string `xml:"email,attr"`
			Home   string `xml:"home,attr"`
			Server []struct {
				MachineIdentifier string `xml:"machineIdentifier,attr"`
				NumLibraries      int    `xml:"numLibraries,attr"`
				AllLibraries      string `xml:"allLibraries,attr"`
				Pending           string `xml:"pending,attr"`
			}
		}
	}
	if err := xml.Unmarshal([]byte(n.must(t, 200, "GET", "/api/users/", token)), &got); err != nil {
		t.Fatal(err)
	}
	for _, u := range got.User {
		list = append(list, strings.TrimSpace(fmt.Sprint(u.Title, " ", u.Email, " ", u.Home, " ", u.Server)))
	}
	return list
}

func TestInvitation(t *testing.T) {
	n := newNeighbourhood(t)
	if status, body := n.invite(t, n.noras, "ZOE", n.films.ID, n.records.ID); status != http.StatusCreated {
		t.Fatalf("inviting: %d %s", status, body)
	}
	sent, received := n.invites(t, "requested", n.noras), n.invites(t, "requests", n.zoes)
	if len(sent.Invite) != 1 || len(received.Invite) != 1 {
		t.Fatalf("sent are %+v, received %+v", sent, received)
	}
	// The entered text is both name and address, and reveals nothing about the account.
	if i := sent.Invite[0]; i.Username != "ZOE" || i.Email != "ZOE" || i.Of != "1" || i.Friend != "1" || i.Home != "0" || i.Server[0].NumLibraries != 2 {
		t.Errorf("the invitation that was sent is %+v", i)
	}
	i := received.Invite[0]
	if i.Username != "nora" || i.Email != n.nora.Email || i.Server[0].Name != "Attic" || i.ID != sent.Invite[0].ID {
		t.Errorf("the invitation that was received is %+v", i)
	}
	path := fmt.Sprint("/api/invites/requests/", i.ID, "?friend=1&home=0&server=1")
	if got := n.listed(t, n.noras); got != nil {
		t.Errorf("before it is accepted, nora knows %q", got)
	}
	n.must(t, 404, "GET", "/api/servers/attic", n.zoes)
	n.must(t, 404, "PUT", path, n.members) // Attack: accepting what others were invited to.
	n.must(t, 404, "PUT", path, n.noras)
	n.must(t, 404, "DELETE", path, n.members)
	n.must(t, 200, "PUT", path, n.zoes)
	n.must(t, 404, "PUT", path, n.zoes)

	if diff := cmp.Diff([]string{"zoe zoe@example.org 0 [{attic 2 0 0}]"}, n.listed(t, n.noras)); diff != "" {
		t.Errorf("whom nora knows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"nora nora@example.org 0 []"}, n.listed(t, n.zoes)); diff != "" {
		t.Errorf("whom zoe knows (-want +got):\n%s", diff)
	}
	if status, body := n.invite(t, n.noras, "zoe@example.org"); status != http.StatusBadRequest {
		t.Errorf("inviting again: %d %s", status, body)
	}

	// The share has the number of the invitation.
	var shares struct {
		SharedServer []struct {
			ID          int64           `xml:"id,attr"`
			UserID      int64           `xml:"userID,attr"`
			Email       string          `xml:"email,attr"`
			AccessToken plexauth.Secret `xml:"accessToken,attr"`
			Section     []struct {
				Title  string `xml:"title,attr"`
				Shared string `xml:"shared,attr"`
			}
		}
	}
	read := func(path string) {
		t.Helper()
		shares.SharedServer = nil
		if err := xml.Unmarshal([]byte(n.must(t, 200, "GET", path, n.noras)), &shares); err != nil || len(shares.SharedServer) != 1 {
			t.Fatalf("the shares at %s are %+v, %v", path, shares, err)
		}
	}
	read("/api/servers/attic/shared_servers/")
	s := shares.SharedServer[0]
	if s.ID != i.ID || s.UserID != n.zoe.ID || s.Email != n.zoe.Email || fmt.Sprint(s.Section) != "[{Films 1} {Shows 0} {Records 1}]" {
		t.Errorf("the share is %+v", s)
	}
	// Attack (CVE-2025-69416, CVE-2025-69417): use another account's token from the list.
	p, err := n.Tokens.Verify(t.Context(), s.AccessToken)
	if err != nil || p.AccountID != n.nora.ID || p.Kind.String() != "server" {
		t.Errorf("the token of the list is %+v, %v; want a server token of the caller's", p, err)
	}
	own := fmt.Sprint("/api/servers/attic/shared_servers/", s.ID)
	for token, want := range map[plexauth.Secret]int{n.zoes: 403, n.members: 404} {
		for _, path := range []string{"/api/servers/attic/shared_servers", own} {
			n.must(t, want, "GET", path, token)
		}
		n.must(t, want, "DELETE", own, token)
		n.must(t, 404, "DELETE", fmt.Sprint("/api/v2/sharings/", n.zoe.ID), n.members)
		if status, _ := n.invite(t, token, "member"); status != want {
			t.Errorf("inviting to another account's server: %d, want %d", status, want)
		}
	}

	// zoe sees what is shared with her. Then nora chooses other sections.
	if body := n.must(t, 200, "GET", "/api/v2/servers/attic.json", n.zoes); !strings.Contains(body, `"Films"`) || strings.Contains(body, `"Shows"`) {
		t.Errorf("zoe sees %s", body)
	}
	change := func(sections ...int64) int {
		t.Helper()
		status, _ := n.send(t, "PUT", own, "plexapi", n.noras, fmt.Sprintf(`{"server_id":"attic","shared_server":{"library_section_ids":%s}}`,
			strings.ReplaceAll(fmt.Sprint(sections), " ", ",")))
		return status
	}
	if status := change(n.shows.ID); status != 200 {
		t.Fatalf("choosing other sections: %d", status)
	}
	if status := change(n.shows.ID, 99); status != 404 {
		t.Errorf("choosing a section that is not there: %d", status)
	}
	// An empty list does not mean all sections.
	if status := change(); status != 200 {
		t.Errorf("choosing none: %d", status)
	}
	if read(own); fmt.Sprint(shares.SharedServer[0].Section) != "[{Films 0} {Shows 1} {Records 0}]" {
		t.Errorf("the share is %+v", shares.SharedServer[0])
	}

	// The tokens for a server are revoked with the share.
	tok := n.serverToken(t, n.zoes, "attic")
	n.must(t, 204, "DELETE", fmt.Sprint("/api/v2/sharings/", n.zoe.ID), n.noras)
	if n.good(t, tok) {
		t.Error("a token outlives the share")
	}
	if a, b := n.listed(t, n.noras), n.listed(t, n.zoes); a != nil || b != nil {
		t.Errorf("after the share was removed, nora knows %q, and zoe %q", a, b)
	}
	n.must(t, 404, "DELETE", fmt.Sprint("/api/v2/sharings/", n.zoe.ID), n.noras)
}

// Repeating an action returns 400: Organizr tells the user that it is done already, and
// treats any other error as a failure.
func TestInvitationsTwice(t *testing.T) {
	n := newNeighbourhood(t)
	twice := func(what string, call func() (int, string)) {
		t.Helper()
		if status, body := call(); status != 201 {
			t.Errorf("%s: status %d: %s", what, status, body)
		}
		if status, body := call(); status != 400 || !strings.Contains(body, "already") {
			t.Errorf("%s once more: status %d: %s", what, status, body)
		}
	}
	post := func(path string) func() (int, string) {
		return func() (int, string) { return n.call(t, "POST", path, n.noras, nil) }
	}
	twice("version 1", func() (int, string) { return n.invite(t, n.noras, "zoe", n.films.ID) })
	twice("version 2", post("/api/v2/shared_servers.json?machineIdentifier=attic&invitedEmail=pam"))
	twice("a friend", post("/api/v2/friends/invite.json?identifier=pam"))
	n.must(t, 200, "PUT", fmt.Sprint("/api/invites/requests/", n.invites(t, "requests", n.zoes).Invite[0].ID), n.zoes)
	for what, call := range map[string]func() (int, string){
		"has the server":       func() (int, string) { return n.invite(t, n.noras, "zoe", n.films.ID) },
		"has it, in version 2": post("/api/v2/shared_servers.json?machineIdentifier=attic&invitedEmail=zoe"),
		"who is a friend":      post("/api/v2/friends/invite.json?identifier=zoe"),
	} {
		if status, body := call(); status != 400 || !strings.Contains(body, "already") {
			t.Errorf("%s: status %d: %s", what, status, body)
		}
	}
}

// Attack: use invitations to find out which names and addresses have an account.
func TestInvitationsRevealNoAccounts(t *testing.T) {
	n := newNeighbourhood(t)
	v1 := func(who string) (int, string) { return n.invite(t, n.noras, who, n.films.ID) }
	v2 := func(path string) func(string) (int, string) {
		return func(who string) (int, string) { return n.call(t, "POST", path+who, n.noras, nil) }
	}
	text := func(who string) (all string) {
		note := func(status int, body string) { all += fmt.Sprintln(status, body) }
		for _, invite := range []func(string) (int, string){
			v1, v2("/api/v2/friends/invite.json?identifier="), v2("/api/v2/shared_servers.json?machineIdentifier=attic&invitedEmail="),
		} {
			note(invite(who))
			note(invite(who)) // again
			for _, path := range []string{
				"/api/invites/requested", "/api/users", "/api/v2/friends.json?status=pending_sent", "/api/v2/friends.json",
				"/api/v2/shared_servers/owned/pending.json", "/api/v2/shared_servers/owned/accepted.json", "/api/servers/attic/shared_servers",
			} {
				note(n.call(t, "GET", path, n.noras, nil))
			}
			number := fmt.Sprint(n.invites(t, "requested", n.noras).Invite[0].ID)
			note(n.call(t, "DELETE", "/api/invites/requested/"+number, n.noras, nil))
			all = strings.ReplaceAll(all, number, "NUMBER")
		}
		return strings.ReplaceAll(all, who, "WHO")
	}
	nobody := text("nobody")
	for _, who := range []string{"zoe", "zoe@example.org", "nobody@example.org", "admin", "Kid"} {
		if diff := cmp.Diff(nobody, text(who)); diff != "" {
			t.Errorf("the answers for %s differ from those for an unknown name (-unknown +known):\n%s", who, diff)
		}
	}
	// The ID of an account that the caller does not know is not accepted either.
	for _, id := range []int64{n.zoe.ID, 9999} {
		status, _ := n.call(t, "POST", fmt.Sprint("/api/v2/shared_servers?machineIdentifier=attic&invitedId=", id), n.noras, nil)
		if status != 404 {
			t.Errorf("inviting number %d: %d, want 404", id, status)
		}
	}
}

// The requests of Wizarr, authentik and plex-api.rs.
func TestFriendsV2(t *testing.T) {
	n := newNeighbourhood(t)
	var invited struct {
		ID           int64
		InvitedEmail string
		Accepted     bool
		Libraries    []struct{ ID int64 }
	}
	_, body := n.post(t, "/api/v2/shared_servers.json", "wizarr", n.noras, map[string]any{
		"machineIdentifier": "attic", "invitedEmail": "zoe@example.org", "librarySectionIds": []int64{n.films.ID}, "settings": map[string]any{"allowSync": true},
	})
	if err := json.Unmarshal([]byte(body), &invited); err != nil || invited.Accepted || invited.InvitedEmail != "zoe@example.org" || len(invited.Libraries) != 1 {
		t.Fatalf("the invitation is %s, %v", body, err)
	}
	var received []struct {
		Owner         struct{ Username, Email, Title, FriendlyName string }
		SharedServers []struct{ ID int64 }
	}
	n.read(t, "GET", "/api/v2/shared_servers/invites/received/pending.json", n.zoes, nil, &received)
	if len(received) != 1 || received[0].Owner.Username != "nora" || received[0].SharedServers[0].ID != invited.ID {
		t.Fatalf("zoe has received %+v", received)
	}
	number := fmt.Sprint("/api/v2/shared_servers/", invited.ID)
	if status, body := n.post(t, number, "wizarr", n.noras, map[string]any{"librarySectionIds": []int64{n.films.ID, n.shows.ID}}); status != 200 {
		t.Errorf("choosing other sections: %d %s", status, body)
	}
	n.must(t, 404, "POST", number+"/accept", n.members)
	n.must(t, 204, "POST", number+"/accept", n.zoes)
	var owned []struct {
		ID, InvitedID     int64
		InvitedEmail      string
		MachineIdentifier string
		Invited           struct{ Email, Username string }
		Libraries         []struct{ ID int64 }
	}
	n.read(t, "GET", "/api/v2/shared_servers/owned/accepted.json", n.noras, nil, &owned)
	if len(owned) != 1 || owned[0].ID != invited.ID || owned[0].InvitedID != n.zoe.ID || owned[0].Invited.Email != n.zoe.Email || len(owned[0].Libraries) != 2 {
		t.Errorf("nora's shares are %+v", owned)
	}
	var friends []struct {
		ID               int64
		UUID, Title      string
		Status           string
		Home, Restricted bool
		SharedServers    []struct{ MachineIdentifier string }
		SharingSettings  map[string]any
		FriendlyName     *string
	}
	n.read(t, "GET", "/api/v2/friends.json", n.noras, nil, &friends)
	if len(friends) != 1 || friends[0].ID != n.zoe.ID || friends[0].Status != "accepted" || len(friends[0].SharedServers) != 1 {
		t.Errorf("nora's friends are %+v", friends)
	}

	// A friendship without a server.
	n.must(t, 201, "POST", "/api/v2/friends/invite?identifier=zoe", n.members)
	n.read(t, "GET", "/api/v2/friends.json?status=pending_received", n.zoes, nil, &friends)
	if len(friends) != 1 || friends[0].Title != "member" {
		t.Fatalf("zoe's invitations are %+v", friends)
	}
	n.must(t, 404, "POST", fmt.Sprint("/api/v2/friends/", friends[0].ID, "/accept"), n.noras)
	n.must(t, 200, "POST", fmt.Sprint("/api/v2/friends/", friends[0].ID, "/accept.json"), n.zoes)
	n.must(t, 400, "POST", "/api/v2/friends/invite?identifier=zoe", n.members)
	n.must(t, 204, "DELETE", fmt.Sprint("/api/v2/friends/", n.zoe.ID), n.members)
	n.must(t, 400, "GET", "/api/v2/friends?status=x", n.zoes)

	// An account can leave a share.
	n.must(t, 404, "DELETE", number, n.members)
	n.must(t, 204, "DELETE", number, n.zoes)
	n.read(t, "GET", "/api/v2/shared_servers/owned/accepted.json", n.noras, nil, &owned)
	if len(owned) != 0 {
		t.Errorf("after leaving, nora's shares are %+v", owned)
	}
}

// The error of an invitation is where Wizarr and others read it: in the attribute status of
// a Response. JSON errors are as on other paths.
func TestRefusedInvitations(t *testing.T) {
	n := newNeighbourhood(t)
	if status, body := n.invite(t, n.noras, "zoe"); status != http.StatusCreated {
		t.Fatalf("inviting: %d %s", status, body)
	}
	shown := regexp.MustCompile(`<Response[^>]+status="([^"]*)"[^>]*/?>`) // Wizarr's pattern
	for _, test := range []struct {
		method, path string
		token        plexauth.Secret
		status, code int
		says         string
	}{
		{"POST", "/api/servers/attic/shared_servers?shared_server[invited_email]=zoe", n.noras, 400, 400, "This invitation was sent already"},
		{"POST", "/api/servers/attic/shared_servers?shared_server[invited_email]=nora", n.noras, 400, 400, "invited_email is the account that invites"},
		{"POST", "/api/servers/attic/shared_servers", n.noras, 400, 400, "is missing"},
		{"POST", "/api/servers/attic/shared_servers?shared_server[invited_email]=zoe", n.members, 404, 404, "not known here"},
		{"GET", "/api/servers/none", n.noras, 404, 404, "not known here"},
		{"GET", "/api/servers/attic/shared_servers/7.xml", n.noras, 404, 404, ""},
		{"POST", "/api/home/users?invitedEmail=zoe", n.noras, 403, 403, "Nobody is invited into a home here"},
		{"POST", fmt.Sprint("/api/home/users/", n.nora.ID, "/switch?pin=1234"), n.noras, 403, 1041, "A valid PIN is required"},
		{"DELETE", "/api/invites/requested/7", n.noras, 404, 404, ""},
		{"GET", "/api/invites/requests", "bad", 401, 1001, "User could not be authenticated"},
		{"PATCH", "/api/invites/requests", n.noras, 405, 405, ""},
	} {
		res, body := n.ask(t, test.method, test.path, "application/json", test.token, nil)
		m := shown.FindStringSubmatch(body)
		var told struct {
			XMLName xml.Name `xml:"Response"`
			Code    int      `xml:"code,attr"`
			Status  string   `xml:"status,attr"`
		}
		if err := xml.Unmarshal([]byte(body), &told); err != nil || m == nil || res.StatusCode != test.status || told.Code != test.code ||
			told.Status == "" || !strings.Contains(told.Status, test.says) {
			t.Errorf("%s %s: %d %s (%v), want %d with code %d and %q", test.method, test.path, res.StatusCode, body, err, test.status, test.code, test.says)
		}
	}
	res, body := n.ask(t, "GET", "/api/servers/none.json", "", n.noras, nil)
	if res.StatusCode != 404 || !strings.HasPrefix(body, `{"errors":[{"code":404,`) {
		t.Errorf("in JSON: %d %s", res.StatusCode, body)
	}
}

// XML errors of version 1 also have their message as text. The error of a claim in JSON is
// where plex-api.rs reads it.
func TestErrorsOfVersion1(t *testing.T) {
	w := newFixture(t, nil)
	for _, test := range []struct{ path, want string }{
		{"/users/account", `<errors><error code="422" message="Invalid token" status="422">Invalid token</error></errors>`},
		{"/api/resources", `<errors><error code="1001" message="User could not be authenticated" status="401">User could not be authenticated</error></errors>`},
		{"/api/v2/user", `<errors><error code="1001" message="User could not be authenticated" status="401"></error></errors>`},
		{"/users/account.json", `{"errors":[{"code":422,"message":"Invalid token","status":422}]}`},
		{"/api/claim/token.json", `{"error":"User could not be authenticated","errors":[{"code":1001,"message":"User could not be authenticated","status":401}]}`},
		{"/api/claim/token", `<errors><error code="1001" message="User could not be authenticated" status="401">User could not be authenticated</error></errors>`},
	} {
		if _, body := w.ask(t, "GET", test.path, "", "bad", nil); strings.TrimPrefix(body, xml.Header) != test.want {
			t.Errorf("%s: %s, want %s", test.path, body, test.want)
		}
	}
}

// A server of another user in the caller's home has home set, and no other server has.
func TestServersOfTheHome(t *testing.T) {
	n := newNeighbourhood(t)
	attic, err := n.Sources.Find(t.Context(), source.Ref{Kind: source.Server, Identifier: "attic"})
	if err != nil {
		t.Fatal(err)
	}
	member, err := n.Accounts.Find(t.Context(), "member")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Homes.Join(t.Context(), operator, n.nora.ID, member.ID, false); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{member.ID, n.zoe.ID} {
		if err := n.Sources.Share(t.Context(), operator, attic, id); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		token plexauth.Secret
		want  bool
	}{"the owner": {n.noras, false}, "the same home": {n.members, true}, "another home": {n.zoes, false}} {
		var list []struct {
			ClientIdentifier string
			Home, Owned      bool
		}
		n.read(t, "GET", "/api/v2/resources", test.token, nil, &list)
		for _, r := range list {
			if want := r.ClientIdentifier == "attic" && test.want; r.Home != want {
				t.Errorf("%s: home is %v for %s, want %v", name, r.Home, r.ClientIdentifier, want)
			}
		}
		_, body := n.ask(t, "GET", "/api/resources", "", test.token, nil)
		if got := strings.Count(body, ` home="1"`); got == 1 != test.want {
			t.Errorf("%s: version 1 says %s", name, body)
		}
	}
}

// A trailing slash is ignored, with a suffix or without.
func TestSlashAfterASuffix(t *testing.T) {
	n := newNeighbourhood(t)
	for _, path := range []string{"/api/v2/user", "/api/v2/resources", "/devices", "/api/users", "/api/servers/attic", "/api/v2/servers/attic", "/api/home/users", "/identity"} {
		for _, suffix := range []string{".json", ".xml"} {
			want, plain := n.ask(t, "GET", path+suffix, "", n.noras, nil)
			got, body := n.ask(t, "GET", path+suffix+"/", "", n.noras, nil)
			if got.StatusCode != 200 || got.Header.Get("Content-Type") != want.Header.Get("Content-Type") || len(body) != len(plain) {
				t.Errorf("%s%s/: %d %s, want %s", path, suffix, got.StatusCode, body, plain)
			}
			if got, _ := n.ask(t, "GET", path+suffix+"//", "", n.noras, nil); got.StatusCode != 404 {
				t.Errorf("%s%s//: %d", path, suffix, got.StatusCode)
			}
		}
	}
}

// The sections of a share may be a list of numbers or texts, or one text.
func TestFormsOfSections(t *testing.T) {
	n := newNeighbourhood(t)
	films, shows := n.films.ID, n.shows.ID
	for i, test := range []struct {
		sections any
		status   int
		shared   int
	}{
		{[]int64{films}, 201, 1},
		{[]string{fmt.Sprint(films)}, 201, 1},
		{fmt.Sprint(films), 201, 1},
		{films, 201, 1},
		{fmt.Sprintf("%d,%d", films, shows), 201, 2},
		{fmt.Sprintf("[%d, %d]", films, shows), 201, 2},
		{[]int64{}, 201, 3},
		{"[]", 201, 3},
		{"", 201, 3},
		{nil, 201, 3},
		{[]string{"Films"}, 400, 0},
		{fmt.Sprintf("%d;%d", films, shows), 400, 0},
		{[]int64{films, 999}, 404, 0},
		{[]int64{-1}, 404, 0},
	} {
		status, body := n.post(t, "/api/v2/shared_servers.json", "wizarr", n.noras, map[string]any{
			"machineIdentifier": "attic", "invitedEmail": fmt.Sprint("guest-", i), "librarySectionIds": test.sections,
		})
		var invited struct{ NumLibraries int }
		if err := json.Unmarshal([]byte(body), &invited); err != nil || status != test.status || invited.NumLibraries != test.shared {
			t.Errorf("%v: %d %s, want %d with %d sections", test.sections, status, body, test.status, test.shared)
		}
	}
}

// A change that names no consent changes nothing.
func TestEmptyConsent(t *testing.T) {
	w := newFixture(t, nil)
	tok := w.signIn(t, "member")
	for _, step := range []struct {
		query string
		want  bool
	}{{"", false}, {"?consent=1", true}, {"", true}, {"?other=0", true}, {"?consent=False", false}} {
		var got struct{ Consent bool }
		w.read(t, "PUT", "/api/v2/user/view_state_sync"+step.query, tok, nil, &got)
		if got.Consent != step.want {
			t.Errorf("after PUT %q: %v, want %v", step.query, got.Consent, step.want)
		}
	}
}

// The lists of users are paginated, too.
func TestPartsOfUsers(t *testing.T) {
	n := newNeighbourhood(t)
	for _, name := range []string{"Kid", "Sis", "Bro"} {
		if _, err := n.Homes.AddManaged(t.Context(), operator, n.nora.ID, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		path         string
		start, total string
		users        []string
	}{
		{"/api/users?", "", "", []string{"Kid", "Sis", "Bro"}},
		{"/api/users?X-Plex-Container-Start=1&X-Plex-Container-Size=1", "1", "3", []string{"Sis"}},
		{"/api/users?X-Plex-Container-Size=0", "0", "3", nil},
		{"/api/home/users?X-Plex-Container-Start=2&X-Plex-Container-Size=9", "2", "4", []string{"Sis", "Bro"}},
		{"/api/home/users?X-Plex-Container-Start=7", "4", "4", nil},
	} {
		res, body := n.ask(t, "GET", test.path, "", n.noras, nil)
		var got struct {
			Offset    string `xml:"offset,attr"`
			TotalSize int    `xml:"totalSize,attr"`
			Size      int    `xml:"size,attr"`
			User      []struct {
				Title string `xml:"title,attr"`
			}
		}
		if err := xml.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		var titles []string
		for _, u := range got.User {
			titles = append(titles, u.Title)
		}
		if !slices.Equal(titles, test.users) || got.Offset != test.start || got.Size != len(test.users) ||
			test.total != "" && fmt.Sprint(got.TotalSize) != test.total ||
			res.Header.Get("X-Plex-Container-Start") != test.start || res.Header.Get("X-Plex-Container-Total-Size") != test.total {
			t.Errorf("%s: %v %s", test.path, res.Header, body)
		}
		if got, body := n.ask(t, "GET", strings.Replace(test.path, "?", ".json?", 1), "", n.noras, nil); got.StatusCode != 200 {
			t.Errorf("%s in JSON: %d %s", test.path, got.StatusCode, body)
		}
	}
	n.must(t, 400, "GET", "/api/users?X-Plex-Container-Start=-1", n.noras)
	n.must(t, 400, "GET", "/api/home/users?X-Plex-Container-Size=x", n.noras)
}

// A browser may send any header about the caller, and no other header that it asks for.
func TestHeadersOfBrowsers(t *testing.T) {
	w := newFixture(t, nil)
	for asked, want := range map[string]string{
		"x-plex-token,x-plex-client-identifier": "",
		"x-plex-pin-proof":                      ", x-plex-pin-proof",
		"x-plex-features, X-Plex-Drm":           ", x-plex-drm",
		"x-plex-tok":                            ", x-plex-tok",
		"x-other,cookie,x-plex-":                ", x-plex-",
		"x-plex-a\"b,x-plex-é,x-plex-" + strings.Repeat("x", 64): "",
		"": "",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, w.URL+"/api/v2/pins", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://app.example.org")
		req.Header.Set("Access-Control-Request-Headers", asked)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		allowed := res.Header.Get("Access-Control-Allow-Headers")
		_, more, found := strings.Cut(allowed, "X-Plex-Container-Size")
		if !found || more != want || !strings.Contains(allowed, "Authorization") {
			t.Errorf("asked for %q, a browser may send %q", asked, allowed)
		}
	}
}
