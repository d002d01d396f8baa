package home_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// house is a home with each kind of user: ada owns it, eve is an admin, mia is a
// member, kid and locked are managed, and guest is the guest. ada and locked have a
// PIN.
type house struct {
	*coretest.Core
	t        *testing.T
	by       audit.Actor
	operator audit.Actor
	ids      map[string]int64
	tokens   map[string]plexauth.Secret
}

const (
	adasPIN   = plexauth.Secret("1234")
	lockedPIN = plexauth.Secret("4321")
)

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{
		Core: coretest.New(t, core.Config{FailedTries: 5}), t: t, operator: audit.Actor{Name: "console"},
		ids: make(map[string]int64), tokens: make(map[string]plexauth.Secret),
	}
	for _, a := range []account.Account{h.AddAdmin("ada"), h.Add("eve"), h.Add("mia"), h.Add("zoe")} {
		h.ids[a.Username] = a.ID
		h.tokens[a.Username] = h.Token(a, "tv")
	}
	h.by = audit.Actor{AccountID: h.ids["ada"], Address: "192.0.2.1"}
	for _, name := range []string{"kid", "locked"} {
		u, err := h.Homes.AddManaged(t.Context(), h.by, h.ids["ada"], name, "")
		h.must(err)
		h.ids[name] = u.Account.ID
	}
	guest, err := h.Homes.AddGuest(t.Context(), h.by, h.ids["ada"])
	h.must(err)
	h.ids["guest"] = guest.Account.ID
	h.must(h.Homes.Join(t.Context(), h.operator, h.ids["ada"], h.ids["eve"], true))
	h.must(h.Homes.Join(t.Context(), h.operator, h.ids["ada"], h.ids["mia"], false))
	h.must(h.Homes.ChangePIN(t.Context(), h.by, h.ids["ada"], "", adasPIN))
	h.must(h.Homes.SetManagedPIN(t.Context(), h.by, h.ids["ada"], h.id("locked"), lockedPIN))
	for _, name := range []string{"kid", "guest"} {
		h.tokens[name] = h.mustSwitch("ada", name, "")
	}
	h.tokens["locked"] = h.mustSwitch("ada", "locked", lockedPIN)
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) id(name string) string { return fmt.Sprint(h.ids[name]) }

func (h *house) principal(tok plexauth.Secret) token.Principal {
	h.t.Helper()
	p, err := h.Tokens.Verify(h.t.Context(), tok)
	h.must(err)
	return p
}

// become switches with the token of a user.
func (h *house) become(who, target string, pin plexauth.Secret) (plexauth.Secret, error) {
	h.t.Helper()
	p := h.principal(h.tokens[who])
	by := audit.Actor{AccountID: p.AccountID, Address: "192.0.2.1"}
	a, tok, err := h.Homes.Switch(h.t.Context(), by, p, h.id(target), pin, device.Device{ClientIdentifier: "tv"})
	if err == nil && a.ID != h.ids[target] {
		h.t.Errorf("%s became %d, want %s", who, a.ID, target)
	}
	return tok, err
}

func (h *house) mustSwitch(who, target string, pin plexauth.Secret) plexauth.Secret {
	h.t.Helper()
	tok, err := h.become(who, target, pin)
	h.must(err)
	return tok
}

func (h *house) dead(what string, tok plexauth.Secret) {
	h.t.Helper()
	if _, err := h.Tokens.Verify(h.t.Context(), tok); !errors.Is(err, token.ErrInvalid) {
		h.t.Errorf("%s: error %v, want ErrInvalid", what, err)
	}
}

// Which user may switch to which, without a PIN and with the correct one. Attack: a
// chain of switches from the least protected user to the owner, who is an admin of the
// server.
func TestWhoBecomesWhom(t *testing.T) {
	h := newHouse(t)
	pins := map[string]plexauth.Secret{"ada": adasPIN, "locked": lockedPIN}
	everybody := []string{"ada", "eve", "mia", "kid", "locked", "guest"}
	managed := map[string]bool{"kid": true, "locked": true, "guest": true}
	for _, who := range everybody {
		for _, target := range everybody {
			admin := who == "ada" || who == "eve"
			free := managed[target] && (pins[target] == "" || admin) || who == target && pins[target] == "" && !managed[target]
			if _, err := h.become(who, target, ""); (err == nil) != free || err != nil && !errors.Is(err, home.ErrPIN) {
				t.Errorf("%s becomes %s without a PIN: error %v, want none: %v", who, target, err, free)
			}
			if pin := pins[target]; pin != "" {
				h.mustSwitch(who, target, pin)
			} else if _, err := h.become(who, target, "0000"); !errors.Is(err, home.ErrPIN) {
				t.Errorf("%s becomes %s, who has no PIN, with one: error %v", who, target, err)
			}
		}
		for _, target := range []string{"zoe"} { // of another home
			if _, err := h.become(who, target, ""); !errors.Is(err, home.ErrNotFound) {
				t.Errorf("%s becomes %s: error %v, want ErrNotFound", who, target, err)
			}
		}
	}
	for _, nobody := range []string{"", "0", "99", "-1", "nobody", "1 "} {
		_, _, err := h.Homes.Switch(t.Context(), h.by, h.principal(h.tokens["ada"]), nobody, "", device.Device{ClientIdentifier: "tv"})
		if !errors.Is(err, home.ErrNotFound) {
			t.Errorf("ada becomes %q: error %v", nobody, err)
		}
	}
	// An account that is alone becomes itself: a JWT gets an opaque token so.
	h.mustSwitch("zoe", "zoe", "")
}

// The token of a switch is revoked with the token that switched, through any chain of
// switches.
func TestSwitchedTokensAreChildren(t *testing.T) {
	h := newHouse(t)
	h.tokens["first"] = h.Token(account.Account{Username: "ada"}, "phone")
	kid := h.mustSwitch("first", "kid", "")
	h.tokens["through kid"] = kid
	guest := h.mustSwitch("through kid", "guest", "")
	back := h.mustSwitch("through kid", "ada", adasPIN)
	h.must(h.Tokens.Revoke(t.Context(), h.by, h.principal(h.tokens["first"]).TokenID))
	for what, tok := range map[string]plexauth.Secret{"kid": kid, "guest": guest, "back": back} {
		h.dead(what, tok)
	}
	h.principal(h.tokens["kid"]) // of another token of ada's
}

// When a user leaves, is removed or is disabled, the tokens from switches from and to
// that user are revoked. Attack: a removed member continues with the token of another
// user.
func TestLeavingRevokes(t *testing.T) {
	for what, do := range map[string]func(h *house) error{
		"leaves":     func(h *house) error { return h.Homes.Remove(t.Context(), h.by, h.ids["mia"], h.id("mia")) },
		"is removed": func(h *house) error { return h.Homes.Remove(t.Context(), h.by, h.ids["ada"], h.id("mia")) },
		"by console": func(h *house) error { return h.Homes.Remove(t.Context(), h.operator, h.ids["ada"], h.id("mia")) },
		"is demoted": func(h *house) error {
			h.must(h.Homes.SetAdmin(t.Context(), h.by, h.ids["ada"], h.id("mia"), true))
			return h.Homes.SetAdmin(t.Context(), h.by, h.ids["ada"], h.id("mia"), false)
		},
		"is disabled": func(h *house) error { return h.Accounts.Disable(t.Context(), h.operator, h.ids["mia"]) },
		"and enabled again": func(h *house) error {
			h.must(h.Accounts.Disable(t.Context(), h.operator, h.ids["mia"]))
			return h.Accounts.Enable(t.Context(), h.operator, h.ids["mia"])
		},
		"has their own gone": func(h *house) error { return h.Accounts.Remove(t.Context(), h.operator, h.ids["mia"]) },
	} {
		t.Run(what, func(t *testing.T) {
			h := newHouse(t)
			h.must(h.Homes.ChangePIN(t.Context(), h.by, h.ids["mia"], "", "5555"))
			lost := map[string]plexauth.Secret{"kid": h.mustSwitch("mia", "kid", ""), "ada": h.mustSwitch("mia", "ada", adasPIN)}
			h.tokens["mia's kid"] = lost["kid"]
			lost["the guest through kid"] = h.mustSwitch("mia's kid", "guest", "")
			lost["ada's mia"] = h.mustSwitch("ada", "mia", "5555")
			for _, tok := range lost {
				h.principal(tok) // it is cached
			}
			h.must(do(h))
			for name, tok := range lost {
				if name == "ada's mia" && what == "and enabled again" {
					continue // it is mia's own again
				}
				h.dead(name, tok)
			}
			h.principal(h.tokens["kid"])
			h.principal(h.tokens["ada"])
		})
	}
}

// Attack: a user switches while their account is disabled or removed from the home.
// Whichever comes first, no token of the other user remains.
func TestSwitchWhileLeaving(t *testing.T) {
	for what, do := range map[string]func(h *house) error{
		"is removed":  func(h *house) error { return h.Homes.Remove(t.Context(), h.by, h.ids["ada"], h.id("mia")) },
		"is disabled": func(h *house) error { return h.Accounts.Disable(t.Context(), h.operator, h.ids["mia"]) },
		"signs out": func(h *house) error {
			return h.Tokens.Revoke(t.Context(), h.by, h.principal(h.tokens["mia"]).TokenID)
		},
	} {
		t.Run(what, func(t *testing.T) {
			h := newHouse(t)
			p := h.principal(h.tokens["mia"])
			become := func() (plexauth.Secret, error) {
				_, tok, err := h.Homes.Switch(t.Context(), audit.Actor{AccountID: p.AccountID}, p, h.id("kid"), "", device.Device{ClientIdentifier: "tv"})
				return tok, err
			}
			var wg sync.WaitGroup
			tokens := make([]plexauth.Secret, 4)
			for i := range tokens {
				wg.Go(func() { tokens[i], _ = become() })
			}
			wg.Go(func() { h.must(do(h)) })
			wg.Wait()
			for _, tok := range tokens {
				if tok != "" {
					h.dead("what mia had switched to", tok)
				}
			}
			if tok, err := become(); !errors.Is(err, token.ErrInvalid) && !errors.Is(err, home.ErrNotFound) {
				t.Errorf("a switch that was under way: %q, %v", tok, err)
			}
		})
	}
}

// A managed user and all its tokens are removed with the user, and with the owner.
func TestRemovingManagedUsers(t *testing.T) {
	h := newHouse(t)
	p := h.principal(h.tokens["kid"])
	h.must(h.Homes.Remove(t.Context(), h.by, h.ids["eve"], h.id("kid"))) // an admin of the home
	h.dead("kid", h.tokens["kid"])
	if _, err := h.Accounts.Get(t.Context(), p.AccountID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the account: error %v", err)
	}
	lockeds := h.tokens["locked"]
	h.must(h.Accounts.Disable(t.Context(), h.operator, h.AddAdmin("root").ID))
	h.must(h.Accounts.Promote(t.Context(), h.operator, h.ids["eve"]))
	h.must(h.Accounts.Disable(t.Context(), h.operator, h.ids["ada"]))
	h.dead("a managed user of a disabled owner", lockeds)
	h.must(h.Accounts.Remove(t.Context(), h.operator, h.ids["ada"]))
	for _, name := range []string{"ada", "locked", "guest"} {
		if _, err := h.Accounts.Get(t.Context(), h.ids[name]); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	found, err := h.Homes.Of(t.Context(), h.ids["mia"])
	if err != nil || found.Shared {
		t.Errorf("the home of mia: %+v, %v", found, err)
	}
}

// Which user may change which object. Attack: a managed user or a member gains rights in
// the home.
func TestAllowedChanges(t *testing.T) {
	for _, row := range []struct {
		what string
		do   func(h *house, as int64) error
		may  string // who may, of the six
	}{
		{"add a managed user", func(h *house, as int64) error {
			_, err := h.Homes.AddManaged(t.Context(), audit.Actor{AccountID: as}, as, "new", "")
			return err
		}, "ada eve"},
		{"rename", func(h *house, as int64) error {
			return h.Homes.Rename(t.Context(), audit.Actor{AccountID: as}, as, h.id("kid"), "new")
		}, "ada eve"},
		{"restrict", func(h *house, as int64) error {
			return h.Homes.Restrict(t.Context(), audit.Actor{AccountID: as}, as, h.id("kid"), "teen")
		}, "ada eve"},
		{"set a PIN", func(h *house, as int64) error {
			return h.Homes.SetManagedPIN(t.Context(), audit.Actor{AccountID: as}, as, h.id("kid"), "1111")
		}, "ada eve"},
		{"remove a PIN", func(h *house, as int64) error {
			return h.Homes.SetManagedPIN(t.Context(), audit.Actor{AccountID: as}, as, h.id("locked"), "")
		}, "ada eve"},
		{"set the PIN of a login", func(h *house, as int64) error {
			return h.Homes.SetManagedPIN(t.Context(), audit.Actor{AccountID: as}, as, h.id("mia"), "1111")
		}, ""},
		{"set their own PIN", func(h *house, as int64) error {
			return h.Homes.ChangePIN(t.Context(), audit.Actor{AccountID: as}, as, "", "1111")
		}, "eve mia"}, // ada has one
		{"remove a managed user", func(h *house, as int64) error {
			return h.Homes.Remove(t.Context(), audit.Actor{AccountID: as}, as, h.id("locked"))
		}, "ada eve"},
		{"remove an admin", func(h *house, as int64) error {
			return h.Homes.Remove(t.Context(), audit.Actor{AccountID: as}, as, h.id("eve"))
		}, "ada eve"}, // eve leaves
		{"remove a member", func(h *house, as int64) error {
			return h.Homes.Remove(t.Context(), audit.Actor{AccountID: as}, as, h.id("mia"))
		}, "ada mia"},
		{"remove the owner", func(h *house, as int64) error {
			return h.Homes.Remove(t.Context(), audit.Actor{AccountID: as}, as, h.id("ada"))
		}, ""},
		{"make an admin", func(h *house, as int64) error {
			return h.Homes.SetAdmin(t.Context(), audit.Actor{AccountID: as}, as, h.id("mia"), true)
		}, "ada"},
		{"make a managed user an admin", func(h *house, as int64) error {
			return h.Homes.SetAdmin(t.Context(), audit.Actor{AccountID: as}, as, h.id("kid"), true)
		}, ""},
		{"make the owner a member", func(h *house, as int64) error {
			return h.Homes.SetAdmin(t.Context(), audit.Actor{AccountID: as}, as, h.id("ada"), false)
		}, ""},
		{"change somebody of another home", func(h *house, as int64) error {
			return h.Homes.Rename(t.Context(), audit.Actor{AccountID: as}, as, h.id("zoe"), "new")
		}, ""},
	} {
		t.Run(row.what, func(t *testing.T) {
			h := newHouse(t)
			for _, who := range []string{"guest", "locked", "kid", "mia", "eve", "ada"} {
				err := row.do(h, h.ids[who])
				may := slices.Contains(strings.Fields(row.may), who)
				if (err == nil) != may || err != nil && fault.KindOf(err) == fault.Unknown {
					t.Errorf("%s: error %v, want none: %v", who, err, may)
				}
				if err == nil && who != "ada" {
					h = newHouse(t) // undoes the changes
				}
			}
		})
	}
}

// Attack: a user of the home guesses a PIN of four digits. After the free attempts, each
// further one doubles the wait. While waiting, not even the correct PIN is checked. A
// restart does not reset the count, and concurrent attempts reveal nothing more.
func TestGuessingAPIN(t *testing.T) {
	h := newHouse(t)
	for i := range 5 {
		if _, err := h.become("kid", "ada", plexauth.Secret(fmt.Sprintf("000%d", i))); !errors.Is(err, home.ErrPIN) {
			t.Fatalf("wrong PIN %d: error %v", i, err)
		}
	}
	locked := func(wait time.Duration) {
		t.Helper()
		for _, who := range []string{"kid", "mia", "ada"} {
			if _, err := h.become(who, "ada", adasPIN); !errors.Is(err, home.ErrLocked) || fault.WaitOf(err) != wait {
				t.Errorf("%s while it is locked: error %v, wait %s, want %s", who, err, fault.WaitOf(err), wait)
			}
		}
	}
	locked(time.Minute)
	if err := h.Homes.ChangePIN(t.Context(), h.by, h.ids["ada"], adasPIN, ""); !errors.Is(err, home.ErrLocked) {
		t.Errorf("removing the PIN while it is locked: error %v", err)
	}
	again := h.Restart()
	_, _, err := again.Homes.Switch(t.Context(), h.by, h.principal(h.tokens["kid"]), h.id("ada"), adasPIN, device.Device{ClientIdentifier: "tv"})
	if !errors.Is(err, home.ErrLocked) {
		t.Errorf("after a restart: error %v", err)
	}
	h.Clock.Advance(time.Minute)
	if _, err := h.become("kid", "ada", "9999"); !errors.Is(err, home.ErrPIN) {
		t.Fatal(err)
	}
	locked(2 * time.Minute)
	h.Clock.Advance(2 * time.Minute)
	h.mustSwitch("kid", "ada", adasPIN) // which forgets the wrong ones

	// Many at the same time.
	var wg sync.WaitGroup
	var mu sync.Mutex
	looked := 0
	p := h.principal(h.tokens["kid"])
	for i := range 20 {
		wg.Go(func() {
			_, _, err := h.Homes.Switch(t.Context(), h.by, p, h.id("ada"), plexauth.Secret(fmt.Sprintf("00%02d", i)), device.Device{ClientIdentifier: "tv"})
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, home.ErrPIN) {
				looked++
			} else if !errors.Is(err, home.ErrLocked) {
				t.Errorf("guess %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if looked != 5 {
		t.Errorf("%d of 20 guesses at the same time were answered, want 5", looked)
	}
	// The owner enters the password, and gets a new PIN.
	h.must(h.Homes.ResetPIN(t.Context(), h.by, h.ids["ada"], "2222"))
	h.mustSwitch("kid", "ada", "2222")
	if _, err := h.become("kid", "ada", adasPIN); !errors.Is(err, home.ErrPIN) {
		t.Errorf("the PIN of before: error %v", err)
	}
}

// Attack: a PIN that cannot be decoded, in a manipulated database, opens the account to
// everyone. It is treated as a PIN that nothing matches.
func TestUnknownCountsAsProtected(t *testing.T) {
	for _, stored := range []string{"x", "$argon2id$v=19$m=8,t=1,p=1$AAAA$", "1234"} {
		h := newHouse(t)
		h.must(h.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for _, name := range []string{"ada", "kid"} {
				u, err := store.Homes{}.User(ctx, tx, h.ids[name])
				if err != nil {
					return err
				}
				u.PIN = plexauth.Secret(stored)
				if err := (store.Homes{}).Update(ctx, tx, u); err != nil {
					return err
				}
			}
			return nil
		}))
		facts, err := h.Homes.Facts(t.Context(), account.Account{ID: h.ids["kid"]})
		if err != nil || !facts.Protected {
			t.Errorf("%s: %+v, %v", stored, facts, err)
		}
		for _, pin := range []plexauth.Secret{"", "1234", "x", "0000"} {
			for _, target := range []string{"ada", "kid"} {
				if _, err := h.become("guest", target, pin); !errors.Is(err, home.ErrPIN) {
					t.Errorf("%s: %s with %q: error %v", stored, target, string(pin), err)
				}
			}
		}
	}
}

// A managed account can never sign in, whatever is changed.
func TestManagedAccountsAreNoLogins(t *testing.T) {
	h := newHouse(t)
	id := h.ids["kid"]
	a, err := h.Accounts.Get(t.Context(), id)
	h.must(err)
	if !a.Managed() || a.CanSignIn() || a.Email != "" || a.PasswordHash != "" {
		t.Errorf("the account is %+v", a)
	}
	for what, err := range map[string]error{
		"a password":     h.Accounts.SetPassword(t.Context(), h.operator, id, "a long password"),
		"an e-mail":      h.Accounts.SetEmail(t.Context(), h.operator, id, "kid@example.org"),
		"another name":   h.Accounts.Rename(t.Context(), h.operator, id, "kiddo"),
		"the admin role": h.Accounts.Promote(t.Context(), h.operator, id),
		"a home":         h.Homes.Join(t.Context(), h.operator, h.ids["zoe"], id, false),
		"a seed": func() error {
			_, err := h.Accounts.Enrol(t.Context(), h.operator, id, account.NewEnrolment("usher", "kid"), "")
			return err
		}(),
	} {
		if !errors.Is(err, account.ErrManaged) {
			t.Errorf("%s: error %v, want ErrManaged", what, err)
		}
	}
	// Attack: the database has a password for it.
	ada, err := h.Accounts.Get(t.Context(), h.ids["ada"])
	h.must(err)
	a.PasswordHash = ada.PasswordHash
	h.must(h.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return store.Accounts{}.Update(ctx, tx, a) }))
	for _, login := range []string{"kid", a.UsernameKey, " " + a.UUID, a.UUID, "", "KID"} {
		_, err := h.Accounts.Verify(t.Context(), audit.Actor{}, account.Credentials{Login: login, Password: coretest.Password})
		if !errors.Is(err, account.ErrCredentials) {
			t.Errorf("signing in as %q: error %v", login, err)
		}
	}
}

// Names must be distinguishable, PINs have four digits, and the size of a home is
// limited.
func TestLimitsOfAHome(t *testing.T) {
	h := newHouse(t)
	ada := h.ids["ada"]
	for _, name := range []string{"", " ", "a\x00b", "a\u200bb", "k\u0456d", string(make([]byte, 70)), "kid", "KID", "ada", "locked"} {
		if _, err := h.Homes.AddManaged(t.Context(), h.by, ada, name, ""); fault.KindOf(err) != fault.Invalid && fault.KindOf(err) != fault.Exists {
			t.Errorf("a user called %q: error %v", name, err)
		}
	}
	if _, err := h.Homes.AddManaged(t.Context(), h.by, ada, "new", "anything"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an unknown restriction: error %v", err)
	}
	for _, pin := range []plexauth.Secret{"1", "12345", "123a", "１２３４", "12 3", "-123"} {
		if err := h.Homes.SetManagedPIN(t.Context(), h.by, ada, h.id("kid"), pin); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the PIN %q: error %v", string(pin), err)
		}
	}
	u, err := h.Homes.AddManaged(t.Context(), h.by, ada, "  Little   One ", "little_kid")
	if err != nil || u.Account.Title != "Little One" || u.Restriction != "little_kid" {
		t.Errorf("got %+v, %v", u, err)
	}
	for i := 7; i < home.MaxSize; i++ {
		_, err := h.Homes.AddManaged(t.Context(), h.by, ada, fmt.Sprint("child number ", i), "")
		h.must(err)
	}
	if _, err := h.Homes.AddManaged(t.Context(), h.by, ada, "one more", ""); !errors.Is(err, home.ErrFull) {
		t.Errorf("one more: error %v", err)
	}
	if err := h.Homes.Join(t.Context(), h.operator, ada, h.ids["zoe"], false); !errors.Is(err, home.ErrFull) {
		t.Errorf("one more account: error %v", err)
	}
	if err := h.Homes.Join(t.Context(), h.operator, h.ids["zoe"], h.ids["mia"], false); !errors.Is(err, home.ErrInHome) {
		t.Errorf("an account of another home: error %v", err)
	}
	facts, err := h.Homes.Facts(t.Context(), account.Account{ID: ada})
	if want := (home.Facts{Home: true, Admin: true, Size: home.MaxSize, Protected: true}); err != nil || facts != want {
		t.Errorf("the facts are %+v, %v, want %+v", facts, err, want)
	}
}

// A wrong current PIN changes nothing, and is counted.
func TestChangeOwnPIN(t *testing.T) {
	h := newHouse(t)
	ada := h.ids["ada"]
	for _, current := range []plexauth.Secret{"", "0000", "1235"} {
		for _, pin := range []plexauth.Secret{"1111", ""} {
			if err := h.Homes.ChangePIN(t.Context(), h.by, ada, current, pin); !errors.Is(err, home.ErrCurrentPIN) {
				t.Errorf("with %q: error %v", string(current), err)
			}
		}
	}
	h.must(h.Homes.ChangePIN(t.Context(), h.by, ada, adasPIN, "1111"))
	h.must(h.Homes.ChangePIN(t.Context(), h.by, ada, "1111", ""))
	if _, err := h.become("kid", "ada", ""); !errors.Is(err, home.ErrPIN) {
		t.Errorf("without a PIN, nobody else becomes ada: error %v", err)
	}
}

// On a shared screen, every PIN is required, and other accounts that sign in do so
// themselves.
func TestChoosing(t *testing.T) {
	h := newHouse(t)
	for _, row := range []struct {
		as, who string
		pin     plexauth.Secret
		want    error
	}{
		{"ada", "kid", "", nil},
		{"ada", "guest", "", nil},
		{"ada", "locked", "", home.ErrPIN},
		{"ada", "locked", "0000", home.ErrPIN},
		{"ada", "locked", lockedPIN, nil},
		{"ada", "ada", "", home.ErrPIN},
		{"ada", "ada", adasPIN, nil},
		{"mia", "mia", "", nil},
		{"mia", "ada", adasPIN, home.ErrNotFound},
		{"mia", "eve", "", home.ErrPIN},
		{"zoe", "kid", "", home.ErrNotFound},
	} {
		a, err := h.Homes.Choose(t.Context(), h.by, h.ids[row.as], h.id(row.who), row.pin)
		if !errors.Is(err, row.want) || err == nil && a.ID != h.ids[row.who] {
			t.Errorf("%s chooses %s with %q: %d, %v", row.as, row.who, string(row.pin), a.ID, err)
		}
	}
}

// Attack: a PIN of four digits replaces the passkey that the rules of an account
// require, or the second factor that an admin needs and does not have.
func TestRulesCloseAnAccountToItsHome(t *testing.T) {
	yes, no := true, false
	for name, rule := range map[string]func(h *house) error{
		"the password is off": func(h *house) error {
			return h.Accounts.SetRules(t.Context(), h.operator, h.ids["ada"], &yes, &no, hasPasskeys{})
		},
		"a passkey is required": func(h *house) error {
			return h.Accounts.SetRules(t.Context(), h.operator, h.ids["ada"], &no, &yes, hasPasskeys{})
		},
		"an admin without a second factor": func(h *house) error {
			return h.Accounts.SetAdminRule(t.Context(), h.operator, true, 0)
		},
		"an admin with the second factor that admins need": func(h *house) error {
			if err := h.Accounts.SetAdminRule(t.Context(), h.operator, true, time.Hour); err != nil {
				return err
			}
			h.mustSwitch("mia", "ada", adasPIN) // ada has an hour to set it up
			_, err := h.Accounts.Enrol(t.Context(), h.operator, h.ids["ada"], account.NewEnrolment("usher", "ada"), "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.mustSwitch("mia", "ada", adasPIN)
			h.must(rule(h))
			h.Clock.Advance(time.Second)
			for _, who := range []string{"mia", "eve", "kid"} {
				for _, pin := range []plexauth.Secret{adasPIN, ""} {
					if _, err := h.become(who, "ada", pin); !errors.Is(err, home.ErrPIN) {
						t.Errorf("%s becomes ada: %v", who, err)
					}
				}
			}
			h.mustSwitch("ada", "ada", adasPIN) // the holder of a token of ada's acts as ada
			h.mustSwitch("ada", "kid", "")
		})
	}
}

// hasPasskeys are accounts that have passkeys.
type hasPasskeys struct{}

func (hasPasskeys) CountOf(context.Context, db.Querier, int64) (int, error) { return 1, nil }
