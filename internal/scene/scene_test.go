package scene_test

import (
	"testing"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

func open(t *testing.T) *core.Core {
	t.Helper()
	cfg := scene.Scene{}.Config()
	cfg.Self = &source.Self{MachineIdentifier: scene.MachineIdentifier}
	c, err := core.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Each token of the scene belongs to its account, and the token of a disabled account
// is rejected.
func TestTokensAreKnown(t *testing.T) {
	c := open(t)
	cast, err := scene.Default().Play(t.Context(), audit.Actor{}, c)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, p := range cast.People {
		if p.Token == "" {
			continue
		}
		checked++
		got, err := c.Tokens.Verify(t.Context(), p.Token)
		if p.Disabled != (err != nil) {
			t.Errorf("the token of %s: %v", p.Username, err)
		}
		if err == nil && (got.AccountID != p.ID || got.Admin != p.Admin) {
			t.Errorf("the token of %s is that of account %d", p.Username, got.AccountID)
		}
	}
	if checked != 4 {
		t.Errorf("%d accounts have a token, want 4", checked)
	}
}

func TestVariables(t *testing.T) {
	s := scene.Default()
	s.Accounts[0].PIN = "1234"
	s.Devices = []scene.Device{{Account: "admin", Device: device.Device{ClientIdentifier: "tv-1"}, Token: "usherTokenOfTV000001"}}
	cast, err := s.Play(t.Context(), audit.Actor{}, open(t))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, v := range cast.Variables() {
		if !scene.IsVariable(v.Name) {
			t.Errorf("IsVariable does not know %s", v.Name)
		}
		if _, twice := got[v.Name]; twice {
			t.Errorf("%s is there twice", v.Name)
		}
		got[v.Name] = v.Value
	}
	for name, want := range map[string]string{
		"USHER_ACCOUNT_ADMIN_PASSWORD":   "admin's password",
		"USHER_ACCOUNT_MEMBER_TOKEN":     "usherTokenOfMember01",
		"USHER_ACCOUNT_MANAGED_USERNAME": "managed",
		"USHER_ACCOUNT_MANAGED_PASSWORD": "",
		"USHER_SERVER_USHER_ID":          scene.MachineIdentifier,
		"USHER_SERVER_DEN_ID":            "den",
		"USHER_SERVER_DEN_URL":           "http://192.0.2.5:32400",
		"USHER_PROVIDER_GUIDE_ID":        "guide",
		"USHER_ACCOUNT_ADMIN_PIN":        "1234",
		"USHER_DEVICE_TV_1_ID":           "tv-1",
		"USHER_DEVICE_TV_1_TOKEN":        "usherTokenOfTV000001",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, other := range []string{"USHER_ACCOUNT_URL", "USHER_SERVER_ID", "USHER_ADMIN_PASSWORD"} {
		if scene.IsVariable(other) {
			t.Errorf("IsVariable treats %s as one of a scene", other)
		}
	}
}

// Every name that a scene refers to must be in it.
func TestUnknownNames(t *testing.T) {
	for _, src := range []scene.Source{{Owner: "nobody"}, {SharedWith: []string{"nobody"}}} {
		src.Kind, src.Name, src.Identifier, src.Connections = source.Server, "Attic", "attic", scene.Nowhere()
		_, err := scene.Scene{Sources: []scene.Source{src}}.Play(t.Context(), audit.Actor{}, open(t))
		if err == nil {
			t.Errorf("%+v was played", src)
		}
	}
}

// A token that clients would not accept, or that is easy to guess, is rejected.
func TestMalformedTokens(t *testing.T) {
	for _, token := range []plexauth.Secret{"short", "a-token-with-dashes01", "aTokenThatIsChosen012", "aTokenThatIsChosen0é"} {
		s := scene.Scene{Accounts: []scene.Account{{Username: "mia", Password: "mia's password", Token: token}}}
		if _, err := s.Play(t.Context(), audit.Actor{}, open(t)); err == nil {
			t.Errorf("the token %q was issued", string(token))
		}
	}
}
