package stage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/scene"
)

// village is a scene with every feature of accounts and servers.
const village = `
accounts:
  - {username: mia, email: mia@example.org, password: mia's password, token: aTokenOfMia000000001, pin: 1234}
  - {username: noa, email: noa@example.org, password: noa's password, token: aTokenOfNoa000000001}
  - {username: zoe, password: zoe's password, token: aTokenOfZoe000000001, home: mia, homeAdmin: true, pin: "0007"}
  - {username: Kid, managed: true, home: mia, pin: 5678, restriction: little_kid, token: aTokenOfKid000000001}
  - {username: Visitor, managed: true, home: mia, guest: true}
servers:
  - name: Attic
    id: attic
    owner: mia
    sections: [Films, {name: Songs, type: artist, number: 7}]
  - {name: Shed, id: shed, owner: noa}
providers: [{name: Guide, id: guide}]
friends: [[noa, zoe]]
shares:
  - {server: attic, with: noa, sections: [Songs]}
  - {server: attic, with: Kid}
invitations:
  - {from: mia, to: ned@example.org, server: attic, sections: [Films]}
  - {from: noa, to: mia@example.org, server: shed}
  - {from: noa, to: nobody}
devices:
  - {account: mia, id: tv-1, name: Den, product: Player, version: "1.2", platform: tvOS, token: aTokenOfMiasTV000001}
  - {account: mia, id: phone-1, product: Remote}
`

// Responses to programs contain the objects of the scene.
func TestSceneIsAnswered(t *testing.T) {
	s, err := scene.Read([]byte(village))
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, s)
	kid, _ := w.Cast().Person("Kid")
	zoe, _ := w.Cast().Person("zoe")
	const mia, noa, tv = "aTokenOfMia000000001", "aTokenOfNoa000000001", "aTokenOfMiasTV000001"
	for range 2 { // again after a reset
		for _, row := range []struct {
			as, method, path string
			status           int
			want             string // parts of the body, separated by spaces; "!" before one that must not be there
		}{
			{tv, "GET", "/api/v2/user", 200, `"username":"mia" "home":true "homeAdmin":true "homeSize":4 "protected":true`},
			{mia, "GET", "/api/v2/home/users", 200, `"title":"Kid" "title":"Visitor" "restrictionProfile":"little_kid" "guestEnabled":true "title":"zoe"`},
			{noa, "GET", "/api/v2/home/users", 200, `"title":"noa" !Kid`},
			{mia, "POST", fmt.Sprintf("/api/v2/home/users/%d/switch?pin=5678", kid.ID), 201, `"title":"Kid" "restricted":true`},
			{mia, "POST", fmt.Sprintf("/api/v2/home/users/%d/switch?pin=5679", kid.ID), 403, `1041`},
			{"aTokenOfKid000000001", "POST", fmt.Sprintf("/api/v2/home/users/%d/switch?pin=0007", zoe.ID), 201, `"username":"zoe" "homeAdmin":true`},
			{mia, "GET", "/api/v2/friends", 200, `"username":"noa" "status":"accepted" "title":"Songs" "home":true !nobody`},
			{noa, "GET", "/api/v2/friends", 200, `"username":"mia" "username":"zoe"`},
			{noa, "GET", "/api/v2/friends?status=pending_sent", 200, `"username":"mia@example.org" "username":"nobody" "machineIdentifier":"shed"`},
			{mia, "GET", "/api/v2/friends?status=pending_received", 200, `"username":"noa" "status":"pending_received"`},
			{mia, "GET", "/api/users", 200, `username="noa" machineIdentifier="attic" numLibraries="1" allLibraries="0" title="Kid" numLibraries="2" allLibraries="1"`},
			{mia, "GET", "/api/servers/attic", 200, `<Section title="Films" type="movie" title="Songs" key="7" type="artist"`},
			{mia, "GET", "/api/servers/attic/shared_servers", 200, `username="noa" shared="1" shared="0"`},
			{mia, "GET", "/api/v2/shared_servers/owned/accepted", 200, `"title":"Songs" "username":"noa" "key":7`},
			{mia, "GET", "/api/v2/shared_servers/owned/pending", 200, `"invitedEmail":"ned@example.org" "title":"Films" !Songs`},
			{mia, "GET", "/api/v2/shared_servers/invites/received/pending", 200, `"username":"noa" "machineIdentifier":"shed"`},
			{noa, "GET", "/api/v2/servers/attic", 200, `"librarySections":[{ "key":7 !Films`},
			{noa, "GET", "/api/v2/resources", 200, `"clientIdentifier":"attic" "owned":false "clientIdentifier":"shed"`},
			{mia, "GET", "/devices.xml", 200, `clientIdentifier="tv-1" name="Den" product="Player" version="1.2" platform="tvOS" clientIdentifier="phone-1"`},
		} {
			res, body := w.ask(row.method, "https://plex.tv"+row.path, "X-Plex-Token", row.as, "X-Plex-Client-Identifier", "program")
			if res.StatusCode != row.status {
				t.Errorf("%s %s: status %d, want %d: %s", row.method, row.path, res.StatusCode, row.status, body)
			}
			for part := range strings.FieldsSeq(row.want) {
				not, forbidden := strings.CutPrefix(part, "!")
				if strings.Contains(body, not) == forbidden {
					t.Errorf("%s %s: whether the body has %s: %v\n%s", row.method, row.path, not, !forbidden, body)
				}
			}
		}
		if err := w.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
