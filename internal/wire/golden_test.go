package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/wire"
)

var update = flag.Bool("update", false, "write testdata/golden instead of comparing with it")

const goldenDir = "testdata/golden"

// traits names the bits of a wire.Variant in the names of golden files.
var traits = map[wire.Variant]string{
	wire.NoNulls:           "no-nulls",
	wire.TextEnums:         "text-enums",
	wire.PINStatusOK:       "pin-status-ok",
	wire.NumericPostalCode: "numeric-postal-code",
	wire.PreferJSON:        "prefer-json",
	wire.FractionTimes:     "fraction-times",
}

// goldenBodies are response bodies by the names of their golden files: with every
// field set, and empty where a client could fail on that.
func goldenBodies(t *testing.T) map[string]wire.Body {
	t.Helper()
	someone := wire.Person{
		ID: 12345, UUID: "0123456789abcdef", Username: "mia", Title: `M<i>a & "co"`,
		Email: "mia@example.org", Confirmed: true, FriendlyName: "Mia", JoinedAt: joined, HasPassword: true,
		TwoFactorEnabled: true, BackupCodes: true,
	}
	account := func(p wire.Person) wire.Body {
		return wire.NewAccount(p).Page().With("jx9nTbVbHk1gMabcdefg", "https://usher.example/users/0123456789abcdef/avatar?c=a&b", joined)
	}
	resources := []wire.Resource{fullResource, {Name: "bare", CreatedAt: joined, LastSeenAt: joined}}
	part := &wire.Part{Start: 3, Total: 5}
	share, invitation, serverInfo, legacyShares, invite := goldenShares()
	friends := wire.Friends{
		{
			ID: 7, UUID: "0123456789abcdef", Title: `M<i>a & "co"`, Username: "mia", Email: "mia@example.org", FriendlyName: wire.Some("Mia"),
			Restricted: true, RestrictionProfile: wire.Some("teen"), FriendshipCreatedAt: wire.Since(joined),
			Thumb: "https://usher.example/a?c=a&b", Home: true, Status: wire.StatusAccepted, SharedServers: []wire.ShareBody{share},
		},
		{ID: 1000000002, Title: "noa", Username: "noa", FriendlyName: wire.Some("noa"), Status: wire.StatusSent, SharedServers: []wire.ShareBody{invitation}},
		{ID: 9, Status: wire.StatusReceived},
	}
	devices := []wire.Device{fullDevice, {Name: "bare"}}
	return map[string]wire.Body{
		"account":               account(someone),
		"account-bare":          account(wire.Person{ID: 1, JoinedAt: joined}),
		"devices":               wire.Devices{PublicAddress: "192.0.2.1", Devices: devices},
		"devices-contained":     wire.Devices{PublicAddress: "192.0.2.1", Devices: devices, Contained: true},
		"devices-none":          wire.Devices{},
		"devices-part":          wire.Devices{PublicAddress: "192.0.2.1", Devices: devices, Part: part},
		"error":                 wire.Error{Code: 1029, Message: `Enter the "code" & try again`, Status: 401},
		"claim-error":           wire.ClaimError{Code: 1001, Message: `Sign "in" & try again`, Status: 401},
		"legacy-error":          wire.LegacyError{Code: 422, Message: `An "invalid" <token>`, Status: 422},
		"response":              wire.Response{Code: 1001, Message: `Sign "in" & try again`, Status: 401},
		"friend":                friends[0],
		"friends":               friends,
		"friends-none":          wire.Friends(nil),
		"home":                  wire.HomeInfo(fullHome),
		"home-none":             wire.HomeInfo{ID: 1},
		"home-user":             wire.LegacyHomeUser{HomeUser: fullHome.Users[1]},
		"home-users":            wire.HomeUsers(fullHome),
		"home-users-none":       wire.HomeUsers{ID: 1},
		"invites-received":      wire.ReceivedInvites{{ID: 1000000002, Owner: invitation.Invited, SharedServers: []wire.ShareBody{invitation}}},
		"invites-received-none": wire.ReceivedInvites(nil),
		"identity":              wire.Identity{Claimed: true, MachineIdentifier: "m1", Version: "1.2"},
		"legacy-account":        wire.LegacyAccount{Person: someone, Token: "jx9nTbVbHk1gMabcdefg", Thumb: "https://usher.example/a?c=a&b"},
		"legacy-account-bare":   wire.LegacyAccount{Person: wire.Person{ID: 1, JoinedAt: joined}},
		"legacy-home-users":     wire.LegacyHomeUsers(fullHome),
		"legacy-users":          users(fullHome.Users),
		"legacy-users-none":     wire.Users(nil),
		"legacy-users-part":     wire.UsersPart{Users: users(fullHome.Users), Part: part},
		"legacy-invites":        wire.Invites{invite, wire.NewInvite(1000000003, joined, false)},
		"legacy-invites-none":   wire.Invites(nil),
		"legacy-server-info":    wire.LegacyServerInfo(serverInfo),
		"legacy-server-bare":    wire.LegacyServerInfo{ServerFacts: wire.ServerFacts{Name: "bare"}},
		"legacy-shares":         legacyShares,
		"legacy-shares-none":    wire.LegacyShares{MachineIdentifier: "m1"},
		"legacy-pin":            wire.LegacyPIN{PIN: pinBody("")},
		"legacy-pin-linked":     wire.LegacyPIN{PIN: pinBody("t0k"), AccountID: 7},
		"legacy-resources":      wire.LegacyResources{Resources: resources},
		"legacy-resources-none": wire.LegacyResources{},
		"legacy-resources-part": wire.LegacyResources{Resources: resources, Part: part},
		"ping":                  wire.Pong{},
		"opt-outs":              wire.OptOuts{{"tv.plex.provider.music", "opt_in"}, {"tv.plex.provider.vod", "opt_out_managed"}},
		"webhooks":              wire.Webhooks{"https://example.org/hook?a=1&b=2", "http://192.168.1.5/"},
		"webhooks-none":         wire.Webhooks(nil),
		"pin":                   pinBody(""),
		"pin-linked":            pinBody("t0k"),
		"resources":             wire.Resources(resources),
		"resources-none":        wire.Resources(nil),
		"server":                goldenServer,
		"server-info":           serverInfo,
		"server-info-bare":      wire.ServerInfo{ServerFacts: wire.ServerFacts{Name: "bare"}},
		"share":                 share,
		"share-waiting":         invitation,
		"shares":                wire.ShareBodies{share, invitation},
		"shares-none":           wire.ShareBodies(nil),
		"server-account": wire.ServerAccount{
			Username: "mia@example.org", PublicAddress: "192.0.2.1", PublicPort: 443, PrivateAddress: "10.0.0.2", PrivatePort: 32400,
		},
		"source":      sourceBody(t, fullResource.Connections),
		"source-none": sourceBody(t, nil),
		"system-devices": wire.SystemDevices{
			{ID: 7, Name: `T<V> & "co"`, Platform: "tvOS", ClientIdentifier: "tv", CreatedAt: joined.Unix()}, {Name: "bare"},
		},
		"system-devices-none": wire.SystemDevices(nil),
		"transient-token":     wire.TransientToken{Token: "transient-x", ExpiresAt: joined},
	}
}

var (
	fullResource = wire.Resource{
		Name: `D<e>n & "co"`, Product: "Plex Media Server", ProductVersion: "1.40", Platform: "Linux",
		PlatformVersion: "6", Device: "PC", ClientIdentifier: "m1", CreatedAt: joined,
		LastSeenAt: joined.Add(1500 * time.Millisecond), Provides: "server", OwnerID: wire.Some(int64(7)),
		SourceTitle: wire.Some("mia"), PublicAddress: "192.0.2.1", PublicAddressMatches: true, AccessToken: "t0k", Owned: true,
		Connections: []wire.Connection{
			{Protocol: "http", Address: "192.168.1.5", Port: 32400, URI: "http://192.168.1.5:32400", Local: true},
			{Protocol: "https", Address: "2001:db8::1", Port: 443, URI: "https://[2001:db8::1]:443", Relay: true, IPv6: true},
		},
	}
	fullDevice = wire.Device{
		Name: `T<V> & "co"`, PublicAddress: "192.0.2.1", Product: "Player", ProductVersion: "1.2",
		Platform: "tvOS", PlatformVersion: "17", Device: "TV", Model: "T1", Vendor: "Maker", Provides: "player",
		ClientIdentifier: "tv", Version: "1.2", ID: 7, CreatedAt: joined.Unix(), LastSeenAt: joined.Unix() + 1,
		ScreenResolution: "1920x1080", ScreenDensity: "2",
		Connections: wire.DeviceConnections(fullResource.Connections),
	}
	fullHome = wire.Home{
		ID: 7, Name: `M<i>a & "co"`, GuestID: 9, GuestUUID: "fedcba9876543210",
		Users: []wire.HomeUser{
			{
				ID: 7, UUID: "0123456789abcdef", Admin: true, HasPassword: true, Protected: true, Title: `M<i>a & "co"`, Username: "mia",
				Email: "mia@example.org", FriendlyName: `M<i>a & "co"`, Thumb: "https://usher.example/a?c=a&b",
			},
			{ID: 9, UUID: "fedcba9876543210", Guest: true, Restricted: true, RestrictionProfile: wire.Some("teen"), Title: "Guest"},
		},
	}
	goldenServer = wire.Server{
		FriendlyName: `u<sh>er & "co"`, MachineIdentifier: "m1", Version: "1.2", Platform: "Linux", PlatformVersion: "6.1",
		Owner: "mia@example.org", UpdatedAt: joined,
	}
)

// goldenShares are a server with sections, a share of it and an invitation to it, in
// both versions.
func goldenShares() (share, waiting wire.ShareBody, info wire.ServerInfo, legacy wire.LegacyShares, invite wire.Invite) {
	films, songs := wire.Section{ID: 11, Key: 1, Title: `F<i>lms & "co"`, Type: "movie"}, wire.Section{ID: 12, Key: 7, Title: "Songs", Type: "artist"}
	info = wire.ServerInfo{Sections: []wire.Section{films, songs}, ServerFacts: wire.ServerFacts{
		Name: `D<e>n & "co"`, Address: "192.0.2.1", Port: 443, Version: "1.40", Scheme: "https", Host: "192.0.2.1", LocalAddresses: "192.168.1.5",
		MachineIdentifier: "m1", CreatedAt: joined.Unix(), UpdatedAt: joined.Unix() + 1, Owned: true,
	}}
	who := wire.SharePerson{
		ID: 7, UUID: "0123456789abcdef", Title: `M<i>a & "co"`, Username: "mia", Email: "mia@example.org", FriendlyName: "Mia", Restricted: true,
		Thumb: "https://usher.example/a?c=a&b", Home: true,
	}
	share = wire.ShareBody{
		ID: 1000000001, Name: info.Name, OwnerID: 1, InvitedID: 7, InvitedEmail: wire.Some(who.Email), ServerID: 2, Accepted: true,
		AcceptedAt: wire.Since(joined), Owned: true, MachineIdentifier: "m1", LastSeenAt: wire.Since(joined), NumLibraries: 2, AllLibraries: true,
		Libraries: info.Sections, Invited: who,
	}
	waiting = wire.ShareBody{
		ID: 1000000002, Name: "Attic", OwnerID: 1, InvitedEmail: wire.Some("noa"), ServerID: 3, MachineIdentifier: "attic",
		LastSeenAt: wire.Since(joined), Invited: wire.SharePerson{Title: "noa", Username: "noa", Email: "noa", FriendlyName: "noa"},
	}
	legacy = wire.LegacyShares{MachineIdentifier: "m1", Shares: []wire.LegacyShare{
		{
			ID: 1000000001, Username: "mia", Email: who.Email, UserID: 7, AccessToken: "t0k", Name: info.Name, AcceptedAt: joined.Unix(), InvitedAt: joined.Unix(),
			Section: []wire.SharedSection{{Section: films, Shared: true}, {Section: songs}},
		},
		{ID: 1000000002, AllLibraries: true},
	}}
	invite = wire.NewInvite(1000000002, joined, true)
	invite.Username, invite.Email, invite.Thumb, invite.FriendlyName = "noa", "noa", "https://usher.example/a?c=a&b", `n<o>a & "co"`
	invite.Servers = append(invite.Servers, wire.InviteServer{Name: info.Name, NumLibraries: 2})
	return share, waiting, info, legacy, invite
}

// Every body has the shape of its golden file, in each format and for each trait
// of a variant that changes it. After an intended change, run
//
//	go test ./internal/wire -run Golden -update
//
// and read the difference.
func TestGolden(t *testing.T) {
	got := goldenFiles(t)
	if *update {
		writeGolden(t, got)
	}
	if diff := cmp.Diff(readGolden(t), got); diff != "" {
		t.Errorf("the shapes differ from %s (-want +got):\n%s", goldenDir, diff)
	}
}

// A null in JSON has no attribute in XML: strict clients cannot read an
// empty number or boolean, and lose the whole list. Nor has XML variants for
// nulls.
func TestNoAttributeWithoutValue(t *testing.T) {
	for name, body := range goldenBodies(t) {
		document := string(encode(t, body, wire.XML, 0))
		for _, attribute := range withoutValue(t, body) {
			if strings.Contains(document, " "+attribute+`=""`) {
				t.Errorf("%s has an empty %s in %s", name, attribute, document)
			}
		}
		if other := string(encode(t, body, wire.XML, wire.NoNulls)); other != document {
			t.Errorf("%s: a variant for nulls changes the XML to %s", name, other)
		}
	}
}

// withoutValue lists the nulls in a body's JSON.
func withoutValue(t *testing.T, body wire.Body) (names []string) {
	t.Helper()
	if _, ok := body.(wire.LegacyResources); ok { // it has no JSON
		return []string{"ownerId", "sourceTitle", "home"}
	}
	for _, m := range regexp.MustCompile(`"(\w+)":null`).FindAllStringSubmatch(string(encode(t, body, wire.JSON, 0)), -1) {
		if m[1] != "authToken" { // the token of a pending PIN is empty; see PIN
			names = append(names, m[1])
		}
	}
	return names
}

// goldenFiles returns the contents of all golden files by name.
func goldenFiles(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for name, body := range goldenBodies(t) {
		formats := map[string]wire.Format{".xml": wire.XML, ".json": wire.JSON}
		if _, ok := body.(wire.LegacyResources); ok {
			delete(formats, ".json") // it is always XML
		}
		for ext, format := range formats {
			common := readable(t, encode(t, body, format, 0), format)
			files[name+ext] = common
			for trait := wire.Variant(1); trait != 0; trait <<= 1 {
				text := readable(t, encode(t, body, format, trait), format)
				if text == common {
					continue
				}
				if traits[trait] == "" {
					t.Fatalf("the variant %d changes %s and has no name: add it to traits", trait, name+ext)
				}
				files[name+"."+traits[trait]+ext] = text
			}
		}
	}
	return files
}

// readable breaks a document into lines so that a difference shows what
// changed. It changes white space only, and keeps the order of keys.
func readable(t *testing.T, doc []byte, format wire.Format) string {
	t.Helper()
	if format == wire.XML {
		// Within an attribute's value, > and " are escaped.
		return strings.NewReplacer("><", ">\n<", `" `, "\"\n  ").Replace(string(doc)) + "\n"
	}
	var b bytes.Buffer
	if err := json.Indent(&b, doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

func readGolden(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	entries, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(goldenDir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(text)
	}
	return files
}

// writeGolden writes these files and removes all others from the folder.
func writeGolden(t *testing.T, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(goldenDir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(goldenDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(goldenDir, name), []byte(files[name]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// users are the users of a home. Two servers are shared with the last one.
func users(list []wire.HomeUser) (all wire.Users) {
	for _, u := range list {
		all = append(all, wire.User{HomeUser: u, Home: true})
	}
	last := &all[len(all)-1]
	last.Home = false
	last.Servers = []wire.UserServer{
		{ID: 1000000001, ServerID: 2, MachineIdentifier: "den", Name: "Den", LastSeenAt: 1772620000, NumLibraries: 2, AllLibraries: wire.Flag(true)},
		{ID: 1000000002, ServerID: 3, MachineIdentifier: "attic", Name: "Attic", LastSeenAt: 1772620000, Pending: wire.Flag(true)},
	}
	return all
}
